/*
 * profile_time.c -- which columns tell the time, and how it is written. By the header's names first; then the leftmost column whose
 * cells are dates; then one that counts cycles. What is named a time but cannot be read as one is an error, not a guess.
 */
#include <stdio.h>
#include <string.h>

#include "core/text/datetime.h"
#include "keep/ingest/cells.h"
#include "keep/ingest/layout.h"
#include "keep/ingest/profile_build.h"

/* Enough to see a form; all that the sample has where day and month could still be swapped. */
enum { SAMPLES = 2000, SAMPLES_MAX = 100000, ZONE_SAMPLES = 100 };

/* Cells of one column that hold something, in file order. */
typedef struct samples {
    mw_str *cells;
    size_t n;
} samples;

static bool is_missing(const mw_profiling *build, mw_str cell) {
    uint32_t ways;
    mw_sniff_kind kind = mw_sniff__cell(cell, &ways);
    if (kind == MW_SNIFF_MISSING || kind == MW_SNIFF_MARK) return true;
    for (size_t i = 0; i < build->forced->n_missing; i++)
        if (mw_str_is(cell, build->forced->missing[i])) return true;
    return false;
}

static mw_status collect(mw_profiling *build, int32_t column, size_t most, samples *ret,
                         mw_err *err) {
    size_t capacity = (size_t)build->n_rows + 2 < most ? (size_t)build->n_rows + 2 : most;
    *ret = (samples){mw_alloc_array(build->ctx->mem, capacity, sizeof *ret->cells), 0};
    if (!ret->cells) return mw_fail_nomem(err, "reading a sample");
    size_t skipped = build->profile->data_offset;
    mw_sniff_cut cut;
    mw_str rest = {build->text.data + skipped, build->text.size - skipped};
    mw_sniff__cut_init(&cut, build->ctx->mem, &build->sniffed.dialect, rest);
    mw_status status = MW_OK;
    for (size_t i = 0; ret->n < capacity && mw_sniff__next(&cut); i++) {
        if (i % 1024 == 0) status = mw_ctx_check(build->ctx, err);
        if (status != MW_OK) break;
        if (cut.bad || cut.n_fields != build->n) continue;
        mw_str cell = mw_str_trim(cut.fields[column]);
        if (!is_missing(build, cell)) ret->cells[ret->n++] = cell;
    }
    build->profile->looked_bytes += cut.at;
    if (cut.failed) status = mw_fail_nomem(err, "reading a sample");
    mw_sniff__cut_done(&cut);
    if (status != MW_OK) ret->cells = mw_free(ret->cells);
    return status;
}

/* A form that the caller names, checked against the samples. */
static mw_status force_form(mw_profiling *build, const char *name, mw_time_part part,
                            const samples *from, int32_t column, mw_time_guess *ret, mw_err *err) {
    mw_status status = mw_time_form_of(name, &ret->form, err);
    if (status != MW_OK) return mw_err_at(err, "time_format");
    ret->form.decimal = build->profile->dialect.decimal;
    size_t read = 0;
    int64_t us;
    for (size_t i = 0; i < from->n; i++)
        read += mw_time_form_read(&ret->form, part, from->cells[i].data, from->cells[i].size, &us);
    ret->confidence = 1;
    ret->note[0] = '\0';
    if (read > 0 || from->n == 0) return MW_OK;
    char shown[MW_CELL_SHOWN], title[MW_CELL_SHOWN];
    mw_fail(err, MW_EINVAL, "time_format: \"%s\" reads no time of column \"%s\", such as \"%s\"",
            name, mw_cell_show(build->names[column], title), mw_cell_show(from->cells[0], shown));
    mw_err_hint(
        err,
        "Letters: yyyy mm dd mon HH hh MM SS .f am zzz; or iso, unix-s, unix-ms, excel, cycle.");
    return mw_err_at(err, "time_format");
}

