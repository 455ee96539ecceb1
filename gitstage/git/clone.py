"""Somebody else's repository, as a bare copy that is brought up to date when it is asked for."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re

from gitstage.errors import GitstageError
from gitstage.fs import is_file, remove_any
from gitstage.git.program import Program, clean_env
from gitstage.git.repo import Repo
from gitstage.static import NamedTuple

_HEAD = "refs/gitstage/head"
_TRANSPORTS = frozenset({"file", "git", "git+ssh", "http", "https", "ssh", "ssh+git"})
_SPECS = ("+HEAD:" + _HEAD, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")


class Blob(NamedTuple):
    """A file in a commit: its id, and its mode as Git writes it ("100644")."""

    id: str
    mode: str


class Clone:
    """A copy of the repository at `url` below `folder`, fetched anew on construction.

    `url`: anything that `git fetch` takes; a relative path counts from `cwd`. Raises GitstageError in Git's words.
    """

    def __init__(self, url: str, folder: str, cwd: str) -> None:
        self.url = url
        path = os.path.join(
            folder, hashlib.sha256(f"{cwd if is_relative(url) else ''}\0{url}".encode()).hexdigest()[:20]
        )
        env = clean_env(os.environ)
        if not _is_plain(url):  # it may stand in a .dvc file: no program runs that nobody has allowed
            env.setdefault("GIT_PROTOCOL_FROM_USER", "0")
        program = Program(cwd, {**env, "LC_ALL": "C"})
        if not is_file(os.path.join(path, "HEAD")):
            os.makedirs(folder, mode=0o700, exist_ok=True)
            new = f"{path}.{os.urandom(4).hex()}.tmp"
            try:
                program.run("init", "-q", "--bare", "--", new)
                with contextlib.suppress(FileExistsError):  # another process was faster
                    os.rename(new, path)
            finally:
                remove_any(new)
        self.repo = Repo(None, path, path, os.path.join(path, "index"), env)
        done = program.call("--git-dir", path, "fetch", "-q", "--prune", "--force", "--no-tags", "--", url, *_SPECS)
        if done.returncode:
            # a repository without a commit has no HEAD to fetch; what else went wrong, Git says again
            lines = [line for line in os.fsdecode(done.stderr).splitlines() if line.strip()]
            said = next(
                (line for line in lines if line.startswith("fatal: ")), lines[0] if lines else "git fetch failed"
            )
            raise GitstageError(f"{url}: cannot be read as a Git repository: {said.removeprefix('fatal: ')}")

    def resolve(self, rev: str | None) -> str:
        """The id of a commit; None: of the one that is checked out there. Raises GitstageError if there is none."""
        name = _HEAD if rev is None else rev
        asked = self.repo.git("rev-parse", "--verify", "-q", "--end-of-options", f"{name}^{{commit}}", check=False)
        if not asked.strip():
            raise GitstageError(f"{self.url}: has no commit '{rev or 'HEAD'}'")
        return asked.decode().strip()

    def files(self, commit: str, path: str) -> dict[str, Blob]:
        """The files at or below `path` ("" is the top), by path from the top; symlinks and submodules left out."""
        below = ["--", path] if path else []
        found = {}
        for record in self.repo.git("--literal-pathspecs", "ls-tree", "-r", "-z", commit, *below).split(b"\0")[:-1]:
            about, _, name = record.partition(b"\t")
            mode, kind, id_ = about.decode().split(" ")
            if kind == "blob" and mode != "120000":
                found[os.fsdecode(name)] = Blob(id_, mode)
        return found


def _is_plain(url: str) -> bool:
    """Is it for one of Git's own transports, and not for a helper (helper::address, or helper://address)?"""
    scheme = re.match(r"([\w+.-]+)(::|://)", url)
    return scheme is None or (scheme[2] == "://" and scheme[1].lower() in _TRANSPORTS)


def is_relative(url: str) -> bool:
    """Is it the path of a folder that counts from another?"""
    head = url.partition("/")[0]
    return not os.path.isabs(url) and "://" not in url and ":" not in head and not url.startswith("~")
