"""`git-stage repro -j N`: stages side by side."""

from __future__ import annotations

import json
import os
import signal

import pytest
from support import Repo, kill_group, wait_until

WAIT = (
    "n=0; while [ $(ls *.{group} 2>/dev/null | wc -l) -lt {count} ] && [ $n -lt 300 ]; do sleep 0.05; n=$((n+1)); done"
)


def meeting(name: str, count: int, more: str = "", group: str = "met") -> str:
    """A stage that ends only when `count` stages of its group have begun."""
    wait = WAIT.format(group=group, count=count)
    cmd = f"touch {name}.{group}; {wait}; test $n -lt 300; echo {name} says hello; echo {name} >{name}.out"
    return f"  {name}:\n    cmd: '{cmd}'\n    deps: [src]\n    outs: [{name}.out]\n{more}"


def pipeline(project: Repo, *stages: str) -> None:
    project.write({"src": "1\n", "dvc.yaml": "stages:\n" + "".join(stages)})


def test_stages_run_at_the_same_time_and_the_lock_is_that_of_one_after_another(project: Repo) -> None:
    stages = [meeting(f"s{n}", 4) for n in range(4)]
    after = "  last:\n    cmd: cat s*.out >all\n    deps: [s0.out, s1.out, s2.out, s3.out]\n    outs: [all]\n"
    pipeline(project, after, *reversed(stages))
    got = project.stage("repro", "-j", "8", check=True)
    assert "s2 | s2 says hello" in got.stdout.splitlines()
    assert project.read("all") == "s0\ns1\ns2\ns3\n"
    side_by_side = project.read("dvc.lock")
    assert project.stage("status").stdout == "Data and pipelines are up to date.\n"
    project.remove("dvc.lock")
    project.stage("repro", "-f", check=True)
    assert project.read("dvc.lock") == side_by_side
    assert "runs" not in project.stage("repro", "-j8", check=True).stdout


def test_no_more_than_asked_run_at_once(project: Repo) -> None:
    count = "ls *.now | wc -l >>counts; sleep 0.1; rm {n}.now"
    stages = [
        f"  s{n}:\n    cmd: 'touch {n}.now; {count.format(n=n)}; echo >o{n}'\n    deps: [src]\n    outs: [o{n}]\n"
        for n in range(6)
    ]
    pipeline(project, *stages)
    project.git("config", "gitstage.jobs", "2")
    project.stage("repro", check=True)
    assert {line.strip() for line in project.read("counts").splitlines()} <= {"1", "2"}
    assert "2" in project.read("counts")


@pytest.mark.parametrize("meta", ["mutex: db", "resources: {gpu: 1}"])
def test_scarce_things_are_waited_for(project: Repo, meta: str) -> None:
    more = f"    meta:\n      gitstage:\n        {meta}\n"
    cmd = "test ! -e busy && touch busy && sleep 0.2 && rm busy && echo >{n}.out"
    stages = [f"  s{n}:\n    cmd: '{cmd.format(n=n)}'\n    deps: [src]\n    outs: [{n}.out]\n{more}" for n in range(3)]
    pipeline(project, *stages)
    project.stage("repro", "-j3", check=True)
    assert project.dvc("status", check=True).stdout.strip() == "Data and pipelines are up to date."


def test_more_of_a_resource_lets_more_run(project: Repo) -> None:
    more = "    meta: {gitstage: {resources: {gpu: 1}}}\n"
    pipeline(project, *[meeting(f"s{n}", 2, more) for n in range(2)])
    project.git("config", "gitstage.resources.gpu", "2")
    project.stage("repro", "-j4", check=True)


