#!/bin/sh
# Makes configs/pretrained/ anew: trains configs/pretrained.json and copies teacher, students and
# soft targets there.
#
# usage: scripts/pretrained.sh      RUNS, JOBS, KD_DATA as for scripts/run_all.sh; TO=DIR: another
# place
set -eu
home=$(cd "$(dirname "$0")/.." && pwd)
case ${1:-} in
-h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac
cd "$home" # the files say by which command they were made; that shall hold in any clone
runs=${RUNS:-runs} to=${TO:-configs/pretrained}
. scripts/stoppable.sh
stoppable scripts/run_all.sh configs/pretrained.json "$@"
mkdir -p "$to/soft"
cp "$runs/pretrained/teacher/s1/model.safetensors" "$to/teacher.safetensors"
for s in plain distilled; do
    cp "$runs/pretrained/students/$s/s1/model.safetensors" "$to/$s.safetensors"
done
cp "$runs/pretrained/soft/s1/teacher.safetensors" "$to/soft/teacher.safetensors"
find "$to" -name '*.safetensors' -exec wc -c {} +
