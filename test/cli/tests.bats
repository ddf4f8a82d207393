#!/usr/bin/env bats
# A test stops at the first command that fails, but not at one before "&&" nor at one behind "!":
# such a line, unless it is the last, says nothing. Nor does an empty command substitution tell
# success from a failure that printed nothing: see `silent`.
bats_require_minimum_version 1.5.0

# Lines of files $@ that cannot fail where they stand.
idle() {
    awk '{
        line = $0
        gsub(/\[\[([^]]|\][^]])*\]\]/, "[ x ]", line) # its own && is no list of commands
        if (line ~ /\[ -z "\$\(kd-/) print FILENAME ":" FNR ": " $0
        if (line ~ /\|\||(^|[ ;])(if|elif|while|until|run) /) next
        idle = line ~ /^[[:space:]]*! / || line ~ /&& *(\[|!|grep|cmp|diff|test|jq|kd-)/
        if (idle) print FILENAME ":" FNR ": " $0
    }' "$@"
}

@test "no line of a test is exempt from failing" {
    run idle "$BATS_TEST_DIRNAME"/*.bats "$BATS_TEST_DIRNAME"/*.bash
    [ -z "$output" ] || { echo "$output" >&2; false; }
}

@test "a program that prints nothing satisfies no jq -e" {
    printf '{"a": 1}' | jq -e '.a == 1'
    run jq -e '.a == 1' </dev/null
    [ "$status" -eq 4 ]
    run jq -re --arg a b '.a == 2' <<<'{"a": 1}'
    [ "$status" -eq 1 ]
    [ "$output" = false ]
    [ "$(jq .a <<<'{"a": 1}')" = 1 ]
}

@test "lines that cannot fail are found" {
    cd "$BATS_TEST_TMPDIR"
    local and='&&'
    printf '%s\n' "    [ -s a ] $and [ -s b ]" "    [[ a == b ]] $and [[ c == d ]]" \
        '    ! cmp a b' "    kd-eval a $and kd-eval b" '    [ -z "$'"(kd-eval a)\" ]" >idle
    printf '%s\n' '    [ -s a ]' '    [[ a == b && c == d ]]' '    run ! cmp a b' \
        '    [ a ] && [ b ] || false' \
        '    if [ a ] && [ b ]; then' '    [ a ] && n=1' >sound
    run idle idle sound
    [ "${#lines[@]}" -eq 5 ]
    [[ "${lines[1]}" == "idle:2: "* ]]
}
