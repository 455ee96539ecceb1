"""`git-stage run`: records a command with its inputs and outputs, runs it, keeps what it made."""

from __future__ import annotations

import json
import os
import re
import signal
import time

import pytest
from support import Repo, kill_group, md5, python, wait_until

ONE = md5("one\n")
COPY = ["run", "-n", "copy", "-d", "src", "-o", "out"]


@pytest.fixture
def copied(project: Repo) -> Repo:
    """A stage `copy` that has run: src -> out."""
    project.write({"src": "one\n"})
    project.stage(*COPY, "cp src out", check=True)
    project.commit("copied")
    return project


def test_runs_and_records(project: Repo) -> None:
    project.write({"src": "one\n"})
    got = project.stage(*COPY, "cp", "src", "out")
    assert (got.returncode, got.stderr) == (0, "")
    assert "Running stage 'copy':\n> cp src out\n" in got.stdout
    assert "Generating lock file 'dvc.lock'\n" in got.stdout
    assert project.read("out") == "one\n"
    assert project.read("dvc.yaml") == (
        "stages:\n  copy:\n    cmd: cp src out\n    deps:\n    - src\n    outs:\n    - out\n"
    )
    entry = f"      hash: md5\n      md5: {ONE}\n      size: 4\n"
    assert project.read("dvc.lock") == (
        "schema: '2.0'\nstages:\n  copy:\n    cmd: cp src out\n"
        f"    deps:\n    - path: src\n{entry}    outs:\n    - path: out\n{entry}"
    )
    assert project.read(".gitignore") == "/out\n"
    kept = project.object(ONE)
    assert (kept.read_text(), kept.stat().st_mode & 0o777) == ("one\n", 0o444)
    assert project.git("status", "-s").splitlines() == ["?? .gitignore", "?? dvc.lock", "?? dvc.yaml", "?? src"]


def test_what_it_says_of_the_lock_the_second_time(copied: Repo) -> None:
    copied.write({"src": "two\n"})
    got = copied.stage("repro", check=True)
    assert "Updating lock file 'dvc.lock'\n" in got.stdout
    assert "Generating" not in got.stdout


def test_output_names_the_command_before_what_it_prints(project: Repo) -> None:
    got = project.stage("run", "-n", "talk", "echo said", check=True)
    assert got.stdout.index("> echo said\n") < got.stdout.index("\nsaid\n")


def test_again_does_nothing_and_says_why(copied: Repo) -> None:
    before = copied.state()
    got = copied.stage(*COPY, "cp src out", check=True)
    assert "Stage 'copy' didn't change, skipping" in got.stdout
    assert "Running" not in got.stdout
    assert copied.state() == before


def test_every_kind_of_input_and_output(project: Repo) -> None:
    project.write({"a": "1\n", "params.yaml": "lr: 0.5\nz: 3\nx: {y: 2}\n", "p.json": '{"k1": 1, "k2": [2]}\n'})
    outs = "out nc m1 m2 pl plnc per pernc"
    got = project.stage(
        *("run", "-n", "all", "-d", "a", "-o", "out", "-O", "nc", "-m", "m1", "-M", "m2", "--plots", "pl"),
        *("--plots-no-cache", "plnc", "--outs-persist", "per", "--outs-persist-no-cache", "pernc", "-p", "lr,z"),
        *("-p", "x.y", "-p", "p.json:k1,k2", "--desc", "my desc", "--always-changed"),
        f"for f in {outs}; do echo $f >> $f; done",
    )
    assert got.returncode == 0, got.stderr
    assert (
        project.read("dvc.yaml")
        == f"""\
stages:
  all:
    desc: my desc
    cmd: for f in {outs}; do echo $f >> $f; done
    deps:
    - a
    params:
    - lr
    - x.y
    - z
    - p.json:
      - k1
      - k2
    outs:
    - nc:
        cache: false
    - out
    - per:
        persist: true
    - pernc:
        cache: false
        persist: true
    metrics:
    - m1
    - m2:
        cache: false
    plots:
    - pl
    - plnc:
        cache: false
    always_changed: true
"""
    )
    lock = project.read("dvc.lock")
    assert "    params:\n      params.yaml:\n        lr: 0.5\n        x.y: 2\n        z: 3\n      p.json:\n" in lock
    assert re.findall(r"- path: (\w+)", lock) == ["a", "m1", "m2", "nc", "out", "per", "pernc", "pl", "plnc"]
    assert project.read(".gitignore") == "/per\n/m1\n/pl\n/out\n"
    cached = {name for name in outs.split() if project.object(md5(name + "\n")).exists()}
    assert cached == {"out", "m1", "pl", "per"}
    project.stage("repro", "all", check=True)
    assert [project.read(name).count("\n") for name in outs.split()] == [1, 1, 1, 1, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("words", "recorded"),
    [
        (["echo", "a b", "", 'c"d', "e 'f'"], """echo "a b" "" c"d "e 'f'\""""),
        (["ls -l | wc"], "ls -l | wc"),
        (["ls", "-d", "src", "-n", "--force"], "ls -d src -n --force"),
        (["echo", "$HOME", "*"], "echo $HOME *"),
    ],
)
def test_words_of_the_command_are_joined_as_dvc_does(project: Repo, words: list[str], recorded: str) -> None:
    got = project.stage("run", "--no-exec", "-n", "words", *words)
    assert (got.returncode, got.stderr) == (0, "")
    assert project.read("dvc.yaml") == f"stages:\n  words:\n    cmd: {recorded}\n"


