/*
 * faults.h -- everything that is wrong with a set of parameters, not only the first of it.
 *
 * What      a bounded list of messages in the order found; mw_args_collect fills it, and so may
 *           whoever checks more than a table says.
 * Lifetime  mw_faults_init -> mw_faults_add* -> mw_faults_status -> mw_faults_done
 * Memory    an arena of its own; nothing while nothing is wrong. At most MW_LIMIT(FAULTS) are
 *           listed, the others are counted.
 */
#ifndef MW_CORE_PARAM_FAULTS_H
#define MW_CORE_PARAM_FAULTS_H

#include "core/base/arena.h"
#include "core/base/status.h"

typedef struct mw_fault {
    struct mw_fault *next;
    mw_status code;
    const char *pointer; /* a parameter's name, "/name" for a member of a body; "" when nowhere */
    const char *detail;
    const char *hint; /* "": none */
} mw_fault;

typedef struct mw_faults {
    mw_arena arena;
    mw_fault *first, *last;
    size_t n_listed, n_all;
    const char *lead; /* stands before the pointer of what is added: "" or "/"; borrowed */
} mw_faults;

void mw_faults_init(mw_faults *faults, mw_mem *mem);
void mw_faults_done(mw_faults *faults);

/* Copies err, with lead before its pointer. MW_OK; MW_ENOMEM with err saying so. */
mw_status mw_faults_add(mw_faults *faults, mw_err *err);

/* MW_OK when there are none; else err becomes the first of them and its code is returned. */
mw_status mw_faults_status(const mw_faults *faults, mw_err *err);

#endif
