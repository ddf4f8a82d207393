#!/usr/bin/env bats
# What suits what: test/README.md has a table of the programs and of what each takes beside its
# images or its model. Every cell of it is tried here, so that the table stays true.
bats_require_minimum_version 1.5.0
load small.bash

# set_of NAME CHANNELS SIDE CLASSES: 30 images for training and as many for tests, in ./NAME
set_of() {
    local n=30 values end label
    values=$((n * $2 * $3 * $3)) end=$((n * $2 * $3 * $3 + n))
    mkdir -p "$1"
    {
        seq "$values" | head -c "$values"
        for ((label = 0; label < n; label++)); do printf "\\x0$((label % $4))"; done
    } >"$1/data"
    tensors "$1/set.safetensors" "$(printf '{"images":{"dtype":"U8","shape":[%d,%d,%d,%d],%s},%s}' \
        $n "$2" "$3" "$3" "\"data_offsets\":[0,$values]" \
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
    for s in own shape channels classes; do
        cp "$s/set.safetensors" "$s.safetensors"
        kd-train-teacher --data "tensors:$s.safetensors" --layers 6 -e 1 --quiet -o "$s-model" \
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
    local own=tensors:own.safetensors other=tensors:$2.safetensors
    local student=(kd-train-student --layers 4 -e 1 --quiet -o out)
    case $1 in
    "kd-eval: images") kd-eval own-model --data "$other:test" --json ;;
    "kd-eval: --reference")
        kd-eval own-model --reference "$2-model" --data "$own:test" --json ;;
    "kd-soften: images") kd-soften --model own-model --data "$other" -o out.soft ;;
    "kd-soften: second teacher")
        kd-soften --model own-model --model "$2-model" --data "$own" -o out.soft ;;
    "kd-train-student: --teacher") "${student[@]}" --data "$own" --teacher "$2-model" ;;
    "kd-train-student: --soft-targets") "${student[@]}" --data "$own" --soft-targets "$2-soft" ;;
    "kd-correct: images")
        kd-correct own-model --classes 1 --by balanced --images "$other" -o out.corrected ;;
    "kd-correct: --teacher")
        kd-correct own-model --classes 1 --data "$own" --teacher "$2-model" -o out.corrected ;;
    "kd-correct: --soft-targets")
        kd-correct own-model --classes 1 --data "$own" --soft-targets "$2-soft" -o out.corrected ;;
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
            [ "$want" != "" ] || continue
            rm -rf out out.soft out.corrected
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
            fi
        done
        rows=$((rows + 1))
    done < <(tail -n +3 <<<"$table")
    [ "$rows" -ge 9 ]
}

@test "every row of the table takes what is its own" {
    rows=$(sed -n '/^| program: input/,/^$/p' "$BATS_TEST_DIRNAME/../README.md" |
        tail -n +3 | awk -F ' *[|] *' '{print $2}')
    while IFS= read -r row; do
        rm -rf out out.soft out.corrected
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
