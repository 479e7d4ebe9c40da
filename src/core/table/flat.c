/*
 * flat.c -- see flat.h. Scalars are moved with memcpy: mapped files may put them at any address.
 */
#include "core/table/flat.h"

#include <assert.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "Arrow files are little-endian");

/* --- reading --------------------------------------------------------------------------------- */

static void problem(mw_flat *flat, const char *what) {
    if (!flat->problem) flat->problem = what;
}

static int64_t load(const mw_flat *flat, size_t at, int bytes) {
    assert(at <= flat->size && flat->size - at >= (size_t)bytes);
    uint64_t raw = 0;
    memcpy(&raw, flat->data + at, (size_t)bytes);
    int unused = 64 - 8 * bytes;
    return (int64_t)(raw << unused) >> unused;
}

/* True when [at, at + bytes) lies in the buffer and is aligned. */
static bool inside(mw_flat *flat, size_t at, size_t bytes, size_t alignment) {
    if (at > flat->size || flat->size - at < bytes) {
        problem(flat, "metadata points outside itself");
        return false;
    }
    if (at % alignment != 0) {
        problem(flat, "metadata is not aligned");
        return false;
    }
    return true;
}

static mw_flat_table table_at(mw_flat *flat, size_t at) {
    mw_flat_table none = {0};
    if (!inside(flat, at, 4, 4)) return none;
    int64_t vtable = (int64_t)at - load(flat, at, 4);
    if (vtable < 0) {
        problem(flat, "metadata points outside itself");
        return none;
    }
    mw_flat_table t = {.at = at, .vtable = (size_t)vtable};
    if (!inside(flat, t.vtable, 4, 2)) return none;
    t.vtable_bytes = (uint16_t)load(flat, t.vtable, 2);
    t.table_bytes = (uint16_t)load(flat, t.vtable + 2, 2);
    if (t.vtable_bytes < 4 || t.vtable_bytes % 2 != 0 || t.table_bytes < 4) {
        problem(flat, "a metadata table has an impossible size");
        return none;
    }
    if (!inside(flat, t.vtable, t.vtable_bytes, 2) || !inside(flat, at, t.table_bytes, 4))
        return none;
    return t;
}

/* What the distance stored at `at` points to; 0 on a problem. */
static size_t follow(mw_flat *flat, size_t at) {
    uint32_t distance = (uint32_t)load(flat, at, 4);
    if (distance == 0 || distance > flat->size - at) {
        problem(flat, "metadata points outside itself");
        return 0;
    }
    return at + distance;
}

mw_flat_table mw_flat__root(mw_flat *flat) {
    if (!inside(flat, 0, 4, 4)) return (mw_flat_table){0};
    size_t at = follow(flat, 0);
    return at ? table_at(flat, at) : (mw_flat_table){0};
}

/* Where a field of so many bytes is stored; 0 when absent. */
static size_t field_at(mw_flat *flat, mw_flat_table table, int field, size_t bytes) {
    if (flat->problem || !table.at) return 0;
    size_t entry = 4 + 2 * (size_t)field;
    if (entry + 2 > table.vtable_bytes) return 0;
    uint16_t offset = (uint16_t)load(flat, table.vtable + entry, 2);
    if (offset == 0) return 0;
    if (offset < 4 || offset + bytes > table.table_bytes) {
        problem(flat, "a metadata field lies outside its table");
        return 0;
    }
    size_t at = table.at + offset;
    return inside(flat, at, bytes, bytes) ? at : 0;
}

bool mw_flat__has(mw_flat *flat, mw_flat_table table, int field) {
    return field_at(flat, table, field, 1) != 0;
}

int64_t mw_flat__int(mw_flat *flat, mw_flat_table table, int field, int bytes, int64_t missing) {
    size_t at = field_at(flat, table, field, (size_t)bytes);
    return at ? load(flat, at, bytes) : missing;
}

mw_flat_table mw_flat__child(mw_flat *flat, mw_flat_table table, int field) {
    size_t at = field_at(flat, table, field, 4);
    if (at) at = follow(flat, at);
    return at ? table_at(flat, at) : (mw_flat_table){0};
}

mw_flat_vector mw_flat__vector(mw_flat *flat, mw_flat_table table, int field,
                               uint32_t element_bytes, uint32_t alignment) {
    mw_flat_vector none = {.element_bytes = element_bytes};
    size_t at = field_at(flat, table, field, 4);
    if (at) at = follow(flat, at);
    if (!at || !inside(flat, at, 4, 4)) return none;
    uint32_t n = (uint32_t)load(flat, at, 4);
    if (n == 0) return none;
    if ((flat->size - at - 4) / element_bytes < n) {
        problem(flat, "a metadata list is longer than the metadata");
        return none;
    }
    if (!inside(flat, at + 4, (size_t)n * element_bytes, alignment)) return none;
    return (mw_flat_vector){at + 4, n, element_bytes};
}

