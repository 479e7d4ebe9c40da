/*
 * Command lines into operations and arguments: one table of lines that parse, with what they mean,
 * one of lines that do not, with message and hint; help and completion name every option.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "run/cli/command.h"
#include "learn/model/model.h"
#include "run/cli/verb_serve.h"
#include "support/fault_loop.h"
#include "support/harness.h"

static mw_err err;

enum { MAX_WORDS = 12, LINE_BYTES = 256 };

/* A line cut at its blanks; "''" is an empty word. argv points into text [LINE_BYTES]. */
static int split(const char *line, char *text, char **argv) {
    int argc = 0;
    mw_str_copy(text, LINE_BYTES, mw_str_of(line));
    for (char *at = text, *word; (word = strsep(&at, " "));) {
        assert_true(argc < MAX_WORDS);
        argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
    }
    argv[argc] = NULL;
    return argc;
}

static mw_status parse(mw_mem *mem, const char *line, mw_command *ret, mw_err *e) {
    char text[LINE_BYTES], *argv[MAX_WORDS + 1];
    int argc = split(line, text, argv);
    mw_faults faults;
    mw_faults_init(&faults, mem);
    mw_status status = mw_command_parse(mem, argc, argv, &faults, ret, e);
    mw_faults_done(&faults);
    return status;
}

/* The values as one JSON object, global ones behind: what a line means. */
static void describe(const mw_command *command, mw_buf *out) {
    mw_json_writer writer;
    mw_json_writer_init(&writer, out, 0);
    mw_buf_printf(out, "%s ", command->op->name);
    mw_args_write_json(command->args, &writer);
    mw_buf_printf(out, " org=%s data=%s jobs=%d%s%s", command->org, command->data_path,
                  (int)command->n_threads, command->json ? " json" : "",
                  command->help ? " help" : "");
}

static void clear_environment(void) {
    static const char *const names[] = {"MILLWRIGHT_DATA", "N_JOBS", "AGG_INTERVAL"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) (void)unsetenv(names[i]);
}

#define GLOBALS " org=default data=data jobs=0"
#define INGEST_PLAIN                                                        \
    ",\"dry_run\":false,\"max_reject_share\":0.05,\"collisions\":\"keep\"," \
    "\"drop_duplicates\":false,\"drift\":\"accept\""
#define INGEST_QUALITY \
    ",\"quality_window\":\"1h\",\"quality_gap\":10,\"quality_spike\":4,\"quality_stuck\":12}"
#define INGEST_REST INGEST_PLAIN INGEST_QUALITY
#define JOBS_LINE "jobs {\"limit\":20}"

