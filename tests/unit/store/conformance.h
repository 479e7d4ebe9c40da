/*
 * conformance.h -- what every store must pass.
 *
 * A test program hands in an opener and lists MW_STORE_CONFORMANCE among its tests. Every
 * scenario runs with two organizations, "acme" and "globex", and a clock that only the test moves.
 */
#ifndef MW_TESTS_UNIT_STORE_CONFORMANCE_H
#define MW_TESTS_UNIT_STORE_CONFORMANCE_H

#include "keep/store/store.h"
#include "support/harness.h"

/* Opens an empty store of this test process; called again, the same one a second time. */
typedef mw_store *(*mw_store_opener)(const mw_ctx *ctx);
extern mw_store_opener mw_conformance_open;

/* A clock that stands still until told otherwise. */
typedef struct mw_hand_clock {
    _Atomic int64_t now_us;
    mw_clock clock;
} mw_hand_clock;
void mw_hand_clock_init(mw_hand_clock *hand, int64_t now_us);

/* Something in every table; the clock of acme must stand. */
void mw_conformance_fill(const mw_ctx *acme, mw_store *store);

void store_organizations(void **state);
void store_configs(void **state);
void store_config_rivals(void **state);
void store_datasets(void **state);
void store_parts(void **state);
void store_job_life(void **state);
void store_job_exclusive(void **state);
void store_job_full_queue(void **state);
void store_job_order(void **state);
void store_job_fairness(void **state);
void store_job_fencing(void **state);
void store_job_retry(void **state);
void store_job_backs_off(void **state);
void store_job_clock_set_back(void **state);
void store_job_made_once(void **state);
void store_job_after(void **state);
void store_job_again(void **state);
void store_job_listing(void **state);
void store_job_log(void **state);
void store_job_cancel(void **state);
void store_job_scope(void **state);
void store_job_born_claimed(void **state);
void store_job_counts(void **state);
void store_job_copies(void **state);
void store_job_copies_at_home(void **state);
void store_job_claims_together(void **state);
void store_job_ends_together(void **state);
void store_versions(void **state);
void store_commit_whole(void **state);
void store_commit_refused(void **state);
void store_schedule_life(void **state);
void store_schedule_arguments(void **state);
void store_schedule_due(void **state);
void store_schedule_fires(void **state);
void store_schedule_once(void **state);
void store_leases(void **state);
void store_lease_rivals(void **state);
void store_change_counter(void **state);
void store_version(void **state);
void store_tells_of_writes(void **state);
void store_keys(void **state);
void store_key_counter(void **state);
void store_audit(void **state);
void store_bad_arguments(void **state);
void store_many_threads(void **state);
void store_two_handles(void **state);
void store_random_jobs(void **state);

#define MW_STORE_CONFORMANCE                                                                \
    MW_RUN(store_organizations), MW_RUN(store_configs), MW_RUN(store_config_rivals),        \
        MW_RUN(store_datasets), MW_RUN(store_parts), MW_RUN(store_job_life),                \
        MW_RUN(store_job_exclusive), MW_RUN(store_job_full_queue), MW_RUN(store_job_order), \
        MW_RUN(store_job_fairness), MW_RUN(store_job_fencing), MW_RUN(store_job_retry),     \
        MW_RUN(store_job_backs_off), MW_RUN(store_job_clock_set_back),                      \
        MW_RUN(store_job_made_once), MW_RUN(store_job_after), MW_RUN(store_job_again),      \
        MW_RUN(store_job_listing), MW_RUN(store_job_log), MW_RUN(store_job_cancel),         \
        MW_RUN(store_job_scope), MW_RUN(store_job_born_claimed), MW_RUN(store_job_counts),  \
        MW_RUN(store_job_copies), MW_RUN(store_job_copies_at_home),                         \
        MW_RUN(store_job_claims_together), MW_RUN(store_job_ends_together),                 \
        MW_RUN(store_versions), MW_RUN(store_commit_whole), MW_RUN(store_commit_refused),   \
        MW_RUN(store_change_counter), MW_RUN(store_version), MW_RUN(store_tells_of_writes), \
        MW_RUN(store_keys), MW_RUN(store_key_counter), MW_RUN(store_audit),                 \
        MW_RUN(store_bad_arguments), MW_RUN(store_schedule_life),                           \
        MW_RUN(store_schedule_arguments), MW_RUN(store_schedule_due),                       \
        MW_RUN(store_schedule_fires), MW_RUN(store_schedule_once), MW_RUN(store_leases),    \
        MW_RUN(store_lease_rivals), MW_RUN(store_many_threads), MW_RUN(store_two_handles),  \
        MW_RUN(store_random_jobs)

#endif
