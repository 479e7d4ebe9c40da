/* print.c -- see print.h. */
#include "run/cli/print.h"

#include <errno.h>
#include <stdio.h>

#include "core/base/limits.h"
#include "run/serve/problem.h"

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
            (op->print ? op->print : print_generic)(tree, &text);
        }
        status = mw_buf_status(&text, "the text", err);
    }
    if (!status) status = mw_print(mw_buf_text(&text), text.size, err);
    mw_buf_done(&text);
    mw_arena_done(&arena);
    return status;
}

void mw_print_error(const mw_err *err, bool json) {
    if (!err->message[0]) return;
    (void)fprintf(stderr, "millwright: %s\n", err->message);
    if (err->pointer[0]) (void)fprintf(stderr, "  where: %s\n", err->pointer);
    if (err->hint[0]) (void)fprintf(stderr, "  hint: %s\n", err->hint);
    if (!json) return;
    mw_buf problem;
    mw_buf_init(&problem, NULL, 8192);
    mw_problem_write(mw_status_http(err->code), err, NULL, &problem);
    (void)printf("%s\n", mw_buf_text(&problem));
    mw_buf_done(&problem);
}
