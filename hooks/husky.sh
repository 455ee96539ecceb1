# gitstage-hook 1 @NAME@ -- begin; put here by `git stage install`, taken out by `git stage uninstall`
@SAVE@
gitstage=$(git rev-parse --git-common-dir)/gitstage/hooks/@NAME@
if [ -f "$gitstage" ]; then
  @FEED@sh "$gitstage" "$@"
elif command -v git-gitstage >/dev/null 2>&1; then
  @FEED@git-gitstage hook @NAME@ "$@"
else
  echo '@MISSING@' >&2
fi || exit
@AGAIN@
# gitstage-hook 1 @NAME@ -- end
