#!/bin/sh
# gitstage-hook 1 @NAME@ -- made by `git stage install`, removed by `git stage uninstall`
# The name is baked in: another hook manager may rename this file and call it.
name=@NAME@
python=@PYTHON@
prev=${0%/*}/$name.gitstage-prev
rc=0

# The previous hook may itself call this file, which some hook manager had moved away: then there is nothing to do.
[ "${_GITSTAGE_CHAIN-}" != "$name $PWD" ] || exit 0
@STDIN@
# The hook that was here before runs first.
[ ! -x "$prev" ] || @FEED@_GITSTAGE_CHAIN="$name $PWD" "$prev" "$@" || rc=$?

@GATE@

# Not `python -m`: that would look for modules in the work tree first, where anyone may have committed one.
launch='import sys
sys.path[:] = filter(None, sys.path)
from importlib.util import find_spec
if find_spec("gitstage") is None:
    sys.exit(127)
from runpy import run_module
run_module("gitstage.hooks", None, "__main__", True)'

ours() {
  if [ -x "$python" ]; then
    "$python" -c "$launch" "$name" "$@"
    status=$?
    [ "$status" -eq 127 ] || return "$status"
  fi
  if command -v git-gitstage >/dev/null 2>&1; then
    git-gitstage hook "$name" "$@"
    return
  fi
  echo '@MISSING@' >&2
  return 1
}
@FEED@ours "$@" || @FAILED@
exit "$rc"
