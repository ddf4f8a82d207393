# Completion of kd and its programs for bash: the programs say what fits (cmd/complete.c).
_kd_complete() {
    local typed=${COMP_LINE:0:COMP_POINT} line name prefix kept cur
    local -a words
    read -a words <<<"$typed" # a backslash before a space keeps a word together
    [[ $typed == *[[:space:]] ]] && words+=("")
    cur=${words[-1]}
    # bash replaces what is behind the last of its own word breaks, where = and : are among them
    kept=${cur%"${cur##*[=:]}"}
    [[ $COMP_WORDBREAKS == *=* && $COMP_WORDBREAKS == *:* ]] || kept=
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == $'\t'* ]]; then
            IFS=$'\t' read -r name prefix <<<"${line#$'\t'}"
            [[ $name == folders ]] && name=-d || name=-f
            compopt -o filenames
            while IFS= read -r line; do
                line=$prefix$line
                COMPREPLY+=("${line#"$kept"}")
            done < <(compgen "$name" -- "${cur#"$prefix"}")
        else
            line=${line%%$'\t'*}
            [[ $line == *[=:] ]] && compopt -o nospace
            COMPREPLY+=("${line#"$kept"}")
        fi
    done < <("${words[0]}" --complete "${words[@]:1}" 2>/dev/null)
}
complete -F _kd_complete kd kd-{train-teacher,soften,train-student,correct,eval,report,plan,data} \
    kd-{predict,show,quantize,export,import}
