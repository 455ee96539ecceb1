"""What somebody's repository can do to the one who clones it and works in it: nothing outside of it."""

from __future__ import annotations

import os
import re
import shlex
import shutil

import pytest
from cases import CASES, Case, Link
from conftest import Sandbox
from support import differences


def lay_out(sandbox: Sandbox, case: Case) -> None:
    """Put the case's files into the repository and commit them."""
    top = str(sandbox.top)
    for name, content in case.files.items():
        path = sandbox.repo.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif os.path.lexists(path):
            path.unlink()
        if isinstance(content, Link):
            path.symlink_to(content.target.replace("{top}", top))
        elif isinstance(content, str):
            path.write_text(content.replace("{top}", top), encoding="utf-8", newline="")
        else:
            path.write_bytes(content)
    sandbox.repo.git("add", "-Af")
    sandbox.repo.git("commit", "-qm", "hostile")
    sandbox.repo.git("update-ref", "refs/remotes/origin/main", "HEAD")
    for command in case.git:
        sandbox.repo.run("sh", "-c", command.replace("{top}", top), check=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_nothing_outside_is_touched(sandbox: Sandbox, case: Case) -> None:
    lay_out(sandbox, case)
    before = sandbox.listing(config=not case.sets)
    says = case.says
    for command in case.commands:
        refused = case.refused and not command.startswith("?")
        command = command.removeprefix("?")
        said = sandbox.stage(*shlex.split(command.replace("{top}", str(sandbox.top))))
        told = f"{case.name}: git stage {command}: exit {said.code}\n{said.out}{said.err}"
        after = sandbox.listing(config=not case.sets)
        assert not differences(before, after), told + "\n".join(differences(before, after))
        assert "Traceback" not in said.err, told
        assert "hunter2" not in said.out + said.err, told  # a password in a URL
        assert said.code >= 0, told
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f]", said.out + said.err), told
        if refused:
            lines = [line for line in said.err.splitlines() if "was corrupt; it is put away" not in line]
            assert said.code > 0, told
            assert lines, told
            assert len(lines) <= 2, told
            assert lines[0].startswith("git-stage: "), told
            assert len(lines) == 1 or lines[1].startswith("hint: "), told
            assert not says or any(words in lines[0] for words in says), told
            says = ()


def test_there_are_many() -> None:
    assert len({case.name for case in CASES}) == len(CASES) >= 120
