"""The README and docs/*.md are true: the console blocks of each page are run, in order, in one shell, and say what they say."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from support import Repo

README = Path(__file__).resolve().parents[2] / "README.md"
PAGES = [README, *sorted((README.parent / "docs").glob("*.md"))]
RUN_BY_OTHER_TESTS = {"./install.sh --demo", "./install.sh --test"}


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S)


def commands(page: Path) -> list[tuple[str, str]]:
    """(command, what it says) for each `$ ` line with its `> ` continuations. Output may begin with "> " too: only the
    lines right after a command that opens a here-document belong to it."""
    found: list[tuple[list[str], list[str]]] = []
    for block in blocks(page, "console"):
        within = False
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(([line[2:]], []))
                within = "<<'EOF'" in line
            elif within:
                assert line.startswith("> "), line
                found[-1][0].append(line[2:])
                within = line != "> EOF"
            else:
                found[-1][1].append(line)
    return [("\n".join(command), "\n".join(output)) for command, output in found]


def matches(expected: str, found: str) -> bool:
    """`...` alone on a line stands for any lines, within a line for any text; columns may be wider."""
    parts = [".*" if line == "..." else re.escape(line).replace(r"\.\.\.", ".*?") for line in expected.split("\n")]
    return re.fullmatch("\n".join(parts), found, re.S) is not None


@pytest.fixture
def tutorial(tmp_path: Path, repo: Repo) -> Repo:
    """An empty folder and a home with a clone of gitstage in it, the dispatcher first on PATH."""
    home = Path(repo.env["HOME"])
    (home / "gitstage").symlink_to(README.parent)
    shim = tmp_path / "shim"
    shim.mkdir()
    made = repo.run("git-stage", "shim", "install", "--dir", str(shim))
    assert made.returncode == 0, made.stderr
    repo.env["PATH"] = f"{shim}:{Path(sys.executable).parent}:{repo.env['PATH']}"
    return repo


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_console_block(tutorial: Repo, page: Path) -> None:
    steps = commands(page)
    assert len(steps) > 30 or page != README
    script = "exec 2>&1\n"
    for number, (command, _) in enumerate(steps):
        script += f"{command}\ncode=$?; echo '@@{number}' $code\n"
    got = tutorial.run("bash", "-c", script)
    rest = got.stdout
    for number, (command, expected) in enumerate(steps):
        said, mark, rest = rest.partition(f"@@{number} ")
        assert mark, f"{command}: the shell ended early"
        code, _, rest = rest.partition("\n")
        said = said.rstrip("\n") + ("" if code == "0" else f"\n[exit code {code}]")
        assert matches(expected, said.lstrip("\n") if not expected.startswith("\n") else said), f"$ {command}\n{said}"


def test_other_blocks_are_run_elsewhere() -> None:
    lines = {line.split("#")[0].strip() for block in blocks(README, "sh") for line in block.splitlines()}
    assert lines == RUN_BY_OTHER_TESTS


def test_every_setting_is_described() -> None:
    """The settings that the code asks for are those of the README's table."""
    asked: set[str] = set()
    for path in (README.parent / "gitstage").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        asked |= set(re.findall(r"settings\(\)\.get\(\s*\"(\w+)\"", text))
        asked |= set(re.findall(r"setting_bool\(\s*\"(\w+)\"", text))
        asked |= {f"{name}.name" for name in re.findall(r"f\"(\w+)\.\{name\}\", \"1\"", text)}
    table = re.findall(r"^\| `gitstage\.([\w.]+)` \|", README.read_text(encoding="utf-8"), re.M)
    assert {name.lower() for name in table} == {name.lower() for name in asked}
