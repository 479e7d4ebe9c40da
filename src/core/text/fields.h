/*
 * fields.h -- one column of a block of rows, as text: what the readers of whole columns take.
 *
 * Shape     field i, i < n, is text[marks[i * stride] + 1 .. marks[i * stride + 1]): marks are the positions
 *           of what ends a field, so a field begins behind the mark before it. The first mark of all is
 *           UINT32_MAX, which + 1 is 0.
 * Room      MW_FIELDS_SLACK bytes before text and behind the last field may be read, not used.
 */
#ifndef MW_CORE_TEXT_FIELDS_H
#define MW_CORE_TEXT_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/str.h"
#include "core/text/dialect.h"

enum { MW_FIELDS_SLACK = 64 };

typedef struct mw_fields {
    const char *text;
    const uint32_t *marks; /* [n * stride + 1] of this column */
    size_t stride;         /* marks from one row to the next */
    size_t n;
    char quote; /* a field that begins and ends with it is taken without both; 0: none */
    bool cr;    /* the last byte is left out when it is '\r': the last column of lines in CRLF */
} mw_fields;

/* Field i, without its quotes and CR; doubled quotes inside still stand doubled. */
static inline mw_str mw_fields_at(const mw_fields *fields, size_t i) {
    size_t at = i * fields->stride;
    size_t begin = (size_t)(uint32_t)(fields->marks[at] + 1), end = fields->marks[at + 1];
    if (fields->cr && end > begin && fields->text[end - 1] == '\r') end--;
    if (fields->quote && end - begin >= 2 && fields->text[begin] == fields->quote &&
        fields->text[end - 1] == fields->quote) {
        begin++;
        end--;
    }
    return (mw_str){fields->text + begin, end - begin};
}

/*
 * Reads the fields that are plain decimal numbers into out [n]: an optional sign, digits with at most one
 * `point`, an optional exponent; the double nearest to them, as mw_number_read gives. The others (empty, padded, words,
 * thousands marks, numbers past what a double holds) are left as NaN, and their indices go to odd [n], ascending. Returns how many.
 * Cost: 1 to 4 ns a field for up to 15 digits with vector instructions.
 */
size_t mw_number_read_fields(const mw_fields *fields, char point, double *out, uint32_t *odd);

#endif
