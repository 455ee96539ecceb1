"""Does a staged path concern a stage? Most commits do not concern us, and are let through from here.

What the stages of an index read and write is noted in Git's folder of the work tree, so that the hooks' shell part
(staged.sh, which knows the same rules) answers for most commits without starting Python:

    relevant.index    `git ls-files -s` of the files that the note was made from
    relevant.sources  those of them that only this pipeline reads, one path a line
    relevant          the paths, "." for the top; and the folders above them, with "/" at the end
"""

from __future__ import annotations

import contextlib
import os
import posixpath
from collections.abc import Collection, Iterable, Sequence

from gitstage.git import Repo
from gitstage.git.program import parents
from gitstage.hooks import notes

_DEFINITIONS = ("*.dvc", "*dvc.yaml", "*.dvc/config", "*.dvcignore")
_NAMES = frozenset({"dvc.yaml", "dvc.lock", ".dvcignore", ".gitattributes"})
_QUOTED = frozenset('"\\\x7f').union(map(chr, range(32)))  # Git quotes a name with one of these in every case
_HOPS = 10  # symlinks behind symlinks


def concerns(repo: Repo, staged: Collection[str]) -> bool:
    """Is any of the `staged` paths (relative to the top) a pipeline file, or anything that a stage reads or writes?"""
    if any(_is_pipeline_file(path) for path in staged):
        return True
    known = _noted(repo) if all(map(_is_plain, staged)) else None
    if known is None:
        paths, sources = _relevant_paths(repo)
        known = {path or "." for path in paths}
        known.update(f"{folder}/" for path in paths for folder in parents(posixpath.dirname(path)))
        _note(repo, known, sources)
    return "." in known or any(f"{path}/" in known or not known.isdisjoint(parents(path)) for path in staged)


def _is_pipeline_file(path: str) -> bool:
    name = posixpath.basename(path)
    return name in _NAMES or name.endswith(".dvc") or f"/{path}".endswith("/.dvc/config")


def _noted(repo: Repo) -> set[str] | None:
    """The note, if it is about this index."""
    read = []
    try:
        for name in ("relevant.index", "relevant.sources", "relevant"):
            with open(os.path.join(repo.worktree_state_dir, name), "rb") as stream:
                read.append(stream.read())
    except OSError:
        return None
    index, sources, paths = read
    if index != _listing(repo, os.fsdecode(sources).split("\n")[:-1]):
        return None
    return set(os.fsdecode(paths).split("\n")[:-1])


def _listing(repo: Repo, sources: Sequence[str]) -> bytes:
    return repo.git("ls-files", "-s", "--", *_DEFINITIONS, *(f":(literal){path}" for path in sources))


def _note(repo: Repo, known: Iterable[str], sources: Sequence[str]) -> None:
    """Paths that Git would quote are left out: about one that is staged the note is not asked."""
    if any(not _is_plain(path) for path in sources):
        return
    lines = {
        "relevant": [path for path in sorted(known) if _is_plain(path)],
        "relevant.sources": sources,
    }
    texts = {name: os.fsencode("".join(f"{path}\n" for path in paths)) for name, paths in lines.items()}
    notes.write(repo, {**texts, "relevant.index": _listing(repo, sources)})


def _is_plain(path: str) -> bool:
    return _QUOTED.isdisjoint(path)


def _relevant_paths(repo: Repo) -> tuple[set[str], list[str]]:
    """All that the stages of the index read or write, relative to the top; and what decides which paths these are."""
    from gitstage.verdict import current

    found: set[str] = set()
    sources: set[str] = set()
    for project in current.projects(repo):
        with contextlib.closing(project):
            pipeline = project.loader().load(repo.index(project.prefix, project.memo))
            for stage in pipeline.stages:
                paths = [d.path for d in stage.deps] + [p.path for p in stage.params] + [o.path for o in stage.outs]
                found.update(project.in_repo(path) for path in paths if not path.startswith("/"))
            sources.update(project.in_repo(path) for path in pipeline.sources)
    found = {"" if path == "." else path for path in found | sources if not path.startswith("../")}
    sources = {path for path in sources if path in found}
    for _ in range(_HOPS):
        new = {path: target for path, target in _links(repo, found).items() if path not in sources}
        if not new:
            break
        sources.update(new)
        found.update(new, new.values())
    return found, sorted(sources)


def _links(repo: Repo, paths: Collection[str]) -> dict[str, str]:
    """Symlinks of the index at, below or above one of `paths` -> where they lead to, if that is in the work tree."""
    above = {folder for path in paths for folder in parents(path)}
    found = {}
    for record in repo.git("ls-files", "-s", "-z").split(b"\0"):
        if not record.startswith(b"120000 "):
            continue
        head, _, name = record.partition(b"\t")
        path = os.fsdecode(name)
        if path in above or "" in paths or any(part in paths for part in parents(path)):
            to = os.fsdecode(repo.git("cat-file", "blob", head.split()[1].decode()))
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), to))
            if not target.startswith(("/", "..")):
                found[path] = "" if target == "." else target
    return found
