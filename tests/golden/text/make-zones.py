#!/usr/bin/env python3
"""Writes zones.txt: times around changes of offset, by Python's zoneinfo (PEP 495, fold 0), from the files in zones/.

Made with Python 3.11.7 and tzdata 2025b. zones/ holds files as Debian 12 installs them (version 2, all changes up to
2037) and, for every second name, as `zic -b slim tzdata.zi` writes them (the rule begins at the last change of law).
Lines: zone, local time as microseconds, its UTC, 0 once, 1 twice, 2 never, local time of that UTC.
"""
import datetime as dt
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import zoneinfo

ZONES = """Europe/Berlin Europe/London Europe/Dublin Europe/Moscow Europe/Istanbul Europe/Lisbon Europe/Warsaw
Africa/Casablanca Africa/El_Aaiun Africa/Cairo Africa/Johannesburg Africa/Monrovia America/New_York America/Chicago
America/Denver America/Phoenix America/Los_Angeles America/St_Johns America/Sao_Paulo America/Caracas America/Nuuk
America/Havana America/Santiago America/Asuncion Antarctica/Troll Antarctica/Casey Asia/Kathmandu Asia/Kolkata
Asia/Tehran Asia/Gaza Asia/Jerusalem Asia/Tokyo Asia/Shanghai Asia/Pyongyang Asia/Beirut Asia/Manila
Australia/Lord_Howe Australia/Sydney Australia/Adelaide Australia/Eucla Pacific/Chatham Pacific/Apia
Pacific/Kwajalein Pacific/Kiritimati Pacific/Auckland Pacific/Norfolk Pacific/Easter Atlantic/Azores Etc/GMT+5
CST6CDT""".split()

here = pathlib.Path(__file__).parent
folder = here / "zones"
EPOCH = dt.datetime(1970, 1, 1)


def us(naive):
    return (naive - EPOCH) // dt.timedelta(microseconds=1)


def copy_zones():
    with tempfile.TemporaryDirectory() as slim:
        subprocess.run(["/usr/sbin/zic", "-b", "slim", "-d", slim, "/usr/share/zoneinfo/tzdata.zi"], check=True)
        for i, name in enumerate(ZONES):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(pathlib.Path(slim if i % 2 else "/usr/share/zoneinfo") / name, folder / name)


def offset(zone, utc):
    return utc.replace(tzinfo=dt.timezone.utc).astimezone(zone).utcoffset()


def changes(zone, first, last):
    found, at = [], dt.datetime(first, 1, 1)
    while at.year <= last and at < dt.datetime(9999, 12, 1):
        after = at + dt.timedelta(days=10)
        if offset(zone, at) != offset(zone, after):
            low, high = at, after
            while high - low > dt.timedelta(seconds=1):
                middle = low + (high - low) // 2
                middle = middle.replace(microsecond=0)
                if offset(zone, middle) == offset(zone, low):
                    low = middle
                else:
                    high = middle
            found.append(high)
        at = after
    return found


def rows(name, rng):
    with open(folder / name, "rb") as file:
        zone = zoneinfo.ZoneInfo.from_file(file, key=name)
    old = changes(zone, 1880, 2036)
    picked = old[:2] + old[-3:] + rng.sample(old, min(2, len(old)))
    for first in (2037, 2100, 2499, 9997):
        picked += changes(zone, first, first)[:2]
    moments = {dt.datetime(1850, 1, 1), dt.datetime(2026, 1, 5, 6), dt.datetime(2026, 7, 5, 6), dt.datetime(8000, 7, 1)}
    for at in set(picked):
        for side in (offset(zone, at - dt.timedelta(seconds=1)), offset(zone, at)):
            for step in (-1, 0, 600):
                moments.add(at + side + dt.timedelta(seconds=step))
    for local in sorted(moments):
        stamp = local.replace(tzinfo=zone)
        early, late = stamp.utcoffset(), stamp.replace(fold=1).utcoffset()
        case = 0 if early == late else 1 if early > late else 2
        utc = local - early
        yield f"{name}\t{us(local)}\t{us(utc)}\t{case}\t{us(utc + offset(zone, utc))}\n"


if "--copy" in sys.argv:
    copy_zones()
rng = random.Random(4)
with open(here / "zones.txt", "w") as out:
    for name in ZONES:
        out.writelines(rows(name, rng))
