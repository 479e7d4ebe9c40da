#!/usr/bin/env python3
"""Who may include whom: a folder of src/ uses lower floors and, on its own floor, only what is listed."""

import re

import tree

FLOORS = {
    "core": {"base": "", "text": "base", "param": "base text", "table": "base text"},
    "learn": {
        "stat": "", "metric": "stat", "feature": "stat", "linear": "stat", "tree": "stat metric",
        "forecast": "stat metric", "anomaly": "stat metric linear tree",
        "model": "stat metric feature linear tree forecast anomaly", "tune": "metric feature model",
    },
    "keep": {"net": "", "store": "net", "track": "store net", "ingest": "store net", "report": ""},
    "run": {
        "live": "", "job": "", "op": "live job", "serve": "op live job", "cli": "op serve job",
        "lib": "live",
    },
}
ORDER = list(FLOORS)

# Third-party and system headers that only some folders may know.
RESERVED = {
    r"sqlite3\.h": ["keep/store"],
    r"libpq-fe\.h": ["keep/store"],
    r"curl/.*": ["keep/net"],
    r"sodium\.h": ["run/op"],
    r"hiredis/.*": ["run/job"],
    r"uv\.h": ["run/serve"],
    r"llhttp\.h": ["run/serve"],
    r"openssl/(ssl|pem)\.h": ["run/serve"],
    r"onnx\.pb-c\.h": ["learn/model"],
    r"protobuf-c/.*": ["learn/model", "keep/ingest"],
    r"sleef\.h": ["core/base"],
    r"(sys/socket|netinet/.*|arpa/.*|netdb|poll|sys/epoll)\.h": ["keep/net", "keep/ingest", "keep/store", "run/serve", "run/job", "run/cli"],
    r"(fcntl|dirent|sys/mman)\.h": ["core/base", "core/text", "keep/store", "keep/ingest", "run/job", "run/op", "run/serve", "run/cli"],
}

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(["<])([^">]+)[">]', re.M)


def check_own(name, line, floor, folder, target):
    parts = target.split("/")
    if len(parts) != 3 or parts[0] not in FLOORS:
        tree.fault(name, line, f'"{target}" is not a path from src/',
                   'write "floor/folder/file.h"; <...> for what is not ours')
        return
    other_floor, other = parts[0], parts[1]
    if other not in FLOORS[other_floor]:
        tree.fault(name, line, f"{other_floor}/{other} is no known folder", "add it to tools/checks/layers.py")
    elif not (tree.ROOT / "src" / target).exists():
        tree.fault(name, line, f"src/{target} does not exist", "name an existing header")
    elif ORDER.index(other_floor) > ORDER.index(floor):
        tree.fault(name, line, f"{floor} may not use the higher floor {other_floor}",
                   "move the code up, or hand in a function from above")
    elif other_floor == floor and other != folder and other not in FLOORS[floor][folder].split():
        allowed = FLOORS[floor][folder] or "nothing"
        tree.fault(name, line, f"{floor}/{folder} may not use {floor}/{other}",
                   f"on its floor it may use: {allowed}")


def check_reserved(name, line, place, target):
    for pattern, places in RESERVED.items():
        if re.fullmatch(pattern, target) and place not in places:
            tree.fault(name, line, f"<{target}> is not for {place}", "it is for " + ", ".join(places))


internals = {}
for name in tree.files("src/*.c", "src/*.h"):
    parts = name.split("/")
    if len(parts) != 4 or parts[1] not in FLOORS or parts[2] not in FLOORS[parts[1]]:
        tree.fault(name, 1, "not in a folder of the map", "put it in src/floor/folder/, see docs/ARCHITECTURE.md")
        continue
    source = tree.code(name)
    generated = ("onnx.pb-c.h", "llhttp.h")
    for match in INCLUDE.finditer(source):
        line = tree.line_of(source, match.start())
        if match[1] == '"' and match[2] not in generated:
            check_own(name, line, parts[1], parts[2], match[2])
        else:
            check_reserved(name, line, f"{parts[1]}/{parts[2]}", match[2])
    for match in re.finditer(r"\bmw_[a-z0-9]+(?:_[a-z0-9]+)*__\w+", source):
        internals.setdefault(match[0], {}).setdefault(f"{parts[1]}/{parts[2]}",
                                                      (name, tree.line_of(source, match.start())))

for word, uses in sorted(internals.items()):
    if len(uses) > 1:
        for name, line in uses.values():
            tree.fault(name, line, f"{word} is internal to one folder but used in {', '.join(sorted(uses))}",
                       "make it public (one underscore) or keep it in its folder")

tree.finish("layers")
