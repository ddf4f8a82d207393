#!/usr/bin/env bats
# What people type out of habit is answered with the word that they need.
bats_require_minimum_version 1.5.0

setup() {
    unset OPENBLAS_CORETYPE
    cd "$BATS_TEST_TMPDIR"
}

# answer STATUS TEXT -- COMMAND...: it ends so, and its one line ends with the text
answer() {
    local wanted=$1 text=$2
    shift 3
    run --separate-stderr "$@"
    [ "$status" -eq "$wanted" ] && [[ "$stderr" == *"$text" ]] && [ "${#stderr_lines[@]}" -eq 1 ] ||
        { echo "$* -> $status: $stderr" >&2; false; }
}

@test "names of options from elsewhere" {
    answer 2 "did you mean --learning-rate?" -- kd-train-teacher --lr 0.1
    answer 2 "did you mean --batch?" -- kd-train-student --bs 64
    answer 2 "did you mean --batch?" -- kd-train-student --batch_size 64
    answer 2 "did you mean --weight-decay?" -- kd-train-student --wd 1
    answer 2 "did you mean --network?" -- kd-train-teacher --arch resnet18
    answer 2 "did you mean --temperature?" -- kd-train-student --tau 4
    answer 2 "did you mean --data?" -- kd-soften --dataset mnist
    answer 2 "did you mean --threads?" -- kd-eval --workers 2
    answer 2 "did you mean --workbook?" -- kd-report --excel
    for p in kd-train-teacher kd-eval kd-data; do
        answer 2 "kd works on the processor; --threads N says on how many of its cores" -- \
            "$p" --gpu 0
    done
    answer 2 "did you mean --epochs?" -- kd-train-teacher --epoch 3 # a slip, as before
}

@test "names of keys from elsewhere" {
    echo '{"name": "x", "data": {"source": "digits"}, "teacher": {"train": {"lr": 1}}}' >x.json
    answer 2 "teacher.train.lr: no such key; did you mean learning_rate?" -- \
        kd-train-teacher x.json
    echo '{"name": "x", "data": {"source": "digits"}, "teacher": {"train": {"batch_size": 1}}}' \
        >x.json
    answer 2 "did you mean batch?" -- kd-train-teacher x.json
    echo '{"name": "x", "lr": 1, "data": {"source": "digits"}, "teacher": {}}' >x.json
    answer 2 'unknown key "lr"; it is train.learning_rate of the teacher or of a student' -- \
        kd-train-teacher x.json
    sed -i 's/"lr"/"temperature"/' x.json
    answer 2 "it is distill.temperature of the teacher or of a student" -- kd-train-teacher x.json
}

@test "the beginning of a key, and an experiment by its name with --set" {
    answer 2 "distill.loss.temp: no such key; did you mean temperature?" -- kd-train-student \
        --data digits --network mlp-8 -S soft --loss '{"kind":"kl","temp":4}'
    answer 2 "did you mean \"dkd\"? --loss '?' lists them" -- kd-train-student \
        --data digits --network mlp-8 -S soft --loss crd
    # with a setting the experiment is still one: what is missing is its run
    answer 1 "no such run; name a folder such as runs/digits" -- kd-report lesson --set name=nolab
}

@test "run_all.sh takes an experiment and --set, and does nothing where it gets more" {
    run_all=$BATS_TEST_DIRNAME/../../scripts/run_all.sh
    answer 2 "kd help formats\` has the keys" -- "$run_all" x.json --network '?'
    answer 2 "kd help formats\` has the keys" -- "$run_all" --layers 50
    answer 2 "--set: KEY=VALUE is missing behind it" -- "$run_all" x.json --set
}

@test "a file that is something else is told what it is" {
    printf '// what a device runs\nint x;\n' >net.c
    answer 1 'net.c: not a safetensors file: it is text that begins with "// what a device runs"' \
        -- kd-show net.c
}

@test "commands that are there under another name" {
    answer 2 "train: no such command; did you mean train-teacher or train-student?" -- kd train
    answer 2 "did you mean train-student?" -- kd distill
    answer 2 "did you mean eval?" -- kd test
    answer 2 "did you mean report?" -- kd repot
}

@test "files of nearly that name" {
    mkdir -p configs runs/digits
    touch configs/digits.json configs/mnist.json teacher.safetensors
    answer 1 "did you mean configs/digits.json?" -- kd-train-teacher configs/digit.json
    answer 1 "did you mean runs/digits?" -- kd-report run/digits
    answer 1 "did you mean teacher.safetensors?" -- kd-eval teachr.safetensors
    answer 1 "there is no such file" -- kd-eval nothing-like-it
}

@test "JSON as other formats write it" {
    say() { printf '%s\n' "$1" >x.json; }
    say '{"name": "x", // the name'
    answer 1 "line 1, column 15: a comment; JSON has none, so take it out" -- kd-train-teacher \
        x.json
    say '{"name": "x", # the name'
    answer 1 "a comment; JSON has none, so take it out" -- kd-train-teacher x.json
    say "{'name': 'x'}"
    answer 1 "a single quote; JSON puts text in double quotes" -- kd-train-teacher x.json
    say 'name: x'
    answer 1 'this looks like YAML; kd reads JSON: {"key": value, ...}' -- kd-train-teacher x.json
    say '- x'
    answer 1 'this looks like YAML; kd reads JSON: {"key": value, ...}' -- kd-train-teacher x.json
    say '--- x'
    answer 1 'this looks like YAML; kd reads JSON: {"key": value, ...}' -- kd-train-teacher x.json
}

