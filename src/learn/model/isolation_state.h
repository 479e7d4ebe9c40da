/*
 * isolation_state.h -- the extended isolation forest as the table that state.arrow holds
 * (docs/formats/model.md, "state.arrow of isolation").
 */
#ifndef MW_LEARN_MODEL_ISOLATION_STATE_H
#define MW_LEARN_MODEL_ISOLATION_STATE_H

#include "core/table/table.h"
#include "learn/tree/planes.h"

/* *ret has a row for each term of a split and for each leaf, trees one after the other, a node before what is
 * below it, left before right. Same forest, same table. MW_ETOOLARGE past MW_LIMIT(STATE_BYTES). */
mw_status mw_isolation_to_table(const mw_ctx *ctx, const mw_planes *planes, mw_table **ret,
                                mw_err *err);

/*
 * The forest of an untrusted table. Every value is checked: features exist, numbers are finite, the rows of a node
 * are those of its children together, trees are whole, in order, of one size and no deeper than their size allows.
 *
 * Memory    60 bytes a node, and 24 a term when every split had as many as the one with the most.
 * Errors    MW_EDATA says which row is wrong; MW_ETOOLARGE; MW_ENOMEM.
 */
mw_status mw_isolation_of_table(const mw_ctx *ctx, const mw_table *table, int32_t n_features,
                                mw_planes **ret, mw_err *err);

#endif
