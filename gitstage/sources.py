"""Where data from outside the project comes from: a path on this machine, or a path in somebody's Git repository."""

from __future__ import annotations

import contextlib
import hashlib
import os
import posixpath
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gitstage.cache import Cache
from gitstage.config import Config, parse
from gitstage.digest import Content, Digest
from gitstage.errors import CacheMiss, ConfigError, GitstageError
from gitstage.fs import Root, Scratch, clone, in_threads, is_dir
from gitstage.git.clone import Blob, Clone
from gitstage.memo import Memo
from gitstage.pipeline import Pipeline, is_inside
from gitstage.static import TYPE_CHECKING, Any
from gitstage.tree import Measured, WorkTree, measured_folder

if TYPE_CHECKING:
    from gitstage.remote import Progress


@dataclass(frozen=True, slots=True)
class Data:
    """What lies at one path of a repository: file name below it ("" for the path itself) -> a committed file, or the
    digest of an object. `is_output`: it is exactly one output."""

    files: Mapping[str, Blob | Digest]
    is_output: bool = False

    @property
    def is_dir(self) -> bool:
        return "" not in self.files


def find_folder(url: str, folders: Sequence[str]) -> str:
    """The folder that a relative `url` counts from: the first of `folders` in which there is something of that name."""
    return next((folder for folder in folders if os.path.lexists(os.path.join(folder, url))), folders[0])


