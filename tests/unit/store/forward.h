/*
 * forward.h -- a store of an older schema is brought forward while an older program goes on writing to it.
 *
 * Each program is a process: `most` is the newest schema version that it knows.
 */
#ifndef MW_TESTS_UNIT_STORE_FORWARD_H
#define MW_TESTS_UNIT_STORE_FORWARD_H

typedef struct mw_forward {
    const char *location; /* of no store yet, or of one of the older version */
    int *most;            /* the driver's, lowered in those that are older programs */
    int older;
} mw_forward;

/* Several programs bring it forward at once, and nothing is lost or read wrong. An older program that starts afterwards says why it cannot. */
void mw_forward_under_load(const mw_forward *forward);

#endif
