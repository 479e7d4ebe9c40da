/*
 * telemetry_parts.h -- inside this folder: an organization's live rows, for telemetry.c (requests), telemetry_group.c (taking rows),
 * telemetry_state.c (the keeper), telemetry_made.c and telemetry_saved.c (the stream, made of rows and of snapshots) and telemetry_files.c (the
 * journal's files and their segments).
 *
 * Turn      whoever has set `busy` has the turn: a request that takes the rows of all that wait, or the keeper. Only it writes the journal, pushes
 *           and makes snapshots. `lock` is held for moments; `state` while the stream is read or changed, never while the disk is waited for.
 */
#ifndef MW_RUN_LIVE_TELEMETRY_PARTS_H
#define MW_RUN_LIVE_TELEMETRY_PARTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "learn/feature/stream.h"
#include "run/live/journal.h"
#include "run/live/judged_rows.h"
#include "run/live/live_rows_parts.h"
#include "run/live/telemetry.h"

enum { MW_LIVE_ORG_BYTES = 65, MW_LIVE_HASH_BYTES = 65 };

/* A configuration at work: shared by requests, and gone with the last. */
typedef struct mw_live_program {
    atomic_int n_refs;
    int32_t version;
    mw_mem *mem;
    mw_feature_config config;
    mw_live_columns columns;
} mw_live_program;

/* A request's rows on their way. */
typedef struct mw_live_batch {
    struct mw_live_batch *next;
    const mw_live_program *program; /* that the rows were read for */
    const mw_live_rows *rows;
    mw_telemetry_outcome outcome;
    int64_t n_refused;  /* rows of devices beyond the limit */
    int64_t from, used; /* in the group: first row, rows that are used */
    bool done, stale;   /* stale: the program has changed: read the rows again */
    mw_status status;
    mw_err error;
} mw_live_batch;

/* The rows of some batches, kept for the next ones. */
typedef struct mw_live_group {
    int64_t room;
    int32_t n_inputs;
    int64_t *times;
    int32_t *devices, *local; /* [room] numbers in the stream; in the record */
    double *values;           /* [n_inputs][room] */
    const double **columns;   /* [n_inputs] */
    int32_t n_texts;
    int32_t *texts; /* [n_texts][room] codes of words, then numbers in the record; -1: missing */
    const int32_t **text_columns; /* [n_texts] */
    mw_dictionary *words;         /* of the rows at hand */
    mw_fate *fates;
    float *features; /* [n_outputs][MW_LIVE_PUSH_ROWS], of no use but to push */
    float **out;     /* [n_outputs] */
    int32_t n_outputs;
    int32_t *number_of; /* [numbers_room] by device: its number in the record, -1: none */
    int32_t numbers_room;
    int32_t *number_of_word; /* [words_room] likewise */
    int32_t words_room;
    mw_str *names; /* [names_room] of the record */
    int32_t names_room;
} mw_live_group;

enum { MW_LIVE_PUSH_ROWS = 1024 };

/* A journal file that is not written any more. */
typedef struct mw_live_file {
    int64_t first, end; /* numbers of its rows: [first, end) */
    uint64_t bytes;
    bool stored; /* its rows are in a segment */
} mw_live_file;

typedef struct mw_live_org {
    struct mw_live_org *next;
    char name[MW_LIVE_ORG_BYTES];
    mw_telemetry *telemetry;
    mw_ctx ctx;
    mw_mem mem;     /* of the stream and what is judged, with a ceiling */
    mw_ctx judging; /* with that memory */

    pthread_mutex_t lock; /* of all up to the next line */
    pthread_cond_t wake;
    mw_live_batch *first, **last; /* waiting */
    bool busy, closing;
    int n_turns_wanted;             /* by others than requests with rows: they come first */
    bool wants_program, wants_keep; /* for the keeper */
    bool failed;                    /* its last round: it tries again */
    uint64_t seen;                  /* change counter of the store */
    int32_t wanted_version;
    mw_err trouble;   /* of the keeper's last round that had to do with it; code MW_OK: none */
    int64_t tried_us; /* monotonic */
    mw_live_program *program; /* of the stream; NULL: there is none. `state`, too, to change it */

    /* whoever has the turn */
    mw_dir *dir; /* NULL: not open yet */
    mw_journal *journal;
    int64_t journal_us; /* monotonic: its first row */
    int64_t next_row;
    mw_live_group group;
    int64_t bytes_since; /* written to journals since the start */

    pthread_mutex_t state; /* of the stream and its devices */
    mw_stream *stream;
    /* Of the same rows; what is found has the number of its journal file's first row. */
    mw_judged *judged;
    struct mw_live_words *words; /* of the newest rows */
    mw_dictionary *devices;

    /* the keeper alone */
    pthread_t thread;
    bool has_thread;
    mw_live_file *files; /* [n_files] closed ones, ascending; `lock`, too, to change them */
    size_t n_files, files_room;
    int64_t stored_end; /* rows before are in segments */
    int64_t covered;    /* rows before are in a snapshot of the program; -1: there is none */
    uint64_t snapshot_bytes;
    int64_t bytes_saved; /* bytes_since at the last snapshot */
} mw_live_org;