mw_str mw_flat__string(mw_flat *flat, mw_flat_table table, int field) {
    size_t at = field_at(flat, table, field, 4);
    if (at) at = follow(flat, at);
    if (!at || !inside(flat, at, 4, 4)) return (mw_str){NULL, 0};
    uint32_t n = (uint32_t)load(flat, at, 4);
    if (n >= flat->size - at - 4 || flat->data[at + 4 + n] != 0) {
        problem(flat, "a metadata text has no end");
        return (mw_str){NULL, 0};
    }
    return (mw_str){(const char *)flat->data + at + 4, n};
}

mw_flat_table mw_flat__element(mw_flat *flat, mw_flat_vector tables, uint32_t index) {
    if (flat->problem || index >= tables.n) return (mw_flat_table){0};
    size_t at = follow(flat, tables.at + (size_t)index * 4);
    return at ? table_at(flat, at) : (mw_flat_table){0};
}

int64_t mw_flat__member(const mw_flat *flat, mw_flat_vector structs, uint32_t index,
                        uint32_t offset, int bytes) {
    if (index >= structs.n) return 0;
    assert(offset + (uint32_t)bytes <= structs.element_bytes);
    return load(flat, structs.at + (size_t)index * structs.element_bytes + offset, bytes);
}

/* --- writing --------------------------------------------------------------------------------- */

static void pad_to(mw_buf *out, size_t alignment) {
    static const char zeros[64];
    assert(alignment <= sizeof zeros);
    mw_buf_append(out, zeros, (alignment - out->size % alignment) % alignment);
}

static void add_zeros(mw_buf *out, size_t n) {
    static const char zeros[64];
    for (; n > sizeof zeros; n -= sizeof zeros) mw_buf_append(out, zeros, sizeof zeros);
    mw_buf_append(out, zeros, n);
}

void mw_flat__store(mw_buf *out, size_t at, int bytes, int64_t value) {
    if (out->failed != MW_OK) return;
    assert(at + (size_t)bytes <= out->size);
    memcpy(out->data + at, &value, (size_t)bytes);
}

void mw_flat__begin(mw_buf *out) { add_zeros(out, 4); }

mw_flat_slots mw_flat__add_table(mw_buf *out, const uint8_t *bytes, int n_fields) {
    assert(n_fields <= MW_FLAT_FIELDS_MAX);
    mw_flat_slots slots = {0};
    size_t end = 4;
    for (int i = 0; i < n_fields; i++) {
        if (bytes[i] == 0) continue;
        end = (end + bytes[i] - 1) / bytes[i] * bytes[i];
        slots.field[i] = (uint16_t)end;
        end += bytes[i];
    }
    pad_to(out, 2);
    size_t vtable = out->size;
    add_zeros(out, 4 + 2 * (size_t)n_fields);
    pad_to(out, 8);
    slots.at = out->size;
    add_zeros(out, end);
    mw_flat__store(out, vtable, 2, 4 + 2 * n_fields);
    mw_flat__store(out, vtable + 2, 2, (int64_t)end);
    for (int i = 0; i < n_fields; i++)
        mw_flat__store(out, vtable + 4 + 2 * (size_t)i, 2, slots.field[i]);
    mw_flat__store(out, slots.at, 4, (int64_t)(slots.at - vtable));
    return slots;
}

void mw_flat__set_root(mw_buf *out, mw_flat_slots table) {
    mw_flat__store(out, 0, 4, (int64_t)table.at);
}

void mw_flat__set_int(mw_buf *out, mw_flat_slots table, int field, int bytes, int64_t value) {
    assert(table.field[field] != 0);
    mw_flat__store(out, table.at + table.field[field], bytes, value);
}

void mw_flat__set_ref(mw_buf *out, mw_flat_slots table, int field, size_t target) {
    assert(table.field[field] != 0);
    size_t at = table.at + table.field[field];
    mw_flat__store(out, at, 4, (int64_t)(target - at));
}

void mw_flat__set_element_ref(mw_buf *out, size_t vector, size_t index, size_t target) {
    size_t at = vector + 4 + 4 * index;
    mw_flat__store(out, at, 4, (int64_t)(target - at));
}

size_t mw_flat__add_vector(mw_buf *out, size_t n, size_t element_bytes, size_t alignment) {
    pad_to(out, 4);
    while (out->failed == MW_OK && (out->size + 4) % alignment != 0) add_zeros(out, 4);
    size_t at = out->size;
    add_zeros(out, 4 + n * element_bytes);
    mw_flat__store(out, at, 4, (int64_t)n);
    return at;
}

size_t mw_flat__add_string(mw_buf *out, mw_str text) {
    size_t at = mw_flat__add_vector(out, 0, 1, 4);
    mw_flat__store(out, at, 4, (int64_t)text.size);
    mw_buf_append(out, text.data, text.size);
    mw_buf_append(out, "", 1);
    return at;
}
