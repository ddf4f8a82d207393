#!/usr/bin/env python3
"""Does onnxruntime make the same logits of an exported model as kd-soften?

    kd-data convert digits:test -o images.safetensors
    kd-soften --model model.safetensors --data digits:test -o soft.safetensors
    kd-export model.safetensors --to onnx -o model.onnx
    python3 check_onnx.py model.onnx soft.safetensors images.safetensors

The file is checked by onnx.checker, shapes and types too. Floats: ends with 1 where a logit differs by
more than 1e-5 of the largest. Integers (QDQ, run without optimisations): where fewer than 99.5 % of
the images have the same class."""

import json
import sys

import numpy as np
import onnx
import onnxruntime


def tensors(path):
    """The tensors of a safetensors file that have one of these types."""
    with open(path, "rb") as f:
        data = f.read()
    size = int.from_bytes(data[:8], "little")
    types = {"F32": "<f4", "I32": "<i4", "U8": "u1", "I8": "i1"}
    found = {}
    for name, t in json.loads(data[8 : 8 + size]).items():
        if t.get("dtype") in types:
            first, last = (8 + size + n for n in t["data_offsets"])
            found[name] = np.frombuffer(data[first:last], types[t["dtype"]]).reshape(t["shape"])
    return found


def run(model, images):
    """Logits of all images, in batches of the size that the model wants."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    batch = model.graph.input[0].type.tensor_type.shape.dim[0].dim_value or len(images)
    whole = len(images) // batch * batch
    parts = [images[i : i + batch] for i in range(0, whole, batch)]
    return np.concatenate([session.run(None, {"image": part})[0] for part in parts])


def main(path, soft, images):
    model = onnx.load(path)
    onnx.checker.check_model(model, full_check=True)
    logits = run(model, tensors(images)["images"].astype(np.float32) / np.float32(255))
    expected = tensors(soft)["logits"][: len(logits)]
    worst = np.abs(logits - expected).max() / np.abs(expected).max()
    agree = (logits.argmax(1) == expected.argmax(1)).mean()
    print(f"{len(logits)} images, largest difference {worst:.2e} of the largest logit, "
          f"the same class on {100 * agree:.2f} %")
    integers = any(n.op_type == "QuantizeLinear" for n in model.graph.node)
    if not (agree >= 0.995 if integers else worst <= 1e-5):
        sys.exit("the logits differ")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(f"usage: {sys.argv[0]} MODEL.onnx SOFT-TARGETS IMAGES")
    main(*sys.argv[1:])
