/*
 * small_plant.h -- the whole program below a test's folder, with a few rows of telemetry.
 *
 * Use       small_plant plant; plant_open(&plant); plant_feed(&plant, 40); plant_train(&plant);
 *           plant_text(&plant, "summary", ""); plant_close(&plant)
 * Memory    the services have an account of their own (plant.mem), empty once they are closed.
 */
#ifndef MW_TESTS_UNIT_OP_SMALL_PLANT_H
#define MW_TESTS_UNIT_OP_SMALL_PLANT_H

#include "run/op/app.h"
#include "support/fake_clock.h"
#include "support/harness.h"

typedef struct small_plant {
    mw_mem mem;
    mw_ctx ctx; /* of the services; organization "default" */
    mw_fake_clock clock;
    mw_app *app;
} small_plant;

/* Data in data/ below the test's folder; may be closed and opened again. */
void plant_open(small_plant *plant);
void plant_close(small_plant *plant);

/* Arguments of an operation from "name=value name=value"; a null one is left out. */
mw_args *plant_args(const char *op, const char *settings);

/* Calls an operation and, when it is a job, runs it to its end. The answer comes in out. */
mw_status plant_call(small_plant *plant, const mw_ctx *ctx, const char *op, const mw_args *args,
                     mw_buf *out, mw_err *err);

/* The answer as text, in a static buffer; fails the test when there is none. */
const char *plant_text(small_plant *plant, const char *op, const char *settings);
/* The status without an answer. */
mw_status plant_status(small_plant *plant, const char *op, const char *settings, mw_err *err);

/* A wide file with n_rows time stamps of two devices, in the csv folder; its path. */
const char *plant_file(int n_rows);
/* Writes and ingests it. */
void plant_feed(small_plant *plant, int n_rows);
/* Five trees each; asserts that it works. */
#define PLANT_TRAINING "n_estimators=5 max_depth=3 lags=1"
void plant_train(small_plant *plant);

/* Path of a file of the newest version: "default/models/anomaly/versions/1/model.onnx". Static. */
const char *plant_path(const char *below_orgs);

#endif
