# shellcheck shell=sh disable=SC2034,SC2154 # rc and name are set above, unjudged is used below
# Did Git run no pre-commit for what is a commit now (cherry-pick, revert, rebase, am, --no-verify)? Then Python is to look at
# the commit. Most calls of post-merge are not about a new merge.
unjudged=1
if { IFS= read -r line; } 2>/dev/null <"${GIT_DIR:-.git}/gitstage/judged"; then
  case $line in
  "$PPID") [ "$name" != post-commit ] || exit "$rc" ;;
  esac
  case $line in
  "$PPID" | "$PPID moved") unjudged= ;;
  esac
fi
if [ -n "$unjudged" ] && { [ "$name" != post-merge ] || git rev-parse -q --verify HEAD^2 >/dev/null; }; then
  set -- "$@" unjudged
else
  unjudged=
fi
