# bash completion for goblin(1)
_goblin() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} verb=${COMP_WORDS[1]}
    local images=${XDG_CACHE_HOME:-$HOME/.cache}/goblin/images
    local languages="lua python js perl ruby tcl php scheme forth sqlite sh"
    local names
    names=$(cd "$images" 2>/dev/null && printf '%s\n' *.img | sed -n 's/\.img$//p' | grep -vFx '*')
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W "$(goblin help | sed -n 's/^  goblin \([a-z]*\).*/\1/p')" -- "$word")
        return
    fi
    case $verb:$previous in
    help:*) mapfile -t COMPREPLY < <(compgen -W "$(goblin help | sed -n 's/^  goblin \([a-z]*\).*/\1/p')" -- "$word") ;;
    run:--image | template:--image) mapfile -t COMPREPLY < <(compgen -f -W "$names $languages none" -- "$word") ;;
    run:--from) mapfile -t COMPREPLY < <(compgen -W "$(goblin ps | sed -n 's/^\([^ ]*\) .*(template)$/\1/p')" -- "$word") ;;
    run:--net | template:--net) mapfile -t COMPREPLY < <(compgen -W "none out host" -- "$word") ;;
    run:-w | run:--workdir | template:-w | template:--workdir) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
    template:template) ;; # a new name
    run:* | template:*)
        if [[ $word == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "$(goblin help "$verb" | sed -n 's/^  .*\(--[a-z-]*\).*/\1/p')" -- "$word")
        else
            mapfile -t COMPREPLY < <(compgen -fc -W "$names $languages" -- "$word" | sort -u)
        fi
        ;;
    image:image) mapfile -t COMPREPLY < <(compgen -W "list show make rm" -- "$word") ;;
    image:show | image:rm) mapfile -t COMPREPLY < <(compgen -f -W "$names" -- "$word") ;;
    image:*)
        if [[ $word == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W "--deb --add --cmd --env --memory --workdir --about" -- "$word")
        else
            mapfile -t COMPREPLY < <(compgen -f -W "$languages" -- "$word")
        fi
        ;;
    new:new) mapfile -t COMPREPLY < <(compgen -W "lua python js" -- "$word") ;;
    esac
}
complete -o filenames -F _goblin goblin
