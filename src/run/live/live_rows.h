/*
 * live_rows.h -- the rows of one request as a feature program takes them, out of JSON, CSV or an Arrow stream.
 *
 * What      the configuration names the columns: of times (else `time` or `timestamp`), of devices (else a usual name; without one the only device is
 *           called `default`), the inputs and the categories. Other members are ignored, those that a row lacks are missing.
 * Texts     categories that are no other name of the device: texts as they come, at most MW_LIVE_DEVICE_BYTES; in JSON numbers and truth values, too.
 * Unusable  a row without a time or device, or with a cell that is no number, or no text: counted, and the first few reasons kept.
 * Order     rows of a request count as having come in the order of their times: that is their order here.
 */
#ifndef MW_RUN_LIVE_LIVE_ROWS_H
#define MW_RUN_LIVE_LIVE_ROWS_H

#include "core/table/table.h"
#include "learn/feature/config.h"

/* Which column is what; made once for a configuration, shared by threads. */
typedef struct mw_live_columns {
    const mw_feature_config *config; /* borrowed */
    mw_dictionary *names; /* inputs by their number, then times, then devices, then texts: */
    int32_t first_time, first_device, first_text;
    const char **texts; /* [n_texts] categories that are kept */
    int32_t n_texts;
    int32_t *category_text; /* [config->n_categories] its number in texts; -1: it is the device */
} mw_live_columns;

mw_status mw_live_columns_init(mw_mem *mem, const mw_feature_config *config, mw_live_columns *ret,
                               mw_err *err);
void mw_live_columns_done(mw_live_columns *columns);

enum { MW_LIVE_REASONS = 5, MW_LIVE_REASON_BYTES = 200, MW_LIVE_DEVICE_BYTES = 256 };

typedef struct mw_live_rows {
    mw_mem *mem;
    const mw_live_columns *columns;
    int64_t n, room;
    int64_t *times;       /* [n] us */
    int32_t *devices;     /* [n] numbers of names */
    double *values;       /* [n_inputs][room] */
    int32_t *texts;       /* [n_texts][room] numbers of vocabulary, -1: missing */
    mw_dictionary *names; /* of this request */
    mw_dictionary *vocabulary;
    int64_t n_unusable;
    int n_reasons;
    char reasons[MW_LIVE_REASONS][MW_LIVE_REASON_BYTES];
    /* the row at hand */
    int64_t row; /* its number, from 1 */
    int64_t time;
    mw_str device;
    int32_t device_rank; /* of the usual name that gave the device */
    mw_str *words;       /* [n_texts] */
    bool is_bad;
    char last_text[40]; /* of a time that was read, and what it is */
    size_t last_size;
    int64_t last_time;
} mw_live_rows;

typedef enum mw_live_form { MW_LIVE_JSON, MW_LIVE_CSV, MW_LIVE_ARROW } mw_live_form;

mw_status mw_live_rows_init(mw_mem *mem, const mw_live_columns *columns, mw_live_rows *ret,
                            mw_err *err);
void mw_live_rows_done(mw_live_rows *rows);

/* All rows of a body. MW_EPARSE, MW_EINVAL, MW_EDATA: the whole cannot be read; MW_ETOOLARGE: more than MW_LIMIT(LIVE_ROWS) rows. */
mw_status mw_live_rows_read(const mw_ctx *ctx, mw_live_form form, mw_str body, mw_live_rows *rows,
                            mw_err *err);

#endif
