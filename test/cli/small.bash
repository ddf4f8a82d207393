# For the tests of the training programs: a small set of images, and how a refusal must look.

# small_set: 240 training and 100 test images as IDX files in ./set
small_set() {
    kd-data convert digits:train digits:test --fraction 0.02 --to idx -o set --quiet >/dev/null
}

# refused STATUS WORD... -- COMMAND: fails so, says one line on standard error that has all the
# words, and leaves the files in ./kept as they are, with none beside them.
refused() {
    local status_wanted=$1 words=() word before
    shift
    while [ "$1" != -- ]; do words+=("$1"); shift; done
    shift
    before=$(state kept)
    run --separate-stderr "$@"
    echo "status $status: $stderr"
    [ "$status" -eq "$status_wanted" ] || return 1
    [ "${#stderr_lines[@]}" -eq 1 ] || return 1
    for word in "${words[@]}"; do
        [[ $stderr == *"$word"* ]] || { echo "not said: $word"; return 1; }
    done
    [ "$(state kept)" = "$before" ] || { echo "kept/ has changed"; return 1; }
}

# state FOLDER: names and contents of all in it
state() {
    if [ -d "$1" ]; then (cd "$1" && find . | sort && find . -type f -exec cksum {} + | sort); fi
}

# meta FILE KEY: a value of a tensor file's metadata
meta() {
    tail -c +9 "$1" | head -c "$(od -An -N8 -tu8 "$1" | tr -d ' ')" |
        jq -r --arg k "$2" '.__metadata__[$k]'
}

# tensors FILE HEADER DATA: a safetensors file with this header, and the file DATA behind it
tensors() {
    local n=${#2} i
    {
        for i in 0 8 16 24 32 40 48 56; do printf "\\x$(printf %02x $((n >> i & 255)))"; done
        printf %s "$2"
        cat "$3"
    } >"$1"
}

# wait_for COMMAND...: until it succeeds, 20 seconds at most
wait_for() {
    local i
    for ((i = 0; i < 1000; i++)); do
        if "$@"; then return 0; fi
        sleep 0.02
    done
    echo "waited in vain for: $*"
    return 1
}

# signals NAME...: those that this shell's children can get; one that was ignored at the start stays
# so, as under nohup.
signals() {
    local s
    for s; do
        if [ "$s" != INT ] || ! (( 0x$(awk '/^SigIgn/ {print $2}' /proc/self/status) & 2 )); then
            echo "$s"
        fi
    done
}

# silent COMMAND...: succeeds, and has nothing to say on standard output
silent() {
    run --separate-stderr "$@"
    echo "status $status: $output $stderr"
    [ "$status" -eq 0 ] && [ -z "$output" ] || return 1
}

# on COLUMNS COMMAND: what it prints on a terminal so wide (and 24 lines high), without colours
on() {
    command -v script >/dev/null || skip "no script(1)"
    SHELL=/bin/sh script -qec "stty cols $1 rows 24; TERM=xterm NO_COLOR=1 $2" /dev/null \
        </dev/null | tr -d '\r'
}
# widest: columns of the widest line
widest() { LC_ALL=C.UTF-8 wc -L; }
