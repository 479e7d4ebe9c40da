/*
 * forest_sets.c -- groups of a node in an order, and the best place to cut it.
 *
 * Of k groups in order there are k - 1 cuts. Sums from the left grow group by group, as they grow bin by bin for numbers, and
 * candidates are valued by the very expressions of forest_split.c and forest_bins_split.c.
 */
#include "learn/tree/forest_sets.h"

#include <string.h>

#include "core/base/math.h"

enum { PASSES = 8 }; /* of the power iteration, which begins near its end */

typedef double double2 __attribute__((vector_size(16)));

mw_status mw_forest__sets_init(mw_mem *mem, int32_t n_classes, int32_t most_codes, int64_t n_rows,
                               mw_forest__sets *sets, mw_err *err) {
    const size_t n_groups = (size_t)most_codes + 1,
                 n_shares = n_classes > 2 ? (size_t)n_classes : 1;
    const size_t n_counts = n_classes > 2 ? (size_t)n_rows : 1;
    *sets = (mw_forest__sets){
        .n_classes = n_classes, .most_codes = most_codes, .n_words = most_codes / 32 + 1};
    sets->groups = mw_alloc_array(mem, n_groups, sizeof *sets->groups);
    sets->order = mw_alloc_array(mem, 2 * n_groups, sizeof *sets->order);
    sets->words = mw_alloc_array(mem, (size_t)sets->n_words, sizeof *sets->words);
    sets->counts = mw_alloc_array(mem, n_counts, sizeof *sets->counts);
    sets->where = mw_alloc_array(mem, n_shares, sizeof *sets->where);
    sets->axis = mw_alloc_array(mem, 3 * n_shares, sizeof *sets->axis);
    if (!sets->groups || !sets->order || !sets->words || !sets->counts || !sets->where ||
        !sets->axis)
        return mw_fail_nomem(err, "growing trees");
    sets->next = sets->axis + n_shares;
    sets->left = sets->next + n_shares;
    for (size_t c = 0; c < n_shares; c++) sets->where[c] = -1;
    return MW_OK;
}

void mw_forest__sets_done(mw_forest__sets *sets) {
    mw_free(sets->groups);
    mw_free(sets->order);
    mw_free(sets->words);
    mw_free(sets->counts);
    mw_free(sets->where);
    mw_free(sets->axis);
    *sets = (mw_forest__sets){0};
}

/* ---- groups ---- */

/* The last group's classes are looked up no more. */
static void close_group(mw_forest__sets *sets) {
    if (sets->n_groups == 0) return;
    const mw_forest__group *last = &sets->groups[sets->n_groups - 1];
    for (int64_t i = last->first; i < sets->n_counts; i++)
        sets->where[sets->counts[i].class_index] = -1;
}

void mw_forest__sets_begin(mw_forest__sets *sets) {
    close_group(sets);
    sets->n_groups = 0;
    sets->n_counts = 0;
}

mw_forest__group *mw_forest__sets_add(mw_forest__sets *sets, int32_t code) {
    close_group(sets);
    mw_forest__group *group = &sets->groups[sets->n_groups++];
    *group = (mw_forest__group){.code = code, .first = sets->n_counts};
    return group;
}

void mw_forest__sets_count(mw_forest__sets *sets, int64_t class_index, int64_t weight) {
    int32_t *where = &sets->where[class_index];
    mw_forest__group *group = &sets->groups[sets->n_groups - 1];
    if (*where < 0) {
        *where = (int32_t)group->n_counts++;
        sets->counts[sets->n_counts++] =
            (mw_forest__class_count){.class_index = (int32_t)class_index};
    }
    sets->counts[group->first + *where].weight += (uint32_t)weight;
}

/* ---- the order ---- */

typedef struct search {
    mw_forest__sets *sets;
    const mw_forest__set_node *node;
    double total;     /* weight */
    int32_t only_cut; /* 0: any */
    int32_t best_cut; /* groups before it; -1: none is better */
    double best;
} search;

static inline double class_weight(const search *s, int32_t c) {
    return s->node->class_weights ? s->node->class_weights[c] : 1;
}

static inline double weighted(const search *s, mw_forest__class_count count) {
    return class_weight(s, count.class_index) * (double)count.weight;
}

static double group_weight(const search *s, const mw_forest__group *group) {
    double sum = 0;
    for (int64_t i = 0; i < group->n_counts; i++)
        sum += weighted(s, s->sets->counts[group->first + i]);
    return sum;
}

/* A group's shares less the node's, along the axis; `mean` is the node's. */
static double along(const search *s, const mw_forest__group *group, const double *axis,
                    double mean) {
    double sum = 0;
    for (int64_t i = 0; i < group->n_counts; i++) {
        const mw_forest__class_count count = s->sets->counts[group->first + i];
        sum += weighted(s, count) * axis[count.class_index];
    }
    return sum / group_weight(s, group) - mean;
}

