"""config and cache dir leave the files that dvc leaves, and print what it prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import Repo, compare_with_dvc, dvc_steps, new_repo, sealed_environment

STEPS = """\
config core.autostage true
config --local core.autostage false
config core.autostage
config --project core.autostage
config --show-origin core.autostage
config cache.type hardlink,copy
config cache.type
config --global core.checksum_jobs 4
config --global core.checksum_jobs
config CORE.Remote Foo
config core.remote
config remote.x.url ../there
config remote.x.url
config --local remote.x.jobs 3
config core.nope
config --project core.nope
config core.nope 1
config core.autostage maybe
config core
config nope.x 1
config
config -l core.remote
config -u
config --show-origin core.autostage true
config --local -u core.autostage
config --local -u core.autostage
config --local -u remote.x
config -u remote.x
config -u remote.x
cache dir
cache dir ../../elsewhere
cache dir
cache dir --project
cache dir --local
cache dir --local /abs
cache dir
cache dir -u
cache dir -u
cache dir -u --local
cache dir
config -u core.remote
"""


def settings(repo: Repo) -> dict[str, str]:
    files = [repo.path / ".dvc/config", repo.path / ".dvc/config.local", *Path(repo.env["HOME"]).glob("*cfg/config")]
    return {path.name + path.parent.name: path.read_text() for path in files if path.exists()}


@pytest.fixture
def both(tmp_path: Path) -> tuple[Repo, Repo]:
    found = []
    for name in ("ours", "theirs"):
        repo = new_repo(tmp_path / name / "repo", sealed_environment(tmp_path / name / "home"))
        repo.stage("init", "--no-hooks", check=True)
        repo.write({"sub/keep": ""})
        found.append(repo)
    return found[0], found[1]


def test_the_same_steps_leave_the_same_files(both: tuple[Repo, Repo]) -> None:
    ours, theirs = both
    steps = [line.split() for line in STEPS.splitlines()]
    wrong = compare_with_dvc(ours, theirs, steps, cwd="sub")
    assert not wrong, "\n".join(wrong)
    showing = [step for step in steps if step[-1].count(".") == 1 and not {"-u", "-l"}.intersection(step)]
    showing += [["cache", "dir"], ["cache", "dir", "--local"]]
    for step, (code, text, _) in zip(showing, dvc_steps(theirs, showing, "sub", look=False), strict=True):
        got = ours.stage(*step, cwd="sub")
        assert (got.returncode == 0) == (code == 0), step
        assert got.returncode or got.stdout == text.replace("/theirs/", "/ours/"), step
    ours.stage("config", "cache.type", "copy", check=True)
    theirs.dvc("config", "cache.type", "copy", check=True)
    for more in ([], ["--show-origin"], ["--local"], ["--global", "--show-origin"]):
        got = ours.stage("config", "-l", *more, check=True)
        expected = theirs.dvc("config", "-l", *more, check=True)
        assert sorted(got.stdout.splitlines()) == sorted(expected.stdout.replace("/theirs/", "/ours/").splitlines())


def test_what_is_refused_leaves_every_file(both: tuple[Repo, Repo]) -> None:
    ours, _ = both
    ours.write({".dvc/config": "# mine\n[core]\n    autostage = true  # why\n"})
    before = ours.tree()
    for line in (
        "config core.autostage maybe",
        "config x.y 1",
        "config -u core.remote",
        "cache dir -u",
        "cache dir --local",
    ):
        assert ours.stage(*line.split()).returncode == 6, line
    assert ours.tree() == before
    ours.stage("config", "cache.type", "copy", check=True)
    assert ours.read(".dvc/config") == "# mine\n[core]\n    autostage = true  # why\n[cache]\n    type = copy\n"


def test_outside_a_project_only_the_users_own_files_count(tmp_path: Path, environment: dict[str, str]) -> None:
    place = Repo(tmp_path, environment)
    place.stage("config", "--global", "core.autostage", "true", check=True)
    assert place.stage("config", "core.autostage", check=True).stdout == "true\n"
    assert place.stage("config", "core.autostage", "false").returncode == 7
    assert place.stage("cache", "dir").returncode == 7
