"""`git stage undo`: what the last commands replaced or removed comes back, from their journals (see journal.py).

An undo has a journal, too, that names the commands it took back. Taking it back gives these their bytes again, so the
list of commands is a line on which one can go back and forth.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gitstage import journal
from gitstage.cache import LINK_TYPES
from gitstage.collect import other_roots
from gitstage.digest import Digest
from gitstage.errors import Busy, CacheMiss, GitstageError, PipelineError, SystemFailure
from gitstage.fs import FILE_MODE, atomic_write, components, exists, free_place, is_dir, look, remove_any
from gitstage.journal import Slot, State, describe, find_object, is_metadata, object_folder, read_digest
from gitstage.project import Project
from gitstage.static import Any
from gitstage.tree import Measured


@dataclass(frozen=True, slots=True)
class Entry:
    """One command's journal. `records`: root-relative paths, each with what lay there (see Journal.was), in the order in which
    they changed; `objects`: what went out of the cache; `undone`: the numbers of the commands that it took back; `after` and
    `restored`: see Journal; `died`: it did not come to its end."""

    slot: Slot
    command: str
    when: int
    owner: str
    undone: tuple[int, ...] = ()
    records: tuple[tuple[str, State], ...] = ()
    objects: tuple[Digest, ...] = ()
    after: Mapping[str, str | None] = field(default_factory=dict)
    restored: Mapping[str, str | None] = field(default_factory=dict)
    died: bool = False

    @property
    def number(self) -> int:
        return self.slot.number

    @property
    def paths(self) -> list[str]:
        """What would come back or go: files and outputs, without what only changes its form."""
        kept = [path for path, state in self.records if state is None or not ({"folder", "form"} & state.keys())]
        return list(dict.fromkeys(kept))


def load(slot: Slot) -> Entry:
    """Read a journal, as far as it is one. Raises OSError if the disk does not give it."""
    head: Mapping[str, Any] = {}
    end: Mapping[str, Any] = {}
    records: list[tuple[str, State]] = []
    objects: list[Digest] = []
    absent = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
    with contextlib.suppress(*absent), open(f"{slot.folder}/journal", encoding="ascii", errors="replace") as stream:
        for line in stream:
            try:
                value = json.loads(line)
                if not isinstance(value, dict):
                    continue
                if "version" in value:
                    head = value
                elif "done" in value:
                    end = value
                elif "objects" in value:
                    objects += [_object(name) for name in value["objects"]]
                elif journal.is_state(value["was"]):
                    records.append((str(value["path"]), value["was"]))
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
                continue  # a crash cut it off
    when, undone = head.get("when"), head.get("undone")
    return Entry(
        slot, str(head.get("command", "?")), when if isinstance(when, int) else slot.when or 0, str(head.get("owner", "")),
        tuple(one for one in undone if isinstance(one, int) and one < slot.number) if isinstance(undone, list) else (),
        tuple(records), tuple(objects), _digests(end.get("after")), _digests(end.get("restored")),
        slot.when is None or bool(end.get("died")),
    )  # fmt: skip


def _digests(value: object) -> dict[str, str | None]:
    found = value if isinstance(value, dict) else {}
    return {path: text for path, text in found.items() if text is None or isinstance(text, str)}


def _object(name: str) -> Digest:
    return Digest.parse(name.removesuffix("-legacy"), legacy=name.endswith("-legacy"))


def history(project: Project) -> list[Entry]:
    """All commands that can be undone, the last one first. What an undo took back stands behind it: undoing both is
    undoing nothing, but the way further back leads through them."""
    found = {slot.number: load(slot) for slot in journal.slots(project.journal.parent)}
    hidden = {number for entry in found.values() for number in entry.undone}
    listed: list[Entry] = []

    def add(entry: Entry) -> None:
        listed.append(entry)
        for number in sorted(entry.undone, reverse=True):
            if number in found:
                add(found[number])

    for number in sorted(found.keys() - hidden, reverse=True):
        add(found[number])
    return listed


def _live(project: Project) -> list[Entry]:
    """The same without what was taken back."""
    entries = history(project)
    hidden = {number for entry in entries for number in entry.undone}
    return [entry for entry in entries if entry.number not in hidden]


def undo(project: Project, count: int, *, force: bool) -> list[Entry]:
    """Take back the last `count` commands; the project's lock is held. Returns them.

    Raises GitstageError, before anything changes, if what would be replaced changed since and is in no cache (unless
    `force`); Busy if one of them is still at work; CacheMiss if the cache lost what would come back.
    """
    entries = history(project)
    _refuse_many(entries, count)
    done: list[Entry] = []
    while len(done) < count:
        top = _live(project)
        if top[0].undone:
            group = top[:1]
        else:
            ends = next((at for at, entry in enumerate(top) if entry.undone), len(top))
            group = top[: min(count - len(done), ends)]
        _check(project, group, force=force)
        if group[0].undone:
            _Way(project, _archived(project, group[0])).again(group[0])
        else:
            _Way(project, ()).back(group)
        done += group
    return done


def _refuse_many(entries: Sequence[Entry], count: int) -> None:
    if count > len(entries):
        said = f"only {len(entries)} commands can be undone" if entries else "there is nothing to undo"
        raise GitstageError(said, "git stage undo --list")


def preview(project: Project, count: int, *, force: bool) -> list[Entry]:
    """The last `count` commands. Raises as `undo` does, as far as that is known beforehand."""
    entries = history(project)
    _refuse_many(entries, count)
    _check(project, [entry for entry in entries[:count] if not entries[0].undone or entry is entries[0]], force=force)
    return entries[:count]


def changes(project: Project, entry: Entry) -> Iterator[tuple[str, str]]:
    """What undoing one command does to its paths: "A" comes back, "D" goes, "M" becomes another."""
    states = dict(reversed(entry.records))
    for path in entry.paths:
        state = states[path]
        is_there = project.folder.lstat(path) is not None
        if state is None:
            if is_there:
                yield "D", path
        else:
            yield "M" if is_there else "A", path


def to_commit(project: Project, done: Sequence[Entry]) -> list[str]:
    """The metadata files among what came back or went."""
    paths = dict.fromkeys(path for entry in done for path in entry.paths if is_metadata(path))
    return [path for path in paths if project.worktree.exists(path)]


def _archived(project: Project, entry: Entry) -> tuple[Entry, ...]:
    return tuple(load(slot) for slot in journal.slots(project.journal.parent) if slot.number in entry.undone)


def forget(project: Project) -> int:
    """Remove all that is kept for undo, but for what commands at work need; returns how many bytes that gave back."""
    size = 0
    for entry in _all(project):
        if not _is_at_work(project, entry):
            size += size_of(project, entry)
            journal.drop(entry.slot, project.root)
    return size


def kept_size(project: Project) -> int:
    """Bytes that are kept for undo."""
    return sum(size_of(project, entry) for entry in _all(project))


def size_of(project: Project, entry: Entry) -> int:
    """Bytes that are kept for a command and exist under no other name."""
    place = object_folder(entry.slot.folder, entry.number, project.root, project.cache) if entry.objects else ""
    elsewhere = journal.size_of(place) if place and not place.startswith(entry.slot.folder) else 0
    return journal.size_of(entry.slot.folder) + elsewhere


def _all(project: Project) -> Iterator[Entry]:
    for slot in journal.slots(project.journal.parent):
        yield load(slot)


def _is_at_work(project: Project, entry: Entry) -> bool:
    """Has the command not ended? Dead ones were swept before."""
    return entry.slot.when is None and bool(entry.owner) and is_dir(os.path.join(project.scratch.parent, entry.owner))


# -- may it be done? ---------------------------------------------------------------------------------------------------


def _check(project: Project, group: Sequence[Entry], *, force: bool) -> None:
    for entry in group:
        if _is_at_work(project, entry):
            pid = entry.owner.partition("-")[0]
            raise Busy(f"'{entry.command}' (process {pid}) has not ended yet")
    seen: set[str] = set()
    around: set[str] = set()
    for entry in group:
        for path, state in reversed(entry.records):
            _check_path(path)
            _check_there(project, entry, path, state, is_first=path not in seen)
            if not force and path not in around and seen.isdisjoint(_with_parents(path)):
                _refuse_changed(project, entry, path, state)  # else a later command, which goes first, changed it
        seen.update(path for path, _ in entry.records)
        around.update(parent for path, _ in entry.records for parent in _with_parents(path))


def _check_path(path: str) -> None:
    try:
        components(path)
    except PipelineError as error:
        raise GitstageError(f"the journal of undo: {error}", "git stage undo --forget") from None


def _with_parents(path: str) -> Iterator[str]:
    while path:
        yield path
        path = path.rpartition("/")[0]


def _check_there(project: Project, entry: Entry, path: str, state: State, *, is_first: bool) -> None:
    if state is None:
        return
    if "md5" in state:
        digest = _digest(state)
        missing = [one for one in project.cache.lacks(digest) if kept_object(project, one) is None]
        if missing and not (is_first and _holds(project, path, digest)):
            raise CacheMiss(f"{path}: {missing[0]} is not in the cache any more, so it cannot come back")
    source = _source(project, entry, state)
    is_gone = source is not None and not exists(source) and is_first and not entry.died
    if is_gone and project.folder.lstat(path) is None:
        raise GitstageError(f"{path}: {source} is gone, so it cannot come back", "git stage undo --forget")


def _holds(project: Project, path: str, digest: Digest) -> bool:
    measured = project.worktree.measure(path, legacy=digest.legacy)
    return measured is not None and measured.content.digest == digest


def _refuse_changed(project: Project, entry: Entry, path: str, state: State) -> None:
    if state is not None and (state.keys() & {"folder", "form"}):
        return
    if state is not None and "moved" in state:
        if project.folder.lstat(path) is not None:
            raise _changed(path)
        return
    absolute = project.folder.absolute(path)
    found = project.folder.lstat(path)
    if found is None or (stat.S_ISLNK(found.st_mode) and look(absolute) is None):
        return
    if is_metadata(path):
        now = journal.text_state(absolute)
        if now == state or entry.died or path not in entry.after:
            return
        if journal.text_digest(absolute) != entry.after[path]:
            raise _changed(path)
        return
    told = entry.after.get(path)
    with contextlib.suppress(PipelineError):
        for legacy in (False, True) if told is None or told.startswith("legacy:") else (False,):
            measured = project.worktree.measure(path, legacy=legacy)
            if measured is None or not project.cache.lacks(measured.content.digest):
                return
            if told is not None and journal.digest_text(measured.content.digest) == told:
                return
    if entry.died and told is None and not (state is not None and "md5" in state):
        return  # it died at work: what lies there is its own, and undo keeps it
    raise _changed(path)


def _changed(path: str) -> GitstageError:
    return GitstageError(
        f"{path}: changed since, and its content is in no cache",
        "git stage undo --force replaces it, and keeps it for undo",
    )


def _digest(state: Mapping[str, Any]) -> Digest:
    try:
        return read_digest(str(state["md5"]))
    except ValueError as error:
        raise GitstageError(f"the journal of undo: {error}", "git stage undo --forget") from None


def kept_object(project: Project, digest: Digest) -> str | None:
    """Where an object is that `gc` took out of the cache, in this or another work tree."""
    for root in (project.root, *other_roots(project)):
        parent = os.path.join(root, ".dvc", "tmp", "gitstage", "undo")
        found = find_object(parent, digest, project.cache, root)
        if found is not None:
            return found
    return None


def _source(project: Project, entry: Entry, state: Mapping[str, Any]) -> str | None:
    """Where the bytes of a state are, absolute; None if they are no file of ours."""
    if "kept" in state:
        return os.path.join(entry.slot.folder, os.path.basename(str(state["kept"])))
    if "place" in state:
        _check_path(str(state["place"]))
        return os.path.join(project.kept_dir, str(state["place"]))
    return None


# -- doing it ----------------------------------------------------------------------------------------------------------


class _Way:
    """One step back, or back from it. `archived`: the commands whose undo is taken back, which get their bytes again."""

    def __init__(self, project: Project, archived: Sequence[Entry]) -> None:
        self._project, self._journal, self._archived = project, project.journal, archived
        self._from: dict[str, str] = {}
        """Path -> where the bytes that now lie there are kept otherwise."""
        self._restored = dict(project.restored())
        self._written: list[str] = []

    def back(self, group: Sequence[Entry]) -> None:
        """Undo the commands of `group`, the last one first."""
        numbers = sorted(entry.number for entry in group)
        self._journal.command = "undo of: " + ", ".join(entry.command for entry in group)
        if self._journal.is_on:
            self._journal.begin(numbers)
        for entry in group:
            self._undo(entry)
        self._finish()
        self._tell(path for entry in group for path, _ in entry.records)
        for entry in group:
            if self._journal.is_on:
                journal.close(entry.slot, size_of(self._project, entry), entry.slot.when)
            else:
                journal.drop(entry.slot, self._project.root)
        self._journal.finish()

    def again(self, entry: Entry) -> None:
        """Take an undo back."""
        with self._journal.paused():
            self._undo(entry)
            for other in self._archived:
                self._collect(other)
            self._finish()
        journal.drop(entry.slot, self._project.root)
        for other in self._archived:
            journal.close(other.slot, size_of(self._project, other), other.slot.when)

    def _finish(self) -> None:
        self._project.remember_restored(self._restored)
        self._project.changed_files([path for path in self._written if self._project.worktree.exists(path)])

    def _undo(self, entry: Entry) -> None:
        self._return(entry)
        steps = [*reversed(entry.records)]
        steps.sort(key=_is_new_folder)  # which must be empty to go, so they come last
        for path, state in steps:
            try:
                self._bring_back(entry, path, state)
            except OSError as error:
                raise SystemFailure(f"{path}: {error.strerror or error}") from None
        for path, text in entry.restored.items():
            self._restored.pop(path, None)
            if text is not None:
                with contextlib.suppress(ValueError):
                    self._restored[path] = read_digest(text)

    # objects

    def _return(self, entry: Entry) -> None:
        folder = object_folder(entry.slot.folder, entry.number, self._project.root, self._project.cache)
        for digest in entry.objects:
            path = f"{folder}/{_name(digest)}"
            if exists(path):
                self._project.cache.move_in(path, digest)

    def _collect(self, entry: Entry) -> None:
        """Objects that an undo of `gc` had returned go again."""
        if not entry.objects:
            return
        folder = object_folder(entry.slot.folder, entry.number, self._project.root, self._project.cache)
        os.makedirs(folder, exist_ok=True)
        for digest in entry.objects:
            path = f"{folder}/{_name(digest)}"
            if not exists(path):  # else it was in the cache again, and not returned
                self._project.cache.move_out(digest, path)

    # paths

    def _bring_back(self, entry: Entry, path: str, state: State) -> None:
        project, root = self._project, self._project.folder
        source = _source(project, entry, state) if state is not None else None
        if source is not None and not exists(source):
            return  # a crash came between: it is back, or never went
        if state is not None and "form" in state:
            self._form(path, state)
        elif state is not None and "moved" in state:
            self._rename(str(state["moved"]), path)
        elif state is not None and "folder" in state:
            self._folder(path, state)
        elif self._is_so(path, state):
            if state is not None and "md5" in state:
                self._form(path, {"form": state.get("mode", FILE_MODE), **state})
        else:
            self._displace(path)
            if state is None:
                root.unlink(path)
            elif source is not None:
                root.put(source, path)
                self._from[path] = source
            elif "text" in state:
                self._text(path, state)
            elif "symlink" in state:
                temporary = project.scratch.new()
                os.symlink(str(state["symlink"]), temporary)
                root.put(temporary, path)
            elif "md5" in state:
                self._objects(path, state)
        if is_metadata(path):
            self._written.append(path)

    def _is_so(self, path: str, state: State) -> bool:
        found = self._project.folder.lstat(path)
        if state is None or found is None:
            return state is None and found is None
        if is_metadata(path):
            return journal.text_state(self._project.folder.absolute(path)) == state
        return (
            "md5" in state and not stat.S_ISLNK(found.st_mode) and not _digest(state).is_dir
            and stat.S_ISREG(found.st_mode) and _holds(self._project, path, _digest(state))
        )  # fmt: skip

    def _displace(self, path: str) -> None:
        """What lies at `path` makes room, and is kept, unless the cache or a journal has it."""
        project, root = self._project, self._project.folder
        found = root.lstat(path)
        absolute = root.absolute(path)
        if found is None:
            self._journal.was(path, None)
            return
        slot = self._from.pop(path, None) or self._empty_slot(path)
        if slot is not None and not exists(slot):
            os.makedirs(os.path.dirname(slot), exist_ok=True)
            root.take(path, slot)
            self._journal.was(path, None)
            return
        state: State = None
        if is_metadata(path):
            state = journal.text_state(absolute)
        else:
            measured: Measured | None = None
            with contextlib.suppress(PipelineError):
                measured = project.worktree.measure(path)
            state = describe(project.cache, absolute, measured)
        if state is not None:
            self._journal.was(path, state)
            self._journal.flush()
        elif self._journal.take(path):
            return
        else:
            self._keep_for_good(path)
            return
        if stat.S_ISDIR(found.st_mode):
            temporary = project.scratch.new()
            root.take(path, temporary)
            remove_any(temporary)
        else:
            root.unlink(path)

    def _keep_for_good(self, path: str) -> None:
        """There is no journal: bytes that no cache has go where nobody empties."""
        place = free_place(os.path.join(self._project.kept_dir, "undo"), path)
        os.makedirs(os.path.dirname(place), exist_ok=True)
        self._project.folder.take(path, place)

    def _empty_slot(self, path: str) -> str | None:
        """Where the bytes at `path` came from when the command of the journal was undone."""
        for entry in self._archived:
            for name, state in entry.records:
                if name == path and state is not None:
                    source = _source(self._project, entry, state)
                    if source is not None and not exists(source):
                        return source
        return None

    def _tell(self, paths: Iterable[str]) -> None:
        """Note what a later undo of this one will find."""
        if not self._journal.has_begun:
            return
        for path in dict.fromkeys(paths):
            if is_metadata(path) or self._project.folder.lstat(path) is None:
                continue
            with contextlib.suppress(PipelineError):
                measured = self._project.worktree.measure(path)
                self._journal.after(path, measured.content.digest if measured is not None else None)

    def _text(self, path: str, state: Mapping[str, Any]) -> None:
        absolute = self._project.folder.absolute(path)
        self._project.folder.at(path, create=True)
        atomic_write(absolute, str(state["text"]).encode("latin-1"))
        os.chmod(absolute, int(state.get("mode", FILE_MODE)) & 0o777)

    def _objects(self, path: str, state: Mapping[str, Any]) -> None:
        project, digest = self._project, _digest(state)
        for one in project.cache.lacks(digest):
            self._fetch(one)
        listing = project.cache.manifest(digest) if digest.is_dir else None
        for one in dict.fromkeys((listing or {}).values()):
            self._fetch(one)
        forms = state.get("forms", {})
        if not digest.is_dir:
            self._file(path, digest, state.get("mode", FILE_MODE), state.get("link"))
            return
        project.folder.mkdir(path)
        for name, one in (listing or {}).items():
            mode, link = forms.get(name, (FILE_MODE, None))
            self._file(f"{path}/{name}", one, mode, link)
        for name in state.get("folders", ()):
            _check_path(f"{path}/{name}")
            project.folder.mkdir(f"{path}/{name}")
        os.chmod(project.folder.absolute(path), int(state.get("mode", 0o755)) & 0o777)

    def _fetch(self, digest: Digest) -> None:
        """An object that `gc` took out of the cache comes back to it."""
        if not self._project.cache.has(digest):
            kept = kept_object(self._project, digest)
            if kept is not None:
                self._project.cache.adopt(kept, digest)

    def _file(self, path: str, digest: Digest, mode: int, link: str | None) -> None:
        cache, root = self._project.cache, self._project.folder
        kind = link if link in LINK_TYPES else None
        if kind is None and cache.link_type not in ("copy", "reflink"):
            kind = "copy"
        try:
            cache.restore(digest, root, path, isexec=kind is None and bool(mode & stat.S_IXUSR), kind=kind)
        except CacheMiss:
            raise
        except GitstageError:
            cache.restore(digest, root, path, kind="copy")
        if link is None:
            self._chmod(path, mode)

    def _chmod(self, path: str, mode: int) -> None:
        absolute = self._project.folder.absolute(path)
        found = os.lstat(absolute)
        if not stat.S_ISLNK(found.st_mode) and stat.S_IMODE(found.st_mode) != mode & 0o777:
            os.chmod(absolute, mode & 0o777)

    def _form(self, path: str, state: Mapping[str, Any]) -> None:
        """The file keeps its content and becomes the kind that it was."""
        project, root = self._project, self._project.folder
        found = root.lstat(path)
        if found is None or stat.S_ISDIR(found.st_mode):
            return
        link, mode = state.get("link"), int(state["form"] if state["form"] is not None else FILE_MODE) & 0o777
        is_link = stat.S_ISLNK(found.st_mode) or found.st_nlink > 1
        if bool(link) == (found.st_nlink > 1) and not stat.S_ISLNK(found.st_mode):
            if stat.S_IMODE(found.st_mode) != mode and not is_link:
                self._journal.form(path, found)
                os.chmod(root.absolute(path), mode)
            return
        self._journal.form(path, found)
        if link is None:
            temporary = project.scratch.new()
            shutil.copyfile(root.absolute(path), temporary)
            os.chmod(temporary, mode)
            root.put(temporary, path)
            return
        measured = project.worktree.measure(path)
        if measured is not None and project.cache.has(measured.content.digest):
            self._file(path, measured.content.digest, mode, str(link))

    def _rename(self, new: str, old: str) -> None:
        """What was moved from `old` to `new` goes back."""
        project, root = self._project, self._project.folder
        _check_path(new)
        if root.lstat(new) is None:
            return
        if root.lstat(old) is not None:
            self._displace(old)
        self._journal.was(new, {"moved": old})
        self._journal.flush()
        temporary = project.scratch.new()
        root.take(new, temporary)
        root.put(temporary, old)
        if new in self._from:
            self._from[old] = self._from.pop(new)

    def _folder(self, path: str, state: Mapping[str, Any]) -> None:
        root = self._project.folder
        found = root.lstat(path)
        if state["folder"] is False:
            if found is not None and stat.S_ISDIR(found.st_mode):
                mode = stat.S_IMODE(found.st_mode)
                if root.rmdir(path):
                    self._journal.was(path, {"folder": mode}, whole=False)
        elif found is None:
            self._journal.was(path, {"folder": False}, whole=False)
            root.mkdir(path)
            os.chmod(root.absolute(path), int(state["folder"]) & 0o777)


def _is_new_folder(record: tuple[str, State]) -> bool:
    return record[1] is not None and record[1].get("folder") is False


def _name(digest: Digest) -> str:
    return f"{digest}-legacy" if digest.legacy else str(digest)
