"""The text of an ordinary *.dvc file, known without YAML, whose import takes longer than writing one."""

from __future__ import annotations

from collections.abc import Mapping

from gitstage.static import Any

_FIRST = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_OTHERS = _FIRST | frozenset("0123456789_-./")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})
_KEYS = frozenset({"md5", "size", "nfiles", "hash", "isexec", "path"})
_LONGEST = 60  # what is longer may stand on a line of its own


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
