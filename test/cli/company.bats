#!/usr/bin/env bats
# alone: trainings are killed in the middle
# Several processes at once in one folder: each ends well, and what is there is what one makes.
bats_require_minimum_version 1.5.0
load small

setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_TEST_TMPDIR"
    small_set
    cat >x.json <<'END'
{"data": {"source": "idx:set", "validation": 40}, "seeds": 2,
 "teacher": {"network": "mlp-16", "train": {"epochs": 20}},
 "students": {"plain": {"network": "mlp-8", "train": {"epochs": 10}},
              "kd": {"network": "mlp-8", "train": {"epochs": 10}, "distill": {"from": "teacher"}},
              "next": {"network": "mlp-8", "train": {"epochs": 10}, "distill": {"from": "kd"}}}}
END
}

# files FOLDER: the models and logs in it, by what they hold
files() {
    (cd "$1" && find . -name '*.safetensors' -o -name '*.jsonl' -o -name '.kd*' | sort |
        xargs cksum)
}

# together N COMMAND...: N of them at once; all end with 0
together() {
    local n=$1 j pids=() bad=0
    shift
    for ((j = 0; j < n; j++)); do
        "$@" >out.$j 2>err.$j 3>&- &
        pids+=($!)
    done
    for j in "${!pids[@]}"; do
        wait "${pids[$j]}" || { echo "status $?"; cat "out.$j" "err.$j"; bad=1; }
    done
    return $bad
}

series() {
    kd-train-teacher x.json --runs "$1" --quiet --no-provenance &&
        kd-train-student x.json --runs "$1" --quiet --no-provenance
}

listed() {
    local p
    set -o pipefail
    for p in kd-train-teacher kd-train-student kd-train-student; do
        $p x.json --runs "$1" --list --ready --update |
            xargs -r -P 2 -L 1 $p x.json --runs "$1" --quiet --no-provenance || return 1
    done
}

@test "series and lists of trainings share a folder: a busy place is passed over and come back to" {
    series alone
    together 3 series both
    [ "$(files alone)" = "$(files both)" ]
    together 2 listed lists
    [ "$(files alone)" = "$(files lists)" ]
}

@test "who waits for a busy place trains where the other one was killed, and obeys a signal" {
    series alone
    mkdir -p both/x/teacher/s1
    long="--set teacher.train.epochs=100000"
    kd-train-teacher x.json $long --runs both --seed 1 --quiet >/dev/null 3>&- &
    first=$!
    wait_for test -s both/x/teacher/s1/log.jsonl
    kd-train-teacher x.json --runs both --no-provenance --update --resume >out 2>err 3>&- &
    second=$!
    wait_for grep -q "s1: process $first is writing here.*coming back" err
    wait_for test -s both/x/teacher/s2/model.safetensors # it went on meanwhile
    kd-train-teacher x.json --runs both --seed 1 >/dev/null 2>err3 3>&- &
    third=$!
    wait_for grep -q "coming back" err3
    kill -TERM $third
    status=0
    wait $third || status=$?
    [ "$status" -eq 143 ]
    kill -KILL $first
    wait $second
    rm -rf alone/x/students
    [ "$(files alone/x/teacher)" = "$(files both/x/teacher)" ]
}

between_writes() { # $pid is stopped where it writes nothing to ./place
    kill -STOP $pid
    sleep 0.02
    [ -z "$(find place -name '.kd-*.tmp')" ] || { kill -CONT $pid; return 1; }
}

@test "a folder that is moved while it is trained in: made again, or the second one's" {
    args="--data idx:set --layers 32 --epochs 100000 --checkpoint-every 5steps --quiet"
    for what in alone second; do
        kd-train-teacher $args -o place >/dev/null 2>err 3>&- &
        pid=$!
        wait_for test -s place/checkpoint.safetensors
        wait_for between_writes
        mv place moved
        if [ $what = second ]; then
            kd-train-teacher $args --epochs 2 -o place --checkpoint-every 1000000steps 3>&- \
                --seed 7 >/dev/null
            kd-train-teacher $args -o place --overwrite --seed 7 >/dev/null 2>&1 3>&- &
            other=$!
            wait_for test -e place/.kd-lock
        fi
        kill -CONT $pid
        status=0
        if [ $what = second ]; then
            wait $pid || status=$?
            kill -TERM $other
            wait $other || true
            [ "$status" -eq 1 ]
            grep -q "moved or removed while this training ran: place: process $other is" err
        else
            wait_for test -s place/checkpoint.safetensors
            wait_for test -s place/log.jsonl
            kill -TERM $pid
            wait $pid || status=$?
            [ "$status" -eq 143 ]
            [ ! -e place/.kd-lock ]
        fi
        rm -rf place moved
    done
}