/* What is tried on one column. */
typedef struct time_trial {
    int32_t column;
    mw_time_part part;
    bool numbers;       /* plain numbers may be times */
    const char *format; /* forced, or NULL */
    mw_time_guess guess;
    bool found, empty; /* empty: no cell holds anything */
    bool zoned;        /* all stamps name their offset, or are counted from 1970 */
    bool some_zoned;   /* only some do */
    size_t n, n_other; /* cells that hold something; of them, those that look like no time */
    char first[MW_CELL_SHOWN], other[MW_CELL_SHOWN];
} time_trial;

/* In ISO, or in a pattern with a zone: elsewhere a sign behind a colon may be that of "10:00 25-01-2026". */
static bool names_offset(mw_str cell) {
    if (cell.size && (cell.data[cell.size - 1] | 0x20) == 'z') return true;
    mw_str last = cell.size > 3 ? (mw_str){cell.data + cell.size - 3, 3} : cell;
    if (mw_str_is_nocase(last, "utc") || mw_str_is_nocase(last, "gmt")) return true;
    const char *colon = memchr(cell.data, ':', cell.size);
    if (!colon) return false;
    for (const char *c = colon; c < cell.data + cell.size; c++)
        if (*c == '+' || *c == '-') return true;
    return false;
}

/* What stands among times and is none: after an open quote, or below a second header. */
static void find_others(time_trial *trial, const samples *from) {
    uint32_t ways;
    trial->n = from->n;
    trial->n_other = 0;
    for (size_t i = 0; i < from->n; i++) {
        if (mw_sniff__cell(from->cells[i], &ways) != MW_SNIFF_TEXT) continue;
        if (trial->n_other++ == 0) (void)mw_cell_show(from->cells[i], trial->other);
    }
}

/* With so many samples; *ret_more: more of them could decide what is still open. */
static mw_status try_samples(mw_profiling *build, time_trial *trial, size_t most, bool *ret_more,
                             mw_err *err) {
    samples from;
    mw_status status = collect(build, trial->column, most, &from, err);
    if (status != MW_OK) return status;
    trial->found = false;
    trial->empty = from.n == 0;
    trial->first[0] = '\0';
    if (from.n) (void)mw_cell_show(from.cells[0], trial->first);
    if (trial->format) {
        status =
            force_form(build, trial->format, trial->part, &from, trial->column, &trial->guess, err);
        trial->found = status == MW_OK;
    } else if (from.n > 0) {
        trial->found =
            mw_time_form_detect(from.cells, from.n, trial->part, trial->numbers, &trial->guess);
        trial->guess.form.decimal = build->profile->dialect.decimal;
        if (!trial->found) find_others(trial, &from);
    }
    *ret_more = from.n == most && !trial->format && (!trial->found || trial->guess.ambiguous);
    if (trial->found) {
        mw_time_kind kind = trial->guess.form.kind;
        trial->zoned = kind >= MW_FORM_UNIX_S && kind <= MW_FORM_UNIX_NS;
        size_t n = from.n < ZONE_SAMPLES ? from.n : ZONE_SAMPLES, n_zoned = 0;
        for (size_t i = 0; i < n; i++) n_zoned += names_offset(from.cells[i]);
        char name[MW_TIME_FORM_TEXT];
        mw_time_form_name(&trial->guess.form, name);
        if (kind != MW_FORM_ISO && !strstr(name, "zzz")) n_zoned = 0;
        trial->zoned |= n > 0 && n_zoned == n;
        trial->some_zoned = n_zoned > 0 && !trial->zoned;
    }
    mw_free(from.cells);
    return status;
}

static mw_status try_column(mw_profiling *build, time_trial *trial, mw_err *err) {
    bool more = false;
    mw_status status = try_samples(build, trial, SAMPLES, &more, err);
    if (status == MW_OK && more) status = try_samples(build, trial, SAMPLES_MAX, &more, err);
    return status;
}

