#!/usr/bin/env bats
# What every program in KD_BIN keeps to.
bats_require_minimum_version 1.5.0
load small.bash

setup() {
    unset OPENBLAS_CORETYPE
    programs=$(cd "$KD_BIN" && ls | grep -E '^kd-[a-z-]+$' || true)
    cd "$BATS_TEST_TMPDIR"
    page() { echo "$BATS_TEST_DIRNAME/../../cmd/$1.1"; }
}

# Says which program and what, and fails.
wrong() {
    echo "$1: $2; status $status, output: $output, errors: $stderr" >&2
    return 1
}

@test "--help exits 0, says nothing on standard error, names the common options" {
    for p in $programs; do
        run --separate-stderr "$KD_BIN/$p" --help
        [ "$status" -eq 0 ] && [ -z "$stderr" ] || wrong "$p" --help
        [[ "$output" == "usage: $p "* ]] || wrong "$p" "usage line"
        for o in --output --threads --seed --json --no-provenance --quiet --help --version; do
            [[ "$output" == *" $o"[[:space:]]* ]] || wrong "$p" "$o is not in --help"
        done
        long=$output
        run --separate-stderr "$KD_BIN/$p" -h
        [ "$output" = "$long" ] || wrong "$p" "-h differs from --help"
        [ "$(awk 'length > 100' <<<"$output")" = "" ] || wrong "$p" "line over 100 columns"
    done
}

@test "a long --help goes through a pager on a terminal, and nowhere else" {
    # says that it was asked, and with what settings of less
    printf '#!/bin/sh\necho "paged $LESS $1"; cat\n' >pager
    chmod +x pager
    unset LESS PAGER
    export KD_PAGER="$PWD/pager twice"
    kd-eval --help >plain
    [ "$(grep -c paged plain)" -eq 0 ]
    { echo "paged FRX twice"; cat plain; } >both
    on 100 "kd-eval --help" >out
    diff out both
    LESS=-R on 100 "kd-eval --help" | grep -qx 'paged -R twice'
    KD_PAGER= PAGER="$PWD/pager" on 100 "kd-eval --help" | diff - plain
    export PAGER="$KD_PAGER"
    unset KD_PAGER
    on 100 "kd-eval --help" | diff - both
    [ "$(on 100 "kd-eval --help | cat" | grep -c paged)" -eq 0 ]
    # neither where it fits, nor where there is no such command, nor in a terminal that cannot
    SHELL=/bin/sh script -qec "stty cols 100 rows 500; TERM=xterm kd-eval --help" /dev/null \
        </dev/null | tr -d '\r' | diff - plain
    PAGER=/no/such/pager on 100 "kd-eval --help 2>/dev/null" | diff - plain
    PAGER=cat on 100 "kd-eval --help" | diff - plain
    SHELL=/bin/sh script -qec "stty cols 100 rows 24; TERM=dumb kd-eval --help" /dev/null \
        </dev/null | tr -d '\r' | diff - plain
    # one that ends before it has read all is no error
    PAGER='head -n 1' on 100 "kd-eval --help; echo status \$?" >out
    printf '%s\nstatus 0\n' "$(head -n 1 plain)" | diff - out
    on 60 "PAGER=cat kd-eval --help" >out # the text of options is wrapped for the terminal
    [ "$(grep -c '^Evaluation' out)" -eq 1 ]
    [ "$(sed -n '/^Evaluation/,/^Common/p' out | widest)" -le 60 ]
}

@test "--version tells version, compiler, BLAS and kernels" {
    version=$(cat "$BATS_TEST_DIRNAME/../../VERSION")
    for p in $programs; do
        run --separate-stderr "$KD_BIN/$p" --version
        [ "$status" -eq 0 ] && [ -z "$stderr" ] || wrong "$p" --version
        [ "${lines[0]}" = "$p (kd) $version" ] || wrong "$p" "first line"
        for word in compiler: "BLAS: OpenBLAS" ", kernel " kernels: "machine: "; do
            [[ "$output" == *"$word"* ]] || wrong "$p" "$word"
        done
    done
}

