/* rejects.c -- see rejects.h; reject_notes.h for how rows and notes are kept apart. */
#include "keep/ingest/rejects.h"

#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "keep/ingest/cells.h"
#include "keep/ingest/transcode.h"

static const char head_word[] = "#millwright-rejects ";
enum { VERSION = 1 };

void mw_rejects_init(mw_rejects *rejects, const mw_ctx *ctx, mw_dir *staging) {
    *rejects =
        (mw_rejects){.ctx = ctx, .staging = staging, .form = {.quote = '"', .separator = ','}};
    /* The longest row, a '#' more for each of its lines at worst, twice that in UTF-16; and the head. */
    size_t most = (size_t)MW_LIMIT(CSV_ROW_BYTES) * 2 + ((size_t)8 << 20);
    mw_buf_init(&rejects->line, ctx->mem, most);
    mw_buf_init(&rejects->bytes, ctx->mem, 2 * most);
}

void mw_rejects_set_form(mw_rejects *rejects, const mw_rejects_form *form) {
    rejects->form = *form;
}

void mw_rejects_done(mw_rejects *rejects) {
    rejects->file = mw_file_abort(rejects->file);
    mw_buf_done(&rejects->line);
    mw_buf_done(&rejects->bytes);
}

static void remember(mw_rejects *rejects, uint64_t line, mw_str column, const char *reason) {
    char shown[MW_CELL_SHOWN];
    if (rejects->n >= MW_REJECTS_SHOWN) return;
    snprintf(rejects->first[rejects->n], MW_REJECTS_TEXT, "line %llu, column %s: %s",
             (unsigned long long)line, mw_cell_show(column, shown), reason);
}

/* The text collected, in the source's encoding and line ends. */
static mw_status write_text(mw_rejects *rejects, mw_err *err) {
    mw_buf *text = &rejects->line, *bytes = &rejects->bytes;
    const char *line_end = rejects->form.line_end;
    mw_status status = mw_buf_status(text, "a rejected row", err);
    if (status != MW_OK) return status;
    /* Lines were unified if they end in CR alone: each LF was one. */
    if (line_end && strcmp(line_end, "\r") == 0)
        for (size_t i = 0; i < text->size; i++)
            if (text->data[i] == '\n') text->data[i] = '\r';
    if (rejects->form.text != MW_SOURCE_UTF8) {
        mw_buf_clear(bytes);
        mw_text_encode(rejects->form.text, mw_buf_str(text), bytes);
        status = mw_buf_status(bytes, "a rejected row", err);
        if (status != MW_OK) return status;
        text = bytes;
    }
    if (mw_file_size(rejects->file) + text->size > (uint64_t)MW_LIMIT(REJECTS_BYTES)) {
        mw_fail(err, MW_ETOOLARGE, "rejected rows fill more than %lld bytes; the first: %s",
                (long long)MW_LIMIT(REJECTS_BYTES), rejects->first[0]);
        return mw_err_hint(err, "Correct the file, or split it.");
    }
    return mw_file_write(rejects->file, mw_buf_text(text), text->size, err);
}

static void add_line_end(mw_rejects *rejects) {
    const char *line_end = rejects->form.line_end;
    mw_buf_add(&rejects->line, line_end && strcmp(line_end, "\r\n") == 0 ? line_end : "\n");
}

static mw_status begin(mw_rejects *rejects, const char *part, mw_err *err) {
    const mw_rejects_form *form = &rejects->form;
    mw_buf *text = &rejects->line;
    mw_status status = mw_file_create(rejects->ctx, rejects->staging, part, &rejects->file, err);
    if (status != MW_OK) return status;
    mw_buf_clear(text);
    bool wide = form->text == MW_SOURCE_UTF16LE || form->text == MW_SOURCE_UTF16BE;
    if (wide || (form->mark && form->text == MW_SOURCE_UTF8)) mw_buf_add(text, "\xEF\xBB\xBF");
    mw_buf_printf(text, "%s%d %s", head_word, VERSION, form->profile ? form->profile : "{}");
    add_line_end(rejects);
    if (form->header.size) {
        mw_reject_escape(form->header, text);
        add_line_end(rejects);
    }
    return write_text(rejects, err);
}

/* Adds text so that a note stays one line and holds no quote and no escape. */
static void add_plain(mw_rejects *rejects, mw_str text) {
    const mw_rejects_form *form = &rejects->form;
    for (size_t i = 0; i < text.size; i++) {
        char c = text.data[i];
        if ((unsigned char)c < ' ' || c == 0x7f)
            c = ' ';
        else if (form->quote && c == form->quote)
            c = form->quote == '\'' ? '`' : '\'';
        else if (form->escape && c == form->escape)
            c = '/';
        mw_buf_add_char(&rejects->line, c);
    }
}

/* #line 17, column "temp": not a number: 'abc' */
static void add_note(mw_rejects *rejects, uint64_t line, mw_str column, const char *reason) {
    const mw_rejects_form *form = &rejects->form;
    char quote = form->quote ? form->quote : '"', shown[MW_CELL_SHOWN];
    mw_str name = mw_str_of(mw_cell_show(column, shown));
    mw_buf_printf(&rejects->line, "#line %llu, column %c", (unsigned long long)line, quote);
    /* A quote must not be followed by a separator or a blank, which would close a field well. */
    if (name.size == 0 || name.data[0] == form->separator || name.data[0] == ' ')
        mw_buf_add_char(&rejects->line, '_');
    add_plain(rejects, name);
    mw_buf_printf(&rejects->line, "%c: ", quote);
    add_plain(rejects, mw_str_of(reason));
    add_line_end(rejects);
}

