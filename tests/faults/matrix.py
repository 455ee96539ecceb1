"""The fault matrix: every verb that changes anything, struck by every fault at every file-system call.

    python tests/faults/matrix.py [--at MOST] [--fault NAME]... [--folder DIR] [WORD]...

plays the scenarios whose name has one of the words and prints how many cases were tried, and each violation.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import stat
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from fault_scenarios import SCENARIOS, Scenario, base
from forked import Forked, Said
from injector import FAULTS, Fault, Injector
from played import emptied
from support import Repo, kill_group, md5, picture, sealed_environment

from gitstage.errors import EXIT_CODES

MODULES = (
    "gitstage.commands.import_ gitstage.commands.import_url gitstage.commands.update gitstage.commands.push "
    "gitstage.commands.pull gitstage.commands.fetch gitstage.commands.cache gitstage.commands.remote "
    "gitstage.commands.config gitstage.commands.move gitstage.commands.remove gitstage.commands.install "
    "gitstage.commands.uninstall gitstage.commands.checkout gitstage.commands.commit gitstage.commands.run "
    "gitstage.commands.resolve gitstage.commands.unprotect gitstage.commands.get gitstage.commands.get_url "
    "gitstage.merge gitstage.hooks.installer gitstage.remote gitstage.imports gitstage.sync gitstage.collect fsspec "
    "ruamel.yaml"
)
OWN_STATE = (
    r"(memo|pushed)\.db(-wal|-shm|-journal)?|outputs\.json|folders-made|boot|checked|judged|stamp(\.index)?"
    r"|(clones|runs|hooks|unresolved)(/.*)?"
)
TMP = re.compile(r"btime|lock|rwlock|rwlock\.lock|gitstage|gitstage/(kept|corrupt|undo)(/.*)?")
ALLOWED = {
    "repo/.dvc/tmp": TMP,
    "repo/sub/.dvc/tmp": TMP,
    "repo/.git/gitstage": re.compile(OWN_STATE),
}
"""What may stay there, relative to each."""
SKIPPED = ("repo/.git", "origin/.git", "repo/.dvc/tmp", "origin/.dvc/tmp", "repo/sub/.dvc/tmp")
HALF_SENT = re.compile(r"store/(.*/)?\.[0-9a-f]+\.tmp")
"""What a transfer that died leaves on a remote, where others may be sending: `gc --cloud` removes it a day later."""
_RANDOM = re.compile(r"\d+-[0-9a-f]{8}(?=/|-|$)|[0-9a-f]{12,16}(?=\.|$)|\d{19}")
_LOCKS = re.compile(r"\.git/(?:[^/]*/)*[^/]*\.lock$")


@dataclass
class Tally:
    """What came of one scenario and fault."""

    tried: int = 0
    struck: int = 0
    unharmed: int = 0
    violations: list[str] = field(default_factory=list)


class Quick(Repo):
    """A repository whose `git-stage` is one that is forked, not started."""

    forked: Forked

    def stage(self, *args: str, check: bool = False, **more: Any) -> subprocess.CompletedProcess[str]:
        said = self.forked(args, self.path, {})
        assert not check or said.code == 0, said
        return subprocess.CompletedProcess(args, said.code, said.out, said.err)


class Stage:
    """Where scenarios are played: a sandbox at one path, filled anew from the template for every case."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.top = folder / "sandbox"
        self.injector = Injector(self.top)
        self.env = sealed_environment(folder / "home")
        self.forked = Forked("git-stage", self.env | self.injector.env | {"FORKED_MODULES": MODULES})
        self.repo = Quick(self.top / "repo", self.env)
        self.repo.forked = self.forked
        self._base: Path | None = None

    def close(self) -> None:
        self.forked.close()
        self.injector.close()

    def call(self, argv: Sequence[str], project: str = "") -> Said:
        if "gc" in argv:
            time.sleep(0.03)  # it spares what was written in the same tick of the clock
        if argv[0] != "git":
            return self.forked(argv, self.repo.path / project, {})
        env = self.env | self.injector.env
        got = subprocess.Popen(
            argv, cwd=self.repo.path, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
        out, err = (text.decode("utf-8", "backslashreplace") for text in got.communicate())
        return Said(got.returncode, out, err)

    def prepare(self, scenario: Scenario) -> Path:
        """The template of a scenario."""
        if self._base is None:
            self._base = self.folder / "base"
            self.repo.path.mkdir(parents=True)
            base(self.repo)
            _copy(self.top, self._base)
        self.reset(self._base)
        scenario.build(self.repo)
        template = self.folder / "template"
        shutil.rmtree(template, ignore_errors=True)
        _copy(self.top, template)
        return template

    def reset(self, template: Path) -> None:
        shutil.rmtree(self.top, ignore_errors=True)
        _copy(template, self.top)


def _copy(source: Path, target: Path) -> None:
    subprocess.run(["cp", "-a", source, target], check=True)


class Matrix:
    """One scenario under all faults."""

    def __init__(self, stage: Stage, scenario: Scenario) -> None:
        self.stage, self.scenario = stage, scenario
        self.template = stage.prepare(scenario)
        stage.reset(self.template)
        self.before = state(stage.top)
        self.content_before = contents(stage.top)
        self.old = metadata(stage.top)
        self.status = {0, 1, stage.call(["status", "-q"]).code}
        stage.reset(self.template)
        self.said = stage.call(scenario.argv)
        assert "Traceback" not in self.said.err, self.said.err
        self.end = state(stage.top)
        self.new = metadata(stage.top)
        self.may_go = self.content_before.keys() - contents(stage.top).keys()
        self.gc = self._clean().code
        self.names = names(stage.top) | set(names(self.template))
        self.seen: set[str] = set()
        self.spared = "git" if scenario.argv[0] == "git" else ""  # what befalls Git itself is Git's to mend

    def count(self, fault: Fault) -> int:
        self.stage.reset(self.template)
        self.stage.injector.arm(fault, 0, self.spared)
        self.stage.call(self.scenario.argv)
        return self.stage.injector.disarm()

    def play(self, fault: Fault, most: int, skip: int = 0) -> Tally:
        """Strike at every call, or at `most` of them, spread evenly."""
        tally = Tally()
        total = self.count(fault)
        every = max(1, -(-total // most))
        self.seen.clear()
        for number in range(1 + skip % every, total + 1, every):
            self.one(fault, number, tally)
        return tally

    def one(self, fault: Fault, number: int, tally: Tally) -> None:
        stage, scenario = self.stage, self.scenario
        stage.reset(self.template)
        stage.injector.arm(fault, number, self.spared)
        said = stage.call(scenario.argv)
        stage.injector.disarm()
        tally.tried += 1
        struck = stage.injector.struck
        if struck is None:
            return
        tally.struck += 1
        wrong = list(self._said(fault, said)) + self._after(said, fault, tally)
        where = f"{scenario.name}: {fault.name} at {number}, {struck.replace(str(stage.top), '')}"
        tally.violations += [f"{where}: {line}" for line in wrong]

    def kill(self, moment: float, tally: Tally) -> None:
        """Start the real program, and kill it and all it started after `moment` seconds."""
        stage, argv = self.stage, self.scenario.argv
        stage.reset(self.template)
        program = argv if argv[0] == "git" else ("git-stage", *argv)
        running = stage.repo.start(*program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moment)
        is_alive = running.poll() is None
        kill_group(running)
        code = running.wait()
        tally.tried += 1
        tally.struck += is_alive
        wrong = self._after(Said(code, "", "killed"), FAULTS["kill"], tally)
        tally.violations += [f"{self.scenario.name}: killed after {moment:.3f} s: {line}" for line in wrong]

    def duration(self) -> float:
        """How long the real program takes now."""
        self.stage.reset(self.template)
        started = time.monotonic()
        argv = self.scenario.argv
        self.stage.repo.run(*(argv if argv[0] == "git" else ("git-stage", *argv)))
        return time.monotonic() - started

    def _said(self, fault: Fault, said: Said) -> Iterator[str]:
        if "Traceback" in said.err:
            yield f"traceback: {said.err.splitlines()[-1]}"
        if fault.error and self.scenario.argv[0] != "git":
            if said.code not in EXIT_CODES:
                yield f"exit code {said.code}\n{said.err}"
            if said.code not in (0, self.said.code) and not re.search("^git-?stage: ", said.err, re.M):
                yield f"exit code {said.code}, but said {said.err!r}"

    def _after(self, said: Said, fault: Fault, tally: Tally) -> list[str]:
        stage, scenario = self.stage, self.scenario
        now = state(stage.top)
        is_done = now == self.end
        wrong = []
        if fault.error and said.code == 0 and self.said.code == 0 and not is_done and not said.err:
            wrong.append("says nothing, but did not do all: " + "; ".join(different(self.end, now))[:600])
        key = fingerprint(stage.top)
        if key in self.seen:
            tally.unharmed += 1
            return wrong
        self.seen.add(key)
        if not fault.error:  # Git leaves its own locks when it dies; it says itself that they are to be removed
            for path in stage.repo.path.glob(".git/**/*.lock"):
                path.unlink()
        checked = stage.call(["status", "-q"])
        if checked.code not in self.status:
            wrong.append(f"then status: exit {checked.code}: {checked.err}")
        wrong += [f"lost: {path}" for path in self._lost()]
        if not scenario.steps:
            for path, text in metadata(stage.top).items():
                if text not in (self.old.get(path), self.new.get(path)):
                    wrong.append(f"{path} is neither old nor new: {text!r}")
        if not is_done:
            for _ in range(scenario.again):
                again = stage.call(scenario.argv)
                now = state(stage.top)
                if now == self.end:
                    break
            if again.code != self.said.code:
                wrong.append(f"run again: exit {again.code} instead of {self.said.code}: {again.err}")
            elif now != self.end:
                wrong.append("run again: " + "; ".join(different(self.end, now))[:600])
        wrong += [f"lost in the end: {path}" for path in self._lost()]
        cleaned = self._clean()
        if cleaned.code != self.gc:
            wrong.append(f"then gc: exit {cleaned.code} instead of {self.gc}: {cleaned.err}")
        left = sorted(names(stage.top) - self.names)
        if left:
            wrong.append(f"left behind: {', '.join(left)}")
        return wrong

    def _clean(self) -> Said:
        """`gc` in the project, and in the other one where the command works."""
        cleaned = self.stage.call(["gc", "-w", "-f"])
        other = self.scenario.project
        if other and cleaned.code == 0 and (self.stage.repo.path / other / ".dvc").exists():
            cleaned = self.stage.call(["gc", "-w", "-f"], other)
        return cleaned

    def _lost(self) -> list[str]:
        now = contents(self.stage.top)
        return [self.content_before[one] for one in self.content_before.keys() - now.keys() - self.may_go]


def is_metadata(path: str) -> bool:
    name = os.path.basename(path)
    return (
        name in ("dvc.yaml", "dvc.lock", ".gitignore", ".dvcignore")
        or name.endswith(".dvc")
        or path.endswith((".dvc/config", ".dvc/config.local"))
    )


def _files(top: Path) -> Iterator[tuple[str, str]]:
    """(path below `top`, absolute path) of all files but those of Git and of processes that live."""
    for folder, folders, found in os.walk(top):
        inside = os.path.relpath(folder, top)
        if inside.endswith("/.git"):
            folders[:] = []
            continue
        if inside.endswith(".dvc/tmp/gitstage"):
            folders[:] = [name for name in folders if name in ("kept", "corrupt", "undo")]
        for name in found:
            yield os.path.normpath(os.path.join(inside, name)), os.path.join(folder, name)


def contents(top: Path) -> dict[str, str]:
    """All content that is not Git's: MD5 -> a path where it lies. Scratch folders of processes do not count."""
    found = {}
    for path, full in _files(top):
        is_kept = "/.dvc/tmp/" not in path or re.search(r"/\.dvc/tmp/gitstage/(kept|undo)/", path)
        if is_kept and not is_metadata(path) and os.path.isfile(full):
            found[md5(Path(full).read_bytes())] = path
    return found


def metadata(top: Path) -> dict[str, bytes]:
    return {path: Path(full).read_bytes() for path, full in _files(top) if is_metadata(path)}


def state(top: Path) -> dict[str, object]:
    """All that a command is to leave the same, however often it was struck before: files, settings, index, commits."""
    found: dict[str, object] = {
        path: entry for path, entry in picture(top, skip=SKIPPED).items() if not HALF_SENT.fullmatch(path)
    }
    git = top / "repo/.git"
    for name in ("config", "hooks", "info"):
        path = git / name
        found[f".git/{name}"] = picture(path) if path.is_dir() else path.read_bytes() if path.exists() else None
    asked = ["git", "-C", str(top / "repo"), "ls-files", "-s"]
    found["index"] = subprocess.run(asked, capture_output=True, check=False).stdout
    found["head"] = (git / "HEAD").read_bytes()
    asked = ["git", "-C", str(top / "repo"), "log", "--format=%T %s"]
    found["log"] = subprocess.run(asked, capture_output=True, check=False).stdout
    return found


def fingerprint(top: Path) -> str:
    """A digest of everything on disk but what differs by chance: process ids, random names, times, the memo."""
    lines = []
    for folder, folders, found in os.walk(top):
        inside = os.path.relpath(folder, top)
        folders.sort()
        for name in [*found, *folders]:
            full = os.path.join(folder, name)
            info = os.lstat(full)
            path = _RANDOM.sub("X", f"{inside}/{name}")
            what = f"{info.st_mode:o}"
            if stat.S_ISLNK(info.st_mode):
                what += os.readlink(full)
            elif stat.S_ISREG(info.st_mode):
                is_own = re.search(r"\.dvc/tmp/(rw)?lock|\.db(-|$)|outputs\.json$|/\.git/index$", path)
                what += str(info.st_size) if is_own else md5(Path(full).read_bytes())
            lines.append(f"{path} {what}")
    return md5("\n".join(sorted(lines)))


def names(top: Path) -> set[str]:
    """All files and folders but those that may stay; in Git's folder only what is ours, and locks."""
    found = set()
    for folder, folders, files in os.walk(top):
        for name in files + folders:
            path = os.path.relpath(os.path.join(folder, name), top)
            for place, allowed in ALLOWED.items():
                if path.startswith(place + "/"):
                    if not allowed.fullmatch(path[len(place) + 1 :]):
                        found.add(path)
                    break
            else:
                is_gits = "/.git/" in path and not path.endswith(".lock") and "/.git/hooks" not in path
                if not is_gits and not HALF_SENT.fullmatch(path):
                    found.add(path)
    return found


def different(expected: dict[str, object], found: dict[str, object]) -> Iterator[str]:
    for key in sorted(expected.keys() | found.keys()):
        if expected.get(key) != found.get(key):
            yield f"{key}: {expected.get(key)} expected, {found.get(key)} found"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Play the fault matrix.")
    parser.add_argument("words", nargs="*", help="of scenarios' names; default: all")
    parser.add_argument("--fault", action="append", choices=list(FAULTS), help="default: all")
    parser.add_argument("--at", type=int, default=200, help="positions, if there are more calls (default: 200)")
    parser.add_argument("--only", type=int, help="this position alone")
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm/faults-matrix"), help="where it is played")
    options = parser.parse_args(argv)
    stage = Stage(emptied(options.folder))
    total: Counter[str] = Counter()
    started = time.monotonic()
    try:
        for scenario in SCENARIOS:
            if options.words and not any(word in scenario.name for word in options.words):
                continue
            matrix = Matrix(stage, scenario)
            line = []
            for name in options.fault or FAULTS:
                if options.only:
                    tally = Tally()
                    matrix.one(FAULTS[name], options.only, tally)
                else:
                    tally = matrix.play(FAULTS[name], options.at)
                line.append(
                    f"{name} {tally.struck}" + (f" ({len(tally.violations)} WRONG)" if tally.violations else "")
                )
                total["cases"] += tally.struck
                total["violations"] += len(tally.violations)
                for violation in tally.violations:
                    print("  " + violation, flush=True)
            seconds = time.monotonic() - started
            print(f"{scenario.name:28} exit {matrix.said.code}  {', '.join(line)}  [{seconds:.0f} s]", flush=True)
    finally:
        stage.close()
        shutil.rmtree(options.folder, ignore_errors=True)
    print(f"{total['cases']} cases, {total['violations']} violations")
    return 1 if total["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
