#!/usr/bin/env bats
# What must hold whatever a shell, a terminal, a batch system or another process does: closed
# descriptors, signals while a program waits, what killed processes left, little memory.
bats_require_minimum_version 1.5.0

setup_file() {
    unset OPENBLAS_CORETYPE
    cd "$BATS_FILE_TMPDIR"
    kd-data convert digits:train digits:test --fraction 0.02 --to idx -o set --quiet >/dev/null
    kd-train-teacher --data idx:set --layers 4 --epochs 1 --quiet --no-provenance -o T >/dev/null
    kd-soften --model T --data idx:set -o soft --quiet --no-provenance >/dev/null
}
setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_TEST_TMPDIR"
    for f in set T soft; do cp -r "$BATS_FILE_TMPDIR/$f" .; done
}

@test "closed descriptors: files are whole, and a result that cannot be printed is an error" {
    # closed DESCRIPTORS COMMAND...: runs it with these closed; its status
    closed() {
        local which=$1 status=0
        shift
        (
            [[ $which != *0* ]] || exec 0<&-
            [[ $which != *1* ]] || exec 1>&-
            [[ $which != *2* ]] || exec 2>&-
            exec "$@"
        ) || status=$?
        echo "$status" >status
    }
    for which in 0 1 2 01 02 12 012; do
        rm -rf out
        mkdir out
        closed $which kd-soften --model T --data idx:set -o out/s --quiet --no-provenance >printed
        cmp out/s soft
        closed $which kd-train-teacher --data idx:set --layers 4 --epochs 1 --quiet \
            --no-provenance -o out/T >>printed
        [[ $which == *1* ]] && [ "$(cat status)" -eq 1 ] || [ "$(cat status)" -eq 0 ]
        cmp out/T/model.safetensors T/model.safetensors
        for command in 'kd-eval T --data idx:set:test' 'kd-data inspect idx:set' 'kd --help' \
            'kd-report --log T' 'kd-eval --version' 'kd-correct --help'; do
            closed $which $command >>printed 2>said
            [[ $which == *1* ]] && [ "$(cat status)" -eq 1 ] || [ "$(cat status)" -eq 0 ] ||
                { echo "$which: $command: $(cat status) $(cat said)" >&2; false; }
            [[ $which != 1 ]] || grep -q 'standard output: ' said
        done
    done
}


# Processes in the background ignore INT and QUIT: env gives these back.
# ends SIGNAL PID: within two seconds after it, with the status that tells it
ends() {
    local status=0 from
    kill -"$1" "$2"
    from=$(date +%s%N)
    wait "$2" || status=$?
    [ $((($(date +%s%N) - from) / 1000000)) -lt 2000 ] || { echo "$1: slow" >&2; return 1; }
    [ "$status" -eq $((128 + $(kill -l "$1"))) ] || { echo "$1: status $status" >&2; false; }
}

@test "one signal ends a program that waits for a pipe, with nothing left" {
    env --default-signal=INT true 2>/dev/null || skip "env(1) cannot give signals back"
    mkfifo fifo
    for signal in HUP INT QUIT TERM XCPU; do
        for command in "kd-eval fifo" "kd-soften --model fifo --data idx:set -o out" \
            "kd-soften --model T --data idx:set -o fifo" "kd-train-teacher fifo" \
            "kd-data inspect tensors:fifo"; do
            env --default-signal=HUP,INT,QUIT $command >/dev/null 2>said &
            sleep 0.15
            ends $signal $!
            [ "$(wc -l <said)" -le 1 ]
        done
        mkfifo held # somebody has it open and says nothing
        sleep 20 >held &
        holder=$!
        env --default-signal=HUP,INT,QUIT kd-eval - <held >/dev/null 2>said &
        sleep 0.15
        ends $signal $!
        kill $holder
        wait $holder || true
        rm held
    done
    rm fifo said
    [ "$(ls -A)" = $'T\nset\nsoft' ]
}

@test "a lost terminal, a batch limit and a quit end a training as a request does" {
    for signal in HUP XCPU QUIT TERM; do
        env --default-signal=HUP,INT,QUIT kd-train-teacher --data idx:set --layers 64 \
            --epochs 100000 --quiet -o out >/dev/null &
        for _ in $(seq 100); do [ -s out/log.jsonl ] && break; sleep 0.05; done
        ends $signal $!
        [ -s out/checkpoint.safetensors ] # and it can be gone on with
        [ ! -e out/.kd-lock ]
        [ -z "$(find out -name '.kd-*')" ]
        rm -r out
    done
}

