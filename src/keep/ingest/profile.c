/*
 * profile.c -- see profile.h. The order is that of the file's own layers: bytes, encoding, line ends, dialect, rows, header, columns. Each
 * step takes what the caller forces, detects the rest and writes one finding.
 */
#include "keep/ingest/profile.h"

#include <stdio.h>
#include <string.h>

#include "keep/ingest/profile_build.h"
#include "keep/ingest/transcode.h"

mw_status mw_profile__note(mw_profiling *build, const char *what, const char *value,
                           double confidence, bool forced, const char *note, mw_err *err) {
    mw_profile *profile = build->profile;
    mw_finding finding = {.what = what, .confidence = forced ? 1 : confidence, .forced = forced};
    if (!profile->findings)
        profile->findings =
            mw_arena_calloc(&profile->arena, MW_FINDINGS_MAX, sizeof *profile->findings);
    finding.value = mw_arena_strdup(&profile->arena, value);
    finding.note = note ? mw_arena_strdup(&profile->arena, note) : NULL;
    if (!profile->findings || !finding.value || (note && !finding.note))
        return mw_fail_nomem(err, "reading a sample");
    if (profile->n_findings < MW_FINDINGS_MAX) profile->findings[profile->n_findings++] = finding;
    return MW_OK;
}

static mw_status fail_empty(mw_err *err) {
    mw_fail(err, MW_EDATA, "is empty");
    return mw_err_hint(err, "A table has a line of column names and data lines.");
}

/* A cut sample ends at its last whole line. */
static mw_status drop_torn_line(mw_profiling *build, mw_err *err) {
    if (build->whole) return MW_OK;
    size_t n = build->text.size;
    while (n > 0 && build->text.data[n - 1] != '\n') n--;
    if (n == 0) {
        mw_fail(err, MW_EDATA, "the first line is longer than %zu bytes", build->text.size);
        return mw_err_hint(err, "A table has a line of column names and data lines.");
    }
    build->text.size = n;
    return MW_OK;
}

static mw_status settle_text(mw_profiling *build, const char *sample, size_t size, char **owned,
                             mw_err *err) {
    const mw_forced *forced = build->forced;
    mw_profile *profile = build->profile;
    mw_sniff_guess guess = {1, NULL};
    profile->looked_bytes += 4 * (uint64_t)size;
    mw_status status = mw_sniff__magic(sample, size, err);
    if (status == MW_OK && forced->has_encoding)
        profile->encoding = forced->encoding;
    else if (status == MW_OK)
        status = mw_sniff__encoding(sample, size, build->whole, &profile->encoding, &guess, err);
    if (status == MW_OK)
        status = mw_profile__note(build, "encoding", mw_profile__encodings[profile->encoding],
                                  guess.confidence, forced->has_encoding, guess.note, err);
    if (status == MW_OK)
        status = mw_sniff__decode(build->ctx->mem, sample, size, build->whole, profile->encoding,
                                  &build->text, owned, err);
    if (status != MW_OK) return status;
    mw_line_end seen = mw_sniff__lines(build->text, &guess);
    profile->line_end = forced->has_line_end ? forced->line_end : seen;
    status = mw_profile__note(build, "line ends", mw_profile__line_ends[profile->line_end],
                              guess.confidence, forced->has_line_end, guess.note, err);
    bool lone = profile->line_end == MW_LINES_CR || profile->line_end == MW_LINES_MIXED;
    if (status == MW_OK && lone)
        status = mw_sniff__unify(build->ctx->mem, &build->text, owned, err);
    return status == MW_OK ? drop_torn_line(build, err) : status;
}

/* Leaves out the lines that the caller says come before the table. */
static mw_status skip_lines(mw_profiling *build, mw_str *ret, mw_err *err) {
    *ret = build->text;
    for (uint32_t i = 0; i < build->forced->skip_lines; i++) {
        const char *feed = ret->size ? memchr(ret->data, '\n', ret->size) : NULL;
        if (!feed) {
            mw_fail(err, MW_EINVAL, "skip_lines: the sample has only %u lines", i);
            return mw_err_at(err, "skip_lines");
        }
        size_t n = (size_t)(feed - ret->data) + 1;
        *ret = (mw_str){ret->data + n, ret->size - n};
    }
    return MW_OK;
}

