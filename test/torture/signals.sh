#!/usr/bin/env bash
# Each program, working and waiting, gets each signal of HUP, INT, QUIT, PIPE, TERM, XCPU and KILL
# at moments spread over its length. It ends within two seconds with the status that tells of the
# signal (or was through before); files are the earlier ones or the new ones, and nothing temporary
# is left, beside them or in $TMPDIR. After KILL the next run removes what is left and makes what it
# makes where nobody is killed.
#
# usage: test/torture/signals.sh [MOMENTS] [SITUATION]...      default: 20, and a quarter of them
# where a program only waits; all situations
#   JOBS=N   situations at once (default: one a processor); SIGNALS='TERM KILL'
set -eu

# SITUATION|how its input comes|command. `out` holds earlier files. Inputs: whole; fifo, which
# nobody opens; held, a pipe that says nothing; begun, one that stops in the middle of a model;
# images, lines without end; flood, bytes without end behind a model's first; busy: another one
# trains in that folder.
training="--data idx:set --layers 32 --epochs 12 --batch 20 --checkpoint-every 3steps --overwrite"
situations() {
    sed "s/\$training/$training/" <<'END'
kd-train-teacher|whole|kd-train-teacher $training -o out
kd-train-student|whole|kd-train-student $training -S soft -o out
kd-soften|whole|kd-soften --model T --data idx:set --views 20 --shift 2 --overwrite -o out/result
kd-eval|whole|kd-eval out --save --data idx:set:test --reference T --tta mirror-shifts
kd-eval, a file|whole|kd-eval T T T --data idx:set --tta mirror-shifts -o out/result
kd-correct|whole|kd-correct T --by balanced --classes 3,4 --images idx:set --data idx:set -o out/new
kd-quantize|whole|kd-quantize T --calibrate idx:set --overwrite -o out/result.safetensors
kd-predict, decoding|whole|kd-predict T png -o out/result
kd-data, decoding|whole|kd-data convert png:png --to tensors --overwrite -o out/result
kd-data, many files|whole|kd-data convert idx:set --to png --overwrite -o out/photos
kd-data, IDX files|whole|kd-data convert idx:set idx:set:test --to idx --overwrite -o out/idx
kd-data, a sheet|whole|kd-data sheet idx:set --count 200 --overwrite -o out/result
kd-data, views|whole|kd-data views idx:set --views 20 --shift 2 --overwrite -o out/result
kd-report|whole|kd-report runs/x --all -o out
kd-report, a page|whole|kd-report runs/x --page -o out/result
kd-report, a workbook|whole|kd-report runs/x --workbook -o out/result
kd-export, C|whole|kd-export T --to c --name m --overwrite -o out
kd-export, ONNX|whole|kd-export T --to onnx --overwrite -o out/result.onnx
kd-import|whole|kd-import T.onnx -o out/result.safetensors
kd-plan|whole|kd-plan x.json -o out/result
kd-show|whole|kd-show T soft runs/x
kd|whole|kd report runs/x --csv -o out/result
kd-train-teacher, a named pipe|fifo|kd-train-teacher fifo
kd-train-student, a named pipe|fifo|kd-train-student --data idx:set --layers 4 -S fifo -o out
kd-soften, a named pipe|fifo|kd-soften --model fifo --data idx:set --overwrite -o out/result
kd-soften to a named pipe|fifo|kd-soften --model T --data idx:set -o fifo
kd-eval, a named pipe|fifo|kd-eval fifo
kd-correct, a named pipe|fifo|kd-correct fifo --classes 3 -o out/result
kd-quantize, a named pipe|fifo|kd-quantize fifo --calibrate idx:set -o out/result
kd-predict, a named pipe|fifo|kd-predict T fifo
kd-data, a named pipe|fifo|kd-data convert tensors:fifo --to png -o out/photos
kd-export, a named pipe|fifo|kd-export fifo --to onnx -o out/result.onnx
kd-import, a named pipe|fifo|kd-import fifo -o out/result
kd-plan, a named pipe|fifo|kd-plan fifo -o out/result
kd-show, a named pipe|fifo|kd-show fifo
kd-eval, a silent pipe|held|kd-eval -
kd-predict, a silent pipe|held|kd-predict T -
kd-import, a silent pipe|held|kd-import - -o out/result
kd-data, a silent pipe|held|kd-data inspect tensors:-
kd-eval, half a model|begun|kd-eval -
kd-eval, a flood|flood|kd-eval -
kd-predict, names without end|images|kd-predict T - -o out/result
kd-train-teacher, a busy place|busy|kd-train-teacher x.json --runs runs-busy --seed 1
kd-train-student, a busy place|busy|kd-train-student x.json --runs runs-busy --student plain
kd-eval, a busy place|busy|kd-eval T-busy --save
END
}
fail() { echo "signals: $*" >&2; exit 1; }
milliseconds() { echo $(($(date +%s%N) / 1000000)); }

