/*
 * admit.h -- who a request comes from: an API key, or this host while there are no keys.
 *
 * What      on the loop, at the request's head, from memory (keyring.h). A request says its key as `Authorization: Bearer KEY` or `X-API-Key: KEY`. Routes
 *           that are public need none. Without keys, a server on loopback takes everybody for an admin, and another one nobody.
 * Lock-out  after five wrong keys of the same id from the same address, that pair is refused (429) for a second, then two, four, ... up to a minute; other keys
 *           are not touched. Of the least recent pairs only MW_LOCKS are remembered.
 */
#ifndef MW_RUN_SERVE_ADMIT_H
#define MW_RUN_SERVE_ADMIT_H

#include "run/op/keyring.h"
#include "run/serve/transport.h"

enum { MW_ADMIT_ORG_MAX = 64, MW_LOCKS = 1024 };

typedef struct mw_admit mw_admit;

typedef struct mw_admit_options {
    mw_keyring *keys; /* borrowed; NULL: nobody needs one */
    bool
        open; /* nobody needs one although there are keys, or although others can reach the server */
    bool loopback; /* only this host can reach the server */
} mw_admit_options;

/* Whom a request is from, and for which organization. */
typedef struct mw_guest {
    mw_key_holder holder;
    char org[MW_ADMIT_ORG_MAX + 2];
} mw_guest;

/* The principal's texts lie in the guest itself. */
void mw_guest_copy(const mw_guest *guest, mw_guest *ret);

mw_status mw_admit_new(const mw_ctx *ctx, const mw_admit_options *options, mw_admit **ret,
                       mw_err *err);
void *mw_admit_free(mw_admit *admit);

/* Since the start, for /metrics. */
typedef struct mw_admit_stats {
    int64_t
        refused_total; /* requests without a key that counts: none, wrong, of another organization */
    int64_t locked_total; /* requests refused because too many wrong keys came before them */
} mw_admit_stats;
void mw_admit_read_stats(const mw_admit *admit, mw_admit_stats *ret);

/*
 * mw_admit_look -- writes *ret, in the exchange's arena.
 *
 *   fields    written when refused: lines for the answer's head
 * Returns     0, or the HTTP status of the refusal with err: 400, 401, 403, 429, 503
 */
int mw_admit_look(mw_admit *admit, mw_exchange *exchange, const mw_op *op, const mw_guest **ret,
                  const char **fields, mw_err *err);

/* Whether a guest who was let in is still: the key is good, or none is asked for. A few microseconds. MW_EDENIED: why not. */
mw_status mw_admit_again(mw_admit *admit, const mw_op *op, const mw_guest *guest, mw_err *err);

#endif
