#!/usr/bin/env python3
"""The fault table of the job core: 50 jobs on their way, a fault at random moments, and then every acknowledged job is there, once.

    FAULT_ROUNDS=10 FAULT_SEED=1 tests/services/test_fault_table.py [FAULT...]

Each fault strikes FAULT_ROUNDS times (2 make a short run), on SQLite and on PostgreSQL at the same time, each store with servers and a folder of its
own. What a full or failing disk makes fail says so and is sent again; no other fault makes a job fail. Prints the table as comments: acknowledged
jobs lost, results committed twice, seconds until the service answered again.
"""
import os
import random
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import threading
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, HERE)
from fault_plant import DONE, LEASE, ORGS, Databases, Load, Plant, Redis, children, process_state  # noqa: E402
from plant_client import Skip, run_tap  # noqa: E402
from with_postgres import make_folder  # noqa: E402

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "10"))
SEED = int(os.environ.get("FAULT_SEED", "1"))
JOBS = 50
DAY = 86400
STORES = ("sqlite", "postgresql")
databases = None
report = []

HEAD = f"{'fault':<22}{'store':<12}{'moments':>8}{'acked':>7}{'lost':>6}{'twice':>7}{'again s: median':>17}{'most':>7}{'resent':>8}  answers"


# ---- faults: each strikes once, and says for how many seconds the service did not answer afterwards ----

def kill_the_server(plant, rng):
    plant.servers[0].kill()
    begun = time.monotonic()
    plant.start(0)
    return time.monotonic() - begun + plant.seconds_until_it_answers()


def some_worker(plant, rng, seconds=2):
    """A worker process at some moment of a job, or None when none came."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pids = plant.busy_workers()
        if pids:
            time.sleep(0.03 * rng.random())
            return rng.choice(pids)
        time.sleep(0.002)
    return None


def kill_a_worker(plant, rng):
    pid = some_worker(plant, rng)
    if pid:
        send_signal(pid, signal.SIGKILL)
    return plant.seconds_until_it_answers()


def send_signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def kill_postgresql(plant, rng):
    """The seconds begin when it takes connections again: its recovery is its own."""
    databases.kill()
    time.sleep(0.5 * rng.random())
    databases.start()
    return plant.seconds_until_it_answers()


def freeze_postgresql(plant, rng):
    """It keeps its connections, and says nothing: for a moment, or each fifth time until it is given up. Whoever asks is then told so."""
    plant.turn = getattr(plant, "turn", 0) + 1
    databases.signal(signal.SIGSTOP)
    try:
        if plant.turn % 5 == 2:
            status, answer = plant.ask("GET", "/jobs?limit=1", timeout=60)
            assert status == 503, (status, answer)
        else:
            time.sleep(0.2 + 1.5 * rng.random())
    finally:
        databases.signal(signal.SIGCONT)
    return plant.seconds_until_it_answers()


def kill_redis(plant, rng):
    """The store is the truth: without the broker jobs are only found later."""
    plant.redis.kill()
    again = plant.seconds_until_it_answers()
    time.sleep(0.5 * rng.random())
    plant.redis.start()
    return max(again, plant.seconds_until_it_answers())


def deny_memory(plant, rng):
    """The server, or a worker at its job, gets no more than it has: from malloc, for stacks of threads, for maps of files."""
    pid = rng.choice((plant.servers[0].process.pid, some_worker(plant, rng) or plant.servers[0].process.pid))
    try:
        with open(f"/proc/{pid}/statm") as f:
            n_bytes = int(f.read().split()[0]) * resource.getpagesize()
        before = resource.prlimit(pid, resource.RLIMIT_AS, (n_bytes, resource.RLIM_INFINITY))
    except (ProcessLookupError, FileNotFoundError):  # that job has ended
        return plant.seconds_until_it_answers()
    time.sleep(0.2 + 0.5 * rng.random())
    try:
        resource.prlimit(pid, resource.RLIMIT_AS, before)
    except ProcessLookupError:
        pass
    return plant.seconds_until_it_answers()


def stop_a_worker(plant, rng):
    """Past its lease: its server must put it away, and start the job again. One that has not said HELLO yet has 10 s."""
    pid = some_worker(plant, rng)
    if not pid:
        return 0
    send_signal(pid, signal.SIGSTOP)
    begun = time.monotonic()
    while process_state(pid) not in ("Z", "X"):
        if pid not in plant.jobs_of_workers().values():  # its job had ended before the signal came: it is only kept ready
            send_signal(pid, signal.SIGCONT)
            return 0
        assert time.monotonic() - begun < 10 + 2 * LEASE, "a stopped worker is still there"
        time.sleep(0.02)
    return time.monotonic() - begun


def stop_the_server(plant, rng):
    """Past the lease of its jobs, while another one takes them over. Awake again it must not commit. In turns."""
    plant.turn = 1 - getattr(plant, "turn", 1)
    frozen = plant.servers[plant.turn]
    frozen.process.send_signal(signal.SIGSTOP)
    begun = time.monotonic()
    try:
        again = None
        while time.monotonic() - begun < LEASE * 1.5:
            if again is None and plant.ask("GET", "/jobs?limit=1", timeout=0.5, server=1 - plant.turn)[0] == 200:
                again = time.monotonic() - begun
            time.sleep(0.01)
    finally:
        frozen.process.send_signal(signal.SIGCONT)
    plant.seconds_until_it_answers(plant.turn)
    return again if again is not None else time.monotonic() - begun + plant.seconds_until_it_answers(1 - plant.turn)


def fill_the_disk(plant, rng):
    path = os.path.join(plant.data, "filler")
    with open(path, "wb", buffering=0) as f:
        try:
            while f.write(bytes(65536)):
                pass
        except OSError:
            pass
        time.sleep(0.2 + 0.5 * rng.random())
    os.remove(path)
    return plant.seconds_until_it_answers()


def fail_fsync(plant, rng):
    plant.shim(fsync_fails=1)
    time.sleep(0.2 + 0.5 * rng.random())
    plant.shim()
    return plant.seconds_until_it_answers()


def fail_allocations(plant, rng):
    """Some of the program's own, in the server and in its workers."""
    plant.shim(fails_one_in=rng.choice((100, 1000, 10000)))
    time.sleep(0.2 + 0.5 * rng.random())
    plant.shim()
    return plant.seconds_until_it_answers()


