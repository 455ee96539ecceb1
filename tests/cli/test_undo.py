"""`git stage undo`: what a command replaced or removed comes back, byte for byte."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Repo, conflict, differences, md5, new_repo

from gitstage import journal
from gitstage.journal import Limit, Slot, bury
from gitstage.project import Project


@pytest.fixture
def ran(ran: Repo) -> Repo:
    """As ever, with nothing to undo."""
    ran.stage("undo", "--forget", check=True)
    return ran


def look(repo: Repo) -> dict[str, tuple[str, ...]]:
    """The work tree, with modes; of the cache, the objects, whether or not a link to one was made executable."""
    return {
        path: (entry[0], entry[1].replace("0544", "0444"), *entry[2:]) if path.startswith(".dvc/cache/") else entry
        for path, entry in repo.tree().items()
        if not (path.startswith(".dvc/cache/") and (entry[0] == "dir" or "/runs/" in path))
    }


def lost(before: dict[str, tuple[str, ...]], after: dict[str, tuple[str, ...]]) -> list[str]:
    """What differs, but for objects that were added to the cache, which stay there."""
    kept = {path: entry for path, entry in after.items() if path in before or not path.startswith(".dvc/cache/")}
    return differences(before, kept)


def listed(repo: Repo) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(repo.stage("undo", "--json", check=True).stdout)
    return found


def there_and_back(repo: Repo, *argv: str) -> None:
    """A command, its undo, the undo of that, and an undo again."""
    before = look(repo)
    repo.stage(*argv, check=True)
    after = look(repo)
    assert lost(before, after), "the command changed nothing"
    assert f"Undone: {argv[0]}" in repo.stage("undo", check=True).stdout
    assert lost(before, look(repo)) == []
    repo.stage("undo", check=True)
    gone = [path for path in after if path.startswith(".dvc/cache") and path not in look(repo)]
    assert lost(after, look(repo)) == [] and not gone
    assert str(listed(repo)[0]["command"]).startswith(argv[0])
    repo.stage("undo", check=True)
    assert lost(before, look(repo)) == []


def edited(repo: Repo) -> None:
    repo.write({"dir/a": "edited\n", "dir/new": "n\n"}, mode=0o755)
    (repo.path / "dir/empty").mkdir()


def changed(repo: Repo) -> None:
    repo.write({"src": "two\n"})
    (repo.path / "out").chmod(0o600)


def lost_output(repo: Repo) -> None:
    changed(repo)
    repo.write({"out": "written by hand, and in no cache\n"}, mode=0o640)


def replaced(repo: Repo) -> None:
    repo.write({"data": "another\n", "dir/sub/b": "b\n"}, mode=0o600)


def another_file(repo: Repo) -> None:
    repo.write({"../elsewhere": "from elsewhere\n"})
    repo.write({"data": "in no cache\n"}, mode=0o755)


def imported(repo: Repo) -> None:
    repo.write({"../elsewhere": "from elsewhere\n"})
    repo.stage("import-url", "../elsewhere", "in", check=True)
    repo.write({"../elsewhere": "another\n"})


def origin(repo: Repo) -> Repo:
    """Another repository, which has a folder `set`."""
    made = new_repo(repo.path.parent / "origin", repo.env)
    made.stage("init", "--no-hooks", check=True)
    made.write({"set/a": "set a\n", "set/b": "set b\n"})
    made.stage("add", "set", check=True)
    made.commit("set")
    return made


def with_origin(repo: Repo) -> None:
    origin(repo)


def in_the_way(repo: Repo) -> None:
    origin(repo)
    repo.write({"set": "in no cache\n"}, mode=0o600)


def imported_from_git(repo: Repo) -> None:
    other = origin(repo)
    repo.stage("import", "../origin", "set", check=True)
    other.write({"set/a": "another\n"})
    other.stage("add", "set", check=True)
    other.commit("another")


def pushed(repo: Repo) -> None:
    repo.stage("remote", "add", "-d", "store", "../store", check=True)
    repo.stage("push", check=True)
    repo.remove(".dvc/cache", "data", "dir", "out")


def pushed_and_edited(repo: Repo) -> None:
    pushed(repo)
    repo.write({"data": "in no cache\n", "dir/a": "edited\n", "dir/mine": "m\n"}, mode=0o640)


def conflicting(repo: Repo) -> None:
    stage = "  {0}:\n    cmd: echo {0}\n".format
    conflict(repo, repo.read("dvc.yaml"), stage("u"), stage("v"))
    repo.stage("undo", "--forget", check=True)


def of_dvc_2(repo: Repo) -> None:
    digest = md5("legacy\n")
    repo.write({"legacy": "legacy\n", "legacy.dvc": f"outs:\n- md5: {digest}\n  size: 7\n  path: legacy\n"})
    repo.write({f".dvc/cache/{digest[:2]}/{digest[2:]}": "legacy\n"}, mode=0o444)
    repo.append(".gitignore", "/legacy\n")


def unneeded(repo: Repo) -> None:
    repo.stage("remove", "data.dvc", "dir.dvc", check=True)
    repo.commit("without data")


def linked(kind: str, then: Callable[[Repo], None] | None = None) -> Callable[[Repo], None]:
    def prepare(repo: Repo) -> None:
        repo.stage("config", "cache.type", kind, check=True)
        repo.stage("checkout", "--relink", check=True)
        if then is not None:
            then(repo)

    return prepare


VERBS: list[tuple[str, Callable[[Repo], None] | None, list[str]]] = [
    ("checkout a lost file", lambda repo: repo.remove("dir/a", "data"), ["checkout"]),
    ("checkout --force", edited, ["checkout", "--force"]),
    (
        "checkout --relink",
        lambda repo: repo.stage("config", "cache.type", "hardlink"),
        ["checkout", "--relink", "data", "dir"],
    ),
    ("repro", changed, ["repro"]),
    ("repro, output in no cache", lost_output, ["repro"]),
    ("repro, hardlinks", linked("hardlink", lambda repo: repo.write({"src": "two\n"})), ["repro"]),
    ("repro, symlinks", linked("symlink", lambda repo: repo.write({"src": "two\n"})), ["repro"]),
    ("run", None, ["run", "-n", "t", "-d", "src", "-o", "made/new", "mkdir -p made && cp src made/new"]),
    ("run, uncached", None, ["run", "-n", "t", "-d", "src", "-M", "m.json", "echo 1 > m.json"]),
    ("remove", None, ["remove", "s", "data.dvc"]),
    ("remove --outs", edited, ["remove", "--outs", "s", "dir.dvc"]),
    ("remove, hardlinks", linked("hardlink"), ["remove", "dir.dvc", "data.dvc"]),
    ("move", edited, ["move", "dir", "moved"]),
    ("add again", replaced, ["add", "data", "dir"]),
    ("add, hardlinks", linked("hardlink", replaced), ["add", "data", "dir"]),
    ("add, symlinks", linked("symlink", replaced), ["add", "data", "dir"]),
    ("add --out --force", another_file, ["add", "-f", "--out", "data", "../elsewhere"]),
    ("commit", lost_output, ["commit", "-f"]),
    ("import-url", None, ["import-url", "../given", "new"]),
    ("import-url --force", another_file, ["import-url", "-f", "../elsewhere", "data"]),
    ("update", imported, ["update", "in.dvc"]),
    ("import", with_origin, ["import", "../origin", "set"]),
    ("import --force", in_the_way, ["import", "-f", "../origin", "set"]),
    ("update, from Git", imported_from_git, ["update", "set.dvc"]),
    ("pull", pushed, ["pull"]),
    ("pull --force", pushed_and_edited, ["pull", "--force"]),
    ("resolve", conflicting, ["resolve"]),
    ("cache migrate", of_dvc_2, ["cache", "migrate", "--dvc-files"]),
    ("unprotect", linked("hardlink"), ["unprotect", "dir", "data"]),
    ("unprotect symlinks", linked("symlink"), ["unprotect", "data"]),
    ("freeze", None, ["freeze", "s"]),
    ("gc", unneeded, ["gc", "-w", "-f"]),
]


@pytest.mark.parametrize(("prepare", "argv"), [case[1:] for case in VERBS], ids=[case[0] for case in VERBS])
def test_every_verb_can_be_undone(ran: Repo, prepare: Callable[[Repo], None] | None, argv: list[str]) -> None:
    ran.write({"../given": "given\n"})
    if prepare is not None:
        prepare(ran)
    there_and_back(ran, *argv)


def test_several_commands_and_the_way_forth_again(ran: Repo) -> None:
    states = [look(ran)]
    for step in (["remove", "--outs", "data.dvc"], ["move", "dir", "moved"], ["unprotect", "moved"], ["repro", "-f"]):
        ran.write({"out": f"written by hand before {step[0]}\n"})  # so that each changes something of the last one's
        states.append(look(ran))
        ran.stage(*step, check=True)
        states.append(look(ran))
    assert [one["command"] for one in listed(ran)] == ["repro -f", "move dir moved", "remove --outs data.dvc"]
    ran.write({"out": "by hand again\n"})
    got = ran.stage("undo", "3")
    assert got.returncode == 1 and "out: changed since, and its content is in no cache" in got.stderr
    assert ran.read("out") == "by hand again\n" and len(listed(ran)) == 3
    ran.stage("undo", "-f", "3", check=True)
    back = look(ran)
    assert lost(states[0], back | {"out": states[0]["out"]}) == []
    assert ran.read("out") == "written by hand before repro\n"
    assert [one["undone"] for one in listed(ran)] == [False, True, True, True]
    ran.stage("undo", check=True)
    assert ran.read("out") == "by hand again\n" and not ran.exists("data")
    assert [one["undone"] for one in listed(ran)] == [False, False, False]
    ran.stage("undo", "-n", "3", "-f", check=True)
    ran.stage("undo", "-n", "4", "-f", check=True)  # the undo, and what it had undone
    assert lost(back, look(ran)) == []


def test_what_changed_since_is_replaced_only_by_force(ran: Repo) -> None:
    assert ran.stage("undo").stderr.startswith("git-stage: there is nothing to undo\n")
    ran.stage("remove", "s", check=True)
    ran.append(".gitignore", "mine\n")
    before = look(ran)
    for extra in ([], ["--dry-run"]):
        got = ran.stage("undo", *extra)
        assert got.returncode == 1 and got.stderr == (
            "git-stage: .gitignore: changed since, and its content is in no cache\n"
            "hint: git stage undo --force replaces it, and keeps it for undo\n"
        )
    assert look(ran) == before
    got = ran.stage("undo", "--force", "--dry-run", check=True)
    assert "Would undo: remove s\n" in got.stdout and "A\tdvc.lock" in got.stdout and look(ran) == before
    ran.stage("undo", "--force", check=True)
    assert ran.git("status", "-s") == ""
    ran.stage("undo", check=True)
    assert look(ran) == before
    assert ran.stage("undo", "5").stderr.startswith("git-stage: only 1 commands can be undone")
    assert ran.stage("undo", "0").returncode == ran.stage("undo", "1", "-n", "1").returncode == 2


def test_the_list(ran: Repo) -> None:
    assert ran.stage("undo", "--list", check=True).stdout == "There is nothing to undo.\n"
    ran.write({"dir/a": "in no cache " * 1000})
    ran.stage("checkout", "-f", check=True)
    ran.stage("remove", "data.dvc", check=True)
    lines = ran.stage("undo", "--list", check=True).stdout.splitlines()
    assert lines[0].startswith("  1  20") and lines[0].endswith("remove data.dvc: data.dvc, .gitignore")
    assert " 11.88k  " in lines[1] and lines[1].endswith("  checkout -f: dir/a"), lines
    found = listed(ran)[1]
    assert (found["n"], found["command"], found["paths"], found["undone"]) == (2, "checkout -f", ["dir/a"], False)
    assert 12000 <= int(str(found["bytes"])) < 13000
    assert ran.stage("undo", "--forget", check=True).stdout.startswith("Freed 1")
    assert listed(ran) == [] and ran.stage("status", check=True).stdout


def test_no_more_is_kept_than_asked_for(ran: Repo) -> None:
    undo = ran.path / ".dvc/tmp/gitstage/undo"

    def replace(text: str) -> None:
        ran.write({"data": text})
        ran.stage("checkout", "-f", check=True)

    ran.git("config", "gitstage.undoKeep", "10k")
    for number in range(4):
        replace(str(number) * 4000)
    assert [one["bytes"] for one in listed(ran)] and len(listed(ran)) == 2  # 4000 bytes each, and the journals
    replace("x" * 20_000)
    assert listed(ran) == []  # more than may be kept
    ran.git("config", "gitstage.undoKeep", "3, 1g")
    for number in range(5):
        replace(f"number {number}")
    assert len(listed(ran)) == 3
    for folder in undo.iterdir():  # as if a week had passed
        number, when, size = folder.name.split("-")
        folder.rename(undo / f"{number}-{int(when) - 7 * 86400}-{size}")
    ran.git("config", "gitstage.undoKeep", "6d")
    replace("a week later")
    assert len(listed(ran)) == 1
    ran.git("config", "gitstage.undoKeep", "off")
    replace("for ever")
    assert len(listed(ran)) == 1
    ran.stage("undo", "-f", check=True)
    assert ran.read("data") == "a week later" and listed(ran) == []
    ran.git("config", "gitstage.undoKeep", "much")
    ran.write({"src": "two\n"})
    got = ran.stage("repro")
    assert got.returncode == 6 and "gitstage.undoKeep: 'much' is no size, age or number" in got.stderr
    assert ran.read("out") == "one\n"


def test_gc_says_what_is_kept_and_dvc_collects_beside_it(ran: Repo) -> None:
    unneeded(ran)
    before = ran.cache()
    got = ran.stage("gc", "-w", "-f", check=True)
    assert "Removed 3 objects from repo cache." in got.stdout
    assert "bytes are kept for git stage undo; git stage undo --forget frees them now" in got.stderr
    assert "Removed" not in ran.dvc("gc", "-w", "-f", check=True).stdout
    assert ran.dvc("status", check=True).stdout == "Data and pipelines are up to date.\n"
    ran.stage("undo", check=True)
    assert ran.cache() == before
    ran.dvc("gc", "-w", "-f", check=True)
    ran.stage("undo", "3", check=True)  # there and back again, without the objects, and then the remove
    assert ran.exists("data.dvc") and ran.exists("dir.dvc")
    got = ran.stage("checkout", "--force", "data.dvc")
    assert (got.returncode, ran.read("data")) == (0, "d\n")


def test_what_is_lost_in_the_cache_cannot_come_back(ran: Repo) -> None:
    ran.stage("remove", "--outs", "data.dvc", check=True)
    digest = md5("d\n")
    ran.object(digest).unlink()
    before = look(ran)
    got = ran.stage("undo")
    assert got.returncode == 4 and got.stderr.startswith(f"git-stage: data: {digest} is not in the cache any more")
    assert look(ran) == before


def test_two_worktrees_have_their_own_commands_and_one_cache(ran: Repo) -> None:
    ran.git("worktree", "add", "-q", "../other", "-b", "other")
    other = Repo(ran.path.parent / "other", ran.env)
    other.stage("checkout", check=True)
    assert [one["command"] for one in listed(other)] == ["checkout"]
    assert listed(ran) == []
    ran.stage("remove", "--outs", "dir.dvc", check=True)
    ran.commit("without dir")
    other.git("merge", "-q", "--ff-only", "main")
    other.stage("gc", "-w", "-f", check=True)
    assert not ran.object(md5("a\n")).exists()
    ran.stage("undo", check=True)  # the object comes out of what gc put away in the other work tree
    assert ran.read("dir/a") == "a\n" and ran.object(md5("a\n")).exists()
    other.stage("undo", check=True)
    assert ran.stage("status", check=True).stdout == "Data and pipelines are up to date.\n"


def test_a_cache_on_another_disk_keeps_what_gc_removes(ran: Repo, tmp_path: Path) -> None:
    here = os.stat(tmp_path).st_dev
    places = [Path(place) for place in ("/dev/shm", "/var/tmp", Path.home()) if os.path.isdir(place)]
    elsewhere = next((place for place in places if place.stat().st_dev != here and os.access(place, os.W_OK)), None)
    if elsewhere is None:
        pytest.skip("this machine has one file system")
    cache = elsewhere / f"gitstage-undo-{os.getpid()}"
    try:
        shutil.copytree(ran.path / ".dvc/cache", cache)
        ran.stage("config", "--local", "cache.dir", str(cache), check=True)
        ran.git("config", "gitstage.gcGrace", "0")
        unneeded(ran)
        names = sorted(path.name for path in cache.rglob("*") if path.is_file())
        ran.stage("gc", "-w", "-f", check=True)
        assert [path.name for path in cache.iterdir() if path.name.startswith(".undo-")]
        ran.stage("undo", check=True)
        assert sorted(path.name for path in cache.rglob("*") if path.is_file()) == names
        ran.stage("undo", check=True)
        assert ran.stage("undo", "--forget", check=True).stdout.startswith("Freed")
        assert not [path.name for path in cache.iterdir() if path.name.startswith(".undo-")]
    finally:
        shutil.rmtree(cache, ignore_errors=True)


def test_hooks_can_be_undone_too(ran: Repo) -> None:
    ran.stage("install", check=True)
    ran.write({"data": "second\n"})
    ran.stage("add", "data", check=True)
    ran.commit("second")
    before = look(ran)
    ran.git("checkout", "-q", "HEAD~1")
    assert ran.read("data") == "d\n"
    assert str(listed(ran)[0]["command"]).startswith("hook post-")
    ran.git("config", "gitstage.followResets", "false")
    ran.git("checkout", "-q", "main", env={"GITSTAGE_HOOKS": "0"})
    ran.stage("undo", check=True)
    assert look(ran) == before
    ran.git("config", "gitstage.verify", "fix")
    ran.write({"src": "fixed\n"})
    ran.git("commit", "-q", "-a", "-m", "fixed")
    assert ran.read("out") == "fixed\n" and listed(ran)[0]["command"] == "hook pre-commit"
    ran.stage("undo", check=True)
    assert ran.read("out") == "one\n" and ran.git("status", "-s") == " M dvc.lock\n"


def test_a_command_that_died_can_be_undone(ran: Repo) -> None:
    ran.write({"dir/b": "b\n", "dir/a": "by hand\n"})
    before = look(ran)
    ran.stage("checkout", "-f", check=True)
    (folder,) = (ran.path / ".dvc/tmp/gitstage/undo").iterdir()
    journal = folder / "journal"
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join([*lines[:-1], lines[-1][:10]]))  # as kill -9 leaves it
    folder.rename(folder.parent / folder.name.partition("-")[0])
    got = ran.stage("undo", "--list", check=True)
    assert "checkout -f: " in got.stdout
    ran.stage("undo", check=True)
    assert look(ran) == before


DIE = """
import os, sys
from gitstage import cli, undo
left, real = int(sys.argv[1]), undo._Way._bring_back
def bring_back(*args):
    global left
    left -= 1
    if left < 0:
        os._exit(9)
    real(*args)
