"""`.dvcignore`: what dvc 3.67.1 answered to the same question, case by case."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import re
import subprocess
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path

import pytest

from gitstage import ignore
from gitstage.errors import FormatError
from gitstage.ignore import IgnoreRules

DEFAULT = b"# Add patterns of files dvc should ignore, which could improve\n# the performance. Learn more at\n"


def rules(files: Mapping[str, str | bytes]) -> IgnoreRules:
    return IgnoreRules({path: text.encode() if isinstance(text, str) else text for path, text in files.items()}.get)


# (patterns of the root, paths that are ignored, paths that are not); a directory ends in "/"
ROOT = [
    ("*", "a d/ d/b", ""),
    ("**", "a d/ d/b", ""),
    ("***", "a d/ d/b", ""),
    ("/*", "a d/ d/b", ""),
    ("*/", "d/ d/b d/e/f", "a"),
    ("**/", "d/ d/b", "a"),
    ("/", "", "a d/ d/b"),
    ("* !*/ !*.py", "x.txt d/x.txt d/e/x.txt", "a.py d/ d/a.py d/e/ d/e/a.py"),
    ("/* !/d", "a e/ e/d", "d/ d/b d/d/ d/d/x"),
    ("/* !/d/", "a d/b e/ e/d", "d/"),
    ("/* !/d /d/* !/d/e /d/e/* !/d/e/k", "d/e/l d/f x", "d/ d/e/ d/e/k"),
    ("d/* !d/k", "d/l d/m/ d/m/k", "d/ d/k x/d/l"),
    ("d/** !d/k", "d/ d/k d/l d/m/k", "x/d/l"),
    ("d/** !d/**/ !d/**/*.py", "d/k d/m/k", "d/ d/a.py d/m/ d/m/a.py"),
    ("d/***", "d/ d/b", ""),
    ("d", "d/ d/k x/d/ x/d/k y/d", "x/ x/d2 dd"),
    ("d/", "d/ d/k x/d/ x/d/k", "x/y/d"),
    ("/d", "d/ d/k", "x/d/ x/d/k"),
    ("x/d", "x/d/ x/d/k", "y/x/d"),
    ("x/y/", "x/y/ x/y/z", "q/x/y/ q/x/y/z x/y"),
    ("x/", "q/x/ q/x/y x/ x/y/ x/y/z", "q/ x"),
    ("**/d", "d/ d/k x/d/ x/d/k", "x/d2"),
    ("/**/a", "a b/a", ""),
    ("**/x/d", "x/d/ y/x/d", ""),
    ("d/**/k", "d/k d/e/k d/e/f/k", "d/ d/e/ x/d/k"),
    ("a/**/**/b", "a/b a/x/b", "a/"),
    ("a/**", "a/ a/x", "b/a/ b/a/x"),
    ("a/*/b", "a/x/b", "a/b a/x/y/b"),
    ("*/x", "a/x", "x a/b/x"),
    ("/*/x", "a/x", "x a/b/x"),
    ("a**b", "ab axb", "ax/b a/b"),
    ("**a", "a ba c/a c/ba", "ab"),
    ("a**", "a ab abc c/ab", "ba"),
    ("*.log !keep.log", "a.log x.log/ x.log/keep.log", "keep.log d/keep.log"),
    ("!keep.log *.log", "a.log keep.log", ""),
    ("build/ !build/keep", "build/ build/keep build/x", ""),
    ("d !d", "", "d/ d/x e"),
    ("d !d/", "d/x e/d", "d/ e/"),
    ("d/ !d", "", "d/ d/x e/d"),
    ("* !d !d/k", "x", "d/ d/k d/l"),
    ("* !d/ !d/k", "d/l x", "d/ d/k"),
    ("!a a", "a", ""),
    ("data/*.csv", "data/a.csv", "data/x/a.csv y/data/a.csv"),
    ("/data/**/*.csv", "data/a.csv data/x/a.csv", "y/data/a.csv"),
    ("*.py[co] __pycache__/", "a.pyc __pycache__/ q/__pycache__/y", "a.py"),
    (".*", ".hidden .hd/ .hd/x", "a"),
    ("foo?", "foox fooé", "foo foo/x fooxx"),
    ("[ab].x [!a].y [^a].z [a-c]1 []-]q", "a.x b.x b.y b.z a1 ]q -q", "c.x a.y a.z d1"),
    ("[a/b]c [!]x", "", "ac bc ax !x"),
    ("a]", "a]", "a"),
    (r"\!a \#b \*c d\? \a \\", "!a #b *c d? a " + "\\", r"xc dx \a"),
    ("*.{a,b}", "x.{a,b}", "x.a"),
    ("a+b (c) d.e f|g ^h i$", "a+b (c) d.e f|g ^h i$", "aab c dxe f h i"),
    ("~x @y", "~x @y", "x y"),
    ("A É *.LOG", "A É a.LOG", "a é a.log"),
    ("//a a//b ./c ../d e/. f/..", "", "a a/b c d d/a e/ e/x f/"),
]


@pytest.mark.parametrize(("patterns", "ignored", "kept"), ROOT, ids=[case[0] for case in ROOT])
def test_patterns_of_the_root(patterns: str, ignored: str, kept: str) -> None:
    made = rules({".dvcignore": "\n".join(patterns.split()) + "\n"})
    paths = [*ignored.split(), *kept.split()]
    assert [path for path in paths if made.ignores(path.rstrip("/"), path.endswith("/"))] == ignored.split()


# (.dvcignore files, paths that are ignored, paths that are not)
NESTED: list[tuple[dict[str, str], str, str]] = [
    ({"d": "/a"}, "d/a", "a d/e/a"),
    ({"d": "a"}, "d/a d/e/a", "a d/"),
    ({"d": "a/b"}, "d/a/b", "a/b d/e/a/b"),
    ({"d": "a/"}, "d/a/ d/a/b d/e/a/b", "a/b d/f/a"),
    ({"d": "*"}, "d/a d/e/ d/e/a", "a d/"),
    ({"d": "/"}, "", "a d/ d/a"),
    ({"d": "**/k"}, "d/k d/e/k", "k"),
    ({"d": "e/**/k"}, "d/e/k d/e/f/k", "d/k"),
    ({"d": "/*\n!/e"}, "d/a", "d/e/ d/e/a"),
    ({"d": "d"}, "d/d", "d/ d/x"),
    ({"d": "../a\n./b"}, "", "a d/b"),
    ({"d": "*.log\n!keep/"}, "d/keep/a.log", "d/keep/ d/keep/b"),
    ({"": "*.log", "d": "!*.log", "d/e": "x.log"}, "x.log d/e/x.log d/e/f/x.log", "d/x.log d/e/y.log"),
    ({"": "!a", "d": "a"}, "d/a", "a"),
    ({"": "e", "d": "!e"}, "e/ e/a", "d/e/ d/e/a d/e/f/b"),
    ({"": "d/e", "d": "!e"}, "", "d/e/ d/e/a"),
    ({"": "d/e/k", "d/e": "!k"}, "", "d/e/k"),
    ({"": "d/", "d": "!k"}, "d/ d/k", ""),
    ({"": "d\n!d", "d": "k"}, "d/k", "d/"),
    ({"": "d/.dvcignore", "d": "k"}, "", "d/k"),
    ({"": ".dvcignore\nz", "d": "k"}, "z", "d/k"),
    ({"d": ".dvcignore\nk"}, "d/k", ""),
    ({"a*": "k", "a?": "k"}, "a*/k a?/k", "ab/k"),
    # DVC's rules do nothing in folders with these names
    ({"a[b]": "k", "!a": "k", "#a": "/k"}, "a[b]/k !a/k #a/k", "ab/k"),
]


@pytest.mark.parametrize(("files", "ignored", "kept"), NESTED, ids=[str(case[0]) for case in NESTED])
def test_files_in_folders(files: dict[str, str], ignored: str, kept: str) -> None:
    made = rules({f"{folder}/.dvcignore".lstrip("/"): text + "\n" for folder, text in files.items()})
    paths = [*ignored.split(), *kept.split()]
    assert [path for path in paths if made.ignores(path.rstrip("/"), path.endswith("/"))] == ignored.split()


@pytest.mark.parametrize(
    ("text", "ignored", "kept"),
    [
        ("a\r\nb\r\n# c\r\n", ["a", "b"], ["c", "# c"]),
        ("a\rb\r", ["a", "b"], []),
        ("a", ["a"], []),
        ("", [], ["a"]),
        ("  lead\ntrail  \n\tboth\t\n", ["lead", "trail", "both"], [" lead", "  lead", "trail  "]),
        ("in side\na\\ b\n", ["in side", "a b"], ["in"]),
        ("# c\n  # d\nx #y\n", ["x #y"], ["c", "# c", "# d", "x"]),
        ("\u00a0a\n\u3000b\n", ["a", "b"], []),
        ("\ufeffa\nb\n", ["b"], ["a"]),
        ("a\x0cb\nc\x85d\n", ["a\x0cb", "c\x85d"], ["a", "b", "c", "d"]),
        ("a\tb\n", ["a\tb"], []),
    ],
)
def test_lines(text: str, ignored: list[str], kept: list[str]) -> None:
    made = rules({".dvcignore": text})
    assert [path for path in ignored + kept if made.ignores(path, False)] == ignored


@pytest.mark.parametrize("text", ["", DEFAULT, "!.git\n!.dvc/\n!.hg/\n!*\n", "x\n"])
def test_builtin_names(text: str | bytes) -> None:
    made = rules({".dvcignore": text})
    ignored = [".git/", ".git/x", ".git", "d/.git", "d/.git/x", ".hg/", "d/.hg/y", ".dvc/", ".dvc/config", "d/.dvc/"]
    kept = [".hg", "d/.dvc", ".dvcignore", ".gitignore", "a.git/", "dvc/"]
    found = [path for path in ignored + kept if made.ignores(path.rstrip("/"), path.endswith("/"))]
    assert found == ignored
    assert made.names("d", [".git", "a", ".hg", ".dvc"], [".git", ".hg", ".dvc", "f"]) == (["a"], [".hg", ".dvc", "f"])


def test_the_root_is_not_ignored() -> None:
    assert not rules({".dvcignore": "*\n"}).ignores("", True)
    assert rules({".dvcignore": "*\n"}).explain("", True) is None


@pytest.mark.parametrize(
    ("path", "is_dir", "expected"),
    [
        ("a.log", False, (".dvcignore", 2, "*.log")),  # not line 3, which matches too
        ("b.log", False, (".dvcignore", 5, "!b.log")),
        ("d/x", False, (".dvcignore", 7, "d")),
        ("d", True, (".dvcignore", 7, "d")),
        ("n/q.log", False, ("n/.dvcignore", 1, "!q.log")),
        ("n/other.log", False, (".dvcignore", 2, "*.log")),
        ("n/x/deep/f", False, ("n/.dvcignore", 3, "x/")),
        ("n/x", False, None),
        ("other", False, None),
        ("m/keep", False, ("m/.dvcignore", 3, "!keep")),  # of two negations, the last
        (".git", False, ("", 0, ".git")),
        (".git/x", False, ("", 0, ".git")),
        ("n/.dvc/config", False, ("", 0, ".dvc/")),
    ],
)
def test_explain(path: str, is_dir: bool, expected: ignore.Explanation | None) -> None:
    made = rules(
        {
            ".dvcignore": "# c\n*.log\na.log\n\n!b.log\nd/\nd\n",
            "n/.dvcignore": "!q.log\n# c\nx/\n",
            "m/.dvcignore": "*\n!k*\n!keep\n",
        }
    )
    assert made.explain(path, is_dir) == expected


@pytest.mark.parametrize(
    ("text", "line"), [("!\n", 1), ("ok\n\na\\\n", 3), ("# c\na\\/b\n", 2), ("esc\\ \n", 1), (b"ok\n\xff\n", None)]
)
def test_what_is_refused(text: str | bytes, line: int | None) -> None:
    made = rules({"d/.dvcignore": text})
    assert not made.ignores("a", False)
    with pytest.raises(FormatError) as caught:
        made.ignores("d/a", False)
    assert (caught.value.path, caught.value.line) == ("d/.dvcignore", line)


def test_double_brackets_give_no_warning(recwarn: pytest.WarningsRecorder) -> None:
    assert not rules({".dvcignore": "[[:alpha:]].p\n"}).ignores("1.p", False)
    assert not recwarn.list


def test_walking_agrees_with_asking() -> None:
    files = {".dvcignore": "*.log\ncache/\n", "a/.dvcignore": "!keep.log\n/b\n", "a/b/.dvcignore": "!*\n"}
    tree = {
        "": (["a", "cache", ".git"], [".dvcignore", "x.log", "y"]),
        "a": (["b", "c"], [".dvcignore", "keep.log", "z.log"]),
        "a/c": (["cache"], ["keep.log", "z.log", "w"]),
    }
    walking, asking = rules(files), rules(files)
    kept = {folder: walking.names(folder, *entries) for folder, entries in tree.items()}
    assert kept == {
        "": (["a"], [".dvcignore", "y"]),
        "a": (["c"], [".dvcignore", "keep.log"]),
        "a/c": ([], ["keep.log", "w"]),
    }
    for folder, entries in tree.items():
        for is_dir, names in zip((True, False), entries, strict=True):
            asked = [name for name in names if not asking.ignores(f"{folder}/{name}".lstrip("/"), is_dir)]
            assert asked == kept[folder][not is_dir]


def test_walking_reads_only_what_is_there() -> None:
    read = []

    def reader(path: str) -> bytes | None:
        read.append(path)
        return {".dvcignore": DEFAULT, "a/.dvcignore": b"x\n"}.get(path)

    made = IgnoreRules(reader)
    dirs, files = ["a", "b"], [".dvcignore", "f"]
    assert made.names("", dirs, files) == (["a", "b"], [".dvcignore", "f"])
    assert made.names("a", [], [".dvcignore", "x", "y"]) == ([], [".dvcignore", "y"])
    assert made.names("b", [], ["x"]) == ([], ["x"])
    assert made.ignores("a/x", False)
    assert read == [".dvcignore", "a/.dvcignore"]


def test_without_patterns_pathspec_is_not_imported() -> None:
    script = f"""