static const struct line {
    const char *words, *meaning;
} lines[] = {
    {"jobs", JOBS_LINE GLOBALS},
    {"jobs --limit 5", "jobs {\"limit\":5}" GLOBALS},
    {"jobs --limit=5", "jobs {\"limit\":5}" GLOBALS},
    /* a flag needs no value, and takes one only after = */
    {"jobs --json", JOBS_LINE GLOBALS " json"},
    {"jobs --json=true", JOBS_LINE GLOBALS " json"},
    {"jobs --json=false", JOBS_LINE GLOBALS},
    {"jobs --json --limit 5", "jobs {\"limit\":5}" GLOBALS " json"},
    {"jobs --org acme --data x --jobs 3", JOBS_LINE " org=acme data=x jobs=3"},
    {"jobs --data=a=b", JOBS_LINE " org=default data=a=b jobs=0"},
    {"jobs --data --x", JOBS_LINE " org=default data=--x jobs=0"},
    /* dashes and underscores */
    {"summary --employee-id 7", "summary {\"dataset\":\"main\",\"employee_id\":\"7\"}" GLOBALS},
    {"summary --employee_id 7", "summary {\"dataset\":\"main\",\"employee_id\":\"7\"}" GLOBALS},
    {"summary --device -1", "summary {\"dataset\":\"main\",\"device\":\"-1\"}" GLOBALS},
    {"summary --device=", "summary {\"dataset\":\"main\",\"device\":\"\"}" GLOBALS},
    /* positional words, repeated; -- ends the options */
    {"ingest a.csv b.csv",
     "ingest {\"paths\":[\"a.csv\",\"b.csv\"],\"dataset\":\"main\"" INGEST_REST GLOBALS},
    {"ingest a.csv --dataset x b,c",
     "ingest {\"paths\":[\"a.csv\",\"b,c\"],\"dataset\":\"x\"" INGEST_REST GLOBALS},
    {"ingest --dataset x -- --org -h",
     "ingest {\"paths\":[\"--org\",\"-h\"],\"dataset\":\"x\"" INGEST_REST GLOBALS},
    {"ingest -", "ingest {\"paths\":[\"-\"],\"dataset\":\"main\"" INGEST_REST GLOBALS},
    /* how a file is written: nothing unless it is said */
    {"ingest a --separator ; --time-format dd.mm.yyyy --missing -999 --missing x --header=false",
     "ingest {\"paths\":[\"a\"],\"dataset\":\"main\"" INGEST_PLAIN
     ",\"separator\":\";\",\"header\":false,\"missing\":[\"-999\",\"x\"],"
     "\"time_format\":\"dd.mm.yyyy\"" INGEST_QUALITY GLOBALS},
    /* help needs no complete line */
    /* verbs of two words; help of all that begin with one */
    {"org list", "organizations {}" GLOBALS},
    {"org init --industry mining --org acme",
     "organization_init {\"industry\":\"mining\"} org=acme data=data jobs=0"},
    {"org create --industry mining --org acme",
     "organization_init {\"industry\":\"mining\"} org=acme data=data jobs=0"},
    {"org configure a.json --json",
     "organization_configure {\"config\":\"a.json\"}" GLOBALS " json"},
    {"org config --help", "organization_config {} org=default data=data jobs=0 help"},
    {"trend --help", "trend {} org=default data=data jobs=0 help"},
    {"trend -h", "trend {} org=default data=data jobs=0 help"},
    {"train --help", "train {} org=default data=data jobs=0 help"},
    {"train --lags 3 --help", "train {\"lags\":3} org=default data=data jobs=0 help"},
    /* an option of the other operation asks for its help, with a file or without */
    {"train --learner gbdt --help", "fit {\"learner\":\"gbdt\"}" GLOBALS " help"},
    {"train -h --learner=xgboost", "fit {\"learner\":\"gbdt\"}" GLOBALS " help"},
    {"train a.csv --help", "fit {\"file\":\"a.csv\"}" GLOBALS " help"},
};

MW_TEST(lines_mean_what_the_tables_say) {
    clear_environment();
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        mw_command command;
        mw_buf out;
        mw_buf_init(&out, NULL, 10000);
        mw_status status = parse(&mw_mem_process, lines[i].words, &command, &err);
        if (status) fail_msg("%s: %s", lines[i].words, err.message);
        describe(&command, &out);
        if (strcmp(mw_buf_text(&out), lines[i].meaning) != 0)
            fail_msg("%s: %s, want %s", lines[i].words, mw_buf_text(&out), lines[i].meaning);
        mw_buf_done(&out);
        mw_command_done(&command);
    }
    assert_int_equal(mw_mem_used(&mw_mem_process), 0);
}