@test "two evaluations of one model at once lose no line" {
    kd-train-teacher --data idx:set --validation 40 --layers 4 --epochs 1 --quiet -o T >/dev/null
    for round in $(seq 10); do
        rm -f T/eval.json
        kd-eval T --save --split validation --quiet >/dev/null 3>&- &
        other=$!
        kd-eval T --save --split test --quiet >/dev/null
        wait $other
        [ "$(jq -r .split T/eval.json | sort | xargs)" = "test validation" ]
    done
}

@test "run_all.sh ends at once with SIGHUP and SIGTERM, and its trainings with it" {
    sed -i 's/"epochs": 20/"epochs": 1000000/' x.json
    for signal in HUP TERM; do
        rm -rf runs
        "$BATS_TEST_DIRNAME/../../scripts/run_all.sh" x.json >/dev/null 2>said 3>&- &
        pid=$!
        wait_for test -s runs/x/teacher/s1/log.jsonl
        kill -$signal $pid
        status=0
        wait $pid || status=$?
        [ "$status" -eq $((128 + $(kill -l $signal))) ]
        grep -q "stopped; the same command goes on from here" said
        [ -s runs/x/teacher/s1/checkpoint.safetensors ]
        [ -z "$(find runs -name '.kd-*')" ]
    done
}

@test "what a killed writer left in a run goes, though all there is current" {
    series runs
    kd-eval --experiment x.json --runs runs --quiet >/dev/null
    for program in "kd-eval --experiment" kd-report; do
        for folder in . soft teacher/s1 students/kd/s2; do
            mkdir -p "runs/x/$folder"
            touch "runs/x/$folder/.kd-1-656700000000000000000001.tmp"
        done
        touch "runs/x/.kd-own.tmp"
        $program x.json --runs runs $([ "$program" = kd-report ] || echo --update) >/dev/null
        find runs -name '.kd-*' >left
        [ "$(cat left)" = runs/x/.kd-own.tmp ]
    done
}

@test "run_all.sh shows how far its trainings are: a bar on a terminal, none in a log" {
    sed -i 's/"epochs": 20/"epochs": 1200/' x.json
    export JOBS=1 KD_SETUP=no
    on 90 "'$BATS_TEST_DIRNAME/../../scripts/run_all.sh' x.json" >out
    grep -qE 'kd-train-teacher \[[#-]{5,40}\] +[0-9]+% teacher [0-9]/[0-9]+, .*[0-9] s' out
    [ -s runs/x/report/report.html ]
    rm -rf runs
    sed -i 's/"epochs": 1200/"epochs": 20/' x.json
    "$BATS_TEST_DIRNAME/../../scripts/run_all.sh" x.json >/dev/null 2>said 3>&-
    [ "$(grep -c '\[[#-]' said)" -eq 0 ]
    grep -q '^runs/x/teacher/s1/model.safetensors$' said
}

@test "several trainings of one program have one bar" {
    on 90 "kd-train-teacher x.json" >out
    grep -qE '\] +[0-9]+% [0-9.]+ steps/s teacher 1/[0-9]+' out
    on 90 "kd-eval runs/x/teacher/s1 --data idx:set" >evaluated
    [ "$(grep -c 'steps/s' evaluated)" -eq 0 ]
}

@test "the lock of a process that was killed when all was done goes; one that is held stays" {
    kd-train-teacher --data idx:set --layers 4 --epochs 1 --quiet -o T >/dev/null
    touch T/.kd-lock
    kd-train-teacher --data idx:set --layers 4 --epochs 1 --quiet -o T --resume >/dev/null
    [ ! -e T/.kd-lock ]
    kd-train-teacher --data idx:set --layers 4 --epochs 100000 --quiet -o U >/dev/null 3>&- &
    while ! [ -e U/log.jsonl ]; do sleep 0.05; done
    cp T/model.safetensors U
    kd-train-teacher --data idx:set --layers 4 --epochs 1 --quiet -o U --resume >/dev/null || true
    [ -e U/.kd-lock ]
    kill %1
    wait %1 || true
}