# Four typical mistakes for each program, each with the word that helps at the end of its answer.
made() { # a run of a folder of pictures, to make mistakes with
    kd-data convert digits:train --fraction 0.01 --to png -o d -q >/dev/null
    jq -n '{name: "x", data: {source: "images:d", test: "images:d:train"},
        teacher: {network: "mlp-4", train: {epochs: 1}},
        students: {kd: {network: "mlp-4", train: {epochs: 1},
        distill: {from: "teacher"}}}}' >x.json
    kd-train-teacher x.json -q >/dev/null
    M=runs/x/teacher/s1
}

@test "mistakes with kd and with the trainings" {
    made
    answer 2 "did you mean train-teacher or train-student?" -- kd trian
    answer 2 "did you mean eval?" -- kd evaluate
    answer 2 "did you mean show?" -- kd shw
    answer 2 "kd --help lists the commands" -- kd --data digits
    answer 2 "students, and what teaches them, are for kd-train-student" -- \
        kd-train-teacher x.json --student kd
    answer 2 "say what it is: images:d" -- kd-train-teacher --data d --layers 8
    answer 2 "expected a whole number from 1 to 1000000" -- kd-train-teacher x.json --epochs ten
    answer 2 "its experiment is runs/x/experiment.json" -- kd-train-teacher runs/x
    answer 2 'has no student "KD"; --list prints them' -- kd-train-student x.json --student KD
    answer 2 "expected a number from 0 to 1" -- kd-train-student x.json --alpha 1.5
    answer 1 "experiments are given without an option" -- \
        kd-train-student --teacher x.json --data images:d --layers 4
    answer 2 "or --teacher (kd-train-student)" -- kd-train-student $M
}

@test "mistakes with what asks a model" {
    made
    answer 2 "a model is named with --model (kd-soften) or --teacher (kd-train-student)" -- \
        kd-soften $M
    answer 2 "--output FILE (or - for a pipe)" -- kd-soften -m $M -d images:d
    answer 2 "use --data mnist:train or an experiment" -- kd-soften -m $M -o s
    answer 2 "logits serve every temperature, which kd-train-student is told" -- \
        kd-soften -m $M -d images:d --temperature 4 -o s
    answer 1 "name one of its models, as runs/x/teacher/s1" -- kd-eval runs/x
    answer 2 "expected test, train or validation" -- kd-eval $M --split val
    answer 1 "experiments are given without an option" -- kd-eval x.json
    answer 2 "or --experiment" -- kd-eval
    answer 2 "the model comes first: kd-predict $M d" -- kd-predict d $M
    answer 2 "did you mean --top?" -- kd-predict $M d --topk 3
    answer 2 "usage: kd-predict [OPTION]... MODEL IMAGE..." -- kd-predict $M
    answer 1 "as runs/x/teacher/s1" -- kd-predict runs/x d
    answer 2 "usage: kd-show [OPTION]... FILE..." -- kd-show
    answer 1 "did you mean x.json?" -- kd-show y.json
    answer 2 "did you mean --json?" -- kd-show $M --jsn
    answer 1 "no safetensors data received" -- kd-show /dev/null
}

@test "mistakes with what makes other models of a model" {
    made
    answer 2 "--output PATH (or - for a pipe)" -- kd-correct $M
    answer 2 "did you mean balanced?" -- kd-correct $M --by balance -o c
    answer 1 "experiments are given without an option" -- kd-correct x.json -o c
    answer 2 "usage: kd-correct [OPTION]... MODEL" -- kd-correct
    answer 2 "8 bits, the one width that there is" -- kd-quantize $M --bits 4 -o q
    answer 2 "did you mean --calibrate?" -- kd-quantize $M --data images:d -o q
    answer 2 "--output PATH (or - for a pipe)" -- kd-quantize $M
    answer 1 "as runs/x/teacher/s1" -- kd-quantize runs/x -o q
    answer 2 "give a folder, or FOLDER/NAME.c" -- kd-export $M -o model.tflite
    answer 2 "look at the size with --plan" -- kd-export $M
    answer 2 "expected bytes, as 65536, 64K or 1M" -- kd-export $M --ram 16KB -o e
    answer 1 "as runs/x/teacher/s1" -- kd-export runs/x -o e
    answer 2 "usage: kd-import [OPTION]... FILE" -- kd-import
    answer 1 "there is no such file" -- kd-import nothing.pt -o i
    answer 2 "a state_dict has no network; give --network and --shape" -- \
        kd-import $M/model.safetensors -o i
    answer 1 "experiments are given without an option" -- kd-import x.json -o i --network mlp-4 \
        --shape 1x28x28
}

@test "mistakes with reports, plans and data" {
    made
    answer 2 "name its folder, as runs/digits, or give --last" -- kd-report
    run --separate-stderr kd-report runs/x --sort accuracy
    [[ "$stderr" == *'no column "accuracy"; there are run, name,'*", top1,"* ]]
    answer 2 "did you mean --charts?" -- kd-report runs/x --plots
    answer 2 "latex, charts, page or workbook" -- kd-report runs/x --format pdf
    answer 2 "its experiment is runs/x/experiment.json" -- kd-plan runs/x
    answer 2 "did you mean --format?" -- kd-plan x.json --to slurm
    answer 2 "did you mean slurm?" -- kd-plan x.json --format slrm
    answer 2 "usage: kd-plan [OPTION]... EXPERIMENT" -- kd-plan
    answer 2 "did you mean 'inspect'?; jobs are inspect, convert, sheet and views" -- \
        kd-data info digits
    answer 2 "did you mean 'convert'?; jobs are inspect, convert, sheet and views" -- \
        kd-data export digits
    answer 2 "SOURCE..." -- kd-data digits
    answer 2 "say what it is: images:d" -- kd-data inspect d
}
