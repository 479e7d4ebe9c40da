/* harness.c -- forks once per test, so that a crash or hang costs one test. */
#include "support/harness.h"

#include <errno.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t seed;
static char folder[256];

uint64_t mw_test_seed(void) { return seed; }

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info, (void)kind, (void)at;
    return remove(path);
}

static void remove_folder(void) {
    if (folder[0]) nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

int mw_test_slow(void) {
    const char *slow = getenv("MW_TEST_SLOW");
    const int part = slow ? atoi(slow) : 1;
    return part < 1 ? 1 : part;
}

int mw_test_rounds(int n) {
    const int part = mw_test_slow();
    return part > 1 && n < part ? 1 : n / part;
}

const char *mw_test_folder(void) {
    if (folder[0]) return folder;
    const char *base = getenv("TMPDIR");
    (void)snprintf(folder, sizeof folder, "%s/mw-test-XXXXXX", base ? base : "/tmp");
    if (!mkdtemp(folder)) fail_msg("cannot make %s: %s", folder, strerror(errno));
    return folder;
}

const char *mw_test_golden(void) { return "tests/golden"; }

const char *mw_test_data(void) {
    const char *path = getenv("MILLWRIGHT_TEST_DATA");
    if (!path) path = "../shared/data";
    return access(path, R_OK) == 0 ? path : NULL;
}

static int run_child(const mw_test *test) {
    const struct CMUnitTest one[] = {{test->name, test->run, NULL, NULL, NULL}};
    cmocka_set_message_output(CM_OUTPUT_STDOUT);
    int failed = _cmocka_run_group_tests(test->name, one, 1, NULL, NULL);
    remove_folder();
    return failed ? 1 : 0;
}

/* A failed test's output goes to standard error: prove keeps comments on standard output to itself.
 */
static void print_output(FILE *output) {
    char line[4096];
    rewind(output);
    while (fgets(line, sizeof line, output)) {
        line[strcspn(line, "\n")] = '\0';
        fprintf(stderr, "# %s\n", line);
    }
}

static bool run_one(const mw_test *test, size_t number, unsigned limit_s) {
    FILE *output = tmpfile();
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        if (output) {
            dup2(fileno(output), STDOUT_FILENO);
            dup2(fileno(output), STDERR_FILENO);
        }
        alarm(limit_s);
        int status = run_child(test);
        fflush(stdout);
        exit(status);
    }
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    bool passed = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    printf("%s %zu - %s\n", passed ? "ok" : "not ok", number, test->name);
    if (!passed) {
        fflush(stdout);
        fprintf(stderr, "# %s failed, --seed %llu\n", test->name, (unsigned long long)seed);
        if (output) print_output(output);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
            fprintf(stderr, "# exceeded its time limit of %u s\n", limit_s);
        else if (WIFSIGNALED(status))
            fprintf(stderr, "# killed by signal %d (%s)\n", WTERMSIG(status),
                    strsignal(WTERMSIG(status)));
    }
    if (output) fclose(output);
    return passed;
}

static bool wanted(const char *name, int argc, char **argv) {
    bool any = false;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) == 0) {
            i++;
            continue;
        }
        any = true;
        if (strcmp(argv[i], name) == 0) return true;
    }
    return !any;
}

int mw_test_main(int argc, char **argv, const mw_test *tests, size_t n) {
    unsigned limit_s = getenv("MW_TEST_SLOW") ? 600 : 60;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) seed = 1;
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0) seed = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--limit") == 0) limit_s = (unsigned)strtoul(argv[i + 1], NULL, 10);
    }
    size_t n_run = 0, n_failed = 0;
    printf("# seed %llu\n", (unsigned long long)seed);
    for (size_t i = 0; i < n; i++) {
        if (!wanted(tests[i].name, argc, argv)) continue;
        n_run++;
        n_failed += !run_one(&tests[i], n_run, limit_s);
    }
    printf("1..%zu\n", n_run);
    return n_failed ? 1 : 0;
}
