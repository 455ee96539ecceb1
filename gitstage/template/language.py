"""The language of templates: expressions, the context they are looked up in, and the stages they stand for."""

from __future__ import annotations

import itertools
import math
import posixpath
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from gitstage.errors import FormatError
from gitstage.static import Any, NamedTuple
from gitstage.template.stages import TOP_KEYS, Resolved, ResolvedStage, kind

_DEFAULT_FILE = "params.yaml"
_MAX_STAGES = 100_000  # that one file's foreach and matrix may stand for: far beyond any honest graph
_MAX_TEXT = 1 << 20  # characters of one text, filled in; no system takes a longer command
_MAX_TEXTS = 64 << 20  # of all of them

# Expressions


class _TemplateError(Exception):
    """Something that cannot be filled in or defined; the caller knows in which key of which file."""


class _Expression(NamedTuple):
    source: str
    words: tuple[str, ...]


_Part = str | _Expression
_Rendered = tuple[Any, bool]  # a value, and whether it came out of an expression as a whole
_Origins = Mapping[tuple[str, ...], tuple[str, ...]]
_Choice = tuple[dict[str, Any], _Origins]  # what reserved names are for one stage of a group

_EXPRESSION = re.compile(r"(?<!\\)\$\{([^}\n]*)\}")
_GRAMMAR = re.compile(r"[^.\[\]]+(?:\.[^.\[\]]+|\[[^.\[\]]+\])*")
_WORD = re.compile(r"[^.\[\]]+")
_MISSING: Any = object()


def _compile(text: str) -> tuple[_Part, ...]:
    """Literal parts and expressions of `text`, empty literals left out."""
    parts: list[_Part] = []
    end = 0
    for match in _EXPRESSION.finditer(text):
        source = re.sub(r"\]\s+", "]", match[1])
        if not _GRAMMAR.fullmatch(source):
            raise _TemplateError(
                f"{match[0]} is not an expression: write ${{name}}, ${{a.b}}, ${{list[0]}}, or \\${{ for text"
            )
        if match.start() > end:
            parts.append(text[end : match.start()])
        parts.append(_Expression(match[1].strip(), tuple(map(str.strip, _WORD.findall(source)))))
        end = match.end()
    if end < len(text):
        parts.append(text[end:])
    return tuple(parts)


class _Renderer:
    """Fills in texts. `booleans`: false becomes --no-name; `append`: an option is repeated for each item of a list."""

    def __init__(self, booleans: bool, append: bool) -> None:
        self._booleans, self._append = booleans, append
        self._made = 0
        self._compiled: dict[str, tuple[_Part, ...]] = {}

    def text(self, text: str, scope: _Scope, *, whole: bool, options: bool) -> _Rendered:
        """`text` filled in. `whole`: lists and mappings may be the value of a text that is one expression;
        `options`: a mapping inside a longer text becomes command line options."""
        if "${" not in text:
            return text, False
        parts = self._compiled.get(text)
        if parts is None:
            parts = self._compiled[text] = _compile(text)
        if len(parts) == 1 and isinstance(parts[0], _Expression):
            value = scope.lookup(parts[0])
            if not whole and isinstance(value, (dict, list)):
                how = "; put it into a longer text to get its options" if options and isinstance(value, dict) else ""
                raise _TemplateError(f"${{{parts[0].source}}} is {kind(value)}, which cannot be used here{how}")
            return value, True
        made = [part if isinstance(part, str) else self._inside(part, scope, options) for part in parts]
        length = sum(map(len, made))
        self._made += length
        if length > _MAX_TEXT or self._made > _MAX_TEXTS:
            raise _TemplateError(f"is too long when it is filled in: {text[:40]}")
        return "".join(made).replace("\\${", "${"), False

    def node(self, node: Any, scope: _Scope, *, whole: bool = False, options: bool = False) -> Any:
        """`node` with every text in it filled in, keys of mappings included."""
        if isinstance(node, str):
            return self.text(node, scope, whole=whole, options=options)[0]
        if isinstance(node, dict):
            return {
                self.key(key, scope): self.node(value, scope, whole=whole, options=options)
                for key, value in node.items()
            }
        if isinstance(node, list):
            return [self.node(item, scope, whole=whole, options=options) for item in node]
        return node

    def key(self, key: Any, scope: _Scope) -> Any:
        return self.text(key, scope, whole=False, options=False)[0] if isinstance(key, str) else key

    def _inside(self, part: _Expression, scope: _Scope, options: bool) -> str:
        value = scope.lookup(part)
        if isinstance(value, bool):
            return "true" if value else "false"
        if options and isinstance(value, dict):
            return " ".join(self._options(value, ""))
        if isinstance(value, (dict, list)):
            raise _TemplateError(f"${{{part.source}}} is {kind(value)}, which cannot be part of a text here")
        return str(value)

    def _options(self, values: Mapping[str, Any], prefix: str) -> Iterator[str]:
        for key, value in values.items():
            name = f"{prefix}{key}"
            if isinstance(value, dict):
                yield from self._options(value, f"{name}.")
            elif isinstance(value, list):
                if any(isinstance(item, (dict, list)) for item in value):
                    raise _TemplateError(f"{name!r} is a list of lists or mappings, which cannot become an option")
                items = [_word(item) for item in value]
                if self._append:
                    yield from (f"--{name} {item}" for item in items)
                elif items:
                    yield f"--{name} {' '.join(items)}"
            elif value is True:
                yield f"--{name}"
            elif value is not False:
                yield f"--{name} {_word(value)}"
            elif self._booleans:
                yield f"--no-{name}"