static double mean_along(const search *s, const double *axis) {
    double sum = 0;
    for (int32_t c = 0; c < s->sets->n_classes; c++)
        sum += class_weight(s, c) * (double)s->node->counts[c] * axis[c];
    return sum / s->total;
}

/* axis: how the shares of the group that differs most differ from the node's. Only classes that a group has differ from
 * what all groups have in common. */
static void begin_axis(search *s, double *axis) {
    mw_forest__sets *sets = s->sets;
    double most = -1, squares_of_all = 0;
    int32_t top = 0;
    for (int32_t c = 0; c < sets->n_classes; c++) {
        axis[c] = -class_weight(s, c) * (double)s->node->counts[c] / s->total;
        squares_of_all += axis[c] * axis[c];
    }
    for (int32_t g = 0; g < sets->n_groups; g++) {
        const mw_forest__group *group = &sets->groups[g];
        const double weight = group_weight(s, group);
        double squares = squares_of_all;
        for (int64_t i = 0; i < group->n_counts; i++) {
            const mw_forest__class_count count = sets->counts[group->first + i];
            const double share = weighted(s, count) / weight;
            squares += share * (share + 2 * axis[count.class_index]);
        }
        if (!(weight * squares > most)) continue;
        most = weight * squares;
        top = g;
    }
    const mw_forest__group *group = &sets->groups[top];
    const double weight = group_weight(s, group);
    for (int64_t i = 0; i < group->n_counts; i++) {
        const mw_forest__class_count count = sets->counts[group->first + i];
        axis[count.class_index] += weighted(s, count) / weight;
    }
}

/* One step of the power iteration, to unit length by the largest number. */
static void turn_axis(search *s) {
    mw_forest__sets *sets = s->sets;
    const double mean = mean_along(s, sets->axis);
    double largest = 0;
    for (int32_t c = 0; c < sets->n_classes; c++) sets->next[c] = 0;
    for (int32_t g = 0; g < sets->n_groups; g++) {
        const mw_forest__group *group = &sets->groups[g];
        const double place = along(s, group, sets->axis, mean);
        for (int64_t i = 0; i < group->n_counts; i++) {
            const mw_forest__class_count count = sets->counts[group->first + i];
            sets->next[count.class_index] += place * weighted(s, count);
        }
    }
    for (int32_t c = 0; c < sets->n_classes; c++)
        if (mw_abs(sets->next[c]) > largest) largest = mw_abs(sets->next[c]);
    if (!(largest > 0)) return;
    for (int32_t c = 0; c < sets->n_classes; c++) sets->axis[c] = sets->next[c] / largest;
}

static void place_groups(search *s) {
    mw_forest__sets *sets = s->sets;
    if (sets->n_classes <= 2) {
        for (int32_t g = 0; g < sets->n_groups; g++)
            sets->groups[g].place = (double)sets->groups[g].sum / (double)sets->groups[g].weight;
        return;
    }
    begin_axis(s, sets->axis);
    for (int pass = 0; pass < PASSES; pass++) turn_axis(s);
    const double mean = mean_along(s, sets->axis);
    for (int32_t g = 0; g < sets->n_groups; g++)
        sets->groups[g].place = along(s, &sets->groups[g], sets->axis, mean);
}

/* By place, the lower code first among equals: a merge sort, which keeps the order that they have. */
static void sort_groups(mw_forest__sets *sets) {
    const int32_t n = sets->n_groups;
    int32_t *from = sets->order, *to = sets->order + sets->most_codes + 1;
    for (int32_t g = 0; g < n; g++) from[g] = g;
    for (int32_t width = 1; width < n; width *= 2) {
        for (int32_t begin = 0; begin < n; begin += 2 * width) {
            const int32_t middle = begin + width < n ? begin + width : n;
            const int32_t end = middle + width < n ? middle + width : n;
            int32_t a = begin, b = middle;
            for (int32_t i = begin; i < end; i++) {
                const bool second = a == middle || (b < end && sets->groups[from[b]].place <
                                                                   sets->groups[from[a]].place);
                to[i] = second ? from[b++] : from[a++];
            }
        }
        int32_t *const other = from;
        from = to;
        to = other;
    }
    if (from != sets->order) memcpy(sets->order, from, (size_t)n * sizeof *from);
}

/* ---- the cut ---- */

