#!/usr/bin/env bats
# Data as people have them: legal files of every form are read, nothing is left out without a word,
# and what is meant otherwise than kd would take it is refused with a remedy that works.
bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    unset KD_DATA OPENBLAS_CORETYPE
    . "$BATS_TEST_DIRNAME/small.bash"
    printf '\0\0\010\003\0\0\0\006\0\0\0\002\0\0\0\002' >images
    printf 'abcdefghijklmnopqrstuvwx' >>images
    printf '\0\0\010\001\0\0\0\006\0\0\0\001\001\001' >labels
    mkdir idx
    cp images idx/train-images-idx3-ubyte
    cp labels idx/train-labels-idx1-ubyte
    want=$(fingerprints idx:idx)
}

fingerprints() { kd-data inspect "$@" --json 2>/dev/null | jq -r '.pixels + " " + .labels'; }
# npy DESCR SHAPE [ORDER]: the header of a .npy file
npy() {
    printf '\223NUMPY\001\0\166\0'
    printf '%-117s\n' "{'descr': '$1', 'fortran_order': ${3:-False}, 'shape': ($2), }"
}
# numbers of BYTES bytes, little-endian
le() {
    local bytes=$1 n i
    shift
    for n; do
        for ((i = 0; i < bytes; i++)); do printf "\\x$(printf %02x $((n >> 8 * i & 255)))"; done
    done
}
# says WORD... -- COMMAND: succeeds, with all words on standard error
says() {
    local words=() word
    while [ "$1" != -- ]; do words+=("$1"); shift; done
    shift
    run --separate-stderr "$@"
    echo "status $status: $stderr"
    [ "$status" -eq 0 ] || return 1
    for word in "${words[@]}"; do
        [[ $stderr == *"$word"* ]] || { echo "not said: $word"; return 1; }
    done
}

# ---- legal files are read ----

@test ".gz of several members, and with zeros behind it" {
    head -c 20 images | gzip -c >idx/train-images-idx3-ubyte.gz
    tail -c +21 images | gzip -c >>idx/train-images-idx3-ubyte.gz
    head -c 512 /dev/zero >>idx/train-images-idx3-ubyte.gz
    rm idx/train-images-idx3-ubyte
    gzip -t idx/train-images-idx3-ubyte.gz 2>/dev/null || true
    [ "$(fingerprints idx:idx)" = "$want" ]
    printf 'x' >>idx/train-images-idx3-ubyte.gz
    refused 1 train-images-idx3-ubyte.gz "trailing bytes" -- kd-data inspect idx:idx
}

@test "a folder named like the IDX file beside it" {
    mkdir idx/train-images.idx3-ubyte
    [ "$(fingerprints idx:idx)" = "$want" ]
}

@test "names of EMNIST and QMNIST, and two sets in one folder" {
    mkdir e
    cp images e/emnist-letters-train-images-idx3-ubyte
    cp labels e/emnist-letters-train-labels-idx1-ubyte
    [ "$(fingerprints idx:e)" = "$want" ]
    cp images e/emnist-digits-train-images-idx3-ubyte
    cp labels e/emnist-digits-train-labels-idx1-ubyte
    refused 1 "two sets in one folder" "idx:e/emnist" -- kd-data inspect idx:e
    [ "$(fingerprints idx:e/emnist-letters)" = "$want" ]
    mkdir q
    cp images q/qmnist-train-images-idx3-ubyte
    {
        printf '\0\0\014\002\0\0\0\006\0\0\0\010'
        for l in 0 0 0 1 1 1; do printf "\\0\\0\\0\\$l"; head -c 28 /dev/zero; done
    } >q/qmnist-train-labels-idx2-int
    [ "$(fingerprints idx:q)" = "$want" ]
}

@test "IDX of other types" {
    {
        printf '\0\0\013\003\0\0\0\006\0\0\0\002\0\0\0\002'
        for ((i = 97; i < 121; i++)); do printf "\\0\\x$(printf %02x $i)"; done
    } >idx/train-images-idx3-ubyte
    [ "$(fingerprints idx:idx)" = "$want" ]
}

