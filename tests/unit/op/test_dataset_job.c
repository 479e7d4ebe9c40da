/*
 * The end of an ingest: what is moved, recorded and removed when sources have several segments, and what the next
 * ingest is told of them.
 */
#include <stdio.h>
#include <string.h>

#include "keep/ingest/parts.h"
#include "run/op/dataset_job.h"
#include "support/fault_loop.h"
#include "support/table_stream.h"
#include "unit/op/small_plant.h"

static mw_err err;

typedef struct scene {
    small_plant plant;
    mw_dir *work, *staging, *dataset;
    mw_arena arena;
} scene;

static void begin(scene *s) {
    char path[600];
    plant_open(&s->plant);
    mw_arena_init(&s->arena, NULL);
    (void)snprintf(path, sizeof path, "%s/work", mw_test_folder());
    assert_ok(mw_dir_open(&s->plant.ctx, path, MW_DIR_CREATE, &s->work, &err));
    assert_ok(mw_dir_sub(&s->plant.ctx, s->work, "segments", MW_DIR_CREATE, &s->staging, &err));
    assert_ok(mw_app_folder(s->plant.app, &s->plant.ctx, "datasets", "main", &s->dataset, &err));
}

static void end(scene *s) {
    mw_dir_close(s->work);
    mw_dir_close(s->staging);
    mw_dir_close(s->dataset);
    mw_arena_done(&s->arena);
    plant_close(&s->plant);
}

static void stage(scene *s, const char *names) {
    char text[400];
    mw_str_copy(text, sizeof text, mw_str_of(names));
    for (char *name = strtok(text, " "); name; name = strtok(NULL, " "))
        assert_ok(mw_file_replace(&s->plant.ctx, s->staging, name, name, strlen(name), &err));
}

/* Commits the files of a result as a claimed job of its own. */
static mw_status commit(scene *s, const mw_ctx *ctx, const char *json, mw_err *why) {
    const mw_json *files;
    char id[32];
    const mw_job_new new_job = {
        .kind = "ingest", .payload = "{}", .worker = "w", .lease_us = 60000000};
    assert_ok(mw_store_job_create(&s->plant.ctx, s->plant.app->store, &new_job, id, &err));
    assert_ok(mw_json_parse(&s->arena, json, strlen(json), &files, &err));
    mw_job_record job = {.id = id, .fence = 1};
    return mw_op__commit(ctx, s->plant.app, &job, s->work, "main", files, NULL, 0, "{}", why);
}

/* Names of the dataset's files, sorted, as one text. */
static const char *listed(scene *s) {
    static char text[1000];
    mw_dir_entry *entries;
    size_t n, at = 0;
    text[0] = '\0';
    assert_ok(mw_dir_list(&s->plant.ctx, s->dataset, &entries, &n, &err));
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", i ? " " : "", entries[i].name);
    mw_free(entries);
    return text;
}

static const char FIRST[] =
    "[{\"source\":\"a.csv\",\"content_hash\":\"h1\",\"unchanged\":false,\"layout\":\"wide\","
    "\"rejects\":\"a.rej\",\"quality\":\"a.quality\",\"bytes\":9,\"lines\":8,\"rows\":6,"
    "\"rejected\":2,\"collisions\":3,\"duplicates\":4,\"late\":5,\"segments\":["
    "{\"file\":\"a0\",\"rows\":1,\"first_us\":10,\"last_us\":11},"
    "{\"file\":\"a1\",\"rows\":2,\"first_us\":12,\"last_us\":13},"
    "{\"file\":\"a2\",\"rows\":3,\"first_us\":14,\"last_us\":15}]},"
    "{\"source\":\"b.csv\",\"content_hash\":\"h2\",\"layout\":\"long\",\"segments\":["
    "{\"file\":\"b0\",\"rows\":7,\"first_us\":13,\"last_us\":20}]},"
    "{\"source\":\"c.csv\",\"content_hash\":\"h3\",\"unchanged\":true,\"segments\":[]}]";

