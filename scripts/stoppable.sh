# Sourced by the scripts that end in more than a training. `stoppable COMMAND...` runs it, and a
# signal to the script, SIGTERM and SIGHUP as well as Ctrl-C, asks the command to stop and waits
# until it has; its checkpoints are where the next call goes on.
stoppable() {
    "$@" &
    child=$!
    trap 'kill -TERM "$child" 2>/dev/null; wait "$child"; exit 143' TERM
    trap 'kill -TERM "$child" 2>/dev/null; wait "$child"; exit 130' INT
    trap 'kill -TERM "$child" 2>/dev/null; wait "$child"; exit 129' HUP
    stopped=0
    wait "$child" || stopped=$?
    trap - TERM INT HUP
    return "$stopped"
}