@test "commas in paths" {
    mkdir -p students/kd,temperature=4
    kd-data convert idx:idx --to tensors -o students/kd,temperature=4/x.safetensors -q
    [ "$(fingerprints tensors:students/kd,temperature=4/x.safetensors)" = "$want" ]
    { npy '|u1' '6, 2, 2'; tail -c 24 images; } >students/kd,temperature=4/x.npy
    { npy '|u1' '6,'; tail -c 6 labels; } >students/kd,temperature=4/y.npy
    cd students
    [ "$(fingerprints tensors:kd,temperature=4/x.npy,kd,temperature=4/y.npy)" = "$want" ]
    cd ..
    refused 1 "x.npy,no" -- kd-data inspect tensors:x.npy,no,such.npy
}

@test "labels of every whole type, booleans, whole floats, columns and one-hot rows" {
    { npy '|u1' '6, 2, 2'; tail -c 24 images; } >X.NPY
    for t in '<u2 2' '<i2 2' '<u4 4' '<i4 4' '<u8 8' '<i8 8' '|i1 1' '|b1 1'; do
        { npy "${t% *}" '6,'; le "${t#* }" 0 0 0 1 1 1; } >y.npy
        [ "$(fingerprints tensors:X.NPY,y.npy)" = "$want" ] || { echo "$t"; return 1; }
    done
    { npy '<f4' '6,'; le 4 0 0 0; for i in 1 2 3; do printf '\0\0\200\077'; done; } >y.npy
    [ "$(fingerprints tensors:X.NPY,y.npy)" = "$want" ]
    { npy '<f4' '6,'; le 4 0 0 0; for i in 1 2 3; do printf '\0\0\100\077'; done; } >y.npy
    refused 1 y.npy "0.75" "not a whole number" -- kd-data inspect tensors:X.NPY,y.npy
    { npy '>i8' '6, 1'; for l in 0 0 0 1 1 1; do head -c 7 /dev/zero; printf "\\$l"; done; } >y.npy
    [ "$(fingerprints tensors:X.NPY,y.npy)" = "$want" ]
    { npy '<i4' '6, 2'; le 4 1 0 1 0 1 0 0 1 0 1 0 1; } >y.npy
    [ "$(fingerprints tensors:X.NPY,y.npy)" = "$want" ]
    { npy '<i4' '6, 2'; le 4 1 0 1 0 1 0 1 1 0 1 0 1; } >y.npy
    refused 1 y.npy "row 3 is not one-hot" -- kd-data inspect tensors:X.NPY,y.npy
}

@test "Fortran order and other numbers of images" {
    turned= # the first index runs fastest
    for x in 0 1; do for y in 0 1; do for i in {0..5}; do
        turned+=$(printf '\\x%02x' $((97 + 4 * i + 2 * y + x)))
    done; done; done
    { npy '|u1' '6, 2, 2' True; printf "$turned"; } >x.npy
    { npy '|u1' '6,'; tail -c 6 labels; } >y.npy
    [ "$(fingerprints tensors:x.npy,y.npy)" = "$want" ]
    { npy '<i8' '6, 2, 2'; le 8 {97..120}; } >x.npy
    [ "$(fingerprints tensors:x.npy,y.npy)" = "$want" ]
    { npy '<i8' '6, 2, 2'; le 8 {97..119} 256; } >x.npy
    refused 1 x.npy 256 "astype" -- kd-data inspect tensors:x.npy,y.npy
}