def _word(value: Any) -> str:
    return shlex.quote(value) if isinstance(value, str) else str(value)


# Names that expressions can use


class _Scope:
    """Values by name; those of `parent` shine through but never change. `reserved` names cannot be defined again.

    `origins`: what a reserved name, or a part of it, was taken from, both as words of expressions.
    """

    def __init__(
        self, parent: _Scope | None = None, reserved: Mapping[str, Any] | None = None, origins: _Origins | None = None
    ) -> None:
        self._parent = parent
        self._origins: _Origins = {**(parent._origins if parent else {}), **(origins or {})}
        self._used: dict[tuple[str, ...], Any] = {}
        self._values: dict[str, Any] = dict(reserved or {})
        self._reserved: frozenset[str] = frozenset(reserved or ()) | (parent._reserved if parent else frozenset())
        self._layers: list[tuple[str, Mapping[str, Any]]] = []  # where definitions come from, for messages
        self._loaded: dict[str, frozenset[str] | None] = {}  # file -> keys taken from it, None: all

    def find(self, name: str) -> Any:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope._values:
                return scope._values[name]
            scope = scope._parent
        return _MISSING

    def lookup(self, expression: _Expression) -> Any:
        """The value of an expression. Raises _TemplateError if there is none."""
        value = self.find(expression.words[0])
        for word in expression.words[1:]:
            value = _step(value, word)
        if value is _MISSING:
            raise _TemplateError(f"there is no value for ${{{expression.source}}}")
        if not isinstance(value, (dict, list)):
            self._used[self.origin(expression.words)] = value
        return value

    def origin(self, words: tuple[str, ...]) -> tuple[str, ...]:
        """The words that a reserved name stands for; other words as they are."""
        for end in range(len(words), 0, -1):
            if words[:end] in self._origins:
                return self._origins[words[:end]] + words[end:]
        return words

    def used(self, files: Collection[str]) -> dict[str, dict[str, Any]]:
        """The values that were looked up here and come from `files`: file -> dotted key -> value."""
        found: dict[str, dict[str, Any]] = {}
        for words, value in self._used.items():
            source = self._origin(words)
            if source in files:
                found.setdefault(source, {})[".".join(words)] = value
        return found

    def define(self, values: Mapping[str, Any], source: str) -> None:
        """Add `values`, which come from `source`; mappings are merged. Raises _TemplateError if one is defined already."""
        for name, value in values.items():
            if name in self._reserved:
                raise _TemplateError(f"{name!r} is the name of what foreach and matrix define")
            old = self.find(name)
            self._values[name] = value if old is _MISSING else self._merged(old, value, (name,))
        self._layers.append((source, values))

    def _merged(self, old: Any, new: Any, at: tuple[str, ...]) -> Any:
        if not isinstance(old, dict) or not isinstance(new, dict):
            raise _TemplateError(f"{'.'.join(at)!r} is already defined in {self._origin(at)}")
        merged = dict(old)
        for key, value in new.items():
            merged[key] = self._merged(merged[key], value, (*at, key)) if key in merged else value
        return merged

    def _origin(self, at: tuple[str, ...]) -> str:
        for source, values in self._all_layers():
            value: Any = values
            for key in at:
                value = _step(value, key)
            if value is not _MISSING:
                return source
        return "an earlier one"

    def _all_layers(self) -> list[tuple[str, Mapping[str, Any]]]:
        return [*(self._parent._all_layers() if self._parent else []), *self._layers]

    def claim(self, file: str, keys: frozenset[str] | None) -> bool:
        """Note that `keys` (None: all) of `file` get loaded; False if it already is loaded as a whole, as wanted.

        Raises _TemplateError if some of it was loaded already.
        """
        before = self._loaded_keys(file)
        if before is not _MISSING:
            if before is None and keys is None:
                return False
            twice = before is None or keys is None or before & keys
            if twice:
                raise _TemplateError(f"{file} is loaded already, as a whole or with the same keys")
            keys |= before
        self._loaded[file] = keys
        return True

    def _loaded_keys(self, file: str) -> Any:
        if file in self._loaded:
            return self._loaded[file]
        return self._parent._loaded_keys(file) if self._parent else _MISSING


