#!/usr/bin/env bats
# The storeys of lib/ use only those below them, and BLAS has one door. Over the #include lines.
bats_require_minimum_version 1.5.0

setup() { root=$BATS_TEST_DIRNAME/../..; }

# Storeys that may stand in "kd/STOREY/..." of a storey's files.
allowed() {
    case $1 in
    base) echo base ;;
    run) echo base run ;;
    data) echo base run data ;;
    nn) echo base run data nn ;;
    train) echo base run data nn train ;;
    export) echo base run data nn export ;;
    report) echo base run data nn report ;;
    esac
}

# Every breach under folder $1, one a line.
breaches() {
    local file storey line name s
    cd "$1"
    # The public face, kd/kd.h, stands before the storeys: only its own file in nn/ knows it.
    find lib include/kd -name '*.[ch]' | grep -vx 'include/kd/kd.h' | sort | while read -r file; do
        storey=${file#lib/} storey=${storey#include/kd/} storey=${storey%%/*}
        [ -n "$(allowed "$storey")" ] || echo "$file: no storey of this name"
        grep -hoE '^[[:space:]]*#[[:space:]]*include[[:space:]]*["<][^">]+' "$file" |
            sed 's/.*["<]//' |
            while read -r name; do
                case $name in
                kd/kd.h) [ "$file" = lib/nn/predictor.c ] || echo "$file: $name is for users" ;;
                kd/*)
                    s=${name#kd/} s=${s%%/*}
                    [[ " $(allowed "$storey") " == *" $s "* ]] ||
                        echo "$file: $name is not below $storey"
                    [ -e "include/$name" ] || echo "$file: $name is not there"
                    ;;
                */../* | ../*) echo "$file: $name leaves its folder" ;;
                esac
            done
    done
    grep -rlE 'cblas|openblas_' lib include cmd --include='*.[ch]' | grep -v '^lib/nn/gemm.c$' |
        sed 's,$,: BLAS belongs to lib/nn/gemm.c,'
}

@test "each storey includes only storeys below it, and BLAS only lib/nn/gemm.c" {
    run breaches "$root"
    [ -z "$output" ] || { echo "$output" >&2; false; }
}

@test "a breach is found" {
    mkdir -p "$BATS_TEST_TMPDIR"/{lib/{base,run,nn,export,report,extra},cmd}
    mkdir -p "$BATS_TEST_TMPDIR"/include/kd/{base,nn,train}
    cd "$BATS_TEST_TMPDIR"
    touch include/kd/base/err.h include/kd/nn/gemm.h include/kd/train/loss.h
    echo '#include "kd/base/err.h"' >lib/nn/good.c
    echo '#include <cblas.h>' >lib/nn/gemm.c
    run breaches .
    [ "$output" = "" ]
    echo '#include "kd/nn/gemm.h"' >lib/base/up.c
    echo '#  include "kd/train/loss.h"' >include/kd/nn/up.h
    echo '#include "kd/nn/gemm.h"' >lib/run/up.c
    echo '#include "kd/train/loss.h"' >lib/report/side.c
    echo '#include "kd/train/loss.h"' >lib/export/side.c
    echo '#include "../base/private.h"' >lib/nn/out.c
    echo '#include <cblas.h>' >cmd/main.c
    touch lib/extra/x.c
    run breaches .
    [[ "$output" == *"lib/base/up.c: kd/nn/gemm.h is not below base"* ]]
    [[ "$output" == *"include/kd/nn/up.h: kd/train/loss.h is not below nn"* ]]
    [[ "$output" == *"lib/run/up.c: kd/nn/gemm.h is not below run"* ]]
    [[ "$output" == *"lib/report/side.c: kd/train/loss.h is not below report"* ]]
    [[ "$output" == *"lib/export/side.c: kd/train/loss.h is not below export"* ]]
    [[ "$output" == *"lib/nn/out.c: ../base/private.h leaves its folder"* ]]
    [[ "$output" == *"cmd/main.c: BLAS belongs to lib/nn/gemm.c"* ]]
    [[ "$output" == *"lib/extra/x.c: no storey of this name"* ]]
    [ "${#lines[@]}" -eq 8 ]
}
