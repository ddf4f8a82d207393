#!/usr/bin/env bats
# Damaged, hostile and mistaken input, one test each: exit 1 or 2, one line that names file, key or
# byte, and earlier outputs as they were.
bats_require_minimum_version 1.5.0
load small.bash

setup_file() {
    unset OPENBLAS_CORETYPE
    cd "$BATS_FILE_TMPDIR"
    small_set
    mkdir kept
    kd-train-teacher --data idx:set --layers 8 --epochs 1 --quiet -o kept >/dev/null
    kd-soften --model kept --data idx:set --quiet -o kept/soft.safetensors >/dev/null
}
setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_TEST_TMPDIR"
    cp -r "$BATS_FILE_TMPDIR/set" "$BATS_FILE_TMPDIR/kept" .
    head -c 8 /dev/zero >zeros
}
train() { kd-train-student --layers 4 --epochs 1 --quiet --overwrite -o kept "$@"; }
experiment() {
    printf '%s\n' "$1" >x.json
    kd-train-student x.json --quiet -o kept
}
# network LAYERS-AS-JSON
network() {
    experiment "{\"data\": {\"source\": \"idx:set\"}, \"students\": {\"a\": {\"network\": $1}}}"
}
# info NAME SHAPE FROM TO: a tensor's entry in a header
info() { printf '"%s":{"dtype":"F32","shape":%s,"data_offsets":[%s,%s]}' "$@"; }
# What makes a safetensors file a model of one weight and one bias.
one='"__metadata__":{"kd.kind":"model","kd.normalize":"{\"mean\":[0],\"std\":[1]}",
    "kd.network":"{\"input\":[1,1,1],\"classes\":1,\"layers\":[\"flatten\",\"dense\"]}"}'
# labels_at FILE: the byte where the tensor "labels" begins
labels_at() {
    local n
    n=$(od -An -N8 -tu8 "$1" | tr -d ' ')
    echo $((8 + n + $(tail -c +9 "$1" | head -c "$n" | jq '.labels.data_offsets[0]')))
}
evaluate() { kd-eval "$1" --data idx:set:test --quiet --output kept/eval.txt; }

