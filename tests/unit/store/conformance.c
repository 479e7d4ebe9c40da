/* conformance.c -- the scenarios of conformance.h: organizations, datasets, versions, commits, threads. */
#include "unit/store/conformance.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "unit/store/scene.h"

mw_store_opener mw_conformance_open;

static int64_t hand_now(void *self) { return ((mw_hand_clock *)self)->now_us; }
static void hand_sleep(void *self, int64_t duration_us) {
    ((mw_hand_clock *)self)->now_us += duration_us;
}

void mw_hand_clock_init(mw_hand_clock *hand, int64_t now_us) {
    hand->now_us = now_us;
    hand->clock = (mw_clock){hand_now, hand_now, hand_sleep, hand};
}

void store_organizations(void **state) {
    (void)state;
    scene s;
    begin(&s);
    bool exists = true;
    const char *const *names;
    size_t n = 9;
    assert_ok(mw_store_org_list(&s.acme, s.store, &s.arena, &names, &n, &err));
    assert_int_equal(n, 0);
    assert_ok(mw_store_org_exists(&s.acme, s.store, "acme", &exists, &err));
    assert_false(exists);
    assert_ok(mw_store_org_ensure(&s.acme, s.store, "globex", &err));
    assert_ok(mw_store_org_ensure(&s.acme, s.store, "acme", &err));
    assert_ok(mw_store_org_ensure(&s.acme, s.store, "acme", &err));
    assert_ok(mw_store_org_exists(&s.acme, s.store, "acme", &exists, &err));
    assert_true(exists);
    assert_ok(mw_store_org_list(&s.acme, s.store, &s.arena, &names, &n, &err));
    assert_int_equal(n, 2);
    assert_string_equal(names[0], "acme");
    assert_string_equal(names[1], "globex");
    assert_ok(mw_store_ping(&s.acme, s.store, &err));
    end(&s);
}

static mw_segment_record segment(const char *source, const char *file, int64_t first_us) {
    return (mw_segment_record){.source = source,
                               .content_hash = "abc",
                               .file = file,
                               .layout = "long",
                               .bytes = 1,
                               .n_lines = 2,
                               .n_rows = 3,
                               .n_rejected = 4,
                               .n_collisions = 5,
                               .first_us = first_us,
                               .last_us = first_us + 10};
}

static void put(scene *s, const mw_ctx *ctx, const char *dataset, mw_segment_record one) {
    mw_commit commit = {.dataset = dataset, .segments = &one, .n_segments = 1};
    assert_ok(mw_store_commit(ctx, s->store, &commit, &err));
}

