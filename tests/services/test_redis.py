#!/usr/bin/env python3
"""Wake-ups through Redis: builds their program, which starts a Redis of its own."""
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def main():
    subprocess.run(["make", "-s", "--no-print-directory", "build-services"], cwd=ROOT, check=True)
    os.chdir(ROOT)
    os.execv("build/release/tests/services/broker_redis", ["broker_redis"])


if __name__ == "__main__":
    sys.exit(main())
