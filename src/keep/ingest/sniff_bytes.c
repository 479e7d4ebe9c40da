/*
 * sniff_bytes.c -- see sniff.h. Known magic bytes come first, since a message can then name the format. UTF-16 without a
 * byte-order mark is told by its zero bytes: text with mostly ASCII has them at every other place. Bytes that are no
 * valid UTF-8 are Windows-1252, unless nearly all of their sequences are UTF-8: then the file is UTF-8 with damage.
 */
#include "keep/ingest/sniff.h"

#include <string.h>

#include "keep/ingest/transcode.h"

enum { SNIFFED_BYTES = 65536 };

static const struct format {
    const char *magic;
    size_t size;
    const char *name;
    const char *hint;
} formats[] = {
    {"PK\3\4", 4, "a ZIP archive or an Excel workbook", "Unpack it, or save the sheet as CSV."},
    {"\xd0\xcf\x11\xe0", 4, "an old Excel workbook", "Save the sheet as CSV."},
    {"\x1f\x8b", 2, "compressed with gzip twice", "Unpack it once with `gunzip`."},
    {"\x28\xb5\x2f\xfd", 4, "compressed with zstd", "Unpack it with `zstd -d`, or use gzip."},
    {"BZh", 3, "compressed with bzip2", "Unpack it with `bunzip2`, or use gzip."},
    {"\xfd\x37zXZ", 5, "compressed with xz", "Unpack it with `unxz`, or use gzip."},
    {"7z\xbc\xaf", 4, "a 7z archive", "Unpack it."},
    {"Rar!", 4, "a RAR archive", "Unpack it."},
    {"\x04\x22\x4d\x18", 4, "compressed with lz4", "Unpack it with `lz4 -d`, or use gzip."},
    {"PAR1", 4, "a Parquet file", "Export it as CSV."},
    {"ARROW1", 6, "an Arrow file", "Export it as CSV."},
    {"\xff\xff\xff\xff\x10", 5, "an Arrow stream", "Export it as CSV."},
    {"FEA1", 4, "a Feather file", "Export it as CSV."},
    {"Obj\1", 4, "an Avro file", "Export it as CSV."},
    {"SQLite format 3", 15, "an SQLite database", "Export the table as CSV."},
    {"\x89HDF", 4, "an HDF5 file", "Export it as CSV."},
    {"CDF\1", 4, "a NetCDF file", "Export it as CSV."},
    {"MATLAB 5.0", 10, "a MATLAB file", "Export it as CSV."},
    {"TDSm", 4, "a LabVIEW TDMS file", "Export it as CSV."},
    {"MDF ", 4, "an MDF measurement", "Export it as CSV."},
    {"\x93NUMPY", 6, "a NumPy array", "Export it as CSV."},
    {"%PDF", 4, "a PDF document", "Export the table as CSV."},
    {"\x89PNG", 4, "a PNG image", "Give a text file."},
    {"\xff\xd8\xff", 3, "a JPEG image", "Give a text file."},
    {"GIF8", 4, "a GIF image", "Give a text file."},
    {"\x7f\x45LF", 4, "a program", "Give a text file."},
    {"<?xml", 5, "an XML document", "Export it as CSV."},
    {"<html", 5, "an HTML page", "Download the file itself."},
    {"<HTML", 5, "an HTML page", "Download the file itself."},
    {"<!DOC", 5, "an HTML page", "Download the file itself."},
    {"{\"", 2, "JSON", "Export it as CSV."},
    {"{\n", 2, "JSON", "Export it as CSV."},
    {"{\r\n", 3, "JSON", "Export it as CSV."},
    {"[{", 2, "JSON", "Export it as CSV."},
    {"[\n", 2, "JSON", "Export it as CSV."},
    {"{\\rtf", 5, "an RTF document", "Save it as plain text."},
    {"version https://git-lfs", 23, "a Git LFS pointer", "Fetch the file itself: `git lfs pull`."},
    {"\xff\xfe\0\0", 4, "UTF-32 text", "Convert it with `iconv -f UTF-32 -t UTF-8`."},
    {"\0\0\xfe\xff", 4, "UTF-32 text", "Convert it with `iconv -f UTF-32 -t UTF-8`."},
};

