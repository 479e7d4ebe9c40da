/* faults.c -- see faults.h. */
#include "core/param/faults.h"

#include "core/base/limits.h"

void mw_faults_init(mw_faults *faults, mw_mem *mem) {
    *faults = (mw_faults){.lead = ""};
    mw_arena_init(&faults->arena, mem);
}

void mw_faults_done(mw_faults *faults) {
    mw_arena_done(&faults->arena);
    *faults = (mw_faults){.lead = ""};
}

mw_status mw_faults_add(mw_faults *faults, mw_err *err) {
    faults->n_all++;
    if (faults->n_listed >= (size_t)MW_LIMIT(FAULTS)) return MW_OK;
    mw_arena *arena = &faults->arena;
    mw_fault *fault = mw_arena_alloc(arena, sizeof *fault);
    const char *lead = err->pointer[0] && err->pointer[0] != '/' ? faults->lead : "";
    char *pointer = mw_arena_printf(arena, "%s%s", lead, err->pointer);
    char *detail = mw_arena_strdup(arena, err->message);
    char *hint = mw_arena_strdup(arena, err->hint);
    if (!fault || !pointer || !detail || !hint) return mw_fail_nomem(err, "what is wrong");
    *fault = (mw_fault){NULL, err->code, pointer, detail, hint};
    *(faults->last ? &faults->last->next : &faults->first) = fault;
    faults->last = fault;
    faults->n_listed++;
    return MW_OK;
}

mw_status mw_faults_status(const mw_faults *faults, mw_err *err) {
    const mw_fault *first = faults->first;
    if (!first) return MW_OK;
    mw_fail(err, first->code, "%s", first->detail);
    if (first->hint[0]) mw_err_hint(err, "%s", first->hint);
    if (first->pointer[0]) mw_err_at(err, "%s", first->pointer);
    return first->code;
}
