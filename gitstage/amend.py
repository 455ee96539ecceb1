"""Changes to what is described, not to what it holds: freeze, remove, move; and links that become plain files."""

from __future__ import annotations

import os
import posixpath
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence

from gitstage import formats, plots
from gitstage.digest import checksum
from gitstage.errors import GitstageError, PipelineError
from gitstage.fs import FILE_MODE, about_to_change, atomic_write, components, is_dir, is_file
from gitstage.pipeline import Output, Stage, is_inside, join, relative
from gitstage.project import Project
from gitstage.static import Any
from gitstage.tree import Measured


def _named(project: Project, word: str, *, whole_files: bool) -> list[Stage]:
    """The stages that a word names: a stage, a `.dvc` file, or (`whole_files`) a dvc.yaml with all its stages.

    Raises PipelineError for what names none, or names a stage that a template made.
    """
    try:
        found = [target.stage for target in project.pipeline.find(word, paths=False)]
    except PipelineError as error:
        owned = project.pipeline.owner(join(project.cwd, word))
        if owned is not None:
            raise PipelineError(f"{word}: is an output; name what makes it", owned[0].label(project.cwd)) from None
        raise error from None
    is_file = any(stage.name is not None for stage in found) and posixpath.basename(word) == "dvc.yaml"
    if is_file and not whole_files:
        raise PipelineError(f"{word}: is a whole file; name a stage of it", f"{word}:{found[0].name}")
    for stage in found:
        if stage.group is not None or stage.templated:
            raise PipelineError(
                f"{stage.file}: stage '{stage.label(project.cwd)}' is made from a template; change it by hand"
            )
    return found


def _every(project: Project, words: Sequence[str], *, whole_files: bool) -> list[Stage]:
    found = [stage for word in words for stage in _named(project, word, whole_files=whole_files)]
    for stage in found:
        project.refuse_read_only(stage.file)
    return list(dict.fromkeys(found))


