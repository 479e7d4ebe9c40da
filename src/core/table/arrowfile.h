/*
 * arrowfile.h -- an Arrow IPC file taken apart and checked, before any of its values is read.
 *
 * What      footer, schema and messages of a file in memory. mw_arrow__open checks the frame and
 * the schema; mw_arrow__walk checks one batch, buffer by buffer, against the file. After both say
 *           MW_OK every range handed out lies inside the file, so that the decoder only has to
 * check what the values themselves say (codes, offsets, UTF-8).
 */
#ifndef MW_CORE_TABLE_ARROWFILE_H
#define MW_CORE_TABLE_ARROWFILE_H

#include "core/table/arrow.h"
#include "core/table/arrowmeta.h"
#include "core/table/flat.h"

typedef struct mw_arrow_field {
    mw_str name; /* into the file */
    mw_type type;
    int index_bytes; /* dictionary codes: 1, 2, 4 or 8 */
    bool index_signed;
    int64_t dictionary_id;
} mw_arrow_field;

typedef struct mw_arrow_file {
    const mw_ctx *ctx;
    const uint8_t *data; /* [size], borrowed */
    size_t size;
    size_t body_end; /* where the footer starts */
    const char *name;
    mw_flat footer;
    mw_flat_table schema;
    mw_flat_vector dictionaries; /* blocks */
    mw_flat_vector records;
    mw_arrow_field *fields; /* [n_fields] */
    uint32_t n_fields;
} mw_arrow_file;

/* One column's part of a batch; ranges from the start of the file. */
typedef struct mw_arrow_part {
    int64_t n_rows;
    int64_t n_missing;
    const uint8_t *validity; /* NULL: all rows have a value */
    const uint8_t *values;   /* n_rows of the type; utf8: n_rows + 1 offsets */
    const uint8_t *bytes;    /* utf8 */
    int64_t n_bytes;
} mw_arrow_part;

/* MW_EDATA: name, "is not a sound Arrow file", what. */
mw_status mw_arrow__unsound(const mw_arrow_file *file, mw_err *err, const char *what);
mw_status mw_arrow__unsupported(const mw_arrow_file *file, mw_err *err, const char *what);

/* Frame and format version only, then what mw_arrow__value needs. */
mw_status mw_arrow__frame(mw_arrow_file *file, mw_err *err);
/* The value of a schema metadata key; data NULL: absent. */
mw_str mw_arrow__value(mw_arrow_file *file, const char *key);
/* mw_arrow__frame, then the fields. */
mw_status mw_arrow__open(mw_arrow_file *file, mw_err *err);
void mw_arrow__close(mw_arrow_file *file);

typedef mw_status (*mw_arrow_visit)(void *self, uint32_t field, const mw_arrow_part *part,
                                    mw_err *err);

/* Checks record batch `index` whole; visit (or NULL) is then called for each field in order. */
mw_status mw_arrow__walk(mw_arrow_file *file, uint32_t index, int64_t *ret_rows,
                         mw_arrow_visit visit, void *self, mw_err *err);
/* Rows of batch `index`, from its frame alone: its columns are not looked at. */
mw_status mw_arrow__rows(mw_arrow_file *file, uint32_t index, int64_t *ret_rows, mw_err *err);
/* Adds the values that each field has in batch `index` to counts [n_fields], as its frame says: no value is looked at. */
mw_status mw_arrow__count(mw_arrow_file *file, uint32_t index, int64_t *counts, mw_err *err);
/* Where batch `index` starts; no more than a hint before its frame was checked. */
size_t mw_arrow__start_of(const mw_arrow_file *file, uint32_t index);
/* Checks dictionary batch `index`; *part is its one utf8 column. */
mw_status mw_arrow__dictionary(mw_arrow_file *file, uint32_t index, int64_t *ret_id,
                               mw_arrow_part *part, mw_err *err);

static inline int32_t mw_arrow__offset(const mw_arrow_part *part, int64_t row) {
    int32_t offset;
    __builtin_memcpy(&offset, part->values + row * 4, sizeof offset);
    return offset;
}

static inline bool mw_arrow__valid(const mw_arrow_part *part, int64_t row) {
    return !part->validity || (part->validity[row >> 3] >> (row & 7) & 1);
}

/* Text of a valid row of a utf8 part; false when its offsets or its bytes are wrong. */
bool mw_arrow__text(const mw_arrow_part *part, int64_t row, mw_str *ret);

#endif
