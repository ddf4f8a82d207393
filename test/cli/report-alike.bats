#!/usr/bin/env bats
# kd-report: figures stand side by side where they were measured alike, and claim no more than they
# can.
bats_require_minimum_version 1.5.0
load small.bash

setup_file() {
    export RUN=$BATS_FILE_TMPDIR/digits
    "$BATS_TEST_DIRNAME/../fixtures/make_run.sh" "$RUN" 6 "1 2 3" "4" "800"
    # as kd-eval writes it now: of which images and labels
    for f in "$RUN"/*/s?/eval.json "$RUN"/students/*/s?/eval.json; do
        sed -i 's/}$/,"images":"aa11","labels":"bb22"}/' "$f"
    done
}
setup() {
    unset OPENBLAS_CORETYPE
    cd "$BATS_TEST_TMPDIR"
    cp -r "$RUN" x
}
notes() { kd-report x --json | jq -r '.notes[]'; }
column() { kd-report x --json | jq -c "[.seeds[] | select(.name == \"$1\") | .$2]"; }

@test "alike, there is nothing to say" {
    [ -z "$(notes)" ]
    [ "$(column plain top1 | jq 'map(select(. != null)) | length')" -eq 3 ]
}

@test "an evaluation on other images, other labels or mirrored copies is left out and named" {
    f=x/students/plain/s2/eval.json
    cp "$f" line
    for change in 's/"images":"aa11"/"images":"cc33"/' 's/"labels":"bb22"/"labels":"cc33"/' \
        's/}$/,"tta":"mirror"}/' 's/"n":10000/"n":1000/'; do
        sed "$change" line >"$f"
        [[ "$(notes)" == \
            *"evaluated on other test images, or otherwise, than the rest"*"plain s2 (digits"* ]]
        [ "$(column plain top1 | jq '.[1]')" = null ]
        [ "$(column plain top1 | jq '.[0]')" != null ]
        [[ "$(notes)" != *"not evaluated"* ]]
        # gap and differences do without it
        [ "$(kd-report x --json | jq '.differences[0].pairs')" -eq 2 ]
    done
    [[ "$(notes)" == *"plain s2 (digits, 1000 images)"* ]]
    sed 's/}$/,"tta":"mirror"}/' line >"$f"
    [[ "$(notes)" == *"plain s2 (digits, 10000 images, mirror)"* ]]
    # beside one that is like the rest's it changes nothing, whichever comes last
    sed 's/"images":"aa11"/"images":"cc33"/; s/"top1":[0-9.]*/"top1":0.5/' line >other
    for order in "line other" "other line"; do
        cat $order >"$f"
        [ "$(column plain top1 | jq '.[1]')" = "$(jq .top1 line)" ]
    done
}

@test "what most models were measured on counts, and a run is not judged by another" {
    cp -r x y
    sed -i 's/"aa11"/"dd44"/' y/*/s?/eval.json y/students/*/s?/eval.json
    [ "$(kd-report x y --json | jq '.notes | length')" -eq 0 ]
    # most of the students moved on: the teacher did not
    sed -i 's/"aa11"/"dd44"/' x/students/*/s?/eval.json
    [[ "$(notes)" == *"left out: teacher s1 (digits, 10000 images), teacher s2"* ]]
}

@test "older lines, without fingerprints, go by the source's name and the number of images" {
    sed -i 's/,"images":"aa11","labels":"bb22"//' x/students/plain/s1/eval.json
    [ -z "$(notes)" ]
    sed -i 's/"data":"digits"/"data":"idx:other"/' x/students/plain/s1/eval.json
    [[ "$(notes)" == *"left out: plain s1 (idx:other, 10000 images)."* ]]
}

# fingerprint FOLDER HEX: into the model file there, in place of its version, which is as long
fingerprint() {
    LC_ALL=C sed -i "s/\"kd.version\":\"0.1.0\"/\"kd.fingerprint\":\"$2\"/" "$1/model.safetensors"
}

@test "agreement and parents are those of the teacher that is there now" {
    for s in 1 2 3; do
        f=x/students/kd,temperature=4/s$s/eval.json
        sed -i "s/}\$/,\"reference\":\"00ff$s\"}/" "$f"
        size=$(od -An -tu1 -N1 x/teacher/s$s/model.safetensors)
        fingerprint x/teacher/s$s "00ff$s"
        # four characters more in the header
        printf "\\x$(printf %02x $((size + 4)))" |
            dd of=x/teacher/s$s/model.safetensors bs=1 conv=notrunc status=none
    done
    [ "$(kd-report x --json | jq -r ".seeds[0].parameters")" = 2395210 ] # the files are whole
    [ -z "$(notes)" ]
    LC_ALL=C sed -i 's/00ff2/00fe2/' x/teacher/s2/model.safetensors
    sed -i 's/"fingerprint":"00ff2"/"fingerprint":"00fe2"/' x/teacher/s2/eval.json
    [[ "$(notes)" == \
        *"agreement with another teacher than is there now left out"*"kd,temperature=4 s2."* ]]
    [[ "$(notes)" == *"learned from another teacher than is there now: kd,temperature=4 s2."* ]]
    [ "$(column kd,temperature=4 agreement | jq -c 'map(. != null)')" = "[true,false,true]" ]
}

@test "scores on other validation images are left out, and never chosen" {
    best=$(kd-report x --best)
    [[ "$best" == *"kd,temperature=4"* ]]
    for s in 1 2 3; do # carved with another seed: as many characters less in another place
        LC_ALL=C sed -i 's/fraction\\":1/split_seed\\":9/; s/"kd.version":"0.1.0"/"kd.v":"0.1.0"/' \
            "x/students/kd,temperature=4/s$s/model.safetensors"
        f="x/students/kd,temperature=4/s$s/model.safetensors"
        size=$(od -An -tu1 -N1 "$f")
        printf "\\x$(printf %02x $((size - 4)))" | dd of="$f" bs=1 conv=notrunc status=none
    done
    [[ "$(notes)" == \
        *"validated on other images than the rest, and left out: kd,temperature=4 s1, "* ]]
    [ "$(column kd,temperature=4 valid_top1)" = "[null,null,null]" ]
    [[ "$(kd-report x --best)" == *"/plain/"* ]]
}

@test "equal differences are no spread: nothing is claimed of them" {
    for s in 1 2 3; do
        sed -i "s/\"top1\":[0-9.]*/\"top1\":0.9$s/" x/students/plain/s$s/eval.json
        sed -i "s/\"top1\":[0-9.]*/\"top1\":0.9${s}5/" "x/students/kd,temperature=4/s$s/eval.json"
    done
    run --separate-stderr kd-report x
    [[ "$output" =~ kd,temperature=4\ +plain\ +\+0.50\ +3\ +equal\ differences:\ no\ interval ]]
    [ "$(kd-report x --json | jq -c '.differences[0] | [.low, .high]')" = "[null,null]" ]
}

