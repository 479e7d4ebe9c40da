/*
 * journal_read.c -- journal files read again, every record checked.
 *
 * A record that is not whole is the torn end of the last file, unless a sound record stands somewhere behind it and says that these bytes were
 * on disk before it was written: then something has damaged them.
 */
#include <string.h>

#include "core/base/hash.h"
#include "core/base/limits.h"
#include "run/live/journal.h"
#include "run/live/journal_form.h"

static mw_status fail_at(const mw_journal_file *f, uint64_t offset, const char *what, mw_err *err) {
    mw_fail(err, MW_EDATA, "the journal %s is damaged at byte %llu: %s", f->name,
            (unsigned long long)offset, what);
    return mw_err_hint(err,
                       "restore the file from a backup, or move it away: its rows are lost then");
}

/* ---- the head ---- */

static mw_status read_columns(mw_journal_file *f, const mw_journal_head *head, mw_err *err) {
    size_t at = sizeof *head;
    const size_t n = (size_t)head->n_columns, n_texts = (size_t)head->n_texts;
    f->columns = mw_arena_calloc(&f->arena, n + n_texts + 1, sizeof *f->columns);
    f->pointers = mw_arena_calloc(&f->arena, n + 1, sizeof *f->pointers);
    f->texts = mw_arena_calloc(&f->arena, n_texts + 1, sizeof *f->texts);
    if (!f->columns || !f->pointers || !f->texts) return mw_fail_nomem(err, "a journal");
    for (size_t c = 0; c < n + n_texts; c++) {
        uint32_t size;
        if (head->bytes - at < sizeof size) return fail_at(f, at, "a column has no name", err);
        memcpy(&size, f->map.data + at, sizeof size);
        at += sizeof size;
        if (head->bytes - at < size) return fail_at(f, at, "a column has no name", err);
        f->columns[c] = mw_arena_strndup(&f->arena, (const char *)f->map.data + at, size);
        if (!f->columns[c]) return mw_fail_nomem(err, "a journal");
        at += size;
    }
    f->n_columns = (int32_t)n;
    f->n_texts = (int32_t)n_texts;
    return MW_OK;
}

/* The checksum of the head with its own field as 0. */
static mw_status check_of_head(const mw_journal_file *f, const mw_journal_head *head, uint64_t *ret,
                               mw_err *err) {
    uint8_t *copy = mw_memdup(f->mem, f->map.data, head->bytes);
    if (!copy) return mw_fail_nomem(err, "a journal");
    memset(copy + offsetof(mw_journal_head, check), 0, sizeof head->check);
    *ret = mw_hash_check(copy, head->bytes, 0);
    mw_free(copy);
    return MW_OK;
}

static mw_status read_head(mw_journal_file *f, mw_err *err) {
    mw_journal_head head;
    uint64_t check = 0;
    if (f->map.size < sizeof head) return fail_at(f, 0, "it has no whole head", err);
    memcpy(&head, f->map.data, sizeof head);
    if (head.mark != MW_JOURNAL_MARK)
        return fail_at(f, 0, "it does not begin as a journal does", err);
    if (head.version != MW_JOURNAL_VERSION && head.version != MW_JOURNAL_NUMBERS) {
        mw_fail(err, MW_EUNSUPPORTED, "the journal %s is of format version %u", f->name,
                head.version);
        return mw_err_hint(err, "a newer program has written it: upgrade this one");
    }
    if (head.bytes < sizeof head || head.bytes > f->map.size || head.bytes % MW_JOURNAL_ALIGN ||
        head.n_columns > MW_LIMIT(TABLE_COLUMNS) || head.n_texts > MW_LIMIT(TABLE_COLUMNS) ||
        (head.version == MW_JOURNAL_NUMBERS && head.n_texts > 0))
        return fail_at(f, 0, "its head has an impossible size", err);
    mw_status status = check_of_head(f, &head, &check, err);
    if (status) return status;
    if (check != head.check || head.first < 0)
        return fail_at(f, 0, "its head is not what was written", err);
    f->id = head.id;
    f->first = head.first;
    f->head_bytes = head.bytes;
    return read_columns(f, &head, err);
}

/* ---- records ---- */

/* Whether a record at `at` is whole, by its checksum. */
static bool is_whole(const mw_journal_file *f, uint64_t at, mw_journal_frame *ret) {
    const uint64_t left = f->map.size - at;
    if (left < sizeof *ret) return false;
    memcpy(ret, f->map.data + at, sizeof *ret);
    return ret->mark == f->id && ret->bytes >= sizeof *ret && ret->bytes <= left &&
           mw_hash_check(f->map.data + at + MW_JOURNAL_CHECKED, ret->bytes - MW_JOURNAL_CHECKED,
                         f->id) == ret->check;
}

/* Bytes were on disk at `at` when a whole record behind was written. */
static bool was_synced(const mw_journal_file *f, uint64_t at) {
    mw_journal_frame frame;
    for (uint64_t k = at + 1; k + sizeof frame <= f->map.size; k++) {
        const uint8_t *found = memmem(f->map.data + k, f->map.size - k, &f->id, sizeof f->id);
        if (!found) return false;
        k = (uint64_t)(found - f->map.data);
        if (is_whole(f, k, &frame) && frame.synced > at) return true;
    }
    return false;
}

