"""Three-way merges of pipeline files by what they say."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import pytest
from support import md5

from gitstage import formats
from gitstage.cache import Cache
from gitstage.digest import Digest, manifest_digest
from gitstage.errors import FormatError
from gitstage.fs import Root, Scratch
from gitstage.memo import Memo
from gitstage.merge import Cannot, Merged, Options, markers, merge

DROP = Options()
CONFLICT = Options(stale=lambda: "conflict")


def entry(cmd: str = "c", out: object = "o", **deps: object) -> dict[str, Any]:
    """What a lock records of a stage: digests stand for the words given."""
    return {
        "cmd": cmd,
        "deps": [
            {"path": path, "hash": "md5", "md5": md5(str(word)), "size": 1} for path, word in sorted(deps.items())
        ],
        "params": {"params.yaml": {"p": 1}},
        "outs": [{"path": "out", "hash": "md5", "md5": md5(str(out)), "size": 1}],
    }


def lock(**stages: Any) -> bytes:
    return formats.dump({"schema": "2.0", "stages": stages}).encode()


def merged_lock(base: bytes | None, ours: bytes, theirs: bytes, options: Options = DROP) -> Merged:
    return merge("dvc.lock", base, ours, theirs, options)


def stages(merged: Merged) -> dict[str, Any]:
    found: dict[str, Any] = formats.parse_lock(merged.data, "dvc.lock")["stages"]
    return found


# dvc.lock


def test_stages_of_either_side() -> None:
    base = lock(s=entry(a=1), gone=entry(), both=entry())
    ours = b"# ours\n" + lock(s=entry(a=1), gone=entry(), mine=entry(m=1))
    theirs = lock(s=entry(a=2), both=entry(), yours=entry(y=1))
    merged = merged_lock(base, ours, theirs)
    assert merged.is_clean
    assert not merged.notes
    assert stages(merged) == {"s": entry(a=2), "mine": entry(m=1), "yours": entry(y=1)}
    assert list(stages(merged)) == ["s", "mine", "yours"]
    assert merged.data.startswith(b"# ours\nschema: '2.0'\n")
    assert merged_lock(base, base, base).data == base


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "expected"),
    [
        (entry(a=1), entry(a=2), entry(a=2), entry(a=2)),
        (entry(a=1, b=1), entry(a=2, b=2, out=3), entry(a=2, b=1, out=2), entry(a=2, b=2, out=3)),  # ours ran on both
        (entry(a=1, b=1), entry(a=2, b=1, out=2), entry(a=2, b=2, out=3), entry(a=2, b=2, out=3)),  # theirs did
        (entry(a=1), entry(a=2, out=2), entry(a=1, out=3), entry(a=2, out=2)),  # their result is of the old inputs
        (entry(a=1), entry(a=1, out=3), entry(a=2, out=2), entry(a=2, out=2)),
        (entry(a=1), entry(a=1, b=1, out=2), entry(a=1, out=3), entry(a=1, b=1, out=2)),
        (entry(a=1), None, entry(a=1), None),
        (None, entry(a=1), entry(a=1), entry(a=1)),
    ],
)
def test_the_side_that_ran_on_the_merged_inputs(base: Any, ours: Any, theirs: Any, expected: Any) -> None:
    def of(one: Any) -> bytes:
        return lock(**({} if one is None else {"s": one}), other=entry())

    merged = merged_lock(of(base), of(ours), of(theirs))
    assert merged.is_clean
    assert stages(merged) == {"other": entry()} | ({} if expected is None else {"s": expected})


STALE = [
    (entry(a=1, b=1), entry(a=2, b=1, out=2), entry(a=1, b=2, out=3)),
    (entry(a=1, b=1), entry(a=2, b=1), entry(a=1, b=2)),  # the same outputs, but nobody knows that of the merged inputs
    (entry(a=1), entry(a=2, out=2), entry(a=3, out=3)),
    (entry(a=1), entry("d", a=1, out=2), entry(a=2, out=3)),
    (entry(a=1), entry(a=1, b=1, out=2), entry(out=3)),  # one dependency came, one went
    (None, entry(a=1, out=2), entry(b=1, out=3)),
    (entry(a=1), None, entry(a=2)),
    (entry(a=1), entry(a=2), None),
    (entry(a=1), entry(a=1) | {"params": {"params.yaml": {"p": 2}}}, entry(a=2)),
]


@pytest.mark.parametrize(("base", "ours", "theirs"), STALE)
def test_what_nobody_ran_is_not_recorded(base: Any, ours: Any, theirs: Any) -> None:
    texts = [lock(**({} if one is None else {"s": one}), other=entry()) for one in (base, ours, theirs)]
    merged = merged_lock(texts[0], texts[1], texts[2])
    assert merged.is_clean
    assert stages(merged) == {"other": entry()}
    (note,) = merged.notes
    assert "stage 's'" in note.text
    assert note.hint == "git stage repro s && git add dvc.lock"

    conflict = merged_lock(texts[0], texts[1], texts[2], CONFLICT)
    assert not conflict.is_clean
    with pytest.raises(FormatError, match="unresolved merge conflict"):
        formats.parse_lock(conflict.data, "dvc.lock")
    sides = markers.versions(conflict.data, "dvc.lock")
    assert sides is not None
    for side, one in zip(sides[1:], (ours, theirs), strict=True):
        assert formats.parse_lock(side, "")["stages"] == {"other": entry()} | ({} if one is None else {"s": one})

    for side_name, one in (("ours", ours), ("theirs", theirs)):
        chosen = merged_lock(texts[0], texts[1], texts[2], Options(side=side_name))  # type: ignore[arg-type]
        assert chosen.is_clean
        assert stages(chosen) == {"other": entry()} | ({} if one is None else {"s": one})


def test_a_lock_with_nothing_left_is_still_one() -> None:
    merged = merged_lock(*(lock(s=entry(a=one)) for one in (1, 2, 3)))
    assert stages(merged) == {}
    assert formats.update_lock(merged.data, "dvc.lock", {"s": entry()}) == lock(s=entry())


def test_two_true_results_of_one_run_are_the_users_to_choose() -> None:
    versions = [
        lock(s=entry(a=1), t=entry()),
        lock(s=entry(a=2, out=2), t=entry()),
        lock(s=entry(a=2, out=3), t=entry()),
    ]
    merged = merged_lock(*versions)
    assert not merged.is_clean
    assert merged.data.count(b"<<<<<<< ours\n  s:\n") == 1
    assert merged.data.count(b"\n=======\n  s:\n") == 1
    assert merged.data.endswith(b">>>>>>> theirs\n" + versions[0][versions[0].index(b"  t:") :])
    wide = merged_lock(*versions, Options(marker_size=9))
    assert b"<<<<<<<<< ours\n" in wide.data


def test_many_stale_stages_are_one_note() -> None:
    versions = [lock(**{f"s{i}": entry(a=one) for i in range(9)}) for one in (1, 2, 3)]
    (note,) = merged_lock(*versions).notes
    assert note.text.startswith("dvc.lock: stages 's0', 's1', 's2' and 6 more: ")
    assert note.hint == "git stage repro && git add dvc.lock"


def test_every_entry_is_one_that_a_side_has() -> None:
    """Random histories: no merge makes up a record, and what only one side touched is that side's."""
    rng = random.Random(7)
    for _ in range(150):
        versions = []
        for _ in range(3):
            versions.append(
                {
                    name: entry(f"c{rng.randrange(2)}", rng.randrange(3), a=rng.randrange(3), b=rng.randrange(2))
                    for name in "stuv"
                    if rng.random() < 0.8
                }
            )
        base, ours, theirs = versions
        merged = merged_lock(lock(**base), lock(**ours), lock(**theirs), Options(side=rng.choice(["ours", "theirs"])))
        dropped = merged_lock(lock(**base), lock(**ours), lock(**theirs))
        for name in "stuv":
            sides = [one.get(name) for one in versions]
            assert stages(merged).get(name) in sides[1:]
            if sides[0] in sides[1:] or sides[1] == sides[2]:
                wanted = sides[1] if sides[2] == sides[0] else sides[2] if sides[1] == sides[0] else sides[1]
                assert stages(merged).get(name) == wanted
                if dropped.is_clean:
                    assert stages(dropped).get(name) == wanted


