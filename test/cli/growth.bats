#!/usr/bin/env bats
# alone: it measures time
# Twice as much takes twice as long, or nearly: experiments, reports and logs at n and 2n. What is
# measured is processor time, the least of three, so that a busy machine does no harm.
bats_require_minimum_version 1.5.0
load small

setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_TEST_TMPDIR"
}

# cost COMMAND...: its least processor time in milliseconds, into `ms`
cost() {
    local TIMEFORMAT='%3U %3S' try used
    ms=
    for try in 1 2 3; do
        { time "$@" >/dev/null 2>failed || echo "status $?" >>failed; } 2>used
        if grep -q '^status' failed; then cat failed; return 1; fi
        used=$(awk '{printf "%d", 1000 * ($1 + $2)}' used)
        if [ -z "$ms" ] || [ "$used" -lt "$ms" ]; then ms=$used; fi
    done
}

# grows N COMMAND...: FILE in it stands for FILE.N and then for FILE.2N
grows() {
    local n=$1 once
    shift
    cost "${@//FILE/FILE.$n}"
    once=$ms
    cost "${@//FILE/FILE.$((2 * n))}"
    echo "$*: $n: $once ms, $((2 * n)): $ms ms"
    [ "$ms" -lt $((28 * once / 10 + 20)) ]
}

# experiment N STUDENTS: FILE.N.json, with the students that jq makes of n
experiment() {
    jq -n --argjson n "$1" "{data: {source: \"idx:set\"}, teacher: {network: \"mlp-4\",
        train: {epochs: 1}}, students: ($2)}" >"FILE.$1.json"
}
sweep='{plain: {network: "mlp-4", train: {epochs: 1},
    sweep: {"train.learning_rate": [range(1; $n + 1) / 100000]}}}'
chain='[range($n) | {key: "s\(.)", value: {network: "mlp-4", train: {epochs: 1},
    distill: {from: (if . == 0 then "teacher" else "s\(. - 1)" end)}}}] | from_entries'

@test "a list of the points of a sweep, one of its trainings, plan and report" {
    small_set
    for n in 4000 8000; do
        experiment $n "$sweep"
        kd-train-teacher FILE.$n.json --quiet
    done
    grows 4000 kd-train-student FILE.json --list
    grows 4000 kd-train-student FILE.json --list --ready --update
    grows 4000 kd-train-student FILE.json --student plain,learning_rate=0.001 --overwrite --quiet
    grows 4000 kd-plan FILE.json
    grows 4000 kd-report FILE.json
    grows 4000 kd-eval --experiment FILE.json --quiet
}

@test "a chain of students, each taught by the one before" {
    for n in 4000 8000; do experiment $n "$chain"; done
    grows 4000 kd-train-student FILE.json --list
    grows 4000 kd-plan FILE.json
}

@test "a log: its training and its report" {
    small_set
    logged() {
        rm -rf "$1"
        kd-train-teacher --data idx:set --fraction 0.04 --batch 250 --layers 1 --epochs "${1#*.}" \
            --quiet -o "$1"
    }
    grows 4000 logged FILE
    grows 4000 kd-report --log FILE
}

@test "a log that is cut, changed or gone meanwhile is whole again with the next epoch" {
    small_set
    kd-train-teacher --data idx:set --layers 8 --epochs 100000 --quiet -o out >/dev/null 3>&- &
    pid=$!
    whole() { jq -es 'map(.epoch) | . == [range(1; length + 1)] and length > 5' out/log.jsonl; }
    wait_for whole
    for harm in 'rm out/log.jsonl' 'truncate -s -9 out/log.jsonl' 'echo x >>out/log.jsonl' \
        'cp out/log.jsonl copy && mv copy out/log.jsonl && truncate -s 100 out/log.jsonl'; do
        kill -STOP $pid
        eval "$harm"
        kill -CONT $pid
        wait_for whole
    done
    kill -TERM $pid
    wait $pid || true
    whole
}

@test "a key of any length and depth is refused with little memory and stack" {
    ulimit -s 1024
    deep=$(head -c 400000 /dev/zero | sed 's/\x00/a./g')b
    cat >deep.json <<END
{"students": {"kd": {"network": "mlp-4", "sweep": {"$deep": [1, 2]}}}}
END
    refused 2 "deep.json" "a.a.a" "nested too deeply" -- kd-train-student deep.json --list
    experiment 1 "$chain"
    refused 2 "FILE.1.json" "a.a.a" "nested too deeply" -- \
        kd-train-student FILE.1.json --list --set "${deep:0:131000}b=1"
    # as deep as a file may be is allowed
    run -2 --separate-stderr kd-train-student FILE.1.json --list --set "${deep:0:124}b=1"
    [[ $stderr == *"unknown key \"a\""* ]]
    # the sweep's keys stand in the name of a folder
    jq -n '{students: {kd: {network: "mlp-4", sweep: ([range(4000) | {key: "train.k\(.)",
        value: [1]}] | from_entries)}}}' >keys.json
    [ "$MODE" = asan ] || ulimit -v 500000 # a sanitizer takes more for itself
    refused 2 "keys.json" "under 200 bytes" -- kd-train-student keys.json --list --threads 1
}
