#!/usr/bin/env bats
# kd-data: the same images in every form, contact sheets, and data that must be refused.

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    unset KD_DATA OPENBLAS_CORETYPE
    # 2 x 3 images of 2x2 pixels in class order; tests spoil copies of these
    printf '\0\0\010\003\0\0\0\006\0\0\0\002\0\0\0\002' >images
    printf 'abcdefghijklmnopqrstuvwx' >>images
    printf '\0\0\010\001\0\0\0\006\0\0\0\001\001\001' >labels
    mkdir idx
    cp images idx/train-images-idx3-ubyte
    cp labels idx/train-labels-idx1-ubyte
}

fingerprints() { kd-data inspect "$@" --json | jq -r '.pixels + " " + .labels'; }

# refused STATUS WORD... -- COMMAND: fails so, one line on standard error, all words in it
refused() {
    local status_wanted=$1 words=() word
    shift
    while [ "$1" != -- ]; do words+=("$1"); shift; done
    shift
    run --separate-stderr "$@"
    echo "status $status: $stderr"
    [ "$status" -eq "$status_wanted" ]
    [ "${#stderr_lines[@]}" -eq 1 ]
    for word in "${words[@]}"; do
        [[ $stderr == *"$word"* ]] || { echo "not said: $word"; return 1; }
    done
}

bats_require_minimum_version 1.5.0

@test "inspect prints what there is, as a table and as one line of JSON" {
    run --separate-stderr kd-data inspect idx:idx
    [ "$status" -eq 0 ]
    [[ $output == *"images    6"* ]]
    [[ $output == *"range     97 to 120"* ]]
    [ "$(kd-data inspect idx:idx --json | wc -l)" -eq 1 ]
    kd-data inspect idx:idx --json |
        jq -e '.n == 6 and .shape == [1,2,2] and .classes == 2 and .counts == [3,3] and .min ==
        97 and
               .max == 120 and .dtype == "U8" and .split == "train" and (.mean[0]*255 - 108.5 |
               fabs) < 1e-9 and
               (.pixels | length) == 32 and (.labels | length) == 32'
}

