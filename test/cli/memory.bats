#!/usr/bin/env bats
# Input that is larger than memory, or says it is: refused with what it would need, before it is
# tried.
bats_require_minimum_version 1.5.0
load small

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    small_set
}
setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_TEST_TMPDIR"
    cp -r "$BATS_FILE_TMPDIR/set" .
    mkdir kept
    export OPENBLAS_NUM_THREADS=1 # its threads take address space, one buffer each
}
little_memory() {
    if kd --version | grep -q fsanitize; then
        skip "the shadow memory of sanitizers is larger than the limit"
    fi
    ulimit -v 800000
}
train() {
    kd-train-teacher --epochs 1 --threads 1 --quiet --layers 4 -o kept/model.safetensors "$@"
}
# u32 N: four bytes, big-endian
u32() {
    printf "\\x$(printf %02x $(($1 >> 24 & 255)))\\x$(printf %02x $(($1 >> 16 & 255)))\\x$(printf \
        %02x $(($1 >> 8 & 255)))\\x$(printf %02x $(($1 & 255)))"
}
# idx DIR N: N images of 28x28 and their labels, all zero, as files with holes
idx() {
    mkdir "$1"
    { printf '\0\0\010\003'; u32 "$2"; u32 28; u32 28; } >"$1/train-images-idx3-ubyte"
    truncate -s $((16 + $2 * 784)) "$1/train-images-idx3-ubyte"
    { printf '\0\0\010\001'; u32 "$2"; } >"$1/train-labels-idx1-ubyte"
    truncate -s $((8 + $2)) "$1/train-labels-idx1-ubyte"
}

@test "a data set larger than memory allows: IDX, CIFAR, PNG, tensors" {
    idx large 1300000
    mkdir cifar10
    for b in 1 2 3 4 5; do truncate -s $((70000 * 3073)) cifar10/data_batch_$b.bin; done
    kd-data sheet idx:set --count 100 --scale 16 --no-group -o sheet.png --quiet >/dev/null
    read -r w h < <(od -An -tu1 -j16 -N8 sheet.png | awk '{print $3 * 256 + $4, $7 * 256 + $8}')
    for ((n = 0; n * w * h < 1000000000; n++)); do
        mkdir -p png/$((n % 2)) && ln sheet.png png/$((n % 2))/$n.png
    done
    tensors large.safetensors \
        '{"images":{"dtype":"U8","shape":[1000000,1,32,32],"data_offsets":[0,1024000000]}}' \
        /dev/null
    truncate -s $(($(wc -c <large.safetensors) + 1024000000)) large.safetensors
    { printf '\223NUMPY\1\0\166\0'; printf '%-117s\n' \
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1000000, 1, 32, 32), }"; } >large.npy
    truncate -s $((128 + 1024000000)) large.npy
    little_memory
    refused 1 "not enough memory for large/train-images-idx3-ubyte: 1019200" " bytes needed" -- \
        train --data idx:large
    refused 1 "cifar10: not enough memory for images: 1075200000 bytes needed" -- \
        train --data cifar10 --data-dir .
    refused 1 "png: not enough memory for images: " " bytes needed" -- train --data png:png
    [[ $stderr == *": $(((n * w * h + 63) / 64 * 64)) bytes needed"* ]]
    refused 1 "not enough memory for large.safetensors: 1024000" " bytes needed" -- \
        train --data tensors:large.safetensors
    refused 1 "not enough memory for large.npy: 1024000" " bytes needed" -- \
        train --data tensors:large.npy
    refused 1 "not enough memory for large/train-images-idx3-ubyte: 1019200" " bytes needed" -- \
        kd-data inspect idx:large --threads 1
}

@test "a network larger than memory allows: its parameters, its optimizer, its activations" {
    little_memory
    refused 1 "not enough memory for the network's parameters: 9540000064 bytes needed" -- \
        train --data idx:set --layers 3000000
    refused 1 "not enough memory for optimizer state: 572400128 bytes needed" -- \
        train --data idx:set --layers 90000
    refused 1 "not enough memory for activations and gradients; try a smaller --batch: " \
        " bytes needed" -- \
        train --data digits --batch 10000 --layers 12000
    train --data idx:set
}

@test "BLAS without room for its buffers" {
    if kd --version | grep -q fsanitize; then
        skip "the shadow memory of sanitizers is larger than the limit"
    fi
    unset OPENBLAS_NUM_THREADS
    for limit in 100000 200000; do # the second is enough for one buffer
        (ulimit -v $limit && refused 1 "not enough address space: BLAS needs" -- \
            timeout 60 kd-train-teacher --data idx:set --threads 1)
    done
}

