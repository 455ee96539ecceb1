"""Where git-stage knowingly does something else than DVC 3.67.1 in a golden scenario, and why.

Each entry holds the value that is right for us, so the test checks it as strictly as everything else: an entry that
no longer differs from dvc, or that git-stage no longer follows, fails.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


class Absent:
    def __repr__(self) -> str:
        return "ABSENT"


ABSENT = Absent()


class Edit:
    """Our text is dvc's with each `old` replaced by its `new`; every `old` must be there, and once."""

    def __init__(self, *pairs: tuple[str, str]) -> None:
        self.pairs = pairs

    def of(self, text: str) -> str:
        for old, new in self.pairs:
            assert text.count(old) == 1, f"{text.count(old)} times {old!r} in {text!r}"
            text = text.replace(old, new)
        return text


@dataclass(frozen=True)
class Known:
    """At `step` (its index in the scenario), our value at `where` is `ours`; ABSENT: we have nothing there."""

    step: int
    where: tuple[str, ...]
    ours: Any
    why: str


CHECKED_FIRST = "whether Git tracks an output is checked before the command runs, and before the output is touched"
BROUGHT_BACK = "the outputs of a run that failed are what they were before it"
KEPT = "lines of stages that succeeded stay in .gitignore when a later stage fails"
EDITED = "files are edited, not regenerated: what somebody formatted by hand keeps its format"
LOSSLESS = "text that would come back changed when it is read again is written in double quotes, unfolded"

RESUMED = "what arrived of a directory stays in the cache, so that the next fetch goes on from there"

OLD = {"type": "file", "mode": "0644", "size": 4, "md5": "814fa5ca98406a903e22b43d9b610105"}
PRECIOUS = {"type": "file", "mode": "0644", "size": 9, "md5": "4ee9c5beec01edf6b964ab48999c0c58"}
MANIFEST = {
    "mode": "0444",
    "size": 124,
    "md5": "2d3eb07f667477d348b261f3810b1267",
    "text": '[{"md5": "415290769594460e2e485922904f345d", "relpath": "s/y"}, '
    '{"md5": "9dd4e461268c8034f5c8564e155c67a6", "relpath": "x"}]',
}
HAND_FORMATTED = """\
# hello
schema: '2.0'   # x
stages:
    # c
    zz:
        cmd: "echo zz"
        deps:
            -   md5: abcabc
                path: q
    a:
        cmd: 'echo a'
"""
WITHOUT_A = HAND_FORMATTED.removesuffix("    a:\n        cmd: 'echo a'\n")
EDITED_PIPELINE = """\
# comment top

stages:
    # four spaces
    one:
        cmd: "echo 'quoted'"   # eol
        deps:
            - a

        outs:
            - "x y"
    two: {cmd: [echo 1, echo 2], frozen: true}
    three:
        cmd: echo 3
        deps:
            - a
vars:
    - foo: 'bar'
"""
THREE = "    three:\n        cmd: echo 3\n        deps:\n            - a\n"
FOLDED = "echo \n{0}" + "a" * 72 + "  \n{0}two spaces at a fold\n"
WHOLE = '"echo ' + "a" * 72 + '  two spaces at a fold"\n'
FOLDED_TWICE = "echo  two early " + "b" * 40 + " then   \n          three and a fold at   the  end of it all\n"
WHOLE_TWICE = '"echo  two early ' + "b" * 40 + ' then   three and a fold at   the  end of it all"\n'

