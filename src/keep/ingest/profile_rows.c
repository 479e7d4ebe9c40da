/*
 * profile_rows.c -- where the table begins in the sample, and what the cells of each column are. The head of the table is the first
 * row with the usual number of fields that is followed by another such row: a sentence before it may have as many commas
 * by chance, but not twice.
 */
#include <string.h>

#include "core/base/limits.h"
#include "core/base/hash.h"
#include "keep/ingest/profile_build.h"

enum { CHECK_ROWS = 1024 };

/* What the caller said means no value. */
static bool is_given_mark(const mw_profiling *build, mw_str cell) {
    for (size_t i = 0; i < build->forced->n_missing; i++)
        if (mw_str_is(cell, build->forced->missing[i])) return true;
    return false;
}

static void note_word(mw_column_sum *sum, mw_str word) {
    uint32_t hash = (uint32_t)mw_hash64(word.data, word.size);
    for (uint32_t i = 0; i < sum->n_words && i < MW_SUM_WORDS; i++)
        if (sum->words[i] == hash) return;
    if (sum->n_words < MW_SUM_WORDS) sum->words[sum->n_words] = hash;
    for (size_t i = 0; i < word.size && sum->n_words < MW_SUM_WORDS; i++) {
        if ((unsigned)(word.data[i] - '0') > 9) continue;
        sum->n_figures++;
        break;
    }
    if (sum->n_words <= MW_SUM_WORDS) sum->n_words++;
}

void mw_profile__sum_row(mw_profiling *build, const mw_str *cells, uint32_t n) {
    for (uint32_t i = 0; i < n; i++) {
        mw_column_sum *sum = &build->sums[i];
        uint32_t ways;
        mw_str cell = mw_str_trim(cells[i]);
        mw_sniff_kind kind = mw_sniff__cell(cell, &ways);
        if (is_given_mark(build, cell)) kind = MW_SNIFF_MISSING;
        sum->kinds[kind]++;
        if (kind == MW_SNIFF_NUMBER)
            for (int w = 0; w < MW_SNIFF_WAYS; w++) sum->ways[w] += ways >> w & 1;
        if (kind == MW_SNIFF_TEXT || kind == MW_SNIFF_TIME) note_word(sum, cell);
        if (kind == MW_SNIFF_TEXT) sum->like_head += mw_str_eq(cell, build->head[i]);
    }
    build->n_rows++;
}

static void copy_cells(mw_str *to, const mw_sniff_cut *cut, uint32_t n) {
    for (uint32_t i = 0; i < n; i++)
        to[i] = i < cut->n_fields ? mw_str_trim(cut->fields[i]) : (mw_str){"", 0};
}

/* As many fields as the table has, or one more that is empty: a separator at the line's end. */
static bool fits(const mw_profiling *build, const mw_sniff_cut *cut) {
    return !cut->bad && cut->n_fields == build->n;
}

/* Names only, all different. */
static bool is_title(const mw_sniff_cut *cut) {
    uint32_t ways;
    for (uint32_t i = 0; i < cut->n_fields; i++) {
        mw_str cell = mw_str_trim(cut->fields[i]);
        if (mw_sniff__cell(cell, &ways) != MW_SNIFF_TEXT) return false;
        for (uint32_t k = 0; k < i; k++)
            if (mw_str_eq(cell, mw_str_trim(cut->fields[k]))) return false;
    }
    return true;
}

static bool has_value(const mw_sniff_cut *cut) {
    uint32_t ways;
    for (uint32_t i = 0; i < cut->n_fields; i++) {
        mw_sniff_kind kind = mw_sniff__cell(mw_str_trim(cut->fields[i]), &ways);
        if (kind == MW_SNIFF_PLAIN || kind == MW_SNIFF_NUMBER || kind == MW_SNIFF_TIME) return true;
    }
    return false;
}

/*
 * Rows above the head that are filled up with separators, as spreadsheets write them ("Site:,North,"): each ends in an empty
 * cell, and then come names without a gap and a row of values.
 */
static size_t count_padded(const mw_profiling *build) {
    enum { MOST_PADDED = 32 };
    mw_sniff_cut cut;
    mw_sniff__cut_init(&cut, build->ctx->mem, &build->sniffed.dialect, build->text);
    size_t n = 0;
    bool titled = false, more = mw_sniff__next(&cut);
    for (; more && n < MOST_PADDED && fits(build, &cut) && build->n > 1; n++) {
        titled = is_title(&cut);
        if (titled || mw_str_trim(cut.fields[build->n - 1]).size) break;
        more = mw_sniff__next(&cut);
    }
    titled = titled && n > 0 && mw_sniff__next(&cut) && fits(build, &cut) && has_value(&cut);
    mw_sniff__cut_done(&cut);
    return titled ? n : 0;
}

