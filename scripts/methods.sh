#!/bin/sh
# Distillation methods compared: the same teacher, student, seeds and soft targets. Each method has
# three settings, tried on the validation images with one seed; the best of them is then trained
# with three seeds on all training images, and evaluated on the test images, which choose nothing.
# What is there and current is passed over; what was interrupted goes on where it stopped.
#
# usage: scripts/methods.sh [--quick | NAME] [--search] [--table]
#   NAME       configs/methods-NAME.json and configs/methods-NAME-search.json (default: cifar10)
#              also: mnist, mnist-cnn, digits
#   --quick    the same as the name digits: minutes on any machine, no data to fetch
#   --search   stop behind the search, and print what it chose
#   --table    no training: the table of what is there
#   RUNS, JOBS, KD_DATA as for scripts/run_all.sh
set -eu
home=$(cd "$(dirname "$0")/.." && pwd)
. "$home/scripts/stoppable.sh"
name=cifar10 train=1 only_search=''
wrong() { echo "methods.sh: $*" >&2; exit 2; }
for argument; do
    case $argument in
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --quick) name=digits ;;
    --search) only_search=1 ;;
    --table) train='' ;;
    -*) wrong "$argument: no such option; --help lists them" ;;
    *) name=$argument ;;
    esac
done
final=$home/configs/methods-$name.json search=$home/configs/methods-$name-search.json
[ -f "$final" ] && [ -f "$search" ] || wrong "$name: there is no $final with its -search.json"
runs=${RUNS:-runs}
[ -z "$train" ] || SPLIT=validation stoppable "$home/scripts/run_all.sh" "$search" >&2
export PATH="$home/bin:$PATH"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Each student's sweep stands on a line of its own: student, key.
sed -n 's/^ *"\([^"]*\)": {"sweep": {"\([^"]*\)":.*/\1 \2/p' "$search" >"$work/sweeps"
kd-report "$search" --runs "$runs" --csv --columns name,valid_top1,valid_loss >"$work/ranked"
# The best point of each: highest accuracy, then lowest loss. A name is "kl,temperature=4" in
# quotes.
awk -v names="$work/sweeps" '
    BEGIN { while ((getline line < names) > 0) { split(line, f, " "); key[f[1]] = f[2] } }
    match($0, /^"[^"]*"/) {
        point = substr($0, 2, RLENGTH - 2); split(substr($0, RLENGTH + 2), n, ",")
        student = point; sub(/,.*/, "", student)
        value = point; sub(/.*=/, "", value)
        if (!(student in key) || !(student in top) || n[1] > top[student] ||
            (n[1] == top[student] && n[2] < loss[student])) {
            top[student] = n[1]; loss[student] = n[2]; best[student] = value
        }
    }
    END { for (s in best) if (s in key) print "students." s "." key[s] "=" best[s] }
' "$work/ranked" | sort >"$work/chosen"
[ -s "$work/chosen" ] || wrong "$runs: nothing has been searched yet; leave --table out"
echo "Chosen on the validation images of one seed:" >&2
sed 's/^/  /' "$work/chosen" >&2
[ -z "$only_search" ] || { cat "$work/chosen"; exit 0; }
set --
while read -r setting; do set -- "$@" --set "$setting"; done <"$work/chosen"
[ -z "$train" ] || stoppable "$home/scripts/run_all.sh" "$final" "$@" >&2

# Means and spreads over the seeds, and paired differences from kl and from plain: what is beyond
# the spread has an interval without 0.
kd-report "$final" --runs "$runs" "$@" --csv --table seeds --columns name,seed,top1 >"$work/seeds"
for s in $(cut -d' ' -f1 "$work/sweeps"); do
    awk -v s="$s" '/"lr"/ && match($0, /"images_per_second":[0-9.]+/) {
        sum += substr($0, RSTART + 20, RLENGTH - 20); n++ }
        END { printf "%s %.0f\n", s, n ? sum / n : 0 }' \
        "$runs/methods-$name/students/$s"/s*/log.jsonl
done >"$work/pace" 2>/dev/null || true
awk -v paces="$work/pace" -f "$home/scripts/stats.awk" -f "$home/scripts/methods.awk" "$work/seeds"