undo._Way._bring_back = bring_back
sys.exit(cli.main(["undo", "-n", sys.argv[2]]))
"""


def test_a_command_that_died_before_it_changed_anything_is_not_listed(ran: Repo) -> None:
    ran.write({"data": "by hand\n"})
    ran.stage("checkout", "--force", check=True)
    before = listed(ran)
    with Project(str(ran.path)) as project:
        project.journal.begin()
        owner = project.scratch.folder
        assert len(listed(ran)) == len(before) + 1  # it lives
        project.journal._stream = None  # and dies
    assert not os.path.exists(owner)
    ran.stage("status", check=True)
    assert listed(ran) == before


def test_who_tidies_up_leaves_a_journal_that_begins(ran: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """At each moment of its beginning it says whose it is, or is not there."""
    (ran.path / "keep").write_text("in no cache\n")
    with Project(str(ran.path)) as project:
        made = {name: getattr(os, name) for name in ("mkdir", "rename")}

        def sweeping(name: str) -> Callable[..., None]:
            def call(*args: Any, **more: Any) -> None:
                bury(project.journal.parent, project.scratch.parent)
                made[name](*args, **more)
                bury(project.journal.parent, project.scratch.parent)

            return call

        for name in made:
            monkeypatch.setattr(os, name, sweeping(name))
        assert project.journal.take("keep")
        monkeypatch.undo()
    assert listed(ran)[0]["paths"] == ["keep"]
    ran.stage("undo", check=True)
    assert ran.read("keep") == "in no cache\n"


def test_what_cannot_be_removed_stays(ran: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of old journals; the command has done its work."""
    for text in "ab":
        ran.write({"data": f"{text}\n"})
        ran.stage("checkout", "--force", check=True)
    first, second = sorted((ran.path / ".dvc/tmp/gitstage/undo").iterdir())

    def refuse(slot: Slot, root: str) -> None:
        raise PermissionError(13, "Permission denied", slot.folder)

    monkeypatch.setattr(journal, "drop", refuse)
    journal.trim(str(first.parent), Limit(commands=1), str(ran.path), set())
    monkeypatch.undo()
    journal.trim(str(first.parent), Limit(commands=1), str(ran.path), set())
    assert not first.exists() and second.exists()


