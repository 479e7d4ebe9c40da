/*
 * ingest_text.h -- what an ingest did, or would do, as text for people.
 */
#ifndef MW_RUN_OP_INGEST_TEXT_H
#define MW_RUN_OP_INGEST_TEXT_H

#include "core/text/json.h"

void mw_op__print_ingest(const mw_json *result, mw_buf *out);

#endif
