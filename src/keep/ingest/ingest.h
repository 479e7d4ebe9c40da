/*
 * ingest.h -- telemetry files to dataset segments.
 *
 * What      reads each source file (long or wide CSV, plain or gzip), pivots long rows, and writes
 *           one Arrow IPC segment or several (parts.h) per source into a staging folder, plus a rejects CSV when rows
 *           were refused. The caller commits: moves the files and records them. A file whose content
 *           hash is already known is skipped, unless other options are given now; a failing call leaves nothing behind.
 * Sources   one file each in this folder, one line in a table: csv, later others.
 */
#ifndef MW_KEEP_INGEST_INGEST_H
#define MW_KEEP_INGEST_INGEST_H

#include "core/base/dir.h"
#include "core/base/hash.h"
#include "core/param/param.h"
#include "core/table/arrange.h"

/* What is known of a file already in the dataset. */
typedef struct mw_ingest_known {
    const char *source;       /* its name within the dataset (see mw_ingest_file.source) */
    const char *content_hash; /* of the file's bytes, as mw_source_hash gives it */
    const char *segment;      /* one of its segments, for asked.h; may be NULL */
} mw_ingest_known;

/* One segment of a file: rows that follow those of the part before. */
typedef struct mw_ingest_part {
    char *file; /* name in staging, "x<32 hex>.arrow" (a hash of its own bytes) */
    int64_t n_rows, first_us, last_us;
    uint64_t bytes; /* of the segment */
} mw_ingest_part;

void mw_ingest_parts_free(mw_ingest_part *parts, size_t n);

/* One file's outcome. A member that is added has a line in resume.c's table, too. */
typedef struct mw_ingest_file {
    char *source; /* base name of the file: identity within the dataset */
    char *path;   /* where it was read */
    char content_hash[MW_HASH128_NAME];
    bool unchanged; /* already in the dataset with this hash: nothing was written */
    bool replaces;  /* the dataset has another version of this source: its rows are replaced */
    bool resumed;   /* taken over from a call that died, not read (resume.h) */
    mw_ingest_part *segments; /* [n_segments], owned; none when unchanged */
    size_t n_segments;
    char *quality;  /* file name in staging of the flagged windows (quality.h); NULL: none */
    char *rejects;  /* file name in staging, "<32 hex>.rejects.csv"; NULL when there are none */
    char *layout;   /* "long" or "wide" */
    char *findings; /* JSON: what was detected (profile.h); NULL when unchanged */
    char *drift;    /* JSON: how the columns differ from the dataset's (drift.h) */
    uint64_t bytes; /* as stored */
    int64_t n_lines, n_rows, n_rejected,
        n_collisions;       /* rows after the pivot; repeated (time, device, parameter) */
    int64_t n_duplicates;   /* rows equal to another one in every cell, dropped */
    int64_t n_out_of_order; /* rows older than one before them */
    bool merged;            /* they took a second pass */
    int64_t n_late;         /* rows older than the window that is kept in order on the way */
    int64_t first_us, last_us;
} mw_ingest_file;

typedef struct mw_ingest_result {
    mw_ingest_file *files; /* [n_files], owned */
    size_t n_files;
    mw_mem *mem;
} mw_ingest_result;

/* max_reject_share, collisions, drop_duplicates, drift, rename. Ended by a NULL name. */
extern const mw_param mw_ingest_params[];
/* With those of profile.h and quality.h: what args below are of. */
const mw_param *mw_ingest_all_params(void);
mw_collide mw_ingest_collide(const mw_args *args);

/*
 * paths [n_paths]: what listing.h takes. dataset: the columns that the dataset has (drift.h), or NULL. An error names the
 * file and leaves staging without that call's files.
 */
mw_status mw_ingest_run(const mw_ctx *ctx, const char *const *paths, size_t n_paths,
                        const mw_ingest_known *known, size_t n_known, const mw_schema *dataset,
                        const mw_args *args, mw_dir *staging, mw_ingest_result *ret, mw_err *err);
void mw_ingest_result_done(mw_ingest_result *result);
void mw_ingest_file_done(mw_ingest_file *file); /* frees what it holds */

/*
 * The same, and each finished file leaves a manifest in staging, so that another call can go on after this one has died; files that
 * a dead one finished are taken over from resume (resume.h). A canceled call leaves the finished files and their manifests in staging.
 */
typedef struct mw_resume mw_resume;
mw_status mw_ingest_resume(const mw_ctx *ctx, const char *const *paths, size_t n_paths,
                           const mw_ingest_known *known, size_t n_known, const mw_schema *dataset,
                           const mw_args *args, mw_resume *resume, mw_dir *staging,
                           mw_ingest_result *ret, mw_err *err);
/* Removes a file's segments, quality and rejects from staging. */
void mw_ingest_unstage(const mw_ctx *ctx, mw_dir *staging, const mw_ingest_file *file);

/* A column whose type is known beforehand: MW_FLOAT64, MW_BOOL or MW_DICTIONARY. */
typedef struct mw_plain_column {
    const char *name;
    mw_type type;
} mw_plain_column;

/* The rows of a plain table that could not be read. */
typedef struct mw_plain_bad {
    int64_t n;
    uint8_t *marks;  /* [n_rows of the table] 1: unreadable; NULL when n is 0; mw_free it */
    char first[192]; /* "line 7: 2 fields where the header has 4", of the first one */
} mw_plain_bad;

/*
 * Reads a plain table (for `train FILE.csv` and `predict`): no pivot, no sorting, rows in file order; an unreadable row gives an all-missing
 * row. Column types: float64, bool, dictionary, and a timestamp. args: of mw_profile_params, or NULL.
 *
 * A table that has to be read as another one was, a model's training table, names the columns in as [n_as]: their cells are taken as these types, not as
 * this file suggests ("1.0" stays a category where it was one), and a row with a cell that cannot be taken so is unreadable. It need not
 * have the columns that args name.
 */
mw_status mw_ingest_plain_as(const mw_ctx *ctx, const char *path, const mw_args *args,
                             const mw_plain_column *as, size_t n_as, mw_table **ret,
                             mw_plain_bad *ret_bad, mw_err *err);

#endif
