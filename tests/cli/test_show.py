"""`git-stage show`: what is recorded of one path."""

from __future__ import annotations

import json
import os

import pytest
from support import Repo, md5

MANIFEST = json.dumps([{"md5": md5("a\n"), "relpath": "a"}, {"md5": md5("bb\n"), "relpath": "s/b"}])


@pytest.fixture
def data(project: Repo) -> Repo:
    project.write({"f": "one\n", "d/a": "a\n", "d/s/b": "bb\n", "src": "s\n"})
    project.stage("add", "f", "d", check=True)
    project.stage("run", "-n", "copy", "-d", "src", "-o", "out", "cp src out", check=True)
    return project


def show(repo: Repo, path: str, cwd: str = ".") -> dict[str, object]:
    found: dict[str, object] = json.loads(repo.stage("show", "--json", path, cwd=cwd, check=True).stdout)
    return found


def test_file(data: Repo) -> None:
    kept = str(data.object(md5("one\n")))
    text = data.stage("show", "f", check=True).stdout
    for part in (md5("one\n"), "4", os.path.relpath(kept, data.path)):
        assert part in text
    found = show(data, "f")
    assert {name: found[name] for name in ("path", "md5", "size", "cache", "in_cache")} == {
        "path": "f",
        "md5": md5("one\n"),
        "size": 4,
        "cache": kept,
        "in_cache": True,
    }


def test_directory(data: Repo) -> None:
    digest = md5(MANIFEST) + ".dir"
    text = data.stage("show", "d", check=True).stdout
    assert digest in text
    assert os.path.relpath(data.object(digest), data.path) in text
    lines = text.splitlines()
    for path, content in (("a", "a\n"), ("s/b", "bb\n")):
        assert [line for line in lines if line.split() and path in line.split() and md5(content) in line], path
    found = show(data, "d")
    assert (found["md5"], found["size"], found["nfiles"]) == (digest, 5, 2)
    assert (found["cache"], found["in_cache"]) == (str(data.object(digest)), True)
    assert found["files"] == [
        {"path": "a", "md5": md5("a\n"), "size": 2},
        {"path": "s/b", "md5": md5("bb\n"), "size": 3},
    ]


def test_output_of_a_stage(data: Repo) -> None:
    assert show(data, "out")["md5"] == md5("s\n")


def test_file_inside_a_directory(data: Repo) -> None:
    assert show(data, "d/s/b")["md5"] == md5("bb\n")


def test_what_is_recorded_is_shown_not_what_lies_there(data: Repo) -> None:
    data.write({"f": "edited\n"})
    assert show(data, "f")["md5"] == md5("one\n")


def test_lost_object(data: Repo) -> None:
    data.object(md5("one\n")).unlink()
    assert show(data, "f")["in_cache"] is False
    data.object(md5("a\n")).unlink()
    assert show(data, "d")["files"][0] == {"path": "a", "md5": md5("a\n"), "size": None}  # type: ignore[index]


def test_from_a_subdirectory(data: Repo) -> None:
    assert show(data, "../f", cwd="d")["md5"] == md5("one\n")


def test_path_that_is_not_tracked(data: Repo) -> None:
    got = data.stage("show", "src")
    assert got.returncode not in (0, 2)
    assert "src" in got.stderr
    assert "Traceback" not in got.stderr
