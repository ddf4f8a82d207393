#!/usr/bin/env python3
"""How fast is exported C beside the TFLite interpreter and onnxruntime, on one core?

    python3 compare_tflite.py model.safetensors      # in integers: kd-quantize

kd-export writes the model as C, which gcc -O3 -march=native compiles, and as QDQ. A .tflite file of
the same layers, weights and scales is put together from the QDQ form. All of them then take turns,
and for each the median over the turns of the milliseconds an image counts. TFLite runs three times:
with its reference kernels, with its own fast ones, and with XNNPACK; kd-eval's kernels once.

Stride 2 with padding 1 on both sides is no padding of TFLite, which has one less before and one more
behind. The file that is timed does it so, which is as much work. Another file, which pads by an
operator of its own, shows that the networks are the same: no logit of random images may be further
than 5 % of the largest from that of the C.

Needs ai-edge-litert, onnx, onnxruntime, flatbuffers and numpy; programs of kd in PATH."""

import json
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

import flatbuffers
import numpy as np
import onnx
import onnxruntime
from ai_edge_litert import schema_py_generated as tfl
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from onnx import numpy_helper

IMAGES, TURNS, SECONDS = 200, 7, 0.3


class Flat:
    """A .tflite file that is being put together: activations are [1,h,w,c], int8."""

    def __init__(self):
        self.sub, self.model = tfl.SubGraphT(), tfl.ModelT()
        self.sub.tensors, self.sub.operators, self.codes = [], [], []
        self.model.buffers = [tfl.BufferT()]

    def tensor(self, name, shape, kind, scale, zero=0, data=None):
        t, q = tfl.TensorT(), tfl.QuantizationParametersT()
        q.scale = np.atleast_1d(np.asarray(scale, np.float32))
        q.zeroPoint = np.full(len(q.scale), zero, np.int64)
        t.name, t.shape, t.type, t.quantization, t.buffer = name, list(shape), kind, q, 0
        if data is not None:
            b = tfl.BufferT()
            b.data = np.frombuffer(np.ascontiguousarray(data).tobytes(), np.uint8)
            self.model.buffers.append(b)
            t.buffer = len(self.model.buffers) - 1
        self.sub.tensors.append(t)
        return len(self.sub.tensors) - 1

    def operator(self, name, ins, out, options=None, kind="", version=1):
        code = getattr(tfl.BuiltinOperator, name)
        if code not in [c.builtinCode for c in self.codes]:
            c = tfl.OperatorCodeT()
            c.builtinCode, c.deprecatedBuiltinCode, c.version = code, min(code, 127), version
            self.codes.append(c)
        op = tfl.OperatorT()
        op.opcodeIndex = [c.builtinCode for c in self.codes].index(code)
        op.inputs, op.outputs = ins, [out]
        if options is not None:
            op.builtinOptions, op.builtinOptionsType = options, getattr(tfl.BuiltinOptions, kind)
        self.sub.operators.append(op)

    def bytes(self, first, last):
        self.sub.inputs, self.sub.outputs = [first], [last]
        self.model.version, self.model.subgraphs = 3, [self.sub]
        self.model.operatorCodes, self.model.description = self.codes, "of a model of kd"
        b = flatbuffers.Builder(1 << 20)
        b.Finish(self.model.Pack(b), b"TFL3")
        return bytes(b.Output())


class Reader:
    """The QDQ form: who makes what, and constants."""

    def __init__(self, path):
        g = onnx.load(path).graph
        self.make = {n.output[0]: n for n in g.node}
        self.value = {t.name: numpy_helper.to_array(t) for t in g.initializer}
        self.steps = [n for n in g.node if n.op_type == "QuantizeLinear"]

    def attribute(self, node, name, default):
        return next((onnx.helper.get_attribute_value(a) for a in node.attribute if a.name == name),
                    default)

    def ints(self, name):
        """Integers and scale of a parameter."""
        node = self.make[name]
        return self.value[node.input[0]], self.value[node.input[1]]

    def source(self, name):
        """The int8 tensor that a value is, through Flatten and DequantizeLinear."""
        while self.make[name].op_type in ("DequantizeLinear", "Flatten"):
            name = self.make[name].input[0]
        return name


