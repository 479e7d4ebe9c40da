/*
 * Rows on their way into a dataset: the same table from every dialect, rows that have no time, and what refused rows and rows that
 * were cut wrongly at first leave behind, which is nothing.
 */
#include "core/base/threads.h"
#include "unit/ingest/ingest_run.h"

/* --- dialects --------------------------------------------------------------------------------- */

/* One table, written in every way there is. */
MW_TEST(a_table_is_the_same_in_every_dialect) {
    static const struct dialect {
        const char *name;
        const char *text;
        size_t size;
    } dialects[] = {
#define DIALECT(name, text) {name, text, sizeof text - 1}
        DIALECT("comma", "time,state,a\n2026-03-05 00:00:00,caf\xc3\xa9,1.5\n"
                         "2026-03-25 00:00:00,off,-2.25\n"),
        DIALECT("semicolon, decimal comma, dd.mm.yyyy",
                "time;state;a\r\n05.03.2026 00:00;caf\xc3\xa9;1,5\r\n"
                "25.03.2026 00:00;off;-2,25\r\n"),
        DIALECT("tabs, dd/mm/yyyy, units", "time\tstate\ta\n\t\tm/s\n05/03/2026\tcaf\xc3\xa9\t1.5\n"
                                           "25/03/2026\toff\t-2.25\n"),
        DIALECT("lines that end in CR, mm/dd/yyyy",
                "time,state,a\r03/05/2026,caf\xc3\xa9,1.5\r03/25/2026,off,-2.25\r"),
        DIALECT("Windows-1252, preamble",
                "Logger 7\n\ntime,state,a\n2026-03-05,caf\xe9,1.5\n2026-03-25,off,-2.25\n"),
        DIALECT("UTF-16", "\xff\xfet\0i\0m\0e\0,\0s\0t\0a\0t\0e\0,\0a\0\n\0"
                          "2\0000\0002\0006\0-\0000\0003\0-\0000\0005\0,\0c\0a\0f\0\xe9\0,\0"
                          "1\0.\0005\0\n\0"
                          "2\0000\0002\0006\0-\0000\0003\0-\0002\0005\0,\0o\0f\0f\0,\0"
                          "-\0002\0.\0002\0005\0\n\0"),
        DIALECT("quoted, Unix seconds",
                "\"time\";\"state\";\"a\"\n\"1772668800\";\"caf\xc3\xa9\";\"1.5\"\n"
                "\"1774396800\";\"off\";\"-2.25\"\n"),
#undef DIALECT
    };
    for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++) {
        const struct dialect *d = &dialects[i];
        run r;
        mw_err err;
        begin(&r, NULL);
        const char *path = put_bytes("d.csv", d->text, d->size);
        mw_status status =
            mw_ingest_run(&r.ctx, &path, 1, NULL, 0, NULL, r.args, r.staging, &r.result, &err);
        if (status != MW_OK) fail_msg("%s: %s", d->name, err.message);
        read_back(&r);
        if (r.table->n_rows != 2) fail_msg("%s: %d rows", d->name, (int)r.table->n_rows);
        static const int64_t days[] = {20517, 20537};
        for (int64_t row = 0; row < 2; row++)
            if (r.table->columns[0].time[row] != days[row] * INT64_C(86400000000))
                fail_msg("%s: another time in row %d", d->name, (int)row);
        assert_number(&r, "a", 0, 1.5);
        assert_number(&r, "a", 1, -2.25);
        assert_text(&r, "state", 0, "caf\xc3\xa9");
        end(&r);
    }
}

MW_TEST(rows_without_a_time_are_numbered) {
    static const char *const texts[] = {"temp,speed\n1,2\n3,4\n", "1,2\n3,4\n"};
    for (int i = 0; i < 2; i++) {
        run r;
        begin(&r, NULL);
        const mw_ingest_file *f = ingest(&r, texts[i]);
        assert_int_equal(f->n_rows, 2);
        assert_int_equal(f->first_us, 0);
        assert_int_equal(f->last_us, 1000000);
        assert_number(&r, i ? "column_1" : "temp", 1, 3);
        assert_non_null(strstr(f->findings, "\"what\":\"time\""));
        end(&r);
    }
}

