"""Nasty files, second part of torture_cases.py: ways of writing times, order, packing, limits, and what must be refused."""
import gzip

from torture_cases import (BAD_DATA, BAD_OPTION, HOURS, LOAD, LOOSE, SECOND, TEMP, UTC, case, comma, datetime, iso,
                           lines, us)


def stamped(name, stamp, flags=(), times=HOURS, header="timestamp", sep=","):
    case("time: " + name, lines(header=(header, "temp", "load"), stamp=stamp, sep=sep), flags, times=times)


def form(text):
    return lambda t: t.strftime(text)


def unix(t):
    return us(t) // SECOND


# --- forms ---
stamped("ISO with T", form("%Y-%m-%dT%H:%M:%S"))
stamped("ISO in UTC", form("%Y-%m-%dT%H:%M:%SZ"))
stamped("ISO with offsets", lambda t: t.astimezone(datetime.timezone(datetime.timedelta(hours=5, minutes=30))).isoformat())
stamped("ISO with microseconds", lambda t: iso(t) + ".250125", times=[us(t) + 250125 for t in HOURS])
stamped("ISO without seconds", form("%Y-%m-%d %H:%M"))
stamped("ISO without zeros in front", lambda t: f"{t.year}-{t.month}-{t.day} {t.hour}:{t.minute:02d}")
stamped("basic ISO", form("%Y%m%dT%H%M%S"))
stamped("slashes, year first", form("%Y/%m/%d %H:%M:%S"))
stamped("day first", form("%d/%m/%Y %H:%M"))
stamped("day first, points", form("%d.%m.%Y %H:%M:%S"))
stamped("day first, two digits of the year", form("%d.%m.%y %H:%M"))
stamped("month first", form("%m/%d/%Y %H:%M"))
stamped("names of months", form("%d-%b-%Y %H:%M:%S"))
stamped("12 hours", form("%m/%d/%Y %I:%M:%S %p"))
stamped("12 hours, forced", form("%d/%m/%Y %I:%M %p"), ("--time-format", "dd/mm/yyyy hh:MM am"))
stamped("digits only", form("%Y%m%d%H%M%S"), ("--time-format", "yyyymmddHHMMSS"))
stamped("Unix seconds", lambda t: str(unix(t)))
stamped("Unix seconds with fractions", lambda t: f"{unix(t)}.5", times=[us(t) + SECOND // 2 for t in HOURS])
stamped("Unix milliseconds", lambda t: str(unix(t) * 1000))
stamped("Unix microseconds", lambda t: str(us(t)))
stamped("Unix nanoseconds", lambda t: str(us(t) * 1000))
stamped("Unix milliseconds, forced and small", lambda t: str((unix(t) - unix(HOURS[0])) * 1000), ("--time-format", "unix-ms"),
        times=[us(t) - us(HOURS[0]) for t in HOURS])
stamped("Excel", lambda t: repr((t - datetime.datetime(1899, 12, 30, tzinfo=UTC)) / datetime.timedelta(days=1)), ("--time-format", "excel"))
stamped("cycle counter", lambda t: str(HOURS.index(t) + 1), ("--time", "cycle", "--time-format", "cycle"),
        times=[(i + 1) * SECOND for i in range(10)], header="cycle")
case("time: decimal commas in Unix seconds", "timestamp;temp\n" + "".join(f"{unix(t)},25;{comma(a)}\n" for t, a in zip(HOURS, TEMP)),
     cells={"temp": TEMP}, times=[us(t) + SECOND // 4 for t in HOURS])
DAYS = [datetime.datetime(2026, 2, day, tzinfo=UTC) for day in range(1, 11)]
for which, text in (("day", "%d/%m/%Y"), ("month", "%m/%d/%Y")):
    # Every stamp reads both ways; only one of them is daily.
    case(f"time: ambiguous, daily when {which} first", "timestamp,temp\n" + "".join(f"{d.strftime(text)},{a!r}\n" for d, a in zip(DAYS, TEMP)),
         cells={"temp": TEMP}, times=DAYS)
case("time: ambiguous, forced", "timestamp,temp\n03/04/2026,1.5\n04/04/2026,2.5\n05/04/2026,3.5\n", ("--time-format", "mm/dd/yyyy"),
     {"temp": [1.5, 2.5, 3.5]}, ["2026-03-04", "2026-04-04", "2026-05-04"])
case("time: date and time of day apart", "date,time,temp\n" + "".join(f"{t.strftime('%Y-%m-%d,%H:%M:%S')},{a!r}\n" for t, a in zip(HOURS, TEMP)),
     cells={"temp": TEMP})
case("time: date and time of day apart, named", "Tag;Uhrzeit;temp\n" + "".join(
    f"{t.strftime('%d.%m.%Y;%H:%M')};{comma(a)}\n" for t, a in zip(HOURS, TEMP)), ("--date", "Tag", "--clock", "Uhrzeit"), {"temp": TEMP})
case("time: 12-hour clock apart", "date,time,temp\n" + "".join(f"{t.strftime('%m/%d/%Y,%I:%M %p')},{a!r}\n" for t, a in zip(HOURS, TEMP)),
     cells={"temp": TEMP})

# --- zones ---
stamped("a zone", lambda t: iso(t + datetime.timedelta(hours=1)), ("--timezone", "Europe/Berlin"))
stamped("a fixed offset", lambda t: iso(t - datetime.timedelta(hours=3)), ("--timezone", "-03:00"))
stamped("a zone in the column's name", lambda t: iso(t + datetime.timedelta(hours=5, minutes=30)), header='"Date Time, GMT+05:30"')
stamped("a zone that is forced counts more", lambda t: iso(t + datetime.timedelta(hours=1)), ("--timezone", "Europe/Berlin"), header="time (UTC)")
stamped("stamps that name a zone keep it", form("%Y-%m-%dT%H:%M:%SZ"), ("--timezone", "America/New_York"))
SUMMER = [("2026-03-29 01:30:00", "2026-03-29 00:30:00"),  # winter time
          ("2026-03-29 02:30:00", "2026-03-29 01:30:00"),  # never comes: the offset before the change
          ("2026-03-29 03:45:00", "2026-03-29 01:45:00"),  # summer time
          ("2026-07-01 12:00:00", "2026-07-01 10:00:00"), ("2026-10-25 01:59:59", "2026-10-24 23:59:59"),
          ("2026-10-25 02:30:00", "2026-10-25 00:30:00"),  # comes twice: the first
          ("2026-10-25 03:00:00", "2026-10-25 02:00:00"), ("2050-07-01 12:00:00", "2050-07-01 10:00:00")]  # beyond the table: the rule
case("time: changes of summer time", "timestamp,x\n" + "".join(f"{local},{i}\n" for i, (local, _) in enumerate(SUMMER)),
     ("--timezone", "Europe/Berlin"), {"x": [float(i) for i in range(len(SUMMER))]}, [utc for _, utc in SUMMER])
case("time: an unknown zone", lines(), ("--timezone", "Europe/Berlim"), error=(BAD_OPTION, "Berlim"))

# --- far and wrong times ---
case("time: far years and before 1970", "timestamp,x\n1900-01-01 00:00:00,1\n1969-12-31 23:59:59,2\n2026-01-05 06:00:00,3\n9999-12-31 23:59:59,4\n",
     cells={"x": [1.0, 2.0, 3.0, 4.0]}, times=["1900-01-01", "1969-12-31 23:59:59", "2026-01-05 06:00:00", "9999-12-31 23:59:59"])
case("time: negative Unix seconds", "timestamp,x\n-86400,1\n-1,2\n0,3\n1,4\n", ("--time-format", "unix-s"), {"x": [1.0, 2.0, 3.0, 4.0]},
     ["1969-12-31", "1969-12-31 23:59:59", "1970-01-01", "1970-01-01 00:00:01"])
case("time: days that are none, no time at all", lines() + "2026-02-30 06:00:00,1,2\n2026-13-01 06:00:00,1,2\n,1,2\nsoon,1,2\n2026-01-26 24:61:00,1,2\n", LOOSE,
     rejects=[(12, "time"), (13, "time"), (14, "time"), (15, "time"), (16, "time")])
case("time: leap days", "timestamp,x\n2024-02-29,1\n2000-02-29,2\n", cells={"x": [2.0, 1.0]}, times=["2000-02-29", "2024-02-29"])

# --- order and repetition ---
BACK = list(reversed(range(10)))
case("rows out of order", "timestamp,temp,load\n" + "".join(f"{iso(HOURS[i])},{TEMP[i]!r},{LOAD[i]!r}\n" for i in BACK))
case("equal times keep their order", "timestamp,x\n" + "".join(f"2026-01-05 06:00:0{i % 2},{i}\n" for i in range(10)),
     cells={"x": [0.0, 2.0, 4.0, 6.0, 8.0, 1.0, 3.0, 5.0, 7.0, 9.0]}, times=[f"2026-01-05 06:00:0{i // 5}" for i in range(10)])
TWICE = lines() + "".join(lines(header=None).splitlines(keepends=True)[3:5])
PLUS = [0, 1, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9]
case("duplicate rows stay", TWICE, cells={"temp": [TEMP[i] for i in PLUS], "load": [LOAD[i] for i in PLUS]}, times=[HOURS[i] for i in PLUS])
case("duplicate rows go on request", TWICE, ("--drop-duplicates",))
CLASH = "timestamp,device_id,temp\n2026-01-05 06:00:00,A,1\n2026-01-05 06:00:00,B,2\n2026-01-05 06:00:00,A,4\n2026-01-05 07:00:00,A,5\n"
SIX, SEVEN = "2026-01-05 06:00:00", "2026-01-05 07:00:00"
case("collisions: kept", CLASH, ("--collisions", "keep"), {"device_id": ["A", "B", "A", "A"], "temp": [1.0, 2.0, 4.0, 5.0]}, [SIX, SIX, SIX, SEVEN])
case("collisions: first", CLASH, ("--collisions", "first"), {"device_id": ["A", "B", "A"], "temp": [1.0, 2.0, 5.0]}, [SIX, SIX, SEVEN])
case("collisions: last", CLASH, ("--collisions", "last"), {"device_id": ["A", "B", "A"], "temp": [4.0, 2.0, 5.0]}, [SIX, SIX, SEVEN])
case("collisions: mean", CLASH, ("--collisions", "mean"), {"device_id": ["A", "B", "A"], "temp": [2.5, 2.0, 5.0]}, [SIX, SIX, SEVEN])

# --- what the sample did not show: 1 MiB is looked at, the rest is not ---
N_LATE = 60000
LATE = "timestamp,x,state\n" + "".join(f"2026-01-{1 + i // 3600 // 24:02d} {i // 3600 % 24:02d}:{i // 60 % 60:02d}:{i % 60:02d},{i}.5,on\n" for i in range(N_LATE))
LATE_TIMES = [us("2026-01-01") + i * SECOND for i in range(N_LATE)]
LATE_X, LATE_STATE = [i + 0.5 for i in range(N_LATE)], ["on"] * N_LATE
case("late: text in a column of numbers", LATE + "2026-01-25 00:00:00,Bad,on\n2026-01-25 00:00:01,1.5,on\n",
     cells={"x": LATE_X + [1.5], "state": LATE_STATE + ["on"]}, times=LATE_TIMES + [us("2026-01-25 00:00:01")],
     rejects=[(N_LATE + 2, "not a number", "2026-01-25 00:00:00,Bad,on")])
case("late: a new text", LATE + "2026-01-25 00:00:00,1.5,off\n", cells={"x": LATE_X + [1.5], "state": LATE_STATE + ["off"]},
     times=LATE_TIMES + [us("2026-01-25")])
case("late: a number in a column of text", LATE + "2026-01-25 00:00:00,1.5,17\n", cells={"x": LATE_X + [1.5], "state": LATE_STATE + ["17"]},
     times=LATE_TIMES + [us("2026-01-25")])
case("late: a column that was empty begins", LATE.replace(",on\n", ",\n") + "2026-01-25 00:00:00,1.5,7.5\n",
     cells={"x": LATE_X + [1.5], "state": [None] * N_LATE + [7.5]}, times=LATE_TIMES + [us("2026-01-25")])
case("late: bytes that are no UTF-8", LATE.encode() + b"2026-01-25 00:00:00,1.5,o\xffn\n2026-01-25 00:00:01,1.5,on\n",
     cells={"x": LATE_X + [1.5], "state": LATE_STATE + ["on"]}, times=LATE_TIMES + [us("2026-01-25 00:00:01")], rejects=[(N_LATE + 2, "UTF-8")])
case("late: a NUL", LATE.encode() + b"2026-01-25 00:00:00,1\x005,on\n2026-01-25 00:00:01,1.5,on\n",
     cells={"x": LATE_X + [1.5], "state": LATE_STATE + ["on"]}, times=LATE_TIMES + [us("2026-01-25 00:00:01")], rejects=[(N_LATE + 2, "NUL")])
case("late: a quote opens and never closes", LATE + '2026-01-25 00:00:00,"1.5,on\n' + "2026-01-25 00:00:01,1.5,on\n" * 3,
     cells={"x": LATE_X + [1.5] * 3, "state": LATE_STATE + ["on"] * 3}, times=LATE_TIMES + [us("2026-01-25 00:00:01")] * 3,
     rejects=[(N_LATE + 2, "quote", '2026-01-25 00:00:00,"1.5,on')])
case("late: a field of 70 KB", LATE + "2026-01-25 00:00:00,1.5," + "x" * 70000 + "\n2026-01-25 00:00:01,1.5,on\n",
     cells={"x": LATE_X + [1.5], "state": LATE_STATE + ["on"]}, times=LATE_TIMES + [us("2026-01-25 00:00:01")], rejects=[(N_LATE + 2, "long")])
case("late: the time is written in another way", LATE + "25/01/2026 00:00,1.5,on\n2026-01-25 00:00:01,1.5,on\n",
     cells={"x": LATE_X + [1.5], "state": LATE_STATE + ["on"]}, times=LATE_TIMES + [us("2026-01-25 00:00:01")], rejects=[(N_LATE + 2, "time")])
case("a text of 5 KB", "timestamp,temp,note\n" + "".join(f"{iso(t)},{a!r},{'x' * 5000 if i == 4 else 'ok'}\n" for i, (t, a) in enumerate(zip(HOURS, TEMP))),
     LOOSE, {"temp": TEMP[:4] + TEMP[5:], "note": ["ok"] * 9}, HOURS[:4] + HOURS[5:], [(6, "longer than")])
case("rows wider than a block of quotes", 'timestamp,temp,note\n' + "".join(f'{iso(t)},{a!r},"{"ab,cd" * 700}"\n' for t, a in zip(HOURS, TEMP)),
     cells={"temp": TEMP, "note": ["ab,cd" * 700] * 10})


# --- packed ---
def zstd(data):
    import pyarrow as pa
    return pa.compress(data, codec="zstd", asbytes=True)


def cut(data):
    return data[:len(data) * 2 // 3]


PLAIN = lines().encode()
LARGE = LATE.encode()
case("gzip", gzip.compress(PLAIN, mtime=0), file="file.csv.gz")
case("gzip under another name", gzip.compress(PLAIN, mtime=0), file="file.csv")
case("gzip of two members", gzip.compress(PLAIN[:100], mtime=0) + gzip.compress(PLAIN[100:], mtime=0), file="file.csv.gz")
case("gzip, cut", cut(gzip.compress(LARGE, mtime=0)), error=(BAD_DATA, "cut"), file="file.csv.gz")
case("gzip, a wrong checksum", gzip.compress(LARGE, mtime=0)[:-8] + b"\1\2\3\4" + gzip.compress(LARGE, mtime=0)[-4:], error=(BAD_DATA, "damaged"), file="file.csv.gz")
case("UTF-16 in gzip", gzip.compress(b"\xff\xfe" + lines().encode("utf-16-le"), mtime=0), file="file.csv.gz")
try:
    ZSTD, LARGE_ZSTD = zstd(PLAIN), zstd(LARGE)
except ImportError:
    ZSTD = None
if ZSTD:
    case("zstd", ZSTD, file="file.csv.zst")
    case("zstd of two frames", zstd(PLAIN[:100]) + zstd(PLAIN[100:]), file="file.csv.zst")
    case("zstd, cut", cut(LARGE_ZSTD), error=(BAD_DATA, "cut"), file="file.csv.zst")

# --- refused ---
case("an empty file", "", error=(BAD_DATA, "empty"))
case("blank lines only", "\n\n \n", error=(BAD_DATA, ""))
case("a header without rows", "timestamp,temp\n", error=(BAD_DATA, "no rows"))
case("a header without rows, no line end", "timestamp,temp", error=(BAD_DATA, ""))
case("a ZIP file", b"PK\x03\x04" + bytes(200), error=(BAD_DATA, "ZIP"))
case("a Parquet file", b"PAR1\x15\x04\x15\x10" + bytes(range(200)) + b"PAR1", error=(BAD_DATA, "Parquet"))
case("an Arrow file", b"ARROW1\0\0" + bytes(range(200)) + b"ARROW1", error=(BAD_DATA, "Arrow"))
case("a spreadsheet of 1997", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), error=(BAD_DATA, ""))
case("bytes of no meaning", bytes((i * 37 + i * i // 7) % 256 for i in range(5000)), error=(BAD_DATA, ""))
case("LibSVM", "".join(f"{i % 2} 1:{i}.5 7:0.25 12:1\n" if i % 3 else f"{i % 2} 2:1 9:4\n" for i in range(40)), error=(BAD_DATA, ""))
case("prose", "The pump was started at six.\nIt ran well, mostly.\nNobody wrote down any number, and\nthe shift ended; so did the report.\n",
     error=(BAD_DATA, ""))
case("more rejects than allowed", lines() + "2026-01-26 07:00:00,bad,3\n" * 3, error=(BAD_DATA, "share"))
case("a time column that does not exist", lines(), ("--time", "when"), error=(BAD_OPTION, "when"))
case("a separator that is none", lines(), ("--separator", "ab"), error=(BAD_OPTION, "separator"))
case("a time format that is none", lines(), ("--time-format", "yyyy-qq"), error=(BAD_OPTION, "time"))
