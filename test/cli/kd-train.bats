#!/usr/bin/env bats
# kd-train-teacher and kd-train-student: from options and from experiments, stopped and resumed,
# listed and run by xargs.
bats_require_minimum_version 1.5.0
load small.bash

setup_file() {
    unset OPENBLAS_CORETYPE
    cd "$BATS_FILE_TMPDIR"
    small_set
    kd-train-teacher --data idx:set --layers 16 --epochs 2 --quiet -o T >/dev/null
    kd-soften --model T --data idx:set --quiet -o soft.safetensors >/dev/null
}
setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_TEST_TMPDIR"
    for f in set T soft.safetensors; do ln -s "$BATS_FILE_TMPDIR/$f" .; done
    cat >x.json <<'JSON'
{"name": "x", "seeds": [3, 1], "data": {"source": "idx:set", "validation": 40},
 "teacher": {"network": "mlp-16", "train": {"epochs": 1}},
 "students": {
   "late": {"network": "mlp-4", "train": {"epochs": 1}, "distill": {"from": "a b, c"}},
   "a b, c": {"network": "mlp-4", "train": {"epochs": 1}},
   "it's \"q\"": {"network": "mlp-4", "train": {"epochs": 1}},
   "kd": {"network": "mlp-4", "train": {"epochs": 1}, "distill": {"from": "teacher"},
          "sweep": {"distill.temperature": [1, 2.5], "train.optimizer": ["sgd",
              {"kind": "adamw"}]}}}}
JSON
}
train() { kd-train-student --data idx:set --layers 8 --epochs 1 --quiet "$@"; }
config() { meta "$1" kd.config | jq -c "$2"; }

@test "without an experiment: model and log where --output says, runs/quick otherwise" {
    run --separate-stderr train -o sub/dir
    [ "$status" -eq 0 ]
    [ "$output" = sub/dir/model.safetensors ]
    [ -z "$stderr" ]
    [ "$(ls sub/dir | xargs)" = "log.jsonl model.safetensors" ]
    train -o sub/m.safetensors
    [ "$(ls sub | xargs)" = "dir m.log.jsonl m.safetensors" ]
    train -o - >m
    [ "$(kd-eval m --json | jq -r .fingerprint)" = \
        "$(kd-eval sub/dir --json | jq -r .fingerprint)" ]
    [ "$(train)" = runs/quick/model.safetensors ]
    [ "$(kd-train-teacher --data idx:set --layers 4 -e 1 -q)" = \
        runs/quick/teacher/s1/model.safetensors ]
}

@test "messages go to standard error: the table of layers, a line an epoch; nothing with --quiet" {
    run --separate-stderr kd-train-student --data idx:set --layers 8 --epochs 2 --validation 40 -o m
    [ "$output" = m/model.safetensors ]
    [[ "$stderr" == *"1 dense"*"6,280"*"total"*"6,370"* ]]
    [ "$(grep -c 'epoch [12]/2: loss .*valid' <<<"$stderr")" -eq 2 ]
    [[ "$stderr" != *$'\r'* ]]
    [[ "$stderr" != *$'\033'* ]]
}

@test "--json tells the model and the figures of the epoch kept" {
    train --validation 40 -e 3 -o m --json >line
    [ "$(wc -l <line)" -eq 1 ]
    jq -e '.model == "m/model.safetensors" and .name == "student" and .seed == 1 and (.valid.top1 |
        type) == "number"' line
    [ "$(jq -r .fingerprint line)" = "$(kd-eval m --json | jq -r .fingerprint)" ]
    epoch=$(jq .epoch line)
    [ "$(jq -c .valid line)" = "$(jq -c "select(.epoch == $epoch).valid" m/log.jsonl)" ]
    [ "$(meta m/model.safetensors kd.metrics | jq -c .valid)" = "$(jq -c .valid line)" ]
    [ "$(jq -s '[.[].valid.top1] | max' m/log.jsonl)" = "$(jq .valid.top1 line)" ]
}

