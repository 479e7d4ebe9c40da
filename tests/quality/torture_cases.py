"""Nasty CSV files, each with what has to come of it: the table that test_torture_csv.py goes through.

A case has either cells (columns by name, or a list of them where the file names none; times), perhaps with rows rejected, or
an error: exit status and a part of the message, and then the dataset must stay as it was. Expected values are written down or
computed here by Python alone (float(), datetime, codecs, struct), never by Millwright.
"""
import datetime

UTC = datetime.timezone.utc
EPOCH = datetime.datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1000 * 1000
BAD_DATA, BAD_OPTION, TOO_LARGE = 4, 2, 8  # exit statuses
LOOSE = ("--max-reject-share", "1")
CASES = []

# The rows that most files hold, each in its own way of writing: ten hours across a midnight, on days that are no months.
FIRST = datetime.datetime(2026, 1, 25, 20, 0, tzinfo=UTC)
HOURS = [FIRST + datetime.timedelta(hours=i) for i in range(10)]
TEMP = [20.5, 21.25, 22.0, -3.75, 1024.5, 0.125, 7.0, 18.5, 1234567.25, 19.75]
LOAD = [1.0, 2.0, 3.5, 4.0, 5.0, 60.0, 7.0, 8.25, 9.0, 10.0]
STANDARD = {"temp": TEMP, "load": LOAD}


def us(moment):
    """of a datetime, or of ISO text (UTC)."""
    if isinstance(moment, str):
        moment = datetime.datetime.fromisoformat(moment)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // datetime.timedelta(microseconds=1)


def iso(moment):
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def shown(value):
    return repr(value)


def lines(header=("timestamp", "temp", "load"), sep=",", end="\n", stamp=iso, number=shown, quote="", tail=""):
    """The standard rows as text; header None: none."""
    def line(fields):
        return sep.join(quote + f + quote for f in fields) + tail
    rows = [] if header is None else [line(header)]
    rows += [line((stamp(t), number(a), number(b))) for t, a, b in zip(HOURS, TEMP, LOAD)]
    return end.join(rows) + end


def case(name, data, flags=(), cells=None, times=HOURS, rejects=(), error=None, file="file.csv"):
    """times None: rows are numbered. rejects: [(line, part of the reason)] or with the row's text as third."""
    data = data.encode() if isinstance(data, str) else data
    if times is not None:
        times = [t if isinstance(t, int) else us(t) for t in times]
    CASES.append({"name": name, "data": data, "flags": tuple(flags), "cells": STANDARD if cells is None and not error else cells,
                  "times": times, "rejects": list(rejects), "error": error, "file": file})


def comma(value):
    return repr(value).replace(".", ",")


def grouped(mark, point):
    return lambda value: f"{value:,}".replace(",", "\0").replace(".", point).replace("\0", mark)


# --- separators ---
case("plain", lines())
case("semicolons", lines(sep=";"))
case("tabs", lines(sep="\t"))
case("bars", lines(sep="|"))
case("carets, forced", lines(sep="^"), ("--separator", "^"))
case("blanks", lines(sep=" ", stamp=lambda t: t.strftime("%Y-%m-%dT%H:%M:%S")))
case("runs of blanks, some at both ends", "".join(
    f"  {t.strftime('%Y-%m-%dT%H:%M:%S')} {a!r:>14} {b!r:>8}  \n" for t, a, b in zip(HOURS, TEMP, LOAD)), cells=[TEMP, LOAD])
case("fixed columns", "timestamp            temp      load  \n" + "".join(
    f"{iso(t):<21}{a!r:<10}{b!r:<6}\n" for t, a, b in zip(HOURS, TEMP, LOAD)), ("--widths", "21,10,6"))
case("fixed columns with an empty cell", "timestamp            temp      load  \n" + "".join(
    f"{iso(t):<21}{'' if i == 3 else repr(a):<10}{b!r:<6}\n" for i, (t, a, b) in enumerate(zip(HOURS, TEMP, LOAD))),
     ("--widths", "21,10,6"), {"temp": TEMP[:3] + [None] + TEMP[4:], "load": LOAD})