@pytest.mark.parametrize(
    ("meta", "code", "said"),
    [
        ("{resources: {gpu: 2}}", 3, "needs 2 of gpu, of which there is 1"),
        ("{resources: {gpu: many}}", 3, "not a mapping of names to whole numbers"),
        ("{mutex: {a: b}}", 3, "not a name or a list of names"),
        ("[gpu]", 3, "not a mapping of `resources` and `mutex`"),
    ],
)
def test_what_cannot_be_had_is_said_before_anything_runs(project: Repo, meta: str, code: int, said: str) -> None:
    pipeline(project, meeting("s", 1, f"    meta: {{gitstage: {meta}}}\n"))
    before = project.state()
    got = project.stage("repro", "-j2")
    assert (got.returncode, said in got.stderr) == (code, True), got.stderr
    assert project.state() == before


def test_jobs_must_be_a_number(project: Repo) -> None:
    pipeline(project, meeting("s", 1))
    project.git("config", "gitstage.jobs", "many")
    assert project.stage("repro").returncode == 6
    assert project.stage("repro", "-j0").returncode == 2


FAILS = "  bad:\n    cmd: 'touch bad.met; sleep 0.2; exit 3'\n    deps: [src]\n    outs: [bad.out]\n"
NEVER = "  never:\n    cmd: 'echo >never.out'\n    deps: [s1.out]\n    outs: [never.out]\n"
NEEDS = "  needs:\n    cmd: 'echo >needs.out'\n    deps: [bad.out]\n    outs: [needs.out]\n"


def test_the_first_failure_lets_what_runs_end_and_starts_nothing(project: Repo) -> None:
    slow = "  s1:\n    cmd: 'touch s1.met; sleep 1; echo >s1.out'\n    deps: [src]\n    outs: [s1.out]\n"
    pipeline(project, slow, NEVER, FAILS, NEEDS)
    got = project.stage("repro", "-j2")
    assert got.returncode == 5
    assert "bad" in got.stderr and "exit code 3" in got.stderr
    assert project.exists("s1.out") and not project.exists("never.out") and not project.exists("needs.out")
    assert "s1:" in project.read("dvc.lock") and "bad:" not in project.read("dvc.lock")


def test_keep_going_runs_all_that_does_not_need_the_failed_one(project: Repo) -> None:
    pipeline(project, meeting("s1", 2), NEVER, FAILS, NEEDS)
    got = project.stage("repro", "-j4", "-k")
    assert got.returncode == 5
    assert project.exists("never.out") and not project.exists("needs.out")


def test_an_earlier_output_of_each_failed_stage_returns(project: Repo) -> None:
    cmd = "test ! -e stop && echo {n} >{n}.out"
    stages = [f"  s{n}:\n    cmd: '{cmd.format(n=n)}'\n    deps: [src]\n    outs: [{n}.out]\n" for n in range(3)]
    pipeline(project, *stages)
    project.stage("repro", "-j3", check=True)
    project.write({"stop": "", "src": "2\n"})
    assert project.stage("repro", "-j3", "-k").returncode == 5
    assert [project.read(f"{n}.out") for n in range(3)] == ["0\n", "1\n", "2\n"]
    assert not [name for name in os.listdir(project.path / ".dvc/tmp/gitstage") if name[0].isdigit()]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_all_and_the_earlier_outputs_return(project: Repo, how: signal.Signals) -> None:
    def stage(n: int, more: str = "") -> str:
        cmd = json.dumps(f"echo {n} >s{n}.out{more}")
        return f"  s{n}:\n    cmd: {cmd}\n    deps: [src]\n    outs: [s{n}.out]\n"

    pipeline(project, stage(0), stage(1))
    project.stage("repro", "-j2", check=True)
    lock = project.read("dvc.lock")
    # a signal that comes while a shell forks gets lost in the child
    wait = "; trap 'exit 130' INT; : >s{n}.met; while true; do sleep 0.1; done"
    pipeline(project, *[stage(n, wait.format(n=n)) for n in range(2)])
    process = project.start("git-stage", "repro", "-j2")
    wait_until(lambda: project.exists("s0.met") and project.exists("s1.met"))
    kill_group(process, how)
    assert process.wait(20) == 130
    assert project.read("dvc.lock") == lock
    assert [project.read(f"s{n}.out") for n in range(2)] == ["0\n", "1\n"]
