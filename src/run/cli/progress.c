/* progress.c -- redraws one line of standard error, at most ten times a second. */
#include "run/cli/progress.h"

#include <stdio.h>
#include <unistd.h>

enum { WIDTH = 30, QUIET_US = 1000000, REDRAW_US = 100000 };

void mw_bar_init(mw_bar *bar, const mw_clock *clock) {
    *bar = (mw_bar){.clock = clock, .enabled = isatty(STDERR_FILENO) == 1};
    bar->started_us = mw_clock_monotonic(clock);
    pthread_mutex_init(&bar->mutex, NULL);
}

static void draw(mw_bar *bar, const char *stage, double done, double total, int64_t now_us) {
    double share = total > 0 ? done / total : 0;
    if (share > 1) share = 1;
    char cells[WIDTH + 1];
    for (int i = 0; i < WIDTH; i++) cells[i] = i < (int)(share * WIDTH) ? '#' : ' ';
    cells[WIDTH] = '\0';
    double seconds = (double)(now_us - bar->started_us) / 1e6;
    if (total > 0)
        (void)fprintf(stderr, "\r\033[K%-28.100s [%s] %3.0f %%  %.0f s", stage, cells, 100 * share,
                      seconds);
    else
        (void)fprintf(stderr, "\r\033[K%-28.100s %.0f s", stage, seconds);
    (void)fflush(stderr);
}

static void report(void *self, const char *stage, double done, double total) {
    mw_bar *bar = self;
    int64_t now_us = mw_clock_monotonic(bar->clock);
    pthread_mutex_lock(&bar->mutex);
    if (bar->enabled && now_us - bar->started_us >= QUIET_US &&
        now_us - bar->drawn_us >= REDRAW_US) {
        draw(bar, stage, done, total, now_us);
        bar->drawn_us = now_us;
        bar->shown = true;
    }
    pthread_mutex_unlock(&bar->mutex);
}

mw_progress mw_bar_progress(mw_bar *bar) { return (mw_progress){report, bar}; }

void mw_bar_done(mw_bar *bar) {
    if (bar->shown) (void)fputs("\r\033[K", stderr);
    pthread_mutex_destroy(&bar->mutex);
}
