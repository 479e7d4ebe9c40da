/* profile_write.c -- a profile as JSON (docs/formats/profile.md), members in a fixed order, and its findings. */
#include "keep/ingest/profile_force.h"

static void add_byte(mw_json_writer *writer, const char *key, char byte) {
    mw_json_key(writer, key);
    if (byte)
        mw_json_write_str(writer, (mw_str){&byte, 1});
    else
        mw_json_write_null(writer);
}

static void add_dialect(mw_json_writer *writer, const mw_dialect *dialect) {
    if (dialect->n_widths) {
        mw_json_key(writer, "widths");
        mw_json_array(writer);
        for (uint16_t i = 0; i < dialect->n_widths; i++)
            mw_json_write_int(writer, dialect->widths[i]);
        mw_json_array_end(writer);
    } else if (dialect->blanks) {
        mw_json_add_string(writer, "separator", "blanks");
    } else {
        add_byte(writer, "separator", dialect->separator);
    }
    add_byte(writer, "quote", dialect->quote);
    add_byte(writer, "escape", dialect->escape);
    add_byte(writer, "comment", dialect->comment);
    add_byte(writer, "decimal", dialect->decimal);
    add_byte(writer, "thousands", dialect->thousands);
}

static void add_form(mw_json_writer *writer, const char *key, int32_t column,
                     const mw_time_form *form) {
    char name[MW_TIME_FORM_TEXT];
    if (column < 0) return;
    mw_time_form_name(form, name);
    mw_json_add_string(writer, key, name);
}

static void add_columns(mw_json_writer *writer, const mw_profile *profile) {
    mw_json_key(writer, "columns");
    mw_json_array(writer);
    for (uint32_t i = 0; i < profile->n_columns; i++) {
        const mw_profile_column *column = &profile->columns[i];
        mw_json_object(writer);
        mw_json_add_string(writer, "name", column->name);
        if (column->unit) mw_json_add_string(writer, "unit", column->unit);
        mw_json_add_string(writer, "use", mw_profile__uses[column->use]);
        mw_json_add_string(writer, "type", mw_type_name(column->type));
        if (!column->decided) mw_json_add_bool(writer, "decided", false);
        mw_json_object_end(writer);
    }
    mw_json_array_end(writer);
}

void mw_profile_write(const mw_profile *profile, mw_json_writer *writer) {
    mw_json_object(writer);
    mw_json_add_int(writer, "format", 1);
    mw_json_add_string(writer, "encoding", mw_profile__encodings[profile->encoding]);
    mw_json_add_string(writer, "line_ends", mw_profile__line_ends[profile->line_end]);
    add_dialect(writer, &profile->dialect);
    mw_json_add_int(writer, "skip_lines", profile->skip_lines);
    mw_json_add_bool(writer, "header", profile->has_header);
    mw_json_add_bool(writer, "units", profile->has_units);
    mw_json_add_string(writer, "shape", profile->shape == MW_SHAPE_LONG ? "long" : "wide");
    mw_json_key(writer, "missing");
    mw_json_array(writer);
    for (size_t i = 0; i < profile->n_given_marks; i++)
        mw_json_write_string(writer, profile->marks[i]);
    mw_json_array_end(writer);
    add_form(writer, "time_format", profile->stamp, &profile->stamp_form);
    add_form(writer, "date_format", profile->date, &profile->date_form);
    add_form(writer, "clock_format", profile->clock, &profile->clock_form);
    if (profile->zone) mw_json_add_string(writer, "timezone", mw_zone_name(profile->zone));
    add_columns(writer, profile);
    mw_json_object_end(writer);
}

void mw_profile_write_findings(const mw_profile *profile, mw_json_writer *writer) {
    mw_json_array(writer);
    for (size_t i = 0; i < profile->n_findings; i++) {
        const mw_finding *finding = &profile->findings[i];
        mw_json_object(writer);
        mw_json_add_string(writer, "what", finding->what);
        mw_json_add_string(writer, "value", finding->value);
        /* Two digits: more would pretend to be known. */
        mw_json_add_number(writer, "confidence",
                           (double)(int)(finding->confidence * 100 + 0.5) / 100);
        mw_json_add_bool(writer, "forced", finding->forced);
        mw_json_add_string(writer, "note", finding->note);
        mw_json_object_end(writer);
    }
    mw_json_array_end(writer);
}
