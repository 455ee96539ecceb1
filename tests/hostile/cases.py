"""Hostile repositories: what is in them, and which commands somebody runs who cloned one."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

A = "0cc175b9c0f1b6a831c399e269772661"
"""MD5 of "a", which is what is in the cache where `objects` says so."""
EMPTY = "d41d8cd98f00b204e9800998ecf8427e"
OUTSIDE = "../outside"


@dataclass(frozen=True)
class Link:
    """A symlink, instead of a file's text. `{top}` in its target is the sandbox."""

    target: str


@dataclass(frozen=True)
class Case:
    """`files` are committed; then each of `commands` is run. `refused`: each ends with one line of error that holds
    one of the `says`; otherwise it may do what it can, as long as nothing is touched."""

    name: str
    files: Mapping[str, str | bytes | Link]
    commands: Sequence[str]
    says: Sequence[str] = ()
    refused: bool = True
    git: Sequence[str] = field(default=())
    """Commands of the shell that are run in the repository after the commit."""
    sets: bool = False
    """The commands are to change `.dvc/config`."""


def stage(
    *, outs: object = (), deps: object = (), wdir: str | None = None, cmd: str = "touch ran", **more: object
) -> str:
    """A dvc.yaml with one stage, as JSON, which is YAML."""
    made: dict[str, object] = {"cmd": cmd, "deps": deps, "outs": outs, **more}
    if wdir is not None:
        made["wdir"] = wdir
    return json.dumps({"stages": {"s": made}})


def data(path: str, md5: str = A, **more: object) -> str:
    """A .dvc file."""
    return json.dumps({"outs": [{"md5": md5, "hash": "md5", "path": path}], **more})


def manifest(*names: str, md5: str = A) -> str:
    return json.dumps([{"md5": md5, "relpath": name} for name in names])


def md5(text: str | bytes) -> str:
    return hashlib.md5(text.encode() if isinstance(text, str) else text).hexdigest()


def at(digest: str) -> str:
    return f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}"


OBJECT = {at(A): "a"}
EVERY = ("status", "repro", "checkout -f", "commit -f", "add x.dvc", "gc -w -f", "fetch", "remove s")
MAKES = ("repro", "?checkout -f", "?commit -f")


def folder(text: str) -> dict[str, str | bytes | Link]:
    """A cached folder `d` whose manifest is `text`, and the object "a"."""
    name = md5(text) + ".dir"
    return {"d.dvc": data("d", name), at(name): text, **OBJECT}


def paths() -> list[Case]:
    """Outputs where no output may be."""
    bad = {
        "absolute": "{top}/outside/new",
        "absolute-file": "{top}/outside/empty",
        "up": "../outside/new",
        "up-and-down": "x/../../outside/new",
        "deep-up": "a/b/../../../outside/new",
        "git": ".git/hooks/post-checkout",
        "git-itself": ".git",
        "git-upper": ".GIT/config",
        "git-mixed": "sub/.Git/config",
        "git-dots": ".git../x",
        "git-space": ".git /x",
        "git-short-name": "GIT~1/x",
        "git-stream": ".git:stream",
        "git-stream-allocation": ".git::$INDEX_ALLOCATION/x",
        "git-ignorable": ".g\u200cit/config",
        "git-bom": "\ufeff.git/config",
        "dvc": ".dvc/config",
        "dvc-itself": ".dvc",
        "dvc-upper": ".DVC/config",
        "dvc-dots": ".dvc./config",
        "dvc-ignorable": ".dv\u200dc/config",
        "dvc-short-name": "DVC~1/config",
        "dot": ".",
        "root": "/",
        "two-slashes": "//outside/new",
        "three-slashes": "///outside/new",
        "nul": "a\0b",
        "home": "~/../../outside/x/../../../{top}/home/new",
    }
    cases = []
    for name, path in bad.items():
        cases.append(
            Case(
                f"out-{name}", {"dvc.yaml": stage(outs=[path], cmd="touch ran")}, ("repro", "commit -f", "checkout -f")
            )
        )
        cases.append(Case(f"data-{name}", {"x.dvc": data(path), **OBJECT}, ("checkout -f", "commit -f", "?status")))
    wdirs = {
        "up": "..",
        "outside": "../outside",
        "absolute": "{top}/outside",
        "git": ".git",
        "dvc": ".dvc",
        "upper": ".GIT",
    }
    for name, wdir in wdirs.items():
        cases.append(Case(f"wdir-{name}", {"dvc.yaml": stage(outs=["new"], wdir=wdir)}, ("repro", "commit -f")))
        cases.append(Case(f"data-wdir-{name}", {"x.dvc": data("new", wdir=wdir), **OBJECT}, ("checkout -f",)))
    nuls: dict[str, dict[str, object]] = {
        "dep": {"stages": {"s": {"cmd": "touch ran", "deps": ["~a\0"]}}},
        "name": {"stages": {"s\0": {"cmd": "touch ran"}}},
        "path-in-variable": {"vars": [{"x": "a\0b"}], "stages": {"s": {"cmd": "touch ran", "deps": ["${x}"]}}},
        "command-in-variable": {"vars": [{"x": "a\0b"}], "stages": {"s": {"cmd": "touch ran ${x}"}}},
        "name-in-variable": {"stages": {"s": {"foreach": ["a\0"], "do": {"cmd": "touch ran"}}}},
    }
    cases += [
        Case(f"nul-{name}", {"dvc.yaml": json.dumps(text)}, ("repro", "status"), ("NUL byte",))
        for name, text in nuls.items()
    ]
    return cases


