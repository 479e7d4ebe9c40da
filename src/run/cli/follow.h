/* follow.h -- an operation's events on the command line, until they end: a progress bar, the lines of the log. */
#ifndef MW_RUN_CLI_FOLLOW_H
#define MW_RUN_CLI_FOLLOW_H

#include "run/op/op.h"

/*
 * mw_follow -- runs op->events four times a second and prints what it gives, to standard output.
 *
 * Text      events `job` go to the context's progress (and to a line each where that is no terminal), `log` is printed as it comes.
 * JSON      each event is a line: {"event":"job","data":{...}}.
 * Returns   MW_OK; an error of the job followed, with its own status; MW_ECANCELED on Ctrl-C: the job goes on.
 */
mw_status mw_follow(const mw_op *op, const mw_call *call, bool json, mw_err *err);

#endif
