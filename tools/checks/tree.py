"""The tree a check looks at, and how it speaks: `file:line: what is wrong (how to mend it)`."""

import fnmatch
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ".").resolve()
_found = []


def files(*patterns):
    """Files git knows or would add, as posix paths relative to ROOT, that match one of the patterns."""
    listing = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-co", "--exclude-standard", "-z"],
        check=True, capture_output=True).stdout.decode()
    names = sorted(name for name in set(listing.split("\0")) if name and (ROOT / name).is_file())
    return [name for name in names if not patterns or any(fnmatch.fnmatch(name, p) for p in patterns)]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8", errors="replace")


def code(name):
    """C source with comments and literals blanked out; line numbers stay."""
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))

    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    lines = text(name)
    includes = {m.start() for m in re.finditer(r'"[^"\n]*"', lines)
                if re.match(r"\s*#\s*include", lines[lines.rfind("\n", 0, m.start()) + 1:m.start() + 1])}
    return re.sub(pattern, lambda m: m.group(0) if m.start() in includes else blank(m), lines, flags=re.S)


def line_of(content, position):
    return content.count("\n", 0, position) + 1


def fault(name, line, what, mend):
    _found.append(f"{name}:{line}: {what} ({mend})")


def finish(title):
    for message in _found:
        print(message)
    print(f"{title}: {'%d fault(s)' % len(_found) if _found else 'ok'}")
    sys.exit(1 if _found else 0)