/* Magic bytes that could be a column's name, or begin one: then a letter, a separator or the like follows. */
static bool reads_as_name(const char *data, size_t size, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!((data[i] >= 'A' && data[i] <= 'Z') || (data[i] >= '0' && data[i] <= '9')))
            return false;
    if (n >= size) return false;
    unsigned char c = (unsigned char)data[n], letter = c | 0x20;
    return (letter >= 'a' && letter <= 'z') || (c >= '0' && c <= '9') ||
           (c && strchr(" \t,;|^~:\"'_-[(\r\n", c));
}

mw_status mw_sniff__magic(const char *data, size_t size, mw_err *err) {
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        const struct format *format = &formats[i];
        if (size < format->size || memcmp(data, format->magic, format->size) != 0) continue;
        if (reads_as_name(data, size, format->size)) continue;
        mw_fail(err, MW_EDATA, "is not CSV text but %s", format->name);
        return mw_err_hint(err, "%s", format->hint);
    }
    return MW_OK;
}

static bool starts(const char *data, size_t size, const char *mark, size_t n) {
    return size >= n && memcmp(data, mark, n) == 0;
}

/* Zero bytes at even and at odd places of the first bytes. */
static void count_zeros(const char *data, size_t size, size_t zeros[2]) {
    zeros[0] = zeros[1] = 0;
    for (size_t i = 0; i < size; i++)
        if (data[i] == '\0') zeros[i & 1]++;
}

/* Bytes of a cut sample that may begin a character which its end has torn. */
static size_t without_torn_end(const char *data, size_t size) {
    for (size_t n = 1; n <= 3 && n <= size; n++) {
        unsigned char c = (unsigned char)data[size - n];
        if ((c & 0xC0u) == 0x80u) continue;
        size_t need = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
        return need > n ? size - n : size;
    }
    return size;
}

/*
 * Whether the high bytes make sense as characters of two bytes (GBK, Big5, Shift-JIS, EUC): then they stand in runs, while the letters
 * with marks of the West stand alone among ASCII letters. Share of them that touch another one.
 */
static bool looks_double(const char *data, size_t size) {
    size_t n = 0, touching = 0;
    for (size_t i = 0; i < size; i++) {
        if ((unsigned char)data[i] < 0x80) continue;
        n++;
        touching += (i > 0 && (unsigned char)data[i - 1] >= 0x80) ||
                    (i + 1 < size && (unsigned char)data[i + 1] >= 0x80);
    }
    return n >= 4 && 10 * touching >= 7 * n;
}

typedef struct high_bytes {
    size_t sequences; /* valid UTF-8 of two bytes or more */
    size_t strays;    /* bytes of 0x80 or more outside them */
    size_t undefined; /* of the strays, those that Windows-1252 does not define */
} high_bytes;

static high_bytes count_high(const char *data, size_t size) {
    high_bytes high = {0};
    for (size_t i = 0; i < size;) {
        unsigned char c = (unsigned char)data[i];
        if (c < 0x80) {
            i++;
            continue;
        }
        size_t n = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : 2;
        if (c >= 0xC0 && i + n <= size && mw_utf8_valid(data + i, n)) {
            high.sequences++;
            i += n;
            continue;
        }
        high.strays++;
        if (c == 0x81 || c == 0x8D || c == 0x8F || c == 0x90 || c == 0x9D) high.undefined++;
        i++;
    }
    return high;
}

static mw_encoding of_bytes(const char *data, size_t size, bool whole, mw_sniff_guess *guess) {
    if (!whole) size = without_torn_end(data, size);
    high_bytes high = count_high(data, size);
    if (high.strays == 0) {
        *guess = high.sequences ? (mw_sniff_guess){0.99, NULL}
                 : whole        ? (mw_sniff_guess){1, "only ASCII"}
                                : (mw_sniff_guess){0.95, "only ASCII in the sample"};
        return MW_ENC_UTF8;
    }
    if (high.sequences >= 10 * high.strays) {
        *guess = (mw_sniff_guess){0.7, "some bytes are not UTF-8: their rows will be rejected"};
        return MW_ENC_UTF8;
    }
    *guess = (mw_sniff_guess){high.undefined ? 0.5 : 0.9, "not UTF-8, so Windows-1252"};
    if (looks_double(data, size))
        *guess = (mw_sniff_guess){0.4, "not UTF-8, so Windows-1252; if its letters come out wrong, "
                                       "convert it, as by `iconv -f GB18030 -t UTF-8`"};
    return MW_ENC_LATIN1;
}

