"""Files are edited, not regenerated: what an edit changes, and that everything else stays byte for byte."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from gitstage import formats
from gitstage.errors import FormatError
from gitstage.formats import edit

GOLDEN = Path(__file__).parent.parent / "golden"


@pytest.fixture(autouse=True)
def no_memory(monkeypatch):
    monkeypatch.setattr(edit, "_latest", None)


def entry(i, cmd="run"):
    return {
        "cmd": f"{cmd} {i} && echo 'a: b'",
        "deps": [{"path": f"d{i}", "hash": "md5", "md5": f"{i:032x}", "size": i}],
        "params": {"params.yaml": {"lr": 0.1, "n": i, "l": [1, {"k": None}]}},
        "outs": [{"path": f"o{i}", "hash": "md5", "md5": f"{i:032x}.dir", "size": 0, "nfiles": 0}],
    }


# dvc.lock


def test_a_new_lock_is_what_dvc_writes():
    data = formats.update_lock(None, "dvc.lock", {"a": {"cmd": "x"}, "b": {"cmd": ["y", "z"], "outs": [{"path": "o"}]}})
    assert data == (
        b"schema: '2.0'\nstages:\n  a:\n    cmd: x\n  b:\n    cmd:\n    - y\n    - z\n    outs:\n    - path: o\n"
    )


@pytest.mark.parametrize("name", sorted(path.parent.name for path in GOLDEN.glob("*/scenario.json")))
def test_golden_locks_are_rebuilt_stage_by_stage(name):
    """Dropping a stage's entry from DVC's lock and adding it again gives DVC's text, but for the order."""
    for step in json.loads((GOLDEN / name / "scenario.json").read_text())["steps"]:
        for path, text in step.get("meta", {}).items():
            if not path.endswith("dvc.lock") or "#" in text or "\u2028" in text or name == "s14_yaml_emit":
                continue
            stages = formats.parse_lock(text.encode(), path)["stages"]
            built = None
            for stage, found in stages.items():
                built = formats.update_lock(built, path, {stage: found})
            assert (built or b"schema: '2.0'\n").decode() == text
            if "&" in text:
                continue
            for stage, found in stages.items():
                changed = formats.update_lock(text.encode(), path, {stage: {"cmd": "other"}})
                assert changed != text.encode()
                assert formats.update_lock(changed, path, {stage: found}) == text.encode()


@pytest.mark.parametrize("remember", [True, False])
def test_many_changes_give_the_same_as_writing_anew(remember, monkeypatch):
    random_ = random.Random(5)
    data, wanted = None, {}
    for i in range(120):
        name = f"s{random_.randrange(30)}"
        new = None if random_.random() < 0.3 else entry(i, "x " * random_.choice([1, 60]))
        data = formats.update_lock(data, "dvc.lock", {name: new})
        wanted.pop(name, None) if new is None else wanted.__setitem__(name, new)
        if not wanted:
            assert data is None
            continue
        assert data.decode() == formats.dump({"schema": "2.0", "stages": wanted})
        if not remember:
            monkeypatch.setattr(edit, "_latest", None)


FOREIGN = (
    b"# hello\nschema: '2.0'   # x\nstages:\n    # c\n    zz:   # zz\n        cmd: \"echo zz\"\n        deps:\n"
    b"            -   md5: abcabc\n                path: q\n\n    # about a\n    a:\n        cmd: 'echo a'\n    # end\n# tail\n"
)


def test_foreign_formatting_and_comments_stay():
    same = formats.update_lock(FOREIGN, "l", {"a": {"cmd": "echo a"}, "no": None})
    assert same == FOREIGN
    changed = formats.update_lock(FOREIGN, "l", {"a": {"cmd": "echo b"}})
    assert changed == FOREIGN.replace(b"        cmd: 'echo a'\n", b"      cmd: echo b\n")
    added = formats.update_lock(FOREIGN, "l", {"n": {"cmd": "x"}})
    assert added == FOREIGN.replace(b"'echo a'\n", b"'echo a'\n    n:\n      cmd: x\n")
    removed = formats.update_lock(FOREIGN, "l", {"zz": None})
    assert b"zz" not in removed
    assert removed.startswith(b"# hello\nschema: '2.0'   # x\nstages:\n    # c\n\n    # about a\n    a:\n")
    assert formats.update_lock(FOREIGN, "l", {"zz": None, "a": None}) is None
    both = formats.update_lock(FOREIGN, "l", {"zz": None, "a": None, "n": {"cmd": "x"}})
    assert formats.parse_lock(both, "l")["stages"] == {"n": {"cmd": "x"}}