@test "log.jsonl has a line an epoch with every key" {
    train --validation 40 -e 3 --teacher T -o m
    jq -es 'length == 3 and [.[].epoch] == [1, 2, 3] and [.[].step] == [2, 4, 6]' m/log.jsonl
    jq -es 'all(.[]; (.lr > 0) and (.train | keys) == ["hard", "loss", "soft", "terms", "top1"] and
        .train.terms == {kl: .train.soft} and
        (.train_eval | keys) == ["loss", "top1", "top5"] and (.valid | keys) == ["loss", "top1",
        "top5"] and
        (.seconds > 0) and (.images_per_second > 0) and
        ((.train.loss - 0.9 * .train.soft - 0.1 * .train.hard) | fabs) < 1e-6)' m/log.jsonl
    train -e 1 -o plain
    jq -e '.valid == null and .train.soft == null and (.train | has("terms") | not) and
        .train.loss == .train.hard' plain/log.jsonl
}

@test "default < experiment < --set < option, as kd.config has it" {
    for a in "" "--set teacher.train.epochs=2" "--set teacher.train.epochs=2 --epochs 3"; do
        kd-train-teacher x.json -q --seed 1 $a -o "m$((++n))"
    done
    [ "$(for i in 1 2 3; do config m$i/model.safetensors .train.epochs; done | xargs)" = "1 2 3" ]
    [ "$(config m1/model.safetensors '[.train.batch, .seed, .experiment, .teacher]')" = \
        '[100,1,"x","teacher"]' ]
    kd-train-student x.json -q --seed 1 --student 'a b, c' --set 'students.a b, c.train.batch=50' \
        -o s
    [ "$(config s/model.safetensors '[.train.batch, .train.epochs, .data.validation]')" = \
        '[50,1,40]' ]
    [ ! -e runs ]
    kd-train-teacher x.json -q --seed 1 --set teacher.train.batch=7
    [ "$(jq .teacher.train.batch runs/x/experiment.json)" = 7 ]
    kd-train-student x.json -q --seed 1 --student 'a b, c' -l 0.5
    [ "$(jq '.students["a b, c"].train.learning_rate' runs/x/experiment.json)" = 0.001 ]
}

@test "a resolved experiment runs again and says the same" {
    kd-train-teacher x.json -q --seed 1
    cp runs/x/experiment.json again.json
    run --separate-stderr kd-train-teacher again.json -q --seed 1 --update
    [ "$status" -eq 0 ]
    [ -z "$output" ]
    cmp again.json runs/x/experiment.json
}

@test "--list names sweeps and seeds, parents first; --ready and --update leave some out" {
    kd-train-student x.json --list >all
    [ "$(wc -l <all)" -eq 14 ]
    [ "$(grep -n "'a b, c' --seed 3" all | cut -d: -f1)" \
        -lt "$(grep -n -- "--student late --seed 3" all | cut -d: -f1)" ]
    grep -qxF -- "--student kd,temperature=2.5,optimizer=sgd --seed 3" all
    grep -qxF -- "--student 'kd,temperature=1,optimizer={\"kind\":\"adamw\"}' --seed 1" all
    kd-train-student x.json --list --ready >ready
    [ "$(wc -l <ready)" -eq 4 ]
    [ ! -e runs ]
    [ "$(kd-train-teacher x.json --list | xargs)" = "--seed 3 --seed 1" ]
    kd-train-teacher x.json -q
    silent kd-train-teacher x.json --list --update
    while kd-train-student x.json --list --ready --update >todo && [ -s todo ]; do
        [ "$((++rounds))" -le 2 ]
        xargs -P 2 -L 1 kd-train-student x.json -q --threads 1 <todo
    done
    [ "$rounds" -eq 2 ]
    [ "$(find runs/x/students -name model.safetensors | wc -l)" -eq 14 ]
    [ -f "runs/x/students/it's \"q\"/s3/model.safetensors" ]
    [ -f "runs/x/students/a b, c/s1/model.safetensors" ]
    silent kd-train-student x.json --list --update
    # what a training is called is not looked at: in another experiment, or renamed, it is as good
    jq '.name = "other" | .students.later = .students.late | del(.students.late)' x.json >other.json
    cp -R runs/x runs/other
    mv runs/other/students/late runs/other/students/later
    silent kd-train-teacher other.json --list --update
    silent kd-train-student other.json --list --update
    [ "$(kd-train-student other.json --list --update --set 'students.later.train.batch=7' |
        wc -l)" -eq 2 ]
    # another teacher makes its students out of date, and theirs alone
    kd-train-teacher x.json -q --seed 3 --set teacher.train.epochs=2 --update
    kd-train-student x.json --list --update --set teacher.train.epochs=2 >todo
    [ "$(grep -c 'kd,temperature=.* --seed 3$' todo)" -eq 4 ]
    [ "$(wc -l <todo)" -eq 4 ]
    [ "$(kd-train-student x.json --list --update --set 'students.late.train.epochs=2' \
        --student late | wc -l)" -eq 2 ]
}

