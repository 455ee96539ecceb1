"""`git stage add`: data files and directories that no command makes, each described by a `.dvc` file beside it."""

from __future__ import annotations

import glob as globbing
import os
import posixpath
import shutil
from collections.abc import Iterator, Mapping, Sequence

from gitstage.datafile import write_data_file
from gitstage.digest import Content, Digest, manifest_bytes, manifest_digest
from gitstage.errors import CacheMiss, GitstageError, PipelineError
from gitstage.events import Event
from gitstage.fs import components, remove_any, walk
from gitstage.memo import stamp
from gitstage.pipeline import Output, Pipeline, Stage, is_inside, join
from gitstage.project import Project
from gitstage.static import TYPE_CHECKING
from gitstage.tree import Measured, measured_folder

if TYPE_CHECKING:
    from gitstage.remote import Progress, Remote


def expand(project: Project, targets: Sequence[str], *, glob: bool) -> list[str]:
    """Root-relative paths of the targets as typed; with `glob`, of all that the patterns match (`**` recurses)."""
    found: list[str] = []
    for target in targets:
        names = [target]
        if glob:
            names = sorted(globbing.glob(target, recursive=True))
            if not names:
                raise GitstageError(f"{target}: matches nothing")
        found += [below_root(project, name) for name in names]
    return list(dict.fromkeys(found))


def below_root(project: Project, name: str) -> str:
    if os.path.isabs(name):
        path = posixpath.relpath(os.path.realpath(os.path.dirname(name)), project.root)
        path = posixpath.normpath(posixpath.join(path, os.path.basename(name)))
    else:
        path = join(project.cwd, name.rstrip("/") or name)
    if path == ".." or path.startswith("../") or path == ".":
        raise GitstageError(
            f"{name}: is not inside the project", f"git stage add -o NAME {name}" if path != "." else None
        )
    return path


def add(
    project: Project, paths: Sequence[str], *, commit: bool = True, relink: bool = True, written: list[str]
) -> Iterator[Event]:
    """Track `paths` (root-relative): hash them, keep them in the cache, write `.dvc` and .gitignore.

    All is checked before anything is done. `written` collects the metadata files that changed.
    Raises GitstageError for what cannot be tracked, naming it.
    """
    pipeline = project.pipeline
    plans = [_check(project, pipeline, path) for path in paths]
    _check_overlaps(pipeline, paths, plans)
    files = [owner[0].file if owner is not None else f"{path}.dvc" for path, owner in zip(paths, plans, strict=True)]
    ignored = project.refuse_ignored(files, paths)
    for file in files:
        project.refuse_read_only(file)
    project.refuse_tracked([path for path, owner in zip(paths, plans, strict=True) if owner is None])
    for path, owner in zip(paths, plans, strict=True):
        if owner is not None and owner[1].path != path:
            yield from _add_part(project, owner[0], owner[1], path, commit=commit, relink=relink, written=written)
        else:
            is_ignored = path in ignored
            yield from _add_whole(
                project, path, owner, commit=commit, relink=relink, is_ignored=is_ignored, written=written
            )


def _check_target(
    project: Project, pipeline: Pipeline, path: str
) -> tuple[tuple[Stage, Output] | None, os.stat_result | None]:
    """The `.dvc` stage and output that `path` updates, None for a new one; and what lies there."""
    name = posixpath.basename(path)
    if name.endswith(".dvc") or name in ("dvc.yaml", "dvc.lock"):
        raise GitstageError(
            f"{path}: is a pipeline file; name the data itself", f"git stage add {path.removesuffix('.dvc')}"
        )
    try:
        components(path)
        found = project.folder.lstat(path)
    except PipelineError as error:
        raise GitstageError(f"cannot add {error}") from None
    owner = pipeline.owner(path)
    if owner is not None and not owner[0].is_data:
        raise GitstageError(
            f"{path}: overlaps with output '{owner[1].path}' of stage '{owner[0].label(project.cwd)}'",
            f"git stage commit -f {owner[0].label(project.cwd)}",
        )
    return owner, found


