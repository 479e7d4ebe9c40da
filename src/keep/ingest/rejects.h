/*
 * rejects.h -- the rows that could not be used, whole, in a file that can be corrected and ingested again.
 *
 * What      a table in the encoding and dialect of its source (docs/formats/rejects.md): a head line with the
 *           profile, the source's header as it stood, and each row as it stood behind a note that says
 *           where it was and what is wrong. Begun with the first reject; the first three are kept
 *           for the error message.
 * Lifetime  mw_rejects_init -> [mw_rejects_set_form] -> mw_rejects_add* -> mw_rejects_commit ->
 *           mw_rejects_done
 */
#ifndef MW_KEEP_INGEST_REJECTS_H
#define MW_KEEP_INGEST_REJECTS_H

#include "core/base/dir.h"
#include "keep/ingest/reject_notes.h"
#include "keep/ingest/source.h"

enum { MW_REJECTS_SHOWN = 3, MW_REJECTS_TEXT = 160 };

/* How the source was written; the rejects are written so too. */
typedef struct mw_rejects_form {
    const char *profile; /* one line of JSON that reads the file again; NULL: "{}" */
    mw_str header;       /* its header line, unit row too, without the last line end; empty: none */
    enum mw_source_text text;
    bool mark;                     /* begin with a byte-order mark (UTF-16 always does) */
    const char *line_end;          /* "\n", "\r\n" or "\r"; NULL: "\n" */
    char quote, escape, separator; /* of the dialect; 0: none */
} mw_rejects_form;

typedef struct mw_rejects {
    const mw_ctx *ctx;
    mw_dir *staging;
    mw_file *file; /* NULL until the first */
    mw_buf line;   /* scratch: UTF-8 */
    mw_buf bytes;  /* scratch: encoded */
    mw_rejects_form form;
    int64_t n;
    char first[MW_REJECTS_SHOWN][MW_REJECTS_TEXT]; /* "line 7, column value: not a number" */
} mw_rejects;

/* As if the source were RFC 4180 in UTF-8 with LF, without a header. */
void mw_rejects_init(mw_rejects *rejects, const mw_ctx *ctx, mw_dir *staging);
/* form's texts are borrowed until done. Before the first add. */
void mw_rejects_set_form(mw_rejects *rejects, const mw_rejects_form *form);
void mw_rejects_done(mw_rejects *rejects); /* removes an uncommitted file */

/* part: name of the file until the commit. row: as mw_source_fill gave it, without its line end.
 * MW_ETOOLARGE past MW_LIMIT(REJECTS_BYTES). */
mw_status mw_rejects_add(mw_rejects *rejects, const char *part, uint64_t line, mw_str column,
                         const char *reason, mw_str row, mw_err *err);

/* Commits as part, then renames to name. Nothing happens without rejects. */
mw_status mw_rejects_commit(mw_rejects *rejects, const char *part, const char *name, mw_err *err);

/* MW_EDATA that names the share and the first ones. */
mw_status mw_rejects_fail(const mw_rejects *rejects, int64_t n_lines, double max_share,
                          mw_err *err);

/* What the first line of a rejects file says. */
typedef struct mw_rejects_head {
    bool found;
    char *profile; /* JSON, owned: mw_free it; NULL when not found */
    size_t body;   /* offset of the second line in the sample */
    /* UTF-16 when the sample is; MW_SOURCE_UTF8 otherwise: then the profile says whether it is Windows-1252,
     * and one that says UTF-16 was saved as UTF-8 by an editor. */
    enum mw_source_text text;
} mw_rejects_head;

/* sample [size]: what mw_source_peek gives. MW_EUNSUPPORTED for a version that is not 1. */
mw_status mw_rejects_recognize(mw_mem *mem, const char *sample, size_t size, mw_rejects_head *ret,
                               mw_err *err);

#endif
