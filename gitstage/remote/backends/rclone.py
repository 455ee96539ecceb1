"""Whatever rclone reaches, as rclone://REMOTE:PATH: one run of the program for each batch.

REMOTE is a name out of the user's own rclone configuration.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

from gitstage import extras
from gitstage.errors import ConfigError
from gitstage.remote.backend import Done, Hashed, Listed, Moved, OnlySizes, RemoteError
from gitstage.static import Any

JOBS = 16


class RcloneBackend(OnlySizes):
    """Objects below `rclone://REMOTE:PATH`. rclone retries, and shows a file when it is complete."""

    can_list = can_write = True

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        self.label = url
        self._place = url.partition("://")[2].rstrip("/")
        if not re.match(r"[\w@+.][\w@+. -]*:", self._place):  # one written out in full may name a program to be run
            raise ConfigError(f"{url}: expected rclone://REMOTE:PATH", "rclone listremotes")
        self.jobs = max(1, int(options.get("jobs") or JOBS))
        self._program = program(url)

    def list(self, prefix: str) -> Iterator[Listed]:
        folder = prefix.rstrip("/")
        place = f"{self._place}{'' if self._place.endswith(':') else '/'}{folder}" if folder else self._place
        for found in self._listing(place, "-R", "--files-only", "--no-mimetype", "--hash", "--hash-type", "md5"):
            key = f"{folder}/{found['Path']}" if folder else found["Path"]
            yield Listed(key, found["Size"], (found.get("Hashes") or {}).get("md5"), _seconds(found.get("ModTime")))

    def head(self, keys: Collection[str]) -> dict[str, int]:
        if not keys:
            return {}
        with _names(keys) as names:
            found = self._listing(
                self._place, "-R", "--files-only", "--no-mimetype", "--no-modtime", "--files-from-raw", names
            )
        return {each["Path"]: each["Size"] for each in found}

    def _listing(self, place: str, *options: str) -> Any:
        got = self._run("lsjson", *options, "--", place)
        if got.returncode == 3:  # no such folder: nothing is in it
            return []
        if got.returncode:
            raise RemoteError(f"{self.label}: {_last(got.stderr)}", f"rclone lsf '{place}'")
        return json.loads(got.stdout or b"[]")

    def put(self, items: Sequence[tuple[str, str]], moved: Moved) -> Iterator[Done]:
        if not items:
            return
        with tempfile.TemporaryDirectory(prefix="gitstage-") as folder:
            sizes = {}
            for path, key in items:
                link = os.path.join(folder, *key.split("/"))
                os.makedirs(os.path.dirname(link), exist_ok=True)
                os.symlink(path, link)
                with contextlib.suppress(OSError):
                    sizes[key] = os.stat(path).st_size
            failed = self._copy([key for _, key in items], folder, self._place, moved, "--copy-links", "--ignore-times")
        for _, key in items:
            error = failed.get(key) if key in sizes else "the local file is gone"
            yield key, RemoteError(f"{self.label}: {key}: {error}") if error else None

    def get(self, items: Sequence[tuple[str, str]], moved: Moved, hashed: Hashed | None = None) -> Iterator[Done]:
        if not items:
            return
        beside = os.path.dirname(items[0][1])
        with tempfile.TemporaryDirectory(prefix=".gitstage-", suffix=".tmp", dir=beside) as folder:
            failed = self._copy([key for key, _ in items], self._place, folder, moved)
            for key, target in items:
                try:
                    os.replace(os.path.join(folder, *key.split("/")), target)
                    yield key, None
                except FileNotFoundError:
                    text = failed.get(key)
                    yield key, RemoteError(f"{self.label}: {key}: {text or 'is not there'}", absent=text is None)
                except OSError as error:
                    yield key, RemoteError(f"{target}: {error.strerror}")

    def _copy(self, keys: Sequence[str], source: str, target: str, moved: Moved, *options: str) -> dict[str, str]:
        """Copy files from folder to folder; what went wrong, by key. Raises RemoteError if nothing could be done."""
        failed: dict[str, str] = {}
        last = ""
        with _names(keys) as names:
            argv = [
                *(self._program, "copy", "--files-from-raw", names, "--no-traverse", "--use-json-log", "--log-level", "INFO"),
                *("--stats", "1s", "--transfers", str(self.jobs), "--checkers", str(self.jobs), *options, "--"),
                *(source, target),
            ]  # fmt: skip
            with subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
            ) as run:
                assert run.stderr is not None
                known: dict[str, int] = {}
                for line in run.stderr:
                    try:
                        entry = json.loads(line)
                    except ValueError:
                        last = line.decode("utf-8", "replace").strip()
                        continue
                    name, text = entry.get("object") or "", " ".join(str(entry.get("msg")).split())
                    if entry.get("level") in ("error", "critical"):
                        last = text
                        if name:
                            failed[name] = text
                    elif name and text.startswith("Copied"):
                        failed.pop(name, None)
                        size = int(entry.get("size") or 0)
                        moved(name, max(0, size - known.pop(name, 0)))
                    for each in (entry.get("stats") or {}).get("transferring") or ():
                        if each.get("bytes", 0) > known.get(each["name"], 0):
                            moved(each["name"], each["bytes"] - known.get(each["name"], 0))
                            known[each["name"]] = each["bytes"]
        if run.returncode and not failed:
            raise RemoteError(f"{self.label}: {last or 'rclone failed'}", f"rclone lsf '{self._place}'")
        return failed

    def delete(self, keys: Collection[str]) -> Iterator[Done]:
        if not keys:
            return
        with _names(keys) as names:
            got = self._run("delete", "--files-from-raw", names, "--", self._place)
        error = f"{self.label}: {_last(got.stderr)}" if got.returncode not in (0, 3) else None
        for key in keys:
            yield key, RemoteError(error) if error else None

    def close(self) -> None:
        pass

    def _run(self, *argv: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([self._program, *argv], stdin=subprocess.DEVNULL, capture_output=True, check=False)


def program(url: str) -> str:
    """rclone, as it is on PATH or as the extra brought it. Raises ConfigError if it is nowhere."""
    own = os.path.join(sysconfig.get_path("scripts"), "rclone")
    found = shutil.which("rclone") or (own if os.path.exists(own) else None)
    if found is None:
        raise ConfigError(f"{url}: needs the program rclone", extras.command("rclone"))
    return found


@contextlib.contextmanager
def _names(keys: Collection[str]) -> Iterator[str]:
    """A file with a name on each line."""
    with tempfile.NamedTemporaryFile("w", prefix="gitstage-", encoding="utf-8") as names:
        names.writelines(f"{key}\n" for key in keys)
        names.flush()
        yield names.name


def _last(stderr: bytes) -> str:
    lines = stderr.decode("utf-8", "replace").strip().splitlines()
    return " ".join(lines[-1].split()) if lines else "rclone failed"


def _seconds(text: str | None) -> float | None:
    try:
        return datetime.fromisoformat((text or "").replace("Z", "+00:00")[:19] + "+00:00").timestamp()
    except ValueError:
        return None
