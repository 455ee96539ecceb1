"""What Git does to a blob on its way into the work tree: line ends, `ident`, encodings, filter drivers.

Git itself converts (`git cat-file --filters`); here it is only decided which paths need that.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from gitstage.errors import GitstageError
from gitstage.fs import UnsafePath, components
from gitstage.git.objects import SYMLINK, Entry, Objects
from gitstage.git.program import Program

_ASKED = ("text", "crlf", "eol", "ident", "filter", "working-tree-encoding")
_UNSET = ("unspecified", "unset")
_AT_ONCE = 200  # files converted by one process, and then in memory together


class LaidOut:
    """A work tree that holds `files` and nothing else, and the environment in which Git sees that one. Closed after use."""

    def __init__(self, objects: Objects, files: Sequence[Entry]) -> None:
        import tempfile

        self._folder = tempfile.mkdtemp(prefix="gitstage-")
        self.top = os.path.join(self._folder, "top")
        self.env = {"GIT_INDEX_FILE": os.path.join(self._folder, "index"), "GIT_WORK_TREE": self.top}
        os.mkdir(self.top)
        contents: dict[str, bytes] = {}
        files = [entry for entry in files if entry.mode != SYMLINK]  # which Git does not follow here
        objects.each(sorted({entry.id for entry in files}), contents.__setitem__)
        for entry in files:
            with contextlib.suppress(UnsafePath):
                target = os.path.join(self.top, *components(entry.path))
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with open(target, "wb") as stream:
                    stream.write(contents[entry.id])

    def close(self) -> None:
        import shutil

        shutil.rmtree(self._folder, ignore_errors=True)


class Attributes:
    """The conversions of one state of the repository's `.gitattributes`.

    `files` finds those files, if they are not the ones that lie in the work tree, and `objects` reads them. `config`:
    core.autocrlf, core.eol and filter.* of the Git configuration.
    """

    def __init__(
        self,
        program: Program,
        config: Mapping[str, str],
        objects: Objects,
        files: Callable[[], Sequence[Entry] | None],
    ) -> None:
        self._program, self._config, self._objects, self._files = program, config, objects, files
        self._known: dict[str, str] = {}
        self._place: tuple[dict[str, str], str | None] | None = None

    def conversions(self, paths: Collection[str]) -> Mapping[str, str]:
        """A name for what is done to each path's content, "" for nothing. Equal names do equal things."""
        unknown = sorted({path for path in paths if path not in self._known})
        if unknown:
            env, cwd = self._context()
            given = b"".join(os.fsencode(path) + b"\0" for path in unknown)
            output = self._program.run("check-attr", "-z", "--stdin", *_ASKED, stdin=given, env=env, cwd=cwd)
            fields = output.split(b"\0")[:-1]
            values: dict[str, dict[str, str]] = {}
            for file, name, value in zip(fields[::3], fields[1::3], fields[2::3], strict=True):
                values.setdefault(os.fsdecode(file), {})[name.decode()] = os.fsdecode(value)
            for path in unknown:
                self._known[path] = self._conversion(values[path])
        return self._known

    def _conversion(self, values: Mapping[str, str]) -> str:
        """Names more conversions than are made, never fewer. Source: Git's Documentation/gitattributes."""
        made = []
        config = self._config
        if values["text"] != "unset" and not (values["text"] == "unspecified" and values["crlf"] in ("unset", "input")):
            native = os.name == "nt" and config.get("core.eol", "native") == "native"
            crlf = config.get("core.autocrlf", "").lower() in _TRUE or config.get("core.eol") == "crlf" or native
            if values["eol"] == "crlf" or (values["eol"] in _UNSET and crlf):
                made.append("eol " + " ".join([*values.values()][:3]))
                made.append(f"{config.get('core.autocrlf', '')} {config.get('core.eol', '')}")
        if values["ident"] == "set":
            made.append("ident")
        if values["working-tree-encoding"] not in (*_UNSET, "set"):
            made.append("encoding " + values["working-tree-encoding"])
        driver = f"filter.{values['filter']}."
        commands = [config[driver + key] for key in ("smudge", "process") if config.get(driver + key)]
        if values["filter"] not in _UNSET and commands:
            made.append("filter " + hashlib.md5(os.fsencode("\0".join(commands))).hexdigest())
        return "+" + ",".join(made) if made else ""

    def _context(self) -> tuple[dict[str, str], str | None]:
        """The environment and folder in which Git sees `files` and no others: a work tree of them."""
        if self._place is None:
            files = self._files()
            self._place = ({}, None) if files is None else self._laid_out(files)
        return self._place

    def _laid_out(self, files: Sequence[Entry]) -> tuple[dict[str, str], str]:
        place = LaidOut(self._objects, files)
        weakref.finalize(self, place.close)
        return place.env, place.top

    def convert(self, entries: Sequence[Entry]) -> Iterator[tuple[Entry, bytes, bool]]:
        """Each entry, its content as it lies in the work tree, and whether it will be the same the next time.

        A filter driver that fails leaves the blob as it is, as in a checkout; that is not the same the next time.
        """
        for start in range(0, len(entries), _AT_ONCE):
            part = entries[start : start + _AT_ONCE]
            contents = self._filtered(part)
            for at, entry in enumerate(part):
                content = self._filtered_alone(entry) if contents is None else contents[at]
                yield entry, content, "filter " not in self._known[entry.path] or not _is_blob(content, entry.id)

    def _filtered(self, entries: Sequence[Entry]) -> list[bytes] | None:
        """All of them from one process; None if that failed for some."""
        env, cwd = self._context()
        mark = os.urandom(16).hex()  # Git tells the size of the blob, not of what it writes
        end = b"\0" if any("\n" in entry.path for entry in entries) else b"\n"
        done = self._program.call(
            "cat-file", f"--batch={mark}", "--filters", *(["-z"] if end == b"\0" else []),
            stdin=b"".join(entry.id.encode() + b" " + os.fsencode(entry.path) + end for entry in entries),
            env=env, cwd=cwd,
        )  # fmt: skip
        parts = (b"\n" + done.stdout).split(f"\n{mark}\n".encode())
        if done.returncode or len(parts) != len(entries) + 1 or parts[0]:
            return None
        return [*parts[1:-1], parts[-1].removesuffix(b"\n")]

    def _filtered_alone(self, entry: Entry) -> bytes:
        env, cwd = self._context()
        path = f"--path={entry.path}"
        done = self._program.call("cat-file", "--filters", path, entry.id, env=env, cwd=cwd)
        if done.returncode == 0:
            return done.stdout
        done = self._program.call("cat-file", "blob", entry.id)
        if done.returncode:
            raise GitstageError(f"{entry.path}: Git object {entry.id} is missing", "git fsck")
        return done.stdout


_TRUE = ("true", "yes", "on", "1")


def _is_blob(content: bytes, id_: str) -> bool:
    new = hashlib.sha1 if len(id_) == 40 else hashlib.sha256
    return new(b"blob %d\0" % len(content) + content).hexdigest() == id_
