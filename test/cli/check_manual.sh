#!/bin/sh
# Compares the options of a program's --help with those of its manual page: the same set of letters
# and names, none twice. Prints what differs (< help, > manual) and fails.
# usage: check_manual.sh PROGRAM MANUAL
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Options, one a line, of lines that begin with one: "  -e, --epochs N   text", "-e, --epochs N".
names() {
    sed -n 's/^ *\(-[a-zA-Z], \)\{0,1\}\(--[a-z][a-z0-9-]*\).*/\1\2/p' | tr -d ' ' | tr ',' '\n'
}
# Tags of the manual's lists (man: .TP and .TQ; mdoc: .It Fl), without fonts, quotes and escapes.
tags() {
    awk '/^\.(TP|TQ)/ { getline; print } /^\.It Fl/ { gsub(/Fl /, "-"); sub(/^\.It /, "");
        print }' "$1" |
        sed 's/^\.\([BI]\|BR\|BI\|RB\|RI\|IR\|IB\) //; s/\\f[BIRP]//g; s/\\-/-/g; s/"//g
            s/ *, */, /g'
}

"$1" --help >"$work/text"
names <"$work/text" >"$work/all"
sort "$work/all" >"$work/help"
tags "$2" | names | sort >"$work/manual"
[ -s "$work/help" ] || { echo "$1 --help names no option" >&2; exit 1; }
twice=$(uniq -d "$work/help" | tr '\n' ' ')
[ -z "$twice" ] || { echo "$1 has twice: $twice" >&2; exit 1; }
diff "$work/help" "$work/manual" >"$work/diff" && exit 0
echo "options of $1 --help (<) and $2 (>) differ:" >&2
grep '^[<>]' "$work/diff" >&2
exit 1
