/*
 * print.h -- answers and errors, for people or as JSON.
 */
#ifndef MW_RUN_CLI_PRINT_H
#define MW_RUN_CLI_PRINT_H

#include "run/op/op.h"

/* data [size] to standard output. MW_EIO; without a message when the reader has gone. */
mw_status mw_print(const char *data, size_t size, mw_err *err);

/* The answer of op (JSON text) to standard output, through the operation's printer or a generic
 * one. *ret_verdict: the operation's own verdict on the answer, if it has one. */
mw_status mw_print_result(const mw_op *op, const mw_buf *result, bool json, mw_status *ret_verdict,
                          mw_err *err);

/* "millwright: message" with where and hint to standard error, for each of faults where there are
 * any (NULL: none); as JSON also to standard output. Nothing without a message. */
void mw_print_error(const mw_err *err, const mw_faults *faults, bool json);

#endif
