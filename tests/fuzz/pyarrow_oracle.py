"""pyarrow_oracle -- what pyarrow's CSV reader sees in a case, and whether the reader's reply says the same.

The domain, where both define the result, and what is asked of the reader outside it:

- Rows. pyarrow takes quotes that do not enclose a field, and NULs, as they come; the reader refuses such a row, ends it at its first line
  and goes on at the second. So these rows are taken out of the text by the lines that the reader named, and pyarrow must see exactly the
  others: as many, in that order, with the same rows of a wrong number of fields.
- A CR without LF ends a line for pyarrow. Cases that hold one are compared when the reader is told so (unify); then it is an LF wherever it stands.
- Bytes that are no UTF-8 refuse the row here and the file there: pyarrow reads them as Latin-1, which gives the same bytes back.
- Cells. pyarrow refuses a file for one cell, the reader a row. Where pyarrow reads the whole file with its types and no row was refused, the
  columns are compared; else each cell of each row is given to pyarrow alone. A row must be refused exactly when one of its cells is, the
  cell named must be one of them, and what is good must be equal: numbers and times to the bit, texts to the byte.
- What the reader defines and pyarrow does not is computed here: blanks and tabs around a cell mean nothing; the marks of missing values, in
  any case; in numbers no-break and thin blanks as blanks and U+2212 as minus; -999 where it is one; true and false as numbers; numbers that overflow, and infinities, refuse the row (in a table of its own
  they are missing); texts of more than 4096 bytes refuse it. A number of more than 1024 bytes with a decimal comma is not
  judged where it is padded, infinite or a truth value.
- ISO times are read a third time here, by a grammar with its own arithmetic. pyarrow has no more than six digits of a second, no second 60, no
  24:00, no comma before the fraction, no small t and z; only it has an hour alone. Where it reads a time, all three must be equal.
- dd/mm/yyyy: pyarrow's strptime makes 3 March of 31 February and takes fewer digits, so only stamps of the full width are
  compared, days that do not exist must be refused, and the rest is not judged. Unix times: whole numbers of up to 15 digits.
"""
import calendar
import dataclasses
import datetime
import io
import itertools
import re
import struct
import zlib

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc

REFUSED, UNJUDGED = "refused", "unjudged"  # verdicts of a cell beside its value; missing is None
NO_TIME = -(1 << 63)
WORDS = {b"", b"na", b"n/a", b"nan", b"null"}
MARKS = {b"-", b"--", b"?", b"#n/a", b"none"}
TRUTH = {b"true": True, b"false": False}
INFINITE = (float("inf"), float("-inf"))
MOST_TEXT = 4096
MOST_SET = 80
SIGNS = {0xA0: " ", 0x202F: " ", 0x2009: " ", 0x2212: "-"}
COUNT = re.compile(r"\d+ fields where the header has \d+$")
LONE_CR = re.compile(rb"\r(?!\n)")
NUMBER = re.compile(rb"[ \t]*[+-]?([0-9]+[.,]?[0-9]*|[.,][0-9]+)([eE][+-]?[0-9]+)?[ \t]*|[ \t]*[+-]?(inf|infinity)[ \t]*", re.IGNORECASE)
ISO = re.compile(rb"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:([.,])(\d+))?)?([Zz]|[+-]\d\d(?::?\d\d)?)?)?")
ZONED = re.compile(rb".*:.*([Zz]|[+-][0-9:]*)", re.DOTALL)
ISO_HOUR = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d([Zz]|[+-]\d\d(:?\d\d)?)?")
FULL_STAMP = re.compile(rb"(\d\d)/(\d\d)/(\d{4}) (\d\d):(\d\d):(\d\d)")
WHOLE = re.compile(rb"-?\d{1,15}")
EPOCH = datetime.datetime(1970, 1, 1)
FIRST_US, END_US = -62167219200 * 10**6, 253402300800 * 10**6
READ = pc.ReadOptions(use_threads=False)


def spellings(words):
    return ["".join(chars) for word in words for chars in set(itertools.product(*((c.lower(), c.upper()) for c in word.decode())))]


NULLS = spellings(sorted(WORDS))
TRUE, FALSE = spellings([b"true"]) + ["1"], spellings([b"false"]) + ["0"]


# ---- the reader's reply ----

@dataclasses.dataclass
class Bad:
    ordinal: int
    line: int
    field: int
    broken: bool
    reason: str
    raw: bytes

    @property
    def is_count(self):
        return self.broken and COUNT.match(self.reason) is not None


