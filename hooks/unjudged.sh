# shellcheck shell=sh disable=SC2034,SC3013,SC2154 # every sh has -nt; name and unjudged are used elsewhere
# Did Git run no pre-commit for what is a commit now (cherry-pick, revert, rebase, am, --no-verify)? Then the index is newer
# than what pre-commit saw, and Python is to look at the commit. Most calls of post-merge are not about a new merge.
judged=${GIT_DIR:-.git}/gitstage/judged
unjudged=
if { [ ! -f "$judged" ] || [ "${GIT_INDEX_FILE:-${GIT_DIR:-.git}/index}" -nt "$judged" ]; } &&
  { [ "$name" != post-merge ] || git rev-parse -q --verify HEAD^2 >/dev/null; }; then
  unjudged=1
  set -- "$@" unjudged
fi
