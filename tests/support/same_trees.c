/*
 * same_trees.c -- see same_trees.h. Counts first, so that lists are as long as each other; nodes field by field, for between
 * fields are bytes that nobody sets.
 */
#include "support/same_trees.h"

#include <stdio.h>
#include <string.h>

/* Values of at most 8 bytes, shown as the bits they are. */
static bool bits_differ(const char *name, int64_t at, const void *a, const void *b, size_t size,
                        char text[MW_DIFFERENCE_MAX]) {
    uint64_t x = 0, y = 0;
    if (memcmp(a, b, size) == 0) return false;
    memcpy(&x, a, size);
    memcpy(&y, b, size);
    (void)snprintf(text, MW_DIFFERENCE_MAX, "%s %lld: bits 0x%llx and 0x%llx", name, (long long)at,
                   (unsigned long long)x, (unsigned long long)y);
    return true;
}

/* Lists [n] of such values, or NULL. */
static bool lists_differ(const char *name, const void *a, const void *b, int64_t n, size_t size,
                         char text[MW_DIFFERENCE_MAX]) {
    if (n > 0 && !a != !b) {
        (void)snprintf(text, MW_DIFFERENCE_MAX, "%s: only one has them", name);
        return true;
    }
    for (int64_t i = 0; i < n && a; i++) {
        const size_t at = (size_t)i * size;
        if (bits_differ(name, i, (const char *)a + at, (const char *)b + at, size, text))
            return true;
    }
    return false;
}

static bool counts_differ(const mw_trees *a, const mw_trees *b, char text[MW_DIFFERENCE_MAX]) {
    const struct {
        const char *name;
        int64_t a, b;
    } counts[] = {
        {"features", a->n_features, b->n_features}, {"outputs", a->n_outputs, b->n_outputs},
        {"trees", a->n_trees, b->n_trees},          {"nodes", a->n_nodes, b->n_nodes},
        {"leaves", a->n_leaves, b->n_leaves},       {"sets", a->n_sets, b->n_sets}};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        if (counts[i].a == counts[i].b) continue;
        (void)snprintf(text, MW_DIFFERENCE_MAX, "%lld and %lld %s", (long long)counts[i].a,
                       (long long)counts[i].b, counts[i].name);
        return true;
    }
    return false;
}

#define FIELD(of, name) \
    { name, offsetof(mw_node, of), sizeof(((mw_node *)0)->of) }

static bool nodes_differ(const mw_trees *a, const mw_trees *b, char text[MW_DIFFERENCE_MAX]) {
    static const struct {
        const char *name;
        size_t at, size;
    } fields[] = {FIELD(feature, "feature of node"),
                  FIELD(by_set, "by_set of node"),
                  FIELD(threshold, "threshold or set of node"),
                  FIELD(left, "left of node"),
                  FIELD(right, "right of node"),
                  FIELD(missing_left, "missing_left of node"),
                  FIELD(cover, "cover of node"),
                  FIELD(gain, "gain of node")};
    for (int64_t i = 0; i < a->n_nodes; i++)
        for (size_t f = 0; f < sizeof fields / sizeof *fields; f++)
            if (bits_differ(fields[f].name, i, (const char *)&a->nodes[i] + fields[f].at,
                            (const char *)&b->nodes[i] + fields[f].at, fields[f].size, text))
                return true;
    return false;
}

static bool sets_differ(const mw_trees *a, const mw_trees *b, char text[MW_DIFFERENCE_MAX]) {
    const int64_t n = a->n_sets;
    if (n == 0) return false;
    return lists_differ("start of set", a->set_starts, b->set_starts, n + 1, sizeof *a->set_starts,
                        text) ||
           lists_differ("word of sets", a->set_words, b->set_words, a->set_starts[n],
                        sizeof *a->set_words, text);
}

bool mw_trees_differ(const mw_trees *a, const mw_trees *b, char text[MW_DIFFERENCE_MAX]) {
    if (counts_differ(a, b, text)) return true;
    return lists_differ("root of tree", a->roots, b->roots, a->n_trees, sizeof *a->roots, text) ||
           nodes_differ(a, b, text) || sets_differ(a, b, text) ||
           lists_differ("value", a->values, b->values, a->n_leaves * a->n_outputs,
                        sizeof *a->values, text) ||
           lists_differ("base of output", a->base, b->base, a->n_outputs, sizeof *a->base, text);
}
