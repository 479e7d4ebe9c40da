/*
 * time_number.c -- numbers as times: seconds and parts of seconds since 1970, Excel's days, cycles.
 *
 * Exact     digits are read as integers, so that no microsecond is lost to a double: 19 digits of nanoseconds have more
 *           than 53 bits. Only numbers with an exponent go through one.
 */
#include <string.h>

#include "core/text/number.h"
#include "core/text/time_step.h"

/* Excel counts days from here: 1900-01-01 is 1, and it thinks that 1900 was a leap year. */
#define EXCEL_DAY_0 INT64_C(-25569)
#define DAY_MS INT64_C(86400000)

static const int64_t tens[] = {1, 10, 100, 1000, 10000, 100000, 1000000};

typedef struct decimal {
    bool minus;
    uint64_t whole;
    const char *fraction; /* [n_fraction] digits */
    size_t n_fraction;
} decimal;

static size_t count_digits(const char *at, const char *end) {
    const char *first = at;
    while (at < end && (unsigned)(*at - '0') <= 9) at++;
    return (size_t)(at - first);
}

static bool read_decimal(const char *text, size_t size, char point, decimal *ret) {
    const char *at = text, *end = text + size;
    decimal d = {0};
    if (at < end && (*at == '-' || *at == '+')) d.minus = *at++ == '-';
    size_t n = count_digits(at, end);
    if (n > 19) return false;
    for (size_t i = 0; i < n; i++) d.whole = d.whole * 10 + (uint64_t)(at[i] - '0');
    at += n;
    if (at < end && *at == point) {
        at++;
        d.fraction = at;
        d.n_fraction = count_digits(at, end);
        at += d.n_fraction;
    }
    if (at != end || n + d.n_fraction == 0 || d.whole > INT64_MAX) return false;
    *ret = d;
    return true;
}

/* Microseconds of a number of units, each 10^digits microseconds; what is below one is cut. */
static bool scale(const decimal *d, size_t digits, int64_t *ret_us) {
    int64_t us, rest = 0;
    if (__builtin_mul_overflow((int64_t)d->whole, tens[digits], &us)) return false;
    for (size_t i = 0; i < digits; i++)
        rest = rest * 10 + (i < d->n_fraction ? d->fraction[i] - '0' : 0);
    if (__builtin_add_overflow(us, rest, &us)) return false;
    *ret_us = d->minus ? -us : us;
    return true;
}

static bool round_to_int(double x, int64_t *ret) {
    if (!(x > -9e18 && x < 9e18)) return false;
    int64_t whole = (int64_t)x;
    double rest = x - (double)whole;
    *ret = whole + (rest >= 0.5) - (rest <= -0.5);
    return true;
}

static bool read_excel(const decimal *d, int64_t *ret_us) {
    if (d->minus || d->whole > 2958465) return false;
    double part = 0, unit = 1;
    size_t n = d->n_fraction < 17 ? d->n_fraction : 17;
    for (size_t i = 0; i < n; i++) {
        part = part * 10 + (d->fraction[i] - '0');
        unit *= 10;
    }
    int64_t ms;
    if (!round_to_int(part / unit * (double)DAY_MS, &ms)) return false;
    *ret_us = ((int64_t)d->whole + EXCEL_DAY_0) * MW_DAY_US + ms * 1000;
    return true;
}

/* "1.7e9": as the double it names. */
static bool read_with_exponent(mw_time_kind kind, const char *text, size_t size, int64_t *ret_us) {
    static const double us_of[] = {
        [MW_FORM_UNIX_S] = 1e6,   [MW_FORM_UNIX_MS] = 1e3, [MW_FORM_UNIX_US] = 1,
        [MW_FORM_UNIX_NS] = 1e-3, [MW_FORM_CYCLE] = 1e6,   [MW_FORM_EXCEL] = 86400e6};
    double x;
    if (!memchr(text, 'e', size) && !memchr(text, 'E', size)) return false;
    if (!mw_number_read(text, size, &x)) return false;
    if (kind == MW_FORM_EXCEL) {
        if (x < 0 || !round_to_int(x * (double)DAY_MS, ret_us) || *ret_us > 2958466 * DAY_MS)
            return false;
        *ret_us = *ret_us * 1000 + EXCEL_DAY_0 * MW_DAY_US;
        return true;
    }
    return round_to_int(x * us_of[kind], ret_us);
}

static bool read_any(const mw_time_form *form, const char *text, size_t size, int64_t *ret_us) {
    decimal d;
    if (!read_decimal(text, size, form->decimal, &d))
        return read_with_exponent(form->kind, text, size, ret_us);
    switch (form->kind) {
    case MW_FORM_UNIX_S:
    case MW_FORM_CYCLE: return scale(&d, 6, ret_us);
    case MW_FORM_UNIX_MS: return scale(&d, 3, ret_us);
    case MW_FORM_UNIX_US: return scale(&d, 0, ret_us);
    case MW_FORM_UNIX_NS: {
        int64_t us = (int64_t)(d.whole / 1000);
        *ret_us = d.minus ? -us - (d.whole % 1000 != 0) : us; /* downward, so that order stays */
        return true;
    }
    case MW_FORM_EXCEL: return read_excel(&d, ret_us);
    default: return false;
    }
}

bool mw_time__number(const mw_time_form *form, mw_time_part part, const char *text, size_t size,
                     int64_t *ret_us) {
    int64_t us;
    if (!read_any(form, text, size, &us)) return false;
    if (part == MW_TIME_CLOCK) {
        if (form->kind == MW_FORM_EXCEL) us -= EXCEL_DAY_0 * MW_DAY_US;
        if (form->kind == MW_FORM_EXCEL) us %= MW_DAY_US;
        if (us < 0 || us > MW_DAY_US) return false;
        *ret_us = us;
        return true;
    }
    if (us < MW_TIME_FIRST_US || us >= MW_TIME_END_US) return false;
    if (form->kind == MW_FORM_EXCEL) {
        int64_t clock_us = (us % MW_DAY_US + MW_DAY_US) % MW_DAY_US;
        return mw_time__place((us - clock_us) / MW_DAY_US, clock_us, form->zone, part, ret_us);
    }
    *ret_us = us;
    return true;
}
