"""Changing dvc.lock, dvc.yaml and *.dvc files that exist: only what has to change does, comments and layout stay.

Where the text allows it, whole lines are cut out and put in. What that cannot do (flow style, merge keys, anchors)
goes through a ruamel.yaml round trip, imported only then. Every result is read back and compared with what was
meant before it is returned.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from io import StringIO

from gitstage.errors import FormatError
from gitstage.formats.plain import in_old_order
from gitstage.formats.read import Node, decode, load, locate
from gitstage.formats.schema import parse_lock, parse_pipeline
from gitstage.formats.write import Layout, dump, dump_entries, dump_flow, dump_items
from gitstage.static import Any

_BOM = b"\xef\xbb\xbf"


def same(a: Any, b: Any) -> bool:
    """Equal in value and type at every depth (1, 1.0 and true differ, NaN equals NaN); the order of keys does not
    count.
    """
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return (
            a.keys() == b.keys()
            and all(same(x, y) for x, y in ((a[key], b[key]) for key in a))
            and {type(key) for key in a} == {type(key) for key in b}
        )
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float):
        return (a == b and math.copysign(1, a) == math.copysign(1, b)) or (a != a and b != b)
    return bool(a == b)


def plain(value: Any, _seen: dict[int, Any] | None = None) -> Any:
    """`value` with every mapping a dict and every tuple a list; an object that occurs twice is one object again."""
    seen = {} if _seen is None else _seen
    if isinstance(value, Mapping):
        if id(value) not in seen:
            seen[id(value)] = {key: plain(inner, seen) for key, inner in value.items()}
        return seen[id(value)]
    if isinstance(value, (list, tuple)):
        if id(value) not in seen:
            seen[id(value)] = [plain(inner, seen) for inner in value]
        return seen[id(value)]
    return value


# dvc.lock


@dataclass(frozen=True, slots=True)
class _Lock:
    """A lock's text and what it holds.

    `spans` gives each stage's whole lines, None where lines cannot be exchanged. `ours`: the text has no anchors and was
    read back in full when it was last changed, so the next change needs to be read back only by itself.
    """

    data: bytes
    text: str
    top: dict[str, Any]
    spans: dict[str, tuple[int, int]] | None
    indent: int = 2
    ours: bool = False

    @property
    def stages(self) -> dict[str, Any]:
        found: dict[str, Any] = self.top["stages"]
        return found


# A run changes one lock once per stage. What the last change left is kept here, so that a run's cost grows with its stages and
# not with their square; a lock with other bytes is read anew.
_latest: _Lock | None = None


def update_lock(
    data: bytes | None, path: str, entries: Mapping[str, Mapping[str, Any] | None], before: Collection[str] = ()
) -> bytes | None:
    """Give the stages in `entries` these entries in the lock `data` (None: there is no file); an entry of None
    removes the stage.

    Entries are written in DVC's style with keys in the order given, in place, or before the stages named `before`, or at
    the end; all else stays byte for
    byte, and so does an entry that is equal already. A lock that allows no exchange of lines (flow style, DVC 1's
    layout, anchors shared by entries) is written anew. None means that no stage is left and the file is to be
    deleted. Raises FormatError if `data` is no lock.
    """
    global _latest
    lock = _read_lock(data, path)
    changes = [(name, None if entry is None else plain(entry)) for name, entry in entries.items()]
    try:
        for name, entry in sorted(changes, key=lambda change: change[1] is None):  # removals last: the file may empty
            lock = _with_entry(lock, path, name, entry, before)
    except (TypeError, RecursionError) as error:  # a date, for one, cannot be recorded
        raise FormatError(path, str(error)) from None
    if not lock.stages and "datasets" not in lock.top and (data is None or lock.data != data):
        return None
    _latest = lock if lock.spans else None
    return lock.data


def _read_lock(data: bytes | None, path: str) -> _Lock:
    if data is None:
        top: dict[str, Any] = {"schema": "2.0", "stages": {}}
        return _Lock(b"", "", top, None)
    latest = _latest  # once: another thread may replace it
    if latest is not None and latest.data == data:
        return latest
    top = parse_lock(data, path)
    text = decode(data, path)
    root = locate(text)
    assert root is not None
    stages = _member(root, "stages")
    spans = None
    if stages is not None and "schema" in top and _block(root, "map") and _block(stages, "map") and data[:3] != _BOM:
        spans = _entry_spans(text, stages)
    return _Lock(data, text, top, spans, stages.column if stages else 2)


def _with_entry(lock: _Lock, path: str, name: str, entry: Any, before: Collection[str]) -> _Lock:
    if entry is None and name not in lock.stages:
        return lock
    if entry is not None and name in lock.stages and same(lock.stages[name], entry):
        return lock
    stages = {**lock.stages}
    follower = None
    if entry is None:
        del stages[name]
    else:
        is_new = name not in stages
        stages[name] = entry
        follower = next((other for other in lock.stages if other in before), None) if is_new and before else None
        if follower is not None:
            names = list(stages)
            names.insert(names.index(follower), names.pop())
            stages = {other: stages[other] for other in names}
    top = {**lock.top, "stages": stages}
    return _exchanged(lock, name, entry, top, follower) or _rewritten(top, path)


def _exchanged(lock: _Lock, name: str, entry: Any, top: dict[str, Any], follower: str | None) -> _Lock | None:
    """`lock` with one entry's lines exchanged, None if that would not give `top`. A new one goes before `follower`."""
    if lock.spans is None or not top["stages"]:
        return None
    at = max(end for _, end in lock.spans.values()) if follower is None else lock.spans[follower][0]
    start, end = lock.spans.get(name, (at, at))
    before, after = lock.text[:start], lock.text[end:]
    if entry is not None and before and not before.endswith("\n"):
        before += _newline(lock.text)
    new = "" if entry is None else _lines_like(lock.text, dump_entries({name: entry}, lock.indent))
    text = before + new + after
    anchored = not lock.ours and _ANCHOR.search(before + after) is not None
    if anchored and _ANCHOR.search(new):
        return None  # two anchors of one name; written anew they are numbered through
    if anchored or _ANCHOR.search(new):
        data = text.encode()
        return _Lock(data, text, top, None) if _holds(data, top) else None
    if entry is not None and not _reads_as(new, {name: entry}):
        return None
    shift = len(text) - len(lock.text)
    spans = {other: (a + shift, b + shift) if a >= end else (a, b) for other, (a, b) in lock.spans.items()}
    spans.pop(name, None)
    if entry is not None:
        spans[name] = (len(before), len(before) + len(new))
    data = text.encode()
    return _Lock(data, text, top, spans, lock.indent, True) if lock.ours or _holds(data, top) else None