struct mw_telemetry {
    const mw_ctx *ctx;
    mw_dir *data;
    mw_store *store;
    mw_telemetry_options options;
    pthread_mutex_t lock; /* of the list */
    mw_live_org *orgs;
    atomic_int_fast64_t requests, rows, syncs, segments, snapshots, parse_us, state_us, disk_us;
};

extern const char mw_live__dataset[]; /* "live" */

/* telemetry.c */
void mw_live__take_turn(mw_live_org *org); /* for others than requests with rows */
void mw_live__give_turn(mw_live_org *org);

/* The organization of ctx, and a reference on the program at work (mw_live__unref). */
mw_status mw_live__find(const mw_ctx *ctx, mw_telemetry *telemetry, mw_live_org **ret,
                        mw_live_program **ret_program, mw_err *err);

/* telemetry_group.c: takes the rows of these batches, whose order is theirs; the caller has the turn. */
void mw_live__take_rows(mw_live_org *org, mw_live_batch *first);
void mw_live__free_group(mw_live_group *group);
/* The open journal file is closed; the next rows begin another one. With the turn. */
mw_status mw_live__close_journal(mw_live_org *org, mw_err *err);

/* telemetry_state.c */
void mw_live__unref(mw_live_program *program);
/* Everything up to date: the newest program, segments, snapshot. The keeper's round. */
void mw_live__keep(mw_live_org *org);
void mw_live__drop_state(mw_live_org *org); /* with the turn */

/* Some rows; their columns are the inputs of a program. texts (or NULL): of each row, those of `columns` [n_texts], empty ones are missing; of rows of a
 * journal file behind each call of `rows`, and of segments by mw_live__stored_texts. */
typedef struct mw_live_visitor {
    mw_status (*rows)(void *self, int64_t n, const int64_t *times, const mw_str *devices,
                      const double *const *columns, mw_err *err);
    void *self;
    mw_status (*texts)(void *self, int64_t time, mw_str device, const mw_str *texts, mw_err *err);
    const mw_live_columns *columns;
} mw_live_visitor;

/* telemetry_words.c: the texts of each device's newest row, NULL where missing. columns is borrowed. */
typedef struct mw_live_words mw_live_words;
mw_status mw_live__words_new(mw_mem *mem, const mw_live_columns *columns, mw_live_words **ret,
                             mw_err *err);
void *mw_live__words_free(mw_live_words *words);
/* Unless the device has a newer row. After an error it is of no use any more. */
mw_status mw_live__words_put(mw_live_words *words, int32_t device, int64_t time,
                             const mw_str *texts, mw_err *err);
const char *mw_live__words_text(const mw_live_words *words, int32_t device, int32_t text);
mw_status mw_live__words_save(const mw_live_words *words, mw_stream_sink sink, mw_err *err);
/* Texts of columns of the same names. MW_EDATA: not what was saved. */
mw_status mw_live__words_load(mw_live_words *words, mw_str bytes, mw_err *err);

/* telemetry_made.c: a stream that is being made. */
typedef struct mw_live_made {
    mw_live_org *org;
    mw_live_program *program;
    mw_stream *stream; /* NULL: rows are judged only */
    mw_judged *judged;
    mw_live_words *words;
    int64_t number;  /* of what is found; below 0 in rows of segments */
    int64_t n_since; /* rows of segments since that number began */
    mw_dictionary *devices;
    int64_t room;
    int32_t *codes; /* [room] */
    const double **columns;
    float *features, **out;
} mw_live_made;

