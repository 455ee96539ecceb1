"""Reading locks entry by entry gives what reading them whole gives, or falls back to that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gitstage import formats
from gitstage.errors import FormatError

HEAD = "schema: '2.0'\nstages:\n"
PLAIN = "  a:\n    cmd: x\n    outs:\n    - path: o\n      md5: 0123456789abcdef0123456789abcdef\n"


def outcome(read: Callable[[bytes, str], Any], text: str) -> Any:
    try:
        return read(text.encode(), "dvc.lock")
    except FormatError as error:
        return str(error)


@pytest.mark.parametrize(
    "text",
    [
        HEAD,
        HEAD + PLAIN,
        HEAD + PLAIN + PLAIN.replace("  a:", "  b:"),
        HEAD + PLAIN + PLAIN,
        HEAD + PLAIN + "\n" + PLAIN.replace("  a:", "  'b c':"),
        HEAD + "  a: &one\n    cmd: x\n  b: *one\n",
        HEAD + '  a:\n    cmd: "first\n  b:\n    cmd: second"\n',
        HEAD + "  a:\n    cmd: |\n      one\n\n      two\n  b:\n    cmd: x\n",
        HEAD + "  a:\n    cmd: x\ndatasets: []\n",
        HEAD + "  a:\n    cmd: x\n...\n",
        HEAD + "  a:\n    cmd: {x\n  b: 1}\n",
        HEAD + PLAIN + "...\n  b:\n    cmd: y\n",
        HEAD + "  # a comment\n" + PLAIN,
        HEAD + PLAIN + "  # a comment\n  b:\n    cmd: x\n",
        HEAD + "  a:\n    cmd: x\r\n  b:\n    cmd: y\r\n",
        HEAD + "  a:\n    cmd: x\u2028other: 1\n",
        HEAD + "  a: {cmd: x}\n  b: {cmd: [y, z]}\n",
        HEAD + "  a:\n    cmd: x\n    wrong: 1\n",
        HEAD + "  a:\n   cmd: x\n",
        HEAD + "   a:\n    cmd: x\n  b:\n    cmd: y\n",
        HEAD + "  ? a\n  : cmd: x\n",
        HEAD + "<<<<<<< ours\n" + PLAIN + "=======\n>>>>>>> theirs\n",
        HEAD + "  a:\n    cmd: x\n b:\n    cmd: y\n",
        "schema: '2.0'\n",
        "a:\n  cmd: x\n",
        "",
    ],
)
def test_lock_is_the_same_by_entry_and_whole(text: str) -> None:
    reader = formats.Reader()
    assert outcome(reader.lock, HEAD + PLAIN) == outcome(formats.parse_lock, HEAD + PLAIN)
    assert outcome(reader.lock, text) == outcome(formats.parse_lock, text)


def test_what_two_locks_have_in_common_is_the_same_object() -> None:
    reader = formats.Reader()
    first = reader.lock((HEAD + PLAIN + "  b:\n    cmd: y\n").encode(), "dvc.lock")
    second = reader.lock((HEAD + PLAIN + "  b:\n    cmd: z\n").encode(), "dvc.lock")
    assert first["stages"]["a"] is second["stages"]["a"]
    assert second["stages"]["b"] == {"cmd": "z"}
    assert reader.lock((HEAD + PLAIN).encode(), "dvc.lock") is reader.lock((HEAD + PLAIN).encode(), "dvc.lock")
