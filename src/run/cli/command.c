/* command.c -- see command.h. */
#include "run/cli/command.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/limits.h"
#include "core/text/number.h"

/* Options every verb takes. */
static const mw_param global_params[] = {
    {.name = "org", .type = MW_PARAM_STRING, .def = "default", .help = "The organization."},
    {.name = "data",
     .type = MW_PARAM_STRING,
     .def = "data",
     .env = "MILLWRIGHT_DATA",
     .help = "The data folder."},
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

static const mw_param *find(const mw_param *table, mw_str name) {
    for (; table->name; table++) {
        if (strlen(table->name) != name.size) continue;
        size_t i = 0;
        while (i < name.size && (name.data[i] == '-' ? '_' : name.data[i]) == table->name[i]) i++;
        if (i == name.size) return table;
    }
    return NULL;
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
    const mw_param *table;
    mw_args *own, *global;
    int argc, at;
    char **argv;
} parser;

static mw_status set(mw_args *args, const mw_param *param, mw_str value, mw_err *err) {
    return mw_args_set(args, mw_str_of(param->name), value, err);
}

static mw_status parse_option(parser *p, mw_err *err) {
    const char *option = p->argv[p->at] + 2;
    const char *equals = strchr(option, '=');
    mw_str name = {option, equals ? (size_t)(equals - option) : strlen(option)};
    const mw_param *param = find(p->table, name);
    mw_args *to = p->own;
    if (!param) {
        param = find(global_params, name);
        to = p->global;
    }
    if (!param || (param->flags & MW_PARAM_HTTP_ONLY)) {
        char plain[128];
        mw_str_copy(plain, sizeof plain, name);
        for (char *c = plain; *c; c++)
            if (*c == '-') *c = '_';
        mw_status status = mw_args_set(p->own, mw_str_of(plain), mw_str_of("x"), err);
        if (status) {
            char hint[MW_ERR_HINT_MAX];
            mw_str_copy(hint, sizeof hint, mw_str_of(err ? err->hint : ""));
            mw_fail(err, MW_EINVAL, "there is no option --%.100s", option);
            mw_err_hint(err, "%s", hint[0] ? hint : "--help lists the options");
        }
        return MW_EINVAL;
    }
    if (equals) return set(to, param, mw_str_of(equals + 1), err);
    if (param->type == MW_PARAM_BOOL) return set(to, param, mw_str_of("true"), err);
    if (p->at + 1 >= p->argc)
        return mw_fail(err, MW_EINVAL, "--%.*s needs a value", (int)name.size, name.data);
    return set(to, param, mw_str_of(p->argv[++p->at]), err);
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
        } else {
            const mw_param *param = next_positional(p->table, p->own);
            status = param ? set(p->own, param, mw_str_of(word), err)
                           : mw_fail(err, MW_EINVAL, "\"%.100s\" is one argument too many", word);
        }
        if (status) return status;
    }
    return MW_OK;
}

mw_status mw_command_parse_table(mw_mem *mem, const mw_param *table, int argc, char **argv,
                                 mw_command *ret, mw_err *err) {
    parser p = {.table = table, .argc = argc, .at = 1, .argv = argv};
    mw_status status = mw_args_new(mem, table, &p.own, err);
    if (!status) status = mw_args_new(mem, global_params, &p.global, err);
    if (!status) status = parse_all(&p, err);
    if (!status) status = mw_args_finish(p.global, err);
    if (!status) {
        ret->help = mw_args_bool(p.global, "help");
        ret->json = mw_args_bool(p.global, "json");
        ret->n_threads = mw_args_int(p.global, "jobs");
        const char *org = mw_args_string(p.global, "org");
        const char *data = mw_args_string(p.global, "data");
        if (!mw_name_valid(org))
            status = mw_fail(err, MW_EINVAL,
                             "--org: an organization's id is 1 to 64 letters, digits, '_' or '-'");
        ret->org = mw_strdup(mem, org);
        ret->data_path = mw_strdup(mem, data);
        if (!ret->org || !ret->data_path) status = mw_fail_nomem(err, "the command line");
    }
    if (!status && !ret->help) status = mw_args_finish(p.own, err);
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
        const mw_param *param = find(table, mw_str_of(argv[i] + 2));
        if (!param) param = find(global_params, mw_str_of(argv[i] + 2));
        if (!param || param->type != MW_PARAM_BOOL) i++;
    }
    return false;
}

static bool takes_positionals(const mw_op *op) {
    for (const mw_param *p = mw_op_params(op); p->name; p++)
        if (p->flags & MW_PARAM_POSITIONAL) return true;
    return false;
}

/* Of the operations that share a verb, the one these words fit. */
static const mw_op *choose(const char *verb, int argc, char **argv) {
    const mw_op *first = mw_op_by_verb(verb);
    for (const mw_op *const *op = mw_ops; first && *op; op++) {
        if (!(*op)->verb || strcmp((*op)->verb, verb) != 0) continue;
        if (takes_positionals(*op) == has_positionals(argc, argv, mw_op_params(*op))) return *op;
    }
    return first;
}

