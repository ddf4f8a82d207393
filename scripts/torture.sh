#!/usr/bin/env bash
# What `make torture` does: every call of the programs fails in turn (test/cli/torture.bats, test_torture), trainings are killed
# and resumed (test/torture/kill.sh). Ends with the figures.
# BIN, UNIT_DIR, FAIL: programs, unit tests, the library to be preloaded. usage: scripts/torture.sh [KILLS]
set -eu
cd "$(dirname "$0")/.."
[ -n "${FAIL:-}" ] && [ -e "$FAIL" ] || { echo "torture: needs Linux with glibc and MODE=release" >&2; exit 1; }
export PATH="$BIN:$PATH" KD_BIN="$BIN" TORTURE_FIGURES
TORTURE_FIGURES=$(mktemp)
trap 'rm -f "$TORTURE_FIGURES"' EXIT
"$UNIT_DIR/test_torture"
bats --tap test/cli/torture.bats
test/torture/kill.sh "${1:-200}" | tee -a "$TORTURE_FIGURES"
awk '/^fired/ { fired[$2]++ }
     /^kills/ { kills = $0 }
     END {
         printf "failed in whole commands: %d allocations, %d writes, %d opens, %d reads, %d syncs, %d renames, %d closes\n",
             fired["alloc"], fired["write"], fired["open"], fired["read"], fired["fsync"], fired["rename"], fired["close"]
         print kills; print "crashes: 0"
     }' "$TORTURE_FIGURES"