/* Finds the head; false when no row has the usual number of fields. The cut stands behind the second row. */
static bool find_head(mw_profiling *build, mw_sniff_cut *cut) {
    bool found = false, fixed = build->forced->has_skip_lines;
    size_t padded = fixed || build->forced->has_header ? 0 : count_padded(build);
    while (mw_sniff__next(cut)) {
        bool above = padded > 0;
        padded -= above;
        if (!above && fits(build, cut)) {
            if (found) {
                copy_cells(build->second, cut, build->n);
                build->has_second = true;
                build->second_at = cut->row_at;
                build->second_line = cut->row_line;
                return true;
            }
            found = true;
            copy_cells(build->head, cut, build->n);
            build->head_at = cut->row_at;
            build->head_line = cut->row_line;
            build->second_at = cut->at;
            build->second_line = cut->line;
            continue;
        }
        if (fixed && found) return true;
        build->n_above += 1 + found;
        found = false;
        build->before_line = cut->row_line;
        build->n_before = cut->n_fields <= build->n + 1 ? cut->n_fields : 0;
        copy_cells(build->before, cut, build->n_before);
    }
    return found;
}

/* The last row alone has the usual number of fields, or rows alternate: the first of them is the head. */
static bool find_any_head(mw_profiling *build, mw_sniff_cut *cut) {
    mw_sniff__cut_init(cut, build->ctx->mem, &build->sniffed.dialect, build->text);
    build->n_above = 0;
    while (mw_sniff__next(cut)) {
        if (!fits(build, cut)) {
            build->n_above++;
            continue;
        }
        copy_cells(build->head, cut, build->n);
        build->head_at = cut->row_at;
        build->head_line = cut->row_line;
        build->second_at = cut->at;
        build->second_line = cut->line;
        return true;
    }
    return false;
}

static mw_status sum_rest(mw_profiling *build, mw_sniff_cut *cut, mw_err *err) {
    for (uint64_t i = 0; mw_sniff__next(cut); i++) {
        if (i % CHECK_ROWS == 0) {
            mw_status status = mw_ctx_check(build->ctx, err);
            if (status != MW_OK) return status;
        }
        if (fits(build, cut))
            mw_profile__sum_row(build, cut->fields, build->n);
        else
            build->n_odd++;
    }
    return cut->failed ? mw_fail_nomem(err, "reading a sample") : MW_OK;
}

static mw_status make_room(mw_profiling *build, mw_err *err) {
    mw_arena *arena = &build->profile->arena;
    size_t n = build->n;
    build->before = mw_arena_calloc(arena, n + 1, sizeof *build->before);
    build->head = mw_arena_calloc(arena, n, sizeof *build->head);
    build->second = mw_arena_calloc(arena, n, sizeof *build->second);
    build->names = mw_arena_calloc(arena, n, sizeof *build->names);
    build->sums = mw_arena_calloc(arena, n, sizeof *build->sums);
    if (build->before && build->head && build->second && build->names && build->sums) return MW_OK;
    return mw_fail_nomem(err, "reading a sample");
}

mw_status mw_profile__find_rows(mw_profiling *build, mw_err *err) {
    mw_status status = make_room(build, err);
    if (status != MW_OK) return status;
    mw_sniff_cut cut;
    mw_sniff__cut_init(&cut, build->ctx->mem, &build->sniffed.dialect, build->text);
    bool found = find_head(build, &cut);
    if (!found && !cut.failed) {
        mw_sniff__cut_done(&cut);
        found = find_any_head(build, &cut);
    }
    build->third_at = cut.at;
    build->third_line = cut.line;
    status = cut.failed ? mw_fail_nomem(err, "reading a sample") : MW_OK;
    if (status == MW_OK && found) status = sum_rest(build, &cut, err);
    build->profile->looked_bytes += cut.at;
    mw_sniff__cut_done(&cut);
    if (status != MW_OK || found) return status;
    mw_fail(err, MW_EDATA, "is no table: no line has fields");
    return mw_err_hint(err, "A table has a line of column names and data lines.");
}

mw_column_count mw_profile__count(const mw_profiling *build, uint32_t column) {
    const mw_column_sum *sum = &build->sums[column];
    const uint32_t *kinds = sum->kinds;
    mw_column_count count = {
        .numbers = kinds[MW_SNIFF_PLAIN] + sum->ways[build->way] + kinds[MW_SNIFF_INFINITE],
        .bools = kinds[MW_SNIFF_BOOL],
        .times = kinds[MW_SNIFF_TIME],
        .marks = kinds[MW_SNIFF_MARK],
        .texts = kinds[MW_SNIFF_TEXT] + kinds[MW_SNIFF_NUMBER] - sum->ways[build->way],
    };
    count.values = count.numbers + count.bools + count.times + count.texts;
    return count;
}
