#!/usr/bin/env python3
"""File names, first comments, header guards, lengths, a README for each source folder."""

import re

import tree

MOST_LINES = 700

seen = {}
for name in tree.files("src/*.c", "src/*.h", "tests/*.c", "tests/*.h"):
    base = name.rsplit("/", 1)[-1]
    if base in seen:
        tree.fault(name, 1, f"{base} also names {seen[base]}", "rename one: file names are unique")
    seen[base] = name
    lines = tree.text(name).splitlines()
    start = "\n".join(lines[:4])
    if not start.startswith("/*"):
        tree.fault(name, 1, "no first comment", f"open with /* {base} -- what it is for */")
    elif not re.match(r"/\*\s*(\*\s*)?" + re.escape(base) + r" -- \S", start) and not name.startswith("tests/unit/"):
        tree.fault(name, 1, "the first comment does not name the file", f"open with /* {base} -- what it is for */")
    if base.endswith(".h"):
        path = name[4:] if name.startswith("src/") else name
        guard = "MW_" + re.sub(r"[^A-Z0-9]", "_", path.upper())
        if not any(line == f"#ifndef {guard}" for line in lines) or f"#define {guard}" not in lines:
            tree.fault(name, 1, "wrong or missing header guard", f"it must be {guard}")

for name in tree.files("src/*.c", "src/*.h", "tests/*.c", "tests/*.h", "tests/*.py", "tests/*.sh", "tools/*", "bench/*.py"):
    n_lines = tree.text(name).count("\n")
    if n_lines > MOST_LINES:
        tree.fault(name, MOST_LINES, f"{n_lines} lines", f"split it: at most {MOST_LINES}")

for folder in sorted({name.rsplit("/", 1)[0] for name in tree.files("src/*.c")}):
    if not (tree.ROOT / folder / "README.md").exists():
        tree.fault(folder, 1, "no README.md", "say what the folder is for, in 10 to 40 lines")
    if folder.rsplit("/", 1)[-1] in ("util", "utils", "common", "misc", "helpers"):
        tree.fault(folder, 1, "a folder without a subject", "name what it is about")

tree.finish("names")
