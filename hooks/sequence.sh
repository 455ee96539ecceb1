# shellcheck shell=sh disable=SC2154 # rc is set above
# While Git works through a list of commits, the outputs are brought in line where it stops, and at the end. Is this a
# step after which Git goes on by itself? Then nobody sees the work tree as it is now.
goes_on() {
  at=${GIT_DIR:-.git} onto='' line='' last=''
  if [ -d "$at/rebase-merge" ]; then
    at=$at/rebase-merge
    [ ! -e "$at/stopped-sha" ] || return 1
    while IFS= read -r line; do last=$line; done <"$at/done" || return 1
    is_step "$last" || return 1
    last=
    while IFS= read -r line; do
      case $line in '' | '#'*) continue ;; esac
      last=$line
      break
    done <"$at/git-rebase-todo"
    is_step "$last" || is_edit "$last" || return 1
    IFS= read -r onto <"$at/orig-head"
  elif [ -f "$at/rebase-apply/rebasing" ]; then # not `am`, which may stop without touching anything
    at=$at/rebase-apply
    IFS= read -r line <"$at/next" && IFS= read -r last <"$at/last" || return 1
    [ "$line" -lt "$last" ] || return 1
    onto=ORIG_HEAD
  elif [ -f "$at/sequencer/todo" ]; then
    n=0
    while IFS= read -r line; do n=$((n + 1)); done <"$at/sequencer/todo"
    [ "$n" -gt 1 ] || return 1
    IFS= read -r onto <"$at/sequencer/head"
  else
    return 1
  fi 2>/dev/null
  # It stops at a conflict and at a commit that would be empty, and an abort goes back to where it began.
  [ -z "$(git --no-optional-locks ls-files -u)" ] || return 1
  [ "$name" != post-index-change ] || differs HEAD || return 1
  differs "$onto" '*.dvc' '*dvc.lock' '*dvc.yaml'
}
differs() { # is the index another than commit $1, at the paths that follow?
  commit=$1
  shift
  git --no-optional-locks diff-index --cached --quiet "$commit" -- "$@" 2>/dev/null
  [ $? -eq 1 ]
}
is_step() {
  case ${1%% *} in
  pick | p | reword | r | fixup | f | squash | s | drop | d | label | l | reset | t | merge | m | noop | update-ref | u) ;;
  *) return 1 ;;
  esac
}
is_edit() {
  case ${1%% *} in edit | e) ;; *) return 1 ;; esac
}
if goes_on; then
  [ -n "${unjudged-}" ] || exit "$rc"
  set -- "$@" passing
fi
