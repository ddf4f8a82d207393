#!/usr/bin/env bash
# What `make fuzz` does: runs fuzz targets (libFuzzer), one a processor at once; what they find
# stays in build/corpus. Ends with the executions of each; a crash, a leak, 256 MB of memory or 20
# seconds for one input end it.
#
# usage: SECONDS_EACH=60 scripts/fuzz.sh TARGET...      JOBS=N: so many at once
set -eu
cd "$(dirname "$0")/.."
# Freed memory that AddressSanitizer keeps to itself (256 MB if not told) is not the reader's.
export ASAN_OPTIONS=quarantine_size_mb=16${ASAN_OPTIONS:+:$ASAN_OPTIONS}
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN)}
one() {
    local target=$1 log=build/corpus/$1.log
    mkdir -p "build/corpus/$target"
    "build/fuzz-clang/fuzz/$target" -max_total_time="$SECONDS_EACH" -rss_limit_mb=256 -timeout=20 \
        -print_final_stats=1 \
        -artifact_prefix="build/corpus/$target-" "build/corpus/$target" "test/fuzz/corpus/$target" \
        >"$log" 2>&1 ||
        { tail -n 40 "$log"; echo "$target: see build/corpus/$target-*"; return 1; }
    printf '%-18s %9d executions, %3d MB, %5d inputs that reach new code\n' "$target" \
        "$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")" \
        "$(sed -n 's/^stat::peak_rss_mb: *//p' "$log")" \
        "$(ls "build/corpus/$target" | wc -l)"
}
export -f one
printf '%d targets, %s seconds each, %s at once: about %d minutes\n' $# "$SECONDS_EACH" "$jobs" \
    $((($# + jobs - 1) / jobs * SECONDS_EACH / 60 + 1))
printf '%s\n' "$@" | xargs -n 1 -P "$jobs" bash -c 'one "$1" || exit 255' fuzz
echo "crashes: 0"
