/*
 * Telemetry files to segments and back: both layouts, what is rejected and why, unchanged and replaced
 * files, and that a failing call leaves nothing in staging.
 */
#include "core/table/ipc.h"
#include "keep/ingest/drift.h"
#include "support/fault_loop.h"
#include "unit/ingest/ingest_run.h"

#define LONG_HEADER                                                                           \
    "timestamp,date,time,device_id,device_name,employee_id,employee_name,category,parameter," \
    "value\n"

/* --- long ------------------------------------------------------------------------------------- */

MW_TEST(long_rows_are_pivoted) {
    run r;
    begin(&r, NULL);
    const mw_ingest_file *f =
        ingest(&r, LONG_HEADER
               "2026-01-05 00:00:00,2026-01-05,00:00:00,T1,Truck,E1,Ana,haul,temp,1\n"
               "2026-01-05 00:00:00,2026-01-05,00:00:00,T2,Truck 2,E2,\"B, C\",haul,temp,2\n"
               "2026-01-05 00:00:00,2026-01-05,00:00:00,T1,Truck,E1,Ana,haul,speed,3\n"
               "2026-01-05 00:05:00,2026-01-05,00:05:00,T1,Truck,E1,Ana,haul,temp,4\n"
               "2026-01-05 00:05:00,2026-01-05,00:05:00,T1,Truck,E9,Ana,haul,temp,5\n"
               "2026-01-05 00:00:00,2026-01-05,00:00:00,T1,Truck,E1,Ana,haul,temp,6\n"
               "2026-01-05 00:10:00,,,T1,Truck,E1,,haul,speed,\n");
    assert_order(&r, "time,device_id,device_name,employee_id,employee_name,category,temp,speed");
    assert_string_equal(f->layout, "long");
    assert_int_equal(f->n_lines, 7);
    assert_int_equal(f->n_rows, 5);
    assert_int_equal(f->n_collisions, 1);
    assert_int_equal(f->n_rejected, 0);
    assert_null(f->rejects);
    assert_int_equal(f->first_us, INT64_C(1767571200000000));
    assert_int_equal(f->last_us - f->first_us, INT64_C(600000000));
    assert_number(&r, "temp", 0, 6); /* the later of the two */
    assert_number(&r, "speed", 0, 3);
    assert_number(&r, "temp", 1, 2);
    assert_missing(&r, "speed", 1);
    assert_text(&r, "employee_name", 1, "B, C");
    assert_number(&r, "temp", 3, 5); /* another employee: another row */
    assert_missing(&r, "speed", 4);  /* an empty value keeps its row */
    assert_missing(&r, "employee_name", 4);
    end(&r);
}

