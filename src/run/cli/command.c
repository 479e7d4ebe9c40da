/* command.c -- see command.h. */
#include "run/cli/command.h"

#include <stdio.h>
#include <string.h>

#include "core/base/files.h"
#include "core/base/limits.h"
#include "core/param/nearest.h"
#include "run/cli/verb_serve.h"
#include "run/cli/verb_worker.h"

const char *const mw_command_verbs[] = {"serve",   "worker", "completion", "openapi",
                                        "version", "help",   NULL};

/* Options every verb takes. */
static const mw_param global_params[] = {
    {.name = "org", .type = MW_PARAM_STRING, .def = "default", .help = "The organization."},
    {.name = "data",
     .type = MW_PARAM_STRING,
     .def = "data",
     .min = 1,
     .max = 4000,
     .env = "MILLWRIGHT_DATA",
     .help = "The data folder."},
    {.name = "store",
     .type = MW_PARAM_STRING,
     .min = 1,
     .max = 4000,
     .env = "MILLWRIGHT_STORE",
     .help = "Where records are: postgresql://USER@HOST/DATABASE, or a file; without it "
             "millwright.db in the data folder. A password belongs in the environment."},
    {.name = "artifacts",
     .type = MW_PARAM_STRING,
     .def = "folder",
     .min = 1,
     .max = 1200,
     .env = "MILLWRIGHT_ARTIFACTS",
     .help = "Where files of datasets and models are besides the data folder: folder (nowhere), "
             "postgresql (in the store) or s3://BUCKET/PREFIX."},
    {.name = "jobs",
     .type = MW_PARAM_INT,
     .def = "0",
     .min = 0,
     .max = 256,
     .env = "N_JOBS",
     .help = "Threads; 0: one per core."},
    {.name = "json", .type = MW_PARAM_BOOL, .def = "false", .help = "Print one JSON value."},
    {.name = "help", .type = MW_PARAM_BOOL, .def = "false", .help = "Show this."},
    {0}};

/* The row that "max-depth", an option without its dashes, is a name of; *word as in mw_param_find. */
static const mw_param *find(const mw_param *table, mw_str option, mw_str *word) {
    char name[MW_NEAREST_MAX];
    if (option.size >= sizeof name) return NULL;
    for (size_t i = 0; i < option.size; i++) name[i] = option.data[i] == '-' ? '_' : option.data[i];
    return mw_param_find(table, (mw_str){name, option.size}, word);
}

/* The next positional parameter that still takes a value. */
static const mw_param *next_positional(const mw_param *table, const mw_args *args) {
    for (; table->name; table++) {
        if (!(table->flags & MW_PARAM_POSITIONAL)) continue;
        if ((table->flags & MW_PARAM_REPEATED) || !mw_args_given(args, table->name)) return table;
    }
    return NULL;
}

typedef struct parser {
    const char *verb;
    const mw_param *table;
    mw_args *own, *global;
    int argc, at;
    char **argv;
    mw_faults *faults;
    bool lost; /* a word was not understood: what seems too much or missing may be its doing */
} parser;

static bool is_option(const mw_param *param) {
    return !(param->flags & (MW_PARAM_HTTP_ONLY | MW_PARAM_POSITIONAL));
}

/* "--max-depth" of "max_depth"; out [128]. */
static const char *option_text(mw_str name, char out[128]) {
    (void)snprintf(out, 128, "--%.*s", (int)(name.size < 100 ? name.size : 100), name.data);
    for (char *c = out; *c; c++)
        if (*c == '_') *c = '-';
    return out;
}

static const mw_param *first_positional(const mw_param *table) {
    while (table->name && !(table->flags & MW_PARAM_POSITIONAL)) table++;
    return table->name ? table : NULL;
}

/* The table of another operation of the same verb that has the option: `train` or `train FILE`. */
static const mw_param *find_twin(const parser *p, mw_str name) {
    for (const mw_op *const *op = mw_ops; *op; op++) {
        if (!(*op)->verb || strcmp((*op)->verb, p->verb) != 0) continue;
        const mw_param *table = mw_op_params(*op);
        if (table != p->table && find(table, name, NULL)) return table;
    }
    return NULL;
}

