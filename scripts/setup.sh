#!/bin/sh
# Finds what kd needs to build and test, by pkg-config; installs what is missing where it may (as root on
# Debian and its kin), otherwise prints the one command that does. Silent and quick when nothing is missing.
# What could not be installed and is not required is not tried again until build/ is removed.
set -eu

have() { pkg-config --exists "$1" 2>/dev/null; }
missing=
need() { missing="$missing $1"; }

command -v make >/dev/null || need make
command -v cc >/dev/null || command -v gcc >/dev/null || need "gcc libc6-dev"
command -v ar >/dev/null || need binutils
command -v pkg-config >/dev/null || need pkg-config
have openblas || need libopenblas-dev
have libcjson || need libcjson-dev
have libpng || need libpng-dev
have zlib || need zlib1g-dev
have libxxhash || need libxxhash-dev
required=$missing
have cairo || need libcairo2-dev
have xlsxwriter || need libxlsxwriter-dev
have cmocka || need libcmocka-dev
command -v bats >/dev/null || need bats
command -v jq >/dev/null || need jq
if [ -n "${LINT:-}" ]; then # what `make lint` needs: large, and for nobody but kd's own tests
    command -v clang-tidy >/dev/null || need clang-tidy
    command -v cppcheck >/dev/null || need cppcheck
fi

[ -n "$missing" ] || exit 0
tried=$(dirname "$0")/../build/setup-tried
if [ -z "$required" ] && [ "$(cat "$tried" 2>/dev/null)" = "$missing" ]; then exit 0; fi
if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "setup: installing$missing"
    log=$(mktemp)
    if (apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing) >"$log" 2>&1; then
        rm -f "$log"
        exit 0
    fi
    echo "setup: apt-get failed; its last lines:" >&2
    tail -n 5 "$log" >&2
    rm -f "$log"
fi
# Without the optional ones everything but some report forms and the tests can be built.
if [ -z "$required" ]; then
    mkdir -p "$(dirname "$tried")" && printf '%s' "$missing" >"$tried"
    echo "setup: going on without$missing" >&2
    exit 0
fi
echo "setup: these packages are missing:$missing. This installs them:" >&2
if command -v apt-get >/dev/null; then
    echo "    sudo apt-get install -y$missing" >&2
elif command -v brew >/dev/null; then
    echo "    brew install pkg-config openblas cjson libpng xxhash cairo libxlsxwriter cmocka bats-core jq" >&2
fi
exit 1
