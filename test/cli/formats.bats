#!/usr/bin/env bats
# Files written by every version so far are read: test/fixtures/formatN holds those of format N. A
# newer format is refused.
bats_require_minimum_version 1.5.0
load small

setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_TEST_TMPDIR"
    cp -r "$BATS_TEST_DIRNAME/../fixtures/format1/." .
}

@test "format 1: a model is evaluated" {
    kd-eval model.safetensors --data tensors:images.safetensors:test --json |
        jq -e '.n == 10 and .parameters > 900'
}
@test "format 1: its soft targets are learnt from, and made again with the same values" {
    kd-train-student --data tensors:images.safetensors --layers 4 --epochs 1 -S soft.safetensors \
        --quiet -o new
    kd-soften --model model.safetensors --data tensors:images.safetensors --quiet -o again
    [ "$(meta again kd.parents)" = "$(meta soft.safetensors kd.parents)" ]
}
@test "format 1: a checkpoint is gone on from" {
    before=$(wc -l <run/log.jsonl)
    kd-train-teacher --data tensors:images.safetensors \
        --network '["flatten",{"kind":"dense","units":3},"relu",{"kind":"dense"}]' \
        --epochs 200 --batch 4 --learning-rate 0.01 --checkpoint-every 1steps \
        --no-provenance --quiet -o run --resume
    [ "$(jq -s 'map(.epoch) == [range(1; 201)]' run/log.jsonl)" = true ]
    cmp <(head -n "$before" run/log.jsonl) "$BATS_TEST_DIRNAME/../fixtures/format1/run/log.jsonl"
}
@test "files written before kd had an option are as good as with its default" {
    again="--data tensors:images.safetensors --epochs 200 --batch 4 --learning-rate 0.01"
    again="$again --checkpoint-every 1steps --no-provenance --quiet"
    net='["flatten",{"kind":"dense","units":3},"relu",{"kind":"dense"}]'
    before=$(wc -l <run/log.jsonl)
    gone=$(printf 's/%s/%19s/; s/%s/%34s/' '\\"nesterov\\":false,' '' \
        '\\"ema\\":{\\"decay\\":0,\\"every\\":1},' '')
    LC_ALL=C sed "$gone" run/checkpoint.safetensors >checkpoint
    [ "$(meta checkpoint kd.config | jq -c '.train.optimizer.nesterov, .train.ema, .train.batch' |
        xargs)" = "null null 4" ]
    mkdir kept && cp checkpoint kept/checkpoint.safetensors
    refused 1 "kept/checkpoint.safetensors: it belongs to another training" \
        -- \
        kd-train-teacher $again --network "$net" -o kept --resume --optimizer sgd --nesterov
    refused 1 "kept/checkpoint.safetensors: it belongs to another training" \
        -- \
        kd-train-teacher $again --network "$net" -o kept --resume --ema-decay 0.5
    kd-train-teacher $again --network "$net" -o kept --resume
    [ "$(head -n "$before" kept/log.jsonl)" = "$(head -n "$before" run/log.jsonl)" ]
    silent kd-train-teacher $again --network "$net" -o kept --update
    [ -n "$(kd-train-teacher $again --network "$net" -o kept --update --ema-decay 0.5)" ]
}
@test "a newer format is refused with a sentence" {
    mkdir kept
    for f in model soft run/checkpoint; do
        LC_ALL=C sed 's/"kd.format":"1"/"kd.format":"2"/' $f.safetensors \
            >kept/$(basename $f).safetensors
        run cmp $f.safetensors kept/$(basename $f).safetensors
        [ "$status" -eq 1 ]
    done
    refused 1 "kept/model.safetensors" "its format 2 is newer than this kd" "use a newer kd" -- \
        kd-eval kept/model.safetensors --data tensors:images.safetensors
    refused 1 "kept/checkpoint.safetensors" "its format 2 is newer" -- \
        kd-eval kept/checkpoint.safetensors --data tensors:images.safetensors
    refused 1 "kept/soft.safetensors" "its format 2 is newer" -- kd-train-student \
        --data tensors:images.safetensors --layers 4 \
        -S kept/soft.safetensors -o new
    refused 1 "kept/checkpoint.safetensors" "its format 2 is newer" -- kd-train-teacher \
        --data tensors:images.safetensors \
        --network '["flatten",{"kind":"dense","units":3},"relu",{"kind":"dense"}]' \
        --epochs 200 --batch 4 --learning-rate 0.01 --checkpoint-every 1steps \
        --no-provenance --quiet -o kept --resume
}
