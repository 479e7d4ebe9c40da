"""pyarrow_texts -- the tables that pyarrow_reader.py asks about: written from a grammar, taken from the corpus of fuzz_reader, and mutated.

A case is a table's dialect, the types of its columns, and its bytes: a header line that no mutation touches (both readers are told the
columns, so that finding them is no part of the comparison) and a body where anything may stand. As a file it is one line of JSON, then
the bytes.
"""
import dataclasses
import decimal
import json
import math
import os
import re
import struct

FORMS = ["iso", "dd/mm/yyyy HH:MM:SS", "unix-s", "unix-ms"]  # serve_reader.c has them in the same order
WORDS = ["pump", "Öl", "a b", "3/4", "valve 7", "日本", "it's", "#1", "50 %", "on;off", "a,b", "a|b", "tab\tbed", 'say "hi"', "two\nlines", "e", " padded ", "\u00a0",
         "x" * 31, "x" * 32, "x" * 33, "x" * 64, "line\r\nend", '"', '""', "é" * 20, "true", "5", "1e5", "\ufeff"]
MISSING = ["", "NA", "N/A", "NaN", "null", "na", "nULL", "-", "--", "?", "none", "#N/A", "-999", " ", "\t"]
ODD_NUMBERS = ["0", "-0.0", "+5", "5.", ".5", "-.5e1", ".", "-", "1e", "1e+", "e5", "1e308", "1.8e308", "-1e999", "5e-324", "2e-324", "2.4703282292062328e-324", "1e-400",
               "2.2250738585072014e-308", "2.2250738585072011e-308", "9007199254740993", "9007199254740992.5", "0.1", "1E5", "00012", "1.7976931348623157e308",
               "1.7976931348623158e308", "1.7976931348623159e308", "inf", "-Infinity", "nan", "-nan", "0x10", "1_000", "1,5", "1 5", "1e00000000000000000005", "1e-00005",
               "0e999999999999", "12345678901234567890", "18446744073709551616", "9" * 19, "9" * 20, "0" * 40 + "7", "0." + "0" * 40 + "7", "1" + "0" * 330, "-999.0", "-9.99e2",
               "true", "False", "TRUE", "1.5.5", "--5", "+-5", "5-", "٣", "1e5.5", "\u22125", "-\u22125", "\u00a07.5\u202f", "\u2212\u20095", "1\u202f234", "5\u00b2", "\u2212" * 27, "123456789012345.678901234567890"]
LONG_NUMBERS = ["0.", "1", "-17.", " 0.", "0,", "1,234."]  # and some thousand digits
ODD_STAMPS = ["2026-01-05", "2026-01-05 12", "2026-01-05T12:30", "2026-01-05t12:30z", "2026-01-05 12:30:60", "2026-01-05 24:00", "2026-01-05 24:00:00", "2026-01-05 24:00:01", "2026-02-29",
              "2024-02-29 00:00:00", "2026-13-01", "0000-01-01", "0000-01-01 00:00:00+01:00", "9999-12-31 23:59:59.999999", "9999-12-31 23:59:59-01:00", "2026-01-05 12:30:15.1234567",
              "2026-01-05 12:30:15,5", "2026-01-05 12:30:15.", "2026-01-05T12:30:15+01", "2026-01-05T12:30:15+0130", "2026-01-05T12:30:15-23:59", "2026-01-05T12:30:15+24:00",
              " 2026-01-05 12:30:15 ", "2026-1-5 12:30", "20260105", "1767571200", "1767571200.5", "-1", "05/01/2026 12:30:15", "31/02/2026 00:00:00", "5/1/2026 1:2:3"]
EDGES = [[0, 1, 1600, 1900, 1969, 2000, 2024, 9999], [0, 1, 2, 11, 12, 13, 99], [0, 1, 29, 30, 31, 32], [0, 23, 24, 25], [0, 59, 60, 61, 99], [0, 59, 60, 61, 99]]  # of stamps
TOKENS = [b",", b";", b"\t", b"|", b"\n", b"\n", b"\r\n", b"\r", b'"', b'"', b'""', b'"\n"', b'","', b"'", b" ", b"\n\n", b"\r\n\r\n", b",,", b"1", b"2.5", b"-7", b"x", b"NA", b"true", b"1e999", b"inf",
          b"2026-01-01 00:00:00", b"a,b", "é".encode(), b"\xef\xbb\xbf", b"\xff", b"\xc3", b"\0", b"#", b"\\", b"0x1", b"e", b"E+", b".", b"-", b"+", b"9" * 17, b"0" * 22, b"\x0b", b"\x1a", b"\x7f", b"\xc2\xa0"]


