/*
 * table.h -- columns in Arrow's memory layout.
 *
 * What      a table is n_columns columns of n_rows rows. Buffers are 64-byte aligned and padded
 * to 64. Validity: bit i (least significant first) of `validity` is 1 when row i has a value; NULL
 *           validity means all have. A missing float64 or float32 is also NaN in its buffer, a missing
 * timestamp MW_TIME_NONE, a missing dictionary code -1, so that fast loops need no bitmap. Types
 * timestamp (us, UTC), float64, bool (bits), dictionary (int32 codes of utf8), utf8. Memory
 * everything belongs to the table's account; mw_table_free frees all columns.
 */
#ifndef MW_CORE_TABLE_TABLE_H
#define MW_CORE_TABLE_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/ctx.h"
#include "core/base/str.h"
#include "core/text/number.h"

typedef enum mw_type {
    MW_TIMESTAMP,
    MW_FLOAT64,
    MW_BOOL,
    MW_DICTIONARY,
    MW_UTF8,
    MW_FLOAT32 /* features: what learners see; never a column of a dataset */
} mw_type;

const char *
mw_type_name(mw_type type); /* "timestamp", "float64", "bool", "dictionary", "utf8", "float32" */

/* Distinct texts in order of first appearance, with a hash index. */
typedef struct mw_dictionary mw_dictionary;

mw_status mw_dictionary_new(mw_mem *mem, mw_dictionary **ret, mw_err *err);
void *mw_dictionary_free(mw_dictionary *dictionary);
/* Code of text, adding it when new. MW_ETOOLARGE past MW_LIMIT(DICTIONARY_VALUES). */
mw_status mw_dictionary_add(mw_dictionary *dictionary, mw_str text, int32_t *ret_code, mw_err *err);
/*
 * The same for texts [n], in their order, several times as fast where there are thousands of texts. 32 bytes
 * from the beginning of each may be read, not used, however short it is. codes [n] mean nothing after an error.
 */
mw_status mw_dictionary_add_fields(mw_dictionary *dictionary, const mw_str *texts, size_t n,
                                   int32_t *codes, mw_err *err);
int32_t mw_dictionary_find(const mw_dictionary *dictionary, mw_str text); /* -1: not there */
/* Empty for -1. The view is good until the next mw_dictionary_add. */
mw_str mw_dictionary_text(const mw_dictionary *dictionary, int32_t code);
int32_t mw_dictionary_size(const mw_dictionary *dictionary);
/* The same texts with the same codes, in mem. */
mw_status mw_dictionary_copy(mw_mem *mem, const mw_dictionary *dictionary, mw_dictionary **ret,
                             mw_err *err);

typedef struct mw_column {
    char *name;
    mw_type type;
    int64_t n_rows;
    int64_t n_missing;
    uint8_t *validity; /* [ceil(n_rows/8)] or NULL */
    union {
        int64_t *time;    /* [n_rows] us UTC */
        double *number;   /* [n_rows] */
        float *single;    /* [n_rows] float32 */
        uint8_t *bits;    /* [ceil(n_rows/8)] */
        int32_t *codes;   /* [n_rows] */
        int32_t *offsets; /* [n_rows + 1] into bytes */
    };
    char *bytes;               /* utf8 only */
    mw_dictionary *dictionary; /* dictionary only; owned */
} mw_column;

typedef struct mw_table {
    mw_mem *mem;
    int64_t n_rows;
    int32_t n_columns;
    int32_t capacity;
    mw_column *columns;   /* [n_columns]; moves when mw_table_add needs room */
    mw_dictionary *names; /* column index by name */
} mw_table;

mw_status mw_table_new(mw_mem *mem, int64_t n_rows, mw_table **ret, mw_err *err);
void *mw_table_free(mw_table *table);
/* Room for n_columns columns, so that the pointers of the next mw_table_add calls stay good. */
mw_status mw_table_reserve(mw_table *table, int32_t n_columns, mw_err *err);
/*
 * A new column of table->n_rows rows, all missing. The name is copied; a repeated name is MW_EDATA.
 * *ret is good until the next mw_table_add without mw_table_reserve. Fill its buffer, then
 * mw_column_seal.
 */
mw_status mw_table_add(mw_table *table, mw_str name, mw_type type, mw_column **ret, mw_err *err);
/* The same around buffers that are there already: *data (mw_alloc_aligned, room for table->n_rows of type, not utf8) and *validity (NULL but
 * for bool) become the table's, and NULL. mw_column_seal is still to be called. */
mw_status mw_table_adopt(mw_table *table, mw_str name, mw_type type, void **data,
                         uint8_t **validity, mw_column **ret, mw_err *err);
mw_column *mw_table_column(const mw_table *table, const char *name); /* NULL: none */

/* A utf8 column from texts [n_rows]; a text with data NULL is missing. Sealed. */
mw_status mw_table_add_texts(mw_table *table, mw_str name, const mw_str *texts, mw_column **ret,
                             mw_err *err);

/* By NaN, MW_TIME_NONE and -1, or by the bitmap for bool and utf8: right before mw_column_seal too.
 */
bool mw_column_has(const mw_column *column, int64_t row);
bool mw_column_bool(const mw_column *column, int64_t row);           /* false if missing */
void mw_column_set_bool(mw_column *column, int64_t row, bool value); /* bit and validity */
mw_str mw_column_text(const mw_column *column,
                      int64_t row); /* dictionary and utf8; empty if missing */
/* The same of any column but one of times: true, false, and the shortest text of a number, in digits. */
mw_str mw_column_cell(const mw_column *column, int64_t row, char digits[MW_NUMBER_MAX]);
/* Recounts n_missing from NaN / MW_TIME_NONE / -1 and builds (or drops) the validity bitmap; bool
 * and utf8 have only the bitmap, which stays. Every missing float64 becomes the same NaN. */
mw_status mw_column_seal(mw_table *table, mw_column *column, mw_err *err);
/* Frees the values before the table's end; the column may then only be freed with its table. */
void mw_column_release(mw_column *column);
/* Instead of sealing, for whoever knows already: *validity [n_rows bits, zeros behind, mw_alloc_aligned] becomes the column's, and NULL. Every
 * missing value has its one form. Not bool or utf8. */
void mw_column_set_validity(mw_column *column, uint8_t **validity, int64_t n_missing);

#endif
