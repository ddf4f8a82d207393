#!/usr/bin/env bash
# Trainings that are killed (SIGKILL) at moments spread evenly over them, and within slowed
# checkpoint writes, and resumed: after each kill the log is the beginning of the whole one, at the
# end model and log are the same, byte for byte, as without, and nothing else is there. A teacher
# with dropout and augmentation, and a student distilled from it.
#
# usage: test/torture/kill.sh [KILLS]      kills of each training, at least a tenth of them within a
# write; default 200
# FAIL: the library to be preloaded that slows writes; without it all kills are spread evenly.
set -eu
kills=${1:-200}
unset OPENBLAS_CORETYPE KD_DATA
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
kd-data convert digits:train digits:test --fraction 0.05 --to idx -o set --quiet >/dev/null
dropout='["flatten",{"kind":"dropout","rate":0.2},{"kind":"dense","units":32},"relu",
    {"kind":"dropout"},{"kind":"dense"}]'
common="--data idx:set --validation 100 --batch 10 --checkpoint-every 7steps --quiet"
common="$common --no-provenance --threads 1"
epochs=12

teacher() { exec kd-train-teacher $common --network "$dropout" --epochs $epochs --shift 2 "$@"; }
student() {
    exec kd-train-student $common --layers 16 --epochs $epochs -S soft --temperature 4 --alpha 0.9 \
        "$@"
}
exec 3>&2 # what bash says of killed processes goes elsewhere
fail() { echo "$*" >&3; exit 1; }

# next_moment: `moment` of the training's length, of a sequence that fills it evenly whatever its
# number
n=0
next_moment() {
    n=$((n + 1))
    local us=$((n * 618034 % 1000000 * length / 1000000))
    moment=$(printf '%d.%06d' $((us / 1000000)) $((us % 1000000)))
}

# run_and_kill WHAT: one process, killed; its status in `status`; `marked` where that was within a
# checkpoint write
run_and_kill() {
    marked=
    next_moment
    if [ "$within" -lt "$slowed" ] && [ $((survived % 2)) -eq 0 ]; then
        (KD_SLOW=15:$work/mark LD_PRELOAD=$FAIL "$1" --resume -o out >/dev/null) &
        sleep "$moment"
        while kill -0 $! 2>/dev/null && ! [ -e mark ]; do sleep 0.003; done
        # so that "is being written" is still true when the kill comes
        kill -STOP $! 2>/dev/null || true
        sleep 0.002
        if [ -e mark ]; then marked=yes; fi
    else
        ("$1" --resume -o out >/dev/null) &
        sleep "$moment"
    fi
    kill -KILL $! 2>/dev/null || true
    status=0
    { wait $!; } 2>/dev/null || status=$?
    rm -f mark
}

# one WHAT: kills of a training and resumption until it is done; adds to `survived` and `within`
one() {
    local what=$1 try
    rm -rf out
    for ((try = 0; try < 6 && (survived < kills || within < slowed); try++)); do
        run_and_kill "$what"
        case $status in
        0) break ;; # it was through
        137) survived=$((survived + 1)) ;;
        *) fail "$what: status $status after a kill" ;;
        esac
        if [ "$marked" ]; then within=$((within + 1)); fi
        if [ -e out/log.jsonl ] &&
            ! cmp -s out/log.jsonl <(head -c "$(wc -c <out/log.jsonl)" "whole-$what/log.jsonl"); \
            then
            fail "$what: its log after a kill is not the beginning of the whole one"
        fi
    done
    ("$what" --resume -o out >/dev/null)
    diff -r "whole-$what" out >&3 || fail "$what: not the bytes of the training that was not killed"
}

total=0 total_within=0
for what in teacher student; do
    started=$(date +%s%N)
    ("$what" -o "whole-$what" >/dev/null)
    length=$((($(date +%s%N) - started) / 1000))
    jq -es "map(.epoch) == [range(1; $epochs + 1)]" "whole-$what/log.jsonl" >/dev/null ||
        fail "$what: its log is not complete"
    survived=0 within=0 trainings=0 told=0
    slowed=$(((kills + 9) / 10))
    [ -n "${FAIL:-}" ] && [ -e "$FAIL" ] || slowed=0
    while [ "$survived" -lt "$kills" ] || [ "$within" -lt "$slowed" ]; do
        one "$what" 2>>messages || { tail -n 5 messages >&2; exit 1; }
        trainings=$((trainings + 1))
        if [ $((survived / 50)) -gt $told ]; then
            told=$((survived / 50)); echo "$what: $survived kills survived so far"
        fi
    done
    echo "$what: $survived kills survived in $trainings trainings," \
        "$within of them within a slowed checkpoint write"
    total=$((total + survived)) total_within=$((total_within + within))
    if [ "$what" = teacher ]; then
        kd-soften --model whole-teacher --data idx:set -o soft --quiet --no-provenance >/dev/null
    fi
done
echo "kills survived: $total, within a write: $total_within"