def manifests() -> list[Case]:
    """Folders whose manifest, which the cache holds under its right digest, says what no folder holds."""
    bad = {
        "up": manifest("../new"),
        "up-far": manifest("a/../../../outside/new"),
        "absolute": manifest("{top}/outside/new"),
        "empty-name": manifest(""),
        "dot": manifest("a/./b"),
        "slash-at-end": manifest("a/"),
        "nul": manifest("a\0b"),
        "twice": manifest("a", "a"),
        "file-as-folder": manifest("a", "a/b"),
        "digest-is-path": manifest("a", md5="../../../../../../outside/empty"),
        "digest-upper": manifest("a", md5=A.upper()),
        "digest-short": manifest("a", md5="0c"),
        "digest-of-folder": manifest("a", md5=A + ".dir"),
        "digest-number": '[{"md5": 5, "relpath": "a"}]',
        "name-number": f'[{{"md5": "{A}", "relpath": 5}}]',
        "no-list": '{"md5": "x"}',
        "no-map": "[1, 2]",
        "no-json": "[{",
        "deep": "[" * 100_000,
        "number": "1" * 100_000,
        "not-utf-8": "[\ud800",
    }
    cases = []
    for name, text in bad.items():
        made = text if "{top}" not in text else text.replace("{top}", "/nowhere")
        if not made.isascii() and "\ud800" in made:
            made = made.replace("\ud800", "\x9f")
        cases.append(Case(f"manifest-{name}", folder(made), ("checkout -f", "?status", "?gc -w -f", "?show d")))
    reserved = {"git": ".git/config", "git-inside": "a/.GIT/hooks/x", "dvc": "a/.dvc/config", "stream": ".git::$DATA"}
    for name, path in reserved.items():
        cases.append(Case(f"manifest-reserved-{name}", folder(manifest(path)), ("checkout -f", "?status")))
    return cases


def digests() -> list[Case]:
    """Digests that are none, in each file that holds some."""
    cases = []
    bad = {
        "up": "../../../../../outside/empty",
        "absolute": "/outside/emptyxxxxxxxxxxxxxxxxxxxxxxxxx",
        "dots": "..",
        "upper": A.upper(),
        "long": A + "0",
        "slash": A[:15] + "/" + A[16:],
        "suffix": A + ".exe",
        "two-suffixes": A + ".dir.dir",
        "nul": A[:31] + "\0",
        "line": A + "\n",
    }
    for name, digest in bad.items():
        lock = {"schema": "2.0", "stages": {"s": {"cmd": "x", "outs": [{"path": "o", "hash": "md5", "md5": digest}]}}}
        files = {"dvc.yaml": stage(outs=["o"], cmd="x"), "dvc.lock": json.dumps(lock)}
        cases.append(Case(f"lock-digest-{name}", files, ("checkout -f", "?status", "?gc -w -f", "?fetch", "?push")))
        cases.append(
            Case(
                f"data-digest-{name}", {"x.dvc": data("o", digest)}, ("checkout -f", "?status", "?gc -w -f", "?verify")
            )
        )
    return cases


