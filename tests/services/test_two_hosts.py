#!/usr/bin/env python3
"""Two hosts, as network namespaces joined by a cable that is pulled for longer than a lease and put back while jobs are sent: each job counts once.

First, each has a server and a worker of the other one's server, and both reach one PostgreSQL by its socket: the cable cuts off the workers alone.
Then, each has a server with a process for jobs, and PostgreSQL is on host a: the cable cuts off the whole of host b.

    tests/services/test_two_hosts.py [BINARY]       as root; needs iproute2 and PostgreSQL
"""
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import with_postgres  # noqa: E402

BINARY = os.path.abspath(os.environ.get("MILLWRIGHT_BINARY", "build/release/millwright"))
N_JOBS, ROWS = 40, 50
HOSTS = {"a": "10.77.31.1", "b": "10.77.31.2"}
SPACE = {name: f"mw{os.getpid()}{name}" for name in HOSTS}


def ip(*words, check=True):
    return subprocess.run(["ip", *words], check=check, capture_output=True, text=True)


def make_hosts():
    for name in HOSTS:
        ip("netns", "add", SPACE[name])
        ip("-n", SPACE[name], "link", "set", "lo", "up")
    ip("link", "add", "mwcable", "netns", SPACE["a"], "type", "veth", "peer", "name", "mwcable", "netns", SPACE["b"])
    for name, address in HOSTS.items():
        ip("-n", SPACE[name], "addr", "add", address + "/24", "dev", "mwcable")
        ip("-n", SPACE[name], "link", "set", "mwcable", "up")


def remove_hosts():
    for space in SPACE.values():
        ip("netns", "del", space, check=False)


def start(host, *command, log, **environment):
    kept = {"PATH": os.environ["PATH"], **environment}
    return subprocess.Popen(["ip", "netns", "exec", SPACE[host], BINARY, *command], env=kept, stdout=log, stderr=log, start_new_session=True)


def ask(host, key, method, target, body=None, kind="application/json"):
    command = ["ip", "netns", "exec", SPACE[host], "curl", "-sS", "-m", "60", "-w", "\n%{http_code}", "-X", method,
               "-H", f"Authorization: Bearer {key}", "-H", f"Content-Type: {kind}", f"http://127.0.0.1:8000{target}"]
    if body is not None:
        command += ["--data-binary", body]
    done = subprocess.run(command, capture_output=True, text=True)
    answer, _, status = done.stdout.rpartition("\n")
    return int(status or 0), answer


def wait_until(good, what, seconds=120):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if good():
            return
        time.sleep(0.1)
    raise AssertionError(what)


