#!/usr/bin/env bats
# Distillation losses: every one trains, is listed and is explained; what cannot go together is
# refused; a resumed training with several terms is the same.
bats_require_minimum_version 1.5.0
load small.bash

setup_file() {
    unset OPENBLAS_CORETYPE
    cd "$BATS_FILE_TMPDIR"
    small_set
    kd-train-teacher --data idx:set --layers 16 --epochs 2 --quiet -o T >/dev/null
    kd-soften --model T --data idx:set --quiet -o soft.safetensors >/dev/null
    kd-train-student --loss '?' >list
}
setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_TEST_TMPDIR"
    for f in set T soft.safetensors list; do ln -s "$BATS_FILE_TMPDIR/$f" .; done
}
train() {
    kd-train-student --data idx:set --layers 8 --epochs 2 --quiet -S soft.safetensors "$@"
}
distill() { meta "$1" kd.config | jq -c ".distill$2"; }
# losses on logits; those on features, which need a teacher at hand, are in taps.bats
names() {
    awk '/^[a-z]/ { if (name) print name; name = $1 } /^ +compares layers/ { name = "" }
        END { if (name) print name }' list
}
every_name() { grep -o '^[a-z]*' list; }

@test "every listed loss trains from a file, and is logged under its name" {
    [ "$(names | wc -l)" -ge 7 ]
    for loss in $(names); do
        train --loss "$loss" -o "$loss"
        jq -es --arg l "$loss" 'length == 2 and all(.[]; .train.terms == {($l): .train.soft} and
            (.train.soft | isnormal))' "$loss/log.jsonl"
        kd-eval "$loss" --data idx:set --json >eval 2>/dev/null
        jq -e '.nll | isnormal' eval
    done
}

@test "both manual pages explain every listed loss with its paper" {
    for loss in $(every_name); do
        for page in kd-train-student.1 kd-formats.5; do
            awk -v l=".B $loss" '$0 == l { at = NR }
                at && NR > at && NR < at + 9 && / 20[0-9][0-9]/ { found = 1 }
                END { exit !found }' "$BATS_TEST_DIRNAME/../../cmd/$page" ||
                { echo "$loss: $page" >&2; false; }
        done
    done
}

@test "alpha and weights that say the same are one configuration, and the same model" {
    train --alpha 0.75 -o a
    train --weight 0.75 --label-weight 0.25 -o b
    [ "$(distill a/model.safetensors)" = "$(distill b/model.safetensors)" ]
    [ "$(distill a/model.safetensors .alpha)" = 0.75 ]
    [ "$(kd-eval a --data idx:set --json 2>/dev/null | jq .fingerprint)" = \
        "$(kd-eval b --data idx:set --json 2>/dev/null | jq .fingerprint)" ]
    train --weight 3 -o c
    [ "$(distill c/model.safetensors '|[.alpha,.weight,.label_weight]')" = '[null,3,0.1]' ]
    refused 2 "alpha" "--label-weight" -- train --alpha 0.5 --label-weight 1
}

@test "parameters by JSON, by --set and in sweeps; mistakes are named" {
    train --loss '{"kind": "dkd", "beta": 2}' --ramp 0 -o d
    [ "$(distill d/model.safetensors '|[.loss,.ramp,.temperature]')" = \
        '[{"kind":"dkd","alpha":1,"beta":2},0,4]' ]
    refused 2 '"dkt"' 'did you mean "dkd"' -- train --loss dkt
    refused 2 "distill.loss.bta" "beta" -- train --loss '{"kind": "dkd", "bta": 2}'
    refused 2 "mse has no temperature" -- train --loss mse -T 3
    refused 2 "--loss is for soft targets" -- \
        kd-train-student --data idx:set --layers 8 --loss dkd
    cat >x.json <<'JSON'
{"data": {"source": "idx:set"}, "teacher": {"network": "mlp-9", "train": {"epochs": 1}},
 "students": {"kd": {"network": "mlp-4", "train": {"epochs": 1}, "distill": {"from": "teacher"},
   "sweep": {"distill.loss": ["kl", "dkd", {"kind": "dist", "beta": 1}]}}}}
JSON
    [ "$(kd-train-student x.json --list | wc -l)" -eq 3 ]
    kd-train-teacher x.json -q
    kd-train-student x.json -q --student kd,loss=dkd --set students.kd.distill.loss.beta=3
    kd-train-student x.json -q --student kd,loss=dkd
    kd-train-student x.json --list --update >left
    [ "$(wc -l <left)" -eq 2 ]
    kd-report runs/x --csv --columns name,alpha,top1 2>/dev/null | grep -q '"kd,loss=dkd",,'
}

