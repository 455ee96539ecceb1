"""What the fault matrix plays: for every verb that changes anything, a project and a command line."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from support import Repo, conflict, md5

PIPELINE = """stages:
  s:
    cmd: cp src out
    deps: [src]
    outs: [out]
  t:
    cmd: mkdir -p made && cp out made/a && cp src made/b
    deps: [out, src]
    outs: [made]
"""


@dataclass(frozen=True)
class Scenario:
    """`build` prepares the project that `base` made; then `argv` is struck, a verb of git-stage or "git ...".

    `steps`: the command writes several pipeline files, or one more than once, so that there are states between.
    `project`: where it works, if that is not the project that `base` made; what it leaves there is tidied by a `gc` there.
    `again`: so often it may have to be given, until all is as after one that nothing struck.
    """

    name: str
    argv: tuple[str, ...]
    build: Callable[[Repo], None] = lambda repo: None
    steps: bool = False
    project: str = ""
    again: int = 1

    @property
    def verb(self) -> str:
        return self.name.partition(":")[0]


def base(repo: Repo) -> None:
    """A project of two versions, `old` and `main`: data in a file and a folder, and two stages."""
    repo.git("init", "-q", "-b", "main", "--template=")
    repo.stage("init", "--no-hooks", check=True)
    repo.write({"src": "one\n", "data": "data one\n", "dir/a": "a one\n", "dir/b": "b\n", "dvc.yaml": PIPELINE})
    repo.stage("add", "-q", "data", "dir", check=True)
    repo.stage("repro", "-q", check=True)
    repo.commit("one")
    repo.git("branch", "old")
    repo.write({"src": "two\n", "data": "data two\n", "dir/a": "a two\n", "dir/c": "c\n"})
    repo.stage("add", "-q", "data", "dir", check=True)
    repo.stage("repro", "-q", check=True)
    repo.commit("two")
    repo.git("gc", "-q")


def both(*builds: Callable[[Repo], None]) -> Callable[[Repo], None]:
    def build(repo: Repo) -> None:
        for one in builds:
            one(repo)

    return build


def changed(repo: Repo) -> None:
    repo.write({"src": "three\n", "data": "data three\n", "dir/a": "a three\n", "dir/d": "d\n"})


def with_link(kind: str, then: Callable[[Repo], None] = lambda repo: None) -> Callable[[Repo], None]:
    def build(repo: Repo) -> None:
        repo.stage("config", "cache.type", kind, check=True)
        repo.stage("checkout", "-q", "--relink", check=True)
        then(repo)

    return build


def copies_of_links(repo: Repo) -> None:
    with_link("hardlink")(repo)
    repo.stage("config", "cache.type", "copy", check=True)


def frozen(repo: Repo) -> None:
    repo.stage("freeze", "-q", "s", check=True)


def at_old(repo: Repo) -> None:
    """The pipeline files are those of the earlier version, the data is the later one's."""
    repo.git("checkout", "-q", "old")


def no_outputs(repo: Repo) -> None:
    repo.remove("data", "dir", "out", "made")


def unsaved(repo: Repo) -> None:
    """What lies at outputs is in no cache."""
    repo.write({"data": "by hand\n", "out": "by hand, too\n", "made/a": "and this\n"})


def with_remote(repo: Repo) -> None:
    repo.stage("remote", "add", "-d", "store", "../store", check=True)


def pushed(repo: Repo) -> None:
    with_remote(repo)
    repo.stage("push", "-q", check=True)
    shutil.rmtree(repo.path / ".dvc/cache")
    no_outputs(repo)


def fetched(repo: Repo) -> None:
    with_remote(repo)
    repo.stage("push", "-q", check=True)
    shutil.rmtree(repo.path / ".dvc/cache")


def origin(repo: Repo) -> Repo:
    """Another repository, to import from."""
    other = copy.copy(repo)
    other.path = repo.path.parent / "origin"
    other.path.mkdir()
    other.git("init", "-q", "-b", "main", "--template=")
    other.stage("init", "--no-hooks", check=True)
    other.write({"set/a": "a\n", "set/b": "b\n"})
    other.stage("add", "-q", "set", check=True)
    other.commit("set")
    return other


def with_origin(repo: Repo) -> None:
    origin(repo)