@test "signals at some moments: files old or new, nothing left behind for good" {
    env --default-signal=INT true 2>/dev/null || skip "env(1) cannot give signals back"
    # with all signals and moments in `make torture`
    SIGNALS='PIPE TERM KILL' "$BATS_TEST_DIRNAME/../torture/signals.sh" 3 "kd-data, many files" \
        "kd-data, IDX files" "kd-report, a workbook" "kd-predict, decoding" \
        "kd-eval, a busy place" \
        >said 2>&1 3>&- || { cat said; false; }
    tail -n 1 said | grep -q '^signals: 39 in 5 situations'
}

@test "a reader that goes away leaves no temporary files" {
    status=0
    (
        trap - PIPE
        kd-soften --model T --data idx:set -o - --quiet | true
        exit "${PIPESTATUS[0]}"
    ) || status=$?
    [ "$status" -eq 141 ] || [ "$status" -eq 0 ]
    [ -z "$(find . -name '.kd-*')" ]
}

@test "what killed writers left goes, whoever they were; what is being written stays" {
    mkdir out
    # of another process, another machine, another time: their names say nothing that counts
    touch -d '1 hour ago' out/.kd-1-65670000000000000000000012345678.tmp
    touch out/.kd-$$-656700000000000000000001.tmp # of this moment
    mkdir out/.kd-99999-656700000000000000000002.tmp
    touch out/.kd-99999-656700000000000000000002.tmp/part
    touch -d '1 hour ago' out/.kd-99999-656700000000000000000002.tmp
    touch -d '1 hour ago' out/.kd-mine.tmp out/.kd-1-held.tmp out/notes.tmp
    touch out/.kd-1-656700000000000000000003.tmp
    # a writer, alive in whatever namespace, has its lock
    exec 9>>out/.kd-1-656700000000000000000003.tmp
    touch out/.kd-1-656700000000000000000003.tmp
    flock -n 9
    kd-soften --model T --data idx:set -o out/s --quiet >/dev/null
    [ "$(cd out && ls -A | sort)" = "$(printf '%s\n' .kd-1-656700000000000000000003.tmp \
        .kd-1-held.tmp .kd-mine.tmp notes.tmp s | sort)" ]
    exec 9>&-
    kd-soften --model T --data idx:set -o out/s --quiet >/dev/null
    [ ! -e out/.kd-1-656700000000000000000003.tmp ]
}

@test "with little address space programs end all the same" {
    [ -z "${SANITIZED:-}" ] && case $KD_BIN in *asan* | *tsan* | *leak*) skip "sanitizers" ;; esac
    for kb in 100000 130000 160000 200000; do
        for command in 'kd-eval --version' 'kd-data inspect idx:set' 'kd-report --log T'; do
            status=0
            (ulimit -v $kb && exec timeout 10 $command) >/dev/null 2>&1 || status=$?
            [ "$status" -le 2 ] || [ "$status" -eq 127 ] ||
                { echo "$kb: $command: $status" >&2; false; }
        done
    done
}

