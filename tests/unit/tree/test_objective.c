/* test_objective.c -- gradients beside differences of the loss, first guesses beside any other, and quantiles of leaves. */
#include "support/harness.h"

#include <string.h>

#include "core/base/cpu.h"
#include "core/base/math.h"
#include "core/base/rng.h"
#include "learn/tree/objective.h"

enum { KINDS = MW_OBJECTIVE_SOFTMAX + 1, ROWS = 300, CLASSES = 3 };

typedef struct data {
    mw_objective objective;
    double y[ROWS], weights[ROWS], scores[CLASSES * ROWS];
    mw_gradient gradients[CLASSES * ROWS];
    mw_targets targets;
} data;

static void data_init(data *d, mw_objective_kind kind, bool weighted) {
    static const double by_class[CLASSES] = {1, 3, 0.5};
    mw_rng rng;
    mw_rng_init(&rng, 4, (uint64_t)kind, 0);
    const bool classes = mw_objective_classes(kind);
    d->objective = (mw_objective){.kind = kind,
                                  .n_outputs = kind == MW_OBJECTIVE_SOFTMAX ? CLASSES : 1,
                                  .alpha = 0.7,
                                  .power = 1.3,
                                  .max_delta_step = 0};
    for (int i = 0; i < ROWS; i++) {
        d->y[i] = kind == MW_OBJECTIVE_SOFTMAX ? (double)mw_rng_below(&rng, CLASSES)
                  : classes                    ? (double)mw_rng_below(&rng, 2)
                                               : 3 * mw_rng_uniform(&rng);
        d->weights[i] = 0.1 + mw_rng_uniform(&rng);
    }
    for (int i = 0; i < CLASSES * ROWS; i++) d->scores[i] = mw_rng_normal(&rng);
    d->targets = (mw_targets){ROWS, d->y, weighted ? d->weights : NULL,
                              weighted && classes ? by_class : NULL};
}

static double loss_of(const data *d, int64_t row) {
    mw_loss sum = {0};
    mw_objective_add_losses(&d->objective, d->targets, d->scores, &row, 1, &sum);
    return sum.loss;
}

static double mean_at(data *d, const double *base) {
    mw_loss sum = {0};
    for (int32_t k = 0; k < d->objective.n_outputs; k++)
        for (int i = 0; i < ROWS; i++) d->scores[k * ROWS + i] = base[k];
    for (int64_t i = 0; i < ROWS; i++)
        mw_objective_add_losses(&d->objective, d->targets, d->scores, &i, 1, &sum);
    return sum.loss / sum.weight;
}

MW_TEST(gradients_are_slopes_of_the_loss) {
    for (int kind = 0; kind < KINDS; kind++)
        for (int weighted = 0; weighted < 2; weighted++) {
            data d;
            data_init(&d, (mw_objective_kind)kind, weighted);
            mw_objective_gradients(&d.objective, d.targets, d.scores, 0, ROWS, d.gradients);
            for (int i = 0; i < d.objective.n_outputs * ROWS; i++) {
                const double s = d.scores[i], step = 1e-5, f0 = loss_of(&d, i % ROWS);
                d.scores[i] = s - step;
                const double below = loss_of(&d, i % ROWS);
                d.scores[i] = s + step;
                const double above = loss_of(&d, i % ROWS);
                d.scores[i] = s;
                double g = (above - below) / (2 * step);
                double h = (above - 2 * f0 + below) / (step * step);
                if (kind == MW_OBJECTIVE_SQUARED) g /= 2, h /= 2;
                if (kind == MW_OBJECTIVE_SOFTMAX) h *= CLASSES / (CLASSES - 1.0);
                assert_true(mw_abs(g - (double)d.gradients[i].g) < 1e-4 * (1 + mw_abs(g)));
                const bool smooth = kind != MW_OBJECTIVE_ABSOLUTE && kind != MW_OBJECTIVE_HUBER &&
                                    kind != MW_OBJECTIVE_QUANTILE;
                if (smooth) assert_true(mw_abs(h - (double)d.gradients[i].h) < 1e-3 * (1 + h));
                if (!smooth && !weighted) assert_true(d.gradients[i].h == 1.0F);
            }
        }
}

