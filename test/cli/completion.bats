#!/usr/bin/env bats
# Completion: what the programs say fits, and what bash then types, under a terminal.
bats_require_minimum_version 1.5.0
load small

setup() {
    unset OPENBLAS_CORETYPE
    cd "$BATS_TEST_TMPDIR"
    load small.bash
    mkdir -p photos/cats
    touch photos/list.json m.safetensors 'my model.safetensors'
}

# the candidates for the last word, on one line
fits() { "$1" --complete "${@:2}" | cut -f 1 | tr '\n' ' '; }

@test "options, values, files, networks, sources and students are known by the programs" {
    [ "$(fits kd-eval --sp)" = "--split " ]
    [ "$(fits kd-eval --no-pr)" = "--no-provenance " ]
    [ "$(fits kd-train-student --optimizer ada)" = "adam adamw " ]
    [ "$(fits kd-train-student --optimizer=ada)" = "--optimizer=adam --optimizer=adamw " ]
    [ "$(fits kd-train-student --quiet --keep-epoch '')" = "best last " ]
    [[ "$(fits kd-train-teacher -n '')" == *"lenet5 "*"resnet18 "* ]]
    [ "$(fits kd-train-teacher --data mnist:te)" = "mnist:test " ]
    [[ "$(fits kd-train-teacher --data '')" == *"mnist "*"digits "*"idx: "* ]]
    [ "$(fits kd-data '')" = "inspect convert sheet views " ]
    [ "$(fits kd-data inspect fash)" = "fashion " ]
    [ "$(kd-data --complete inspect idx:p)" = $'\tfiles\tidx:' ]
    [ "$(kd-report --complete ru)" = $'\tfolders\t\n\tfiles\t' ]
    [ "$(kd-eval --complete m)" = $'\tfiles\t' ]
    [ "$(kd-eval --complete --output=m)" = $'\tfiles\t--output=' ]
    echo '{"name": "x", "data": {"source": "digits"}, "students": {"kd": {"network": "mlp-8"},
        "kde": {"network": "mlp-8", "sweep": {"train.epochs": [1, 2]}}}}' >x.json
    [ "$(fits kd-train-student x.json --student kde)" = "kde,epochs=1 kde,epochs=2 " ]
    # an option's value is no option, nor is what follows --
    [ "$(fits kd-eval --data --sp)" = "" ]
    [[ "$(fits kd-eval -- --sp)" != *split* ]]
    # nothing, and no error, for what makes no sense
    silent kd-eval --complete --nonesuch=x
    kd-eval --complete
}

@test "kd completes commands, and then asks the command" {
    [ "$(fits kd train-)" = "train-teacher train-student " ]
    [ "$(fits kd help ev)" = "eval " ]
    [ "$(fits kd eval --sp)" = "--split " ]
    [ "$(fits kd train-student --schedule tri)" = "triangular " ]
}

@test "every option of every program is offered" {
    for p in "$BATS_TEST_DIRNAME"/../../cmd/kd-*.c; do
        p=$(basename "$p" .c)
        # each shell knows the program
        for script in kd.bash _kd kd.fish; do
            grep -Eq "(kd-|[{,])${p#kd-}\\>" "$BATS_TEST_DIRNAME/../../cmd/completion/$script"
        done
        "$p" --help | sed -n 's/^ *\(-., \)\{0,1\}\(--[a-z0-9-]*\).*/\2/p' | sort >help
        "$p" --complete -- | cut -f 1 | sort >offered
        diff help offered
    done
}

# Types each line into an interactive bash under a terminal; what the commands were given, a line
# each, is in `given`. A command line is completed where it has a tab.
types() {
    command -v script >/dev/null || skip "no script(1)"
    mkdir -p shims
    for p in kd kd-eval kd-train-student kd-data; do
        # shows its words in the place of working, and answers for the program
        printf '#!/bin/bash\n[ "$1" = --complete ] && exec "%s/%s" "$@"\n%s\n' "$KD_BIN" "$p" \
            'printf "<%s>" "${0##*/}" "$@" >>given; echo >>given; echo done' >"shims/$p"
        chmod +x "shims/$p"
    done
    rm -f given
    {
        sleep 0.5
        echo "PATH=$PWD/shims:\$PATH; source '$BATS_TEST_DIRNAME/../../cmd/completion/kd.bash'"
        sleep 0.3
        for line; do
            printf '%s' "$line"
            sleep 0.4
            printf '\n'
            sleep 0.2
        done
        echo exit
        sleep 0.2
    } | TERM=dumb timeout 60 script -qfec 'bash --norc --noprofile -i' typescript >screen 2>&1 ||
        true
    [ -e given ] || { cat screen >&2; false; }
}

@test "bash completes options, values, files, networks, sources and students when TAB is pressed" {
    echo '{"name": "x", "data": {"source": "digits"},
        "students": {"plain": {"network": "mlp-8"}}}' \
        >x.json
    types $'kd-eval --refe\tm.saf\t--spl\tval\t' \
        $'kd-eval my\\ mo\t' \
        $'kd-train-student --network=vgg19\t--optimizer=sg\t x.js\t--student pl\t' \
        $'kd-data inspect png:pho\t' \
        $'kd-eval --data mnist:te\t' \
        $'kd tr\b\btrain-s\t--sched\ttri\t' \
        $'kd-eval photos/c\t'
    cat given
    diff - given <<'G'
<kd-eval><--reference><m.safetensors><--split><validation>
<kd-eval><my model.safetensors>
<kd-train-student><--network=vgg19_bn><--optimizer=sgd><x.json><--student><plain>
<kd-data><inspect><png:photos/>
<kd-eval><--data><mnist:test>
<kd><train-student><--schedule><triangular>
<kd-eval><photos/cats/>
G
}

@test "fish and zsh take the scripts, where they are installed" {
    shells=0
    if command -v fish >/dev/null; then
        shells=1
        HOME=$PWD fish --no-config -c "source '$BATS_TEST_DIRNAME/../../cmd/completion/kd.fish'
            complete -C 'kd-eval --spl'" >said
        grep -q '^--split' said
    fi
    if command -v zsh >/dev/null; then
        shells=1
        zsh -n "$BATS_TEST_DIRNAME/../../cmd/completion/_kd"
    fi
    [ "$shells" -eq 1 ] || skip "neither is installed"
}