def test_no_exec_only_writes_the_stage(project: Repo) -> None:
    project.write({"src": "one\n"})
    project.stage(*COPY, "--no-exec", "cp src out", check=True)
    assert "  copy:\n" in project.read("dvc.yaml")
    assert project.read(".gitignore") == "/out\n"
    assert not project.exists("out")
    assert not project.exists("dvc.lock")


def test_no_commit_records_but_keeps_no_object(project: Repo) -> None:
    project.write({"src": "one\n"})
    project.stage(*COPY, "--no-commit", "cp src out", check=True)
    assert ONE in project.read("dvc.lock")
    assert project.read("out") == "one\n"
    assert project.cache() == {}
    project.stage("commit", check=True)
    assert project.object(ONE).exists()


def test_no_run_cache_runs_again(copied: Repo) -> None:
    script = "echo ran >> ../log; cp src out"
    copied.stage("run", "-f", "-n", "copy", "-d", "src", "-o", "out", script, check=True)
    copied.write({"src": "two\n"})
    copied.stage("repro", check=True)
    copied.write({"src": "one\n"})
    got = copied.stage("repro", check=True)
    assert "Stage 'copy' is cached - skipping run, checking out outputs" in got.stdout
    assert copied.read("out") == "one\n"
    assert copied.read("../log") == "ran\n" * 2
    copied.write({"src": "two\n"})
    got = copied.stage("repro", "--no-run-cache", check=True)
    assert "Running stage 'copy'" in got.stdout
    assert copied.read("../log") == "ran\n" * 3


def test_another_command_under_the_same_name_needs_force(copied: Repo) -> None:
    before = copied.state()
    got = copied.stage(*COPY, "cat src src > out")
    assert got.returncode != 0
    assert "copy" in got.stderr
    assert "-f" in got.stderr
    assert copied.state() == before
    copied.stage(*COPY, "-f", "cat src src > out", check=True)
    assert copied.read("out") == "one\none\n"
    assert "cmd: cat src src > out\n" in copied.read("dvc.yaml")


def test_comments_and_order_of_dvc_yaml_survive(project: Repo) -> None:
    text = (
        "# head\n\nvars:\n  - foo: 'bar'   # why\n\nstages:\n"
        "  # before first\n  first:\n    cmd: \"echo 'x'\"   # eol\n\n  # last words\n"
    )
    project.write({"dvc.yaml": text, "src": "one\n"})
    project.stage(*COPY, "cp src out", check=True)
    lines = project.read("dvc.yaml").splitlines()
    assert [line for line in text.splitlines() if line and line not in lines] == []
    assert project.stage("list", "--name-only", check=True).stdout.splitlines() == ["first", "copy"]


