/* str.c -- see str.h. Buffers grow by half, never past their maximum. */
#include "core/base/str.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

mw_str mw_str_of(const char *text) { return (mw_str){text ? text : "", text ? strlen(text) : 0}; }

bool mw_str_eq(mw_str a, mw_str b) {
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool mw_str_is(mw_str a, const char *text) { return mw_str_eq(a, mw_str_of(text)); }

static char lower(char c) { return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c; }

bool mw_str_is_nocase(mw_str a, const char *text) {
    if (strlen(text) != a.size) return false;
    for (size_t i = 0; i < a.size; i++)
        if (lower(a.data[i]) != lower(text[i])) return false;
    return true;
}

mw_str mw_str_trim(mw_str a) {
    while (a.size && (a.data[0] == ' ' || a.data[0] == '\t')) a.data++, a.size--;
    while (a.size && (a.data[a.size - 1] == ' ' || a.data[a.size - 1] == '\t')) a.size--;
    return a;
}

int mw_str_compare(mw_str a, mw_str b) {
    size_t n = a.size < b.size ? a.size : b.size;
    int order = n ? memcmp(a.data, b.data, n) : 0;
    if (order) return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

char *mw_str_copy(char *out, size_t capacity, mw_str a) {
    size_t n = a.size < capacity - 1 ? a.size : capacity - 1;
    if (n) memcpy(out, a.data, n);
    out[n] = '\0';
    return out;
}

void mw_buf_init(mw_buf *buf, mw_mem *mem, size_t max_bytes) {
    *buf = (mw_buf){.mem = mem, .max_bytes = max_bytes};
}

void mw_buf_done(mw_buf *buf) {
    mw_free(buf->data);
    mw_buf_init(buf, buf->mem, buf->max_bytes);
}

void mw_buf_clear(mw_buf *buf) {
    buf->size = 0;
    buf->failed = MW_OK;
    if (buf->data) buf->data[0] = '\0';
}

char *mw_buf_reserve(mw_buf *buf, size_t size) {
    if (buf->failed) return NULL;
    if (size > buf->max_bytes || buf->size > buf->max_bytes - size) {
        buf->failed = MW_ETOOLARGE;
        return NULL;
    }
    size_t need = buf->size + size + 1;
    if (need > buf->capacity) {
        size_t capacity = buf->capacity + buf->capacity / 2;
        if (capacity < need) capacity = need;
        if (capacity < 64) capacity = 64;
        if (capacity > buf->max_bytes + 1) capacity = buf->max_bytes + 1;
        char *data = mw_realloc(buf->mem, buf->data, capacity);
        if (!data) {
            buf->failed = MW_ENOMEM;
            return NULL;
        }
        buf->data = data;
        buf->capacity = capacity;
    }
    return buf->data + buf->size;
}

void mw_buf_grew(mw_buf *buf, size_t size) {
    buf->size += size;
    buf->data[buf->size] = '\0';
}

void mw_buf_append(mw_buf *buf, const void *data, size_t size) {
    char *to = mw_buf_reserve(buf, size);
    if (!to) return;
    if (size) memcpy(to, data, size);
    mw_buf_grew(buf, size);
}

void mw_buf_add(mw_buf *buf, const char *text) { mw_buf_append(buf, text, strlen(text)); }
void mw_buf_add_char(mw_buf *buf, char c) { mw_buf_append(buf, &c, 1); }
void mw_buf_add_str(mw_buf *buf, mw_str text) { mw_buf_append(buf, text.data, text.size); }

void mw_buf_printf(mw_buf *buf, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *to = n < 0 ? NULL : mw_buf_reserve(buf, (size_t)n);
    if (to) {
        (void)vsnprintf(to, (size_t)n + 1, format, again);
        mw_buf_grew(buf, (size_t)n);
    }
    va_end(again);
}

void mw_buf_consume(mw_buf *buf, size_t size) {
    if (size >= buf->size) {
        buf->size = 0;
    } else if (size) {
        memmove(buf->data, buf->data + size, buf->size - size);
        buf->size -= size;
    }
    if (buf->data) buf->data[buf->size] = '\0';
}

const char *mw_buf_text(const mw_buf *buf) { return buf->data ? buf->data : ""; }
mw_str mw_buf_str(const mw_buf *buf) { return (mw_str){mw_buf_text(buf), buf->size}; }

mw_status mw_buf_status(const mw_buf *buf, const char *what, mw_err *err) {
    if (buf->failed == MW_OK) return MW_OK;
    if (buf->failed == MW_ENOMEM) return mw_fail_nomem(err, what);
    return mw_fail(err, MW_ETOOLARGE, "%s is larger than %zu bytes", what, buf->max_bytes);
}

char *mw_buf_steal(mw_buf *buf, size_t *size) {
    if (!mw_buf_reserve(buf, 0)) return NULL;
    buf->data[buf->size] = '\0';
    char *data = buf->data;
    if (size) *size = buf->size;
    mw_buf_init(buf, buf->mem, buf->max_bytes);
    return data;
}
