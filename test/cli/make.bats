#!/usr/bin/env bats
# make, scripts/setup.sh and scripts/test.sh: what they do, what they say, and that they install
# nothing unasked. Package managers are played by scripts that write down how they were called.
bats_require_minimum_version 1.5.0

setup() {
    top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    release=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)/bin
    unset MAKEFLAGS MAKELEVEL MFLAGS MODE BIN UNIT_DIR LINT KD_SETUP
    mkdir "$BATS_TEST_TMPDIR/kd" "$BATS_TEST_TMPDIR/fake"
    cd "$BATS_TEST_TMPDIR/kd"
    for f in "$top"/*; do
        case ${f##*/} in build | bin | runs | data) ;; *) ln -s "$f" . ;; esac
    done
    rm scripts
    cp -r "$top/scripts" . # build/setup-tried lies beside it
    calls=$BATS_TEST_TMPDIR/calls
    touch "$calls"
}

# fake NAME [STATUS [OUTPUT]]: a program of this name, found before the real one
fake() {
    printf '#!/bin/sh\necho "%s $*" >>"%s"\necho "%s"\nexit %s\n' "$1" "$calls" "${3:-}" "${2:-0}" \
        >"$BATS_TEST_TMPDIR/fake/$1"
    chmod +x "$BATS_TEST_TMPDIR/fake/$1"
    PATH=$BATS_TEST_TMPDIR/fake:$PATH
}
# A machine without kd's libraries on which one may install.
bare() {
    fake pkg-config 1
    fake apt-get
    fake id 0 0
}

@test "parsing, help, install and uninstall install nothing; make names what is missing" {
    bare
    for words in help '-n all' '-n install' '-n test' 'clean' "uninstall DESTDIR=$PWD/dest"; do
        run --separate-stderr make $words
        echo "make $words: $status $stderr"
        [ "$status" -eq 0 ]
    done
    for words in all install bench lint; do
        run --separate-stderr make $words DESTDIR="$PWD/dest"
        echo "make $words: $status $output $stderr"
        [ "$status" -eq 2 ]
        [[ "$stderr" == *"setup: missing: libopenblas-dev libcjson-dev "* ]]
        [[ "$stderr" == *"sudo apt-get install -y libopenblas-dev"* ]]
    done
    [ ! -e dest ]
    run grep -c apt-get "$calls"
    [ "$output" = 0 ]
}

@test "setup and test install what is missing; KD_SETUP=no and --check do not" {
    bare
    for words in 'make setup' 'make test' scripts/setup.sh; do
        run --separate-stderr env KD_SETUP=no $words
        [ "$status" -ne 0 ]
        [[ "$stderr" == *"sudo apt-get install -y "*" libcmocka-dev"* ]]
    done
    run --separate-stderr scripts/setup.sh --check
    [ "$status" -eq 1 ]
    run grep -c apt-get "$calls"
    [ "$output" = 0 ]
    make -s setup
    [ "$(grep -c '^apt-get install .* libopenblas-dev .* libcmocka-dev' "$calls")" -eq 1 ]
    run make -s test # goes on to the build, where this machine still has nothing
    [ "$(grep -c '^apt-get install ' "$calls")" -eq 2 ]
}

@test "programs can be built without what only the tests need" {
    bare
    run --separate-stderr scripts/setup.sh --check build
    [ "$status" -eq 1 ]
    [[ "$stderr" != *cmocka* ]]
    run --separate-stderr scripts/setup.sh --check test
    [[ "$stderr" == *cmocka* ]]
}

@test "each package manager that is here gets a command with its own names" {
    fake pkg-config 1
    for m in dnf pacman brew conda; do fake $m; done
    run --separate-stderr scripts/setup.sh --check build
    [ "$status" -eq 1 ]
    [[ "$stderr" == *"sudo dnf install -y openblas-devel cjson-devel libpng-devel zlib-devel"* ]]
    [[ "$stderr" == *"sudo pacman -S --needed openblas cjson libpng zlib xxhash"* ]]
    [[ "$stderr" == *"brew install openblas cjson"* ]]
    [[ "$stderr" == *"conda install -c conda-forge openblas cjson"* ]]
    [ ! -s "$calls" ] || [ "$(grep -vc pkg-config "$calls")" -eq 0 ]
}

