#!/usr/bin/env bats
# kd-report on runs with known figures, and on broken ones.
bats_require_minimum_version 1.5.0

setup_file() {
    export RUN=$BATS_FILE_TMPDIR/digits
    "$BATS_TEST_DIRNAME/../fixtures/make_run.sh" "$RUN" 6 "1 2 3" "1 4" "800 30"
}
setup() {
    unset OPENBLAS_CORETYPE
    make_run=$BATS_TEST_DIRNAME/../fixtures/make_run.sh
    cd "$BATS_TEST_TMPDIR"
}
report() { kd-report "$@"; }

@test "the table has a row per model, says split and seeds, marks the best on validation" {
    run --separate-stderr report "$RUN"
    [ "$status" -eq 0 ]
    [[ "${lines[0]}" == "digits: digits, test split (10,000 images); 3 seeds; each seed learns \
from its own teacher." ]]
    [[ "$output" == *"  teacher "*"2,395,210"*"1.00x"*"98.96 ± 0.02"* ]]
    [[ "$output" == *"* kd,temperature=4 "*" 4 "*"0.9"*"1,276,810"*"1.88x"*"98.75 ± 0.03"* ]]
    [ "$(grep -c '^\* ' <<<"$output")" -eq 2 ] # in both tables
    [[ "$output" =~ \*\ kd,temperature=4\ +yes\ +99.95\ ±\ 0.00\ +0.06120\ ±\ 0\ +1.23\ ±\ 0.00 ]]
    [[ "$output" != *$'\033'* ]] # colour on a terminal only
}

@test "differences: paired by seed, 95 % t-interval, the claim only where it excludes zero" {
    d=$(report "$RUN" --table differences --csv)
    [[ "$(grep '^digits,"kd,temperature=4",plain,0.003' <<<"$d")" == \
        *",3,,better by more than the spread" ]]
    grep -q '"kd-30,temperature=4",plain-30,' <<<"$d"
    # The three differences are 0.0034 +- 0.0004 * {-1, 0, 1} or so: recompute the interval from
    # eval.json.
    for s in 1 2 3; do
        jq -s '.[0].top1 - .[1].top1' "$RUN/students/kd,temperature=4/s$s/eval.json" \
            "$RUN/students/plain/s$s/eval.json"
    done | awk '{ x[NR] = $1; m += $1 / 3 } END { for (i in x) v += (x[i] - m) ^ 2 / 2;
        h = 4.302652730 * sqrt(v / 3)
        printf "%.9f %.9f\n", m - h, m + h }' >wanted
    awk -F, '/"kd,temperature=4"/ { printf "%.9f %.9f\n", $6, $7 }' <<<"$d" >got
    diff wanted got
    run --separate-stderr report "$RUN"
    n='\+0\.[0-9]+'
    grep -Eq "kd,temperature=4 +plain +\+0.34 +$n +$n +3 +better by more than the" <<<"$output"
    cp -r "$RUN" within
    for s in 1 2 3; do
        cp "within/students/plain/s$s/eval.json" "within/students/kd,temperature=1/s$s/"
    done
    run --separate-stderr report within
    [[ "$output" =~ kd,temperature=1\ +plain\ +\+0.00\ +\+0.00\ +\+0.00\ +3\ +within\ the\ spread ]]
    rm -r within/students/plain/s2 within/students/plain/s3
    run --separate-stderr report within
    [[ "$output" =~ kd,temperature=4\ +plain\ .*one\ pair:\ no\ interval ]]
}

@test "the plain counterpart is one trained on the same data where there is one" {
    cp -r "$RUN" two
    cp -r two/students/plain two/students/other
    # Same lengths, so that the file stays whole: other data, better on validation.
    LC_ALL=C sed -i 's/fraction\\":1/fraction\\":2/; s/top1\\":0.98/top1\\":0.99/g
        s/student\\":\\"plain/student\\":\\"other/' \
        two/students/other/s?/model.safetensors
    run --separate-stderr report two --csv --table differences --columns name,plain
    [[ "$output" == *'"kd,temperature=4",plain'* ]]
    run --separate-stderr report two --best
    [[ "$output" == *"/other/"* ]]
    # Another share of the data is no counterpart; other classes are where there is nothing closer.
    rm -r two/students/plain
    run --separate-stderr report two --csv --table differences --columns name,plain
    [[ "$output" != *other* ]]
    LC_ALL=C sed -i 's/fraction\\":2/fraction\\":1/; s/"digits/"digit9/' \
        two/students/other/s?/model.safetensors
    run --separate-stderr report two --csv --table differences --columns name,plain
    [[ "$output" == *'"kd,temperature=4",other'* ]]
}

