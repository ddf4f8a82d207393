#!/usr/bin/env bats
# What kd-report writes of a run that was trained: the files parse, and all hold the numbers that
# kd-eval --json gives.
bats_require_minimum_version 1.5.0

NAME="=1+1, \"<b>\" & 'x' 日本 \$y_#%"

setup_file() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_FILE_TMPDIR"
    jq -n --arg name "$NAME" \
        '{name: "=2+2 <i>&ö", seeds: 2, data: {source: "digits", validation: 500, fraction: 0.1},
        teacher: {network: "mlp-60", train: {epochs: 4, augment: {shift: 2}}},
        students: {plain: {network: "mlp-20", train: {epochs: 3}},
            ($name): {network: "mlp-20", train: {epochs: 3}, distill: {from: "teacher",
            temperature: 4, alpha: 0.9}}}}' >x.json
    kd-train-teacher x.json -q
    kd-train-student x.json -q
    kd-eval -x x.json -q --time >/dev/null
    kd-report x.json --all >written
    kd-report x.json >table
}
setup() {
    unset OPENBLAS_CORETYPE KD_DATA
    cd "$BATS_FILE_TMPDIR"
    run=runs/"=2+2 <i>&ö"
    out=$run/report
}
has_cairo() { [ -e "$out/confusion.png" ]; }
has_workbook() { [ -e "$out/report.xlsx" ]; }
xml() { awk -f "$BATS_TEST_DIRNAME/xml.awk" "$@"; }

# Every model anew by kd-eval, a line each: seed, top1, errors, nll, ece, folder.
evaluated() {
    kd-eval --json "$run"/teacher/s? "$run"/students/*/s? |
        jq -r '.model |= rtrimstr("/model.safetensors") | [(.model[-1:]), .top1, .errors, .nll,
        .ece, .model] | @tsv'
}

@test "the checker of XML tells broken documents" {
    printf '<?xml version="1.0"?>\n<a b="&lt;"><c/>&amp;</a>\n' >good.xml
    xml good.xml
    for bad in '<a><b></a></b>' '<a' '<a b=1/>' '<a>&nbsp;</a>' '<a b="1" b="2"/>' '<a/><b/>' \
        'x<a/>' '<a/>x' '<a>' '<a b="&"/>' ''; do
        printf '%s' "$bad" >bad.xml
        run xml bad.xml
        [ "$status" -eq 1 ] || [ -z "$bad" ]
    done
}

@test "drawings, workbook parts and the page's drawings are well-formed XML" {
    [ "$(wc -l <written)" -eq "$(ls "$out" | wc -l)" ]
    for kind in learning-curves accuracy-parameters confusion reliability rejection soft-targets \
        misclassified samples weights weights-2; do
        [ -s "$out/$kind.svg" ]
    done
    xml "$out"/*.svg
    awk '/<figure/ { n++; next } /<\/figure>/ { close(f); on = 0; next } /<svg xmlns/ {
        f = "fig" n ".svg"; on = 1 } on && n { print >f }' "$out/report.html"
    [ "$(ls fig*.svg | wc -l)" -eq "$(ls "$out"/*.svg | wc -l)" ]
    xml fig*.svg
    if has_workbook && command -v unzip >/dev/null; then
        rm -rf parts && unzip -q "$out/report.xlsx" -d parts
        find parts -type f \( -name '*.xml' -o -name '*.rels' \) -print0 |
            xargs -0 awk -f "$BATS_TEST_DIRNAME/xml.awk"
    fi
    if command -v xmllint >/dev/null; then xmllint --noout "$out"/*.svg fig*.svg; fi
}

@test "PNG files decode through libpng at the size of their drawing" {
    has_cairo || skip "built without Cairo"
    for f in "$out"/*.png; do
        rm -rf one && mkdir -p one/class && cp "$f" one/class/
        size=$(sed -n 's/.*<svg [^>]* width="\([0-9]*\)" height="\([0-9]*\)".*/\1 \2/p;q' \
            <(grep -m1 '<svg' "${f%.png}.svg"))
        shape=$(kd-data inspect png:one | sed -n 's/^shape *\([0-9x]*\).*/\1/p')
        [ "$shape" = "3x$((${size#* } * 2))x$((${size% *} * 2))" ]
    done
}

