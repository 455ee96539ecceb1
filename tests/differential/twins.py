"""Does the steps of a scenario with dvc in one repository and with git-stage in its twin, and compares after each."""

from __future__ import annotations

import contextlib
import copy
import json
import posixpath
import re
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from deliberate import RULES, After, refused, removed_input, used
from forked import Said
from scenarios import Step
from support import differences, picture

Tool = Callable[[Sequence[str], Path, Mapping[str, str]], Said]

RUN_LOG = "ran"
"""Beside the repository: the file to which every stage's command adds a line, as $RAN."""


class Difference(NamedTuple):
    """The first step (its number) after which the twins are not the same, and in what."""

    number: int
    step: Step
    lines: list[str]
    said: str


def translated(argv: Sequence[str]) -> list[str]:
    """dvc's words for git-stage."""
    if list(argv[:2]) == ["stage", "add"]:
        run = "--run" in argv
        return ["run", *([] if run else ["--no-exec"]), *(word for word in argv[2:] if word != "--run")]
    if list(argv[:2]) == ["stage", "list"]:
        return ["list", *argv[2:]]
    return list(argv)


class Twin:
    """A repository at `top`/repo in which a scenario's steps are done with one tool."""

    def __init__(self, top: Path, tool: Tool, git: Tool, *, ours: bool) -> None:
        self.top, self.root, self.tool, self.git, self.ours = top, top / "repo", tool, git, ours
        self.env = {"RAN": str(top / RUN_LOG)}

    def start(self, template: Path) -> None:
        """Begin with a copy of a repository in which `init` was done."""
        shutil.copytree(template, self.root, symlinks=True)

    def do(self, step: Step) -> dict[str, Any]:
        """Do a step; what is seen of it besides the state of the repository."""
        Path(self.env["RAN"]).unlink(missing_ok=True)
        seen: dict[str, Any] = getattr(self, "do_" + step["op"])(step) or {}
        log = Path(self.env["RAN"])
        if log.exists():
            seen["ran"] = log.read_text().splitlines()
        return seen

    def do_write(self, step: Step) -> None:
        path = self.root / step["path"]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            return
        if path.is_dir() and not path.is_symlink():
            return
        path.unlink(missing_ok=True)
        path.write_bytes(content(step).encode())
        path.chmod(int(step.get("mode", "0644"), 8))

    def do_append(self, step: Step) -> None:
        path = self.root / step["path"]
        if path.is_file() and not path.is_symlink():  # as an editor that saves by renaming: a link is cut
            data = path.read_bytes() + step["text"].encode()
            path.unlink()
            path.write_bytes(data)

    def do_delete(self, step: Step) -> None:
        path = self.root / step["path"]
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.is_symlink() or path.is_file():
            path.unlink()

    def do_chmod(self, step: Step) -> None:
        path = self.root / step["path"]
        if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o200:  # not through a link to an object
            path.chmod(int(step["mode"], 8))

    def do_pipelines(self, step: Step) -> None:
        for path, text in pipeline_files(step).items():
            (self.root / path).parent.mkdir(parents=True, exist_ok=True)
            (self.root / path).write_text(text)

    def do_git(self, step: Step) -> dict[str, Any]:
        said = self.git(step["argv"], self.root, self.env)
        return {"fails": said.code != 0, "said": said}

    def do_tool(self, step: Step) -> dict[str, Any]:
        cwd = self.root / step.get("cwd", "")
        cwd.mkdir(parents=True, exist_ok=True)
        said = self.tool(translated(step["argv"]) if self.ours else step["argv"], cwd, self.env)
        seen: dict[str, Any] = {"fails": said.code != 0, "said": said}
        if said.code == 0 and shows(step):
            seen["shows"] = shown(step, said.out)
        return seen

    def state(self) -> dict[str, Any]:
        """Files, metadata, cache, run cache and remote of the repository, and Git's index."""
        work, meta = {}, {}
        for path, entry in picture(self.root, skip=(".git", ".dvc/tmp", ".dvc/cache")).items():
            name = posixpath.basename(path)
            if entry[0] == "file" and (
                name in ("dvc.yaml", "dvc.lock", ".gitignore", "config") or name.endswith(".dvc")
            ):
                text = (self.root / path).read_bytes().decode()
                meta[path] = parsed(text) if name == "dvc.yaml" else text
            elif entry[0] == "link":
                work[path] = ("link", entry[1].replace(str(self.top), "TOP"))
            elif entry[0] == "file":
                work[path] = ("file", f"{int(entry[1], 8) & 0o700:04o}", *entry[2:])  # the rest is the umask's
            else:
                work[path] = entry
        full = {path[: path.rindex("/") + 1] for path, entry in work.items() if entry[0] != "dir" and "/" in path}
        full |= {path[: at.start() + 1] for path in list(full) for at in re.finditer("/", path)}
        return {
            "work": {path: entry for path, entry in work.items() if entry[0] != "dir" or path in full},
            "meta": meta,
            "cache": files(self.root / ".dvc/cache"),
            "remote": files(self.top / "remote"),
            "index": self.index(),
        }

    def index(self) -> dict[str, str]:
        """What is staged, by path, where a tool stages; a dvc.yaml is compared by its meaning, so here only by being there."""
        if b"autostage" not in (self.root / ".dvc/config").read_bytes():
            return {}
        said = self.git(["ls-files", "--stage", "-z"], self.root, self.env)
        entries = (entry.split("\t", 1) for entry in said.out.split("\0") if entry)
        return {path: "" if path.endswith("dvc.yaml") else entry for entry, path in entries}


