/*
 * verb_serve.h -- `millwright serve`: configuration from flags and environment, then the server.
 */
#ifndef MW_RUN_CLI_VERB_SERVE_H
#define MW_RUN_CLI_VERB_SERVE_H

#include "core/base/ctx.h"
#include "core/param/param.h"

/* Its own options; ended by a NULL name. */
extern const mw_param mw_serve_params[];

/* argv[0] is "serve". Returns when the server has drained. faults: as of mw_command_parse. */
mw_status mw_verb_serve(mw_ctx *ctx, int argc, char **argv, mw_faults *faults, mw_err *err);

#endif
