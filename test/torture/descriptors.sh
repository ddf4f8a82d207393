#!/usr/bin/env bash
# Each program with every subset of descriptors 0 to 2 closed: files have the bytes that they have
# with all open, the status is 0 where descriptor 1 is open, and not 0 where a result should be
# printed and it is closed. No program hangs.
#
# usage: test/torture/descriptors.sh
set -eu
unset OPENBLAS_CORETYPE KD_DATA
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# file: into out/, the path may be printed; printed: that is the result
commands() {
    cat <<'END'
file|kd-train-teacher --data idx:set --layers 4 --epochs 1 -o out/new
file|kd-train-student --data idx:set --layers 4 --epochs 1 -S soft -o out/new
file|kd-soften --model T --data idx:set -o out/new
file|kd-eval T --data idx:set:test -o out/new
file|kd-correct T --by balanced --classes 3 --images idx:set --data idx:set -o out/new
file|kd-quantize T --calibrate idx:set -o out/new
file|kd-predict T png -o out/new
file|kd-data convert idx:set --to png -o out/new
file|kd-data convert idx:set --to tensors -o out/new
file|kd-report T --all -o out/new
file|kd-export T --to c -o out/new
file|kd-export T --to onnx -o out/new.onnx
file|kd-import T.onnx -o out/new
file|kd-plan x.json -o out/new
file|kd report T --csv -o out/new
printed|kd-train-teacher x.json --list
printed|kd-train-student x.json --list
printed|kd-soften --model T --data idx:set --show 0
printed|kd-soften --model T --data idx:set -o -
printed|kd-eval T --data idx:set:test
printed|kd-correct --help
printed|kd-quantize --version
printed|kd-predict T png
printed|kd-data inspect idx:set
printed|kd-report T
printed|kd-export T --plan
printed|kd-import --help
printed|kd-plan x.json
printed|kd-show T
printed|kd --help
END
}
fail() { echo "descriptors: $*" >&2; exit 1; }

# closed DESCRIPTORS COMMAND...: its status
closed() {
    local which=$1 status=0
    shift
    rm -rf out
    mkdir out
    (
        case $which in *0*) exec 0<&- ;; esac
        case $which in *1*) exec 1>&- ;; esac
        case $which in *2*) exec 2>&- ;; esac
        exec timeout 60 "$@" --no-provenance
    ) >printed 2>said </dev/null || status=$?
    echo "$status"
}
sums() { (cd out && find . -type f -exec cksum {} + | sort); }

kd-data convert digits:train digits:test --fraction 0.005 --to idx -o set --quiet >/dev/null
kd-data convert digits:test --fraction 0.005 --to png -o png --quiet >/dev/null
kd-train-teacher --data idx:set --layers 4 --epochs 1 --quiet --no-provenance -o T >/dev/null
kd-soften --model T --data idx:set -o soft --quiet >/dev/null
kd-export T --to onnx -o T.onnx --quiet >/dev/null
echo '{"data": {"source": "idx:set"}, "teacher": {"network": "mlp-8", "train": {"epochs": 1}},
    "students": {"plain": {"network": "mlp-8", "train": {"epochs": 1}}}}' >x.json
n=0
while IFS='|' read -r kind command; do
    wanted=
    for which in all 0 1 2 01 02 12 012; do
        # shellcheck disable=SC2086
        status=$(closed "$which" $command)
        about="$command, closed: $which: status $status: $(cat said)"
        now=$(sums)
        [ "$which" != all ] || wanted=$now
        [ "$now" = "$wanted" ] || fail "$about: other files"
        [ "$kind" != file ] || [ -n "$now" ] || fail "$about: no file"
        case $which in
        *1*) [ "$status" -eq 1 ] || { [ "$kind" = file ] && [ "$status" -eq 0 ]; } ;;
        *) [ "$status" -eq 0 ] ;;
        esac || fail "$about"
        n=$((n + 1))
    done
done < <(commands)
echo "descriptors closed: $n runs of $(commands | wc -l) commands"
