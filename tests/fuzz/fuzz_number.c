/* fuzz_number.c -- any bytes as a number: what is read prints and reads back to the same bits. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/text/number.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    double value, again;
    char text[MW_NUMBER_MAX];
    int64_t whole, same;
    const char *input = (const char *)data;
    if (mw_number_read_int(input, size, &whole)) {
        size_t n = mw_number_print_int(whole, text);
        if (!mw_number_read_int(text, n, &same) || same != whole) abort();
        if (!mw_number_read(input, size, &value)) abort();
    }
    if (mw_number_read(input, size, &value) && value - value == 0) {
        size_t n = mw_number_print(value, text);
        if (n >= MW_NUMBER_MAX || !mw_number_read(text, n, &again)) abort();
        if (memcmp(&value, &again, sizeof value) != 0) abort();
    }
    float single;
    if (size >= sizeof single) {
        memcpy(&single, data, sizeof single);
        if (mw_number_print_float(single, text) >= MW_NUMBER_MAX) abort();
    }
    if (size >= sizeof value) {
        memcpy(&value, data, sizeof value);
        size_t n = mw_number_print(value, text);
        if (n >= MW_NUMBER_MAX) abort();
        if (value - value == 0 && (!mw_number_read(text, n, &again) || again != value)) abort();
    }
    return 0;
}
