#!/usr/bin/env python3
"""npm's files: exact versions, checksums for everything, no download addresses."""

import json
import re

import tree

for name in tree.files("web/package.json", "*/package.json"):
    content = tree.text(name)
    package = json.loads(content)
    for group in ("dependencies", "devDependencies"):
        for module, version in package.get(group, {}).items():
            if not re.fullmatch(r"\d+\.\d+\.\d+(-[\w.]+)?", version):
                line = tree.line_of(content, content.find(f'"{module}"'))
                tree.fault(name, line, f"{module} {version} is not one exact version", "pin it: 1.2.3")

for name in tree.files("web/package-lock.json", "*/package-lock.json"):
    content = tree.text(name)
    for match in re.finditer(r'"resolved"', content):
        tree.fault(name, tree.line_of(content, match.start()), "a download address",
                   "run npm install in a folder whose .npmrc has omit-lockfile-registry-resolved=true")
    for module, entry in json.loads(content).get("packages", {}).items():
        if module and not entry.get("link") and "integrity" not in entry:
            line = tree.line_of(content, content.find(f'"{module}"'))
            tree.fault(name, line, f"{module} has no checksum", "run npm install again")

tree.finish("lockfile")
