"""The memo of digests: trusted only if nothing was touched, and never if a write could have gone unseen."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

import pytest

from gitstage.digest import Content, Digest
from gitstage.memo import Memo, Summary, is_racy

MD5 = "60b725f10c9c85c70d97880dfe8191b3"


@pytest.fixture
def old(tmp_path: Path) -> str:
    """A file that was last written a while ago."""
    path = tmp_path / "file"
    path.write_text("one")
    os.utime(path, ns=(10**18 + 5, 10**18 + 5))
    return str(path)


def memo(tmp_path: Path) -> Memo:
    return Memo(str(tmp_path / "state/memo.db"))


def test_remembered_across_processes(tmp_path: Path, old: str) -> None:
    first = memo(tmp_path)
    first.remember_file(old, os.stat(old), MD5, time.time_ns())
    first.close()
    assert memo(tmp_path).file(old, os.stat(old)) == MD5
    assert memo(tmp_path).file(old, os.stat(old), legacy=True) is None
    assert (os.stat(tmp_path / "state").st_mode & 0o777) == 0o700


@pytest.mark.parametrize("how", ["size", "mtime", "inode", "ctime"])
def test_any_touch_is_seen(tmp_path: Path, old: str, how: str) -> None:
    first = memo(tmp_path)
    first.remember_file(old, os.stat(old), MD5, time.time_ns())
    before = os.stat(old)
    if how == "size":
        with open(old, "a") as stream:
            stream.write("x")
        os.utime(old, ns=(before.st_mtime_ns, before.st_mtime_ns))
    elif how == "mtime":
        os.utime(old, ns=(before.st_mtime_ns + 1, before.st_mtime_ns + 1))
    elif how == "inode":
        Path(old + ".new").write_text("two")
        os.utime(old + ".new", ns=(before.st_mtime_ns, before.st_mtime_ns))
        os.replace(old + ".new", old)
    else:
        time.sleep(0.02)
        os.chmod(old, 0o600)
    assert first.file(old, os.stat(old)) is None


def test_a_file_written_just_before_it_was_read_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "new"
    path.write_text("x")
    stat = os.stat(path)
    one = memo(tmp_path)
    one.remember_file(str(path), stat, MD5, stat.st_mtime_ns + 1_000_000)
    assert one.file(str(path), stat) is None
    one.remember_file(str(path), stat, MD5, stat.st_mtime_ns + 1_000_000_000)
    assert one.file(str(path), stat) == MD5


def test_whole_seconds_need_two(old: str) -> None:
    os.utime(old, ns=(10**18, 10**18))
    mtime = os.stat(old).st_mtime_ns
    assert is_racy(mtime, 10**18 + 1_900_000_000)
    assert not is_racy(mtime, 10**18 + 2_100_000_000)


def test_below_a_folder_in_one_go(tmp_path: Path) -> None:
    names = [f"d/{n}" for n in range(20)] + ["d2", "d.x"]
    first = memo(tmp_path)
    (tmp_path / "d").mkdir()
    for name in names:
        (tmp_path / name).write_text(name)
        os.utime(tmp_path / name, ns=(10**18 + 5, 10**18 + 5))
        first.remember_file(str(tmp_path / name), os.stat(tmp_path / name), MD5, time.time_ns())
    first.close()
    second = memo(tmp_path)
    second.load_below(str(tmp_path / "d"))
    assert all(second.file(str(tmp_path / name), os.stat(tmp_path / name)) == MD5 for name in names)


def test_blobs(tmp_path: Path) -> None:
    first = memo(tmp_path)
    first.remember_blobs((f"{n:040d}", MD5) for n in range(1200))
    first.close()
    asked = [f"{n:040d}" for n in range(1300)]
    assert len(memo(tmp_path).blobs(asked)) == 1200
    assert memo(tmp_path).blobs(asked, legacy=True) == {}


@pytest.mark.parametrize("content", [b"this is no database at all, but long enough to be one" * 100, b""])
def test_a_damaged_database_is_made_anew(tmp_path: Path, old: str, content: bytes) -> None:
    path = tmp_path / "state/memo.db"
    path.parent.mkdir()
    path.write_bytes(content)
    first = memo(tmp_path)
    assert first.file(old, os.stat(old)) is None
    first.remember_file(old, os.stat(old), MD5, time.time_ns())
    first.close()
    assert memo(tmp_path).file(old, os.stat(old)) == MD5


def test_an_unusable_database_costs_nothing_but_time(tmp_path: Path, old: str) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    one = memo(tmp_path)
    one.remember_file(old, os.stat(old), MD5, time.time_ns())
    assert one.file(old, os.stat(old)) == MD5
    one.close()
    assert (tmp_path / "state").read_text().startswith("a file")


def test_another_version_is_replaced(tmp_path: Path, old: str) -> None:
    (tmp_path / "state").mkdir()
    with sqlite3.connect(tmp_path / "state/memo.db") as db:
        db.execute("CREATE TABLE file (something TEXT)")
    first = memo(tmp_path)
    first.remember_file(old, os.stat(old), MD5, time.time_ns())
    first.close()
    assert memo(tmp_path).file(old, os.stat(old)) == MD5


def content(size: int) -> Content:
    return Content(Digest(MD5, True), size, 1)


def test_a_whole_folder(tmp_path: Path) -> None:
    old = 10**18 + 5
    seen = Summary()
    seen.add("", [("a", (1, old, 7, old))])
    assert seen.is_settled
    first = memo(tmp_path)
    first.remember_whole("/d", seen.digest, content(1))
    first.close()
    assert memo(tmp_path).whole("/d", seen.digest) == content(1)
    assert memo(tmp_path).whole("/d", seen.digest, legacy=True) is None
    for files in ([("a", (1, old, 8, old))], [("b", (1, old, 7, old))], [("a", (1, old, 7, old + 1))], []):
        other = Summary()
        other.add("", files)
        assert memo(tmp_path).whole("/d", other.digest) is None
    below = Summary()
    below.add("x/", [("a", (1, old, 7, old))])
    assert below.digest != seen.digest


def test_a_folder_with_a_file_written_just_now_is_not_settled() -> None:
    seen = Summary()
    now = time.time_ns()
    seen.add("", [("a", (1, now, 7, now))])
    assert not seen.is_settled


def test_a_manifest_is_complete_as_long_as_the_cache_looks_the_same(tmp_path: Path) -> None:
    first = memo(tmp_path)
    first.remember_complete("m", b"one")
    first.close()
    assert memo(tmp_path).complete("m") == b"one"
    assert memo(tmp_path).complete("n") is None


def test_files_that_went_are_forgotten(tmp_path: Path, old: str) -> None:
    first = memo(tmp_path)
    first.remember_file(old, os.stat(old), MD5, time.time_ns())
    first.forget_others(str(tmp_path), [])
    first.close()
    assert memo(tmp_path).file(old, os.stat(old)) is None
