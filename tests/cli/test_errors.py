"""Bad input: one line that names the file, at most one hint, the documented exit code, and nothing changed."""

from __future__ import annotations

import ctypes
import os
import re
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from subprocess import CompletedProcess

import pytest
from support import RAN as OK
from support import Repo, differences, md5, picture

from gitstage.errors import EXIT_CODES

ANY_REFUSAL = {1, 3, 4, 5}


def says(got: CompletedProcess[str], names: Sequence[str], codes: set[int], hint: str = "") -> None:
    """The contract of every error message."""
    message = f"exit {got.returncode}\n{got.stdout}{got.stderr}"
    assert got.returncode in codes, message
    assert got.returncode in EXIT_CODES, message
    assert "Traceback" not in got.stderr + got.stdout, message
    lines = got.stderr.splitlines()
    assert lines, message
    assert lines[0].startswith("git-stage: "), message
    assert len(lines) == 1 or (len(lines) == 2 and lines[1].startswith("hint: ")), message
    for name in names:
        assert name in lines[0], f"{name!r} is not named\n{message}"
    if hint:
        assert len(lines) == 2, f"no hint\n{message}"
        assert hint in lines[1], message


@dataclass(frozen=True)
class Case:
    """`files` are put on top of a project that has run stage `s`; then `argv` must fail with one of `codes`."""

    files: Mapping[str, str]
    argv: Sequence[str]
    codes: set[int]
    names: Sequence[str]
    hint: str = ""


def pipeline(text: str, *argv: str, names: Sequence[str] = (), codes: set[int] | None = None) -> Case:
    """A `dvc.yaml` that no verb can use."""
    return Case({"dvc.yaml": text}, argv or ("repro",), codes or {3}, ("dvc.yaml", *names))


def graph(text: str, *names: str) -> Case:
    """Stages that cannot be put together."""
    return Case({"dvc.yaml": text}, ("repro",), {3}, names)


LOCK = f"""\
schema: '2.0'
stages:
  s:
    cmd: cp src out
    deps:
    - path: src
      hash: md5
      md5: {md5("one")}
"""

