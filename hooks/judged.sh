# shellcheck shell=sh
# For the hooks after the commit: this very process of Git has asked for a verdict. And unless the commit ends something
# that moves the work tree, that is as it was.
judged=${GIT_DIR:-.git}/gitstage/judged moved=
for file in MERGE_HEAD CHERRY_PICK_HEAD REVERT_HEAD rebase-merge rebase-apply; do
  [ ! -e "${GIT_DIR:-.git}/$file" ] || moved=" moved"
done
{ echo "$PPID$moved" >"$judged" || { mkdir -p "${judged%/*}" && echo "$PPID$moved" >"$judged"; }; } 2>/dev/null
