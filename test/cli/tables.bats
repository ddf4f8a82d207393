#!/usr/bin/env bats
# csv:FILE: tables as people write them, learnt from, kept with the model and applied again.
bats_require_minimum_version 1.5.0

setup() {
    cd "$BATS_TEST_TMPDIR" || return 1
    unset KD_DATA OPENBLAS_CORETYPE
    . "$BATS_TEST_DIRNAME/small.bash"
    # two kinds of flowers that a line separates, and a column of text
    awk 'BEGIN {
        print "length,width,where,kind"
        for (i = 0; i < 60; i++)
            printf "%.1f,%d,%s,%s\n", i % 2 ? 5 + i % 7 / 10 : 1 + i % 5 / 10, 100 + i % 9,
                i % 3 ? "hill" : "dale", i % 2 ? "rose" : "aster"
    }' >flowers.csv
}

fact() { kd-data inspect "$@" --json 2>/dev/null; }

@test "a table is standardised by column, texts are one-hot, classes have their names" {
    fact csv:flowers.csv | jq -e '.n == 60 and .shape == [4,1,1] and .dtype == "F32" and
        .class_names == ["aster","rose"] and .counts == [30,30] and (.mean[0] | fabs) < 1e-6 and
        (.std[1] - 1 | fabs) < 1e-6 and (.mean[2] + .mean[3] - 1 | fabs) < 1e-6'
}

@test "separators, quotes, marks and line ends of all kinds give the same table" {
    want=$(fact csv:flowers.csv | jq .pixels)
    tr , ';' <flowers.csv | sed 's/\./,/' >semicolon.csv
    tr , '\t' <flowers.csv >tab.tsv
    sed 's/$/\r/; 1s/^/\xef\xbb\xbf/' flowers.csv >windows.csv
    sed 's/hill/"hill"/; s/,/ , /g; $G' flowers.csv >quoted.csv
    for f in semicolon.csv tab.tsv windows.csv quoted.csv; do
        [ "$(fact csv:$f | jq .pixels)" = "$want" ] || { echo "$f"; return 1; }
    done
    printf 'a,b,k\n1,"x, ""y""\nz",u\n2,w,v\n' >deep.csv
    [ "$(fact csv:deep.csv | jq .n)" -eq 2 ]
}

@test "the label's column by name and number; tables without a line of names" {
    [ "$(fact csv:flowers.csv --label where | jq -c .class_names)" = '["dale","hill"]' ]
    [ "$(fact csv:flowers.csv --label 3 | jq -c .class_names)" = '["dale","hill"]' ]
    refused 2 "no such column, did you mean 'where'" -- kd-data inspect csv:flowers.csv --label were
    tail -n +2 flowers.csv >bare.csv
    [ "$(fact csv:bare.csv | jq .n)" -eq 60 ]
    [ "$(fact csv:bare.csv | jq .pixels)" = "$(fact csv:flowers.csv | jq .pixels)" ]
    [ "$(fact csv:bare.csv --heading yes | jq .n)" -eq 59 ]
    # classes that are numbers are in the order of numbers
    printf 'x,k\n1,10\n2,9\n3,2\n' >numbers.csv
    [ "$(fact csv:numbers.csv | jq -c .class_names)" = '["2","9","10"]' ]
}

@test "empty cells are an error that names the line, or the column's mean" {
    sed '5s/^[^,]*/NA/' flowers.csv >gap.csv
    refused 1 "gap.csv: line 5: column length is empty" "--missing mean" \
        -- kd-data inspect csv:gap.csv
    [ "$(fact csv:gap.csv --missing mean | jq .n)" -eq 60 ]
}

@test "a model keeps its columns, and other tables are taken by them" {
    kd-train-teacher --data csv:flowers.csv --layers 8 -e 60 --batch 10 --learning-rate 0.05 \
        -o t.safetensors -q
    meta t.safetensors kd.columns | jq -e '.label == "kind" and .classes == ["aster","rose"] and
        (.columns | length) == 3 and .columns[2].categories == ["dale","hill"]'
    [ "$(kd-eval t.safetensors --data csv:flowers.csv:test --json | jq .top1)" = 1 ]
    # a row alone has another mean; columns may stand in another order, and labels may be absent
    head -2 flowers.csv >one.csv
    [ "$(kd-eval t.safetensors --data csv:one.csv:test --json | jq .top1)" = 1 ]
    awk -F, '{print $4 "," $3 "," $2 "," $1}' flowers.csv >turned.csv
    [ "$(kd-eval t.safetensors --data csv:turned.csv:test --json | jq .top1)" = 1 ]
    cut -d, -f1-2,4 flowers.csv >less.csv
    refused 1 "no column where" -- kd-eval t.safetensors --data csv:less.csv:test
    sed '3s/hill/moon/; 3s/dale/moon/' flowers.csv >new.csv
    refused 1 "new.csv: line 3" "'moon', which the model never saw" \
        -- kd-eval t.safetensors --data csv:new.csv:test
    sed '3s/rose/weed/; 3s/aster/weed/' flowers.csv >class.csv
    refused 1 "class.csv: line 3: label 'weed'" -- kd-eval t.safetensors --data csv:class.csv:test
    # tables without names are taken by place
    awk -F, 'NR > 1 {print $4 "," $1 "," $2 "," $3}' flowers.csv >bare.csv
    kd-train-teacher --data csv:bare.csv --label 1 --layers 8 -e 60 --batch 10 \
        --learning-rate 0.05 -o b.safetensors -q
    head -3 bare.csv >few.csv
    [ "$(kd-eval b.safetensors --data csv:few.csv:test --json | jq .top1)" = 1 ]
    cut -d, -f2- few.csv >unlabelled.csv
    kd-soften -m b.safetensors --data csv:unlabelled.csv -o u.safetensors -q
    # soft targets and a student from the same table
    kd-soften -m t.safetensors --data csv:flowers.csv -o s.safetensors -q
    kd-train-student --data csv:flowers.csv -S s.safetensors --layers 8 -e 60 --batch 10 \
        --learning-rate 0.05 -o st.safetensors -q
    kd-eval st.safetensors --data csv:flowers.csv:test --json | jq -e ".top1 > 0.9"
}