def _check(project: Project, pipeline: Pipeline, path: str) -> tuple[Stage, Output] | None:
    """The same for what lies at `path` and can be tracked."""
    owner, found = _check_target(project, pipeline, path)
    is_part = owner is not None and owner[1].path != path
    if found is None and not is_part:
        raise GitstageError(f"{path}: does not exist")
    absolute = project.folder.absolute(path)
    if os.path.islink(absolute) and not os.path.exists(absolute):
        raise GitstageError(f"{path}: is a broken symlink")
    if os.path.islink(absolute) and os.path.isdir(absolute):
        raise GitstageError(f"{path}: is a symlink to a folder, which cannot be tracked")
    is_dir = os.path.isdir(absolute)
    if project.worktree.ignore.ignores(path, is_dir):
        raise GitstageError(f"{path}: is ignored by .dvcignore")
    if is_dir and not is_part:
        inside = [s.file for s in pipeline.stages if is_inside(s.file, path)]
        if inside:
            raise GitstageError(f"{path}: contains '{inside[0]}', which already tracks a part of it")
    return owner


def _check_overlaps(pipeline: Pipeline, paths: Sequence[str], plans: Sequence[tuple[Stage, Output] | None]) -> None:
    for path, owner in zip(paths, plans, strict=True):
        for other in paths:
            if other != path and is_inside(path, other) and owner is None:
                raise GitstageError(f"{path}: lies inside '{other}', which is added at the same time")
        for stage, out in pipeline.outputs_below(path):
            raise GitstageError(f"{path}: contains output '{out.path}' of '{stage.label(pipeline.cwd)}'")


def _add_whole(
    project: Project, path: str, owner: tuple[Stage, Output] | None, *, commit: bool, relink: bool, is_ignored: bool,
    written: list[str],
) -> Iterator[Event]:  # fmt: skip
    stage, out = owner if owner is not None else (None, Output(path, posixpath.basename(path)))
    recorded = stage.recorded(out) if stage is not None else None
    store = project.store
    legacy = store.uses_legacy(path, recorded)
    measured = (
        store.keep(path, legacy=legacy, recorded=recorded) if commit else project.worktree.measure(path, legacy=legacy)
    )
    if measured is None:
        raise GitstageError(f"{path}: does not exist")
    if commit and relink:
        store.relink(path, measured)
    if not is_ignored or project.config.autostage:  # an earlier command may have died before it staged .gitignore
        written += project.ignore([path])
    file = stage.file if stage is not None else path + ".dvc"
    others = [(o, _recorded_content(stage, o)) for o in stage.outs if o is not out] if stage is not None else []
    yield from write_data_file(project, file, [*others, (out, measured.content)], written)


def _recorded_content(stage: Stage, out: Output) -> Content:
    digest = stage.recorded(out)
    assert digest is not None and stage.record is not None
    raw = stage.record.outs[out.spelled].raw
    return Content(digest, raw.get("size"), raw.get("nfiles"), bool(raw.get("isexec")))


def _add_part(
    project: Project, stage: Stage, out: Output, path: str, *, commit: bool, relink: bool, written: list[str]
) -> Iterator[Event]:
    """Update one path inside a tracked directory; the rest stays as recorded, whatever lies there now."""
    digest = stage.recorded(out)
    old: Mapping[str, Digest] | None = project.cache.manifest(digest) if digest is not None and digest.is_dir else None
    if old is None:
        raise CacheMiss(f"{out.path}: its manifest is not in the cache")
    legacy = digest is not None and digest.legacy
    inside = posixpath.relpath(path, out.path)
    measured = project.store.keep(path, legacy=legacy) if commit else project.worktree.measure(path, legacy=legacy)
    now = _below(inside, measured)
    kept = {name: one for name, one in old.items() if not is_inside(name, inside)}
    gone = [name for name in old if is_inside(name, inside)]
    if measured is None and not gone:
        raise GitstageError(f"{path}: does not exist")
    listing = {**kept, **{name: one for name, (one, _) in now.items()}}
    size = _new_size(stage, out, old, now, gone)
    if commit:
        project.cache.add_manifest(listing, legacy=legacy)
        if relink and measured is not None:
            project.store.relink(path, measured)
    content = Content(manifest_digest(listing, legacy=legacy), size, len(listing))
    yield from write_data_file(project, stage.file, [(out, content)], written)


def _below(inside: str, measured: Measured | None) -> dict[str, tuple[Digest, int]]:
    if measured is None:
        return {}
    if measured.files is None:
        return {inside: (measured.content.digest, measured.content.size or 0)}
    return {f"{inside}/{name}": value for name, value in measured.files.items()}


