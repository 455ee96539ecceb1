"""Text as DVC 3 writes it, byte for byte, except where that text would not read back as the same value."""

from __future__ import annotations

import json
import random
from datetime import date
from pathlib import Path

import pytest

from gitstage import formats
from gitstage.formats.edit import same

GOLDEN = Path(__file__).parent.parent / "golden"

# Commented files are not made by dump; s14's lock holds strings that DVC writes so that they are lost.
NOT_FRESH = {("s04_readd", "data.dvc"), ("s18_lock_updates", "dvc.lock"), ("s14_yaml_emit", "dvc.lock")}


def golden_texts():
    for scenario in sorted(GOLDEN.glob("*/scenario.json")):
        found = json.loads(scenario.read_text())
        for step in found["steps"]:
            if step["op"] != "snapshot":
                continue
            for path, text in step["meta"].items():
                if path.endswith((".lock", ".dvc")) and (found["name"], path) not in NOT_FRESH:
                    yield f"{found['name']} {step['name']} {path}", text
            for path, entry in step.get("cache", {}).items():
                if path.startswith("runs/") and "text" in entry:
                    yield f"{found['name']} {step['name']} {path}", entry["text"]


def test_everything_dvc_wrote_is_written_the_same():
    texts = dict(golden_texts())
    assert len(set(texts.values())) > 100
    for name, text in texts.items():
        assert formats.dump(formats.load(text, name)) == text, name


def test_odd_strings_as_dvc_writes_them():
    """Of the strings of s14, as commands, nested values and keys: those that DVC's own text keeps are written alike."""
    steps = json.loads((GOLDEN / "s14_yaml_emit" / "scenario.json").read_text())["steps"]
    given = next(step["text"] for step in steps if step.get("path") == "dvc.yaml")
    lock = next(step for step in steps if step["op"] == "snapshot")["meta"]["dvc.lock"]
    values = {name: stage["cmd"] for name, stage in formats.parse_pipeline(given.encode(), "f")["stages"].items()}
    chunks: dict[str, str] = {}
    for line in lock[lock.index("stages:\n") + 8 :].split("\n"):
        if line[:2] == "  " and line[2:3] not in (" ", "-") and line.endswith(":"):
            name = line.strip(" :")
            chunks[name] = ""
        chunks[name] = chunks.get(name, "") + line + "\n"
    lossy = []
    for name, value in values.items():
        if list(formats.load("stages:\n" + chunks[name], "f")["stages"][name]) != ["cmd"]:
            continue
        written = formats.dump({"stages": {name: {"cmd": value}}})
        assert formats.load(written, "f")["stages"][name]["cmd"] == value
        if written != "stages:\n" + chunks[name].rstrip("\n") + "\n":
            lossy.append(name)
            kept = formats.load("stages:\n" + chunks[name], "f")["stages"][name]["cmd"] == value
            assert not kept or "\u2028" in value or "\u2029" in value, (
                name
            )  # YAML 1.1 readers keep these, 1.2 ones do not
    assert 0 < len(lossy) < len(values) / 5


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({}, "{}\n"), ([], "[]\n"), (None, "null\n...\n"), ("x", "x\n...\n"), ("", "''\n"), (5, "5\n...\n"),
        ({"a": None, "b": [], "c": {}, "d": [None, [], {}]}, "a:\nb: []\nc: {}\nd:\n- \n- []\n- {}\n"),
        ({"a": [[1, [2]], {"b": [None]}]}, "a:\n- - 1\n  - - 2\n- b:\n  - \n"),
        ({None: 1, "": 2, True: 3, 1.5: 4, -3: 5}, "null: 1\n'': 2\ntrue: 3\n1.5: 4\n-3: 5\n"),
        ({"k" * 122: None}, "k" * 122 + ":\n"), ({"k" * 123: 1}, "? " + "k" * 123 + "\n: 1\n"),
        ({"k" * 123: [1, {"a": 2}]}, "? " + "k" * 123 + "\n: - 1\n  - a: 2\n"),
        ({"k" * 123: None}, "? " + "k" * 123 + "\n:\n"),
        ({"a\nb": {"c": [1]}}, '? "a\\nb"\n: c:\n  - 1\n'),
        ({"a": 1e-5, "b": 1e20, "c": 1e6, "d": float("inf"), "e": float("-inf"), "f": float("nan"), "g": -0.0},
         "a: 1e-05\nb: 1e+20\nc: 1000000.0\nd: .inf\ne: -.inf\nf: .nan\ng: -0.0\n"),
        ({"a": True, "b": False, "c": 10**20, "d": (1, 2)}, "a: true\nb: false\nc: 100000000000000000000\nd:\n- 1\n- 2\n"),
        ("a: b", "'a: b'\n"), ("it's", "it's\n...\n"), ("'a'", '"\'a\'"\n'), ("a\tb", '"a\\tb"\n'),
        ("é😀", "é😀\n...\n"),
        (["yes", "1e5", "010", "=", "<<", "0x1F", "12:30", "~", "2001-01-01", "-", "- a", "a #b", "#a", "a:", "{a}"],
         "- yes\n- '1e5'\n- '010'\n- '='\n- '<<'\n- '0x1F'\n"
         "- 12:30\n- '~'\n- '2001-01-01'\n- '-'\n- '- a'\n- 'a #b'\n- '#a'\n- 'a:'\n- '{a}'\n"),
        ({"cmd": "w" * 100}, "cmd: \n  " + "w" * 100 + "\n"), (["w" * 100], "- " + "w" * 100 + "\n"),
        ({"k" * 90: True}, "k" * 90 + ": \n  true\n"),
        ({"c": "a" * 76 + " bbb"}, "c: " + "a" * 76 + " \n  bbb\n"),
        ({"c": "#" + "a" * 80 + " bbb"}, "c: '#" + "a" * 80 + "\n  bbb'\n"),
        # what DVC's folding would lose
        ({"c": "a" * 76 + "  bbb"}, 'c: "' + "a" * 76 + '  bbb"\n'), ("a\x85b", '"a\\Nb"\n'),
        ("'\u2028", '"\'\\L"\n'),
    ],
)  # fmt: skip
def test_text(value, text):
    assert formats.dump(value) == text
    assert repr(formats.load(text, "f")) == repr(
        json.loads(json.dumps(value)) if isinstance(value, (list, str)) else _lists(value)
    )


