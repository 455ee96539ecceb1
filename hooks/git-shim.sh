#!/bin/sh
# gitstage-shim 1 -- gives `git stage VERB ...` to git-gitstage, and everything else unchanged to the real git
# Made by `git-stage shim install`, removed by `git-stage shim uninstall`. GITSTAGE_SHIM=0 switches it off.
real=@REAL@
bin=@BIN@
verbs=' @VERBS@ '

# The usual case: not called by itself, and no argument is the word `stage`.
case ${_GITSTAGE_SHIM-}${GITSTAGE_REAL_GIT-} in
'')
  case " $* " in
  *' stage '*) ;;
  *)
    if [ -x "$real" ]; then
      export _GITSTAGE_SHIM="$$ :$real:"
      exec "$real" "$@"
    fi
    ;;
  esac
  ;;
esac

# Which git is the real one? If the process that started this one is the git chosen last time, that git is a wrapper
# which led back here: it is left out, and so is whatever was left out before.
tried=:
case ${_GITSTAGE_SHIM-} in
"$$ :"* | "$PPID :"*) tried=${_GITSTAGE_SHIM#* } ;;
esac

usable() {
  case $tried in *":$1:"*) return 1 ;; esac
  [ -f "$1" ] && [ -x "$1" ]
}

search() { # the first git on PATH that is not this program
  set -f
  IFS=:
  for dir in ${PATH-} /usr/local/bin /usr/bin /bin; do
    case $dir in /*) ;; *) continue ;; esac
    usable "$dir/git" || continue
    line=
    { IFS= read -r line && IFS= read -r line; } 2>/dev/null <"$dir/git"
    case $line in '# gitstage-shim '*) continue ;; esac
    set +f
    unset IFS
    real=$dir/git
    return
  done
  echo 'git-stage: found no real git on PATH; set GITSTAGE_REAL_GIT to its path' >&2
  exit 127
}

if usable "${GITSTAGE_REAL_GIT-}"; then
  real=$GITSTAGE_REAL_GIT
elif ! usable "$real"; then
  search
fi
export _GITSTAGE_SHIM="$$ $tried$real:"
[ "${GITSTAGE_SHIM-1}" != 0 ] || exec "$real" "$@"

# Where is Git's command, behind Git's own options? `n` is its position, `at` the folder that -C leads to.
n=0 option='' cmd='' at=''
for arg; do
  n=$((n + 1))
  case $option in
  '') ;;
  -C)
    case $arg in
    '') ;;
    /*) at=${arg%/}/ ;;
    *) at=$at${arg%/}/ ;;
    esac
    option=
    continue
    ;;
  *)
    option=
    continue
    ;;
  esac
  case $arg in
  -C | -c | --git-dir | --work-tree | --namespace | --config-env | --attr-source | --super-prefix | --shallow-file)
    option=$arg
    ;;
  -h | --help | -v | --version) break ;; # to Git these are commands
  -*) ;;
  *)
    cmd=$arg
    break
    ;;
  esac
done
left=$(($# - n))
next=
[ $left -eq 0 ] || eval "next=\${$((n + 1))}"

# Ours: a verb after `stage`, `stage` alone, and the three ways to ask for help. The rest is Git's, above all
# `git stage PATH`, which is `git add PATH`.
instead=
case $cmd:$next in
stage:)
  [ $left -eq 0 ] || exec "$real" "$@"
  ;;
stage:--version)
  [ $left -eq 1 ] || exec "$real" "$@"
  instead=version
  ;;
stage:-h | stage:--help | help:stage)
  [ $left -eq 1 ] || exec "$real" "$@"
  instead=help
  ;;
stage:*' '*) exec "$real" "$@" ;;
stage:*)
  case $verbs in
  *" $next "*) ;;
  *) exec "$real" "$@" ;;
  esac
  if [ $left -eq 1 ] && [ -e "$at$next" ]; then
    # shellcheck disable=SC2016
    printf 'hint: `git stage -- %s` stages the file %s\n' "$next" "$next" >&2
  fi
  ;;
*) exec "$real" "$@" ;;
esac

# `gitstage` takes the place of `stage` (or `help`); to Git that is a program to be found on PATH.
i=0
for arg; do
  i=$((i + 1))
  [ $i -gt 1 ] || set --
  if [ $i -eq $n ]; then
    set -- "$@" gitstage
  elif [ $i -gt $n ] && [ -n "$instead" ]; then
    set -- "$@" "$instead"
  else
    set -- "$@" "$arg"
  fi
done
export PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}:$bin"
exec "$real" "$@"