# config FILTER FOLDER...: a jq filter over the kd.config of the models in the folders
config() {
    local f=$1 m n
    for m in "${@:2}"; do
        m=$m/model.safetensors n=$(od -An -N8 -tu8 "$m" | tr -d ' ')
        tail -c +9 "$m" | head -c "$n" |
            jq -jc ".__metadata__[\"kd.config\"] |= (fromjson | $f | tojson)" >header
        n=$(wc -c <header)
        { printf "$(printf '\\x%02x' $((n & 255)) $((n >> 8)))\0\0\0\0\0\0"; cat header; printf \
            '\0\0\0\0\0\0\0\0'; } >"$m"
    done
}

@test "a student without labels is compared with the plain one that learns from the same images" {
    cp -r "$RUN" data && rm -r data/students/*30* data/students/kd,temperature=1
    cp -r data/students/plain data/students/plain-10
    cp -r "data/students/kd,temperature=4" data/students/unlabelled-10
    config '.student = "plain-10" | .data.fraction = 0.1 | .data.unlabelled = false' \
        data/students/plain-10/s?
    config '.student = "unlabelled-10" | .data.fraction = 0.1 | .data.unlabelled = true' \
        data/students/unlabelled-10/s?
    sed -i 's/"top1":0.98/"top1":0.96/' data/students/plain-10/s?/eval.json
    report data --csv --table differences --columns name,plain | sort >got
    printf '%s\n' '"kd,temperature=4",plain' name,plain unlabelled-10,plain-10 | sort | diff - got
    # 0.9875 on the way from 0.9641 to 0.9896
    report data --csv --columns name,gap_recovered | grep -q '^unlabelled-10,0.91'
}

@test "differences from each plain student of the same network and data; sweeps by validation" {
    cp -r "$RUN" long && rm -r long/students/*30*
    for x in as-long plain,learning_rate=1; do
        cp -r long/students/plain "long/students/$x"
        config ".student = \"$x\"" "long/students/$x"/s?
    done
    sed -i 's/"top1":0.98/"top1":0.97/' long/students/as-long/s?/eval.json
    jq '.students += {"as-long": {}}' long/experiment.json >x && mv x long/experiment.json
    LC_ALL=C sed -i 's/valid\\":{\\"loss\\":0.06/valid\\":{\\"loss\\":0.05/' \
        long/students/plain/s?/model.safetensors
    report long --csv --table differences --columns name,plain,verdict | grep temperature=4 >got
    cat got
    diff got - <<'END'
"kd,temperature=4",plain,better by more than the spread
"kd,temperature=4",as-long,better by more than the spread
END
    [ "$(report long | grep -c '^  kd,temperature=4 .*by more than the spread')" -eq 2 ]
    [ "$(report long --json | jq '.differences | length')" -eq 4 ]
    report long --page -o page.html
    [ "$(grep -c 'by more than the spread</td>' page.html)" -eq 4 ]
}

@test "the gap closed is left empty where teacher and plain student are within their spread" {
    gap() { report gap --csv --columns name,gap_recovered | sed -n 's/^"kd,temperature=4",//p'; }
    cp -r "$RUN" gap && rm -r gap/students/*30*
    [[ "$(gap)" == 0.61* ]]
    # 0.9841 +- 0.0004 and 0.9846 +- 0.0004: of a gap that may be none no share can be closed
    for s in 1 2 3; do
        sed -i "s/\"top1\":[0-9.]*/\"top1\":0.98$((38 + 4 * s))/" gap/teacher/s$s/eval.json
    done
    [ "$(gap)" = "" ]
    report gap >table
    [ "$(grep -c 'gap closed' table)" -eq 0 ] # neither a column nor a word about it
    report "$RUN" >table
    [ "$(grep -c 'gap closed' table)" -eq 2 ]
    # One seed each: no spread is known.
    rm -r gap/teacher/s[23] gap/students/*/s[23]
    [ "$(gap)" != "" ]
}

@test "a run below a folder of models is one of its own, and none of these" {
    mkdir -p both/runs
    cp -r "$RUN/students/plain/s1" both/mine
    cp -r "$RUN" both/runs/x
    echo '{"name": "x"}' >both/runs/x/experiment.json
    report both --csv --columns name | tail -n +2 >names
    cat names
    [ "$(wc -l <names)" -eq 1 ]
}

@test "figures in CSV and JSON are those of eval.json, to the digit" {
    report "$RUN" --csv --table seeds -o seeds.csv
    [ "$(wc -l <seeds.csv)" -eq 22 ]
    report "$RUN" --json >report.json
    while IFS=$'\t' read -r folder top1 errors nll; do
        jq -e --argjson t "$top1" --argjson e "$errors" --argjson n "$nll" \
            '.top1 == $t and .errors == $e and .nll == $n' "$folder/eval.json"
        grep -qF ",$top1,$errors," seeds.csv
    done < <(jq -r '.seeds[] | [.folder, .top1, .errors, .nll] | @tsv' report.json)
    [ "$(jq '.models | length' report.json)" -eq 7 ]
    [ "$(jq '.models[1].errors' report.json)" = \
        "$(jq -s 'map(.errors) | add / length' "$RUN"/students/plain/s*/eval.json)" ]
}

