#!/usr/bin/env python3
"""GET /metrics of the real program, held against Prometheus' rules and the table of docs/guide/operating.md."""
import os
import re
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from plant_client import Client, Server, run_tap  # noqa: E402

SAMPLE = re.compile(r'([a-z_][a-z0-9_]*)(?:\{((?:[a-z_]+="[^"\\\n]*",?)*)\})? (\S+)')
UNITS = ("_seconds", "_bytes")


class Family:
    def __init__(self, kind, help_text):
        self.kind, self.help, self.samples = kind, help_text, {}


def read_metrics(text):
    """name -> Family, by the rules of the format; a sample stands right below its family's HELP and TYPE."""
    assert text.endswith("\n") and "\r" not in text
    families, current, wait_for_type = {}, None, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            _, _, name, help_text = line.split(" ", 3)
            assert name not in families and help_text.endswith("."), line
            wait_for_type = (name, help_text)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert wait_for_type and wait_for_type[0] == name and kind in ("counter", "gauge", "histogram"), line
            current, families[name] = name, Family(kind, wait_for_type[1])
            wait_for_type = None
        else:
            found = SAMPLE.fullmatch(line)
            assert found and wait_for_type is None, line
            name, labels, value = found[1], found[2] or "", float(found[3])
            base = re.sub(r"_(bucket|sum|count)$", "", name) if families[current].kind == "histogram" else name
            assert base == current, (line, current)
            assert (name, labels) not in families[current].samples, line
            families[current].samples[name, labels] = value
    return families


def check_names(families):
    for name, family in families.items():
        assert name.startswith(("millwright_", "process_")), name
        if family.kind == "counter":
            assert name.endswith("_total"), name
        else:
            assert not name.endswith("_total"), name
        if family.kind == "histogram":
            assert name.endswith(UNITS), name
        for unit in UNITS:  # a unit is the name's end, or stands before _total
            assert unit not in name or name.removesuffix("_total").endswith(unit), name


def check_histograms(families):
    for name, family in families.items():
        if family.kind != "histogram":
            continue
        series = {}
        for (sample, labels), value in family.samples.items():
            rest = re.sub(r',?le="[^"]*"', "", labels)
            series.setdefault(rest, []).append((sample, re.findall(r'le="([^"]*)"', labels), value))
        for rest, samples in series.items():
            buckets = [(float(le[0].replace("+Inf", "inf")), value) for sample, le, value in samples if le]
            assert buckets == sorted(buckets) and buckets[-1][0] == float("inf"), (name, rest)
            assert [v for _, v in buckets] == sorted(v for _, v in buckets), (name, rest)
            counts = [value for sample, le, value in samples if sample == name + "_count"]
            assert counts == [buckets[-1][1]], (name, rest)


def check_never_down(before, after):
    for name, family in before.items():
        if family.kind == "gauge":
            continue
        for key, value in family.samples.items():
            assert after[name].samples[key] >= value, (name, key)


def scrape(client):
    status, text = client.call("metrics")
    assert status == 200
    return read_metrics(text)


def value(families, name, labels=""):
    return families[name].samples[name, labels]


def every_metric_keeps_prometheus_rules(folder):
    server = Server(folder)
    client = Client(server.port)
    before = scrape(client)
    client.request("GET", "/jobs")
    client.request("GET", "/no/such/" + "x" * 50)
    client.request("GET", "/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV")
    after = scrape(client)
    for families in (before, after):
        check_names(families)
        check_histograms(families)
    check_never_down(before, after)
    build = list(after["millwright_build_info"].samples)[0][1]
    assert 'store="sqlite"' in build and 'version="' in build, build
    reads = after["millwright_store_duration_seconds"].samples["millwright_store_duration_seconds_count", 'kind="read"']
    assert reads > before["millwright_store_duration_seconds"].samples["millwright_store_duration_seconds_count", 'kind="read"']
    parts = sum(after["millwright_memory_part_used_bytes"].samples.values())
    assert 0 < parts <= value(after, "millwright_memory_used_bytes"), parts
    assert server.stop() == 0


def what_callers_send_becomes_no_label(folder):
    server = Server(folder)
    client = Client(server.port)
    scrape(client)
    client.request("GET", "/metrics")
    n = sum(len(f.samples) for f in scrape(client).values())
    for i in range(30):
        client.request("GET", f"/nothing{i}")
        client.request("GET", f"/jobs/{i}", None, {"X-Organization-ID": f"org{i}"})
    client.request("GET", "/metrics")
    later = scrape(client)
    assert sum(len(f.samples) for f in later.values()) < n + 60, "series grow with what is asked"
    assert not any("org1" in labels or "nothing1" in labels for f in later.values() for _, labels in f.samples)
    assert server.stop() == 0


def jobs_are_counted(folder):
    os.makedirs(os.path.join(folder, "csv"))
    with open(os.path.join(folder, "csv", "one.csv"), "w") as file:
        file.write("time,a\n2026-01-01T00:00:00Z,1\n")
    server = Server(folder)
    client = Client(server.port)
    status, _ = client.call("train")  # one row: refused as data
    assert status >= 400, status
    until = time.monotonic() + 10
    while True:
        families = scrape(client)
        ended = value(families, "millwright_jobs_finished_total", 'state="FAILURE"')
        if ended == 1 or time.monotonic() > until:
            break
        time.sleep(0.05)
    assert ended == 1 and value(families, "millwright_jobs_started_total") == 1
    counts = families["millwright_job_duration_seconds"].samples
    assert counts["millwright_job_duration_seconds_count", ""] == 1
    assert value(families, "millwright_jobs_dead_total") == 0
    assert value(families, "millwright_job_queue_age_seconds") == 0
    assert {labels for _, labels in families["millwright_jobs"].samples} == {
        f'state="{state}"' for state in ("PENDING", "STARTED", "PROGRESS", "RETRY")}
    assert server.stop() == 0


def the_guide_lists_every_metric(folder):
    with open("docs/guide/operating.md", encoding="utf-8") as file:
        rows = dict(re.findall(r"^\| `((?:millwright|process)_[a-z_]+)[^`]*` \| (\w+) \|", file.read(), re.M))
    server = Server(folder)
    families = scrape(Client(server.port))
    assert server.stop() == 0
    for name, family in families.items():
        assert rows.get(name) == family.kind, name
    missing = {name for name in rows if name not in families and not name.startswith(("millwright_tls_", "millwright_artifacts_"))}
    assert not missing, missing


if __name__ == "__main__":
    sys.exit(run_tap([every_metric_keeps_prometheus_rules, what_callers_send_becomes_no_label, jobs_are_counted,
                      the_guide_lists_every_metric]))
