"""Templates: expressions, vars, foreach, matrix. Expectations: DVC 3.67, unless a test says otherwise."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from gitstage import formats, params, template
from gitstage.errors import ConfigError, FormatError
from gitstage.template import Resolved

GOLDEN = Path(__file__).parents[1] / "golden"

VALUES = r"""
a: 1
b: text
t: true
n: null
e: ""
fl: 1e-3
esc: 'x\${y}'
ref: '${a}'
l: [x, y, 3]
lt: [true, null, 1.0]
lod: [{p: 1}, {p: 2}]
d: {k: v, n: {m: 1}}
"""


def resolve(dvc_yaml: str, path: str = "dvc.yaml", styles: dict[str, str] | None = None, **files: str) -> Resolved:
    """`files`: "__" in a name stands for "/", "_" before the last part for the dot of its suffix."""
    texts = {"params.yaml": VALUES}
    for name, text in files.items():
        stem, _, suffix = name.replace("__", "/").rpartition("_")
        texts[f"{stem}.{suffix}"] = text
    data = {name: text.encode() for name, text in texts.items()}
    return template.resolve(formats.load(dvc_yaml, path), path, data.get, params.read_values, **(styles or {}))


def one(body: str, **files: str) -> dict[str, Any]:
    """The definition of the only stage, whose keys are the lines of `body`."""
    (stage,) = resolve("stages:\n  s:\n" + "".join(f"    {line}\n" for line in body.split("\n")), **files).stages
    assert (stage.name, stage.group) == ("s", None)
    return stage.definition


def cmd(text: str, values: str = VALUES, **styles: str) -> Any:
    document = {"stages": {"s": {"cmd": text}}}
    found = template.resolve(document, "dvc.yaml", {"params.yaml": values.encode()}.get, params.read_values, **styles)
    return found.stages[0].definition["cmd"]


def generated(body: str, before: str = "", **files: str) -> list[tuple[str, Any]]:
    """(key, cmd) of the stages of group g, whose keys are the lines of `body`; a `do` is put on one line."""
    found = resolve(before + "\nstages:\n  g:\n" + "".join(f"    {line}\n" for line in body.split("\n")), **files)
    assert [stage.name for stage in found.stages] == found.groups["g"]
    assert all(stage.group == "g" and stage.templated for stage in found.stages)
    return [(stage.name.removeprefix("g@"), stage.definition["cmd"]) for stage in found.stages]


def refused(dvc_yaml: str, message: str, path: str = "dvc.yaml", **files: str) -> None:
    with pytest.raises(FormatError) as caught:
        resolve(dvc_yaml, path, **files)
    assert str(caught.value) == message


# Expressions


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${a}x", "1x"), ("x ${ a }", "x 1"), ("${b}", "text"), ("${d . k}", "v"), ("${ d [ k ] }", "v"), ("${d[k]}", "v"),
        ("${l[0]}", "x"), ("${l.1}", "y"), ("${l[ -2 ]}", "y"), ("${l[00]}", "x"), ("x ${d.n[m]}", "x 1"),
        ("x ${d[n].m}", "x 1"), ("x ${d [n] [m] }", "x 1"), ("x ${d[n] .m}", "x 1"), ("x ${d[n]. m}", "x 1"),
        ("x ${\ta\t}", "x 1"), ("x${d.k\r}", "xv"), ("${a}${b}", "1text"), ("${a}}", "1}"), ("x ${lod[1].p}", "x 2"),
        ("${t} ${n} ${fl} ${e}|", "true None 0.001 |"), ("x ${lt[0]} ${lt.1} ${lt.2}", "x true None 1.0"), ("${e}", ""),
    ],
)  # fmt: skip
def test_an_expression_is_filled_in(text: str, expected: str) -> None:
    assert cmd(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\\${a}", "${a}"), ("\\\\${a}", "\\${a}"), ("\\\\\\${a}", "\\\\${a}"), ("$${a}", "$1"), ("${a", "${a"),
        ("x\\${a", "x${a"), ("\\${zz.[} ok", "${zz.[} ok"), ("\\${a} ${b}", "${a} text"), ("\\$\\{a}", "\\$\\{a}"),
        ("#${a} ${a", "#1 ${a"), ("x ${\na\n}", "x ${\na\n}"), ("x ${a\n}", "x ${a\n}"),
        ("${ref}", "${a}"), ("x ${ref}", "x ${a}"), ("${esc}", "x\\${y}"), ("x ${esc}", "x x${y}"),
    ],
)  # fmt: skip
def test_what_is_no_expression(text: str, expected: str) -> None:
    assert cmd(text) == expected


@pytest.mark.parametrize(
    "text",
    ["${d..k}", "${.a}", "${a.}", "${}", "${d[k}", "${d[n]m}", "${d[n.m]}", "${d.[k]}", "${[a]}", "x ${d [ n] m}"],
)
def test_a_bad_expression_is_refused(text: str) -> None:
    with pytest.raises(FormatError) as caught:
        cmd(text)
    assert str(caught.value).startswith(f"dvc.yaml: stages.s.cmd: {text.removeprefix('x ')} is not an expression")


@pytest.mark.parametrize(
    "name",
    [
        "zz",
        "d.zz",
        "l[5]",
        "l[-4]",
        "l[x]",
        "l[1_0]",
        "a.b",
        "b.0",
        "A",
        "a b",
        "a+b",
        "d-k",
        'd["k"]',
        "env:HOME",
        "${a",
        "d[ ]",
    ],
)
def test_a_name_without_value_is_refused(name: str) -> None:
    with pytest.raises(FormatError) as caught:
        cmd(f"x ${{{name}}}")
    assert str(caught.value) == f"dvc.yaml: stages.s.cmd: there is no value for ${{{name}}}"


@pytest.mark.parametrize("name", ["1", "false", "1.5", "dot.key", " sp "])
def test_keys_that_cannot_be_named(name: str) -> None:
    with pytest.raises(FormatError, match="there is no value"):
        cmd(f"${{{name}}}", "1: one\nfalse: two\n1.5: f\ndot.key: 5\n' sp ': 6\n")


def test_unusual_keys_that_can_be_named() -> None:
    values = "a b: 1\nx/y: 2\na:b: 3\nq-1: 4\n'': 5\n$h: 6\n"
    assert cmd("x ${a b} ${x/y} ${a:b} ${q-1} ${ } ${$h}", values) == "x 1 2 3 4 5 6"


def test_expressions_are_filled_in_everywhere() -> None:
    stage = one(
        "wdir: ${b}/..\n"
        "cmd: ['x ${a}', '${b}']\n"
        "deps: ['${b}', 'p${a}']\n"
        "params: ['${b}', {'${b}.yaml': ['${d.k}']}, {'o${a}.yaml': null}]\n"
        "outs: [{'${b}-${a}': {cache: false, desc: 'about ${t}'}}]\n"
        "plots: [{'${b}.csv': {x: '${a}'}}]\n"
        "desc: ${b}\n"
        "frozen: true\n"
        "meta: {q: '${a}', l: ['${t}', '${n}'], 3: 4, '${a}': z}"
    )
    assert stage == {
        "wdir": "text/..", "cmd": ["x 1", "text"], "deps": ["text", "p1"],
        "params": ["text", {"text.yaml": ["v"]}, {"o1.yaml": None}],
        "outs": [{"text-1": {"cache": False, "desc": "about true"}}], "plots": [{"text.csv": {"x": 1}}],
        "desc": "text", "frozen": True, "meta": {"q": 1, "l": [True, None], 3: 4, 1: "z"},
    }  # fmt: skip
    assert list(stage) == ["wdir", "cmd", "deps", "params", "outs", "plots", "desc", "frozen", "meta"]


def test_equal_keys_are_one_and_the_last_counts() -> None:
    assert one("cmd: x\nmeta: {'${b}': 1, text: 2}")["meta"] == {"text": 2}


def test_stage_names_are_not_templates() -> None:
    assert resolve("stages: {'s${a}': {cmd: x}}").stages[0].name == "s${a}"


@pytest.mark.parametrize(
    ("body", "where", "problem"),
    [
        ("cmd: ${a}", "cmd", "must be text, not a number"),
        ("cmd: ['x', '${t}']", "cmd", "must be text, not true"),
        ("cmd: ${l}", "cmd", "${l} is a list, which cannot be used here"),
        ("cmd: x ${l}", "cmd", "${l} is a list, which cannot be part of a text here"),
        (
            "cmd: ${d}",
            "cmd",
            "${d} is a mapping, which cannot be used here; put it into a longer text to get its options",
        ),
        ("cmd: x\nwdir: ${a}", "wdir", "must be text, not a number"),
        ("cmd: x\ndeps: ['${a}']", "deps", "must be a path, not a number"),
        ("cmd: x\ndeps: ['${n}']", "deps", "must be a path, not null"),
        ("cmd: x\ndeps: ['${e}']", "deps", "must be a path, not empty"),
        ("cmd: x\ndeps: ['${l}']", "deps", "${l} is a list, which cannot be used here"),
        ("cmd: x\ndeps: ${l}", "deps", "${l} is a list, which cannot be used here"),
        ("cmd: x\ndeps: ['q${d}']", "deps", "${d} is a mapping, which cannot be part of a text here"),
        ("cmd: x\nouts: [{'${a}': {cache: false}}]", "outs", "must be a path, not a number"),
        ("cmd: x\nmetrics: ['${t}']", "metrics", "must be a path, not true"),
        ("cmd: x\nplots: ['${t}']", "plots", "must be a path, not true"),
        ("cmd: x\nparams: ['${a}']", "params", "must be the name of a file or parameter, not a number"),
        ("cmd: x\nparams: [{p.yaml: ['${a}']}]", "params", "must be the name of a file or parameter, not a number"),
        ("cmd: x\nmeta: {'${l}': 1}", "meta", "${l} is a list, which cannot be used here"),
        ("cmd: x\nmeta: ${d}", "meta", "${d} is a mapping, which cannot be used here"),
        ("cmd: x\nmeta: {cmd: 'x ${d}'}", "meta", "${d} is a mapping, which cannot be part of a text here"),
    ],
)
def test_values_of_the_wrong_type_are_refused(body: str, where: str, problem: str) -> None:
    with pytest.raises(FormatError) as caught:
        one(body)
    assert str(caught.value) == f"dvc.yaml: stages.s.{where}: {problem}"


def test_an_empty_working_directory_is_the_folder_of_the_file() -> None:
    assert "wdir" not in one("cmd: x\nwdir: ${n}")
    assert one("cmd: x\nwdir: ${e}")["wdir"] == ""


# Mappings as command line options

OPTIONS = """
d: {k: v, n: {m: 1.5}, list: [1, "two w", 3], flag: true, noflag: false, nul: null, q: "it's", e: ""}
dn: {"a b": 1, x: $HOME, nl: "a\\nb", u: ü, "2": {3: 4}}
mix: {a: 1, b: [], c: 2, d: {}, e: false, f: [true, "", null], g: true}
deep: {a: {b: false, c: [1, x], t: true}, z: []}
emptyd: {}
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x ${d}", "x --k v --n.m 1.5 --list 1 'two w' 3 --flag --nul None --q 'it'\"'\"'s' --e ''"),
        ("x ${dn}", "x --a b 1 --x '$HOME' --nl 'a\nb' --u 'ü'"),
        ("x ${mix} y", "x --a 1 --c 2 --f True '' None --g y"),
        ("pre${d.n}post ${d.n}", "pre--m 1.5post --m 1.5"),
        ("${d.n} ", "--m 1.5 "),
        ("x ${emptyd}y", "x y"),
    ],
)
def test_a_mapping_in_a_command_becomes_options(text: str, expected: str) -> None:
    assert cmd(text, OPTIONS) == expected


