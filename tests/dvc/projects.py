"""Small random projects with a history, for comparing what two tools say of them."""

from __future__ import annotations

import json
import random
from typing import Any

from support import Repo

WORDS = ("alpha", "beta", "gamma", "delta", "a b", "ö", "x-y", "n_1")


def build(repo: Repo, seed: int) -> list[str]:
    """Give an initialised project two commits and open changes; returns the stages' names."""
    made = _Project(repo, random.Random(seed))
    made.describe()
    made.commit("one")
    repo.git("tag", "v1")
    made.edit()
    made.commit("two")
    repo.git("tag", "-a", "-m", "x", "v2")
    repo.git("branch", "other", "HEAD~1")
    made.edit()
    made.disturb()
    return made.names


class _Project:
    def __init__(self, repo: Repo, rng: random.Random) -> None:
        self.repo, self.rng, self.names = repo, rng, list[str]()

    # -- the pipeline --------------------------------------------------------------------------------------

    def describe(self) -> None:
        rng, repo = self.rng, self.repo
        params = {
            "lr": 0.1,
            "train": {"epochs": 3, "name": "a", "list": [1, 2], "one": [4], "none": None},
            "items": ["p", "q"],
        }
        repo.write({"params.yaml": json.dumps(params), "more.json": json.dumps({"k": 1, "n": {"m": 2.5}})})
        repo.write(
            {"values.yaml": "deep: {one: 1, two: [7, 8]}\nflag: true\n", "conf.toml": 'opt = "adam"\n[a]\nb = 1\n'}
        )
        repo.write({"conf.py": "SIZE = 5\nclass Net:\n    layers = 3\n"})
        repo.write({"base/in.txt": "in\n", "base/deep/f": "f\n", "top.csv": _table(rng), "conf.csv": _classes(rng)})
        table = rng.choice(["top", "conf"])
        stages: dict[str, Any] = {
            "first": {
                "cmd": "mkdir -p made && cp base/in.txt made/in && echo ${lr} > made/lr",
                "deps": ["base"],
                "params": rng.choice([["lr"], ["lr", "train.epochs"], ["lr", {"conf.toml": []}]]),
                "outs": ["made"],
            },
            "second": {
                "cmd": f"cp made/in two.txt && cp numbers.json m.json && cp {table}.csv p.csv",
                "deps": [rng.choice(["made", "made/in"]), "numbers.json"],
                "params": [{"more.json": ["k"]}, {"conf.py": ["SIZE", "Net.layers"]}],
                "outs": [{"two.txt": {"persist": True}}],
                "metrics": [{"m.json": {"cache": False}} if rng.random() < 0.5 else "m.json"],
                "plots": [{"p.csv": rng.choice([{}, {"x": "step"}, {"title": "T", "template": "simple"}])}],
            },
        }
        self.names = ["first", "second"]
        if rng.random() < 0.6:
            stages["each"] = {
                "foreach": rng.choice(["${items}", ["u", "v"], {"k1": 1, "k2": 2}]),
                "do": {"cmd": "echo ${item} ${deep.one} > each_${item}", "deps": ["made"], "outs": ["each_${item}"]},
            }
        if rng.random() < 0.5:
            stages["grid"] = {
                "matrix": {"a": "${deep.two}", "b": ["s", "t"]},
                "cmd": "echo ${item.a} ${item.b} > g_${item.a}_${item.b}",
                "deps": ["two.txt"],
                "outs": ["g_${item.a}_${item.b}"],
            }
        if rng.random() < 0.4:
            stages["always"] = {"cmd": "echo x", "always_changed": True}
        if rng.random() < 0.4:
            repo.write({"still": "f\n"})
            stages["still"] = {"cmd": "echo f > still", "frozen": True, "deps": ["two.txt"], "outs": ["still"]}
        top: dict[str, Any] = {"vars": ["values.yaml"], "stages": stages}
        if rng.random() < 0.7:
            top["metrics"] = ["numbers.yaml"]
        if rng.random() < 0.7:
            top["params"] = ["more.json"]
        if rng.random() < 0.8:
            top["plots"] = rng.sample(
                [
                    {"top.csv": {"x": "step", "y": "acc"}},
                    {"joined": {"x": "step", "y": {"top.csv": ["acc", "loss"]}, "title": "Joined"}},
                    {"matrix": {"template": "confusion", "x": "actual", "y": {"conf.csv": "predicted"}}},
                    "series.json",
                    "picture.png",
                    {"apart": {"x": {"top.csv": "step"}, "y": {"series.json": "value", "top.csv": "loss"}}},
                ],
                rng.randint(1, 6),
            )
        files = {"numbers.json": _numbers(rng), "numbers.yaml": _numbers(rng), "series.json": _series(rng)}
        repo.write({"dvc.yaml": json.dumps(top), "picture.png": b"\x89PNG\r\n\x1a\n" + rng.randbytes(20), **files})
        if rng.random() < 0.5:
            inner = {"stages": {"inner": {"cmd": "cp ../two.txt out", "deps": ["../two.txt"], "outs": ["out"]}}}
            repo.write(
                {"sub/dvc.yaml": json.dumps({**inner, "metrics": ["m.yaml"]}), "sub/m.yaml": "v: 1\nw: {x: 2.5}\n"}
            )
            self.names.append("sub/dvc.yaml:inner")
        data = ["raw.bin", *rng.sample(["data", "d b"], rng.randint(1, 2))]
        repo.write({"raw.bin": rng.randbytes(9)})
        for folder in data[1:]:
            repo.write({f"{folder}/{name}": f"{name}{rng.random()}\n" for name in rng.sample(WORDS, 4)})
            repo.write({f"{folder}/in/ner": "n\n"})
        repo.stage("add", "-q", *data, check=True)
        if rng.random() < 0.3:
            repo.append(".dvcignore", "*.tmp\n")

    def commit(self, message: str) -> None:
        self.repo.stage("repro", "-q", "-P", check=True)
        self.repo.commit(message)

    # -- changes -------------------------------------------------------------------------------------------

    def edit(self) -> None:
        """Change some inputs, parameters, metrics and tracked data."""
        rng, repo = self.rng, self.repo
        params = json.loads(repo.read("params.yaml"))
        if rng.random() < 0.7:
            params["lr"] = rng.choice([0.2, 0.3, 1])
        if rng.random() < 0.5:
            params["train"]["epochs"] += 1
            params["train"]["list"].append(9)
        if rng.random() < 0.3:
            params["train"].pop("name", None)
        texts = {
            "params.yaml": json.dumps(params),
            "more.json": json.dumps({"k": rng.randint(1, 3), "n": {"m": 2.5, "o": "t"}}),
            "values.yaml": f"deep: {{one: {rng.randint(1, 3)}, two: [7, 8]}}\nflag: true\n",
            "numbers.json": _numbers(rng),
            "numbers.yaml": _numbers(rng),
            "top.csv": _table(rng),
            "series.json": _series(rng),
            "base/in.txt": f"in{rng.random()}\n",
        }
        for path in rng.sample(list(texts), rng.randint(2, 6)):
            repo.write({path: texts[path]})
        for folder in ("data", "d b"):
            if repo.exists(folder) and rng.random() < 0.7:
                names = sorted(p.name for p in (repo.path / folder).iterdir() if p.is_file())
                repo.write({f"{folder}/{names[0]}": f"{rng.random()}\n", f"{folder}/new{rng.randint(1, 9)}": "new\n"})
                if len(names) > 2:
                    (repo.path / folder / names[1]).rename(repo.path / folder / f"moved{rng.randint(1, 9)}")
                    repo.remove(f"{folder}/{names[2]}")

    def disturb(self) -> None:
        """Changes that no commit has: untracked files, lost and edited outputs, data recorded but not committed."""
        rng, repo = self.rng, self.repo
        if rng.random() < 0.5:
            repo.write({"untracked": "u\n", "base/deep/g": "g\n"})
        if rng.random() < 0.3:
            repo.remove("raw.bin")
        if rng.random() < 0.3:
            repo.write({"made/in": "edited\n", "made/more": "m\n"})
        elif rng.random() < 0.3:
            repo.remove("made")
        if rng.random() < 0.4:
            repo.stage("add", "-q", "data" if repo.exists("data") else "d b", check=True)
        if rng.random() < 0.2:
            repo.write({"numbers.yaml": "not: [valid\n"})


def _numbers(rng: random.Random) -> str:
    found: dict[str, Any] = {"acc": round(rng.random(), 6), "n": {"f": rng.randint(0, 3), "s": rng.choice(["x", "y"])}}
    extra = {"flag": rng.random() < 0.5, "list": [1, 2], "none": None, "big": 1e20, "neg": -0.5, "empty": {}, "1": 2}
    found.update({key: extra[key] for key in rng.sample(list(extra), 3)})
    return json.dumps(found)


def _table(rng: random.Random) -> str:
    return "step,acc,loss\n" + "".join(f"{step},{rng.random():.3f},{rng.random():.3f}\n" for step in range(4))


def _classes(rng: random.Random) -> str:
    return "actual,predicted\n" + "".join(f"{rng.choice('abc')},{rng.choice('abc')}\n" for _ in range(6))


def _series(rng: random.Random) -> str:
    return json.dumps({"runs": [{"at": step, "value": round(rng.random(), 3)} for step in range(4)]})
