"""Writing *.dvc files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gitstage import formats
from gitstage.digest import Content, checksum
from gitstage.events import Event, LockWritten
from gitstage.formats.plain import in_old_order, plain_dvc
from gitstage.fs import atomic_write
from gitstage.pipeline import Output
from gitstage.project import Project
from gitstage.static import Any
from gitstage.store import data_entry

CONTENT_KEYS = frozenset(
    {"md5", "hash", "size", "nfiles", "isexec", "path", "etag", "checksum", "version_id", "files", "cloud"}
)
"""What says, in an output's entry, what its content is."""


def write_data_file(
    project: Project, path: str, outs: Sequence[tuple[Output, Content]], written: list[str]
) -> Iterator[Event]:
    """Create or update a `.dvc` file so that it records `outs`; annotations of an earlier version stay."""
    old = project.worktree.read(path)
    given = project.reader.dvc(old, path) if old is not None else {}
    earlier = {str(entry["path"]): entry for entry in given.get("outs") or ()}
    entries = []
    for out, content in outs:
        now = data_entry(out.spelled, content)
        annotations = {
            key: value
            for key, value in earlier.get(out.spelled, {}).items()
            if key not in CONTENT_KEYS and key not in now
        }
        entries.append({**now, **annotations})
    changed = {**_normalised(given), "outs": entries}
    if given.get("deps") and "md5" in given:
        changed["md5"] = checksum(changed)
    new = plain_dvc(in_old_order(given, changed)) if old is None or plain_dvc(given) == old else None
    if new is None:
        new = formats.dump_dvc(changed, old, path)
    if new != old:
        atomic_write(project.worktree.absolute(path), new)
    if new != old or project.config.autostage:  # an earlier command may have died before it staged it
        written.append(path)
    if new != old:
        yield LockWritten(path, path, is_new=old is None)
    agreed = {out.path: content.digest for out, content in outs if out.cache}
    project.remember_restored({**project.restored(), **agreed})


def _normalised(given: Mapping[str, Any]) -> dict[str, Any]:
    """The top of a `.dvc` file without what is derived or is the default."""
    kept = {key: value for key, value in given.items() if key not in ("outs", "md5", "locked", "frozen", "wdir")}
    if given.get("wdir", ".") != ".":
        kept["wdir"] = given["wdir"]
    if given.get("frozen", given.get("locked", False)):
        kept["frozen"] = True
    return kept