static mw_status check_records(const mw_ctx *ctx, mw_journal_file *f, bool is_last, mw_err *err) {
    mw_journal_frame frame;
    uint64_t at = f->head_bytes;
    for (; at < f->map.size; at += frame.bytes) {
        mw_status status = mw_ctx_check(ctx, err);
        if (status) return status;
        if (is_whole(f, at, &frame)) {
            if (frame.first != f->first + f->n_rows || frame.bytes % MW_JOURNAL_ALIGN)
                return fail_at(f, at, "a record does not follow the one before", err);
            f->n_rows += frame.n_rows;
            continue;
        }
        if (!is_last || was_synced(f, at))
            return fail_at(f, at, "a record is not what was written", err);
        f->torn = true;
        break;
    }
    f->good_bytes = at;
    return MW_OK;
}

mw_status mw_journal_open(const mw_ctx *ctx, mw_dir *dir, const char *name, bool is_last,
                          mw_journal_file *ret, mw_err *err) {
    *ret = (mw_journal_file){.mem = ctx->mem};
    mw_str_copy(ret->name, sizeof ret->name, mw_str_of(name));
    mw_arena_init(&ret->arena, ctx->mem);
    mw_status status = mw_map_open(ctx, dir, name, &ret->map, err);
    if (!status) status = read_head(ret, err);
    if (!status) status = check_records(ctx, ret, is_last, err);
    if (status) mw_journal_done(ret);
    return status;
}

void mw_journal_done(mw_journal_file *file) {
    mw_map_close(&file->map);
    mw_free(file->names);
    file->names = NULL;
    mw_arena_done(&file->arena);
}

static mw_status read_names(mw_journal_file *f, uint64_t record, const mw_journal_frame *frame,
                            uint64_t at, mw_err *err) {
    const uint64_t end = record + frame->bytes;
    if (f->names_room < (int32_t)frame->n_names) {
        mw_str *names = mw_realloc(f->mem, f->names, frame->n_names * sizeof *names);
        if (!names) return mw_fail_nomem(err, "a journal");
        f->names = names;
        f->names_room = (int32_t)frame->n_names;
    }
    for (uint32_t i = 0; i < frame->n_names; i++) {
        uint32_t size;
        if (end - at < sizeof size) return fail_at(f, at, "a record lacks a name", err);
        memcpy(&size, f->map.data + at, sizeof size);
        at += sizeof size;
        if (end - at < size) return fail_at(f, at, "a record lacks a name", err);
        f->names[i] = (mw_str){(const char *)f->map.data + at, size};
        at += size;
    }
    return MW_OK;
}

static mw_status point(mw_journal_file *f, uint64_t at, const mw_journal_frame *frame,
                       mw_journal_rows *ret, mw_err *err) {
    const uint64_t n = frame->n_rows, columns = (uint64_t)f->n_columns,
                   texts = (uint64_t)f->n_texts;
    const uint64_t fixed =
        n * (sizeof(int64_t) + columns * sizeof(double) + (1 + texts) * sizeof(int32_t));
    if (n > INT32_MAX || frame->n_names > frame->bytes / sizeof(uint32_t) ||
        frame->bytes - sizeof *frame < fixed)
        return fail_at(f, at, "a record is too short for its rows", err);
    const uint8_t *from = f->map.data + at + sizeof *frame;
    *ret = (mw_journal_rows){.first = frame->first,
                             .n = (int64_t)n,
                             .times = (const int64_t *)(const void *)from,
                             .n_names = (int32_t)frame->n_names,
                             .columns = f->pointers,
                             .texts = f->texts};
    from += n * sizeof(int64_t);
    for (uint64_t c = 0; c < columns; c++, from += n * sizeof(double))
        f->pointers[c] = (const double *)(const void *)from;
    ret->devices = (const int32_t *)(const void *)from;
    for (uint64_t i = 0; i < n; i++)
        if (ret->devices[i] < 0 || ret->devices[i] >= ret->n_names)
            return fail_at(f, at, "a row has no device", err);
    for (uint64_t k = 0; k < texts; k++) {
        f->texts[k] = ret->devices + (k + 1) * n;
        for (uint64_t i = 0; i < n; i++)
            if (f->texts[k][i] < -1 || f->texts[k][i] >= ret->n_names)
                return fail_at(f, at, "a row has a text that is not there", err);
    }
    return read_names(f, at, frame, at + sizeof *frame + fixed, err);
}

mw_status mw_journal_read(mw_journal_file *f, uint64_t *at, mw_journal_rows *ret, mw_err *err) {
    mw_journal_frame frame;
    const uint64_t record = *at ? *at : f->head_bytes;
    *ret = (mw_journal_rows){0};
    if (record >= f->good_bytes) return MW_OK;
    memcpy(&frame, f->map.data + record, sizeof frame);
    mw_status status = point(f, record, &frame, ret, err);
    ret->names = f->names;
    if (!status) *at = record + frame.bytes;
    return status;
}
