/* A column of text to codes: each code's text is the field's, however alike the texts are. */
#include <string.h>

#include "core/base/rng.h"
#include "keep/ingest/texts.h"
#include "support/harness.h"

enum { FIELDS = 100, LONGEST = 40, ROOM = FIELDS * (LONGEST + 1) + 2 * MW_FIELDS_SLACK };

/* A column alone: fields [n] of `size` bytes, two texts by turns that differ in one byte, so that the next one is mostly guessed. */
static void draw_fields(mw_rng *rng, size_t size, size_t other, char *text,
                        uint32_t marks[FIELDS + 1]) {
    uint32_t at = 0;
    marks[0] = UINT32_MAX;
    for (size_t i = 0; i < FIELDS; i++) {
        for (size_t k = 0; k < size; k++) text[at + k] = (char)('a' + k % 26);
        if (other < size && mw_rng_below(rng, 3) == 0) text[at + other] = 'A';
        at += (uint32_t)size;
        text[at] = ',';
        marks[i + 1] = at++;
    }
}

MW_TEST(alike_texts_have_codes_of_their_own) {
    static char room[ROOM];
    uint32_t marks[FIELDS + 1], odd[FIELDS];
    int32_t codes[FIELDS];
    mw_rng rng;
    mw_err err;
    mw_rng_init(&rng, mw_test_seed(), 1, 0);
    for (size_t size = 0; size <= LONGEST; size++) {
        mw_texts texts;
        assert_ok(mw_texts_init(&texts, NULL, &err));
        texts.keep_marks = true;
        for (size_t other = 0; other <= size; other++) {
            size_t n_odd;
            char *text = room + MW_FIELDS_SLACK;
            draw_fields(&rng, size, other, text, marks);
            const mw_fields fields = {.text = text, .marks = marks, .stride = 1, .n = FIELDS};
            assert_ok(mw_texts_read(&texts, &fields, codes, odd, &n_odd, &err));
            assert_int_equal(n_odd, 0);
            for (size_t i = 0; i < FIELDS; i++)
                assert_true(mw_str_eq(mw_dictionary_text(texts.dictionary, codes[i]),
                                      mw_fields_at(&fields, i)));
        }
        assert_int_equal(mw_dictionary_size(texts.dictionary), size ? size + 1 : 0);
        mw_texts_done(&texts);
    }
}

MW_TEST_MAIN(MW_RUN(alike_texts_have_codes_of_their_own))
