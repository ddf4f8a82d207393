#!/usr/bin/env bats
# README's section "What kd promises about its files", a test for each line of it, named after it.
bats_require_minimum_version 1.5.0
load small

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    small_set
    kd-train-teacher --data idx:set --layers 8 --epochs 1 --quiet -o T >/dev/null
    kd-soften --model T --data idx:set -o soft --quiet >/dev/null
}
setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_TEST_TMPDIR"
    for f in set T soft; do ln -s "$BATS_FILE_TMPDIR/$f" .; done
}
teardown() { if [ -n "${pid:-}" ]; then kill -KILL "$pid" || true; fi; }
train() { kd-train-teacher --data idx:set --layers 8 --quiet --no-provenance "$@"; }
long="--data idx:set --layers 64 --epochs 100000 --checkpoint-every 5steps --quiet --no-provenance"
# Starts a training that goes on for long in $1, waits until it has both checkpoints; its id is $pid.
start() {
    set -m
    kd-train-teacher $long -o "$1" 3>&- &
    pid=$!
    set +m
    wait_for [ -s "$1/checkpoint.previous.safetensors" ]
}
stop() {
    kill -s "$1" "$pid"
    wait "$pid" || true
}

@test "Same seed, same bytes" {
    train --epochs 2 -o a --threads 1
    train --epochs 2 -o b --threads 3
    diff -r a b
}

@test "A file is the old one or the new one" {
    mkdir kept && cp soft kept/
    ulimit -f 4 # a file may have 4 KiB: a full disk, to a process that ignores the signal
    refused 1 "kept/soft" -- env --ignore-signal=XFSZ kd-soften --model T --data idx:set --quiet -o kept/soft
}

@test "Damage is noticed" {
    mkdir kept && cp T/model.safetensors kept/
    size=$(stat -c %s kept/model.safetensors)
    printf '\x55\x55' | dd of=kept/model.safetensors bs=1 seek=$((size - 999)) conv=notrunc status=none
    refused 1 "kept/model.safetensors" "checksum" -- kd-eval kept --data idx:set:test
    head -c $((size - 1)) T/model.safetensors >kept/model.safetensors
    refused 1 "kept/model.safetensors" "cut short" -- kd-eval kept --data idx:set:test
}

@test "Stopped, it goes on" {
    train --epochs 4 -o whole
    for signal in $(signals INT TERM KILL); do
        start run
        stop $signal
        # the same training but for its length cannot be compared; its checkpoint is a model, its log is whole
        kd-eval run/checkpoint.safetensors --data idx:set:test --quiet >/dev/null
        jq -es 'map(.epoch) == [range(1; length + 1)]' run/log.jsonl
        rm -rf run
    done
    FAIL=$(cd "$BATS_TEST_DIRNAME/../.." && realpath -m "${UNIT_DIR:-build/release-cc/unit}/../torture/fail.so") \
        "$BATS_TEST_DIRNAME/../torture/kill.sh" 5
}

@test "Two checkpoints" {
    start run
    stop TERM
    size=$(stat -c %s run/checkpoint.safetensors)
    printf '\x55\x55' | dd of=run/checkpoint.safetensors bs=1 seek=$((size - 999)) conv=notrunc status=none
    set -m
    kd-train-teacher ${long/--quiet/} -o run --resume 2>messages 3>&- &
    pid=$!
    set +m
    wait_for grep -q "going on from run/checkpoint.previous.safetensors: run/checkpoint.safetensors: " messages
    wait_for kd-eval run/checkpoint.safetensors --data idx:set:test --quiet
    stop TERM
    train --epochs 1 -o run # another one: what was there goes
    [ "$(ls -A run | xargs)" = "log.jsonl model.safetensors" ]
}

@test "One writer" {
    start run
    run --separate-stderr kd-train-teacher $long -o run
    [ "$status" -eq 1 ]
    [[ $stderr == "kd-train-teacher: run: process $pid is writing here"* ]]
    [ -e run/.kd-lock ]
    stop KILL
    [ -e run/.kd-lock ] # and is nobody's obstacle
    train --epochs 1 -o run
    [ ! -e run/.kd-lock ]
    start run # nor is another model in the same folder
    train --epochs 1 -o run/other.safetensors
    stop TERM
    [ ! -e run/.kd-lock ]
}

@test "Nothing left behind" {
    set -m
    kd-train-teacher ${long/5steps/1steps} -o run 3>&- &
    pid=$!
    set +m
    being_written() { kill -STOP $pid && sleep 0.01 && ls run/.kd-*.tmp >/dev/null 2>&1 || ! kill -CONT $pid; }
    wait_for being_written
    stop KILL
    left=$(basename run/.kd-*.tmp) # ".kd-PROCESS-MOMENT_MACHINE.tmp"
    rm -f run/*.safetensors run/log.jsonl run/.kd-lock
    mkdir "run/${left/$pid-/$pid-1}"
    touch "run/${left/$pid-/$pid-1}/part"
    others=(".kd-$$-${left#.kd-*-}" .kd-own.tmp ".kd-$pid-notes.tmp" "${left%????????.tmp}00000000.tmp")
    (cd run && touch "${others[@]}")
    touch -d '2 minutes ago' run/.kd*
    for folder in soft.d photos; do cp -rp run $folder; done
    train --epochs 1 -o run
    kd-soften --model T --data idx:set --quiet -o soft.d/soft.safetensors
    kd-data convert idx:set --to png --quiet -o photos
    [ "$(ls -A run | sort | xargs)" = "$(printf '%s\n' "${others[@]}" log.jsonl model.safetensors | sort | xargs)" ]
    [ "$(ls -A soft.d | sort | xargs)" = "$(printf '%s\n' "${others[@]}" soft.safetensors | sort | xargs)" ]
    [ "$(ls -A photos | sort | xargs)" = "$(printf '%s\n' "${others[@]}" train | sort | xargs)" ]
}

@test "Numbers that break end it" {
    run --separate-stderr train --epochs 50 --layers 8,8 --optimizer sgd --learning-rate 1000 --batch 16 -o run
    [ "$status" -eq 1 ]
    [[ $stderr == *"epoch 1, step "*" is no longer finite; lower --learning-rate (it is 1000)"* ]]
    [ ! -e run/model.safetensors ]
    [ ! -e run/checkpoint.safetensors ] || kd-eval run/checkpoint.safetensors --data idx:set:test --quiet
}

@test "Claims are checked first" {
    printf '{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}' >header
    mkdir kept
    tensors kept/model.safetensors "$(cat header)" /dev/null
    limit=2000000
    if kd --version | grep -q fsanitize; then limit=unlimited; fi # its shadow memory is larger
    refused 1 "kept/model.safetensors" -- bash -c "ulimit -v $limit; kd-eval kept --threads 1 --data idx:set:test"
}