@test "bombs: what unpacks to more than the limit is refused, and an option raises the limit" {
    idx large 100000
    gzip -1 large/train-images-idx3-ubyte
    [ "$(wc -c <large/train-images-idx3-ubyte.gz)" -lt 1000000 ]
    refused 1 "large/train-images-idx3-ubyte.gz: the header promises 78400000 bytes" \
        ", the limit is 67108864; --read-limit raises" -- \
        kd-data inspect idx:large --read-limit 0.0625
    kd-data inspect idx:large --read-limit 0.08
    mkdir -p png/a png/b
    kd-data sheet idx:set --count 100 --scale 16 --no-group -o png/a/1.png --quiet >/dev/null
    cp png/a/1.png png/b/1.png
    refused 1 "png: 2 images of " \
        "need more than the limit of 1048576 bytes; --read-limit raises this limit" -- \
        kd-data inspect png:png --read-limit 0.0009765625
    refused 1 "png/a/1.png: " \
        "pixels need more than the limit of 1048576 bytes; --read-limit raises this limit" -- \
        kd-data inspect png:png --size 28 --read-limit 0.0009765625
    # behind a small one its size alone is looked at
    kd-data convert idx:set:train --to png -o one --quiet >/dev/null
    cp "$(find one -name '*.png' | head -n 1)" png/a/1.png
    refused 2 "png/b/1.png: " "but png/a/1.png is 28x28" -- kd-data inspect png:png \
        --read-limit 0.0009765625
    printf '\0\0\010\003\177\377\377\377\177\377\377\377\177\377\377\377' \
        >set/train-images-idx3-ubyte
    refused 1 "set/train-images-idx3-ubyte" -- kd-data inspect idx:set
    refused 1 "set/train-images-idx3-ubyte" \
        "larger than the 10 bytes that are accepted here; --read-limit raises" -- \
        kd-data inspect idx:set --read-limit 1e-8
}

# noise DIR N: N 3x32x32 images of noise in 10 classes, N a multiple of 10: set.safetensors, and the
# same as set.npy and labels.npy
noise() {
    local pixels=$(($2 * 3072)) all=$(($2 * 3073)) shape="[$2,3,32,32]"
    npy() {
        printf '\223NUMPY\1\0\166\0%-117s\n' "{'descr': '|u1', 'fortran_order': False, $1, }"
    }
    mkdir "$1"
    head -c $pixels /dev/urandom >"$1/pixels"
    printf '\0\1\2\3\4\5\6\7\10\11%.0s' $(seq $(($2 / 10))) >"$1/classes"
    cat "$1/pixels" "$1/classes" >"$1/both"
    local images='"images":{"dtype":"U8","shape":'"$shape"',"data_offsets":[0,'"$pixels"']}'
    local labels='"labels":{"dtype":"U8","shape":['"$2"'],"data_offsets":['"$pixels,$all"']}'
    tensors "$1/set.safetensors" "{$images,$labels}" "$1/both"
    { npy "'shape': ($2, 3, 32, 32)"; cat "$1/pixels"; } >"$1/set.npy"
    { npy "'shape': ($2,)"; cat "$1/classes"; } >"$1/labels.npy"
    rm "$1/both" "$1/pixels"
}
# anonymous COMMAND...: runs it; $most is the most anonymous memory that it had, in kB
anonymous() {
    local now
    "$@" <&0 3>&- &
    most=0
    while now=$(awk '/RssAnon/ {print $2}' /proc/$!/status 2>/dev/null) && [ -n "$now" ]; do
        if [ "$now" -gt "$most" ]; then most=$now; fi
        sleep 0.02
    done
    wait $!
}
fingerprint() { kd-show "$1" --json | jq -r .fingerprint; }

@test "images of a large file stay in it: the memory of a training is that of its network" {
    [ -e /proc/self/status ] || skip "no /proc"
    if kd --version | grep -q fsanitize; then skip "sanitizers have memory of their own"; fi
    noise noise 65000
    local large=(--quiet --layers 8 --epochs 1 --threads 2)
    anonymous kd-train-teacher --data tensors:noise/set.safetensors "${large[@]}" -o a.safetensors
    echo "safetensors: $most kB"
    [ "$most" -lt 64000 ]
    anonymous kd-train-teacher --data tensors:noise/set.npy,noise/labels.npy "${large[@]}" \
        -o b.safetensors
    echo "npy: $most kB"
    [ "$most" -lt 64000 ]
    # a pipe is read into memory, and the bits are the same
    anonymous kd-train-teacher --data tensors:- "${large[@]}" -o c.safetensors \
        <noise/set.safetensors
    echo "a pipe: $most kB"
    [ "$most" -gt 190000 ]
    [ "$(fingerprint a.safetensors)" = "$(fingerprint c.safetensors)" ]
    [ "$(fingerprint b.safetensors)" = "$(fingerprint c.safetensors)" ]
}

@test "a limit that is given holds for files that stay where they are too" {
    noise noise 3000
    refused 1 "noise/set.safetensors: larger than the 1048576 bytes that are accepted here" -- \
        train --data tensors:noise/set.safetensors --read-limit 0.0009765625
    train --data tensors:noise/set.safetensors
}

@test "a file of images that changes during a training: one line, and nothing half written" {
    noise noise 8000
    for change in "truncate -s 100000" touch; do
        mkdir out
        : >said
        cp noise/set.safetensors changing.safetensors
        kd-train-teacher --data tensors:changing.safetensors --layers 128 --epochs 200 \
            --threads 1 -o out/m.safetensors 2>said 3>&- &
        wait_for grep -q "epoch 1/" said
        $change changing.safetensors
        status=0
        wait $! || status=$?
        tail -n 2 said
        [ "$status" -eq 1 ]
        case $change in
            touch) what="has been changed while it was in use; begin again" ;;
            *) what="has become shorter while it was in use, or cannot be read any more; put" ;;
        esac
        [[ $(tail -n 1 said) == "kd-train-teacher: changing.safetensors: $what"* ]]
        ls -A out
        [ -z "$(find out -name '.*' -type f)" ]
        rm -r out
    done
}