def test_options_in_the_other_styles() -> None:
    styles = {"bool_style": "boolean_optional", "list_style": "append"}
    assert cmd("x ${deep}", OPTIONS, **styles) == "x --no-a.b --a.c 1 --a.c x --a.t"
    assert cmd("x ${mix}", OPTIONS, **styles) == "x --a 1 --c 2 --no-e --f True --f '' --f None --g"
    assert cmd("x ${deep}", OPTIONS, bool_style="boolean_optional") == "x --no-a.b --a.c 1 x --a.t"
    assert cmd("x ${deep}", OPTIONS, list_style="append") == "x --a.c 1 --a.c x --a.t"


def test_unknown_styles_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"parsing\.bool"):
        cmd("x", bool_style="yes")
    with pytest.raises(ConfigError, match=r"parsing\.list"):
        cmd("x", list_style="yes")


@pytest.mark.parametrize(("values", "name"), [("d: {a: {b: [[1]]}}", "a.b"), ("d: {a: [{x: 1}]}", "a")])
def test_a_list_of_lists_cannot_become_an_option(values: str, name: str) -> None:
    with pytest.raises(FormatError) as caught:
        cmd("x ${d}", values)
    problem = f"{name!r} is a list of lists or mappings, which cannot become an option"
    assert str(caught.value) == f"dvc.yaml: stages.s.cmd: {problem}"