def links() -> list[Case]:
    """Symlinks that the repository brings along."""
    ran = {"dvc.yaml": stage(outs=["new"], cmd="echo a > new")}
    cases = [
        Case("link-to-folder", {"sub": Link(OUTSIDE), "dvc.yaml": stage(outs=["sub/new"])}, ("repro", "commit -f")),
        Case("link-to-folder-data", {"sub": Link(OUTSIDE), "x.dvc": data("sub/new"), **OBJECT}, ("checkout -f",)),
        Case(
            "link-to-folder-below",
            {"a/b": Link("../../outside"), "x.dvc": data("a/b/c/new"), **OBJECT},
            ("checkout -f",),
        ),
        Case("link-as-wdir", {"sub": Link(OUTSIDE), "dvc.yaml": stage(outs=["new"], wdir="sub")}, ("repro",)),
        Case(
            "link-into-git", {"sub": Link(".git/hooks"), "x.dvc": data("sub/post-checkout"), **OBJECT}, ("checkout -f",)
        ),
        Case("link-into-git-run", {"sub": Link(".git"), "dvc.yaml": stage(outs=["sub/new"])}, ("repro",)),
        Case("link-into-dvc", {"sub": Link(".dvc"), "x.dvc": data("sub/config"), **OBJECT}, ("checkout -f",)),
        Case("link-to-link", {"a": Link("b"), "b": Link(OUTSIDE), "x.dvc": data("a/new"), **OBJECT}, ("checkout -f",)),
        Case("link-absolute", {"sub": Link("{top}/outside"), "x.dvc": data("sub/empty"), **OBJECT}, ("checkout -f",)),
        Case(
            "link-is-output",
            {"o": Link("../outside/empty"), "x.dvc": data("o"), **OBJECT},
            ("?checkout -f", "?add o", "?commit -f", "?remove x.dvc --outs"),
            refused=False,
        ),
        Case(
            "link-is-output-of-stage",
            {"new": Link("../outside/empty"), **ran},
            ("?repro", "?commit -f", "?checkout -f"),
            refused=False,
        ),
        Case("link-in-folder", {**folder(manifest("sub/new")), "d/sub": Link("../../outside")}, ("checkout -f",)),
        Case("link-is-lock", {"dvc.lock": Link("../outside/new"), **ran}, ("?repro", "?commit -f"), refused=False),
        Case(
            "link-is-lock-there", {"dvc.lock": Link("../outside/empty"), **ran}, ("?repro", "?commit -f"), refused=False
        ),
        Case(
            "link-is-pipeline",
            {"dvc.yaml": Link("../outside/empty")},
            ("?run -n t -o o2 touch o2", "?status"),
            refused=False,
        ),
        Case("link-is-data", {"x.dvc": Link("../outside/empty")}, ("?status", "?add x", "?commit -f"), refused=False),
        Case(
            "link-is-ignore", {".gitignore": Link("../outside/empty"), **ran}, ("repro",), ("symlink", "symbolic links")
        ),
        Case(
            "link-is-ignore-below",
            {"d/.gitignore": Link("../../outside/empty"), "dvc.yaml": stage(outs=["d/new"], cmd="echo a > d/new")},
            ("repro",),
        ),
        Case("link-is-dvcignore", {".dvcignore": Link("/dev/zero"), **ran}, ("repro", "status"), ("is not a file",)),
        Case(
            "link-is-config",
            {".dvc/config": Link("../../outside/empty")},
            ("?remote add r /nowhere", "?config core.autostage true"),
            refused=False,
            sets=True,
        ),
        Case("link-is-tmp", {".dvc/tmp": Link("../../outside"), **ran}, MAKES, ("is a symlink out of the repository",)),
        Case(
            "link-is-tmp-in-git", {".dvc/tmp": Link("../.git"), **ran}, MAKES, ("is a symlink out of the repository",)
        ),
        Case("link-is-lock-file", {".dvc/tmp/lock": Link("../../../outside/empty"), **ran}, MAKES),
        Case("link-is-lock-file-new", {".dvc/tmp/lock": Link("../../../outside/new"), **ran}, MAKES),
        Case("link-is-rwlock", {".dvc/tmp/rwlock": Link("../../../outside/new"), **ran}, ("repro", "commit -f")),
        Case(
            "link-is-rwlock-lock",
            {".dvc/tmp/rwlock.lock": Link("../../../outside/empty"), **ran},
            ("repro", "commit -f"),
        ),
        Case("link-is-scratch", {".dvc/tmp/gitstage": Link("../../../outside"), **ran}, MAKES),
        Case("link-is-kept", {".dvc/tmp/gitstage/kept": Link("../../../../outside"), **ran}, MAKES),
        Case("link-is-cache", {".dvc/cache": Link("../../outside"), **ran}, MAKES),
        Case("link-is-cache-new", {".dvc/cache": Link("../../outside/new"), **ran}, MAKES),
        Case("link-is-cache-in-git", {".dvc/cache": Link("../.git/objects"), **ran}, MAKES),
        Case("link-is-files", {".dvc/cache/files": Link("../../../outside"), **ran}, MAKES),
        Case("link-is-md5", {".dvc/cache/files/md5": Link("../../../../outside"), **ran}, MAKES),
        Case(
            "link-is-object-folder",
            {".dvc/cache/files/md5/60": Link("../../../../../outside/folder"), **ran},
            ("repro", "commit -f"),
        ),
        Case("link-is-runs", {".dvc/cache/runs": Link("../../../outside"), **ran}, MAKES),
        Case(
            "link-is-object",
            {at(EMPTY): Link("../../../../../../outside/empty"), "x.dvc": data("o", EMPTY), "e": ""},
            ("?checkout -f", "?add e", "?status", "?gc -w -f"),
            refused=False,
        ),
        Case(
            "link-is-object-exec",
            {
                at(md5("#!/bin/sh\n")): Link("../../../../../../outside/script"),
                "x.dvc": data("o", md5("#!/bin/sh\n"), isexec=True),
            },
            ("?checkout -f", "?gc -w -f"),
            refused=False,
        ),
        Case(
            "link-is-dvc",
            {},
            ("repro", "status", "add f"),
            git=("mv .dvc ../outside/dvc && ln -s ../outside/dvc .dvc && git add -A && git commit -qm link",),
        ),
    ]
    for name, file in {"pipeline": "dvc.yaml", "lock": "dvc.lock", "data": "x.dvc", "params": "params.yaml"}.items():
        files = {
            **({"dvc.yaml": stage(outs=["o"], params=["a"])} if file != "dvc.yaml" else {}),
            file: Link("/dev/zero"),
        }
        cases.append(
            Case(
                f"device-is-{name}",
                files,
                ("repro", "?status", "?list"),
                ("is not a file",) if name == "pipeline" else (),
            )
        )
    cases += [
        Case("device-is-dep", {"dvc.yaml": stage(deps=["/dev/zero"], outs=["o"])}, ("repro", "status"), ("not a file",)),
        Case("device-is-link-dep", {"d": Link("/dev/zero"), "dvc.yaml": stage(deps=["d"], outs=["o"])}, ("repro", "status")),
        Case("device-is-metric", {"m.json": Link("/dev/zero"), "dvc.yaml": '{"metrics": ["m.json"]}'}, ("?metrics show",)),
        Case("device-is-plot", {"m.csv": Link("/dev/zero"), "dvc.yaml": '{"plots": ["m.csv"]}'}, ("?plots show", "?plots diff"), refused=False),
        Case("device-in-folder", {"d/z": Link("/dev/zero")}, ("add d",)),
        Case("pipe-is-pipeline", {}, ("?status", "?repro", "?list"), refused=False, git=("mkfifo dvc.yaml",)),
        Case("pipe-is-dep", {"dvc.yaml": stage(deps=["p"], outs=["o"])}, ("repro",), git=("mkfifo p",)),
    ]  # fmt: skip
    return cases


