"""What `typing` has for those who read annotations; a program that runs needs next to nothing of it.

`typing` takes a tenth of the time of a short command: 2 ms to import, and as much again to check the annotations of
its named tuples. Type checkers see `typing` itself here. At run time the names stand for things that accept all that
is done with them, and `NamedTuple` for a base class that does the same without a look at the types.
"""

from __future__ import annotations

TYPE_CHECKING = False  # checkers take this name to be true

__all__ = ["IO", "TYPE_CHECKING", "Any", "Literal", "NamedTuple", "NoReturn", "Protocol", "TextIO", "TypeVar"]

if TYPE_CHECKING:
    from typing import IO, Any, Literal, NamedTuple, NoReturn, Protocol, TextIO, TypeVar
else:
    from collections import namedtuple

    class _Anything:
        def __class_getitem__(cls, _: object) -> type:
            return cls

    Any = IO = Literal = NoReturn = TextIO = _Anything
    Protocol = object

    def TypeVar(*_: object, **__: object) -> type:  # noqa: N802 - its name in typing
        return _Anything

    class _Fields(type):
        """Makes the class statement of a subclass one of a named tuple, as collections.namedtuple makes it."""

        def __new__(cls, name, bases, body):
            if not bases:
                return super().__new__(cls, name, bases, body)
            fields = body.get("__annotations__", {})
            defaults = [body[field] for field in fields if field in body]
            made = namedtuple(name, fields, defaults=defaults, module=body["__module__"])
            for key, value in body.items():
                if key not in fields and key not in ("__module__", "__qualname__", "__annotations__"):
                    setattr(made, key, value)
            return made

    class NamedTuple(metaclass=_Fields):
        pass
