/*
 * journal.c -- writing: records are put together in memory, so that each is one write.
 *
 * The head is written with mw_file_replace: a journal file is there with a whole head or not at all. A record's checksum is seeded with the file's
 * id, so that no record of another file, and no text that somebody sends, is taken for one of this file.
 */
#include "run/live/journal.h"

#include <stdio.h>
#include <string.h>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "run/live/journal_form.h"

struct mw_journal {
    mw_append *file;
    mw_buf record;
    uint64_t id;
    int64_t first, next, synced_next;
    uint64_t good;  /* bytes of whole records */
    bool suspect;   /* the file may have more than that */
    char **columns; /* [n_columns + n_texts] */
    int32_t n_columns, n_texts;
};

/* ---- names ---- */

static const char suffix[] = ".rows";
enum { DIGITS = 19 };

void mw_journal_name(int64_t first, char out[MW_JOURNAL_NAME]) {
    (void)snprintf(out, MW_JOURNAL_NAME, "%019lld%s", (long long)first, suffix);
}

bool mw_journal_named(const char *name, int64_t *ret_first) {
    int64_t first = 0;
    if (strlen(name) != DIGITS + sizeof suffix - 1 || strcmp(name + DIGITS, suffix) != 0)
        return false;
    for (int i = 0; i < DIGITS; i++) {
        if (name[i] < '0' || name[i] > '9') return false;
        if (__builtin_mul_overflow(first, 10, &first) ||
            __builtin_add_overflow(first, name[i] - '0', &first))
            return false;
    }
    *ret_first = first;
    return true;
}

/* ---- life ---- */

static void pad(mw_buf *buf) {
    static const char zeros[MW_JOURNAL_ALIGN];
    const size_t over = buf->size % MW_JOURNAL_ALIGN;
    if (over) mw_buf_append(buf, zeros, MW_JOURNAL_ALIGN - over);
}

static void add_text(mw_buf *buf, mw_str text) {
    const uint32_t size = (uint32_t)text.size;
    mw_buf_append(buf, &size, sizeof size);
    mw_buf_add_str(buf, text);
}

static bool keep_names(mw_mem *mem, const char *const *names, int32_t n, char **to,
                       int32_t *ret_n) {
    for (*ret_n = 0; *ret_n < n; ++*ret_n)
        if (!(to[*ret_n] = mw_strdup(mem, names[*ret_n]))) return false;
    return true;
}

static mw_status new_journal(const mw_ctx *ctx, const mw_journal_columns *columns, mw_journal **ret,
                             mw_err *err) {
    mw_journal *j = mw_calloc(ctx->mem, 1, sizeof *j);
    if (!j) return mw_fail_nomem(err, "a journal");
    mw_buf_init(&j->record, ctx->mem, MW_JOURNAL_RECORD_MAX);
    const int32_t n = columns->n_numbers;
    j->columns = mw_calloc(ctx->mem, (size_t)n + (size_t)columns->n_texts + 1, sizeof *j->columns);
    if (j->columns && keep_names(ctx->mem, columns->numbers, n, j->columns, &j->n_columns) &&
        keep_names(ctx->mem, columns->texts, columns->n_texts, j->columns + n, &j->n_texts)) {
        *ret = j;
        return MW_OK;
    }
    mw_journal_close(j);
    return mw_fail_nomem(err, "a journal");
}

void *mw_journal_close(mw_journal *j) {
    if (!j) return NULL;
    mw_append_close(j->file);
    mw_buf_done(&j->record);
    for (int32_t c = 0; c < j->n_columns + j->n_texts; c++) mw_free(j->columns[c]);
    mw_free(j->columns);
    return mw_free(j);
}

/* Nobody can guess it, and no two files have the same one. */
static uint64_t new_id(const mw_ctx *ctx, int64_t first, const void *place) {
    const struct {
        int64_t utc, monotonic, first;
        const void *place;
    } seed = {mw_clock_utc(ctx->clock), mw_clock_monotonic(ctx->clock), first, place};
    return mw_hash_check(&seed, sizeof seed, MW_JOURNAL_MARK) | 1;
}

static void write_head(mw_journal *j) {
    mw_journal_head head = {.mark = MW_JOURNAL_MARK,
                            .version = j->n_texts ? MW_JOURNAL_VERSION : MW_JOURNAL_NUMBERS,
                            .n_columns = (uint32_t)j->n_columns,
                            .n_texts = (uint32_t)j->n_texts,
                            .id = j->id,
                            .first = j->first};
    mw_buf_append(&j->record, &head, sizeof head);
    for (int32_t c = 0; c < j->n_columns + j->n_texts; c++)
        add_text(&j->record, mw_str_of(j->columns[c]));
    pad(&j->record);
    if (j->record.failed) return;
    head.bytes = (uint32_t)j->record.size;
    memcpy(j->record.data, &head, sizeof head);
    head.check = mw_hash_check(j->record.data, j->record.size, 0);
    memcpy(j->record.data, &head, sizeof head);
}