def settings() -> list[Case]:
    """What `.dvc/config` may not decide."""

    def config(text: str, *commands: str, says: Sequence[str] = (), **more: object) -> Case:
        files = {
            ".dvc/config": text,
            "dvc.yaml": stage(outs=["new"], cmd="echo a > new"),
            "here.dvc": data("here"),
            "missing.dvc": data("missing", "1" * 32),
            **OBJECT,
        }
        return Case("", files, commands or MAKES, says, **more)  # type: ignore[arg-type]

    named = {
        "nul": config("[cache]\n    dir = ~a\0b\n", says=("NUL byte",)),
        "cache-outside": config("[cache]\n    dir = ../../outside\n", says=("holds other files",)),
        "cache-home": config("[cache]\n    dir = {top}/home\n", says=("holds other files",)),
        "cache-missing": config("[cache]\n    dir = ../../outside/new\n", says=("not there",)),
        "cache-missing-absolute": config("[cache]\n    dir = {top}/home/.config/autostart\n", says=("not there",)),
        "cache-in-git": config("[cache]\n    dir = ../.git/hooks\n", says=("Git's own",)),
        "cache-is-git": config("[cache]\n    dir = ../.git\n", says=("Git's own",)),
        "cache-in-git-upper": config("[cache]\n    dir = ../.GIT/x\n", says=("Git's own",)),
        "cache-by-link": Case(
            "", {".dvc/config": "[cache]\n    dir = ../c\n", "c": Link(OUTSIDE), "dvc.yaml": stage(outs=["n"], cmd="touch n")},
            MAKES, ("holds other files",),
        ),
        "cache-is-file": config("[cache]\n    dir = ../../outside/empty\n"),
        "cache-link-types": config("[cache]\n    type = symlink,../x\n"),
        "remote-outside": config("[core]\n    remote = r\n['remote \"r\"']\n    url = ../../outside\n", "push", says=("holds other files",)),
        "remote-missing": config("[core]\n    remote = r\n['remote \"r\"']\n    url = {top}/outside/new\n", "push", says=("not there",)),
        "remote-in-git": config("[core]\n    remote = r\n['remote \"r\"']\n    url = ../.git/objects\n", "push", "fetch", says=("Git's own",)),
        "remote-below-other": config("[core]\n    remote = r\n['remote \"o\"']\n    url = ../../outside\n['remote \"r\"']\n    url = remote://o/folder\n", "push"),
        "remote-circle": config("[core]\n    remote = a\n['remote \"a\"']\n    url = remote://b\n['remote \"b\"']\n    url = remote://a\n", "push", says=("circle",)),
        "remote-local-scheme": config("[core]\n    remote = r\n['remote \"r\"']\n    url = local://{top}/outside/new\n", "push"),
        "remote-file-scheme": config("[core]\n    remote = r\n['remote \"r\"']\n    url = file://{top}/outside/new\n", "push"),
        "remote-command": config("[core]\n    remote = r\n['remote \"r\"']\n    url = webdavs://localhost:1/x\n    bearer_token_command = touch {top}/outside/ran\n", "push", "fetch", "pull", says=("would run a command",)),
        "ssh-option": config("[core]\n    remote = r\n['remote \"r\"']\n    url = ssh://-oProxyCommand=touch%20{top}/outside/ran/x\n", "push", "fetch"),
        "ssh-option-user": config("[core]\n    remote = r\n['remote \"r\"']\n    url = ssh://-oProxyCommand=x@localhost/x\n    user = $(touch {top}/outside/ran)\n", "push", "fetch"),
        "ssh-shell": config("[core]\n    remote = r\n['remote \"r\"']\n    url = ssh://`touch`/x\n", "push", "fetch", says=("that ssh may be given",)),
        "rclone-command": config("[core]\n    remote = r\n['remote \"r\"']\n    url = rclone://:sftp,host=x,ssh='touch {top}/outside/ran':/x\n", "push", "fetch"),
        "rclone-option": config("[core]\n    remote = r\n['remote \"r\"']\n    url = rclone://--password-command=touch:x\n", "push", "fetch"),
        "unknown-scheme": config("[core]\n    remote = r\n['remote \"r\"']\n    url = ext::sh\n", "?push", refused=False),
        "fsspec-chain": config("[core]\n    remote = r\n['remote \"r\"']\n    url = simplecache::file:///etc\n", "?push", refused=False),
        "plots-out": Case(
            "", {".dvc/config": "[plots]\n    out_dir = {top}/outside/new\n", "p.csv": "a,b\n1,2\n", "dvc.yaml": '{"plots": ["p.csv"]}'},
            ("plots show",), ("leads out",),
        ),
        "plots-out-git": Case(
            "", {".dvc/config": "[plots]\n    out_dir = .git/hooks\n", "p.csv": "a,b\n1,2\n", "dvc.yaml": '{"plots": ["p.csv"]}'},
            ("plots show",), ("leads out",),
        ),
        "plots-link": Case(
            "", {"dvc_plots": Link(OUTSIDE), "p.csv": "a,b\n1,2\n", "dvc.yaml": '{"plots": ["p.csv"]}'}, ("plots show",), ("leads out",)
        ),
        "secret-in-url": config("[core]\n    remote = r\n['remote \"r\"']\n    url = https://user:hunter2@localhost:99999/x?token=hunter2\n", "?push", "?fetch -v", "?remote list", refused=False),
        "not-utf-8": Case("", {".dvc/config": b"[core]\n    x = \xff\n"}, ("status", "add f")),
        "nested": config("[a]\n" + "[" * 3000 + "b" + "]" * 3000 + "\n"),
        "circle": config("[core]\n    remote = %(remote)s\n", "push", says=("refers to itself",)),
        "number": config("[core]\n    checksum_jobs = " + "9" * 5000 + "\n"),
    }  # fmt: skip
    return [replace(case, name=f"config-{name}") for name, case in named.items()]


