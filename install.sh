#!/bin/sh
# Installs gitstage for everyone (as root) or for one user, shows what it does, tests it, or removes it again.
set -eu

usage() {
  cat <<'END'
Usage: ./install.sh [--no-shim]           install, or upgrade an installation
       ./install.sh [--no-shim] --demo    install, then play the tutorial in a scratch repository
       ./install.sh --test [ARGUMENT...]  run the whole test suite (arguments go to pytest)
       ./install.sh --uninstall           remove everything that was installed
       ./install.sh --help

gitstage gets a Python environment of its own in PREFIX/lib/gitstage, and the commands git-stage and git-gitstage in
PREFIX/bin. Unless --no-shim is given, a small dispatcher named `git` is put in front of the real git, so that
`git stage run` works; without it, `git gitstage run` and `git-stage run` do the same.

--demo takes --layout 2 (a project as DVC 1 and 2 have it) and --keep (leaves the scratch repository in place).

Environment:
  PREFIX             where to install; default: /usr/local for root, ~/.local for others
  EXTRAS             what else to install, as EXTRAS="s3,plots": packages for kinds of remotes (s3, aws, gs, azure, http,
                     webdav, rclone, gdrive, hdfs, webhdfs, oss) and for drawing (plots); kept when upgrading
  PYTHON             the Python to use, 3.10 or later; default: the first one found
  GITSTAGE_TEST_ENV  the environment of --test, kept between runs; default: .venv-test beside this file
END
}

say() { printf '%s\n' "$*"; }
die() {
  printf 'install.sh: %s\n' "$*" >&2
  exit 1
}

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
work='' fresh=''

