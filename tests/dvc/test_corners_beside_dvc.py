"""What random projects (tests/differential) showed to be different once: each with dvc and git-stage in twins."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from support import Repo, new_repo

IN_A_FOLDER = (
    "stages:\n  s:\n    cmd: mkdir -p made/in && cp src made/in/a && cp src made/b\n    deps: [src]\n    outs: [made]\n"
)


@pytest.fixture
def twins(tmp_path: Path, environment: dict[str, str]) -> list[Repo]:
    """For dvc and for git-stage: a folder with a stage, below a dvc.yaml that has none."""
    repo = new_repo(tmp_path / "dvc", environment)
    repo.stage("init", "--no-hooks", "-q", check=True)
    repo.write({"dvc.yaml": "plots: [sub/made]\n", "sub/dvc.yaml": IN_A_FOLDER, "sub/src": "one\n"})
    repo.commit("first")
    shutil.copytree(repo.path, tmp_path / "ours")
    return [repo, Repo(tmp_path / "ours", environment)]


def test_a_pipeline_file_without_stages_is_that_of_the_whole_project(twins: list[Repo]) -> None:
    theirs, ours = twins
    theirs.dvc("repro", check=True)
    ours.stage("repro", check=True)
    assert ours.read("sub/dvc.lock") == theirs.read("sub/dvc.lock")
    for argv in (["-s"], ["-p"], ["-R", "."], ["--downstream"], ["dvc.yaml"], ["--glob", "x*"]):
        for repo in twins:
            (repo.path / "sub/dvc.lock").unlink(missing_ok=True)
        answers = [theirs.dvc("repro", *argv), ours.stage("repro", *argv)]
        assert len({answer.returncode == 0 for answer in answers}) == 1, argv
        assert len({(repo.path / "sub/dvc.lock").exists() for repo in twins}) == 1, argv
    for repo in twins:
        (repo.path / "sub/dvc.lock").unlink(missing_ok=True)
        (repo.path / "dvc.yaml").unlink()
    for answer in (theirs.dvc("repro", "--glob", "x*"), ours.stage("repro", "--glob", "x*")):
        assert answer.returncode != 0
        assert "dvc.yaml" in answer.stderr
    assert not any((repo.path / "sub/dvc.lock").exists() for repo in twins)


def test_relink_leaves_copies_as_they_are(twins: list[Repo]) -> None:
    theirs, ours = twins
    ours.stage("repro", "-P", check=True)
    shutil.rmtree(theirs.path)
    shutil.copytree(ours.path, theirs.path)
    for repo in twins:
        (repo.path / "sub/made/b").chmod(0o755)
    theirs.dvc("checkout", "--relink", check=True)
    ours.stage("checkout", "--relink", check=True)
    assert ours.tree() == theirs.tree()


def test_folders_of_which_nothing_is_known_are_listed_as_dvc_does(twins: list[Repo]) -> None:
    theirs, ours = twins
    ours.stage("repro", "-P", check=True)
    ours.remove(".dvc/cache")
    shutil.rmtree(theirs.path)
    shutil.copytree(ours.path, theirs.path)
    argv = ["data", "status", "--json", "--granular"]
    found = [json.loads(text.stdout) for text in (theirs.dvc(*argv, check=True), ours.stage(*argv, check=True))]
    for answer in found:
        answer["uncommitted"]["unknown"].sort()
    assert found[0] == found[1]


def test_missing_outputs_alone_are_allowed_of_a_stage_that_never_ran(twins: list[Repo]) -> None:
    theirs, ours = twins
    for repo in twins:
        repo.append("sub/dvc.yaml", "    frozen: true\n  t: {cmd: echo > new, outs: [new]}\n")
    answers = [theirs.dvc("repro", "-P", "--allow-missing"), ours.stage("repro", "-P", "--allow-missing")]
    assert [answer.returncode for answer in answers] == [0, 0]
    assert not (ours.path / "sub/dvc.lock").exists() and ours.tree() == theirs.tree()


def test_a_broken_metrics_file_is_named_as_by_dvc(twins: list[Repo]) -> None:
    theirs, ours = twins
    for repo in twins:
        names = [f"m.{kind}" for kind in ("json", "yaml", "toml", "py")]
        repo.write({"dvc.yaml": f"metrics: [{', '.join(names)}]\n", **dict.fromkeys(names, "[{: '\n")})
    found = [
        json.loads(text.stdout)[""]["data"]
        for text in (r(*["metrics", "show", "--json"]) for r in (theirs.dvc, ours.stage))
    ]
    types = [{path: value["error"]["type"] for path, value in answer.items()} for answer in found]
    assert len(types[0]) == 4 and types[0] == types[1]


@pytest.mark.parametrize("kind", ["hardlink", "symlink", "copy"])
def test_what_can_be_executed_still_can_where_it_is_a_link(twins: list[Repo], kind: str) -> None:
    for repo, tool in zip(twins, (twins[0].dvc, twins[1].stage), strict=True):
        tool("config", "cache.type", kind, check=True)
        repo.write({"tool": "#!/bin/sh\n", "empty": ""}, mode=0o755)
        tool("add", "tool", "empty", check=True)
    theirs, ours = ({p: entry[1] for p, entry in repo.tree().items() if entry[0] == "file"} for repo in twins)
    assert ours["tool.dvc"] and os.access(twins[1].path / "tool", os.X_OK)
    objects = [path for path in theirs if path.startswith(".dvc/cache/files")]
    assert {path: ours.get(path) for path in objects} == {path: theirs[path] for path in objects}
    twins[1].remove("tool")
    twins[1].stage("checkout", "tool.dvc", check=True)
    assert os.access(twins[1].path / "tool", os.X_OK)
