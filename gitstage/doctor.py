"""Whether an installation does what its user thinks it does, and the command that mends what does not.

Each check looks at one thing and yields what it found; a new one is a function in `CHECKS`. None asks a network, and none
changes anything.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gitstage import __version__, shim
from gitstage.errors import GitstageError
from gitstage.git import Repo, git_version
from gitstage.hooks import confighooks, driver, husky, installer, managers
from gitstage.hooks.installer import DEAD, FILE, IN_CONFIG, LEFT, UNDER_HUSKY, Place
from gitstage.project import Project, find_root

OK, NOTE, WRONG = "ok", "note", "wrong"
"""Levels of a finding: as it should be; worth knowing; not doing what it should."""

_OLDEST_GIT = (2, 31)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found. `mend`: the command that changes it, None if there is nothing to change."""

    check: str
    level: str
    text: str
    mend: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """What is examined. `repo` and `project` are None outside of one. `verbs`: what the dispatcher must know;
    `programs`: the folder of our commands."""

    repo: Repo | None
    project: Project | None
    verbs: Sequence[str]
    programs: str


_Told = Iterator[tuple[str, str, str | None]]


def examine(verbs: Sequence[str], programs: str) -> list[Finding]:
    """What every check finds in the current folder. `verbs`, `programs`: see Subject."""
    repo: Repo | None = None
    project: Project | None = None
    findings: list[Finding] = []
    try:
        repo = Repo.discover(os.getcwd())
        if find_root(os.getcwd()) is not None:
            project = Project.open()
    except GitstageError as error:
        findings.append(Finding("project", WRONG, str(error), error.hint))
    try:
        return run_checks(Subject(repo, project, verbs, programs)) + findings
    finally:
        if project is not None:
            project.close()


def run_checks(subject: Subject) -> list[Finding]:
    """What the checks find, in their order. A check that fails is a finding itself."""
    findings = []
    for name, check in CHECKS.items():
        try:
            findings += [Finding(name, *found) for found in check(subject)]
        except GitstageError as error:
            findings.append(Finding(name, WRONG, str(error), error.hint))
        except OSError as error:
            findings.append(Finding(name, WRONG, f"{error.filename}: {error.strerror}"))
    return findings


def _programs(subject: Subject) -> _Told:
    git = git_version()
    python = ".".join(map(str, sys.version_info[:3]))
    yield OK, f"gitstage {__version__}, Python {python}, Git {_dotted(git)}", None
    if git < _OLDEST_GIT:
        yield WRONG, f"Git {_dotted(git)} is too old", f"install Git {_dotted(_OLDEST_GIT)} or later"
    if shutil.which("git-gitstage") is None:
        text = "git-gitstage is not on PATH: `git gitstage` does not work, nor does a hook whose Python is gone"
        yield NOTE, text, f'export PATH="$PATH:{subject.programs}"'
    if os.environ.get("GITSTAGE_HOOKS") == "0":
        yield WRONG, "GITSTAGE_HOOKS=0 in the environment switches the hooks off", "unset GITSTAGE_HOOKS"


def _dispatcher(subject: Subject) -> _Told:
    found = shim.find([subject.programs])
    if found is None:
        text = "not installed: `git stage VERB` is Git's own `git add VERB` (git-stage VERB and git gitstage VERB work)"
        yield NOTE, text, "git-stage shim install"
        return
    folder = os.path.dirname(found)
    first = shim.first_git()
    if not shim.is_current(found, subject.verbs):
        yield (
            WRONG,
            f"{found} is of another version: it does not hand over the same verbs",
            f"git-stage shim install --dir {shlex.quote(folder)}",
        )
    if first is None or os.path.realpath(first) != os.path.realpath(found):
        text = f"{found} is not what `git` starts: {first or 'nothing'} comes first on PATH"
        yield WRONG, text, f'export PATH="{folder}:$PATH"'
    else:
        yield OK, f"{found} hands over to {shim.real_git([folder])}", None


