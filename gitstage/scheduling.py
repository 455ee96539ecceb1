"""What stages need beside their inputs: a share of something scarce, as their `meta` says.

    meta:
      gitstage:
        resources: {gpu: 1}     # how much of it the stage needs while it runs
        mutex: database         # no other stage that names it runs meanwhile; a list names several

There is 1 of each resource, or what `gitstage.resources.NAME` in the Git configuration says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gitstage.errors import ConfigError, FormatError, PipelineError
from gitstage.pipeline import Stage
from gitstage.project import Project
from gitstage.static import Any


class Resources:
    """What is left of each resource. Raises PipelineError for a stage that needs more than there is."""

    def __init__(self, project: Project, stages: Sequence[Stage]) -> None:
        self._needs = {stage: _needs(stage) for stage in stages}
        settings = project.repo.settings() if project.repo is not None else {}
        names = {name for needs in self._needs.values() for name, _ in needs}
        self._left = {name: _amount(settings, name) for name in names}
        for stage, needs in self._needs.items():
            for name, amount in needs:
                if amount > self._left[name]:
                    raise PipelineError(
                        f"{stage.file}: stage '{stage.label(project.cwd)}' needs {amount} of {name}, of which there is "
                        f"{self._left[name]}",
                        f"git config gitstage.resources.{name} {amount}",
                    )

    def take(self, stage: Stage) -> bool:
        """Take what a stage needs, if all of it is there."""
        needs = self._needs[stage]
        if any(amount > self._left[name] for name, amount in needs):
            return False
        for name, amount in needs:
            self._left[name] -= amount
        return True

    def give_back(self, stage: Stage) -> None:
        for name, amount in self._needs[stage]:
            self._left[name] += amount


def _needs(stage: Stage) -> list[tuple[str, int]]:
    meta = stage.definition.get("meta")
    asked = meta.get("gitstage") if isinstance(meta, Mapping) else None
    if asked is None:
        return []
    where = f"stage '{stage.name}': meta: gitstage"
    if not isinstance(asked, Mapping) or not asked.keys() <= {"resources", "mutex"}:
        raise FormatError(stage.file, f"{where}: not a mapping of `resources` and `mutex`")
    resources, mutex = asked.get("resources") or {}, asked.get("mutex") or []
    names = [mutex] if isinstance(mutex, str) else mutex
    if not isinstance(resources, Mapping) or not all(_is_amount(amount) for amount in resources.values()):
        raise FormatError(stage.file, f"{where}: resources: not a mapping of names to whole numbers")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise FormatError(stage.file, f"{where}: mutex: not a name or a list of names")
    return [*((str(name).lower(), amount) for name, amount in resources.items()), *((f"mutex {n}", 1) for n in names)]


def _is_amount(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _amount(settings: Mapping[str, str], name: str) -> int:
    value = settings.get(f"resources.{name}", "1")
    if not value.isascii() or not value.isdigit():
        raise ConfigError(f"gitstage.resources.{name}: {value!r} is not a whole number")
    return int(value)