@test "without labels, or with probabilities, only losses that can" {
    for loss in dkd nkd rld; do
        refused 2 "loss $loss needs labels" -- train --unlabelled --loss "$loss" --alpha 1
    done
    train --unlabelled --loss dist --weight 1 --label-weight 0 -o u
    refused 1 "loss dkd needs logits" -- kd-train-student --data idx:set --layers 8 -q \
        --teacher T --teacher T --average probabilities --loss dkd
}

@test "weights of classes: balanced, a list, and what is neither" {
    plain() { kd-train-teacher --data idx:set --layers 8 --epochs 2 -q --no-provenance "$@"; }
    plain -o none
    plain --class-weights '[1, 1, 1, 1, 1, 1, 1, 1, 1, 1]' -o ones
    # weights of 1 change nothing but the configuration
    [ "$(jq -c .train none/log.jsonl)" = "$(jq -c .train ones/log.jsonl)" ]
    plain --class-weights balanced -o balanced
    [ "$(meta balanced/model.safetensors kd.config | jq -c .train.class_weights)" = '"balanced"' ]
    refused 2 "3 numbers for 10 classes" -- plain --class-weights '[1, 2, 3]'
    refused 2 'expected "balanced"' -- plain --class-weights even
    refused 2 "class_weights.1" -- plain --class-weights '[1, -1]'
}

@test "a virtual teacher knows the labels alone" {
    student() { kd-train-student --data idx:set --layers 8 --epochs 2 --quiet --from labels "$@"; }
    student -o v
    [ "$(distill v/model.safetensors .from)" = '"labels"' ]
    [ "$(meta v/model.safetensors kd.parents)" = '[]' ]
    # at T = 1 and alpha 1 it is the cross-entropy with smoothed labels, but for what the targets
    # themselves have of it: 0.9 and nine times 0.1 / 9 is smoothing 1/9
    student -T 1 --alpha 1 --no-provenance -o soft
    kd-train-student --data idx:set --layers 8 --epochs 2 --quiet --no-provenance \
        --label-smoothing 0.1111111111111111 -o smooth
    jq -n --slurpfile a soft/log.jsonl --slurpfile b smooth/log.jsonl \
        '($a[1].valid.loss // $a[1].train_eval.loss) - $b[1].train_eval.loss | fabs' >gap
    jq -e '. < 1e-4' gap
    student --certainty 0.99 --loss dkd --shift 1 -o sure
    [ "$(distill sure/model.safetensors .certainty)" = 0.99 ]
    refused 2 "distill.certainty" "--from labels" -- \
        kd-train-student --data idx:set --layers 8 -S soft.safetensors --certainty 0.9
    refused 2 "has no labels to learn from" -- student --unlabelled --alpha 1
}

@test "several terms: logged each, and the same model when resumed" {
    terms='["kl", {"kind": "mse", "weight": 0.5}, {"kind": "dist", "weight": 1, "ramp": 1}]'
    train --loss "$terms" --epochs 4 -o short
    jq -es 'length == 4 and all(.[]; (.train.terms | keys) == ["dist", "kl", "mse"] and
        .train.soft == .train.terms.kl)' short/log.jsonl
    [ "$(meta short/model.safetensors kd.metrics | jq -c '.train.terms | keys')" = \
        '["dist","kl","mse"]' ]
    again=(--data idx:set --layers 8 --quiet -S soft.safetensors --loss "$terms" --epochs 40
        --checkpoint-every 1steps -o part)
    train --loss "$terms" --epochs 40 -o whole
    kd-train-student "${again[@]}" &
    while [ ! -s part/checkpoint.safetensors ]; do sleep 0.01; done
    kill -TERM $!
    wait $! || true
    [ -s part/checkpoint.safetensors ]
    kd-train-student "${again[@]}" --resume
    [ "$(jq -c '.train' whole/log.jsonl)" = "$(jq -c '.train' part/log.jsonl)" ]
}
