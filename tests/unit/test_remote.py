"""Between a cache and a remote whose requests are counted, and which can be told to fail."""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import pytest

from gitstage.cache import Cache
from gitstage.digest import Digest
from gitstage.errors import CacheMiss, GitstageError
from gitstage.fs import Root, Scratch
from gitstage.memo import Memo
from gitstage.remote import Need, PushRecord, Remote, RemoteError, generation
from gitstage.remote.backend import Done, Hashed, Listed, Moved
from gitstage.remote.backends.local import LocalBackend


class Counting(LocalBackend):
    """A folder that counts what a server would be asked. `fails(verb, key)`: what goes wrong with one object."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder), {})
        self.asked: Counter[str] = Counter()
        self.order: list[str] = []
        self.fails: Callable[[str, str], RemoteError | None] = lambda verb, key: None

    @property
    def requests(self) -> int:
        return sum(self.asked.values())

    def list(self, prefix: str) -> Iterator[Listed]:
        found = list(super().list(prefix))
        self.asked["list"] += 1 + len(found) // 1000
        return iter(found)

    def head(self, keys: Collection[str]) -> dict[str, int]:
        self.asked["head"] += len(keys)
        return super().head(keys)

    def put(self, items: Sequence[tuple[str, str]], moved: Moved) -> Iterator[Done]:
        return self._some("put", items, [key for _, key in items], super().put, moved)

    def get(self, items: Sequence[tuple[str, str]], moved: Moved, hashed: Hashed | None = None) -> Iterator[Done]:
        def fetch(some: Sequence[tuple[str, str]], moved: Moved) -> Iterator[Done]:
            return LocalBackend.get(self, some, moved, hashed)

        return self._some("get", items, [key for key, _ in items], fetch, moved)

    def _some(
        self, verb: str, items: Sequence[tuple[str, str]], keys: list[str],
        move: Callable[[Sequence[tuple[str, str]], Moved], Iterator[Done]], moved: Moved,
    ) -> Iterator[Done]:  # fmt: skip
        self.asked[verb] += len(items)
        for item, key in zip(items, keys, strict=True):
            self.order.append(key)
            error = self.fails(verb, key)
            if error is not None:
                yield key, error
            else:
                yield from move([item], moved)


class Clone:
    """A cache and what its clone knows of the remote in `folder`."""

    def __init__(self, top: Path, folder: Path) -> None:
        self.top = top
        top.mkdir()
        self.backend = Counting(folder)
        self.cache = self._cache()

    def _cache(self) -> Cache:
        scratch = Scratch(str(self.top / "tmp"), Root(str(self.top)))
        return Cache(str(self.top / "cache"), types=("copy",), memo=Memo(None), scratch=scratch)

    def remote(self, *, trusts: bool = True) -> Remote:
        """As a new command opens it."""
        self.backend.asked.clear()
        self.cache = self._cache()
        return Remote(
            "r", self.cache, lambda: self.backend, PushRecord(str(self.top / "pushed.db"), "r"), trusts=trusts
        )

    def add(self, text: str) -> Digest:
        source = self.top / "source"
        source.write_text(text)
        return self.cache.add_file(str(source), os.stat(source))

    def add_folder(self, files: dict[str, str]) -> Digest:
        return self.cache.add_manifest({name: self.add(text) for name, text in files.items()})

    def place(self, digest: Digest) -> Path:
        return Path(self.backend.folder, digest.key)


@pytest.fixture
def one(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "one", tmp_path / "remote")


@pytest.fixture
def two(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "two", tmp_path / "remote")


MANY = {f"{number}.txt": f"content {number}\n" for number in range(300)}


def need(digest: Digest, part: str | None = None) -> list[Need]:
    return [Need(digest, "data", None, part)]


def ruin(path: Path, text: str) -> None:
    path.chmod(0o644)
    path.write_text(text)


# -- how much is asked -------------------------------------------------------------------------------------------------


def test_requests_grow_with_what_changed(one: Clone, two: Clone) -> None:
    folder = one.add_folder(MANY)
    assert one.remote().push(need(folder)).count == 301
    assert one.backend.requests <= 310
    assert one.backend.order.index(folder.key) > max(
        one.backend.order.index(d.key) for d in one.cache.manifest(folder).values()
    )

    assert one.remote().push(need(folder)).count == 0
    assert one.backend.requests <= 2

    changed = one.add_folder(MANY | {"7.txt": "another\n"})
    assert one.remote().push(need(changed)).count == 2
    assert one.backend.requests <= 5

    assert two.remote().fetch(need(changed)).count == 301
    assert two.backend.requests <= 302
    assert two.cache.lacks(changed) == []
    two.remote().fetch(need(folder))  # what it got it knows to be there
    assert two.remote().push([*need(changed), *need(folder)]).count == 0
    assert two.backend.requests <= 2


def test_without_a_record_the_remote_is_asked_in_pages(one: Clone) -> None:
    folder = one.add_folder(MANY)
    one.remote().push(need(folder))
    (one.top / "pushed.db").unlink()
    assert one.remote().push(need(folder)).count == 0
    assert one.backend.requests <= 4
    assert one.backend.asked["head"] == 0


def test_a_damaged_record_costs_requests_only(one: Clone) -> None:
    folder = one.add_folder({"a": "1"})
    one.remote().push(need(folder))
    (one.top / "pushed.db").write_bytes(b"not a database" * 1000)
    assert one.remote().push(need(folder)).count == 0
    assert one.remote().missing([folder]) == set()


# -- a record is only a hint -------------------------------------------------------------------------------------------


def test_a_remote_that_lost_an_output_is_not_believed_to_have_the_rest(one: Clone) -> None:
    folder = one.add_folder({"a": "1", "b": "2"})
    one.remote().push(need(folder))
    for path in [p for p in Path(one.backend.folder).rglob("*") if p.is_file()]:
        path.unlink()
    assert one.remote().push(need(folder)).count == 3


def test_check_finds_what_the_record_hides(one: Clone) -> None:
    folder = one.add_folder({"a": "1", "b": "22"})
    inside = one.cache.manifest(folder)
    one.remote().push(need(folder))
    one.place(inside["a"]).unlink()
    ruin(one.place(inside["b"]), "2")
    assert one.remote().push(need(folder)).count == 0  # seen there a moment ago
    assert one.remote().missing([folder], check=True) == {folder}
    assert one.remote().push(need(folder), check=True).count == 2
    assert one.place(inside["b"]).read_text() == "22"


def test_what_was_seen_a_day_ago_is_asked_about(one: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = one.add("1"), one.add("2")
    needs = [*need(first), *need(second)]
    one.remote().push(needs)
    one.place(second).unlink()
    assert one.remote().missing([first, second]) in (set(), {second})
    later = time.time() + 2 * 86400
    monkeypatch.setattr(time, "time", lambda: later)
    assert one.remote().push(needs).count == 1
    one.remote().push(needs)
    assert one.backend.requests <= 2  # and it is remembered that it was asked


# -- order and faults --------------------------------------------------------------------------------------------------


def test_a_manifest_waits_for_its_files(one: Clone, two: Clone) -> None:
    folder = one.add_folder({"a": "1", "b": "2"})
    other = one.add_folder({"c": "3"})
    bad = one.cache.manifest(folder)["b"]
    one.backend.fails = lambda verb, key: RemoteError("refused") if key == bad.key else None
    outcome = one.remote().push([Need(folder, "data"), Need(other, "other")])
    assert outcome.count == 3
    assert [(p.path, str(p.error), p.is_absent) for p in outcome.problems] == [("data/b", "refused", False)]
    assert not one.place(folder).exists()
    assert one.place(other).exists()
    one.backend.fails = lambda verb, key: None
    assert one.remote().push([Need(folder, "data"), Need(other, "other")]).count == 2
    assert two.remote().missing([folder, other]) == set()


def test_what_is_nowhere_is_named(one: Clone, two: Clone) -> None:
    folder = one.add_folder({"a": "1", "b": "2"})
    single = one.add("3")
    lost = one.cache.manifest(folder)["b"]
    os.unlink(one.cache.path(lost))
    os.unlink(one.cache.path(single))
    outcome = one.remote().push([Need(folder, "data", "1234567890abcdef"), Need(single, "f", required=False)])
    assert outcome.count == 1
    assert [(p.path, p.rev, p.is_absent, p.required) for p in outcome.problems] == [
        ("data/b", "1234567890abcdef", True, True),
        ("f", None, True, False),
    ]
    assert isinstance(outcome.problems[0].error, CacheMiss)
    assert str(outcome.problems[0].error).startswith(f"data/b (1234567890): {lost} is neither")
    assert not one.place(folder).exists()
    outcome = two.remote().fetch(need(folder))
    assert (outcome.count, [p.path for p in outcome.problems]) == (0, ["data"])


def test_what_is_lost_here_but_there_is_no_failure(one: Clone) -> None:
    folder = one.add_folder({"a": "1", "b": "2"})
    one.remote().push(need(folder))
    (one.top / "pushed.db").unlink()
    for digest in (folder, one.cache.manifest(folder)["a"]):
        os.unlink(one.cache.path(digest))
    assert one.remote().push(need(folder)).problems == ()


@pytest.mark.parametrize("trusts", [True, False])
def test_a_wrong_size_is_repaired(one: Clone, trusts: bool) -> None:
    digest = one.add("right")
    one.remote(trusts=trusts).push(need(digest))
    ruin(one.place(digest), "righ")
    assert one.remote(trusts=trusts).push(need(digest)).count == 1
    assert one.place(digest).read_text() == "right"


@pytest.mark.parametrize("text", ["wrong", "righ", ""])
def test_a_wrong_object_never_enters_the_cache(one: Clone, two: Clone, text: str) -> None:
    folder = one.add_folder({"a": "right", "b": "2"})
    one.remote().push(need(folder))
    bad = one.cache.manifest(folder)["a"]
    ruin(one.place(bad), text)
    outcome = two.remote().fetch(need(folder))
    assert outcome.count == 2
    assert two.backend.asked["get"] == 5  # with the generation; the wrong one twice
    (problem,) = outcome.problems
    assert problem.path == "data/a"
    assert "remote 'r'" in str(problem.error) and bad.key in str(problem.error)
    assert not os.path.exists(two.cache.path(bad))
    assert [name for name in os.listdir(two.cache.scratch.folder) if name != "alive"] == []
    ruin(one.place(bad), "right")
    assert two.remote().fetch(need(folder)).count == 1
    assert two.cache.lacks(folder) == []


def test_an_object_that_comes_wrong_once_is_fetched_again(one: Clone, two: Clone) -> None:
    digest = one.add("right" * 300_000)  # more than is hashed at once
    one.remote().push(need(digest))
    seen: list[str] = []

    def fail_once(verb: str, key: str) -> RemoteError | None:
        if verb == "get" and key == digest.key:
            seen.append(key)
            ruin(one.place(digest), ("wrong" if len(seen) == 1 else "right") * 300_000)
        return None

    two.backend.fails = fail_once
    assert two.remote().fetch(need(digest)).problems == ()
    assert len(seen) == 2
    assert two.cache.has(digest)


def test_a_manifest_that_is_none_is_refused(one: Clone, two: Clone) -> None:
    data = b'[{"md5": "d41d8cd98f00b204e9800998ecf8427e", "relpath": "../../x"}]'
    digest = Digest(hashlib.md5(data).hexdigest(), True)
    place = one.place(digest)
    place.parent.mkdir(parents=True)
    place.write_bytes(data)
    outcome = two.remote().fetch(need(digest))
    assert ["is no directory manifest" in str(p.error) for p in outcome.problems] == [True]


def test_an_interrupted_push_goes_on_where_it_was(one: Clone) -> None:
    folder = one.add_folder(MANY)

    def interrupt(verb: str, key: str) -> RemoteError | None:
        if verb == "put" and one.backend.order.count(key) and len(one.backend.order) > 200:
            raise KeyboardInterrupt
        return None

    one.backend.fails = interrupt
    with pytest.raises(KeyboardInterrupt):
        one.remote().push(need(folder))
    sent = sum(1 for p in Path(one.backend.folder).rglob("*") if p.is_file())
    assert 150 < sent < 250
    one.backend.fails = lambda verb, key: None
    assert one.remote().push(need(folder)).count == 301 - sent


def test_legacy_objects_keep_their_place(one: Clone, two: Clone) -> None:
    source = one.top / "text"
    source.write_bytes(b"a\r\nb\r\n")
    digest = one.cache.add_file(str(source), os.stat(source), legacy=True)
    folder = one.cache.add_manifest({"t": digest}, legacy=True)
    assert one.remote().push(need(folder)).count == 2
    assert Path(one.backend.folder, digest.hex[:2], digest.hex[2:]).read_bytes() == b"a\r\nb\r\n"
    assert Path(one.backend.folder, folder.hex[:2], folder.hex[2:] + ".dir").exists()
    assert two.remote().fetch(need(folder)).count == 2
    assert two.cache.lacks(folder) == []


def test_a_part_of_a_directory(one: Clone, two: Clone) -> None:
    folder = one.add_folder({"a/x": "1", "a/y": "2", "b": "3"})
    assert one.remote().push(need(folder, "a")).count == 2
    assert not one.place(folder).exists()  # it would promise what is not there
    assert one.remote().push(need(folder, "b")).count == 2  # the last part, and now it is true
    assert two.remote().fetch(need(folder, "a")).count == 3
    inside = two.cache.manifest(folder)
    assert [two.cache.has(inside[name]) for name in ("a/x", "a/y", "b")] == [True, True, False]


# -- collect -----------------------------------------------------------------------------------------------------------


def test_collect_spares_what_is_kept_and_what_others_just_pushed(one: Clone, two: Clone) -> None:
    kept, gone = one.add_folder({"a": "1", "b": "2"}), one.add_folder({"a": "1", "c": "3"})
    one.remote().push([*need(kept), *need(gone)])
    foreign = two.add("from two")
    two.remote().push(need(foreign))
    half = one.place(kept).parent / ".abc.tmp"
    half.write_text("half")
    os.utime(half, (0, 0))
    fresh = one.place(kept).parent / ".new.tmp"
    fresh.write_text("half")

    would = one.remote().collect({kept}, dry=True)
    assert len(would.removed) == 3 and one.place(gone).exists()
    one.backend.order.clear()
    done = one.remote().collect({kept})
    assert next(listed.key for listed in done.removed) == gone.key
    assert {listed.key for listed in done.removed} == {listed.key for listed in would.removed}
    assert not half.exists() and fresh.exists()
    assert two.remote().missing([foreign]) == set()
    assert one.remote().missing([kept]) == set()

    assert one.remote().push(need(gone)).count == 2  # what was recorded of it is void
    assert {d.key for d in one.remote().missing([foreign])} == set()
    done = two.remote().collect({kept, gone})  # its own it may remove at once
    assert [listed.key for listed in done.removed] == [foreign.key]


def test_collect_keeps_the_files_of_a_directory_that_only_the_remote_knows(one: Clone, two: Clone) -> None:
    folder = one.add_folder({"a": "1", "b": "2"})
    one.remote().push(need(folder))
    assert two.remote().collect({folder}, grace=0).removed == ()


def test_a_collection_voids_what_other_clones_recorded(one: Clone, two: Clone) -> None:
    digest, other = one.add("1"), one.add("2")
    one.remote().push([*need(digest), *need(other)])
    two.remote().collect({digest}, grace=0)
    assert one.remote().push([*need(digest), *need(other)]).count == 1


def test_a_push_that_a_collection_overlaps_is_checked_again(one: Clone, two: Clone) -> None:
    folder = one.add_folder({"a": "1", "b": "2"})
    one.remote().push(need(one.cache.manifest(folder)["a"]))

    def collect_meanwhile(verb: str, key: str) -> RemoteError | None:
        if verb == "put" and key == folder.key:
            one.backend.fails = lambda verb, key: None
            two.remote().collect(set(), grace=0)
        return None

    one.backend.fails = collect_meanwhile
    outcome = one.remote().push(need(folder))
    assert outcome.problems == ()
    assert two.remote().missing([folder], check=True) == set()
    assert all(one.place(d).exists() for d in one.cache.manifest(folder).values())


def test_a_push_waits_for_a_collection_but_not_for_a_dead_one(one: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = one.add("1")
    marker = Path(one.backend.folder, generation.KEY)
    marker.parent.mkdir(parents=True)
    marker.write_text(f"collecting abcd {int(time.time())}")
    monkeypatch.setattr(generation, "_WAIT", 0.3)
    with pytest.raises(RemoteError, match="somebody else is removing"):
        one.remote().push(need(digest))
    marker.write_text(f"collecting abcd {int(time.time()) - 7200}")
    assert one.remote().push(need(digest)).count == 1


# -- a folder ----------------------------------------------------------------------------------------------------------


def test_objects_on_a_folder_are_read_only_and_appear_whole(one: Clone) -> None:
    digest = one.add("x" * 200_000)
    other = one.add("y" * 200_000)
    one.remote(trusts=False).push([*need(digest), *need(other)])
    assert one.place(digest).stat().st_mode & 0o777 == 0o444
    assert [p.name for p in Path(one.backend.folder).rglob(".*") if p.is_file()] == []


def test_a_folder_that_cannot_be_written_says_so(one: Clone, tmp_path: Path) -> None:
    digest = one.add("1")
    (tmp_path / "remote").write_text("a file where the folder should be")
    outcome = one.remote(trusts=False).push(need(digest))
    (problem,) = outcome.problems
    assert str(tmp_path / "remote") in str(problem.error)
    assert isinstance(problem.error, GitstageError) and not problem.is_absent
