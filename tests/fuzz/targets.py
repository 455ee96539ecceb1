"""What is fuzzed: for each target, what must hold of any bytes whatever.

A target takes bytes and returns nothing. Any exception but a GitstageError is a finding, an AssertionError among them.
A target that needs several files takes them from one input, cut at lines of `SEPARATOR`.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Callable
from typing import Any

from gitstage import config, formats, params
from gitstage.digest import manifest_bytes, manifest_digest, parse_manifest
from gitstage.errors import FormatError, GitstageError
from gitstage.formats.edit import same
from gitstage.git.ignorefile import ignore_line, own_lines, with_lines, without_lines
from gitstage.ignore import IgnoreRules
from gitstage.merge import Options, merge
from gitstage.pipeline import Loader

SEPARATOR = b"\n%%%\n"
LIMIT = 20_000
"""Bytes of input: time is only bounded for what is bounded itself."""


def parts(data: bytes, count: int) -> list[bytes]:
    """The input's files; missing ones are empty."""
    found = data.split(SEPARATOR)[:count]
    return found + [b""] * (count - len(found))


class Files:
    """A tree of files in memory, as far as a pipeline is loaded from it."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def read(self, path: str) -> bytes | None:
        return self.files.get(path)

    def pipeline_files(self) -> list[str]:
        return [path for path in self.files if posixpath.basename(path) == "dvc.yaml" or path.endswith(".dvc")]


def _lines(data: bytes) -> list[bytes]:
    return [line for line in data.replace(b"\r", b"\n").split(b"\n") if line.strip()]


def _is_subsequence(few: list[bytes], many: list[bytes]) -> bool:
    rest = iter(many)
    return all(line in rest for line in few)


def _is_block(data: bytes) -> bool:
    """Is it written in lines throughout, so that an edit may be expected to leave all other lines alone?"""
    return not re.search(rb"[\[\]{}&*!|>\"'\\?<%\t\r]|---|\.\.\.|[^\x20-\x7e\n]", data) and b"stages:\n" in data


NEW = {"cmd": "new command", "deps": ["in"], "outs": ["made"]}


def yaml(data: bytes) -> None:
    """Any YAML: what was read is written so that it reads the same."""
    value = formats.load(data, "f.yaml")
    try:
        text = formats.dump(value)
    except TypeError:  # a date, for one, is never recorded
        return
    assert same(formats.load(text, "f.yaml"), value), text


def pipeline(data: bytes) -> None:
    """dvc.yaml: read; a stage is added, changed and removed, and the others stay."""
    found = formats.parse_pipeline(data, "dvc.yaml")
    stages = found.get("stages", {})
    added = formats.update_pipeline(data, "dvc.yaml", "zz-new", NEW)
    assert added is not None
    now = formats.parse_pipeline(added, "dvc.yaml")
    if "zz-new" not in stages:
        assert same(now, {**found, "stages": {**stages, "zz-new": NEW}}), added
        if stages and _is_block(data):
            assert _is_subsequence(_lines(data), _lines(added)), added
        gone = formats.update_pipeline(added, "dvc.yaml", "zz-new", None)
        assert gone is None or same(formats.parse_pipeline(gone, "dvc.yaml").get("stages", {}), stages), gone
    for name, given in list(stages.items())[:3]:
        if isinstance(given, dict) and "cmd" in given:
            changed = formats.update_pipeline(data, "dvc.yaml", name, {**given, "cmd": "other"})
            assert changed is not None
            assert same(
                formats.parse_pipeline(changed, "dvc.yaml"),
                {**found, "stages": {**stages, name: {**given, "cmd": "other"}}},
            )


ENTRY = {"cmd": "c", "outs": [{"path": "o", "hash": "md5", "md5": "0" * 32, "size": 1}]}


def _or_error(read: Callable[[], dict[str, Any]]) -> tuple[dict[str, Any], FormatError | None]:
    try:
        return read(), None
    except FormatError as error:
        return {}, error


def lock(data: bytes) -> None:
    """dvc.lock: read whole and by entries alike; an entry is added and removed."""
    found, refused = _or_error(lambda: formats.parse_lock(data, "dvc.lock"))
    other, also = _or_error(lambda: formats.Reader().lock(data, "dvc.lock"))
    assert str(refused) == str(also)
    if refused is not None:
        raise refused
    assert same(other, found)
    added = formats.update_lock(data, "dvc.lock", {"zz-new": ENTRY})
    assert added is not None
    now = formats.parse_lock(added, "dvc.lock")
    assert same(now["stages"], {**found["stages"], "zz-new": ENTRY}), added
    if "zz-new" not in found["stages"]:
        gone = formats.update_lock(added, "dvc.lock", {"zz-new": None})
        left = {} if gone is None else formats.parse_lock(gone, "dvc.lock")["stages"]
        assert same(left, found["stages"]), gone


def dvcfile(data: bytes) -> None:
    """*.dvc: read; written with another digest, it is what was meant."""
    found = formats.parse_dvc(data, "d.dvc")
    assert formats.dump_dvc(found, data, "d.dvc") == data or not found
    wanted = {**found, "outs": [{"md5": "1" * 32, "size": 2, "hash": "md5", "path": "d"}], "desc": "x: #y"}
    text = formats.dump_dvc(wanted, data, "d.dvc")
    assert same(formats.parse_dvc(text, "d.dvc"), wanted), text


def manifest(data: bytes) -> None:
    """A directory's manifest: only paths below it, and only digests; written and read again it is the same."""
    found = parse_manifest(data, "m.dir")
    for path, digest in found.items():
        assert not path.startswith("/") and "\0" not in path
        assert not {"", ".", ".."} & set(path.split("/"))
        assert re.fullmatch("[0-9a-f]{32}", digest.hex)
    assert parse_manifest(manifest_bytes(found), "m.dir") == found
    assert manifest_digest(found).is_dir


