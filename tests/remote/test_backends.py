"""One suite for all backends, each with a real server whose files can be looked at and damaged."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from servers import AZURITE, Server, need_nginx, outage
from support import wait_until

from gitstage.remote.backend import Backend, Hashed, Moved, RemoteError
from gitstage.remote.backends import open_backend, parallel

WRITABLE = ["local", "s3", "sftp", "webdav", "rclone-webdav", "rclone-sftp"]
SERVED = ["s3", "sftp", "webdav"]
every = pytest.mark.parametrize("server", [*WRITABLE, "http"], indirect=True)
writable = pytest.mark.parametrize("server", WRITABLE, indirect=True)
served = pytest.mark.parametrize("server", SERVED, indirect=True)

Objects = Mapping[str, bytes]


def some(count: int, size: int = 100) -> dict[str, bytes]:
    """Objects by their keys, which are those of their contents; always the same ones."""
    found = {}
    for number in range(count):
        data = (b"%d " % number * size)[:size]
        name = hashlib.md5(data).hexdigest()
        found[f"files/md5/{name[:2]}/{name[2:]}"] = data
    return found


def objects() -> dict[str, bytes]:
    """Of every kind: small, empty, big, a directory's, a legacy one, a result of a run."""
    special = {
        "files/md5/d4/1d8cd98f00b204e9800998ecf8427e": b"",
        "files/md5/00/11223344556677889900112233445566.dir": b"[]",
        "ab/cdef00112233445566778899001122": b"old\n",
        f"runs/ab/{'ab' * 32}/{'cd' * 32}": b"cmd: x\n",
    }
    big = os.urandom(1 << 20) * 5 + b"end"
    return {**some(40), **special, "files/md5/bb/1ebig": big}


def stored(folder: Path, contents: Objects) -> list[tuple[str, str]]:
    """Files with these contents: what `put` takes."""
    folder.mkdir(exist_ok=True)
    items = []
    for number, (key, data) in enumerate(contents.items()):
        (folder / str(number)).write_bytes(data)
        (folder / str(number)).chmod(0o444)
        items.append((str(folder / str(number)), key))
    return items


def planted(server: Server, contents: Objects) -> None:
    """The remote holds these objects, whoever put them there."""
    for key, data in contents.items():
        path = server.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    time.sleep(0.1)  # rclone's servers remember for 50 ms what is in a folder


def visible(server: Server) -> dict[str, bytes]:
    """What lies under names of objects; temporary files have names of their own."""
    top = server.path("")
    found = {}
    for base, _, names in os.walk(top):
        for name in names:
            if not name.startswith(".") and not name.endswith((".tmp", ".part")):
                path = Path(base, name)
                found[path.relative_to(top).as_posix()] = path.read_bytes()
    return found


class Count:
    """Bytes that were said to be moved, by key."""

    def __init__(self) -> None:
        self.by_key: dict[str, int] = {}
        self._lock = threading.Lock()

    def __call__(self, key: str, size: int) -> None:
        with self._lock:
            self.by_key[key] = self.by_key.get(key, 0) + size


def ignore(key: str, size: int) -> None: ...


def got(backend: Backend, contents: Objects, tmp_path: Path, moved: Moved) -> Hashed:
    """Get all of `contents`, which must come as they are, and one object that is not there; the hashes made on the way."""
    targets = {key: tmp_path / f"to{number}" for number, key in enumerate([*contents, "files/md5/00/absent"])}
    hashed: Hashed = {}
    answers = dict(backend.get([(key, str(target)) for key, target in targets.items()], moved, hashed))
    absent = answers.pop("files/md5/00/absent")
    assert absent is not None and absent.absent
    assert answers == dict.fromkeys(contents)
    assert {key: targets[key].read_bytes() for key in contents} == contents
    return hashed


@writable
def test_what_is_put_is_there(server: Server, backend: Backend, tmp_path: Path) -> None:
    contents = objects()
    sizes = {key: len(data) for key, data in contents.items()}
    assert backend.can_write and backend.can_list
    assert backend.head(list(contents)) == {}
    assert list(backend.list("")) == list(backend.list("files/md5/")) == []
    [(_, error)] = backend.get([("files/md5/00/absent", str(tmp_path / "x"))], ignore)
    assert error is not None and error.absent

    count = Count()
    assert sorted(backend.put(stored(tmp_path / "from", contents), count)) == sorted((key, None) for key in contents)
    assert {key: size for key, size in count.by_key.items() if size} == {k: s for k, s in sizes.items() if s}
    assert visible(server) == contents

    assert backend.head([*contents, "files/md5/00/absent", "nowhere/x"]) == sizes
    assert {each.key: each.size for each in backend.list("")} == sizes
    below = {each.key: each for each in backend.list("files/md5/")}
    assert below.keys() == {key for key in contents if key.startswith("files/md5/")}
    for each in below.values():
        md5 = hashlib.md5(contents[each.key]).hexdigest()
        assert each.md5 in (None, md5) or len(contents[each.key]) > 4 << 20
    assert [each.key for each in backend.list("files/md5/bb/")] == [key for key in below if "/bb/" in key]

    count = Count()
    hashed = got(backend, contents, tmp_path, count)
    assert hashed == {key: (hashlib.md5(contents[key]).hexdigest(), sizes[key]) for key in hashed}
    assert hashed
    assert {key: size for key, size in count.by_key.items() if size} == {k: s for k, s in sizes.items() if s}

    keys = list(contents)
    assert sorted(backend.delete([*keys[:30], "files/md5/00/absent"])) == sorted(
        (key, None) for key in [*keys[:30], "files/md5/00/absent"]
    )
    assert visible(server).keys() == set(keys[30:])


