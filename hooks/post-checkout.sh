# shellcheck shell=sh disable=SC2094,SC3013,SC2154 # every sh has -nt; rc is set above
[ -z "${_PRE_COMMIT_SKIP_POST_CHECKOUT-}${GIT_INDEX_FILE-}" ] || exit "$rc" # in the middle of another hook

# A switch of branches that changes no data is seen here, without starting Python. The stamp is as old as the last time
# that the outputs were brought in line; it lists the files that say what the outputs are.
stamp=${GIT_DIR:-.git}/gitstage/stamp
case $3:$1 in
1:*[!0]*)
  if [ -f "$stamp" ] && { [ "$1" = "$2" ] ||
    git diff --quiet --no-ext-diff --no-renames "$1" "$2" -- '*.dvc' '*dvc.lock' '*dvc.yaml'; }; then
    newer=
    while IFS= read -r file; do
      [ "$file" -nt "$stamp" ] || continue
      newer=1
      break
    done <"$stamp"
    [ -n "$newer" ] || exit "$rc"
  fi
  ;;
esac