def _new_size(
    stage: Stage, out: Output, old: Mapping[str, Digest], now: Mapping[str, tuple[Digest, int]], gone: Sequence[str]
) -> int | None:
    """The recorded size plus what was added; None (as DVC has it) if something changed or went, for sizes of old
    files are not recorded."""
    before = stage.record.outs[out.spelled].raw.get("size") if stage.record else None
    if not isinstance(before, int) or any(name not in now or now[name][0] != old[name] for name in gone):
        return None
    return before + sum(size for name, (_, size) in now.items() if name not in old)


def bring_in(project: Project, source: str, target: str, *, force: bool) -> str:
    """Copy a file or folder from outside to `target` (as typed) so that it can be added; returns its path."""
    path = below_root(project, target)
    if not os.path.lexists(source):
        raise GitstageError(f"{source}: does not exist")
    if os.path.isdir(project.folder.absolute(path)) and target.endswith("/"):
        path = posixpath.join(path, os.path.basename(source.rstrip("/")))
    replaced = project.worktree.measure(path)
    if project.worktree.exists(path):
        if not force:
            raise GitstageError(f"{path}: exists already", f"git stage add -f -o {target} {source}")
        project.scratch.move_aside(path)
    temporary = project.scratch.new()
    try:
        if os.path.isdir(source):
            shutil.copytree(source, temporary)
        else:
            shutil.copyfile(source, temporary)
        project.scratch.about_to_make(path)
        project.folder.put(temporary, path)
    except BaseException:
        remove_any(temporary)
        project.scratch.restore(project.kept_dir)
        raise
    if project.scratch.aside(path) is None:
        project.journal.was(path, None)
    else:
        is_lost = replaced is not None and bool(project.cache.lacks(replaced.content.digest))
        project.let_go(path, replaced, kept="add" if is_lost else None)
    project.scratch.forget()
    return path


def send(
    project: Project, source: str, target: str | None, remote: Remote, *, written: list[str],
    progress: Progress | None = None,
) -> Iterator[Event]:  # fmt: skip
    """Send the file or folder `source` (as typed) to `remote` and describe it at `target` (default: its own name),
    without a copy in the cache or at `target`. Git is not made to ignore it: there is nothing to ignore yet.

    Raises GitstageError if it cannot be tracked there, changes meanwhile, or does not arrive.
    """
    path = below_root(project, target or os.path.basename(os.path.normpath(source)))
    owner, _ = _check_target(project, project.pipeline, path)
    if owner is not None and owner[1].path != path:
        raise GitstageError(f"{path}: lies inside '{owner[1].path}', which is tracked as a whole")
    _check_overlaps(project.pipeline, [path], [owner])
    file = owner[0].file if owner is not None else f"{path}.dvc"
    project.refuse_ignored([file])
    project.refuse_read_only(file)
    if not os.path.exists(source):
        raise GitstageError(f"{source}: does not exist")
    absolute = os.path.realpath(source)
    names = [""]
    if os.path.isdir(absolute):
        names = sorted(
            os.path.relpath(os.path.join(top, name), absolute).replace(os.sep, "/")
            for top, _, files in walk(absolute)
            for name in files
        )
    places = {name: os.path.join(absolute, name) if name else absolute for name in names}
    stats = {name: os.stat(place) for name, place in places.items()}
    found = {name: Digest(project.worktree.hash_file(place, stats[name])) for name, place in places.items()}
    manifest = None
    content = Content(found[""], stats[""].st_size) if names == [""] else None
    if content is None:
        measured = measured_folder({name: (digest, stats[name].st_size) for name, digest in found.items()})
        content = measured.content
        manifest = (content.digest, manifest_bytes(found))
    outcome = remote.send_files({digest: places[name] for name, digest in found.items()}, None, progress=progress)
    changed = [name for name, place in places.items() if stamp(os.stat(place)) != stamp(stats[name])]
    if changed:
        remote.withdraw([found[name] for name in changed])
        raise GitstageError(f"{places[changed[0]]}: changed while it was read", "run the command again")
    if manifest is not None and not outcome.problems:
        outcome += remote.send_files({}, manifest, progress=progress)
    for problem in outcome.problems:
        raise problem.error
    yield from write_data_file(project, file, [(Output(path, posixpath.basename(path)), content)], written)
