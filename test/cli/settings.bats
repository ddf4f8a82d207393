#!/usr/bin/env bats
# "Is this the same configuration?" has one answer: the programs that train and the report agree.
bats_require_minimum_version 1.5.0
load small.bash

setup_file() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_FILE_TMPDIR"
    small_set
    cat >x.json <<'JSON'
{"name": "x", "data": {"source": "idx:set", "validation": 40},
 "teacher": {"network": "mlp-16", "train": {"epochs": 1}},
 "students": {
   "plain": {"network": "mlp-4", "train": {"epochs": 1}},
   "kd": {"network": "mlp-4", "train": {"epochs": 1}, "data": {"omit": [3]},
          "distill": {"from": "teacher"}},
   "kd,bias": {"correct": {"of": "kd"}}}}
JSON
    kd-train-teacher x.json -q >/dev/null
    kd-train-student x.json -q >/dev/null
}
setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_TEST_TMPDIR"
    ln -s "$BATS_FILE_TMPDIR/set" .
    cp -R "$BATS_FILE_TMPDIR"/{x.json,runs} .
}

# What the trainer would make anew, and what the report says was made otherwise: one name a line.
wanted() {
    kd-train-student x.json --list --update "$@" | sed 's/^--student //; s/ --seed.*//' | tr -d "'"
}
reported() {
    kd-report runs/x --json | jq -r '.notes[]' |
        sed -n 's/.*trained with other settings than .* has now: //p' |
        sed 's/ s1 ([^)]*)\.*//g; s/, /\n/g' | sort
}

@test "the teacher alone is trained with another carving: both want the students again" {
    [ -z "$(wanted)" ]
    [ -z "$(reported)" ]
    kd-train-teacher x.json --set data.carve=last -q --overwrite
    wanted --set data.carve=last | sort >list
    [ "$(xargs <list)" = "kd plain" ]
    # the trainer asks in rounds: what corrects kd is wanted once kd is there; the report has none
    reported | grep -vx kd,bias | cmp - list
    [ "$(reported | wc -l)" -eq 3 ]
    [[ "$(kd-report runs/x)" == *"plain s1 (data.carve)"* ]]
    while read -r name; do
        kd-train-student x.json -q --overwrite --set data.carve=last --student "$name"
    done <list
    [ "$(wanted --set data.carve=last)" = kd,bias ]
    [ "$(reported)" = kd,bias ]
    kd-train-student x.json -q --set data.carve=last --update
    [ -z "$(wanted --set data.carve=last)" ]
    [ -z "$(reported)" ]
}

@test "an option that a model file does not name yet has its default, whoever asks" {
    # the teacher alone, with all that is said of it by default said aloud: nothing is to be done
    kd-train-teacher x.json -q --update --set data.carve=random \
        --set teacher.train.momentum=0.9 2>why ||
        grep -q 'no such key' why
    kd-train-teacher x.json -q --update --set data.carve=random \
        --set teacher.train.optimizer.momentum=0.9 >made
    [ ! -s made ]
    [ -z "$(wanted)" ]
    [ -z "$(reported)" ]
}

@test "a student corrected otherwise than its experiment says now: both say so" {
    kd-train-teacher x.json -q --set 'students.kd,bias.correct.flips=0.01' --update
    [ "$(wanted --set 'students.kd,bias.correct.flips=0.01')" = "kd,bias" ]
    [ "$(reported)" = "kd,bias" ]
}

@test "kd-formats(5) has every key of data and train" {
    local lib=$BATS_TEST_DIRNAME/../../lib page=$BATS_TEST_DIRNAME/../../cmd/kd-formats.5
    for section in "data split.c" "train config.c"; do
        sed -n "/^\.SS ${section% *}$/,/^\.TE/p" "$page" | sed -n 's/^ *\([a-z0-9_]*\)|.*/\1/p' \
            >written
        cat "$lib"/*/"${section#* }" | tr '\n' ' ' | grep -o 'kd_[a-z]*_rows\[\] = {.*' |
            sed 's/{0}.*//' | grep -oE '"[a-z0-9-]+", [^,]+, +"[a-z0-9_.]+",' |
            sed 's/",$//; s/.*"//; s/.*\.//' | sort -u >keys
        [ "$(wc -l <keys)" -ge 20 ]
        while read -r key; do
            grep -qx "$key" written || [ "$key" = kind ] || { echo "$key"; return 1; }
        done <keys
    done
}