@test "--student takes a student, all points of its sweep, or one point" {
    [ "$(kd-train-student x.json --list --student kd | wc -l)" -eq 8 ]
    [ "$(kd-train-student x.json --list --student kd,temperature=1,optimizer=sgd --student late \
        --seed 3)" = \
        "$(printf -- '--student %s --seed 3\n' kd,temperature=1,optimizer=sgd late)" ]
    refused 2 'x has no student "a b c"; did you mean "a b, c"?' -- kd-train-student x.json --list \
        --student 'a b c'
    refused 2 'x has no student "kd,temperature=1"' -- kd-train-student x.json --list \
        --student kd,temperature=1
}

@test "points of a sweep have names that folders can have" {
    echo '["flatten", "dense"]' >linear.json
    sweep() {
        echo '{"data": {"source": "idx:set"}, "students": {"a": {"train": {"epochs": 1},' \
            "\"sweep\": $1}}}" >s.json
    }
    sweep '{"network": ["mlp-4", "linear.json"]}'
    kd-train-student s.json -q
    [ "$(ls runs/s/students | xargs)" = "a,network=linear.json a,network=mlp-4" ]
    sweep '{"network": ["nets/linear.json"]}'
    refused 2 "s.json: students.a,network=nets/linear.json: a student's name is a folder's name" \
        -- kd-train-student s.json --list
    sweep "{\"network\": [[$(printf '"flatten",%.0s' {1..40})\"dense\"]]}"
    refused 2 "under 200 bytes" -- kd-train-student s.json --list
    sweep '{"train.epochs": [1, 1]}'
    refused 2 's.json: students: two of them are named "a,epochs=1"' -- kd-train-student s.json \
        --list
}

@test "a line of --list is what a shell reads, too" {
    eval "words=($(kd-train-student x.json --list | grep 'it.*seed 1'))"
    [ "${#words[@]}" -eq 4 ]
    [ "${words[1]}" = "it's \"q\"" ]
}

@test "a student learns from another student, from a file, and from several with weights" {
    train --from T -o one
    [ "$(meta one/model.safetensors kd.parents)" = \
        "[\"$(kd-eval T --json | jq -r .fingerprint)\"]" ]
    kd-train-student x.json -q --seed 1 --student 'a b, c'
    kd-train-student x.json -q --seed 1 --student late
    parent=$(kd-eval 'runs/x/students/a b, c/s1' --json | jq -r .fingerprint)
    [ "$(meta runs/x/students/late/s1/model.safetensors kd.parents)" = "[\"$parent\"]" ]
    kd-train-student x.json -q --seed 1 --student late -o two \
        --set 'students.late.distill.from=["T",{"from":"a b, c","weight":3}]'
    [ "$(meta two/model.safetensors kd.parents | jq -c .[1])" = "\"$parent\"" ]
    train --from soft.safetensors -o three
    kd-train-student x.json -q --seed 1 --student late -o four \
        --set students.late.distill.from=soft.safetensors
}

