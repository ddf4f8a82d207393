#!/bin/sh
# Writes the OPTIONS of the manual pages from the programs' option tables; everything else in a page
# is written by hand. `make manual` calls it after options have changed.
# usage: scripts/manual.sh [--check] [PROGRAM]...     all that have a page and options in tables
#   --check: change nothing, name the pages that differ, and fail
#   BIN=bin, PAGES=cmd: where programs and pages lie
set -eu
. "$(dirname "$0")/stoppable.sh"
bin=${BIN:-bin} pages=${PAGES:-cmd} check=no
[ "${1-}" != --check ] || { check=yes; shift; }
if [ $# -eq 0 ]; then # kd itself has no table
    for page in "$pages"/kd-*.1; do set -- "$@" "$(basename "$page" .1)"; done
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

status=0
for p; do
    {
        echo '.\" These OPTIONS are generated from the option tables: `make manual`.'
        "$bin/$p" --manual-options
    } >"$work/options"
    awk -v options="$work/options" '
        /^\.SH / { inside = $0 == ".SH OPTIONS" }
        !inside || /^\.SH / { print }
        $0 == ".SH OPTIONS" { while ((getline line <options) > 0) print line }
    ' "$pages/$p.1" >"$work/page"
    cmp -s "$work/page" "$pages/$p.1" && continue
    if [ $check = yes ]; then
        echo "$pages/$p.1: its OPTIONS are not those of $p; run make manual" >&2
        diff "$pages/$p.1" "$work/page" >&2 || status=1
    else
        cat "$work/page" >"$pages/$p.1"
        echo "$pages/$p.1"
    fi
done
exit $status
