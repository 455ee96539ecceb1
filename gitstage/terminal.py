"""What is printed, made harmless: names and messages may come from a stranger, and URLs may hold secrets.

A control character could rewrite what the terminal shows, or make it type; a mark of the direction of writing could make
a name read as another. They are shown escaped, to a file or pipe as well. In the URLs of messages secrets become ***.
"""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Iterator

from gitstage.static import TextIO

_MARKS = (0x61C, 0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(0x20), *range(0x7F, 0xA0)) if code not in b"\t\n"} | {
    code: f"\\u{code:04x}" for code in _MARKS
}
_WEB = r"(\b(?i:https?|webdavs?)://)[^/\s'\"]*@"  # compiled when there is a URL, which is seldom
_LOGIN = r"(://[^/\s:@'\"]*):[^/\s'\"]*@"
_QUERY = r"([?&][\w-]*(?i:sig|signature|token|password|secret|credential|key)=)[^&\s'\"]+"


def neutral(text: str) -> str:
    """`text` with every character that a terminal acts on escaped, but for line feed and tab."""
    return text if text.isprintable() else text.translate(_ESCAPES)


def masked(text: str) -> str:
    """`text` without the secrets of the URLs in it. Who logs in to a web server may be one by itself (a token)."""
    if "://" not in text:
        return text
    if "@" in text:
        text = re.sub(_LOGIN, r"\1:***@", re.sub(_WEB, r"\1***@", text))
    return re.sub(_QUERY, r"\1***", text) if "=" in text else text


class _Guarded(io.TextIOWrapper):
    """Writes to the file of `original`, made harmless."""

    def __init__(self, original: io.TextIOWrapper) -> None:
        super().__init__(
            original.buffer, original.encoding, "backslashreplace",
            line_buffering=original.line_buffering, write_through=original.write_through,
        )  # fmt: skip
        self.original = original
        self.masks = True

    def write(self, text: str, /) -> int:
        return super().write(masked(neutral(text)) if self.masks else neutral(text))


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """As long as this lasts, all that is printed is made harmless; what the stream's encoding lacks is escaped, too."""
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = (_Guarded(s) if isinstance(s, io.TextIOWrapper) else s for s in before)
    try:
        yield
    finally:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, _Guarded):
                with contextlib.suppress(OSError, ValueError):
                    stream.detach()
        sys.stdout, sys.stderr = before


def raw(stream: TextIO) -> TextIO:
    """The stream itself, for colours and bars of our own, and for what a stage's command says. To be flushed after use."""
    if not isinstance(stream, _Guarded):
        return stream
    stream.flush()
    return stream.original


def show_secrets() -> None:
    """Print values as they are from here on: the user has asked for exactly them."""
    if isinstance(sys.stdout, _Guarded):
        sys.stdout.masks = False
