#!/usr/bin/env bats
# One more of each kind: what test/additions has is put into a copy of kd, which is built and tried.
# A kind is a source file, a line in a list, a section of the manual, and its test here.
bats_require_minimum_version 1.5.0

# put FILE NUMBER: standard input, behind that line of FILE
put() {
    cat >added
    sed "$2r added" "$1" >one-more
    cat one-more >"$1"
}
# at FILE PATTERN: the number of the only line that matches
at() {
    [ "$(grep -c -- "$2" "$1")" -eq 1 ] || { echo "$1: not one line matches $2" >&2; return 1; }
    grep -n -- "$2" "$1" | cut -d : -f 1
}
# line FILE PATTERN LINE: one line, behind the one that matches
line() { echo "$3" | put "$1" "$(at "$1" "$2")"; }
# manual PAGE PATTERN SECTION: a file, before the line that matches
manual() { put "$1" "$(($(at "$1" "$2") - 1))" <"$3"; }

# Made once for all tests, since building takes longest.
setup_file() {
    unset MAKEFLAGS MAKELEVEL MFLAGS OPENBLAS_CORETYPE
    top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    [ "$KD_BIN" = "$top/bin" ] || return 0
    export COPY=$BATS_FILE_TMPDIR/kd HERE=$top/test/additions
    out=build/release-$(basename "${CC:-cc}")
    mkdir -p "$COPY/$out"
    cp -Rp "$top"/{Makefile,VERSION,cmd,include,lib,scripts,configs,bin} "$COPY"
    mkdir "$COPY/test"
    cp -Rp "$top/$out"/{cmd,lib,plain,flags,libkd.a,libkdreport.a} "$COPY/$out"
    for isa in avx2 avx512; do
        [ ! -d "$top/$out/$isa" ] || cp -Rp "$top/$out/$isa" "$COPY/$out"
    done
    cd "$COPY"

    cp "$HERE/source/stripes.c" lib/data/
    line lib/data/sources.h '^#define KD_SOURCES(X)' '    X(stripes) \'
    manual cmd/kd-data.1 '^.BI idx: DIR$' "$HERE/source/manual"

    cp "$HERE/loss/huber.c" lib/train/loss/
    line lib/train/loss/list.c '^#define LOSSES(X)' '    X(huber) \'
    manual cmd/kd-formats.5 '^.B ttm$' "$HERE/loss/manual"

    cp "$HERE/features/direction.c" lib/train/loss/
    line lib/train/loss/list.c '^    X(huber)' '    X(direction) \'
    manual cmd/kd-formats.5 '^.B simkd$' "$HERE/features/manual"

    cp "$HERE/layer/layer_clip.c" lib/nn/
    line lib/nn/layers.h '^#define KD_LAYER_KINDS(X)' '    X(clip) \'
    manual cmd/kd-formats.5 '^scale|by|' "$HERE/layer/manual"

    cp "$HERE/chart/tally.c" lib/report/charts/
    line lib/report/charts/chart.h '^#define KD_CHART_KINDS(X)' '    X(tally) \'
    manual cmd/kd-report.1 '^.B misclassified$' "$HERE/chart/manual"

    # an option: the field, the row, the use
    line cmd/kd-eval.c '^struct options {' '    char *motto;'
    line cmd/kd-eval.c '^static const struct kd_option rows' \
        '    {"motto", 0, NULL, KD_OPT_TEXT, O(motto), .metavar = "TEXT", .help = "said first"},'
    line cmd/kd-eval.c '^    int status = check(inv, err);' \
        '    if (status == 0 && w.o->motto) kd_say(inv, "%s", w.o->motto);'

    make -s -j2 all KD_SETUP=no >log 2>&1 || { cat log >&2; return 1; }
    if grep -q warning log; then cat log >&2; return 1; fi
}
setup() {
    [ -n "${COPY:-}" ] || skip "the release build is added to"
    unset OPENBLAS_CORETYPE KD_DATA
    PATH=$COPY/bin:$PATH
    cd "$BATS_TEST_TMPDIR"
}

@test "a data source: inspected, trained on, named where sources are listed" {
    kd-data inspect stripes:train --json >facts
    jq -e '.n == 40 and .classes == 2' facts
    kd-train-teacher --data stripes --layers 16 --epochs 40 --batch 4 --quiet -o m >/dev/null
    [ "$(kd-eval m --data stripes:train --json | jq .errors)" -le 4 ]
    run --separate-stderr kd-data inspect stripe:train
    [ "$status" -eq 2 ]
    [[ "$stderr" == *'stripes'* ]]
}

@test "a loss: trained with, logged under its name, its parameter counts, is checked and saved" {
    kd-train-teacher --data digits --fraction 0.05 --layers 16 --epochs 3 -q -o T >/dev/null
    student() {
        kd-train-student --data digits --fraction 0.05 --layers 8 --epochs 4 -q --teacher T \
            --no-provenance "$@" >/dev/null
    }
    kd-train-student --loss '?' | grep -A1 '^huber' | grep -q 'Huber 1964\|linear beyond a bend'
    student --loss huber -o one
    jq -es 'all(.train.terms.huber > 0) and .[0].train.terms.huber > .[3].train.terms.huber' \
        one/log.jsonl
    student --loss '{"kind": "huber", "bend": 1}' -o same
    cmp one/model.safetensors same/model.safetensors
    student --loss '{"kind": "huber", "bend": 0.1}' -o other
    run ! cmp one/model.safetensors other/model.safetensors
    run --separate-stderr kd-train-student --data digits --teacher T \
        --loss '{"kind": "huber", "bent": 1}' -o no
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"bent"*"bend"* ]]
}

