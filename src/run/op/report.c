/* report.c -- see report.h. */
#include "run/op/report.h"

static mw_str text_of(const mw_json *object, const char *key) {
    return mw_json_string(mw_json_get(object, key), "");
}

static long long whole_of(const mw_json *object, const char *key) {
    return (long long)mw_json_int(mw_json_get(object, key), 0);
}

static void add_number(mw_buf *out, const mw_json *value) {
    if (value && value->kind == MW_JSON_NUMBER)
        mw_buf_printf(out, " %11.5g", value->number);
    else
        mw_buf_printf(out, " %11s", "-");
}

static void add_metrics(mw_buf *out, const char *name, mw_str learner, const mw_json *metrics) {
    static const char *const keys[] = {"rmse", "mae", "mape", "r2"};
    if (!metrics) return;
    mw_buf_printf(out, "  %-12s %-22.*s", name, (int)learner.size, learner.data);
    for (size_t i = 0; i < 4; i++) add_number(out, mw_json_get(metrics, keys[i]));
    mw_buf_add_char(out, '\n');
}

static void add_models(mw_buf *out, const mw_json *models) {
    const mw_json *baseline = mw_json_get(models, "baseline");
    const mw_json *regression = mw_json_get(models, "regression");
    const mw_json *anomaly = mw_json_get(models, "anomaly");
    mw_buf_printf(out, "  %-12s %-22s %11s %11s %11s %11s\n", "model", "", "RMSE", "MAE", "MAPE",
                  "R2");
    add_metrics(out, "naive", mw_str_of("last value"), mw_json_get(baseline, "naive"));
    add_metrics(out, "baseline", text_of(baseline, "learner"), mw_json_get(baseline, "metrics"));
    add_metrics(out, "regression", text_of(regression, "learner"),
                mw_json_get(regression, "metrics"));
    mw_buf_printf(out, "  %-12s %lld windows scored, %lld flagged (score >= %.3f)\n", "anomaly",
                  whole_of(anomaly, "scored"), whole_of(anomaly, "flagged"),
                  mw_json_number(mw_json_get(anomaly, "threshold"), 0));
}

static void add_anomalies(mw_buf *out, const mw_json *list) {
    enum { SHOWN = 5 };
    mw_buf_add(out, "\nStrangest windows\n");
    int n = 0;
    for (const mw_json *a = list ? list->first : NULL; a && n < SHOWN; a = a->next, n++) {
        mw_str start = text_of(a, "start"), device = text_of(a, "device");
        mw_buf_printf(out, "  %.3f  %.*s  %.*s", mw_json_number(mw_json_get(a, "score"), 0),
                      (int)start.size, start.data, (int)device.size, device.data);
        const mw_json *parameters = mw_json_get(a, "parameters");
        for (const mw_json *p = parameters ? parameters->first : NULL; p; p = p->next) {
            mw_str name = text_of(p, "name"), statistic = text_of(p, "statistic");
            mw_buf_printf(out, "%s%.*s %.*s %.4g (typically %.4g)",
                          p == parameters->first ? "  " : ", ", (int)name.size, name.data,
                          (int)statistic.size, statistic.data,
                          mw_json_number(mw_json_get(p, "value"), 0),
                          mw_json_number(mw_json_get(p, "typical"), 0));
        }
        mw_buf_add_char(out, '\n');
    }
}

/* A bar of blocks: importance is a share of one. */
static void add_features(mw_buf *out, const mw_json *list) {
    enum { SHOWN = 8, BAR = 30 };
    mw_buf_add(out, "\nMost important features of the forest\n");
    int n = 0;
    for (const mw_json *f = list ? list->first : NULL; f && n < SHOWN; f = f->next, n++) {
        mw_str name = text_of(f, "name");
        double share = mw_json_number(mw_json_get(f, "importance"), 0);
        mw_buf_printf(out, "  %-36.*s %5.1f %% ", (int)name.size, name.data, 100 * share);
        for (int i = 0; i < (int)(share * BAR + 0.5); i++) mw_buf_add(out, "\u2588");
        mw_buf_add_char(out, '\n');
    }
}

void mw_op__print_training(const mw_json *result, mw_buf *out) {
    mw_str dataset = text_of(result, "dataset"), interval = text_of(result, "interval");
    mw_str target = text_of(result, "target"), chosen = text_of(result, "target_chosen_by");
    mw_buf_printf(out, "dataset %.*s: %lld rows of %lld devices and %lld parameters\n",
                  (int)dataset.size, dataset.data, whole_of(result, "rows"),
                  whole_of(result, "devices"), whole_of(result, "parameters"));
    mw_buf_printf(out, "windows of %.*s: %lld\n", (int)interval.size, interval.data,
                  whole_of(result, "windows"));
    mw_buf_printf(out, "forecast: %.*s one interval ahead (chosen by %.*s)\n\n", (int)target.size,
                  target.data, (int)chosen.size, chosen.data);
    const mw_json *split = mw_json_get(result, "split");
    mw_str from = text_of(split, "test_from"), to = text_of(split, "test_to");
    mw_buf_printf(out, "Measured on %lld rows from %.*s to %.*s, not seen in training\n",
                  whole_of(split, "test_rows"), (int)from.size, from.data, (int)to.size, to.data);
    add_models(out, mw_json_get(result, "models"));
    add_anomalies(out, mw_json_get(result, "top_anomalies"));
    add_features(out, mw_json_get(result, "top_features"));
}