@test "what can be done without is told once, and does not stop the build" {
    real=$(command -v pkg-config)
    printf '#!/bin/sh\ncase $* in *cairo*) exit 1 ;; esac\nexec %s "$@"\n' "$real" \
        >"$BATS_TEST_TMPDIR/fake/pkg-config"
    chmod +x "$BATS_TEST_TMPDIR/fake/pkg-config"
    PATH=$BATS_TEST_TMPDIR/fake:$PATH
    run --separate-stderr scripts/setup.sh --check build
    [ "$status" -eq 0 ]
    [[ "$stderr" == *"kd is built without it: libcairo2-dev"* ]]
    run --separate-stderr scripts/setup.sh --check build
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
}

@test "setup.sh: --help, and a wrong word" {
    run scripts/setup.sh --help
    [ "$status" -eq 0 ]
    [[ "$output" == *"usage: scripts/setup.sh [--check] [build | test | device | lint]"* ]]
    run --separate-stderr scripts/setup.sh all
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"all: expected --check, build, test, device or lint"* ]]
}

@test "make help names every target that a user may call" {
    make help >help
    for t in setup test install uninstall bench format lint asan tsan valgrind torture fuzz clean
    do
        grep -q "make $t\b" help
    done
    grep -q 'MODE=debug' help
    run --separate-stderr make MODE=fast
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"MODE=fast: expected release, debug, asan"* ]]
}

@test "one file of tests by its name or path, without variables" {
    [ "$KD_BIN" = "$release" ] || skip "the release build is tried"
    cd "$top"
    for name in rng test_rng build/release-cc/unit/test_rng; do
        run scripts/test.sh $name
        echo "$name: $output"
        [ "$status" -eq 0 ]
        [[ "$output" == *"unit/test_rng"*" passed, 0 failed, 0 skipped" ]]
    done
    run make -s test T=rng KD_SETUP=no
    echo "$output"
    [ "$status" -eq 0 ]
    [[ "$output" == *"unit/test_rng"*" passed, 0 failed, 0 skipped" ]]
    run --separate-stderr scripts/test.sh nothing
    [ "$status" -ne 0 ]
    [[ "$stderr" == *"nothing: neither "*"unit/test_nothing nor test/cli/nothing.bats is there"* ]]
    run --separate-stderr env MODE=other scripts/test.sh rng
    [ "$status" -ne 0 ]
    [[ "$stderr" == *"no programs in "*"build/other-cc/bin; \`make test\` builds them"* ]]
}

@test "several files of tests at once: all counted, failures shown, those that want it alone last" {
    cd "$BATS_TEST_TMPDIR"
    for t in a b c d; do
        printf '%s\n' '#!/bin/sh' "echo $t >>'$PWD/ran'" "echo ok 1 $t" >test_$t
    done
    printf '%s\n' '# alone: it comes last' >>test_a
    printf '%s\n' '#!/bin/sh' 'echo not ok 1 b' 'exit 1' >test_b
    sed -i '2i sleep 0.5' test_c
    chmod +x test_?
    run --separate-stderr env JOBS=3 "$top/scripts/test.sh" "$PWD"/test_[abcd]
    echo "$output"
    [ "$status" -eq 1 ]
    [ "${lines[-1]}" = "3 passed, 1 failed, 0 skipped" ]
    grep -qx 'not ok 1 b' <<<"$output"
    [ "$(sort ran | xargs)" = "a c d" ]
    [ "$(tail -n 1 ran)" = a ]
    printf '%s\n' '#!/bin/sh' 'kill -SEGV $$' >test_b # without a word
    run env JOBS=2 "$top/scripts/test.sh" "$PWD"/test_[bc]
    [ "$status" -eq 1 ]
    [ "${lines[-1]}" = "1 passed, 1 failed, 0 skipped" ]
}

@test "release programs are hardened" {
    [ "$KD_BIN" = "$release" ] || skip "the release build alone is hardened"
    [[ "$(uname)" == Linux ]] || skip "as Linux does it"
    command -v readelf >/dev/null || skip "no readelf"
    for p in "$KD_BIN"/kd*; do
        readelf -hW "$p" | grep -q 'Type: *DYN'
        readelf -lW "$p" | grep -q GNU_RELRO
        readelf -dW "$p" | grep -q BIND_NOW
    done
    nm -D "$KD_BIN/kd-eval" | grep -q __stack_chk_fail
    nm -D "$KD_BIN/kd-eval" | grep -q __snprintf_chk
}
