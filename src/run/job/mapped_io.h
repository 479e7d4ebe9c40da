/*
 * mapped_io.h -- files under other names: paths below one folder are opened below another, and there are no others.
 *
 * What      for a worker whose files were fetched from a server: the job names them as they are called there, and so do messages. What is
 *           opened in a folder that is open already (mw_dir) is not touched.
 * Lifetime  both texts are borrowed; the struct is not moved while its io is used.
 */
#ifndef MW_RUN_JOB_MAPPED_IO_H
#define MW_RUN_JOB_MAPPED_IO_H

#include "core/base/files.h"

typedef struct mw_mapped_io {
    mw_io io; /* hand this to who opens files */
    const char *from, *to;
} mw_mapped_io;

void mw_mapped_io_init(mw_mapped_io *mapped, const char *from, const char *to);

#endif
