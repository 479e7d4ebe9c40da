/*
 * arrange_group.c -- rows that have one time are a group; within it a hash table with epochs (a new group empties it in one step)
 * finds rows of one key. What becomes of them is written into the key's first row in place, and the others are marked; a
 * chunk goes to the sink when its last group is complete, as it came unless rows were marked.
 *
 * One rule makes the second pass possible: all policies but the mean look only at the row that stands for a key at that time, and
 * that is the row that the sink has. The rows behind a mean go to a run of their own (raw), and take the mean's place when
 * the merge brings both back.
 */
#include <string.h>

#include "core/base/limits.h"
#include "core/base/math.h"
#include "core/table/arrange_parts.h"

enum { FIRST_ENTRIES = 256, FIRST_ITEMS = 64, RAW_BYTES = 256 << 10, NONE = -1 };

/* --- a hash table that forgets at once ---------------------------------------------------------- */

typedef struct entry {
    uint32_t epoch, hash;
    int32_t value;
} entry;

typedef struct table {
    uint32_t epoch;
    uint32_t n_entries; /* a power of two, or 0 */
    uint32_t n_used;
    entry *entries;
} table;

static void table_forget(table *t) {
    t->n_used = 0;
    if (++t->epoch != 0) return;
    if (t->entries) memset(t->entries, 0, t->n_entries * sizeof *t->entries);
    t->epoch = 1;
}

static void table_put(entry *entries, uint32_t n_entries, entry e) {
    uint32_t at = e.hash & (n_entries - 1);
    while (entries[at].epoch == e.epoch) at = (at + 1) & (n_entries - 1);
    entries[at] = e;
}

static mw_status table_add(mw_mem *mem, table *t, uint32_t hash, int32_t value, mw_err *err) {
    if (2 * t->n_used >= t->n_entries) {
        uint32_t n_entries = t->n_entries ? 2 * t->n_entries : FIRST_ENTRIES;
        entry *entries = mw_calloc(mem, n_entries, sizeof *entries);
        if (!entries) return mw_fail_nomem(err, "rows of one time");
        for (uint32_t i = 0; i < t->n_entries; i++)
            if (t->entries[i].epoch == t->epoch) table_put(entries, n_entries, t->entries[i]);
        mw_free(t->entries);
        t->entries = entries;
        t->n_entries = n_entries;
    }
    table_put(t->entries, t->n_entries, (entry){t->epoch, hash, value});
    t->n_used++;
    return MW_OK;
}

/* --- state -------------------------------------------------------------------------------------- */

typedef struct node {
    mw_arrange__piece piece;
    uint64_t *dropped; /* [n_rows bits], owned; NULL: none */
    int64_t n_dropped;
} node;

typedef struct place {
    uint32_t node; /* counted from the first ever */
    uint32_t row;
} place;

/* The first row of a key; members are listed once they are needed. */
typedef struct slot {
    place place;
    int32_t first, last;
} slot;

/* A row that counts: for keep and mean, which compare with all rows of a key. */
typedef struct member {
    place place;
    int32_t next; /* of its slot, in order of arrival */
    uint8_t origin;
    bool is_void; /* a mean whose raw rows came */
    bool again;   /* equal to an earlier one */
} member;

struct mw_arrange__group {
    const mw_ctx *ctx; /* borrowed by the runs too */
    mw_arrange_options options;
    const mw_arrange__types *types;
    const mw_arrange_sink *sink;
    mw_arrange__group_counts counts;
    node *nodes; /* [n_nodes]; the group spans the last ones */
    int32_t n_nodes, node_capacity;
    uint32_t node_base; /* number of nodes[0] */
    size_t held_bytes;
    int64_t time;
    int64_t size; /* rows of the group; 0: none yet */
    place first;  /* its first row */
    table keys, rows;
    slot *slots;
    int32_t n_slots, slot_capacity;
    member *members;
    int32_t n_members, member_capacity;
    bool second_pass;
    mw_arrange__run *raw;
    mw_chunk *raw_rows;
};

mw_status mw_arrange__group_new(const mw_ctx *ctx, const mw_arrange_options *options,
                                const mw_arrange__types *types, const mw_arrange_sink *sink,
                                mw_arrange__group **ret, mw_err *err) {
    mw_arrange__group *g = mw_calloc(ctx->mem, 1, sizeof *g);
    if (!g) return mw_fail_nomem(err, "rows of one time");
    g->ctx = ctx;
    g->options = *options;
    g->types = types;
    g->sink = sink;
    g->keys.epoch = g->rows.epoch = 1;
    *ret = g;
    return MW_OK;
}