clean_up() {
  status=$?
  trap - EXIT
  if [ "$status" -ne 0 ] && [ -n "$fresh" ]; then
    remove_all >/dev/null
  fi
  [ -z "$work" ] || rm -rf "$work"
  exit "$status"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

work=$(mktemp -d "${TMPDIR:-/tmp}/gitstage-install.XXXXXX")

# Python and its environments

# Sets `python`, an interpreter that is no virtual environment's, and `started`, the one that was found on PATH.
find_python() {
  for name in ${PYTHON:-python3 python3.14 python3.13 python3.12 python3.11 python3.10 python}; do
    started=$("$name" -c 'import sys
if sys.version_info >= (3, 10): print(sys.executable)' 2>/dev/null) || continue
    [ -n "$started" ] || continue
    python=$("$started" -c 'import sys; print(getattr(sys, "_base_executable", "") or sys.executable)')
    [ -x "$python" ] || python=$started
    return
  done
  die "found no Python 3.10 or later${PYTHON:+ named $PYTHON}; install one, or set PYTHON to its path"
}

# Makes some interpreter's pip, and nothing else of that interpreter's packages, importable from $work/pip.
find_pip() {
  [ ! -e "$work/pip/pip" ] || return 0
  for any in "$python" "$started"; do
    folder=$("$any" -c 'import os, pip; print(os.path.dirname(os.path.abspath(pip.__file__)))' 2>/dev/null) || continue
    mkdir -p "$work/pip"
    ln -s "$folder" "$work/pip/pip"
    return 0
  done
  return 1
}

# pip of the environment $1, or somebody else's pip run by that environment's interpreter.
pip_in() {
  at=$1
  shift
  if [ -e "$work/pip/pip" ] || ! "$at/bin/python" -c 'import pip' 2>/dev/null; then
    PYTHONPATH=$work/pip "$at/bin/python" -m pip "$@"
  else
    "$at/bin/python" -m pip "$@"
  fi
}

pip_options='--quiet --disable-pip-version-check --no-input --no-warn-script-location'

# Makes the environment $1 unless it is there and works.
make_environment() {
  find_python
  "$1/bin/python" -c 'import os, sys, sysconfig
sys.exit(sys.version_info < (3, 10) or sys.prefix == sys.base_prefix or not os.path.isdir(sysconfig.get_path("purelib")))' \
    2>/dev/null && { find_pip || :; } && return
  rm -rf "$1"
  log=$work/log
  if find_pip; then # Python's own way, less its slow part: there is a pip already
    "$python" -m venv --without-pip "$1" >"$log" 2>&1 && return
    rm -rf "$1"
  fi
  "$python" -m venv "$1" >>"$log" 2>&1 && return
  rm -rf "$1"
  if [ -e "$work/pip/pip" ]; then # a Python without the module venv: pip fetches what took its place
    # shellcheck disable=SC2086
    if PYTHONPATH=$work/pip "$python" -m pip install $pip_options --target "$work/virtualenv" virtualenv >>"$log" 2>&1 &&
      VIRTUALENV_OVERRIDE_APP_DATA=$work/seeds PYTHONPATH=$work/virtualenv "$python" -m virtualenv --quiet "$1" >>"$log" 2>&1; then
      return
    fi
    rm -rf "$1"
  fi
  cat "$log" >&2
  die "$python can make no environment: it has neither a working venv module nor pip.
Install one of them: apt-get install python3-venv (Debian, Ubuntu), dnf install python3-pip (Fedora), apk add py3-pip (Alpine)"
}

# Installing

set_prefix() {
  if [ -z "${PREFIX-}" ]; then
    if [ "$(id -u)" = 0 ]; then
      PREFIX=/usr/local
    else
      PREFIX=${HOME:?is not set, and neither is PREFIX}/.local
    fi
  fi
  case $PREFIX in
  /*) ;;
  *) PREFIX=$PWD/$PREFIX ;;
  esac
  PREFIX=${PREFIX%/}
  bin=$PREFIX/bin
  lib=$PREFIX/lib/gitstage
  environment=$lib/venv
}

is_shim() { [ -f "$1" ] && sed -n 2p "$1" 2>/dev/null | grep -q '^# gitstage-shim '; }
is_our_link() { [ -L "$bin/$1" ] && [ "$(readlink "$bin/$1")" = "$environment/bin/$1" ]; }

# Makes a folder, and notes in `made` each one that was not there, the innermost first.
make_folder() {
  [ ! -d "$1" ] || return 0
  make_folder "$(dirname "$1")"
  mkdir "$1" || die "cannot make $1; set PREFIX to a folder that is yours"
  made="$1
$made"
}

# Sets `extras` to those that are asked for and those that are installed, with commas between them.
find_extras() {
  extras=$(printf '%s\n' "${EXTRAS-}" "$(cat "$lib/extras" 2>/dev/null || :)" | tr ' ' , | tr , '\n' | sed '/^$/d' | sort -u)
  for extra in $extras; do
    grep -q "^$extra = \[" "$here/pyproject.toml" || die "EXTRAS: there is no '$extra' (./install.sh --help)"
  done
  extras=$(printf '%s' "$extras" | tr '\n' ,)
}

install_all() {
  set_prefix
  command -v git >/dev/null || die "found no git on PATH; install Git first"
  for name in git-stage git-gitstage; do
    if { [ -e "$bin/$name" ] || [ -L "$bin/$name" ]; } && ! is_our_link "$name"; then
      die "$bin/$name is there and was not put there by this script; remove it, or set PREFIX to another folder"
    fi
  done
  find_extras
  made=
  [ -d "$lib" ] || fresh=1
  make_folder "$lib"
  before=$(cat "$lib/made-folders" 2>/dev/null || :)
  before=${before:+$before
}
  printf '%s%s' "$made" "$before" >"$lib/made-folders"
  make_folder "$bin"
  printf '%s%s' "$made" "$before" >"$lib/made-folders"
  { [ -w "$bin" ] && [ -w "$lib" ]; } || die "$PREFIX is not writable; set PREFIX to a folder that is yours"

  say "Installing gitstage in $lib ..."
  make_environment "$environment"
  printf '%s\n%s\n%s\n' "$here" "$PREFIX" "${no_shim:+--no-shim}" >"$lib/installed-from"
  [ -z "$extras" ] || printf '%s\n' "$extras" >"$lib/extras"
  # shellcheck disable=SC2086
  pip_in "$environment" install $pip_options --upgrade "$here${extras:+[$extras]}" || die "pip could not install gitstage (see above)"
  for name in git-stage git-gitstage; do
    ln -sfn "$environment/bin/$name" "$bin/$name"
  done
  version=$("$bin/git-stage" version) || die "the installed command does not run"
  say "$version: $bin/git-stage and $bin/git-gitstage"
  if [ -n "$no_shim" ]; then
    remove_shims
    folder=$bin
    say "No git dispatcher: type \`git gitstage run\` or \`git-stage run\` where you read \`git stage run\`."
  else
    install_shim
  fi
  fresh=
}

# Beside git-stage, unless a real git lies there, which is never touched.
install_shim() {
  folder=$bin
  if [ -e "$bin/git" ] && ! is_shim "$bin/git"; then
    folder=$lib/shim
  fi
  "$bin/git-stage" shim install --dir "$folder" >"$work/shim" || die "no git dispatcher was installed; --no-shim goes on without"
  sed -n 1p "$work/shim"
  say "  why:  Git has a built-in named stage (another name for \`git add\`), which no alias and no setting can replace"
  say "  cost: about 1 ms for each call of git"
  say "  undo: git-stage shim uninstall, or ./install.sh --no-shim"
}

# What the user's shell still needs to find all that; the last line of the output.
closing_line() {
  hash -r # forget where git was before
  on_path=
  case :$PATH: in *":$bin:"*) on_path=1 ;; esac
  if [ -n "$no_shim" ]; then
    [ -n "$on_path" ] || say "Add to your shell's profile: export PATH=\"$bin:\$PATH\""
  elif [ "$(command -v git)" = "$folder/git" ]; then
    say "Ready: git stage --version (a shell that ran git before this: hash -r)"
  elif [ "$folder" = "$bin" ] || [ -n "$on_path" ]; then
    say "Add to your shell's profile, so that \`git stage\` works: export PATH=\"$folder:\$PATH\""
  else
    say "Add to your shell's profile, so that \`git stage\` works: export PATH=\"$folder:$bin:\$PATH\""
  fi
}

# Removing

remove_shims() {
  own=${XDG_DATA_HOME:-${HOME-}/.local/share}/gitstage
  for shim in "$bin/git" "$lib/shim/git" "$own/shim/git"; do
    if is_shim "$shim" && grep -qxF -e "bin=$bin" -e "bin='$bin'" "$shim"; then
      rm -f "$shim"
      say "removed $shim"
    fi
  done
  rmdir "$lib/shim" "$own/shim" "$own" 2>/dev/null || :
}

remove_all() {
  remove_shims
  for name in git-stage git-gitstage; do
    if is_our_link "$name"; then
      rm -f "$bin/$name"
      say "removed $bin/$name"
    fi
  done
  [ -d "$lib" ] || return 0
  [ ! -f "$lib/made-folders" ] || cp "$lib/made-folders" "$work/made-folders"
  rm -rf "$lib"
  say "removed $lib"
  [ -f "$work/made-folders" ] || return 0
  while IFS= read -r folder; do
    rmdir "$folder" 2>/dev/null || : # in use by others, or gone
  done <"$work/made-folders"
}

uninstall() {
  set_prefix
  [ -d "$lib" ] || is_our_link git-stage || die "gitstage is not installed in $PREFIX"
  remove_all
  say "Hooks that \`git stage install\` put into repositories stay; they are the files in .git/hooks with 'gitstage-hook' in line 2."
}

# The suite

run_tests() {
  tests=${GITSTAGE_TEST_ENV:-$here/.venv-test}
  case $tests in
  /*) ;;
  *) tests=$PWD/$tests ;;
  esac
  cd "$here"
  key="$(cat pyproject.toml tests/requirements.lock | cksum) $here"
  if [ "$(cat "$tests/made-from" 2>/dev/null)" != "$key" ] || ! "$tests/bin/python" -c 'import gitstage, pytest' 2>/dev/null; then
    say "Making a test environment in $tests ..."
    rm -rf "$tests"
    make_environment "$tests"
    echo '*' >"$tests/.gitignore"
    # shellcheck disable=SC2086
    pip_in "$tests" install $pip_options --constraint tests/requirements.lock --editable "${here}[test]" || die "pip could not install the test environment (see above)"
    printf '%s\n' "$key" >"$tests/made-from"
  fi
  failed=0
  "$tests/bin/ruff" check . || failed=1
  "$tests/bin/ruff" format --check --quiet . || {
    say "ruff format would change files"
    failed=1
  }
  "$tests/bin/mypy" || failed=1
  if command -v shellcheck >/dev/null; then
    shellcheck install.sh demo/*.sh hooks/completion.bash hooks/git-shim.sh hooks/post-checkout.sh hooks/pre-push.sh || failed=1
  fi
  "$tests/bin/python" -m pytest -n auto "$@" || failed=$?
  exit "$failed"
}

no_shim='' demo=''
while [ $# -gt 0 ]; do
  case $1 in
  --no-shim) no_shim=1 ;;
  --demo) demo=1 ;;
  --test)
    shift
    run_tests "$@"
    ;;
  --uninstall)
    uninstall
    exit
    ;;
  -h | --help)
    usage
    exit
    ;;
  *)
    [ -n "$demo" ] || die "unknown option $1 (./install.sh --help)"
    break
    ;;
  esac
  shift
done

install_all
if [ -n "$demo" ]; then
  PATH=$folder:$bin:$PATH sh "$here/demo/tutorial.sh" "$@"
fi
closing_line
