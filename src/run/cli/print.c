/* print.c -- see print.h. */
#include "run/cli/print.h"

#include <stdio.h>

#include "core/base/limits.h"

/* name: value lines; nested values as compact JSON. */
static void print_generic(const mw_json *result, mw_buf *out) {
    for (const mw_json *item = result->first; item; item = item->next) {
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

static mw_status write_out(const char *data, size_t size, mw_err *err) {
    if (fwrite(data, 1, size, stdout) == size && fflush(stdout) == 0) return MW_OK;
    return mw_fail(err, MW_EIO, "standard output cannot be written");
}

static bool is_json(const mw_op *op) {
    return !op->content_type || mw_str_is(mw_str_of(op->content_type), "application/json");
}

mw_status mw_print_result(const mw_op *op, const mw_buf *result, bool json, mw_err *err) {
    if (json || !is_json(op)) {
        mw_status status = write_out(mw_buf_text(result), result->size, err);
        return status || !is_json(op) ? status : write_out("\n", 1, err);
    }
    mw_arena arena;
    mw_arena_init(&arena, result->mem);
    const mw_json *tree;
    mw_buf text;
    mw_buf_init(&text, result->mem, (size_t)MW_LIMIT(JSON_BYTES));
    mw_status status = mw_json_parse(&arena, mw_buf_text(result), result->size, &tree, err);
    if (!status) {
        (op->print ? op->print : print_generic)(tree, &text);
        status = mw_buf_status(&text, "the text", err);
    }
    if (!status) status = write_out(mw_buf_text(&text), text.size, err);
    mw_buf_done(&text);
    mw_arena_done(&arena);
    return status;
}

void mw_print_error(const mw_err *err, bool json) {
    (void)fprintf(stderr, "millwright: %s\n", err->message);
    if (err->pointer[0]) (void)fprintf(stderr, "  where: %s\n", err->pointer);
    if (err->hint[0]) (void)fprintf(stderr, "  hint: %s\n", err->hint);
    if (!json) return;
    mw_buf problem;
    mw_buf_init(&problem, NULL, 8192);
    mw_op_write_problem(err, mw_status_http(err->code), &problem);
    (void)printf("%s\n", mw_buf_text(&problem));
    mw_buf_done(&problem);
}
