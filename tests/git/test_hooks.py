"""The installed hooks, run by Git itself: what is refused, what is let through, what is restored."""

from __future__ import annotations

import os
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from support import RAN, Repo, md5


@pytest.fixture
def hooked(ran: Repo) -> Repo:
    ran.stage("install", check=True)
    return ran


def head(repo: Repo) -> str:
    return repo.git("rev-parse", "HEAD").strip()


def commit(repo: Repo, *args: str, cwd: str = ".", env: dict[str, str] | None = None) -> CompletedProcess[str]:
    return repo.run("git", "commit", "-m", "a commit", *args, cwd=cwd, env=env)


def passes(repo: Repo, *args: str, cwd: str = ".") -> None:
    before = head(repo)
    got = commit(repo, *args, cwd=cwd)
    assert got.returncode == 0, got.stderr
    assert head(repo) != before


def refused(repo: Repo, *args: str, cwd: str = ".", names: tuple[str, ...] = ("s", "src", "git stage repro")) -> str:
    """The commit is not made, and the message names what is wrong and what repairs it."""
    before = head(repo)
    got = commit(repo, *args, cwd=cwd)
    assert got.returncode == 1, f"exit {got.returncode}\n{got.stdout}{got.stderr}"
    assert head(repo) == before
    for name in names:
        assert name in got.stderr, f"{name!r} is not named\n{got.stderr}"
    assert "Traceback" not in got.stderr
    return got.stderr


# pre-commit: the verdict


def test_consistent_state_passes_and_stale_is_refused_until_repaired(hooked: Repo) -> None:
    hooked.write({"src": "two\n"})
    hooked.git("add", "src")
    message = refused(hooked)
    assert "git add dvc.lock" in message
    hooked.stage("repro", check=True)
    hooked.git("add", "dvc.lock")
    passes(hooked)


def test_the_repair_that_the_message_names_repairs(hooked: Repo) -> None:
    hooked.write({"src": "two\n"})
    hooked.git("add", "src")
    line = next(line for line in refused(hooked).splitlines() if "git stage repro" in line)
    command = line[line.index("git stage repro") :].strip("`'. ").replace("git stage", "git gitstage")
    hooked.run("sh", "-c", command, check=True)
    passes(hooked)


def test_nothing_else_is_touched_by_a_refusal(hooked: Repo) -> None:
    hooked.write({"src": "two\n"})
    hooked.git("add", "src")
    before = hooked.state()
    refused(hooked)
    assert hooked.state() == before


def test_commit_all(hooked: Repo) -> None:
    hooked.write({"src": "two\n"})
    refused(hooked, "-a")
    assert hooked.git("diff", "--cached", "--name-only") == ""
    hooked.stage("repro", check=True)
    passes(hooked, "-a")


def test_commit_of_paths_is_judged_by_those_paths(hooked: Repo) -> None:
    hooked.write({"src": "two\n", "tracked/f": "g\n"})
    hooked.git("add", "src")
    passes(hooked, "tracked/f")
    hooked.stage("repro", check=True)
    hooked.git("add", "dvc.lock")
    refused(hooked, "src")
    refused(hooked, "dvc.lock")
    passes(hooked, "src", "dvc.lock")


def test_amend(hooked: Repo) -> None:
    hooked.write({"tracked/f": "g\n"})
    passes(hooked, "-a")
    passes(hooked, "--amend", "-m", "amended")
    hooked.write({"src": "two\n"})
    hooked.git("add", "src")
    refused(hooked, "--amend")
    hooked.stage("repro", check=True)
    hooked.git("add", "dvc.lock")
    passes(hooked, "--amend", "-m", "amended")


def test_from_a_subdirectory(hooked: Repo) -> None:
    hooked.write({"src": "two\n"})
    hooked.git("add", "src")
    refused(hooked, cwd="tracked")
    hooked.git("reset", "-q")
    refused(hooked, "-a", cwd="tracked")
    refused(hooked, "../src", cwd="tracked")
    hooked.stage("repro", check=True)
    passes(hooked, "-a", cwd="tracked")


def test_linked_worktree_is_judged_by_its_own_index(hooked: Repo) -> None:
    hooked.git("worktree", "add", "-q", "-b", "other", "../linked")
    linked = Repo(hooked.path.parent / "linked", hooked.env)
    linked.write({"src": "two\n"})
    linked.git("add", "src")
    refused(linked)
    hooked.write({"tracked/f": "g\n"})
    passes(hooked, "-a")
    linked.stage("repro", check=True)
    hooked.write({"src": "three\n"})
    hooked.git("add", "src")
    passes(linked, "-a")
    refused(hooked)


