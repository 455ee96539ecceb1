"""The index and commits as trees: what `gitstage.tree.Tree` asks, answered from Git's objects.

A file's digest is that of its content as it would lie in the work tree, because that is what a run measured.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from gitstage.digest import Digest, hash_bytes, hash_stream, manifest_digest
from gitstage.errors import PipelineError
from gitstage.git.attributes import Attributes, LaidOut
from gitstage.git.objects import SUBMODULE, SYMLINK, Entry, Objects, is_special
from gitstage.git.program import Program, chunks, ignored, parents, split_names
from gitstage.ignore import BUILTIN_DIRS, BUILTIN_FILES, FILE_NAME, IgnoreRules
from gitstage.memo import Memo, now, stamp

_HOPS = 10  # of symlinks to symlinks

Hasher = Callable[[Collection[Entry], bool], Mapping[str, str]]
"""Entries, and whether by the legacy hash -> the MD5 of each path."""


class _GitTree:
    def __init__(
        self,
        objects: Objects,
        attributes: Attributes,
        prefix: str,
        memo: Memo,
        label: str,
        special: Sequence[Entry] | None = None,
    ) -> None:
        self.label = label
        self._objects, self._attributes, self._memo = objects, attributes, memo
        self._prefix = prefix.strip("/")
        self._specials = None if special is None else {entry.path: entry for entry in special}
        self._rules: IgnoreRules | None = None
        self._has_rules: bool | None = None
        self.has_links = False
        """Has a symlink been met so far? What it leads to can then change without its path changing."""

    # -- the questions of every tree -----------------------------------------------------------------------

    def read(self, path: str) -> bytes | None:
        """A file's bytes, as they would lie in the work tree; None if it is absent or a directory."""
        top = self._from_top(path)
        if top is None:
            return None
        entry = self._special().get(top) if is_special(top) else self._file(top)
        if entry is not None and entry.mode == SYMLINK:
            entry = self._resolved([entry]).get(top)
        if entry is None or entry.mode == SUBMODULE:
            return None
        paths = {entry.path, *(self._special() if is_special(entry.path) else ())}
        if self._attributes.conversions(paths)[entry.path]:
            return next(iter(self._attributes.convert([entry])))[1]
        found: list[bytes] = []
        self._objects.each([entry.id], lambda _, content: found.append(content))
        return found[0]

    def pipeline_files(self) -> list[str]:
        """Paths of every `dvc.yaml` and `*.dvc` of this project, sorted; ignored ones and sub-projects' left out."""
        below = [path for top in self._special() if (path := self._inside(top)) is not None]
        projects = {path.removesuffix("/.dvc/config") for path in below if path.endswith("/.dvc/config")}
        found = []
        for path in below:
            folder, _, name = path.rpartition("/")
            if name != "dvc.yaml" and (not name.endswith(".dvc") or name == ".dvc"):
                continue
            above = [*parents(folder)]
            if not projects.isdisjoint(above) or not BUILTIN_DIRS.isdisjoint(path.split("/")[:-1]):
                continue
            if not self._is_ignored(path, False):
                found.append(path)
        return sorted(found)

    def projects(self) -> list[str]:
        """Folders that hold a project, from the top of the work tree ("" for the top itself), wherever they lie; sorted."""
        name = ".dvc/config"
        return sorted({path[: -len(name)].rstrip("/") for path in self._special() if f"/{path}".endswith(f"/{name}")})

    def listing(self, path: str, *, legacy: bool = False) -> dict[str, Digest] | None:
        """All files below directory `path` (relative to it) with their digests; None if it is no directory."""
        _, folders = self._find([path])
        if path not in folders:
            return None
        md5s = self._md5s(folders[path].values(), legacy)
        return {name: Digest(md5s[entry.path], legacy=legacy) for name, entry in folders[path].items()}

    def digests(self, paths: Collection[str], *, legacy: bool = False) -> dict[str, Digest]:
        """Digests of files, and of directories by manifest; absent paths are left out."""
        return self._digests(paths, legacy, self._md5s)

    def accepts(self, path: str, digest: Digest) -> bool:
        """May a run on this tree's `path` have measured `digest`? `digests` names only the likeliest answer.

        Git takes more than one content for the same: a text file with LF where CRLF would be written, say. Meant
        for the few paths whose digest is another one.
        """
        return any(self._digests([path], digest.legacy, hasher).get(path) == digest for hasher in self._other_hashers())

    def _other_hashers(self) -> tuple[Hasher, ...]:
        return (self._md5s, self._blob_md5s)

    # -- paths ---------------------------------------------------------------------------------------------

    def _from_top(self, path: str) -> str | None:
        """A project path, from the top of the work tree; None if it leads out of it."""
        if path.startswith("/") or os.path.isabs(path):
            return None
        top = posixpath.normpath(posixpath.join(self._prefix, path))
        if top == "..":
            return None
        return None if top.startswith("../") else "" if top == "." else top

    def _inside(self, top: str) -> str | None:
        """The reverse; None if it is not below the project."""
        if not self._prefix:
            return top
        return top[len(self._prefix) + 1 :] if top.startswith(self._prefix + "/") else None

    def _special(self) -> Mapping[str, Entry]:
        if self._specials is None:
            self._specials = {entry.path: entry for entry in self._objects.special()}
        return self._specials

    def _file(self, top: str) -> Entry | None:
        return next((entry for entry in self._objects.entries([top]) if entry.path == top), None)

    def _is_ignored(self, path: str, is_folder: bool) -> bool:
        """By the `.dvcignore` files of this tree. `path` is below the project."""
        if self._has_rules is None:
            names = [top for top in self._special() if top.rpartition("/")[2] == FILE_NAME]
            self._has_rules = any(self._inside(top) is not None for top in names)
        if not self._has_rules:
            return False
        if self._rules is None:
            self._rules = IgnoreRules(self.read)
        return self._rules.ignores(path, is_folder)

    # -- what is at a path ---------------------------------------------------------------------------------

    def _find(self, paths: Collection[str]) -> tuple[dict[str, Entry], dict[str, dict[str, Entry]]]:
        """Of `paths` (as given): the files, and the directories with their files by path below them."""
        tops = {path: top for path in paths if (top := self._from_top(path)) is not None}
        exact, below = self._look_up(set(tops.values()))
        links = self._resolved([entry for entry in exact.values() if entry.mode == SYMLINK])
        files, folders = {}, {}
        for path, top in tops.items():
            entry = exact.get(top)
            if entry is not None and entry.mode == SYMLINK:
                entry = links.get(top)
            if entry is not None and entry.mode != SUBMODULE:
                files[path] = entry
            elif top in below:
                folders[path] = self._content(path, top, below[top])
        return files, folders

    def _look_up(self, tops: set[str]) -> tuple[dict[str, Entry], dict[str, list[Entry]]]:
        exact: dict[str, Entry] = {}
        below: dict[str, list[Entry]] = {}
        for entry in self._objects.entries(tops):
            if entry.path in tops:
                exact[entry.path] = entry
            folder = entry.path
            while folder:
                folder = folder.rpartition("/")[0]
                if folder in tops:
                    below.setdefault(folder, []).append(entry)
        return exact, below

    def _resolved(self, links: Sequence[Entry]) -> dict[str, Entry]:
        """Symlinks by path -> the file of this tree that they lead to; other symlinks are left out."""
        found: dict[str, Entry] = {}
        at = {link.path: link for link in links}
        self.has_links |= bool(at)
        for _ in range(_HOPS):
            if not at:
                break
            targets: dict[str, str] = {}
            contents: dict[str, bytes] = {}
            self._objects.each(sorted({entry.id for entry in at.values()}), contents.__setitem__)
            for path, entry in at.items():
                target = posixpath.normpath(
                    posixpath.join(posixpath.dirname(entry.path), os.fsdecode(contents[entry.id]))
                )
                if not target.startswith(("/", "../")) and target not in (".", ".."):
                    targets[path] = target
            exact = self._look_up(set(targets.values()))[0]
            at = {path: exact[target] for path, target in targets.items() if target in exact}
            found.update((path, entry) for path, entry in at.items() if entry.mode not in (SYMLINK, SUBMODULE))
            at = {path: entry for path, entry in at.items() if entry.mode == SYMLINK}
        return found

    def _content(self, path: str, top: str, entries: Iterable[Entry]) -> dict[str, Entry]:
        """The files that belong to a directory's content, by their path below it; rules as for the work tree."""
        start = len(top) + 1 if top else 0
        named = {entry.path[start:]: entry for entry in entries if entry.mode != SUBMODULE}
        projects = {
            "/".join(parts[: parts.index(".dvc")]) for name in named if ".dvc" in (parts := name.split("/")[:-1])
        }
        if "" in projects:
            return {}
        inside = self._inside(top) if top else ("" if not self._prefix else None)
        left_out: dict[str, bool] = {}
        kept = {}
        for name, entry in named.items():
            folder, _, base = name.rpartition("/")
            if base in BUILTIN_FILES or self._is_left_out(folder, projects, left_out):
                continue
            if inside is not None and self._is_ignored(posixpath.join(inside, name), False):
                continue
            if base == FILE_NAME:
                raise PipelineError(f"{path}/{name}: a .dvcignore file cannot be inside a tracked directory")
            if not name.isascii():
                _check_utf8(path, name)
            kept[name] = entry
        links = [entry for entry in kept.values() if entry.mode == SYMLINK]
        if links:
            resolved = self._resolved(links)
            kept = {
                name: found
                for name, entry in kept.items()
                if (found := resolved.get(entry.path) if entry.mode == SYMLINK else entry) is not None
            }
        return kept

    def _is_left_out(self, folder: str, projects: set[str], known: dict[str, bool]) -> bool:
        if not folder:
            return False
        if folder not in known:
            above, _, name = folder.rpartition("/")
            known[folder] = name in BUILTIN_DIRS or folder in projects or self._is_left_out(above, projects, known)
        return known[folder]

    # -- digests -------------------------------------------------------------------------------------------

    def _digests(self, paths: Collection[str], legacy: bool, hasher: Hasher) -> dict[str, Digest]:
        files, folders = self._find(paths)
        needed = {entry.path: entry for entry in files.values()}
        for content in folders.values():
            needed.update((entry.path, entry) for entry in content.values())
        md5s = hasher(needed.values(), legacy)
        found = {path: Digest(md5s[entry.path], legacy=legacy) for path, entry in files.items()}
        for path, content in folders.items():
            listed = {name: Digest(md5s[entry.path], legacy=legacy) for name, entry in content.items()}
            found[path] = manifest_digest(listed, legacy=legacy)
        return found

    def _md5s(self, entries: Collection[Entry], legacy: bool) -> dict[str, str]:
        """Of the content as it would lie in the work tree."""
        if not entries:
            return {}
        conversions = self._attributes.conversions([entry.path for entry in entries])
        keys = {entry.path: entry.id + conversions[entry.path] for entry in entries}
        known = self._memo.blobs(set(keys.values()), legacy=legacy)
        new: dict[str, str] = {}
        passing: dict[str, str] = {}
        plain = sorted({entry.id for entry in entries if keys[entry.path] == entry.id and entry.id not in known})
        self._objects.each(plain, lambda id_, content: new.__setitem__(id_, hash_bytes(content, legacy=legacy)))
        converted = {key: entry for entry in entries if (key := keys[entry.path]) != entry.id and (key not in known)}
        for entry, content, is_final in self._attributes.convert(list(converted.values())):
            (new if is_final else passing)[keys[entry.path]] = hash_bytes(content, legacy=legacy)
        if new:
            self._memo.remember_blobs(new.items(), legacy=legacy)
        every = {**known, **new, **passing}
        return {path: every[key] for path, key in keys.items()}

    def _blob_md5s(self, entries: Collection[Entry], legacy: bool) -> dict[str, str]:
        """Of the content as Git stores it."""
        known = self._memo.blobs({entry.id for entry in entries}, legacy=legacy)
        new: dict[str, str] = {}
        missing = sorted({entry.id for entry in entries} - known.keys())
        self._objects.each(missing, lambda id_, content: new.__setitem__(id_, hash_bytes(content, legacy=legacy)))
        self._memo.remember_blobs(new.items(), legacy=legacy)
        known.update(new)
        return {entry.path: known[entry.id] for entry in entries}


