#!/usr/bin/env bash
# test_formats.sh -- files open elsewhere: synthetic models in onnxruntime and MLflow, tables of every column type in
# pyarrow, pandas and Polars. TAP; needs `make venv`.
set -uo pipefail

number=0 failed=0
check() { # NAME COMMAND...
    local name=$1 outcome=ok
    number=$((number + 1))
    if ! "${@:2}" 2>&1 | sed 's/^/# /'; then outcome='not ok' failed=1; fi
    echo "$outcome $number - $name"
}

interop() {
    local program=build/release/tests/unit/table/test_ipc
    make -s --no-print-directory "$program" "${program}stream" &&
        build/venv/bin/python tests/quality/arrow_interop.py "$program" "${program}stream"
}

echo 1..2
check 'model folders' make -s --no-print-directory onnx-parity
check 'tables' interop
exit $failed
