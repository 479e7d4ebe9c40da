/*
 * fuzz_journal.c -- any bytes as a journal file: refused, or its records are read. The first byte says whether checksums are made to fit first, so that
 * what lies behind them is reached, too; and whether it is the last file.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/base/hash.h"
#include "run/live/journal.h"
#include "run/live/journal_form.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAKES_CHECKS = 1, IS_LAST = 2, MOST_BYTES = 1 << 20 };

static int open_input(void *self, int dir_fd, const char *path, int flags, mode_t mode) {
    (void)dir_fd, (void)path, (void)flags, (void)mode;
    return dup(*(int *)self);
}

static int close_input(void *self, int fd) {
    (void)self;
    return close(fd);
}

static void fit_records(uint8_t *data, size_t size, const mw_journal_head *head) {
    mw_journal_frame frame;
    for (size_t at = head->bytes; at + sizeof frame <= size; at += frame.bytes) {
        memcpy(&frame, data + at, sizeof frame);
        frame.mark = head->id;
        if (frame.bytes < sizeof frame || frame.bytes > size - at) return;
        memcpy(data + at, &frame, sizeof frame);
        frame.check = mw_hash_check(data + at + MW_JOURNAL_CHECKED,
                                    frame.bytes - MW_JOURNAL_CHECKED, head->id);
        memcpy(data + at, &frame, sizeof frame);
    }
}

static void fit(uint8_t *data, size_t size) {
    mw_journal_head head;
    if (size < sizeof head) return;
    memcpy(&head, data, sizeof head);
    head.mark = MW_JOURNAL_MARK;
    if (head.version != MW_JOURNAL_NUMBERS) head.version = MW_JOURNAL_VERSION;
    head.check = 0;
    if (head.bytes < sizeof head || head.bytes > size) return;
    memcpy(data, &head, sizeof head);
    head.check = mw_hash_check(data, head.bytes, 0);
    memcpy(data, &head, sizeof head);
    fit_records(data, size, &head);
}

static int64_t read_all(mw_journal_file *file) {
    mw_journal_rows rows;
    mw_err err;
    uint64_t at = 0;
    int64_t n = 0;
    double sum = 0;
    while (mw_journal_read(file, &at, &rows, &err) == MW_OK && rows.n > 0) {
        for (int64_t i = 0; i < rows.n; i++) {
            const mw_str name = rows.names[rows.devices[i]];
            for (size_t k = 0; k < name.size; k++) sum += name.data[k];
            sum += (double)rows.times[i];
            for (int32_t c = 0; c < file->n_columns; c++) sum += rows.columns[c][i];
            for (int32_t k = 0; k < file->n_texts; k++)
                if (rows.texts[k][i] >= 0) sum += (double)rows.names[rows.texts[k][i]].size;
        }
        n += rows.n;
    }
    return sum == 0.125 ? -1 : n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static mw_dir *dir;
    static uint8_t bytes[MOST_BYTES];
    mw_ctx ctx;
    mw_err err;
    mw_journal_file file;
    if (size == 0 || size > MOST_BYTES) return 0;
    mw_ctx_init(&ctx);
    memcpy(bytes, data + 1, size - 1);
    if (data[0] & MAKES_CHECKS) fit(bytes, size - 1);
    int fd = memfd_create("journal", MFD_CLOEXEC);
    if (fd < 0 || write(fd, bytes, size - 1) != (ssize_t)(size - 1)) abort();
    if (!dir && mw_dir_open(&ctx, "/", MW_DIR_MUST_EXIST, &dir, NULL) != MW_OK) abort();
    const mw_io io = {.open = open_input, .close = close_input, .self = &fd};
    ctx.io = &io;
    mw_status status = mw_journal_open(&ctx, dir, "journal", data[0] & IS_LAST, &file, &err);
    if (status == MW_OK) {
        if (file.good_bytes > size - 1 || (file.torn && !(data[0] & IS_LAST))) abort();
        if (read_all(&file) > file.n_rows) abort();
        mw_journal_done(&file);
    } else if (status != MW_EDATA && status != MW_EUNSUPPORTED && status != MW_ENOMEM) {
        abort();
    }
    close(fd);
    return 0;
}
