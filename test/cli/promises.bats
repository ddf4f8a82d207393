#!/usr/bin/env bats
# The section PROMISES of kd-formats(5): a test for each entry, named after it.
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
# Starts a training that goes on for long in $1, waits until it has both checkpoints; its id is
# $pid.
start() {
    set -m
    kd-train-teacher $long -o "$1" 3>&- &
    pid=$!
    set +m
    wait_for eval "[ -s '$1/checkpoint.previous.safetensors' ] || ! kill -0 $pid 2>/dev/null"
}
stop() {
    stopped=0
    kill -s "$1" "$pid" || true
    wait "$pid" || stopped=$?
    pid=
}

@test "Same seed, same bytes" {
    train --epochs 2 -o a --threads 1
    train --epochs 2 -o b --threads 3
    diff -r a b
}

@test "A file is the old one or the new one" {
    mkdir kept && cp soft kept/ && cp T/* kept/
    ulimit -f 4 # a file may have 4 KiB: a full disk
    refused 1 "kept/soft: cannot write: File too large" -- kd-soften --model T --data idx:set \
        --quiet -o kept/soft
    run --separate-stderr train --epochs 1 --layers 64 -o new
    [ "$status" -eq 1 ]
    [[ $stderr == *"new/checkpoint.safetensors: cannot write: File too large" ]]
    [ "$(ls -A new)" = log.jsonl ]
}

@test "Damage is noticed" {
    mkdir kept && cp T/model.safetensors kept/
    size=$(stat -c %s kept/model.safetensors)
    printf '\x55\x55' | dd of=kept/model.safetensors bs=1 seek=$((size - 999)) conv=notrunc \
        status=none
    refused 1 "kept/model.safetensors" "tensor" "checksum" -- kd-eval kept --data idx:set:test
    kd-eval kept --data idx:set:test --no-verify
    head -c $((size - 1)) T/model.safetensors >kept/model.safetensors
    refused 1 "kept/model.safetensors" "cut short" -- kd-eval kept --data idx:set:test
    LC_ALL=C sed 's/\(mean\\":\[0\.[0-9]\)[0-9]/\1x/; s/x\([0-9]\)/9\1/' T/model.safetensors \
        >kept/model.safetensors
    [ "$(meta kept/model.safetensors kd.normalize)" != "$(meta T/model.safetensors kd.normalize)" ]
    refused 1 "kept/model.safetensors: its header is damaged" "--no-verify" -- \
        kd-eval kept --data idx:set:test
    LC_ALL=C sed 's/"shape":\[8,784\]/"shape":[784,8]/' T/model.safetensors >kept/model.safetensors
    refused 1 "kept/model.safetensors: its header is damaged" -- kd-eval kept --data idx:set:test
}

@test "Stopped, it goes on" {
    hours="--data idx:set --layers 32 --epochs 150 --batch 8 --checkpoint-every 5steps"
    hours="$hours --quiet --no-provenance"
    kd-train-teacher $hours -o whole
    for signal in $(signals INT TERM KILL); do
        rm -rf run
        for attempt in 1 2 3; do
            long=$hours start run
            stop $signal
            if [ "$stopped" -ne 0 ]; then break; fi # else it was through before the signal came
        done
        [ "$stopped" -eq "$(case $signal in \
            INT) echo 130 ;; TERM) echo 143 ;; KILL) echo 137 ;; esac)" ]
        # what there is by then is of use: the checkpoint is a model, the log is the beginning of
        # the whole one
        kd-eval run/checkpoint.safetensors --data idx:set:test --quiet >/dev/null
        [ ! -e run/log.jsonl ] ||
            cmp run/log.jsonl <(head -n "$(wc -l <run/log.jsonl)" whole/log.jsonl)
        kd-train-teacher $hours -o run --resume
        diff -r whole run
    done
    FAIL=$(cd "$BATS_TEST_DIRNAME/../.." &&
        realpath -m "${UNIT_DIR:-build/release-cc/unit}/../torture/fail.so") \
        "$BATS_TEST_DIRNAME/../torture/kill.sh" 5
}

@test "Two checkpoints" {
    start run
    stop TERM
    size=$(stat -c %s run/checkpoint.safetensors)
    printf '\x55\x55' | dd of=run/checkpoint.safetensors bs=1 seek=$((size - 999)) conv=notrunc \
        status=none
    set -m
    kd-train-teacher ${long/--quiet/} -o run --resume 2>messages 3>&- &
    pid=$!
    set +m
    from="going on from run/checkpoint.previous.safetensors: run/checkpoint.safetensors: "
    wait_for grep -q "$from" messages
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
    being_written() {
        kill -STOP $pid && sleep 0.01 && ls run/.kd-*.tmp >/dev/null 2>&1 || ! kill -CONT $pid
    }
    wait_for being_written
    stop KILL
    left=$(basename run/.kd-*.tmp) # ".kd-PROCESS-MOMENT.tmp"
    moment=${left#.kd-*-}
    rm -f run/*.safetensors run/log.jsonl run/.kd-lock
    mkdir "run/.kd-1-$moment" # a folder that was in the making
    touch "run/.kd-1-$moment/part"
    touch "run/.kd-$$-$moment" # a process of that number lives, but nobody writes it
    # What is written now is locked; other names are not kd's.
    others=(".kd-2-$moment" .kd-own.tmp .kd-3-notes.tmp)
    (cd run && touch "${others[@]}")
    touch -d '2 minutes ago' run/.kd*
    for folder in soft.d photos; do cp -rp run $folder; done
    exec 5<"run/${others[0]}" 6<"soft.d/${others[0]}" 7<"photos/${others[0]}"
    for n in 5 6 7; do flock $n; done
    train --epochs 1 -o run
    kd-soften --model T --data idx:set --quiet -o soft.d/soft.safetensors
    kd-data convert idx:set --to png --quiet -o photos
    exec 5<&- 6<&- 7<&-
    [ "$(ls -A run | sort | xargs)" = \
        "$(printf '%s\n' "${others[@]}" log.jsonl model.safetensors | sort | xargs)" ]
    [ "$(ls -A soft.d | sort | xargs)" = \
        "$(printf '%s\n' "${others[@]}" soft.safetensors | sort | xargs)" ]
    [ "$(ls -A photos | sort | xargs)" = "$(printf '%s\n' "${others[@]}" train | sort | xargs)" ]
}

@test "Numbers that break end it" {
    mkdir kept && cp T/model.safetensors kept/
    run --separate-stderr train --epochs 50 --layers 8,8 --optimizer sgd --learning-rate 1000 \
        --batch 16 --overwrite -o kept
    [ "$status" -eq 1 ]
    [[ $stderr == *"epoch 1, step "*" is no longer finite; lower --learning-rate (it is 1000)"* ]]
    cmp T/model.safetensors kept/model.safetensors
    [ "$(ls -A kept)" = model.safetensors ] # it broke before there was a checkpoint
    # The rate rises with each epoch, so that there are good ones before.
    run --separate-stderr train --epochs 50 --layers 16,16 --optimizer sgd --learning-rate 1000 \
        --warmup 3 \
        --fraction 0.1 --checkpoint-every 1steps -o late
    [ "$status" -eq 1 ]
    [[ $stderr =~ epoch\ ([0-9]+),\ step\ [0-9]+:\ .*\ is\ no\ longer\ finite ]]
    last=$((BASH_REMATCH[1] - 1))
    [ "$last" -ge 1 ]
    [ "$(ls -A late | grep -v previous | xargs)" = "checkpoint.safetensors log.jsonl" ]
    jq -es "map(.epoch) == [range(1; $last + 1)] and all(.[]; .train.loss | isnormal)" \
        late/log.jsonl
    # refuses weights that are not finite
    kd-eval late/checkpoint.safetensors --data idx:set:test --quiet
    [ "$(meta late/checkpoint.safetensors kd.state | jq .epoch)" -eq "$last" ]
}

@test "Claims are checked first" {
    mkdir kept idx gz
    printf '{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}' >header
    tensors kept/model.safetensors "$(cat header)" /dev/null
    { printf '\223NUMPY\1\0\166\0'; printf '%-117s\n' \
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000, 32, 32), }"; } >kept/x.npy
    { printf '\0\0\010\003\177\377\377\377\0\0\001\0\0\0\001\0'; head -c 84 /dev/zero; } \
        >idx/train-images-idx3-ubyte
    { printf '\0\0\010\003\0\0\177\377\0\0\001\0\0\0\001\0'; head -c 84 /dev/zero; } |
        gzip >gz/train-images-idx3-ubyte.gz
    for f in idx gz; do cp set/train-labels-idx1-ubyte $f; done
    # the shadow memory of sanitizers is larger
    if ! kd --version | grep -q fsanitize; then ulimit -v 800000; fi
    export OPENBLAS_NUM_THREADS=1
    refused 1 "kept/model.safetensors: cut short: 4398046511$((104 + 8 + $(wc \
        -c <header))) bytes expected, $(wc -c <kept/model.safetensors) received" -- \
        kd-eval kept --threads 1 --data idx:set:test
    refused 1 "kept/x.npy: cut short: 1024000000128 bytes expected, 128 received" -- \
        kd-data inspect tensors:kept/x.npy --threads 1
    refused 1 "idx/train-images-idx3-ubyte: truncated: 140737488289808 bytes expected, 100 found" \
        -- \
        kd-data inspect idx:idx --threads 1 --read-limit 1e6
    refused 1 "gz/train-images-idx3-ubyte.gz: truncated: 2147418128 bytes expected, compressed to" \
        -- \
        kd-data inspect idx:gz --threads 1
}

@test "each promise of the manual is tested here, and each test is a promise" {
    sed -n '/^\.SH PROMISES/,/^\.PP/p' "$BATS_TEST_DIRNAME/../../cmd/kd-formats.5" |
        sed -n '/^\.TP/{n; s/^\.B //p}' | sort >promised
    sed -n 's/^@test "\(.*\)" {$/\1/p' "$BATS_TEST_FILENAME" | grep -v '^each promise' |
        sort >tested
    [ "$(wc -l <promised)" -eq 9 ]
    diff promised tested
}
