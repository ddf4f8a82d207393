#!/bin/sh
# Distillation methods compared: the same teacher, student, seeds and soft targets. Each method has
# three settings, tried on the validation images with one seed; the best of them is then trained
# with three seeds on all training images, and evaluated on the test images, which choose nothing.
# What is there and current is passed over; what was interrupted goes on where it stopped.
#
# usage: scripts/methods.sh [--quick | NAME] [--search] [--table]
#   NAME       configs/methods-NAME.json and configs/methods-NAME-search.json (default: cifar10)
#              also: mnist, mnist-cnn, mnist-quick, digits
#   --quick    digits and mnist-quick, a table each: minutes on any machine; without MNIST in
#              $KD_DATA or ./data it says so, and compares on the built-in digits alone
#   --search   stop behind the search, and print what it chose
#   --table    no training: the table of what is there
#   RUNS, JOBS, KD_DATA as for scripts/run_all.sh
set -eu
home=$(cd "$(dirname "$0")/.." && pwd)
. "$home/scripts/stoppable.sh"
name=cifar10 quick='' train=1 only_search=''
wrong() { echo "methods.sh: $*" >&2; exit 2; }
for argument; do
    case $argument in
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --quick) quick=1 ;;
    --search) only_search=1 ;;
    --table) train='' ;;
    -*) wrong "$argument: no such option; --help lists them" ;;
    *) name=$argument ;;
    esac
done
runs=${RUNS:-runs}
export PATH="$home/bin:$PATH"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The best point of each student: highest accuracy, then lowest loss. A name such as
# "kl,temperature=4" is in quotes.
choose='
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
    END { for (s in best) if (s in key) print "students." s "." key[s] "=" best[s] }'

# search NAME: leaves what it chose, a setting a line
search() {
    search=$home/configs/methods-$1-search.json
    [ -f "$home/configs/methods-$1.json" ] && [ -f "$search" ] ||
        wrong "$1: there is no configs/methods-$1.json with its -search.json"
    [ -z "$train" ] || SPLIT=validation stoppable "$home/scripts/run_all.sh" "$search" >&2
    # Each student's sweep stands on a line of its own: student, key.
    sed -n 's/^ *"\([^"]*\)": {"sweep": {"\([^"]*\)":.*/\1 \2/p' "$search" >"$work/sweeps"
    kd-report "$search" --runs "$runs" --csv --columns name,valid_top1,valid_loss >"$work/ranked"
    awk -v names="$work/sweeps" "$choose" "$work/ranked" | sort >"$work/chosen"
    [ -s "$work/chosen" ] || wrong "$runs: nothing has been searched yet; leave --table out"
    echo "Chosen on the validation images of one seed:" >&2
    sed 's/^/  /' "$work/chosen" >&2
}

# Images a second of each method, in the mean over epochs and seeds.
paces() {
    for s in $(cut -d' ' -f1 "$work/sweeps"); do
        awk -v s="$s" '/"lr"/ && match($0, /"images_per_second":[0-9.]+/) {
            sum += substr($0, RSTART + 20, RLENGTH - 20); n++ }
            END { printf "%s %.0f\n", s, n ? sum / n : 0 }' \
            "$runs/methods-$1/students/$s"/s*/log.jsonl
    done 2>/dev/null || true
}

# compare NAME
compare() {
    name=$1 final=$home/configs/methods-$1.json
    search "$name"
    [ -z "$only_search" ] || { cat "$work/chosen"; return; }
    set --
    while read -r setting; do set -- "$@" --set "$setting"; done <"$work/chosen"
    [ -z "$train" ] || stoppable "$home/scripts/run_all.sh" "$final" "$@" >&2
    # Means and spreads over the seeds, and paired differences from kl and from plain: what is
    # beyond the spread has an interval without 0.
    kd-report "$final" --runs "$runs" "$@" --csv --table seeds --columns name,seed,top1 \
        >"$work/seeds"
    paces "$name" >"$work/pace"
    if [ -n "$quick" ]; then printf 'Methods on %s\n\n' "${name%-quick}"; fi
    awk -v paces="$work/pace" -f "$home/scripts/stats.awk" -f "$home/scripts/methods.awk" \
        "$work/seeds"
}

[ -n "$quick" ] || { compare "$name"; exit 0; }
compare digits
if [ -n "$train" ] && ! kd-data inspect mnist:test >/dev/null 2>&1; then
    echo "methods.sh: MNIST is passed over: there is none in ${KD_DATA:-./data}." \
        "scripts/get_data.sh mnist fetches it, or KD_DATA names the folder with mnist/;" \
        "then the same command goes on with it" >&2
elif [ -z "$train" ] && [ ! -d "$runs/methods-mnist-quick" ]; then
    echo "methods.sh: of MNIST there is nothing in $runs yet" >&2
else
    echo
    compare mnist-quick
fi
