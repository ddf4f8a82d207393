#!/usr/bin/env bats
# Losses that compare layers of teacher and student: every one trains, from flat features and from
# maps; layers are named or told by depth; stopping and threads change nothing; what learns
# along is no part of the model.
bats_require_minimum_version 1.5.0
load small.bash

conv() { printf '{"kind":"conv2d","filters":%d,"padding":1}' "$1"; }

setup_file() {
    unset OPENBLAS_CORETYPE
    cd "$BATS_FILE_TMPDIR"
    small_set
    kd-train-teacher --data idx:set --layers 20,16 --epochs 2 --quiet -o T >/dev/null
    kd-train-teacher --data idx:set --epochs 1 --quiet -o C >/dev/null --network "[\"avgpool\",
        $(conv 6),\"batchnorm\",\"relu\",\"maxpool\",$(conv 8),\"relu\",\"global_avgpool\",
        \"flatten\",\"dense\"]"
    kd-train-student --loss '?' | awk '/^[a-z]/ { name = $1 } /^ +compares layers/ { print name }' \
        >list
}
setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_TEST_TMPDIR"
    for f in set T C list; do ln -s "$BATS_FILE_TMPDIR/$f" .; done
    maps="[\"avgpool\",$(conv 4),\"relu\",$(conv 5),\"batchnorm\",\"relu\",\"global_avgpool\",
        \"flatten\",\"dense\"]"
}
flat=(kd-train-student --data idx:set --layers 12,8 --epochs 2 --quiet --teacher T)
flat() { "${flat[@]}" "$@"; }
deep() {
    kd-train-student --data idx:set --network "$maps" --epochs 2 --quiet --teacher C "$@"
}
losses() { jq -c '[.train.loss, .train.terms]' "$1/log.jsonl"; }
bytes() { kd-eval "$1" --data idx:set --json 2>/dev/null | jq -r .fingerprint; }

@test "every one trains on maps, and but for at on flat features, and is logged" {
    [ "$(wc -l <list)" -ge 4 ]
    while read -r loss; do
        deep --loss "$loss" -o "deep-$loss" </dev/null
        jq -es --arg l "$loss" 'length == 2 and all(.[]; .train.terms == {($l): .train.soft} and
            (.train.soft | isnormal))' "deep-$loss/log.jsonl"
        if [ "$loss" = at ]; then continue; fi
        flat --loss "$loss" -o "flat-$loss" </dev/null
        jq -es --arg l "$loss" 'all(.[]; .train.terms[$l] | isnormal)' "flat-$loss/log.jsonl"
    done <list
    refused 2 "no layer with maps" "student" -- flat --loss at
}

@test "it is learnt: what is compared comes nearer" {
    for loss in fitnet sp rkd; do
        flat --loss "$loss" --label-weight 0 --epochs 6 -o "near-$loss"
        jq -es '.[5].train.soft < 0.8 * .[0].train.soft' "near-$loss/log.jsonl"
    done
    deep --loss at --label-weight 0 --epochs 6 --learning-rate 0.01 -o near-at
    jq -es '.[5].train.soft < 0.8 * .[0].train.soft' near-at/log.jsonl
}

@test "layers by name and by depth are the same layer; a wrong one is told what there is" {
    flat --loss '{"kind": "fitnet", "student": "2", "teacher": "2"}' -o named
    flat --loss fitnet -o shared # half of two blocks: dense relu
    [ "$(losses named)" = "$(losses shared)" ]
    flat --loss '{"kind": "fitnet", "student": "features", "teacher": 1}' -o last
    [ "$(losses named)" != "$(losses last)" ]
    flat --loss '{"kind": "fitnet", "student": ["2", "4"], "teacher": ["2", "4"]}' -o two
    jq -es '.[1].train.soft | isnormal' two/log.jsonl
    refused 2 "distill.loss fitnet, layer of the teacher" "no layer 9" "2 (relu 20)" -- \
        flat --loss '{"kind": "fitnet", "teacher": "9"}'
    refused 2 "layer of the student" "no layer 7" "4 (relu 8)" -- \
        flat --loss '{"kind": "fitnet", "student": "7"}'
    refused 2 "4 is no share" -- flat --loss '{"kind": "fitnet", "student": 4}'
    refused 2 "as many layers" -- flat --loss '{"kind": "sp", "student": ["2", "4"]}'
    refused 2 "expected a layer's name" -- flat --loss '{"kind": "sp", "student": true}'
    refused 2 "is flat" "is maps" -- \
        deep --loss '{"kind": "fitnet", "student": "features", "teacher": 0.5}'
    refused 2 "layer 7 of the student is flat" -- \
        deep --loss '{"kind": "at", "student": "7", "teacher": "6"}'
}

