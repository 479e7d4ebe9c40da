"""Writes golden_blocks.h: features of single blocks of vibration by scipy.

    python tests/golden/feature/make_blocks.py        (made with numpy 1.26.4, scipy 1.17.1)
"""
import os
import subprocess

import numpy as np
from scipy import signal

HERE = os.path.dirname(os.path.abspath(__file__))
LENGTHS = (16, 17, 64, 100, 255)
RATE = 1000.0  # rows are a millisecond apart
LOW, HIGH = 62.5, 250.0
rng = np.random.default_rng(5)

lines = ["/* golden_blocks.h -- blocks of vibration and their features by scipy; written by make_blocks.py next to it. */",
         "#ifndef MW_TESTS_GOLDEN_FEATURE_GOLDEN_BLOCKS_H", "#define MW_TESTS_GOLDEN_FEATURE_GOLDEN_BLOCKS_H", "",
         "#include <stdint.h>", "",
         "enum { GOLDEN_BLOCK_US = 1000 };",
         f"static const double golden_block_low = {LOW}, golden_block_high = {HIGH};",
         f"static const int32_t golden_block_lengths[{len(LENGTHS)}] = {{{', '.join(map(str, LENGTHS))}}};"]


def block(n):
    """Bursts of a resonance, as a damaged bearing gives them, on a slow turn and noise, with an offset."""
    t = np.arange(n) / RATE
    bursts = np.exp(-((t * 1000) % 23) / 5) * np.sin(2 * np.pi * 180 * t)
    return np.round(9.81 + 0.7 * np.sin(2 * np.pi * 25 * t) + bursts + rng.normal(0, 0.2, n), 4)


def features(x):
    d = x - x.mean()
    frequency, power = signal.periodogram(x, RATE, window="hann", detrend="constant", scaling="spectrum")
    inside = (frequency >= LOW) & (frequency < HIGH)
    envelope = np.abs(signal.hilbert(d))
    return (np.sqrt(np.mean(x**2)), np.max(np.abs(d)) / np.sqrt(np.mean(d**2)),
            power[inside].sum() / power.sum(), np.sqrt(np.mean((envelope - envelope.mean())**2)))


blocks = [block(n) for n in LENGTHS]
lines += [f"static const double golden_block_values[{sum(LENGTHS)}] = "
          f"{{{', '.join(repr(float(v)) for x in blocks for v in x)}}};",
          "/* rms, crest, band_power, envelope_rms */",
          f"static const double golden_block_features[{len(LENGTHS)}][4] = {{"
          + ", ".join("{" + ", ".join(repr(float(v)) for v in features(x)) + "}" for x in blocks) + "};",
          "", "#endif", ""]

path = os.path.join(HERE, "golden_blocks.h")
with open(path, "w", encoding="ascii") as f:
    f.write("\n".join(lines))
subprocess.run(["clang-format", "-i", path], check=True)