static mw_status fail_option(const parser *p, mw_str name, mw_err *err) {
    mw_nearest nearest = {0};
    const mw_param *const tables[] = {p->table, global_params};
    for (size_t i = 0; i < 2; i++)
        for (const mw_param *param = tables[i]; param->name; param++)
            if (is_option(param)) mw_param_look(param, name, &nearest);
    char option[128];
    mw_fail(err, MW_EINVAL, "`%s` has no option --%.*s", p->verb,
            (int)(name.size < 100 ? name.size : 100), name.data);
    const mw_param *twin = find_twin(p, name);
    if (twin && first_positional(twin))
        return mw_err_hint(err, "`%s` with a %s has it: name one", p->verb,
                           first_positional(twin)->name);
    if (twin) return mw_err_hint(err, "`%s` without a file has it", p->verb);
    mw_str near = {nearest.word, (size_t)nearest.size};
    if (near.data) return mw_err_hint(err, "did you mean %s?", option_text(near, option));
    return mw_err_hint(err, "`millwright %s --help` lists the options", p->verb);
}

static bool names_option(const mw_param *table, const char *word) {
    if (strncmp(word, "--", 2) != 0) return false;
    const char *equals = strchr(word, '=');
    mw_str name = {word + 2, equals ? (size_t)(equals - word - 2) : strlen(word + 2)};
    const mw_param *param = find(table, name, NULL);
    return (param && is_option(param)) || find(global_params, name, NULL);
}

/* The next word is the value, unless it is an option of this command: then the value was left out. */
static mw_status fail_without_value(const mw_param *param, mw_str word, mw_err *err) {
    char option[128];
    mw_fail(err, MW_EINVAL, "%s needs a value", option_text(word, option));
    mw_err_at(err, "%s", param->name);
    return mw_err_hint(err, "write it after the option, or %s=VALUE when it begins with --",
                       option);
}

/* A word is the value; that of JSON names the file with it. */
static mw_status set_word(const parser *p, mw_args *to, const mw_param *param, mw_str name,
                          const char *word, mw_err *err) {
    mw_ctx ctx;
    char *text = NULL;
    size_t size = 0;
    if (param->type != MW_PARAM_JSON) return mw_args_set(to, name, mw_str_of(word), err);
    mw_ctx_init(&ctx);
    mw_status status =
        mw_file_read_path(&ctx, word, (size_t)MW_LIMIT(JSON_BYTES), &text, &size, err);
    if (!status) {
        mw_args_collect(to, NULL); /* the file's name is still to be said */
        status = mw_args_set(to, name, (mw_str){text, size}, err);
        if (status) (void)mw_err_prefix(err, "%s", word);
        mw_args_collect(to, p->faults);
    }
    mw_free(text);
    return status;
}

static mw_status parse_option(parser *p, mw_err *err) {
    const char *option = p->argv[p->at] + 2;
    const char *equals = strchr(option, '=');
    mw_str name = {option, equals ? (size_t)(equals - option) : strlen(option)};
    mw_str word;
    const mw_param *param = find(p->table, name, &word);
    mw_args *to = p->own;
    if (!param) {
        param = find(global_params, name, &word);
        to = p->global;
    }
    if (!param || (param->flags & MW_PARAM_HTTP_ONLY)) return fail_option(p, name, err);
    if (equals) return set_word(p, to, param, word, equals + 1, err);
    if (param->type == MW_PARAM_BOOL) return mw_args_set(to, word, mw_str_of("true"), err);
    if (p->at + 1 >= p->argc || names_option(p->table, p->argv[p->at + 1]))
        return fail_without_value(param, word, err);
    return set_word(p, to, param, word, p->argv[++p->at], err);
}

