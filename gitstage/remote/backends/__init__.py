"""The backends, by the scheme of a remote's URL; each module is imported when a URL asks for it."""

from __future__ import annotations

from collections.abc import Mapping

from gitstage.errors import ConfigError
from gitstage.remote.backend import Backend


def open_backend(url: str, options: Mapping[str, str], root: str) -> Backend:
    """The backend for `url`. `options`: DVC's keys of the remote's section; `root`: the project's root, absolute.

    Raises ConfigError for a scheme that no backend knows.
    """
    scheme, has_scheme, _ = url.partition("://")
    if not has_scheme or scheme == "local":
        from gitstage.remote.backends.local import LocalBackend

        return LocalBackend(url.removeprefix("local://"), options)
    raise ConfigError(f"{scheme}://: is no kind of remote that is known here", "git stage help remote")