@test "a layer: trained, its value held, its gradient stopped where it is, its key checked" {
    # behind the last dense layer it is what kd-soften prints: no logit is beyond the limit
    net='["flatten", {"kind": "dense", "units": 16}, "relu", "dense", {"kind": "clip",
        "limit": 0.5}]'
    kd-train-teacher --data digits --fraction 0.05 --epochs 3 --network "$net" -q -o m >/dev/null
    kd-soften --model m --data digits:test --show 1 --json -q >shown
    jq -e '[.. | .logits? // empty | .[]?] | length == 10 and all(fabs <= 0.5) and any(fabs ==
        0.5)' \
        shown
    head -1 m/log.jsonl | jq '.train.loss' >first
    tail -1 m/log.jsonl | jq --slurpfile first first -e '.train.loss < $first[0]'
    run --separate-stderr kd-train-teacher --data digits --network '["flatten", "dense",
        {"kind": "clip", "limits": 1}]' -o n
    [ "$status" -eq 2 ]
    [[ "$stderr" == *'did you mean limit?'* ]]
    # all is clipped: nothing can be learnt any more, so the gradient is that of the clipped form
    kd-train-teacher --data digits --fraction 0.05 --epochs 2 --validation 0 -q -o z --network \
        '["flatten", "dense", {"kind": "scale", "by": 1e6}, {"kind": "clip", "limit": 0.001}]' \
        >/dev/null
    jq -es 'length == 2 and .[0].train_eval.loss == .[1].train_eval.loss' z/log.jsonl
}

@test "a loss on layers: by name and by depth, with what learns along, from stored ones too" {
    kd-train-student --loss '?' | grep -A 4 '^direction' | grep -q 'compares layers'
    student() { kd-train-student --data digits --fraction 0.05 --layers 8 --quiet "$@"; }
    kd-train-teacher --data digits --fraction 0.05 --layers 16,12 --epochs 4 -q -o t >/dev/null
    student --teacher t --loss direction --epochs 6 --label-weight 0 -o d
    jq -es 'all(.[]; .train.terms.direction == .train.loss) and
        .[5].train.loss < 0.8 * .[0].train.loss' d/log.jsonl
    student --teacher t --loss '{"kind": "direction", "teacher": "2"}' --epochs 1 -o named
    student --teacher t --loss '{"kind": "direction", "teacher": 0.5}' --epochs 1 -o half
    [ "$(jq .train.soft named/log.jsonl)" = "$(jq .train.soft half/log.jsonl)" ]
    kd-soften -m t --data digits:train --features features -q -o soft >/dev/null
    student -S soft --loss direction --epochs 6 --label-weight 0 -o stored
    paste <(jq .train.loss stored/log.jsonl) <(jq .train.loss d/log.jsonl) |
        awk '{ if (($1 - $2) ^ 2 > 1e-12 * $1 ^ 2) exit 1 }'
    run --separate-stderr student --teacher t --loss directions -o x
    [[ "$stderr" == *'did you mean "direction"'* ]]
}

@test "a loss: listed, learnt by, logged, swept, its parameter checked" {
    kd-train-student --loss '?' | grep -A 3 '^huber' | grep -q 'bend: .*default 1'
    student() { kd-train-student --data digits --fraction 0.05 --layers 8 --quiet "$@"; }
    kd-train-teacher --data digits --fraction 0.05 --layers 16 --epochs 4 -q -o t >/dev/null
    student --teacher t --loss '{"kind": "huber", "bend": 2}' --epochs 6 -o h
    # its weight is 1, that of the labels 0, and it falls
    jq -es 'all(.[]; .train.loss == .train.terms.huber) and
        .[5].train.loss < 0.8 * .[0].train.loss' h/log.jsonl
    run --separate-stderr student --teacher t --loss '{"kind": "huber", "bent": 2}' -o x
    [ "$status" -eq 2 ]
    [[ "$stderr" == *'did you mean bend?'* ]]
    run --separate-stderr student --teacher t --loss huber -T 4 -o x
    [[ "$stderr" == *'huber has no temperature'* ]]
    cat >x.json <<'JSON'
{"data": {"source": "digits", "fraction": 0.05}, "teacher": {"network": "mlp-9"},
 "students": {"s": {"network": "mlp-4", "distill": {"from": "teacher", "loss": {"kind": "huber"}},
   "sweep": {"distill.loss.bend": [1, 2]}}}}
JSON
    [ "$(kd-train-student x.json --list | wc -l)" -eq 2 ]
}

@test "a chart: written with the others, and on the page" {
    "$BATS_TEST_DIRNAME/../fixtures/make_run.sh" run 2 "1 2 3" 4 30
    kd-report run --charts -o charts >/dev/null
    [ "$(grep -o '<circle' charts/tally.svg | wc -l)" -eq 9 ] # 3 models of 3 seeds
    grep -q '>Models of each name<' charts/tally.svg
    kd-report run --page -o page.html >/dev/null
    grep -q 'Models of each name' page.html
}

@test "the sections of the manual are there" {
    grep -qx '.B stripes' "$COPY/cmd/kd-data.1"
    grep -qx '.B tally' "$COPY/cmd/kd-report.1"
    grep -q '^clip|limit|' "$COPY/cmd/kd-formats.5"
    grep -qx '.B huber' "$COPY/cmd/kd-formats.5"
}

@test "an option: parsed, told by --help, near enough to be suggested" {
    kd-eval --help | grep -A1 -e '--motto TEXT' | grep -q 'said first'
    kd-train-teacher --data digits --fraction 0.02 --layers 4 --epochs 1 -q -o m >/dev/null
    kd-eval m --data digits:test --motto "quick and small" 2>said
    grep -qx 'kd-eval: quick and small' said
    run --separate-stderr kd-eval m --moto x
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"did you mean --motto?"* ]]
}
