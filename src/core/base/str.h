/*
 * str.h -- growable byte buffer with a mandatory maximum, and byte-string views.
 *
 * What      mw_buf collects bytes or text; its content is always followed by a NUL that is not
 *           counted. Growth past max_bytes fails (sticky), so no caller can grow without bound.
 * Errors    appends return nothing; the first failure is remembered in `failed` and later appends
 * do nothing. Check mw_buf_status once at the end. Views     mw_str borrows; it need not be
 * NUL-terminated.
 */
#ifndef MW_CORE_BASE_STR_H
#define MW_CORE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/alloc.h"
#include "core/base/status.h"

typedef struct mw_str {
    const char *data; /* [size], borrowed */
    size_t size;
} mw_str;

#define MW_STR(literal) ((mw_str){(literal), sizeof(literal) - 1})

mw_str mw_str_of(const char *text); /* NULL gives an empty view */
bool mw_str_eq(mw_str a, mw_str b);
bool mw_str_is(mw_str a, const char *text);
bool mw_str_is_nocase(mw_str a, const char *text); /* ASCII case only */
mw_str mw_str_trim(mw_str a);                      /* blanks and tabs at both ends */
int mw_str_compare(mw_str a, mw_str b);            /* by bytes, shorter first */
bool mw_utf8_valid(const char *data, size_t size); /* no surrogates, no overlong forms */

/* Copies as a C string, cut to capacity; returns out. */
char *mw_str_copy(char *out, size_t capacity, mw_str a);

typedef struct mw_buf {
    mw_mem *mem;
    char *data; /* [capacity]; NULL until the first append; read it with mw_buf_text */
    size_t size;
    size_t capacity;
    size_t max_bytes;
    mw_status failed; /* MW_OK, MW_ENOMEM or MW_ETOOLARGE */
} mw_buf;

void mw_buf_init(mw_buf *buf, mw_mem *mem, size_t max_bytes);
void mw_buf_done(mw_buf *buf);  /* frees; the buffer may be used again as if just initialized */
void mw_buf_clear(mw_buf *buf); /* forgets content and failure, keeps the memory */
void mw_buf_append(mw_buf *buf, const void *data, size_t size);
void mw_buf_add(mw_buf *buf, const char *text);
void mw_buf_add_char(mw_buf *buf, char c);
void mw_buf_add_str(mw_buf *buf, mw_str text);
void mw_buf_printf(mw_buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Makes room for size more bytes and returns where they go, or NULL; follow with mw_buf_grew. */
char *mw_buf_reserve(mw_buf *buf, size_t size);
void mw_buf_grew(mw_buf *buf, size_t size);

/* Removes size bytes from the front. */
void mw_buf_consume(mw_buf *buf, size_t size);

const char *mw_buf_text(const mw_buf *buf); /* never NULL */
mw_str mw_buf_str(const mw_buf *buf);

/* MW_OK, or the remembered failure with a message that names `what`. */
mw_status mw_buf_status(const mw_buf *buf, const char *what, mw_err *err);

/* Hands the bytes to the caller (mw_free them); the buffer is empty afterwards. NULL on no memory.
 */
char *mw_buf_steal(mw_buf *buf, size_t *size);

#endif