def test_types_make_a_difference_key_order_does_not():
    old = formats.update_lock(None, "l", {"a": {"cmd": "x", "params": {"p": {"a": 1, "b": 2}}}})
    assert formats.update_lock(old, "l", {"a": {"params": {"p": {"b": 2, "a": 1}}, "cmd": "x"}}) == old
    for value in (1.0, True, "1", None, -1):
        new = formats.update_lock(old, "l", {"a": {"cmd": "x", "params": {"p": {"a": value, "b": 2}}}})
        assert new != old
        found = formats.parse_lock(new, "l")["stages"]["a"]["params"]["p"]["a"]
        assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "text",
    [
        "schema: '2.0'\nstages: {a: {cmd: x}}\n", "{schema: '2.0', stages: {a: {cmd: x}}}\n", "a:\n  cmd: x\n",
        "schema: '2.0'\r\nstages:\r\n  a:\r\n    cmd: x\r\n", "schema: '2.0'\nstages:\n  a:\n    cmd: x",
        "\ufeffschema: '2.0'\nstages:\n  a:\n    cmd: x\n", "stages:\n  a: {cmd: x}\nschema: '2.0'\n",
        "---\nschema: '2.0'\nstages:\n  a:\n    cmd: |\n      x\n\n...\n".replace("|", "|-"),
        "schema: '2.0'\nstages:\n  ? a\n  : cmd: x\n", "schema: '2.0'\nstages:\n  &n a: &e\n    cmd: x\n",
        "schema: '2.0'\nstages: !!map\n  'a':\n    cmd: >-\n      x\n\n\n# end\n",
    ],
)  # fmt: skip
def test_every_way_to_write_a_lock_can_be_changed(text):
    data = text.encode()
    added = formats.update_lock(data, "l", {"b": entry(1)})
    assert formats.parse_lock(added, "l")["stages"] == {"a": {"cmd": "x"}, "b": entry(1)}
    changed = formats.update_lock(added, "l", {"a": {"cmd": "y"}})
    assert formats.parse_lock(changed, "l")["stages"] == {"a": {"cmd": "y"}, "b": entry(1)}
    left = formats.update_lock(changed, "l", {"a": None})
    assert formats.parse_lock(left, "l")["stages"] == {"b": entry(1)}
    assert formats.update_lock(left, "l", {"b": None}) is None
    assert formats.update_lock(data, "l", {"a": {"cmd": "x"}}) == data
    if "\r\n" in text:
        assert added.count(b"\n") == added.count(b"\r\n")


def test_anchors():
    shared = [1, 2]
    params = {"p": {"a": shared, "b": shared}}
    one = formats.update_lock(
        b"# c\nschema: '2.0'\nstages:\n  z:\n    cmd: z\n", "l", {"a": {"cmd": "x", "params": params}}
    )
    assert one.startswith(b"# c\n")
    assert b"a: &id001\n        - 1\n        - 2\n        b: *id001\n" in one
    two = formats.update_lock(one, "l", {"b": {"cmd": "x", "params": {"p": {"c": (other := {"k": 1}), "d": other}}}})
    assert two.count(b"&id001") == two.count(b"&id002") == 1
    text = b"schema: '2.0'\nstages:\n  a:\n    cmd: x\n    params: &p {f: {k: 1}}\n  b:\n    cmd: y\n    params: *p\n"
    left = formats.update_lock(text, "l", {"a": None})
    assert formats.parse_lock(left, "l")["stages"] == {"b": {"cmd": "y", "params": {"f": {"k": 1}}}}


def test_datasets_keep_the_lock():
    data = b"schema: '2.0'\ndatasets: [{name: a}]\nstages:\n  a:\n    cmd: x\n"
    left = formats.update_lock(data, "l", {"a": None})
    assert formats.parse_lock(left, "l") == {"schema": "2.0", "datasets": [{"name": "a"}], "stages": {}}


@pytest.mark.parametrize(
    "data", [b"", b"x", b"schema: 2.0\n", b"a: [", b"schema: '2.0'\nstages:\n  a: {cmd: x, foo: 1}\n"]
)
def test_a_bad_lock_is_not_overwritten(data):
    with pytest.raises(FormatError):
        formats.update_lock(data, "l", {"a": {"cmd": "x"}})