def jump_the_clock(plant, rng):
    """A day, forward or back, and then the other way."""
    plant.shim(offset_s=rng.choice((-DAY, DAY)))
    again = plant.seconds_until_it_answers()
    time.sleep(0.2 + 0.5 * rng.random())
    plant.shim()
    return max(again, plant.seconds_until_it_answers())


def cut_the_network(plant, rng):
    plant.proxy.cut(0.3 + 1.2 * rng.random(), rng.random() < 0.6)
    return plant.seconds_until_it_answers()


# ---- afterwards ----

def check_datasets(plant, load):
    """Rows and files of each dataset are those of the acknowledged uploads. (files lost, files twice)"""
    held, lost, twice = {}, [], []
    for row in plant.rows_of("SELECT org, dataset, source, count(*) AS n, sum(n_rows) AS n_rows FROM segments GROUP BY org, dataset, source"):
        held[row["org"], row["dataset"], row["source"]] = row
    wanted = {(j["org"], j["dataset"], j["name"]): j for j in load.acknowledged if j["kind"] == "upload"}
    for key, job in wanted.items():
        row = held.get(key)
        if not row or row["n_rows"] < job["rows"]:
            lost.append(f"{key}: {row}")
        elif row["n"] != 1 or row["n_rows"] > job["rows"]:
            twice.append(f"{key}: {row}")
    twice += [f"{key} that nobody sent" for key in held if key not in wanted]
    for org, dataset in sorted({key[:2] for key in wanted}):
        rows = sum(job["rows"] for key, job in wanted.items() if key[:2] == (org, dataset))
        status, summary = plant.ask("GET", f"/summary?dataset={dataset}", org=org, timeout=20)
        if status != 200 or summary["rows"] < rows:
            lost.append(f"summary of {org}/{dataset}: {status} {summary}, not {rows} rows")
        elif summary["rows"] > rows:
            twice.append(f"summary of {org}/{dataset}: {summary['rows']} rows, not {rows}")
    return lost, twice


def check_models(plant):
    """Each training that succeeded gave one version of each model, and the others none. (lost, twice)"""
    lost, twice = [], []
    made = {(r["job_id"], r["model"]): r["n"] for r in plant.rows_of("SELECT job_id, model, count(*) AS n FROM versions GROUP BY job_id, model")}
    good = {r["id"] for r in plant.rows_of("SELECT id FROM jobs WHERE kind = 'train' AND state = 'SUCCESS'")}
    for job in good:
        lost += [f"{model} of {job}" for model in ("baseline", "regression", "anomaly") if (job, model) not in made]
    twice += [f"{n} versions of {key}" for key, n in made.items() if n != 1 or key[0] not in good]
    for org in ORGS:
        status, answer = plant.ask("GET", "/models/status", org=org, timeout=20)
        assert status == 200, (status, answer)
        lost += [f"{org}: {m['name']} {m['status']}: {m['reason']}" for m in answer["models"] if m["status"] != "ready"]
    return lost, twice