# Variables


@pytest.mark.parametrize(
    ("items", "text", "expected"),
    [
        ("[{q: 1, r: 2}]", "${q} ${r}", "1 2"),
        ("[{d: {k2: 2, n: {z: 1}}}]", "${d}", "--k v --n.m 1 --n.z 1 --k2 2"),
        ("[{d: {}}]", "${d}", "--k v --n.m 1"),
        ("[{1: 2, y: 3}]", "${y}", "3"),
        ("[{q: &x {z: 1}}, {r: *x}]", "${r.z} ${q.z}", "1 1"),
        ('[{q: "\\\\${a}"}]', "${q}", "${a}"),
        ('[{q: "${a"}]', "${q}", "${a"),
        ("[params.yaml]", "${a}", "1"),
        ("[v.yaml]", "${q.z} ${r}", "2 1"),
        ("[v.yaml, ./v.yaml, sub/../v.yaml]", "${q.z}", "2"),
        ("[v.yaml, {q: {w: 3}}]", "${q}", "--z 2 --w 3"),
        ('["v.yaml:q"]', "${q.z}", "2"),
        ('["v.yaml:q,r"]', "${q.z} ${r}", "2 1"),
        ('["v.yaml:r", "v.yaml:q"]', "${q.z} ${r}", "2 1"),
        ('["v.yaml:"]', "${r}", "1"),
        ('["v.yaml:r,", {q: 1}]', "${r} ${q}", "1 1"),
        ('["v.yaml:r,r"]', "${r}", "1"),
        ('["when.yaml:q"]', "${q}", "1"),
        ("[a.toml, b.py, c.JSON, empty.yaml]", "${x1} ${x2} ${K.v} ${x3}", "1.5 2 3 3"),
        ("[]", "${a}", "1"),
    ],
)
def test_vars(items: str, text: str, expected: str) -> None:
    found = resolve(
        f"vars: {items}\nstages: {{s: {{cmd: 'echo {text}'}}}}", v_yaml="q: {z: 2}\nr: 1", when_yaml="d1: 2020-01-01\nq: 1",
        a_toml="x1 = 1.5", b_py="x2 = 2\nclass K:\n  v = 3", c_JSON='{"x3": 3}', empty_yaml="",
    )  # fmt: skip
    assert found.stages[0].definition == {"cmd": f"echo {expected}"}


@pytest.mark.parametrize(
    ("items", "problem"),
    [
        ("[{a: 1}]", "vars[0]: 'a' is already defined in params.yaml"),
        ("[{d: {k: 2}}]", "vars[0]: 'd.k' is already defined in params.yaml"),
        ("[{a: {x: 1}}]", "vars[0]: 'a' is already defined in params.yaml"),
        ("[{d: 1}]", "vars[0]: 'd' is already defined in params.yaml"),
        ("[{l: [1]}]", "vars[0]: 'l' is already defined in params.yaml"),
        ("[{n: null}]", "vars[0]: 'n' is already defined in params.yaml"),
        ("[{q: 1}, {q: 1}]", "vars[1]: 'q' is already defined in vars[0]"),
        ("[{q: {z: 1}}, v.yaml]", "vars[1]: 'q.z' is already defined in vars[0]"),
        ("[v.yaml, w.yaml]", "vars[1]: 'r' is already defined in v.yaml"),
        ('[{q: "${a}"}]', "vars[0]: expressions are not possible in 'vars'"),
        ('[{"${a}": 1}]', "vars[0]: expressions are not possible in 'vars'"),
        ('["${b}.yaml"]', "vars[0]: expressions are not possible in 'vars'"),
        ('[{q: [1, {z: "${a..}"}]}]', "vars[0]: expressions are not possible in 'vars'"),
        ("[nope.yaml]", "vars[0]: there is no file nope.yaml"),
        ("[/nope.yaml]", "vars[0]: there is no file /nope.yaml"),
        ('["v.yaml:r,zz"]', "vars[0]: v.yaml has no key 'zz'"),
        ('["v.yaml: r"]', "vars[0]: v.yaml has no key ' r'"),
        ('["v.yaml:q.z"]', "vars[0]: v.yaml has no key 'q.z'"),
        ('["v.yaml:q:r"]', "vars[0]: v.yaml has no key 'q:r'"),
        ('[v.yaml, "v.yaml:r"]', "vars[1]: v.yaml is loaded already, as a whole or with the same keys"),
        ('["v.yaml:r", v.yaml]', "vars[1]: v.yaml is loaded already, as a whole or with the same keys"),
        ('["v.yaml:r", "./v.yaml:q,r"]', "vars[1]: v.yaml is loaded already, as a whole or with the same keys"),
        ('["params.yaml:a"]', "vars[0]: params.yaml is loaded already, as a whole or with the same keys"),
        ("[1]", "vars[0]: must be a file name or a mapping, not a number"),
        ("[null]", "vars[0]: must be a file name or a mapping, not null"),
        ("{q: 1}", "vars: must be a list of file names and mappings, not a mapping"),
        ("[{z: [2020-01-01]}]", "vars[0].z[0]: a value of type date cannot be used in templates"),
    ],
)
def test_vars_that_are_refused(items: str, problem: str) -> None:
    refused(f"vars: {items}\nstages: {{}}", f"dvc.yaml: {problem}", v_yaml="q: {z: 2}\nr: 1", w_yaml="r: 2")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a_toml", "x = 2020-01-01", "a.toml: x: a value of type date cannot be used in templates"),
        ("a_py", "x = {1}", "a.py: x: a value of type set cannot be used in templates"),
        ("a_py", "x = [(1, 2)]", "a.py: x[0]: a value of type tuple cannot be used in templates"),
        ("a_yaml", "[1]", "a.yaml: must hold a mapping of names to values, not a list"),
    ],
)
def test_files_that_are_refused(name: str, text: str, message: str) -> None:
    refused(f"vars: [{name.replace('_', '.')}]\nstages: {{}}", message, **{name: text})


