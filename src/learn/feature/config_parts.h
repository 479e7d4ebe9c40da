/*
 * config_parts.h -- what the files that read a feature configuration share: the list of features that grows, and where in the text it stands.
 */
#ifndef MW_LEARN_FEATURE_CONFIG_PARTS_H
#define MW_LEARN_FEATURE_CONFIG_PARTS_H

#include <string.h>

#include "learn/feature/config.h"

static inline const mw_operator *mw_config__op(const char *name) {
    return mw_operator_find(name, strlen(name));
}

static inline mw_status mw_config__no_memory(mw_err *err) {
    return mw_fail_nomem(err, "a feature configuration");
}

enum { MW_CONFIG__WHERE_BYTES = 160 };

typedef struct mw_config__reading {
    mw_arena *arena;
    mw_feature_def *features; /* [n] */
    int32_t n, capacity;
    mw_mem *mem;
    char where[MW_CONFIG__WHERE_BYTES]; /* JSON pointer of what is being read */
} mw_config__reading;

/* A time or a number of rows, as it was written: "5min", 20. */
typedef struct mw_config__stretch {
    const char *text;
    int64_t us, rows;
} mw_config__stretch;

bool mw_config__read_length(const char *text, mw_config__stretch *ret);
mw_status mw_config__fail_length(const mw_config__reading *r, const char *text, mw_err *err);
/* MW_EINVAL at r->where, and key below it where that is not empty. */
mw_status mw_config__fail(const mw_config__reading *r, const char *key, mw_err *err,
                          const char *what, const char *hint);

/* op NULL: the column's own value. numbers [2]: what an operator with a number or a band takes; NULL for the others. name NULL: made of the rest. */
mw_status mw_config__add(mw_config__reading *r, const mw_operator *op, const char *a, const char *b,
                         const mw_config__stretch *length, const double *numbers, const char *name,
                         mw_err *err);
/* One entry of such a list, at r->where. */
mw_status mw_config__read_entry(mw_config__reading *r, const mw_json *json, mw_err *err);
/* All features of a list like that of "features". */
mw_status mw_config__read_features(mw_config__reading *r, const mw_json *list, const char *where,
                                   mw_err *err);

/* The inputs of a configuration. */
typedef struct mw_config__columns {
    const char *const *numbers, *const *truths, *const *events; /* events are truths, too */
    size_t n_numbers, n_truths, n_events;
} mw_config__columns;

/* lagSeconds, rollingWindows, interactions, ratios, maintenanceEvents; `all`: what no key names, too. */
mw_status mw_config__add_usual(mw_config__reading *r, const mw_args *schema,
                               const mw_config__columns *columns, bool all, mw_err *err);

#endif
