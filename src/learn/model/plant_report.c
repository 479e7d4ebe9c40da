/* plant_report.c -- what the main job writes beside the models: JSON for people and programs,
 * scores. */
#include "learn/model/plant_parts.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/table/ipc.h"
#include "core/text/datetime.h"

/* ---- shared pieces ---- */

static void add_metrics(mw_json_writer *w, const char *key, const mw_regression_metrics *m) {
    mw_json_key(w, key);
    mw_json_object(w);
    mw_json_add_number(w, "rmse", m->rmse);
    mw_json_add_number(w, "mae", m->mae);
    mw_json_add_number(w, "mape", m->mape);
    mw_json_add_number(w, "r2", m->r2);
    mw_json_object_end(w);
}

static void add_duration(mw_json_writer *w, const char *key, int64_t duration_us) {
    char text[MW_TIME_TEXT_MAX];
    (void)mw_duration_print(duration_us, text);
    mw_json_add_string(w, key, text);
}

static void add_split(mw_json_writer *w, const mw_plant *plant) {
    const mw_lagged *l = plant->lagged;
    mw_json_key(w, "split");
    mw_json_object(w);
    mw_json_add_string(w, "kind", "time");
    mw_json_add_number(w, "test_share", plant->plan.lagged.test_share);
    mw_json_add_int(w, "train_rows", l->train.n);
    mw_json_add_int(w, "test_rows", l->test.n);
    mw_json_add_int(w, "purged_rows", l->n_purged);
    if (plant->plan.lagged.flags.bits) mw_json_add_int(w, "flagged_rows", l->n_flagged);
    mw_json_add_time(w, "train_from", l->train.first_us);
    mw_json_add_time(w, "train_to", l->train.last_us);
    mw_json_add_time(w, "test_from", l->test.first_us);
    mw_json_add_time(w, "test_to", l->test.last_us);
    mw_json_object_end(w);
}

static void add_target(mw_json_writer *w, const mw_plant *plant) {
    const mw_plan *plan = &plant->plan;
    mw_json_add_string(w, "target", plant->windows->parameters[plan->target]);
    mw_json_add_string(w, "target_chosen_by",
                       plan->target_given ? "the user"
                                          : "default: the first parameter that changes");
    add_duration(w, "horizon", plant->windows->interval_us);
    if (plan->lagged.config.size == 0) mw_json_add_int(w, "lags", plan->lagged.n_lags);
    mw_json_add_string(w, "program", mw_features_program(plant->lagged->features)->program->hash);
}

static void add_windows(mw_json_writer *w, const mw_plant *plant) {
    const mw_windows *windows = plant->windows;
    mw_json_add_int(w, "rows", plant->rows->n_rows);
    mw_json_add_int(w, "windows", windows->n);
    mw_json_add_int(w, "devices", windows->n_devices);
    mw_json_add_int(w, "parameters", windows->n_parameters);
    add_duration(w, "interval", windows->interval_us);
    add_duration(w, "median_spacing", windows->spacing_us);
    mw_json_key(w, "dropped");
    mw_json_array(w);
    for (int32_t i = 0; i < windows->n_dropped; i++) mw_json_write_string(w, windows->dropped[i]);
    mw_json_array_end(w);
}

static bool fits_change(const mw_outcome *o) {
    return o->n_candidates > 0 && o->candidates[o->chosen].fits_change;
}

static void write_candidate(mw_json_writer *w, const mw_candidate *candidate) {
    mw_json_object(w);
    mw_json_add_int(w, "min_samples_leaf", candidate->min_samples_leaf);
    mw_json_add_string(w, "fits",
                       candidate->fits_change ? "the change since the last value" : "the level");
    mw_json_add_number(w, "validation_rmse", candidate->rmse);
    mw_json_object_end(w);
}

/* How the forest was fitted, and what it was compared with. */
static void add_candidates(mw_json_writer *w, const mw_outcome *o) {
    if (o->n_candidates == 0) return;
    mw_json_key(w, "chosen");
    write_candidate(w, &o->candidates[o->chosen]);
    mw_json_key(w, "candidates");
    mw_json_array(w);
    for (int32_t i = 0; i < o->n_candidates; i++) write_candidate(w, &o->candidates[i]);
    mw_json_array_end(w);
}

void mw_plant__write_training(const mw_plant *plant, const mw_outcome *o, mw_json_writer *w) {
    bool supervised = o != &plant->anomaly;
    mw_json_object(w);
    mw_json_add_string(w, "name", o->name);
    mw_json_add_string(w, "data_hash", plant->plan.data_hash);
    mw_json_key(w, "job_params");
    mw_args_write_json(plant->plan.args, w);
    add_windows(w, plant);
    if (supervised) {
        add_target(w, plant);
        add_split(w, plant);
        add_metrics(w, "metrics", &o->metrics);
        add_metrics(w, "naive", &o->naive);
        add_candidates(w, o);
        mw_json_add_string(w, "measured_on", "the test part; not fitted again afterwards");
    } else {
        mw_json_add_int(w, "flagged", o->n_flagged);
    }
    mw_json_object_end(w);
}

