"""Stages as written in dvc.yaml and *.dvc, what the lock recorded of them, and the graph they form."""

from __future__ import annotations

import contextlib
import fnmatch
import os
import posixpath
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType

from gitstage import formats, params, template
from gitstage.digest import Digest
from gitstage.errors import FormatError, PipelineError
from gitstage.static import Any, Literal, NamedTuple, Protocol
from gitstage.tree import Tree

PIPELINE_FILE, LOCK_FILE = "dvc.yaml", "dvc.lock"
DEFAULT_PARAMS = "params.yaml"


class Dependency(NamedTuple):
    """A file or directory that a stage reads. `path` is relative to the root (or absolute, or "../x");
    `spelled` is how the pipeline file writes it, which is the lock's key."""

    path: str
    spelled: str


class ParamsFile(NamedTuple):
    """Values of one parameter file that a stage depends on; no `keys`: the whole file."""

    path: str
    spelled: str
    keys: tuple[str, ...]


class Output(NamedTuple):
    """A file or directory that a stage writes; paths as in Dependency. `cache`: its content goes to the cache."""

    path: str
    spelled: str
    kind: Literal["out", "metric", "plot"] = "out"
    cache: bool = True
    persist: bool = False
    push: bool = True
    remote: str | None = None


class Entry(NamedTuple):
    """What was recorded of one path. `digest` is None if none was, or what stands there is no digest.

    `raw`: the mapping as the file has it, for what is not ours to understand.
    """

    digest: Digest | None
    raw: Mapping[str, Any]


class Record(NamedTuple):
    """What a stage's last run recorded; keys are paths as spelled in the pipeline file."""

    cmd: str | list[str] | None
    deps: Mapping[str, Entry]
    params: Mapping[str, Mapping[str, Any]]
    outs: Mapping[str, Entry]

    def as_entry(self) -> dict[str, Any]:
        """The entry as it stands in the lock."""
        found: dict[str, Any] = {"cmd": self.cmd}
        if self.deps:
            found["deps"] = [dict(entry.raw) for entry in self.deps.values()]
        if self.params:
            found["params"] = {file: dict(values) for file, values in self.params.items()}
        if self.outs:
            found["outs"] = [dict(entry.raw) for entry in self.outs.values()]
        return found


class _StageFields(NamedTuple):
    file: str
    name: str | None
    wdir: str
    cmd: str | list[str] | None
    deps: tuple[Dependency, ...] = ()
    params: tuple[ParamsFile, ...] = ()
    outs: tuple[Output, ...] = ()
    frozen: bool = False
    always_changed: bool = False
    desc: str | None = None
    record: Record | None = None
    group: str | None = None
    templated: bool = False
    definition: Mapping[str, Any] = MappingProxyType({})
    variables: Mapping[str, Mapping[str, Any]] = MappingProxyType({})


class Stage(_StageFields):
    """A stage of `dvc.yaml`, or (`name` None) a whole `.dvc` file. `file` and `wdir` are relative to the root.

    `variables`: values that its templates took from files: root-relative path -> dotted key -> value.
    """

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    @property
    def is_data(self) -> bool:
        """A `.dvc` file: data that no command makes."""
        return self.name is None and self.cmd is None

    @property
    def is_import(self) -> bool:
        """A `.dvc` file whose data comes from elsewhere. Dependencies of it are paths on this machine."""
        return self.is_data and bool(self.definition.get("deps"))

    @property
    def origin(self) -> Mapping[str, Any] | None:
        """Of an import from a Git repository or a URL: its dependency, which no file of this machine is."""
        deps = self.definition.get("deps") if self.is_import else None
        return next((dep for dep in deps or () if "repo" in dep or "://" in str(dep["path"])), None)

    @property
    def is_callback(self) -> bool:
        """A command without inputs and outputs: there is nothing that could tell it is up to date."""
        return not self.is_data and not (self.deps or self.params or self.outs)

    @property
    def folder(self) -> str:
        return posixpath.dirname(self.file)

    @property
    def lock_file(self) -> str:
        """Where what it recorded stands. A stage of DVC 0.x or 1 that is a `.dvc` file holds that itself."""
        return self.file if self.name is None else posixpath.join(self.folder, LOCK_FILE)

    def label(self, cwd: str = "") -> str:
        """How the stage is shown to somebody in folder `cwd` (relative to the root)."""
        if self.name is None:
            return relative(self.file, cwd)
        return self.name if self.folder == cwd else f"{relative(self.file, cwd)}:{self.name}"

    def recorded(self, out: Output) -> Digest | None:
        """The digest that the record has for an output."""
        entry = self.record.outs.get(out.spelled) if self.record else None
        return entry.digest if entry else None