@dataclasses.dataclass(frozen=True)
class Case:
    types: str  # t, n, s or b for each column: time (the first t), number, text, truth value
    head: bytes = b""
    body: bytes = b""
    separator: str = ","
    quote: str = '"'  # empty: none
    decimal: str = "."
    learn: bool = False  # a table of its own: refused rows stay, without values
    unify: bool = False  # a CR alone ends a line
    mark: bool = False  # -999 is missing
    form: str = "iso"
    seed: int = 0  # of the sizes of blocks

    @property
    def data(self):
        return self.head + self.body

    def with_body(self, body):
        return dataclasses.replace(self, body=body)

    def request(self):
        flags = self.learn + 2 * self.unify + 4 * self.mark
        quote = ord(self.quote) if self.quote else 0
        mark = 3 if self.head.startswith(b"\xef\xbb\xbf") else 0  # the file's text begins behind it
        fixed = struct.pack("<8BI", ord(self.separator), quote, ord(self.decimal), flags, FORMS.index(self.form), self.seed, len(self.types), 0, len(self.head) - mark)
        return fixed + self.types.encode() + self.data

    def to_file(self):
        options = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in ("head", "body")}
        return json.dumps(options).encode() + b"\n" + self.data


def from_file(content):
    options, data = content.split(b"\n", 1)
    at = data.find(b"\n") + 1 or len(data)
    return Case(head=data[:at], body=data[at:], **json.loads(options))


# ---- cells ----

def between(draw):
    """The exact middle of two neighboring doubles, or a little beside it: where rounding is decided by the last digit."""
    bits = draw.randrange(1, 0x7FE) << 52 | draw.getrandbits(52)
    if draw.random() < 0.5:
        bits = draw.randrange(1023 - 40, 1023 + 70) << 52 | draw.getrandbits(52) & -(1 << draw.randrange(52))
    low, high = struct.unpack("<2d", struct.pack("<2q", bits, bits + 1))
    if math.isinf(high):
        return repr(low)
    with decimal.localcontext() as context:
        context.prec = 1200
        middle = (decimal.Decimal(low) + decimal.Decimal(high)) / 2
        if draw.random() < 0.3:
            middle += draw.choice([-1, 1]) * middle.scaleb(-draw.choice([18, 19, 20, 25, 60, 800]))
        digits = draw.choice([0, 17, 18, 19, 20, 21, 40])
        text = f"{middle:.{digits}e}" if digits else str(middle)
        return text if len(text) < 900 else f"{middle:.30e}"


def number(draw, odd):
    way = draw.randrange(12 if odd else 10)
    if way < 3:
        return f"{draw.uniform(-1000, 1000):.{draw.randrange(5)}f}"
    if way == 3:
        return str(draw.randrange(-10 ** draw.randrange(1, 25), 10 ** draw.randrange(1, 25)))
    if way == 4:
        return repr(draw.uniform(-1, 1) * 10.0 ** draw.randrange(-30, 30))
    if way == 5:
        return f"{draw.uniform(-10, 10):.{draw.randrange(12)}e}"
    if way == 6:
        return f"{draw.randrange(10 ** draw.randrange(1, 20))}.{draw.randrange(10 ** 17):0{draw.randrange(1, 18)}d}"
    if way == 7:
        return f"-0.{'0' * draw.randrange(30)}{draw.randrange(1, 10 ** draw.randrange(1, 20))}"
    if way == 8:
        return repr(struct.unpack("<d", struct.pack("<Q", draw.getrandbits(64)))[0])
    if way == 9:
        return between(draw)
    if way == 10:
        return f"{draw.choice(['', '-', '+'])}{draw.randrange(10 ** 6)}{draw.choice('eE')}{draw.choice(['', '-', '+'])}{draw.randrange(330)}"
    if draw.random() < 0.02:
        return draw.choice(LONG_NUMBERS) + str(draw.randrange(1, 10)) * draw.choice([300, 1000, 1023, 1024, 1025, 4096, 5000]) + draw.choice(["", "e-9", "e-1030", " "])
    return draw.choice(ODD_NUMBERS)


