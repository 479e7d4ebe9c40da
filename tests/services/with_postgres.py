#!/usr/bin/env python3
"""Runs a command beside a PostgreSQL of its own, which is gone afterwards.

    tests/services/with_postgres.py COMMAND [ARGUMENT...]

The command finds its address in MILLWRIGHT_TEST_POSTGRES (a superuser's, of the database "postgres") and the server's folder and programs in
MILLWRIGHT_TEST_POSTGRES_FOLDER and _BIN, so that a test may kill and start it. PostgreSQL refuses to run as root: then it runs as nobody or postgres.
"""
import glob
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile


def find_programs():
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))
    if not found:
        sys.exit("there is no PostgreSQL here: `make deps` installs it")
    return found[-1]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def as_user():
    """What subprocess needs to run a program as somebody who is not root."""
    if os.geteuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    sys.exit("PostgreSQL does not run as root, and there is no other user")


def make_folder():
    """A new folder that the other user can reach, whatever TMPDIR says."""
    def is_open(path):
        while os.stat(path).st_mode & 0o001:
            if path == "/":
                return True
            path = os.path.dirname(path)
        return False

    places = [os.path.realpath(path) for path in (tempfile.gettempdir(), "/tmp", "/var/tmp") if os.path.isdir(path)]
    folder = tempfile.mkdtemp(prefix="millwright-postgres-", dir=next((path for path in places if not as_user() or is_open(path)), None))
    os.chmod(folder, 0o755)
    return folder


class Postgres:
    def __init__(self, folder):
        self.bin, self.data = find_programs(), os.path.join(folder, "data")
        self.port, self.user = free_port(), as_user()
        if self.user:
            os.chown(folder, self.user["user"], self.user["group"])
        self.run("initdb", "-D", self.data, "-U", "millwright", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        with open(os.path.join(self.data, "postgresql.conf"), "a") as conf:
            conf.write(f"listen_addresses = '127.0.0.1'\nport = {self.port}\nunix_socket_directories = ''\n"
                       "max_connections = 200\nshared_buffers = 64MB\n")

    def run(self, program, *arguments):
        subprocess.run([os.path.join(self.bin, program), *arguments], check=True, stdout=subprocess.DEVNULL, cwd="/", **self.user)

    def start(self):
        self.run("pg_ctl", "-D", self.data, "-w", "-l", os.path.join(self.data, "log"), "start")

    def stop(self):
        self.run("pg_ctl", "-D", self.data, "-w", "-m", "immediate", "stop")

    @property
    def address(self):
        return f"postgresql://millwright@127.0.0.1:{self.port}/postgres"


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    folder = make_folder()
    try:
        server = Postgres(folder)
        server.start()
        try:
            environment = dict(os.environ, MILLWRIGHT_TEST_POSTGRES=server.address, MILLWRIGHT_TEST_POSTGRES_FOLDER=server.data,
                               MILLWRIGHT_TEST_POSTGRES_BIN=server.bin)
            status = subprocess.run(sys.argv[1:], env=environment).returncode
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(status)


if __name__ == "__main__":
    main()