MW_TEST(a_time_comes_from_stamp_or_date_and_time) {
    run r;
    begin(&r, NULL);
    ingest(&r, "timestamp,date,time,parameter,value\r\n"
               "2026-01-05T00:00:00.250Z,1999-01-01,01:00:00,p,1\r\n"
               ",2026-01-05,00:00:02,p,2\r\n"
               "NA,2026-01-05 00:00:03,,p,3\r\n"
               "2026-01-05T02:00:04+02:00,,,p,4\r\n"
               "2026-01-05 00:00:05.5,,,p,5\r\n");
    static const int64_t after_ms[] = {250, 2000, 3000, 4000, 5500};
    assert_int_equal(r.table->n_rows, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(r.table->columns[0].time[i],
                         INT64_C(1767571200000000) + after_ms[i] * 1000);
    end(&r);
}

MW_TEST(many_rows_in_any_order_meet) {
    enum { N = 5000 };
    run r;
    mw_buf text;
    begin(&r, NULL);
    mw_buf_init(&text, NULL, 1 << 24);
    mw_buf_add(&text, "\xEF\xBB\xBFTime,Machine ID,Parameter,Value\n");
    for (int p = 0; p < 3; p++)
        for (int i = 0; i < N; i++) {
            int at = p % 2 ? N - 1 - i : i;
            mw_buf_printf(&text, "2026-01-%02d %02d:%02d:00,M%d,p%d,%d\n", at / 1440 + 1,
                          at / 60 % 24, at % 60, at % 7, p, at * 10 + p);
        }
    ingest(&r, mw_buf_text(&text));
    assert_int_equal(r.table->n_rows, N);
    assert_order(&r, "time,device_id,p0,p1,p2");
    for (int i = 0; i < N; i++) {
        assert_number(&r, "p0", i, i * 10);
        assert_number(&r, "p2", i, i * 10 + 2);
        assert_int_equal(mw_table_column(r.table, "device_id")->codes[i], i % 7);
    }
    mw_buf_done(&text);
    end(&r);
}

/* --- wide ------------------------------------------------------------------------------------- */

MW_TEST(wide_rows_keep_their_columns) {
    run r;
    begin(&r, NULL);
    const mw_ingest_file *f =
        ingest(&r, "\"date\",\"temp\",\"machineID\",\"state\",\"on\",\"late\",\"never\"\r\n"
                   "\"2026-01-05 00:00:00\",\"  60\",7,idle,true,,\r\n"
                   "\"2026-01-05 00:00:00\",\" 1.5e-3\",7,run,FALSE,,\r\n"
                   "\"2026-01-05 00:10:00\",N/A,8,,null,word,\r\n");
    assert_string_equal(f->layout, "wide");
    assert_int_equal(f->n_rows, 3); /* the same time and device twice: both are kept */
    assert_order(&r, "time,device_id,temp,state,on,late,never");
    assert_number(&r, "temp", 0, 60);
    assert_number(&r, "temp", 1, 0.0015);
    assert_missing(&r, "temp", 2);
    assert_number(&r, "on", 0, 1);
    assert_number(&r, "on", 1, 0);
    assert_text(&r, "device_id", 2, "8");
    assert_text(&r, "state", 1, "run");
    assert_text(&r, "late", 2, "word");
    assert_missing(&r, "never", 0);
    end(&r);
}

MW_TEST(a_sensor_with_a_few_words_stays_a_sensor) {
    run r;
    begin(&r, "0.5");
    const mw_ingest_file *f = ingest(&r, "ts,a\n2026-01-05,Bad\n2026-01-06,1\n2026-01-07,2\n");
    assert_int_equal(f->n_rejected, 1);
    assert_number(&r, "a", 1, 2);
    end(&r);
}

/* Nothing in the sample, which is the first MiB: one text anywhere behind it makes the column one of texts. */
MW_TEST(a_column_that_begins_late_is_decided_by_all_of_it) {
    enum { EMPTY = 60000, ROWS = EMPTY + 3 };
    run r;
    mw_buf text;
    begin(&r, NULL);
    mw_buf_init(&text, NULL, 1 << 22);
    mw_buf_add(&text, "ts,a,n,t,m\n");
    for (int i = 0; i < EMPTY; i++)
        mw_buf_printf(&text, "2026-01-05 %02d:%02d:%02d,1,,,\n", i / 3600, i / 60 % 60, i % 60);
    assert_true(text.size > 1 << 20);
    mw_buf_add(&text, "2026-01-06,1,5,x,5\n2026-01-07,1,6,7,\n2026-01-08,z,,7,y\n");
    const mw_ingest_file *f = ingest(&r, mw_buf_text(&text));
    assert_int_equal(f->n_rejected, 1); /* the sample showed a to be of numbers */
    assert_int_equal(f->n_rows, ROWS - 1);
    assert_number(&r, "n", EMPTY + 1, 6);
    assert_text(&r, "t", EMPTY + 1, "7");
    assert_text(&r, "m", EMPTY, "5");
    mw_buf_done(&text);
    end(&r);
}

MW_TEST(a_time_index_without_a_name_is_the_time) {
    run r;
    begin(&r, NULL);
    ingest(&r, ",Bearing 1,Bearing 2\n2004-02-12 10:32:39,0.05,0.07\n");
    assert_order(&r, "time,Bearing 1,Bearing 2");
    end(&r);
}

/* --- rejects ---------------------------------------------------------------------------------- */

MW_TEST(bad_rows_go_whole_to_the_rejects_file) {
    static const char text[] = "timestamp,parameter,value\n"
                               "2026-13-05,p,1\n"         /* 2 */
                               "2026-01-05,q,abc\n"       /* 3 */
                               "2026-01-05,p\n"           /* 4 */
                               "2026-01-05,p,1,2\n"       /* 5 */
                               "2026-01-05,,1\n"          /* 6 */
                               "2026-01-05,p,1e999\n"     /* 7 */
                               "2026-01-05,p,inf\n"       /* 8 */
                               "2026-01-05,\"p\"q,1\n"    /* 9 */
                               "2026-01-05,\xff\xfe,1\n"  /* 10 */
                               ",p,1\n"                   /* 11 */
                               "2026-01-05,device_id,1\n" /* 12 */
                               "2026-01-05,p,1\n";
    static const char want[] =
        "\ntimestamp,parameter,value\n"
        "#line 2, column \"timestamp\": not a time stamp: '2026-13-05'\n2026-13-05,p,1\n"
        "#line 3, column \"value\": not a number: 'abc'\n2026-01-05,q,abc\n"
        "#line 4, column \"value\": 2 fields where the header has 3\n2026-01-05,p\n"
        "#line 5, column \"4\": 4 fields where the header has 3\n2026-01-05,p,1,2\n"
        "#line 6, column \"parameter\": no parameter name\n2026-01-05,,1\n"
        "#line 7, column \"value\": not finite: '1e999'\n2026-01-05,p,1e999\n"
        "#line 8, column \"value\": not finite: 'inf'\n2026-01-05,p,inf\n";
    static const char *const options[] = {
        "max_reject_share", "0.95", "encoding", "utf-8", "quote", "\""};
    run r;
    mw_err err;
    char *data;
    size_t size;
    begin_with(&r, options, 6);
    const mw_ingest_file *f = ingest(&r, text);
    assert_int_equal(f->n_lines, 12);
    assert_int_equal(f->n_rejected, 11);
    assert_int_equal(f->n_rows, 1);
    assert_order(&r, "time,p"); /* q was in no row that counts */
    assert_ok(mw_file_read(&r.ctx, r.staging, f->rejects, 10000, &data, &size, &err));
    static const char head[] = "#millwright-rejects 1 {\"format\":1,\"encoding\":\"utf-8\",";
    assert_true(strncmp(data, head, sizeof head - 1) == 0);
    const char *body = strchr(data, '\n');
    assert_non_null(body);
    if (strncmp(body, want, sizeof want - 1) != 0) fail_msg("%s", data);
    static const char *const later[] = {
        "\n#line 9, column \"parameter\": ",
        "\n2026-01-05,\"p\"q,1\n",
        "\n#line 10, column \"parameter\": not UTF-8 text\n",
        "\n2026-01-05,\xff\xfe,1\n",
        "\n#line 11, column \"timestamp\": no time\n,p,1\n",
        "\n#line 12, column \"parameter\": a parameter with the reserved name"};
    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        if (!strstr(data, later[i])) fail_msg("%s lacks %s", data, later[i]);
    mw_free(data);
    end(&r);
}

MW_TEST(a_corrected_rejects_file_is_ingested_like_any_other) {
    static const char corrected[] =
        "#millwright-rejects 1 {\"separator\":\",\",\"quote\":\"\\\"\"}\n"
        "timestamp,parameter,value\n"
        "#line 2, column \"timestamp\": not a time stamp: '2026-13-05'\n2026-12-05,p,1\n"
        "2026-01-06,p,2\n" /* its note was removed */
        "#line 9, column \"parameter\": a quote inside a field\n2026-01-07,\"p,3\n" /* was not */
        "#line 12, column \"value\": not a number: 'abc'\n2026-01-08,p,4\n";
    run r;
    begin(&r, "0.5");
    const mw_ingest_file *f = ingest(&r, corrected);
    assert_int_equal(f->n_lines, 4);
    assert_int_equal(f->n_rejected, 1);
    assert_int_equal(f->n_rows, 3);
    char *data;
    size_t size;
    mw_err err;
    assert_ok(mw_file_read(&r.ctx, r.staging, f->rejects, 10000, &data, &size, &err));
    /* Lines keep their numbers, and the row is whole again. */
    if (!strstr(data, "\n#line 7, column ") || !strstr(data, "\n2026-01-07,\"p,3\n"))
        fail_msg("%s", data);
    mw_free(data);
    end(&r);
}

static void rows_with_bad(mw_buf *text, int bad_from, int bad_every, int n_bad) {
    mw_buf_clear(text);
    mw_buf_add(text, "timestamp,value\n");
    for (int i = 0; i < 100; i++) {
        bool bad = i >= bad_from && (i - bad_from) % bad_every == 0 && n_bad-- > 0;
        mw_buf_add(text, bad ? "2026-01-05,x\n" : "2026-01-05,1\n");
    }
}

MW_TEST(above_the_share_the_ingest_stops_and_names_the_first) {
    mw_buf text;
    run r;
    mw_buf_init(&text, NULL, 1 << 20);
    rows_with_bad(&text, 5, 16, 6);
    assert_fails(mw_buf_text(&text), "line 7, column value: not a number: \"x\"; line 23, ");
    assert_fails(mw_buf_text(&text), "6 of 100 rows");
    static const char nothing_left[] = "ts,parameter,value\n2026-01-05,p,x\n";
    assert_fails_bytes(nothing_left, sizeof nothing_left - 1, "1", MW_EDATA, "1 of 1 rows");
    rows_with_bad(&text, 5, 16, 5); /* 5 % is not above 5 % */
    begin(&r, NULL);
    assert_int_equal(ingest(&r, mw_buf_text(&text))->n_rejected, 5);
    end(&r);
    mw_buf_done(&text);
}

/* A file that cannot end well is given up before its end. */
MW_TEST(a_hopeless_file_is_given_up_early) {
    mw_buf text;
    mw_buf_init(&text, NULL, 1 << 26);
    mw_buf_add(&text, "timestamp,value\n");
    for (int i = 0; i < 50000; i++) mw_buf_add(&text, "13/01/2026 10:00,1234567890\n");
    assert_true(text.size > 1 << 20); /* the sample looks well */
    for (int i = 0; i < 350000; i++) mw_buf_add(&text, "01/13/2026 10:00,1234567890\n");
    run r;
    mw_err err;
    begin(&r, NULL);
    const char *path = put_bytes("us.csv", mw_buf_text(&text), text.size);
    assert_status(
        mw_ingest_run(&r.ctx, &path, 1, NULL, 0, NULL, r.args, r.staging, &r.result, &err),
        MW_EDATA);
    assert_null(strstr(err.message, "400000 of"));
    assert_non_null(strstr(err.message, "us.csv: "));
    assert_int_equal(n_staged(&r), 0);
    mw_buf_done(&text);
    end(&r);
}

/* --- files that are no telemetry -------------------------------------------------------------- */

MW_TEST(unusable_files_give_one_clear_error) {
    assert_fails("", "is empty");
    assert_fails("\xEF\xBB\xBF", "is empty");
    assert_fails("timestamp,value\n", "no rows");
    assert_fails("timestamp,value", "no rows");
    assert_fails("timestamp,parameter\n2026-01-05,p\n", "no `value`");
    assert_fails("timestamp,device_id\n2026-01-05,p\n", "nor any sensor");
    assert_fails("timestamp,a,a\n2026-01-05,1,2\n", "\"a\" twice");
    assert_fails("timestamp,device,machine,Device_Name,category,Category\n", "reserved name");
    assert_fails("timestamp,a\n2026-01-05,1\n2026-01-0", "cut: it ends inside the row at line 3");
    assert_fails("timestamp,a,b\n2026-01-05,1,2\n2026-01-05,\"1", "cut");
    assert_fails("timestamp,a\nlate,1\nearly,2\n", "time");
    assert_fails_bytes("\xff\xfe\0\0t\0\0\0", 8, NULL, MW_EDATA, "UTF-32");
    assert_fails("PAR1\x15\x04\x15\x10", "Parquet");
    assert_fails_bytes("a\0b,c\n", 6, NULL, MW_EDATA, "binary");
    unsigned char packed[200];
    size_t n = gzip("timestamp,a\n2026-01-05,1\n", 25, packed, 200);
    assert_fails_bytes(packed, n - 3, NULL, MW_EDATA, "cut");
}

/* --- several files, and again ----------------------------------------------------------------- */

static mw_status ingest_again(run *r, const char *path, const mw_ingest_known *known, size_t n) {
    mw_err err;
    mw_ingest_result_done(&r->result);
    return mw_ingest_run(&r->ctx, &path, 1, known, n, NULL, r->args, r->staging, &r->result, &err);
}

MW_TEST(a_known_file_is_not_read_again_and_a_changed_one_replaces) {
    run r;
    begin(&r, NULL);
    char hash[MW_HASH128_NAME];
    const char *path = put_text("a.csv", "ts,a\n2026-01-05,1\n");
    assert_int_equal(ingest_again(&r, path, NULL, 0), MW_OK);
    memcpy(hash, r.result.files[0].content_hash, sizeof hash);
    assert_false(r.result.files[0].unchanged || r.result.files[0].replaces);

    const mw_ingest_known known[] = {
        {"z.csv", "00", NULL}, {"a.csv", hash, NULL}, {"b.csv", hash, NULL}};
    assert_int_equal(ingest_again(&r, path, known, 3), MW_OK);
    assert_true(r.result.files[0].unchanged);
    assert_int_equal(r.result.files[0].n_segments, 0);
    assert_string_equal(r.result.files[0].content_hash, hash);

    path = put_text("a.csv", "ts,a\n2026-01-05,2\n");
    assert_int_equal(ingest_again(&r, path, known, 3), MW_OK);
    assert_true(r.result.files[0].replaces);
    assert_int_equal(r.result.files[0].n_segments, 1);
    end(&r);
}

MW_TEST(a_folder_stands_for_its_csv_files) {
    run r;
    mw_err err;
    begin(&r, NULL);
    unsigned char packed[200];
    size_t n = gzip("ts,a,c\n2026-01-07,3,4\n", 22, packed, 200);
    put_text("b.csv", "ts,device,a\n2026-01-05,m,1\n");
    put_text("c.CSV", "ts,device,a\n2026-01-05,m,1\n"); /* the same content is another source */
    put_bytes("d.csv.gz", packed, n);
    put_text("e.json", "no");
    put_text("ReadMe.txt", "no");
    put_text(".f.csv", "no");
    const char *path = mw_test_folder();
    assert_ok(mw_ingest_run(&r.ctx, &path, 1, NULL, 0, NULL, r.args, r.staging, &r.result, &err));
    assert_int_equal(r.result.n_files, 3);
    assert_string_equal(r.result.files[0].source, "b.csv");
    assert_string_equal(r.result.files[0].content_hash, r.result.files[1].content_hash);
    assert_string_not_equal(r.result.files[0].segments[0].file, r.result.files[1].segments[0].file);
    assert_int_equal(r.result.files[2].n_rows, 1);
    end(&r);
}

MW_TEST(one_bad_file_takes_the_whole_call_back) {
    run r;
    mw_err err;
    begin(&r, NULL);
    const char *paths[] = {put_text("a.csv", "ts,a\n2026-01-05,1\n"),
                           put_text("b.csv", "nothing\n")};
    assert_status(
        mw_ingest_run(&r.ctx, paths, 2, NULL, 0, NULL, r.args, r.staging, &r.result, &err),
        MW_EDATA);
    assert_non_null(strstr(err.message, "b.csv"));
    assert_int_equal(n_staged(&r), 0);
    paths[1] = "elsewhere/a.csv";
    assert_status(
        mw_ingest_run(&r.ctx, paths, 2, NULL, 0, NULL, r.args, r.staging, &r.result, &err),
        MW_EINVAL);
    end(&r);
}

/* A file for each sensor lacks those of all others: the report of them does not grow with their number. */
MW_TEST(missing_columns_are_listed_up_to_a_number) {
    enum { N = 40 };
    run r;
    mw_err err;
    char kept[N][512];
    const char *paths[N];
    begin(&r, NULL);
    for (int i = 0; i < N; i++) {
        char name[16], text[80];
        snprintf(name, sizeof name, "%02d.csv", i);
        snprintf(text, sizeof text, "ts,s%02d\n2026-01-05,1\n2026-01-06,2\n", i);
        mw_str_copy(kept[i], sizeof kept[i], mw_str_of(put_text(name, text)));
        paths[i] = kept[i];
    }
    assert_ok(mw_ingest_run(&r.ctx, paths, N, NULL, 0, NULL, r.args, r.staging, &r.result, &err));
    assert_int_equal(r.result.n_files, N);
    const char *drift = r.result.files[N - 1].drift;
    assert_non_null(strstr(drift, "{\"column\":\"s39\",\"change\":\"new\",\"note\":null}"));
    assert_non_null(strstr(
        drift, "{\"column\":\"s19\",\"change\":\"missing\",\"note\":\"and 19 more columns\"}"));
    assert_null(strstr(drift, "s20"));
    assert_null(strstr(r.result.files[20].drift, "more"));
    assert_null(strstr(r.result.files[0].drift, "column"));
    mw_ingest_result_done(&r.result);
    mw_args_free(r.args);
    r.args = args_with((const char *const[]){"drift", "refuse"}, 2);
    mw_schema *columns = NULL;
    assert_ok(mw_ingest_run(&r.ctx, paths, 1, NULL, 0, NULL, r.args, r.staging, &r.result, &err));
    assert_ok(mw_drift_add(&r.ctx, r.staging, &r.result.files[0], &columns, &err));
    mw_ingest_result_done(&r.result);
    r.result = (mw_ingest_result){0};
    assert_status(
        mw_ingest_run(&r.ctx, &paths[1], 1, NULL, 0, columns, r.args, r.staging, &r.result, &err),
        MW_ECONFLICT);
    assert_non_null(strstr(err.message, "2 columns differ"));
    mw_schema_free(columns);
    end(&r);
}

/* Files of one call give the segments that a call each gives: a column has the type of the first file with a value of it. */
MW_TEST(one_call_is_as_good_as_many) {
    static const char *const texts[] = {"ts,a,s,n\n2026-01-05,1,,\n2026-01-06,1,,\n",
                                        "ts,a,s,n\n2026-01-07,2,on,\n2026-01-08,2,off,\n",
                                        "ts,a,s,b\n2026-01-09,3,7,word\n2026-01-10,3,8,word\n",
                                        "ts,b,n\n2026-01-11,4,4\n2026-01-12,5,5\n"};
    enum { N = 4 };
    run r;
    mw_err err;
    const char *paths[N];
    char names[N][16], segments[N][128];
    mw_schema *columns = NULL;
    begin(&r, NULL);
    for (int i = 0; i < N; i++) {
        snprintf(names[i], sizeof names[i], "%d.csv", i);
        paths[i] = put_text(names[i], texts[i]);
        assert_ok(mw_ingest_run(&r.ctx, &paths[i], 1, NULL, 0, columns, r.args, r.staging,
                                &r.result, &err));
        assert_ok(mw_drift_add(&r.ctx, r.staging, &r.result.files[0], &columns, &err));
        mw_str_copy(segments[i], sizeof segments[i], mw_str_of(r.result.files[0].segments[0].file));
        mw_ingest_result_done(&r.result);
    }
    assert_ok(mw_ingest_run(&r.ctx, paths, N, NULL, 0, NULL, r.args, r.staging, &r.result, &err));
    for (int i = 0; i < N; i++)
        assert_string_equal(r.result.files[i].segments[0].file, segments[i]);
    assert_non_null(strstr(r.result.files[2].drift, "\"new\""));
    static const struct {
        const char *name;
        mw_type type;
    } want[] = {{"a", MW_FLOAT64}, {"s", MW_DICTIONARY}, {"n", MW_FLOAT64}, {"b", MW_DICTIONARY}};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(columns->columns[mw_schema_find(columns, mw_str_of(want[i].name))].type,
                         want[i].type);
    mw_schema_free(columns);
    end(&r);
}

MW_TEST(segments_say_where_they_come_from) {
    run r;
    mw_err err;
    char value[100];
    begin(&r, NULL);
    const mw_ingest_file *f = ingest_named(&r, "plant 1.csv", "ts,a\n2026-01-05,1\n");
    static const char *const keys[] = {"millwright.source", "millwright.layout"};
    static const char *const want[] = {"plant 1.csv", "wide"};
    for (int i = 0; i < 2; i++) {
        assert_ok(mw_ipc_read_meta(&r.ctx, r.staging, f->segments[0].file, keys[i], value,
                                   sizeof value, &err));
        assert_string_equal(value, want[i]);
    }
    end(&r);
}

/* --- faults ----------------------------------------------------------------------------------- */

static mw_status scenario(const mw_ctx *ctx, void *arg, mw_err *err) {
    run *r = arg;
    mw_ingest_result result;
    char path[600];
    snprintf(path, sizeof path, "%s/in.csv", mw_test_folder());
    const char *one = path;
    mw_status status =
        mw_ingest_run(ctx, &one, 1, NULL, 0, NULL, r->args, r->staging, &result, err);
    if (status != MW_OK) return status;
    const char *segment = result.files[0].segments[0].file;
    mw_table *table;
    status = mw_dataset_check(ctx, r->staging, segment, err);
    if (status == MW_OK) status = mw_ipc_read(ctx, r->staging, segment, NULL, 0, &table, err);
    if (status == MW_OK) mw_table_free(table);
    mw_ingest_result_done(&result);
    return status;
}

/* After a failed run there is nothing, or (when only the reading failed) everything. */
static void nothing_or_all(void *arg, uint64_t n) {
    run *r = arg;
    mw_err err;
    mw_dir_entry *entries;
    size_t n_entries;
    (void)n;
    assert_ok(mw_dir_list(&r->ctx, r->staging, &entries, &n_entries, &err));
    if (n_entries != 0 && n_entries != 2) fail_msg("%zu files, %s", n_entries, entries[0].name);
    for (size_t i = 0; i < n_entries; i++)
        assert_ok(mw_dir_remove(&r->ctx, r->staging, entries[i].name, &err));
    mw_free(entries);
}

static void assert_faults_survived(const char *text) {
    run r;
    begin(&r, "0.6");
    put_text("in.csv", text);
    assert_in_range(mw_fault_loop_alloc(scenario, &r), 40, 1000);
    nothing_or_all(&r, 0);
    assert_true(mw_fault_loop_io(scenario, &r, MW_IO_WRITE, 28, nothing_or_all) >= 2);
    assert_true(mw_fault_loop_io(scenario, &r, MW_IO_FSYNC, 5, nothing_or_all) >= 4);
    assert_true(mw_fault_loop_io(scenario, &r, MW_IO_RENAME, 5, nothing_or_all) >= 3);
    assert_true(mw_fault_loop_io(scenario, &r, MW_IO_READ, 5, nothing_or_all) >= 1);
    end(&r);
}

MW_TEST(every_fault_of_a_long_ingest_is_survived) {
    assert_faults_survived("ts,device,parameter,value\n2026-01-05,a,p,1\n2026-01-05,a,q,x\n");
}

MW_TEST(every_fault_of_a_wide_ingest_is_survived) {
    assert_faults_survived("ts,device,p,q\n2026-01-05,a,1,x\n2026-01-05,a,y,z\n");
}

MW_TEST(a_ceiling_on_memory_holds) {
    run r;
    mw_err err;
    mw_mem mem;
    mw_buf text;
    begin(&r, NULL);
    mw_buf_init(&text, NULL, 1 << 26);
    mw_buf_add(&text, "ts,parameter,value\n");
    for (int i = 0; i < 200000; i++) mw_buf_printf(&text, "2026-01-05 00:00:00.%06d,p,1\n", i);
    const char *path = put_bytes("big.csv", mw_buf_text(&text), text.size);
    mw_mem_init(&mem, NULL, (size_t)6 << 20);
    r.ctx.mem = &mem;
    assert_status(
        mw_ingest_run(&r.ctx, &path, 1, NULL, 0, NULL, r.args, r.staging, &r.result, &err),
        MW_ENOMEM);
    assert_int_equal(mw_mem_used(&mem), 0);
    assert_int_equal(n_staged(&r), 0);
    mw_buf_done(&text);
    end(&r);
}

MW_TEST_MAIN(MW_RUN(long_rows_are_pivoted), MW_RUN(a_time_comes_from_stamp_or_date_and_time),
             MW_RUN(many_rows_in_any_order_meet), MW_RUN(wide_rows_keep_their_columns),
             MW_RUN(a_sensor_with_a_few_words_stays_a_sensor),
             MW_RUN(a_column_that_begins_late_is_decided_by_all_of_it),
             MW_RUN(a_time_index_without_a_name_is_the_time),
             MW_RUN(bad_rows_go_whole_to_the_rejects_file),
             MW_RUN(a_corrected_rejects_file_is_ingested_like_any_other),
             MW_RUN(above_the_share_the_ingest_stops_and_names_the_first),
             MW_RUN(a_hopeless_file_is_given_up_early), MW_RUN(unusable_files_give_one_clear_error),
             MW_RUN(a_known_file_is_not_read_again_and_a_changed_one_replaces),
             MW_RUN(a_folder_stands_for_its_csv_files),
             MW_RUN(one_bad_file_takes_the_whole_call_back), MW_RUN(one_call_is_as_good_as_many),
             MW_RUN(missing_columns_are_listed_up_to_a_number),
             MW_RUN(segments_say_where_they_come_from),

             MW_RUN(every_fault_of_a_long_ingest_is_survived),
             MW_RUN(every_fault_of_a_wide_ingest_is_survived), MW_RUN(a_ceiling_on_memory_holds))
