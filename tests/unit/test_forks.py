"""Work that forks of this process do: the same results, in the same order, whatever befalls one of them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
import support

from gitstage import forks, progress
from gitstage.cache import Cache
from gitstage.digest import Digest
from gitstage.errors import GitstageError
from gitstage.fs import Root, Scratch
from gitstage.memo import Memo, stamp

OWNER = os.getpid()
FORKS: list[int] = []


@pytest.fixture(autouse=True)
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four items are many, and there are three processors."""
    monkeypatch.setattr(forks, "LEAST", 2)
    monkeypatch.setattr(forks, "_processors", lambda: 3)
    FORKS.clear()
    really = os.fork

    def fork() -> int:
        pid = really()
        FORKS.append(pid)
        return pid

    monkeypatch.setattr(os, "fork", fork)


def is_fork() -> bool:
    return os.getpid() != OWNER


def squares(part: Sequence[int]) -> tuple[bool, list[int]]:
    return is_fork(), [number * number for number in part]


def children() -> bool:
    """Is there a fork that nobody waited for?"""
    for pid in FORKS:
        try:
            os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            continue
        return True
    return False


def test_parts_in_order() -> None:
    answers = list(forks.in_forks(squares, range(10)))
    assert [is_one for is_one, _ in answers] == [True] * 3
    assert [one for _, part in answers for one in part] == [number * number for number in range(10)]
    assert list(forks.in_forks(squares, range(3))) == [(False, [0, 1, 4])]
    assert list(forks.in_forks(squares, [])) == [(False, [])]
    assert not children()


def test_more_than_a_pipe_holds() -> None:
    answers = list(forks.in_forks(lambda part: ["x" * 500_000 for _ in part], range(6)))
    assert [len(one) for part in answers for one in part] == [500_000] * 6


@pytest.mark.parametrize("end", ["killed", "leaves", "raises", "answers what cannot be written"])
def test_a_fork_that_fails(end: str) -> None:
    def work(part: Sequence[int]) -> object:
        if is_fork() and 4 in part:
            if end == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            elif end == "leaves":
                os._exit(0)
            elif end == "raises":
                raise ValueError
            return object()
        return squares(part)

    answers = list(forks.in_forks(work, range(10)))
    assert answers == [(True, [0, 1, 4, 9]), (False, [16, 25, 36, 49]), (True, [64, 81])]
    assert not children()


def test_what_it_raises_here_is_raised() -> None:
    def work(part: Sequence[int]) -> object:
        if 9 in part:
            raise GitstageError("nine")
        return squares(part)

    with pytest.raises(GitstageError, match="nine"):
        list(forks.in_forks(work, range(10)))
    assert not children()


def test_no_process_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", fork)
    first, second = os.pipe()
    os.close(first)
    os.close(second)
    assert [is_one for is_one, _ in forks.in_forks(squares, range(10))] == [False] * 3
    again = os.pipe()
    assert again == (first, second)  # nothing was left open
    for fd in again:
        os.close(fd)


def test_interrupted(tmp_path: Path) -> None:
    def work(part: Sequence[int]) -> None:
        (tmp_path / str(os.getpid())).touch()
        if part[0] == 0:
            time.sleep(0.2)
            os.kill(OWNER, signal.SIGINT)
        time.sleep(30)

    earlier = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            list(forks.in_forks(work, range(10)))
    finally:
        signal.signal(signal.SIGINT, earlier)
    assert not children()
    assert len(list(tmp_path.iterdir())) == 3


class Heard:
    files = size = 0

    def expect(self, count: int, size: int | None) -> None:
        pass

    def moved(self, key: str, size: int) -> None:
        self.size += size

    def done(self, key: str) -> None:
        self.files += 1


def test_progress_is_told() -> None:
    def work(part: Sequence[int]) -> None:
        for _ in part:
            progress.done(10)

    heard = Heard()
    with progress.heard_by(heard):
        list(forks.in_forks(work, range(400)))
    assert (heard.files, heard.size) == (300, 3000)  # in steps of 50


def test_it_ends_when_its_parent_died(tmp_path: Path) -> None:
    def work(part: Sequence[int]) -> None:
        (tmp_path / f"{os.getpid()}").touch()
        for _ in range(2000):
            time.sleep(0.01)
            progress.done()

    middle = os.fork()
    if middle == 0:
        list(forks.in_forks(work, range(10)))
        os._exit(0)
    support.wait_until(lambda: len(list(tmp_path.iterdir())) == 3)
    os.kill(middle, signal.SIGKILL)
    os.waitpid(middle, 0)
    for path in tmp_path.iterdir():
        support.wait_until(lambda path=path: not Path("/proc", path.name).exists() or _is_zombie(path.name))


def _is_zombie(pid: str) -> bool:
    try:
        return Path("/proc", pid, "stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.parametrize("kind", ["copy", "hardlink", "symlink"])
def test_a_cache_takes_and_gives_the_same(tmp_path: Path, kind: str) -> None:
    """Objects, links and what the memo knows are as those that one process makes; content that is there twice, too."""
    work = tmp_path / "work"
    work.mkdir()
    texts = {f"f{number}": str(number // 2) for number in range(20)}  # pairs, also across the parts
    for name, text in texts.items():
        (work / name).write_text(text)
    time.sleep(0.03)
    with Root(str(work)) as root:
        scratch = Scratch(str(tmp_path / "tmp"), root)
        memo = Memo(None)
        cache = Cache(str(tmp_path / "cache"), types=(kind,), memo=memo, scratch=scratch)
        files = [(name, stamp(os.stat(work / name)), None) for name in texts]
        taken = list(cache.take_all(str(work), files))
        assert [str(digest) for digest, _ in taken] == [support.md5(text) for text in texts.values()]
        for name, (digest, in_place) in zip(texts, taken, strict=True):
            held = os.stat(cache.path(digest))
            assert held.st_mode & 0o777 == 0o444 and Path(cache.path(digest)).read_text() == texts[name]
            assert memo.file(str(work / name), os.stat(work / name)) == digest.hex or kind == "hardlink"
            if in_place:
                assert kind != "symlink" and cache.is_linked(str(work / name), digest)
        assert kind == "symlink" or sum(in_place for _, in_place in taken) >= 10
        for name in texts:
            (work / name).unlink()
        cache.restore_all([(digest, name, False) for name, (digest, _) in zip(texts, taken, strict=True)], root)
        for name, (digest, _) in zip(texts, taken, strict=True):
            assert (work / name).read_text() == texts[name]
            assert cache.is_linked(str(work / name), digest)
        assert [name for name in os.listdir(scratch.folder) if name != "alive"] == []


def test_a_wrong_object_is_put_away_and_known(tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for number in range(12):
        (work / f"f{number}").write_text(str(number))
    with Root(str(work)) as root:
        cache = Cache(
            str(tmp_path / "cache"), types=("copy",), memo=Memo(None), scratch=Scratch(str(tmp_path / "tmp"), root)
        )
        digest = Digest(support.md5("11"))
        wrong = Path(cache.path(digest))
        wrong.parent.mkdir(parents=True)
        wrong.write_text("wrong")  # and not protected
        list(cache.take_all(str(work), [(path.name, stamp(path.stat()), None) for path in sorted(work.iterdir())]))
        assert wrong.read_text() == "11"
        assert Path(cache.put_away[digest]).read_text() == "wrong"
