/*
 * profile.h -- how one telemetry file is to be read: what was detected, what was forced, and what may be saved.
 *
 * What      encoding, dialect, where the header is, what each column is, how times are written. Every property carries how it was
 *           found: forced by the caller (confidence 1), or detected from the sample with a confidence and a note.
 * Saved     as JSON (docs/formats/profile.md); read back it forces every property it names.
 */
#ifndef MW_KEEP_INGEST_PROFILE_H
#define MW_KEEP_INGEST_PROFILE_H

#include "core/base/arena.h"
#include "core/param/param.h"
#include "core/table/table.h"
#include "core/text/dialect.h"
#include "core/text/json.h"
#include "core/text/time_form.h"
#include "keep/ingest/rejects.h"

typedef enum mw_encoding {
    MW_ENC_UTF8,
    MW_ENC_UTF16LE,
    MW_ENC_UTF16BE,
    MW_ENC_LATIN1
} mw_encoding; /* latin1 is Windows-1252 */
typedef enum mw_line_end { MW_LINES_LF, MW_LINES_CRLF, MW_LINES_CR, MW_LINES_MIXED } mw_line_end;
typedef enum mw_shape { MW_SHAPE_WIDE, MW_SHAPE_LONG } mw_shape;

/* What a column is for. Labels are keys of a row; `none` is an ordinary column (a sensor). */
typedef enum mw_use {
    MW_USE_NONE,
    MW_USE_STAMP,
    MW_USE_DATE,
    MW_USE_CLOCK,
    MW_USE_DEVICE_ID,
    MW_USE_DEVICE_NAME,
    MW_USE_EMPLOYEE_ID,
    MW_USE_EMPLOYEE_NAME,
    MW_USE_CATEGORY,
    MW_USE_PARAMETER,
    MW_USE_VALUE,
    MW_USE_DROP
} mw_use;

typedef struct mw_profile_column {
    const char *name; /* in the arena; unique */
    const char *unit; /* from a unit row or "name [unit]"; NULL: none */
    mw_use use;
    mw_type type;      /* float64, bool, dictionary; timestamp for stamps and dates */
    bool decided;      /* the sample, or the caller, showed the type; else it held no value */
    double confidence; /* of type */
} mw_profile_column;

/* What a file is read for. A table (train, predict) keeps its columns' names, and no use but the time's is sought. A known
 * table is read as another one was: columns that arguments name (time, drop, text) need not be in it. */
typedef enum mw_read_for { MW_FOR_DATASET, MW_FOR_TABLE, MW_FOR_KNOWN_TABLE } mw_read_for;

/* One detected or forced property, for the report. */
typedef struct mw_finding {
    const char *what;  /* "separator" */
    const char *value; /* "';'" */
    double confidence; /* 0..1 */
    bool forced;
    const char *note; /* why, or what else it could be; NULL: none */
} mw_finding;

typedef struct mw_profile {
    mw_arena arena;
    mw_encoding encoding;
    mw_line_end line_end;
    mw_dialect dialect;
    uint32_t skip_lines; /* preamble lines before the header */
    bool has_header, has_units;
    mw_shape shape;
    uint32_t n_columns;
    mw_profile_column *columns;
    int32_t stamp, date,
        clock; /* columns; -1: none. All -1: rows are numbered, a second apart from 1970-01-01 */
    mw_time_form stamp_form, date_form, clock_form;
    mw_zone *zone; /* owned; NULL: UTC */
    /* [n_marks] texts that mean missing besides mw_cell_is_missing's. The first n_given_marks were asked for ("-999") and hold in
     * every column; the others ("-", "?", "none", "#N/A") hold in columns that are no dictionary, without case. */
    const char *const *marks;
    size_t n_marks, n_given_marks;
    uint64_t data_line; /* 1-based number of the first line behind header and units */
    size_t
        data_offset; /* its first byte in the decoded text, without byte-order mark, lone CRs as LF */
    uint64_t looked_bytes; /* work: bytes cut or classified in all passes over the sample */
    mw_finding *findings;  /* [n_findings] */
    size_t n_findings;
} mw_profile;

void mw_profile_done(mw_profile *profile);

/* Options of ingest, train FILE and predict that force a property: separator, quote, escape, decimal, thousands, encoding, comment, skip_lines,
 * header, units, widths, missing, time, date, clock, device, time_format, timezone, parameter, value, drop, text, profile. Ended by a NULL name. */
extern const mw_param mw_profile_params[];

/*
 * What to do with the file that begins with sample [size] (stored bytes, decompressed; whole: nothing follows).
 * args: of mw_profile_params, or NULL. MW_EDATA with a hint when it is no table (binary, ZIP, Excel, Parquet...), MW_EINVAL for a forced
 * property that is impossible. Arrow and Parquet are named, not read.
 */
mw_status mw_profile_detect(const mw_ctx *ctx, const char *sample, size_t size, bool whole,
                            const mw_args *args, mw_read_for purpose, mw_profile *ret, mw_err *err);

/* The same with a saved profile as text (a rejects file carries one); empty: none. What args name, and their `profile`, win over it. */
mw_status mw_profile_detect_saved(const mw_ctx *ctx, const char *sample, size_t size, bool whole,
                                  mw_str saved, const mw_args *args, mw_read_for purpose,
                                  mw_profile *ret, mw_err *err);

/* The same for a rejects file: its head holds the profile, and its notes are no rows. */
mw_status mw_profile_detect_rejects(const mw_ctx *ctx, const char *sample, size_t size, bool whole,
                                    const mw_rejects_head *head, const mw_args *args,
                                    mw_read_for purpose, mw_profile *ret, mw_err *err);

/* JSON of docs/formats/profile.md; also as one line, for the rejects file. */
void mw_profile_write(const mw_profile *profile, mw_json_writer *writer);
/* "findings": [{what, value, confidence, forced, note}], for --dry-run, --json and the log. */
void mw_profile_write_findings(const mw_profile *profile, mw_json_writer *writer);

#endif
