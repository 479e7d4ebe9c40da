/*
 * param.h -- one declarative table per parameter set.
 *
 * What      a table row says name, type, range, default, unit and help once; parsing from a command
 *           line, a query string or a JSON body, the error messages, --help and the JSON schema all
 *           come from it.
 * Lifetime  mw_args_new -> mw_args_set* | mw_args_set_json -> mw_args_finish -> mw_args_* -> mw_args_free
 *           mw_args_collect in between: then a wrong value ends nothing, but is listed.
 */
#ifndef MW_CORE_PARAM_PARAM_H
#define MW_CORE_PARAM_PARAM_H

#include "core/param/faults.h"
#include "core/param/nearest.h"
#include "core/text/json.h"

typedef enum mw_param_type {
    MW_PARAM_BOOL,
    MW_PARAM_INT,
    MW_PARAM_FLOAT,
    MW_PARAM_STRING,   /* min and max bound its length in bytes when max > 0 */
    MW_PARAM_ENUM,     /* one of choices */
    MW_PARAM_DURATION, /* "5min"; stored as int64 us; min and max in us */
    MW_PARAM_LIST,     /* of strings: "a,b,c" or repeated or a JSON array; min and max bound the
                          number of items when max > 0; choices, if any, bound the items */
    MW_PARAM_TIME,     /* time stamp; stored as int64 us UTC */
    MW_PARAM_JSON      /* any JSON value, which its owner reads (mw_args_json) */
} mw_param_type;

enum {
    MW_PARAM_REQUIRED = 1 << 0,
    MW_PARAM_POSITIONAL = 1 << 1, /* command line: without --name */
    MW_PARAM_PATH = 1 << 2,       /* HTTP: part of the path, "/jobs/{id}" */
    MW_PARAM_QUERY = 1 << 3,      /* HTTP: query string (default for GET) */
    MW_PARAM_BODY = 1 << 4,       /* HTTP: member of the JSON body */
    MW_PARAM_CLI_ONLY = 1 << 5,
    MW_PARAM_HTTP_ONLY = 1 << 6,
    MW_PARAM_REPEATED = 1 << 7, /* --set a=1 --set b=2 collects a list, whatever the type; each
                                     text is one item, commas and all */
    MW_PARAM_NUMBERS =
        1 << 8,             /* a list's items may be JSON numbers, too: kept as they are written */
    MW_PARAM_SLASH = 1 << 9 /* HTTP: part of the path in which a slash is sent as %2F */
};

typedef struct mw_param {
    const char *name; /* as in JSON and queries: "max_depth"; --max-depth on the command line */
    mw_param_type type;
    const char *def;            /* default as text, or NULL: unset */
    double min, max;            /* inclusive; both 0: no bound */
    const char *const *choices; /* NULL-terminated, for ENUM */
    unsigned flags;
    const char *unit;    /* "rows", "us", or NULL */
    const char *env;     /* environment variable that sets the default, or NULL */
    const char *help;    /* one sentence, for people */
    const char *aliases; /* other names it may be set by, "eta shrinkage_rate", or NULL */
    const char *const (*choice_aliases)[2]; /* {alias, choice} each, ended by {NULL}, or NULL */
} mw_param;

typedef struct mw_args mw_args;

/* table[n]; a row with a NULL name ends it. The table is borrowed for the life of *ret. */
mw_status mw_args_new(mw_mem *mem, const mw_param *table, mw_args **ret, mw_err *err);
void *mw_args_free(mw_args *args);

/*
 * mw_args_collect -- from now on what the functions below find wrong is added to faults (borrowed) and
 * they go on as if it had been right; mw_faults_status tells at the end. Only a lack of memory and a
 * table that contradicts itself still end them.
 */
void mw_args_collect(mw_args *args, mw_faults *faults);

/*
 * Name or alias as in the table (the command line turns --max-depth into max_depth); a BOOL flag without
 * a value is set to "true". A JSON null is a wrong type. A choice's alias is stored as the choice.
 * MW_EINVAL: unknown name (with the nearest known one as hint), wrong type, out of range, not a
 * choice, set twice, be it by two of its names. `pointer` of the error is the parameter's name. */
mw_status mw_args_set(mw_args *args, mw_str name, mw_str value, mw_err *err);
mw_status mw_args_set_json(mw_args *args, const mw_json *object, mw_err *err);
/* Applies environment and defaults, then reports missing required ones. Needed before mw_args_list.
 * MW_EINTERNAL when a default does not fit its own row. */
mw_status mw_args_finish(mw_args *args, mw_err *err);

bool mw_args_has(const mw_args *args, const char *name);   /* set by user, environment or default */
bool mw_args_given(const mw_args *args, const char *name); /* set by user */
bool mw_args_bool(const mw_args *args, const char *name);
int64_t mw_args_int(const mw_args *args, const char *name); /* INT, DURATION, TIME */
double mw_args_float(const mw_args *args, const char *name);
const char *mw_args_string(const mw_args *args, const char *name); /* NULL when unset */
const mw_json *mw_args_json(const mw_args *args,
                            const char *name); /* borrowed from what was set; NULL when unset */
size_t mw_args_list(const mw_args *args, const char *name, const char *const **ret);

/* The values as one JSON object in table order (unset ones left out), given, environment and default
 * alike: mw_args_set_json with the same table makes the same values of it in another process. */
void mw_args_write_json(const mw_args *args, mw_json_writer *writer);

/* The row of that name or alias; NULL: none. *word, when not NULL, is the table's own text of it. */
const mw_param *mw_param_find(const mw_param *table, mw_str name, mw_str *word);
/* The names of a row one by one, its own first, from {0} on; false after the last. */
bool mw_param_next_name(const mw_param *param, mw_str *name);
/* As mw_nearest_look, at every name of a row. */
void mw_param_look(const mw_param *param, mw_str typed, mw_nearest *best);

/* JSON schema of one parameter, and the help text of a table: as options, and as "name=value". */
void mw_param_write_schema(const mw_param *param, mw_json_writer *writer);
void mw_param_write_help(const mw_param *table, mw_buf *buf);
void mw_param_write_settings(const mw_param *table, mw_buf *buf);

/* The rows of tables [n] (each ended by a NULL name; NULL: skipped) as one, in out [capacity], its end included. Rows beyond the
 * capacity are left out, which a test of the joined tables shows. */
void mw_param_join(const mw_param *const *tables, size_t n, mw_param *out, size_t capacity);

#endif
