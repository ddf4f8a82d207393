#!/usr/bin/env bats
# kd-soften: one teacher and several, every form of output, --show, and what it must refuse.
bats_require_minimum_version 1.5.0
load small.bash

setup_file() {
    unset OPENBLAS_CORETYPE
    cd "$BATS_FILE_TMPDIR"
    small_set
    for seed in 1 2; do
        kd-train-teacher --data idx:set --layers 16 --epochs 2 --seed $seed --quiet -o T$seed \
            >/dev/null
    done
}
setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_TEST_TMPDIR"
    for f in set T1 T2; do ln -s "$BATS_FILE_TMPDIR/$f" .; done
}
soften() { kd-soften --data idx:set --quiet --no-provenance "$@"; }
shapes() {
    tail -c +9 "$1" | head -c "$(od -An -N8 -tu8 "$1" | tr -d ' ')" |
        jq -c 'del(.__metadata__) | map_values([.dtype, .shape])'
}

@test "logits of the whole split in source order, with data and parents" {
    run --separate-stderr soften -m T1 -o sub/soft.safetensors
    [ "$status" -eq 0 ]
    [ "$output" = sub/soft.safetensors ]
    [ -z "$stderr" ]
    [ "$(shapes sub/soft.safetensors)" = '{"logits":["F32",[240,10]]}' ]
    [ "$(meta sub/soft.safetensors kd.kind)" = soft-targets ]
    [ "$(meta sub/soft.safetensors kd.parents)" = \
        "[\"$(kd-eval T1 --json | jq -r .fingerprint)\"]" ]
    meta sub/soft.safetensors kd.data |
        jq -e --arg p "$(kd-data inspect idx:set --json | jq -r .pixels)" \
        '.pixels == $p and .n == 240 and .split == "train"'
    kd-soften -m T1 --data idx:set:test -o test.safetensors
    [ "$(shapes test.safetensors)" = '{"logits":["F32",[100,10]]}' ]
    kd-soften -m T1 --data idx:set --split test -o other.safetensors
    [ "$(meta other.safetensors kd.data)" = "$(meta test.safetensors kd.data)" ]
}

@test "--show prints one image's soft targets at each temperature, as a table and as JSON" {
    run --separate-stderr soften -m T1 --show 7 -T 1,4,20
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 11 ]
    [[ "${lines[0]}" == class*logit*T=1*T=4*T=20 ]]
    [ "$(grep -c -- '<- label' <<<"$output")" -eq 1 ]
    soften -m T1 --show 7 -T 1,4,20 --json | jq -e '.image == 7 and (.logits | length) == 10 and
        ([.soft_targets[].temperature] == [1, 4, 20]) and
        (.soft_targets | all((.probabilities | add) > 0.9999 and (.probabilities | add) <
        1.0001)) and
        ([.soft_targets[].probabilities | max] | .[0] > .[1] and .[1] > .[2])'
    refused 2 "--show=240" "0 to 239" -- soften -m T1 --show 240
    refused 2 "--show=-1" -- soften -m T1 --show -1
}

