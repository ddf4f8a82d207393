#!/usr/bin/env bash
# Four scripts/run_all.sh on one experiment in one folder at once, one of them killed (SIGKILL, with
# all it has started) at some moment. Those that live end with 0, and models, logs and evaluations
# are those of one that was alone (times apart).
#
# usage: test/torture/company.sh [ROUNDS]      default 40
set -eu
rounds=${1:-40}
unset OPENBLAS_CORETYPE KD_DATA
home=$(cd "$(dirname "$0")/../.." && pwd)
run_all=$home/scripts/run_all.sh
export PATH="$home/bin:$PATH"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export JOBS=2
kd-data convert digits:train digits:test --fraction 0.02 --to idx -o set --quiet >/dev/null
cat >x.json <<'END'
{"data": {"source": "idx:../set", "validation": 40}, "seeds": 2,
 "teacher": {"network": "mlp-16", "train": {"epochs": 40}},
 "students": {"plain": {"network": "mlp-8", "train": {"epochs": 20}},
              "kd": {"network": "mlp-8", "train": {"epochs": 20}, "distill": {"from": "teacher"}},
              "next": {"network": "mlp-8", "train": {"epochs": 20}, "distill": {"from": "kd"}}}}
END
fail() { echo "$*" >&2; exit 1; }

# what DIR: all that does not differ between equal runs, and every name
what() {
    cd "$1"
    find . -type f -not -path '*/report/*' | sort
    find . -name '*.safetensors' -print0 | sort -z | xargs -0 cksum
    find . -name log.jsonl -print0 | sort -z | xargs -0 -n 1 jq -c \
        'del(.seconds, .images_per_second)'
    find . -name eval.json -print0 | sort -z | xargs -0 -n 1 jq -c -s \
        'map(del(.latency_ms, .throughput)) | sort_by(.split)'
}

rm -rf alone
mkdir alone
started=$(date +%s%N)
(cd alone && cp ../x.json . && "$run_all" x.json >/dev/null 2>&1) || fail "one alone failed"
length=$((($(date +%s%N) - started) / 1000000))
(what alone) >wanted
for ((round = 1; round <= rounds; round++)); do
    rm -rf shared
    mkdir shared
    cp x.json shared
    pids=()
    for ((j = 0; j < 4; j++)); do
        (cd shared && exec setsid "$run_all" x.json >../out.$j 2>&1) &
        pids+=($!)
    done
    moment=$((round * 618034 % 1000000 * length / 500000))
    sleep "$(printf '%d.%03d' $((moment / 1000)) $((moment % 1000)))"
    victim=$((round % 4))
    kill -KILL -- "-${pids[$victim]}" 2>/dev/null || true
    for ((j = 0; j < 4; j++)); do
        status=0
        { wait "${pids[$j]}"; } 2>/dev/null || status=$?
        [ "$status" -eq 0 ] || [ $j -eq $victim ] ||
            { tail -n 5 out.$j >&2; fail "round $round: status $status"; }
    done
    rm -f "shared/runs/x/report/"*
    (what shared) >got
    diff wanted got >&2 || fail "round $round: not what one makes alone"
done
echo "rounds of four in company, one of them killed: $rounds"
