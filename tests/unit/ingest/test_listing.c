/* Paths to files: folders, patterns, standard input, what is refused. */
#include "keep/ingest/listing.h"

#include <sys/stat.h>
#include <unistd.h>

#include "support/fault_loop.h"
#include "unit/ingest/ingest_files.h"

/* A small tree in the test's folder, which becomes the current one. */
static void plant_tree(void) {
    static const char *const folders[] = {"data",       "data/deep", "data/deep/er", "data/.hidden",
                                          "data/x.csv", "none",      "odd"};
    static const char *const files[] = {
        "data/b.csv",         "data/a.CSV",         "data/c.tsv.gz",
        "data/d.txt.zst",     "data/e.dat",         "data/f.data",
        "data/g.csv.bz2",     "data/h.json",        "data/.i.csv",
        "data/csv",           "data/.csv",          "data/k.csv.gz",
        "data/README",        "data/readme.txt",    "data/License-2.0.TXT.gz",
        "data/deep/m.csv",    "data/deep/er/n.csv", "data/deep/er/n2.log",
        "data/.hidden/o.csv", "odd/[1].csv",        "odd/q*.csv",
        "odd/1.csv"};
    assert_int_equal(chdir(mw_test_folder()), 0);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        assert_int_equal(mkdir(folders[i], 0700), 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) (void)put_text(files[i], "x");
}

static mw_status list(const mw_ctx *ctx, const char *paths, char *out, mw_err *err) {
    char copy[400];
    const char *words[20];
    size_t n = 0;
    snprintf(copy, sizeof copy, "%s", paths);
    for (char *save, *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
        words[n++] = word;
    mw_listing listing;
    mw_status status = mw_listing_read(ctx, words, n, &listing, err);
    if (status != MW_OK) return status;
    out[0] = '\0';
    for (size_t i = 0; i < listing.n; i++) {
        if (i) strncat(out, " ", 2);
        strncat(out, listing.paths[i], 200);
    }
    mw_listing_done(&listing);
    return MW_OK;
}

static void assert_lists(const char *paths, const char *want) {
    mw_ctx ctx;
    mw_err err;
    char got[4000];
    mw_ctx_init(&ctx);
    assert_ok(list(&ctx, paths, got, &err));
    assert_string_equal(got, want);
}

static void assert_refused(const char *paths, mw_status code, const char *words) {
    mw_ctx ctx;
    mw_err err;
    char got[4000];
    mw_ctx_init(&ctx);
    assert_status(list(&ctx, paths, got, &err), code);
    if (!strstr(err.message, words)) fail_msg("\"%s\" lacks \"%s\"", err.message, words);
    assert_true(err.hint[0] != '\0');
}

MW_TEST(a_folder_stands_for_its_tables) {
    plant_tree();
    static const char want[] =
        "data/a.CSV data/b.csv data/c.tsv.gz data/d.txt.zst data/e.dat data/f.data "
        "data/k.csv.gz";
    assert_lists("data", want);
    assert_lists("data/", want);
    assert_refused("none", MW_EDATA, "holds no *.csv");
}

MW_TEST(files_stay_in_the_order_given) {
    plant_tree();
    assert_lists("data/k.csv.gz data/h.json data/b.csv", "data/k.csv.gz data/h.json data/b.csv");
    assert_lists("- data/b.csv", "- data/b.csv");
    assert_lists("missing.csv", "missing.csv"); /* opening it says so */
}

MW_TEST(patterns_are_matched) {
    plant_tree();
    assert_lists("data/*.csv", "data/b.csv");
    assert_lists("data/?.[a-d]*", "data/b.csv data/e.dat data/f.data data/g.csv.bz2 data/k.csv.gz");
    assert_lists("d*a/b.*", "data/b.csv");
    assert_lists("data/.*.csv", "data/.i.csv");
    assert_lists("data/*/*.csv", "data/deep/m.csv");
    assert_lists("./data/b.cs[v]", "./data/b.csv");
    assert_refused("data/*.xyz", MW_ENOTFOUND, "no file matches");
    assert_refused("nowhere/*.csv", MW_ENOTFOUND, "no file matches");
    assert_refused("data/[", MW_ENOTFOUND, "no file matches");
}

MW_TEST(two_stars_go_through_folders) {
    plant_tree();
    assert_lists("data/**/*.csv", "data/b.csv data/deep/er/n.csv data/deep/m.csv");
    assert_lists("**/n*", "data/deep/er/n.csv data/deep/er/n2.log");
    assert_lists("data/deep/**", "data/deep/er/n.csv data/deep/er/n2.log data/deep/m.csv");
    assert_lists("data/**/er/*.csv", "data/deep/er/n.csv");
    assert_int_equal(symlink("..", "data/deep/loop"), 0);
    assert_lists("data/**/m.csv", "data/deep/m.csv");
}

MW_TEST(a_name_that_exists_is_no_pattern) {
    plant_tree();
    assert_lists("odd/[1].csv", "odd/[1].csv");
    assert_lists("odd/q*.csv", "odd/q*.csv");
    assert_int_equal(unlink("odd/[1].csv"), 0);
    assert_lists("odd/[1].csv", "odd/1.csv");
}

MW_TEST(an_absolute_pattern_starts_at_the_root) {
    plant_tree();
    char pattern[700], want[700];
    snprintf(pattern, sizeof pattern, "%s/data/deep/*.csv", mw_test_folder());
    snprintf(want, sizeof want, "%s/data/deep/m.csv", mw_test_folder());
    assert_lists(pattern, want);
}

MW_TEST(a_file_counts_once_and_a_name_too) {
    plant_tree();
    assert_lists("data/b.csv data ./data/b.csv data/*.csv - -",
                 "data/b.csv data/a.CSV data/c.tsv.gz data/d.txt.zst data/e.dat data/f.data "
                 "data/k.csv.gz -");
    (void)put_text("data/deep/b.csv", "y");
    assert_refused("data/**/b.csv", MW_EINVAL, "two files are called b.csv");
    assert_refused("data/b.csv other/b.csv", MW_EINVAL, "data/b.csv and other/b.csv");
    assert_refused("gone/z.csv other/z.csv", MW_EINVAL, "two files are called z.csv");
    assert_lists("gone/z.csv gone/z.csv gone/z.csv", "gone/z.csv");
    assert_refused("gone/z.csv gone/z.csv other/z.csv", MW_EINVAL, "two files are called z.csv");
}

static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *err) {
    char got[4000];
    return list(ctx, arg, got, err);
}

MW_TEST(every_fault_is_survived) {
    plant_tree();
    char paths[] = "data data/**/*.csv data/b.csv odd/?.csv";
    assert_in_range(mw_fault_loop_alloc(scenario, paths), 20, 400);
}

MW_TEST_MAIN(MW_RUN(a_folder_stands_for_its_tables), MW_RUN(files_stay_in_the_order_given),
             MW_RUN(patterns_are_matched), MW_RUN(two_stars_go_through_folders),
             MW_RUN(a_name_that_exists_is_no_pattern),
             MW_RUN(an_absolute_pattern_starts_at_the_root),
             MW_RUN(a_file_counts_once_and_a_name_too), MW_RUN(every_fault_is_survived))
