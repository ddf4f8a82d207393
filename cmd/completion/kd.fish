# Completion of kd and its programs for fish. The programs themselves say what fits (cmd/complete.c).
function __kd_complete
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    for line in ($words[1] --complete $words[2..-1] "$typed" 2>/dev/null)
        if not string match -q \t'*' -- $line
            echo $line
            continue
        end
        set -l part (string split \t -- $line)
        set -l name (string sub -s (math (string length -- "$part[3]") + 1) -- "$typed")
        if test "$part[2]" = folders
            for found in (__fish_complete_directories "$name" '')
                echo "$part[3]$found"
            end
        else
            for found in (__fish_complete_path "$name" '')
                echo "$part[3]$found"
            end
        end
    end
end
for name in kd kd-train-teacher kd-soften kd-train-student kd-correct kd-eval kd-report \
    kd-plan kd-data kd-predict kd-show kd-quantize kd-export kd-import
    complete -c $name -f -a '(__kd_complete)'
end
