/*
 * fuzz_profile.c -- any bytes as the beginning of a file: a profile that holds together, the same twice, as JSON that parses; the first
 * byte chooses whether the sample is whole, whether it is a table, a known one, and what is forced.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "keep/ingest/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *name, *value;
} forced[] = {
    {NULL, NULL},
    {"separator", ";"},
    {"separator", "blanks"},
    {"quote", "none"},
    {"header", "false"},
    {"header", "true"},
    {"skip_lines", "2"},
    {"time", "1"},
    {"encoding", "latin-1"},
    {"encoding", "utf-16le"},
    {"decimal", ","},
    {"widths", "3,4,5"},
    {"time_format", "dd.mm.yyyy"},
    {"missing", "0"},
    {"units", "true"},
    {"device", "2"},
};

static void check(const mw_profile *profile, size_t size) {
    uint32_t n = profile->n_columns;
    if (n == 0 || !profile->columns || profile->data_line == 0) abort();
    /* Windows-1252 grows to at most three bytes a byte. */
    if (profile->data_offset > 3 * size) abort();
    if (profile->stamp >= (int32_t)n || profile->date >= (int32_t)n || profile->clock >= (int32_t)n)
        abort();
    if (profile->stamp >= 0 && profile->columns[profile->stamp].use != MW_USE_STAMP) abort();
    if ((profile->date >= 0) != (profile->clock >= 0)) abort();
    for (uint32_t i = 0; i < n; i++) {
        const mw_profile_column *c = &profile->columns[i];
        if (!c->name || !*c->name || c->confidence < 0 || c->confidence > 1) abort();
    }
    for (size_t i = 0; i < profile->n_findings; i++) {
        const mw_finding *f = &profile->findings[i];
        if (!f->what || !f->value || f->confidence < 0 || f->confidence > 1) abort();
    }
}

static void write(const mw_profile *profile, mw_buf *out) {
    mw_json_writer writer;
    mw_json_writer_init(&writer, out, 0);
    mw_json_array(&writer);
    mw_profile_write(profile, &writer);
    mw_profile_write_findings(profile, &writer);
    mw_json_array_end(&writer);
    mw_arena arena;
    mw_arena_init(&arena, NULL);
    const mw_json *root;
    if (mw_json_parse(&arena, out->data, out->size, &root, NULL) != MW_OK) abort();
    mw_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size == 0 || size > 65536) return 0;
    uint8_t choice = data[0];
    const char *text = (const char *)data + 1;
    size--;
    mw_args *args = NULL;
    if (mw_args_new(NULL, mw_profile_params, &args, NULL)) abort();
    const mw_read_for purpose = !(choice & 2) ? MW_FOR_DATASET
                                : choice & 64 ? MW_FOR_KNOWN_TABLE
                                              : MW_FOR_TABLE;
    size_t which = choice >> 2 & 15;
    if (forced[which].name &&
        mw_args_set(args, mw_str_of(forced[which].name), mw_str_of(forced[which].value), NULL))
        abort();
    if (mw_args_finish(args, NULL)) abort();
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_buf out[2];
    for (int i = 0; i < 2; i++) {
        mw_profile profile;
        mw_buf_init(&out[i], NULL, SIZE_MAX / 4);
        if (mw_profile_detect(&ctx, text, size, choice & 1, args, purpose, &profile, NULL))
            continue;
        check(&profile, size);
        write(&profile, &out[i]);
        mw_profile_done(&profile);
    }
    if (!mw_str_eq(mw_buf_str(&out[0]), mw_buf_str(&out[1]))) abort();
    mw_buf_done(&out[0]);
    mw_buf_done(&out[1]);
    mw_args_free(args);
    return 0;
}
