/*
 * profile_header.c -- how numbers are written, whether the first row names the columns, whether the second holds units, and what the
 * columns are called. Each column votes: a text above numbers is for a header, a number above numbers against one, a known
 * name decides much, a text that comes again below is data.
 */
#include <stdio.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/text/number.h"
#include "keep/ingest/cells.h"
#include "keep/ingest/layout.h"
#include "keep/ingest/profile_build.h"

/* --- decimal and thousands marks --- */

static bool mostly_numbers(const mw_column_sum *sum) {
    uint32_t numbers = sum->kinds[MW_SNIFF_PLAIN] + sum->kinds[MW_SNIFF_NUMBER];
    uint32_t others = sum->kinds[MW_SNIFF_TEXT] + sum->kinds[MW_SNIFF_TIME];
    return numbers > 0 && numbers >= others;
}

typedef struct way_sums {
    uint64_t ways[MW_SNIFF_WAYS], marked, plain;
} way_sums;

static way_sums sum_ways(const mw_profiling *build) {
    way_sums sums = {.marked = 0};
    for (uint32_t i = 0; i < build->n; i++) {
        const mw_column_sum *sum = &build->sums[i];
        if (!mostly_numbers(sum)) continue;
        for (int w = 0; w < MW_SNIFF_WAYS; w++) sums.ways[w] += sum->ways[w];
        sums.marked += sum->kinds[MW_SNIFF_NUMBER];
        sums.plain += sum->kinds[MW_SNIFF_PLAIN];
    }
    return sums;
}

static bool allowed(const mw_profiling *build, int way) {
    const mw_forced *forced = build->forced;
    if (forced->has_decimal && mw_sniff__ways[way].decimal != forced->dialect.decimal) return false;
    return !forced->has_thousands || mw_sniff__ways[way].thousands == forced->dialect.thousands;
}

/* The simplest of the ways that read most; a comma that separates fields is a decimal mark only without rival. */
static int best_way(const mw_profiling *build, const way_sums *sums) {
    bool comma = build->sniffed.dialect.separator == ',' && !build->sniffed.dialect.blanks;
    int best = -1;
    for (int w = 0; w < MW_SNIFF_WAYS; w++) {
        if (!allowed(build, w)) continue;
        bool instead = best >= 0 && comma && sums->ways[w] == sums->ways[best] &&
                       mw_sniff__ways[best].decimal == ',' && mw_sniff__ways[w].decimal == '.';
        if (best < 0 || sums->ways[w] > sums->ways[best] || instead) best = w;
    }
    return best;
}

mw_status mw_profile__choose_way(mw_profiling *build, mw_err *err) {
    way_sums sums = sum_ways(build);
    build->way = best_way(build, &sums);
    if (build->way >= 0) return MW_OK;
    mw_fail(err, MW_EINVAL, "thousands: is not a mark that goes with this decimal mark");
    return mw_err_at(err, "thousands");
}

mw_status mw_profile__settle_numbers(mw_profiling *build, mw_err *err) {
    const mw_forced *forced = build->forced;
    mw_dialect *dialect = &build->profile->dialect;
    mw_status status = mw_profile__choose_way(build, err);
    if (status != MW_OK) return status;
    way_sums sums = sum_ways(build);
    int best = build->way;
    dialect->decimal = mw_sniff__ways[best].decimal;
    dialect->thousands = mw_sniff__ways[best].thousands;
    double sure = (double)(sums.ways[best] + 1) / (double)(sums.marked + 2);
    const char *note = NULL;
    if (sums.marked == 0) sure = 0.5, note = "no number of the sample has a mark";
    for (int w = 0; w < MW_SNIFF_WAYS; w++) {
        bool other = mw_sniff__ways[w].decimal != dialect->decimal && allowed(build, w);
        if (!other || !sums.marked || sums.ways[w] < sums.ways[best]) continue;
        sure = sure < 0.5 ? sure : 0.5;
        note = "every mark could be the decimal one or the one between thousands";
    }
    char value[4] = {'\'', dialect->decimal, '\'', 0},
         other[4] = {'\'', dialect->thousands, '\'', 0};
    status = mw_profile__note(build, "decimal", value, sure, forced->has_decimal, note, err);
    if (status != MW_OK) return status;
    return mw_profile__note(build, "thousands", dialect->thousands ? other : "none", sure,
                            forced->has_thousands, note, err);
}

