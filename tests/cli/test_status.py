"""`git-stage status`: what differs from what is recorded."""

from __future__ import annotations

import json
import os
import shutil
import time

import pytest
from support import Repo, md5

PIPELINE = """\
stages:
  t:
    cmd: cp src out; cp -r dir dout; cp src plain
    deps: [src, dir]
    params: [lr]
    outs: [out, dout, plain: {cache: false}]
"""
CLEAN = "Data and pipelines are up to date.\n"


@pytest.fixture
def ran(project: Repo) -> Repo:
    """A data file, a directory, and a stage that has run on them."""
    project.write({"src": "one\n", "dir/a": "a\n", "params.yaml": "lr: 1\n", "dvc.yaml": PIPELINE})
    project.stage("add", "src", check=True)
    project.stage("repro", check=True)
    project.commit("ran")
    return project


def status(repo: Repo, *args: str, cwd: str = ".") -> object:
    return json.loads(repo.stage("status", "--json", *args, cwd=cwd, check=True).stdout)


def test_clean(ran: Repo) -> None:
    before = ran.state()
    got = ran.stage("status")
    assert (got.returncode, got.stdout, got.stderr) == (0, CLEAN, "")
    assert status(ran) == {}
    quiet = ran.stage("status", "-q")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    assert ran.state() == before


def test_project_without_anything(project: Repo) -> None:
    got = project.stage("status", check=True)
    assert got.stdout.startswith("There are no data or pipelines tracked in this project yet.\n")


def test_everything_at_once(ran: Repo) -> None:
    ran.write({"src": "two\n", "dir/b": "b\n", "out": "by hand\n", "params.yaml": "lr: 2\n"})
    ran.write({"dvc.yaml": PIPELINE.replace("cp src out;", "cp  src out;")})
    ran.remove("plain")
    ran.object(md5("a\n")).unlink()
    got = ran.stage("status")
    assert got.returncode == 0
    stage = """\
t:
	changed deps:
		modified:           src
		modified:           dir
		params.yaml:
			modified:           lr
	changed outs:
		modified:           out
		not in cache:       dout
		deleted:            plain
	changed command
"""
    assert stage in got.stdout
    assert "src.dvc:\n\tchanged outs:\n\t\tmodified:           src\n" in got.stdout
    assert status(ran) == {
        "t": [
            {"changed deps": {"src": "modified", "dir": "modified", "params.yaml": {"lr": "modified"}}},
            {"changed outs": {"out": "modified", "dout": "not in cache", "plain": "deleted"}},
            "changed command",
        ],
        "src.dvc": [{"changed outs": {"src": "modified"}}],
    }


def test_quiet_tells_by_its_exit_code(ran: Repo) -> None:
    ran.write({"src": "two\n"})
    got = ran.stage("status", "-q")
    assert (got.returncode, got.stdout, got.stderr) == (1, "", "")


def test_targets(ran: Repo) -> None:
    ran.write({"src": "two\n"})
    assert status(ran, "src.dvc") == status(ran, "src") == {"src.dvc": [{"changed outs": {"src": "modified"}}]}
    assert (
        status(ran, "t")
        == status(ran, "out")
        == status(ran, "dvc.yaml")
        == {"t": [{"changed deps": {"src": "modified"}}]}
    )


def test_paths_are_relative_to_the_current_folder(ran: Repo) -> None:
    ran.write({"src": "two\n"})
    assert status(ran, cwd="dir") == {
        "../dvc.yaml:t": [{"changed deps": {"../src": "modified"}}],
        "../src.dvc": [{"changed outs": {"../src": "modified"}}],
    }


def test_stage_that_never_ran(project: Repo) -> None:
    project.write({"dvc.yaml": "stages:\n  new: {cmd: cp a b, deps: [a], outs: [b]}\n", "a": "1\n"})
    assert status(project) == {"new": [{"changed deps": {"a": "modified"}}, {"changed outs": {"b": "deleted"}}]}


def test_added_removed_and_renamed_files_of_an_input_folder(ran: Repo) -> None:
    (ran.path / "dir/a").rename(ran.path / "dir/z")
    assert status(ran, "t") == {"t": [{"changed deps": {"dir": "modified"}}]}
    (ran.path / "dir/z").rename(ran.path / "dir/a")
    assert status(ran) == {}


def test_same_size_written_in_place_at_once_is_seen(ran: Repo) -> None:
    for text in ("eno\n", "neo\n", "one\n", "noe\n"):
        (ran.path / "src").write_text(text)
        assert status(ran, "src.dvc") == (
            {} if text == "one\n" else {"src.dvc": [{"changed outs": {"src": "modified"}}]}
        )


def test_restored_times_do_not_hide_a_change(ran: Repo) -> None:
    status(ran)
    info = os.stat(ran.path / "src")
    (ran.path / "src").write_text("eno\n")
    os.utime(ran.path / "src", ns=(info.st_atime_ns, info.st_mtime_ns))
    assert status(ran, "src.dvc") == {"src.dvc": [{"changed outs": {"src": "modified"}}]}


def test_works_without_a_place_to_remember_digests(ran: Repo) -> None:
    shutil.rmtree(ran.path / ".git/gitstage", ignore_errors=True)
    (ran.path / ".git/gitstage").write_text("in the way\n")
    assert ran.stage("status", check=True).stdout == CLEAN


def test_a_lost_object_of_a_large_folder_is_missed_also_when_the_folder_was_looked_at_before(project: Repo) -> None:
    """Whether a large manifest is complete is answered from a note about the cache's folders."""
    names = [f"d/{number}" for number in range(120)]
    project.write({name: name for name in names})
    for name in names:
        os.utime(project.path / name, ns=(10**18 + 5, 10**18 + 5))
    project.stage("add", "d", check=True)
    time.sleep(0.03)
    for _ in range(2):
        assert project.stage("status").stdout == "Data and pipelines are up to date.\n"
    project.object(md5(names[7])).unlink()
    assert "not in cache" in project.stage("status").stdout


def large(project: Repo) -> list[str]:
    """A tracked folder of many files, whose objects are known to be there."""
    names = [f"d/{number}" for number in range(150)]
    project.write({name: name for name in names})
    project.stage("add", "d", check=True)
    time.sleep(0.05)
    assert project.stage("status").stdout == CLEAN
    time.sleep(0.05)
    return names


def test_only_folders_of_the_cache_that_changed_are_looked_through(project: Repo) -> None:
    """What was there when an object was added beside it, and is gone now, is missed; and nothing else is."""
    names = large(project)
    project.write({names[0]: "new"})
    project.stage("add", "d", check=True)
    beside = project.object(md5("new")).parent
    (beside / ("0" * 30)).write_text("another's")
    (beside / ("0" * 30)).unlink()
    time.sleep(0.05)
    assert project.stage("status").stdout == CLEAN
    for name in names[1::10]:
        lost = project.object(md5(name))
        content = lost.read_bytes()
        lost.unlink()
        found = project.stage("status").stdout
        assert "not in cache" in found, name
        lost.write_bytes(content)
        lost.chmod(0o444)
    time.sleep(0.05)
    assert project.stage("status").stdout == CLEAN


def test_an_object_lost_between_two_adds_is_made_again(project: Repo) -> None:
    names = large(project)
    for number, name in enumerate(names[:20]):
        project.object(md5(names[100 + number])).unlink()
        project.write({name: f"new {number}"})
        project.stage("add", "d", check=True)
        assert project.object(md5(names[100 + number])).read_text() == names[100 + number]
        assert project.object(md5(f"new {number}")).exists()
    assert project.stage("status").stdout == CLEAN
