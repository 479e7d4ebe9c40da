/* The embedded pages: found by path, whole, and asking nothing of another host. */
#include "support/harness.h"

#include <string.h>
#include <zlib.h>

#include "core/base/alloc.h"
#include "run/serve/assets.h"

MW_TEST(every_asset_is_found_by_its_own_path) {
    assert_true(mw_assets_count >= 8);
    for (size_t i = 0; i < mw_assets_count; i++) {
        assert_ptr_equal(mw_asset_find(mw_assets[i].path), &mw_assets[i]);
        if (i) assert_true(strcmp(mw_assets[i - 1].path, mw_assets[i].path) < 0);
    }
}

MW_TEST(other_paths_find_nothing) {
    static const char *const paths[] = {"",      "/",       "/doc",           "/docs/",
                                        "/docz", "/redoc?", "/docs/../redoc", "/zzz"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) assert_null(mw_asset_find(paths[i]));
}

MW_TEST(compressed_and_plain_are_the_same_content) {
    for (size_t i = 0; i < mw_assets_count; i++) {
        const mw_asset *asset = &mw_assets[i];
        unsigned char *plain = mw_alloc(NULL, asset->plain_size + 1);
        assert_non_null(plain);
        z_stream stream = {.next_in = (unsigned char *)(uintptr_t)asset->gzip,
                           .avail_in = (uInt)asset->gzip_size,
                           .next_out = plain,
                           .avail_out = (uInt)asset->plain_size + 1};
        assert_int_equal(inflateInit2(&stream, 15 + 16), Z_OK);
        assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
        assert_int_equal(stream.total_out, asset->plain_size);
        assert_int_equal(stream.avail_in, 0);
        inflateEnd(&stream);
        assert_memory_equal(plain, asset->plain, asset->plain_size);
        mw_free(plain);
    }
}

/* Every src= and href= of a page is a path that the table, or the API, answers. */
MW_TEST(pages_refer_to_own_paths_only) {
    static const char *const pages[] = {"/docs", "/redoc"};
    for (size_t i = 0; i < 2; i++) {
        const mw_asset *page = mw_asset_find(pages[i]);
        assert_non_null(page);
        const char *text = (const char *)page->plain;
        assert_null(strstr(text, "//"));
        assert_null(strstr(text, "<style"));
        size_t n_links = 0;
        for (const char *at = text; (at = strpbrk(at, "sh")) != NULL; at++) {
            size_t skip = strncmp(at, "src=\"", 5) == 0    ? 5
                          : strncmp(at, "href=\"", 6) == 0 ? 6
                                                           : 0;
            if (!skip) continue;
            char path[256] = "";
            size_t length = strcspn(at + skip, "\"");
            assert_true(length < sizeof path);
            memcpy(path, at + skip, length);
            if (strcmp(path, "/openapi.json") != 0 && !mw_asset_find(path))
                fail_msg("%s refers to %s", pages[i], path);
            n_links++;
        }
        assert_true(n_links >= 5);
    }
}

MW_TEST(scripts_load_nothing_foreign) {
    const mw_asset *redoc = mw_asset_find("/redoc/assets/redoc.standalone.js");
    assert_non_null(redoc);
    assert_null(strstr((const char *)redoc->plain, "cdn.redoc.ly"));
    const mw_asset *css = mw_asset_find("/docs/assets/swagger-ui.css");
    assert_non_null(css);
    assert_null(strstr((const char *)css->plain, "url(http"));
    assert_null(strstr((const char *)css->plain, "@import"));
    const mw_asset *start = mw_asset_find("/docs/assets/docs.js");
    assert_non_null(start);
    assert_non_null(strstr((const char *)start->plain, "validatorUrl: null"));
}

MW_TEST_MAIN(MW_RUN(every_asset_is_found_by_its_own_path), MW_RUN(other_paths_find_nothing),
             MW_RUN(compressed_and_plain_are_the_same_content),
             MW_RUN(pages_refer_to_own_paths_only), MW_RUN(scripts_load_nothing_foreign))