def _step(value: Any, word: str) -> Any:
    """Item `word` of a mapping or list, or `_MISSING`."""
    if isinstance(value, dict):
        return value.get(word, _MISSING)
    if isinstance(value, list):
        try:
            return value[int(word)]
        except (ValueError, IndexError):
            pass
    return _MISSING


def _definable(value: Any, file: str, where: str) -> Any:
    """`value` as templates see it: keys that are not text left out. Raises FormatError for a date, set or tuple."""
    if isinstance(value, dict):
        return {key: _definable(item, file, f"{where}.{key}") for key, item in value.items() if isinstance(key, str)}
    if isinstance(value, list):
        return [_definable(item, file, f"{where}[{index}]") for index, item in enumerate(value)]
    if value is None or isinstance(value, (str, int, float, bytes)):
        return value
    raise FormatError(file, f"{where}: {kind(value)} cannot be used in templates")


class _Files:
    """Files with values for templates, each read and parsed once."""

    def __init__(self, read: Callable[[str], bytes | None], values: Callable[[bytes, str], dict[str, Any]]) -> None:
        self._read, self._parse = read, values
        self._raw: dict[str, dict[str, Any] | None] = {}
        self._whole: dict[str, dict[str, Any]] = {}

    def sources(self) -> tuple[str, ...]:
        return tuple(path for path, values in self._raw.items() if values is not None)

    def raw(self, path: str) -> dict[str, Any] | None:
        if path not in self._raw:
            data = self._read(path)
            self._raw[path] = None if data is None else self._parse(data, path)
        return self._raw[path]

    def whole(self, path: str) -> dict[str, Any] | None:
        raw = self.raw(path)
        if raw is None:
            return None
        if path not in self._whole:
            self._whole[path] = _all_of(raw, path)
        return self._whole[path]

    def part(self, path: str, keys: Iterable[str]) -> dict[str, Any] | None:
        raw = self.raw(path)
        if raw is None:
            return None
        for key in keys:
            if key not in raw:
                raise _TemplateError(f"{path} has no key {key!r}")
        return {key: _definable(raw[key], path, key) for key in keys}


def _all_of(values: Mapping[Any, Any], file: str, where: str = "") -> dict[str, Any]:
    return {key: _definable(value, file, f"{where}{key}") for key, value in values.items() if isinstance(key, str)}


# The document