/* ---- importance ---- */

typedef struct rank_entry {
    double importance, permutation;
    int32_t feature;
} rank_entry;

static int compare_entries(const void *a, const void *b) {
    const rank_entry *x = a, *y = b;
    if (x->importance != y->importance) return x->importance > y->importance ? -1 : 1;
    if (x->permutation != y->permutation) return x->permutation > y->permutation ? -1 : 1;
    return x->feature < y->feature ? -1 : x->feature > y->feature;
}

/* The first `most` features, most important first. Without memory for the order: none. */
static void write_features(const mw_plant *plant, const mw_outcome *o, int32_t most,
                           mw_json_writer *w) {
    const mw_features *features = mw_model_features(o->model);
    int32_t n = mw_features_count(features);
    rank_entry *entries = mw_alloc_array(plant->ctx->mem, (size_t)n, sizeof *entries);
    mw_json_array(w);
    if (!entries) w->buf->failed = MW_ENOMEM;
    for (int32_t i = 0; entries && i < n; i++)
        entries[i] = (rank_entry){o->importance[i], o->permutation[i], i};
    if (entries) qsort(entries, (size_t)n, sizeof *entries, compare_entries);
    for (int32_t i = 0; entries && i < n && i < most; i++) {
        int32_t feature = entries[i].feature;
        mw_json_object(w);
        mw_json_add_string(w, "name", mw_features_at(features, feature)->name);
        mw_json_add_number(w, "importance", o->importance[feature]);
        mw_json_add_number(w, "permutation", o->permutation[feature]);
        mw_json_add_number(w, "permutation_spread", o->spread[feature]);
        mw_json_object_end(w);
    }
    mw_json_array_end(w);
    mw_free(entries);
}

static const char *importance_meaning(const mw_outcome *o) {
    const char *learner = mw_model_learner(o->model);
    if (strcmp(learner, "linear") == 0) return "share of |standardized coefficient|";
    if (fits_change(o))
        return "share of the gain of all splits, of the change since the last value";
    if (strcmp(learner, "forest") == 0) return "share of the gain of all splits";
    return "share of all path steps taken on the feature";
}

static mw_status save_json(const mw_plant *plant, mw_buf *buf, mw_dir *dir, const char *name,
                           mw_err *err) {
    mw_buf_add_char(buf, '\n');
    mw_status status = mw_buf_status(buf, name, err);
    if (!status) status = mw_file_replace(plant->ctx, dir, name, mw_buf_text(buf), buf->size, err);
    mw_buf_done(buf);
    return status;
}