def _folder(subject: Subject) -> _Told:
    """Does Git look for hooks where ours are?"""
    repo = subject.repo
    if repo is None:
        return
    folder, default = installer.current_folder(repo), os.path.join(repo.common_dir, "hooks")
    scope, value = installer.hooks_path(repo)
    if value is None:
        yield OK, f"Git takes hooks from {folder}", None
    elif managers.husky_folder(folder) is not None:
        yield OK, f"husky runs the hooks: core.hooksPath is {value}", None
    else:
        yield OK, f"Git takes hooks from {folder}: core.hooksPath is {value} in the {scope} configuration", None
    if os.path.realpath(folder) != os.path.realpath(default):
        hidden = [hook.name for hook in installer.HOOKS if installer.is_ours(os.path.join(default, hook.name))]
        if hidden:
            everybody = scope in ("global", "system")
            yield (
                WRONG,
                f"core.hooksPath ({scope}) hides the hooks in {default}: {', '.join(hidden)}",
                "git stage uninstall && git stage install" + (" --global" if everybody else ""),
            )
    if value and not os.path.isabs(os.path.expanduser(value)) and installer.installed(repo):
        for place in repo.worktrees():
            if not os.path.isdir(os.path.join(place, value)):
                mend = "npx husky" if managers.husky_folder(folder) else "git gitstage install"
                yield (
                    WRONG,
                    f"Git runs no hooks in {place}: the folder {value} (core.hooksPath) is not there",
                    f"(cd {shlex.quote(place)} && {mend})",
                )


def _hooks(subject: Subject) -> _Told:
    """Are all of them there, of this version, and run?"""
    repo = subject.repo
    if repo is None:
        yield NOTE, "not inside a Git repository", "git init"
        return
    places = installer.locate(repo)
    if not places:
        yield NOTE, "not installed: a stale commit is not refused, and data does not follow Git", "git stage install"
        return
    dead = [place for place in places.values() if place.how == DEAD]
    if dead:
        names = ", ".join(place.hook.name for place in dead)
        yield WRONG, f"another program moved ours away, and does not run them: {names}", "git stage install"
    missing = [hook.name for hook in installer.HOOKS if hook.name not in places]
    if missing and all(place.how == LEFT for place in places.values()):
        yield NOTE, f"not run by the manager that runs the others: {', '.join(missing)}", "git stage install"
    elif missing:
        yield WRONG, f"missing, though others are installed: {', '.join(missing)}", "git stage install"
    old = [place.hook.name for place in places.values() if not _is_current(place)]
    if old:
        yield WRONG, f"of another version: {', '.join(old)}", _again(places)
    in_config = [place.hook.name for place in places.values() if place.how == IN_CONFIG]
    if in_config and git_version() < confighooks.NEEDED:
        text = f"named in the Git configuration, which Git {_dotted(git_version())} does not look at: "
        yield WRONG, text + ", ".join(in_config), "git stage install"
    working = [place for place in places.values() if place.how != DEAD]
    if len(working) == len(installer.HOOKS) and not old:
        how = {FILE: "files", UNDER_HUSKY: "husky", IN_CONFIG: "the Git configuration"}
        ways = dict.fromkeys(how.get(place.how, "a manager's configuration") for place in working)
        yield OK, f"all {len(working)} are installed, by {' and '.join(ways)}", None


def _again(places: dict[str, Place]) -> str:
    in_data = any(place.how == IN_CONFIG and "/.git/" not in place.path for place in places.values())
    return "git stage install --global" if in_data else "git stage install"


def _is_current(place: Place) -> bool:
    if place.how == UNDER_HUSKY and not husky.is_current(place.path, place.hook):
        return False
    if place.file is None:
        return True
    text = husky.read(place.file)
    if text is None:  # then git-gitstage is started
        return True
    return text == os.fsencode(installer.hook_text(place.hook, _python_of(place.file) or ""))