def test_the_default_file_counts_even_if_nothing_uses_it() -> None:
    refused(
        "vars: [{q: 1}]\nstages: {s: {cmd: x}}",
        "params.yaml: d: a value of type date cannot be used in templates",
        params_yaml="d: 2020-01-01",
    )
    assert one("cmd: x ${a}", params_yaml="a: 1\n1: 2020-01-01\n2020-01-01: 2") == {"cmd": "x 1"}


def test_variables_of_a_stage_are_its_own() -> None:
    found = resolve(
        "stages:\n  s:\n    vars: [{d: {z: 1}}, {d: {y: 2}}, {q: 1}]\n    cmd: x ${d} ${q}\n  r:\n    cmd: x ${d}\n"
        "  p:\n    vars: ['v.yaml:q']\n    cmd: x ${q}\n  o:\n    vars: [v.yaml]\n    cmd: x ${q} ${r}\n",
        v_yaml="q: 5\nr: 6",
    )
    assert [stage.definition["cmd"] for stage in found.stages] == [
        "x --k v --n.m 1 --z 1 --y 2 1", "x --k v --n.m 1", "x 5", "x 5 6",
    ]  # fmt: skip
    refused(
        "stages:\n  s:\n    vars: [{q: 1}]\n    cmd: x\n  r:\n    cmd: ${q}\n",
        "dvc.yaml: stages.r.cmd: there is no value for ${q}",
    )


def test_files_of_a_stage_lie_in_its_working_directory() -> None:
    body = "wdir: ${b}//../w/.\nvars: [v.yaml, ./v.yaml, params.yaml, ../o.yaml]\ncmd: x ${q} ${p} ${o} ${a}"
    files = {"v_yaml": "q: 1", "w__v_yaml": "q: 2", "w__params_yaml": "p: 3", "o_yaml": "o: 4"}
    assert one(body, **files)["cmd"] == "x 2 3 4 1"
    assert one("wdir: w\ncmd: x ${a}", **files)["cmd"] == "x 1"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("vars: [{a: 2}]\ncmd: x", "vars[0]: 'a' is already defined in params.yaml"),
        ("vars: [{w: 1}, {w: 2}]\ncmd: x", "vars[1]: 'w' is already defined in stages.s.vars[0]"),
        ("wdir: w\nvars: [params.yaml]\ncmd: x", "vars[0]: 'a' is already defined in params.yaml"),
        ("vars: ['params.yaml:a']\ncmd: x", "vars[0]: params.yaml is loaded already, as a whole or with the same keys"),
        ("vars: [{q: '${a}'}]\ncmd: x", "vars[0]: expressions are not possible in 'vars'"),
        ("vars: [{q: w}]\nwdir: ${q}\ncmd: x", "wdir: there is no value for ${q}"),
        ("wdir: w\nvars: [nope.yaml]\ncmd: x", "vars[0]: there is no file w/nope.yaml"),
    ],
)
def test_variables_of_a_stage_that_are_refused(body: str, problem: str) -> None:
    text = "stages:\n  s:\n" + "".join(f"    {line}\n" for line in body.split("\n"))
    refused(text, f"dvc.yaml: stages.s.{problem}", w__params_yaml="a: 2")


def test_what_the_file_loads_a_stage_need_not_load_again() -> None:
    loaded = "loaded already, as a whole or with the same keys"
    text = "vars: [{0}]\nstages: {{s: {{vars: [{1}], cmd: 'x ${{q}}'}}}}"
    files = {"v_yaml": "q: 1\nr: 2"}
    assert resolve(text.format("v.yaml", "v.yaml"), **files).stages[0].definition["cmd"] == "x 1"
    assert resolve(text.format("'v.yaml:q'", "'v.yaml:r'"), **files).stages[0].definition["cmd"] == "x 1"
    for first, second in [("v.yaml", "'v.yaml:q'"), ("'v.yaml:q'", "'v.yaml:q'"), ("'v.yaml:q'", "v.yaml")]:
        refused(text.format(first, second), f"dvc.yaml: stages.s.vars[0]: v.yaml is {loaded}", **files)


def test_paths_are_relative_to_the_folder_of_the_file() -> None:
    text = (
        "vars: [v.yaml, ../v2.yaml]\nstages:\n  s:\n    wdir: ../w\n    vars: [l.yaml]\n    cmd: x ${q} ${r} ${m} ${p}"
    )
    found = resolve(text, "sub/dvc.yaml", sub__v_yaml="q: 1", v2_yaml="r: 2", w__l_yaml="m: 3", sub__params_yaml="p: 5")
    assert found.stages[0].definition == {"wdir": "../w", "cmd": "x 1 2 3 5"}
    assert found.sources == ("sub/params.yaml", "sub/v.yaml", "v2.yaml", "w/l.yaml")
    refused(
        "vars: [{p: 1}]\nstages: {}", "sub/dvc.yaml: vars[0]: 'p' is already defined in sub/params.yaml", "sub/dvc.yaml",
        sub__params_yaml="p: 5",
    )  # fmt: skip


def test_without_a_default_file() -> None:
    found = template.resolve(
        {"vars": [{"q": 1}], "stages": {"s": {"cmd": "x ${q}"}}}, "dvc.yaml", lambda path: None, params.read_values
    )
    assert (found.stages[0].definition, found.sources) == ({"cmd": "x 1"}, ())


# foreach


