/*
 * replay.c -- runs a fuzzer's entry point over its corpus, one process an input, as a plain test. Where tests are slow (MW_TEST_SLOW=N) that is the
 * first 64 inputs and an N-th of the others, others in each run.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { LIMIT_S = 20, SLOW_LIMIT_S = 120, ALWAYS = 64, MOST_BYTES = 16 << 20 };

static int not_hidden(const struct dirent *entry) { return entry->d_name[0] != '.'; }

static uint8_t *read_whole(const char *path, size_t *size) {
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    uint8_t *data = malloc(MOST_BYTES);
    *size = data ? fread(data, 1, MOST_BYTES, file) : 0;
    fclose(file);
    return data;
}

/* The input is given in a block of exactly its size, so that a sanitizer sees a read past its end.
 */
static int run_input(uint8_t *data, size_t size) {
    uint8_t *exact = malloc(size ? size : 1);
    if (!exact) return 1;
    memcpy(exact, data, size);
    free(data);
    int outcome = LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return outcome;
}

static int replay(const char *path) {
    size_t size = 0;
    uint8_t *data = read_whole(path, &size);
    if (!data) return 1;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(getenv("MW_TEST_SLOW") ? SLOW_LIMIT_S : LIMIT_S);
        exit(run_input(data, size) == 0 ? 0 : 1);
    }
    int status = -1;
    (void)waitpid(pid, &status, 0);
    free(data);
    return status;
}

/* Leaves those that are run now at the front. */
static int choose(struct dirent **entries, int n) {
    const char *slow = getenv("MW_TEST_SLOW");
    const int part = slow && atoi(slow) > 1 ? atoi(slow) : 1;
    const int turn = (int)(time(NULL) % part);
    int chosen = 0;
    for (int i = 0; i < n; i++) {
        if (i < ALWAYS || i % part == turn)
            entries[chosen++] = entries[i];
        else
            free(entries[i]);
    }
    return chosen;
}

/* build/release/tests/fuzz/replay_csv -> tests/fuzz/corpus/csv, unless a folder is named. */
int main(int argc, char **argv) {
    const char *name = strstr(argv[0], "replay_");
    char folder[512];
    (void)snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", name ? name + 7 : "");
    if (argc > 1) (void)snprintf(folder, sizeof folder, "%s", argv[1]);
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, not_hidden, alphasort);
    if (n <= 0) {
        printf("1..1\nnot ok 1 - no inputs in %s\n", folder);
        return 1;
    }
    n = choose(entries, n);
    int n_failed = 0;
    printf("1..%d\n", n);
    for (int i = 0; i < n; i++) {
        char path[1024];
        (void)snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        int status = replay(path);
        printf("%s %d - %s\n", status == 0 ? "ok" : "not ok", i + 1, path);
        if (status != 0) {
            n_failed++;
            fprintf(stderr, "# %s: %s %d\n", path, WIFSIGNALED(status) ? "signal" : "exit status",
                    WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        }
        free(entries[i]);
    }
    free(entries);
    return n_failed ? 1 : 0;
}