/* "sep=;" on the first line: how Excel is told the separator. It is no row. */
static void take_sep_line(mw_profiling *build, mw_forced *forced, mw_str *text) {
    if (forced->has_skip_lines || text->size < 6) return;
    if (!mw_str_is_nocase((mw_str){text->data, 4}, "sep=")) return;
    size_t end = text->data[5] == '\r' ? 6 : 5;
    if (end >= text->size || text->data[end] != '\n') return;
    if (!(forced->fixed & MW_SNIFF_FIXED_SEPARATOR)) {
        forced->dialect.separator = text->data[4];
        forced->fixed |= MW_SNIFF_FIXED_SEPARATOR;
    }
    *text = (mw_str){text->data + end + 1, text->size - end - 1};
    build->skipped = 1;
}

static bool is_blank(mw_str text) {
    for (size_t i = 0; i < text.size; i++)
        if (!strchr(" \t\r\n", text.data[i]) || text.data[i] == '\0') return false;
    return true;
}

static mw_status note_dialect(mw_profiling *build, mw_err *err) {
    const mw_sniff_dialect *sniffed = &build->sniffed;
    const mw_dialect *dialect = &sniffed->dialect;
    unsigned fixed = build->forced->fixed;
    char name[64], note[64] = "", byte[4] = {'\'', 0, '\'', 0};
    mw_sniff__separator_name(dialect, name);
    if (sniffed->runner_up[0] && sniffed->separator.confidence < 0.8)
        (void)snprintf(note, sizeof note, "next best: %s", sniffed->runner_up);
    mw_status status =
        mw_profile__note(build, "separator", name, sniffed->separator.confidence,
                         fixed & MW_SNIFF_FIXED_SEPARATOR, note[0] ? note : NULL, err);
    if (status != MW_OK) return status;
    byte[1] = dialect->quote;
    status =
        mw_profile__note(build, "quote", dialect->quote ? byte : "none", sniffed->quote.confidence,
                         fixed & MW_SNIFF_FIXED_QUOTE, sniffed->quote.note, err);
    byte[1] = dialect->escape;
    if (status == MW_OK && (dialect->escape || fixed & MW_SNIFF_FIXED_ESCAPE))
        status = mw_profile__note(build, "escape", dialect->escape ? byte : "none", 0.9,
                                  fixed & MW_SNIFF_FIXED_ESCAPE, NULL, err);
    byte[1] = dialect->comment;
    if (status == MW_OK && (dialect->comment || fixed & MW_SNIFF_FIXED_COMMENT))
        status = mw_profile__note(build, "comment", dialect->comment ? byte : "none", 0.9,
                                  fixed & MW_SNIFF_FIXED_COMMENT, NULL, err);
    return status;
}

static mw_status detect(mw_profiling *build, mw_forced *forced, const char *sample, size_t size,
                        char **owned, mw_err *err) {
    mw_profile *profile = build->profile;
    mw_str text;
    mw_status status = settle_text(build, sample, size, owned, err);
    if (status == MW_OK && is_blank(build->text)) status = fail_empty(err);
    if (status == MW_OK) status = skip_lines(build, &text, err);
    if (status != MW_OK) return status;
    build->skipped = build->forced->skip_lines;
    take_sep_line(build, forced, &text);
    size_t skipped = build->text.size - text.size;
    build->text = text;
    if (is_blank(text)) return fail_empty(err);
    status = mw_sniff__dialect(build->ctx, text, &build->forced->dialect, build->forced->fixed,
                               &build->sniffed, err);
    if (status != MW_OK) return status;
    profile->looked_bytes += build->sniffed.looked;
    profile->dialect = build->sniffed.dialect;
    profile->skip_lines = build->skipped;
    build->n = build->sniffed.n_fields;
    status = note_dialect(build, err);
    if (status == MW_OK) status = mw_profile__find_rows(build, err);
    if (status == MW_OK) status = mw_profile__settle_header(build, err);
    if (status == MW_OK) status = mw_profile__name_columns(build, err);
    if (status == MW_OK) status = mw_profile__find_uses(build, err);
    if (status == MW_OK) status = mw_profile__find_types(build, err);
    if (status == MW_OK) status = mw_profile__find_marks(build, err);
    profile->data_offset += skipped;
    profile->data_line += build->skipped;
    return status;
}

/* Nothing is known yet but what the caller asks for. */
static void begin(const mw_ctx *ctx, const mw_forced *forced, bool whole, mw_read_for purpose,
                  mw_profile *profile, mw_profiling *build) {
    *profile = (mw_profile){.stamp = -1, .date = -1, .clock = -1};
    mw_arena_init(&profile->arena, ctx->mem);
    *build = (mw_profiling){.ctx = ctx,
                            .profile = profile,
                            .forced = forced,
                            .learn = purpose != MW_FOR_DATASET,
                            .known = purpose == MW_FOR_KNOWN_TABLE,
                            .whole = whole};
}

