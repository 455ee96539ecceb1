"""`git stage run`: from the words of a command line to a stage of dvc.yaml, checked before anything is written."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Collection, Iterable, Mapping, Sequence
from types import MappingProxyType

from gitstage import formats
from gitstage.digest import Digest
from gitstage.errors import GitstageError, PipelineError, UsageError
from gitstage.pipeline import DEFAULT_PARAMS, PIPELINE_FILE, Pipeline, Stage, join
from gitstage.project import Project
from gitstage.static import Any, NamedTuple
from gitstage.tree import Tree

# which list an option's paths go to, and the flags it sets; in the order in which DVC writes .gitignore lines
OUTPUT_OPTIONS: dict[str, tuple[str, dict[str, bool]]] = {
    "outs_persist": ("outs", {"persist": True}),
    "outs_persist_no_cache": ("outs", {"cache": False, "persist": True}),
    "metrics": ("metrics", {}),
    "metrics_no_cache": ("metrics", {"cache": False}),
    "plots": ("plots", {}),
    "plots_no_cache": ("plots", {"cache": False}),
    "outs_no_cache": ("outs", {"cache": False}),
    "outs": ("outs", {}),
}
_ANNOTATIONS = ("desc", "type", "labels", "meta", "remote", "push")
_PUNCTUATION = frozenset("!\"#$%&'()*+,./:;<=>?@[\\]^`{|}~")  # of ASCII, but _ and -


class Words(NamedTuple):
    """What the user typed. `outputs`: option name (a key of OUTPUT_OPTIONS) -> paths."""

    name: str
    command: Sequence[str]
    deps: Sequence[str] = ()
    params: Sequence[str] = ()
    outputs: Mapping[str, Sequence[str]] = MappingProxyType({})
    wdir: str | None = None
    desc: str | None = None
    always_changed: bool = False


class Edit(NamedTuple):
    """A stage as it will be: `pipeline` holds it, `files` are the bytes to write, `ignore` its outputs in the order
    of their .gitignore lines (root-relative)."""

    pipeline: Pipeline
    stage: Stage
    files: Mapping[str, bytes]
    ignore: Sequence[str]


def command_text(words: Sequence[str]) -> str:
    """Several words become one line: one with a space and no double quote in it is put in double quotes."""
    if len(words) == 1:
        return words[0]
    return " ".join(f'"{word}"' if not word or (" " in word and '"' not in word) else word for word in words)


def definition(words: Words) -> dict[str, Any]:
    """The mapping below the stage's name in dvc.yaml, keys in the order in which DVC writes them."""
    found: dict[str, Any] = {}
    if words.desc:
        found["desc"] = words.desc
    found["cmd"] = command_text(words.command)
    if words.wdir is not None and posixpath.normpath(words.wdir) != ".":
        found["wdir"] = posixpath.normpath(words.wdir)
    if words.deps:
        found["deps"] = sorted(words.deps)
    values = _params(words.params)
    if values:
        found["params"] = values
    for section in ("outs", "metrics", "plots"):
        items = [
            (path, flags)
            for option, (where, flags) in OUTPUT_OPTIONS.items()
            if where == section
            for path in words.outputs.get(option, ())
        ]
        if items:
            found[section] = [
                {path: dict(flags)} if flags else path for path, flags in sorted(items, key=lambda i: i[0])
            ]
    if words.always_changed:
        found["always_changed"] = True
    return found


def _params(given: Iterable[str]) -> list[Any]:
    files: dict[str, list[str]] = {}
    for text in given:
        file, colon, keys = text.rpartition(":")
        names = files.setdefault(file if colon and file else DEFAULT_PARAMS, [])
        names += [key.strip() for key in keys.split(",") if key.strip()]
    found: list[Any] = []
    default = files.pop(DEFAULT_PARAMS, None)
    if default is not None:
        found += sorted(dict.fromkeys(default)) if default else [{DEFAULT_PARAMS: None}]
    found += [{file: sorted(dict.fromkeys(files[file])) or None} for file in sorted(files)]
    return found


