"""Where git-stage knowingly does something else than dvc, why, and how far: at most ten rules.

A rule takes what was seen of a step with both tools out of both, as far as it explains the difference. After a step
in which a rule was needed, dvc's repository is made a copy of ours, and both go on from there.
"""

from __future__ import annotations

import json
import posixpath
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from scenarios import Step

Seen = dict[str, Any]


KINDS = ("added", "modified", "deleted")


class After(NamedTuple):
    """A step, the state of our repository before it, and what was seen of it: with dvc and with git-stage.

    `root` is our repository; `any_order` says that the order in which stages run is arbitrary with dvc.
    """

    step: Step
    before: Seen
    theirs: Seen
    ours: Seen
    earlier: Sequence[Step] = ()
    root: Path = Path()
    any_order: bool = False

    @property
    def verb(self) -> str:
        return str(self.step.get("argv", [""])[0]) if self.step["op"] == "tool" else ""

    @property
    def failed(self) -> bool:
        """Both did."""
        return bool(self.theirs.get("fails") and self.ours.get("fails"))

    @property
    def runs(self) -> bool:
        return self.verb == "repro" or (self.verb == "stage" and "--run" in self.step["argv"])

    def told(self, text: str) -> bool:
        """Whether git-stage said it on standard error."""
        said = self.ours["said"]
        return said is not None and text in said.err

    def part(self, name: str) -> tuple[Seen, Seen, Seen]:
        """A part of the state: before the step, with dvc and with git-stage after it."""
        return (
            self.before.get(name, {}),
            self.theirs["state"].setdefault(name, {}),
            self.ours["state"].setdefault(name, {}),
        )

    def excuse(self) -> None:
        """Nothing of this step is compared."""
        for seen in (self.theirs, self.ours):
            said = seen.get("said")
            seen.clear()
            seen |= {"said": said, "state": {}}

    def leave_out(self, name: str, where: Callable[[str], bool]) -> None:
        """The paths that `where` selects in a part of the state are not compared."""
        _, theirs, ours = self.part(name)
        for path in [path for path in theirs.keys() | ours.keys() if where(path)]:
            theirs.pop(path, None)
            ours.pop(path, None)


# What the files of a state say


def objects(state: Seen) -> set[str]:
    """The hashes of the objects in the cache."""
    return {path[len("files/md5/") :].replace("/", "") for path in state["cache"] if path.startswith("files/md5/")}


def entries(meta: Seen) -> dict[str, Any]:
    """What each dvc.lock says of its stages, by label."""
    found = {}
    for path, text in meta.items():
        if posixpath.basename(path) == "dvc.lock":
            for name, entry in ((yaml.safe_load(text) or {}).get("stages") or {}).items():
                found[label(posixpath.dirname(path), name)] = entry
    return found


def label(folder: str, name: str) -> str:
    return posixpath.join(folder, "dvc.yaml:" + name) if folder else name


def wdirs(meta: Seen) -> dict[str, str]:
    """The folder in which the stages of each entry of a dvc.yaml run, by label (without a key)."""
    return {name: folder for name, folder, _ in definitions(meta)}


