"""dvc.yaml, dvc.lock and *.dvc: text to plain values and back, in the YAML that DVC 3 reads and writes.

`load` and `dump` know YAML and nothing of pipelines; `parse_*` read one kind of file and check it; `update_*` and
`dump_dvc` change a file that exists and leave what they need not touch. Every problem with a file is a FormatError
that names it and, where there is one, the line.
"""

from __future__ import annotations

import importlib

from gitstage.static import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gitstage.formats.edit import dump_dvc, update_lock, update_pipeline
    from gitstage.formats.read import line_of, load
    from gitstage.formats.reader import Reader
    from gitstage.formats.schema import parse_dvc, parse_lock, parse_pipeline
    from gitstage.formats.write import dump

MAX_SIZE = 64 << 20
"""Bytes of a file of structured values; beyond any honest one, and a bound on the time and memory that one costs."""

_WHERE = {
    "Reader": "reader",
    "dump": "write",
    "dump_dvc": "edit",
    "line_of": "read",
    "load": "read",
    "parse_dvc": "schema",
    "parse_lock": "schema",
    "parse_pipeline": "schema",
    "rewrite_pipeline": "edit",
    "update_lock": "edit",
    "update_pipeline": "edit",
}
__all__ = [
    "Reader", "dump", "dump_dvc", "line_of", "load", "parse_dvc", "parse_lock", "parse_pipeline",
    "update_lock", "update_pipeline",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Imported when it is first asked for: a command may know what the files hold without reading YAML."""
    if name not in _WHERE:
        raise AttributeError(name)
    found = getattr(importlib.import_module(f"gitstage.formats.{_WHERE[name]}"), name)
    globals()[name] = found
    return found