@test "floats of 64 bits and of either byte order become the same F32" {
    local one='\x3f\xf0\0\0\0\0\0\0' half='\x3f\xe0\0\0\0\0\0\0' zero='\0\0\0\0\0\0\0\0' all=
    { npy '|u1' '6,'; tail -c 6 labels; } >y.npy
    for i in {1..6}; do all+=$one$half$zero$one; done
    { npy '>f8' '6, 2, 2'; printf "$all"; } >big.npy
    { npy '<f8' '6, 2, 2'; for i in {1..6}; do
        le 8 0x3ff0000000000000 0x3fe0000000000000 0 0x3ff0000000000000
    done; } >little.npy
    { npy '<f4' '6, 2, 2'; for i in {1..6}; do
        le 4 0x3f800000 0x3f000000 0 0x3f800000
    done; } >single.npy
    [ "$(fingerprints tensors:single.npy,y.npy | wc -w)" -eq 2 ]
    [ "$(fingerprints tensors:big.npy,y.npy)" = "$(fingerprints tensors:single.npy,y.npy)" ]
    [ "$(fingerprints tensors:little.npy,y.npy)" = "$(fingerprints tensors:single.npy,y.npy)" ]
}

@test "images that are not square, of up to 16 channels, of up to 1024 x 1024" {
    local n c h w
    for shape in "6 16 9 13" "6 2 3 40" "6 1 1024 1024" "6 3 1 7"; do
        read -r n c h w <<<"$shape"
        { npy '|u1' "$n, $c, $h, $w"; head -c $((n * c * h * w)) /dev/urandom; } >x.npy
        { npy '|u1' '6,'; tail -c 6 labels; } >y.npy
        kd-train-teacher --data tensors:x.npy,y.npy --layers 2 --epochs 2 --validation 0 -q \
            -o "$c.safetensors"
        kd-eval "$c.safetensors" --data tensors:x.npy,y.npy:test --json |
            jq -e '.n == 6 and .nll >= 0' # random images: a model may know them by heart
    done
}

@test "tensors of BF16, F16 and F64 are read as the numbers they are" {
    for form in 'BF16 \0\077' 'F16 \0\070' 'F64 \0\0\0\0\0\0\340\077'; do # 0.5
        type=${form%% *}
        for i in {1..24}; do printf "${form#* }"; done >data
        size=$(stat -c %s data)
        tail -c 6 labels >>data
        tensors "$type.safetensors" "$(printf \
            '{"images":{"dtype":"%s","shape":[6,1,2,2],%s},"labels":{"dtype":"U8",%s}}' $type \
            "\"data_offsets\":[0,$size]" \
            "\"shape\":[6],\"data_offsets\":[$size,$((size + 6))]")" data
        [ "$(kd-data inspect "tensors:$type.safetensors" --json | jq -c '[.min, .max]')" = \
            '[0.5,0.5]' ]
    done
}

@test "a further tensor of any type in a file is passed over with a line" {
    { tail -c 24 images; tail -c 6 labels; le 2 1 2; printf '\1'; } >data
    tensor() { printf '"%s":{"dtype":"%s","shape":[%s],"data_offsets":[%s]}' "$@"; }
    header=$(tensor images U8 6,2,2 0,24),$(tensor label U8 6 24,30)
    header+=,$(tensor w I16 2 30,34),$(tensor z BOOL 1 34,35)
    tensors t.safetensors "{$header}" data
    says 'tensor w' 'labels from label' -- kd-data inspect tensors:t.safetensors
    [ "$(fingerprints tensors:t.safetensors)" = "$want" ]
}

# ---- nothing is left out silently ----

@test "labels that are all -1 or -100 are no labels" {
    { npy '|u1' '6, 2, 2'; tail -c 24 images; } >x.npy
    { npy '<i8' '6,'
        for i in {1..6}; do printf '\234'; head -c 7 /dev/zero | tr '\0' '\377'; done; } >y.npy
    says 'all 6 labels are unknown' -- kd-data inspect tensors:x.npy,y.npy
    [[ $output == *"labels    none"* ]]
    refused 2 "has no labels" \
        -- kd-train-teacher --data tensors:x.npy,y.npy --layers 4 -o m.safetensors -q
}

