/*
 * listing.h -- the paths a user gives, as the files they stand for.
 *
 * A path      is a file, "-" (standard input, once), a folder, or a pattern.
 * A folder    stands for the tables directly in it: names that end in .csv .tsv .txt .dat .data, any case,
 *             each also with .gz or .zst behind it. Not taken: sub-folders, hidden files, and texts that go with
 *             tables by their name (readme* license* licence* copying* changelog* notice*).
 * A pattern   holds * ? or [; it is one only when no file or folder has that very name. * ? and [...] are
 *             fnmatch's within one name, and do not match a leading '.'; ** as a whole name stands for any
 *             number of folders, itself included. It takes the files that match, whatever their ending, and
 *             not folders; links to files are followed, links to folders not below **.
 * Order       files are sorted by path within each argument; a file that is reached twice counts once.
 * Refused     two different files with one base name, which is a file's identity in a dataset.
 */
#ifndef MW_KEEP_INGEST_LISTING_H
#define MW_KEEP_INGEST_LISTING_H

#include <stdbool.h>

#include "core/base/ctx.h"

typedef struct mw_listing {
    char **paths; /* [n], owned */
    size_t n, capacity;
} mw_listing;

/* What a folder is read for: the name of a table, as above. */
bool mw_listing_is_table(const char *name);

/* MW_ENOTFOUND, MW_EDATA (a folder or a pattern without a table), MW_EINVAL (one name twice), MW_ETOOLARGE. A file
 * that is named is not looked at: opening it says whether it exists. */
mw_status mw_listing_read(const mw_ctx *ctx, const char *const *paths, size_t n_paths,
                          mw_listing *ret, mw_err *err);
void mw_listing_done(mw_listing *listing);

#endif