mw_status mw_sniff__encoding(const char *data, size_t size, bool whole, mw_encoding *ret,
                             mw_sniff_guess *guess, mw_err *err) {
    *guess = (mw_sniff_guess){1, "byte-order mark"};
    *ret = MW_ENC_UTF8;
    if (starts(data, size, "\xef\xbb\xbf", 3)) return MW_OK;
    *ret = MW_ENC_UTF16LE;
    if (starts(data, size, "\xff\xfe", 2)) return MW_OK;
    *ret = MW_ENC_UTF16BE;
    if (starts(data, size, "\xfe\xff", 2)) return MW_OK;
    size_t zeros[2], head = size < SNIFFED_BYTES ? size : SNIFFED_BYTES;
    count_zeros(data, head, zeros);
    if (zeros[0] + zeros[1] == 0) {
        *ret = of_bytes(data, size, whole, guess);
        return MW_OK;
    }
    /* Half of the bytes at one parity, few at the other: mostly ASCII in two bytes each. */
    *guess = (mw_sniff_guess){0.95, "no byte-order mark, but every other byte is zero"};
    *ret = zeros[1] > zeros[0] ? MW_ENC_UTF16LE : MW_ENC_UTF16BE;
    size_t most = zeros[*ret == MW_ENC_UTF16LE], least = zeros[*ret == MW_ENC_UTF16BE];
    if (head >= 4 && most * 10 >= head / 2 * 6 && least * 20 <= head / 2) return MW_OK;
    mw_fail(err, MW_EDATA, "is not CSV text: it holds binary data");
    return mw_err_hint(err, "Give a text file with separated columns, plain or gzip.");
}

mw_status mw_sniff__decode(mw_mem *mem, const char *data, size_t size, bool whole,
                           mw_encoding encoding, mw_str *ret, char **owned, mw_err *err) {
    static const enum mw_source_text texts[] = {
        [MW_ENC_UTF8] = MW_SOURCE_UTF8,
        [MW_ENC_UTF16LE] = MW_SOURCE_UTF16LE,
        [MW_ENC_UTF16BE] = MW_SOURCE_UTF16BE,
        [MW_ENC_LATIN1] = MW_SOURCE_LATIN1,
    };
    *owned = NULL;
    if (encoding == MW_ENC_UTF8) {
        size_t mark = starts(data, size, "\xef\xbb\xbf", 3) ? 3 : 0;
        if (!whole) size = without_torn_end(data, size);
        *ret = (mw_str){data + mark, size - mark};
        return MW_OK;
    }
    mw_buf out;
    mw_buf_init(&out, mem, size * 3 + 4);
    mw_status status = mw_text_decode(mem, data, size, texts[encoding], false, &out, err);
    if (status == MW_OK) {
        *ret = (mw_str){"", out.size};
        *owned = mw_buf_steal(&out, &ret->size);
        if (!*owned) status = mw_fail_nomem(err, "decoding a sample");
        ret->data = *owned;
    }
    mw_buf_done(&out);
    return status;
}

mw_line_end mw_sniff__lines(mw_str text, mw_sniff_guess *guess) {
    size_t lf = 0, crlf = 0, cr = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\n') {
            if (i > 0 && text.data[i - 1] == '\r')
                crlf++;
            else
                lf++;
        } else if (text.data[i] == '\r') {
            /* The sample may end between a CR and its LF. */
            cr += i + 1 < text.size ? text.data[i + 1] != '\n' : lf + crlf == 0;
        }
    }
    size_t n = lf + crlf + cr;
    *guess = (mw_sniff_guess){n ? 1 : 0.5, n ? NULL : "no line ends in the sample"};
    if (n == lf) return MW_LINES_LF;
    if (n == crlf) return MW_LINES_CRLF;
    if (n == cr) return MW_LINES_CR;
    guess->note = cr ? "a carriage return alone ends a line too" : "both LF and CRLF end lines";
    if (cr) guess->confidence = 0.7;
    return MW_LINES_MIXED;
}

mw_status mw_sniff__unify(mw_mem *mem, mw_str *text, char **owned, mw_err *err) {
    if (!*owned) {
        *owned = mw_memdup(mem, text->data, text->size);
        if (!*owned) return mw_fail_nomem(err, "decoding a sample");
        text->data = *owned;
    }
    mw_text_unify_lines(*owned, text->size, -1);
    return MW_OK;
}
