/*
 * dir.h -- a directory as a capability: holders can reach what is in it and nothing else.
 *
 * What      wraps a directory descriptor; names are single components ("a/b" and ".." are refused),
 * so code that is handed an mw_dir cannot leave it. learn/ gets these and never sees a path.
 * Lifetime  mw_dir_open | mw_dir_sub -> ... -> mw_dir_close
 */
#ifndef MW_CORE_BASE_DIR_H
#define MW_CORE_BASE_DIR_H

#include "core/base/files.h"

typedef struct mw_dir mw_dir;

typedef enum mw_dir_mode { MW_DIR_MUST_EXIST, MW_DIR_CREATE } mw_dir_mode;

/* path may have several components; MW_DIR_CREATE makes the missing ones (and syncs their parents).
 */
mw_status mw_dir_open(const mw_ctx *ctx, const char *path, mw_dir_mode mode, mw_dir **ret,
                      mw_err *err);
/* The folder of a path's last component, which *ret_name points at, in path; it must exist. */
mw_status mw_dir_open_parent(const mw_ctx *ctx, const char *path, mw_dir **ret,
                             const char **ret_name, mw_err *err);
mw_status mw_dir_sub(const mw_ctx *ctx, mw_dir *dir, const char *name, mw_dir_mode mode,
                     mw_dir **ret, mw_err *err);
/*
 * The folder of the last name of `path`, which *ret_name points at, in path: each part of "a/b/c" is a name in the folder before it, so that nothing
 * outside dir is reached, and no link is followed. MW_EINVAL: a part that is no plain name, or more than 16 of them.
 */
mw_status mw_dir_below(const mw_ctx *ctx, mw_dir *dir, const char *path, mw_dir_mode mode,
                       mw_dir **ret, const char **ret_name, mw_err *err);
void *mw_dir_close(mw_dir *dir); /* NULL is allowed; returns NULL */

int mw_dir_fd(const mw_dir *dir);
const char *mw_dir_label(const mw_dir *dir); /* for messages only */

typedef struct mw_dir_entry {
    char name[256];
    bool is_dir;
    uint64_t size_bytes;
    int64_t modified_us;
} mw_dir_entry;

/* All entries but "." and "..", sorted by bytes of the name; *ret is one block (mw_free it). */
mw_status mw_dir_list(const mw_ctx *ctx, mw_dir *dir, mw_dir_entry **ret, size_t *n, mw_err *err);

bool mw_dir_has(mw_dir *dir, const char *name);

/* Durable rename between directories; an existing plain file at the target is replaced. */
mw_status mw_dir_move(const mw_ctx *ctx, mw_dir *from, const char *from_name, mw_dir *to,
                      const char *to_name, mw_err *err);
/* Two entries of dir change their names in one step, durably. */
mw_status mw_dir_exchange(const mw_ctx *ctx, mw_dir *dir, const char *a, const char *b,
                          mw_err *err);
/* Makes name a symbolic link to target (relative to dir), in the place of whatever link was there. */
mw_status mw_dir_link(const mw_ctx *ctx, mw_dir *dir, const char *name, const char *target,
                      mw_err *err);
/* Removes a file or a whole tree; a missing one is no error. */
mw_status mw_dir_remove(const mw_ctx *ctx, mw_dir *dir, const char *name, mw_err *err);
mw_status mw_dir_sync(const mw_ctx *ctx, mw_dir *dir, mw_err *err);

#endif
