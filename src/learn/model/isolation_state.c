/*
 * isolation_state.c -- hyperplane trees to a table and back.
 *
 * Trees are written in preorder, so that no row needs to name another: what is below a node follows it, and a reader
 * needs a stack of right children and no more. Depths, path lengths and c(psi) follow from the rest and are made
 * again.
 */
#include "learn/model/isolation_state.h"

#include "core/base/limits.h"
#include "core/base/math.h"
#include "learn/tree/isolation_parts.h"

enum { TREE, ROWS, THRESHOLD, FEATURE, WEIGHT, FILL, N_COLUMNS };

static const char *const names[N_COLUMNS] = {"tree",    "rows",   "threshold",
                                             "feature", "weight", "fill"};

/* ---- writing ---- */

typedef struct writing {
    const mw_planes *planes;
    double *to[N_COLUMNS];
    int64_t row;
} writing;

static void put(writing *w, const double values[N_COLUMNS]) {
    for (int c = 0; c < N_COLUMNS; c++) w->to[c][w->row] = values[c];
    w->row++;
}

static void put_node(writing *w, int32_t tree, int64_t at) {
    const mw_planes *p = w->planes;
    const mw_plane_node *node = &p->nodes[at];
    if (node->left == at) {
        put(w, (double[N_COLUMNS]){tree, p->covers[at], MW_NAN, MW_NAN, MW_NAN, MW_NAN});
        return;
    }
    const mw_plane_term *terms = p->terms + (int64_t)node->split * p->ndim;
    for (int32_t k = 0; k < p->n_terms[node->split]; k++)
        put(w, (double[N_COLUMNS]){tree, k ? MW_NAN : p->covers[at], k ? MW_NAN : node->threshold,
                                   terms[k].feature, terms[k].weight, terms[k].fill});
}

static void put_tree(writing *w, int32_t tree) {
    int64_t stack[MW_ISOLATION_DEPTH_MAX + 1] = {w->planes->roots[tree]};
    int size = 1;
    while (size > 0) {
        const int64_t at = stack[--size], left = w->planes->nodes[at].left;
        put_node(w, tree, at);
        if (left == at) continue;
        stack[size++] = left + 1;
        stack[size++] = left;
    }
}

mw_status mw_isolation_to_table(const mw_ctx *ctx, const mw_planes *planes, mw_table **ret,
                                mw_err *err) {
    int64_t n_rows = planes->n_nodes - planes->n_splits;
    for (int64_t i = 0; i < planes->n_splits; i++) n_rows += planes->n_terms[i];
    const int64_t n_bytes = n_rows * N_COLUMNS * (int64_t)sizeof(double);
    if (n_bytes > MW_LIMIT(STATE_BYTES) / 2) {
        mw_fail(err, MW_ETOOLARGE, "state.arrow would be %lld MB; at most %lld MB are allowed",
                (long long)(n_bytes >> 20), (long long)(MW_LIMIT(STATE_BYTES) >> 21));
        return mw_err_hint(err, "lower n_estimators, max_samples or ndim");
    }
    mw_table *table = NULL;
    mw_column *columns[N_COLUMNS];
    writing w = {.planes = planes};
    mw_status status = mw_table_new(ctx->mem, n_rows, &table, err);
    if (!status) status = mw_table_reserve(table, N_COLUMNS, err);
    for (int c = 0; c < N_COLUMNS && !status; c++) {
        status = mw_table_add(table, mw_str_of(names[c]), MW_FLOAT64, &columns[c], err);
        if (!status) w.to[c] = columns[c]->number;
    }
    for (int32_t tree = 0; tree < planes->n_trees && !status; tree++) {
        put_tree(&w, tree);
        status = mw_ctx_check(ctx, err);
    }
    for (int c = 0; c < N_COLUMNS && !status; c++) status = mw_column_seal(table, columns[c], err);
    if (status) {
        mw_table_free(table);
        return status;
    }
    *ret = table;
    return MW_OK;
}

/* ---- reading ---- */