void store_datasets(void **state) {
    (void)state;
    scene s;
    begin(&s);
    const mw_segment_record *segments;
    const char *const *names;
    size_t n;
    assert_status(mw_store_segments(&s.acme, s.store, &s.arena, "main", &segments, &n, &err),
                  MW_ENOTFOUND);
    put(&s, &s.acme, "main", segment("b.csv", "2.arrow", 100));
    put(&s, &s.acme, "main", segment("a.csv", "1.arrow", 200));
    put(&s, &s.acme, "main", segment("c.csv", "3.arrow", 100));
    mw_segment_record full = segment("a.csv", "9.arrow", 50);
    full.rejects = "9.rejects";
    put(&s, &s.globex, "main", full);
    put(&s, &s.globex, "other", full);

    assert_ok(mw_store_segments(&s.acme, s.store, &s.arena, "main", &segments, &n, &err));
    assert_int_equal(n, 3);
    assert_string_equal(segments[0].source, "b.csv");
    assert_string_equal(segments[1].source, "c.csv");
    assert_string_equal(segments[2].source, "a.csv");
    assert_null(segments[0].rejects);
    assert_int_equal(segments[0].added_us, START_US);

    put(&s, &s.acme, "main",
        segment("b.csv", "4.arrow", 300)); /* replaces the one of the same source */
    assert_ok(mw_store_segments(&s.acme, s.store, &s.arena, "main", &segments, &n, &err));
    assert_int_equal(n, 3);
    assert_string_equal(segments[2].source, "b.csv");
    assert_string_equal(segments[2].file, "4.arrow");

    assert_ok(mw_store_segments(&s.globex, s.store, &s.arena, "main", &segments, &n, &err));
    assert_int_equal(n, 1);
    assert_string_equal(segments[0].dataset, "main");
    assert_string_equal(segments[0].content_hash, "abc");
    assert_string_equal(segments[0].rejects, "9.rejects");
    assert_string_equal(segments[0].layout, "long");
    assert_int_equal(segments[0].bytes, 1);
    assert_int_equal(segments[0].n_lines, 2);
    assert_int_equal(segments[0].n_rows, 3);
    assert_int_equal(segments[0].n_rejected, 4);
    assert_int_equal(segments[0].n_collisions, 5);
    assert_int_equal(segments[0].first_us, 50);
    assert_int_equal(segments[0].last_us, 60);
    assert_ok(mw_store_dataset_list(&s.globex, s.store, &s.arena, &names, &n, &err));
    assert_int_equal(n, 2);
    assert_string_equal(names[1], "other");
    assert_ok(mw_store_dataset_list(&s.acme, s.store, &s.arena, &names, &n, &err));
    assert_int_equal(n, 1);

    mw_commit empty = {.dataset = "empty"}; /* a dataset may exist without segments */
    assert_ok(mw_store_commit(&s.acme, s.store, &empty, &err));
    assert_ok(mw_store_segments(&s.acme, s.store, &s.arena, "empty", &segments, &n, &err));
    assert_int_equal(n, 0);
    end(&s);
}

static mw_segment_record part(const char *source, int32_t number, const char *file,
                              int64_t first_us) {
    mw_segment_record one = segment(source, file, first_us);
    one.part = number;
    return one;
}

void store_parts(void **state) {
    (void)state;
    scene s;
    begin(&s);
    const mw_segment_record *segments;
    size_t n;
    mw_segment_record first[] = {part("a", 1, "2", 0), part("a", 0, "1", 0), part("b", 0, "3", 0),
                                 part("a", 2, "4", 70)};
    first[1].quality = "q";
    first[1].n_duplicates = 8;
    first[1].n_late = 9;
    mw_commit commit = {.dataset = "main", .segments = first, .n_segments = 4};
    assert_ok(mw_store_commit(&s.acme, s.store, &commit, &err));
    assert_ok(mw_store_segments(&s.acme, s.store, &s.arena, "main", &segments, &n, &err));
    assert_int_equal(n, 4);
    static const char *const files[] = {"1", "2", "3", "4"};
    static const int32_t parts[] = {0, 1, 0, 2};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(segments[i].file, files[i]);
        assert_int_equal(segments[i].part, parts[i]);
        assert_int_equal(segments[i].n_duplicates, i == 0 ? 8 : 0);
        assert_int_equal(segments[i].n_late, i == 0 ? 9 : 0);
    }
    assert_string_equal(segments[0].quality, "q");
    assert_null(segments[1].quality);

    /* Two parts in the place of three; a file may go from one part to another, b is left alone. */
    mw_segment_record second[] = {part("a", 0, "4", 5), part("a", 1, "5", 6)};
    commit.segments = second;
    commit.n_segments = 2;
    assert_ok(mw_store_commit(&s.acme, s.store, &commit, &err));
    assert_ok(mw_store_segments(&s.acme, s.store, &s.arena, "main", &segments, &n, &err));
    assert_int_equal(n, 3);
    assert_string_equal(segments[0].source, "b");
    assert_string_equal(segments[1].file, "4");
    assert_string_equal(segments[2].file, "5");

    second[1].part = 0; /* the same part twice */
    assert_status(mw_store_commit(&s.acme, s.store, &commit, &err), MW_ECONFLICT);
    second[1].part = 1;
    second[1].file = "4"; /* the same file twice */
    assert_status(mw_store_commit(&s.acme, s.store, &commit, &err), MW_ECONFLICT);
    second[1].file = "3"; /* the file of another source */
    assert_status(mw_store_commit(&s.acme, s.store, &commit, &err), MW_ECONFLICT);
    second[1].part = -1;
    assert_status(mw_store_commit(&s.acme, s.store, &commit, &err), MW_EINVAL);
    assert_ok(mw_store_segments(&s.acme, s.store, &s.arena, "main", &segments, &n, &err));
    assert_int_equal(n, 3);
    end(&s);
}

