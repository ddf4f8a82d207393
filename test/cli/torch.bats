#!/usr/bin/env bats
# PyTorch opens kd's models; only where it is installed.
bats_require_minimum_version 1.5.0

setup() {
    python3 -c 'import torch, safetensors' 2>/dev/null ||
        skip "python3 has no torch and safetensors"
    unset OPENBLAS_CORETYPE
    torch=$BATS_TEST_DIRNAME/../torch
    export PYTHONDONTWRITEBYTECODE=1
    cd "$BATS_TEST_TMPDIR"
    export PATH="$KD_BIN:$PATH"
    kd-data convert -q digits:test -o images.safetensors >/dev/null
}

# Trains on few images, softens the test split, compares.
compare() {
    kd-train-teacher -q --data digits --network "$1" --epochs 1 --fraction 0.05 \
        -o model.safetensors >/dev/null
    kd-soften -q --model model.safetensors --data digits:test -o soft.safetensors >/dev/null
    python3 "$torch/check_torch.py" model.safetensors soft.safetensors images.safetensors
}

@test "a model with every kind of layer gives the same logits in PyTorch" {
    compare '["flatten", {"kind": "dropout", "rate": 0.2}, {"kind": "dense", "units": 65,
        "bias": false},
        "batchnorm", "relu", {"kind": "dense", "units": 33, "init": "glorot"}, "gelu",
        {"kind": "dense", "units": 17, "max_norm": 2}, {"kind": "leaky_relu", "slope": 0.2},
        {"kind": "batchnorm", "epsilon": 0.01}, "tanh", {"kind": "dense"}]'
    sed -i 's/nn.GELU/nn.ReLU/' "$(cp -r "$torch" copy && echo copy/kd_torch.py)"
    run python3 copy/check_torch.py model.safetensors soft.safetensors images.safetensors
    [ "$status" -eq 1 ] # and it would tell
}

@test "a convolutional model gives the same logits in PyTorch" {
    compare '[{"kind": "conv2d", "filters": 16, "padding": 1, "bias": false}, "batchnorm", "relu",
        {"kind": "residual", "body": [{"kind": "conv2d", "filters": 16, "padding": 1}, "relu",
            {"kind": "conv2d", "filters": 16, "groups": 16, "padding": 1}]},
        {"kind": "maxpool", "kernel": 3, "stride": 2, "padding": 1},
        {"kind": "residual", "body": [{"kind": "conv2d", "filters": 20, "stride": 2, "padding": 1}],
         "shortcut": [{"kind": "conv2d", "filters": 20, "kernel": 1, "stride": 2}]},
        {"kind": "avgpool"}, "flatten", "dense", {"kind": "scale", "by": 0.5}]'
}

@test "a standard network gives the same logits in PyTorch" {
    compare mlp-64-32
}

@test "a student learns from logits that NumPy wrote" {
    python3 -c 'import numpy as np
np.save("z.npy", np.random.default_rng(1).normal(size=(5000, 10)).astype("f4"))'
    run --separate-stderr kd-train-student -q --data digits:test --soft-targets z.npy --layers 16 \
        --epochs 1 \
        -o student.safetensors
    [ "$status" -eq 1 ]
    [[ "$stderr" == *"z.npy: it does not say which images it was made for"*"--force"* ]]
    kd-train-student -q --data digits:test --soft-targets z.npy --force --layers 16 --epochs 1 \
        -o student.safetensors
    python3 -c 'import sys; sys.path.insert(0, sys.argv[1]); import kd_torch
print(kd_torch.load("student.safetensors")[0])' \
        "$torch"
}
