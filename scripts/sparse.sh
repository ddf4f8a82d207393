#!/bin/sh
# Sparse soft targets beside dense ones: of each image's classes three are kept, and mean and
# variance of the others (kd-soften --top 3). One teacher, the same student and seeds; is the sparse
# form's student within the spread of the dense form's? What is there and current is passed over;
# what was interrupted goes on where it stopped.
#
# usage: scripts/sparse.sh [NAME] [--table]
#   NAME       configs/NAME.json and configs/NAME-dense.json (default: sparse-cifar10)
#   --table    no training: the table of what is there
#   RUNS, JOBS, KD_DATA as for scripts/run_all.sh
set -eu
home=$(cd "$(dirname "$0")/.." && pwd)
. "$home/scripts/stoppable.sh"
name=sparse-cifar10 train=1
for argument; do
    case $argument in
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --table) train='' ;;
    -*) echo "sparse.sh: $argument: no such option; --help lists them" >&2; exit 2 ;;
    *) name=$argument ;;
    esac
done
runs=${RUNS:-runs}
for form in "$name-dense" "$name"; do
    [ -f "$home/configs/$form.json" ] || {
        echo "sparse.sh: $name: there is no $home/configs/$form.json" >&2
        exit 2
    }
    [ -z "$train" ] || stoppable "$home/scripts/run_all.sh" "$home/configs/$form.json" >&2
    # Both have the same teacher, which need not learn twice.
    if [ -n "$train" ] && [ "$form" != "$name" ] && [ ! -d "$runs/$name/teacher" ]; then
        mkdir -p "$runs/$name"
        cp -R "$runs/$form/teacher" "$runs/$name/teacher"
    fi
done
export PATH="$home/bin:$PATH"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# name,seed,top1: the sparse form's kl is called sparse, so that it stands beside the dense form's
kd-report "$home/configs/$name-dense.json" --runs "$runs" --csv --table seeds \
    --columns name,seed,top1 >"$work/seeds"
kd-report "$home/configs/$name.json" --runs "$runs" --csv --table seeds \
    --columns name,seed,top1 | sed -n 's/^kl,/sparse,/p' >>"$work/seeds"
for form in "$name-dense" "$name"; do
    for f in "$runs/$form/soft"/s*/*.safetensors; do
        printf '%-24s %12d bytes of soft targets\n' "$form" "$(wc -c <"$f")"
    done
done
echo
: >"$work/paces"
awk -v paces="$work/paces" -f "$home/scripts/stats.awk" -f "$home/scripts/methods.awk" "$work/seeds"
