"""Lines of .gitignore files that name one path: written, found again, and removed. Bytes in, bytes out."""

from __future__ import annotations


def ignore_line(name: bytes) -> bytes:
    """The pattern that matches exactly `name` in the folder of the .gitignore, without a line end.

    Ordinary names are escaped as DVC does (backslash before `\\ [ ] ! * # ?`). What DVC cannot write is written so
    that Git reads it right: trailing blanks, a line feed (as a class of it and its two neighbours), a trailing CR.
    """
    line = bytearray(b"/")
    for byte in name:
        if byte in b"\\[]!*#?":
            line += b"\\"
        line += b"[\t-\v]" if byte == 10 else bytes([byte])
    text = bytes(line)
    body = text.rstrip(b" ")
    text = body + b"\\ " * (len(text) - len(body))
    return text[:-1] + b"[\r]" if text.endswith(b"\r") else text


def own_lines(name: bytes) -> frozenset[bytes]:
    """Every spelling in which `name` may have been written, by us or by a version of DVC."""
    minimal = bytearray(b"/")
    for byte in name:
        minimal += b"\\" + bytes([byte]) if byte in b"\\[]!*#?" else bytes([byte])
    return frozenset({b"/" + name, bytes(minimal), ignore_line(name)})


def with_lines(data: bytes, lines: list[bytes]) -> bytes:
    """Append `lines` to a file's content, in its own style of line ends."""
    end = b"\r\n" if data.endswith(b"\r\n") or (b"\r\n" in data and not data.endswith(b"\n")) else b"\n"
    if data and not data.endswith(b"\n"):
        data += b"\n" if data.endswith(b"\r") else end  # Git reads a last CR as half of a line end
    return data + b"".join(line + end for line in lines)


def without_lines(data: bytes, lines: frozenset[bytes]) -> bytes:
    """Leave out every line that equals one of `lines` but for its line end."""
    kept = [line for line in data.split(b"\n") if line not in lines and line.removesuffix(b"\r") not in lines]
    return b"\n".join(kept)