@test "--show on a terminal: bars as wide as it is, ASCII where the locale is, pipes get numbers" {
    export LC_ALL=C.UTF-8
    show="kd-soften --data idx:set --quiet -m T1 --show 7 -T 1,4,20"
    for columns in 30 40 60 80 132; do
        on $columns "$show" >out
        [ "$(widest <out)" -le $columns ]
        [ "$(grep -c '█' out)" -ge 1 ]
        [ "$(grep -c '^\* ' out)" -eq 1 ]
        grep -q '^  \* label$' out
    done
    on 132 "$show" | grep -q ' logit  T=1 .*T=4 .*T=20'
    [[ "$(on 30 "$show")" == *"no room for logit, "*"T=20"* ]]
    [[ "$(on 30 "$show --wide")" != *"no room"* ]]
    LC_ALL=C on 80 "$show" >out
    [ "$(LC_ALL=C tr -d '\n -~' <out | wc -c)" -eq 0 ]
    grep -q '#' out
    $show >piped
    [ "$(grep -c '█\|#' piped)" -eq 0 ]
    [ "$(awk 'NR > 1 { for (k = 3; k <= 5; k++) if ($k !~ /^[01][.][0-9]{6}$/) n++ }
        END { print n + 0 }' piped)" -eq 0 ]
    refused 2 "--wide is for the table of --show" -- soften -m T1 --wide -o kept/x
}

@test "--probabilities beside or instead of logits; --half; views" {
    soften -m T1 --probabilities -T 1,4 -o p
    [ "$(shapes p)" = '{"logits":["F32",[240,10]],"probabilities":["F32",[2,240,10]]}' ]
    [ "$(meta p kd.temperature)" = '[1,4]' ]
    soften -m T1 --no-logits --probabilities -T 4 --half -o q
    [ "$(shapes q)" = '{"probabilities":["F32",[1,240,10]]}' ]
    kd-train-student --data idx:set --layers 4 -e 1 -q -S q -T 4 -o s
    refused 1 "q: it holds probabilities at temperatures [4], not at the student's 5" -- \
        kd-train-student --data idx:set --layers 4 -e 1 -q -S q -T 5 -o kept
    soften -m T1 --half -o h
    [ "$(shapes h)" = '{"logits":["F16",[240,10]]}' ]
    soften -m T1 --views 3 --shift 2 -o v
    [ "$(shapes v)" = '{"logits":["F32",[3,240,10]]}' ]
    kd-train-student --data idx:set --layers 4 -e 1 -q -S v --shift 2 --overwrite -o s
    refused 1 "(shift 2)" "(shift 1)" -- kd-train-student --data idx:set --layers 4 -e 1 -q -S v \
        --shift 1 -o kept
    refused 1 "made for plain images" "--fixed-teacher" -- \
        kd-train-student --data idx:set --layers 4 -e 1 -q -S h --shift 1 -o kept
    kd-train-student --data idx:set --layers 4 -e 1 -q -S h --shift 1 --fixed-teacher \
        --overwrite -o s
    soften -m T1 --tta mirror -o t
    cp t t1
    soften -m T1 --tta mirror -o t --update
    cmp t t1
    soften -m T1 -o t --update # other logits: not the same file
    [ "$(meta t kd.tta)" = null ]
    run ! cmp -s t t1
    soften -m T1 --views 2 --flip random --cutout 4 --tta mirror -o v --overwrite
    [ "$(meta v kd.views | jq -c .augment)" = \
        '{"shift":0,"fill":"zero","flip":"random","cutout":4}' ]
    refused 1 "(shift 0, flip random, cutout 4)" "(shift 0, flip alternate)" -- \
        kd-train-student --data idx:set --layers 4 -e 1 -q -S v --flip alternate -o kept
    refused 2 "--probabilities needs temperatures" -- soften -m T1 --probabilities -o kept/x
    refused 2 "--views" "--shift 2" -- soften -m T1 --views 2 -o kept/x
}

@test "--top K: the largest logits, what the others are like, and a student of them" {
    soften -m T1 --top 3 -o t
    shapes t | jq -e '. == {"top.values": ["F16", [240, 3]], "top.classes": ["U8", [240, 3]],
        "top.rest": ["F16", [240, 2]]}'
    [ "$(meta t kd.classes)" = 10 ]
    [ "$(meta t kd.kind)" = soft-targets ]
    kd-show t --json | jq -e '.kind == "soft-targets" and .top == 3 and .classes == 10 and
        .images == 240 and .mean_confidence > 0.1 and .mean_confidence < 1'
    cp t before
    silent soften -m T1 --top 3 -o t --update
    cmp t before
    [ "$(soften -m T1 --top 4 -o t --update)" = t ]
    [ "$(shapes t | jq -c '."top.values"')" = '["F16",[240,4]]' ]
    [ "$(soften -m T1 -o t --update)" = t ]
    [ "$(shapes t)" = '{"logits":["F32",[240,10]]}' ]
    # with all but one class nothing is lost but half a float
    soften -m T1 --top 9 -o nine
    for f in t nine; do
        kd-train-student --data idx:set --layers 8 -e 3 -q -S $f --alpha 1 --json -o s-$f >line
        jq -s '.[-1].train.soft' s-$f/log.jsonl >>soft
    done
    jq -se '(.[0] - .[1] | fabs) < 1e-3 * .[0]' soft
    run ! cmp -s s-t/model.safetensors s-nine/model.safetensors
    for loss in mse dkd dist nkd ttm rld; do
        kd-train-student --data idx:set --layers 4 -e 1 -q -S before --loss $loss --overwrite -o s
    done
    soften -m T1 --top 2 --views 3 --shift 1 -o v
    [ "$(shapes v | jq -c '."top.rest"')" = '["F16",[3,240,2]]' ]
    kd-show v --json | jq -e '.views == 3'
    kd-train-student --data idx:set --layers 4 -e 4 -q -S v --shift 1 --overwrite -o s
    refused 1 "v: its views were augmented otherwise" -- \
        kd-train-student --data idx:set --layers 4 -e 1 -q -S v --shift 2 -o kept
    refused 1 "before: made for another split" -- \
        kd-train-student --data idx:set:test --layers 4 -e 1 -q -S before -o kept
}

