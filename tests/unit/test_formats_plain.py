"""The text of ordinary *.dvc files is the very text that YAML's writer makes."""

from __future__ import annotations

import random
from typing import Any

import pytest

from gitstage import formats
from gitstage.formats.plain import plain_dvc
from gitstage.formats.write import dump

NAMES = (
    "data", "data.xml", "a/b", "a-b_c.d", "x" * 60, "x" * 100, "Null", "TRUE", "no", "on", "y", "N", "e1", "1e5", "_1", "-a",
    ".a", "a b", "a:b", "ü", "", "a#b", "~", "0x1f", "e", "true.csv", "a..b",
)  # fmt: skip


@pytest.mark.parametrize("seed", range(20))
def test_it_is_what_yaml_writes(seed: int) -> None:
    dice, plain = random.Random(seed), 0
    for _ in range(40):
        out: dict[str, Any] = {
            "md5": "".join(dice.choice("0123456789abcdef" if dice.random() < 0.9 else "0123456789e") for _ in range(32))
        }
        if dice.random() < 0.5:
            out["md5"] += ".dir"
        if dice.random() < 0.1:
            out["md5"] = dice.choice(("1" * 32, "1" * 15 + "e" + "2" * 16, "0" * 31 + "e"))
        out |= {"size": dice.randint(0, 10**12)} if dice.random() < 0.9 else {}
        out |= {"nfiles": dice.randint(0, 9)} if dice.random() < 0.4 else {}
        out |= {"isexec": dice.choice((True, False))} if dice.random() < 0.3 else {}
        out |= {"hash": "md5"} if dice.random() < 0.8 else {}
        out |= {"cache": False} if dice.random() < 0.1 else {}
        value = {"outs": [{**out, "path": dice.choice(NAMES)} for _ in range(dice.randint(1, 2))]}
        made = plain_dvc(value)
        if made is not None:
            plain += 1
            assert made.decode() == dump(value)
            assert formats.parse_dvc(made, "x.dvc")["outs"] == value["outs"]
    assert plain


OTHERS: list[dict[str, Any]] = [
    *({}, {"outs": []}, {"outs": None}, {"outs": [{}]}, {"deps": [], "outs": [{"path": "a"}]}),
    *({"outs": [{"path": None}]}, {"outs": [{"path": "a", "size": -1}]}, {"outs": ["a"]}),
]


@pytest.mark.parametrize("value", OTHERS)
def test_others_are_left_to_yaml(value: dict[str, Any]) -> None:
    assert plain_dvc(value) is None
