#!/usr/bin/env python3
"""What the binary shows of files: names and cells of others, dry runs. TAP, standard library only."""
import fcntl
import os
import pty
import signal
import struct
import sys
import termios

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_cli import EINVAL, ENOTFOUND, main  # noqa: E402


def names_from_files_do_not_reach_the_terminal_raw(cli):
    """A header, a cell or a file's name with control characters: shown tame as text, whole as JSON."""
    cli.write("e.csv", 'time,a\x1b[31mb,"x\ny",c\x9bd\n2026-01-25 01:30:00.250,1,2,\x1b[2J\n2026-01-25 01:31:00.125,2,3,5\n')
    for words in (("e.csv", "--dry-run"), ("e.csv", "--max-reject-share", "1"), ("\x1b[32m.csv",)):
        status, out, err = cli.run("ingest", *words)
        assert "\x1b" not in out + err and "\x9b" not in out + err, (words, out, err)
        assert "a?[31mb" in out or status == ENOTFOUND or "--dry-run" not in words, out
        if "--dry-run" in words:
            assert "x?y" in out and "2026-01-25T01:31:00.125Z" in out, out
    status, out, err = cli.run("summary")
    assert "a?[31mb" in out and "\x1b" not in out, out
    assert "a\x1b[31mb" in [c["name"] for c in cli.json("summary")["columns"]]


def a_dry_run_refuses_what_an_ingest_would(cli):
    cli.write("s.csv", "time,temp\n2026-01-25 01:30:00,1\n2026-01-25 01:31:00,2\n")
    for words in (("--range", "temp"), ("--range", "temp=5:1"), ("--rename", "temp=device_id"), ("--drop", "load")):
        wet, dry = (cli.run("ingest", "s.csv", *words, *more) for more in ((), ("--dry-run",)))
        assert wet[0] == dry[0] == EINVAL and wet[2] == dry[2], (words, wet, dry)


def a_dry_run_says_what_the_dataset_has(cli):
    for name in ("k.csv", "n.csv"):
        cli.write(name, "time,temp\n2026-01-25 01:30:00,1\n2026-01-25 01:31:00,2\n")
    assert cli.run("ingest", "k.csv")[0] == 0
    status, out, err = cli.run("ingest", "k.csv", "n.csv", "--dry-run")
    assert status == 0 and out.count("the dataset has it") == 1, (out, err)
    assert out.index("k.csv") < out.index("the dataset has it") < out.index("n.csv"), out
    assert cli.json("ingest", "k.csv", "n.csv", "--dry-run")["known"] == ["k.csv"]


def progress_never_wraps(cli):
    """On a narrow terminal the line gets shorter: one that wraps scrolls with every redraw."""
    cli.write("a long name of a table, with Größe 25°.csv", "a,b,c,y\n" + "\n".join(f"{i % 97},{i * 7 % 101},{i * 31 % 89},{i * 13 % 83}"
                                                                          for i in range(60000)))
    for columns in (80, 24):
        try:
            parent, child = pty.openpty()
        except OSError as none:  # a bare chroot has no terminals
            return print(f"# no terminal to show progress on: {none}")
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", 10, columns, 0, 0))
        process = cli.start("train", "a long name of a table, with Größe 25°.csv", "--target", "y", "--out", "m", "--jobs", "1",
                            "--set", "n_estimators=40", stderr=child)
        os.close(child)
        shown = b""
        while shown.count(b"\r") < 4 and process.poll() is None:
            try:
                shown += os.read(parent, 4096)
            except OSError:  # the other end is closed
                break
        process.send_signal(signal.SIGINT)
        process.communicate()
        os.close(parent)
        drawn = shown.decode().split("\r\x1b[K")[1:4]
        assert len(drawn) == 3, shown
        assert all(len(line) < columns and "\n" not in line for line in drawn), (columns, drawn)
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], [names_from_files_do_not_reach_the_terminal_raw, a_dry_run_refuses_what_an_ingest_would,
                                 a_dry_run_says_what_the_dataset_has, progress_never_wraps]))
