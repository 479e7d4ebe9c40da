/*
 * reject_notes.h -- the lines of a rejects file that are not rows: how they are told, kept apart and taken out.
 *
 * Head      the first line, "#millwright-rejects 1 " and the profile's JSON.
 * Note      any other line that begins with "#line <1 to 20 digits>, column ". It stands before the row it
 *           is about and may be left in or removed.
 * Rows      a line of a row that itself looks like a note gets one '#' more in front, and so does one that
 *           looks like a note behind any number of '#'; reading takes one away. So every row can be
 *           written, and a line is a note whatever quotes are open before it.
 * Quotes    a note holds the dialect's quote in one place only, around the column's name. A lexer
 *           that meets a note inside a quoted field therefore sees text after a closing quote, so that a row
 *           with a quote that is never closed ends there and does not swallow the next one.
 *
 * mw_notes takes head and notes out of the text while it is read: each becomes an empty line, so that lines
 * keep their numbers. A note stays when quotes before it are open (see above): the row of such a note has a
 * problem and raw bytes for which mw_reject_is_note holds; its reader leaves it out.
 */
#ifndef MW_KEEP_INGEST_REJECT_NOTES_H
#define MW_KEEP_INGEST_REJECT_NOTES_H

#include "core/base/str.h"

/* line: without or with its line end. */
bool mw_reject_is_note(mw_str line);

/* Appends row to out, with a '#' more where a line of it would be taken for a note. */
void mw_reject_escape(mw_str row, mw_buf *out);

enum { MW_NOTES_HELD = 64 };

typedef struct mw_notes {
    char quote, escape;
    enum { MW_NOTES_HEAD, MW_NOTES_START, MW_NOTES_HASHES, MW_NOTES_ROW, MW_NOTES_KEPT } state;
    bool open;      /* the quotes since the last note are odd */
    bool escaped;   /* the last byte was the escape */
    bool cr;        /* the last byte was a CR */
    bool many;      /* more than one '#' */
    uint8_t n_held; /* bytes behind the '#' that may begin a note */
    char held[MW_NOTES_HELD];
    uint8_t n_ready, ready_at; /* bytes to be given */
    char ready[MW_NOTES_HELD + 2];
} mw_notes;

void mw_notes_init(mw_notes *notes, char quote, char escape);

/*
 * From in [size] into out [capacity] until one of them is used up; *ret_used says how much of in was. last: nothing
 * follows in. Returns the bytes written: less than capacity means that all of in was used. Any way to
 * cut a text gives the same bytes.
 */
size_t mw_notes_run(mw_notes *notes, const char *in, size_t size, bool last, size_t *ret_used,
                    char *out, size_t capacity);

#endif
