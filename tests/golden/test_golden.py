"""Replays what DVC did, step by step, with git-stage in its place; see README.md for the format.

Verbs that git-stage does not have are run with the real dvc on the same repository, so that every scenario is also a
test of both tools taking turns. `--golden-tool dvc` replays everything with dvc, which must agree with itself.
"""

from __future__ import annotations

import base64
import copy
import json
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from known import ABSENT, KNOWN, SETUP, Edit
from support import differences, md5, sealed_environment

HERE = Path(__file__).parent
SCENARIOS = {path.parent.name: path for path in sorted(HERE.glob("*/scenario.json"))}

OURS = {
    *("init", "repro", "status", "add", "checkout", "commit", "install", "uninstall", "root", "version", "help"),
    *("push", "pull", "fetch", "remote"),
    *("freeze", "unfreeze", "remove", "move", "unprotect", "gc", "config", "cache", "import-url", "update"),
}
"""Verbs that git-stage has under dvc's name; `stage add` and `stage list` are translated."""

HINT = re.compile(
    r"\n?To track the changes with git, run:\n\n\tgit add [^\n]*\n"
    r"(?:\nTo enable auto staging, run:\n\n\tdvc config core\.autostage true\n)?"
)
EVENT = re.compile(
    r"Running stage '.*':|> .*|Stage '.*' (didn't change, skipping|is cached - skipping run, checking out outputs)"
    r"|Verifying .*|Data and pipelines are up to date\."
)
DVC_FILE_EVENT = re.compile(r"'.*\.dvc' didn't change, skipping|(Running|Verifying) .*\.dvc'.*")


def test_every_scenario_is_known() -> None:
    assert len(SCENARIOS) == 40
    assert not (KNOWN.keys() | SETUP.keys()) - SCENARIOS.keys()


@pytest.mark.parametrize("name", SCENARIOS)
def test_golden(
    name: str, tmp_path: Path, request: pytest.FixtureRequest, record_property: Callable[[str, object], None]
) -> None:
    tool = request.config.getoption("--golden-tool")
    scenario = json.loads(SCENARIOS[name].read_text(encoding="utf-8"))
    expected = [expectation(step) for step in scenario["steps"]]
    if tool != "dvc":
        deviate(name, expected)
    replay = Replay(Path(os.path.realpath(tmp_path)), tool)
    wrong = []
    for number, step in enumerate(scenario["steps"]):
        found = replay.do(step)
        lines = differences(expected[number], found)
        if lines:
            wrong.append(
                f"step {number} {title(step)}\n" + "\n".join("    " + line for line in lines) + replay.said(step)
            )
        if step["op"] == "init":
            for argv in SETUP.get(name, []) if tool != "dvc" else []:
                replay.call(argv)
        if replay.text != step.get("stdout", replay.text) and step["argv"][1] in ("status", "checkout"):
            record_property(
                "golden text",
                f"{name} step {number} {title(step)}\n  dvc:  {step['stdout']!r}\n  ours: {replay.text!r}",
            )
    if wrong:
        pytest.fail(f"{name}: {scenario['title']}\n" + "\n".join(wrong), pytrace=False)


def title(step: Mapping[str, Any]) -> str:
    if step["op"] == "snapshot":
        return f"snapshot {step['name']}"
    variant = f" ({step['variant']})" if "variant" in step else ""
    return " ".join(step.get("argv", [step["op"]])) + variant


def expectation(step: Mapping[str, Any]) -> dict[str, Any]:
    """What must be found after a step; nothing for steps that only prepare."""
    if step["op"] == "git":
        return {"exit": step["exit"]}
    if step["op"] == "snapshot":
        return {part: step[part] for part in ("meta", "workspace", "cache", "dirs") if part in step}
    if step["op"] != "run":
        return {}
    result: dict[str, Any] = {"fails": step["exit"] != 0}
    if "json" in step:
        result["json"] = step["json"]
    return result | events(step["argv"], step.get("stdout", ""))


def events(argv: list[str], text: str) -> dict[str, list[str]]:
    """Which stages ran, in order; lines on `.dvc` files come in the order of the directory, so they are sorted."""
    if argv[1] != "repro" and "--run" not in argv:
        return {}
    lines = text.splitlines()
    on_files = sorted(line for line in lines if DVC_FILE_EVENT.fullmatch(line))
    return {
        "ran": [line for line in lines if EVENT.fullmatch(line) and line not in on_files],
        "on .dvc files": on_files,
    }


