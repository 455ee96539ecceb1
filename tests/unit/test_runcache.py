"""Results that come from somebody else."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitstage import formats
from gitstage.runcache import RunCache

ENTRY = {
    "cmd": "cp a b",
    "deps": [{"path": "a", "hash": "md5", "md5": "b026324c6904b2a9cb4b88d6d61c81d1", "size": 2}],
    "outs": [{"path": "b", "hash": "md5", "md5": "b026324c6904b2a9cb4b88d6d61c81d1", "size": 2}],
}


@pytest.fixture
def name(tmp_path: Path) -> str:
    """Where the result lies below the folder of the one who saved it."""
    theirs = RunCache(str(tmp_path / "theirs/runs"))
    theirs.save(ENTRY)
    (path,) = [path for path in (tmp_path / "theirs/runs").rglob("*") if path.is_file()]
    return str(path.relative_to(tmp_path / "theirs/runs"))


def test_a_result_is_taken_under_its_own_name_only(tmp_path: Path, name: str) -> None:
    ours = RunCache(str(tmp_path / "ours/runs"))
    source = tmp_path / "theirs/runs" / name
    other = name[:-1] + ("0" if name[-1] != "0" else "1")
    assert not ours.take(str(source), other)
    assert not (tmp_path / "ours").exists()
    assert ours.take(str(source), name)
    assert (tmp_path / "ours/runs" / name).read_bytes() == source.read_bytes()
    assert [found["outs"] for found in ours.find(ENTRY)] == [ENTRY["outs"]]


@pytest.mark.parametrize(
    "text", [b"", b"\xff", b"[1]", b"cmd: x\n", b"a: b: c", formats.dump({"cmd": "x", "outs": []}).encode()]
)
def test_what_is_no_result_is_not_taken(tmp_path: Path, name: str, text: bytes) -> None:
    source = tmp_path / "text"
    source.write_bytes(text)
    assert not RunCache(str(tmp_path / "ours/runs")).take(str(source), name)