class _Files:
    """New contents of metadata files, collected before any is written; None: the file goes."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._new: dict[str, bytes | None] = {}

    def change(self, path: str, edit: Callable[[bytes | None], bytes | None]) -> None:
        old = self._new[path] if path in self._new else self._project.worktree.read(path)
        self._new[path] = edit(old)

    def write(self, written: list[str]) -> None:
        """Write what differs; `written` collects the paths."""
        for path, data in self._new.items():
            if data == self._project.worktree.read(path):
                continue
            if data is None:
                about_to_change(self._project.folder.absolute(path), None)
                self._project.folder.unlink(path)
            else:
                atomic_write(self._project.worktree.absolute(path), data)
            written.append(path)


# -- freeze ------------------------------------------------------------------------------------------------------------


def freeze(project: Project, words: Sequence[str], *, frozen: bool, written: list[str]) -> list[Stage]:
    """Mark stages and `.dvc` files as frozen, or no longer; returns them. All words are checked first."""
    stages = _every(project, words, whole_files=False)
    files = _Files(project)
    for stage in stages:
        files.change(stage.file, lambda data, stage=stage: _frozen(stage, data, frozen))  # type: ignore[misc]
    files.write(written)
    project.changed_files(written)
    return stages


def _frozen(stage: Stage, data: bytes | None, frozen: bool) -> bytes | None:
    assert data is not None
    if stage.name is None:
        given = formats.parse_dvc(data, stage.file)
        return formats.dump_dvc(_marked({k: v for k, v in given.items() if k != "locked"}, frozen), data, stage.file)
    given = formats.parse_pipeline(data, stage.file)["stages"][stage.name]
    return formats.update_pipeline(data, stage.file, stage.name, _marked(given, frozen))


def _marked(given: Mapping[str, Any], frozen: bool) -> dict[str, Any]:
    if frozen:
        return {**given, "frozen": True}
    return {key: value for key, value in given.items() if key != "frozen"}


# -- remove ------------------------------------------------------------------------------------------------------------


def remove(project: Project, words: Sequence[str], *, outs: bool, written: list[str]) -> list[str]:
    """Take stages out of dvc.yaml and dvc.lock, delete `.dvc` files; with `outs` the outputs go, too.

    Outputs that stay become plain files that Git sees. One whose content is in no cache is kept (see
    Project.kept_dir); returns what the user should know.
    """
    stages = _every(project, words, whole_files=True)
    files = _Files(project)
    for stage in stages:
        if stage.name is None:
            files.change(stage.file, lambda _: None)
            continue
        name, file, lock = stage.name, stage.file, stage.lock_file
        files.change(file, lambda data: formats.update_pipeline(data, file, name, None))  # noqa: B023  called at once
        files.change(lock, lambda data: data and formats.update_lock(data, lock, {name: None}))  # noqa: B023
    gone = [(stage, out) for stage in stages for out in stage.outs]
    taken: dict[str, Measured | None] = {}
    try:
        for _, out in gone:
            if outs and not out.path.startswith(("../", "/")):
                taken[out.path] = project.worktree.measure(out.path)
                if not project.scratch.move_aside(out.path):
                    del taken[out.path]
            elif not outs and out.cache:
                release(project, out.path)
        files.write(written)
    except BaseException:
        project.scratch.restore(project.kept_dir)
        raise
    project.cache.settle()
    said = []
    for path, measured in taken.items():
        is_lost = measured is not None and bool(project.cache.lacks(measured.content.digest))
        place = project.let_go(path, measured, kept="remove" if is_lost else None)
        if place is not None:
            said.append(f"'{project.relative(path)}' was in no cache; it is kept in {os.path.relpath(place)}")
    project.scratch.forget()
    paths = {out.path for _, out in gone}
    written += _unignored(project, [out.path for _, out in gone if out.cache])
    project.remember_restored({path: digest for path, digest in project.restored().items() if path not in paths})
    project.changed_files(written)
    return said


def _unignored(project: Project, paths: Sequence[str]) -> list[str]:
    if project.repo is None:
        return []
    inside = [project.in_repo(path) for path in paths if not path.startswith(("../", "/"))]
    changed = [project.repo.unignore(path) for path in inside]
    return [project.from_repo(path) for path in dict.fromkeys(changed) if path is not None]


# -- move --------------------------------------------------------------------------------------------------------------


def move(project: Project, source: str, target: str, written: list[str]) -> None:
    """Rename tracked data and, if it is named after it, its `.dvc` file. `target` may be a folder.

    Raises PipelineError for data that a stage makes, GitstageError where there is no room.
    """
    path = join(project.cwd, source.rstrip("/") or source)
    owned = project.pipeline.owner(path)
    if owned is None or owned[1].path != path:
        raise PipelineError(f"{source}: is no data that a .dvc file tracks", "git stage list --all")
    stage, out = owned
    if not stage.is_data:
        label = stage.label(project.cwd)
        raise PipelineError(f"{source}: is an output of stage '{label}', which names it; change the stage instead")
    new = join(project.cwd, target.rstrip("/") or target)
    if project.worktree.is_dir(new) and new != path:
        new = posixpath.normpath(posixpath.join(new, posixpath.basename(path)))
    _check_room(project, path, new)
    renamed = posixpath.basename(stage.file) == posixpath.basename(path) + ".dvc" and len(stage.outs) == 1
    file = new + ".dvc" if renamed else stage.file
    if file != stage.file and project.worktree.exists(file):
        raise GitstageError(f"{file}: exists already")
    project.refuse_ignored([file])
    project.refuse_tracked([new])
    for one in (file, stage.file, new):
        project.refuse_read_only(one)
    data = _moved(project, stage, out, new, file)
    ignored = project.ignore([new]) if out.cache else []
    if file != stage.file:
        atomic_write(project.worktree.absolute(file), data)
    if project.folder.lstat(path) is not None:
        project.journal.was(path, {"moved": new})
        project.journal.flush()
    try:
        _rename(project, path, new)
    except BaseException:
        if file != stage.file:
            project.folder.unlink(file)
        _unignored(project, [new])
        raise
    if file == stage.file:
        atomic_write(project.worktree.absolute(file), data)
    else:
        about_to_change(project.worktree.absolute(stage.file), None)
        project.folder.unlink(stage.file)
    written += [*ignored, *_unignored(project, [path]), file, stage.file]
    known = project.restored()
    if path in known:
        project.remember_restored({**{p: d for p, d in known.items() if p != path}, new: known[path]})
    project.changed_files(written)


def _check_room(project: Project, path: str, new: str) -> None:
    if new == ".." or new.startswith(("../", "/")):
        raise GitstageError(f"{new}: is not inside the project")
    components(new)
    if new == path:
        raise GitstageError(f"{path}: is there already")
    if is_inside(new, path):
        raise GitstageError(f"{new}: lies inside {path}")
    folder = posixpath.dirname(new)
    if folder and not project.worktree.is_dir(folder):
        raise GitstageError(f"{folder}: is not a folder", f"mkdir -p {folder}")
    if project.folder.lstat(new) is not None:
        raise GitstageError(f"{new}: exists already")
    if project.worktree.ignore.ignores(new, False):
        raise GitstageError(f"{new}: is ignored by .dvcignore")
    owner = project.pipeline.owner(new)
    if owner is not None:
        raise GitstageError(f"{new}: overlaps with output '{owner[1].path}' of '{owner[0].label(project.cwd)}'")


def _moved(project: Project, stage: Stage, out: Output, new: str, file: str) -> bytes:
    """The text of the `.dvc` file after the move."""
    old = project.worktree.read(stage.file)
    assert old is not None
    given = formats.parse_dvc(old, stage.file)
    wdir = stage.wdir if file == stage.file else posixpath.dirname(file)
    outs = []
    for entry in given["outs"]:
        is_it = join(stage.wdir, str(entry["path"])) == out.path
        outs.append({**entry, "path": relative(new, wdir)} if is_it else entry)
    changed = {**given, "outs": outs}
    if file != stage.file:
        changed.pop("wdir", None)
        if "deps" in given:
            changed["deps"] = [_seen_from(dep, stage.wdir, wdir) for dep in given["deps"] or ()]
    if stage.is_import and "md5" in given:
        changed["md5"] = checksum(changed)
    return formats.dump_dvc(changed, old, file)


def _seen_from(dep: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    """An import's source, with a path that counts from the `.dvc` file's folder written from another one."""
    path = str(dep["path"])
    if "repo" in dep or "://" in path or path.startswith("/"):
        return dict(dep)
    return {**dep, "path": posixpath.relpath(posixpath.join("/r" * 64, old, path), posixpath.join("/r" * 64, new))}


def _rename(project: Project, path: str, new: str) -> None:
    if not project.scratch.move_aside(path):
        project.scratch.forget()
        return  # nothing is there; what is described moves all the same
    try:
        aside = project.scratch.aside(path)
        assert aside is not None
        project.scratch.about_to_make(new, path)
        project.folder.put(aside, new)
    except BaseException:
        project.scratch.restore(project.kept_dir)
        raise
    project.scratch.forget()


# -- unprotect ---------------------------------------------------------------------------------------------------------


def unprotect(project: Project, words: Sequence[str]) -> None:
    """Make the files at `words`, and in folders among them, plain ones that may be written. All are checked first."""
    paths = [join(project.cwd, word.rstrip("/") or word) for word in words]
    for word, path in zip(words, paths, strict=True):
        components(path)
        if project.folder.lstat(path) is None:
            raise GitstageError(f"{word}: does not exist")
        if not os.path.exists(project.folder.absolute(path)):
            raise GitstageError(f"{word}: is a link to nothing", f"git stage checkout {word}")
    for path in paths:
        release(project, path)


def release(project: Project, path: str) -> None:
    """Replace links at or below `path` by copies, and give plain files the mode of new ones."""
    absolute = project.folder.absolute(path)
    if is_dir(absolute) and not os.path.islink(absolute):
        for name, _ in list(project.worktree.walk(path)):
            _release_file(project, f"{path}/{name}")
    elif is_file(absolute):
        _release_file(project, path)


def _release_file(project: Project, path: str) -> None:
    absolute = project.folder.absolute(path)
    found = os.lstat(absolute)
    if stat.S_ISLNK(found.st_mode) or found.st_nlink > 1 or stat.S_IMODE(found.st_mode) != FILE_MODE:
        project.journal.form(path, found)
    if stat.S_ISLNK(found.st_mode) or found.st_nlink > 1:
        temporary = project.scratch.new()
        shutil.copyfile(absolute, temporary)
        os.chmod(temporary, FILE_MODE)
        project.folder.put(temporary, path)
    elif stat.S_IMODE(found.st_mode) != FILE_MODE:
        os.chmod(absolute, FILE_MODE)


# -- plots -------------------------------------------------------------------------------------------------------------


def modify_plot(
    project: Project, word: str, properties: Mapping[str, Any], unset: Sequence[str], written: list[str]
) -> None:
    """Set and unset how the output at path `word`, as typed, is drawn, in dvc.yaml; it becomes a plot if it is none.

    Raises GitstageError for what is no output of a stage, or a property to unset that is not set.
    """
    path = join(project.cwd, word)
    owned = project.pipeline.owner(path)
    if owned is None or owned[1].path != path:
        raise GitstageError(f"{word}: is no output", "git stage list")
    stage, out = owned
    if stage.name is None:
        raise GitstageError(f"{stage.file}: is no stage, so nothing of it is drawn", f"git stage plots show {word}")
    _named(project, stage.label(project.cwd), whole_files=False)
    project.refuse_read_only(stage.file)
    given = dict(stage.definition)
    template = properties.get("template")
    folder = os.path.join(project.dvc_dir, "plots")
    places = [str(template), os.path.join(folder, str(template)), os.path.join(folder, f"{template}.json")]
    if template is not None and template not in plots.built_in() and not any(os.path.isfile(one) for one in places):
        raise GitstageError(f"there is no plot template '{template}'", "git stage plots templates")
    kind = next(
        key for key in ("plots", "outs", "metrics") if any(_spelled(one) == out.spelled for one in given.get(key) or ())
    )
    if kind == "metrics" or (kind != "plots" and unset):
        raise GitstageError(f"{word}: is no plot" if unset else f"{word}: is a metric")
    entry = next(one for one in given[kind] if _spelled(one) == out.spelled)
    settings = dict(next(iter(entry.values())) or {}) if isinstance(entry, Mapping) else {}
    for name in unset:
        if name not in settings or name in _NOT_DRAWN:
            raise GitstageError(f"{word}: {name} is not set")
        del settings[name]
    settings |= {key: properties[key] for key in sorted(properties, key=_order)}
    new = {out.spelled: settings} if settings else out.spelled
    if kind == "plots":
        given["plots"] = [new if one == entry else one for one in given["plots"]]
    else:
        given[kind] = [one for one in given[kind] if one != entry]
        given["plots"] = sorted([*(given.get("plots") or ()), new], key=_spelled)
        if not given[kind]:
            del given[kind]
    files = _Files(project)
    files.change(stage.file, lambda data: formats.update_pipeline(data, stage.file, str(stage.name), given))
    files.write(written)
    project.changed_files(written)


_ORDER = ("template", "x", "y", "x_label", "y_label", "title", "header")


def _order(name: str) -> int:
    return _ORDER.index(name) if name in _ORDER else len(_ORDER)


_NOT_DRAWN = frozenset({"cache", "persist", "remote", "push", "desc", "type", "labels", "meta"})


def _spelled(entry: str | Mapping[str, Any]) -> str:
    return entry if isinstance(entry, str) else str(next(iter(entry)))
