"""push, pull, fetch and status -c with a folder as remote."""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import pytest
from support import Repo, kill_group, md5, picture, sealed_environment, wait_until

CONFIG = (
    "[core]\n    remote = r\n['remote \"r\"']\n    url = ../../remote\n['remote \"other\"']\n    url = ../../other\n"
)
PIPELINE = """\
stages:
  s:
    cmd: cp src out; echo np > np; cp src m; cp src far
    deps: [src]
    outs: [out, np: {push: false}, far: {remote: other}]
    metrics: [m: {cache: false}]
  t:
    cmd: cat out data > t
    deps: [out, data]
    outs: [t]
"""


@pytest.fixture(scope="session")
def shared_template(project_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shared")
    shutil.copytree(project_template, folder / "repo", symlinks=True)
    made = Repo(folder / "repo", sealed_environment(folder / "home"))
    made.write({"src": "one\n", "data": "d\n", "dir/a/x": "x\n", "dir/a/y": "y\n", "dir/b": "b\n", "sub/f": "f\n"})
    made.write({"dvc.yaml": PIPELINE, ".dvc/config": CONFIG})
    made.stage("add", "data", "dir", "sub/f", check=True)
    made.stage("repro", check=True)
    made.commit("ran")
    return folder


@pytest.fixture
def shared(tmp_path: Path, environment: dict[str, str], shared_template: Path) -> Repo:
    """Stages and data of all kinds, everything in cache and Git, nothing pushed; the remotes are folders beside it."""
    shutil.copytree(shared_template / "repo", tmp_path / "top/repo", symlinks=True)
    return Repo(tmp_path / "top/repo", environment)


def clone(repo: Repo, name: str = "clone") -> Repo:
    repo.git("clone", "-q", str(repo.path), str(repo.path.parent / name))
    return Repo(repo.path.parent / name, repo.env)


def remote(repo: Repo, name: str = "remote") -> dict[str, Path]:
    """Digest -> file of each object there."""
    top = repo.path.parent / name / "files/md5"
    return {path.parent.name + path.name: path for path in top.rglob("*") if path.is_file()}


def forget(repo: Repo, *paths: str) -> None:
    """Remove the cache and some outputs."""
    shutil.rmtree(repo.path / ".dvc/cache", ignore_errors=True)
    repo.remove(*paths)


def whole(repo: Repo, top: Path | None = None) -> int:
    """The number of objects; each is what its name says."""
    top = (top or repo.path / ".dvc/cache") / "files/md5"
    found = [path for path in top.rglob("*") if path.is_file()]
    for path in found:
        assert md5(path.read_bytes()) == (path.parent.name + path.name).removesuffix(".dir"), path
    return len(found)


def test_there_and_back(shared: Repo) -> None:
    assert shared.stage("status", "-c", "--json", check=True).stdout.count('"new"') == 9
    got = shared.stage("push", check=True)
    assert (got.stdout, got.stderr) == ("9 files pushed\n", "")
    assert shared.stage("push", check=True).stdout == "Everything is up to date.\n"
    assert shared.stage("status", "-c", check=True).stdout == "Cache and remote 'r' are in sync.\n"
    assert set(remote(shared, "other")) == {md5("one\n")}
    (folder,) = {digest for digest in remote(shared) if digest.endswith(".dir")}
    assert set(remote(shared)) == {folder, *map(md5, ("d\n", "x\n", "y\n", "b\n", "f\n", "one\n", "one\nd\n"))}

    other = clone(shared)
    got = other.stage("pull")
    assert got.returncode == 4  # np is never pushed
    assert re.fullmatch(
        r"git-stage: np: \w+ is neither in the cache nor on remote 'r'; it is never pushed\n"
        r"git-stage: 1 file could not be fetched\nhint: git stage repro\n",
        got.stderr,
    )
    assert got.stdout.splitlines()[-1] == "8 files fetched and 8 files added"
    ours, theirs = picture(shared.path, skip=(".git", ".dvc")), picture(other.path, skip=(".git", ".dvc"))
    assert {name: entry for name, entry in ours.items() if name != "np"} == theirs
    assert other.stage("pull", "dir", "s", "--allow-missing", check=True).stdout == "Everything is up to date.\n"
    assert other.stage("fetch", check=True).stdout == ""
    forget(other)
    assert other.stage("fetch", "-q", check=True).stdout == ""
    assert whole(other) == 8


def test_only_what_is_named(shared: Repo) -> None:
    shared.stage("push", "dir/a", check=True)
    assert set(remote(shared)) == {md5("x\n"), md5("y\n")}
    assert shared.stage("push", "-d", "t", check=True).stdout == "4 files pushed\n"  # far is s's, and goes elsewhere
    shared.stage("push", "-R", "sub", check=True)
    assert md5("f\n") in remote(shared)
    got = shared.stage("push", "nope")
    assert got.returncode == 3 and "'nope' is not an output or a stage" in got.stderr
    shared.stage("push", "--glob", "da*", "d*/*", check=True)
    assert {digest for digest in remote(shared) if digest.endswith(".dir")}

    other = clone(shared)
    assert other.stage("pull", "dir/a/x", check=True).stdout == "A\tdir/\n2 files fetched and 1 file added\n"
    assert list(picture(other.path / "dir")) == ["a/", "a/x"]
    got = other.stage("pull", "--glob", "dir/*", cwd=".", check=True)
    assert got.stdout == "M\tdir/\n2 files fetched and 2 files added\n"
    forget(other, "dir")
    got = other.stage("pull", "--glob", "../dir/a/*", cwd="sub", check=True)
    assert got.stdout.splitlines()[-1] == "3 files fetched and 2 files added"
    assert not other.exists("dir/b")
    assert other.stage("pull", "--glob", "*.zip").returncode == 3


def test_branches_tags_and_commits(shared: Repo) -> None:
    first = shared.git("rev-parse", "HEAD").strip()
    for number, name in enumerate(("old", "tagged", "branch", "now")):
        shared.write({"data": f"{name}\n"})
        shared.stage("add", "data", check=True)
        shared.commit(name)
        if name == "tagged":
            shared.git("tag", "-a", "-m", "v", "v")
        if name == "branch":
            shared.git("branch", "side")
        assert number < 4
    shared.git("tag", "blob", "HEAD:src")  # no commit
    shared.stage("push", "-T", "data", check=True)
    assert set(remote(shared)) == {md5("now\n"), md5("tagged\n")}
    shared.stage("push", "-a", "data", check=True)
    assert set(remote(shared)) == {md5("now\n"), md5("tagged\n"), md5("branch\n")}
    shared.object(md5("d\n")).unlink()
    got = shared.stage("push", "-A", "data")
    assert got.returncode == 4
    assert f"data ({first[:10]}): {md5('d')[:0]}" in got.stderr
    assert md5("old\n") in remote(shared)
    forget(shared)
    assert shared.stage("fetch", "-a", "-T", "data", check=True).stdout == "3 files fetched\n"
    shared.git("rm", "-q", "data.dvc")
    forget(shared)
    assert shared.stage("fetch", "-a", "data", check=True).stdout == "2 files fetched\n"
    assert shared.stage("fetch", "data").returncode == 3


def test_only_small_outputs_or_of_a_kind(shared: Repo) -> None:
    shared.git("rm", "-q", "--cached", "m")
    shared.write({"dvc.yaml": PIPELINE.replace("metrics: [m: {cache: false}]", "metrics: [m]"), "data": "12345678\n"})
    shared.stage("add", "data", check=True)
    shared.stage("repro", check=True)
    shared.stage("push", "-q", check=True)
    forget(shared)
    assert shared.stage("fetch", "--type", "metrics", check=True).stdout == "1 file fetched\n"
    assert shared.stage("fetch", "--type", "plots", check=True).stdout == "Everything is up to date.\n"
    shared.stage("fetch", "-q", "--max-size", "9", check=True)
    assert [shared.object(md5(text)).exists() for text in ("f\n", "12345678\n")] == [True, False]


def test_remotes_by_name(shared: Repo) -> None:
    shared.stage("push", "-r", "OTHER", "s", check=True)
    assert set(remote(shared, "other")) == {md5("one\n")} and not remote(shared)
    shared.stage("push", "-r", "r", check=True)
    shutil.rmtree(shared.path.parent / "other")
    assert shared.stage("status", "-c", "--json", "far", check=True).stdout == '{"far": "new"}\n'
    got = shared.stage("push", "-r", "nope")
    assert (got.returncode, got.stderr.splitlines()[0]) == (
        6,
        "git-stage: there is no remote 'nope' (known: r, other)",
    )
    shared.write({".dvc/config": CONFIG.replace("remote = r\n", "")})
    got = shared.stage("push")
    assert got.returncode == 6
    assert "hint: git stage remote add -d NAME URL" in got.stderr
    shared.write({".dvc/config": CONFIG.replace("../../remote", "remote://other/deeper")})
    shared.stage("push", check=True)
    assert remote(shared, "other/deeper")


def test_states_of_objects(shared: Repo) -> None:
    shared.stage("push", check=True)
    shared.object(md5("f\n")).unlink()
    shared.object(md5("d\n")).unlink()
    remote(shared)[md5("d\n")].unlink()
    remote(shared)[md5("x\n")].unlink()
    got = shared.stage("status", "-c", check=True)
    assert got.stdout == "\tmissing:            data\n\tnew:                dir/a/x\n\tdeleted:            sub/f\n"
    assert shared.stage("status", "-c", "-q").returncode == 1
    assert shared.stage("status", "-a").returncode == 2


def test_wrong_objects_are_named_and_repaired(shared: Repo) -> None:
    shared.stage("push", check=True)
    objects = remote(shared)
    for digest, text in ((md5("x\n"), "X\n"), (md5("d\n"), "")):
        objects[digest].chmod(0o644)
        objects[digest].write_text(text)
    other = clone(shared)
    got = other.stage("pull", "--allow-missing")
    assert got.returncode == 1
    for path, digest in (("dir/a/x", md5("x\n")), ("data", md5("d\n"))):
        assert f"{path}: remote 'r' holds something else as files/md5/{digest[:2]}/{digest[2:]}" in got.stderr
    assert "git stage push --check" in got.stderr
    assert other.read("out") == "one\n" and not other.exists("dir") and not other.exists("data")
    assert whole(other) == 6
    assert shared.stage("push", check=True).stdout == "1 file pushed\n"  # the short one
    objects[md5("x\n")].unlink()
    assert shared.stage("push", check=True).stdout == "1 file pushed\n"
    other.stage("pull", "dir", "data", check=True)
    assert whole(other) == 8


def test_a_full_disk_loses_nothing(shared: Repo) -> None:
    shared.write({"big": "0123456789abcdef" * 100_000})
    shared.stage("add", "big", check=True)
    shared.commit("big")
    got = shared.run("sh", "-c", "ulimit -f 1000; exec git-stage push")
    assert got.returncode == 1 and re.search("big: .*/remote/files/md5/.*: File too large", got.stderr)
    assert whole(shared, shared.path.parent / "remote") == 8
    shared.stage("push", check=True)
    other = clone(shared)
    got = other.run("sh", "-c", "ulimit -f 1000; exec git-stage pull --allow-missing")
    assert got.returncode == 1 and re.search("big: .*/clone/.dvc/tmp/.*: File too large", got.stderr)
    assert whole(other) == 8
    assert not list((other.path / ".dvc").rglob("*.tmp"))
    other.stage("pull", "big", check=True)
    assert other.read("big") == shared.read("big")


def test_a_folder_that_cannot_be_used(shared: Repo) -> None:
    (shared.path.parent / "remote").write_text("a file")
    for verb in ("push", "fetch"):
        if verb == "fetch":
            forget(shared)
        got = shared.stage(verb)
        assert got.returncode != 0 and got.stderr and "Traceback" not in got.stderr


@pytest.mark.parametrize("verb", ["push", "pull"])
def test_kill_9(shared: Repo, verb: str) -> None:
    files = {f"many/{number}": f"{number}\n" * 50 for number in range(400)}
    shared.write(files)
    shared.stage("add", "many", check=True)
    shared.commit("many")
    top = shared.path.parent / "remote"
    repo = shared
    if verb == "pull":
        shared.stage("push", check=True)
        repo = clone(shared)
    there = top if verb == "push" else repo.path / ".dvc/cache"
    for step in (40, 200, 390):
        process = repo.start("git-stage", verb, "many")
        wait_until(
            lambda step=step, process=process: (
                process.poll() is not None or sum(1 for path in there.rglob("*") if path.is_file()) > step
            ),
            what=f"object {step}",
        )
        kill_group(process)
        process.communicate()
        whole(repo, there) if verb == "pull" else None
        for path in (top / "files/md5").glob("??/*"):
            assert path.name.startswith(".") or md5(path.read_bytes()) == (path.parent.name + path.name)[:32]
    repo.stage(verb, "many", check=True)
    if verb == "pull":
        assert picture(repo.path / "many") == picture(shared.path / "many")
        left = [path.name for path in (repo.path / ".dvc/tmp/gitstage").glob("*")]
        assert set(left) <= {"kept", "undo"}
    else:
        other = clone(shared)
        other.stage("pull", "many", check=True)
        assert picture(other.path / "many") == picture(shared.path / "many")


def test_checkout_fetches_if_it_may(shared: Repo) -> None:
    shared.stage("push", check=True)
    other = clone(shared)
    got = other.stage("checkout", "dir")
    assert got.returncode == 4 and not other.exists("dir")
    other.git("config", "gitstage.autoFetch", "true")
    assert other.stage("checkout", "dir/a", check=True).stdout == "A\tdir/\n"
    assert not other.exists("dir/b")
    got = other.stage("checkout")
    assert got.returncode == 4 and "np" in got.stderr
    assert other.read("t") == "one\nd\n"
    shutil.rmtree(shared.path.parent / "remote")
    (shared.path.parent / "remote").write_text("a file")
    forget(other, "t")
    got = other.stage("checkout", "t")
    assert got.returncode == 4 and "Traceback" not in got.stderr


def test_a_result_of_a_colleague_is_restored(shared: Repo) -> None:
    shared.stage("push", "--run-cache", check=True)
    first = shared.git("rev-parse", "HEAD").strip()
    shared.write(
        {"src": "two\n", "dvc.yaml": PIPELINE.replace(", np: {push: false}", "").replace("echo np > np; ", "")}
    )
    shared.write({"dvc.yaml": shared.read("dvc.yaml").replace("    metrics: [m: {cache: false}]\n", "")})
    shared.stage("repro", check=True)
    shared.stage("push", "--run-cache", check=True)
    changed = {name: shared.read(name) for name in ("src", "dvc.yaml")}
    other = clone(shared)
    other.git("reset", "-q", "--hard", first)
    other.write(changed)
    got = other.stage("repro", "--pull", check=True)
    assert "Stage 's' is cached" in got.stdout and "Stage 't' is cached" in got.stdout
    assert "Running" not in got.stdout
    assert other.read("dvc.lock") == shared.read("dvc.lock")
    assert other.read("t") == "two\nd\n"
    for path in (shared.path.parent / "remote/runs").rglob("*"):
        if path.is_file():
            path.write_text("cmd: rm -rf /\n")
    third = clone(shared, "third")
    got = third.stage("fetch", "--run-cache", check=True)
    assert "is not the result that its name says" in got.stderr
    assert not [path for path in (third.path / ".dvc/cache/runs").rglob("*") if path.is_file()]


def test_add_to_remote(shared: Repo) -> None:
    outside = shared.path.parent / "outside"
    (outside / "s").mkdir(parents=True)
    (outside / "a").write_text("outside a\n")
    (outside / "s/b").write_text("outside b\n")
    got = shared.stage("add", "--to-remote", "../outside", "-o", "new", check=True)
    assert "git add new.dvc" in got.stdout
    assert len(remote(shared)) == 3 and not shared.exists("new") and not shared.object(md5("outside a\n")).exists()
    shared.stage("pull", "new", check=True)
    assert shared.read("new/s/b") == "outside b\n"
    shared.stage("add", "--to-remote", "-r", "other", "../outside/a", check=True)
    assert set(remote(shared, "other")) == {md5("outside a\n")}
    for argv, code in (
        (("--to-remote", "../outside", "-o", "dir/a"), 1),
        (("--to-remote", "../outside", "-o", "out"), 1),
        (("--to-remote", "../nope"), 1),
        (("-r", "other", "src"), 2),
        (("--to-remote", "-r", "nope", "src"), 6),
        (("--to-remote", "src", "dvc.yaml"), 2),
    ):
        before = shared.state()
        assert shared.stage("add", *argv).returncode == code, argv
        assert shared.state() == before


COLLECT = """
import sys
from gitstage.project import Project
from gitstage import sync
with Project.open() as project:
    needs = sync.needs(project, sync.Scope(commits=True), sending=False)
    keep = {need.digest for group in needs.values() for need in group}
    print(len(project.remote().collect(keep).removed))
"""


def test_two_clones_and_a_collection_at_the_same_time(shared: Repo) -> None:
    shared.stage("push", check=True)
    shared.git("init", "-q", "--bare", "-b", "main", "../origin")
    shared.git("remote", "add", "origin", "../origin")
    shared.git("push", "-q", "origin", "main")
    clones = [clone(shared, f"clone{number}") for number in range(2)]
    for one in clones:
        one.git("remote", "set-url", "origin", "../origin")
    script = (
        "set -e; for i in 1 2 3; do echo $0 $i >data; seq $0 $i 99 >dir/$0; git-stage add -q data dir; "
        "git add -A; git commit -q -m $0-$i; git-stage push -q data dir; git push -q origin HEAD:refs/heads/$0; "
        "git-stage pull -q data dir; done"
    )
    for one in clones:
        one.stage("pull", "data", "dir", check=True)
    running = [one.start("sh", "-c", script, str(number + 1)) for number, one in enumerate(clones)]
    collections = 0
    while any(process.poll() is None for process in running):
        shared.git("fetch", "-q", "origin")
        shared.run(sys.executable, "-c", COLLECT, check=True)
        collections += 1
    for process in running:
        out, err = process.communicate()
        assert process.returncode == 0, out + err
    assert collections
    shared.git("fetch", "-q", "origin")
    last = clone(shared, "last")
    last.git("fetch", "-q", "../origin", "+refs/heads/*:refs/remotes/origin/*")
    for name in ("1", "2"):
        last.git("checkout", "-q", f"origin/{name}")
        last.stage("pull", "data", "dir", check=True)
    whole(last, shared.path.parent / "remote")


def test_plain_lines_without_a_terminal(shared: Repo) -> None:
    got = shared.stage("push", env={"TERM": "xterm-256color"}, check=True)
    assert not re.search(r"[\x1b\r]", got.stdout + got.stderr)
