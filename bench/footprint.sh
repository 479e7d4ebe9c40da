#!/usr/bin/env bash
# footprint.sh [ROUNDS] -- how long from exec to the first answer of `millwright serve`, its memory after 5 idle
# seconds (without models, and with the sample plant's three), and the size of the executable (stripped too), against the goals 50 ms, 30 MB, 20 MB. Appends to
# bench/results.csv. Exit status 1: a goal was missed.
set -euo pipefail

rounds=${1:-11}
millwright=${MW_BINARY:-build/millwright}
port=${PORT:-8941}
here=$(dirname "$0")
folder=$(mktemp -d)
pid=
trap '[[ -z $pid ]] || kill "$pid" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT

# Connects in a tight loop from before the program runs, so that the answer's own time is all that is added.
cat >"$folder/start.py" <<'PY'
import socket, subprocess, sys, time
port, command = int(sys.argv[1]), sys.argv[2:]
begin = time.monotonic()
server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
while True:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as c:
            c.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: close\r\n\r\n" % port)
            if c.recv(4096).startswith(b"HTTP/1.1 200"):
                break
    except OSError:
        if server.poll() is not None or time.monotonic() - begin > 30:
            sys.exit("the server did not start")
        time.sleep(0.0005)
print(f"{(time.monotonic() - begin) * 1000:.1f}")
server.terminate()
server.wait()
PY
# A trained data folder: what an operator restarts.
"$millwright" generate --days 7 --out "$folder/data/csv" >/dev/null
"$millwright" ingest "$folder/data/csv" --data "$folder/data" >/dev/null
"$millwright" train --data "$folder/data" >/dev/null
for _ in $(seq "$rounds"); do
    python3 "$folder/start.py" "$port" "$millwright" serve --port "$port" --data "$folder/data"
done | sort -n >"$folder/starts"
start=$(sed -n "$(((rounds + 1) / 2))p" "$folder/starts")
range="$(head -1 "$folder/starts")..$(tail -1 "$folder/starts")"

idle() { # FOLDER -- PSS and RSS in MB
    "$millwright" serve --port "$port" --data "$1" >/dev/null 2>&1 &
    pid=$!
    until curl -sf "http://127.0.0.1:$port/health" >/dev/null; do sleep 0.05; done
    sleep 5
    awk '/^Pss:/ { p = $2 } /^Rss:/ { r = $2 } END { printf "%.1f %.1f\n", p / 1024, r / 1024 }' \
        "/proc/$pid/smaps_rollup" >"$folder/memory"
    kill "$pid" && wait "$pid" || true
    pid=
    read -r pss rss <"$folder/memory"
}

cp -L "$millwright" "$folder/copy" && strip "$folder/copy"
stripped=$(stat -c %s "$folder/copy" | awk '{ printf "%.1f", $1 / 1e6 }')
size=$(stat -Lc %s "$millwright" | awk '{ printf "%.1f", $1 / 1e6 }')

missed=0
goal() { # METRIC VALUE UNIT GOAL SPREAD
    local verdict
    verdict=$(awk -v v="$2" -v g="$4" 'BEGIN { print v < g ? "ok" : "missed" }')
    [[ $verdict == ok ]] || missed=1
    printf '%-28s %8s %-3s goal < %s %s: %s (%s)\n' "$1" "$2" "$3" "$4" "$3" "$verdict" "$5"
    "$here/results.py" footprint "$1" "$2" "$3" 'goal below' "$4" "$5" bench/footprint.sh
}
goal 'start to first answer' "$start" ms 50 "median of $rounds, $range"
idle "$folder/empty"
goal 'idle memory, PSS, no models' "$pss" MB 30 "RSS $rss MB"
idle "$folder/data"
goal 'idle memory, PSS, 3 models' "$pss" MB 30 "RSS $rss MB"
goal 'executable' "$size" MB 20 "stripped $stripped MB"
exit $missed
