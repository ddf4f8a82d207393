# Sourced by scripts. `stoppable COMMAND...` runs it, and a signal to the script, SIGTERM, SIGHUP
# and SIGQUIT as well as Ctrl-C, asks the command to stop and waits until it has; its checkpoints
# are where the next call goes on. A script's trap on EXIT, which removes its temporary files, is
# then obeyed too, which not every shell does by itself on a signal.
child=
stop() {
    [ -z "$child" ] || kill -TERM "$child" 2>/dev/null || true
    [ -z "$child" ] || wait "$child" || true
    exit "$1"
}
trap 'stop 129' HUP
trap 'stop 130' INT
trap 'stop 131' QUIT
trap 'stop 143' TERM
stoppable() {
    "$@" &
    child=$!
    stopped=0
    wait "$child" || stopped=$?
    child=
    return "$stopped"
}
