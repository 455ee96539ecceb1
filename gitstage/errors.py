"""Every failure a user can meet: its exit code and the command that helps.

`git stage help exit-codes` prints `EXIT_CODES`; a test compares it with the classes.
"""

from __future__ import annotations

EXIT_CODES: dict[int, str] = {
    0: "success; for `status`, also when something differs (unless -q)",
    1: "the work was refused or could not be done; a check found something stale",
    2: "wrong usage: an unknown option, a missing argument",
    3: "a pipeline file (dvc.yaml, dvc.lock, *.dvc, a manifest or a params file) is invalid, or the graph is",
    4: "data is in neither the work tree nor the cache",
    5: "a stage's command failed, or did not make its outputs",
    6: "the configuration (.dvc/config*, gitstage.*) is invalid",
    7: "not inside a Git repository, or no project was initialised here",
    8: "another process holds the project or a path",
    9: "the operating system refused: permission, full disk, read-only file system",
    130: "interrupted by Ctrl-C",
}


class GitstageError(Exception):
    """The work could not be done. `hint` is the one line that helps, without a prefix."""

    exit_code = 1
    hint: str | None = None

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        if hint is not None:
            self.hint = hint


class UsageError(GitstageError):
    """The command line asks for something that cannot be meant."""

    exit_code = 2


class PipelineError(GitstageError):
    """A stage, target or graph that cannot be used as written."""

    exit_code = 3


class FormatError(PipelineError):
    """A file's text is not what its format demands. `line` counts from 1, None where the format has no lines."""

    def __init__(self, path: str, message: str, line: int | None = None, hint: str | None = None) -> None:
        self.path, self.message, self.line = path, message, line
        where = path if line is None else f"{path}:{line}"
        super().__init__(f"{where}: {message}", hint)


class CacheMiss(GitstageError):
    """Content that is recorded but in neither the work tree nor the cache."""

    exit_code = 4
    hint = "git stage pull"


class StageFailed(GitstageError):
    """A stage's command failed or its outputs are not there afterwards."""

    exit_code = 5


class ConfigError(GitstageError):
    """A configuration file or Git setting is invalid."""

    exit_code = 6


class NoProject(GitstageError):
    """No Git repository, or no project in it."""

    exit_code = 7
    hint = "git stage init"


class Busy(GitstageError):
    """Another live process holds the project, a path or Git's index."""

    exit_code = 8


class SystemFailure(GitstageError):
    """The operating system refused; made from an OSError at the outermost frame that knows the file."""

    exit_code = 9


class Interrupted(GitstageError):
    """Ctrl-C while a stage's command ran."""

    exit_code = 130
