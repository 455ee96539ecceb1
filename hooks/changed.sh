# shellcheck shell=sh disable=SC2094,SC3013,SC2154 # every sh has -nt; rc is set above
[ -z "${_PRE_COMMIT_SKIP_POST_CHECKOUT-}" ] || exit "$rc" # in the middle of another hook
unset GIT_LITERAL_PATHSPECS GIT_GLOB_PATHSPECS GIT_NOGLOB_PATHSPECS GIT_ICASE_PATHSPECS

state=${GIT_DIR:-.git}
if [ -f "$state" ] && IFS= read -r file <"$state"; then # a linked worktree that was just added
  state=${file#gitdir: }
fi
state=$state/gitstage

# The last hook of this very process may have found all in line.
if [ -z "${unjudged-}" ] && [ -s "$state/checked" ] && IFS= read -r file <"$state/checked" && [ "$file" = "$PPID" ]; then
  : >"$state/checked"
  exit "$rc"
fi

# Have the files that say what the outputs are changed since the outputs were last brought in line? In the index this is
# told by their listing of that moment, in the work tree by their time: one that is as old as the stamp may be younger.
# If not, Python is not started.
stamp=$state/stamp
if [ -f "$stamp" ] &&
  git --no-optional-locks ls-files -s -- '*.dvc' '*dvc.lock' '*dvc.yaml' | cmp -s - "$stamp.index"; then
  newer=
  while IFS= read -r file; do
    [ "$stamp" -nt "$file" ] || [ ! -e "$file" ] && continue
    newer=1
    break
  done <"$stamp"
  if [ -z "$newer${unjudged-}" ]; then
    [ "$name" != post-index-change ] || echo "$PPID" >"$state/checked"
    exit "$rc"
  fi
fi
