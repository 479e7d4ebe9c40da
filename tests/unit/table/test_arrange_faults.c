/* What mw_arrange must survive: any failed allocation or call, a full disk, damaged runs, a sink that fails. */
#include "support/harness.h"

#include <errno.h>
#include <string.h>

#include "support/fault_loop.h"
#include "unit/table/arrange_oracle.h"
#include "unit/table/arrange_spill.h"

static oracle_row rows[ORACLE_ROWS];
static uint8_t cuts[ORACLE_ROWS], widths[ORACLE_ROWS];

static mw_dir *fault_spill;

static void fault_case(oracle_case *c, unsigned policy) {
    enum { BYTES = 4 + 4 * 150 };
    static uint8_t data[BYTES];
    mw_rng rng;
    mw_rng_init(&rng, 11, 2, policy);
    fill_random(&rng, data, BYTES);
    data[0] = (uint8_t)policy;
    data[1] = 0x02; /* a small window, a run for each chunk */
    data[2] = 20;
    data[3] = 7;
    *c = (oracle_case){.rows = rows, .cuts = cuts, .widths = widths};
    oracle_case_from(data, BYTES, c);
    c->options.spill = fault_spill;
}

static mw_status fault_scene(const mw_ctx *ctx, void *arg, mw_err *err) {
    const oracle_case *c = arg;
    oracle_sink sink = {0};
    mw_arrange_counts counts;
    mw_status status = oracle_run(ctx, c, &sink, &counts, err);
    if (status == MW_OK) {
        const char *problem = oracle_differs(c, &sink, &counts);
        if (problem) fail_msg("%s", problem);
        assert_true(counts.merged);
    }
    oracle_sink_done(&sink);
    return status;
}

static void spill_is_empty(void *arg, uint64_t n) {
    (void)arg, (void)n;
    assert_empty(fault_spill);
}

static const unsigned fault_policies[] = {0x18, 0x13, 0x17, 0x06};

MW_TEST(survives_any_failed_allocation) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    fault_spill = open_spill(&ctx);
    for (size_t i = 0; i < sizeof fault_policies / sizeof *fault_policies; i++) {
        oracle_case c;
        fault_case(&c, fault_policies[i]);
        assert_true(mw_fault_loop_alloc(fault_scene, &c) > 50);
        assert_empty(fault_spill);
    }
    mw_dir_close(fault_spill);
}

MW_TEST(survives_any_failed_call) {
    static const mw_io_kind kinds[] = {MW_IO_OPEN, MW_IO_READ, MW_IO_WRITE, MW_IO_CLOSE,
                                       MW_IO_UNLINK};
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    fault_spill = open_spill(&ctx);
    for (size_t i = 0; i < sizeof fault_policies / sizeof *fault_policies; i++) {
        oracle_case c;
        fault_case(&c, fault_policies[i]);
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
            assert_true(mw_fault_loop_io(fault_scene, &c, kinds[k], EIO, spill_is_empty) > 0);
        mw_fault_loop_io(fault_scene, &c, MW_IO_WRITE, EINTR, spill_is_empty);
        mw_fault_loop_io(fault_scene, &c, MW_IO_READ, EINTR, spill_is_empty);
    }
    mw_dir_close(fault_spill);
}

MW_TEST(short_writes_are_taken_up_again) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    fault_spill = open_spill(&ctx);
    ctx.mem = &mem;
    oracle_case c;
    fault_case(&c, fault_policies[1]);
    mw_faulty_io faulty;
    uint64_t n = 0;
    do {
        mw_faulty_io_init(&faulty);
        mw_faulty_io_short_write(&faulty, ++n);
        ctx.io = &faulty.io;
        mw_err err;
        assert_ok(fault_scene(&ctx, &c, &err));
        assert_int_equal(mw_mem_used(&mem), 0);
    } while (faulty.fired);
    assert_true(n > 10);
    mw_dir_close(fault_spill);
}

MW_TEST(a_full_disk_is_said_so) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    fault_spill = open_spill(&ctx);
    oracle_case c;
    fault_case(&c, fault_policies[0]);
    mw_faulty_io faulty;
    mw_faulty_io_init(&faulty);
    mw_faulty_io_fail(&faulty, MW_IO_WRITE, 3, ENOSPC);
    ctx.io = &faulty.io;
    oracle_sink sink = {0};
    mw_arrange_counts counts;
    mw_err err;
    assert_status(oracle_run(&ctx, &c, &sink, &counts, &err), MW_EIO);
    assert_non_null(strstr(err.message, "sorting"));
    assert_non_null(strstr(err.message, "No space left"));
    assert_non_null(strstr(err.hint, "disk space"));
    oracle_sink_done(&sink);
    assert_empty(fault_spill);
    mw_dir_close(fault_spill);
}

/* Reads through mw_io_system, and changes one byte or ends the file. */
static uint64_t n_reads, damage_at;
static bool ends_early;

static ssize_t damaging_read(void *self, int fd, void *data, size_t size) {
    (void)self;
    ssize_t n = mw_io_system.read(mw_io_system.self, fd, data, size);
    if (++n_reads != damage_at || n <= 0) return n;
    if (ends_early) return 0;
    ((uint8_t *)data)[(size_t)n / 2] ^= 4;
    return n;
}

MW_TEST(a_damaged_run_is_found) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    fault_spill = open_spill(&ctx);
    ctx.mem = &mem;
    oracle_case c;
    fault_case(&c, fault_policies[1]);
    mw_io io = mw_io_system;
    io.read = damaging_read;
    ctx.io = &io;
    int found = 0;
    for (damage_at = 1;; damage_at++) {
        n_reads = 0;
        ends_early = damage_at % 3 == 0;
        oracle_sink sink = {0};
        mw_arrange_counts counts;
        mw_err err;
        mw_status status = oracle_run(&ctx, &c, &sink, &counts, &err);
        oracle_sink_done(&sink);
        assert_int_equal(mw_mem_used(&mem), 0);
        if (n_reads < damage_at) {
            assert_int_equal(status, MW_OK);
            break;
        }
        assert_int_equal(status, MW_EIO);
        found++;
    }
    assert_true(found > 10);
    assert_empty(fault_spill);
    mw_dir_close(fault_spill);
}

MW_TEST(a_sink_that_fails_ends_it) {
    mw_ctx ctx;
    mw_ctx_init(&ctx);
    mw_mem mem;
    mw_mem_init(&mem, NULL, 0);
    fault_spill = open_spill(&ctx);
    ctx.mem = &mem;
    oracle_case c;
    fault_case(&c, fault_policies[0]);
    for (int32_t n = 1;; n++) {
        oracle_sink sink = {.fail_at = n};
        mw_arrange_counts counts;
        mw_err err;
        mw_status status = oracle_run(&ctx, &c, &sink, &counts, &err);
        oracle_sink_done(&sink);
        assert_int_equal(mw_mem_used(&mem), 0);
        if (status == MW_OK) {
            assert_true(n > 5);
            break;
        }
        assert_int_equal(status, MW_EIO);
        assert_non_null(strstr(err.message, "the sink"));
    }
    assert_empty(fault_spill);
    mw_dir_close(fault_spill);
}

MW_TEST_MAIN(MW_RUN(survives_any_failed_allocation), MW_RUN(survives_any_failed_call),
             MW_RUN(short_writes_are_taken_up_again), MW_RUN(a_full_disk_is_said_so),
             MW_RUN(a_damaged_run_is_found), MW_RUN(a_sink_that_fails_ends_it))
