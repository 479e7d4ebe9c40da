/*
 * transcode.h -- text of other encodings to UTF-8, as a stream, and back.
 *
 * What      UTF-16 in either byte order and Windows-1252 (of which Latin-1's letters are a part) to
 *           UTF-8. A surrogate without its other half and an odd last byte become U+FFFD each; the five
 *           bytes that Windows-1252 leaves open (81 8D 8F 90 9D) become U+0081 and so on, as the
 *           WHATWG's Encoding Standard has it, so that they come back as they were. UTF-8 passes as it is.
 * Streams   a character may be cut anywhere, in the input and in the output: what waits is in the
 *           mw_transcode. Any way to cut a text gives the same bytes.
 * Cost      runs of ASCII go 16 bytes at a time (SSE2, NEON); the plain loop gives the same bytes.
 */
#ifndef MW_KEEP_INGEST_TRANSCODE_H
#define MW_KEEP_INGEST_TRANSCODE_H

#include "core/base/str.h"
#include "keep/ingest/source.h"

typedef struct mw_transcode {
    enum mw_source_text text;
    uint32_t high;   /* a high surrogate that waits for the low one; 0: none */
    uint8_t odd;     /* the first byte of a unit cut in two */
    bool has_odd;    /* odd holds one */
    uint8_t n_spill; /* bytes of a character that did not fit, still to be given */
    char spill[4];
    bool plain_loop; /* for tests: the loop that the vector instructions are compared with */
} mw_transcode;

void mw_transcode_init(mw_transcode *transcode, enum mw_source_text text);

/*
 * Decodes from in [size] into out [capacity] until one of them is used up; *ret_used says how much of in
 * was. last: nothing follows in, so that what was cut off is given as U+FFFD. Returns the bytes written:
 * less than capacity means that all of in was used and nothing waits that could be given.
 */
size_t mw_transcode_run(mw_transcode *transcode, const char *in, size_t size, bool last,
                        size_t *ret_used, char *out, size_t capacity);

/* True when nothing waits: neither half a character nor bytes that did not fit. */
bool mw_transcode_is_idle(const mw_transcode *transcode);

/* Bytes that the byte-order mark of this encoding takes at the start of data: 0, 2 or 3. */
size_t mw_text_bom(enum mw_source_text text, const char *data, size_t size);

/*
 * In place, a CR that no LF follows becomes a LF; CRLF stays. next: the byte behind data, or -1 at the
 * end of the text.
 */
void mw_text_unify_lines(char *data, size_t size, int next);

/*
 * Appends data [size], a whole text, to out as UTF-8 without its byte-order mark; unify_lines as in
 * mw_source_set_text. MW_ENOMEM or MW_ETOOLARGE of out. mem is where out takes its memory.
 */
mw_status mw_text_decode(mw_mem *mem, const char *data, size_t size, enum mw_source_text text,
                         bool unify_lines, mw_buf *out, mw_err *err);

/*
 * Appends utf8 to out in the given encoding, without a byte-order mark. What mw_text_decode made of valid
 * text comes back as it was. What the encoding cannot hold becomes '?' (Windows-1252), and bytes that
 * are no UTF-8 become U+FFFD (UTF-16). Look at out's status afterwards.
 */
void mw_text_encode(enum mw_source_text text, mw_str utf8, mw_buf *out);

#endif
