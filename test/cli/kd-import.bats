#!/usr/bin/env bats
# kd-import: parameters of another framework.

load small

setup() { cd "$BATS_TEST_TMPDIR"; }

# Names of tensors changed by a sed script; the names' checksums are left out.
renamed() {
    python3 - "$@" <<'PY'
import json, re, struct, sys
source, out, old, new = sys.argv[1:5]
data = open(source, "rb").read()
n = struct.unpack("<Q", data[:8])[0]
header = json.loads(data[8:8 + n])
header.pop("__metadata__")
text = json.dumps({re.sub(old, new, k): v for k, v in header.items()}).encode()
text += b" " * (-len(text) % 8)
open(out, "wb").write(struct.pack("<Q", len(text)) + text + data[8 + n:])
PY
}

@test "a state_dict with wrapped names gives the model with the same fingerprint" {
    command -v python3 >/dev/null || skip "python3 is missing"
    kd-train-teacher --data digits --fraction 0.02 --layers 8 --epochs 1 --normalize none \
        --seed 1 -q -o m.safetensors >/dev/null
    network=$(kd-show m.safetensors --json | jq -r .fingerprint)
    shape=1x28x28
    echo '["flatten", {"kind": "dense", "units": 8}, "relu", {"kind": "dense"}]' >net.json
    renamed m.safetensors w.safetensors '^' 'module.'
    kd-import w.safetensors -n net.json --shape "$shape" -o got.safetensors >/dev/null
    [ "$(kd-show got.safetensors --json | jq -r .fingerprint)" = "$network" ]
    renamed m.safetensors bad.safetensors '^1[.]bias' 'other.bias'
    mkdir kept
    refused 1 "bad.safetensors" "1 missing (1.bias)" "1 surplus (other.bias)" -- \
        kd-import bad.safetensors -n net.json --shape "$shape" -o kept/m.safetensors
    refused 2 "--shape" "3x32x32" -- \
        kd-import w.safetensors -n net.json --shape 3x -o kept/m.safetensors
    refused 2 "--network" -- kd-import w.safetensors -o kept/m.safetensors
}