static void node_done(node *n) {
    mw_arrange__piece_done(&n->piece);
    mw_free(n->dropped);
}

void *mw_arrange__group_free(mw_arrange__group *g) {
    if (!g) return NULL;
    for (int32_t i = 0; i < g->n_nodes; i++) node_done(&g->nodes[i]);
    mw_free(g->nodes);
    mw_free(g->keys.entries);
    mw_free(g->rows.entries);
    mw_free(g->slots);
    mw_free(g->members);
    mw_chunk_free(g->raw_rows);
    mw_arrange__run_free(g->raw);
    return mw_free(g);
}

const mw_arrange__group_counts *mw_arrange__group_counted(const mw_arrange__group *g) {
    return &g->counts;
}

static mw_status make_room(mw_mem *mem, void **items, int32_t n, int32_t *capacity, size_t size,
                           mw_err *err) {
    if (n < *capacity) return MW_OK;
    if (n > INT32_MAX / 2) return mw_fail(err, MW_ETOOLARGE, "too many rows of one time");
    int32_t wanted = *capacity ? 2 * *capacity : FIRST_ITEMS;
    void *more = mw_realloc(mem, *items, (size_t)wanted * size);
    if (!more) return mw_fail_nomem(err, "rows of one time");
    *items = more;
    *capacity = wanted;
    return MW_OK;
}

static node *node_of(const mw_arrange__group *g, place p) {
    return &g->nodes[p.node - g->node_base];
}

static mw_chunk *chunk_of(const mw_arrange__group *g, place p) {
    return node_of(g, p)->piece.chunk;
}

static uint8_t origin_of(const mw_arrange__group *g, place p) {
    const mw_arrange__piece *piece = &node_of(g, p)->piece;
    return piece->origins ? piece->origins[p.row] : piece->origin;
}

static mw_status drop(mw_arrange__group *g, place p, mw_err *err) {
    node *n = node_of(g, p);
    if (!n->dropped) {
        n->dropped =
            mw_calloc(g->ctx->mem, (size_t)n->piece.chunk->n_rows / 64 + 1, sizeof *n->dropped);
        if (!n->dropped) return mw_fail_nomem(err, "rows of one time");
    }
    n->dropped[p.row / 64] |= UINT64_C(1) << (p.row % 64);
    n->n_dropped++;
    return MW_OK;
}

/* Gives the chunk of a row at least n_columns columns; more, since more may follow. */
static mw_status widen(mw_arrange__group *g, place p, int32_t n_columns, mw_err *err) {
    node *n = node_of(g, p);
    mw_chunk *old = n->piece.chunk, *wide;
    if (old->n_columns >= n_columns) return MW_OK;
    if (n_columns < old->n_columns + old->n_columns / 2)
        n_columns = old->n_columns + old->n_columns / 2;
    if (n_columns > g->types->n) n_columns = g->types->n;
    mw_status status =
        mw_chunk_new(g->ctx->mem, g->types->types, n_columns, old->n_rows, &wide, err);
    if (status != MW_OK) return status;
    mw_chunk_append(wide, old, 0, old->n_rows);
    g->held_bytes += mw_chunk_bytes(wide) - mw_chunk_bytes(old);
    mw_chunk_free(old);
    n->piece.chunk = wide;
    return MW_OK;
}

/* --- keys and members --------------------------------------------------------------------------- */

static uint32_t key_hash(const mw_arrange__group *g, place p) {
    const mw_chunk *chunk = chunk_of(g, p);
    uint64_t hash = 0;
    for (int32_t k = 1; k <= g->options.n_keys; k++)
        hash = (hash ^ hash >> 32 ^ (uint32_t)chunk->columns[k].codes[p.row]) *
               UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(hash >> 32);
}

static bool same_key(const mw_arrange__group *g, place a, place b) {
    const mw_chunk *x = chunk_of(g, a), *y = chunk_of(g, b);
    for (int32_t k = 1; k <= g->options.n_keys; k++)
        if (x->columns[k].codes[a.row] != y->columns[k].codes[b.row]) return false;
    return true;
}

