/*
 * reach.h -- which inputs each output of a feature program is made of, and how long before the row their readings may be.
 *
 * What      an output is followed back through its nodes to inputs; what each operator reads (mw_operator.reads) adds up on the way. Rows count as so
 *           many usual distances. A reading at r is in the outputs of rows from r + least_us to r + most_us.
 * Time      of day and week: a column of its own, number n_inputs.
 * Memory    some reaches an output, freed by mw_reaches_free; the program is not kept.
 */
#ifndef MW_LEARN_FEATURE_REACH_H
#define MW_LEARN_FEATURE_REACH_H

#include "learn/feature/program.h"

typedef struct mw_reach {
    int32_t input;             /* n_inputs: the time */
    int64_t least_us, most_us; /* both included */
} mw_reach;

typedef struct mw_reaches {
    mw_mem *mem;
    int32_t n_sets;
    size_t *ends; /* [n_sets] of each one's items */
    mw_reach *items;
    size_t room;
} mw_reaches;

/*
 * distance_us: between two rows of the device, 0 when it is not known (rows back then count as none); the program's sampling interval wins. together: one
 * set, of all outputs; else a set an output. Where an output reads at more than 32 stretches of an input's past, neighboring ones count as one.
 */
mw_status mw_reaches_new(mw_mem *mem, const mw_program *program, int64_t distance_us, bool together,
                         mw_reaches **ret, mw_err *err);
void *mw_reaches_free(mw_reaches *reaches);

#endif
