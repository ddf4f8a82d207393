#!/bin/sh
# A whole experiment as jobs of Slurm, for `scripts/run_all.sh --on slurm`: submits what is not done
# and not queued, follows the jobs, and prints the report. It can be stopped at any time; the jobs
# go on, and the next call follows them. Slurm alone remembers them: a job's comment is its plan.
set -eu
. "$(dirname "$0")/stoppable.sh"
experiment=$1
shift
runs=${RUNS:-runs} cpus=${CPUS:-1} tab=$(printf '\t')
for program in sbatch squeue; do
    command -v "$program" >/dev/null || {
        echo "run_all.sh: --on slurm: $program is not installed (slurm-client); start this where" \
            "jobs are submitted, or leave out --on" >&2
        exit 1
    }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
say() { printf '%s  %s\n' "$(date +%H:%M:%S)" "$*" >&2; }

# The plan lies in the run folder under a name that tells its text: queued jobs read theirs.
kd-plan "$experiment" --runs "$runs" "$@" ${SPLIT:+--split "$SPLIT"} --threads "$cpus" \
    --format slurm >"$work/plan"
folder=$(sh "$work/plan" folder)
mkdir -p "$folder/slurm"
slurm=$(cd "$folder/slurm" && pwd)
plan=$slurm/plan-$(cksum <"$work/plan" | cut -d ' ' -f 1).sh
[ -e "$plan" ] || { cp "$work/plan" "$plan.$$" && mv "$plan.$$" "$plan"; }
sh "$plan" list >"$work/list"

# What is queued or running, into $work/held: JOB_TASK, state, output of the step. First the step's
# number and plan instead of its output, which an edited experiment may have under another number.
find_held() {
    squeue -h -r -u "$(id -un)" -o '%F_%K %T %k' >"$work/queue" || return 1
    awk -v plans="$slurm/plan-" '{
        path = $0
        sub(/^[^ ]+ [^ ]+ /, "", path)
        sub(/ [0-9]+$/, "", path)
        if (index(path, plans) == 1 && split($1, job, "_") == 2)
            printf "%s\t%s\t%d\t%s\n", $1, $2, $NF + job[2], path
    }' "$work/queue" >"$work/held"
    cut -f 4 "$work/held" | sort -u | while read -r path; do
        sh "$path" list | sed "s|^|$path$tab|"
    done >"$work/lists"
    awk -F '\t' 'NR == FNR { output[$1, $2] = $5; next }
        { print $1 "\t" $2 "\t" output[$4, $3] }' "$work/lists" "$work/held" >"$work/held.new"
    mv "$work/held.new" "$work/held"
}
# What is not current, into $work/left: kind of step, model.
find_left() {
    for kind in train-teacher train-student; do
        "kd-$kind" "$experiment" --runs "$runs" "$@" --list --update >"$work/models" || exit 1
        sed "s/^/$kind$tab/" "$work/models"
    done >"$work/left"
    awk -F '\t' '{ output[$1] = $4 } $2 == "soften" { print output[$3 + 0] FS $4 FS $5 }' \
        "$work/list" | while IFS=$tab read -r teacher soft model; do
        is_newer "$soft" "$teacher" || printf 'soften\t%s\n' "$model"
    done >>"$work/left"
}
# Is this file newer than that one and than the experiment, where that is not one that kd brings?
is_newer() {
    file=$experiment
    [ -e "$file" ] || file=$2
    [ -n "$(find "$1" -newer "$2" -newer "$file" 2>/dev/null)" ]
}
is_finished() {
    [ ! -s "$work/left" ] && [ ! -s "$work/held" ] && is_newer "$folder/report/report.html" "$plan"
}

# The steps that are not to be submitted, as the plan wants to be told. What hangs on a step that is
# to be done is to be done as well; evaluation and report are, as long as this is asked at all.
passed_over() {
    awk -F '\t' '
        FILENAME ~ /left$/ { left[$1, $2]; next }
        FILENAME ~ /held$/ { held[$3] = $1; next }
        {
            n = split($3, needs, " ")
            above = ""
            for (i = 1; i <= n; i++) if (needs[i] in moves) above = above moves[needs[i]]
            if ($4 in held && above !~ /anew/) {
                moves[$1] = "held"
                print $1 "=" held[$4]
            } else if (above != "" || $5 == "" || ($2, $5) in left)
                moves[$1] = "anew"
            else
                print $1 "=-"
        }' "$work/left" "$work/held" "$work/list"
}
submit() {
    touch "$plan" # the report will be newer
    KD_AT_ONCE=${JOBS:-} KD_STEPS=$(tr '\n' ' ' <"$work/passed") sh "$plan" \
        --cpus-per-task="$cpus" --output="$(printf %s "$slurm" | sed 's/%/%%/g')/%x-%A_%a.log" \
        ${SBATCH:-} >"$work/jobs"
    while read -r job what; do say "job $job: $what"; done <"$work/jobs"
}
# Until no job of this experiment is left.
follow() {
    said='' pause=1
    while :; do
        if ! find_held; then
            now="Slurm does not answer; asking again"
        elif [ -s "$work/held" ]; then
            now=$(awk -F '\t' '{ n[$2 == "PENDING"]++ }
                END { print n[0] + 0 " steps running, " n[1] + 0 " waiting" }' "$work/held")
        else
            return 0
        fi
        if [ "$now" != "$said" ]; then say "$now"; pause=1; else pause=$((pause * 2)); fi
        said=$now
        [ "$pause" -le 30 ] || pause=30
        sleep "$pause" &
        wait "$!"
    done
}
leave() {
    say "the jobs go on, and the same command follows them; this stops them: scancel" \
        "$(cut -d _ -f 1 "$work/held" | sort -u | tr '\n' ' ')"
    exit "$1"
}
trap 'leave 129' HUP
trap 'leave 130' INT
trap 'leave 143' TERM

submitted=
find_held || exit 1
while find_left "$@" && ! is_finished; do
    passed_over >"$work/passed"
    if [ "$(wc -l <"$work/passed")" -lt "$(wc -l <"$work/list")" ]; then
        if [ -n "$submitted" ]; then
            find "$slurm" -name '*.log' -newer "$plan" -exec \
                grep -hE '^(kd-[a-z-]*|slurmstepd|slurmd): ' {} + | head -n 5 >&2 || true
            say "not all steps have ended well; what they said is in $folder/slurm;" \
                "once that is mended the same command goes on from here"
            exit 1
        fi
        submit
        submitted=yes
    fi
    follow
done
kd-report "$experiment" --runs "$runs" "$@"
echo
echo "$folder/report/report.html"