static void take_stamp(mw_profiling *build, const time_trial *stamp) {
    mw_profile *profile = build->profile;
    profile->stamp = stamp->column;
    profile->stamp_form = stamp->guess.form;
    profile->columns[stamp->column].use = MW_USE_STAMP;
    profile->columns[stamp->column].confidence = stamp->guess.confidence;
}

static void take_pair(mw_profiling *build, const time_trial *date, const time_trial *clock) {
    mw_profile *profile = build->profile;
    profile->date = date->column;
    profile->date_form = date->guess.form;
    profile->columns[date->column].use = MW_USE_DATE;
    profile->columns[date->column].confidence = date->guess.confidence;
    profile->clock = clock->column;
    profile->clock_form = clock->guess.form;
    profile->columns[clock->column].use = MW_USE_CLOCK;
    profile->columns[clock->column].confidence = clock->guess.confidence;
}

static mw_status note_time(mw_profiling *build, const char *value, double confidence, bool forced,
                           const char *note, mw_err *err) {
    return mw_profile__note(build, "time", value, confidence, forced, note, err);
}

/*
 * "Date Time, GMT+01:00", "Time (UTC)": the zone that a column's name holds, as "+01:00"; false: none. Not of names like Etc/GMT+1,
 * which count the other way round.
 */
static bool zone_in_name(mw_str name, char out[8]) {
    for (size_t i = 0; i + 3 <= name.size; i++) {
        mw_str word = {name.data + i, 3};
        bool begins = i == 0 || strchr(" ,;([_", name.data[i - 1]);
        if (!begins || (!mw_str_is_nocase(word, "utc") && !mw_str_is_nocase(word, "gmt"))) continue;
        const char *at = name.data + i + 3, *end = name.data + name.size;
        if (at == end || strchr(" ,;)]", *at)) {
            memcpy(out, "UTC", 4);
            return true;
        }
        char sign = *at++;
        unsigned digits = 0, hours = 0, minutes = 0;
        if (sign != '+' && sign != '-') continue;
        for (; at < end && *at >= '0' && *at <= '9' && digits < 4; at++, digits++)
            hours = 10 * hours + (unsigned)(*at - '0');
        if (digits > 2) {
            minutes = hours % 100;
            hours /= 100;
        } else if (digits && end - at >= 3 && *at == ':') {
            minutes = 10 * (unsigned)(at[1] - '0') + (unsigned)(at[2] - '0');
            at += 3;
        }
        if (digits == 0 || hours > 14 || minutes > 59) continue;
        if (at < end && !strchr(" ,;)]", *at)) continue;
        (void)snprintf(out, 8, "%c%02u:%02u", sign, hours, minutes);
        return true;
    }
    return false;
}

static mw_status note_zone(mw_profiling *build, const time_trial *stamp, const time_trial *clock,
                           mw_err *err) {
    mw_profile *profile = build->profile;
    const mw_forced *f = build->forced;
    char named[8];
    if (!f->timezone && !f->saved && !stamp->zoned &&
        (zone_in_name(build->names[stamp->column], named) ||
         (clock && zone_in_name(build->names[clock->column], named)))) {
        mw_status status = mw_zone_open(build->ctx->mem, named, &profile->zone, err);
        if (status != MW_OK) return status;
        return mw_profile__note(build, "time zone", named, 0.9, false, "by the column's name", err);
    }
    const char *note = stamp->zoned  ? "the times say it themselves"
                       : f->timezone ? NULL
                       : stamp->some_zoned
                           ? "some times name a zone, for the others --timezone does"
                           : "no time names its zone; --timezone does";
    return mw_profile__note(build, "time zone", profile->zone ? mw_zone_name(profile->zone) : "UTC",
                            f->timezone || stamp->zoned ? 1 : 0.5, f->timezone != NULL, note, err);
}

