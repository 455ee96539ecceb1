# shellcheck shell=sh disable=SC2154 # rc is set above
[ -z "${GIT_INDEX_FILE-}" ] || exit "$rc" # in the middle of another hook, which looks after itself
