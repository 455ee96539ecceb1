"""`git-stage repro`: runs what changed, and only that."""

from __future__ import annotations

import re

import pytest
from support import Repo, md5

PIPELINE = """\
# the pipeline
stages:
  prepare:   # first
    cmd: cut -c1-3 src > prep; echo p >> ../log
    deps:
      - src

    outs:
      - prep
  # second
  featurize:
    cmd: cat prep prep > feat; echo f >> ../log
    deps: [prep]
    outs: [feat]
  aside:
    cmd: cp other side; echo a >> ../log
    deps: [other]
    outs: [side]
"""


@pytest.fixture
def ran(project: Repo) -> Repo:
    """Three stages that have run: src -> prep -> feat, and other -> side."""
    project.write({"src": "one\n", "other": "x\n", "dvc.yaml": PIPELINE})
    project.stage("repro", check=True)
    project.commit("ran")
    project.remove("../log")
    return project


def log(repo: Repo) -> str:
    """Which stages' commands ran since the last look, one letter each."""
    if not repo.exists("../log"):
        return ""
    text = repo.read("../log").replace("\n", "")
    repo.remove("../log")
    return text


def skipped(text: str) -> list[str]:
    return re.findall(r"^Stage '(\w+)' didn't change, skipping$", text, re.M)


def running(text: str) -> list[str]:
    return re.findall(r"^Running stage '(\w+)':$", text, re.M)


def test_nothing_to_do(ran: Repo) -> None:
    before = ran.state()
    got = ran.stage("repro", check=True)
    assert skipped(got.stdout) == ["prepare", "featurize", "aside"]
    assert got.stdout.endswith("Data and pipelines are up to date.\n")
    assert running(got.stdout) == []
    assert log(ran) == ""
    assert ran.state() == before


def test_runs_in_order_of_the_graph_not_of_the_file(project: Repo) -> None:
    later = "  b: {cmd: cp a1 b1, deps: [a1], outs: [b1]}\n"
    first = "  a: {cmd: cp src a1, deps: [src], outs: [a1]}\n"
    project.write({"src": "1\n", "dvc.yaml": "stages:\n" + later + first})
    assert running(project.stage("repro", check=True).stdout) == ["a", "b"]


def test_exactly_the_changed_stage_runs(ran: Repo) -> None:
    ran.write({"other": "y\n"})
    got = ran.stage("repro", check=True)
    assert (running(got.stdout), skipped(got.stdout)) == (["aside"], ["prepare", "featurize"])
    assert log(ran) == "a"
    assert ran.read("side") == "y\n"


def test_what_depends_on_it_runs_too(ran: Repo) -> None:
    ran.write({"src": "two\n"})
    got = ran.stage("repro", check=True)
    assert (running(got.stdout), skipped(got.stdout)) == (["prepare", "featurize"], ["aside"])
    assert log(ran) == "pf"
    assert ran.read("feat") == "two\ntwo\n"


def test_unchanged_outputs_cut_what_depends_on_them(ran: Repo) -> None:
    ran.write({"src": "one and more\n"})
    got = ran.stage("repro", check=True)
    assert (running(got.stdout), skipped(got.stdout)) == (["prepare"], ["featurize", "aside"])
    assert log(ran) == "p"


def test_changed_command_runs(ran: Repo) -> None:
    ran.write({"dvc.yaml": PIPELINE.replace("cp other side", "cat other > side")})
    assert running(ran.stage("repro", check=True).stdout) == ["aside"]
    assert "cmd: cat other > side; echo a >> ../log\n" in ran.read("dvc.lock")


def test_touched_but_equal_input_is_no_change(ran: Repo) -> None:
    ran.write({"src": "one\n"})
    assert running(ran.stage("repro", check=True).stdout) == []


def test_same_size_and_second_is_a_change(ran: Repo) -> None:
    (ran.path / "src").write_text("eno\n")
    assert running(ran.stage("repro", check=True).stdout) == ["prepare", "featurize"]


def test_earlier_result_comes_from_the_run_cache(ran: Repo) -> None:
    ran.write({"src": "two\n"})
    ran.stage("repro", check=True)
    assert log(ran) == "pf"
    ran.write({"src": "one\n"})
    got = ran.stage("repro", check=True)
    for stage in ("prepare", "featurize"):
        assert f"Stage '{stage}' is cached - skipping run, checking out outputs\n" in got.stdout
    assert log(ran) == ""
    assert (ran.read("prep"), ran.read("feat")) == ("one\n", "one\none\n")
    assert ran.git("status", "--porcelain", "dvc.lock") == ""


def test_deleted_output_is_restored_without_a_run(ran: Repo) -> None:
    ran.remove("prep", "feat")
    got = ran.stage("repro", check=True)
    assert running(got.stdout) == []
    assert (log(ran), ran.read("prep"), ran.read("feat")) == ("", "one\n", "one\none\n")


def test_lost_object_and_output_are_made_again(ran: Repo) -> None:
    ran.object(md5("x\n")).unlink()
    ran.remove("side")
    got = ran.stage("repro", check=True)
    assert running(got.stdout) == ["aside"]
    assert ran.object(md5("x\n")).read_text() == ran.read("side") == "x\n"


