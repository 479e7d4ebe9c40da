#!/usr/bin/env python3
"""api/openapi.json is what the program's tables say."""

import subprocess

import tree

COMMITTED = "api/openapi.json"
program = tree.ROOT / "build/millwright"
if not program.exists():
    tree.fault(COMMITTED, 1, "build/millwright is missing", "run make")
else:
    run = subprocess.run([str(program), "openapi"], capture_output=True, timeout=30, check=False)
    if run.returncode != 0:
        tree.fault(COMMITTED, 1, "millwright openapi failed: " + run.stderr.decode(errors="replace").strip(), "mend it")
    elif not (tree.ROOT / COMMITTED).exists():
        tree.fault(COMMITTED, 1, "missing", "build/millwright openapi > api/openapi.json")
    else:
        old = (tree.ROOT / COMMITTED).read_bytes().splitlines()
        new = run.stdout.splitlines()
        for number, (have, want) in enumerate(zip(old + [b""], new + [b""]), 1):
            if have != want:
                tree.fault(COMMITTED, number, f"{have.decode().strip()!r} but the tables say {want.decode().strip()!r}",
                           "build/millwright openapi > api/openapi.json")
                break
        else:
            if len(old) != len(new):
                tree.fault(COMMITTED, min(len(old), len(new)), "not as long as what the tables say",
                           "build/millwright openapi > api/openapi.json")

tree.finish("contract")
