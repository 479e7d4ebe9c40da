/*
 * resume.h -- an ingest of many files that died goes on with the files that it had finished.
 *
 * Manifest  beside what a finished file staged lies "<32 digits of its name's hash>.done.json": its outcome, the hash of its bytes,
 *           the hash of everything else that shapes the outcome (arguments, saved profile, the dataset's columns, program version),
 *           and a check over it all. It is written last, so what it names is whole.
 * Adopting  a manifest counts when its check, the options and the source's own bytes agree; the files it names are moved into the new staging
 *           first and verified there, where nobody else can reach them. Anything less and the source is read again: nothing here is an error of
 *           the ingest but cancellation and want of memory.
 * Lifetime  mw_resume_open -> mw_resume_set_options -> (mw_resume_adopt | mw_resume_note)* -> mw_resume_close
 */
#ifndef MW_KEEP_INGEST_RESUME_H
#define MW_KEEP_INGEST_RESUME_H

#include "keep/ingest/asked.h"
#include "keep/ingest/ingest.h"

enum { MW_RESUME_FOLDERS = 16 }; /* more are not looked at */

struct mw_resume {
    mw_dir *folders[MW_RESUME_FOLDERS]; /* [n], owned: staging folders of dead jobs */
    size_t n;
    mw_dir *
        dataset; /* owned; may have some of the staged files, of a commit that died, and says how known files were read; NULL: none */
    char options[MW_SHA256_HEX];
};

/*
 * work_dir: of a job. Its folder "segments" and those of the work folders in its folder "left", and in theirs, are what is looked
 * through. None is no error.
 */
mw_status mw_resume_open(const mw_ctx *ctx, mw_dir *work_dir, mw_resume *ret, mw_err *err);
void mw_resume_close(mw_resume *resume);
/* Whether there is any manifest. */
bool mw_resume_holds(const mw_ctx *ctx, const mw_resume *resume);
/* columns: the dataset's, or NULL. */
mw_status mw_resume_set_options(const mw_ctx *ctx, const mw_asked *asked, const mw_schema *columns,
                                mw_resume *resume, mw_err *err);

/*
 * Fills file and sets file->resumed when a dead job finished this source; else file is as it was. hash: of the source's bytes, when the
 * caller knows it.
 */
mw_status mw_resume_adopt(const mw_ctx *ctx, const mw_resume *resume, mw_dir *staging,
                          const char *hash, mw_ingest_file *file, mw_err *err);
/* The file is finished: leaves its manifest in staging. Failing is only logged. */
void mw_resume_note(const mw_ctx *ctx, const mw_resume *resume, mw_dir *staging,
                    const mw_ingest_file *file);
/* Takes the manifest of a source back. */
void mw_resume_forget(const mw_ctx *ctx, mw_dir *staging, const char *source);

#endif
