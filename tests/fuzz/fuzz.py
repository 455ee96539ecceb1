"""Fuzz one target by hand: `python tests/fuzz/fuzz.py TARGET --minutes 30`.

With atheris installed (`pip install '.[fuzz]'`) inputs are guided by coverage; without it they are mutations of the
corpus. What fails is written to a file, whose path is printed; `--replay FILE` runs it again.
"""

from __future__ import annotations

import argparse
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
TOO_LONG = 10
"""Seconds that one input may take; six times as many where all that is called is counted, and others may be at work."""


def corpus(target: str) -> list[bytes]:
    """The inputs that are kept for a target, in a fixed order."""
    return [path.read_bytes() for path in sorted((CORPUS / target).iterdir())]


def tokens(target: str) -> list[bytes]:
    """Words and signs out of the corpus, to build inputs of."""
    words = {word for data in corpus(target) for word in re.findall(rb"\w+|[^\w\s]+|\n *", data)}
    return sorted(words)


def mutations(seeds: list[bytes], words: list[bytes], random_: random.Random) -> Iterator[bytes]:
    """Endless changed copies of `seeds`."""
    while True:
        data = bytearray(random_.choice(seeds))
        for _ in range(random_.choice((1, 1, 1, 2, 3, 6))):
            at, to = sorted((random_.randint(0, len(data)), random_.randint(0, len(data))))
            to = min(to, at + 40)
            what = random_.randrange(7)
            if what == 0:
                del data[at:to]
            elif what == 1:
                data[at:at] = random_.choice(words)
            elif what == 2:
                data[at:to] = random_.choice(words)
            elif what == 3 and data:
                data[at % len(data)] = random_.randrange(256)
            elif what == 4:
                data[at:at] = data[at:to] * random_.choice((1, 1, 2, 30))
            elif what == 5:
                other = random_.choice(seeds)
                start = random_.randint(0, len(other))
                data[at:at] = other[start : start + random_.randint(0, 80)]
            else:
                lines = bytes(data).split(b"\n")
                line = lines.pop(random_.randrange(len(lines)))
                lines.insert(random_.randint(0, len(lines)), line)
                data = bytearray(b"\n".join(lines))
        yield bytes(data)


class TooSlow(Exception):
    """One input took longer than any honest one."""


def _alarm(_: int, frame: FrameType | None) -> None:
    raise TooSlow(f"more than {TOO_LONG} s")


def _by_mutation(target: str, seconds: float, seed: int, findings: Path) -> int:
    from targets import check

    signal.signal(signal.SIGALRM, _alarm)
    end, done, taken, failed = time.monotonic() + seconds, 0, 0, 0
    seen: set[str] = set()
    for data in mutations(corpus(target), tokens(target), random.Random(seed)):
        if time.monotonic() > end:
            break
        done += 1
        signal.alarm(TOO_LONG)
        try:
            taken += check(target, data)
        except Exception as error:
            where, trace = "", error.__traceback__
            while trace is not None:
                where, trace = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}", trace.tb_next
            if (kind := f"{type(error).__name__} {where}") not in seen:
                seen.add(kind)
                failed += 1
                path = findings / f"{target}-{len(seen)}"
                path.write_bytes(data)
                print(f"{path}: {kind}: {str(error)[:300]}", flush=True)
        finally:
            signal.alarm(0)
    print(f"{target}: {done} executions, {taken} of them taken, {failed} findings")
    return 1 if failed else 0


def _by_coverage(target: str, seconds: float, seed: int, findings: Path) -> int:
    """atheris ends its process, so it gets one of its own."""
    with tempfile.TemporaryDirectory() as folder:
        words = Path(folder, "words")
        words.write_text(
            "".join('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in tokens(target)[:2000])
        )
        grown = Path(folder, "grown")
        grown.mkdir()
        return subprocess.run(
            [
                *(sys.executable, __file__, target, "--inside"),
                *(f"-max_total_time={int(seconds)}", f"-seed={seed}", f"-timeout={6 * TOO_LONG}", f"-dict={words}"),
                *("-print_final_stats=1", "-max_len=4000", f"-artifact_prefix={findings}/{target}-", "-rss_limit_mb=2000"),
                *(str(grown), str(CORPUS / target)),
            ]
        ).returncode  # fmt: skip


def _inside(target: str, argv: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=["gitstage"]):
        import targets

    def one(data: bytes) -> None:
        targets.check(target, data)

    atheris.Setup([sys.argv[0], *argv], one)
    atheris.Fuzz()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=sorted(path.name for path in CORPUS.iterdir()))
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--engine", choices=["atheris", "mutation"], help="default: atheris if it is installed")
    parser.add_argument(
        "--findings", type=Path, default=Path(tempfile.gettempdir()), help="folder for inputs that fail"
    )
    parser.add_argument("--replay", type=Path, help="run this input, and nothing else")
    sys.path.insert(0, os.fspath(HERE))
    if "--inside" in sys.argv:
        at = sys.argv.index("--inside")
        _inside(sys.argv[1], sys.argv[at + 1 :])
    asked = parser.parse_args()
    if asked.replay:
        from targets import check

        print("taken" if check(asked.target, asked.replay.read_bytes()) else "refused")
        return 0
    engine = asked.engine
    if engine is None:
        import importlib.util

        engine = "atheris" if importlib.util.find_spec("atheris") else "mutation"
    asked.findings.mkdir(parents=True, exist_ok=True)
    run = _by_coverage if engine == "atheris" else _by_mutation
    return run(asked.target, asked.minutes * 60, asked.seed, asked.findings)


if __name__ == "__main__":
    sys.exit(main())
