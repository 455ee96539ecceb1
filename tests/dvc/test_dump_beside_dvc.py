"""The same random documents written by `formats.dump` and by DVC's own serialiser: the same bytes, unless DVC's are lossy."""

from __future__ import annotations

import random
import warnings

import pytest
from dvc.utils import serialize

from gitstage import formats
from gitstage.errors import FormatError

WORDS = "abcxyz019"
PUNCTUATION = "-:#'\"{}[]!&*|>%@`,?=~\\.$/()<;+_^"
BEYOND_ASCII = "éßλЖ日本😀\xa0\u3000\ufffd"
CONTROLS = "\t\n\r\0\a\b\v\f\x1b\x7f\x80\ufeff"
FIXED = [
    *"yes no null ~ true 1 1.5 1e5 0x1F 12:30 2001-01-01 2001-1-1 = << - ? : --- ... 010 0o17 -_ 1_ ._5 .5e5".split(),
    *"-.inf .nan 0b1 +12e03 1. y N TRUE tRue 2001-01-01T10:00:00Z".split(),
    *("", " ", "  ", "a b ", " a", "--- a", "2001-1-1 10:00:00"),
]


class Documents:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.shared = [[1, "a"], {"k": 1, "v": [2]}, [], {}]

    def document(self):
        self.shared = [type(value)(value) for value in self.shared]
        return {self.key(): self.value() for _ in range(self.random.randrange(1, 5))}

    def word(self) -> str:
        return "".join(self.random.choice(WORDS) for _ in range(self.random.choice([1, 2, 3, 5, 8, 12, 30])))

    def text(self) -> str:
        pick, kind, mode = self.random.choice, self.random.random(), self.random.random()
        if kind < 0.4:
            return pick(FIXED) if kind < 0.2 else self.word()
        parts = []
        for _ in range(pick([1, 2, 4, 8, 16, 30, 60])):
            part = self.random.random()
            if mode < 0.4 or part < 0.6:
                parts.append(self.word())
            elif part < 0.8:
                parts.append(pick(PUNCTUATION) + pick(["", self.word()]))
            else:
                parts.append(pick(CONTROLS) if mode > 0.85 else pick(BEYOND_ASCII) + self.word())
            parts.append(
                " " if self.random.random() < 0.85 else pick(["", "  ", "   ", "'", "\n" if mode > 0.8 else ""])
            )
        text = "".join(parts)
        return text.strip() if self.random.random() < 0.85 else text

    def key(self):
        kind = self.random.random()
        if kind < 0.6:
            return self.word()
        if kind < 0.65:
            return self.random.choice([None, True, 1, 1.5, -3])
        return self.word() * self.random.choice([1, 9, 20]) if kind < 0.75 else self.text()

    def value(self, depth: int = 0):
        kind = self.random.random()
        if depth < 4 and kind < 0.15:
            return {self.key(): self.value(depth + 1) for _ in range(self.random.randrange(5))}
        if depth < 4 and kind < 0.3:
            return [self.value(depth + 1) for _ in range(self.random.randrange(5))]
        if kind < 0.45:
            return self.random.choice([None, True, False, 0, -1, self.random.randrange(10**9), 10**20])
        if kind < 0.52:
            power = 10.0 ** self.random.randrange(-30, 30)
            return self.random.choice(
                [self.random.random() * power, float("inf"), -float("inf"), -0.0, 1e16, 1e-5, 100.0]
            )
        return self.random.choice(self.shared) if kind < 0.54 else self.text()


@pytest.mark.parametrize("seed", range(4))
def test_the_same_bytes_as_dvc(seed):
    documents, lossy = Documents(seed), 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(250):
            value = documents.document()
            ours, theirs = formats.dump(value), serialize.dumps_yaml(value)
            assert repr(formats.load(ours, "f")) == repr(value)
            if ours != theirs:
                assert _read(theirs) != repr(value), theirs
                lossy += 1
    assert lossy < 100


def _read(text: str) -> str | None:
    try:
        return repr(formats.load(text, "f"))
    except FormatError:
        return None


@pytest.mark.parametrize("seed", range(4))
def test_dvc_reads_back_what_we_write(seed):
    documents = Documents(100 + seed)
    for _ in range(60):
        value = documents.document()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert repr(serialize.parse_yaml(formats.dump(value), "f")) == repr(value)
