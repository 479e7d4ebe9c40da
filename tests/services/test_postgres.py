#!/usr/bin/env python3
"""The store's scenarios on PostgreSQL: builds their program and runs it beside a server of its own."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def main():
    subprocess.run(["make", "-s", "--no-print-directory", "build-services"], cwd=ROOT, check=True)
    os.chdir(ROOT)
    os.execv(os.path.join(HERE, "with_postgres.py"), ["with_postgres.py", "build/release/tests/services/store_postgres"])


if __name__ == "__main__":
    sys.exit(main())