def convert(path, same, largest):
    """same: stride 2 as TFLite pads; else the maps are padded before as kd does. largest: logit;
    those of TFLite are bytes."""
    r, f, index, shape = Reader(path), Flat(), {}, {}
    fused = {"Relu": tfl.ActivationFunctionType.RELU, "Clip": tfl.ActivationFunctionType.RELU6}

    def layer(node, out, scale, zero):
        act = tfl.ActivationFunctionType.NONE
        if node.op_type in fused:
            act, node = fused[node.op_type], r.make[node.input[0]]
        a = r.source(node.input[0])
        if node.op_type == "Conv":
            weights, by = r.ints(node.input[1])
            bias, bias_by = r.ints(node.input[2])
            c, h, w = shape[a]
            kernel, stride = weights.shape[2], r.attribute(node, "strides", [1, 1])[0]
            pad = r.attribute(node, "pads", [0] * 4)[0]
            where, h2 = index[a], (h + 2 * pad - kernel) // stride + 1
            w2, valid = (w + 2 * pad - kernel) // stride + 1, pad == 0
            if pad and stride > 1 and not same:
                t = f.sub.tensors[where].quantization
                where = f.tensor(out + ".padded", [1, h + 2 * pad, w + 2 * pad, c],
                                 tfl.TensorType.INT8, t.scale, t.zeroPoint[0])
                pads = np.array([[0, 0], [pad, pad], [pad, pad], [0, 0]], np.int32)
                p = f.tensor(out + ".pads", [4, 2], tfl.TensorType.INT32, [1], 0, pads)
                f.operator("PAD", [index[a], p], where, tfl.PadOptionsT(), "PadOptions", 2)
                valid = True
            deep = r.attribute(node, "group", 1) > 1
            weights = weights.transpose(1, 2, 3, 0) if deep else weights.transpose(0, 2, 3, 1)
            wt = f.tensor(out + ".w", weights.shape, tfl.TensorType.INT8, by, 0, weights)
            f.sub.tensors[wt].quantization.quantizedDimension = 3 if deep else 0
            bt = f.tensor(out + ".b", bias.shape, tfl.TensorType.INT32, bias_by, 0, bias)
            o = tfl.DepthwiseConv2DOptionsT() if deep else tfl.Conv2DOptionsT()
            o.padding = tfl.Padding.VALID if valid else tfl.Padding.SAME
            o.strideH = o.strideW = stride
            o.dilationHFactor = o.dilationWFactor = 1
            o.fusedActivationFunction = act
            if deep:
                o.depthMultiplier = 1
            shape[out] = (len(bias), h2, w2)
            index[out] = f.tensor(out, [1, h2, w2, len(bias)], tfl.TensorType.INT8, scale, zero)
            name = "DEPTHWISE_CONV_2D" if deep else "CONV_2D"
            f.operator(name, [where, wt, bt], index[out], o,
                       "DepthwiseConv2DOptions" if deep else "Conv2DOptions", 3)
        elif node.op_type == "Gemm":
            weights, by = r.ints(node.input[1])
            bias, bias_by = r.ints(node.input[2])
            c, h, w = shape[a]
            weights = weights.reshape(-1, c, h, w).transpose(0, 2, 3, 1).reshape(len(bias), -1)
            wt = f.tensor(out + ".w", weights.shape, tfl.TensorType.INT8, by, 0, weights)
            bt = f.tensor(out + ".b", bias.shape, tfl.TensorType.INT32, bias_by, 0, bias)
            o = tfl.FullyConnectedOptionsT()
            o.fusedActivationFunction = act
            shape[out] = (len(bias), 1, 1)
            index[out] = f.tensor(out, [1, len(bias)], tfl.TensorType.INT8, scale, zero)
            f.operator("FULLY_CONNECTED", [index[a], wt, bt], index[out], o,
                       "FullyConnectedOptions", 5)
        elif node.op_type == "Add":
            b, o = r.source(node.input[1]), tfl.AddOptionsT()
            o.fusedActivationFunction = act
            shape[out] = c, h, w = shape[a]
            index[out] = f.tensor(out, [1, h, w, c], tfl.TensorType.INT8, scale, zero)
            f.operator("ADD", [index[a], index[b]], index[out], o, "AddOptions", 2)
        elif node.op_type == "GlobalAveragePool":
            o = tfl.ReducerOptionsT()  # AVERAGE_POOL_2D would keep the scale of its input
            o.keepDims, c = True, shape[a][0]
            axes = np.array([1, 2], np.int32)
            axes = f.tensor(out + ".axes", [2], tfl.TensorType.INT32, [1], 0, axes)
            shape[out] = (c, 1, 1)
            index[out] = f.tensor(out, [1, 1, 1, c], tfl.TensorType.INT8, scale, zero)
            f.operator("MEAN", [index[a], axes], index[out], o, "ReducerOptions", 2)
        elif node.op_type == "Flatten":
            index[out], shape[out] = index[a], shape[a]
        else:
            sys.exit(f"{node.op_type}: this script knows no such layer")

    first = r.steps[0].output[0]
    dims = onnx.load(path).graph.input[0].type.tensor_type.shape.dim[1:]
    shape[first] = c, h, w = [d.dim_value for d in dims]
    index[first] = f.tensor(first, [1, h, w, c], tfl.TensorType.INT8,
                            r.value[r.steps[0].input[1]], int(r.value[r.steps[0].input[2]]))
    for n in r.steps[1:]:
        layer(r.make[n.input[0]], n.output[0], r.value[n.input[1]], int(r.value[n.input[2]]))
    layer(r.make["logits"], "logits", largest / 127, 0)
    return f.bytes(index[first], index["logits"])