# sums: a line "NAME SUM SIZE" of each file in out, "NAME folder" of hidden folders
sums() {
    (cd out && find . -type f -exec cksum {} + -o -name '.?*' -printf 'folder 0 %p\n' |
        while read -r sum size name; do echo "${name#./} $sum $size"; done)
}

# A log may have fewer of its lines, and a checkpoint stays where a training was stopped.
on_the_way() {
    case $1 in
    log.jsonl) cmp -s out/log.jsonl <(head -n "$(wc -l <out/log.jsonl)" good/log.jsonl) ;;
    checkpoint.safetensors | checkpoint.previous.safetensors)
        kd-eval "out/$1" --data idx:set:test --quiet >/dev/null ;;
    *) false ;;
    esac
}

# Of `out` and `tmp`: what is wrong, or nothing. With "killed" temporaries may be there.
wrong_files() {
    local file sum now
    now=$(sums)
    while read -r file sum; do
        [[ $'\n'$base$'\n'$good$'\n' != *$'\n'"$file $sum"$'\n'* ]] || continue
        case $file in .kd-* | */.kd-* | *.kd-lock) [ "${1:-}" != killed ] || continue ;; esac
        on_the_way "$file" || echo "$file is neither the earlier file nor the new one"
    done <<<"$now"
    while read -r file sum; do [ -e "out/$file" ] || echo "$file is gone"; done <<<"$base"
    [ "${1:-}" = killed ] || [ -z "$(ls -A tmp)" ] || echo "left in TMPDIR: $(ls -A tmp)"
}

fresh() { rm -rf out tmp; cp -r base out; mkdir tmp; }

# start: the command, with its input and all signals as they come; its id in `pid`
start() {
    local from=/dev/null
    case $input in
    held | begun | images | flood)
        [ -z "$feeder" ] || kill $feeder 2>/dev/null || true
        rm -f feed
        mkfifo feed
        feed >feed 2>/dev/null &
        feeder=$!
        from=feed ;;
    esac
    TMPDIR=tmp env --default-signal=HUP,INT,QUIT,PIPE,XCPU \
        $command --threads 1 --quiet --no-provenance >printed 2>said <"$from" &
    pid=$!
}
feed() {
    case $input in
    held) exec sleep 30 ;;
    begun) head -c 3000 T/model.safetensors; exec sleep 30 ;;
    images) exec yes "$(find png -name '*.png' | head -n 1)" ;;
    flood) head -c 3000 T/model.safetensors; exec yes ;;
    esac
}

# hit SIGNAL MS: `status`, and how long it took to end in `took`
hit() {
    local from
    fresh
    start
    # Until then the shell may still have the signal ignored, and it would be lost.
    until [[ $(cat /proc/$pid/comm 2>/dev/null) != @(bash|env) ]]; do :; done
    sleep "$(printf '%d.%03d' $(($2 / 1000)) $(($2 % 1000)))"
    from=$(milliseconds)
    kill -"$1" $pid 2>/dev/null || true
    status=0
    { wait $pid; } 2>/dev/null || status=$?
    took=$(($(milliseconds) - from))
}

