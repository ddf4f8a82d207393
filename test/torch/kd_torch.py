"""kd's models in PyTorch.

    import kd_torch
    net, normalize = kd_torch.load("model.safetensors")     # an nn.Sequential in evaluation mode
    logits = net(normalize(pixels))                          # pixels: [N, C, H, W], uint8 or float 0..1

Needs torch and safetensors. Checkpoints of kd open too: what is not the model's is passed over.
"""

import json

import torch
from safetensors import safe_open


def layer(spec, width):
    """The module for one layer of kd.network, and how many features come out of it."""
    if isinstance(spec, str):
        spec = {"kind": spec}
    kind = spec["kind"]
    if kind == "dense":
        return torch.nn.Linear(width, spec["units"], bias=spec["bias"]), spec["units"]
    if kind == "batchnorm":
        return torch.nn.BatchNorm1d(width, eps=spec["epsilon"], momentum=spec["momentum"]), width
    simple = {
        "flatten": torch.nn.Flatten,
        "relu": torch.nn.ReLU,
        "leaky_relu": lambda: torch.nn.LeakyReLU(spec["slope"]),
        "gelu": torch.nn.GELU,
        "tanh": torch.nn.Tanh,
        "dropout": lambda: torch.nn.Dropout(spec["rate"]),
    }
    if kind not in simple:
        raise ValueError(f"kd_torch knows no layer kind {kind!r}")
    return simple[kind](), width


def build(network):
    """nn.Sequential from what a model file holds under kd.network; every layer counts, flatten too."""
    c, h, w = network["input"]
    width, modules = c * h * w, []
    for spec in network["layers"]:
        module, width = layer(spec, width)
        modules.append(module)
    return torch.nn.Sequential(*modules)


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
    for i, module in enumerate(net):  # PyTorch counts batches, kd does not
        if isinstance(module, torch.nn.BatchNorm1d):
            state[f"{i}.num_batches_tracked"] = torch.tensor(0)
    net.load_state_dict(state, strict=True)
    return net.eval(), normalizer(json.loads(meta["kd.normalize"]), network["input"][0])