import sys
from gitstage.ignore import IgnoreRules
made = IgnoreRules({{".dvcignore": {DEFAULT!r} + sys.argv[1].encode()}}.get)
made.ignores("a/b", False), made.names("", ["x"], [".dvcignore"])
print("pathspec" in sys.modules)
"""
    env = {**os.environ, "PYTHONPATH": str(Path(ignore.__file__).parent.parent)}
    for text, imported in (("", "False\n"), ("a", "True\n")):
        argv = [sys.executable, "-c", script, text]
        assert subprocess.run(argv, env=env, stdout=subprocess.PIPE, text=True, check=True).stdout == imported


def test_patterns_match_in_linear_time_what_pathspec_would_match() -> None:
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    chosen, words = random.Random(5), ["a", "b", "*", "**", "/", "/**/", "?", "[ab]", "[!a]", "\\*", "**/", "."]
    tried = 0
    while tried < 400:
        text = "".join(chosen.choice(words) for _ in range(chosen.randint(2, 9)))
        with warnings.catch_warnings(), contextlib.suppress(ValueError):
            warnings.simplefilter("ignore")
            pattern = GitIgnoreSpecPattern(text)
            if pattern.regex is None:
                continue
            plain = pattern.regex.pattern.replace("(?P<ps_d>", "(?:")
            ours, theirs = re.compile(ignore._in_linear_time(plain, itertools.count())), re.compile(plain)
            tried += 1
            for _ in range(10):
                parts = (
                    "".join(chosen.choice("aab.*") for _ in range(chosen.randint(1, 4)))
                    for _ in range(chosen.randint(1, 5))
                )
                path = "/".join(parts) + chosen.choice(["", "/"])
                assert bool(ours.search(path)) == bool(theirs.search(path)), (text, path)


@pytest.mark.parametrize(
    "pattern", ["a*" * 30 + "b", "**/a*/" * 12 + "b", "?*" * 30 + "b", "*" * 60 + "b", "[a-c]*" * 30 + "d"]
)
def test_no_pattern_takes_for_ever(pattern: str) -> None:
    found = IgnoreRules({".dvcignore": pattern.encode()}.get)
    assert not found.ignores("a" * 250, False)
    assert not found.ignores("/".join("a" * 300), False)