def definitions(meta: Seen) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Each entry of each dvc.yaml: label, folder in which it runs, definition."""
    for path, whole in meta.items():
        if posixpath.basename(path) == "dvc.yaml" and isinstance(whole, dict):
            home = posixpath.dirname(path)
            for name, entry in (whole.get("stages") or {}).items():
                entry = entry.get("do", entry)
                yield label(home, name), posixpath.normpath(posixpath.join(home, entry.get("wdir", "."))), entry


def outputs(meta: Seen, labels: set[str] | None = None) -> re.Pattern[str]:
    """What the path of an output, or in one, matches; of all stages, or those with these labels."""
    wanted = None if labels is None else {text.partition("@")[0] for text in labels}
    found = ["(?!)"]
    for name, folder, entry in definitions(meta):
        if wanted is None or name in wanted:
            for out in (out for key in ("outs", "metrics", "plots") for out in entry.get(key) or ()):
                path = posixpath.normpath(posixpath.join(folder, out if isinstance(out, str) else next(iter(out))))
                found.append(re.sub(r"\\\$\\\{.*?\\\}", ".*", re.escape(path)))
    return re.compile(f"(?:{'|'.join(found)})(?:/.*)?", re.DOTALL)


def recorded(meta: Seen) -> dict[str, str]:
    """The hash of every output that a dvc.lock or .dvc file records, by path."""
    found = {}
    folders = wdirs(meta)
    for name, entry in entries(meta).items():
        folder = folders.get(name.partition("@")[0], posixpath.dirname(name.partition(":")[0]))
        for out in entry.get("outs") or ():
            found[posixpath.normpath(posixpath.join(folder, out["path"]))] = str(out.get("md5"))
    for path, text in meta.items():
        if path.endswith(".dvc"):
            for out in (yaml.safe_load(text) or {}).get("outs") or ():
                found[posixpath.normpath(posixpath.join(posixpath.dirname(path), out["path"]))] = str(out.get("md5"))
    return found


def committed(root: Path, commit: str) -> Seen:
    """What is in every pipeline file of a commit, by path: text, or a dvc.yaml's meaning."""

    def git(*argv: str) -> str:
        return subprocess.run(["git", *argv], cwd=root, capture_output=True, text=True, check=True).stdout

    paths = git("ls-tree", "-r", "--name-only", "-z", commit).split("\0")
    found: Seen = {path: git("show", f"{commit}:{path}") for path in paths if path.endswith(("dvc.lock", ".dvc"))}
    for path in [path for path in paths if posixpath.basename(path) == "dvc.yaml"]:
        found[path] = yaml.safe_load(git("show", f"{commit}:{path}"))
    return found


def needed(root: Path, cache: set[str], *where: str) -> set[str]:
    """The hashes that the files of the index ("--cached") or of commits name, and what is in folders with such a hash."""
    said = subprocess.run(["git", "grep", "-hE", "md5: ", *where], cwd=root, capture_output=True, text=True)
    found = set(re.findall(r"md5: ([0-9a-f]{32}(?:\.dir)?)", said.stdout))
    for folder in [name for name in found & cache if name.endswith(".dir")]:
        manifest = root / ".dvc/cache/files/md5" / folder[:2] / folder[2:]
        found |= {item["md5"] for item in json.loads(manifest.read_text())}
    return found


# The rules


def nothing_done(after: After) -> None:
    """A command that fails has changed nothing, where dvc stops half-way: after some targets, stages or definitions."""
    if after.failed and "ran" not in after.ours and after.ours["state"] == after.before:
        after.excuse()


def refused(after: After) -> None:
    """A template group is not silently replaced by a stage of its name; a dvc.yaml with an error is refused whole; and a
    command does not run if Git tracks an output of it."""
    reason = r"exists already, with another definition|output '.*' is tracked by Git"
    reason += r"|dvc\.yaml: .*(there is no value for|cannot be put into)"
    if after.ours.get("fails") and not after.theirs["fails"] and re.search(reason, after.ours["said"].err):
        assert after.ours["state"] == after.before, "a refused command changed something"
        after.excuse()


def dvc_gives_up(after: After) -> None:
    """Where dvc ends with an unexpected error, or in a dry run at an input that is still to be made, git-stage goes on."""
    if after.theirs.get("fails") and not after.ours["fails"]:
        said = after.theirs["said"].err
        is_dry = "--dry" in after.step["argv"] and "No such file or directory" in said
        if (is_dry and after.ours["state"] == after.before) or "unexpected error - " in said:
            after.excuse()


def failed_run(after: After) -> None:
    """The outputs of a stage that failed are what they were before the run, also where only its inputs are checked; the
    lines in .gitignore of those that succeeded stay, and what was written is staged as after a run that succeeds.

    Where the order of stages is arbitrary, others may have run before the one that failed: those that ran with both
    have the same records.
    """
    if not after.runs or after.theirs.get("fails") != after.ours.get("fails"):
        return
    failed = set(re.findall(r"stage '(.*?)': ", after.ours["said"].err))
    if not failed:
        return
    earlier, theirs, ours = after.part("meta")
    if after.any_order and after.theirs.get("ran") != after.ours.get("ran"):
        old, their, our = entries(earlier), entries(theirs), entries(ours)
        both = [name for name in their.keys() & our.keys() if old.get(name) not in (their[name], our[name])]
        if all(their[name] == our[name] for name in both):
            after.excuse()
            return
    if after.any_order:
        data_of_one_only(after)
    before, _, work = after.part("work")
    theirs_to_keep = outputs(ours, failed)
    after.leave_out(
        "work", lambda path: work.get(path) == before.get(path) and bool(theirs_to_keep.fullmatch(path.rstrip("/")))
    )
    staged, their, our = after.part("index")
    after.leave_out("index", lambda path: their.get(path) == staged.get(path) != our.get(path))
    made = outputs(ours)
    for path in [path for path in ours if posixpath.basename(path) == ".gitignore"]:
        lines = theirs.get(path, "").splitlines()
        more = [line for line in ours[path].splitlines() if line not in lines]
        folder = posixpath.dirname(path)
        if more and all(made.fullmatch(posixpath.join(folder, unescaped(line))) for line in more):
            left = [line for line in ours[path].splitlines() if line in lines]
            ours[path] = theirs[path] = ours[path] if left == lines else ""
            after.leave_out("index", path.__eq__)


