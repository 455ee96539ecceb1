"""Which plain scalar means what in DVC 3's YAML (YAML 1.2's core schema with a few older spellings).

The reader turns plain scalars into values with this table; the writer uses the same table to know which strings
need quotes. Source: observed with DVC 3.67, which differs from PyYAML in `yes`, `010`, `1e5` and `12:30:45` among
others.
"""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta, timezone

from gitstage.static import Any

NULLS = frozenset(("", "~", "null", "Null", "NULL"))
BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
SPECIAL_FLOATS = {
    **{sign + word: float(sign + "inf") for sign in ("", "+", "-") for word in (".inf", ".Inf", ".INF")},
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}

_FLOAT = re.compile(
    r"[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+|[-+]?\.[0-9_]+(?:[eE][-+][0-9]+)?"
)
_INT = re.compile(r"[-+]?(?:0b[01_]+|0o?[0-7_]+|[0-9_]+|0x[0-9a-fA-F_]+)")
_TIMESTAMP = re.compile(
    r"([0-9]{4})-([0-9]{1,2})-([0-9]{1,2})"
    r"(?:(?:[Tt]|[ \t]+)([0-9]{1,2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]*))?"
    r"(?:[ \t]*(?:(Z)|([-+])([0-9]{1,2})(?::?([0-9]{2}))?))?)?"
)
_DAY_ONLY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIRST = frozenset("-+.0123456789~nNtTfF=<")


def kind(text: str) -> str:
    """What the plain scalar `text` is: str, bool, float, int, merge, null, timestamp or value."""
    if not text:
        return "null"
    if text[0] not in _FIRST:
        return "str"
    if text in BOOLS:
        return "bool"
    if _FLOAT.fullmatch(text) or text in SPECIAL_FLOATS:
        return "float"
    if text[0] not in "_." and _INT.fullmatch(text):
        return "int"
    if text == "<<":
        return "merge"
    if text in NULLS:
        return "null"
    if text[0].isdigit() and _is_timestamp(text):
        return "timestamp"
    if text == "=":
        return "value"
    return "str"


def _is_timestamp(text: str) -> bool:
    match = _TIMESTAMP.fullmatch(text)
    return match is not None and (match[4] is not None or _DAY_ONLY.fullmatch(text) is not None)


def plain_value(text: str) -> Any:
    """The value of a plain scalar. Raises ValueError for text that looks like a number or date but is none, and for
    `=`.
    """
    found = kind(text)
    if found in ("str", "merge"):
        return text
    return convert(text, found)


def convert(text: str, wanted: str) -> Any:
    """`text` as the kind `wanted` (see `kind`). Raises ValueError if it cannot be."""
    if wanted == "str":
        return text
    if wanted == "null":
        return None
    if wanted == "bool" and text in BOOLS:
        return BOOLS[text]
    if wanted == "int":
        return _integer(text)
    if wanted == "float":
        return SPECIAL_FLOATS[text] if text in SPECIAL_FLOATS else _number(text)
    if wanted == "timestamp":
        return _timestamp(text)
    raise ValueError(f"{text!r} has no meaning as {wanted}")


def _number(text: str) -> float:
    try:
        return float(text.replace("_", ""))
    except ValueError:
        raise ValueError(f"{text!r} is not a number") from None


def _integer(text: str) -> int:
    digits = text.replace("_", "")
    negative = digits.startswith("-")
    digits = digits[1:] if digits[:1] in ("-", "+") else digits
    base = {"0b": 2, "0o": 8, "0x": 16}.get(digits[:2], 10)
    digits = digits if base == 10 else digits[2:]
    try:
        if digits[:1] in ("-", "+"):
            raise ValueError
        return -int(digits, base) if negative else int(digits, base)
    except ValueError:  # also: more digits than Python converts
        raise ValueError(f"{text[:60]!r} is not a whole number") from None


def _timestamp(text: str) -> date | datetime:
    match = _TIMESTAMP.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a date")
    year, month, day, hour, minute, second, fraction, utc, sign, hours, minutes = match.groups()
    try:
        if hour is None:
            return date(int(year), int(month), int(day))
        micro = int((fraction or "")[:6].ljust(6, "0"))
        zone = timezone.utc if utc else None
        if sign:
            offset = timedelta(hours=int(hours), minutes=int(minutes or 0))
            zone = timezone(-offset if sign == "-" else offset)
        return datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), micro, zone)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text!r} is not a date: {error}") from None
