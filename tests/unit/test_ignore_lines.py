"""One .gitignore line for one name: what Git reads must be what was meant."""

from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest
from pathspec.patterns import GitWildMatchPattern

from gitstage.git import ignore_line
from gitstage.git.ignorefile import own_lines, with_lines, without_lines

ODD = [
    b"plain", b"with space", b"trailing ", b"trailing  ", b" leading", b"#comment", b"!not", b"a*b", b"a?b", b"[ab]",
    b"back\\slash", b"end\\", b"end\\ ", b"line\nfeed", b"\n", b"cr\r", b"\r", b"mid\rdle", b"tab\t", b"tab\tin", b":colon",
    b":(top)x", b"-dash", b"caf\xc3\xa9", b"latin\xe9", b"\xff\xfe", b"**", b"a**b", b"]", b"a]b", b"[!a]", b"~", b"$x",
    b"'q'", b'"q"', b"a\x7f", b"\x01", b"x \\", b"\\ ", b" ",
]  # fmt: skip


def random_names(count: int) -> list[bytes]:
    dice = random.Random(20)
    letters = b"ab \\*?[]!#\n\r\t:-'\"\xe9\xff"
    names = {bytes(dice.choice(letters) for _ in range(dice.randint(1, 6))) for _ in range(count)}
    return sorted(names - {b".", b".."})


def ignored_files(folder: Path) -> set[bytes]:
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--others", "--ignored", "--exclude-standard"],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    return set(listed.stdout.split(b"\0")) - {b""}


def test_each_line_ignores_its_name_and_no_other(tmp_path: Path) -> None:
    names = sorted({*ODD, *random_names(150)})
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    for name in names:
        with open(os.fsencode(tmp_path) + b"/" + name, "w"):
            pass
    wrong = []
    for name in names:
        (tmp_path / ".gitignore").write_bytes(ignore_line(name) + b"\n")
        found = ignored_files(tmp_path)
        # a class stands for the line feed: its two neighbours are ignored along with it, nothing else
        extra = {other for other in found - {name} if name.replace(b"\n", b"\t") != other.replace(b"\v", b"\t")}
        if name not in found or extra:
            wrong.append((name, ignore_line(name), found))
    assert len(names) > 150
    assert wrong == []


def test_all_lines_together(tmp_path: Path) -> None:
    names = sorted({*ODD, *random_names(150)})
    subprocess.run(["git", "init", "-q", "."], cwd=tmp_path, check=True)
    for name in names:
        with open(os.fsencode(tmp_path) + b"/" + name, "w"):
            pass
    (tmp_path / ".gitignore").write_bytes(with_lines(b"", [ignore_line(name) for name in names]))
    status = subprocess.run(["git", "status", "--porcelain", "-z"], cwd=tmp_path, capture_output=True, check=True)
    assert status.stdout == b"?? .gitignore\0"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        (b"data.csv", b"/data.csv"), (b"a b", b"/a b"), (b"q*1", b"/q\\*1"), (b"[x]", b"/\\[x\\]"), (b"#a!", b"/\\#a\\!"),
        (b"a?", b"/a\\?"), (b"a\\b", b"/a\\\\b"), (b"a ", b"/a\\ "), (b"a\nb", b"/a[\t-\v]b"), (b"a\r", b"/a[\r]"),
    ],
)  # fmt: skip
def test_spelling(name: bytes, line: bytes) -> None:
    assert ignore_line(name) == line


def test_ordinary_names_are_spelled_as_dvc_spells_them() -> None:
    for name in ["data", "a b", "q*1", "[x]", "#a", "!a", "a?b", "a\\b", "x]y"]:
        assert ignore_line(name.encode()).decode() == "/" + GitWildMatchPattern.escape(name)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"/x\n"), (b"/a\n", b"/a\n/x\n"), (b"/a", b"/a\n/x\n"), (b"/a\r\n", b"/a\r\n/x\r\n"),
        (b"/a\r\n/b", b"/a\r\n/b\r\n/x\r\n"), (b"\xff\n", b"\xff\n/x\n"), (b"\n", b"\n/x\n"),
    ],
)  # fmt: skip
def test_append(before: bytes, after: bytes) -> None:
    assert with_lines(before, [b"/x"]) == after


@pytest.mark.parametrize("name", [b"plain", b"q*1", b"a ", b"cr\r", b"line\nfeed", b"[x]", b"\xe9"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_remove_what_was_appended(name: bytes, end: bytes) -> None:
    before = b"# mine" + end + b"/other" + end
    assert without_lines(with_lines(before, [ignore_line(name)]), own_lines(name)) == before


def test_remove_only_own_lines_in_every_spelling() -> None:
    data = b"/q*1\n/q\\*1\nq*1\n/q*1/\n /q*1\n/q*12\n!/q*1\n"
    assert without_lines(data, own_lines(b"q*1")) == b"q*1\n/q*1/\n /q*1\n/q*12\n!/q*1\n"


def test_remove_keeps_a_file_without_final_newline() -> None:
    assert without_lines(b"/a\n/x\n/b", own_lines(b"x")) == b"/a\n/b"
    assert without_lines(b"/x", own_lines(b"x")) == b""
