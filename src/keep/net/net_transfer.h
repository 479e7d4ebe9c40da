/*
 * net_transfer.h -- inside keep/net: one try of a request.
 */
#ifndef MW_KEEP_NET_NET_TRANSFER_H
#define MW_KEEP_NET_NET_TRANSFER_H

#include "core/base/hash.h"
#include "keep/net/net_client.h"
#include "keep/net/net_lib.h"

enum {
    MW_NET_HEADERS = 100,        /* of an answer */
    MW_NET_HEADER_BYTES = 65536, /* all of them */
    MW_NET_FAULT_BYTES = 65536,  /* what is kept of a body that is not 2xx */
    MW_NET_LABEL = 160           /* scheme, host and port, for messages */
};

typedef struct mw_net_transfer {
    /* What to do. */
    const mw_ctx *ctx;
    const mw_net_request *request;
    const mw_net_options *options;
    CURL *handle; /* idle, with nothing set; comes back so */
    mw_str body;  /* data NULL: none */
    const char *label;
    bool repeatable;
    mw_err *err;
    /* How far it is. */
    mw_net_answer answer;
    mw_net_header *headers; /* [MW_NET_HEADERS], in the answer's arena */
    size_t header_bytes;
    uint64_t max_bytes;
    mw_file *file;
    mw_sha256 *sha;
    bool good;                    /* a 2xx answer has begun */
    bool handed;                  /* a piece went to a sink that cannot begin again */
    bool fault_cut;               /* enough of a body that says what is wrong was read */
    bool silent;                  /* ended because nothing moved */
    mw_status failed;             /* why the transfer was ended from here; the reason is in *err */
    int64_t silence_us, moved_us; /* how long nothing may move, and when the last byte did */
    int64_t moved;                /* bytes, in both directions */
} mw_net_transfer;

/*
 * mw_net__try -- the request once. transfer: as far as "what to do" set, the rest zero; on MW_OK its answer is the caller's.
 * again, written whatever comes: the failure may be over a moment later, and trying again does no harm to what was handed out.
 */
mw_status mw_net__try(mw_net_transfer *transfer, bool *again);

#endif
