"""Whatever makes a result stale is reported with its own reason: in text, in JSON, and before a run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from support import RAN, Repo, md5

CLEAN = "Data and pipelines are up to date.\n"


def dep_edited(repo: Repo) -> None:
    repo.write({"src": "two\n"})


def dep_removed_from_disk(repo: Repo) -> None:
    repo.remove("src")


def dep_added_to_the_list(repo: Repo) -> None:
    repo.write({"dvc.yaml": RAN.replace("[src]", "[src, data]")})


def dep_removed_from_the_list(repo: Repo) -> None:
    repo.write({"dvc.yaml": RAN.replace("[src]", "[data]").replace("cp src", "cp data")})
    repo.stage("repro", check=True)
    repo.write({"dvc.yaml": RAN.replace("[src]", "[]").replace("cp src", "cp data")})


def command_changed(repo: Repo) -> None:
    repo.write({"dvc.yaml": RAN.replace("cp src", "cp -p src")})


def output_edited(repo: Repo) -> None:
    repo.write({"out": "by hand\n"})


def output_removed(repo: Repo) -> None:
    repo.remove("out")


def object_missing(repo: Repo) -> None:
    repo.object(md5("one\n")).unlink()


def object_corrupt(repo: Repo) -> None:
    path = repo.object(md5("one\n"))
    path.chmod(0o644)
    path.write_text("rot\n")
    path.chmod(0o444)


def lock_edited(repo: Repo) -> None:
    """As if the new input had given the old output."""
    repo.write({"src": "two\n"})
    repo.write({"dvc.lock": repo.read("dvc.lock").replace(md5("one\n"), md5("two\n"), 1)})


CASES = [
    (dep_edited, [], {"changed deps": {"src": "modified"}}, "dependency src was modified"),
    (dep_removed_from_disk, [], {"changed deps": {"src": "deleted"}}, "dependency src is missing"),
    (dep_added_to_the_list, [], {"changed deps": {"data": "new"}}, "dependency data was added"),
    (dep_removed_from_the_list, [], {"changed deps": {"data": "removed"}}, "dependency data is no longer declared"),
    (command_changed, [], "changed command", "its command changed"),
    (output_edited, [], {"changed outs": {"out": "modified"}}, "output out was modified"),
    (output_removed, [], {"changed outs": {"out": "deleted"}}, "output out is missing"),
    (object_missing, [], {"changed outs": {"out": "not in cache"}}, "output out is lost from the cache"),
    (object_corrupt, ["--cache"], {"changed outs": {"out": "corrupt in cache"}}, None),
    (
        lock_edited,
        [],
        "never run: no run known here gave its entry in dvc.lock",
        "no run known here gave its entry in dvc.lock",
    ),
]


@pytest.mark.parametrize(
    ("change", "options", "item", "reason"), CASES, ids=lambda value: value.__name__ if callable(value) else ""
)
def test_each_cause_has_its_own_reason(
    ran: Repo, change: Callable[[Repo], None], options: list[str], item: object, reason: str | None
) -> None:
    assert ran.stage("status", "--cache", check=True).stdout == CLEAN
    change(ran)
    before = ran.tree()
    assert json.loads(ran.stage("status", "--json", "-v", *options, check=True).stdout) == {"s": [item]}
    text = ran.stage("status", *options, check=True).stdout
    words = [item] if isinstance(item, str) else [f"{next(iter(entry.values()))}:" for entry in item.values()]
    assert re.search(rf"^s:\n.*{re.escape(words[0])}", text, re.DOTALL), text
    assert ran.stage("status", "-q", *options).returncode == 1
    assert ran.tree() == before
    if reason is not None:
        said = ran.stage("repro", "-v", "--dry").stderr
        assert f"stage 's' runs because {reason}" in said, said


def test_dvc_reads_the_words_it_knows(ran: Repo) -> None:
    dep_added_to_the_list(ran)
    assert ran.stage("status", "--json").stdout == ran.dvc("status", "--json").stdout


def test_an_input_that_is_edited_during_the_run(ran: Repo) -> None:
    ran.write({"dvc.yaml": RAN.replace("cp src out", "cp src out; echo late >> src")})
    got = ran.stage("repro")
    assert got.returncode == 5
    assert "src changed while the command ran; the outputs stay, but nothing was recorded" in got.stderr
    found = json.loads(ran.stage("status", "--json", check=True).stdout)
    assert found["s"][0] == {"changed deps": {"src": "modified"}} and "changed command" in found["s"]


def test_a_directory_with_a_corrupt_file(ran: Repo) -> None:
    path = ran.object(md5("a\n"))
    path.chmod(0o644)
    path.write_text("b\n")
    path.chmod(0o444)
    assert ran.stage("status", check=True).stdout == CLEAN
    got = json.loads(ran.stage("status", "--json", "--cache", check=True).stdout)
    assert got == {"dir.dvc": [{"changed outs": {"dir": "corrupt in cache"}}]}
    assert path.read_text() == "b\n"


def test_a_lock_from_another_commit_or_tool_is_no_edit(ran: Repo) -> None:
    """What a run recorded is believed, whoever ran it and wherever it is committed."""
    ran.write({"src": "two\n"})
    ran.dvc("repro", check=True)
    assert ran.stage("status", check=True).stdout == CLEAN
    ran.git("checkout", "-q", "-b", "other")
    ran.commit("two")
    ran.git("checkout", "-q", "main")
    ran.remove(".dvc/cache/runs")
    ran.git("checkout", "-q", "other", "--", "dvc.lock", "src")
    ran.stage("checkout", check=True)
    assert ran.stage("status", check=True).stdout == CLEAN


def test_an_edited_lock_is_run_again_or_accepted(ran: Repo) -> None:
    ran.write({"dvc.yaml": RAN.replace("cp src out", "cp src out; echo more >> out")})
    ran.stage("repro", check=True)
    ran.commit("more")
    lock_edited(ran)
    assert ran.stage("commit", "s").returncode == 1
    edited = ran.read("dvc.lock")
    assert "Running stage 's'" in ran.stage("repro", check=True).stdout
    assert ran.read("out") == "two\nmore\n"
    ran.write({"dvc.lock": edited, "out": "one\nmore\n"})
    assert ran.stage("status", check=True).stdout != CLEAN
    ran.stage("commit", "-f", "s", check=True)
    assert ran.stage("status", check=True).stdout == CLEAN


def test_a_record_that_left_no_result_is_not_called_edited(ran: Repo) -> None:
    ran.write({"src": "two\n"})
    ran.stage("repro", "--no-commit", check=True)
    ran.stage("commit", check=True)
    assert ran.stage("status", "--json", check=True).stdout == "{}\n"


def test_a_run_of_dvc_that_left_no_result_is_not_called_edited(ran: Repo) -> None:
    """`dvc commit` files no result after `dvc repro --no-commit`; but what is there, something made."""
    ran.write({"src": "two\n"})
    ran.dvc("repro", "--no-commit", check=True)
    ran.dvc("commit", check=True)
    assert ran.stage("status", "--json", check=True).stdout == "{}\n"
    ran.write({"src": "three\n"})
    ran.dvc("repro", check=True)
    ran.write({"src": "two\n", "dvc.lock": ran.read("dvc.lock").replace(md5("three\n"), md5("two\n"), 1)})
    got = json.loads(ran.stage("status", "--json", check=True).stdout)
    assert got == {
        "s": ["never run: no run known here gave its entry in dvc.lock"]
    }  # the output is that of a known run


def test_nothing_is_called_edited_where_known_results_are_lost(ran: Repo) -> None:
    ran.write({"src": "two\n"})
    ran.stage("repro", check=True)
    ran.remove(".dvc/cache/runs")
    assert ran.stage("status", "--json", check=True).stdout == "{}\n"


def test_a_frozen_stage_that_always_runs_is_shown_and_does_not_run(ran: Repo) -> None:
    ran.append("dvc.yaml", "    frozen: true\n    always_changed: true\n")
    assert ran.stage("status", "--json", check=True).stdout == '{"s": ["always changed"]}\n'
    assert "Running" not in ran.stage("repro", check=True).stdout