MW_TEST(a_range_has_the_gradients_of_the_whole) {
    for (int kind = 0; kind < KINDS; kind++) {
        data d;
        mw_gradient whole[CLASSES * ROWS];
        data_init(&d, (mw_objective_kind)kind, true);
        mw_objective_gradients(&d.objective, d.targets, d.scores, 0, ROWS, d.gradients);
        memcpy(whole, d.gradients, sizeof whole);
        memset(d.gradients, 0, sizeof d.gradients);
        const int cuts[] = {0, 1, 5, 258, ROWS};
        for (int i = 0; i < 4; i++)
            mw_objective_gradients(&d.objective, d.targets, d.scores, cuts[i], cuts[i + 1],
                                   d.gradients);
        assert_memory_equal(whole, d.gradients,
                            (size_t)(d.objective.n_outputs * ROWS) * sizeof *whole);
    }
}

MW_TEST(no_other_first_guess_is_better) {
    for (int kind = 0; kind < KINDS; kind++)
        for (int weighted = 0; weighted < 2; weighted++) {
            data d;
            mw_ctx ctx;
            mw_err err;
            double base[CLASSES];
            mw_ctx_init(&ctx);
            data_init(&d, (mw_objective_kind)kind, weighted);
            if (kind == MW_OBJECTIVE_HUBER) d.objective.alpha = 100; /* where its guess is exact */
            assert_ok(mw_objective_start(&ctx, &d.objective, d.targets, base, &err));
            const double best = mean_at(&d, base);
            for (int32_t k = 0; k < d.objective.n_outputs; k++)
                for (int side = -1; side <= 1; side += 2) {
                    double other[CLASSES];
                    memcpy(other, base, sizeof other);
                    other[k] += 0.02 * side;
                    assert_true(mean_at(&d, other) >= best);
                }
        }
}

MW_TEST(leaves_are_quantiles_of_residuals) {
    double y[] = {5, 1, 4, 2, 3}, scores[] = {1, 0, 1, 0, 1}, even[] = {1, 1, 1, 1, 1},
           heavy[] = {1, 9, 1, 1, 1}, got;
    uint64_t scratch[5];
    const uint32_t rows[] = {0, 1, 2, 4};
    mw_ctx ctx;
    mw_err err;
    mw_ctx_init(&ctx);
    mw_objective o = {.kind = MW_OBJECTIVE_ABSOLUTE, .n_outputs = 1};
    mw_targets t = {5, y, NULL, NULL};
    assert_true(mw_objective_renews(&o));
    assert_ok(mw_objective_renew(&ctx, &o, t, scores, rows, 4, scratch, &got, &err));
    assert_true(got == 2.5); /* residuals 4, 1, 3, 2 */
    t.weights = even;
    assert_ok(mw_objective_renew(&ctx, &o, t, scores, rows, 4, scratch, &got, &err));
    assert_true(got == 2);
    t.weights = heavy;
    assert_ok(mw_objective_renew(&ctx, &o, t, scores, rows, 4, scratch, &got, &err));
    assert_true(got == 1);
    o = (mw_objective){.kind = MW_OBJECTIVE_QUANTILE, .n_outputs = 1, .alpha = 0.95};
    assert_ok(mw_objective_renew(&ctx, &o, t, scores, rows, 4, scratch, &got, &err));
    assert_true(got == 4);
    o.kind = MW_OBJECTIVE_HUBER;
    assert_false(mw_objective_renews(&o));
}

MW_TEST(predictions_are_values_and_shares) {
    mw_objective o = {.kind = MW_OBJECTIVE_LOGISTIC, .n_outputs = 1};
    double s[3] = {0};
    mw_objective_predict(&o, s, 1);
    assert_true(s[0] == 0.5);
    s[0] = -800;
    mw_objective_predict(&o, s, 1);
    assert_true(s[0] >= 0 && s[0] < 1e-300);
    o = (mw_objective){.kind = MW_OBJECTIVE_SOFTMAX, .n_outputs = 3};
    memcpy(s, (double[]){1000, 1000, -1000}, sizeof s);
    mw_objective_predict(&o, s, 1);
    assert_true(s[0] == 0.5 && s[1] == 0.5 && s[2] == 0);
    o = (mw_objective){.kind = MW_OBJECTIVE_TWEEDIE, .n_outputs = 1};
    s[0] = 0;
    mw_objective_predict(&o, s, 1);
    assert_true(s[0] == 1);
    o.kind = MW_OBJECTIVE_HUBER;
    s[0] = -3;
    mw_objective_predict(&o, s, 1);
    assert_true(s[0] == -3);
}

