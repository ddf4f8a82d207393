#!/usr/bin/env bash
# What `make torture` does: every call of the programs fails in turn, under LeakSanitizer
# (test/cli/torture.bats), every call of the readers and writers (test_torture), and trainings are
# killed and resumed (test/torture/kill.sh), also in company (company.sh) and by a loss of power
# (power.sh); all programs run with descriptors closed (descriptors.sh), and get all signals
# (signals.sh). Ends with the figures.
#
# usage: scripts/torture.sh [KILLS]
#   BIN, UNIT_DIR             programs, unit tests; ../torture/fail.so beside the latter is the
#   library to be preloaded
#   LEAK_BIN, LEAK_UNIT_DIR   the same with LeakSanitizer
#   JOBS=N                    commands at once (default: one a processor)
set -euo pipefail
cd "$(dirname "$0")/.."
export FAIL="$UNIT_DIR/../torture/fail.so" TORTURE=every TORTURE_FIGURES
[ -e "$FAIL" ] && [ -e "$LEAK_UNIT_DIR/../torture/fail.so" ] || {
    echo "torture: needs Linux with glibc, and gcc" >&2; exit 1
}
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN)}
work=$(mktemp -d)
TORTURE_FIGURES=$work/figures
trap 'rm -rf "$work"' EXIT
say() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*"; }

say "each call of readers and writers fails in turn"
"$UNIT_DIR/test_torture" >"$work/unit" 2>&1 || { cat "$work/unit"; exit 1; }

# one COMMAND: its test of torture.bats, with figures of its own
one() {
    export PATH="$LEAK_BIN:$PATH" KD_BIN="$LEAK_BIN" UNIT_DIR="$LEAK_UNIT_DIR" \
        TORTURE_FIGURES="$work/$1.figures"
    export LSAN_OPTIONS="suppressions=$PWD/test/lsan.supp:print_suppressions=0"
    bats --tap -f "^$1\$" test/cli/torture.bats >"$work/$1.log" 2>&1 || {
        cat "$work/$1.log"; return 1
    }
    say "$1: $(wc -l <"$TORTURE_FIGURES") calls failed, one after another"
}
export -f one say
export work
say "each call of whole programs fails in turn, $jobs at once"
sed -n 's/^@test "\(.*\)" {$/\1/p' test/cli/torture.bats | tr '\n' '\0' |
    xargs -0 -n 1 -P "$jobs" bash -c 'one "$1"' torture

say "trainings are killed and resumed"
PATH="$BIN:$PATH" test/torture/kill.sh "${1:-200}" | tee "$work/kills"

say "power is lost at each moment of a training"
PATH="$BIN:$PATH" RECORD="$UNIT_DIR/../torture/record.so" POWER="$UNIT_DIR/../torture/power" \
    test/torture/power.sh

say "four at once work off an experiment, one of them is killed"
test/torture/company.sh
say "ranks of one training are killed"
PATH="$BIN:$PATH" test/torture/ranks.sh

say "each program with every subset of descriptors 0 to 2 closed"
PATH="$BIN:$PATH" test/torture/descriptors.sh | tee "$work/descriptors"

say "each program gets each signal at many moments"
PATH="$BIN:$PATH" test/torture/signals.sh | tee "$work/signals"
cat "$work"/*.figures | awk -v kills="$(tail -n 1 "$work/kills")" \
    -v signals="$(tail -n 1 "$work/signals")" \
    -v descriptors="$(tail -n 1 "$work/descriptors")" '
    { fired[$2]++ }
    END {
        printf "calls failed: %d allocations, %d writes, %d opens, ",
            fired["alloc"], fired["write"], fired["open"]
        printf "%d reads, %d syncs, %d renames, %d closes, ",
            fired["read"], fired["fsync"] + fired["syncfs"], fired["rename"], fired["close"]
        printf "%d links, %d unlinks, %d folders made, %d fcntls; leaks: 0\n",
            fired["link"], fired["unlink"], fired["mkdir"], fired["fcntl"]
        print kills; print descriptors; print signals; print "crashes: 0"
    }'
