#!/usr/bin/env bash
# test_same_bytes.sh -- the same data and seed give the same files at 1, 2, 3 and 8 threads, and in every run:
# generated CSV files, dataset segments, models of the main job and of `train FILE`; so does another division of the rows into files. TAP.
set -euo pipefail

millwright=${MW_BINARY:-build/millwright}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
number=0 failed=0

# same NAME LIST... -- every list of hashes is the first one, and the first has lines.
same() {
    local name=$1 first=$2 list
    number=$((number + 1))
    for list in "${@:2}"; do
        if [[ ! -s $first ]] || ! diff "$first" "$list" | sed 's/^/# /'; then
            echo "not ok $number - $name"
            failed=1
            return
        fi
    done
    echo "ok $number - $name ($(wc -l <"$first") files)"
}

# A version's folder has the name of the claim that made it, random as that.
hashes() { # FOLDER PATTERN...
    (cd "$1" && shift && find . -type f \( -name "$1" "${@:2}" \) -print0 | sort -z | xargs -0 sha256sum) | sed -E 's@/versions/[^/]+/@/versions/*/@'
}

echo 1..18
plant="--profile miner-long --days 4 --machines 4"
for run in 1 2; do
    # shellcheck disable=SC2086
    $millwright generate $plant --seed 7 --out "$folder/csv$run" >/dev/null
    hashes "$folder/csv$run" '*.csv' >"$folder/generated$run"
done
same 'generate' "$folder"/generated[12]

threads='1 2 3 8'
for n in $threads; do
    export N_JOBS=$n
    $millwright ingest "$folder/csv1" --data "$folder/data$n" >/dev/null
    $millwright train --data "$folder/data$n" --seed 5 >/dev/null
    # A segment's own name is random, its bytes are not.
    find "$folder/data$n/orgs/default/datasets" -name '*.arrow' -exec sha256sum {} + | cut -d' ' -f1 | sort >"$folder/segments$n"
    hashes "$folder/data$n/orgs/default/models" model.onnx -o -name metadata.json -o -name scores.arrow \
        -o -name anomalies.json -o -name importance.json >"$folder/main$n"
done
same 'dataset segments at 1, 2, 3 and 8 threads' "$folder"/segments[1238]
same 'main job at 1, 2, 3 and 8 threads' "$folder"/main[1238]

# The same rows as a file a machine, all of the same days, and as a file a day: read side by side, and one after the other.
mkdir "$folder/machines" "$folder/days"
awk -F, -v out="$folder" 'FNR == 1 { header = $0; next }
    { n = split(out "/machines/" $4 ".csv " out "/days/" $2 ".csv", names, " ")
      for (i = 1; i <= n; i++) {
          if (!(names[i] in begun)) { begun[names[i]] = 1; print header >names[i] }
          print >names[i] } }' "$folder"/csv1/*.csv
for split in machines days; do
    $millwright ingest "$folder/$split" --data "$folder/data-$split" >/dev/null
    $millwright train --data "$folder/data-$split" --seed 5 >/dev/null
done
for data in data1 data-machines data-days; do
    hashes "$folder/$data/orgs/default/models" model.onnx -o -name scores.arrow -o -name anomalies.json >"$folder/split-$data"
done
same 'models of rows in one file, a file a machine, a file a day' "$folder"/split-data*

# A plain table: one row a reading, a category, missing cells.
awk -v OFS=, 'BEGIN {
    srand(3); print "load,speed,kind,shift,wear"
    for (i = 0; i < 6000; i++) {
        a = rand() * 100; b = rand() * 10; k = int(rand() * 4)
        print (i % 17 ? a : ""), b, substr("ABCD", k + 1, 1), int(i / 50) % 3, a * 0.3 + b * k + rand()
    } }' >"$folder/table.csv"
for learner in forest linear isolation isolation:2; do
    words=(--learner "${learner%:*}" --set seed=5)
    case $learner in
    isolation) ;;
    isolation:*) words+=(--set "ndim=${learner#*:}") ;;
    *) words+=(--target wear) ;;
    esac
    for n in $threads; do
        N_JOBS=$n $millwright train "$folder/table.csv" "${words[@]}" --out "$folder/$learner-$n" >/dev/null
        hashes "$folder/$learner-$n" model.onnx -o -name state.arrow -o -name metadata.json >"$folder/$learner.$n"
    done
    same "train FILE, $learner, at 1, 2, 3 and 8 threads" "$folder/$learner".[1238]
done

# Boosting in its forms: at any number of threads, and with less of the vector instructions.
boosted() { # NAME TARGET SETTING... -- both tests of one form
    local name=$1 n level words=(train "$folder/table.csv" --learner gbdt --target "$2" --set seed=5 --set n_estimators=20)
    for setting in "${@:3}"; do words+=(--set "$setting"); done
    for n in $threads; do
        N_JOBS=$n $millwright "${words[@]}" --out "$folder/gbdt-$name-$n" >/dev/null
        hashes "$folder/gbdt-$name-$n" model.onnx -o -name metadata.json -o -name curves.json >"$folder/gbdt-$name.$n"
        N_JOBS=$n $millwright predict "$folder/gbdt-$name-$n" "$folder/table.csv" --out "$folder/gbdt-$name-$n/scores.csv" >/dev/null
        hashes "$folder/gbdt-$name-$n" scores.csv >>"$folder/gbdt-$name.$n"
    done
    same "gbdt, $name, at 1, 2, 3 and 8 threads" "$folder/gbdt-$name".[1238]
    for level in scalar avx2; do
        MILLWRIGHT_CPU=$level N_JOBS=2 $millwright "${words[@]}" --out "$folder/gbdt-$name-$level" >/dev/null
        hashes "$folder/gbdt-$name-$level" model.onnx -o -name metadata.json -o -name curves.json >"$folder/gbdt-$name.$level"
        MILLWRIGHT_CPU=$level N_JOBS=2 $millwright predict "$folder/gbdt-$name-$level" "$folder/table.csv" \
            --out "$folder/gbdt-$name-$level/scores.csv" >/dev/null
        hashes "$folder/gbdt-$name-$level" scores.csv >>"$folder/gbdt-$name.$level"
    done
    same "gbdt, $name, scalar and with avx2" "$folder/gbdt-$name".{2,scalar,avx2}
}
boosted plain wear
boosted bagging wear bagging_fraction=0.5 feature_fraction=0.7 validation_fraction=0.2
boosted dart wear boosting=dart drop_rate=0.3 objective=quantile alpha=0.8
boosted goss wear boosting=goss learning_rate=0.5 objective=huber
boosted multiclass kind class_weight=balanced extra_trees=true
exit $failed
