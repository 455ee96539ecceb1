"""The named tuples that are made without typing: they must be what typing makes."""

from __future__ import annotations

import typing

from gitstage import static


def pair(base: typing.Any) -> typing.Any:
    class Pair(base):
        """Of two fields."""

        one: int
        two: typing.Any = "x"

        @property
        def both(self) -> str:
            return f"{self.one}{self.two}"

        def __str__(self) -> str:
            return "str"

    return Pair


def test_same_as_typing() -> None:
    for kind in (pair(static.NamedTuple), pair(typing.NamedTuple)):
        made = kind(1)
        assert isinstance(made, tuple) and made == (1, "x") == kind(two="x", one=1)
        assert (made.one, made.both, str(made)) == (1, "1x", "str")
        assert made._replace(two=2) == (1, 2) and type(made._replace(two=2)) is kind
        assert kind._fields == ("one", "two") and kind._field_defaults == {"two": "x"}
        assert (kind.__doc__, kind.__module__) == ("Of two fields.", __name__)
        assert repr(made) == "Pair(one=1, two='x')"
        assert kind.__name__ == "Pair"
