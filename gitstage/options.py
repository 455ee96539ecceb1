"""The options and arguments of the verbs, declared once.

`Verb.read` understands plain command lines by itself, as importing click takes longer than most verbs work. Help, completion,
and every line that `read` gives up on are click's: `group` makes its commands from the same declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from gitstage.static import Any, NamedTuple, TypeVar

_Function = TypeVar("_Function", bound=Callable[..., Any])


class NotPlain(Exception):
    """A command line that is click's to read, or to refuse."""


class Parameter(NamedTuple):
    """An option or argument: its names, and the keywords that click has for one.

    Beside those: `least` (a whole number from there on), `choices` (one of these words), `raw` (whatever it looks like).
    """

    is_option: bool
    names: tuple[str, ...]
    keywords: dict[str, Any]

    @property
    def flags(self) -> list[str]:
        return [flag for name in self.names if name.startswith("-") for flag in name.split("/")]

    @property
    def name(self) -> str:
        """The keyword argument that it becomes: the name without dashes, or else the first of the longest."""
        for name in self.names:
            if name.isidentifier():
                return name
        longest = max((name.split("/")[0] for name in self.names), key=lambda name: name.startswith("--"))
        return longest.lstrip("-").replace("-", "_").lower()

    @property
    def is_flag(self) -> bool:
        return bool(self.keywords.get("is_flag", "flag_value" in self.keywords or "/" in "".join(self.names)))

    @property
    def has_value(self) -> bool:
        return not self.is_flag and not self.keywords.get("count")

    @property
    def default(self) -> Any:
        if "default" in self.keywords:
            return self.keywords["default"]
        if self.keywords.get("multiple") or self.keywords.get("nargs") == -1:
            return ()
        if self.keywords.get("count"):
            return 0
        return False if self.is_flag and "flag_value" not in self.keywords else None

    def value(self, text: str) -> Any:
        """What a word means for it. Raises NotPlain where it means nothing."""
        try:
            if "least" in self.keywords:
                number = int(text)
                if number < self.keywords["least"]:
                    raise NotPlain
                return number
            if self.keywords.get("type") is int:
                return int(text)
        except ValueError:
            raise NotPlain from None
        if "choices" in self.keywords and text not in self.keywords["choices"]:
            raise NotPlain
        return text


def option(*names: str, **keywords: Any) -> Callable[[_Function], _Function]:
    """Declare an option of a verb, as `click.option` does."""
    return _declaring(Parameter(True, names, keywords))


def argument(name: str, **keywords: Any) -> Callable[[_Function], _Function]:
    """Declare an argument of a verb, as `click.argument` does."""
    return _declaring(Parameter(False, (name,), keywords))


def _declaring(parameter: Parameter) -> Callable[[_Function], _Function]:
    def declare(function: _Function) -> _Function:
        function.__dict__.setdefault("parameters", []).insert(
            0, parameter
        )  # decorators come from the last to the first
        return function

    return declare


def volume(function: _Function) -> _Function:
    """The options -q and -v that every verb has."""
    function = option("-v", "--verbose", count=True, help="Say more.")(function)
    return option("-q", "--quiet", is_flag=True, help="Say nothing but errors.")(function)


