"""A file at an address of the web: what the server tells of it, and its content. Redirections are followed."""

from __future__ import annotations

import http.client
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Collection, Iterator, Mapping, Sequence
from email.utils import parsedate_to_datetime

from gitstage.errors import ConfigError
from gitstage.remote.backend import Done, Listed, Moved, RemoteError
from gitstage.remote.backends.addresses import authorization, bare, tls_context
from gitstage.static import Any

_BLOCK = 1 << 20
_TRIES = 4
_SAFE = "%:/?@!$&'()*+,;=~[]#"  # what an address may hold already


class WebFile:
    """The one file at `url`, under the key "". `options`: DVC's keys of an HTTP remote."""

    can_list = False

    def __init__(self, url: str, options: Mapping[str, str]) -> None:
        self.label = bare(url)
        self._url = urllib.parse.quote(self.label, safe=_SAFE)
        self._headers = authorization(url, options)
        try:
            self._timeout = float(options.get("timeout") or options.get("read_timeout") or 120)
        except ValueError:
            raise ConfigError(f"{self.label}: timeout is not a number") from None
        context: ssl.SSLContext = tls_context(options)
        self._opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))

    def list(self, prefix: str) -> Iterator[Listed]:
        return iter(())

    def about(self, keys: Collection[str]) -> dict[str, Listed]:
        """As Backend.about; `etag` is the Content-MD5 if there is no ETag, `size` -1 if it is not told."""
        answer = self._ask("HEAD")
        if answer is None:
            return {}
        with answer:
            told = answer.headers
        length = told.get("Content-Length", "")
        size = int(length) if length.isdigit() and not told.get("Content-Encoding") else -1
        modified = None
        if told.get("Last-Modified"):
            try:
                modified = parsedate_to_datetime(told["Last-Modified"]).timestamp()
            except ValueError:
                pass
        return {"": Listed("", size, None, modified, told.get("ETag") or told.get("Content-MD5"))}

    def get(self, items: Sequence[tuple[str, str]], moved: Moved) -> Iterator[Done]:
        for key, path in items:
            yield key, self._fetch(key, path, moved)

    def _fetch(self, key: str, path: str, moved: Moved) -> RemoteError | None:
        for number in range(1, _TRIES + 1):
            answer = self._ask("GET")
            if answer is None:
                return RemoteError(f"{self.label}: does not exist", absent=True)
            size = 0
            try:
                with answer, open(path, "wb") as stream:
                    while block := self._read(answer):
                        stream.write(block)
                        size += len(block)
                        moved(key, len(block))
            except _Broken as error:
                moved(key, -size)
                if number == _TRIES:
                    return RemoteError(f"{self.label}: {error}")
                time.sleep(0.2 * number)
            except OSError as error:
                return RemoteError(f"{path}: {error.strerror or error}")
            else:
                return None
        return None

    def _read(self, answer: Any) -> bytes:
        try:
            block: bytes = answer.read(_BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise _Broken(f"the transfer ended early: {error}") from None
        if not block and answer.length:
            raise _Broken("the transfer ended early")
        return block

    def _ask(self, method: str) -> Any:
        """The answer, None if there is no such file. Some servers take no HEAD: they are asked by GET."""
        for number in range(1, _TRIES + 1):
            request = urllib.request.Request(self._url, method=method, headers={"User-Agent": "gitstage"})  # noqa: S310
            for name, value in self._headers.items():
                request.add_unredirected_header(name, value)  # nobody else gets to know it
            try:
                return self._opener.open(request, timeout=self._timeout)
            except urllib.error.HTTPError as error:
                error.close()
                if method == "HEAD" and error.code in (400, 403, 405, 501):
                    return self._ask("GET")
                if error.code in (404, 410):
                    return None
                text = f"{self.label}: status {error.code} {error.reason}"
                hint = "git stage remote modify --local NAME ... sets user and password"
                if error.code < 500 and error.code not in (408, 425, 429):
                    raise RemoteError(text, hint if error.code in (401, 403) else None) from None
            except (OSError, http.client.HTTPException, ValueError) as error:
                text = f"{self.label}: cannot be reached: {getattr(error, 'reason', error)}"
            if number < _TRIES:
                time.sleep(0.2 * number)
        raise RemoteError(text, retry=True)

    def close(self) -> None:
        self._opener.close()


class _Broken(Exception):
    """The connection ended before the file did."""
