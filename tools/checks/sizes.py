#!/usr/bin/env python3
"""What is tracked stays small and readable: no file above 1 MiB, no binaries outside test data and pictures."""

import tree

MOST_BYTES = 1 << 20
BINARY_PLACES = ("tests/golden/", "tests/fuzz/corpus/")
PICTURES = (".png", ".jpg", ".woff2")

for name in tree.files():
    data = (tree.ROOT / name).read_bytes()
    if len(data) > MOST_BYTES:
        tree.fault(name, 1, f"{len(data)} bytes", f"at most {MOST_BYTES}: generate it or make it smaller")
    if b"\0" in data and not name.startswith(BINARY_PLACES) and not name.endswith(PICTURES):
        tree.fault(name, 1, "a binary file", "only below " + " and ".join(BINARY_PLACES))

tree.finish("sizes")