@pytest.mark.parametrize(
    ("data", "text", "expected"),
    [
        ("${l}", "x ${item}", [("x", "x x"), ("y", "x y"), ("3", "x 3")]),
        ("${lt}", "x ${item}", [("True", "x true"), ("None", "x None"), ("1.0", "x 1.0")]),
        ("[true, null, 1e3, 0x1F, yes]", "x", [(k, "x") for k in ["true", "None", "1000.0", "31", "yes"]]),
        ("[.inf, ' ']", "x", [("inf", "x"), (" ", "x")]),
        ("['${t}', '${n}', '${a}']", "x ${item}", [("True", "x true"), ("None", "x None"), ("1", "x 1")]),
        ("['x${t}']", "x ${item}", [("xtrue", "x xtrue")]),
        ("['${l[0]}', '${l.2}']", "x ${item}", [("x", "x x"), ("3", "x 3")]),
        ("[a/b, 'c:d', a b]", "x ${item}", [("a/b", "x a/b"), ("c:d", "x c:d"), ("a b", "x a b")]),
        (r"['x${b}', '\${a}', '${a']", "x ${item}", [("xtext", "x xtext"), ("${a}", "x ${a}"), ("${a", "x ${a")]),
        ("[a, a, b]", "x ${item}", [("a", "x a"), ("b", "x b")]),
        ("[1, '1']", "${item}", [("1", "1")]),
        ("${lod}", "x ${item.p}", [("0", "x 1"), ("1", "x 2")]),
        ("[1, [2], a]", "x", [("0", "x"), ("1", "x"), ("2", "x")]),
        ("['${l}']", "x ${item[0]}", [("0", "x x")]),
        ("['${l}', a]", "x", [("0", "x"), ("1", "x")]),
        ("[['${b}', ['${l}']]]", "x ${item[0]} ${item[1][0][1]}", [("0", "x text y")]),
        ("[{a: 1, '${b}s': {c: '${t}'}}]", "x ${item}", [("0", "x --a 1 --texts.c")]),
        ("['x${d.n}']", "${item}", [("x--m 1", "x--m 1")]),
        ("${d}", "x ${key}", [("k", "x k"), ("n", "x n")]),
        ("${lod[0]}", "x ${key} ${item}", [("p", "x p 1")]),
        ("{us: 1, uk: {q: '${t}'}}", "x ${key}", [("us", "x us"), ("uk", "x uk")]),
        ("{1: a, null: c}", "x ${key} ${item}", [("1", "x 1 a"), ("None", "x None c")]),
        ("{1.5: d, false: e}", "x ${key} ${item}", [("1.5", "x 1.5 d"), ("false", "x false e")]),
        ("{'k${a}': {'q${b}': 1}}", "x ${key} ${item}", [("k1", "x k1 --qtext 1")]),
        ("{k: {1: x, y: z}}", "x ${item}", [("k", "x --y z")]),
        ("[]", "x ${nope}", []),
        ("{}", "x ${nope}", []),
    ],
)  # fmt: skip
def test_foreach(data: str, text: str, expected: list[tuple[str, str]]) -> None:
    assert generated(f"foreach: {data}\ndo: {{cmd: '{text}'}}") == expected


def test_a_map_of_a_file_has_only_its_text_keys() -> None:
    assert generated("foreach: ${m}\ndo: {cmd: 'x ${key}'}", params_yaml="m: {us: {p: 1}, 3: 4, uk: 5}") == [
        ("us", "x us"),
        ("uk", "x uk"),
    ]


def test_item_and_key_are_filled_in_everywhere() -> None:
    found = resolve(
        "stages:\n  g:\n    foreach: {a: in, b: in}\n    do:\n      wdir: ${key}\n      vars: [v.yaml, {z: 9}]\n"
        "      cmd: x ${q} ${z}\n      deps: ['${item}']\n      outs: ['${key}.o', {'${key}': {desc: 'z ${item}'}}]\n",
        a__v_yaml="q: 1",
        b__v_yaml="q: 2",
    )
    assert [stage.definition for stage in found.stages] == [
        {"wdir": k, "cmd": f"x {q} 9", "deps": ["in"], "outs": [f"{k}.o", {k: {"desc": "z in"}}]}
        for k, q in (("a", 1), ("b", 2))
    ]


@pytest.mark.parametrize(
    ("data", "do", "problem"),
    [
        ("${nope}", "cmd: x", "stages.g.foreach: there is no value for ${nope}"),
        ("${b}", "cmd: x", "stages.g.foreach: must be a list or mapping, or an expression for one, not text"),
        ("${a}", "cmd: x", "stages.g.foreach: must be a list or mapping, or an expression for one, not a number"),
        ("${n}", "cmd: x", "stages.g.foreach: must be a list or mapping, or an expression for one, not null"),
        ("abc", "cmd: x", "stages.g.foreach: must be a list or mapping, or an expression for one, not text"),
        ("['${d.zz}']", "cmd: x", "stages.g.foreach: there is no value for ${d.zz}"),
        ("['a@b']", "cmd: x", "stages.g.foreach: 'a@b' cannot be part of a stage name"),
        ("['']", "cmd: x", "stages.g.foreach: '' cannot be part of a stage name"),
        ("{'a@b': 1}", "cmd: x", "stages.g.foreach: 'a@b' cannot be part of a stage name"),
        ("{'${b}': 1}", "cmd: x", "stages.g.foreach: a key cannot be one expression and nothing else: ${b}"),
        ("[{'${b}': 1}]", "cmd: x", "stages.g.foreach: a key cannot be one expression and nothing else: ${b}"),
        ("[2020-01-01]", "cmd: x", "stages.g.foreach[0]: a value of type date cannot be used in templates"),
        ("{k: {a: 2020-01-01}}", "cmd: x", "stages.g.foreach.k.a: a value of type date cannot be used in templates"),
        ("[a]", "cmd: 'x ${key}'", "stages.g@a.cmd: there is no value for ${key}"),
        ("[1]", "cmd: '${item}'", "stages.g@1.cmd: must be text, not a number"),
        ("[[1]]", "cmd: 'x ${item}'", "stages.g@0.cmd: ${item} is a list, which cannot be part of a text here"),
        ("[a]", "{cmd: x, vars: [{item: 3}]}", "stages.g@a.vars[0]: 'item' is the name of what foreach and matrix define"),
        ("{a: 1}", "{cmd: x, vars: [{key: 3}]}", "stages.g@a.vars[0]: 'key' is the name of what foreach and matrix define"),
        ("[a]", "{cmd: x, vars: [{z: '${item}'}]}", "stages.g@a.vars[0]: expressions are not possible in 'vars'"),
        ("[a]", "{cmd: x, vars: [{a: 1}]}", "stages.g@a.vars[0]: 'a' is already defined in params.yaml"),
        ("[a]", "null", "stages.g.do: must be a mapping, not null"),
    ],
)  # fmt: skip
def test_foreach_that_is_refused(data: str, do: str, problem: str) -> None:
    do = do if do.startswith("{") or do == "null" else f"{{{do}}}"
    refused(f"stages:\n  g:\n    foreach: {data}\n    do: {do}\n", f"dvc.yaml: {problem}")