static const struct bad_line {
    const char *words, *message, *hint;
} bad_lines[] = {
    {"jobs --limt 5", "`jobs` has no option --limt", "did you mean --limit?"},
    {"jobs --jsno", "`jobs` has no option --jsno", "did you mean --json?"},
    {"jobs --limt=5", "`jobs` has no option --limt", "did you mean --limit?"},
    {"jobs --zzzzzz", "`jobs` has no option --zzzzzz", "`millwright jobs --help` lists"},
    {"summary --employe-id 7", "no option --employe-id", "did you mean --employee-id?"},
    {"jobs --limit", "--limit needs a value", "--limit=VALUE"},
    {"jobs --limit --json", "--limit needs a value", "--limit=VALUE"},
    {"jobs --limit five", "limit", ""},
    {"jobs --limit 0", "limit", ""},
    {"jobs --limit 5 --limit 6", "limit is set twice", ""},
    {"jobs --json --json", "json is set twice", ""},
    {"train --random-state 3 --seed 4",
     "seed is set twice: \"random_state\" and \"seed\" are the same parameter", ""},
    {"train --random-stat 3", "no option --random-stat", "did you mean --random-state?"},
    {"train --random-state", "--random-state needs a value", "--random-state=VALUE"},
    {"train a.csv --out m --learner isolation_forst",
     "must be one of forest, gbdt, linear, isolation", "did you mean \"isolation_forest\"?"},
    {"jobs --json=maybe", "json", ""},
    {"jobs extra", "`millwright jobs` needs a second word, one of watch, cancel, retry", "--help"},
    {"jobs -x", "there is no option -x", "two dashes"},
    {"jobs --org a/b", "--org: an organization's id", ""},
    {"trend", "parameter", ""},
    {"ingest", "paths", ""},
    {"ingest ''", "an empty word is no paths", ""},
    {"predict --out x", "", ""},
    {"tran", "there is no command \"tran\"", "did you mean `millwright train`?"},
    {"org", "`millwright org` needs a second word, one of list, init, config, configure",
     "`millwright org --help`"},
    {"org lst", "needs a second word, one of list", ""},
    {"org --json", "needs a second word, one of list", ""},
    {"org init --industri x", "`org init` has no option --industri", "did you mean --industry?"},
    {"org configure", "config", ""},
    {"org list x", "", "`millwright org list --help` shows the form"},
    {"serv", "there is no command \"serv\"", "did you mean `millwright serve`?"},
    {"--json jobs", "there is no command \"--json\"", "the command comes first"},
    {"qqqqqqqq", "there is no command \"qqqqqqqq\"", "lists the commands"},
    /* the other form of train has the option */
    {"train --learner ridge", "`train` has no option --learner", "with a file has it"},
    {"train a.csv --target y --lags 3", "`train` has no option --lags", "without a file has it"},
};

MW_TEST(wrong_lines_say_what_and_how) {
    clear_environment();
    for (size_t i = 0; i < sizeof bad_lines / sizeof *bad_lines; i++) {
        const struct bad_line *bad = &bad_lines[i];
        mw_command command;
        mw_err_clear(&err);
        mw_status status = parse(&mw_mem_process, bad->words, &command, &err);
        if (status != MW_EINVAL) fail_msg("%s: %s", bad->words, mw_status_name(status));
        if (!err.message[0] || !strstr(err.message, bad->message))
            fail_msg("%s: \"%s\" lacks \"%s\"", bad->words, err.message, bad->message);
        if (!strstr(err.hint, bad->hint))
            fail_msg("%s: hint \"%s\" lacks \"%s\"", bad->words, err.hint, bad->hint);
        if (mw_mem_used(&mw_mem_process)) fail_msg("%s: memory is lost", bad->words);
    }
}

MW_TEST(both_forms_of_train) {
    static const struct {
        const char *words, *op;
    } forms[] = {
        {"train", "train"},
        {"train --target heat", "train"},
        {"train --n-estimators 5 --json", "train"},
        {"train --seed=3 --org acme", "train"},
        {"train --random-state 3", "train"},
        {"train a.csv --target y --out m", "fit"},
        {"train a.csv --out=m --target y", "fit"},
        {"train --target y --out m a.csv", "fit"},
        {"train --json a.csv --target y --out m", "fit"},
        {"train --org acme --json a.csv --learner forest --target y --out m", "fit"},
        {"train --target=y --out=m -- --odd.csv", "fit"},
    };
    clear_environment();
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        mw_command command;
        mw_status status = parse(&mw_mem_process, forms[i].words, &command, &err);
        if (status) fail_msg("%s: %s", forms[i].words, err.message);
        if (strcmp(command.op->name, forms[i].op) != 0)
            fail_msg("%s: %s, want %s", forms[i].words, command.op->name, forms[i].op);
        mw_command_done(&command);
    }
}

