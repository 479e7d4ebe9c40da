/* conformance_settings.c -- the scenarios of conformance.h on what people set: configurations and who may follow one, API keys. */
#include <pthread.h>
#include <stdio.h>

#include "unit/store/scene.h"

void store_configs(void **state) {
    (void)state;
    scene s;
    begin(&s);
    int32_t version = 0;
    mw_config_record config;
    assert_status(mw_store_config(&s.acme, s.store, &s.arena, 0, &config, &err), MW_ENOTFOUND);
    assert_true(err.hint[0]);
    assert_ok(
        mw_store_config_put(&s.acme, s.store, MW_CONFIG_ANY, "{\"a\":1}", "h1", &version, &err));
    assert_int_equal(version, 1);
    const uint64_t before = mw_store_change_counter(s.store);
    assert_ok(
        mw_store_config_put(&s.acme, s.store, MW_CONFIG_ANY, "{\"a\":2}", "h2", &version, &err));
    assert_int_equal(version, 2);
    assert_true(mw_store_change_counter(s.store) != before);
    assert_ok(
        mw_store_config_put(&s.acme, s.store, MW_CONFIG_ANY, "{\"a\":2}", "h2", &version, &err));
    assert_int_equal(version, 2); /* the same once more */
    assert_ok(
        mw_store_config_put(&s.acme, s.store, MW_CONFIG_ANY, "{\"a\":1}", "h1", &version, &err));
    assert_int_equal(version, 3); /* back again */
    assert_ok(
        mw_store_config_put(&s.globex, s.store, MW_CONFIG_ANY, "{\"b\":1}", "h3", &version, &err));
    assert_int_equal(version, 1);
    assert_ok(mw_store_config(&s.acme, s.store, &s.arena, 0, &config, &err));
    assert_int_equal(config.version, 3);
    assert_string_equal(config.config, "{\"a\":1}");
    assert_string_equal(config.hash, "h1");
    assert_true(config.created_us > 0);
    assert_ok(mw_store_config(&s.acme, s.store, &s.arena, 2, &config, &err));
    assert_string_equal(config.config, "{\"a\":2}");
    assert_ok(mw_store_config(&s.globex, s.store, &s.arena, 0, &config, &err));
    assert_string_equal(config.config, "{\"b\":1}");
    assert_status(mw_store_config(&s.globex, s.store, &s.arena, 2, &config, &err), MW_ENOTFOUND);
    assert_status(mw_store_config_put(&s.acme, s.store, MW_CONFIG_ANY, NULL, "h", &version, &err),
                  MW_EINVAL);
    end(&s);
}

enum { RIVALS = 4, ROUNDS = 25 };

typedef struct config_rival {
    const scene *scene;
    mw_store *store; /* a handle of its own, as another server has */
    pthread_barrier_t *gate;
    int number, n_won, n_wrong;
} config_rival;

/* Each round all have read the same version, and one of them may follow it. */
static void *config_rival_main(void *arg) {
    config_rival *r = arg;
    for (int32_t round = 0; round < ROUNDS; round++) {
        char text[64];
        int32_t version = 0;
        mw_err local;
        (void)snprintf(text, sizeof text, "{\"round\":%d,\"rival\":%d}", (int)round, r->number);
        pthread_barrier_wait(r->gate);
        const mw_status status =
            mw_store_config_put(&r->scene->acme, r->store, round, text, "h", &version, &local);
        r->n_won += status == MW_OK;
        r->n_wrong += status == MW_OK ? version != round + 1 : status != MW_ECHANGED;
        pthread_barrier_wait(r->gate);
    }
    return NULL;
}

void store_config_rivals(void **state) {
    (void)state;
    scene s;
    pthread_t threads[RIVALS];
    pthread_barrier_t gate;
    config_rival rivals[RIVALS];
    mw_config_record config;
    int32_t version = 9;
    int n_won = 0, n_wrong = 0;
    begin(&s);
    assert_status(mw_store_config_put(&s.acme, s.store, 1, "{}", "h", &version, &err), MW_ECHANGED);
    assert_int_equal(version, 9);
    pthread_barrier_init(&gate, NULL, RIVALS);
    for (int i = 0; i < RIVALS; i++) {
        rivals[i] = (config_rival){
            .scene = &s, .store = mw_conformance_open(&s.acme), .gate = &gate, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, config_rival_main, &rivals[i]), 0);
    }
    for (int i = 0; i < RIVALS; i++) {
        pthread_join(threads[i], NULL);
        mw_store_close(rivals[i].store);
        n_won += rivals[i].n_won;
        n_wrong += rivals[i].n_wrong;
    }
    pthread_barrier_destroy(&gate);
    assert_int_equal(n_wrong, 0);
    assert_int_equal(n_won, ROUNDS);
    assert_ok(mw_store_config(&s.acme, s.store, &s.arena, 0, &config, &err));
    assert_int_equal(config.version, ROUNDS);
    /* Nor does what is there already count as looked at. */
    assert_status(mw_store_config_put(&s.acme, s.store, 0, config.config, "h", &version, &err),
                  MW_ECHANGED);
    end(&s);
}

