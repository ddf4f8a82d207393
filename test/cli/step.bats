#!/usr/bin/env bats
# A training step allocates nothing, opens and writes no file, and makes no system call but futex
# (and the clock, where the kernel has no page for it): a training with 228 steps more makes as many
# of them, but for a few, since numbers in the log have more or fewer digits and threads start in
# one order or another.
bats_require_minimum_version 1.5.0
load small

setup_file() {
    unset OPENBLAS_CORETYPE
    export COUNTER
    COUNTER=$(cd "$BATS_TEST_DIRNAME/../.." &&
        realpath -m "${UNIT_DIR:-build/release-cc/unit}/../torture/fail.so")
    cd "$BATS_FILE_TMPDIR"
    small_set
    kd-train-teacher -q --data idx:set --layers 16 --epochs 1 -o teacher >/dev/null
    kd-soften -q --model teacher --data idx:set -o soft >/dev/null
}
setup() {
    [ -e "$COUNTER" ] || skip "the library that counts calls is not built for this kind of program"
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_FILE_TMPDIR"
    dense='["flatten", {"kind": "dropout", "rate": 0.2}, {"kind": "dense", "units": 300,
        "max_norm": 2}, "batchnorm", "relu", "dense"]'
    maps='[{"kind": "conv2d", "filters": 16, "padding": 1, "bias": false}, "batchnorm", "relu",
        {"kind": "maxpool"},
        {"kind": "residual", "body": [{"kind": "conv2d", "filters": 16, "padding": 1}, "relu"]},
            "gelu",
        {"kind": "conv2d", "filters": 16, "groups": 16, "stride": 2}, "global_avgpool", "flatten",
            "dense"]'
}

# 240 images: two epochs of 6 steps, or of 120
train() {
    local batch=$1
    shift
    rm -f out.*
    "$@" -q --data idx:set --epochs 2 --batch "$batch" --threads 2 --checkpoint-every never \
        -o out.safetensors >/dev/null
}

# compared: few and many have lines "NAME COUNT"; says which names differ by more than chance
compared() {
    join -a 1 -a 2 -e 0 -o 0,1.2,2.2 <(sort few) <(sort many) |
        awk '$3 - $2 > 15 {print "each step: " $0; bad = 1} END {exit bad}'
}

# counted COMMAND...: allocations and calls on files
counted() {
    KD_FAIL_LOG=few LD_PRELOAD=$COUNTER train 40 "$@"
    KD_FAIL_LOG=many LD_PRELOAD=$COUNTER train 2 "$@"
    grep -q '^alloc [1-9]' few
    compared
}

# calls FILE: how often each system call is in it
calls() {
    sed -E 's/^[0-9]+ +//; s/\(.*//; /^[a-z0-9_]+$/!d; /^(futex|clock_gettime|restart_syscall)$/d' \
        "$1" | sort | uniq -c |
        awk '{print $2, $1}'
}
# traced COMMAND...: system calls. BLAS's own threads, which kd has no use for, would yield while
# they wait.
traced() {
    command -v strace >/dev/null && strace -f -o trace true 2>/dev/null ||
        skip "strace is missing or not allowed"
    export OPENBLAS_NUM_THREADS=1
    train 40 strace -f -qq -o trace "$@"
    calls trace >few
    train 2 strace -f -qq -o trace "$@"
    calls trace >many
    grep -q '^write [1-9]' few
    compared
}

@test "the comparison notices what each step does" {
    printf 'alloc 1000\nopen 20\n' >few
    printf 'alloc 1014\nopen 19\nread 3\n' >many
    compared
    printf 'alloc 1000\nopen 20\nread 228\n' >many
    run compared
    [ "$status" -eq 1 ]
    [ "$output" = "each step: read 0 228" ]
}

@test "a step of a dense network allocates nothing" {
    counted kd-train-teacher --network "$dense" --optimizer sgd --shift 2 --flip random --cutout 3 \
        --rotate 9
}
@test "a step of a convolutional network allocates nothing" {
    counted kd-train-teacher --network "$maps" --clip-norm 1 --ema-decay 0.9 --validation 40
}
@test "a step from stored soft targets allocates nothing" {
    counted kd-train-student --layers 30 -S soft --mix mixup
}
@test "a step with teachers at hand allocates nothing" {
    counted kd-train-student --layers 30 --teacher teacher --teacher teacher --shift 2
    counted kd-train-student --layers 30 --teacher teacher --teacher teacher \
        --average probabilities --shift 2 --mix cutmix
}
@test "a step of a dense network makes no system call but futex" {
    traced kd-train-teacher --network "$dense" --optimizer sgd --shift 2
}
@test "a step of a convolutional network makes no system call but futex" {
    traced kd-train-teacher --network "$maps" --clip-norm 1 --ema-decay 0.9
}
@test "a step with a teacher at hand makes no system call but futex" {
    traced kd-train-student --layers 30 --teacher teacher --shift 2
}