static mw_version_record version(const char *model, const char *run, bool production) {
    return (mw_version_record){.model = model,
                               .run_id = run,
                               .folder = run,
                               .sha256 = "s",
                               .metrics = "{\"rmse\":1}",
                               .params = "{}",
                               .data_hash = "d",
                               .production = production};
}

void store_versions(void **state) {
    (void)state;
    scene s;
    begin(&s);
    mw_version_record found;
    const mw_version_record *all;
    size_t n;
    assert_status(mw_store_production(&s.acme, s.store, &s.arena, "baseline", &found, &err),
                  MW_ENOTFOUND);
    mw_version_record two[] = {version("baseline", "r1", true), version("anomaly", "r2", true)};
    two[1].folder = NULL;
    int32_t numbers[2] = {0};
    mw_commit commit = {.versions = two, .n_versions = 2, .ret_versions = numbers};
    assert_ok(mw_store_commit(&s.acme, s.store, &commit, &err));
    assert_int_equal(numbers[0], 1);
    assert_int_equal(numbers[1], 1);
    assert_ok(mw_store_commit(&s.globex, s.store, &commit, &err));
    assert_int_equal(numbers[0], 1);
    s.hand.now_us += SECOND;
    two[1].production = false;
    assert_ok(mw_store_commit(&s.acme, s.store, &commit, &err));
    assert_int_equal(numbers[1], 2);

    assert_ok(mw_store_versions(&s.acme, s.store, &s.arena, NULL, &all, &n, &err));
    assert_int_equal(n, 4);
    assert_string_equal(all[0].model, "anomaly");
    assert_int_equal(all[0].version, 2);
    assert_string_equal(all[0].folder, "2");
    assert_false(all[0].production);
    assert_true(all[1].production);
    assert_int_equal(all[2].version, 2);
    assert_true(all[2].production);
    assert_false(all[3].production);
    assert_ok(mw_store_versions(&s.acme, s.store, &s.arena, "baseline", &all, &n, &err));
    assert_int_equal(n, 2);
    assert_ok(mw_store_production(&s.acme, s.store, &s.arena, "baseline", &found, &err));
    assert_int_equal(found.version, 2);
    assert_int_equal(found.created_us, START_US + SECOND);
    assert_string_equal(found.run_id, "r1");
    assert_string_equal(found.metrics, "{\"rmse\":1}");
    assert_null(found.job_id);
    assert_ok(mw_store_production(&s.acme, s.store, &s.arena, "anomaly", &found, &err));
    assert_int_equal(found.version, 1);
    assert_ok(mw_store_production(&s.globex, s.store, &s.arena, "anomaly", &found, &err));
    assert_int_equal(found.version, 1);
    /* Twice the same model in one commit: consecutive numbers, the last one is in production. */
    mw_version_record same[] = {version("baseline", "a", true), version("baseline", "b", true)};
    commit = (mw_commit){.versions = same, .n_versions = 2, .ret_versions = numbers};
    assert_ok(mw_store_commit(&s.acme, s.store, &commit, &err));
    assert_int_equal(numbers[0], 3);
    assert_int_equal(numbers[1], 4);
    assert_ok(mw_store_production(&s.acme, s.store, &s.arena, "baseline", &found, &err));
    assert_int_equal(found.version, 4);
    end(&s);
}

