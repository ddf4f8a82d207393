#!/usr/bin/env bash
# A training on more images than memory: its speed and its anonymous memory with the images mapped,
# and with the same images read into memory through a pipe. Both must give the same model.
#
# usage: test/bench/larger.sh FOLDER [GB]      BIN=bin; FOLDER has room for GB (4) gigabytes
set -eu
folder=$1 gb=${2:-4} bin=${BIN:-bin}
file=$folder/larger.safetensors
n=$((gb * 1000000000 / 3073 / 10 * 10))
pixels=$((n * 3072))
trap 'rm -rf "$folder"/larger.*' EXIT

make_file() { # noise in 10 classes
    local header i
    header='{"images":{"dtype":"U8","shape":['$n',3,32,32],"data_offsets":[0,'$pixels']},'
    header+='"labels":{"dtype":"U8","shape":['$n'],"data_offsets":['$pixels','$((pixels + n))']}}'
    for i in 0 8 16 24 32 40 48 56; do printf "\\x$(printf %02x $((${#header} >> i & 255)))"; done
    printf %s "$header"
    head -c $pixels /dev/urandom
    yes "$(printf '\1\2\3\4\5\6\7\10\11')" | tr '\n' '\0' | head -c $n
}
# train NAME ARGUMENT...: says images a second and the most anonymous memory
train() {
    local now most=0 name=$1
    shift
    "$bin/kd-train-teacher" --layers 32 --epochs 1 --train-eval 0 --seed 1 -q \
        -o "$folder/larger.$name/model.safetensors" "$@" <&0 >/dev/null &
    while now=$(awk '/RssAnon/ {print $2}' /proc/$!/status 2>/dev/null) && [ -n "$now" ]; do
        if [ "$now" -gt $most ]; then most=$now; fi
        sleep 0.1
    done
    wait $!
    printf '%-9s %8.0f images/s, RssAnon %6.0f MB, model %s\n' "$name" \
        "$(sed 's/.*"images_per_second":\([0-9.]*\).*/\1/' "$folder/larger.$name"/*log.jsonl)" \
        "$((most / 1024))" \
        "$("$bin/kd-show" "$folder/larger.$name/model.safetensors" --json | jq -r .fingerprint)"
}
make_file >"$file"
cat "$file" >/dev/null # the file cache is warm
train mapped --data "tensors:$file"
train memory --data tensors:- <"$file"
