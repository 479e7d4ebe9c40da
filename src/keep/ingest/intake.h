/*
 * intake.h -- inside this folder: the state of reading one telemetry file, and the rows of both
 * forms.
 *
 * csv_file.c drives; intake_long.c and intake_wide.c turn one CSV row into cells of the builder. A
 * row is checked completely before the first cell is set, so a rejected row leaves no trace.
 */
#ifndef MW_KEEP_INGEST_INTAKE_H
#define MW_KEEP_INGEST_INTAKE_H

#include "keep/ingest/pivot.h"
#include "keep/ingest/csv_rows.h"

enum { MW_INTAKE_REASON = 160, MW_INTAKE_CACHED_BYTES = 64 };

/* The last text of a field and what it stood for: neighbors mostly repeat it. */
typedef struct mw_intake_last {
    char text[MW_INTAKE_CACHED_BYTES];
    size_t size; /* SIZE_MAX: nothing cached */
    int64_t value;
} mw_intake_last;

typedef enum mw_kind { MW_KIND_UNDECIDED, MW_KIND_SENSOR, MW_KIND_TEXT } mw_kind;

/* Why a row is refused. */
typedef struct mw_refusal {
    bool refused;
    uint32_t field; /* 0-based */
    char reason[MW_INTAKE_REASON];
} mw_refusal;

typedef struct mw_intake {
    const mw_ctx *ctx;
    mw_rows *rows;
    const mw_str *header; /* [n_fields] */
    uint32_t n_fields;
    mw_layout layout;
    mw_builder *builder;
    int32_t label_columns[MW_LABEL_N]; /* of the builder; -1: none */
    mw_intake_last last_time;
    mw_intake_last last_label[MW_LABEL_N];

    /* long */
    mw_pivot pivot;
    int32_t last_parameter;  /* builder column; the next line often has the next one */
    int32_t first_parameter; /* first builder column that is a parameter */
    int64_t n_collisions;

    /* wide, [n_sensors] each */
    mw_kind *kinds;
    int32_t *columns; /* of the builder; -1 until decided */
    double *values;   /* of the row at hand */
} mw_intake;

/* Formats a reason; the field's value is appended as `: "..."` when shown is not NULL. */
void mw_intake__refuse(mw_refusal *refusal, uint32_t field, const char *why, const mw_str *shown);

/* Shared by both forms. False: refused. */
bool mw_intake__time(mw_intake *intake, const mw_csv_row *row, int64_t *ret_us,
                     mw_refusal *refusal);
bool mw_intake__check_labels(mw_intake *intake, const mw_csv_row *row, mw_refusal *refusal);
/* Codes of the row's labels, -1 where missing; adds new texts to the dictionaries. */
mw_status mw_intake__labels(mw_intake *intake, const mw_csv_row *row, int32_t codes[MW_LABEL_N],
                            mw_err *err);

/* Either sets refusal->refused or stores the row. */
mw_status mw_intake__long_row(mw_intake *intake, const mw_csv_row *row, mw_refusal *refusal,
                              mw_err *err);
mw_status mw_intake__wide_row(mw_intake *intake, const mw_csv_row *row, mw_refusal *refusal,
                              mw_err *err);

/* Decides the kinds of a wide file's columns on its first rows, and adds the builder's columns. */
mw_status mw_intake__wide_begin(mw_intake *intake, const char *path, mw_err *err);
/* Columns that never had a value become sensors. */
mw_status mw_intake__wide_end(mw_intake *intake, mw_err *err);

#endif