void store_commit_whole(void **state) {
    (void)state;
    scene s;
    begin(&s);
    const char *id = create(&s, &s.acme, "train", 0);
    claim(&s, id);
    mw_segment_record segments[] = {segment("a", "1", 0), segment("b", "2", 1)};
    mw_version_record one = version("baseline", "r", true);
    int32_t number = 0;
    mw_commit commit = {.job_id = id,
                        .fence = 1,
                        .result = "[1]",
                        .dataset = "main",
                        .segments = segments,
                        .n_segments = 2,
                        .versions = &one,
                        .n_versions = 1,
                        .ret_versions = &number};
    assert_ok(mw_store_commit(&s.acme, s.store, &commit, &err));
    assert_int_equal(number, 1);
    mw_job_record job = get(&s, &s.acme, id);
    assert_int_equal(job.state, MW_JOB_SUCCESS);
    assert_string_equal(job.result, "[1]");
    mw_version_record found;
    assert_ok(mw_store_production(&s.acme, s.store, &s.arena, "baseline", &found, &err));
    assert_string_equal(found.job_id, id); /* filled in from the commit */
    end(&s);
}

/* Each part of a commit that cannot be done takes all others with it. */
void store_commit_refused(void **state) {
    (void)state;
    scene s;
    begin(&s);
    put(&s, &s.acme, "main", segment("a", "1", 0));
    const char *id = create(&s, &s.acme, "train", 0);
    claim(&s, id);
    mw_segment_record clash[] = {segment("b", "2", 0), segment("c", "1", 0)}; /* "1" is a's file */
    mw_version_record one = version("baseline", "r", true);
    int32_t number = 77;
    mw_commit commit = {.job_id = id,
                        .fence = 1,
                        .result = "[1]",
                        .dataset = "main",
                        .segments = clash,
                        .n_segments = 2,
                        .versions = &one,
                        .n_versions = 1,
                        .ret_versions = &number};
    assert_status(mw_store_commit(&s.acme, s.store, &commit, &err), MW_ECONFLICT);
    assert_int_equal(number, 77);
    one.model = "no such/name";
    clash[1].file = "3";
    assert_status(mw_store_commit(&s.acme, s.store, &commit, &err), MW_EINVAL);
    one.model = "baseline";
    one.metrics = NULL;
    assert_status(mw_store_commit(&s.acme, s.store, &commit, &err), MW_EINVAL);
    one.metrics = "{}";
    commit.fence = 0;
    assert_status(mw_store_commit(&s.acme, s.store, &commit, &err), MW_ECONFLICT);
    const mw_segment_record *segments;
    const mw_version_record *versions;
    size_t n;
    assert_ok(mw_store_segments(&s.acme, s.store, &s.arena, "main", &segments, &n, &err));
    assert_int_equal(n, 1);
    assert_ok(mw_store_versions(&s.acme, s.store, &s.arena, NULL, &versions, &n, &err));
    assert_int_equal(n, 0);
    assert_int_equal(get(&s, &s.acme, id).state, MW_JOB_STARTED);
    end(&s);
}

