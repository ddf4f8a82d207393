#!/usr/bin/env bats
# make install into a folder of its own: what lands there, and that it can be used and removed
# again.
bats_require_minimum_version 1.5.0

setup_file() {
    unset OPENBLAS_CORETYPE
    [ "$KD_BIN" = "$(cd "$BATS_TEST_DIRNAME/../.." && pwd)/bin" ] || return 0
    export DEST=$BATS_FILE_TMPDIR/dest PREFIX=/opt/kd SOURCE=$BATS_TEST_DIRNAME/../..
    make -s -C "$SOURCE" install DESTDIR="$DEST" PREFIX="$PREFIX" >/dev/null
}
setup() {
    [ -n "${DEST:-}" ] || skip "the release build alone is installed here"
    unset OPENBLAS_CORETYPE
    cd "$BATS_TEST_TMPDIR"
}

@test "programs, manual pages, library, headers and kd.pc are installed" {
    for p in $(cd "$SOURCE/cmd" && ls kd.c kd-*.c); do
        p=${p%.c}
        [ -x "$DEST$PREFIX/bin/$p" ]
        [ -f "$DEST$PREFIX/share/man/man1/$p.1" ]
    done
    for page in "$SOURCE"/cmd/*.[1357]; do
        [ -f "$DEST$PREFIX/share/man/man${page##*.}/${page##*/}" ]
    done
    for p in kd kd-eval; do # a shell looks for the file of a command's name
        grep -q _kd_complete "$DEST$PREFIX/share/bash-completion/completions/$p"
        grep -q __kd_complete "$DEST$PREFIX/share/fish/vendor_completions.d/$p.fish"
    done
    grep -q '^#compdef kd ' "$DEST$PREFIX/share/zsh/site-functions/_kd"
    [ -f "$DEST$PREFIX/lib/libkd.a" ]
    [ -f "$DEST$PREFIX/include/kd/base/err.h" ]
    [ "$(find "$DEST" -type f | grep -cv "^$DEST$PREFIX/")" -eq 0 ]
}

@test "every installed header can be included by itself" {
    flags=$(PKG_CONFIG_PATH="$DEST$PREFIX/lib/pkgconfig" pkg-config \
        --define-variable=prefix="$DEST$PREFIX" --cflags kd)
    (cd "$DEST$PREFIX/include" && find kd -name '*.h') | while read -r h; do
        echo "#include <$h>" >one.c
        cc -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only $flags one.c
    done
}

@test "the installed kd finds its commands and manual pages" {
    ln -s "$DEST$PREFIX/bin/kd" kd
    run --separate-stderr env PATH=/usr/bin:/bin ./kd eval --version
    [ "$status" -eq 0 ]
    [ "${lines[0]}" = "kd-eval (kd) $(cat "$SOURCE/VERSION")" ]
    mkdir bin
    printf '#!/bin/sh\necho "$1"\n' >bin/man
    chmod +x bin/man
    real=$(cd "$DEST" && pwd -P)
    for page in train-student.1 eval.1 formats.5 tutorial.7; do
        run --separate-stderr env PATH="$PWD/bin:/usr/bin:/bin" ./kd help "${page%.*}"
        [ "$(realpath "$output")" = "$real$PREFIX/share/man/man${page#*.}/kd-$page" ]
    done
    if command -v man >/dev/null && man --version 2>/dev/null | grep -q '^man 2'; then
        run --separate-stderr man --warnings -E UTF-8 -l "$DEST$PREFIX/share/man/man5/kd-formats.5"
        [ "$status" -eq 0 ]
        [ -z "$stderr" ]
    fi
}

@test "uninstall removes every file that install made" {
    cp -r "$DEST" "$BATS_TEST_TMPDIR/dest"
    touch "dest$PREFIX/bin/other"
    make -s -C "$SOURCE" uninstall DESTDIR="$PWD/dest" PREFIX="$PREFIX"
    [ "$(find dest -type f -o -type l)" = "dest$PREFIX/bin/other" ]
    [ ! -e "dest$PREFIX/include/kd" ]
}
