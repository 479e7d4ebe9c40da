#!/usr/bin/env bash
# http.sh [SECONDS] -- GET /health beside nginx answering the same bytes: wrk, 64 connections, both with two
# workers, rounds interleaved, medians. Prints requests a second, p99 and the ratio. SERVER=COMMAND replaces the
# test server; it must serve /health on PORT.
set -euo pipefail

seconds=${1:-5}
rounds=${ROUNDS:-2}
port=${PORT:-8931}
nginx_port=${NGINX_PORT:-8932}
folder=$(mktemp -d)
pids=()
trap 'kill "${pids[@]}" 2>/dev/null || true; wait; rm -rf "$folder"' EXIT

if [[ -n ${SERVER:-} ]]; then
    $SERVER >"$folder/server.log" 2>&1 &
else
    build/release/tests/http/test_server --port "$port" --loops 2 < <(sleep 1000000) >"$folder/server.log" 2>&1 &
fi
pids+=($!)
for _ in $(seq 100); do
    curl -sf "http://127.0.0.1:$port/health" >"$folder/body" && break
    sleep 0.05
done
body=$(cat "$folder/body")

cat >"$folder/nginx.conf" <<CONF
worker_processes 2;
daemon off;
pid $folder/nginx.pid;
error_log $folder/error.log;
events { worker_connections 1024; }
http {
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path $folder/a; proxy_temp_path $folder/b; fastcgi_temp_path $folder/c;
    uwsgi_temp_path $folder/d; scgi_temp_path $folder/e;
    server {
        listen 127.0.0.1:$nginx_port reuseport;
        location = /health { default_type application/json; return 200 '$body'; }
    }
}
CONF
nginx -c "$folder/nginx.conf" -p "$folder" 2>/dev/null &
pids+=($!)
for _ in $(seq 100); do
    [[ $(curl -sf "http://127.0.0.1:$nginx_port/health") == "$body" ]] && break
    sleep 0.05
done

measure() { # NAME PORT
    wrk -t2 -c64 -d"${seconds}s" --latency "http://127.0.0.1:$2/health" >"$folder/wrk"
    if grep -q 'Non-2xx\|Socket errors' "$folder/wrk"; then
        cat "$folder/wrk" >&2
        exit 1
    fi
    echo "$1 $(awk '/Requests\/sec/ {print $2}' "$folder/wrk") $(awk '$1 == "99%" {print $2}' "$folder/wrk")" |
        tee -a "$folder/results"
}

for _ in $(seq "$rounds"); do
    measure millwright "$port"
    measure nginx "$nginx_port"
done
awk '{ rate[$1] = rate[$1] " " $2 }
    function median(list,   a, n, i, j, t) {
        n = split(list, a, " ")
        for (i = 1; i <= n; i++) for (j = i + 1; j <= n; j++) if (a[j] + 0 < a[i] + 0) { t = a[i]; a[i] = a[j]; a[j] = t }
        return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
    }
    END {
        m = median(rate["millwright"]); x = median(rate["nginx"])
        printf "median: millwright %.0f/s, nginx %.0f/s, ratio %.2f\n", m, x, m / x
    }' "$folder/results"
