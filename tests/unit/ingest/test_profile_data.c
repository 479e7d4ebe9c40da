/*
 * test_profile_data.c -- what is detected in every file of the shared real data (see mw_test_data; skipped where it is not there). Each
 * file must stand in the table below; columns and forms are those that its publisher describes.
 */
#include "keep/ingest/profile.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "support/harness.h"

static const struct expected {
    const char *path; /* below the data; a '*' at its end matches the rest */
    const char *separator;
    int header;
    uint32_t columns; /* 0: no table, refused */
    const char *time; /* column and form, "" for none */
} table[] = {
    {"MANIFEST.tsv", "tab", 1, 9, ""},
    {"adbench/10_cover.csv", "','", 1, 11, ""},
    {"adbench/11_donors.csv", "','", 1, 11, ""},
    {"adbench/12_fault.csv", "','", 1, 28, ""},
    {"adbench/14_glass.csv", "','", 1, 8, ""},
    {"adbench/18_Ionosphere.csv", "','", 1, 33, ""},
    {"adbench/19_landsat.csv", "','", 1, 37, ""},
    {"adbench/20_letter.csv", "','", 1, 33, ""},
    {"adbench/22_magic.gamma.csv", "','", 1, 11, ""},
    {"adbench/23_mammography.csv", "','", 1, 7, ""},
    {"adbench/26_optdigits.csv", "','", 1, 65, ""},
    {"adbench/29_Pima.csv", "','", 1, 9, ""},
    {"adbench/2_annthyroid.csv", "','", 1, 7, ""},
    {"adbench/30_satellite.csv", "','", 1, 37, ""},
    {"adbench/31_satimage-2.csv", "','", 1, 37, ""},
    {"adbench/32_shuttle.csv", "','", 1, 10, ""},
    {"adbench/33_skin.csv", "','", 1, 4, ""},
    {"adbench/38_thyroid.csv", "','", 1, 7, ""},
    {"adbench/40_vowels.csv", "','", 1, 13, ""},
    {"adbench/42_WBC.csv", "','", 1, 10, ""},
    {"adbench/4_breastw.csv", "','", 1, 10, ""},
    {"adbench/6_cardio.csv", "','", 1, 22, ""},
    {"adbench/7_Cardiotocography.csv", "','", 1, 22, ""},
    {"agaricus/agaricus.txt.*", "", 0, 0,
     "is no table but sparse text of index:value pairs (LibSVM)"},
    {"agaricus/featmap.txt", "tab", 0, 3, ""},
    {"ai4i2020/ai4i2020.csv", "','", 1, 14, ""},
    {"appliances_energy/energydata_complete.csv", "','", 1, 29, "date iso"},
    {"azure_pdm/PdM_errors.csv", "','", 1, 3, "datetime iso"},
    {"azure_pdm/PdM_failures.csv", "','", 1, 3, "datetime iso"},
    {"azure_pdm/PdM_machines.csv", "','", 1, 3, ""},
    {"azure_pdm/PdM_maint.csv", "','", 1, 3, "datetime iso"},
    {"azure_pdm/PdM_telemetry_20machines_90days.csv", "','", 1, 6, "datetime iso"},
    {"california_housing/housing.csv", "','", 1, 10, ""},
    {"cmapss_fd001/RUL_FD001.txt", "','", 0, 1, ""},
    {"cmapss_fd001/t*", "blanks", 0, 26, ""},
    {"elevator/predictive-maintenance-dataset.csv", "';'", 1, 3, ""},
    {"ett/ETTh1.csv", "','", 1, 8, "date iso"},
    {"gas_turbine/gt_201*", "','", 1, 11, ""},
    {"hydraulic/description.txt", "", 0, 0,
     "is no table: its lines are not cut alike by any separator"},
    {"hydraulic/profile.txt", "tab", 0, 5, ""},
    {"hydraulic/CE.txt", "tab", 0, 60, ""},
    {"hydraulic/CP.txt", "tab", 0, 60, ""},
    {"hydraulic/SE.txt", "tab", 0, 60, ""},
    {"hydraulic/TS*", "tab", 0, 60, ""},
    {"hydraulic/VS1.txt", "tab", 0, 60, ""},
    {"ims_bearing/merged_dataset_BearingTest_1.csv", "','", 1, 9, "column_1 iso"},
    {"ims_bearing/merged_dataset_BearingTest_*", "','", 1, 5, "column_1 iso"},
    {"lightgbm_examples/binary.test", "tab", 0, 29, ""},
    {"lightgbm_examples/binary.train", "tab", 0, 29, ""},
    {"lightgbm_examples/regression.test", "tab", 0, 29, ""},
    {"lightgbm_examples/regression.train", "tab", 0, 29, ""},
    {"lightgbm_examples/multiclass.*", "tab", 0, 29, ""},
    {"lightgbm_examples/binary.t*", "','", 0, 1, ""},
    {"lightgbm_examples/regression.t*", "','", 0, 1, ""},
    {"lightgbm_examples/rank.test.query", "','", 0, 1, ""},
    {"lightgbm_examples/rank.train.query", "','", 0, 1, ""},
    {"lightgbm_examples/rank.*", "", 0, 0,
     "is no table but sparse text of index:value pairs (LibSVM)"},
    {"lightgbm_examples/categorical.data", "", 0, 0,
     "is no table but sparse text of index:value pairs (LibSVM)"},
    {"nab/labels/*", "", 0, 0, "is not CSV text but JSON"},
    {"nab/data/*", "','", 1, 2, "timestamp iso"},
    {"pjm/PJME_hourly.csv", "','", 1, 2, "Datetime iso"},
    {"prophet/example_pedestrians_multivariate.csv", "','", 1, 3, "ds iso"},
    {"prophet/*", "','", 1, 2, "ds iso"},
    {"steel_energy/Steel_industry_data.csv", "','", 1, 11, "date dd/mm/yyyy HH:MM"},
    {"tennessee_eastman/LICENSE", "", 0, 0,
     "is no table: its lines are not cut alike by any separator"},
    {"tennessee_eastman/readme.txt", "", 0, 0,
     "is no table: its lines are not cut alike by any separator"},
    {"tennessee_eastman/d00.dat", "blanks", 0, 500, ""},
    {"tennessee_eastman/d*", "blanks", 0, 52, ""},
    /* Prose with tables or lists in it: what is found there does not matter. */
    {"README.md", NULL, 0, 0, NULL},
    {"cmapss_fd001/readme.txt", NULL, 0, 0, NULL},
    {"hydraulic/documentation.txt", NULL, 0, 0, NULL},
};

