/*
 * collect.h -- chunks as they come, to one table: for readers that need all rows at once.
 *
 * Memory    each column grows by half as it fills; chunks are copied and can go at once, so that the peak is the table and a column more.
 * In place  mw_collect_place gives chunks that lie where their rows will be: several can be filled at once, by several threads, and are then
 *           added in their order. Rows that one has less than it has room for move the rest down, which costs a copy.
 * Threads   place may run beside add, each by one thread at a time; not so where it says alone.
 */
#ifndef MW_CORE_TABLE_COLLECT_H
#define MW_CORE_TABLE_COLLECT_H

#include "core/table/chunk.h"

typedef struct mw_collect mw_collect;

/* schema is borrowed and may grow. rows: how many are expected; any number will do. */
mw_status mw_collect_new(mw_mem *mem, const mw_schema *schema, int64_t rows, mw_collect **ret,
                         mw_err *err);
void *mw_collect_free(mw_collect *collect);

/* Appends the chunk's rows. MW_ENOMEM, MW_ETOOLARGE past MW_LIMIT(TABLE_ROWS). */
mw_status mw_collect_add(mw_collect *collect, const mw_chunk *chunk, mw_err *err);
/*
 * A chunk of all columns for at most n_rows rows, behind the places given before; the caller fills and frees it, and adds it, or as many rows at most
 * of its own, before any chunk that was placed later. alone: all that were placed are added, and no chunk is being added. *ret_full, and no chunk: the
 * columns have to grow, so it must be asked for again when alone.
 */
mw_status mw_collect_place(mw_collect *collect, int64_t n_rows, bool alone, mw_chunk **ret,
                           bool *ret_full, mw_err *err);
int64_t mw_collect_rows(const mw_collect *collect);

/* The table, sealed; its dictionaries are the schema's, which keeps empty ones. The collect is only good for mw_collect_free afterwards. */
mw_status mw_collect_finish(mw_collect *collect, mw_schema *schema, mw_table **ret, mw_err *err);

#endif
