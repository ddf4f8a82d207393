#!/usr/bin/env bats
# Teacher, soft targets, student and evaluation together: through pipes, in every form of the
# images, bit for bit.
bats_require_minimum_version 1.5.0
load small.bash

setup_file() {
    unset OPENBLAS_CORETYPE
    cd "$BATS_FILE_TMPDIR"
    small_set
    kd-train-teacher --data idx:set --layers 16 --epochs 2 --quiet -o T >/dev/null
    kd-soften --model T --data idx:set --quiet -o soft.safetensors >/dev/null
}
setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    fixtures=$BATS_TEST_DIRNAME/../fixtures/tensorfiles
    cd "$BATS_TEST_TMPDIR"
    for f in set T soft.safetensors; do ln -s "$BATS_FILE_TMPDIR/$f" .; done
}
student() { kd-train-student --data idx:set --layers 8 --epochs 1 --quiet --no-provenance "$@"; }

@test "one pipeline, no file in between, prints one line of JSON with all keys" {
    mkdir elsewhere && cd elsewhere
    kd-soften --model ../T/model.safetensors --data idx:../set:train -o - 2>/dev/null |
        kd-train-student --soft-targets - --data idx:../set --layers 128 --epochs 5 -o \
        - 2>/dev/null |
        kd-eval - --data idx:../set:test --json >../line
    [ -z "$(ls -A)" ]
    [ "$(wc -l <../line)" -eq 1 ]
    jq -e '[has("model", "data", "split", "n", "parameters", "macs", "top1", "top5", "errors",
        "nll", "ece", "agreement")]
        | all' ../line
    jq -e '.split == "test" and .n == 100 and .parameters == 101770 and .macs == 101632
        and .errors == (100 - 100 * .top1 | round) and .agreement == null' ../line
}

@test "each stage of the pipeline passes a failure on" {
    student -o - </dev/null >m
    kd-eval - --data idx:set:test --json <m | jq -e '.n == 100'
    refused 1 "standard input" "no safetensors data received" -- kd-eval - --data idx:set:test \
        </dev/null
    head -c 20000 m >part
    refused 1 "standard input: cut short: $(wc -c <m) bytes expected, 20000 received" -- \
        kd-eval - --data idx:set:test <part
    head -c 9000 soft.safetensors >part
    refused 1 "standard input: cut short: $(wc \
        -c <soft.safetensors) bytes expected, 9000 received" -- \
        kd-train-student -S - --data idx:set --layers 4 -o kept/m.safetensors <part
    head -c 100 soft.safetensors >part
    refused 1 "(the header), 100 received" -- kd-train-student -S - --data idx:set --layers 4 -o \
        - <part
}

@test "logits made by NumPy train a student with --force, as a file and through a pipe" {
    [ "$(head -c 6 "$fixtures/logits.npy" | tail -c 5)" = NUMPY ]
    refused 1 "logits.npy: it does not say which images it was made for" "--force" -- \
        student -S "$fixtures/logits.npy" -o kept/m.safetensors
    student -S "$fixtures/logits.npy" --force -o npy.safetensors
    [ "$(meta npy.safetensors kd.parents)" = "[]" ]
    jq -es '.[0].train.soft > 0 and .[0].train.hard > 0' npy.log.jsonl
    student -S - --force -o pipe.safetensors <"$fixtures/logits.npy"
    cmp npy.safetensors pipe.safetensors
    student -o plain.safetensors
    run cmp npy.safetensors plain.safetensors
    [ "$status" -eq 1 ]
    refused 1 "240 rows; expected [100, classes]" -- \
        student --data idx:set:test -S "$fixtures/logits.npy" --force -o kept/m.safetensors
}

@test "soft targets of another split are refused: names and counts first, fingerprints last" {
    train=$(kd-data inspect idx:set:train --json | jq -r .pixels)
    test=$(kd-data inspect idx:set:test --json | jq -r .pixels)
    refused 1 "soft.safetensors: made for another split: idx:set:train, 240 images of 1x28x28 in \
10 classes, but the student trains on idx:set:test, 100 images of 1x28x28 in 10 classes; make " -- \
        student --data idx:set:test -S soft.safetensors -o kept/m.safetensors
    [[ "$stderr" == *" (pixel fingerprints $train and $test)" ]]
    refused 1 "$train" "$test" -- student --data idx:set:test -S soft.safetensors --force \
        -o kept/m.safetensors
}

