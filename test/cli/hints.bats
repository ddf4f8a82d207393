#!/usr/bin/env bats
# What people type out of habit is answered with the word that they need.
bats_require_minimum_version 1.5.0

setup() {
    unset OPENBLAS_CORETYPE
    cd "$BATS_TEST_TMPDIR"
}

# answer STATUS TEXT -- COMMAND...: it ends so, and its one line ends with the text
answer() {
    local wanted=$1 text=$2
    shift 3
    run --separate-stderr "$@"
    [ "$status" -eq "$wanted" ] && [[ "$stderr" == *"$text" ]] && [ "${#stderr_lines[@]}" -eq 1 ] ||
        { echo "$* -> $status: $stderr" >&2; false; }
}

@test "names of options from elsewhere" {
    answer 2 "did you mean --learning-rate?" -- kd-train-teacher --lr 0.1
    answer 2 "did you mean --batch?" -- kd-train-student --bs 64
    answer 2 "did you mean --batch?" -- kd-train-student --batch_size 64
    answer 2 "did you mean --weight-decay?" -- kd-train-student --wd 1
    answer 2 "did you mean --network?" -- kd-train-teacher --arch resnet18
    answer 2 "did you mean --temperature?" -- kd-train-student --tau 4
    answer 2 "did you mean --data?" -- kd-soften --dataset mnist
    answer 2 "did you mean --threads?" -- kd-eval --workers 2
    answer 2 "did you mean --workbook?" -- kd-report --excel
    for p in kd-train-teacher kd-eval kd-data; do
        answer 2 "kd works on the processor; --threads N says on how many of its cores" -- \
            "$p" --gpu 0
    done
    answer 2 "did you mean --epochs?" -- kd-train-teacher --epoch 3 # a slip, as before
}

@test "names of keys from elsewhere" {
    echo '{"name": "x", "data": {"source": "digits"}, "teacher": {"train": {"lr": 1}}}' >x.json
    answer 2 "teacher.train.lr: no such key; did you mean learning_rate?" -- \
        kd-train-teacher x.json
    echo '{"name": "x", "data": {"source": "digits"}, "teacher": {"train": {"batch_size": 1}}}' \
        >x.json
    answer 2 "did you mean batch?" -- kd-train-teacher x.json
}

@test "commands that are there under another name" {
    answer 2 "train: no such command; did you mean train-teacher or train-student?" -- kd train
    answer 2 "did you mean train-student?" -- kd distill
    answer 2 "did you mean eval?" -- kd test
    answer 2 "did you mean report?" -- kd repot
}

@test "files of nearly that name" {
    mkdir -p configs runs/digits
    touch configs/digits.json configs/mnist.json teacher.safetensors
    answer 1 "did you mean configs/digits.json?" -- kd-train-teacher configs/digit.json
    answer 1 "did you mean runs/digits?" -- kd-report run/digits
    answer 1 "did you mean teacher.safetensors?" -- kd-eval teachr.safetensors
    answer 1 "there is no such file" -- kd-eval nothing-like-it
}

@test "JSON as other formats write it" {
    say() { printf '%s\n' "$1" >x.json; }
    say '{"name": "x", // the name'
    answer 1 "line 1, column 15: a comment; JSON has none, so take it out" -- kd-train-teacher \
        x.json
    say '{"name": "x", # the name'
    answer 1 "a comment; JSON has none, so take it out" -- kd-train-teacher x.json
    say "{'name': 'x'}"
    answer 1 "a single quote; JSON puts text in double quotes" -- kd-train-teacher x.json
    say 'name: x'
    answer 1 'this looks like YAML; kd reads JSON: {"key": value, ...}' -- kd-train-teacher x.json
    say '- x'
    answer 1 'this looks like YAML; kd reads JSON: {"key": value, ...}' -- kd-train-teacher x.json
    say '--- x'
    answer 1 'this looks like YAML; kd reads JSON: {"key": value, ...}' -- kd-train-teacher x.json
}
