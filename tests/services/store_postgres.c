/* store_postgres.c -- a store in PostgreSQL: conformance, and what is particular to a server. tests/services/with_postgres.py gives it one. */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/rng.h"
#include "keep/store/migrate.h"
#include "keep/store/postgres.h"
#include "unit/job/schedule_sim.h"
#include "unit/store/conformance_artifacts.h"
#include "unit/store/forward.h"
#include "unit/store/scene.h"

static const char *server_address(void) {
    const char *address = getenv("MILLWRIGHT_TEST_POSTGRES");
    if (!address) fail_msg("MILLWRIGHT_TEST_POSTGRES names no server");
    return address;
}

/* The database of this test, "mw_PID": each test is a process. */
static PGresult *ask(const char *to, const char *sql) {
    assert_ok(mw_postgres__load(&err));
    const char *keywords[] = {"dbname", NULL}, *values[] = {to, NULL};
    PGconn *connection = mw_pq.PQconnectdbParams(keywords, values, 1);
    if (mw_pq.PQstatus(connection) != CONNECTION_OK)
        fail_msg("%s", mw_pq.PQerrorMessage(connection));
    PGresult *result = NULL;
    if (mw_pq.PQsendQuery(connection, sql)) result = mw_pq.PQgetResult(connection);
    const ExecStatusType got = mw_pq.PQresultStatus(result);
    if (got != PGRES_COMMAND_OK && got != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, mw_pq.PQerrorMessage(connection));
    mw_pq.PQfinish(connection);
    return result;
}

static void admin(const char *to, const char *sql) {
    PGresult *result = ask(to, sql); /* which loads libpq */
    mw_pq.PQclear(result);
}

static char address[512];
static pthread_once_t made = PTHREAD_ONCE_INIT;

static void make_database(void) {
    char sql[64];
    const char *server = server_address();
    (void)snprintf(address, sizeof address, "%.*s/mw_%d", (int)(strrchr(server, '/') - server),
                   server, (int)getpid());
    (void)snprintf(sql, sizeof sql, "CREATE DATABASE mw_%d", (int)getpid());
    admin(server, sql);
}

static const char *database_address(void) {
    pthread_once(&made, make_database);
    return address;
}

static mw_store *open_database(const mw_ctx *ctx) {
    mw_store *store = NULL;
    assert_ok(mw_store_open(ctx, database_address(), &store, &err));
    return store;
}

MW_TEST(statements_are_translated) {
    char out[200];
    assert_true(mw_postgres__translate("SELECT ? , ?3, '?' FROM t /*pg FOR UPDATE*/", out, 200));
    assert_string_equal(out, "SELECT $1 , $3, '?' FROM t FOR UPDATE");
    assert_true(mw_postgres__translate("a = ? AND b = ?", out, 200));
    assert_string_equal(out, "a = $1 AND b = $2");
    assert_false(mw_postgres__translate("a long text that does not fit", out, 20));
}

MW_TEST(addresses_that_cannot_be) {
    mw_ctx ctx;
    mw_store *store = NULL;
    mw_ctx_init(&ctx);
    (void)database_address();
    assert_status(mw_store_open(&ctx, "postgresql://a:secret@[::1/x?nonsense=1", &store, &err),
                  MW_EINVAL);
    assert_null(strstr(err.message, "secret"));
    assert_null(strstr(err.hint, "secret"));
    char none[600];
    const char *server = server_address();
    (void)snprintf(none, sizeof none, "%.*s/none_such", (int)(strrchr(server, '/') - server),
                   server);
    assert_status(mw_store_open(&ctx, none, &store, &err), MW_ENOTFOUND);
    assert_non_null(strstr(err.hint, "createdb"));
    assert_status(mw_store_open(&ctx, "postgresql://u:secret@127.0.0.1:1/x", &store, &err),
                  MW_EBUSY);
    assert_null(strstr(err.message, "secret"));
}

/* The kernel makes the connection; nobody ever says a word. */
MW_TEST(a_server_that_takes_connections_and_says_nothing) {
    mw_ctx ctx;
    mw_store *store = NULL;
    char silent[64];
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof at;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 8) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &size), 0);
    (void)snprintf(silent, sizeof silent, "postgresql://a@127.0.0.1:%d/x", (int)ntohs(at.sin_port));
    mw_ctx_init(&ctx);
    assert_status(mw_store_open(&ctx, silent, &store, &err), MW_EBUSY);
    close(fd);
}

