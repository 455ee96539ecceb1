"""`git-stage commit`: records the present state as if the stages had just run."""

from __future__ import annotations

import pytest
from support import Repo, md5


@pytest.fixture
def changed(project: Repo) -> Repo:
    """A stage that has run and whose input and output were edited since, and a data file that was."""
    project.write({"src": "one\n", "data": "d\n"})
    project.stage("add", "data", check=True)
    project.stage("run", "-n", "copy", "-d", "src", "-o", "out", "cp src out", check=True)
    project.write({"src": "two\n", "out": "by hand\n", "data": "e\n"})
    return project


def test_nothing_changed(changed: Repo) -> None:
    changed.stage("commit", "-f", check=True)
    before = changed.state()
    got = changed.stage("commit", check=True)
    assert got.stderr == ""
    assert changed.state() == before


def test_changes_need_force(changed: Repo) -> None:
    before = changed.state()
    got = changed.stage("commit")
    assert got.returncode not in (0, 2)
    assert "-f" in got.stderr
    assert changed.state() == before


def test_force_records_inputs_and_outputs(changed: Repo) -> None:
    changed.stage("commit", "-f", check=True)
    assert changed.stage("status", check=True).stdout == "Data and pipelines are up to date.\n"
    lock = changed.read("dvc.lock")
    assert md5("two\n") in lock
    assert md5("by hand\n") in lock
    assert md5("e\n") in changed.read("data.dvc")
    assert all(changed.object(md5(text)).exists() for text in ("by hand\n", "e\n"))


def test_targets(changed: Repo) -> None:
    lock = changed.read("dvc.lock")
    changed.stage("commit", "-f", "data.dvc", check=True)
    assert changed.read("dvc.lock") == lock
    assert md5("e\n") in changed.read("data.dvc")
    changed.stage("commit", "-f", "copy", check=True)
    assert md5("two\n") in changed.read("dvc.lock")


def test_missing_output_is_named(changed: Repo) -> None:
    changed.remove("out")
    before = changed.state()
    got = changed.stage("commit", "-f", "copy")
    assert got.returncode not in (0, 2)
    assert "out" in got.stderr
    assert changed.state() == before


def test_stage_that_never_ran_can_be_recorded(project: Repo) -> None:
    project.write({"src": "one\n", "out": "one\n"})
    project.stage("run", "--no-exec", "-n", "copy", "-d", "src", "-o", "out", "cp src out", check=True)
    project.stage("commit", "-f", check=True)
    assert project.stage("status", check=True).stdout == "Data and pipelines are up to date.\n"
    assert "didn't change" in project.stage("repro", check=True).stdout
