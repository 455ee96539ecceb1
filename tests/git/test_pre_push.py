"""The data that pushed commits need goes to the remote before the refs do, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from support import Repo, md5, sealed_environment

from gitstage.git.pushing import parse_updates


@pytest.fixture(scope="session")
def sharing_template(ran_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sharing")
    shutil.copytree(ran_template, folder / "repo", symlinks=True)
    made = Repo(folder / "repo", sealed_environment(folder / "home"))
    made.stage("install", "-q", check=True)
    made.append(".dvc/config", "[core]\n    remote = r\n['remote \"r\"']\n    url = ../../remote\n")
    made.commit("remote")
    made.git("init", "-q", "--bare", "-b", "main", str(folder / "origin"))
    made.git("remote", "add", "origin", "../origin")
    return folder


@pytest.fixture
def sharing(tmp_path: Path, environment: dict[str, str], sharing_template: Path) -> Repo:
    """The project of `ran` with hooks, a folder as default remote and a bare repository as origin, all in one folder;
    nothing was pushed."""
    shutil.copytree(sharing_template, tmp_path / "top", symlinks=True, ignore=shutil.ignore_patterns("home"))
    return Repo(tmp_path / "top/repo", environment)


def pushed(repo: Repo) -> set[str]:
    """The digests of the objects on the remote."""
    top = repo.path.parent / "remote/files/md5"
    return {path.parent.name + path.name for path in top.rglob("*") if path.is_file()}


def push(repo: Repo, *args: str, **more: object) -> subprocess.CompletedProcess[str]:
    return repo.run("git", "push", *args, **more)  # type: ignore[arg-type]


def commit_data(repo: Repo, name: str, text: str) -> str:
    """Track a file in a commit of its own; the digest of its content."""
    repo.write({name: text})
    repo.stage("add", name, check=True)
    repo.commit(f"data {name}")
    return md5(text)


def refs(repo: Repo) -> str:
    return repo.run("git", "for-each-ref", cwd="../origin").stdout


TWO = """\
stages:
  s:
    cmd: cp src out; cp src np; cp src m
    deps: [src]
    outs: [out, np: {push: false}]
    metrics: [m: {cache: false}]
