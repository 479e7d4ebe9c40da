/*
 * program.h -- a feature program: what is computed from a row of telemetry and the rows of its device before it.
 *
 * What      inputs are columns of numbers; outputs are features, named and in order. A definition is a list of features; compiling it
 *           makes signals (numbers that each row has: inputs first, then what nodes compute) and nodes in an order in which every node's inputs come
 *           before it.
 * Identity  the canonical JSON text of a definition says all that decides the bits of the outputs; its hash is the program's name.
 * Lifetime  mw_program_new -> any number of states (device.h) -> mw_program_free. Immutable, so any thread may use it.
 */
#ifndef MW_LEARN_FEATURE_PROGRAM_H
#define MW_LEARN_FEATURE_PROGRAM_H

#include "core/base/arena.h"
#include "core/base/ctx.h"
#include "core/base/hash.h"
#include "learn/feature/operator.h"

/* One feature: an operator over columns or other features, or (op NULL) an input as it is. */
typedef struct mw_feature_def {
    const char *name;
    const mw_operator *op;
    const char *of[MW_NODE_INPUTS]; /* [op->n_inputs]; op NULL: one */
    mw_feature_args args;
    const char *where; /* for messages: a JSON pointer, or NULL */
} mw_feature_def;

/* An input's values below or above are missing. */
typedef struct mw_feature_range {
    double low, high; /* -DBL_MAX, DBL_MAX: any */
} mw_feature_range;

typedef struct mw_program_options {
    int64_t sampling_us; /* usual distance of readings; 0: learned from each device's last ones */
    int64_t
        lateness_us; /* how much older than a device's newest row another one may be when it comes */
    const char *const *settings;      /* [n_settings] inputs that tell operating conditions */
    int32_t n_settings, n_conditions; /* n_conditions 0: there are none */
    const mw_conditions *conditions;  /* fitted for this program; NULL: not yet. Copied */
    const char *timezone;             /* of hours and weekdays; NULL: UTC */
    const char *scaling; /* of the outputs, afterwards; part of the definition alone; NULL: none */
    const mw_feature_range *ranges; /* [n_inputs]; NULL: any values */
} mw_program_options;

typedef struct mw_program {
    mw_arena arena;
    mw_program_options options; /* with ranges */
    mw_zone *zone;              /* NULL: UTC */
    int32_t condition; /* the signal of a row's condition, -1 where there is none; -1: not used */
    int32_t *settings; /* [options.n_settings] inputs */
    int32_t *sensors;  /* [n_sensors] inputs whose normal values are asked for */
    int32_t n_sensors;
    mw_conditions *conditions; /* NULL: not fitted yet */
    int32_t n_inputs, n_outputs, n_signals, n_nodes, n_windows;
    const char **inputs; /* [n_inputs] */
    const char **names;  /* [n_outputs] */
    int32_t *outputs;    /* [n_outputs] signals */
    bool *read;          /* [n_signals] a node reads it */
    bool *kept;          /* [n_signals] in rows to come, too */
    int32_t n_kept;
    mw_feature_node *nodes; /* [n_nodes] */
    int64_t *windows;       /* [n_windows] widths, us, each once */
    int64_t
        past_us; /* how far back rows are read: so long before the last one (and the row before that) */
    int64_t past_rows;        /* or so many rows */
    size_t state_bytes;       /* of all nodes, one device */
    const char *definition;   /* canonical JSON */
    char hash[MW_SHA256_HEX]; /* of it */
} mw_program;

/* Everything is copied. MW_EINVAL, at `where`: unknown inputs, names that come twice, features that need each other, windows that are impossible. */
mw_status mw_program_new(mw_mem *mem, const char *const *inputs, int32_t n_inputs,
                         const mw_feature_def *features, int32_t n_features,
                         const mw_program_options *options, mw_program **ret, mw_err *err);
void *mw_program_free(mw_program *program);

/* The operating conditions of rows, for options.conditions of the same program compiled anew. columns [n_inputs] of numbers (those that are
 * neither settings nor sensors may be NULL); rows [n]: which of them, NULL: the first n. Draws with ctx->seed. */
mw_status mw_program_fit_conditions(const mw_ctx *ctx, const mw_program *program,
                                    const double *const *columns, const int64_t *rows, int64_t n,
                                    mw_conditions **ret, mw_err *err);

#endif
