#!/bin/sh
# A search: trains all of an experiment, ranks its students on the validation images, and names the
# best and the command that evaluates it. The test images are not looked at.
#
# usage: scripts/search.sh EXPERIMENT [--set KEY=VALUE]...      as configs/best-student.json,
# configs/hinton-search.json
#   RUNS, JOBS, KD_DATA as for scripts/run_all.sh; TOP=N: rows of the ranking (default: 20);
#   FILTER=PATTERN: rank only students whose names match, as FILTER='kd*'
set -eu
home=$(cd "$(dirname "$0")/.." && pwd)
. "$home/scripts/stoppable.sh"
case ${1:---help} in
-h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac
runs=${RUNS:-runs}
export SPLIT=validation
stoppable "$home/scripts/run_all.sh" "$@" >&2
export PATH="$home/bin:$PATH"
quoted() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }
experiment=$1; shift
# Lines as long as they are: a row that goes on in a second line would count twice.
columns=name,role,temperature,alpha,parameters,macs,bytes,latency_ms,batch_ms,valid_top1,valid_loss
ranked=$(COLUMNS=1000 kd-report "$experiment" --runs "$runs" "$@" --table models --sort valid_top1 \
    ${FILTER:+--filter "$FILTER"} \
    --columns $columns,seeds)
printf '%s\n' "$ranked" |
    awk -v top="${TOP:-20}" \
    '/───/ {under = 1} under && !NF {exit} NF && rows <= top {print; rows += under}'
best=$(kd-report "$experiment" --runs "$runs" "$@" --best ${FILTER:+--filter "$FILTER"})
printf '\nBest on validation: %s\n' "$best"
printf 'Evaluate it on the test images with:  %s %s --split test --time\n' \
    "$(quoted "$home/bin/kd-eval")" "$(quoted "$best")"
