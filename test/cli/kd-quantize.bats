#!/usr/bin/env bats
# Float models become integers: the same answers on every instruction set, models like any other.
bats_require_minimum_version 1.5.0
load small.bash

setup_file() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_FILE_TMPDIR"
    kd-data convert digits:train digits:test --fraction 0.1 --to idx -o set --quiet >/dev/null
    cat >net.json <<'J'
[{"kind": "conv2d", "filters": 8, "padding": 1, "bias": false}, "batchnorm", "relu", "maxpool",
 {"kind": "residual", "body": [{"kind": "conv2d", "filters": 8, "padding": 1}, "relu",
   {"kind": "conv2d", "filters": 8, "padding": 1}]}, "relu",
 {"kind": "dropout", "rate": 0.1}, {"kind": "avgpool", "kernel": 3}, "flatten", {"kind": "dense"}]
J
    kd-train-teacher --data idx:set --network net.json --epochs 6 --optimizer adam \
        --learning-rate 0.01 --quiet \
        -o T \
        >/dev/null
    kd-quantize T -o Q.safetensors --quiet --no-provenance >table
}
setup() { cd "$BATS_FILE_TMPDIR"; }

@test "integers agree with floats, and every instruction set gives the same logits" {
    kd-eval Q.safetensors --reference T --json >line
    jq -e '.agreement > 0.97' line
    for cpu in plain avx2 avx512; do
        KD_CPU=$cpu kd-soften --model Q.safetensors --data idx:set:test -o "$cpu.safetensors" \
            --quiet --no-provenance || continue
        cmp plain.safetensors "$cpu.safetensors"
    done
    kd-soften --model Q.safetensors --data idx:set:test -o threads.safetensors --threads 3 \
        --quiet --no-provenance
    cmp plain.safetensors threads.safetensors
}

@test "the file is a quarter of the float one's, and the same each time" {
    kd-quantize T -o again.safetensors --quiet --no-provenance --threads 2 >/dev/null
    cmp Q.safetensors again.safetensors
    meta Q.safetensors kd.quantization | jq -e '.version == 1 and (.parents | length) == 1'
    meta Q.safetensors kd.network | jq -e '[.layers[] | .kind? // .] | index("batchnorm") == null'
    [ "$(meta Q.safetensors kd.data)" = "$(meta T/model.safetensors kd.data)" ]
}

@test "the table has a line a layer; --explain has more columns; --json says the same" {
    [ "$(grep -c weights table)" -eq 5 ] # four layers and the heading
    grep -q '^3  *sum' table
    kd-quantize T -o x.safetensors --explain --json >json
    jq -e '.layers | length == 6 and all(.agreement_alone > 0.9 and .agreement_without > 0.9)' json
    jq -e '.logit_snr > 20 and .top1 > 0.5 and .agreement > 0.97' json
}

@test "it goes through pipes, and a student learns from it" {
    kd-quantize T -o - --quiet | kd-eval - --json | jq -e '.top1 > 0.5'
    kd-train-student --data idx:set --layers 20 --epochs 1 --teacher Q.safetensors --quiet -o S
}

@test "one scale for all channels is told to be worse" {
    kd-quantize T -o coarse.safetensors --per-tensor --equalise never --json >coarse
    kd-quantize T -o fine.safetensors --equalise never --json >fine
    jq -se '.[0].layers[0].weight_snr + 1 < .[1].layers[0].weight_snr' coarse fine
}

@test "what cannot be: no output, integers again, layers without integers, images that do not fit" {
    refused 2 "--output" -- kd-quantize T
    refused 2 "in integers already" "Q.safetensors" -- kd-quantize Q.safetensors -o y
    refused 2 "--percentile" "--ranges percentile" -- kd-quantize T --percentile 99 -o y
    refused 1 "not found" -- kd-quantize T --calibrate png:nowhere -o y
    [ ! -e y ]
    run -2 --separate-stderr kd-correct Q.safetensors --by balanced --classes 3 -o y
    [[ "$stderr" == *"integers"* ]]
}

# aware OPTION...: T once more, as if in integers
aware="--data idx:set --network net.json --epochs 2 --learning-rate 0.001 --quiet --no-provenance
    --quantize int8 --init T --teacher T"
aware() { kd-train-student $aware "$@"; }

@test "trained as if in integers: an integer model, the same from any threads and kernels" {
    aware -o aware.safetensors --threads 1
    aware -o a-threads.safetensors --threads 3
    cmp aware.safetensors a-threads.safetensors
    meta aware.safetensors kd.quantization | jq -e '.version == 1 and (.parents | length) == 1'
    kd-eval aware.safetensors --reference T --json | jq -e '.agreement > 0.9'
    for cpu in plain avx2; do
        KD_CPU=$cpu kd-soften --model aware.safetensors --data idx:set:test --quiet \
            --no-provenance -o "a-$cpu.safetensors" || continue
        cmp a-plain.safetensors "a-$cpu.safetensors"
    done
    kd-export aware.safetensors --to c -o exported --quiet
    aware -o shards.safetensors --shards 2 --clip-norm 5 --ema-decay 0.9 --validation 0.1
    meta shards.safetensors kd.quantization | jq -e '.version == 1'
}

