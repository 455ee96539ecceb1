"""Random projects and what is done with them, from a seed: plain values, so that they can be cut down and printed.

A step is a map with `op`:

    write     path, text, mode?      replace a file (a new inode, parents made)
    append    path, text             to a file, if it is there
    delete    path                   a file or folder, if it is there
    chmod     path, mode
    pipelines stages, extras         write the dvc.yaml of every folder: `stages` is a list of
                                     {folder, name, entry}, `extras` folder -> other top-level keys
    git       argv                   in the root
    tool      argv, cwd?             a verb of dvc, in dvc's words
"""

from __future__ import annotations

import copy
import os
import posixpath
import random
import shlex
from typing import Any

Step = dict[str, Any]

PLAIN_NAMES = ["a", "b", "c", "raw", "part", "x1", "model", "feats", "clean", "report", "q-r", "n_m", "v.1"]
ODD = ["a b", "#x", "[x]", "!not", "a*b", "q?", "grün", "日本", "it's", "x=y", "p+q", "~t", "$d", "%41", "t,b"]
SUFFIXES = ["", ".txt", ".csv", ".bin", ".d"]
TEXTS = ["one\n", "two\n", "", "no newline", "a\nb\nc\n", "crlf\r\nx\r\n", "\tindent\n", "ünï\n", "0\n" * 50]
VALUES: list[Any] = [
    *(0.1, 0.01, 1e-5, 1, 3, 10, True, False, "adam", "yes", "1e5", "010", "a b", None, 2.50, -7, "", "x: y", "#n"),
    *([1, 2], ["a", "b c"], {"k": 1, "z": [1, {"w": 2}]}, []),
]
REPRO = (
    *("-f", "-s", "-p", "-P", "--downstream", "--force-downstream", "-k", "--ignore-errors", "--dry", "--no-commit"),
    *("--no-run-cache", "--allow-missing", "-R", "-f -s", "-P -k", "--glob"),
)


def scenario(seed: int) -> list[Step]:
    """The steps of a seed; always the same ones."""
    return _Writer(random.Random(seed)).all()


