#!/usr/bin/env bats
# Training and softening while allocations and system calls fail, one at a time: exit 1 with one line, nothing half
# written, what was there before unchanged. A sample of the calls; test_torture does the base storey whole.
bats_require_minimum_version 1.5.0

setup() {
    unset OPENBLAS_CORETYPE
    fail=$(cd "$BATS_TEST_DIRNAME/../.." && realpath "${UNIT_DIR:-build/release-cc/unit}/../torture/fail.so" 2>/dev/null || true)
    [ -e "$fail" ] || skip "no preloaded library in this mode"
    cd "$BATS_TEST_TMPDIR"
    export PATH="$KD_BIN:$PATH"
    kd-data convert -q --fraction 0.01 digits:train -o d.safetensors >/dev/null
    cat >x.json <<'JSON'
{"name": "x", "data": {"source": "tensors:d.safetensors", "validation": 20},
 "teacher": {"network": ["flatten", {"kind": "dense", "units": 8}, "batchnorm", "gelu", {"kind": "dense"}],
             "train": {"epochs": 2, "batch": 40, "checkpoint_every": "2steps"}},
 "soften": {"temperature": [1, 4], "probabilities": true},
 "students": {"s": {"network": "mlp-4", "train": {"epochs": 2, "batch": 40}, "sweep": {"distill.temperature": [1, 4]}}}}
JSON
    kd-train-teacher -q x.json >/dev/null
    kd-soften -q x.json >/dev/null
}

# torture KIND STEP PROGRAM ARGUMENT...: every STEP'th call of the kind fails, until there is none left. The old
# output is what `keep` was made of.
torture() {
    local kind=$1 step=$2 n=$3 fired status
    shift 3
    local failures=0
    cp keep out.safetensors
    while :; do
        rm -f log
        status=0
        KD_FAIL=$kind:$n KD_FAIL_LOG=log LD_PRELOAD=$fail "$@" -q --threads 1 -o out.safetensors >out 2>err || status=$?
        grep -q 'fired 1' log || break
        if [ "$status" -eq 0 ]; then # got by without it: then the result is whole
            cmp out.safetensors keep || { echo "$kind $n of $1: exit 0, another result" >&2; return 1; }
        else
            failures=$((failures + 1))
            [ "$status" -eq 1 ] && [ "$(wc -l <err)" -eq 1 ] && grep -q "^$1: .........." err ||
                { echo "$kind $n of $1: status $status, $(cat err)" >&2; return 1; }
            cmp out.safetensors keep || { echo "$kind $n of $1: the old file changed" >&2; return 1; }
        fi
        [ -z "$(find . -name '.*.tmp*' -o -name '*.tmp*')" ] || { echo "$kind $n of $1: a temporary is left" >&2; return 1; }
        n=$((n + step))
    done
    [ "$failures" -ge 1 ]
}

@test "kd-train-teacher" {
    t=(kd-train-teacher x.json --no-provenance)
    "${t[@]}" -q -o keep.safetensors >/dev/null && mv keep.safetensors keep
    torture alloc 149 2 "${t[@]}"
    torture write 23 3 "${t[@]}"
    torture open 1 1 "${t[@]}"
    torture rename 1 1 "${t[@]}"
}

@test "kd-soften" {
    t=(kd-soften x.json --no-provenance)
    "${t[@]}" -q -o keep.safetensors >/dev/null && mv keep.safetensors keep
    torture alloc 41 3 "${t[@]}"
    torture write 1 1 "${t[@]}"
    torture read 1 1 "${t[@]}"
}

@test "kd-train-student" {
    t=(kd-train-student x.json --student s,temperature=4 --no-provenance)
    "${t[@]}" -q -o keep.safetensors >/dev/null && mv keep.safetensors keep
    torture alloc 127 5 "${t[@]}"
    torture read 1 1 "${t[@]}"
}
