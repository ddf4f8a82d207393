#!/bin/sh
# Section 3 of Hinton, Vinyals and Dean (2015) on MNIST: trains configs/hinton-mnist.json and prints the paper's figures
# beside ours. What is there and current is passed over; what was interrupted goes on where it stopped.
#
# usage: scripts/hinton.sh [--quick] [--table] [--set KEY=VALUE]...
#   --quick    fewer epochs and seeds, in its own run folder: minutes instead of an hour; its figures are not the paper's
#   --table    no training: the table of what is there (after --quick: --quick --table)
#   RUNS, JOBS, KD_DATA as for scripts/run_all.sh; EXPERIMENT=FILE instead of configs/hinton-mnist.json
set -eu
home=$(cd "$(dirname "$0")/.." && pwd)
. "$home/scripts/stoppable.sh"
experiment=${EXPERIMENT:-$home/configs/hinton-mnist.json}
train=1 quick=
for argument; do
    shift
    case $argument in
    -h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --quick) quick=1 ;;
    --table) train= ;;
    *) set -- "$@" "$argument" ;;
    esac
done
if [ -n "$quick" ]; then
    set -- --set name=hinton-quick --set seeds=2 --set teacher.train.epochs=20 --set students.plain.train.epochs=12 --set students.plain-norm.train.epochs=20 \
        --set students.kd.train.epochs=20 --set students.kd-jitter.train.epochs=15 --set students.no3.train.epochs=15 \
        --set students.only78.train.epochs=30 "$@"
fi
runs=${RUNS:-runs}
# Three teachers on two cores: one after the other with both is done sooner than two at once and then one alone.
[ "$(getconf _NPROCESSORS_ONLN)" -gt 2 ] || export JOBS="${JOBS:-1}"
[ -z "$train" ] || stoppable "$home/scripts/run_all.sh" "$experiment" "$@" >&2
report() { "$home/bin/kd-report" "$experiment" --runs "$runs" "$@" --csv; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
report "$@" --table seeds --columns name,seed,errors >"$work/seeds"
report "$@" --table class-seeds --columns name,seed,class,trained_on,images,errors >"$work/classes"
report "$@" --table models --columns name,parameters,macs,bytes,latency_ms,throughput >"$work/models"
awk -v quick="$quick" -f "$home/scripts/hinton.awk" "$work/seeds" "$work/classes" "$work/models"