MW_TEST(environment_comes_before_defaults_and_after_options) {
    mw_command command;
    clear_environment();
    (void)setenv("MILLWRIGHT_DATA", "plant", 1);
    (void)setenv("N_JOBS", "3", 1);
    assert_ok(parse(&mw_mem_process, "jobs --jobs 2", &command, &err));
    assert_string_equal(command.data_path, "plant");
    assert_int_equal(command.n_threads, 2);
    mw_command_done(&command);
    (void)setenv("N_JOBS", "many", 1);
    assert_status(parse(&mw_mem_process, "jobs", &command, &err), MW_EINVAL);
    assert_non_null(strstr(err.message, "N_JOBS"));
    clear_environment();
}

/* ---- help and completion ---- */

/* "--max-depth" of "max_depth" */
static const char *as_option(const char *name) {
    static char out[128];
    (void)snprintf(out, sizeof out, "--%s", name);
    for (char *c = out; *c; c++)
        if (*c == '_') *c = '-';
    return out;
}

/* The option as a word of its own, and not only as the beginning of a longer one. */
static bool has_word(const char *text, const char *word) {
    size_t n = strlen(word);
    for (const char *at = text; (at = strstr(at, word)); at++)
        if ((at == text || at[-1] == ' ') && strchr(" \"\n", at[n])) return true;
    return false;
}

static void assert_options(const char *text, const mw_param *table, const char *verb) {
    for (; table->name; table++) {
        if (table->flags & (MW_PARAM_HTTP_ONLY | MW_PARAM_POSITIONAL)) continue;
        if (!has_word(text, as_option(table->name)))
            fail_msg("%s: no %s in %s", verb, as_option(table->name), text);
    }
}

static const char *const global_options[] = {"--org", "--data", "--jobs", "--json", "--help"};

static void assert_globals(const char *text, const char *verb) {
    for (size_t i = 0; i < sizeof global_options / sizeof *global_options; i++)
        if (!has_word(text, global_options[i])) fail_msg("%s: no %s", verb, global_options[i]);
}

MW_TEST(help_names_every_option) {
    for (const mw_op *const *op = mw_ops; *op; op++) {
        if (!(*op)->verb) continue;
        mw_command command = {.op = *op};
        mw_buf out;
        mw_buf_init(&out, NULL, 1 << 20);
        mw_command_help(&command, &out);
        assert_int_equal(out.failed, 0);
        assert_options(mw_buf_text(&out), mw_op_params(*op), (*op)->verb);
        assert_globals(mw_buf_text(&out), (*op)->verb);
        assert_non_null(strstr(mw_buf_text(&out), (*op)->summary));
        assert_null(strstr(mw_buf_text(&out), "_id "));
        mw_buf_clear(&out);
        mw_command_overview(&out);
        assert_true(has_word(mw_buf_text(&out), (*op)->verb));
        assert_globals(mw_buf_text(&out), "overview");
        mw_buf_done(&out);
    }
}

/* A learner that is named narrows the help of `train` to its parameters, all of them. */
MW_TEST(help_lists_a_learners_parameters) {
    for (const char *const *learner = mw_model_learners; *learner; learner++) {
        char line[64], first[64];
        mw_command command;
        mw_buf out;
        mw_buf_init(&out, NULL, 1 << 20);
        (void)snprintf(line, sizeof line, "train --learner %s --help", *learner);
        (void)snprintf(first, sizeof first, "parameters of the learner %s,", *learner);
        assert_ok(parse(NULL, line, &command, &err));
        mw_command_help(&command, &out);
        assert_memory_equal(mw_buf_text(&out), first, strlen(first));
        for (const mw_param *p = mw_model_params(*learner); p->name; p++) {
            (void)snprintf(line, sizeof line, "\n  %s=", p->name);
            if (!strstr(mw_buf_text(&out), line)) fail_msg("%s: no %s", *learner, p->name);
        }
        assert_null(strstr(mw_buf_text(&out), "usage:"));
        mw_buf_done(&out);
        mw_command_done(&command);
    }
}

