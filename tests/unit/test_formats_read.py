"""YAML as DVC 3 reads it: the dialect, what is refused and on which line, limits against hostile files."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import pytest
import yaml

from gitstage import formats
from gitstage.errors import FormatError
from gitstage.formats import dialect, read

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture(params=["C", "pure"], autouse=True)
def parser(request, monkeypatch):
    """Everything here holds for both of PyYAML's parsers."""
    if request.param == "pure":
        monkeypatch.setattr(read, "Loader", yaml.SafeLoader)
    else:
        assert read.Loader is yaml.CSafeLoader, "PyYAML was built without libyaml"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("~", None), ("null", None), ("Null", None), ("NULL", None), ("nULL", "nULL"),
        ("true", True), ("True", True), ("TRUE", True), ("false", False), ("tRue", "tRue"),
        ("yes", "yes"), ("no", "no"), ("on", "on"), ("off", "off"), ("y", "y"), ("n", "n"),
        ("1", 1), ("-1", -1), ("+1", 1), ("1_000", 1000), ("010", 10), ("0o17", 15), ("017", 17), ("0x1F", 31),
        ("0b101", 5), ("-0b11", -3), ("08", 8), ("0o_7", 7), ("00", 0), ("1__0", 10), ("1_", 1), ("_1", "_1"),
        ("0o8", "0o8"), ("0xg", "0xg"), ("1e", "1e"), ("e1", "e1"), ("1.2.3", "1.2.3"), ("12:30:45", "12:30:45"),
        ("1.", 1.0), (".5", 0.5), ("-.5", -0.5), ("._5", 0.5), ("1e3", 1000.0), ("1e-5", 1e-5), ("1.0e-5", 1e-5),
        ("1E5", 1e5), (".5e5", ".5e5"), (".5e+5", 0.5e5), ("1.e5", 1e5), (".inf", math.inf), ("-.inf", -math.inf),
        ("+.INF", math.inf), ("a b", "a b"), ("'1'", "1"), ('"yes"', "yes"), ('"a\\tb"', "a\tb"), ("! 5", 5),
        ("!!str 5", "5"), ("!!int '5'", 5), ("!!float 5", 5.0), ("!!null x", None), ("!!bool 'true'", True),
        ("2001-01-02", date(2001, 1, 2)), ("2001-1-2", "2001-1-2"), ("2001-13-99x", "2001-13-99x"),
        ("2001-01-02 03:04:05.5", datetime(2001, 1, 2, 3, 4, 5, 500000)),
        ("2001-01-02T03:04:05Z", datetime(2001, 1, 2, 3, 4, 5, tzinfo=timezone.utc)),
        ("2001-01-02T03:04:05-01:30",
         datetime(2001, 1, 2, 3, 4, 5, tzinfo=timezone(-timedelta(hours=1, minutes=30)))),
        ("46e12345678901234567890123456789", math.inf),
    ],
)  # fmt: skip
def test_scalars(text, value):
    found = formats.load(f"k: {text}\n", "f")["k"]
    assert found == value
    assert type(found) is type(value)


def test_nan_and_big_numbers():
    found = formats.load("[.nan, .NaN, 100000000000000000000]", "f")
    assert math.isnan(found[0])
    assert math.isnan(found[1])
    assert found[2] == 10**20


def test_the_dialect_is_the_one_dvc_recorded():
    """`dvc commit` read this params.yaml and wrote what it had read."""
    steps = json.loads((GOLDEN / "s13_yaml_scalars" / "scenario.json").read_text())["steps"]
    given = next(step["text"] for step in steps if step.get("path") == "params.yaml")
    lock = next(step for step in steps if step["op"] == "snapshot")["meta"]["dvc.lock"]
    recorded = formats.parse_lock(lock.encode(), "dvc.lock")["stages"]["s"]["params"]["params.yaml"]
    read_now = formats.load(given, "params.yaml")
    assert repr({key: read_now[key] for key in sorted(read_now)}) == repr(recorded)


