/* conformance_changes.c -- the scenarios of conformance.h about who hears of changes: the counter, the version, word of writes. */
#include "unit/store/scene.h"

/* Another process hears of a change within moments. */
static uint64_t wait_for_change(mw_store *store, uint64_t before) {
    for (int i = 0; i < 2000 && mw_store_change_counter(store) == before; i++)
        mw_clock_sleep(&mw_clock_system, 1000);
    assert_true(mw_store_change_counter(store) != before);
    mw_clock_sleep(&mw_clock_system, 30000);
    return mw_store_change_counter(store);
}

void store_change_counter(void **state) {
    (void)state;
    scene s;
    begin(&s);
    mw_store *second = mw_conformance_open(&s.acme);
    mw_clock_sleep(&mw_clock_system, 30000);
    uint64_t own = mw_store_change_counter(s.store), seen = mw_store_change_counter(second);
    const char *id = create(&s, &s.acme, "k", 0);
    assert_true(mw_store_change_counter(s.store) != own);
    seen = wait_for_change(second, seen);
    claim(&s, id);
    seen = wait_for_change(second, seen);
    own = mw_store_change_counter(s.store);
    assert_ok(mw_store_ping(&s.acme, s.store, &err));
    assert_ok(mw_store_audit(&s.acme, s.store, "cli", "train", "{}", &err));
    assert_ok(renew(&s.acme, s.store, id, 1, SECOND, 0.5, "x", NULL, &err));
    int32_t n_expired = 9;
    assert_ok(mw_store_job_expire(&s.acme, s.store, "late", &n_expired, &err));
    assert_int_equal(n_expired, 0);
    mw_clock_sleep(&mw_clock_system, 30000);
    assert_true(mw_store_change_counter(s.store) == own);
    assert_true(mw_store_change_counter(second) == seen);
    assert_ok(mw_store_job_cancel(&s.acme, s.store, id, &err));
    (void)wait_for_change(second, seen);
    mw_store_close(second);
    end(&s);
}

static uint64_t version_of(mw_store *store) {
    uint64_t version;
    assert_true(mw_store_version(store, true, &version));
    return version;
}

void store_version(void **state) {
    (void)state;
    scene s;
    begin(&s);
    mw_store *second = mw_conformance_open(&s.acme);
    mw_clock_sleep(&mw_clock_system, 30000);
    uint64_t own = version_of(s.store), seen = version_of(second), now = 0;
    const char *id = create(&s, &s.acme, "k", 0);
    assert_true(version_of(s.store) != own); /* at once */
    for (int i = 0; i < 2000 && version_of(second) == seen; i++)
        mw_clock_sleep(&mw_clock_system, 1000);
    assert_true(version_of(second) != seen);
    mw_clock_sleep(&mw_clock_system, 2 * MW_STORE_VERSION_US);
    own = version_of(s.store); /* the database has told of it by now */
    claim(&s, id);
    assert_true(version_of(s.store) != own);
    mw_clock_sleep(&mw_clock_system, 2 * MW_STORE_VERSION_US);
    assert_false(mw_store_version(s.store, false, &now)); /* it would have to ask */
    own = version_of(s.store);
    assert_ok(renew(&s.acme, s.store, id, 1, SECOND, 0.5, "x", NULL, &err));
    mw_clock_sleep(&mw_clock_system, 2 * MW_STORE_VERSION_US);
    assert_int_equal(version_of(s.store), own); /* progress is no change */
    mw_store_close(second);
    end(&s);
}

static void count_write(void *arg) { ++*(_Atomic int *)arg; }

void store_tells_of_writes(void **state) {
    (void)state;
    scene s;
    _Atomic int n = 0;
    begin(&s);
    mw_store_on_write(s.store, count_write, &n);
    const char *id = create(&s, &s.acme, "k", 0);
    assert_int_equal(n, 1);
    claim(&s, id);
    assert_int_equal(n, 2);
    assert_ok(renew(&s.acme, s.store, id, 1, SECOND, 0.5, "x", NULL, &err));
    assert_int_equal(n, 3);
    (void)get(&s, &s.acme, id);
    assert_int_equal(n, 3); /* a read is none */
    assert_status(mw_store_job_cancel(&s.acme, s.store, "nothing", &err), MW_ENOTFOUND);
    assert_int_equal(n, 3); /* nor what was refused */
    mw_store_on_write(s.store, NULL, NULL);
    assert_ok(mw_store_ping(&s.acme, s.store, &err));
    assert_int_equal(n, 3);
    end(&s);
}
