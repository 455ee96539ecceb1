"""`git stage doctor`: each thing that can be wrong is found, and the command it names mends it."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import SCRIPTS, Repo, new_repo, picture, sealed_environment

from gitstage import cache, doctor
from gitstage.cli import DISPATCHED
from gitstage.git import Repo as Opened
from gitstage.hooks import installer
from gitstage.project import Project


@pytest.fixture(scope="session")
def dispatcher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a dispatcher in it; made once."""
    folder = tmp_path_factory.mktemp("dispatcher")
    made = new_repo(folder / "repo", sealed_environment(folder / "home"))
    made.stage("shim", "install", "--dir", str(folder / "shim"), check=True)
    return folder / "shim"


@pytest.fixture
def place(ran: Repo, dispatcher: Path) -> Repo:
    """A project in which all is well."""
    ran.env["PATH"] = f"{dispatcher}:{ran.env['PATH']}"
    ran.stage("install", "-q", check=True)
    return ran


def findings(repo: Repo, **more: Any) -> list[dict[str, str]]:
    """As `git-stage doctor --json` says; asked of the function itself, which is faster, unless there are options."""
    if not more:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("PATH", repo.env["PATH"])
            patch.chdir(repo.path)
            return [dataclasses.asdict(found) for found in doctor.examine(DISPATCHED, SCRIPTS)]
    got = repo.stage("doctor", "--json", **more)
    said = json.loads(got.stdout)
    assert said["ok"] == (got.returncode == 0) == all(one["level"] != "wrong" for one in said["findings"]), got
    found: list[dict[str, str]] = said["findings"]
    return found


def the(repo: Repo, level: str, text: str, **more: Any) -> dict[str, str]:
    """The one finding that says `text`."""
    all_found = findings(repo, **more)
    found = [one for one in all_found if text in one["text"]]
    assert [one["level"] for one in found] == [level], all_found
    return found[0]


def mended(repo: Repo, level: str, text: str, *, gone: str | None = None) -> None:
    """`text` is found, and no more (or `gone`, a part of it) when its command was run."""
    mend = the(repo, level, text)["mend"]
    repo.run("sh", "-c", mend, check=True)
    left = [one for one in findings(repo) if (gone or text) in one["text"] or one["level"] == "wrong"]
    assert not left


def test_all_is_well(place: Repo) -> None:
    before = picture(place.path, skip=(".git/index",))
    got = place.stage("doctor", check=True)
    assert picture(place.path, skip=(".git/index",)) == before
    lines = got.stdout.splitlines()
    assert lines[0].startswith("ok     program: gitstage ")
    assert f"ok     hooks: all {len(installer.HOOKS)} are installed, by files" in lines
    assert f"ok     hook start: the hooks start {sys.executable}" in lines
    assert [line.split(":")[0] for line in lines if line.startswith(("note", "wrong"))] == ["note   cache"]
    assert place.stage("doctor", "-q", check=True).stdout == ""
    assert place.git("stage", "doctor") == got.stdout


def test_git_clean(place: Repo) -> None:
    note = the(place, "note", "`git clean -fdx` would delete the cache")
    cached = place.cache()
    place.run("sh", "-c", note["mend"], check=True)
    assert place.cache() == cached
    assert not place.exists("out")
    place.git("clean", "-fdxq")
    assert not place.exists(".dvc/cache")  # it was true


def test_hooks(place: Repo) -> None:
    hooks = place.path / ".git/hooks"
    (hooks / "post-merge").unlink()
    mended(place, "wrong", "missing, though others are installed: post-merge")
    with open(hooks / "post-commit", "a") as stream:
        stream.write("# of another version\n")
    mended(place, "wrong", "of another version: post-commit")
    (hooks / "pre-commit").chmod(0o644)
    mended(place, "wrong", "pre-commit has no x bit")
    for name in ("pre-commit", "post-checkout"):  # as lefthook does
        (hooks / name).rename(hooks / f"{name}.old")
        (hooks / name).write_text("#!/bin/sh\ncall_lefthook\n")
    mended(place, "wrong", "another program moved ours away, and does not run them: pre-commit, post-checkout")
    assert the(place, "ok", "lefthook runs before ours: pre-commit, post-checkout")
    place.stage("uninstall", check=True)
    mended(place, "note", "not installed: a stale commit is not refused")


def test_where_hooks_lead(place: Repo, tmp_path: Path) -> None:
    hooks = [place.path / ".git/hooks" / hook.name for hook in installer.HOOKS]

    def start(python: str) -> None:
        opened = Opened.discover(str(place.path))
        assert opened is not None
        installer.install(opened, python)

    start("/nowhere/python")
    mended(place, "note", "/nowhere/python is gone, or has no gitstage; ", gone="is gone")
    start("/nowhere/python")
    bare = {"PATH": ":".join(d for d in place.env["PATH"].split(":") if not os.path.exists(f"{d}/git-gitstage"))}
    got = place.run(f"{SCRIPTS}/git-stage", "doctor", env=bare)
    assert got.returncode == 1
    assert "so nothing is checked or restored" in got.stdout and "git-gitstage is not on PATH" in got.stdout
    other = tmp_path / "other/python"
    other.parent.mkdir()
    other.write_text("#!/bin/sh\necho 0.0.9\n")
    other.chmod(0o755)
    start(str(other))
    assert all(str(other) in hook.read_text() for hook in hooks)
    mended(place, "wrong", f"{other} has gitstage 0.0.9")
    assert the(place, "wrong", "switches the hooks off", env={"GITSTAGE_HOOKS": "0"})["mend"] == "unset GITSTAGE_HOOKS"


