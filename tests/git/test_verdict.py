"""Commits that Git made without asking, records that merges made up, and the hook that runs what is stale."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support import Repo, new_repo, sealed_environment

# `out` follows `a`; `b` is read, but matters only by its number of lines, so that dvc.lock merges without a conflict.
COMMAND = "cat a > out; wc -l < b >> out; echo ran >> ../runs"


@pytest.fixture(scope="module")
def sides_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Branch x changes input a of stage s, branch y input b; both ran it; hooks are installed, y is checked out.

    Without the merge driver, as merges are made by servers and by those who have no gitstage.
    """
    folder = tmp_path_factory.mktemp("sides")
    made = new_repo(folder / "repo", sealed_environment(folder / "home"))
    made.stage("init", "-q", "--hooks", check=True)
    made.git("config", "--remove-section", "merge.gitstage")
    made.write({"a": "a\n", "b": "b\n"})
    made.stage("run", "-q", "-n", "s", "-d", "a", "-d", "b", "-o", "out", COMMAND, check=True)
    made.stage("run", "-q", "-n", "t", "-d", "out", "-o", "last", "cp out last", check=True)
    made.commit("first")
    for branch, path in (("x", "a"), ("y", "b")):
        made.git("checkout", "-q", "-b", branch, "main")
        made.write({path: f"{path}2\n"})
        made.stage("repro", "-q", check=True)
        made.commit(branch)
    return made.path


@pytest.fixture
def sides(tmp_path: Path, environment: dict[str, str], sides_template: Path) -> Repo:
    shutil.copytree(sides_template, tmp_path / "repo", symlinks=True)
    return Repo(tmp_path / "repo", environment)


NEVER_RUN = "stage 's': was never run: a merge put its record together from both sides"


def runs(repo: Repo) -> int:
    path = repo.path.parent / "runs"
    return len(path.read_text().splitlines()) if path.exists() else 0


def verify(repo: Repo, *words: str) -> tuple[int, str]:
    got = repo.stage("verify", *words)
    return got.returncode, got.stdout


# records that a merge made up


def test_merge_that_makes_up_a_record_is_refused_until_it_is_run(sides: Repo) -> None:
    got = sides.run("git", "merge", "x", "-m", "merged")
    assert got.returncode == 1
    assert NEVER_RUN in got.stderr and "git stage repro s && git add dvc.lock" in got.stderr
    assert json.loads(sides.stage("status", "--json").stdout) == {"s": ["never run: made up by a merge"]}
    assert sides.stage("status", "-q").returncode == 1
    got = sides.run("git", "commit", "-m", "merged")
    assert got.returncode == 1 and NEVER_RUN in got.stderr
    got = sides.stage("commit")
    assert got.returncode == 1 and "git stage commit -f s" in got.stderr
    sides.stage("repro", check=True)
    assert runs(sides) == 1
    assert sides.read("out") == "a2\n1\n"
    assert sides.stage("status", "-q").returncode == 0
    sides.git("commit", "-qam", "merged")
    assert verify(sides) == (0, "1 commit checked, consistent.\n")


def test_merge_that_nobody_checked_is_told_by_status_and_verify(sides: Repo, tmp_path: Path) -> None:
    got = sides.run("git", "merge", "--no-verify", "x", "-m", "merged")
    assert got.returncode == 0
    assert "gitstage: warning: what commit" in got.stderr and NEVER_RUN in got.stderr
    assert json.loads(sides.stage("status", "--json").stdout) == {"s": ["never run: made up by a merge"]}
    code, said = verify(sides, "main..HEAD")
    assert code == 1 and NEVER_RUN in said and said.endswith("3 commits checked, 1 inconsistent.\n")
    sides.git("clone", "-q", "--bare", ".", "../bare")
    bare = Repo(tmp_path / "bare", sides.env)
    code, said = verify(bare)
    assert code == 0 and "note: stage 's': a merge put its record together" in said and "as far as can be told" in said
    assert verify(bare, "--strict")[0] == 1
    sides.git("clone", "-q", "--depth", "1", f"file://{sides.path}", "../shallow")
    code, said = verify(Repo(tmp_path / "shallow", sides.env), "--no-data")
    assert code == 0 and "it is a merge whose parents this shallow clone does not have" in said
    got = sides.stage("repro", check=True)
    assert "Running stage 's'" in got.stdout and runs(sides) == 1
    assert sides.stage("status", "-q").returncode == 0
    assert sides.git("status", "--porcelain") == ""
    assert verify(sides)[0] == 0


def test_run_that_is_in_no_run_cache_counts_too(sides: Repo) -> None:
    sides.git("merge", "-q", "--no-verify", "x", "-m", "merged")
    shutil.rmtree(sides.path / ".dvc/cache/runs")
    sides.stage("commit", "-f", "s", check=True)
    shutil.rmtree(sides.path / ".dvc/cache/runs")
    assert sides.stage("status", "-q").returncode == 0


