/*
 * layout.h -- what the columns of a telemetry file are, from its header alone.
 *
 * What      long: a time, a parameter and a value column. wide: a time column and one column per
 *           sensor. Names are compared without case, with blanks, '-' and '.' read as '_'.
 * Columns   of a long file that have no role are not stored; of a wide file they are sensors.
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
    mw_mem *mem;
    bool is_long;
    int32_t stamp, date, clock; /* field of the time stamp, the date, the time of day; -1: none */
    int32_t label[MW_LABEL_N];  /* -1: none */
    int32_t parameter, value;   /* long; else -1 */
    int32_t *sensors;           /* [n_sensors] wide: fields that are stored, in file order; owned */
    int32_t n_sensors;
} mw_layout;

/* MW_EDATA for a name that comes twice, MW_ETOOLARGE for one that is too long. */
mw_status mw_layout_check_names(mw_mem *mem, const mw_str *names, uint32_t n, mw_err *err);

/* True for `time` and the names of the dictionary columns, which no parameter may have. */
bool mw_layout_reserved(mw_str name);

/* True when name is known, without case, and with blanks, '-' and '.' read as '_'. */
bool mw_layout_same_name(mw_str name, const char *known);

/* The fields whose names stand for a role, in layout's stamp ... value; no field has two roles. Unlike mw_layout_detect it
 * asks for none of them, looks for no sensors and allocates nothing. */
void mw_layout_find(const mw_str *names, uint32_t n, mw_layout *layout);
/* A name of a time stamp, a date or a time of day. */
bool mw_layout_is_time(mw_str name);
/* A name of numbers that count time: "cycle", "t", "epoch". */
bool mw_layout_is_counter(mw_str name);
/* Any name that stands for a role. */
bool mw_layout_is_known(mw_str name);

/* The field whose name stands for a time ("timestamp", "date", ...); -1: none. */
int32_t mw_layout_time_field(const mw_str *names, uint32_t n);

/*
 * names [n]: the header's fields, trimmed. MW_EDATA with a hint when there is no time column, a
 * parameter without a value, no sensor, a name twice or too long.
 */
mw_status mw_layout_detect(mw_mem *mem, const mw_str *names, uint32_t n, mw_layout *ret,
                           mw_err *err);
void mw_layout_done(mw_layout *layout);

#endif
