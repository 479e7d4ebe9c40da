/* time_fields.c -- whole columns of times. */
#include "core/text/datetime.h"
#include "core/text/time_step.h"

size_t mw_time_read_fields(const mw_fields *fields, const mw_time_form *form, mw_time_part part,
                           int64_t *out, uint32_t *odd) {
    size_t n_odd = 0;
    for (size_t i = 0; i < fields->n; i++) {
        mw_str field = mw_fields_at(fields, i);
        if (mw_time_form_read(form, part, field.data, field.size, &out[i])) continue;
        out[i] = MW_TIME_NONE;
        odd[n_odd++] = (uint32_t)i;
    }
    return n_odd;
}