def data_of_one_only(after: After) -> None:
    """Leave out the .dvc files that one tool had brought up to date before the stage that failed, and their objects."""
    earlier, theirs, ours = after.part("meta")
    for path in [path for path in ours if path.endswith(".dvc") and path in theirs and path in earlier]:
        if (ours[path] == earlier[path]) != (theirs[path] == earlier[path]):
            hashes = set(re.findall(r"md5: (\w{32})", ours[path] + theirs[path])) - objects(after.before)
            after.leave_out("meta", path.__eq__)
            after.leave_out("index", path.__eq__)
            after.leave_out(
                "cache", lambda key, hashes=hashes: key.removeprefix("files/md5/").replace("/", "") in hashes
            )


def unescaped(line: str) -> str:
    """The name that a line of a .gitignore stands for."""
    return re.sub(r"\\(.)", r"\1", line).lstrip("/")


def kept(after: After) -> None:
    """A checkout leaves what it lacks the content for where it is, and files whose content nobody has, and what
    `remove` only stopped tracking; a pull, fetch or push that lacks something fails."""
    if after.verb not in ("checkout", "pull", "fetch", "push"):
        return
    if after.verb != "checkout" and after.ours["fails"] and after.told("is neither in the cache nor on remote"):
        after.theirs["fails"] = True
    if "remove the following unsaved files" in after.theirs["said"].err and after.ours["state"] == after.before:
        after.theirs["fails"] = after.ours["fails"]
    before, theirs, ours = after.part("work")
    has = objects(after.ours["state"])
    lacking = [path for path, digest in recorded(after.ours["state"]["meta"]).items() if lacks(after.root, has, digest)]
    let_go = any(step.get("argv", [""])[0] == "remove" for step in after.earlier)

    def stays(path: str) -> bool:
        entry = before.get(path)
        if entry is None or ours.get(path) != entry:
            return False
        if any(f"{path}/".startswith(f"{output}/") for output in lacking) or (let_go and path not in theirs):
            return True
        if entry[0] == "dir":
            return any(inner.startswith(path) and inner != path and stays(inner) for inner in before)
        digest = entry[2] if entry[0] == "file" else "".join(entry[1].split("/")[-2:])
        return digest not in has

    after.leave_out("work", where=set(filter(stays, before)).__contains__)


def lacks(root: Path, has: set[str], digest: str) -> bool:
    """Whether the cache lacks an object, or one that it lists."""
    if digest in has and digest.endswith(".dir"):
        manifest = root / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
        return any(item["md5"] not in has for item in json.loads(manifest.read_text()))
    return digest not in has


def removed_input(after: After) -> None:
    """An input that is no longer declared is a change of its own kind."""
    changed = after.ours.get("shows")
    if after.verb == "status" and isinstance(changed, dict) and isinstance(after.theirs.get("shows"), dict):
        for label, items in list(changed.items()):
            for item in items:
                for what, paths in list(item.items() if isinstance(item, dict) else ()):
                    item[what] = {path: state for path, state in paths.items() if state != "removed"}
                    if not item[what]:
                        del item[what]
            changed[label] = [item for item in items if item]
            if not changed[label]:
                del changed[label]


