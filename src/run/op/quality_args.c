/* quality_args.c -- see quality_args.h. */
#include "run/op/quality_args.h"

#include <stdio.h>
#include <string.h>

#include "keep/ingest/quality.h"

mw_status mw_op__check_quality(const mw_args *args, const char *option, const char *how,
                               mw_err *err) {
    for (const mw_param *p = mw_quality_params; p->name; p++) {
        if (mw_args_given(args, option) || !mw_args_given(args, p->name)) continue;
        mw_fail(err, MW_EINVAL, "%s says how sensors are judged, and nothing is judged", p->name);
        mw_err_hint(err, "%s", how);
        return mw_err_at(err, "%s", p->name);
    }
    return MW_OK;
}

static mw_status fail_flag(const char *name, const char *word, mw_err *err) {
    char all[160] = "";
    size_t at = 0;
    for (int b = 0; b < MW_QUALITY_BITS; b++)
        at +=
            (size_t)snprintf(all + at, sizeof all - at, "%s%s", b ? ", " : "", mw_quality_names[b]);
    mw_fail(err, MW_EINVAL, "\"%.60s\" is no flag of sensor quality", word);
    mw_err_hint(err, "there are %s", all);
    return mw_err_at(err, "%s", name);
}

mw_status mw_op__flag_bits(const mw_args *args, const char *name, uint32_t *ret, mw_err *err) {
    const char *const *words;
    const size_t n = mw_args_list(args, name, &words);
    *ret = 0;
    for (size_t i = 0; i < n; i++) {
        int b = 0;
        while (b < MW_QUALITY_BITS && strcmp(words[i], mw_quality_names[b]) != 0) b++;
        if (b == MW_QUALITY_BITS) return fail_flag(name, words[i], err);
        *ret |= 1u << b;
    }
    return MW_OK;
}
