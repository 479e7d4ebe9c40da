/* learners.c -- the table of learners: a new one is a file of its own and one line here. */
#include "learn/model/learner.h"

#include <string.h>

static const mw_learner *const learners[] = {
    &mw_learner_linear,
    &mw_learner_forest,
    &mw_learner_isolation,
    &mw_learner_gbdt,
};

enum { N_LEARNERS = sizeof learners / sizeof *learners };

const char *const mw_model_learners[] = {"forest", "gbdt", "linear", "isolation", NULL};
const char *const mw_model_learner_aliases[][2] = {{"random_forest", "forest"},
                                                   {"lightgbm", "gbdt"},
                                                   {"xgboost", "gbdt"},
                                                   {"ridge", "linear"},
                                                   {"isolation_forest", "isolation"},
                                                   {NULL}};

_Static_assert(sizeof mw_model_learners / sizeof *mw_model_learners == N_LEARNERS + 1,
               "a name per learner");

const mw_learner *mw_learner_find(const char *name) {
    for (const char *const(*pair)[2] = mw_model_learner_aliases; name && (*pair)[0]; pair++)
        if (strcmp((*pair)[0], name) == 0) name = (*pair)[1];
    for (size_t i = 0; i < N_LEARNERS; i++)
        if (name && strcmp(learners[i]->name, name) == 0) return learners[i];
    return NULL;
}

bool mw_model__needs_state(const mw_model *model) {
    return model->learner->state_version > 0 && model->learner->needs_state(model);
}

const mw_param *mw_model_params(const char *learner) {
    const mw_learner *found = mw_learner_find(learner);
    return found ? found->params : NULL;
}