"""
BASE = {md5("d\n"), md5("one\n"), md5("a\n")}


def test_what_is_pushed_and_nothing_else(sharing: Repo) -> None:
    sharing.git("checkout", "-q", "-b", "other")
    kept = commit_data(sharing, "other.bin", "other\n")
    sharing.git("checkout", "-q", "main")
    sharing.write({"loose": "never committed\n"})
    sharing.stage("add", "loose", check=True)
    sharing.write({"dvc.yaml": TWO, "src": "two\n"})
    sharing.stage("repro", check=True)
    sharing.git("rm", "-q", "--cached", "--ignore-unmatch", "loose.dvc")
    sharing.git("add", "dvc.yaml", "dvc.lock", "src", ".gitignore", "m")
    sharing.git("commit", "-q", "-m", "two")
    got = push(sharing, "origin", "main", check=True)
    assert "gitstage: 5 files pushed with the data of these commits" in got.stderr
    (folder,) = {digest for digest in pushed(sharing) if digest.endswith(".dir")}
    assert pushed(sharing) == BASE | {md5("two\n"), folder}
    assert kept not in pushed(sharing)

    got = push(sharing, "origin", "main", check=True)
    assert "gitstage" not in got.stderr
    clone = Repo(sharing.path.parent / "clone", sharing.env)
    sharing.git("clone", "-q", "../origin", "../clone")
    clone.stage("pull", "data", "dir", "out", check=True)
    assert [clone.read(name) for name in ("data", "dir/a", "out")] == ["d\n", "a\n", "two\n"]

    push(sharing, "origin", "other", check=True)
    assert kept in pushed(sharing)


def test_python_is_started_only_for_data(sharing: Repo) -> None:
    push(sharing, "origin", "main", check=True)
    hook = sharing.path / ".git/hooks/pre-push"
    spy = sharing.path.parent / "spy"
    spy.write_text("#!/bin/sh\necho started >>../started\n")
    spy.chmod(0o755)
    lines = hook.read_text().split("\n")
    hook.write_text("\n".join(f"python={spy}" if line.startswith("python=") else line for line in lines))
    sharing.write({"code": "1\n"})
    sharing.commit("code")
    push(sharing, "origin", "main", check=True)
    push(sharing, "origin", "main", check=True)
    sharing.git("tag", "-a", "-m", "v1", "v1")
    push(sharing, "origin", "v1", check=True)
    push(sharing, "origin", ":refs/tags/v1", check=True)
    assert not (sharing.path.parent / "started").exists()
    commit_data(sharing, "more", "more\n")
    push(sharing, "origin", "main", check=True)
    assert (sharing.path.parent / "started").read_text() == "started\n"


def test_what_is_missing_stops_the_push(sharing: Repo) -> None:
    push(sharing, "origin", "main", check=True)
    lost = commit_data(sharing, "lost", "lost\n")
    fine = commit_data(sharing, "fine", "fine\n")
    commit = sharing.git("rev-parse", "HEAD~1")[:10]
    sharing.object(lost).unlink()
    before = refs(sharing)
    got = push(sharing, "origin", "main")
    assert got.returncode == 1
    assert f"gitstage: lost ({commit}): {lost} is neither in the cache nor on remote 'r'" in got.stderr
    assert "hint: git push --no-verify" in got.stderr
    assert refs(sharing) == before
    assert fine in pushed(sharing)

    push(sharing, "origin", "main:no-verify", "--no-verify", check=True)
    push(sharing, "origin", "main:no-hooks", env={"GITSTAGE_HOOKS": "0"}, check=True)
    target = sharing.path.parent / "remote/files/md5" / lost[:2] / lost[2:]
    target.parent.mkdir(exist_ok=True)
    target.write_text("lost\n")
    push(sharing, "origin", "main", check=True)  # here it is missing, there it is not


def test_what_was_lost_before_does_not_stop_others(sharing: Repo) -> None:
    push(sharing, "origin", "main", "--no-verify", check=True)
    (sharing.path.parent / "remote").mkdir()  # which is not made for a setting that may be a stranger's by now
    sharing.object(md5("one\n")).unlink()
    sharing.write({"dvc.yaml": sharing.read("dvc.yaml") + "  t:\n    cmd: echo t > t\n    outs: [t]\n"})
    sharing.stage("repro", "t", check=True)
    sharing.commit("t", "--no-verify")
    got = push(sharing, "origin", "main", check=True)
    assert "1 file that these commits took over from earlier ones cannot be found" in got.stderr
    assert pushed(sharing) == {md5("t\n")}
    commit_data(sharing, "u", "u\n")
    got = push(sharing, "origin", "main:new", check=True)  # all but the last commit are there already
    assert "gitstage: 1 file pushed" in got.stderr and "cannot be found" not in got.stderr


def test_a_remote_that_cannot_be_written_stops_the_push(sharing: Repo) -> None:
    (sharing.path.parent / "remote").write_text("a file")
    got = push(sharing, "origin", "main")
    assert got.returncode == 1
    assert "remote" in got.stderr and "Traceback" not in got.stderr
    assert refs(sharing) == ""


def test_without_a_remote_and_when_told_not_to(sharing: Repo) -> None:
    sharing.git("config", "gitstage.autoPush", "false")
    got = push(sharing, "origin", "main", check=True)
    assert "gitstage" not in got.stderr
    sharing.git("config", "--unset", "gitstage.autoPush")
    sharing.write({".dvc/config": ""})
    commit_data(sharing, "more", "more\n")
    got = push(sharing, "origin", "main", check=True)
    assert [line for line in got.stderr.splitlines() if "gitstage" in line] == [
        "gitstage: no default remote is configured, so no data goes along (git stage remote add -d NAME URL)"
    ]
    assert pushed(sharing) == set()


def test_all_kinds_of_updates(sharing: Repo) -> None:
    got = push(sharing, "-n", "origin", "main", check=True)
    assert "gitstage" not in got.stderr and pushed(sharing) == set()
    sharing.git("config", "alias.dry", "push --dry-run")
    sharing.git("dry", "origin", "main")
    assert pushed(sharing) == set()

    sharing.git("checkout", "-q", "-b", "x")
    first = commit_data(sharing, "x", "x\n")
    sharing.git("checkout", "-q", "-b", "y", "main")
    second = commit_data(sharing, "y", "y\n")
    sharing.git("tag", "-a", "-m", "t", "t", "y")
    sharing.git("checkout", "-q", "main")
    push(sharing, "origin", "x", "t", check=True)  # two refs, one of them a tag, all history
    assert pushed(sharing) >= BASE | {first, second}

    other = Repo(sharing.path.parent / "other", sharing.env)
    sharing.git("clone", "-q", "-b", "x", "../origin", "../other")
    other.write({"f": "1\n"})
    other.commit("foreign")
    other.git("push", "-q", "origin", "x")
    sharing.git("checkout", "-q", "x")
    third = commit_data(sharing, "z", "z\n")
    push(sharing, "--force", "origin", "x", check=True)  # the other side has a commit that is not here
    assert third in pushed(sharing)
    push(sharing, "origin", ":x", check=True)

    fourth = commit_data(sharing, "w", "w\n")
    commit_data(sharing, "v", "v\n")
    push(sharing, "origin", "HEAD~1:refs/heads/older", check=True)
    assert fourth in pushed(sharing) and md5("v\n") not in pushed(sharing)
    shutil.rmtree(sharing.path.parent / "remote/files")
    sharing.git("init", "-q", "--bare", "../second")
    push(sharing, "../second", "HEAD", check=True)  # an address without a name
    assert pushed(sharing) >= BASE | {first, third, fourth, md5("v\n")}
    shutil.rmtree(sharing.path.parent / "remote/files")
    sharing.git("checkout", "-q", "--orphan", "fresh")
    sharing.git("commit", "-q", "-m", "a first commit with data")
    push(sharing, "origin", "fresh", check=True)
    assert pushed(sharing) >= BASE


def test_a_merge_takes_the_data_of_both_sides(sharing: Repo) -> None:
    push(sharing, "origin", "main", check=True)
    sharing.git("checkout", "-q", "-b", "x")
    first = commit_data(sharing, "x", "x\n")
    sharing.git("checkout", "-q", "main")
    second = commit_data(sharing, "y", "y\n")
    sharing.git("checkout", "-q", "--", ".")
    sharing.git("merge", "-q", "--no-edit", "-X", "ours", "x")
    push(sharing, "origin", "main", check=True)
    assert pushed(sharing) >= {first, second}


def test_a_project_in_a_folder_and_a_linked_work_tree(sharing: Repo) -> None:
    sharing.stage("init", "--subdir", "-q", "--no-hooks", cwd=_made(sharing, "sub"), check=True)
    sharing.write({"sub/.dvc/config": sharing.read(".dvc/config").replace("../../remote", "../../../second")})
    sharing.write({"sub/f": "in a folder\n"})
    sharing.stage("add", "f", cwd="sub", check=True)
    sharing.commit("sub")
    sharing.git("worktree", "add", "-q", "-b", "linked", "../linked")
    linked = Repo(sharing.path.parent / "linked", sharing.env)
    more = commit_data(linked, "more", "more\n")
    push(linked, "origin", "linked", check=True)
    assert pushed(sharing) >= BASE | {more} and md5("in a folder\n") not in pushed(sharing)
    assert [path.read_text() for path in (sharing.path.parent / "second/files").rglob("*") if path.is_file()] == [
        "in a folder\n"
    ]


def test_a_clone_without_old_blobs(sharing: Repo) -> None:
    commit_data(sharing, "a1", "1\n")
    commit_data(sharing, "a2", "2\n")
    push(sharing, "-q", "origin", "main", check=True)
    sharing.git("config", "uploadpack.allowFilter", "true", cwd="../origin")
    origin = f"file://{sharing.path.parent}/origin"
    sharing.git("clone", "-q", "--filter=blob:none", origin, "../partial")
    partial = Repo(sharing.path.parent / "partial", sharing.env)
    partial.stage("install", "-q", check=True)
    more = commit_data(partial, "more", "more\n")
    partial.git("update-ref", "-d", "refs/remotes/origin/main")  # as if it had never been fetched
    sharing.git("init", "-q", "--bare", "../second")
    push(partial, "../second", "HEAD:refs/heads/main", check=True)
    assert more in pushed(sharing)
    sharing.write({"f": "1\n"})
    sharing.commit("unknown to the partial clone")
    push(sharing, "-q", "origin", "main", check=True)
    commit_data(partial, "most", "most\n")
    push(partial, "-q", "--force", "origin", "HEAD:refs/heads/main", check=True)
    assert md5("most\n") in pushed(sharing)


def _made(repo: Repo, folder: str) -> str:
    (repo.path / folder).mkdir()
    return folder


def test_lines_are_parsed_from_the_right() -> None:
    (update,) = parse_updates(b"HEAD@{1 day ago} " + b"1" * 40 + b" refs/heads/a " + b"0" * 40 + b"\n")
    assert (update.local_ref, update.remote_ref, update.deletes) == ("HEAD@{1 day ago}", "refs/heads/a", False)
    (update,) = parse_updates(b"(delete) " + b"0" * 40 + b" refs/heads/a " + b"1" * 40 + b"\n")
    assert update.deletes
