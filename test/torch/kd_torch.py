"""kd's models in PyTorch.

    import kd_torch
    net, normalize = kd_torch.load("model.safetensors")     # an nn.Sequential in evaluation mode
    logits = net(normalize(pixels))                          # pixels: [N, C, H, W], uint8 or float 0..1

Needs torch and safetensors. Checkpoints of kd open too: what is not the model's is passed over.
"""

import json

import torch
from safetensors import safe_open


class Scale(torch.nn.Module):
    def __init__(self, by):
        super().__init__()
        self.by = by

    def forward(self, x):
        return self.by * x


class Residual(torch.nn.Module):
    """y = body(x) + shortcut(x); parameters are named N.body.0.weight and N.shortcut.0.weight, as in kd's files."""

    def __init__(self, body, shortcut=None):
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x):
        return self.body(x) + (x if self.shortcut is None else self.shortcut(x))


def layer(spec, shape, classes):
    """The module for one layer of kd.network (defaults filled in), for one image's shape (C, H, W) or (features,)."""
    if isinstance(spec, str):
        spec = {"kind": spec}
    nn, kind, get = torch.nn, spec["kind"], spec.get
    if kind == "dense":
        return nn.Linear(shape[0], get("units") or classes, bias=get("bias", True))
    if kind == "conv2d":
        kernel, padding = get("kernel", 3), get("padding", 0)
        if get("kernel_width"):
            kernel, padding = (kernel, spec["kernel_width"]), (padding, get("padding_width", 0))
        return nn.Conv2d(shape[0], spec["filters"], kernel, get("stride", 1), padding,
                         groups=get("groups", 1), bias=get("bias", True))
    if kind == "batchnorm":
        norm = nn.BatchNorm1d if len(shape) == 1 else nn.BatchNorm2d
        return norm(shape[0], eps=get("epsilon", 1e-5), momentum=get("momentum", 0.1))
    if kind in ("maxpool", "avgpool"):
        pool = nn.MaxPool2d if kind == "maxpool" else nn.AvgPool2d
        return pool(get("kernel", 2), get("stride") or None, get("padding", 0))
    if kind == "residual":
        shortcut = get("shortcut")
        return Residual(sequence(spec["body"], shape, classes), sequence(shortcut, shape, classes) if shortcut else None)
    simple = {
        "flatten": nn.Flatten,
        "relu": nn.ReLU,
        "leaky_relu": lambda: nn.LeakyReLU(get("slope", 0.01)),
        "gelu": nn.GELU,
        "relu6": nn.ReLU6,
        "hardswish": nn.Hardswish,
        "tanh": nn.Tanh,
        "dropout": lambda: nn.Dropout(get("rate", 0.5)),
        "global_avgpool": lambda: nn.AdaptiveAvgPool2d(1),
        "global_maxpool": lambda: nn.AdaptiveMaxPool2d(1),
        "scale": lambda: Scale(get("by", 1)),
    }
    if kind not in simple:
        raise ValueError(f"kd_torch knows no layer kind {kind!r}")
    return simple[kind]()


def sequence(layers, shape, classes):
    modules, x = [], torch.zeros(1, *shape)
    for spec in layers:
        module = layer(spec, tuple(x.shape[1:]), classes)
        with torch.no_grad():
            x = module.eval()(x)
        modules.append(module.train())
    return torch.nn.Sequential(*modules)


def build(network):
    """nn.Sequential from what a model file holds under kd.network; every layer counts, flatten too."""
    return sequence(network["layers"], network["input"], network["classes"])


def normalizer(values, channels):
    mean, std = (torch.tensor(values[key]).reshape(1, channels, 1, 1) for key in ("mean", "std"))

    def normalize(pixels):
        x = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels
        return (x - mean) / std

    return normalize


def load(path):
    """(network in evaluation mode, function that normalizes pixels) from a model file or checkpoint of kd."""
    with safe_open(path, framework="pt") as f:
        meta = f.metadata()
        if meta.get("kd.kind") != "model":
            raise ValueError(f"{path}: it holds {meta.get('kd.kind')}, not a model")
        state = {k: f.get_tensor(k) for k in f.keys() if not k.startswith("kd.state.")}
    network = json.loads(meta["kd.network"])
    net = build(network)
    for name in net.state_dict():  # PyTorch counts batches, kd does not
        if name.endswith("num_batches_tracked"):
            state[name] = torch.tensor(0)
    net.load_state_dict(state, strict=True)
    return net.eval(), normalizer(json.loads(meta["kd.normalize"]), network["input"][0])