class Resolver:
    def __init__(
        self,
        path: str,
        read: Callable[[str], bytes | None],
        values: Callable[[bytes, str], dict[str, Any]],
        booleans: bool,
        append: bool,
    ) -> None:
        self._path, self._folder = path, posixpath.dirname(path)
        self._files = _Files(read, values)
        self._render = _Renderer(booleans, append)
        self._scope = _Scope()
        self._groups: dict[str, list[str]] = {}
        self._warnings: list[str] = []
        self._count = 0

    def run(self, document: Mapping[str, Any]) -> Resolved:
        implicit = posixpath.join(self._folder, _DEFAULT_FILE)
        found = self._files.whole(implicit)
        if found is not None:
            self._scope.define(found, implicit)
            self._scope.claim(implicit, None)
        self._define(document.get("vars", []), self._scope, "vars", self._folder)
        definitions = document.get("stages", {})
        groups = {
            n: self._group(n, given) for n, given in definitions.items() if "foreach" in given or "matrix" in given
        }
        stages: list[ResolvedStage] = []
        for name, given in definitions.items():
            if name in groups:  # all of which were counted before the first stage is made
                stages += groups[name]
            else:
                stages.append(self._stage(name, None, given, self._scope))
        top = {key: self._top(key, document[key]) for key in TOP_KEYS if key in document}
        return Resolved(tuple(stages), self._groups, top, self._files.sources(), tuple(self._warnings))

    def _error(self, where: str, problem: object) -> FormatError:
        return FormatError(self._path, f"{where}: {problem}")

    def _define(self, items: Any, scope: _Scope, where: str, folder: str) -> None:
        """Add what the `vars` at key `where` lists; paths of files are relative to `folder`."""
        if not isinstance(items, list):
            raise self._error(where, f"must be a list of file names and mappings, not {kind(items)}")
        for index, item in enumerate(items):
            if _has_expression(item):
                raise self._error(f"{where}[{index}]", "expressions are not possible in 'vars'")
            try:
                if isinstance(item, str):
                    self._load(item, scope, folder)
                elif isinstance(item, dict):
                    scope.define(_all_of(item, self._path, f"{where}[{index}]."), f"{where}[{index}]")
                else:
                    raise _TemplateError(f"must be a file name or a mapping, not {kind(item)}")
            except _TemplateError as problem:
                raise self._error(f"{where}[{index}]", problem) from None

    def _load(self, item: str, scope: _Scope, folder: str) -> None:
        name, _, listed = item.partition(":")
        keys = [key for key in listed.split(",") if key]
        path = posixpath.normpath(posixpath.join(folder, name))
        if not scope.claim(path, frozenset(keys) if keys else None):
            return
        found = self._files.part(path, keys) if keys else self._files.whole(path)
        if found is None:
            raise _TemplateError(f"there is no file {path}")
        scope.define(found, path)

    def _stage(self, name: str, group: str | None, given: Mapping[str, Any], scope: _Scope) -> ResolvedStage:
        where = f"stages.{name}"
        scope = _Scope(scope)
        made: dict[str, Any] = {}
        wdir = self._fill(f"{where}.wdir", given["wdir"], scope) if "wdir" in given else None
        if not (wdir is None or isinstance(wdir, str)):
            raise self._error(f"{where}.wdir", f"must be text, not {kind(wdir)}")
        if "vars" in given:
            folder = posixpath.join(self._folder, wdir or "")
            self._define(given["vars"], scope, f"{where}.vars", folder)
        for key, value in given.items():
            if key == "wdir":
                if wdir is not None:
                    made[key] = wdir
            elif key not in ("vars", "matrix"):
                made[key] = self._fill(f"{where}.{key}", value, scope, options=key == "cmd")
        for key, check in _CHECKS.items():
            if key in made and (complaint := check(made[key])):
                raise self._error(f"{where}.{key}", complaint)
        variables = scope.used(self._files.sources())
        return ResolvedStage(name, group, made, group is not None or made != given, variables)

    def _fill(self, where: str, node: Any, scope: _Scope, *, whole: bool = False, options: bool = False) -> Any:
        try:
            return self._render.node(node, scope, whole=whole, options=options)
        except _TemplateError as problem:
            raise self._error(where, problem) from None

    def _group(self, name: str, given: Mapping[str, Any]) -> Iterator[ResolvedStage]:
        """The stages that a `foreach` or `matrix` stands for; of equal names the last counts, in the first's place."""
        if "foreach" in given:
            where, definition = f"stages.{name}.foreach", given["do"]
            if "matrix" in definition:
                self._warnings.append(f"{self._path}: stages.{name}.do: 'matrix' has no effect below 'do'")
        else:
            where, definition = f"stages.{name}.matrix", given
        try:
            made = (
                self._foreach(name, given["foreach"], where)
                if "foreach" in given
                else self._matrix(name, given["matrix"], where)
            )
        except _TemplateError as problem:
            raise self._error(where, problem) from None
        for key in made:
            if not key or "@" in key:
                raise self._error(where, f"{key!r} cannot be part of a stage name")
        self._groups[name] = [f"{name}@{key}" for key in made]
        return (
            self._stage(f"{name}@{key}", name, definition, _Scope(self._scope, reserved, origins))
            for key, (reserved, origins) in made.items()
        )

    def _counted(self, count: int) -> None:
        """So many stages more are about to be made."""
        self._count += count
        if self._count > _MAX_STAGES:
            raise _TemplateError(f"stands for more than {_MAX_STAGES} stages")

    def _foreach(self, name: str, data: Any, where: str) -> dict[str, _Choice]:
        """Key in the stage's name -> what `item` and `key` are, and where `item` was taken from."""
        templated, source = False, self._source(data)
        if isinstance(data, str):
            data, templated = self._render.text(data, self._scope, whole=True, options=True)
        if isinstance(data, (dict, list)):
            self._counted(len(data))
        if isinstance(data, dict):
            self._warn_of(name, "item", "key")
            made: dict[str, _Choice] = {}
            for key, value in data.items():
                key = self._data_key(key)
                item = value if templated else self._data(value, f"{where}.{key}")
                origin = (*source, str(key)) if source else self._source(value)
                made[_fragment(key)] = {"item": item, "key": key}, _origins(("item",), origin)
            return made
        if not isinstance(data, list):
            raise _TemplateError(f"must be a list or mapping, or an expression for one, not {kind(data)}")
        self._warn_of(name, "item")
        items = [(item, True) if templated else self._datum(item, f"{where}[{i}]") for i, item in enumerate(data)]
        indexed = any(_is_collection(item) for item, _ in items)
        return {
            str(index) if indexed else _fragment(item, from_template): (
                {"item": item},
                _origins(("item",), (*source, str(index)) if source else self._source(data[index])),
            )
            for index, (item, from_template) in enumerate(items)
        }

    def _matrix(self, name: str, data: Any, where: str) -> dict[str, _Choice]:
        if not isinstance(data, dict) or not data:
            raise _TemplateError(f"must map names to lists, not {'empty' if data == {} else kind(data)}")
        self._warn_of(name, "item", "key")
        axes: list[list[tuple[str, str, Any, _Origins]]] = []
        for key, values in data.items():
            if not isinstance(key, str):
                raise _TemplateError(f"{kind(key)} cannot be a name: {key!r}")
            axis = self._data_key(key)
            source = self._source(values)
            axes.append([
                (
                    f"{axis}{index}" if _is_collection(value) else _fragment(value, from_template), axis, value,
                    _origins(("item", axis), (*source, str(index)) if source else self._source(item)),
                )
                for index, ((value, from_template), item) in enumerate(
                    zip(self._axis(axis, values, f"{where}.{axis}"), _written(values), strict=False)
                )
            ])  # fmt: skip
        self._counted(math.prod(map(len, axes)))
        made: dict[str, _Choice] = {}
        for choice in itertools.product(*axes):
            label = "-".join(fragment for fragment, _, _, _ in choice)
            origins: dict[tuple[str, ...], tuple[str, ...]] = {}
            for _, _, _, origin in choice:
                origins.update(origin)
            made[label] = {"item": {axis: value for _, axis, value, _ in choice}, "key": label}, origins
        return made

    def _source(self, node: Any) -> tuple[str, ...]:
        """The words of a text that is one expression; empty for anything else."""
        match = _EXPRESSION.fullmatch(node) if isinstance(node, str) else None
        return tuple(map(str.strip, _WORD.findall(match[1]))) if match else ()

    def _axis(self, axis: str, values: Any, where: str) -> list[_Rendered]:
        if isinstance(values, list):
            return [self._datum(value, f"{where}[{index}]") for index, value in enumerate(values)]
        if not isinstance(values, str):
            raise _TemplateError(f"{axis}: must be a list, or an expression for one, not {kind(values)}")
        found, templated = self._render.text(values, self._scope, whole=True, options=True)
        if templated and not isinstance(found, (list, dict)):
            raise _TemplateError(f"{axis}: {values} must be a list, not {kind(found)}")
        return [(value, templated) for value in found]

    def _datum(self, node: Any, where: str) -> _Rendered:
        """An item of foreach or matrix data that is written out in the file."""
        if isinstance(node, str):
            return self._render.text(node, self._scope, whole=True, options=True)
        return self._data(node, where), False

    def _data(self, node: Any, where: str) -> Any:
        if isinstance(node, str):
            return self._render.text(node, self._scope, whole=True, options=True)[0]
        if isinstance(node, dict):
            return {
                self._data_key(key): self._data(value, f"{where}.{key}")
                for key, value in node.items()
                if isinstance(key, str)
            }
        if isinstance(node, list):
            return [self._data(item, f"{where}[{index}]") for index, item in enumerate(node)]
        return _definable(node, self._path, where)

    def _data_key(self, key: Any) -> Any:
        if not isinstance(key, str):
            return key
        made, templated = self._render.text(key, self._scope, whole=False, options=True)
        if templated:
            raise _TemplateError(f"a key cannot be one expression and nothing else: {key}")
        return made

    def _warn_of(self, name: str, *words: str) -> None:
        for word in words:
            if self._scope.find(word) is not _MISSING:
                self._warnings.append(
                    f"{self._path}: stages.{name}: {word!r} is also a variable; here it is that of the loop"
                )

    def _top(self, name: str, given: Any) -> Any:
        if isinstance(given, dict):
            return {
                self._top_key(f"{name}.{key}", key): self._fill(
                    f"{name}.{key}", value, self._scope, whole=True, options=True
                )
                for key, value in given.items()
            }
        if isinstance(given, list):
            made = [
                self._fill(f"{name}.{index}", value, self._scope, whole=True, options=True)
                for index, value in enumerate(given)
            ]
            for index, value in enumerate(made if name in ("metrics", "params") else []):
                if not isinstance(value, str):
                    raise self._error(f"{name}.{index}", f"must be the name of a file, not {kind(value)}")
            return made
        return given

    def _top_key(self, where: str, key: Any) -> Any:
        try:
            made = self._render.key(key, self._scope)
        except _TemplateError as problem:
            raise self._error(where, problem) from None
        if isinstance(key, str) and not isinstance(made, str):
            raise self._error(where, f"the name must be text, not {kind(made)}")
        return made