def test_stale_index_is_refused_though_the_work_tree_is_fresh(hooked: Repo) -> None:
    hooked.write({"src": "two\n"})
    hooked.git("add", "src")
    hooked.write({"src": "one\n"})
    assert hooked.stage("status", "-q").returncode == 0
    refused(hooked)


def test_repaired_work_tree_does_not_help_a_stale_index(hooked: Repo) -> None:
    hooked.write({"src": "two\n"})
    hooked.git("add", "src")
    hooked.stage("repro", check=True)
    refused(hooked)


def test_fresh_index_passes_though_the_work_tree_is_stale(hooked: Repo) -> None:
    hooked.write({"src": "two\n"})
    hooked.stage("repro", check=True)
    hooked.git("add", "src", "dvc.lock")
    hooked.write({"src": "three\n", "dvc.lock": "garbage: [\n", "dvc.yaml": "nonsense\n"})
    hooked.remove("out")
    passes(hooked)


def test_unrelated_commit_passes_though_the_work_tree_is_stale(hooked: Repo) -> None:
    hooked.write({"src": "two\n", "tracked/f": "g\n"})
    hooked.git("add", "tracked/f")
    passes(hooked)


def test_no_verify(hooked: Repo) -> None:
    hooked.write({"src": "two\n"})
    refused(hooked, "-a")
    passes(hooked, "-a", "--no-verify")


def test_verify_warn_and_off(hooked: Repo) -> None:
    hooked.write({"src": "two\n"})
    hooked.git("config", "gitstage.verify", "block")
    refused(hooked, "-a")
    hooked.git("config", "gitstage.verify", "warn")
    got = commit(hooked, "-a")
    assert got.returncode == 0
    assert "src" in got.stderr
    hooked.write({"src": "three\n"})
    hooked.git("config", "gitstage.verify", "off")
    got = commit(hooked, "-a")
    assert (got.returncode, got.stderr) == (0, "")


def test_setting_of_the_command_line_counts(hooked: Repo) -> None:
    hooked.write({"src": "two\n"})
    refused(hooked, "-a")
    got = hooked.run("git", "-c", "gitstage.verify=off", "commit", "-am", "x")
    assert (got.returncode, got.stderr) == (0, "")


def test_hooks_can_be_switched_off_by_the_environment(hooked: Repo) -> None:
    hooked.write({"src": "two\n"})
    got = commit(hooked, "-a", env={"GITSTAGE_HOOKS": "0"})
    assert (got.returncode, got.stderr) == (0, "")


def test_first_commit(repo: Repo) -> None:
    repo.stage("init", "--hooks", check=True)
    repo.write({"src": "one\n"})
    repo.stage("run", "-n", "s", "-d", "src", "-o", "out", "cp src out", check=True)
    repo.write({"src": "two\n"})
    repo.git("add", "-A")
    got = commit(repo)
    assert got.returncode == 1
    assert "src" in got.stderr
    assert repo.git("rev-parse", "-q", "--verify", "HEAD", check=False) == ""
    repo.write({"src": "one\n"})
    repo.git("add", "-A")
    assert commit(repo).returncode == 0


def test_lost_object_is_refused(hooked: Repo) -> None:
    hooked.write({"src": "two\n"})
    hooked.stage("repro", check=True)
    hooked.git("add", "-A")
    kept = hooked.object(md5("two\n"))
    data = kept.read_bytes()
    kept.unlink()
    refused(hooked, names=("out",))
    kept.write_bytes(data)
    kept.chmod(0o444)
    passes(hooked)


def test_lost_object_inside_a_folder_is_refused(hooked: Repo) -> None:
    hooked.write({"dir/b": "b\n"})
    hooked.stage("add", "dir", check=True)
    hooked.git("add", "-A")
    hooked.object(md5("b\n")).unlink()
    refused(hooked, names=("dir",))


def test_changed_pipeline_that_was_not_run_is_refused(hooked: Repo) -> None:
    hooked.write({"dvc.yaml": RAN.replace("cp src out", "cat src src > out")})
    refused(hooked, "-a", names=("s", "git stage repro"))
    hooked.write({"dvc.yaml": "# only a comment\n" + RAN})
    passes(hooked, "-a")


def test_stage_that_never_ran_is_refused(hooked: Repo) -> None:
    hooked.write({"dvc.yaml": RAN + "  later: {cmd: cp out last, deps: [out], outs: [last]}\n"})
    refused(hooked, "-a", names=("later", "git stage repro"))
    hooked.stage("repro", check=True)
    hooked.git("add", "-A")
    passes(hooked)


