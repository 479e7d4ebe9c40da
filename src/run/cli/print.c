/* print.c -- see print.h. */
#include "run/cli/print.h"

#include <errno.h>
#include <stdio.h>

#include "core/base/limits.h"
#include "run/serve/problem.h"

/* ---- texts of others on a terminal ---- */

/* C0, DEL, and C1 as UTF-8 writes it (C2 80 .. C2 9F): what a terminal obeys instead of showing. */
static size_t control_at(const char *text, size_t left) {
    unsigned char c = (unsigned char)text[0];
    if (c < 0x20 || c == 0x7F) return 1;
    return c == 0xC2 && left > 1 && ((unsigned char)text[1] & 0xE0) == 0x80 ? 2 : 0;
}

static void tame_text(mw_arena *arena, mw_str *text) {
    size_t n = 0, first = 0;
    while (first < text->size && !control_at(text->data + first, text->size - first)) first++;
    if (first == text->size) return;
    char *tame = mw_arena_strndup(arena, text->data, text->size);
    if (!tame) {
        *text = MW_STR("?");
        return;
    }
    for (size_t i = 0, size; i < text->size; i += size ? size : 1) {
        size = control_at(text->data + i, text->size - i);
        tame[n++] = size ? '?' : text->data[i];
    }
    *text = (mw_str){tame, n};
}

/* Names and cells come from files: one of them must not move the cursor or break a line. */
static void tame(mw_arena *arena, mw_json *value) {
    for (; value; value = value->next) {
        tame_text(arena, &value->key);
        if (value->kind == MW_JSON_STRING) tame_text(arena, &value->string);
        tame(arena, value->first); /* as deep as the parser takes */
    }
}

/* ---- results ---- */

/* A line each: warnings are to be read. */
static void print_warnings(const mw_json *list, mw_buf *out) {
    for (const mw_json *item = list->first; item; item = item->next) {
        mw_buf_printf(out, "%-20s ", "warning");
        mw_buf_add_str(out, mw_json_string(item, ""));
        mw_buf_add_char(out, '\n');
    }
}

/* name: value lines; nested values as compact JSON. */
static void print_generic(const mw_json *result, mw_buf *out) {
    for (const mw_json *item = result->first; item; item = item->next) {
        if (item->kind == MW_JSON_ARRAY && mw_str_is(item->key, "warnings")) {
            print_warnings(item, out);
            continue;
        }
        mw_buf_printf(out, "%-20.*s ", (int)item->key.size, item->key.data);
        if (item->kind == MW_JSON_STRING) {
            mw_buf_add_str(out, item->string);
        } else {
            mw_json_writer writer;
            mw_json_writer_init(&writer, out, 0);
            mw_json_write_value(&writer, item);
        }
        mw_buf_add_char(out, '\n');
    }
}

/* A reader that has seen enough (`millwright summary | head`) is told nothing: nobody is there. */
mw_status mw_print(const char *data, size_t size, mw_err *err) {
    errno = 0;
    if (fwrite(data, 1, size, stdout) == size && fflush(stdout) == 0) return MW_OK;
    if (errno != EPIPE) return mw_fail_errno(err, errno, "standard output cannot be written");
    mw_fail(err, MW_EIO, "%s", "");
    return MW_EIO;
}

static bool is_json(const mw_op *op) {
    return !op->content_type || mw_str_is(mw_str_of(op->content_type), "application/json");
}

mw_status mw_print_result(const mw_op *op, const mw_buf *result, bool json, mw_status *ret_verdict,
                          mw_err *err) {
    if (!is_json(op)) return mw_print(mw_buf_text(result), result->size, err);
    mw_arena arena;
    mw_arena_init(&arena, result->mem);
    const mw_json *tree;
    mw_buf text;
    mw_buf_init(&text, result->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_status status = mw_json_parse(&arena, mw_buf_text(result), result->size, &tree, err);
    if (!status) {
        if (op->verdict) *ret_verdict = op->verdict(tree);
        if (json) {
            mw_buf_add_str(&text, mw_buf_str(result));
            mw_buf_add_char(&text, '\n');
        } else {
            tame(&arena, (mw_json *)tree); /* it lies in our arena */
            (op->print ? op->print : print_generic)(tree, &text);
        }
        status = mw_buf_status(&text, "the text", err);
    }
    if (!status) status = mw_print(mw_buf_text(&text), text.size, err);
    mw_buf_done(&text);
    mw_arena_done(&arena);
    return status;
}

static void print_tame(const char *before, const char *text) {
    mw_arena arena;
    mw_arena_init(&arena, NULL);
    mw_str shown = mw_str_of(text);
    tame_text(&arena, &shown);
    (void)fprintf(stderr, "%s%.*s\n", before, (int)shown.size, shown.data);
    mw_arena_done(&arena);
}

static void print_one(const char *message, const char *pointer, const char *hint) {
    print_tame("millwright: ", message);
    if (pointer[0]) print_tame("  where: ", pointer);
    if (hint[0]) print_tame("  hint: ", hint);
}

static void print_faults(const mw_faults *faults) {
    for (const mw_fault *fault = faults->first; fault; fault = fault->next)
        print_one(fault->detail, fault->pointer, fault->hint);
    if (faults->n_all > faults->n_listed)
        (void)fprintf(stderr, "millwright: and %zu more\n", faults->n_all - faults->n_listed);
}

void mw_print_error(const mw_err *err, const mw_faults *faults, bool json) {
    if (!err->message[0]) return;
    if (faults && faults->first)
        print_faults(faults);
    else
        print_one(err->message, err->pointer, err->hint);
    if (!json) return;
    mw_buf problem;
    mw_buf_init(&problem, NULL, (size_t)MW_LIMIT(JSON_BYTES));
    mw_problem_write(mw_status_http(err->code), err, faults, NULL, &problem);
    (void)printf("%s\n", mw_buf_text(&problem));
    mw_buf_done(&problem);
}