case("forced against the detection", lines(sep=";", number=comma), ("--separator", ";", "--decimal", ","))

# --- quotes ---
NOTES = ["ok", "a, b", 'say "hi"', "", "two\nlines", "ok", "x", "y;z", "it's", "end"]


def noted(write):
    return "timestamp,temp,note\n" + "".join(f"{iso(t)},{a!r},{write(n)}\n" for t, a, n in zip(HOURS, TEMP, NOTES))


NOTED = {"temp": TEMP, "note": [n or None for n in NOTES]}
case("everything quoted", lines(quote='"'))
case("quoted separators, doubled quotes, line feeds", noted(lambda n: '"' + n.replace('"', '""') + '"'), cells=NOTED)
case("quotes escaped by a backslash", noted(lambda n: '"' + n.replace('"', '\\"') + '"'), ("--escape", "\\"), NOTED)
case("single quotes", noted(lambda n: "'" + n.replace("'", "''") + "'"), ("--quote", "'"), NOTED)
case("CRLF inside quotes", noted(lambda n: '"' + n.replace('"', '""').replace("\n", "\r\n") + '"').replace("\n", "\r\n").replace("\r\r", "\r"),
     cells={"temp": TEMP, "note": [n.replace("\n", "\r\n") or None for n in NOTES]})
QUOTED = lines(quote='"')
case("quotes in the header only", lines().replace("temp", '"temp"', 1))
case("a quote that is never closed", QUOTED + '"2026-01-26 07:00:00","21,3\n"2026-01-26 08:00:00","5.0","6.0"\n', LOOSE,
     {"temp": TEMP + [5.0], "load": LOAD + [6.0]}, HOURS + ["2026-01-26 08:00:00"], [(12, "quote", '"2026-01-26 07:00:00","21,3')])
case("text after a closing quote", QUOTED + '"2026-01-26 07:00:00","21"x,"3"\n', LOOSE, rejects=[(12, "quote", '"2026-01-26 07:00:00","21"x,"3"')])
STRAY = noted(lambda n: '3/4" pipe' if n == "x" else "ok")
STRAYED = {"temp": TEMP, "note": ['3/4" pipe' if n == "x" else "ok" for n in NOTES]}
case("a stray quote where no field has quotes around it", STRAY, cells=STRAYED)
case("a stray quote where quotes are forced to mean nothing", STRAY.replace("note", '"note"', 1), ("--quote", "none"), {"temp": TEMP, '"note"': STRAYED["note"]})
case("a stray quote inside a field", STRAY, ("--quote", '"', *LOOSE), {"temp": TEMP[:6] + TEMP[7:], "note": ["ok"] * 9}, HOURS[:6] + HOURS[7:],
     [(8, "quote")])
case("a reject below a line feed in quotes keeps its line", noted(lambda n: '"' + n.replace('"', '""') + '"') + "2026-01-26 07:00:00,bad,x\n", LOOSE,
     NOTED, rejects=[(13, "not a number", "2026-01-26 07:00:00,bad,x")])
case("empty quoted fields are missing", 'timestamp,temp,load\n2026-01-05 06:00:00,"",1.5\n2026-01-05 07:00:00,2.5,""\n',
     cells={"temp": [None, 2.5], "load": [1.5, None]}, times=["2026-01-05 06:00:00", "2026-01-05 07:00:00"])

# --- numbers ---
case("decimal commas", lines(sep=";", number=comma))
case("decimal commas in quotes, separated by commas", lines(number=comma, quote='"'), ("--decimal", ","))
case("thousands in quotes", lines(quote='"', number=grouped(",", ".")), ("--thousands", ","))
case("thousands by points, decimal commas", lines(sep=";", number=grouped(".", ",")), ("--decimal", ",", "--thousands", "."))
case("thousands by points, decimal commas, detected", lines(sep=";", number=grouped(".", ",")))
case("thousands by apostrophes", lines(number=grouped("'", ".")), ("--thousands", "'"))
case("thousands by blanks", lines(sep=";", number=grouped(" ", ",")), ("--decimal", ",", "--thousands", " "))
for blank in ("\u00a0", "\u202f", "\u2009"):
    case(f"thousands by U+{ord(blank):04X}", lines(sep=";", number=grouped(blank, ",")))
