"""Conflict markers: putting them around entries that do not merge, and taking a text with markers apart again."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from gitstage.formats.edit import line_span
from gitstage.formats.read import decode

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Hunk:
    """Lines that do not merge, of each side; `base` is None where the markers do not tell it."""

    ours: str
    theirs: str
    base: str | None = None


def around(ours: bytes, theirs: bytes, path: str, entries: Sequence[tuple[str, ...]], size: int) -> bytes:
    """`ours` with markers around the whole lines of `entries` (keys that lead to them), beside what `theirs` has there.

    Where an entry has no lines of its own, all that differs stands between one pair of markers. `size`: length of a
    marker.
    """
    text, other = decode(ours, path), decode(theirs, path)
    newline = "\r\n" if "\r\n" in text else "\n"
    start = _BOM if ours.startswith(_BOM) else b""
    places = []
    for keys in entries:
        mine, yours = line_span(text, keys), line_span(other, keys)
        if mine is None and yours is not None:
            whole = line_span(text, keys[:-1]) if len(keys) > 1 else (len(text), len(text))
            mine = None if whole is None else (whole[1], whole[1])
        if mine is None:
            return start + _around_all(text, other, newline, size).encode()
        places.append((mine, other[slice(*yours)] if yours is not None else ""))
    for (begin, end), lines in sorted(places, reverse=True):
        head = text[:begin] if not begin or text[:begin].endswith("\n") else text[:begin] + newline
        text = head + _marked(text[begin:end], lines, newline, size) + text[end:]
    return start + text.encode()


def _around_all(ours: str, theirs: str, newline: str, size: int) -> str:
    """Markers around all lines but those that both texts begin and end with."""
    mine, yours = ours.splitlines(keepends=True), theirs.splitlines(keepends=True)
    shortest = min(len(mine), len(yours))
    head = next((at for at in range(shortest) if mine[at] != yours[at]), shortest)
    tail = next((at for at in range(shortest - head) if mine[-1 - at] != yours[-1 - at]), shortest - head)
    middle = _marked("".join(mine[head : len(mine) - tail]), "".join(yours[head : len(yours) - tail]), newline, size)
    return "".join(mine[:head]) + middle + "".join(mine[len(mine) - tail :])


def _marked(ours: str, theirs: str, newline: str, size: int) -> str:
    def ended(lines: str) -> str:
        lines = lines.replace("\r\n", "\n").replace("\n", newline)
        return lines if not lines or lines.endswith("\n") else lines + newline

    return f"{'<' * size} ours{newline}{ended(ours)}{'=' * size}{newline}{ended(theirs)}{'>' * size} theirs{newline}"


def split(text: str, size: int = 7) -> list[str | Hunk] | None:
    """The parts of a text with markers in order: plain lines and hunks. None if the markers are not in order."""
    marker = re.compile(rf"^([<|=>])\1{{{size - 1}}}(?=[ \r\n]|\Z)")
    parts: list[str | Hunk] = []
    lines: dict[str, list[str]] = {}
    plain: list[str] = []
    section = ""
    following = {"": "<", "<": "|=", "|": "=", "=": ">"}
    for line in text.splitlines(keepends=True):
        found = marker.match(line)
        if found is None:
            (lines[section] if section else plain).append(line)
            continue
        if found[1] not in following[section]:
            return None
        section = found[1]
        if section == "<":
            parts.append("".join(plain))
            plain, lines = [], {}
        if section == ">":
            base = "".join(lines["|"]) if "|" in lines else None
            parts.append(Hunk("".join(lines["<"]), "".join(lines["="]), base))
            section = ""
            continue
        lines[section] = []
    return None if section else [*parts, "".join(plain)]


def versions(data: bytes, path: str) -> tuple[bytes | None, bytes, bytes] | None:
    """(base, ours, theirs) of a file with markers; base is None unless all markers tell it. None: there are no markers."""
    parts = split(decode(data, path))
    hunks = [part for part in parts or () if isinstance(part, Hunk)]
    if parts is None or not hunks:
        return None

    def side(name: str) -> bytes:
        return "".join(part if isinstance(part, str) else getattr(part, name) for part in parts).encode()

    return (side("base") if all(hunk.base is not None for hunk in hunks) else None), side("ours"), side("theirs")