def imported(repo: Repo) -> None:
    other = origin(repo)
    repo.stage("import", "-q", "../origin", "set", check=True)
    other.write({"set/a": "a new\n"})
    other.stage("add", "-q", "set", check=True)
    other.commit("new")
    repo.write({"set/mine": "by hand\n"})


def outside(repo: Repo) -> None:
    folder = repo.path.parent / "outside"
    folder.mkdir()
    (folder / "f").write_text("from outside\n")
    os.utime(folder / "f", (1_600_000_000, 1_600_000_000))


def imported_url(repo: Repo) -> None:
    outside(repo)
    repo.stage("import-url", "-q", "../outside/f", "url", check=True)
    (repo.path.parent / "outside/f").write_text("new outside\n")
    os.utime(repo.path.parent / "outside/f", (1_600_000_001, 1_600_000_001))


def hooked(repo: Repo) -> None:
    repo.stage("install", "-q", check=True)


def to_be_fixed(repo: Repo) -> None:
    hooked(repo)
    repo.git("config", "gitstage.verify", "fix")
    repo.write({"src": "four\n"})
    repo.git("add", "src")


def autostage(repo: Repo) -> None:
    repo.stage("config", "core.autostage", "true", check=True)
    changed(repo)


def conflicted(repo: Repo) -> None:
    """A merge with a conflict in dvc.yaml that `resolve` can settle."""
    repo.git("config", "merge.conflictStyle", "diff3")
    theirs, ours = (f"  {name}:\n    cmd: cp src {name}\n    deps: [src]\n    outs: [{name}]\n" for name in "uv")
    conflict(repo, PIPELINE, theirs, ours)


def three_versions(repo: Repo) -> None:
    ours, theirs = (f"{PIPELINE}  {name}: {{cmd: echo {name}}}\n" for name in "uv")
    repo.write({"base.yaml": PIPELINE, "ours.yaml": ours, "theirs.yaml": theirs})


def old_layout(repo: Repo) -> None:
    """Data as DVC 2 kept it."""
    digest = md5("legacy\n")
    repo.write({"legacy": "legacy\n", "legacy.dvc": f"outs:\n- md5: {digest}\n  size: 7\n  path: legacy\n"})
    repo.write({f".dvc/cache/{digest[:2]}/{digest[2:]}": "legacy\n"}, mode=0o444)
    repo.append(".gitignore", "/legacy\n")
    repo.commit("legacy")


def new_file(repo: Repo) -> None:
    repo.write({"new": "new\n", "more/x": "x\n", "more/y/z": "z\n"})


def failing(repo: Repo) -> None:
    repo.write({"dvc.yaml": PIPELINE.replace("cp src out", "cp src out && false")})
    changed(repo)


def forced(repo: Repo) -> None:
    """There is something to undo: bytes that no cache has, objects, and metadata."""
    unsaved(repo)
    repo.stage("checkout", "-q", "--force", check=True)


def removed(repo: Repo) -> None:
    unsaved(repo)
    repo.stage("remove", "-q", "--outs", "t", "data.dvc", check=True)


def collected(repo: Repo) -> None:
    unneeded(repo)
    repo.stage("gc", "-q", "-w", "-f", check=True)


def unneeded(repo: Repo) -> None:
    repo.git("branch", "-q", "-D", "old")