/* The slot of p's key; NONE after making one for it. */
static mw_status find_slot(mw_arrange__group *g, place p, int32_t *ret, mw_err *err) {
    uint32_t hash = key_hash(g, p);
    const table *t = &g->keys;
    if (t->n_entries) {
        for (uint32_t at = hash & (t->n_entries - 1); t->entries[at].epoch == t->epoch;
             at = (at + 1) & (t->n_entries - 1)) {
            if (t->entries[at].hash != hash) continue;
            *ret = t->entries[at].value;
            if (same_key(g, g->slots[*ret].place, p)) return MW_OK;
        }
    }
    mw_mem *mem = g->ctx->mem;
    mw_status status =
        make_room(mem, (void **)&g->slots, g->n_slots, &g->slot_capacity, sizeof *g->slots, err);
    if (status == MW_OK) status = table_add(mem, &g->keys, hash, g->n_slots, err);
    if (status != MW_OK) return status;
    g->slots[g->n_slots++] = (slot){p, NONE, NONE};
    *ret = NONE;
    return MW_OK;
}

static bool same_row(const mw_arrange__group *g, place a, place b, int32_t from) {
    return mw_arrange__row_equal(chunk_of(g, a), a.row, chunk_of(g, b), b.row, from);
}

/* Is there a member with the same key and cells? */
static bool has_equal(const mw_arrange__group *g, place p, uint32_t hash) {
    const table *t = &g->rows;
    if (!t->n_entries) return false;
    for (uint32_t at = hash & (t->n_entries - 1); t->entries[at].epoch == t->epoch;
         at = (at + 1) & (t->n_entries - 1)) {
        if (t->entries[at].hash != hash) continue;
        const member *m = &g->members[t->entries[at].value];
        if (!m->is_void && same_row(g, m->place, p, 1)) return true;
    }
    return false;
}

/* *again: p is equal to an earlier member. Such a row is listed only if it stays. */
static mw_status add_member(mw_arrange__group *g, int32_t s, place p, bool *again, mw_err *err) {
    uint32_t hash = mw_arrange__row_hash(chunk_of(g, p), p.row, 1);
    *again = has_equal(g, p, hash);
    if (*again && g->options.drop_duplicates) return MW_OK;
    mw_mem *mem = g->ctx->mem;
    mw_status status = make_room(mem, (void **)&g->members, g->n_members, &g->member_capacity,
                                 sizeof *g->members, err);
    if (status == MW_OK && !*again) status = table_add(mem, &g->rows, hash, g->n_members, err);
    if (status != MW_OK) return status;
    slot *key = &g->slots[s];
    g->members[g->n_members] =
        (member){.place = p, .next = NONE, .origin = origin_of(g, p), .again = *again};
    if (key->first == NONE)
        key->first = g->n_members;
    else
        g->members[key->last].next = g->n_members;
    key->last = g->n_members++;
    return MW_OK;
}

/* --- rows of one key, by policy ------------------------------------------------------------------ */

static mw_status collide_keep(mw_arrange__group *g, int32_t s, place p, bool is_new, mw_err *err) {
    bool again;
    mw_status status = MW_OK;
    if (g->slots[s].first == NONE) status = add_member(g, s, g->slots[s].place, &again, err);
    if (status == MW_OK) status = add_member(g, s, p, &again, err);
    if (status != MW_OK) return status;
    if (is_new && again) g->counts.n_duplicates++;
    if (is_new && !again) g->counts.n_collisions++;
    return again && g->options.drop_duplicates ? drop(g, p, err) : MW_OK;
}

static mw_status collide_mean(mw_arrange__group *g, int32_t s, place p, bool is_new, mw_err *err) {
    bool again;
    mw_status status = MW_OK;
    if (g->slots[s].first == NONE) status = add_member(g, s, g->slots[s].place, &again, err);
    if (status != MW_OK) return status;
    member *first = &g->members[g->slots[s].first];
    if (first->origin == MW_ARRANGE__TAKEN && origin_of(g, p) == MW_ARRANGE__RAW)
        first->is_void = true;
    status = add_member(g, s, p, &again, err);
    if (status != MW_OK) return status;
    if (is_new && again) g->counts.n_duplicates++;
    if (is_new && !again && !g->options.join) g->counts.n_collisions++;
    return drop(g, p, err);
}

