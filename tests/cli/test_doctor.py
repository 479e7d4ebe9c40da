#!/usr/bin/env python3
"""`millwright doctor`: what it finds, how it says so, and with which exit status."""
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "http"))
from plant_client import BINARY, run_tap  # noqa: E402

CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("ML_API_", "MILLWRIGHT_"))}
YEAR_US = 365 * 86400 * 1000000


def doctor(folder, *words, status=0, **env):
    done = subprocess.run([BINARY, "doctor", "--data", folder, "--json", *words], capture_output=True, text=True,
                          timeout=60, env={**CLEAN, **env})
    found = {check["check"]: check for check in json.loads(done.stdout)["checks"]}
    if status is None:
        status = 0 if all(check["ok"] for check in found.values()) else 4
    assert done.returncode == status, (words, done.returncode, done.stdout, done.stderr)
    for check in found.values():
        assert check["ok"] == (check["level"] != "bad"), check
        assert bool(check["repair"]) == (check["level"] != "ok"), check
    return found


def sql(folder, statement, *values):
    connection = sqlite3.connect(os.path.join(folder, "millwright.db"))
    with connection:
        connection.execute(statement, values)
    connection.close()


def a_fresh_folder_is_well(folder):
    found = doctor(folder)
    for name in ("cores", "memory", "open files", "time zones", "disk", "disk is writable", "file system", "store", "clock",
                 "API keys", "jobs", "dead jobs"):
        assert found[name]["ok"], found[name]
    assert found["store"]["value"].startswith("sqlite 3."), found["store"]
    assert "certificate" not in found
    assert ".doctor.probe" not in os.listdir(folder)
    text = subprocess.run([BINARY, "doctor", "--data", folder], capture_output=True, text=True, timeout=60, env=CLEAN).stdout
    assert "ok   clock" in text and "limits" in text, text


def a_clock_behind_the_records_is_told(folder):
    doctor(folder)
    sql(folder, "UPDATE meta SET pinged_us = ?", int(time.time() * 1e6) + YEAR_US)
    clock = doctor(folder)["clock"]
    assert clock["level"] == "warning" and "record of" in clock["value"], clock


def time_zones_come_from_where_tzdir_says(folder):
    assert doctor(folder, TZDIR="/nowhere/zones")["time zones"]["value"] == "of this program"


def keys_are_looked_at(folder):
    assert doctor(folder)["API keys"]["value"].startswith("none")
    public = doctor(folder, ML_API_HOST="0.0.0.0", status=4)["API keys"]
    assert public["level"] == "bad" and "org key create" in public["repair"], public
    for words in (["--expires", "300d"], ["--expires", "10d"]):
        subprocess.run([BINARY, "org", "key", "create", "--name", "k", "--role", "admin", "--data", folder, *words], check=True,
                       capture_output=True, env=CLEAN)
        level = doctor(folder, "--host", "0.0.0.0")["API keys"]["level"]
        assert level == ("ok" if words[1] == "300d" else "warning"), (words, level)


def jobs_that_wait_or_died_are_told(folder):
    doctor(folder)
    add = ("INSERT INTO jobs (id, org, kind, state, max_attempts, priority, created_us, finished_us, payload, is_dead)"
           " VALUES (?, 'default', 'train', ?, 1, 0, ?, ?, '{}', ?)")
    now = int(time.time() * 1e6)
    sql(folder, add, "0" * 26, "PENDING", now - 7200 * 1000000, 0, 0)
    sql(folder, add, "1" * 26, "FAILURE", now - 7200 * 1000000, now, 1)
    found = doctor(folder)
    assert found["jobs"]["level"] == "warning" and found["jobs"]["value"].startswith("1 wait, the oldest for 72"), found["jobs"]
    assert found["dead jobs"]["level"] == "warning" and found["dead jobs"]["value"] == "1", found["dead jobs"]


def certificates_are_read(folder):
    cert = os.path.join(folder, "plant.crt")

    def make(days):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                        str(days), "-subj", "/CN=localhost", "-keyout", os.path.join(folder, "plant.key"), "-out", cert],
                       check=True, capture_output=True)

    make(100)
    assert doctor(folder, ML_API_TLS_CERT=cert)["certificate"]["level"] == "ok"
    make(5)
    assert doctor(folder, "--tls-cert", cert)["certificate"]["level"] == "warning"
    with open(cert, encoding="utf-8") as file:
        text = file.read()
    for broken in ("", "nothing", text[:len(text) // 2], text.replace("M", "!", 3), text[:60] + "\n-----END CERTIFICATE-----\n"):
        with open(cert, "w", encoding="utf-8") as file:
            file.write(broken)
        assert doctor(folder, "--tls-cert", cert, status=4)["certificate"]["level"] == "bad", broken
    assert doctor(folder, "--tls-cert", cert + ".none", status=4)["certificate"]["level"] == "bad"


def memory_file_systems_are_told(folder):
    if not os.path.isdir("/dev/shm"):
        return
    place = f"/dev/shm/mw-doctor-{os.getpid()}"
    os.mkdir(place)
    try:
        found = doctor(place, status=None)["file system"]  # it may be too small for a data folder as well
        if found["value"] == "tmpfs":
            assert found["level"] == "warning" and "disk" in found["repair"], found
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    sys.exit(run_tap([a_fresh_folder_is_well, a_clock_behind_the_records_is_told, time_zones_come_from_where_tzdir_says,
                      keys_are_looked_at, jobs_that_wait_or_died_are_told, certificates_are_read, memory_file_systems_are_told]))
