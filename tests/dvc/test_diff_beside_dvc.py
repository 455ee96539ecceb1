"""`git stage diff` says what `dvc diff` says of the same project, in every form."""

from __future__ import annotations

import json

import pytest
from support import Repo


@pytest.fixture
def changed(project: Repo) -> Repo:
    """Three commits: data and a stage; files in directories changed, moved, removed; a file became a directory."""
    project.write({"f": "1\n", "d/a": "1", "d/b": "2", "d/s/c": "3", "g": "g", "sub/h": "h\n", "turns": "t\n"})
    project.stage("add", "f", "d", "g", "sub/h", "turns", check=True)
    project.stage("run", "-n", "s", "-d", "f", "-o", "out", "-O", "plain", "cp f out; cp f plain", check=True)
    project.commit("one")
    project.write({"f": "2\n", "d/new": "n\n", "d/z": "1"})
    project.remove("d/a", "g", "g.dvc", "turns")
    (project.path / "d/b").rename(project.path / "d/b2")
    project.write({"turns/x": "x\n"})
    project.stage("add", "f", "d", "turns", check=True)
    project.stage("repro", check=True)
    project.commit("two")
    project.write({"f": "3\n", "d/s/c": "4", "k/l": "l\n", "copy": "h\n"})
    project.stage("add", "k", "copy", check=True)
    return project


def test_every_form(changed: Repo) -> None:
    forms = [
        ("--json", "--show-hash"),
        ("HEAD~1", "HEAD", "--json", "--show-hash"),
        ("HEAD", "HEAD~1"),
        ("HEAD~1", "--show-hash"),
        ("--md", "HEAD~1", "HEAD", "--show-hash"),
        ("HEAD", "HEAD"),
        ("HEAD", "HEAD", "--json"),
        ("HEAD~2", "HEAD~1", "--json"),
        ("--json", "--targets", "d/s", "f", "k"),
        ("HEAD~1", "HEAD", "--json", "--targets", "s", "g.dvc", "turns"),
    ]
    for form in forms:
        ours, theirs = changed.stage("diff", *form, check=True).stdout, changed.dvc("diff", *form, check=True).stdout
        if "--json" in form:
            assert json.loads(ours) == json.loads(theirs), form
        else:
            assert ours == theirs, form


def test_what_the_cache_lost(changed: Repo) -> None:
    changed.object(manifest(changed)).unlink()  # of the second commit's directory `d`
    for form in (("--json", "--show-hash"), (), ("--hide-missing",), ("HEAD~1", "HEAD", "--json"), ("--md",)):
        ours, theirs = changed.stage("diff", *form, check=True).stdout, changed.dvc("diff", *form, check=True).stdout
        if "--json" in form:
            assert json.loads(ours) == json.loads(theirs), form
        else:
            assert ours == theirs, form


def manifest(repo: Repo) -> str:
    return repo.git("show", "HEAD:d.dvc").split("md5: ")[1].split("\n")[0]
