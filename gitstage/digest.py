"""Content addresses: the digest of a file, of a directory, and the manifest that a directory's digest is made of."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from json.encoder import encode_basestring_ascii as quoted

from gitstage import progress
from gitstage.errors import FormatError
from gitstage.static import TYPE_CHECKING, Any, NamedTuple, Protocol

try:
    from _blake2 import blake2b  # hashlib loads OpenSSL, which takes longer than all else that a short command hashes
except ImportError:
    from hashlib import blake2b

if TYPE_CHECKING:
    import hashlib

_HEX = frozenset("0123456789abcdef")
_BLOCK = 1 << 20  # DVC's legacy hash normalises per chunk of this size, so it is part of that format


class Digest(NamedTuple):
    """Content of a file, or of a directory (`is_dir`: the MD5 of its manifest).

    `hex` is 32 lower-case digits. `legacy`: computed as DVC 1 and 2 did, on text with LF line ends
    ("md5-dos2unix"); such content lives in the legacy part of the cache. Two digests of different
    kinds are never equal.
    """

    hex: str
    is_dir: bool = False
    legacy: bool = False

    @classmethod
    def parse(cls, text: str, *, legacy: bool = False) -> Digest:
        """Read "<hex>" or "<hex>.dir". Raises ValueError on anything else, upper-case digits included."""
        hex_, dot, suffix = text.partition(".")
        if len(hex_) != 32 or not _HEX.issuperset(hex_) or (dot and suffix != "dir"):
            raise ValueError(f"not an MD5 digest: {text!r}")
        return cls(hex_, bool(dot), legacy)

    @classmethod
    def of_key(cls, key: str) -> Digest | None:
        """The digest of the object whose `key` this is; None if it is no object's."""
        place = key.removeprefix("files/md5/")
        folder, slash, name = place.partition("/")
        if len(folder) != 2 or not slash:
            return None
        try:
            return cls.parse(folder + name, legacy=place == key)
        except ValueError:
            return None

    @property
    def key(self) -> str:
        """The place of the object below a cache or a remote, "/"-separated."""
        base = "" if self.legacy else "files/md5/"
        return f"{base}{self.hex[:2]}/{self.hex[2:]}{'.dir' if self.is_dir else ''}"

    def __str__(self) -> str:
        return f"{self.hex}.dir" if self.is_dir else self.hex


class Content(NamedTuple):
    """What one path holds: `digest`; `size` in bytes (of all files of a directory);
    `nfiles` for directories only; `isexec`: the owner may execute the file."""

    digest: Digest
    size: int | None = None
    nfiles: int | None = None
    isexec: bool = False


def summary(data: bytes = b"", *, key: bytes = b"") -> blake2b:
    """A running hash of 16 bytes, for what is only compared with what was summed up before."""
    return blake2b(data, digest_size=16, key=key)


def md5(data: bytes = b"") -> hashlib._Hash:
    """A running MD5, the hash of DVC's formats."""
    import hashlib

    return hashlib.md5(data, usedforsecurity=False)


def hash_bytes(data: bytes, *, legacy: bool = False) -> str:
    """MD5 of `data` as 32 hex digits, after the text normalisation of DVC 1 and 2 if `legacy`."""
    if not legacy:
        return md5(data).hexdigest()
    digest = md5()
    for start in range(0, len(data), _BLOCK):
        digest.update(_dos2unix(data[start : start + _BLOCK]))
    return digest.hexdigest()


class Readable(Protocol):
    """What `hash_stream` takes."""

    def read(self, size: int, /) -> bytes: ...


def hash_stream(stream: Readable, *, legacy: bool = False) -> tuple[str, int]:
    """MD5 (32 hex digits) and size in bytes of what is left in `stream`."""
    digest, size = md5(), 0
    while block := stream.read(_BLOCK):
        size += len(block)
        progress.moved(len(block))
        digest.update(_dos2unix(block) if legacy else block)
    return digest.hexdigest(), size


_TEXT = bytes(range(0x20, 0x7F)) + b"\n\r\t\f\b"


