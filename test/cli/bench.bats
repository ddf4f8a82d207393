#!/usr/bin/env bats
# The benchmark measures what it says, and the comparison with PyTorch reads, repeats, resumes and
# tells rightly. Nothing here is about how fast anything is.
bats_require_minimum_version 1.5.0

setup() {
    unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE KD_DATA
    export PYTHONDONTWRITEBYTECODE=1
    top=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
    bench=$(realpath -m "$top/${UNIT_DIR:-build/release-cc/unit}/../bench/bench")
    case ${UNIT_DIR:-} in /*) bench=$(realpath -m "$UNIT_DIR/../bench/bench") ;; esac
    compare=$top/test/bench/compare_torch
    pairs=$top/test/fixtures/compare/pairs.jsonl
    cd "$BATS_TEST_TMPDIR"
}
quick() {
    [ -x "$bench" ] || skip "the benchmark is not built"
    "$bench" --quick --seconds 0.01 --bin "$KD_BIN" "$@"
}
python() {
    command -v python3 >/dev/null && python3 -c 'import sys; assert sys.version_info >= (3, 8)' ||
        skip "no python3"
}

@test "a workload gives a line of JSON with its speed, spread, work, share of sgemm and memory" {
    quick --json W3 W7l >lines
    [ "$(wc -l <lines)" -eq 2 ]
    jq -es 'map(.workload) == ["W3", "W7l"]' lines
    jq -e '.low > 0 and .low <= .images_per_second and .images_per_second <= .high and
        .repetitions >= 3 and .gflops > 0 and
        (.of_sgemm - .gflops / .sgemm_gflops | fabs) < 1e-6 and .peak_mb >= .base_mb and
        .planned_mb > 0' lines
}

@test "operations count three passes, two of the first layer, one of inference" {
    quick --json W2 W7t >lines
    # 784 x 800 + 800 x 800 + 800 x 10 multiply-adds
    jq -es '.[0].gflops / .[0].images_per_second * 1e9 / 2 | (. / (2 * 627200 + 3 * 648000) - 1 |
        fabs) < 0.01' lines
    jq -es '.[1].gflops / .[1].images_per_second * 1e9 / 2 | (. / 1275200 - 1 | fabs) < 0.01' lines
}

@test "memory is what the summary says, within a tenth" {
    [ "$KD_BIN" = "$top/bin" ] || skip "sanitizers have memory of their own"
    quick --json W1 W6 W7t >lines
    # 1.5 MB: code and tables that are touched for the first time
    jq -e '(.planned_mb / (.peak_mb - .base_mb)) as $share | $share < 1.02 and
        ($share > 0.9 or .peak_mb - .base_mb - .planned_mb < 1.5)' lines || { cat lines; false; }
    kd-train-teacher --data digits --fraction 0.05 --epochs 1 --layers 100 -o m.safetensors 2>&1 \
        >/dev/null | grep -E '^memory: [0-9.]+ MB \(network'
}

@test "C1 is a whole process, and its images are kept where that is asked for" {
    quick --json --images idx C1 >line
    jq -e '.seconds > 0 and .peak_mb > 10 and .epoch_images_per_second > .images_per_second' line
    [ -s idx/train-images-idx3-ubyte ]
    [ -s idx/model.safetensors ]
    before=$(cksum <idx/train-images-idx3-ubyte)
    quick --json --images idx C1 >line
    [ "$(cksum <idx/train-images-idx3-ubyte)" = "$before" ]
}

@test "the cost of soft targets, the chart of growth, the table" {
    quick -o lines --chart growth soft growth >table
    jq -es '.[0] | .workload == "soft" and .stored > 0 and .stored_low <= .stored and .at_hand >
        0 and .teacher_forward > 0' lines
    jq -es 'map(select(.workload == "growth") | .varied) | unique == ["batch", "depth", "images",
        "threads", "width"]' lines
    grep -q '</svg>' growth.svg
    grep -q '^soft A student.s epoch' table
    grep -q 'sgemm [0-9]* GFLOP/s on one thread' table
}

@test "a workload that is not there is a usage error" {
    run --separate-stderr quick W9
    [ "$status" -eq 2 ]
    [[ "$stderr" == "bench: W9: no such workload; there are W1 "* ]]
    run --separate-stderr quick --secnods 1 W1
    [ "$status" -eq 2 ]
    [[ "$stderr" == *"did you mean --seconds"* ]]
}

@test "the machine's peak has one thread and all" {
    quick --machine | jq \
        -e '.sgemm_one > 0 and .sgemm_all > 0 and .threads >= 1 and (.blas | length) > 0'
}

# ---- several hosts ----

@test "two hosts: a step on one, on both, the way between them, a row of the table" {
    [ "$KD_BIN" = "$top/bin" ] || skip "hosts.sh measures what is in bin"
    export TO=$PWD/lines BENCH='--quick --seconds 0.01 --repetitions 1'
    hosts=$top/test/bench/hosts.sh
    run --separate-stderr "$hosts" one W3
    [[ "$stderr" != *skipped:* ]] || skip "${stderr##*skipped: }"
    "$hosts" part W3
    "$hosts" link 10gbit
    "$hosts" two 10gbit W3
    jq -es 'map(.kind) == ["one", "part", "part", "link", "two"]' lines
    jq -es '.[4].rate == "10gbit" and .[3].meeting > 0 and .[3].trade_64 < .[3].trade_16777216 and
        all(.[0, 1, 2, 4]; .numbers == 24790 and .step_seconds > 0)' lines
    "$hosts" table | grep -Eq '^\| W3 \| 10gbit \| [0-9.]+ \| [0-9.]+ \| [0-9.]+ \| [0-9.]+ \|'
}

@test "a step on more hosts is the sum of its terms, from medians" {
    way='{"kind":"link","rate":"1gbit","meeting":0.001'
    for bytes in 64 512 4096 32768 262144 2097152 16777216; do # 100 MB/s
        way="$way,\"trade_$bytes\":$(awk -v n="$bytes" 'BEGIN { printf "%.3e", n / 1e8 }')"
    done
    echo "$way,\"parcel\":0.0001,\"copied_per_second\":1e9}" >lines
    while read -r kind rate seconds; do
        printf '{"kind":"%s","rate":"%s","workload":"W",' "$kind" "${rate#-}"
        printf '"images_per_second":640,"step_seconds":%s,"numbers":1000000}\n' "$seconds"
    done >>lines <<'EOF'
one - 0.1
one - 0.9
one - 0.1
part - 0.04
part - 0.05
two 1gbit 0.110
1/1 - 0.1
1/4 - 0.025
EOF
    # 50 + 1 + 2 x 20 for half of the sums + 8 of copies
    awk -f "$top/test/bench/hosts.awk" lines >table
    grep -qxF '| W | 1gbit | 100.0 | 50.0 | 99.0 | 110.0 | -10.0 | 0.91 |' table
    # 25 + 2 x 1 + 2 x 2 x 0.1 + 2 x 30 + 6
    awk -v more=W -f "$top/test/bench/hosts.awk" lines >table
    grep -qxF '| 4 | 16 | 25.0 | 93.4 | 685 | 1.1 |' table
}

# ---- compare_torch ----

@test "the table: medians of good pairs, the faster PyTorch counts, goals" {
    python
    run --separate-stderr "$compare" --table --to "$pairs"
    [ "$status" -eq 0 ]
    [ -z "$stderr" ]
    diff "$top/test/fixtures/compare/table.md" - <<<"$output"
    "$compare" --table --text --to "$pairs" |
        grep -E '^W1 +train .* 2\.19 \(2\.00 to 2\.40\) +2\.0 yes'
    printf 'above\n<!-- compare_torch -->\nold\n<!-- end -->\nbelow\n' >page.md
    "$compare" --table --to "$pairs" --into page.md
    [ "$(head -n 2 page.md | tail -n 1)" = "<!-- compare_torch -->" ]
    [ "$(tail -n 1 page.md)" = below ]
    [ "$(sed -n 3p page.md)" = "${lines[0]}" ]
    run ! grep old page.md
    run -1 "$compare" --table --to "$pairs" --into "$pairs"
    printf '{"workload": "W1"\n' >broken
    run --separate-stderr "$compare" --table --to broken
    [ "$status" -eq 1 ]
    [ "$stderr" = "compare_torch: broken: it has a line that is no JSON" ]
    run --separate-stderr "$compare" W9
    [ "$status" -eq 1 ]
    [[ "$stderr" == "compare_torch: W9: no such option or workload"* ]]
}

# Stand-ins: a bench whose second core is there or not as the file `cores` says, line by line; a
# Python with torch.
stand_ins() {
    printf 'say() { echo "$1"; echo "$2" >>calls; }\n' >say
    cat >bench.sh <<'EOF'
#!/bin/sh
. ./say
case "$*" in
*--machine*)
    n=$(head -n 1 cores); sed -i 1d cores
    say '{"sgemm_one": 100, "threads": 2, "blas": "B", "sgemm_all": '"${n:-200}}" machine ;;
*)
    for w; do :; done
    say '{"threads": 2, "images_per_second": 300, "peak_mb": 50, "workload": "'"$w"'"}' kd ;;
esac
EOF
    cat >python.sh <<'EOF'
#!/bin/sh
. ./say
case "$*" in
*"import torch"*) echo 9.1.0 ;;
*"import onnxruntime"*) [ ! -e onnxruntime ] || echo 9.2.0; [ -e onnxruntime ] ;;
*onnx_workloads.py*)
    [ -s "$4" ] && say '{"torch": "9.2.0", "settings": "onnxruntime", "images_per_second": 150,
        "peak_mb": 20}' | tr -d '\n' && echo && echo "onnxruntime $5 $6" >>calls ;;
*) s=best; case "$*" in *--installed*) s=installed ;; esac
    [ -n "$OPENBLAS_CORETYPE" ] && s=wrong
    text='{"torch": "9.1.0", "images_per_second": 100, "peak_mb": 200,'
    say "$text \"workload\": \"$2\", \"settings\": \"$s\"}" "$s $OMP_WAIT_POLICY" ;;
esac
EOF
    chmod +x bench.sh python.sh
    : >cores
}
compared() {
    OPENBLAS_CORETYPE=Nehalem "$compare" --bench ./bench.sh --python ./python.sh --threads 2 \
        --to pairs "$@" 2>messages
}

@test "pairs take turns, and one in which a core was missing is repeated" {
    python
    stand_ins
    printf '200\n200\n200\n150\n' >cores # the second pair ends with a core and a half
    compared --pairs 2 --others 64 W1 >table
    jq -es 'map(.good) == [true, false, true] and map(.pair) == [1, 2, 2]' pairs
    back="machine,best passive,installed ,kd,machine,"
    [ "$(tr '\n' ',' <calls)" = "machine,kd,installed ,best passive,machine,$back$back" ]
    row='| 300 | 100 | 100 | 3.00 (3.00 to 3.00) | 2.0 yes | - | 50 / 200 | 0.25 yes |'
    grep '^| W1 |' table | grep -qF "$row"
    grep -q 'cores 1.00 0.75.*(again)' messages
}

@test "onnxruntime infers on kd's own export beside PyTorch, where Python has it" {
    python
    [ "$KD_BIN" = "$top/bin" ] || skip "once is enough"
    stand_ins
    : >onnxruntime
    compared --bin "$KD_BIN" --no-check --no-installed --pairs 1 W3 W7l >table
    [ "$(grep -c '^onnxruntime --threads 2$' calls)" -eq 1 ]
    jq -es 'map(.torch | map(.settings)) == [["best"], ["best", "onnxruntime"]]' pairs
    grep -q '^| .* | PyTorch 9.1 at its best | onnxruntime 9.2 | kd / the fastest |' table
    row='| 300 | 100 | 150 | 2.00 (2.00 to 2.00) | 1.5 yes | - | 50 / 200 | 0.25 yes |'
    grep '^| W7l |' table | grep -qF "$row"
    compared --bin "$KD_BIN" --no-check --no-installed --no-onnx --to other --pairs 1 W7l >table
    run ! grep onnxruntime table
}

@test "each number of threads has its own pairs and its own table" {
    python
    stand_ins
    sed -i 's/"threads": 2, "images/"threads": '"'\$7'"', "images/' bench.sh
    compared --no-check --no-installed --pairs 1 --threads 2,1 W1 >table
    jq -es 'map(.kd.threads) == [2, 1]' pairs
    [ "$(grep -c '^| W1 |' table)" -eq 2 ]
    [ "$(grep -o '[12] threads\?;' table | tr -d '\n')" = '2 threads;1 thread;' ]
    compared --no-check --no-installed --pairs 1 --threads 1 W1 >table
    [ "$(wc -l <pairs)" -eq 2 ]
    run -1 compared --threads 0 W1
    grep -qx 'compare_torch: --threads: a value is missing or wrong' messages
}

@test "repeating has an end, and good pairs that are there count" {
    python
    stand_ins
    yes 120 | head -n 100 >cores
    compared --pairs 1 --retries 2 W2 >table
    jq -es 'map(.good) == [false, false, false]' pairs
    [ "$(cat table)" = "no good pair" ]
    yes 200 | head -n 100 >cores
    rm pairs
    compared --pairs 1 --retries 2 --others -1 W2 >table # as if somebody had used the cores
    jq -es 'map(.good) == [false, false, false]' pairs
    rm calls pairs
    compared --no-check --no-installed --pairs 2 W2 >table
    [ "$(grep -c kd calls)" -eq 2 ]
    compared --no-check --no-installed --pairs 3 W2 W3 >table
    [ "$(grep -c kd calls)" -eq 6 ]
    grep -q '^| W3 |' table
}

@test "--isa holds both sides to it, and its pairs are a table of their own" {
    python
    stand_ins
    sed -i '2i echo "kd $KD_CPU $OPENBLAS_CORETYPE" >>held' bench.sh
    sed -i '2i echo "torch $ATEN_CPU_CAPABILITY $ONEDNN_MAX_CPU_ISA $*" >>held' python.sh
    compared --no-check --no-installed --pairs 1 --isa avx2 W1 >table
    grep -q '^kd avx2 Haswell$' held
    grep -q '^torch avx2 AVX2 .*torch_workloads.py W1 .*--isa avx2' held
    grep -q 'held to avx2' table
    run -0 compared --table
    [ "$output" = "no good pair" ]
    run -1 compared --isa sse W1
    grep -qx 'compare_torch: --isa sse: expected avx2' messages
}

@test "a network of one's own is measured, trained and inferring" {
    layers='["flatten",{"kind":"dense","units":20},"relu","dense"]'
    quick --network "$layers" --shape 1,8,8 --batch 3 --threads 1 >line
    jq -e '.images_per_second > 0 and .gflops > 0 and .threads == 1' line
    quick --network "$layers" --shape 1,8,8 --batch 3 --inference >line
    # 64 x 20 + 20 x 10 multiply-adds
    jq -e '.gflops / .images_per_second * 1e9 / 2 / 1480 - 1 | fabs < 0.01' line
    run --separate-stderr quick --network "$layers" --shape 8,8
    [ "$status" -eq 2 ]
    [ "$stderr" = "bench: --shape: expected three numbers: C,H,W" ]
}

@test "the heat map: cells once, slices, a picture, a list of what is slower" {
    python
    heat=$top/test/bench/heat
    printf '#!/bin/sh\necho bench >>calls\necho "{\\"high\\": ${RATE:-150}}"\n' >bench.sh
    cat >python.sh <<'EOF'
#!/bin/sh
while read -r cell; do
    [ "$cell" = "{}" ] && echo '"9.1.0"' || echo '{"fused": 100, "channels_last+fused": 50}'
done
EOF
    chmod +x bench.sh python.sh
    measured() {
        "$heat" --bench ./bench.sh --python ./python.sh --threads 2 --to cells "$@" 2>messages
    }
    run -75 measured --slice 0.000001 kind=dense train=1 depth=1 batch=8
    [ ! -s cells ]
    measured kind=dense train=1 depth=1 batch=8
    [ "$(wc -l <cells)" -eq 5 ]
    [ "$(wc -l <calls)" -eq 10 ]
    measured kind=dense train=1 depth=1 batch=8
    [ "$(wc -l <calls)" -eq 10 ]
    RATE=50 measured kind=conv train=0 kernel=3 channels=4 size=8 batch=1
    jq -es '.[0].ratio == 1.5 and .[5].ratio == 0.5 and .[5].kernel == 3' cells
    measured --again 1 kind=conv train=0 kernel=3 channels=4 size=8 batch=1
    jq -es 'length == 7 and .[6].ratio == 1.5' cells
    measured --list >list
    [ "$(head -n 1 list)" = "6 cells, median 1.50, 0 below 1.0" ]
    measured --draw map.svg
    [ "$(grep -c '<svg' map.svg)" -eq 1 ]
    [ "$(grep -c '>1.50<' map.svg)" -eq 5 ]
    [ "$(grep -c '>1.00<' map.svg)" -eq 1 ]
    run -1 measured kernels=3
    [ "$(tail -n 1 messages)" = "heat: kernels=3: no such option or axis; --help lists them" ]
    printf '{"kind": "conv"\n' >broken
    run -1 measured --to broken --list
    [ "$(cat messages)" = "heat: broken: it has a line that is no JSON" ]
}

@test "without torch the comparison says what is missing" {
    python
    run --separate-stderr "$compare" --python /bin/false W1
    [ "$status" -eq 1 ]
    [ "$stderr" = "compare_torch: --python /bin/false: it has no torch" ]
}

@test "PyTorch's side runs every sort of workload" {
    python
    python3 -c 'import importlib.util as u; assert u.find_spec("torch")' 2>/dev/null ||
        skip "python3 has no torch"
    [ "$KD_BIN" = "$top/bin" ] || skip "once is enough"
    quick --json --images idx C1 >line
    OPENBLAS_CORETYPE=Nehalem python3 "$top/test/bench/torch_workloads.py" W3 --quick --threads 1 \
        --seconds 0.01 >line
    jq -e '.workload == "W3" and .settings == "best" and .images_per_second > 0 and .peak_mb > 50' \
        line
    cat >all.py <<'EOF'
import sys, torch, torch_workloads as t
torch.set_num_threads(1)
for name, parameters in ("W1", 2395210), ("W4", 64570), ("W6", None), ("W7l", 1276810):
    work = t.WORKLOADS[name]._replace(batch=2, images=4)
    model = t.network(torch.nn, work.network)
    assert parameters in (None, sum(p.numel() for p in model.parameters())), name
    step = t.stepper(torch, work, t.BEST[name])
    step(0), step(1)
assert t.whole(torch, t.WORKLOADS["C1"], t.BEST["C1"], "idx") == 600
EOF
    PYTHONPATH=$top/test/bench python3 all.py
    [ -s idx/model.pt ]
}
