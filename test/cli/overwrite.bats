#!/usr/bin/env bats
# A result that is there and was made otherwise stays, unless --overwrite says that it may go.
bats_require_minimum_version 1.5.0
load small.bash

WAYS="; --overwrite replaces it, another -o keeps both"

setup_file() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_FILE_TMPDIR"
    small_set
    kd-train-teacher --data idx:set --layers 8 -e 1 -q -o t >/dev/null
    kd-train-teacher --data idx:set --layers 6 -e 1 -q -o u >/dev/null
    kd-train-student --data idx:set --teacher t --layers 4 -e 1 --omit 3 -q -o s >/dev/null
}
setup() {
    cd "$BATS_TEST_TMPDIR"
    ln -s "$BATS_FILE_TMPDIR"/{set,t,u,s} .
    mkdir kept
}

# stays WHY -- COMMAND...: refused with this reason and the ways on; --overwrite then does it, and
# once more without it
stays() {
    local why=$1
    shift 2
    refused 1 "is there and was made otherwise: $why" "$WAYS" -- "$@"
    "$@" --overwrite -q >/dev/null
    "$@" -q >/dev/null
}

@test "kd-soften: teachers, images, views, numbers" {
    kd-soften -m t -d idx:set -q -o kept/s >/dev/null
    state kept >before
    kd-soften -m t -d idx:set -q --threads 1 -o kept/s >/dev/null # the same by another command
    stays "the models that it was made from are others (it was made by: kd-soften -m t -d idx:set" \
        -- kd-soften -m u -d idx:set -o kept/s
    stays 'data.source is "idx:set" there and "digits" here' -- kd-soften -m u -d digits -o kept/s
    stays "views is said here alone" -- \
        kd-soften -m u -d digits --views 2 --shift 1 -o kept/s
    stays "views.count is 2 there and 3 here" -- \
        kd-soften -m u -d digits --views 3 --shift 1 -o kept/s
    kd-soften -m t -d idx:set -q --overwrite -o kept/s >/dev/null
    stays "logits is F32 there and F16 here" -- kd-soften -m t -d idx:set --half -o kept/s
    kd-soften -m u -d idx:set -q --update -o kept/s >/dev/null
    echo text >kept/s
    stays "it is no tensor file that can be read" -- kd-soften -m t -d idx:set -o kept/s
    kd-soften -m t -d idx:set -q -o - >/dev/null
    kd-soften -m t -d idx:set -q -o /dev/null
}

@test "kd-soften --logits" {
    kd-soften -m t -d idx:set -q -o a.safetensors >/dev/null
    kd-soften -m u -d idx:set -q -o b.safetensors >/dev/null
    kd-soften -L a.safetensors -d idx:set -q -o kept/s >/dev/null
    stays "logits has other values there" -- kd-soften -L b.safetensors -d idx:set -o kept/s
}

@test "kd-correct" {
    kd-correct s -q -o kept/c >/dev/null
    stays 'config.correct.by is "transfer" there and "balanced" here' -- \
        kd-correct s --by balanced -o kept/c
}

@test "kd-quantize" {
    kd-quantize t -q -o kept/q >/dev/null
    stays "quantization.tensors.1.scale is " -- kd-quantize t -n 5 -o kept/q
    stays "network." -- kd-quantize u -o kept/q
}

@test "kd-export: what is behind the comment counts" {
    kd-export t -o kept/x.c -q >/dev/null
    kd-export "$PWD/t/model.safetensors" -o kept/x.c -q >/dev/null
    stays "its model is another one" -- kd-export u -o kept/x.c
    stays "it is of the same model with other options" -- \
        kd-export u --input interleaved --arena caller -o kept/x.c
    echo "int x;" >kept/x.c
    cp kept/x.c kept/x.h
    stays "it is no file that kd-export wrote" -- kd-export u -o kept/x.c
}

@test "kd-data: tensors, IDX, PNG folders and sheets" {
    kd-data convert idx:set -q -o kept/a >/dev/null
    stays "data.n is 240 there and 120 here" -- kd-data convert idx:set --fraction 0.5 -o kept/a
    kd-data convert idx:set idx:set:test --to idx -q -o kept/b >/dev/null
    stays "its images are others" -- \
        kd-data convert idx:set --fraction 0.5 --to idx -o kept/b
    cmp kept/b/t10k-labels-idx1-ubyte set/t10k-labels-idx1-ubyte # another split, another file
    kd-data sheet idx:set -q -o kept/s.png >/dev/null
    kd-data sheet idx:set -q --columns 10 -o kept/s.png >/dev/null
    stays "it is another picture" -- kd-data sheet idx:set --columns 5 -o kept/s.png
    kd-data convert idx:set --to png -q -o kept/p >/dev/null
    refused 2 "kept/p/train is there already: --overwrite replaces it, another -o keeps both" -- \
        kd-data convert idx:set --fraction 0.5 --to png -q -o kept/p
    kd-data convert idx:set --fraction 0.5 --to png -o kept/p -q --overwrite >/dev/null
    [ "$(find kept/p -name '*.png' | wc -l)" -eq 120 ]
    [ "$(ls -A kept/p)" = train ]
}

@test "IDX: labels that differ keep the images as well" {
    mkdir kept/b
    cp set/train-* kept/b
    printf '\1' | dd of=kept/b/train-labels-idx1-ubyte bs=1 seek=9 conv=notrunc status=none
    printf '\0' | dd of=kept/b/train-labels-idx1-ubyte bs=1 seek=10 conv=notrunc status=none
    stays "its labels are others" -- kd-data convert idx:set --to idx -o kept/b
    cmp kept/b/train-labels-idx1-ubyte set/train-labels-idx1-ubyte
}