@test "soft targets are refused when one pixel has changed, with both fingerprints" {
    cp -rL set other
    byte=$(od -An -tu1 -j 100000 -N1 other/train-images-idx3-ubyte)
    printf "\\x$(printf %02x $(((byte + 1) % 256)))" | dd of=other/train-images-idx3-ubyte bs=1 \
        seek=100000 conv=notrunc status=none
    now=$(kd-data inspect idx:other --json | jq -r .pixels)
    was=$(kd-data inspect idx:set --json | jq -r .pixels)
    [ "$now" != "$was" ]
    refused 1 "made for other pixels: idx:set:train, " \
        "but the student trains on idx:other:train, " -- \
        student --data idx:other -S soft.safetensors -o kept/m.safetensors
    [[ "$stderr" == *" (pixel fingerprints $was and $now)" ]]
}

@test "soft targets of the same images with other labels: refused where labels count" {
    cp -rL set other
    printf '\0' | dd of=other/train-labels-idx1-ubyte bs=1 seek=20 conv=notrunc status=none
    printf '\1' | dd of=other/train-labels-idx1-ubyte bs=1 seek=21 conv=notrunc status=none
    refused 1 "when idx:set:train, 240 images of 1x28x28 in 10 classes had other labels" \
        "--force" -- student --data idx:other -S soft.safetensors -o kept/m.safetensors
    [[ "$stderr" =~ \(label\ fingerprints\ [0-9a-f]+\ and\ [0-9a-f]+\)$ ]]
    student --data idx:other -S soft.safetensors --force -o forced.safetensors
    student --data idx:other -S soft.safetensors --unlabelled --alpha 1 -o alone.safetensors
}

@test "the same images as IDX, PNG and tensors: taken for each other, the same student" {
    kd-data convert idx:set:train --by-class --to idx -o byclass --quiet
    kd-data convert idx:byclass --to png -o png --quiet
    kd-data convert idx:byclass --to tensors -o set.safetensors --quiet
    forms="idx:byclass png:png tensors:set.safetensors"
    for made in $forms; do
        kd-soften --model T --data "$made" --quiet --no-provenance -o "soft-${made%%:*}"
        for used in $forms; do
            student --data "$used" -S "soft-${made%%:*}" -o "m-${made%%:*}-${used%%:*}"
        done
    done
    fingerprints=$(for m in m-*; do kd-eval "$m" --data idx:set:test --json |
        jq -r .fingerprint; done | sort -u)
    [ "$(ls -d m-* | wc -l)" -eq 9 ]
    [ "$(wc -w <<<"$fingerprints")" -eq 1 ]
}

@test "the same seed gives the same bytes with 1 and 2 threads; another seed gives others" {
    kd-data convert digits:train digits:test --fraction 0.1 --to idx -o larger --quiet
    for threads in 1 2; do
        kd-train-teacher --data idx:larger --layers 200,100 --shift 1 --epochs 2 --validation 100 \
            --no-provenance --quiet \
            --threads $threads -o "t$threads"
        kd-soften --model "t$threads" --data idx:larger --no-provenance --quiet --threads $threads \
            -o "s$threads"
        kd-train-student --data idx:larger --layers 80 --epochs 2 -S "s$threads" \
            --no-provenance --quiet \
            --threads $threads -o "k$threads"
    done
    for f in t s k; do
        run diff -r "$f"1 "$f"2
        [ "$status" -eq 0 ]
    done
    kd-train-student --data idx:larger --layers 80 --epochs 2 -S s1 --no-provenance --quiet \
        --seed 2 -o k3
    run cmp k1/model.safetensors k3/model.safetensors
    [ "$status" -eq 1 ]
    [ "$(kd-eval k1 --json | jq .nll)" != "$(kd-eval k3 --json | jq .nll)" ]
}

@test "--teacher on the spot and its soft targets from a file give the same student" {
    student --teacher T -o a.safetensors
    student -S soft.safetensors -o b.safetensors
    [ "$(kd-eval a.safetensors --json | jq -r .fingerprint)" = \
        "$(kd-eval b.safetensors --json | jq -r .fingerprint)" ]
    [ "$(meta a.safetensors kd.parents)" = "[\"$(kd-eval T --json | jq -r .fingerprint)\"]" ]
}

@test "eight trainings at once in one folder tree give the bytes of one after another" {
    cat >x.json <<'J'
{"name": "x", "seeds": 4, "data": {"source": "idx:set", "validation": 40},
 "teacher": {"network": "mlp-8", "train": {"epochs": 1}},
 "students": {"plain": {"network": "mlp-4", "train": {"epochs": 3, "checkpoint_every": "1steps"}},
              "kd": {"network": "mlp-4", "train": {"epochs": 3, "checkpoint_every": "1steps"},
                  "distill": {"from": "teacher"}}}}
J
    once="--quiet --no-provenance --threads 1"
    kd-train-teacher x.json $once
    kd-soften x.json $once
    cp -r runs alone
    kd-train-student x.json $once --runs alone >/dev/null
    kd-train-student x.json --list --ready >list
    [ "$(wc -l <list)" -eq 8 ]
    xargs -P 8 -L 1 kd-train-student x.json $once <list
    diff -r alone/x runs/x
}
