"""Writes golden_fft.h: transforms by numpy.

    python tests/golden/stat/make.py        (made with numpy 1.26.4)
"""
import os
import subprocess

import numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
LENGTHS = (1, 2, 8, 12, 17, 30, 64)
rng = np.random.default_rng(3)

lines = ["/* golden_fft.h -- numpy.fft.fft of complex numbers; written by make.py next to it. */",
         "#ifndef MW_TESTS_GOLDEN_STAT_GOLDEN_FFT_H", "#define MW_TESTS_GOLDEN_STAT_GOLDEN_FFT_H", "",
         "#include <stdint.h>", "",
         f"static const int32_t golden_lengths[{len(LENGTHS)}] = {{{', '.join(map(str, LENGTHS))}}};"]


def pairs(values):
    return ", ".join(f"{float(v)!r}" for z in values for v in (z.real, z.imag))


x = [np.round(rng.normal(0, 3, n), 3) + 1j * np.round(rng.normal(0, 3, n), 3) for n in LENGTHS]
lines += ["/* One length after the other: re, im, re, im... */",
          f"static const double golden_numbers[{2 * sum(LENGTHS)}] = {{{', '.join(map(pairs, x))}}};",
          f"static const double golden_transforms[{2 * sum(LENGTHS)}] = "
          f"{{{', '.join(pairs(np.fft.fft(z)) for z in x)}}};", "", "#endif", ""]

path = os.path.join(HERE, "golden_fft.h")
with open(path, "w", encoding="ascii") as f:
    f.write("\n".join(lines))
subprocess.run(["clang-format", "-i", path], check=True)
