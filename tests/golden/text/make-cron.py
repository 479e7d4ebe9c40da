#!/usr/bin/env python3
"""Writes cron.txt: cron expressions with the five times after a start, by croniter. (Made with croniter 7.0.0, Python 3.11.)

Lines: expression <tab> start <tab> five times, as seconds since 1970, UTC; fewer when it is not due often enough.
Usage: pip install croniter==7.0.0; tests/golden/text/make-cron.py > tests/golden/text/cron.txt
"""
import random
from datetime import datetime, timezone

from croniter import CroniterBadDateError, croniter

random.seed(20261130)
MONTHS = "jan feb mar apr may jun jul aug sep oct nov dec".split()
DAYS = "sun mon tue wed thu fri sat".split()


def value(v, names, low):
    return random.choice([str(v), names[v - low], names[v - low].upper()]) if names and v - low < len(names) else str(v)


def item(low, high, names):
    a, b = sorted(random.sample(range(low, high + 1), 2))
    kind = random.randrange(3)
    if kind == 0:
        return value(a, names, low)
    text = f"{value(a, names, low)}-{value(b, names, low)}"
    return text if kind == 1 else f"{text}/{random.randint(1, max(1, b - a))}"


def field(low, high, names=None):
    kind = random.random()
    if kind < 0.4:
        return "*"
    if kind < 0.5:
        return f"*/{random.randint(2, max(2, high // 2))}"
    return ",".join(item(low, high, names) for _ in range(random.choice([1, 1, 2, 3])))


def line(expression, start):
    # Vixie's rule: a day field that begins with * restricts nothing by itself.
    times = croniter(expression, start, ret_type=float, implement_cron_bug=True, max_years_between_matches=50)
    found = []
    try:
        for _ in range(5):
            found.append(str(int(times.get_next())))
    except CroniterBadDateError:
        pass
    print(expression, int(start.timestamp()), " ".join(found), sep="\t")


fixed = ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually", "* * * * *", "0 0 29 2 *", "0 0 29 2 1",
         "0 0 31 * *", "59 23 31 12 *", "30 2 * * 1-5", "*/15 8-17 * * mon-fri", "0 0 1 1 0", "0 0 13 * 5", "0 12 * * 7", "0 0 30 2 *",
         "5 4 */2 * 1", "5 4 1-7 * *", "0 0 31 2,4,6,9,11 *"]
for expression in fixed:
    line(expression, datetime(2027, 11, 30, 10, 20, 30, tzinfo=timezone.utc))
for _ in range(500):
    start = datetime(random.randint(1971, 2095), random.randint(1, 12), random.randint(1, 28), random.randrange(24), random.randrange(60),
                     random.randrange(60), tzinfo=timezone.utc)
    line(" ".join([field(0, 59), field(0, 23), field(1, 31), field(1, 12, MONTHS), field(0, 6, DAYS)]), start)
