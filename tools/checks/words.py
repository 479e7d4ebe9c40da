#!/usr/bin/env python3
"""Words that have no place in the tree: notes to self, paths of one machine, package hosts."""

import re

import tree

# In pieces, so that this file passes its own check.
NOTES = ["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]
HOSTS = ["deb.deb" + "ian.org", "registry.np" + "mjs.org", "py" + "pi.org", "files.python" + "hosted.org"]
FOLDERS = ["/wo" + "rk/", "/ro" + "ot/", "/home/" + r"[a-z]+/"]

RULES = [
    (r"\b(?:" + "|".join(NOTES) + r")\b", "a note to self", "do it, or open an issue"),
    ("|".join(map(re.escape, HOSTS)), "a package host", "leave hosts to the machine's own settings"),
    (r"(?<![\w.$})/*\]-])(?:" + "|".join(FOLDERS) + ")", "a path of one machine", "use a relative path or a variable"),
]

for name in tree.files():
    data = (tree.ROOT / name).read_bytes()
    if b"\0" in data[:8192] or name.startswith("tests/fuzz/corpus/"):
        continue
    content = data.decode("utf-8", errors="replace")
    for pattern, what, mend in RULES:
        for match in re.finditer(pattern, content):
            tree.fault(name, tree.line_of(content, match.start()), f"{what}: {match[0]}", mend)

tree.finish("words")
