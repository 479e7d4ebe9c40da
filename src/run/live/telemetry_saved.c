/*
 * telemetry_saved.c -- snapshots of a stream: so that a restart reads the last rows only, and the journal before can go.
 *
 * A snapshot is a cache: without one, or with one that is damaged, the stream is made of all stored rows again.
 * Layout: head, what mw_live__save_state gives, the sizes of its parts, 32 hex digits of the XXH3-128 of all that. docs/formats/live.md.
 */
#include <string.h>

#include "core/base/hash.h"
#include "core/base/log.h"
#include "learn/feature/stream_saved.h"
#include "run/live/telemetry_parts.h"

/* "mwstate" and a NUL, little-endian. */
#define SNAPSHOT_MARK UINT64_C(0x006574617473776d)

enum { SNAPSHOT_VERSION = 2, DIGITS = MW_HASH128_HEX - 1 };

static const char snapshot_name[] = "state.snapshot";

typedef struct snapshot_head {
    uint64_t mark;
    uint32_t version, config_version;
    int64_t rows; /* numbers before are in it */
    char program[MW_LIVE_HASH_BYTES + 7];
} snapshot_head;

typedef struct output {
    mw_file *file;
    mw_hash128 *hash;
} output;

static mw_status put(void *self, const void *data, size_t size, mw_err *err) {
    output *o = self;
    mw_hash128_add(o->hash, data, size);
    return mw_file_write(o->file, data, size, err);
}

static mw_status write_all(mw_live_org *org, output *o, int64_t *ret_rows, mw_err *err) {
    char hex[MW_HASH128_HEX];
    snapshot_head head = {.mark = SNAPSHOT_MARK,
                          .version = SNAPSHOT_VERSION,
                          .config_version = (uint32_t)org->program->version,
                          .rows = org->next_row};
    mw_str_copy(head.program, sizeof head.program, mw_str_of(org->program->config.program->hash));
    const mw_stream_sink sink = {put, o};
    mw_status status = put(o, &head, sizeof head, err);
    mw_live_saved sizes; /* behind what it counts */
    if (!status) status = mw_live__save_state(org, sink, &sizes, err);
    if (!status) status = put(o, &sizes, sizeof sizes, err);
    if (status) return status;
    mw_hash128_digest(o->hash, hex);
    *ret_rows = head.rows;
    return mw_file_write(o->file, hex, DIGITS, err);
}

mw_status mw_live__save(mw_live_org *org, bool gives_turn, mw_err *err) {
    output o = {0};
    int64_t rows = 0;
    const int64_t bytes_since = org->bytes_since;
    mw_status status = mw_hash128_new(org->ctx.mem, &o.hash, err);
    if (!status) status = mw_file_create(&org->ctx, org->dir, snapshot_name, &o.file, err);
    if (!status) status = write_all(org, &o, &rows, err);
    if (gives_turn) mw_live__give_turn(org);
    const uint64_t bytes = o.file ? mw_file_size(o.file) : 0;
    mw_hash128_free(o.hash);
    if (status) {
        mw_file_abort(o.file);
        return status;
    }
    status = mw_file_commit(o.file, err);
    if (status) return status;
    org->covered = rows;
    org->snapshot_bytes = bytes;
    org->bytes_saved = bytes_since;
    atomic_fetch_add(&org->telemetry->snapshots, 1);
    return MW_OK;
}

/* ---- load ---- */

static mw_status fail_snapshot(mw_err *err, const char *what) {
    return mw_fail(err, MW_ENOTFOUND, "%s: %s", snapshot_name, what);
}

static mw_status check_snapshot(const mw_live_made *m, const mw_map *map, snapshot_head *ret,
                                mw_err *err) {
    char hex[MW_HASH128_HEX];
    if (map->size < sizeof *ret + sizeof(mw_live_saved) + DIGITS)
        return fail_snapshot(err, "it is cut");
    memcpy(ret, map->data, sizeof *ret);
    if (ret->mark != SNAPSHOT_MARK || ret->version != SNAPSHOT_VERSION)
        return fail_snapshot(err, "it is of another format");
    mw_hash128_of(map->data, map->size - DIGITS, hex);
    if (memcmp(hex, map->data + map->size - DIGITS, DIGITS) != 0)
        return fail_snapshot(err, "it is damaged");
    ret->program[sizeof ret->program - 1] = '\0';
    if (strcmp(ret->program, m->program->config.program->hash) != 0)
        return fail_snapshot(err, "it is of another program");
    return MW_OK;
}

static mw_status load_all(mw_live_made *m, const mw_map *map, mw_err *err) {
    mw_live_saved sizes;
    const char *bytes = (const char *)map->data + sizeof(snapshot_head);
    const size_t size = map->size - sizeof(snapshot_head) - sizeof sizes - DIGITS;
    memcpy(&sizes, bytes + size, sizeof sizes);
    mw_status status = mw_live__made_load(m, (mw_str){bytes, size}, &sizes, err);
    return status == MW_EDATA ? fail_snapshot(err, "it is damaged") : status;
}

mw_status mw_live__load(mw_live_made *m, int64_t *ret_rows, mw_err *err) {
    mw_live_org *org = m->org;
    mw_map map;
    snapshot_head head;
    if (!mw_dir_has(org->dir, snapshot_name)) return fail_snapshot(err, "there is none");
    mw_status status = mw_map_open(&org->ctx, org->dir, snapshot_name, &map, err);
    if (status) return status;
    status = check_snapshot(m, &map, &head, err);
    if (!status) status = load_all(m, &map, err);
    org->snapshot_bytes = map.size;
    mw_map_close(&map);
    if (status) return status;
    *ret_rows = head.rows;
    return MW_OK;
}