static int64_t key_counter(scene *s) {
    int64_t n = -1;
    assert_ok(mw_store_key_counter(&s->acme, s->store, &n, &err));
    return n;
}

/* Another number once keys have changed, and only then. */
void store_key_counter(void **state) {
    (void)state;
    scene s;
    begin(&s);
    mw_key_record key = {.id = "k1", .org = "acme", .name = "a", .role = "viewer", .hash = "00"};
    int64_t seen = key_counter(&s), now;
    mw_store *second = mw_conformance_open(&s.acme);
    assert_ok(mw_store_key_create(&s.acme, second, &key, &err));
    assert_true((now = key_counter(&s)) != seen);
    seen = now;
    (void)claim(&s, create(&s, &s.acme, "k", 0));
    assert_ok(mw_store_key_used(&s.acme, second, "k1", START_US, &err));
    assert_status(mw_store_key_revoke(&s.acme, second, "globex", "k1", &err), MW_ENOTFOUND);
    key.role = "king";
    key.id = "k2";
    assert_status(mw_store_key_create(&s.acme, second, &key, &err), MW_ECONFLICT);
    assert_true(key_counter(&s) == seen);
    assert_ok(mw_store_key_revoke(&s.acme, second, NULL, "k1", &err));
    assert_true(key_counter(&s) != seen);
    mw_store_close(second);
    end(&s);
}

void store_keys(void **state) {
    (void)state;
    scene s;
    begin(&s);
    mw_key_record key = {.id = "k1",
                         .org = "acme",
                         .name = "the line's gateway",
                         .role = "operator",
                         .hash = "00ff",
                         .expires_us = START_US + SECOND};
    assert_ok(mw_store_key_create(&s.acme, s.store, &key, &err));
    assert_status(mw_store_key_create(&s.acme, s.store, &key, &err), MW_ECONFLICT);
    key.id = "k2";
    key.org = "*";
    key.role = "admin";
    assert_ok(mw_store_key_create(&s.acme, s.store, &key, &err));
    key.id = "k3";
    key.org = "a b";
    assert_status(mw_store_key_create(&s.acme, s.store, &key, &err), MW_EINVAL);
    key.org = "acme";
    key.role = "king";
    assert_status(mw_store_key_create(&s.acme, s.store, &key, &err), MW_ECONFLICT);
    const mw_key_record *keys;
    size_t n;
    assert_ok(mw_store_key_list(&s.acme, s.store, &s.arena, "acme", &keys, &n, &err));
    assert_int_equal(n, 1);
    assert_string_equal(keys[0].name, "the line's gateway");
    assert_string_equal(keys[0].hash, "00ff");
    assert_int_equal(keys[0].created_us, START_US);
    assert_int_equal(keys[0].expires_us, START_US + SECOND);
    assert_int_equal(keys[0].revoked_us, 0);
    assert_ok(mw_store_key_list(&s.acme, s.store, &s.arena, NULL, &keys, &n, &err));
    assert_int_equal(n, 2);
    s.hand.now_us += SECOND;
    assert_status(mw_store_key_revoke(&s.acme, s.store, "globex", "k1", &err), MW_ENOTFOUND);
    assert_ok(mw_store_key_revoke(&s.acme, s.store, "acme", "k1", &err));
    assert_ok(mw_store_key_used(&s.acme, s.store, "k1", START_US + 7, &err));
    assert_ok(mw_store_key_used(&s.acme, s.store, "k1", START_US, &err));
    s.hand.now_us += SECOND;
    assert_ok(mw_store_key_revoke(&s.acme, s.store, NULL, "k1", &err)); /* the first time counts */
    assert_ok(mw_store_key_list(&s.acme, s.store, &s.arena, "acme", &keys, &n, &err));
    assert_int_equal(keys[0].revoked_us, START_US + SECOND);
    assert_int_equal(keys[0].last_used_us, START_US + 7);
    end(&s);
}