/* Zone, and the findings of the columns that were taken. how: of the column's choice. */
static mw_status conclude(mw_profiling *build, const time_trial *stamp, const time_trial *clock,
                          double confidence, bool forced, const char *how, mw_err *err) {
    mw_profile *profile = build->profile;
    char name[MW_TIME_FORM_TEXT], other[MW_TIME_FORM_TEXT] = "", text[2 * MW_TIME_FORM_TEXT + 8];
    const char *column = profile->columns[stamp->column].name;
    const char *value = clock ? mw_arena_printf(&profile->arena, "%s, %s", column,
                                                profile->columns[clock->column].name)
                              : column;
    if (!value) return mw_fail_nomem(err, "reading a sample");
    mw_status status = note_time(build, value, confidence, forced, how, err);
    if (status != MW_OK) return status;
    mw_time_form_name(&stamp->guess.form, name);
    if (clock) mw_time_form_name(&clock->guess.form, other);
    (void)snprintf(text, sizeof text, clock ? "%s, %s" : "%s", name, other);
    status = mw_profile__note(build, "time format", text,
                              stamp->format ? 1 : stamp->guess.confidence, stamp->format != NULL,
                              stamp->guess.note[0] ? stamp->guess.note : NULL, err);
    if (status != MW_OK) return status;
    if (stamp->guess.form.kind == MW_FORM_CYCLE) return MW_OK;
    return note_zone(build, stamp, clock, err);
}

static mw_status open_zone(mw_profiling *build, mw_err *err) {
    mw_profile *profile = build->profile;
    if (!build->forced->timezone) return MW_OK;
    mw_status status = mw_zone_open(build->ctx->mem, build->forced->timezone, &profile->zone, err);
    return status == MW_OK ? MW_OK : mw_err_at(err, "timezone");
}

static mw_status fail_unreadable(const mw_profiling *build, const time_trial *trial, mw_status code,
                                 mw_err *err) {
    char title[MW_CELL_SHOWN];
    (void)mw_cell_show(build->names[trial->column], title);
    if (trial->n_other > 0 && trial->n_other < trial->n) {
        mw_fail(err, code,
                "column \"%s\" does not hold times: %zu of the first %zu cells are "
                "none, such as \"%s\"",
                title, trial->n_other, trial->n, trial->other);
        mw_err_hint(err,
                    "Is the separator right, and is each quote closed? --separator, --quote and "
                    "--time say how the file is written.");
        return mw_err_at(err, "time");
    }
    mw_fail(err, code, "column \"%s\" holds no time that can be read, such as \"%s\"", title,
            trial->first);
    mw_err_hint(err,
                "Say how it is written with --time-format, name another column with --time, or "
                "number the rows with --time none.");
    return mw_err_at(err, "time");
}

/* --- forced --- */

static int32_t saved_column(const mw_profiling *build, mw_use use) {
    for (uint32_t i = 0; i < build->n; i++)
        if (build->profile->columns[i].use == use) return (int32_t)i;
    return -1;
}

/* Columns that the caller names, or that a saved profile holds; -1: none. A date alone is a stamp. */
typedef struct forced_columns {
    int32_t stamp, date, clock;
} forced_columns;

static mw_status name_forced(mw_profiling *build, forced_columns *ret, mw_err *err) {
    const mw_forced *f = build->forced;
    forced_columns named = {-1, -1, -1};
    mw_status status = MW_OK;
    if (f->time) status = mw_profile__column(build, "time", f->time, &named.stamp, err);
    if (f->date) status = mw_profile__column(build, "date", f->date, &named.date, err);
    if (status == MW_OK && f->clock)
        status = mw_profile__column(build, "clock", f->clock, &named.clock, err);
    if (!f->time && !f->date) {
        named.stamp = saved_column(build, MW_USE_STAMP);
        named.date = saved_column(build, MW_USE_DATE);
        named.clock = saved_column(build, MW_USE_CLOCK);
    }
    if (named.clock < 0 && named.stamp < 0) named.stamp = named.date, named.date = -1;
    if (named.date < 0 || named.clock < 0) named.date = named.clock = -1;
    *ret = named;
    return status;
}

