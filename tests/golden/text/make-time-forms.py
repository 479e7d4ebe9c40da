#!/usr/bin/env python3
"""Writes time-forms.txt: texts in many forms with what Python's strptime makes of them. (Made with Python 3.11.7.)

Lines: form <tab> text <tab> microseconds, of UTC where the text names an offset, else of the civil time.
Usage: tests/golden/text/make-time-forms.py > tests/golden/text/time-forms.txt
"""
import random
from datetime import datetime, timedelta, timezone

random.seed(20261122)
EPOCH = datetime(1970, 1, 1)

# Our form, strptime's, and whether leading zeros of day, month and hour may go.
FORMS = [
    ("dd/mm/yyyy HH:MM", "%d/%m/%Y %H:%M"), ("dd/mm/yyyy HH:MM:SS", "%d/%m/%Y %H:%M:%S"),
    ("dd/mm/yyyy HH:MM:SS.f", "%d/%m/%Y %H:%M:%S.%f"), ("dd.mm.yyyy HH:MM:SS,f", "%d.%m.%Y %H:%M:%S,%f"),
    ("dd/mm/yyyy HH:MM:SS:f", "%d/%m/%Y %H:%M:%S:%f"), ("mm/dd/yyyy hh:MM am", "%m/%d/%Y %I:%M %p"),
    ("mm/dd/yyyy hh:MM:SSam", "%m/%d/%Y %I:%M:%S%p"), ("mm/dd/yy HH:MM", "%m/%d/%y %H:%M"),
    ("yyyy/mm/dd HH:MM:SS", "%Y/%m/%d %H:%M:%S"), ("yyyy.mm.dd HH.MM.SS", "%Y.%m.%d %H.%M.%S"),
    ("dd-mm-yyyy", "%d-%m-%Y"), ("dd.mm.yy", "%d.%m.%y"), ("yy-mm-dd HH:MM", "%y-%m-%d %H:%M"),
    ("yyyymmdd", "%Y%m%d"), ("yyyymmddHHMM", "%Y%m%d%H%M"), ("yyyymmddHHMMSS", "%Y%m%d%H%M%S"),
    ("yyyymmddTHHMMSS", "%Y%m%dT%H%M%S"), ("yyyymmddTHHMMSSzzz", "%Y%m%dT%H%M%S%z"),
    ("dd mon yyyy", "%d %b %Y"), ("dd-mon-yy HH:MM", "%d-%b-%y %H:%M"), ("mon dd yyyy HH:MM:SS", "%b %d %Y %H:%M:%S"),
    ("mon dd, yyyy hh:MM:SS am", "%B %d, %Y %I:%M:%S %p"), ("ddmonyyyy:HH:MM:SS.f", "%d%b%Y:%H:%M:%S.%f"),
    ("day mon dd HH:MM:SS yyyy", "%a %b %d %H:%M:%S %Y"), ("day, dd mon yyyy HH:MM:SS zzz", "%A, %d %b %Y %H:%M:%S %z"),
    ("dd/mon/yyyy:HH:MM:SS zzz", "%d/%b/%Y:%H:%M:%S %z"), ("yyyy-mm-dd HH:MM:SS zzz", "%Y-%m-%d %H:%M:%S %z"),
    ("dd/mm/yyyy, HH:MM:SS", "%d/%m/%Y, %H:%M:%S"), ("HH:MM:SS dd/mm/yyyy", "%H:%M:%S %d/%m/%Y"),
    ("yyyy-mm-dd-HH.MM.SS.f", "%Y-%m-%d-%H.%M.%S.%f"), ("yyyy-mm-ddTHH:MM:SS", "%Y-%m-%dT%H:%M:%S"),
    ("iso", "%Y-%m-%d"), ("iso", "%Y-%m-%d %H:%M"), ("iso", "%Y-%m-%dT%H:%M:%S"), ("iso", "%Y-%m-%d %H:%M:%S.%f"),
    ("iso", "%Y-%m-%dT%H:%M:%S,%f"), ("iso", "%Y-%m-%dT%H:%M:%S%z"), ("iso", "%Y-%m-%d %H:%M:%S.%f%z"),
]

for ours, theirs in FORMS:
    for i in range(12):
        low, high = (1970, 2067) if "%y" in theirs else (1, 9998) if i % 3 == 0 else (1990, 2040)
        stamp = datetime(low, 1, 2) + timedelta(seconds=random.randrange((high - low) * 365 * 86400),
                                                 microseconds=random.choice([0, 1, 500000, 123456, 999999]))
        zone = timezone(timedelta(minutes=random.choice([0, 60, 345, -570, 840])))
        text = stamp.replace(tzinfo=zone).strftime(theirs.replace("%Y", f"{stamp.year:04}"))
        read = datetime.strptime(text, theirs)
        if i % 4 == 3 and ours != "iso" and "mmdd" not in ours and "%d%b" not in theirs:
            plain = theirs.replace("%d", str(read.day)).replace("%m", str(read.month)).replace("%Y", f"{read.year:04}")
            plain = plain.replace("%H", str(read.hour)).replace("%I", str((read.hour + 11) % 12 + 1))
            if "/" in theirs or "." in theirs:
                text = read.strftime(plain).replace("AM", "am").replace("PM", "p.m.")
        if read.tzinfo:
            read = read.astimezone(timezone.utc).replace(tzinfo=None)
        print(f"{ours}\t{text}\t{(read - EPOCH) // timedelta(microseconds=1)}")
