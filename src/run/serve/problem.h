/*
 * problem.h -- errors as application/problem+json (RFC 9457).
 *
 * Members: type, title, status, detail, and where known hint, pointer, errors, request_id.
 */
#ifndef MW_RUN_SERVE_PROBLEM_H
#define MW_RUN_SERVE_PROBLEM_H

#include "core/base/status.h"
#include "core/base/str.h"
#include "core/param/faults.h"

/*
 * mw_problem_write -- appends one JSON object.
 *
 *   status      HTTP status; when it is not the one of error->code, the title is HTTP's own
 *   error       code, message, hint and pointer
 *   faults      all that is wrong with the request, of which error is the first; or NULL
 *   request_id  or NULL
 */
void mw_problem_write(int status, const mw_err *error, const mw_faults *faults,
                      const char *request_id, mw_buf *out);

/* What is left to say when there is no memory for that: status, title and request. request_id: letters, digits, - _ . only, or NULL. */
enum { MW_PROBLEM_SHORT = 384 };
void mw_problem_short(int status, const char *request_id, char out[MW_PROBLEM_SHORT]);

#endif
