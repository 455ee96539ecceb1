"""`import`, `import-url`, `update`: data from elsewhere, with a note of where it is from; `get`, `get-url`: without one."""

from __future__ import annotations

import os
import posixpath
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gitstage import checkout, formats
from gitstage.digest import Content, checksum
from gitstage.errors import GitstageError, PipelineError
from gitstage.fs import Root, atomic_write, components
from gitstage.pipeline import Stage, join, relative
from gitstage.project import Project
from gitstage.run import Event, Importing, LockWritten, Skipped
from gitstage.sources import Repository, copy_path, find_folder, measure_path, temporary_cache
from gitstage.store import data_entry
from gitstage.track import below_root


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


def import_path(
    project: Project, source: str, out: str | None, *, force: bool, mode: str, written: list[str]
) -> Iterator[Event]:
    """Copy a file or folder of this machine, track the copy, and note where it is from.

    `source` and `out` as typed. `mode`: "all", "note" (its digest, but not the data) or "define" (nothing but the note).
    """
    if "://" in source and not source.startswith("file://"):
        raise GitstageError(f"{source}: only paths on this machine can be imported", f"git stage get-url {source}")
    absolute = os.path.join(project.root, project.cwd, source.removeprefix("file://"))
    path = _target(project, out, posixpath.basename(source.rstrip("/")))
    file = path + ".dvc"
    _check_room(project, path, file, force=force, needs_room=mode == "all")
    wdir = posixpath.dirname(path)
    spelled = source if os.path.isabs(source) else _from_folder(project, absolute, wdir)
    if mode != "define":
        yield Importing(file, source, path)
    dep: dict[str, Any] = {"hash": "md5", "path": spelled}
    content: Content | None = None
    if mode != "define":
        measured = measure_path(os.path.normpath(absolute), project.memo)
        dep = data_entry(spelled, measured.content)
        if mode == "all":
            content = _copy_in(project, absolute, path, measured.content)
    yield from _write(project, file, path, [dep], content, locked=mode != "define", written=written)


def import_from(
    project: Project, origin: From, out: str | None, *, force: bool, mode: str, written: list[str]
) -> Iterator[Event]:
    """Track a copy of what lies in a Git repository; `mode` as in import_path."""
    path = _target(project, out, posixpath.basename(origin.path.rstrip("/")))
    file = path + ".dvc"
    _check_room(project, path, file, force=force, needs_room=mode == "all")
    if mode == "define":
        yield from _write(project, file, path, [origin.entry(None)], None, locked=False, written=written)
        return
    yield Importing(file, f"{origin.path} ({origin.url})", path)
    repository = _open(project, origin)
    commit = repository.clone.resolve(origin.rev)
    content = None
    if mode == "all":
        content = _bring(project, repository, commit, origin.path, path)
    else:
        repository.look(commit, origin.path, project.cache)
    yield from _write(project, file, path, [origin.entry(commit)], content, locked=True, written=written)


def update(
    project: Project, stage: Stage, *, rev: str | None = None, download: bool = True, written: list[str]
) -> Iterator[Event]:
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
        repository = _open(project, origin)
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
        source = str(dep["path"])
        if "://" in source:
            raise GitstageError(f"{source}: only paths on this machine can be imported")
        absolute = project.worktree.absolute(join(stage.wdir, source))
        measured = measure_path(absolute, project.memo)
        if is_whole and str(measured.content.digest) == str(dep.get("md5")):
            yield Skipped(label, True)
            return
        yield Importing(stage.file, project.relative(join(stage.wdir, source)), out.path)
        content = _copy_in(project, absolute, out.path, measured.content) if download else None
        new = data_entry(source, measured.content)
    if not download and here is not None:
        checkout_away(project, out.path)
    yield from _write(project, stage.file, out.path, [new], content, locked=True, written=written)


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
    if measured is not None and project.cache.lacks(measured.content.digest):
        project.scratch.keep(path, os.path.join(project.kept_dir, "update"))
    project.scratch.forget()


def _open(project: Project, origin: From) -> Repository:
    folders = [os.path.join(project.root, project.cwd), project.root]
    cwd = find_folder(origin.url, folders)
    state = project.repo.state_dir if project.repo else project.scratch.parent
    return Repository(
        origin.url, cwd, os.path.join(state, "clones"), origin.remote, origin.settings or {}, origin.config
    )


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