# Circles with a tip of the form "NAME, epoch E: V" in the page, which are the points of a mean.
mean_points() {
    kd-report x --page -o - | grep -o "<title>$1, epoch [0-9]*: [0-9.]* %" | sed 's/.*epoch //' |
        sort -u
}

@test "the mean of learning curves ends where the first seed stopped" {
    [ "$(mean_points plain | cut -d: -f1 | sort -n | uniq | tail -n 1)" -eq 6 ]
    sed -i '4,$d' x/students/plain/s1/log.jsonl
    [ "$(mean_points plain | cut -d: -f1 | sort -n | uniq | tail -n 1)" -eq 3 ]
    kd-report x --page -o - | grep -q "up to where the first of them stopped"
}

@test "a locale without UTF-8 gets ASCII on standard output, and files stay as they are" {
    for locale in C POSIX de_DE.ISO-8859-1; do
        LC_ALL=$locale kd-report x >out
        run ! env LC_ALL=C grep -q '[^ -~]' out
        grep -q '98.41 +- 0.04' out
        LC_ALL=$locale kd-report x --log >out
        run ! env LC_ALL=C grep -q '[^ -~]' out
    done
    env -u LANG -u LC_CTYPE LC_ALL= kd-report x | grep -q '98.41 ± 0.04'
    LC_ALL=C.UTF-8 kd-report x | grep -q '98.41 ± 0.04'
    LC_ALL=C kd-report x -o out.txt
    grep -q '98.41 ± 0.04' out.txt
}

@test "--bom: CSV that Excel takes for UTF-8; without it nothing stands before the keys" {
    kd-report x --csv --bom >with
    kd-report x --csv >without
    [ "$(head -c 3 with | od -An -tx1 | tr -d ' ')" = efbbbf ]
    tail -c +4 with | cmp - without
    run --separate-stderr kd-report x --bom
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"--bom is for --csv"* ]]
}

@test "tables fit the terminal: 60, 80 and 132 columns; the rest is named, and --wide shows it" {
    export LC_ALL=C # one byte a column
    for columns in 60 80 132; do
        on $columns "kd-report x" >out
        [ "$(widest <out)" -le "$columns" ]
        on $columns "kd-report x --log" >out
        [ "$(widest <out)" -le "$columns" ]
        on $columns "kd-report x --table seeds" >out
        [ "$(widest <out)" -le "$columns" ]
    done
    [[ "$(on 60 "kd-report x")" == *"no room for"*"errors"*"(--wide shows all)"* ]]
    [[ "$(on 60 "kd-report x")" == *"top-1 %"* ]]
    [[ "$(on 60 "kd-report x --wide")" != *"no room for"* ]]
    [ "$(on 60 "kd-report x --wide" | widest)" -gt 60 ]
}

@test "--best within limits of bytes, work and time; --sort both ways" {
    "$BATS_TEST_DIRNAME/../fixtures/make_run.sh" two 3 "1" "4" "800 30"
    best=$(kd-report two --best)
    [[ "$best" == *"/kd,temperature=4/"* ]]
    [[ "$(kd-report two --best --max-macs 100k)" == *"/kd-30,temperature=4/"* ]]
    [ "$(kd-report two --best --max-macs 2M)" = "$best" ]
    [ "$(kd-report two --best --max-bytes 64k)" = "$best" ]
    for refused in "--max-bytes 10" "--max-macs 5" "--max-ms 1"; do # nothing was timed
        run --separate-stderr kd-report two --best $refused
        [ "$status" -eq 1 ]
        [[ "$stderr" == *"within these limits"* ]]
    done
    run --separate-stderr kd-report two --best --max-bytes 64q
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"--max-bytes=64q: expected a number above 0, as 300000, 64k or 1.5M"* ]]
    run --separate-stderr kd-report two --max-ms 2
    [ "$status" -eq 2 ]
    kd-report two --csv --columns errors --sort errors | tail -n +2 | cut -d, -f1 >falling
    kd-report two --csv --columns errors --sort -errors | tail -n +2 | cut -d, -f1 >rising
    sort -rn falling | cmp - falling
    sort -n rising | cmp - rising
}
