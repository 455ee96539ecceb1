"""What DVC 0.x, 1 and 2 left: read as it is, run and written on in its own kind, brought to DVC 3 when asked."""

from __future__ import annotations

import json

import pytest
from support import Repo, md5

from gitstage.digest import checksum

CLEAN = "Data and pipelines are up to date.\n"


def put(repo: Repo, text: str) -> None:
    """An object where DVC 1 and 2 have it."""
    repo.write({f".dvc/cache/{md5(text)[:2]}/{md5(text)[2:]}": text}, mode=0o444)


@pytest.fixture
def first(project: Repo) -> Repo:
    """A project of DVC 0.x: data in a `.dvc` file, and a stage in a file of its own."""
    put(project, "raw\n")
    put(project, "raw\n7\n")
    project.write({"raw": "raw\n", "out": "raw\n7\n", "params.yaml": "lr: 7\nother: 1\n", ".gitignore": "/raw\n/out\n"})
    project.write({
        "raw.dvc": f"md5: {md5('whatever')}\nouts:\n- md5: {md5('raw' + chr(10))}\n  path: raw\n  cache: true\n"
                   "  metric: false\n  persist: false\nwdir: .\n",
    })  # fmt: skip
    stage = {
        "cmd": "cat raw > out; sed -n 's/lr: //p' params.yaml >> out",
        "deps": [{"md5": md5("raw\n"), "path": "raw"}, {"path": "params.yaml", "params": {"lr": 7}}],
        "outs": [{"md5": md5("raw\n7\n"), "path": "out", "cache": True, "metric": False, "persist": False}],
        "wdir": ".",
    }
    project.write({"out.dvc": json.dumps({"md5": checksum(stage), **stage})})
    project.commit("0.x")
    return project


def test_a_stage_in_a_file_of_its_own_is_read_run_and_written(first: Repo) -> None:
    assert first.stage("status", check=True).stdout == CLEAN
    assert "didn't change" in first.stage("repro", "out.dvc", check=True).stdout
    first.remove("out", "raw")
    first.stage("checkout", check=True)
    assert first.read("out") == "raw\n7\n"
    first.write({"params.yaml": "lr: 8\nother: 1\n"})
    found = json.loads(first.stage("status", "--json", check=True).stdout)
    assert found == {"out.dvc": [{"changed deps": {"params.yaml": {"lr": "modified"}}}]}
    assert "Running stage 'out.dvc'" in first.stage("repro", "-P", check=True).stdout
    assert first.read("out") == "raw\n8\n" and not first.exists("dvc.lock") and not first.exists("dvc.yaml")
    text = first.read("out.dvc")
    assert md5("raw\n8\n") in text and "hash" not in text and "lr: 8" in text.replace('"', "")
    assert first.exists(f".dvc/cache/{md5('raw' + chr(10) + '8' + chr(10))[:2]}")
    assert first.stage("status", check=True).stdout == CLEAN
    first.write({"params.yaml": "lr: 7\nother: 1\n"})
    first.stage("repro", "-P", check=True)
    assert first.read("out") == "raw\n7\n" and first.stage("status", check=True).stdout == CLEAN


def test_a_command_that_was_edited_there_shows(first: Repo) -> None:
    first.write({"out.dvc": first.read("out.dvc").replace("cat raw", "cat  raw")})
    found = json.loads(first.stage("status", "--json", check=True).stdout)
    assert found == {"out.dvc": ["changed checksum"]}
    assert "Running stage 'out.dvc'" in first.stage("repro", "-P", check=True).stdout
    assert first.stage("status", check=True).stdout == CLEAN


def test_other_verbs_know_it(first: Repo) -> None:
    assert "out.dvc" in first.stage("list", "--all", check=True).stdout
    first.stage("freeze", "out.dvc", check=True)
    first.stage("unfreeze", "out.dvc", check=True)
    first.stage("gc", "-w", "-f", check=True)
    first.remove("out")
    first.stage("checkout", "out", check=True)
    first.stage("cache", "migrate", "--dvc-files", check=True)
    assert "hash" in first.read("out.dvc") and first.stage("status", check=True).stdout == CLEAN
    first.stage("remove", "--outs", "out.dvc", check=True)
    assert not first.exists("out") and first.read(".gitignore") == "/raw\n"


def test_a_lock_of_the_first_layout_is_read_and_written_as_the_second(project: Repo) -> None:
    put(project, "one\n")
    entry = f"s:\n  cmd: cp src out\n  deps:\n  - path: src\n    md5: {md5('one' + chr(10))}\n"
    entry += f"  outs:\n  - path: out\n    md5: {md5('one' + chr(10))}\n"
    project.write({"src": "one\n", "dvc.lock": entry, ".gitignore": "/out\n"})
    project.write({"dvc.yaml": "stages:\n  s:\n    cmd: cp src out\n    deps: [src]\n    outs: [out]\n"})
    project.stage("checkout", check=True)
    assert project.stage("status", check=True).stdout == CLEAN and project.read("dvc.lock") == entry
    project.write({"src": "two\n"})
    project.stage("repro", check=True)
    assert project.read("dvc.lock").startswith("schema: '2.0'\nstages:\n  s:\n    cmd: cp src out\n")
    assert project.stage("status", check=True).stdout == CLEAN
