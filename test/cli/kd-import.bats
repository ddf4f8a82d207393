#!/usr/bin/env bats
# kd-import: networks and parameters of another framework. test_onnx.c has the operators.
bats_require_minimum_version 1.5.0
load small.bash

setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_TEST_TMPDIR"
    mkdir kept
}

# renamed FROM TO FILTER: the tensors alone, their header changed by jq's FILTER
renamed() {
    local n header
    n=$(od -An -N8 -tu8 "$1" | tr -d ' ')
    header=$(tail -c +9 "$1" | head -c "$n" | jq -c "del(.__metadata__) | $3")
    tail -c +$((9 + n)) "$1" >data
    tensors "$2" "$header" data
}
fingerprint() { kd-show "$1" --json | jq -er .fingerprint; }

@test "a state_dict with names of wrappers gives the model with the same fingerprint" {
    kd-train-teacher --data digits --fraction 0.02 --layers 8 --epochs 1 --normalize none -q \
        -o m.safetensors >/dev/null
    import=(-n mlp-8 --shape 1x28x28)
    for prefix in "" module. module._orig_mod.; do
        renamed m.safetensors w.safetensors "with_entries(.key |= \"$prefix\" + .)"
        kd-import w.safetensors "${import[@]}" -o got.safetensors >/dev/null
        [ "$(fingerprint got.safetensors)" = "$(fingerprint m.safetensors)" ]
    done
    kd-import w.safetensors "${import[@]}" --normalize '{"mean":[0.1],"std":[0.3]}' \
        -o other.safetensors >/dev/null
    [ "$(fingerprint other.safetensors)" != "$(fingerprint m.safetensors)" ]
    kd-eval got.safetensors --data digits:test >/dev/null
}

@test "batch norm by TensorFlow's names, and counters of batches" {
    echo '["flatten",{"kind":"dense","units":8},"batchnorm","relu",{"kind":"dense"}]' >net.json
    kd-train-teacher --data digits --fraction 0.02 --network net.json --epochs 1 --normalize none \
        -q -o m.safetensors >/dev/null
    names='{"2.weight":"2.gamma","2.bias":"2.beta","2.running_mean":"2.moving_mean",
        "2.running_var":"2.moving_variance"}'
    renamed m.safetensors w.safetensors "with_entries(.key |= ($names[.] // .)) +
        {\"2.num_batches_tracked\": {dtype: \"F32\", shape: [0], data_offsets: [0, 0]}}"
    kd-import w.safetensors -n net.json --shape 1x28x28 -o got.safetensors >/dev/null
    [ "$(fingerprint got.safetensors)" = "$(fingerprint m.safetensors)" ]
}

@test "what does not fit is named" {
    kd-train-teacher --data digits --fraction 0.02 --layers 8 --epochs 1 -q -o m.safetensors \
        >/dev/null
    renamed m.safetensors w.safetensors .
    renamed m.safetensors bad.safetensors 'with_entries(.key |= sub("^1[.]bias"; "other.bias"))'
    refused 1 "bad.safetensors" "1 missing (1.bias)" "1 surplus (other.bias)" -- \
        kd-import bad.safetensors -n mlp-8 --shape 1x28x28 -o kept/m.safetensors
    renamed m.safetensors bad.safetensors \
        'with_entries(.key |= sub("^1[.]bias"; "module.1.weight"))'
    refused 1 "two of its tensors are called 1.weight" -- \
        kd-import bad.safetensors -n mlp-8 --shape 1x28x28 -o kept/m.safetensors
    refused 1 "w.safetensors" -- kd-import w.safetensors -n mlp-9 --shape 1x28x28 -o kept/m
    for shape in 3x 3x32 3x32x32x 0x1x1 x; do
        refused 2 "--shape $shape" "3x32x32" -- \
            kd-import w.safetensors -n mlp-8 --shape $shape -o kept/m.safetensors
    done
    refused 2 "--normalize=some" -- \
        kd-import w.safetensors -n mlp-8 --shape 1x28x28 --normalize some -o kept/m.safetensors
    refused 2 "--network" -- kd-import w.safetensors -o kept/m.safetensors
}

