"""What a command is about to replace or remove, written down before it does, so that `git stage undo` brings it back.

Each command that changes something has a folder `NUMBER` below `.dvc/tmp/gitstage/undo`: the file `journal`, and the
bytes that exist nowhere else, moved there. When the command has ended, the folder is called `NUMBER-SECONDS-BYTES`, and the
oldest ones make room for it. `journal` has one JSON value a line: first who writes it, then what lay at each path (see
Journal.was), last what lies there now. A line that a crash cut off does not count.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from gitstage.cache import Cache
from gitstage.digest import Digest, hash_bytes
from gitstage.errors import ConfigError
from gitstage.fs import FILE_MODE, Root, Scratch, exists, is_dir, look, names, remove_any
from gitstage.static import IO, Any, NamedTuple
from gitstage.tree import Measured

State = Mapping[str, Any] | None
_NAME = re.compile(r"(\d{6,})(?:-(\d+)-(\d+))?")
_UNITS = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
_TIMES = {"h": 3600, "d": 86400, "w": 7 * 86400}
_OFF = ("0", "off", "no", "false")
OBJECT_MODE = 0o444


class Limit(NamedTuple):
    """How much is kept: bytes in all, seconds, and commands; None where there is no limit."""

    size: int | None = 10 << 30
    age: int | None = 30 * 86400
    commands: int = 100


def limit_of(setting: str | None) -> Limit | None:
    """`gitstage.undoKeep`: sizes (10g), ages (30d) and a number of commands (100), in any order; None: nothing is kept.

    What is not named is as by default. Raises ConfigError for anything else.
    """
    found = Limit()
    words = (setting or "").lower().replace(",", " ").split()
    if words and all(word in _OFF for word in words):
        return None
    for word in words:
        number, unit = word.rstrip("kmgtbhdw"), word.lstrip("0123456789")
        if not (number.isascii() and number.isdigit()):
            raise _bad(setting)
        if unit == "":
            found = found._replace(commands=int(number))
        elif unit in _TIMES:
            found = found._replace(age=int(number) * _TIMES[unit])
        elif unit.removesuffix("b") in _UNITS:
            found = found._replace(size=int(number) * _UNITS[unit.removesuffix("b")])
        else:
            raise _bad(setting)
    return found


def _bad(setting: str | None) -> ConfigError:
    return ConfigError(
        f"gitstage.undoKeep: '{setting}' is no size, age or number of commands",
        "git config gitstage.undoKeep '10g 30d 100'",
    )


def is_metadata(path: str) -> bool:
    """Is this a file that says what the data is? Its text is kept in the journal itself."""
    name = path.rpartition("/")[2]
    return name in ("dvc.yaml", "dvc.lock", ".gitignore") or (name.endswith(".dvc") and name != ".dvc")


_FORMS: Mapping[str, type | tuple[type, ...]] = {
    "text": str, "md5": str, "kept": str, "place": str, "symlink": str, "moved": str, "mode": int, "folder": int,
    "form": (int, type(None)), "link": (str, type(None)), "forms": dict, "folders": list,
}  # fmt: skip


def is_state(value: object) -> bool:
    """Is it a state, as far as its form goes? A repository may have brought the journal along."""
    if value is None:
        return True
    if not isinstance(value, dict) or not all(isinstance(each, _FORMS.get(key, object)) for key, each in value.items()):
        return False
    forms, folders = value.get("forms", {}).values(), value.get("folders", ())
    return (
        all(isinstance(one, list) and len(one) == 2 and isinstance(one[0], int) for one in forms)
        and all(isinstance(one, str) for one in folders)
        and not any("\0" in str(value.get(key)) for key in ("kept", "place", "symlink"))
        and all(ord(character) < 256 for character in value.get("text", ""))
    )


class Slot(NamedTuple):
    """One command's folder. `when` (seconds since 1970) and `size` (bytes) are None while it is at work, or if it died."""

    number: int
    folder: str
    when: int | None
    size: int | None


def slots(parent: str) -> list[Slot]:
    """The folders below `parent`, oldest first. Links are none of ours: a repository may have brought them along."""
    found = []
    for name in names(parent):
        match = _NAME.fullmatch(name)
        parts = (name, f"{name}/journal", f"{name}/elsewhere", f"{name}/objects")
        if match is not None and not any(os.path.islink(f"{parent}/{part}") for part in parts):
            when, size = match[2], match[3]
            found.append(Slot(int(match[1]), f"{parent}/{name}", when and int(when), size and int(size)))  # type: ignore[arg-type]
    return sorted(found)


