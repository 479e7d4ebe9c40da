/*
 * fuzz_time_form.c -- lines as a column of times: the first names the form, the others are its fields.
 *
 * Holds  the reader of columns equals that of single texts, in every part; a form's name gives the same form again; what
 *        is detected reads as many samples as it says.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/civil.h"
#include "core/text/datetime.h"
#include "core/text/time_form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST = 64, MOST_BYTES = 4096 };

typedef struct column {
    char room[MW_FIELDS_SLACK + MOST_BYTES + MW_FIELDS_SLACK];
    uint32_t marks[MOST + 1];
    mw_str texts[MOST];
    size_t n;
} column;

static void fill(column *c, const char *text, size_t size) {
    memset(c->room, 0, sizeof c->room);
    char *copy = c->room + MW_FIELDS_SLACK;
    memcpy(copy, text, size);
    c->marks[0] = UINT32_MAX;
    c->n = 0;
    for (size_t i = 0; i < size && c->n < MOST; i++) {
        if (copy[i] != '\n') continue;
        size_t begin = c->marks[c->n] + 1u;
        if (c->n == 0) begin = 0;
        c->texts[c->n] = (mw_str){copy + begin, i - begin};
        c->marks[++c->n] = (uint32_t)i;
    }
}

static void check_column(const column *c, const mw_time_form *form, mw_time_part part) {
    int64_t out[MOST];
    uint32_t odd[MOST];
    mw_fields fields = {
        .text = c->room + MW_FIELDS_SLACK, .marks = c->marks, .stride = 1, .n = c->n, .quote = '"'};
    size_t n_odd = mw_time_read_fields(&fields, form, part, out, odd), k = 0;
    for (size_t i = 0; i < c->n; i++) {
        mw_str field = mw_fields_at(&fields, i);
        char *exact = malloc(field.size + 1);
        if (!exact) return;
        memcpy(exact, field.data, field.size);
        int64_t want = MW_TIME_NONE;
        bool good = mw_time_form_read(form, part, exact, field.size, &want);
        free(exact);
        if (out[i] != want) abort();
        if (good && part == MW_TIME_CLOCK && (want < 0 || want > MW_DAY_US + MW_SECOND_US)) abort();
        if (good && part != MW_TIME_CLOCK && (want < MW_TIME_FIRST_US || want >= MW_TIME_END_US))
            abort();
        if (!good && (k >= n_odd || odd[k++] != i)) abort();
    }
    if (k != n_odd) abort();
}

static bool is_same(const mw_time_form *a, const mw_time_form *b) {
    return a->kind == b->kind && strcmp(a->pattern, b->pattern) == 0 &&
           memcmp(a->steps, b->steps, sizeof a->steps) == 0 && a->decimal == b->decimal &&
           a->zone == b->zone;
}

static void check_detected(const column *c, mw_time_part part, bool numbers) {
    mw_time_guess guess;
    if (!mw_time_form_detect(c->texts, c->n, part, numbers, &guess)) return;
    size_t n = 0;
    int64_t us;
    for (size_t i = 0; i < c->n; i++)
        n += mw_time_form_read(&guess.form, part, c->texts[i].data, c->texts[i].size, &us);
    double share = (double)n / (double)c->n;
    if (n * 2 < c->n || guess.confidence > share) abort();
    if (!guess.ambiguous && guess.confidence != share) abort();
    check_column(c, &guess.form, part);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static column c;
    char name[MW_TIME_FORM_TEXT + 8];
    const char *text = (const char *)data, *end = memchr(text, '\n', size);
    size_t n = end ? (size_t)(end - text) : 0;
    if (!end || n >= sizeof name || size - n - 1 > MOST_BYTES) return 0;
    memcpy(name, text, n);
    name[n] = '\0';
    fill(&c, end + 1, size - n - 1);
    mw_time_form form, again;
    mw_err err;
    if (mw_time_form_of(name, &form, &err) == MW_OK) {
        mw_time_form_name(&form, name);
        if (mw_time_form_of(name, &again, &err) != MW_OK || !is_same(&form, &again)) abort();
        for (int part = MW_TIME_STAMP; part <= MW_TIME_CLOCK; part++)
            check_column(&c, &form, (mw_time_part)part);
    }
    for (int part = MW_TIME_STAMP; part <= MW_TIME_CLOCK; part++) {
        check_detected(&c, (mw_time_part)part, false);
        check_detected(&c, (mw_time_part)part, true);
    }
    return 0;
}