static mw_status parse_word(parser *p, const char *word, mw_err *err) {
    const mw_param *param = next_positional(p->table, p->own);
    if (param && *word) return mw_args_set(p->own, mw_str_of(param->name), mw_str_of(word), err);
    if (param) {
        mw_fail(err, MW_EINVAL, "an empty word is no %s", param->name);
        return mw_err_at(err, "%s", param->name);
    }
    if (p->lost) return MW_OK;
    mw_fail(err, MW_EINVAL, "\"%.100s\" is one argument too many", word);
    return mw_err_hint(err, "`millwright %s --help` shows the form", p->verb);
}

static mw_status noted(parser *p, mw_status status, mw_err *err) {
    if (status != MW_EINVAL && status != MW_EPARSE) return status;
    p->lost = true;
    return mw_faults_add(p->faults, err);
}

static mw_status parse_all(parser *p, mw_err *err) {
    bool options_ended = false;
    for (; p->at < p->argc; p->at++) {
        const char *word = p->argv[p->at];
        mw_status status;
        if (!options_ended && strcmp(word, "--") == 0) {
            options_ended = true;
            continue;
        }
        if (!options_ended && strcmp(word, "-h") == 0) {
            status = mw_args_set(p->global, mw_str_of("help"), mw_str_of("true"), err);
        } else if (!options_ended && strncmp(word, "--", 2) == 0) {
            status = parse_option(p, err);
        } else if (!options_ended && word[0] == '-' && word[1]) {
            mw_fail(err, MW_EINVAL, "there is no option %.100s", word);
            status = mw_err_hint(err, "options have two dashes; after -- any word is a name");
        } else {
            status = parse_word(p, word, err);
        }
        if (status) status = noted(p, status, err);
        if (status) return status;
    }
    return MW_OK;
}

mw_status mw_command_parse_table(mw_mem *mem, const mw_param *table, int argc, char **argv,
                                 mw_faults *faults, mw_command *ret, mw_err *err) {
    parser p = {.verb = argv[0], .table = table, .argc = argc, .at = 1, .argv = argv};
    p.faults = faults;
    mw_status status = mw_args_new(mem, table, &p.own, err);
    if (!status) status = mw_args_new(mem, global_params, &p.global, err);
    if (!status) {
        mw_args_collect(p.own, faults);
        mw_args_collect(p.global, faults);
        status = parse_all(&p, err);
    }
    if (!status) status = mw_args_finish(p.global, err);
    if (!status) {
        ret->help = mw_args_bool(p.global, "help");
        ret->json = mw_args_bool(p.global, "json");
        ret->n_threads = mw_args_int(p.global, "jobs");
        const char *org = mw_args_string(p.global, "org");
        const char *data = mw_args_string(p.global, "data");
        if (org && !mw_name_valid(org)) {
            mw_fail(err, MW_EINVAL,
                    "--org: an organization's id is 1 to 64 letters, digits, '_' or '-'");
            status = mw_faults_add(faults, err);
        }
        const char *store = mw_args_string(p.global, "store");
        ret->org = mw_strdup(mem, org ? org : "");
        ret->data_path = mw_strdup(mem, data ? data : "");
        const char *artifacts = mw_args_string(p.global, "artifacts");
        ret->store = store ? mw_strdup(mem, store) : NULL;
        ret->artifacts = mw_strdup(mem, artifacts ? artifacts : "");
        if (!ret->org || !ret->data_path || !ret->artifacts || (store && !ret->store))
            status = mw_fail_nomem(err, "the command line");
    }
    if (!status && !ret->help && !p.lost) status = mw_args_finish(p.own, err);
    if (!status) status = mw_faults_status(faults, err);
    if (p.own) mw_args_collect(p.own, NULL);
    mw_args_free(p.global);
    ret->args = p.own;
    if (status) mw_command_done(ret);
    return status;
}

/* Words that are neither options nor their values. */
static bool has_positionals(int argc, char **argv, const mw_param *table) {
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0) return i + 1 < argc;
        if (strncmp(argv[i], "--", 2) != 0) {
            if (strcmp(argv[i], "-h") != 0) return true;
            continue;
        }
        if (strchr(argv[i], '=')) continue;
        const mw_param *param = find(table, mw_str_of(argv[i] + 2), NULL);
        if (!param) param = find(global_params, mw_str_of(argv[i] + 2), NULL);
        bool takes_value = !param || param->type != MW_PARAM_BOOL;
        if (takes_value && i + 1 < argc && !names_option(table, argv[i + 1])) i++;
    }
    return false;
}