MW_TEST(a_newer_schema_is_refused) {
    scene s;
    begin(&s);
    end(&s);
    admin(database_address(), "UPDATE millwright.meta SET version = 999");
    mw_ctx ctx;
    mw_store *store = NULL;
    mw_ctx_init(&ctx);
    assert_status(mw_store_open(&ctx, database_address(), &store, &err), MW_EDATA);
    assert_non_null(strstr(err.message, "999"));
}

/* To every process of the server that serves this test's database: how many. */
static int signal_sessions(int number) {
    PGresult *result = ask(database_address(), "SELECT pid FROM pg_stat_activity WHERE datname ="
                                               " current_database() AND pid <> pg_backend_pid()");
    const int n = mw_pq.PQntuples(result);
    for (int i = 0; i < n; i++) (void)kill((pid_t)atoi(mw_pq.PQgetvalue(result, i, 0)), number);
    mw_pq.PQclear(result);
    return n;
}

MW_TEST(a_store_is_brought_forward_under_load) {
    for (int older = 4; older < mw_postgres__newest_schema(); older++) {
        const mw_forward forward = {database_address(), &mw_postgres__schema_most, older};
        mw_forward_under_load(&forward);
        admin(database_address(), "DROP SCHEMA millwright CASCADE");
    }
}

/* Version and shape of the schema at one moment, as text: columns, indexes, triggers and checks by name. */
static const char *shape(void) {
    static char text[80];
    PGresult *result =
        ask(database_address(),
            "SELECT version || ' ' || md5((SELECT string_agg(name, ' ' ORDER BY name) FROM ("
            " SELECT table_name || '.' || column_name AS name FROM information_schema.columns"
            " WHERE table_schema = 'millwright'"
            " UNION ALL SELECT indexname FROM pg_indexes WHERE schemaname = 'millwright'"
            " UNION ALL SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
            " UNION ALL SELECT pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE connamespace = 'millwright'::regnamespace) t)) FROM millwright.meta");
    (void)snprintf(text, sizeof text, "%s", mw_pq.PQgetvalue(result, 0, 0));
    mw_pq.PQclear(result);
    return text;
}

static void make_of(const mw_ctx *ctx, int version) {
    const int newest = mw_postgres__schema_most;
    mw_postgres__schema_most = version;
    mw_store_close(open_database(ctx));
    mw_postgres__schema_most = newest;
}

/* The program is killed, or its session, at a random moment: the older schema or the newest one is there, whole. */
MW_TEST(kill_while_a_store_is_brought_forward) {
    enum { OLDEST = 4 };
    mw_rng rng;
    mw_ctx ctx;
    char oldest[80], newest[80];
    mw_ctx_init(&ctx);
    mw_rng_init(&rng, mw_test_seed(), 5, 0);
    make_of(&ctx, OLDEST);
    (void)snprintf(oldest, sizeof oldest, "%s", shape());
    make_of(&ctx, mw_postgres__newest_schema());
    (void)snprintf(newest, sizeof newest, "%s", shape());
    assert_string_not_equal(oldest, newest);
    for (int round = 0; round < mw_test_rounds(16); round++) {
        mw_store *store = NULL;
        admin(database_address(), "DROP SCHEMA millwright CASCADE");
        make_of(&ctx, OLDEST);
        const pid_t pid = fork();
        if (pid == 0) _exit(mw_store_open(&ctx, address, &store, &err) == MW_OK ? 0 : 1);
        usleep((useconds_t)mw_rng_below(&rng, 40000));
        if (round % 2)
            (void)signal_sessions(SIGTERM);
        else
            (void)kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        const char *left = shape();
        assert_true(strcmp(left, oldest) == 0 || strcmp(left, newest) == 0);
        mw_store_close(open_database(&ctx));
        assert_string_equal(shape(), newest);
    }
}

