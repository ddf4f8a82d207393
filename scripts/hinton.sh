#!/bin/sh
# Section 3 of Hinton, Vinyals and Dean (2015) on MNIST: trains configs/hinton-mnist.json and prints
# the paper's figures beside ours. What is there and current is passed over; what was interrupted
# goes on where it stopped.
#
# usage: scripts/hinton.sh [--quick] [--table] [--set KEY=VALUE]...
#   --quick    fewer epochs and seeds, in its own run folder: minutes instead of an hour; its
#              figures are not the paper's
#   --table    no training: the table of what is there (after --quick: --quick --table)
#   --set      overrides a key of the experiment; a variation needs a name, and so a run folder, of
#              its own: --set name=mine
#   RUNS, JOBS, KD_DATA as for scripts/run_all.sh; EXPERIMENT=FILE instead of
#   configs/hinton-mnist.json
set -eu
home=$(cd "$(dirname "$0")/.." && pwd)
. "$home/scripts/stoppable.sh"
experiment=${EXPERIMENT:-$home/configs/hinton-mnist.json}
train=1 quick='' varied='' named=${EXPERIMENT:-} value=''
wrong() { echo "hinton.sh: $*" >&2; exit 2; }
for argument; do
    shift
    case $argument in --set=*) value=1 argument=${argument#--set=} ;; esac
    if [ -n "$value" ]; then
        case $argument in name=*) named=1 ;; esac
        varied="$varied --set $argument" value=''
        set -- "$@" --set "$argument"
        continue
    fi
    case $argument in
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --quick) quick=1 named=1 ;;
    --table) train='' ;;
    --set) value=1 ;;
    -*) wrong "$argument: no such option; --help lists them" ;;
    *) wrong "$argument: unknown; EXPERIMENT=FILE names an experiment, --help lists the options" ;;
    esac
done
[ -z "$value" ] || wrong "--set needs a KEY=VALUE behind it"
[ -z "$varied" ] || [ -n "$named" ] ||
    wrong "a variation needs a run folder of its own; add --set name=mine"
if [ -n "$quick" ]; then
    set -- --set name=hinton-quick --set seeds=2 --set teacher.train.epochs=20 \
        --set students.plain.train.epochs=12 --set students.plain-norm.train.epochs=20 \
        --set students.kd.train.epochs=20 --set students.kd-jitter.train.epochs=15 \
        --set students.no3.train.epochs=15 \
        --set students.only78.train.epochs=30 "$@"
fi
runs=${RUNS:-runs}
# Three teachers on two cores: one after the other with both is done sooner than two at once and
# then one alone.
[ "$(getconf _NPROCESSORS_ONLN)" -gt 2 ] || export JOBS="${JOBS:-1}"
[ -n "$train" ] || [ -d "$runs" ] || wrong "$runs: nothing is trained yet; leave --table out"
[ -z "$train" ] || stoppable "$home/scripts/run_all.sh" "$experiment" "$@" >&2
report() { stoppable "$home/bin/kd-report" "$experiment" --runs "$runs" "$@" --csv; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
report "$@" --table seeds --columns name,seed,errors >"$work/seeds"
report "$@" --table class-seeds --columns name,seed,class,trained_on,images,errors >"$work/classes"
report "$@" --table models --columns name,parameters,macs,bytes,latency_ms,throughput \
    >"$work/models"
awk -v quick="$quick" -v varied="$varied" -f "$home/scripts/stats.awk" \
    -f "$home/scripts/hinton.awk" "$work/seeds" "$work/classes" "$work/models"
