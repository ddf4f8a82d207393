# The paper's table beside ours, from three CSV files of kd-report: errors by seed, errors by seed and class, and what models cost.
# A row of the paper: name in our run | what it is | paper's errors | our aim, at most | paper's errors on unseen classes
BEGIN {
    rows = "teacher|teacher 2x1200, dropout, max-norm, jittered|67|67|;" \
        "plain|student 2x800, labels alone|146||;" \
        "plain-norm|  trained as the taught student is|||;" \
        "kd|student 2x800, T=20|74|80|;" \
        "kd-jitter|the same, transfer set jittered||70|;" \
        "no3|no 3 in the transfer set|206||133;" \
        "no3-bias,by=transfer|  bias from transfer images||95|;" \
        "no3-bias,by=balanced|  bias from unlabelled images||95|;" \
        "no3-bias,by=test|  bias tuned on the test set|109||14;" \
        "only78|7s and 8s alone|4730||;" \
        "only78-bias,by=transfer|  bias from transfer images||650|;" \
        "only78-bias,by=balanced|  bias from unlabelled images||650|;" \
        "only78-bias,by=test|  bias tuned on the test set|1320||"
}
function unquote(line) { # the name, which may hold commas, into `name`; the rest into part[1..]
    if (substr(line, 1, 1) == "\"") { name = substr(line, 2); sub(/".*/, "", name); line = substr(line, length(name) + 4) }
    else { name = line; sub(/,.*/, "", name); line = substr(line, length(name) + 2) }
    split(line, part, ",")
}
FNR == 1 { file++; next }
{ unquote($0) }
file == 1 && part[2] != "" { value[name, ++n[name]] = part[2]; by_seed[name, part[1]] = part[2]; seeds[part[1]] }
file == 2 { total[name, part[1]] += part[4] }
file == 2 && part[3] == "no" {
    k = name SUBSEP "unseen" # errors on unseen classes, by seed
    if (!((name, part[1]) in at)) at[name, part[1]] = ++n[k]
    value[k, at[name, part[1]]] += part[5]
    if (at[name, part[1]] == 1) of[name] += part[4]
}
file == 3 { parameters[name] = part[1]; macs[name] = part[2]; bytes[name] = part[3]; ms[name] = part[4]; rate[name] = part[6] } # each measured figure has its deviation behind it
function median_of(k,    i, j, x, v) {
    for (i = 1; i <= n[k]; i++) { v[i] = value[k, i] + 0; for (j = i; j > 1 && v[j] < v[j - 1]; j--) { x = v[j]; v[j] = v[j - 1]; v[j - 1] = x } }
    low = v[1]; high = v[n[k]]
    return n[k] % 2 ? v[(n[k] + 1) / 2] : (v[n[k] / 2] + v[n[k] / 2 + 1]) / 2
}
function sd_of(k,    i, m, s) {
    for (i = 1; i <= n[k]; i++) m += value[k, i] / n[k]
    for (i = 1; i <= n[k]; i++) s += (value[k, i] - m) ^ 2
    return n[k] > 1 ? sprintf("%.1f", sqrt(s / (n[k] - 1))) : "-"
}
function line(a, b, c, d, e, f, g, h, i,    text) {
    text = sprintf("%-46s %6s %8s %11s %6s %13s %6s %7s  %s", a, b, c, d, e, f, g, h, i)
    sub(/ +$/, "", text)
    print text
}
# Errors of a beyond those of b, paired by seed, with a 95 % t-interval; nothing below two pairs
function tell_beyond(words, a, b,    s, k, d) {
    for (s in seeds) if (((a, s) in by_seed) && ((b, s) in by_seed)) d[++k] = by_seed[a, s] - by_seed[b, s]
    if (k < 2) return
    interval_of(d, k)
    printf "  %s: mean %.1f, 95 %% interval %.1f to %.1f over %d seeds\n", words, diff_mean, diff_mean - diff_half, diff_mean + diff_half, k
}
END {
    for (k in total) if (total[k] > images) images = total[k]
    if (quick) print "QUICK: few epochs and seeds; these are not the figures to set beside the paper's.\n"
    else if (varied) print "VARIED by" varied ": these are not the figures to set beside the paper's.\n"
    papers = images == 10000 # the test images of MNIST: those that the paper's errors are of
    line("errors of " images " test images", "paper", "ours", "difference", "sd", "range", "seeds", "aim", "")
    m = split(rows, row, ";")
    for (r = 1; r <= m; r++) {
        split(row[r], f, "|"); k = f[1]
        if (!papers) f[3] = f[4] = ""
        if (!n[k]) { line(f[2], f[3] == "" ? "-" : f[3], "-", "-", "-", "-", 0, f[4] == "" ? "-" : f[4], "not there yet"); continue }
        median[k] = median_of(k)
        if (f[4] != "") { aims++; if (median[k] > f[4]) { missed++; over = 100 * (median[k] / f[4] - 1); if (over > worst) worst = over } }
        verdict = f[4] == "" ? "" : median[k] <= f[4] ? "reached" : sprintf("MISSED by %.1f %%", 100 * (median[k] / f[4] - 1))
        line(f[2], f[3] == "" ? "-" : f[3], median[k], f[3] == "" ? "-" : sprintf("%+.6g", median[k] - f[3]), sd_of(k), low " to " high, n[k],
            f[4] == "" ? "-" : f[4], verdict)
    }
    print "\nOurs: median over the seeds, last epoch" (varied || !papers ? "" : "; settings chosen on the last 10,000 training images held out") ". Biases tuned on the\n" \
        "test set are shown because the paper has them, and are never chosen; the others see no test image and no label."
    if (!papers) print "The paper's errors are of MNIST's 10,000 test images; they are left out beside these " images "."
    if (("plain" in median) && ("kd" in median)) {
        gain = median["plain"] - median["kd"]
        printf "\nDistilled against plain: %.4g errors %s%s\n", gain < 0 ? -gain : gain, gain < 0 ? "more" : "fewer",
            papers ? (gain >= 50 ? " (aim: at least 50 fewer): reached" : " (aim: at least 50 fewer): MISSED") : ""
    }
    tell_beyond("errors of labels alone beyond the distilled", "plain", "kd")
    tell_beyond("those of the same training without the teacher", "plain-norm", "kd")
    if (aims) printf "Rows with an aim: %d, missed: %d%s\n", aims, missed, missed ? sprintf(", the worst by %.1f %%", worst) : ""
    print "\nClasses that the student never saw, median over seeds" (papers ? " (the paper: 133 of 1,010 threes wrong, 14 with its bias):" : ":")
    for (r = 1; r <= m; r++) {
        split(row[r], f, "|"); k = f[1]
        if (!of[k]) continue
        wrong = median_of(k SUBSEP "unseen"); good = 100 * (1 - wrong / of[k])
        aim = papers && k ~ /^no3-bias/ && k !~ /test$/ ? (good >= 98.3 ? "  aim 98.3 % reached" : "  aim 98.3 % MISSED") : ""
        printf "  %-28s %8.4g of %5.0f wrong, %6.2f %% right%s\n", k, wrong, of[k], good, aim
    }
    print "\nWhat they cost:"
    printf "  %-12s %12s %14s %12s %14s %18s\n", "", "parameters", "multiply-adds", "file, bytes", "ms an image", "ms a 1,000 images"
    for (r = 1; r <= 5; r++) {
        split(row[r], f, "|"); k = f[1]
        if (parameters[k]) printf "  %-12s %12d %14d %12d %14s %18s\n", k, parameters[k], macs[k], bytes[k],
            (ms[k] == "" ? "-" : sprintf("%.3f", ms[k])), (rate[k] > 0 ? sprintf("%.1f", 1e6 / rate[k]) : "-")
    }
}
