"""Real merges by Git, with the merge driver installed: what comes out, and that the data follows."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Repo, md5, picture, sealed_environment

from gitstage.git import Repo as Opened
from gitstage.hooks import driver
from gitstage.hooks.changes import Changes
from gitstage.merge import resolve


@pytest.fixture(scope="module")
def made(project_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Hooks and driver installed; stages s (a, b -> out) and t (out -> out2), a directory in d.dvc; all committed."""
    folder = tmp_path_factory.mktemp("merge")
    shutil.copytree(project_template, folder / "repo", symlinks=True)
    repo = Repo(folder / "repo", sealed_environment(folder / "home"))
    repo.stage("install", "-q", check=True)
    repo.write({"a": "a1\n", "b": "b1\n", "d/one": "1\n", "d/two": "2\n", "d/three": "3\n", "other": "1\n"})
    run(repo, "s", "cat a b > out", "-d", "a", "-d", "b", "-o", "out")
    run(repo, "t", "cat out > out2", "-d", "out", "-o", "out2")
    repo.stage("add", "-q", "d", check=True)
    repo.commit("base")
    return repo.path


@pytest.fixture(scope="module")
def made_adding(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("adding")
    shutil.copytree(made, folder / "repo", symlinks=True)
    repo = Repo(folder / "repo", sealed_environment(folder / "home"))
    branch(repo, "x", lambda: run(repo, "x", "cat a > xo", "-d", "a", "-o", "xo"))
    branch(repo, "y", lambda: run(repo, "y", "cat b > yo", "-d", "b", "-o", "yo"))
    return repo.path


@pytest.fixture
def merging(made: Path, tmp_path: Path, environment: dict[str, str]) -> Repo:
    return copied(made, tmp_path, environment)


@pytest.fixture
def adding(made_adding: Path, tmp_path: Path, environment: dict[str, str]) -> Repo:
    """On y, beside x; each branch adds a stage, at one place of dvc.yaml, dvc.lock and .gitignore."""
    return copied(made_adding, tmp_path, environment)


def copied(made: Path, tmp_path: Path, environment: dict[str, str]) -> Repo:
    shutil.copytree(made, tmp_path / "repo", symlinks=True)
    return Repo(tmp_path / "repo", environment)


def run(repo: Repo, name: str, cmd: str, *options: str) -> None:
    repo.stage("run", "-q", "-n", name, *options, cmd, check=True)


def branch(repo: Repo, name: str, change: Callable[[], object], start: str = "main") -> None:
    """A branch from `start` with one commit."""
    repo.git("checkout", "-q", "-b", name, start)
    change()
    repo.commit(name)


def changed(repo: Repo, **files: str) -> Callable[[], object]:
    """Inputs get other contents and the stages are reproduced."""

    def change() -> None:
        repo.write(files)
        repo.stage("repro", "-q", check=True)

    return change


def unmerged(repo: Repo) -> set[str]:
    return {line.split("\t")[1] for line in repo.git("ls-files", "-u").splitlines()}


def records(repo: Repo) -> list[str]:
    return re.findall(r"^  (\S+):$", repo.read("dvc.lock"), re.MULTILINE)


def up_to_date(repo: Repo) -> bool:
    return repo.stage("status", "--json", check=True).stdout == "{}\n"


def test_two_branches_that_each_add_a_stage(adding: Repo) -> None:
    repo = adding
    repo.append("dvc.yaml", "# of y\n")
    repo.git("commit", "-qam", "comment")
    got = repo.run("git", "merge", "-q", "--no-edit", "x")
    assert (got.returncode, unmerged(repo)) == (0, set()), got.stderr
    assert records(repo) == ["s", "t", "y", "x"]
    assert "# of y\n" in repo.read("dvc.yaml")
    assert repo.read(".gitignore").splitlines() == ["/out", "/out2", "/d", "/yo", "/xo"]
    assert (repo.read("xo"), repo.read("yo")) == ("a1\n", "b1\n"), "the outputs of both are there"
    assert up_to_date(repo)
    assert json.loads(repo.dvc("status", "--json", check=True).stdout) == {}
    assert not repo.git("status", "--porcelain")


def test_both_sides_change_the_inputs_of_a_stage(merging: Repo) -> None:
    """Clean for Git, yet no record says that anybody ran it; the merge, the status and the commit check say so."""
    repo = merging
    branch(repo, "x", changed(repo, a="a2\n"))
    branch(repo, "y", changed(repo, b="b2\n"))
    repo.git("branch", "y-before")
    got = repo.run("git", "merge", "--no-edit", "x")
    assert got.returncode == 1
    assert unmerged(repo) == set()
    assert "dvc.lock: stages 's', 't': inputs changed on both sides" in got.stderr
    assert "stage 's': was never run" in got.stderr
    assert records(repo) == []
    assert set(json.loads(repo.stage("status", "--json", check=True).stdout)) == {"s", "t"}
    assert repo.run("git", "commit", "-q", "--no-edit").returncode == 1
    repo.stage("repro", "-q", check=True)
    repo.git("add", "dvc.lock")
    repo.git("commit", "-q", "--no-edit")
    assert repo.read("out2") == "a2\nb2\n"
    assert up_to_date(repo)

    # the same merge once more: the run cache knows the result, nothing is run
    repo.git("checkout", "-q", "-b", "again", "x")
    assert repo.run("git", "merge", "-q", "--no-edit", "y-before").returncode == 1
    assert "is cached - skipping run" in repo.stage("repro", check=True).stdout


def test_a_stale_stage_as_a_conflict(merging: Repo) -> None:
    repo = merging
    repo.git("config", "gitstage.mergeStale", "conflict")
    branch(repo, "x", changed(repo, a="a2\n"))
    branch(repo, "y", changed(repo, b="b2\n"))
    repo.git("branch", "y-before")
    got = repo.run("git", "merge", "--no-edit", "x")
    assert (got.returncode, unmerged(repo)) == (1, {"dvc.lock"})
    assert "hint: git stage resolve dvc.lock && git stage repro s t\n" in got.stderr
    assert repo.read("dvc.lock").count("<<<<<<< ours\n") == 2
    got = repo.stage("status")
    assert (got.returncode, "unresolved merge conflict" in got.stderr) == (3, True)
    repo.stage("resolve", "dvc.lock", check=True)
    repo.stage("repro", "-q", "s", "t", check=True)
    repo.git("commit", "-qam", "merged")
    assert up_to_date(repo)

    repo.git("config", "gitstage.mergeStale", "whatever")
    repo.git("checkout", "-q", "-b", "again", "x")
    got = repo.run("git", "merge", "--no-edit", "y-before")
    assert (got.returncode, unmerged(repo)) == (1, {"dvc.lock"})
    assert "gitstage.mergeStale: 'whatever' is neither drop nor conflict" in got.stderr


def test_the_same_stage_on_both_sides(merging: Repo) -> None:
    repo = merging
    branch(repo, "x", lambda: run(repo, "n", "cat a > no", "-d", "a", "-o", "no"))
    branch(repo, "y", lambda: run(repo, "n", "cat a > no", "-d", "a", "-o", "no"))
    branch(repo, "z", lambda: run(repo, "n", "cat b > no", "-d", "b", "-o", "no"))
    repo.git("checkout", "-q", "y")
    repo.write({"other": "2\n"})
    repo.commit("so that it is no fast-forward")
    repo.git("merge", "-q", "--no-edit", "x")
    assert up_to_date(repo)
    got = repo.run("git", "merge", "-q", "--no-edit", "z")
    assert (got.returncode, unmerged(repo)) == (1, {"dvc.yaml"})
    assert "both sides changed stage 'n'" in got.stderr
    assert records(repo) == ["s", "t"], "whichever of the two is chosen, nobody ran it as part of this merge"
    repo.stage("resolve", "--theirs", "dvc.yaml", check=True)
    repo.stage("repro", "-q", check=True)
    repo.git("commit", "-qam", "merged")
    assert repo.read("no") == "b1\n"
    assert up_to_date(repo)


def test_two_results_of_the_same_inputs(merging: Repo, tmp_path: Path) -> None:
    """The same command on the same inputs with another result, as of a training with a random start: the user's choice."""
    repo = merging
    for name in ("x", "y"):
        repo.git("checkout", "-q", "-b", name, "main")
        (tmp_path / "chance").write_text(f"{name}\n")
        repo.stage("run", "-q", "--no-run-cache", "-n", "r", "-d", "a", "-o", "ro", "cat ../chance > ro", check=True)
        repo.commit(name)
    got = repo.run("git", "merge", "-q", "--no-edit", "x")
    assert (got.returncode, unmerged(repo)) == (1, {"dvc.lock"})
    assert "ran on the same inputs on both sides, with different results" in got.stderr
    assert repo.stage("resolve").returncode == 1
    repo.stage("resolve", "--theirs", check=True)
    repo.git("commit", "-q", "--no-edit")
    assert repo.read("ro") == "x\n"
    assert up_to_date(repo)


VERBS = {
    "rebase": ["rebase -q x"],
    "rebase --apply": ["rebase -q --apply x"],
    "cherry-pick": ["cherry-pick x"],
    "pull --rebase": ["pull -q --rebase . x"],
    "merge --squash": ["merge -q --squash x", "commit -qm squashed"],
    "revert": ["merge -q --no-edit x", "revert --no-edit HEAD^1"],
    "stash pop": ["reset -q --soft HEAD~1", "stash -q", "merge -q x", "stash pop -q", "commit -qam popped"],
    "am -3": ["format-patch -1 --stdout x >../patch", "am -q -3 <../patch"],
    "checkout -m": ["reset -q --soft HEAD~1", "restore --staged .", "checkout -q -m x", "add .", "commit -qm moved"],
}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_that_merges(verb: str, adding: Repo) -> None:
    """Both branches add a stage, at one place of dvc.yaml, dvc.lock and .gitignore."""
    repo = adding
    for command in VERBS[verb]:
        got = repo.run("sh", "-c", f"git {command}")
        assert got.returncode == 0, (command, got.stdout, got.stderr)
    assert set(records(repo)) == {"s", "t", "x"} | (set() if verb == "revert" else {"y"})
    assert up_to_date(repo)
    assert repo.read("xo") == "a1\n"
    assert repo.exists("yo") == (verb != "revert")


def test_criss_cross(adding: Repo) -> None:
    repo = adding
    repo.git("branch", "y1")
    repo.git("merge", "-q", "--no-edit", "x")
    run(repo, "y2", "cat b > yo2", "-d", "b", "-o", "yo2")
    repo.commit("y2")
    repo.git("checkout", "-q", "x")
    repo.git("merge", "-q", "--no-edit", "y1")
    run(repo, "x2", "cat a > xo2", "-d", "a", "-o", "xo2")
    repo.commit("x2")
    got = repo.run("git", "merge", "-q", "--no-edit", "y")
    assert (got.returncode, unmerged(repo)) == (0, set()), got.stderr
    assert set(records(repo)) == {"s", "t", "x", "y", "x2", "y2"}
    assert up_to_date(repo)


def test_directories_merge_file_by_file(merging: Repo) -> None:
    repo = merging

    def edit(remove: str, **files: str) -> Callable[[], object]:
        def change() -> None:
            repo.remove(f"d/{remove}")
            repo.write({f"d/{name}": text for name, text in files.items()})
            repo.stage("add", "-q", "d", check=True)

        return change

    branch(repo, "x", edit("one", new="x\n"))
    branch(repo, "y", edit("two", other="y\n"))
    branch(repo, "z", edit("three", new="z\n"))
    repo.git("checkout", "-q", "y")
    got = repo.run("git", "merge", "-q", "--no-edit", "x")
    assert (got.returncode, unmerged(repo)) == (0, set()), got.stderr
    assert {p.name: p.read_text() for p in (repo.path / "d").iterdir()} == {
        "three": "3\n",
        "new": "x\n",
        "other": "y\n",
    }
    assert "  size: 6\n  nfiles: 3\n" in repo.read("d.dvc")
    assert up_to_date(repo)
    assert json.loads(repo.dvc("status", "--json", check=True).stdout) == {}

    got = repo.run("git", "merge", "-q", "--no-edit", "z")
    assert (got.returncode, unmerged(repo)) == (1, {"d.dvc"})
    assert "d.dvc: d: both sides changed new" in got.stderr
    assert repo.read("d.dvc").count("<<<<<<< ours\n") == 1
    repo.stage("resolve", "--theirs", check=True)
    repo.git("commit", "-q", "--no-edit")
    assert {p.name: p.read_text() for p in (repo.path / "d").iterdir()} == {"one": "1\n", "two": "2\n", "new": "z\n"}


def test_names_that_a_shell_takes_for_something_else(merging: Repo) -> None:
    repo = merging
    odd = 'it\'s "$(touch oops)" %P;'
    for name, start in (("base", "main"), ("x", "base"), ("y", "base")):
        repo.git("checkout", "-q", "-b", name, start)
        repo.write({f"{odd}/in": "1\n", f"{odd}/{odd} f": f"{name}\n"})
        repo.run("git-stage", "run", "-q", "-n", name, "-d", "in", "-o", name, f"cp in {name}", cwd=odd, check=True)
        repo.stage("add", "-q", f"{odd}/{odd} f", check=True)
        repo.commit(name)
    got = repo.run("git", "merge", "-q", "--no-edit", "x")
    assert unmerged(repo) == {f'"{odd}/{odd} f.dvc"'.replace('"$', '\\"$').replace(')"', ')\\"')}, got.stderr
    assert f"{odd}/{odd} f.dvc: {odd} f: both sides changed it" in got.stderr
    assert not repo.exists("oops")
    assert re.findall(r"^  (\S+):$", repo.read(f"{odd}/dvc.lock"), re.MULTILINE) == ["base", "y", "x"]


def test_a_linked_worktree_and_a_branch_without_any_attributes(adding: Repo) -> None:
    repo = adding
    repo.git("checkout", "-q", "main")
    repo.git("worktree", "add", "-q", "../linked", "y")
    got = repo.run("git", "merge", "-q", "--no-edit", "x", cwd="../linked")
    assert got.returncode == 0, got.stderr
    assert (repo.path / "../linked/xo").read_text() == "a1\n"


def test_work_of_real_dvc_merges(merging: Repo) -> None:
    """Its stages and directories, its attributes for its own driver in .gitattributes."""
    repo = merging
    repo.write({".gitattributes": "*.dvc merge=dvc\n"})
    repo.commit("attributes")

    def work(name: str) -> Callable[[], object]:
        def change() -> None:
            repo.dvc(
                "stage", "add", "-q", "--run", "-n", name, "-d", "a", "-o", f"{name}o", f"cp a {name}o", check=True
            )
            repo.write({f"d/{name}": "new\n"})
            repo.dvc("add", "-q", "d", check=True)

        return change

    branch(repo, "x", work("x"))
    branch(repo, "y", work("y"))
    got = repo.run("git", "merge", "-q", "--no-edit", "x")
    assert (got.returncode, unmerged(repo)) == (0, set()), got.stderr
    assert json.loads(repo.dvc("status", "--json", check=True).stdout) == {}
    assert up_to_date(repo)


# When the driver cannot


BY_LINES = {"dvc.yaml", "dvc.lock", ".gitignore"}


def by_lines(repo: Repo, **env: str) -> None:
    """The merge by lines took over: conflicts, with markers and both sides between them."""
    got = repo.run("git", "merge", "-q", "--no-edit", "x", env=env)
    assert (got.returncode, unmerged(repo)) == (1, BY_LINES), got.stderr
    for name in BY_LINES:
        text = repo.read(name)
        assert text.count("<<<<<<< ") == text.count("=======\n") == text.count(">>>>>>> ") >= 1
        assert "xo" in text
        assert "yo" in text
    repo.git("merge", "--abort")


def test_without_the_driver_git_merges_by_lines(adding: Repo, tmp_path: Path) -> None:
    def use(script: str) -> None:
        fake = tmp_path / "python"
        fake.write_text(f"#!/bin/sh\n{script}\n")
        fake.chmod(0o755)
        opened = Opened.discover(str(adding.path))
        assert opened is not None
        driver.install(opened, str(fake), Changes())

    bare = ":".join(f for f in adding.env["PATH"].split(":") if not os.path.exists(f"{f}/git-gitstage"))
    for script in ("exit 1", "exit 9", "kill -9 $$", "kill -SEGV $$", "exec no-such-program"):
        use(script)
        by_lines(adding, PATH=bare)
    (tmp_path / "python").unlink()
    by_lines(adding, PATH=bare)
    adding.git("config", "--remove-section", "merge.gitstage")  # a colleague who has only the attributes
    by_lines(adding)
    adding.stage("install", "-q", check=True)
    assert adding.run("git", "merge", "-q", "--no-edit", "x").returncode == 0, "the control"


def test_the_program_on_path_is_asked_when_the_interpreter_is_gone(adding: Repo) -> None:
    opened = Opened.discover(str(adding.path))
    assert opened is not None
    driver.install(opened, "/no/such/python 100% 'quoted'", Changes())
    got = adding.run("git", "merge", "-q", "--no-edit", "x")
    assert got.returncode == 0, got.stderr
    assert up_to_date(adding)


def test_a_version_that_cannot_be_read(merging: Repo) -> None:
    repo = merging
    broken = repo.read("dvc.lock").replace("stages:", "stages: [")
    for name, change in (("x", {"dvc.lock": broken}), ("y", {"dvc.lock": "# y\n" + repo.read("dvc.lock")})):
        repo.git("checkout", "-q", "-b", name, "main")
        repo.write(change)
        repo.git("commit", "-qam", name, "--no-verify")
    got = repo.run("git", "merge", "-q", "--no-edit", "--no-verify", "x")
    assert "git-stage: dvc.lock:" in got.stderr
    assert (got.returncode, repo.read("dvc.lock")) == (0, "# y\n" + broken), "as Git does by itself"


def test_modules_of_the_work_tree_are_not_imported(adding: Repo, tmp_path: Path) -> None:
    names = ("gitstage", "importlib", "yaml", "click", "json", "sitecustomize")
    adding.write({f"{name}.py": f"open({str(tmp_path / name)!r}, 'w')\n" for name in names})
    assert adding.run("git", "merge", "-q", "--no-edit", "x").returncode == 0
    assert not [name for name in names if (tmp_path / name).exists()]


# git stage resolve


@pytest.fixture
def conflicting(adding: Repo) -> Repo:
    """A merge of x that Git left with conflicts in three files, because no driver is configured."""
    adding.env["GITSTAGE_HOOKS"] = "0"
    adding.git("config", "--remove-section", "merge.gitstage")
    assert adding.run("git", "merge", "-q", "--no-edit", "x").returncode == 1
    assert unmerged(adding) == BY_LINES
    return adding


def all_resolved(repo: Repo) -> None:
    assert unmerged(repo) == set()
    del repo.env["GITSTAGE_HOOKS"]
    repo.git("commit", "-q", "--no-edit")
    assert set(records(repo)) == {"s", "t", "x", "y"}
    assert up_to_date(repo)
    assert not repo.git("status", "--porcelain")


def test_resolve_what_git_left(conflicting: Repo) -> None:
    refused = conflicting.stage("status")
    assert (refused.returncode, refused.stderr.splitlines()[-1]) == (3, "hint: git stage resolve")
    (conflicting.path / "sub").mkdir()
    before = conflicting.read("dvc.yaml")
    got = conflicting.stage("resolve", "-v", "../dvc.yaml", cwd="sub", check=True)
    assert got.stdout == "Resolved '../dvc.yaml'\n"
    kept = got.stderr.split(" is in ")[1].strip()
    assert Path(kept).read_text() == before
    assert unmerged(conflicting) == BY_LINES - {"dvc.yaml"}
    assert conflicting.stage("resolve", check=True).stdout.count("Resolved") == 2
    all_resolved(conflicting)
    assert conflicting.stage("resolve", check=True).stdout == "Nothing to resolve\n"


def test_resolve_what_was_declared_resolved_with_markers_in_it(conflicting: Repo) -> None:
    conflicting.git("add", ".gitignore", "dvc.yaml", "dvc.lock")
    conflicting.git("checkout", "-m", "--", ".gitignore")
    opened = Opened.discover(str(conflicting.path))
    assert opened is not None
    for one in resolve.conflicts(opened):
        shown = [conflicting.git("show", f"{rev}:{one.path}").encode() for rev in ("main", "y", "x")]
        assert [one.base, one.ours, one.theirs] == shown, "the index still has the versions"
    assert conflicting.stage("resolve", check=True).stdout.count("Resolved") == 3
    all_resolved(conflicting)


def test_resolve_markers_that_nothing_else_explains(conflicting: Repo) -> None:
    marked = {name: conflicting.read(name) for name in ("dvc.yaml", "dvc.lock")}
    conflicting.git("merge", "--abort")
    conflicting.write(marked)
    got = conflicting.stage("resolve", check=True)
    assert got.stdout == "Resolved 'dvc.lock'\nResolved 'dvc.yaml'\n"
    assert set(records(conflicting)) == {"s", "t", "x", "y"}
    conflicting.write({"dvc.lock": marked["dvc.lock"].replace(">>>>>>>", ">>>>>>")})
    got = conflicting.stage("resolve")
    assert (got.returncode, "markers are not in order" in got.stderr) == (1, True)


def test_resolve_leaves_what_was_edited(conflicting: Repo) -> None:
    by_hand = conflicting.read("dvc.yaml").replace("<<<<<<< HEAD\n", "").split("=======")[0] + "# mine\n"
    conflicting.write({"dvc.yaml": by_hand})
    got = conflicting.stage("resolve")
    assert (got.returncode, conflicting.read("dvc.yaml")) == (1, by_hand)
    assert "dvc.yaml: was edited since the merge" in got.stderr
    assert "git checkout -m -- dvc.yaml" in got.stderr
    assert unmerged(conflicting) == {"dvc.yaml"}


def test_resolve_where_the_driver_was_missing(conflicting: Repo) -> None:
    """Git then leaves our version, without any marker."""
    conflicting.git("merge", "--abort")
    conflicting.git("config", "merge.gitstage.driver", "no-such-program %O %A %B")
    assert conflicting.run("git", "merge", "-q", "--no-edit", "x").returncode == 1
    assert "<<<<" not in conflicting.read("dvc.lock")
    conflicting.stage("resolve", check=True)
    all_resolved(conflicting)


def test_resolve_what_only_the_user_can(conflicting: Repo) -> None:
    repo = conflicting
    repo.git("merge", "--abort")
    repo.git("rm", "-q", "--cached", "dvc.lock")
    repo.git("commit", "-qm", "no lock", "--no-verify")
    repo.remove("dvc.lock")
    repo.git("merge", "-q", "x", check=False)
    got = repo.stage("resolve", "dvc.lock")
    assert got.returncode == 1
    assert "dvc.lock: was deleted on one side and changed on the other" in got.stderr
    assert "dvc.lock" in unmerged(repo)
    got = repo.stage("resolve", "other")
    assert (got.returncode, "other: is none of dvc.lock, dvc.yaml, *.dvc, .gitignore" in got.stderr) == (1, True)

    repo.git("merge", "--abort")
    for name, text in (("p", "stages: [a\n"), ("q", "stages: [b\n")):
        repo.git("checkout", "-q", "-b", name, "main")
        repo.write({"dvc.yaml": text})
        repo.git("commit", "-qam", name)
    repo.git("merge", "-q", "p", check=False)
    text = repo.read("dvc.yaml")
    got = repo.stage("resolve")
    assert (got.returncode, repo.read("dvc.yaml")) == (1, text)
    assert "hint: edit dvc.yaml, then git add dvc.yaml" in got.stderr


def test_resolve_outside_a_work_tree(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "repo").mkdir()
    assert Repo(tmp_path / "repo", environment).stage("resolve").returncode == 7


# Installing, and what Git shows


@pytest.mark.parametrize(
    ("config", "attributes"),
    [
        (None, None),
        ("", ""),
        ("[user]\n\tname = x", "*.dvc merge=dvc"),
        ('# c\n[diff "x"]\r\n\ttextconv = y\r\n\n\n', "# mine\n\n*.txt text\r\n"),
        ("[a]\n\tb = c\n# no end", "\ufeff*.bin -text\n"),
    ],
)
def test_uninstall_leaves_configuration_and_attributes_as_they_were(
    repo: Repo, config: str | None, attributes: str | None
) -> None:
    if config is not None:
        repo.write({".git/config": repo.read(".git/config") + config})
    if attributes is not None:
        repo.write({".git/info/attributes": attributes})
    repo.git("commit", "-q", "--allow-empty", "-m", "x")
    before = picture(repo.path)
    opened = Opened.discover(str(repo.path))
    assert opened is not None
    assert not driver.is_installed(opened)
    assert driver.install(opened, sys.executable, Changes())
    after = picture(repo.path)
    assert not driver.install(opened, sys.executable, Changes()), "nothing is written twice"
    assert picture(repo.path) == after
    assert driver.is_installed(opened)
    assert repo.git("check-attr", "merge", "diff", "--", "s/dvc.lock").split() == [
        "s/dvc.lock:", "merge:", "gitstage", "s/dvc.lock:", "diff:", "gitstage",
    ]  # fmt: skip
    names = [line.split("=")[0] for line in repo.git("config", "--local", "--list").splitlines() if "gitstage" in line]
    assert names.index("merge.gitstage.driver") < names.index("merge.gitstage.name")
    assert driver.uninstall(opened, Changes())
    assert picture(repo.path) == before
    assert not driver.uninstall(opened, Changes())

    with contextlib.suppress(KeyError), Changes() as changes:
        driver.install(opened, sys.executable, changes)
        raise KeyError
    assert picture(repo.path) == before


def test_settings_that_came_later_stay(repo: Repo) -> None:
    repo.write({".git/config": repo.read(".git/config") + "[a]\n\tb = c"})
    opened = Opened.discover(str(repo.path))
    assert opened is not None
    driver.install(opened, sys.executable, Changes())
    repo.git("config", "z.z", "1")
    repo.append(".git/info/attributes", "*.late text\n")
    driver.uninstall(opened, Changes())
    assert repo.read(".git/config").endswith("[a]\n\tb = c\n[z]\n\tz = 1\n")
    assert repo.read(".git/info/attributes") == "*.late text\n"


def test_git_diff_names_the_stage(merging: Repo) -> None:
    merging.write({"a": "a2\n"})
    merging.stage("repro", "-q", check=True)
    heads = re.findall(r"^@@.*@@ ?(.*)$", merging.git("diff", "-U0", "dvc.lock"), re.MULTILINE)
    assert set(heads) == {"s", "t"}
    assert md5("a2\nb1\n") in merging.git("diff", "dvc.lock")
