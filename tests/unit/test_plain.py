"""What is written without YAML must be what YAML reads there."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from gitstage.formats import parse_dvc
from gitstage.formats.plain import plain_dvc, read_plain_dvc

MD5 = "d3b07384d113edec49eaa6238ad5ff00"


def check(text: bytes, value: dict[str, Any]) -> None:
    """Both read `value` there: with its order and types."""
    for read in (parse_dvc(text, "x.dvc"), read_plain_dvc(text)):
        assert read == value
        for one, other in zip(read["outs"], value["outs"], strict=True):
            assert [(key, type(one[key])) for key in one] == [(key, type(other[key])) for key in other]


def test_the_value_is_what_the_text_says() -> None:
    md5 = "d3b07384d113edec49eaa6238ad5ff00"
    values: list[dict[str, Any]] = [
        {"outs": [{"md5": md5, "size": 4, "hash": "md5", "path": "a"}]},
        {"outs": [{"md5": f"{md5}.dir", "size": 0, "nfiles": 0, "hash": "md5", "path": "dir-1.b/c_d"}]},
        {"outs": [{"md5": md5, "size": 4, "isexec": True, "hash": "md5", "path": "a"}, {"md5": md5, "path": "Null.x"}]},
    ]
    for value in values:
        text = plain_dvc(value)
        assert text is not None
        check(text, value)
    for odd in ("1e5", "true", "a b", "0x10", "12:30", "~", "é", "a: b", "x" * 80):
        assert plain_dvc({"outs": [{"md5": md5, "path": odd}]}) is None


_SCALARS = some.one_of(
    some.text("abeE01.-_/ nulltrue:~'#&*!|>%@`,[]{}é\n\t", max_size=8),
    some.integers(-2, 10**20),
    some.booleans(),
    some.sampled_from([MD5, f"{MD5}.dir", "1" * 32, "1" * 15 + "e" + "1" * 16]),
)
_KEYS = some.sampled_from(["md5", "size", "nfiles", "hash", "isexec", "path", "desc"])


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(some.lists(some.dictionaries(_KEYS, _SCALARS, max_size=5), max_size=3))
def test_any_value(outs: list[dict[str, Any]]) -> None:
    text = plain_dvc({"outs": outs})
    if text is not None and read_plain_dvc(text) is not None:
        check(text, {"outs": outs})


_MARKS = some.sampled_from(["- ", "  ", "", "    ", "-"])
_TEXTS = some.sampled_from(
    ["1", "01", "1e5", "0x1", "true", "false", "no", "a", "a b", "a: b", "a #b", "'a'", "~", "", MD5]
)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(some.lists(some.builds("{}{}: {}".format, _MARKS, _KEYS, _TEXTS), max_size=6))
def test_any_text(lines: list[str]) -> None:
    """What is read without YAML is what YAML reads, and nothing that it would refuse."""
    text = "\n".join(["outs:", *lines, ""]).encode()
    read = read_plain_dvc(text)
    if read is not None:
        check(text, read)


def test_ordinary_files_are_read() -> None:
    text = f"outs:\n- md5: {MD5}\n  size: 4\n  hash: md5\n  path: a\n".encode()
    assert read_plain_dvc(text) is not None
    changes = {"size: 4": "size: 04", "  path: a\n": "", "path: a\n": "path: a\n  path: b\n", "outs": "deps"}
    for old, new in changes.items():
        assert read_plain_dvc(text.replace(old.encode(), new.encode())) is None
    assert read_plain_dvc(text + b"\n") is None
