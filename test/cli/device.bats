#!/usr/bin/env bats
# Exported C computes kd's integers, on this and on emulated processors (test/device/README.md).
# DEVICE_IMAGES and DEVICE_EMULATED: how many images; `make test-device` takes 1,000.
bats_require_minimum_version 1.5.0

setup_file() {
    unset OPENBLAS_CORETYPE KD_DATA
    export DEVICE=$BATS_TEST_DIRNAME/../device
    [ -x "${UNIT_DIR:-}/../device/reference" ] || return 0
    REFERENCE=$(cd "$UNIT_DIR/../device" && pwd)/reference
    export REFERENCE
    cd "$BATS_FILE_TMPDIR"
    kd-data convert digits:train digits:test --fraction "${DEVICE_FRACTION:-0.2}" --to idx -o set \
        --quiet >/dev/null
    tail -c +17 set/t10k-images-idx3-ubyte >images.raw
    for net in "$DEVICE"/networks/*.json; do
        name=$(basename "$net" .json)
        kd-train-teacher --data idx:set --network "$net" --epochs 1 --optimizer adam \
            --learning-rate 0.01 -o "$name.trained" --quiet >/dev/null
        kd-quantize "$name.trained" -o "$name.safetensors" --quiet -n 128 >/dev/null
    done
}
setup() {
    [ -n "${REFERENCE:-}" ] || skip "test/device/reference is not built"
    cd "$BATS_FILE_TMPDIR"
}

# same NAME LEVELS
same() {
    LEVELS=$2 run "$DEVICE/check.sh" "$1.safetensors" images.raw "${DEVICE_IMAGES:-100}" \
        "${DEVICE_EMULATED:-20}"
    echo "$output"
    [ "$status" -eq 0 ] || return 1
    [[ "$output" == *"ok: "* ]]
    if [[ "$output" == *"skip: "* ]]; then skip "$(grep '^skip' <<<"$output" | tr '\n' ' ')"; fi
}

@test "the same integers everywhere: a multilayer perceptron" { same mlp "-O0 -O2 -O3 -Os"; }
@test "the same integers everywhere: residual blocks" { same residual "-O0 -O2 -O3 -Os"; }
@test "the same integers everywhere: depthwise layers, a global average" { same separable -O2; }
@test "the same integers everywhere: tables, groups, relu alone, logits of bytes" { same odd -O2; }
@test "the same integers everywhere: an average at the end" { same average -O2; }

@test "the same integers everywhere: relu6 and hardswish" { same clamped -O2; }

@test "the files test themselves; pixels interleaved; the caller's arena; floats" {
    for how in "" "--input interleaved" "--arena caller"; do
        for model in residual.safetensors residual.trained odd.trained clamped.trained \
            mlp.safetensors; do
            rm -rf out
            # shellcheck disable=SC2086
            kd-export $model $how -o out --quiet >/dev/null
            cc -std=c99 -O2 -Wall -Wextra -Wpedantic -Wconversion -Werror -DMODEL_SELFTEST \
                out/model.c -o selftest -lm
            ./selftest >said
            grep -q "8 images, 0 logits wrong" said
        done
    done
}

@test "a wrong bias is found by the self-test" {
    kd-export mlp.safetensors -o out/net.c --overwrite >/dev/null
    awk '/^static const int32_t net_bias_5/ {print; getline; sub(/[-0-9]+,/, "99999,")} {print}' \
        out/net.c >out/wrong.c
    run ! cmp -s out/net.c out/wrong.c
    cc -O1 -DNET_SELFTEST -Iout out/wrong.c -o wrong
    run -1 ./wrong
    [[ "$output" == *"expected"* ]]
}

@test "no floating point, no allocation, no library but string.h in an integer model" {
    kd-export residual.safetensors -o out/net.c --overwrite >/dev/null
    [ "$(grep -c '^#include' out/net.c)" -le 6 ] # the header, stddef, string; stdio; intrinsics
    run ! grep -nE 'float|double|malloc|<math|<stdlib' out/net.c
    cc -O2 -c out/net.c -o net.o
    # shellcheck disable=SC2046
    [ -z "$(nm -u net.o | grep -vE 'memcpy|memset|_GLOBAL_OFFSET|stack_chk')" ]
}

@test "constants and arena are what the plan says, code within 15 percent" {
    command -v arm-none-eabi-gcc >/dev/null || skip "no arm-none-eabi-gcc"
    for model in residual mlp separable odd average; do
        kd-export "$model.safetensors" --plan --json >plan
        kd-export "$model.safetensors" -o out/net.c --overwrite >/dev/null
        arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -Os -c out/net.c -o net.o
        arm-none-eabi-nm -S -t d net.o |
            awk -v j="$(jq -r '"\(.constants) \(.ram) \(.code)"' plan)" '
            NF == 4 {size[tolower($3)] += $2}
            END {
                split(j, plan, " ")
                print "constants", size["r"], plan[1], "arena", size["b"], plan[2], "code",
                    size["t"], plan[3]
                exit !(size["r"] == plan[1] && size["b"] == plan[2] &&
                    plan[3] < 1.15 * size["t"] && plan[3] > 0.85 * size["t"])
            }'
    done
}

@test "configs/device-mnist.json: 2,048 bytes of arena and stack, 24 KB of flash" {
    command -v arm-none-eabi-gcc >/dev/null || skip "no arm-none-eabi-gcc"
    jq .students.device.network "$DEVICE/../../configs/device-mnist.json" >device.json
    kd-train-teacher --data idx:set --network device.json --epochs 1 -o tiny --quiet >/dev/null
    kd-quantize tiny -o tiny.safetensors --quiet -n 128 >/dev/null
    kd-export tiny.safetensors -o out/tiny.c --ram 1900 --flash 24K --overwrite >/dev/null
    arm-none-eabi-gcc -mcpu=cortex-m4 -mthumb -Os -fstack-usage -c out/tiny.c -o tiny.o
    arena=$(arm-none-eabi-nm -S -t d tiny.o | awk 'tolower($3) == "b" {n += $2} END {print n + 0}')
    flash=$(arm-none-eabi-size tiny.o | awk 'NR == 2 {print $1 + $2}')
    stack=$(awk '{n += $2} END {print n}' tiny.su) # of all functions, as if each called the next
    echo "arena $arena, stack $stack, flash $flash"
    [ "$arena" -gt 0 ]
    [ "$stack" -gt 0 ]
    [ $((arena + stack + 64)) -le 2048 ] # 64 bytes for memcpy and memset
    [ "$flash" -le $((24 * 1024)) ]
}

@test "--plan as a table; limits that are exceeded are errors" {
    kd-export residual.safetensors --plan --flash 64K --ram 16K >table
    grep -q "convolution, sum" table
    grep -q "^flash " table
    kd-export residual.safetensors --plan --flash 64K --ram 16K 2>&1 >/dev/null |
        grep -q -- "--ram 16K: it fits, with [0-9]* bytes to spare"
    run -1 --separate-stderr kd-export residual.safetensors --plan --ram 8K
    [[ "$stderr" == *"--ram 8K"* ]]
    run -1 --separate-stderr kd-export residual.safetensors -o out/net2.c --flash 1K
    [[ "$stderr" == *"--flash 1K"* ]]
    [ ! -e out/net2.c ]
    run -2 kd-export residual.safetensors --plan --ram big
    run -2 kd-export residual.safetensors
    run -2 kd-export residual.safetensors -o out --name 9x
    run -2 kd-export residual.safetensors --plan --name x
}

@test "the arena of residual blocks is 1.1 times the two largest neighbours at most" {
    [ "$(kd-export residual.safetensors --plan --json | jq .ram)" \
        -le $((8 * 28 * 28 * 2 * 11 / 10)) ]
}
