/*
 * live_scene.h -- two organizations whose rows come as requests, and what is known of them from the definitions.
 *
 * Use       begin(&s, &options); send_some(&s, 10); check(&s); restart(&s); check_stored(&s); end(&s)
 * Model     rows that were acknowledged go into a stream of their own, in that order: the features of each device, and the rows that are stored,
 *           must be those.
 */
#ifndef MW_TESTS_UNIT_LIVE_LIVE_SCENE_H
#define MW_TESTS_UNIT_LIVE_LIVE_SCENE_H

#include "core/base/rng.h"
#include "learn/feature/stream.h"
#include "run/live/telemetry.h"
#include "support/fake_clock.h"

enum { ORGS = 2, DEVICES = 3, INPUTS = 2, MOST_ROWS = 30000, OUTPUTS = 64, REQUEST_ROWS = 60 };

extern const char *const live_orgs[ORGS];
extern const char *const live_devices[DEVICES];
extern const char live_late[], live_plain[], live_other[]; /* schemas of configurations */

typedef struct row {
    int64_t time;
    int32_t device;
    double values[INPUTS];
    int product; /* 0: none, or its text is "p" and this */
} row;

/* Of an organization: the rows that are used, in the order in which they came, and what they make. */
typedef struct model {
    const char *time_column;
    mw_feature_config config;
    mw_stream *stream;
    row *rows; /* [MOST_ROWS] */
    int n, version;
    int64_t clock;
} model;

typedef struct scene {
    mw_ctx ctx;
    mw_fake_clock clock;
    mw_dir *data;
    mw_store *store;
    mw_telemetry *telemetry;
    mw_telemetry_options options;
    model orgs[ORGS];
    mw_rng rng;
} scene;

typedef struct request {
    row rows[REQUEST_ROWS];
    int n, n_unusable;
    mw_buf body;
} request;

int live_roll(scene *s, int n); /* 0 .. n - 1 */
mw_ctx live_ctx(const scene *s, int org);

void live_begin(scene *s, const mw_telemetry_options *options);
void live_end(scene *s);
mw_status live_start(scene *s, const mw_ctx *ctx, mw_err *err); /* ctx but its clock */
void live_stop(scene *s);
void live_restart(scene *s);
/* Another configuration of an organization. */
void live_configure(scene *s, int org, const char *schema);

/* A request of some rows, among them late, repeated and unusable ones; what is acknowledged is the model's, too. */
mw_status live_send(scene *s, int org, request *r, mw_err *err);
void live_send_some(scene *s, int n);
/* A request that came through, though its answer was lost. */
void live_accept(scene *s, int org, request *r);

bool live_is_right(scene *s, int org); /* features of all devices */
void live_check(scene *s);
void live_check_history(scene *s, int org);
void live_check_stored(scene *s); /* all goes into segments, which are read */

#endif
