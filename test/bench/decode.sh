#!/usr/bin/env bash
# How fast kd decodes and resizes a folder of photos, beside Pillow with as many processes; and how
# fast a second start is, from the cache. Needs Pillow for the comparison alone.
#
# usage: test/bench/decode.sh FOLDER [SIZE]      BIN=bin PYTHON=python3 PROCESSES=2
set -eu
folder=$1 size=${2:-32} bin=${BIN:-bin} python=${PYTHON:-python3} processes=${PROCESSES:-2}
cache=$(mktemp -d)
trap 'rm -rf "$cache"' EXIT

seconds() { # of the best of three
    local best= t i
    for i in 1 2 3; do
        t=$({ TIMEFORMAT=%R; time "$@" >/dev/null 2>&1; } 2>&1)
        if [ -z "$best" ] || [ "$(printf '%s\n' "$t" "$best" | sort -g | head -1)" = "$t" ]; then
            best=$t
        fi
    done
    echo "$best"
}
pillow() {
    "$python" - "$folder" "$size" "$processes" <<'PYTHON'
import sys, pathlib, multiprocessing
from PIL import Image, ImageOps
folder, size = pathlib.Path(sys.argv[1]), int(sys.argv[2])
def one(path):
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    return ImageOps.fit(image, (size, size), Image.BILINEAR).tobytes()
if __name__ == "__main__":
    train = folder / "train" if (folder / "train").is_dir() else folder
    paths = [p for p in train.rglob("*") if p.suffix.lower() in (".jpg", ".jpeg", ".png")]
    with multiprocessing.Pool(int(sys.argv[3])) as pool:
        print(len(pool.map(one, paths, chunksize=16)))
PYTHON
}
show() { # WHAT PICTURES SECONDS
    awk -v what="$1" -v n="$2" -v s="$3" \
        'BEGIN {printf "%-28s %7d pictures %7.2f s %8.0f a second\n", what, n, s, n / s}'
}
kd() { "$bin/kd-data" inspect "images:$folder:train" --size "$size" --threads "$processes"; }
n=$(KD_CACHE=no kd 2>/dev/null | awk '$1 == "images" {print $2; exit}')
show "kd, $processes threads" "$n" "$(KD_CACHE=no seconds kd)"
if "$python" -c 'import PIL' 2>/dev/null; then
    show "Pillow, $processes processes" "$(pillow)" "$(seconds pillow)"
fi
KD_CACHE=$cache kd >/dev/null 2>&1
show "kd, from the cache" "$n" "$(KD_CACHE=$cache seconds kd)"
