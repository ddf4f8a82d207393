#!/usr/bin/env bats
# kd-import: parameters of another framework.
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