@test "labels that begin with 1 are told so, and --labels-from takes them" {
    printf '\0\0\010\001\0\0\0\006\001\001\001\002\002\002' >idx/train-labels-idx1-ubyte
    says "--labels-from 1" -- kd-data inspect idx:idx
    [ "$(fingerprints idx:idx --labels-from 1)" = "$want" ]
}

# ---- input in another meaning ----

@test "arrays with the channels last" {
    { npy '|u1' '2, 5, 6, 3'; printf '%180s' '' | tr ' ' a; } >x.npy
    refused 2 x.npy "[2,5,6,3] looks like [N,H,W,C]" "--layout nhwc" \
        -- kd-data inspect tensors:x.npy
    [ "$(kd-data inspect tensors:x.npy --layout nhwc --json | jq -c .shape)" = '[3,5,6]' ]
    [ "$(kd-data inspect tensors:x.npy --layout nchw --json | jq -c .shape)" = '[5,6,3]' ]
    { npy '|u1' '2, 3, 5, 6'; printf '%180s' '' | tr ' ' a; } >x.npy
    [ "$(kd-data inspect tensors:x.npy --json | jq -c .shape)" = '[3,5,6]' ]
}

@test "--transpose turns rows into columns" {
    { npy '|u1' '1, 2, 3'; printf abcdef; } >x.npy
    { npy '|u1' '1, 3, 2'; printf adbecf; } >y.npy
    [ "$(fingerprints tensors:x.npy --transpose)" = "$(fingerprints tensors:y.npy)" ]
}

@test "rows that are probabilities, given as logits" {
    small_set
    { npy '<f4' '240, 10'; for ((i = 0; i < 240; i++)); do
        printf '\0\0\0\077\0\0\0\077'; head -c 32 /dev/zero; done; } >p.npy
    refused 1 p.npy "these are probabilities" "numpy.log" \
        -- kd-train-student --data idx:set -S p.npy --force --layers 4 -e 1 -o out -q
    { npy '<f4' '240, 10'; for ((i = 0; i < 240; i++)); do
        printf '\0\0\0\077\0\0\200\077'; head -c 32 /dev/zero; done; } >z.npy
    kd-train-student --data idx:set -S z.npy --force --layers 4 -e 1 -o out -q
}

@test "a teacher that knows nothing of its transfer set is told of, and one that does is not" {
    small_set
    kd-train-teacher --data idx:set --layers 32 --epochs 10 -o t -q
    kd-soften --model t --data idx:set -o soft -q
    run --separate-stderr kd-train-student --data idx:set -S soft --layers 8 -e 1 -o out
    [[ $stderr != *chance* ]]
    # rows of zeros name the first class alone
    { npy '<f4' '240, 12'; head -c 11520 /dev/zero; } >z.npy
    says "no more than chance" "12 outputs, idx:set has 10 classes" \
        -- kd-train-student --data idx:set -S z.npy --force --layers 4 -e 1 -o out2
    { npy '<f4' '240, 1000'; head -c 960000 /dev/zero; } >z.npy
    says "1000 outputs, idx:set has 10 classes" \
        -- kd-train-student --data idx:set -S z.npy --force --layers 4 -e 1 -o out3
    { npy '<f4' '240, 5'; head -c 4800 /dev/zero; } >z.npy
    refused 1 "classes 0 to 4 are known, but image" "has label" \
        -- kd-train-student --data idx:set -S z.npy --force --layers 4 -e 1 -o out4
}

@test "a model of bytes is not given floats of 0 to 255, but is those of 0 to 1" {
    kd-train-teacher --data idx:idx --layers 4 --epochs 1 -o t.safetensors -q
    { npy '|u1' '6,'; tail -c 6 labels; } >y.npy
    { npy '<f4' '6, 2, 2'; for ((i = 0; i < 24; i++)); do printf '\0\0\310\102'; done; } >x.npy
    refused 1 "learnt from bytes" "up to 100" "array / 255" \
        -- kd-eval t.safetensors --data tensors:x.npy,y.npy:test
    { npy '<f4' '6, 2, 2'; for ((i = 0; i < 24; i++)); do printf '\0\0\0\077'; done; } >x.npy
    kd-eval t.safetensors --data tensors:x.npy,y.npy:test
}