MW_TEST(lost_connections_are_made_again) {
    scene s;
    begin(&s);
    const char *id = create(&s, &s.acme, "k", 0);
    for (int i = 0; i < 5; i++) {
        admin(database_address(),
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
              " WHERE datname = current_database() AND pid <> pg_backend_pid()");
        assert_string_equal(get(&s, &s.acme, id).id, id);
        id = create(&s, &s.acme, "k", 0);
    }
    end(&s);
}

MW_TEST(sessions_that_freeze_are_given_up) {
    scene s;
    mw_job_record job;
    begin(&s);
    const char *id = create(&s, &s.acme, "k", 0);
    mw_postgres__silence_us = 200000;
    for (int i = 0; i < 3; i++) {
        assert_true(signal_sessions(SIGSTOP) >= 2); /* one that hears, and one that was used */
        assert_status(mw_store_job_get(&s.acme, s.store, &s.arena, id, &job, &err), MW_EBUSY);
        assert_non_null(strstr(err.message, "does not answer"));
        assert_string_equal(get(&s, &s.acme, id).id, id); /* on a new one: those are still frozen */
        id = create(&s, &s.acme, "k", 0);
        (void)signal_sessions(SIGCONT);
    }
    end(&s);
}

/* An operation's own deadline counts where it only reads, and says nothing of the other connections. */
MW_TEST(a_read_waits_no_longer_than_its_operation) {
    scene s;
    mw_job_record job;
    mw_cancel cancel = {0};
    begin(&s);
    const char *id = create(&s, &s.acme, "k", 0);
    mw_ctx ctx = s.acme;
    ctx.cancel = &cancel;
    assert_true(signal_sessions(SIGSTOP) >= 2);
    atomic_store(&cancel.deadline_us, mw_clock_monotonic(ctx.clock) + 100000);
    assert_status(mw_store_job_get(&ctx, s.store, &s.arena, id, &job, &err), MW_EBUSY);
    (void)signal_sessions(SIGCONT);
    assert_string_equal(get(&s, &s.acme, id).id, id);
    end(&s);
}

typedef struct ending {
    const char *id;
    int64_t fence;
    pid_t session;
} ending;

/* All that a commit does, and then its session freezes: COMMIT is sent, and not answered. */
static mw_status succeed_and_freeze(mw_sql *db, const mw_ctx *ctx, void *args, mw_err *error) {
    ending *e = args;
    e->session = (pid_t)mw_pq.PQbackendPID(((mw_postgres_connection *)db)->handle);
    mw_status status = mw_sql__job_fenced(db, ctx, e->id, e->fence, error);
    if (status == MW_OK) status = mw_sql__job_succeed(db, ctx, e->id, e->fence, "{}", error);
    if (status == MW_OK && kill(e->session, SIGSTOP) != 0) fail_msg("it cannot be frozen");
    return status;
}

/* counts: the server reads the COMMIT when it goes on; else its session is ended before that. */
static void lose_a_commit(bool counts) {
    scene s;
    begin(&s);
    const char *id = create(&s, &s.acme, "k", 0);
    ending e = {.id = id, .fence = claim(&s, id).fence};
    mw_postgres__silence_us = 200000;
    assert_status(mw_sql__call(s.store, &s.acme, MW_SQL_WRITE, succeed_and_freeze, &e, &err),
                  MW_EBUSY);
    assert_non_null(strstr(err.hint, "whether the change counts"));
    /* Nobody can say otherwise meanwhile: the frozen session holds the job. */
    assert_status(
        mw_store_job_finish(&s.acme, s.store, id, e.fence, MW_JOB_FAILURE, NULL, "{}", &err),
        MW_EBUSY);
    assert_int_equal(get(&s, &s.acme, id).state, MW_JOB_STARTED);
    if (!counts) (void)kill(e.session, SIGTERM);
    (void)kill(e.session, SIGCONT);
    mw_postgres__silence_us = MW_POSTGRES_SILENCE_US;
    const mw_status got =
        mw_store_job_finish(&s.acme, s.store, id, e.fence, MW_JOB_FAILURE, NULL, "{}", &err);
    assert_int_equal(got, counts ? MW_ECONFLICT : MW_OK);
    assert_int_equal(get(&s, &s.acme, id).state, counts ? MW_JOB_SUCCESS : MW_JOB_FAILURE);
    end(&s);
}