@test "PDF files hold their words" {
    has_cairo || skip "built without Cairo"
    command -v pdftotext >/dev/null || skip "no pdftotext (poppler-utils)"
    for f in "$out"/*.pdf; do
        pdftotext "$f" words
        grep -qF '=2+2 <i>&ö' words
    done
    pdftotext "$out/soft-targets.pdf" words
    grep -qF '=1+1, "<b>" &' words
}

@test "numbers in every form are those of kd-eval --json, to the digit" {
    n=0
    kd-report "$run" --csv --table seeds >seeds.csv
    kd-report "$run" --json >r.json
    diff seeds.csv "$out/seeds.csv"
    diff <(grep -v '^  "origin"' r.json) <(grep -v '^  "origin"' "$out/report.json")
    if has_workbook && command -v unzip >/dev/null; then
        rm -rf parts && unzip -q "$out/report.xlsx" -d parts
    fi
    while IFS=$'\t' read -r seed top1 errors nll ece folder; do
        n=$((n + 1))
        jq -e --arg f "$folder" --argjson t "$top1" --argjson e "$errors" --argjson n "$nll" \
            --argjson c "$ece" \
            '[.seeds[] | select(.folder == $f) |
                .top1 == $t and .errors == $e and .nll == $n and .ece == $c] == [true]' r.json
        grep -F ",$top1,$errors," seeds.csv | grep -qF ",$nll,$ece," # CSV
        for v in "$top1" "$errors" "$nll" "$ece"; do
            grep -qF "data-v=\"$v\"" "$out/report.html"
        done
        [ ! -d parts ] || for v in "$top1" "$errors" "$nll" "$ece"; do
            # as a double, unlike the shell's printf
            cat parts/xl/worksheets/*.xml |
                grep -qF "<v>$(awk -v v="$v" 'BEGIN { printf "%.16G", v }')</v>"
        done
        echo "$top1 $errors ${folder%/s?}" >>means
    done < <(evaluated)
    [ "$n" -eq 6 ]
    # Means and spreads over the seeds, as people read them.
    sort -k3 means | awk \
        '{ k = $0; sub(/^[^ ]* [^ ]* /, "", k)
           n[k]++; s[k] += 100 * $1; q[k] += 1e4 * $1 * $1; e[k] += $2 }
        END { for (k in n) { v = (q[k] - s[k] ^ 2 / n[k]) / (n[k] - 1);
        printf "%.2f ± %.2f\n", s[k] / n[k], sqrt(v > 0 ? v : 0) } }' >shown
    [ "$(wc -l <shown)" -eq 3 ]
    diff table <(sed -n p "$out/report.txt")
    while read -r shown; do
        for f in table "$out/report.md" "$out/report.html"; do grep -qF "$shown" "$f"; done
        grep -qF "${shown/±/\\pm}" "$out/report.tex"
    done <shown
}

@test "cost: times and sizes as measured, compression and speed-up against the seed's teacher" {
    kd-report "$run" --json >r.json
    jq -r '.seeds[].folder' r.json | while read -r f; do
        bytes=$(wc -c <"$f/model.safetensors")
        teacher=$(jq -s '.[0].latency_ms' "$run/teacher/${f##*/}/eval.json")
        jq -s -e --arg f "$f" --argjson b "$bytes" --argjson t "$teacher" --slurpfile r r.json \
            '.[0] as $e | $r[0].seeds[] |
            select(.folder == $f) | .bytes == $b and .latency_ms == $e.latency_ms and .throughput ==
            $e.throughput and
            (.batch_ms * $e.throughput / 1e6 - 1 | fabs) < 1e-12 and .macs == $e.macs and
            .parameters == $e.parameters and .agreement == (if .role ==
            "teacher" then null else $e.agreement end) and
            .speedup == $t / $e.latency_ms' "$f/eval.json" >/dev/null
    done
    kd-report "$run" | grep -q 'ms an image .*ms a 1,000 .*images/s'
    jq -e '[.models[] | select(.role == "teacher") | .speedup == 1 and .compression == 1] ==
        [true]' r.json
    jq -e '(.models[0].top1 - .models[1].top1) as $gap | .models[2] | .gap_recovered == null or
        $gap > 0' r.json
}