@test "raw features of a wide range are told of" {
    { npy '|u1' '6,'; tail -c 6 labels; } >y.npy
    { npy '<f4' '6, 4'; for ((i = 0; i < 12; i++)); do printf '\0\0\310\102\0\0\0\0'; done; } >x.npy
    says "go from 0 to 100" "standardise" \
        -- kd-train-teacher --data tensors:x.npy,y.npy --layers 4 -e 1 -o t.safetensors
    { npy '<f4' '6, 4'; for ((i = 0; i < 12; i++)); do printf '\0\0\0\077\0\0\0\0'; done; } >x.npy
    run --separate-stderr \
        kd-train-teacher --data tensors:x.npy,y.npy --layers 4 -e 1 -o u.safetensors
    [ "$status" -eq 0 ]
    [[ $stderr != *standardise* ]]
}

@test "logits from elsewhere: an experiment's source, or soft targets that know their images" {
    small_set
    { npy '<f4' '240, 10'; tail -c 240 set/train-labels-idx1-ubyte | od -An -v -tu1 -w1 |
        while read -r l; do for ((c = 0; c < 10; c++)); do
            if [ "$c" -eq "$l" ]; then printf '\0\0\240\100'; else printf '\0\0\0\0'; fi
        done; done; } >z.npy
    says "240 rows" "100.0 % of them name" -- kd-soften --logits z.npy --data idx:set -o soft
    kd-train-student --data idx:set -S soft --layers 4 -e 1 -o out -q
    refused 1 "made for other" -- kd-train-student --data idx:idx -S soft --layers 4 -e 1 -o out -q
    { npy '<f4' '240, 10'; head -c 9600 /dev/zero; } >flat.npy
    says "no more than chance" -- kd-soften --logits flat.npy --data idx:set -o flat
    { npy '<f4' '24, 10'; head -c 960 /dev/zero; } >few.npy
    refused 1 "few.npy" "24 rows" -- kd-soften --logits few.npy --data idx:set -o few
    # the same as distill.from of an experiment: bare logits, with --force
    head -c 9600 <(tail -c 9600 z.npy) >data
    tensors bare.safetensors '{"z":{"dtype":"F32","shape":[240,10],"data_offsets":[0,9600]}}' data
    printf '{"name":"x","data":{"source":"idx:set"},"students":{"kd":{"network":"mlp-4",
        "train":{"epochs":1},"distill":{"from":"bare.safetensors"}}}}' >x.json
    refused 1 bare.safetensors "--force" -- kd-train-student x.json -q
    kd-train-student x.json --force -q
}

@test "validation images are not carved anew from images that have changed" {
    small_set
    kd-train-teacher --data idx:set --validation 40 --layers 4 -e 1 -o t -q
    kd-eval t --split validation --json | jq -e '.n == 40'
    kd-data convert digits:train --fraction 0.019 --to idx -o less -q
    rm set/train-*
    cp less/train-* set
    refused 1 "it was trained on idx:set:train, 240 images" \
        "and this is idx:set:train, 230 images" "validation" -- kd-eval t --split validation
    kd-eval t --json | jq -e '.n == 100'
}

# ---- messages say what a file is ----

@test "files of other kinds are called what they are" {
    while read -r bytes words; do
        printf "$bytes" >x.npy
        refused 1 x.npy "$words" -- kd-data inspect tensors:x.npy
    done <<'EOF'
\xff\xd8\xff\xe0JFIFxxxxxxxx a JPEG picture
\x89PNG\r\n\x1a\nxxxxxxxxxxx a PNG picture
MATLAB\x205.0\x20MAT-file,xxx a MATLAB file
PAR1xxxxxxxxxxxxxxx a Parquet file
PK\x03\x04xxxxxxxxxxxxxxx an archive
a,b,c\n1,2,3\n4,5,6\n a table of text (CSV)
\x80\x04\x95xxxxxxxxxxxxxx a Python pickle
EOF
    printf '\xff\xfe{\0}\0' >e.json
    refused 1 e.json "text in UTF-16" "UTF-8" -- kd-train-teacher e.json
    printf '\xef\xbb\xbf{"data":{"source":"digits"}}' >e.json
    refused 2 e.json "teacher" -- kd-train-teacher e.json
}

