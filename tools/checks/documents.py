#!/usr/bin/env python3
"""What documents name must exist: links, paths, mw_ names, make targets, command-line verbs."""

import glob
import os
import re
import subprocess

import tree

PROGRAM = tree.ROOT / "build/millwright"
TOPS = ("src", "tests", "tools", "docs", "web", "api", "bench", "deploy", ".ci", "core", "learn", "keep", "run")

sources = "\n".join(tree.text(name) for name in tree.files("src/*.[ch]", "tests/*.[ch]"))
names = set(re.findall(r"\bmw_\w+", sources))
targets = set()
for name in tree.files("Makefile", "*.mk"):
    for line in re.findall(r"^([A-Za-z][\w ./-]*?)\s*&?:(?!=)", tree.text(name), re.M):
        targets.update(line.split())
verbs = {}


def verb_exists(verb):
    if not PROGRAM.exists():
        return True
    if verb not in verbs:
        run = subprocess.run([str(PROGRAM), verb, "--help"], capture_output=True, timeout=10, check=False)
        verbs[verb] = run.returncode == 0
    return verbs[verb]


def path_exists(path, folder):
    pattern = re.sub(r"\{[^}]*\}|<[^>]*>|NNNN|NAME", "*", path.rstrip("/").split("#")[0])
    places = (tree.ROOT, tree.ROOT / "src", tree.ROOT / folder)
    return any(glob.glob(os.path.join(str(place), pattern)) for place in places)


def check_code(name, line, snippet):
    for word in re.findall(r"(?<![\w./-])mw_[a-z0-9_]+\*?", snippet):
        known = any(n.startswith(word[:-1]) for n in names) if word.endswith("*") else (
            word in names or word.endswith("_") and any(n.startswith(word) for n in names))
        if not known:
            tree.fault(name, line, f"{word} does not exist", "name what the sources declare")
    for words in re.findall(r"(?:^|[;&|]\s*|sudo )make((?: +[\w.=/-]+)*)", snippet.strip()):
        for word in words.split():
            if "=" not in word and not word.startswith("-") and not re.fullmatch(r"[\d.]+", word) and word not in targets:
                tree.fault(name, line, f"make {word} is no target", "see `make help`")
    for verb in re.findall(r"(?:^|[;&|]\s*|build/)millwright +([a-z][a-z-]*)", snippet.strip()):
        if not verb_exists(verb):
            tree.fault(name, line, f"millwright {verb} is no verb", "see `millwright --help`")


def check_path(name, line, snippet):
    if re.fullmatch(r"[\w.*{}<>,-]+(/[\w.*{}<>,-]+)*/?", snippet) and snippet.split("/")[0] in TOPS and "/" in snippet:
        if not path_exists(snippet, os.path.dirname(name)):
            tree.fault(name, line, f"{snippet} does not exist", "name a file or folder of the repository")


for name in tree.files("*.md"):
    content = tree.text(name)
    fenced = False
    for number, row in enumerate(content.splitlines(), 1):
        if row.startswith("```"):
            fenced = not fenced
        elif fenced or row.startswith("    "):
            check_code(name, number, row)
        else:
            for snippet in re.findall(r"`([^`]+)`", row):
                check_code(name, number, snippet)
                check_path(name, number, snippet)
            for link in re.findall(r"\]\(([^)\s]+)\)", row):
                if not re.match(r"[a-z]+:|#", link) and not path_exists(link, os.path.dirname(name)):
                    tree.fault(name, number, f"the link {link} leads nowhere", "name an existing file")

tree.finish("documents")