@dataclass
class Repository:
    """The Git repository at `url`, brought up to date on construction; a relative path counts from `cwd`.

    `state`: folder for copies of repositories. Objects are looked for in the cache of the repository, if it is a folder
    here, and then in its remote: `remote` names it (None: the default one), `settings` replace parts of its section,
    `config` is a configuration file to be used beside the repository's own. `jobs`, `progress`: how objects are fetched.
    """

    url: str
    cwd: str
    state: str
    remote: str | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    config: str | None = None
    jobs: int | None = None
    progress: Progress | None = None

    def __post_init__(self) -> None:
        self.clone = Clone(self.url, self.state, self.cwd)
        self._memo = Memo(None)
        self._projects: dict[str, set[str]] = {}

    @property
    def folder(self) -> str | None:
        """Where the repository is, if it is a folder here."""
        path = os.path.join(self.cwd, os.path.expanduser(self.url.removeprefix("file://")))
        return path if is_dir(path) else None

    def look(self, commit: str, path: str, cache: Cache) -> Data:
        """What lies at `path` in `commit`; `cache` is asked for manifests, and gets those that it lacks.

        Raises GitstageError if there is nothing.
        """
        path = posixpath.normpath(path.lstrip("/") or ".")
        path = "" if path == "." else path
        if path == ".." or path.startswith("../"):
            raise GitstageError(f"{path}: is not inside the repository {self.url}")
        prefix = self.project_of(commit, path)
        if self.remote is not None:
            self._remote_settings(commit, prefix or "")  # a wrong name is told whether it is needed or not
        found: dict[str, Blob | Digest] = {}
        is_output = False
        if prefix is not None:
            recorded, is_output = self._recorded(commit, prefix, path, cache)
            found.update(recorded)
        for name, blob in self.clone.files(commit, path).items():
            below = "" if name == path else posixpath.relpath(name, path or ".")
            if below == "" or not (below.endswith(".dvc") or posixpath.basename(below) == "dvc.yaml"):
                found.setdefault(below, blob)
        if not found:
            raise GitstageError(f"{path}: is not in {self.url} at {commit[:8]}")
        return Data(found, is_output)

    def project_of(self, commit: str, path: str) -> str | None:
        """The folder of the project that `path` belongs to, from the top; None if there is none."""
        if commit not in self._projects:
            listed = (name for name in self.clone.files(commit, "") if f"/{name}".endswith("/.dvc/config"))
            self._projects[commit] = {name.removesuffix(".dvc/config").rstrip("/") for name in listed}
        folders = self._projects[commit]
        while path not in folders:
            if not path:
                return None
            path = posixpath.dirname(path)
        return path

    def _recorded(self, commit: str, prefix: str, path: str, cache: Cache) -> tuple[dict[str, Digest], bool]:
        """Files of outputs that are kept in caches, at or below `path`; and whether it is exactly one output."""
        tree = self.clone.repo.commit(commit, prefix, self._memo, bulk=True)
        pipeline = Pipeline.load(tree, "/" + "." * 64)
        inner = posixpath.relpath(path or ".", prefix or ".")
        inner = "" if inner == "." else inner
        owned = pipeline.owner(inner)
        if owned is not None and not owned[1].cache:
            return {}, False
        wanted = [owned] if owned is not None else list(pipeline.outputs_below(inner))
        found: dict[str, Digest] = {}
        for stage, out in wanted:
            digest = stage.recorded(out) if out.cache else None
            if digest is None:
                if owned is not None:
                    raise GitstageError(f"{path}: nothing was recorded for it in {self.url} at {commit[:8]}")
                continue
            names = {"": digest} if not digest.is_dir else self.manifest(commit, prefix, digest, cache)
            for name, one in names.items():
                full = posixpath.join(out.path, name) if name else out.path
                if is_inside(full, inner) or not inner:
                    found["" if full == inner else posixpath.relpath(full, inner or ".")] = one
        return found, owned is not None and owned[1].path == inner

    def read(self, commit: str, path: str) -> bytes | None:
        """A committed file; None if there is none."""
        blob = self.clone.files(commit, path).get(path)
        return None if blob is None else self.clone.repo.contents([blob.id])[blob.id]

    def manifest(self, commit: str, prefix: str, digest: Digest, cache: Cache) -> Mapping[str, Digest]:
        """What a directory of the project at `prefix` holds. Raises CacheMiss if it is in no cache and no remote."""
        self._fetch(commit, prefix, [digest], cache)
        listing = cache.manifest(digest)
        if listing is None:
            raise CacheMiss(f"{digest}: is in no cache and no remote of {self.url}")
        return listing

    def bring(self, commit: str, path: str, data: Data, cache: Cache) -> Measured:
        """Put all files of `data` into `cache` as objects of DVC 3, checked; a directory's manifest, too.

        Raises CacheMiss for what is in no cache and no remote, GitstageError for an object with other content.
        """
        prefix = self.project_of(commit, path.lstrip("/"))
        digests = [one for one in data.files.values() if isinstance(one, Digest)]
        if digests:
            self._fetch(commit, prefix or "", digests, cache)
        found: dict[str, tuple[Digest, int]] = {}
        by_id: dict[str, list[str]] = {}
        for name, one in data.files.items():
            if isinstance(one, Blob):
                by_id.setdefault(one.id, []).append(name)
            else:
                found[name] = _plain(one, cache)

        for id_, content in self.clone.repo.contents(list(by_id)).items():
            temporary = cache.temporary()
            with open(temporary, "xb") as stream:
                stream.write(content)
            digest = _kept(temporary, cache)
            found.update({name: (digest, len(content)) for name in by_id[id_]})
        if data.is_dir:
            measured = measured_folder(found)
            cache.add_manifest(measured.listing)
            return measured
        digest, size = found[""]
        return Measured(Content(digest, size))

    # -- objects -------------------------------------------------------------------------------------------

    def _fetch(self, commit: str, prefix: str, digests: Sequence[Digest], cache: Cache) -> None:
        """What `cache` lacks, from the repository's own cache."""
        missing = [digest for digest in dict.fromkeys(digests) if not cache.has(digest)]
        theirs = self.cache_at(prefix, cache) if missing else None
        if theirs is not None:
            held = [(theirs.path(digest), digest) for digest in missing if theirs.has(digest)]
            for _ in in_threads(lambda one: _take_over(*one, cache), held):
                pass
        missing = [digest for digest in missing if not cache.has(digest)]
        settings = self._remote_settings(commit, prefix) if missing else None
        if settings is not None:
            self._fetch_from(settings, missing, cache)
            missing = [digest for digest in missing if not cache.has(digest)]
        if missing:
            raise CacheMiss(f"{missing[0]}: is in no cache and no remote of {self.url}", "git stage push there")

    def _fetch_from(self, settings: Mapping[str, str], digests: Sequence[Digest], cache: Cache) -> None:
        from gitstage.remote import Need, PushRecord, Remote, open_backend

        if self.jobs is not None:
            settings = {**settings, "jobs": str(self.jobs)}
        os.makedirs(self.state, mode=0o700, exist_ok=True)
        record = PushRecord(os.path.join(self.state, "seen.db"), hashlib.sha256(settings["url"].encode()).hexdigest())
        root = self.folder or self.cwd
        remote = Remote(
            "of " + self.url, cache, lambda: open_backend(settings["url"], settings, root), record, trusts=False
        )
        with contextlib.closing(remote):
            outcome = remote.fetch([Need(digest, str(digest)) for digest in digests], progress=self.progress)
        for problem in outcome.problems:
            if not problem.is_absent:
                raise problem.error

    def _remote_settings(self, commit: str, prefix: str) -> dict[str, str] | None:
        """The section of the remote to take objects from; None if there is none."""
        sections: dict[str, dict[str, Any]] = {}
        path = posixpath.join(prefix, ".dvc/config")
        text = self.read(commit, path)
        if text is not None:
            sections.update(parse(text.decode(), path))
        if self.config is not None:
            with open(os.path.join(self.cwd, self.config), encoding="utf-8") as stream:
                for section, content in parse(stream.read(), self.config).items():
                    sections.setdefault(section, {}).update(content)
        name = (self.remote or str(sections.get("core", {}).get("remote") or "")).lower()
        own = sections.get("remote", {}).get(name)
        if name and own is None and not self.settings.get("url"):
            raise ConfigError(f"{self.url}: there is no remote '{name}'")
        settings = {str(k): v if isinstance(v, str) else ",".join(v) for k, v in (own or {}).items()} | dict(
            self.settings
        )
        url = settings.get("url")
        if "bearer_token_command" in settings:
            raise ConfigError(f"{self.url}: its remote's bearer_token_command would run a command that came from there")
        if url is None:
            return None
        if "://" not in url and not os.path.isabs(url) and "url" not in self.settings:
            if self.folder is None:
                return None  # a path beside a repository that is not here
            settings["url"] = os.path.normpath(os.path.join(self.folder, prefix, ".dvc", url))
        return settings

    def address(self, commit: str, path: str, cache: Cache) -> str:
        """Where the object at `path` is kept: in the default remote of its project, else in its cache here.

        Raises GitstageError for a path that no output is.
        """
        prefix = self.project_of(commit, path.lstrip("/"))
        tree = self.clone.repo.commit(commit, prefix or "", self._memo)
        owned = Pipeline.load(tree, "/" + "." * 64).owner(posixpath.relpath(path, prefix or "."))
        digest = owned[0].recorded(owned[1]) if owned is not None else None
        if owned is None or digest is None or owned[1].path != posixpath.relpath(path, prefix or "."):
            raise GitstageError(f"{path}: is no output of {self.url} at {commit[:8]}")
        settings = self._remote_settings(commit, prefix or "")
        if settings is not None:
            return posixpath.join(settings["url"], digest.key)
        theirs = self.cache_at(prefix or "", cache)
        if theirs is None:
            raise GitstageError(f"{self.url}: has no default remote")
        return theirs.path(digest)

    def cache_at(self, prefix: str, cache: Cache) -> Cache | None:
        """The cache of the repository's project at `prefix`, if it is a folder here."""
        if self.folder is None:
            return None
        dvc_dir = os.path.join(self.folder, prefix, ".dvc")
        if not is_dir(dvc_dir):
            return None
        folder = Config.load(os.path.realpath(dvc_dir)).cache_dir
        return Cache(folder, types=("copy",), memo=Memo(None), scratch=cache.scratch)


