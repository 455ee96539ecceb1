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


@pytest.mark.parametrize("targets", [["copy"], ["data.dvc", "copy"], []])
def test_missing_output_is_named_before_anything_is_recorded(changed: Repo, targets: list[str]) -> None:
    changed.remove("out")
    before = changed.state()
    got = changed.stage("commit", "-f", *targets)
    assert got.returncode not in (0, 2)
    assert "out" in got.stderr
    assert changed.state() == before


def test_what_is_forced_is_a_result_for_later_runs(project: Repo) -> None:
    """An output that is not kept in the cache is then kept with the result."""
    project.write({"src": "one\n"})
    project.stage("run", "-n", "copy", "-d", "src", "-O", "out", "cp src out; echo run >> ../runs", check=True)
    assert not project.object(md5("one\n")).exists()
    project.stage("commit", check=True)
    assert not project.object(md5("one\n")).exists()
    project.stage("commit", "-f", check=True)
    assert project.object(md5("one\n")).exists()
    project.write({"src": "two\n"})
    project.stage("repro", check=True)
    project.write({"src": "one\n"})
    assert "cached" in project.stage("repro", check=True).stdout
    assert project.read("out") == "one\n"
    assert (project.path.parent / "runs").read_text() == "run\n" * 2


def test_stage_that_never_ran_can_be_recorded(project: Repo) -> None:
    project.write({"src": "one\n", "out": "one\n"})
    project.stage("run", "--no-exec", "-n", "copy", "-d", "src", "-o", "out", "cp src out", check=True)
    project.stage("commit", "-f", check=True)
    assert project.stage("status", check=True).stdout == "Data and pipelines are up to date.\n"
    assert "didn't change" in project.stage("repro", check=True).stdout
