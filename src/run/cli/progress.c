/* progress.c -- redraws one line of standard error, at most ten times a second. */
#include "run/cli/progress.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { WIDTH = 30, QUIET_US = 1000000, REDRAW_US = 100000 };

void mw_bar_init(mw_bar *bar, const mw_clock *clock) {
    *bar = (mw_bar){.clock = clock, .enabled = isatty(STDERR_FILENO) == 1};
    bar->started_us = mw_clock_monotonic(clock);
    pthread_mutex_init(&bar->mutex, NULL);
}

/* Columns of the terminal; what says nothing is taken as 80. A line that wraps would not be drawn over but scroll. */
static int terminal_columns(void) {
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return 80;
    return size.ws_col;
}

/* Columns that the character at text takes, at most: those of three bytes and more may be wide. Control characters become '?'. */
static int columns_of(char *text) {
    unsigned char c = (unsigned char)*text;
    if (c < 0x20 || c == 0x7F) *text = '?';
    if ((c & 0xC0) == 0x80) return 0;
    return c >= 0xE0 ? 2 : 1;
}

/* The end of the stage that fits into room columns: figures stand behind the name. */
static const char *fit(char *stage, int room) {
    int width = 0;
    for (char *c = stage; *c; c++) width += columns_of(c);
    while (width > room && *stage) {
        width -= columns_of(stage++);
        while (((unsigned char)*stage & 0xC0) == 0x80) stage++;
    }
    return stage;
}

static void draw(mw_bar *bar, const char *stage, double done, double total, int64_t now_us) {
    enum { WIDTH_MIN = 8, FIGURES = 16, STAGE = 28, STAGE_BYTES = 512 };
    double share = total > 0 ? done / total : 0;
    if (share > 1) share = 1;
    double seconds = (double)(now_us - bar->started_us) / 1e6;
    int columns = terminal_columns() - 1;
    char text[STAGE_BYTES], cells[WIDTH + 4] = "";
    (void)snprintf(text, sizeof text, "%s", stage);
    const char *shown = fit(text, columns > FIGURES ? columns - FIGURES : 0);
    int left = columns - FIGURES - (int)strlen(shown), width = left < WIDTH ? left - 3 : WIDTH;
    if (strlen(shown) < STAGE)
        width = columns - FIGURES - STAGE - 3 < WIDTH ? columns - FIGURES - STAGE - 3 : WIDTH;
    if (total > 0 && width >= WIDTH_MIN) {
        int n = snprintf(cells, sizeof cells, " [%*s]", width, "");
        for (int i = 0; i < (int)(share * width); i++) cells[n - 1 - width + i] = '#';
    }
    (void)fprintf(stderr, "\r\033[K%-*s", *cells ? STAGE : 0, shown);
    if (total > 0) (void)fprintf(stderr, "%s %3.0f %%", cells, 100 * share);
    (void)fprintf(stderr, "  %.0f s", seconds);
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
