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
size = int(sys.argv[2])
def one(path):
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    return ImageOps.fit(image, (size, size), Image.BILINEAR).tobytes()
if __name__ == "__main__":
    paths = [p for p in pathlib.Path(sys.argv[1]).rglob("*") if p.suffix in (".jpg", ".png")]
    with multiprocessing.Pool(int(sys.argv[3])) as pool:
        print(len(pool.map(one, paths, chunksize=16)))
PYTHON
}
n=$(find "$folder" -name '*.jpg' -o -name '*.png' | wc -l)
show() {
    awk -v what="$1" -v s="$2" -v n="$n" \
        'BEGIN {printf "%-28s %7.2f s %8.0f a second\n", what, s, n / s}'
}
kd() { "$bin/kd-data" inspect "images:$folder:train" --size "$size" --threads "$processes"; }
show "kd, $processes threads" "$(KD_CACHE=no seconds kd)"
if "$python" -c 'import PIL' 2>/dev/null; then
    show "Pillow, $processes processes" "$(seconds pillow)"
fi
KD_CACHE=$cache kd >/dev/null 2>&1
show "kd, from the cache" "$(KD_CACHE=$cache seconds kd)"
