"""`git stage remote` beside `dvc remote`: the same words leave the same files."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from support import Repo

COMMANDS = [
    ["add", "-d", "Loc", "../store"],
    ["add", "b", "s3://bucket/x"],
    ["add", "b", "s3://bucket/y"],
    ["add", "-f", "b", "s3://bucket/z"],
    ["add", "with space", "ssh://u@h:22/p"],
    ["add", "c,h", "/p/q,r#s"],
    ["add", "home", "~/h"],
    ["add", "bad", "foo://h/p"],
    ["add", "--local", "part", "remote://b/sub"],
    ["modify", "b", "endpointurl", "http://127.0.0.1:1"],
    ["modify", "b", "jobs", "3"],
    ["modify", "b", "jobs", "none"],
    ["modify", "b", "nokey", "1"],
    ["modify", "b", "region", ""],
    ["modify", "nope", "jobs", "1"],
    ["modify", "loc", "url", "elsewhere"],
    ["modify", "with space", "keyfile", "../key"],
    ["modify", "--local", "b", "secret_access_key", "a,b#c\"d"],
    ["modify", "--local", "b", "access_key_id", "x"],
    ["modify", "--local", "-u", "b", "access_key_id"],
    ["modify", "-u", "b", "region"],
    ["modify", "-u", "b", "region"],
    ["modify", "-u", "b", "url"],
    ["modify", "--global", "b", "jobs", "1"],
    ["list"],
    ["list", "--global"],
    ["default"],
    ["default", "nope"],
    ["default", "--local", "b"],
    ["default"],
    ["default", "--project"],
    ["add", "--global", "-d", "mine", "s3://mine"],
    ["list", "--global"],
    ["rename", "loc", "newer"],
    ["rename", "newer", "home"],
    ["rename", "nope", "x"],
    ["remove", "with space"],
    ["remove", "--local", "b"],
    ["list", "--local"],
    ["remove", "b"],
    ["remove", "b"],
    ["default", "--local"],
    ["default", "--local", "-u"],
    ["default", "-u"],
    ["default"],
    ["remove", "--global", "mine"],
    ["list"],
]  # fmt: skip

EACH = """
import contextlib, importlib, io, json, os, sys
main = importlib.import_module(sys.argv[1]).main
files = [".dvc/config", ".dvc/config.local", os.environ["DVC_GLOBAL_CONFIG_DIR"] + "/config"]
found = []
for argv in json.loads(sys.argv[2]):
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = main(["remote", *argv])
    texts = [open(file, newline="").read() if os.path.exists(file) else "" for file in files]
    found.append([bool(code), out.getvalue().split(), texts])
print(json.dumps(found), file=sys.stderr)
"""


@pytest.mark.parametrize("folder", [".", "sub"])
def test_the_same_words_leave_the_same_files(project: Repo, folder: str) -> None:
    """Outcome, words and files after each command; one process for all, because that is dvc's whole cost."""
    results = {}
    commands = [
        [word.replace("../", "../../") if folder == "sub" else word for word in argv]
        for argv in COMMANDS
        if folder == "." or argv[0] in ("add", "modify")
    ]
    for tool in ("dvc.cli", "gitstage.cli"):
        for file in (project.path / ".dvc/config", Path(project.env["DVC_GLOBAL_CONFIG_DIR"]) / "config"):
            file.write_text("")
        (project.path / ".dvc/config.local").unlink(missing_ok=True)
        (project.path / "sub").mkdir(exist_ok=True)
        script = EACH.replace(".dvc/", "../.dvc/") if folder == "sub" else EACH
        got = project.run(sys.executable, "-c", script, tool, json.dumps(commands), cwd=folder)
        assert got.returncode == 0, got.stderr
        results[tool] = json.loads(got.stderr.splitlines()[-1])
    for argv, theirs, ours in zip(commands, results["dvc.cli"], results["gitstage.cli"], strict=True):
        assert comparable(ours) == comparable(theirs), argv
    texts = "".join(results["gitstage.cli"][-1][2])
    assert ("secret_access_key" in texts) == (folder == "sub")


def comparable(result: list[Any]) -> list[Any]:
    """An empty file and one with an empty line say the same; dvc makes such files, of those it did not need to write."""
    failed, said, texts = result
    return [failed, said if not failed else None, [text if text.strip() else "" for text in texts]]
