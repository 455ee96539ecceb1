"""States of the project's files, all answering the same questions; the work tree is the one on disk."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from gitstage.digest import Digest


class Tree(Protocol):
    """A state of the project's files: work tree, index, commit, or what the lock records.

    Paths are "/"-separated and relative to the project's root (the folder that holds `.dvc`); they may start
    with "../" or be absolute where a pipeline names a file outside it. Absent is a missing key or None.
    """

    label: str
    """For messages, such as "the index"; no caller asks which kind of tree it has."""

    def read(self, path: str) -> bytes | None:
        """A file's bytes, as they would lie in the work tree; None if it is absent or a directory."""

    def pipeline_files(self) -> list[str]:
        """Paths of every `dvc.yaml` and `*.dvc` of this project, sorted; ignored ones and sub-projects' left out."""

    def listing(self, path: str, *, legacy: bool = False) -> Mapping[str, Digest] | None:
        """All files below directory `path` (relative to it) with their digests; None if it is no directory."""

    def digests(self, paths: Collection[str], *, legacy: bool = False) -> Mapping[str, Digest]:
        """Digests of files, and of directories by manifest; absent paths are left out."""
