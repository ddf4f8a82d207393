#!/bin/sh
# Temperature against width: trains configs/hinton-grid.json and prints errors on the test images as
# a table, mean and standard deviation over seeds, and whether the paper's two statements hold. The
# chart is temperature-networks in the report folder.
#
# usage: scripts/grid.sh [--table] [EXPERIMENT] [--set KEY=VALUE]...
#   --table    no training: the table of what is there
#   RUNS, JOBS, KD_DATA as for scripts/run_all.sh; the teachers of scripts/hinton.sh are taken where
#   they are there and the same
set -eu
home=$(cd "$(dirname "$0")/.." && pwd)
. "$home/scripts/stoppable.sh"
train=1
for argument; do
    shift
    case $argument in
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --table) train= ;;
    *) set -- "$@" "$argument" ;;
    esac
done
experiment=$home/configs/hinton-grid.json
if [ $# -gt 0 ] && [ "${1#--}" = "$1" ]; then experiment=$1; shift; fi
runs=${RUNS:-runs}
name=$(basename "$experiment" .json)
for argument; do case ${argument#--set=} in name=*) name=${argument##*name=} ;; esac; done
# Copied, not linked: what differs from what the experiment asks for is trained anew, and must not
# touch the original.
if [ -n "$train" ] && [ "$(basename "$experiment")" = hinton-grid.json ] &&
    [ -d "$runs/hinton-mnist/teacher" ] && [ ! -e "$runs/$name/teacher" ]; then
    mkdir -p "$runs/$name"
    cp -R "$runs/hinton-mnist/teacher" "$runs/$name/teacher"
fi
[ -z "$train" ] || stoppable "$home/scripts/run_all.sh" "$experiment" "$@" >&2
"$home/bin/kd-report" "$experiment" --runs "$runs" "$@" --table seeds \
    --csv --columns name,temperature,seed,errors |
    awk -f "$home/scripts/stats.awk" -f "$home/scripts/grid.awk"
