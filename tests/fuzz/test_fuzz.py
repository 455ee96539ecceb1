"""Each target of `fuzz.py` for a moment: its corpus, changed copies of it, and files made to look right."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import pytest
from fuzz import corpus, mutations, tokens
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from targets import SEPARATOR, TARGETS, check

from gitstage import formats

COUNT = {"merge": 60, "template": 100, "manifest": 600, "config": 400}
"""Changed copies of the corpus, where not 250."""


@pytest.mark.parametrize("target", sorted(TARGETS))
def test_the_corpus_and_changes_of_it(target: str) -> None:
    seeds = corpus(target)
    assert len(seeds) >= 4
    taken = [check(target, data) for data in seeds]
    assert any(taken), "no input of the corpus gets through"
    for data in itertools.islice(mutations(seeds, tokens(target), random.Random(7)), COUNT.get(target, 250)):
        check(target, data)


# Files made to look right

word = st.text("ab-_.${}[]'\"#: \n\u00e9\u2028\U0001f600*&!|>%@`,?/\\\x07=~<0", max_size=6)
name = st.sampled_from(["a", "b", "s1", "x y", "", "on", "5", "a@b", "null", "..", "a/b"]) | word
scalar = word | st.integers() | st.floats() | st.booleans() | st.none()
value = st.recursive(
    scalar, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(name, inner, max_size=3), max_leaves=6
)
output = name | st.dictionaries(
    name, st.dictionaries(st.sampled_from(["cache", "persist", "x"]), value, max_size=2), max_size=1
)
stage = st.fixed_dictionaries(
    {"cmd": word | st.lists(word, max_size=2)},
    optional={
        "deps": st.lists(name, max_size=2), "outs": st.lists(output, max_size=2), "params": st.lists(name, max_size=2),
        "wdir": name, "frozen": st.booleans(), "desc": word, "vars": st.lists(value, max_size=2),
        "matrix": st.dictionaries(name, st.lists(scalar, max_size=2), max_size=2),
    },
)  # fmt: skip
group = st.fixed_dictionaries({"foreach": value, "do": stage})
document = st.fixed_dictionaries(
    {"stages": st.dictionaries(name, stage | group, max_size=3)}, optional={"vars": st.lists(value, max_size=2)}
)
digest = st.sampled_from(["0" * 32, "a" * 32 + ".dir", "A" * 32, "../" * 9, ""])
entry = st.fixed_dictionaries({"path": name, "md5": digest}, optional={"hash": st.just("md5"), "size": st.integers(0)})
recorded = st.fixed_dictionaries(
    {"cmd": word}, optional={"deps": st.lists(entry, max_size=2), "outs": st.lists(entry, max_size=2), "params": value}
)
lock = st.fixed_dictionaries({"schema": st.just("2.0"), "stages": st.dictionaries(name, recorded, max_size=3)})
tracked = st.fixed_dictionaries(
    {"outs": st.lists(entry, max_size=2)}, optional={"md5": digest, "deps": st.just([]), "meta": value}
)


def as_file(content: Any, style: int) -> bytes:
    """YAML in block style, YAML as it is in JSON, or the first with other line ends."""
    if style == 1:
        return json.dumps(content).encode()
    text = formats.dump(content)
    return (text if style == 0 else text.replace("\n", "\r\n")).encode("utf-8", "replace")


SHAPES: dict[str, Any] = {"yaml": value, "dvc.yaml": document, "dvc.lock": lock, "dvc": tracked, "template": document}


@pytest.mark.parametrize("target", sorted(SHAPES))
def test_files_made_to_look_right(target: str) -> None:
    @settings(
        max_examples=60, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(SHAPES[target], st.integers(0, 2))
    def look(content: Any, style: int) -> None:
        check(target, as_file(content, style))

    look()


@settings(
    max_examples=25, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(document, document, document)
def test_merges_of_files_made_to_look_right(base: Any, ours: Any, theirs: Any) -> None:
    check("merge", SEPARATOR.join(as_file(one, 0) for one in (base, ours, theirs)) + SEPARATOR + b"y")


@settings(
    max_examples=150, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
@given(
    st.lists(
        st.fixed_dictionaries({"relpath": name | st.sampled_from(["a/b", "/x", "a//b"]), "md5": digest}), max_size=4
    )
)
def test_manifests_made_to_look_right(content: Any) -> None:
    check("manifest", json.dumps(content).encode())