@test "--best prints the model of the median-best student, the seed best on validation" {
    run --separate-stderr report "$RUN" --best
    [ "$output" = "$RUN/students/kd,temperature=4/s3/model.safetensors" ]
    [ -f "$output" ]
    # Test figures play no part.
    cp -r "$RUN" tricked
    for s in 1 2 3; do
        sed -i 's/"top1":0.9[0-9]*/"top1":0.9999/' "tricked/students/plain-30/s$s/eval.json"
    done
    run --separate-stderr report tricked --best
    [ "$output" = "tricked/students/kd,temperature=4/s3/model.safetensors" ]
    mkdir -p none/students
    run --separate-stderr report none --best
    [ "$status" -eq 1 ]
    [[ "$stderr" == *"none: no student with a model file"* ]]
}

@test "--log shows a log as a table with curves; a file, a seed, a model or a run will do" {
    run --separate-stderr report --log "$RUN/students/plain/s2"
    [ "$status" -eq 0 ]
    [[ "${lines[0]}" == "plain, seed 2 ("*"): 6 epochs, kept: epoch 6 (*)." ]]
    [[ "$output" == *"validation top-1"*"▁"*"█"* ]]
    [ "$(grep -cE '^(\*| ) +[1-6] ' <<<"$output")" -eq 6 ]
    one=$output
    run --separate-stderr report --log "$RUN/students/plain/s2/log.jsonl"
    [ "${output#*)}" = "${one#*)}" ]
    run --separate-stderr report --log "$RUN/teacher"
    [ "$(grep -c '^teacher, seed' <<<"$output")" -eq 3 ]
    run --separate-stderr report --log --best "$RUN"
    [[ "${lines[0]}" == "kd,temperature=4, seed 3 "* ]]
}