DRIVER = """
#include "net.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
static uint8_t images[%d][NET_CHANNELS * NET_HEIGHT * NET_WIDTH];
static int32_t logits[%d][NET_CLASSES];
int main(int argc, char **argv) /* SECONDS: of all images again and again, ms an image */
{
    const double seconds = argc > 1 ? atof(argv[1]) : 0;
    const size_t n = sizeof images / sizeof *images;
    if (fread(images, sizeof *images, n, stdin) != n) return 1;
    struct timespec from, to;
    clock_gettime(CLOCK_MONOTONIC, &from);
    double took = 0;
    size_t done = 0;
    do {
        for (size_t i = 0; i < n; i++) net_predict(images[i], logits[i]);
        done += n;
        clock_gettime(CLOCK_MONOTONIC, &to);
        took = (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) * 1e-9;
    } while (took < seconds);
    if (argc > 1) printf("%%.6f\\n", took * 1e3 / (double)done);
    else fwrite(logits, sizeof logits, 1, stdout);
    return 0;
}
"""


def scale_of(header):
    """What a logit of exported C is worth."""
    return float(re.search(r"_LOGIT_SCALE (\S+)f", header.read_text()).group(1))


def timed(once):
    """Milliseconds an image of a function that takes an image's number."""
    start, done = time.perf_counter(), 0
    while time.perf_counter() - start < SECONDS:
        for _ in range(8):
            once(done % IMAGES)
            done += 1
    return (time.perf_counter() - start) * 1e3 / done


def save(path, pixels):
    """A tensor file of images, as kd reads them."""
    both = {"images": pixels, "labels": np.zeros(len(pixels), np.uint8)}
    header, at = {}, 0
    for name, a in both.items():
        header[name] = {"dtype": "U8", "shape": a.shape, "data_offsets": [at, at + a.nbytes]}
        at += a.nbytes
    text = json.dumps(header).encode()
    parts = [len(text).to_bytes(8, "little"), text, *(a.tobytes() for a in both.values())]
    path.write_bytes(b"".join(parts))


def interpreter(data, kind):
    i = Interpreter(model_content=data, num_threads=1, experimental_op_resolver_type=kind)
    i.allocate_tensors()
    return i


