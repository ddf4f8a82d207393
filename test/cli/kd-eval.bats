#!/usr/bin/env bats
# kd-eval: figures, splits, what stands for a model, and whole experiments.
bats_require_minimum_version 1.5.0
load small.bash

setup_file() {
    unset OPENBLAS_CORETYPE
    cd "$BATS_FILE_TMPDIR"
    small_set
    kd-train-teacher --data idx:set --layers 32 --epochs 5 --validation 40 --quiet -o T >/dev/null
    kd-train-student --data idx:set --layers 4 --epochs 5 --quiet -o S >/dev/null
}
setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_TEST_TMPDIR"
    for f in set T S; do ln -s "$BATS_FILE_TMPDIR/$f" .; done
}

@test "many models, one aligned table" {
    run --separate-stderr kd-eval T S/model.safetensors T/model.safetensors
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    [ "${#lines[@]}" -eq 4 ]
    [ "$(tr -s ' ' <<<"${lines[0]}")" = \
        "model data images top-1 % top-5 % errors NLL ECE parameters multiply-adds" ]
    [[ "${lines[1]}" == "T "*" idx:set:test "*" 100 "*" 25450 "* ]]
    [ "${lines[1]}" = "${lines[3]}" ]
    [ "$(awk '{print length}' <<<"$output" | sort -u | wc -l)" -eq 1 ]
}

@test "--json: one line a model, rates are fractions, figures agree with each other" {
    kd-eval T S --json >lines
    [ "$(wc -l <lines)" -eq 2 ]
    jq -es 'length == 2 and all(.[]; (keys - ["fingerprint", "images", "labels"]) ==
        (["agreement", "data", "ece", "errors", "macs", "model", "n", "nll", "parameters",
        "split", "top1", "top5"]) and .top1 <= .top5 and .top5 <= 1 and .errors == (.n - .n *
        .top1 | round))' lines
    kd-eval T --json --confusion >one
    jq -e '.n == ([.confusion[][]] | add) and .errors == .n - ([.confusion[range(10)] | .] |
        [range(10) as $i | .[$i][$i]] | add)' one
    kd-eval T --json --time >timed
    jq -e '.latency_ms > 0 and .throughput > 0 and .latency_threads == 1 and
        .throughput_threads >= 1 and (.processor | length > 2)' timed
    kd-eval T --json --time --threads 2 |
        jq -e '.latency_threads == 2 and .throughput_threads == 2'
    kd-eval T --time 2>&1 >/dev/null | grep -Eq 'times: one image on 1 thread, 1,000 on [0-9]+; .+'
}

@test "--confusion: a matrix with the names of classes, or its largest cells where it has no room" {
    kd-eval T S --confusion >both
    [ "$(grep -c '^true class  *0  *1  .*  right %$' both)" -eq 2 ]
    kd-eval T --confusion --json | jq -r '.confusion | to_entries[] | .key as $k |
        [$k, .value[], (10000 * .value[$k] / (.value | add) + 0.5 | floor / 100)] |
        map(tostring) | join(" ")' >want
    grep -A 10 '^true class' both | sed -n '2,11p' | sed 's/-/0/g; s/\([0-9]\)\.00$/\1/
        s/\(\.[0-9]\)0$/\1/' | tr -s ' ' >got
    diff want got
    # what has no room is a list, the largest first
    on 40 'kd-eval S --confusion -q' >narrow
    grep -q 'the most frequent confusions' narrow
    grep -A 30 '^true class  taken for' narrow | tail -n +2 | awk '{print $3}' >counts
    [ -s counts ]
    sort -rnc counts
}

@test "training images taken for test images are said; without any, validation is measured" {
    kd-data convert idx:set --to png -o photos -q
    kd-train-student --data images:photos/train --layers 4 --epochs 1 -q -o all >/dev/null
    kd-train-student --data images:photos/train --layers 4 --epochs 1 --validation 40 -q \
        -o most >/dev/null
    refused 2 "no test split of its own" "--validation N" -- kd-eval all
    run --separate-stderr kd-eval all --data images:photos/train:test
    [ "$status" -eq 0 ]
    [[ $stderr == *"trained on these images"*"--validation N"*"--split validation" ]]
    run --separate-stderr kd-eval most
    [ "$status" -eq 0 ]
    [[ $stderr == *"evaluated on its validation images" ]]
    [[ $output == *":validation "*" 40 "* ]]
    kd-eval most --save -q >/dev/null
    [ ! -e most/logits.safetensors ]
    kd-report most -t wrong -q | grep -q "no answers are saved.*kd-eval --save"
    run --separate-stderr kd-eval most --data idx:set:test
    [ -z "$stderr" ]
}

