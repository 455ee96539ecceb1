# shellcheck shell=sh disable=SC2154 # rc is set above
# Git runs this after every write of an index; 1: it has changed the work tree, too (reset, stash, an abort, ...).
[ "$1" = 1 ] && [ -z "${GIT_INDEX_FILE-}" ] || exit "$rc"
[ ! -s "${GIT_DIR:-.git}/gitstage/checked" ] || : >"${GIT_DIR:-.git}/gitstage/checked"
