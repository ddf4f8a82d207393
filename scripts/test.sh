#!/bin/sh
# Runs the tests, or those named, and ends with "N passed, N failed, N skipped".
# `make test` builds all that they need and calls this.
# usage: scripts/test.sh [NAME | FILE]...     loss: test_loss of test/unit, or test/cli/loss.bats
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
log=$(mktemp)
trap 'rm -f "$log" "$log".*' EXIT
status=0
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

for t in $tests; do
    case $t in
    *.bats) run="bats --tap $t" ;;
    *) run=$t ;;
    esac
    echo "# $t"
    $run >"$log.one" 2>"$log.err" || {
        status=1
        echo "not ok - $t ended with an error" >>"$log.one.fail"
    }
    # cmocka writes a skipped test as "not ok N # SKIP name"
    sed -E 's/^not ok ([0-9]+) (# SKIP.*)$/ok \1 \2/' "$log.one" >"$log.tap"
    mv "$log.tap" "$log.one"
    grep -E '^(not )?ok|^# skip' "$log.one" | grep -v '^ok' || true
    if [ -e "$log.one.fail" ]; then
        grep -q '^not ok' "$log.one" || tee -a "$log" <"$log.one.fail"
        grep '^#' "$log.one" || true
        tail -n 40 "$log.err"
    fi
    cat "$log.one" >>"$log"
    rm -f "$log.one" "$log.one.fail" "$log.err"
done
if [ -n "${LINT:-}" ] && [ -n "$all" ]; then
    echo "# lint"
    if ! scripts/setup.sh --check lint >/dev/null 2>&1; then
        echo "ok - lint # SKIP a tool of it is missing" | tee -a "$log"
    elif env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS timeout 600 make lint >"$log.one" 2>&1; then
        echo "ok - lint" >>"$log"
    elif [ $? -eq 124 ]; then
        echo "ok - lint # SKIP not through in ten minutes" | tee -a "$log"
    else
        grep -v '^  tidy' "$log.one" || true
        echo "not ok - lint" | tee -a "$log"
    fi
    rm -f "$log.one"
fi
failed=$(grep -c '^not ok' "$log" || true)
skipped=$(grep -ciE '^ok.*# skip' "$log" || true)
passed=$(($(grep -c '^ok' "$log" || true) - skipped))
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$status" -eq 0 ]