mw_status mw_rejects_add(mw_rejects *rejects, const char *part, uint64_t line, mw_str column,
                         const char *reason, mw_str row, mw_err *err) {
    mw_status status = rejects->file ? MW_OK : begin(rejects, part, err);
    if (status != MW_OK) return status;
    mw_buf_clear(&rejects->line);
    add_note(rejects, line, column, reason);
    mw_reject_escape(row, &rejects->line);
    add_line_end(rejects);
    status = write_text(rejects, err);
    if (status != MW_OK) return status;
    remember(rejects, line, column, reason);
    rejects->n++;
    return MW_OK;
}

mw_status mw_rejects_commit(mw_rejects *rejects, const char *part, const char *name, mw_err *err) {
    if (!rejects->file) return MW_OK;
    mw_file *file = rejects->file;
    rejects->file = NULL;
    mw_status status = mw_file_commit(file, err);
    if (status == MW_OK)
        status = mw_dir_move(rejects->ctx, rejects->staging, part, rejects->staging, name, err);
    if (status != MW_OK) (void)mw_dir_remove(rejects->ctx, rejects->staging, part, NULL);
    return status;
}

mw_status mw_rejects_fail(const mw_rejects *rejects, int64_t n_lines, double max_share,
                          mw_err *err) {
    mw_fail(err, MW_EDATA,
            "%lld of %lld rows cannot be used, more than the share %g allowed: %s%s%s%s%s",
            (long long)rejects->n, (long long)n_lines, max_share, rejects->first[0],
            rejects->n > 1 ? "; " : "", rejects->first[1], rejects->n > 2 ? "; " : "",
            rejects->first[2]);
    return mw_err_hint(err, "Correct the file, or allow more with max_reject_share.");
}

/* --- reading it again -------------------------------------------------------------------------- */

/* How the head is written: the offset of its '#', or false when it is none. */
static bool find_head(const char *sample, size_t size, enum mw_source_text *ret_text,
                      size_t *ret_mark) {
    static const enum mw_source_text texts[] = {MW_SOURCE_UTF8, MW_SOURCE_UTF16LE,
                                                MW_SOURCE_UTF16BE};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        size_t mark = mw_text_bom(texts[i], sample, size), step = i ? 2 : 1, first = i == 2;
        size_t n = sizeof head_word - 1;
        if (size < mark + n * step) continue;
        bool same = true;
        for (size_t k = 0; k < n && same; k++) {
            const char *unit = sample + mark + k * step;
            same = unit[first] == head_word[k] && (step == 1 || unit[1 - first] == 0);
        }
        if (!same) continue;
        *ret_text = texts[i];
        *ret_mark = mark;
        return true;
    }
    return false;
}

/* The bytes up to the end of the first line, *ret_body behind the line end (LF, CRLF or CR). */
static size_t find_line_end(const char *sample, size_t size, size_t at, enum mw_source_text text,
                            size_t *ret_body) {
    size_t step = text == MW_SOURCE_UTF8 ? 1 : 2, low = text == MW_SOURCE_UTF16BE;
    for (; at + step <= size; at += step) {
        if (step == 2 && sample[at + 1 - low]) continue;
        char c = sample[at + low];
        if (c != '\n' && c != '\r') continue;
        *ret_body = at + step;
        if (c == '\r' && at + 2 * step <= size && sample[at + step + low] == '\n' &&
            (step == 1 || !sample[at + step + 1 - low]))
            *ret_body = at + 2 * step;
        return at;
    }
    *ret_body = size;
    return size;
}

/* The head's own words on its bytes; inside a name the quotes would have backslashes. */
static bool says_latin1(mw_str line) {
    static const char words[] = "\"encoding\":\"latin-1\"";
    size_t n = sizeof words - 1;
    for (size_t i = 0; i + n <= line.size; i++)
        if (memcmp(line.data + i, words, n) == 0) return true;
    return false;
}

mw_status mw_rejects_recognize(mw_mem *mem, const char *sample, size_t size, mw_rejects_head *ret,
                               mw_err *err) {
    mw_rejects_head head = {0};
    size_t at;
    if (!find_head(sample, size, &head.text, &at)) {
        *ret = head;
        return MW_OK;
    }
    size_t end = find_line_end(sample, size, at, head.text, &head.body);
    enum mw_source_text text = head.text;
    if (text == MW_SOURCE_UTF8 && says_latin1((mw_str){sample + at, end - at}))
        text = MW_SOURCE_LATIN1;
    mw_buf line;
    mw_buf_init(&line, mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_status status = mw_text_decode(mem, sample + at, end - at, text, false, &line, err);
    if (status == MW_OK) {
        const char *version = mw_buf_text(&line) + sizeof head_word - 1;
        if (strncmp(version, "1 ", 2) != 0) {
            mw_fail(err, MW_EUNSUPPORTED, "the rejects file has version %.8s; only 1 is known",
                    version);
            status =
                mw_err_hint(err, "Use the millwright that wrote it, or remove its first line.");
        } else if (!(head.profile = mw_strdup(mem, version + 2))) {
            status = mw_fail_nomem(err, "reading a rejects file");
        }
    }
    mw_buf_done(&line);
    if (status != MW_OK) return status;
    head.found = true;
    *ret = head;
    return MW_OK;
}
