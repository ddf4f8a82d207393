#!/usr/bin/env bats
# alone: it measures time
# Who does not use MPI does not pay for it: kd builds and trains where there is none, and a program
# that mpirun did not start links, loads and waits for nothing of it.
bats_require_minimum_version 1.5.0
load small.bash

setup() {
    unset OPENBLAS_CORETYPE KD_DATA MAKEFLAGS MAKELEVEL MFLAGS
    top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    cd "$BATS_TEST_TMPDIR"
}
train() { kd-train-teacher --data digits --fraction 0.02 --epochs 1 --layers 8 --quiet "$@"; }

@test "one file of kd needs MPI, and make leaves it out where mpicc is missing or does not work" {
    cd "$top"
    [ "$(grep -rl 'mpi\.h' lib cmd include test/unit test/bench)" = cmd/mpi/mpi.c ]
    cd "$BATS_TEST_TMPDIR"
    for mpicc in none false; do
        make -C "$top" -n BIN=elsewhere "MPICC=$mpicc" all >commands
        grep -q 'elsewhere/kd-train-teacher' commands
        run ! grep libkdmpi commands
    done
    if mpicc --version >/dev/null 2>&1; then
        make -C "$top" -n BIN=elsewhere all | grep -q 'elsewhere/libkdmpi.so'
    fi
}

@test "without the plugin everything runs, shards too; ranks are told what is missing" {
    mkdir bin kept
    for p in "$BIN"/kd*; do ln "$p" bin 2>/dev/null || cp "$p" bin; done
    export PATH=$PWD/bin:$PATH
    train --shards 4 -o m >/dev/null
    [ -s m/model.safetensors ]
    kd-eval m --json | jq -e '.n > 0'
    export OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=0
    refused 1 "libopenmpi-dev" "mpirun" -- train --shards 4 -o kept/m
}

@test "no program links MPI, or opens its library unless it is one of several" {
    for p in "$BIN"/kd "$BIN"/kd-*; do
        ldd "$p" >libraries
        run ! grep -iE 'mpi|pmix|open-(rte|pal)' libraries
    done
    LD_DEBUG=files train -o m >/dev/null 2>files
    grep -q libopenblas files
    run ! grep -iE 'mpi|pmix|open-(rte|pal)' files
}

# The fastest start of each of two programs, in microseconds. They take turns until the first is at
# most a millisecond behind, or 400 times: others only ever slow them.
starts() {
    local n best=(99999999 99999999) from to
    for ((n = 0; n < 400; n++)); do
        from=${EPOCHREALTIME/[.,]/}
        "${@:n % 2 + 1:1}" --version >/dev/null
        to=${EPOCHREALTIME/[.,]/}
        if ((to - from < best[n % 2])); then best[n % 2]=$((to - from)); fi
        if ((n > 40 && best[0] - best[1] < 1000)); then break; fi
    done
    echo "${best[0]} ${best[1]}"
}

@test "a program beside the plugin starts as fast as one without it, within a millisecond" {
    [ -e "$BIN/libkdmpi.so" ] || skip "kd was built without MPI (libopenmpi-dev)"
    mkdir bin
    cp "$BIN/kd-train-teacher" bin/
    read -r with without < <(starts "$BIN/kd-train-teacher" bin/kd-train-teacher)
    echo "$with and $without microseconds"
    [ $((with - without)) -lt 1000 ]
}
