#!/usr/bin/env python3
"""Backups taken while others write, restored elsewhere; damaged ones, full disks and stores in use."""
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from datetime import datetime

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from plant_client import BINARY, Client, Server, run_tap  # noqa: E402

HOUR = 3600
START = 1767225600  # 2026-01-01


def run(*words, status=0, most_bytes=None):
    def limit():
        if most_bytes:
            resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    done = subprocess.run([BINARY, *words, "--json"], capture_output=True, text=True, timeout=100, preexec_fn=limit)
    assert done.returncode == status, (words, done.returncode, done.stderr)
    return json.loads(done.stdout) if status == 0 else done.stderr


def table(n_rows, salt):
    lines = ["time,device_id,a,b"]
    for i in range(n_rows):
        lines.append(f"{START + i * 300},press,{(i * 7 + salt) % 97},{(i * 3 + salt) % 31}")
    return ("\n".join(lines) + "\n").encode()


def send_file(client, name, body):
    return client.request("POST", f"/datasets/main/files/{name}?time_format=unix", body, {})


class Writers:
    """Threads that write until told to stop; done holds what was acknowledged, each with its time."""

    def __init__(self, port):
        self.port, self.stopping, self.done, self.failed = port, False, [], []
        self.threads = [threading.Thread(target=self.keep, args=(what,)) for what in (self.org, self.replace, self.row)]
        for thread in self.threads:
            thread.start()

    def keep(self, what):
        client, n = Client(self.port), 0
        while not self.stopping:
            try:
                self.done.append((time.monotonic(), *what(client, n)))
            except Exception as error:  # told at the end, by the main thread
                self.failed.append(error)
                return
            n += 1

    @staticmethod
    def org(client, n):
        status, _, raw = client.request("POST", "/organizations", json.dumps({"id": f"org{n}"}),
                                        {"Content-Type": "application/json"})
        assert status == 200, (status, raw)
        return "org", f"org{n}"

    @staticmethod
    def replace(client, n):
        status, _, raw = send_file(client, "turning.csv", table(100 + n, n))
        assert status == 200, (status, raw)
        return "rows", 100 + n

    @staticmethod
    def row(client, n):
        body = json.dumps({"rows": [{"time": START + n, "machine": "press", "a": n, "b": 1}]})
        status, _, raw = client.request("POST", "/telemetry", body, {"Content-Type": "application/json"})
        assert status == 200, (status, raw)
        return "live", n

    def stop(self):
        self.stopping = True
        for thread in self.threads:
            thread.join()
        assert not self.failed, self.failed