def relative(path: str, cwd: str) -> str:
    """A root-relative path as seen from folder `cwd` (root-relative)."""
    stays = not cwd or path.startswith("/") or "://" in path
    return path if stays else posixpath.relpath("/" + path, "/" + cwd)


def join(folder: str, path: str) -> str:
    """`path` as written in folder `folder`, relative to the root; absolute and remote paths stay.

    Raises PipelineError for one with a NUL byte, which a variable of a template may bring along: no system has such files.
    """
    if "\0" in path:
        raise PipelineError(f"{path!r}: a NUL byte in a path")
    if path.startswith("//"):  # which POSIX leaves to each system, and posixpath.dirname never ends at
        path = "/" + path.lstrip("/")
    return path if path.startswith("/") or "://" in path else posixpath.normpath(posixpath.join(folder, path))


def is_inside(path: str, folder: str) -> bool:
    """Does `path` equal `folder` or lie below it?"""
    return path == folder or path.startswith(folder + "/")


def is_outside(path: str) -> bool:
    """Does a normal root-relative path lead out of the project?"""
    return path == ".." or path.startswith(("../", "/"))


class Target(NamedTuple):
    """A stage that the user named; `out`: the one output of it that was named; `path`: a path inside that output."""

    stage: Stage
    path: str | None = None
    out: str | None = None


