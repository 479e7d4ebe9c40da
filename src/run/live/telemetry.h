/*
 * telemetry.h -- live rows of organizations: durable when acknowledged, and the features of each device up to date.
 *
 * What      rows of requests are checked, appended to the organization's journal (journal.h) and synced, and pushed into its stream of features
 *           (learn/feature/stream.h), in that order. A keeper thread of each organization makes segments of the dataset `live` of full journal files,
 *           writes snapshots of the stream, and starts anew for a new configuration. docs/decisions/0027-live-telemetry.md says why it is so.
 * Lifetime  mw_telemetry_new -> any calls -> mw_telemetry_free, which writes a last snapshot. Nothing is opened before an organization is asked for.
 * Threads   any; calls block on the disk and must never be made on an HTTP loop.
 * Errors    MW_ECONFLICT: the organization has no configuration; MW_EBUSY: its state is being made, or too many rows wait: try again.
 */
#ifndef MW_RUN_LIVE_TELEMETRY_H
#define MW_RUN_LIVE_TELEMETRY_H

#include "core/base/dir.h"
#include "keep/store/artifact.h"
#include "learn/feature/flagged.h"
#include "run/live/live_rows.h"

typedef struct mw_telemetry mw_telemetry;

typedef struct mw_telemetry_options {
    uint64_t file_bytes;     /* a journal file is full then; 0: 64 MiB */
    int64_t file_us;         /* or so old; 0: an hour */
    mw_artifacts *artifacts; /* where segments are put, too; NULL: nowhere */
    bool threads; /* keepers have threads; else the calls do their work, one thread at a time */
} mw_telemetry_options;

/* ctx, data and store are borrowed. */
mw_status mw_telemetry_new(const mw_ctx *ctx, mw_dir *data, mw_store *store,
                           const mw_telemetry_options *options, mw_telemetry **ret, mw_err *err);
void *mw_telemetry_free(mw_telemetry *telemetry);

typedef struct mw_telemetry_outcome {
    int64_t accepted, late, repeated, unusable; /* rows */
    int32_t config_version;
    int n_reasons;
    char reasons[MW_LIVE_REASONS][MW_LIVE_REASON_BYTES];
} mw_telemetry_outcome;

/* The rows of a body, of ctx->org; they are on disk when it returns MW_OK. */
mw_status mw_telemetry_add(const mw_ctx *ctx, mw_telemetry *telemetry, mw_live_form form,
                           mw_str body, mw_telemetry_outcome *ret, mw_err *err);

/* Features of a device's newest row, and what is known now of its sensors: what would be found if no row came any more. */
typedef struct mw_telemetry_vector {
    const mw_program *program; /* good until mw_telemetry_vector_done */
    int32_t config_version;
    int64_t time;
    float *features; /* [program->n_outputs] */
    mw_flagged_list
        flagged; /* stretches of the outputs (keep/ingest/quality.h); the device's number is 0 */
    const mw_live_columns *columns; /* good until then, too */
    char **texts;                   /* [columns->n_texts] of the row; NULL: missing */
    void *held;
} mw_telemetry_vector;

/* MW_ENOTFOUND: no such device. */
mw_status mw_telemetry_newest(const mw_ctx *ctx, mw_telemetry *telemetry, const char *device,
                              mw_telemetry_vector *ret, mw_err *err);
void mw_telemetry_vector_done(mw_telemetry_vector *vector);

/* What is asked of earlier features: as of a device's rows up to a time. */
typedef struct mw_telemetry_asked {
    mw_str device;
    int64_t time;
} mw_telemetry_asked;

typedef struct mw_telemetry_history {
    const mw_program *program; /* good until mw_telemetry_history_done */
    int32_t config_version;
    int64_t *times;          /* [n] of the newest of these rows; MW_TIME_NONE: there is none */
    float *features;         /* [n][program->n_outputs] */
    int32_t *devices;        /* [n] their numbers in flagged */
    mw_flagged_list flagged; /* stretches of the outputs (keep/ingest/quality.h) */
    const mw_live_columns *columns; /* good until then, too */
    int32_t *texts; /* [n][columns->n_texts] of these rows: codes of words; below 0: missing */
    mw_dictionary *words;
    void *held;
} mw_telemetry_history;

/*
 * The newest program over the stored rows of a dataset, and the flagged stretches that are known by now: of `live` those of all rows that came, of others what files brought. All rows of the devices are read: seconds
 * for some million. MW_ENOTFOUND: no such dataset; MW_ETOOLARGE: n beyond MW_LIMIT(LIVE_HISTORY_ROWS).
 */
mw_status mw_telemetry_ask(const mw_ctx *ctx, mw_telemetry *telemetry, const char *dataset,
                           const mw_telemetry_asked *asked, size_t n, mw_telemetry_history *ret,
                           mw_err *err);
void mw_telemetry_history_done(mw_telemetry_history *history);

/* A time as telemetry has it: RFC 3339, or a number of seconds to nanoseconds since 1970. */
bool mw_telemetry_read_time(mw_str text, int64_t *ret);

/* The message of what hinders some organization's live rows: for GET /health. False: nothing. */
bool mw_telemetry_trouble(mw_telemetry *telemetry, char out[MW_ERR_MESSAGE_MAX]);

/* Sums since the start, of all organizations. */
typedef struct mw_telemetry_stats {
    int64_t orgs, requests_total, rows_total, syncs_total, segments_total, snapshots_total;
    int64_t parse_us_total, state_us_total, disk_us_total;
} mw_telemetry_stats;

void mw_telemetry_read_stats(mw_telemetry *telemetry, mw_telemetry_stats *ret);

#endif
