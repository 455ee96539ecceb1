"""Files and outputs of a project: as a list, a tree, JSON, or with their sizes."""

from __future__ import annotations

import os
import posixpath
import sys
from collections.abc import Iterable, Iterator

from gitstage.contents import Item, Listing
from gitstage.static import Any
from gitstage.terminal import neutral
from gitstage.ui import Ui

Named = tuple[str, Item]
"""How an item is shown, and the item."""

_COLOURS = "rs=0:di=01;34:ex=01;32"


def as_json(items: Iterable[Named]) -> list[dict[str, Any]]:
    """The form that `dvc ls --json` has."""
    return [
        {
            "isout": item.is_out, "isdir": item.is_dir, "isexec": item.is_exec, "size": item.size,
            "md5": None if item.digest is None else str(item.digest), "path": name,
        }
        for name, item in items
    ]  # fmt: skip


def as_text(ui: Ui, items: Iterable[Named], *, sizes: bool, hashes: bool) -> None:
    """One line for each, with columns for what is asked for."""
    paint = _Painter()
    rows = [(natural_size(item.size), str(item.digest or ""), paint(neutral(name), item)) for name, item in items]
    width = max((len(size) for size, _, _ in rows), default=0)
    hash_width = max((len(digest) for _, digest, _ in rows), default=0)
    lines = []
    for size, digest, name in rows:
        cells = ([size.rjust(width)] if sizes else []) + ([digest.ljust(hash_width)] if hashes else []) + [name]
        lines.append("  ".join(cells))
    ui.page("\n".join(lines), painted=True)


def tree(contents: Listing, item: Item, name: str, depth: int | None, *, outs_only: bool) -> Iterator[Named]:
    """An item and all below it down to `depth`, each name behind the lines of a tree."""
    yield name, item
    if item.is_dir and depth != 0:
        yield from _branches(contents, item.path, None if depth is None else depth - 1, "", outs_only=outs_only)


def _branches(contents: Listing, folder: str, depth: int | None, prefix: str, *, outs_only: bool) -> Iterator[Named]:
    items = list(contents.children(folder, outs_only=outs_only).values())
    for number, item in enumerate(items, 1):
        last = number == len(items)
        yield f"{prefix}{'└── ' if last else '├── '}{item.name}", item
        if item.is_dir and depth != 0:
            below = None if depth is None else depth - 1
            yield from _branches(contents, item.path, below, prefix + ("    " if last else "│   "), outs_only=outs_only)


def natural_size(size: int | None) -> str:
    """Bytes as 999, 1.50k, 2.00M; empty if not known."""
    if size is None:
        return ""
    if size < 1024:
        return str(size)
    value = float(size)
    for unit in "kMGTPE":
        value /= 1024
        if value < 1024 or unit == "E":
            break
    return f"{value:.2f}{unit}"


class _Painter:
    """Colours names on a terminal as `ls` does, from LS_COLORS; "out" there is the colour of outputs."""

    def __init__(self) -> None:
        self._codes: dict[str, str] = {}
        if sys.stdout.isatty() and "NO_COLOR" not in os.environ:
            pairs = (item.partition("=") for item in (os.environ.get("LS_COLORS") or _COLOURS).split(":"))
            self._codes = {kind: code for kind, equals, code in pairs if equals}

    def __call__(self, name: str, item: Item) -> str:
        kinds = [kind for kind, holds in (("out", item.is_out), ("di", item.is_dir), ("ex", item.is_exec)) if holds]
        kinds.append("*" + (posixpath.splitext(item.name)[1] or item.name))
        code = next((self._codes[kind] for kind in kinds if kind in self._codes), None)
        if code is None:
            return name
        shown = neutral(item.name) or "."
        return f"{name[: len(name) - len(shown)]}\033[{code}m{shown}\033[{self._codes.get('rs', '0')}m"