/* Frees columns of times for what they are now to be; none may be something else too. */
static mw_status clear_uses(mw_profiling *build, const forced_columns *named, mw_err *err) {
    mw_profile_column *columns = build->profile->columns;
    for (uint32_t i = 0; i < build->n; i++)
        if (columns[i].use == MW_USE_STAMP || columns[i].use == MW_USE_DATE ||
            columns[i].use == MW_USE_CLOCK)
            columns[i].use = MW_USE_NONE;
    const int32_t all[] = {named->stamp, named->date, named->clock};
    for (int i = 0; i < 3; i++) {
        if (all[i] < 0 ||
            (columns[all[i]].use == MW_USE_NONE && (i != 2 || named->clock != named->date)))
            continue;
        mw_fail(err, MW_EINVAL, "time: column \"%s\" is to be something else too",
                columns[all[i]].name);
        return mw_err_at(err, "time");
    }
    return MW_OK;
}

/* One column that must be of a time; of an empty one ISO is said. */
static mw_status force_column(mw_profiling *build, time_trial *trial, mw_err *err) {
    mw_status status = try_column(build, trial, err);
    if (status != MW_OK || trial->found) return status;
    if (!trial->empty) return fail_unreadable(build, trial, MW_EINVAL, err);
    trial->guess.form.kind = MW_FORM_ISO;
    return MW_OK;
}

/* *ret_done: the caller has said what the time is. */
static mw_status find_forced(mw_profiling *build, bool *ret_done, mw_err *err) {
    const mw_forced *f = build->forced;
    *ret_done = f->saved || f->time || f->date;
    if (!*ret_done || (f->time && mw_str_is(mw_str_of(f->time), "none"))) return MW_OK;
    forced_columns named;
    mw_status status = name_forced(build, &named, err);
    if (status != MW_OK || (named.stamp < 0 && named.date < 0)) return status;
    status = clear_uses(build, &named, err);
    time_trial stamp = {.column = named.stamp, .numbers = true, .format = f->time_format};
    time_trial clock = {.column = named.clock, .part = MW_TIME_CLOCK, .format = f->clock_format};
    time_trial date = {.column = named.date, .part = MW_TIME_DATE, .numbers = true};
    date.format = f->date_format ? f->date_format : named.stamp < 0 ? f->time_format : NULL;
    if (named.date >= 0) {
        if (status == MW_OK) status = force_column(build, &date, err);
        if (status == MW_OK) status = force_column(build, &clock, err);
        if (status == MW_OK) take_pair(build, &date, &clock);
    }
    if (status == MW_OK && named.stamp >= 0) {
        status = force_column(build, &stamp, err);
        if (status == MW_OK) take_stamp(build, &stamp);
    }
    if (status != MW_OK) return status;
    if (named.stamp >= 0) return conclude(build, &stamp, NULL, 1, true, NULL, err);
    return conclude(build, &date, &clock, 1, true, NULL, err);
}

/* --- by name --- */

/* A column that is free for the time; a name that is only a position counts none. */
static int32_t free_column(const mw_profiling *build, int32_t column) {
    if (column < 0 || build->profile->columns[column].use != MW_USE_NONE) return -1;
    if (column == 0 && mw_str_is(build->names[0], "column_1")) return -1;
    return column;
}

static mw_status find_pair(mw_profiling *build, int32_t date_column, int32_t clock_column,
                           bool *ret_done, mw_err *err) {
    time_trial date = {
        .column = date_column, .part = MW_TIME_DATE, .format = build->forced->time_format};
    time_trial clock = {.column = clock_column, .part = MW_TIME_CLOCK};
    time_trial whole = {.column = date_column, .part = MW_TIME_STAMP};
    mw_status status = try_column(build, &whole, err);
    if (status == MW_OK) status = try_column(build, &clock, err);
    if (status != MW_OK || !clock.found) return status;
    /* The date's column may hold whole stamps already. */
    bool stamps = whole.found && strchr(whole.first, ':');
    if (stamps) return MW_OK;
    status = try_column(build, &date, err);
    if (status != MW_OK || !date.found) return status;
    take_pair(build, &date, &clock);
    *ret_done = true;
    return conclude(build, &date, &clock, 0.95, false, "a date and a time of day", err);
}