static int edit_distance(const char *a, const char *b) {
    int row[32];
    size_t n = strlen(a), m = strlen(b);
    if (n > 30 || m > 30) return 99;
    for (size_t j = 0; j <= m; j++) row[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        int diagonal = row[0];
        row[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);
            if (above + 1 < best) best = above + 1;
            if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
            row[j] = best;
            diagonal = above;
        }
    }
    return row[m];
}

mw_status mw_command_parse(mw_mem *mem, int argc, char **argv, mw_command *ret, mw_err *err) {
    *ret = (mw_command){.op = choose(argv[0], argc, argv)};
    if (!ret->op) {
        mw_fail(err, MW_EINVAL, "there is no command \"%.60s\"", argv[0]);
        const char *nearest = NULL;
        int best = 3;
        for (const mw_op *const *op = mw_ops; *op; op++) {
            int d = (*op)->verb ? edit_distance((*op)->verb, argv[0]) : 99;
            if (d >= best) continue;
            best = d;
            nearest = (*op)->verb;
        }
        if (nearest)
            mw_err_hint(err, "did you mean `millwright %s`?", nearest);
        else
            mw_err_hint(err, "`millwright --help` lists the commands");
        return MW_EINVAL;
    }
    const mw_op *op = ret->op;
    mw_status status = mw_command_parse_table(mem, mw_op_params(op), argc, argv, ret, err);
    ret->op = op;
    return status;
}

void mw_command_done(mw_command *command) {
    command->args = mw_args_free(command->args);
    mw_free((char *)(uintptr_t)command->org);
    mw_free((char *)(uintptr_t)command->data_path);
    command->org = command->data_path = NULL;
}

/* ---- help ---- */

static void add_usage(const mw_op *op, mw_buf *out) {
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
        mw_buf_printf(out, " --%s ...", p->name);
    }
    mw_buf_printf(out, " [options]\n\n%s.\n%s\n\n", op->summary, op->help);
    mw_param_write_help(mw_op_params(op), out);
    if (op->examples) mw_buf_add(out, "\nexamples:\n");
    for (const char *const *e = op->examples; e && *e; e++) mw_buf_printf(out, "  %s\n", *e);
}

void mw_command_help(const mw_command *command, mw_buf *out) {
    for (const mw_op *const *op = mw_ops; *op; op++) {
        if (!(*op)->verb || strcmp((*op)->verb, command->op->verb) != 0) continue;
        add_usage(*op, out);
        mw_buf_add_char(out, '\n');
    }
    mw_buf_add(out, "options of every command:\n");
    mw_param_write_help(global_params, out);
}

void mw_command_overview(mw_buf *out) {
    mw_buf_add(out, "millwright " MW_VERSION ": a factory's machine-learning engine\n\n"
                    "usage: millwright COMMAND [options]\n\n");
    for (const mw_op *const *op = mw_ops; *op; op++)
        if ((*op)->verb) mw_buf_printf(out, "  %-12s %s\n", (*op)->verb, (*op)->summary);
    mw_buf_add(out, "  serve        Serve the API and its docs over HTTP\n"
                    "  completion   Print a completion script for bash\n"
                    "  version      Print the version\n\n"
                    "`millwright COMMAND --help` explains one, with examples.\n\n"
                    "first steps:\n"
                    "  millwright generate --days 14 --seed 42\n"
                    "  millwright train\n"
                    "  millwright serve\n\n"
                    "options of every command:\n");
    mw_param_write_help(global_params, out);
}

static void add_options(const mw_param *table, mw_buf *out) {
    for (const mw_param *p = table; p->name; p++) {
        if (p->flags & (MW_PARAM_POSITIONAL | MW_PARAM_HTTP_ONLY)) continue;
        mw_buf_add(out, " --");
        for (const char *c = p->name; *c; c++) mw_buf_add_char(out, *c == '_' ? '-' : *c);
    }
}

void mw_command_completion(mw_buf *out) {
    mw_buf_add(out, "# bash completion of millwright: source <(millwright completion)\n"
                    "_millwright() {\n"
                    "  local word=${COMP_WORDS[COMP_CWORD]} options\n"
                    "  if [ \"$COMP_CWORD\" = 1 ]; then\n"
                    "    COMPREPLY=($(compgen -W \"serve completion version");
    for (const mw_op *const *op = mw_ops; *op; op++)
        if ((*op)->verb) mw_buf_printf(out, " %s", (*op)->verb);
    mw_buf_add(out, "\" -- \"$word\"))\n    return\n  fi\n  case ${COMP_WORDS[1]} in\n");
    for (const mw_op *const *op = mw_ops; *op; op++) {
        if (!(*op)->verb || mw_op_by_verb((*op)->verb) != *op) continue;
        mw_buf_printf(out, "  %s) options=\"", (*op)->verb);
        for (const mw_op *const *same = op; *same; same++)
            if ((*same)->verb && strcmp((*same)->verb, (*op)->verb) == 0)
                add_options(mw_op_params(*same), out);
        add_options(global_params, out);
        mw_buf_add(out, "\" ;;\n");
    }
    mw_buf_add(out, "  *) options=\"--help\" ;;\n  esac\n"
                    "  case $word in\n"
                    "  -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
                    "  *) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n"
                    "  esac\n}\ncomplete -F _millwright millwright\n");
}
