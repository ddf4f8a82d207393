#!/bin/sh
# Runs the tests, or those named, and ends with "N passed, N failed, N skipped".
# `make test` builds all that they need and calls this.
# usage: scripts/test.sh [NAME | FILE]...     loss: test_loss of test/unit, or test/cli/loss.bats
#   JOBS=2        how many test files run at a time; as many as there are processors otherwise
#   MODE=release  which build is tested; BIN and UNIT_DIR say where it lies if it lies elsewhere
#   LINT=yes      `make lint` counts as a test too; it is skipped where its tools are missing
set -eu
cd "$(dirname "$0")/.."
. scripts/stoppable.sh
build=build/${MODE:-release}-$(basename "${CC:-cc}")
if [ "${MODE:-release}" = release ]; then BIN=${BIN:-$PWD/bin}; fi
export BIN="${BIN:-$PWD/$build/bin}" UNIT_DIR="${UNIT_DIR:-$build/unit}" MODE="${MODE:-release}"
[ -x "$BIN/kd" ] || { echo "test.sh: no programs in $BIN; \`make test\` builds them" >&2; exit 1; }

export CMOCKA_MESSAGE_OUTPUT=TAP ASAN_OPTIONS="allocator_may_return_null=1:${ASAN_OPTIONS:-}"
export LSAN_OPTIONS="suppressions=$PWD/test/lsan.supp:print_suppressions=0:${LSAN_OPTIONS:-}"
unset OPENBLAS_CORETYPE # its warning would be in the way of what is compared
export PATH="$BIN:$PWD/test/tools:$PATH" KD_BIN="$BIN"
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
JOBS=${JOBS:-$(getconf _NPROCESSORS_ONLN)}
# file NAME: the test files of that name
file() {
    [ ! -f "$1" ] || { echo "$1"; return; }
    set -- "${1#test_}" "$UNIT_DIR/test_${1#test_}" "test/cli/${1%.bats}.bats"
    [ -f "$2" ] || [ -f "$3" ] || {
        echo "test.sh: $1: neither $2 nor $3 is there" >&2
        return 1
    }
    for t in "$2" "$3"; do [ ! -f "$t" ] || echo "$t"; done
}
all=
if [ $# -eq 0 ]; then
    all=yes
    set -- "$UNIT_DIR"/test_* test/cli/*.bats
fi
tests=
for t in "$@"; do case $t in *.d | *.o) ;; *) tests="$tests $(file "$t")" ;; esac; done

# one FILE: runs it, keeps its results, and shows what failed or was passed over
one() {
    case $1 in
    *.bats) set -- "$1" bats --tap "$1" ;;
    *) set -- "$1" "$1" ;;
    esac
    file=$1 mine=$results/$(basename "$1")
    shift
    stoppable "$@" >"$mine.out" 2>"$mine.err" || : >"$mine.failed"
    # cmocka writes a skipped test as "not ok N # SKIP name"
    sed -i -E 's/^not ok ([0-9]+) (# SKIP.*)$/ok \1 \2/' "$mine.out"
    {
        echo "# $file"
        grep -E '^(not )?ok|^# skip' "$mine.out" | grep -v '^ok' || true
        if [ -e "$mine.failed" ]; then
            grep -q '^not ok' "$mine.out" ||
                echo "not ok - $file ended with an error" | tee -a "$mine.out"
            grep '^#' "$mine.out" || true
            tail -n 40 "$mine.err"
        fi
    } >"$mine.shown"
    cat "$mine.shown"
}
# worker FILE...: runs those that no other worker has taken
worker() {
    . scripts/stoppable.sh
    for t; do
        if mkdir "$results/$(basename "$t").taken" 2>/dev/null; then one "$t"; fi
    done
}
# Files with a line "# alone: ..." measure time, or need all processors; they come when the others
# are through. The longest come first.
alone=$(grep -l '^# alone:' $tests || true)
together=$(for t in $tests; do
    case " $(echo $alone) " in
    *" $t "*) ;;
    *) case $t in *.bats) echo "$(wc -l <"$t") $t" ;; *) echo "0 $t" ;; esac ;;
    esac
done | sort -rn | cut -d' ' -f2-)
workers=
for j in $(seq "$JOBS"); do
    worker $together &
    workers="$workers $!"
done
trap 'kill $workers 2>/dev/null; wait; exit 143' TERM HUP
trap 'kill $workers 2>/dev/null; wait; exit 130' INT
for w in $workers; do wait "$w"; done
worker $alone
if [ -n "${LINT:-}" ] && [ -n "$all" ]; then
    echo "# lint"
    if ! scripts/setup.sh --check lint >/dev/null 2>&1; then
        echo "ok - lint # SKIP a tool of it is missing" | tee "$results/lint.out"
    elif env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS timeout 600 make lint >"$results/lint" 2>&1; then
        echo "ok - lint" >"$results/lint.out"
    elif [ $? -eq 124 ]; then
        echo "ok - lint # SKIP not through in ten minutes" | tee "$results/lint.out"
    else
        grep -v '^  tidy' "$results/lint" || true
        echo "not ok - lint" | tee "$results/lint.out"
    fi
fi
# count GREP-OPTIONS REGEX: lines of all results
count() { cat "$results"/*.out | grep -c "$@" || true; }
failed=$(count '^not ok')
skipped=$(count -iE '^ok.*# skip')
passed=$(($(count '^ok') - skipped))
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
