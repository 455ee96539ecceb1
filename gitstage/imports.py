"""`import`, `import-url`, `update`: data from elsewhere, with a note of where it is from; `get`, `get-url`: without one."""

from __future__ import annotations

import contextlib
import os
import posixpath
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from gitstage import checkout, external, formats, processes
from gitstage.contents import AtUrl
from gitstage.digest import Content, checksum
from gitstage.errors import GitstageError, PipelineError
from gitstage.events import Event, Importing, LockWritten, Skipped
from gitstage.fs import Root, atomic_write, components, remove_any
from gitstage.pipeline import Stage, join, relative
from gitstage.project import Project
from gitstage.sources import Repository, copy_path, find_folder, measure_path, temporary_cache
from gitstage.static import TYPE_CHECKING, Any
from gitstage.status import Change
from gitstage.store import data_entry
from gitstage.track import below_root
from gitstage.tree import Measured

if TYPE_CHECKING:
    from gitstage.remote import Progress


@dataclass(frozen=True, slots=True)
class From:
    """Where data of a Git repository is from: `path` in the repository at `url`, at `rev` (None: what is checked out
    there). `remote`, `settings` and `config` say where its objects are, if not where its own files say."""

    url: str
    path: str
    rev: str | None = None
    remote: str | None = None
    settings: Mapping[str, str] | None = None
    config: str | None = None

    def entry(self, locked: str | None) -> dict[str, Any]:
        """The dependency of a `.dvc` file."""
        repo: dict[str, Any] = {"url": self.url}
        if self.rev is not None:
            repo["rev"] = self.rev
        if locked is not None:
            repo["rev_lock"] = locked
        if self.config is not None:
            repo["config"] = self.config
        if self.settings:
            repo["remote"] = dict(self.settings) if self.remote is None else {"name": self.remote, **self.settings}
        elif self.remote is not None:
            repo["remote"] = self.remote
        return {"path": self.path, "repo": repo}


# -- into the project --------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Transfer:
    """How data is moved: so many files at once (None: as configured), and who is told how far it is."""

    jobs: int | None = None
    progress: Progress | None = None


_PLAIN = Transfer()


def import_path(
    project: Project, source: str, out: str | None, *, force: bool, mode: str, written: list[str],
    transfer: Transfer = _PLAIN,
) -> Iterator[Event]:  # fmt: skip
    """Copy a file or folder of this machine or at a URL, track the copy, and note where it is from.

    `source` and `out` as typed. `mode`: "all", "note" (its digest, but not the data) or "define" (nothing but the note).
    """
    path = _target(project, out, external.name_of(source))
    file = path + ".dvc"
    _check_room(project, path, file, force=force, needs_room=mode == "all")
    wdir = posixpath.dirname(path)
    spelled = source
    if not external.is_url(source) and not os.path.isabs(source):
        spelled = _from_folder(project, os.path.join(project.root, project.cwd, _local(source)), wdir)
    if mode == "define":
        dep: dict[str, Any] = {"hash": "md5", "path": spelled}
        yield from _write(project, file, path, [dep], None, locked=False, written=written)
        return
    yield Importing(file, source, path)
    with contextlib.closing(_outside(project, spelled, wdir, transfer)) as place:
        dep = place.look(spelled)
        content = place.take(project, path, dep) if mode == "all" else None
    yield from _write(project, file, path, [dep], content, locked=True, written=written)


def _local(source: str) -> str:
    return source.removeprefix("file://")


def _outside(project: Project, spelled: str, wdir: str, transfer: Transfer) -> _Path | _Url:
    """The place that a dependency spelled so, in a `.dvc` file with that `wdir`, names."""
    url, settings = project.address(spelled)
    if not external.is_url(url):
        return _Path(os.path.normpath(project.worktree.absolute(join(wdir, _local(url)))), project)
    return _Url(_opened(url, settings, project.root, transfer), spelled, project, transfer)


def _opened(url: str, settings: Mapping[str, str], root: str, transfer: Transfer) -> external.External:
    jobs = {} if transfer.jobs is None else {"jobs": str(transfer.jobs)}
    return external.External(url, {**settings, **jobs}, root)


