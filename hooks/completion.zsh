#compdef git-stage git-gitstage
# zsh completion for git-stage, `git stage` and `git gitstage`. Made by `git-stage completion -s zsh`.
# In ~/.zshrc, after compinit: eval "$(git-stage completion -s zsh)"

# zsh's own completion of git calls _git-WORD for `git WORD`.
_git-stage() {
  local -a described plain
  local word help files=0
  if [[ $words[1] == stage ]] && (( CURRENT > 2 )) && [[ ' @VERBS@ ' != *" $words[2] "* ]]; then
    (( $+functions[_git-add] )) && _git-add
    return
  fi
  while IFS=$'\t' read -r word help; do
    if [[ $word != :files: ]]; then
      described+=("${word//:/\\:}${help:+:$help}")
    else
      files=1
    fi
  done < <(@BIN@/git-stage complete -- "${(@Q)words[2,CURRENT]}" 2>/dev/null)
  (( $#described )) && _describe -V 'git stage' described
  (( files )) && _files
  if [[ $words[1] == stage ]] && (( CURRENT == 2 )); then
    _files
  fi
}
_git-gitstage() {
  _git-stage
}

if [[ ${zsh_eval_context[-1]} == loadautofunc ]]; then
  _git-stage "$@"
elif (( $+functions[compdef] )); then
  compdef _git-stage git-stage git-gitstage
fi