CASES = {
    # dvc.yaml
    "invalid YAML": pipeline("stages: [\n", names=[":"]),
    "invalid YAML, status": pipeline("stages: [\n", "status"),
    "invalid YAML, list": pipeline("stages: [\n", "list", "--fail"),
    "invalid YAML, run": pipeline("stages: [\n", "run", "-n", "new", "true"),
    "invalid YAML, checkout": pipeline("stages: [\n", "checkout"),
    "tab": pipeline("stages:\n\ts:\n"),
    "not UTF-8": pipeline("stages:\n  s: {cmd: \udcff}\n"),
    "conflict markers": pipeline(f"<<<<<<< HEAD\n{OK}=======\n>>>>>>> other\n"),
    "duplicate key": pipeline(OK + "  s: {cmd: y}\n"),
    "a list": pipeline("- s\n"),
    "unknown key": pipeline("stage: {}\n", names=["stage"]),
    "unknown key of a stage": pipeline(OK + "    dep: [src]\n", names=["dep"]),
    "unknown flag of an output": pipeline(
        "stages:\n  s:\n    cmd: x\n    outs:\n    - o: {cached: true}\n", names=["cached"]
    ),
    "stages are a list": pipeline("stages: [s]\n"),
    "command is missing": pipeline("stages:\n  s: {deps: [src]}\n", names=["cmd"]),
    "command is a number": pipeline("stages:\n  s: {cmd: 5}\n", names=["cmd"]),
    "command is empty": pipeline("stages:\n  s: {cmd: ''}\n", names=["cmd"]),
    "command is an empty list": pipeline("stages:\n  s: {cmd: []}\n", names=["cmd"]),
    "dependencies are text": pipeline("stages:\n  s: {cmd: x, deps: src}\n", names=["deps"]),
    "frozen is text": pipeline("stages:\n  s: {cmd: x, frozen: 'yes'}\n", names=["frozen"]),
    "at sign in a name": pipeline("stages:\n  s@t: {cmd: x}\n", names=["s@t"]),
    # the graph
    "cycle": graph("stages:\n  a: {cmd: x, deps: [p], outs: [q]}\n  b: {cmd: x, deps: [q], outs: [p]}\n", "a", "b"),
    "cycle of one": graph("stages:\n  a: {cmd: x, deps: [p], outs: [p]}\n", "a"),
    "cycle through a folder": graph("stages:\n  a: {cmd: x, deps: [d], outs: [d/o]}\n", "a"),
    "duplicate outputs": graph("stages:\n  a: {cmd: x, outs: [o]}\n  b: {cmd: x, outs: [./o]}\n", "a", "b", "o"),
    "overlapping outputs": graph("stages:\n  a: {cmd: x, outs: [d]}\n  b: {cmd: x, outs: [d/f]}\n", "d", "d/f"),
    "output is a data file": Case({"dvc.yaml": "stages:\n  a: {cmd: x, outs: [data]}\n"}, ["repro"], {3}, ["data"]),
    "output outside": graph("stages:\n  a: {cmd: echo > ../o, outs: [../o]}\n", "../o"),
    "absolute output outside": graph(
        "stages:\n  a: {cmd: echo > /tmp/o, outs: [/tmp/gitstage-o]}\n", "/tmp/gitstage-o"
    ),
    "output is dvc.yaml": graph("stages:\n  a: {cmd: x, outs: [sub/dvc.yaml]}\n", "sub/dvc.yaml"),
    "output in .git": graph("stages:\n  a: {cmd: x, outs: [.git/hooks/pre-commit]}\n", ".git"),
    "output in .dvc": graph("stages:\n  a: {cmd: x, outs: [.dvc/config]}\n", ".dvc"),
    "output tracked by Git": Case(
        {"dvc.yaml": "stages:\n  a: {cmd: echo > src, outs: [src]}\n"}, ["repro"], {1, 3}, ["src"], "git rm"
    ),
    "folder with a file tracked by Git": Case(
        {"dvc.yaml": "stages:\n  a: {cmd: x, outs: [tracked]}\n"}, ["repro"], {1, 3}, ["tracked"], "git rm"
    ),
    "missing dependency": Case(
        {"dvc.yaml": "stages:\n  a: {cmd: echo > n, deps: [nowhere], outs: [n]}\n"}, ["repro"], ANY_REFUSAL, ["nowhere"]
    ),
    "missing parameter": Case(
        {"dvc.yaml": "stages:\n  a: {cmd: echo > n, params: [lr], outs: [n]}\n", "params.yaml": "x: 1\n"},
        ["repro"],
        ANY_REFUSAL,
        ["lr", "params.yaml"],
    ),
    "invalid params file": Case(
        {"dvc.yaml": "stages:\n  a: {cmd: echo, params: [p.json: [k]]}\n", "p.json": "{"}, ["repro"], {3}, ["p.json"]
    ),
    "missing working directory": Case(
        {"dvc.yaml": "stages:\n  a: {cmd: 'true', wdir: nowhere}\n"}, ["repro"], ANY_REFUSAL, ["nowhere"]
    ),
    "failing command": Case({"dvc.yaml": "stages:\n  a: {cmd: exit 3}\n"}, ["repro"], {5}, ["a", "3"]),
    "unknown command": Case({"dvc.yaml": "stages:\n  a: {cmd: nosuchprogram 2>&-}\n"}, ["repro"], {5}, ["a", "127"]),
    "output is not made": Case({"dvc.yaml": "stages:\n  a: {cmd: 'true', outs: [n]}\n"}, ["repro"], {5}, ["n"]),
    # targets and options
    "unknown stage": Case({}, ["repro", "nosuch"], {3}, ["nosuch"]),
    "unknown stage of status": Case({}, ["status", "nosuch"], {3}, ["nosuch"]),
    "unknown stage of commit": Case({}, ["commit", "nosuch"], {3}, ["nosuch"]),
    "unknown stage of checkout": Case({}, ["checkout", "nosuch"], {3}, ["nosuch"]),
    "checkout of a file of Git": Case({}, ["checkout", "src"], {3}, ["src"]),
    "unknown pipeline file": Case({}, ["repro", "sub/dvc.yaml"], {1, 3}, ["sub/dvc.yaml"]),
    "dvc.lock as a target": Case({}, ["repro", "dvc.lock"], {3}, ["dvc.lock"], "dvc.yaml"),
    "dvc.lock as a target of status": Case({}, ["status", "dvc.lock"], {3}, ["dvc.lock"], "dvc.yaml"),
    "unknown option": Case({}, ["run", "--nosuch", "true"], {2}, ["--nosuch"]),
    "unknown verb": Case({}, ["nosuch"], {2}, ["nosuch"]),
    "run without a command": Case({}, ["run", "-n", "x", "-o", "x"], {2}, ["command"]),
    "run without a name": Case({}, ["run", "-o", "x", "true"], {2}, ["-n"]),
    "run of nothing": Case({}, ["run", "-n", "x", ""], {2, 3}, ["command"]),
    "run, punctuation in the name": Case({}, ["run", "-n", "a.b", "true"], {2, 3}, ["a.b"]),
    "run, input is output": Case({}, ["run", "-n", "x", "-d", "q", "-o", "q", "echo > q"], {3}, ["q"]),
    "run, output of another stage": Case({}, ["run", "-n", "x", "-o", "out", "echo > out"], {3}, ["out", "s"]),
    "run, output inside another": Case({}, ["run", "-n", "x", "-o", "dir/n", "echo > dir/n"], {3}, ["dir"]),
    "run, output outside": Case({}, ["run", "-n", "x", "-o", "../o", "echo > ../o"], {3}, ["../o"]),
    "run, output tracked by Git": Case({}, ["run", "-n", "x", "-o", "src", "echo > src"], {1, 3}, ["src"], "git rm"),
    "run, missing input": Case({}, ["run", "-n", "x", "-d", "nowhere", "true"], ANY_REFUSAL, ["nowhere"]),
    "run, missing folder": Case({}, ["run", "-n", "x", "-w", "nowhere", "true"], ANY_REFUSAL, ["nowhere"]),
    "run, folder outside": Case({}, ["run", "-n", "x", "-w", "..", "true"], ANY_REFUSAL, [".."]),
    # add
    "add, missing": Case({}, ["add", "nowhere"], {1, 3, 4}, ["nowhere"]),
    "add, one of two missing": Case({"new": "1\n"}, ["add", "new", "nowhere"], {1, 3, 4}, ["nowhere"]),
    "add, tracked by Git": Case({}, ["add", "src"], {1, 3}, ["src"], "git rm"),
    "add, output of a stage": Case({}, ["add", "out"], {1, 3}, ["out", "s"]),
    "add, outside": Case({"../outside": "1\n"}, ["add", "../outside"], {1, 3}, ["../outside"]),
    "add, a .dvc file": Case({}, ["add", "data.dvc"], {1, 3}, ["data.dvc"]),
    "add, in an ignored folder": Case(
        {"ign/x": "1\n", ".gitignore": "/data\n/dir\n/out\n/ign/\n"}, ["add", "ign/x"], {1, 3}, ["ign/x.dvc"]
    ),
    "add, contains tracked data": Case(
        {"up/x": "1\n", "up/x.dvc": "outs:\n- path: x\n"}, ["add", "up"], {1, 3}, ["up"]
    ),
    # dvc.lock
    "garbage in dvc.lock": Case({"dvc.lock": "\x01\x02garbage: [\n"}, ["status"], {3}, ["dvc.lock"]),
    "conflict markers in dvc.lock": Case(
        {"dvc.lock": f"<<<<<<< HEAD\n{LOCK}=======\n>>>>>>> other\n"}, ["status"], {3}, ["dvc.lock"]
    ),
    "conflict inside dvc.lock": Case(
        {"dvc.lock": LOCK + "<<<<<<< HEAD\n      size: 3\n=======\n      size: 4\n>>>>>>> other\n"},
        ["repro"],
        {3},
        ["dvc.lock"],
    ),
    "empty dvc.lock": Case({"dvc.lock": ""}, ["status"], {3}, ["dvc.lock"]),
    "unknown key in dvc.lock": Case({"dvc.lock": LOCK + "      mine: 1\n"}, ["status"], {3}, ["dvc.lock", "mine"]),
    "wrong schema in dvc.lock": Case({"dvc.lock": LOCK.replace("2.0", "9.9")}, ["status"], {3}, ["dvc.lock", "9.9"]),
    # *.dvc
    "garbage in a .dvc file": Case({"data.dvc": "outs: [\n"}, ["status"], {3}, ["data.dvc"]),
    "conflict markers in a .dvc file": Case({"data.dvc": "<<<<<<< HEAD\nouts: []\n"}, ["checkout"], {3}, ["data.dvc"]),
    "unknown key in a .dvc file": Case({"data.dvc": "outs: []\nmine: 1\n"}, ["repro"], {3}, ["data.dvc", "mine"]),
    "path out of the repository in a .dvc file": Case(
        {"data.dvc": f"outs:\n- md5: {md5('one')}\n  hash: md5\n  path: ../../escaped\n"},
        ["checkout"],
        {3},
        ["data.dvc"],
    ),
    "digest in a .dvc file is a path": Case(
        {"data.dvc": "outs:\n- md5: ../../x\n  hash: md5\n  path: data\n"}, ["checkout"], {3, 4}, ["data"]
    ),
    # settings
    "garbage in the settings": Case({".dvc/config": "[core\n"}, ["status"], {6}, [".dvc/config"]),
    "unknown setting": Case({".dvc/config": "[core]\n    nosuch = 1\n"}, ["status"], {6}, [".dvc/config", "nosuch"]),
    "bad link type": Case({".dvc/config": "[cache]\n    type = telepathy\n"}, ["add", "data"], {6}, [".dvc/config"]),
}