@test "the figures are those that soft targets and labels give" {
    kd-soften --model T --data idx:set:test --quiet -o s >/dev/null
    tail -c 4000 s | od -An -v -tf4 -w40 | sed 's/^ *//; s/  */,/g; s/.*/[&]/' >logits
    tail -c 100 set/t10k-labels-idx1-ubyte | od -An -v -tu1 -w1 | tr -d ' ' >labels
    paste -d' ' labels logits | sed 's/ /,/; s/.*/[&]/' | jq -s '
        map(.[0] as $y | .[1] as $z | ($z | max) as $m
            | {right: ($z[$y] == $m), nll: (([$z[] | . - $m | exp] | add | log) + $m - $z[$y])})
        | {errors: (map(select(.right | not)) | length), nll: (map(.nll) | add / length)}' >mine
    kd-eval T --json | jq -e --slurpfile m mine \
        '.errors == $m[0].errors and (.nll - $m[0].nll | fabs) < 1e-4'
}

@test "--split: train, and validation as the model's training carved it" {
    kd-eval T --split train --json | jq -e '.n == 240 and .split == "train"'
    kd-eval T --split validation --json >v
    jq -e '.n == 40 and .split == "validation"' v
    epoch=$(meta T/model.safetensors kd.metrics | jq .epoch)
    [ "$(jq .top1 v)" = "$(jq "select(.epoch == $epoch) | .valid.top1" T/log.jsonl)" ]
    refused 2 "S/model.safetensors was trained without validation images" -- \
        kd-eval S --split validation
    refused 2 "--data idx:set:test is the split test, but --split asks for train" -- \
        kd-eval S --split train --data idx:set:test
    refused 2 "--split=valid: expected test, train or validation" -- kd-eval S --split valid
}

@test "--tta: figures of averaged logits, named in the line; --update tells them apart" {
    kd-eval T --json >plain
    kd-eval T --json --tta mirror-shifts >shifts
    jq -e '.tta == "mirror-shifts"' shifts
    jq -e 'has("tta") | not' plain
    kd-soften --model T --data idx:set:test --tta mirror-shifts --quiet -o s >/dev/null
    kd-soften --model T --data idx:set:test --tta mirror --quiet -o m >/dev/null
    [ "$(meta s kd.tta)" = mirror-shifts ]
    run ! cmp -s s m
    tail -c 4000 s | od -An -v -tf4 -w40 | sed 's/^ *//; s/  */,/g; s/.*/[&]/' >logits
    tail -c 100 set/t10k-labels-idx1-ubyte | od -An -v -tu1 -w1 | tr -d ' ' >labels
    errors=$(paste -d' ' labels logits | sed 's/ /,/; s/.*/[&]/' |
        jq -s 'map(.[0] as $y | .[1] | select(.[$y] != max)) | length')
    [ "$errors" = "$(jq .errors shifts)" ]
    [ "$(jq .nll plain)" != "$(jq .nll shifts)" ]
    cp -r "$BATS_FILE_TMPDIR/set" images
    echo '{"data": {"source": "idx:images"}, "teacher": {"network": "mlp-4",
        "train": {"epochs": 1}}}' >x.json
    kd-train-teacher x.json --quiet >/dev/null
    [ "$(kd-eval --experiment x.json --json | wc -l)" -eq 1 ]
    [ "$(kd-eval --experiment x.json --json --update --tta mirror | jq -r .tta)" = mirror ]
    silent kd-eval --experiment x.json --json --update --tta mirror
    [ "$(kd-eval --experiment x.json --json --update --tta mirror-shifts | jq -r .tta)" = \
        mirror-shifts ]
    [ "$(kd-eval --experiment x.json --json --update | wc -l)" -eq 1 ]
    refused 2 "--tta" "mirror-shifts" -- kd-eval T --tta shifts
}

@test "--reference: agreement, 1 with itself" {
    kd-eval T S --reference T --json |
        jq -es '.[0].agreement == 1 and .[1].agreement < 1 and .[1].agreement > 0'
    [[ "$(kd-eval S --reference T)" == *"agree %"* ]]
}

@test "-o takes the table or the lines, and makes the folder" {
    run --separate-stderr kd-eval T S --json -o sub/lines
    [ "$output" = sub/lines ]
    [ "$(wc -l <sub/lines)" -eq 2 ]
    kd-eval T -o sub/table >/dev/null
    [ "$(cat sub/table)" = "$(kd-eval T -o -)" ]
}

# The lines of eval.json without what a file says of its making.
as_printed() { sed 's/,"version":"[^"]*","command":"[^"]*"//' "$@"; }

@test "--save writes eval.json beside each model; standard input has no such place" {
    cp -rL T t
    kd-eval t --save --json >line
    as_printed t/eval.json | cmp line
    kd-eval - --save --json <T/model.safetensors | jq -e '.model == "-"'
    [ ! -e eval.json ]
}