MW_TEST(every_part_is_moved_and_recorded) {
    scene s;
    const mw_segment_record *live;
    size_t n;
    begin(&s);
    stage(&s, "a0 a1 a2 a.rej a.quality b0");
    assert_ok(commit(&s, &s.plant.ctx, FIRST, &err));
    assert_string_equal(listed(&s), "a.quality a.rej a0 a1 a2 b0");
    assert_ok(
        mw_store_segments(&s.plant.ctx, s.plant.app->store, &s.arena, "main", &live, &n, &err));
    assert_int_equal(n, 4);
    static const char *const files[] = {"a0", "a1", "b0", "a2"};
    static const int32_t parts[] = {0, 1, 0, 2};
    static const int64_t rows[] = {1, 2, 7, 3}, last[] = {11, 13, 20, 15};
    for (size_t i = 0; i < 4; i++) {
        bool first = i == 0;
        assert_string_equal(live[i].file, files[i]);
        assert_int_equal(live[i].part, parts[i]);
        assert_int_equal(live[i].n_rows, rows[i]);
        assert_int_equal(live[i].last_us, last[i]);
        assert_string_equal(live[i].content_hash, i == 2 ? "h2" : "h1");
        assert_string_equal(live[i].layout, i == 2 ? "long" : "wide");
        assert_int_equal(live[i].bytes, first ? 9 : 0);
        assert_int_equal(live[i].n_lines, first ? 8 : 0);
        assert_int_equal(live[i].n_rejected, first ? 2 : 0);
        assert_int_equal(live[i].n_collisions, first ? 3 : 0);
        assert_int_equal(live[i].n_duplicates, first ? 4 : 0);
        assert_int_equal(live[i].n_late, first ? 5 : 0);
        assert_int_equal(live[i].rejects != NULL, first);
        assert_int_equal(live[i].quality != NULL, first);
    }
    end(&s);
}

MW_TEST(replaced_parts_are_removed) {
    scene s;
    const mw_segment_record *live;
    size_t n;
    begin(&s);
    stage(&s, "a0 a1 a2 a.rej a.quality b0");
    assert_ok(commit(&s, &s.plant.ctx, FIRST, &err));
    stage(&s, "a1 a.new");
    assert_ok(commit(&s, &s.plant.ctx,
                     "[{\"source\":\"a.csv\",\"content_hash\":\"h4\",\"layout\":\"wide\","
                     "\"quality\":\"a.new\",\"segments\":["
                     "{\"file\":\"a1\",\"rows\":2,\"first_us\":12,\"last_us\":13}]}]",
                     &err));
    assert_string_equal(listed(&s), "a.new a1 b0"); /* a1 has the same bytes, and stays */
    assert_ok(
        mw_store_segments(&s.plant.ctx, s.plant.app->store, &s.arena, "main", &live, &n, &err));
    assert_int_equal(n, 2);
    assert_string_equal(live[0].content_hash, "h4");
    assert_int_equal(live[0].part, 0);
    end(&s);
}

/* Every move and sync failing once: the old segments or the new ones are live, and all their files are there. */
MW_TEST(a_failed_commit_keeps_the_old_parts) {
    static const char second[] =
        "[{\"source\":\"a.csv\",\"content_hash\":\"h5\",\"layout\":\"wide\",\"segments\":["
        "{\"file\":\"n0\",\"rows\":2,\"first_us\":1,\"last_us\":2},"
        "{\"file\":\"n1\",\"rows\":2,\"first_us\":3,\"last_us\":4}]}]";
    static const mw_io_kind kinds[] = {MW_IO_RENAME, MW_IO_FSYNC};
    scene s;
    mw_faulty_io io;
    begin(&s);
    for (size_t k = 0; k < 2; k++)
        for (uint64_t n = 1;; n++) {
            const mw_segment_record *live;
            size_t n_live;
            mw_ctx ctx = s.plant.ctx;
            stage(&s, "a0 a1 a2 a.rej a.quality b0 n0 n1");
            assert_ok(commit(&s, &s.plant.ctx, FIRST, &err));
            mw_faulty_io_init(&io);
            mw_faulty_io_fail(&io, kinds[k], n, 5);
            ctx.io = &io.io;
            mw_status status = commit(&s, &ctx, second, &err);
            assert_ok(mw_store_segments(&s.plant.ctx, s.plant.app->store, &s.arena, "main", &live,
                                        &n_live, &err));
            assert_int_equal(n_live, status == MW_OK ? 3 : 4);
            for (size_t i = 0; i < n_live; i++) assert_true(mw_dir_has(s.dataset, live[i].file));
            if (!io.fired) {
                assert_true(n > 1);
                break;
            }
            assert_int_equal(status, MW_EIO);
        }
    end(&s);
}

