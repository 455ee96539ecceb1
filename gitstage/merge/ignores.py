""".gitignore by lines; where both sides added or removed outputs at one place, all of them count."""

from __future__ import annotations

from gitstage.git.textmerge import merge_texts
from gitstage.merge import markers
from gitstage.merge.outcome import Cannot, Merged, Options

_SIZE = 60  # of markers that no line of an honest file looks like


def merge(path: str, base: bytes | None, ours: bytes, theirs: bytes, options: Options) -> Merged:
    """Merge three versions of the .gitignore at `path`. Raises Cannot if other lines than those of outputs clash."""
    text, is_clean = merge_texts(base or b"", ours, theirs, marker_size=_SIZE, with_base=True)
    if is_clean:
        return Merged(text)
    parts = markers.split(text.decode("utf-8", "surrogateescape"), _SIZE)
    if parts is None:
        raise Cannot(f"{path}: cannot be merged line by line")
    merged = "".join(part if isinstance(part, str) else _outputs(path, part) for part in parts)
    return Merged(merged.encode("utf-8", "surrogateescape"))


def _outputs(path: str, hunk: markers.Hunk) -> str:
    """The lines of a hunk, each of which is one output's: ours but those that they removed, then what they added."""
    base, ours, theirs = ((side or "").splitlines(keepends=True) for side in (hunk.base, hunk.ours, hunk.theirs))
    changed = (set(base) ^ set(ours)) | (set(base) ^ set(theirs))
    if not all(_is_output(line) for line in changed):
        raise Cannot(f"{path}: both sides changed more than lines of outputs")
    kept = [line for line in ours if line not in base or line in theirs]
    return "".join(_ended(kept) + [line for line in theirs if line not in base and line not in ours])


def _is_output(line: str) -> bool:
    """Is it a line such as `add` and `run` write: one path, nothing that stands for several?"""
    name = line.rstrip("\r\n")
    return name.startswith("/") and not any(
        c in name.replace("\\*", "").replace("\\?", "").replace("\\[", "") for c in "*?["
    )


def _ended(lines: list[str]) -> list[str]:
    return [line if line.endswith("\n") else line + "\n" for line in lines]