@test "what learns along is in checkpoints, and not in the model" {
    flat --loss fitnet -o m
    kd-train-student --data idx:set --layers 12,8 --epochs 2 --quiet --from labels -o plain
    for f in m plain; do
        tail -c +9 $f/model.safetensors | head -c 20000 |
            grep -aoE '"[a-z0-9.]+":\{"dtype' >$f.names
    done
    diff m.names plain.names
    [ "$(wc -l <m.names)" -eq 6 ]
    "${flat[@]}" --loss fitnet --epochs 4000 -o long --checkpoint-every 1steps 3>&- &
    wait_for test -s long/checkpoint.safetensors
    kill -TERM $!
    wait $! || true
    tail -c +9 long/checkpoint.safetensors | head -c 20000 >head
    grep -aq '"kd.state.taps.fitnet.weight"' head
    grep -aqE '"kd.state.(momentum|mean).taps.fitnet.bias"' head
    kd-eval long --data idx:set --quiet # which passes over them
}

@test "stopped and resumed is the same; threads are; a running average is" {
    for more in "" "--ema-decay 0.9" "--clip-norm 1"; do
        # shellcheck disable=SC2086 # options
        set -- --loss '["fitnet", {"kind": "rkd", "weight": 0.5}, {"kind": "kl", "weight": 1}]' \
            --epochs 12 --shift 1 $more
        flat "$@" --threads 1 -o whole
        "${flat[@]}" "$@" --threads 2 -o part --checkpoint-every 1steps 3>&- &
        wait_for test -s part/checkpoint.safetensors
        kill -TERM $!
        wait $! || true
        [ -s part/checkpoint.safetensors ]
        flat "$@" --threads 2 -o part --checkpoint-every 1steps --resume
        [ "$(losses whole)" = "$(losses part)" ]
        [ "$(bytes whole)" = "$(bytes part)" ]
        rm -r whole part
    done
}

# The checksums of a dense layer: the same weights have the same.
classifier() { meta "$1/model.safetensors" kd.checksums | jq -c ".[\"$2.weight\", \"$2.bias\"]"; }

@test "simkd: the teacher's classifier stays in the model, and every program takes it" {
    deep --loss simkd --learning-rate 0.01 --epochs 4 -o s
    jq -es 'all(.[]; .train.terms.simkd == .train.loss) and .[3].train.loss < .[0].train.loss' \
        s/log.jsonl
    [ "$(classifier s 9)" = "$(classifier C 9)" ]
    kd-show s --json | jq -e '[.layers[] | .kind? // .] | .[-4:] == ["conv2d", "global_avgpool",
        "flatten", "dense"]'
    kd-show s --json | jq -e '.layers[-1].freeze == ["weight", "bias"]'
    kd-eval s --data idx:set --quiet
    kd-quantize s --calibrate idx:set -q -o I.safetensors
    kd-export s -o s.c -q
    flat --loss '["simkd", {"kind": "kl", "weight": 1}]' --label-weight 1 -o own
    [ "$(classifier own 6)" = "$(classifier T 5)" ]
    flat --init own --loss fitnet -o on # a student of its layers
}