@test "soft targets of a run folder are used, unless another teacher made them" {
    kd-train-teacher x.json -q --seed 1
    kd-soften x.json -q --seed 1
    kd-train-student x.json -q --seed 1 --student kd,temperature=1,optimizer=sgd \
        --no-provenance -o with-file
    mv runs/x/soft away
    kd-train-student x.json -q --seed 1 --student kd,temperature=1,optimizer=sgd \
        --no-provenance -o without
    cmp with-file/model.safetensors without/model.safetensors
    mv away runs/x/soft
    kd-train-teacher x.json -q --seed 1 --set teacher.train.epochs=2 --overwrite
    refused 1 "runs/x/soft/s1/teacher.safetensors: made by another teacher" \
        " than runs/x/teacher/s1/model.safetensors" \
        "kd-soften x.json" -- kd-train-student x.json -q --seed 1 \
        --student kd,temperature=1,optimizer=sgd
}

@test "fewer teachers than seeds: the students take them in turn" {
    sed 's/"seeds": \[3, 1\]/"seeds": [3, 1, 5]/; s/"teacher": {/"teacher": {"seeds": 2, /' x.json \
        >shared.json
    [ "$(kd-train-teacher shared.json --list | xargs)" = "--seed 3 --seed 1" ]
    kd-train-teacher shared.json -q
    kd-soften shared.json -q
    [ "$(ls runs/x/soft | xargs)" = "s1 s3" ]
    kd-train-student shared.json -q --student kd,temperature=1,optimizer=sgd
    parent() {
        meta "runs/x/students/kd,temperature=1,optimizer=sgd/s$1/model.safetensors" kd.parents
    }
    [ "$(parent 5)" = "$(parent 3)" ]
    [ "$(parent 1)" != "$(parent 3)" ]
    kd-eval --experiment shared.json -q >/dev/null
    [ -f "runs/x/students/kd,temperature=1,optimizer=sgd/s5/eval.json" ]
    [ ! -e runs/x/teacher/s5 ]
    jq -se '.[0].agreement != null' "runs/x/students/kd,temperature=1,optimizer=sgd/s5/eval.json"
    kd-report shared.json | grep -F "some seeds share a teacher"
}

@test "recorded views serve students of the same augmentation; others ask the teacher" {
    cat >v.json <<'JSON'
{"name": "v", "data": {"source": "idx:set"}, "teacher": {"network": "mlp-16",
    "train": {"epochs": 1}},
 "soften": {"views": 2, "augment": {"shift": 2, "flip": "alternate"}},
 "students": {
   "same": {"network": "mlp-4", "train": {"epochs": 3, "augment": {"shift": 2,
       "flip": "alternate"}}, "distill": {}},
   "other": {"network": "mlp-4", "train": {"epochs": 1, "augment": {"shift": 2, "flip": "random"}},
       "distill": {}},
   "still": {"network": "mlp-4", "train": {"epochs": 1}, "distill": {}}}}
JSON
    sed -i 's/"distill": {}/"distill": {"from": "teacher"}/' v.json
    kd-train-teacher v.json -q
    kd-soften v.json -q
    kd-train-student v.json -q --no-provenance
    cp -r runs/v/students from-views
    kd-train-student v.json -q --no-provenance --student same \
        -S runs/v/soft/s1/teacher.safetensors -o given
    cmp given/log.jsonl from-views/same/s1/log.jsonl
    rm -r runs/v/soft
    kd-train-student v.json -q --no-provenance
    cmp runs/v/students/other/s1/log.jsonl from-views/other/s1/log.jsonl
    cmp runs/v/students/still/s1/log.jsonl from-views/still/s1/log.jsonl
    run ! cmp -s runs/v/students/same/s1/log.jsonl from-views/same/s1/log.jsonl
}