case("thousands by no-break blanks, Latin-1", lines(sep=";", number=grouped("\u00a0", ",")).encode("latin-1"))
case("minus signs and blanks of a typesetter", lines(number=lambda v: repr(v).replace("-", "\u2212") + "\u00a0"))
HARD = ["+12.5", ".5", "5.", "1e3", "1E+3", "-0.0", "1.7976931348623157e308", "5e-324", "2.2250738585072011e-308", "9007199254740993",
        "123456789012345678901234567890", "0.1000000000000000055511151231257827", "1e-400", "8.5899973e9", "179769313486231570000e288",
        "0.000000000000000000000000000000000000012345678901234567890", "9223372036854775808", "3.14159265358979323846264338327950288"]
case("hard numbers", "timestamp,x\n" + "".join(f"2026-01-05 06:00:{i:02d},{n}\n" for i, n in enumerate(HARD)),
     cells={"x": [float(n) for n in HARD]}, times=[us("2026-01-05 06:00:00") + i * SECOND for i in range(len(HARD))])
case("padded cells", "timestamp , temp, load \n" + "".join(f" {iso(t)} ,  {a!r} ,\t{b!r}\n" for t, a, b in zip(HOURS, TEMP, LOAD)))
case("too large and infinite", lines() + "2026-01-26 07:00:00,1e999,3\n2026-01-26 08:00:00,inf,3\n2026-01-26 09:00:00,1,-Infinity\n", LOOSE,
     rejects=[(12, "finite"), (13, "finite"), (14, "finite")])
case("hexadecimal is no number", lines() + "2026-01-26 07:00:00,0x1F,3\n", LOOSE, rejects=[(12, "not a number")])
case("two points are no number", lines() + "2026-01-26 07:00:00,1.2.3,3\n", LOOSE, rejects=[(12, "not a number")])

# --- encodings ---
UMLAUT = ["Kühler", "Öl", "Süd", "Motor", "ä", "Größe", "Ofen", "Kran", "ß", "Übergabe"]


def places(encoding):
    text = "timestamp,temp,Prüfung\n" + "".join(f"{iso(t)},{a!r},{p}\n" for t, a, p in zip(HOURS, TEMP, UMLAUT))
    return text.encode(encoding)


PLACED = {"temp": TEMP, "Prüfung": UMLAUT}
case("UTF-8 with a byte-order mark", places("utf-8-sig"), cells=PLACED)
case("UTF-16, little-endian, byte-order mark", b"\xff\xfe" + places("utf-16-le"), cells=PLACED)
case("UTF-16, big-endian, byte-order mark", b"\xfe\xff" + places("utf-16-be"), cells=PLACED)
case("UTF-16, little-endian, no mark", places("utf-16-le"), cells=PLACED)
case("UTF-16, big-endian, no mark, forced", places("utf-16-be"), ("--encoding", "utf-16be"), PLACED)
case("Latin-1", places("latin-1"), cells=PLACED)
case("Windows-1252, forced", "timestamp,temp,cost\n".encode() + b"".join(
    f"{iso(t)},{a!r},5 €\n".encode("cp1252") for t, a in zip(HOURS, TEMP)), ("--encoding", "latin-1"), {"temp": TEMP, "cost": ["5 €"] * 10})
case("other scripts", "timestamp,温度,Ort\n" + "".join(f"{iso(t)},{a!r},{'東京 🏭' if i % 2 else 'Łódź'}\n" for i, (t, a) in enumerate(zip(HOURS, TEMP))),
     cells={"温度": TEMP, "Ort": ["東京 🏭" if i % 2 else "Łódź" for i in range(10)]})

