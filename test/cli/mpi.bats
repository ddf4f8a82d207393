#!/usr/bin/env bats
# alone: several ranks share the processors, and must still be running when they are killed
# One training by several processes that mpirun started: the same bytes as by one, one message where
# a rank fails, and stops that any other number of ranks goes on from.
bats_require_minimum_version 1.5.0
load small.bash

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    small_set
    kd-train-teacher --data idx:set --layers 16 --epochs 2 --quiet -o T >/dev/null
    kd-soften --model T --data idx:set --quiet -o soft.safetensors >/dev/null
}
setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    command -v mpirun >/dev/null || skip "mpirun is not installed (openmpi-bin)"
    [ -e "$BIN/libkdmpi.so" ] || skip "kd was built without MPI (libopenmpi-dev)"
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
    export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
    cd "$BATS_TEST_TMPDIR"
    for f in set T soft.safetensors; do ln -s "$BATS_FILE_TMPDIR/$f" .; done
}
# -q: of a rank that fails mpirun itself says nothing.
ranks() {
    local n=$1
    shift
    timeout 60 mpirun --oversubscribe -q -n "$n" "$@" 3>&-
}
# rank_of PID: the last rank of `ranks ... &`, whose child is timeout, whose child is mpirun
rank_of() { pgrep -P "$(pgrep -P "$(pgrep -P "$1" timeout)" mpirun)" kd-train | tail -1; }
teacher() { echo kd-train-teacher --data idx:set --shards 8 --batch 32 --threads 1 --quiet \
    --no-provenance --validation 40 "$@"; }
student() { echo kd-train-student --data idx:set --shards 8 --batch 32 --threads 1 --quiet \
    --no-provenance --validation 40 "$@"; }

# alike COMMAND...: gives the same files on 2, 3, 4 and 8 ranks as on one
alike() {
    local n
    "$@" -o one >/dev/null
    for n in 2 3 4 8; do
        ranks "$n" "$@" -o "on$n" >/dev/null
        diff -r one "on$n"
    done
}

# Two of its layers are so large that their gradients travel one after the other.
@test "the same model and log on any number of ranks: dense, dropout, clipping, augmentation" {
    cat >net.json <<'JSON'
["flatten", {"kind":"dense","units":300,"max_norm":2}, "relu", "dropout",
 {"kind":"dense","units":300}, "relu", {"kind":"dense"}]
JSON
    alike $(teacher --epochs 2 --shift 1 --clip-norm 1 --optimizer sgd --network net.json)
}

@test "the same with convolutions, batch norm in residual blocks, and averaged weights" {
    cat >net.json <<'JSON'
[{"kind":"conv2d","filters":8,"kernel":3}, "batchnorm", "relu",
 {"kind":"residual","body":[{"kind":"conv2d","filters":8,"kernel":3,"padding":1},"batchnorm"]},
 "relu", {"kind":"maxpool","kernel":2}, "flatten", {"kind":"dense"}]
JSON
    alike $(teacher --epochs 2 --ema-decay 0.9 --network net.json)
}

@test "the same for students, from stored targets and from a teacher at hand" {
    alike $(student --epochs 2 --layers 12 --soft-targets soft.safetensors --loss dist)
    rm -r on*
    alike $(student --epochs 2 --layers 12 --teacher T --shift 1)
}

@test "a mean teacher is the same on two ranks; what needs one process is refused there in a line" {
    set -- $(student --epochs 2 --layers 12 --from average --ema-decay 0.9)
    "$@" -o one >/dev/null
    ranks 2 "$@" -o two >/dev/null
    diff -r one two
    run --separate-stderr ranks 2 $(student --epochs 1 --layers 8 --from peer) -o p
    [ "$status" -eq 2 ]
    [ "${#stderr_lines[@]}" -eq 1 ]
    [[ "$stderr" == *"distill.from=peer"*"in one process; set it to 1, without mpirun"* ]]
}