def _dos2unix(block: bytes) -> bytes:
    """Source: spec of md5-dos2unix: a chunk whose first 512 bytes look like text has CRLF replaced by LF."""
    head = block[:512]
    if b"\0" in head or len(head.translate(None, _TEXT)) > 0.3 * len(head):
        return block
    return block.replace(b"\r\n", b"\n")


def manifest_bytes(entries: Mapping[str, Digest]) -> bytes:
    """Serialise a directory as DVC 3 does: a JSON list of {"md5", "relpath"} sorted by relpath as code points.

    `entries` maps "/"-separated paths below the directory to file digests, never `.dir` ones.
    """
    items = [f'{{"md5": "{entries[path].hex}", "relpath": {quoted(path)}}}' for path in sorted(entries)]
    return f"[{', '.join(items)}]".encode("ascii")


def named_in(manifest: bytes) -> list[str]:
    """The MD5s in what `manifest_bytes` made; whatever else a text holds is not found."""
    import re

    return re.findall(r'\{"md5": "([0-9a-f]{32})", "relpath": "', manifest.decode("ascii", "replace"))


def manifest_digest(entries: Mapping[str, Digest], *, legacy: bool = False) -> Digest:
    """The digest that a directory holding exactly `entries` has."""
    return Digest(hash_bytes(manifest_bytes(entries), legacy=legacy), True, legacy)


_NOT_IN_CHECKSUM = frozenset(
    {"desc", "type", "labels", "meta", "locked", "frozen", "metric", "persist", "isexec", "size", "nfiles"}
)


def checksum(given: Mapping[str, Any]) -> str:
    """The `md5` at the top of an import's `.dvc` file that holds `given`: over what decides where its data comes from.

    Source: DVC 3, as observed.
    """
    top = {key: value for key, value in given.items() if key not in ("md5", "meta", "desc")}
    if top.get("wdir") == ".":
        del top["wdir"]
    return md5(json.dumps(_decisive(top), sort_keys=True).encode()).hexdigest()


def has_checksum(given: Mapping[str, Any]) -> bool:
    """Is the `md5` at the top of a `.dvc` file that of what it holds? DVC 0.x and 1 had `cache: true` in or left it out."""
    asked = given.get("md5")
    if asked == checksum(given):
        return True
    outs = [
        {key: value for key, value in out.items() if (key, value) != ("cache", True)} for out in given.get("outs") or ()
    ]
    return "cmd" in given and asked == checksum({**given, "outs": outs})


def _decisive(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _decisive(inner) for key, inner in value.items() if key not in _NOT_IN_CHECKSUM}
    return [_decisive(inner) for inner in value] if isinstance(value, list) else value


def parse_manifest(data: bytes, name: str, *, legacy: bool = False) -> dict[str, Digest]:
    """Read a directory manifest into path -> digest, sorted by path.

    Raises FormatError if `data` is no such manifest or a path in it could not lie below a directory
    (absolute, empty or ".." components, NUL, a name that is both file and directory).
    """
    try:
        items: Any = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise FormatError(name, f"not a directory manifest: {error}") from None
    if not isinstance(items, list):
        raise FormatError(name, "not a directory manifest: not a list")
    found: dict[str, Digest] = {}
    for item in items:
        try:
            path, digest = item["relpath"], Digest.parse(item["md5"], legacy=legacy)
        except (TypeError, KeyError, ValueError, AttributeError):
            raise FormatError(name, f"not a directory manifest: bad entry {str(item)[:80]}") from None
        if not isinstance(path, str) or digest.is_dir or path in found or not _is_below(path):
            raise FormatError(name, f"not a directory manifest: bad entry {str(item)[:80]}")
        found[path] = digest
    _refuse_file_as_folder(found, name)
    return {path: found[path] for path in sorted(found)}


def _is_below(path: str) -> bool:
    return bool(path) and "\0" not in path and all(part not in ("", ".", "..") for part in path.split("/"))


def _refuse_file_as_folder(paths: Iterable[str], name: str) -> None:
    known = set(paths)
    folders: set[str] = set()
    for path in known:
        parent = path.rpartition("/")[0]
        while parent and parent not in folders:
            if parent in known:
                raise FormatError(name, f"not a directory manifest: {parent!r} is both a file and a folder")
            folders.add(parent)
            parent = parent.rpartition("/")[0]