@test "--experiment: models that are there, test and validation, against their teacher; --update" {
    echo '{"name": "x", "seeds": 2, "data": {"source": "idx:set", "validation": 40},
        "teacher": {"network": "mlp-8", "train": {"epochs": 1}},
        "students": {"a b": {"network": "mlp-4", "train": {"epochs": 1}}}}' >x.json
    kd-train-teacher x.json -q
    kd-train-student x.json -q --seed 1
    kd-eval --experiment x.json --json >lines
    [ "$(wc -l <lines)" -eq 6 ]
    jq -es 'map(select(.split == "test")) | length == 3 and all(.confusion | length == 10)' lines
    jq -es '[.[] | select(.model | startswith("runs/x/students/a b/s1/")) | .agreement] | length ==
        2 and all(type == "number")' lines
    [ "$(as_printed runs/x/teacher/s1/eval.json "runs/x/students/a b/s1/eval.json" \
        runs/x/teacher/s2/eval.json | sort)" = "$(sort lines)" ]
    silent kd-eval --experiment x.json --update --json
    kd-train-student x.json -q --overwrite --seed 1 --set 'students.a b.train.epochs=2'
    [ "$(kd-eval --experiment x.json --update --json | jq -r .model | sort -u)" = \
        "runs/x/students/a b/s1/model.safetensors" ]
    refused 2 "not both" -- kd-eval T --experiment x.json
    refused 2 "no model is given" -- kd-eval
    refused 2 "--reference is for models that are named" -- kd-eval --experiment x.json \
        --reference T
    for option in "--set seeds=1" "--runs runs" --update; do
        refused 2 "${option%% *} goes with --experiment" -- kd-eval T $option
    done
}

# An experiment of a teacher and a student, trained and evaluated.
evaluated_experiment() {
    cat >x.json <<'JSON'
{"name": "x", "seeds": 1, "data": {"source": "idx:own"},
 "teacher": {"network": "mlp-8", "train": {"epochs": 1}},
 "students": {"s": {"network": "mlp-4", "train": {"epochs": 1}}}}
JSON
    cp -RL set own
    kd-train-teacher x.json -q >/dev/null
    kd-train-student x.json -q >/dev/null
    kd-eval -x x.json -q >/dev/null
    silent kd-eval -x x.json --update -q
    s=runs/x/students/s/s1 t=runs/x/teacher/s1
}

@test "--update sees that the teacher was trained anew: agreement is with the one that is there" {
    evaluated_experiment
    before=$(jq .agreement $s/eval.json)
    [ "$(jq -r .reference $s/eval.json)" = "$(jq -r .fingerprint $t/eval.json)" ]
    kd-train-teacher x.json -q --overwrite --set teacher.train.epochs=9 >/dev/null
    [ "$(kd-eval -x x.json --update --json | wc -l)" -eq 2 ]
    [ "$(jq .agreement $s/eval.json)" = "$(kd-eval $s -r $t --json | jq .agreement)" ]
    [ "$(jq .agreement $s/eval.json)" != "$before" ]
    silent kd-eval -x x.json --update -q
    # a teacher that is gone is nothing to be compared with: what was measured is let be
    rm $t/model.safetensors
    silent kd-eval -x x.json --update -q
}

@test "--update sees that images or labels behind a path are others" {
    evaluated_experiment
    kd-data convert digits:train digits:test --fraction 0.04 --to idx -o more -q >/dev/null
    cp more/t10k* own
    [ "$(kd-eval -x x.json --update --json | jq .n | sort -u)" = 200 ]
    [ "$(jq -s length $s/eval.json)" -eq 1 ]
    [ "$(jq .top1 $s/eval.json)" = "$(kd-eval $s --json | jq .top1)" ]
    silent kd-eval -x x.json --update -q
    # the same images, the first with another label
    printf '\x%02x' $(( ($(od -An -tu1 -j8 -N1 own/t10k-labels-idx1-ubyte) + 1) % 10 )) >label
    printf "$(cat label)" | dd of=own/t10k-labels-idx1-ubyte bs=1 seek=8 conv=notrunc status=none
    [ "$(kd-eval -x x.json --update --json | wc -l)" -eq 2 ]
    silent kd-eval -x x.json --update -q
}

@test "--update is not content with an evaluation on other images" {
    evaluated_experiment
    kd-data convert digits:train digits:test --fraction 0.04 --to idx -o more -q >/dev/null
    own=$(as_printed $s/eval.json)
    kd-eval $s --data idx:more:test --save -q >/dev/null
    [ "$(jq -s 'map(.n)' -c $s/eval.json)" = "[100,200]" ] # of the same model, on both
    rm $s/eval.json
    kd-eval $s --data idx:more:test --save -q >/dev/null
    [ "$(kd-eval -x x.json --update --json | jq -r .model)" = $s/model.safetensors ]
    [ "$(tail -n 1 $s/eval.json | as_printed)" = "$own" ]
}