def configure(data):
    schema = {"deviceColumn": "machine", "continuousColumns": ["a", "b"], "rollingWindows": [4]}
    path = os.path.join(data, "live.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump({"organizationId": "default", "schemaConfig": schema}, file)
    run("org", "configure", path, "--data", data)


def acknowledged_before(done, moment):
    return [entry[1:] for entry in done if entry[0] < moment]


def check_restored(folder, entries):
    server = Server(folder)
    client = Client(server.port)
    orgs = {o["organization_id"] for o in client.call("organizations")[1]}
    wanted = {name for kind, name in entries if kind == "org"}
    assert wanted <= orgs, sorted(wanted - orgs)
    rows = [n for kind, n in entries if kind == "rows"]
    if rows:
        status, summary = client.call("summary")
        assert status == 200, summary
        total = summary["rows"] if "rows" in summary else summary["total_rows"]
        assert total >= rows[-1], (total, rows[-1])
    live = [n for kind, n in entries if kind == "live"]
    if live:
        status, newest = client.call("live_features", device="press")
        seen = datetime.fromisoformat(newest["time"].replace("Z", "+00:00")).timestamp()
        assert status == 200 and seen >= START + live[-1], (newest, live[-1])
    assert server.stop() == 0
    run("doctor", "--data", folder)


def a_backup_under_load_has_all_that_was_acknowledged(folder):
    data = os.path.join(folder, "data")
    os.mkdir(data)
    configure(data)
    server = Server(data, "--live-file-kib", "16")
    client = Client(server.port)
    assert send_file(client, "still.csv", table(500, 1))[0] == 200
    writers = Writers(server.port)
    moments = []
    try:
        for i in range(3):
            time.sleep(0.5)
            moments.append(time.monotonic())
            said = run("backup", os.path.join(folder, f"saved{i}"), "--data", data)
            assert said["files"] >= 2, said
    finally:
        writers.stop()
    assert server.stop() == 0
    for i, moment in enumerate(moments):
        to = os.path.join(folder, f"back{i}")
        said = run("restore", os.path.join(folder, f"saved{i}"), "--data", to)
        assert said["missing"] == 0 and said["checked"] >= 2, said
        check_restored(to, acknowledged_before(writers.done, moment))


def small_plant(folder):
    data, saved = os.path.join(folder, "data"), os.path.join(folder, "saved")
    server = Server(data)
    assert send_file(Client(server.port), "one.csv", table(300, 2))[0] == 200
    assert server.stop() == 0
    run("backup", saved, "--data", data)
    return data, saved


def files_below(folder):
    return sorted(os.path.join(root, name) for root, _, names in os.walk(folder) for name in names)


def damaged_backups_are_refused_and_change_nothing(folder):
    _, saved = small_plant(folder)
    to = os.path.join(folder, "to")
    for path in files_below(saved):
        size = os.path.getsize(path)
        for at in (0, size // 2, size - 1):
            with open(path, "r+b") as file:
                file.seek(at)
                byte = file.read(1)[0]
                file.seek(at)
                file.write(bytes([byte ^ 0x10]))
            if not (path.endswith("backup.json") and chr(byte) in " \n"):
                run("restore", saved, "--data", to, status=4)
                assert not os.path.exists(os.path.join(to, "millwright.db")), path
                assert not os.path.exists(os.path.join(to, "millwright.db.restoring")), path
            with open(path, "r+b") as file:
                file.seek(at)
                file.write(bytes([byte]))
        hidden = path + ".hidden"
        os.rename(path, hidden)
        run("restore", saved, "--data", to, status=4)
        os.rename(hidden, path)
        with open(path, "rb") as file:
            content = file.read()
        with open(path, "wb") as file:
            file.write(content[:size // 2])
        run("restore", saved, "--data", to, status=4)
        with open(path, "wb") as file:
            file.write(content)
    run("restore", saved, "--data", to)
    run("doctor", "--data", to)


def paths_of_a_list_stay_below_the_folder(folder):
    _, saved = small_plant(folder)
    listed = os.path.join(saved, "backup.json")
    with open(listed, encoding="utf-8") as file:
        told = json.load(file)
    outside = os.path.join(folder, "outside")
    for path in ("orgs/../../outside", "/etc/passwd", "orgs//x", "orgs/default/../../../outside", "millwright.db"):
        told["files"][0]["path"] = path
        with open(listed, "w", encoding="utf-8") as file:
            json.dump(told, file)
        done = subprocess.run([BINARY, "restore", saved, "--data", os.path.join(folder, "to")], capture_output=True, timeout=60)
        assert done.returncode != 0 and not os.path.exists(outside), path


def a_store_in_use_is_not_replaced(folder):
    data, saved = small_plant(folder)
    run("restore", saved, "--data", data, status=6)  # there is one, and nobody said --replace
    server = Server(data)
    client = Client(server.port)
    assert client.request("POST", "/organizations", '{"id": "later"}', {"Content-Type": "application/json"})[0] == 200
    assert "stop the server" in run("restore", saved, "--data", data, "--replace", status=10)
    assert "later" in {o["organization_id"] for o in client.call("organizations")[1]}
    assert server.stop() == 0
    run("restore", saved, "--data", data, "--replace")
    assert os.path.exists(os.path.join(data, "millwright.db.replaced"))
    server = Server(data)
    client = Client(server.port)
    assert "later" not in {o["organization_id"] for o in client.call("organizations")[1]}
    assert client.call("summary")[0] == 200
    assert server.stop() == 0
    with open(os.path.join(data, "millwright.db"), "r+b") as file:  # the reason why one restores
        file.write(b"\0" * 8192)
    run("restore", saved, "--data", data, "--replace")
    run("doctor", "--data", data)


def without_files_the_records_alone_are_kept(folder):
    data, _ = small_plant(folder)
    slim, to = os.path.join(folder, "slim"), os.path.join(folder, "to")
    assert run("backup", slim, "--without-files", "--data", data)["files"] == 0
    assert sorted(os.listdir(slim)) == ["backup.json", "millwright.db"]
    assert "--allow-missing" in run("restore", slim, "--data", to, status=4)
    assert not os.path.exists(os.path.join(to, "millwright.db"))
    assert run("restore", slim, "--data", to, "--allow-missing")["missing"] >= 1
    run("restore", slim, "--data", data, "--replace")  # its files are there
    run("doctor", "--data", data)


def a_full_disk_leaves_no_half_backup(folder):
    data, _ = small_plant(folder)
    before = {path: os.path.getsize(path) for path in files_below(data) if "/orgs/" in path}
    for most in (1, 4096, 40000, 90000):
        target = os.path.join(folder, f"full{most}")
        text = run("backup", target, "--data", data, status=12, most_bytes=most)
        assert text and not os.path.exists(os.path.join(target, "backup.json")), text
        assert files_below(target) == [], files_below(target)
    assert before == {path: os.path.getsize(path) for path in files_below(data) if "/orgs/" in path}
    run("backup", os.path.join(folder, "well"), "--data", data)


def a_folder_with_something_in_it_is_no_place_for_a_backup(folder):
    data, saved = small_plant(folder)
    run("backup", saved, "--data", data, status=6)
    assert "no backup" in run("restore", data, "--data", os.path.join(folder, "to"), status=4)
    shutil.rmtree(os.path.join(saved, "orgs"))
    run("restore", saved, "--data", os.path.join(folder, "to"), status=4)


if __name__ == "__main__":
    sys.exit(run_tap([a_backup_under_load_has_all_that_was_acknowledged, damaged_backups_are_refused_and_change_nothing,
                      paths_of_a_list_stay_below_the_folder, a_store_in_use_is_not_replaced,
                      without_files_the_records_alone_are_kept, a_full_disk_leaves_no_half_backup,
                      a_folder_with_something_in_it_is_no_place_for_a_backup]))
