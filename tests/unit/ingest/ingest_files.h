/*
 * ingest_files.h -- small CSV files for the tests of this folder.
 */
#ifndef MW_TESTS_UNIT_INGEST_INGEST_FILES_H
#define MW_TESTS_UNIT_INGEST_INGEST_FILES_H

#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "core/base/dir.h"
#include "support/harness.h"

/* Writes NAME below the test's folder; returns its path (static, two alternate). */
static inline const char *put_bytes(const char *name, const void *data, size_t size) {
    static char paths[4][512];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", mw_test_folder(), name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    fclose(file);
    return path;
}

static inline const char *put_text(const char *name, const char *text) {
    return put_bytes(name, text, strlen(text));
}

/* text as one gzip member; returns its size. */
static inline size_t gzip(const void *text, size_t size, unsigned char *out, size_t capacity) {
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)text;
    z.avail_in = (uInt)size;
    z.next_out = out;
    z.avail_out = (uInt)capacity;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n = capacity - z.avail_out;
    deflateEnd(&z);
    return n;
}

#endif