mw_status mw_plant__save_importance(const mw_plant *plant, const mw_outcome *o, mw_dir *dir,
                                    mw_err *err) {
    mw_buf buf;
    mw_json_writer w;
    mw_buf_init(&buf, plant->ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_json_writer_init(&w, &buf, 2);
    mw_json_object(&w);
    mw_json_add_string(&w, "model", o->name);
    mw_json_add_string(&w, "importance_is", importance_meaning(o));
    mw_json_add_string(&w, "permutation_is",
                       o == &plant->anomaly ? "mean |change of the score| when shuffled"
                                            : "rise of the test RMSE when shuffled");
    mw_json_key(&w, "features");
    write_features(plant, o, INT32_MAX, &w);
    mw_json_object_end(&w);
    return save_json(plant, &buf, dir, "importance.json", err);
}

/* ---- anomalies ---- */

static void write_standouts(const mw_plant *plant, int64_t rank, mw_json_writer *w) {
    const mw_standout *list = plant->ranking.standouts + rank * MW_STANDOUTS;
    mw_json_array(w);
    for (int i = 0; i < MW_STANDOUTS && list[i].column >= 0; i++) {
        const mw_window_column *column = &plant->windows->columns[list[i].column];
        mw_json_object(w);
        mw_json_add_string(w, "name", plant->windows->parameters[column->parameter]);
        mw_json_add_string(w, "statistic", mw_aggregate_name(column->aggregate));
        mw_json_add_number(w, "value", list[i].value);
        mw_json_add_number(w, "typical", list[i].typical);
        mw_json_add_number(w, "deviations", list[i].deviations);
        mw_json_object_end(w);
    }
    mw_json_array_end(w);
}

static void write_anomalies(const mw_plant *plant, int64_t most, mw_json_writer *w) {
    const mw_ranking *r = &plant->ranking;
    const mw_windows *windows = plant->windows;
    double threshold = mw_model_threshold(plant->anomaly.model);
    mw_json_array(w);
    for (int64_t i = 0; i < r->n && i < most; i++) {
        int64_t window = r->window[i];
        mw_json_object(w);
        mw_json_add_time(w, "start", windows->start[window]);
        if (mw_windows_device(windows, window) >= 0)
            mw_json_add_str(w, "device", mw_windows_device_name(windows, window));
        else
            mw_json_add_string(w, "device", NULL);
        mw_json_add_number(w, "score", r->scores[window]);
        mw_json_add_bool(w, "is_anomaly", r->scores[window] >= threshold);
        mw_json_key(w, "parameters");
        write_standouts(plant, i, w);
        mw_json_object_end(w);
    }
    mw_json_array_end(w);
}

mw_status mw_plant__save_anomalies(const mw_plant *plant, mw_dir *dir, mw_err *err) {
    mw_buf buf;
    mw_json_writer w;
    mw_buf_init(&buf, plant->ctx->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_json_writer_init(&w, &buf, 2);
    write_anomalies(plant, INT64_MAX, &w);
    return save_json(plant, &buf, dir, "anomalies.json", err);
}

/* Fills the four columns; pointers into the table are taken after all of them were added. */
static mw_status fill_scores(const mw_plant *plant, mw_table *table, mw_err *err) {
    const mw_windows *windows = plant->windows;
    double threshold = mw_model_threshold(plant->anomaly.model);
    mw_column *none = NULL;
    mw_status status = mw_table_add(table, MW_STR("time"), MW_TIMESTAMP, &none, err);
    if (!status) status = mw_table_add(table, MW_STR("device"), MW_DICTIONARY, &none, err);
    if (!status) status = mw_table_add(table, MW_STR("score"), MW_FLOAT64, &none, err);
    if (!status) status = mw_table_add(table, MW_STR("is_anomaly"), MW_BOOL, &none, err);
    if (status) return status;
    mw_column *time = &table->columns[0], *device = &table->columns[1];
    mw_column *score = &table->columns[2], *flag = &table->columns[3];
    memcpy(time->time, windows->start, (size_t)windows->n * sizeof *time->time);
    memcpy(score->number, plant->ranking.scores, (size_t)windows->n * sizeof *score->number);
    for (int64_t i = 0; !status && i < windows->n; i++) {
        mw_column_set_bool(flag, i, score->number[i] >= threshold);
        if (mw_windows_device(windows, i) >= 0)
            status = mw_dictionary_add(device->dictionary, mw_windows_device_name(windows, i),
                                       &device->codes[i], err);
    }
    for (int32_t k = 0; !status && k < table->n_columns; k++)
        status = mw_column_seal(table, &table->columns[k], err);
    return status;
}

mw_status mw_plant__save_scores(const mw_plant *plant, mw_dir *dir, mw_err *err) {
    const mw_ctx *ctx = plant->ctx;
    mw_table *table = NULL;
    mw_file *file = NULL;
    mw_status status = mw_table_new(ctx->mem, plant->windows->n, &table, err);
    if (!status) status = fill_scores(plant, table, err);
    if (!status) status = mw_file_create(ctx, dir, "scores.arrow", &file, err);
    if (!status) status = mw_ipc_write(ctx, table, NULL, 0, file, err);
    if (!status)
        status = mw_file_commit(file, err);
    else
        mw_file_abort(file);
    mw_table_free(table);
    return status;
}

/* ---- the result ---- */

static void add_outcome(const mw_plant *plant, const mw_outcome *o, mw_json_writer *w) {
    mw_json_key(w, o->name);
    mw_json_object(w);
    mw_json_add_string(w, "learner", mw_model_learner(o->model));
    if (o == &plant->anomaly) {
        mw_json_add_int(w, "scored", plant->windows->n);
        mw_json_add_int(w, "flagged", o->n_flagged);
        mw_json_add_number(w, "threshold", mw_model_threshold(o->model));
    } else {
        add_metrics(w, "metrics", &o->metrics);
        add_metrics(w, "naive", &o->naive);
        add_candidates(w, o);
    }
    mw_json_add_int(w, "features", mw_features_count(mw_model_features(o->model)));
    mw_json_add_string(w, "importance_is", importance_meaning(o));
    mw_json_key(w, "top_features");
    write_features(plant, o, MW_PLANT_TOP_FEATURES, w);
    mw_json_key(w, "seconds");
    mw_json_object(w);
    mw_json_add_number(w, "fit", o->seconds_fit);
    mw_json_add_number(w, "total", o->seconds_total);
    mw_json_object_end(w);
    mw_json_object_end(w);
}

void mw_plant__write_result(const mw_plant *plant, mw_json_writer *w) {
    mw_json_object(w);
    add_windows(w, plant);
    add_target(w, plant);
    add_split(w, plant);
    mw_json_key(w, "models");
    mw_json_object(w);
    add_outcome(plant, &plant->baseline, w);
    add_outcome(plant, &plant->regression, w);
    add_outcome(plant, &plant->anomaly, w);
    mw_json_object_end(w);
    mw_json_key(w, "top_anomalies");
    write_anomalies(plant, MW_PLANT_TOP_ANOMALIES, w);
    mw_json_key(w, "top_features");
    write_features(plant, &plant->regression, MW_PLANT_TOP_FEATURES, w);
    mw_json_key(w, "seconds");
    mw_json_object(w);
    mw_json_add_number(w, "resample", plant->seconds_resample);
    mw_json_add_number(w, "total", plant->seconds_total);
    mw_json_object_end(w);
    mw_json_add_int(w, "peak_bytes", (int64_t)mw_mem_peak(plant->ctx->mem));
    mw_json_add_string(w, "data_hash", plant->plan.data_hash);
    mw_json_object_end(w);
}
