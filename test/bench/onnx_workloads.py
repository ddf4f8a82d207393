#!/usr/bin/env python3
"""The benchmark's workloads of inference in onnxruntime, for test/bench/compare_torch; needs onnxruntime and numpy.

usage: onnx_workloads.py WORKLOAD --model FILE.onnx [--threads N] [--seconds S] [--quick]

Prints one JSON line with the median of images a second. The model is kd's own export, in which images are normalized; they lie
ready as floats in order, as they do for PyTorch.
"""
import argparse
import json
import statistics

import torch_workloads as shared


def session(runtime, path, threads):
    how = runtime.SessionOptions()
    how.graph_optimization_level = runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
    how.intra_op_num_threads, how.inter_op_num_threads = threads, 1
    return runtime.InferenceSession(path, how, providers=["CPUExecutionProvider"])


def stepper(run, images, batch):
    """A function that runs step i."""
    name, steps = run.get_inputs()[0].name, len(images) // batch

    def step(i):
        at = i % steps * batch
        run.run(None, {name: images[at:at + batch]})
    return step


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
    parser.add_argument("workload", choices=shared.INFERENCE)
    parser.add_argument("--model", required=True)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--quick", action="store_true")
    o = parser.parse_args()
    import numpy
    import onnxruntime
    work = shared.WORKLOADS[o.workload]
    if o.quick:
        work = work._replace(batch=min(work.batch, 4), images=2 * min(work.batch, 4))
    run = session(onnxruntime, o.model, o.threads)
    shape = [n for n in run.get_inputs()[0].shape[1:]]
    images = numpy.random.default_rng(0).random([work.images] + shape, dtype=numpy.float32)
    rates = shared.measure(stepper(run, images, work.batch), work.batch, o.seconds)
    print(json.dumps({"workload": o.workload, "torch": onnxruntime.__version__, "settings": "onnxruntime", "threads": o.threads,
                      "images_per_second": round(statistics.median(rates), 1), "low": round(min(rates), 1),
                      "high": round(max(rates), 1), "peak_mb": round(shared.peak_mb(), 1)}))


if __name__ == "__main__":
    main()