def test_documents():
    assert formats.load(b"", "f") is None
    assert formats.load(b"# only a comment\n", "f") is None
    assert formats.load(b"---\n", "f") is None
    assert formats.load(b"--- {a: 1}\n...\n", "f") == {"a": 1}
    assert formats.load("\ufeffa: é\n".encode(), "f") == {"a": "é"}
    assert formats.load("a: [1,\r\n 2]\r\nb: |\r\n  x\r\n  y\r\n", "f") == {"a": [1, 2], "b": "x\ny\n"}


def test_aliases_are_the_same_object_and_merges_put_merged_keys_first():
    found = formats.load("a: &x {k: 1, z: 3}\nb: &y {z: 9, q: [1]}\nm: {c: 1, <<: [*x, *y], k: 5}\nd: *y\n", "f")
    assert found["d"] is found["b"]
    assert found["m"]["q"] is found["b"]["q"]
    assert list(found["m"].items()) == [("z", 3), ("q", [1]), ("k", 5), ("c", 1)]
    assert formats.load("'<<': 1\n", "f") == {"<<": 1}


MALFORMED = [
    # (text, line, part of the message)
    ("a: [\n", 2, "not YAML"), ("a: {\n", 2, "not YAML"), ("a: ]\n", 1, "not YAML"), ("a: 'x\n", 2, "not YAML"),
    ('a: "x\n', 2, "not YAML"), ('a: "\\q"\n', 1, "not YAML"), ("a: b: c\n", 1, "not YAML"),
    ("x: 1\n y: 2\n", 2, "not YAML"),
    ("a:\n\tb: 1\n", 2, "not YAML"), ("a: @x\n", 1, "not YAML"), ("a: `x`\n", 1, "not YAML"),
    ("a: %x\n", 1, "not YAML"),
    ("a: 'b'c\n", 1, "not YAML"), ("a: *b\n", 1, "alias"), ("a: &r [*r]\n", 1, "stands inside"),
    ("a: &r {k: *r}\n", 1, "stands inside"),
    ("a: 1\na: 2\n", 2, "occurs twice"), ("x:\n  a: 1\n  b: 2\n  a: 1\n", 4, "occurs twice"),
    ("1: x\n1.0: y\n", 2, "occurs twice"),
    ("true: x\nTrue: y\n", 2, "occurs twice"), ("? [a]\n: 1\n", 1, "a key may not be"),
    ("? {a: 1}\n: 1\n", 1, "a key may not be"),
    ("a: &x {k: 1}\nb: {<<: *x, <<: *x}\n", 2, "occurs twice"), ("<<: 1\n", 1, "<< needs"),
    ("<<: [1]\n", 1, "<< needs"),
    ("a: !foo 1\n", 1, "tag"), ("a: !!python/object:os.system x\n", 1, "tag"), ("a: !!set {x}\n", 1, "tag"),
    ("a: !!binary aGk=\n", 1, "tag"), ("a: !!omap [b: 1]\n", 1, "tag"), ("a: !x [1]\n", 1, "tag"),
    ("a: !!seq {b: 1}\n", 1, "tag"),
    ("a: !!int x\n", 1, "whole number"), ("a: !!float x\n", 1, "number"), ("a: !!bool maybe\n", 1, "bool"),
    ("a: -_\n", 1, "whole number"), ("a: 0b_\n", 1, "whole number"), ("a: 0x_\n", 1, "whole number"),
    ("a: ._\n", 1, "not a number"),
    ("a: =\n", 1, "'='"), ("a: 2001-13-01\n", 1, "not a date"), ("a: 2001-01-01 25:00:00\n", 1, "not a date"),
    ("a: 1\n--- b\n", 2, "second"), ("a: 1\n---\n", 2, "second"), ("a: 1\n...\nb: 1\n", 3, "not YAML"),
    ("%YAML 1.1\n---\na: yes\n", 1, "directive"), ("a: x\0y\n", 1, "U+0000"), ("a: 1\nb: x\x01y\n", 2, "U+0001"),
    ("a: \ud800\n", 1, "U+D800"), (b"a: 1\nb: \xff\n", 2, "not UTF-8"), (b"\xff\xfea\0", 1, "not UTF-8"),
    (b"\xc3", 1, "not UTF-8"),
    ("<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> x\n", 1, "merge conflict"),
    ("a:\n<<<<<<< HEAD\n  b: 1\n=======\n  b: 2\n>>>>>>> x\n", 2, "merge conflict"),
    ("- a\nb: 1\n", 2, "not YAML"), ("a: 1\n- b\n", 2, "not YAML"), ("[a, b]]\n", 1, "not YAML"),
    ("{a: 1}}\n", 1, "not YAML"),
    ("a: |x\n  b\n", 1, "not YAML"), ("a: >-1-\n  b\n", 1, "not YAML"), ("&a &b c\n", 1, "not YAML"),
    ("!<x\n", 1, "not YAML"),
    ("a: &\n", 1, "not YAML"), ("a: *\n", 1, "not YAML"), ("? a\nb\n", 3, "not YAML"),
    ("a: '\\'\n b'\n", 2, "not YAML"),
    ("[" * 200, 1, "deep"), ("- " * 200 + "a\n", 1, "deep"), ("{a: " * 200, 1, "deep"), ("%FOO\na: 1\n", 2, ""),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "message"), MALFORMED, ids=range(len(MALFORMED)))