def test_rebase_makes_up_records_too(sides: Repo) -> None:
    got = sides.run("git", "rebase", "x")
    assert got.returncode == 0
    assert NEVER_RUN in got.stderr


def test_merge_of_other_stages_is_no_reason(sides: Repo) -> None:
    sides.stage("install", check=True)
    sides.git("checkout", "-q", "-b", "z", "main")
    sides.write({"c": "c\n"})
    sides.stage("run", "-q", "-n", "u", "-d", "c", "-o", "third", "cp c third", check=True)
    sides.commit("z")
    got = sides.run("git", "merge", "x", "-m", "merged")
    assert got.returncode == 0, got.stdout + got.stderr
    assert sides.stage("status", "-q").returncode == 0
    assert verify(sides, "main..HEAD")[0] == 0


# commits that Git made without asking


def test_commit_without_verification_is_warned_of(sides: Repo) -> None:
    sides.write({"a": "stale\n"})
    got = sides.run("git", "commit", "-qam", "stale", "--no-verify")
    assert got.returncode == 0
    assert "warning: what commit" in got.stderr and "stage 's': dependency a changed" in got.stderr
    assert "git stage repro s && git add dvc.lock" in got.stderr
    got = sides.run("git", "revert", "--no-edit", "HEAD")
    assert (got.returncode, got.stderr) == (0, "")
    got = sides.run("git", "revert", "--no-edit", "HEAD")
    assert got.returncode == 0 and "stage 's': dependency a changed" in got.stderr
    sides.git("checkout", "-q", "x", check=False)
    sides.git("checkout", "-q", "-B", "other", "main")
    got = sides.run("git", "cherry-pick", "y@{2}")
    assert got.returncode == 0 and "stage 's': dependency a changed" in got.stderr
    sides.git("config", "gitstage.verify", "off")
    got = sides.run("git", "revert", "--no-edit", "HEAD")
    assert (got.returncode, got.stderr) == (0, "")
    sides.git("config", "gitstage.verify", "nonsense")
    got = sides.run("git", "revert", "--no-edit", "HEAD")
    assert got.returncode == 0 and "gitstage.verify" in got.stderr


def test_patches_are_warned_of(sides: Repo) -> None:
    sides.write({"a": "stale\n"})
    sides.git("commit", "-qam", "stale", "--no-verify")
    sides.git("format-patch", "-q", "-1", "-o", "..")
    sides.git("reset", "-q", "--hard", "HEAD~1")
    got = sides.run("git", "am", "../0001-stale.patch")
    assert got.returncode == 0 and "stage 's': dependency a changed" in got.stderr


def test_commits_that_were_checked_or_do_not_concern_us_are_not_looked_at_again(sides: Repo) -> None:
    """Python is not even started: the interpreter that the hook names is gone."""
    hook = sides.read(".git/hooks/post-commit")
    (line,) = [line for line in hook.splitlines() if line.startswith("python=")]
    sides.write(
        {".git/hooks/post-commit": hook.replace(line, "python=/gone").replace("command -v git-gitstage", "false")},
        0o755,
    )
    sides.write({"other": "1\n"})
    sides.git("add", "other")
    for words in (["-m", "plain"], ["-am", "all"], ["-m", "path", "other"], ["--amend", "-m", "amended"]):
        sides.append("other", "more\n")
        sides.git("add", "other")
        got = sides.run("git", "commit", "-q", *words)
        assert (got.returncode, got.stderr) == (0, ""), words
    sides.append("other", "more\n")
    got = sides.run("git", "commit", "-qam", "unchecked", "--no-verify")
    assert got.returncode == 0 and "gitstage is gone" in got.stderr
    sides.write({".git/hooks/post-commit": hook}, 0o755)
    sides.append("other", "more\n")
    got = sides.run("git", "commit", "-qam", "unchecked", "--no-verify")
    assert (got.returncode, got.stderr) == (0, "")
    sides.write({"a": "stale\n"})
    sides.git("add", "a")
    assert sides.run("git", "commit", "-qm", "refused").returncode == 1
    assert "dependency a changed" in sides.run("git", "commit", "-qm", "all the same", "--no-verify").stderr


# gitstage.verify = fix


@pytest.fixture
def fixing(sides: Repo) -> Repo:
    sides.git("config", "gitstage.verify", "fix")
    return sides


@pytest.mark.parametrize("words", [["-am", "fixed"], ["-m", "fixed", "a"], ["-m", "fixed"], ["--amend", "-m", "fixed"]])
def test_fix_adds_the_result_to_the_commit(fixing: Repo, words: list[str]) -> None:
    fixing.write({"a": "new\n"})
    if "-am" not in words and "a" not in words:
        fixing.git("add", "a")
    got = fixing.run("git", "commit", "-q", *words)
    assert got.returncode == 0, got.stderr
    assert "running stage 's'" in got.stderr and runs(fixing) == 1
    assert fixing.git("status", "--porcelain") == ""
    assert "dvc.lock" in fixing.git("show", "--name-only", "--format=", "HEAD")
    assert verify(fixing) == (0, "1 commit checked, consistent.\n")
    assert fixing.read("last") == "new\n1\n"


