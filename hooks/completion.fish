# fish completion for git-stage, `git stage` and `git gitstage`. Made by `git-stage completion -s fish`.
# git-stage completion -s fish > ~/.config/fish/completions/git-stage.fish, or in config.fish: git-stage completion -s fish | source

function __gitstage_complete
    for line in (@BIN@/git-stage complete --line (commandline -cp | string collect) 2>/dev/null)
        if test "$line" = :files:
            __fish_complete_path (commandline -ct)
        else
            echo $line
        end
    end
end

function __gitstage_after_git
    set -l words (commandline -opc)
    for word in $words[2..-1]
        switch $word
            case stage gitstage
                return 0
            case '-*'
            case '*'
                return 1
        end
    end
    return 1
end

complete -c git-stage -f -k -a '(__gitstage_complete)'
complete -c git-gitstage -f -k -a '(__gitstage_complete)'
complete -c git -n __gitstage_after_git -k -a '(__gitstage_complete)'