def test_wdir_and_paths_relative_to_it(project: Repo) -> None:
    project.write({"src": "one\n", "sub/keep": ""})
    project.stage("run", "-n", "below", "-w", "sub", "-d", "../src", "-o", "out", "cp ../src out", check=True)
    assert project.read("sub/out") == "one\n"
    assert "    wdir: sub\n    deps:\n    - ../src\n    outs:\n    - out\n" in project.read("dvc.yaml")
    assert re.findall(r"path: (.*)", project.read("dvc.lock")) == ["../src", "out"]
    assert project.read("sub/.gitignore") == "/out\n"
    assert not project.exists(".gitignore")


def test_in_a_subdirectory_makes_a_pipeline_there(project: Repo) -> None:
    project.write({"sub/src": "one\n"})
    project.stage("run", "-n", "copy", "-d", "src", "-o", "out", "cp src out; echo $DVC_STAGE", cwd="sub", check=True)
    assert project.exists("sub/dvc.yaml")
    assert project.exists("sub/dvc.lock")
    assert not project.exists("dvc.yaml")
    assert project.stage("status", check=True).stdout == "Data and pipelines are up to date.\n"
    project.append("sub/src", "two\n")
    assert json.loads(project.stage("status", "--json", check=True).stdout) == {
        "sub/dvc.yaml:copy": [{"changed deps": {"sub/src": "modified"}}]
    }


def test_environment_of_the_command(project: Repo) -> None:
    show = "printenv DVC_ROOT DVC_STAGE MINE > out; pwd >> out"
    project.stage("run", "-n", "env", "-o", "out", show, env={"MINE": "kept", "DVC_STAGE": "other"}, check=True)
    root = os.path.realpath(project.path)
    assert project.read("out").splitlines() == [root, "env", "kept", root]


def test_executable_output(project: Repo) -> None:
    project.stage("run", "-n", "tool", "-o", "tool", "echo x > tool; chmod +x tool", check=True)
    assert "      isexec: true\n" in project.read("dvc.lock")
    project.remove("tool")
    project.stage("checkout", check=True)
    assert os.access(project.path / "tool", os.X_OK)


def test_directory_output(project: Repo) -> None:
    project.stage("run", "-n", "dir", "-o", "d", "mkdir -p d/s; echo 1 > d/a; echo 2 > d/s/b", check=True)
    manifest = json.dumps([{"md5": md5("1\n"), "relpath": "a"}, {"md5": md5("2\n"), "relpath": "s/b"}])
    assert f"    - path: d\n      hash: md5\n      md5: {md5(manifest)}.dir\n      size: 4\n      nfiles: 2\n" in (
        project.read("dvc.lock")
    )
    assert project.object(md5(manifest) + ".dir").read_text() == manifest


def test_output_is_streamed_while_the_command_runs(project: Repo) -> None:
    project.write({"src": "one\n"})
    wait = "echo first; echo oops >&2; while [ ! -e go ]; do sleep 0.02; done; cp src out"
    running = project.start("git-stage", *COPY, wait, bufsize=0, text=None, encoding=None)
    assert running.stdout is not None
    assert running.stderr is not None
    seen = b""
    while b"\nfirst\n" not in seen:
        more = os.read(running.stdout.fileno(), 1000)
        assert more, "ended before the first line was seen"
        seen += more
    assert os.read(running.stderr.fileno(), 1000) == b"oops\n"
    assert not project.exists("out")
    project.write({"go": ""})
    running.communicate(timeout=60)
    assert running.returncode == 0


def test_failing_command(copied: Repo) -> None:
    copied.write({"dvc.yaml": copied.read("dvc.yaml").replace("cp src out", "echo broken > out; exit 37")})
    before = copied.state()
    got = copied.stage("repro")
    assert got.returncode == 5
    assert "copy" in got.stderr
    assert "37" in got.stderr
    assert "Traceback" not in got.stderr
    assert copied.read("out") == "one\n"
    assert copied.state() == before


def test_failing_command_brings_back_every_old_output(project: Repo) -> None:
    outs = ["-o", "d", "-O", "nc", "--outs-persist", "per", "-M", "m.json"]
    script = "mkdir d; cp src d/f; cp src nc; cat src >> per; echo {} > m.json; [ -e ok ]"
    project.write({"src": "one\n", "ok": ""})
    project.stage("run", "-n", "many", "-d", "src", *outs, script, check=True)
    project.remove("ok")
    project.write({"src": "two\n", "d/more": "by hand\n"})
    before = project.tree()
    got = project.stage("repro")
    assert got.returncode == 5
    assert {path: entry for path, entry in project.tree().items() if path != "per"} == (
        {path: entry for path, entry in before.items() if path != "per"}
    )


