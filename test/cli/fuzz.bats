#!/usr/bin/env bats
# Every fuzz target holds on its corpus, without a fuzzer: test/fuzz/replay.c.
bats_require_minimum_version 1.5.0

setup() { cd "$BATS_TEST_DIRNAME/../.." && programs=$(dirname "$UNIT_DIR")/fuzz; }

@test "every target has inputs in its corpus, and every folder of the corpus a target" {
    diff <(cd test/fuzz && ls fuzz_*.c | sed 's/\.c$//' | sort) <(ls test/fuzz/corpus | sort)
    run find test/fuzz/corpus -type d -empty
    [ -z "$output" ]
}

@test "every target holds on every input of its corpus" {
    local target failed=
    for target in test/fuzz/fuzz_*.c; do
        target=$(basename "$target" .c)
        run timeout 60 "$programs/$target" "test/fuzz/corpus/$target"
        if [ "$status" -ne 0 ] || [ "$(grep -c "^test/fuzz/corpus/$target/" <<<"$output")" -ne \
            "$(find "test/fuzz/corpus/$target" -type f | wc -l)" ]; then
            failed=yes
            printf '%s: status %s\n%s\n' "$target" "$status" "$output"
        fi
    done
    [ -z "$failed" ]
}
