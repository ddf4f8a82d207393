#!/usr/bin/env bats
# Students corrected for classes that they never saw: alone, in a pipe, in an experiment, in the
# report.
bats_require_minimum_version 1.5.0
load small.bash

setup_file() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_FILE_TMPDIR"
    kd-data convert digits:train digits:test --fraction 0.1 --to idx -o set --quiet >/dev/null
    kd-train-teacher --data idx:set --layers 40 --epochs 8 --quiet -o T >/dev/null
    kd-soften --model T --data idx:set --quiet -o soft.safetensors >/dev/null
    kd-train-student --data idx:set --layers 30 --epochs 40 --learning-rate 0.005 --omit 3 \
        --teacher T -T 4 -a 0.2 --quiet -o S >/dev/null
    kd-train-student --data idx:set --layers 8 --epochs 1 --quiet -o whole >/dev/null
    cat >x.json <<'EOF'
{"name": "x", "seeds": 2,
 "data": {"source": "idx:set", "validation": 100, "validation_classes": "all"},
 "teacher": {"network": "mlp-30", "train": {"epochs": 4}}, "soften": {"split": "train"},
 "students": {
  "plain": {"network": "mlp-20", "train": {"epochs": 6, "learning_rate": 0.005},
      "data": {"keep": [7, 8]}},
  "only78": {"network": "mlp-20", "train": {"epochs": 6, "learning_rate": 0.005},
      "data": {"keep": [7, 8]},
             "distill": {"from": "teacher", "temperature": 20, "alpha": 0.7}},
  "bias": {"correct": {"of": "only78"}, "sweep": {"correct.by": ["transfer", "balanced", "test"]}}}}
EOF
    kd-train-teacher x.json --quiet >/dev/null
    kd-soften x.json --quiet >/dev/null
    kd-train-student x.json --list --ready >ready
    kd-train-student x.json --quiet >made
    kd-eval --experiment x.json --quiet >/dev/null
}
setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_TEST_TMPDIR"
    for f in set T S whole soft.safetensors x.json runs; do ln -s "$BATS_FILE_TMPDIR/$f" .; done
}
errors() { kd-eval "$@" --json | jq .errors; }

@test "each way finds a bias for the class that was left out, and writes a model that has it" {
    for by in transfer balanced test; do
        kd-correct S --by $by -o $by.safetensors --json >line
        jq -e --arg by $by '.by == $by and (.bias | keys == ["3"]) and .bias["3"] > 0' line
        [ "$(kd-eval $by.safetensors --json | jq -r .fingerprint)" = "$(jq -r .fingerprint line)" ]
        [ "$(meta $by.safetensors kd.corrected | jq -r '.of + .by')" = \
            "$(kd-eval S --json | jq -r .fingerprint)$by" ]
        [ "$(meta $by.safetensors kd.config | jq -c .data.omit)" = "[3]" ]
        [ "$(meta $by.safetensors kd.parents)" = "$(meta S/model.safetensors kd.parents)" ]
        jq -r '.used' line >>used
    done
    # the transfer images without 3s; all training images; all test images
    n=$(kd-data inspect idx:set:train --json | jq .n)
    [ "$(sed -n 2p used)" -eq "$n" ]
    [ "$(sed -n 3p used)" -eq "$(kd-data inspect idx:set:test --json | jq .n)" ]
    [ "$(sed -n 1p used)" -lt "$n" ]
    # the bias tuned on the test images is the best there, and all are better than none
    [ "$(errors test.safetensors)" -le "$(errors balanced.safetensors)" ]
    [ "$(errors balanced.safetensors)" -lt "$(errors S)" ]
    [ "$(errors transfer.safetensors)" -lt "$(errors S)" ]
}

@test "balanced images are of the share that the student was trained on" {
    kd-train-student --data idx:set --layers 8 --epochs 1 --fraction 0.5 --omit 3 --quiet -o half
    kd-correct half --by balanced -o b.safetensors --json >line
    n=$(kd-data inspect idx:set:train --json | jq .n)
    jq -e --argjson n "$n" '.used > 0.45 * $n and .used < 0.55 * $n' line
}

