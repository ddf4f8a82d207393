#!/usr/bin/env bats
# alone: Slurm's programs count the processors as theirs
# run_all.sh --on slurm, on a cluster of one node with two processors: munge, slurmctld and slurmd
# that this file starts for itself on loopback, with configuration, ports and socket of their own.
bats_require_minimum_version 1.5.0
load small.bash

# Each ends by itself after half an hour, should nobody end it.
begin() {
    timeout 1800 "$@" >>daemons.log 2>&1 3>&- &
    echo "$!" >>pids
}
cluster() {
    local d=$PWD port=$((20000 + $$ % 20000)) host
    host=$(hostname -s)
    mkdir -m 700 munge state spool
    head -c 1024 /dev/urandom >munge/key
    chmod 400 munge/key
    cat >slurm.conf <<EOF
ClusterName=kd
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$port
SlurmdPort=$((port + 1))
AuthType=auth/munge
AuthInfo=socket=$d/munge/socket
SlurmUser=root
StateSaveLocation=$d/state
SlurmdSpoolDir=$d/spool
SlurmctldPidFile=$d/slurmctld.pid
SlurmdPidFile=$d/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0
ReturnToService=2
KillWait=5
NodeName=$host NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
EOF
    export SLURM_CONF=$d/slurm.conf
    begin munged --foreground --force --key-file="$d/munge/key" --socket="$d/munge/socket" \
        --pid-file="$d/munge/pid" --log-file="$d/munge/log" --seed-file="$d/munge/seed"
    wait_for test -S munge/socket
    begin slurmctld -D -c -f "$SLURM_CONF"
    begin slurmd -D -f "$SLURM_CONF"
    wait_for node_is idle
}
node_is() { [ "$(sinfo -h -o %T 2>/dev/null)" = "$1" ]; }

why_not() {
    local program
    for program in munged slurmctld slurmd sbatch; do
        command -v "$program" >/dev/null ||
            { echo "$program is not installed (slurm-wlm, munge)"; return; }
    done
    [ "$(id -u)" = 0 ] || { echo "slurmd needs root"; return; }
    [ "$BIN" = "$top/bin" ] || echo "run_all.sh runs what is in bin"
}
setup_file() {
    export top="$BATS_TEST_DIRNAME/../.."
    top=$(cd "$top" && pwd)
    cd "$BATS_FILE_TMPDIR"
    [ -z "$(why_not)" ] || return 0
    cluster
    small_set
    cat >x.json <<'EOF'
{"name": "x", "seeds": 2, "data": {"source": "idx:set", "validation": 40},
 "teacher": {"network": "mlp-16", "train": {"epochs": 2}},
 "students": {
   "plain": {"network": "mlp-4", "train": {"epochs": 2}},
   "kd": {"network": "mlp-4", "train": {"epochs": 2}, "distill": {}},
   "late": {"network": "mlp-4", "train": {"epochs": 2}, "distill": {"from": "kd"}}}}
EOF
}
teardown_file() {
    cd "$BATS_FILE_TMPDIR"
    [ -e pids ] || return 0
    SLURM_CONF=$PWD/slurm.conf scancel -u "$(id -un)" || true
    SLURM_CONF=$PWD/slurm.conf wait_for nothing_left || true
    kill $(tac pids) || true
}
setup() {
    local why
    why=$(why_not)
    [ -z "$why" ] || skip "$why"
    unset OPENBLAS_CORETYPE KD_DATA
    export SLURM_CONF=$BATS_FILE_TMPDIR/slurm.conf KD_SETUP=no
    cd "$BATS_FILE_TMPDIR"
}
run_all() { timeout "${LONGEST:-300}" "$top/scripts/run_all.sh" "$@" 3>&-; }
nothing_left() { [ -z "$(squeue -h)" ]; }
# What a report says without what was measured in seconds.
figures() { kd-report "${2:-x.json}" --runs "$1" --csv --columns name,top1,errors,valid_top1,nll; }
models() { (cd "$1/${2:-x}" && find . -name model.safetensors | sort | xargs -n 1 kd-eval --json |
    jq -r '[.parameters, .fingerprint] | join(" ")'); }

@test "the same models and report as on one machine" {
    run_all x.json --on slurm >table 2>said || { cat said slurmctld.log; false; }
    RUNS=here run_all x.json >here.table 2>here.said
    [ "$(models runs)" = "$(models here)" ]
    [ "$(models runs | wc -l)" -eq 8 ]
    figures runs >a
    figures here >b
    diff a b
    [ -s runs/x/report/report.html ]
    # up to where times are told
    diff <(sed '/^ *model.*ms an image/,$d' table) <(sed '/^ *model.*ms an image/,$d' here.table)
    [ "$(grep -c ' job [0-9]*: ' said)" -eq 7 ]
    [ "$(ls runs/x/slurm/*.log | wc -l)" -eq 12 ]
}