KNOWN: dict[str, list[Known]] = {
    "s07_gitignore": [
        Known(
            23,
            ("meta", ".gitignore"),
            "/crlf1\r\n/other\r\n/crlf2\r\n",
            "a line added to a .gitignore ends as its other lines do",
        ),
        Known(
            18,
            ("meta", ".gitignore"),
            Edit(("!/x3\n/x3\n", "!/x3\n/x3\n  /plain  \n")),
            "a line that only looks like that of an output stays; Git takes its spaces for a part of the name",
        ),
        Known(25, ("meta", ".gitignore"), "/crlf1\r\n/other\r\n", "line ends of the other lines stay"),
        Known(29, ("meta", ".gitignore"), "/crlf1\r\n/other\r\n", "an escaped line of a removed output goes, too"),
    ],
    "s08_gitignore_errors": [
        Known(7, ("ran",), [], CHECKED_FIRST),
        Known(8, ("workspace", "tr", "md5"), "c4ca4238a0b923820dcc509a6f75849b", CHECKED_FIRST),
        Known(8, ("workspace", "tr", "size"), 1, CHECKED_FIRST),
    ],
    "s09_stage_add": [
        Known(
            24,
            ("meta", "dvc.yaml"),
            Edit(("  fail:\n    cmd: exit 3\n    outs:\n    - fo\n", "")),
            "a stage whose first run failed is not recorded, as `dvc run` had it",
        ),
        Known(27, ("meta", "dvc.yaml"), EDITED_PIPELINE, EDITED),
        Known(29, ("meta", "dvc.yaml"), EDITED_PIPELINE.replace(THREE, ""), EDITED),
    ],
    "s14_yaml_emit": [
        Known(
            5,
            ("meta", "dvc.lock"),
            Edit(
                ("    cmd: 'nel\x85      x'\n", '    cmd: "nel\\Nx"\n'),
                ("    cmd: 'ls\u2028      x'\n", '    cmd: "ls\\Lx"\n'),
                ("        v051: 'nel\x85          x'\n", '        v051: "nel\\Nx"\n'),
                ("        v052: 'ls\u2028          x'\n", '        v052: "ls\\Lx"\n'),
                ("    cmd: " + FOLDED.format(" " * 6), "    cmd: " + WHOLE),
                ("        v074: " + FOLDED.format(" " * 10), "        v074: " + WHOLE),
                ("        v075: " + FOLDED_TWICE, "        v075: " + WHOLE_TWICE),
            ),
            LOSSLESS,
        ),
        Known(6, ("json", "c051"), ["always changed"], LOSSLESS),
        Known(6, ("json", "c074"), ["always changed"], LOSSLESS),
        Known(6, ("json", "params"), ABSENT, LOSSLESS),
    ],
    "s18_lock_updates": [
        Known(5, ("meta", "dvc.lock"), HAND_FORMATTED, EDITED),
        Known(
            7, ("meta", "dvc.lock"), HAND_FORMATTED + "    b:\n      cmd:\n      - echo 1\n      - echo  2\n", EDITED
        ),
        Known(
            9, ("meta", "dvc.lock"), HAND_FORMATTED + "    b:\n      cmd:\n      - echo 1\n      - echo  2\n", EDITED
        ),
        Known(9, ("meta", "dvc.yaml"), Edit(("echo  2]", '"echo  2"]')), EDITED),
        Known(12, ("meta", "dvc.lock"), WITHOUT_A + "    b:\n      cmd:\n      - echo 1\n      - echo  2\n", EDITED),
        Known(12, ("meta", "dvc.yaml"), Edit(("echo  2]", '"echo  2"]')), EDITED),
        Known(14, ("meta", "dvc.lock"), WITHOUT_A, EDITED),
    ],
    "s20_run_cache_edges": [
        Known(
            10,
            ("ran",),
            ["Running stage 't':", "> cat params.yaml > out"],
            "an earlier result counts only if its parameters are equal, also those named size and nfiles",
        ),
        Known(
            11,
            ("meta", "dvc.lock"),
            Edit(("033691bde3d7f4030ab809a904b6e639", "5efe682aee26468a955e136448b851f6")),
            "the output of the run with size: 2",
        ),
        Known(
            11, ("workspace", "out", "md5"), "5efe682aee26468a955e136448b851f6", "the output of the run with size: 2"
        ),
    ],
    "s21_failures": [
        *(Known(step, ("meta", ".gitignore"), "/k1\n", KEPT) for step in (4,)),
        *(Known(step, ("meta", ".gitignore"), "/k1\n/k4\n", KEPT) for step in (6, 9, 14, 20)),
        Known(23, ("meta", ".gitignore"), "/k1\n/k4\n/m1\n", KEPT),
        *(Known(step, ("workspace", "k2"), OLD, BROUGHT_BACK) for step in (4, 6, 9, 14, 20, 23)),
        *(
            Known(step, ("workspace", "d1"), PRECIOUS, "inputs and parameters are checked before outputs are touched")
            for step in (14, 20, 23)
        ),
    ],
    "s26_repro_selection": [
        Known(
            6,
            ("ran",),
            ["Running stage 'a':", "> cp src a1", *(f"Stage '{name}' didn't change, skipping" for name in "bcd")],
            "--dry does not claim a result from the run cache that is not there",
        ),
    ],
    "s30_links": [
        Known(
            39,
            ("workspace", "x.sh", "mode"),
            "0544",
            "what a link made executable stays so; dvc takes it away from the object when it next looks at it",
        ),
    ],
    "s34_legacy_upgrade": [
        *(
            Known(
                step,
                ("cache", "d8/a89edd0682df1730ea84e27035d189.dir"),
                ABSENT,
                "a manifest that nothing refers to is not written",
            )
            for step in (20, 31)
        ),
        Known(
            31,
            ("workspace", "lf.txt"),
            {"type": "file", "mode": "0644", "size": 4, "md5": "dd8c6a395b5dd36c56d23275028f526c"},
            "bytes of the user are not replaced by others that only have the same digest of text",
        ),
    ],
    "s35_lock_variants": [
        Known(26, ("fails",), False, "a lock of the 1.0 layout can be read"),
    ],
    "s32_remote": [
        Known(30, ("cache", "files/md5/2d/3eb07f667477d348b261f3810b1267.dir"), MANIFEST, RESUMED),
    ],
}

SETUP: dict[str, list[list[str]]] = {
    # All entries of the project are legacy ones. That makes it a project of layout 2, which is kept so, unless told.
    "s34_legacy_upgrade": [["git", "config", "gitstage.layout", "3"]],
}
"""Commands that git-stage needs right after `init`."""