def stamp(draw, form, odd):
    if odd and draw.random() < 0.1:
        return draw.choice(ODD_STAMPS)
    seconds = draw.randrange(10 ** 9) if draw.random() < 0.3 else draw.randrange(86400)
    if form.startswith("unix"):
        return str((1767571200 + seconds) * (1000 if form == "unix-ms" else 1))
    parts = [1990 + seconds // (86400 * 366), 1 + seconds // 86400 % 12, 1 + seconds // 86400 % 28, seconds // 3600 % 24, seconds // 60 % 60, seconds % 60]
    if odd and draw.random() < 0.2:
        k = draw.randrange(6)
        parts[k] = draw.choice(EDGES[k])
    year, month, day, h, m, s = parts
    if form != "iso":
        return f"{day:02d}/{month:02d}/{year:04d} {h:02d}:{m:02d}:{s:02d}"
    text = f"{year:04d}-{month:02d}-{day:02d}{draw.choice('T   ')}{h:02d}:{m:02d}"
    if draw.random() < 0.9:
        text += f":{s:02d}"
        if draw.random() < 0.2:
            text += f".{draw.randrange(10 ** 6):06d}"[:draw.randrange(2, 8)]
    return text + (draw.choice(["Z", "+01:00", "-0530"]) if odd and draw.random() < 0.05 else "")


def value(draw, case, kind, odd=True):
    """A cell; without odd ones pyarrow reads the whole file."""
    if kind == "n":
        text = number(draw, odd)
        return text.replace(".", ",") if case.decimal == "," and draw.random() < 0.98 else text
    if kind == "t":
        return stamp(draw, case.form, odd)
    if kind == "b":
        return draw.choice(["true", "false", "TRUE", "False", "1", "0", "tRuE", "1.0", "2"][:None if odd else 7])
    return draw.choice(WORDS if odd else WORDS[:16]) if draw.random() < 0.98 else draw.choice('xé" ') * draw.choice([2000, 2048, 4095, 4096, 4097, 5000])


def written(draw, case, text, quoting):
    quote = case.quote
    special = any(c in text for c in (case.separator, "\n", "\r", quote or "\n"))
    if not quote:
        return text if not special else "x"
    if special or draw.random() < quoting:
        return quote + text.replace(quote, quote + quote) + quote
    return text


# ---- tables ----

def kinds_of(draw, learn):
    kinds = [draw.choice("nnnnssb") for _ in range(draw.choice([1, 2, 2, 3, 3, 4, 5, 8, 17]))]
    if draw.random() < 0.7:
        kinds[0 if draw.random() < 0.8 else draw.randrange(len(kinds))] = "t"
    if not learn and not set(kinds) - {"t"}:
        kinds.append("n")
    return "".join(kinds)


def dialect(draw):
    learn, decimal_mark = draw.random() < 0.5, draw.choice("....,")
    return Case(types=kinds_of(draw, learn), separator=draw.choice(";\t|") if decimal_mark == "," or draw.random() < 0.3 else ",", decimal=decimal_mark,
                quote=draw.choice(['"'] * 8 + ["'", ""]), learn=learn, unify=draw.random() < 0.2, mark=draw.random() < 0.2,
                form=draw.choice(FORMS[:1] * 5 + FORMS[1:]), seed=draw.randrange(256))


def head_of(draw, case):
    quoted = case.quote if draw.random() < 0.1 else ""
    names = case.separator.join(f"{quoted}c{i}{quoted}" for i in range(len(case.types)))
    return (b"\xef\xbb\xbf" if draw.random() < 0.05 else b"") + names.encode() + draw.choice([b"\n", b"\n", b"\r\n"])


def table(draw):
    case = dialect(draw)
    n = draw.choice([0, 1, 2, 3, 5, 9, 17, 33, 60] if draw.random() < 0.99 else [300, 1100])
    gaps, quoting, same = draw.choice([0, 0, 0.03, 0.3]), draw.choice([0, 0, 0.1, 1]), draw.random() < 0.3
    ends = draw.choice([["\n"], ["\r\n"], ["\n", "\r\n"], ["\r"] if case.unify else ["\n"], ["\n", "\r\n", "\n\n"]])
    lines, row, odd = [], None, draw.random() < 0.5
    for _ in range(n):
        if row is None or not same or draw.random() < 0.5:
            row = case.separator.join(written(draw, case, draw.choice(MISSING if odd else MISSING[:7]) if draw.random() < gaps and (odd or kind != "t") else value(draw, case, kind, odd), quoting)
                                      for kind in case.types)
        lines.append(row + draw.choice(ends))
    body = "".join(lines)
    if body and draw.random() < 0.1:
        body = body.rstrip("\r\n")
    return dataclasses.replace(case, head=head_of(draw, case), body=body.encode())


def of_reader_corpus(draw, content):
    """An input of fuzz_reader: its first byte says whether the others are a file or choose pieces (fuzz_reader.c)."""
    case = dataclasses.replace(dialect(draw), quote='"', separator=",", decimal=".")
    body = content[2:] if content[:1] and content[0] % 6 >= 4 else b"".join(TOKENS[b % len(TOKENS)] for b in content[2:600])
    first = body.split(b"\n", 1)[0].count(b",") + 1
    if first < 16 and draw.random() < 0.8:
        case = dataclasses.replace(case, types="".join(draw.choice("nnsbt") for _ in range(first)))
    if not set(case.types) - {"t"}:
        case = dataclasses.replace(case, types=case.types + "n")
    return dataclasses.replace(case, head=head_of(draw, case), body=body[:8000])


# ---- mutations: bytes to bytes ----

def lines_of(body):
    return body.splitlines(keepends=True) or [b""]


def change_byte(draw, case, body):
    at = draw.randrange(len(body) + 1)
    way = draw.randrange(3)
    return body[:at] + (b"" if way == 2 else draw.choice(TOKENS)) + body[at + (way > 0) * draw.choice([1, 1, 1, 2, 7, 30]):]


def change_lines(draw, case, body):
    lines = lines_of(body)
    at, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    way = draw.randrange(6)
    if way == 0:
        del lines[at]
    elif way == 1:
        lines.insert(other, lines[at])
    elif way == 2:
        lines[at], lines[other] = lines[other], lines[at]
    elif way == 3:
        lines.insert(at, draw.choice([b"\n", b"\r\n", b" \n", b'""\n', b"\t\n"]))
    elif way == 4:
        lines[at] = lines[at].rstrip(b"\r\n") + draw.choice([b"\r\n", b"\n", b"\r", b"\r\r\n", b""])
    else:
        lines = lines * draw.choice([2, 3, 40 if len(body) < 400 else 2])
    return b"".join(lines)


def change_field(draw, case, body):
    lines = lines_of(body)
    at = draw.randrange(len(lines))
    line = lines[at].rstrip(b"\r\n")
    separator = case.separator.encode()
    fields = line.split(separator)
    k = draw.randrange(len(fields))
    way, quote = draw.randrange(8), case.quote.encode()
    if way < 3:
        kind = case.types[k] if k < len(case.types) and way else draw.choice("nstb")
        fields[k] = written(draw, case, draw.choice(MISSING) if draw.random() < 0.1 else value(draw, case, kind), 0.2).encode()
    elif way == 3:
        fields[k] = quote + fields[k] + quote
    elif way == 4:
        fields[k] = draw.choice([b" ", b"\t", b"  ", b"\xc2\xa0"]) + fields[k] + draw.choice([b" ", b"", b"\t"])
    elif way == 5:
        fields.insert(k, fields[k])
    elif way == 6:
        del fields[k]
    else:
        fields[k] += draw.choice([b"0", b"5", b"e1", b"e-3", b".", b".5", b"9" * 12, b"0" * 30, quote, quote + quote])
    lines[at] = separator.join(fields) + lines[at][len(line):]
    return b"".join(lines)


def change_digit(draw, case, body):
    places = [i for i, b in enumerate(body) if 48 <= b <= 57]
    if not places:
        return change_byte(draw, case, body)
    at = draw.choice(places)
    return body[:at] + draw.choice([b"%d" % draw.randrange(10), b"%d" % draw.randrange(10 ** 9), b"", b".", b"e", b"-"]) + body[at + 1:]


def cut(draw, case, body):
    at = draw.randrange(len(body) + 1)
    return body[:at] if draw.random() < 0.5 else body[at:]


CHANGES = [change_byte, change_byte, change_lines, change_field, change_field, change_field, change_digit, cut]


def mutated(draw, case, other):
    body = case.body
    for _ in range(draw.choice([1, 1, 2, 3, 5, 12])):
        if draw.random() < 0.05:
            lines = lines_of(other.body)
            body += b"".join(lines[draw.randrange(len(lines)):])
        else:
            body = draw.choice(CHANGES)(draw, case, body)
    flips = {"seed": draw.randrange(256)}
    if draw.random() < 0.1 and set(case.types) & {"n", "s"}:
        flips["learn"] = not case.learn
    if draw.random() < 0.1:
        flips["unify"] = not case.unify
    if re.search(rb"\r(?!\n)", body) and draw.random() < 0.8:
        flips["unify"] = True  # else pyarrow has nothing to say
    return dataclasses.replace(case, body=body[:20000], **flips)


def seeds(folder):
    """Contents of the files in a folder, by name."""
    found = []
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        with open(os.path.join(folder, name), "rb") as f:
            found.append((name, f.read()))
    return found