class OnHostA(with_postgres.Postgres):
    """Both hosts reach it by its socket, too, since they have one disk."""

    def __init__(self, folder):
        super().__init__(folder)
        with open(os.path.join(self.data, "postgresql.conf"), "a") as conf:
            conf.write(f"unix_socket_directories = '{folder}'\nlisten_addresses = '*'\n")
        with open(os.path.join(self.data, "pg_hba.conf"), "a") as rules:
            rules.write("host all all 10.77.31.0/24 trust\n")
        self.by_socket = f"postgresql://millwright@/postgres?host={folder}&port={self.port}"
        self.by_cable = f"postgresql://millwright@{HOSTS['a']}:{self.port}/postgres"

    def run(self, program, *arguments):
        if program != "pg_ctl" or "start" not in arguments:
            return super().run(program, *arguments)
        subprocess.run(["ip", "netns", "exec", SPACE["a"], "setpriv", "--reuid", str(self.user["user"]), "--regid", str(self.user["group"]),
                        "--clear-groups", os.path.join(self.bin, program), *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/")


def send(keys, i, host):
    table = "time,device,speed\n" + "".join(f"2026-01-{1 + i % 28:02d} {i // 28:02d}:{k:02d}:00,m{i},{k}\n" for k in range(ROWS))
    status, answer = ask(host, keys["trainer"], "POST", f"/datasets/plant/files/f{i:03d}.csv?wait=false", table, "text/csv")
    assert status == 202, (status, answer)
    return json.loads(answer)["job_id"]


def states(keys, ids):
    found = {}
    for job_id in ids:
        status, answer = ask("a", keys["trainer"], "GET", f"/jobs/{job_id}")
        assert status == 200, answer
        found[job_id] = json.loads(answer)
    return found


def make_keys(data, store):
    make = [BINARY, "org", "key", "create", "--all", "--json", "--data", data, "--store", store, "--name", "t", "--role"]
    return {role: json.loads(subprocess.run([*make, role], check=True, capture_output=True, text=True).stdout)["key"]
            for role in ("admin", "worker", "trainer")}


def serve(host, data, store, job_workers, processes, log):
    processes.append(start(host, "serve", "--host", "0.0.0.0", "--data", data, "--job-workers", str(job_workers), "--job-lease", "3s", log=log,
                           MILLWRIGHT_STORE=store))
    wait_until(lambda: ask(host, "", "GET", "/health")[0] == 200, f"server {host} does not answer")


def work(host, other, folder, key, processes, log, *options):
    """A worker on host, for the server of the other one."""
    processes.append(start(host, "worker", "--server", f"http://{HOSTS[other]}:8000", "--data", os.path.join(folder, "worker-" + host), *options, log=log,
                           MILLWRIGHT_API_KEY=key))


def pull_the_cable():
    ip("-n", SPACE["a"], "link", "set", "mwcable", "down")


def put_the_cable_back():
    ip("-n", SPACE["a"], "link", "set", "mwcable", "up")


def one_has_succeeded(keys, ids):
    return any(job["state"] == "SUCCESS" for job in states(keys, ids).values())


def all_have_succeeded(keys, ids):
    return all(job["state"] == "SUCCESS" for job in states(keys, ids).values())


def has_a_job(postgres, process):
    """By the store: holders are host:process id:..."""
    held = subprocess.run([os.path.join(postgres.bin, "psql"), "-XAtd", postgres.by_socket, "-c", "SELECT worker FROM millwright.jobs WHERE state IN ('STARTED', 'PROGRESS')"],
                          check=True, capture_output=True, text=True).stdout.split()
    return any(holder.split(":")[1] == str(process.pid) for holder in held)


def check_each_counts_once(data, keys, ids, host):
    for job in states(keys, ids).values():
        assert job["result"]["rows"] == ROWS, job
    status, answer = ask(host, keys["trainer"], "GET", "/summary?dataset=plant")
    assert status == 200, answer
    assert json.loads(answer)["rows"] == len(ids) * ROWS, answer
    work = os.path.join(data, "orgs", "default", "work")
    wait_until(lambda: not os.listdir(work), "work folders stay")
    segments = [name for name in os.listdir(os.path.join(data, "orgs", "default", "datasets", "plant")) if name.endswith(".arrow")]
    assert len(segments) == len(ids), segments


def workers_are_cut_off(folder, postgres, processes, log):
    data = os.path.join(folder, "data")
    keys = make_keys(data, postgres.by_socket)
    for host in HOSTS:
        serve(host, data, postgres.by_socket, 0, processes, log)
    for host, other in (("a", "b"), ("b", "a")):
        work(host, other, folder, keys["worker"], processes, log)
    begun = time.monotonic()
    ids = [send(keys, i, "ab"[i % 2]) for i in range(N_JOBS // 2)]
    wait_until(lambda: one_has_succeeded(keys, ids), "no job was done")
    pull_the_cable()
    ids += [send(keys, i, "ab"[i % 2]) for i in range(N_JOBS // 2, N_JOBS)]
    time.sleep(5)  # longer than the lease
    cut = states(keys, ids)
    assert any(job["state"] not in ("SUCCESS", "FAILURE") for job in cut.values()), "the cable was not what the workers needed"
    put_the_cable_back()
    wait_until(lambda: all_have_succeeded(keys, ids), "not all jobs were done", 240)
    check_each_counts_once(data, keys, ids, "b")
    print(f"# {N_JOBS} jobs, {sum(job['attempts'] for job in states(keys, ids).values())} attempts, "
          f"{time.monotonic() - begun:.1f} s with the cable pulled for 5")


def a_host_is_cut_off(folder, postgres, processes, log):
    data = os.path.join(folder, "data")
    keys = make_keys(data, postgres.by_socket)
    serve("a", data, postgres.by_socket, 1, processes, log)
    serve("b", data, postgres.by_cable, 1, processes, log)
    ids = [send(keys, i, "ab"[i % 2]) for i in range(N_JOBS // 2)]
    wait_until(lambda: all_have_succeeded(keys, ids), "not all jobs were done")
    training = None
    while not has_a_job(postgres, processes[1]):  # until it is host b that takes it
        if training:
            assert ask("a", keys["trainer"], "DELETE", f"/jobs/{training}")[0] == 200
            wait_until(lambda: states(keys, [training])[training]["state"] == "REVOKED", "a canceled job does not stop")
        status, answer = ask("b", keys["trainer"], "POST", "/train?wait=false", '{"dataset": "plant", "n_estimators": 10000, "min_samples_leaf": 1}')
        assert status == 202, (status, answer)
        training = json.loads(answer)["job_id"]
        wait_until(lambda: states(keys, [training])[training]["state"] in ("STARTED", "PROGRESS"), "no training begins")
    pull_the_cable()
    begun = time.monotonic()
    ids += [send(keys, i, "a") for i in range(N_JOBS // 2, N_JOBS)]
    wait_until(lambda: all_have_succeeded(keys, [*ids, training]), "host a did not do all alone")
    alone = time.monotonic() - begun
    time.sleep(max(0.0, 12 - alone))  # longer than PostgreSQL may be silent
    status, answer = ask("b", keys["trainer"], "POST", "/train?wait=false", "{}")
    assert status == 503, (status, answer)
    put_the_cable_back()
    begun = time.monotonic()
    wait_until(lambda: ask("b", keys["trainer"], "GET", "/jobs?limit=1")[0] == 200, "host b does not come back")
    back = time.monotonic() - begun
    ids += [send(keys, i, "b") for i in range(N_JOBS, N_JOBS + 10)]
    wait_until(lambda: all_have_succeeded(keys, ids), "not all jobs were done", 240)
    check_each_counts_once(data, keys, ids, "b")
    attempts = states(keys, [training])[training]["attempts"]
    assert attempts == 2, f"{attempts} attempts: host b had no job when it was cut off"
    status, answer = ask("a", keys["trainer"], "GET", "/models/status")
    assert status == 200 and [m["version"] for m in json.loads(answer)["models"]] == [1, 1, 1], answer
    print(f"# {len(ids)} jobs and a training; host a did the second half and the training of host b in {alone:.1f} s alone, "
          f"host b answers {back:.1f} s after the cable was put back")


def stop(processes):
    for process in reversed(processes):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
    for process in processes:
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def two_hosts(processes):
    """(folder, PostgreSQL); what is started meanwhile belongs in processes."""
    folder = with_postgres.make_folder()
    try:
        make_hosts()
        postgres = OnHostA(folder)
        os.chmod(folder, 0o777)
        postgres.start()
        try:
            yield folder, postgres
        finally:
            stop(processes)
            postgres.stop()
    finally:
        remove_hosts()
        shutil.rmtree(folder, ignore_errors=True)


def run(number, name, test):
    processes, log = [], tempfile.TemporaryFile("w+")
    try:
        with two_hosts(processes) as (folder, postgres):
            test(folder, postgres, processes, log)
        print(f"ok {number} - {name}", flush=True)
        return True
    except BaseException as why:  # its log is what one wants to see
        print(f"not ok {number} - {name}", flush=True)
        print(f"# {why}", file=sys.stderr)
        log.seek(0)
        for line in re.sub(r"Bearer \S+", "", log.read()).splitlines()[-40:]:
            print("# " + line, file=sys.stderr)
        return False


def main():
    if os.geteuid() != 0 or not shutil.which("ip") or ip("netns", "add", SPACE["a"], check=False).returncode:
        print("1..0 # SKIP needs root, iproute2 and network namespaces")
        return 0
    ip("netns", "del", SPACE["a"])
    tests = [("a cable that is pulled and put back loses no job and doubles none", workers_are_cut_off),
             ("a host that is cut off and comes back loses no job and doubles none", a_host_is_cut_off)]
    failed = [run(number, *test) for number, test in enumerate(tests, 1)].count(False)
    print(f"1..{len(tests)}")
    return 1 if failed else 0


if __name__ == "__main__":
    if len(sys.argv) > 1:
        BINARY = os.path.abspath(sys.argv[1])
    sys.exit(main())
