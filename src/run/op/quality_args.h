/* quality_args.h -- arguments of operations that say how sensors are judged, and which flags count. */
#ifndef MW_RUN_OP_QUALITY_ARGS_H
#define MW_RUN_OP_QUALITY_ARGS_H

#include "core/param/param.h"

/* MW_EINVAL when one of mw_quality_params is given that does nothing without `option`, which is written as `how`. */
mw_status mw_op__check_quality(const mw_args *args, const char *option, const char *how,
                               mw_err *err);

/* The bits that an argument names: a list of flags ("stuck", ...); 0: not given. MW_EINVAL for another word, with what there is as hint. */
mw_status mw_op__flag_bits(const mw_args *args, const char *name, uint32_t *ret, mw_err *err);

#endif