@test "classes are chosen by name as by number, for training and validation alike" {
    mkdir photos
    kd-data convert digits:train --fraction 0.02 --to png -o all -q >/dev/null
    mv all/train/0 photos/cat
    mv all/train/1 photos/dog
    mv all/train/2 photos/eel
    fingerprint() { kd-show "$1/model.safetensors" --json | jq -er .fingerprint; }
    data=(--data images:photos --validation 12)
    for dog in 1 dog; do
        [ "$(kd-data inspect images:photos --omit $dog --json 2>/dev/null | jq -c .counts)" = \
            '[24,0,24]' ]
    done
    carved=(images:photos:validation --validation 12 --omit dog --json)
    [ "$(kd-data inspect "${carved[@]}" 2>/dev/null | jq -c .counts)" = '[4,0,4]' ]
    [ "$(kd-data inspect "${carved[@]}" --validation-classes all 2>/dev/null |
        jq -c .counts)" = '[4,4,4]' ]
    kd-train-teacher "${data[@]}" --layers 4 --epochs 1 --omit dog -q -o by-name >/dev/null
    kd-train-teacher "${data[@]}" --layers 4 --epochs 1 --omit 1 -q -o by-number >/dev/null
    [ "$(fingerprint by-name)" = "$(fingerprint by-number)" ]
    [ "$(meta by-name/model.safetensors kd.config | jq -c .data.omit)" = '["dog"]' ]
    [ "$(kd-eval by-name --split validation --json | jq .n)" = 8 ]
    refused 2 "data.omit: no class dgo" "did you mean dog?" "cat, dog, eel" -- \
        kd-train-teacher "${data[@]}" --layers 4 --omit dgo -q
    kd-correct by-name --classes dog -o corrected -q >/dev/null
    [ "$(meta corrected/model.safetensors kd.corrected | jq -c .classes)" = '[1]' ]
    refused 2 "correct.classes: no class cow" "cat, dog, eel" -- \
        kd-correct by-name --classes cow -o other
}

@test "a file that training is told for the test split is that split to kd-eval" {
    kd-data convert digits:test --fraction 0.02 --to tensors -o test.safetensors -q
    kd-train-teacher --data digits --fraction 0.01 --test-data tensors:test.safetensors --layers 4 \
        --epochs 1 -q -o m >/dev/null
    [ "$(kd-eval m --json | jq -r '.data + " " + (.n | tostring)')" = \
        "tensors:test.safetensors 100" ]
    refused 2 "write :test behind it" -- kd-eval m --data tensors:test.safetensors
}

@test "images of which few differ are told of" {
    { npy '|u1' '60,'; for ((i = 0; i < 60; i++)); do printf "\\x0$((i % 3))"; done; } >y.npy
    { npy '|u1' '60, 4, 4'; head -c 960 /dev/zero; } >x.npy
    says "only 1 of the 60 training images of tensors:x.npy,y.npy differ" \
        -- kd-train-teacher --data tensors:x.npy,y.npy --layers 4 -e 1 -o t.safetensors
    [ "$(kd-data inspect tensors:x.npy,y.npy --json | jq .distinct)" -eq 1 ]
    [ "$(kd-data inspect digits --fraction 0.01 --json | jq .distinct)" -eq 120 ]
    run --separate-stderr kd-train-teacher --data digits --fraction 0.01 --layers 4 -e 1 -o u
    [ "$status" -eq 0 ]
    [[ $stderr != *differ* ]]
}