def test_key_is_free_when_foreach_has_a_list() -> None:
    assert generated("foreach: [a]\ndo: {vars: [{key: 3}], cmd: 'x ${key} ${item}'}") == [("a", "x 3 a")]


def test_item_is_unknown_outside() -> None:
    refused(
        "stages:\n  g: {foreach: [a], do: {cmd: x}}\n  h: {cmd: '${item}'}\n",
        "dvc.yaml: stages.h.cmd: there is no value for ${item}",
    )


# matrix


@pytest.mark.parametrize(
    ("data", "text", "expected"),
    [
        ("{a: [1, 2], b: [x, y]}", "${item.a} ${key}", [(k, f"{k[0]} {k}") for k in ["1-x", "1-y", "2-x", "2-y"]]),
        ("{a: [1, 2], b: [x]}", "x ${item}", [("1-x", "x --a 1 --b x"), ("2-x", "x --a 2 --b x")]),
        ("{a: []}", "x", []),
        ("{a: [1], b: []}", "x", []),
        ("{a: ''}", "x", []),
        ("{a: '${l}'}", "x ${item.a}", [("x", "x x"), ("y", "x y"), ("3", "x 3")]),
        ("{a: '${lt}'}", "x ${item.a}", [("True", "x true"), ("None", "x None"), ("1.0", "x 1.0")]),
        ("{a: '${lod}'}", "x ${item.a.p}", [("a0", "x 1"), ("a1", "x 2")]),
        ("{a: '${d}'}", "x ${item}", [("k", "x --a k"), ("n", "x --a n")]),
        ("{a: abc}", "x ${item}", [("a", "x --a a"), ("b", "x --a b"), ("c", "x --a c")]),
        ("{a: 'x${a}'}", "x ${item}", [("x", "x --a x"), ("1", "x --a 1")]),
        ("{a: ['${l}', 'x${a}', '${t}', null, false]}", "x", [(k, "x") for k in ["a0", "x1", "True", "None", "false"]]),
        ("{a: [5, {q: 1}, [1]]}", "x", [("5", "x"), ("a1", "x"), ("a2", "x")]),
        ("{a: [{}, []]}", "x", [("a0", "x"), ("a1", "x")]),
        ("{a: [1, 1]}", "x", [("1", "x")]),
        ("{a: [x-y, x], b: [z, y-z]}", "${item.a} ${item.b}", [("x-y-z", "x y-z"), ("x-y-y-z", "x-y y-z"), ("x-z", "x z")]),
        ("{a: ['', x], b: ['']}", "x", [("-", "x"), ("x-", "x")]),
        ("{'q${b}': [1, [2]]}", "x ${item}", [("1", "x --qtext 1"), ("qtext1", "x --qtext 2")]),
        ("{a.b: [1], c d: [2]}", "x ${item}", [("1-2", "x --a.b 1 --c d 2")]),
        ("{key: [1], item: [2]}", "x ${key} ${item.key} ${item.item}", [("1-2", "x 1-2 1 2")]),
        (r"{a: ['${a}-${b}', '\${a}']}", "x ${item.a}", [("1-text", "x 1-text"), ("${a}", "x ${a}")]),
        ("{a: [{1: 2, z: 3}]}", "x ${item}", [("a0", "x --a.z 3")]),
        ("{a: [{v: '${t}', w: ['${a}']}]}", "x ${item}", [("a0", "x --a.v --a.w 1")]),
    ],
)  # fmt: skip
def test_matrix(data: str, text: str, expected: list[tuple[str, str]]) -> None:
    assert generated(f"matrix: {data}\ncmd: '{text}'") == expected


def test_a_matrix_stage_has_its_own_variables() -> None:
    found = resolve(
        "stages:\n  g:\n    matrix: {a: [w]}\n    wdir: ${item.a}\n    vars: [{z: 1}]\n    cmd: x ${z} ${key}\n"
    )
    assert found.stages[0].definition == {"wdir": "w", "cmd": "x 1 w"}


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ("{}", "stages.g.matrix: must map names to lists, not empty"),
        ("[a]", "stages.g.matrix: must map names to lists, not a list"),
        ("null", "stages.g.matrix: must map names to lists, not null"),
        ("'${d}'", "stages.g.matrix: must map names to lists, not text"),
        ("{a: 3}", "stages.g.matrix: a: must be a list, or an expression for one, not a number"),
        ("{a: {x: 1}}", "stages.g.matrix: a: must be a list, or an expression for one, not a mapping"),
        ("{a: null}", "stages.g.matrix: a: must be a list, or an expression for one, not null"),
        ("{a: '${b}'}", "stages.g.matrix: a: ${b} must be a list, not text"),
        ("{a: '${a}'}", "stages.g.matrix: a: ${a} must be a list, not a number"),
        ("{a: ['${zz}']}", "stages.g.matrix: there is no value for ${zz}"),
        ("{'${b}': [1]}", "stages.g.matrix: a key cannot be one expression and nothing else: ${b}"),
        ("{1: [a]}", "stages.g.matrix: a number cannot be a name: 1"),
        ("{a: ['@']}", "stages.g.matrix: '@' cannot be part of a stage name"),
        ("{a: ['']}", "stages.g.matrix: '' cannot be part of a stage name"),
        ("{a: [2020-01-01]}", "stages.g.matrix.a[0]: a value of type date cannot be used in templates"),
    ],
)
def test_matrix_that_is_refused(data: str, problem: str) -> None:
    refused(f"stages:\n  g:\n    matrix: {data}\n    cmd: x\n", f"dvc.yaml: {problem}")