def template(data: bytes) -> None:
    """dvc.yaml with its lock and the files that it takes values from, up to the graph of stages."""
    text, values, locked = parts(data, 3)
    files = {"dvc.yaml": text, "params.yaml": values, "sub/v.json": values, "p.py": values, "p.toml": values}
    if locked:
        files["dvc.lock"] = locked
    found = Loader("/top/folder").load(Files(files))  # type: ignore[arg-type]
    for stage in found.stages:
        assert stage.name
        for out in stage.outs:
            assert isinstance(out.path, str)
    found.check()
    found.order()


def values(data: bytes) -> None:
    """Params files of every kind."""
    kind, _, text = data.partition(b"\n")
    suffix = {b"j": "json", b"t": "toml", b"p": "py"}.get(kind.strip(), "yaml")
    found = params.read_values(text, f"params.{suffix}")
    chosen = params.select(found, [])
    for key, value in chosen.items():
        try:
            recorded = params.jsonable(value, "params", str(key))
        except GitstageError:
            continue
        formats.dump(recorded)
    params.select(found, ["a.b", "0", "a.-1", "x.y.z"])


def settings(data: bytes) -> None:
    """.dvc/config: read; a value is set and removed, and the others stay."""
    text = data.decode("utf-8", "replace")
    found = config.parse(text, "config")
    changed = config.with_value(text, "config", "core.zz_new", "a, #b")
    now = config.parse(changed, "config")
    assert now.get("core", {}).get("zz_new") == "a, #b", changed
    own = {key: value for key, value in now["core"].items() if key != "zz_new"}
    before = found.get("core", {})
    if isinstance(before, dict) and "zz_new" not in before:
        assert own == before or text.count("[") > 1, changed
        assert {**now, "core": None} == {**found, "core": None}, changed
    back = config.without_value(changed, "config", "core.zz_new")
    assert "zz_new" not in config.parse(back, "config").get("core", {}), back
    loaded = config.Config.load("/top/.dvc", {"HOME": "/nowhere"}, instead={"/top/.dvc/config": text})
    assert math.isfinite(len(list(loaded.items())))


def ignored(data: bytes) -> None:
    """Lines of .gitignore, and .dvcignore against names."""
    rules, name = parts(data, 2)
    bare = name.replace(b"\0", b"").replace(b"/", b"") or b"n"
    line = ignore_line(bare)
    assert b"\n" not in line and line.startswith(b"/")
    written = with_lines(rules, [line])
    assert line in [one.removesuffix(b"\r") for one in written.split(b"\n")]
    left = without_lines(written, own_lines(bare))
    assert line not in left.split(b"\n")
    before, after = ([one.removesuffix(b"\r") for one in text.split(b"\n")] for text in (rules, left))
    kept = [one for one in before if one and one not in own_lines(bare) and one + b"\r" not in own_lines(bare)]
    assert _is_subsequence(kept, after), left
    found = IgnoreRules({".dvcignore": rules}.get)
    text = bare.decode("utf-8", "surrogateescape")
    for path in (text, f"a/{text}", f"{text}/b", "a" * 60):
        found.ignores(path, False)
        found.explain(path, True)


def merging(data: bytes) -> None:
    """The merge driver, on each kind of file: a change of one side alone is that side's file."""
    base, ours, theirs, name = parts(data, 4)
    path = {b"l": "dvc.lock", b"d": "d.dvc", b"g": ".gitignore"}.get(name.strip()[:1], "dvc.yaml")
    merge(path, base, ours, ours, Options())
    merged = merge(path, base, ours, theirs, Options())
    if merged.is_clean and path == "dvc.yaml":
        formats.parse_pipeline(merged.data, path)
    elif merged.is_clean and path == "dvc.lock":
        formats.parse_lock(merged.data, path)
    elif merged.is_clean and path == "d.dvc":
        formats.parse_dvc(merged.data, path)


TARGETS: dict[str, Callable[[bytes], None]] = {
    "yaml": yaml,
    "dvc.yaml": pipeline,
    "dvc.lock": lock,
    "dvc": dvcfile,
    "manifest": manifest,
    "template": template,
    "params": values,
    "config": settings,
    "ignore": ignored,
    "merge": merging,
}


def check(name: str, data: bytes) -> bool:
    """Does the target take the input (True), or refuse it with an error for the user? Raises whatever is a finding."""
    if len(data) > LIMIT:
        return False
    try:
        TARGETS[name](data)
    except GitstageError as refused:
        if not str(refused).strip():
            raise AssertionError("an error without words") from refused
        return False
    return True
