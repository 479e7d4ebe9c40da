/*
 * fuzz_form.c -- bytes into the reader of forms.
 *
 * Oracle: however the bytes are cut into pieces, the same fields and files come out, and the same
 * refusal. The first byte of the input chooses the cut; the boundary is "b-0".
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "run/serve/form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct outcome {
    uint64_t hash;
    int n_fields, n_files;
    bool ended;
    mw_status failed;
} outcome;

static void check(bool ok, const char *what) {
    if (ok) return;
    fprintf(stderr, "%s\n", what);
    abort();
}

static void add(outcome *to, const char *data, size_t size) {
    for (size_t i = 0; i < size; i++)
        to->hash = (to->hash ^ (unsigned char)data[i]) * UINT64_C(1099511628211);
}

static void see(outcome *to, const mw_form *form, mw_form_event event) {
    if (event == MW_FORM_FIELD || event == MW_FORM_FILE) {
        check(mw_utf8_valid(form->name, strlen(form->name)), "a name is not UTF-8");
        add(to, form->name, strlen(form->name) + 1);
    }
    if (event == MW_FORM_FIELD) {
        to->n_fields++;
        check(form->value.size <= (size_t)MW_LIMIT(STRING_BYTES), "a value is too large");
        add(to, form->value.data, form->value.size);
    }
    if (event == MW_FORM_FILE) {
        to->n_files++;
        add(to, form->file_name, strlen(form->file_name) + 1);
    }
    if (event == MW_FORM_DATA) {
        check(form->data.size > 0, "no data");
        add(to, form->data.data, form->data.size);
    }
}

static outcome run(const char *data, size_t size, size_t piece) {
    outcome to = {.hash = UINT64_C(14695981039346656037)};
    mw_form form;
    mw_form_init(&form, NULL, "b-0");
    for (size_t at = 0; at < size && to.failed == MW_OK; at += piece) {
        const size_t n = size - at < piece ? size - at : piece;
        /* A copy of its own, so that reading past the end is seen. */
        char *copy = malloc(n);
        if (!copy) abort();
        memcpy(copy, data + at, n);
        size_t used = 0;
        while (used < n && to.failed == MW_OK) {
            size_t now = SIZE_MAX;
            const mw_form_event event = mw_form_feed(&form, copy + used, n - used, &now);
            check(now <= n - used, "used more than was given");
            used += now;
            see(&to, &form, event);
            if (event == MW_FORM_ERROR) to.failed = form.error.code;
            check(event != MW_FORM_MORE || used == n, "asked for more with bytes left");
        }
        free(copy);
    }
    to.ended = mw_form_ended(&form);
    mw_form_done(&form);
    return to;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < 2) return 0;
    const char *bytes = (const char *)data + 1;
    char boundary[MW_FORM_BOUNDARY_MAX + 1];
    const outcome whole = run(bytes, size - 1, size);
    const outcome cut = run(bytes, size - 1, (size_t)data[0] % 61 + 1);
    check(whole.n_fields == cut.n_fields && whole.n_files == cut.n_files,
          "parts depend on the cut");
    check(whole.hash == cut.hash && whole.ended == cut.ended, "contents depend on the cut");
    check(whole.failed == cut.failed, "a refusal depends on the cut");
    if (mw_form_boundary((mw_str){bytes, size - 1}, boundary))
        check(strlen(boundary) > 0, "an empty boundary");
    return 0;
}
