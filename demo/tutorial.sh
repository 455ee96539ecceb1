#!/bin/sh
# The tutorial: every command is shown with what it says, and every claim about it is checked.
#
#     tutorial.sh [--layout 2|3] [--keep]
#
# Runs in a scratch repository, which is removed at the end unless --keep is given. Exit code 1 if a claim is wrong.
# Where `git stage` is still Git's own command (no dispatcher on PATH), `git gitstage` is typed instead.
# shellcheck disable=SC2013,SC2016,SC2034 # commands and conditions are evaluated in `play` and `check`
set -u

layout=3 keep=''
while [ $# -gt 0 ]; do
  case $1 in
  --layout)
    layout=${2-}
    [ $# -eq 1 ] || shift
    ;;
  --keep) keep=1 ;;
  *) layout='' ;;
  esac
  shift
done
case $layout in
2 | 3) ;;
*)
  echo 'Usage: tutorial.sh [--layout 2|3] [--keep]' >&2
  exit 2
  ;;
esac

demo=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd -P)
scratch=$(mktemp -d "${TMPDIR:-/tmp}/gitstage-demo.XXXXXX") || exit
scratch=$(CDPATH='' cd -- "$scratch" && pwd -P)
out=$scratch/out code=0 claims=0 wrong=0

clean_up() {
  status=$?
  trap - EXIT
  if [ -n "$keep" ]; then
    echo "The repository is kept: $scratch/repo"
  else
    rm -rf "$scratch"
  fi
  exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# A home, an identity and settings of its own: nothing of the user's is read or written.
for variable in $(env | sed -n 's/^\(GIT_[A-Z_]*\)=.*/\1/p; s/^\(DVC_[A-Z_]*\)=.*/\1/p; s/^\(GITSTAGE_HOOKS\)=.*/\1/p'); do
  unset "$variable"
done
mkdir "$scratch/home" "$scratch/repo"
export HOME="$scratch/home" XDG_CONFIG_HOME="$scratch/home" GIT_CONFIG_NOSYSTEM=1 LC_ALL=C
git config --file "$HOME/.gitconfig" user.name 'A Tutor'
git config --file "$HOME/.gitconfig" user.email tutor@example.com
git config --file "$HOME/.gitconfig" advice.detachedHead false
cd "$scratch/repo" || exit

verb=stage
git stage --version >/dev/null 2>&1 || verb=gitstage

# Shows the command that stands on stdin, runs it, shows what it says; that stays in the file $out, its exit code in $code.
run_it() {
  command=$(sed "s/git stage /git $verb /g")
  if [ "$layout" = 2 ]; then
    command=$(printf '%s\n' "$command" | sed 's/ init$/ init --layout 2/; s:\.dvc/cache/files/md5/:.dvc/cache/:g')
  fi
  printf '%s\n' "$command" | sed '1s/^/\n$ /; 2,$s/^/> /'
  eval "$command" >"$out" 2>&1
  code=$?
  cat "$out"
}
play() {
  run_it
  [ $code -eq 0 ] || check "the command above succeeds (its exit code: $code)" false
}
refused() {
  run_it
  check 'the command above is refused' '[ $code -ne 0 ]'
}
check() { # TEXT CONDITION: the condition is sh
  claims=$((claims + 1))
  if eval "$2"; then
    printf 'ok: %s\n' "$1"
  else
    printf 'FAILED: %s\n' "$1"
    wrong=$((wrong + 1))
  fi
}
chapter() { printf '\n== %s\n' "$1"; }

# What conditions are made of
says() { grep -q -- "$1" "$out"; }
ran() { says "Running stage '$1'"; }
skipped() { says "Stage '$1' didn't change, skipping" && ! ran "$1"; }
is_output() { [ "$(cat "$out")" = "$1" ]; }
has() { grep -q -- "$2" "$1"; }
recorded() { # what dvc.lock says is the MD5 of path $1
  awk -v path="$1" '$2 == "path:" { found = $3 == path } found && $1 == "md5:" { print $2; exit }' dvc.lock
}
is_cached() { # whether the cache has an object of MD5 $1
  rest=${1#??}
  if [ "$layout" = 2 ]; then
    [ -n "$1" ] && [ -f ".dvc/cache/${1%"$rest"}/$rest" ]
  else
    [ -n "$1" ] && [ -f ".dvc/cache/files/md5/${1%"$rest"}/$rest" ]
  fi
}
listed_are_cached() { # the files of the manifest that was just shown
  files=0
  for md5 in $(sed -n 's/.*"md5": "\([0-9a-f]*\)".*/\1/p' "$out"); do
    is_cached "$md5" || return
    files=$((files + 1))
  done
  [ $files -eq 2 ]
}
content() { git hash-object --no-filters "$@" 2>/dev/null; }
prepared() { content data/prepared/train.tsv data/prepared/test.tsv; }

chapter 'A project with some data'

play <<'END'
git init -q
END
git symbolic-ref HEAD refs/heads/main
play <<'END'
git stage init
END
play <<'END'
git stage install
END
check 'both hooks are there' '[ -x .git/hooks/pre-commit ] && [ -x .git/hooks/post-checkout ]'
play <<'END'
cat >>.dvc/config <<'EOF'
[core]
    remote = storage
['remote "storage"']
    url = ../../storage
EOF
END
play <<'END'
mkdir data src
END
play <<'END'
cp "$demo/prepare.py" src/
END
play <<'END'
python3 "$demo/make_data.py" >data/data.xml
END
check 'data.xml is some megabytes' '[ "$(wc -c <data/data.xml)" -gt 3000000 ]'
play <<'END'
git stage add data/data.xml
END
play <<'END'
git add .
END
play <<'END'
git commit -q -m "Raw data"
END
play <<'END'
git ls-files data
END
check 'Git has the note about data.xml, not data.xml' 'is_output "data/.gitignore
data/data.xml.dvc"'
git tag raw

chapter 'A command by hand'

play <<'END'
python3 src/prepare.py data/data.xml
END
play <<'END'
ls data/prepared
END
check 'it makes train.tsv and test.tsv' 'is_output "test.tsv
train.tsv"'
first=$(prepared)
play <<'END'
rm -fr data/prepared
END

chapter 'The same command as a stage'

play <<'END'
git stage run -n prepare \
    -d src/prepare.py -d data/data.xml \
    -o data/prepared \
    python3 src/prepare.py data/data.xml
END
check 'it says which command it runs' 'says "python3 src/prepare.py data/data.xml"'
check 'the command made the same files again' '[ "$(prepared)" = "$first" ]'
play <<'END'
cat dvc.yaml
END
check 'dvc.yaml has the stage with its command' 'says "^  prepare:" && says "cmd: python3 src/prepare.py data/data.xml"'
check 'and its inputs and output' 'says "- src/prepare.py" && says "- data/data.xml" && says "- data/prepared"'
play <<'END'
git status -s
END
check 'new for Git are the description and the record, not the data' 'is_output " M data/.gitignore
?? dvc.lock
?? dvc.yaml"'
play <<'END'
cat data/.gitignore
END
check '/prepared was added to data/.gitignore' 'says "^/prepared$"'
play <<'END'
cat dvc.lock
END
directory=$(recorded data/prepared)
check 'dvc.lock has the MD5 of data/prepared, a directory' 'case $directory in *.dir) ;; *) false ;; esac'
check 'that MD5 is the path of an object in the cache' 'is_cached "$directory"'
play <<'END'
cat .dvc/cache/files/md5/*/*.dir | python3 -m json.tool
END
check 'the object lists test.tsv and train.tsv' 'says "\"relpath\": \"test.tsv\"" && says "\"relpath\": \"train.tsv\""'
check 'each of the two is an object in the cache too' listed_are_cached
play <<'END'
git stage show data/prepared
END
check 'show says the same in a table' 'says "$directory" && says train.tsv && says test.tsv'

chapter 'Nothing to do, nothing done'

play <<'END'
git stage run -n prepare \
    -d src/prepare.py -d data/data.xml \
    -o data/prepared \
    python3 src/prepare.py data/data.xml
END
check 'running it again says that nothing changed, and runs nothing' 'skipped prepare'
play <<'END'
git stage repro
END
check 'so does repro' 'skipped prepare'
play <<'END'
git add .
END
play <<'END'
git commit -q -m "Prepare the data"
END
git branch first

chapter 'A second stage, written by hand'

play <<'END'
cat >>dvc.yaml <<'EOF'
  # How often is each word used?
  featurize:
    cmd: cut -f 3 data/prepared/train.tsv | tr ' ' '\n' | sort | uniq -c | sort -rn >data/words.txt
    deps:
      - data/prepared
    outs:
      - data/words.txt   # the most frequent first
EOF
END
play <<'END'
git stage repro
END
check 'featurize runs, prepare does not' 'skipped prepare && ran featurize'
check 'its output is there' '[ -s data/words.txt ]'
check 'dvc.yaml has kept its comments' 'has dvc.yaml "# How often is each word" && has dvc.yaml "# the most frequent first"'
play <<'END'
git add .
END
play <<'END'
git commit -q -m "Count the words"
END
play <<'END'
echo "# A remark changes this file, but not what it does." >>src/prepare.py
END
play <<'END'
git stage status
END
check 'status names the stage and the file' 'says prepare && says src/prepare.py'
play <<'END'
git stage repro
END
check 'prepare runs; its output is the same, so featurize does not' 'ran prepare && skipped featurize'
play <<'END'
git commit -q -a -m "A remark"
END
play <<'END'
python3 "$demo/make_data.py" 3300 >data/data.xml
END
play <<'END'
git stage add data/data.xml
END
play <<'END'
git stage repro
END
check 'with other data both run' 'ran prepare && ran featurize'
play <<'END'
git commit -q -a -m "More data"
END
play <<'END'
git stage status
END
check 'everything is up to date' 'says "up to date"'

chapter 'A commit that would not be true'

play <<'END'
sed 's/TEST_SHARE = 0.20/TEST_SHARE = 0.25/' src/prepare.py >src/new.py && mv src/new.py src/prepare.py
END
play <<'END'
git add src/prepare.py
END
refused <<'END'
git commit -q -m "A larger test set"
END
check 'it names the stage and the file' 'says prepare && says src/prepare.py'
check 'and the command that repairs it' 'says "stage repro"'
play <<'END'
git stage repro && git add dvc.lock
END
play <<'END'
git commit -q -m "A larger test set"
END
play <<'END'
sed 's/TEST_SHARE = 0.25/TEST_SHARE = 0.30/' src/prepare.py >src/new.py && mv src/new.py src/prepare.py
END
play <<'END'
git commit -q -a --no-verify -m "A still larger test set, not run yet"
END
play <<'END'
git stage repro
END
play <<'END'
git commit -q -a -m "The record of it"
END

chapter 'Git moves the data'

last=$(prepared)
words=$(content data/words.txt)
check 'the output is no longer the first one' '[ "$first" != "$last" ]'
play <<'END'
git checkout -q first
END
check 'branch first brings its output back' '[ "$(prepared)" = "$first" ]'
check 'and what it does not have is taken away' '[ ! -e data/words.txt ]'
play <<'END'
git stage status
END
check 'everything is up to date' 'says "up to date"'
play <<'END'
git checkout -q raw
END
check 'before the first run there was no output' '[ ! -e data/prepared ] && [ -s data/data.xml ]'
play <<'END'
git checkout -q main
END
check 'main has its own again' '[ "$(prepared)" = "$last" ] && [ "$(content data/words.txt)" = "$words" ]'
play <<'END'
echo "written by hand" >>data/prepared/train.tsv
END
play <<'END'
git checkout -q first
END
check 'what was written by hand, and is nowhere else, is left alone' 'has data/prepared/train.tsv "written by hand"'
check 'and a message says so' 'says data/prepared'
play <<'END'
git stage checkout --force data/prepared
END
check 'unless one asks for it' '[ "$(prepared)" = "$first" ]'
play <<'END'
git checkout -q main
END
play <<'END'
git stage status
END
check 'everything is up to date' 'says "up to date" && [ "$(prepared)" = "$last" ]'

if [ $wrong -gt 0 ]; then
  printf '\n%d of %d claims are wrong\n' $wrong $claims
  exit 1
fi
printf '\nAll %d claims hold\n' $claims