def test_data_file_that_a_stage_read_before_is_refused(hooked: Repo) -> None:
    hooked.stage("run", "-n", "t", "-d", "data", "-o", "copy", "cp data copy", check=True)
    hooked.git("add", "-A")
    passes(hooked)
    hooked.write({"data": "e\n"})
    hooked.stage("add", "data", check=True)
    refused(hooked, "-a", names=("t", "data", "git stage repro"))


def test_output_of_one_stage_that_another_read_before_is_refused(hooked: Repo) -> None:
    hooked.stage("run", "-n", "t", "-d", "out", "-o", "last", "cp out last", check=True)
    hooked.git("add", "-A")
    passes(hooked)
    hooked.write({"src": "two\n"})
    hooked.stage("repro", "s", check=True)
    refused(hooked, "-a", names=("t", "out", "git stage repro"))


def test_changed_parameter_is_refused(hooked: Repo) -> None:
    hooked.write({"params.yaml": "lr: 1\nother: 1\n"})
    hooked.stage("run", "-n", "p", "-p", "lr", "-o", "pout", "cp params.yaml pout", check=True)
    hooked.git("add", "-A")
    passes(hooked)
    hooked.write({"params.yaml": "lr: 1\nother: 2\n"})
    passes(hooked, "-a")
    hooked.write({"params.yaml": "lr: 2\nother: 2\n"})
    refused(hooked, "-a", names=("p", "lr", "git stage repro"))


def test_removed_input_is_refused(hooked: Repo) -> None:
    hooked.git("rm", "-q", "src")
    refused(hooked)


def test_input_that_is_not_added_is_refused(hooked: Repo) -> None:
    hooked.write({"forgotten": "1\n"})
    hooked.stage("run", "-n", "t", "-d", "forgotten", "-o", "last", "cp forgotten last", check=True)
    hooked.git("add", "dvc.yaml", "dvc.lock", ".gitignore")
    refused(hooked, names=("t", "forgotten", "git add"))
    hooked.git("add", "forgotten")
    passes(hooked)


@pytest.mark.parametrize("path", ["dvc.lock", "dvc.yaml", "data.dvc"])
def test_staged_garbage_is_refused_by_name(hooked: Repo, path: str) -> None:
    text = hooked.read(path)
    hooked.write({path: f"<<<<<<< HEAD\n{text}=======\n>>>>>>> other\n"})
    refused(hooked, "-a", names=(path,))


def test_content_is_judged_as_it_lies_in_the_work_tree(hooked: Repo) -> None:
    hooked.write({".gitattributes": "*.txt text eol=crlf\n", "lines.txt": "a\r\nb\r\n"})
    hooked.stage("run", "-n", "t", "-d", "lines.txt", "-o", "last", "cp lines.txt last", check=True)
    hooked.git("add", "-A")
    assert hooked.git("cat-file", "blob", ":lines.txt") == "a\nb\n"
    passes(hooked)
    hooked.write({"lines.txt": "a\r\nc\r\n"})
    refused(hooked, "-a", names=("t", "lines.txt"))


def test_repository_without_a_project_is_left_in_peace(hooked: Repo) -> None:
    hooked.git("checkout", "-q", "--orphan", "plain")
    hooked.git("rm", "-rqf", ".")
    hooked.write({"only": "1\n"})
    hooked.git("add", "only")
    got = commit(hooked)
    assert (got.returncode, got.stderr) == (0, "")


@pytest.mark.parametrize(
    "setting", [["core.splitIndex", "true"], ["index.version", "4"], ["core.untrackedCache", "true"]]
)
def test_every_kind_of_index(hooked: Repo, setting: list[str]) -> None:
    hooked.git("config", *setting)
    hooked.git("update-index", "--split-index" if "split" in setting[0] else "--force-write-index")
    hooked.write({"src": "two\n"})
    refused(hooked, "-a")
    hooked.stage("repro", check=True)
    passes(hooked, "-a")


def test_sha256_repository(tmp_path: Path, environment: dict[str, str]) -> None:
    repo = Repo(tmp_path / "repo", environment)
    repo.path.mkdir()
    repo.git("init", "-q", "-b", "main", "--object-format=sha256")
    repo.stage("init", "--hooks", check=True)
    repo.write({"src": "one\n"})
    repo.stage("run", "-n", "s", "-d", "src", "-o", "out", "cp src out", check=True)
    repo.git("add", "-A")
    assert commit(repo).returncode == 0
    repo.write({"src": "two\n"})
    refused(repo, "-a")


# install


