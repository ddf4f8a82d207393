#!/bin/sh
# Finds what kd needs and installs what is missing: as root on Debian and its relatives, by apt-get.
# Elsewhere it prints the command that installs it. It is silent and quick when nothing is missing.
#
# usage: scripts/setup.sh [--check] [build | test | device | lint]      default: test
#   build   what the programs need; `make` names it when it is missing
#   test    that, and what the tests need; `make test` calls this
#   device  that, and compilers and emulators of other processors, for `make test-device`
#   lint    what tests need, and what `make lint` needs
#   --check installs nothing, and fails only where something is missing that cannot be done without
#   KD_SETUP=no in the environment is --check
#
# The package names for dnf, pacman, brew and conda were looked up; only those of apt were tried.
set -eu

# how to find it, needed for, package of Debian, dnf, pacman, brew, conda-forge (- is none, = the
# same as before).
# `option` builds more of kd where it is there (JPEG images, charts, workbook).
# A line that begins with a space belongs to the one before.
things() {
    sed -e :more -e '$!N; s/\n  *\([^ ]\)/ \1/; t more' -e 'P; D' <<'TABLE'
cmd:make         build  make              make make make make
cmd:cc           build  gcc,libc6-dev     gcc gcc - c-compiler
cmd:ar           build  binutils          binutils binutils - binutils
cmd:pkg-config   build  pkg-config        pkgconf-pkg-config pkgconf pkg-config pkg-config
lib:openblas     build  libopenblas-dev   openblas-devel openblas openblas openblas
lib:libcjson     build  libcjson-dev      cjson-devel cjson cjson cjson
lib:libpng       build  libpng-dev        libpng-devel libpng libpng libpng
lib:zlib         build  zlib1g-dev        zlib-devel zlib zlib zlib
lib:libxxhash    build  libxxhash-dev     xxhash-devel xxhash xxhash xxhash
lib:libturbojpeg option libturbojpeg0-dev libjpeg-turbo-devel libjpeg-turbo jpeg-turbo libjpeg-turbo
lib:libprotobuf-c option libprotobuf-c-dev protobuf-c-devel protobuf-c protobuf-c libprotobuf-c
cmd:protoc-c     option protobuf-c-compiler protobuf-c-compiler protobuf-c protobuf-c libprotobuf-c
inc:onnx/onnx.proto option libonnx-dev onnx-devel - - -
lib:cairo        option libcairo2-dev     cairo-devel cairo cairo cairo
lib:xlsxwriter option libxlsxwriter-dev libxlsxwriter-devel libxlsxwriter = =
cmd:mpicc    option libopenmpi-dev,openmpi-bin openmpi-devel openmpi open-mpi openmpi
lib:cmocka       test   libcmocka-dev     libcmocka-devel cmocka cmocka cmocka
cmd:bats         test   bats              bats bats bats-core bats-core
cmd:jq           test   jq                jq jq jq jq
cmd:clang        device clang             clang clang llvm clang
cmd:aarch64-linux-gnu-gcc device gcc-aarch64-linux-gnu,libc6-dev-arm64-cross gcc-aarch64-linux-gnu
    aarch64-linux-gnu-gcc - -
cmd:arm-linux-gnueabihf-gcc device gcc-arm-linux-gnueabihf,libc6-dev-armhf-cross gcc-arm-linux-gnu
    - - -
cmd:riscv64-linux-gnu-gcc device gcc-riscv64-linux-gnu,libc6-dev-riscv64-cross
    gcc-riscv64-linux-gnu riscv64-linux-gnu-gcc - -
cmd:arm-none-eabi-gcc device gcc-arm-none-eabi,libnewlib-arm-none-eabi
    arm-none-eabi-gcc-cs,arm-none-eabi-newlib arm-none-eabi-gcc,arm-none-eabi-newlib
    arm-none-eabi-gcc -
cmd:qemu-aarch64 device qemu-user qemu-user qemu-user - -
cmd:qemu-system-arm device qemu-system-arm qemu-system-arm qemu-system-arm qemu qemu
cmd:clang-tidy   lint   clang-tidy        clang-tools-extra clang llvm clang-tools
cmd:clang-format lint   clang-format      clang-tools-extra clang llvm clang-format
cmd:cppcheck     lint   cppcheck          cppcheck cppcheck cppcheck cppcheck
TABLE
}
here() {
    case $1 in
    inc:*)
        for at in /usr /usr/local /opt/homebrew; do
            [ ! -f "$at/include/${1#inc:}" ] || return 0
        done
        return 1
        ;;
    lib:*) pkg-config --exists "${1#lib:}" 2>/dev/null ;;
    cmd:cc) command -v cc >/dev/null || command -v gcc >/dev/null ;;
    cmd:*) command -v "${1#cmd:}" >/dev/null ;;
    esac
}