def test_core_hooks_path(place: Repo, tmp_path: Path) -> None:
    place.git("config", "core.hooksPath", "tools")
    mended(place, "wrong", "core.hooksPath (local) hides the hooks in", gone="hides")
    assert place.exists("tools/pre-commit") and not place.exists(".git/hooks/pre-commit")
    place.git("worktree", "add", "-q", "--detach", "../linked side")
    mended(place, "wrong", "/linked side: the folder tools (core.hooksPath) is not there")
    place.stage("uninstall", check=True)
    place.git("config", "--unset", "core.hooksPath")
    place.stage("install", check=True)
    place.git("config", "--global", "core.hooksPath", str(tmp_path / "all"))
    mended(place, "wrong", "core.hooksPath (global) hides the hooks in", gone="hides")
    assert (tmp_path / "all/pre-commit").exists()


def test_hooks_of_others(place: Repo) -> None:
    place.stage("uninstall", check=True)
    place.dvc("install", check=True)
    place.stage("install", check=True)
    mended(place, "note", "DVC's own hooks run, too")
    place.stage("uninstall", check=True)
    hook = place.path / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\n# File generated by pre-commit: https://pre-commit.com\n")
    hook.chmod(0o755)
    place.stage("install", check=True)
    place.write({".pre-commit-config.yaml": "repos:\n- repo: x\n  hooks:\n  - id: gitstage-pre-commit\n"})
    mended(place, "wrong", "pre-commit: ours runs twice, also by the configuration of pre-commit")


def test_hooks_in_the_configuration_of_an_older_git(place: Repo) -> None:
    place.stage("uninstall", check=True)
    for hook in installer.HOOKS:
        place.git("config", f"hook.gitstage-{hook.name}.command", "true")
    mended(place, "wrong", "named in the Git configuration, which Git 2.", gone="named in")


def test_dispatcher(place: Repo, dispatcher: Path, tmp_path: Path) -> None:
    assert the(place, "ok", f"{dispatcher}/git hands over to ")
    old = tmp_path / "old"
    old.mkdir()
    text = (dispatcher / "git").read_text()
    (old / "git").write_text(text.replace(" doctor ", " "))
    (old / "git").chmod(0o755)
    place.env["PATH"] = f"{old}:{place.env['PATH']}"
    mended(place, "wrong", "is of another version")
    behind = {"PATH": f"/usr/bin:{place.env['PATH']}"}
    found = the(place, "wrong", "/usr/bin/git comes first on PATH", env=behind)
    assert found["mend"] == f'export PATH="{old}:$PATH"'
    without = {"PATH": place.env["PATH"].replace(f"{old}:{dispatcher}:", "")}
    assert the(place, "note", "`git stage VERB` is Git's own", env=without)["mend"] == "git-stage shim install"


def test_merge_driver(place: Repo) -> None:
    assert the(place, "ok", "merged stage by stage")
    place.git("config", "--unset", "merge.gitstage.driver")
    mended(place, "wrong", "without a driver")
    command = place.git("config", "merge.gitstage.driver")
    place.git("config", "merge.gitstage.driver", command.replace("merge-file", "merge-files", 1))
    mended(place, "note", "the merge driver is of another version")
    place.remove(".git/info/attributes")
    mended(place, "note", "the merge driver is not configured")
    place.write({".git/info/attributes": place.read(".git/info/attributes") + "dvc.lock merge=ours\n"})
    assert the(place, "note", "to another merge driver")


def test_cache_and_settings(place: Repo, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    place.write({".dvc/config": f"[cache]\n    dir = {tmp_path}/file\n"})
    mended(place, "wrong", f"{tmp_path}/file is no folder")
    place.git("config", "gitstage.verify", "warn")
    mended(place, "note", "gitstage.verify is warn")
    place.git("config", "gitstage.followResets", "no")
    mended(place, "note", "gitstage.followResets is false")
    place.write({".dvc/config": "[cache\n"})
    assert the(place, "wrong", ".dvc/config")["check"] == "project"


@pytest.fixture
def subject(place: Repo) -> Iterator[doctor.Subject]:
    with Project.open(str(place.path)) as project:
        yield doctor.Subject(project.repo, project, ["run"], SCRIPTS)


def test_what_the_system_refuses(subject: doctor.Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without programs, a cache without permission or links: told from what the system says."""
    found = doctor.run_checks(subject)
    assert "hardlink" in next(one.text for one in found if one.check == "cache")

    class NoPrograms:
        f_flag = os.ST_NOEXEC

    def wrong() -> dict[str, doctor.Finding]:
        return {
            one.check: one
            for one in doctor.run_checks(subject)
            if one.level == doctor.WRONG and one.check != "dispatcher"
        }

    assert not wrong()
    monkeypatch.setattr(os, "statvfs", lambda _: NoPrograms)
    noexec = wrong()["hook start"]
    assert "runs no programs (noexec)" in noexec.text and str(noexec.mend).startswith("git config core.hooksPath DIR")
    monkeypatch.setattr(doctor, "git_version", lambda: (2, 55, 0))
    assert wrong()["hook start"].mend == "git stage install --config-hooks"
    monkeypatch.undo()

    monkeypatch.setattr(cache.Cache, "working_types", lambda _: ["symlink"])
    assert str(wrong()["cache"].mend).endswith(".dvc/config cache.type copy")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "cannot be written by you" in wrong()["cache"].text


def test_outside(tmp_path: Path, repo: Repo) -> None:
    assert the(repo, "note", "there is no project here")["mend"] == "git stage init"
    assert the(repo, "note", "not inside a Git repository", cwd="..")["mend"] == "git init"