def test_earlier_hook_runs_first_and_comes_back(ran: Repo) -> None:
    ran.write({".git/hooks/pre-commit": "#!/bin/sh\necho earlier >> log\n[ ! -e veto ]\n"}, mode=0o755)
    text = ran.read(".git/hooks/pre-commit")
    ran.stage("install", check=True)
    ran.stage("install", check=True)
    ran.write({"src": "two\n"})
    refused(ran, "-a")
    assert ran.read("log") == "earlier\n"
    ran.write({"src": "one\n", "tracked/f": "g\n", "veto": ""})
    assert commit(ran, "-a").returncode == 1
    ran.remove("veto")
    passes(ran, "-a")
    ran.stage("uninstall", check=True)
    assert ran.read(".git/hooks/pre-commit") == text
    assert not ran.exists(".git/hooks/post-checkout")


def test_uninstalled_hooks_refuse_nothing(hooked: Repo) -> None:
    hooked.stage("uninstall", check=True)
    hooked.write({"src": "two\n"})
    passes(hooked, "-a")


def test_hooks_path_of_the_settings_is_used(ran: Repo) -> None:
    ran.git("config", "core.hooksPath", "my hooks")
    (ran.path / "my hooks").mkdir()
    ran.stage("install", check=True)
    assert os.access(ran.path / "my hooks/pre-commit", os.X_OK)
    assert not ran.exists(".git/hooks/pre-commit")
    ran.write({"src": "two\n"})
    refused(ran, "-a")


# post-checkout


@pytest.fixture
def branches(hooked: Repo) -> Repo:
    """Branch `two` has other contents, branch `bare` has neither stage nor data; on main, `out` is "one"."""
    hooked.git("checkout", "-q", "-b", "two")
    hooked.write({"src": "two\n", "data": "e\n", "dir/b": "b\n"})
    hooked.stage("add", "data", "dir", check=True)
    hooked.stage("repro", check=True)
    hooked.commit("two")
    hooked.git("checkout", "-q", "-b", "bare", "main~1")
    hooked.git("checkout", "-q", "main")
    assert contents(hooked) == MAIN
    return hooked


MAIN = {"out": "one\n", "data": "d\n", "dir/a": "a\n"}
TWO = {"out": "two\n", "data": "e\n", "dir/a": "a\n", "dir/b": "b\n"}


def contents(repo: Repo) -> dict[str, str]:
    """The outputs in the work tree."""
    return {path: repo.read(path) for path in ("out", "data", "dir/a", "dir/b") if repo.exists(path)}


def test_branch_switch_brings_the_data(branches: Repo) -> None:
    for name, wanted in (("two", TWO), ("main", MAIN), ("two", TWO), ("main~1", {}), ("main", MAIN)):
        got = branches.run("git", "checkout", "-q", name)
        assert got.returncode == 0
        assert len(got.stderr.splitlines()) <= 3
        assert contents(branches) == wanted
        assert branches.stage("status", "-q").returncode == 0
        assert branches.git("status", "--porcelain") == ""


def test_git_switch_and_a_subdirectory(branches: Repo) -> None:
    branches.git("switch", "-q", "two", cwd="tracked")
    assert contents(branches) == TWO
    branches.git("-C", str(branches.path), "switch", "-q", "main", cwd="..")
    assert contents(branches) == MAIN


def test_new_branch_does_nothing(branches: Repo) -> None:
    branches.write({"out": "by hand\n"})
    before = branches.tree()
    got = branches.run("git", "checkout", "-b", "new")
    assert (got.returncode, got.stderr) == (0, "Switched to a new branch 'new'\n")
    assert branches.tree() == before


def test_file_checkout_leaves_outputs_alone(branches: Repo) -> None:
    branches.write({"tracked/f": "changed\n", "out": "by hand\n"})
    assert branches.run("git", "checkout", "-q", "--", "tracked/f").returncode == 0
    assert branches.read("out") == "by hand\n"


def test_outputs_that_the_branch_does_not_have_go_if_they_are_kept(branches: Repo) -> None:
    branches.write({"data": "by hand\n"})
    got = branches.run("git", "checkout", "-q", "bare")
    assert got.returncode == 0
    assert contents(branches) == {"data": "by hand\n"}
    assert "data" in got.stderr
    assert branches.object(md5("one\n")).exists()


def test_edited_output_is_left_alone_with_a_message(branches: Repo) -> None:
    branches.write({"out": "by hand\n"})
    got = branches.run("git", "checkout", "-q", "two")
    assert got.returncode == 0
    assert "out" in got.stderr
    assert "git stage checkout" in got.stderr
    assert "Traceback" not in got.stderr
    assert contents(branches) == TWO | {"out": "by hand\n"}
    branches.git("checkout", "-q", "main")
    assert branches.read("out") == "by hand\n"