def refuse(repo: Repo, run: Callable[[], CompletedProcess[str]]) -> CompletedProcess[str]:
    """Run what must not change anything."""
    before = repo.state()
    got = run()
    changed = differences(before, repo.state())
    assert not changed, "\n".join([*changed, got.stdout, got.stderr])
    return got


def test_control_nothing_is_wrong_with_the_project(ran: Repo) -> None:
    for argv in (["status"], ["repro"], ["checkout"], ["commit"], ["add", "data"], ["list", "--fail"]):
        assert refuse(ran, lambda argv=argv: ran.stage(*argv, check=True)).stderr == ""  # type: ignore[misc]


@pytest.mark.parametrize("name", CASES)
def test_refused(ran: Repo, name: str) -> None:
    case = CASES[name]
    ran.write({path: text.encode("utf-8", "surrogateescape") for path, text in case.files.items()})
    got = refuse(ran, lambda: ran.stage(*case.argv))
    says(got, case.names, case.codes, case.hint)
    assert not ran.exists("../o")


@pytest.mark.parametrize("argv", [["status"], ["run", "-n", "x", "true"], ["add", "f"], ["checkout"], ["install"]])
def test_outside_git(repo: Repo, argv: list[str]) -> None:
    outside = Repo(repo.path.parent / "outside", repo.env | {"GIT_CEILING_DIRECTORIES": str(repo.path.parent)})
    outside.write({"f": "1\n"})
    before = outside.tree()
    says(outside.stage(*argv), [], {7})
    assert outside.tree() == before