/* --- the row of units --- */

static double judge_units(const mw_profiling *build) {
    uint32_t known = 0, strange = 0, numeric = 0, covered = 0;
    for (uint32_t i = 0; i < build->n; i++) {
        mw_column_count count = mw_profile__count(build, i);
        bool number = 2 * count.numbers > count.values;
        mw_str cell = build->second[i];
        uint32_t ways;
        mw_sniff_kind kind = mw_sniff__cell(cell, &ways);
        numeric += number;
        if (kind == MW_SNIFF_MISSING) continue;
        if (kind != MW_SNIFF_TEXT && kind != MW_SNIFF_MARK) return 0;
        bool unit = mw_profile__is_unit(cell);
        if (kind == MW_SNIFF_MARK) continue;
        known += unit && (number || count.values == 0 || !build->sums[i].kinds[MW_SNIFF_TEXT]);
        strange += !unit;
        covered += number;
    }
    if (numeric == 0 || covered == 0 || build->n_rows == 0) return 0;
    if (known > 0) return known >= strange ? 0.95 : 0.6;
    return covered == numeric && build->n_rows >= 2 ? 0.6 : 0;
}

/* --- header --- */

typedef struct votes {
    double sum, n;
} votes;

static votes vote(const mw_profiling *build, uint32_t column, mw_str head) {
    uint32_t ways;
    mw_sniff_kind kind = mw_sniff__cell(head, &ways);
    mw_column_count count = mw_profile__count(build, column);
    uint32_t typed = count.numbers + count.bools + count.times;
    bool text = kind == MW_SNIFF_TEXT || kind == MW_SNIFF_MARK;
    if (text && mw_layout_is_known(head)) return (votes){2, 2};
    if (kind == MW_SNIFF_MISSING) return (votes){0, 0};
    if (count.values == 0) return text ? (votes){0.2, 1} : (votes){-0.5, 1};
    if (5 * typed >= 3 * count.values) return text ? (votes){1, 1} : (votes){-1, 1};
    if (!text) return (votes){-0.5, 1};
    return build->sums[column].like_head ? (votes){-1, 1} : (votes){0.1, 1};
}

/* "0,1,2,...": numbers that count columns, as data frames without names are written. */
static bool counts_columns(const mw_profiling *build, const mw_str *head) {
    int64_t first = 0, number;
    uint32_t from = build->n && head[0].size == 0 ? 1 : 0;
    if (build->n < from + 3 || build->n_rows + build->has_second < 2) return false;
    for (uint32_t i = from; i < build->n; i++) {
        if (!mw_number_read_int(head[i].data, head[i].size, &number)) return false;
        if (i == from) first = number;
        if (number != first + i - from) return false;
    }
    /* Whole numbers below could be further rows of the same kind. */
    uint32_t fractions = 0;
    for (uint32_t i = from; i < build->n; i++)
        fractions += build->sums[i].kinds[MW_SNIFF_NUMBER] > 0;
    return (first == 0 || first == 1) && (2 * fractions >= build->n - from || build->n >= 16);
}

static double judge(const mw_profiling *build, const mw_str *head, const char **note) {
    votes all = {0, 0};
    for (uint32_t i = 0; i < build->n; i++) {
        votes one = vote(build, i, head[i]);
        all.sum += one.sum;
        all.n += one.n;
    }
    double mean = all.n > 0 ? all.sum / all.n : -1;
    if (mean < 0 && counts_columns(build, head)) {
        *note = "the first line counts the columns";
        return 0.4;
    }
    *note = mean > -0.2 && mean < 0.2 ? "first line and other lines look alike" : NULL;
    return mean;
}

