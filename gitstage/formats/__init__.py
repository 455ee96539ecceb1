"""dvc.yaml, dvc.lock and *.dvc: text to plain values and back, in the YAML that DVC 3 reads and writes.

`load` and `dump` know YAML and nothing of pipelines; `parse_*` read one kind of file and check it; `update_*` and
`dump_dvc` change a file that exists and leave what they need not touch. Every problem with a file is a FormatError
that names it and, where there is one, the line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gitstage.formats.read import line_of, load
from gitstage.formats.schema import parse_dvc, parse_lock, parse_pipeline

if TYPE_CHECKING:
    from gitstage.formats.edit import dump_dvc, update_lock, update_pipeline
    from gitstage.formats.reader import Reader
    from gitstage.formats.write import dump

__all__ = [
    "Reader", "dump", "dump_dvc", "line_of", "load", "parse_dvc", "parse_lock", "parse_pipeline",
    "update_lock", "update_pipeline",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """What most commands do not need, above all writing, is imported when it is first asked for."""
    if name not in __all__:
        raise AttributeError(name)
    if name == "Reader":
        from gitstage.formats.reader import Reader

        return Reader
    from gitstage.formats import edit, write

    return getattr(write if name == "dump" else edit, name)
