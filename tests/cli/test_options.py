"""Plain command lines are read without click, and mean what click says they mean."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import click
import pytest

from gitstage.cli import COMMANDS, HIDDEN, find
from gitstage.group import as_command
from gitstage.options import NotPlain, Parameter, Verb, argument, option, verb


def verbs() -> Iterator[tuple[str, Verb]]:
    for name in (*COMMANDS, *HIDDEN):
        found = find(name)
        if isinstance(found, Verb):
            yield name, found
        else:
            yield from ((f"{name} {word}", one) for word, one in found.verbs.items())


ALL = dict(verbs())


def by_click(one: Verb, words: list[str]) -> dict[str, Any] | None:
    """What click makes of a command line; None if it refuses it."""
    try:
        return dict(as_command(one, "verb").make_context("verb", list(words)).params)
    except click.UsageError:
        return None


def words_for(one: Verb, dice: random.Random) -> list[str]:
    """A command line with some of the verb's options, sometimes a wrong one."""
    words: list[str] = []
    for parameter in one.parameters:
        if parameter.is_option and dice.random() < (0.9 if parameter.keywords.get("required") else 0.3):
            for _ in range(dice.choice((1, 1, 2))):
                words += _option(parameter, dice)
        elif not parameter.is_option:
            least = 1 if parameter.keywords.get("required", "default" not in parameter.keywords) else 0
            most = 3 if parameter.keywords.get("nargs") == -1 else 1
            words += [_value(parameter, dice) for _ in range(dice.randint(least, most))]
    dice.shuffle(words) if dice.random() < 0.2 else None
    if dice.random() < 0.1:
        words.insert(
            dice.randint(0, len(words)), dice.choice(("--", "-", "-qv", "-vvq", "--bogus", "-Z", "extra", "--quiet=1"))
        )
    return words


def _option(parameter: Parameter, dice: random.Random) -> list[str]:
    flag = dice.choice(parameter.flags)
    if not parameter.has_value:
        return [flag]
    value = _value(parameter, dice)
    if dice.random() < 0.3:
        return [f"{flag}={value}" if flag.startswith("--") else f"{flag}{value}"]
    return [flag, value]


def _value(parameter: Parameter, dice: random.Random) -> str:
    if "choices" in parameter.keywords:
        return dice.choice(
            [*parameter.keywords["choices"], "none of them"]
            if dice.random() < 0.1
            else list(parameter.keywords["choices"])
        )
    if "least" in parameter.keywords or parameter.keywords.get("type") is int:
        return dice.choice(("1", "7", "0", "-1", "x", " 3") if dice.random() < 0.3 else ("1", "7"))
    return dice.choice(("a", "data/b c", "k=v", "HEAD~1", "", "ü"))


@pytest.mark.parametrize("name", ALL)
def test_read_means_what_click_means(name: str) -> None:
    one, dice, plain = ALL[name], random.Random(name), 0
    for _ in range(60):
        words = words_for(one, dice)
        try:
            read = one.read(words)
        except NotPlain:
            continue
        plain += 1
        assert read == by_click(one, words), words
    assert plain >= 15 or one.unknown_is_word, f"only {plain} of 60 command lines are plain"


def test_what_click_refuses_is_not_plain() -> None:
    @verb()
    @option("-n", "--name", required=True)
    @option("--size", least=1)
    @option("--kind", choices=["x", "y"])
    @option("--flag", is_flag=True)
    @argument("one")
    def command(**_: Any) -> None:
        """Do it."""

    assert command.read(["-n", "a", "--size", "2", "--kind=y", "b"]) == {
        "name": "a", "size": 2, "kind": "y", "flag": False, "one": "b",
    }  # fmt: skip
    good = ["-n", "a", "b"]
    more = ("c", "--size 0", "--size x", "--size", "--kind z", "--flag=1", "--bogus", "-Z", "--help")
    for wrong in ([], ["-n", "a"], ["-n"], ["b"], *([*good, *one.split()] for one in more)):
        with pytest.raises(NotPlain):
            command.read(wrong)
