# shellcheck shell=sh disable=SC2154 # rc is set above
unset GIT_LITERAL_PATHSPECS GIT_GLOB_PATHSPECS GIT_NOGLOB_PATHSPECS GIT_ICASE_PATHSPECS
state=${GIT_DIR:-.git}/gitstage

# Does any staged path concern a stage? Answered from the note that relevance.py left about the pipeline files of this
# index, if it still is about them. A name that Git quotes is left to Python.
sources() {
  set -- '*.dvc' '*dvc.yaml' '*.dvc/config' '*.dvcignore'
  while IFS= read -r file; do set -- "$@" ":(literal)$file"; done <"$state/relevant.sources"
  git --no-optional-locks ls-files -s -- "$@"
}
if [ -f "$state/relevant.index" ] &&
  staged=$(git -c core.quotePath=false --no-optional-locks diff-index --cached --name-only --no-renames \
    --ita-invisible-in-index HEAD -- 2>/dev/null); then
  if [ -z "$staged" ] || { sources | cmp -s - "$state/relevant.index" && printf '%s\n' "$staged" | LC_ALL=C awk '
      !staged { known[$0]; next }
      /^"/ || /(^|\/)(dvc\.yaml|dvc\.lock|\.dvcignore|\.gitattributes|\.dvc\/config)$/ || /\.dvc$/ { exit 1 }
      ("." in known) || (($0 "/") in known) { exit 1 }
      { while (!($0 in known)) if (!sub("/[^/]*$", "")) next; exit 1 }
    ' "$state/relevant" staged=1 - 2>/dev/null; }; then
    exit "$rc"
  fi
fi