# model: a file of the kd.network on standard input, and a single number
model() {
    local json
    json=$(jq -c '{"__metadata__": {"kd.kind": "model", "kd.version": "1",
        "kd.network": tojson, "kd.normalize": "{\"mean\":[0],\"std\":[1]}"},
        "1.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}')
    local n=${#json}
    printf "$(printf '\\x%02x' $((n & 255)) $((n >> 8 & 255)) $((n >> 16 & 255)) $((n >> 24)))"
    printf '\0\0\0\0%s\0\0\0\0' "$json"
}

# refuses KB TEXT COMMAND...: at once, within so much address space above what BLAS takes
refuses() {
    local kb=$1 text=$2 status=0
    shift 2
    (ulimit -v "$kb" && exec timeout 10 "$@") >/dev/null 2>said || status=$?
    [ "$status" -eq 1 ] && [[ $(<said) == *"$text"* ]] ||
        { echo "$* -> $status: $(<said)" >&2; false; }
}

@test "claims are not believed: memory is for what is there" {
    case $KD_BIN in *asan* | *tsan* | *leak*) skip "sanitizers take all address space" ;; esac
    export OPENBLAS_NUM_THREADS=1
    # what is no tensor file is not read on, however long it is
    yes | refuses 1000000 "not a safetensors file" kd-eval -
    refuses 1000000 "not a safetensors file" kd-eval /dev/zero
    refuses 1000000 "not a safetensors file" kd-data inspect tensors:/dev/zero
    # a network is held against the numbers that the file has
    model >million <<<'{"input": [1, 28, 28], "classes": 1000000, "layers": ["flatten",
        {"kind": "dense", "units": 1000}, "relu", {"kind": "dense"}]}'
    refuses 1000000 "parameters, but the file's tensors hold 1 numbers" kd-eval million
    jq -n '{"input": [1, 28, 28], "classes": 10, "layers": [range(20) |
        {"kind": "residual", "body": [range(900) | "relu"]}]}' | model >nested
    refuses 1000000 "more than 10000 layers in all" kd-eval nested
    # a picture against the bytes of its file: a header of 100,000 x 100,000, and nothing behind it
    mkdir -p photos/train/cat
    {
        printf '\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\x01\x86\xa0\0\x01\x86\xa0\x08\0\0\0\0'
        printf '\0\0\0\0\0\0\0\0IEND\0\0\0\0'
    } >photos/train/cat/bomb.png
    refuses 1000000 "100000 by 100000 pixels cannot be in a file of" kd-data inspect png:photos
}

@test "names and numbers that would be taken for something else are refused" {
    refused() {
        run --separate-stderr "${@:2}"
        [ "$status" -eq 2 ] && [[ "$stderr" == *"$1"* ]] || { echo "$*: $stderr" >&2; false; }
    }
    refused "expected a whole number" kd-train-teacher --data idx:set --layers 8.5
    refused "expected a class by number" kd-data inspect idx:set --keep 1.5
    for name in ..json .. . --seed a/b; do
        echo "{\"name\": \"$name\", \"data\": {\"source\": \"digits\"},
            \"students\": {\"s\": {\"network\": \"mlp-4\"}}}" >x.json
        refused "name: expected a folder's name" kd-train-student x.json --list
        echo "{\"name\": \"x\", \"data\": {\"source\": \"digits\"},
            \"students\": {\"$name\": {\"network\": \"mlp-4\"}}}" >x.json
        refused "a student's name is a folder's name" kd-train-student x.json --list
    done
}

@test "names from outside drive no terminal" {
    mkdir -p $'photos/train/c\e[31mat\u202eX\u0085'
    kd-data sheet digits:test --count 4 -o x.png --quiet >/dev/null
    cp x.png $'photos/train/c\e[31mat\u202eX\u0085/x.png'
    kd-data inspect png:photos >said
    grep -qF 'c?[31mat?X?' said
    run --separate-stderr kd-eval $'no\e[1msuch\u202efile\u0085'
    [[ "$stderr" == "kd-eval: no?[1msuch?file?: there is no such file"* ]]
    run ! grep -q $'\e\|\u202e\|\u0085' said
    # marks that turn the direction of writing, and paths that are printed as results
    kd-data convert idx:set:test --to png -o made --quiet >/dev/null
    cp "$(find made -name '*.png' -print -quit)" $'a\u061cb\u200ec\u200fd.png'
    kd-predict T $'a\u061cb\u200ec\u200fd.png' >said
    grep -qF $'a\uFFFDb\uFFFDc\uFFFDd.png' said
    mv photos $'ph\eotos'
    kd-data inspect $'png:ph\eotos' >said
    grep -qF 'png:ph?otos' said
    kd-data sheet $'png:ph\eotos' --quiet -o $'s\e[1mheet.png' >said # a program gets the name
    [ -f "$(cat said)" ]
    command -v script >/dev/null || skip "no script(1) for the part with a terminal"
    at=$'ph\eotos' to=$'s\e[1mheet.png' # script(1) may start a shell without $'...'
    export at to
    script -qec 'kd-data sheet "png:$at" --quiet -o "$to"' /dev/null </dev/null >said
    grep -qF 's?[1mheet.png' said
}