class Pipeline:
    """All stages of a project in one state of its files, in collection order (file order within a file).

    `files`: the pipeline files that were read; `sources`: the files that templates took values from. `top`: path of a
    `dvc.yaml` -> its top-level `metrics`, `plots`, `params` and `artifacts`, filled in.
    """

    def __init__(
        self, stages: Sequence[Stage], warnings: Sequence[str] = (), cwd: str = "",
        files: Collection[str] = (), sources: Collection[str] = (), top: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:  # fmt: skip
        self.stages, self.warnings, self.cwd = tuple(stages), tuple(warnings), cwd
        self.files, self.sources, self.top = frozenset(files), frozenset(sources), top or {}
        self._by_name = {(s.file, s.name): s for s in self.stages}
        self._owner: dict[str, tuple[Stage, Output]] = {}
        for stage in self.stages:
            for out in stage.outs:
                self._owner.setdefault(out.path, (stage, out))
        self._sorted_outs = sorted(self._owner)

    @classmethod
    def load(
        cls, tree: Tree, root: str, *, bool_style: str = "store_true", list_style: str = "nargs", cwd: str = ""
    ) -> Pipeline:
        """Read every pipeline file of `tree`. `root`: the absolute project root, for absolute paths in the files.

        Raises FormatError for a file that is not what it should be, PipelineError for a stage that cannot be.
        """
        return Loader(root, bool_style=bool_style, list_style=list_style).load(tree, cwd)

    def owner(self, path: str) -> tuple[Stage, Output] | None:
        """The output that `path` is, or lies in, with its stage."""
        while path and path not in ("/", "."):
            if path in self._owner:
                return self._owner[path]
            path = posixpath.dirname(path)
        return None

    def outputs_below(self, path: str) -> Iterator[tuple[Stage, Output]]:
        """Outputs that lie inside folder `path` (not `path` itself)."""
        prefix = path + "/" if path not in ("", ".") else ""
        for at in range(bisect_left(self._sorted_outs, prefix), len(self._sorted_outs)):
            if not self._sorted_outs[at].startswith(prefix):
                return
            yield self._owner[self._sorted_outs[at]]

    def upstream(self, stage: Stage) -> list[Stage]:
        """The stages that write what `stage` reads, in the order in which it names its inputs."""
        found: dict[int, Stage] = {}
        for path in [d.path for d in stage.deps] + [p.path for p in stage.params]:
            producer = self.owner(path)
            for one in [producer] if producer else self.outputs_below(path):
                found.setdefault(id(one[0]), one[0])
        return list(found.values())

    def order(self, wanted: Iterable[Stage] | None = None, *, single: bool = False) -> list[Stage]:
        """The stages to consider for `wanted` (default: all): producers first, frozen ones cut from theirs.

        Depth first from the planned set in collection order, so the result does not depend on the order of `wanted`.
        `single`: only `wanted` themselves.
        """
        chosen = set(self.stages if wanted is None else wanted)
        if not single:
            chosen = self._with_upstream(chosen)
        done: dict[Stage, bool] = {}
        result: list[Stage] = []
        for start in self.stages:
            if start not in chosen or start in done:
                continue
            stack: list[tuple[Stage, Iterator[Stage]]] = [(start, self._producers(start))]
            done[start] = False
            while stack:
                stage, producers = stack[-1]
                for producer in producers:
                    if producer in chosen and producer not in done:
                        done[producer] = False
                        stack.append((producer, self._producers(producer)))
                        break
                else:
                    stack.pop()
                    done[stage] = True
                    result.append(stage)
        return result

    def _producers(self, stage: Stage) -> Iterator[Stage]:
        return iter(() if stage.frozen else self.upstream(stage))

    def _with_upstream(self, wanted: Collection[Stage]) -> set[Stage]:
        return _reachable(wanted, self._producers)

    def downstream(self, wanted: Collection[Stage]) -> set[Stage]:
        """`wanted` and every stage that directly or indirectly reads what they write."""
        readers: dict[Stage, list[Stage]] = {}
        for stage in self.stages:
            for producer in self._producers(stage):
                readers.setdefault(producer, []).append(stage)
        return _reachable(wanted, lambda stage: readers.get(stage, ()))

    def connected(self, wanted: Collection[Stage]) -> set[Stage]:
        """The whole pipelines (connected components) that `wanted` belong to."""
        neighbours: dict[Stage, list[Stage]] = {}
        for stage in self.stages:
            for producer in self.upstream(stage):
                neighbours.setdefault(producer, []).append(stage)
                neighbours.setdefault(stage, []).append(producer)
        return _reachable(wanted, lambda stage: neighbours.get(stage, ()))

    # -- checks --------------------------------------------------------------------------------------------

    def check(self) -> None:
        """Raise PipelineError if two stages would write the same thing, or a stage needs what it makes."""
        self._check_outputs()
        self._check_cycles()

    def _check_outputs(self) -> None:
        owners: dict[str, Stage] = {}
        for stage in self.stages:
            for out in stage.outs:
                other = owners.setdefault(out.path, stage)
                if other is not stage or sum(o.path == out.path for o in stage.outs) > 1:
                    raise PipelineError(
                        f"{stage.file}: output {out.path!r} of stage {stage.label(self.cwd)!r} is also an output of "
                        f"{other.label(self.cwd)!r}",
                        f"dvc remove {other.label(self.cwd)}",
                    )
        for stage in self.stages:
            for out in stage.outs:
                parent = self.owner(posixpath.dirname(out.path))
                if parent:
                    raise PipelineError(
                        f"{stage.file}: output {out.path!r} of stage {stage.label(self.cwd)!r} lies inside output "
                        f"{parent[1].path!r} of {parent[0].label(self.cwd)!r}"
                    )
            inside = self.owner(stage.file)
            if inside:
                raise PipelineError(
                    f"{stage.file}: lies inside output {inside[1].path!r} of stage {inside[0].label(self.cwd)!r}"
                )

    def _check_cycles(self) -> None:
        state: dict[Stage, int] = {}
        for start in self.stages:
            if start in state:
                continue
            path = [(start, iter(self.upstream(start)))]
            state[start] = 1
            while path:
                stage, producers = path[-1]
                for producer in producers:
                    if state.get(producer) == 1:
                        trail = [s for s, _ in path]
                        names = ", ".join(repr(s.label(self.cwd)) for s in trail[trail.index(producer) :])
                        raise PipelineError(f"{producer.file}: the stages {names} need each other's outputs (a cycle)")
                    if producer not in state:
                        state[producer] = 1
                        path.append((producer, iter(self.upstream(producer))))
                        break
                else:
                    state[stage] = 2
                    path.pop()

    # -- targets -------------------------------------------------------------------------------------------

    def find(self, target: str, *, paths: bool = True, glob: bool = False) -> list[Target]:
        """The stages that a command-line word names, seen from folder `cwd`.

        A stage name, `group`, `path/dvc.yaml:name`, `dvc.yaml`, `x.dvc`; with `paths` also an output or a path inside
        a directory output. Raises PipelineError for anything else.
        """
        file, name = self._split(target)
        if name is None and file is not None and posixpath.basename(file) == LOCK_FILE:
            raise PipelineError(
                f"{target}: is a lock file, not a target", f"{target[: -len(LOCK_FILE)]}{PIPELINE_FILE}"
            )
        if name is None and file is not None:
            found = [s for s in self.stages if s.file == file]
            if found or posixpath.basename(file) == PIPELINE_FILE or file.endswith(".dvc"):
                if not found and file not in self.files:
                    raise PipelineError(f"{target}: does not exist")
                return [Target(s) for s in found]
        if name is not None:
            wanted = file or join(self.cwd, PIPELINE_FILE)
            if glob:
                if wanted not in self.files:
                    raise PipelineError(f"{wanted}: does not exist")
                return [Target(s) for s in self.stages if s.file == wanted and s.name and fnmatch.fnmatch(s.name, name)]
            stage = self._by_name.get((wanted, name))
            if stage is not None:
                return [Target(stage)]
            group = [Target(s) for s in self.stages if s.file == wanted and s.group == name]
            if group:
                return group
        if paths:
            path = join(self.cwd, target)
            owned = self.owner(path)
            if owned:
                return [Target(owned[0], None if owned[1].path == path else path, owned[1].path)]
        what = "an output or a stage" if paths else "a stage"
        hint = f"git checkout -- {target}" if paths and os.path.exists(target) else "git stage list --all"
        raise PipelineError(f"{target!r} is not {what} of this project", hint)

    def _split(self, target: str) -> tuple[str | None, str | None]:
        head, at, tail = target.partition("@")
        path, colon, name = head.rpartition(":")
        if colon:
            return (join(self.cwd, path) if path else None), name + at + tail
        base = posixpath.basename(target)
        if base.endswith(".dvc") or base in (PIPELINE_FILE, LOCK_FILE):
            return join(self.cwd, target), None
        return None, target

    def below(self, folder: str) -> list[Target]:
        """Every stage whose file lies in `folder` (as seen from `cwd`) or deeper."""
        path = join(self.cwd, folder)
        return [Target(s) for s in self.stages if path == "." or is_inside(s.folder, path)]


def _reachable(start: Collection[Stage], following: Callable[[Stage], Iterable[Stage]]) -> set[Stage]:
    """`start` and all that can be reached from there."""
    found, queue = set(start), list(start)
    while queue:
        for one in following(queue.pop()):
            if one not in found:
                found.add(one)
                queue.append(one)
    return found


def _lies_in_one(folder: str, outs: Collection[str]) -> bool:
    while folder:
        if folder in outs:
            return True
        folder = posixpath.dirname(folder)
    return False


class FileReader(Protocol):
    """Reads pipeline files: their bytes, and their path for messages, to plain values. Raises FormatError."""

    def pipeline(self, data: bytes, path: str) -> dict[str, Any]: ...

    def lock(self, data: bytes, path: str) -> dict[str, Any]: ...

    def dvc(self, data: bytes, path: str) -> dict[str, Any]: ...


class Loader:
    """Reads pipelines of the project at the absolute `root`; see Pipeline.load.

    `reader`: what reads the files instead of `formats`. `keep`: many states will be read, so what two of them have in common
    (equal texts, for which `reader` gives the same object) is kept, and is then the same Stage.
    """

    def __init__(
        self,
        root: str,
        *,
        bool_style: str = "store_true",
        list_style: str = "nargs",
        reader: FileReader | None = None,
        keep: bool = False,
    ) -> None:
        self._root, self._reader, self._keep = root, reader, keep
        self._styles = {"bool_style": bool_style, "list_style": list_style}
        self._resolved: dict[str, tuple[Any, template.Resolved]] = {}
        self._made: dict[tuple[str, str | None], tuple[Any, Any, Stage]] = {}

    def load(self, tree: Tree, cwd: str = "") -> Pipeline:
        stages: list[Stage] = []
        warnings: list[str] = []
        files: list[str] = []
        sources: list[str] = []
        top: dict[str, Mapping[str, Any]] = {}
        for path in sorted(tree.pipeline_files(), key=lambda p: (posixpath.dirname(p), p)):
            data = tree.read(path)
            if data is None:
                continue
            files.append(path)
            if posixpath.basename(path) == PIPELINE_FILE:
                resolved = self._resolve(data, path, tree)
                warnings += resolved.warnings
                sources += resolved.sources
                top[path] = resolved.top
                locked = self._locked(posixpath.join(posixpath.dirname(path), LOCK_FILE), tree)
                stages += [self._stage(one, path, locked.get(one.name)) for one in resolved.stages]
            else:
                stages.append(self._data_stage(data, path))
        outs = {out.path for stage in stages for out in stage.outs}
        return Pipeline([s for s in stages if not _lies_in_one(s.folder, outs)], warnings, cwd, files, sources, top)

    def _resolve(self, data: bytes, path: str, tree: Tree) -> template.Resolved:
        parse = self._reader.pipeline if self._reader else formats.parse_pipeline
        document = parse(data, path)
        known = self._resolved.get(path)
        if known is not None and known[0] is document:
            return known[1]
        found = template.resolve(document, path, tree.read, params.read_values, **self._styles)
        if self._keep and not found.sources and not any(one.templated for one in found.stages):
            self._resolved[path] = (document, found)
        return found

    def _locked(self, path: str, tree: Tree) -> Mapping[str, Any]:
        data = tree.read(path)
        if data is None:
            return {}
        parse = self._reader.lock if self._reader else formats.parse_lock
        found: Mapping[str, Any] = parse(data, path)["stages"]
        return found

    def _stage(self, one: template.ResolvedStage, path: str, locked: Mapping[str, Any] | None) -> Stage:
        known = self._made.get((path, one.name))
        if known is not None and known[0] is one and known[1] is locked:
            return known[2]
        made = _stage(one, path, posixpath.dirname(path), locked, self._root)
        if self._keep:
            self._made[path, one.name] = (one, locked, made)
        return made

    def _data_stage(self, data: bytes, path: str) -> Stage:
        given = (self._reader.dvc if self._reader else formats.parse_dvc)(data, path)
        known = self._made.get((path, None))
        if known is not None and known[0] is given:
            return known[2]
        made = _data_stage(given, path, self._root)
        if self._keep:
            self._made[path, None] = (given, None, made)
        return made


def _stage(one: template.ResolvedStage, path: str, folder: str, locked: Mapping[str, Any] | None, root: str) -> Stage:
    given = one.definition
    where = f"{path}: stage {one.name!r}"
    cmd = given.get("cmd")
    if (
        not isinstance(cmd, (str, list))
        or not cmd
        or (isinstance(cmd, list) and not all(isinstance(c, str) for c in cmd))
    ):
        raise PipelineError(f"{where}: cmd must be text or a list of texts, and not empty")
    if any("\0" in text for text in (one.name, *([cmd] if isinstance(cmd, str) else cmd))):
        raise PipelineError(f"{where}: a NUL byte in its name or cmd")
    wdir = join(folder, str(given.get("wdir", ".")))
    wdir = "" if wdir == "." else wdir
    spell = _Speller(root, wdir)
    outs = [
        output
        for key, kind in (("outs", "out"), ("metrics", "metric"), ("plots", "plot"))
        for output in _outputs(given.get(key, ()), kind, spell)  # type: ignore[arg-type]
    ]
    deps = tuple(dict.fromkeys(Dependency(*spell(dep)) for dep in given.get("deps", ())))
    roles = [("an output", out.path) for out in outs] + [("a dependency", dep.path) for dep in deps]
    for role, named in roles:
        base = posixpath.basename(named)
        if base == PIPELINE_FILE or base.endswith(".dvc"):
            raise PipelineError(f"{where}: '{named}' cannot be {role}: it is a pipeline file")
    return Stage(
        file=path, name=one.name, wdir=wdir, cmd=cmd, deps=deps,
        params=tuple(_params_files(given.get("params", ()), spell)), outs=tuple(outs),
        frozen=bool(given.get("frozen", False)), always_changed=bool(given.get("always_changed", False)),
        desc=given.get("desc"), record=_record(locked, posixpath.join(folder, LOCK_FILE)) if locked is not None else None,
        group=one.group, templated=one.templated, definition=given, variables=one.variables,
    )  # fmt: skip


class _Speller:
    """Turns a path as written into (root-relative path, spelling used in the lock)."""

    def __init__(self, root: str, wdir: str) -> None:
        self.root, self.wdir = root, wdir

    def __call__(self, text: str) -> tuple[str, str]:
        if text.startswith("/") and is_inside(posixpath.normpath(text), self.root):
            path = join("", posixpath.relpath(text, self.root))
            return path, relative(path, self.wdir)
        return join(self.wdir, text), text


def _outputs(items: Iterable[Any], kind: Literal["out", "metric", "plot"], spell: _Speller) -> list[Output]:
    found: dict[str, Output] = {}
    for item in items:
        ((text, flags),) = item.items() if isinstance(item, Mapping) else ((item, {}),)
        path, spelled = spell(str(text))
        flags = flags if isinstance(flags, Mapping) else {}
        found[spelled] = Output(
            path, spelled, kind, bool(flags.get("cache", True)), bool(flags.get("persist", False)),
            bool(flags.get("push", True)), flags.get("remote"),
        )  # fmt: skip
    return list(found.values())


def _params_files(items: Iterable[Any], spell: _Speller) -> Iterator[ParamsFile]:
    keys: dict[str, list[str]] = {}
    whole: set[str] = set()
    for item in items:
        pairs = item.items() if isinstance(item, Mapping) else [(DEFAULT_PARAMS, [item])]
        for file, names in pairs:
            keys.setdefault(str(file), []).extend(str(name) for name in names or ())
            if not names:
                whole.add(str(file))
    for file, names in keys.items():
        path, spelled = spell(file)
        yield ParamsFile(path, spelled, () if file in whole else tuple(dict.fromkeys(names)))


def _entry(raw: Mapping[str, Any], file: str) -> Entry:
    """`file`: where it stands, for the FormatError that a text which is no digest gives."""
    if "md5" not in raw:
        return Entry(None, raw)
    text = str(raw["md5"])
    try:
        return Entry(Digest.parse(text, legacy=raw.get("hash") != "md5"), raw)
    except ValueError:
        with contextlib.suppress(ValueError):
            Digest.parse(text.lower())
            return Entry(None, raw)  # upper-case digits: no object has that name, as for DVC
        raise FormatError(file, f"{raw.get('path')}: {text[:80]!r} is not an MD5 digest") from None


def _record(locked: Mapping[str, Any], file: str) -> Record:
    return Record(
        locked.get("cmd"),
        {str(e["path"]): _entry(e, file) for e in locked.get("deps") or ()},
        {str(file): values or {} for file, values in (locked.get("params") or {}).items()},
        {str(e["path"]): _entry(e, file) for e in locked.get("outs") or ()},
    )


def _data_stage(given: Mapping[str, Any], path: str, root: str) -> Stage:
    """What a `.dvc` file describes: data, an import, or a stage of DVC 0.x or 1 together with what it recorded."""
    folder = posixpath.dirname(path)
    wdir = join(folder, str(given.get("wdir") or "."))
    wdir = "" if wdir == "." else wdir
    spell = _Speller(root, wdir)
    outs = []
    for item in given.get("outs") or ():
        where, spelled = spell(str(item["path"]))
        kind: Literal["out", "metric", "plot"] = (
            "metric" if item.get("metric") else "plot" if item.get("plot") else "out"
        )
        outs.append(
            Output(where, spelled, kind, bool(item.get("cache", True)), bool(item.get("persist", False)),
                   bool(item.get("push", True)), item.get("remote"))
        )  # fmt: skip
    given_deps = [dep for dep in given.get("deps") or () if "repo" not in dep and "://" not in str(dep["path"])]
    values = {str(dep["path"]): dep["params"] for dep in given_deps if "params" in dep}
    record = Record(
        given.get("cmd"), {str(e["path"]): _entry(e, path) for e in given.get("deps") or () if "params" not in e}, values,
        {spell(str(e["path"]))[1]: _entry(e, path) for e in given.get("outs") or ()},
    )  # fmt: skip
    return Stage(
        file=path, name=None, wdir=wdir, cmd=given.get("cmd"),
        deps=tuple(Dependency(*spell(str(dep["path"]))) for dep in given_deps if "params" not in dep),
        params=tuple(ParamsFile(*spell(file), tuple(keys)) for file, keys in values.items()), outs=tuple(outs),
        frozen=bool(given.get("frozen", given.get("locked", False))), always_changed=bool(given.get("always_changed", False)),
        desc=given.get("desc"), record=record, definition=given,
    )  # fmt: skip
