/*
 * command.h -- a command line turned into an operation and its arguments.
 *
 * What      global options (--org, --data, --store, --artifacts, --jobs, --json, --help) and the operation's own, all
 * from the parameter tables. Two operations may share a verb: the one that takes positional
 * arguments is meant when there are any.
 */
#ifndef MW_RUN_CLI_COMMAND_H
#define MW_RUN_CLI_COMMAND_H

#include "run/op/op.h"

typedef struct mw_command {
    const mw_op *op;
    mw_args *args; /* owned */
    const char *org;
    const char *data_path;
    const char *store;     /* NULL: millwright.db in the data folder */
    const char *artifacts; /* as mw_artifacts_open takes it */
    int64_t n_threads;     /* 0: all cores */
    bool json;
    bool help;
    bool group; /* help of all verbs that begin with the word of `op`'s */
} mw_command;

/* Verbs that are no operations, ended by NULL. */
extern const char *const mw_command_verbs[];

/* argv[0] is the verb, or the first word of one of two (`org init`). With --help, args stay unfinished. MW_EINVAL says what is wrong and what to
 * type; faults lists all of it, and stays empty when not even the verb is known. */
mw_status mw_command_parse(mw_mem *mem, int argc, char **argv, mw_faults *faults, mw_command *ret,
                           mw_err *err);
void mw_command_done(mw_command *command);

/* The same for a verb that is no operation (serve): its own table. */
mw_status mw_command_parse_table(mw_mem *mem, const mw_param *table, int argc, char **argv,
                                 mw_faults *faults, mw_command *ret, mw_err *err);

void mw_command_help(const mw_command *command, mw_buf *out); /* of one verb */
void mw_command_help_globals(mw_buf *out);                    /* options of every verb */
void mw_command_overview(mw_buf *out);                        /* of all */
void mw_command_completion(mw_buf *out);                      /* bash script */

#endif