static mw_status collide_row(mw_arrange__group *g, int32_t s, place p, bool is_new, mw_err *err) {
    place to = g->slots[s].place;
    if (same_row(g, to, p, 1 + g->options.n_keys)) {
        g->counts.n_duplicates += is_new;
        return drop(g, p, err);
    }
    g->counts.n_collisions += is_new;
    if (g->options.collide == MW_COLLIDE_LAST) {
        mw_status status = widen(g, to, mw_arrange__row_width(chunk_of(g, p), p.row), err);
        if (status != MW_OK) return status;
        mw_chunk *chunk = chunk_of(g, to);
        for (int32_t c = 1 + g->options.n_keys; c < chunk->n_columns; c++)
            mw_arrange__cell_copy(chunk, to.row, chunk_of(g, p), p.row, c);
    }
    return drop(g, p, err);
}

static mw_status collide_cells(mw_arrange__group *g, int32_t s, place p, bool is_new, mw_err *err) {
    place to = g->slots[s].place;
    int32_t from = 1 + g->options.n_keys;
    if (same_row(g, to, p, from)) {
        g->counts.n_duplicates += is_new;
        return drop(g, p, err);
    }
    int32_t width = mw_arrange__row_width(chunk_of(g, p), p.row);
    mw_status status = widen(g, to, width, err);
    if (status != MW_OK) return status;
    const mw_chunk *other = chunk_of(g, p);
    mw_chunk *chunk = chunk_of(g, to);
    for (int32_t c = from; c < width; c++) {
        if (!mw_arrange__cell_has(other, c, p.row)) continue;
        bool taken = mw_arrange__cell_has(chunk, c, to.row);
        g->counts.n_collisions += taken && is_new;
        if (!taken || g->options.collide != MW_COLLIDE_FIRST)
            mw_arrange__cell_copy(chunk, to.row, other, p.row, c);
    }
    return drop(g, p, err);
}

/* One more row of the group's time. */
static mw_status add_row(mw_arrange__group *g, place p, mw_err *err) {
    int32_t s;
    mw_status status = MW_OK;
    if (g->size++ == 1) status = find_slot(g, g->first, &s, err);
    if (status == MW_OK) status = find_slot(g, p, &s, err);
    if (status != MW_OK || s == NONE) return status;
    bool is_new = origin_of(g, p) == MW_ARRANGE__NEW;
    if (g->options.collide == MW_COLLIDE_MEAN) return collide_mean(g, s, p, is_new, err);
    if (g->options.join) return collide_cells(g, s, p, is_new, err);
    if (g->options.collide == MW_COLLIDE_KEEP) return collide_keep(g, s, p, is_new, err);
    return collide_row(g, s, p, is_new, err);
}

/* --- means --------------------------------------------------------------------------------------- */

/* A chunk of raw rows with room for one more that has n_columns columns. */
static mw_status make_raw_room(mw_arrange__group *g, int32_t n_columns, mw_err *err) {
    mw_status status = MW_OK;
    if (!g->raw) status = mw_arrange__run_new(g->ctx, g->options.spill, g->types, &g->raw, err);
    if (status != MW_OK) return status;
    if (g->raw_rows &&
        (g->raw_rows->n_rows == g->raw_rows->capacity || g->raw_rows->n_columns < n_columns)) {
        status = mw_arrange__run_write(g->raw, g->raw_rows, err);
        g->raw_rows = mw_chunk_free(g->raw_rows);
    }
    if (status != MW_OK || g->raw_rows) return status;
    int64_t rows = RAW_BYTES / (int64_t)(g->types->row_bytes + 1);
    return mw_chunk_new(g->ctx->mem, g->types->types, g->types->n, rows > 1 ? rows : 1,
                        &g->raw_rows, err);
}

static mw_status save_raw(mw_arrange__group *g, const slot *key, mw_err *err) {
    for (int32_t i = key->first; i != NONE; i = g->members[i].next) {
        place p = g->members[i].place;
        mw_status status = make_raw_room(g, chunk_of(g, p)->n_columns, err);
        if (status != MW_OK) return status;
        mw_chunk_append(g->raw_rows, chunk_of(g, p), p.row, 1);
    }
    return MW_OK;
}

