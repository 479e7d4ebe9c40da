/*
 * layout.h -- what the columns of a telemetry file are, from its header alone.
 *
 * What      long: a time, a parameter and a value column. wide: a time column and one column per
 *           sensor. Names are compared without case, with blanks, '-' and '.' read as '_'. What the cells say comes on top
 *           (profile_uses.c).
 */
#ifndef MW_KEEP_INGEST_LAYOUT_H
#define MW_KEEP_INGEST_LAYOUT_H

#include <stdint.h>

#include "core/base/alloc.h"
#include "core/base/str.h"

/* Order of the dictionary columns in a dataset. */
typedef enum mw_label {
    MW_LABEL_DEVICE_ID,
    MW_LABEL_DEVICE_NAME,
    MW_LABEL_EMPLOYEE_ID,
    MW_LABEL_EMPLOYEE_NAME,
    MW_LABEL_CATEGORY,
    MW_LABEL_N
} mw_label;

extern const char *const mw_label_names[MW_LABEL_N]; /* "device_id", ... */

typedef struct mw_layout {
    bool is_long;
    int32_t stamp, date, clock; /* field of the time stamp, the date, the time of day; -1: none */
    int32_t label[MW_LABEL_N];  /* -1: none */
    int32_t parameter, value;   /* long; else -1 */
} mw_layout;

/* MW_EDATA for a name that comes twice, MW_ETOOLARGE for one that is too long. */
mw_status mw_layout_check_names(mw_mem *mem, const mw_str *names, uint32_t n, mw_err *err);

/* True for `time` and the names of the dictionary columns, which no parameter may have. */
bool mw_layout_reserved(mw_str name);

/* True when name is known, without case, and with blanks, '-' and '.' read as '_'. */
bool mw_layout_same_name(mw_str name, const char *known);

/* The fields whose names stand for a role, in layout's stamp ... value; no field has two roles. */
void mw_layout_find(const mw_str *names, uint32_t n, mw_layout *layout);
/* A name of a time stamp, a date or a time of day. */
bool mw_layout_is_time(mw_str name);
/* A name of numbers that count time: "cycle", "t", "epoch". */
bool mw_layout_is_counter(mw_str name);
/* Any name that stands for a role. */
bool mw_layout_is_known(mw_str name);

#endif
