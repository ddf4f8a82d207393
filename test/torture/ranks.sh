#!/usr/bin/env bash
# A training that mpirun shares out among ranks, of which one, some other each time, is killed
# (SIGKILL) at some moment. All ranks end then, at once. The training goes on on another number of
# ranks: after each kill the log is the beginning of the whole one, at the end model and log are
# those of one process that nobody killed, byte for byte. A network with convolutions, batch norm
# and dropout, with augmentation, clipping and averaged weights.
#
# usage: test/torture/ranks.sh [KILLS]      default 50
set -eu
kills=${1:-50}
unset OPENBLAS_CORETYPE KD_DATA
command -v mpirun >/dev/null || { echo "killed ranks: skipped, mpirun is not installed"; exit 0; }
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
kd-data convert digits:train digits:test --fraction 0.03 --to idx -o set --quiet >/dev/null
cat >net.json <<'JSON'
[{"kind": "conv2d", "filters": 16, "kernel": 3}, "batchnorm", "relu",
 {"kind": "maxpool", "kernel": 2}, "flatten", {"kind": "dropout", "rate": 0.3},
 {"kind": "dense", "units": 24}, "relu", {"kind": "dense"}]
JSON
training=(kd-train-teacher --data idx:set --validation 40 --batch 40 --shards 8 --epochs 120
    --network net.json --shift 1 --clip-norm 1 --ema-decay 0.9 --checkpoint-every 20steps
    --threads 1 --quiet --no-provenance)
fail() { echo "killed ranks: $*" >&2; exit 1; }
now() { echo $(($(date +%s%N) / 1000000)); }
lines() { if [ -e out/log.jsonl ]; then wc -l <out/log.jsonl; else echo 0; fi; }

# kill_one ROUND: once the training is under way and a moment has passed; yes if a rank was there
kill_one() {
    local before=$1 moment=$(($2 * 618034 % 1000000)) ranks victim
    while [ "$(lines)" -le "$before" ] && kill -0 "$mpirun" 2>/dev/null; do sleep 0.02; done
    sleep "0.$(printf '%06d' $((moment / 2)))"
    mapfile -t ranks < <(pgrep -P "$mpirun" kd-train)
    [ ${#ranks[@]} -gt 0 ] || return 1
    victim=${ranks[$((moment % ${#ranks[@]}))]}
    kill -KILL "$victim" 2>/dev/null
}

"${training[@]}" -o whole >/dev/null
numbers=(2 3 8 4 1 5)
done=0 slowest=0 finished=0
for ((round = 0; done < kills; round++)); do
    n=${numbers[$((round % ${#numbers[@]}))]}
    before=$(lines)
    mpirun --oversubscribe -q -n "$n" "${training[@]}" -o out --resume >said 2>&1 &
    mpirun=$! killed=
    if kill_one "$before" "$round"; then killed=yes; fi
    since=$(now) status=0
    { wait "$mpirun"; } 2>/dev/null || status=$?
    took=$(($(now) - since))
    if [ "$status" -eq 0 ]; then
        diff -r whole out >&2 || fail "not the bytes of the training that was not killed"
        rm -r out
        finished=$((finished + 1))
        continue
    fi
    [ "$killed" ] || { tail -n 5 said >&2; fail "round $round: status $status without a kill"; }
    [ "$took" -le 10000 ] || fail "round $round: $n ranks went on for $took ms after one was killed"
    if [ "$took" -gt "$slowest" ]; then slowest=$took; fi
    head -c "$(wc -c <out/log.jsonl)" whole/log.jsonl | cmp -s - out/log.jsonl ||
        fail "round $round: its log after a kill is not the beginning of the whole one"
    done=$((done + 1))
done
mpirun --oversubscribe -q -n 3 "${training[@]}" -o out --resume >/dev/null
diff -r whole out >&2 || fail "not the bytes of the training that was not killed"
echo "ranks killed: $done, trainings that came to their end meanwhile: $finished;" \
    "all ranks were gone after $slowest ms at most"