@test "--top: --show tells what a student finds; what does not go with it is refused" {
    soften -m T1 --show 3 -T 1,20 --json >all
    soften -m T1 --show 3 -T 1,20 --top 2 --json >two
    jq -se '.[0].logits == .[1].logits and
        (.[1].soft_targets | map(.probabilities | group_by(.) | length) == [3, 3])' all two
    jq -se 'map(.soft_targets[1].probabilities | max) | (.[0] - .[1] | fabs) < 0.01' all two
    refused 2 "--top=10: there are 10 classes" -- soften -m T1 --top 10 -o kept
    refused 2 "--top=10: there are 10 classes" -- soften -m T1 --top 10 --show 1
    refused 2 "--half" "those that --top keeps" -- soften -m T1 --top 2 --half -o kept
    refused 2 "--top=2" "leave probabilities out" -- \
        soften -m T1 --top 2 --probabilities -T 4 -o kept
    [ ! -e kept ]
}

@test "several teachers: the weighted mean of logits, or of probabilities at a temperature" {
    mean() {
        jq -sce --argjson a "$1" --argjson b "$2" \
            '[.[0][], .[1][]] as $z | [range(10) | ($a * $z[.] + $b * $z[. + 10]) / ($a + $b)]' a b
    }
    near() {
        jq -ne --argjson x "$1" --argjson y "$2" '[range(10) | ($x[.] - $y[.]) | fabs] | max < 1e-5'
    }
    soften -m T1 --show 3 --json | jq -c .logits >a
    soften -m T2 --show 3 --json | jq -c .logits >b
    near "$(soften -m T1 -m T2 --show 3 --json | jq -c .logits)" "$(mean 1 1)"
    near "$(soften -m T1 -m T2 -w 3,1 --show 3 --json | jq -c .logits)" "$(mean 3 1)"
    soften -m T1 -m T2 -o two
    meta two kd.parents | jq -e 'length == 2'
    kd-train-student --data idx:set --layers 4 -e 1 -q --no-provenance -S two -o from-file
    kd-train-student --data idx:set --layers 4 -e 1 -q --no-provenance -t T1 -t T2 -o on-the-spot
    cmp from-file/model.safetensors on-the-spot/model.safetensors
    for t in 1 2; do
        soften -m T$t --show 3 -T 2 --json | jq -c '.soft_targets[0].probabilities' \
            >"$(tr 12 ab <<<$t)"
    done
    soften -m T1 -m T2 --average probabilities -T 2 -o averaged
    [ "$(meta averaged kd.average)" = probabilities ]
    [ "$(shapes averaged)" = '{"probabilities":["F32",[1,240,10]]}' ]
    tail -c 9600 averaged | od -An -v -tf4 -w40 | sed -n 4p | jq -sc . >row
    near "$(cat row)" "$(mean 1 1)"
    # averaged probabilities come from no logits, and none are shown
    soften -m T1 -m T2 --average probabilities -T 2 --show 3 --json >shown
    near "$(jq -c '.soft_targets[0].probabilities' shown)" "$(mean 1 1)"
    jq -e 'has("logits") | not' shown
    soften -m T1 -m T2 --average probabilities -T 2 --show 3 >table
    grep -qE '^class +T=2$' table
    refused 1 "temperatures [2]" -- kd-train-student --data idx:set --layers 4 -e 1 -q -S averaged \
        -T 4 -o kept
    refused 2 "--weights has 1 numbers for 2 models" -- soften -m T1 -m T2 -w 1 -o kept/x
    refused 2 "T1/model.safetensors: weight 0" -- soften -m T1 -m T2 -w 0,1 -o kept/x
}

