"""Who is asked whether the outputs' data exists: the cache, or a remote."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence

from gitstage.digest import Digest
from gitstage.errors import ConfigError, UsageError
from gitstage.pipeline import Stage
from gitstage.project import Project
from gitstage.static import TYPE_CHECKING
from gitstage.status import Holder

if TYPE_CHECKING:
    from gitstage.remote import Remote

Holders = Callable[[Project, Sequence[Stage]], tuple[Holder, str] | None]
"""What to ask for the data of a project's stages, and where that keeps it ("in the cache"); None: there is nothing."""


def in_cache(project: Project, stages: Sequence[Stage]) -> tuple[Holder, str] | None:
    """The cache is asked, unless there is none because nobody works here."""
    is_bare = project.repo is not None and project.repo.top is None
    return None if is_bare and not os.path.isdir(project.cache_dir) else (project.cache, "in the cache")


class InRemote:
    """A remote is asked: the one called `name` (default: the project's default), of an output the one that it names.

    To be called as `Holders` says, with all stages that will be looked at, so that the remote is asked once for them.
    """

    def __init__(self, name: str | None) -> None:
        self._name = name
        self._remotes: dict[tuple[str, str | None], Remote] = {}
        self._projects: dict[str, Project] = {}
        self._absent: dict[Digest, bool] = {}
        self.unlisted: set[Digest] = set()
        """Directories whose list of files is not here: of them only the list was asked for."""

    def close(self) -> None:
        for remote in self._remotes.values():
            remote.close()
        for project in self._projects.values():
            project.close()

    def __call__(self, project: Project, stages: Sequence[Stage]) -> tuple[Holder, str]:
        wanted: dict[str | None, set[Digest]] = {self._name: set()}
        for stage in stages:
            for out in stage.outs:
                digest = stage.recorded(out)
                if digest is not None and out.cache and out.push and digest not in self._absent:
                    wanted.setdefault(out.remote or self._name, set()).add(digest)
        for name, digests in wanted.items():
            key = (project.root, name)
            if key not in self._remotes:
                self._remotes[key] = self._remote(project, name)
            missing = self._remotes[key].missing(digests, check=True) if digests else set()
            self._absent.update((digest, digest in missing) for digest in digests)
            self.unlisted |= {one for one in digests if one.is_dir and project.cache.manifest(one) is None}
        return self, f"on the remote {self._remotes[project.root, self._name].name}"

    def _remote(self, project: Project, name: str | None) -> Remote:
        """As it is configured now: an old commit may know another one, or none. Raises UsageError if there is none."""
        if project.prefix not in self._projects:
            self._projects[project.prefix] = _as_it_is_now(project)
        try:
            return self._projects[project.prefix].remote(name)
        except ConfigError as error:
            raise UsageError(str(error), error.hint) from None

    def lacks(self, digest: Digest) -> Collection[Digest]:
        return [digest] if self._absent.get(digest) else []


def _as_it_is_now(project: Project) -> Project:
    """The same project as the work tree has it or, without one, the commit that HEAD names."""
    repo = project.repo
    assert repo is not None
    if repo.top is not None and os.path.isdir(project.dvc_dir):
        return Project(project.root, "", repo)
    config = repo.commit("HEAD", project.prefix, project.memo).read(".dvc/config") if repo.head() else None
    return Project.of_tree(repo, project.prefix, config or b"")
