"""The rest of what DVC reaches, through fsspec: hdfs, webhdfs, oss (Alibaba), gdrive."""

from __future__ import annotations

import contextlib
import os
import posixpath
import threading
import time
import urllib.parse
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from gitstage.errors import ConfigError
from gitstage.remote.backend import Done, Hashed, Listed, Moved, OnlySizes, RemoteError
from gitstage.remote.backends.parallel import Patience, beside
from gitstage.static import Any

JOBS = 4

_OPTIONS: dict[str, dict[str, str]] = {  # DVC's name of a setting -> that of the file system's class
    "hdfs": {"user": "user", "kerb_ticket": "kerb_ticket"},
    "webhdfs": {"user": "user", "password": "password", "token": "token", "kerberos": "kerberos", "use_https": "use_https"},
    "oss": {"oss_key_id": "key", "oss_key_secret": "secret", "oss_endpoint": "endpoint"},
    "gdrive": {
        "gdrive_client_id": "client_id",
        "gdrive_client_secret": "client_secret",
        "gdrive_user_credentials_file": "client_json_file_path",
        "gdrive_service_account_json_file_path": "client_json_file_path",
        "gdrive_service_account_user_email": "client_user_email",
        "gdrive_use_service_account": "use_service_account",
        "gdrive_trash_only": "trash_only",
        "gdrive_acknowledge_abuse": "acknowledge_abuse",
        "profile": "profile",
    },
}  # fmt: skip
_MODULES = {"hdfs": "pyarrow", "webhdfs": "requests", "oss": "ossfs", "gdrive": "pydrive2"}
_RENAMES = ("hdfs", "webhdfs")  # a file is seen there while it is written


class FsspecBackend(OnlySizes):
    """Objects below `url`. `opened`: a file system and the folder in it, instead of those of the URL."""

    can_list = can_write = True

    def __init__(self, url: str, options: Mapping[str, str], opened: tuple[Any, str] | None = None) -> None:
        parts = urllib.parse.urlsplit(url)
        self.label = urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        self.jobs = max(1, int(options.get("jobs") or JOBS))
        self._renames = opened is not None or parts.scheme in _RENAMES
        self._fs, self._root = opened or _open(url, parts, options)
        self._root = self._root.rstrip("/")
        self._patience = Patience()

    def _at(self, key: str) -> str:
        return f"{self._root}/{key}" if key else self._root

    def list(self, prefix: str) -> Iterator[Listed]:
        never = threading.Event()
        found = self._whole(lambda: self._fs.find(self._at(prefix.rstrip("/")), detail=True), prefix, never, {})
        for path, info in found.items():
            key = path[path.index(self._root.strip("/")) + len(self._root.strip("/")) :].strip("/")
            when = info.get("mtime") or info.get("LastModified") or info.get("created")
            modified = (
                when if isinstance(when, (int, float)) else when.timestamp() if hasattr(when, "timestamp") else None
            )
            yield Listed(key, int(info["size"]), None, modified)

    def head(self, keys: Collection[str]) -> dict[str, int]:
        def look(key: str, stop: threading.Event) -> tuple[str, int | None]:
            return key, self._whole(lambda: int(self._fs.info(self._at(key))["size"]), key, stop, None)

        return {key: size for key, size in beside(self.jobs, look, list(keys)) if size is not None}

    def put(self, items: Sequence[tuple[str, str]], moved: Moved) -> Iterator[Done]:
        def send(item: tuple[str, str], stop: threading.Event) -> Done:
            path, key = item
            return key, self._outcome(lambda: self._send(path, self._at(key)), key, stop, moved, path)

        return beside(self.jobs, send, items)

    def _send(self, path: str, target: str) -> None:
        folder = posixpath.dirname(target)
        self._fs.makedirs(folder, exist_ok=True)
        if not self._renames:
            self._fs.put_file(path, target)
            return
        part = f"{folder}/.{os.urandom(11).hex()}.tmp"
        try:
            self._fs.put_file(path, part)
            if self._fs.exists(target):
                self._fs.rm_file(target)
            self._fs.mv(part, target)
        except BaseException:
            with contextlib.suppress(Exception):
                self._fs.rm_file(part)
            raise

    def get(self, items: Sequence[tuple[str, str]], moved: Moved, hashed: Hashed | None = None) -> Iterator[Done]:
        def fetch(item: tuple[str, str], stop: threading.Event) -> Done:
            key, path = item
            return key, self._outcome(lambda: self._fs.get_file(self._at(key), path), key, stop, moved, path)

        return beside(self.jobs, fetch, items)

    def delete(self, keys: Collection[str]) -> Iterator[Done]:
        def remove(key: str, stop: threading.Event) -> Done:
            error = self._outcome(lambda: self._fs.rm_file(self._at(key)), key, stop)
            return key, None if error is not None and error.absent else error

        return beside(self.jobs, remove, list(keys))

    def close(self) -> None:
        pass

    def _whole(self, action: Callable[[], Any], key: str, stop: threading.Event, absent: Any) -> Any:
        """What the action returns, or `absent`. Raises RemoteError."""
        result: list[Any] = []
        error = self._outcome(lambda: result.append(action()), key, stop)
        if error is None:
            return result[0]
        if error.absent:
            return absent
        raise error

    def _outcome(
        self,
        action: Callable[[], object],
        key: str,
        stop: threading.Event,
        moved: Moved | None = None,
        path: str = "",
    ) -> RemoteError | None:
        since, tries = time.monotonic(), 0
        while True:
            try:
                action()
            except FileNotFoundError as error:
                gone = bool(path) and not os.path.exists(path) and error.filename == path
                return RemoteError(f"{self.label}: {key}: {error}", absent=not gone)
            except PermissionError as error:
                return RemoteError(f"{self.label}: {key}: access is refused: {error}")
            except Exception as error:  # each of these libraries has its own
                tries += 1
                if self._patience.pause(since, tries, stop):
                    continue
                text = " ".join(f"{type(error).__name__}: {error}".split())[:400]
                if self._patience.is_gone(since) and not stop.is_set():
                    raise RemoteError(f"{self.label}: cannot be used: {text}", "git stage remote list") from None
                return RemoteError(f"{self.label}: {key}: {text}")
            else:
                self._patience.answered()
                if moved is not None:
                    moved(key, os.stat(path).st_size)
                return None


def _open(url: str, parts: urllib.parse.SplitResult, options: Mapping[str, str]) -> tuple[Any, str]:
    from gitstage.remote.backends import need

    scheme = parts.scheme
    for package in ("fsspec", _MODULES[scheme]):
        need(package, scheme, scheme)
    import fsspec

    settings: dict[str, Any] = {}
    for name, theirs in _OPTIONS[scheme].items():
        if name in options:
            value = options[name]
            settings[theirs] = value.lower() == "true" if value.lower() in ("true", "false") else value
    try:
        if scheme == "gdrive":
            from pydrive2.fs import GDriveFileSystem

            place = f"{parts.netloc}{parts.path}".strip("/")
            return GDriveFileSystem(place, **settings), place
        if scheme in ("hdfs", "webhdfs"):
            settings.setdefault("user", parts.username)
            settings = {"host": parts.hostname, "port": parts.port, **settings}
            settings = {name: value for name, value in settings.items() if value is not None}
            return fsspec.filesystem(scheme, **settings), parts.path
        return fsspec.filesystem(scheme, **settings), f"{parts.netloc}{parts.path}"
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error}".split())[:400]
        raise ConfigError(f"{url}: {text}", "git stage remote modify") from None
