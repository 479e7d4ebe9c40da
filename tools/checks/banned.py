#!/usr/bin/env python3
"""Calls that src/ must not make, each with what to use instead. Exceptions: tools/checks/banned.txt."""

import re

import tree

LIBM = ("exp exp2 exp10 expm1 log log2 log10 log1p logb sin cos tan sincos sinh cosh tanh asin acos atan atan2 "
        "asinh acosh atanh pow cbrt hypot erf erfc lgamma tgamma j0 j1 jn y0 y1 yn")

RULES = [
    (" ".join(f"{f} {f}f {f}l" for f in LIBM.split()), "use core/base/math.h: libm's bits differ between machines"),
    ("strtod strtof strtold atof atoi atol atoll sscanf fscanf scanf",
     "use core/text/number.h: exact and free of the locale"),
    ("sprintf vsprintf strcpy strcat strncat stpcpy gets strtok", "use snprintf or core/base/str.h: bounded"),
    ("rand srand random srandom rand_r drand48 lrand48", "use core/base/rng.h: seeded and counter-based"),
    ("localtime localtime_r gmtime mktime ctime asctime strftime strptime tzset setlocale newlocale uselocale",
     "use core/text/datetime.h: UTC, no hidden state"),
    ("malloc calloc realloc reallocarray free strdup strndup asprintf vasprintf aligned_alloc posix_memalign "
     "memalign alloca getline getdelim",
     "use core/base/alloc.h: counted and with injectable faults"),
    ("open openat creat fopen freopen fdopen fwrite fsync fdatasync sync_file_range rename renameat renameat2 "
     "unlink unlinkat remove mkdir mkdirat rmdir truncate ftruncate fallocate posix_fallocate mkstemp mkdtemp tmpfile opendir "
     "fdopendir scandir nftw mmap write pwrite writev",
     "use core/base/files.h and dir.h: tests make them fail"),
    ("system popen", "start programs with posix_spawn or execve and an argument list"),
    ("time gettimeofday clock_gettime usleep nanosleep sleep", "use core/base/clock.h: tests set it"),
]

WHY = {word: why for words, why in RULES for word in words.split()}
# Not after . or -> (a table's function pointer), not in a declaration of such a member.
CALL = re.compile(r"(?<![\w.>*])(" + "|".join(map(re.escape, sorted(WHY))) + r")\s*\(")


def exceptions():
    allowed = {}
    path = tree.ROOT / "tools/checks/banned.txt"
    for number, line in enumerate(path.read_text().splitlines() if path.exists() else [], 1):
        fields = line.split("|")
        if line.startswith("#") or not line.strip():
            continue
        if len(fields) != 3 or not fields[2].strip():
            tree.fault("tools/checks/banned.txt", number, "not `file | calls | reason`", "give all three")
            continue
        allowed[fields[0].strip()] = (number, set(fields[1].split()))
    return allowed


allowed = exceptions()
for name in tree.files("src/*.c", "src/*.h"):
    source = tree.code(name)
    used = set()
    for match in CALL.finditer(source):
        word = match[1]
        if name in allowed and word in allowed[name][1]:
            used.add(word)
            continue
        tree.fault(name, tree.line_of(source, match.start()), f"{word}() is banned", WHY[word])
    for match in re.finditer(r"#\s*include\s*<(math|tgmath|complex|locale)\.h>", source):
        if name in allowed and match[1] + ".h" in allowed[name][1]:
            used.add(match[1] + ".h")
            continue
        tree.fault(name, tree.line_of(source, match.start()), f"<{match[1]}.h> is banned", "use core/base/math.h")
    if name in allowed:
        for word in sorted(allowed.pop(name)[1] - used):
            tree.fault("tools/checks/banned.txt", 1, f"{name} does not need {word}", "drop the exception")
for name, (number, _) in sorted(allowed.items()):
    tree.fault("tools/checks/banned.txt", number, f"{name} does not exist", "drop the line")

tree.finish("banned calls")
