# How long a step of a training takes on several hosts, from what was measured on one and of the way
# between two. Reads the lines of hosts.sh.
#
# R ranks share out the shards of a batch. For N parameters of 4 bytes
#
#   step = compute(batch / R)            measured: a step of that part of the batch
#        + log2(R) meeting               each rank tells all others how it is
#        + 2 trade(4 N (R - 1)/R)        parts of the sums to their ranks; totals back
#        + 2 (R - 2) parcel              for each rank more to send to
#        + 4 N (1 + 2/R) / copying       sums are added up, and put where the optimizer looks
#
# Meeting, trade by its bytes, parcel and copying are measured between two ranks (bench --link). The
# time of a trade between two sizes is on the line that joins them. Nothing is taken to happen at
# the same time as anything else.
function value(key, at) {
    at = index($0, "\"" key "\":")
    if (!at) return ""
    at = substr($0, at + length(key) + 3)
    sub(/^"/, "", at)
    sub(/[",}].*/, "", at)
    return at
}
function add(what, key) {
    key = what
    sub(/ .*/, "", key)
    times[what] = times[what] " " value(key)
}
function median(what, list, n, i, j, v) {
    n = split(times[what], list, " ")
    for (i = 2; i <= n; i++) {
        v = list[i] + 0
        for (j = i - 1; j > 0 && list[j] + 0 > v; j--) list[j + 1] = list[j]
        list[j + 1] = v
    }
    return n % 2 ? list[(n + 1) / 2] + 0 : (list[n / 2] + list[n / 2 + 1]) / 2
}
function trade(rate, bytes, low, share) {
    for (low = 64; low < 2097152 && low * 8 < bytes; low *= 8) {}
    share = (bytes - low) / (7 * low)
    return (1 - share) * median("trade_" low " " rate) + share * median("trade_" low * 8 " " rate)
}
function step(w, r, rate, compute, bytes) {
    bytes = 4 * numbers[w]
    if (r == 1) return compute
    compute += median("meeting " rate) * log(r) / log(2) + 2 * (r - 2) * median("parcel " rate)
    compute += bytes * (1 + 2 / r) / median("copied_per_second " rate)
    return compute + 2 * trade(rate, bytes * (r - 1) / r)
}
{
    kind = value("kind")
    w = value("workload")
    rate = value("rate")
}
kind == "link" {
    if (!(rate in seen)) rates[++n_rates] = rate
    seen[rate] = 1
    add("meeting " rate)
    add("parcel " rate)
    add("copied_per_second " rate)
    for (bytes = 64; bytes <= 16777216; bytes *= 8) add("trade_" bytes " " rate)
    next
}
{
    numbers[w] = value("numbers")
    took = value("step_seconds")
}
kind == "one" && !(w in one) { order[++n_order] = w; one[w] = 1 }
kind == "part" { # two lines, of which the slower rank is waited for
    if (!(w in other)) { other[w] = took; next }
    if (other[w] > took) took = other[w]
    delete other[w]
}
{ times[kind " " w " " rate] = times[kind " " w " " rate] " " took }
kind == "1/1" { whole[w] = value("images_per_second") * took }

function table(i, k, w, rate, s, alone, part, two) {
    print "| workload | Ethernet | one host, ms | half of the batch, ms | predicted, ms |",
        "measured, ms | off, % | times one host |"
    print "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for (k = 1; k <= n_order; k++)
        for (i = 1; i <= n_rates; i++) {
            w = order[k]
            rate = rates[i]
            if (!("two " w " " rate in times)) continue
            alone = 1e3 * median("one " w " ")
            part = median("part " w " ")
            s = 1e3 * step(w, 2, rate, part)
            two = 1e3 * median("two " w " " rate)
            printf "| %s | %s | %.1f | %.1f | %.1f | %.1f | %+.1f | %.2f |\n", w, rate, alone,
                1e3 * part, s, two, 100 * (s / two - 1), alone / two
        }
}
function computed(i, r, s, line, part) {
    line = "| machines | images each | compute, ms |"
    for (i = 1; i <= n_rates; i++)
        line = line " " rates[i] ": ms | images a second | times one |"
    print line
    gsub(/[^|]+/, " ---: ", line)
    print line
    for (r = 1; r <= 64; r *= 2) {
        if (!("1/" r " " more " " in times)) continue
        part = median("1/" r " " more " ")
        printf "| %d | %d | %.1f |", r, whole[more] / r + 0.5, 1e3 * part
        for (i = 1; i <= n_rates; i++) {
            s = step(more, r, rates[i], part)
            printf " %.1f | %.0f | %.1f |", 1e3 * s, whole[more] / s, median("1/1 " more " ") / s
        }
        print ""
    }
}
END {
    for (i = 1; i <= n_rates; i++) {
        rate = rates[i]
        printf "%s: a meeting takes %.0f us, a trade of 64 bytes %.0f us, a parcel more %.0f us; ",
            rate, 1e6 * median("meeting " rate), 1e6 * median("trade_64 " rate),
            1e6 * median("parcel " rate)
        printf "16 MB pass at %.0f MB/s each way; %.1f GB/s are copied\n",
            16.777216 / median("trade_16777216 " rate), median("copied_per_second " rate) / 1e9
    }
    print ""
    if (more == "") table()
    else computed()
}