@test "idx, png, tensors and npy of the same images have the same fingerprints" {
    want=$(fingerprints idx:idx)
    [ ${#want} -eq 65 ]
    kd-data convert idx:idx --to png -o png -q
    [ "$(ls png/train/1)" = $'3.png\n4.png\n5.png' ]
    [ "$(fingerprints png:png)" = "$want" ]
    kd-data convert png:png --to tensors -o t/set.safetensors -q
    [ "$(fingerprints tensors:t/set.safetensors)" = "$want" ]
    # .npy headers of 64 bytes in all: 10, a dictionary padded with spaces, a newline
    npy() { printf '\223NUMPY\001\0\166\0'; printf '%-117s\n' "$1"; }
    { npy "{'descr': '|u1', 'fortran_order': False, 'shape': (6, 2, 2), }"; tail -c 24 images; } \
        >x.npy
    { npy "{'descr': '|u1', 'fortran_order': False, 'shape': (6,), }"; tail -c 6 labels; } >y.npy
    [ "$(fingerprints tensors:x.npy,y.npy)" = "$want" ]
    kd-data convert tensors:x.npy,y.npy --to idx -o again -q
    [ "$(fingerprints idx:again)" = "$want" ]
    cmp again/train-images-idx3-ubyte images
    cmp again/train-labels-idx1-ubyte labels
    gzip idx/*
    [ "$(fingerprints idx:idx)" = "$want" ]
}

@test "one changed pixel changes the pixels' fingerprint alone" {
    want=$(fingerprints idx:idx)
    printf 'B' | dd of=idx/train-images-idx3-ubyte bs=1 seek=20 conv=notrunc status=none
    got=$(fingerprints idx:idx)
    [ "${got%% *}" != "${want%% *}" ]
    [ "${got##* }" = "${want##* }" ]
}

@test "a set in another order is told so on its way to PNG, and --by-class gives that order" {
    printf '\0\0\010\001\0\0\0\006\0\001\0\001\0\001' >idx/train-labels-idx1-ubyte
    run --separate-stderr kd-data convert idx:idx --to png -o png
    [ "$status" -eq 0 ]
    [ "$output" = png ]
    [[ ${stderr_lines[0]} == *"another order"* ]]
    [ "$(fingerprints png:png)" != "$(fingerprints idx:idx)" ]
    kd-data convert idx:idx --by-class -o sorted.safetensors -q
    [ "$(fingerprints tensors:sorted.safetensors)" = "$(fingerprints png:png)" ]
}

@test "tensors go through pipes" {
    want=$(fingerprints idx:idx)
    [ "$(kd-data convert idx:idx -o - -q | kd-data inspect tensors:- --json |
        jq -r '.pixels + " " + .labels')" = "$want" ]
}

@test "convert and sheet print the path, or JSON with it" {
    [ "$(kd-data convert idx:idx idx:idx --to idx -o out -q)" = out ]
    kd-data convert idx:idx -o a.safetensors --json -q |
        jq -e '.path == "a.safetensors" and .n == 6 and .shape == [1,2,2]'
    [ "$(kd-data sheet idx:idx -o a.png)" = a.png ]
    [ "$(kd-data sheet idx:idx -o a.png --json | jq -r .path)" = a.png ]
    LC_ALL=C grep -aq ': kd-data sheet idx:idx -o a.png --json' a.png # what made it
    kd-data sheet idx:idx -o a.png --no-provenance
    run ! grep -aq 'kd-data sheet' a.png
}

@test "equal commands write equal bytes without provenance" {
    kd-data convert digits:test --fraction 0.1 -o a.safetensors --no-provenance -q
    kd-data convert digits:test --fraction 0.1 -o b.safetensors --no-provenance -q --threads 1
    cmp a.safetensors b.safetensors
    run grep -c kd.command a.safetensors
    [ "$output" -eq 0 ]
}

@test "validation, classes and fractions" {
    count() { kd-data inspect "$@" --json | jq -c '[.taken, .n, .split]'; }
    [ "$(count digits --validation 1000)" = '[11000,12000,"train"]' ]
    [ "$(count digits:validation --validation 1000)" = '[1000,12000,"validation"]' ]
    [ "$(count digits --keep 3,5)" = '[2400,12000,"train"]' ]
    [ "$(count digits:test --omit 0 --fraction 0.1)" = '[450,5000,"test"]' ]
    kd-data inspect digits --keep 3,5 --json | jq -e '.counts == [0,0,0,1200,0,1200,0,0,0,0]'
    refused 2 validation --validation -- kd-data inspect digits:validation
    refused 2 data.keep 12 "0 to 9" -- kd-data inspect digits --keep 12
    refused 2 data.validation 12000 -- kd-data inspect digits --validation 12000
}

@test "validation images go to a folder of IDX or PNG files as train or test, by way of tensors" {
    for form in idx png; do
        for source in idx:idx:validation "idx:idx idx:idx:validation"; do
            refused 2 "idx:idx:validation: a folder of $form files holds the splits train" \
                "--to tensors" \
                "tensors:FILE:test" -- kd-data convert $source --validation 2 --to $form -o kept
            [ ! -e kept ]
        done
        kd-data convert idx:idx:validation --validation 2 -o $form.safetensors -q
        kd-data convert tensors:$form.safetensors:test --to $form -o $form-test -q
        kd-data convert tensors:$form.safetensors --to $form -o $form-train -q
        [ "$(kd-data inspect $form:$form-test:test --json | jq .n)" -eq 2 ]
        [ "$(fingerprints $form:$form-test:test)" = "$(fingerprints tensors:$form.safetensors)" ]
        [ "$(fingerprints $form:$form-train)" = "$(fingerprints tensors:$form.safetensors)" ]
    done
    cp -r png-train validation # a place of that name is none
    kd-data convert png:validation --to idx -o named -q
}

@test "options that would be without effect are refused" {
    refused 2 "--to is for convert, not for inspect" -- kd-data inspect idx:idx --to png
    refused 2 "--labels is for sheet, not for inspect" -- kd-data inspect idx:idx --labels
    refused 2 "--class is for sheet, not for inspect" -- kd-data inspect idx:idx --class 1
    refused 2 "--no-group is for sheet, not for convert" -- kd-data convert idx:idx \
        --no-group -o kept
    refused 2 "--by-class is for convert, not for sheet" -- kd-data sheet idx:idx --by-class -o kept
    refused 2 "--carve goes with --validation" -- kd-data inspect idx:idx --carve last
    refused 2 "--split-seed goes with --validation or --fraction" -- kd-data inspect idx:idx \
        --split-seed 2
    [ ! -e kept ]
    kd-data inspect idx:idx --fraction 0.5 --split-seed 2 -q
}

@test "contact sheets are PNG files of the size asked for" {
    size() { od -An -j16 -N8 -tu1 "$1" | awk '{print $3 * 256 + $4, $7 * 256 + $8}'; }
    kd-data sheet digits --count 40 --columns 8 --scale 1 -o sheet.png
    [ "$(size sheet.png)" = "242 302" ] # ten classes, a row each
    kd-data sheet digits --count 40 --columns 8 --scale 1 \
        --no-group --labels -o new/folder/sheet.png
    [ "$(size new/folder/sheet.png)" = "242 197" ]
    kd-data sheet digits --class 3 --count 8 --columns 8 --scale 2 -o - >three.png
    [ "$(size three.png)" = "466 60" ]
    kd-data sheet digits --class 3 --count 8 --columns 8 --scale 2 --seed 1 -o - >random.png
    run ! cmp -s three.png random.png
    refused 2 "no such class" -- kd-data sheet digits --class eleven -o x.png
    refused 2 "-o" -- kd-data sheet digits
    [ ! -e x.png ]
}

@test "data that is not there: the folder tried and how to get it" {
    refused 1 ./data/mnist "scripts/get_data.sh mnist" -- kd-data inspect mnist
    refused 1 elsewhere/cifar10 elsewhere/cifar-10-batches-bin -- kd-data inspect cifar10 \
        --data-dir elsewhere
    KD_DATA=other refused 1 other/mnist -- kd-data inspect mnist
}

@test "mistyped sources, splits, jobs and options get a suggestion" {
    refused 2 "did you mean 'mnist'" -- kd-data inspect mnits
    refused 2 "did you mean 'test'" -- kd-data inspect mnist:tset
    refused 2 "did you mean 'inspect'" -- kd-data inspct digits
    refused 2 "--columns" -- kd-data sheet digits --colums 3 -o x.png
}

@test "truncated .gz" {
    gzip -n idx/train-images-idx3-ubyte
    head -c 40 idx/train-images-idx3-ubyte.gz >cut
    mv cut idx/train-images-idx3-ubyte.gz
    refused 1 train-images-idx3-ubyte.gz truncated -- kd-data inspect idx:idx
}

@test "wrong magic" {
    printf 'P' | dd of=idx/train-images-idx3-ubyte bs=1 conv=notrunc status=none
    refused 1 train-images-idx3-ubyte "byte 0" 50000803 -- kd-data inspect idx:idx
}

@test "absurd sizes" {
    printf '\177\377\377\377' | dd of=idx/train-images-idx3-ubyte bs=1 seek=4 conv=notrunc \
        status=none
    refused 1 train-images-idx3-ubyte 8589934604 -- kd-data inspect idx:idx
    printf '\377\377\377\377\377\377\377\377\377\377\377\377' |
        dd of=idx/train-images-idx3-ubyte bs=1 seek=4 conv=notrunc status=none
    refused 1 train-images-idx3-ubyte overflow -- kd-data inspect idx:idx
}

@test "image and label counts that differ" {
    printf '\005' | dd of=idx/train-labels-idx1-ubyte bs=1 seek=7 conv=notrunc status=none
    truncate -s -1 idx/train-labels-idx1-ubyte
    refused 1 train-labels-idx1-ubyte "5 labels for 6 images" -- kd-data inspect idx:idx
}

@test "label out of range" {
    mkdir D
    mv idx D/mnist
    printf '\012' | dd of=D/mnist/train-labels-idx1-ubyte bs=1 seek=9 conv=notrunc status=none
    refused 1 train-labels-idx1-ubyte "label 10 of image 1" -- kd-data inspect mnist --data-dir D
}

@test "PNG of another size, broken PNG, empty folder, a file that is no PNG" {
    kd-data convert idx:idx --to png -o png -q
    cp png/train/1/4.png good
    kd-data sheet idx:idx --count 1 --columns 1 --scale 1 -o png/train/1/4.png --overwrite \
        >/dev/null
    refused 2 png/train/1/4.png 6x6 2x2 "--size 16" -- kd-data inspect png:png
    head -c 60 good >png/train/1/4.png
    refused 1 png/train/1/4.png "broken PNG" -- kd-data inspect png:png
    cp good png/train/1/4.png
    mkdir png/train/2
    run --separate-stderr kd-data inspect png:png
    [ "$status" -eq 0 ]
    [[ $stderr == *"png/train/2: no pictures in it"* ]]
    cp labels png/train/1/notes.txt
    run --separate-stderr kd-data inspect png:png
    [ "$status" -eq 0 ]
    [[ $stderr == *"passed over 1 file that is no picture"*png/train/1/notes.txt* ]]
    cp labels png/train/1/notes.png
    rmdir png/train/2
    refused 1 png/train/1/notes.png -- kd-data inspect png:png
    mkdir empty
    refused 1 empty "no images" -- kd-data inspect png:empty
}

@test "tensors: truncated, no images, NaN" {
    kd-data convert idx:idx -o t.safetensors -q
    size=$(wc -c <t.safetensors)
    head -c $((size - 1)) t.safetensors >cut.safetensors
    refused 1 cut.safetensors -- kd-data inspect tensors:cut.safetensors
    refused 1 -- bash -c "head -c $((size - 1)) t.safetensors | kd-data inspect tensors:-"
    printf '\223NUMPY\001\0\166\0%-117s\n' \
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1), }" >nan.npy
    printf '\0\0\300\177' >>nan.npy
    refused 1 nan.npy "pixel 0 of image 0" finite -- kd-data inspect tensors:nan.npy
}

@test "a failure leaves earlier results as they were" {
    kd-data convert idx:idx -o t.safetensors -q
    before=$(cksum t.safetensors)
    cp labels idx/train-images-idx3-ubyte
    refused 1 train-images-idx3-ubyte -- kd-data convert idx:idx -o t.safetensors
    [ "$(cksum t.safetensors)" = "$before" ]
    cp images idx/train-images-idx3-ubyte
    kd-data convert idx:idx --to png -o png -q
    refused 2 "is there already" -- kd-data convert idx:idx --to png -o png
    [ "$(ls -A png)" = train ]
    if [ -e /dev/full ]; then
        refused 1 /dev/full -- kd-data convert idx:idx -q -o /dev/full
        refused 1 /dev/full -- kd-data sheet idx:idx -o /dev/full
        refused 1 "standard output" -- bash -c 'kd-data inspect idx:idx >/dev/full'
    fi
    touch file
    refused 1 "file: is a file" -- kd-data convert idx:idx --to png -o file/png
}

@test "every call failing in turn: an error of one line and nothing left, or the right result" {
    fail=$(cd "$BATS_TEST_DIRNAME/../.." && cd "${UNIT_DIR:-none}" && cd ../torture &&
        pwd)/fail.so || skip "no fail.so"
    [ -e "$fail" ] || skip "no fail.so"
    kd-data convert idx:idx --to png -o png -q
    want=$(fingerprints idx:idx)
    for kind in alloc open read write fsync rename close; do
        harmed=0
        for n in $(seq 1000); do
            [ $kind = alloc ] && n=$((7 * n)) # there are hundreds
            rm -rf out log
            status=0
            env KD_FAIL_LOG=log KD_FAIL=$kind:$n LD_PRELOAD="$fail" \
                kd-data convert png:png --to tensors -o out/t.safetensors -q 2>message >path ||
                status=$?
            grep -qx 'fired 0' log && break
            [ $status -le 1 ] || { echo "$kind:$n exit $status"; false; }
            if [ $status -eq 1 ]; then
                harmed=$((harmed + 1))
                [ "$(wc -l <message)" -eq 1 ]
                [ ! -e out ] || [ -z "$(ls -A out | grep -v '^t.safetensors$')" ]
            else
                [ "$(fingerprints tensors:out/t.safetensors)" = "$want" ]
            fi
        done
        # what could not be read once is read again
        [ $harmed -gt 0 ] || [ $kind = read ] || { echo "$kind: no failure did any harm"; false; }
    done
}

@test "get_data.sh: fetches, checks, leaves right files alone, changes nothing for wrong data" {
    script=$BATS_TEST_DIRNAME/../../scripts/get_data.sh
    command -v curl || skip "needs curl for file: addresses"
    export KD_MIRROR=file://$PWD/mirror
    mkdir -p mirror/mnist mirror/cifar10
    # a mirror with made-up files, and the script with their sums
    cp "$script" made.sh
    for f in train-images-idx3-ubyte.gz train-labels-idx1-ubyte.gz t10k-images-idx3-ubyte.gz \
        t10k-labels-idx1-ubyte.gz; do
        echo "$f" >mirror/mnist/$f
        sum=$(sha256sum mirror/mnist/$f | cut -c 1-64)
        sed "/^mnist()/,/^}/s/^[0-9a-f]* $f/$sum $f/" made.sh >next.sh && mv next.sh made.sh
    done
    refused 2 usage -- sh made.sh nonesuch D
    run --separate-stderr sh made.sh mnist D
    [ "$status" -eq 0 ]
    [ "$output" = D/mnist ]
    cmp mirror/mnist/t10k-images-idx3-ubyte.gz D/mnist/t10k-images-idx3-ubyte.gz
    # all right: nothing is fetched
    run --separate-stderr env KD_MIRROR=file:///nowhere sh made.sh mnist D
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    echo old >D/mnist/train-labels-idx1-ubyte.gz
    echo wrong >mirror/mnist/train-labels-idx1-ubyte.gz
    run sh made.sh mnist D
    [ "$status" -eq 1 ]
    [[ $output == *"sha256 sum is"* ]]
    [ "$(cat D/mnist/train-labels-idx1-ubyte.gz)" = old ]
    [ "$(ls -A D/mnist | wc -l)" -eq 4 ]

    mkdir cifar-10-batches-bin
    for b in data_batch_1 data_batch_2 data_batch_3 data_batch_4 data_batch_5 test_batch; do
        { printf '\003'; head -c 3072 /dev/zero; } >cifar-10-batches-bin/$b.bin
    done
    tar czf mirror/cifar10/cifar-10-binary.tar.gz cifar-10-batches-bin
    run sh made.sh cifar10 D
    [ "$status" -eq 1 ]
    [[ $output == *"md5 sum is"* ]]
    [ -z "$(ls -A D/cifar10)" ]
    sed "s/c32a1d4ab5d03f1284b67883e8d87530/$(md5sum <mirror/cifar10/cifar-10-binary.tar.gz |
        cut -c 1-32)/" made.sh >next.sh
    sh next.sh cifar10 D
    [ "$(kd-data inspect cifar10 --data-dir D --json | jq -c .counts)" = "[0,0,0,5,0,0,0,0,0,0]" ]
    run --separate-stderr env KD_MIRROR=file:///nowhere sh next.sh cifar10 D
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    rm D/cifar10/data_batch_3.bin
    sh next.sh cifar10 D
    [ -e D/cifar10/data_batch_3.bin ]
}
