#!/usr/bin/env bash
# Loss of power in a training with checkpoints. What it does to its folder is recorded (record.so);
# each state in which a disk may show the folder after any of these calls (power) is resumed, and
# must end with the bytes of a training that nobody disturbed. Where a checkpoint or a model was
# surely on the disk, one of them is there.
#
# usage: RECORD=.../record.so POWER=.../power test/torture/power.sh
set -eu
unset OPENBLAS_CORETYPE KD_DATA
work=$(realpath "$(mktemp -d)")
trap 'rm -rf "$work"' EXIT
cd "$work"
kd-data convert digits:train digits:test --fraction 0.01 --to idx -o set --quiet >/dev/null
common="--data idx:$work/set --validation 10 --batch 10 --checkpoint-every 2steps --quiet"
common="$common --no-provenance --threads 1 --layers 4 --epochs 3 --momentum 0.9 --resume -o out"
train() { kd-train-teacher $common; }
fail() { echo "$*" >&2; exit 1; }

mkdir whole record states
(cd whole && train >/dev/null)
(
    cd record
    KD_RECORD=$work/calls KD_RECORD_FOLDER=$work/record LD_PRELOAD=$RECORD train >/dev/null
)
diff -r whole record >&2 || fail "the record is not that of the same training"
"$POWER" calls states >list
grep -q 'out/model.safetensors,' list || fail "the model itself is never surely on the disk"
[ "$(wc -l <list)" -gt 100 ] || fail "only $(wc -l <list) states: nothing was recorded"

kept=0
while read -r state calls sure; do
    cd "$work/states/$state"
    case $sure in
    *checkpoint.safetensors,* | *model.safetensors,*)
        kept=$((kept + 1))
        ls out/checkpoint.safetensors out/checkpoint.previous.safetensors out/model.safetensors \
            2>/dev/null | grep -q . || fail "after $calls calls ($state): what was kept is gone"
        ;;
    esac
    cp -r out before 2>/dev/null || true
    train >"$work/said" 2>&1 </dev/null || { cat "$work/said" >&2; ls -l before >&2
        fail "after $calls calls ($state): cannot go on"; }
    rm -rf before
    diff -r "$work/whole/out" out >&2 || fail "after $calls calls ($state): other bytes"
    rm -rf out
done <list
cd "$work"
echo "power lost after each of $(wc -l <calls) calls: $(wc -l <list) states of the disk," \
    "$kept of them with a checkpoint or a model on it; all went on to the same bytes"