def deviate(name: str, expected: list[dict[str, Any]]) -> None:
    """Put our own values where we knowingly differ; a value that is also dvc's has no place in the list."""
    for known in KNOWN.get(name, []):
        place = expected[known.step] = copy.deepcopy(expected[known.step])
        for key in known.where[:-1]:
            place = place[key]
        key = known.where[-1]
        theirs = place.get(key, ABSENT)
        ours = known.ours.of(theirs) if isinstance(known.ours, Edit) else known.ours
        assert theirs != ours, f"{name}: listed as different, but dvc does the same: {known}"
        if ours is ABSENT:
            del place[key]
        else:
            place[key] = ours


class Replay:
    """A project at `tmp/repo` in which steps are done one after the other."""

    def __init__(self, tmp: Path, tool: str) -> None:
        self.tmp, self.tool, self.root = str(tmp), tool, str(tmp / "repo")
        os.makedirs(self.root)
        self.env = sealed_environment(tmp / "home")
        self.text = self.errors = ""

    def do(self, step: Mapping[str, Any]) -> dict[str, Any]:
        self.text = step.get("stdout", "")
        return getattr(self, "do_" + step["op"])(step) or {}

    def path(self, relative: str) -> str:
        return os.path.join(self.root, relative)

    def call(self, argv: list[str], cwd: str = ".", env: Mapping[str, str] | None = None, stdin: str = "") -> int:
        got = subprocess.run(
            argv,
            cwd=self.path(cwd),
            env=self.env | dict(env or {}),
            input=stdin.encode(),
            capture_output=True,
            timeout=120,
        )
        self.text, self.errors = self.clean(got.stdout), self.clean(got.stderr)
        return got.returncode

    def clean(self, output: bytes) -> str:
        text = HINT.sub("", output.decode("utf-8", "backslashreplace").replace(self.tmp, "{TMP}"))
        return "\n".join(re.sub(r"(\S) {2,}", r"\1  ", line) if "{TMP}" in line else line for line in text.split("\n"))

    def said(self, step: Mapping[str, Any]) -> str:
        if step["op"] != "run":
            return ""
        dvc = step.get("stderr", "")
        return (
            f"\n    stdout {self.text[-1500:]!r}\n    stderr {self.errors[-1500:]!r}\n    dvc's stderr {dvc[-500:]!r}"
        )

    # Steps

    def do_init(self, step: Mapping[str, Any]) -> None:
        if step["git"]:
            assert self.call(["git", "init", "-q", "-b", "main", "."]) == 0
        argv = ["dvc", "init", "-q"] if self.tool == "dvc" else ["git-stage", "init", "-q", "--no-hooks"]
        assert self.call([*argv, *([] if step["git"] else ["--no-scm"])]) == 0, self.errors
        if step["git"]:
            assert self.call(["git", "commit", "-q", "-m", "init"]) == 0, self.errors

    def do_write(self, step: Mapping[str, Any]) -> None:
        full = self.path(step["path"])
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if os.path.lexists(full):
            os.unlink(full)
        with open(full, "wb") as stream:
            stream.write(base64.b64decode(step["b64"]) if "b64" in step else step["text"].encode())
        if "mode" in step:
            os.chmod(full, int(step["mode"], 8))

    def do_append(self, step: Mapping[str, Any]) -> None:
        with open(self.path(step["path"]), "ab") as stream:
            stream.write(step["text"].encode())

    def do_remove(self, step: Mapping[str, Any]) -> None:
        for path in step["paths"]:
            full = self.path(path)
            if os.path.isdir(full) and not os.path.islink(full):
                shutil.rmtree(full)
            elif os.path.lexists(full):
                os.unlink(full)

    def do_mkdir(self, step: Mapping[str, Any]) -> None:
        for path in step["paths"]:
            os.makedirs(self.path(path), exist_ok=True)

    def do_symlink(self, step: Mapping[str, Any]) -> None:
        os.symlink(step["target"], self.path(step["path"]))

    def do_chmod(self, step: Mapping[str, Any]) -> None:
        os.chmod(self.path(step["path"]), int(step["mode"], 8))

    def do_utime(self, step: Mapping[str, Any]) -> None:
        os.utime(self.path(step["path"]), (step["mtime"], step["mtime"]))

    def do_rename(self, step: Mapping[str, Any]) -> None:
        os.rename(self.path(step["src"]), self.path(step["dst"]))

    def do_git(self, step: Mapping[str, Any]) -> dict[str, Any]:
        return {"exit": self.call(step["argv"])}

    def do_run(self, step: Mapping[str, Any]) -> dict[str, Any]:
        argv = step["argv"] if self.tool == "dvc" else translate(step["argv"])
        code = self.call(argv, step.get("cwd", "."), step.get("env"), step.get("stdin", ""))
        result: dict[str, Any] = {"fails": code != 0}
        if "json" in step:
            try:
                result["json"] = json.loads(self.text)
            except ValueError:
                result["json"] = self.text
            if step["argv"][1:3] == ["data", "status"]:
                result["json"] = sort_lists(result["json"])
        return result | events(step["argv"], self.text)

    def do_snapshot(self, step: Mapping[str, Any]) -> dict[str, Any]:
        meta, work = self.look()
        parts: dict[str, Any] = {"meta": meta, "workspace": work}
        if "cache" in step:
            parts["cache"] = self.listing(self.path(".dvc/cache"))
        if "dirs" in step:
            parts["dirs"] = {path: self.listing(self.path(path)) for path in step["dirs"]}
        return {part: value for part, value in parts.items() if part in step}

    def look(self) -> tuple[dict[str, str], dict[str, Any]]:
        """The text of the files that describe data, and all other files of the work tree."""
        meta: dict[str, str] = {}
        work: dict[str, Any] = {}
        for base, folders, files in os.walk(self.root):
            below = os.path.relpath(base, self.root)
            prefix = "" if below == "." else below + "/"
            if below == ".":
                folders[:] = [name for name in folders if name != ".git"]
            if below == ".dvc":
                folders[:] = []
            for name in list(folders):
                full = os.path.join(base, name)
                if os.path.islink(full):
                    work[prefix + name] = self.describe(full)
                    folders.remove(name)
                elif not prefix.startswith(".dvc") and prefix + name != ".dvc" and not os.listdir(full):
                    work[prefix + name + "/"] = {"type": "empty-dir"}
            for name in files:
                path, full = prefix + name, os.path.join(base, name)
                if is_meta(path):
                    with open(full, encoding="utf-8", newline="") as stream:
                        meta[path] = stream.read().replace(self.tmp, "{TMP}")
                elif not path.startswith(".dvc/"):
                    work[path] = self.describe(full)
        return meta, work

    def describe(self, full: str) -> dict[str, Any]:
        info = os.lstat(full)
        if stat.S_ISLNK(info.st_mode):
            return {"type": "link", "target": os.readlink(full).replace(self.tmp, "{TMP}")}
        with open(full, "rb") as stream:
            data = stream.read()
        mode = f"{stat.S_IMODE(info.st_mode):04o}"
        links = {"nlink": info.st_nlink} if info.st_nlink > 1 else {}
        return {"type": "file", "mode": mode, "size": len(data), "md5": md5(data)} | links

    def listing(self, top: str) -> dict[str, Any]:
        found = {}
        for base, _, files in os.walk(top):
            for name in files:
                full = os.path.join(base, name)
                path = os.path.relpath(full, top)
                entry = self.describe(full)
                del entry["type"]
                if name.endswith(".dir") or path.startswith("runs/"):
                    with open(full, encoding="utf-8", newline="") as stream:
                        entry["text"] = stream.read()
                found[path] = entry
        return found


def translate(argv: list[str]) -> list[str]:
    """The same request to git-stage; unchanged if it does not have that verb."""
    verb, rest = argv[1], argv[2:]
    if verb == "stage" and rest[0] == "add":
        return [
            "git-stage",
            "run",
            *([] if "--run" in rest else ["--no-exec"]),
            *(word for word in rest[1:] if word != "--run"),
        ]
    if verb == "stage" and rest[0] == "list":
        return ["git-stage", "list", *rest[1:]]
    if verb not in OURS:
        return argv
    return ["git-stage", *argv[1:]]


def is_meta(path: str) -> bool:
    name = os.path.basename(path)
    if path.startswith(".dvc/"):
        return path in (".dvc/config", ".dvc/config.local", ".dvc/.gitignore")
    return name in ("dvc.yaml", "dvc.lock", ".gitignore", ".dvcignore") or name.endswith(".dvc")


def sort_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: sort_lists(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return sorted((sort_lists(inner) for inner in value), key=lambda inner: json.dumps(inner, sort_keys=True))
    return value