@test "affinity limits the processors that are used" {
    command -v taskset >/dev/null || skip "no taskset"
    first=$(taskset -pc $$ | sed 's/.*: \([0-9]*\).*/\1/')
    run --separate-stderr taskset -c "$first" kd-eval --version
    [ "$status" -eq 0 ]
    [[ "$output" =~ machine:\ 1\ processor,\ [0-9.]+\ GB ]]
    cat >"$BATS_TEST_TMPDIR/x.json" <<'JSON'
    {"name": "x", "data": {"source": "digits", "fraction": 0.01}, "seeds": 2,
     "teacher": {"network": "mlp-4", "train": {"epochs": 1}},
     "students": {"a": {"network": "mlp-4", "train": {"epochs": 1}}}}
JSON
    cd "$BATS_TEST_TMPDIR"
    taskset -c "$first" "$BATS_TEST_DIRNAME/../../scripts/run_all.sh" x.json >/dev/null 2>said
    [ "$(grep -c ' to train, 1 at once' said)" -eq 2 ]
}

@test "a BLAS kernel that the environment holds below the processor's is shown and warned of" {
    grep -qsw avx2 /proc/cpuinfo || skip "no processor with avx2"
    export OPENBLAS_CORETYPE=Nehalem
    run --separate-stderr "$KD_BIN/kd-eval" --version
    [[ "$output" == *"kernel Nehalem"* ]] || skip "this BLAS has one kernel only"
    held="Nehalem (OPENBLAS_CORETYPE holds it to less than avx2; this processor has avx"
    [[ "$output" == *"$held"* ]]
    [ -z "$stderr" ]
    run --separate-stderr "$KD_BIN/kd-eval" nothing.safetensors
    [ "$status" -eq 1 ]
    [ "${#stderr_lines[@]}" -eq 2 ]
    held="kd-eval: OPENBLAS_CORETYPE=Nehalem holds BLAS to less than avx2, but this processor has"
    [[ "$stderr" == "$held"*"unset it"* ]]
    run --separate-stderr "$KD_BIN/kd-eval" -q nothing.safetensors
    [ "${#stderr_lines[@]}" -eq 1 ]
    unset OPENBLAS_CORETYPE # what it chooses by itself may be asked for
    run --separate-stderr "$KD_BIN/kd-eval" --version
    chosen=${output#*, kernel } chosen=${chosen%%$'\n'*}
    [[ "$chosen" != *" "* ]]
    OPENBLAS_CORETYPE=$chosen run --separate-stderr "$KD_BIN/kd-eval" nothing.safetensors
    [ "${#stderr_lines[@]}" -eq 1 ]
}

@test "--version tells of kernels that KD_CPU holds below the processor's" {
    grep -qsw avx2 /proc/cpuinfo || skip "no processor with avx2"
    KD_CPU=plain run --separate-stderr "$KD_BIN/kd-eval" --version
    [[ "$output" == *"kernels: plain (KD_CPU; this processor has avx"* ]]
}

@test "kd --version tells of BLAS and kernels, too" {
    run --separate-stderr "$KD_BIN/kd" --version
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    [ "$(tail -n 3 <<<"$output")" = "$("$KD_BIN/kd-eval" --version | tail -n 3)" ]
    [[ "$output" == *$'\nBLAS: '*$'\nkernels: '*$'\nmachine: '* ]]
}

@test "an unknown option is a usage error of one line with the nearest one" {
    for p in $programs; do
        run --separate-stderr "$KD_BIN/$p" --thread 2
        [ "$status" -eq 2 ] && [ -z "$output" ] || wrong "$p" "--thread"
        [ "$stderr" = "$p: --thread: no such option; did you mean --threads?" ] || wrong "$p" text
        run --separate-stderr "$KD_BIN/$p" --zzzzzzzz
        [ "$status" -eq 2 ] && [ "${#stderr_lines[@]}" -eq 1 ] || wrong "$p" "--zzzzzzzz"
    done
}

@test "a bad value is a usage error that names option, value and range" {
    for p in $programs; do
        for bad in many -1 1.5 1025 "" 0x2; do
            run --separate-stderr "$KD_BIN/$p" --threads "$bad"
            [ "$status" -eq 2 ] && [ -z "$output" ] || wrong "$p" "--threads $bad"
            [ "$stderr" = "$p: --threads=$bad: expected a whole number from 0 to 1024" ] ||
                wrong "$p" "--threads $bad"
        done
        run --separate-stderr "$KD_BIN/$p" --seed 9007199254740993
        [ "$status" -eq 2 ] || wrong "$p" "--seed above 2^53"
        run --separate-stderr "$KD_BIN/$p" --seed
        [ "$status" -eq 2 ] && [[ "$stderr" == *"--seed needs a value"* ]] ||
            wrong "$p" "--seed alone"
    done
}

@test "a full standard output is an error" {
    [ -e /dev/full ] || skip "no /dev/full"
    for p in $programs kd; do
        status=0
        "$KD_BIN/$p" --help >/dev/full 2>errors || status=$?
        [ "$status" -eq 1 ] || { echo "$p: status $status"; false; }
        [ "$(cat errors)" = "$p: standard output: No space left on device" ] || {
            cat errors; false
        }
    done
}

@test "nothing is left behind by help, version and errors" {
    for p in $programs; do
        "$KD_BIN/$p" --help >/dev/null
        "$KD_BIN/$p" --version >/dev/null
        run "$KD_BIN/$p" --zzzzzzzz
    done
    [ -z "$(ls -A)" ]
}

@test "--help and the manual page have the same options" {
    for p in $programs kd; do
        [ -e "$(page "$p")" ] || { echo "$p has no manual page" >&2; false; }
        "$BATS_TEST_DIRNAME/check_manual.sh" "$KD_BIN/$p" "$(page "$p")"
    done
}

@test "the comparison of --help and manual notices what differs" {
    check="$BATS_TEST_DIRNAME/check_manual.sh"
    sed '/^\.B \\-\\-version$/d' "$(page kd)" >less.1
    run "$check" "$KD_BIN/kd" less.1
    [ "$status" -eq 1 ]
    [[ "$output" == *"< --version"* ]]
    { cat "$(page kd)" && printf '.TP\n.BR \\-x ", " \\-\\-extra " " \\fIN\\fR\nmore\n'; } >more.1
    run "$check" "$KD_BIN/kd" more.1
    [ "$status" -eq 1 ]
    [[ "$output" == *"> --extra"* ]]
    [[ "$output" == *"> -x"* ]]
}

@test "OPTIONS of the manual pages are generated from the option tables" {
    export BIN=$KD_BIN
    root=$BATS_TEST_DIRNAME/../..
    PAGES=$root/cmd "$root/scripts/manual.sh" --check
    # a page that says something else is told, and mended
    mkdir pages
    sed 's/^Images a step.*/Images a leap./' "$(page kd-train-teacher)" >pages/kd-train-teacher.1
    export PAGES=pages
    run "$root/scripts/manual.sh" --check kd-train-teacher
    [ "$status" -eq 1 ]
    [[ "$output" == *"< Images a leap."* && "$output" == *"run make manual"* ]]
    "$root/scripts/manual.sh" kd-train-teacher
    cmp "$(page kd-train-teacher)" pages/kd-train-teacher.1
}

@test "manual pages are formatted without a warning" {
    command -v man >/dev/null && man --warnings=w -l "$(page kd)" >/dev/null 2>&1 ||
        skip "no man-db"
    for p in $programs kd; do
        run --separate-stderr man --warnings -E UTF-8 -l "$(page "$p")"
        [ "$status" -eq 0 ] && [ -z "$stderr" ] || wrong "$p" "manual"
    done
}
