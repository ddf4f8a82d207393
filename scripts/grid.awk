# Lines "NAME,T,seed,errors" of kd-report, students called kd-WIDTH,temperature=T and plain-WIDTH, as a table of width and T,
# and the two statements of Hinton, Vinyals and Dean (2015), section 3, about them.
# e[key, seed] is the errors of one training; list[key, 1..n[key]] its seeds.
function mean_of(key,    i, s) { s = 0; for (i = 1; i <= n[key]; i++) s += e[key, list[key, i]]; return n[key] ? s / n[key] : 0 }
function sd_of(key,    i, s, m) {
    m = mean_of(key); s = 0
    for (i = 1; i <= n[key]; i++) s += (e[key, list[key, i]] - m) ^ 2
    return sqrt(s / (n[key] - 1))
}
function put(key, seed, errors) {
    if (!((key, seed) in e)) list[key, ++n[key]] = seed
    e[key, seed] = errors
}
function cell(key) { return n[key] > 1 ? sprintf("%.1f ± %.1f", mean_of(key), sd_of(key)) " " : n[key] ? sprintf("%.1f", mean_of(key)) : "-" }
# Errors of a minus those of b, paired by seed: -1 or 1 where the 95 % interval of the mean excludes 0, "" below two pairs
function differs(a, b,    i, k, d) {
    k = 0
    for (i = 1; i <= n[a]; i++) if ((b, list[a, i]) in e) d[++k] = e[a, list[a, i]] - e[b, list[a, i]]
    if (k < 2) { untested++; return "" }
    interval_of(d, k)
    return diff_mean + diff_half < 0 ? -1 : diff_mean - diff_half > 0 ? 1 : 0
}
NR == 1 { next }
/^"?(plain|kd)-[0-9]/ {
    gsub(/"/, "")
    k = split($0, part, ","); name = part[1]; errors = part[k]; seed = part[k - 1]; t = part[k - 2]
    if (errors == "") next
    split(name, word, "-"); width = word[2]
    if (!(width in seen)) { seen[width] = 1; widths[++n_widths] = width }
    key = word[1] == "plain" ? width "/plain" : width "/" t
    if (word[1] != "plain" && !(t in seen_t)) { seen_t[t] = 1; ts[++n_ts] = t }
    put(key, seed, errors)
    if (n[key] > most) most = n[key]
    seeds_seen[seed] = 1
}
END {
    if (!n_ts) { print "grid: no student is evaluated yet"; exit 1 }
    for (i = 2; i <= n_ts; i++) for (j = i; j > 1 && ts[j] + 0 < ts[j - 1] + 0; j--) { x = ts[j]; ts[j] = ts[j - 1]; ts[j - 1] = x }
    printf "%-7s %14s", "units", "plain"
    for (i = 1; i <= n_ts; i++) printf " %14s", "T=" ts[i]
    print ""
    for (w = 1; w <= n_widths; w++) {
        printf "%-7s", widths[w]
        for (i = 0; i <= n_ts; i++) {
            key = widths[w] "/" (i ? ts[i] : "plain")
            printf " %14s", cell(key)
        }
        print ""
    }
    print "\nErrors on the test images, mean and standard deviation over " (most > 1 ? "up to " : "") most " seed" (most > 1 ? "s" : "") "; differences are paired by seed."
    print "\nThe paper: with 300 or more units all T above 8 do about as well."
    for (w = 1; w <= n_widths; w++) if (widths[w] >= 300) {
        worst = ""; low = 1e9; high = untested = compared = 0
        for (i = 1; i <= n_ts; i++) if (ts[i] >= 8 && n[widths[w] "/" ts[i]]) {
            m = mean_of(widths[w] "/" ts[i]); if (m < low) low = m; if (m > high) high = m
            for (j = i + 1; j <= n_ts; j++) if (n[widths[w] "/" ts[j]]) {
                compared++
                if (differs(widths[w] "/" ts[i], widths[w] "/" ts[j])) worst = worst " T=" ts[i] " and T=" ts[j]
            }
        }
        if (!compared || untested) { printf "  %s units: too few trainings to say\n", widths[w]; continue }
        printf "  %s units: means from %.1f to %.1f for T of 8 and more; %s\n", widths[w], low, high,
            worst == "" ? "no two differ by more than the spread: holds" : "more than the spread apart:" worst
    }
    print "The paper: with 30 units T from 2.5 to 4 do significantly better than higher or lower ones."
    for (w = 1; w <= n_widths; w++) if (widths[w] <= 30) {
        mid = widths[w] "/mid"; not = ""; better = total = untested = 0
        for (seed in seeds_seen) {
            sum = k = whole = 0
            for (j = 1; j <= n_ts; j++) if (ts[j] >= 2.5 && ts[j] <= 4) {
                whole++
                if ((widths[w] "/" ts[j], seed) in e) { sum += e[widths[w] "/" ts[j], seed]; k++ }
            }
            if (k && k == whole) put(mid, seed, sum / k)
        }
        for (i = 1; i <= n_ts; i++) if (ts[i] < 2.5 || ts[i] > 4) {
            total++
            if (differs(mid, widths[w] "/" ts[i]) == -1) better++; else not = not " " ts[i]
        }
        if (!total || untested) { printf "  %s units: too few trainings to say\n", widths[w]; continue }
        printf "  %s units: T from 2.5 to 4 (mean %.1f) are better by more than the spread than %d of %d others%s\n", widths[w],
            mean_of(mid), better, total, not == "" ? ": holds" : "; not than T =" not
    }
}
