"""freeze, unfreeze, remove, move, unprotect: what they change, and what they refuse without a change."""

import os

import pytest
from support import Repo

TEMPLATED = """\
vars:
- w: hi
stages:
  t:
    cmd: echo ${w} > t
    outs: [t]
  g:
    foreach: [x]
    do:
      cmd: echo
"""


def test_a_frozen_stage_stays_and_comments_too(ran: Repo) -> None:
    text = "# mine\nstages:\n  s:\n    cmd: cp src out  # copy\n    deps: [src]\n    outs: [out]\n"
    ran.write({"dvc.yaml": text})
    assert ran.stage("freeze", "s", check=True).stdout.startswith("Modifying stage 's' in 'dvc.yaml'\n")
    assert ran.read("dvc.yaml") == text + "    frozen: true\n"
    ran.write({"src": "two\n"})
    assert "Verifying" not in ran.stage("repro", check=True).stdout
    ran.stage("unfreeze", "s", check=True)
    assert ran.read("dvc.yaml") == text
    assert "Running stage 's'" in ran.stage("repro", check=True).stdout


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["freeze", "out"], "out: is an output; name what makes it\nhint: s\n"),
        (["freeze", "s", "nope"], "'nope' is not a stage of this project"),
        (["freeze", "dvc.yaml"], "dvc.yaml: is a whole file; name a stage of it\nhint: dvc.yaml:s\n"),
        (["remove", "data.dvc", "nope"], "'nope' is not a stage of this project"),
        (["remove", "data"], "data: is an output; name what makes it\nhint: data.dvc\n"),
        (["move", "out", "x"], "out: is an output of stage 's', which names it; change the stage instead\n"),
        (["move", "dir/a", "x"], "dir/a: is no data that a .dvc file tracks"),
        (["move", "data", "src"], "src: exists already\n"),
        (["move", "data", "none/x"], "none: is not a folder\nhint: mkdir -p none\n"),
        (["move", "data", "../x"], "../x: is not inside the project\n"),
        (["move", "data", ".git/x"], ".git/x: .git is not for outputs\n"),
        (["move", "dir", "dir/x"], "dir/x: lies inside dir\n"),
        (["move", "data", "dir/x"], "dir/x: overlaps with output 'dir' of 'dir.dvc'\n"),
        (["unprotect", "data", "nope"], "nope: does not exist\n"),
        (["unprotect", "../x"], "'../x': not a path below the project\n"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_is_refused_changes_nothing(ran: Repo, argv: list[str], says: str) -> None:
    before = ran.state()
    got = ran.stage(*argv)
    assert got.returncode and got.stdout == ""
    assert got.stderr.startswith(f"git-stage: {says}"), got.stderr
    assert ran.state() == before


@pytest.mark.parametrize("word", ["t", "g", "g@x"])
@pytest.mark.parametrize("verb", ["freeze", "remove"])
def test_a_stage_made_from_a_template_is_changed_by_hand(project: Repo, verb: str, word: str) -> None:
    project.write({"dvc.yaml": TEMPLATED})
    got = project.stage(verb, word)
    assert got.returncode == 3
    assert "is made from a template; change it by hand" in got.stderr
    assert project.read("dvc.yaml") == TEMPLATED


def test_removed_outputs_stay_as_plain_files_and_checkout_lets_them_be(ran: Repo) -> None:
    ran.stage("remove", "s", "dir.dvc", check=True)
    assert not ran.exists("dvc.yaml") and not ran.exists("dvc.lock") and not ran.exists("dir.dvc")
    assert ran.read(".gitignore") == "/data\n"
    ran.stage("checkout", check=True)
    assert ran.read("out") == "one\n" and ran.read("dir/a") == "a\n"


def test_removed_outputs_that_no_cache_has_are_kept(ran: Repo) -> None:
    ran.write({"out": "by hand\n"})
    got = ran.stage("remove", "--outs", "s", "data.dvc", check=True)
    assert got.stderr == "git-stage: 'out' was in no cache; it is kept in .dvc/tmp/gitstage/kept/remove/out\n"
    assert ran.read(".dvc/tmp/gitstage/kept/remove/out") == "by hand\n"
    assert not ran.exists("out") and not ran.exists("data")


def test_what_removes_a_stage_leaves_the_rest_of_the_file(ran: Repo) -> None:
    ran.write({"dvc.yaml": "# top\nvars:\n- x: 1\n" + ran.read("dvc.yaml")})
    ran.stage("remove", "s", check=True)
    assert ran.read("dvc.yaml") == "# top\nvars:\n- x: 1\nstages: {}\n"


def test_moved_data_is_known_under_its_new_name(ran: Repo) -> None:
    (ran.path / "sub").mkdir()
    ran.append("data.dvc", "  desc: mine\n")
    ran.stage("mv", "data", "sub/", check=True)  # DVC's short name
    ran.stage("move", "../dir", "other", cwd="sub", check=True)
    assert ran.read("sub/data.dvc").endswith("  path: data\n  desc: mine\n")
    assert (ran.read("sub/.gitignore"), ran.read(".gitignore")) == ("/data\n/other\n", "/out\n")
    assert ran.stage("status", check=True).stdout == "Data and pipelines are up to date.\n"
    assert ran.read("sub/other/a") == "a\n" and not ran.exists("data.dvc")


def test_one_of_several_outputs_moves_within_its_file(project: Repo) -> None:
    project.write({"p": "p\n", "q": "q\n", "p.dvc": "outs:\n- path: p\n- path: q\n"})
    project.stage("commit", "-f", "p.dvc", check=True)
    project.stage("move", "p", "r", check=True)
    assert project.read("p.dvc").count("path:") == 2 and "path: r\n" in project.read("p.dvc")
    assert project.stage("status", check=True).stdout == "Data and pipelines are up to date.\n"


@pytest.mark.parametrize("kind", ["hardlink", "symlink"])
def test_unprotected_files_can_be_edited_without_harm_to_the_cache(ran: Repo, kind: str) -> None:
    ran.write({".dvc/config": f"[cache]\n    type = {kind}\n"})
    ran.stage("checkout", "--relink", check=True)
    before = ran.cache()
    ran.stage("unprotect", "data", "dir", check=True)
    for name in ("data", "dir/a"):
        found = os.lstat(ran.path / name)
        assert (oct(found.st_mode), found.st_nlink) == ("0o100644", 1)
        ran.append(name, "more\n")
    assert ran.cache() == before