def test_an_undo_that_died_can_be_undone(ran: Repo) -> None:
    """Killed before each of its steps, on the way back and forth: the next undo brings all to one of the two states."""
    ran.write({"m": "metric\n"})
    ran.stage(
        "run", "-n", "t", "-d", "src", "-M", "m", "-o", "new/o", "mkdir -p new && cp src new/o && cp src m", check=True
    )
    ran.stage("remove", "--outs", "dir.dvc", "t", check=True)
    states = [look(ran)]
    ran.stage("undo", "2", check=True)
    states.append(look(ran))
    ran.stage("undo", check=True)
    assert lost(states[0], look(ran)) == []
    paths = sum(len(json.loads(line)) == 2 for line in _journals(ran))
    for step in range(1, paths, max(1, paths // 3)):
        assert ran.run(sys.executable, "-c", DIE, str(step), "2").returncode == 9
        ran.stage("undo", check=True)
        assert lost(states[0], look(ran)) == [], step
        ran.stage("undo", "2", check=True)
        assert lost(states[1], look(ran)) == [], step
        code = ran.run(sys.executable, "-c", DIE, str(step // 2), "1").returncode
        ran.stage("undo", *([] if code == 9 else ["2"]), check=True)
        assert lost(states[0] if code == 9 else states[1], look(ran)) == [], step
        if code != 9:
            ran.stage("undo", check=True)


def _journals(repo: Repo) -> list[str]:
    folders = (repo.path / ".dvc/tmp/gitstage/undo").iterdir()
    return [line for folder in folders for line in (folder / "journal").read_text().splitlines() if '"was"' in line]


def test_a_command_at_work_cannot_be_undone(ran: Repo) -> None:
    ran.write(
        {"src": "two\n", "dvc.yaml": ran.read("dvc.yaml") + "  t:\n    cmd: touch up; sleep 60\n    deps: [out]\n"}
    )
    process = ran.start("git-stage", "repro")
    try:
        while not ran.exists("up"):
            assert process.poll() is None
        got = ran.stage("undo")
        assert got.returncode == 8 and f"'repro' (process {process.pid}) has not ended yet" in got.stderr
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    assert ran.read("out") == "two\n"
    ran.stage("undo", check=True)
    assert ran.read("out") == "one\n" and ran.git("diff", "--name-only") == "dvc.yaml\nsrc\n"


def test_a_journal_of_a_stranger_leads_nowhere(ran: Repo) -> None:
    ran.stage("remove", "s", check=True)
    (folder,) = (ran.path / ".dvc/tmp/gitstage/undo").iterdir()
    head = (folder / "journal").read_text().splitlines()[0]
    outside = ran.path.parent / "outside"
    for path in ("../outside", str(outside), ".git/hooks/pre-commit", ".dvc/config"):
        bad = json.dumps({"path": path, "was": {"text": "evil", "mode": 0o4777}})
        (folder / "journal").write_text(f"{head}\n{bad}\n")
        before = ran.state()
        got = ran.stage("undo", "-f")
        assert got.returncode == 1 and "the journal of undo: " in got.stderr and not outside.exists()
        assert ran.state() == before
    for state in (
        {"kept": "../../../../.git/HEAD"},
        {"place": "../../../../.git/HEAD"},
        {"md5": "../x"},
        {"moved": ".git"},
    ):
        (folder / "journal").write_text(f"{head}\n{json.dumps({'path': 'x', 'was': state})}\n[]\nnull\n\x00\n")
        before = ran.state()
        assert "Traceback" not in ran.stage("undo", "-f").stderr
        assert ran.state() == before
    assert not outside.exists()


# -- random sequences --------------------------------------------------------------------------------------------------


def content(entry: tuple[str, ...] | None) -> str:
    """The MD5 of a file or, of a link, of the object to which it leads."""
    if entry is None or entry[0] == "dir":
        return ""
    return entry[2] if entry[0] == "file" else "".join(entry[1].split("/")[-2:])


class Play:
    """A random sequence of commands and edits in a project, and what undoing all commands has to make of it."""

    def __init__(self, repo: Repo, seed: int) -> None:
        self.repo, self.random, self.said = repo, random.Random(seed), [f"seed {seed}"]
        self.steps: list[tuple[list[str], dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]] = []
        kind = self.random.choice(["copy", "copy", "hardlink", "symlink"])
        repo.stage("config", "cache.type", kind, check=True)
        self.said.append(kind)
        self.count = 0

    def commands(self) -> int:
        folder = self.repo.path / ".dvc/tmp/gitstage/undo"
        return len(list(folder.iterdir())) if folder.exists() else 0

    def tracked(self) -> list[str]:
        return sorted(str(p.relative_to(self.repo.path))[:-4] for p in self.repo.path.glob("[!.]*.dvc"))

    def edit(self) -> None:
        repo, choose = self.repo, self.random.choice
        self.count += 1
        names = [
            str(p.relative_to(repo.path)) for p in sorted(repo.path.rglob("*")) if p.is_file() and ".d" not in str(p)
        ]
        names = [name for name in names if name[0] != "." and ".git" not in name and "dvc" not in name]
        name = choose(["src", *names])
        what = choose(["write", "write", "mode", "new", "comment"])
        if what == "new":
            folders = [
                str(p.relative_to(repo.path))
                for p in sorted(repo.path.iterdir())
                if p.is_dir() and p.name[0] != "." and p.name != "new"
            ]
            name = f"{choose(folders)}/new{self.count}"
            repo.write({name: f"new {self.count}\n"})
        elif what == "comment" and repo.exists("dvc.yaml"):
            repo.append("dvc.yaml", f"# {self.count}\n")
        elif what == "mode" and not (repo.path / name).is_symlink() and os.stat(repo.path / name).st_nlink == 1:
            (repo.path / name).chmod(choose([0o600, 0o755, 0o644]))
        else:
            repo.write({name: f"edit {self.count}\n"}, mode=choose([0o644, 0o640]))
        self.said.append(f"edit {what} {name}")

    def command(self) -> None:
        choose, repo = self.random.choice, self.repo
        self.count += 1
        data = self.tracked() or ["data"]
        argv = choose(
            [
                ["repro"], ["repro", "-f"], ["checkout", "--force"], ["checkout", "--force"], ["add", *data],
                ["move", choose(data), f"m{self.count}"], ["remove", choose([*data, "s"]) + ".dvc"],
                ["remove", "--outs", choose(["s", *(f"{one}.dvc" for one in data)])], ["gc", "-w", "-f"],
                ["run", "-f", "-n", f"s{self.count}", "-d", "src", "-o", f"new/{self.count}/o",
                 f"mkdir -p new/{self.count} && cp src new/{self.count}/o"],
                ["run", "-f", "-n", "u", "-d", "src", "-M", "metric", "cp src metric"], ["unprotect", choose(data)],
            ]
        )  # fmt: skip
        if argv[0] == "gc":
            repo.git("add", "-A")
            repo.git("commit", "-q", "--allow-empty", "-m", "x")
        before, known = look(repo), self.commands()
        got = repo.stage(*argv)
        assert "Traceback" not in got.stderr, (self.said, got.stderr)
        self.said.append(f"{argv} -> {got.returncode}")
        if self.commands() > known:
            self.steps.append((argv, before, look(repo)))

    def expected(self) -> dict[str, tuple[str, ...]]:
        """What lies there after everything was undone: what a command touched is as before it; edits of the rest stay."""
        state = look(self.repo)
        told = [set(map(str, one["paths"])) for one in listed(self.repo)]  # type: ignore[call-overload]
        for (argv, before, after), paths in zip(reversed(self.steps), told, strict=False):
            if argv[0] == "move":
                old, new = argv[1:]
                for path in [*state]:
                    if path == new or path.startswith(new + "/"):
                        state[old + path[len(new) :]] = state.pop(path)
            for path in {*before, *after}:
                if (before.get(path) == after.get(path) and path not in paths) or (
                    argv[0] == "move" and not path.endswith((".dvc", ".gitignore"))
                ):
                    continue
                if (
                    path not in paths
                    and path in before
                    and path in after
                    and content(before[path]) == content(after[path]) != content(state.get(path))
                ):
                    is_plain = state.get(path, ("",))[0] == before[path][0] == "file"  # another kind of link was made
                    state[path] = ("file", before[path][1], content(state[path])) if is_plain else state[path]
                elif path in before:
                    state[path] = before[path]
                else:
                    for inside in [one for one in state if one == path or (path[-1] == "/" and one.startswith(path))]:
                        del state[inside]
        return state


def test_undoing_all_of_a_random_sequence(ran: Repo, sequence: int) -> None:
    """Also by hand: pytest -k random_sequence --undo-sequences 50."""
    play = Play(ran, sequence)
    for _ in range(8):
        for _ in range(play.random.choice([0, 1, 1, 2])):
            play.edit()
        play.command()
    if not play.steps:
        return
    expected, now = play.expected(), look(ran)
    ran.stage("undo", "--force", "-n", str(len(play.steps)), check=True)
    assert lost(expected, look(ran)) == [], "\n".join(play.said)
    ran.stage("undo", check=True)
    assert lost(now, look(ran)) == [], "\n".join(play.said)
