/* live_answer.c -- see live_answer.h. */
#include "run/op/live_answer.h"

#include "core/text/datetime.h"
#include "core/text/number.h"
#include "keep/ingest/quality.h"

void mw_op__write_float(float value, mw_json_writer *w) {
    char text[MW_NUMBER_MAX] = "";
    if (value == value)
        mw_json_write_raw(w, (mw_str){text, mw_number_print_float(value, text)});
    else
        mw_json_write_null(w);
}

void mw_op__write_floats(const float *values, int32_t n, mw_json_writer *w) {
    mw_json_array(w);
    for (int32_t i = 0; i < n; i++) mw_op__write_float(values[i], w);
    mw_json_array_end(w);
}

void mw_op__write_quality(const mw_program *program, const mw_flagged_list *flagged, int32_t device,
                          int64_t time, mw_json_writer *w) {
    mw_json_key(w, "quality");
    mw_json_object(w);
    for (int32_t k = 0; k < program->n_outputs && time != MW_TIME_NONE; k++) {
        const uint32_t bits = mw_flagged_at(flagged, device, k, time);
        if (!bits) continue;
        mw_json_key(w, program->names[k]);
        mw_json_array(w);
        for (int b = 0; b < MW_QUALITY_BITS; b++)
            if (bits >> b & 1) mw_json_write_string(w, mw_quality_names[b]);
        mw_json_array_end(w);
    }
    mw_json_object_end(w);
}

void mw_op__write_categories(const mw_live_columns *columns, mw_str device,
                             mw_str (*text)(const void *row, int32_t i), const void *row,
                             mw_json_writer *w) {
    const mw_feature_config *config = columns->config;
    mw_json_key(w, "categories");
    mw_json_object(w);
    for (int32_t k = 0; k < config->n_categories; k++) {
        const int32_t number = columns->category_text[k];
        const mw_str one = number < 0 ? device : text(row, number);
        mw_json_key(w, config->categories[k]);
        if (one.size)
            mw_json_write_str(w, one);
        else
            mw_json_write_null(w);
    }
    mw_json_object_end(w);
}
