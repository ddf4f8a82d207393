#!/usr/bin/env python3
"""From equal inputs, is each layer of onnxruntime within one step of kd?

    reference model.safetensors 20 trace.safetensors <images.raw >logits.raw    # test/device
    kd-export model.safetensors --to onnx -o model.onnx
    python3 check_steps.py model.onnx trace.safetensors

The QDQ graph is cut at each of its int8 tensors: what kd computed goes in, and what onnxruntime
makes of it with the next layer comes out. Ends with 1 where an integer, or a logit in steps of kd's
logits, is more than one step apart."""

import sys

import numpy as np
import onnx
import onnxruntime
from check_onnx import tensors

MADE = ".made"  # what onnxruntime makes of a tensor that kd has made too


def cut(model):
    """The names of the int8 tensors; the model then reads all of them, and writes them beside."""
    names = []
    for node in model.graph.node:
        if node.op_type == "QuantizeLinear":
            names.append(node.output[0])
            node.output[0] += MADE
    value = onnx.helper.make_tensor_value_info
    model.graph.input.extend(value(n, onnx.TensorProto.INT8, None) for n in names)
    model.graph.output.extend(value(n + MADE, onnx.TensorProto.INT8, None) for n in names)
    return names


def shapes(model):
    """The shape of each int8 tensor but for the images: kd knows no rows, a row is a map of 1x1."""
    model = onnx.shape_inference.infer_shapes(model)
    known = list(model.graph.value_info) + list(model.graph.output)
    return {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim][1:] for v in known}


def main(path, trace):
    model, kd = onnx.load(path), tensors(trace)
    shape, names = shapes(model), cut(model)
    # the last tensor is called logits in ONNX, and in kd by its layer
    kd.update({"logits.int8": v for k, v in kd.items() if k.endswith(".int8") and k not in names})
    given = {n: kd[n].reshape([len(kd[n]), *shape[n]]) for n in names}
    first, number = names[0], model.graph.node[0].input[0]
    image = np.zeros([len(kd[first]), *shape[first]], np.float32)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    made = session.run([n + MADE for n in names[1:]] + ["logits"], {number: image, **given})
    logits = np.rint(made.pop() / kd["logit_scale"][0])
    pairs = list(zip(names[1:], made, [given[n] for n in names[1:]]))
    if "logits.int8" not in names:
        pairs.append(("logits", logits, kd["logits"]))
    worst = 0
    for name, theirs, ours in pairs:
        apart = np.abs(theirs.astype(np.int64) - ours)
        worst = max(worst, apart.max())
        print(f"{name:24s} {apart.size:9d} integers, {100 * (apart > 0).mean():.4f} % differ, "
              f"at most {apart.max()} apart")
    if worst > 1:
        sys.exit("a layer is more than one step apart")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(f"usage: {sys.argv[0]} MODEL.onnx TRACE")
    main(*sys.argv[1:])