@pytest.mark.parametrize(
    "argv",
    [["status"], ["run", "-n", "x", "true"], ["repro"], ["add", "f"], ["checkout"], ["commit"], ["list"], ["root"]],
)
def test_no_project(repo: Repo, argv: list[str]) -> None:
    repo.write({"f": "1\n"})
    got = refuse(repo, lambda: repo.stage(*argv))
    says(got, [], {7}, "git stage init")


def test_repro_without_a_pipeline(project: Repo) -> None:
    says(refuse(project, lambda: project.stage("repro")), ["dvc.yaml"], {1, 3})


def test_missing_object(ran: Repo) -> None:
    ran.object(md5("d\n")).unlink()
    ran.remove("data")
    says(refuse(ran, lambda: ran.stage("checkout")), ["data"], {4})


def test_missing_object_of_a_folder(ran: Repo) -> None:
    ran.object(md5("a\n")).unlink()
    ran.remove("dir/a")
    says(refuse(ran, lambda: ran.stage("checkout")), ["dir"], {4})


def test_missing_manifest(ran: Repo) -> None:
    digest = re.findall(r"md5: (\w+\.dir)", ran.read("dir.dvc"))[0]
    ran.object(digest).unlink()
    ran.remove("dir")
    says(refuse(ran, lambda: ran.stage("checkout")), ["dir"], {4})


def test_garbage_manifest(ran: Repo) -> None:
    digest = re.findall(r"md5: (\w+\.dir)", ran.read("dir.dvc"))[0]
    kept = ran.object(digest)
    kept.chmod(0o644)
    kept.write_text('{"not": "a list"')
    kept.chmod(0o444)
    ran.remove("dir")
    says(refuse(ran, lambda: ran.stage("checkout")), ["dir"], {3, 4})


