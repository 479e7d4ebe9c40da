/*
 * report.h -- what a training learned, as text for people: rows, devices, each model beside the
 * last-value forecast, the strangest windows and the most important features.
 */
#ifndef MW_RUN_OP_REPORT_H
#define MW_RUN_OP_REPORT_H

#include "core/text/json.h"

void mw_op__print_training(const mw_json *result, mw_buf *out);

#endif
