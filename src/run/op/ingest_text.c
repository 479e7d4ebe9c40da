/* ingest_text.c -- see ingest_text.h. */
#include "run/op/ingest_text.h"

#include "core/text/datetime.h"
#include "core/text/number.h"

/* Less sure than that is worth a line. */
#define SURE 0.8

enum { CELL_WIDTH = 22, CELL_WIDTH_MAX = 42, SHOWN_COLUMNS = 8 };

static void add_text(mw_buf *out, const mw_json *object, const char *key) {
    mw_buf_add_str(out, mw_json_string(mw_json_get(object, key), ""));
}

static int64_t count(const mw_json *file, const char *key) {
    return mw_json_int(mw_json_get(file, key), 0);
}

/* ---- findings ---- */

/* Most files name neither a zone nor a machine: no news. */
static bool is_usual(const mw_json *finding) {
    mw_str what = mw_json_string(mw_json_get(finding, "what"), "");
    return mw_str_is(what, "time zone") || mw_str_is(what, "device");
}

static void print_findings(const mw_json *file, bool all, mw_buf *out) {
    const mw_json *findings = mw_json_get(file, "findings");
    for (const mw_json *f = findings ? findings->first : NULL; f; f = f->next) {
        double confidence = mw_json_number(mw_json_get(f, "confidence"), 0);
        bool forced = mw_json_bool(mw_json_get(f, "forced"), false);
        if (!all && (forced || confidence >= SURE || is_usual(f))) continue;
        mw_str note = mw_json_string(mw_json_get(f, "note"), "");
        mw_buf_add(out, all ? "    " : "    unsure: ");
        add_text(out, f, "what");
        mw_buf_add(out, " ");
        add_text(out, f, "value");
        if (forced)
            mw_buf_add(out, " (as asked)");
        else
            mw_buf_printf(out, " (%.0f %% sure)", 100 * confidence);
        if (note.size) mw_buf_printf(out, ": %.*s", (int)note.size, note.data);
        mw_buf_add_char(out, '\n');
    }
    const mw_json *drift = mw_json_get(file, "drift");
    for (const mw_json *d = drift ? drift->first : NULL; d; d = d->next) {
        mw_str note = mw_json_string(mw_json_get(d, "note"), "");
        mw_buf_add(out, "    column ");
        add_text(out, d, "column");
        mw_buf_add(out, " is ");
        add_text(out, d, "change");
        if (note.size) mw_buf_printf(out, ": %.*s", (int)note.size, note.data);
        mw_buf_add_char(out, '\n');
    }
}

/* ---- what was done ---- */

static const struct {
    const char *key, *text; /* text: behind the number */
} counts[] = {
    {"collisions", " collisions of time and device"},
    {"duplicates", " duplicate rows"},
    {"out_of_order", " rows put in order"},
    {"rejected", " rejected"},
};

static void print_done(const mw_json *file, mw_buf *out) {
    char first[MW_TIME_TEXT_MAX], last[MW_TIME_TEXT_MAX];
    mw_time_print(count(file, "first_us"), first);
    mw_time_print(count(file, "last_us"), last);
    mw_buf_printf(out, ": %lld rows (", (long long)count(file, "rows"));
    add_text(out, file, "layout");
    mw_buf_printf(out, "), %s to %s", first, last);
    if (mw_json_bool(mw_json_get(file, "replaces"), false))
        mw_buf_add(out, ", replaces its rows from before");
    if (mw_json_bool(mw_json_get(file, "resumed"), false))
        mw_buf_add(out, ", finished by an ingest that was interrupted");
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        int64_t n = count(file, counts[i].key);
        if (n) mw_buf_printf(out, ", %lld%s", (long long)n, counts[i].text);
    }
    mw_str rejects = mw_json_string(mw_json_get(file, "rejects"), "");
    if (rejects.size) mw_buf_printf(out, " (see %.*s)", (int)rejects.size, rejects.data);
    mw_buf_add_char(out, '\n');
    print_findings(file, false, out);
}

/* ---- what would be done ---- */

static mw_str cell_text(const mw_json *cell, char number[MW_NUMBER_MAX]) {
    if (!cell || cell->kind == MW_JSON_NULL) return MW_STR("");
    if (cell->kind == MW_JSON_STRING) return cell->string;
    return (mw_str){number, mw_number_print(mw_json_number(cell, 0), number)};
}

static size_t next_character(mw_str text, size_t at) {
    do at++;
    while (at < text.size && ((unsigned char)text.data[at] & 0xC0) == 0x80);
    return at;
}

static int count_characters(mw_str text) {
    int n = 0;
    for (size_t i = 0; i < text.size; i = next_character(text, i)) n++;
    return n;
}