def test_malformed(text, line, message):
    with pytest.raises(FormatError) as caught:
        formats.load(text, "some/file.yaml")
    assert caught.value.path == "some/file.yaml"
    # The two parsers may differ by a line on where an open bracket or quote ends.
    assert caught.value.line is not None
    assert abs(caught.value.line - line) <= 1
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_billion_laughs():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12)]
    with pytest.raises(FormatError, match=r"f:6: aliases repeat more than"):
        formats.load("\n".join(lines), "f")
    merges = ["a: &a {" + ", ".join(f"k{i}: 1" for i in range(1000)) + "}"] + [f"b{i}: {{<<: *a}}" for i in range(300)]
    with pytest.raises(FormatError, match="aliases repeat"):
        formats.load("\n".join(merges), "f")


def test_many_honest_aliases():
    text = "d: &d {a: 1, b: 2}\n" + "".join(f"s{i}: {{<<: *d}}\n" for i in range(2000))
    assert formats.load(text, "f")["s1999"] == {"a": 1, "b": 2}


def test_damaged_text_gives_a_value_or_a_format_error():
    random_ = random.Random(7)
    base = (
        "schema: '2.0'\nstages:\n  a: &x\n    cmd: |\n      b\n    deps: [a, {p: \"q\\t\"}]\n    k: *x\n  '<<': 1.5\n"
    )
    for _ in range(400):
        text = list(base.replace("*x", "x"))
        for _ in range(random_.randrange(1, 6)):
            text[random_.randrange(len(text))] = random_.choice("\n\t :-[]{}&*!|>'\"%@`,#?~0e.\\\0\x85\ufeffé<=")
        try:
            formats.load("".join(text), "f")
        except FormatError as error:
            assert error.path == "f"  # noqa: PT017


@pytest.mark.parametrize("text", ["a", "1", "yes", "0x1", "1e5", ".", "-", "+.inf", "2001-01-01", "<<", "="])
def test_kind_and_value_agree(text):
    kinds = {str: {"str", "merge"}, int: {"int"}, float: {"float"}, date: {"timestamp"}}
    try:
        assert dialect.kind(text) in kinds[type(dialect.plain_value(text))]
    except ValueError:
        assert dialect.kind(text) == "value"


def test_positions():
    text = "a:\n  - x\n  - b: |\n      t\n\n# c\nd: {e: 1}\n"
    root = read.locate(text)
    (_, seq), (key, flow) = root.items
    assert (text[flow.start : flow.end], flow.flow, key.line) == ("{e: 1}", True, 7)
    assert text[seq.start : seq.end].startswith("- x")
    assert read.line_of(text, ("a", 1, "b")) == 3
    assert read.line_of(text, ("a", 7)) == 1
    assert read.line_of(text, ("zz",)) == 1
    assert read.locate("") is None


def test_reading_and_checking_import_no_ruamel():
    code = (
        "import sys; from gitstage import formats; formats.update_lock(None, 'x', {'a': {'cmd': 'b'}});"
        " formats.update_pipeline(b'stages:\\n  a:\\n    cmd: x\\n', 'x', 'b', {'cmd': 'y'});"
        " assert not [m for m in sys.modules if m.startswith('ruamel')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parent.parent.parent)
