#!/usr/bin/env python3
"""Writes src/core/text/pow10.c: the 128-bit powers of ten that number reading and printing share.

Entry k holds g = ceil(10^k * 2^-r), where r makes 2^127 <= g < 2^128. Exact integers throughout.
Usage: tools/generate-pow10.py > src/core/text/pow10.c
"""

FIRST, LAST = -342, 324  # reading needs -342..308, printing -292..324


def entry(k):
    if k >= 0:
        power = 10**k
        shift = power.bit_length() - 128
        g = power << -shift if shift <= 0 else -(-power >> shift)
    else:
        power = 10**-k
        bits = power.bit_length() + 127
        g = -(-(1 << bits) // power)
        if g >> 128:  # 10^-k a power of two would do this; it never is
            raise SystemExit(f"{k}: does not fit")
    assert 1 << 127 <= g < 1 << 128, k
    assert k <= 55 or g & (2**64 - 1), k  # reading subtracts 1 from the low word there
    return f"{{0x{g >> 64:016X}u, 0x{g & (2**64 - 1):016X}u}},"


print("/* pow10.c -- written by tools/generate-pow10.py; see pow10.h. Do not edit. */")
print('#include "core/text/pow10.h"\n')
print("/* clang-format off */")
print("const mw_pow10 mw_pow10__table[MW_POW10_LAST - MW_POW10_FIRST + 1] = {")
rows = [entry(k) for k in range(FIRST, LAST + 1)]
for i in range(0, len(rows), 2):
    print("    " + " ".join(rows[i : i + 2]))
print("};")
