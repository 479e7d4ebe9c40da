#!/usr/bin/env python3
"""The isolation forest's parameters and both of its model folders. TAP, standard library only."""
import hashlib
import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from test_cli import EDATA, EINVAL, main, train_table  # noqa: E402


def an_extended_isolation_forest_lives_in_state_arrow(cli):
    words = ["--learner", "isolation", "--set", "contamination=0.1", "--set", "ndim=2"]
    status, out, _ = train_table(cli, None, "m", *words)
    assert status == 0 and json.loads(out)["metrics"]["flagged"] == 30
    folder = cli.folder / "m"
    assert sorted(f.name for f in folder.iterdir()) == ["MLmodel", "metadata.json", "state.arrow"]
    state = (folder / "state.arrow").read_bytes()
    assert json.loads(out)["model_sha256"] == hashlib.sha256(state).hexdigest()
    cli.ok("predict", "m", "t.csv", "--out", "s.csv")
    lines = (cli.folder / "s.csv").read_text().splitlines()
    assert lines[0] == "score,is_anomaly" and sum(line.endswith(",1") for line in lines) == 30
    for jobs in ("1", "3"):
        assert train_table(cli, None, "m2", *words, "--jobs", jobs)[0] == 0
        for name in ("state.arrow", "metadata.json"):
            assert (folder / name).read_bytes() == (cli.folder / "m2" / name).read_bytes()
    (folder / "state.arrow").write_bytes(state[:-9] + b"x" + state[-8:])
    cli.fails(EDATA, "predict", "m", "t.csv", "--out", "x.csv", says="state.arrow")
    assert train_table(cli, None, "m", "--learner", "isolation")[0] == 0  # a plain one takes its place
    assert sorted(f.name for f in folder.iterdir()) == ["MLmodel", "metadata.json", "model.onnx"]
    for wrong in ("max_samples=1", "max_features=2x", "contamination=0.7", "ndim=0"):
        cli.fails(EINVAL, "train", "t.csv", "--learner", "isolation", "--set", wrong, "--out", "x", hint=False)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], [an_extended_isolation_forest_lives_in_state_arrow]))