mw_status mw_profile_detect(const mw_ctx *ctx, const char *sample, size_t size, bool whole,
                            const mw_args *args, mw_read_for purpose, mw_profile *ret,
                            mw_err *err) {
    return mw_profile_detect_saved(ctx, sample, size, whole, (mw_str){NULL, 0}, args, purpose, ret,
                                   err);
}

mw_status mw_profile_detect_saved(const mw_ctx *ctx, const char *sample, size_t size, bool whole,
                                  mw_str saved, const mw_args *args, mw_read_for purpose,
                                  mw_profile *ret, mw_err *err) {
    mw_profile profile;
    mw_forced forced;
    mw_profiling build;
    char *owned = NULL;
    mw_status status = mw_profile__force(ctx, saved, args, &forced, err);
    begin(ctx, &forced, whole, purpose, &profile, &build);
    if (status == MW_OK) status = detect(&build, &forced, sample, size, &owned, err);
    mw_profile__force_done(&forced);
    mw_free(owned);
    if (status != MW_OK) {
        mw_profile_done(&profile);
        return status;
    }
    *ret = profile;
    return MW_OK;
}

/* Notes are taken out as mw_source_fill takes them out, so that offsets agree. */
static mw_status take_notes_out(const mw_forced *forced, mw_str text, mw_buf *out, mw_err *err) {
    mw_notes notes;
    mw_notes_init(&notes, forced->dialect.quote, forced->dialect.escape);
    for (bool more = true; more;) {
        enum { ROOM = 4096 };
        char *room = mw_buf_reserve(out, ROOM);
        if (!room) return mw_buf_status(out, "a sample", err);
        size_t used, n = mw_notes_run(&notes, text.data, text.size, true, &used, room, ROOM);
        mw_buf_grew(out, n);
        text.data += used;
        text.size -= used;
        more = n == ROOM;
    }
    return mw_buf_status(out, "a sample", err);
}

/* The encoding of a rejects file: its own when it is UTF-16, else what its head says of the source. */
static mw_encoding encoding_of(const mw_rejects_head *head, const mw_forced *forced) {
    if (head->text == MW_SOURCE_UTF16LE) return MW_ENC_UTF16LE;
    if (head->text == MW_SOURCE_UTF16BE) return MW_ENC_UTF16BE;
    return forced->has_encoding && forced->encoding == MW_ENC_LATIN1 ? MW_ENC_LATIN1 : MW_ENC_UTF8;
}

mw_status mw_profile_detect_rejects(const mw_ctx *ctx, const char *sample, size_t size, bool whole,
                                    const mw_rejects_head *head, const mw_args *args,
                                    mw_read_for purpose, mw_profile *ret, mw_err *err) {
    mw_profile profile;
    mw_forced forced;
    mw_profiling build;
    char *owned = NULL;
    mw_buf text, plain;
    size_t most = 4 * size + 65536;
    mw_buf_init(&text, ctx->mem, most);
    mw_buf_init(&plain, ctx->mem, most);
    mw_status status = mw_profile__force(ctx, mw_str_of(head->profile), args, &forced, err);
    begin(ctx, &forced, whole, purpose, &profile, &build);
    mw_encoding encoding = encoding_of(head, &forced);
    enum mw_source_text as = encoding == MW_ENC_LATIN1 ? MW_SOURCE_LATIN1 : head->text;
    bool unify = forced.line_end == MW_LINES_CR || forced.line_end == MW_LINES_MIXED;
    if (status == MW_OK) status = mw_text_decode(ctx->mem, sample, size, as, unify, &text, err);
    if (status == MW_OK) status = take_notes_out(&forced, mw_buf_str(&text), &plain, err);
    forced.has_encoding = true;
    forced.encoding = MW_ENC_UTF8; /* by now */
    if (status == MW_OK)
        status = detect(&build, &forced, mw_buf_text(&plain), plain.size, &owned, err);
    profile.encoding = encoding;
    mw_profile__force_done(&forced);
    mw_buf_done(&text);
    mw_buf_done(&plain);
    mw_free(owned);
    if (status != MW_OK) {
        mw_profile_done(&profile);
        return status;
    }
    *ret = profile;
    return MW_OK;
}

void mw_profile_done(mw_profile *profile) {
    profile->zone = mw_zone_close(profile->zone);
    mw_arena_done(&profile->arena);
    profile->columns = NULL;
    profile->findings = NULL;
    profile->n_columns = 0;
    profile->n_findings = 0;
}