def _lists(value):
    if isinstance(value, dict):
        return {key: _lists(inner) for key, inner in value.items()}
    return list(value) if isinstance(value, tuple) else value


def test_repeated_objects_become_aliases_numbered_as_they_recur():
    a, b, empty = [1], {"k": [2]}, {}
    value = {"x": a, "y": b, "z": [b, a], "e": empty, "f": empty, "w": [b]}
    text = formats.dump(value)
    assert text == (
        "x: &id002\n- 1\ny: &id001\n  k:\n  - 2\nz:\n- *id001\n- *id002\ne: &id003 {}\nf: *id003\nw:\n- *id001\n"
    )
    found = formats.load(text, "f")
    assert found == value
    assert formats.dump(found) == text
    assert formats.dump([a, [a]]) == "- &id001\n  - 1\n- - *id001\n"


@pytest.mark.parametrize("value", [{"a": date(2001, 1, 1)}, [b"x"], {"a": {1}}, object()])
def test_other_types_are_refused(value):
    with pytest.raises(TypeError, match="cannot be written"):
        formats.dump(value)


def test_what_is_written_reads_back():
    random_ = random.Random(11)
    for _ in range(800):
        value = _document(random_)
        text = formats.dump(value)
        assert same(formats.load(text, "f"), value), text
        assert formats.dump(formats.load(text, "f")) == text


def _document(random_: random.Random, depth: int = 0):
    kind = random_.random()
    if depth < 4 and (depth == 0 or kind < 0.2):
        return {_word(random_): _document(random_, depth + 1) for _ in range(random_.randrange(1, 4))}
    if depth < 4 and kind < 0.35:
        return [_document(random_, depth + 1) for _ in range(random_.randrange(4))]
    if kind < 0.5:
        return random_.choice([None, True, False, 0, -7, 10**20, 0.1, 1e-9, 1e300, float("inf"), float("nan"), -0.0])
    return _word(random_)


def _word(random_: random.Random) -> str:
    alphabet = random_.choice(["abc  ", "ab '\"#:-\\ ", "a1.e-+_x0 ", "a \n\t\0\x85\u2028\ufeff\x7fé😀\xa0 '"])
    text = "".join(random_.choice(alphabet) for _ in range(random_.choice([0, 1, 3, 10, 90, 200])))
    return text.strip() if random_.random() < 0.5 else text