/* One column of the key's first row; that row may be a member, so it is written at the end. */
static void write_mean(mw_arrange__group *g, const slot *key, int32_t c) {
    double sum = 0, count = 0;
    place last = key->place;
    for (int32_t i = key->first; i != NONE; i = g->members[i].next) {
        const member *m = &g->members[i];
        if (m->is_void) continue;
        const mw_chunk *chunk = chunk_of(g, m->place);
        bool has = mw_arrange__cell_has(chunk, c, m->place.row);
        if (has || !g->options.join) last = m->place;
        if (!has) continue;
        bool is_new = m->origin == MW_ARRANGE__NEW && !m->again;
        g->counts.n_collisions += g->options.join && count > 0 && is_new;
        if (g->types->types[c] == MW_FLOAT64)
            sum = count > 0 ? sum + chunk->columns[c].number[m->place.row]
                            : chunk->columns[c].number[m->place.row];
        count += 1;
    }
    mw_chunk *to = chunk_of(g, key->place);
    if (g->types->types[c] == MW_FLOAT64)
        to->columns[c].number[key->place.row] = count > 0 ? sum / count : MW_NAN;
    else
        mw_arrange__cell_copy(to, key->place.row, chunk_of(g, last), last.row, c);
}

static mw_status close_mean(mw_arrange__group *g, const slot *key, mw_err *err) {
    int32_t n = 0, width = 0;
    for (int32_t i = key->first; i != NONE; i = g->members[i].next) {
        const member *m = &g->members[i];
        if (m->is_void) continue;
        int32_t w = mw_arrange__row_width(chunk_of(g, m->place), m->place.row);
        if (w > width) width = w;
        n++;
    }
    if (n < 2) return MW_OK;
    mw_status status = widen(g, key->place, width, err);
    if (status == MW_OK && !g->second_pass) status = save_raw(g, key, err);
    if (status != MW_OK) return status;
    int32_t n_columns = chunk_of(g, key->place)->n_columns;
    for (int32_t c = 1 + g->options.n_keys; c < n_columns; c++) write_mean(g, key, c);
    return MW_OK;
}

static mw_status close_group(mw_arrange__group *g, mw_err *err) {
    if (g->size < 2) return MW_OK;
    mw_status status = MW_OK;
    if (g->options.collide == MW_COLLIDE_MEAN && g->n_members)
        for (int32_t s = 0; s < g->n_slots && status == MW_OK; s++)
            if (g->slots[s].first != NONE) status = close_mean(g, &g->slots[s], err);
    g->n_slots = g->n_members = 0;
    table_forget(&g->keys);
    table_forget(&g->rows);
    return status;
}

/* --- chunks -------------------------------------------------------------------------------------- */

/* The next run of rows that are not marked, at or after *from; its end. */
static int64_t kept_run(const node *n, int64_t *from, int64_t n_rows) {
    int64_t at = *from;
    while (at < n_rows && n->dropped[at / 64] >> (at % 64) & 1) at++;
    *from = at;
    while (at < n_rows && !(n->dropped[at / 64] >> (at % 64) & 1)) at++;
    return at;
}

static void move_cells(mw_chunk_column *column, int64_t to, int64_t from, int64_t n) {
    if (column->type == MW_DICTIONARY) {
        memmove(column->codes + to, column->codes + from, (size_t)n * sizeof *column->codes);
    } else if (column->type != MW_BOOL) {
        memmove(column->number + to, column->number + from, (size_t)n * sizeof *column->number);
    } else {
        for (int64_t i = 0; i < 2 * n; i++) {
            uint8_t *bits = i < n ? column->bits : column->validity;
            int64_t row = i < n ? i : i - n;
            unsigned bit = (unsigned)bits[(from + row) / 8] >> ((from + row) % 8) & 1u;
            uint8_t *byte = &bits[(to + row) / 8];
            unsigned shift = (unsigned)((to + row) % 8);
            *byte = (uint8_t)((*byte & ~(1u << shift)) | bit << shift);
        }
    }
}

/* Closes the gaps of marked rows, in place. */
static void compact(node *n) {
    mw_chunk *chunk = n->piece.chunk;
    for (int32_t c = 0; c < chunk->n_columns; c++) {
        int64_t to = 0;
        for (int64_t from = 0; from < chunk->n_rows;) {
            int64_t end = kept_run(n, &from, chunk->n_rows);
            if (to != from && end > from) move_cells(&chunk->columns[c], to, from, end - from);
            to += end - from;
            from = end;
        }
    }
    chunk->n_rows -= n->n_dropped;
}

