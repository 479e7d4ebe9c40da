/*
 * text_kernels.c -- speed of csv_index.h and of mw_number_read_fields at every CPU level, on rows of 35 short decimals
 * made here.
 *
 * Shown      best of many short repetitions, one thread: GB of text a second for the index, ns a field and GB of text a
 *            second for the numbers of all columns; indexed and read in parts of the named size, as an ingest does.
 * Usage      text_kernels [MEGABYTES [DIGITS [quoted]]]   DIGITS: how many a number has, about (default 7); quoted: every
 *            field stands in quotes and lines end in CRLF
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/clock.h"
#include "core/base/cpu.h"
#include "core/base/rng.h"
#include "core/text/csv_index.h"
#include "core/text/fields.h"

enum { COLUMNS = 35, SLACK = 64, PART_BYTES = 128 << 10, REPEATS = 9 };

typedef struct work {
    char *text;
    size_t size;
    uint32_t *marks;
    double *out;
    uint32_t *odd;
    size_t n_fields, n_odd;
    bool quoted;
    double sum;
} work;

static size_t number(mw_rng *rng, int digits, char *to) {
    double value = (double)mw_rng_below(rng, 10000000) / 1000;
    int n_fraction = (int)mw_rng_below(rng, 5);
    static const double scales[] = {1, 10, 100, 1000};
    value /= scales[mw_rng_below(rng, 4)];
    if (mw_rng_below(rng, 12) == 0) value = -value;
    char all[64];
    int n = snprintf(all, sizeof all, "%.*f", n_fraction + (digits > 7 ? digits - 7 : 0), value);
    if (digits <= 7 && n > 8) n = 8;
    if (all[n - 1] == '.') n--;
    memcpy(to, all, (size_t)n);
    return (size_t)n;
}

static void make_rows(work *w, size_t most, int digits) {
    mw_rng rng;
    mw_rng_init(&rng, 1, 0, 0);
    while (w->size + COLUMNS * 32 < most) {
        for (int k = 0; k < COLUMNS; k++) {
            if (w->quoted) w->text[w->size++] = '"';
            w->size += number(&rng, digits, w->text + w->size);
            if (w->quoted) w->text[w->size++] = '"';
            if (w->quoted && k == COLUMNS - 1) w->text[w->size++] = '\r';
            w->text[w->size++] = k == COLUMNS - 1 ? '\n' : ',';
            w->n_fields++;
        }
    }
}

/* The end of the last row that begins and ends within PART_BYTES of `from`. */
static size_t part_end(const work *w, size_t from) {
    if (w->size - from <= PART_BYTES) return w->size;
    size_t end = from + PART_BYTES;
    while (w->text[end - 1] != '\n') end--;
    return end;
}

static void run(work *w, bool numbers) {
    for (size_t at = 0, end; at < w->size; at = end) {
        end = part_end(w, at);
        mw_csv_index index;
        w->marks[0] = UINT32_MAX;
        mw_csv_index_block(&mw_dialect_csv, w->text + at, end - at, w->marks + 1, &index);
        if (index.irregular || index.n_marks % COLUMNS) abort();
        size_t n = index.n_marks / COLUMNS;
        for (size_t k = 0; numbers && k < COLUMNS; k++) {
            mw_fields fields = {.text = w->text + at,
                                .marks = w->marks + k,
                                .stride = COLUMNS,
                                .n = n,
                                .quote = w->quoted ? '"' : 0,
                                .cr = w->quoted && k == COLUMNS - 1};
            w->n_odd += mw_number_read_fields(&fields, '.', w->out, w->odd);
            w->sum += w->out[n - 1];
        }
    }
}

static double best_us(work *w, bool numbers) {
    double best = 1e18;
    for (int i = 0; i < REPEATS; i++) {
        int64_t begin = mw_clock_monotonic(&mw_clock_system);
        run(w, numbers);
        double took = (double)(mw_clock_monotonic(&mw_clock_system) - begin);
        if (took < best) best = took;
    }
    return best;
}

int main(int argc, char **argv) {
    size_t megabytes = argc > 1 ? (size_t)strtoul(argv[1], NULL, 10) : 16;
    int digits = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 7;
    size_t most = megabytes << 20;
    work w = {.text = malloc(most + 2 * SLACK),
              .marks = malloc((PART_BYTES + SLACK + 1) * sizeof *w.marks),
              .out = malloc(PART_BYTES * sizeof *w.out),
              .odd = malloc(PART_BYTES * sizeof *w.odd)};
    if (!w.text || !w.marks || !w.out || !w.odd) return 1;
    memset(w.text, ' ', most + 2 * SLACK);
    w.quoted = argc > 3;
    char *block = w.text;
    w.text += SLACK;
    make_rows(&w, most, digits);
    printf("%zu bytes, %zu fields, %.2f bytes each; parts of %d KB\n%-8s %12s %12s %12s\n", w.size,
           w.n_fields, (double)w.size / (double)w.n_fields, PART_BYTES >> 10, "level", "index GB/s",
           "numbers ns", "all GB/s");
    static const mw_cpu levels[] = {MW_CPU_SCALAR, MW_CPU_NEON, MW_CPU_AVX2, MW_CPU_AVX512};
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
        if (!mw_cpu_has(levels[l])) continue;
        mw_cpu_force(levels[l]);
        double index = best_us(&w, false), all = best_us(&w, true);
        printf("%-8s %12.2f %12.2f %12.2f\n", mw_cpu_name(levels[l]), (double)w.size / index / 1e3,
               (all - index) * 1e3 / (double)w.n_fields, (double)w.size / all / 1e3);
    }
    printf("odd %zu, sum %g\n", w.n_odd, w.sum);
    free(block);
    free(w.marks);
    free(w.out);
    free(w.odd);
    return 0;
}