/* --- what the next ingest is told -------------------------------------------------------------- */

static void put_parts_asked(scene *s, const char *source, int n_parts, const char *asked) {
    static const mw_type types[] = {MW_TIMESTAMP, MW_FLOAT64};
    mw_schema *schema;
    mw_chunk *chunk;
    mw_parts *parts;
    mw_ingest_part *list;
    int32_t at;
    size_t n;
    mw_buf json;
    assert_ok(mw_schema_new(NULL, &schema, &err));
    assert_ok(mw_schema_add(schema, MW_STR("time"), MW_TIMESTAMP, &at, &err));
    assert_ok(mw_schema_add(schema, MW_STR("x"), MW_FLOAT64, &at, &err));
    mw_parts_options options = {
        .source = source, .layout = "wide", .asked = asked, .part_rows = 10};
    assert_ok(mw_parts_new(&s->plant.ctx, schema, &options, s->staging, &parts, &err));
    mw_arrange_sink sink = mw_parts_sink(parts);
    assert_ok(mw_chunk_new(NULL, types, 2, 10, &chunk, &err));
    chunk->n_rows = 10;
    for (int p = 0; p < n_parts; p++) {
        for (int i = 0; i < 10; i++) {
            chunk->columns[0].time[i] = p * 10 + i;
            chunk->columns[1].number[i] = i;
        }
        assert_ok(sink.take(sink.self, chunk, &err));
    }
    assert_ok(mw_parts_finish(parts, &list, &n, &err));
    assert_int_equal(n, n_parts);
    mw_buf_init(&json, NULL, 1 << 16);
    mw_buf_printf(&json, "[{\"source\":\"%s\",\"content_hash\":\"hash of %s\",\"layout\":\"wide\",",
                  source, source);
    mw_buf_add(&json, "\"segments\":[");
    for (size_t i = 0; i < n; i++)
        mw_buf_printf(&json, "%s{\"file\":\"%s\",\"rows\":%lld,\"first_us\":%lld,\"last_us\":%lld}",
                      i ? "," : "", list[i].file, (long long)list[i].n_rows,
                      (long long)list[i].first_us, (long long)list[i].last_us);
    mw_buf_add(&json, "]}]");
    assert_ok(commit(s, &s->plant.ctx, mw_buf_text(&json), &err));
    mw_buf_done(&json);
    mw_ingest_parts_free(list, n);
    mw_parts_free(parts);
    mw_chunk_free(chunk);
    mw_schema_free(schema);
}

static void put_parts(scene *s, const char *source, int n_parts) {
    put_parts_asked(s, source, n_parts, NULL);
}

/* How many of the known segments have this hash. */
static size_t count_known(scene *s, const char *hash) {
    mw_buf text;
    mw_json_writer writer;
    const mw_json *tree;
    size_t n_known, n = 0;
    mw_call call = {.ctx = &s->plant.ctx, .app = s->plant.app};
    mw_buf_init(&text, NULL, 1 << 20);
    mw_json_writer_init(&writer, &text, 0);
    mw_json_object(&writer);
    assert_ok(mw_op__write_dataset(&call, &writer, "main", NULL, 0, &n_known, &err));
    mw_json_object_end(&writer);
    assert_ok(mw_json_parse(&s->arena, mw_buf_text(&text), text.size, &tree, &err));
    const mw_json *known = mw_json_get(tree, "known");
    assert_int_equal(known->n_children, n_known);
    for (const mw_json *item = known->first; item; item = item->next)
        n += mw_str_is(mw_json_string(mw_json_get(item, "content_hash"), "?"), hash);
    mw_buf_done(&text);
    return n;
}

