"""A sandbox around a stranger's repository: a home with secrets, a folder outside, and the listing of all of it."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from forked import Forked, Said
from support import Repo, picture, sealed_environment

MEMORY = 3 << 30
SECONDS = 20


@dataclass(frozen=True)
class Sandbox:
    """`top` holds home/, outside/ and repo/, which is the stranger's repository, cloned."""

    top: Path
    repo: Repo
    program: Forked

    def stage(self, *argv: str, cwd: str = ".", env: dict[str, str] | None = None) -> Said:
        """git-stage, in bounded time and memory."""
        return self.program(argv, self.repo.path / cwd, {**self.repo.env, **(env or {})})

    def listing(self, config: bool = True) -> dict[str, tuple[str, ...]]:
        """All that no command may touch: everything outside the repository, its `.git`, and its `.dvc/config`.

        Left out of `.git`: our own state there, and the index, which is no file but its entries.
        """
        found = picture(self.top, skip=("repo", "tmp"))
        for path, entry in picture(self.repo.path / ".git", skip=("gitstage", "index")).items():
            found[f"repo/.git/{path}"] = entry
        found["index"] = tuple(self.repo.git("ls-files", "-s").splitlines())
        path = self.repo.path / ".dvc/config"
        if config:
            text = path.read_text(errors="backslashreplace") if path.is_file() else ""
            found["config"] = (os.readlink(path) if path.is_symlink() else "", text)
        return found


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory, project_template: Path) -> Path:
    """The sandbox, made once: what there is to lose in home/ and outside/, and an empty project in repo/."""
    top = tmp_path_factory.mktemp("hostile") / "sandbox"
    top.mkdir()
    shutil.copytree(project_template, top / "repo", symlinks=True)
    shutil.rmtree(top / "repo/.git/hooks", ignore_errors=True)
    Repo(top / "repo", sealed_environment(top / "home")).git("remote", "add", "origin", "https://localhost:1/stranger")
    (top / "tmp").mkdir()
    sealed_environment(top / "home")
    (top / "home/.bashrc").write_text("# mine\n")
    (top / "home/.ssh").mkdir(mode=0o700)
    (top / "home/.ssh/config").write_text("Host *\n")
    (top / "outside/folder").mkdir(parents=True)
    (top / "outside/folder/file").write_text("precious\n")
    (top / "outside/empty").write_text("")
    (top / "outside/script").write_text("#!/bin/sh\n")
    (top / "outside/script").chmod(0o755)
    return top


@pytest.fixture(scope="session")
def forked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forked]:
    """git-stage, imported once and forked for each command; its memory is bounded."""
    program = Forked("git-stage", sealed_environment(tmp_path_factory.mktemp("forked") / "home"), SECONDS)
    resource.prlimit(program.server.pid, resource.RLIMIT_AS, (MEMORY, MEMORY))
    yield program
    program.close()


@pytest.fixture
def sandbox(tmp_path: Path, stranger: Path, forked: Forked) -> Sandbox:
    top = tmp_path / "sandbox"
    shutil.copytree(stranger, top, symlinks=True)
    env = sealed_environment(top / "home") | {"TMPDIR": str(top / "tmp")}
    return Sandbox(top, Repo(top / "repo", env), forked)
