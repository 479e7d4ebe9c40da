/*
 * json_tree.c -- see json.h; the tree.
 *
 * Algorithm  events become nodes; the open containers stand on a stack of MAX_DEPTH, so nothing
 *            recurses. Repeated keys are found when an object ends: pair by pair when it is small,
 *            else by merge sort, so that no choice of keys makes it quadratic.
 */
#include <string.h>

#include "core/base/limits.h"
#include "core/text/json.h"
#include "core/text/number.h"

enum { MAX_DEPTH = 128, FEW_KEYS = 12 };

typedef struct level {
    mw_json *container;
    mw_json **link; /* where the next child goes */
} level;

/* Merges sorted runs of `width` of from[n] into to[n]; equal keys keep their order. */
static void merge_runs(mw_json **from, mw_json **to, size_t n, size_t width) {
    for (size_t begin = 0; begin < n; begin += 2 * width) {
        size_t middle = begin + width < n ? begin + width : n;
        size_t end = middle + width < n ? middle + width : n;
        size_t a = begin, b = middle;
        for (size_t k = begin; k < end; k++) {
            bool left = b == end || (a < middle && mw_str_compare(from[a]->key, from[b]->key) <= 0);
            to[k] = from[left ? a++ : b++];
        }
    }
}

static const mw_json *find_repeated_sorted(mw_json **items, mw_json **spare, size_t n) {
    for (size_t width = 1; width < n; width *= 2) {
        merge_runs(items, spare, n, width);
        mw_json **swap = items;
        items = spare;
        spare = swap;
    }
    for (size_t i = 1; i < n; i++)
        if (mw_str_eq(items[i - 1]->key, items[i]->key)) return items[i];
    return NULL;
}

static const mw_json *find_repeated_few(const mw_json *object) {
    for (const mw_json *a = object->first; a; a = a->next)
        for (const mw_json *b = object->first; b != a; b = b->next)
            if (mw_str_eq(a->key, b->key)) return a;
    return NULL;
}

static mw_status check_keys(mw_mem *mem, const mw_json *object, mw_err *err) {
    const mw_json *repeated;
    if (object->n_children <= FEW_KEYS) {
        repeated = find_repeated_few(object);
    } else {
        size_t n = object->n_children, i = 0;
        mw_json **items = mw_alloc_array(mem, n, 2 * sizeof *items);
        if (!items) return mw_fail_nomem(err, "reading JSON");
        for (mw_json *child = object->first; child; child = child->next) items[i++] = child;
        repeated = find_repeated_sorted(items, items + n, n);
        mw_free(items);
    }
    if (!repeated) return MW_OK;
    char name[64];
    mw_fail(err, MW_EPARSE, "not valid JSON: the key \"%s\" comes twice in one object",
            mw_str_copy(name, sizeof name, repeated->key));
    return mw_err_at(err, "%s", name), MW_EPARSE;
}

static mw_json *add_node(mw_json_reader *r, mw_json_event kind, mw_str key, level *parent) {
    mw_json *node = mw_arena_alloc(r->arena, sizeof *node);
    if (!node) return NULL;
    *node = (mw_json){.kind = kind, .key = key};
    if (kind == MW_JSON_STRING || kind == MW_JSON_NUMBER) node->string = r->string;
    if (kind == MW_JSON_NUMBER) node->number = r->number;
    *parent->link = node;
    parent->link = &node->next;
    if (parent->container) parent->container->n_children++;
    return node;
}

/* Reads all events; err belongs to the reader and is never NULL. */
static mw_status read_tree(mw_json_reader *r, const mw_json **ret) {
    level levels[MAX_DEPTH + 1];
    mw_json *root = NULL;
    levels[0] = (level){NULL, &root};
    mw_str key = {"", 0};
    for (;;) {
        mw_json_event event = mw_json_next(r);
        switch (event) {
        case MW_JSON_ERROR: return r->err->code;
        case MW_JSON_END: *ret = root; return MW_OK;
        case MW_JSON_KEY: key = r->string; continue;
        case MW_JSON_ARRAY_END: continue;
        case MW_JSON_OBJECT_END: {
            mw_status status = check_keys(r->arena->mem, levels[r->depth + 1].container, r->err);
            if (status) return status;
            continue;
        }
        default: break;
        }
        bool container = event == MW_JSON_OBJECT || event == MW_JSON_ARRAY;
        mw_json *node = add_node(r, event, key, &levels[container ? r->depth - 1 : r->depth]);
        if (!node) return mw_fail_nomem(r->err, "reading JSON");
        key = (mw_str){"", 0};
        if (container) levels[r->depth] = (level){node, &node->first};
    }
}

mw_status mw_json_parse(mw_arena *arena, const char *text, size_t size, const mw_json **ret,
                        mw_err *err) {
    mw_err own;
    if (!err) err = &own;
    if (size > (size_t)MW_LIMIT(JSON_BYTES))
        return mw_fail(err, MW_ETOOLARGE, "a JSON text of %zu bytes; the most is %lld", size,
                       (long long)MW_LIMIT(JSON_BYTES));
    mw_json_reader reader;
    mw_json_reader_init(&reader, text, size, arena, err);
    return read_tree(&reader, ret);
}

const mw_json *mw_json_get(const mw_json *object, const char *key) {
    if (!object || object->kind != MW_JSON_OBJECT) return NULL;
    for (const mw_json *child = object->first; child; child = child->next)
        if (mw_str_is(child->key, key)) return child;
    return NULL;
}

const mw_json *mw_json_at(const mw_json *array, uint32_t index) {
    if (!array || array->kind != MW_JSON_ARRAY) return NULL;
    const mw_json *child = array->first;
    while (child && index--) child = child->next;
    return child;
}

double mw_json_number(const mw_json *value, double fallback) {
    return value && value->kind == MW_JSON_NUMBER ? value->number : fallback;
}

int64_t mw_json_int(const mw_json *value, int64_t fallback) {
    if (!value || value->kind != MW_JSON_NUMBER) return fallback;
    int64_t whole;
    if (mw_number_read_int(value->string.data, value->string.size, &whole)) return whole;
    /* "1.0" and "1e3": exact as long as the double is. */
    double number = value->number;
    if (number < -9007199254740992.0 || number > 9007199254740992.0) return fallback;
    whole = (int64_t)number;
    return (double)whole == number ? whole : fallback;
}

mw_str mw_json_string(const mw_json *value, const char *fallback) {
    return value && value->kind == MW_JSON_STRING ? value->string : mw_str_of(fallback);
}

bool mw_json_bool(const mw_json *value, bool fallback) {
    if (!value || (value->kind != MW_JSON_TRUE && value->kind != MW_JSON_FALSE)) return fallback;
    return value->kind == MW_JSON_TRUE;
}
