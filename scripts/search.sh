#!/bin/sh
# A search: trains all of an experiment, ranks its students on the validation images, and names the best and the command that
# evaluates it. The test images are not looked at.
#
# usage: scripts/search.sh EXPERIMENT [--set KEY=VALUE]...      as configs/best-student.json, configs/hinton-search.json
#   RUNS, JOBS, KD_DATA as for scripts/run_all.sh; TOP=N: rows of the ranking (default: 20)
set -eu
home=$(cd "$(dirname "$0")/.." && pwd)
case ${1:---help} in
-h | --help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac
runs=${RUNS:-runs}
SPLIT=validation "$home/scripts/run_all.sh" "$@" >&2
export PATH="$home/bin:$PATH"
experiment=$1; shift
ranked=$(kd-report "$experiment" --runs "$runs" "$@" --table models --sort valid_top1 \
    --columns name,role,temperature,alpha,parameters,macs,bytes,latency_ms,valid_top1,valid_loss,seeds)
printf '%s\n' "$ranked" | awk -v top="${TOP:-20}" '/^Differences/ {exit} NF && rows < top {print; rows += /%/ ? 0 : under; under = under || /───/}'
best=$(kd-report "$experiment" --runs "$runs" "$@" --best)
printf '\nBest on validation: %s\nEvaluate it on the test images with:  kd-eval %s --split test --time\n' "$best" "'$best'"