def test_what_cannot_be_recorded():
    from datetime import date

    with pytest.raises(FormatError, match="date cannot be written"):
        formats.update_lock(None, "l", {"a": {"cmd": "x", "params": {"p": {"d": date(2001, 1, 1)}}}})
    with pytest.raises(FormatError):
        formats.update_lock(None, "l", {"a": {"cmd": "\ud800"}})


# dvc.yaml

PIPELINE = """\
# top
vars: [x: 1]   # v
stages:
  # about a
  a:
    cmd: python   a.py  # run
    deps:
    - x   # input
    # second
    - y
    outs:
      - o:
          cache: false
      - p

  b:   # bee
    cmd: >
      hello
      there
    deps: [a, b]  # flow

    # inner tail
  #c: commented out
  #  cmd: x

# metrics below
metrics: [m]
"""
A = formats.parse_pipeline(PIPELINE.encode(), "f")["stages"]["a"]
NEW = {"cmd": "new", "deps": ["q"], "outs": ["r"]}
NEW_TEXT = "  {}:\n    cmd: new\n    deps:\n    - q\n    outs:\n    - r\n"


def pipeline(text, name, new):
    data = formats.update_pipeline(None if text is None else text.encode(), "dvc.yaml", name, new)
    return None if data is None else data.decode()


@pytest.mark.parametrize(
    ("text", "result"),
    [
        (None, "stages:\n  n:\n    cmd: x\n"),
        ("", "stages:\n  n:\n    cmd: x\n"),
        ("# c", "# c\nstages:\n  n:\n    cmd: x\n"),
        ("vars: [a: 1]", "vars: [a: 1]\nstages:\n  n:\n    cmd: x\n"),
        ("stages: {}", "stages:\n  n:\n    cmd: x\n"),
        ("stages: {}  # c\nmetrics: [m]\n", "stages:  # c\n  n:\n    cmd: x\nmetrics: [m]\n"),
        ("stages:\n  a:\n    cmd: y", "stages:\n  a:\n    cmd: y\n  n:\n    cmd: x\n"),
        ("stages:\n  a:\n    cmd: y\n\n\n", "stages:\n  a:\n    cmd: y\n  n:\n    cmd: x\n\n\n"),
        ("stages:\n  a:\n    cmd: y\n  # t\n# u\n", "stages:\n  a:\n    cmd: y\n  # t\n  n:\n    cmd: x\n# u\n"),
        ("stages:\n  a: {cmd: y}\nvars: []\n", "stages:\n  a: {cmd: y}\n  n:\n    cmd: x\nvars: []\n"),
        (
            "stages:\r\n    a:\r\n        cmd: y\r\n",
            "stages:\r\n    a:\r\n        cmd: y\r\n    n:\r\n        cmd: x\r\n",
        ),
        ("---\nstages:\n a:\n  cmd: |+\n   y\n\n...\n", "---\nstages:\n a:\n  cmd: |+\n   y\n\n n:\n  cmd: x\n...\n"),
        ("\ufeffstages:\n  a:\n    cmd: y\n", "\ufeffstages:\n  a:\n    cmd: y\n  n:\n    cmd: x\n"),
    ],
)
def test_adding_a_stage(text, result):
    assert pipeline(text, "n", {"cmd": "x"}) == result


def test_adding_leaves_all_else():
    assert pipeline(PIPELINE, "n", NEW) == PIPELINE.replace("  #  cmd: x\n", "  #  cmd: x\n" + NEW_TEXT.format("n"))


def test_replacing_touches_only_what_differs():
    assert pipeline(PIPELINE, "a", A) == PIPELINE
    assert pipeline(PIPELINE, "a", {**A, "frozen": True}) == PIPELINE.replace(
        "      - p\n", "      - p\n    frozen: true\n"
    )
    assert pipeline(PIPELINE, "a", {**A, "cmd": "z"}) == PIPELINE.replace("python   a.py", "z")
    assert pipeline(PIPELINE, "a", {**A, "deps": ["x", "n: 1", "y", "z"]}) == PIPELINE.replace(
        "    # second\n    - y\n", "    # second\n    - 'n: 1'\n    - y\n    - z\n"
    )
    assert pipeline(PIPELINE, "a", {**A, "deps": ["y"]}) == PIPELINE.replace("    - x   # input\n", "")
    new = {"cmd": A["cmd"], "wdir": "w", "deps": A["deps"], "params": ["lr"], "outs": A["outs"]}
    assert pipeline(PIPELINE, "a", new) == PIPELINE.replace("# run\n", "# run\n    wdir: w\n").replace(
        "    - y\n", "    - y\n    params:\n    - lr\n"
    )
    assert pipeline(PIPELINE, "b", {"cmd": "hello there\n", "deps": ["a", "b", "c: d"]}) == PIPELINE.replace(
        "[a, b]", "[a, b, 'c: d']"
    )
    assert pipeline(PIPELINE, "b", {"cmd": "one"}) == PIPELINE.replace(
        ">\n      hello\n      there\n", "one\n"
    ).replace("    deps: [a, b]  # flow\n", "")