/* --- traces ----------------------------------------------------------------------------------- */

/* Neither a label nor a parameter nor a text of a row that does not count. */
MW_TEST(texts_of_refused_rows_leave_no_trace) {
    run r;
    begin(&r, "0.9");
    ingest(&r, "ts,device,parameter,value\n"
               "2026-01-05,ghost,phantom,x\n"
               "2026-01-05,m1,p,1\n"
               "2026-01-05,phantom,q,x\n"
               "2026-01-06,ghost,r,2\n");
    assert_order(&r, "time,device_id,p,r");
    mw_dictionary *devices = mw_table_column(r.table, "device_id")->dictionary;
    assert_int_equal(mw_dictionary_size(devices), 2);
    assert_text(&r, "device_id", 0, "m1");
    assert_text(&r, "device_id", 1, "ghost");
    end(&r);

    begin(&r, "0.9");
    ingest(&r, "ts,device,state,a\n"
               "2026-01-05,ghost,on,x\n"
               "2026-01-06,m1,off,1\n"
               "2026-01-07,m1,off,1\n");
    assert_int_equal(mw_dictionary_size(mw_table_column(r.table, "device_id")->dictionary), 1);
    assert_int_equal(mw_dictionary_size(mw_table_column(r.table, "state")->dictionary), 1);
    end(&r);
}

/* A quoted text longer than a block: what lies behind its beginning is read as rows first. */
MW_TEST(a_row_over_two_blocks_leaves_no_trace) {
    enum { LINES = 30000 };
    mw_buf text;
    char first[MW_FILE_HASH_NAME] = "";
    mw_buf_init(&text, NULL, 1 << 24);
    mw_buf_add(&text, "ts,device,state,a,late\n");
    for (int i = 0; i < 2 * LINES; i++)
        mw_buf_printf(&text, "2026-01-05 %02d:%02d:%02d,m%d,\"on\",1,\n", i / 3600, i / 60 % 60,
                      i % 60, i % 3);
    int64_t n_rows = 2 * LINES;
    for (int k = 0; k < 1000; k++, n_rows += 2) {
        mw_buf_printf(&text, "2026-01-06 00:%02d:%02d,m1,\"", k / 60, k % 60);
        for (int i = 0; i < 100; i++)
            mw_buf_printf(&text, "2026-01-07,ghost%d,on,1,word\n", k * 100 + i);
        mw_buf_add(&text, "\",2,\n2026-01-07,m2,\"off\",1,5\n");
    }
    for (int threads = 1; threads <= 2; threads++) {
        run r;
        mw_err err;
        begin(&r, NULL);
        if (threads > 1) assert_ok(mw_pool_new(NULL, threads, &r.ctx.pool, &err));
        const mw_ingest_file *f = ingest(&r, mw_buf_text(&text));
        assert_int_equal(f->n_rejected, 0);
        assert_int_equal(f->n_rows, n_rows);
        assert_int_equal(mw_dictionary_size(mw_table_column(r.table, "device_id")->dictionary), 3);
        assert_int_equal(mw_dictionary_size(mw_table_column(r.table, "state")->dictionary), 1002);
        assert_int_equal(mw_table_column(r.table, "late")->type, MW_FLOAT64);
        if (threads > 1) assert_string_equal(f->segments[0].file, first);
        mw_str_copy(first, sizeof first, mw_str_of(f->segments[0].file));
        end(&r);
        mw_pool_free(r.ctx.pool);
    }
    mw_buf_done(&text);
}

MW_TEST_MAIN(MW_RUN(a_table_is_the_same_in_every_dialect), MW_RUN(rows_without_a_time_are_numbered),
             MW_RUN(texts_of_refused_rows_leave_no_trace),
             MW_RUN(a_row_over_two_blocks_leaves_no_trace))