/* No two rows of a table share a name, and a choice's alias is not a choice but leads to one. */
static void assert_names(const mw_param *table, const char *what) {
    for (const mw_param *row = table; row->name; row++) {
        for (mw_str name = {0}; mw_param_next_name(row, &name);)
            if (mw_param_find(table, name, NULL) != row)
                fail_msg("%s: two rows are called %.*s", what, (int)name.size, name.data);
        for (const char *const(*pair)[2] = row->choice_aliases; pair && (*pair)[0]; pair++) {
            bool found = false;
            for (const char *const *choice = row->choices; *choice; choice++) {
                found = found || strcmp((*pair)[1], *choice) == 0;
                if (strcmp((*pair)[0], *choice) == 0)
                    fail_msg("%s: %s is a choice and an alias", row->name, *choice);
            }
            if (!found) fail_msg("%s: %s leads to no choice", row->name, (*pair)[0]);
        }
    }
}

MW_TEST(every_name_leads_to_one_row) {
    for (const mw_op *const *op = mw_ops; *op; op++) assert_names(mw_op_params(*op), (*op)->name);
    assert_names(mw_serve_params, "serve");
    for (const char *const *name = mw_model_learners; *name; name++) {
        assert_non_null(mw_model_params(*name));
        assert_names(mw_model_params(*name), *name);
    }
    for (const char *const(*pair)[2] = mw_model_learner_aliases; (*pair)[0]; pair++)
        assert_ptr_equal(mw_model_params((*pair)[0]), mw_model_params((*pair)[1]));
}

/* The text between "  VERB) options=\"" and the quote, of a verb's first word. */
static const char *completion_of(const char *script, const char *verb) {
    static char line[4096];
    char start[80];
    (void)snprintf(start, sizeof start, "\n  %.*s) options=\"", (int)strcspn(verb, " "), verb);
    const char *at = strstr(script, start);
    if (!at) fail_msg("the completion knows no %s", verb);
    at += strlen(start);
    mw_str_copy(line, sizeof line, (mw_str){at, strcspn(at, "\"") + 1});
    return line;
}

MW_TEST(completion_offers_every_verb_and_option) {
    mw_buf out;
    mw_buf_init(&out, NULL, 1 << 20);
    mw_command_completion(&out);
    assert_int_equal(out.failed, 0);
    const char *script = mw_buf_text(&out);
    for (const mw_op *const *op = mw_ops; *op; op++) {
        if (!(*op)->verb) continue;
        const char *options = completion_of(script, (*op)->verb);
        assert_options(options, mw_op_params(*op), (*op)->verb);
        assert_globals(options, (*op)->verb);
    }
    assert_options(completion_of(script, "serve"), mw_serve_params, "serve");
    assert_globals(completion_of(script, "serve"), "serve");
    const char *verbs = strstr(script, "compgen -W \"");
    assert_non_null(verbs);
    const char *train = strstr(verbs, " train "), *end = strchr(verbs, ')');
    assert_true(train && train < end);
    const char *twice = strstr(train + 1, " train ");
    assert_true(!twice || twice > end);
    mw_buf_done(&out);
}

/* ---- memory ---- */

static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *e) {
    mw_command command;
    mw_status status = parse(ctx->mem, arg, &command, e);
    if (!status) mw_command_done(&command);
    return status;
}

MW_TEST(any_failed_allocation) {
    static char ingest[] = "ingest a.csv b.csv c.csv --dataset x --org acme --data y --json";
    static char fit[] = "train a.csv --target y --out m --set a=1 --set b=2";
    clear_environment();
    assert_true(mw_fault_loop_alloc(scenario, ingest) > 5);
    assert_true(mw_fault_loop_alloc(scenario, fit) > 5);
}

MW_TEST_MAIN(MW_RUN(lines_mean_what_the_tables_say), MW_RUN(wrong_lines_say_what_and_how),
             MW_RUN(both_forms_of_train),
             MW_RUN(environment_comes_before_defaults_and_after_options),
             MW_RUN(help_names_every_option), MW_RUN(help_lists_a_learners_parameters),
             MW_RUN(every_name_leads_to_one_row), MW_RUN(completion_offers_every_verb_and_option),
             MW_RUN(any_failed_allocation))
