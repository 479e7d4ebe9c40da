/* scene.h -- what the store's scenarios begin with: one store, two organizations, a clock set by hand. */
#ifndef MW_TESTS_UNIT_STORE_SCENE_H
#define MW_TESTS_UNIT_STORE_SCENE_H

#include "unit/store/conformance.h"

enum { SECOND = 1000000 };
static const int64_t START_US = INT64_C(1700000000000000);

/* One store, two organizations, one arena, one error. */
typedef struct scene {
    mw_hand_clock hand;
    mw_ctx acme, globex;
    mw_store *store;
    mw_arena arena;
} scene;

static mw_err err;

static inline void begin(scene *s) {
    mw_hand_clock_init(&s->hand, START_US);
    mw_ctx_init(&s->acme);
    s->acme.clock = &s->hand.clock;
    s->acme.org = "acme";
    s->globex = s->acme;
    s->globex.org = "globex";
    s->store = mw_conformance_open(&s->acme);
    mw_arena_init(&s->arena, NULL);
}

static inline void end(scene *s) {
    mw_arena_done(&s->arena);
    mw_store_close(s->store);
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

static inline mw_status create_job(const mw_ctx *ctx, mw_store *store, const char *kind,
                                   const char *payload, int32_t priority, int32_t max_attempts,
                                   bool exclusive, char *id_out, mw_err *error) {
    const mw_job_new job = {.kind = kind,
                            .payload = payload,
                            .priority = priority,
                            .max_attempts = max_attempts,
                            .exclusive = exclusive};
    return mw_store_job_create(ctx, store, &job, id_out, error);
}

static inline mw_status create_claimed(const mw_ctx *ctx, mw_store *store, const char *kind,
                                       const char *worker, int64_t lease_us, bool exclusive,
                                       char *id_out, mw_err *error) {
    const mw_job_new job = {.kind = kind,
                            .payload = "{}",
                            .worker = worker,
                            .lease_us = lease_us,
                            .exclusive = exclusive};
    return mw_store_job_create(ctx, store, &job, id_out, error);
}

static inline mw_status renew(const mw_ctx *ctx, mw_store *store, const char *id, int64_t fence,
                              int64_t lease_us, double progress, const char *message,
                              bool *canceled, mw_err *error) {
    const mw_job_renewal renewal = {
        .id = id, .fence = fence, .lease_us = lease_us, .progress = progress, .message = message};
    return mw_store_job_renew(ctx, store, &renewal, canceled, error);
}

static inline const char *create(scene *s, const mw_ctx *ctx, const char *kind, int32_t priority) {
    char *id = mw_arena_alloc(&s->arena, 32);
    assert_ok(create_job(ctx, s->store, kind, "{}", priority, 1, false, id, &err));
    return id;
}

static inline mw_job_record claim(scene *s, const char *id_or_null) {
    mw_job_record job;
    assert_ok(mw_store_job_claim(&s->acme, s->store, &s->arena, id_or_null, "w", 30 * SECOND, &job,
                                 &err));
    return job;
}

static inline mw_job_record get(scene *s, const mw_ctx *ctx, const char *id) {
    mw_job_record job;
    assert_ok(mw_store_job_get(ctx, s->store, &s->arena, id, &job, &err));
    return job;
}

#endif