_ANCHOR = re.compile(r"(?:[:?-] +|[\[{,] *|^ *)&\S", re.MULTILINE)


def _reads_as(lines: str, entries: dict[str, Any]) -> bool:
    try:
        return same(load("stages:\n" + lines, ""), {"stages": entries})
    except FormatError:
        return False


def _holds(data: bytes, top: dict[str, Any]) -> bool:
    try:
        return same(parse_lock(data, ""), top)
    except FormatError:
        return False


def _rewritten(top: dict[str, Any], path: str) -> _Lock:
    if not top["stages"]:
        top = {key: value for key, value in top.items() if key != "stages"} | {"stages": {}}
    text = dump(top)
    data = text.encode()
    if not same(parse_lock(data, path), top):
        raise FormatError(path, "a stage's entry cannot be written so that it reads back the same")
    root = locate(text)
    assert root is not None
    stages = _member(root, "stages")
    spans = None
    if stages is not None and _block(stages, "map") and not _ANCHOR.search(text):
        spans = _entry_spans(text, stages)
    return _Lock(data, text, top, spans, 2, spans is not None)


# Places in a text


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _lines_like(text: str, lines: str) -> str:
    return lines.replace("\n", "\r\n") if "\r\n" in text else lines


def _block(node: Node, kind: str) -> bool:
    return node.kind == kind and not node.flow


