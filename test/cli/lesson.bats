#!/usr/bin/env bats
# scripts/lesson.sh and kd-tutorial(7), with so few images and epochs that it takes seconds.
bats_require_minimum_version 1.5.0

setup_file() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_FILE_TMPDIR"
    top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    mkdir configs
    ln -s "$top/scripts" .
    jq '.seeds = 2 | .data = {source: "digits", fraction: 0.02, validation: 40}
        | .teacher.train.epochs = 1 | .students[].train.epochs = 1' \
        "$top/configs/lesson.json" >configs/lesson.json
    scripts/lesson.sh >said 2>messages </dev/null
}
setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_FILE_TMPDIR"
}

@test "the lesson goes to its end, says each command, and leaves what it names" {
    [ "$(grep -c '^=== [1-7] of 7: ' said)" -eq 7 ]
    for command in sheet train-teacher soften train-student eval report; do
        grep -q "^\$ kd-.*$command" said || grep -q "^\$ kd-data $command" said
    done
    grep -q '^taught\|  taught,temperature=20 ' said
    [ -s runs/lesson/images.png ]
    grep -o 'report/[a-z-]*\.[a-z]*' said | sort -u | while read -r file; do
        [ -s "runs/lesson/$file" ] || { echo "$file is not there" >&2; exit 1; }
    done
    tail -n 1 said | grep -q '^runs/lesson/students/.*/model\.safetensors$'
}

@test "on a terminal it waits for Enter after each step, and -y does not" {
    command -v script >/dev/null || skip "no script"
    printf '\n%.0s' 1 2 3 4 5 6 7 |
        timeout 60 script -qec 'scripts/lesson.sh' /dev/null >waited 2>&1
    [ "$(grep -o '\[Enter\]' waited | wc -l)" -eq 7 ]
    script -qec 'scripts/lesson.sh -y' /dev/null >not </dev/null 2>&1
    run ! grep 'Enter' not
    run --separate-stderr scripts/lesson.sh --fast
    [ "$status" -eq 2 ]
    [ "$stderr" = "lesson.sh: --fast: expected -y or --help" ]
}

@test "every command of kd-tutorial(7) runs" {
    sed -n '/^\.nf/,/^\.fi/s/\\-/-/gp' "$BATS_TEST_DIRNAME/../../cmd/kd-tutorial.7" |
        grep '^kd ' >commands
    [ "$(wc -l <commands)" -eq 8 ]
    mkdir tutorial
    ln -s ../configs tutorial/
    cd tutorial
    sh -eu ../commands >../out
    [ -s runs/lesson/report/report.html ]
}