static bool takes_positionals(const mw_op *op) {
    return first_positional(mw_op_params(op)) != NULL;
}

static bool asks_help(int argc, char **argv) {
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) return true;
    return false;
}

/* With --help no file need be named: an option that only one of the operations has tells it as well. */
static bool asks_help_of(const mw_param *table, const mw_param *other, int argc, char **argv) {
    bool own = false;
    for (int i = 1; i < argc; i++)
        own |= names_option(table, argv[i]) && !names_option(other, argv[i]);
    return own && asks_help(argc, argv);
}

/* Of `org init`: org. */
static size_t first_word(const char *verb) { return strcspn(verb, " "); }

static bool same_first_word(const char *a, const char *b) {
    return first_word(a) == first_word(b) && strncmp(a, b, first_word(a)) == 0;
}

static bool is_akin(const mw_op *a, const mw_op *b) {
    return a->verb && b->verb && same_first_word(a->verb, b->verb);
}

static bool is_pair(const char *verb) { return verb[first_word(verb)] == ' '; }

/* Is the word the first one of verbs of two words? */
static bool is_group(const char *word) {
    for (const mw_op *const *op = mw_ops; *op; op++)
        if ((*op)->verb && is_pair((*op)->verb) && same_first_word((*op)->verb, word)) return true;
    return false;
}

/* Of the operations that share a verb, the one these words fit. */
static const mw_op *choose(const char *verb, int argc, char **argv) {
    const mw_op *first = mw_op_by_verb(verb);
    for (const mw_op *const *op = mw_ops; first && *op; op++) {
        if (!(*op)->verb || strcmp((*op)->verb, first->verb) != 0) continue;
        const mw_param *table = mw_op_params(*op);
        if (asks_help_of(table, mw_op_params(first), argc, argv)) return *op;
    }
    for (const mw_op *const *op = mw_ops; first && *op; op++) {
        if (!(*op)->verb || strcmp((*op)->verb, first->verb) != 0) continue;
        if (takes_positionals(*op) == has_positionals(argc, argv, mw_op_params(*op))) return *op;
    }
    return first;
}

static mw_status fail_verb(const char *word, mw_err *err) {
    mw_nearest nearest = {0};
    mw_fail(err, MW_EINVAL, "there is no command \"%.60s\"", word);
    for (const mw_op *const *op = mw_ops; *op; op++)
        if ((*op)->verb) mw_nearest_look(&nearest, mw_str_of(word), (*op)->verb);
    for (const char *const *verb = mw_command_verbs; *verb; verb++)
        mw_nearest_look(&nearest, mw_str_of(word), *verb);
    if (word[0] == '-')
        return mw_err_hint(err, "the command comes first: millwright COMMAND %.60s", word);
    if (nearest.word) return mw_err_hint(err, "did you mean `millwright %s`?", nearest.word);
    return mw_err_hint(err, "`millwright --help` lists the commands");
}

/* `org init ...`: its operation; MW_EINVAL when the second word is missing or unknown. `org --help` is of all of them. */
static mw_status choose_of_group(int argc, char **argv, mw_command *ret, int *ret_words,
                                 mw_err *err) {
    char verb[96];
    for (int n = argc < 3 ? argc : 3; n > 1; n--) {
        (void)snprintf(verb, sizeof verb, "%.30s %.30s%s%.30s", argv[0], argv[1], n > 2 ? " " : "",
                       n > 2 ? argv[2] : "");
        ret->op = choose(verb, argc - n + 1, argv + n - 1);
        *ret_words = n;
        if (ret->op) return MW_OK;
    }
    ret->group = ret->help = argc < 3 && asks_help(argc, argv);
    mw_buf words;
    mw_buf_init(&words, NULL, sizeof verb * 8);
    for (const mw_op *const *op = mw_ops; *op; op++) {
        if (!(*op)->verb || !same_first_word((*op)->verb, argv[0])) continue;
        if (!ret->op) ret->op = *op;
        if (!is_pair((*op)->verb)) continue;
        mw_buf_printf(&words, "%s%s", words.size > 0 ? ", " : "",
                      (*op)->verb + first_word((*op)->verb) + 1);
    }
    mw_status status = MW_OK;
    if (!ret->group) {
        mw_fail(err, MW_EINVAL, "`millwright %s` needs a second word, one of %s", argv[0],
                mw_buf_text(&words));
        status = mw_err_hint(err, "`millwright %s --help` tells what they do", argv[0]);
    }
    mw_buf_done(&words);
    return status;
}