class Verb:
    """A function with its options and arguments.

    `spread`: repeatable options that take all words up to the next option, as DVC's `--targets A B` do.
    `optional`: what an option means that is followed by none of its choices.
    `words_end_options`: whatever follows the first word that is no option is a word, too.
    `unknown_is_word`: so is an option that was not declared.
    """

    def __init__(
        self, function: Callable[..., Any], *, spread: Sequence[str] = (), optional: dict[str, str] | None = None,
        words_end_options: bool = False, unknown_is_word: bool = False,
    ) -> None:  # fmt: skip
        self.function, self.spread, self.optional = function, tuple(spread), optional or {}
        self.words_end_options, self.unknown_is_word = words_end_options, unknown_is_word
        self.parameters: list[Parameter] = function.__dict__.get("parameters", [])

    def words(self, given: Sequence[str]) -> list[str]:
        """The same command line with what `spread` and `optional` stand for written out."""
        words: list[str] = []
        spread: str | None = None
        for number, word in enumerate(given):
            if word == "--":
                return [*words, *given[number:]]
            if word.startswith("-"):
                spread = word if word in self.spread else None
                if word in self.optional:
                    choices = next(one.keywords["choices"] for one in self.parameters if word in one.names)
                    if number + 1 == len(given) or given[number + 1] not in choices:
                        word = f"{word}={self.optional[word]}"
                words += [] if spread else [word]
            else:
                words.append(f"{spread}={word}" if spread else word)
        return words

    def read(self, given: Sequence[str]) -> dict[str, Any]:
        """The keyword arguments that a command line means. Raises NotPlain if that is click's to say."""
        if self.unknown_is_word:
            raise NotPlain
        options = {flag: one for one in self.parameters if one.is_option for flag in one.flags}
        values = {one.name: one.default for one in reversed(self.parameters)}
        rest = iter(self.words(given))
        positional: list[str] = []
        seen: set[str] = set()
        for word in rest:
            if word == "--":
                positional += rest
            elif word.startswith("--"):
                flag, given_value, value = word.partition("=")
                _take(options, flag, value if given_value else None, rest, values, seen)
            elif len(word) > 1 and word.startswith("-"):
                for place, letter in enumerate(word[1:], 2):
                    attached = word[place:] or None
                    if _take(options, f"-{letter}", attached, rest, values, seen, is_cluster=True):
                        break
            else:
                positional += [word, *rest] if self.words_end_options else [word]
        if any(one.keywords.get("required") and one.name not in seen for one in self.parameters if one.is_option):
            raise NotPlain
        self._place(positional, values)
        return values

    def _place(self, words: list[str], values: dict[str, Any]) -> None:
        """Give each argument its words: one each, and what is left to the one that takes any number."""
        arguments = [one for one in self.parameters if not one.is_option]
        singles = sum(one.keywords.get("nargs") != -1 for one in arguments)
        for number, one in enumerate(arguments):
            if one.keywords.get("nargs") == -1:
                count = max(len(words) - (singles - number), 0)
                values[one.name] = tuple(words[:count])
                if not count and one.keywords.get("required"):
                    raise NotPlain
            elif words:
                count = 1
                values[one.name] = one.value(words[0])
            elif one.keywords.get("required", "default" not in one.keywords):
                raise NotPlain
            else:
                count = 0
            words = words[count:]
        if words:
            raise NotPlain


def _take(
    options: dict[str, Parameter], flag: str, attached: str | None, rest: Iterator[str],
    values: dict[str, Any], seen: set[str], *, is_cluster: bool = False,
) -> bool:  # fmt: skip
    """Take in an option, `attached` to its value or to more letters. Returns whether it had a value."""
    one = options.get(flag)
    if one is None or one.keywords.get("is_flag") is False:
        raise NotPlain
    seen.add(one.name)
    if not one.has_value:
        if attached is not None and not is_cluster:
            raise NotPlain
        if one.keywords.get("count"):
            values[one.name] += 1
        else:
            values[one.name] = one.keywords.get(
                "flag_value", not any(flag == name.partition("/")[2] for name in one.names)
            )
        return False
    text = attached if attached is not None else next(rest, None)
    if text is None:
        raise NotPlain
    value = one.value(text)
    values[one.name] = (*values[one.name], value) if one.keywords.get("multiple") else value
    return True


def verb(**settings: Any) -> Callable[[Callable[..., Any]], Verb]:
    """Make a function with declared options and arguments a verb; `settings` are those of Verb."""
    return lambda function: Verb(function, **settings)


class Family:
    """Verbs behind one word, as in `metrics show`."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.verbs: dict[str, Verb] = {}

    def verb(self, name: str | None = None, **settings: Any) -> Callable[[Callable[..., Any]], Verb]:
        """Make a function one of its verbs, by its name unless told otherwise."""

        def declare(function: Callable[..., Any]) -> Verb:
            made = Verb(function, **settings)
            self.verbs[name or function.__name__.replace("_", "-")] = made
            return made

        return declare


def family(function: Callable[..., Any]) -> Family:
    """Make a function, for its description, a word with verbs of its own."""
    return Family(function)


def confirm(question: str, *, default: bool = False) -> bool:
    """Ask on the terminal. Raises KeyboardInterrupt if there is no answer to come."""
    import click

    try:
        return click.confirm(question, default=default)
    except click.Abort:
        raise KeyboardInterrupt from None
