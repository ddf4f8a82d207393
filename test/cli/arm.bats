#!/usr/bin/env bats
# The kernels of 64-bit Arm, built and run as test/arm/check.sh does.
bats_require_minimum_version 1.5.0

@test "the kernels for Arm pass the tests of the kernels" {
    run --separate-stderr "$BATS_TEST_DIRNAME/../arm/check.sh"
    [ "$status" != 77 ] || skip "$output"
    [ "$status" = 0 ]
    [[ "$output" == *"ok - plain: same_sums"* ]]
    [[ "$output" == *"ok - neon: same_sums"* ]]
    [[ "$output" != *"not ok"* ]]
}
