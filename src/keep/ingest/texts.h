/*
 * texts.h -- inside this folder: a column of text to dictionary codes, block by block.
 *
 * What      each lane of the reader (a place for one block, see reader.h) keeps a dictionary a column, so that blocks can be read in
 *           parallel; mw_texts_remap gives the codes of the file's dictionary. New texts join that one in the order of
 *           the blocks and, inside one, of appearance: it does not depend on lanes or threads.
 * Speed     a field is compared with the one above it, then with the text that followed that one the last time; only then hashed.
 *           Where that mostly fails, fields are hashed some dozens at a time, and guessing is tried again only now and then.
 */
#ifndef MW_KEEP_INGEST_TEXTS_H
#define MW_KEEP_INGEST_TEXTS_H

#include "core/table/table.h"
#include "core/text/fields.h"
#include "keep/ingest/cells.h"

typedef struct mw_texts {
    mw_mem *mem;
    mw_dictionary *dictionary;
    int32_t *next;  /* [capacity] code that came after a code the last time; -1: none yet */
    int32_t *remap; /* [capacity] code in the file's dictionary; -1: not there, at least yet */
    int32_t capacity, n_mapped; /* n_mapped: of remap that are not -1 */
    bool identity;              /* remap[i] == i for all mapped */
    uint32_t n_hashed;          /* batches of rows to hash before guessing is tried again */
    const mw_cell_rules *rules; /* further marks of missing texts; NULL: none */
    bool keep_marks;            /* "NA" and the like are texts, only an empty field is missing */
    /* The field above. */
    char last[64];
    size_t last_size; /* SIZE_MAX: none */
    int32_t last_code;
} mw_texts;

mw_status mw_texts_init(mw_texts *texts, mw_mem *mem, mw_err *err);
void mw_texts_done(mw_texts *texts);

/* Codes [n] of the fields, -1 where missing. odd [n]: indices of fields over MW_LIMIT(STRING_BYTES). */
mw_status mw_texts_read(mw_texts *texts, const mw_fields *fields, int32_t *codes, uint32_t *odd,
                        size_t *ret_odd, mw_err *err);
/* Rewrites codes [n]; what is new among them joins `whole`, and nothing else: texts of refused rows do not. */
mw_status mw_texts_remap(mw_texts *texts, mw_dictionary *whole, int32_t *codes, int64_t n,
                         mw_err *err);
/* Forgets all texts. */
mw_status mw_texts_restart(mw_texts *texts, mw_err *err);

#endif
