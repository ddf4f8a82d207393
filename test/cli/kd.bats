#!/usr/bin/env bats
# The dispatcher, on a copy of it in a folder of its own with made-up commands beside it.
bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR"
    mkdir -p bin share/man/man1 elsewhere
    cp "$KD_BIN/kd" bin/kd
    command_at bin/kd-eval beside
    command_at elsewhere/kd-eval elsewhere
    command_at elsewhere/kd-mine elsewhere
    export PATH="$PWD/elsewhere:$PATH"
}

# A command at $1 that says where it is ($2) and what it was given, one word a line.
command_at() {
    printf '#!/bin/sh\necho "%s"\nfor a in "$@"; do echo "<$a>"; done\nexit 7\n' "$2" >"$1"
    chmod +x "$1"
}

@test "kd COMMAND runs the program beside it with the same arguments and exit status" {
    run -7 bin/kd eval 'a b' --json '' -- -x
    [ "$output" = "$(printf 'beside\n<a b>\n<--json>\n<>\n<-->\n<-x>')" ]
}

@test "a link to kd elsewhere still finds the programs beside the real one" {
    [ -e /proc/self/exe ] || skip "no /proc"
    ln -s "$PWD/bin/kd" elsewhere/kd
    run -7 kd eval
    [ "${lines[0]}" = beside ]
}

@test "commands are found on PATH" {
    run -7 bin/kd mine x
    [ "$output" = "$(printf 'elsewhere\n<x>')" ]
    rm bin/kd-eval
    run -7 bin/kd eval
    [ "$output" = elsewhere ]
}

@test "a mistyped command gets the nearest one and exit status 2" {
    run -2 --separate-stderr bin/kd train-studnet
    [ "$stderr" = "kd: train-studnet: no such command; did you mean train-student?" ]
    [ -z "$output" ]
    run -2 --separate-stderr bin/kd zzzzzzzzz
    [ "$stderr" = "kd: zzzzzzzzz: no such command; kd --help lists them" ]
    run -2 --separate-stderr bin/kd --jsn
    [[ "$stderr" == "kd: --jsn: no such option; "* ]]
    run -2 bin/kd ../bin/kd-eval
    run -2 bin/kd ''
    run -2 --separate-stderr bin/kd "$(printf 'a\nb')"
    [ "${#stderr_lines[@]}" -eq 1 ]
    run -2 --separate-stderr bin/kd help train-studnet
    [ "$stderr" = "kd: train-studnet: no such command; did you mean train-student?" ]
    run -2 bin/kd help eval report
    run -2 bin/kd help "$(head -c 9000 /dev/zero | tr '\0' a)"
    run -2 bin/kd "$(head -c 9000 /dev/zero | tr '\0' a)"
}

@test "a command that is not built or cannot be run is exit status 1" {
    PATH=/usr/bin:/bin
    rm bin/kd-eval
    run -1 --separate-stderr bin/kd eval
    [[ "$stderr" == "kd: kd-eval is neither beside kd nor on PATH; "* ]]
    if [ "$(id -u)" -ne 0 ] || ! [ -x bin/kd-eval ]; then
        : >bin/kd-eval
        chmod -x bin/kd-eval
        run -1 --separate-stderr bin/kd eval
        [ "$stderr" = "kd: kd-eval cannot be run: Permission denied" ]
    fi
}

@test "kd alone lists the jobs, each with a command of kd" {
    run -0 --separate-stderr bin/kd
    [ -z "$stderr" ]
    for c in train-teacher soften 'train-student digits --student plain' eval \
        'report runs/digits --best' 'report --log runs/digits/teacher/s1'; do
        [[ "$output" == *"kd $c"* ]]
    done
}

@test "--help and -h list the commands, --version and version tell the version" {
    run -0 --separate-stderr bin/kd --help
    help=$output
    for c in train-teacher soften train-student eval report data help version; do
        [[ "$output" == *"  $c "* ]]
    done
    run -0 bin/kd -h
    [ "$output" = "$help" ]
    run -0 --separate-stderr bin/kd --version
    [ "${lines[0]}" = "kd $(cat "$BATS_TEST_DIRNAME/../../VERSION")" ]
    [[ "$output" == *"compiler: "* ]]
    version=$output
    run -0 bin/kd version
    [ "$output" = "$version" ]
}

@test "kd help opens the manual with man, of the installed page or the one in the source" {
    printf '#!/bin/sh\necho "man $(cat "$1")"\n' >elsewhere/man
    chmod +x elsewhere/man
    echo installed >share/man/man1/kd-eval.1
    echo own >share/man/man1/kd.1
    run -0 bin/kd help eval
    [ "$output" = "man installed" ]
    run -0 bin/kd help kd-eval
    [ "$output" = "man installed" ]
    run -0 bin/kd help
    [ "$output" = "man own" ]
    mkdir cmd
    echo source >cmd/kd-eval.1
    run -0 bin/kd help eval
    [ "$output" = "man source" ]
}

@test "without man or without a page kd help prints the command's --help" {
    run -7 bin/kd help eval
    [ "$output" = "$(printf 'beside\n<--help>')" ]
    echo installed >share/man/man1/kd-eval.1
    PATH=$PWD/elsewhere run -7 bin/kd help eval
    [ "$output" = "$(printf 'beside\n<--help>')" ]
    PATH=$PWD/elsewhere run -0 bin/kd help
    [[ "$output" == "usage: kd COMMAND"* ]]
}

@test "the dispatcher loads no library that it does not need" {
    command -v ldd >/dev/null && ldd --version >/dev/null 2>&1 || skip "no ldd"
    run ldd "$KD_BIN/kd"
    [[ "$output" != *openblas* ]]
}