class _Path:
    """A file or folder of this machine."""

    def __init__(self, path: str, project: Project) -> None:
        self._path, self._project = path, project

    def find(self, spelled: str) -> dict[str, Any] | None:
        """The dependency as it is now; None if there is nothing."""
        return self.look(spelled) if os.path.lexists(self._path) else None

    def look(self, spelled: str) -> dict[str, Any]:
        """The same. Raises GitstageError if there is nothing."""
        return data_entry(spelled, measure_path(self._path, self._project.memo).content)

    def take(self, project: Project, path: str, dep: Mapping[str, Any]) -> Content:
        """A copy takes the place of `path`. Raises GitstageError if it is not what `dep` says."""
        temporary = project.scratch.new()
        copy_path(self._path, temporary)

        def check(measured: Measured) -> None:
            if str(measured.content.digest) != dep["md5"]:
                raise GitstageError(f"{self._path}: changed while it was copied", "run the command again")

        return _put_in(project, temporary, path, check)

    def close(self) -> None:
        pass


class _Url:
    """A file or folder at a URL. What must be fetched to be known is fetched once."""

    def __init__(self, place: external.External, url: str, project: Project, transfer: Transfer) -> None:
        self._place, self._url, self._project, self._progress = place, url, project, transfer.progress
        self._fetched: str | None = None

    def look(self, spelled: str) -> dict[str, Any]:
        """As _Path.look."""
        found = self.find(spelled)
        if found is None:
            raise GitstageError(f"{self._url}: does not exist")
        return found

    def find(self, spelled: str) -> dict[str, Any] | None:
        """As _Path.find."""
        files = self._place.look()
        if files is None:
            return None
        known = self._place.entry(spelled, files)
        if known is not None:
            return known
        self._fetched = self._project.scratch.new()
        self._place.fetch(files, self._fetched, self._progress)
        return data_entry(spelled, measure_path(self._fetched, self._project.memo).content)

    def take(self, project: Project, path: str, dep: Mapping[str, Any]) -> Content:
        """As _Path.take."""
        temporary = self._fetched
        if temporary is None:
            temporary = project.scratch.new()
            self._place.fetch(self._place.look() or {}, temporary, self._progress)
            if self._place.entry(str(dep["path"]), self._place.look() or {}) != dep:
                raise GitstageError(f"{self._url}: changed while it was copied", "run the command again")
        return _put_in(project, temporary, path)

    def close(self) -> None:
        self._place.close()


def import_from(
    project: Project, origin: From, out: str | None, *, force: bool, mode: str, written: list[str],
    transfer: Transfer = _PLAIN,
) -> Iterator[Event]:  # fmt: skip
    """Track a copy of what lies in a Git repository; `mode` as in import_path."""
    path = _target(project, out, posixpath.basename(origin.path.rstrip("/")))
    file = path + ".dvc"
    _check_room(project, path, file, force=force, needs_room=mode == "all")
    if mode == "define":
        yield from _write(project, file, path, [origin.entry(None)], None, locked=False, written=written)
        return
    yield Importing(file, f"{origin.path} ({origin.url})", path)
    repository = _open(project, origin, transfer)
    commit = repository.clone.resolve(origin.rev)
    content = None
    if mode == "all":
        content = _bring(project, repository, commit, origin.path, path)
    else:
        repository.look(commit, origin.path, project.cache)
    yield from _write(project, file, path, [origin.entry(commit)], content, locked=True, written=written)


def update(
    project: Project, stage: Stage, *, rev: str | None = None, download: bool = True, written: list[str],
    transfer: Transfer = _PLAIN,
) -> Iterator[Event]:  # fmt: skip
    """Bring an import up to date with where it is from. Raises GitstageError if that is gone; nothing changes then."""
    label = stage.label(project.cwd)
    if not stage.is_import or len(stage.outs) != 1:
        raise GitstageError(
            f"{stage.file}: is no import", f"git stage add {stage.outs[0].path}" if stage.outs else None
        )
    (dep,) = stage.definition["deps"][:1]
    out = stage.outs[0]
    here = project.worktree.measure(out.path)
    is_whole = here is not None and here.content.digest == stage.recorded(out)
    if "repo" in dep:
        origin = _origin(dep, rev)
        repository = _open(project, origin, transfer)
        commit = repository.clone.resolve(origin.rev)
        was = dep["repo"].get("rev_lock")
        is_asked = rev in (None, dep["repo"].get("rev")) and was is not None
        if is_whole and is_asked and (commit == was or _is_the_same(repository, was, commit, origin.path, project)):
            yield Skipped(label, True)
            return
        yield Importing(stage.file, f"{origin.path} ({origin.url})", out.path)
        content = None
        if download:
            content = _bring(project, repository, commit, origin.path, out.path)
        else:
            repository.look(commit, origin.path, project.cache)
        new = origin.entry(commit)
    else:
        external.refuse_versions(dep)
        source = str(dep["path"])
        with contextlib.closing(_outside(project, source, stage.wdir, transfer)) as place:
            new = place.look(source)
            if is_whole and external.is_recorded(dep, new):
                yield Skipped(label, True)
                return
            yield Importing(stage.file, project.relative(join(stage.wdir, source)), out.path)
            content = place.take(project, out.path, new) if download else None
    if not download and here is not None:
        checkout_away(project, out.path)
    yield from _write(project, stage.file, out.path, [new], content, locked=True, written=written)


