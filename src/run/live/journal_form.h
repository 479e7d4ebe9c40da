/*
 * journal_form.h -- inside this folder: bytes of a journal file, for its writer and its reader. All in the machine's byte order, at multiples of 8.
 *
 *   head      mw_journal_head; each column's name: uint32 size, bytes; zeros up to a multiple of 8
 *   record    mw_journal_frame; times; columns; numbers of devices' names; those of each column of texts, -1: missing; names as above; zeros up to a
 *             multiple of 8
 */
#ifndef MW_RUN_LIVE_JOURNAL_FORM_H
#define MW_RUN_LIVE_JOURNAL_FORM_H

#include <stddef.h>
#include <stdint.h>

/* "mwrows1" and a NUL, little-endian. */
#define MW_JOURNAL_MARK UINT64_C(0x003173776f72776d)
#define MW_JOURNAL_RECORD_MAX ((size_t)1 << 30)

/* Version 1 has no columns of texts; a file without any is still written as one. */
enum { MW_JOURNAL_NUMBERS = 1, MW_JOURNAL_VERSION = 2, MW_JOURNAL_ALIGN = 8 };

typedef struct mw_journal_head {
    uint64_t mark;
    uint32_t version, bytes; /* of the whole head */
    uint64_t check;          /* mw_hash_check of it, this as 0, seed 0 */
    uint64_t id;
    int64_t first;
    uint32_t n_columns, n_texts;
} mw_journal_head;

typedef struct mw_journal_frame {
    uint64_t mark;   /* the file's id */
    uint64_t check;  /* mw_hash_check of all that follows, seeded with the id */
    uint64_t bytes;  /* of the whole record */
    uint64_t synced; /* bytes of the file that were on disk for sure before this record */
    int64_t first;
    uint32_t n_rows, n_names;
} mw_journal_frame;

enum { MW_JOURNAL_CHECKED = offsetof(mw_journal_frame, bytes) };

#endif