@test "losses on layers are the same on any number of ranks, linear layers that learn along too" {
    local n
    cat >net.json <<'JSON'
[{"kind":"conv2d","filters":6,"kernel":3}, "relu", {"kind":"maxpool","kernel":4},
 {"kind":"conv2d","filters":5,"kernel":3}, "relu", "flatten", {"kind":"dense"}]
JSON
    kd-train-teacher --data idx:set --network net.json --epochs 1 --quiet -o C >/dev/null
    sed -i 's/"filters":6/"filters":4/' net.json
    set -- $(student --epochs 1 --network net.json --teacher C) \
        --loss '[{"kind":"fitnet","student":0.5,"teacher":0.5},"at","sp","rkd"]'
    "$@" -o one >/dev/null
    for n in 3 8; do
        ranks "$n" "$@" -o "on$n" >/dev/null
        diff -r one "on$n"
    done
    set -- $(student --epochs 1 --layers 12 --teacher T --loss simkd)
    "$@" -o reused >/dev/null
    ranks 2 "$@" -o on2 >/dev/null
    diff -r reused on2
}

@test "with stored layers too, and a stopped training goes on on another number of ranks" {
    kd-soften --model T --data idx:set --quiet --no-provenance --features '["features"]' \
        -o layers.safetensors >/dev/null
    set -- $(student --epochs 100 --layers 12 --soft-targets layers.safetensors --loss fitnet \
        --checkpoint-every 1steps)
    "$@" -o whole >/dev/null
    ranks 3 "$@" -o cut >/dev/null &
    wait_for test -s cut/log.jsonl
    kill -KILL "$(rank_of "$!")"
    wait "$!" || true
    [ ! -e cut/model.safetensors ]
    ranks 2 "$@" -o cut --resume >/dev/null
    diff -r whole cut
}

@test "stored layers are the same on two ranks" {
    set -- kd-soften --model T --data idx:set --quiet --no-provenance --features '[0.5, "features"]'
    "$@" -o one.safetensors >/dev/null
    ranks 2 "$@" -o two.safetensors >/dev/null
    cmp one.safetensors two.safetensors
}

@test "kd-soften and kd-eval: the same answers on any number of ranks" {
    local n
    kd-data convert digits:train digits:test --fraction 0.15 --to idx -o more --quiet >/dev/null
    set -- --data idx:more:train --quiet --no-provenance
    kd-soften --model T "$@" -o one.safetensors >/dev/null
    kd-eval T --json "$@" >one.json
    for n in 2 3 5; do
        ranks "$n" kd-soften --model T "$@" -o "on$n.safetensors" >said
        [ "$(cat said)" = "on$n.safetensors" ]
        cmp one.safetensors "on$n.safetensors"
        ranks "$n" kd-eval T --json "$@" >"on$n.json"
        cmp one.json "on$n.json"
    done
    [ "$(jq .n one.json)" -gt 1500 ] # several batches of 500
}

@test "a stopped training goes on on another number of ranks" {
    local n want="2 1 3 8" at=0
    local all=($(teacher --epochs 120 --network mlp-30 --checkpoint-every 1steps))
    "${all[@]}" -o whole >/dev/null
    for n in $want; do
        at=$(($(cat cut/log.jsonl 2>/dev/null | wc -l) + 2))
        ranks "$n" "${all[@]}" -o cut --resume >/dev/null &
        at_epoch() { [ "$(cat cut/log.jsonl 2>/dev/null | wc -l)" -ge "$at" ]; }
        wait_for at_epoch
        kill -KILL "$(rank_of "$!")"
        wait "$!" || true
        [ ! -e cut/model.safetensors ]
    done
    ranks 2 "${all[@]}" -o cut --resume >/dev/null
    diff -r whole cut
}

@test "a rank that is killed ends all, and leaves nothing half-written" {
    local pid
    mkdir kept
    ranks 3 $(teacher --epochs 10000 --layers 30 -o kept/m) >/dev/null 2>&1 &
    wait_for test -s kept/m/log.jsonl
    pid=$(rank_of "$!")
    kill -KILL "$pid"
    run wait "$!"
    [ "$status" -ne 0 ]
    [ -z "$(find kept -name '*.tmp*' -size +0)" ]
    jq -es 'length > 0' kept/m/log.jsonl
}

@test "one message: too few shards, an option, a program for one process" {
    mkdir kept
    refused 2 "2 ranks" "--shards" -- ranks 2 kd-train-teacher --data idx:set --layers 4 -q
    refused 2 "--bad" -- ranks 3 kd-train-teacher --data idx:set --bad
    refused 2 "one process" -- ranks 2 kd-show T
    refused 2 "standard input" "file" -- \
        ranks 2 kd-train-student --data idx:set --layers 4 --shards 2 -S - -q </dev/null
    refused 2 "train.quantize" -- ranks 2 $(teacher --layers 16 --init T --quantize int8 \
        -o kept/m)
}