mw_status mw_live__made_init(mw_live_org *org, mw_live_program *program, mw_live_made *ret,
                             mw_err *err);
void mw_live__made_done(mw_live_made *made);
/* What can be saved of an organization's state, and goes on in one that is made, of the same program. */
typedef struct mw_live_saved {
    uint64_t stream_bytes, judged_bytes, words_bytes;
} mw_live_saved;
/* One behind the other; *ret: how much was put. */
mw_status mw_live__save_state(mw_live_org *org, mw_stream_sink sink, mw_live_saved *ret,
                              mw_err *err);
/* MW_EDATA: that was not it. */
mw_status mw_live__made_load(mw_live_made *made, mw_str bytes, const mw_live_saved *sizes,
                             mw_err *err);
/* Some rows, as mw_live_visitor has them. */
mw_status mw_live__made_push(mw_live_made *made, int64_t n, const int64_t *times,
                             const mw_str *devices, const double *const *columns, mw_err *err);
mw_live_visitor mw_live__made_visitor(mw_live_made *made);
/* Rows of the journal file that begins with this one come now. */
void mw_live__made_file(mw_live_made *made, int64_t first);

/* telemetry_saved.c: snapshots. save: with the turn, which is given back before the disk is waited for if gives_turn. */
mw_status mw_live__save(mw_live_org *org, bool gives_turn, mw_err *err);
/* MW_ENOTFOUND: there is none of this program that can be used. */
mw_status mw_live__load(mw_live_made *made, int64_t *ret_rows, mw_err *err);

/* telemetry_files.c */
mw_status mw_live__open_files(mw_live_org *org, mw_err *err);
mw_status mw_live__add_file(mw_live_org *org, const mw_live_file *file, mw_err *err);
/* Segments of all closed files. */
mw_status mw_live__store_files(mw_live_org *org, mw_err *err);
void mw_live__remove_files(mw_live_org *org); /* those that are stored and covered */
/* Flags of stored rows that are not looked back at any more go. */
mw_status mw_live__forget_flags(mw_live_org *org, mw_err *err);

/* A source of this folder's journal: its file's first row. */
bool mw_live__is_own(const mw_live_org *org, const char *source, int64_t *ret_first);
/* The file of a dataset is in dir, its folder; brought from the artifact store if need be. MW_OK, too, where nobody has it. */
mw_status mw_live__need_file(mw_live_org *org, const char *dataset, mw_dir *dir, const char *file,
                             mw_err *err);
/* orgs/{org}/a/b, made when missing. */
mw_status mw_live__folder(mw_live_org *org, const char *a, const char *b, mw_dir **ret,
                          mw_err *err);

/* Rows from number `from` on of a journal file, as they came, record by record. */
mw_status mw_live__read_file(mw_live_org *org, const mw_program *program, int64_t first,
                             bool is_last, int64_t from, const mw_live_visitor *visitor,
                             mw_err *err);

/* telemetry_stored.c: rows of a dataset's segments. */
typedef struct mw_live_stored mw_live_stored;

/* own: only those that the journal has become. MW_ENOTFOUND: there is no such dataset, unless own. */
mw_status mw_live__stored_open(mw_live_org *org, const char *dataset, bool own,
                               mw_live_stored **ret, mw_err *err);
void *mw_live__stored_close(mw_live_stored *stored);
/* Adds the flagged stretches of these devices' inputs, from the files beside the segments. */
mw_status mw_live__stored_flagged(const mw_live_stored *stored, const mw_program *program,
                                  const mw_dictionary *devices, mw_flagged_list *ret, mw_err *err);
/* The texts of all rows, segment by segment: visitor->texts. Devices without a name are `default`. */
mw_status mw_live__stored_texts(const mw_live_stored *stored, const mw_live_visitor *visitor,
                                mw_err *err);
/* Whether the rows of the journal file that begins with this one are among them. */
bool mw_live__stored_has(const mw_live_stored *stored, int64_t file_first);

/* In the order of their times: no row is older than one of an earlier call. only: NULL, or names of devices: rows of others are left out. */
mw_status mw_live__stored_each(const mw_live_stored *stored, const mw_program *program,
                               const mw_dictionary *only, const mw_live_visitor *visitor,
                               mw_err *err);

#endif