@test "--last takes the newest run, one made on the spot included" {
    mkdir runs && cp -r "$RUN" runs/old && sleep 0.02
    mkdir runs/quick && cp "$RUN"/students/plain/s1/* runs/quick/
    run --separate-stderr report --last --log
    [ "$status" -eq 0 ]
    [[ "${lines[0]}" == "plain, seed 1 (runs/quick)"* ]]
    sleep 0.02 && touch runs/old/teacher/s1/log.jsonl
    run --separate-stderr report --last
    [[ "$output" == *"teacher"* ]]
    run --separate-stderr report --last runs/old
    [ "$status" -eq 2 ]
    run --separate-stderr report --last --runs nowhere
    [ "$status" -eq 1 ]
    [[ "$stderr" == *nowhere* ]]
}

@test "runs that are partial, empty, broken or old still give a report that says so" {
    cp -r "$RUN" p
    rm -r p/students/plain/s3 && rm p/students/plain/s2/model.safetensors p/teacher/s1/eval.json
    printf 'not json\n{"epoch":1,"train":{"loss":null}}\n{"epoch":2,"tra' \
        >p/students/plain-30/s1/log.jsonl
    printf '\1\0\0\0\0\0\0\0{' >p/students/plain-30/s2/model.safetensors
    echo '[1' >p/students/plain-30/s3/eval.json
    : >p/students/plain-30/s1/eval.json
    run --separate-stderr report p
    [ "$status" -eq 0 ]
    [[ "$output" == *"digits: not trained yet: plain s3."* ]]
    [[ "$output" == *"training unfinished, no model file: plain s2."* ]]
    [[ "$output" == *"not evaluated on the test split: teacher s1, plain-30 s1, plain-30 s3."* ]]
    [[ "$output" == *"training loss is not a number: plain-30 s1."* ]]
    [[ "$output" == *"p/students/plain-30/s1/log.jsonl: line 1"*"(1 unreadable line left out)."* ]]
    [[ "$output" == *"p/students/plain-30/s2/model.safetensors: not a safetensors file"* ]]
    [[ "$output" == *"p/students/plain-30/s3/eval.json"* ]]
    for form in --csv --markdown --json --latex --log; do report p $form >/dev/null; done
    mkdir empty && run --separate-stderr report empty
    [ "$status" -eq 0 ]
    [[ "$output" == *"empty: nothing to show yet."*"empty: no models yet."* ]]
    echo '{' >p/experiment.json
    run --separate-stderr report p
    [ "$status" -eq 0 ]
    [[ "$output" == *"p/experiment.json"* ]]
    run --separate-stderr report missing
    [ "$status" -eq 1 ]
    [[ "$stderr" == *"missing: no such run"* ]]
    run --separate-stderr report
    [ "$status" -eq 2 ]
}

@test "one epoch, one seed, no validation" {
    "$make_run" one 1 1 4
    sed -i 's/"valid":{[^}]*}/"valid":null/' one/*/s1/log.jsonl one/students/*/s1/log.jsonl
    run --separate-stderr report one
    [ "$status" -eq 0 ]
    [[ "$output" == *"one pair: no interval"* ]]
    run --separate-stderr report one --log
    [ "$status" -eq 0 ]
    [[ "$output" == *": 1 epoch, kept: epoch 1"* ]]
    run report one --charts -o charts
    [ "$status" -eq 0 ]
    [ -s charts/learning-curves.svg ]
}

# Renames a model, in folder and experiment; the name inside the model file is dropped with it.
odd_run() {
    "$make_run" odd 3 1 4
    mv odd/students/plain "odd/students/$1"
    printf 'x' >"odd/students/$1/s1/model.safetensors"
}

@test "odd names come out right and harmless in every form" {
    odd_run '=1+1,"<b>&|$x_#%ä 日本'
    report odd --csv -o r.csv
    grep -qF '"'"'"'=1+1,""<b>&|$x_#%ä 日本",' r.csv
    report odd --markdown >r.md
    grep -qF '| =1+1,"&lt;b&gt;&amp;\|\$x\_\#%ä 日本 |' r.md
    [ "$(grep -c '<b>' r.md)" -eq 0 ]
    report odd --latex >r.tex
    grep -qF '=1+1,{\ttfamily\char34}\textless{}b\textgreater{}\&\textbar{}\$x\_\#\%ä 日本 &' r.tex
    report odd --json | jq -e '.models[] | select(.name == "=1+1,\"<b>&|$x_#%ä 日本")'
    report odd | grep -qF '=1+1,"<b>&|$x_#%ä 日本 '
    mv odd/students/=1* "odd/students/$(printf 'a\033[31mb\nc')"
    run report odd
    [[ "$output" != *$'\033'* ]]
    [[ "$output" == *"a�[31mb c "* ]]
}

@test "--columns, --sort, --filter, --format and -o" {
    run --separate-stderr report "$RUN" --csv --columns name,errors --sort top1 --filter 'kd*'
    [ "${lines[0]}" = "name,errors,errors_sd" ]
    [ "${#lines[@]}" -eq 5 ]
    [[ "${lines[1]}" == '"kd,temperature=4",125,3'* ]]
    [[ "${lines[4]}" == '"kd-30,'* ]]
    run --separate-stderr report "$RUN" --columns nam
    [ "$status" -eq 2 ]
    [[ "$stderr" == *'did you mean "name"'* ]]
    run --separate-stderr report "$RUN" --csv --markdown
    [ "$status" -eq 2 ]
    run --separate-stderr report "$RUN" -o sub/r.csv
    [ "$output" = sub/r.csv ]
    [[ "$(head -n 1 sub/r.csv)" == run,name,role,* ]]
    [ "$(report "$RUN" --format csv)" = "$(cat sub/r.csv)" ]
    run report "$RUN" --csv -o /dev/full
    [ "$status" -eq 1 ]
}

@test "several runs side by side" {
    "$make_run" other 3 1 4
    run --separate-stderr report "$RUN" other
    [[ "${lines[1]}" == "other: "* ]]
    [ "$(grep -c '^\* ' <<<"$output")" -eq 4 ] # in both tables
    run --separate-stderr report "$RUN" other --best
    [ "${#lines[@]}" -eq 2 ]
    # A folder of runs is its runs.
    mkdir runs
    cp -r "$RUN" other runs/
    run --separate-stderr report runs --csv --columns run,name,seeds
    [ "$(grep -c '^digits,plain,3$' <<<"$output")" -eq 1 ]
    [ "$(grep -c '^other,plain,1$' <<<"$output")" -eq 1 ]
}

@test "absurd figures draw and print" {
    "$make_run" wild 4 1 "1 4"
    sed -i '2s/"loss":[^,}]*/"loss":1e308/g; 3s/"loss":[^,}]*/"loss":1e-308/g
        4s/"top1":[^,}]*/"top1":-1e300/g' \
        wild/students/*/s1/log.jsonl
    sed -i 's/"errors":[0-9]*/"errors":1e300/; s/"top1":[0-9.]*/"top1":1e200/' \
        wild/students/plain/s1/eval.json
    sed -i '1s/"epoch":1,/"epoch":-1e308,/; $s/"epoch":4,/"epoch":1e308,/' wild/teacher/s1/log.jsonl
    report wild --all >/dev/null
    report wild --log >/dev/null
    report wild >/dev/null
}

has_cairo() { ! kd-report "$RUN" --charts -o probe 2>&1 | grep -q libcairo2-dev; }

