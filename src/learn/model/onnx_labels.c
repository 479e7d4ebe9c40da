/* onnx_labels.c -- class index to label: the LabelEncoder at the end of a classifier's graph. */
#include <string.h>

#include "learn/model/learner.h"

void mw_onnx_add_labels(mw_onnx *onnx, const mw_model *model, const char *input,
                        const char *output) {
    const size_t n = (size_t)model->n_classes;
    Onnx__NodeProto *encoder = mw_onnx_node(onnx, "LabelEncoder", input, output);
    int64_t *keys = mw_onnx_ints(onnx, encoder, "keys_int64s", n);
    ProtobufCBinaryData *labels = mw_onnx_texts(onnx, encoder, "values_strings", n);
    for (size_t i = 0; labels && i < n; i++) {
        keys[i] = (int64_t)i;
        labels[i].data = (uint8_t *)model->classes[i];
        labels[i].len = strlen(model->classes[i]);
    }
}

mw_status mw_onnx_expect_labels(const mw_onnx_doc *doc, size_t node, const mw_model *model,
                                mw_err *err) {
    const Onnx__NodeProto *encoder = mw_onnx_doc_graph(doc)->node[node];
    const Onnx__AttributeProto *keys = mw_onnx_attribute(encoder, "keys_int64s");
    const Onnx__AttributeProto *labels = mw_onnx_attribute(encoder, "values_strings");
    const size_t n = (size_t)model->n_classes;
    bool same = keys && labels && keys->n_ints == n && labels->n_strings == n;
    for (size_t i = 0; same && i < n; i++) {
        mw_str label = {(const char *)labels->strings[i].data, labels->strings[i].len};
        same = keys->ints[i] == (int64_t)i && mw_str_is(label, model->classes[i]);
    }
    return same ? MW_OK
                : mw_fail(err, MW_EDATA, "model.onnx: the labels do not agree with metadata.json");
}