@test "an experiment: each seed's teacher, where students look; --update skips what is current" {
    echo '{"name": "x", "seeds": 2, "data": {"source": "idx:set"}, "soften": {"half": true},
        "teacher": {"network": "mlp-8", "train": {"epochs": 1}}}' >x.json
    refused 1 "runs/x/teacher/s1/model.safetensors: not there yet" \
        "train it with kd-train-teacher x.json --seed 1" -- \
        kd-soften x.json -q
    kd-train-teacher x.json -q
    run --separate-stderr kd-soften x.json -q
    [ "$output" = "$(printf 'runs/x/soft/s%s/teacher.safetensors\n' 1 2)" ]
    [ "$(shapes runs/x/soft/s2/teacher.safetensors)" = '{"logits":["F16",[240,10]]}' ]
    silent kd-soften x.json -q --update
    kd-train-teacher x.json -q --seed 2 --overwrite --set teacher.train.epochs=2
    [ "$(kd-soften x.json -q --update)" = runs/x/soft/s2/teacher.safetensors ]
    for changed in soften.half=false soften.probabilities=true 'soften.temperature=[2,3]' \
        soften.views=2; do
        set -- "$@" --set "$changed"
        [ "$changed" = soften.probabilities=true ] && set -- "$@" --set 'soften.temperature=[2]'
        [ "$changed" = soften.views=2 ] && set -- --set soften.views=2 --set soften.augment.shift=1
        [ "$(kd-soften x.json -q --update "$@" | wc -l)" -eq 2 ]
        silent kd-soften x.json -q --update "$@"
    done
    refused 2 "--output takes one file" "2 teachers" -- kd-soften x.json -o kept/x
    refused 2 "not both" -- kd-soften x.json --model T1
}

@test "what it cannot do is told in one line, and earlier files stay" {
    mkdir kept && soften -m T1 -o kept/soft.safetensors
    refused 2 "no teacher is given" -- kd-soften -q
    refused 2 "--output" -- soften -m T1
    refused 2 "no images are given" -- kd-soften -m T1 -o kept/soft.safetensors
    refused 1 "missing: there is no such file" -- soften -m missing -o kept/soft.safetensors
    refused 1 "kept/soft.safetensors: it holds soft-targets, not a model" -- \
        soften -m kept/soft.safetensors -o kept/other.safetensors
    mkdir empty
    refused 1 "empty: no model.safetensors and no checkpoint.safetensors in this folder" -- \
        soften -m empty -o kept/soft.safetensors
    kd-data convert idx:set --to idx -o small --keep 0 -q
    printf '\0\0\010\003\0\0\0\002\0\0\0\003\0\0\0\003abcdefghiabcdefghi' \
        >small/train-images-idx3-ubyte
    printf '\0\0\010\001\0\0\0\002\0\001' >small/train-labels-idx1-ubyte
    refused 1 "T1/model.safetensors takes images of 1x28x28, idx:small:train has 1x3x3" -- \
        kd-soften -m T1 --data idx:small -o kept/soft.safetensors
    : >file
    refused 1 "file: is a file, and a folder is needed here" -- \
        soften -m T1 -o file/soft.safetensors
    if [ -e /dev/full ]; then
        refused 1 "/dev/full: cannot write: No space left on device" -- soften -m T1 -o /dev/full
        status=0
        soften -m T1 -o - >/dev/full 2>errors || status=$?
        [ "$status" -eq 1 ]
        [ "$(cat errors)" = "kd-soften: standard output: cannot write: No space left on device" ]
    fi
}