/* Puts another first row above the one found, which is the second then; what was the second is data. */
static void push_down(mw_profiling *build, const mw_str *row, bool *lent) {
    if (build->has_second && !*lent) mw_profile__sum_row(build, build->second, build->n);
    memcpy(build->second, build->head, build->n * sizeof *row);
    memcpy(build->head, row, build->n * sizeof *row);
    build->has_second = true;
    *lent = false;
    build->third_at = build->second_at;
    build->third_line = build->second_line;
    build->second_at = build->head_at;
    build->second_line = build->head_line;
}

static uint32_t count_known(const mw_str *row, uint32_t n) {
    uint32_t known = 0;
    for (uint32_t i = 0; i < n; i++) known += mw_layout_is_known(row[i]);
    return known;
}

/* A sentence with as many commas right above the header: known names stand in the second row only. The cut for the
 * rows behind has taken the third row for data already, so only the first row goes. */
static void drop_sentence(mw_profiling *build) {
    if (!build->has_second || build->n_rows == 0 || build->forced->has_skip_lines) return;
    if (count_known(build->head, build->n) || !count_known(build->second, build->n)) return;
    if (judge_units(build) > 0.9) return;
    memcpy(build->head, build->second, build->n * sizeof *build->head);
    build->head_at = build->second_at;
    build->head_line = build->second_line;
    build->second_at = build->third_at;
    build->second_line = build->third_line;
    build->has_second = false;
    build->n_above++;
}

/* R writes no name above the row names; other programs end rows, but not the header, in a separator. */
static bool take_short_header(mw_profiling *build, bool *lent) {
    if (build->n_before == 0 || build->n < 2) return false;
    if (build->forced->has_skip_lines && build->n_above != 1) return false;
    bool last_empty = build->sums[build->n - 1].kinds[MW_SNIFF_MISSING] == build->n_rows &&
                      build->head[build->n - 1].size == 0;
    bool longer = build->n_before == build->n + 1 && build->before[build->n].size == 0;
    if (build->n_before + 1 != build->n && !longer) return false;
    uint32_t shift = build->n_before + 1 == build->n && !last_empty;
    mw_str *row = build->before;
    if (shift) memmove(row + 1, row, build->n_before * sizeof *row), row[0] = (mw_str){"", 0};
    if (!shift && !longer) row[build->n - 1] = (mw_str){"", 0};
    const char *note;
    if (judge(build, row, &note) <= judge(build, build->head, &note) ||
        judge(build, row, &note) <= 0)
        return false;
    push_down(build, row, lent);
    build->head_line = build->before_line;
    build->n_above--;
    return true;
}

static mw_status settle_units(mw_profiling *build, mw_err *err) {
    const mw_forced *forced = build->forced;
    mw_profile *profile = build->profile;
    double confidence = build->has_second && profile->has_header ? judge_units(build) : 0;
    profile->has_units = forced->has_units ? forced->units : confidence >= 0.5;
    if (profile->has_units && !build->has_second) profile->has_units = false;
    if (profile->has_units)
        profile->data_line = build->third_line, profile->data_offset = build->third_at;
    else if (build->has_second)
        mw_profile__sum_row(build, build->second, build->n);
    return mw_profile__note(
        build, "units", profile->has_units ? "a line under the header" : "none",
        forced->has_units    ? 1
        : profile->has_units ? confidence
                             : 0.95,
        forced->has_units,
        profile->has_units && confidence < 0.8 ? "words above numbers; they may be data" : NULL,
        err);
}