def outdated(project: Project, stages: Iterable[Stage]) -> Iterator[tuple[Stage, Change]]:
    """Those of `stages` that are imports, not frozen, of which the repository or URL has another state by now.

    Raises GitstageError if that cannot be found out.
    """
    for stage in stages:
        dep = None if stage.frozen else stage.origin
        if dep is None:
            continue
        path = str(dep["path"])
        if "repo" in dep:
            origin = _origin(dep, None)
            repository = _open(project, origin, _PLAIN)
            now, was = repository.clone.resolve(origin.rev), dep["repo"].get("rev_lock")
            if was is None or (now != was and not _is_the_same(repository, was, now, path, project)):
                yield stage, Change("dep", "update available", f"{path} ({origin.url})", recorded=was, found=now)
            continue
        external.refuse_versions(dep)
        with contextlib.closing(_outside(project, path, stage.wdir, _PLAIN)) as place:
            found = place.find(path)
        if found is None:
            yield stage, Change("dep", "deleted", path)
        elif not external.is_recorded(dep, found):
            yield stage, Change("dep", "modified", path)


def _is_the_same(repository: Repository, was: str, now: str, path: str, project: Project) -> bool:
    """Is it the same output in both commits? Of anything else the commit counts, as for DVC."""
    data = repository.look(now, path, project.cache)
    return data.is_output and data == repository.look(was, path, project.cache)


def _origin(dep: Mapping[str, Any], rev: str | None) -> From:
    repo = dep["repo"]
    remote = repo.get("remote")
    settings = dict(remote) if isinstance(remote, Mapping) else None
    name = settings.pop("name", None) if settings is not None else remote
    config = repo.get("config")
    return From(repo["url"], str(dep["path"]), rev or repo.get("rev"), name, settings, config)


def checkout_away(project: Project, path: str) -> None:
    """The data of a partial import goes; what no cache has is kept."""
    measured = project.worktree.measure(path)
    project.scratch.move_aside(path)
    _let_go(project, path, measured, "update")


def _open(project: Project, origin: From, transfer: Transfer) -> Repository:
    folders = [os.path.join(project.root, project.cwd), project.root]
    cwd = find_folder(origin.url, folders)
    state = project.repo.state_dir if project.repo else project.scratch.parent
    return _repository(origin, cwd, state, transfer)


def _repository(origin: From, cwd: str, state: str, transfer: Transfer) -> Repository:
    return Repository(
        origin.url, cwd, os.path.join(state, "clones"), origin.remote, origin.settings or {}, origin.config,
        transfer.jobs, transfer.progress,
    )  # fmt: skip


def _target(project: Project, out: str | None, name: str) -> str:
    """Where imported data goes; a folder takes it under its own name."""
    if not name or name in (".", ".."):
        raise GitstageError("what is the data to be called here?", "-o NAME")
    typed = name if out is None else out
    path = below_root(project, typed)
    if out is not None and (out.endswith("/") or project.worktree.is_dir(path)):
        path = posixpath.normpath(posixpath.join(path, name))
    return path


def _check_room(project: Project, path: str, file: str, *, force: bool, needs_room: bool) -> None:
    components(path)
    base = posixpath.basename(path)
    if base.endswith(".dvc") or base in ("dvc.yaml", "dvc.lock"):
        raise PipelineError(f"{path}: is a name for pipeline files", "-o NAME")
    folder = posixpath.dirname(path)
    if folder and not project.worktree.is_dir(folder):
        raise GitstageError(f"{folder}: is not a folder", f"mkdir -p {folder}")
    if project.worktree.ignore.ignores(path, False):
        raise GitstageError(f"{path}: is ignored by .dvcignore")
    owner = project.pipeline.owner(path)
    if owner is not None and owner[0].file != file:
        raise GitstageError(f"{path}: overlaps with output '{owner[1].path}' of '{owner[0].label(project.cwd)}'")
    inside = next(project.pipeline.outputs_below(path), None)
    if inside is not None:
        raise GitstageError(f"{path}: contains output '{inside[1].path}' of '{inside[0].label(project.cwd)}'")
    project.refuse_ignored([file])
    project.refuse_tracked([path])
    for one in (path, file):
        project.refuse_read_only(one)
    if not force and needs_room and project.folder.lstat(path) is not None:
        raise GitstageError(f"{path}: exists already", "-f replaces it")
    if not force and project.worktree.exists(file):
        raise GitstageError(f"{file}: exists already", "git stage update brings it up to date, -f replaces it")


