"""`git stage fsck` and `checkout --verify`: what is in the cache is what it is called, or is not used."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from support import Repo, md5

from gitstage.cli import main
from gitstage.memo import Memo

OUT, DATA, FILE = md5("one\n"), md5("d\n"), md5("a\n")
MANIFEST = md5(f'[{{"md5": "{FILE}", "relpath": "a"}}]') + ".dir"


def spoil(repo: Repo, digest: str, text: str = "spoilt\n") -> None:
    """Write into an object as a broken disk does: mode and all else stay."""
    path = repo.object(digest)
    path.chmod(0o644)
    path.write_text(text)
    path.chmod(0o444)


def found(repo: Repo, *args: str, code: int = 1) -> list[dict[str, Any]]:
    got = repo.stage("fsck", "--json", *args)
    assert (got.returncode, got.stderr) == (code, ""), got.stdout + got.stderr
    report = json.loads(got.stdout)
    assert report["found"] == sum(one["kind"] != "kept" for one in report["findings"])
    return [one for one in report["findings"] if one["kind"] != "kept"]


def put_away(repo: Repo, digest: str) -> str:
    (path,) = (repo.path / ".dvc/tmp/gitstage/corrupt").glob(f"{digest}*")
    return path.read_text()


def test_nothing_found(ran: Repo) -> None:
    got = ran.stage("fsck", check=True)
    assert got.stdout.startswith("4 objects (") and got.stdout.endswith("1 result of runs: all as it should be.\n")
    assert found(ran, "s", "dir.dvc", code=0) == []
    assert ran.stage("fsck", "-q", check=True).stdout == ""
    assert ran.stage("fsck", "nothing").returncode == 3 and ran.stage("fsck", "-r", "x").returncode == 2


def test_a_corrupt_object_is_replaced_by_an_intact_copy(ran: Repo) -> None:
    commit = ran.git("rev-parse", "HEAD").strip()
    before = {path: entry for path, entry in ran.tree().items() if not path.startswith(".dvc/")}
    spoil(ran, OUT)
    spoil(ran, MANIFEST, "[]")
    spoil(ran, FILE)
    assert found(ran, "data.dvc", code=0) == []
    one, *others = sorted(found(ran), key=lambda each: str(each["digest"] != OUT))
    assert (one["kind"], one["digest"], one["outputs"], one["commits"]) == ("corrupt", OUT, ["out"], [commit])
    assert one["mended"].startswith("put away as .dvc/tmp/gitstage/corrupt/") and one["mended"].endswith(
        "the intact out"
    )
    assert {(each["digest"], *each["outputs"], *each["commits"]) for each in others} == {
        (MANIFEST, "dir", commit), (FILE, "dir", commit),
    }  # fmt: skip
    assert [ran.object(digest).read_text() for digest in (OUT, FILE)] == ["one\n", "a\n"]
    assert put_away(ran, OUT) == "spoilt\n" and put_away(ran, MANIFEST) == "[]"
    assert {path: entry for path, entry in ran.tree().items() if not path.startswith(".dvc/")} == before
    got = ran.stage("fsck", check=True)
    assert "3 files: objects that were not what their names say" in got.stderr
    assert ran.dvc("status", check=True).stdout == "Data and pipelines are up to date.\n"


def test_what_the_disk_does_not_give_is_told_and_stays(
    ran: Repo, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An object that cannot be read is not known to be wrong; the others are looked at."""
    spoil(ran, DATA)
    bad = str(ran.object(OUT))
    opener = open

    def refuse(path: Any, *args: Any, **more: Any) -> Any:
        if path == bad:
            raise OSError(errno.EIO, "Input/output error", path)
        return opener(path, *args, **more)

    monkeypatch.chdir(ran.path)
    monkeypatch.setattr("builtins.open", refuse)
    assert main(["fsck", "--json"]) == 1
    findings = {one["kind"]: one for one in json.loads(capsys.readouterr().out)["findings"] if one["kind"] != "kept"}
    assert findings.keys() == {"unreadable", "corrupt"}
    assert findings["unreadable"]["outputs"] == ["out"] and "Input/output error" in findings["unreadable"]["text"]
    assert (ran.object(DATA).read_text(), put_away(ran, DATA)) == ("d\n", "spoilt\n")
    assert ran.object(OUT).exists()


def test_without_a_copy_it_is_never_linked(ran: Repo) -> None:
    spoil(ran, DATA)
    ran.remove("data")
    (one,) = found(ran)
    assert one["mended"] is None and "put away as" in one["text"] and one["outputs"] == ["data"]
    got = ran.stage("checkout")
    assert got.returncode == 4 and not ran.exists("data")
    text = ran.stage("fsck", check=True).stderr
    assert ".dvc/tmp/gitstage/corrupt: 1 file:" in text


def test_checkout_can_verify_first(ran: Repo) -> None:
    ran.remove("data", "dir")
    spoil(ran, DATA)
    spoil(ran, FILE)
    got = ran.stage("checkout", "--verify")
    assert got.returncode == 4 and not ran.exists("data") and not ran.exists("dir/a")
    assert f"git-stage: object {DATA} was corrupt; it is put away as .dvc/tmp/gitstage/corrupt/{DATA}-" in got.stderr
    assert put_away(ran, DATA) == put_away(ran, FILE) == "spoilt\n"
    ran.remove("out")
    assert ran.stage("checkout", "--verify", "out", check=True).stdout == "A\tout\n"


