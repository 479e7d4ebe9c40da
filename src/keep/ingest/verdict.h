/*
 * verdict.h -- which files were found to hold what their names say, so that a hash is not taken again and again.
 *
 * What      good verdicts only, by name, device, inode, size and times of the file: whatever is written to a file
 *           moves its times. Bytes that the disk loses later show when the next process looks.
 * Bounds    1024 files in the process; the ones checked longest ago give way.
 * Threads   any.
 */
#ifndef MW_KEEP_INGEST_VERDICT_H
#define MW_KEEP_INGEST_VERDICT_H

#include <stdbool.h>
#include <sys/stat.h>

bool mw_verdict_is_good(const char *name, const struct stat *info);
/* info: from before the file was read. */
void mw_verdict_keep_good(const char *name, const struct stat *info);

#endif