def _member(node: Node, name: str) -> Node | None:
    for key, value in node.items:
        if key is not None and key.kind == "scalar" and key.value == name:
            return value
    return None


def _line_start(text: str, at: int) -> int:
    return text.rfind("\n", 0, at) + 1


def _line_end(text: str, node: Node) -> int:
    """Behind the line end of the last line of `node`."""
    if node.block_text and text[: node.end].endswith("\n"):
        return node.end
    found = text.find("\n", node.end)
    return len(text) if found < 0 else found + 1


def _entry_spans(text: str, node: Node) -> dict[str, tuple[int, int]] | None:
    """The whole lines of each entry of a block map, None if an entry shares its first line with something else."""
    spans: dict[str, tuple[int, int]] = {}
    for key, value in node.items:
        assert key is not None
        start = _line_start(text, key.start)
        if key.kind != "scalar" or text[start : key.start].strip(" ") not in ("", "?"):
            return None
        spans[key.value] = (start, _line_end(text, value))
    return spans


def _end_of_block(text: str, end: int, column: int) -> int:
    """`end` moved behind the comments that follow and are indented at least to `column`."""
    at = end
    while at < len(text):
        next_at = text.find("\n", at) + 1 or len(text)
        line = text[at:next_at]
        body = line.lstrip(" ")
        if body.strip() and not body.startswith("#"):
            break
        if body.startswith("#"):
            if len(line) - len(body) < column:
                break
            end = next_at
        at = next_at
    return end


# dvc.yaml


class _NoSpliceError(Exception):
    """The change cannot be made by exchanging lines."""


def update_pipeline(data: bytes | None, path: str, name: str, entry: Mapping[str, Any] | None) -> bytes | None:
    """Add or replace stage `name` in the dvc.yaml `data` (None: there is no file), or remove it (`entry` is None).

    Comments, blank lines, order, indentation and line ends of everything else stay as they are; of a replaced stage
    only the keys and list items that differ are rewritten. A new stage stands after the last one. None means that
    neither a stage nor anything else is left and the file is to be deleted. `entry` is written as given. Raises
    FormatError if `data` is no valid dvc.yaml, or is written so that the change cannot be made in it.
    """
    old = {} if data is None else parse_pipeline(data, path)
    stages = dict(old.get("stages", {}))
    if entry is None:
        if name not in stages:
            return data
        del stages[name]
        if not stages and len(old) == 1:
            return None
    else:
        new = plain(entry)
        if name in stages and same(stages[name], new):
            return data
        stages[name] = new
    wanted = {**old, "stages": stages}
    text = "" if data is None else decode(data, path)
    for attempt in (_splice_pipeline, _round_trip_pipeline):
        try:
            result = attempt(text, path, name, wanted).encode()
            if same(load(result, path), wanted):
                return (_BOM if data is not None and data.startswith(_BOM) else b"") + result
        except (_NoSpliceError, FormatError):
            continue
        except (TypeError, RecursionError) as error:
            raise FormatError(path, f"stages.{name}: {error}") from None
    raise FormatError(path, f"stages.{name}: cannot be changed without damage to the rest; edit the file by hand")


def _splice_pipeline(text: str, path: str, name: str, wanted: Mapping[str, Any]) -> str:
    root = locate(text)
    stages = None if root is None else _member(root, "stages")
    entry = wanted["stages"].get(name)
    if root is not None and not _block(root, "map"):
        raise _NoSpliceError
    if root is None or stages is None:
        start = text if not text or text.endswith("\n") else text + _newline(text)
        return start + _lines_like(text, dump({"stages": {name: entry}}))
    if stages.kind == "map" and not stages.items:
        return _fill_empty(text, root, stages, name, entry)
    if not _block(stages, "map"):
        raise _NoSpliceError
    spans = _entry_spans(text, stages)
    if spans is None:
        raise _NoSpliceError
    if entry is None:
        return _without(text, root, spans, name)
    if name in spans:
        found = _member(stages, name)
        assert found is not None
        old = load(text, path)["stages"][name]
        return _apply(text, _map_edits(text, stages, {name: old}, {name: entry}, _layout(root)))
    at = _end_of_block(text, max(end for _, end in spans.values()), stages.column)
    new = _lines_like(text, dump_entries({name: entry}, stages.column, _layout(root)))
    gap = "" if not at or text[at - 1] == "\n" else _newline(text)
    return text[:at] + gap + new + text[at:]


