#!/usr/bin/env python3
"""The benchmark's workloads in PyTorch, for test/bench/compare_torch; needs torch alone.

usage: torch_workloads.py WORKLOAD [--threads N] [--seconds S] [--installed] [--with A,B] [--images DIR] [--quick] [--isa avx2]

Prints one JSON line with the median of images a second. PyTorch gets its batches ready made: float images in order, where kd
gathers shuffled bytes and normalizes them. C1 (start, read the IDX files in DIR, one epoch of W1, write the model) is to be
timed from outside.

Without --installed PyTorch runs at its best: with the settings in BEST, and with what `environment` gives, which has to be in
the environment before the process starts (run alone, this program starts itself again with it). --with tries other settings:
  channels_last   images and weights in that memory format
  frozen          inference: traced, frozen and optimized for inference
  traced          training: the forward pass as a trace
  fused           the optimizer's fused form (2.x)
  compiled        torch.compile (2.x, needs a C++ compiler)
"""
import argparse
import collections
import json
import os
import statistics
import sys
import time

Workload = collections.namedtuple("Workload", "network shape batch images teaching optimizer training")
MLP, IMAGE = (784,), (3, 32, 32)
WORKLOADS = {
    "W1": Workload("mlp1200", MLP, 100, 12800, "labels", "sgd", True),
    "W2": Workload("mlp800", MLP, 100, 12800, "stored", "sgd", True),
    "W3": Workload("mlp30", MLP, 100, 12800, "stored", "sgd", True),
    "W4": Workload("cnn", (1, 28, 28), 64, 12800, "labels", "adam", True),
    "W5": Workload("vgg19", IMAGE, 128, 256, "labels", "sgd", True),
    "W5i": Workload("vgg19", IMAGE, 128, 256, None, None, False),
    "W6": Workload("resnet9", IMAGE, 128, 256, "labels", "sgd", True),
    "W7l": Workload("mlp800", MLP, 1, 1000, None, None, False),
    "W7t": Workload("mlp800", MLP, 1000, 12000, None, None, False),
    "C1": Workload("mlp1200", MLP, 100, 60000, "labels", "sgd", True),
}
INFERENCE = [name for name, work in WORKLOADS.items() if not work.training]
BEST = {
    "W1": set(), "W2": set(), "W3": set(), "W4": {"channels_last", "fused"}, "W5": {"fused"}, "W5i": {"frozen"},
    "W6": {"channels_last", "fused"}, "W7l": {"frozen"}, "W7t": {"frozen"}, "C1": set(),
}
TEMPERATURE = 20.0


ISAS = {  # what holds kd, OpenBLAS, ATen, oneDNN and MKL to an instruction set
    "avx2": {"KD_CPU": "avx2", "OPENBLAS_CORETYPE": "Haswell", "ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2",
             "MKL_ENABLE_INSTRUCTIONS": "AVX2"},
}


def environment(threads, best, isa=None):
    """Variables to set, or to remove where None. Someone's choice of BLAS kernel is never ours."""
    keep = "4000000000"  # glibc would give every gradient back to the kernel at each step
    wanted = {"OPENBLAS_CORETYPE": None, "OPENBLAS_L2_SIZE": None}
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        wanted[name] = str(threads) if threads else None
    wanted["MALLOC_MMAP_THRESHOLD_"] = wanted["MALLOC_TRIM_THRESHOLD_"] = keep if best else None
    wanted["OMP_WAIT_POLICY"] = "passive" if best and threads != 1 else None
    wanted.update(ISAS[isa] if isa else {})
    return wanted


def with_environment(wanted):
    new = dict(os.environ)
    for name, value in wanted.items():
        new.pop(name, None)
        if value is not None:
            new[name] = value
    return new


def peak_mb():
    try:
        with open("/proc/self/status") as f:
            return next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmHWM:"))
    except OSError:
        import resource
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


# ---- networks ----

def mlp(nn, units, drops=()):
    layers, before = [], 784
    for i, n in enumerate(units + [10]):
        if i < len(drops):
            layers.append(nn.Dropout(drops[i]))
        layers.append(nn.Linear(before, n))
        if i < len(units):
            layers.append(nn.ReLU())
        before = n
    return nn.Sequential(*layers)


def block(nn, inputs, filters):
    return [nn.Conv2d(inputs, filters, 3, padding=1, bias=False), nn.BatchNorm2d(filters), nn.ReLU(inplace=True)]


def cnn(nn):
    layers = [nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
    before = 800
    for _ in range(4):
        layers += [nn.Linear(before, 56), nn.ReLU()]
        before = 56
    return nn.Sequential(*layers, nn.Linear(56, 10))


def vgg19(nn):
    layers, before = [], 3
    for filters, times in ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4)):
        for _ in range(times):
            layers += block(nn, before, filters)
            before = filters
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


def resnet9(nn):
    class Residual(nn.Module):
        def __init__(self, filters):
            super().__init__()
            self.body = nn.Sequential(*block(nn, filters, filters), *block(nn, filters, filters))

        def forward(self, x):
            return x + self.body(x)

    class Scale(nn.Module):
        def forward(self, x):
            return x * 0.125

    return nn.Sequential(*block(nn, 3, 64), *block(nn, 64, 128), nn.MaxPool2d(2), Residual(128), *block(nn, 128, 256),
                         nn.MaxPool2d(2), *block(nn, 256, 512), nn.MaxPool2d(2), Residual(512), nn.MaxPool2d(4),
                         nn.Flatten(), nn.Linear(512, 10), Scale())


