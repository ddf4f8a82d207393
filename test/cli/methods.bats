#!/usr/bin/env bats
# The comparison of methods: its experiments are whole, and its table counts as it should.
bats_require_minimum_version 1.5.0

setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    top=$BATS_TEST_DIRNAME/../..
    cd "$BATS_TEST_TMPDIR"
}
table() { awk -v paces=pace -f "$top/scripts/stats.awk" -f "$top/scripts/methods.awk" "$@"; }

# The points or trainings of an experiment's students, but for assistants.
listed() { kd-train-student "$1" --list | grep -v -- "--student assistant"; }

@test "each method has three points of search, and every loss is among them" {
    kd-train-student --loss '?' | awk '/^[a-z]/ { if (name) print name; name = $1 }
        /^ +compares layers/ { name = "" } END { if (name) print name }' >losses
    for name in cifar10 digits mnist mnist-cnn mnist-quick; do
        final=$top/configs/methods-$name.json search=$top/configs/methods-$name-search.json
        listed "$search" >points
        jq -r '.students | keys[] | select(. != "assistant")' "$final" >methods
        while read -r m; do [ "$(grep -c -- "--student $m," points)" -eq 3 ]; done <methods
        [ "$(wc -l <points)" -eq "$((3 * $(wc -l <methods)))" ]
        [ "$(listed "$final" | wc -l)" -eq "$(wc -l <points)" ] # three seeds
        # what methods.sh reads of the sweeps by its own means is all there is
        [ "$(sed -n 's/^ *"\([^"]*\)": {"sweep": {"\([^"]*\)":.*/\1/p' "$search" | sort)" = \
            "$(sort methods)" ]
    done
    for name in cifar10 digits mnist-quick; do
        while read -r loss; do
            jq -e --arg l "$loss" 'any(.students[].distill.loss.kind?; . == $l)' \
                "$top/configs/methods-$name.json"
        done <losses
    done
}

@test "losses on layers, assistants, peers and averages are compared on MNIST" {
    kd-train-student --loss '?' |
        awk '/^[a-z]/ { name = $1 } /^ +compares layers/ { print name }' >losses
    [ "$(wc -l <losses)" -ge 5 ]
    while read -r loss; do
        jq -e --arg l "$loss" 'any(.students[].distill.loss.kind?; . == $l)' \
            "$top/configs/methods-mnist-cnn.json"
        if [ "$loss" = at ]; then continue; fi # it needs maps
        for name in digits mnist mnist-quick; do
            jq -e --arg l "$loss" 'any(.students[].distill.loss.kind?; . == $l)' \
                "$top/configs/methods-$name.json"
        done
    done <losses
    for name in digits mnist mnist-cnn mnist-quick; do
        jq -e '[.students[].distill.from?] | contains(["peer", "average", "assistant"])' \
            "$top/configs/methods-$name.json"
    done
}

@test "the table: rank, mean, spread, paired intervals" {
    printf '%s\n' name,seed,top1 teacher,1,0.99 plain,1,0.90 plain,2,0.91 plain,3,0.92 \
        kl,1,0.92 kl,2,0.93 kl,3,0.94 dkd,1,0.95 dkd,2,0.93 dkd,3,0.94 odd,1,0.5 >seeds
    echo "kl 1234" >pace
    table seeds >out
    [ "$(awk '/^ +[0-9]/ {print $2}' out | xargs)" = "dkd kl plain odd" ]
    grep -qE '^ +2  kl +93\.00 +1\.00 +3  - +\+2\.00 \[\+2\.00, \+2\.00\] \* +1234$' out
    # 3, 0 and 0 points: mean 1, half an interval of 4.303 sqrt(3 / 3)
    grep -qE '^ +1  dkd +94\.00 +1\.00 +3  \+1\.00 \[-3\.30, \+5\.30\] +' out
    grep -qE '^ +4  odd .* one seed' out
    grep -q '^No method is better than kl by more than the spread' out
    sed -i 's/dkd,2,0.93/dkd,2,0.96/; s/dkd,3,0.94/dkd,3,0.97/' seeds
    table seeds | grep -q '^Better than kl by more than the spread: dkd$'
    head -1 seeds >empty
    run table empty
    [ "$status" -eq 1 ]
}

# A copy of methods.sh beside two small comparisons with the names of the quick ones, and a
# run_all.sh that draws no reports.
small_quick() {
    mkdir -p home/configs home/scripts
    ln -s "$BIN" home/bin
    cp "$top"/scripts/{methods.sh,methods.awk,stats.awk,stoppable.sh} home/scripts
    cat >home/scripts/run_all.sh <<'SH'
#!/bin/sh -eu
for p in train-teacher soften train-student; do "kd-$p" "$@" --runs runs --update --quiet; done
kd-eval --experiment "$@" --runs runs ${SPLIT:+--split "$SPLIT"} --update --quiet
SH
    chmod +x home/scripts/run_all.sh
    local name
    for name in digits mnist-quick; do
        jq '.data = {source: "'"${name%-quick}"'", fraction: 0.02} | .teacher.network = "mlp-9"
            | .teacher.data = null | .teacher.train.epochs = 1 | .defaults.network = "mlp-5"
            | .defaults.data = null | .defaults.train.epochs = 1 | .seeds = 2
            | .students |= {plain, kl}' \
            "$top/configs/methods-$name.json" >"home/configs/methods-$name.json"
        cat >"home/configs/methods-$name-search.json" <<JSON
{ "name": "methods-$name-search", "extends": "methods-$name.json", "seeds": 1,
  "data": {"validation": 100},
  "students": {
    "plain": {"sweep": {"train.learning_rate": [0.001, 0.01]}},
    "kl": {"sweep": {"distill.temperature": [2, 8]}}
  } }
JSON
    done
}

@test "--quick: digits without MNIST, which it says; later MNIST too" {
    small_quick
    home/scripts/methods.sh --quick >table 2>said
    [ "$(grep -cE '^ +[12]  (plain|kl) ' table)" -eq 2 ]
    grep -q '^methods.sh: MNIST is passed over: there is none in ./data. scripts/get_data.sh' said
    kd-data convert digits:train digits:test --fraction 0.03 --to idx -o data/mnist --quiet
    home/scripts/methods.sh --quick >both 2>said
    [ "$(grep -cE '^ +[12]  (plain|kl) ' both)" -eq 4 ]
    [ "$(grep -c '^Methods on ' both)" -eq 2 ]
    head -n "$(wc -l <table)" both | cmp - table
    home/scripts/methods.sh --quick --table 2>said | cmp - both
}

@test "wrong calls" {
    run "$top/scripts/methods.sh" --quik
    [ "$status" -eq 2 ]
    run "$top/scripts/methods.sh" nothing
    [ "$status" -eq 2 ]
    [[ "$output" == *"methods-nothing.json"* ]]
}

@test "sparse soft targets beside dense ones: one teacher, a table of both" {
    small_quick
    cp "$top/scripts/sparse.sh" home/scripts
    jq '.name = "s-dense" | .students |= {plain, kl}' home/configs/methods-digits.json \
        >home/configs/s-dense.json
    echo '{"name": "s", "extends": "s-dense.json", "soften": {"top": 3}, "students":
        {"plain": null}}' >home/configs/s.json
    home/scripts/sparse.sh s >table 2>said
    cmp runs/s/teacher/s1/model.safetensors runs/s-dense/teacher/s1/model.safetensors
    [ "$(kd-show runs/s/soft/s1/*.safetensors --json | jq .top)" -eq 3 ]
    [ "$(grep -cE '^ +[123]  (plain|kl|sparse) ' table)" -eq 3 ]
    [ "$(grep -c 'bytes of soft targets' table)" -eq 2 ]
    home/scripts/sparse.sh s --table | cmp - table
    for name in sparse-cifar10 sparse-cifar10-dense; do
        kd-train-student "$top/configs/$name.json" --list | grep -c 'student kl ' >kl
        [ "$(cat kl)" -eq 3 ]
    done
    run home/scripts/sparse.sh --tabel
    [ "$status" -eq 2 ]
}
