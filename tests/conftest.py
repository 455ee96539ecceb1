"""Every test has an empty home, fixed identity, dates, locale and umask; the installed commands are first on PATH."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from support import RAN, Repo, new_repo, sealed_environment


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("golden")
    group.addoption(
        "--golden-tool",
        default="git-stage",
        choices=["git-stage", "dvc"],
        help="the tool that replays the golden scenarios; dvc checks the replaying itself",
    )
    group.addoption(
        "--golden-text", action="store_true", help="list where the text of status and checkout differs from dvc's"
    )

    group = parser.getgroup("differential")
    group.addoption("--seeds", metavar="A-B", help="the seeds to play in tests/differential instead of the fixed ones")
    group.addoption("--no-shrink", action="store_true", help="print the whole scenario that failed, not a small one")

    group = parser.getgroup("undo")
    group.addoption("--undo-sequences", metavar="N", type=int, default=3, help="random sequences to play and to undo")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "sequence" in metafunc.fixturenames:
        metafunc.parametrize("sequence", range(metafunc.config.getoption("--undo-sequences")))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if not config.getoption("--golden-text"):
        return
    terminalreporter.section("text that differs from dvc's")
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == "golden text" and report.when == "call":
                    terminalreporter.write_line(str(value))


@pytest.fixture(autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The sealed environment, also for what a test calls inside its own process."""
    sealed = sealed_environment(tmp_path_factory.mktemp("home"))
    for name in os.environ.keys() - sealed.keys():
        monkeypatch.delenv(name)
    for name, value in sealed.items():
        if os.environ.get(name) != value:
            monkeypatch.setenv(name, value)
    before = os.umask(0o022)
    yield sealed
    os.umask(before)


@pytest.fixture
def repo(tmp_path: Path, environment: dict[str, str]) -> Repo:
    """A Git repository on branch main, without a commit."""
    return new_repo(tmp_path / "repo", environment)


@pytest.fixture(scope="session")
def project_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `git-stage init` makes of an empty repository; made once, copied for every test."""
    folder = tmp_path_factory.mktemp("template")
    before = os.umask(0o022)
    try:
        made = new_repo(folder / "repo", sealed_environment(folder / "home"))
        made.stage("init", "--no-hooks", check=True)
        made.commit("init")
    finally:
        os.umask(before)
    return made.path


@pytest.fixture
def project(tmp_path: Path, environment: dict[str, str], project_template: Path) -> Repo:
    """A repository with `git-stage init` done and committed."""
    shutil.copytree(project_template, tmp_path / "repo", symlinks=True)
    return Repo(tmp_path / "repo", environment)


@pytest.fixture(scope="session")
def ran_template(project_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ran")
    shutil.copytree(project_template, folder / "repo", symlinks=True)
    made = Repo(folder / "repo", sealed_environment(folder / "home"))
    before = os.umask(0o022)
    try:
        made.write({"src": "one\n", "data": "d\n", "dir/a": "a\n", "tracked/f": "f\n", "dvc.yaml": RAN})
        made.stage("add", "data", "dir", check=True)
        made.stage("repro", check=True)
        made.commit("ran")
    finally:
        os.umask(before)
    return made.path


@pytest.fixture
def ran(tmp_path: Path, environment: dict[str, str], ran_template: Path) -> Repo:
    """A project with a stage `s` that has run (src -> out), data in `data` and `dir`; everything committed."""
    shutil.copytree(ran_template, tmp_path / "repo", symlinks=True)
    return Repo(tmp_path / "repo", environment)