/* What does not fit is cut at a character, and that is seen: a time without its fraction would be another time. */
static void add_cell(mw_buf *out, mw_str text, int column_width) {
    size_t size = 0;
    int width = 0, room = column_width - 2;
    bool cut = count_characters(text) > room;
    for (; size < text.size && width < room - cut; width++) size = next_character(text, size);
    mw_buf_append(out, text.data, size);
    if (cut) mw_buf_add(out, "\u2026");
    for (width += cut; width < column_width; width++) mw_buf_add_char(out, ' ');
}

static void print_line(const mw_json *list, const char *member, const int *widths, mw_buf *out) {
    int shown = 0;
    mw_buf_add(out, "    ");
    for (const mw_json *item = list ? list->first : NULL; item; item = item->next) {
        char number[MW_NUMBER_MAX];
        if (shown == SHOWN_COLUMNS) {
            mw_buf_printf(out, "and %u more", list->n_children - SHOWN_COLUMNS);
            break;
        }
        add_cell(out, cell_text(member ? mw_json_get(item, member) : item, number),
                 widths[shown++]);
    }
    while (out->size && out->data[out->size - 1] == ' ') out->data[--out->size] = '\0';
    mw_buf_add_char(out, '\n');
}

static void widen(const mw_json *list, const char *member, int *widths) {
    int i = 0;
    for (const mw_json *item = list ? list->first : NULL; item && i < SHOWN_COLUMNS;
         item = item->next, i++) {
        char number[MW_NUMBER_MAX];
        int width = count_characters(cell_text(member ? mw_json_get(item, member) : item, number));
        if (width + 2 > widths[i])
            widths[i] = width + 2 < CELL_WIDTH_MAX ? width + 2 : CELL_WIDTH_MAX;
    }
}

static bool is_listed(const mw_json *list, mw_str text) {
    for (const mw_json *item = list ? list->first : NULL; item; item = item->next)
        if (mw_str_eq(mw_json_string(item, ""), text)) return true;
    return false;
}

static void print_plan(const mw_json *file, const mw_json *known, mw_buf *out) {
    mw_buf_add(out, " would be read as a ");
    add_text(out, file, "layout");
    mw_buf_add(out, " file:\n");
    if (is_listed(known, mw_json_string(mw_json_get(file, "source"), "")))
        mw_buf_add(out, "    the dataset has it: read again only where its content or the options "
                        "have changed\n");
    print_findings(file, true, out);
    mw_buf_add_char(out, '\n');
    int widths[SHOWN_COLUMNS];
    for (int i = 0; i < SHOWN_COLUMNS; i++) widths[i] = CELL_WIDTH;
    const mw_json *columns = mw_json_get(file, "columns"), *rows = mw_json_get(file, "rows");
    widen(columns, "name", widths);
    for (const mw_json *row = rows ? rows->first : NULL; row; row = row->next)
        widen(row, NULL, widths);
    print_line(columns, "name", widths, out);
    print_line(columns, "type", widths, out);
    for (const mw_json *row = rows ? rows->first : NULL; row; row = row->next)
        print_line(row, NULL, widths, out);
    const mw_json *rejects = mw_json_get(file, "rejects");
    for (const mw_json *r = rejects ? rejects->first : NULL; r; r = r->next) {
        mw_buf_printf(out, "    rejected: line %lld", (long long)count(r, "line"));
        if (mw_json_string(mw_json_get(r, "column"), "").size) mw_buf_add(out, ", column ");
        add_text(out, r, "column");
        mw_buf_add(out, ": ");
        add_text(out, r, "reason");
        mw_buf_add_char(out, '\n');
    }
}

void mw_op__print_ingest(const mw_json *result, mw_buf *out) {
    bool dry = mw_json_bool(mw_json_get(result, "dry_run"), false);
    const mw_json *files = mw_json_get(result, "files");
    for (const mw_json *file = files ? files->first : NULL; file; file = file->next) {
        mw_buf_add(out, "  ");
        add_text(out, file, "source");
        if (dry)
            print_plan(file, mw_json_get(result, "known"), out);
        else if (mw_json_bool(mw_json_get(file, "unchanged"), false))
            mw_buf_add(out, ": unchanged\n");
        else
            print_done(file, out);
    }
    mw_buf_add(out, "dataset ");
    add_text(out, result, "dataset");
    if (dry)
        mw_buf_add(out, ": nothing was written\n");
    else
        mw_buf_printf(out, ": %lld new rows from %lld files, %lld files unchanged\n",
                      (long long)count(result, "rows"), (long long)count(result, "new_files"),
                      (long long)count(result, "unchanged_files"));
}