def network(nn, name):
    made = {"mlp1200": lambda: mlp(nn, [1200, 1200], (0.2, 0.5, 0.5)), "mlp800": lambda: mlp(nn, [800, 800]),
            "mlp30": lambda: mlp(nn, [30, 30]), "cnn": lambda: cnn(nn), "vgg19": lambda: vgg19(nn),
            "resnet9": lambda: resnet9(nn)}
    return made[name]()


# ---- steps ----

def optimizer(torch, kind, parameters, use):
    form = {"fused": True} if "fused" in use and int(torch.__version__.split(".")[0]) >= 2 else {"foreach": False}
    if kind == "adam":
        return torch.optim.Adam(parameters, lr=1e-5, **form)
    return torch.optim.SGD(parameters, lr=1e-5, momentum=0.9, **form)


def loss_of(torch, teaching, z, labels, logits):
    f = torch.nn.functional
    hard = f.cross_entropy(z, labels)
    if teaching != "stored":
        return hard
    t = TEMPERATURE
    soft = f.kl_div(f.log_softmax(z / t, 1), f.softmax(logits / t, 1), reduction="batchmean")
    return 0.9 * t * t * soft + 0.1 * hard


def stepper(torch, work, use):
    """A function that runs step i."""
    return stepper_of(torch, network(torch.nn, work.network), work, use)


def stepper_of(torch, model, work, use):
    x = torch.randn(work.images, *work.shape)
    labels, logits = torch.randint(0, 10, (work.images,)), 5 * torch.randn(work.images, 10)
    if "channels_last" in use:
        model, x = model.to(memory_format=torch.channels_last), x.to(memory_format=torch.channels_last)
    model.train(work.training)
    steps, batch, run = work.images // work.batch, work.batch, model
    if "compiled" in use:
        run = torch.compile(model)
    if "traced" in use and work.training:
        run = torch.jit.trace(model, x[:batch], check_trace=False)
    if not work.training:
        if "frozen" in use:
            with torch.no_grad():
                run = torch.jit.optimize_for_inference(torch.jit.freeze(torch.jit.trace(model, x[:batch])))

        def infer(i):
            at = i % steps * batch
            with torch.inference_mode():
                run(x[at:at + batch])
        return infer
    update = optimizer(torch, work.optimizer, model.parameters(), use)

    def train(i):
        at = i % steps * batch
        update.zero_grad(set_to_none=True)
        loss_of(torch, work.teaching, run(x[at:at + batch]), labels[at:at + batch], logits[at:at + batch]).backward()
        update.step()
    return train


def measure(step, batch, seconds):
    """Images a second in pieces of a tenth of the time, at least three of them, after a warm-up."""
    i, start = 0, time.perf_counter()
    while i < 2 or (i < 50 and time.perf_counter() - start < 0.5):
        step(i)
        i += 1
    rates, total = [], 0.0
    while total < seconds or len(rates) < 3:
        start, n, spent = time.perf_counter(), 0, 0.0
        while not n or spent < seconds / 10:
            step(i)
            i, n = i + 1, n + 1
            spent = time.perf_counter() - start
        rates.append(n * batch / spent)
        total += spent
    return rates


def whole(torch, work, use, folder):
    """Everything that C1 is, from files to file."""
    def idx(name, header):
        with open(os.path.join(folder, name), "rb") as f:
            return torch.frombuffer(bytearray(f.read()), dtype=torch.uint8)[header:]
    labels = idx("train-labels-idx1-ubyte", 8).long()
    pixels = idx("train-images-idx3-ubyte", 16).view(len(labels), 784)
    model = network(torch.nn, work.network)
    update = optimizer(torch, work.optimizer, model.parameters(), use)
    order = torch.randperm(len(labels))
    for at in range(0, len(labels), work.batch):
        index = order[at:at + work.batch]
        update.zero_grad(set_to_none=True)
        z = model(pixels[index].float().div_(255))
        loss_of(torch, work.teaching, z, labels[index], None).backward()
        update.step()
    torch.save(model.state_dict(), os.path.join(folder, "model.pt"))
    return len(labels)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
    parser.add_argument("workload", choices=list(WORKLOADS))
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--installed", action="store_true")
    parser.add_argument("--with", dest="use", default=None)
    parser.add_argument("--images")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--isa", choices=list(ISAS))
    o = parser.parse_args()
    wanted = with_environment(environment(o.threads, not o.installed, o.isa))
    if wanted != dict(os.environ):
        os.execve(sys.executable, [sys.executable] + sys.argv, wanted)
    import torch
    if o.threads:
        torch.set_num_threads(o.threads)
    torch.manual_seed(0)
    use = set() if o.installed else BEST[o.workload] if o.use is None else set(filter(None, o.use.split(",")))
    work = WORKLOADS[o.workload]
    if o.quick:
        work = work._replace(batch=min(work.batch, 4), images=2 * min(work.batch, 4))
    out = {"workload": o.workload, "torch": torch.__version__, "settings": "installed" if o.installed else "best",
           "threads": torch.get_num_threads()}
    if o.workload == "C1":
        out["images"] = whole(torch, work._replace(batch=100), use, o.images)
    else:
        rates = measure(stepper(torch, work, use), work.batch, o.seconds)
        out.update(images_per_second=round(statistics.median(rates), 1), low=round(min(rates), 1), high=round(max(rates), 1))
    out["peak_mb"] = round(peak_mb(), 1)
    print(json.dumps(out))


if __name__ == "__main__":
    main()
