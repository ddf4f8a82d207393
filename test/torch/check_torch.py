#!/usr/bin/env python3
"""Does PyTorch make the same logits of a model as kd-soften?

    kd-data convert digits:test -o images.safetensors
    kd-soften --model model.safetensors --data digits:test -o soft.safetensors
    python3 check_torch.py model.safetensors soft.safetensors images.safetensors

Prints the largest difference; ends with 1 where it is above 1e-4 of the largest logit (or of 1)."""

import sys

import torch
from safetensors.torch import load_file

import kd_torch


def main(model, soft, images):
    net, normalize = kd_torch.load(model)
    expected = load_file(soft)["logits"]
    with torch.no_grad():
        logits = net(normalize(load_file(images)["images"]))
    if logits.shape != expected.shape:
        sys.exit(f"shapes differ: PyTorch {tuple(logits.shape)}, kd {tuple(expected.shape)}")
    worst = (logits - expected).abs().max().item()
    print(f"{len(logits)} images, largest difference {worst:.2e}")
    if not worst <= 1e-4 * max(1.0, expected.abs().max().item()):
        sys.exit("the logits differ")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(f"usage: {sys.argv[0]} MODEL SOFT-TARGETS IMAGES")
    main(*sys.argv[1:])