@test "an output that cannot be made is refused before the work" {
    local long
    long=$(printf 'x%.0s' {1..300})
    mkdir -p d/model.safetensors e.safetensors
    # early WORDS COMMAND...: without waiting for the work, which has no end
    early() {
        run --separate-stderr timeout 20 "${@:2}"
        [ "$status" -eq 1 ] && [[ "$stderr" == *"$1"* ]] || { echo "$status $stderr" >&2; false; }
    }
    for at in d e.safetensors; do
        early "is a folder; name a file to write" kd-train-teacher --data idx:set --layers 4 \
            --epochs 1000000 --quiet -o $at
    done
    early "File name too long" kd-train-teacher --data idx:set --layers 4 --epochs 1000000 \
        --quiet -o "${long:0:235}.safetensors" # only the checkpoint before the last has no room
    early "File name too long" kd-soften --model T --data idx:set --quiet -o "$long"
    early "is a folder" kd-soften --model T --data idx:set --quiet -o d
    early "is a folder" kd-quantize T --calibrate idx:set --quiet -o d
    run ! ls d/log.jsonl e.log.jsonl "${long:0:235}.log.jsonl"
    kd-train-teacher --data idx:set --layers 4 --epochs 1 --quiet -o "${long:0:200}.safetensors"
}

@test "an output that is an input is refused, and the input stays" {
    kd-data convert digits:train digits:test --fraction 0.02 --to idx -o set --quiet >/dev/null
    kd-train-teacher --data idx:set --layers 4 --epochs 1 --quiet -o T >/dev/null
    kd-soften --model T --data idx:set --quiet -o soft >/dev/null
    kd-data convert idx:set --to tensors -o set.safetensors --quiet >/dev/null
    mkdir kept && cp T/model.safetensors soft set.safetensors kept/
    while read -r command; do
        run --separate-stderr sh -c "$command"
        echo "$command: $status, $stderr"
        [ "$status" -eq 2 ]
        [ "${#stderr_lines[@]}" -eq 1 ]
        [[ "$stderr" == *"would overwrite the input"* ]]
        cmp T/model.safetensors kept/model.safetensors
        cmp soft kept/soft
        cmp set.safetensors kept/set.safetensors
    done <<'EOF'
kd-soften --model T --data idx:set -o T/model.safetensors
kd-soften --model ./T/model.safetensors --data idx:set -o T/../T/model.safetensors
kd-correct T --by balanced --classes 3 -o T
kd-quantize T --calibrate idx:set -o T/model.safetensors
kd-train-student --data idx:set --layers 4 --teacher T -o T
kd-train-student --data idx:set --layers 4 --soft-targets soft -o soft
kd-data convert tensors:set.safetensors --to tensors -o set.safetensors
EOF
    # beside it is well
    kd-soften --model T --data idx:set --quiet -o T/soft.safetensors >/dev/null
    kd-train-student --data idx:set --layers 4 -e 1 --teacher T --quiet -o T/student >/dev/null
    for again in "" --overwrite; do # a folder of data may hold a model too
        kd-train-teacher --data idx:set --layers 4 -e 1 --quiet $again -o set >/dev/null
    done
}

@test "an output that cannot be is told before the work: no input is looked at yet" {
    load small
    echo plain >plain
    mkdir kept dir
    small='nothing.safetensors'
    file_outputs=("kd-eval $small" "kd-predict $small nothing.png" "kd-plan nothing.json"
        "kd-data convert nothing --to tensors" "kd-data sheet nothing"
        "kd-data views nothing --shift 2" "kd-report nothing" "kd-report nothing --page"
        "kd-report nothing --workbook")
    folder_outputs=("kd-data convert nothing --to png" "kd-report nothing --all"
        "kd-export $small --to c" "kd-import $small" "kd-quantize $small --calibrate nothing"
        "kd-correct $small" "kd-soften --model $small --data nothing"
        "kd-train-teacher --data nothing" "kd-train-student --data nothing")
    long=$(printf 'a%.0s' {1..300})
    for command in "${file_outputs[@]}"; do
        refused 1 'dir: is a folder; name a file to write' -- $command -o dir
        refused 1 "$long: cannot make this file" -- $command -o "$long"
    done
    for command in "${file_outputs[@]}" "${folder_outputs[@]}"; do
        refused 1 'plain: is a file, and a folder is needed here' -- $command -o plain/new/x
    done
    if [ "$(id -u)" -ne 0 ]; then
        chmod a-w dir
        for command in "${file_outputs[@]}" "${folder_outputs[@]}"; do
            refused 1 'cannot make a file in folder dir' -- $command -o dir/new/x
        done
    fi
    [ "$(ls dir)" = '' ]
}
