#!/usr/bin/env bats
# What suits what: test/README.md has a table of the programs and of what each takes beside its
# images or its model. Every cell of it is tried here, so that the table stays true.
bats_require_minimum_version 1.5.0
load small.bash

# set_of NAME CHANNELS SIDE CLASSES [NAMES [FIRST [KIND [PIXELS]]]]: 30 images, in ./NAME; names of
# classes are separated by spaces; FIRST is the label of the first image; KIND of numbers is U8 or
# F32, which are then all 100; PIXELS is where the digits begin that the images are of
set_of() {
    local n=30 values label names=$5 first=${6:-0} kind=${7:-U8} about= end i
    values=$((n * $2 * $3 * $3))
    if [ "$kind" = F32 ]; then values=$((4 * values)); fi
    end=$((values + n))
    mkdir -p "$1"
    {
        if [ "$kind" = F32 ]; then
            for ((i = 0; i < values; i += 4)); do printf '\0\0\310\102'; done
        else
            seq "${8:-1}" $((${8:-1} + values)) | head -c "$values"
        fi
        for ((label = 0; label < n; label++)); do printf "\\x0$(((label + first) % $4))"; done
    } >"$1/data"
    if [ -n "$names" ]; then
        names=$(jq -cn --arg n "$names" '$n | split(" ") | tojson')
        about="\"__metadata__\":{\"kd.classes\":\"$4\",\"kd.class_names\":$names},"
    fi
    tensors "$1/set.safetensors" "$(printf \
        '{%s"images":{"dtype":"%s","shape":[%d,%d,%d,%d],%s},%s}' \
        "$about" "$kind" $n "$2" "$3" "$3" \
        "\"data_offsets\":[0,$values]" \
        "\"labels\":{\"dtype\":\"U8\",\"shape\":[$n],\"data_offsets\":[$values,$end]}")" \
        "$1/data"
}

setup_file() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_FILE_TMPDIR"
    set_of own 1 8 3      # what everything else is held against
    set_of shape 1 12 3   # other height and width
    set_of channels 3 8 3 # other channels
    set_of classes 1 8 5  # more classes
    set_of named 1 8 3 "ape bee cat"     # the same, with names
    set_of order 1 8 3 "cat ape bee" 1   # the same classes in another order, numbered so
    set_of names 1 8 3 "ape bee dog"     # another class
    set_of labels 1 8 3 "" 1             # the same images under other labels
    set_of kind 1 8 3 "" 0 F32           # floats of 0 to 255 for bytes
    set_of pixels 1 8 3 "" 0 U8 500      # other images of the same kind
    for s in own shape channels classes named order names labels kind pixels; do
        cp "$s/set.safetensors" "$s.safetensors"
        kd-train-teacher --data "tensors:$s.safetensors" --layers 30 -e 60 --quiet -o "$s-model" \
            >/dev/null
        kd-soften --model "$s-model" --data "tensors:$s.safetensors" --quiet -o "$s-soft" >/dev/null
    done
}
setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_FILE_TMPDIR"
}

# try ROW OTHER: the command of a row, with the other set, model or soft targets in their place
try() {
    local base=own other=tensors:$2.safetensors
    case $2 in order | names) base=named ;; esac # what has names is held against what has names
    local own=tensors:$base.safetensors
    local student=(kd-train-student --layers 4 -e 1 --quiet -o out)
    case $1 in
    "kd-eval: images") kd-eval "$base-model" --data "$other:test" --json ;;
    "kd-eval: --reference")
        kd-eval "$base-model" --reference "$2-model" --data "$own:test" --json ;;
    "kd-soften: images") kd-soften --model "$base-model" --data "$other" -o out.soft ;;
    "kd-soften: second teacher")
        kd-soften --model "$base-model" --model "$2-model" --data "$own" -o out.soft ;;
    "kd-train-student: --teacher") "${student[@]}" --data "$own" --teacher "$2-model" ;;
    "kd-train-student: --soft-targets") "${student[@]}" --data "$own" --soft-targets "$2-soft" ;;
    "kd-correct: images")
        kd-correct "$base-model" --classes 1 --by balanced --images "$other" -o out.corrected ;;
    "kd-correct: --teacher")
        kd-correct "$base-model" --classes 1 --data "$own" --teacher "$2-model" -o out.corrected ;;
    "kd-correct: --soft-targets")
        kd-correct "$base-model" --classes 1 --data "$own" --soft-targets "$2-soft" \
            -o out.corrected ;;
    "kd-predict: images") kd-predict "$base-model" "$other" -o out.csv ;;
    "kd-quantize: --calibrate")
        kd-quantize "$base-model" --calibrate "$other" --quiet -o out.int8 ;;
    *) echo "no command for this row" && return 99 ;;
    esac
}