@test "one message: a rank with other images, another file, another kernel, a full disk" {
    kd-data convert digits:train digits:test --fraction 0.03 --to idx -o more --quiet >/dev/null
    mkdir kept a b
    ln -s ../set a/set
    ln -s ../more b/set
    local here=($(teacher --epochs 2 --layers 8 -o "$PWD/kept/m"))
    cat >there <<'SH'
#!/bin/sh
cd "$(printenv "AT$OMPI_COMM_WORLD_RANK")" && exec "$@"
SH
    chmod +x there
    AT0=a AT1=b refused 1 "rank 1" "other images" -- ranks 2 ./there "${here[@]}"
    AT0=a AT1=. refused 1 "rank 1" "set" -- \
        ranks 2 ./there sh -c 'cd ..; [ "$OMPI_COMM_WORLD_RANK" = 0 ] || cd /; exec "$@"' sh \
        "${here[@]}"
    refused 1 "rank 1" "KD_CPU" -- ranks 2 sh -c \
        '[ "$OMPI_COMM_WORLD_RANK" = 0 ] || export KD_CPU=plain; exec "$@"' sh "${here[@]}"
    cp -r "$BIN/kd-train-teacher" "$BIN/libkdmpi.so" b/
    printf ' ' >>b/kd-train-teacher
    refused 1 "rank 1" "another kd" -- ranks 2 sh -c \
        '[ "$OMPI_COMM_WORLD_RANK" = 0 ] || PATH=$PWD/b:$PATH; exec "$@"' sh "${here[@]}"
    # The limit lies between what MPI shares in files and the model.
    refused 1 "rank 0" "full/m" -- ranks 2 sh -c \
        '[ "$OMPI_COMM_WORLD_RANK" = 1 ] || ulimit -f 32768; exec "$@"' sh \
        $(teacher --epochs 1 --layers 6000 -o full/m)
    [ "$(ls full/m)" = log.jsonl ]
}

# with_disk RANK FILL COMMAND...: on two ranks; for one of them the folder `out` is a disk of 64 KB,
# of which FILL are taken. What that rank then sees there is kept in the folder `seen`.
with_disk() {
    cat >disk <<'SH'
#!/bin/sh
[ "$OMPI_COMM_WORLD_RANK" = "$1" ] || { shift 2; exec "$@"; }
mount -t tmpfs -o size=64k kd-test out && head -c "$2" /dev/zero >out/taken || exit
shift 2
"$@"
status=$?
rm out/taken
cp -r out seen
exit $status
SH
    chmod +x disk
    rm -rf seen out
    mkdir out
    ranks 2 unshare -m ./disk "$@"
}

@test "a disk that is full on one rank: one line at once from the first, others need none" {
    unshare -m mount -t tmpfs kd-test . 2>/dev/null || skip "no mounts of one's own here"
    local wide=($(teacher --layers 400 --epochs 2 --checkpoint-every never -o out)) taken
    "${wide[@]}" >/dev/null
    mv out whole
    mkdir kept
    for taken in 0:model 65536:log; do
        SECONDS=0
        refused 1 "rank 0" "out/${taken#*:}" "No space" -- with_disk 0 "${taken%:*}" "${wide[@]}"
        [ "$SECONDS" -le 10 ]
        [ -z "$(find seen -mindepth 1 ! -name log.jsonl)" ]
        if [ -e seen/log.jsonl ]; then cmp whole/log.jsonl seen/log.jsonl; fi
    done
    refused 1 "rank 0" "out/checkpoint" "No space" -- \
        with_disk 0 0 "${wide[@]}" --checkpoint-every 1steps
    [ -z "$(find seen -mindepth 1 ! -name log.jsonl)" ]
    with_disk 1 65536 "${wide[@]}" >/dev/null
    diff -r whole out
    [ -z "$(ls seen)" ]
}

@test "nothing links MPI, and without the plugin the message says what to install" {
    run -1 grep -i mpi <(ldd "$BIN/kd-train-teacher")
    mkdir kept bin
    cp "$BIN/kd-train-teacher" bin/
    refused 1 "libopenmpi-dev" -- ranks 2 bin/kd-train-teacher --data idx:set --shards 2
}
