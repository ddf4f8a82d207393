#!/bin/sh
# A lesson of about 20 minutes: what soft targets are, and what a student gains by them. It needs no
# network and no data. Each step says what it is about, shows its command, and runs it.
#
# usage: scripts/lesson.sh [-y]
#   -y         go on without waiting for Enter (so it is too where there is no terminal)
#   RUNS=DIR   where the lesson's folder goes (default: runs)
#
# kd-tutorial(7) is the same lesson to read, with a glossary.
set -eu
home=$(cd "$(dirname "$0")/.." && pwd)
ask=yes
case ${1:-} in
-h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
-y) ask=no ;;
?*) echo "lesson.sh: $1: expected -y or --help" >&2; exit 2 ;;
esac
if [ ! -t 0 ] || [ ! -t 1 ]; then ask=no; fi
if [ -z "${KD_BIN:-}" ]; then # else the programs are there already
    "$home/scripts/setup.sh" build
    make -s -C "$home" all
    KD_BIN=$home/bin
fi
export PATH="$KD_BIN:$PATH"
lesson=$home/configs/lesson.json
runs=${RUNS:-runs}
run=$runs/lesson

exec 3>&1 4<&0 # commands are shown even where what they print is not; Enter comes from 4
# Columns of the terminal; 100 where there is none.
width() {
    columns=$(stty size <&3 2>/dev/null | cut -d' ' -f2)
    case $columns in '' | 0) echo 100 ;; *) echo "$columns" ;; esac
}
# The words of a step, within the terminal; Enter goes on.
step() {
    printf '\n=== %s\n\n' "$1"
    fold -s -w "$(width)"
    echo
    if [ "$ask" = yes ]; then
        printf '[Enter] '
        read -r line <&4 || exit 0
    fi
}
# Shows a command as it can be typed, and runs it.
try() {
    printf '$ %s\n' "$*" >&3
    "$@"
}

step "1 of 7: the images" <<TEXT
kd draws small images of digits by itself: 10,000 to learn from, 2,000 to
choose settings on, and 5,000 for the test at the end. A program that tells
the ten digits apart answers with ten numbers for an image, one a class.
This makes a sheet of some of them: $run/images.png
and one of the first ten, numbers 0 to 9: $run/first.png
TEXT
try kd-data sheet digits:train -o "$run/images.png"
try kd-data sheet digits:train --no-group --count 10 --labels -o "$run/first.png"

step "2 of 7: a teacher" <<TEXT
The teacher is a network with two hidden layers of 400 units, 478,410
numbers in all. It sees the 10,000 images 20 times over (20 epochs), each
time shifted by up to a pixel. We train three of them from different random
beginnings (three seeds), so that luck can be told from merit later.
That takes about half a minute on two free processors. Watch the figure
behind valid: the share of images it has right that it did not learn from.
TEXT
try kd-train-teacher "$lesson" --runs "$runs" --update --resume

step "3 of 7: what the teacher knows" <<TEXT
A label says "this is a 4" and nothing else. The teacher says more: how
alike the image is to every class. Those are its soft targets. At
temperature T = 1 it is so sure that the rest is close to nothing. A higher
temperature makes its answer softer, so that the rest can be seen: first
which digit comes second, and at T = 20 almost only that there is an order.
Before you go on: which digit would you mistake a 4 for? Image 6 is one, 7
is a 3: both are in $run/first.png
TEXT
try kd-soften "$lesson" --runs "$runs" --update
for image in 6 7; do # a 4 and a 3
    try kd-soften "$lesson" --runs "$runs" --seed 1 --show "$image" --temperature 1,4,20
done

step "4 of 7: students" <<TEXT
A student is 12 times smaller: one hidden layer of 50 units. Four kinds of
it are trained, three of each: plain learns from labels alone, taught learns
from the teacher's soft targets at temperature 1, 4 or 20. Apart from that
they begin alike and see the same images in the same order.
That is 12 trainings; on two processors it takes about half a minute.
TEXT
try kd-train-student "$lesson" --runs "$runs" --update --resume --quiet

step "5 of 7: what they gained" <<TEXT
Now all of them see the 5,000 test images for the first time. Guess before
you look: does the temperature matter? The last table compares each taught
student with the plain one of the same seed. "Better by more than the
spread" means that luck alone hardly explains the difference.
TEXT
try kd-eval --experiment "$lesson" --runs "$runs" --update --quiet >/dev/null
try kd-report "$run"

step "6 of 7: pictures" <<TEXT
This draws everything. Open report/report.html in $run
in a browser, or look there at
  report/soft-targets.png          answers to images hard to tell apart
  report/learning-curves.png       who learns faster, and who overfits
  report/confusion.png             which digits are mistaken for which
  report/accuracy-temperature.png  what the temperature does
  report/misclassified.png         the images that go wrong
TEXT
try kd-report "$run" --all --quiet >/dev/null
echo "$run/report/report.html"

step "7 of 7: your turn" <<TEXT
Things to try, each under a name of its own: smaller students, 500 images
for the students, and no labels for the taught one:
  again="$home/scripts/run_all.sh $lesson"
  \$again --set name=small --set students.plain.network=mlp-16 \\
         --set students.taught.network=mlp-16
  \$again --set name=few --set students.plain.data.fraction=0.05 \\
         --set students.taught.data.fraction=0.05
  \$again --set name=no-labels --set students.taught.distill.alpha=1
An experiment of your own is a copy of $lesson.
\`kd help tutorial\` is this lesson to read, with a glossary.
TEXT
echo "The best student on the validation images:"
try kd-report "$run" --best