@test "the loss that is learnt from is that of the integers, not that of the floats" {
    jq 'map(select(. != "batchnorm" and (type == "string" or .kind != "dropout")))' net.json \
        >plain.json
    kd-train-teacher --data idx:set --network plain.json --epochs 2 --optimizer adam \
        --learning-rate 0.01 --quiet -o P
    # nothing is learnt, so that all batches of the last epoch had one network
    kd-train-student --data idx:set --network plain.json --epochs 2 --learning-rate 1e-9 \
        --init P --quantize int8 --quiet -o simulated
    kd-eval P simulated --data idx:set --split train --json >lines
    jq -se --argjson trained "$(tail -n 1 simulated/log.jsonl)" '
        def far(a; b): a - b | fabs;
        far($trained.train.hard; .[1].nll) < 0.1 * far(.[0].nll; .[1].nll)' lines
}

@test "as if in integers: stopped and resumed it has the same bits" {
    long="--epochs 6 --validation 0.1 --checkpoint-every 3steps"
    aware $long -o whole
    for ((try = 0; try < 5; try++)); do
        rm -rf cut
        kd-train-student $aware $long -o cut 3>&- &
        wait_for [ -s cut/log.jsonl ]
        kill -s TERM $!
        stopped=0
        wait $! || stopped=$?
        if [ "$stopped" -ne 0 ]; then break; fi
    done
    [ "$stopped" -eq 143 ]
    kd-eval cut --json | jq -e '.top1 > 0.5' # the checkpoint
    aware $long -o cut --resume --threads 1
    diff -r whole cut
}

@test "as if in integers, in an experiment; another float model makes it another student" {
    cp -r T origin
    cat >x.json <<'J'
{"name": "x", "data": {"source": "idx:set"},
 "students": {"q": {"network": "net.json",
    "train": {"epochs": 1, "init": "origin", "quantize": "int8"}}}}
J
    kd-train-student x.json --quiet --update >/dev/null
    model=runs/x/students/q/s1/model.safetensors
    meta $model kd.config | jq -e '.train.quantize == {kind: "int8"}'
    cp $model before
    kd-train-student x.json --quiet --update >/dev/null
    cmp $model before
    kd-train-teacher --data idx:set --network net.json --epochs 1 --quiet --overwrite -o origin
    kd-train-student x.json --quiet --update >/dev/null
    [ "$(meta $model kd.quantization | jq -r '.parents[0]')" = \
        "$(meta origin/model.safetensors kd.fingerprint)" ]
}

@test "as if in integers: what cannot be" {
    refused 2 "train.quantize" "--init" -- \
        kd-train-student --data idx:set --network net.json --quantize int8 -o y
    refused 1 "Q.safetensors" "in integers already" -- aware --init Q.safetensors -o y
    refused 1 "T" "its network" -- aware --network mlp-10 -o y
    [ ! -e y ]
}

@test "scripts/integers.sh --table: differences are paired by seed" {
    script=$BATS_TEST_DIRNAME/../../scripts/integers.sh
    run -1 "$script" --quick --table
    [[ $output == *"nothing in runs/integers-quick yet"* ]]
    at=runs/integers-quick/cnn-64570
    mkdir -p $at/s1 $at/s2
    for top in 0.99 0.989 0.987 0.9905; do
        echo "{\"top1\":$top,\"agreement\":0.9}"
    done >$at/s1/eval.jsonl
    for top in 0.98 0.978 0.976 0.9805; do
        echo "{\"top1\":$top,\"agreement\":0.8}"
    done >$at/s2/eval.jsonl
    "$script" --quick --table cnn-64570 | tail -n 1 >said
    cells="98.50 | -0.15 ± 0.07 (85.00) | -0.35 ± 0.07 (85.00) | +0.05 ± 0.00 (85.00) | 2"
    [ "$(cat said)" = "| cnn-64570 | $cells |" ]
    run -2 "$script" --quik
}

@test "kd-report knows an integer model by its evaluation, its parameters and its integers" {
    mkdir -p whole && cp Q.safetensors whole/model.safetensors
    kd-report whole -q >before
    kd-eval whole --save --json -q | jq -r '"\(.errors) \(.parameters)"' >want
    kd-report whole --json -q | jq -r '.models[0] | "\(.errors) \(.parameters)"' >got
    diff want got
    grep -q " $(cut -d' ' -f2 want | sed 's/\(.*\)\(...\)$/\1,\2/') " before
    kd-report whole -q >said
    grep -q '8-bit integers: ' said
    [ "$(grep -c 'trained anew\|no log' said)" -eq 0 ]
}

@test "a damaged integer model is refused" {
    head -c 3000 Q.safetensors >short.safetensors
    refused 1 "short.safetensors" -- kd-eval short.safetensors
}

@test "the manual page has the options of --help" {
    "$BATS_TEST_DIRNAME/check_manual.sh" kd-quantize "$BATS_TEST_DIRNAME/../../cmd/kd-quantize.1"
}

@test "pictures for calibration are made the model's input as its training made them" {
    kd-data convert digits:train --fraction 0.01 --to png -o photos -q >/dev/null
    kd-train-teacher --data images:photos --size 20 --layers 16 --epochs 2 -q -o sized >/dev/null
    kd-quantize sized --calibrate images:photos -o small.safetensors -q >/dev/null
    kd-eval small.safetensors --data images:photos --split train -q >/dev/null
    kd-export small.safetensors --to c -o chip -q >/dev/null
}