@test "simkd: stopped and resumed is the same" {
    set -- --loss simkd --epochs 12 --shift 1 --clip-norm 1
    flat "$@" --threads 1 -o whole
    "${flat[@]}" "$@" --threads 2 -o part --checkpoint-every 1steps 3>&- &
    wait_for test -s part/checkpoint.safetensors
    kill -TERM $!
    wait $! || true
    [ -s part/checkpoint.safetensors ]
    kd-eval part --data idx:set --quiet
    flat "$@" --threads 2 -o part --checkpoint-every 1steps --resume
    [ "$(losses whole)" = "$(losses part)" ]
    [ "$(bytes whole)" = "$(bytes part)" ]
}

soften() { kd-soften --data idx:set --quiet "$@" >/dev/null; }

@test "stored layers teach as the teacher itself does, to the byte" {
    soften -m T --features '[0.5, 1]' -o T.soft
    soften -m C --features '[0.3333, 0.6667, 1, "features"]' -o C.soft
    while read -r loss; do
        deep --loss "$loss" --epochs 1 -o a </dev/null
        kd-train-student --data idx:set --network "$maps" --epochs 1 --quiet --loss "$loss" \
            -S C.soft -o b </dev/null
        [ "$(bytes a)" = "$(bytes b)" ]
        [ "$(losses a)" = "$(losses b)" ]
        rm -r a b
        if [ "$loss" = at ]; then continue; fi
        flat --loss "$loss" --epochs 1 -o a </dev/null
        kd-train-student --data idx:set --layers 12,8 --epochs 1 --quiet --loss "$loss" \
            -S T.soft -o b </dev/null
        [ "$(bytes a)" = "$(bytes b)" ]
        rm -r a b
    done <list
    kd-show T.soft --json | jq -e '.tensors["features.2"] == "F32 [240, 20]"'
}

@test "stored layers in half precision, of views, beside sparse logits; resumed and current" {
    set -- --data idx:set --layers 12,8 --loss '["simkd", {"kind": "fitnet", "weight": 1}]'
    soften -m T --features '[0.5, "features"]' --half --views 3 --shift 1 -o v.soft
    kd-train-student "$@" --shift 1 --epochs 4 -S v.soft -q -o v
    jq -es 'all(.[]; .train.terms.simkd | isnormal)' v/log.jsonl
    cp v.soft kept.soft
    soften -m T --features '[0.5, "features"]' --half --views 3 --shift 1 -o v.soft --update
    cmp v.soft kept.soft
    soften -m T --features '["2"]' --half --views 3 --shift 1 -o v.soft --update
    kd-show v.soft --json | jq -e '.tensors | has("features.2") and (has("features.4") | not)'
    soften -m T --features '[0.5, "features"]' --half --top 3 -o t.soft
    kd-train-student "$@" --epochs 12 -S t.soft -q -o whole
    kd-train-student "$@" --epochs 12 -S t.soft -q -o part --checkpoint-every 1steps 3>&- &
    wait_for test -s part/checkpoint.safetensors
    kill -TERM $!
    wait $! || true
    kd-train-student "$@" --epochs 12 -S t.soft -q -o part --checkpoint-every 1steps --resume
    [ "$(bytes whole)" = "$(bytes part)" ]
    kd-train-student "$@" --epochs 12 --teacher T -q -o hand # which half precision rounds
    [ "$(bytes whole)" != "$(bytes hand)" ]
    paste <(jq .train.loss whole/log.jsonl) <(jq .train.loss hand/log.jsonl) |
        awk '{ if (($1 - $2) ^ 2 > 1e-4 * $1 ^ 2) exit 1 }'
}

