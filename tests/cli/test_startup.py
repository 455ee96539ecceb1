"""What starts with a command, and what must not: each library costs more than the whole of Git's own start."""

from __future__ import annotations

import sys

import pytest
from support import Repo

from gitstage.cli import COMMANDS, HIDDEN, as_click


def loaded(repo: Repo, *argv: str) -> set[str]:
    """The top-level modules that `python -m gitstage ARGV` imports."""
    got = repo.run(sys.executable, "-X", "importtime", "-m", "gitstage", *argv)
    assert got.returncode == 0, got.stderr
    lines = [line for line in got.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines}


def test_help_loads_next_to_nothing(repo: Repo) -> None:
    found = loaded(repo, "--help")
    assert "click" in found
    assert not found & {
        "pygit2",
        "yaml",
        "ruamel",
        "rich",
        "sqlite3",
        "subprocess",
        "gitstage.project",
        "gitstage.formats",
    }


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
    assert "Verbs:" in got.stdout
    assert "git stage PATH" in got.stdout


def test_exit_codes_are_shown(repo: Repo) -> None:
    assert "130  interrupted by Ctrl-C" in repo.stage("help", "exit-codes", check=True).stdout
