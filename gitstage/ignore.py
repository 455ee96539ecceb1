"""`.dvcignore`: which paths DVC leaves out of a directory's content, of checkouts and of the search for pipelines.

The pattern language is that of `.gitignore`; pathspec translates it, and is imported only when some `.dvcignore` holds
a pattern. What DVC does differently from Git, and is done here too, because a directory's digest depends on it:

* every line is stripped at both ends, so there is no escaped trailing space;
* a negation that ends in "/" takes back directories, not the files in them: after "/*" and "!/data/" the directory
  is walked, but its files stay ignored;
* "data/**" also ignores `data` itself.

Three things are done as Git does them although DVC 3.67 does not: the built-in names cannot be taken back, rules work
in folders whose names hold "[", "!", "#" or a backslash, and "*/" means every directory (with pathspec 1.0 or later it
means nothing to DVC).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator

from gitstage.errors import FormatError
from gitstage.static import NamedTuple

FILE_NAME = ".dvcignore"
BUILTIN_DIRS = frozenset((".git", ".hg", ".dvc"))
BUILTIN_FILES = frozenset((".git",))  # a linked worktree or a submodule has a file of this name

Explanation = tuple[str, int, str]
"""Path of a `.dvcignore`, line counted from 1, pattern as written; ("", 0, name) for a built-in name."""


class _Rule(NamedTuple):
    line: int
    text: str
    excludes: bool
    dirs_only: bool
    search: Callable[[str], object]


class _Test(NamedTuple):
    """Neighbouring rules that exclude, or one that takes back, as one regular expression."""

    search: Callable[[str], object]
    excludes: bool
    dirs_only: bool
    rules: tuple[_Rule, ...]


class _Level(NamedTuple):
    """The rules of one `.dvcignore`, the last rules first; `start`: where paths relative to its folder begin."""

    path: str
    start: int
    tests: tuple[_Test, ...]


_Chain = tuple[_Level, ...]  # deepest folder first; files without patterns are left out


class IgnoreRules:
    """The rules of all `.dvcignore` files of one tree, each read when its folder is first asked about.

    Paths are "/"-separated and relative to the project's root, "" for the root itself. That a directory holding `.dvc`
    is another project, and ignored too, only the caller can see. Answers are those of the moment a file was read: make
    a new object for a new state of the tree. Every method raises FormatError on a `.dvcignore` that is not UTF-8 or has
    an invalid pattern; DVC refuses these as well.
    """

    def __init__(self, read: Callable[[str], bytes | None]) -> None:
        """`read` returns the bytes of the `.dvcignore` at a root-relative path, None if there is none."""
        self._read = read
        self._chains: dict[str, _Chain] = {}

    def ignores(self, path: str, is_dir: bool) -> bool:
        """Is `path`, or a directory that it lies in, ignored? It need not exist."""
        return any(self._decision(parent, name, directory) for parent, name, directory in _steps(path, is_dir))

    def explain(self, path: str, is_dir: bool) -> Explanation | None:
        """The rule that decided about `path`, also if it is a negation; None if no rule matches.

        For a path inside an ignored directory it is the rule that ignores the directory. Of neighbouring rules that all
        match, the first, as `dvc check-ignore --details` shows.
        """
        found: Explanation | None = None
        for parent, name, directory in _steps(path, is_dir):
            if _builtin(name, directory):
                return "", 0, name if name == ".git" else name + "/"
            found = None
            full = _join(parent, name)
            for level in self._chain(parent):
                hit = _matching(level, full, directory)
                if hit is not None:
                    found = level.path, hit.line, hit.text
                    if hit.excludes:
                        return found
                    break
        return found

    def names(self, folder: str, dirs: list[str], files: list[str]) -> tuple[list[str], list[str]]:
        """Of the entries of `folder`, which is itself not ignored, those that are kept, in the order given.

        Meant for walking top-down: `files` must hold every file of the folder, because its `.dvcignore` is read only
        if it is among them. The lists given are not changed.
        """
        chain = self._chains.get(folder)
        if chain is None:
            chain = self._chains[folder] = self._outer(folder) if FILE_NAME not in files else self._chain(folder)
        if not BUILTIN_DIRS.isdisjoint(dirs):
            dirs = [name for name in dirs if name not in BUILTIN_DIRS]
        if not BUILTIN_FILES.isdisjoint(files):
            files = [name for name in files if name not in BUILTIN_FILES]
        if not chain:
            return dirs, files
        prefix = folder + "/" if folder else ""
        return (
            [name for name in dirs if not _excluded(chain, prefix + name, True)],
            [name for name in files if not _excluded(chain, prefix + name, False)],
        )

    def _decision(self, parent: str, name: str, is_dir: bool) -> bool:
        """Is this entry of `parent`, which is not ignored, ignored?"""
        return _builtin(name, is_dir) or _excluded(self._chain(parent), _join(parent, name), is_dir)

    def _chain(self, folder: str) -> _Chain:
        """The rules that apply to the entries of `folder`."""
        known = self._chains.get(folder)
        if known is None:
            outer = self._outer(folder)
            path = _join(folder, FILE_NAME)
            known = outer
            if not folder or not _excluded(outer, path, False):  # an ignored .dvcignore has no say
                text = self._read(path)
                tests = _parse(text, path) if text else ()
                if tests:
                    known = (_Level(path, len(folder) + 1 if folder else 0, tests), *outer)
            self._chains[folder] = known
        return known

    def _outer(self, folder: str) -> _Chain:
        return self._chain(folder.rpartition("/")[0]) if folder else ()


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _steps(path: str, is_dir: bool) -> Iterator[tuple[str, str, bool]]:
    """(folder, name, is a directory) of each directory on the way to `path`, then of `path`; nothing for the root."""
    end = -1
    while path and end < len(path):
        start = end + 1
        end = path.find("/", start)
        if end < 0:
            end = len(path)
        yield path[: max(start - 1, 0)], path[start:end], is_dir or end < len(path)


def _builtin(name: str, is_dir: bool) -> bool:
    return name in (BUILTIN_DIRS if is_dir else BUILTIN_FILES)


def _excluded(chain: _Chain, path: str, is_dir: bool) -> bool:
    for _, start, tests in chain:
        text = path[start:] + "/" if is_dir else path[start:]
        for search, excludes, dirs_only, _ in tests:
            if (is_dir or not dirs_only) and search(text):
                return excludes
    return False


def _matching(level: _Level, path: str, is_dir: bool) -> _Rule | None:
    text = path[level.start :] + "/" if is_dir else path[level.start :]
    for test in level.tests:
        if (is_dir or not test.dirs_only) and test.search(text):
            return next(rule for rule in test.rules if rule.search(text))
    return None


def _parse(data: bytes, path: str) -> tuple[_Test, ...]:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise FormatError(path, f"not UTF-8 at byte {error.start}") from None
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    patterns = [(number, line) for number, line in enumerate(map(str.strip, lines), 1) if line and line[0] != "#"]
    return _compile(patterns, path) if patterns else ()


def _compile(patterns: list[tuple[int, str]], path: str) -> tuple[_Test, ...]:
    import warnings

    try:
        from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern as Pattern
    except ImportError:  # before pathspec 1.0
        from pathspec.patterns.gitwildmatch import GitWildMatchPattern as Pattern

    groups: list[list[tuple[_Rule, str]]] = []
    numbers = itertools.count()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # "[[" in a pattern: Python may give it a meaning one day
        for line, text in patterns:
            try:
                pattern = Pattern(text)
            except (ValueError, re.error):
                raise FormatError(path, f"invalid pattern: {text}", line) from None
            if pattern.regex is None:  # a pattern that matches nothing, such as "/"
                continue
            # pathspec names a group in every expression; names must be unique in a joined one
            try:
                source = _in_linear_time(pattern.regex.pattern.replace("(?P<ps_d>", "(?:"), numbers)
            except ValueError:
                raise FormatError(path, f"too many stars in one pattern: {text[:80]}", line) from None
            rule = _Rule(line, text, bool(pattern.include), text.endswith("/"), re.compile(source).search)
            last = groups[-1][-1][0] if groups else None
            if last and last.excludes and rule.excludes and last.dirs_only == rule.dirs_only:
                groups[-1].append((rule, source))
            else:
                groups.append([(rule, source)])
        tests = []
        for group in reversed(groups):
            rule = group[0][0]
            joined = re.compile("|".join(f"(?:{source})" for _, source in group))
            tests.append(_Test(joined.search, rule.excludes, rule.dirs_only, tuple(rule for rule, _ in group)))
    return tuple(tests)


_TOKEN = re.compile(r"\(\?:\.\+/\)\?|\(\?:/\.\+\)\?|\[\^/\]\*|\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
_STAR, _FIRST, _ANY = "[^/]*", "(?:.+/)?", "(?:/.+)?"
_MAX_SPLITS = 2


def _in_linear_time(source: str, numbers: Iterator[int]) -> str:
    """An expression that matches what `source`, made by pathspec, does, but does not try every split of a name among its
    stars: up to the next star the first place that fits is taken, for no later one lets the rest match more.

    `numbers`: new ones, for groups. Python before 3.11 has no other way to never come back to a part that matched. Where a
    class matches "/", as "[!a]" does here, that holds not; raises ValueError for too many stars between such.
    """
    made: list[str] = []
    tokens = _TOKEN.findall(source)
    splits = at = 0
    while at < len(tokens):
        token, end = tokens[at], at + 1
        stops = (_ANY,) if token in (_FIRST, _ANY) else (_STAR, _FIRST, _ANY, "/", "(?:")
        if token not in (_STAR, _FIRST, _ANY):
            made.append(token)
            at = end
            continue
        while end < len(tokens) and tokens[end] not in stops and tokens[end : end + 2] != ["(", "?"]:
            end += 1
        inner = (
            "".join(tokens[at + 1 : end]) if token == _STAR else _in_linear_time("".join(tokens[at + 1 : end]), numbers)
        )
        is_followed = end < len(tokens) and tokens[end] == (_STAR if token == _STAR else _ANY)
        if is_followed and any(
            one[0] == "[" and one not in (_STAR, "[^/]") and re.match(one, "/") for one in tokens[at + 1 : end]
        ):
            splits += 1
            is_followed = False
        if splits > _MAX_SPLITS:
            raise ValueError(source)
        if not is_followed:
            made.append(token + inner)
        elif inner or token != _STAR:
            name = f"r{next(numbers)}"
            lazy, follows = {_STAR: ("[^/]*?", ""), _FIRST: ("(?:.+?/)??", "/"), _ANY: ("(?:/.+?)??", "/")}[token]
            made.append(f"(?=(?P<{name}>{lazy}{inner}){follows})(?P={name})")
        at = end
    return "".join(made)