def test_a_lock_in_a_folder_names_its_stage_as_targets_do() -> None:
    merged = merge("sub dir/dvc.lock", *(lock(s=entry(a=one), t=entry()) for one in (1, 2, 3)), Options())
    assert merged.notes[0].hint == "git stage repro 'sub dir/dvc.yaml:s' && git add 'sub dir/dvc.lock'"


def test_flow_style_and_line_ends() -> None:
    base = b"schema: '2.0'\nstages: {s: {cmd: a}, t: {cmd: t}}\n"
    theirs = base.replace(b"cmd: a", b"cmd: b")
    assert stages(merged_lock(base, base, theirs))["s"] == {"cmd": "b"}
    conflict = merged_lock(base, base.replace(b"cmd: a", b"cmd: c"), theirs, CONFLICT)
    assert conflict.data.count(b"<<<<<<< ours\n") == 1
    crlf = [lock(s=entry(a=one), t=entry()).replace(b"\n", b"\r\n") for one in (1, 2, 3)]
    for options in (Options(), CONFLICT):
        data = merged_lock(*crlf, options).data
        assert data.count(b"\n") == data.count(b"\r\n")


def test_what_is_no_lock_is_not_merged() -> None:
    good = lock(s=entry())
    for bad in (b"stages: [", b"schema: '3'\n", b"\xff", b"x: 1\n"):
        for versions in itertools.permutations((good, good, bad)):
            with pytest.raises(FormatError):
                merged_lock(*versions)
    with pytest.raises(Cannot):
        merged_lock(good, good + b"datasets: [1]\n", good + b"datasets: [2]\n")
    with pytest.raises(Cannot):
        merge("README", b"", b"", b"", Options())


