#!/bin/sh
# Downloads a data set from its publishers into FOLDER/NAME and checks it. Files that are there and
# right are left alone; a file that is not complete and right never appears under its name.
# usage: scripts/get_data.sh mnist|fashion|cifar10|cifar100 [FOLDER]
# FOLDER is $KD_DATA where nothing else is said, else ./data.
#
# KD_MIRROR=ADDRESS fetches ADDRESS/NAME/FILE instead of the publishers' files (https:, http: or
# file:); the sums are the same. Needs curl or wget.
set -eu

usage() {
    sed -n '/^# usage/s/^# //p' "$0" >&2
    exit 2
}
die() {
    echo "get_data.sh: $*" >&2
    exit 1
}

# sum md5|sha256 FILE
sum() {
    if command -v "${1}sum" >/dev/null; then
        "${1}sum" "$2" | cut -c 1-64 | cut -d ' ' -f 1
    elif [ "$1" = sha256 ]; then
        shasum -a 256 "$2" | cut -d ' ' -f 1
    else
        md5 -q "$2"
    fi
}
# right KIND SUM FILE
right() { [ -f "$3" ] && [ "$(sum "$1" "$3")" = "$2" ]; }

# download ADDRESS FILE
download() {
    if command -v curl >/dev/null; then
        if [ -t 2 ]; then bar=--progress-bar; else bar=--silent; fi
        curl --fail --location --show-error $bar --retry 2 --connect-timeout 20 --output "$2" "$1"
    elif command -v wget >/dev/null; then
        wget --quiet --tries 3 --connect-timeout 20 --output-document "$2" "$1"
    else
        die "neither curl nor wget is here: install one of them"
    fi
}

# fetch KIND SUM FILE ADDRESS...: the first address that gives the right file
fetch() {
    kind=$1 wanted=$2 file=$3
    shift 3
    if right "$kind" "$wanted" "$file"; then return 0; fi
    if [ -n "${KD_MIRROR:-}" ]; then set -- "$KD_MIRROR/$name"; fi
    for address; do
        echo "get_data.sh: fetching $address/${file##*/}" >&2
        if ! download "$address/${file##*/}" "$part"; then
            why="it could not be downloaded"
        elif ! right "$kind" "$wanted" "$part"; then
            why="its $kind sum is $(sum "$kind" "$part"), expected $wanted"
        else
            mv -f "$part" "$file"
            return 0
        fi
        echo "get_data.sh: ${file##*/}: $why" >&2
    done
    die "${file##*/} could not be had; nothing under its name was changed"
}

mnist() {
    while read -r wanted file; do
        fetch sha256 "$wanted" "$place/$file" https://ossci-datasets.s3.amazonaws.com/mnist \
            https://storage.googleapis.com/cvdf-datasets/mnist
    done <<'SUMS'
440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609 train-images-idx3-ubyte.gz
3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c train-labels-idx1-ubyte.gz
8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6 t10k-images-idx3-ubyte.gz
f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6 t10k-labels-idx1-ubyte.gz
SUMS
}

fashion() {
    while read -r wanted file; do
        fetch sha256 "$wanted" "$place/$file" \
            http://fashion-mnist.s3-website.eu-central-1.amazonaws.com
    done <<'SUMS'
3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84 train-images-idx3-ubyte.gz
a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845 train-labels-idx1-ubyte.gz
346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073 t10k-images-idx3-ubyte.gz
67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5 t10k-labels-idx1-ubyte.gz
SUMS
}

# cifar ARCHIVE MD5 FILE...: unpacks the binary version. The publishers give a sum for the archive
# alone, so the files unpacked from it are known again by their own sums, written beside them.
cifar() {
    archive=$1 wanted=$2
    shift 2
    if [ -f "$place/md5" ]; then
        good=true
        while read -r have file; do
            right md5 "$have" "$place/$file" || good=false
        done <"$place/md5"
        if $good; then return 0; fi
    fi
    fetch md5 "$wanted" "$place/$archive" https://www.cs.toronto.edu/~kriz
    (cd "$unpacked" && tar -xzf -) <"$place/$archive" || die "$place/$archive: cannot be unpacked"
    : >"$unpacked/md5"
    for file; do
        one=$(find "$unpacked" -name "$file" -type f)
        [ -n "$one" ] || die "$archive: $file is not in it"
        echo "$(sum md5 "$one") $file" >>"$unpacked/md5"
        mv -f "$one" "$place/$file"
    done
    mv -f "$unpacked/md5" "$place/md5"
    rm -f "$place/$archive"
}

[ $# -ge 1 ] && [ $# -le 2 ] || usage
name=$1
place=${2:-${KD_DATA:-./data}}/$name
case $name in mnist | fashion | cifar10 | cifar100) ;; *) usage ;; esac
mkdir -p "$place"
part=$place/.part.$$
unpacked=$place/.unpacked.$$
trap 'rm -rf "$part" "$unpacked"; rmdir "$place" 2>/dev/null || true' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 131' QUIT
trap 'exit 143' TERM
case $name in
mnist) mnist ;;
fashion) fashion ;;
cifar10)
    mkdir "$unpacked"
    cifar cifar-10-binary.tar.gz c32a1d4ab5d03f1284b67883e8d87530 data_batch_1.bin \
        data_batch_2.bin \
        data_batch_3.bin data_batch_4.bin data_batch_5.bin test_batch.bin
    ;;
cifar100)
    mkdir "$unpacked"
    cifar cifar-100-binary.tar.gz 03b5dce01913d631647c71ecec9e9cb8 train.bin test.bin
    ;;
esac
echo "$place"