MW_TEST(a_commit_without_an_answer_may_count) { lose_a_commit(true); }

MW_TEST(a_commit_without_an_answer_may_not_count) { lose_a_commit(false); }

static void on_change(void *arg) { atomic_fetch_add((_Atomic int *)arg, 1); }

MW_TEST(what_durability_rests_on_is_known) {
    mw_ctx ctx;
    mw_store_facts facts;
    mw_ctx_init(&ctx);
    mw_store *store = open_database(&ctx);
    assert_string_equal(mw_store_kind(store), "postgresql");
    assert_ok(mw_store_ping(&ctx, store, &err));
    assert_ok(mw_store_read_facts(&ctx, store, &facts, &err));
    assert_true(facts.version[0] >= '1' && facts.version[0] <= '9');
    assert_true(facts.full_page_writes && facts.synchronous_commit);
    assert_true(facts.connections_most >= 10 && facts.connections_used >= 1);
    assert_true(facts.newest_us > 0);
    char sql[96];
    (void)snprintf(sql, sizeof sql, "ALTER DATABASE mw_%d SET synchronous_commit = off",
                   (int)getpid());
    admin(server_address(), sql);
    mw_store_close(store);
    store = open_database(&ctx);
    assert_ok(mw_store_read_facts(&ctx, store, &facts, &err));
    assert_false(facts.synchronous_commit);
    assert_status(mw_store_copy(&ctx, store, "/nowhere", &err), MW_EUNSUPPORTED);
    mw_store_close(store);
}

MW_TEST(others_hear_of_changes) {
    scene s;
    begin(&s);
    _Atomic int n = 0;
    mw_store *other = open_database(&s.acme);
    mw_store_on_change(other, on_change, &n);
    mw_clock_sleep(&mw_clock_system, 200000);
    const int before = atomic_load(&n);
    (void)create(&s, &s.acme, "k", 0);
    for (int i = 0; i < 1000 && atomic_load(&n) == before; i++)
        mw_clock_sleep(&mw_clock_system, 1000);
    assert_true(atomic_load(&n) > before);
    mw_store_on_change(other, NULL, NULL);
    mw_store_close(other);
    end(&s);
}

MW_TEST(all_tables_move_here_and_back) {
    mw_ctx acme;
    mw_hand_clock hand;
    mw_migration there, back;
    mw_store *first = NULL, *last = NULL;
    char path[600];
    mw_hand_clock_init(&hand, START_US);
    mw_ctx_init(&acme);
    acme.clock = &hand.clock;
    acme.org = "acme";
    (void)snprintf(path, sizeof path, "%s/first.db", mw_test_folder());
    assert_ok(mw_store_open(&acme, path, &first, &err));
    mw_conformance_fill(&acme, first);
    mw_store *store = open_database(&acme);
    assert_ok(mw_store_migrate(&acme, first, store, &there, &err));
    (void)snprintf(path, sizeof path, "%s/last.db", mw_test_folder());
    assert_ok(mw_store_open(&acme, path, &last, &err));
    assert_ok(mw_store_migrate(&acme, store, last, &back, &err));
    for (int i = 0; i < there.n_tables; i++) {
        assert_true(there.tables[i].n_rows > 0);
        assert_string_equal(there.tables[i].hash, back.tables[i].hash);
    }
    assert_status(mw_store_migrate(&acme, first, store, &there, &err), MW_ECONFLICT);
    mw_store_close(last);
    mw_store_close(store);
    mw_store_close(first);
}

/* Schedulers of four servers over a day in which clocks change, with leaders that pause and die. */
MW_TEST(schedules_fire_once) {
    sim_run(open_database, 4, 2, mw_test_seed() % 2 == 1, mw_test_seed());
}

/* ---- artifacts in the store, and what is left to those whose files it is ---- */

static mw_store *of_artifacts;

static mw_artifacts *open_artifacts(const mw_ctx *ctx) {
    mw_artifacts *artifacts;
    of_artifacts = open_database(ctx); /* for as long as the test, a process, lasts */
    assert_ok(mw_artifacts_open(ctx, "postgresql", of_artifacts, &artifacts, &err));
    return artifacts;
}

