"""Data at a URL outside the project: what lies there, as far as the store tells, and copies of it."""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
import urllib.parse
from collections.abc import Collection, Iterable, Mapping, Sequence

from gitstage.errors import GitstageError
from gitstage.fs import components
from gitstage.remote import Listed, Progress, RemoteError, Silent, open_backend
from gitstage.remote.backend import Done, Moved
from gitstage.static import Any, Protocol

Files = Mapping[str, Listed]
"""File name below a URL ("": the URL is that of a file) -> what the store tells of it."""

_TOLD = {
    **dict.fromkeys(("s3", "gs", "gcs", "azure", "webdav", "webdavs"), "etag"),
    **dict.fromkeys(("http", "https"), "checksum"),
}
"""How DVC calls what tells one version of a file from another, by scheme; elsewhere that is the content's MD5."""


def is_url(source: str) -> bool:
    """Is it more than the path of a file on this machine?"""
    return "://" in source and not source.startswith("file://")


def name_of(source: str) -> str:
    """What a copy of the data at a URL or path is called by default."""
    path = urllib.parse.urlsplit(source).path if is_url(source) else source
    return posixpath.basename(path.rstrip("/"))


class _Store(Protocol):
    """As much of a Backend as is needed here."""

    can_list: bool

    def about(self, keys: Collection[str]) -> dict[str, Listed]: ...
    def list(self, prefix: str) -> Iterable[Listed]: ...
    def get(self, items: Sequence[tuple[str, str]], moved: Moved) -> Iterable[Done]: ...
    def close(self) -> None: ...


class External:
    """The file or folder at `url`. `settings`: DVC's keys of a remote; `root`: where relative paths in them count from.

    Raises ConfigError for a URL that cannot be used, or if a package is missing.
    """

    def __init__(self, url: str, settings: Mapping[str, str], root: str) -> None:
        scheme, _, place = url.partition("://")
        self._scheme = scheme.lower()
        self._told = _TOLD.get(self._scheme)
        self._name = ""
        self._backend: _Store
        if self._told == "checksum":
            from gitstage.remote.backends.web import WebFile

            self._backend = WebFile(url, settings)
            return
        above, slash, name = place.rstrip("/").rpartition("/")
        if slash:  # else all that the store has
            self._name = urllib.parse.unquote(name) if self._scheme.startswith("webdav") else name
        self._backend = open_backend(f"{scheme}://{above}" if slash else url, settings, root)

    def close(self) -> None:
        self._backend.close()

    def look(self) -> Files | None:
        """What lies there now; None if nothing does."""
        return (self._folder() or self._file()) if self._scheme.startswith("webdav") else self._file() or self._folder()

    def _file(self) -> Files | None:
        """What is told of it as a file; a WebDAV server may tell something of a folder, too."""
        found = self._backend.about([self._name]) if self._name or not self._backend.can_list else {}
        return {"": found[self._name]} if found else None

    def _folder(self) -> Files | None:
        if not self._backend.can_list:
            return None
        prefix = f"{self._name}/" if self._name else ""
        inside = {
            listed.key[len(prefix) :]: listed
            for listed in self._backend.list(prefix)
            if listed.key.startswith(prefix) and not listed.key.endswith("/") and listed.key != prefix
        }
        return inside or None

    def entry(self, spelled: str, files: Files) -> dict[str, Any] | None:
        """The dependency of a `.dvc` file, as DVC writes it; None if it takes the content to know it.

        Of a folder, it is the MD5 of a manifest that names what the store tells instead of MD5s.
        """
        told = {name: self._version(listed) for name, listed in files.items()}
        if self._told is None or None in told.values():
            return None
        if "" in files:
            is_told = {"size": files[""].size} if files[""].size >= 0 else {}
            return {self._told: told[""], **is_told, "hash": "md5", "path": spelled}
        listing = [{self._told: told[name], "relpath": name} for name in sorted(told)]
        md5 = hashlib.md5(json.dumps(listing, sort_keys=True).encode()).hexdigest()
        size = sum(listed.size for listed in files.values())
        return {"md5": f"{md5}.dir", "size": size, "nfiles": len(files), "hash": "md5", "path": spelled}

    def _version(self, listed: Listed) -> str | None:
        if listed.etag is None or self._scheme == "s3":
            return listed.etag and listed.etag.strip('"')
        is_bare = self._scheme == "azure" and not listed.etag.startswith('"')
        return f'"{listed.etag}"' if is_bare else listed.etag

    def fetch(self, files: Files, target: str, progress: Progress | None = None) -> None:
        """Copy `files` to the absolute path `target`, where nothing is.

        Raises RemoteError for the first that fails, UnsafePath for a name that no file here may have.
        """
        progress = progress or Silent()
        places: dict[str, str] = {}
        for name, listed in files.items():
            if name:
                place = os.path.join(target, *components(name))
                os.makedirs(os.path.dirname(place), exist_ok=True)
            else:
                place = target
            places[listed.key] = place
        sizes = [listed.size for listed in files.values()]
        progress.expect(len(files), sum(sizes) if min(sizes, default=0) >= 0 else None)
        first: RemoteError | None = None
        for key, error in self._backend.get(list(places.items()), progress.moved):
            progress.done(key)
            first = first or error
        if first is not None:
            raise first


def is_recorded(dep: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Does the dependency that a `.dvc` file records name the content that `now` does?"""
    return all(dep.get(key) == now.get(key) for key in ("md5", "etag", "checksum"))


def refuse_versions(dep: Mapping[str, Any]) -> None:
    """Raise GitstageError for a dependency on what a store's own versions say."""
    if any(key in dep for key in ("files", "version_id", "cloud", "fs_config")):
        raise GitstageError(f"{dep['path']}: is imported by versions that its store keeps, which are not read here")