install=yes what=test
case ${KD_SETUP:-yes} in no | NO | 0) install=no ;; esac
for word; do
    case $word in
    --check) install=no ;;
    build | test | device | lint) what=$word ;;
    --device) what=device ;;
    -h | --help) sed -n '2,/^set/s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "setup.sh: $word: expected --check, build, test, device or lint" >&2; exit 2 ;;
    esac
done
case $what in
build) needs=build ;;
test) needs='build test' ;;
device) needs='build test device' ;;
lint) needs='build test lint' ;;
esac

missing= required=  # lines of the table
while read -r thing use names; do
    case " $needs option " in *" $use "*) ;; *) continue ;; esac
    if here "$thing"; then continue; fi
    missing="$missing$thing $names
"
    if [ "$use" != option ]; then required="$required $thing"; fi
done <<LIST
$(things)
LIST
[ -n "$missing" ] || exit 0

# packages COLUMN: their names in one line, each once
packages() {
    printf %s "$missing" | awk -v c=$(($1 + 1)) '
        {for (k = c; $k == "="; k--) continue
         n = split($k, names, ",")
         for (i = 1; i <= n; i++) if (names[i] != "-" && !seen[names[i]]++) printf " %s", names[i]}'
}

# What could not be installed, and need not be, is not tried again until build/ is removed.
tried=$(dirname "$0")/../build/setup-tried
last=$(cat "$tried" 2>/dev/null || true)
if [ -z "$required" ] && [ "$last" = "$install$(packages 1)" ]; then exit 0; fi
if [ "$install" = yes ] && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    echo "setup: installing$(packages 1)" >&2
    log=$(mktemp)
    trap 'rm -f "$log"' EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 131' QUIT
    trap 'exit 143' TERM
    export DEBIAN_FRONTEND=noninteractive
    if { apt-get update && apt-get install -y --no-install-recommends $(packages 1); } \
        >"$log" 2>&1; then
        exit 0
    fi
    echo "setup: apt-get failed; its last lines:" >&2
    tail -n 5 "$log" >&2
fi

if [ -n "$required" ]; then
    echo "setup: missing:$(packages 1). To install:" >&2
else
    echo "setup: not here, so kd is built without it:$(packages 1). To install:" >&2
fi
found=
tell() { # PROGRAM COMMAND COLUMN
    command -v "$1" >/dev/null || return 0
    echo "    $2$(packages "$3")" >&2
    found=yes
}
tell apt-get 'sudo apt-get install -y' 1
tell dnf 'sudo dnf install -y' 2
tell pacman 'sudo pacman -S --needed' 3
tell brew 'brew install' 4
tell conda 'conda install -c conda-forge' 5
[ -n "$found" ] || echo "    (by the system's own tool; these are Debian's names)" >&2
if [ -n "$required" ]; then
    if [ "$what" = build ]; then echo "and then the same command again." >&2; fi
    exit 1
fi
mkdir -p "$(dirname "$tried")"
printf %s "$install$(packages 1)" >"$tried"
