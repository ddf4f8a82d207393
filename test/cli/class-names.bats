#!/usr/bin/env bats
# Classes go by their names in everything that a report shows of them.
bats_require_minimum_version 1.5.0
load small.bash

# set_of NAME CLASSES LABELS: 30 images of 8x8 in ./NAME.safetensors, always the same; the names of
# their classes, and the labels of images 0, 1 and 2, which the others repeat
set_of() {
    local about i
    about=$(jq -cn --arg n "$2" '{"kd.classes": "3", "kd.class_names": ($n | split(" ") | tojson)}')
    seq 1 2000 | head -c 1920 >data
    for ((i = 0; i < 30; i++)); do printf "\\x0${3:$((i % 3)):1}"; done >>data
    tensors "$1.safetensors" "$(printf '{"__metadata__":%s,%s,%s}' "$about" \
        '"images":{"dtype":"U8","shape":[30,1,8,8],"data_offsets":[0,1920]}' \
        '"labels":{"dtype":"U8","shape":[30],"data_offsets":[1920,1950]}')" data
}

# The test images are numbered in another order than those that the models learned from.
setup_file() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_FILE_TMPDIR"
    set_of a "ape bee cat" 012
    set_of b "cat ape bee" 120
    jq -n '{name: "named", data: {source: "tensors:a.safetensors",
        test: "tensors:b.safetensors:test"}, teacher: {network: "mlp-4", train: {epochs: 1}},
        students: {kd: {network: "mlp-4", train: {epochs: 1}, data: {omit: [1]},
            distill: {from: "teacher"}}}}' >x.json
    kd-train-teacher x.json -q
    kd-train-student x.json -q
    kd-eval -x x.json -q >/dev/null
    kd-report x.json --all -q >/dev/null
}
setup() {
    cd "$BATS_FILE_TMPDIR"
    out=runs/named/report
}

# texts CHART: what a drawing says, a text a line
texts() { sed -n 's/.*<text[^>]*>\([^<]*\)<.*/\1/p' "$out/$1.svg"; }

@test "axes of a confusion matrix, and the classes that were never seen" {
    for name in ape bee cat; do
        [ "$(texts confusion | grep -c "^$name\*\{0,1\}$")" -eq 2 ]
    done
    texts unseen-classes | grep -q '^\* never saw bee$'
    texts unseen-classes | grep -q '^bee\*$'
    grep -q 'class bee, never seen, taken for [ac]' "$out/report.html"
}

@test "bars of soft targets" {
    for name in ape bee cat; do
        [ "$(texts soft-targets | grep -c "^$name$")" -ge 3 ]
    done
    [ -z "$(texts soft-targets | grep -E '^[12]( |$)')" ]
}

@test "sheets of errors: the name that the image has, whatever its number in its file" {
    names=(ape bee cat)
    grep -o 'image [0-9]*: [a-z]* taken for [a-z]*' "$out/report.html" >errors
    [ -s errors ]
    while read -r _ number name _; do
        [ "$name" = "${names[${number%:} % 3]}" ]
    done <errors
}

@test "tables of classes, for people and as CSV" {
    run kd-report x.json --table classes
    [[ "$output" =~ kd\ .*\ bee\ +no\  ]]
    run --separate-stderr kd-report x.json --table classes --csv
    [ "$(grep -cE '^named,kd,1,[012],(ape|bee|cat),(yes|no),' <<<"$output")" -eq 3 ]
    [[ "$output" =~ named,kd,1,1,bee,no,10,.*,(ape|cat) ]]
}

@test "cells of a page have the colours of its theme, and so has the text on them" {
    grep -q 'color-mix(in srgb,var(--hot) [0-9.]*%,var(--cold))' "$out/report.html"
    grep -q 'fill:var(--on-cold)' "$out/report.html"
    [ -z "$(grep color-mix "$out"/*.svg)" ]
}