def test_broken_symlink_cannot_be_added(ran: Repo) -> None:
    (ran.path / "broken").symlink_to("nowhere")
    says(refuse(ran, lambda: ran.stage("add", "broken")), ["broken"], {1, 3, 4})


def test_output_that_is_a_pipe(ran: Repo) -> None:
    ran.write({"dvc.yaml": "stages:\n  a: {cmd: mkfifo n, outs: [n]}\n"})
    lock = ran.read("dvc.lock")
    says(ran.stage("repro", timeout=30), ["a", "n"], {1, 3, 5})
    assert ran.read("dvc.lock") == lock


def test_name_that_is_not_text_cannot_be_added(ran: Repo) -> None:
    ran.write({"odd/keep": "1\n"})
    with open(os.fsencode(ran.path) + b"/odd/\xff", "wb"):
        pass
    says(refuse(ran, lambda: ran.stage("add", "odd")), ["odd"], {1, 3})


# A read-only folder. Root writes anywhere, so root gives up that power first.

CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, PR_CAPBSET_DROP = 1, 2, 24


def obey_permissions() -> None:
    if os.geteuid() == 0 and sys.platform == "linux":
        libc = ctypes.CDLL(None, use_errno=True)
        for power in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
            if libc.prctl(PR_CAPBSET_DROP, power, 0, 0, 0) != 0:
                os._exit(99)


def stage_obeying(repo: Repo, *argv: str) -> CompletedProcess[str]:
    running = repo.start("git-stage", *argv, preexec_fn=obey_permissions)
    out, errors = running.communicate(timeout=60)
    return CompletedProcess(argv, running.returncode, out, errors)


@pytest.fixture
def locked(ran: Repo) -> object:
    """Makes folders read-only, and writable again when the test is over."""
    done: list[str] = []

    def lock(*folders: str) -> None:
        for folder in folders:
            os.chmod(ran.path / folder, 0o555)
            done.append(folder)

    yield lock
    for folder in done:
        os.chmod(ran.path / folder, 0o755)


Lock = Callable[..., None]


def test_read_only_folder_of_the_data(ran: Repo, locked: Lock) -> None:
    ran.write({"ro/f": "f\n"})
    locked("ro")
    before = picture(ran.path, skip=(".git", ".dvc"))
    says(stage_obeying(ran, "add", "ro/f"), ["ro/"], {9})
    assert picture(ran.path, skip=(".git", ".dvc")) == before


def test_read_only_folder_of_an_output(ran: Repo, locked: Lock) -> None:
    ran.remove("dir/a")
    locked("dir")
    says(refuse(ran, lambda: stage_obeying(ran, "checkout")), ["dir"], {9})


def test_read_only_cache(ran: Repo, locked: Lock) -> None:
    ran.write({"new": "new\n"})
    prefix = md5("new\n")[:2]
    if ran.exists(f".dvc/cache/files/md5/{prefix}"):
        locked(f".dvc/cache/files/md5/{prefix}")
    locked(".dvc/cache/files/md5")
    says(refuse(ran, lambda: stage_obeying(ran, "add", "new")), [".dvc/cache"], {9})


def test_read_only_work_tree(ran: Repo, locked: Lock) -> None:
    ran.write({"src": "two\n"})
    locked(".")
    says(refuse(ran, lambda: stage_obeying(ran, "repro")), [], {5, 9})


def test_unreadable_input(ran: Repo) -> None:
    ran.write({"src": "two\n"}, mode=0o000)
    before = ran.read("dvc.lock")
    got = stage_obeying(ran, "repro")
    says(got, ["src"], {9})
    assert ran.read("dvc.lock") == before


def test_control_a_writable_folder_takes_the_data(ran: Repo) -> None:
    ran.write({"ro/f": "f\n"})
    got = stage_obeying(ran, "add", "ro/f")
    assert got.returncode == 0, got.stderr
    assert ran.exists("ro/f.dvc")


def test_full_disk(ran: Repo) -> None:
    """A limit on the size of files stands for a disk that is full."""
    ran.write({"new": "x" * 300_000})

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    def run() -> CompletedProcess[str]:
        running = ran.start("git-stage", "add", "new", preexec_fn=limit)
        out, errors = running.communicate(timeout=60)
        return CompletedProcess(["add"], running.returncode, out, errors)

    says(refuse(ran, run), [], {9})