def gc_keeps_more(after: After) -> None:
    """gc keeps what the index and the commit that is checked out need, and asks only if something is to go."""
    if after.verb == "gc" and not after.ours["fails"]:
        before, theirs, ours = after.part("cache")
        if theirs.items() <= ours.items() <= before.items():
            needs = needed(after.root, objects(after.before), "--cached")
            needs |= needed(after.root, objects(after.before), "HEAD")
            more = objects(after.ours["state"]) - objects(after.theirs["state"])
            if more <= needs and all(path.startswith("files/md5/") for path in ours.keys() - theirs.keys()):
                after.leave_out("cache", (ours.keys() - theirs.keys()).__contains__)
        if "-f" not in after.step["argv"] and after.theirs["fails"] and after.ours["state"] == after.before:
            after.excuse()


def whole_entries(after: After) -> None:
    """The line of an odd name leaves .gitignore with its output; vars and plots stay when the last stage goes; all
    that changed is staged where core.autostage asks for it; and `move` does not read the data, to cache what was edited
    and record the old content."""
    if after.verb in ("remove", "move", "commit"):
        before, theirs, ours = after.part("index")
        after.leave_out("index", lambda path: theirs.get(path) == before.get(path) != ours.get(path))
    if after.verb not in ("remove", "move"):
        return
    if after.verb == "move":
        _, theirs, ours = after.part("cache")
        there = {entry[2] for entry in after.ours["state"]["work"].values() if entry[0] == "file"}
        more = objects(after.theirs["state"]) - objects(after.ours["state"])
        if all(digest in there or digest.endswith(".dir") for digest in more):
            after.leave_out("cache", (theirs.keys() - ours.keys()).__contains__)
    earlier, theirs, ours = after.part("meta")
    for path in [path for path in theirs if posixpath.basename(path) == ".gitignore"]:
        lines = ours.get(path, "").splitlines()
        if [line for line in theirs[path].splitlines() if line in lines or "\\" not in line] == lines:
            after.leave_out("meta", path.__eq__)
            after.leave_out("index", path.__eq__)
    for path in ours.keys() - theirs.keys():
        if posixpath.basename(path) == "dvc.yaml" and not ours[path].get("stages"):
            rest = {key: value for key, value in earlier[path].items() if key != "stages"}
            if rest and {key: value for key, value in ours[path].items() if key != "stages"} == rest:
                after.leave_out("meta", path.__eq__)


def never_made(after: After) -> None:
    """An output that was never made is in no diff: made, it is added, not modified; and it is not deleted."""
    shown = [seen.get("shows") for seen in (after.theirs, after.ours)]
    if after.verb != "diff" or not all(isinstance(value, dict) for value in shown):
        return
    theirs, ours = ({kind: {item["path"]: item for item in value.get(kind, [])} for kind in KINDS} for value in shown)
    named = [word for word in after.step["argv"][1:] if not word.startswith("-")]
    old, new = (set(recorded(committed(after.root, commit))) for commit in [*named, "HEAD", "HEAD"][:2])
    if len(named) < 2:
        new = {path.rstrip("/") for path in after.ours["state"]["work"]}
    unmade = {"added": new, "modified": old, "deleted": old}
    for kind, made in unmade.items():
        for path in [path for path in theirs[kind] if path not in ours[kind] and path.rstrip("/") not in made]:
            item = theirs[kind].pop(path)
            if kind == "modified" and path in ours["added"]:
                theirs["added"][path] = item | ({"hash": item["hash"]["new"]} if "hash" in item else {})
    for value, kinds in zip(shown, (theirs, ours), strict=True):
        assert isinstance(value, dict)
        value |= {kind: value.get(kind, []) for kind in ("renamed", "not in cache")}
        value |= {kind: sorted(items.values(), key=lambda item: item["path"]) for kind, items in kinds.items()}


def execute_bits(after: After) -> None:
    """A file in a directory output that has the right content is not replaced, so its mode stays (none is recorded)."""
    folders = tuple(
        path + "/" for path, digest in recorded(after.ours["state"]["meta"]).items() if digest.endswith(".dir")
    )
    before, theirs, ours = after.part("work")
    for path in theirs.keys() & ours.keys():
        same = theirs[path][0] == "file" and theirs[path][2] == ours[path][2] and ours[path] == before.get(path)
        if same and path.startswith(folders):
            ours[path] = theirs[path]


RULES: list[Callable[[After], None]] = [
    *(nothing_done, refused, dvc_gives_up, failed_run, kept),
    *(removed_input, gc_keeps_more, whole_entries, never_made, execute_bits),
]

used: Counter[str] = Counter()
"""How often each rule explained a difference."""
