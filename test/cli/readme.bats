#!/usr/bin/env bats
# Every sh block of README.md, in order, pasted into a shell at the top of a checkout.
bats_require_minimum_version 1.5.0

setup_file() {
    top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    export CHECKOUT=$BATS_FILE_TMPDIR/kd
    mkdir "$CHECKOUT"
    for f in "$top"/* ; do
        case ${f##*/} in runs | data | photos | my) ;; *) ln -s "$f" "$CHECKOUT/" ;; esac
    done
    # one file a block
    awk -v dir="$CHECKOUT" \
        '/^```sh$/ {n++; on=1; next} /^```$/ {on=0}
        on {print > sprintf("%s/block-%02d.sh", dir, n)}' \
        "$top/README.md"
}

@test "every sh block of README runs" {
    [ "$KD_BIN" = "$(cd "$BATS_TEST_DIRNAME/../.." && pwd)/bin" ] ||
        skip "README is tried with the release build"
    cd "$CHECKOUT"
    [ -e block-04.sh ]
    cat block-*.sh >all.sh # one shell for all: what is exported in one serves the next
    sh -eu all.sh
    # what the ten jobs promise
    [ -s runs/quick/model.safetensors ]
    [ "$(head -n 1 runs/digits.csv | cut -d, -f1-2)" != "" ]
    [ -s runs/digits/report/learning-curves.png ]
    # the pipe from pictures to C
    runs/own/firmware/selftest | grep -q "8 images, 0 logits wrong"
}

@test "README is short, and its experiment is one" {
    [ "$(wc -l <"$CHECKOUT/README.md")" -le 180 ]
    cd "$BATS_TEST_TMPDIR"
    sed -n '/^```json$/,/^```$/p' "$CHECKOUT/README.md" | sed '1d;$d' >mine.json
    kd-data convert digits:train digits:test --fraction 0.02 --to jpeg --vary 0.4 \
        -o runs/own/photos --quiet
    run kd-train-student mine.json --list
    echo "$output"
    [ "$status" -eq 0 ]
    [ "${#lines[@]}" -eq 9 ] # three seeds of plain and two temperatures
}

@test "every file that the documents link to is there" {
    cd "$CHECKOUT"
    for page in *.md configs/*.md lib/*.md test/*.md test/bench/*.md; do
        grep -o ']([^)]*)' "$page" | tr -d ']()' | grep -v '^http' | while read -r link; do
            [ -e "$(dirname "$page")/${link%%#*}" ] || { echo "$page: $link is not there"; exit 1; }
        done
    done
}

@test "the PyTorch example of kd-formats(5) names the layers that kd writes" {
    cd "$CHECKOUT"
    [ -e runs/digits/students/kd/s1/model.safetensors ] || skip "README's blocks were not run"
    names=$(tail -c +9 runs/digits/students/kd/s1/model.safetensors | head -c 20000 | tr -d '\0' |
        grep -ao '"[13]\.[a-z]*":' | sort -u | tr -d '\n')
    [ "$names" = '"1.bias":"1.weight":"3.bias":"3.weight":' ]
    grep -q '^path = "runs/digits/students/kd/s1/model.safetensors"$' cmd/kd-formats.5
    grep -q 'torch.nn.Linear(784, 50), torch.nn.ReLU(), torch.nn.Linear(50, 10)' cmd/kd-formats.5
}