static mw_status hand_over(mw_arrange__group *g, node *n, mw_err *err) {
    if (n->n_dropped) compact(n);
    const mw_chunk *chunk = n->piece.chunk;
    if (chunk->n_rows == 0) return MW_OK;
    if (g->counts.n_rows == 0) g->counts.first_us = chunk->columns[0].time[0];
    g->counts.last_us = chunk->columns[0].time[chunk->n_rows - 1];
    g->counts.n_rows += chunk->n_rows;
    return g->sink->take(g->sink->self, chunk, err);
}

/* The first n nodes go to the sink. */
static mw_status release(mw_arrange__group *g, int32_t n, mw_err *err) {
    mw_status status = MW_OK;
    for (int32_t i = 0; i < n; i++) {
        g->held_bytes -= mw_chunk_bytes(g->nodes[i].piece.chunk);
        if (status == MW_OK) status = hand_over(g, &g->nodes[i], err);
        node_done(&g->nodes[i]);
    }
    g->n_nodes -= n;
    g->node_base += (uint32_t)n;
    if (n) memmove(g->nodes, g->nodes + n, (size_t)g->n_nodes * sizeof *g->nodes);
    return status;
}

static mw_status scan(mw_arrange__group *g, place at, mw_err *err) {
    int64_t n = chunk_of(g, at)->n_rows;
    for (int64_t row = 0; row < n; row++) {
        /* A widened chunk is another one. */
        const int64_t *times = chunk_of(g, at)->columns[0].time;
        mw_status status;
        if (g->size && times[row] == g->time) {
            status = add_row(g, (place){at.node, (uint32_t)row}, err);
            if (status != MW_OK) return status;
            continue;
        }
        status = close_group(g, err);
        if (status != MW_OK) return status;
        times = chunk_of(g, at)->columns[0].time;
        while (row + 1 < n && times[row + 1] != times[row]) row++;
        g->time = times[row];
        g->size = 1;
        g->first = (place){at.node, (uint32_t)row};
    }
    return MW_OK;
}

mw_status mw_arrange__group_add(void *self, mw_arrange__piece *piece, mw_err *err) {
    mw_arrange__group *g = self;
    mw_status status = make_room(g->ctx->mem, (void **)&g->nodes, g->n_nodes, &g->node_capacity,
                                 sizeof *g->nodes, err);
    if (status != MW_OK) {
        mw_arrange__piece_done(piece);
        return status;
    }
    size_t bytes = mw_chunk_bytes(piece->chunk);
    place at = {g->node_base + (uint32_t)g->n_nodes, 0};
    g->nodes[g->n_nodes++] = (node){.piece = *piece};
    g->held_bytes += bytes;
    *piece = (mw_arrange__piece){0};
    status = scan(g, at, err);
    if (status == MW_OK) status = release(g, (int32_t)(g->first.node - g->node_base), err);
    if (status == MW_OK && g->n_nodes > 1 && g->held_bytes > (size_t)MW_LIMIT(TIME_GROUP_BYTES)) {
        mw_fail(err, MW_ETOOLARGE, "rows of one time take more than %lld bytes",
                (long long)MW_LIMIT(TIME_GROUP_BYTES));
        return mw_err_hint(err, "is the time column right? its values hardly change");
    }
    return status;
}

mw_status mw_arrange__group_close(mw_arrange__group *g, mw_err *err) {
    mw_status status = close_group(g, err);
    g->size = 0;
    return status == MW_OK ? release(g, g->n_nodes, err) : status;
}

mw_status mw_arrange__group_restart(mw_arrange__group *g, mw_arrange__run **ret_raw, mw_err *err) {
    mw_status status = mw_arrange__group_close(g, err);
    if (status == MW_OK && g->raw_rows) status = mw_arrange__run_write(g->raw, g->raw_rows, err);
    if (status == MW_OK && g->raw) status = mw_arrange__run_rewind(g->raw, err);
    if (status != MW_OK) return status;
    g->raw_rows = mw_chunk_free(g->raw_rows);
    *ret_raw = g->raw;
    g->raw = NULL;
    g->second_pass = true;
    g->counts.n_rows = g->counts.first_us = g->counts.last_us = 0;
    return MW_OK;
}
