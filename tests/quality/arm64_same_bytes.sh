#!/usr/bin/env bash
# arm64_same_bytes.sh -- the program built for arm64, run by qemu, writes the files that this machine's program writes,
# byte by byte: generated CSV, dataset segments, models of trees from the main job and from tables, predictions; at
# every CPU level of both machines and at several thread counts. TAP; `make arm64` builds both programs and calls it.
# Left out is the linear model (baseline): src/learn/linear/README.md says why.
set -euo pipefail

native=build/release/millwright
arm64='qemu-aarch64 build/arm64/millwright'
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
number=0 failed=0

# Columns with missing cells, a category, a number that takes both ways of reading, classes to predict.
awk -v OFS=, 'BEGIN {
    srand(11); print "load,speed,kind,exact,wear,state"
    for (i = 0; i < 3000; i++) {
        a = rand() * 100; b = rand() * 10 - 5; k = int(rand() * 4)
        wear = a * 0.3 + b * k + rand()
        print (i % 17 ? a : ""), b, substr("ABCD", k + 1, 1), sprintf("%.17g", rand() / 3), wear, (wear > 15 ? "worn" : "good")
    } }' >"$folder/table.csv"

# write LABEL PROGRAM... -- all files of one run below $folder/LABEL, and their hashes in $folder/LABEL.sums.
write() {
    local out=$folder/$1 learner model segment
    shift
    mkdir "$out"
    "$@" generate --profile miner-long --days 2 --machines 3 --seed 7 --out "$out/csv" >/dev/null
    "$@" ingest "$out/csv" --data "$out/data" >/dev/null
    "$@" train --data "$out/data" --seed 5 --n-estimators 20 >/dev/null
    for learner in forest:--target:wear forest:--target:state gbdt:--target:wear gbdt:--target:state gbdt:--target:kind:--set:boosting=dart \
        isolation isolation:--set:ndim=2; do
        model=$out/${learner//[:=-]/_}
        # shellcheck disable=SC2086
        "$@" train "$folder/table.csv" --set seed=5 --set n_estimators=20 --learner ${learner//:/ } --out "$model" >/dev/null
        "$@" predict "$model" "$folder/table.csv" --out "$model.csv" >/dev/null
    done
    (
        cd "$out"
        find . -type f \( -name '*.csv' -o -name model.onnx -o -name state.arrow -o -name metadata.json -o -name scores.arrow \
            -o -name anomalies.json -o -name importance.json \) -not -path '*/baseline/*' -print0 | sort -z | xargs -0 sha256sum |
            sed -E 's@/versions/[^/]+/@/versions/*/@'
        # The names of a version's folder and of a segment are random, their bytes are not.
        find data/orgs/default/datasets -name '*.arrow' -exec sha256sum {} + | cut -d' ' -f1 | sort
    ) >"$out.sums"
    rm -rf "$out"
}

# same NAME LABEL -- a run wrote what the first run wrote.
same() {
    number=$((number + 1))
    if diff "$folder/first.sums" "$folder/$2.sums" | sed 's/^/# /' >&2; then
        echo "ok $number - $1 ($(wc -l <"$folder/$2.sums") files)"
    else
        echo "not ok $number - $1"
        failed=1
    fi
}

echo 1..8
N_JOBS=1 MILLWRIGHT_CPU=scalar write first $native
(($(wc -l <"$folder/first.sums") >= 24)) || { echo 'Bail out! the first run wrote too few files'; exit 1; }
# A level that this machine lacks gives its best one.
for level in avx2 avx512; do
    N_JOBS=2 MILLWRIGHT_CPU=$level write "$level" $native
    same "this machine, $level, 2 threads" "$level"
done
for n in 1 2 3 8; do
    N_JOBS=$n MILLWRIGHT_CPU=neon write "neon-$n" $arm64
    same "arm64, neon, $n threads" "neon-$n"
done
for n in 1 3; do
    N_JOBS=$n MILLWRIGHT_CPU=scalar write "scalar-$n" $arm64
    same "arm64, scalar, $n threads" "scalar-$n"
done
exit $failed