def _python_of(file: str) -> str | None:
    """The interpreter that a hook file of ours starts."""
    found = re.search(rb"^python=(.*)$", husky.read(file) or b"", re.M)
    return "".join(shlex.split(os.fsdecode(found[1]))) if found else None


def _reached(subject: Subject) -> _Told:
    """Can the hooks be started, and do they reach this program?"""
    if subject.repo is None:
        return
    pythons: dict[str, list[str]] = {}
    for place in installer.locate(subject.repo).values():
        if place.how == FILE:
            yield from _executable(place)
        python = _python_of(place.file) if place.file is not None else None
        if python is not None:
            pythons.setdefault(python, []).append(place.hook.name)
    for python, names in pythons.items():
        version = __version__ if python == sys.executable else _version_of(python)
        if version == __version__:
            yield OK, f"the hooks start {python}", None
        elif version is not None:
            text = f"{', '.join(names)}: {python} has gitstage {version}, this is {__version__}"
            yield WRONG, text, "git stage install"
        else:
            instead = shutil.which("git-gitstage")
            text = f"{', '.join(names)}: {python} is gone, or has no gitstage"
            text += f"; {instead} is started instead" if instead else ", so nothing is checked or restored"
            yield NOTE if instead else WRONG, text, "git stage install"


def _executable(place: Place) -> _Told:
    if not os.stat(place.path).st_mode & stat.S_IXUSR:
        yield WRONG, f"{place.path} has no x bit, so Git does not run it", "git stage install"
    elif os.statvfs(place.path).f_flag & getattr(os, "ST_NOEXEC", 0):
        folder = os.path.dirname(place.path)
        if git_version() >= confighooks.NEEDED:
            mend = "git stage install --config-hooks"
        else:
            mend = "git config core.hooksPath DIR && git stage install   # DIR on another file system"
        yield WRONG, f"the file system of {folder} runs no programs (noexec): {place.hook.name}", mend


