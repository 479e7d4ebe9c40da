/*
 * sniff.h -- what a sample of a file says about its own form: the parts of profile.h below columns. Inside this folder only.
 *
 * Order     mw_sniff__magic -> mw_sniff__encoding -> mw_sniff__lines -> mw_sniff__decode -> mw_sniff__dialect; then rows by
 *           mw_sniff__next. docs/formats/profile.md says how each confidence is computed.
 * Work      every step reads a bounded part of the sample a bounded number of times.
 */
#ifndef MW_KEEP_INGEST_SNIFF_H
#define MW_KEEP_INGEST_SNIFF_H

#include "keep/ingest/profile.h"

/* --- bytes (sniff_bytes.c) --- */

/* MW_EDATA, with a hint, for what is plainly another format than text. */
mw_status mw_sniff__magic(const char *data, size_t size, mw_err *err);

typedef struct mw_sniff_guess {
    double confidence;
    const char *note; /* static or NULL */
} mw_sniff_guess;

/* MW_EDATA when it holds NUL bytes without being UTF-16. */
mw_status mw_sniff__encoding(const char *data, size_t size, bool whole, mw_encoding *ret,
                             mw_sniff_guess *guess, mw_err *err);
/* The sample as UTF-8 without a byte-order mark: data itself, or *owned (mw_free it). Line ends stay as they are. */
mw_status mw_sniff__decode(mw_mem *mem, const char *data, size_t size, bool whole,
                           mw_encoding encoding, mw_str *ret, char **owned, mw_err *err);
mw_line_end mw_sniff__lines(mw_str text, mw_sniff_guess *guess);
/* text with lone CRs as LF; *owned as above. */
mw_status mw_sniff__unify(mw_mem *mem, mw_str *text, char **owned, mw_err *err);

/* --- cells (sniff_cells.c) --- */

/* Ways of writing numbers, simplest first. */
enum { MW_SNIFF_WAYS = 10 };
typedef struct mw_sniff_way {
    char decimal, thousands;
} mw_sniff_way;
extern const mw_sniff_way mw_sniff__ways[MW_SNIFF_WAYS];

typedef enum mw_sniff_kind {
    MW_SNIFF_MISSING, /* mw_cell_is_missing */
    MW_SNIFF_MARK,    /* "-", "--", "?", "none", "#N/A": missing among numbers, else text */
    MW_SNIFF_PLAIN,   /* a number that reads the same in every way */
    MW_SNIFF_NUMBER,  /* a number in the ways of *ret_ways */
    MW_SNIFF_INFINITE,
    MW_SNIFF_BOOL,
    MW_SNIFF_TIME, /* looks like a date, a time of day or both */
    MW_SNIFF_TEXT,
    MW_SNIFF_KINDS
} mw_sniff_kind;

/* cell must be trimmed. *ret_ways: bit i for mw_sniff__ways[i], of numbers. */
mw_sniff_kind mw_sniff__cell(mw_str cell, uint32_t *ret_ways);

/* The marks of MW_SNIFF_MARK. */
enum { MW_SNIFF_MARKS = 6 };
extern const char *const mw_sniff__marks[MW_SNIFF_MARKS];

/* --- rows (sniff_rows.c) --- */

/* Rows of the sample, one after another; a lenient twin of csv.h that allocates nothing a row. */
typedef struct mw_sniff_cut {
    mw_mem *mem;
    const mw_dialect *dialect; /* borrowed */
    mw_str text;               /* borrowed */
    size_t at;                 /* where the next row begins */
    uint64_t line;             /* 1-based number of the line at `at` */
    mw_str *fields;            /* [n_fields] without quotes, not trimmed, doubled quotes doubled */
    uint32_t n_fields, capacity;
    size_t row_at;     /* where this row begins */
    uint64_t row_line; /* its 1-based line */
    bool bad;          /* its quotes make no sense: fields mean nothing */
    bool open;         /* it is ended by the end of the text */
    bool failed;       /* no memory */
} mw_sniff_cut;

void mw_sniff__cut_init(mw_sniff_cut *cut, mw_mem *mem, const mw_dialect *dialect, mw_str text);
void mw_sniff__cut_done(mw_sniff_cut *cut);
/* The next row that is neither blank nor a comment; false at the end, or when memory is short (cut->failed). */
bool mw_sniff__next(mw_sniff_cut *cut);
bool mw_sniff__was_quoted(const mw_sniff_cut *cut, mw_str field);

/* --- dialect (sniff_dialect.c) --- */

typedef struct mw_sniff_dialect {
    mw_dialect dialect; /* decimal and thousands as far as the head of the sample shows */
    uint32_t n_fields;  /* of most rows */
    mw_sniff_guess separator, quote, comment;
    char runner_up[24]; /* the second best separator, for a note; "" */
    uint64_t looked;    /* bytes cut */
} mw_sniff_dialect;

/* What of a dialect is given. */
enum {
    MW_SNIFF_FIXED_SEPARATOR = 1,
    MW_SNIFF_FIXED_QUOTE = 2,
    MW_SNIFF_FIXED_ESCAPE = 4,
    MW_SNIFF_FIXED_COMMENT = 8
};

/* given: values of the properties in fixed. MW_EDATA when no dialect makes a table of it (prose, LibSVM). */
mw_status mw_sniff__dialect(const mw_ctx *ctx, mw_str text, const mw_dialect *given, unsigned fixed,
                            mw_sniff_dialect *ret, mw_err *err);
/* "','", "tab", "blanks", "columns of 8, 12, 4 bytes" */
void mw_sniff__separator_name(const mw_dialect *dialect, char out[64]);

/* Widths of columns that all lines of text keep (sniff_widths.c); false when there are none. */
bool mw_sniff__widths(mw_str text, mw_dialect *ret);

#endif
