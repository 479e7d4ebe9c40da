/*
 * progress.h -- a progress bar on a terminal for anything that takes over a second.
 */
#ifndef MW_RUN_CLI_PROGRESS_H
#define MW_RUN_CLI_PROGRESS_H

#include <pthread.h>

#include "core/base/ctx.h"

typedef struct mw_bar {
    const mw_clock *clock;
    pthread_mutex_t mutex; /* reports come from pool threads too */
    int64_t started_us, drawn_us;
    bool enabled; /* standard error is a terminal */
    bool shown;
} mw_bar;

void mw_bar_init(mw_bar *bar, const mw_clock *clock);
mw_progress mw_bar_progress(mw_bar *bar);
/* Wipes the line, so that what is printed next stands alone. */
void mw_bar_done(mw_bar *bar);

#endif