mw_status mw_journal_create(const mw_ctx *ctx, mw_dir *dir, int64_t first,
                            const mw_journal_columns *columns, mw_journal **ret, mw_err *err) {
    char name[MW_JOURNAL_NAME];
    mw_journal *j;
    mw_status status = new_journal(ctx, columns, &j, err);
    if (status) return status;
    j->id = new_id(ctx, first, j);
    j->first = j->next = j->synced_next = first;
    mw_journal_name(first, name);
    write_head(j);
    status = mw_buf_status(&j->record, "a journal", err);
    if (!status)
        status = mw_file_replace(ctx, dir, name, mw_buf_text(&j->record), j->record.size, err);
    j->good = j->record.size;
    if (!status) status = mw_append_open(ctx, dir, name, j->good, &j->file, err);
    if (status)
        mw_journal_close(j);
    else
        *ret = j;
    return status;
}

mw_status mw_journal_continue(const mw_ctx *ctx, mw_dir *dir, const mw_journal_file *file,
                              mw_journal **ret, mw_err *err) {
    mw_journal *j;
    const mw_journal_columns columns = {(const char *const *)file->columns,
                                        (const char *const *)file->columns + file->n_columns,
                                        file->n_columns, file->n_texts};
    mw_status status = new_journal(ctx, &columns, &j, err);
    if (status) return status;
    j->id = file->id;
    j->first = file->first;
    j->next = j->synced_next = file->first + file->n_rows;
    j->good = file->good_bytes;
    status = mw_append_open(ctx, dir, file->name, j->good, &j->file, err);
    if (!status) status = mw_append_sync(j->file, err); /* a crash may have kept it from the disk */
    if (status)
        mw_journal_close(j);
    else
        *ret = j;
    return status;
}

/* ---- records ---- */

static void write_record(mw_journal *j, const mw_journal_rows *rows) {
    mw_buf *buf = &j->record;
    const size_t n = (size_t)rows->n;
    mw_journal_frame frame = {.mark = j->id,
                              .n_rows = (uint32_t)n,
                              .n_names = (uint32_t)rows->n_names,
                              .first = rows->first,
                              .synced = mw_append_synced(j->file)};
    mw_buf_clear(buf);
    mw_buf_append(buf, &frame, sizeof frame);
    mw_buf_append(buf, rows->times, n * sizeof *rows->times);
    for (int32_t c = 0; c < j->n_columns; c++)
        mw_buf_append(buf, rows->columns[c], n * sizeof(double));
    mw_buf_append(buf, rows->devices, n * sizeof *rows->devices);
    for (int32_t k = 0; k < j->n_texts; k++)
        mw_buf_append(buf, rows->texts[k], n * sizeof **rows->texts);
    for (int32_t i = 0; i < rows->n_names; i++) add_text(buf, rows->names[i]);
    pad(buf);
    if (buf->failed) return;
    frame.bytes = buf->size;
    memcpy(buf->data, &frame, sizeof frame);
    frame.check =
        mw_hash_check(buf->data + MW_JOURNAL_CHECKED, buf->size - MW_JOURNAL_CHECKED, j->id);
    memcpy(buf->data, &frame, sizeof frame);
}

/* Back to what is known to be there. */
static mw_status take_back(mw_journal *j, mw_err *err) {
    mw_status status = mw_append_cut(j->file, j->good, err);
    j->suspect = status != MW_OK;
    return status;
}

mw_status mw_journal_add(mw_journal *j, const mw_journal_rows *rows, mw_err *err) {
    mw_status status = j->suspect ? take_back(j, err) : MW_OK;
    if (status) return status;
    write_record(j, rows);
    status = mw_buf_status(&j->record, "a journal's record", err);
    if (status) return status;
    status = mw_append_write(j->file, mw_buf_text(&j->record), j->record.size, err);
    if (status) {
        j->suspect = mw_append_size(j->file) != j->good;
        return status;
    }
    j->good += j->record.size;
    j->next += rows->n;
    return MW_OK;
}

mw_status mw_journal_sync(mw_journal *j, mw_err *err) {
    mw_status status = mw_append_sync(j->file, err);
    if (!status) {
        j->synced_next = j->next;
        return MW_OK;
    }
    j->good = mw_append_synced(j->file);
    j->next = j->synced_next;
    (void)take_back(j, NULL);
    return status;
}

int64_t mw_journal_first(const mw_journal *j) { return j->first; }
int64_t mw_journal_next(const mw_journal *j) { return j->next; }
uint64_t mw_journal_bytes(const mw_journal *j) { return j->good; }

static bool are_same(const char *const *a, char *const *b, int32_t n) {
    for (int32_t i = 0; i < n; i++)
        if (strcmp(a[i], b[i]) != 0) return false;
    return true;
}

bool mw_journal_has_columns(const mw_journal *j, const mw_journal_columns *columns) {
    return columns->n_numbers == j->n_columns && columns->n_texts == j->n_texts &&
           are_same(columns->numbers, j->columns, j->n_columns) &&
           are_same(columns->texts, j->columns + j->n_columns, j->n_texts);
}