NEW = ("run", "-q", "-n", "n", "-d", "src", "-o", "n", "cp src n")
SCENARIOS = (
    Scenario("init", ("init", "-q", "--subdir", "sub"), lambda repo: (repo.path / "sub").mkdir(), project="sub"),
    Scenario("run", NEW),
    Scenario("run: over what nothing has", (*NEW[:-3], "-o", "out2", "cp src out2"), lambda repo: repo.write({"out2": "?\n"})),
    Scenario("run: no-exec", ("run", "--no-exec", *NEW[1:])),
    Scenario("repro", ("repro", "-q"), changed, steps=True),
    Scenario("repro: -j", ("repro", "-q", "-j", "2"), changed, steps=True),
    Scenario("repro: unsaved", ("repro", "-q"), both(changed, unsaved), steps=True),
    Scenario("repro: fails", ("repro", "-q"), failing, steps=True),
    Scenario("repro: hardlink", ("repro", "-q"), with_link("hardlink", changed), steps=True),
    Scenario("repro: known", ("repro", "-q"), lambda repo: repo.write({"src": "one\n"}), steps=True),
    Scenario("add", ("add", "-q", "new", "more"), new_file, steps=True),
    Scenario("add: changed", ("add", "-q", "data", "dir"), changed, steps=True),
    Scenario("add: hardlink", ("add", "-q", "dir"), with_link("hardlink", changed)),
    Scenario("add: symlink", ("add", "-q", "dir"), with_link("symlink", changed)),
    Scenario("add: part", ("add", "-q", "dir/a"), changed),
    Scenario("add: autostage", ("add", "-q", "data"), autostage),
    Scenario("add: -o", ("add", "-q", "-o", "copy", "../outside/f"), outside),
    Scenario("commit", ("commit", "-q", "-f"), both(changed, unsaved), steps=True),
    Scenario("checkout", ("checkout", "-q"), no_outputs),
    Scenario("checkout: other version", ("checkout", "-q"), at_old),
    Scenario("checkout: hardlink", ("checkout", "-q"), with_link("hardlink", at_old)),
    Scenario("checkout: symlink", ("checkout", "-q"), with_link("symlink", at_old)),
    Scenario("checkout: --relink", ("checkout", "-q", "--relink"), copies_of_links),
    Scenario("checkout: unsaved", ("checkout", "-q"), both(at_old, unsaved)),
    Scenario("checkout: --force", ("checkout", "-q", "--force"), both(at_old, unsaved)),
    Scenario("remove", ("remove", "-q", "t", "data.dvc"), steps=True),
    Scenario("remove: --outs", ("remove", "-q", "--outs", "t", "data.dvc"), unsaved, steps=True),
    Scenario("move", ("move", "-q", "data", "moved")),
    Scenario("move: folder", ("move", "-q", "dir", "sub"), lambda repo: (repo.path / "sub").mkdir()),
    Scenario("gc", ("gc", "-q", "-w", "-f"), unneeded),
    Scenario("push", ("push", "-q"), with_remote),
    Scenario("push: run cache", ("push", "-q", "--run-cache"), with_remote),
    Scenario("pull", ("pull", "-q"), pushed),
    Scenario("fetch", ("fetch", "-q"), fetched),
    Scenario("import", ("import", "-q", "../origin", "set"), with_origin),
    Scenario("import-url", ("import-url", "-q", "../outside/f", "url"), outside),
    Scenario("update", ("update", "-q", "set.dvc"), imported),
    Scenario("update: url", ("update", "-q", "url.dvc"), imported_url),
    Scenario("install", ("install", "-q")),
    Scenario("uninstall", ("uninstall", "-q"), hooked),
    Scenario("git commit: fix", ("git", "commit", "-q", "-m", "fixed"), to_be_fixed, steps=True),
    Scenario("git checkout", ("git", "checkout", "-q", "old"), hooked),
    Scenario("resolve", ("resolve", "-q"), conflicted),
    Scenario("merge-file", ("merge-file", "base.yaml", "ours.yaml", "theirs.yaml", "7", "dvc.yaml"), three_versions),
    Scenario("cache migrate", ("cache", "migrate", "--dvc-files"), old_layout),
    Scenario("unprotect", ("unprotect", "-q", "dir", "data"), with_link("hardlink")),
    Scenario("freeze", ("freeze", "-q", "s", "data.dvc"), steps=True),
    Scenario("unfreeze", ("unfreeze", "-q", "s"), frozen),
    Scenario("config", ("config", "-q", "cache.type", "copy")),
    Scenario("remote add", ("remote", "add", "-d", "store", "../store")),
    Scenario("remote modify", ("remote", "modify", "store", "jobs", "3"), with_remote),
    Scenario("remote rename", ("remote", "rename", "store", "shop"), with_remote),
    Scenario("remote remove", ("remote", "remove", "store"), with_remote),
    Scenario("cache dir", ("cache", "dir", "../elsewhere")),
    # one that was struck is a command to be undone first
    Scenario("undo", ("undo", "-q", "--force"), forced, again=3),
    Scenario("undo: gc", ("undo", "-q", "--force"), collected, again=3),
    Scenario("undo: remove", ("undo", "-q", "--force"), removed, again=3),
    Scenario("get", ("get", "-q", "-f", "../origin", "set"), with_origin),
    Scenario("get-url", ("get-url", "-q", "-f", "../outside/f"), outside),
)  # fmt: skip