def texts() -> list[Case]:
    """YAML, JSON, TOML, Python and templates that cost more than they should, or mean more than they say."""
    bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{name}: &{name} [{','.join(['*' + before] * 10)}]\n"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    )
    many = list(range(1000))
    read = ("status", "repro", "list", "dag")
    double = "vars:\n- a0: " + "x" * 1000 + "\n"
    one = {"dvc.yaml": stage(params=["a"], outs=["o"])}
    return [
        Case("yaml-bomb", {"dvc.yaml": bomb + "stages: {}\n"}, read, ("aliases repeat",)),
        Case("yaml-bomb-merge", {"dvc.yaml": "a: &a {" + ",".join(f"k{n}: 1" for n in range(1000)) + "}\nb:\n" + "".join(f"- {{<<: *a, x: {n}}}\n" for n in range(400))}, read),
        Case("yaml-deep", {"dvc.yaml": "stages: " + "[" * 5000 + "]" * 5000}, read, ("nest",)),
        Case("yaml-deep-maps", {"dvc.yaml": "a: {" * 5000 + "}" * 5000}, read, ("nest",)),
        Case("yaml-deep-block", {"dvc.yaml": "".join(" " * n + "k:\n" for n in range(1500))}, read),
        Case("yaml-twice", {"dvc.yaml": "stages: {}\nstages: {}\n"}, read, ("occurs twice",)),
        Case("yaml-object", {"dvc.yaml": "stages: !!python/object/apply:os.system ['touch ../outside/ran']\n"}, read, ("tag",)),
        Case("yaml-object-new", {"x.dvc": "outs: !!python/object/new:subprocess.Popen [['touch', '../outside/ran']]\n"}, ("status",), ("tag",)),
        Case("yaml-self", {"dvc.yaml": "stages: &a {x: *a}\n"}, read, ("alias",)),
        Case("yaml-number", {"dvc.yaml": "stages: {s: {cmd: x, frozen: " + "9" * 10_000 + "}}\n"}, read),
        Case("yaml-binary", {"dvc.yaml": b"\x00\x01\x02\xff\xfe"}, read),
        Case("yaml-utf-16", {"dvc.yaml": "stages: {}\n".encode("utf-16")}, read),
        Case("yaml-large", {"dvc.yaml": b"#" * (70 << 20)}, ("status",), ("larger than",)),
        Case("yaml-two", {"dvc.yaml": "stages: {}\n---\nstages: {}\n"}, read, ("second one",)),
        Case("yaml-key-is-list", {"dvc.yaml": "? [a, b]\n: c\n"}, read, ("key",)),
        Case("lock-bomb", {**one, "dvc.lock": "schema: '2.0'\n" + bomb}, ("status", "repro")),
        Case("data-bomb", {"x.dvc": bomb}, ("status", "checkout")),
        Case("params-bomb", {**one, "params.yaml": bomb}, ("status", "repro")),
        Case("params-json-deep", {"dvc.yaml": stage(params=[{"p.json": ["a"]}], outs=["o"]), "p.json": "[" * 200_000}, ("status", "repro")),
        Case("params-json-number", {"dvc.yaml": stage(params=[{"p.json": ["a"]}], outs=["o"]), "p.json": '{"a": ' + "9" * 10_000 + "}"}, ("status", "repro")),
        Case("params-toml-deep", {"dvc.yaml": stage(params=[{"p.toml": ["a"]}], outs=["o"]), "p.toml": "a = " + "[" * 100_000}, ("status", "repro")),
        Case("params-python-deep", {"dvc.yaml": stage(params=[{"p.py": ["a"]}], outs=["o"]), "p.py": "a = " + "(" * 5000 + ")" * 5000}, ("status", "repro")),
        Case("params-python-minus", {"dvc.yaml": stage(params=[{"p.py": ["a"]}], outs=["o"]), "p.py": "a = " + "-" * 200_000 + "1"}, ("status", "repro")),
        Case("params-python-runs", {"dvc.yaml": stage(params=[{"p.py": ["a"]}], outs=["o"], cmd="touch o"), "p.py": "import os\nos.system('touch ../outside/ran')\na = __import__('os').system('touch ../outside/ran')\n"}, ("?status", "?repro", "?params diff", "?metrics show p.py"), refused=False),
        Case("template-matrix", {"dvc.yaml": json.dumps({"stages": {"s": {"matrix": {"a": many, "b": many, "c": many}, "cmd": "x"}}})}, read, ("more than",)),
        Case("template-matrices", {"dvc.yaml": json.dumps({"stages": {f"s{n}": {"matrix": {"a": many, "b": list(range(40))}, "cmd": "x"} for n in range(5)}})}, ("status",), ("more than",)),
        Case("template-foreach", {"dvc.yaml": json.dumps({"stages": {"s": {"foreach": "${many}", "do": {"cmd": "${item}"}}}}), "params.yaml": "many: [" + "1," * 150_000 + "]\n"}, ("status",), ("more than",)),
        Case("template-text", {"dvc.yaml": double + 'stages: {s: {cmd: "' + "${a0}" * 2000 + '"}}\n'}, read, ("too long",)),
        Case("template-texts", {"dvc.yaml": double.replace("x" * 1000, "x" * 100_000) + 'stages: {s: {foreach: ' + json.dumps(many) + ', do: {cmd: "a ${a0} ${item}"}}}\n'}, ("status",), ("too long",)),
        Case("template-self", {"dvc.yaml": "vars:\n- a: ${a}\nstages: {s: {cmd: '${a}'}}\n"}, ("?status",), refused=False),
        Case("template-file-outside", {"dvc.yaml": "vars: [../outside/folder/file]\nstages: {s: {cmd: x}}\n"}, read),
        Case("template-device", {"dvc.yaml": "vars: [/dev/zero]\nstages: {s: {cmd: x}}\n"}, read),
        Case("template-path", {"dvc.yaml": "vars: [{p: ../outside/new}]\nstages: {s: {cmd: touch ran, outs: ['${p}']}}\n"}, ("repro",)),
        Case("template-wdir", {"dvc.yaml": "vars: [{p: ../outside}]\nstages: {s: {cmd: touch ran, wdir: '${p}', outs: [new]}}\n"}, ("repro",)),
        Case("graph-circle", {"dvc.yaml": json.dumps({"stages": {"a": {"cmd": "x", "deps": ["b"], "outs": ["a"]}, "b": {"cmd": "x", "deps": ["a"], "outs": ["b"]}}})}, ("?status", "repro", "dag")),
        Case("graph-overlap", {"dvc.yaml": json.dumps({"stages": {"a": {"cmd": "x", "outs": ["d"]}, "b": {"cmd": "x", "outs": ["d/e"]}}})}, ("repro",)),
        Case("graph-own-input", {"dvc.yaml": stage(deps=["o"], outs=["o"])}, ("repro",)),
        Case("ignore-stars", {".dvcignore": "a*" * 30 + "b\n", **folder(manifest(*["a" * 200 + str(n) for n in range(20)]))}, ("?checkout -f", "?status", "?add d"), refused=False),
        Case("ignore-deep", {".dvcignore": "**/a*/" * 30 + "b\n", "/".join("a" * 100) + "/f": "f"}, ("?add a", "?status"), refused=False),
        Case("ignore-classes", {".dvcignore": "*[!b]" * 30 + "\n", "a" * 200: "f", "dvc.yaml": stage(outs=["o"])}, ("status", "repro", "add " + "a" * 200), ("too many stars",)),
        Case("ignore-range", {".dvcignore": "[z-a]\n", "dvc.yaml": stage(outs=["o"])}, ("status", "repro"), ("invalid pattern",)),
        Case("ignore-not-utf-8", {".dvcignore": b"\xff\n", "dvc.yaml": stage(outs=["o"])}, ("status", "repro")),
        Case("metrics-bomb", {"dvc.yaml": '{"metrics": ["m.yaml"]}', "m.yaml": bomb}, ("?metrics show", "?metrics diff"), refused=False),
        Case("metrics-deep", {"dvc.yaml": '{"metrics": ["m.json"]}', "m.json": '{"a":' * 50_000}, ("?metrics show", "?metrics diff"), refused=False),
        Case("plots-deep", {"dvc.yaml": '{"plots": ["m.json"]}', "m.json": "[" * 50_000}, ("?plots show --json", "?plots diff --json"), refused=False),
        Case("plots-field", {"dvc.yaml": '{"plots": ["m.csv"]}', "m.csv": "a,b\n" + "1" * 200_000 + ",2\n"}, ("?plots show --json", "?plots diff --json"), refused=False),
        Case("plots-template-outside", {"dvc.yaml": '{"plots": [{"m.csv": {"template": "../../outside/folder/file"}}]}', "m.csv": "a,b\n1,2\n"}, ("?plots show --json",), refused=False),
    ]  # fmt: skip