@test "only the last layer's biases change" {
    kd-correct S --by balanced --no-provenance -o c --quiet
    kd-eval S c --confusion --json >both
    jq -es '.[0].parameters == .[1].parameters and .[0].fingerprint != .[1].fingerprint' both
    # what was not taken for a 3 after is taken for what it was before: columns can only lose to
    # column 3
    jq -es '[range(10) as $i | range(10) as $j | select($j != 3) | .[1].confusion[$i][$j] <=
        .[0].confusion[$i][$j]] | all' both
}

@test "in a pipe, from any place, with the same bytes" {
    kd-correct S --by balanced --no-provenance --quiet -o a.safetensors
    kd-correct - --by balanced --no-provenance --quiet -o - <S/model.safetensors >b.safetensors
    cmp a.safetensors b.safetensors
    kd-correct S --by balanced --no-provenance --quiet --threads 1 -o folder
    cmp a.safetensors folder/model.safetensors
    kd-correct - -o - <S/model.safetensors 2>/dev/null | kd-eval - --json | jq -e '.n == 500'
}

@test "a teacher, at hand or in a file, says which images do not count" {
    kd-correct S -o plain.safetensors --json >plain
    kd-correct S --teacher T -o at-hand.safetensors --json >at-hand
    kd-correct S -S soft.safetensors -o file.safetensors --json >file
    [ "$(jq .used at-hand)" = "$(jq .used file)" ]
    [ "$(jq .used at-hand)" -le "$(jq .used plain)" ]
    [ "$(jq .fingerprint at-hand)" = "$(jq .fingerprint file)" ]
    kd-correct S --flips 0.05 -o more.safetensors --json >more
    jq -es '.[0].bias["3"] < .[1].bias["3"]' plain more
    kd-correct S --by balanced --images idx:set:test -o other.safetensors --json |
        jq -e '.used == 500'
    kd-correct whole --classes 5,6 -o named.safetensors --json | jq -e '.bias | keys == ["5", "6"]'
}

@test "what cannot be corrected is refused with a sentence" {
    refused 2 "whole" "no class was left out" "--classes" -- kd-correct whole -o kept/m.safetensors
    refused 2 "--output" -- kd-correct S
    refused 2 "no class 10" "0 to 9" -- kd-correct S --classes 10 -o kept/m.safetensors
    refused 2 "all classes are unseen" -- kd-correct S --classes 0,1,2,3,4,5,6,7,8,9 --by balanced \
        -o kept/m.safetensors
    refused 2 "--images is for --by balanced" -- kd-correct S --images digits -o kept/m.safetensors
    refused 2 "--flips is for --by transfer" -- kd-correct S --by test --flips 0.1 \
        -o kept/m.safetensors
    refused 2 "--teacher is for --by transfer" -- kd-correct S --by test --teacher T \
        -o kept/m.safetensors
    refused 2 "--soft-targets or --teacher, not both" -- kd-correct S --teacher T \
        -S soft.safetensors -o kept/m.safetensors
    refused 1 "all of them" -- \
        sh -c 'kd-correct S --flips 1 -o kept/m.safetensors; [ $? -eq 2 ] && exit 1'
    kd-train-student --data idx:set --epochs 1 --omit 3 --quiet -o bare \
        --network '["flatten",{"kind":"dense","units":5},"relu",{"kind":"dense","bias":false}]'
    refused 1 "its last layer is dense without biases" -- kd-correct bare -o kept/m.safetensors
    refused 1 "no safetensors data" -- kd-correct - -o - </dev/null
}

