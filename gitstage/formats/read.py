"""YAML text to plain values, in DVC 3's dialect, safe against hostile files.

The text is parsed by PyYAML's binding of libyaml (its pure-Python parser where that is not built). Values are built
here, straight from the parser's events: that is quicker than PyYAML's nodes and constructors and lets every limit
apply while reading.
"""

from __future__ import annotations

import re
from collections.abc import Hashable

import yaml
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from gitstage.errors import FormatError
from gitstage.formats import MAX_SIZE, dialect
from gitstage.static import Any, NamedTuple

Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MAX_DEPTH = 100  # nested maps and lists; far below what makes Python's own recursion fail
MAX_ALIASED = 200_000  # values that exist only because an alias repeats them

_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null", "timestamp"))
_NOT_YAML = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_UNSEEN = object()


class _RefusedError(Exception):
    """What is wrong, and where the parser saw it (`line` counts from 1)."""

    def __init__(self, message: str, line: int | None) -> None:
        super().__init__(message)
        self.message, self.line = message, line


def decode(data: bytes | str, path: str) -> str:
    """`data` as text without a byte order mark. Raises FormatError if it is not UTF-8, or too large."""
    if len(data) > MAX_SIZE:
        raise FormatError(path, f"is larger than {MAX_SIZE >> 20} MiB")
    if isinstance(data, str):
        text = data
    else:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise FormatError(path, f"not UTF-8: {error.reason}", line) from None
    return text[1:] if text.startswith("\ufeff") else text


def load(data: bytes | str, path: str) -> Any:
    """Read one YAML document into dict, list, str, int, float, bool, None, date and datetime; None for an empty
    file.

    `path` only names the file in errors. What an alias repeats is the same object. A mapping's keys are in the
    file's order, merged ones (`<<`) first. Raises FormatError for text that is not YAML or not UTF-8, a second
    document, a key that occurs twice or is a map or list, a tag other than YAML's own scalars, and for nesting or
    aliases beyond any honest file. Source of the dialect: DVC 3, see `dialect`.
    """
    text = decode(data, path)
    try:
        return _Builder(text).document()
    except _RefusedError as error:
        raise _format_error(path, text, error.message, error.line) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _format_error(path, text, _phrase(error), mark.line + 1 if mark else None) from None
    except (yaml.YAMLError, UnicodeEncodeError) as error:
        bad = _NOT_YAML.search(text)
        if bad is None:
            raise FormatError(path, f"not YAML: {str(error).splitlines()[0]}") from None
        line = text.count("\n", 0, bad.start()) + 1
        raise FormatError(path, f"the character U+{ord(bad[0]):04X} is not allowed in YAML", line) from None


_CONFLICT = re.compile(r"^(?:<{7}|>{7}|={7}|\|{7})(?: |$)", re.MULTILINE)


def _format_error(path: str, text: str, message: str, line: int | None) -> FormatError:
    conflict = _CONFLICT.search(text)
    if conflict is None:
        return FormatError(path, message, line)
    line = text.count("\n", 0, conflict.start()) + 1
    return FormatError(path, "not YAML: the markers of an unresolved merge conflict", line, "git stage resolve")


def _phrase(error: yaml.MarkedYAMLError) -> str:
    parts = [part for part in (error.problem, error.context) if part]
    return "not YAML: " + " ".join(" ".join(parts).split())


class _Anchor:
    """A value that aliases repeat; `weight` is the number of values in it, None while it is being read."""

    __slots__ = ("value", "weight")

    def __init__(self) -> None:
        self.value: Any = None
        self.weight: int | None = None


