"""Plain values to YAML text: the very bytes that DVC 3 writes for them, so that the two tools cause no Git diffs.

DVC writes through ruamel.yaml, which folds plain scalars so that runs of spaces and escapes at a fold are lost when
read back. Such a scalar is written here unfolded in double quotes, which every reader understands: an exact value
beats an exact byte.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gitstage.errors import FormatError
from gitstage.formats import dialect
from gitstage.formats.read import load
from gitstage.static import Any, NamedTuple

WIDTH = 80
_MAX_KEY = 123  # a key this long is written as `? key`

# Any of this in a string, and it cannot be written plain (in block context).
_NOT_PLAIN = re.compile(
    r"""\A(?:[#,\[\]{}&*!|>'"%@` ]|[?:-](?:[ ]|\Z)|---|\.\.\.)|:(?:[ ]|\Z)|[ ]\#|[ ]\Z"""
    "|[^ -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]",
    re.VERBOSE,
)
_NOT_PLAIN_IN_FLOW = re.compile(r"\A[?:-]|[,?\[\]{}:]")
# Any of this, and single quotes would not do. The Unicode line ends would be read back as spaces from single quotes.
_NOT_SINGLE = re.compile("['\n]|[^ -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_ESCAPED = re.compile('["\\\\]|[^ -~\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]')
_ESCAPES = {
    "\0": "0", "\a": "a", "\b": "b", "\t": "t", "\n": "n", "\v": "v", "\f": "f", "\r": "r", "\x1b": "e", '"': '"', "\\": "\\",
    "\x85": "N", "\xa0": "_", "\u2028": "L", "\u2029": "P",
}  # fmt: skip


def dump(value: Any) -> str:
    """`value` as DVC 3 would write it: block style, two spaces, text wrapped at 80 columns, with a final newline.

    Takes mappings (in their own order), lists, tuples, str, int, float, bool and None; a map or list that occurs
    more than once as the same object becomes an anchor and aliases. Raises TypeError for any other type. Where
    DVC's text would not read back as the same value, a long double-quoted line is written instead.
    """
    writer = _Writer(value)
    if isinstance(value, Mapping) and value:
        writer.mapping(value, 0, True)
    elif isinstance(value, (list, tuple)) and value:
        writer.sequence(value, 0, True)
    else:
        writer.out.append("null" if value is None else _inline(value, 0, 2))
        if not isinstance(value, (Mapping, list, tuple)) and not writer.out[0].startswith(('"', "'")):
            writer.out.append("\n...")
    return "".join(writer.out) + "\n"


class Layout(NamedTuple):
    """How far maps, and the dashes of lists, are indented below their key. DVC's own layout is the default."""

    step: int = 2
    offset: int = 0


DVC_LAYOUT = Layout()


def dump_entries(entries: Mapping[Any, Any], indent: int, layout: Layout = DVC_LAYOUT) -> str:
    """The lines of a block map's entries that stand `indent` columns deep, with a final newline."""
    writer = _Writer(entries, layout)
    writer.mapping(entries, indent, True)
    return " " * indent + "".join(writer.out) + "\n"


def dump_items(items: list[Any], indent: int, layout: Layout = DVC_LAYOUT) -> str:
    """The lines of a block list whose dashes stand at column `indent`, with a final newline."""
    writer = _Writer(items, layout)
    writer.sequence(items, indent, True)
    return " " * indent + "".join(writer.out) + "\n"


def dump_flow(value: Any) -> str | None:
    """A scalar, or a list or map of scalars, on one line as it may stand inside brackets; None if it is anything
    deeper.
    """
    if isinstance(value, Mapping):
        pairs = [(_flow_scalar(key), _flow_scalar(inner)) for key, inner in value.items()]
        texts = [None if key is None or inner is None else f"{key}: {inner}" for key, inner in pairs]
        return None if None in texts else "{" + ", ".join(text or "" for text in texts) + "}"
    if isinstance(value, (list, tuple)):
        texts = [_flow_scalar(inner) for inner in value]
        return None if None in texts else "[" + ", ".join(text or "" for text in texts) + "]"
    return _flow_scalar(value)


def _flow_scalar(value: Any) -> str | None:
    if isinstance(value, (Mapping, list, tuple)):
        return None
    if value is None:
        return "null"
    if isinstance(value, str) and _NOT_PLAIN_IN_FLOW.search(value):
        return _single(value) if not _NOT_SINGLE.search(value) else _double(value)
    return _text(value)[0]


class _Writer:
    """Collects text; every map and list starts where the text before it ends, and begins each further line itself."""

    def __init__(self, root: Any, layout: Layout = DVC_LAYOUT) -> None:
        self._layout = layout
        self.out: list[str] = []
        self._anchors = _shared(root)  # id -> name, for what occurs more than once
        self._written: set[int] = set()

    def mapping(self, value: Mapping[Any, Any], indent: int, first: bool) -> None:
        out, line = self.out, "\n" + " " * indent
        for key, inner in value.items():
            if not first:
                out.append(line)
            first = False
            text, simple = _key(key, indent)
            if simple:
                out.append(text + ":")
                self._after_key(inner, indent, indent + len(text) + 2)
            else:
                out.append(f"? {text}{line}:")
                if inner is not None:
                    self._after_mark(inner, indent)

    def sequence(self, value: list[Any] | tuple[Any, ...], indent: int, first: bool) -> None:
        out, line = self.out, "\n" + " " * indent
        for inner in value:
            out.append("-" if first else line + "-")
            first = False
            self._after_mark(inner, indent)

    def _after_key(self, value: Any, indent: int, column: int) -> None:
        """The value of `key:`, where the next text would start at `column`."""
        if type(value) is str:
            self.out.append(" " + _string(value, column, indent + 2))
        elif value is None:
            pass
        elif not isinstance(value, (Mapping, list, tuple)):
            self.out.append(" " + _inline(value, column, indent + 2))
        elif self._anchor(value):
            pass
        elif not value:
            self.out.append(" {}" if isinstance(value, Mapping) else " []")
        elif isinstance(value, Mapping):
            self.mapping(value, indent + self._layout.step, False)
        else:
            self.sequence(value, indent + self._layout.offset, False)

    def _after_mark(self, value: Any, indent: int) -> None:
        """The value behind a `-`, or behind the `:` of a long key, that stands at column `indent`."""
        if isinstance(value, (Mapping, list, tuple)):
            anchored = id(value) in self._anchors
            if self._anchor(value):
                return
            if not value:
                self.out.append(" {}" if isinstance(value, Mapping) else " []")
                return
            if not anchored:
                self.out.append(" ")
            if isinstance(value, Mapping):
                self.mapping(value, indent + 2, not anchored)
            else:
                self.sequence(value, indent + 2, not anchored)
        else:
            self.out.append(" " + ("" if value is None else _inline(value, indent + 2, indent + 2)))

    def _anchor(self, value: Any) -> bool:
        """Write the anchor or the alias of `value` if it has one; True if that was all there is to write."""
        name = self._anchors.get(id(value))
        if name is None:
            return False
        if id(value) in self._written:
            self.out.append(f" *{name}")
            return True
        self._written.add(id(value))
        self.out.append(f" &{name}")
        return False


def _shared(root: Any) -> dict[int, str]:
    """Names for maps and lists that occur more than once as one object, numbered in the order in which they recur."""
    seen: set[int] = set()
    names: dict[int, str] = {}

    def visit(value: Any) -> None:
        if id(value) in seen:
            if id(value) not in names:
                names[id(value)] = f"id{len(names) + 1:03d}"
            return
        seen.add(id(value))
        for inner in value.values() if isinstance(value, Mapping) else value:
            if isinstance(inner, (dict, list, tuple, Mapping)) and inner != ():
                visit(inner)

    if isinstance(root, (Mapping, list, tuple)):
        visit(root)
    return names


def _key(key: Any, indent: int) -> tuple[str, bool]:
    """A key's text, and whether it may stand before a colon on one line."""
    if key is None:
        return "null", True
    if not isinstance(key, str):
        return _text(key)[0], True
    if "\n" not in key and len(key) < _MAX_KEY:
        return _text(key)[0], True
    return _string(key, indent + 2, indent + 2), False


def _inline(value: Any, column: int, indent: int) -> str:
    if isinstance(value, str):
        return _string(value, column, indent)
    if isinstance(value, Mapping) and not value:
        return "{}"
    if isinstance(value, (list, tuple)) and not value:
        return "[]"
    text = _text(value)[0]
    if column + len(text) > WIDTH and column > indent:  # a number that stands behind a long key
        return "\n" + " " * indent + text
    return text


def _text(value: Any) -> tuple[str, str]:
    """A scalar on one line, and its style: "" (plain), "'" or '"'."""
    if isinstance(value, str):
        if not _NOT_PLAIN.search(value) and dialect.kind(value) == "str":
            return value, ""
        if _NOT_SINGLE.search(value) is None:
            return _single(value), "'"
        return _double(value), '"'
    if value is None:
        return "", ""
    if isinstance(value, bool):
        return ("true" if value else "false"), ""
    if isinstance(value, int):
        return int.__repr__(value), ""
    if isinstance(value, float):
        return _float(value), ""
    raise TypeError(f"a {type(value).__name__} cannot be written to a pipeline file: {str(value)[:80]}")


def _float(value: float) -> str:
    if value != value:
        return ".nan"
    if value in (float("inf"), float("-inf")):
        return ".inf" if value > 0 else "-.inf"
    return float.__repr__(value)


def _single(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _double(text: str) -> str:
    return '"' + _ESCAPED.sub(lambda match: _escape(match[0]), text) + '"'


def _escape(char: str) -> str:
    short = _ESCAPES.get(char)
    if short is not None:
        return "\\" + short
    code = ord(char)
    return f"\\x{code:02X}" if code <= 0xFF else f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def _string(value: str, column: int, indent: int) -> str:
    """A string that starts at `column`; its further lines, if it is folded, are indented by `indent`."""
    text, style = _text(value)
    if column + len(text) <= WIDTH:
        return text
    if style == "":
        folded = _fold_plain(value, column, indent)
    elif style == "'":
        folded = _fold_single(value, column, indent)
    else:
        folded = _fold_double(value, column, indent)
    if "\n" in folded and not _reads_back(folded, value):
        return _double(value)
    return folded


def _reads_back(text: str, value: str) -> bool:
    try:
        return bool(load(f"- {text}\n", "") == [value])
    except FormatError:
        return False


def _fold_plain(text: str, column: int, indent: int) -> str:
    out: list[str] = []
    line = "\n" + " " * indent
    for piece in re.findall(r" +|[^ ]+", text):
        if piece[0] != " ":
            if column + len(piece) > WIDTH and column > indent:
                out.append(line)
                column = indent
            out.append(piece)
            column += len(piece)
        elif len(piece) == 1 and column >= WIDTH:
            out.append(line)
            column = indent
        else:
            out.append(piece)
            column += len(piece)
    return "".join(out)


def _fold_single(text: str, column: int, indent: int) -> str:
    out = ["'"]
    line = "\n" + " " * indent
    column += 1
    position = 0
    for piece in re.findall(r" +|[^ ]+", text):
        end = position + len(piece)
        if piece == " " and column > WIDTH and position and end != len(text):
            out.append(line)
            column = indent
        else:
            quoted = piece.replace("'", "''")
            out.append(quoted)
            column += len(quoted)
        position = end
    out.append("'")
    return "".join(out)


def _fold_double(text: str, column: int, indent: int) -> str:
    out = ['"']
    line = "\n" + " " * indent
    column += 1
    start = 0  # everything before it is written
    for i, char in enumerate(text):
        if _ESCAPED.match(char):
            code = _escape(char)
            out += text[start:i], code
            column += i - start + len(code)
            start = i + 1
        if not 0 < i < len(text) - 1 or not (char == " " or start >= i) or column + i - start <= WIDTH:
            continue
        behind_escape = start == i
        out.append(text[start:i])
        start = max(start, i)
        if not behind_escape and _breaks_at_space(text, i):
            out.append(line)
            column = indent
            start += text[start] == " "
        else:
            out.append("\\" + line)
            column = indent
            if text[start] == " ":
                out.append("\\")
                column += 1
    out += text[start:], '"'
    return "".join(out)


def _breaks_at_space(text: str, i: int) -> bool:
    """Whether ruamel.yaml breaks a double-quoted line at `i` without a backslash."""
    stop = text.find(" ", i)
    if stop < 0 or stop + 1 >= len(text):
        return False
    piece = text[i : stop + 2]
    return not (
        "'" in piece[:-2] or '"' in piece[:-2] or "\n" in piece or piece[-1] == " " or text[i - 1 : i + 1] == "  "
    )
