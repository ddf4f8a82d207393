#!/bin/sh
# Two hosts on one machine: network namespaces with an Ethernet between them whose speed and delay
# tc sets, a core for each. One training by mpirun over TCP on both of them, how long a step takes,
# and what the model in hosts.awk says that it takes.
#
# usage: test/bench/hosts.sh [W...]        as root; measures (W1 W2 W4 W5) and prints the table
#        test/bench/hosts.sh PIECE ...     one piece of that:
#   one W...          a step on one host
#   part W...         a step of half of the batch, on both hosts at once: what a rank computes
#   link RATE         what passes between the hosts
#   two RATE W...     a step on both
#   table             predicted and measured, medians of all that was measured
#   parts W           a step of 1/2, 1/4, ... 1/64 of the batch, on one host
#   more W            from the parts: computed, not measured, up to 64 machines
#   TO=FILE     where measurements are gathered (default: build/hosts.jsonl)
#   SHARDS=N    of each batch (default: 2);  TURNS=N   how often all is measured (default: 3)
#   BENCH=...   options of the benchmark (default: --seconds 1 --repetitions 1)
#   DELAY=MS    one way (default: 0.1), where the kernel has netem; else the wire has none
set -eu
home=$(cd "$(dirname "$0")/../.." && pwd)
bench=$home/build/release-cc/bench/bench to=${TO:-$home/build/hosts.jsonl}
shards=${SHARDS:-2} delay=${DELAY:-0.1} how=${BENCH:---seconds 1 --repetitions 1}
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1

skip() { echo "hosts.sh: skipped: $*" >&2; exit 0; }
for program in ip tc mpirun taskset unshare; do
    command -v "$program" >/dev/null || skip "$program is not installed"
done
[ -x "$bench" ] && [ -e "$home/bin/libkdmpi.so" ] || skip "run make all and make units first"
[ "$(nproc)" -ge 2 ] || skip "it takes two processors"
a=kd$$a b=kd$$b work=$(mktemp -d)
trap 'for host in "$a" "$b"; do ip netns del "$host" 2>/dev/null || :; done; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
ip netns add "$a" 2>/dev/null || skip "network namespaces are not allowed here"

# wire RATE: both hosts on one Ethernet of this speed
wire() {
    [ ! -e "$work/agent" ] || { shape "$1"; return; }
    ip netns add "$b"
    ip link add eth0 netns "$a" type veth peer name eth0 netns "$b"
    number=1
    for host in "$a" "$b"; do
        ip -n "$host" addr add "10.99.0.$number/24" dev eth0
        ip -n "$host" link set lo up
        ip -n "$host" link set eth0 mtu 9000 up
        number=$((number + 1))
    done
    # mpirun starts the other host's daemon by this instead of ssh
    printf '#!/bin/sh\nshift\nexec ip netns exec %s unshare --uts sh -c %s sh "$*"\n' "$b" \
        "'hostname $b; exec taskset -c 1 sh -c \"\$1\"'" >"$work/agent"
    chmod +x "$work/agent"
    shape "$1"
}
shape() {
    for host in "$a" "$b"; do
        tc -n "$host" qdisc replace dev eth0 root netem delay "${delay}ms" rate "$1" limit 100000 \
            2>/dev/null ||
            tc -n "$host" qdisc replace dev eth0 root tbf rate "$1" burst 128k latency 50ms ||
            skip "tc can neither netem nor tbf"
    done
    tc -n "$a" qdisc show dev eth0 | grep -q netem ||
        echo "hosts.sh: this kernel has no netem; it has no delay of its own" >&2
}
ranks() {
    ip netns exec "$a" unshare --uts sh -c "hostname $a; exec taskset -c 0 \"\$@\"" sh \
        mpirun -q --leave-session-attached -n 2 --host 10.99.0.1:1,10.99.0.2:1 --map-by node \
        --bind-to none --mca plm rsh --mca plm_rsh_agent "$work/agent" --mca btl tcp,self \
        --mca oob_tcp_if_include 10.99.0.0/24 --mca btl_tcp_if_include 10.99.0.0/24 "$@"
}
# child PART W SHARDS: the command that measures one workload on one core
child() {
    echo "$bench --bin $home/bin --child --threads 1 $how --shards $3 --part $1 $2"
}
# keep KIND [RATE]: the line, with what it is
keep() {
    sed "s|^{|{\"kind\":\"$1\",\"rate\":\"${2:-}\",\"shards\":$shards,|" | tee -a "$to"
}
piece() {
    kind=$1
    shift
    case $kind in
    one) for w; do taskset -c 0 $(child 1 "$w" "$shards") | keep one; done ;;
    part)
        for w; do
            taskset -c 1 $(child 2 "$w" "$shards") >"$work/other" &
            taskset -c 0 $(child 2 "$w" "$shards") >"$work/one"
            wait
            cat "$work/one" "$work/other" | keep part
        done ;;
    parts)
        for n in 1 2 4 8 16 32 64; do
            taskset -c 0 $(child "$n" "$1" "$n") | keep "1/$n"
        done ;;
    link) wire "$1"; ranks "$bench" --bin "$home/bin" --link | keep link "$1" ;;
    two)
        rate=$1
        shift
        wire "$rate"
        for w; do ranks $(child 1 "$w" "$shards") | keep two "$rate"; done ;;
    table) awk -f "$home/test/bench/hosts.awk" "$to" ;;
    more) awk -v more="$1" -f "$home/test/bench/hosts.awk" "$to" ;;
    esac
}
mkdir -p "$(dirname "$to")"
case ${1:-} in one | part | parts | link | two | table | more) piece "$@"; exit ;; esac
[ $# -gt 0 ] || set -- W1 W2 W4 W5
for turn in $(seq "${TURNS:-3}"); do
    piece one "$@"
    piece part "$@"
    for rate in 10gbit 1gbit; do piece link "$rate"; piece two "$rate" "$@"; done
done
piece table
