/* plan.c -- see plan.h. */
#include "keep/ingest/plan.h"

static const mw_use label_uses[MW_LABEL_N] = {MW_USE_DEVICE_ID, MW_USE_DEVICE_NAME,
                                              MW_USE_EMPLOYEE_ID, MW_USE_EMPLOYEE_NAME,
                                              MW_USE_CATEGORY};

static int32_t field_for(const mw_profile *profile, mw_use use) {
    for (uint32_t i = 0; i < profile->n_columns; i++)
        if (profile->columns[i].use == use) return (int32_t)i;
    return -1;
}

static void add(mw_plan *plan, int32_t field, mw_type type) {
    const mw_profile_column *column = &plan->profile->columns[field];
    plan->cells[plan->n_cells++] = (mw_plan_column){
        .field = field, .column = plan->n_columns, .type = type, .decided = column->decided};
    plan->types[plan->n_columns++] = type;
}

static void plan_telemetry(mw_plan *plan) {
    const mw_profile *profile = plan->profile;
    plan->time_column = 0;
    plan->types[plan->n_columns++] = MW_TIMESTAMP;
    for (int i = 0; i < MW_LABEL_N; i++) {
        int32_t field = field_for(profile, label_uses[i]);
        if (field < 0) continue;
        add(plan, field, MW_DICTIONARY);
        plan->n_labels++;
    }
    if (plan->is_long) {
        plan->parameter = field_for(profile, MW_USE_PARAMETER);
        plan->value = field_for(profile, MW_USE_VALUE);
        return;
    }
    for (uint32_t i = 0; i < profile->n_columns; i++) {
        const mw_profile_column *column = &profile->columns[i];
        if (column->use != MW_USE_NONE) continue;
        /* A sensor that says true and false is a number. */
        add(plan, (int32_t)i, column->type == MW_DICTIONARY ? MW_DICTIONARY : MW_FLOAT64);
    }
}

static void plan_table(mw_plan *plan) {
    const mw_profile *profile = plan->profile;
    for (uint32_t i = 0; i < profile->n_columns; i++) {
        const mw_profile_column *column = &profile->columns[i];
        if (column->use == MW_USE_DROP) continue;
        if ((int32_t)i != profile->stamp) {
            add(plan, (int32_t)i, column->type);
            continue;
        }
        plan->time_column = plan->n_columns;
        plan->types[plan->n_columns++] = MW_TIMESTAMP;
    }
}

mw_status mw_plan_make(mw_mem *mem, const mw_profile *profile, bool learn, mw_plan *ret,
                       mw_err *err) {
    mw_plan plan = {.mem = mem,
                    .profile = profile,
                    .learn = learn,
                    .is_long = !learn && profile->shape == MW_SHAPE_LONG,
                    .n_fields = (int32_t)profile->n_columns,
                    .time_column = -1,
                    .parameter = -1,
                    .value = -1};
    size_t most = (size_t)profile->n_columns + 1;
    plan.cells = mw_alloc_array(mem, most, sizeof *plan.cells);
    plan.types = mw_alloc_array(mem, most, sizeof *plan.types);
    if (!plan.cells || !plan.types) {
        mw_plan_done(&plan);
        return mw_fail_nomem(err, "reading a file");
    }
    if (learn)
        plan_table(&plan);
    else
        plan_telemetry(&plan);
    *ret = plan;
    return MW_OK;
}

void mw_plan_done(mw_plan *plan) {
    plan->cells = mw_free(plan->cells);
    plan->types = mw_free(plan->types);
}

static mw_str name_of(const mw_plan *plan, int32_t field) {
    const mw_profile_column *column = &plan->profile->columns[field];
    for (int i = 0; i < MW_LABEL_N && !plan->learn; i++)
        if (column->use == label_uses[i]) return mw_str_of(mw_label_names[i]);
    return mw_str_of(column->name);
}

mw_status mw_plan_schema(const mw_plan *plan, mw_schema **ret, mw_err *err) {
    mw_schema *schema;
    mw_status status = mw_schema_new(plan->mem, &schema, err);
    if (status != MW_OK) return status;
    int32_t cell = 0, index;
    for (int32_t c = 0; c < plan->n_columns && status == MW_OK; c++) {
        mw_str name = MW_STR("time");
        if (c != plan->time_column)
            name = name_of(plan, plan->cells[cell++].field);
        else if (plan->learn)
            name = mw_str_of(plan->profile->columns[plan->profile->stamp].name);
        status = mw_schema_add(schema, name, plan->types[c], &index, err);
    }
    if (status == MW_OK)
        *ret = schema;
    else
        mw_schema_free(schema);
    return status;
}