def test_command_that_does_not_make_its_output(project: Repo) -> None:
    got = project.stage("run", "-n", "lazy", "-o", "out", "-o", "never", "echo 1 > out")
    assert got.returncode == 5
    assert "never" in got.stderr
    assert "lazy" in got.stderr
    assert not project.exists("dvc.lock")


def test_input_changed_during_the_run_is_not_recorded(project: Repo) -> None:
    project.write({"src": "one\n", "other": "x\n"})
    script = "cp src out; echo more >> src"
    project.stage("run", "--no-exec", "-n", "race", "-d", "src", "-d", "other", "-o", "out", script, check=True)
    got = project.stage("repro")
    assert got.returncode not in (0, 2)
    assert "src" in got.stderr
    assert "other" not in got.stderr
    assert "Traceback" not in got.stderr
    assert not project.exists("dvc.lock")
    assert project.read("out") == "one\n"
    assert json.loads(project.stage("status", "--json", check=True).stdout)["race"]


def test_input_that_comes_during_the_run_is_a_change_of_a_directory(project: Repo) -> None:
    project.write({"in/a": "1\n"})
    got = project.stage("run", "-n", "race", "-d", "in", "-o", "out", "cat in/* > out; echo new > in/b")
    assert got.returncode not in (0, 2)
    assert "in" in got.stderr
    assert not project.exists("dvc.lock")


def test_ctrl_c(copied: Repo) -> None:
    # a signal that comes while a shell forks gets lost in the child
    script = "echo half > out; trap 'exit 130' INT; touch started; while true; do sleep 0.1; done"
    copied.write({"dvc.yaml": copied.read("dvc.yaml").replace("cp src out", script)})
    before = copied.state()
    running = copied.start("git-stage", "repro")
    wait_until(lambda: copied.exists("started"), what="the command")
    assert copied.read("out") == "half\n"
    begun = time.monotonic()
    kill_group(running, signal.SIGINT)
    _, errors = running.communicate(timeout=30)
    assert running.returncode == 130
    assert time.monotonic() - begun < 10
    assert "Traceback" not in errors
    assert copied.read("out") == "one\n"
    copied.remove("started")
    assert copied.state() == before
    assert "copy" in copied.stage("status", check=True).stdout


def test_ctrl_c_that_the_command_survives_is_still_a_stop(copied: Repo) -> None:
    script = "trap '' INT; touch started; sleep 1; cp src out"
    copied.write({"dvc.yaml": copied.read("dvc.yaml").replace("cp src out", script)})
    lock = copied.read("dvc.lock")
    running = copied.start("git-stage", "repro")
    wait_until(lambda: copied.exists("started"), what="the command")
    kill_group(running, signal.SIGINT)
    running.communicate(timeout=30)
    assert running.returncode == 130
    assert copied.read("dvc.lock") == lock
    assert copied.read("out") == "one\n"


def test_list_of_commands_stops_at_the_first_that_fails(project: Repo) -> None:
    project.write({"dvc.yaml": "stages:\n  l:\n    cmd:\n    - echo 1 >> one\n    - exit 4\n    - echo 3 > three\n"})
    got = project.stage("repro")
    assert got.returncode == 5
    assert "> echo 1 >> one\n> exit 4\n" in got.stdout
    assert project.exists("one")
    assert not project.exists("three")
    project.write({"dvc.yaml": project.read("dvc.yaml").replace("exit 4", "echo 2")})
    project.stage("repro", check=True)
    assert project.exists("three")
    assert "    cmd:\n    - echo 1 >> one\n    - echo 2\n    - echo 3 > three\n" in project.read("dvc.lock")


def test_every_line_of_a_command_has_a_shell_of_its_own(project: Repo) -> None:
    project.write({"dvc.yaml": "stages:\n  m:\n    cmd: |\n      cd /\n      pwd > out\n    outs: [out]\n"})
    got = project.stage("repro", check=True)
    assert "> cd /\n> pwd > out\n" in got.stdout
    assert project.read("out") == os.path.realpath(project.path) + "\n"


