#!/usr/bin/env bash
# http_training.sh [SECONDS] -- latency of GET /health, idle and while POST /train runs in its worker process. wrk, 64
# connections, one thread. Prints p50 and p99 of both and appends to bench/results.csv.
set -euo pipefail

seconds=${1:-5}
millwright=${MW_BINARY:-build/millwright}
port=${PORT:-8951}
here=$(dirname "$0")
folder=$(mktemp -d)
"$millwright" generate --days 28 --machines 12 --out "$folder/data/csv" >/dev/null
"$millwright" serve --port "$port" --data "$folder/data" >"$folder/log" 2>&1 &
pid=$!
trap 'kill "$pid" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT
until curl -sf "http://127.0.0.1:$port/health" >/dev/null; do sleep 0.05; done

measure() { # NAME
    wrk -t1 -c64 -d"${seconds}s" --latency "http://127.0.0.1:$port/health" >"$folder/wrk"
    ! grep 'Non-2xx\|Socket errors' "$folder/wrk" >&2
    local rate p50 p99
    rate=$(awk '/Requests\/sec/ { print $2 }' "$folder/wrk")
    p50=$(awk '$1 == "50%" { print $2 }' "$folder/wrk")
    p99=$(awk '$1 == "99%" { print $2 }' "$folder/wrk")
    echo "$1: p50 $p50, p99 $p99, $rate requests a second"
    local value unit
    value=${p99%%[mu]s} value=${value%s} unit=${p99#"$value"}
    "$here/results.py" "GET /health, 64 connections, $1" p99 "$value" "$unit" '' '' "p50 $p50, $rate/s" bench/http_training.sh
}

measure idle
state() { curl -sf "http://127.0.0.1:$port/jobs/$job" | sed 's/.*"state":"\([A-Z]*\)".*/\1/'; }
job=$(curl -sf -X POST -H 'Content-Type: application/json' -d '{}' "http://127.0.0.1:$port/train?wait=false" |
    sed 's/.*"job_id":"\([^"]*\)".*/\1/')
until [[ $(state) == PROGRESS ]]; do sleep 0.05; done
measure 'while training'
during=$(state)
echo "the training after the measurement: $during"
[[ $during == PROGRESS ]] || echo 'the training ended before the measurement: give fewer SECONDS' >&2