# dvc.yaml

YAML = """\
# the pipeline
vars:
- v: 1

stages:
  # first
  one:
    cmd: one   # why
    deps: [a]
"""


def merged_yaml(base: str | None, ours: str, theirs: str) -> Merged:
    return merge("dvc.yaml", None if base is None else base.encode(), ours.encode(), theirs.encode(), Options())


def test_stages_added_at_one_place_keep_their_text() -> None:
    ours = YAML + "\n  # ours\n  two:\n    cmd: 'two'\n"
    theirs = YAML + "\n  # theirs\n  # indeed\n  three:\n    cmd: >-\n      three\n      3\n"
    merged = merged_yaml(YAML, ours, theirs)
    assert merged.is_clean
    assert merged.data.decode() == ours + theirs.removeprefix(YAML)


def test_text_that_merges_by_lines_keeps_all_comments() -> None:
    ours = YAML.replace("# the pipeline", "# our pipeline")
    theirs = YAML.replace("    deps: [a]", "    deps: [a]  # theirs\n    outs: [o]")
    assert merged_yaml(YAML, ours, theirs).data.decode() == theirs.replace("# the pipeline", "# our pipeline")


def test_changes_of_one_stage_are_merged_by_key_and_item() -> None:
    base = (
        "stages:\n  s:\n    cmd: c\n    deps:\n    - a\n    - b\n    params:\n    - x\n    - f.yaml:\n      - k\n"
        "    outs:\n    - o\n"
    )
    ours = (
        base.replace("    - b\n", "    - b\n    - ours  # mine\n")
        .replace("- k", "- k\n      - l")
        .replace("- o\n", "- o:\n        cache: false\n")
    )
    theirs = (
        base.replace("    - a\n    - b\n", "    - b\n    - theirs\n")
        .replace("- k", "- k\n      - m")
        .replace("cmd: c", "cmd: d")
    )
    merged = merged_yaml(base, ours, theirs)
    assert merged.is_clean
    assert formats.parse_pipeline(merged.data, "")["stages"]["s"] == {
        "cmd": "d",
        "deps": ["b", "ours", "theirs"],
        "params": ["x", {"f.yaml": ["k", "l", "m"]}],
        "outs": [{"o": {"cache": False}}],
    }
    assert b"- ours  # mine\n" in merged.data


