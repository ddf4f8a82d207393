#!/bin/sh
# Runs every test under prove (TAP) and ends with "N passed, N failed, N skipped". Called by `make test`.
# BIN: folder of the programs; UNIT_DIR: folder of the unit-test programs. Names as arguments choose tests.
# LINT=yes: `make lint` counts as a test behind them, skipped where its tools are missing.
set -eu
export CMOCKA_MESSAGE_OUTPUT=TAP ASAN_OPTIONS="allocator_may_return_null=1:${ASAN_OPTIONS:-}"
export LSAN_OPTIONS="suppressions=$PWD/test/lsan.supp:print_suppressions=0:${LSAN_OPTIONS:-}"
unset OPENBLAS_CORETYPE # its warning would be in the way of what is compared
export PATH="$BIN:$PATH" KD_BIN="$BIN"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
status=0
if [ $# -eq 0 ]; then set -- "$UNIT_DIR"/test_* test/cli/*.bats; fi
for t in "$@"; do
    case $t in
    *.d | *.o) continue ;;
    *.bats) run="bats --tap $t" ;;
    *) run=$t ;;
    esac
    [ -e "$t" ] || continue
    echo "# $t"
    $run >"$log.one" 2>"$log.err" || { status=1; echo "not ok - $t ended with an error" >>"$log.one.fail"; }
    # cmocka writes a skipped test as "not ok N # SKIP name"
    sed -E 's/^not ok ([0-9]+) (# SKIP.*)$/ok \1 \2/' "$log.one" >"$log.tap" && mv "$log.tap" "$log.one"
    grep -E '^(not )?ok|^# skip' "$log.one" | grep -v '^ok' || true
    if [ -e "$log.one.fail" ] && ! grep -q '^not ok' "$log.one"; then cat "$log.one.fail"; cat "$log.one.fail" >>"$log"; fi
    if [ -e "$log.one.fail" ]; then grep '^#' "$log.one" || true; tail -n 40 "$log.err"; fi
    cat "$log.one" >>"$log"
    rm -f "$log.one" "$log.one.fail" "$log.err"
done
if [ -n "${LINT:-}" ]; then
    echo "# lint"
    if ! command -v clang-tidy >/dev/null || ! command -v cppcheck >/dev/null; then
        echo "ok - lint # SKIP clang-tidy or cppcheck is missing" | tee -a "$log"
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
