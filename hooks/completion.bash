# bash completion for git-stage, `git stage` and `git gitstage`. Made by `git-stage completion -s bash`.
# In ~/.bashrc: eval "$(git-stage completion -s bash)"

# Offers what `git-stage complete` says of the command line up to the cursor.
_gitstage_complete() {
  local line=${COMP_LINE:0:COMP_POINT} word typed taken
  COMPREPLY=()
  typed=${line##*[[:space:]]}
  taken=${typed%"${COMP_WORDS[COMP_CWORD]}"} # bash takes a word apart at COMP_WORDBREAKS, such as ":" and "@"
  [ "$taken" = "$typed" ] && [ -n "${COMP_WORDS[COMP_CWORD]}" ] && taken=
  case ${COMP_WORDS[COMP_CWORD]} in : | @ | =) taken=$typed ;; esac
  while IFS=$'\t' read -r word _; do
    if [ "$word" != :files: ]; then
      COMPREPLY+=("${word#"$taken"}")
    else
      compopt -o filenames 2>/dev/null
      while IFS= read -r word; do
        COMPREPLY+=("${word#"$taken"}")
      done < <(compgen -f -- "$typed")
    fi
  done < <(@BIN@/git-stage complete --line "$line" 2>/dev/null)
  if [ ${#COMPREPLY[@]} -eq 1 ] && [[ ${COMPREPLY[0]} == *= ]]; then
    compopt -o nospace 2>/dev/null
  fi
}
complete -F _gitstage_complete git-stage git-gitstage

# Git's own completion calls _git_WORD for `git WORD`. It has a _git_stage, which is that of `git add`: it stays in charge
# of what is not ours, and is loaded first, because it would replace this one when it is loaded later.
_git_gitstage() {
  _gitstage_complete
}
if declare -F _completion_loader >/dev/null && ! declare -F __git_main >/dev/null; then
  _completion_loader git
elif declare -F _comp_load >/dev/null && ! declare -F __git_main >/dev/null; then
  _comp_load git
fi
if declare -F __git_main >/dev/null; then
  _git_stage() {
    # shellcheck disable=SC2154 # words and cword are those of Git's completion, which calls this
    local first=$((${__git_cmd_idx:-1} + 1)) own verbs=' @VERBS@ '
    # shellcheck disable=SC2154
    if [ "$cword" -gt "$first" ]; then
      case $verbs in
      *" ${words[first]} "*) _gitstage_complete ;;
      *) _git_add ;;
      esac
      return
    fi
    _gitstage_complete
    own=("${COMPREPLY[@]}")
    COMPREPLY=()
    _git_add
    COMPREPLY=("${own[@]}" "${COMPREPLY[@]}")
  }
else
  # without Git's own completion: only `git stage` and `git gitstage` are completed
  _gitstage_git() {
    case ${COMP_WORDS[1]} in
    stage | gitstage) [ "$COMP_CWORD" -gt 1 ] && _gitstage_complete ;;
    esac
  }
  complete -o bashdefault -o default -F _gitstage_git git
fi
