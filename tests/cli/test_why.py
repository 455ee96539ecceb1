"""`git stage why`: what changed first, with old and new values, and what follows from it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from support import Repo, md5

PIPELINE = """\
stages:
  a:
    cmd: cp src mid && echo ${lr} >lr
    deps: [src, folder]
    params: [lr, net.depth]
    outs: [mid, lr]
  b:
    cmd: cp mid end
    deps: [mid]
    outs: [end]
  c:
    cmd: cat end data >last
    deps: [end, data]
    outs: [last]
  d:
    cmd: echo x >d
    deps: [src]
    outs: [d]
"""


@pytest.fixture
def ran(project: Repo) -> Repo:
    project.write({
        "dvc.yaml": PIPELINE, "src": "1\n", "data": "d\n", "folder/x": "x\n", "folder/y": "y\n",
        "params.yaml": "lr: 0.1\nnet: {depth: 2}\n",
    })  # fmt: skip
    project.stage("add", "data", check=True)
    project.stage("repro", "-q", check=True)
    project.commit("first")
    return project


def why(repo: Repo, *targets: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(repo.stage("why", "--json", *targets, check=True).stdout)
    return found


def test_nothing_to_explain(ran: Repo) -> None:
    assert why(ran) == []
    assert ran.stage("why", check=True).stdout == "Data and pipelines are up to date.\n"
    assert ran.stage("why", "nonsense").returncode == 3


def test_a_parameter(ran: Repo) -> None:
    ran.write({"params.yaml": "lr: 0.2\nnet: {depth: 2}\n"})
    first, second, third = why(ran, "c")
    assert (first["stage"], first["makes_stale"]) == ("a", ["b", "c"])
    command, parameter = first["reasons"]
    assert [(one["kind"], one["text"]) for one in command["words"]] == [
        ("kept", "cp src mid && echo"), ("removed", "0.1"), ("added", "0.2"), ("kept", ">lr"),
    ]  # fmt: skip
    assert (command["path"], command["edited"]) == ("params.yaml", True)
    assert {key: parameter[key] for key in ("kind", "state", "path", "key", "old", "new", "edited")} == {
        "kind": "param", "state": "modified", "path": "params.yaml", "key": "lr", "old": 0.1, "new": 0.2, "edited": True,
    }  # fmt: skip
    assert (second["stage"], second["reasons"], second["needs"]) == ("b", [], [{"path": "mid", "stage": "a"}])
    assert (third["stage"], third["needs"]) == ("c", [{"path": "end", "stage": "b"}])
    assert ran.stage("why", "c", check=True).stdout == (
        "a: is stale\n"
        "    command: cp src mid && echo [-0.1-] {+0.2+} >lr\n"
        '        params.yaml: COMMIT 2017-07-14 A: "first"; edited since, not committed\n'
        "    parameter params.yaml: lr: 0.1 -> 0.2\n"
        '        COMMIT 2017-07-14 A: "first"; edited since, not committed\n'
        "    and so do not hold: b, c\n"
        "\n"
        "b: is stale\n"
        "    needs mid, which a has to make first\n"
        "\n"
        "c: is stale\n"
        "    needs end, which b has to make first\n"
    ).replace("COMMIT", ran.git("rev-parse", "HEAD")[:9])
    assert [one["stage"] for one in why(ran, "d")] == []


def test_inputs_and_the_commits_that_touched_them(ran: Repo) -> None:
    ran.write({"src": "2\n"})
    changed = ran.commit("new source")
    ran.commit("later", "--allow-empty")
    ran.write({"data": "e\n", "folder/x": "xx\n", "folder/z": "z\n"})
    found = {one["stage"]: one for one in why(ran)}
    a, data, c, d = (found[name] for name in ("a", "data.dvc", "c", "d"))
    source, folder = a["reasons"]
    assert (source["path"], source["old"], source["new"]) == ("src", md5("1\n"), md5("2\n"))
    assert (source["commit"]["id"], source["commit"]["subject"], source["edited"]) == (changed, "new source", False)
    assert (folder["path"], folder["state"], folder["edited"]) == ("folder", "modified", True)
    assert (data["stage"], data["reasons"][0]["kind"], data["makes_stale"]) == ("data.dvc", "out", ["c"])
    (changed_data,) = c["reasons"]
    assert (changed_data["path"], changed_data["made_by"], changed_data["old"]) == ("data", "data.dvc", md5("d\n"))
    assert d["reasons"][0]["path"] == "src"
    text = ran.stage("why", "d", check=True).stdout
    assert f"input src: {md5('1' + chr(10))[:8]} -> {md5('2' + chr(10))[:8]}\n        {changed[:9]} 2017-07-14" in text


def test_outputs_lists_and_what_never_ran(ran: Repo) -> None:
    ran.remove("mid")
    ran.write(
        {
            "dvc.yaml": PIPELINE.replace("deps: [src, folder]", "deps: [folder, data]")
            + "  e: {cmd: 'true', deps: [last]}\n"
        }
    )
    found = {one["stage"]: one for one in why(ran)}
    kinds = {(one["kind"], one["path"], one["state"]) for one in found["a"]["reasons"]}
    assert kinds == {("dep", "data", "new"), ("dep", "src", "removed"), ("out", "mid", "deleted")}
    assert found["e"]["never_ran"]
    text = ran.stage("why", check=True).stdout
    assert "input src: no longer declared\n" in text
    assert "input data: nothing recorded -> " in text
    assert "output mid: is not there\n" in text
    assert "e: has never run\n" in text


def test_files_of_a_directory(ran: Repo) -> None:
    ran.write({
        "dvc.yaml": "stages:\n  m: {cmd: 'mkdir -p made && cp src made/s && cp src made/t', deps: [src], outs: [made]}\n"
        "  u: {cmd: 'cp made/s used', deps: [made], outs: [used]}\n"
    })  # fmt: skip
    ran.stage("repro", "-q", check=True)
    ran.write({"made/s": "edited\n", "made/new": "n\n"})
    ran.remove("made/t")
    found = {one["stage"]: one for one in why(ran, "u")}
    assert found["u"]["reasons"][0]["files"] == {"new": "added", "s": "modified", "t": "deleted"}
    assert found["u"]["reasons"][0]["made_by"] == "m"
    assert "        modified: s\n" in ran.stage("why", "u", check=True).stdout


def test_a_record_that_no_run_gave(ran: Repo) -> None:
    lock = ran.read("dvc.lock")
    ran.write({"dvc.lock": lock.replace(md5("1\n"), md5("2\n"), 1), "src": "2\n"})
    assert ran.read("dvc.lock") != lock
    found = {one["stage"]: one for one in why(ran)}
    assert ("record", "edited") in {(one["kind"], one["state"]) for one in found["a"]["reasons"]}
    assert "no run known here gave its entry in dvc.lock" in ran.stage("why", check=True).stdout
