#!/bin/sh
# A whole experiment: teacher, soft targets, students, evaluation, report. What is there and current
# is passed over; what was interrupted goes on where it stopped.
#
# usage: scripts/run_all.sh [EXPERIMENT] [--on local|slurm] [--set KEY=VALUE]...
#   EXPERIMENT     default: configs/digits.json
#   --on slurm     as jobs of Slurm, which it submits and follows; --on local, the default: here
#   RUNS=DIR       folder of the run folders (default: runs)
#   JOBS=N         trainings side by side (default: one a processor, fewer where memory is short;
#                  with Slurm as many as it gives)
#   SPLIT=validation   evaluate on the validation images alone, as a search does
#   KD_DATA=DIR    where mnist, cifar10, ... lie
# With --on slurm:
#   CPUS=N         processors of each job (default: 1)
#   SBATCH=WORDS   more options of sbatch, as SBATCH='--partition=short --mem=4G'
set -eu
home=$(cd "$(dirname "$0")/.." && pwd)
case ${1:-} in
-h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
esac
on=local n=$#
while [ "$n" -gt 0 ]; do
    case $1 in
    --on) if [ "$n" -gt 1 ]; then on=$2 && shift && n=$((n - 1)); else on=; fi ;;
    --on=*) on=${1#--on=} ;;
    *) set -- "$@" "$1" ;;
    esac
    shift && n=$((n - 1))
done
case $on in
local | slurm) ;;
*) echo "run_all.sh: --on=$on: expected local or slurm" >&2; exit 2 ;;
esac
# Besides the experiment only --set goes to every program alike.
first=yes value=
for word in "$@"; do
    case $value$first$word in
    value*) value= ;;
    -s | yes-s | --set | yes--set) value=value ;;
    -s?* | yes-s?* | --set=* | yes--set=*) ;;
    yes[!-]*) ;; # the experiment
    *)
        echo "run_all.sh: $word: expected EXPERIMENT and --set KEY=VALUE, as" \
            "--set students.plain.network=mlp-16; \`kd help formats\` has the keys" >&2
        exit 2
        ;;
    esac
    first=
