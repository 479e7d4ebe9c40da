/*
 * industries.h -- what industries' telemetry usually is: a configuration to begin with, and features that their columns deserve.
 *
 * What      a line for each industry. Its features are added to every configuration that has the columns and does not list its features itself.
 */
#ifndef MW_LEARN_FEATURE_INDUSTRIES_H
#define MW_LEARN_FEATURE_INDUSTRIES_H

typedef struct mw_industry {
    const char *name;     /* NULL ends the table */
    const char *help;     /* one sentence */
    const char *schema;   /* JSON: the schemaConfig to begin with */
    const char *features; /* JSON: entries as in a configuration's "features" */
} mw_industry;

extern const mw_industry mw_industries[];
extern const char *const mw_industry_names[];          /* ended by NULL */
const mw_industry *mw_industry_find(const char *name); /* NULL: there is none */

#endif