void mw_conformance_fill(const mw_ctx *acme, mw_store *store) {
    mw_ctx globex = *acme;
    globex.org = "globex";
    char a[32], b[32];
    int32_t version;
    mw_arena arena;
    mw_job_record job;
    mw_arena_init(&arena, NULL);
    assert_ok(mw_store_config_put(acme, store, MW_CONFIG_ANY, "{\"\u00e4\":\"\\n\"}", "h", &version,
                                  &err));
    assert_ok(create_job(acme, store, "train", "{\"text\":\"it's \u20ac\"}", -3, 4, true, a, &err));
    const char *after[] = {a};
    const mw_job_new waits = {.kind = "k", .payload = "{}", .after = after, .n_after = 1};
    assert_ok(mw_store_job_create(acme, store, &waits, b, &err));
    assert_ok(mw_store_job_claim(acme, store, &arena, a, "w", SECOND, &job, &err));
    const mw_job_renewal renewal = {.id = a,
                                    .fence = 1,
                                    .lease_us = SECOND,
                                    .progress = 1.0 / 3,
                                    .message = "half",
                                    .log = "line\n",
                                    .n_log_lines = 1};
    assert_ok(mw_store_job_renew(acme, store, &renewal, NULL, &err));
    const mw_segment_record segment = {.source = "a b.csv",
                                       .content_hash = "c",
                                       .file = "x.arrow",
                                       .layout = "wide",
                                       .n_rows = INT64_C(5000000000),
                                       .first_us = -7};
    const mw_version_record models[] = {{.model = "m",
                                         .run_id = "r",
                                         .sha256 = "s",
                                         .metrics = "{}",
                                         .params = "{}",
                                         .data_hash = "d"},
                                        {.model = "m",
                                         .run_id = "r",
                                         .sha256 = "s",
                                         .metrics = "{}",
                                         .params = "{}",
                                         .data_hash = "d",
                                         .production = true}};
    const mw_commit commit = {.job_id = a,
                              .fence = 1,
                              .result = "{}",
                              .dataset = "main",
                              .segments = &segment,
                              .n_segments = 1,
                              .versions = models,
                              .n_versions = 2};
    assert_ok(mw_store_commit(acme, store, &commit, &err));
    for (int i = 0; i < 1200; i++) /* more than goes over at a time */
        assert_ok(mw_store_audit(i % 2 ? acme : &globex, store, "cli", "train", "{}", &err));
    assert_ok(mw_store_org_ensure(&globex, store, "globex", &err));
    const mw_schedule_record schedule = {.name = "nightly",
                                         .cron = "0 2 * * *",
                                         .zone = "Europe/Berlin",
                                         .kind = "k",
                                         .payload = "{}",
                                         .next_us = START_US + SECOND};
    assert_ok(mw_store_schedule_put(acme, store, &schedule, b, &err));
    const mw_key_record key = {
        .id = "k1", .org = "*", .name = "all", .role = "admin", .hash = "00"};
    assert_ok(mw_store_key_create(acme, store, &key, &err));
    mw_arena_done(&arena);
}

void store_audit(void **state) {
    (void)state;
    scene s;
    begin(&s);
    for (int i = 0; i < 5; i++) {
        char action[16];
        (void)snprintf(action, sizeof action, "act %d", i);
        assert_ok(mw_store_audit(i == 2 ? &s.globex : &s.acme, s.store, "key:k1", action,
                                 "{\"a\":1}", &err));
    }
    const mw_audit_record *entries;
    size_t n;
    assert_ok(mw_store_audit_list(&s.acme, s.store, &s.arena, 0, 2, &entries, &n, &err));
    assert_int_equal(n, 2);
    assert_string_equal(entries[0].action, "act 4");
    assert_string_equal(entries[1].action, "act 3");
    assert_string_equal(entries[1].principal, "key:k1");
    assert_string_equal(entries[1].detail, "{\"a\":1}");
    assert_ok(
        mw_store_audit_list(&s.acme, s.store, &s.arena, entries[1].seq, 9, &entries, &n, &err));
    assert_int_equal(n, 2);
    assert_string_equal(entries[0].action, "act 1");
    end(&s);
}

void store_bad_arguments(void **state) {
    (void)state;
    scene s;
    begin(&s);
    char id[32] = "untouched";
    mw_ctx bad = s.acme;
    bad.org = "../etc";
    const mw_job_record *jobs;
    size_t n;
    assert_status(mw_store_org_ensure(&s.acme, s.store, "a b", &err), MW_EINVAL);
    assert_status(create_job(&bad, s.store, "k", "{}", 0, 1, false, id, &err), MW_EINVAL);
    assert_status(create_job(&s.acme, s.store, "k/x", "{}", 0, 1, false, id, &err), MW_EINVAL);
    assert_status(create_job(&s.acme, s.store, "k", NULL, 0, 1, false, id, &err), MW_EINVAL);
    assert_status(create_job(&s.acme, s.store, "k", "{}", 0, -1, false, id, &err), MW_EINVAL);
    assert_string_equal(id, "untouched");
    assert_status(mw_store_job_list(&s.acme, s.store, &s.arena, &(mw_job_filter){.limit = 0}, &jobs,
                                    &n, &err),
                  MW_EINVAL);
    assert_status(mw_store_audit(&s.acme, s.store, "cli", NULL, "{}", &err), MW_EINVAL);
    mw_segment_record one = segment("a", "1", 0);
    mw_commit commit = {.segments = &one, .n_segments = 1};
    assert_status(mw_store_commit(&s.acme, s.store, &commit, &err), MW_EINVAL);
    commit.dataset = "a/b";
    assert_status(mw_store_commit(&s.acme, s.store, &commit, &err), MW_EINVAL);
    bool exists = true;
    assert_ok(mw_store_org_exists(&s.acme, s.store, "x'; DROP TABLE orgs; --", &exists, &err));
    assert_false(exists);
    create(&s, &s.acme, "k", 0);
    const char *job = claim(&s, NULL).id;
    assert_ok(renew(&s.acme, s.store, job, 1, SECOND, 0.0 / 0.0, NULL, NULL, &err));
    assert_true(get(&s, &s.acme, job).progress == 0);
    end(&s);
}