def test_fix_of_a_merge(fixing: Repo) -> None:
    got = fixing.run("git", "merge", "-q", "x", "-m", "merged")
    assert got.returncode == 0, got.stderr
    assert runs(fixing) == 1
    assert fixing.git("status", "--porcelain") == ""
    assert verify(fixing)[0] == 0


def test_fix_of_a_merge_whose_record_the_driver_drops(fixing: Repo) -> None:
    """Git makes the tree of a merge before it asks, so the result has to come with `git commit`."""
    fixing.stage("install", check=True)
    got = fixing.run("git", "merge", "-q", "x", "-m", "merged")
    assert got.returncode == 1 and "git commit completes the merge" in got.stderr
    assert runs(fixing) == 1
    fixing.git("commit", "-q", "--no-edit")
    assert fixing.git("status", "--porcelain") == ""
    assert fixing.git("rev-list", "--merges", "-1", "HEAD") == fixing.git("rev-parse", "HEAD")
    assert verify(fixing, "main..HEAD")[0] == 0 and runs(fixing) == 1


def test_fix_refuses_what_a_run_would_not_use(fixing: Repo) -> None:
    fixing.write({"a": "staged\n"})
    fixing.git("add", "a")
    fixing.write({"a": "later\n"})
    before = fixing.state()
    got = fixing.run("git", "commit", "-m", "refused")
    assert got.returncode == 1
    assert "a: differs in the work tree from what is to be committed" in got.stderr and "git add a" in got.stderr
    assert fixing.state() == before and runs(fixing) == 0
    fixing.git("add", "a")
    fixing.write({"dvc.yaml": fixing.read("dvc.yaml").replace("cat a", "exit 3; cat a")})
    fixing.git("add", "dvc.yaml")
    index = fixing.git("ls-files", "-s")
    got = fixing.run("git", "commit", "-m", "refused")
    assert got.returncode == 1 and "exit code 3" in got.stderr
    assert fixing.git("ls-files", "-s") == index and fixing.read("out") == "a\n1\n"


def test_fix_does_not_commit_what_was_not_staged(fixing: Repo) -> None:
    """Another stage was reproduced, and neither its input nor its record staged: its record may not slip in alone."""
    fixing.write({"c": "c\n"})
    fixing.stage("run", "-q", "-n", "u", "-d", "c", "-o", "third", "cp c third", check=True)
    fixing.commit("u")
    fixing.write({"c": "unstaged\n", "a": "new\n"})
    fixing.stage("repro", "-q", "u", check=True)
    fixing.git("add", "a")
    index = fixing.git("ls-files", "-s")
    got = fixing.run("git", "commit", "-m", "refused")
    assert got.returncode == 1 and "stage 'u': dependency c changed" in got.stderr
    assert fixing.git("ls-files", "-s") == index
    fixing.git("add", "c")
    assert fixing.run("git", "commit", "-m", "both").returncode == 0
    assert verify(fixing)[0] == 0


def test_a_repository_cannot_ask_for_it(sides: Repo) -> None:
    sides.write({".gitconfig": "[gitstage]\n\tverify = fix\n", ".dvc/config": "", "a": "new\n"})
    assert sides.run("git", "commit", "-qam", "x").returncode == 1
    assert runs(sides) == 0


# forms of commit


@pytest.mark.parametrize(
    "words", [["-i", "a"], ["-p"], ["-a"], ["-o", "a"], ["--amend", "-a", "--no-edit"], ["--fixup=HEAD", "-a"]]
)
def test_every_form_of_commit_is_judged_by_what_it_commits(sides: Repo, words: list[str]) -> None:
    sides.write({"a": "stale\n", "other": "1\n"})
    before = sides.git("rev-parse", "HEAD")
    message = [] if words[0].startswith("--") else ["-m", "a commit"]
    got = sides.run("git", "commit", *message, *words, stdin="y\n")
    assert got.returncode == 1 and "stage 's': dependency a changed" in got.stderr, got.stderr
    assert sides.git("rev-parse", "HEAD") == before
    sides.stage("repro", "-q", check=True)
    if "a" in words:
        sides.git("add", "dvc.lock")
        words = [*words, "dvc.lock"]
    got = sides.run("git", "commit", *message, *words, stdin="y\ny\ny\ny\ny\ny\n")
    assert got.returncode == 0, got.stderr
    assert verify(sides)[0] == 0


def test_an_index_of_the_users_own(sides: Repo, tmp_path: Path) -> None:
    shutil.copy(sides.path / ".git/index", tmp_path / "index")
    sides.write({"a": "stale\n"})
    own = {"GIT_INDEX_FILE": str(tmp_path / "index")}
    sides.git("add", "a", env=own)
    assert sides.run("git", "commit", "-m", "x", env=own).returncode == 1
    assert sides.run("git", "commit", "--allow-empty", "-m", "x").returncode == 0
