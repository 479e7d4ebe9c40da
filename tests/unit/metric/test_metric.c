/* test_metric.c -- scores against scikit-learn (tests/golden/metric/make.py), and what has no
 * score. */
#include "support/harness.h"

#include <string.h>

#include "core/base/math.h"
#include "core/base/rng.h"
#include "golden/metric/golden_scores.h"
#include "learn/metric/metric.h"

enum { N = sizeof golden_truth / sizeof *golden_truth };

static void assert_near(double got, double want) {
    if (!(mw_abs(got - want) <= 1e-12 * (1 + mw_abs(want))))
        fail_msg("%.17g, want %.17g", got, want);
}

MW_TEST(equals_scikit_learn) {
    mw_regression_metrics m;
    mw_metric_regression(golden_truth, golden_prediction, N, &m);
    assert_int_equal(m.n, N);
    assert_near(m.rmse, golden_rmse);
    assert_near(m.mae, golden_mae);
    assert_near(m.mape, golden_mape);
    assert_near(m.r2, golden_r2);
    double label[N];
    for (int i = 0; i < N; i++) label[i] = golden_label[i];
    assert_near(mw_metric_accuracy(label, golden_guess, N), golden_accuracy);
    assert_near(mw_metric_f1(label, golden_guess, N), golden_f1);
    assert_near(mw_metric_log_loss(golden_class, golden_probability, N, 3), golden_log_loss);
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    double auc = 0;
    assert_ok(mw_metric_roc_auc(&ctx, golden_score, golden_label, N, &auc, &err));
    assert_near(auc, golden_auc);
}

MW_TEST(what_has_no_score) {
    mw_regression_metrics m;
    mw_metric_regression(NULL, NULL, 0, &m);
    assert_true(mw_isnan(m.rmse) && mw_isnan(m.mae) && mw_isnan(m.mape) && mw_isnan(m.r2));
    const double zeros[3] = {0, 0, 0}, guess[3] = {1, 1, 1};
    mw_metric_regression(zeros, guess, 3, &m);
    assert_true(m.rmse == 1 && m.mae == 1 && mw_isnan(m.mape) && mw_isnan(m.r2));
    /* 0.1 three times: the rounded mean is not 0.1, and still the truth is constant. */
    const double tenths[3] = {0.1, 0.1, 0.1};
    mw_metric_regression(tenths, guess, 3, &m);
    assert_true(mw_isnan(m.r2));
    assert_true(mw_isnan(mw_metric_f1(zeros, zeros, 3)));
    assert_true(mw_metric_f1(zeros, guess, 3) == 0);
    assert_true(mw_isnan(mw_metric_accuracy(NULL, NULL, 0)));
    const double beyond[1] = {3}, sure[3] = {1, 0, 0}, wrong[1] = {1};
    assert_true(mw_isnan(mw_metric_log_loss(beyond, sure, 1, 3)));
    assert_near(mw_metric_log_loss(wrong, sure, 1, 3), -mw_ln(1e-15));
}

MW_TEST(auc_of_extremes) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    double auc = -1;
    const double score[4] = {-MW_INFINITY, -0.0, 0.0, MW_INFINITY};
    const uint8_t label[4] = {0, 0, 1, 1}, inverse[4] = {1, 1, 0, 0};
    assert_ok(mw_metric_roc_auc(&ctx, score, label, 4, &auc, &err));
    assert_true(auc == 0.875); /* the two zeros tie */
    assert_ok(mw_metric_roc_auc(&ctx, score, inverse, 4, &auc, &err));
    assert_true(auc == 0.125);
    const uint8_t same[4] = {1, 1, 1, 1}, bad[4] = {0, 1, 2, 0};
    assert_status(mw_metric_roc_auc(&ctx, score, same, 4, &auc, &err), MW_EDATA);
    assert_status(mw_metric_roc_auc(&ctx, score, bad, 4, &auc, &err), MW_EDATA);
    assert_status(mw_metric_roc_auc(&ctx, score, label, 0, &auc, &err), MW_EDATA);
    const double missing[4] = {0, MW_NAN, 1, 2};
    assert_status(mw_metric_roc_auc(&ctx, missing, label, 4, &auc, &err), MW_EDATA);
    assert_non_null(strstr(err.message, "row 1"));
    assert_true(auc == 0.125); /* outputs are written only on success */
}

/* The definition itself: over all pairs, the share that is in order, ties half. */
MW_TEST(auc_equals_its_definition) {
    mw_rng rng;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    for (int round = 0; round < 50; round++) {
        enum { ROWS = 120 };
        double score[ROWS], pairs = 0, wins = 0, auc = 0;
        uint8_t label[ROWS];
        for (int i = 0; i < ROWS; i++) {
            label[i] = i < 2 ? (uint8_t)i : (uint8_t)(mw_rng_below(&rng, 4) == 0);
            score[i] = (double)mw_rng_below(&rng, 30) - 15;
        }
        for (int i = 0; i < ROWS; i++)
            for (int k = 0; k < ROWS; k++)
                if (label[i] > label[k]) {
                    pairs++;
                    wins += score[i] > score[k] ? 1 : score[i] == score[k] ? 0.5 : 0;
                }
        assert_ok(mw_metric_roc_auc(&ctx, score, label, ROWS, &auc, &err));
        assert_near(auc, wins / pairs);
    }
}

MW_TEST(auc_without_memory) {
    mw_err err = {0};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    double auc = -1;
    mw_alloc_fail_at(1);
    assert_status(mw_metric_roc_auc(&ctx, golden_score, golden_label, N, &auc, &err), MW_ENOMEM);
    mw_alloc_fail_at(0);
    assert_true(auc == -1);
    assert_int_equal(mw_mem_used(ctx.mem), 0);
}

MW_TEST_MAIN(MW_RUN(equals_scikit_learn), MW_RUN(what_has_no_score), MW_RUN(auc_of_extremes),
             MW_RUN(auc_equals_its_definition), MW_RUN(auc_without_memory))