@test "tables that are none" {
    printf 'a,b\n1,2\n3\n' >short.csv
    refused 1 "short.csv: line 3: 1 cells, but the first line has 2" \
        -- kd-data inspect csv:short.csv
    printf 'a,b\n1,"2\n' >open.csv
    refused 1 "open.csv: line 2: a quote is not closed" -- kd-data inspect csv:open.csv
    { printf 'a,b\n1,2\n'; head -c 67200000 /dev/zero | tr '\0' 3; printf ',4\n'; } >long.csv
    refused 1 "long.csv: line 3 is longer than 67108864 bytes" -- kd-data inspect csv:long.csv
    rm long.csv
    : >empty.csv
    refused 1 "empty.csv: an empty table" -- kd-data inspect csv:empty.csv
    printf '\xff\xfea\0,\0b\0\n\0' >wide.csv
    refused 1 "wide.csv" "UTF-16" -- kd-data inspect csv:wide.csv
    sed '4s/^[^,]*/many/' flowers.csv >text.csv
    [ "$(fact csv:text.csv | jq -c .shape)" != '[4,1,1]' ] # one text makes a column of texts
    refused 2 "say what it is: csv:flowers.csv" -- kd-data inspect flowers.csv
}

@test "a small table: its few steps are told of, and with more of them it is learnt" {
    # three kinds with four measures each, which overlap as those of irises do
    awk 'function noise() { return rand() + rand() + rand() + rand() - 2 }
        BEGIN {
            srand(7)
            for (i = 0; i < 150; i++) {
                k = i % 3
                printf "%.2f,%.2f,%.2f,%.2f,k%d\n", 5 + 0.8 * k + 0.6 * noise(),
                    3.4 - 0.4 * (k > 0) + 0.6 * noise(), 1.5 + 2.1 * k + 0.6 * noise(),
                    0.2 + k + 0.4 * noise(), k
            }
        }' >rows
    { echo a,b,c,d,kind; head -100 rows; } >train.csv
    { echo a,b,c,d,kind; tail -50 rows; } >test.csv
    says_few() { grep -q "are 20 steps in 20 epochs, which is few; try --batch 16" told; }
    kd-train-teacher --data csv:train.csv --layers 32 --validation 0 -o short.safetensors 2>told
    says_few
    for seed in 1 2 3; do
        kd-train-teacher --data csv:train.csv --layers 32 --batch 16 --epochs 200 --seed $seed \
            --learning-rate 0.003 --validation 0 -o $seed.safetensors 2>told
        if says_few; then false; fi
        kd-eval $seed.safetensors --data csv:test.csv:test --json | jq -e '.top1 >= 0.94'
    done
    kd-eval short.safetensors --data csv:test.csv:test --json | jq -e '.top1 < 0.9'
}

@test "the rows that a model of a table gets wrong, the surest first" {
    cat >x.json <<'JSON'
    {"name": "x",
     "data": {"source": "csv:flowers.csv", "label": "where", "test": "csv:flowers.csv"},
     "students": {"a": {"network": "mlp-4", "train": {"epochs": 2, "learning_rate": 0.05}}}}
JSON
    kd-train-student x.json -q >/dev/null
    kd-eval -x x.json -q >/dev/null
    kd-report x.json --table wrong --csv >wrong.csv
    [ "$(head -n 1 wrong.csv)" = run,name,seed,row,class,class_name,taken_for,confidence ]
    [ $(($(wc -l <wrong.csv) - 1)) -eq "$(jq .errors runs/x/students/a/s1/eval.json)" ]
    [ "$(wc -l <wrong.csv)" -gt 1 ]
    awk -F, 'NR > 1 && ($6 == $7 || $4 < 1 || $4 > 60 || $8 < 0.5 || (NR > 2 && $8 > last)) {
        exit 1 } { last = $8 }' wrong.csv
    kd-report x.json --table wrong | grep -q 'how surely %'
}