def test_removing():
    assert pipeline(PIPELINE, "zz", None) == PIPELINE
    start, end = PIPELINE.index("  a:\n"), PIPELINE.index("\n  b:")
    assert pipeline(PIPELINE, "a", None) == PIPELINE[:start] + PIPELINE[end:]
    start, end = PIPELINE.index("  b:"), PIPELINE.index("\n    # inner")
    assert pipeline(PIPELINE, "b", None) == PIPELINE[:start] + PIPELINE[end:]
    assert pipeline("stages:\n  a:\n    cmd: x\n", "a", None) is None
    assert pipeline("stages:\n  a:\n    cmd: x\nvars: [v]\n", "a", None) == "stages: {}\nvars: [v]\n"
    assert pipeline(None, "a", None) is None


def test_through_ruamel():
    flow = "stages: {a: {cmd: x, deps: ['y']}}  # c\n"
    assert formats.parse_pipeline(pipeline(flow, "n", NEW).encode(), "f")["stages"] == {
        "a": {"cmd": "x", "deps": ["y"]},
        "n": NEW,
    }
    assert "'y'" in pipeline(flow, "n", NEW)
    assert pipeline(flow, "n", NEW).rstrip().endswith("# c")
    merge = 'stages:\n  a: &base\n    cmd: "x"  # c\n    deps: [u]\n  b:\n    <<: *base\n    cmd: y  # d\n'
    changed = pipeline(merge, "b", {"cmd": "z", "deps": ["u"], "frozen": True})
    assert formats.parse_pipeline(changed.encode(), "f")["stages"]["b"] == {"cmd": "z", "deps": ["u"], "frozen": True}
    assert '"x"  # c' in changed
    alias = "stages:\n  a:\n    cmd: x\n    deps: &d\n    - u  # c\n  b:\n    cmd: y\n    deps: *d\n"
    without = pipeline(alias, "a", {"cmd": "x"})
    assert formats.parse_pipeline(without.encode(), "f")["stages"]["b"] == {"cmd": "y", "deps": ["u"]}
    long = "stages: {a: {cmd: " + "w " * 80 + "x, deps: [1a]}}\nvars:\n- k: " + "v " * 80 + "x\n"
    assert "v " * 80 in pipeline(long, "a", {"cmd": "w", "deps": ["1a", "b"]})
    assert "w " * 80 in pipeline(long, "b", {"cmd": "x"})


@pytest.mark.parametrize("data", [b"stages: [\n", b"stages:\n  a: {cmd: 5}\n", b"x\n", b"foo: 1\n", b"\xff"])
def test_a_bad_pipeline_is_not_edited(data):
    with pytest.raises(FormatError) as caught:
        formats.update_pipeline(data, "sub/dvc.yaml", "a", {"cmd": "x"})
    assert str(caught.value).startswith("sub/dvc.yaml:")


def test_random_edits_mean_what_was_meant():
    random_ = random.Random(3)
    for _ in range(150):
        text = _random_pipeline(random_)
        stages = formats.parse_pipeline(text.encode(), "f")["stages"]
        name = random_.choice([*stages, "new"])
        new = None if random_.random() < 0.2 else _random_stage(random_)
        result = pipeline(text, name, new)
        wanted = {key: value for key, value in stages.items() if key != name}
        if new is not None:
            wanted = {**stages, name: new}
        assert result is not None
        found = formats.parse_pipeline(result.encode(), "f")
        assert found["stages"] == wanted, (text, name, new, result)
        assert list(found["stages"]) == list(wanted)
        lines = [line for line in text.split("\n") if line.startswith("#")]
        assert [line for line in result.split("\n") if line.startswith("#")] == lines