def test_extra_file_in_a_folder_is_left_alone(branches: Repo) -> None:
    branches.write({"dir/mine": "mine\n"})
    got = branches.run("git", "checkout", "-q", "bare")
    assert got.returncode == 0
    assert branches.read("dir/mine") == "mine\n"
    assert "dir" in got.stderr


def test_missing_object_does_not_fail_the_switch(branches: Repo) -> None:
    branches.object(md5("two\n")).unlink()
    got = branches.run("git", "checkout", "-q", "two")
    assert got.returncode == 0
    assert "out" in got.stderr
    assert contents(branches).items() >= {"data": "e\n", "dir/b": "b\n"}.items()


def test_garbage_on_the_branch_does_not_fail_the_switch(branches: Repo) -> None:
    branches.git("checkout", "-q", "-b", "garbage")
    branches.write({"dvc.lock": "garbage: [\n"})
    branches.git("commit", "-q", "--no-verify", "-am", "garbage")
    branches.git("checkout", "-q", "main")
    got = branches.run("git", "checkout", "-q", "garbage")
    assert got.returncode == 0
    assert "dvc.lock" in got.stderr
    assert "Traceback" not in got.stderr
    assert branches.exists("data")


def test_switched_off_hooks_restore_nothing(branches: Repo) -> None:
    got = branches.run("git", "checkout", "-q", "two", env={"GITSTAGE_HOOKS": "0"})
    assert (got.returncode, got.stderr) == (0, "")
    assert contents(branches) == MAIN
    branches.stage("checkout", check=True)
    assert contents(branches) == TWO


def test_what_a_switched_off_switch_missed_comes_with_the_next(branches: Repo) -> None:
    branches.git("checkout", "-q", "two", env={"GITSTAGE_HOOKS": "0"})
    branches.git("checkout", "-q", "-f", "two")
    assert contents(branches) == TWO


def test_new_worktree_gets_the_data_of_the_shared_cache(branches: Repo) -> None:
    got = branches.run("git", "worktree", "add", "-q", "../linked", "two")
    assert got.returncode == 0
    linked = Repo(branches.path.parent / "linked", branches.env)
    assert contents(linked) == TWO
    assert linked.stage("status", "-q").returncode == 0
    assert contents(branches) == MAIN


def test_clone_without_the_data_is_told_how_to_get_it(branches: Repo) -> None:
    branches.git("clone", "-q", ".", "../clone")
    clone = Repo(branches.path.parent / "clone", branches.env)
    clone.stage("install", check=True)
    got = clone.run("git", "checkout", "-q", "two")
    assert got.returncode == 0
    assert "git stage pull" in got.stderr
    assert len(got.stderr.splitlines()) <= 6
    assert contents(clone) == {}


def test_data_that_a_clone_does_not_have_is_no_reason(hooked: Repo) -> None:
    """A stage that the commit does not touch may have its outputs elsewhere; one that it touches may not."""
    hooked.stage("run", "-n", "other", "-d", "tracked/f", "-o", "other", "cp tracked/f other", check=True)
    passes(hooked, "-a")
    hooked.git("add", "-A")
    hooked.run("git", "commit", "-q", "-m", "other")
    hooked.remove(*(f".dvc/cache/files/md5/{md5('one' + chr(10))[:2]}/{md5('one' + chr(10))[2:]}",))
    hooked.write({"tracked/f": "changed\n"})
    hooked.stage("repro", "-s", "other", check=True)
    passes(hooked, "-a")
    hooked.write({"dvc.lock": hooked.read("dvc.lock").replace("size: 4", "size: 5")})
    refused(hooked, "-a", names=("s", "out"))


def test_what_concerns_a_stage_follows_the_values_of_its_templates(hooked: Repo) -> None:
    pipeline = "stages:\n  t:\n    cmd: cp ${from} made\n    deps:\n    - ${from}\n    outs:\n    - made\n"
    hooked.write({"more/dvc.yaml": pipeline, "more/params.yaml": "from: one\n", "more/one": "1\n", "more/two": "2\n"})
    hooked.stage("repro", "-P", check=True)
    hooked.git("add", "-A")
    passes(hooked)
    hooked.write({"more/params.yaml": "from: two\n"})
    hooked.stage("repro", "-P", check=True)
    hooked.git("add", "-A")
    passes(hooked)
    hooked.write({"more/one": "changed\n"})
    passes(hooked, "-a")
    hooked.write({"more/two": "changed\n"})
    refused(hooked, "-a", names=("more/dvc.yaml:t", "more/two"))