@writable
def test_a_wrong_object_is_replaced(server: Server, backend: Backend, tmp_path: Path) -> None:
    contents = {**some(3), "files/md5/bb/1ebig": b"x" * (5 << 20)}
    planted(server, dict.fromkeys(contents, b"half"))
    assert set(backend.head(list(contents)).values()) == {4}
    assert all(error is None for _, error in backend.put(stored(tmp_path / "from", contents), ignore))
    assert visible(server) == contents
    leftovers = [each.key for each in backend.list("") if each.key not in contents]
    assert leftovers == []


@writable
def test_what_cannot_be_read_here_is_named(server: Server, backend: Backend, tmp_path: Path) -> None:
    contents = some(3)
    items = stored(tmp_path / "from", contents)
    os.unlink(items[1][0])
    answers = dict(backend.put(items, ignore))
    error = answers.pop(items[1][1])
    assert error is not None and not error.absent and "No such file" in str(error)
    assert set(answers.values()) == {None}
    assert items[1][1] not in visible(server)


@every
def test_reading_what_others_put_there(server: Server, backend: Backend, tmp_path: Path) -> None:
    contents = objects()
    planted(server, contents)
    assert backend.head([*contents, "files/md5/00/absent"]) == {key: len(data) for key, data in contents.items()}
    targets = {key: tmp_path / f"to{number}" for number, key in enumerate([*contents, "files/md5/00/absent"])}
    answers = dict(backend.get([(key, str(target)) for key, target in targets.items()], ignore))
    assert {key for key, error in answers.items() if error is not None and error.absent} == {"files/md5/00/absent"}
    assert {key: targets[key].read_bytes() for key in contents} == contents


