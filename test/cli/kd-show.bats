#!/usr/bin/env bats
# kd-show: each kind of thing that kd writes or reads, and what it is none of.
bats_require_minimum_version 1.5.0
load small.bash

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    small_set
    cat >x.json <<'EOF'
{"name": "x", "data": {"source": "idx:set", "validation": 40},
 "teacher": {"network": "mlp-16", "train": {"epochs": 2}},
 "students": {"kd": {"network": "mlp-4", "train": {"epochs": 1}, "distill": {"alpha": 0.5}},
              "later": {"network": "mlp-4"}}}
EOF
    kd-train-teacher x.json -q >/dev/null
    kd-soften x.json -q >/dev/null
    kd-train-student x.json --student kd -q >/dev/null
    kd-eval --experiment x.json -q >/dev/null
}
setup() { cd "$BATS_FILE_TMPDIR"; }

@test "a model: what it is, what it learnt from, its layers" {
    kd-show runs/x/students/kd/s1 --json >shown
    kd-show runs/x/students/kd/s1/model.safetensors --json | cmp - shown
    jq -e '.kind == "model" and .input == [1, 28, 28] and .classes == 10 and .training.student ==
        "kd"
        and .training.alpha == 0.5 and .training.seed == 1 and .data.source == "idx:set" and
        (.made_by | startswith("kd-train-student x.json")) and (.layers | length) == 4' shown
    [ "$(jq -r .fingerprint shown)" = \
        "$(kd-eval runs/x/students/kd/s1 --json | jq -r .fingerprint)" ]
    [ "$(jq -r '.parents[0]' shown)" = "$(kd-show runs/x/teacher/s1 --json | jq -r .fingerprint)" ]
    [ "$(jq .bytes shown)" -eq "$(wc -c <runs/x/students/kd/s1/model.safetensors)" ]
    run kd-show runs/x/students/kd/s1
    [[ $output == *"training.alpha           0.5"* && $output == *"1 dense"* ]]
}

@test "a checkpoint of a training that runs" {
    set -m
    kd-train-teacher --data idx:set --layers 8 -e 1000000 --checkpoint-every 100steps -q -o run &
    set +m
    wait_for [ -s run/checkpoint.safetensors ]
    [ "$(kd-show run --json | jq -r .kind)" = checkpoint ]
    kill -TERM $!
    wait $! || true
}

@test "soft targets: how many, how sure, how often right" {
    soft=runs/x/soft/s1/teacher.safetensors
    kd-show $soft --json | jq -e '.kind == "soft-targets" and .images == 240 and .classes == 10 and
        .mean_confidence > 0.1 and .mean_confidence <= 1 and .mean_entropy < 2.31 and
        .tensors.logits == "F32 [240, 10]"'
    [ "$(kd-show $soft --json | jq .top1)" = \
        "$(kd-eval runs/x/teacher/s1 --data idx:set:train --json | jq .top1)" ]
    # without its images nothing is said of them
    mkdir -p far
    (cd far; kd-show ../$soft --json | jq -e 'has("top1") | not')
    kd-show runs/x/teacher/s1/logits.safetensors --json |
        jq -e '.kind == "logits" and .images == 100'
}

@test "a run, data, other tensors" {
    kd-show runs/x --json | jq -e '.kind == "run" and .models == 3 and
        ([.list[].state] == ["trained", "trained", "to do"]) and .list[0].split == "test" and
        .list[0].top1 <= 1'
    run kd-show runs/x/
    [[ $output == *"later"*"to do"* ]]
    kd-show idx:set:test --json | jq -e '.kind == "data" and .images == 100 and .split == "test"'
    kd-data convert idx:set:test --to tensors -o t.safetensors --quiet >/dev/null
    kd-show t.safetensors --json | jq -e '.tensors.images == "U8 [100, 1, 28, 28]"'
    kd-show idx:set runs/x/teacher/s1 --json | jq -s -e 'map(.kind) == ["data", "model"]'
}

@test "what it cannot show" {
    refused 1 "set: neither a run" "images:set" -- kd-show set
    refused 1 "x.json: JSON is text" "kd-plan x.json" -- kd-show x.json
    refused 1 "runs/x/teachr.safetensors: there is no such file" -- \
        kd-show runs/x/teachr.safetensors
    head -c 100 runs/x/teacher/s1/model.safetensors >cut.safetensors
    refused 1 "cut.safetensors" "cut short" -- kd-show cut.safetensors
    refused 2 "--output" -- kd-show set -o out
}

@test "long values are folded on a terminal, and are one line each in a pipe" {
    kd-train-teacher --data digits --fraction 0.02 --layers 8 --epochs 1 -q -o T >/dev/null
    for columns in 60 80; do
        on $columns "kd-show T" >out
        [ "$(widest <out)" -le $columns ]
    done
    [ "$(grep -c '^ \{25\}' out)" -ge 1 ]
    [ "$(kd-show T | grep -c '^ \{25\}')" -eq 0 ]
    on 60 "kd-train-student --loss '?'" >out
    [ "$(widest <out)" -le 60 ]
    grep -q '^kl      divergence' out
    on 80 "kd-train-student --network '?'" >out
    [ "$(widest <out)" -le 80 ]
    for columns in 60 80; do
        on $columns "kd-train-teacher --data digits --fraction 0.02 --validation 40 --layers 8 \
            --epochs 2 --overwrite -o T" | sed 's/.*\x1b\[K//' >out
        [ "$(widest <out)" -le $columns ]
        [ "$(grep -c 'epoch [12]/2: loss .*, valid .* %' out)" -eq 2 ]
        on $columns "kd-quantize T --overwrite -o Q; kd-export Q --plan" |
            sed 's/.*\x1b\[K//' >out
        [ "$(widest <out)" -le $columns ]
        grep -q 'logits' out
    done
}

@test "help fits the terminal, and a command that goes over several lines is still one" {
    for columns in 60 80; do
        for program in kd "$KD_BIN"/kd-*; do
            on $columns "KD_PAGER=cat ${program##*/} --help" >out
            [ "$(widest <out)" -le $columns ]
        done
    done
    on 60 kd >out
    [ "$(widest <out)" -le 60 ]
    grep -A1 'kd train-student .* \\$' out | grep -q '^ *-S runs/digits'
    KD_PAGER=cat on 60 "KD_PAGER=cat kd-soften --help" | grep -A1 '^  kd-soften --model .* \\$' |
        tail -n 1 | grep -q '^      --data mnist:train -o soft.safetensors$'
}
