/*
 * print.h -- answers and errors, for people or as JSON.
 */
#ifndef MW_RUN_CLI_PRINT_H
#define MW_RUN_CLI_PRINT_H

#include "run/op/op.h"

/* The answer of op (JSON text) to standard output, through the operation's printer or a generic
 * one. */
mw_status mw_print_result(const mw_op *op, const mw_buf *result, bool json, mw_err *err);

/* "millwright: message" with where and hint to standard error; as JSON also to standard output. */
void mw_print_error(const mw_err *err, bool json);

#endif