typedef struct reading {
    const double *from[N_COLUMNS];
    int64_t n_rows, row;
    int32_t n_features;
    mw_planes *planes;
    int64_t n_nodes, n_splits; /* filled so far */
} reading;

static mw_status bad(const reading *r, const char *what, mw_err *err) {
    return mw_fail(err, MW_EDATA, "state.arrow: row %lld: %s", (long long)r->row, what);
}

static bool is_whole(double value, double low, double high) {
    return value >= low && value <= high && mw_floor(value) == value;
}

static bool is_leaf(const reading *r, int64_t row) { return mw_isnan(r->from[FEATURE][row]); }

/* A row of its own, or one of several terms of a split: then it has no number of rows. */
static bool begins_node(const reading *r, int64_t row) { return !mw_isnan(r->from[ROWS][row]); }

/* Counts trees, splits, nodes and terms, so that the forest is allocated once. */
static mw_status measure(reading *r, mw_planes *ret, mw_err *err) {
    int64_t n_terms = 0, n_trees = 0;
    *ret = (mw_planes){.n_features = r->n_features, .ndim = 1};
    for (r->row = 0; r->row < r->n_rows; r->row++) {
        const bool first = begins_node(r, r->row), leaf = is_leaf(r, r->row);
        const double tree = r->from[TREE][r->row];
        if (!(tree == (double)n_trees || tree == (double)n_trees - 1)) return bad(r, "tree", err);
        if (tree == (double)n_trees) n_trees++;
        if (!first && (leaf || n_terms == 0)) return bad(r, "it belongs to no split", err);
        n_terms = leaf ? 0 : first ? 1 : n_terms + 1;
        ret->n_nodes += first;
        ret->n_splits += first && !leaf;
        if (n_terms > r->n_features) return bad(r, "more terms than features", err);
        if (n_terms > ret->ndim) ret->ndim = (int32_t)n_terms;
    }
    ret->n_trees = (int32_t)n_trees;
    const double all = (double)ret->n_splits * ret->ndim;
    if (n_trees < 1) return mw_fail(err, MW_EDATA, "state.arrow holds no trees");
    /* Every node but the roots is one of a split's two: from here on the room is known to be enough. */
    if (ret->n_nodes != n_trees + 2 * ret->n_splits)
        return mw_fail(err, MW_EDATA, "state.arrow: the trees are not whole");
    if (n_trees > MW_LIMIT(MODEL_TREES) || ret->n_nodes > MW_LIMIT(MODEL_NODES) ||
        all > (double)MW_LIMIT(MODEL_NODES))
        return mw_fail(err, MW_ETOOLARGE, "state.arrow holds more trees or nodes than a model may");
    return MW_OK;
}

static mw_status read_term(reading *r, int32_t tree, mw_plane_term *ret, mw_err *err) {
    const double feature = r->from[FEATURE][r->row];
    *ret = (mw_plane_term){.weight = r->from[WEIGHT][r->row], .fill = r->from[FILL][r->row]};
    if (r->from[TREE][r->row] != tree) return bad(r, "its split began in another tree", err);
    if (!is_whole(feature, 0, r->n_features - 1)) return bad(r, "there is no such feature", err);
    if (!mw_isfinite(ret->weight)) return bad(r, "the weight is not a number", err);
    if (!mw_isfinite(ret->fill)) return bad(r, "the fill is not a number", err);
    ret->feature = (int32_t)feature;
    return MW_OK;
}

/* The terms of the split that begins in this row; r->row is then behind them. */
static mw_status read_split(reading *r, int32_t tree, int64_t node, uint32_t n, mw_err *err) {
    const double threshold = r->from[THRESHOLD][r->row];
    if (!mw_isfinite(threshold)) return bad(r, "the threshold is not a number", err);
    mw_plane_term *terms = r->planes->terms + r->n_splits * r->planes->ndim;
    int32_t n_terms = 0;
    do {
        mw_status status = read_term(r, tree, &terms[n_terms++], err);
        if (status) return status;
        r->row++;
    } while (r->row < r->n_rows && !begins_node(r, r->row));
    mw_planes_set_split(r->planes, node, r->n_splits++, n_terms, threshold, r->n_nodes, n);
    r->n_nodes += 2;
    return MW_OK;
}

