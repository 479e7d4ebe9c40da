#!/usr/bin/env python3
"""Writes datetime.txt: stamps with what Python's datetime makes of them. (Made with Python 3.11.)

Lines: text <tab> microseconds UTC <tab> year month day hour minute second us weekday yearday
Usage: tests/golden/text/make-datetime.py > tests/golden/text/datetime.txt
"""
import random
from datetime import datetime, timedelta, timezone

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
random.seed(20261121)


def line(text, when):
    utc = when.astimezone(timezone.utc)
    us = (utc - EPOCH) // timedelta(microseconds=1)
    yearday = utc.timetuple().tm_yday - 1
    print(f"{text}\t{us}\t{utc.year} {utc.month} {utc.day} {utc.hour} {utc.minute} {utc.second} "
          f"{utc.microsecond} {utc.weekday()} {yearday}")


fixed = ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z",
         "1969-12-31T23:59:59.999999Z", "1900-02-28T12:00:00Z", "2000-02-29T00:00:00Z",
         "2024-02-29T23:59:59Z", "2023-03-01T00:00:00+00:00", "2026-11-21T07:06:00Z",
         "2038-01-19T03:14:08Z", "1582-10-04T00:00:00Z", "1600-12-31T00:00:00Z"]
for text in fixed:
    line(text, datetime.fromisoformat(text.replace("Z", "+00:00")))
for i in range(600):
    year = random.randint(2, 9998) if i % 2 else random.randint(1990, 2040)
    when = datetime(year, 1, 1, tzinfo=timezone.utc) + timedelta(
        seconds=random.randrange(365 * 86400), microseconds=random.choice([0, 0, 500000, random.randrange(10**6)]))
    if i % 3 == 0:
        when = when.astimezone(timezone(timedelta(minutes=random.randint(-14 * 60, 14 * 60))))
    line(when.isoformat(sep=random.choice("T ")), when)
