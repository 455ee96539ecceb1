"""What starts with a command, and what must not: each library costs more than the whole of Git's own start."""

from __future__ import annotations

import shutil
import sys

import pytest
from support import Repo

from gitstage.cli import COMMANDS, HIDDEN, as_click
from gitstage.overview import GROUPS


def loaded(repo: Repo, *argv: str) -> set[str]:
    """The modules that `git-stage ARGV` imports."""
    program = shutil.which("git-stage", path=repo.env["PATH"])
    assert program is not None
    got = repo.run(sys.executable, "-X", "importtime", program, *argv)
    assert got.returncode == 0, got.stderr
    lines = [line for line in got.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def test_help_loads_next_to_nothing(repo: Repo) -> None:
    found = loaded(repo, "--help")
    assert "gitstage.overview" in found
    assert not found & {"click", "yaml", "sqlite3", "subprocess", "typing", "gitstage.project", "gitstage.formats"}
    assert "click" in loaded(repo, "status", "--help")


def test_status_loads_neither_pygit2_nor_what_writes(ran: Repo) -> None:
    found = loaded(ran, "status")
    assert "yaml" in found
    assert not found & {
        "click",
        "pygit2",
        "ruamel",
        "ruamel.yaml",
        "pathspec",
        "gitstage.run",
        "gitstage.formats.edit",
        "gitstage.git.trees",
    }


def test_short_commands_do_without_what_is_slow(repo: Repo) -> None:
    repo.stage("init", check=True)
    repo.write({"in": "1\n", "dvc.yaml": "stages: {s: {cmd: cp in out, deps: [in], outs: [out]}}\n"})
    repo.stage("repro", check=True)
    repo.stage("status", check=True)
    for verb in ("status", "repro", "--version"):
        slow = {"typing", "subprocess", "threading", "inspect", "signal", "click", "yaml", "atexit"}
        assert slow & loaded(repo, verb) == set()


def test_a_short_end_loses_nothing(ran: Repo) -> None:
    """Commands that are over do not wait for Python to take itself apart; what they said must be out."""
    got = ran.stage("status", check=True)
    assert got.stdout == "Data and pipelines are up to date.\n"
    ran.write({"dvc.yaml": "stages: [\n"})
    broken = ran.stage("status")
    assert broken.returncode == 3 and broken.stderr.startswith("git-stage: dvc.yaml:2: "), broken
    full = ran.run("sh", "-c", "git-stage --version >/dev/full")
    assert full.returncode == 9 and full.stderr == "git-stage: No space left on device\n", full


@pytest.mark.parametrize("verb", [*COMMANDS, *HIDDEN])
def test_every_verb_loads_and_has_help(repo: Repo, verb: str) -> None:
    got = repo.stage("help", verb, check=True)
    assert "Usage: git stage " + verb in got.stdout
    assert len(got.stdout.splitlines()) > 3
    assert got.stdout == repo.stage(verb, "--help", check=True).stdout


def test_every_option_has_a_description() -> None:
    whole = as_click()
    context = whole.make_context("git-stage", ["help"])
    for verb in COMMANDS:
        command = whole.get_command(context, verb)
        assert command is not None
        for option in command.params:
            if option.param_type_name == "option" and not getattr(option, "hidden", False):
                assert getattr(option, "help", None), f"{verb} {option.opts}"


def test_bare_is_help(repo: Repo) -> None:
    got = repo.stage(check=True)
    assert "\nTrack data:\n  add " in got.stdout
    assert "git stage PATH" in got.stdout
    for argv in (["-h"], ["--help"], ["help"], ["--help", "status"]):
        assert repo.stage(*argv, check=True).stdout == got.stdout
    narrow = repo.run("git-stage", env={"COLUMNS": "50"}).stdout
    assert max(map(len, narrow.splitlines())) <= 50 and narrow.split() == got.stdout.split()
    assert max(map(len, got.stdout.splitlines())) <= 80


def test_every_verb_is_in_one_group() -> None:
    shown = [verb for verbs in GROUPS.values() for verb in verbs]
    assert sorted(shown) == sorted(COMMANDS)


def test_exit_codes_are_shown(repo: Repo) -> None:
    assert "130  interrupted by Ctrl-C" in repo.stage("help", "exit-codes", check=True).stdout