def test_what_clashes_in_a_pipeline_stands_between_markers() -> None:
    base = YAML + "  two:\n    cmd: two\n"
    ours = base.replace("cmd: two", "cmd: ours") + "  mine:\n    cmd: m\n"
    theirs = base.replace("cmd: two", "cmd: theirs") + "  yours:\n    cmd: y\n"
    merged = merged_yaml(base, ours, theirs)
    assert not merged.is_clean
    assert [note.text for note in merged.notes] == ["dvc.yaml: both sides changed stage 'two'"]
    between = "<<<<<<< ours\n  two:\n    cmd: ours\n=======\n  two:\n    cmd: theirs\n>>>>>>> theirs\n"
    assert merged.data.decode() == YAML + between + "  mine:\n    cmd: m\n  yours:\n    cmd: y\n"
    sides = markers.versions(merged.data, "")
    assert sides is not None
    assert set(formats.parse_pipeline(sides[2], "")["stages"]) == {"one", "two", "mine", "yours"}


def test_a_stage_that_both_added() -> None:
    with_two = YAML + "  two:\n    cmd: two\n"
    assert merged_yaml(YAML, with_two, with_two).data.decode() == with_two
    other = YAML + "  two:\n    cmd: other\n"
    assert merged_yaml(YAML, with_two, other).notes[0].conflict
    elsewhere = YAML.replace("stages:\n", "stages:\n  two:\n    cmd: two\n")  # by lines the key would be there twice
    merged = merged_yaml(YAML, with_two, elsewhere)
    assert merged.is_clean
    assert formats.parse_pipeline(merged.data, "") == formats.parse_pipeline(with_two.encode(), "")


def test_a_pipeline_that_both_made() -> None:
    merged = merged_yaml(None, "stages:\n  a:\n    cmd: a\n", "# b\nstages:\n  b:\n    cmd: b\nvars: [v.yaml]\n")
    assert merged.is_clean
    assert formats.parse_pipeline(merged.data, "") == {
        "stages": {"a": {"cmd": "a"}, "b": {"cmd": "b"}},
        "vars": ["v.yaml"],
    }


def test_all_stages_removed_on_one_side() -> None:
    rest = "vars:\n- v: 1\n"
    one, two = "  one:\n    cmd: one\n", "  two:\n    cmd: two\n"
    for mine, yours, left in ((one, None, []), (None, one, []), (None, one + two + "  new:\n    cmd: new\n", ["new"])):
        ours, theirs = (rest if stages is None else f"{rest}stages:\n{stages}" for stages in (mine, yours))
        merged = merged_yaml(f"{rest}stages:\n{one}{two}", ours, theirs)
        assert merged.is_clean
        assert list(formats.parse_pipeline(merged.data, "").get("stages", {})) == left


def test_removed_and_changed_elsewhere() -> None:
    base = YAML + "  two:\n    cmd: two\n  three:\n    cmd: three\n"
    ours = YAML + "  three:\n    cmd: three\n"
    theirs = base.replace("cmd: three", "cmd: 3x")
    merged = merged_yaml(base, ours, theirs)
    assert merged.is_clean
    assert formats.parse_pipeline(merged.data, "")["stages"] == {
        "one": {"cmd": "one", "deps": ["a"]},
        "three": {"cmd": "3x"},
    }
    clash = merged_yaml(base, ours, base.replace("cmd: two", "cmd: 2x"))
    assert clash.data.decode().count("<<<<<<< ours\n=======\n  two:\n    cmd: 2x\n>>>>>>> theirs\n") == 1