def content(step: Step) -> str:
    if "yaml" in step:
        return yaml.safe_dump(step["yaml"], sort_keys=False, allow_unicode=True)
    return str(step["text"])


def pipeline_files(step: Step) -> dict[str, str]:
    """The text of every dvc.yaml of a step, by path."""
    folders: dict[str, dict[str, Any]] = {folder: dict(extra) for folder, extra in step["extras"].items()}
    for stage in step["stages"]:
        folders.setdefault(stage["folder"], {}).setdefault("stages", {})[stage["name"]] = stage["entry"]
    return {
        posixpath.join(folder, "dvc.yaml"): yaml.dump(
            whole, Dumper=_NoAliases, sort_keys=False, allow_unicode=True, width=1000
        )
        for folder, whole in folders.items()
    }


class _NoAliases(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def parsed(text: str) -> Any:
    """A dvc.yaml by its meaning: in one order the lists that dvc sorts when it edits a stage, in one form its params."""
    try:
        whole = yaml.load(text, Loader=yaml.CSafeLoader)
    except yaml.YAMLError:
        return text
    stages = (whole or {}).get("stages") or {}
    for stage in stages.values():
        for entry in (stage, stage.get("do", {})):
            if isinstance(entry.get("params"), list):
                items = [item.get("params.yaml") if isinstance(item, dict) else [item] for item in entry["params"]]
                entry["params"] = [
                    key for item, keys in zip(entry["params"], items, strict=True) for key in keys or [item]
                ]
            for key in ("deps", "outs", "metrics", "plots", "params"):
                if isinstance(entry.get(key), list):
                    entry[key] = sorted(entry[key], key=lambda item: json.dumps(item, sort_keys=True))
    return whole


def files(top: Path) -> dict[str, Any]:
    """Files below a cache or remote: mode, and the text of run-cache entries; not folders, which tools keep or drop."""
    found = {}
    for path, entry in picture(top).items():
        if entry[0] != "dir":
            text = (top / path).read_text() if path.startswith("runs/") else ""
            found[path] = (*entry, text)
    return found


def shows(step: Step) -> bool:
    argv = step["argv"]
    return "--json" in argv or argv[0] in ("dag", "check-ignore")


def shown(step: Step, text: str) -> Any:
    """What a command printed, without what is arbitrary in it: the order of lists that follow the directory's order."""
    verb = step["argv"][0]
    if "--json" not in step["argv"]:
        for number, label in re.findall(r'(node\d+)\["(.*)"\]', text):  # the order of a graph's components is arbitrary
            text = re.sub(rf"\b{number}\b", label.replace("\\", r"\\"), text)
        return sorted(filter(None, text.splitlines()))
    try:
        value = json.loads(text or "null")
    except ValueError:
        return text
    if verb == "metrics":
        return without_messages(value)
    if verb == "ls":
        return {item["path"]: {key: item[key] for key in item if key != "size"} for item in value}
    return in_order(without_hashes(value)) if verb == "data" else value


def without_hashes(value: Any) -> Any:
    """The output of `data status` without names that have a "#": dvc reads the name of a committed one as an URL's."""
    if isinstance(value, dict):
        return {key: left for key, inner in value.items() if (left := without_hashes(inner))}
    return [item for item in value if "#" not in json.dumps(item)]


def without_messages(value: Any) -> Any:
    """Errors in JSON by their type alone."""
    if isinstance(value, dict):
        return {key: without_messages(inner) for key, inner in value.items() if key != "msg"}
    return value


def in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: in_order(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted((in_order(inner) for inner in value), key=lambda inner: json.dumps(inner, sort_keys=True))
    return value


class Workshop:
    """Where scenarios are played: the two tools, ours also as the installed command, a template and a folder to work in."""

    def __init__(self, dvc: Tool, ours: Tool, command: Tool, git: Tool, template: Path, folder: Path) -> None:
        self.dvc, self.ours, self.command, self.git = dvc, ours, command, git
        self.template, self.folder = template, folder

    def play_with_command(self, steps: Sequence[Step]) -> Difference | None:
        """As `play`, but git-stage is started for every call."""
        return Workshop(self.dvc, self.command, self.command, self.git, self.template, self.folder).play(steps)

    def play(self, steps: Sequence[Step]) -> Difference | None:
        """The first difference, or None if the twins are the same after every step."""
        with self._top() as top:
            return self._play(steps, top)

    @contextlib.contextmanager
    def _top(self) -> Iterator[Path]:
        """A folder to play in."""
        top = Path(tempfile.mkdtemp(dir=self.folder))
        try:
            yield top
        finally:
            shutil.rmtree(top, ignore_errors=True)

    def _play(self, steps: Sequence[Step], top: Path) -> Difference | None:
        twins = []
        for name, tool in (("dvc", self.dvc), ("ours", self.ours)):
            (top / name).mkdir()
            twins.append(Twin(top / name, tool, self.git, ours=name == "ours"))
            twins[-1].start(self.template)
        before = twins[1].state()
        many_folders = len({stage["folder"] for stage in stages_of(steps)}) > 1
        for number, step in enumerate(steps):
            theirs, ours = (twin.do(step) for twin in twins)
            if step["op"] not in ("tool", "git"):
                before = twins[1].state()
                continue
            theirs, ours = (seen | {"state": twin.state()} for seen, twin in zip((theirs, ours), twins, strict=True))
            any_order = step["op"] == "tool" and (many_folders or picks(step))
            after = After(step, before, theirs, ours, steps[:number], twins[1].root, any_order)
            before = copy.deepcopy(after.ours["state"])
            explained = any_order and in_one_order(after)
            lines = seen_differences(after)
            for rule in RULES:
                if not lines:
                    break
                rule(after)
                fewer = seen_differences(after)
                if fewer != lines:
                    used[rule.__name__] += 1
                    explained = True
                lines = fewer
            if lines:
                said = [told(name, seen.get("said")) for name, seen in (("dvc", theirs), ("git-stage", ours))]
                return Difference(number, step, lines, "\n".join(said))
            if explained:
                again(*twins)
        return None

    def play_mixed(self, steps: Sequence[Step]) -> Difference | None:
        """Do the steps in one repository, each with the tool that it names in `by`; both must see it the same way.

        After every step both say the same of what has changed, and after a run of everything neither has anything
        left to run.
        """
        with self._top() as top:
            return self._play_mixed(steps, top)

    def _play_mixed(self, steps: Sequence[Step], top: Path) -> Difference | None:
        tools = {"dvc": self.dvc, "git-stage": self.ours}
        hands = {name: Twin(top, tool, self.git, ours=name == "git-stage") for name, tool in tools.items()}
        hands["dvc"].start(self.template)
        for number, step in enumerate(steps):
            by = step.get("by", "git-stage")
            other = "dvc" if by == "git-stage" else "git-stage"
            done = hands[by].do(step)
            if step["op"] != "tool":
                continue
            ask = {"op": "tool", "argv": ["status", "--json"]}
            theirs, ours = (hands[name].do(ask) for name in ("dvc", "git-stage"))
            after = After(ask, {}, theirs | {"state": {}}, ours | {"state": {}})
            removed_input(after)
            refused(after)
            lines = seen_differences(after)
            said = [told(name, seen.get("said")) for name, seen in ((by, done), ("dvc", theirs), ("git-stage", ours))]
            is_whole = step["argv"] == ["repro", "-P"] and not done["fails"]
            if not lines and is_whole and "always changed" not in json.dumps(ours.get("shows")):
                before = hands[by].state()
                second = hands[other].do(step)
                said.append(told(other, second.pop("said")))
                lines = differences(
                    {"fails": False, "state": before}, second | {"state": hands[by].state()}, "a second run"
                )
            if lines:
                return Difference(number, step, [f"after {by}", *lines], "\n".join(said))
        return None


def picks(step: Step) -> bool:
    """Whether dvc is to choose among the stages: it then takes them in the order of a set."""
    words = set(step["argv"][1:])
    return bool({"-R", "--glob", "-p"} & words) or any(not word.startswith("-") for word in words)


def in_one_order(after: After) -> bool:
    """Write what the order of stages decides in one order: which ran, new entries of a dvc.lock, lines of a .gitignore.

    Whether files differ by it.
    """
    found = False
    for seen in (after.theirs, after.ours):
        if "ran" in seen:
            seen["ran"].sort()
    if after.runs or after.verb == "commit":
        _, theirs, ours = after.part("meta")
        for path in theirs.keys() & ours.keys():
            is_lock = path.endswith("dvc.lock") and yaml.safe_load(theirs[path]) == yaml.safe_load(ours[path])
            is_list = path.endswith(".gitignore") and sorted(theirs[path].splitlines()) == sorted(
                ours[path].splitlines()
            )
            if theirs[path] != ours[path] and (is_lock or is_list):
                found = True
                theirs[path] = ours[path]
                after.leave_out("index", path.__eq__)
    return found


def seen_differences(after: After) -> list[str]:
    return differences(*({key: seen[key] for key in seen if key != "said"} for seen in (after.theirs, after.ours)))


def again(theirs: Twin, ours: Twin) -> None:
    """Make dvc's repository a copy of ours, to go on after a deliberate difference. What is the same stays: dvc knows by
    its inode what it has put there."""
    for name in ("repo", "remote"):
        source, target = ours.top / name, theirs.top / name
        wanted = {path: _at(entry, ours, theirs) for path, entry in picture(source).items()}
        found = picture(target)
        for path in reversed([path for path in found if found[path] != wanted.get(path)]):
            if found[path][0] != "dir":
                (target / path).unlink()
            elif path not in wanted:
                (target / path).rmdir()
        for path in [path for path in wanted if found.get(path) != wanted[path]]:
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            if wanted[path][0] == "dir":
                (target / path).mkdir(exist_ok=True)
                (target / path).chmod(int(wanted[path][1], 8))
            elif wanted[path][0] == "link":
                (target / path).symlink_to(wanted[path][1])
            else:
                shutil.copy2(source / path, target / path)


def _at(entry: tuple[str, ...], ours: Twin, theirs: Twin) -> tuple[str, ...]:
    return ("link", entry[1].replace(str(ours.top), str(theirs.top))) if entry[0] == "link" else entry


def told(name: str, said: Said | None) -> str:
    return "" if said is None else f"{name}: exit {said.code}\n{said.out[-1500:]}{said.err[-1500:]}"


def stages_of(steps: Sequence[Step]) -> list[dict[str, Any]]:
    return [stage for step in steps if step["op"] == "pipelines" for stage in step["stages"]]


# Cutting down


def smaller(steps: list[Step], fails_still: Callable[[list[Step]], bool], seconds: float) -> list[Step]:
    """The same failure with as few steps, stages and parts of stages as dropping them can reach in the given time."""
    end = time.monotonic() + seconds

    def fails(fewer: list[Step]) -> bool:
        return time.monotonic() < end and fails_still(fewer)

    size = max(1, len(steps) // 2)
    while size:
        start = 0
        while start < len(steps):
            rest = steps[:start] + steps[start + size :]
            if rest and fails(rest):
                steps = rest
            else:
                start += size
        size //= 2
    changed = True
    while changed:
        changed = False
        for shorter in _less(steps):
            if fails(shorter):
                steps, changed = shorter, True
                break
    return steps


def _less(steps: list[Step]) -> Iterator[list[Step]]:
    """The steps without one stage, or without one key or list item of a stage."""
    names = list(dict.fromkeys((stage["folder"], stage["name"]) for stage in stages_of(steps)))
    for folder, name in names:
        yield [_edited(step, folder, name, lambda entry: None) for step in steps]
    for folder, name in names:
        entries = [stage["entry"] for stage in stages_of(steps) if (stage["folder"], stage["name"]) == (folder, name)]
        for key in dict.fromkeys(key for entry in entries for key in entry if key not in ("cmd", "foreach", "do")):
            yield [_edited(step, folder, name, lambda entry, key=key: without(entry, key)) for step in steps]  # type: ignore[misc]
    for number, step in enumerate(steps):
        if step["op"] == "tool":
            for at in range(1, len(step["argv"])):
                yield [
                    *steps[:number],
                    step | {"argv": step["argv"][:at] + step["argv"][at + 1 :]},
                    *steps[number + 1 :],
                ]


def without(entry: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != key}


def _edited(step: Step, folder: str, name: str, edit: Callable[[dict[str, Any]], dict[str, Any] | None]) -> Step:
    if step["op"] != "pipelines":
        return step
    stages = []
    for stage in step["stages"]:
        if (stage["folder"], stage["name"]) != (folder, name):
            stages.append(stage)
        elif (entry := edit(stage["entry"])) is not None:
            stages.append(stage | {"entry": entry})
    return step | {"stages": stages}


# Printing


def script(steps: Sequence[Step]) -> str:
    """A shell script that does the steps in the current, empty folder with $TOOL, `dvc` or `git-stage`."""
    lines = [
        "# TOOL=dvc sh THIS, and TOOL=git-stage sh THIS, each in an empty folder",
        "export RAN=$PWD/ran; mkdir repo; cd repo; git init -q -b main",
        'tool() { if [ "$TOOL$1$2" = git-stagestageadd ]; then shift 2; set -- run --no-exec "$@"; fi; "$TOOL" "$@"; }',
        "tool init -q; git commit -qm init",
    ]
    for step in steps:
        lines += [f"TOOL={step['by']}"] if "by" in step else []
        lines += _commands(step)
    return "\n".join(lines) + "\n"


def _commands(step: Step) -> Iterator[str]:
    path = shlex.quote(step.get("path", ""))
    if step["op"] == "write":
        yield from _written(step["path"], content(step), step.get("mode", "0644"))
    elif step["op"] == "append":
        yield f"[ ! -f {path} ] || printf %s {shlex.quote(step['text'])} >> {path}"
    elif step["op"] == "delete":
        yield f"rm -rf {path}"
    elif step["op"] == "chmod":
        yield f"[ ! -f {path} ] || chmod {step['mode']} {path}"
    elif step["op"] == "pipelines":
        for name, text in pipeline_files(step).items():
            yield from _written(name, text, "0644")
    elif step["op"] == "git":
        yield "git " + shlex.join(step["argv"])
    elif step.get("cwd"):
        yield f"(mkdir -p {shlex.quote(step['cwd'])}; cd {shlex.quote(step['cwd'])} && tool {shlex.join(step['argv'])})"
    else:
        yield "tool " + shlex.join(step["argv"])


def _written(path: str, text: str, mode: str) -> Iterator[str]:
    folder, quoted = posixpath.dirname(path), shlex.quote(path)
    if folder:
        yield f"mkdir -p {shlex.quote(folder)}"
    yield f"rm -f {quoted}; printf %s {shlex.quote(text)} > {quoted}; chmod {mode} {quoted}"
