/*
 * fuzz_ingest.c -- any bytes as a telemetry file and as a plain table: header detection, pivot, segment,
 * read back. Oracle: no crash; an accepted file reads back with the rows that were counted, a refused
 * one leaves staging empty and says why.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/table/ipc.h"
#include "keep/ingest/dataset.h"
#include "keep/ingest/ingest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int no_fsync(void *self, int fd) {
    (void)self;
    (void)fd;
    return 0;
}

static struct fixture {
    mw_ctx ctx;
    mw_io io;
    mw_args *args;
    mw_dir *staging;
    mw_mem mem;
    char folder[64];
} fixture;

static void clean_up(void) {
    mw_dir_close(fixture.staging);
    mw_args_free(fixture.args);
    rmdir(fixture.folder);
}

static void prepare(void) {
    mw_err err;
    struct fixture *f = &fixture;
    mw_ctx_init(&f->ctx);
    f->io = mw_io_system;
    f->io.fsync = no_fsync;
    f->ctx.io = &f->io;
    mw_mem_init(&f->mem, NULL, (size_t)256 << 20);
    snprintf(f->folder, sizeof f->folder, "/tmp/fuzz-ingest-XXXXXX");
    if (!mkdtemp(f->folder)) abort();
    if (mw_dir_open(&f->ctx, f->folder, MW_DIR_MUST_EXIST, &f->staging, &err) != MW_OK) abort();
    if (mw_args_new(NULL, mw_ingest_all_params(), &f->args, &err) != MW_OK) abort();
    if (mw_args_set(f->args, MW_STR("max_reject_share"), MW_STR("0.9"), &err) != MW_OK) abort();
    if (mw_args_finish(f->args, &err) != MW_OK) abort();
    atexit(clean_up);
    f->ctx.mem = &f->mem;
}

static void empty_staging(bool expect_empty) {
    mw_dir_entry *entries;
    size_t n;
    if (mw_dir_list(&fixture.ctx, fixture.staging, &entries, &n, NULL) != MW_OK) abort();
    if (expect_empty && n > 0) abort();
    for (size_t i = 0; i < n; i++)
        (void)mw_dir_remove(&fixture.ctx, fixture.staging, entries[i].name, NULL);
    mw_free(entries);
}

static void as_telemetry(const char *path) {
    mw_err err;
    mw_ingest_result result;
    mw_status status = mw_ingest_run(&fixture.ctx, &path, 1, NULL, 0, NULL, fixture.args,
                                     fixture.staging, &result, &err);
    if (status != MW_OK) {
        if (!err.message[0]) abort();
        empty_staging(true);
        return;
    }
    const mw_ingest_file *file = &result.files[0];
    const char *segment = file->segments[0].file;
    mw_table *table;
    if (mw_dataset_check(&fixture.ctx, fixture.staging, segment, &err) != MW_OK ||
        mw_ipc_read(&fixture.ctx, fixture.staging, segment, NULL, 0, &table, &err) != MW_OK)
        abort();
    if (table->n_rows != file->n_rows || file->n_rows + file->n_rejected > file->n_lines) abort();
    if (!file->rejects != (file->n_rejected == 0)) abort();
    mw_table_free(table);
    mw_ingest_result_done(&result);
    empty_staging(false);
}

static void as_table(const char *path) {
    mw_err err;
    mw_table *table;
    mw_plain_bad bad;
    if (mw_ingest_plain_as(&fixture.ctx, path, NULL, NULL, 0, &table, &bad, &err) != MW_OK) return;
    if (bad.n > table->n_rows) abort();
    mw_free(bad.marks);
    mw_table_free(table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (!fixture.args) prepare();
    char path[64];
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    as_telemetry(path);
    as_table(path);
    close(fd);
    if (mw_mem_used(&fixture.mem) != 0) abort();
    return 0;
}