class Journal:
    """The journal of one command in the project at `root`; its folder, below `parent`, is made on first use.

    `setting` reads gitstage.undoKeep; `restored`: see Project.restored. `scratch` is that of the command.
    """

    def __init__(
        self, parent: str, root: Root, scratch: Scratch, setting: Callable[[], str | None],
        restored: Callable[[], Mapping[str, Digest]],
    ) -> None:  # fmt: skip
        self.parent, self._root, self._scratch = parent, root, scratch
        self._setting, self._restored = setting, restored
        self._limit: Limit | None = None
        self._is_on: bool | None = None
        self._stream: IO[str] | None = None
        self._seen: dict[str, bool] = {}
        self._after: dict[str, str | None] = {}
        self._size = 0
        self._kept = 0
        self._undone: Sequence[int] = ()
        self._before: Mapping[str, Digest] = {}
        self.command: str | None = None
        """What the list shows; by default the command line."""
        self.number = 0
        self.folder = ""

    @property
    def is_on(self) -> bool:
        """Is anything to be kept at all? Raises ConfigError for a setting that means nothing."""
        if self._is_on is None:
            self._limit = limit_of(self._setting())
            self._is_on = self._limit is not None
        return self._is_on

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is written down meanwhile."""
        before, self._is_on = self._is_on, False
        try:
            yield
        finally:
            self._is_on = before

    @property
    def limit(self) -> Limit:
        return self._limit or Limit(0, 0, 0)

    @property
    def has_begun(self) -> bool:
        return self._stream is not None

    def begin(self, undone: Sequence[int] = ()) -> None:
        """Open the journal. `undone`: the numbers of the commands that this one takes back."""
        if self._stream is not None:
            return
        os.makedirs(self.parent, mode=0o700, exist_ok=True)
        head = {
            "version": 1, "when": int(time.time()), "command": self.command or _command_line(),
            "owner": os.path.basename(self._scratch.folder), **({"undone": list(undone)} if undone else {}),
        }  # fmt: skip
        made = self._scratch.new()  # it gets its name when it says whose it is: others bury what is nobody's
        os.mkdir(made, 0o700)
        with open(f"{made}/journal", "x", encoding="ascii") as stream:
            stream.write(_line(head))
        self.number = max((one.number for one in slots(self.parent)), default=0) + 1
        while not _claim(made, f"{self.parent}/{self.number:06d}"):
            self.number += 1
        self.folder = f"{self.parent}/{self.number:06d}"
        buffering = 1 if undone else -1  # an undo goes step by step
        self._stream = open(f"{self.folder}/journal", "a", buffering, encoding="ascii")  # noqa: SIM115  as long as we are
        self._before = self._restored()
        self._undone = undone

    # -- what was there ------------------------------------------------------------------------------------

    def was(self, path: str, state: State, *, whole: bool = True) -> bool:
        """Note what lies at `path` (root-relative) before it changes; False if that is known already.

        `state`, with the mode in "mode" where that is to return, is one of: None, nothing; {"text"}, a metadata file;
        {"md5"}, an object of the cache, {"forms"} naming its files' modes and links where they are not those of a restored
        one; {"kept"}, bytes in this folder; {"place"}, bytes in a folder that nobody empties; {"symlink"}, a link;
        {"folder"}, one without anything in it, or, false, none; {"moved"}, the path to which it is renamed; {"form"}, the
        mode (and {"link"}) of a file that keeps its content. `whole`: it stands for all below the path, too.
        """
        key = path if whole else f"{path}/"  # the latter does not stand for what is in it
        is_moved = state is not None and "moved" in state  # that is said each time
        if not self.is_on or (not is_moved and (key in self._seen or self._is_known(path))):
            return False
        self.begin()
        if whole and (state is None or "moved" in state):
            self._note_parents(path if state is None else str(state["moved"]))
        self._seen[key] = True
        self._write({"path": path, "was": state})
        return True

    def _is_known(self, path: str) -> bool:
        if not self._seen:
            return False
        if path in self._seen:
            return True
        while path:
            path = path.rpartition("/")[0]
            if path in self._seen:
                return True
        return False

    def _note_parents(self, path: str) -> None:
        """Folders that do not exist are made for `path`, and go when it goes."""
        for one in self.missing_parents(path):
            self.was(one, {"folder": False}, whole=False)

    def missing_parents(self, path: str) -> list[str]:
        """The folders around `path` that do not exist, outermost first."""
        missing: list[str] = []
        folder = path.rpartition("/")[0]
        while folder and not exists(self._root.absolute(folder)):
            missing.append(folder)
            folder = folder.rpartition("/")[0]
        return missing[::-1]

    def text(self, absolute: str) -> None:
        """Note the text of a metadata file that is about to be written or deleted; of other files, nothing."""
        if self._is_on is False or not is_metadata(absolute) or not absolute.startswith(self._root.path + "/"):
            return
        path = absolute[len(self._root.path) + 1 :]
        if path.startswith((".dvc/", ".git/")) or not self.is_on or self._is_known(path):
            return
        state = text_state(absolute)
        if state is not None and "symlink" in state:
            return
        self.was(path, state)
        self._after.setdefault(path, "")  # to be looked at when the command has ended
        self.flush()

    def form(self, path: str, found: os.stat_result | None = None) -> None:
        """Note mode and link of a file (its own stat: `found`) that is about to become another kind of link, or a copy."""
        if not self.is_on or f"{path}\0" in self._seen or self._is_known(path) or self._scratch.is_aside(path):
            return
        absolute = self._root.absolute(path)
        found = look(absolute, follow=False) if found is None else found
        if found is None:
            return
        if stat.S_ISLNK(found.st_mode):
            self.was(path, {"symlink": os.readlink(absolute)})
            return
        self.begin()
        self._seen[f"{path}\0"] = True
        link = {"link": "hardlink"} if found.st_nlink > 1 else {}
        self._write({"path": path, "was": {"form": stat.S_IMODE(found.st_mode), **link}})

    def keep(self, path: str, location: str) -> bool:
        """Move what lies at absolute `location`, and was at `path` before, here; False if it is not wanted."""
        if not self.is_on or self._is_known(path):
            return False
        self.begin()
        self._kept += 1
        name = str(self._kept)
        self._size += size_of(location)
        self.was(path, {"kept": name})
        self.flush(sync=True)  # the bytes are nowhere else, so their name comes first
        os.replace(location, f"{self.folder}/{name}")
        return True

    def take(self, path: str) -> bool:
        """The same of what lies at `path` now."""
        if not self.is_on or self._is_known(path):
            return False
        if self._root.lstat(path) is None:
            return self.was(path, None)
        self.begin()
        self._kept += 1
        name = str(self._kept)
        self._size += size_of(self._root.absolute(path))
        self.was(path, {"kept": name})
        self.flush(sync=True)
        return self._root.take(path, f"{self.folder}/{name}")

    def collect(self, cache: Cache, objects: Sequence[tuple[Digest, int]]) -> bool:
        """Move objects (with their sizes in bytes) out of the cache to here; False if that would be more than is kept."""
        if not self.is_on or not objects:
            return False
        size = sum(each for _, each in objects)
        if (self.limit.size is not None and size > self.limit.size) or size > _free(cache.folder):
            return False
        self.begin()
        folder = object_folder(self.folder, self.number, self._root.path, cache)
        self._write({"objects": [_name(digest) for digest, _ in objects]})
        self.flush(sync=True)
        os.makedirs(folder, exist_ok=True)
        self._size += size
        for digest, _ in objects:
            cache.move_out(digest, f"{folder}/{_name(digest)}")
        return True

    def after(self, path: str, digest: Digest | None) -> None:
        """Say what lies at `path` now, which the cache may not have; so a later change of it shows."""
        if self._is_on is not False:
            self._after[path] = None if digest is None else digest_text(digest)

    # -- writing -------------------------------------------------------------------------------------------

    def _write(self, value: Mapping[str, Any]) -> None:
        assert self._stream is not None
        self._stream.write(_line(value))

    def flush(self, *, sync: bool = False) -> None:
        """What was noted is in the file from here on; with `sync`, on the disk."""
        if self._stream is not None:
            self._stream.flush()
            if sync:
                os.fsync(self._stream.fileno())

    def finish(self) -> None:
        """The command has ended: note how it left things, and make room. Nothing happens if nothing was noted."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        now = self._restored()
        changed = {
            path: None if path not in self._before else digest_text(self._before[path])
            for path in {**self._before, **now}
            if self._before.get(path) != now.get(path)
        }
        after = {
            path: text_digest(self._root.absolute(path)) if told == "" else told for path, told in self._after.items()
        }
        stream.write(json.dumps({"done": True, "after": after, "restored": changed}) + "\n")
        stream.close()
        close(Slot(self.number, self.folder, None, None), self._size)
        trim(self.parent, self.limit, self._root.path, {self.number, *self._undone})
        self._seen, self._after, self._size, self._kept = {}, {}, 0, 0


