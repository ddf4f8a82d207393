# What the tables of hinton.awk and grid.awk say of differences; given to awk before them.
# 95 % quantile of |t| with df degrees of freedom
function t95(df,    q) {
    split("12.706 4.303 3.182 2.776 2.571 2.447 2.365 2.306 2.262", q, " ")
    return df > 9 ? 2.262 : q[df]
}
# Mean of d[1..k], k > 1, into diff_mean; half of its 95 % t-interval into diff_half
function interval_of(d, k,    i, q) {
    diff_mean = q = 0
    for (i = 1; i <= k; i++) diff_mean += d[i] / k
    for (i = 1; i <= k; i++) q += (d[i] - diff_mean) ^ 2
    diff_half = t95(k - 1) * sqrt(q / (k - 1) / k)
}
