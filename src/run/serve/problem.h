/*
 * problem.h -- errors as application/problem+json (RFC 9457).
 *
 * Members: type, title, status, detail, and where known hint, pointer, request_id.
 */
#ifndef MW_RUN_SERVE_PROBLEM_H
#define MW_RUN_SERVE_PROBLEM_H

#include "core/base/status.h"
#include "core/base/str.h"

/*
 * mw_problem_write -- appends one JSON object.
 *
 *   status      HTTP status; when it is not the one of error->code, the title is HTTP's own
 *   error       code, message, hint and pointer
 *   request_id  or NULL
 */
void mw_problem_write(int status, const mw_err *error, const char *request_id, mw_buf *out);

#endif
