/*
 * profile_build.h -- a profile while it is being made. Inside this folder only.
 *
 * Order     mw_profile__find_rows -> mw_profile__settle_header -> mw_profile__name_columns ->
 *           mw_profile__find_uses -> mw_profile__find_types; then the findings are complete.
 */
#ifndef MW_KEEP_INGEST_PROFILE_BUILD_H
#define MW_KEEP_INGEST_PROFILE_BUILD_H

#include "keep/ingest/profile_force.h"
#include "keep/ingest/sniff.h"

/* What the cells of a column are. */
enum { MW_SUM_WORDS = 16 };
typedef struct mw_column_sum {
    uint32_t kinds[MW_SNIFF_KINDS];
    uint32_t ways[MW_SNIFF_WAYS]; /* numbers with marks, by way */
    uint32_t like_head;           /* cells equal to the first row's */
    uint32_t words[MW_SUM_WORDS]; /* hashes of different texts, of the first n_words */
    uint32_t n_words;             /* MW_SUM_WORDS + 1: more than there is room for */
    uint32_t n_figures;           /* words among them that hold a digit */
} mw_column_sum;

enum { MW_FINDINGS_MAX = 24 };

typedef struct mw_profiling {
    const mw_ctx *ctx;
    mw_profile *profile;
    const mw_forced *forced;
    bool learn, known, whole; /* a table; that is read as another one was; nothing follows */
    mw_str text;              /* decoded, lines unified when a lone CR ends some */
    mw_sniff_dialect sniffed;
    uint32_t n;     /* columns */
    mw_str *before; /* [n + 1] the row before the head; n_before of them */
    mw_str *head;   /* [n] trimmed cells of the first row of the table; in text */
    mw_str *second; /* [n] of the row below it */
    mw_str *names;  /* [n] in the arena */
    uint32_t n_before;
    uint32_t skipped; /* lines before text, by the caller or for "sep=;" */
    bool has_second;
    uint64_t n_above; /* rows above the head that are none of the table */
    uint64_t before_line, head_line, second_line, third_line;
    size_t head_at, second_at, third_at;
    mw_column_sum *sums; /* [n] of the rows that are data */
    uint64_t n_rows,
        n_odd; /* data rows in the sample; those with another number of fields or bad quotes */
    int way;   /* in mw_sniff__ways */
} mw_profiling;

/* Text for findings and names: in the arena; a failure is kept in build->profile->arena's account and reported once. */
mw_status mw_profile__note(mw_profiling *build, const char *what, const char *value,
                           double confidence, bool forced, const char *note, mw_err *err);

/* First row, second row and sums of the rest (profile_rows.c). */
mw_status mw_profile__find_rows(mw_profiling *build, mw_err *err);
/* Decimal and thousands marks from the sums so far; the second also writes them down. */
mw_status mw_profile__choose_way(mw_profiling *build, mw_err *err);
mw_status mw_profile__settle_numbers(mw_profiling *build, mw_err *err);
/* Whether the first row is a header and the second holds units; both go to the sums when they are data (profile_header.c). */
mw_status mw_profile__settle_header(mw_profiling *build, mw_err *err);
mw_status mw_profile__name_columns(mw_profiling *build, mw_err *err);
/* Which column is what, and how times are written (profile_uses.c, profile_time.c). */
mw_status mw_profile__find_uses(mw_profiling *build, mw_err *err);
mw_status mw_profile__find_time(mw_profiling *build, mw_err *err);
/* The column of that name or 1-based number; MW_EINVAL when there is none. Of a known table names only, and -1 when there is none:
 * numbers are those of the table it is read like. */
mw_status mw_profile__column(const mw_profiling *build, const char *what, const char *name,
                             int32_t *ret, mw_err *err);
mw_status mw_profile__find_types(mw_profiling *build, mw_err *err);
mw_status mw_profile__find_marks(mw_profiling *build, mw_err *err);

/* Values, and numbers as the chosen way reads them. */
typedef struct mw_column_count {
    uint32_t values, numbers, bools, times, texts, marks;
} mw_column_count;
mw_column_count mw_profile__count(const mw_profiling *build, uint32_t column);
void mw_profile__sum_row(mw_profiling *build, const mw_str *cells, uint32_t n);

/* Units of measure (profile_units.c): "degC", "[bar]", "kg/h". */
bool mw_profile__is_unit(mw_str text);
/* The unit in "name [unit]" or "name (unit)"; empty: none. */
mw_str mw_profile__unit_in(mw_str name);

#endif
