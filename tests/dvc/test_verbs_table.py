"""docs/verbs.md names every verb and flag of dvc, ours, and a test that exists; it cannot go stale."""

from __future__ import annotations

import argparse
import functools
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gitstage.cli import COMMANDS, as_click

TOP = Path(__file__).resolve().parents[2]
PAGE = (TOP / "docs/verbs.md").read_text(encoding="utf-8")
COMMON = {"-h", "--help", "-q", "--quiet", "-v", "--verbose"}
"""Options that every verb of both has."""
DEBUG = re.compile(r"--(cprofile|yappi|viztracer|pdb|instrument|show-stack|ss)\b")


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading."""
    section = PAGE.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@functools.cache
def dvc_verbs() -> dict[str, dict[str, frozenset[str]]]:
    """Verb ("remote add") -> each of its flags -> all spellings of it."""
    from dvc.cli.parser import get_main_parser

    def walk(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, dict[str, frozenset[str]]]]:
        inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
        if not inner:
            spellings = [
                frozenset(action.option_strings)
                for action in parser._actions
                if action.option_strings and not DEBUG.match(action.option_strings[0])
            ]
            yield name, {flag: one for one in spellings if not one & COMMON for flag in one}
        for action in inner:
            seen = set()
            for word, sub in action.choices.items():
                if id(sub) not in seen:
                    seen.add(id(sub))
                    yield from walk(sub, f"{name} {word}".strip())

    return dict(walk(get_main_parser(), ""))


@functools.cache
def ours(verb: str) -> frozenset[str]:
    """The flags of one of our verbs."""
    command: click.Command | None = as_click()
    context = click.Context(command)
    for word in verb.split():
        assert isinstance(command, click.Group), verb
        command = command.get_command(context, word)
        assert command is not None, f"there is no verb '{verb}'"
    assert command is not None
    return frozenset(
        flag for one in command.params if isinstance(one, click.Option) for flag in (*one.opts, *one.secondary_opts)
    )


def is_here(verb: str) -> bool:
    try:
        return ours(verb) is not None
    except AssertionError:
        return False


TABLE = rows("Every verb")
LEFT_OUT = {(words(row[0])[0].removeprefix("dvc "), flag) for row in rows("Left out") for flag in words(row[1]) or [""]}


def test_every_verb_of_dvc_has_a_row_or_a_reason() -> None:
    named = {words(row[0])[0].removeprefix("dvc ") for row in TABLE}
    dropped = {verb for verb, flag in LEFT_OUT if flag == ""}
    for verb in dvc_verbs():
        is_dropped = any(verb == one or verb.startswith(one + " ") for one in dropped)
        assert (verb in named) != is_dropped, f"dvc {verb}: {'in both tables' if is_dropped else 'in no table'}"
    assert named <= dvc_verbs().keys()
    assert all(row[2] for row in rows("Left out")), "each has its reason"
    ours_for = {"list": "ls"}  # `git stage list` lists stages
    assert not [verb for verb in dropped if is_here(ours_for.get(verb, verb))], "left out, but here"


@pytest.mark.parametrize("row", TABLE, ids=lambda row: words(row[0])[0])
def test_every_flag_of_dvc_is_ours_or_has_a_reason(row: list[str]) -> None:
    theirs, verb = words(row[0])[0].removeprefix("dvc "), words(row[2])[0]
    named = set(words(row[1]))
    known = dvc_verbs()[theirs]
    missing = {flag for flag in known if (theirs, flag) in LEFT_OUT}
    have = ours(verb.removeprefix("git stage "))
    for flag, spellings in known.items():
        if spellings & missing:
            assert not spellings & named and not spellings & have, f"{theirs} {flag}: it is here, and left out"
        else:
            assert spellings & named, f"{theirs} {flag}: not in the table"
            assert spellings <= have, f"{verb}: has no {' '.join(sorted(spellings - have))}"
    assert named <= known.keys(), f"{theirs}: has no {named - known.keys()}"


@pytest.mark.parametrize("row", TABLE, ids=lambda row: words(row[0])[0])
def test_the_tests_that_prove_it_exist(row: list[str]) -> None:
    proofs = words(row[3])
    assert proofs
    for proof in proofs:
        path, _, name = proof.partition("::")
        text = (TOP / "tests" / path).read_text(encoding="utf-8")
        assert not name or f"def {name}(" in text or f'"{name}"' in text, proof
        verb = words(row[0])[0].removeprefix("dvc ").split()[-1]
        assert name or verb in text, f"{path} says nothing of {verb}"


def test_our_own_verbs_are_named() -> None:
    named = {words(row[2])[0].removeprefix("git stage ").split()[0] for row in TABLE}
    own = {words(row[0])[0].removeprefix("git stage ") for row in rows("Beyond DVC")}
    assert own | named == set(COMMANDS), sorted(set(COMMANDS) ^ (own | named))