def imports() -> list[Case]:
    """`.dvc` files of imports, which are brought up to date."""

    def of(repo: Mapping[str, object], path: str = "f") -> dict[str, str | bytes | Link]:
        return {
            "x.dvc": json.dumps(
                {"frozen": True, "deps": [{"path": path, "repo": repo}], "outs": [{"path": "x", "md5": A}]}
            )
        }

    def url(path: str) -> dict[str, str | bytes | Link]:
        return {"x.dvc": json.dumps({"frozen": True, "deps": [{"path": path}], "outs": [{"path": "x", "md5": A}]})}

    update = ("update x.dvc", "?status")
    bad = {
        "ext": "ext::touch {top}/outside/ran",
        "helper": "anything::x",
        "fd": "fd::0",
        "option": "--upload-pack=touch {top}/outside/ran",
        "ssh-option": "ssh://-oProxyCommand=touch/x",
        "ssh-scp-option": "-oProxyCommand=touch:x",
        "no-repository": "../outside",
        "line": "x\ny",
    }
    return [
        *(Case(f"import-{name}", of({"url": text}), update) for name, text in bad.items()),
        Case("import-rev-option", of({"url": ".", "rev": "--output=../outside/new"}), update),
        Case("import-path-up", of({"url": "."}, "../outside/empty"), update),
        Case("import-command", of({"url": "../outside/r", "remote": {"url": "webdavs://localhost:1/", "bearer_token_command": "touch {top}/outside/ran"}}, "o"), update, ("would run a command",), git=(STRANGER,)),
        Case("import-command-of-theirs", of({"url": "../outside/q"}, "o"), update, ("would run a command",), git=(STRANGER.replace("/r", "/q") + "; printf '[core]\n remote = r\n[remote \"r\"]\n url = webdavs://localhost:1/\n bearer_token_command = touch {top}/outside/ran\n' > .dvc/config && git commit -qam c",)),
        Case("import-url-outputs", {"x.dvc": json.dumps({"deps": [{"path": "../outside/folder/file"}], "outs": [{"path": "../outside/new"}]})}, ("update x.dvc",)),
        Case("import-url-git", {"x.dvc": json.dumps({"deps": [{"path": "../outside/folder/file"}], "outs": [{"path": ".git/config"}]})}, ("update x.dvc",)),
        Case("import-url-ssh", url("ssh://-oProxyCommand=touch/x"), update),
        Case("import-url-scheme", url("ext::touch/x"), update),
        Case("import-url-command", url("rclone://:sftp,ssh=touch:x/y"), update),
        Case("import-link", {**url("../outside/folder/file"), "x": Link("../outside/empty")}, ("?update x.dvc",), refused=False),
    ]  # fmt: skip