# --- lines ---
case("CRLF", lines(end="\r\n"))
case("CR", lines(end="\r"))
case("mixed line ends", "".join(line + ("\n", "\r\n", "\r")[i % 3] for i, line in enumerate(lines().splitlines())))
case("LF and CRLF mixed", "".join(line + ("\n", "\r\n")[i % 2] for i, line in enumerate(lines().splitlines())))
case("no final line end", lines().rstrip("\n"))
case("blank lines", lines().replace("\n", "\n\n") + "\n\n")
case("comments", "# plant 7\n# exported 2026-01-26\n" + lines().replace("2026-01-26 00", "# shift change\n2026-01-26 00"))
case("comments, forced", lines().replace("2026-01-26 00", "! shift change\n2026-01-26 00"), ("--comment", "!"))
case("preamble", "Plant report\nExported by: the historian\n\n" + lines())
case("preamble, forced", "a,b,c\n1,2,3\n" + lines(), ("--skip-lines", "2"))
case("preamble with separators", "Site:,North,\nLine:,7,\n" + lines())
case("unit row", lines().replace("load\n", "load\n,degC,kW\n", 1))
case("unit row with a unit for the time", lines().replace("load\n", "load\nUTC,°C,kW\n", 1))
case("units in the names", lines(header=("timestamp", "temp [degC]", "load [kW]")))
case("no header", lines(header=None), cells=[TEMP, LOAD])
case("no header, only numbers", "1.5,2,3\n2.5,3,4\n3.5,4,5\n4.5,5,6\n",
     cells=[[1.5, 2.5, 3.5, 4.5], [2.0, 3.0, 4.0, 5.0], [3.0, 4.0, 5.0, 6.0]], times=None)
case("a header of numbers, forced", "timestamp,1,2\n" + lines(header=None), ("--header=true",), {"1": TEMP, "2": LOAD})
case("a header is no header, forced", lines(header=None), ("--header=false",), [TEMP, LOAD])
case("header names in quotes, padded", lines(header=('" timestamp"', '"temp "', '"load"')))
case("an index column without a name", lines(header=("", "temp", "load")))
case("trailing separators", lines(tail=","), cells=STANDARD)
case("trailing separators below the header only", lines().replace("\n", ",\n").replace("load,\n", "load\n", 1))
case("ragged rows", lines() + "2026-01-26 07:00:00,1\n2026-01-26 08:00:00,1,2,3\n2026-01-26 09:00:00\n", LOOSE,
     rejects=[(12, "field", "2026-01-26 07:00:00,1"), (13, "field", "2026-01-26 08:00:00,1,2,3"), (14, "field")])

# --- missing ---
MARKS = ["", "NA", "N/A", "NaN", "null", "-", "?", "na", "NULL", " "]
case("marks of missing cells", "timestamp,temp,load\n" + "".join(f"{iso(t)},{m},{b!r}\n" for t, m, b in zip(HOURS, MARKS, LOAD)).replace(
    "\n2026-01-26 05", "\n2026-01-26 06:30:00,2.5,3.5\n2026-01-26 05"), cells={"temp": [None] * 10 + [2.5], "load": LOAD + [3.5]},
     times=HOURS + ["2026-01-26 06:30:00"])
MINUS = [-999.0 if i % 3 == 0 else t for i, t in enumerate(TEMP)]
OUT = "timestamp,temp,load\n" + "".join(f"{iso(t)},{m:g},{b!r}\n" for t, m, b in zip(HOURS, MINUS, LOAD)).replace("1.23457e+06", "1234567.25")
case("-999 is a number", OUT, cells={"temp": MINUS, "load": LOAD})
case("-999 is missing on request", OUT, ("--missing", "-999"), {"temp": [None if m == -999 else m for m in MINUS], "load": LOAD})
case("an all-missing column", lines(header=("timestamp", "temp", "load,spare")).replace("\n", ",\n").replace("spare,\n", "spare\n", 1),
     cells={**STANDARD, "spare": [None] * 10})
