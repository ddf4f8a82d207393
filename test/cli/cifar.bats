#!/usr/bin/env bats
# The configurations for CIFAR-100 and for resnet8 on CIFAR-10: read, built and run for a few steps
# on images made for it.
bats_require_minimum_version 1.5.0
load small.bash

setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_TEST_TMPDIR"
    configs=$BATS_TEST_DIRNAME/../../configs
}

# images FILE N LABELS: N images of noise behind one label byte, or two
images() {
    local n label
    for ((n = 0; n < $2; n++)); do
        printf -v label '\\x%02x' $((n % $3))
        # shellcheck disable=SC2059
        printf "${4:-}$label"
        head -c 3072 /dev/urandom
    done >"$1"
}

@test "cifar100.json has the six pairs of the literature, teachers first" {
    run kd-train-student "$configs/cifar100.json" --list
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 51 ] # 5 teachers, 6 students alone and 6 taught, with 3 seeds each
    for pair in resnet20-by-resnet56 resnet32-by-resnet110 resnet8x4-by-resnet32x4 \
        wrn_16_2-by-wrn_40_2 wrn_40_1-by-wrn_40_2 vgg8-by-vgg13; do
        teacher=$(grep -n -e "--student ${pair#*-by-} " <<<"$output" | head -n 1)
        student=$(grep -n -e "--student $pair " <<<"$output" | head -n 1)
        [ "${teacher%%:*}" -lt "${student%%:*}" ]
    done
}

@test "cifar100.json trains a teacher and its student for a few steps" {
    mkdir cifar100
    images cifar100/train.bin 100 100 '\x01' # the coarse label before the fine one
    images cifar100/test.bin 10 100 '\x01'
    few=(--data-dir . --seed 1 -q --set defaults.train.epochs=1 --set defaults.train.batch=50
        --set 'defaults.train.schedule={"kind":"constant"}' --no-provenance)
    for student in resnet56 resnet20-by-resnet56; do
        kd-train-student "$configs/cifar100.json" --student $student "${few[@]}" >/dev/null
    done
    [ "$(kd-show runs/cifar100/students/resnet20-by-resnet56/s1 | grep -c 278,324)" -ge 1 ]
}

@test "resnet8-cifar10.json trains, records views and distils for a few steps" {
    mkdir cifar10
    for b in data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch; do
        images cifar10/$b.bin 20 10
    done
    set -- --data-dir . --seed 1 -q --set teacher.train.epochs=2 --set teacher.train.batch=50 \
        --set soften.views=2 --set defaults.train.epochs=2 --set defaults.train.schedule.warmup=0
    kd-train-teacher "$configs/resnet8-cifar10.json" "$@" >/dev/null
    kd-soften "$configs/resnet8-cifar10.json" "$@" >/dev/null
    kd-train-student "$configs/resnet8-cifar10.json" --student kd "$@" >/dev/null
    kd-show runs/resnet8-cifar10/students/kd/s1 | grep -q 78,186
    run kd-train-student "$configs/resnet8-cifar10-search.json" --list
    [ "${#lines[@]}" -eq 12 ]
}