STRANGER = (
    "git init -q ../outside/r; cd ../outside/r; mkdir .dvc; touch .dvc/config; "
    f"printf 'outs:\\n- md5: {A}\\n  hash: md5\\n  path: o\\n' > o.dvc; git add -A; git commit -qm x"
)


def undo(*records: object) -> str:
    """A journal of undo, of a command that has ended."""
    head = {"version": 1, "when": 1_700_000_000, "command": "add f", "owner": "1-00"}
    return "".join(json.dumps(one) + "\n" for one in (head, *records, {"done": True}))


def leftovers() -> list[Case]:
    """Files of our own, and of DVC's, that a repository has no business to bring along."""
    ran = {"dvc.yaml": stage(outs=["new"], cmd="echo a > new")}
    entry = {"cmd": "echo a > new", "outs": [{"path": "../outside/new", "hash": "md5", "md5": A, "size": 1}]}
    key = hashlib.sha256(json.dumps({"cmd": "echo a > new", "outs": ["new"]}, sort_keys=True).encode()).hexdigest()
    dead = ".dvc/tmp/gitstage/4194304-deadbeef"
    return [
        Case("runs-path", {**ran, **OBJECT, f".dvc/cache/runs/{key[:2]}/{key}/{'0' * 64}": json.dumps(entry)}, ("?repro",), refused=False),
        Case("runs-digest", {**ran, f".dvc/cache/runs/{key[:2]}/{key}/{'0' * 64}": json.dumps({**entry, "outs": [{"path": "new", "md5": "../../../../../outside/empty"}]})}, ("?repro",), refused=False),
        Case("runs-bomb", {**ran, f".dvc/cache/runs/{key[:2]}/{key}/{'0' * 64}": "a: &a [x,x]\nb: [" + "*a," * 200_000 + "]"}, ("?repro",), refused=False),
        Case("runs-link", {**ran, f".dvc/cache/runs/{key[:2]}": Link("../../../../outside")}, ("?repro",), refused=False),
        Case("scratch-journal", {**ran, f"{dead}/moved": json.dumps([["../outside/new", "1"]]), f"{dead}/1": "x", f"{dead}/alive": "locked\n"}, ("repro",)),
        Case("scratch-journal-git", {**ran, f"{dead}/moved": json.dumps([[".git/hooks/post-checkout", "1"]]), f"{dead}/1": "x", f"{dead}/alive": "locked\n"}, ("repro",)),
        Case("scratch-journal-name", {**ran, f"{dead}/moved": json.dumps([["x", "../../../../../outside/empty"]]), f"{dead}/alive": "locked\n"}, ("?repro",), refused=False),
        Case("scratch-link", {**ran, f"{dead}/sub": Link("../../../../../outside"), f"{dead}/alive": "locked\n"}, ("?repro", "?checkout"), refused=False),
        Case("scratch-alive-link", {**ran, f"{dead}/alive": Link("../../../../../outside/empty")}, ("?repro",), refused=False),
        *(
            Case(f"undo-{name}", {**ran, "f": "f", ".dvc/tmp/gitstage/undo/000001-1700000000-1/journal": undo(*records), ".dvc/tmp/gitstage/undo/000001-1700000000-1/1": "x"}, ("?undo --list", "?undo", "?undo --force", "?repro", "?undo"), refused=False)
            for name, records in {
                "up": [{"path": "../outside/new", "was": {"kept": "1"}}],
                "up-text": [{"path": "../outside/new", "was": {"text": "x"}}],
                "git": [{"path": ".git/hooks/post-checkout", "was": {"kept": "1"}}],
                "config": [{"path": ".dvc/config", "was": {"text": "x"}}],
                "gone": [{"path": "../outside/empty", "was": None}],
                "kept": [{"path": "g", "was": {"kept": "../../../../../../outside/empty"}}],
                "place": [{"path": "g", "was": {"place": "../../../../../outside/empty"}}],
                "place-absolute": [{"path": "g", "was": {"place": "{top}/outside/empty"}}],
                "moved": [{"path": "g", "was": {"moved": "../outside/empty"}}],
                "form": [{"path": "../outside/empty", "was": {"form": 0}}],
                "folder": [{"path": "../outside/sub", "was": {"folder": True}}],
                "link": [{"path": "g", "was": {"symlink": "../outside/empty"}}, {"path": "g", "was": {"form": 0}}],
                "digest": [{"path": "g", "was": {"md5": "../../../../../outside/empty"}}, {"objects": ["../x"]}],
                "kinds": [[1], 5, {"version": 1, "when": "x", "undone": [[1], {}, 1, 2]}, {"path": 5, "was": {"form": "x"}}, {"done": 1, "after": [1], "restored": 5}],
                "text-kind": [{"path": "g", "was": {"text": 5}}],
                "text-wide": [{"path": "g", "was": {"text": "\u0100"}}],
                "mode-kind": [{"path": "f", "was": {"form": "x"}}, {"path": "g", "was": {"md5": A, "mode": "x"}}],
                "forms-kind": [{"path": "g", "was": {"md5": f"{A}.dir", "forms": {"a": 5}, "folders": [5]}}],
                "folder-kind": [{"path": "g", "was": {"folder": "x"}}],
                "nul": [{"path": "g", "was": {"symlink": "a\0"}}, {"path": "h", "was": {"kept": "a\0"}}],
            }.items()
        ),
        Case("undo-after-kind", {**ran, "f": "f", ".dvc/tmp/gitstage/undo/000001-1700000000-1/journal": undo({"path": "f", "was": {"md5": A}}) + '{"done": 1, "after": {"f": 5}, "restored": {"f": 5}}\n'}, ("?undo", "?undo --force"), refused=False),
        Case("undo-deep", {**ran, ".dvc/tmp/gitstage/undo/000001-1-1/journal": undo() + "[" * 200_000, ".dvc/tmp/gitstage/undo/000002/journal": "[" * 200_000}, ("?repro", "?undo --list", "?undo"), refused=False),
        Case("scratch-deep", {**ran, f"{dead}/moved": "[" * 200_000, f"{dead}/alive": "locked\n"}, ("?repro",), refused=False),
        Case("scratch-number", {**ran, ".dvc/tmp/gitstage/\u00b2-x/1": ""}, ("?repro",), refused=False),
        Case("undo-journal-link", {**ran, ".dvc/tmp/gitstage/undo/000001/journal": Link("../../../../../../outside/empty")}, ("?repro", "?undo --list", "?undo"), refused=False),
        Case("undo-journal-device", {**ran, ".dvc/tmp/gitstage/undo/000001-1-1/journal": Link("/dev/zero")}, ("?repro", "?undo --list", "?undo"), refused=False),
        Case("undo-folder-link", {**ran, ".dvc/tmp/gitstage/undo/000001": Link("../../../../../outside/folder")}, ("?repro", "?undo --list", "?undo", "?undo --forget"), refused=False),
        Case("undo-elsewhere", {**ran, ".dvc/tmp/gitstage/undo/000001-1-1/elsewhere": "{top}/outside/folder", ".dvc/tmp/gitstage/undo/000001-1-1/journal": undo()}, ("?repro", "?undo --forget"), refused=False),
        Case("undo-is-link", {**ran, ".dvc/tmp/gitstage/undo": Link("../../../../outside/folder")}, ("repro", "undo --list")),
        Case("rwlock-damaged", {**ran, ".dvc/tmp/rwlock": "{"}, ("repro",)),
        Case("rwlock-pid", {**ran, ".dvc/tmp/rwlock": '{"write": {"x": {"pid": "x", "cmd": 5}}}'}, ("repro",)),
        Case("tmp-is-file", {**ran, ".dvc/tmp": "x"}, ("repro",), git=("rm -rf .dvc/tmp; echo x > .dvc/tmp",)),
        Case("cache-is-file", {**ran, ".dvc/cache": "x"}, ("repro", "commit -f")),
        Case("object-is-folder", {f"{at(A)}/x": "a", "x.dvc": data("o")}, ("checkout -f",)),
        Case("object-is-wrong", {at(A): "b", "x.dvc": data("o")}, ("checkout -f",)),
        Case("output-is-project", {"x.dvc": data("sub"), **OBJECT, "sub/.dvc/config": ""}, ("?checkout -f", "?commit -f"), refused=False),
    ]  # fmt: skip


