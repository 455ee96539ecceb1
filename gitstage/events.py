"""What happens while stages are brought up to date. `label` is the stage as the user sees it."""

from gitstage.errors import GitstageError
from gitstage.static import NamedTuple
from gitstage.status import Change


class Skipped(NamedTuple):
    """Up to date."""

    label: str
    is_data: bool = False


class Running(NamedTuple):
    """The stage is about to run; `why`: what made it run (empty: it was forced); `expected`: the seconds it took last
    time, if it ran before."""

    label: str
    why: tuple[Change, ...] = ()
    expected: float | None = None


class Executing(NamedTuple):
    """One command of the stage is about to start (or would, in a dry run)."""

    label: str
    command: str


class Ran(NamedTuple):
    """All commands of the stage ended well; what they made is about to be kept."""

    label: str
    seconds: float


class Said(NamedTuple):
    """A line that a command wrote, where several run at once."""

    label: str
    line: str
    is_error: bool


class Restored(NamedTuple):
    """The result is known from an earlier run; its outputs were taken from the cache."""

    label: str


class Pulling(NamedTuple):
    """The stage lacks nothing but data, which is brought from a remote."""

    label: str


class Verifying(NamedTuple):
    """A frozen stage or data file: what is there is recorded, nothing runs."""

    label: str
    what: str


class Defined(NamedTuple):
    """The stage was added to a dvc.yaml."""

    label: str
    path: str


class LockWritten(NamedTuple):
    """A lock or .dvc file was written."""

    label: str
    path: str
    is_new: bool = False


class Importing(NamedTuple):
    """Data from `source` is about to be copied to `path`."""

    label: str
    source: str
    path: str


class Warned(NamedTuple):
    """Something the user should know."""

    label: str
    message: str


class Failed(NamedTuple):
    """The stage could not be brought up to date; the run went on."""

    label: str
    error: GitstageError


Event = (
    Skipped
    | Running
    | Executing
    | Ran
    | Said
    | Restored
    | Pulling
    | Verifying
    | Defined
    | LockWritten
    | Importing
    | Warned
    | Failed
)