/* What is maximized, by the sums of the left side. */
static double value_of_sums(const search *s, const mw_forest__group *left) {
    const mw_forest__set_node *node = s->node;
    const double l = (double)left->weight, total = (double)node->weight;
    if (s->sets->n_classes == 0) {
        const double distance = (double)left->sum - l * ((double)node->sum / total);
        return distance * distance / (l * (total - l));
    }
    const double *w = node->class_weights;
    const double ones = (double)left->sum, zeros = (double)(left->weight - left->sum);
    const double all_ones = (double)node->sum, all_zeros = (double)(node->weight - node->sum);
    const double l1 = w ? w[1] * ones : ones, l0 = w ? w[0] * zeros : zeros;
    const double r1 = w ? w[1] * (all_ones - ones) : all_ones - ones;
    const double r0 = w ? w[0] * (all_zeros - zeros) : all_zeros - zeros;
    return (l0 * l0 + l1 * l1) / (l0 + l1) + (r0 * r0 + r1 * r1) / (r0 + r1);
}

/* Counts of classes move to the left side; squares and weights are those of both sides. */
static void move_counts(search *s, const mw_forest__group *group, double2 *squares,
                        double2 *weights) {
    for (int64_t i = 0; i < group->n_counts; i++) {
        const mw_forest__class_count count = s->sets->counts[group->first + i];
        const int32_t c = count.class_index;
        const double w = weighted(s, count), left = s->sets->left[c];
        const double all = class_weight(s, c) * (double)s->node->counts[c];
        const double2 sides = {left, all - left}, change = {w, -w};
        *squares += change * (2 * sides + change);
        *weights += change;
        s->sets->left[c] = left + w;
    }
}

static void cut(search *s) {
    mw_forest__sets *sets = s->sets;
    mw_forest__group left = {0};
    double2 squares = {0}, weights = {0, s->total};
    for (int32_t c = 0; sets->n_classes > 2 && c < sets->n_classes; c++) {
        const double all = class_weight(s, c) * (double)s->node->counts[c];
        sets->left[c] = 0;
        squares[1] += all * all;
    }
    for (int32_t i = 0; i + 1 < sets->n_groups; i++) {
        const mw_forest__group *group = &sets->groups[sets->order[i]];
        left.n += group->n;
        left.weight += group->weight;
        left.sum += group->sum;
        if (sets->n_classes > 2) move_counts(s, group, &squares, &weights);
        if (s->only_cut > 0 && i + 1 != s->only_cut) continue;
        if (left.n < s->node->least || s->node->n - left.n < s->node->least) continue;
        const double2 shares = squares / weights;
        const double value = sets->n_classes > 2 ? shares[0] + shares[1] : value_of_sums(s, &left);
        if (!(value > s->best)) continue;
        s->best = value;
        s->best_cut = i + 1;
    }
}

/* Each subset but none and all is as probable: its groups first, then the others. Their number is where to cut. */
static int32_t draw_groups(mw_forest__sets *sets, mw_rng *rng) {
    int32_t n_left = 0;
    while (n_left == 0 || n_left == sets->n_groups) {
        int32_t n_right = 0;
        uint64_t bits = 0;
        n_left = 0;
        for (int32_t g = 0; g < sets->n_groups; g++) {
            if (g % 64 == 0) bits = mw_rng_u64(rng);
            if (bits >> g % 64 & 1)
                sets->order[n_left++] = g;
            else
                sets->order[sets->n_groups - ++n_right] = g;
        }
    }
    return n_left;
}

/* The codes of one side of the cut: without missing rows, or with fewer. */
static void keep_set(search *s) {
    mw_forest__sets *sets = s->sets;
    int64_t n_left = 0;
    bool missing_left = false;
    for (int32_t i = 0; i < s->best_cut; i++) {
        n_left += sets->groups[sets->order[i]].n;
        missing_left |= sets->groups[sets->order[i]].code < 0;
    }
    const bool any_missing = sets->groups[sets->n_groups - 1].code < 0;
    const bool first = any_missing ? !missing_left : 2 * n_left <= s->node->n;
    const int32_t begin = first ? 0 : s->best_cut, end = first ? s->best_cut : sets->n_groups;
    memset(sets->words, 0, (size_t)sets->n_words * sizeof *sets->words);
    for (int32_t i = begin; i < end; i++) {
        const int32_t code = sets->groups[sets->order[i]].code;
        sets->words[code / 32] |= UINT32_C(1) << code % 32;
    }
}

bool mw_forest__sets_search(mw_forest__sets *sets, const mw_forest__set_node *node, double *best) {
    search s = {.sets = sets, .node = node, .best = *best, .best_cut = -1};
    close_group(sets);
    for (int32_t c = 0; sets->n_classes > 2 && c < sets->n_classes; c++)
        s.total += class_weight(&s, c) * (double)node->counts[c];
    if (node->rng) {
        s.only_cut = draw_groups(sets, node->rng);
    } else {
        place_groups(&s);
        sort_groups(sets);
    }
    cut(&s);
    if (s.best_cut < 0) return false;
    *best = s.best;
    keep_set(&s);
    return true;
}
