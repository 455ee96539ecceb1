"""Completion in the real shells: of git-stage, of `git stage`, of `git gitstage`."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from support import Repo

from gitstage.cli import COMMANDS

GIT_COMPLETION = next(
    (
        path
        for path in map(
            Path, ("/usr/share/bash-completion/completions/git", "/usr/local/etc/bash_completion.d/git-completion.bash")
        )
        if path.exists()
    ),
    None,
)
PIPELINE = "stages:\n  prepare: {cmd: 'true'}\n  train:\n    foreach: [a, b]\n    do: {cmd: 'true'}\n"


@pytest.fixture
def here(project: Repo) -> Repo:
    project.write({"dvc.yaml": PIPELINE, "sub/dvc.yaml": "stages:\n  sub: {cmd: 'true'}\n", "a file": "x"})
    project.commit("all")
    return project


def bash(repo: Repo, line: str, *, git: bool = False) -> list[str]:
    """What bash would put in place of the last word of `line`; `git`: with Git's own completion loaded."""
    script = f". {GIT_COMPLETION}\n" if git else ""
    script += 'eval "$(git-stage completion -s bash)"\n'
    script += r"""
COMP_LINE=$1 COMP_POINT=${#1} COMP_WORDS=() COMP_CWORD=0
rest=$1
while [[ $rest =~ ^([^\ :@]+|[:@]|\ +)(.*)$ ]]; do # as readline takes a line apart
  rest=${BASH_REMATCH[2]}
  [[ ${BASH_REMATCH[1]} == \ * ]] || COMP_WORDS+=("${BASH_REMATCH[1]}")
done
[[ $1 == *\  ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
$(complete -p "${COMP_WORDS[0]}" | sed 's/.*-F \([^ ]*\).*/\1/') "${COMP_WORDS[0]}"
printf '%s\n' "${COMPREPLY[@]}"
"""
    got = repo.run("bash", "-c", script, "bash", line)
    return got.stdout.splitlines()


def test_words(here: Repo) -> None:
    def offered(line: str) -> list[str]:
        return [
            text.partition("\t")[0] for text in here.stage("complete", "--line", line, check=True).stdout.splitlines()
        ]

    assert offered("git-stage ") == list(COMMANDS)
    assert offered("git -c a.b=c stage che") == ["checkout", "check-ignore"]
    assert offered("git gitstage metrics ") == ["show", "diff"]
    assert {"--json", "--with-deps"} <= set(offered("git stage status --"))
    assert offered("git-stage repro tr") == ["train@a", "train@b", "train", ":files:"]
    assert offered("git-stage dag 'sub/d") == ["sub/dvc.yaml:sub", ":files:"]
    assert offered("git-stage metrics diff m") == ["main"]
    assert offered("git-stage ls --rev ") == ["HEAD", "main"]
    assert offered("git-stage completion -s ") == ["bash", "zsh", "fish"]
    assert offered("git-stage nonsense ") == []
    assert here.stage("complete", "--", "metrics", "sh", check=True).stdout.startswith("show\t")


def test_bash(here: Repo) -> None:
    assert bash(here, "git-stage comm") == ["commit"]
    assert bash(here, "git-gitstage repro pre") == ["prepare"]
    assert bash(here, "git-stage repro train@") == ["a", "b"]
    assert bash(here, "git-stage repro sub/dvc.yaml:s") == ["sub"]
    assert bash(here, "git-stage add a") == ["a file"]
    assert bash(here, "git stage comm") == ["commit"]


def test_bash_beside_the_completion_of_git(here: Repo) -> None:
    assert GIT_COMPLETION is not None, "Git ships without its completion here"
    here.write({"comm1": "untracked"})
    assert set(bash(here, "git stage comm", git=True)) == {"commit", "comm1"}
    assert bash(here, "git stage repro pre", git=True) == ["prepare"]
    assert bash(here, "git gitstage repro pre", git=True) == ["prepare"]
    assert bash(here, "git stage -- comm", git=True) == ["comm1"]
    assert "commit " in bash(here, "git comm", git=True)


def test_fish(here: Repo) -> None:
    def offered(line: str) -> set[str]:
        script = "git-stage completion -s fish | source; complete -C $argv[1]"
        got = here.run("fish", "--no-config", "-c", script, line, check=True)
        return {text.partition("\t")[0] for text in got.stdout.splitlines()}

    assert offered("git-stage comm") == {"commit"}
    assert offered("git-stage repro pre") == {"prepare"}
    assert "commit" in offered("git stage comm")
    assert "prepare" in offered("git gitstage repro pre")
    assert "status" not in offered("git stat ")


def test_zsh(here: Repo) -> None:
    """In a terminal, because zsh completes nowhere else."""
    assert shutil.which("zsh")
    main, side = pty.openpty()
    env = here.env | {"PS1": "$ ", "TERM": "xterm", "COLUMNS": "80"}
    shell = subprocess.Popen(
        ["zsh", "-f", "-i"], cwd=here.path, env=env, stdin=side, stdout=side, stderr=side, start_new_session=True
    )
    os.close(side)

    def answer(text: str, wanted: str) -> bool:
        """Type, and wait until the terminal shows `wanted`."""
        os.write(main, text.encode())
        shown, end = "", time.monotonic() + 60
        while time.monotonic() < end:
            if select.select([main], [], [], 0.2)[0]:
                shown += os.read(main, 65536).decode(errors="replace")
                plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1b[=>]|\x08.|\x07", "", shown)
                if wanted in plain:
                    return True
        raise AssertionError(f"{text!r}: {wanted!r} is not in {shown!r}")

    try:
        answer("autoload -Uz compinit && compinit -u -D; echo rea''dy\n", "ready")
        answer('eval "$(git-stage completion -s zsh)"; echo load""ed\n', "loaded")
        answer("echo 1; git-stage uninst\t", "uninstall")
        answer("\x15echo 2; git-stage repro prep\t", "prepare")
        answer("\x15git stage uninst\t", "uninstall")
        answer("\x15git gitstage metrics sh\t", "show")
        os.write(main, b"\x15exit\n")
        shell.wait(30)
    finally:
        shell.kill()
        shell.wait()
        os.close(main)
