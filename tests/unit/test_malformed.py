"""Every key of every pipeline file with values of every wrong type: the error names file, line, key, and what was
expected. The same through the installed command for a sample, with nothing changed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import Repo

from gitstage import formats
from gitstage.errors import FormatError

STAGE = "stages:\n  s:\n    cmd: echo\n"
OUT = STAGE + "    outs:\n    - o:\n        "
PLOT = STAGE + "    plots:\n    - p:\n        "
LOCK = "schema: '2.0'\nstages:\n  s:\n    "
ENTRY = LOCK + "cmd: echo\n    outs:\n    - path: o\n      "
DATA = "outs:\n- path: d\n  "

TEXT, BOOL, LIST, MAP, COUNT = "a string", "true or false", "a list", "a map", "a whole number"
BAD = {
    TEXT: ["5", "1.5", "true", "", "[a]", "{a: b}"],
    BOOL: ["'true'", "yes", "1", "", "[true]", "{}"],
    LIST: ["text", "5", "true", "", "{a: b}"],
    MAP: ["text", "5", "false", "", "[a]"],
    COUNT: ["'5'", "text", "1.5", "true", "[5]", "{}"],
}
EITHER = {
    "a command or a list of commands": ["5", "true", "", "{a: b}"],
    "a list, a map or an expression": ["5", "text", "true", ""],
    "a path or a map of one path": ["5", "true", "[a]", ""],
    "a file or a map": ["5", "true", "[a]", ""],
    "a key or a map of files": ["5", "true", "[a]", ""],
    "a list or an expression": ["5", "true", "{a: b}", ""],
    "a path or a map of plots": ["5", "true", "[a]", ""],
    "exactly one path": ["{a: {}, b: {}}", "{}"],
    "'2.0'": ["2.0", "'1.0'", "2", "", "[]", "{}"],
    "a hash value": ["5", "true", "ab", "[a]", "{}"],
    "a field or a map of files to fields": ["5", "true", "[a]", ""],
    "a field, a list of fields or a map of files to fields": ["5", "true", ""],
}

# file, text before the line, the line with {} for the value, key, what is expected
PLACES: list[tuple[str, str, str, str, str]] = [
    *(("dvc.yaml", "", f"{key}: {{}}", key, LIST) for key in ("vars", "params", "metrics", "plots")),
    *(("dvc.yaml", "", f"{key}: {{}}", key, MAP) for key in ("stages", "artifacts")),
    ("dvc.yaml", "stages:\n  ", "s: {}", "stages.s", MAP),
    ("dvc.yaml", "stages:\n  s:\n    ", "cmd: {}", "stages.s.cmd", "a command or a list of commands"),
    *(("dvc.yaml", STAGE + "    ", f"{key}: {{}}", f"stages.s.{key}", TEXT) for key in ("wdir", "desc")),
    *(("dvc.yaml", STAGE + "    ", f"{key}: {{}}", f"stages.s.{key}", BOOL) for key in ("frozen", "always_changed")),
    *(
        ("dvc.yaml", STAGE + "    ", f"{key}: {{}}", f"stages.s.{key}", LIST)
        for key in ("deps", "params", "outs", "metrics", "plots", "vars")
    ),
    ("dvc.yaml", STAGE + "    ", "matrix: {}", "stages.s.matrix", MAP),
    ("dvc.yaml", STAGE + "    matrix:\n      ", "x: {}", "stages.s.matrix.x", "a list or an expression"),
    ("dvc.yaml", STAGE + "    deps:\n    ", "- {}", "stages.s.deps[0]", TEXT),
    *(
        ("dvc.yaml", STAGE + f"    {key}:\n    ", "- {}", f"stages.s.{key}[0]", "a path or a map of one path")
        for key in ("outs", "metrics", "plots")
    ),
    ("dvc.yaml", STAGE + "    outs:\n    ", "- {}", "stages.s.outs[0]", "exactly one path"),
    ("dvc.yaml", STAGE + "    params:\n    ", "- {}", "stages.s.params[0]", "a key or a map of files"),
    ("dvc.yaml", STAGE + "    vars:\n    ", "- {}", "stages.s.vars[0]", "a file or a map"),
    *(
        ("dvc.yaml", OUT, f"{key}: {{}}", f"stages.s.outs[0].o.{key}", BOOL)
        for key in ("cache", "persist", "push", "checkpoint")
    ),
    *(("dvc.yaml", OUT, f"{key}: {{}}", f"stages.s.outs[0].o.{key}", TEXT) for key in ("remote", "desc", "type")),
    ("dvc.yaml", OUT, "labels: {}", "stages.s.outs[0].o.labels", LIST),
    ("dvc.yaml", OUT + "labels:\n        ", "- {}", "stages.s.outs[0].o.labels[0]", TEXT),
    *(
        ("dvc.yaml", PLOT, f"{key}: {{}}", f"stages.s.plots[0].p.{key}", TEXT)
        for key in ("x", "y", "x_label", "y_label", "title", "template")
    ),
    ("dvc.yaml", PLOT, "header: {}", "stages.s.plots[0].p.header", BOOL),
    ("dvc.yaml", "stages:\n  s:\n    do:\n      cmd: x\n    ", "foreach: {}", "stages.s.foreach",
     "a list, a map or an expression"),
    ("dvc.yaml", "stages:\n  s:\n    foreach: [a]\n    ", "do: {}", "stages.s.do", MAP),
    ("dvc.yaml", "stages:\n  s:\n    foreach: [a]\n    do:\n      ", "cmd: {}", "stages.s.do.cmd",
     "a command or a list of commands"),
    ("dvc.yaml", "vars:\n", "- {}", "vars[0]", "a file or a map"),
    *(("dvc.yaml", f"{key}:\n", "- {}", f"{key}[0]", TEXT) for key in ("params", "metrics")),
    ("dvc.yaml", "plots:\n", "- {}", "plots[0]", "a path or a map of plots"),
    ("dvc.yaml", "plots:\n- p:\n    ", "x: {}", "plots[0].p.x", "a field or a map of files to fields"),
    ("dvc.yaml", "plots:\n- p:\n    ", "y: {}", "plots[0].p.y",
     "a field, a list of fields or a map of files to fields"),
    *(
        ("dvc.yaml", "plots:\n- p:\n    ", f"{key}: {{}}", f"plots[0].p.{key}", TEXT)
        for key in ("title", "template", "x_label", "y_label")
    ),
    ("dvc.yaml", "artifacts:\n  ", "a: {}", "artifacts.a", MAP),
    ("dvc.yaml", "artifacts:\n  a:\n    ", "path: {}", "artifacts.a.path", TEXT),
    *(
        ("dvc.yaml", "artifacts:\n  a:\n    path: p\n    ", f"{key}: {{}}", f"artifacts.a.{key}", kind)
        for key, kind in (("type", TEXT), ("desc", TEXT), ("labels", LIST))
    ),
    ("dvc.lock", "", "schema: {}", "schema", "'2.0'"),
    ("dvc.lock", "schema: '2.0'\n", "stages: {}", "stages", MAP),
    ("dvc.lock", LOCK.removesuffix("s:\n    "), "s: {}", "stages.s", MAP),
    ("dvc.lock", LOCK, "cmd: {}", "stages.s.cmd", "a command or a list of commands"),
    *(
        ("dvc.lock", LOCK + "cmd: x\n    ", f"{key}: {{}}", f"stages.s.{key}", kind)
        for key, kind in (("deps", LIST), ("outs", LIST), ("params", MAP))
    ),
    ("dvc.lock", LOCK + "cmd: x\n    params:\n      ", "params.yaml: {}", "stages.s.params.params.yaml", MAP),
    *(("dvc.lock", ENTRY, f"{key}: {{}}", f"stages.s.outs[0].{key}", COUNT) for key in ("size", "nfiles")),
    ("dvc.lock", ENTRY, "isexec: {}", "stages.s.outs[0].isexec", BOOL),
    *(("dvc.lock", ENTRY, f"{key}: {{}}", f"stages.s.outs[0].{key}", "a hash value") for key in ("md5", "etag")),
    ("dvc.lock", ENTRY, "hash: {}", "stages.s.outs[0].hash", TEXT),
    ("dvc.lock", LOCK + "cmd: x\n    deps:\n    ", "- path: {}", "stages.s.deps[0].path", TEXT),
    ("d.dvc", "", "outs: {}", "outs", "a list"),
    *(("d.dvc", DATA[:-2], f"{key}: {{}}", key, BOOL) for key in ("frozen", "always_changed")),
    ("d.dvc", DATA[:-2], "desc: {}", "desc", TEXT),
    *(("d.dvc", DATA, f"{key}: {{}}", f"outs[0].{key}", BOOL) for key in ("cache", "persist", "push", "isexec")),
    *(("d.dvc", DATA, f"{key}: {{}}", f"outs[0].{key}", COUNT) for key in ("size", "nfiles")),
    *(("d.dvc", DATA, f"{key}: {{}}", f"outs[0].{key}", TEXT) for key in ("desc", "type", "remote", "hash")),
    ("d.dvc", DATA, "labels: {}", "outs[0].labels", LIST),
    ("d.dvc", DATA, "md5: {}", "outs[0].md5", "a hash value"),
    ("d.dvc", "deps:\n- path: d\n  ", "repo: {}", "deps[0].repo", MAP),
    ("d.dvc", "deps:\n- path: d\n  repo:\n    ", "url: {}", "deps[0].repo.url", TEXT),
]  # fmt: skip


def cases() -> Iterator[Any]:
    for file, before, line, key, wanted in PLACES:
        for value in BAD.get(wanted) or EITHER.get(wanted, []):
            if file == "d.dvc" and key == "outs" and value == "":
                continue  # no outputs
            yield pytest.param(file, before + line.format(value) + "\n", key, wanted, id=f"{file}-{key}-{value}")


# file, text, line, words of the message
OTHERS: list[tuple[str, str | bytes, int | None, tuple[str, ...]]] = [
    ("dvc.yaml", "stages:\n  s:\n    cmd: x\n    outz: [o]\n", 4, ("stages.s.outz", "did you mean 'outs'?")),
    ("dvc.yaml", "stage:\n  s:\n    cmd: x\n", 1, ("stage:", "did you mean 'stages'?")),
    ("dvc.yaml", "stages:\n  s:\n    deps: [a]\n", 2, ("stages.s", "the key 'cmd' is missing")),
    ("dvc.yaml", "stages:\n  s:\n    foreach: [a]\n", 2, ("stages.s", "the key 'do' is missing")),
    ("dvc.yaml", "stages:\n  s:\n    foreach: [a]\n    cmd: x\n    do: {cmd: x}\n", 4, ("stages.s.cmd", "no such key")),
    ("dvc.yaml", "stages:\n  s:\n    cmd: ''\n", 3, ("stages.s.cmd", "the command is empty")),
    ("dvc.yaml", "stages:\n  s:\n    cmd: []\n", 3, ("stages.s.cmd", "the command is empty")),
    ("dvc.yaml", "stages:\n  s:\n    cmd: [5]\n", 3, ("stages.s.cmd[0]", "expected a string, found 5")),
    ("dvc.yaml", "stages:\n  a@b:\n    cmd: x\n", 2, ("stages.a@b", "may not contain '@'")),
    ("dvc.yaml", "stages:\n  5:\n    cmd: x\n", 2, ("stages[5]", "expected a stage name")),
    ("dvc.yaml", "artifacts:\n  a: {type: m}\n", 2, ("artifacts.a", "the key 'path' is missing")),
    ("dvc.yaml", "stages:\n  a: {cmd: x}\n  a: {cmd: y}\n", 3, ("'a' occurs twice",)),
    ("dvc.yaml", "stages:\n  a: {cmd: x\n", 3, ("not YAML",)),
    ("dvc.yaml", "stages:\n\ta: x\n", 2, ("not YAML",)),
    ("dvc.yaml", "stages: a: b\n", 1, ("not YAML",)),
    ("dvc.yaml", "stages: {}\n---\nstages: {}\n", 2, ("second one starts here",)),
    ("dvc.yaml", "<<<<<<< ours\nstages: {}\n=======\n>>>>>>> theirs\n", 1, ("unresolved merge conflict",)),
    ("dvc.yaml", "stages: !!python/object:os.system {}\n", 1, ("tag",)),
    ("dvc.yaml", "stages: *nowhere\n", 1, ("alias *nowhere names nothing",)),
    ("dvc.yaml", b"stages:\n  a: {cmd: \xff}\n", 2, ("not UTF-8",)),
    ("dvc.yaml", "stages: {a: {cmd: \x01}}\n", 1, ("U+0001 is not allowed",)),
    ("dvc.yaml", "a: " * 1 + "[" * 200 + "]" * 200 + "\n", 1, ("nested more than",)),
    ("dvc.yaml", "- a\n", 1, ("expected a map, found a list",)),
    ("dvc.yaml", "text\n", 1, ("expected a map, found 'text'",)),
    ("dvc.yaml", "5\n", 1, ("expected a map, found 5",)),
    ("dvc.lock", "", None, ("expected schema: '2.0', found an empty file",)),
    ("dvc.lock", "- a\n", 1, ("expected a map",)),
    ("dvc.lock", "schema: '2.0'\nstagez: {}\n", 2, ("did you mean 'stages'?",)),
    ("dvc.lock", "schema: '2.0'\nstages:\n  s:\n    deps: []\n", 3, ("stages.s", "the key 'cmd' is missing")),
    (
        "dvc.lock",
        "schema: '2.0'\nstages:\n  s:\n    cmd: x\n    outs:\n    - md5: aaa\n",
        6,
        ("the key 'path' is missing",),
    ),
    ("dvc.lock", "schema: '2.0'\nstages:\n  s:\n    cmd: x\n    wdir: x\n", 5, ("stages.s.wdir", "no such key")),
    ("dvc.lock", "stages: {}\n", 1, ("the key 'schema' is missing",)),
    ("d.dvc", "outs:\n- md5: aaa\n", 2, ("outs[0]", "the key 'path' is missing")),
    ("d.dvc", "outs:\n- path: d\n  md6: x\n", 3, ("outs[0].md6", "did you mean 'md5'?")),
    ("d.dvc", "deps:\n- path: d\n  repo: {}\n", 3, ("deps[0].repo", "the key 'url' is missing")),
    ("d.dvc", "- a\n", 1, ("expected a map",)),
    ("d.dvc", "outs:\n- path: d\noutz: []\n", 3, ("outz", "did you mean 'outs'?")),
]

PARSERS: dict[str, Callable[[bytes, str], Any]] = {
    "dvc.yaml": formats.parse_pipeline,
    "dvc.lock": formats.parse_lock,
    "d.dvc": formats.parse_dvc,
}


def test_there_are_many() -> None:
    assert len(list(cases())) + len(OTHERS) >= 150


@pytest.mark.parametrize(("file", "text", "key", "wanted"), list(cases()))
def test_a_value_of_a_wrong_type(file: str, text: str, key: str, wanted: str) -> None:
    with pytest.raises(FormatError) as caught:
        PARSERS[file](text.encode(), file)
    error = caught.value
    assert error.line == text.count("\n"), str(error)
    assert str(error).startswith(f"{file}:{error.line}: {key}"), str(error)
    assert f"expected {wanted}" in str(error) or f"a map of {wanted}" in str(error), str(error)
    assert "found" in str(error)


@pytest.mark.parametrize(("file", "text", "line", "words"), OTHERS, ids=lambda value: str(value)[:40])
def test_what_else_can_be_wrong(file: str, text: str | bytes, line: int | None, words: tuple[str, ...]) -> None:
    with pytest.raises(FormatError) as caught:
        PARSERS[file](text.encode() if isinstance(text, str) else text, file)
    error = caught.value
    assert error.line == line, str(error)
    assert all(word in str(error) for word in words), str(error)


SAMPLE = list(itertools.islice(cases(), 3, None, 60)) + [pytest.param(*o, id=str(o[1])[:30]) for o in OTHERS[::9]]
VERBS = [
    "status",
    "repro",
    "commit -f",
    "checkout",
    "add data",
    "list",
    "freeze s",
    "gc -w -f",
    "remove s",
    "move data x",
]


@pytest.mark.parametrize("case", [param.values for param in SAMPLE], ids=[str(param.id) for param in SAMPLE])
def test_the_command_says_it_in_one_line_and_changes_nothing(ran: Repo, case: tuple[Any, ...]) -> None:
    file, text = case[:2]
    with pytest.raises(FormatError) as caught:
        PARSERS[file](text.encode() if isinstance(text, str) else text, file)
    ran.write({file: text})
    before = ran.state()
    for verb in VERBS[::3] if file != "dvc.yaml" else VERBS[1::3]:
        got = ran.stage(*verb.split())
        assert (got.returncode, got.stdout) == (3, ""), (verb, got.stderr)
        assert got.stderr.splitlines()[0] == f"git-stage: {caught.value}".replace("\n", " "), verb
    assert ran.state() == before
