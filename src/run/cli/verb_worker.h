/*
 * verb_worker.h -- `millwright worker --server URL`: this host does jobs of a server on another one, until a signal ends it.
 */
#ifndef MW_RUN_CLI_VERB_WORKER_H
#define MW_RUN_CLI_VERB_WORKER_H

#include "core/base/ctx.h"
#include "core/param/param.h"

/* Its own options; ended by a NULL name. */
extern const mw_param mw_worker_params[];

/* argv[0] is "worker". faults: as of mw_command_parse. */
mw_status mw_verb_worker(mw_ctx *ctx, int argc, char **argv, mw_faults *faults, mw_err *err);

#endif