def test_an_object_written_through_a_hard_link(ran: Repo) -> None:
    ran.git("worktree", "add", "-q", "../other", "-b", "other")
    other = Repo(ran.path.parent / "other", ran.env)
    other.stage("checkout", check=True)  # copies
    ran.stage("config", "--local", "cache.type", "hardlink", check=True)
    ran.stage("checkout", "--relink", check=True)
    for name in ("data", "dir/a"):
        (ran.path / name).chmod(0o644)
        (ran.path / name).write_text("written into\n")
    (ran.path / "dir/a").chmod(0o444)  # so that nobody notices
    shutil.rmtree(other.path / "dir")
    first, second = sorted(found(ran), key=lambda one: str(one["outputs"]))
    assert first["kind"] == second["kind"] == "written through"
    assert "was written through its hard link data, which keeps what was written" in first["text"]
    assert first["mended"].endswith(f"replaced by the intact {other.path}/data")
    assert "hard link dir/a" in second["text"] and second["mended"] is None
    assert "git stage unprotect dir/a" in second["hint"]
    assert ran.read("data") == ran.read("dir/a") == "written into\n" and ran.object(DATA).read_text() == "d\n"
    assert found(ran, code=0) == [] and "modified:           data" in ran.stage("status").stdout


def test_modes(ran: Repo) -> None:
    ran.object(DATA).chmod(0o664)
    (one,) = found(ran)
    assert (one["kind"], one["mended"]) == ("mode", "it is 0444 now") and "0664" in one["text"]
    ran.object(OUT).chmod(0o544)  # as a link to an executable makes it
    assert ran.object(DATA).stat().st_mode & 0o777 == 0o444 and found(ran, code=0) == []


def test_manifests_results_and_leftovers(ran: Repo) -> None:
    bad = f'[{{"md5": "{FILE}", "relpath": "../x"}}]'
    path = ran.object(md5(bad) + ".dir")
    path.parent.mkdir(exist_ok=True)
    path.write_text(bad)
    path.chmod(0o444)
    cache = ran.path / ".dvc/cache"
    (cache / ".crash.tmp").touch()
    (cache / "files/md5/ab").mkdir(exist_ok=True)
    (cache / "files/md5/ab/half; touch x").touch()
    (result,) = [path for path in (cache / "runs").rglob("*") if path.is_file()]
    result.write_text(result.read_text().replace(OUT, DATA))
    kinds = {one["kind"]: one for one in found(ran)}
    assert kinds["manifest"]["digest"] == md5(bad) + ".dir" and kinds["manifest"]["mended"] is None
    assert kinds["run cache"]["mended"].startswith("put away as ") and not result.exists()
    names = [one["path"] for one in found(ran) if one["kind"] == "leftover"]
    assert names == [".dvc/cache/.crash.tmp", ".dvc/cache/files/md5/ab/half; touch x"]
    got = ran.stage("fsck")
    assert got.returncode == 1 and "leftover\t.dvc/cache/.crash.tmp: a crash may have left it" in got.stdout
    assert "3 found wrong, 3 left to mend.\n" in got.stdout
    hints = ran.stage("fsck", "-q").stderr
    assert (
        "hint: rm -r .dvc/cache/.crash.tmp" in hints and "hint: rm -r '.dvc/cache/files/md5/ab/half; touch x'" in hints
    )


def test_the_memo_is_compared_with_the_bytes(ran: Repo) -> None:
    ran.stage("status", check=True)
    memo = Memo(str(ran.path / ".git/gitstage/memo.db"))
    for path in ("data", "dir/a"):
        absolute = os.path.realpath(ran.path / path)
        assert memo.file(absolute, os.stat(absolute)) is not None
        memo.remember_file(absolute, os.stat(absolute), md5("a lie"))
    memo.close()
    assert [(one["kind"], one["path"]) for one in found(ran)] == [("memo", "data"), ("memo", "dir/a")]
    assert found(ran, code=0) == []
    assert ran.stage("status", check=True).stdout == "Data and pipelines are up to date.\n"


def test_what_undo_keeps_mends_too(ran: Repo) -> None:
    ran.stage("remove", "data.dvc", check=True)
    ran.commit("without data")
    ran.stage("gc", "-w", "-f", check=True)
    ran.git("checkout", "-q", "HEAD~1")
    ran.write({"data": "in no cache\n"})
    ran.object(DATA).write_text("half\n")
    (one,) = found(ran)
    assert one["mended"].endswith("replaced by the one that is kept for undo")
    assert ran.object(DATA).read_text() == "d\n"


def test_the_remote_is_read_and_mends(ran: Repo, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ran.stage("remote", "add", "-d", "store", str(store), check=True)
    missing = found(ran, "--remote")
    assert {one["kind"] for one in missing} == {"missing"} and missing[0]["hint"] == "git stage push"
    ran.stage("push", check=True)
    assert found(ran, "--remote", code=0) == []
    there = store / "files/md5" / OUT[:2] / OUT[2:]
    there.chmod(0o644)
    there.write_text("ono\n")
    (one,) = found(ran, "--remote", "-r", "store")
    assert one["outputs"] == ["out"] and one["mended"] == "replaced by the cache's" and there.read_text() == "one\n"
    for digest in (DATA, FILE, MANIFEST):
        spoil(ran, digest)
    ran.remove("data", "dir")
    assert [one["mended"].rpartition("; ")[2] for one in found(ran, "--remote")] == ["fetched from remote 'store'"] * 3
    ran.stage("checkout", "--verify", check=True)
    assert (ran.read("data"), ran.read("dir/a")) == ("d\n", "a\n")
