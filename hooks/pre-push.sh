# shellcheck shell=sh disable=SC2086,SC2154 # ids need no quotes; in and rc are set above
# Does any pushed commit that the other side may lack change a record of data? If not, Python is not started.
tips=
while read -r local id _; do
  case $local in '' | '(delete)') ;; *) tips="$tips ${id##* }" ;; esac
done <<IN
$in
IN
[ -n "$tips" ] || exit "$rc"
if commits=$(git rev-list $tips --not --remotes="$1" 2>/dev/null); then
  [ -n "$(printf '%s\n' "$commits" | git diff-tree --stdin -r -m --root --no-commit-id --name-only --no-renames \
    --diff-filter=d -- '*.dvc' '*dvc.lock')" ] || exit "$rc"
fi
