/*
 * plant.h -- the main job's three models from raw telemetry rows.
 *
 * What      resamples per device to max(interval, median spacing); builds the supervised matrix (target
 *           one interval ahead from the others and its own lags); splits by time; fits `baseline`
 *           (ridge), `regression` (forest) and `anomaly` (isolation forest over every window); measures
 *           them beside the last-value forecast; writes one model folder each below `out`:
 *             baseline/ regression/   MLmodel model.onnx metadata.json importance.json
 *             anomaly/                the same, anomalies.json (the 1,000 highest windows, highest first:
 *                                     start, device, score, flagged, parameters that stood out and how
 *                                     far), scores.arrow (every window: time, device, score, is_anomaly)
 */
#ifndef MW_LEARN_MODEL_PLANT_H
#define MW_LEARN_MODEL_PLANT_H

#include "core/table/rowstream.h"
#include "learn/model/lagged.h"

/* Parameters of POST /train and `millwright train`: target, interval, test_share, contamination,
 * n_estimators, max_depth, min_samples_leaf, max_samples, alpha, lags, seed. Ended by a NULL name. */
extern const mw_param mw_plant_params[];

/*
 * flags: rows of baseline and regression that are left out; NULL: none.
 * rows: read some times over, never held whole.
 * config: of the features of baseline and regression (lagged.h), JSON; empty: the columns of the windows and `lags`.
 * data_hash: identity of the data, stored in metadata.json.
 * result: one JSON object: rows, windows, devices, parameters, interval, target, target_chosen_by,
 * split, models {baseline|regression: {metrics, naive, ...}, anomaly: {...}}, top anomalies, top features,
 * seconds.
 * Errors: MW_EDATA with the reason when there is too little data (which model, how many rows, how many
 * are needed); MW_ENOTFOUND for an unknown target (nearest name as hint).
 */
mw_status mw_plant_fit(const mw_ctx *ctx, const mw_row_stream *rows, const mw_args *args,
                       mw_str config, const mw_lagged_flags *flags, const char *data_hash,
                       mw_dir *out, mw_json_writer *result, mw_err *err);

#endif
