#!/usr/bin/env bats
# kd-plan: an experiment's steps as a makefile that make runs, a script that Slurm runs, and JSON.
bats_require_minimum_version 1.5.0
load small.bash

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    small_set
    cat >x.json <<'EOF'
{"name": "x", "seeds": 2, "data": {"source": "idx:set", "validation": 40},
 "teacher": {"network": "mlp-16", "train": {"epochs": 1}},
 "students": {
   "late": {"network": "mlp-4", "train": {"epochs": 1}, "distill": {"from": "kd,alpha=0.5"}},
   "kd": {"network": "mlp-4", "train": {"epochs": 1}, "distill": {},
          "sweep": {"distill.alpha": [0.5, 1]}},
   "moved": {"network": "mlp-4", "train": {"epochs": 1, "augment": {"shift": 1}}, "distill": {}},
   "bare": {"network": "mlp-4", "train": {"epochs": 1}, "data": {"omit": [3]}, "distill": {}},
   "fixed": {"correct": {"of": "bare", "classes": [3]}}}}
EOF
}

setup() { cd "$BATS_FILE_TMPDIR"; }

# steps FILTER: of the plan as JSON
steps() { kd-plan x.json --json | jq -r ".steps[] | $1"; }

@test "every step names what it reads, what it writes, and what comes before it" {
    [ "$(steps .what | sort | uniq -c | awk '{printf "%s%s ", $1, $2}')" = \
        "1evaluate 1report 2soften 12train-student 2train-teacher " ]
    [ "$(steps 'select(.name == "kd,alpha=0.5" and .seed == 2) | .inputs | join(" ")')" = \
        "x.json runs/x/teacher/s2/model.safetensors runs/x/soft/s2/teacher.safetensors" ]
    # recorded soft targets are of no use to one that sees other pixels
    [ "$(steps 'select(.name == "moved" and .seed == 1) | .inputs | join(" ")')" = \
        "x.json runs/x/teacher/s1/model.safetensors" ]
    [ "$(steps 'select(.name == "late" and .seed == 1) | .inputs | join(" ")')" = \
        "x.json runs/x/students/kd,alpha=0.5/s1/model.safetensors" ]
    steps 'select(.name == "fixed" and .seed == 1) | .inputs[]' >inputs
    grep -qx runs/x/students/bare/s1/model.safetensors inputs
    [ "$(steps 'select(.what == "report") | .outputs[]')" = runs/x/report/report.html ]
    # levels rise, and needs point back
    kd-plan x.json --json | jq -e '.steps as $s |
        all(.steps[]; . as $t | all(.needs[]; . < $t.step and $s[.].level < $t.level))'
    # what the commands print as their work is what the plan has
    [ "$(steps 'select(.what == "train-student") | "--student \(.name) --seed \(.seed)"' | sort)" \
        = \
        "$(kd-train-student x.json --list | sort)" ]
}

@test "the commands carry what the plan was asked for" {
    kd-plan x.json --set teacher.train.epochs=2 --runs 'other runs' --threads 1 --seed 2 --json >p
    jq -e '[.steps[] | .command | index("--set") and index("other runs")] | all' p
    jq -e '[.steps[] | select(.what != "report") | .command | index("--threads") and
        index("--seed")] | all' p
    [ "$(jq '[.steps[].seed] | unique | map(select(. != null)) | .[]' p)" = 2 ]
    kd-plan x.json --split validation | grep -q -- '--split validation'
}

@test "make runs the plan, two steps at once, and has nothing to do the second time" {
    kd-plan x.json --threads 1 -o x.mk
    make -f x.mk -j2 >log 2>&1 || { cat log; false; }
    [ -s runs/x/report/report.html ]
    [ "$(find runs/x -name model.safetensors | wc -l)" -eq 14 ]
    [ "$(find runs/x -name eval.json | wc -l)" -eq 14 ]
    run make -f x.mk -j2
    echo "$output"
    [[ $output != *kd-* ]]
    # a model that is gone is made again, and what hangs on it
    rm runs/x/students/bare/s1/model.safetensors
    make -f x.mk -j2 >log 2>&1
    grep -q -- 'kd-train-student.*--student bare --seed 1' log
    grep -q -- 'kd-train-student.*--student fixed --seed 1' log
    run ! grep -q -- '--student bare --seed 2' log
    [ -s runs/x/students/bare/s1/model.safetensors ]
}

@test "names that make reads in its own way" {
    cat >'odd name.json' <<'EOF'
{"name": "a $b #c: 50%", "data": {"source": "idx:set"},
 "students": {"x": {"network": "mlp-4", "train": {"epochs": 1},
   "sweep": {"train.schedule": ["constant", {"kind": "step"}]}}}}
EOF
    refused 2 'make has no way to write this name' -- kd-plan 'odd name.json'
    refused 2 'train.schedul' 'did you mean' -- \
        kd-plan 'odd name.json' --set 'students.x.sweep={"train.schedul":["constant"]}'
    kd-plan 'odd name.json' --set 'students.x.sweep={"data.keep":[[1,2],[3,4,5]]}' -o odd.mk
    make -f odd.mk >log 2>&1 || { cat log; false; }
    [ -s 'runs/a $b #c: 50%/students/x,keep=[1,2]/s1/model.safetensors' ]
    run make -f odd.mk
    [[ $output != *kd-* ]]
}