def _line(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"


def _claim(made: str, folder: str) -> bool:
    """Rename a folder with a file in it; False if another one has that name."""
    try:
        os.rename(made, folder)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise
    return True


def bury(parent: str, owners: str) -> None:
    """Close the journals of commands that died: those whose own folder, in `owners`, is gone. One that changed nothing
    is dropped."""
    for slot in slots(parent):
        if slot.when is not None:
            continue
        head: Any = None
        is_empty = False
        try:
            with open(f"{slot.folder}/journal", encoding="ascii") as stream:
                head = json.loads(stream.readline())
                is_empty = stream.readline() == ""
        except (ValueError, RecursionError, FileNotFoundError):
            pass  # nobody's
        except OSError:
            continue  # the next command may read it
        head = head if isinstance(head, dict) else {}
        owner = os.path.basename(str(head.get("owner", "")))
        if owner and is_dir(os.path.join(owners, owner)):
            continue
        with contextlib.suppress(OSError):
            if is_empty and "undone" not in head:
                remove_any(slot.folder)
                continue
            with open(f"{slot.folder}/journal", "a", encoding="ascii") as stream:
                stream.write('\n{"done":true,"died":true}\n')
            close(slot, size_of(slot.folder))


def close(slot: Slot, size: int, when: int | None = None) -> Slot:
    """Give a folder the name of one whose command has ended."""
    when = int(time.time()) if when is None else when
    folder = f"{os.path.dirname(slot.folder)}/{slot.number:06d}-{when}-{size}"
    if folder != slot.folder:
        os.rename(slot.folder, folder)
    return Slot(slot.number, folder, when, size)


def trim(parent: str, limit: Limit, root: str, fresh: set[int]) -> None:
    """Remove the oldest folders until the rest is within `limit` and the disk has as much free space as is kept.

    Of those in `fresh`, none goes for its age or number.
    """
    known = slots(parent)
    done = [one for one in known if one.when is not None]
    total = sum(one.size or 0 for one in done)
    size = limit.size
    if total:
        free = _free(parent)
        size = free if size is None else min(size, free)
    oldest = time.time() - limit.age if limit.age is not None else 0.0
    for position, one in enumerate(done):
        is_old = (one.when or 0) < oldest or len(done) - position > limit.commands
        if not (size is not None and total > size) and not (is_old and one.number not in fresh):
            break  # those behind are younger
        total -= one.size or 0
        with contextlib.suppress(OSError):  # a stage's command may have made what is not ours to remove
            drop(one, root)


def _free(folder: str) -> int:
    found = os.statvfs(folder) if hasattr(os, "statvfs") else None
    if found is not None:
        return found.f_bavail * found.f_frsize
    import shutil

    return shutil.disk_usage(folder).free


def drop(slot: Slot, root: str) -> None:
    """Remove a command's folder, wherever its bytes are."""
    with contextlib.suppress(OSError), open(f"{slot.folder}/elsewhere", encoding="utf-8") as stream:
        place = stream.read(4096)
        if os.path.basename(place) == _elsewhere(slot.number, root):
            remove_any(place)
    remove_any(slot.folder)


def object_folder(folder: str, number: int, root: str, cache: Cache) -> str:
    """Where objects go that a command takes out of the cache: to its folder, or beside the cache on another file system."""
    if cache.is_beside(folder):
        return f"{folder}/objects"
    place = f"{cache.folder}/{_elsewhere(number, root)}"
    if not exists(f"{folder}/elsewhere"):
        with open(f"{folder}/elsewhere", "w", encoding="utf-8") as stream:
            stream.write(place)
    return place


def _elsewhere(number: int, root: str) -> str:
    import hashlib

    return f".undo-{hashlib.sha256(os.fsencode(root)).hexdigest()[:12]}-{number:06d}"


def find_object(parent: str, digest: Digest, cache: Cache, root: str) -> str | None:
    """Where an object lies that a command took out of the cache (absolute); None if it is kept nowhere."""
    for slot in reversed(slots(parent)):
        for folder in (f"{slot.folder}/objects", f"{cache.folder}/{_elsewhere(slot.number, root)}"):
            path = f"{folder}/{_name(digest)}"
            if exists(path):
                return path
    return None


def _name(digest: Digest) -> str:
    return f"{digest}-legacy" if digest.legacy else str(digest)


def digest_text(digest: Digest) -> str:
    """A digest as a journal has it."""
    return f"legacy:{digest}" if digest.legacy else str(digest)


def read_digest(text: str) -> Digest:
    """The reverse of `digest_text`. Raises ValueError on anything else."""
    return Digest.parse(text.removeprefix("legacy:"), legacy=text.startswith("legacy:"))


def size_of(path: str) -> int:
    """Bytes of a file, or of all files of a folder, as far as no other name has them."""
    try:
        found = os.lstat(path)
    except OSError:
        return 0
    if not stat.S_ISDIR(found.st_mode):
        return found.st_size if found.st_nlink == 1 else 0
    return sum(size_of(f"{path}/{name}") for name in os.listdir(path))


def text_state(absolute: str) -> State:
    """The state of a metadata file."""
    try:
        found = os.lstat(absolute)
        if stat.S_ISLNK(found.st_mode):
            return {"symlink": os.readlink(absolute)}
        with open(absolute, "rb") as stream:
            data = stream.read()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    return {"text": data.decode("latin-1"), "mode": stat.S_IMODE(found.st_mode)}


def text_digest(absolute: str) -> str | None:
    """The MD5 of a metadata file; None if there is none."""
    try:
        with open(absolute, "rb") as stream:
            return hash_bytes(stream.read())
    except OSError:
        return None


def describe(cache: Cache, location: str, measured: Measured | None) -> State:
    """The state of an output that lies at absolute `location` and holds what was `measured`, if the cache can give it
    back; else None, and its bytes must be kept."""
    try:
        found = os.lstat(location)
    except OSError:
        return None
    if stat.S_ISLNK(found.st_mode):
        return {"symlink": os.readlink(location)}
    if measured is None or cache.lacks(measured.content.digest):
        return None
    md5 = digest_text(measured.content.digest)
    if not measured.is_dir:
        link = {"link": "hardlink"} if found.st_nlink > 1 else {}
        return {"md5": md5, "mode": stat.S_IMODE(found.st_mode), **link}
    listing = cache.manifest(measured.content.digest) or {}
    forms: dict[str, list[Any]] = {}
    folders: list[str] = []
    left = len(listing)
    for name, each, is_empty in _below(location, ""):
        if is_empty:
            folders.append(name)
            continue
        if name not in listing or stat.S_ISLNK(each.st_mode):
            return None  # more is there than the cache knows of
        left -= 1
        mode = stat.S_IMODE(each.st_mode)
        if mode != FILE_MODE or each.st_nlink > 1:
            forms[name] = [mode, "hardlink" if each.st_nlink > 1 else None]
    if left:
        return None
    more: dict[str, Any] = {"forms": forms} if forms else {}
    if folders:
        more["folders"] = folders
    return {"md5": md5, "mode": stat.S_IMODE(found.st_mode), **more}


def _below(folder: str, prefix: str) -> Iterator[tuple[str, os.stat_result, bool]]:
    """All files, and folders with nothing in them (True)."""
    with os.scandir(folder) as scan:
        entries = list(scan)
    for entry in entries:
        found = entry.stat(follow_symlinks=False)
        name = prefix + entry.name
        if not stat.S_ISDIR(found.st_mode):
            yield name, found, False
            continue
        is_empty = True
        for one in _below(entry.path, f"{name}/"):
            is_empty = False
            yield one
        if is_empty:
            yield name, found, True


def _command_line() -> str:
    name = os.path.basename(sys.argv[0]) if sys.argv else ""
    words = sys.argv[1:]
    if name in ("__main__.py", "-m"):  # python -m gitstage.hooks NAME
        return " ".join(["hook", *words[:1]])
    return " ".join(word if re.fullmatch(r"[\w@%+=:,./-]+", word) else repr(word) for word in words)