def test_a_list_inside_a_text_is_refused_where_dvc_writes_it_as_python_would() -> None:
    for body in ("foreach: ['x${l}']\n    do: {cmd: x}", "foreach: {'x${l}': 1}\n    do: {cmd: x}"):
        refused(
            f"stages:\n  g:\n    {body}\n",
            "dvc.yaml: stages.g.foreach: ${l} is a list, which cannot be part of a text here",
        )
    refused(
        "stages:\n  g:\n    matrix: {a: ['x${l}']}\n    cmd: x\n",
        "dvc.yaml: stages.g.matrix: ${l} is a list, which cannot be part of a text here",
    )


# The whole document


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("g: {foreach: [a], do: {cmd: x}}", ["item"]),
        ("g: {foreach: [], do: {cmd: x}}", ["item"]),
        ("g: {foreach: {a: 1}, do: {cmd: x}}", ["item", "key"]),
        ("g: {matrix: {a: [1]}, cmd: x}", ["item", "key"]),
        ("g: {cmd: x}", []),
    ],
)
def test_variables_that_a_loop_hides_are_warned_of(body: str, expected: list[str]) -> None:
    warnings = resolve(f"vars: [{{item: 3, key: 4}}]\nstages: {{{body}}}").warnings
    assert warnings == tuple(
        f"dvc.yaml: stages.g: {word!r} is also a variable; here it is that of the loop" for word in expected
    )


def test_the_loop_wins() -> None:
    before = "vars: [{item: {b: 1}, key: 4}]"
    assert generated("foreach: [{a: 1}]\ndo: {cmd: 'x ${item} ${key}'}", before) == [("0", "x --a 1 4")]
    assert generated("foreach: {k: 1}\ndo: {cmd: 'x ${item} ${key}'}", before) == [("k", "x 1 k")]


def test_a_matrix_below_do_has_no_effect_but_a_warning() -> None:
    found = resolve("stages: {g: {foreach: [x], do: {cmd: x, matrix: {a: [1]}}}}")
    assert [(stage.name, stage.definition) for stage in found.stages] == [("g@x", {"cmd": "x"})]
    assert found.warnings == ("dvc.yaml: stages.g.do: 'matrix' has no effect below 'do'",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("stages: {'s@a': {cmd: x}}", "stages: '@' in 's@a' is reserved for stages made by foreach and matrix"),
        ("stages: {'': {cmd: x}}", "stages: '' is not a stage name"),
        ("stages: {1: {cmd: x}}", "stages: 1 is not a stage name"),
        ("stages: {s: x}", "stages.s: must be a mapping, not text"),
        ("stages: null", "stages: must be a mapping, not null"),
        ("stages: [s]", "stages: must be a mapping, not a list"),
        (
            "stages: {s: {foreach: [a], cmd: x}}",
            "stages.s: a foreach stage has the keys 'foreach' and 'do' and no others",
        ),
        ("stages: {s: {do: {cmd: x}}}", "stages.s: a foreach stage has the keys 'foreach' and 'do' and no others"),
        (
            "stages: {s: {foreach: [a], do: {cmd: x}, matrix: {a: [1]}}}",
            "stages.s: a foreach stage has the keys 'foreach' and 'do' and no others",
        ),
    ],
)
def test_documents_that_are_refused(text: str, problem: str) -> None:
    refused(text, f"dvc.yaml: {problem}")


def test_top_level_keys_are_filled_in() -> None:
    found = resolve(
        "metrics: ['${b}.json', '\\${a}']\n"
        "params: ['${b}.yaml']\n"
        "plots: ['${b}.csv', {'${b}': {x: '${a}', y: {'${b}.csv': ['${d.k}']}}}, {q: null}, 'x${d.n}', '${lod[0]}']\n"
        "artifacts: {'n${b}': {path: '${b}', labels: ['${t}'], meta: {k: '${d}', l: '${l}'}}}\n"
        "datasets: [{name: '${b}', type: dvc}]\n"
    )
    assert (found.stages, found.groups, found.sources) == ((), {}, ("params.yaml",))
    assert found.top == {
        "metrics": ["text.json", "${a}"],
        "params": ["text.yaml"],
        "plots": ["text.csv", {"text": {"x": 1, "y": {"text.csv": ["v"]}}}, {"q": None}, "x--m 1", {"p": 1}],
        "artifacts": {
            "ntext": {"path": "text", "labels": [True], "meta": {"k": {"k": "v", "n": {"m": 1}}, "l": ["x", "y", 3]}}
        },
        "datasets": [{"name": "text", "type": "dvc"}],
    }


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("metrics: [a, '${zz}']", "metrics.1: there is no value for ${zz}"),
        ("metrics: ['${a}']", "metrics.0: must be the name of a file, not a number"),
        ("params: ['${l}']", "params.0: must be the name of a file, not a list"),
        ("plots: [{'${d}': {}}]", "plots.0: ${d} is a mapping, which cannot be used here"),
        ("artifacts: {n: {path: '${zz}'}}", "artifacts.n: there is no value for ${zz}"),
        ("artifacts: {'${zz}': {path: x}}", "artifacts.${zz}: there is no value for ${zz}"),
        ("artifacts: {'${a}': {path: x}}", "artifacts.${a}: the name must be text, not a number"),
        ("datasets: [{name: '${zz}'}]", "datasets.0: there is no value for ${zz}"),
    ],
)
def test_top_level_keys_that_are_refused(text: str, problem: str) -> None:
    refused(text, f"dvc.yaml: {problem}")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("cmd: x ${a}", True), ("cmd: x\ndesc: ${b}", True), ("cmd: x\nmeta: {k: '${a}'}", True), ("cmd: echo \\${a}", True),
        ("cmd: x\nvars: [{q: 1}]", True), ("cmd: x", False), ("cmd: echo ${a", False), ("cmd: x\nmeta: {k: .nan}", False),
    ],
)  # fmt: skip
def test_templated_is_what_cannot_be_written_back(body: str, expected: bool) -> None:
    text = "stages:\n  other: {cmd: '${b}'}\n  s:\n" + "".join(f"    {line}\n" for line in body.split("\n"))
    assert resolve(text).stages[1].templated is expected