def check_fences(plant):
    """Nobody acts under a lease that another one holds: at most one holder ends a job well, and each attempt had a fence of its own."""
    ends = {}
    for line in plant.log_lines():
        words = line.split()
        if " done " in line and "job=" in line:
            job = next(w for w in words if w.startswith("job="))[4:]
            ends[job] = ends.get(job, 0) + 1
    wrong = [f"job {job} was done {n} times" for job, n in ends.items() if n > 1]
    for job in plant.rows_of("SELECT id, state, fence, attempts, worker, finished_us FROM jobs"):
        if job["state"] not in DONE or not job["finished_us"]:
            wrong.append(f"{job} has not ended")
        if job["fence"] < job["attempts"] or job["worker"]:
            wrong.append(f"{job}: a fence was used twice, or a holder stays")
    return wrong


MAY_SAY = {fill_the_disk: "EIO", fail_fsync: "EIO", deny_memory: "ENOMEM", fail_allocations: "ENOMEM"}


def strike(fault, name, plant, rng):
    load = Load(plant, JOBS, f"{SEED} {name} {plant.store}")
    seconds = []
    for i in range(ROUNDS):
        n = JOBS * (i + 1) // ROUNDS - JOBS * i // ROUNDS
        load.release(n // 2)
        time.sleep(0.15 * rng.random())
        later = threading.Timer(0.1 * rng.random(), load.release, [n - n // 2])  # while it lasts
        later.start()
        seconds.append(fault(plant, rng))
        later.join()
    load.finish()
    lost, twice = [], []
    for found in (check_datasets(plant, load), check_models(plant)):
        lost += found[0]
        twice += found[1]
    answers = " ".join(f"{k}:{n}" for k, n in sorted(load.answers.items(), key=str))
    line = (f"{name:<22}{plant.store:<12}{ROUNDS:>8}{len(load.acknowledged):>7}{len(lost):>6}{len(twice):>7}{statistics.median(seconds):>17.2f}"
            f"{max(seconds):>7.2f}{load.n_sent_again:>8}  {answers}")
    report.append(line)
    print(f"# {line}", flush=True)
    wrong = []
    for job in load.acknowledged:
        if "error" in job:  # that of a disk or of memory is told; no other fault makes a job fail
            print(f"#   failed and was sent again: {job['error']['code']} {job['error']['message']}", flush=True)
            if MAY_SAY.get(fault) != job["error"]["code"]:
                wrong.append(f"{job} failed")
    troubles = load.troubles + lost + twice + wrong + check_fences(plant)
    assert not troubles, "\n".join(troubles[:20])
    return load


def row(fault, folder, stores=STORES, after=None, make_room=None, **options):
    """One fault on its stores, side by side."""
    name = fault.__name__.replace("_", " ")
    troubles = []

    def run(store):
        own = os.path.join(folder, store)
        plant = None
        os.mkdir(own)
        try:
            if make_room:
                make_room(os.path.join(own, "data"))
            plant = Plant(own, store, databases, database="fault_" + fault.__name__, **options)
            strike(fault, name, plant, random.Random(f"{SEED} {name} {store}"))
            if after:
                after(plant)
            for server in plant.servers:
                assert server.stop() == 0, "a server did not end well"
        except BaseException:
            troubles.append(f"{store}: {traceback.format_exc()}")
            keep = os.environ.get("FAULT_KEEP")
            if keep and plant:
                shutil.copytree(own, os.path.join(keep, f"{fault.__name__}-{store}"), dirs_exist_ok=True, symlinks=True)
        finally:
            if plant:
                plant.close()
            if make_room:
                subprocess.run(["umount", "-l", os.path.join(own, "data")], stderr=subprocess.DEVNULL)

    threads = [threading.Thread(target=run, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not troubles, "\n".join(troubles)


def build_shim(folder):
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if not compiler:
        raise Skip("there is no C compiler for the shim")
    path = os.path.join(folder, "fault_shim.so")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-D_GNU_SOURCE", "-o", path, os.path.join(HERE, "shim", "fault_shim.c")], check=True)
    return path


def small_disk(path):
    os.mkdir(path)
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "millwright-test", path], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)


def health_is_still_looked_at(plant):
    """With the clock a day ahead: what is damaged now is in /health within two of its periods."""
    plant.shim(offset_s=DAY)
    time.sleep(6)
    plant.shim()
    models = os.path.join(plant.data, "orgs", "acme", "models", "anomaly")
    path = os.path.join(models, os.readlink(os.path.join(models, "current")), "model.onnx")
    with open(path, "r+b") as f:
        f.truncate(100)
    until = time.monotonic() + 12
    while plant.ask("GET", "/health")[1]["status"] == "ok":
        assert time.monotonic() < until, "nobody looks at the service's health any more"
        time.sleep(0.1)


# ---- the table ----

def what_is_lost_or_doubled_is_found(folder):
    """The checks themselves: a ledger with one file more, and one with a file less, than the store holds."""
    plant = Plant(folder, "sqlite")
    try:
        load = Load(plant, 6, SEED)
        load.finish()
        assert check_datasets(plant, load) == ([], []) and check_models(plant) == ([], []) and check_fences(plant) == []
        known = list(load.acknowledged)
        load.acknowledged = [*known, dict(known[0], name="never_sent.csv")]
        assert check_datasets(plant, load)[0]
        load.acknowledged = known[1:]
        assert check_datasets(plant, load)[1]
        load.acknowledged = [dict(known[0], rows=known[0]["rows"] - 1), *known[1:]]
        assert check_datasets(plant, load)[1]
        with open(os.path.join(plant.folder, "server0.log"), "a") as f:
            f.write("upload done org=acme job=X\n" * 2)
        assert check_fences(plant) == ["job X was done 2 times"]
        assert plant.servers[0].stop() == 0
    finally:
        plant.close()


def the_server_is_killed(folder):
    row(kill_the_server, folder)


def a_worker_is_killed(folder):
    row(kill_a_worker, folder)


def postgresql_is_killed(folder):
    row(kill_postgresql, folder, ["postgresql"])


def postgresql_is_frozen(folder):
    row(freeze_postgresql, folder, ["postgresql"])


def redis_is_killed(folder):
    if not shutil.which("redis-server"):
        raise Skip("there is no redis-server: `make deps` installs it")
    redis = Redis(folder)
    try:
        row(kill_redis, folder, ["postgresql"], n_servers=2, redis=redis)
    finally:
        redis.kill()


def memory_is_denied(folder):
    row(deny_memory, folder)


def a_worker_is_stopped(folder):
    row(stop_a_worker, folder)


def the_server_is_stopped_and_another_takes_over(folder):
    row(stop_the_server, folder, n_servers=2)


def the_disk_is_full(folder):
    probe = os.path.join(folder, "probe")
    if os.geteuid() != 0:
        raise Skip("only root may mount a small disk")
    try:
        small_disk(probe)
    except RuntimeError as why:
        raise Skip(f"a small disk cannot be mounted: {why}")
    subprocess.run(["umount", probe], check=True)
    row(fill_the_disk, folder, make_room=small_disk)


def fsync_fails(folder):
    row(fail_fsync, folder, preload=build_shim(folder))


def allocations_fail(folder):
    row(fail_allocations, folder, preload=build_shim(folder))


def the_clock_jumps(folder):
    row(jump_the_clock, folder, preload=build_shim(folder), after=health_is_still_looked_at)


def the_network_is_cut(folder):
    row(cut_the_network, folder, ["postgresql"], proxied=True)


TESTS = [what_is_lost_or_doubled_is_found, the_server_is_killed, a_worker_is_killed, postgresql_is_killed, postgresql_is_frozen, redis_is_killed, memory_is_denied, a_worker_is_stopped,
         the_server_is_stopped_and_another_takes_over, the_disk_is_full, fsync_fails, allocations_fail, the_clock_jumps, the_network_is_cut]


def main():
    global databases
    os.chdir(ROOT)
    wanted = [t for t in TESTS if not sys.argv[1:] or t.__name__ in sys.argv[1:]]
    folder = make_folder()
    try:
        databases = Databases(folder)
        databases.start()
        try:
            print(f"# {ROUNDS} moments each, seed {SEED}\n# {HEAD}", flush=True)
            status = run_tap(wanted)
        finally:
            databases.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n".join(f"# {line}" for line in [HEAD, *report]), flush=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