# .gitignore


def merged_ignores(base: bytes | None, ours: bytes, theirs: bytes) -> bytes:
    merged = merge("d/.gitignore", base, ours, theirs, Options())
    assert merged.is_clean
    return merged.data


def test_lines_of_outputs_from_both_sides() -> None:
    assert merged_ignores(b"/a\n", b"/a\n/b\n", b"/a\n/c\n") == b"/a\n/b\n/c\n"
    assert merged_ignores(None, b"/b", b"/c\n/b\n") == b"/b\n/c\n"
    assert merged_ignores(b"# x\n/a\n", b"# x\n/b\n", b"# x\n/a\n/c\xff\n") == b"# x\n/b\n/c\xff\n"
    assert merged_ignores(b"/a\n", b"/a\n/b\n", b"/c\n") == b"/b\n/c\n"
    assert merged_ignores(b"*.o\n", b"*.o\n/a\\*b\n", b"*.o\n/c\n") == b"*.o\n/a\\*b\n/c\n"
    for theirs in (b"!/x\n", b"/*\n", b"*.csv\n"):
        with pytest.raises(Cannot):
            merged_ignores(b"", b"/a\n", theirs)


# *.dvc


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    root = Root(str(tmp_path))
    return Cache(
        str(tmp_path / "cache"),
        types=("copy",),
        memo=Memo(str(tmp_path / "memo.db")),
        scratch=Scratch(str(tmp_path / "s"), root),
    )


def digest(word: object) -> Digest:
    return Digest(md5(str(word)))


def folder(cache: Cache | None, files: dict[str, object], **more: Any) -> bytes:
    listing = {name: digest(word) for name, word in files.items()}
    its = manifest_digest(listing) if cache is None else cache.add_manifest(listing)
    out = {"md5": str(its), "size": 9, "nfiles": len(files), "hash": "md5", "path": "d"} | more
    return formats.dump({"outs": [out]}).encode()


def merged_dvc(cache: Cache | None, base: bytes | None, ours: bytes, theirs: bytes, side: Any = None) -> Merged:
    return merge("d.dvc", base, ours, theirs, Options(side=side, cache=lambda: cache))


def test_a_directory_merges_file_by_file(cache: Cache) -> None:
    base = folder(cache, {"keep": 1, "mine": 1, "yours": 1, "gone": 1, "gone2": 1})
    ours = b"# why\n" + folder(cache, {"keep": 1, "mine": 2, "yours": 1, "gone2": 1, "new": 1}, desc="ours")
    theirs = folder(cache, {"keep": 1, "mine": 1, "yours": 2, "gone": 1, "new": 1, "z/new": 1}, meta={"k": 1})
    merged = merged_dvc(cache, base, ours, theirs)
    assert merged.is_clean
    wanted = {name: digest(word) for name, word in {"keep": 1, "mine": 2, "yours": 2, "new": 1, "z/new": 1}.items()}
    (out,) = formats.parse_dvc(merged.data, "")["outs"]
    assert out == {
        "md5": str(manifest_digest(wanted)), "nfiles": 5, "hash": "md5", "path": "d", "desc": "ours", "meta": {"k": 1},
    }  # fmt: skip
    assert cache.manifest(manifest_digest(wanted)) == wanted
    assert merged.data.startswith(b"# why\n")
    added = merged_dvc(cache, None, folder(cache, {"a": 1}), folder(cache, {"b": 1}))
    assert formats.parse_dvc(added.data, "")["outs"][0]["nfiles"] == 2


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "why"),
    [
        ({"a": 1}, {"a": 2}, {"a": 3}, "both sides changed a"),
        ({"a": 1}, {}, {"a": 3}, "both sides changed a"),
        ({}, {"a": 1}, {"a": 2}, "both sides changed a"),
        ({}, {"a": 1}, {"a/b": 2}, "a file where the other made a folder"),
    ],
)
def test_a_directory_that_does_not_merge(cache: Cache, base: Any, ours: Any, theirs: Any, why: str) -> None:
    versions = [folder(cache, files) for files in (base, ours, theirs)]
    merged = merged_dvc(cache, versions[0], versions[1], versions[2])
    assert not merged.is_clean
    assert why in merged.notes[0].text
    assert markers.versions(merged.data, "") == (None, versions[1], versions[2])
    assert merged_dvc(cache, versions[0], versions[1], versions[2], "theirs").data == versions[2]
    assert merged_dvc(cache, versions[0], versions[1], versions[2], "ours").data == versions[1]


