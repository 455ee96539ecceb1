"""Sending big files by HTTP without holding them in memory, which obstore's HTTP store does."""

from __future__ import annotations

import http.client
import os
import posixpath
import ssl
import urllib.parse
from collections.abc import Mapping

from gitstage.remote.backend import RemoteError
from gitstage.static import Any, Protocol

_BLOCK = 1 << 20
_SAFE = "%:/?@!$&'()*+,;=~[]"  # what a URL may hold already; its "[]" stand around the host's address


class Readable(Protocol):
    def read(self, size: int = -1) -> bytes: ...


class Stream:
    """Sends files below `url` (http or https, without user). `moves`: the server is a WebDAV server.

    There, a file gets its name when it is complete; a plain HTTP server gets it by one `method` request.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        context: ssl.SSLContext | None,
        timeout: float,
        *,
        method: str = "PUT",
        moves: bool = True,
    ) -> None:
        self._url = urllib.parse.urlsplit(urllib.parse.quote(url.rstrip("/"), safe=_SAFE))
        self._folder = self._url.path.replace("[", "%5B").replace("]", "%5D")
        self._headers, self._context, self._timeout = dict(headers), context, timeout
        self._method, self._moves = method, moves

    def put(self, key: str, source: Readable, size: int) -> None:
        """Store `size` bytes. Raises RemoteError, OSError if the connection breaks."""
        target = self._path(key)
        connection = self._connect()
        try:
            if not self._moves:
                self._ask(connection, self._method, target, source, {"Content-Length": str(size)})
                return
            folder = posixpath.dirname(target)
            part = f"{folder}/{os.urandom(11).hex()}.part"  # not .NAME.tmp: nginx would not list it, and nobody could tidy up
            self._make_folder(connection, folder)
            try:
                self._ask(connection, self._method, part, source, {"Content-Length": str(size)})
                place = urllib.parse.urlunsplit((self._url.scheme, self._url.netloc, target, "", ""))
                self._ask(connection, "MOVE", part, None, {"Destination": place, "Overwrite": "T"})
            except BaseException:
                self._forget(part)
                raise
        except http.client.HTTPException as error:
            raise OSError(f"{type(error).__name__} {error}".strip()) from error
        finally:
            connection.close()

    def make_root(self) -> None:
        """Make the folder of the remote itself, and what it lies in."""
        if self._moves and self._folder:
            connection = self._connect()
            try:
                self._make_folder(connection, self._folder)
            finally:
                connection.close()

    def _path(self, key: str) -> str:
        return f"{self._folder}/{urllib.parse.quote(key)}"

    def _connect(self) -> http.client.HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        if self._url.scheme == "https":
            return http.client.HTTPSConnection(
                host, port, timeout=self._timeout, blocksize=_BLOCK, context=self._context
            )
        return http.client.HTTPConnection(host, port, timeout=self._timeout, blocksize=_BLOCK)

    def _ask(
        self,
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        allowed: tuple[int, ...] = (),
    ) -> int:
        connection.request(method, path, body, {**self._headers, **(headers or {})})
        answer = connection.getresponse()
        answer.read()
        if answer.status >= 300 and answer.status not in allowed:
            text = f"{method} {path}: status {answer.status} {answer.reason}"
            raise RemoteError(text, retry=answer.status >= 500 or answer.status in (408, 409, 423, 429))
        return answer.status

    def _make_folder(self, connection: http.client.HTTPConnection, folder: str) -> None:
        """MKCOL the folder and what it lies in; 405: it is there."""
        if self._ask(connection, "MKCOL", folder + "/", allowed=(405, 409)) != 409:
            return
        parent = posixpath.dirname(folder)
        if parent in ("", "/"):
            raise RemoteError(f"MKCOL {folder}/: status 409")
        self._make_folder(connection, parent)
        self._ask(connection, "MKCOL", folder + "/", allowed=(405,))

    def _forget(self, path: str) -> None:
        connection = self._connect()
        try:
            connection.request("DELETE", path, headers=self._headers)
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            pass  # whatever broke the transfer may break this too; the rest is collected later
        finally:
            connection.close()