def test_a_document_without_templates_reads_nothing() -> None:
    def fail(*args: object) -> Any:
        raise AssertionError(args)

    document = {
        "stages": {"b": {"cmd": "echo $a", "deps": ["x"]}, "a": {"cmd": ["x"], "frozen": True}},
        "metrics": ["m"],
        "artifacts": {"n": {"path": "x"}},
    }
    found = template.resolve(document, "dvc.yaml", fail, fail)
    assert [(s.name, s.group, s.definition, s.templated) for s in found.stages] == [
        ("b", None, {"cmd": "echo $a", "deps": ["x"]}, False),
        ("a", None, {"cmd": ["x"], "frozen": True}, False),
    ]
    assert found.top == {"metrics": ["m"], "artifacts": {"n": {"path": "x"}}}
    assert (found.groups, found.sources, found.warnings) == ({}, (), ())
    assert template.resolve({}, "dvc.yaml", fail, fail).stages == ()


def test_each_file_is_read_once() -> None:
    read: list[str] = []
    files = {"params.yaml": b"l: [1, 2, 3]", "v.yaml": b"q: 1\nr: 2"}

    def reading(path: str) -> bytes | None:
        read.append(path)
        return files.get(path)

    document = {
        "stages": {
            "g": {"foreach": "${l}", "do": {"vars": ["v.yaml"], "cmd": "x ${q}"}},
            "h": {"vars": ["v.yaml:r"], "cmd": "x"},
        }
    }
    found = template.resolve(document, "dvc.yaml", reading, params.read_values)
    assert len(found.stages) == 4
    assert read == ["params.yaml", "v.yaml"]


def test_the_document_is_not_changed() -> None:
    loop = "{foreach: [{a: '${a}'}], do: {vars: [{d: {y: 1}}], cmd: 'x ${d}'}}"
    text = f"vars: [{{d: {{z: 1}}}}]\nstages:\n  g: {loop}\nplots: ['${{b}}']\n"
    document = formats.load(text, "dvc.yaml")
    template.resolve(document, "dvc.yaml", {"params.yaml": VALUES.encode()}.get, params.read_values)
    assert document == formats.load(text, "dvc.yaml")


def test_time_grows_with_the_number_of_stages_and_no_faster() -> None:
    def seconds(count: int) -> float:
        values = {"l": list(range(count)), **{f"k{i}": i for i in range(count)}}
        do = {"vars": [{"z": 1}], "cmd": "x ${item} ${z} ${k0}", "deps": ["in/${item}"], "outs": ["out/${item}"]}
        document = {"stages": {"g": {"foreach": "${l}", "do": do}}}
        start = time.process_time()
        found = template.resolve(document, "dvc.yaml", lambda path: b"", lambda data, path: values)
        assert len(found.stages) == count
        return time.process_time() - start

    small = min(seconds(1000) for _ in range(3))
    assert seconds(10_000) < 40 * small


def golden(name: str) -> tuple[dict[str, bytes], list[tuple[dict[str, str], Any]], list[str]]:
    """Files of a golden scenario; for each snapshot the settings then in force and the lock; names that it listed."""
    files: dict[str, bytes] = {}
    styles: dict[str, str] = {}
    locks = []
    listed: list[str] = []
    for step in json.loads((GOLDEN / name / "scenario.json").read_text(encoding="utf-8"))["steps"]:
        if step["op"] == "write":
            files[step["path"]] = step["text"].encode()
        elif step["op"] == "snapshot":
            locks.append((dict(styles), formats.load(step["meta"]["dvc.lock"], "dvc.lock")["stages"]))
        elif step["op"] == "run" and step["argv"][:2] == ["dvc", "config"]:
            styles[step["argv"][2].replace("parsing.", "") + "_style"] = step["argv"][3]
        elif step["op"] == "run" and step["argv"][1:] == ["stage", "list", "--name-only"]:
            listed = step["stdout"].splitlines()
    return files, locks, listed


@pytest.mark.parametrize("name", ["s15_templating", "s16_foreach_matrix"])
def test_golden_commands_and_names(name: str) -> None:
    files, locks, listed = golden(name)
    assert locks
    for styles, lock in locks:
        document = formats.load(files["dvc.yaml"], "dvc.yaml")
        found = template.resolve(document, "dvc.yaml", files.get, params.read_values, **styles)
        expected = [(stage, entry["cmd"]) for stage, entry in lock.items()]
        assert [(stage.name, stage.definition["cmd"]) for stage in found.stages] == expected
        assert not listed or [stage.name for stage in found.stages] == listed
        for stage in found.stages:
            entry = lock[stage.name]
            assert stage.definition.get("deps", []) == [dep["path"] for dep in entry.get("deps", [])]
            outs = [out if isinstance(out, str) else next(iter(out)) for out in stage.definition.get("outs", [])]
            assert outs == [out["path"] for out in entry.get("outs", [])]


def test_variables_say_what_was_taken_from_files() -> None:
    found = resolve(
        """
vars: [v.yaml, {inline: 3}]
stages:
  s: {cmd: "echo ${a} ${l[2]} ${inline} ${d}"}
  w: {vars: [sub/w.yaml], cmd: "echo ${deep.er}"}
  e: {foreach: "${k.list}", do: {cmd: "echo ${item} ${key2}"}}
  m: {matrix: {q: "${lod}", r: [1, "${a}"]}, cmd: "echo ${item.q.p} ${item.r}"}
""",
        v_yaml="key2: 5\nk: {list: [7, 8]}",
        sub__w_yaml="deep: {er: 6, no: 7}",
    )
    made = {stage.name: stage.variables for stage in found.stages}
    assert made["s"] == {"params.yaml": {"a": 1, "l.2": 3}}
    assert made["w"] == {"sub/w.yaml": {"deep.er": 6}}
    assert made["e@7"] == {"v.yaml": {"k.list.0": 7, "key2": 5}}
    assert made["e@8"] == {"v.yaml": {"k.list.1": 8, "key2": 5}}
    assert made["m@q0-1"] == {"params.yaml": {"lod.0.p": 1, "a": 1}}
