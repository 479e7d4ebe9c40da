/* fuzz_datetime.c -- any bytes as a stamp or span: what is read prints and reads back the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/datetime.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const char *input = (const char *)data;
    char text[MW_TIME_TEXT_MAX];
    int64_t us, again;
    bool zoned;
    if (mw_time_read(input, size, &us, &zoned)) {
        size_t n = mw_time_print(us, text);
        if (!mw_time_read(text, n, &again, &zoned) || again != us || !zoned) abort();
    }
    if (mw_time_read_date(input, size, &us) && !mw_time_read(input, size, &again, &zoned)) abort();
    if (mw_time_read_clock(input, size, &us) && (us < 0 || us >= INT64_C(86401000000))) abort();
    if (mw_duration_read(input, size, &us)) {
        size_t n = mw_duration_print(us, text);
        if (us <= 0 || !mw_duration_read(text, n, &again) || again != us) abort();
    }
    if (size >= sizeof us) {
        memcpy(&us, data, sizeof us);
        mw_civil civil;
        mw_time_civil(us, &civil);
        if (mw_time_print(us, text) >= MW_TIME_TEXT_MAX) abort();
    }
    return 0;
}