MW_TEST(a_source_with_a_missing_part_is_not_known) {
    scene s;
    const mw_segment_record *live;
    size_t n;
    begin(&s);
    put_parts(&s, "a.csv", 4);
    put_parts(&s, "b.csv", 2);
    assert_int_equal(count_known(&s, "hash of a.csv"), 4);
    assert_int_equal(count_known(&s, "hash of b.csv"), 2);
    assert_ok(
        mw_store_segments(&s.plant.ctx, s.plant.app->store, &s.arena, "main", &live, &n, &err));
    for (size_t i = 0; i < n; i++)
        if (strcmp(live[i].source, "a.csv") == 0 && live[i].part == 2)
            assert_ok(mw_dir_remove(&s.plant.ctx, s.dataset, live[i].file, &err));
    assert_int_equal(count_known(&s, ""), 4);
    assert_int_equal(count_known(&s, "hash of b.csv"), 2);
    end(&s);
}

MW_TEST(the_data_hash_is_of_sources_and_options_not_parts) {
    scene s;
    char hashes[3][MW_SHA256_HEX];
    begin(&s);
    for (int k = 0; k < 3; k++) {
        char path[600], payload[4000];
        const mw_json *tree;
        const mw_ingest_result nothing = {0};
        mw_op__rows rows;
        mw_table *table;
        mw_buf known;
        const mw_segment_record *live;
        size_t n;
        put_parts_asked(&s, "a.csv", k ? 1 : 4, k < 2 ? NULL : "another zone");
        mw_buf_init(&known, NULL, 1 << 16);
        assert_ok(
            mw_store_segments(&s.plant.ctx, s.plant.app->store, &s.arena, "main", &live, &n, &err));
        for (size_t i = 0; i < n; i++)
            mw_buf_printf(
                &known,
                "%s{\"source\":\"%s\",\"part\":%d,\"content_hash\":\"%s\",\"file\":\"%s\","
                "\"first_us\":%lld}",
                i ? "," : "", live[i].source, live[i].part, live[i].content_hash, live[i].file,
                (long long)live[i].first_us);
        mw_str_copy(path, sizeof path,
                    mw_str_of(mw_app_dataset_path(s.plant.app, &s.plant.ctx, "main", &s.arena)));
        (void)snprintf(payload, sizeof payload, "{\"dataset_path\":\"%s\",\"known\":[%s]}", path,
                       mw_buf_text(&known));
        assert_ok(mw_json_parse(&s.arena, payload, strlen(payload), &tree, &err));
        assert_ok(mw_op__open_rows(&s.plant.ctx, tree, &nothing, s.work, &rows, &err));
        assert_ok(mw_table_of_stream(NULL, mw_dataset_stream(rows.dataset), &table, &err));
        memcpy(hashes[k], rows.data_hash, sizeof hashes[k]);
        assert_int_equal(table->n_rows, k ? 10 : 40);
        for (int64_t i = 0; i < table->n_rows; i++)
            assert_true(mw_table_column(table, "time")->time[i] == i);
        mw_table_free(table);
        mw_op__close_rows(&rows);
        mw_buf_done(&known);
    }
    assert_string_equal(hashes[0], hashes[1]);
    assert_string_not_equal(hashes[1], hashes[2]);
    end(&s);
}

MW_TEST_MAIN(MW_RUN(every_part_is_moved_and_recorded), MW_RUN(replaced_parts_are_removed),
             MW_RUN(a_failed_commit_keeps_the_old_parts),
             MW_RUN(a_source_with_a_missing_part_is_not_known),
             MW_RUN(the_data_hash_is_of_sources_and_options_not_parts))
