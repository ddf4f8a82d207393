#!/usr/bin/env bats
# The page of kd-report: it fits the window, tells runs apart, and can be read in the dark.
bats_require_minimum_version 1.5.0

setup_file() {
    unset OPENBLAS_CORETYPE
    cd "$BATS_FILE_TMPDIR"
    for run in one two; do
        "$BATS_TEST_DIRNAME/../fixtures/make_run.sh" $run 6 "1 2 3" "1 4" "800 30"
    done
    kd-report one two --page -q -o page.html >/dev/null
}
setup() { cd "$BATS_FILE_TMPDIR"; }

# tables: the page's, each with what is in it on one line
tables() { tr -d '\n' <page.html | grep -o '<table>.*</table>' | sed 's/<table>/\n&/g' | grep .; }

@test "each table has a line where another run begins" {
    [ "$(tables | wc -l)" -eq 4 ]
    while IFS= read -r table; do
        [ "$(grep -oE '<tr class="(best )?run"><td class="text">[a-z]*' <<<"$table" |
            sed 's/.*>//')" = two ]
    done < <(tables)
}

@test "no table has more columns of numbers than 1280 pixels hold" {
    # A number and its edges take 80 pixels, a text that breaks 9 ch and a command 30.
    while IFS= read -r table; do
        numbers=$(grep -o '<th><button>' <<<"$table" | wc -l)
        texts=$(grep -o '<th class="text">' <<<"$table" | wc -l)
        commands=$(grep -c '<code>' <<<"$table" || true)
        [ $((80 * numbers + 100 * texts + 200 * commands)) -le 1248 ]
    done < <(tables)
    grep -q 'td.text {.*white-space: normal;.*overflow-wrap: anywhere' page.html
}

@test "charts stand side by side, wide ones across" {
    grep -q '^<div class="charts">$' page.html
    grep -q '^<figure class="wide" style="--w:900px" role="img" aria-label="Learning' page.html
    grep -q '^<figure style="--w:[0-9]*px" role="img" aria-label="Accuracy' page.html
    grep -q 'charts { display: grid; grid-template-columns: 1fr 1fr' page.html
}

@test "on a narrow page names break behind commas, and commands are no column of words" {
    grep -qF '<td class="text">kd-30,<wbr>temperature=4</td>' page.html
    tr -d '\n' <page.html | grep -q 'max-width: 900px) { *td.text { overflow-wrap: normal;.*td:has'
}

@test "text on cells of every heat has a contrast of 4.5 and more, in the light and the dark" {
    # the variables of both themes, then as WCAG has it
    grep -o -- '--\(cold\|hot\|on-cold\|on-hot\):#[0-9a-f]*' page.html | sed 's/^--//; s/:#/ /' >v
    [ "$(wc -l <v)" -eq 8 ]
    awk '
    function part(hex, i,    s) {
        s = length(hex) == 3 ? substr(hex, i, 1) substr(hex, i, 1) : substr(hex, 2 * i - 1, 2)
        return (index("0123456789abcdef", substr(s, 1, 1)) - 1) * 16 + \
            index("0123456789abcdef", substr(s, 2, 1)) - 1
    }
    function light(c) { c /= 255; return c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ^ 2.4 }
    function mix(a, b, f,    i, l) {
        l = 0
        for (i = 1; i <= 3; i++)
            l += weight[i] * light(part(a, i) * (1 - f) + part(b, i) * f)
        return l
    }
    BEGIN { weight[1] = 0.2126; weight[2] = 0.7152; weight[3] = 0.0722 }
    { v[int((NR - 1) / 4), $1] = $2 }
    END {
        for (t = 0; t < 2; t++)
            for (heat = 0; heat < 256; heat++) {
                cell = mix(v[t, "cold"], v[t, "hot"], heat / 255)
                on = v[t, heat > 165 ? "on-hot" : "on-cold"]
                text = mix(on, on, 0)
                contrast = (cell + 0.05) / (text + 0.05)
                if (contrast < 1) contrast = 1 / contrast
                if (contrast < 4.5) { print t, heat, contrast; bad = 1 }
            }
        exit bad
    }' v
}
