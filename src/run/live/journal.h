/*
 * journal.h -- telemetry rows on disk in the order in which they were taken: append, sync, read again after a crash.
 *
 * What      a file is a head (which row is its first, names of its columns, of numbers and of texts) and records of some rows each, every one with its own texts of devices
 *           and a checksum: docs/formats/live.md. A row's number counts all rows of the organization from 0.
 * Crash     what was synced is there. Behind it a crash may leave anything: when the last file is opened, what is not whole at its end is
 *           told apart from damage in the middle, because each record says how much of the file was synced when it was written.
 * Threads   one at a time on a mw_journal; a mw_journal_file belongs to who opened it.
 */
#ifndef MW_RUN_LIVE_JOURNAL_H
#define MW_RUN_LIVE_JOURNAL_H

#include "core/base/append.h"
#include "core/base/arena.h"

/* Some rows; what they point at is borrowed. */
typedef struct mw_journal_rows {
    int64_t first; /* number of the first row */
    int64_t n;
    const int64_t *times;   /* [n] us */
    const int32_t *devices; /* [n] numbers of names */
    const mw_str *names;    /* [n_names] of devices and of texts */
    int32_t n_names;
    const double *const *columns; /* [n_columns][n] */
    const int32_t *const *texts;  /* [n_texts][n] numbers of names, -1: missing */
} mw_journal_rows;

/* Names; borrowed. */
typedef struct mw_journal_columns {
    const char *const *numbers; /* [n_numbers] */
    const char *const *texts;   /* [n_texts] */
    int32_t n_numbers, n_texts;
} mw_journal_columns;

enum { MW_JOURNAL_NAME = 32 };

void mw_journal_name(int64_t first,
                     char out[MW_JOURNAL_NAME]); /* of the file that begins with this row */
bool mw_journal_named(const char *name, int64_t *ret_first); /* false: not a journal file's */

/* ---- writing ---- */

typedef struct mw_journal mw_journal;

/* A new file of dir, durable with its head. dir is borrowed. */
mw_status mw_journal_create(const mw_ctx *ctx, mw_dir *dir, int64_t first,
                            const mw_journal_columns *columns, mw_journal **ret, mw_err *err);
/* Behind its last record; rows->first must be mw_journal_next. Nothing was added after a failure, and later calls work again once the disk does. */
mw_status mw_journal_add(mw_journal *journal, const mw_journal_rows *rows, mw_err *err);
/* What was added is on disk; or all that was added since the last sync is taken back. */
mw_status mw_journal_sync(mw_journal *journal, mw_err *err);
int64_t mw_journal_first(const mw_journal *journal);
int64_t mw_journal_next(const mw_journal *journal); /* number of the row to come */
uint64_t mw_journal_bytes(const mw_journal *journal);
bool mw_journal_has_columns(const mw_journal *journal, const mw_journal_columns *columns);
void *mw_journal_close(mw_journal *journal); /* NULL is allowed; returns NULL */

/* ---- reading ---- */

typedef struct mw_journal_file {
    char name[MW_JOURNAL_NAME];
    int64_t first, n_rows;
    int32_t n_columns, n_texts;
    const char **columns; /* [n_columns + n_texts]: of numbers, then of texts */
    uint64_t good_bytes;  /* up to the last whole record */
    bool torn;            /* there is more, which was never acknowledged */
    uint64_t id;
    size_t head_bytes;
    mw_map map;
    mw_arena arena;
    const double **pointers; /* [n_columns] into the record at hand */
    const int32_t **texts;   /* [n_texts], too */
    mw_str *names;           /* [names_room] of it */
    int32_t names_room;
    mw_mem *mem;
} mw_journal_file;

/* Every record is checked. is_last: its end may be torn. MW_EDATA names the file and the offset of the damage. */
mw_status mw_journal_open(const mw_ctx *ctx, mw_dir *dir, const char *name, bool is_last,
                          mw_journal_file *ret, mw_err *err);
/* The record at *at (0: the first), and *at behind it; rows n 0: there is none. Good until the next call. */
mw_status mw_journal_read(mw_journal_file *file, uint64_t *at, mw_journal_rows *ret, mw_err *err);
void mw_journal_done(mw_journal_file *file);

/* Goes on writing behind the good bytes of an opened file; what is torn is cut off. */
mw_status mw_journal_continue(const mw_ctx *ctx, mw_dir *dir, const mw_journal_file *file,
                              mw_journal **ret, mw_err *err);

#endif
