"""Three-way merges of the pipeline files by what they say, not by their lines: dvc.lock and dvc.yaml by stage, *.dvc files
by output and, of a directory, by file.

`merge` is what Git's merge driver and `git stage resolve` call. Nothing here writes to the work tree.
"""

from gitstage.merge.files import MERGED, is_merged, merge
from gitstage.merge.outcome import Cannot, Merged, Note, Options

__all__ = ["MERGED", "Cannot", "Merged", "Note", "Options", "is_merged", "merge"]
