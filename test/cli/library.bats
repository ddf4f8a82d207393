#!/usr/bin/env bats
# The library from outside: the program of kd(3), built against an installed copy, as C and as C++.
bats_require_minimum_version 1.5.0

setup_file() {
    unset OPENBLAS_CORETYPE
    [ "$KD_BIN" = "$(cd "$BATS_TEST_DIRNAME/../.." && pwd)/bin" ] || return 0
    export DEST=$BATS_FILE_TMPDIR/dest PREFIX=/opt/kd SOURCE=$BATS_TEST_DIRNAME/../..
    make -s -C "$SOURCE" install DESTDIR="$DEST" PREFIX="$PREFIX" >/dev/null
    cd "$BATS_FILE_TMPDIR"
    sed -n '/program: begin/,/program: end/p' "$SOURCE/cmd/kd.3" |
        sed '1d; $d; s/\\e/\\/g' >program.c
    kd-train-teacher --data digits --fraction 0.05 --layers 12 -e 2 --quiet -o model >/dev/null
}
setup() {
    [ -n "${DEST:-}" ] || skip "the release build alone is installed here"
    unset OPENBLAS_CORETYPE
    export PKG_CONFIG_PATH="$DEST$PREFIX/lib/pkgconfig"
    flags=$(pkg-config --define-variable=prefix="$DEST$PREFIX" --cflags --libs kd)
    cd "$BATS_FILE_TMPDIR"
}

# right: how many classes that the program printed are the labels of the digits' test images
right() {
    ./"$1" model digits:test >classes
    kd-eval model --data digits --json --confusion >eval
    [ "$(wc -l <classes)" -eq "$(jq .n eval)" ]
    for k in 0 1 2 3 4 5 6 7 8 9; do # each class is given as often as kd-eval says
        [ "$(grep -cx $k classes)" -eq "$(jq "[.confusion[][$k]] | add" eval)" ]
    done
}

@test "the program of kd(3) is 20 lines or little more, and gives the classes that kd-eval counts" {
    [ "$(sed -n '/^int main/,$p' program.c | wc -l)" -le 24 ]
    cc -std=c11 -Wall -Wextra -Werror program.c $flags -o in_c
    right in_c
}

@test "the same program is C++" {
    command -v c++ >/dev/null || skip "there is no C++ compiler here"
    cp program.c program.cc
    c++ -Wall -Wextra -Werror program.cc $flags -o in_cpp
    right in_cpp
}

@test "its errors are one line and exit 1" {
    cc -std=c11 -Wall -Wextra -Werror program.c $flags -o in_c
    run --separate-stderr ./in_c missing digits:test
    [ "$status" -eq 1 ]
    [ "$stderr" = "missing: there is no such file" ]
    run --separate-stderr ./in_c model nothing
    [ "$status" -eq 1 ]
    [ "${#stderr_lines[@]}" -eq 1 ]
}

@test "kd.h and what it needs is installed, and nothing else" {
    [ "$(cd "$DEST$PREFIX/include" && find . -type f | sort | tr '\n' ' ')" = \
        "./kd/base/err.h ./kd/kd.h " ]
}
