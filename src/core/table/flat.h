/*
 * flat.h -- FlatBuffers by hand, as far as Arrow metadata needs them: checked reading, plain
 * writing.
 *
 * Format    https://flatbuffers.dev/internals: a table starts with a signed distance back to its
 * vtable, which lists the place of each field; strings, vectors and sub-tables are reached through
 *           unsigned forward distances. Little-endian, aligned to the size of each scalar.
 * Reading   every access is checked against the buffer. The first problem is remembered in
 * `problem`; from then on, and for absent fields, getters return zero, so that callers check once.
 * Writing   front to back: a parent is written with empty slots and patched as its children follow.
 *           Memory trouble is sticky in the mw_buf.
 */
#ifndef MW_CORE_TABLE_FLAT_H
#define MW_CORE_TABLE_FLAT_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/str.h"

/* --- reading --------------------------------------------------------------------------------- */

typedef struct mw_flat {
    const uint8_t *data; /* [size], borrowed; any alignment */
    size_t size;
    const char *problem; /* NULL: none so far */
} mw_flat;

typedef struct mw_flat_table {
    size_t at;     /* 0: absent */
    size_t vtable; /* of vtable_bytes, checked */
    uint16_t vtable_bytes;
    uint16_t table_bytes;
} mw_flat_table;

typedef struct mw_flat_vector {
    size_t at; /* of the first element */
    uint32_t n;
    uint32_t element_bytes;
} mw_flat_vector;

mw_flat_table mw_flat__root(mw_flat *flat);
bool mw_flat__has(mw_flat *flat, mw_flat_table table, int field);
/* bytes: 1, 2, 4 or 8; sign-extended. */
int64_t mw_flat__int(mw_flat *flat, mw_flat_table table, int field, int bytes, int64_t missing);
mw_flat_table mw_flat__child(mw_flat *flat, mw_flat_table table, int field);
mw_str mw_flat__string(mw_flat *flat, mw_flat_table table, int field); /* data NULL: absent */
/* alignment: that of the elements. */
mw_flat_vector mw_flat__vector(mw_flat *flat, mw_flat_table table, int field,
                               uint32_t element_bytes, uint32_t alignment);
mw_flat_table mw_flat__element(mw_flat *flat, mw_flat_vector tables, uint32_t index);
/* The scalar at a byte offset inside element index of a vector of structs. */
int64_t mw_flat__member(const mw_flat *flat, mw_flat_vector structs, uint32_t index,
                        uint32_t offset, int bytes);

/* --- writing --------------------------------------------------------------------------------- */

enum { MW_FLAT_FIELDS_MAX = 8 };

typedef struct mw_flat_slots {
    size_t at;
    uint16_t field[MW_FLAT_FIELDS_MAX]; /* distance from at; 0: absent */
} mw_flat_slots;

/* Starts a buffer: the slot of the root table. */
void mw_flat__begin(mw_buf *out);
/* A table whose field i takes bytes[i] (0: absent), all zero. */
mw_flat_slots mw_flat__add_table(mw_buf *out, const uint8_t *bytes, int n_fields);
void mw_flat__set_root(mw_buf *out, mw_flat_slots table);
void mw_flat__set_int(mw_buf *out, mw_flat_slots table, int field, int bytes, int64_t value);
/* Points a field, or a vector's element, at what was written at `target`. */
void mw_flat__set_ref(mw_buf *out, mw_flat_slots table, int field, size_t target);
void mw_flat__set_element_ref(mw_buf *out, size_t vector, size_t index, size_t target);
/* A vector of n zero elements; returns where its length stands, its elements 4 bytes further on. */
size_t mw_flat__add_vector(mw_buf *out, size_t n, size_t element_bytes, size_t alignment);
size_t mw_flat__add_string(mw_buf *out, mw_str text);
void mw_flat__store(mw_buf *out, size_t at, int bytes, int64_t value);

#endif
