#!/usr/bin/env bats
# kd-predict: pictures, folders, tensors, sources and lists; text, CSV, JSON; what is no image.
bats_require_minimum_version 1.5.0
load small.bash

setup_file() {
    cd "$BATS_FILE_TMPDIR"
    kd-train-teacher --data digits --layers 32 --epochs 2 --fraction 0.2 --quiet -o T >/dev/null
    kd-data convert digits:test --fraction 0.01 --to png -o pics --quiet >/dev/null
    kd-data convert digits:test --fraction 0.01 --to tensors -o t.safetensors --by-class --quiet \
        >/dev/null
}
setup() { cd "$BATS_FILE_TMPDIR"; }

@test "a folder, its pictures one by one, a list of them, tensors and a source agree" {
    kd-predict T pics --json | jq -c '[.label, .probability]' >folder
    [ "$(wc -l <folder)" -eq "$(find pics -name '*.png' | wc -l)" ]
    kd-predict T $(find pics -name '*.png' | sort) --json | jq -c '[.label, .probability]' >each
    cmp folder each
    find pics -name '*.png' | sort | kd-predict T - --json | jq -c '[.label, .probability]' >listed
    cmp folder listed
    kd-predict T t.safetensors --json | jq -c '[.label, .probability]' >tensors
    cmp folder tensors
    # as often right as the evaluation says
    kd-predict T digits:test --json >all
    kd-data convert digits:test --to idx -o idx --quiet >/dev/null
    right=$(paste <(jq .label all) <(tail -c +9 idx/t10k-labels-idx1-ubyte | od -An -v -w1 -tu1) |
        awk '$1 == $2' | wc -l)
    [ "$right" -eq "$(kd-eval T --json | jq '.n - .errors')" ]
    [ "$(sed -n 1p all | jq -r .image)" = "digits:test#0" ]
}

@test "top classes as text, CSV and JSON" {
    picture=$(find pics -name '*.png' | sort | head -1)
    [[ $(kd-predict T "$picture") =~ ^"$picture: "[0-9]" "[0-9.]+" %"$ ]]
    kd-predict T "$picture" --top 3 --format csv >csv
    [ "$(head -1 csv)" = "image,class,probability,class_2,probability_2,class_3,probability_3" ]
    [ "$(tail -n +2 csv | tr , '\n' | wc -l)" -eq 7 ]
    kd-predict T "$picture" --top 10 --json |
        jq -e '(.top | length) == 10 and (.top == (.top | sort_by(-.probability))) and
            ([.top[].probability] | add | . > 0.999999 and . < 1.000001) and .class ==
            .top[0].class'
    # hotter is flatter, and the order stays
    [ "$(kd-predict T "$picture" --json | jq .label)" = \
        "$(kd-predict T "$picture" -T 20 --json | jq .label)" ]
    kd-predict T "$picture" "$picture" --json -o out.json
    [ "$(wc -l <out.json)" -eq 2 ]
    cp "$picture" 'odd, "name".png'
    [[ $(kd-predict T 'odd, "name".png' -f csv | tail -1) == '"odd, ""name"".png",'* ]]
}

@test "what cannot be read is told, and the rest is done" {
    picture=$(find pics -name '*.png' | sort | head -1)
    echo text >no.png
    run --separate-stderr kd-predict T gone.png "$picture" no.png --json
    [ "$status" -eq 1 ]
    [ "${#lines[@]}" -eq 1 ]
    [[ ${stderr_lines[0]} == *"gone.png: there is no such file"* ]]
    [[ ${stderr_lines[1]} == *"no.png: not a PNG"* ]]
    [[ ${stderr_lines[2]} == *"2 of 3 images could not be read"* ]]
    refused 1 "no.png: not a PNG" -- kd-predict T no.png # one line says it all
    mkdir -p empty
    refused 1 "there are no images" -- kd-predict T empty
    refused 1 "gone: " -- kd-predict gone "$picture"
    refused 2 "standard input (-) can be read once" -- kd-predict - - <T/model.safetensors
    refused 2 "--top" -- kd-predict T "$picture" --top 0
    kd-data sheet digits:test --count 4 --quiet -o sheet.png >/dev/null
    run --separate-stderr kd-predict T sheet.png
    [[ $status -eq 1 && ${stderr_lines[0]} == *"sheet.png: it has "*", the model takes 28 x 28"* ]]
}