MW_TEST(what_an_objective_cannot_take_is_refused) {
    mw_err err;
    double y[] = {0, 1, -1}, zeros[3] = {0}, weights[] = {1, 0, 1};
    mw_objective o = {.kind = MW_OBJECTIVE_POISSON, .n_outputs = 1};
    assert_status(mw_objective_check(&o, (mw_targets){3, y, NULL, NULL}, NULL, &err), MW_EDATA);
    assert_non_null(strstr(err.message, "row 3"));
    assert_ok(mw_objective_check(&o, (mw_targets){2, y, NULL, NULL}, NULL, &err));
    assert_ok(mw_objective_check(&o, (mw_targets){3, zeros, NULL, NULL}, NULL, &err));
    assert_status(mw_objective_check_rate(&o, (mw_targets){3, zeros, NULL, NULL}, &err), MW_EDATA);
    assert_ok(mw_objective_check_rate(&o, (mw_targets){2, y, NULL, NULL}, &err));
    o.kind = MW_OBJECTIVE_SQUARED;
    assert_ok(mw_objective_check(&o, (mw_targets){3, y, NULL, NULL}, NULL, &err));
    assert_ok(mw_objective_check_rate(&o, (mw_targets){3, zeros, NULL, NULL}, &err));
    const double bad[] = {0, -1, MW_NAN, MW_INFINITY};
    for (int i = 0; i < 4; i++) {
        weights[1] = bad[i];
        assert_status(mw_objective_check(&o, (mw_targets){3, y, weights, NULL}, NULL, &err),
                      MW_EDATA);
        assert_non_null(strstr(err.message, "row 2"));
    }
}

MW_TEST(functions_of_many_are_those_of_one) {
    enum { N = 4099 };
    static double x[N], out[N];
    mw_rng rng;
    mw_rng_init(&rng, 5, 0, 0);
    const double special[] = {0.0,  -0.0,   1,     -1,     709.7,       710,         -745.2,
                              -746, 1e-300, 1e300, -1e300, MW_INFINITY, -MW_INFINITY};
    for (int i = 0; i < N; i++)
        x[i] = i < 13 ? special[i] : mw_rng_normal(&rng) * (i % 2 ? 1 : 200);
    const mw_cpu levels[] = {MW_CPU_SCALAR, MW_CPU_NEON, MW_CPU_AVX2, MW_CPU_AVX512};
    const mw_cpu before = mw_cpu_level();
    for (int l = 0; l < 4; l++) {
        if (!mw_cpu_has(levels[l])) continue;
        mw_cpu_force(levels[l]);
        for (size_t n = 0; n < 20; n++) mw_exp_array(x, n, out);
        mw_exp_array(x, N, out);
        for (int i = 0; i < N; i++) {
            const double want = mw_exp(x[i]);
            assert_memory_equal(&want, &out[i], sizeof want);
        }
        mw_log1p_array(out, N, out); /* of exponentials, 0 and infinity among them */
        for (int i = 0; i < N; i++) {
            const double want = mw_log1p(mw_exp(x[i]));
            assert_memory_equal(&want, &out[i], sizeof want);
        }
    }
    mw_cpu_force(before);
}

MW_TEST_MAIN(MW_RUN(gradients_are_slopes_of_the_loss),
             MW_RUN(a_range_has_the_gradients_of_the_whole), MW_RUN(no_other_first_guess_is_better),
             MW_RUN(leaves_are_quantiles_of_residuals), MW_RUN(predictions_are_values_and_shares),
             MW_RUN(what_an_objective_cannot_take_is_refused),
             MW_RUN(functions_of_many_are_those_of_one))
