/*
 * arrowread.h -- what both readers of Arrow IPC files share (ipcread.c whole tables, ipcstream_read.c
 * chunks): which columns are wanted, the dictionaries, and the values of a column's part.
 *
 * Lifetime  mw_arrow__begin -> mw_arrow__load -> (mw_arrow__copy_*)* -> mw_arrow__finish
 */
#ifndef MW_CORE_TABLE_ARROWREAD_H
#define MW_CORE_TABLE_ARROWREAD_H

#include "core/table/arrowfile.h"

typedef struct mw_arrow_texts { /* a dictionary of the file */
    int64_t id;
    bool wanted;
    bool seen;
    mw_dictionary *dictionary; /* NULL until loaded */
    int32_t *codes;            /* [n] ours for each of the file's; -1 for a missing text */
    int64_t n;
} mw_arrow_texts;

typedef struct mw_arrow_reader {
    mw_arrow_file file;
    int32_t *target;              /* [n_fields] column of the result, or -1 */
    mw_arrow_texts *dictionaries; /* [n_dictionaries] by id */
    size_t n_dictionaries;
} mw_arrow_reader;

/* Opens file (its ctx, data, size and name are set) and finds out what is wanted; columns as
 * mw_ipc_read. After a failure too, mw_arrow__finish frees. */
mw_status mw_arrow__begin(mw_arrow_reader *reader, const char *const *columns, size_t n_columns,
                          mw_err *err);
/* The dictionaries of the wanted columns. */
mw_status mw_arrow__load(mw_arrow_reader *reader, mw_err *err);
void mw_arrow__finish(mw_arrow_reader *reader);

/* Replaces *dictionary by a copy of the field's; one that the file lacks leaves it as it is. */
mw_status mw_arrow__give_dictionary(const mw_arrow_reader *reader, const mw_arrow_field *field,
                                    mw_mem *mem, mw_dictionary **dictionary, mw_err *err);

/* The values of a part into to [part->n_rows], missing ones as table.h has them. */
void mw_arrow__copy_times(const mw_arrow_part *part, int64_t *to);
void mw_arrow__copy_numbers(const mw_arrow_part *part, double *to);
void mw_arrow__copy_singles(const mw_arrow_part *part, float *to);
/* MW_EDATA for a code without a text. */
mw_status mw_arrow__copy_codes(const mw_arrow_reader *reader, const mw_arrow_field *field,
                               const mw_arrow_part *part, int32_t *to, mw_err *err);

#endif
