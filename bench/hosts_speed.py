#!/usr/bin/env python3
"""What a second host brings: small jobs on one host, and on two that share a PostgreSQL, each with `millwright serve` and `millwright worker`.

    make bench-hosts                              10,000 jobs, 3 rounds of both in turns; as root
    make bench-hosts BENCH_HOSTS="--quick"        few jobs, 1 round, nothing recorded

Hosts are network namespaces joined by a cable; both use the cores of this machine, so that their rate together says little where one host fills them.
What another host costs is seen in the CPU time of a job, of all processes and of PostgreSQL's: with as many cores again, the rate of two hosts is the
rate of one times 2, times the first cost over the second. A worker of two hosts works for the other host's server. Jobs are recorded by one
request to each server (POST /jobs/probe?count=N) and are done when all of them have ended.
"""
import argparse
import os
import re
import statistics
import sys
import tempfile
import time

import results

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "services"))
import test_two_hosts as hosts  # noqa: E402

TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(roots):
    """Of these processes, their children, and what they have waited for."""
    parents, spent = {}, {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat") as f:
                    fields = f.read().rsplit(")", 1)[1].split()
            except OSError:
                continue
            parents[int(name)] = int(fields[1])
            spent[int(name)] = sum(map(int, fields[11:15])) / TICK

    def is_ours(pid):
        while pid:
            if pid in roots:
                return True
            pid = parents.get(pid)
        return False

    return sum(seconds for pid, seconds in spent.items() if is_ours(pid))


def n_done(names, key):
    found = 0
    for name in names:
        status, text = hosts.ask(name, key, "GET", "/metrics")
        assert status == 200, text
        ended = dict(re.findall(r'^millwright_jobs_finished_total\{state="(\w+)"\} (\d+)', text, re.M))
        assert ended["FAILURE"] == "0", "a job failed"
        found += int(ended["SUCCESS"])
    return found


def measure(names, n_jobs):
    """Jobs a second and CPU milliseconds a job on the hosts of these names."""
    processes = []
    with tempfile.TemporaryFile("w+") as log, hosts.two_hosts(processes) as (folder, postgres):
        data = os.path.join(folder, "data")
        keys = hosts.make_keys(data, postgres.by_socket)
        for name in names:
            hosts.serve(name, data, postgres.by_cable, 0, processes, log)
        for name, other in zip(names, reversed(names)):
            hosts.work(name, other, folder, keys["worker"], processes, log, "--workers", "2")
        with open(os.path.join(postgres.data, "postmaster.pid")) as f:
            roots = {int(f.readline()), *(process.pid for process in processes)}
        run_jobs(names, keys, 200)  # processes are there, plans are made
        before = cpu_seconds(roots)
        seconds = run_jobs(names, keys, n_jobs)
        return {"rate": n_jobs / seconds, "cpu": 1000 * (cpu_seconds(roots) - before) / n_jobs}


def run_jobs(names, keys, n_jobs):
    done = n_done(names, keys["admin"])
    start = time.monotonic()
    for name in names:
        status, text = hosts.ask(name, keys["trainer"], "POST", f"/jobs/probe?wait=false&count={n_jobs // len(names)}", "{}")
        assert status == 202, text
    while n_done(names, keys["admin"]) < done + n_jobs:
        assert time.monotonic() - start < 300, "not all jobs were done"
        time.sleep(0.02)
    return time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    if options.quick:
        options.jobs, options.rounds = 1000, 1
    kinds = {"one host": ["a"], "two hosts": ["a", "b"]}
    found = {kind: [] for kind in kinds}
    for _ in range(options.rounds):
        for kind, names in kinds.items():
            found[kind].append(measure(names, options.jobs))
            print(f"  {kind}: {found[kind][-1]['rate']:.4g} jobs/s, {found[kind][-1]['cpu']:.4g} ms of CPU a job", file=sys.stderr, flush=True)
    lines = []
    for metric, unit in (("rate", "jobs/s"), ("cpu", "ms/job")):
        values = {kind: sorted(one[metric] for one in rounds) for kind, rounds in found.items()}
        middle = {kind: statistics.median(v) for kind, v in values.items()}
        lines.append({"name": "jobs, two hosts", "metric": metric, "value": f"{middle['two hosts']:.4g}", "unit": unit, "peer": "one host",
                      "peer_value": f"{middle['one host']:.4g}", "spread": f"{values['two hosts'][0]:.4g}..{values['two hosts'][-1]:.4g}",
                      "command": f"bench/hosts_speed.py --jobs {options.jobs} --rounds {options.rounds}"})
        print(f"{metric}: one host {middle['one host']:,.4g}, two hosts {middle['two hosts']:,.4g} {unit}")
    costs = {kind: statistics.median(one["cpu"] for one in rounds) for kind, rounds in found.items()}
    print(f"two hosts with cores of their own: {2 * costs['one host'] / costs['two hosts']:.2f} times the rate of one")
    if not options.quick:
        results.append(lines)


if __name__ == "__main__":
    main()