# one NAME: all signals at all moments
one() {
    local row name input command base good feeder='' length=400 count=$moments
    local signal k moment try wrong n=0 through=0
    row=$(situations | grep -F "$1|")
    IFS='|' read -r name input command <<<"$row"
    mkdir "$work/$1"
    cd "$work/$1"
    ln -s ../set ../png ../soft ../T ../T.onnx ../runs ../x.json .
    cp -r ../base .
    mkfifo fifo
    base=$(fresh && sums) good=
    if [ "$input" = whole ]; then
        for try in 1 2 3; do
            fresh
            moment=$(milliseconds)
            start
            wait $pid || fail "$name: $(cat said)"
            moment=$(($(milliseconds) - moment))
            [ $try -gt 1 ] && [ $length -lt $moment ] || length=$moment
        done
        good=$(sums)
        mv out good
    fi
    [ "$input" != busy ] || occupy
    [ "$input" = whole ] || count=$(((moments + 3) / 4)) # the same at each moment
    for signal in $signals; do
        for ((k = 0; k < count; k++)); do
            moment=$(((2 * k + 1) * length / (2 * count)))
            # A machine that is busy may be slow, and more than once.
            for try in 1 2 3 4 5; do hit "$signal" $moment; [ $took -ge 2000 ] || break; done
            [ $took -lt 2000 ] || fail "$name: $signal after $moment ms: $took ms until its end"
            n=$((n + 1))
            wrong=$(wrong_files "$([ $signal != KILL ] || echo killed)")
            if [ $status -eq 0 ] && [ "$input" = whole ]; then
                through=$((through + 1))
                [ "$(sums)" = "$good" ] || wrong="$wrong; status 0 and another result"
            elif [ $status -ne $((128 + $(kill -l $signal))) ]; then
                wrong="$wrong; status $status: $(head -n 2 said)"
            fi
            [ "$(wc -l <said)" -le 1 ] || wrong="$wrong; said: $(head -n 3 said)"
            if [ $signal = KILL ] && [ "$input" = whole ]; then
                start
                wait $pid || wrong="$wrong; the next run: $(cat said)"
                [ "$(sums)" = "$good" ] || wrong="$wrong; the next run left: $(find out | xargs)"
                [ -z "$(ls -A tmp)" ] || wrong="$wrong; the next run left in TMPDIR: $(ls -A tmp)"
            fi
            [ -z "$wrong" ] || fail "$name: $signal after $moment of $length ms: $wrong"
        done
    done
    [ "$input" != busy ] || { kill -KILL $holder; wait $holder 2>/dev/null || true; }
    [ -z "$feeder" ] || kill $feeder 2>/dev/null || true
    echo "$name: $n signals, $through of them behind its end"
    echo "$n $through" >figures
}
# Another training has the place of x.json's teacher; its lock is also that of two more places.
occupy() {
    cp -r ../runs runs-busy
    kd-train-teacher x.json --set teacher.train.epochs=1000000 --runs runs-busy --seed 1 --quiet \
        --overwrite >/dev/null &
    holder=$!
    trap 'kill -KILL $holder 2>/dev/null || true' EXIT
    while ! [ -e runs-busy/x/teacher/s1/checkpoint.safetensors ]; do sleep 0.05; done
    mkdir -p runs-busy/x/students/plain/s1
    cp -r ../T T-busy
    ln -s "$PWD/runs-busy/x/teacher/s1/.kd-lock" runs-busy/x/students/plain/s1/.kd-lock
    ln -s "$PWD/runs-busy/x/teacher/s1/.kd-lock" T-busy/.eval.kd-lock
}

if [ "${1:-}" = --one ]; then
    one "$2"
    exit
fi
moments=${1:-20} signals=${SIGNALS:-HUP INT QUIT PIPE TERM XCPU KILL}
[ $# -eq 0 ] || shift
unset OPENBLAS_CORETYPE KD_DATA
env --default-signal=INT true 2>/dev/null || { echo "signals: env(1) cannot give them back" >&2
    exit 1; }
ulimit -c 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
self=$(realpath "$0")
cd "$work"
export work moments signals
kd-data convert digits:train digits:test --fraction 0.01 --to idx -o set --quiet >/dev/null
kd-data convert digits:train --fraction 0.01 --to png -o png --quiet >/dev/null
kd-train-teacher --data idx:set --layers 32 --epochs 1 --quiet --no-provenance -o T >/dev/null
kd-soften --model T --data idx:set -o soft --quiet --no-provenance >/dev/null
kd-export T --to onnx -o T.onnx --quiet >/dev/null
echo '{"data": {"source": "idx:set"}, "teacher": {"network": "mlp-8", "train": {"epochs": 3}},
    "students": {"plain": {"network": "mlp-8", "train": {"epochs": 3}},
    "kd": {"network": "mlp-8", "train": {"epochs": 3}, "distill": {"from": "teacher"}}}}' >x.json
kd-train-teacher x.json --quiet >/dev/null
kd-train-student x.json --quiet >/dev/null
kd-eval --experiment x.json --quiet >/dev/null
mkdir base
cp T/model.safetensors T/log.jsonl base
for f in result result.safetensors result.onnx; do echo earlier >base/$f; done
bad=
jobs=${JOBS:-$(getconf _NPROCESSORS_ONLN)}
{
    if [ $# -gt 0 ]; then printf '%s\n' "$@"; else situations | cut -d'|' -f1; fi
} | tr '\n' '\0' | xargs -0 -n 1 -P "$jobs" "$self" --one || bad=1
[ -z "$bad" ] || exit 1
cat */figures | awk '{ n += $1; through += $2 }
    END { printf "signals: %d in %d situations, %d of them behind the end; left behind: 0\n",
        n, NR, through }'