MW_TEST(artifacts_that_are_damaged_are_not_handed_out) {
    static const char *const damages[] = {
        "UPDATE millwright.artifact_chunks SET bytes = bytes || '\\x00' WHERE number = 1",
        "UPDATE millwright.artifact_chunks SET bytes = set_byte(bytes, 5, 255) WHERE number = 0",
        "DELETE FROM millwright.artifact_chunks WHERE number = 2"};
    mw_ctx ctx;
    mw_dir *dir;
    mw_ctx_init(&ctx);
    assert_ok(mw_dir_open(&ctx, mw_test_folder(), MW_DIR_CREATE, &dir, &err));
    mw_artifacts *artifacts = open_artifacts(&ctx);
    mw_conformance_file(&ctx, dir, "b", 10, 2);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        mw_conformance_file(&ctx, dir, "a", (2 << 20) + 100, (unsigned)i + 3);
        assert_ok(mw_artifacts_put(&ctx, artifacts, "orgs/x", dir, "a", &err));
        admin(database_address(), damages[i]);
        assert_status(mw_artifacts_get(&ctx, artifacts, "orgs/x", dir, "b", &err), MW_EDATA);
        mw_conformance_holds(&ctx, dir, "b", 10, 2);
    }
    mw_artifacts_close(artifacts);
    mw_store_close(of_artifacts);
    mw_dir_close(dir);
}

MW_TEST(jobs_are_left_to_those_who_have_their_files) {
    mw_ctx ctx;
    mw_arena arena;
    mw_job_record job;
    char first[32], second[32];
    mw_ctx_init(&ctx);
    mw_arena_init(&arena, NULL);
    mw_store *a = open_database(&ctx), *b = open_database(&ctx), *any = open_database(&ctx);
    mw_store_set_home(a, "aaaa");
    mw_store_set_home(b, "bbbb");
    const mw_job_new new_job = {.kind = "train", .payload = "{}"};
    assert_ok(mw_store_org_ensure(&ctx, a, "default", &err));
    assert_ok(mw_store_job_create(&ctx, a, &new_job, first, &err));
    assert_ok(mw_store_job_create(&ctx, any, &new_job, second, &err));
    assert_ok(mw_store_job_claim(&ctx, b, &arena, NULL, "w", 1000000, &job, &err));
    assert_string_equal(job.id, second);
    assert_status(mw_store_job_claim(&ctx, b, &arena, NULL, "w", 1000000, &job, &err),
                  MW_ENOTFOUND);
    assert_status(mw_store_job_claim(&ctx, any, &arena, NULL, "w", 1000000, &job, &err),
                  MW_ENOTFOUND);
    assert_ok(mw_store_job_claim(&ctx, a, &arena, NULL, "w", 1000000, &job, &err));
    assert_string_equal(job.id, first);
    mw_store_close(a);
    mw_store_close(b);
    mw_store_close(any);
    mw_arena_done(&arena);
}

int main(int argc, char **argv) {
    mw_conformance_artifacts = open_artifacts;
    mw_conformance_open = open_database;
    static const mw_test tests[] = {
        MW_STORE_CONFORMANCE,
        MW_RUN(statements_are_translated),
        MW_RUN(addresses_that_cannot_be),
        MW_RUN(a_server_that_takes_connections_and_says_nothing),
        MW_RUN(sessions_that_freeze_are_given_up),
        MW_RUN(a_read_waits_no_longer_than_its_operation),
        MW_RUN(a_commit_without_an_answer_may_count),
        MW_RUN(a_commit_without_an_answer_may_not_count),
        MW_RUN(a_newer_schema_is_refused),
        MW_RUN(a_store_is_brought_forward_under_load),
        MW_RUN(kill_while_a_store_is_brought_forward),
        MW_RUN(lost_connections_are_made_again),
        MW_RUN(others_hear_of_changes),
        MW_RUN(all_tables_move_here_and_back),
        MW_RUN(what_durability_rests_on_is_known),
        MW_RUN(schedules_fire_once),
        MW_ARTIFACTS_CONFORMANCE,
        MW_RUN(artifacts_that_are_damaged_are_not_handed_out),
        MW_RUN(jobs_are_left_to_those_who_have_their_files),
    };
    return mw_test_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
