#!/usr/bin/env bats
# Teachers that no file holds: the running average of the student, a second student of the same
# training, the labels. distill.from = average, peer, labels.
bats_require_minimum_version 1.5.0
load small.bash

setup_file() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_FILE_TMPDIR"
    small_set
    cat >own.json <<'END'
{"name": "own", "seeds": 2, "data": {"source": "idx:set", "validation": 40},
 "teacher": {"network": "mlp-12", "train": {"epochs": 2}},
 "defaults": {"network": "mlp-8", "train": {"epochs": 2, "batch": 50}},
 "students": {
   "assistant": {"network": "mlp-10", "distill": {"from": "teacher"}},
   "second": {"distill": {"from": "assistant"}},
   "virtual": {"distill": {"from": "labels", "temperature": 1, "alpha": 0.5}},
   "mean": {"train": {"ema": {"decay": 0.9}}, "distill": {"from": "average", "loss": "mse"}},
   "mutual": {"distill": {"from": "peer", "temperature": 1, "weight": 1, "label_weight": 1},
              "sweep": {"distill.peer": ["mlp-8", "mlp-6"]}}}}
END
}
setup() { cd "$BATS_FILE_TMPDIR"; }

@test "they are listed, planned and worked off as any student, and reported" {
    run kd-train-student own.json --list
    [ "$status" -eq 0 ]
    [ "$(grep -c '^--student mean ' <<<"$output")" -eq 2 ]
    [ "$(grep -c 'mutual,peer=' <<<"$output")" -eq 4 ]
    run kd-train-student own.json --list --ready # those whose teachers are there: all but two
    [ "$(grep -c -e assistant -e second <<<"$output")" -eq 0 ]
    [ "$(wc -l <<<"$output")" -eq 8 ]
    kd-plan own.json >plan
    grep -q mutual plan
    KD_DATA=. "$BATS_TEST_DIRNAME/../../scripts/run_all.sh" own.json >out 2>&1
    kd-report runs/own --csv --columns name,top1 >table
    for name in assistant second virtual mean mutual; do grep -q "$name" table; done
    [ "$(ls runs/own/students/mutual,peer=mlp-8/s1/)" = "$(printf '%s\n' eval.json log.jsonl \
        logits.safetensors model.safetensors peer.safetensors)" ]
}

@test "run_all.sh starts a process for each training, so many at once" {
    mkdir -p home/bin home/scripts
    cp "$BATS_TEST_DIRNAME"/../../scripts/run_all.sh home/scripts
    printf '#!/bin/sh\n' >home/scripts/setup.sh
    chmod +x home/scripts/setup.sh
    echo 'all:' >home/Makefile
    ln -s "$BIN"/kd-* home/bin
    rm home/bin/kd-train-student
    cat >home/bin/kd-train-student <<SH
#!/bin/sh
echo "\$*" >>calls
exec "$BIN/kd-train-student" "\$@"
SH
    chmod +x home/bin/kd-train-student
    jq '.name = "each" | .students = {one: {}, two: {}} | .defaults.train.epochs = 1' own.json \
        >each.json
    JOBS=2 home/scripts/run_all.sh each.json >out 2>&1
    grep -v -- --list calls >each
    for task in one two; do
        for seed in 1 2; do
            [ "$(grep -c -- "--threads [0-9]* --student $task --seed $seed\$" each)" -eq 1 ]
        done
    done
    [ "$(wc -l <each)" -eq 4 ]
}

@test "a second student is a model of its own, of its own network" {
    kd-train-student -d idx:set --layers 8 --from peer --peer mlp-6-5 -e 3 -q --no-provenance -o m \
        >/dev/null
    [ "$(kd-eval m/peer.safetensors -d idx:set --json | jq .parameters)" -eq \
        $((785 * 6 + 7 * 5 + 6 * 10)) ]
    kd-train-student -d idx:set --layers 8 -e 3 -q --no-provenance -o alone >/dev/null
    [ "$(kd-eval alone --json | jq .fingerprint)" != "$(kd-eval m --json | jq .fingerprint)" ]
    kd-train-student -d idx:set --layers 8 --from peer -e 1 -q -o x.safetensors >/dev/null
    [ -s x.peer.safetensors ]
    kd-train-student -d idx:set --layers 8 --from peer -e 1 -q -o - >piped
    [ -s piped ]
}

@test "refused, with a word on what goes with what" {
    student() { kd-train-student -d idx:set --layers 8 -o kept "$@"; }
    refused 2 "train.ema" "--ema-decay" -- student --from average
    refused 2 "train.shards" "set it to 1" -- student --from peer --shards 2
    refused 2 "distill.peer" "--from peer" -- student --from labels --peer mlp-4
    refused 2 "distill.peer" "mlp-x" -- student --from peer --peer mlp-x
    refused 2 "--peer is for soft targets" -- student --peer mlp-4
    refused 2 "--certainty" -- student --certainty 0.5
}

@test "a student called average or peer is meant before those" {
    cat >named.json <<'END'
{"name": "named", "seeds": 1, "data": {"source": "idx:set"},
 "students": {"average": {"network": "mlp-4", "train": {"epochs": 1}},
              "next": {"network": "mlp-4", "train": {"epochs": 1}, "distill": {"from": "average"}}}}
END
    kd-train-student named.json -q >/dev/null
    [ "$(meta runs/named/students/next/s1/model.safetensors kd.parents)" = \
        "[$(kd-eval runs/named/students/average/s1 -d idx:set --json | jq .fingerprint)]" ]
}