def _copy_in(project: Project, source: str, path: str, expected: Content) -> Content:
    """A copy of the file or folder at absolute `source` takes the place of `path`, in the cache and in the work tree."""
    temporary = project.scratch.new()
    copy_path(source, temporary)
    _make_room(project, path)
    try:
        project.folder.put(temporary, path)
        measured = project.store.keep(path, legacy=False)
        assert measured is not None
        if measured.content.digest != expected.digest:
            raise GitstageError(f"{source}: changed while it was copied", "run the command again")
    except BaseException:
        project.scratch.restore(project.kept_dir)
        raise
    project.scratch.forget()
    project.store.relink(path, measured)
    return measured.content


def _make_room(project: Project, path: str) -> None:
    measured = project.worktree.measure(path)
    is_lost = measured is not None and bool(project.cache.lacks(measured.content.digest))
    project.scratch.move_aside(path)
    if is_lost:
        project.scratch.keep(path, os.path.join(project.kept_dir, "import"))


def _bring(project: Project, repository: Repository, commit: str, source: str, path: str) -> Content:
    """Objects into the cache, then links or copies of them in place of `path`."""
    data = repository.look(commit, source, project.cache)
    measured = repository.bring(commit, source, data, project.cache)
    wanted = [checkout.Wanted(path, measured.content.digest)]
    now = project.worktree.measure(path)
    if now is not None and now.content.digest != measured.content.digest and project.cache.lacks(now.content.digest):
        _make_room(project, path)
        project.scratch.forget()
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


def get(origin: From, out: str | None, *, force: bool) -> str:
    """Copy what lies in a Git repository to `out`, as typed; no project is needed. Returns the path of the copy."""
    target = _free_path(out, posixpath.basename(origin.path.rstrip("/")), force=force)
    with tempfile.TemporaryDirectory(prefix="gitstage-") as folder:
        repository = _open_here(origin, folder)
        cache = temporary_cache(folder)
        commit = repository.clone.resolve(origin.rev)
        data = repository.look(commit, origin.path, cache)
        measured = repository.bring(commit, origin.path, data, cache)
        made = os.path.join(folder, "made")
        os.mkdir(made)
        root = Root(made)
        for name, digest in measured.at("it").items():
            cache.restore(digest, root, name)
        if measured.files is not None and not measured.files:
            os.mkdir(os.path.join(made, "it"))
        root.close()
        cache.scratch.close()
        _put(os.path.join(made, "it"), target, force=force)
    return target


def where(origin: From) -> str:
    """The address of the object that `get` would copy: in the default remote, else in the repository's cache."""
    with tempfile.TemporaryDirectory(prefix="gitstage-") as folder:
        repository = _open_here(origin, folder)
        return repository.address(repository.clone.resolve(origin.rev), origin.path, temporary_cache(folder))


def _open_here(origin: From, folder: str) -> Repository:
    return Repository(
        origin.url, os.getcwd(), os.path.join(folder, "clones"), origin.remote, origin.settings or {}, origin.config
    )


def get_path(source: str, out: str | None, *, force: bool) -> str:
    """Copy a file or folder of this machine to `out`, as typed. Returns the path of the copy."""
    if "://" in source and not source.startswith("file://"):
        raise GitstageError(f"{source}: only paths on this machine can be copied")
    source = source.removeprefix("file://")
    if not os.path.lexists(source):
        raise GitstageError(f"{source}: does not exist")
    target = _free_path(out, os.path.basename(os.path.normpath(source)), force=force)
    with tempfile.TemporaryDirectory(prefix=".gitstage-", dir=os.path.dirname(target)) as folder:
        copy_path(source, os.path.join(folder, "it"))
        _put(os.path.join(folder, "it"), target, force=force)
    return target


def _free_path(out: str | None, name: str, *, force: bool) -> str:
    """The absolute path for a copy; its folder is made. Raises GitstageError if something is there already."""
    target = os.path.abspath(name if out is None else out)
    if out is not None and (out.endswith("/") or os.path.isdir(target)):
        target = os.path.join(target, name)
    if not force and os.path.lexists(target):
        raise GitstageError(f"{os.path.relpath(target)}: exists already", "-f replaces it")
    os.makedirs(os.path.dirname(target), exist_ok=True)
    return target


def _put(made: str, target: str, *, force: bool) -> None:
    """Move a finished copy into its place; with `force`, what is there goes, files of a folder that are not in the copy
    stay."""
    if os.path.isdir(made) and os.path.isdir(target) and not os.path.islink(target):
        shutil.copytree(made, target, dirs_exist_ok=True)
        return
    if force and os.path.isdir(target) and not os.path.islink(target):
        raise GitstageError(f"{os.path.relpath(target)}: is a folder")
    shutil.move(made, target)