def _from_folder(project: Project, absolute: str, wdir: str) -> str:
    return os.path.relpath(absolute, os.path.join(project.root, wdir)).replace(os.sep, "/")


def _put_in(project: Project, temporary: str, path: str, check: Callable[[Measured], None] | None = None) -> Content:
    """A finished copy takes the place of `path`, in the cache and in the work tree, unless `check` raises."""
    earlier = _make_room(project, path)
    try:
        project.scratch.about_to_make(path)
        project.folder.put(temporary, path)
        measured = project.store.keep(path, legacy=False)
        assert measured is not None
        if check is not None:
            check(measured)
    except BaseException:
        project.scratch.restore(project.kept_dir)
        raise
    _let_go(project, path, earlier, "import")
    project.store.relink(path, measured)
    return measured.content


def _make_room(project: Project, path: str) -> Measured | None:
    """Move what lies there aside; returns what it holds."""
    measured = project.worktree.measure(path)
    project.scratch.move_aside(path)
    return measured


def _let_go(project: Project, path: str, measured: Measured | None, kept: str) -> None:
    """What was moved aside is not needed any more; what no cache has is kept for good."""
    is_lost = measured is not None and bool(project.cache.lacks(measured.content.digest))
    project.let_go(path, measured, kept=kept if is_lost else None)
    project.scratch.forget()


def _bring(project: Project, repository: Repository, commit: str, source: str, path: str) -> Content:
    """Objects into the cache, then links or copies of them in place of `path`."""
    data = repository.look(commit, source, project.cache)
    measured = repository.bring(commit, source, data, project.cache)
    wanted = [checkout.Wanted(path, measured.content.digest)]
    now = project.worktree.measure(path)
    if now is not None and now.content.digest != measured.content.digest and project.cache.lacks(now.content.digest):
        _let_go(project, path, _make_room(project, path), "import")
    if not project.worktree.exists(path):
        project.scratch.about_to_make(path)
    result = checkout.apply(project, checkout.plan(project, wanted), force=True)
    for error in result.errors.values():
        raise error
    return measured.content


def _write(
    project: Project, file: str, path: str, deps: Sequence[Mapping[str, Any]], content: Content | None, *,
    locked: bool, written: list[str],
) -> Iterator[Event]:  # fmt: skip
    """The `.dvc` file of an import, on top of what it says already; .gitignore; what is known to be in place.

    `content` None: the data is not here yet. `locked`: it is known what the source holds.
    """
    old = project.worktree.read(file)
    given = formats.parse_dvc(old, file) if old is not None else {}
    spelled = relative(
        path, posixpath.dirname(file) if "wdir" not in given else join(posixpath.dirname(file), given["wdir"])
    )
    now = data_entry(spelled, content) if content is not None else {"hash": "md5", "path": spelled}
    earlier = next((dict(entry) for entry in given.get("outs") or () if entry["path"] == spelled), {})
    kept = {key: value for key, value in earlier.items() if key not in _CONTENT}
    new: dict[str, Any] = {
        "frozen": True,
        **{k: v for k, v in given.items() if k not in ("md5", "frozen", "deps", "outs")},
    }
    if old is not None and not given.get("frozen", False):
        new.pop("frozen")
    new |= {"deps": [dict(dep) for dep in deps], "outs": [{**now, **kept}]}
    if locked:
        new = {"md5": checksum(new), **new}
    data = formats.dump_dvc(new, old, file)
    if data != old:
        atomic_write(project.worktree.absolute(file), data)
        written.append(file)
        yield LockWritten(file, file, is_new=old is None)
    written += project.ignore([path])
    if content is not None:
        project.remember_restored({**project.restored(), path: content.digest})
    project.changed_files(written)


_CONTENT = frozenset({"md5", "hash", "size", "nfiles", "isexec", "path", "etag", "checksum", "version_id", "files"})


# -- anywhere ----------------------------------------------------------------------------------------------------------


