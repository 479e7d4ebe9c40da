/*
 * sqlite_copy.c -- a copy of the store while others write, the look through a copy, and keeping others out of a file.
 *
 * A connection of its own opens a read transaction and keeps it: in WAL mode that is one snapshot, so SQLite's online backup (sqlite.org/backup.html) reads
 * the same pages whatever is committed meanwhile, never begins anew, and no writer waits. What a reader does hold up is the log's
 * restart, so the log grows by what is written during the copy and shrinks afterwards.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/base/files.h"
#include "keep/store/sqlite.h"

enum { PAGES_AT_ONCE = 256 };

static const char *name_of(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* A relative path is never read as a URI. MW_ENOMEM. */
static mw_status connect_to(const char *path, int flags, sqlite3 **ret, mw_err *err) {
    char *plain = sqlite3_mprintf("%s%s", path[0] == '/' ? "" : "./", path);
    if (!plain) return mw_fail_nomem(err, "the store");
    mw_status status = mw_sqlite__connect(plain, flags, name_of(path), ret, err);
    sqlite3_free(plain);
    return status;
}

static mw_status run_sql(sqlite3 *handle, const char *sql, const char *label, mw_err *err) {
    const int code = sqlite3_exec(handle, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? MW_OK : mw_sqlite__fail(handle, code, label, err);
}

/* ---- copying ---- */

static mw_status copy_pages(const mw_ctx *ctx, sqlite3 *from, sqlite3 *to, const char *from_label,
                            const char *to_label, mw_err *err) {
    sqlite3_backup *backup = sqlite3_backup_init(to, "main", from, "main");
    if (!backup) return mw_sqlite__fail(to, sqlite3_extended_errcode(to), to_label, err);
    mw_status status = MW_OK;
    int code = SQLITE_OK;
    while (code == SQLITE_OK && status == MW_OK) {
        code = sqlite3_backup_step(backup, PAGES_AT_ONCE);
        const int n = sqlite3_backup_pagecount(backup), left = sqlite3_backup_remaining(backup);
        mw_ctx_report(ctx, "copying the store", n - left, n);
        status = mw_ctx_check(ctx, err);
    }
    const int finished = sqlite3_backup_finish(backup);
    if (status != MW_OK || code == SQLITE_DONE) return status;
    if (finished != SQLITE_OK) code = finished;
    /* Which of the two failed: a damaged or locked source says so itself. */
    const bool source =
        sqlite3_errcode(from) != SQLITE_OK && sqlite3_errcode(from) == (code & 0xff);
    return mw_sqlite__fail(source ? from : to, code, source ? from_label : to_label, err);
}

/* The log's mode goes along with the pages; a copy stands alone. */
static mw_status write_copy(const mw_ctx *ctx, sqlite3 *from, const char *from_label,
                            const char *path, mw_err *err) {
    sqlite3 *to = NULL;
    mw_status status = connect_to(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &to, err);
    if (status == MW_OK) status = copy_pages(ctx, from, to, from_label, name_of(path), err);
    if (status == MW_OK) status = run_sql(to, "PRAGMA journal_mode = DELETE", name_of(path), err);
    sqlite3_close(to);
    return status;
}

/* SQLite has written it; that it is on disk must not rest on a setting of the copy. */
static mw_status make_durable(const mw_ctx *ctx, const char *path, mw_err *err) {
    const int fd = ctx->io->open(ctx->io->self, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
    if (fd < 0) return mw_fail_errno(err, errno, "the copy cannot be opened");
    const int failed = ctx->io->fsync(ctx->io->self, fd) == 0 ? 0 : errno;
    ctx->io->close(ctx->io->self, fd);
    return failed ? mw_fail_errno(err, failed, "the copy does not reach the disk") : MW_OK;
}

mw_status mw_sqlite__copy(void *self, const mw_ctx *ctx, const char *path, mw_err *err) {
    const mw_sqlite *db = self;
    sqlite3 *from = NULL;
    (void)ctx->io->unlink(ctx->io->self, AT_FDCWD, path, 0);
    mw_status status = mw_sqlite__connect(sqlite3_db_filename(db->handle, "main"),
                                          SQLITE_OPEN_READWRITE, db->label, &from, err);
    if (status == MW_OK)
        status = run_sql(from, "BEGIN; SELECT count(*) FROM sqlite_schema", db->label, err);
    if (status == MW_OK) status = write_copy(ctx, from, db->label, path, err);
    sqlite3_close(from);
    if (status == MW_OK) status = make_durable(ctx, path, err);
    if (status != MW_OK) (void)ctx->io->unlink(ctx->io->self, AT_FDCWD, path, 0);
    return status;
}

/* ---- looking through a copy ---- */

typedef struct verdict {
    char text[256]; /* the first line that is not "ok" */
} verdict;

static int on_line(void *arg, int n, char **values, char **names) {
    verdict *to = arg;
    (void)names;
    if (n > 0 && values[0] && strcmp(values[0], "ok") != 0 && !to->text[0])
        mw_str_copy(to->text, sizeof to->text, mw_str_of(values[0]));
    return 0;
}

static mw_status look_through(sqlite3 *handle, const char *label, mw_err *err) {
    verdict found = {""};
    int code = sqlite3_exec(handle, "PRAGMA integrity_check(1)", on_line, &found, NULL);
    if (code == SQLITE_OK && !found.text[0])
        code = sqlite3_exec(handle, "PRAGMA foreign_key_check", on_line, &found, NULL);
    if (code != SQLITE_OK) return mw_sqlite__fail(handle, code, label, err);
    if (!found.text[0]) return MW_OK;
    mw_fail(err, MW_EDATA, "%s is damaged: %s", label, found.text);
    return mw_err_hint(err, "take another backup");
}

mw_status mw_store_check_copy(const mw_ctx *ctx, const char *path, int *ret_schema, mw_err *err) {
    mw_sqlite db = {.sql.driver = &mw_sql__sqlite}; /* as much of one as the look needs */
    mw_str_copy(db.label, sizeof db.label, mw_str_of(name_of(path)));
    int schema = 0;
    mw_status status = mw_ctx_check(ctx, err);
    if (status == MW_OK) status = mw_sqlite__memory(err);
    if (status == MW_OK) status = connect_to(path, SQLITE_OPEN_READONLY, &db.handle, err);
    if (status == MW_OK) status = mw_sqlite__check(&db, &schema, err);
    if (status == MW_OK && schema == 0) {
        mw_fail(err, MW_EDATA, "%s holds no store", db.label);
        status = mw_err_hint(err, "take another backup");
    }
    if (status == MW_OK) status = look_through(db.handle, db.label, err);
    sqlite3_close(db.handle);
    if (status == MW_OK) *ret_schema = schema;
    return status;
}

/* ---- keeping others out ---- */

struct mw_store_hold {
    sqlite3 *handle;
};

/* Leaving WAL mode needs the file alone, as long as anybody has it open; the exclusive transaction then stays. */
mw_status mw_store_hold_file(const mw_ctx *ctx, const char *path, mw_store_hold **ret,
                             mw_err *err) {
    static const char alone[] = "PRAGMA journal_mode = DELETE; PRAGMA locking_mode = EXCLUSIVE;"
                                "BEGIN EXCLUSIVE";
    mw_store_hold *hold = mw_calloc(ctx->mem, 1, sizeof *hold);
    if (!hold) return mw_fail_nomem(err, "the store");
    mw_status status = mw_sqlite__memory(err);
    if (status == MW_OK) status = connect_to(path, SQLITE_OPEN_READWRITE, &hold->handle, err);
    if (status == MW_OK) (void)sqlite3_busy_timeout(hold->handle, 200);
    if (status == MW_OK) status = run_sql(hold->handle, alone, name_of(path), err);
    if (status == MW_EBUSY)
        mw_err_hint(err, "stop the server, and whatever else uses this data folder");
    if (status != MW_OK) {
        mw_store_hold_free(hold);
        return status;
    }
    *ret = hold;
    return MW_OK;
}

void *mw_store_hold_free(mw_store_hold *hold) {
    if (hold) sqlite3_close(hold->handle);
    return mw_free(hold);
}
