#!/usr/bin/env bats
# MixUp and CutMix in whole commands: train.mix.
bats_require_minimum_version 1.5.0
load small.bash

setup_file() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_FILE_TMPDIR"
    small_set
    kd-train-teacher --data idx:set --layers 16 -e 2 -q -o t >/dev/null
    kd-soften -m t -d idx:set -q -o soft >/dev/null
    kd-soften -m t -d idx:set --top 3 -q -o few >/dev/null
}
setup() { cd "$BATS_FILE_TMPDIR"; }

# student OUT OPTION...: its fingerprint
student() {
    local out=$1
    shift
    kd-train-student --data idx:set --layers 8 -e 2 -q --no-provenance --overwrite -o "$out" "$@" \
        >/dev/null
    kd-eval "$out" --json | jq -r .fingerprint
}

@test "a mixed training has the same bytes on any number of threads, for teachers of each kind" {
    for how in "-S soft" "-S few" "-t t" "-t t --shift 2"; do
        # shellcheck disable=SC2086
        for mix in mixup cutmix; do
            one=$(student one $how --mix $mix --threads 1)
            three=$(student three $how --mix $mix --threads 3)
            plain=$(student plain $how)
            [ "$one" = "$three" ]
            [ "$one" != "$plain" ]
        done
    done
    # a teacher at hand is asked about the mixed image; --fixed-teacher, of the two apart
    at_hand=$(student a -t t --mix mixup)
    stored=$(student b -S soft --mix mixup)
    fixed=$(student c -t t --mix mixup --fixed-teacher)
    [ "$at_hand" != "$stored" ]
    [ "$fixed" = "$stored" ]
}

@test "the settings are saved, and absent where nothing is mixed" {
    student saved -S soft --mix cutmix --mix-alpha 0.5 >/dev/null
    [ "$(meta saved/model.safetensors kd.config | jq -c .train.mix)" = \
        '{"kind":"cutmix","alpha":0.5}' ]
    student saved -S soft >/dev/null
    [ "$(meta saved/model.safetensors kd.config | jq -c .train.mix)" = null ]
}

@test "refused: losses about one label, rectangles out of tables, shares that are none" {
    refused 2 "loss dkd is about one label" "train.mix" "kl" -- \
        kd-train-student --data idx:set -S soft --layers 8 --loss dkd --mix mixup -o kept
    refused 2 "distill.confidence=label" "choose top" -- kd-train-student --data idx:set -S soft \
        --layers 8 --confidence label --mix mixup -o kept
    refused 2 "--mix-share" "from 0 to 1" -- kd-train-student --data idx:set -S soft --layers 8 \
        --mix mixup --mix-share 2 -o kept
    { echo "a,b,kind"; seq 40 | awk '{ print $1 / 40, $1 % 7 / 7, $1 % 2 ? "x" : "y" }' OFS=,; } \
        >t.csv
    refused 2 "rows of a table" "mixup" -- \
        kd-train-teacher --data csv:t.csv --layers 8 --mix cutmix -o kept
    kd-train-teacher --data csv:t.csv --layers 8 --mix mixup -e 2 -q -o table >/dev/null
}
