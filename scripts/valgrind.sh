#!/usr/bin/env bash
# What `make valgrind` does: one whole small run of each program under valgrind; no error and no
# block lost, or it fails.
# BIN: folder of the programs. KD_CPU=plain: valgrind knows no AVX-512.
set -eu
command -v valgrind >/dev/null || {
    echo "valgrind is missing; apt-get install -y valgrind" >&2; exit 1
}
export KD_CPU=plain OPENBLAS_CORETYPE=Haswell
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
checked() {
    local program=$1
    shift
    valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite \
        --errors-for-leak-kinds=definite \
        "$BIN/$program" "$@" --quiet >out 2>err && ! grep -q '^==' err || {
            cat err >&2; echo "valgrind: $program failed" >&2; exit 1
        }
    echo "$program: clean"
}
cat >x.json <<'J'
{"name": "x", "seeds": 1, "data": {"source": "idx:set", "validation": 10},
 "teacher": {"network": [{"kind": "conv2d", "filters": 4, "kernel": 3, "stride": 3}, "batchnorm",
     "relu", "flatten", {"kind": "dense"}],
             "train": {"epochs": 2, "batch": 16, "augment": {"shift": 1}}},
 "students": {"kd": {"network": "mlp-8", "train": {"epochs": 2, "batch": 16},
     "distill": {"from": "teacher", "fixed_teacher": true}}}}
J
checked kd-data convert digits:train digits:test --fraction 0.005 --to idx -o set --threads 2
checked kd-train-teacher x.json --threads 2
checked kd-soften x.json --threads 2
checked kd-train-student x.json --threads 2
checked kd-eval --experiment x.json --threads 2
checked kd-correct runs/x/students/kd/s1 --by balanced --classes 3 --images idx:set -o corrected \
    --threads 2
checked kd-quantize runs/x/teacher/s1 -o quantised --threads 2
checked kd-report runs/x
valgrind --quiet --error-exitcode=9 "$BIN/kd" >/dev/null
echo "kd: clean"