@test "stored layers that do not fit are refused, with the remedy" {
    student() { kd-train-student --data idx:set --layers 8 --epochs 1 --quiet "$@"; }
    soften -m T --features 0.5 -o T.soft
    refused 2 "layer 4 is not stored, but 2 is" "--features" -- student --loss rkd -S T.soft
    refused 2 "2 is no share" -- student --loss '{"kind": "fitnet", "teacher": 2}' -S T.soft
    refused 1 "train.mix" "--teacher" -- student --loss fitnet -S T.soft --mix mixup
    refused 1 "plain images" "--views" -- student --loss fitnet -S T.soft --shift 1 --fixed-teacher
    refused 2 "of one teacher, not of 2" -- soften -m T -m C --features 1 -o x.soft
    refused 2 "soften.tta" -- soften -m T --features 1 --tta mirror -o x.soft
    refused 2 "2 is no share" -- soften -m T --features 2 -o x.soft
    refused 2 "no layer 9" "2 (relu 20)" -- soften -m T --features '"9"' -o x.soft
    head -c 40000 /dev/zero >zeros
    tensors odd.safetensors '{"logits": {"dtype": "F32", "shape": [240, 10],
        "data_offsets": [0, 9600]}, "features.x": {"dtype": "F32", "shape": [239, 5],
        "data_offsets": [9600, 14380]}}' <(head -c 14380 zeros)
    refused 1 "features.x" "N = 240" -- student --loss fitnet -S odd.safetensors --force
    # of another program: by name, and no classifier
    tensors own.safetensors '{"logits": {"dtype": "F32", "shape": [240, 10],
        "data_offsets": [0, 9600]}, "features.x": {"dtype": "F32", "shape": [240, 5],
        "data_offsets": [9600, 14400]}}' <(head -c 14400 zeros)
    student --loss '{"kind": "fitnet", "teacher": "x"}' -S own.safetensors --force -o own
    refused 2 "hold no classifier" -- student --loss simkd -S own.safetensors --force
}

@test "what has no layers to compare is refused" {
    kd-soften --model T --data idx:set --quiet -o soft.safetensors >/dev/null
    student() { kd-train-student --data idx:set --layers 8 --epochs 1 --quiet "$@"; }
    refused 2 "loss sp" "--teacher" -- student --loss sp -S soft.safetensors
    refused 2 "loss sp" "--teacher" -- student --loss sp --from labels
    refused 2 "of one teacher, not of 2" -- student --loss sp --teacher T --teacher C
    kd-quantize T --calibrate idx:set -q -o I.safetensors >/dev/null
    refused 2 "in integers" -- student --loss sp --teacher I.safetensors
    refused 2 "no temperature" -- student --loss sp --teacher T -T 3
}

@test "in an experiment its teacher is asked, whatever soft targets there are" {
    cat >x.json <<'JSON'
{"name": "x", "data": {"source": "idx:set"}, "seeds": 2,
 "teacher": {"network": "mlp-16", "train": {"epochs": 1}}, "soften": {"split": "train"},
 "students": {"hint": {"network": "mlp-9", "train": {"epochs": 1}, "distill": {"from": "teacher",
   "loss": {"kind": "fitnet"}}, "sweep": {"distill.loss.teacher": [0.5, "features", "1"]}}}}
JSON
    kd-train-teacher x.json -q
    kd-soften x.json -q
    kd-train-student x.json -q
    [ "$(ls runs/x/students | wc -l)" -eq 3 ]
    for f in runs/x/students/*/s2/log.jsonl; do jq -e '.train.terms.fitnet | isnormal' "$f"; done
}

@test "an experiment stores the layers that it is told to, and its students need no teacher" {
    cat >y.json <<'JSON'
{"name": "y", "data": {"source": "idx:set"}, "seeds": 1,
 "teacher": {"network": "mlp-16", "train": {"epochs": 1}},
 "soften": {"split": "train", "features": [0.5, "features"]},
 "students": {"own": {"network": "mlp-9", "train": {"epochs": 1},
   "distill": {"from": "teacher", "loss": {"kind": "simkd"}}}}}
JSON
    kd-train-teacher y.json -q
    kd-soften y.json -q
    rm -r runs/y/teacher
    kd-train-student y.json -q
    jq -e '.train.terms.simkd | isnormal' runs/y/students/own/s1/log.jsonl
}
