"""`git stage list-url`: another name for `ls-url`."""

from __future__ import annotations

from gitstage.commands.ls_url import command

__all__ = ["command"]
