/* durations.c -- see durations.h. Bounds follow Prometheus' usual ones, widened for trainings. */
#include "core/base/durations.h"

static const struct {
    int64_t us;
    const char *label;
} bounds[MW_DURATIONS_BOUNDS] = {
    {100, "0.0001"},  {250, "0.00025"}, {500, "0.0005"},    {1000, "0.001"},
    {2500, "0.0025"}, {5000, "0.005"},  {10000, "0.01"},    {25000, "0.025"},
    {50000, "0.05"},  {100000, "0.1"},  {250000, "0.25"},   {1000000, "1"},
    {10000000, "10"}, {60000000, "60"}, {600000000, "600"}, {3600000000, "3600"},
};

void mw_durations_add(mw_durations *durations, int64_t us) {
    const int64_t counted = us > 0 ? us : 0;
    int i = 0;
    while (i < MW_DURATIONS_BOUNDS && counted > bounds[i].us) i++;
    atomic_fetch_add_explicit(&durations->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&durations->total_us, counted, memory_order_relaxed);
}

static int64_t get(const _Atomic int64_t *counter) {
    return atomic_load_explicit(counter, memory_order_relaxed);
}

int64_t mw_durations_count(const mw_durations *durations) {
    int64_t n = 0;
    for (int i = 0; i <= MW_DURATIONS_BOUNDS; i++) n += get(&durations->buckets[i]);
    return n;
}

void mw_durations_write(const mw_durations *durations, const char *name, const char *labels,
                        mw_buf *out) {
    const char *comma = labels[0] ? "," : "", *open = labels[0] ? "{" : "",
               *close = labels[0] ? "}" : "";
    const int64_t us = get(&durations->total_us);
    int64_t below = 0;
    for (int i = 0; i <= MW_DURATIONS_BOUNDS; i++) {
        below += get(&durations->buckets[i]);
        mw_buf_printf(out, "%s_bucket{%s%sle=\"%s\"} %lld\n", name, labels, comma,
                      i < MW_DURATIONS_BOUNDS ? bounds[i].label : "+Inf", (long long)below);
    }
    mw_buf_printf(out, "%s_sum%s%s%s %lld.%06lld\n", name, open, labels, close,
                  (long long)(us / 1000000), (long long)(us % 1000000));
    mw_buf_printf(out, "%s_count%s%s%s %lld\n", name, open, labels, close, (long long)below);
}
