#!/bin/bash
# check.sh: the kernels of 64-bit Arm (NEON) by the same tests as those of other processors.
#
# Builds the tables plain and neon with their unit tests for aarch64, and runs these under
# qemu-user, or as they are on such a machine. CROSS is the compiler (aarch64-linux-gnu-gcc), RUN
# what runs its programs (qemu-aarch64). Prints TAP; exit code 77: a tool is missing.
set -eu
cd "$(dirname "$0")/../.."
cross=${CROSS:-aarch64-linux-gnu-gcc} run=${RUN-qemu-aarch64}
[ "$(uname -m)" != aarch64 ] || { cross=${CROSS:-cc} run=${RUN-}; }
for tool in "$cross" $run; do
    command -v "$tool" >/dev/null || { echo "no $tool"; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

flags="-std=c11 -D_GNU_SOURCE -Iinclude -O2 -Wall -Wextra -Werror"
for isa in plain neon; do
    for file in lib/nn/isa/*.c; do
        "$cross" $flags -O3 -ffp-contract=fast -fno-trapping-math -DKD_ISA=$isa -c "$file" \
            -o "$work/$isa-$(basename "$file" .c).o"
    done
done
cp /usr/include/cmocka.h "$work"
for test in kernels product; do
    "$cross" $flags -I"$work" -static "test/unit/test_$test.c" test/arm/cmocka_alone.c \
        lib/nn/kernels.c lib/nn/product.c lib/base/rng.c lib/base/err.c "$work"/*-*.o -lm \
        -o "$work/test_$test"
    $run "$work/test_$test"
done
