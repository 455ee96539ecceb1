"""The backends, by the scheme of a remote's URL; each module is imported when a URL asks for it."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping

from gitstage import extras
from gitstage.errors import ConfigError
from gitstage.remote.backend import Backend

_OBJECT_STORES = {
    "s3": "s3",
    "gs": "gs",
    "gcs": "gs",
    "azure": "azure",
    "http": "http",
    "https": "http",
    "webdav": "webdav",
    "webdavs": "webdav",
}
_OTHERS = ("hdfs", "webhdfs", "oss", "gdrive")


def open_backend(url: str, options: Mapping[str, str], root: str) -> Backend:
    """The backend for `url`. `options`: DVC's keys of the remote's section; `root`: the project's root, absolute.

    Raises ConfigError for a scheme that no backend knows, a setting that cannot be used, or a package that is missing.
    """
    scheme, has_scheme, _ = url.partition("://")
    scheme = scheme.lower()
    for key in ("version_aware", "worktree"):
        if options.get(key, "").lower() == "true":
            raise ConfigError(f"{key}: remotes that keep versions of files under their own names are not supported")
    if not has_scheme or scheme == "local":
        from gitstage.remote.backends.local import LocalBackend

        return LocalBackend(url.removeprefix("local://"), options)
    if scheme in _OBJECT_STORES:
        need("obstore", scheme, _OBJECT_STORES[scheme])
        from gitstage.remote.backends import addresses

        return addresses.opened(_OBJECT_STORES[scheme], url, options)
    if scheme in ("ssh", "sftp"):
        from gitstage.remote.backends.sftp import SftpBackend

        return SftpBackend(url, options)
    if scheme == "rclone":
        from gitstage.remote.backends.rclone import RcloneBackend

        return RcloneBackend(url, options)
    if scheme in _OTHERS:
        from gitstage.remote.backends.fsspec import FsspecBackend

        return FsspecBackend(url, options)
    raise ConfigError(f"{scheme}://: is no kind of remote that is known here", "git stage help remote")


def need(package: str, scheme: str, extra: str) -> None:
    """Raise the ConfigError that says which extra of gitstage to install, unless `package` is there."""
    if importlib.util.find_spec(package) is None:
        raise ConfigError(f"{scheme}:// needs the Python package {package}", extras.command(extra))
