"""Options and the two long-lived programs of the differential tests."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from forked import Forked, Said
from support import new_repo, sealed_environment
from twins import Workshop


def git(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Said:
    got = subprocess.run(["git", *argv], cwd=cwd, env=dict(os.environ) | dict(env), capture_output=True, text=True)
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
    yield Workshop(dvc, ours, git, template.path, folder)
    dvc.close()
    ours.close()
    os.umask(before)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "seed" in metafunc.fixturenames:
        first, _, last = (metafunc.config.getoption("--seeds") or "1-20").partition("-")
        metafunc.parametrize("seed", range(int(first), int(last or first) + 1))
