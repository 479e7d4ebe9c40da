/* param_names.c -- see param.h: the words that a row of a table answers to. */
#include <string.h>

#include "core/param/param.h"

bool mw_param_next_name(const mw_param *param, mw_str *name) {
    if (!name->data) {
        *name = mw_str_of(param->name);
        return true;
    }
    const char *at = name->data == param->name ? param->aliases : name->data + name->size;
    if (at) at += strspn(at, " ");
    if (!at || !*at) return false;
    *name = (mw_str){at, strcspn(at, " ")};
    return true;
}

const mw_param *mw_param_find(const mw_param *table, mw_str name, mw_str *word) {
    for (const mw_param *param = table; param->name; param++) {
        for (mw_str known = {0}; mw_param_next_name(param, &known);) {
            if (!mw_str_eq(name, known)) continue;
            if (word) *word = known;
            return param;
        }
    }
    return NULL;
}

void mw_param_look(const mw_param *param, mw_str typed, mw_nearest *best) {
    for (mw_str name = {0}; mw_param_next_name(param, &name);)
        mw_nearest_look_str(best, typed, name);
}