/* A last comment line before the table may name its columns: "# time value". */
static mw_status take_commented_header(mw_profiling *build, bool *ret, mw_err *err) {
    char comment = build->sniffed.dialect.comment;
    *ret = false;
    if (!comment || build->head_at == 0 || build->n < 2) return MW_OK;
    size_t end = build->head_at - 1, at = end;
    while (at > 0 && build->text.data[at - 1] != '\n') at--;
    if (build->text.data[at] != comment) return MW_OK;
    while (at < end && build->text.data[at] == comment) at++;
    while (at < end && build->text.data[at] == ' ') at++;
    mw_dialect plain = build->sniffed.dialect;
    plain.comment = 0;
    mw_sniff_cut cut;
    mw_str line = {build->text.data + at, end - at};
    mw_sniff__cut_init(&cut, build->ctx->mem, &plain, line);
    if (mw_sniff__next(&cut) && !cut.bad && cut.n_fields == build->n) {
        for (uint32_t i = 0; i < build->n; i++) build->before[i] = mw_str_trim(cut.fields[i]);
        const char *note;
        *ret = judge(build, build->before, &note) > 0.5 && judge(build, build->head, &note) < 0.5;
    }
    bool failed = cut.failed;
    mw_sniff__cut_done(&cut);
    return failed ? mw_fail_nomem(err, "reading a sample") : MW_OK;
}

static mw_status note_header(mw_profiling *build, double mean, const char *note, mw_err *err) {
    const mw_forced *forced = build->forced;
    double size = mean < 0 ? -mean : mean, confidence = 0.5 + 0.5 * (size < 1 ? size : 1);
    if (confidence > 0.99) confidence = 0.99;
    return mw_profile__note(build, "header", build->profile->has_header ? "yes" : "no",
                            forced->has_header ? 1 : confidence, forced->has_header, note, err);
}

/* The lines that reading must skip: none when all of them are blank or comments. */
static mw_status note_preamble(mw_profiling *build, mw_err *err) {
    const mw_forced *forced = build->forced;
    char value[32];
    build->profile->skip_lines += build->n_above ? (uint32_t)(build->head_line - 1) : 0;
    (void)snprintf(value, sizeof value, "%u lines", build->profile->skip_lines);
    return mw_profile__note(build, "preamble", value, forced->has_skip_lines ? 1 : 0.95,
                            forced->has_skip_lines, NULL, err);
}

mw_status mw_profile__settle_header(mw_profiling *build, mw_err *err) {
    const mw_forced *forced = build->forced;
    mw_profile *profile = build->profile;
    const char *note = NULL;
    bool none = forced->has_header && !forced->header, above = false, shorter = false;
    /* Without a third row the second is all that is known of the data. */
    bool lent = build->has_second && build->n_rows == 0;
    if (lent) mw_profile__sum_row(build, build->second, build->n);
    mw_status status = mw_profile__choose_way(build, err);
    if (status == MW_OK && !none) status = take_commented_header(build, &above, err);
    if (status != MW_OK) return status;
    if (!none && !above) drop_sentence(build);
    if (above)
        push_down(build, build->before, &lent);
    else
        shorter = !none && take_short_header(build, &lent);
    if (forced->has_skip_lines && build->n_above > 0) {
        mw_fail(err, MW_EINVAL, "skip_lines: line %llu has not the %u fields that the rows have",
                (unsigned long long)build->before_line + forced->skip_lines, build->n);
        return mw_err_at(err, "skip_lines");
    }
    double mean = judge(build, build->head, &note);
    profile->has_header = forced->has_header ? forced->header : mean > 0;
    if (above) note = "the header is a comment line";
    if (shorter) note = "the header has another number of fields than the rows";
    if (lent) memset(build->sums, 0, build->n * sizeof *build->sums), build->n_rows = 0;
    profile->data_line = profile->has_header ? build->second_line : build->head_line;
    profile->data_offset = profile->has_header ? build->second_at : build->head_at;
    if (!profile->has_header) mw_profile__sum_row(build, build->head, build->n);
    status = note_preamble(build, err);
    if (status == MW_OK) status = note_header(build, mean, note, err);
    if (status == MW_OK) status = settle_units(build, err);
    return status == MW_OK ? mw_profile__settle_numbers(build, err) : status;
}