class _Writer:
    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.steps: list[Step] = []
        self.files: list[str] = []  # written by the user and read by stages
        self.folders: list[str] = []
        self.data: list[str] = []  # tracked with `add`
        self.stages: list[dict[str, Any]] = []
        self.extras: dict[str, dict[str, Any]] = {}
        self.outs: list[tuple[str, bool]] = []  # path, is a folder
        self.labels: list[str] = []
        self.taken: set[str] = set()
        self.params: dict[str, dict[str, Any]] = {}
        self.branches = ["main"]
        self.added = 0
        self.homes = [""]
        if self.once(0.4):
            self.homes.append(self.pick(["sub", "sub dir", "deep/er"]))
        self.executables = True
        self.oddness = self.pick([0, 0.1, 0.4])

    # Chance

    def pick(self, values: Any) -> Any:
        return self.chance.choice(list(values))

    def once(self, probability: float) -> bool:
        return self.chance.random() < probability

    def some(self, values: Any, most: int, least: int = 0) -> list[Any]:
        values = list(values)
        return self.chance.sample(values, min(len(values), self.chance.randint(least, most)))

    def name(self, folder: str = "", suffix: str | None = None) -> str:
        for attempt in range(100):
            word = self.pick(ODD if self.once(self.oddness) else PLAIN_NAMES)
            if attempt > 5 or len(self.taken) > 12:
                word += str(self.chance.randrange(100))
            path = posixpath.join(folder, word + (self.pick(SUFFIXES) if suffix is None else suffix))
            if path not in self.taken:
                self.taken.add(path)
                return path
        raise AssertionError("no name is left")

    def mode(self) -> str:
        return self.pick(["0644", "0644", "0644", "0755"]) if self.executables else "0644"

    def text(self) -> str:
        return self.pick(TEXTS) if self.once(0.5) else f"text {self.chance.randrange(1000)}\n"

    # Steps

    def add(self, op: str, **more: Any) -> None:
        self.steps.append({"op": op} | copy.deepcopy(more))

    def tool(self, *argv: str, cwd: str = "") -> None:
        self.add("tool", argv=list(argv), **({"cwd": cwd} if cwd else {}))

    def commit(self) -> None:
        self.add("git", argv=["add", "-A"])
        self.add("git", argv=["commit", "-q", "--allow-empty", "-m", f"c{len(self.steps)}"])

    def pipelines(self) -> None:
        self.add("pipelines", stages=self.stages, extras=self.extras)

    def all(self) -> list[Step]:
        if self.once(0.1):
            self.tool("config", "core.autostage", "true")
        if self.once(0.1):
            kind = self.pick(["hardlink", "symlink", "copy"])
            self.tool("config", "cache.type", kind)
            self.executables = kind == "copy"  # a link has the mode of the object
        self.sources()
        for home in self.homes:
            if home == "" or self.once(0.7):
                self.write_params(home)
        for _ in range(self.pick([1, 2, 3, 4, 6, 8, 12])):
            self.stage()
        self.tops()
        self.pipelines()
        if self.once(0.9):
            self.tool("repro", *([] if self.once(0.7) else ["-P"]))
        self.tool("status", "--json")
        self.commit()
        for _ in range(self.chance.randint(5, 12)):
            self.change()
            if self.once(0.4):
                self.change()
            if self.once(0.6):
                self.tool("status", "--json")
        return self.steps

    def sources(self) -> None:
        for _ in range(self.chance.randint(1, 4)):
            folder = self.pick(["", "", "src", *self.homes])
            path = self.name(folder)
            self.add("write", path=path, text=self.text(), mode=self.mode())
            self.files.append(path)
        for _ in range(self.chance.randint(0, 2)):
            folder = self.name(suffix="")
            for _ in range(self.chance.randint(1, 4)):
                path = self.name(posixpath.join(folder, self.pick(["", "", "in", "in/ner"])))
                self.add("write", path=path, text=self.text(), mode=self.mode())
            self.folders.append(folder)
        for path in self.some([*self.files, *self.folders], 2):
            self.tool("add", path)
            self.data.append(path)

    def write_params(self, home: str) -> None:
        values = {key: self.pick(VALUES) for key in self.some(["lr", "depth", "name", "flag", "seed"], 4, 1)}
        if self.once(0.5):
            values["train"] = {key: self.pick(VALUES) for key in self.some(["opt", "steps", "rate"], 3, 1)}
        values["items"] = self.some(["i1", "i2", "i 3", "4"], 3, 1)
        self.params[home] = values
        self.add("write", path=posixpath.join(home, "params.yaml"), yaml=values)

    def stage(self, home: str | None = None) -> None:
        """One more entry of a dvc.yaml."""
        home = self.pick(self.homes) if home is None else home
        number = len(self.stages)
        name = self.pick([f"s{number}", f"stage-{number}", f"t {number}" if self.oddness else f"t{number}"])
        entry: dict[str, Any] = {}
        base = home
        if self.once(0.2):
            base = self.pick([folder for folder in ("src", "work", *self.homes) if folder != home])
            self.add("write", path=posixpath.join(base, ".keep"), text="")
            entry["wdir"] = posixpath.relpath(base or ".", home or ".")
        many = self.pick([None, None, None, None, None, "list", "map", "template", "matrix"])
        at = "" if many is None else "${key}" if many == "matrix" else "${item.v}" if many == "map" else "${item}"
        deps = self.some([(path, False) for path in self.files] + [(path, True) for path in self.folders], 2)
        deps += self.some(self.outs, 2, 0 if deps else 1)
        if self.once(0.05):
            deps = []
        reads = [self.reading(posixpath.relpath(path, base or "."), folder) for path, folder in deps]
        if deps:
            entry["deps"] = [posixpath.relpath(path, base or ".") for path, _ in deps]
            if self.once(0.1):
                entry["deps"][0] = "./" + entry["deps"][0]
        if base in self.params and self.once(0.6):
            reads += self.depend_on_params(entry, self.params[base])
        commands = [f'echo {shlex.quote(name + (":" + at if at else ""))} >> "$RAN"']
        if at:
            commands.append(f"echo 'at {at}'")
        elif home in self.params and self.once(0.3):
            key = self.pick(self.params[home])
            value = self.params[home][key]
            if not isinstance(value, (list, dict)):
                reads.append(f"echo 'value ${{{key}}}'")
        made: list[tuple[str, bool]] = []
        for _ in range(self.pick([1, 1, 1, 2, 3]) if self.once(0.97) else 0):
            self.output(entry, commands, reads, base, at, made)
        if self.once(0.015):
            commands.append(self.pick(["exit 3", "false"]))
        if self.once(0.05):
            entry["always_changed"] = True
        if self.once(0.06) and many is None:
            entry["frozen"] = True
        if self.once(0.1):
            entry["desc"] = self.pick(["what it is for", "two\nlines", "ünï: #"])
        if self.once(0.05):
            entry["meta"] = {"who": [1, {"a": None}]}
        style = self.chance.random()
        cmd: Any = " && ".join(commands)
        if style < 0.1:
            cmd = commands
        elif style < 0.2:
            cmd = "\n".join(commands)
        entry = {"cmd": cmd} | entry
        stage = {"folder": home, "name": name, "entry": entry}
        label = self.label(home, name)
        self.labels.append(label)
        if many in ("list", "template"):
            values = self.some(["a1", "b", "c d" if self.oddness else "c", 3, True, 1.5], 3, 1)
            if many == "template" and home in self.params:
                values, data = self.params[home]["items"], "${items}"
            else:
                data = values
            stage["entry"] = {"foreach": data, "do": entry}
            keys = [str(value) if not isinstance(value, bool) else "true" for value in values]
            made = [(path.replace("${item}", key), folder) for path, folder in made for key in keys]
            self.labels += [f"{label}@{key}" for key in keys]
        elif many == "map":
            keys = self.some(["k1", "k2", "k3"], 3, 1)
            stage["entry"] = {"foreach": {key: {"v": f"v{key}"} for key in keys}, "do": entry}
            made = [(path.replace("${item.v}", f"v{key}"), folder) for path, folder in made for key in keys]
            self.labels += [f"{label}@{key}" for key in keys]
        elif many == "matrix":
            axes = {"m": self.some(["x", "y", 1], 2, 1), "n": self.some([0.5, "z", {"q": 1}], 2, 1)}
            stage["entry"] = {"matrix": axes} | entry
            made = []
        self.stages.append(stage)
        self.outs += made

    def label(self, home: str, name: str) -> str:
        return posixpath.join(home, "dvc.yaml:" + name) if home else name

    @staticmethod
    def reading(path: str, folder: bool) -> str:
        quoted = shlex.quote(path)
        return f"find {quoted} -type f -print0 | LC_ALL=C sort -z | xargs -0 cat" if folder else f"cat {quoted}"

    def depend_on_params(self, entry: dict[str, Any], values: dict[str, Any]) -> list[str]:
        keys = [key for key in values if key != "train"]
        chosen: list[Any] = self.some(keys, 2, 1)
        reads = [f"grep '^{key}:' params.yaml" for key in chosen]
        if "train" in values and self.once(0.5):
            chosen.append(self.pick(["train", *(f"train.{key}" for key in values["train"])]))
            reads.append("grep -A9 '^train:' params.yaml")
        if self.once(0.1):
            chosen, reads = [{"params.yaml": None}], ["cat params.yaml"]
        elif self.once(0.1):
            chosen = [{"params.yaml": chosen}]
        entry["params"] = chosen
        return reads

    def output(
        self,
        entry: dict[str, Any],
        commands: list[str],
        reads: list[str],
        base: str,
        at: str,
        made: list[tuple[str, bool]],
    ) -> None:
        """Add an output to a stage and what makes it to its commands."""
        kind = self.pick(["outs", "outs", "outs", "outs", "metrics", "plots"])
        suffix = {"metrics": ".json", "plots": self.pick([".csv", ".json"])}.get(kind)
        path = self.name(self.pick([base, base, base, posixpath.join(base, "res"), ""]), suffix)
        root, ext = posixpath.splitext(path)
        path = root + at + ext if at else path
        here = posixpath.relpath(path, base or ".")
        quoted = '"' + here.replace("$d", "\\$d") + '"'
        is_folder = kind == "outs" and self.once(0.3)
        flags: dict[str, Any] = {}
        if self.once(0.15):
            flags["cache"] = False
        if self.once(0.1):
            flags["persist"] = True
        if self.once(0.05):
            flags["push"] = False
        if self.once(0.08):
            flags["desc"] = "an output"
        if kind == "plots" and self.once(0.4):
            flags |= {"x": "x", "y": "y"}
        if posixpath.dirname(here):
            commands.append(f"mkdir -p '{posixpath.dirname(here)}'")
        body = "; ".join(reads) or "true"
        tag = self.chance.randrange(50)
        if kind == "metrics":
            commands.append(f'printf \'{{"n": %d, "in": {{"f": 0.{tag}}}}}\' $({{ {body}; }} | wc -c) > {quoted}')
        elif kind == "plots" and path.endswith(".csv"):
            commands.append(f"printf 'x,y\\n1,%d\\n2,{tag}\\n' $({{ {body}; }} | wc -c) > {quoted}")
        elif kind == "plots":
            commands.append(f'printf \'[{{"x": 1, "y": %d}}]\' $({{ {body}; }} | wc -c) > {quoted}')
        elif is_folder:
            commands.append(f"mkdir -p {quoted}/in")
            commands.append(f"{{ {body}; }} > {quoted}/all")
            commands.append(f"echo {tag} > {quoted}/in/tag")
            if self.once(0.3):
                odd = self.pick(["z", "size", "é", "'a b'"])
                commands.append(f"{{ {body}; }} | wc -c > {quoted}/in/{odd}")
            if self.executables and self.once(0.2):
                commands.append(f"chmod +x {quoted}/all")
        else:
            commands.append(f"{{ {body}; echo {tag}; }} {'>>' if flags.get('persist') else '>'} {quoted}")
            if self.executables and self.once(0.1):
                commands.append(f"chmod +x {quoted}")
        entry.setdefault(kind, []).append({here: flags} if flags else here)
        made.append((path, is_folder))

    def tops(self) -> None:
        for home in self.homes:
            extra: dict[str, Any] = {}
            if self.once(0.2):
                extra["vars"] = [{"own": {"v": self.chance.randrange(9)}}]
            plots = [path for path, _ in self.outs if path.endswith(".csv") and "/" not in path]
            if home == "" and plots and self.once(0.3):
                extra["plots"] = [{plots[0]: {"x": "x", "y": "y"}}]
            if self.once(0.1):
                extra["artifacts"] = {"art": {"path": "m", "type": "model", "labels": ["l"]}}
            if extra:
                self.extras[home] = extra

    # Changes

    def change(self) -> None:
        kinds = {
            self.edit: 5,
            self.edit_out: 2.5,
            self.edit_params: 3,
            self.edit_pipeline: 3,
            self.repro: 7,
            self.checkout: 3,
            self.look: 4,
            self.branch: 2.5,
            self.save: 2,
            self.track: 2,
            self.define: 1.5,
            self.commit: 1,
            self.freeze: 1,
            self.remove: 1,
            self.move: 0.7,
            self.collect: 1,
            self.remote: 0.7,
            self.lose: 0.5,
        }
        self.chance.choices(list(kinds), list(kinds.values()))[0]()

    def edit(self) -> None:
        path = self.pick([*self.files, *(posixpath.join(folder, "new") for folder in self.folders)])
        kind = self.chance.random()
        if kind < 0.35:
            self.add("write", path=path, text=self.text())
        elif kind < 0.7:
            self.add("append", path=path, text=f"more {self.chance.randrange(100)}\n")
        elif kind < 0.85:
            self.add("delete", path=self.pick([path, *self.folders]))
        else:
            self.add("chmod", path=path, mode=self.mode())

    def edit_out(self) -> None:
        if not self.outs:
            return self.edit()
        path, folder = self.pick(self.outs)
        kind = self.chance.random()
        if kind < 0.4:
            return self.add("delete", path=path)
        if folder:
            path = posixpath.join(path, self.pick(["all", "in/tag", "extra"]))
        if kind < 0.8:
            return self.add("write", path=path, text=self.text())
        return self.add("delete" if kind < 0.9 else "chmod", path=path, mode=self.mode())

    def edit_params(self) -> None:
        if not self.params:
            return self.edit()
        home = self.pick(self.params)
        values = self.params[home]
        key = self.pick([key for key in values if key != "items"] or ["items"])
        kind = self.chance.random()
        if kind < 0.1:
            del values[key]
            if len(values) == 1:
                values["lr"] = 5
        elif isinstance(values[key], dict) and "opt" in values[key]:
            values[key] |= {"opt": self.pick(VALUES)}
        elif not isinstance(values[key], dict):
            values[key] = self.pick([value for value in VALUES if not isinstance(value, (list, dict))])
        if self.once(0.1):
            values["items"] = self.some(["i1", "i2", "i 3", "5"], 3, 1)
        return self.add("write", path=posixpath.join(home, "params.yaml"), yaml=values)

    def edit_pipeline(self) -> None:
        kind = self.chance.random()
        stage = self.pick(self.stages)
        entry = stage["entry"].get("do", stage["entry"])
        if kind < 0.25:
            self.stage()
        elif kind < 0.4 and len(self.stages) > 1:
            self.stages.remove(stage)
        elif kind < 0.6:
            if isinstance(entry["cmd"], list):
                entry["cmd"] = [*entry["cmd"], f"echo changed {len(self.steps)}"]
            else:
                entry["cmd"] += f" && echo changed {len(self.steps)}"
        elif kind < 0.75 and self.files:
            base = posixpath.join(stage["folder"], entry.get("wdir", "."))
            entry["deps"] = [*entry.get("deps", []), posixpath.relpath(self.pick(self.files), base)]
            entry["deps"] = list(dict.fromkeys(entry["deps"]))
        elif kind < 0.85 and len(entry.get("deps", [])) > 1:
            entry["deps"] = entry["deps"][1:]
            if isinstance(entry["cmd"], str):  # of itself that is a change for git-stage only
                entry["cmd"] += " && true"
            else:
                entry["cmd"] = [*entry["cmd"], "true"]
        elif "outs" in entry:
            flag = self.pick(["cache", "persist", "push"])
            out = entry["outs"][0]
            path, flags = (out, {}) if isinstance(out, str) else next(iter(out.items()))
            entry["outs"] = [{path: flags | {flag: not flags.get(flag, flag != "persist")}}, *entry["outs"][1:]]
        self.pipelines()

    def targets(self, probability: float, outs: bool = False) -> list[str]:
        if not self.once(probability):
            return []
        pool = [*self.labels, *self.labels, *(f"{path}.dvc" for path in self.data)]
        if outs:
            pool += [path for path, _ in self.outs] + self.data
            pool += [posixpath.join(path, "all") for path, folder in self.outs if folder]
        return list(dict.fromkeys(self.some(pool, 2, 1)))

    def repro(self) -> None:
        argv = ["repro"]
        if self.once(0.5):
            argv += self.pick(REPRO).split()
        if "-R" in argv:
            argv.append(self.pick(self.homes) or ".")
        elif "--glob" in argv:
            argv.append(self.pick(["s*", "t*", "*"]))
        elif "-s" in argv or "--downstream" in argv:
            argv += self.targets(1)
        else:
            argv += self.targets(0.3)
        cwd = self.pick(self.homes) if self.once(0.1) and not {"-R", "--glob"} & {*argv} and len(argv) < 3 else ""
        self.tool(*argv, cwd=cwd)

    def checkout(self) -> None:
        flags = self.pick([[], [], ["-f"], ["--summary"], ["-R", "."], ["--relink"], ["-d"]])
        self.tool("checkout", *flags, *([] if "-R" in flags else self.targets(0.4, outs=True)))

    def look(self) -> None:
        home = self.pick(self.homes)
        revisions = self.some(["HEAD", "HEAD~1", *self.branches], 2)
        all_of = ["--all"] if len(revisions) < 2 else []  # for two names of one commit dvc shows nothing
        self.pick(
            [
                lambda: self.tool("status", "--json", *self.targets(0.8, outs=True)),
                lambda: self.tool("status", "-q", cwd=home),
                lambda: self.tool("status", "--json", cwd=home),
                lambda: self.tool("data", "status", "--json", *self.some(["--granular", "--unchanged"], 2)),
                lambda: self.tool("data", "status", "--json", "--untracked-files", "all"),
                lambda: self.tool("diff", "--json", *self.some(["--show-hash", "--hide-missing"], 1), *revisions),
                lambda: self.tool("metrics", "show", "--json"),
                lambda: self.tool("metrics", "diff", "--json", *self.some(all_of, 1), *revisions),
                lambda: self.tool("params", "diff", "--json", *self.some(["--deps", *all_of], 2), *revisions),
                lambda: self.tool("ls", ".", *self.some(["-R", "--dvc-only"], 2), "--json"),
                lambda: self.tool("dag", "--mermaid"),
                lambda: self.tool("dag", "--dot", *self.some(["-o"], 1)),
                lambda: self.tool("dag", "--mermaid", "--full", self.pick(self.labels)),
                lambda: self.tool("check-ignore", *self.some([*self.files, *self.folders], 2, 1)),
            ]
        )()

    def branch(self) -> None:
        if len(self.branches) > 1 and self.once(0.6):
            if self.once(0.8):
                self.commit()
            self.add("git", argv=["checkout", "-q", self.pick(self.branches)])
            if self.once(0.8):
                self.tool("checkout", *(["-f"] if self.once(0.2) else []))
        else:
            name = f"br{len(self.branches)}"
            self.branches.append(name)
            self.add("git", argv=["checkout", "-q", "-b", name])

    def save(self) -> None:
        self.tool("commit", *(["-f"] if self.once(0.8) else []), *self.targets(0.4, outs=True))

    def track(self) -> None:
        kind = self.chance.random()
        if kind < 0.4 and self.data:
            self.tool("add", self.pick(self.data))
        elif kind < 0.6 and self.data:
            self.tool("add", posixpath.join(self.pick(self.data), "new"))
        elif kind < 0.9:
            path = self.name(self.pick(["", "", "src", *self.homes]))
            self.add("write", path=path, text=self.text(), mode=self.mode())
            self.tool("add", path, *(["--no-commit"] if self.once(0.1) else []))
            self.files.append(path)
            self.data.append(path)
        else:
            self.tool("add", "--glob", self.pick(["*.txt", "src/*", "**/*.csv"]))

    def define(self) -> None:
        self.added += 1
        name = f"added{self.added}" if self.once(0.8) else self.pick([stage["name"] for stage in self.stages])
        home = self.pick(self.homes)
        deps = [posixpath.relpath(path, home or ".") for path in self.some(self.files, 2, 1)]
        out = self.name(home)
        here = posixpath.relpath(out, home or ".")
        argv = ["stage", "add", "-n", name]
        for dep in deps:
            argv += ["-d", dep]
        if home in self.params and self.once(0.4):
            argv += ["-p", self.pick(key for key in self.params[home])]
        argv += [self.pick(["-o", "-o", "-O", "--outs-persist"]), here]
        if self.once(0.3):
            argv += ["-m", posixpath.relpath(self.name(home, ".json"), home or ".")]
            metric = f" && echo '{{\"v\": {self.added}}}' > {shlex.quote(argv[-1])}"
        else:
            metric = ""
        argv += self.pick([["--desc", "said"], ["--always-changed"], ["-f"]]) if self.once(0.3) else []
        if self.once(0.3):
            argv.append("--run")
        command = f'echo {name} >> "$RAN" && cat {shlex.join(deps)} > {shlex.quote(here)}{metric}'
        self.tool(*argv, command, cwd=home)
        self.outs.append((out, False))
        self.labels.append(self.label(home, name))

    def freeze(self) -> None:
        self.tool(self.pick(["freeze", "unfreeze"]), *(self.targets(1) or self.labels[:1]))

    def remove(self) -> None:
        self.tool("remove", *(self.targets(1) or self.labels[:1]), *(["--outs"] if self.once(0.3) else []))

    def move(self) -> None:
        if not self.data:
            return self.edit()
        path = self.pick(self.data)
        target = self.pick([self.name(), self.name("src"), "src", posixpath.join("newdir", "x")])
        self.tool("move", path, target)
        if target != "src":
            self.data.append(target)
        return None

    def collect(self) -> None:
        scope = self.pick([["-w"], ["-a"], ["-A"], ["-T"], ["--rev", "HEAD"], ["--rev", "HEAD", "-n", "2"]])
        self.tool("gc", *scope, *(["-f"] if self.once(0.9) else []), *(["--dry"] if self.once(0.1) else []))

    def remote(self) -> None:
        if not any(step.get("argv", [])[:2] == ["remote", "add"] for step in self.steps):
            self.tool("remote", "add", "-d", "store", os.path.join("..", "remote"))
        self.tool("push", *(["--run-cache"] if self.once(0.2) else []))
        if self.once(0.5):
            self.add("delete", path=".dvc/cache")
            self.tool(self.pick(["pull", "fetch"]), *(["--run-cache"] if self.once(0.2) else []))

    def lose(self) -> None:
        self.add("delete", path=self.pick([".dvc/cache/files", ".dvc/cache", ".dvc/cache/runs"]))