@test "the experiments that come with kd can be read, and their networks be built" {
    for x in "$BATS_TEST_DIRNAME"/../../configs/*.json; do
        kd-train-teacher "$x" --list >teachers
        kd-train-student "$x" --list >students
        echo "$x: $(wc -l <teachers) teachers, $(wc -l <students) students"
        [ -s students ]
        if jq -e '.teacher or .extends' "$x" >/dev/null; then
            [ -s teachers ]
        else
            [ ! -s teachers ]
        fi
    done
    mkdir cifar10 # one image of each class, five times
    for b in 1 2 3 4 5; do
        for k in 0 1 2 3 4 5 6 7 8 9; do
            printf "\\x0$k"; head -c 3072 /dev/urandom
        done >cifar10/data_batch_$b.bin
    done
    for x in vgg19-cifar10 vgg-cifar10-short; do
        kd-train-student "$BATS_TEST_DIRNAME/../../configs/$x.json" --student plain --seed 1 \
            --data-dir . -o s.safetensors \
            --set data.validation=10 --set data.fraction=1 --set students.plain.train.epochs=2 \
            2>said >/dev/null
        grep -q '^total  *-  *114,186  *10,342,400$' said
    done
    kd-train-teacher "$BATS_TEST_DIRNAME/../../configs/cifarnet-cifar10.json" --seed 1 \
        --data-dir . -o t.safetensors \
        --set teacher.train.epochs=1 2>said >/dev/null
    grep -q '^total  *-  *1,972,768  *118,147,360$' said
}

@test "without labels: alpha 1 alone, and the labels are not looked at" {
    refused 2 "unlabelled" "alpha" -- train --unlabelled -S soft.safetensors -o kept
    train --unlabelled -S soft.safetensors -a 1 --no-provenance -o a
    jq -e '.train.hard == null and .train.top1 == null and .train.loss == .train.soft' a/log.jsonl
    cp -rL set other
    dd if=/dev/zero of=other/train-labels-idx1-ubyte bs=1 seek=8 count=100 conv=notrunc status=none
    kd-train-student --data idx:other --layers 8 --epochs 1 -q --unlabelled -S soft.safetensors \
        -a 1 -o b
    [ "$(kd-eval a --json --data idx:set:test | jq .nll)" = \
        "$(kd-eval b --json --data idx:set:test | jq .nll)" ]
}

long="--data digits --layers 64 --epochs 40 --validation 500 --no-provenance --quiet"
# stopped SIGNAL: a training whose log has two lines gets SIGNAL; its exit status is in $stopped
stopped() {
    local attempt
    for attempt in 1 2 3; do
        rm -rf cut
        set -m # so that a job in the background does not ignore SIGINT
        kd-train-teacher $long -o cut &
        set +m
        wait_for [ -s cut/log.jsonl ]
        kill -s "$1" $!
        stopped=0
        wait $! || stopped=$?
        if [ "$stopped" -ne 0 ]; then return 0; fi # else it was through before the signal came
    done
}

@test "SIGINT and SIGTERM: a checkpoint, 130 or 143; resumed, the same bits" {
    kd-train-teacher $long -o whole
    for signal in $(signals INT TERM); do
        stopped $signal
        [ "$stopped" -eq "$([ $signal = INT ] && echo 130 || echo 143)" ]
        [[ $(ls -A cut | xargs) =~ \
            ^(checkpoint.previous.safetensors )?checkpoint.safetensors\ log.jsonl$ ]]
        jq -es . cut/log.jsonl >/dev/null
        [ "$(wc -l <cut/log.jsonl)" -lt 40 ]
        [ "$(kd-eval cut --json | jq .n)" -eq 5000 ]
        kd-train-teacher $long -o cut --resume --threads 1
        diff -r whole cut
    done
}

@test "--resume refuses another configuration, and starts afresh where there is no checkpoint" {
    stopped TERM
    mkdir kept && cp cut/* kept
    refused 1 "kept/checkpoint.safetensors: it belongs to another training" \
        "train.learning_rate is 0.001 there and 0.5 here" "--update or --overwrite" -- \
        kd-train-teacher $long --resume -o kept --learning-rate 0.5
    refused 1 "kept/checkpoint.safetensors" -- kd-train-teacher $long --resume -o kept --seed 2
    rm -f kept/checkpoint.previous.safetensors
    head -c 2000 cut/checkpoint.safetensors >kept/checkpoint.safetensors
    refused 1 "kept/checkpoint.safetensors: cut short" -- kd-train-teacher $long --resume -o kept
    train --resume -o new
    [ -f new/model.safetensors ]
}

@test "a training that runs: its checkpoint is evaluated, softened and learnt from" {
    set -m
    kd-train-teacher --data idx:set --layers 32 --epochs 1000000 --validation 40 \
        --checkpoint-every 100steps --quiet -o run &
    set +m
    wait_for [ -s run/checkpoint.safetensors ]
    kd-eval run --json >line
    kd-soften --model run/checkpoint.safetensors --data idx:set --quiet -o s
    kd-eval run --split validation --json | jq -e '.n == 40 and .split == "validation"'
    train -S s -o m
    kill -0 $! # it still runs
    kill -TERM $!
    wait $! || stopped=$?
    [ "$stopped" -eq 143 ]
    jq -e '.model == "run/checkpoint.safetensors" and .n == 100 and .top1 > 0.2' line
    [ "$(meta s kd.parents | jq length)" -eq 1 ]
}

@test "options that would be without effect are refused" {
    refused 2 "--temperature is for soft targets" "--teacher" -- train -T 4 -o kept
    refused 2 "--soft-targets or --teacher, not both" -- train -S soft.safetensors -t T -o kept
    refused 2 "--force is for a file of soft targets (--soft-targets), not for a --teacher" -- \
        train -t T --force -o kept
    refused 2 "--force is for soft targets" -- train --force -o kept
    refused 2 "--average is for several --teacher" -- train -S soft.safetensors \
        --average probabilities -o kept
    refused 2 "--from names a source" "--soft-targets" -- train -S soft.safetensors --from T -o kept
    refused 2 "--from names a source" "--teacher" -- train -t T --from T -o kept
    refused 2 "--layers names a network" "--network" -- train --network mlp-4 --layers 4 -o kept
    for program in teacher student; do
        refused 2 "--fill says what comes in where images are moved" "goes with --shift" -- \
            kd-train-$program --data idx:set --layers 4 --fill reflect -o kept
    done
    train --shift 1 --fill reflect -o filled
    refused 2 "--ready goes with --list" -- kd-train-student x.json --ready
    refused 2 "--list needs an experiment" -- kd-train-student --list
    refused 2 "--output takes one model" "14 trainings" "--student" -- kd-train-student x.json \
        -o kept
    refused 2 "--output takes one model" "2 trainings" "--seed" -- kd-train-teacher x.json -o kept
    refused 2 "did you mean --network" -- train --netwrok mlp-4 -o kept
}

@test "an experiment is looked at whole before anything is trained: teachers, networks, shapes" {
    cat >whole.json <<'JSON'
{"name": "whole", "data": {"source": "digits"}, "teacher": {"network": "mlp-8",
    "train": {"epochs": 1}},
 "students": {"plain": {"network": "mlp-4"}, "kd": {"network": "mlp-4",
     "distill": {"from": "teacher"}}}}
JSON
    run --separate-stderr kd-train-teacher whole.json -q --set students.kd.distill.from=teecher
    [ "$status" -eq 2 ]
    [[ "$stderr" == *'students.kd: distill.from: "teecher" is neither a student nor the teacher'* ]]
    run --separate-stderr kd-train-teacher whole.json -q --set students.kd.network=mpl-4
    [ "$status" -eq 2 ]
    [[ "$stderr" == *'students.kd: unknown network "mpl-4"'* ]]
    run --separate-stderr kd-train-teacher whole.json -q \
        --set 'students.kd.network=[{"kind": "conv2d", "filters": 2, "kernel": 50}, "flatten",
        "dense"]'
    [ "$status" -eq 2 ]
    [[ "$stderr" == *'students.kd: network[0] (conv2d): its input is 1x28x28'* ]]
    [ ! -e runs/whole/teacher ]
}

@test "a model that was made otherwise stays, unless the command says that it may go" {
    train --seed 1 -o kept >/dev/null
    first=$(cksum kept/model.safetensors)
    refused 1 "kept/model.safetensors: is there and was made otherwise" \
        "train.learning_rate is 0.001 there and 0.01 here" "--resume" "--update" "--overwrite" -- \
        train -l 0.01 -o kept
    refused 1 "seed is 1 there and 2 here" -- train --seed 2 -o kept
    refused 1 "made otherwise" -- train --seed 2 --resume -o kept
    train --seed 1 -o kept >/dev/null # the same again is no loss
    run --separate-stderr kd-train-student --data idx:set --layers 8 --epochs 1 --resume -o kept
    [[ $status -eq 0 && -z $output && $stderr == *"its training has ended"* ]]
    train -l 0.01 --overwrite -o kept >/dev/null
    [ "$(config kept/model.safetensors .train.learning_rate)" = 0.01 ]
    train -l 0.02 --update -o kept >/dev/null
    [ "$(config kept/model.safetensors .train.learning_rate)" = 0.02 ]
    echo "no model" >kept/model.safetensors
    refused 1 "it cannot be read as a model" -- train -o kept
}

@test "what is made on the spot is numbered, and runs/latest names the last" {
    [ "$(train)" = runs/quick/model.safetensors ]
    [ "$(train --seed 2)" = runs/quick-2/model.safetensors ]
    [ "$(readlink runs/latest)" = quick-2 ]
    [ "$(train)" = runs/quick/model.safetensors ] # made so already
    [ "$(readlink runs/latest)" = quick ]
    [ "$(train --seed 3)" = runs/quick-3/model.safetensors ]
    [ "$(kd-eval runs/latest --json | jq -r .fingerprint)" = \
        "$(kd-eval runs/quick-3 --json | jq -r .fingerprint)" ]
    [ "$(kd-train-teacher --data idx:set --layers 4 -e 1 -q)" = \
        runs/quick/teacher/s1/model.safetensors ]
    [ "$(kd-train-teacher --data idx:set --layers 5 -e 1 -q)" = \
        runs/quick-2/teacher/s1/model.safetensors ]
    [ "$(train --seed 2 --overwrite)" = runs/quick/model.safetensors ]
    # the newest run goes by its own name
    [[ $(kd-report --log --last) == *"(runs/quick)"* ]]
}

@test "--resume with more epochs goes on where the schedule does not depend on their number" {
    flags="--data idx:set --layers 8 --quiet --checkpoint-every 1epoch --no-provenance"
    for schedule in constant cosine; do
        set -m
        kd-train-student $flags --schedule $schedule --epochs 100000 -o "$schedule" &
        set +m
        wait_for [ -s "$schedule/checkpoint.safetensors" ]
        kill -TERM $!
        wait $! || true
    done
    epoch=$(wc -l <constant/log.jsonl)
    set -m
    kd-train-student $flags --schedule constant --epochs 200000 --resume -o constant &
    set +m
    wait_for eval '[ "$(wc -l <constant/log.jsonl)" -gt "$epoch" ]'
    kill -TERM $!
    wait $! || true
    [ "$(jq -s 'map(.epoch) == [range(1; length + 1)]' constant/log.jsonl)" = true ]
    mkdir kept && cp cosine/* kept
    refused 1 "train.epochs is 100000 there and 200000 here" -- \
        kd-train-student $flags --schedule cosine --epochs 200000 --resume -o kept
}

@test "--resume with more epochs refuses other soft targets of the same teacher" {
    for views in 1 2; do
        kd-soften --model T --data idx:set -q --views $views --shift 1 -o soft$views >/dev/null
    done
    flags="--data idx:set --layers 8 --shift 1 --quiet --checkpoint-every 1epoch"
    flags="$flags --schedule constant"
    set -m
    kd-train-student $flags -S soft1 --epochs 100000 -o kept &
    set +m
    wait_for [ -s kept/checkpoint.safetensors ]
    kill -TERM $!
    wait $! || true
    refused 1 "its soft targets are others" -- \
        kd-train-student $flags -S soft2 --epochs 200000 --resume -o kept
}

@test "--network ? lists the networks known by name, with their sizes; a mistyped one is guessed" {
    run --separate-stderr kd-train-teacher --network '?'
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    grep -Eq '^resnet8_tiny +78186 +[0-9]+  MLPerf' <<<"$output"
    grep -Eq '^network +parameters +multiply-adds' <<<"$output"
    run --separate-stderr kd-train-student --network resnet21 --data digits -q -o x
    [ "$status" -eq 2 ]
    [[ "$stderr" == *'unknown network "resnet21"; did you mean resnet20?'*"--network '?'"* ]]
    kd-train-teacher -q --data digits --network mobilenet_v2-0.1 --epochs 1 --fraction 0.02 -o m
    kd-eval m/model.safetensors --data digits:test -q >/dev/null
}

@test "train.init: the teacher, another student or a file; what does not fit is told" {
    echo '{"name": "f", "data": {"source": "idx:set"},
        "teacher": {"network": "mlp-9-7", "train": {"epochs": 1}},
        "students": {"late": {"network": "mlp-9-8", "train": {"epochs": 1, "init": "early"}},
            "early": {"network": "mlp-9-7", "train": {"epochs": 1, "init": "teacher",
                "freeze": "1.*", "rates": {"*.bias": 2}}}}}' >f.json
    refused 1 "runs/f/teacher/s1/model.safetensors: not there yet; train it with" -- \
        kd-train-student f.json -q --student early
    kd-train-teacher f.json -q
    run --separate-stderr kd-train-student f.json
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = runs/f/students/early/s1/model.safetensors ]
    grep -q "all 6 arrays start as in runs/f/teacher/s1/model.safetensors" <<<"$stderr"
    grep -q "3 of 6 arrays start as in runs/f/students/early/s1/model.safetensors; not 3.weight$(
    ) (7x9 there, 8x9 here), 3.bias (7 there, 8 here), 5.weight (10x7 there, 10x8 here)" \
        <<<"$stderr"
    [ "$(meta runs/f/students/early/s1/model.safetensors kd.parents | jq -r '.[0]')" = \
        "$(kd-show runs/f/teacher/s1 --json | jq -r .fingerprint)" ]
    meta runs/f/students/early/s1/model.safetensors kd.config |
        jq -e '.train | .init == "teacher" and .freeze == ["1.*"] and .rates == {"*.bias": 2}'
    silent kd-train-student f.json -q --update
    kd-train-teacher f.json -q --overwrite --set teacher.train.epochs=2
    [ "$(kd-train-student f.json -q --update --student early | wc -l)" -eq 1 ]
    kd-plan f.json | grep -q '^runs/f/students/late/s1.*: f.json runs/f/students/early/s1/model'
    # stopped and resumed is the same: what it began with, and what is frozen, are found again
    set -- kd-train-student --data idx:set --network mlp-9-7 -e 12 -q --init runs/f/teacher/s1 \
        --freeze '1.*' --rates '{"*.bias": 2}' --no-provenance
    "$@" -o whole
    "$@" -o part --checkpoint-every 1steps 3>&- &
    wait_for test -s part/checkpoint.safetensors
    kill -TERM $!
    wait $! || true
    [ -s part/checkpoint.safetensors ]
    "$@" -o part --checkpoint-every 1steps --resume
    [ "$(kd-show whole --json | jq -r .fingerprint)" = \
        "$(kd-show part --json | jq -r .fingerprint)" ]
    # without an experiment, and by a folder
    kd-train-student --data idx:set --network mlp-9-7 -e 1 -q --init runs/f/teacher/s1 -o s
    refused 2 'train.init: there is no file "nowhere"' -- \
        kd-train-student --data idx:set --layers 4 -e 1 -q --init nowhere -o kept
    refused 2 'train.freeze: "7.*" matches no parameter of the network: 1.weight' -- \
        kd-train-student --data idx:set --layers 4 -e 1 -q --freeze '7.*' -o kept
    refused 1 "train.init: nothing in" "fits this network by name and shape" -- \
        kd-train-student --data idx:set --layers 4 -e 1 -q --init runs/f/teacher/s1 -o kept
    [ ! -e kept ]
}
