#!/usr/bin/env bats
# Every system call of the programs fails once, and allocations all over their run (each one with
# TORTURE=every): no signal, one line on standard error, earlier outputs old or new and never in
# between, nothing temporary left. Exit status 0 is right only where the result is the one without
# the failure. Programs built with LeakSanitizer (make MODE=leak) exit with 23 where a failure loses
# memory.
bats_require_minimum_version 1.5.0

setup_file() {
    unset OPENBLAS_CORETYPE
    export FAIL
    FAIL=$(cd "$BATS_TEST_DIRNAME/../.." &&
        realpath -m "${UNIT_DIR:-build/release-cc/unit}/../torture/fail.so")
    [ -e "$FAIL" ] || return 0
    cd "$BATS_FILE_TMPDIR"
    kd-data convert digits:train digits:test --fraction 0.002 --to idx -o set --quiet >/dev/null
    kd-train-teacher --data idx:set --layers 4 --epochs 1 --quiet -o T >/dev/null
    kd-soften --model T --data idx:set -o soft --quiet >/dev/null
    mkdir runs
    cp -r T runs/one && cp -r T runs/two
    kd-eval runs/one runs/two --save --quiet --data idx:set:test >/dev/null
    for n in 1 2; do
        kd-train-student --data idx:set --layers 4 --epochs 2 -S soft --validation 5 --seed $n \
            --quiet -o runs/x/students/kd/s$n
        kd-train-teacher --data idx:set --layers 4 --epochs 2 --validation 5 --seed $n --quiet \
            -o runs/x/teacher/s$n
    done >/dev/null
}
setup() {
    [ -e "$FAIL" ] || skip "the library that makes calls fail is not built for this kind of program"
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_TEST_TMPDIR"
    for f in set T soft runs; do ln -s "$BATS_FILE_TMPDIR/$f" .; done
    mkdir base
    cp "$(readlink -f T)"/*.safetensors "$(readlink -f T)"/log.jsonl base
    for f in result eval.json; do echo earlier >base/$f; done
}

# sums FOLDER: "NAME SUM SIZE" of its files, hidden ones too, a line each, and "NAME folder" of
# hidden folders
sums() {
    (cd "$1" && find . -type f -exec cksum {} + -o -name '.?*' -printf 'folder 0 %p\n' |
        while read -r sum size name; do echo "${name#./} $sum $size"; done)
}

# of these lines those that name nothing temporary
kept() { grep -Ev '(^|/|\.)\.?kd-[^ ]* |checkpoint' || true; }

# A log may have fewer of its lines, and a checkpoint stays where a training failed.
on_the_way() {
    case $1 in
    *log.jsonl) cmp -s "out/$1" <(head -n "$(wc -l <"out/$1")" "good/$1") ;;
    *checkpoint.safetensors | *checkpoint.previous.safetensors) kd-eval "out/$1" \
        --data idx:set:test --quiet >/dev/null ;;
    *) false ;;
    esac
}

# once SPEC COMMAND...: false when the command ends before the failure would have come
once() {
    local spec=$1 status=0 wrong= file sum lines now
    shift
    rm -rf out
    cp -r base out
    KD_FAIL_LOG=calls KD_FAIL=$spec LD_PRELOAD=$FAIL "$@" --threads 1 >stdout 2>stderr || status=$?
    [[ $(<calls) == *"fired 1"* ]] || return 1
    [ -z "${TORTURE_FIGURES:-}" ] || echo "fired ${spec/:*/} $spec" >>"$TORTURE_FIGURES"
    now=$(sums out)
    [ "$status" -le 2 ] || wrong="status $status"
    mapfile -t lines <stderr
    if [ "$status" -eq 0 ]; then
        [ "${#lines[@]}" -eq 0 ] || wrong="a message and status 0"
        if [[ $spec == unlink:* ]]; then now=$(kept <<<"$now"); fi
        [ "$now" = "$good" ] && cmp -s stdout good-stdout || wrong="another result and status 0"
    else
        [ "${#lines[@]}" -eq 1 ] && [[ ${lines[0]} == kd*": "?* ]] || wrong="not one line of text"
    fi
    while read -r file sum; do
        # what could not be removed is there still
        case $spec:$file in unlink:*.kd-*) continue ;; esac
        [[ $'\n'$base$'\n'$good$'\n' == *$'\n'"$file $sum"$'\n'* ]] || on_the_way "$file" ||
            wrong="$file is neither the earlier file nor the new one"
    done <<<"$now"
    while read -r file sum; do [ -e "out/$file" ] || wrong="$file is gone"; done <<<"$base"
    [ -z "$wrong" ] && return 0
    echo "$spec: $wrong (status $status): ${lines[*]:0:3}"
    echo "$spec" >>failed
}

# torture COMMAND...: some 30 allocations spread over the run, each other call, and a disk that
# stays full
torture() {
    local kind n step allocs base good
    rm -rf out failed
    cp -r base out
    KD_FAIL_LOG=calls LD_PRELOAD=$FAIL "$@" --threads 1 >good-stdout
    rm -rf good
    mv out good
    base=$(sums base) good=$(sums good)
    allocs=$(awk '$1 == "alloc" { print $2 }' calls)
    for kind in open openat read write fsync syncfs rename link unlink mkdir fcntl close; do
        for ((n = 1; n < 60; n++)); do once "$kind:$n" "$@" || break; done
    done
    for n in 1 3 7; do once "write:$n+" "$@" || break; done
    case ${TORTURE:-} in every) step=1 ;; *) step=$((1 + allocs / 14)) ;; esac
    for ((n = 1; n <= allocs; n += step)); do once "alloc:$n" "$@" || break; done
    [ "$n" -gt "$((allocs / 2))" ]
    [ ! -e failed ]
}

@test "kd-soften" {
    torture kd-soften --model T --model T --average probabilities -T 2 --data idx:set \
        -o out/result --quiet --no-provenance --overwrite
}
@test "kd-soften to standard output" {
    torture kd-soften --model T --data idx:set -o - --quiet --no-provenance
}
@test "kd-train-student" {
    torture kd-train-student --data idx:set --layers 4 --epochs 2 --batch 8 -S soft --validation 5 \
        -o out --quiet --no-provenance --overwrite --checkpoint-every 2steps
}
@test "kd-eval" {
    torture kd-eval out --quiet --save --json --data idx:set:test --reference T --confusion
}
@test "kd-correct" {
    torture kd-correct T --by balanced --classes 3 --images idx:set --data idx:set \
        -o out/result.safetensors --quiet --no-provenance
}
@test "kd-quantize" {
    torture kd-quantize T --calibrate idx:set -n 20 -o out/result.safetensors --quiet \
        --no-provenance
}
@test "kd-data" {
    torture kd-data convert idx:set --to tensors -o out/result --quiet --no-provenance --json \
        --overwrite
}
@test "kd-data, a folder of PNG files" {
    torture kd-data convert idx:set --to png -o out/photos --quiet --no-provenance
}
@test "kd-train-teacher" {
    torture kd-train-teacher --data idx:set --layers 4 --epochs 1 --shift 1 --ema-decay 0.9 \
        --quiet -o out/m.safetensors --no-provenance
}
@test "kd-report, a table" {
    torture kd-report runs/x --csv -o out/result --quiet --no-provenance
}
@test "kd-report, as JSON" {
    torture kd-report runs/x --json -o out/result --quiet
}
@test "kd" {
    torture kd report --log runs/one
}