@test "charts hold the numbers of the model they name" {
    best=$(kd-report "$run" --best)
    eval "$(kd-eval --json "$best" | jq -r '"errors=\(.errors) ece=\(.ece) n=\(.n)"')"
    grep -qF "40 of $errors errors among $n test images" "$out/misclassified.svg"
    grep -qF "calibration error $(awk -v e="$ece" 'BEGIN { printf "%.2f", 100 * e }') %." \
        "$out/reliability.svg"
    kd-eval --json --confusion "$best" | jq -r '.confusion | to_entries[] | .value[.key]' |
        while read -r right; do
        grep -qF ">$right</text>" "$out/confusion.svg"
    done
    # Bins: all images are in one, and the error they give is the one reported.
    kd-eval --json --confusion "$best" |
        jq -e --argjson n "$n" '(.bins | length) == 15 and ([.bins[][0]] | add) == $n and
        (([.bins[] | .[0] * (.[1] - .[2]) | fabs] | add) / $n - .ece | fabs) < 1e-12 and
        (([.bins[] | .[0] * .[2]] | add) / $n - .top1 | fabs) < 1e-12'
}

@test "one seed: McNemar's test over the images, from the answers beside eval.json" {
    rm -rf one && mkdir one && cp -r "$run" one/ && one=one/${run#runs/}
    rm -r "$one"/teacher/s2 "$one"/students/*/s2
    verdict=$(kd-report "$one" --table differences --csv)
    [[ "$verdict" =~ one\ pair:\ ([0-9]+)\ against\ ([0-9]+)\ images ]]
    ahead=$((BASH_REMATCH[1] - BASH_REMATCH[2]))
    [ "$ahead" -eq $(($(jq -s '.[0].errors' "$one/students/plain/s1/eval.json") - $(jq \
        -s '.[0].errors' "$one/students/$NAME/s1/eval.json"))) ]
    kd-report "$one" | grep -q "McNemar's exact test"
    # Answers of another model than eval.json speaks of are not taken.
    LC_ALL=C sed -i 's/"kd.parents":"\[\\"../"kd.parents":"[\\"zz/' \
        "$one/students/plain/s1/logits.safetensors"
    kd-report "$one" | grep -q "one pair: no interval"
}

@test "images that are not found leave their pictures out, and say so" {
    cp -r "$run" gone
    LC_ALL=C find gone -name model.safetensors -exec sed \
        -i 's/source\\":\\"digits/source\\":\\"mnist0/g' {} +
    run --separate-stderr kd-report gone --charts -o charts
    [ "$status" -eq 0 ]
    [[ "$stderr" == *"pictures of data are left out: "* ]]
    [ ! -e charts/misclassified.svg ]
    [ -s charts/weights.svg ]
    [ -s charts/soft-targets.svg ]
}

@test "sparse soft targets are drawn as dense ones, from what they keep" {
    bars() { # place and height of each
        kd-report "$1" --charts --chart soft-targets -o "$1-charts" >/dev/null
        sed -n 's/<rect x="\([0-9.]*\)" .* height="\([0-9.]*\)".*/\1 \2/p' \
            "$1-charts/soft-targets.svg"
    }
    local at=${run#runs/} model=$run/teacher/s1 k
    mkdir dense && cp -r "$run" dense/
    find dense -name logits.safetensors -delete
    soften() { kd-soften --model "$model" --data digits:test -q "$@"; }
    soften -o "dense/$at/soft/s1/teacher.safetensors" --overwrite >/dev/null
    bars "dense/$at" >dense.txt
    [ "$(wc -l <dense.txt)" -ge 60 ] # samples, by three temperatures and ten classes
    cp -r dense sparse
    for k in 9 3; do
        soften --top "$k" -o "sparse/$at/soft/s1/teacher.safetensors" --overwrite >/dev/null
        bars "sparse/$at" >"$k.txt"
        [ "$(wc -l <"$k.txt")" -ge 60 ]
    done
    paste -d ' ' dense.txt 9.txt |
        awk '$1 != $3 || ($2 - $4) ^ 2 > 0.04 {bad = 1} END {exit bad}'
    grep -q 'alike[.]<' "sparse/$at-charts/soft-targets.svg"
    run ! grep -q 'alike[.]<' "dense/$at-charts/soft-targets.svg"
}

@test "kd-eval --update evaluates anew what lacks its answers or its times" {
    rm -rf u && mkdir u && cp -r "$run" u/
    rm "u/${run#runs/}/students/plain/s1/logits.safetensors"
    # test and validation
    [ "$(kd-eval -x x.json --runs u --update --json 2>/dev/null | wc -l)" -eq 2 ]
    [ "$(kd-eval -x x.json --runs u --update --json 2>/dev/null | wc -l)" -eq 0 ]
    sed -i 's/"latency_ms":[^,]*,//' "u/${run#runs/}/teacher/s1/eval.json"
    [ "$(kd-eval -x x.json --runs u --update --json 2>/dev/null | wc -l)" -eq 0 ]
    # the student anew without times
    [ "$(kd-eval -x x.json --runs u --update --time --json 2>/dev/null | wc -l)" -eq 4 ]
}

@test "every form says what made it; without that, equal reports are equal files" {
    version=$(cat "$BATS_TEST_DIRNAME/../../VERSION")
    origin="kd $version: kd-report x.json --all; 6 models, fingerprint "
    fingerprint=$(kd-report x.json --json |
        jq -r '.origin | capture("6 models, fingerprint (?<x>[0-9a-f]{32})$").x')
    origin+=$fingerprint
    tail -n 1 "$out/report.md" | grep -Fx "<!-- $origin -->"
    tail -n 1 "$out/report.tex" | grep -Fx "% $origin"
    grep -Fq "<meta name=\"generator\" content=\"$origin\">" "$out/report.html"
    grep -Fqx "<metadata>$origin</metadata>" "$out/confusion.svg"
    jq -se --arg origin "$origin" '.[0].origin == $origin' "$out/report.json"
    if has_cairo; then
        LC_ALL=C grep -aFq "Comment" "$out/confusion.png"
        LC_ALL=C grep -aFq "$origin" "$out/confusion.png"
    fi
    if has_cairo && command -v pdfinfo >/dev/null; then
        pdfinfo "$out/confusion.pdf" | grep -Eq "^Subject: +$origin$"
    fi
    if has_workbook && command -v unzip >/dev/null; then
        unzip -p "$out/report.xlsx" docProps/core.xml | grep -Fq ">$origin<"
    fi
    # Another set of models has another fingerprint.
    run kd-report "$run/teacher" --json
    [[ "$(jq -r .origin <<<"$output")" == *"; 2 models, fingerprint "* ]]
    [[ "$output" != *"$fingerprint"* ]]
    kd-report x.json --all --no-provenance -o first >/dev/null
    sleep 1.1 # into another second, should one be written
    kd-report x.json --all --no-provenance -o second >/dev/null
    diff -r first second
    run grep -alFr "kd-report x.json" first
    [ "$status" -eq 1 ]
}

@test "what kd-eval keeps says what made it" {
    jq -se --arg v "$(cat "$BATS_TEST_DIRNAME/../../VERSION")" \
        'all(.[]; .version == $v and .command == "kd-eval -x x.json -q --time")' \
        "$run"/teacher/s1/eval.json
    LC_ALL=C grep -aFq '"kd.command":"kd-eval -x x.json -q --time"' \
        "$run/teacher/s1/logits.safetensors"
    kd-eval "$run/teacher/s1" --json -o line.json
    jq -e '.command == "kd-eval '"'$run/teacher/s1'"' --json -o line.json"' line.json
    kd-eval "$run/teacher/s1" --json --no-provenance -o line.json
    jq -e 'has("command") | not' line.json
}

@test "LaTeX: numbers for siunitx, the best student of each column bold, the teacher never" {
    kd-report x.json --latex --wide >r.tex
    grep -qF '\usepackage{booktabs,siunitx,textcomp}' r.tex
    grep -qE '^\\begin\{tabular\}\{l(S\[table-format=\+?[0-9.]+(\([0-9]+\))?\])+' r.tex
    grep -qE '^model & .*\{top-1 \\%\} & \{errors\}' r.tex
    sed -n '/^model/,/^.bottomrule/p' r.tex | grep '^teacher ' >teachers
    [ "$(wc -l <teachers)" -eq 2 ]
    [ "$(grep -c bfseries teachers)" -eq 0 ]
    # of top-1 the highest is bold, of errors the lowest
    bold() { # bold TITLE: what is bold below it in the first table
        awk -F ' *& *' -v t="{$1}" '/^model/ { for (k = 1; k <= NF; k++) if ($k == t) c = k }
            /^.bottomrule/ { exit }
            c && sub(/^.bfseries /, "", $c) { print $c }' r.tex
    }
    kd-report x.json --json | jq -r '[.models[] | select(.role != "teacher")] |
        (max_by(.top1) | .top1 * 10000 | round / 100), (min_by(.errors) | .errors)' >best
    [ "$(bold 'top-1 \\%' | awk '{ print $1 + 0 }')" = "$(sed -n 1p best)" ]
    [ "$(bold errors | awk '{ print $1 + 0 }')" = "$(sed -n 2p best)" ]
    kd-report x.json --latex --filter plain >one.tex
    [ "$(grep -c 'bfseries' one.tex)" -eq 0 ] # there is nothing to be better than
    type pdflatex >/dev/null 2>&1 || skip "no pdflatex"
    kpsewhich siunitx.sty booktabs.sty >/dev/null || skip "no siunitx"
    kd-report x.json --latex >page.tex
    for name in r page; do
        {
            printf '%s\n' '\documentclass{article}' '\usepackage{booktabs,siunitx,textcomp}' \
                '\begin{document}' '\noindent'
            sed 's/日本//; s/^$/\n\\noindent/' $name.tex
            printf '%s\n' '\end{document}'
        } >whole-$name.tex
        pdflatex -interaction=nonstopmode -halt-on-error whole-$name.tex >$name.log
        [ -s whole-$name.pdf ]
    done
    grep -q Overfull r.log # so that this would be seen
    run ! grep Overfull page.log
}

@test "LaTeX: what a page has no room for is left out and named; --wide and -c keep it" {
    kd-report x.json --latex >r.tex
    grep -q '^% no room for .*errors.* (--wide shows all)$' r.tex
    run ! grep -F '{errors}' r.tex
    kd-report x.json --latex --wide >wide.tex
    run ! grep -E '^(run & )?distilled .*& verdict' r.tex # the interval comes first
    grep -E '^(run & )?distilled .*& verdict' wide.tex
    cp wide.tex r.tex
    grep -F '{errors}' r.tex
    run ! grep 'no room' r.tex
    kd-report x.json --latex -c name,temperature,alpha,parameters,top1,errors,valid_top1 >r.tex
    grep -F '{T} & {alpha} & {parameters} & {top-1 \%} & {errors} & {valid. \%}' r.tex
    run ! grep 'no room' r.tex
}

@test "-t and -c: the table that was asked for, and nothing beside it" {
    for form in --latex --markdown ''; do
        kd-report x.json $form >whole
        grep -q 'verdict' whole
        for choice in '-t models' '-c name,top1'; do
            kd-report x.json $form $choice >table
            grep -q 'top-1' table
            run ! grep -E 'verdict|Notes' table
        done
    done
    kd-report x.json -t differences | head -1 | grep -q '^ *distilled' # of one run it is not named
    kd-report x.json --latex -t models | grep -c 'begin{tabular}' | grep -qx 1
    kd-report x.json --json | jq -e '.models | length > 1'
    kd-report x.json --json -t models | jq -e 'type == "array" and length > 1 and .[0].top1 > 0'
}

@test "--chart: one chart alone, or those of a pattern; of one model with --filter" {
    kd-report x.json --charts --chart confusion -o chosen >paths
    [ "$(ls chosen | sed 's/\..*//' | sort -u)" = confusion ]
    [ "$(wc -l <paths)" -eq "$(ls chosen | wc -l)" ]
    kd-report x.json --charts --chart 'accuracy-*' -o several >paths
    [ "$(ls several | sed 's/\..*//' | sort -u | xargs)" = "accuracy-models accuracy-parameters" ]
    kd-report x.json --charts --chart confusion --filter plain -o of-plain >paths
    grep '>[^<]*, plain' of-plain/confusion.svg
    wrong() { # wrong WORDS OPTION...: refused with these words
        run --separate-stderr kd-report x.json "${@:2}"
        [ "$status" -eq 2 ]
        [[ "$stderr" == *"$1"* ]]
    }
    wrong "--chart=nothing: there are " --charts --chart nothing -o none
    wrong "confusion" --charts --chart nothing -o none
    wrong "--chart=confusion: there are " --charts --chart confusion --filter kd -o none # none kept
    wrong "--chart goes with --charts" --chart confusion
    wrong "page and workbook show all" --page --filter plain -o none.html
    [ ! -e none.html ]
}

@test "--width: charts laid out for a column, with text of 8 points, in every form" {
    kd-report x.json --charts --width 3.3in -o column >paths
    [ "$(wc -l <paths)" -eq "$(ls column | wc -l)" ]
    xml column/*.svg
    for f in column/*.svg; do # 3.3 inches, and letters of 12 units, each 8 / 12 of a point
        grep -qE '^<svg .*viewBox="0 0 356\.4 [0-9.]+" width="237\.6pt" height="[0-9.]+pt"' "$f"
        # nothing drawn stands out of it, by where texts begin and end
        awk -F '"' '/^<text/ && ($2 < 0 || $2 > 356.4) { print FILENAME ": " $0; bad = 1 }
            END { exit bad }' "$f"
    done
    grep -q 'font-size="12.0"' column/learning-curves.svg
    kd-report x.json --charts --width 84mm -o mm -q >/dev/null
    grep -q 'width="238.1' mm/learning-curves.svg
    [ ! -e column/confusion.pdf ] || {
        LC_ALL=C grep -aq '/MediaBox \[ 0 0 237.6' column/confusion.pdf
        # 300 dots an inch; the width stands in the header
        [ "$(od -An -tu1 -j 18 -N 2 column/confusion.png | awk '{ print 256 * $1 + $2 }')" -eq 991 ]
    }
    for bad in 3.3 1in 30in x; do
        run --separate-stderr kd-report x.json --charts --width $bad
        [ "$status" -eq 2 ]
        [[ "$stderr" == *"--width=$bad: expected 2 to 20 inches, as 3.3in, 84mm"* ]]
    done
    run --separate-stderr kd-report x.json --width 3in
    [ "$status" -eq 2 ]
}