def _fill_empty(text: str, root: Node, stages: Node, name: str, entry: Any) -> str:
    """Put the first stage where `stages: {}` stands."""
    if text[stages.start : stages.end] != "{}":
        raise _NoSpliceError
    end = _line_end(text, stages)
    head = text[: stages.start].rstrip(" ") + text[stages.end : end].rstrip("\r\n") + _newline(text)
    return head + _lines_like(text, dump_entries({name: entry}, root.column + 2)) + text[end:]


def _without(text: str, root: Node, spans: dict[str, tuple[int, int]], name: str) -> str:
    start, end = spans[name]
    if len(spans) > 1:
        return text[:start] + text[end:]
    key = next(key for key, _ in root.items if key is not None and key.value == "stages")
    colon = text.index(":", key.end) + 1
    return text[:colon] + " {}" + text[colon:start] + text[end:]


_Edit = tuple[int, int, str]  # from, to, what to put there


def _apply(text: str, edits: list[_Edit]) -> str:
    out: list[str] = []
    at = 0
    for start, end, new in sorted(edits, key=lambda edit: (edit[0], edit[1])):
        if start < at:
            raise _NoSpliceError
        before = text[at:start]
        out.append(before)
        if new and start and text[start - 1] != "\n" and new.endswith("\n") and "\n" in new:
            out.append(_newline(text))  # behind a last line without an end
        out.append(new)
        at = end
    out.append(text[at:])
    return "".join(out)


def _map_edits(text: str, node: Node, old: dict[str, Any], new: dict[str, Any], layout: Layout) -> list[_Edit]:
    """What turns the lines of the block map `node` that hold `old` into lines that hold `new`."""
    spans = _entry_spans(text, node)
    if spans is None or not _block(node, "map") or not old.keys() <= spans.keys():
        raise _NoSpliceError
    edits: list[_Edit] = []
    for key in old:
        start, end = spans[key]
        value = _member(node, key)
        assert value is not None
        if key not in new:
            edits.append((start, end, ""))
        elif not same(old[key], new[key]):
            edits += _value_edits(text, node.column, key, value, (start, end), old[key], new[key], layout)
    at = min(start for start, _ in spans.values())
    for key in new:
        if key in old:
            at = spans[key][1]
        else:
            edits.append((at, at, _lines_like(text, dump_entries({key: new[key]}, node.column, layout))))
    return edits


def _value_edits(
    text: str, indent: int, key: str, node: Node, lines: tuple[int, int], old: Any, new: Any, layout: Layout
) -> list[_Edit]:
    if new and isinstance(old, dict) and isinstance(new, dict) and _block(node, "map"):
        try:
            return _map_edits(text, node, old, new, layout)
        except _NoSpliceError:
            pass
    if new and isinstance(old, list) and isinstance(new, list) and _block(node, "list"):
        try:
            return _list_edits(text, node, old, new, layout)
        except _NoSpliceError:
            pass
    whole = dump_entries({key: new}, indent, layout)
    if node.kind != "alias" and node.end > node.start and not node.block_text and "\n" not in text[lines[0] : node.end]:
        short = dump_flow(new) if node.flow else None
        if short is None and whole.count("\n") == 1 and not isinstance(new, (dict, list)) and new is not None:
            short = whole[len(dump_entries({key: None}, indent)) :].rstrip("\n")
        if short is not None:
            return [(node.start, node.end, short)]
    return [(*lines, _lines_like(text, whole))]