def test_shell_of_the_environment_is_used(project: Repo) -> None:
    shell = project.path / "shell"
    project.write({"shell": '#!/bin/sh\necho "$@" >> log\nexec /bin/sh "$@"\n'}, mode=0o755)
    project.stage("run", "-n", "s", "-o", "out", "echo 1 > out", env={"SHELL": str(shell)}, check=True)
    assert project.read("log") == "-c echo 1 > out\n"


def test_command_gets_neither_input_of_ours_nor_git_variables(project: Repo) -> None:
    show = python("import os; print(sorted(k for k in os.environ if k.startswith('GIT_') and 'DIR' in k))")
    project.stage("run", "-n", "env", "-o", "out", show + " > out", check=True)
    assert project.read("out") == "[]\n"


def test_changed_parameter_runs_again(project: Repo) -> None:
    project.write({"params.yaml": "lr: 1\nother: 1\n"})
    project.stage("run", "-n", "p", "-p", "lr", "-o", "out", "cp params.yaml out", check=True)
    project.write({"params.yaml": "lr: 1\nother: 2\n"})
    assert "didn't change" in project.stage("repro", check=True).stdout
    project.write({"params.yaml": "lr: 2\nother: 2\n"})
    assert "Running stage 'p'" in project.stage("repro", check=True).stdout
    assert "        lr: 2\n" in project.read("dvc.lock")


def test_autostage_adds_what_was_written(project: Repo) -> None:
    project.write({".dvc/config": "[core]\n    autostage = true\n", "src": "one\n"})
    project.stage(*COPY, "cp src out", check=True)
    assert project.git("diff", "--cached", "--name-only").splitlines() == [".gitignore", "dvc.lock", "dvc.yaml"]


@pytest.mark.parametrize("kind", ["hardlink", "symlink"])
def test_output_of_a_linked_kind_is_made_anew(project: Repo, kind: str) -> None:
    project.write({".dvc/config": f"[cache]\n    type = {kind}\n", "src": "one\n"})
    project.stage("run", "-n", "w", "-d", "src", "-o", "out", "cat src > out", check=True)
    kept = project.object(md5("one\n"))
    assert os.path.samefile(project.path / "out", kept)
    project.write({"src": "two\n"})
    project.stage("repro", check=True)
    assert (kept.read_text(), project.read("out")) == ("one\n", "two\n")
    assert os.path.samefile(project.path / "out", project.object(md5("two\n")))


def test_a_metric_that_is_not_cached_shares_nothing_with_its_result_in_the_run_cache(project: Repo) -> None:
    project.write({".dvc/config": "[cache]\n    type = hardlink\n", "src": "1\n"})
    project.stage("run", "-n", "w", "-d", "src", "-M", "m.json", "cat src > m.json", check=True)
    project.append("m.json", "2\n")  # in place, as an editor may
    assert project.object(md5("1\n")).read_text() == "1\n"
    project.stage("repro", check=True)
    assert project.read("m.json") == "1\n"
    project.append("m.json", "2\n")
    assert project.object(md5("1\n")).read_text() == "1\n"


def test_an_earlier_output_that_no_cache_has_is_kept(copied: Repo) -> None:
    copied.write({"out": "by hand\n", "src": "two\n"})
    got = copied.stage("repro", check=True)
    assert copied.read("out") == "two\n"
    kept = ".dvc/tmp/gitstage/kept/copy/out"
    assert kept in got.stderr
    assert copied.read(kept) == "by hand\n"


def test_what_a_failed_command_wrote_over_an_earlier_output_is_kept(copied: Repo) -> None:
    copied.write({"dvc.yaml": copied.read("dvc.yaml").replace("cp src out", "echo half > out; exit 3")})
    got = copied.stage("repro")
    assert got.returncode == 5
    assert copied.read("out") == "one\n"
    assert copied.read(".dvc/tmp/gitstage/kept/copy/out") == "half\n"
    assert ".dvc/tmp/gitstage/kept/copy/out" in got.stderr