@test "of five classes the first five are no figure" {
    kd-data convert digits:train digits:test --keep 0,1,2,3,4 --fraction 0.04 --to idx -o five -q \
        >/dev/null
    kd-train-teacher --data idx:five --layers 6 --epochs 1 -q -o F >/dev/null
    [ "$(kd-eval F --json | jq .top5)" = null ]
    [[ "$(kd-eval F)" != *top-5* ]]
    [[ "$(kd-eval T)" == *top-5* ]]
}

@test "eval.json: a line a split; --update wants each, another model replaces all" {
    cat >x.json <<'JSON'
{"name": "x", "seeds": 1, "data": {"source": "idx:set", "validation": 40},
 "teacher": {"network": "mlp-8", "train": {"epochs": 1}}}
JSON
    m=runs/x/teacher/s1
    kd-train-teacher x.json -q >/dev/null
    kd-eval -x x.json --split validation -q >/dev/null
    [ "$(jq -r .split $m/eval.json)" = validation ]
    [ -n "$(kd-eval -x x.json --update -q)" ]
    [ "$(jq -r .split $m/eval.json | tr '\n' ' ')" = "test validation " ]
    silent kd-eval -x x.json --update -q
    kd-eval $m --split train --save -q >/dev/null
    [ "$(jq -r .split $m/eval.json | sort | tr '\n' ' ')" = "test train validation " ]
    kd-train-teacher x.json --epochs 2 --overwrite -q >/dev/null
    kd-eval -x x.json --split validation --update -q >/dev/null
    [ "$(jq -r .split $m/eval.json)" = validation ]
    [ -n "$(kd-eval -x x.json --update -q)" ] # the old answers to the test images are no excuse
    [ "$(jq -r .fingerprint $m/eval.json | sort -u | wc -l)" -eq 1 ]
    run --separate-stderr kd-eval -x x.json --runs elsewhere
    [ "$status" -eq 1 ]
    [ "$stderr" = "kd-eval: elsewhere/x: there is no model of it; train them first, or say where \
they are with --runs" ]
}

@test "an experiment on images without a test split is evaluated on validation, with a note" {
    kd-data convert idx:set --to png -o photos -q
    mv photos/train/* photos
    rmdir photos/train
    echo '{"name": "x", "data": {"source": "png:photos", "validation": 40},
        "teacher": {"network": "mlp-8", "train": {"epochs": 1}}}' >x.json
    kd-train-teacher x.json -q >/dev/null
    run --separate-stderr kd-eval -x x.json --json
    [ "$status" -eq 0 ]
    [ "$(jq -r .split <<<"$output")" = validation ]
    [[ "$stderr" == *"no test split of its own"*"evaluated on its validation images"* ]]
    kd-report x.json | grep -q "validation split (40 images)"
    # a test source that is there to be read is read
    sed 's/"validation": 40/&, "test": "pgn:photos"/' x.json >named.json
    kd-train-teacher named.json --overwrite -q >/dev/null
    run --separate-stderr kd-eval -x named.json
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"pgn"* ]]
    sed -i 's/, "validation": 40//' x.json
    kd-train-teacher x.json --overwrite -q >/dev/null
    run --separate-stderr kd-eval -x x.json
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"no test split of its own"* ]]
}

@test "two evaluations that end at once keep each other's lines" {
    mkdir both && cp T/model.safetensors both/
    for round in 1 2 3 4 5 6 7 8 9 10 11 12; do
        rm -f both/eval.json
        kd-eval both --data idx:set:test --save -q >/dev/null &
        kd-eval both --data idx:set:train --save -q >/dev/null &
        wait
        [ "$(jq -r .split both/eval.json | sort | xargs)" = "test train" ]
    done
    [ ! -e both/.eval.kd-lock ]
}

@test "--reject: what a model answers where it may pass, and from which probability on" {
    kd-eval T --reject 0 --json >line # all of them
    jq -e '.reject == 0 and .answered == 1 and .answered_top1 == .top1 and .threshold > 0 and
        .threshold < 1 and (.coverage | length) == 20 and
        .coverage[19] == [.threshold, .answered, .answered_top1]' line
    wanted=$(jq '.coverage[4][2]' line) # what the surest quarter reaches
    kd-eval T --reject "$wanted" --json |
        jq -e --argjson w "$wanted" '.reject == $w and .answered >= 0.25 and .answered_top1 >= $w'
    kd-eval T --json | jq -e 'has("reject") or has("coverage") | not'
    kd-eval T --reject 0 --wide | grep -q 'answered %.*of those %.*threshold'
    refused 2 "--reject=2" -- kd-eval T --reject 2
}