class _Builder:
    def __init__(self, text: str) -> None:
        self._loader = Loader(text)
        self._next = self._loader.get_event
        self._plain: dict[str, Any] = {}
        self._anchors: dict[str, _Anchor] = {}
        self._count = 0  # values so far, repeated ones included
        self._aliased = 0

    def document(self) -> Any:
        try:
            self._next()  # stream start
            start = self._next()
            if type(start) is StreamEndEvent:
                return None
            if start.version is not None and tuple(start.version) < (1, 2):
                line = start.start_mark.line + 1
                raise _RefusedError("a %YAML directive for a version before 1.2 is not supported", line)
            value = self._value(self._next(), 0)
            self._next()  # document end
            if type(end := self._next()) is not StreamEndEvent:
                raise _RefusedError("not one YAML document: a second one starts here", end.start_mark.line + 1)
            return value
        finally:
            self._loader.dispose()

    def _value(self, event: Any, depth: int) -> Any:
        self._count += 1
        kind = type(event)
        if kind is ScalarEvent:
            value = self._scalar(event)
            if event.anchor is not None:
                known = self._anchors[event.anchor] = _Anchor()
                known.value, known.weight = value, 1
            return value
        if kind is AliasEvent:
            return self._alias(event)
        line = event.start_mark.line + 1
        if depth >= MAX_DEPTH:
            raise _RefusedError(f"nested more than {MAX_DEPTH} levels deep", line)
        anchor = None
        if event.anchor is not None:
            anchor = self._anchors[event.anchor] = _Anchor()
        before = self._count
        if kind is MappingStartEvent:
            if event.tag not in (None, "!", _TAG + "map"):
                raise _RefusedError(f"the tag {event.tag} is not supported", line)
            value = self._mapping(event, depth + 1)
        else:
            assert kind is SequenceStartEvent, kind
            if event.tag not in (None, "!", _TAG + "seq"):
                raise _RefusedError(f"the tag {event.tag} is not supported", line)
            value = []
            while type(event := self._next()) is not SequenceEndEvent:
                value.append(self._value(event, depth + 1))
        if anchor is not None:
            anchor.value, anchor.weight = value, self._count - before + 1
        return value

    def _scalar(self, event: Any) -> Any:
        text: str = event.value
        if event.tag is None or event.tag == "!":
            if not event.implicit[0]:
                return text
            value = self._plain.get(text, _UNSEEN)
            if value is not _UNSEEN:
                return value
            try:
                value = self._plain[text] = dialect.plain_value(text)
            except ValueError as error:
                raise _RefusedError(str(error), event.start_mark.line + 1) from None
            return value
        if event.tag not in _SCALAR_TAGS:
            raise _RefusedError(f"the tag {event.tag} is not supported", event.start_mark.line + 1)
        try:
            return dialect.convert(text, event.tag[len(_TAG) :])
        except ValueError as error:
            raise _RefusedError(str(error), event.start_mark.line + 1) from None

    def _alias(self, event: Any) -> Any:
        line = event.start_mark.line + 1
        known = self._anchors.get(event.anchor)
        if known is None:
            raise _RefusedError(f"the alias *{event.anchor} names nothing", line)
        if known.weight is None:
            raise _RefusedError(f"the alias *{event.anchor} stands inside what it names", line)
        self._repeat(known.weight, line)
        return known.value

    def _repeat(self, weight: int, line: int) -> None:
        self._count += weight
        self._aliased += weight
        if self._aliased > MAX_ALIASED:
            raise _RefusedError(f"aliases repeat more than {MAX_ALIASED} values", line)

    def _mapping(self, start: Any, depth: int) -> dict[Any, Any]:
        own: dict[Any, Any] = {}
        merged: dict[Any, Any] | None = None
        event: Any
        while type(event := self._next()) is not MappingEndEvent:
            line = event.start_mark.line + 1
            if type(event) is ScalarEvent and event.value == "<<" and event.implicit[0] and event.tag is None:
                if merged is not None:
                    raise _RefusedError("the key << occurs twice in one map", line)
                merged = self._merge(self._next(), depth)
                continue
            key = self._value(event, depth)
            if not isinstance(key, Hashable):
                raise _RefusedError("a key may not be a map or a list", line)
            if key in own:
                raise _RefusedError(f"the key {str(key)[:80]!r} occurs twice in one map", line)
            own[key] = self._value(self._next(), depth)
        return own if merged is None else {**merged, **own}

    def _merge(self, event: Any, depth: int) -> dict[Any, Any]:
        line = event.start_mark.line + 1
        found = self._value(event, depth)
        parts = found if isinstance(found, list) else [found]
        merged: dict[Any, Any] = {}
        for part in reversed(parts):  # the first map of a list wins, but the last one's keys come first, as in DVC
            if not isinstance(part, dict):
                raise _RefusedError("<< needs a map or a list of maps", line)
            self._repeat(len(part), line)
            merged.update(part)
        return merged


class Node(NamedTuple):
    """A value's place in the text, as half-open character offsets; `end` is where its last own character ends.

    `kind` is "map", "list", "scalar" or "alias". `items` holds (key, value) of a map, (None, value) of a list.
    """

    kind: str
    start: int
    end: int
    line: int
    column: int
    flow: bool
    value: str
    items: list[tuple[Node | None, Node]]
    block_text: bool = False  # a literal or folded scalar: `end` is behind its line end


def locate(text: str) -> Node | None:
    """Where everything in `text` stands; None for an empty document. `text` must be one that `load` accepts,
    without a BOM.
    """
    loader = Loader(text)
    try:
        loader.get_event()
        if isinstance(loader.get_event(), StreamEndEvent):
            return None
        return _node(loader, loader.get_event())
    finally:
        loader.dispose()


def _node(loader: Any, event: Any) -> Node:
    start, end = event.start_mark, event.end_mark
    place = (start.index, end.index, start.line + 1, start.column)
    kind = type(event)
    if kind is ScalarEvent:
        return Node("scalar", *place, False, event.value, [], event.style in ("|", ">"))
    if kind is AliasEvent:
        return Node("alias", *place, False, event.anchor, [])
    items: list[tuple[Node | None, Node]] = []
    mapping = kind is MappingStartEvent
    block_text = False
    last = end.index
    while type(inner := loader.get_event()) not in (MappingEndEvent, SequenceEndEvent):
        key = _node(loader, inner) if mapping else None
        value = _node(loader, loader.get_event() if mapping else inner)
        items.append((key, value))
        last, block_text = value.end, value.block_text
    column = start.column  # of the anchor, if there is one
    if event.flow_style:
        last, block_text = inner.end_mark.index, False
    elif items and items[0][0] is not None:
        column = items[0][0].column
    name = "map" if mapping else "list"
    return Node(name, start.index, last, start.line + 1, column, bool(event.flow_style), "", items, block_text)


def line_of(text: str, keys: tuple[Any, ...]) -> int | None:
    """The line on which the key or list item at `keys` stands, or the nearest one around it that can be found."""
    node = locate(text)
    line = node.line if node else None
    for wanted in keys:
        if node is None:
            break
        if node.kind == "list" and isinstance(wanted, int) and wanted < len(node.items):
            node = node.items[wanted][1]
            line = node.line
            continue
        for key, value in node.items:
            if key is not None and key.kind == "scalar" and key.value == str(wanted):
                node, line = value, key.line
                break
        else:
            break
    return line
