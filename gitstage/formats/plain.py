"""The text of an ordinary *.dvc file, known without YAML, whose import takes longer than writing one."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gitstage.static import Any

_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_OTHERS = _FIRST | frozenset("0123456789_-./")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_KEYS = frozenset({"md5", "size", "nfiles", "hash", "isexec", "path"})
_LONGEST = 60  # what is longer may stand on a line of its own
_PLAIN = 1 << 16  # bytes; an ordinary file has 100


def plain_dvc(value: Mapping[str, Any]) -> bytes | None:
    """The bytes that write.dump makes of a *.dvc file with nothing but outputs of ordinary names; None for any other."""
    outs = value.get("outs")
    if list(value) != ["outs"] or not isinstance(outs, list) or not outs:
        return None
    lines = ["outs:\n"]
    for out in outs:
        mark = "-"
        if not isinstance(out, dict) or not out or not _KEYS.issuperset(out):
            return None
        for key, one in out.items():
            text = _scalar(key, one)
            if text is None:
                return None
            lines.append(f"{mark} {key}: {text}\n")
            mark = " "
    return "".join(lines).encode()


def _number(text: str) -> int | None:
    return int(text) if text.isdecimal() else None


_VALUES: dict[str, Callable[[str], Any]] = {
    "size": _number,
    "nfiles": _number,
    "isexec": lambda text: text == "true" or None,
}
"""How the values are read that are no text; None is none that plain_dvc writes."""


def read_plain_dvc(data: bytes) -> dict[str, Any] | None:
    """What a text that plain_dvc made says, as formats.parse_dvc does; None for any other text."""
    head, *lines = data.decode("latin-1").split("\n")
    if head != "outs:" or len(data) > _PLAIN:
        return None
    outs: list[dict[str, Any]] = []
    for line in lines[:-1]:
        if line[:2] == "- ":
            outs.append({})
        key, _, text = line[2:].partition(": ")
        if not outs or key in outs[-1]:
            return None
        outs[-1][key] = _VALUES.get(key, str)(text)
    value = {"outs": outs}
    return value if all("path" in out for out in outs) and plain_dvc(value) == data else None


def _scalar(key: str, value: Any) -> str | None:
    if value is True:
        return "true"
    if type(value) is int and value >= 0:
        return str(value)
    if not isinstance(value, str) or not 0 < len(value) <= _LONGEST or not _OTHERS.issuperset(value):
        return None
    if key == "md5":  # digits alone, and digits around one e, are numbers
        return value if not _FIRST.isdisjoint(value.replace("e", "")) else None
    return value if value[0] in _FIRST and value.lower() not in _WORDS else None


def in_old_order(old: Any, new: Any) -> Any:
    """`new` with keys in the order of `old` where `old` has them."""
    if isinstance(old, dict) and isinstance(new, dict):
        kept = {key: in_old_order(old[key], new[key]) for key in old if key in new}
        return kept | {key: value for key, value in new.items() if key not in old}
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        return [in_old_order(a, b) for a, b in zip(old, new, strict=True)]
    return new
