"""Parameter values: reading by suffix, dotted keys, comparison, what can be recorded. Expectations: DVC 3.67."""

import json
import math
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from gitstage import formats, params
from gitstage.errors import FormatError, PipelineError

GOLDEN = Path(__file__).parents[1] / "golden"


def scenario(name: str) -> tuple[dict[str, bytes], list[dict[str, str]]]:
    """First version of every file that a golden scenario writes, and the texts of its snapshots."""
    files: dict[str, bytes] = {}
    snapshots = []
    for step in json.loads((GOLDEN / name / "scenario.json").read_text(encoding="utf-8"))["steps"]:
        if step["op"] == "write":
            files.setdefault(step["path"], step["text"].encode())
        elif step["op"] == "snapshot":
            snapshots.append(step["meta"])
    return files, snapshots


def recorded(values: dict[str, Any], path: str, keys: list[str]) -> dict[str, Any]:
    found = params.select(values, keys)
    return {key: params.jsonable(found[key], path, key) for key in sorted(found)}


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("p.yaml", "a: 1e-5\nb: yes", {"a": 1e-5, "b": "yes"}),
        ("p.yml", "", {}),
        ("p.yaml", "null", {}),
        ("p.yaml", "7: x\n'8': y", {7: "x", "8": "y"}),
        ("p.yaml", "\ufeffa: 1", {"a": 1}),
        ("noext", "a: 1", {"a": 1}),
        ("sub.json/p.txt", "a: 1", {"a": 1}),
        ("p.json", '{"a": 1e2, "b": null}', {"a": 100.0, "b": None}),
        ("p.JSON", '{"a": Infinity, "b": 1, "b": 2}', {"a": math.inf, "b": 2}),
        ("p.json", "null", {}),
        ("p.toml", "", {}),
        ("p.TOML", "a = 1.50\r\n[b]\r\nc = [1, 'x']", {"a": 1.5, "b": {"c": [1, "x"]}}),
        ("p.toml", "d = 1979-05-27", {"d": date(1979, 5, 27)}),
        ("p.py", "", {}),
        ("p.PY", "a = 1", {"a": 1}),
    ],
)  # fmt: skip
def test_the_suffix_says_how_to_read(path: str, text: str, expected: dict[str, Any]) -> None:
    assert params.read_values(text.encode(), path) == expected


