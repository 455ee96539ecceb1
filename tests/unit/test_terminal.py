"""What is printed is made harmless."""

from __future__ import annotations

import io
import sys

import pytest

from gitstage import terminal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ünï © \U0001f600\n\ta", "plain, ünï © \U0001f600\n\ta"),
        ("\x1b[31mred\x07", "\\x1b[31mred\\x07"),
        ("a\rb\x08\x7f", "a\\x0db\\x08\\x7f"),
        ("\x9b31m\x85", "\\x9b31m\\x85"),
        ("exe\u202egnp", "exe\\u202egnp"),
        ("\u2066x\u2069\u200e\u2028", "\\u2066x\\u2069\\u200e\\u2028"),
        ("", ""),
    ],
)
def test_what_a_terminal_acts_on_is_escaped(text: str, shown: str) -> None:
    assert terminal.neutral(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://u:p@h/x and http://t@h", "https://***@h/x and http://***@h"),
        ("ssh://git@h/x ssh://git:p@h:22/x", "ssh://git@h/x ssh://git:***@h:22/x"),
        ("s3://b/a@b:c webdavs://u:p%40@h", "s3://b/a@b:c webdavs://***@h"),
        ("https://h/x?a=b&sig=abc%2F&X-Amz-Signature=f&c=d", "https://h/x?a=b&sig=***&X-Amz-Signature=***&c=d"),
        ("https://u:p@ss@h/x@y ssh://u:p@ss:w@h:22/x", "https://***@h/x@y ssh://u:***@h:22/x"),
        ("mail a@b.c: x", "mail a@b.c: x"),
        ("git@h:x/y", "git@h:x/y"),
        ("'https://u:p@h'", "'https://***@h'"),
    ],
)
def test_secrets_of_urls_are_masked(text: str, shown: str) -> None:
    assert terminal.masked(text) == shown


def test_streams_are_guarded_as_long_as_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.TextIOWrapper(io.BytesIO(), "ascii", newline="\n")
    monkeypatch.setattr(sys, "stdout", file)
    with terminal.guarded():
        print("\x1b ü https://u:p@h")
        print("\x1b", file=terminal.raw(sys.stdout), flush=True)
        terminal.show_secrets()
        print("\x1b https://u:p@h")
        sys.stdout.flush()
    assert sys.stdout is file
    print("\x1b")
    file.flush()
    assert file.buffer.getvalue() == b"\\x1b \\xfc https://***@h\n\x1b\n\\x1b https://u:p@h\n\x1b\n"  # type: ignore[attr-defined]