@test "a second call submits nothing, and one after a change what it touches" {
    run_all x.json --on slurm >again 2>said
    diff table again
    [ ! -s said ]
    run_all x.json --on slurm --set students.plain.train.epochs=3 >again 2>said
    grep -q 'job [0-9]*: train-student' said
    [ "$(grep -c 'job [0-9]*: ' said)" -eq 3 ] # plain, evaluation, report
    [ "$(wc -l <runs/x/students/plain/s2/log.jsonl)" -eq 3 ]
}

@test "jobs go on without the one who follows them, and are not submitted twice" {
    local long="--set teacher.train.epochs=400 --set students.kd.train.epochs=400" before status=0
    RUNS=alone run_all x.json --on slurm $long >/dev/null 2>said &
    wait_for grep -q 'steps running' said
    before=$(squeue -h -r -o '%F_%K' | sort | head -n 3)
    kill -TERM "$(pgrep -P "$!" timeout)" # hands it on
    wait "$!" || status=$?
    [ "$status" -eq 143 ]
    grep -q 'the jobs go on.*scancel [0-9]' said
    [ -n "$before" ]
    RUNS=alone run_all x.json --on slurm $long >/dev/null 2>again
    run ! grep 'job [0-9]*: ' again
    [ "$(figures alone | wc -l)" -eq 5 ]
}

@test "scancel: told, and the next call goes on from checkpoints and submits what is missing" {
    local long="--set teacher.train.epochs=800" job status=0
    RUNS=cut run_all x.json --on slurm $long >/dev/null 2>said &
    wait_for grep -q 'steps running' said
    wait_for test -s cut/x/teacher/s1/log.jsonl
    wait_for test -s cut/x/teacher/s2/log.jsonl
    job=$(sed -n 's/.* job \([0-9]*\): train-teacher/\1/p' said)
    scancel "${job}_0" # one of two; plain students need neither
    wait "$!" || status=$?
    cat said
    [ "$status" -eq 1 ]
    grep -q 'not all steps have ended well; what they said is in cut/x/slurm' said
    [ ! -e cut/x/teacher/s1/model.safetensors ]
    [ -s cut/x/teacher/s2/model.safetensors ]
    [ ! -e cut/x/report ]
    RUNS=cut run_all x.json --on slurm $long >/dev/null 2>said
    [ "$(sed -n 's/.* job [0-9]*: //p' said | tr '\n' ' ')" = \
        "train-teacher soften train-student train-student evaluate report " ]
    RUNS=whole run_all x.json $long >/dev/null 2>&1
    [ "$(models cut)" = "$(models whole)" ]
}

@test "configs/digits.json: the report of one machine, through scancel and a second call" {
    local digits=$top/configs/digits.json status=0 LONGEST=1200
    [ -n "${WHOLE:-}" ] || skip "it takes minutes; WHOLE=yes runs it"
    RUNS=far run_all "$digits" --on slurm >/dev/null 2>said &
    wait_for test -s far/digits/teacher/s1/log.jsonl
    scancel "$(sed -n 's/.* job \([0-9]*\): train-teacher/\1/p' said)_0"
    wait "$!" || status=$?
    [ "$status" -eq 1 ]
    [ ! -e far/digits/teacher/s1/model.safetensors ]
    [ ! -e far/digits/report ]
    RUNS=far run_all "$digits" --on slurm >far.table 2>said || { cat said; false; }
    RUNS=near run_all "$digits" >near.table 2>said || { cat said; false; }
    [ "$(models far digits)" = "$(models near digits)" ]
    [ "$(models far digits | wc -l)" -eq 15 ]
    diff <(figures far "$digits") <(figures near "$digits")
    diff <(sed '/^ *model.*ms an image/,$d' far.table) \
        <(sed '/^ *model.*ms an image/,$d' near.table)
}

@test "--on elsewhere is refused, and where there is no Slurm it says so" {
    refused 2 '--on=cloud: expected local or slurm' -- run_all x.json --on cloud
    refused 2 '--on=: expected local or slurm' -- run_all x.json --on
    mkdir -p empty
    for p in sh dirname mkdir rm mktemp; do ln -sf "$(command -v "$p")" empty; done
    refused 1 'sbatch is not installed' '--on' -- env PATH="$PWD/empty" "$top/scripts/slurm.sh" x
}