@test "SIGINT and SIGTERM end it within a batch: one line, and no half file" {
    kd-train-teacher --data idx:set --layers 512,512 --epochs 1 --quiet -o big >/dev/null
    set -m # so that a job in the background does not ignore SIGINT
    for signal in $(signals INT TERM); do
        kd-soften -m big --data idx:set --quiet --views 2000 --shift 2 -o half.safetensors \
            2>errors 3>&- &
        pid=$!
        sleep 0.5 # whole it takes many times as long
        kill -s $signal $pid
        status=0
        wait $pid || status=$?
        [ "$status" -eq "$([ $signal = INT ] && echo 130 || echo 143)" ]
        [ "$(wc -l <errors)" -eq 1 ]
        grep -q 'stopped before its end$' errors
        [ ! -e half.safetensors ]
        run compgen -G '.kd-*'
        [ -z "$output" ]
    done
}

@test "other weights are other soft targets, and teach another student" {
    soften -m T1 -m T2 -w 1,3 -o w.safetensors
    before=$(cksum <w.safetensors)
    [ "$(meta w.safetensors kd.weights)" = "[0.25,0.75]" ]
    soften -m T1 -m T2 -w 1,3 -o w.safetensors -u
    [ "$(cksum <w.safetensors)" = "$before" ]
    learn() {
        kd-train-student --data idx:set --layers 4 --epochs 1 -S w.safetensors -q -o S "$@" \
            >/dev/null
    }
    learn
    student=$(cksum <S/model.safetensors)
    learn --update --checkpoint-every 7steps # which is no other training
    [ "$(cksum <S/model.safetensors)" = "$student" ]
    soften -m T1 -m T2 -w 3,1 -o w.safetensors -u
    [ "$(cksum <w.safetensors)" != "$before" ]
    learn --update
    [ "$(cksum <S/model.safetensors)" != "$student" ]
    [ "$(meta S/model.safetensors kd.soft_targets | wc -c)" -eq 33 ]
}

@test "options without effect, and answers that are no numbers, are refused" {
    mkdir kept
    refused 2 "--views" -- soften -m T1 --shift 2 -o kept/s.safetensors
    refused 2 "--set" "experiment" -- soften -m T1 --set seeds=2 -o kept/s.safetensors
    refused 2 "--runs" "experiment" -- soften -m T1 --runs elsewhere -o kept/s.safetensors
    refused 2 "--fill" "it goes with --shift" -- soften -m T1 --views 2 --flip random \
        --fill reflect -o kept/s.safetensors
    refused 2 "--views-seed goes with --views" -- soften -m T1 --views-seed 2 -o kept/s.safetensors
    refused 2 "--temperature goes with --probabilities; logits serve every temperature" -- \
        soften -m T1 --temperature 4 -o kept/s.safetensors
    for option in --no-logits --half "--views 2" "--shift 2" --update; do
        refused 2 "${option% 2} is for a file of soft targets" -- soften -m T1 --show 3 $option
    done
    refused 2 "--weights is for teachers named with --model" -- kd-soften x.json --weights 1,2
    refused 2 "--show" "--output" -- soften -m T1 --show 3 -o kept/s.safetensors
    refused 2 "--temperature 1,4,20" -- soften -m T1 --no-logits -o kept/s.safetensors
    echo '{"data": {"source": "idx:set"}, "students": {"a": {"network": "mlp-4"}}}' >x.json
    refused 2 'x.json: it has no "teacher"' -- kd-soften x.json
    large='{"__metadata__":{"kd.kind":"model","kd.normalize":"{\"mean\":[0],\"std\":[1]}",
        "kd.network":"{\"input\":[1,28,28],\"classes\":10,'
    large=$large'\"layers\":[\"flatten\",{\"kind\":\"dense\",\"bias\":false}]}"},
        "1.weight":{"dtype":"F32","shape":[10,784],"data_offsets":[0,31360]}}'
    printf '\377\377\177\177%.0s' {1..7840} >weights # the largest number
    tensors large.safetensors "$large" weights
    refused 1 "large.safetensors: its logit " "of image 0 is inf" -- soften -m large.safetensors \
        -o kept/s.safetensors --data idx:set:test
}