/* Beside a time stamp: where that is empty, both together stand in. */
static mw_status find_stand_in(mw_profiling *build, int32_t date_column, int32_t clock_column,
                               mw_err *err) {
    time_trial date = {.column = date_column, .part = MW_TIME_DATE};
    time_trial clock = {.column = clock_column, .part = MW_TIME_CLOCK};
    mw_status status = try_column(build, &date, err);
    if (status == MW_OK) status = try_column(build, &clock, err);
    if (status == MW_OK && date.found && clock.found) take_pair(build, &date, &clock);
    return status;
}

/* Roles by the names without what stands in brackets behind them: "Time (UTC)", "Time [s]". */
static mw_status find_by_names(const mw_profiling *build, mw_layout *ret, mw_err *err) {
    mw_str *names = mw_alloc_array(build->ctx->mem, build->n, sizeof *names);
    if (!names) return mw_fail_nomem(err, "reading a header");
    for (uint32_t i = 0; i < build->n; i++) {
        mw_str name = build->names[i];
        const char *open =
            name.size && strchr("])", name.data[name.size - 1])
                ? memchr(name.data, name.data[name.size - 1] == ']' ? '[' : '(', name.size)
                : NULL;
        if (open && !build->learn) name.size = (size_t)(open - name.data);
        names[i] = mw_str_trim(name);
    }
    mw_layout_find(names, build->n, ret);
    mw_free(names);
    return MW_OK;
}

static mw_status find_named(mw_profiling *build, time_trial *ret_failed, bool *ret_done,
                            mw_err *err) {
    mw_layout layout;
    mw_status status = find_by_names(build, &layout, err);
    if (status != MW_OK) return status;
    int32_t stamp = free_column(build, layout.stamp), date = free_column(build, layout.date),
            clock = free_column(build, layout.clock);
    if (stamp < 0 && date >= 0 && clock >= 0 && !build->learn)
        status = find_pair(build, date, clock, ret_done, err);
    const int32_t order[] = {stamp, date, clock};
    for (int i = 0; i < 3 && status == MW_OK && !*ret_done; i++) {
        if (order[i] < 0) continue;
        time_trial trial = {.column = order[i],
                            .part = MW_TIME_STAMP,
                            .numbers = true,
                            .format = build->forced->time_format};
        status = try_column(build, &trial, err);
        if (status != MW_OK) return status;
        if (trial.empty) trial.guess.form.kind = MW_FORM_ISO;
        if (!trial.found && !trial.empty) {
            bool named = mw_layout_is_time(build->names[order[i]]);
            if (ret_failed->column < 0 && named) *ret_failed = trial;
            continue;
        }
        take_stamp(build, &trial);
        *ret_done = true;
        status =
            conclude(build, &trial, NULL, trial.empty ? 0.5 : 0.95, false,
                     trial.empty ? "by its name; the sample holds no value" : "by its name", err);
        if (status == MW_OK && i == 0 && date >= 0 && clock >= 0 && !build->learn)
            status = find_stand_in(build, date, clock, err);
    }
    return status;
}

/* --- by content --- */

static bool looks_like_times(const mw_profiling *build, uint32_t column) {
    mw_column_count count = mw_profile__count(build, column);
    return count.values > 0 && 10 * count.times >= 9 * count.values;
}