def edit(project: Project, words: Words, *, force: bool) -> Edit:
    """Plan stage `words.name` in the dvc.yaml of the current folder. Nothing is written.

    A stage of that name with the same definition is left as it is; another one is replaced only with `force`, keeping
    the annotations of paths that stay. Raises UsageError or PipelineError for what cannot become a stage.
    """
    _check_words(project, words)
    path = join(project.cwd, PIPELINE_FILE)
    old = project.worktree.read(path)
    given = formats.parse_pipeline(old, path) if old is not None else {}
    new = definition(words)
    before = (given.get("stages") or {}).get(words.name)
    files: dict[str, bytes] = {}
    if before is not None:
        new = _with_annotations(new, before, described=words.desc is not None)
    if before is None or not _same(before, new):
        if before is not None and not force:
            raise GitstageError(
                f"{path}: stage '{words.name}' exists already, with another definition",
                "git stage run --force ... replaces it",
            )
        text = formats.update_pipeline(old, path, words.name, new)
        assert text is not None
        files[path] = text
    pipeline = Pipeline.load(
        Edited(project.worktree, files), project.root, cwd=project.cwd,
        bool_style=project.config.bool_style, list_style=project.config.list_style,
    )  # fmt: skip
    stage = next((s for s in pipeline.stages if s.file == path and s.name == words.name), None)
    if stage is None:
        raise PipelineError(f"{path}: '{words.name}' stands for a group of stages, which cannot be run as one")
    pipeline.check()
    project.refuse_ignored(list(files))
    _check_stage(project, stage, words)
    kept = [join(stage.wdir, out) for option in OUTPUT_OPTIONS for out in words.outputs.get(option, ())
            if OUTPUT_OPTIONS[option][1].get("cache", True)]  # fmt: skip
    return Edit(pipeline, stage, files, kept)


def _check_words(project: Project, words: Words) -> None:
    bad = sorted(_PUNCTUATION.intersection(words.name))
    if bad or not words.name.strip():
        raise UsageError(f"stage name '{words.name}' cannot contain {bad[0] if bad else 'nothing but spaces'}")
    if not any(word.strip() for word in words.command):
        raise UsageError("no command was given", "git stage run -n NAME [-d INPUT] [-o OUTPUT] COMMAND")
    named = [join("", path) for paths in words.outputs.values() for path in paths]
    for group in (named, [join("", dep) for dep in words.deps]):
        for path in group:
            if group.count(path) > 1:
                raise PipelineError(f"stage '{words.name}': '{path}' is given twice")
    for path in words.deps:
        if join("", path) in named:
            raise PipelineError(f"stage '{words.name}': '{path}' is both a dependency and an output")
    if words.wdir is not None:
        where = join(project.cwd, words.wdir)
        if where == ".." or where.startswith(("../", "/")):
            raise PipelineError(f"stage '{words.name}': wdir '{words.wdir}' is outside the project")
        if not os.path.isdir(project.worktree.absolute(where)):
            raise PipelineError(f"stage '{words.name}': wdir '{words.wdir}' does not exist")


def _check_stage(project: Project, stage: Stage, words: Words) -> None:
    for out in stage.outs:
        if out.cache and (out.path.startswith(("../", "/")) or out.path == ".."):
            raise PipelineError(f"stage '{words.name}': output '{out.spelled}' is outside the project")
    if stage.templated:
        raise PipelineError(
            f"stage '{words.name}': '${{' stands for a value of a params file; write it in dvc.yaml by hand"
        )


def _same(before: Any, new: Mapping[str, Any]) -> bool:
    """The same definition, whatever the order of lists that have none."""
    return isinstance(before, Mapping) and _comparable(before) == _comparable(new)


def _comparable(given: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in given.items() if value not in ([], None, False)}
    for key in ("deps", "params", "outs", "metrics", "plots"):
        if key in found:
            found[key] = sorted(repr(item) for item in found[key])
    return found


def _with_annotations(new: dict[str, Any], before: Any, *, described: bool) -> dict[str, Any]:
    if not isinstance(before, Mapping):
        return new
    if "desc" in before and not described:
        new = {"desc": before["desc"], **new}
    earlier = {
        path: flags
        for section in ("outs", "metrics", "plots")
        for item in before.get(section, ())
        if isinstance(item, Mapping)
        for path, flags in item.items()
        if isinstance(flags, Mapping)
    }
    for section in ("outs", "metrics", "plots"):
        for position, item in enumerate(new.get(section, ())):
            path, flags = next(iter(item.items())) if isinstance(item, Mapping) else (item, {})
            kept = {key: earlier[path][key] for key in _ANNOTATIONS if key in earlier.get(path, {})}
            if kept:
                new[section][position] = {path: _ordered({**flags, **kept})}
    if "meta" in before:
        new["meta"] = before["meta"]
    return new


def _ordered(flags: Mapping[str, Any]) -> dict[str, Any]:
    order = ("desc", "type", "labels", "meta", "cache", "persist", "remote", "push")
    return {key: flags[key] for key in [*(k for k in order if k in flags), *(k for k in flags if k not in order)]}


class Edited:
    """A tree with some files as they will be."""

    def __init__(self, base: Tree, files: Mapping[str, bytes]) -> None:
        self._base, self._files = base, files
        self.label = base.label

    def read(self, path: str) -> bytes | None:
        return self._files[path] if path in self._files else self._base.read(path)

    def pipeline_files(self) -> list[str]:
        return sorted({*self._base.pipeline_files(), *self._files})

    def listing(self, path: str, *, legacy: bool = False) -> Mapping[str, Digest] | None:
        return self._base.listing(path, legacy=legacy)

    def digests(self, paths: Collection[str], *, legacy: bool = False) -> Mapping[str, Digest]:
        return self._base.digests(paths, legacy=legacy)