def test_a_directory_whose_manifest_is_elsewhere(cache: Cache) -> None:
    base, ours = folder(cache, {"a": 1}), folder(cache, {"a": 1, "b": 1})
    theirs = folder(None, {"a": 1, "c": 1})
    merged = merged_dvc(cache, base, ours, theirs)
    assert "is not in the cache" in merged.notes[0].text
    assert "fetch" in str(merged.notes[0].hint)
    assert merged_dvc(None, base, ours, folder(cache, {"a": 2})).notes[0].conflict


def test_single_files_and_annotations(cache: Cache) -> None:
    def file(word: object, **more: Any) -> bytes:
        return formats.dump({"outs": [{"md5": md5(str(word)), "size": 1, "hash": "md5", "path": "f"} | more]}).encode()

    merged = merged_dvc(cache, file(1), file(2), file(1, desc="d"))
    assert merged.is_clean
    assert formats.parse_dvc(merged.data, "")["outs"][0] | {"size": 1} == {
        "md5": md5("2"), "size": 1, "hash": "md5", "path": "f", "desc": "d",
    }  # fmt: skip
    clash = merged_dvc(cache, file(1), file(2), file(3))
    assert clash.data.count(b"<<<<<<< ours\n- md5") == 1
    assert merged_dvc(cache, file(1), file(2, desc="a"), file(2, desc="b")).notes[0].conflict


def test_an_import_comes_from_one_side_whole(cache: Cache) -> None:
    def imported(rev: int, out: int) -> bytes:
        return formats.dump(
            {
                "md5": md5(f"{rev}{out}"),
                "frozen": True,
                "deps": [{"path": "x", "repo": {"url": "u", "rev_lock": str(rev)}}],
                "outs": [{"md5": md5(str(out)), "size": 1, "hash": "md5", "path": "f"}],
            }
        ).encode()

    base, one, two = imported(1, 1), imported(2, 1), imported(1, 2)
    assert merged_dvc(cache, base, one, base).data == one
    assert formats.parse_dvc(merged_dvc(cache, base, base, two).data, "") == formats.parse_dvc(two, "")
    clash = merged_dvc(cache, base, one, two)
    assert [note.text for note in clash.notes] == ["d.dvc: both sides changed its import"]
    assert merged_dvc(cache, base, one, two, "theirs").data == two


# markers


def test_a_text_with_markers_is_taken_apart() -> None:
    text = b"a\n<<<<<<< HEAD\nb\n||||||| base\nc\n=======\nd\n>>>>>>> x\ne\n"
    assert markers.versions(text, "") == (b"a\nc\ne\n", b"a\nb\ne\n", b"a\nd\ne\n")
    assert markers.versions(b"a\n<<<<<<< HEAD\n=======\nd\n>>>>>>> x\n", "") == (None, b"a\n", b"a\nd\n")
    for broken in (b"a\n", b"<<<<<<< x\na\n", b"=======\n", b"<<<<<<< x\n>>>>>>> y\n", b"<<<<<<< x\n<<<<<<< y\n"):
        assert markers.versions(broken, "") is None
