#!/bin/bash
# check.sh MODEL IMAGES COUNT [EMULATED]: the same integers everywhere.
#
# MODEL is a model in integers, IMAGES a file of raw images, COUNT how many of them go through each
# program; EMULATED (default COUNT) through those on an emulated Cortex-M. Prints a line for each
# way of computing: ok, or skip with what is missing; fails at the first difference. REFERENCE is
# the program made from reference.c.
set -eu
model=$1 images=$2 count=$3 emulated=${4:-$3}
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
kd-export "$model" --name net -o "$work" --quiet --no-provenance >/dev/null
bytes() { # of one image
    sed -n 's/^#define NET_\(CHANNELS\|HEIGHT\|WIDTH\) \([0-9]*\)$/\2/p' "$work/net.h" |
        { n=1; while read -r v; do n=$((n * v)); done; echo "$n"; }
}
head -c $(($(bytes) * count)) "$images" >"$work/images.bin"
warn="-Wall -Wextra -Wpedantic -Wconversion -Werror"
use="-I$work -I$here -DHEADER=\"net.h\" -DNAME=net -DUPPER=NET"
classes=$(sed -n 's/^#define NET_CLASSES //p' "$work/net.h")

same() { # NAME FILE [COUNT]
    if ! cmp -s <(head -c $((4 * classes * ${3:-$count})) "$work/want") "$2"; then
        echo "not ok: $1"
        exit 1
    fi
    echo "ok: $1"
}
has() { command -v "$1" >/dev/null || { echo "skip: $2: no $1"; return 1; }; }

KD_CPU=plain "$REFERENCE" "$model" "$count" <"$work/images.bin" >"$work/want"
for set in avx2 avx512; do
    KD_CPU=$set "$REFERENCE" "$model" "$count" <"$work/images.bin" >"$work/got" 2>/dev/null ||
        { echo "skip: kd, $set: this processor has none"; continue; }
    same "kd, $set" "$work/got"
done

# On this processor, and with interleaved pixels and a caller's arena as C++.
for cc in gcc clang; do
    has $cc "$cc" || continue
    for level in ${LEVELS:--O0 -O2 -O3 -Os} "-O3 -march=native"; do
        # shellcheck disable=SC2086
        $cc -std=c99 $level $warn $use "$here/driver.c" "$here/host.c" "$work/net.c" -o "$work/host"
        "$work/host" <"$work/images.bin" >"$work/got"
        same "$cc $level" "$work/got"
    done
    # shellcheck disable=SC2086
    $cc -x c++ $warn -c "$work/net.c" -o "$work/net.o"
    echo "ok: $cc, as C++"
done

# Other processors under qemu's user emulation.
for target in aarch64-linux-gnu:qemu-aarch64 arm-linux-gnueabihf:qemu-arm \
    riscv64-linux-gnu:qemu-riscv64; do
    cc=${target%:*}-gcc run=${target#*:}
    has "$cc" "$run" && has "$run" "$run" || continue
    # shellcheck disable=SC2086
    $cc -std=c99 -O2 -static $warn $use "$here/driver.c" "$here/host.c" "$work/net.c" \
        -o "$work/other"
    $run "$work/other" <"$work/images.bin" >"$work/got"
    same "$run" "$work/got"
done

# Firmware.
head -c $(($(bytes) * emulated)) "$images" >"$work/images.bin"
for machine in m3:mps2-an385 m4:mps2-an386 m7:mps2-an500; do
    core=cortex-${machine%:*}
    has arm-none-eabi-gcc "$core" && has qemu-system-arm "$core" || continue
    # shellcheck disable=SC2086
    arm-none-eabi-gcc -mcpu=$core -mthumb -std=c99 -Os $warn $use "$here/driver.c" "$work/net.c" -c
    # shellcheck disable=SC2086
    arm-none-eabi-gcc -mcpu=$core -mthumb -std=c99 -Os $use "$here/cortex_m.c" driver.o net.o \
        -nostartfiles --specs=nano.specs -T "$here/cortex_m.ld" -o "$work/firmware"
    rm -f driver.o net.o
    (cd "$work" && timeout 600 qemu-system-arm -M "${machine#*:}" -nographic -monitor none \
        -serial none -semihosting-config enable=on,target=native -kernel firmware </dev/null)
    same "$core" "$work/logits.bin" "$emulated"
done