done
[ -z "$value" ] || { echo "run_all.sh: --set: KEY=VALUE is missing behind it" >&2; exit 2; }
"$home/scripts/setup.sh"
make -s -C "$home" all
export PATH="$home/bin:$PATH"
experiment=$home/configs/digits.json
if [ $# -gt 0 ] && [ "${1#--}" = "$1" ]; then experiment=$1; shift; fi
if [ "$on" = slurm ]; then exec "$home/scripts/slurm.sh" "$experiment" "$@"; fi
runs=${RUNS:-runs}

# How many at once: a processor each, and a gigabyte of memory each. kd knows what affinity and
# containers leave of both.
machine=$(kd-eval --version | sed -n 's/^machine: \([0-9]*\) processors*, \([0-9]*\).*/\1 \2/p')
cores=${machine% *} usable=${machine#* }
free=$(awk '/^MemAvailable/ {print int($2 / 1048576)}' /proc/meminfo 2>/dev/null || true)
if [ "${free:-$usable}" -gt "$usable" ]; then free=$usable; fi
jobs=${JOBS:-$cores}
case $jobs in *[!0-9]* | "") echo "run_all.sh: JOBS=$jobs: expected a number" >&2; exit 2 ;; esac
if [ -z "${JOBS:-}" ] && [ -n "$free" ] && [ "$free" -lt "$jobs" ]; then jobs=$free; fi
[ "$jobs" -ge 1 ] || jobs=1
threads=$((cores / jobs))
[ "$threads" -ge 1 ] || threads=1

say() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*" >&2; }

# Trains what `PROGRAM EXPERIMENT --list` names, side by side; -u passes over what is current.
train() {
    program=$1; shift
    list=$("$program" "$experiment" --runs "$runs" "$@" --list --ready --update) || exit 1
    [ -n "$list" ] || return 1
    say "$program: $(printf '%s\n' "$list" | wc -l) to train, $jobs at once"
    printf '%s\n' "$list" >"$todo"
    : >"$trained"
    follow "$program" "$(printf '%s\n' "$list" | wc -l)" 3>&- &
    follower=$!
    run sh -c 'list=$1; shift; exec xargs "$@" <"$list"' sh "$todo" -L 1 -P "$jobs" "$program" \
        "$experiment" --runs "$runs" "$@" --update --resume --quiet --threads "$threads" \
        >"$trained" || failed=yes
    leave
    cat "$trained" >&2
    [ -z "$failed" ] || {
        say "$program failed; once that is mended the same command goes on from here"; exit 1
    }
}
# How far the trainings of PROGRAM are, of which each writes a line to $trained when it is done: a
# bar on a terminal, elsewhere a line now and then.
follow() {
    began=$(date +%s) told=$began before=0 bar=
    if [ -t 2 ] && [ "${TERM:-dumb}" != dumb ]; then bar=yes; fi
    while sleep 1 >/dev/null 2>&1; do
        ended=$(wc -l <"$trained")
        now=$(date +%s)
        if [ -n "$bar" ]; then
            columns=$(stty size 2>/dev/null </dev/tty | cut -d ' ' -f 2)
        elif [ "$ended" -eq "$before" ] || [ $((now - told)) -lt 10 ]; then
            continue
        fi
        before=$ended told=$now
        line=$(awk -v program="$1" -v n="$2" -v done="$ended" -v spent=$((now - began)) \
            -v columns="${columns:-80}" -v bar="$bar" "$progress")
        if [ -n "$bar" ]; then printf '\r%s\033[K' "$line" >&2; else say "$line"; fi
    done
}
# "kd-train-student [####----]  40% student 5/10, about 40 s left", without the bar in a log
progress='
function clock(s) {
    if (s < 60) return sprintf("%d s", s)
    if (s < 3600) return sprintf("%d:%02d", s / 60, s % 60)
    return sprintf("%d:%02d:%02d", s / 3600, s / 60 % 60, s % 60)
}
BEGIN {
    sub(/.*-/, "", program)
    words = sprintf("%s %d/%d, ", program, done < n ? done + 1 : n, n)
    left = done ? "about " clock(spent * (n - done) / done) " left" : ""
    words = words (done ? left : clock(spent) " so far")
    if (!bar) { print words; exit }
    words = sprintf("] %3d%% %s", 100 * done / n, words)
    cells = columns - 1 - length("kd-train-" program " [" words)
    cells = cells > 40 ? 40 : cells < 5 ? 5 : cells
    for (i = 0; i < cells; i++) line = line (i < int(cells * done / n) ? "#" : "-")
    print substr("kd-train-" program " [" line words, 1, columns - 1)
}'
# Nothing is followed any longer.
leave() {
    [ -n "$follower" ] || return 0
    kill "$follower" 2>/dev/null || true
    wait "$follower" 2>/dev/null || true
    follower=
    if [ -t 2 ] && [ "${TERM:-dumb}" != dumb ]; then printf '\r\033[K' >&2; fi
}
# Runs a command; a signal need not wait for its end. In the background it has no standard input,
# whatever <&0 says: some shells give it /dev/null first.
run() {
    "$@" &
    running=$!
    ended=0
    wait "$running" || ended=$?
    running=
    return "$ended"
}
# Asked to stop: the trainings are asked too; they leave checkpoints, and the next call goes on from
# there.
stop() {
    leave
    if [ -n "$running" ]; then
        trainings=$(cat "/proc/$running/task/$running/children" 2>/dev/null ||
            pgrep -P "$running" || true)
        kill -TERM "$running" $trainings 2>/dev/null || true
        wait "$running" 2>/dev/null || true
        for p in $trainings; do while kill -0 "$p" 2>/dev/null; do sleep 0.2; done; done
    fi
    say "stopped; the same command goes on from here"
    exit "$1"
}
running='' follower='' failed=''
todo=$(mktemp) trained=$(mktemp)
trap 'leave; rm -f "$todo" "$trained"' EXIT
trap 'stop 129' HUP
trap 'stop 130' INT
trap 'stop 131' QUIT
trap 'stop 143' TERM

train kd-train-teacher "$@" || true
if [ -n "$(kd-train-teacher "$experiment" "$@" --list)" ]; then
    run kd-soften "$experiment" --runs "$runs" "$@" --update --quiet >&2 || exit 1
fi
# Students may learn from students: again, until nothing is left that could be trained.
while train kd-train-student "$@"; do :; done

say "evaluation and report"
failed=
run kd-eval --experiment "$experiment" --runs "$runs" "$@" ${SPLIT:+--split "$SPLIT"} --update \
    --time --quiet >/dev/null || failed=1
run kd-report "$experiment" --runs "$runs" "$@"
echo
run kd-report "$experiment" --runs "$runs" "$@" --all --quiet
[ -z "$failed" ] || {
    say "not all could be evaluated (see above); the report shows what was"; exit 1
}