# without_onnx: whether this kd was built without ONNX
without_onnx() { [[ "$(kd-import x.onnx -o x 2>&1)" == *"was built without ONNX"* ]]; }

@test "an ONNX file gives a model that knows where it is from; its tensors may lie beside it" {
    fixtures=$BATS_TEST_DIRNAME/../fixtures/onnx
    printf '\10\12xxxxxxxxxx' >x.onnx
    if without_onnx; then skip "this kd was built without ONNX"; fi
    kd-import "$fixtures/cnn.onnx" -o m/
    kd-show m --json | jq -e '.input == [3,16,16] and .classes == 5 and
        .imported.producer == "pytorch" and .imported.opset == 11'
    kd-import - -o - <"$fixtures/cnn.onnx" >piped.safetensors
    [ "$(fingerprint piped.safetensors)" = "$(fingerprint m/model.safetensors)" ]
    kd-import "$fixtures/resnet20.onnx" --normalize '{"mean":[0.5,0.5,0.5],"std":[0.2,0.2,0.2]}' \
        -o r.safetensors
    kd-show r.safetensors --json | jq -e '[.normalize.std[] | . * 1000 | round] == [200,200,200]
        and ([.layers[] | .kind? // . | select(. == "residual")] | length) == 9'
    refused 1 "-: tensor" "resnet20.onnx.data" "not beside it" -- \
        kd-import - -o kept/m <"$fixtures/resnet20.onnx"
    cp "$fixtures/resnet20.onnx" .
    refused 1 "resnet20.onnx.data" -- kd-import resnet20.onnx -o kept/m
    refused 2 "leave out --network" -- kd-import "$fixtures/cnn.onnx" -n resnet20 -o kept/m
    refused 2 "axis 2 of its input x is 16, not 32" -- \
        kd-import "$fixtures/cnn.onnx" --shape 3x32x32 -o kept/m
    refused 2 "1 channels of 3" -- \
        kd-import "$fixtures/cnn.onnx" --normalize '{"mean":[0],"std":[1]}' -o kept/m
    refused 1 "x.onnx: it has no graph" -- kd-import x.onnx -o kept/m
    head -c 4000 "$fixtures/cnn.onnx" | head -c 2000 >x.onnx
    refused 1 "x.onnx: not an ONNX file, or a damaged one" -- kd-import x.onnx -o kept/m
    # rows of numbers: columns of a table, or pixels
    kd-import "$fixtures/mlp_rows.onnx" -o rows.safetensors
    kd-import "$fixtures/mlp_rows.onnx" --shape 1x6x6 -o pixels.safetensors
    [ "$(kd-show pixels.safetensors --json | jq -c .input)" = '[1,6,6]' ]
    [ "$(kd-show rows.safetensors --json | jq -c .input)" = '[36,1,1]' ]
}

@test "what is no model at all is told from its first bytes on, also in a pipe without end" {
    run --separate-stderr timeout 20 bash -c 'yes | kd-import - -n mlp-8 --shape 1x28x28 -o kept/m'
    [ "$status" -eq 1 ]
    [ "${#stderr_lines[@]}" -eq 1 ]
}

@test "networks that this PyTorch exports give the same logits as onnxruntime" {
    python3 -c 'import torch, onnx, onnxscript, onnxruntime, safetensors' 2>/dev/null ||
        skip "python3 has no torch, onnx, onnxscript, onnxruntime and safetensors"
    printf '\10\12xxxxxxxxxx' >x.onnx
    if without_onnx; then skip "this kd was built without ONNX"; fi
    python3 "$BATS_TEST_DIRNAME/../fixtures/make_onnx.py" --to fresh >made 2>&1
    cd "$BATS_TEST_DIRNAME/../.."
    KD_ONNX_FIXTURES=$BATS_TEST_TMPDIR/fresh "$UNIT_DIR/test_onnx"
}
