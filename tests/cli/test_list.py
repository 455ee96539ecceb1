"""`git-stage list`: the stages and what they are about."""

from __future__ import annotations

import json

from support import Repo

PIPELINE = """\
stages:
  first:
    cmd: echo
    deps: [a]
    outs: [x, y]
  second:
    cmd: echo
    desc: |
      the second
      of them
  third:
    cmd: echo
    deps: [x]
    metrics: [m.json]
"""


def test_text(project: Repo) -> None:
    project.write({"dvc.yaml": PIPELINE})
    lines = project.stage("list", check=True).stdout.splitlines()
    assert [line.split(None, 1) for line in lines] == [
        ["first", "Outputs x, y"],
        ["second", "the second"],
        ["third", "Reports m.json"],
    ]


def test_names_only(project: Repo) -> None:
    project.write({"dvc.yaml": PIPELINE})
    assert project.stage("list", "--name-only", check=True).stdout == "first\nsecond\nthird\n"


def test_targets_and_all(project: Repo) -> None:
    project.write({"dvc.yaml": PIPELINE, "sub/dvc.yaml": "stages:\n  low: {cmd: echo}\n"})
    assert project.stage("list", "--name-only", "second", check=True).stdout == "second\n"
    assert project.stage("list", "--name-only", "sub/dvc.yaml", check=True).stdout == "sub/dvc.yaml:low\n"
    assert project.stage("list", "--name-only", "--all", check=True).stdout.splitlines() == (
        ["first", "second", "third", "sub/dvc.yaml:low"]
    )
    assert project.stage("list", "--name-only", cwd="sub", check=True).stdout == "low\n"


def test_json(project: Repo) -> None:
    project.write({"dvc.yaml": PIPELINE})
    found = json.loads(project.stage("list", "--json", check=True).stdout)
    names = list(found) if isinstance(found, dict) else [stage["name"] for stage in found]
    assert names == ["first", "second", "third"]


def test_nothing_to_list(project: Repo) -> None:
    assert project.stage("list", check=True).stdout == ""
    assert json.loads(project.stage("list", "--json", check=True).stdout) in ({}, [])


def test_invalid_pipeline_fails(project: Repo) -> None:
    project.write({"dvc.yaml": "stages:\n  a: {cmd: x, bar: 1}\n"})
    got = project.stage("list", "--fail")
    assert got.returncode == 3
    assert "dvc.yaml" in got.stderr