typedef struct open_node {
    int64_t node;
    int32_t depth;
    int64_t parent; /* whose rows are yet to be shared out; -1: none */
    bool is_right;
} open_node;

/* The rows of the node in r->row, which with a left sibling must be those of the parent. */
static mw_status read_cover(reading *r, int32_t tree, const open_node *at, uint32_t *ret,
                            mw_err *err) {
    mw_planes *p = r->planes;
    if (r->row >= r->n_rows || r->from[TREE][r->row] != tree) {
        r->row -= r->row >= r->n_rows;
        return bad(r, "the tree is not whole", err);
    }
    const double n = r->from[ROWS][r->row];
    const double most = at->parent < 0 ? (double)UINT32_MAX : (double)p->covers[at->parent];
    if (!is_whole(n, 1, most)) return bad(r, "the number of rows is wrong", err);
    if (at->is_right && n + p->covers[at->node - 1] != most)
        return bad(r, "the rows of two nodes are not those of the node above", err);
    *ret = (uint32_t)n;
    return MW_OK;
}

static int32_t depth_of(uint32_t n_sample) {
    int32_t depth = 1;
    while ((UINT64_C(1) << depth) < n_sample) depth++;
    return depth;
}

static mw_status read_tree(reading *r, int32_t tree, mw_err *err) {
    mw_planes *p = r->planes;
    open_node stack[MW_ISOLATION_DEPTH_MAX + 1] = {{.node = r->n_nodes, .parent = -1}};
    int size = 1;
    p->roots[tree] = r->n_nodes++;
    while (size > 0) {
        const open_node at = stack[--size];
        uint32_t n = 0;
        mw_status status = read_cover(r, tree, &at, &n, err);
        if (status) return status;
        if (at.parent < 0 && tree == 0) p->n_sample = n;
        if (at.parent < 0 && n != p->n_sample) return bad(r, "another number of rows", err);
        if (is_leaf(r, r->row)) {
            mw_planes_set_leaf(p, at.node, at.depth, n);
            if (at.depth > p->depths[tree]) p->depths[tree] = at.depth;
            r->row++;
            continue;
        }
        if (n < 2 || at.depth >= depth_of(p->n_sample)) return bad(r, "it cannot be split", err);
        const int64_t left = r->n_nodes;
        status = read_split(r, tree, at.node, n, err);
        if (status) return status;
        stack[size++] = (open_node){left + 1, at.depth + 1, at.node, true};
        stack[size++] = (open_node){left, at.depth + 1, at.node, false};
    }
    return MW_OK;
}

mw_status mw_isolation_of_table(const mw_ctx *ctx, const mw_table *table, int32_t n_features,
                                mw_planes **ret, mw_err *err) {
    reading r = {.n_rows = table->n_rows, .n_features = n_features};
    for (int c = 0; c < N_COLUMNS; c++) {
        const mw_column *column = mw_table_column(table, names[c]);
        if (!column || column->type != MW_FLOAT64)
            return mw_fail(err, MW_EDATA, "state.arrow has no column '%s' of numbers", names[c]);
        r.from[c] = column->number;
    }
    mw_planes counts;
    mw_status status = measure(&r, &counts, err);
    if (!status)
        status = mw_planes_new(ctx->mem, n_features, counts.ndim, counts.n_trees, counts.n_nodes,
                               counts.n_splits, &r.planes, err);
    if (status) return status;
    r.row = 0;
    for (int32_t tree = 0; tree < counts.n_trees && !status; tree++) {
        status = read_tree(&r, tree, err);
        if (!status) status = mw_ctx_check(ctx, err);
    }
    if (!status && r.row < r.n_rows) status = bad(&r, "it belongs to no tree", err);
    if (status) {
        mw_planes_free(r.planes);
        return status;
    }
    *ret = r.planes;
    return MW_OK;
}