static mw_status find_by_content(mw_profiling *build, bool *ret_done, mw_err *err) {
    for (uint32_t i = 0; i < build->n && !*ret_done; i++) {
        if (build->profile->columns[i].use != MW_USE_NONE || !looks_like_times(build, i)) continue;
        time_trial stamp = {
            .column = (int32_t)i, .part = MW_TIME_STAMP, .format = build->forced->time_format};
        time_trial clock = {.column = (int32_t)i + 1, .part = MW_TIME_CLOCK};
        mw_status status = try_column(build, &stamp, err);
        if (status != MW_OK) return status;
        double sure = stamp.guess.ambiguous ? 2 * stamp.guess.confidence : stamp.guess.confidence;
        if (!stamp.found || sure < 0.9) continue;
        bool beside = i + 1 < build->n && !strchr(stamp.first, ':') && !build->learn &&
                      build->profile->columns[i + 1].use == MW_USE_NONE &&
                      looks_like_times(build, i + 1);
        if (beside) status = try_column(build, &clock, err);
        if (status == MW_OK && beside && clock.found) {
            time_trial date = stamp;
            date.part = MW_TIME_DATE;
            status = try_column(build, &date, err);
            if (status == MW_OK && date.found) {
                take_pair(build, &date, &clock);
                *ret_done = true;
                return conclude(build, &date, &clock, 0.8, false, "by what the columns hold", err);
            }
        }
        if (status != MW_OK) return status;
        take_stamp(build, &stamp);
        *ret_done = true;
        return conclude(build, &stamp, NULL, 0.85, false, "by what the column holds", err);
    }
    return MW_OK;
}

static mw_status find_counter(mw_profiling *build, bool *ret_done, mw_err *err) {
    for (uint32_t i = 0; i < build->n && !*ret_done; i++) {
        if (build->profile->columns[i].use != MW_USE_NONE || !mw_layout_is_counter(build->names[i]))
            continue;
        time_trial trial = {.column = (int32_t)i,
                            .part = MW_TIME_STAMP,
                            .numbers = true,
                            .format = build->forced->time_format};
        mw_status status = try_column(build, &trial, err);
        if (status != MW_OK) return status;
        if (!trial.found) continue;
        take_stamp(build, &trial);
        *ret_done = true;
        return conclude(build, &trial, NULL, 0.75, false, "by its name: a counter", err);
    }
    return MW_OK;
}

/* A date or a time of day beside a stamp says the same again; a dataset has one `time`. */
static mw_status drop_doubles(mw_profiling *build, mw_err *err) {
    mw_profile *profile = build->profile;
    if (build->learn || profile->stamp < 0 || build->forced->saved) return MW_OK;
    for (uint32_t i = 0; i < build->n; i++) {
        mw_profile_column *column = &profile->columns[i];
        if (column->use != MW_USE_NONE || !looks_like_times(build, i)) continue;
        if (!mw_layout_same_name(build->names[i], "date") &&
            !mw_layout_same_name(build->names[i], "time"))
            continue;
        column->use = MW_USE_DROP;
        mw_status status = mw_profile__note(build, "left out", column->name, 0.9, false,
                                            "the time stands in another column too", err);
        if (status != MW_OK) return status;
    }
    return MW_OK;
}

mw_status mw_profile__find_time(mw_profiling *build, mw_err *err) {
    mw_profile *profile = build->profile;
    time_trial failed = {.column = -1};
    bool done = false;
    profile->stamp = profile->date = profile->clock = -1;
    mw_status status = open_zone(build, err);
    if (status == MW_OK) status = find_forced(build, &done, err);
    if (status == MW_OK && !done) status = find_named(build, &failed, &done, err);
    if (status == MW_OK && !done && !build->learn) status = find_by_content(build, &done, err);
    if (status == MW_OK && !done && !build->learn) status = find_counter(build, &done, err);
    if (status != MW_OK) return status;
    profile->stamp_form.zone = profile->date_form.zone = profile->zone;
    if (profile->stamp >= 0 || profile->date >= 0) return drop_doubles(build, err);
    if (failed.column >= 0 && !build->learn && !done)
        return fail_unreadable(build, &failed, MW_EDATA, err);
    return note_time(
        build, "none", done ? 1 : 0.7, done,
        build->learn ? "no column holds times"
                     : "no column holds times: rows are numbered, a second apart from 1970-01-01",
        err);
}