@test "charts say what they have no room for" {
    "$make_run" many 1 1 "$(seq -s ' ' 64)" 30
    for i in {1..8}; do
        LC_ALL=C sed -i "s/alpha\\\\\":0.9/alpha\\\\\":0.$i/" \
            "many/students/kd-30,temperature=$i/s1/model.safetensors"
    done
    LC_ALL=C sed -i 's/fraction\\":1/fraction\\":2/' many/students/plain-30/s1/model.safetensors
    report many --charts -o charts >/dev/null
    says() {
        grep -qF ">$2</text>" "charts/$1.svg" || {
            echo "$1 says: $(grep -o '>[^<]*are drawn[^<]*' "charts/$1.svg")"; return 1
        }
    }
    says accuracy-models "The first 60 of 66 models are drawn; tables have all."
    [ "$(grep -o '<text[^>]*>kd-30,[^<]*' charts/accuracy-models.svg | wc -l)" -eq 58 ]
    # All have one size: the best stands on the front, beside the teacher's, and is the only one
    # that is named, above its mark.
    [ "$(grep -c '<text[^>]*>kd-30,' charts/accuracy-parameters.svg)" -eq 1 ]
    # one makes many times those of another
    grep -q '>Errors of each model: many<' charts/accuracy-models.svg
    says errors-data "The first 60 of 65 students are drawn; tables have all."
    says accuracy-temperature "The lowest 5 of 9 values of alpha are drawn; tables have all."
    [ "$(grep -o '>distilled, alpha 0[^<]*' charts/accuracy-temperature.svg | tail -n 1)" = \
        ">distilled, alpha 0.5" ]
    LC_ALL=C sed -i 's/"top1":[^,]*/"top1":0.95/' many/students/*/s1/eval.json
    report many --charts -o alike >/dev/null
    grep -q '>Accuracy of each model: many<' alike/accuracy-models.svg
    # With the plain student, now of the same images, the legend has a third row, and pushes the
    # chart's end down.
    grep -q 'viewBox="0 0 720 520"' charts/accuracy-temperature.svg
    LC_ALL=C sed -i 's/fraction\\":2/fraction\\":1/' many/students/plain-30/s1/model.safetensors
    report many --charts -o charts >/dev/null
    grep -q 'viewBox="0 0 720 540"' charts/accuracy-temperature.svg
    "$make_run" networks 1 1 "1 4" "10 20 30 40 50 60 70 80"
    report networks --charts -o charts >/dev/null
    says temperature-networks "The first 7 of 8 networks are drawn; tables have all."
    # Names on the front (at least two find room) cover no mark and no other name; a letter is at
    # least 5 points wide.
    sed -n 's/.*<\(circle\) cx="\([0-9.]*\)" cy="\([0-9.]*\)".*/\1 \2 \3 0/p
        s/.*<\(text\) x="\([0-9.]*\)" y="\([0-9.]*\)"[^>]*>\(kd-[^<]*\)<.*/\1 \2 \3 \4/p' \
        charts/accuracy-parameters.svg | tee marks | awk '
        {x[NR] = $2; y[NR] = $3; width[NR] = 5 * length($4); text[NR] = $1 == "text";
        names += text[NR]}
        END {
            for (i = 1; i <= NR; i++) for (k = 1; text[i] && k <= NR; k++)
                if (k != i && x[k] < x[i] + width[i] && x[k] + width[k] > x[i] &&
                y[k] > y[i] - 11 && y[k] - (text[k] ? 11 : 0) < y[i]) covered++
            exit names < 2 || covered > 0
        }'
    report "$RUN" --charts -o few >/dev/null
    run ! grep -l "are drawn" few/*.svg
}

@test "charts: every kind that the run has figures for, as SVG, PNG and PDF" {
    has_cairo || skip "built without Cairo"
    run --separate-stderr report "$RUN" --charts -o charts
    [ "$status" -eq 0 ]
    for c in learning-curves learning-curves-2 accuracy-parameters accuracy-models \
        accuracy-temperature accuracy-temperature-2 \
        temperature-networks; do
        [ "$(head -c 8 "charts/$c.png" | od -An -tx1 | tr -d ' \n')" = 89504e470d0a1a0a ]
        [ "$(head -c 5 "charts/$c.pdf")" = %PDF- ]
        [ "$(tail -n 1 "charts/$c.svg")" = "</svg>" ]
    done
    [ "$(wc -l <<<"$output")" -eq 24 ] # and the training images
    [ ! -e charts/sweep.svg ]
    [ ! -e charts/confusion.svg ]
    # The classes and bins of an evaluation get their charts.
    cp -r "$RUN" more
    f='more/students/kd,temperature=4/s3/eval.json'
    sed -i 's/}$/,"confusion":[[40,2],[5,53]],"bins":[[10,0.4,0.35],[90,0.95,0.97]]}/' "$f"
    report more --charts
    grep -q '>53</text>' more/report/confusion.svg
    grep -q 'Reliability: digits, kd,temperature=4 (seed 3)' more/report/reliability.svg
    run --separate-stderr report more --charts
    [ "$status" -eq 0 ] # a report folder in the run is no model
    mkdir nothing && run --separate-stderr report nothing --charts
    [ "$status" -eq 1 ]
    [[ "$stderr" == *"nothing: nothing to draw yet"* ]]
}

@test "confusion of a student that never saw a class: the class is named and marked" {
    cp -r "$RUN" unseen && rm -r unseen/students/*30*
    config '.data.omit = [1]' unseen/students/plain/s?
    for s in 1 2 3; do
        sed -i "s/}\$/,\"confusion\":[[40,$s],[$((s * s)),53]]}/" \
            unseen/students/plain/s$s/eval.json
    done
    report unseen --charts -o charts
    f=charts/unseen-classes.svg
    grep -q '>\* never saw 1</text>' $f
    grep -q '<text[^>]*font-weight="bold"[^>]*>1\*</text>' $f
    grep -q '>0</text>' $f
    for v in 40.0 2.0 4.7 53.0; do grep -q ">$v</text>" $f; done
    grep -q 'images a seed' $f
    # The classes of a student that saw them all are not marked.
    for s in 1 2 3; do
        sed -i 's/}$/,"confusion":[[40,2],[5,53]]}/' unseen/students/kd*4/s$s/eval.json
    done
    report unseen --charts -o charts
    [ "$(grep -c 'never saw\|\*<' charts/confusion.svg)" -eq 0 ]
    grep -q '>53</text>' charts/confusion.svg
}

@test "errors against data and temperature: bars apart, ticks at students, logarithmic axes" {
    cp -r "$RUN" data && rm -r data/students/*30* data/students/kd,temperature=1
    for f in 0.01 0.03 0.3; do
        cp -r data/students/plain data/students/plain-$f
        cp -r "data/students/kd,temperature=4" data/students/kd-$f
        config ".student = \"plain-$f\" | .data.fraction = $f" data/students/plain-$f/s?
        config ".student = \"kd-$f\" | .data.fraction = $f" data/students/kd-$f/s?
    done
    report data --charts -o charts
    f=charts/errors-data.svg
    for t in 1 3 30 100; do grep -q ">$t</text>" $f; done
    [ "$(grep -c '>10</text>' $f)" -eq 0 ]
    grep -q '>share of the training images, % (logarithmic)</text>' $f
    grep -q '>test errors, % (logarithmic)</text>' $f
    grep -q '>teacher</text>' $f
    # two lines of four points each
    [ "$(grep -o '<circle cx="[0-9.]*"' $f | sort -u | wc -l)" -eq 8 ]
    rm -r data/teacher
    report data --charts -o charts
    [ "$(grep -c '>teacher</text>' $f)" -eq 0 ]
    report "$RUN" --charts -o charts
    f=charts/temperature-networks.svg
    grep -q '>temperature T (logarithmic)</text>' $f
    # two networks at two temperatures
    [ "$(grep -o '<circle cx="[0-9.]*"' $f | sort -u | wc -l)" -eq 4 ]
}

@test "soft targets in the run are drawn: the teacher's softmax at several temperatures" {
    cp -r "$RUN" soft
    mkdir -p soft/soft/s1
    h='{"logits":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}} '
    { printf '\100\0\0\0\0\0\0\0'; printf '%-64s' "$h"; printf \
        '\0\0\100\100\0\0\0\0\0\0\0\0\0\0\100\100'; } >soft/soft/s1/t.safetensors
    report soft --page -o r.html
    # softmax of (3, 0) is 95.26 % at T = 1, 67.92 % at T = 4
    grep -q 'class 0 at T = 1: 95.26 %' r.html
    grep -q 'class 0 at T = 4: 67.92 %' r.html
    grep -q '>image 1<' r.html
    printf 'broken' >soft/soft/s1/t.safetensors
    report soft --page -o r.html
    [ "$(grep -c 'Soft targets:' r.html)" -eq 0 ]
}

@test "page: self-contained, hostile names inert, every seed with its command" {
    odd_run '<script>alert(1)<!script>&"'
    report odd --page
    p=odd/report/report.html
    [ "$(grep -c '<script' $p)" -eq 1 ]
    grep -qF '&lt;script&gt;alert(1)&lt;!script&gt;&amp;&quot;' $p
    [ "$(grep -cE '(src|href)=|url\(|@import|https?://' \
        <(sed 's|http://www.w3.org/2000/svg||; s|href="data:image/png;base64,||' $p))" -eq 0 ]
    report "$RUN" --page -o r.html
    grep -q '<code>kd-train s1</code>' r.html
    grep -q 'data-v="0.9896"' r.html
    grep -q 'kd,temperature=4, epoch 6: ' r.html # values on hover
    for tag in table tr td th figure svg g text; do
        [ "$(grep -oE "<$tag[ >]" r.html | wc -l)" -eq "$(grep -o "</$tag>" r.html | wc -l)" ]
    done
}

@test "workbook: right numbers, native charts, no formulas" {
    run --separate-stderr report "$RUN" --workbook -o r.xlsx
    [[ "$stderr" != *libxlsxwriter-dev* ]] || skip "built without libxlsxwriter"
    [ "$status" -eq 0 ]
    command -v unzip >/dev/null || skip "no unzip"
    unzip -q r.xlsx -d x
    ls x/xl/charts/chart3.xml
    grep -q '<v>0.9841' x/xl/worksheets/sheet1.xml
    grep -q '<v>125</v>' x/xl/worksheets/sheet1.xml
    odd_run '=HYPERLINK("x")&<b>'
    report odd --workbook -o odd.xlsx
    unzip -q odd.xlsx -d y
    grep -qF '=HYPERLINK("x")&amp;&lt;b&gt;' y/xl/sharedStrings.xml
    [ "$(cat y/xl/worksheets/*.xml | grep -c '<f>')" -eq 0 ]
}

@test "--all writes every form to RUN/report and prints the paths; missing forms are named" {
    cp -r "$RUN" full
    run --separate-stderr report full --all
    [ "$status" -eq 0 ]
    for p in "${lines[@]}"; do [ -s "$p" ]; done
    for f in report.txt report.md report.tex report.json models.csv seeds.csv differences.csv \
        logs.csv report.html; do
        [[ "$output" == *"full/report/$f"* ]]
    done
    [[ "$output" == *report.xlsx* || "$stderr" == *libxlsxwriter-dev* ]]
    [[ "$output" == *learning-curves.png* || "$stderr" == *libcairo2-dev* ]]
    [ "$(wc -l <full/report/logs.csv)" -eq $((21 * 6 + 1)) ]
    mkdir void && run --separate-stderr report void --all
    [ "$status" -eq 0 ]
    grep -q "no models yet" void/report/report.txt
    before=$(md5sum full/report/report.md) && chmod 500 full/report
    if [ ! -w full/report ]; then # root may write anyway
        run --separate-stderr report full --all
        [ "$status" -eq 1 ]
    fi
    chmod 700 full/report
    [ "$before" = "$(md5sum full/report/report.md)" ]
}

@test "an evaluation of the model that lay there before is passed over, with a note" {
    cat >again.json <<'JSON'
{"name": "again", "data": {"source": "digits", "fraction": 0.02, "validation": 100},
 "students": {"plain": {"network": "mlp-4", "train": {"epochs": 1}}}}
JSON
    kd-train-student again.json -q
    kd-eval -x again.json -q >/dev/null
    run kd-report again.json
    [[ "$output" != *"trained anew since"* ]]
    kd-train-student again.json -q --overwrite --set students.plain.train.epochs=2
    run kd-report again.json
    [[ "$output" == *"trained anew since its evaluation"*"plain s1"* ]]
    [[ "$(kd-report again.json --csv --columns top1 | tail -n 1)" != 0.* ]]
}

@test "seeds trained with different settings are noted, and those of other settings than now" {
    cat >mixed.json <<'JSON'
{"name": "mixed", "seeds": 2, "data": {"source": "digits", "fraction": 0.02, "validation": 100},
 "teacher": {"network": "mlp-4", "seeds": 1, "train": {"epochs": 1}},
 "students": {"plain": {"network": "mlp-4", "train": {"epochs": 1}},
              "kd": {"network": "mlp-4", "train": {"epochs": 1}, "distill": {"from": "teacher"}}}}
JSON
    kd-train-teacher mixed.json -q
    kd-train-student mixed.json -q
    run kd-report mixed.json
    [[ "$output" != *settings* ]]
    kd-train-student mixed.json -q --overwrite --student plain --seed 2 \
        --set students.plain.train.epochs=2 \
        --set teacher.train.batch=50
    kd-report mixed.json --set students.plain.train.epochs=2 --json | jq -r '.notes[]' >notes
    cat notes
    grep -q '^mixed: seeds trained with different settings, .* mix: plain (train.epochs)\.$' notes
    grep -q "^mixed: trained with other settings than the run's experiment.json has now: " notes
    grep -q ' now: teacher s1 (train.batch), plain s1 (train.epochs)\.$' notes
    # seeds are equal again, but not what the last training said
    kd-train-student mixed.json -q --overwrite --student plain \
        --set students.plain.train.epochs=2
    kd-train-student mixed.json -q --overwrite --student kd --seed 1 \
        --set students.kd.distill.alpha=0.5
    kd-report mixed.json --json | jq -r '.notes[]' >notes
    grep -q 'means and spreads mix: kd (distill.alpha)\.' notes
    grep -q 'has now: plain s1 (train.epochs), plain s2 (train.epochs), kd s2 (distill.alpha)\.' \
        notes
}

@test "a student that was renamed with its folder goes by its new name" {
    echo '{"name": "x", "seeds": 1, "data": {"source": "digits", "fraction": 0.02,
        "validation": 100},
        "students": {"old": {"network": "mlp-4", "train": {"epochs": 1}}}}' >x.json
    kd-train-student x.json -q
    sed -i 's/old/new/' x.json
    mv runs/x/students/old runs/x/students/new
    run kd-train-student x.json -q --update
    [ -z "$output" ]
    kd-eval -x x.json -q >/dev/null
    [ "$(kd-report x.json --csv --columns name | tail -n 1)" = new ]
    kd-report x.json --json | tee r.json | jq .notes
    jq -e ".notes | map(select(test(\"not trained|settings\"))) == []" r.json
}

@test "--best and --log have forms of their own; an ending that names no form is refused" {
    [[ "$(report "$RUN" --best --filter 'plain*')" == *"/students/plain"* ]]
    run --separate-stderr report "$RUN" --best --filter 'none*'
    [ "$status" -eq 1 ]
    [[ "$stderr" == *"no student named like none* with a model file and a validation score"* ]]
    for form in --json --csv --all "--format markdown" --page; do
        for what in best log; do
            run --separate-stderr report "$RUN" --$what $form
            [ "$status" -eq 2 ]
            [ "$stderr" = "kd-report: --$what has a form of its own; leave the other out" ]
        done
    done
    for option in "--sort name" "--columns name" "--table seeds" "--filter kd*"; do
        for form in --charts --page --workbook --all --log; do
            [ "$form ${option% *}" != "--charts --filter" ] || continue
            run --separate-stderr report "$RUN" $form $option -o kept
            [ "$status" -eq 2 ]
            [[ "$stderr" == "kd-report: ${option% *} is for tables"* ]]
        done
    done
    run --separate-stderr report "$RUN" --best --sort name
    [[ "$stderr" == "kd-report: --sort is for tables, not for --log and --best" ]]
    run --separate-stderr report "$RUN" --data-dir .
    [[ "$stderr" == "kd-report: --data-dir is for pictures of data"* ]]
    run --separate-stderr report "$RUN" --set seeds=1
    [[ "$stderr" == "kd-report: --set overrides a key of an experiment, but none is named" ]]
    run --separate-stderr report "$RUN" --runs elsewhere
    [[ "$stderr" == "kd-report: --runs says where --last and an experiment look"* ]]
    [ ! -e kept ]
    run --separate-stderr report "$RUN" -o table.xslx
    [ "$status" -eq 2 ]
    [[ "$stderr" == 'kd-report: table.xslx: no form is known by ".xslx"; '* ]]
    [ ! -e table.xslx ]
    report "$RUN" -o table.txt
    grep -q "top-1 %" table.txt
    run --separate-stderr report "$RUN" --charts -o -
    [ "$status" -eq 2 ]
    [ ! -e ./- ]
}

@test "seeds that share teachers in turn, or have other settings, are told apart" {
    cp -r "$RUN" turns
    kinds() { report turns --json | jq -r '.runs[0].teachers'; }
    [ "$(kinds)" = own ]
    LC_ALL=C sed -i 's/00ff3/00ff1/' turns/students/*/s3/model.safetensors # teachers 1, 2, 1
    [ "$(kinds)" = mixed ]
    report turns | tr '\n' ' ' |
        grep -q 'take turns: the interval takes pairs that share a teacher for independent'
    report turns --page -o turns.html
    grep -q 'too narrow' turns.html
    [ "$(report "$RUN" | grep -c 'too narrow\|this teacher alone')" -eq 0 ]
    LC_ALL=C sed -i 's/00ff2/00ff1/' turns/students/*/s2/model.safetensors
    [ "$(kinds)" = shared ]
    report turns | tr '\n' ' ' | grep -q 'share a teacher the interval holds for this teacher alone'
    LC_ALL=C sed -i 's/temperature\\":4/temperature\\":2/' \
        "turns/students/kd,temperature=4/s2/model.safetensors"
    [ "$(report turns --csv --columns name,temperature,alpha | grep '"kd,temperature=4"')" = \
        '"kd,temperature=4",,0.9' ]
    [ "$(report turns --csv --columns name,temperature,alpha | grep '"kd,temperature=1"')" = \
        '"kd,temperature=1",1,0.9' ]
}
