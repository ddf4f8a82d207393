# The table of methods.sh, behind stats.awk. Input: name,seed,top1 with a header; `paces`: a file of
# lines "name images-per-second". An assistant is a larger network between teacher and student, and is
# not compared.
BEGIN {
    FS = ","
    while ((getline line < paces) > 0) { split(line, f, " "); pace[f[1]] = f[2] }
}
NR == 1 || $1 == "teacher" || $1 == "assistant" || $3 == "" { next }
{
    if (!($1 in seen)) { names[++n] = $1; seen[$1] = 1 }
    k[$1]++
    seed[$1, k[$1]] = $2
    top1[$1, $2] = 100 * $3
    sum[$1] += 100 * $3
}
function sd(s,    i, m, q) {
    m = sum[s] / k[s]
    for (i = 1; i <= k[s]; i++) q += (top1[s, seed[s, i]] - m) ^ 2
    return k[s] > 1 ? sqrt(q / (k[s] - 1)) : 0
}
# Of s against r over the seeds that both have: "+0.52 [+0.11, +0.93] *"
function against(s, r,    i, m, d) {
    if (s == r || !(r in seen)) return "-"
    for (i = 1; i <= k[s]; i++)
        if ((r, seed[s, i]) in top1) d[++m] = top1[s, seed[s, i]] - top1[r, seed[s, i]]
    if (m < 2) return "one seed"
    interval_of(d, m)
    if (diff_mean > diff_half) better[s, r] = 1
    return sprintf("%+.2f [%+.2f, %+.2f]%s", diff_mean, diff_mean - diff_half,
        diff_mean + diff_half, diff_mean > diff_half || diff_mean < -diff_half ? " *" : "")
}
END {
    if (!n) { print "methods.sh: nothing is evaluated yet" >"/dev/stderr"; exit 1 }
    for (i = 2; i <= n; i++) # by mean, best first
        for (j = i; j > 1 && sum[names[j]] / k[names[j]] > sum[names[j-1]] / k[names[j-1]]; j--) {
            t = names[j]; names[j] = names[j-1]; names[j-1] = t
        }
    printf "%4s  %-16s %7s %6s %6s  %-26s %-26s %9s\n", "rank", "method", "top-1 %", "sd", "seeds",
        "against kl", "against plain", "images/s"
    for (i = 1; i <= n; i++) {
        s = names[i]
        printf "%4d  %-16s %7.2f %6.2f %6d  %-26s %-26s %9s\n", i, s, sum[s] / k[s], sd(s), k[s],
            against(s, "kl"), against(s, "plain"), s in pace ? pace[s] : "-"
    }
    for (i = 1; i <= n; i++) if ((names[i], "kl") in better) beyond = beyond " " names[i]
    print "\nTop-1 on the test images at the last epoch. Differences are paired by seed, with 95 %"
    print "t-intervals; * marks those without 0. The seeds share one teacher."
    print beyond ? "Better than kl by more than the spread:" beyond \
                 : "No method is better than kl by more than the spread."
}