class CommitTree(_GitTree):
    """What a commit holds below `prefix`, converted as its own `.gitattributes` say. Made by `Repo.commit`."""

    def __init__(
        self, objects: Objects, attributes: Attributes, prefix: str, memo: Memo, label: str, special: Sequence[Entry],
        program: Program,
    ) -> None:  # fmt: skip
        super().__init__(objects, attributes, prefix, memo, label, special)
        self._program = program

    def ignored(self, paths: Collection[str]) -> set[str]:
        """Those of `paths` that the commit's own `.gitignore` files ignore, or this repository's and user's rules."""
        tops = {top: path for path in paths if (top := self._from_top(path))}
        if not tops:
            return set()
        folders = {folder for top in tops for folder in parents(top)} - tops.keys() | {""}
        files = self._objects.entries({f"{folder}/.gitignore".lstrip("/") for folder in folders})
        with contextlib.closing(LaidOut(self._objects, files)) as place:
            return {tops[name] for name in ignored(self._program, list(tops), env=place.env, cwd=place.top)}

    @property
    def state(self) -> frozenset[tuple[str, str]]:
        """Equal for two commits whose pipeline files, ignore rules and attributes are the same."""
        return frozenset((path, entry.id) for path, entry in self._special().items())


class IndexTree(_GitTree):
    """What is about to be committed: the index that Git handed over, below `prefix`. Made by `Repo.index`."""

    def __init__(
        self, objects: Objects, attributes: Attributes, prefix: str, memo: Memo, label: str, program: Program, top: str
    ) -> None:
        super().__init__(objects, attributes, prefix, memo, label)
        self._program, self._top = program, top

    def conflicts(self) -> list[str]:
        """Unmerged paths, sorted; they are absent to every other question."""
        listed = self._program.run("ls-files", "-u", "-z").split(b"\0")
        tops = {os.fsdecode(record.partition(b"\t")[2]) for record in listed if record}
        return sorted(posixpath.relpath(top, self._prefix or ".") for top in tops)

    def _other_hashers(self) -> tuple[Hasher, ...]:
        return (self._md5s, self._blob_md5s, self._lying_md5s)

    def _lying_md5s(self, entries: Collection[Entry], legacy: bool) -> dict[str, str]:
        """Of the files as they lie in the work tree, where Git says they are what is staged."""
        found = dict(self._md5s(entries, legacy))
        args = ["--literal-pathspecs", "diff", "--name-only", "-z", "--no-ext-diff", "--no-renames", "--"]
        changed: set[str] = set()
        for part in chunks(sorted(entry.path for entry in entries)):
            changed.update(split_names(self._program.run(*args, *part)))
        for entry in entries:
            if entry.path not in changed:
                md5 = self._hash_file(os.path.join(self._top, entry.path), legacy)
                if md5 is not None:
                    found[entry.path] = md5
        return found

    def _hash_file(self, path: str, legacy: bool) -> str | None:
        try:
            with open(path, "rb") as stream:
                stat = os.fstat(stream.fileno())
                md5 = self._memo.file(path, stat, legacy=legacy)
                if md5 is None:
                    read_at = now()
                    md5, _ = hash_stream(stream, legacy=legacy)
                    if stamp(os.fstat(stream.fileno())) == stamp(stat):
                        self._memo.remember_file(path, stat, md5, read_at, legacy=legacy)
                return md5
        except OSError:  # not in the work tree: outside a sparse checkout, or deleted and not said so
            return None


def _check_utf8(path: str, name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        shown = os.fsencode(f"{path}/{name}").decode("utf-8", "backslashreplace")
        raise PipelineError(f"{shown}: the name is not UTF-8, which a directory manifest cannot hold") from None