def get(origin: From, out: str | None, *, force: bool, transfer: Transfer = _PLAIN) -> str:
    """Copy what lies in a Git repository to `out`, as typed; no project is needed. Returns the path of the copy."""
    target = _free_path(out, posixpath.basename(origin.path.rstrip("/")), force=force)
    with tempfile.TemporaryDirectory(prefix="gitstage-") as folder:
        repository = _repository(origin, os.getcwd(), folder, transfer)
        cache = temporary_cache(folder)
        commit = repository.clone.resolve(origin.rev)
        data = repository.look(commit, origin.path, cache)
        measured = repository.bring(commit, origin.path, data, cache)
        with _beside(target) as made:
            root = Root(made)
            cache.restore_all([(digest, name, False) for name, digest in measured.at("it").items()], root)
            if measured.files is not None and not measured.files:
                os.mkdir(os.path.join(made, "it"))
            root.close()
            cache.scratch.close()
            _put(os.path.join(made, "it"), target, force=force)
    return target


def where(origin: From) -> str:
    """The address of the object that `get` would copy: in the default remote, else in the repository's cache."""
    with tempfile.TemporaryDirectory(prefix="gitstage-") as folder:
        repository = _repository(origin, os.getcwd(), folder, _PLAIN)
        return repository.address(repository.clone.resolve(origin.rev), origin.path, temporary_cache(folder))


def get_path(source: str, out: str | None, *, force: bool, transfer: Transfer = _PLAIN) -> str:
    """Copy a file or folder of this machine or at a URL to `out`, as typed. Returns the path of the copy."""
    url, settings = resolved(source)
    if not external.is_url(url) and not os.path.lexists(_local(url)):
        raise GitstageError(f"{source}: does not exist")
    target = _free_path(out, external.name_of(source), force=force)
    with _beside(target) as folder:
        made = os.path.join(folder, "it")
        if external.is_url(url):
            with contextlib.closing(_opened(url, settings, os.getcwd(), transfer)) as place:
                files = place.look()
                if files is None:
                    raise GitstageError(f"{source}: does not exist")
                place.fetch(files, made, transfer.progress)
        else:
            copy_path(_local(url), made)
        _put(made, target, force=force)
    return target


def listing(source: str) -> AtUrl | None:
    """What lies in the folder at a path or URL as typed; None if a file does. Raises GitstageError if nothing does."""
    url, settings = resolved(source)
    if external.is_url(url):
        with contextlib.closing(_opened(url, settings, os.getcwd(), _PLAIN)) as place:
            files = place.look()
        if files is None:
            raise GitstageError(f"{source}: does not exist")
        return None if "" in files else AtUrl({name: max(listed.size, 0) for name, listed in files.items()})
    path = _local(url)
    if not os.path.isdir(path):
        if not os.path.lexists(path):
            raise GitstageError(f"{source}: does not exist")
        return None
    found: dict[str, int | None] = {}
    for folder, _, names in os.walk(path):
        for name in names:
            whole = os.path.join(folder, name)
            with contextlib.suppress(OSError):  # a broken symlink, or removed meanwhile
                found[os.path.relpath(whole, path).replace(os.sep, "/")] = os.stat(whole).st_size
    return AtUrl(found)


def resolved(source: str) -> tuple[str, Mapping[str, str]]:
    """Where a path or URL as typed leads, and with which settings it is opened; a project may be around."""
    if not source.lower().startswith("remote://"):
        return source, {}
    with Project.open() as project:
        return project.address(source)


def _free_path(out: str | None, name: str, *, force: bool) -> str:
    """The absolute path for a copy; its folder is made. Raises GitstageError if something is there already."""
    target = os.path.abspath(name if out is None else out)
    processes.sweep(os.path.dirname(target), _BESIDE)
    if out is not None and (out.endswith("/") or os.path.isdir(target)):
        target = os.path.join(target, name)
    if not force and os.path.lexists(target):
        raise GitstageError(f"{os.path.relpath(target)}: exists already", "-f replaces it")
    os.makedirs(os.path.dirname(target), exist_ok=True)
    return target


_BESIDE = r"\.gitstage-(?P<pid>\d+)-[0-9a-f]{8}"


@contextlib.contextmanager
def _beside(target: str) -> Iterator[str]:
    """A folder on the file system of `target` for a copy that is not finished. One that is left goes with the next copy."""
    folder = os.path.join(os.path.dirname(target), f".gitstage-{os.getpid()}-{os.urandom(4).hex()}")
    os.mkdir(folder, 0o700)
    try:
        yield folder
    finally:
        remove_any(folder)


def _put(made: str, target: str, *, force: bool) -> None:
    """Move a finished copy into its place; with `force`, what is there goes, files of a folder that are not in the copy
    stay."""
    if os.path.isdir(made) and os.path.isdir(target) and not os.path.islink(target):
        shutil.copytree(made, target, dirs_exist_ok=True)
        return
    if force and os.path.isdir(target) and not os.path.islink(target):
        raise GitstageError(f"{os.path.relpath(target)}: is a folder")
    shutil.move(made, target)
