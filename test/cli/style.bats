#!/usr/bin/env bats
# The form of the sources, as CONTRIBUTING.md and .clang-format have it.
bats_require_minimum_version 1.5.0

setup() { cd "$BATS_TEST_DIRNAME/../.."; }

# The C and shell files of folder $1, NUL-terminated. Shell has an ending or a first line like this.
sources() {
    find "$1" \( -path ./build -o -path ./bin -o -path ./.git -o -path ./runs -o -path ./data \) \
        -prune -o -type f \( -name '*.[ch]' -o -name '*.sh' -o -name '*.bats' -o -name '*.bash' \) \
        -print0
    find "$1" \( -path ./build -o -path ./bin -o -path ./.git -o -path ./runs -o -path ./data \) \
        -prune -o -type f ! -name '*.*' -size -64k -exec sh -c \
        'for f; do if head -c 30 "$f" | grep -qaE "^#!.*sh$"; then printf "%s\0" "$f"; fi; done' \
        sh {} +
}
# Lines of more than 100 columns, FILE:LINE. A column is a character: UTF-8's later bytes count not.
long() {
    sources "$1" | LC_ALL=C xargs -0 awk '
        {line = $0; gsub(/[\200-\277]/, "", line)}
        length(line) > 100 {print FILENAME ":" FNR ": " length(line) " columns"}'
}

@test "no line of C and shell is longer than 100 columns" {
    run long .
    [ -z "$output" ] || { echo "$output" >&2; false; }
}

@test "a long line is found, in whatever shell file it is; a character of several bytes is one" {
    cd "$BATS_TEST_TMPDIR"
    x=$(printf '%101s' '')
    for f in a.c a.h a.sh a.bats a.bash; do echo "$x" >$f; done
    printf '#!/bin/sh\n%s\n' "$x" >a
    printf '%s\n' "$x" >text
    printf '%98s±±\n' '' >short.sh
    [ "$(long . | wc -l)" -eq 6 ]
}

@test "clang-format changes nothing" {
    command -v clang-format >/dev/null || skip "no clang-format"
    clang-format --version | grep -q 'version 14\.' || skip "other versions break other lines"
    find include lib cmd test -name '*.[ch]' -print0 | xargs -0 clang-format --dry-run -Werror
}

@test "every manual page has its name, a section and a date, and no mistake that man finds" {
    for page in cmd/*.[1357]; do
        name=$(basename "$page" | tr a-z A-Z)
        title=$(sed 's/\\-/-/g' "$page" | grep -m 1 '^\.TH')
        echo "$page: $title"
        [[ "$title" =~ ^\.TH\ ${name%.*}\ ${name##*.}\ \"20[0-9]{2}-[01][0-9]-[0-3][0-9]\"\  ]]
    done
    man --version 2>/dev/null | grep -q '^man 2' || skip "no man-db"
    for page in cmd/*.[1357]; do
        run --separate-stderr man --warnings -E UTF-8 -l "$page"
        echo "$page: $stderr"
        [ "$status" -eq 0 ]
        [ -z "$stderr" ]
    done
}