def _list_edits(text: str, node: Node, old: list[Any], new: list[Any], layout: Layout) -> list[_Edit]:
    """As `_map_edits` for the items of a block list."""
    spans: list[tuple[int, int]] = []
    column = 0
    for _, item in node.items:
        start = _line_start(text, item.start)
        head = text[start : item.start]
        if head.strip(" ") != "-":
            raise _NoSpliceError
        column = head.index("-")
        spans.append((start, _line_end(text, item)))
    edits: list[_Edit] = []
    before, after = [repr(item) for item in old], [repr(item) for item in new]
    for what, a, b, c, d in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if what == "equal":
            continue
        lines = _lines_like(text, dump_items(new[c:d], column, layout)) if d > c else ""
        at = spans[a][0] if a < len(spans) else spans[-1][1]
        if a == b:
            edits.append((at, at, lines))
            continue
        edits.append((spans[a][0], spans[a][1], lines))  # comments between removed items stay
        edits += [(start, end, "") for start, end in spans[a + 1 : b]]
    return edits


# The ruamel.yaml round trip


def _round_trip(text: str, new: Mapping[str, Any], path: str, settings: Mapping[str, Any]) -> str:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    yaml = YAML(pure=True)
    yaml.default_flow_style = False
    yaml.allow_duplicate_keys = False
    for name, value in settings.items():
        setattr(yaml, name, value)
    out = StringIO()
    try:
        tree = yaml.load(text)
        _patch(tree, plain(new))
        yaml.dump(tree, out)
    except (YAMLError, ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
        raise FormatError(path, f"cannot be edited: {str(error).splitlines()[0] if str(error) else error!r}") from None
    return _lines_like(text, out.getvalue())


def _patch(tree: Any, new: Any) -> None:
    """Change the maps and lists of `tree` in place into `new`; whatever is equal stays the object, with its
    comments, that it is.
    """
    if isinstance(new, dict):
        for key in [key for key in tree if key not in new]:
            del tree[key]
        for key, value in new.items():
            if key not in tree or not _patched(tree[key], value):
                tree[key] = value
        return
    for i, value in enumerate(new):
        if not _patched(tree[i], value):
            tree[i] = value


def _patched(old: Any, new: Any) -> bool:
    """Whether `old` now is `new`, as it was or by a change inside it."""
    if isinstance(old, dict) and isinstance(new, dict) and old and new:
        _patch(old, new)
        return True
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        _patch(old, new)
        return True
    if isinstance(old, (dict, list)) or isinstance(new, (dict, list)):
        return type(new) in type(old).__mro__ and not old and not new
    if isinstance(old, bool) or isinstance(new, bool):
        return isinstance(old, bool) and isinstance(new, bool) and old == new
    if old is None or new is None:
        return old is new
    return isinstance(old, type(new)) and bool(old == new)


def _round_trip_pipeline(text: str, path: str, name: str, wanted: Mapping[str, Any]) -> str:
    root = locate(text)
    if root is None:
        raise _NoSpliceError
    layout = _layout(root)
    settings = {
        "preserve_quotes": True,
        "width": 1 << 20,
        "map_indent": layout.step,
        "sequence_indent": layout.offset + 2,
        "sequence_dash_offset": layout.offset,
    }
    return _round_trip(text, wanted, path, settings)


def _layout(root: Node) -> Layout:
    """The indentation that the first stages of a dvc.yaml have."""
    stages = _member(root, "stages")
    if stages is None or not _block(stages, "map"):
        return Layout()
    step = max(stages.column - root.column, 1)
    for _, stage in stages.items:
        for key, value in stage.items if _block(stage, "map") else ():
            if key is not None and _block(value, "list") and value.line > key.line:
                return Layout(step, max(value.column - key.column, 0))
    return Layout(step)


def rewrite_pipeline(data: bytes | None, path: str, wanted: Mapping[str, Any], donor: bytes | None = None) -> bytes:
    """Change the dvc.yaml `data` (None: there is no file) into one that holds `wanted`, all of it.

    What is equal stays as it is. Stages that `data` lacks stand after its last one; where the dvc.yaml `donor` has them
    with the same content, they are copied from there with the comments above them. Raises FormatError as
    `update_pipeline` does.
    """
    old = {} if data is None else parse_pipeline(data, path)
    new = plain(wanted)
    text = "" if data is None else decode(data, path)
    start = _BOM if data is not None and data.startswith(_BOM) else b""
    if donor is not None:
        text = _with_stages_of(text, decode(donor, path), path, new)
    for attempt in (_splice_whole, _round_trip_pipeline):
        try:
            result = attempt(text, path, "", new).encode()
            if same(parse_pipeline(result, path), new):
                return start + result
        except (_NoSpliceError, FormatError):
            continue
        except (TypeError, RecursionError) as error:
            raise FormatError(path, str(error)) from None
    if not old:
        return start + dump(new).encode()
    raise FormatError(path, "cannot be changed without damage to the rest; edit the file by hand")


def _splice_whole(text: str, path: str, _: str, wanted: dict[str, Any]) -> str:
    root = locate(text)
    if root is None or not wanted:
        raise _NoSpliceError
    return _apply(text, _map_edits(text, root, load(text, path), wanted, _layout(root)))


def _with_stages_of(text: str, donor: str, path: str, wanted: Mapping[str, Any]) -> str:
    """`text` with those stages of `wanted` behind its own that only `donor` has, in the donor's lines."""
    for name, entry in wanted.get("stages", {}).items():
        root, source = locate(text), locate(donor)
        stages = None if root is None else _member(root, "stages")
        others = None if source is None else _member(source, "stages")
        if stages is None or others is None or not (_block(stages, "map") and _block(others, "map")):
            break
        spans, lines = _entry_spans(text, stages), _entry_spans(donor, others)
        if spans is None or lines is None or name in spans or name not in lines or stages.column != others.column:
            continue
        start = _above(donor, lines[name][0], others.column)
        copied = donor[start : lines[name][1]].replace("\r\n", "\n")
        at = _end_of_block(text, max(end for _, end in spans.values()), stages.column)
        gap = "" if text[:at].endswith("\n") else _newline(text)
        end = "" if copied.endswith("\n") else _newline(text)
        changed = text[:at] + gap + _lines_like(text, copied) + end + text[at:]
        try:
            found = load(changed, path)
        except FormatError:
            continue
        old = load(text, path)
        if same(found, {**old, "stages": {**old["stages"], name: entry}}):
            text = changed
    return text


def _above(text: str, start: int, column: int) -> int:
    """`start` of an entry's lines, moved before the comments that stand right above it and one blank line."""
    while start:
        line = text[_line_start(text, start - 1) : start]
        body = line.lstrip(" ")
        if body.startswith("#") and len(line) - len(body) == column:
            start -= len(line)
            continue
        return start if body.strip() else start - len(line)
    return start


def line_span(text: str, keys: tuple[str, ...]) -> tuple[int, int] | None:
    """The whole lines (as offsets) of the entry to which `keys` lead; None if it has none of its own, as in flow style."""
    node = locate(text)
    span = None
    for key in keys:
        spans = _entry_spans(text, node) if node is not None and _block(node, "map") else None
        if node is None or spans is None or key not in spans:
            return None
        span, node = spans[key], _member(node, key)
    return span


# *.dvc


def dump_dvc(new: Mapping[str, Any], old: bytes | None, path: str) -> bytes:
    """The text of a *.dvc file that holds `new`, all of it, where `old` is what the file holds now (None: there is
    none).

    Keys that stay keep their place and comments, new ones stand at the end of their map, keys that `new` lacks go;
    the text around them is normalised to DVC's style as DVC does it. An equal file stays as it is. Raises
    FormatError if `old` is not YAML.
    """
    wanted = plain(new)
    if old is None:
        return dump(wanted).encode()
    found = load(old, path)
    if same(found, wanted):
        return old
    text = decode(old, path)
    patched = in_old_order(found, wanted)
    if found is None or text == dump(found):
        return dump(patched).encode()
    for width in (80, 1 << 20):
        try:
            result = _round_trip(text, wanted, path, {"width": width}).encode()
            if same(load(result, path), wanted):
                return result
        except FormatError:
            break
    return dump(patched).encode()