def _random_stage(random_):
    words = ["x", "a: b", "it's", "w " * 50 + "w", "#", "é", "${item}"]
    stage = {"cmd": random_.choice([*words, ["one", "two"]])}
    for key in random_.sample(["deps", "outs", "params", "desc", "frozen", "meta"], 3):
        stage[key] = {
            "desc": random_.choice(words),
            "frozen": random_.random() < 0.5,
            "meta": {"k": [random_.choice(words), None, {"z": 1}]},
            "outs": [{"o": {"cache": False}}, *random_.sample(words, 2)],
            "params": random_.choice([["a", {"f": None}], [{"f": ["b", "c"]}]]),
        }.get(key, random_.sample(words, random_.randrange(4)))
    return stage


def _random_pipeline(random_):
    out = ["# top", "vars:", "- a: 1"] if random_.random() < 0.5 else []
    out += ["stages:", "# the stages"]
    indent = random_.choice([1, 2, 4])
    for i in range(random_.randrange(2, 5)):
        text = formats.dump({f"s{i}": _random_stage(random_)})
        if random_.random() < 0.3:
            stage = json.loads(json.dumps(formats.load(text, "f")[f"s{i}"]))
            text = f"s{i}: {json.dumps(stage)}\n"
        for line in text.rstrip("\n").split("\n"):
            out.append(" " * indent + line)
            if random_.random() < 0.15 and line.endswith((":", "two", "z: 1", "'#'")):
                out.append(" " * indent + "    # note")
        if random_.random() < 0.5:
            out += [random_.choice(["", "# between", " " * indent + "# about the next"])]
    out += random_.choice([[], ["", "# end"], ["metrics:", "- m", ""]])
    return "\n".join(out) + random_.choice(["", "\n"])


# *.dvc


def test_a_new_dvc_file():
    entry = {"md5": "abc", "size": 1, "hash": "md5", "path": "p"}
    assert formats.dump_dvc({"outs": [entry]}, None, "p.dvc") == (
        b"outs:\n- md5: abc\n  size: 1\n  hash: md5\n  path: p\n"
    )


def test_golden_updates_of_dvc_files():
    """DVC rewrote these files; from the old text and what the new one holds comes the new text."""
    steps = json.loads((GOLDEN / "s04_readd" / "scenario.json").read_text())["steps"]
    files: dict[str, str] = {}
    compared = 0
    for step in steps:
        if step["op"] == "write" and step["path"].endswith(".dvc"):
            files[step["path"]] = step["text"]
        for path, text in step.get("meta", {}).items():
            if path.endswith(".dvc"):
                old = files.get(path)
                new = formats.parse_dvc(text.encode(), path)
                assert formats.dump_dvc(new, old and old.encode(), path).decode() == text, path
                compared += old is not None and old != text
                files[path] = text
    assert compared >= 5


COMMENTED = b"# top\nouts:\n# one\n- path: a   # eol\n  md5: abc\nmeta:\n  n: 7.449157638361876e-09   # small\n"


def test_dvc_files_keep_comments_and_places():
    old = formats.parse_dvc(COMMENTED, "f")
    assert formats.dump_dvc(old, COMMENTED, "f") == COMMENTED
    new = {"desc": "d", "outs": [{"md5": "def", "size": 1, "path": "a"}], "meta": old["meta"]}
    found = formats.dump_dvc(new, COMMENTED, "f")
    assert formats.parse_dvc(found, "f") == new
    plain = COMMENTED.replace(b"7.449157638361876e-09", b"1")
    new = {**new, "meta": {"n": 1}}
    assert formats.dump_dvc(new, plain, "f") == (
        b"# top\nouts:\n# one\n- path: a   # eol\n  md5: def\n  size: 1\nmeta:\n  n: 1   # small\ndesc: d\n"
    )


def test_dvc_files_without_comments_keep_the_order_of_keys():
    old = b"wdir: .\nfrozen: false\nouts:\n- path: w\n  md5: abc\n"
    new = {"outs": [{"md5": "def", "size": 1, "hash": "md5", "path": "w"}]}
    assert formats.dump_dvc(new, old, "f") == b"outs:\n- path: w\n  md5: def\n  size: 1\n  hash: md5\n"
    long = {"outs": [{"path": "w", "desc": "x " * 30 + " " + "  y" * 30}]}
    for text in (None, old, b"# c\n" + old, b""):
        assert formats.parse_dvc(formats.dump_dvc(long, text, "f"), "f") == long
    with pytest.raises(FormatError):
        formats.dump_dvc(new, b"outs: [", "f")
