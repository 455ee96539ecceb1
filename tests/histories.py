"""Histories of pipelines, made without running anything: what the commands would have written is worked out here.

Every stage joins its inputs, so the content of an output, and with it the lock and the cache, follows from the inputs.
"""

from __future__ import annotations

import copy
import json
import random
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field

from support import Repo, md5


@dataclass
class Made:
    """A stage: `deps` are paths of inputs or outputs, `params` keys of params.yaml. `out` ends in "/" for a directory of the
    files `x` and `y`. `metric`: it also writes an uncached file NAME.json."""

    deps: list[str]
    out: str
    params: list[str] = field(default_factory=list)
    metric: bool = False


@dataclass
class World:
    """A consistent state of a project in folder `prefix` ("" or "p/")."""

    inputs: dict[str, str] = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=dict)
    """Files tracked by a `.dvc` file."""
    params: dict[str, int] = field(default_factory=dict)
    stages: dict[str, Made] = field(default_factory=dict)
    other: int = 0
    prefix: str = ""

    def command(self, name: str) -> str:
        return f"join {name} {' '.join(self.stages[name].deps)}"

    def contents(self) -> dict[str, str]:
        """Every file that a run leaves: path -> text, producers first."""
        found = {**self.inputs, **self.data}
        for name, one in self.stages.items():
            text = "".join(found.get(dep) or "".join(_below(found, dep).values()) for dep in one.deps)
            text += str([self.params[key] for key in one.params])
            if one.out.endswith("/"):
                found |= {f"{one.out}x": text, f"{one.out}y": f"y of {text}"}
            else:
                found[one.out] = text
            if one.metric:
                found[f"{name}.json"] = json.dumps({"size": len(text)}) + "\n"
        return found

    def objects(self) -> dict[str, str]:
        """What the cache has to hold: digest -> text."""
        found = self.contents()
        kept = [*self.data, *(one.out for one in self.stages.values())]
        objects = {}
        for path in kept:
            for text in [found[path]] if path in found else _below(found, path).values():
                objects[md5(text)] = text
            if path.endswith("/"):
                objects[md5(self._manifest(found, path)) + ".dir"] = self._manifest(found, path)
        return objects

    @staticmethod
    def _manifest(found: dict[str, str], path: str) -> str:
        files = sorted(_below(found, path).items())
        return json.dumps([{"md5": md5(text), "relpath": name} for name, text in files], sort_keys=True)

    def _entry(self, found: dict[str, str], path: str) -> str:
        name = path.rstrip("/")
        if path in found:
            return (
                f"    - path: {name}\n      hash: md5\n      md5: {md5(found[path])}\n      size: {len(found[path])}\n"
            )
        size, count = sum(map(len, _below(found, path).values())), len(_below(found, path))
        digest = md5(self._manifest(found, path))
        return (
            f"    - path: {name}\n      hash: md5\n      md5: {digest}.dir\n      size: {size}\n      nfiles: {count}\n"
        )

    def lock_entry(self, name: str) -> str:
        found, one = self.contents(), self.stages[name]
        text = f"  {name}:\n    cmd: {self.command(name)}\n    deps:\n"
        text += "".join(self._entry(found, dep) for dep in sorted(one.deps))
        if one.params:
            text += "    params:\n      params.yaml:\n"
            text += "".join(f"        {key}: {self.params[key]}\n" for key in sorted(one.params))
        outs = sorted([one.out, *([f"{name}.json"] if one.metric else [])])
        return text + "    outs:\n" + "".join(self._entry(found, out) for out in outs)

    def lock(self) -> str:
        return "schema: '2.0'\nstages:\n" + "".join(self.lock_entry(name) for name in sorted(self.stages))

    def yaml(self) -> str:
        text = "stages:\n"
        for name, one in self.stages.items():
            text += f"  {name}:\n    cmd: {self.command(name)}\n    deps:\n"
            text += "".join(f"    - {dep.rstrip('/')}\n" for dep in one.deps)
            text += "".join(["    params:\n", *(f"    - {key}\n" for key in one.params)]) if one.params else ""
            text += f"    outs:\n    - {one.out.rstrip('/')}\n"
            text += f"    metrics:\n    - {name}.json:\n        cache: false\n" if one.metric else ""
        return text

    def files(self) -> dict[str, str]:
        """What a commit of it holds."""
        found = self.contents()
        tracked = dict(self.inputs)
        tracked |= {f"{name}.json": found[f"{name}.json"] for name, one in self.stages.items() if one.metric}
        tracked |= {
            f"{path}.dvc": f"outs:\n- md5: {md5(text)}\n  size: {len(text)}\n  hash: md5\n  path: {path}\n"
            for path, text in self.data.items()
        }
        ignored = [*self.data, *(one.out.rstrip("/") for one in self.stages.values())]
        tracked |= {
            "params.yaml": "".join(f"{key}: {value}\n" for key, value in self.params.items()) or "{}\n",
            "dvc.yaml": self.yaml(),
            "dvc.lock": self.lock(),
            ".gitignore": "".join(f"/{path}\n" for path in ignored),
            ".dvc/config": "",
            ".dvc/.gitignore": "/config.local\n/tmp\n/cache\n",
            "README": f"{self.other}\n",
        }
        return {self.prefix + path: text for path, text in tracked.items()}


