"""Files that ship with the package and are not Python: the sh templates of the hooks and of the `git` dispatcher."""

from __future__ import annotations

import os
import re

_HERE = os.path.dirname(os.path.abspath(__file__))
_FOLDERS = (
    os.path.join(_HERE, "data", "hooks"),  # an installed wheel
    os.path.join(os.path.dirname(_HERE), "hooks"),  # a source checkout
)


def template(name: str) -> str:
    """The text of the sh template `name`, its `@PLACEHOLDERS@` still in it. FileNotFoundError if there is none."""
    for folder in _FOLDERS:
        path = os.path.join(folder, name)
        if os.path.isfile(path):
            with open(path, encoding="utf-8") as stream:
                return stream.read()
    raise FileNotFoundError(f"{name}: not shipped with this installation of gitstage")


def fill(text: str, values: dict[str, str]) -> str:
    """Put `values` in place of `@KEY@`, as they are. A key of the text that has no value is a KeyError."""
    return re.sub(r"@([A-Z]+)@", lambda found: values[found[1]], text)


def has_marker(path: str, marker: bytes, *, sure: bool = False) -> bool:
    """Was the file at `path` made from a template of ours? Its second line says so. `sure`: what cannot be read raises
    OSError; else it is none."""
    try:
        with open(path, "rb") as stream:
            stream.readline(1000)
            return stream.readline(1000).startswith(marker)
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return False
    except OSError:
        if sure:
            raise
        return False