@test "every cell of the table of what suits what holds" {
    table=$(sed -n '/^| program: input/,/^$/p' "$BATS_TEST_DIRNAME/../README.md")
    header=$(head -n 1 <<<"$table")
    rows=0
    while IFS= read -r line; do
        IFS='|' read -ra cell <<<"$line"
        IFS='|' read -ra column <<<"$header"
        row=$(sed 's/^ *//; s/ *$//' <<<"${cell[1]}")
        for ((at = 2; at < ${#cell[@]}; at++)); do
            other=$(tr -d ' ' <<<"${column[at]}")
            want=$(sed 's/^ *//; s/ *$//' <<<"${cell[at]}")
            [ "$want" != "" ] # every cell says something
            rm -rf out out.soft out.corrected out.csv out.int8
            run --separate-stderr try "$row" "$other"
            echo "$row, $other: status $status, $stderr"
            if [ "$want" = taken ]; then
                [ "$status" -eq 0 ]
            else
                [ "$status" -eq 1 ]
                [ "${#stderr_lines[@]}" -eq 1 ]
                [[ "$stderr" == *"$want"* ]]
                [ ! -e out/model.safetensors ]
                [ ! -e out.soft ]
                [ ! -e out.corrected ]
                [ ! -e out.csv ]
                [ ! -e out.int8 ]
            fi
        done
        rows=$((rows + 1))
    done < <(tail -n +3 <<<"$table")
    [ "$rows" -ge 11 ]
}

@test "every row of the table takes what is its own" {
    rows=$(sed -n '/^| program: input/,/^$/p' "$BATS_TEST_DIRNAME/../README.md" |
        tail -n +3 | awk -F ' *[|] *' '{print $2}')
    while IFS= read -r row; do
        rm -rf out out.soft out.corrected out.csv out.int8
        run try "$row" own
        echo "$row: status $status, $output"
        [ "$status" -eq 0 ]
    done <<<"$rows"
}

@test "a reference that does not suit leaves its cells empty beside others, and a note says why" {
    run --separate-stderr kd-eval own-model shape-model --split train \
        --reference own-model --json
    echo "$stderr"
    [ "$status" -eq 0 ]
    [ "$(jq -s '.[0].agreement' <<<"$output")" = 1 ]
    [ "$(jq -s '.[1].agreement' <<<"$output")" = null ]
    [[ "$stderr" == *"shape-model"*"no agreement with the reference"*"takes images of 1x8x8"* ]]
}

@test "classes in another order are mapped by name, in every program" {
    figures() { kd-eval "$1" --data "tensors:$2.safetensors:test" --json | jq -c '[.top1, .nll]'; }
    [ "$(figures named-model order)" = "$(figures named-model named)" ]
    kd-eval named-model --reference named-model --data tensors:order.safetensors:test --json |
        jq -e '.agreement == 1'
    # soft targets come in the images' order, and a student has its data's
    kd-soften --model named-model --data tensors:order.safetensors -o mapped.soft --quiet
    [ "$(meta mapped.soft kd.class_names)" = '["cat","ape","bee"]' ]
    for set in named order; do
        kd-train-student --layers 4 -e 2 --quiet --data tensors:named.safetensors -o "from-$set" \
            --soft-targets "$([ $set = named ] && echo named-soft || echo mapped.soft)" >/dev/null
    done
    [ "$(figures from-named named)" = "$(figures from-order named)" ]
    kd-train-student --layers 4 -e 1 --quiet --data tensors:order.safetensors \
        --teacher named-model -o by-order >/dev/null
    [ "$(meta by-order/model.safetensors kd.class_names)" = '["cat","ape","bee"]' ]
}