@pytest.mark.parametrize("cores", [1, 64])
@pytest.mark.parametrize("server", ["local"], indirect=True)
def test_big_files_are_hashed_while_they_are_copied(
    server: Server, backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    contents = {f"files/md5/bb/{n}": os.urandom((17 << 20) + n) for n in range(2)}
    planted(server, contents)
    sizes = dict.fromkeys(contents, 0)

    def moved(key: str, count: int) -> None:
        sizes[key] += count

    hashed = got(backend, contents, tmp_path, moved)
    assert hashed == {key: (hashlib.md5(data).hexdigest(), len(data)) for key, data in contents.items()}
    assert sizes == {key: len(data) for key, data in contents.items()}


@pytest.mark.parametrize("server", ["s3", "sftp", "webdav", "http"], indirect=True)
def test_a_full_disk_here_is_said_at_once(server: Server, backend: Backend) -> None:
    contents = {**some(1), "files/md5/bb/1ebig": b"x" * (5 << 20)}
    planted(server, contents)
    for key in contents:
        [(name, error)] = backend.get([(key, "/dev/full")], ignore)
        assert name == key
        assert error is not None and str(error) == "/dev/full: No space left on device" and not error.absent


@every
def test_a_place_that_cannot_be_written_is_said_at_once(server: Server, backend: Backend, tmp_path: Path) -> None:
    contents = {**some(1), "files/md5/bb/1ebig": b"x" * (5 << 20)}
    planted(server, contents)
    for key in contents:
        [(name, error)] = backend.get([(key, str(tmp_path / "none/x"))], ignore)
        assert name == key
        assert error is not None and "No such file" in str(error) and not error.absent


@served
def test_an_outage_of_two_seconds_is_survived(server: Server, backend: Backend, tmp_path: Path) -> None:
    contents = {**some(300), "files/md5/bb/1ebig": os.urandom(1 << 20) * 16}
    items = stored(tmp_path / "from", contents)
    answers = iter(backend.put(items, ignore))
    found = [next(answers)]
    outage(server, 2)
    found += answers
    assert sorted(found) == sorted((key, None) for key in contents)
    assert visible(server) == contents

    answers = iter(backend.get([(key, str(tmp_path / f"to{n}")) for n, key in enumerate(contents)], ignore))
    found = [next(answers)]
    outage(server, 2)
    found += answers
    assert sorted(found) == sorted((key, None) for key in contents)
    assert [(tmp_path / f"to{n}").read_bytes() for n in range(len(contents))] == list(contents.values())


@served
def test_a_server_that_stays_away(
    server: Server, backend: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parallel, "KNOWN", 0.5)
    monkeypatch.setattr(parallel, "UNKNOWN", 0.5)
    contents = some(300)
    items = stored(tmp_path / "from", contents)
    answers = iter(backend.put(items, ignore))
    next(answers)
    server.stop()
    with pytest.raises(RemoteError, match=r"cannot be reached|the connection is lost|refused"):
        list(answers)
    assert {key: contents[key] for key in visible(server)} == visible(server)
    other = open_backend(server.url, server.settings, str(tmp_path))
    for use in (lambda: list(other.put(items, ignore)), lambda: other.head(["x"]), lambda: list(other.list(""))):
        with pytest.raises(RemoteError, match=r"cannot be reached") as caught:
            use()
        assert "SKTEST" not in str(caught.value) and "127.0.0.1" in str(caught.value)
    other.close()
    server.start()
    assert all(error is None for _, error in backend.put(items, ignore))
    assert visible(server) == contents


KILLED = """
import json, sys
from gitstage.remote.backends import open_backend
url, settings, items = json.load(sys.stdin)
backend = open_backend(url, settings, "/")
for done in backend.put([tuple(item) for item in items], lambda key, size: None):
    assert done[1] is None
    print(done[0], flush=True)
"""


@served
def test_nothing_half_written_is_seen_when_ours_is_killed(server: Server, backend: Backend, tmp_path: Path) -> None:
    contents = {"files/md5/bb/1ebig": os.urandom(1 << 20) * 64, **some(200)}
    items = stored(tmp_path / "from", contents)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdin is not None and process.stdout is not None
    json.dump([server.url, dict(server.settings), items], process.stdin)
    process.stdin.close()
    process.stdout.readline()
    with contextlib.suppress(AssertionError):  # in the middle of the big one, if it takes any time at all
        wait_until(lambda: any(p.stat().st_size > 1 << 20 for p in server.root.parent.rglob("*") if p.is_file()), 1)
    process.kill()
    process.wait()
    process.stdout.close()
    found = visible(server)
    assert found.items() <= contents.items()
    assert all(error is None for _, error in backend.put(items, ignore))
    wait_until(lambda: visible(server) == contents, 5, "what was put")


@pytest.mark.parametrize("server", ["http"], indirect=True)
def test_a_plain_web_server_is_only_read(server: Server, backend: Backend, tmp_path: Path) -> None:
    assert not (backend.can_list or backend.can_write)
    with pytest.raises(RemoteError, match="can only be read") as caught:
        list(backend.put(stored(tmp_path / "from", some(1)), ignore))
    assert "method PUT" in (caught.value.hint or "")
    with pytest.raises(RemoteError, match="can only be read"):
        list(backend.delete(["x"]))
    with pytest.raises(RemoteError, match="does not tell"):
        list(backend.list(""))


@pytest.mark.parametrize("server", ["webdav"], indirect=True)
def test_a_web_server_that_takes_files(server: Server, tmp_path: Path) -> None:
    need_nginx(server)
    contents = {**some(3), "files/md5/bb/1ebig": b"x" * (5 << 20)}
    url = "http" + server.url.removeprefix("webdav")
    backend = open_backend(url, {"method": "PUT"}, str(tmp_path))
    assert backend.can_write and not backend.can_list
    assert all(error is None for _, error in backend.put(stored(tmp_path / "from", contents), ignore))
    assert visible(server) == contents
    posting = open_backend(url, {"method": "POST"}, str(tmp_path))
    [(_, error)] = posting.put(stored(tmp_path / "more", some(1, 50)), ignore)
    assert error is not None and "POST" in str(error)  # which nginx does not take


@pytest.mark.parametrize("server", ["azure"] if AZURITE else [], indirect=True)  # .ci/run fetches it where npm is
def test_azure(server: Server, backend: Backend, tmp_path: Path) -> None:
    """What the server keeps is not in files, so it is looked at through another backend of ours."""
    contents = objects()
    sizes = {key: len(data) for key, data in contents.items()}
    assert backend.head(list(contents)) == {} and list(backend.list("")) == []
    wrong = dict.fromkeys(contents, b"wrong")
    for each in (wrong, contents):  # the second replaces the first
        folder = tmp_path / f"from{len(each['ab/cdef00112233445566778899001122'])}"
        assert sorted(backend.put(stored(folder, each), ignore)) == sorted((key, None) for key in contents)
    other = open_backend(server.url, server.settings, str(tmp_path))
    assert other.head([*contents, "files/md5/00/absent"]) == sizes
    assert {each.key: each.size for each in other.list("")} == sizes
    assert {each.key for each in other.list("files/md5/")} == {key for key in contents if key.startswith("files/")}
    hashed = got(other, contents, tmp_path, ignore)
    assert hashed == {key: (hashlib.md5(data).hexdigest(), len(data)) for key, data in contents.items()}
    assert set(backend.delete([*contents, "files/md5/00/absent"])) >= {(key, None) for key in contents}
    assert list(other.list("")) == []

    denied = {"connection_string": server.settings["connection_string"].replace("Eby8", "AAAA")}
    with pytest.raises(RemoteError, match="access is refused") as caught:
        list(open_backend(server.url, denied, str(tmp_path)).put(stored(tmp_path / "more", some(1)), ignore))
    assert "AAAA" not in str(caught.value) + str(caught.value.hint)