def _plain(digest: Digest, cache: Cache) -> tuple[Digest, int]:
    """The name in DVC 3, and the size, of an object that `cache` has."""
    size = os.stat(cache.path(digest)).st_size
    if not digest.legacy:
        return digest, size
    return cache.add_file(cache.path(digest), os.stat(cache.path(digest))), size


def _take_over(source: str, digest: Digest, cache: Cache) -> None:
    """Copy another cache's object; nothing is linked, so that no cache can harm another."""
    temporary = cache.scratch.new()
    if not clone(source, temporary):
        shutil.copyfile(source, temporary)
    if not cache.take_in(temporary, digest):
        raise GitstageError(f"{source}: its content is not what its name says", "git stage checkout it there")


def _kept(temporary: str, cache: Cache) -> Digest:
    digest = cache.add_file(temporary, os.stat(temporary))
    os.unlink(temporary)
    return digest


# -- paths on this machine ---------------------------------------------------------------------------------------------


def copy_path(source: str, target: str) -> None:
    """Copy a file or folder, symlinks followed, to a place where nothing is. Raises GitstageError if there is none."""
    if os.path.isdir(source):
        shutil.copytree(source, target, copy_function=shutil.copyfile)
    elif os.path.isfile(source):
        shutil.copyfile(source, target)
    else:
        raise GitstageError(f"{source}: does not exist" if not os.path.lexists(source) else f"{source}: is no file")


def measure_path(path: str, memo: Memo) -> Measured:
    """What lies at an absolute path. Raises GitstageError if there is nothing."""
    found = WorkTree("/", memo).measure(path)
    if found is None:
        raise GitstageError(f"{path}: does not exist")
    return found


def temporary_cache(folder: str) -> Cache:
    """A cache of our own in `folder`, for what is only passing through."""
    scratch = Scratch(os.path.join(folder, "tmp"), Root(folder))
    return Cache(os.path.join(folder, "cache"), types=("copy",), memo=Memo(None), scratch=scratch)