/* `jobs --limit 5`, where there is `jobs cancel`, too. */
static bool is_alone(int argc, char **argv) {
    if (!mw_op_by_verb(argv[0])) return false;
    return argc < 2 || (argv[1][0] == '-' && !(argc == 2 && asks_help(argc, argv)));
}

mw_status mw_command_parse(mw_mem *mem, int argc, char **argv, mw_faults *faults, mw_command *ret,
                           mw_err *err) {
    *ret = (mw_command){0};
    mw_status status = MW_OK;
    const bool group = is_group(argv[0]) && !is_alone(argc, argv);
    int n_words = 1;
    if (group)
        status = choose_of_group(argc, argv, ret, &n_words, err);
    else
        ret->op = choose(argv[0], argc, argv);
    if (!group && !ret->op) status = fail_verb(argv[0], err);
    if (status || ret->group) return status;
    const mw_op *op = ret->op;
    if (group) {
        argc -= n_words - 1;
        argv += n_words - 1;
        argv[0] = (char *)(uintptr_t)op->verb; /* as messages call it */
    }
    status = mw_command_parse_table(mem, mw_op_params(op), argc, argv, faults, ret, err);
    ret->op = op;
    return status;
}

void mw_command_done(mw_command *command) {
    command->args = mw_args_free(command->args);
    mw_free((char *)(uintptr_t)command->org);
    mw_free((char *)(uintptr_t)command->data_path);
    mw_free((char *)(uintptr_t)command->store);
    mw_free((char *)(uintptr_t)command->artifacts);
    command->org = command->data_path = command->store = command->artifacts = NULL;
}

/* ---- help ---- */

static void add_usage(const mw_op *op, mw_buf *out) {
    char option[128];
    mw_buf_printf(out, "usage: millwright %s", op->verb);
    for (const mw_param *p = mw_op_params(op); p->name; p++) {
        if (!(p->flags & MW_PARAM_POSITIONAL)) continue;
        mw_buf_add_char(out, ' ');
        for (const char *c = p->name; *c; c++)
            mw_buf_add_char(out, *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c);
        if (p->flags & MW_PARAM_REPEATED) mw_buf_add(out, "...");
    }
    for (const mw_param *p = mw_op_params(op); p->name; p++) {
        if ((p->flags & MW_PARAM_POSITIONAL) || !(p->flags & MW_PARAM_REQUIRED)) continue;
        mw_buf_printf(out, " %s ...", option_text(mw_str_of(p->name), option));
    }
    mw_buf_printf(out, " [options]\n\n%s.\n%s\n\n", op->summary, op->help);
    mw_param_write_help(mw_op_params(op), out);
    if (op->examples) mw_buf_add(out, "\nexamples:\n");
    for (const char *const *e = op->examples; e && *e; e++) mw_buf_printf(out, "  %s\n", *e);
}

void mw_command_help_globals(mw_buf *out) {
    mw_buf_add(out, "options of every command:\n");
    mw_param_write_help(global_params, out);
}

void mw_command_help(const mw_command *command, mw_buf *out) {
    const size_t before = out->size;
    if (command->args && command->op->narrow_help) command->op->narrow_help(command->args, out);
    if (out->size > before) return;
    for (const mw_op *const *op = mw_ops; *op; op++) {
        const bool meant = command->group
                               ? is_akin(*op, command->op)
                               : (*op)->verb && strcmp((*op)->verb, command->op->verb) == 0;
        if (!meant) continue;
        add_usage(*op, out);
        mw_buf_add_char(out, '\n');
    }
    mw_command_help_globals(out);
}

