#!/usr/bin/env bats
# A teacher elsewhere: kd-data views writes the pixels that a student will see, and kd-soften
# --logits takes the answers back.
bats_require_minimum_version 1.5.0
load small.bash

setup_file() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_FILE_TMPDIR"
    small_set
    kd-train-teacher --data idx:set --layers 16 -e 2 -q -o t >/dev/null
    HOW=(--shift 3 --flip random --views-seed 7)
    kd-data views idx:set --views 3 "${HOW[@]}" --to npy -q -o views.npy >/dev/null
    kd-soften -m t -d idx:set --views 3 "${HOW[@]}" -q -o own >/dev/null
}
setup() {
    cd "$BATS_FILE_TMPDIR"
    HOW=(--shift 3 --flip random --views-seed 7)
}

# npy TYPE SHAPE: header of a .npy file whose data follow
npy() {
    local head
    head="{'descr': '$1', 'fortran_order': False, 'shape': ($2), }"
    printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "$head"
}
# behind FILE: the data of a .npy file
behind() { tail -c +$((11 + $(od -An -tu2 -j8 -N2 "$1"))) "$1"; }
# logits FILE: the data of `logits` in a soft-target file, which holds nothing else
logits() { tail -c +$((9 + $(od -An -N8 -tu8 "$1"))) "$1"; }

@test "the circle: views go out as pixels, a teacher answers, and the logits are those of kd" {
    [ "$(behind views.npy | wc -c)" -eq $((3 * 240 * 784)) ]
    for v in 0 1 2; do # the teacher elsewhere sees images, and knows nothing of views
        { npy '|u1' '240, 1, 28, 28'; behind views.npy | tail -c +$((v * 240 * 784 + 1)) |
            head -c $((240 * 784)); } >x.npy
        { npy '|u1' '240,'; tail -c 240 set/train-labels-idx1-ubyte; } >y.npy
        kd-soften -m t -d tensors:x.npy,y.npy -q --overwrite -o answer >/dev/null
        logits answer >"answer$v"
    done
    { npy '<f4' '3, 240, 10'; cat answer0 answer1 answer2; } >logits.npy
    run --separate-stderr kd-soften -L logits.npy -d idx:set --views 3 "${HOW[@]}" -o back
    [ "$status" -eq 0 ]
    [[ "$stderr" == "kd-soften: 3 views of 240 rows for idx:set:train; "*" name their "* ]]
    cmp <(logits back) <(logits own)
    [ "$(meta back kd.views)" = "$(meta own kd.views)" ]
    student() {
        kd-train-student --data idx:set -S "$1" --shift 3 --flip random --layers 4 -e 2 -q \
            --no-provenance -o "$2" >/dev/null
    }
    student back s1
    student own s2
    [ "$(kd-eval s1 --json | jq .fingerprint)" = "$(kd-eval s2 --json | jq .fingerprint)" ]
}

@test "views that differ from what is said are refused" {
    { npy '<f4' '3, 240, 10'; head -c 28800 /dev/zero; } >l.npy
    refused 1 l.npy "of 3 views, --views says 4" -- \
        kd-soften -L l.npy -d idx:set --views 4 --shift 1 -o kept/b
    refused 1 l.npy "holds 3 views but does not say" -- kd-soften -L l.npy -d idx:set -o kept/b
    refused 2 "say how, as kd-data views was told" -- kd-soften -L l.npy -d idx:set --views 3 -o b
    refused 1 "augmented otherwise" "shift 3, flip random" "shift 2" -- \
        kd-train-student -d idx:set -S own --shift 2 --layers 4 -o kept/s
}

@test "what is cut out is the mean of a channel, and then pixels are floats from 0 to 1" {
    kd-data views idx:set --views 1 --cutout 8 -q -o cut.npy >/dev/null
    head -c 128 cut.npy | grep -aq "'<f4'"
    mean=$(kd-data inspect idx:set | awk '$1 == "mean" { print $2 }')
    behind cut.npy | od -An -v -tf4 -w4 | awk -v mean="$mean" '
        { if ($1 < 0 || $1 > 1) bad = 1 } ($1 - mean) ^ 2 < 1e-8 { n++ }
        END { exit bad || n < 240 * 16 }'
}

@test "turned, larger or smaller, brighter or darker: bytes stay bytes, and views are replayed" {
    turns=(--rotate 20 --zoom 0.2 --fill reflect --brightness 0.3 --shift 1)
    kd-data views idx:set --views 2 "${turns[@]}" -q -o turned.npy >/dev/null
    head -c 128 turned.npy | grep -aq "'|u1'"
    [ "$(behind turned.npy | sum)" != "$(behind views.npy | head -c $((2 * 240 * 784)) | sum)" ]
    kd-soften -m t -d idx:set --views 2 "${turns[@]}" -q -o turned >/dev/null
    student() { # threads, out
        kd-train-student -d idx:set -S turned "${turns[@]}" --layers 4 -e 2 -q --no-provenance \
            --threads "$1" -o "$2" >/dev/null
    }
    student 1 one
    student 3 three
    cmp one/model.safetensors three/model.safetensors
    refused 1 "shift 1, fill reflect, rotate 20, scale 0.2, brightness 0.3" "rotate 20.5" -- \
        kd-train-student -d idx:set -S turned "${turns[@]}" --rotate 20.5 --layers 4 -o kept/s
    refused 2 "--zoom" "0.9" -- kd-train-student -d idx:set -S turned --zoom 1 -o kept/s
}

@test "what cannot be: no augmentation, another form, a part of a split, two sources" {
    refused 2 "--shift 2" -- kd-data views idx:set -o kept/v.npy
    refused 2 "--to npy alone" -- kd-data views idx:set --shift 1 --to png -o kept/v.npy
    refused 2 "whole split" -- kd-data views idx:set --shift 1 --fraction 0.5 -o kept/v.npy
    refused 2 "one set at a time" -- kd-data views idx:set idx:set:test --shift 1 -o kept/v.npy
    refused 2 "--to npy is for views" -- kd-data convert idx:set --to npy -o kept/v.npy
    refused 2 "is for views, not for convert" -- kd-data convert idx:set --shift 1 -o kept/v.npy
    refused 1 "its pixels are others" "--overwrite" -- kd-data views idx:set --shift 1 -o views.npy
}