@pytest.mark.parametrize(
    ("path", "data", "message"),
    [
        ("d/p.yaml", b"[1]", "d/p.yaml: must hold a mapping of names to values, not a list"),
        ("p.yaml", b"3", "p.yaml: must hold a mapping of names to values, not a number"),
        ("p.yaml", b"q: [", "p.yaml:"),
        ("p.json", b"", "p.json:1: not JSON: Expecting value"),
        ("p.json", b'{\n"a": }', "p.json:2: not JSON: Expecting value"),
        ("p.json", b"[]", "p.json: must hold a mapping of names to values, not a list"),
        ("p.json", b'\xef\xbb\xbf{"a": 1}', "p.json:1: not JSON"),
        ("p.json", b'{"a":\n "\xff"}', "p.json:2: not UTF-8 text"),
        ("p.json", b"[" * 100_000, "p.json: not JSON"),
        ("p.toml", b"a = ", "p.toml: not TOML"),
        ("p.toml", b"\xff", "p.toml:1: not UTF-8 text"),
        ("p.py", b"a = 1\nb = (", "p.py:2: not Python: '(' was never closed"),
        ("p.py", b"\xef\xbb\xbfA = 1", "p.py:1: not Python"),
        ("p.py", b"A = 1\0", "p.py: not Python"),
    ],
)
def test_what_cannot_be_read_names_the_file(path: str, data: bytes, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        params.read_values(data, path)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'''doc'''\nimport os\nA = 1; B = -1.5\nC = +1", {"A": 1, "B": -1.5, "C": 1}),
        ("A: int = 5\nB: 'x' = 2\nC: int", {"A": 5, "B": 2}),
        ("A = [1, (2, {3})]\nB = b'x'\nC = 1+2j", {"A": [1, (2, {3})], "B": b"x", "C": 1 + 2j}),
        ("A = {1: 2}\nB = {**{}}\nC = {(1, 2): 3}", {"A": {1: 2}, "C": {(1, 2): 3}}),
        ("A = 1 + 1\nB = int(3)\nC = f'x'\nD = not True\nE = [int]\nF = 'a' 'b'\nG = --1", {"F": "ab"}),
        ("A = B = 1\nC, D = 1, 2\n(E) = 8\nF += 1", {"E": 8}),
        ("A = 1\nA = f()", {"A": 1}),
        ("if True:\n  A = 1\ndef f():\n  B = 1\nfor i in []:\n  C = 1\ntry:\n  D = 1\nfinally:\n  pass", {}),
        ("a.b = 1\na['x'] = 2\nself.q = 3", {"q": 3}),
        ("class K:\n  '''d'''\n  x = 1\n  y: str = 's'\n  z = x", {"K": {"x": 1, "y": "s"}}),
        ("class K:\n  class In:\n    w = 1", {"K": {"In": {"w": 1}}}),
        ("class K:\n  pass\nclass L(K):\n  def f(self): self.x = 1", {"K": {}, "L": {}}),
        ("class K:\n  a = 1\nclass K:\n  b = 2", {"K": {"b": 2}}),
        ("A = 1\nclass A:\n  x = 1", {"A": {"x": 1}}),
        ("class A:\n  x = 2\n  def __init__(self):\n    self.x = 1\n    self.x = 5\n    A.y = 3\n    z = 4", {"A": {"x": 5}}),
        ("class A:\n  def __init__(self):\n    self.x = 1\n  x = 2", {"A": {"x": 2}}),
        ("class A:\n  def __init__(self):\n    x = self.y = 1\n    self.z: int = 3\n    self.a.b = 4", {"A": {"z": 3}}),
        ("class A:\n  def __init__(self):\n    if x:\n      self.q = 1", {"A": {}}),
        ("class A:\n  def __init__(this):\n    this.z = 3", {"A": {}}),
        ("class A:\n  def __init__(self):\n    class Q:\n      r = 1\n    self.s = 1", {"A": {"Q": {"r": 1}, "s": 1}}),
        ("class A:\n  self.x = 1", {"A": {"x": 1}}),
        ("A = 0x10\nB = 1_000\nC = 1e400", {"A": 16, "B": 1000, "C": math.inf}),
        ("# coding: latin-1\nA = 'é'", {"A": "é"}),
    ],
)  # fmt: skip
def test_python_files_give_the_literals_they_assign(text: str, expected: dict[str, Any]) -> None:
    assert params.read_values(text.encode(), "p.py") == expected


def test_a_python_file_is_not_executed(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    text = f"open({str(tmp_path / 'made')!r}, 'w')\nA = '\\d'\n"
    assert params.read_values(text.encode(), "p.py") == {"A": "\\d"}
    assert not (tmp_path / "made").exists()
    assert not recwarn.list


VALUES = {
    "a": 1, "s": "str", "lst": ["x", "y", {"q": 3}], "a.b": 3, "f": {"g": 1}, "n": None, "t": (1, 2, [3]),
    "d": {1: "one", "2": "two", "k": None, "x.y": 5, "e": {}, "": 7, False: 8, None: 9, 1.5: 10},
}  # fmt: skip


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("a", 1), ("lst.0", "x"), ("lst.-1", {"q": 3}), ("lst.-3", "x"), ("lst.00", "x"), ("lst.+1", "y"), ("lst. 1", "y"),
        ("lst.2.q", 3), ("lst", ["x", "y", {"q": 3}]), ("d.1", "one"), ("d.2", "two"), ("d.k", None), ("d.e", {}),
        ("d.False", 8), ("d.", 7), ("n", None), ("f.g", 1), ("f", {"g": 1}), ("t.0", 1), ("t.2.0", 3),
    ],
)  # fmt: skip
def test_a_key_selects(key: str, expected: Any) -> None:
    assert params.select(VALUES, [key]) == {key: expected}


@pytest.mark.parametrize(
    "key",
    ["zz", "s.0", "lst.3", "lst.-4", "lst.x", "lst[0]", "d.k.z", "d.x.y", "d.false", "a.b", "f.g.h", "n.x", " a", "a ",
     "lst.1_0", "d.null", "d.None", "d.1.5", "d.zz", ""],
)  # fmt: skip
def test_a_key_that_is_not_there_is_left_out(key: str) -> None:
    assert params.select(VALUES, ["a", key, "n"]) == {"a": 1, "n": None}


def test_selection_keeps_the_order_of_the_keys() -> None:
    assert list(params.select({"a": 1, "b": {"c": 2}}, ["b.c", "b", "a"])) == ["b.c", "b", "a"]