void mw_command_overview(mw_buf *out) {
    mw_buf_add(out, "millwright " MW_VERSION ": a factory's machine-learning engine\n\n"
                    "usage: millwright COMMAND [options]\n\n");
    for (const mw_op *const *op = mw_ops; *op; op++)
        if ((*op)->verb) mw_buf_printf(out, "  %-14s %s\n", (*op)->verb, (*op)->summary);
    mw_buf_add(out, "  serve          Serve the API and its docs over HTTP\n"
                    "  worker         Do jobs of a server on another host\n"
                    "  openapi        Print the API's contract, api/openapi.json\n"
                    "  completion     Print a completion script for bash\n"
                    "  version        Print the version\n\n"
                    "`millwright COMMAND --help` explains one, with examples.\n\n"
                    "first steps:\n"
                    "  millwright generate --days 14 --seed 42\n"
                    "  millwright train\n"
                    "  millwright serve\n\n");
    mw_command_help_globals(out);
}

static void add_options(const mw_param *table, mw_buf *out) {
    for (const mw_param *p = table; p->name; p++) {
        if (p->flags & (MW_PARAM_POSITIONAL | MW_PARAM_HTTP_ONLY)) continue;
        mw_buf_add(out, " --");
        for (const char *c = p->name; *c; c++) mw_buf_add_char(out, *c == '_' ? '-' : *c);
    }
}

/* The first operation with its first word. */
static bool leads(const mw_op *const *op) {
    if (!(*op)->verb) return false;
    for (const mw_op *const *other = mw_ops; other != op; other++)
        if (is_akin(*other, *op)) return false;
    return true;
}

void mw_command_completion(mw_buf *out) {
    mw_buf_add(out, "# bash completion of millwright: source <(millwright completion)\n"
                    "_millwright() {\n"
                    "  local word=${COMP_WORDS[COMP_CWORD]} words options\n"
                    "  if [ \"$COMP_CWORD\" = 1 ]; then\n"
                    "    COMPREPLY=($(compgen -W \"");
    for (const char *const *verb = mw_command_verbs; *verb; verb++)
        mw_buf_printf(out, "%s%s", verb == mw_command_verbs ? "" : " ", *verb);
    for (const mw_op *const *op = mw_ops; *op; op++)
        if (leads(op)) mw_buf_printf(out, " %.*s", (int)first_word((*op)->verb), (*op)->verb);
    mw_buf_add(out, "\" -- \"$word\"))\n    return\n  fi\n  case ${COMP_WORDS[1]} in\n");
    for (const mw_op *const *op = mw_ops; *op; op++) {
        if (!leads(op)) continue;
        mw_buf_printf(out, "  %.*s) options=\"", (int)first_word((*op)->verb), (*op)->verb);
        for (const mw_op *const *same = op; *same; same++)
            if (is_akin(*same, *op)) add_options(mw_op_params(*same), out);
        add_options(global_params, out);
        mw_buf_add(out, "\" words=\"");
        for (const mw_op *const *same = op; *same; same++)
            if (is_akin(*same, *op)) mw_buf_add(out, (*same)->verb + first_word((*same)->verb));
        mw_buf_add(out, "\" ;;\n");
    }
    mw_buf_add(out, "  serve) options=\"");
    add_options(mw_serve_params, out);
    add_options(global_params, out);
    mw_buf_add(out, "\" ;;\n  worker) options=\"");
    add_options(mw_worker_params, out);
    add_options(global_params, out);
    mw_buf_add(out, "\" ;;\n");
    mw_buf_add(
        out,
        "  *) options=\"--help\" ;;\n  esac\n"
        "  case $word in\n"
        "  -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
        "  *) COMPREPLY=($(compgen -W \"$words\" -- \"$word\") $(compgen -f -- \"$word\")) ;;\n"
        "  esac\n}\ncomplete -F _millwright millwright\n");
}
