/* kept.c -- see kept.h. Chains by hash, a list by last use, and a count of holders, under one lock. */
#include "run/serve/kept.h"

#include <pthread.h>
#include <string.h>

#include "core/base/hash.h"

enum { CHAINS = 256, SHARE = 8 };

typedef struct item {
    mw_kept_answer answer; /* first */
    struct item *chain;
    struct item *newer, *older;
    uint64_t hash, version;
    const void *route;
    const char *org;
    mw_str target;
    mw_coding accepted;
    size_t bytes; /* all of it, its texts behind it */
    int holders;  /* and one while it is in the set */
} item;

struct mw_kept {
    mw_mem *mem;
    pthread_mutex_t lock;
    size_t max_bytes, bytes;
    int64_t n_found;
    item *chains[CHAINS];
    item *newest, *oldest;
};

mw_status mw_kept_new(const mw_ctx *ctx, int64_t max_bytes, mw_kept **ret, mw_err *err) {
    mw_kept *kept = mw_calloc(ctx->mem, 1, sizeof *kept);
    if (!kept) return mw_fail_nomem(err, "kept answers");
    kept->mem = ctx->mem;
    kept->max_bytes = (size_t)max_bytes;
    pthread_mutex_init(&kept->lock, NULL);
    *ret = kept;
    return MW_OK;
}

/* ---- under the lock ---- */

static void release(item *it) {
    if (--it->holders == 0) mw_free(it);
}

static void unlink_use(mw_kept *kept, item *it) {
    *(it->newer ? &it->newer->older : &kept->newest) = it->older;
    *(it->older ? &it->older->newer : &kept->oldest) = it->newer;
}

static void link_use(mw_kept *kept, item *it) {
    it->newer = NULL;
    it->older = kept->newest;
    *(kept->newest ? &kept->newest->newer : &kept->oldest) = it;
    kept->newest = it;
}

static void take_out(mw_kept *kept, item *it) {
    item **at = &kept->chains[it->hash % CHAINS];
    while (*at != it) at = &(*at)->chain;
    *at = it->chain;
    unlink_use(kept, it);
    kept->bytes -= it->bytes;
    release(it);
}

static item *look_up(const mw_kept *kept, const mw_kept_key *key, uint64_t hash) {
    for (item *it = kept->chains[hash % CHAINS]; it; it = it->chain)
        if (it->hash == hash && it->route == key->route && it->accepted == key->accepted &&
            strcmp(it->org, key->org) == 0 && it->target.size == key->target.size &&
            memcmp(it->target.data, key->target.data, it->target.size) == 0)
            return it;
    return NULL;
}

/* ---- calls ---- */

static uint64_t hash_of(const mw_kept_key *key) {
    return mw_hash64(key->target.data, key->target.size) ^
           mw_hash64(key->org, strlen(key->org)) * 3 ^ (uint64_t)key->accepted << 56;
}

void *mw_kept_free(mw_kept *kept) {
    if (!kept) return NULL;
    while (kept->oldest) take_out(kept, kept->oldest);
    pthread_mutex_destroy(&kept->lock);
    return mw_free(kept);
}

const mw_kept_answer *mw_kept_find(mw_kept *kept, const mw_kept_key *key, uint64_t version) {
    const uint64_t hash = hash_of(key);
    pthread_mutex_lock(&kept->lock);
    item *it = look_up(kept, key, hash);
    if (it && it->version != version) it = NULL;
    if (it) {
        it->holders++;
        kept->n_found++;
        if (kept->newest != it) {
            unlink_use(kept, it);
            link_use(kept, it);
        }
    }
    pthread_mutex_unlock(&kept->lock);
    return it ? &it->answer : NULL;
}

void mw_kept_drop(mw_kept *kept, const mw_kept_answer *answer) {
    pthread_mutex_lock(&kept->lock);
    release((item *)(uintptr_t)answer);
    pthread_mutex_unlock(&kept->lock);
}

static const char *put(char **to, const char *data, size_t size) {
    char *text = *to;
    memcpy(text, data, size);
    text[size] = '\0';
    *to += size + 1;
    return text;
}

static const char *put_text(char **to, const char *text) { return put(to, text, strlen(text)); }

static item *new_item(mw_kept *kept, const mw_kept_key *key, const mw_kept_answer *answer) {
    const size_t texts = strlen(answer->tag) + strlen(answer->lines) + strlen(answer->lines_same) +
                         answer->body.size + strlen(key->org) + key->target.size + 6;
    const size_t bytes = sizeof(item) + texts;
    if (bytes > kept->max_bytes / SHARE) return NULL;
    item *it = mw_alloc(kept->mem, bytes);
    if (!it) return NULL;
    char *to = (char *)(it + 1);
    *it = (item){.route = key->route, .accepted = key->accepted, .bytes = bytes, .holders = 1};
    it->answer.content_type = answer->content_type;
    it->answer.tag = put_text(&to, answer->tag);
    it->answer.lines = put_text(&to, answer->lines);
    it->answer.lines_same = put_text(&to, answer->lines_same);
    it->answer.body.size = answer->body.size;
    it->answer.body.data = put(&to, answer->body.data, answer->body.size);
    it->org = put_text(&to, key->org);
    it->target.size = key->target.size;
    it->target.data = put(&to, key->target.data, key->target.size);
    return it;
}

void mw_kept_put(mw_kept *kept, const mw_kept_key *key, uint64_t version,
                 const mw_kept_answer *answer) {
    item *it = new_item(kept, key, answer);
    if (!it) return;
    it->hash = hash_of(key);
    it->version = version;
    pthread_mutex_lock(&kept->lock);
    item *before = look_up(kept, key, it->hash);
    if (before && before->version > version) { /* it was made meanwhile, of a later store */
        release(it);
    } else {
        if (before) take_out(kept, before);
        while (kept->bytes + it->bytes > kept->max_bytes) take_out(kept, kept->oldest);
        it->chain = kept->chains[it->hash % CHAINS];
        kept->chains[it->hash % CHAINS] = it;
        link_use(kept, it);
        kept->bytes += it->bytes;
    }
    pthread_mutex_unlock(&kept->lock);
}

int64_t mw_kept_found(mw_kept *kept) {
    pthread_mutex_lock(&kept->lock);
    const int64_t n = kept->n_found;
    pthread_mutex_unlock(&kept->lock);
    return n;
}
