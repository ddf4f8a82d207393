#!/bin/sh
# What 8-bit integers cost: students are trained in floats, turned into integers without a training
# (kd-quantize), with one scale a layer for comparison, and with a short training as if in integers
# that has the float student as its teacher (--quantize int8). Ends with a table of differences of
# top-1 in points, on the test images, paired by seed. What is there is passed over.
#
# usage: scripts/integers.sh [--quick] [--table] [NETWORK]...
#   --quick    a part of the images and few epochs: under a minute of one core a training
#   --table    no training: the table of what is there
#   NETWORK    mlp-800-800, cnn-64570 (MNIST), resnet8_tiny, mobilenet_v2-0.5 (CIFAR-10); default:
#              all of them
#   RUNS, KD_DATA as for scripts/run_all.sh; SEEDS="1 2 3"
set -eu
home=$(cd "$(dirname "$0")/.." && pwd)
quick='' train=1 only=''
for argument; do
    case $argument in
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --quick) quick=1 ;;
    --table) train='' ;;
    -*) echo "integers.sh: $argument: no such option; --help lists them" >&2; exit 2 ;;
    *) only="$only $argument " ;;
    esac
done
export PATH="$home/bin:$PATH"
runs=${RUNS:-runs}/integers${quick:+-quick}

# one NETWORK DATA EPOCHS FRACTION OPTION...: of all seeds
one() {
    network=$1 data=$2 epochs=$3 fraction=$4
    shift 4
    case $only in '' | *" $network "*) ;; *) return 0 ;; esac
    for seed in ${SEEDS:-1 2 3}; do
        dir=$runs/$network/s$seed
        [ -z "$train" ] || make_one "$@"
        [ ! -s "$dir/eval.jsonl" ] || names="$names $dir/eval.jsonl"
    done
}

make_one() {
    common="--data $data --fraction $fraction --network $network --seed $seed --keep-epoch last
        --update --resume --quiet"
    # shellcheck disable=SC2086
    kd-train-student $common --epochs "$epochs" --learning-rate 0.002 --warmup 0.5 "$@" \
        -o "$dir/float" >/dev/null
    # shellcheck disable=SC2086
    kd-train-student $common --epochs "$aware_epochs" --learning-rate 0.0002 "$@" \
        --init "$dir/float" --quantize int8 --teacher "$dir/float" -o "$dir/aware" >/dev/null
    [ -z "$(find "$dir/eval.jsonl" -newer "$dir/aware/model.safetensors" 2>/dev/null)" ] ||
        return 0
    kd-quantize "$dir/float" --overwrite -q -o "$dir/int8.safetensors" >/dev/null
    kd-quantize "$dir/float" --overwrite -q --per-tensor --equalise never --ranges minmax \
        --no-bias-correction -o "$dir/naive.safetensors" >/dev/null
    kd-eval "$dir/float" "$dir/int8.safetensors" "$dir/naive.safetensors" "$dir/aware" -q \
        --data "$data:test" --reference "$dir/float" --json >"$dir/eval.part"
    mv "$dir/eval.part" "$dir/eval.jsonl"
}

names='' aware_epochs=3
colours="--optimizer adamw --weight-decay 0.01 --flip random"
if [ "$quick" ]; then
    aware_epochs=1
    one mlp-800-800 mnist 2 0.5
    one cnn-64570 mnist 2 0.5
    # shellcheck disable=SC2086
    one resnet8_tiny cifar10 2 0.12 $colours
    # shellcheck disable=SC2086
    one mobilenet_v2-0.5 cifar10 3 0.04 $colours
else
    one mlp-800-800 mnist 20 1
    one cnn-64570 mnist 20 1
    # shellcheck disable=SC2086
    one resnet8_tiny cifar10 100 1 $colours --shift 4
    # shellcheck disable=SC2086
    one mobilenet_v2-0.5 cifar10 100 1 $colours --shift 4
fi
[ "$names" ] || { echo "integers.sh: nothing in $runs yet; leave --table out" >&2; exit 1; }
# shellcheck disable=SC2086
awk '
    function value(key) { return match($0, "\"" key "\": *[0-9.eE+-]+") ?
        substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) + 0 : 0 }
    FNR == 1 {
        n = split(FILENAME, part, "/"); net = part[n - 2]
        if (!(net in seeds)) order[++nets] = net
        seeds[net]++
        base = value("top1")
    }
    {
        d = 100 * (value("top1") - base)
        top[net, FNR] += 100 * value("top1"); sum[net, FNR] += d; square[net, FNR] += d * d
        agree[net, FNR] += 100 * value("agreement")
    }
    function cell(net, i,   n, mean, v) {
        n = seeds[net]; mean = sum[net, i] / n; v = square[net, i] / n - mean * mean
        return sprintf("%+.2f ± %.2f (%.2f)", mean, sqrt(v > 0 && n > 1 ? v * n / (n - 1) : 0),
            agree[net, i] / n)
    }
    END {
        print "| network | floats, top-1 % | kd-quantize | one scale a layer, no care |" \
            " trained as if in integers | seeds |"
        print "| --- | ---: | ---: | ---: | ---: | ---: |"
        for (i = 1; i <= nets; i++) {
            net = order[i]
            printf "| %s | %.2f | %s | %s | %s | %d |\n", net, top[net, 1] / seeds[net],
                cell(net, 2), cell(net, 3), cell(net, 4), seeds[net]
        }
    }' $names
