# Is each file a well-formed XML document? Tags nest and close, attributes are quoted and come once, references are known,
# one root with nothing beside it. Says what is wrong and exits 1.   usage: awk -f xml.awk FILE...
BEGIN { RS = "<" }
function bad(why) { print FILENAME ": " why >"/dev/stderr"; wrong = 1; exit 1 }
function refs(s) { gsub(/&(amp|lt|gt|quot|apos|#[0-9]+|#x[0-9a-fA-F]+);/, "", s); return index(s, "&") == 0 }
function ended() { if (file != "" && (depth || roots != 1)) bad("ends before the root does") }
FNR == 1 {
    ended(); file = FILENAME; depth = roots = 0
    if ($0 ~ /[^ \t\r\n]/) bad("text before the root")
    next
}
{
    end = index($0, ">")
    if (!end) bad("a tag without end: <" substr($0, 1, 40))
    tag = substr($0, 1, end - 1); text = substr($0, end + 1)
    if (!refs(text)) bad("& in: " substr(text, 1, 60))
    if (tag ~ /^\?/) { if (FNR != 2 || tag !~ /\?$/) bad("a declaration: " tag) }
    else if (tag ~ /^\//) {
        name = substr(tag, 2); sub(/[ \t\r\n]+$/, "", name)
        if (depth < 1 || stack[depth] != name) bad("</" name "> closes <" stack[depth] ">")
        depth--
    } else {
        empty = sub(/\/$/, "", tag)
        if (!match(tag, /^[A-Za-z_:][A-Za-z0-9_:.-]*/)) bad("no name in <" substr(tag, 1, 40))
        name = substr(tag, 1, RLENGTH); rest = substr(tag, RLENGTH + 1)
        split("", seen)
        while (match(rest, /^[ \t\r\n]+[A-Za-z_:][A-Za-z0-9_:.-]*="[^"]*"/)) {
            key = value = substr(rest, 1, RLENGTH); rest = substr(rest, RLENGTH + 1)
            sub(/^[ \t\r\n]+/, "", key); sub(/=.*/, "", key)
            if (key in seen) bad(key " twice in <" name)
            seen[key] = 1
            if (!refs(value)) bad("& in" value)
        }
        if (rest ~ /[^ \t\r\n]/) bad("<" name ": " substr(rest, 1, 40))
        if (depth == 0 && ++roots > 1) bad("a second root: <" name)
        if (!empty) stack[++depth] = name
    }
    if (depth == 0 && text ~ /[^ \t\r\n]/) bad("text outside the root")
}
END { if (!wrong) ended(); exit wrong }
