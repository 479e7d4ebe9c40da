/*
 * form.h -- multipart/form-data (RFC 7578, RFC 2046 5.1), read as it comes. No sockets.
 *
 * What      fields with their values, and the content of files in pieces. Preamble and epilogue are
 *           dropped, nested multiparts are not read (RFC 7578, 4.3 has none).
 * Lifetime  mw_form_init -> mw_form_feed* -> mw_form_ended -> mw_form_done
 * Memory    one part's header lines or one field's value; content is handed out as views and never
 *           kept. Limits: FORM_PARTS, FORM_HEADER_BYTES, FORM_FIELDS_BYTES, STRING_BYTES a value.
 * Events    MORE: all bytes were used. FIELD: a whole field. FILE: a file begins; then DATA*, up to the
 *           next FIELD, FILE or END. After END bytes are only dropped. ERROR is final.
 * Names     come as sent and are UTF-8 without control characters; a file's name is nobody's path.
 */
#ifndef MW_RUN_SERVE_FORM_H
#define MW_RUN_SERVE_FORM_H

#include "core/base/str.h"

enum { MW_FORM_BOUNDARY_MAX = 70, MW_FORM_NAME_MAX = 256 };

typedef enum mw_form_event {
    MW_FORM_MORE,
    MW_FORM_FIELD,
    MW_FORM_FILE,
    MW_FORM_DATA,
    MW_FORM_END,
    MW_FORM_ERROR
} mw_form_event;

typedef struct mw_form {
    /* After FIELD and FILE, until the next call: */
    char name[MW_FORM_NAME_MAX];
    mw_str value;                     /* FIELD */
    char file_name[MW_FORM_NAME_MAX]; /* FILE; "" when it has none */
    mw_str data;                      /* DATA: into the bytes just fed, or into the delimiter */
    mw_err error;                     /* ERROR: MW_EPARSE, MW_ETOOLARGE or MW_ENOMEM */

    /* Inside. */
    char delimiter[MW_FORM_BOUNDARY_MAX + 5]; /* CR LF - - boundary */
    size_t delimiter_size, matched;
    int phase;
    bool is_file;
    mw_buf head, kept;
    size_t line_start; /* in head */
    int64_t n_parts, fields_bytes, dropped_bytes;
} mw_form;

/* The boundary of a Content-Type field. False when it is not multipart/form-data, or has none that
 * RFC 2046 allows. */
bool mw_form_boundary(mw_str content_type, char out[MW_FORM_BOUNDARY_MAX + 1]);

void mw_form_init(mw_form *form, mw_mem *mem, const char *boundary);
void mw_form_done(mw_form *form);
mw_form_event mw_form_feed(mw_form *form, const char *data, size_t size, size_t *used);
bool mw_form_ended(const mw_form *form); /* the closing boundary has come */

#endif