def _below(found: dict[str, str], folder: str) -> dict[str, str]:
    """The files of a directory, by their path below it."""
    start = folder.rstrip("/") + "/"
    return {name[len(start) :]: text for name, text in found.items() if name.startswith(start)}


def first_world(prefix: str = "") -> World:
    """Sources and data, a chain of stages, a directory of which one file is read, parameters, a metric."""
    return World(
        inputs={f"in{n}": f"{n}\n" for n in range(4)} | {"src/one": "one\n", "src/two": "two\n"},
        data={"raw": "raw\n"},
        params={"alpha": 1, "beta": 2, "gamma": 3},
        stages={
            "prepare": Made(["raw", "in0", "src"], "tables/"),
            "train": Made(["tables/x", "in1"], "model", ["alpha", "beta"]),
            "score": Made(["model", "tables/"], "report", metric=True),
            "alone": Made(["in2"], "copy"),
        },
        prefix=prefix,
    )


def next_world(world: World, choose: random.Random) -> tuple[World, str]:
    """Another consistent state, and what was done."""
    made = copy.deepcopy(world)
    what = choose.choice(
        ["input", "input", "data", "parameter", "other", "add", "remove", "source", "describe", "swap"]
    )
    number = choose.randrange(10**6)
    if what == "input":
        made.inputs[choose.choice([name for name in made.inputs if name.startswith("in")])] = f"{number}\n"
    elif what == "data":
        made.data["raw"] = f"raw {number}\n"
    elif what == "parameter":
        made.params[choose.choice([*made.params])] = number
    elif what == "other":
        made.other = number
    elif what == "add":
        made.stages[f"more{number}"] = Made([choose.choice(["in3", "model", "tables/y", "src/two"])], f"out{number}")
    elif what == "remove":
        for name in [name for name in made.stages if name.startswith("more")][:1]:
            del made.stages[name]
    elif what == "source":
        made.inputs[f"src/f{number % 3}"] = f"{number}\n"
    elif what == "describe":
        made.stages["alone"].deps = ["in2", *choose.sample(["in3", "in1"], 1)]
    else:
        made.stages["alone"].params = choose.sample(["alpha", "beta", "gamma"], choose.randrange(3))
    return made, what


def worlds(count: int, seed: int = 1, prefix: str = "") -> list[World]:
    choose = random.Random(seed)
    found = [first_world(prefix)]
    while len(found) < count:
        found.append(next_world(found[-1], choose)[0])
    return found


def put_objects(repo: Repo, worlds: Iterable[World]) -> None:
    """Fill the cache."""
    for world in worlds:
        for digest, text in world.objects().items():
            path = repo.path / world.prefix / ".dvc/cache/files/md5" / digest[:2] / digest[2:]
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
                path.chmod(0o444)


def put_commits(repo: Repo, states: Iterable[dict[str, str]], branch: str = "main") -> list[str]:
    """One commit for each state of the files, on top of each other, without a hook; their ids."""
    lines: list[bytes] = []
    count = 0
    for number, files in enumerate(states, 1):
        count = number
        lines.append(
            f"commit refs/heads/{branch}\nmark :{number}\ncommitter A <a@example.com> {1500000000 + number} +0000\n".encode()
        )
        lines.append(f"data 4\nc{number:03}\ndeleteall\n".encode())
        for path, text in files.items():
            data = text.encode()
            lines.append(f"M 100644 inline {path}\ndata {len(data)}\n".encode() + data + b"\n")
    lines.append(b"".join(f"get-mark :{number}\n".encode() for number in range(1, count + 1)))
    got = subprocess.run(
        ["git", "fast-import", "--quiet", "--force", "--cat-blob-fd=1"],
        cwd=repo.path, env=repo.env, input=b"".join(lines), capture_output=True, check=True,
    )  # fmt: skip
    return got.stdout.decode().split()