@dataclasses.dataclass
class Reply:
    n_rows: int
    n_records: int
    columns: list  # arrays of int64, float64, uint8; lists of bytes or None
    bad: list


def values_of(kind, content, n):
    if kind == 0:
        return np.frombuffer(content, np.int64)
    if kind == 1:
        return np.frombuffer(content, np.float64)
    if kind == 2:
        return np.frombuffer(content, np.uint8)
    sizes = struct.unpack_from(f"={n}i", content)
    texts, at = [], 4 * n
    for size in sizes:
        texts.append(None if size < 0 else content[at:at + size])
        at += max(size, 0)
    return texts


def parse(content):
    """A reply without its first byte."""
    n_rows, n_records, n_columns, n_bad = struct.unpack_from("=2q2I", content)
    at, columns, bad = 24, [], []
    for _ in range(n_columns):
        kind, size = struct.unpack_from("=BI", content, at)
        columns.append(values_of(kind, content[at + 5:at + 5 + size], n_rows))
        at += 5 + size
    for _ in range(n_bad):
        ordinal, line, field, broken, n_reason, n_raw = struct.unpack_from("=qQIBII", content, at)
        at += 29
        reason, raw = content[at:at + n_reason], content[at + n_reason:at + n_reason + n_raw]
        bad.append(Bad(ordinal, line, field, bool(broken), reason.decode(errors="replace"), raw))
        at += n_reason + n_raw
    assert at == len(content), "a reply that ends elsewhere"
    return Reply(n_rows, n_records, columns, bad)


# ---- one cell by pyarrow ----

