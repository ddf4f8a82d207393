#!/usr/bin/env python3
"""Makes 200 pictures of all sizes in a folder, has kd-data resize them to six sizes by each filter, and compares with Pillow.
Ends with 1 where a byte differs by more than 2. Needs Pillow and NumPy.

usage: check_pillow.py FOLDER [COUNT]"""

import json
import pathlib
import subprocess
import sys

import numpy
from PIL import Image

folder, count = pathlib.Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200
random = numpy.random.default_rng(1)


def picture(h, w):
    """Waves, edges and noise."""
    y, x = numpy.mgrid[0:h, 0:w] / max(h, w)
    a, b, c = random.uniform(2, 60, 3)
    waves = 127 + 127 * numpy.sin(a * x + b * y)[..., None] * random.uniform(-1, 1, 3)
    edges = 255 * (numpy.floor(c * (x + random.uniform(-1, 1) * y)) % 2)[..., None]
    mix = random.uniform(0, 1, 3)
    noise = random.uniform(0, 255, (h, w, 3))
    return ((mix[0] * waves + mix[1] * edges + mix[2] * noise) / mix.sum()).clip(0, 255).astype(numpy.uint8)


pictures = []
for i in range(count):
    to = folder / "pictures" / "train" / ("a" if i < count // 2 else "b")
    to.mkdir(parents=True, exist_ok=True)
    pictures.append(Image.fromarray(picture(*random.integers(9, 420, 2))))
    pictures[-1].save(to / f"{i:04d}.png")

most = 0
for h, w in [(8, 8), (32, 32), (48, 64), (64, 40), (128, 128), (224, 224)]:
    for name, pillows in [("bilinear", Image.BILINEAR), ("lanczos", Image.LANCZOS)]:
        out = folder / "out.safetensors"
        subprocess.run(["kd-data", "convert", f"images:{folder}/pictures:train", "--size", f"{h}x{w}", "--fit", "stretch", "--filter", name,
                        "--quiet", "-o", out], check=True, stdout=subprocess.DEVNULL)
        data = out.read_bytes()
        out.unlink()
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8:8 + size])
        tensor = next(t for k, t in header.items() if k != "__metadata__" and len(t["shape"]) == 4)
        begin, end = tensor["data_offsets"]
        ours = numpy.frombuffer(data[8 + size:][begin:end], numpy.uint8).reshape(tensor["shape"]).transpose(0, 2, 3, 1)
        theirs = numpy.stack([numpy.asarray(p.resize((w, h), pillows)) for p in pictures])
        apart = numpy.abs(ours.astype(int) - theirs.astype(int))
        most = max(most, apart.max())
        print(f"{h:3d} x {w:3d} {name:8s}  largest difference {apart.max()}, differing bytes {(apart > 0).mean():.2%}")
print(f"{count} pictures: at most {most}")
sys.exit(1 if most > 2 else 0)
