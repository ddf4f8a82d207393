#!/usr/bin/env bats
# kd-export --to onnx: onnxruntime computes kd's logits, where it is installed.
bats_require_minimum_version 1.5.0
load small.bash

setup_file() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_FILE_TMPDIR"
    small_set
    kd-data convert idx:set:test -o images.safetensors -q >/dev/null
    for net in "$BATS_TEST_DIRNAME"/../device/networks/*.json; do
        name=$(basename "$net" .json)
        kd-train-teacher -d idx:set --network "$net" -e 1 --optimizer adam --learning-rate 0.01 \
            -o "$name.float.safetensors" -q >/dev/null
        kd-quantize "$name.float.safetensors" -o "$name.int.safetensors" -q -n 128 >/dev/null
    done
}
setup() {
    cd "$BATS_TEST_TMPDIR"
    ln -s "$BATS_FILE_TMPDIR"/* .
    mkdir kept
}

# holds FILE WORD...
holds() {
    local file=$1 word
    shift
    for word in "$@"; do
        grep -aq "$word" "$file" || { echo "$file has no $word"; return 1; }
    done
}

# python NAME...: these can be imported, or the test is skipped
python() {
    local name
    for name; do
        python3 -c "import $name" 2>/dev/null || skip "python3 has no $name"
    done
}

# same KIND OPSET...: of all networks
same() {
    local kind=$1 opset net
    shift
    python numpy onnx onnxruntime
    for net in average clamped mlp odd residual separable; do
        kd-soften -m "$net.$kind.safetensors" -d tensors:images.safetensors -q -o soft.safetensors \
            --overwrite >/dev/null
        for opset in "$@"; do
            kd-export "$net.$kind.safetensors" --to onnx --opset "$opset" -o "$opset.onnx" -q \
                >/dev/null
            python3 "$BATS_TEST_DIRNAME/../torch/check_onnx.py" "$opset.onnx" \
                soft.safetensors images.safetensors
        done
        rm -f [0-9]*.onnx
    done
}

@test "floats: onnxruntime's logits are kd's, whatever the opset" { same float 9 11 13 14 20 21; }
@test "integers: onnxruntime's classes are kd's" { same int 13 21; }

@test "integers: from equal inputs each layer of onnxruntime is at most one step from kd's" {
    reference=$UNIT_DIR/../device/reference check=$BATS_TEST_DIRNAME/../torch/check_steps.py
    [ -x "$reference" ] || skip "test/device/reference is not built"
    python numpy onnx onnxruntime
    tail -c +17 set/t10k-images-idx3-ubyte >images.raw
    for net in average clamped mlp odd residual separable; do
        "$reference" $net.int.safetensors 20 trace.safetensors <images.raw >/dev/null
        kd-export $net.int.safetensors --to onnx -o $net.onnx -q >/dev/null
        python3 "$check" $net.onnx trace.safetensors >said
        [ "$(grep -c ' integers, ' said)" -ge 3 ]
    done
    # another network's zeros and scales are told
    kd-quantize mlp.float.safetensors -o coarse.safetensors --ranges minmax --equalise never -q \
        -n 8 >/dev/null
    kd-export coarse.safetensors --to onnx -o coarse.onnx -q >/dev/null
    "$reference" mlp.int.safetensors 20 mlp.trace <images.raw >/dev/null
    run -1 python3 "$check" coarse.onnx mlp.trace
    [[ $output == *"more than one step apart" ]]
}

@test "integers: onnxruntime gives 10,000 images the same class, 99.5 % of them at least" {
    python numpy onnx onnxruntime
    check=$BATS_TEST_DIRNAME/../torch/check_onnx.py
    kd-data convert digits:train --fraction 0.85 -o many.safetensors -q >/dev/null
    for net in mlp residual; do
        kd-train-teacher -d digits --fraction 0.2 -e 1 -q -o $net \
            --network "$BATS_TEST_DIRNAME/../device/networks/$net.json" >/dev/null
        kd-quantize $net -o $net.safetensors -q -n 128 >/dev/null
        kd-export $net.safetensors --to onnx -o $net.onnx -q >/dev/null
        kd-soften -m $net.safetensors -d tensors:many.safetensors -q -o $net.soft >/dev/null
        python3 "$check" $net.onnx $net.soft many.safetensors >said
        cat said
        [ "$(cut -d' ' -f1 said)" -ge 10000 ]
    done
}

# floats FILE: the logits of a soft-target file, one a line
floats() {
    tail -c $((NUMBERS * 4)) "$1" | od -An -v -tf4 -w4
}

@test "export, import: the same logits, and from then on the same model" {
    kd-export mlp.float.safetensors --to onnx -o mlp.onnx -q >/dev/null
    run kd-import mlp.onnx -o m.safetensors
    if [[ $output == *"was built without ONNX"* ]]; then skip "this kd was built without ONNX"; fi
    for net in average clamped mlp odd residual separable; do
        kd-soften -m $net.float.safetensors -d tensors:images.safetensors -q --overwrite -o a \
            >/dev/null
        NUMBERS=$((100 * 10))
        for opset in 9 13 20; do
            rm -rf there again one.onnx two.onnx b
            kd-export $net.float.safetensors --to onnx --opset $opset -o one.onnx -q >/dev/null
            kd-import one.onnx -o there >/dev/null
            kd-soften -m there -d tensors:images.safetensors -q -o b >/dev/null
            paste <(floats a) <(floats b) | awk '
                {d = $1 - $2; d = d < 0 ? -d : d; z = $1 < 0 ? -$1 : $1}
                d > worst {worst = d} z > largest {largest = z}
                END {print NR, worst / largest; exit !(NR == 1000 && worst <= 1e-5 * largest)}'
            kd-export there --to onnx --opset $opset -o two.onnx -q >/dev/null
            kd-import two.onnx -o again >/dev/null
            [ "$(kd-show again --json | jq -er .fingerprint)" = \
                "$(kd-show there --json | jq -er .fingerprint)" ]
        done
    done
}

@test "a network in integers does not come back: kd-import says what to do" {
    kd-export residual.int.safetensors --to onnx -o int.onnx -q >/dev/null
    run kd-import int.onnx -o kept/m.safetensors
    if [[ $output == *"was built without ONNX"* ]]; then skip "this kd was built without ONNX"; fi
    refused 1 int.onnx "in integers" kd-quantize -- kd-import int.onnx -o kept/m.safetensors
}

@test "batches of a fixed size; onnxruntime takes no other" {
    python numpy onnx onnxruntime
    kd-soften -m residual.float.safetensors -d tensors:images.safetensors -q -o soft.safetensors \
        >/dev/null
    kd-export residual.float.safetensors --to onnx --batch 7 -o seven.onnx -q >/dev/null
    check=$BATS_TEST_DIRNAME/../torch/check_onnx.py
    python3 "$check" seven.onnx soft.safetensors images.safetensors >said
    grep -q "^98 images" said
    kd-export mlp.float.safetensors --to onnx -o other.onnx -q >/dev/null
    run python3 "$check" other.onnx soft.safetensors images.safetensors # and it would tell
    [ "$status" -eq 1 ]
    [[ $output == *"the logits differ" ]]
}

@test "operators of the opset that was asked for" {
    for opset in 9 13; do
        kd-export clamped.float.safetensors --to onnx --opset $opset -o c$opset.onnx -q >/dev/null
        holds c$opset.onnx HardSigmoid Clip Conv
        run ! grep -aq HardSwish c$opset.onnx
    done
    kd-export clamped.float.safetensors --to onnx --opset 14 -o c14.onnx -q >/dev/null
    holds c14.onnx HardSwish
    kd-export odd.float.safetensors --to onnx --opset 19 -o o19.onnx -q >/dev/null
    holds o19.onnx Erf
    kd-export odd.float.safetensors --to onnx --opset 20 -o o20.onnx -q >/dev/null
    holds o20.onnx Gelu
    run ! grep -aq Erf o20.onnx
    run ! grep -aq QuantizeLinear o20.onnx
    kd-export odd.int.safetensors --to onnx -o int.onnx -q >/dev/null
    holds int.onnx QuantizeLinear DequantizeLinear
}

@test "where it goes: a file, a folder, a pipe; equal bytes each time" {
    kd-export mlp.float.safetensors --to onnx -o kept/x.onnx >path
    [ "$(cat path)" = kept/x.onnx ]
    [ "$(kd-export mlp.float.safetensors --to onnx -o folder)" = folder/model.onnx ]
    kd-export mlp.float.safetensors --to onnx -o - >piped.onnx
    kd-export mlp.float.safetensors --to onnx -o - --threads 1 | cmp - piped.onnx
    cmp folder/model.onnx piped.onnx
    cmp kept/x.onnx piped.onnx
    fingerprint=$(kd-show mlp.float.safetensors --json | jq -er .fingerprint)
    holds piped.onnx "$fingerprint"
}

@test "class names and what is done to pictures go with it" {
    kd-data convert digits:train --fraction 0.02 --to png -o pictures -q >/dev/null
    mv pictures/train/0 pictures/train/zero
    kd-train-teacher -d images:pictures/train --size 8 --layers 4 -e 1 -q -o named >/dev/null
    kd-export named --to onnx -o named.onnx -q >/dev/null
    holds named.onnx kd.class_names '"zero"' kd.preprocess
    run kd-import named.onnx -o back.safetensors
    if [[ $output == *"was built without ONNX"* ]]; then skip "this kd was built without ONNX"; fi
    [ "$status" -eq 0 ]
    for key in kd.class_names kd.preprocess; do
        [ "$(meta back.safetensors $key)" = "$(meta named/model.safetensors $key)" ]
    done
    sed 's/"zero"/ 12345/' named.onnx >bad.onnx
    refused 1 "bad.onnx" "kd.class_names" -- kd-import bad.onnx -o kept/m.safetensors
    sed 's/"zero"/"zer"o/' named.onnx >bad.onnx
    refused 1 "bad.onnx" "kd.class_names" -- kd-import bad.onnx -o kept/m.safetensors
}

@test "what was made otherwise stays" {
    kd-export mlp.float.safetensors --to onnx -o kept/x.onnx -q >/dev/null
    kd-export mlp.float.safetensors --to onnx -o kept/x.onnx -q --threads 1 >/dev/null
    refused 1 "kept/x.onnx" "its model is another one" "--overwrite" -- \
        kd-export odd.float.safetensors --to onnx -o kept/x.onnx
    refused 1 "it is of the same model with other options" -- \
        kd-export mlp.float.safetensors --to onnx --opset 9 -o kept/x.onnx
    echo text >kept/x.onnx
    refused 1 "it is no file that kd-export wrote" -- \
        kd-export mlp.float.safetensors --to onnx -o kept/x.onnx
    kd-export mlp.float.safetensors --to onnx -o kept/x.onnx --overwrite -q >/dev/null
}

@test "options that do not go together" {
    refused 2 "--opset 12" "integers" "13" -- \
        kd-export mlp.int.safetensors --to onnx --opset 12 -o kept/x.onnx
    refused 2 "opset" -- kd-export mlp.float.safetensors --to onnx --opset 8 -o kept/x.onnx
    refused 2 "--arena" "--to onnx" -- \
        kd-export mlp.float.safetensors --to onnx --arena caller -o kept/x.onnx
    refused 2 "--opset goes with --to onnx" -- \
        kd-export mlp.float.safetensors --opset 13 -o kept/x.c
    refused 2 "kept/x.onnx" "--to onnx" -- kd-export mlp.float.safetensors -o kept/x.onnx
    refused 2 "--output" -- kd-export mlp.float.safetensors --to onnx
}