def names() -> list[Case]:
    """Names and texts that a terminal would act on."""
    escape = "\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202egnp"
    quoted = json.dumps(escape)
    files: dict[str, str | bytes | Link] = {
        "dvc.yaml": '{"stages": {"s": {"cmd": '
        + quoted
        + ', "deps": ['
        + quoted
        + '], "outs": ["o", '
        + json.dumps("x" + escape)
        + '], "desc": '
        + quoted
        + "}}}",
        escape + ".dvc": data("d" + escape),
    }
    looks = (
        "?status",
        "?status -v",
        "?list",
        "?list --all",
        "?dag",
        "?dag --dot",
        "?dag --md",
        "?why",
        "?data status",
        "?ls . -R",
        "?du .",
        "?diff",
        "?check-ignore -d x",
        "?repro --dry",
        "?verify",
        "?stage list",
        "?checkout",
        "?pull",
        "?metrics show",
        "?params diff",
        "?freeze no",
    )
    return [
        Case("escape-names", files, looks, refused=False),
        Case("escape-in-error", {"dvc.yaml": '{"stages": {"s": {' + json.dumps("k" + escape) + ": 1}}}"}, ("status", "repro")),
        Case("escape-in-config", {".dvc/config": f"[core]\n    {escape.replace(chr(13), '')} = 1\n"}, ("status",)),
        Case("escape-in-remote", {".dvc/config": f"[core]\n    remote = r\n['remote \"r\"']\n    url = zzz://{escape.replace(chr(13), '')}/x\n"}, ("push", "status")),
        Case("escape-in-metrics", {"dvc.yaml": '{"metrics": ["m.json"]}', "m.json": json.dumps({escape: escape})}, ("?metrics show", "?metrics diff", "?metrics show --md"), refused=False),
        Case("escape-in-branch", {}, ("?metrics show -a", "?diff HEAD", "?gc -a -f", "?plots diff HEAD"), refused=False, git=("printf 'x\\302\\233m' | xargs -0 git branch",)),
        Case("option-names", {"--force": "x", "-n.dvc": data("-n"), "dvc.yaml": stage(outs=["--output"], cmd="touch -- --output", deps=["-d"]), "-d": ""}, ("?status", "?repro", "?checkout -f", "?commit -f", "?gc -w -f"), refused=False),
    ]  # fmt: skip


CASES: list[Case] = [
    *paths(), *manifests(), *digests(), *links(), *settings(), *texts(), *imports(), *leftovers(), *names(),
]  # fmt: skip