enum { N = sizeof table / sizeof *table, SAMPLE = 1 << 20 };

static size_t root_size;
static int n_files, n_wrong, n_unlisted;
static bool seen[N];
static char sample[SAMPLE];

static const struct expected *find(const char *name) {
    char plain[512];
    snprintf(plain, sizeof plain, "%s", name);
    size_t n = strlen(plain);
    if (n > 3 && strcmp(plain + n - 3, ".gz") == 0) plain[n - 3] = '\0';
    for (int i = 0; i < N; i++) {
        size_t k = strlen(table[i].path);
        bool open = table[i].path[k - 1] == '*';
        if (open ? strncmp(plain, table[i].path, k - 1) : strcmp(plain, table[i].path)) continue;
        seen[i] = true;
        return &table[i];
    }
    return NULL;
}

static const char *value_of(const mw_profile *profile, const char *what) {
    for (size_t i = 0; i < profile->n_findings; i++)
        if (strcmp(profile->findings[i].what, what) == 0) return profile->findings[i].value;
    return "";
}

static void check(const char *name, const struct expected *want, size_t size, bool whole) {
    mw_ctx ctx;
    mw_err err;
    mw_profile profile;
    mw_ctx_init(&ctx);
    mw_status status =
        mw_profile_detect(&ctx, sample, size, whole, NULL, MW_FOR_DATASET, &profile, &err);
    char time[200] = "";
    if (status != MW_OK) {
        bool right = want->time && want->columns == 0 && strcmp(err.message, want->time) == 0;
        if (!right && want->time) print_error("%s: %s\n", name, err.message);
        n_wrong += !right && want->time;
        return;
    }
    if (profile.stamp >= 0)
        snprintf(time, sizeof time, "%s %s", profile.columns[profile.stamp].name,
                 value_of(&profile, "time format"));
    bool right = !want->time ||
                 (profile.n_columns == want->columns && profile.has_header == (want->header == 1) &&
                  strcmp(value_of(&profile, "separator"), want->separator) == 0 &&
                  strcmp(time, want->time) == 0 && profile.date < 0 && profile.clock < 0);
    if (!right)
        print_error("%s: separator %s, header %d, %u columns, time \"%s\"\n", name,
                    value_of(&profile, "separator"), profile.has_header, profile.n_columns, time);
    n_wrong += !right;
    mw_profile_done(&profile);
}

static int visit(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info, (void)where;
    if (kind != FTW_F) return 0;
    const char *name = path + root_size + 1;
    const struct expected *want = find(name);
    n_files++;
    if (!want) {
        print_error("%s is not in the table\n", name);
        n_unlisted++;
        return 0;
    }
    gzFile file = gzopen(path, "rb");
    assert_non_null(file);
    int size = gzread(file, sample, SAMPLE);
    char more;
    bool whole = gzread(file, &more, 1) <= 0;
    gzclose(file);
    assert_true(size > 0);
    check(name, want, (size_t)size, whole);
    return 0;
}

MW_TEST(real_files_are_what_their_publishers_say) {
    const char *root = mw_test_data();
    if (!root) {
        print_message("skipped: no shared data\n");
        return;
    }
    root_size = strlen(root);
    assert_int_equal(nftw(root, visit, 16, FTW_PHYS), 0);
    assert_true(n_files > 0);
    for (int i = 0; i < N; i++)
        if (!seen[i]) print_message("no file for %s\n", table[i].path);
    assert_int_equal(n_wrong, 0);
    assert_int_equal(n_unlisted, 0);
}

MW_TEST_MAIN(MW_RUN(real_files_are_what_their_publishers_say))
