/*
 * backup.h -- a backup: a folder with the records, and the files that they name, at one moment.
 *
 * What      millwright.db (a copy of the store), backup.json (written last: without it a backup is not whole) and, when files are asked for,
 *           the files below orgs/ under the same paths as in the data folder. backup.json has the size and XXH3-128 of each.
 * Moment    the records are one snapshot. Files that records name never change; those that are replaced while they are copied are made good by another
 *           snapshot. Live rows that are not in a segment yet are copied before the snapshot, so none that were acknowledged before the backup began is missing.
 */
#ifndef MW_RUN_OP_BACKUP_H
#define MW_RUN_OP_BACKUP_H

#include "core/base/hash.h"
#include "core/table/table.h"
#include "run/op/app.h"

#define MW_BACKUP_STORE "millwright.db"
#define MW_BACKUP_LIST "backup.json"

enum { MW_BACKUP_FORMAT = 1 };

typedef struct mw_backup_file {
    int64_t size_bytes;
    char hash[MW_HASH128_HEX];
    int round; /* of the snapshot that names it; 0: live rows, copied before the first */
} mw_backup_file;

/* The list of a backup's files. Lifetime: mw_backup_list_init -> ... -> mw_backup_list_done, also after a failure. */
typedef struct mw_backup_list {
    mw_mem *mem;
    mw_dictionary *paths;  /* "orgs/acme/datasets/main/x0f....arrow" */
    mw_backup_file *files; /* [mw_dictionary_size(paths)] by code */
    size_t capacity;
} mw_backup_list;

mw_status mw_backup_list_init(mw_backup_list *list, mw_mem *mem, mw_err *err);
void mw_backup_list_done(mw_backup_list *list);
/* NULL: it is not there. Good until the next add. */
mw_backup_file *mw_backup_list_find(const mw_backup_list *list, mw_str path);
mw_status mw_backup_list_add(mw_backup_list *list, mw_str path, const mw_backup_file *file,
                             mw_err *err);

/* ---- files by their path below a folder ---- */

/* The folder of the path's last component, which *ret_name points at, in path. No component may be "..". */
mw_status mw_backup_folder(const mw_ctx *ctx, mw_dir *root, const char *path, mw_dir_mode mode,
                           mw_dir **ret, const char **ret_name, mw_err *err);

/* Size and hash of root/path into *ret; when `to` is not NULL the bytes go to to/path, too, durably. Cost: one read of the file. MW_ENOTFOUND. */
mw_status mw_backup_copy(const mw_ctx *ctx, mw_dir *root, const char *path, mw_dir *to,
                         mw_backup_file *ret, mw_err *err);

/* The same of one file in `from`, which becomes to_name in `to`, unless `to` is NULL. */
mw_status mw_backup_copy_one(const mw_ctx *ctx, mw_dir *from, const char *name, mw_dir *to,
                             const char *to_name, mw_backup_file *ret, mw_err *err);

/* MW_EDATA when root/path is not the file that was listed. */
mw_status mw_backup_check(const mw_ctx *ctx, mw_dir *root, const char *path,
                          const mw_backup_file *listed, mw_err *err);
mw_status mw_backup_compare(const char *path, const mw_backup_file *found,
                            const mw_backup_file *listed, mw_err *err);

/* ---- what records name ---- */

/* path of a file, or, when sha256 is not NULL, of a model's folder, all of whose files belong to it; sha256 is that of mw_model_file. ctx->org is
 * its organization. */
typedef mw_status (*mw_backup_visit)(void *arg, const mw_ctx *ctx, const char *path,
                                     const char *sha256, mw_err *err);
mw_status mw_backup_each(const mw_ctx *ctx, mw_store *store, mw_backup_visit visit, void *arg,
                         mw_err *err);

#endif
