"""One small history with a pipeline, in every layout that Git knows, made once and copied for each test."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support import Repo, md5, sealed_environment

LAYOUTS = ("ordinary", "worktree", "subdirectory", "submodule")
MINE = "by hand, and in no cache\n"


@dataclass(frozen=True)
class Place:
    """A work tree: `repo` at its top; the project is in its folder `prefix` ("" or ending in "/")."""

    repo: Repo
    prefix: str
    layout: str

    def git(self, command: str) -> int:
        """Run what one would type after `git`, `{p}` being the project's folder; the exit code."""
        return self.repo.run("sh", "-c", "git " + command.replace("{p}", self.prefix)).returncode

    def read(self, path: str) -> str:
        return self.repo.read(self.prefix + path)

    def exists(self, path: str) -> bool:
        return self.repo.exists(self.prefix + path)

    def agrees(self) -> bool:
        """Are the outputs what is recorded, or absent if nothing is? By-hand content counts as left alone."""
        for path, file in (("a.out", "dvc.lock"), ("kept", "kept.dvc")):
            text = self.read(file) if self.exists(file) else ""
            recorded = re.search(rf"md5: (\w+)(?=[^-]*path: {path}\n)|path: {path}\n +hash: md5\n +md5: (\w+)", text)
            found = self.read(path) if self.exists(path) else None
            if text and not recorded:
                continue  # a merge left out what nobody had run
            if found != MINE and (found and md5(found)) != (recorded and (recorded[1] or recorded[2])):
                return False
        return True

    def is_unmerged(self) -> bool:
        return self.repo.git("ls-files", "-u") != ""


def make(folder: Path, prefix: str) -> Repo:
    """A stage a.in -> a.out and a data file `kept`, in `prefix`. main: a.in is 1, then an unrelated commit; two: 2;
    more: 2, then 4, then an unrelated commit; ff: the first commit; conflict: 3. Tag start: main."""
    repo = Repo(folder / "repo", sealed_environment(folder / "home"))
    repo.path.mkdir(parents=True)
    repo.git("init", "-q", "-b", "main", "--template=")
    repo.git("config", "gc.auto", "0")
    at = prefix or "."
    (repo.path / at).mkdir(exist_ok=True)
    repo.stage("init", "-q", "--no-hooks", *(["--subdir"] if prefix else []), cwd=at, check=True)
    repo.write({f"{prefix}a.in": "1\n", f"{prefix}kept": "1\n"})
    repo.stage("add", "-q", "kept", cwd=at, check=True)
    repo.stage("run", "-q", "-n", "a", "-d", "a.in", "-o", "a.out", "cat a.in > a.out", cwd=at, check=True)
    repo.commit("one")
    repo.git("branch", "ff")

    def change(value: str) -> None:
        repo.write({f"{prefix}a.in": f"{value}\n"})
        repo.stage("repro", "-q", "a", cwd=at, check=True)
        repo.commit(value)

    repo.git("checkout", "-q", "-b", "conflict")
    change("3")
    repo.git("checkout", "-q", "-b", "two", "ff")
    repo.write({f"{prefix}kept": "2\n"})
    repo.stage("add", "-q", "kept", cwd=at, check=True)
    change("2")
    repo.git("checkout", "-q", "-b", "more")
    change("4")
    repo.write({"other": "1\n"})
    repo.commit("other")
    repo.git("checkout", "-q", "main")
    repo.write({"code": "1\n"})
    repo.commit("unrelated")
    repo.git("tag", "start")
    repo.stage("checkout", "-q", cwd=at, check=True)
    repo.git("repack", "-adq")  # fewer files to copy
    repo.git("pack-refs", "--all")
    return repo


def arrange(layout: str, made: Repo, folder: Path) -> Path:
    """The layout from what `make` made (for the subdirectory, with a prefix); returns its folder."""
    shutil.copytree(made.path, folder / "repo", symlinks=True)
    repo = Repo(folder / "repo", made.env)
    if layout == "worktree":
        repo.git("checkout", "-q", "--detach")
    if layout == "submodule":
        outer = Repo(folder / "outer", made.env)
        outer.path.mkdir()
        outer.git("init", "-q", "-b", "main", "--template=")
        repo.path.rename(outer.path / "sub")
        outer.git("submodule", "-q", "add", "./sub", "sub")
        outer.git("submodule", "-q", "absorbgitdirs")
        outer.git("commit", "-qm", "outer")
    return folder


def place(layout: str, folder: Path, env: Mapping[str, str]) -> Place:
    """The work tree to test in."""
    path = {"ordinary": "repo", "subdirectory": "repo", "worktree": "linked", "submodule": "outer/sub"}[layout]
    return Place(Repo(folder / path, env), "p/" if layout == "subdirectory" else "", layout)


def copied(layout: str, template: Path, folder: Path, env: Mapping[str, str]) -> Place:
    """A copy of an arranged layout; a linked worktree names itself and its cache by absolute paths."""
    shutil.copytree(template, folder, symlinks=True, ignore=shutil.ignore_patterns("home"))
    found = place(layout, folder, env)
    if layout == "worktree":
        for path in ("linked/.git", "linked/.dvc/config.local", "repo/.git/worktrees/linked/gitdir"):
            if (folder / path).exists():
                (folder / path).write_text((folder / path).read_text().replace(str(template), str(folder)))
    return found
