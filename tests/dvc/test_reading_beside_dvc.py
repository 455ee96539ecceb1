"""The verbs that read say what real `dvc` says, on random projects: the same JSON, the same graph, exit codes alike.

Before they are compared: lists of paths are sorted where DVC's order is that of the disk; messages of errors are left
out; so are sizes of folders, for which DVC gives that of the folder's own entry on the disk, and sizes that DVC does not
know. In graphs the numbers of nodes are left out.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from projects import build
from support import Repo, differences

BATCH = Path(__file__).with_name("batch.py")
PROJECTS = 20
CHUNK = 5

ALWAYS = """\
status --json
diff --json --show-hash v1
data status --json --granular --unchanged --untracked-files
metrics show --json
metrics diff --json v1 v2 --all
params diff --json --all v1
plots diff --json v1 v2 -o ../plots
ls . --json -R
dag --mermaid
""".splitlines()
IN_TURN = """\
diff --json
diff --json v1 v2
data status --json
data status --json --granular raw.bin made/in
metrics show --json -a
metrics show --json -A
metrics show --json numbers.json base
metrics show --json absent.json
metrics diff --json
metrics diff --json HEAD~1 --targets m.json numbers.json
metrics diff --json nope
params diff --json
params diff --json --deps v1 v2
params diff --json --targets values.yaml more.json
plots show --json -o ../plots
plots show --json --split series.json
plots show --json numbers.json -x absent
plots show --json --no-header --title T -y 1 top.csv
plots show --show-vega top.csv
plots show --json -t nope
plots diff --json -o ../plots
plots diff --json v1 -o ../plots --targets p.csv picture.png
plots templates
plots templates scatter
ls . --json
ls . base --json
ls . made/in --json
ls . --json -R --rev v1
ls . --json --dvc-only -R --rev v2
ls . --json nope
dag --md second
dag --mermaid --full first
dag --mermaid --outs
dag --mermaid --collapse-foreach-matrix
dag --dot
dag nope
check-ignore -d x.tmp .dvc a/b
""".splitlines()
"""Every eighth of these for each project, beginning with another one."""
BELOW = """\
metrics show --json
metrics diff --json v1
params diff --json v1
plots show --json -o ../../plots
ls . --json
dag --mermaid
""".splitlines()
"""One of these, from a folder below the root."""


def batch(tool: str, calls: Sequence[dict[str, Any]], env: dict[str, str], folder: Path) -> list[dict[str, Any]]:
    target = folder / f"{tool}.json"
    command = [sys.executable, str(BATCH), tool, str(target)]
    subprocess.run(command, input=json.dumps(calls), text=True, env=env, check=True, timeout=600)
    found: list[dict[str, Any]] = json.loads(target.read_text())
    return found


@pytest.mark.timeout(900)
@pytest.mark.parametrize("start", range(0, PROJECTS, CHUNK))
def test_same_answers(start: int, project_template: Path, environment: dict[str, str], tmp_path: Path) -> None:
    calls = []
    for seed in range(start, start + CHUNK):
        path = tmp_path / f"p{seed}"
        shutil.copytree(project_template, path, symlinks=True)
        repo = Repo(path, environment)
        names = build(repo, seed)
        calls += [
            {"cwd": str(path), "argv": line.split()}
            for line in (*ALWAYS, *IN_TURN[seed % 8 :: 8], f"dag --mermaid {names[-1]}")
        ]
        calls += [{"cwd": str(path / "base"), "argv": line.split()} for line in BELOW[seed % 6 :: 6]]
    theirs = batch("dvc", calls, environment, tmp_path)
    ours = batch("git-stage", calls, environment, tmp_path)
    wrong = []
    for call, expected, found in zip(calls, theirs, ours, strict=True):
        where = f"{Path(call['cwd']).relative_to(tmp_path)}: {' '.join(call['argv'])}"
        if (expected["code"] == 0) != (found["code"] == 0):
            wrong.append(f"{where}: exit {expected['code']} | {found['code']}\n{expected['err']}\n{found['err']}")
        elif expected["code"] == 0:
            wrong += [
                f"{where}: {line}"
                for line in differences(*(comparable(call["argv"], one["out"]) for one in (expected, found)))
            ]
        assert "Traceback" not in found["err"], f"{where}\n{found['err']}"
    assert not wrong, "\n".join(wrong[:40])


def comparable(argv: Sequence[str], said: str) -> Any:
    if argv[0] == "dag":
        return graph(said)
    if "--json" in argv or "--show-vega" in argv:
        value = json.loads(said or "null")
        return listing(value) if argv[0] == "ls" else plain(value, in_order=argv[0] == "plots")
    return said


def plain(value: Any, *, in_order: bool) -> Any:
    if isinstance(value, dict):
        if value.keys() >= {"type", "msg"}:
            return {key: one for key, one in value.items() if key not in ("type", "msg")}
        return {key: plain(one, in_order=in_order) for key, one in value.items()}
    if isinstance(value, list):
        items = [plain(one, in_order=in_order) for one in value]
        return items if in_order else sorted(items, key=json.dumps)
    return value


def listing(entries: list[dict[str, Any]]) -> Any:
    return {
        one["path"]: {key: value for key, value in one.items() if key != "size" or not (one["isdir"] or one["isout"])}
        for one in entries
    }


def graph(text: str) -> Any:
    """Nodes and edges of a Mermaid or Graphviz text, by their labels."""
    names = dict(re.findall(r'(node\d+)\["(.*)"\]', text))
    edges = [[names[a], names[b]] for a, b in re.findall(r"(node\d+)-->(node\d+)", text)]
    quoted = sorted(re.findall(r'^"(.*)";$', text, re.MULTILINE))
    arrows = sorted(re.findall(r'^"(.*)" -> "(.*)";$', text, re.MULTILINE))
    return {
        "nodes": sorted(names.values()),
        "edges": sorted(edges),
        "dot": [quoted, arrows],
        "frame": "```mermaid" in text,
    }
