#!/usr/bin/env bash
# Trainings that are killed (SIGKILL) at moments spread evenly over them, and within slowed checkpoint writes, and resumed:
# the same model and log, byte for byte, as without. A teacher with dropout and augmentation, and a student distilled from it.
#
# usage: test/torture/kill.sh [KILLS]      kills of each training, a tenth of them (20 at most) within a write; default 200
# FAIL: the library to be preloaded that slows writes; without it all kills are spread evenly.
set -eu
kills=${1:-200}
unset OPENBLAS_CORETYPE KD_DATA
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
kd-data convert digits:train digits:test --fraction 0.05 --to idx -o set --quiet >/dev/null
dropout='["flatten",{"kind":"dropout","rate":0.2},{"kind":"dense","units":32},"relu",{"kind":"dropout"},{"kind":"dense"}]'
common="--data idx:set --validation 100 --batch 10 --checkpoint-every 7steps --quiet --no-provenance --threads 1"

teacher() { exec kd-train-teacher $common --network "$dropout" --epochs 12 --shift 2 "$@"; }
student() { exec kd-train-student $common --layers 16 --epochs 12 -S soft --temperature 4 --alpha 0.9 "$@"; }

# next_moment: `moment` of the training's length, of a sequence that fills it evenly whatever its number
n=0
next_moment() {
    n=$((n + 1))
    local us=$((n * 618034 % 1000000 * length / 1000000))
    moment=$(printf '%d.%06d' $((us / 1000000)) $((us % 1000000)))
}

# one WHAT: kills of a training and resumption until it is done; adds to `survived` and `within`
one() {
    local what=$1 pid try
    rm -rf out
    for ((try = 0; try < 6 && survived < kills; try++)); do
        if [ "$within" -lt "$slowed" ] && [ $((survived % 2)) -eq 0 ]; then
            (KD_SLOW=15:$work/mark LD_PRELOAD=$FAIL "$what" --resume -o out >/dev/null) &
            pid=$!
            sleep "0.$(((survived * 37 + 20) % 90 + 10))"
            while kill -0 "$pid" 2>/dev/null && ! [ -e mark ]; do sleep 0.005; done
            if [ -e mark ] && kill -KILL "$pid" 2>/dev/null; then
                survived=$((survived + 1)) within=$((within + 1))
            fi
            rm -f mark
        else
            ("$what" --resume -o out >/dev/null) &
            pid=$!
            next_moment
            sleep "$moment"
            if kill -KILL "$pid" 2>/dev/null; then survived=$((survived + 1)); fi
        fi
        { wait "$pid"; status=$?; } 2>/dev/null || status=$?
        case $status in
        0) break ;;
        137) ;;
        *) echo "$what: status $status after a kill" >&2; exit 1 ;;
        esac
    done
    ("$what" --resume -o out >/dev/null)
    diff -r "whole-$what" out >&2 || { echo "$what: not the bytes of the training that was not killed" >&2; exit 1; }
}

total=0 total_within=0
for what in teacher student; do
    started=$(date +%s%N)
    ("$what" -o "whole-$what" >/dev/null)
    length=$((($(date +%s%N) - started) / 1000))
    survived=0 within=0 trainings=0
    slowed=$((kills < 200 ? (kills + 9) / 10 : 20))
    [ -n "${FAIL:-}" ] && [ -e "$FAIL" ] || slowed=0
    while [ "$survived" -lt "$kills" ]; do
        one "$what" 2>>messages || { tail -n 5 messages >&2; exit 1; }
        trainings=$((trainings + 1))
    done
    jq -es 'map(.epoch) == [range(1; 13)]' out/log.jsonl >/dev/null || { echo "$what: its log is not complete" >&2; exit 1; }
    echo "$what: $survived kills survived in $trainings trainings, $within of them within a slowed write"
    total=$((total + survived)) total_within=$((total_within + within))
    if [ "$what" = teacher ]; then kd-soften --model whole-teacher --data idx:set -o soft --quiet --no-provenance >/dev/null; fi
done
echo "kills survived: $total, within a write: $total_within"