@test "truncated .gz" {
    gzip -c set/train-images-idx3-ubyte | head -c 20000 >set/train-images-idx3-ubyte.gz
    rm set/train-images-idx3-ubyte
    refused 1 "set/train-images-idx3-ubyte.gz: truncated gzip data: $((16 + 240 * 784)) bytes" -- \
        train --data idx:set
}
@test "wrong magic" {
    printf JUNK | dd of=set/train-images-idx3-ubyte conv=notrunc status=none
    refused 1 "set/train-images-idx3-ubyte: not an IDX file" "4a554e4b at byte 0" -- \
        train --data idx:set
}
@test "counts of images and labels that differ" {
    cp set/t10k-labels-idx1-ubyte set/train-labels-idx1-ubyte
    refused 1 "set/train-labels-idx1-ubyte: 100 labels for 240 images" -- train --data idx:set
}
@test "a label out of range" {
    { printf "\0\0\010\001\0\0\0\360"; head -c 239 /dev/zero; printf "\377"; } \
        >set/train-labels-idx1-ubyte
    refused 1 "idx:set:train: image 239 has label 255, which makes 256 classes" -- \
        train --data idx:set --overwrite
    refused 1 "the soft targets: classes 0 to 9 are known" \
        "image 239 of idx:set:train has label 255" -- \
        train --data idx:set -S kept/soft.safetensors --force
    refused 1 "had other labels" -- train --data idx:set -S kept/soft.safetensors
    refused 1 "kept/model.safetensors: classes 0 to 9 are known" \
        "image 239 of idx:set:train has label 255" -- \
        kd-eval kept --data idx:set:train --output kept/eval.txt
    kd-data convert idx:set:train --to tensors -o t.safetensors --quiet
    { head -c 8 t.safetensors; tail -c +9 t.safetensors |
        sed 's/kd.checksums/kd.checksumz/; s/kd.header_checksum/kd.header_checksun/'
        } >u.safetensors
    printf '\377\377\377\177' | dd of=u.safetensors bs=1 seek="$(labels_at u.safetensors)" \
        conv=notrunc status=none
    refused 1 "u.safetensors" "label" -- train --data tensors:u.safetensors
}
@test "a PNG of another size, a broken PNG, an empty folder" {
    kd-data convert idx:set:train --to png -o png --quiet
    one=$(find png/train/3 -name '*.png' | sort | head -n 1)
    cp "$one" original
    kd-data sheet digits --count 1 --scale 1 --no-group -o "$one" --overwrite --quiet
    refused 2 "$one" "28x28" "--size 28" -- train --data png:png
    head -c 100 original >"$one"
    refused 1 "$one" -- train --data png:png
    printf 'no picture' >"$one"
    refused 1 "$one" -- train --data png:png
    cp original "$one"
    mkdir nothing
    refused 1 nothing -- train --data png:nothing
}
@test "JSON: a syntax error with line and column" {
    refused 1 "x.json: line 2, column 20: " -- experiment '{"students":
 {"a": {"network": } } }'
    refused 1 "x.json: line 1, column 30: a comma with nothing behind it" -- \
        experiment '{"data": {"source": "digits",}}'
    refused 1 "x.json: empty" -- experiment ''
}
@test "JSON: unknown keys, with the nearest one that is known" {
    refused 2 'x.json: students.a: unknown key "netwrok"; did you mean "network"?' -- \
        experiment '{"students": {"a": {"netwrok": "mlp-4"}}}'
    refused 2 'x.json: unknown key "student"; did you mean "students"?' -- \
        experiment '{"student": {}}'
    refused 2 'x.json: students.a.train.epochz: no such key; did you mean epochs?' -- \
        experiment '{"students": {"a": {"train": {"epochz": 1}}}}'
    refused 2 'x.json: students.a,epoch=3.train.epoch: no such key; did you mean epochs?' -- \
        experiment '{"students": {"a": {"network": "mlp-4", "sweep": {"train.epoch": [3]}}}}'
    refused 2 'x.json: students.a: network[1]: unknown layer kind "dens"; did you mean "dense"?' \
        -- network '["flatten", "dens"]'
    refused 2 'units' 'did you mean' -- network '["flatten", {"kind": "dense", "unit": 3}]'
    refused 2 'x has no student "aa"; did you mean "a"?' -- train x.json --student aa
}
@test "JSON: a duplicate key" {
    refused 1 "x.json" "key name is there twice" -- experiment '{"name": "a", "name": "b"}'
    refused 1 "x.json: the key students.a.train.epochs is there twice" -- \
        experiment '{"students": {"a": {"train": {"epochs": 1, "epochs": 2}}}}'
}
@test "JSON: a wrong type" {
    refused 2 'x.json: students.a.train.epochs="many": expected a whole number from 1 to 1000000' \
        -- \
        experiment '{"students": {"a": {"train": {"epochs": "many"}}}}'
    refused 2 'x.json: students.a: expected an object' -- experiment '{"students": {"a": 5}}'
    refused 2 'x.json: students: expected an object' -- experiment '{"students": ["a"]}'
    refused 2 'x.json: expected an object' -- experiment '[]'
    refused 2 'x.json: seeds: expected a count' -- \
        experiment '{"seeds": "three", "students": {"a": {}}}'
    refused 2 'x.json: students.a: network: expected a list of layers' -- network 5
}
@test "negative and absurd sizes" {
    refused 2 "students.a.train.epochs=-1" -- \
        experiment '{"students": {"a": {"train": {"epochs": -1}}}}'
    refused 2 "students.a.train.batch=1e+300" -- \
        experiment '{"students": {"a": {"train": {"batch": 1e300}}}}'
    refused 2 "seeds" -- experiment '{"seeds": 1e9, "students": {"a": {}}}'
    refused 2 "x.json: students.a: network[1]: units=-3: expected a whole number from 0 to" -- \
        network '["flatten", {"kind": "dense", "units": -3}]'
    refused 2 "network[1]: units=99999999999" -- \
        network '["flatten", {"kind": "dense", "units": 99999999999}]'
    refused 2 "network[1] (dense): 784 inputs times 16777216 units" -- network '"mlp-16777216"'
    refused 2 "--batch=0" -- train --data idx:set --batch 0
    refused 2 "--layers=-5" -- train --data idx:set --layers=-5
    printf '\0\0\010\003\177\377\377\377\177\377\377\377\177\377\377\377' \
        >set/train-images-idx3-ubyte
    refused 1 set/train-images-idx3-ubyte -- train --data idx:set
}
@test "a network whose shapes do not fit: which layer, which shapes" {
    refused 2 'students.a: network[0] (dense): its input is 1x28x28, not flat' \
        'put "flatten" before it' -- network '["dense"]'
    refused 2 'network[1] (dense): the last layer gives 7x1x1, but there are 10 classes' -- \
        network '["flatten", {"kind": "dense", "units": 7}]'
    refused 2 'network[1] (conv2d): its input is 784 flat features; it wants maps' -- \
        network '["flatten", {"kind": "conv2d", "filters": 2}, "dense"]'
    refused 2 'network[0] (conv2d): its input is 1x28x28: too small for a 99x99 kernel' -- \
        network '[{"kind": "conv2d", "filters": 2, "kernel": 99}, "flatten", "dense"]'
    refused 2 'expected a list of 1 to' -- network '[]'
    tensors m "{$one,$(info 1.weight '[2,1]' 0 8)}" zeros
    refused 1 "m: 1.weight: its shape [2,1] is not the network's [1,1]" -- evaluate m
    tensors m "{$one,$(info 1.weight '[1,1]' 0 4),$(info 2.bias '[1]' 4 8)}" zeros
    refused 1 "m: it has no tensor 1.bias" -- evaluate m
}
@test "safetensors: offsets that overlap, overflow, or go beyond the end" {
    tensors m "{$one,$(info 1.weight '[1,1]' 0 4),$(info 1.bias '[1]' 4 8)}" zeros
    refused 1 "m takes images of 1x1x1" -- evaluate m # all is well but for the images
    tensors m "{$one,$(info 1.weight '[1,1]' 0 4),$(info 1.bias '[1]' 0 4)}" zeros
    refused 1 "m: tensor 1.bias overlaps 1.weight" -- evaluate m
    tensors m "{$one,$(info 1.weight '[4611686018427387904,4]' 0 4),$(info 1.bias '[1]' 4 8)}" zeros
    refused 1 "m: tensor 1.weight" -- evaluate m
    tensors m "{$one,$(info 1.weight '[4294967296,4294967296]' 0 4),$(info 1.bias '[1]' 4 8)}" zeros
    refused 1 "m: tensor 1.weight" -- evaluate m
    tensors m "{$one,$(info 1.weight '[1,1]' 0 4),$(info 1.bias '[1]' 4 18446744073709551615)}" \
        zeros
    refused 1 "m: tensor 1.bias: data_offsets" -- evaluate m
    tensors m "{$one,$(info 1.weight '[1,1]' 8 4),$(info 1.bias '[1]' 4 8)}" zeros
    refused 1 "m: tensor 1.weight" -- evaluate m
    tensors m "{$one,$(info 1.weight '[1,1]' 0 4),$(info 1.bias '[100]' 4 404)}" zeros
    refused 1 "m: cut short: $(($(wc -c <m) + 396)) bytes expected, $(wc -c <m) received" -- \
        evaluate m
    { printf '\377\377\377\377\377\377\377\177'; cat m; } >n
    refused 1 "n: not a safetensors file" "byte" -- evaluate n
    tensors m "{$one,$(info 1.weight '[1,1]' 0 4),$(info 1.weight '[1,1]' 4 8)}" zeros
    refused 1 "m" "1.weight is there twice" -- evaluate m
}
@test "safetensors: NaN in weights, and weights that do not match their checksums" {
    printf '\0\0\0\0\0\0\300\177' >nan
    tensors m "{$one,$(info 1.weight '[1,1]' 0 4),$(info 1.bias '[1]' 4 8)}" nan
    refused 1 "m: 1.bias: element 0 is nan" -- evaluate m
    cp kept/model.safetensors m
    printf '\377' | dd of=m bs=1 seek=$(($(wc -c <m) - 1)) conv=notrunc status=none
    refused 1 "m" "3.weight" -- evaluate m
    refused 1 "m" "3.weight" -- kd-soften --model m --data idx:set -o kept/soft.safetensors
}
@test "files of other kinds, and files that are not there" {
    refused 1 "kept/soft.safetensors: it holds soft-targets, not a model" -- \
        evaluate kept/soft.safetensors
    refused 1 "kept/model.safetensors: it holds a model, not soft targets" -- train --data idx:set \
        -S kept/model.safetensors -o other
    refused 1 "x.json: there is no such experiment" -- train x.json
    refused 1 "missing" -- train --data idx:missing
    refused 2 "no such source 'mnits'" -- train --data mnits
    refused 1 "mnist" "get_data.sh" -- train --data mnist --data-dir .
    refused 2 '"b" is neither a student nor the teacher of this experiment' 'no such file' -- \
        experiment '{"data": {"source": "idx:set"}, "students": {"a": {"network": "mlp-4",
        "distill": {"from": "b"}}}}'
    refused 2 "x.json: students.a.distill.from: these students teach each other in a circle" -- \
        experiment '{"students": {"a": {"network": "mlp-4", "distill": {"from": "a"}}}}'
    refused 2 "a student's name is a folder's name" -- \
        experiment '{"students": {"../a": {"network": "mlp-4"}}}'
}
@test "a mistake in the last student is told before the first is trained" {
    echo '{"data": {"source": "idx:set"}, "students": {"a": {"network": "mlp-4"},
        "b": {"network": "mpl-4"}}}' >x.json
    refused 2 'x.json: students.b: unknown network "mpl-4"' -- kd-train-student x.json -q
    [ ! -e runs/x/students ]
}
@test "a folder that cannot be written to" {
    : >file
    refused 1 "file: is a file, and a folder is needed here" -- kd-train-student --data idx:set \
        --layers 4 -e 1 -q -o file/m
    mkdir closed && chmod 555 closed
    if [ -w closed ]; then
        skip "root may write everywhere: a file in place of the folder was tried"
    fi
    refused 1 closed "Permission denied" -- kd-train-student --data idx:set --layers 4 -e 1 -q \
        -o closed/m
    refused 1 closed "Permission denied" -- kd-soften --model kept --data idx:set -q -o closed/s
}
@test "a full disk" {
    [ -e /dev/full ] || skip "no /dev/full"
    ln -s /dev/full m.safetensors
    refused 1 "m.safetensors" "No space left on device" -- kd-train-student --data idx:set \
        --layers 4 -e 1 -q -o m.safetensors
    refused 1 "/dev/full: cannot write: No space left on device" -- kd-soften --model kept \
        --data idx:set -q -o /dev/full
    refused 1 "/dev/full: cannot write: No space left on device" -- kd-eval kept -q -o /dev/full
    for command in "kd-train-student --data idx:set --layers 4 -e 1 -q -o -" \
        "kd-soften --model kept --data idx:set -q -o -" \
        "kd-eval kept" "kd-eval kept --json"; do
        status=0
        $command >/dev/full 2>errors || status=$?
        [ "$status" -eq 1 ]
        [ "$(wc -l <errors)" -eq 1 ]
        grep -q "standard output.*No space left" errors
    done
}
@test "a truncated pipe: bytes expected and received" {
    size=$(wc -c <kept/soft.safetensors)
    head -c 9000 kept/soft.safetensors >part
    refused 1 "standard input: cut short: $size bytes expected, 9000 received" -- \
        train --data idx:set -S - <part
    size=$(wc -c <kept/model.safetensors)
    head -c 20000 kept/model.safetensors >part
    refused 1 "standard input: cut short: $size bytes expected, 20000 received" -- evaluate - <part
    refused 1 "standard input: cut short: $size bytes expected, 20000 received" -- \
        kd-soften --model - --data idx:set -o kept/soft.safetensors -q <part
    refused 1 "standard input: cut short: $size bytes expected, 20000 received" -- \
        train --data idx:set --teacher - <part
    refused 2 "standard input can be read only once" -- kd-eval - - --data idx:set:test -q \
        <kept/model.safetensors
}
# cifar: ten CIFAR-10 images, label i of image i, in ./cifar10 (each file has the same two)
cifar() {
    mkdir cifar10
    for b in 1 2 3 4 5; do
        { printf '\003'; head -c 3072 /dev/zero; printf '\011'; head -c 3072 /dev/urandom; } \
            >cifar10/data_batch_$b.bin
    done
}
@test "a CIFAR file cut short" {
    cifar
    head -c 6000 cifar10/data_batch_4.bin >cut
    mv cut cifar10/data_batch_4.bin
    refused 1 "cifar10/data_batch_4.bin" "truncated" -- train --data cifar10 --data-dir .
}
@test "a wrong label in a CIFAR file" {
    cifar
    printf '\012' | dd of=cifar10/data_batch_2.bin bs=1 seek=3073 conv=notrunc status=none
    refused 1 "cifar10/data_batch_2.bin" "label 10 at byte 3073" -- train --data cifar10 \
        --data-dir .
}
@test "a network too deep for its input" {
    refused 2 'students.a: network[5] (maxpool): its input is 4x1x1' "2x2" -- \
        network '[{"kind": "conv2d", "filters": 4},
        "maxpool", "maxpool", "maxpool", {"kind": "maxpool", "kernel": 3}, "maxpool", "flatten",
            "dense"]'
    refused 2 'network[2] (conv2d): its input is 4x2x2: too small for a 3x3 kernel' -- \
        network '[{"kind": "conv2d",
        "filters": 4, "stride": 9}, {"kind": "maxpool", "kernel": 2, "stride": 1},
            {"kind": "conv2d", "filters": 4},
        "flatten", "dense"]'
}
@test "groups that do not divide the channels" {
    refused 2 'students.a: network[1] (conv2d): groups 3 divides not both' \
        'the 4 channels of its input and its 6 filters' -- \
        network '[{"kind": "conv2d", "filters": 4}, {"kind": "conv2d", "filters": 6, "groups": 3},
        "flatten", "dense"]'
    refused 2 'groups 4 divides not both' -- \
        network '[{"kind": "conv2d", "filters": 4}, {"kind": "conv2d", "filters": 6, "groups": 4},
        "flatten", "dense"]'
}
@test "batch norm on a batch of one" {
    local norm='["flatten", {"kind": "dense", "units": 4}, "batchnorm", "relu", "dense"]'
    refused 2 "layer 2 (batchnorm)" "--batch" "one image" -- kd-train-teacher --data idx:set \
        --network "$norm" --batch 1 --quiet --overwrite -o kept
    refused 2 "train.batch=239: of 240 training images one is left" "layer 2 (batchnorm)" -- \
        kd-train-teacher --data idx:set --network "$norm" --batch 239 --quiet \
        --overwrite -o kept
    # two are enough
    kd-train-teacher --data idx:set --network "$norm" --batch 238 --epochs 1 --quiet -o two
    # as are two pixels
    kd-train-teacher --data idx:set --fraction 0.05 --batch 1 --epochs 1 --quiet -o maps --network \
        '[{"kind": "conv2d", "filters": 2, "stride": 4}, "batchnorm", "relu", "flatten", "dense"]'
}
