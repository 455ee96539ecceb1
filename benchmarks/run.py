"""What gitstage costs beside DVC and beside the bare commands that do the same work.

python benchmarks/run.py [--only WORD ...] [--where FOLDER] [--scale F] [--json FILE]

Each workload runs gitstage, real DVC and the physical limit (cp, md5sum, find, sh) in turn and prints the median ratio.
`--where`: the folder to work in (a disk, or tmpfs such as /dev/shm); `--scale 0.1` makes everything smaller.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from harness import Program, Row, Step, compare, environment, machine, save, table

WORKLOADS: dict[str, Callable[[Bench], Iterator[Row]]] = {}
SELDOM: set[str] = set()


class Bench:
    """A scratch folder, the environment, and how big things are."""

    def __init__(self, folder: Path, scale: float) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.scale = folder, scale
        self.env = environment(folder / "home")
        self._made = 0

    def count(self, number: int) -> int:
        return max(2, int(number * self.scale))

    def sh(self, command: str, cwd: Path) -> None:
        done = subprocess.run(["/bin/sh", "-c", command], cwd=cwd, env=self.env, capture_output=True, text=True)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    def place(self) -> Path:
        self._made += 1
        place = self.folder / str(self._made)
        place.mkdir()
        return place

    def project(self, config: str = "", files: Mapping[str, str] | None = None) -> Path:
        """A new repository with a project; `config`: more lines of .dvc/config."""
        place = self.place()
        self.sh("git init -q . && git-stage init -q --no-hooks", place)
        with open(place / ".dvc/config", "a", encoding="utf-8") as stream:
            stream.write(config)
        for name, text in (files or {}).items():
            (place / name).write_text(text)
        return place

    def twins(self, config: str = "", files: Mapping[str, str] | None = None) -> tuple[Path, Path]:
        """Two equal projects, one for gitstage and one for DVC."""
        return self.project(config, files), self.project(config, files)


def workload(function: Callable[[Bench], Iterator[Row]]) -> Callable[[Bench], Iterator[Row]]:
    WORKLOADS[function.__name__.replace("_", "-")] = function
    return function


def seldom(function: Callable[[Bench], Iterator[Row]]) -> Callable[[Bench], Iterator[Row]]:
    """A workload that takes long, and is run only if asked for."""
    SELDOM.add(function.__name__.replace("_", "-"))
    return workload(function)


def many_files(folder: Path, count: int, size: int, seed: int = 0) -> None:
    """`count` files of `size` bytes, all different, 100 to a folder."""
    for number in range(count):
        place = folder / f"{number // 100:05d}"
        if number % 100 == 0:
            place.mkdir(parents=True, exist_ok=True)
        head = b"%d %d\n" % (seed, number)
        (place / f"{number:07d}").write_bytes((head * (size // len(head) + 1))[:size])


@workload
def start(bench: Bench) -> Iterator[Row]:
    here = bench.place()
    for option in ("--version", "--help"):
        programs = {
            "git-stage": Program(["git-stage", option], here),
            "python": Program([sys.executable, "-c", "pass"], here),
        }
        row = compare(f"`{option}`", programs, bench.env, against="python", rounds=15)
        more = 1000 * (row.cost["git-stage"].cpu - row.cost["python"].cpu)
        row.notes.append(f"{more:.0f} ms more than Python alone (must be at most 40)")
        yield row


@workload
def status(bench: Bench) -> Iterator[Row]:
    place = bench.project()
    bench.sh("echo 1 >data; git-stage add -q data; git-stage run -q -n copy -d data -o out 'cp data out'", place)
    programs = {"git-stage": Program(["git-stage", "status"], place), "dvc": Program(["dvc", "status"], place)}
    yield compare("`status`, small project", programs, bench.env, against="dvc", bound=1 / 6, rounds=15)


def chain(count: int) -> str:
    """A dvc.yaml of `count` stages, each of which copies the file that the one before made."""
    stages = [f"  s{n}:\n    cmd: cp f{n} f{n + 1}\n    deps: [f{n}]\n    outs: [f{n + 1}]\n" for n in range(count)]
    return "stages:\n" + "".join(stages)


@workload
def repro(bench: Bench) -> Iterator[Row]:
    count = bench.count(100)
    files = {"dvc.yaml": chain(count), "f0": "1\n"}
    ours, theirs = bench.twins(files=files)
    bare = bench.place()
    (bare / "f0").write_text("1\n")
    commands = "\n".join(f"/bin/sh -c 'cp f{n} f{n + 1}'" for n in range(count))
    (bare / "all").write_text(commands)

    def change(place: Path) -> Callable[[], None]:
        def step() -> None:
            change.n += 1  # type: ignore[attr-defined]
            (place / "f0").write_text(f"{change.n}\n")  # type: ignore[attr-defined]

        return step

    change.n = 0  # type: ignore[attr-defined]
    programs = {
        "git-stage": Program(["git-stage", "repro", "-q"], ours, change(ours)),
        "dvc": Program(["dvc", "repro", "-q"], theirs, change(theirs)),
        "sh": Program("sh all", bare, change(bare)),
    }
    row = compare(f"`repro`, {count} stages, all run", programs, bench.env, against="dvc", seldom={"dvc": 1}, rounds=3)
    own = row.cost["git-stage"].cpu - row.cost["sh"].cpu
    others = row.cost["dvc"].cpu - row.cost["sh"].cpu
    row.notes.append(
        f"beyond the commands: {1000 * own / count:.1f} ms a stage (must be at most 8), 1/{others / own:.0f} of DVC's"
    )
    yield row
    programs = {"git-stage": Program(["git-stage", "repro"], ours), "dvc": Program(["dvc", "repro"], theirs)}
    yield compare(
        f"`repro`, {count} stages, nothing to do", programs, bench.env, against="dvc", bound=1 / 20, seldom={"dvc": 3}
    )

    more = bench.count(1000)
    large = bench.project(files={"dvc.yaml": chain(more), "f0": "1\n"})
    bare = bench.place()
    (bare / "f0").write_text("1\n")
    (bare / "all").write_text("\n".join(f"/bin/sh -c 'cp f{n} f{n + 1}'" for n in range(more)))
    programs = {"git-stage": Program(["git-stage", "repro", "-q"], large, change(large)), "sh": Program("sh all", bare)}
    row = compare(f"`repro`, {more} stages, all run", programs, bench.env, against="sh", rounds=1, warm=0)
    own = row.cost["git-stage"].cpu - row.cost["sh"].cpu
    row.notes.append(f"beyond the commands: {1000 * own / more:.1f} ms a stage (must be at most 8)")
    yield row
    programs = {
        "git-stage": Program(["git-stage", "repro"], large),
        "python": Program([sys.executable, "-c", "pass"], large),
    }
    row = compare(f"`repro`, {more} stages, nothing to do", programs, bench.env, against="python")
    row.notes.append(f"{row.cost['git-stage'].cpu:.2f} s (must be at most 0.6)")
    yield row


def gone(place: Path, name: str = "d") -> Step:
    """Before a run: what it makes is not there."""

    def step() -> None:
        if (place / name).exists():
            shutil.rmtree(place / name)
        os.sync()

    return step


def fresh(source: Path, place: Path) -> Step:
    """Before a run: folder `d` is a new copy of `source`, and nothing was ever added."""

    def step() -> None:
        shutil.rmtree(place / ".dvc/cache", ignore_errors=True)
        for name in ("d", "e"):
            gone(place, name)()
        for name in ("d.dvc", ".gitignore"):
            (place / name).unlink(missing_ok=True)
        shutil.copytree(source, place / "d")
        os.sync()

    return step


LINKS = {"copy": ("cp -r", 1.5, 1.3), "hardlink": ("cp -al", 2.0, 2.5), "symlink": ("cp -rs", None, 1.5)}


@workload
def small_files(bench: Bench) -> Iterator[Row]:
    count = bench.count(5000)
    source = bench.place() / "d"
    many_files(source, count, 4096)
    for kind, (copy, add_bound, checkout_bound) in LINKS.items():
        ours, theirs = bench.twins(f"[cache]\n    type = {kind}\n")
        bare = bench.place()

        if add_bound is not None:
            limit = f"find d -type f -exec md5sum {{}} + >sums; {copy} $PWD/d e"
            programs = {
                "git-stage": Program(["git-stage", "add", "-q", "d"], ours, fresh(source, ours)),
                "dvc": Program(["dvc", "add", "-q", "d"], theirs, fresh(source, theirs)),
                "limit": Program(limit, bare, fresh(source, bare)),
            }
            yield compare(
                f"`add`, {count} x 4 kB, {kind} (limit: md5sum, {copy})", programs, bench.env,
                against="limit", bound=add_bound, figure="wall", seldom={"dvc": 1}, rounds=3,
            )  # fmt: skip
        else:
            fresh(source, ours)()
            fresh(source, bare)()
            bench.sh("git-stage add -q d", ours)
            fresh(source, theirs)()
            bench.sh("dvc add -q d", theirs)

        programs = {
            "git-stage": Program(["git-stage", "checkout", "-q"], ours, gone(ours)),
            "dvc": Program(["dvc", "checkout", "-q"], theirs, gone(theirs)),
            "limit": Program(f"{copy} $PWD/d e", bare, gone(bare, "e")),
        }
        yield compare(
            f"`checkout`, {count} x 4 kB, {kind} (limit: {copy})", programs, bench.env,
            against="limit", bound=checkout_bound, figure="wall", seldom={"dvc": 1}, rounds=3,
        )  # fmt: skip
        if kind == "copy":

            def touch(place: Path) -> Callable[[], None]:
                def step() -> None:
                    path = place / "d/00000/0000007"
                    text = os.urandom(8).hex() + "\n"
                    path.unlink()
                    path.write_text(text)

                return step

            programs = {
                "git-stage": Program(["git-stage", "add", "-q", "d"], ours, touch(ours)),
                "dvc": Program(["dvc", "add", "-q", "d"], theirs, touch(theirs)),
            }
            yield compare(
                f"`add`, 1 of {count} changed", programs, bench.env, against="dvc", bound=1 / 10, seldom={"dvc": 2}
            )


@workload
def versions(bench: Bench) -> Iterator[Row]:
    count = bench.count(10000)
    place = bench.project()
    many_files(place / "d", count, 1000)
    bench.sh("git-stage add -q d && cp d.dvc one", place)
    for number in range(10):
        path = place / f"d/{number:05d}/{number * 100:07d}"
        path.unlink()
        path.write_text(f"another {number}\n")
    bench.sh("git-stage add -q d && cp d.dvc two", place)

    def turn() -> None:
        turn.n += 1  # type: ignore[attr-defined]
        shutil.copyfile(place / ("one" if turn.n % 2 else "two"), place / "d.dvc")  # type: ignore[attr-defined]

    turn.n = 0  # type: ignore[attr-defined]

    def settle() -> None:
        bench.sh("git-stage checkout -q", place)

    programs = {
        "git-stage": Program(["git-stage", "checkout", "-q"], place, turn),
        "status": Program(["git-stage", "status"], place, settle),
    }
    yield compare(f"`checkout`, 10 of {count} differ", programs, bench.env, against="status", bound=2)


@workload
def large_folder(bench: Bench) -> Iterator[Row]:
    count = bench.count(100_000)
    place = bench.project("[cache]\n    type = hardlink\n")
    many_files(place / "d", count, 20)
    row_programs = {
        "git-stage": Program(["git-stage", "add", "-q", "d"], place),
        "find": Program("find d -printf '%p %s %T@ %i\\n'", place),
    }
    row = compare(f"`add`, {count} files, hardlink", row_programs, bench.env, against="find", rounds=1, warm=0)
    row.notes.append(f"{row.cost['git-stage'].memory / count:.0f} bytes of memory a file")
    yield row
    programs = {
        "git-stage": Program(["git-stage", "status"], place),
        "find": Program("find d -printf '%p %s %T@ %i\\n'", place),
    }
    row = compare(f"`status`, {count} files, unchanged", programs, bench.env, against="find", bound=3, figure="wall")
    row.notes.append(f"{row.cost['git-stage'].memory / count:.0f} bytes of memory a file (must be below 1,000)")
    yield row


def large_file(path: Path, size: int, number: int, block: bytes) -> None:
    """A file of `size` bytes (of whole megabytes) that no other has anything of."""
    with open(path, "wb") as out:
        for part in range(0, size, 1 << 20):
            out.write((block[part >> 20 & 0xFFF :] + b"%d %d" % (number, part)).ljust(1 << 20)[: 1 << 20])


def add_and_checkout(bench: Bench, source: Path, what: str, bound: float | None, *, dvc: bool) -> Iterator[Row]:
    """What `add` and `checkout` of the folder `source` cost beside md5sum (2 processes) and cp."""
    ours, bare = bench.project("[cache]\n    type = copy\n"), bench.place()
    theirs = bench.project("[cache]\n    type = copy\n") if dvc else bare
    limit = "find d -type f -print0 | xargs -0 -P 2 -n 500 md5sum >sums; cp -r d e"
    add = {
        "git-stage": Program(["git-stage", "add", "-q", "d"], ours, fresh(source, ours)),
        "limit": Program(limit, bare, fresh(source, bare)),
    }
    checkout = {
        "git-stage": Program(["git-stage", "checkout", "-q"], ours, gone(ours, "d")),
        "limit": Program("cp -r d e", bare, gone(bare, "e")),
    }
    if dvc:
        add["dvc"] = Program(["dvc", "add", "-q", "d"], theirs, fresh(source, theirs))
        checkout["dvc"] = Program(["dvc", "checkout", "-q"], theirs, gone(theirs, "d"))
    for verb, programs in (("add", add), ("checkout", checkout)):
        row = compare(
            f"`{verb}`, {what}, copy", programs, bench.env,
            against="limit", bound=bound, figure="wall", rounds=3, seldom={"dvc": 1},
        )  # fmt: skip
        row.notes.append(f"{row.cost['git-stage'].memory >> 20} MiB of memory")
        yield row


@workload
def large_files(bench: Bench) -> Iterator[Row]:
    size = max(bench.count(512), 1) << 20
    source, block = bench.place(), os.urandom(1 << 20)
    for number in range(4):
        large_file(source / f"f{number}", size, number, block)
    yield from add_and_checkout(bench, source, f"4 x {size >> 20} MB", 1.15, dvc=False)


@seldom
def dud(bench: Bench) -> Iterator[Row]:
    """The workloads that dud publishes figures of: 20,000 files of 100 kB, and four files of 1 GB."""
    count, size = bench.count(20_000), max(bench.count(1024), 1) << 20
    source, block = bench.place() / "d", os.urandom(1 << 20)
    many_files(source, count, 100_000)
    yield from add_and_checkout(bench, source, f"{count} x 100 kB", None, dvc=True)
    shutil.rmtree(source)
    source = bench.place()
    for number in range(4):
        large_file(source / f"f{number}", size, number, block)
    yield from add_and_checkout(bench, source, f"4 x {size >> 20} MB", None, dvc=True)


@seldom
def million(bench: Bench) -> Iterator[Row]:
    """A million files in one output, and how much memory and time each takes."""
    count = bench.count(1_000_000)
    place, remote = bench.project("[cache]\n    type = hardlink\n"), bench.place()
    many_files(place / "d", count, 20)
    bench.sh(f"git-stage remote add -q -d r {remote}", place)
    find = Program("find d -printf '%p %s %T@ %i\\n'", place)
    for verb, argv, before in (
        ("add", ["git-stage", "add", "-q", "d"], None),
        ("status", ["git-stage", "status"], None),
        ("push", ["git-stage", "push", "-q"], None),
        ("checkout", ["git-stage", "checkout", "-q"], gone(place, "d")),
    ):
        programs = {"git-stage": Program(argv, place, before), "find": find}
        row = compare(f"`{verb}`, {count} files", programs, bench.env, against="find", figure="wall", rounds=1, warm=0)
        row.notes.append(f"{row.cost['git-stage'].memory / count:.0f} bytes of memory a file (must be below 1,000)")
        yield row


@workload
def parallel(bench: Bench) -> Iterator[Row]:
    stages = "".join(f"  s{n}:\n    cmd: sleep 2; echo {n} >o{n}\n    deps: [f]\n    outs: [o{n}]\n" for n in range(8))
    files = {"dvc.yaml": "stages:\n" + stages, "f": "1\n"}
    many, one = bench.twins(files=files)

    def forget(place: Path) -> Callable[[], None]:
        def step() -> None:
            (place / "dvc.lock").unlink(missing_ok=True)
            shutil.rmtree(place / ".dvc/cache", ignore_errors=True)

        return step

    programs = {
        "git-stage": Program(["git-stage", "repro", "-q", "-j8"], many, forget(many)),
        "-j1": Program(["git-stage", "repro", "-q", "-j1"], one, forget(one)),
    }
    row = compare(
        "8 stages of `sleep 2`, `-j8`",
        programs,
        bench.env,
        against="-j1",
        bound=3.5 / 16,
        figure="wall",
        rounds=1,
        warm=0,
    )
    same = (many / "dvc.lock").read_bytes() == (one / "dvc.lock").read_bytes()
    row.notes.append("dvc.lock is the same, byte for byte" if same else "dvc.lock DIFFERS")
    yield row


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", nargs="*", choices=WORKLOADS, default=[name for name in WORKLOADS if name not in SELDOM]
    )
    parser.add_argument("--where")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--json")
    asked = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=asked.where) as folder:
        for name in asked.only:
            print(f"{name} ...", file=sys.stderr)
            bench = Bench(Path(folder, name), asked.scale)
            bench.folder.mkdir(exist_ok=True)
            for row in WORKLOADS[name](bench):
                rows.append(row)
                print(table([row]).splitlines()[2:], file=sys.stderr)
            shutil.rmtree(bench.folder)
    print(machine(), "", table(rows), sep="\n")
    if asked.json:
        save(rows, asked.json)
    return 0 if all(row.holds is not False for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
