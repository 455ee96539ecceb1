"""What DVC 3's schemas accept and refuse in dvc.yaml, dvc.lock and *.dvc files, and how a refusal reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gitstage import formats
from gitstage.errors import FormatError

GOLDEN = Path(__file__).parent.parent / "golden"

# Refused here although DVC's schema lets them pass: DVC fails on them later, for any command.
EARLIER = {"at sign in stage name", "foreach scalar"}


def golden_cases(scenario: str, path: str, argv: list[str]):
    text = None
    for step in json.loads((GOLDEN / scenario / "scenario.json").read_text())["steps"]:
        if step["op"] == "write" and step["path"] == path:
            text = step["text"]
        elif step["op"] == "run" and "variant" in step and step["argv"][: len(argv)] == argv:
            stderr = step.get("stderr", "")
            yield step["variant"], text, "validation failed" in stderr or "is invalid" in stderr


PIPELINES = list(golden_cases("s36_invalid_pipelines", "dvc.yaml", ["dvc", "stage", "list"]))
LOCKS = list(golden_cases("s35_lock_variants", "dvc.lock", ["dvc", "status"]))


@pytest.mark.parametrize(("variant", "text", "refused"), PIPELINES, ids=[case[0] for case in PIPELINES])
def test_golden_pipelines(variant, text, refused):
    if refused or variant in EARLIER:
        with pytest.raises(FormatError) as caught:
            formats.parse_pipeline(text.encode(), "dvc.yaml")
        assert caught.value.line is not None
        assert "\n" not in str(caught.value)
    else:
        formats.parse_pipeline(text.encode(), "dvc.yaml")


@pytest.mark.parametrize(("variant", "text", "refused"), LOCKS, ids=[case[0] for case in LOCKS])
def test_golden_locks(variant, text, refused):
    if refused and variant != "1.0 layout":
        with pytest.raises(FormatError):
            formats.parse_lock(text.encode(), "dvc.lock")
    else:
        found = formats.parse_lock(text.encode(), "dvc.lock")
        assert found["schema"] == "2.0"
        assert isinstance(found["stages"], dict)


def test_golden_enough():
    assert len(PIPELINES) > 50
    assert len(LOCKS) > 18


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("foo: 1\n", "f:1: foo: no such key is allowed here; "
         "expected one of stages, vars, params, metrics, plots, artifacts, datasets"),
        ("stages:\n  a:\n    cmd: x\n    out: [y]\n", "f:4: stages.a.out: no such key is allowed here; did you mean 'outs'?"),
        ("stages:\n  a:\n    cmd: x\n    outs:\n    - p\n    - q: {cahce: false}\n",
         "f:6: stages.a.outs[1].q.cahce: no such key is allowed here; did you mean 'cache'?"),
        ("stages:\n\n  a:\n    deps: [x]\n", "f:3: stages.a: the key 'cmd' is missing"),
        ("stages:\n  a:\n    cmd: x\n    deps:\n    - y\n    - 5\n", "f:6: stages.a.deps[1]: expected a string, found 5"),
        ("stages:\n  a:\n    cmd: x\n    outs: o\n", "f:4: stages.a.outs: expected a list, found 'o'"),
        ("stages:\n  a:\n    cmd: x\n    outs:\n", "f:4: stages.a.outs: expected a list, found nothing"),
        ("stages:\n  a:\n    cmd: x\n    frozen: yes\n", "f:4: stages.a.frozen: expected true or false, found 'yes'"),
        ("stages:\n  a: x\n", "f:2: stages.a: expected a map, found 'x'"),
        ("- a\n", "f:1: expected a map, found a list"), ("x\n", "f:1: expected a map, found 'x'"),
    ],
)  # fmt: skip
def test_messages(text, message):
    with pytest.raises(FormatError) as caught:
        formats.parse_pipeline(text.encode(), "f")
    assert str(caught.value) == message


STAGE = "stages:\n  a:\n    cmd: x\n"
BAD_PIPELINES = [
    "stages: []\n", "stages: 1\n", "stages: {5: {cmd: x}}\n", "stages: {a@b: {cmd: x}}\n", "stages: {a: }\n",
    "stages: {a: []}\n",
    "vars: {a: 1}\n", "vars: [5]\n", "vars: \n", "params: [5]\n", "params: x\n", "metrics: {a: 1}\n",
    "metrics: [{a: }]\n",
    "plots: {a: {x: b}}\n", "plots: [5]\n", "plots: [{a: {foo: 1}}]\n", "plots: [{a: {header: true}}]\n",
    "plots: [{}]\n",
    "plots: [{a: {x: [b]}}]\n", "plots: [{a: {y: {f: {g: h}}}}]\n", "plots: [{a: [b]}]\n", "artifacts: []\n",
    "artifacts: {a: x}\n",
    "artifacts: {a: {type: t}}\n", "artifacts: {a: {path: p, foo: 1}}\n", "artifacts: {a: {path: p, labels: x}}\n",
    "stages: {a: {cmd: ''}}\n", "stages: {a: {cmd: []}}\n", "stages: {a: {cmd: [1]}}\n",
    "stages: {a: {cmd: {b: c}}}\n", "live: {}\n",
    *(STAGE + "    " + rest + "\n" for rest in (
        "wdir: 5", "wdir:", "deps: x", "deps: [{a: }]", "deps: [null]", "params: x", "params: [5]",
        "params: [{f: b}]", "params: [{f: [1]}]",
        "params: [{1: [a]}]", "outs: {o: {}}", "outs: [{o: }]", "outs: [{}]", "outs: [{a: {}, b: {}}]",
        "outs: [[a]]", "outs: [{o: {cache: 1}}]",
        "outs: [{o: {cache: 'no'}}]", "outs: [{o: {persist: 0}}]", "outs: [{o: {remote: 5}}]",
        "outs: [{o: {push: x}}]", "outs: [{o: {desc: 1}}]",
        "outs: [{o: {labels: x}}]", "outs: [{o: {x: a}}]", "outs: [{o: {md5: a}}]",
        "metrics: [{m: {header: true}}]", "plots: [{p: [{x: a}]}]",
        "plots: [{p: {x: [a]}}]", "plots: [{p: {header: 'yes'}}]", "vars: {a: 1}", "vars: [1]", "frozen: 1",
        "always_changed: 'true'", "desc: 5",
        "matrix: [a]", "matrix: {a: 5}", "matrix: {a: {b: c}}", "matrix: {1: [a]}", "foreach: [a]", "do: {cmd: y}",
        "md5: abc", "locked: true",
    )),
    "stages: {a: {foreach: [x]}}\n", "stages: {a: {do: {cmd: x}}}\n", "stages: {a: {foreach: 5, do: {cmd: x}}}\n",
    "stages: {a: {foreach: abc, do: {cmd: x}}}\n", "stages: {a: {foreach: [x], do: x}}\n",
    "stages: {a: {foreach: [x], do: {deps: [y]}}}\n",
    "stages: {a: {foreach: [x], do: {foreach: [y], do: {cmd: x}}}}\n",
    "stages: {a: {foreach: [x], do: {cmd: x}, wdir: y}}\n",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD_PIPELINES)
def test_refused_pipelines(text):
    with pytest.raises(FormatError) as caught:
        formats.parse_pipeline(text.encode(), "sub/dvc.yaml")
    assert str(caught.value).startswith("sub/dvc.yaml:")
    assert caught.value.line is not None


@pytest.mark.parametrize(
    "text",
    [
        "", "# nothing\n", "stages: {}\n", "datasets: whatever\n", "datasets:\n",
        "vars: [a.yaml, 'b.yaml:c', {d: [1]}]\n", "params: [p.yaml]\n",
        "artifacts: {a: {path: p, type: t, desc: d, labels: [l], meta: [1]}}\n",
        "plots: [p, {i: }, {j: {}}, {k: {x: a, y: [b, c], title: t}}, {l: {x: {f: a}, y: {f: b, g: [c]}}}]\n",
        "stages: {'a b/é': {cmd: [x, y], wdir: .., meta: }}\n",
        "stages: {a: {cmd: x, outs: [], deps: [], params: [], vars: []}}\n",
        "stages: {a: {cmd: x, params: [k, {f: }, {f: []}, {f: [a, b.c], g: }, {}]}}\n",
        "stages: {a: {cmd: x, outs: [o, {p: {}}, "
        "{q: {cache: false, persist: true, push: false, remote: r, checkpoint: true}}]}}\n",
        "stages: {a: {cmd: x, plots: [{p: {x: a, y: b, x_label: c, y_label: d, "
        "title: e, template: f, header: false, cache: false}}]}}\n",
        "stages: {a: {foreach: '${x}', do: {cmd: x}}, b: {foreach: {k: v}, do: {cmd: x, matrix: {}}}}\n",
        "stages: {a: {cmd: x, matrix: {k: [1, {a: 2}], l: '${m}'}, "
        "vars: [f, {a: 1}], frozen: true, always_changed: false, desc: d}}\n",
    ],
)  # fmt: skip
def test_accepted_pipelines(text):
    assert formats.parse_pipeline(text.encode(), "f") == (formats.load(text, "f") or {})


LOCK = "schema: '2.0'\nstages:\n  s:\n    cmd: x\n"
BAD_LOCKS = [
    "", "x\n", "[]\n", "{}\n", "schema: 2.0\n", "schema: '1.0'\n", "schema:\n", "stages: {}\n",
    "stages: {s: {cmd: x}}\n", "schema: '2.0'\nfoo: 1\n",
    "schema: '2.0'\nstages:\n", "schema: '2.0'\nstages: []\n", "schema: '2.0'\nstages: {s: }\n",
    "schema: '2.0'\nstages: {s: {deps: []}}\n",
    "schema: '2.0'\nstages: {1: {cmd: x}}\n", "schema: '2.0'\nstages: {s: {cmd: }}\n",
    "schema: '2.0'\nstages: {s: {cmd: 5}}\n",
    *(LOCK + "    " + rest + "\n" for rest in (
        "wdir: x", "deps: a", "deps: [a]", "deps: [{md5: abc}]", "deps: [{path: 5}]", "deps: [{path: p, md5: 5}]",
        "deps: [{path: p, md5: ab}]",
        "deps: [{path: p, size: x}]", "deps: [{path: p, size: 1.5}]", "deps: [{path: p, isexec: 1}]",
        "deps: [{path: p, cache: false}]",
        "deps: [{path: p, files: [{md5: abc}]}]", "deps: [{path: p, cloud: {r: 1}}]", "params: [a]",
        "params: {f: }", "params: {f: [a]}",
        "params: {f: {1: a}}", "outs: {o: 1}", "metrics: []", "outs: [{path: p, hash: }]",
    )),
    "s:\n  cmd: x\n  foo: 1\n", "s: 5\n", "s:\n  deps: []\n",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD_LOCKS)
def test_refused_locks(text):
    with pytest.raises(FormatError) as caught:
        formats.parse_lock(text.encode(), "dvc.lock")
    assert caught.value.path == "dvc.lock"
    assert (caught.value.line is None) == (text == "")


def test_locks():
    assert formats.parse_lock(b"schema: '2.0'\n", "f") == {"schema": "2.0", "stages": {}}
    assert formats.parse_lock(b"schema: '2.0'\ndatasets: [{a: 1}]\n", "f")["datasets"] == [{"a": 1}]
    first = b"s:\n  cmd: x\n  outs:\n  - {path: o, md5: abc}\n"
    assert formats.parse_lock(first, "f") == {
        "schema": "2.0",
        "stages": {"s": {"cmd": "x", "outs": [{"path": "o", "md5": "abc"}]}},
    }
    cloud = LOCK + (
        "    deps:\n    - {path: p, etag: abc, version_id: v, cloud: {r: {etag: abc, version_id: v, size: 1}}}\n"
        "    - {path: q, hash: md5, md5: , files: [{relpath: a, md5: abc, size: 1, isexec: true}]}\n"
    )
    assert len(formats.parse_lock(cloud.encode(), "f")["stages"]["s"]["deps"]) == 2


BAD_DVC = [
    "x\n", "[]\n", "cmd: 5\n", "foo: 1\n", "outs: x\n", "outs: [x]\n", "outs: [{}]\n", "outs: [{md5: abc}]\n",
    "deps: [{md5: abc}]\n",
    "wdir: 5\n", "frozen: 1\n", "locked: x\n", "always_changed: 'y'\n", "md5: 5\n", "desc: []\n", "params: []\n",
    *("outs: [{path: p, " + rest + "}]\n" for rest in (
        "cache: 1", "persist: x", "push: 5", "remote: 5", "labels: x", "desc: 1",
        "fs_config: x", "repo: {url: u}",
    )),
    *("deps: [{path: p, " + rest + "}]\n" for rest in ("cache: false", "desc: x", "repo: {}",
    "repo: {url: u, foo: 1}", "repo: x", "db: x")),
]  # fmt: skip


@pytest.mark.parametrize("text", BAD_DVC)
def test_refused_dvc_files(text):
    with pytest.raises(FormatError) as caught:
        formats.parse_dvc(text.encode(), "data.dvc")
    assert caught.value.line == 1


@pytest.mark.parametrize(
    "text",
    [
        "", "outs:\n", "outs: []\n", "wdir:\nouts: [{path: p}]\n", "deps:\nmeta:\n",
        "md5: abc\nfrozen: true\nlocked: true\nwdir: ..\nalways_changed: false\nmeta: [1]\ndesc: d\n",
        "deps: [{path: p, repo: {url: u, rev: r, rev_lock: l, config: {a: 1}, remote: {b: 2}}, "
        "fs_config: {a: 1}, db: {query: q}}]\n",
        "outs: [{md5: abc.dir, size: 1, nfiles: 2, isexec: true, hash: md5, path: p, desc: d, type: t, labels: [l], meta: 1,"
        " cache: false, persist: true, remote: r, push: false, fs_config: {}, files: [{relpath: a, md5: abc}]}]\n",
    ],
)  # fmt: skip
def test_accepted_dvc_files(text):
    assert formats.parse_dvc(text.encode(), "f") == (formats.load(text, "f") or {})