def main(model):
    work = pathlib.Path(tempfile.mkdtemp())
    kd = ["kd-export", model, "--quiet", "-o"]
    subprocess.run([*kd, work / "net.c", "--name", "net"], check=True, stdout=subprocess.DEVNULL)
    subprocess.run([*kd, work / "net.onnx", "--to", "onnx"], check=True, stdout=subprocess.DEVNULL)
    (work / "main.c").write_text(DRIVER % (IMAGES, IMAGES))
    subprocess.run(["gcc", "-O3", "-march=native", "main.c", "net.c", "-o", "net"], cwd=work,
                   check=True)
    graph = onnx.load(work / "net.onnx").graph
    shape = [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim[1:]]
    pixels = np.random.default_rng(1).integers(0, 256, [IMAGES, *shape], np.uint8)

    ort = onnxruntime.SessionOptions()
    ort.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(work / "net.onnx", ort,
                                           providers=["CPUExecutionProvider"])
    floats = pixels.astype(np.float32) / np.float32(255)
    # what kd makes of the bytes, so that all begin with the same integers
    cut = onnx.load(work / "net.onnx")
    del cut.graph.output[:]
    first = next(n.output[0] for n in cut.graph.node if n.op_type == "QuantizeLinear")
    cut.graph.output.append(onnx.helper.make_tensor_value_info(first, onnx.TensorProto.INT8, None))
    begin = onnxruntime.InferenceSession(cut.SerializeToString(), ort,
                                         providers=["CPUExecutionProvider"])
    ints = begin.run([first], {"image": floats})[0].transpose(0, 2, 3, 1)

    def run(i, image):
        i.set_tensor(i.get_input_details()[0]["index"], ints[image : image + 1])
        i.invoke()
        return i.get_tensor(i.get_output_details()[0]["index"])[0]

    raw = pixels.tobytes()
    mine = subprocess.run([work / "net"], input=raw, capture_output=True, check=True).stdout
    mine = np.frombuffer(mine, np.int32).reshape(IMAGES, -1) * scale_of(work / "net.h")
    largest = np.abs(mine).max()
    exact = interpreter(convert(work / "net.onnx", False, largest), OpResolverType.BUILTIN_REF)
    theirs = np.array([run(exact, i) for i in range(IMAGES)]) * (largest / 127)
    apart = np.abs(theirs - mine).max() / largest
    print(f"{IMAGES} random images: logits in TFLite and in C at most {100 * apart:.1f} % of the "
          f"largest apart, correlation {np.corrcoef(mine.ravel(), theirs.ravel())[0, 1]:.5f}",
          file=sys.stderr)
    if apart > 0.05:
        sys.exit("the networks are not the same")

    data = convert(work / "net.onnx", True, largest)
    flat = {
        "TFLite, reference kernels": interpreter(data, OpResolverType.BUILTIN_REF),
        "TFLite, without XNNPACK":
            interpreter(data, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES),
        "TFLite, XNNPACK": interpreter(data, OpResolverType.BUILTIN),
    }
    rows = {"exported C": lambda: float(subprocess.run(
        [work / "net", str(SECONDS)], input=raw, capture_output=True, check=True).stdout)}
    # kd-eval takes images of any kind with labels; which ones does not matter
    data = f"tensors:{work / 'images.safetensors'}:test"
    save(work / "images.safetensors", pixels)
    rows["kd-eval, one image at a time"] = lambda: json.loads(subprocess.run(
        ["kd-eval", model, "--data", data, "--threads", "1", "--json", "--time", "-q"],
        capture_output=True, check=True).stdout)["latency_ms"]
    for name, i in flat.items():
        rows[name] = lambda i=i: timed(lambda k: run(i, k))
    rows["onnxruntime, QDQ"] = lambda: timed(
        lambda k: session.run(None, {"image": floats[k : k + 1]}))
    times = {name: [] for name in rows}
    for _ in range(TURNS):
        for name, row in rows.items():
            times[name].append(row())
    c = statistics.median(times["exported C"])
    print("| what | ms an image | exported C is |\n| --- | ---: | ---: |")
    for name, t in times.items():
        m = statistics.median(t)
        print(f"| {name} | {m:.3f} ({min(t):.3f} to {max(t):.3f}) | {m / c:.2f} times as fast |")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} MODEL")
    main(sys.argv[1])