def _version_of(python: str) -> str | None:
    """The version of gitstage that an interpreter has."""
    code = "import sys; sys.path[:] = filter(None, sys.path); import gitstage; print(gitstage.__version__)"
    try:
        done = subprocess.run([python, "-c", code], cwd=os.sep, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _others(subject: Subject) -> _Told:
    """Who else has hooks here?"""
    if subject.repo is None:
        return
    folder = installer.current_folder(subject.repo)
    places = installer.locate(subject.repo)
    before: dict[str, list[str]] = {}
    of_dvc = []
    for hook in installer.HOOKS:
        path = os.path.join(folder, hook.name)
        previous = path + installer.PREVIOUS
        is_chained = hook.name in places and os.path.lexists(previous)
        other = previous if is_chained else path
        manager = managers.of_hook(other) if not installer.is_ours(other) else None
        if is_chained:
            before.setdefault(manager or "a hook that was there before", []).append(hook.name)
        if manager == managers.DVC:
            of_dvc.append(other)
        if is_chained and subject.repo.top and managers.configured(subject.repo.top, manager, hook.name):
            yield WRONG, f"{hook.name}: ours runs twice, also by the configuration of {manager}", "git stage install"
    for who, names in before.items():
        yield OK, f"{who} runs before ours: {', '.join(names)}", None
    if of_dvc and places:
        text = "DVC's own hooks run, too, and do the same work once more, at DVC's pace"
        yield NOTE, text, f"rm {shlex.join(of_dvc)}"


def _merges(subject: Subject) -> _Told:
    """Git asks the driver that attributes name; a section of the configuration without a command stops every merge."""
    repo = subject.repo
    if repo is None or repo.top is None:
        return
    keys = repo.git("config", "--name-only", "--get-regexp", r"^merge\.gitstage\.", check=False).split()
    if keys and b"merge.gitstage.driver" not in keys:
        text = "merge.gitstage is configured without a driver, so that Git refuses to merge dvc.lock at all"
        yield WRONG, text, "git stage install"
        return
    places = installer.locate(repo)
    if not driver.is_installed(repo):
        if places or keys:
            yield NOTE, "the merge driver is not configured: dvc.lock is merged as text", "git stage install"
        return
    if not repo.git("check-attr", "merge", "--", "dvc.lock").strip().endswith(b": gitstage"):
        yield NOTE, "an attribute gives dvc.lock to another merge driver", "git check-attr -a dvc.lock"
        return
    command = os.fsdecode(repo.git("config", "--get", "merge.gitstage.driver")).removesuffix("\n")
    pythons = {sys.executable, *(_python_of(place.file) or "" for place in places.values() if place.file)}
    if any(driver.settings(python)["merge.gitstage.driver"] == command for python in pythons):
        yield OK, "dvc.lock, dvc.yaml and *.dvc are merged stage by stage", None
    else:
        yield NOTE, "the merge driver is of another version than the hooks", "git stage install"


def _cache(subject: Subject) -> _Told:
    project = subject.project
    if project is None:
        if subject.repo is not None:
            yield NOTE, "there is no project here", "git stage init"
        return
    folder = project.cache_dir
    if "://" in folder:
        yield WRONG, f"{folder} is no folder", "git config -f .dvc/config --unset cache.dir"
        return
    existing = folder
    while not os.path.exists(existing):
        existing = os.path.dirname(existing)
    if not os.path.isdir(existing):
        yield WRONG, f"{existing} is no folder", f"mv {shlex.quote(existing)} {shlex.quote(existing)}.old"
        return
    if not os.access(existing, os.W_OK | os.X_OK):
        yield WRONG, f"{existing} cannot be written by you", f"chmod u+rwx {shlex.quote(existing)}"
        return
    if os.stat(existing).st_dev != os.stat(project.root).st_dev:
        yield NOTE, f"{folder} is on another file system than the work tree, so that every file is copied", None
    working = project.cache.working_types() if existing == folder else ["copy"]
    wanted = project.config.cache_types
    used = next((kind for kind in wanted if kind in working), None)
    if used is None:
        text = f"none of cache.type ({', '.join(wanted)}) works between {folder} and the work tree"
        yield WRONG, text, f"git config -f {shlex.quote(os.path.join(project.dvc_dir, 'config'))} cache.type copy"
    elif existing == folder:
        yield OK, f"{folder}: files are restored by {used}; what works here: {', '.join(working)}", None
    else:
        yield OK, f"{folder}: is empty so far", None
    if existing == folder and project.repo is not None and project.repo.top is not None:
        below = os.path.relpath(os.path.realpath(folder), project.repo.top)
        if not below.startswith("..") and project.repo.ignored([below]):
            text = "`git clean -fdx` would delete the cache, and with it data that no remote has"
            yield NOTE, text, f"git clean -fdx -e {shlex.quote(below)}"


def _settings(subject: Subject) -> _Told:
    if subject.repo is None:
        return
    verify = subject.repo.settings().get("verify", "block")
    if verify != "block":
        yield NOTE, f"gitstage.verify is {verify}", "git config gitstage.verify block"
    if not subject.repo.setting_bool("followResets", True):
        text = "gitstage.followResets is false: data does not follow reset, stash and aborts"
        yield NOTE, text, "git config gitstage.followResets true"


CHECKS: dict[str, Callable[[Subject], _Told]] = {
    "program": _programs,
    "dispatcher": _dispatcher,
    "hooks folder": _folder,
    "hooks": _hooks,
    "hook start": _reached,
    "other hooks": _others,
    "merge driver": _merges,
    "cache": _cache,
    "settings": _settings,
}


def _dotted(version: Sequence[int]) -> str:
    return ".".join(map(str, version))