case("text that means missing in one column is text in another", "timestamp,temp,state\n" + "".join(
    f"{iso(t)},{a!r},{'none' if i % 2 else 'open'}\n" for i, (t, a) in enumerate(zip(HOURS, TEMP))),
     cells={"temp": TEMP, "state": ["none" if i % 2 else "open" for i in range(10)]})

# --- kinds of columns ---
case("booleans are 1 and 0", "timestamp,on\n" + "".join(f"{iso(t)},{'true' if i % 3 else 'FALSE'}\n" for i, t in enumerate(HOURS)),
     cells={"on": [float(bool(i % 3)) for i in range(10)]})
case("codes kept as text on request", lines(header=("timestamp", "temp", "code"), number=lambda v: f"{int(v):05d}"), ("--text", "code"),
     {"temp": [float(int(v)) for v in TEMP], "code": [f"{int(v):05d}" for v in LOAD]})
case("a column dropped", lines(), ("--drop", "load"), {"temp": TEMP})
case("device and time named", lines(header=("when", "temp", "bay")), ("--time", "when", "--device", "bay"),
     {"temp": TEMP, "device_id": [repr(b) for b in LOAD]})
case("one column", "level\n1.5\n2.5\n3.5\n", cells={"level": [1.5, 2.5, 3.5]}, times=None)
case("one row", "timestamp,temp\n2026-01-05 06:00:00,1.5\n", cells={"temp": [1.5]}, times=["2026-01-05 06:00:00"])
case("no time column: rows are numbered", "a;b\n" + "".join(f"{a!r};{b!r}\n" for a, b in zip(TEMP, LOAD)),
     cells={"a": TEMP, "b": LOAD}, times=None)


def very_wide(n):
    return "timestamp," + ",".join(f"s{i}" for i in range(n)) + "\n" + "".join(
        iso(t) + "," + ",".join(f"{i * 0.5 + k:g}" for i in range(n)) + "\n" for k, t in enumerate(HOURS[:3]))


case("10,000 sensors", very_wide(10000), cells={f"s{i}": [float(f"{i * 0.5 + k:g}") for k in range(3)] for i in range(10000)}, times=HOURS[:3])
case("more sensors than a dataset takes", very_wide(16000), error=(TOO_LARGE, "the limit is 10000"))
case("more columns than a file may have", very_wide(20000), error=(TOO_LARGE, "fields than the limit"))

# --- long form ---
LONG = "timestamp,device_id,parameter,value\n" + "".join(
    f"{iso(t)},P1,{name},{value!r}\n" for i, t in enumerate(HOURS) for name, value in (("temp", TEMP[i]), ("load", LOAD[i])))
LONG_CELLS = {**STANDARD, "device_id": ["P1"] * 10}
case("long", LONG, cells=LONG_CELLS)
case("long, semicolons, decimal commas", LONG.replace(",", ";").replace(".", ","), cells=LONG_CELLS)
case("long, a reading without a value keeps its row", LONG + "2026-01-26 07:00:00,P1,temp,\n",
     cells={"temp": TEMP + [None], "load": LOAD + [None], "device_id": ["P1"] * 11}, times=HOURS + ["2026-01-26 07:00:00"])
case("long, the last of repeated readings counts", LONG + f"{iso(HOURS[0])},P1,temp,99.5\n",
     cells={"temp": [99.5] + TEMP[1:], "load": LOAD, "device_id": ["P1"] * 10})
case("long, the first of repeated readings on request", LONG + f"{iso(HOURS[0])},P1,temp,99.5\n", ("--collisions", "first"), LONG_CELLS)
case("long, their mean on request", LONG + f"{iso(HOURS[0])},P1,temp,99.5\n", ("--collisions", "mean"),
     {**LONG_CELLS, "temp": [60.0] + TEMP[1:]})
