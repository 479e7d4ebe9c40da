#!/usr/bin/env python3
"""pyarrow_reader -- the reader's two paths and pyarrow's CSV reader on random and mutated tables, every cell compared.

serve_reader reads each table by the plain lexer and by marks, at every CPU level and with blocks of several sizes, and answers only when all
agree; pyarrow reads the same bytes in this process meanwhile. pyarrow_oracle.py says what is compared, pyarrow_texts.py where tables
come from. What differs is made smaller, written to build/pyarrow-reader, and the exit status is 1; copied to
tests/fuzz/corpus/pyarrow_reader it is asked again at the start of each run. Needs `make venv`.
"""
import argparse
import hashlib
import os
import random
import select
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import pyarrow_oracle as oracle  # noqa: E402
import pyarrow_texts as texts  # noqa: E402

CORPUS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus")
KEPT = os.path.join("build", "pyarrow-reader")
PATIENCE_S = 30
POOL = 600  # cases that mutations begin with


class Server:
    """serve_reader, started again when it died."""

    def __init__(self, program):
        self.program, self.process = program, None

    def ask(self, case):
        if self.process is None:
            self.process = subprocess.Popen([self.program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        request = case.request()
        try:
            self.process.stdin.write(len(request).to_bytes(4, sys.byteorder) + request)
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # told by the answer that does not come

    def answer(self):
        """(first byte of the reply, the rest); without one (None, what happened)."""
        if not select.select([self.process.stdout], [], [], PATIENCE_S)[0]:
            self.process.kill()
            self.process.wait()
            self.process = None
            return None, b"does not answer"
        size = self.process.stdout.read(4)
        content = self.process.stdout.read(int.from_bytes(size, sys.byteorder)) if len(size) == 4 else b""
        if content:
            return content[0], content[1:]
        status, self.process = self.process.wait(), None
        return None, f"ended with status {status}".encode()

    def close(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait()


def judge(case, kind, content):
    """(how it was compared, None or what differs, what is new about it)."""
    if kind is None or kind == 2:
        return "ways", f"the reader {content.decode(errors='replace')}", ()
    if kind == 1:
        return "refused", None, (content[:24],)
    try:
        reply = oracle.parse(content)
        how, found = oracle.difference(case, reply)
    except (AssertionError, oracle.pa.ArrowInvalid) as e:
        return "rows", f"{type(e).__name__}: {e}", ()
    kinds = frozenset(bad.reason.partition(":")[0].lstrip("0123456789") for bad in reply.bad)
    return how, found and f"the reader {found}", (how, kinds, case.learn, min(reply.n_rows, 3))


def look(server, case):
    server.ask(case)
    return judge(case, *server.answer())


def smaller(server, case, seconds=30):
    """The case with as few lines, then bytes, as still differ."""
    until = time.monotonic() + seconds

    def differs(body):
        return time.monotonic() < until and look(server, case.with_body(body))[1] is not None

    for pieces_of in (texts.lines_of, lambda body: [body[i:i + 1] for i in range(len(body))]):
        pieces = pieces_of(case.body)
        step = max(1, len(pieces) // 2)
        while step and pieces:
            at = 0
            while at < len(pieces):
                less = pieces[:at] + pieces[at + step:]
                if differs(b"".join(less)):
                    pieces = less
                else:
                    at += step
            step //= 2
        case = case.with_body(b"".join(pieces))
    return case


def report(server, case, why, name):
    print(f"{name}: {why}")
    case = smaller(server, case)
    content = case.to_file()
    os.makedirs(KEPT, exist_ok=True)
    path = os.path.join(KEPT, hashlib.sha1(content).hexdigest()[:16])
    with open(path, "wb") as f:
        f.write(content)
    print(f"{path}: {look(server, case)[1]}")
    print(content[:2000].decode(errors="replace"))


class Source:
    """Cases without end: tables of the grammar, inputs of fuzz_reader, and mutations of both and of what was new."""

    def __init__(self, draw):
        self.draw, self.met = draw, set()
        self.reader = [content for _, content in texts.seeds(os.path.join(CORPUS, "reader"))]
        self.pool = [texts.from_file(content) for _, content in texts.seeds(os.path.join(CORPUS, "pyarrow_reader"))]

    def next(self):
        way = self.draw.random()
        if way < 0.2 or len(self.pool) < 20:
            return texts.table(self.draw)
        if way < 0.25 and self.reader:
            return texts.of_reader_corpus(self.draw, self.draw.choice(self.reader))
        return texts.mutated(self.draw, self.draw.choice(self.pool), self.draw.choice(self.pool))

    def note(self, case, news):
        """A case that shows something new, and now and then any, is mutated further."""
        if news in self.met and self.draw.random() > 0.02 or len(case.body) > 6000:
            return
        self.met.add(news)
        if len(self.pool) < POOL:
            self.pool.append(case)
        else:
            self.pool[self.draw.randrange(POOL)] = case


def replay(server):
    for name, content in texts.seeds(os.path.join(CORPUS, "pyarrow_reader")):
        case = texts.from_file(content)
        why = look(server, case)[1]
        if why:
            print(f"tests/fuzz/corpus/pyarrow_reader/{name}: {why}")
            return False
    return True


def fuzz(server, seconds, seed):
    source = Source(random.Random(seed))
    begin, n, hows = time.monotonic(), 0, {}
    case = source.next()
    server.ask(case)
    while time.monotonic() - begin < seconds:
        answer, ahead = server.answer(), source.next()
        server.ask(ahead)  # read over there while this one is judged here
        how, why, news = judge(case, *answer)
        if why:
            server.answer()
            report(server, case, why, f"seed {seed}, table {n}")
            return False
        hows[how] = hows.get(how, 0) + 1
        source.note(case, news)
        case, n = ahead, n + 1
    server.answer()
    spent = time.monotonic() - begin
    shares = ", ".join(f"{100 * count / n:.1f} % {how}" for how, count in sorted(hows.items(), key=lambda item: -item[1]))
    print(f"seed {seed}: {n} tables, {n / max(spent, 1e-9):.0f} a second; {shares}; {len(source.met)} kinds", flush=True)
    return True


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--server", default="build/release/tests/fuzz/serve_reader")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("files", nargs="*", help="kept cases to look at instead")
    options = parser.parse_args(arguments)
    server = Server(options.server)
    seed = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    try:
        if options.files:
            found = []
            for path in options.files:
                with open(path, "rb") as f:
                    how, why, _ = look(server, texts.from_file(f.read()))
                print(f"{path}: {why or 'equal'} ({how})")
                found.append(why)
            return 1 if any(found) else 0
        return 0 if replay(server) and fuzz(server, options.seconds, seed) else 1
    finally:
        server.close()


if __name__ == "__main__":
    sys.exit(main())
