/*
 * keyring.h -- API keys in memory: who a request comes from, told without asking the store.
 *
 * Key       "mw_" id "_" secret: 10 characters that name it, and 32 random bytes in base64 (URL form) that only its owner has. The store has a BLAKE2b hash
 *           of the secret: with 256 random bits nothing slower is needed. Hashes are compared in constant time.
 * Fresh     a thread looks four times a second whether keys have changed, which is one number, and reads them all again when they have: a revoked key is
 *           refused within half a second.
 * Threads   any; mw_keyring_find takes 2 us and no lock for long.
 */
#ifndef MW_RUN_OP_KEYRING_H
#define MW_RUN_OP_KEYRING_H

#include "core/base/str.h"
#include "keep/store/store.h"
#include "run/op/op.h"

enum { MW_KEY_ID = 10, MW_KEY_TEXT_MAX = 96, MW_KEY_HASH_HEX = 65 };

typedef struct mw_keyring mw_keyring;

mw_status mw_keyring_new(const mw_ctx *ctx, mw_store *store, mw_keyring **ret, mw_err *err);
void *mw_keyring_free(mw_keyring *keys);

/* Whether there is any key that is not revoked. */
bool mw_keyring_any(mw_keyring *keys);

/*
 * mw_keyring_find -- whose key the text is.
 *
 *   ret     written: name "key:{id}", role, org (NULL: every organization); its texts live in ret itself
 * Returns   false: nobody's, or expired or revoked
 */
typedef struct mw_key_holder {
    mw_principal principal;
    char name[MW_KEY_ID + 8], org[72];
} mw_key_holder;
bool mw_keyring_find(mw_keyring *keys, mw_str key, mw_key_holder *ret);
/* Whether the key that was found then would be found now, too. */
bool mw_keyring_holds(mw_keyring *keys, const mw_key_holder *holder);

/* A new key: its text for the owner, its id and the hash for the store. */
mw_status mw_key_make(char text[MW_KEY_TEXT_MAX], char id[MW_KEY_ID + 1],
                      char hash[MW_KEY_HASH_HEX], mw_err *err);

#endif