@test "in an experiment: after the student that is corrected, again when that changes" {
    grep -q -- '--student only78 --seed 1' "$BATS_FILE_TMPDIR/ready"
    run grep bias "$BATS_FILE_TMPDIR/ready"
    [ "$status" -eq 1 ]
    grep -q "students/bias,by=balanced/s2/model.safetensors" "$BATS_FILE_TMPDIR/made"
    silent kd-train-student x.json --list --update
    cp runs/*/experiment.json again.json # with all that was left out
    silent kd-train-student again.json --list --update
    rm runs && cp -r "$BATS_FILE_TMPDIR/runs" .
    kd-train-student x.json --student only78 --seed 2 --epochs 2 --overwrite --quiet
    kd-train-student x.json --list --update >todo
    cat todo
    [ "$(grep -c 'bias,by=' todo)" -eq 3 ]
    [ "$(grep -c 'seed 1' todo)" -eq 0 ]
    kd-train-student x.json --set students.bias.correct.flips=0.01 --list --update --seed 1 >todo
    [ "$(grep -c 'bias,by=' todo)" -eq 3 ]
}

@test "an experiment that corrects what is not there says so" {
    jq '.students.bias.correct.of = "only87"' x.json >y.json
    refused 2 "students.bias,by=transfer.correct.of" 'did you mean "only78"?' -- kd-train-student \
        y.json --list
    jq '.students.bias.network = "mlp-3"' x.json >y.json
    refused 2 "students.bias" "has its network from the one it corrects" -- kd-train-student \
        y.json --list
    jq '.name = "z"' x.json >y.json
    refused 1 "students/only78/s1/model.safetensors: not there yet" "--student only78" -- \
        kd-train-student y.json --student bias,by=test --seed 1
}

@test "the report names the ways, and what was tuned on the test set is never the best" {
    kd-report x.json >table
    for by in transfer balanced test; do grep -q "bias,by=$by " table; done
    kd-report x.json --json |
        jq -e '.notes | map(select(test("tuned on the test set, shown for comparison .*: "
        + "bias,by=test s1, bias,by=test s2"))) | length == 1'
    run grep "no log" table
    [ "$status" -eq 1 ]
    # no validation image was left out, so the corrected ones are the best on validation; of them
    # not the tuned one
    mkdir -p one/students && cp -r runs/x/students/only78 runs/x/students/bias,by=test one/students
    [[ "$(kd-report one --best)" == one/students/only78/s*/model.safetensors ]]
    kd-report x.json --columns name,valid_top1,errors
    [[ "$(kd-report runs/x --best)" == */bias,by=[bt]*/* && "$(kd-report runs/x --best)" != \
        *by=test* ]]
    # compared with the student that had labels alone, not with a corrected one
    kd-report x.json --table differences --csv --columns name,plain |
        grep -qx '"bias,by=balanced",plain'
}

@test "errors by class and seed: medians can be taken, means are those of the classes" {
    kd-report x.json --table class-seeds --csv --filter only78 >by-seed
    head -1 by-seed | grep -qx \
        "run,name,seed,class,class_name,trained_on,images,errors,right,mostly_taken_for"
    [ "$(wc -l <by-seed)" -eq 21 ]
    for s in 1 2; do
        kd-eval runs/x/students/only78/s$s --json --confusion |
            jq -r '.confusion | to_entries[] | "\(.key),\((.value | add) - .value[.key])"' >wanted
        awk -F, -v s=$s '$3 == s {print $4 "," $8}' by-seed | diff wanted -
    done
    kd-report x.json --table classes --csv --filter only78 --columns class,errors | cut -d, -f1,2 |
        sed 1d >means
    awk -F, 'NR > 1 {e[$4] += $8 / 2} END {for (k = 0; k < 10; k++) print k "," e[k]}' by-seed |
        diff means -
    [ "$(kd-report x.json --table class-seeds --filter only78 | grep -c '^\*')" -eq 16 ]
}

@test "errors class by class add up, and unseen classes are marked" {
    kd-report x.json --table classes --csv --filter only78 >classes
    head -1 classes | grep -qx \
        "run,name,seeds,class,class_name,trained_on,images,errors,errors_sd,right,mostly_taken_for"
    [ "$(awk -F, 'NR > 1 {s += $8} END {print s}' classes)" = \
        "$(kd-report x.json --table models --csv --filter only78 --columns errors | tail -1 |
        cut -d, -f1)" ]
    [ "$(awk -F, '$6 == "yes" {printf "%s ", $4}' classes)" = "7 8 " ]
    [ "$(kd-report x.json --table classes --filter only78 | grep -c '^\*')" -eq 8 ]
    kd-report x.json --charts -o charts --quiet >/dev/null
    [ -s charts/unseen-classes.svg ]
    [ -s charts/unseen-classes-5.svg ]
    [ ! -e charts/unseen-classes-6.svg ]
    grep -q "only78, mean of 2 seeds" charts/unseen-classes-2.svg
    [ -s charts/accuracy-models.svg ]
}