class Cells:
    """Cells that pyarrow reads alone, remembered."""

    MOST = 200_000

    def __init__(self):
        self.known = {}

    def tidy(self):
        if len(self.known) > self.MOST:
            self.known.clear()

    def read(self, texts, kind, cell_type, **options):
        """Puts what pyarrow makes of each of the texts into `known`; a text that it refuses is found by halving."""
        texts = list(texts)
        if not texts:
            return
        lines = b"x\n" + b"".join(b'"' + text.replace(b'"', b'""') + b'"\n' for text in texts)
        try:
            column = pc.read_csv(io.BytesIO(lines), read_options=READ, parse_options=pc.ParseOptions(newlines_in_values=True),
                                 convert_options=pc.ConvertOptions(column_types={"x": cell_type}, null_values=[], **options))["x"]
        except pa.ArrowInvalid:
            if len(texts) == 1:
                self.known[kind, texts[0]] = REFUSED
                return
            self.read(texts[:len(texts) // 2], kind, cell_type, **options)
            self.read(texts[len(texts) // 2:], kind, cell_type, **options)
            return
        if pa.types.is_timestamp(cell_type):
            column = column.cast(pa.int64())
        self.known.update(zip(((kind, text) for text in texts), column.to_pylist(), strict=True))

    def learn(self, texts, kind, cell_type, likely, **options):
        """What is not likely is taken to be refused, and one in eight of it is asked: a refusal costs as much as a table."""
        new = {text for text in texts if (kind, text) not in self.known}
        good = {text for text in new if likely.fullmatch(text)}
        asked = {text for text in new - good if zlib.crc32(text) % 8 == 0}
        self.known.update(((kind, text), REFUSED) for text in new - good - asked)
        self.read(good, kind, cell_type, **options)
        self.read(asked, kind, cell_type, **options)


CELLS = Cells()


def in_ascii(text):
    """A number as spreadsheets set it, with blanks and a minus sign beyond ASCII; text itself where other signs are."""
    if text.isascii() or len(text) > MOST_SET or not is_utf8(text):
        return text
    plain = text.decode().translate(SIGNS)
    return plain.encode().strip(b" \t") if plain.isascii() else text


def learn_numbers(texts, mark):
    CELLS.learn({in_ascii(text.strip(b" \t")) for text in texts}, "n" + mark, pa.float64(), NUMBER, decimal_point=mark)


def number(case, text):
    """The text's verdict in a column of numbers; -999 and infinities are not judged yet."""
    stripped = in_ascii(text.strip(b" \t"))
    lower = stripped.lower()
    if lower in WORDS or lower in MARKS or (case.mark and stripped == b"-999"):
        return None
    if lower in TRUTH:
        return float(TRUTH[lower])
    found = CELLS.known["n" + case.decimal, stripped]
    if found is None or found is REFUSED or found != found:
        return REFUSED
    return UNJUDGED if is_long(case, text) and (stripped != text or found in INFINITE) else found


def is_long(case, text):
    """So long that the reader takes it in whole columns only, where nothing else is about the number."""
    return case.decimal == "," and len(text) > 1024 and b"," in text


def number_cell(case, text):
    found = number(case, text)
    if found in (None, REFUSED, UNJUDGED):
        return found
    if case.mark and found == -999.0:
        return None
    if found in INFINITE:
        return None if case.learn else REFUSED
    return found


def truth_cell(case, text):
    found = UNJUDGED if is_long(case, text) else number(case, text)
    if case.mark and found == -999.0:
        return None
    return found if found in (None, REFUSED, UNJUDGED) else bool(found) if found in (0.0, 1.0) else REFUSED


def text_cell(case, text):
    stripped = text.strip(b" \t")
    if len(text) > MOST_TEXT:
        return REFUSED
    return None if stripped.lower() in WORDS or (case.mark and stripped == b"-999") else stripped


# ---- times ----

def learn_times(texts, form):
    texts = {text.strip(b" \t") for text in texts}
    if form == "iso":
        CELLS.learn({text for text in texts if not ZONED.fullmatch(text)}, "iso", pa.timestamp("us"), ISO)
        CELLS.learn({text for text in texts if ZONED.fullmatch(text)}, "iso", pa.timestamp("us", "UTC"), ISO)
    elif form.startswith("unix"):
        CELLS.learn({text for text in texts if is_whole(text)}, "whole", pa.int64(), WHOLE)
    else:
        CELLS.learn(texts, "pattern", pa.timestamp("us"), FULL_STAMP, timestamp_parsers=["%d/%m/%Y %H:%M:%S"])


def is_whole(text):
    return WHOLE.fullmatch(text) is not None


def days(year, month, day):
    """Since 1970; None: no such day. Year 0, which Python lacks, is like year 400."""
    if not 1 <= month <= 12 or not 1 <= day <= calendar.monthrange(year or 400, month)[1]:
        return None
    return datetime.date(year or 400, month, day).toordinal() - EPOCH.toordinal() - (0 if year else 146097)


def in_range(us):
    return us if FIRST_US <= us < END_US else REFUSED


def iso_by_grammar(text):
    """(verdict, whether pyarrow may lack it)"""
    match = ISO.fullmatch(text)
    if not match:
        return REFUSED, False
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    point, fraction, zone = match[7], match[8] or b"", match[9] or b""
    date = days(year, month, day)
    midnight = hour == 24 and minute == 0 and second == 0
    if date is None or (hour > 23 and not midnight) or minute > 59 or second > 60:
        return REFUSED, False
    if midnight and (fraction or zone):
        return UNJUDGED, True
    offset = 0
    if len(zone) > 1:
        hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(b":") or 0)
        if hours > 23 or minutes > 59:
            return REFUSED, False
        offset = (hours * 60 + minutes) * (-1 if zone[:1] == b"-" else 1)
    us = ((date * 1440 + hour * 60 + minute - offset) * 60 + second) * 10**6 + int((fraction + b"000000")[:6])
    return in_range(us), len(fraction) > 6 or second == 60 or hour == 24 or point == b"," or b"t" in text or b"z" in text


def iso(text):
    theirs = CELLS.known["iso", text]
    ours, may_lack = iso_by_grammar(text)
    if theirs is REFUSED:
        assert ours is REFUSED or may_lack, f"the grammar reads {text!r} and pyarrow does not"
    elif not ISO_HOUR.fullmatch(text):
        assert ours is UNJUDGED or ours == theirs or in_range(theirs) is REFUSED, f"the grammar makes {ours} of {text!r}, pyarrow {theirs}"
    return ours


def unix(text, unit):
    return in_range(CELLS.known["whole", text] * unit) if is_whole(text) else UNJUDGED


def pattern(text):
    match = FULL_STAMP.fullmatch(text)
    if not match:
        return UNJUDGED
    day, month, year, hour, minute, second = (int(part) for part in match.groups())
    if days(year, month, day) is None or hour > 24 or minute > 59 or second > 60:
        return REFUSED
    return CELLS.known["pattern", text] if hour < 24 and second < 60 else UNJUDGED


def time_cell(case, text):
    stripped = text.strip(b" \t")
    if stripped.lower() in WORDS:
        return None if case.learn else REFUSED
    if case.form == "iso":
        return iso(stripped)
    return pattern(stripped) if case.form[0] == "d" else unix(stripped, 1000 if case.form == "unix-ms" else 10**6)


# ---- the whole file by pyarrow ----

def column_names(case):
    return [f"c{i}" for i in range(len(case.types))]


def parse_options(case, handler=None):
    return pc.ParseOptions(delimiter=case.separator, quote_char=case.quote or False, newlines_in_values=True, invalid_row_handler=handler)


def kinds_of(case):
    """The letter of each field as the reader plans it: one time; among telemetry, truth values are numbers."""
    at = case.types.find("t")
    kinds = ["n" if kind == "t" and i != at else kind for i, kind in enumerate(case.types)]
    return [kind if kind != "b" or case.learn else "n" for kind in kinds]


def typed(case):
    """Columns of pyarrow, or None where it refuses the file."""
    types = {"t": pa.timestamp("us"), "n": pa.float64(), "s": pa.string(), "b": pa.bool_()}
    parsers = ["%d/%m/%Y %H:%M:%S"] if case.form[0] == "d" else []
    if case.form.startswith("unix"):
        types["t"] = pa.int64()
    try:
        return pc.read_csv(io.BytesIO(case.data), read_options=READ, parse_options=parse_options(case), convert_options=pc.ConvertOptions(
            column_types={name: types[kind] for name, kind in zip(column_names(case), kinds_of(case))}, null_values=NULLS + ["-999"] * case.mark,
            strings_can_be_null=True, quoted_strings_can_be_null=True, decimal_point=case.decimal, true_values=TRUE, false_values=FALSE, timestamp_parsers=parsers))
    except pa.ArrowInvalid:
        return None


def fields_of(case, reply):
    """The reply's columns in the order of the fields; of telemetry the time stands first."""
    columns = list(reply.columns)
    if case.learn:
        return columns
    time, at = columns.pop(0), case.types.find("t")
    if at >= 0:
        columns.insert(at, time)
    elif list(time) != [1000000 * k for k in good_ordinals(reply)]:
        raise AssertionError(f"numbered rows have the times {list(time)[:5]}")
    return columns


def good_ordinals(reply):
    refused = {bad.ordinal for bad in reply.bad}
    return [k for k in range(reply.n_records) if k not in refused]


def same_column(kind, ours, theirs, unit):
    if kind == "s":
        return ours == [None if text is None else text.encode() for text in theirs.to_pylist()]
    null = theirs.is_null().to_numpy(zero_copy_only=False)
    if kind == "n":
        numbers = theirs.to_numpy(zero_copy_only=False)
        equal = (ours.view(np.int64) == numbers.view(np.int64)) & np.isfinite(numbers)
        return bool(np.all(np.where(null, np.isnan(ours), equal)))
    if kind == "b":
        return bool(np.all(np.where(null, ours == 2, ours == theirs.fill_null(False).to_numpy(zero_copy_only=False))))
    times = theirs.cast(pa.int64()).fill_null(0).to_numpy()
    if len(times) and (times.max() > END_US // unit or times.min() < FIRST_US // unit):
        return False
    return bool(np.all(np.where(null, ours == NO_TIME, ours == times * unit)))


def all_equal(case, reply, table):
    unit = {"unix-s": 10**6, "unix-ms": 1000}.get(case.form, 1)
    return table.num_rows == reply.n_rows and all(
        same_column(kind, ours, theirs.combine_chunks() if theirs.num_chunks != 1 else theirs.chunk(0), unit)
        for kind, ours, theirs in zip(kinds_of(case), fields_of(case, reply), table.columns, strict=True))


# ---- row by row ----

def without_broken(data, bad):
    """The text without the lines of rows that cannot be cut into fields."""
    lines = data.split(b"\n")
    gone = set()
    for row in bad:
        gone.update(range(row.line - 1, row.line + row.raw.count(b"\n")))
    return b"\n".join(line for k, line in enumerate(lines) if k not in gone) + b"\n"


def cut_rows(case, data):
    """(rows of cells, rows of another number of fields), all as bytes."""
    odd = []

    def keep(row):
        odd.append(row.text.encode("latin-1"))
        return "skip"

    if data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
    table = pc.read_csv(io.BytesIO(data.decode("latin-1").encode()), read_options=READ, parse_options=parse_options(case, keep),
                        convert_options=pc.ConvertOptions(column_types={name: pa.string() for name in column_names(case)}, strings_can_be_null=False))
    columns = [[text.encode("latin-1") for text in column.to_pylist()] for column in table.columns]
    return list(zip(*columns)), odd


def is_utf8(text):
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def judge_row(case, kinds, cells):
    if not all(map(is_utf8, cells)):
        return [UNJUDGED if is_utf8(cell) else REFUSED for cell in cells]
    judges = {"n": number_cell, "b": truth_cell, "s": text_cell, "t": time_cell}
    return [judges[kind](case, cell) for kind, cell in zip(kinds, cells)]


def learn_cells(case, kinds, rows):
    CELLS.tidy()  # not between columns: all of this case are needed below
    numbers = set()
    for kind, column in zip(kinds, zip(*rows)):
        if kind == "t":
            learn_times(column, case.form)
        elif kind != "s":
            numbers.update(column)
    learn_numbers(numbers, case.decimal)


def same_cell(kind, ours, verdict):
    if verdict is UNJUDGED:
        return True
    if kind == "n":
        return ours != ours if verdict is None else struct.pack("d", ours) == struct.pack("d", verdict)
    if kind == "t":
        return ours == (NO_TIME if verdict is None else verdict)
    if kind == "b":
        return ours == (2 if verdict is None else verdict)
    return ours == verdict


def is_missing(kind, value):
    return same_cell(kind, value, None)


def differing_row(kinds, verdicts, cells, values, bad):
    """Text, or None. values: of the reader's row, None where it was refused and is gone; bad: why it was refused, or None."""
    refused = [k for k, verdict in enumerate(verdicts) if verdict is REFUSED]
    if bad is None and refused:
        return f"took {cells[refused[0]]!r} in field {refused[0]} for {values[refused[0]]!r}"
    if bad is not None:
        if values and not all(map(is_missing, kinds, values)):
            return f"gave the refused row {cells!r} the values {values!r}"
        if bad.field < len(verdicts) and verdicts[bad.field] in (REFUSED, UNJUDGED):
            return None
        return f"refused {cells!r} for field {bad.field}, {bad.reason}"
    for k, verdict in enumerate(verdicts):
        if not same_cell(kinds[k], values[k], verdict):
            return f"made {values[k]!r} of {cells[k]!r} in field {k}, where {verdict!r} was to be"
    return None


def in_domain(case, data):
    if case.unify:
        return True
    cr = LONE_CR.search(data)
    return cr is None or cr.end() == len(data)


def difference(case, reply):
    """(how it was compared, None or what differs)."""
    if not reply.bad:
        table = typed(case)
        if table is not None and in_domain(case, case.data) and all_equal(case, reply, table):
            return "whole", None
    data = LONE_CR.sub(b"\n", case.data) if case.unify else case.data
    broken = [bad for bad in reply.bad if bad.broken and not bad.is_count]
    if broken:
        data = without_broken(data, broken)
    if not in_domain(case, data):
        return "outside", None
    rows, odd = cut_rows(case, data)
    counts = [bad for bad in reply.bad if bad.is_count]
    if len(rows) + len(odd) + len(broken) != reply.n_records:
        return "rows", f"has {reply.n_records} rows, {len(broken)} of them broken, where pyarrow has {len(rows)} and {len(odd)} of another number of fields"
    if [bad.raw for bad in counts] != [raw.rstrip(b"\r\n") if raw.endswith((b"\r", b"\n")) else raw for raw in odd]:
        return "rows", f"has other rows of a wrong number of fields: {[bad.raw for bad in counts][:3]!r}, pyarrow {odd[:3]!r}"
    kinds = kinds_of(case)
    learn_cells(case, kinds, rows)
    bad_at = {bad.ordinal: bad for bad in reply.bad}
    columns = fields_of(case, reply)
    values = iter(zip(*columns))
    cut = iter(rows)
    for ordinal in range(reply.n_records):
        bad = bad_at.get(ordinal)
        row = next(values, None) if bad is None or case.learn else None
        if bad is not None and bad.broken:
            if row and not all(map(is_missing, kinds, row)):
                return "rows", f"gave the broken row {ordinal} the values {row!r}"
            continue
        cells = next(cut)
        found = differing_row(kinds, judge_row(case, kinds, cells), cells, row, bad)
        if found:
            return "rows", f"row {ordinal}: {found}"
    return ("rows", None) if next(values, None) is None else ("rows", "has further rows")
