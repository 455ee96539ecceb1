"""Options and the two long-lived programs of the differential tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from deliberate import used
from forked import Forked, Said
from support import new_repo, sealed_environment
from twins import Workshop

FIXED = "1-10"
"""The seeds that are played unless others are asked for."""


class Command:
    """A program that is started for every call."""

    def __init__(self, program: str, env: Mapping[str, str]) -> None:
        self.program, self.env = program, dict(env)

    def __call__(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Said:
        got = subprocess.run(
            [self.program, *argv],
            cwd=cwd,
            env=self.env | dict(env) | {"PWD": str(cwd)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="backslashreplace",
        )
        return Said(got.returncode, got.stdout, got.stderr)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    folder = Path(os.path.realpath(tmp_path_factory.mktemp("differential")))
    env = sealed_environment(folder / "home")
    before = os.umask(0o022)
    dvc, ours = Forked("dvc", env), Forked("git-stage", env)
    template = new_repo(folder / "template", env)
    assert ours(["init", "-q", "--no-hooks"], template.path, {}).code == 0
    shutil.rmtree(template.path / ".git/gitstage", ignore_errors=True)
    template.git("commit", "-q", "-m", "init")
    yield Workshop(dvc, ours, Command("git-stage", env), Command("git", env), template.path, folder)
    dvc.close()
    ours.close()
    os.umask(before)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        first, _, last = (metafunc.config.getoption("--seeds") or FIXED).partition("-")
        metafunc.parametrize("seed", range(int(first), int(last or first) + 1))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.getoption("--seeds") and used:
        counts = ", ".join(f"{rule} {count}" for rule, count in used.most_common())
        terminalreporter.write_line(f"deliberate differences: {counts}")
