/*
 * upload.h -- a file that comes over HTTP: received into the organization's folder, read by a job.
 *
 * Lifetime  mw_upload_open -> mw_upload_write* -> mw_upload_finish -> mw_upload_hand_over ->
 *           mw_upload_free. Freed before the hand-over, all of it is removed; afterwards it is
 *           removed when the job has ended, however it ended.
 * Place     orgs/{org}/uploads/{serial}.{holder}/: `.body` while bytes come, then the file under
 *           its own name, and `.job` with the job's id.
 * Crash     a starting server removes what no unfinished job and no living process needs.
 * Threads   one upload by one thread at a time; every call may block.
 */
#ifndef MW_RUN_OP_UPLOAD_H
#define MW_RUN_OP_UPLOAD_H

#include "run/op/op.h"

/* MW_EINVAL unless name is a plain file name: 1 to 255 bytes, no slash, no control character, no
 * leading dot. */
mw_status mw_upload_check_name(const char *name, mw_err *err);

mw_status mw_upload_open(mw_app *app, const mw_ctx *ctx, const char *name, mw_upload **ret,
                         mw_err *err);
mw_status mw_upload_write(mw_upload *upload, const void *data, size_t size, mw_err *err);
/* All bytes have come; MW_EINVAL when there were none. */
mw_status mw_upload_finish(mw_upload *upload, mw_err *err);
const char *mw_upload_path(const mw_upload *upload); /* once finished */
/* The file now belongs to this job. A failure to note that only costs its removal: it is logged. */
void mw_upload_hand_over(mw_upload *upload, const char *job_id);
void *mw_upload_free(mw_upload *upload); /* NULL is allowed; returns NULL */

/* Removes what earlier servers left, and looks after what their waiting jobs still need. */
void mw_upload_sweep(mw_app *app);

#endif