# An sbatch that runs each array at once, the steps of one array one after the other.
fake_sbatch() {
    mkdir -p fake
    cat >fake/sbatch <<'EOF'
#!/bin/sh
n=0 wrap=
echo "$*" >>"$CALLS"
while [ $# -gt 0 ]; do
    case $1 in
    --array=*) range=${1#--array=} range=${range%%%*} ;;
    --wrap) wrap=$2; shift ;;
    esac
    shift
done
case $range in *-*) range=$(seq -s , "${range%-*}" "${range#*-}") ;; esac
for i in $(echo "$range" | tr , ' '); do
    SLURM_ARRAY_TASK_ID=$i sh -c "$wrap" >&2 || exit 1
done
echo "$(wc -l <"$CALLS");cluster"
EOF
    chmod +x fake/sbatch
    export CALLS=$PWD/calls PATH=$PWD/fake:$PATH
    : >calls
}

@test "Slurm gets job arrays that wait for those before them" {
    fake_sbatch
    kd-plan x.json --runs slurm --threads 1 --format slurm -o x.sh
    sh x.sh --mem=1G --partition=short >jobs
    cat calls jobs
    [ "$(find slurm/x -name model.safetensors | wc -l)" -eq 14 ]
    [ -s slurm/x/report/report.html ]
    [ "$(wc -l <jobs)" -eq "$(wc -l <calls)" ]
    [ "$(head -1 jobs)" = "1 train-teacher" ]
    [ "$(tail -1 jobs)" = "$(wc -l <jobs) report" ]
    [ "$(grep -c -- '--mem=1G --partition=short' calls)" -eq "$(wc -l <calls)" ]
    sed -n 1p calls | grep -v -- --dependency
    grep 'x-soften' calls | grep -q -- '--dependency=afterok:1 '
    # the same models as by make
    cmp runs/x/students/late/s2/model.safetensors slurm/x/students/late/s2/model.safetensors ||
        [ "$(kd-eval runs/x/students/late/s2 --json | jq -r .fingerprint)" = \
            "$(kd-eval slurm/x/students/late/s2 --json | jq -r .fingerprint)" ]
    # again: everything is passed over
    before=$(cksum slurm/x/*/*/*/model.safetensors)
    sh x.sh >jobs
    [ "$(cksum slurm/x/*/*/*/model.safetensors)" = "$before" ]
}

@test "Slurm is not given what is done, and waits for what it has already" {
    fake_sbatch
    kd-plan x.json --runs slurm --threads 1 --format slurm -o x.sh
    [ "$(sh x.sh folder)" = slurm/x ]
    sh x.sh list >list
    [ "$(wc -l <list)" -eq "$(kd-plan x.json --json | jq '.steps | length')" ]
    # every step that one needs stands before it, and the model is named as --list names it
    awk -F '\t' '{ n = split($3, needs, " ")
        for (i = 1; i <= n; i++) if (needs[i] >= $1) exit 1 }' list
    [ "$(awk -F '\t' '$2 == "train-student" { print $5 }' list | sort)" = \
        "$(kd-train-student x.json --list | sort)" ]
    # teachers are steps 0 and 1; of the next array only one is left
    KD_AT_ONCE=4 KD_STEPS="0=- 1=17_1 4=-" sh x.sh >jobs
    run ! grep train-teacher jobs
    grep -- '-soften.*--array=0,1%4 ' calls | grep -q -- '--dependency=afterok:17_1 '
    grep -- 'x-train-student.*x.sh 4 ' calls | grep -q -- '--array=1%4 '
}

@test "many steps are cut into arrays that Slurm takes" {
    kd-plan x.json --set 'seeds=1100' --format slurm -o many.sh
    [ "$(grep -c '^submit job[0-9]* train-teacher' many.sh)" -eq 2 ]
    sh -n many.sh
}

@test "what is wrong is said before any step" {
    refused 2 "students.x: unknown key" "network" -- \
        kd-plan <(echo '{"students":{"x":{"netwrk":"mlp-4"}}}')
    echo '{"students":{"x":{"network":"mlp-4","train":{"epochs":1,"schedule":{"warmup":1}}}}}' \
        >bad.json
    refused 2 "students.x" "warmup" -- kd-plan bad.json
    echo '{"name":"none"}' >none.json
    refused 2 "none.json: it has no teacher and no students" -- kd-plan none.json
    refused 2 "the steps of a plan read the experiment again; give a file" -- kd-plan -
    refused 1 "gone.json" -- kd-plan gone.json
    refused 2 "--format=slrm" "slurm" -- kd-plan x.json --format slrm
    refused 2 "an argument is missing" -- kd-plan
}