def _origins(name: tuple[str, ...], source: tuple[str, ...]) -> _Origins:
    return {name: source} if source else {}


def _written(values: Any) -> Iterable[Any]:
    """The items of an axis as the file has them; without end where it is not a list."""
    return values if isinstance(values, list) else itertools.repeat(None)


def _has_expression(node: Any) -> bool:
    if isinstance(node, str):
        return _EXPRESSION.search(node) is not None
    if isinstance(node, dict):
        return any(_has_expression(key) or _has_expression(value) for key, value in node.items())
    return isinstance(node, list) and any(map(_has_expression, node))


def _is_collection(value: Any) -> bool:
    return isinstance(value, (list, dict, bytes))


def _fragment(value: Any, templated: bool = False) -> str:
    """`value` in the name of a stage: written in dvc.yaml, true is `true`; out of a template it is `True`."""
    if isinstance(value, bool) and not templated:
        return "true" if value else "false"
    return str(value)


# What a filled-in stage must be: the document's own form was checked when it was read


def _check_cmd(cmd: Any) -> str | None:
    for one in cmd if isinstance(cmd, list) else [cmd]:
        if not isinstance(one, str):
            return f"must be text, not {kind(one)}"
    return None


def _check_paths(items: Any) -> str | None:
    for item in items if isinstance(items, list) else []:
        for path in item if isinstance(item, dict) else [item]:
            if not isinstance(path, str) or not path:
                return f"must be a path, not {'empty' if path == '' else kind(path)}"
    return None


def _check_params(items: Any) -> str | None:
    for item in items if isinstance(items, list) else []:
        for file, keys in item.items() if isinstance(item, dict) else [("", [item])]:
            for name in [file, *(keys if isinstance(keys, list) else [])]:
                if not isinstance(name, str):
                    return f"must be the name of a file or parameter, not {kind(name)}"
    return None


_CHECKS: dict[str, Callable[[Any], str | None]] = {
    "cmd": _check_cmd,
    "deps": _check_paths,
    "outs": _check_paths,
    "metrics": _check_paths,
    "plots": _check_paths,
    "params": _check_params,
}
