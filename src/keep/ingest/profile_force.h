/*
 * profile_force.h -- what the caller forces of a profile: by arguments, by a saved profile, or both. Inside this folder only.
 *
 * Order     an argument wins over the saved profile; what neither names is detected.
 */
#ifndef MW_KEEP_INGEST_PROFILE_FORCE_H
#define MW_KEEP_INGEST_PROFILE_FORCE_H

#include "keep/ingest/profile.h"

/* One column of a saved profile. */
typedef struct mw_forced_column {
    mw_str name;
    const char *unit; /* or NULL */
    mw_use use;
    mw_type type;
    bool decided;
} mw_forced_column;

/* Texts are in the arena; a NULL text and a false has_... leave the property to detection. */
typedef struct mw_forced {
    mw_arena arena;
    unsigned fixed; /* MW_SNIFF_FIXED_... of dialect */
    mw_dialect dialect;
    bool has_decimal, has_thousands;
    bool has_encoding, has_line_end, has_skip_lines, has_header, has_units;
    mw_encoding encoding;
    mw_line_end line_end;
    uint32_t skip_lines;
    bool header, units;
    const char *time, *date, *clock, *device, *parameter, *value; /* column names or numbers */
    const char *time_format, *date_format, *clock_format, *timezone;
    const char *const *missing; /* [n_missing] */
    size_t n_missing;
    const char *const *drop; /* [n_drop] */
    size_t n_drop;
    const char *const *text; /* [n_text] */
    size_t n_text;
    bool saved; /* columns come from a saved profile: roles are theirs */
    mw_forced_column *columns;
    size_t n_columns;
} mw_forced;

/* saved: JSON, or empty. args may be NULL. MW_EINVAL for values that are impossible or contradict each other. */
mw_status mw_profile__force(const mw_ctx *ctx, mw_str saved, const mw_args *args, mw_forced *ret,
                            mw_err *err);
void mw_profile__force_done(mw_forced *forced);

/* Reads the JSON of mw_profile_write into *forced (profile_read.c). MW_EINVAL for what is no profile. */
mw_status mw_profile__read(const mw_ctx *ctx, const char *path, mw_forced *forced, mw_err *err);
mw_status mw_profile__read_text(const mw_ctx *ctx, mw_str json, mw_forced *forced, mw_err *err);

/* One byte by what users write: the byte itself, or "tab", "comma", "none", ... False: neither. */
bool mw_profile__byte(const char *text, char *ret);
/* "encoding" and the like as JSON and arguments name them; -1: no such name. */
int mw_profile__encoding_of(mw_str name);
extern const char *const mw_profile__encodings[4];
extern const char *const mw_profile__line_ends[4];
enum { MW_USES = MW_USE_DROP + 1 };
extern const char *const mw_profile__uses[MW_USES];

#endif
