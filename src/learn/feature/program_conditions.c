/* program_conditions.c -- the operating conditions that a program needs, of rows to learn from. */
#include "core/base/limits.h"
#include "core/base/math.h"
#include "learn/feature/program.h"

/* Columns of the matrix: settings, then sensors. */
static int32_t input_at(const mw_program *p, int32_t k) {
    const int32_t n = p->options.n_settings;
    return k < n ? p->settings[k] : p->sensors[k - n];
}

static mw_status fill(const mw_program *p, const double *const *columns, const int64_t *rows,
                      int64_t n, int32_t width, float *x, mw_err *err) {
    for (int32_t k = 0; k < width; k++) {
        const int32_t c = input_at(p, k);
        const mw_feature_range range = p->options.ranges[c];
        if (!columns[c])
            return mw_fail(err, MW_EDATA, "column %s must be numbers, for operating conditions",
                           p->inputs[c]);
        for (int64_t i = 0; i < n; i++) {
            const double value = columns[c][rows ? rows[i] : i];
            const bool fits =
                value >= range.low && value <= range.high && mw_abs(value) <= 3e38; /* a float's */
            x[i * width + k] = fits ? (float)value : (float)MW_NAN;
        }
    }
    return MW_OK;
}

mw_status mw_program_fit_conditions(const mw_ctx *ctx, const mw_program *p,
                                    const double *const *columns, const int64_t *rows, int64_t n,
                                    mw_conditions **ret, mw_err *err) {
    const int32_t n_settings = p->options.n_settings, width = n_settings + p->n_sensors;
    int32_t *numbers = mw_alloc_array(ctx->mem, (size_t)width + 1, sizeof *numbers);
    float *x = mw_alloc_array(ctx->mem, (size_t)n + 1, (size_t)width * sizeof *x);
    mw_status status = numbers && x ? MW_OK : mw_fail_nomem(err, "operating conditions");
    if (!status) status = fill(p, columns, rows, n, width, x, err);
    for (int32_t k = 0; k < width && !status; k++) numbers[k] = k;
    const mw_conditions_options options = {.settings = numbers,
                                           .sensors = numbers + n_settings,
                                           .n_settings = n_settings,
                                           .n_sensors = p->n_sensors,
                                           .n = p->options.n_conditions};
    if (!status) status = mw_conditions_fit(ctx, &options, (mw_matrix){x, n, width}, ret, err);
    mw_free(numbers);
    mw_free(x);
    return status;
}