enum { N_THREADS = 8, N_ROUNDS = 25 };

typedef struct crowd {
    scene *scene;
    int number;
    int n_conflicts, n_versions, n_wrong;
} crowd;

/* Creates, claims and commits; some of its requests are refused on purpose beside others' good
 * ones. */
static void *crowd_main(void *arg) {
    crowd *c = arg;
    mw_ctx ctx = c->number % 2 ? c->scene->acme : c->scene->globex;
    mw_err local;
    for (int i = 0; i < N_ROUNDS; i++) {
        mw_version_record one = version("baseline", "r", true);
        int32_t number = 0;
        mw_commit bad = {.job_id = "nope", .versions = &one, .n_versions = 1};
        mw_commit good = {.versions = &one, .n_versions = 1, .ret_versions = &number};
        char id[32];
        if (mw_store_commit(&ctx, c->scene->store, &bad, &local) != MW_ENOTFOUND) c->n_wrong++;
        if (mw_store_commit(&ctx, c->scene->store, &good, &local) != MW_OK) c->n_wrong++;
        if (number > 0) c->n_versions++;
        mw_status status = create_job(&ctx, c->scene->store, "train", "{}", 0, 1, true, id, &local);
        if (status == MW_ECONFLICT)
            c->n_conflicts++;
        else if (status != MW_OK)
            c->n_wrong++;
    }
    return NULL;
}

void store_many_threads(void **state) {
    (void)state;
    scene s;
    begin(&s);
    crowd crowds[N_THREADS];
    pthread_t threads[N_THREADS];
    for (int i = 0; i < N_THREADS; i++) {
        crowds[i] = (crowd){.scene = &s, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_main, &crowds[i]), 0);
    }
    int n_conflicts = 0;
    for (int i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(crowds[i].n_wrong, 0);
        assert_int_equal(crowds[i].n_versions, N_ROUNDS);
        n_conflicts += crowds[i].n_conflicts;
    }
    assert_int_equal(n_conflicts, N_THREADS * N_ROUNDS - 2); /* one exclusive job an organization */
    const mw_version_record *versions;
    size_t n;
    const mw_ctx *both[] = {&s.acme, &s.globex};
    for (int o = 0; o < 2; o++) {
        assert_ok(mw_store_versions(both[o], s.store, &s.arena, "baseline", &versions, &n, &err));
        assert_int_equal(n, N_THREADS / 2 * N_ROUNDS);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(versions[i].version, n - i);
            assert_int_equal(versions[i].production, i == 0);
        }
    }
    end(&s);
}

/* Two handles as two processes would hold them: each job is claimed exactly once. */
void store_two_handles(void **state) {
    (void)state;
    scene s;
    begin(&s);
    mw_store *second = mw_conformance_open(&s.acme);
    for (int i = 0; i < 20; i++) create(&s, i % 2 ? &s.acme : &s.globex, "k", 0);
    int n = 0;
    for (;; n++) {
        mw_job_record job;
        mw_store *turn = n % 2 ? second : s.store;
        mw_status status =
            mw_store_job_claim(&s.acme, turn, &s.arena, NULL, "w", SECOND, &job, &err);
        if (status == MW_ENOTFOUND) break;
        assert_int_equal(status, MW_OK);
        assert_int_equal(job.attempts, 1);
    }
    assert_int_equal(n, 20);
    mw_store_close(second);
    end(&s);
}