def test_no_keys_select_the_whole_file() -> None:
    assert params.select({"b": 1, "a": {"c": 1}}, []) == {"b": 1, "a": {"c": 1}}
    assert params.select({7: 1, 8: 2}, ()) == {7: 1, 8: 2}
    assert params.select({}, []) == {}
    with pytest.raises(PipelineError, match="of different types"):
        params.select({"a": 1, 7: 2}, [])


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (1, 1.0, True), (1, True, True), (0, False, True), ("1", 1, False), (None, None, True), (None, 0, False),
        (math.nan, math.nan, False), ([math.nan], [math.nan], False), ({"a": math.nan}, {"a": math.nan}, False),
        (math.inf, math.inf, True), ([1, 2], (1, 2), True), ([[1], {"a": [2]}], [(1,), {"a": (2,)}], True),
        ([1], [1, 2], False), ([], {}, False), ({}, [], False), ("a", ["a"], False), (["a"], "a", False),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1.0}, True), ({"a": None}, {}, False), ({"a": None}, {"b": None}, False),
        ({1: "x"}, {1: "x"}, True), ({1: "x"}, {"1": "x"}, False),
    ],
)  # fmt: skip
def test_same(one: Any, other: Any, expected: bool) -> None:
    assert params.same(one, other) is expected
    assert params.same(other, one) is expected


def test_recording_turns_tuples_into_lists_and_keeps_everything_else() -> None:
    shared = {"k": [1, 2.5, None, True, "ß"]}
    assert params.jsonable(shared, "p", "a") is shared
    assert params.jsonable((1, [(2,)], {"a": (shared, ())}), "p", "a") == [1, [[2]], {"a": [shared, []]}]
    assert params.jsonable([shared, ()], "p", "a")[0] is shared


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (date(2020, 1, 1), "p.toml: k: a value of type date cannot be recorded as a parameter"),
        ({"a": [1, {2}]}, "p.toml: k.a.1: a value of type set cannot be recorded as a parameter"),
        (b"x", "p.toml: k: a value of type bytes cannot be recorded as a parameter"),
        (1j, "p.toml: k: a value of type complex cannot be recorded as a parameter"),
        ([...], "p.toml: k.0: a value of type ellipsis cannot be recorded as a parameter"),
        ({(1, 2): 3}, "p.toml: k: a value of type tuple as a key cannot be recorded"),
        ({1: 2, "a": 3}, "p.toml: k: keys of different types (text, number, null) cannot be recorded"),
        ({None: 2, "a": 3}, "p.toml: k: keys of different types (text, number, null) cannot be recorded"),
        ("\ud800", "p.toml: k: text that is not valid Unicode cannot be recorded"),
    ],
)
def test_what_cannot_be_recorded_names_file_and_key(value: Any, message: str) -> None:
    with pytest.raises(FormatError) as caught:
        params.jsonable(value, "p.toml", "k")
    assert str(caught.value) == message


def test_a_value_within_itself_cannot_be_recorded() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(FormatError, match="within itself"):
        params.jsonable(loop, "p", "k")


def test_golden_files_of_every_kind() -> None:
    files, snapshots = scenario("s12_params")
    lock = formats.load(snapshots[0]["dvc.lock"], "dvc.lock")["stages"]
    wanted = {
        "params.yaml": ["ünï", "train", "lr", "train.epochs", "nul", "lst.0.q"],
        "p.py": ["A", "B", "C", "E", "F.k", "K.x", "K.w"],
        "o.json": ["a", "z", "t", "n"],
        "c.toml": [],
        "empty.yaml": [],
    }
    found = {path: recorded(params.read_values(files[path], path), path, keys) for path, keys in wanted.items()}
    expected = lock["s"]["params"]
    assert found == expected
    assert {path: list(values) for path, values in found.items()} == {path: list(expected[path]) for path in found}
    assert recorded(params.read_values(files["params.yaml"], ""), "", []) == lock["whole"]["params"]["params.yaml"]


def test_golden_yaml_scalars() -> None:
    files, snapshots = scenario("s13_yaml_scalars")
    found = recorded(params.read_values(files["params.yaml"], "params.yaml"), "params.yaml", [])
    expected = formats.load(snapshots[0]["dvc.lock"], "dvc.lock")["stages"]["s"]["params"]["params.yaml"]
    assert list(found) == list(expected)
    assert {key: (type(value), value) for key, value in found.items()} == {
        key: (type(value), value) for key, value in expected.items()
    }
    assert found["alias"] is found["anch"]
    assert found["merged"]["l"] is found["anch"]["l"]