def test_files_of_the_user_are_not_rewritten(ran: Repo) -> None:
    ran.write({"src": "two\n"})
    ran.stage("repro", check=True)
    assert ran.read("dvc.yaml") == PIPELINE
    assert ran.git("status", "--porcelain").splitlines() == [" M dvc.lock", " M src"]


def test_force_runs_what_did_not_change(ran: Repo) -> None:
    before = ran.tree()
    got = ran.stage("repro", "-f", "aside", check=True)
    assert running(got.stdout) == ["aside"]
    assert ran.tree() == before


def test_targets_take_what_they_depend_on(ran: Repo) -> None:
    ran.write({"src": "two\n", "other": "y\n"})
    assert running(ran.stage("repro", "featurize", check=True).stdout) == ["prepare", "featurize"]
    assert log(ran) == "pf"


def test_single_item(ran: Repo) -> None:
    ran.write({"src": "two\n"})
    assert running(ran.stage("repro", "-s", "featurize", check=True).stdout) == []
    assert running(ran.stage("repro", "-s", "prepare", check=True).stdout) == ["prepare"]
    assert log(ran) == "p"


def test_downstream(ran: Repo) -> None:
    ran.write({"src": "two\n", "other": "y\n"})
    got = ran.stage("repro", "--downstream", "prepare", check=True)
    assert running(got.stdout) == ["prepare", "featurize"]


def test_dry_changes_nothing(ran: Repo) -> None:
    ran.write({"src": "two\n"})
    before = ran.state()
    got = ran.stage("repro", "--dry", check=True)
    assert running(got.stdout)[0] == "prepare"
    assert log(ran) == ""
    assert ran.state() == before


def test_failure_stops_what_comes_after(ran: Repo) -> None:
    ran.write({"dvc.yaml": PIPELINE.replace("cut -c1-3 src > prep", "false"), "other": "y\n"})
    got = ran.stage("repro")
    assert got.returncode == 5
    assert running(got.stdout) == ["prepare"]
    assert log(ran) == "p"


def test_failure_keeps_what_succeeded_before(ran: Repo) -> None:
    ran.write({"dvc.yaml": PIPELINE.replace("cat prep prep > feat; echo f >> ../log", "exit 9"), "src": "two\n"})
    got = ran.stage("repro")
    assert got.returncode == 5
    assert "featurize" in got.stderr
    assert md5("two\n") in ran.read("dvc.lock")
    assert ran.read("feat") == "one\none\n"


def test_keep_going_does_what_does_not_depend_on_the_failure(ran: Repo) -> None:
    failing = PIPELINE.replace("cut -c1-3 src > prep; echo p >> ../log", "exit 9")
    ran.write({"dvc.yaml": failing, "other": "y\n"})
    got = ran.stage("repro", "-k")
    assert got.returncode == 5
    assert running(got.stdout) == ["prepare", "aside"]
    assert log(ran) == "a"
    assert ran.read("side") == "y\n"


def test_missing_input_is_found_before_outputs_are_touched(ran: Repo) -> None:
    ran.remove("other")
    before = ran.state()
    got = ran.stage("repro", "aside")
    assert got.returncode != 0
    assert "other" in got.stderr
    assert ran.state() == before


def test_changed_data_file_is_recorded_and_used(project: Repo) -> None:
    project.write({"data": "one\n"})
    project.stage("add", "data", check=True)
    project.stage("run", "-n", "copy", "-d", "data", "-o", "out", "cp data out", check=True)
    project.write({"data": "two\n"})
    got = project.stage("repro", check=True)
    assert "Verifying data sources in stage: 'data.dvc'\n" in got.stdout
    assert running(got.stdout) == ["copy"]
    assert md5("two\n") in project.read("data.dvc")
    assert project.object(md5("two\n")).exists()


def test_stages_of_other_folders_are_run_when_needed(project: Repo) -> None:
    project.write(
        {
            "src": "1\n",
            "dvc.yaml": "stages:\n  b: {cmd: cp sub/a1 b1, deps: [sub/a1], outs: [b1]}\n",
            "sub/dvc.yaml": "stages:\n  a: {cmd: cp ../src a1, deps: [../src], outs: [a1]}\n",
        }
    )
    got = project.stage("repro", check=True)
    assert re.findall(r"Running stage '(.*)':", got.stdout) == ["sub/dvc.yaml:a", "b"]
    assert project.exists("sub/dvc.lock")
    assert "didn't change" in project.stage("repro", "sub/dvc.yaml:a", check=True).stdout


def test_quiet(ran: Repo) -> None:
    ran.write({"src": "two\n", "dvc.yaml": PIPELINE.replace("cat prep prep > feat", "cat prep prep > feat; echo said")})
    got = ran.stage("repro", "-q", check=True)
    assert (got.stdout, got.stderr) == ("said\n", "")


def test_an_unsaved_output_that_a_known_result_replaces_is_kept(project: Repo) -> None:
    project.write({"src": "one\n"})
    project.stage("run", "-n", "copy", "-d", "src", "-o", "out", "cp src out", check=True)
    project.write({"src": "two\n"})
    project.stage("repro", check=True)
    project.write({"src": "one\n", "out": "by hand\n"})
    got = project.stage("repro", check=True)
    assert "is cached - skipping run" in got.stdout
    assert project.read("out") == "one\n"
    assert project.read(".dvc/tmp/gitstage/kept/copy/out") == "by hand\n"
    assert ".dvc/tmp/gitstage/kept/copy/out" in got.stderr
