"""A command-line program that is imported once and forked for every call; `python forked.py dvc` is the server's side.

Starting `dvc` costs half a second of which all but a tenth is imports. A call here runs the program's own `main` in a
forked child whose arguments, folder, environment and streams are those of a process of its own.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple


class Said(NamedTuple):
    """What a call came to: exit code (negative: the signal), standard output, standard error."""

    code: int
    out: str
    err: str


class Forked:
    """A program, "dvc" or "git-stage", that answers calls; `close` ends it.

    FORKED_MODULES in the environment names modules that it is to import beside those that common calls need.
    """

    def __init__(self, program: str, env: Mapping[str, str], seconds: int = 0) -> None:
        """`seconds`: a call that takes longer is killed; 0: it may take its time."""
        self.seconds = seconds
        self.said = tempfile.TemporaryDirectory(prefix="said-")
        self.server = subprocess.Popen(
            [sys.executable, __file__, program], env=dict(env), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> Said:
        """Run the program with the arguments `argv` in folder `cwd`; `env` is added to its environment."""
        assert self.server.stdin is not None and self.server.stdout is not None
        paths = [os.path.join(self.said.name, name) for name in ("out", "err")]
        call = {"argv": list(argv), "cwd": str(cwd), "env": dict(env), "streams": paths, "seconds": self.seconds}
        self.server.stdin.write(json.dumps(call) + "\n")
        self.server.stdin.flush()
        code = int(self.server.stdout.readline())
        return Said(code, *(Path(path).read_bytes().decode("utf-8", "backslashreplace") for path in paths))

    def close(self) -> None:
        assert self.server.stdin is not None
        self.server.stdin.close()
        self.server.terminate()
        self.server.wait()
        self.said.cleanup()


def serve(program: str) -> None:
    """Answer calls, one JSON line each, with one line that holds the exit code, until the input ends."""
    if program == "dvc":
        from dvc.cli import main
        from dvc.cli.parser import get_main_parser

        get_main_parser()  # imports every verb
    else:
        from gitstage.cli import main  # type: ignore[assignment]
    for name in [*needed(main, program), *os.environ.get("FORKED_MODULES", "").split()]:
        try:
            importlib.import_module(name)
        except Exception:  # what a verb imports under a condition only
            continue
    answers = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        call = json.loads(line)
        child = os.fork()
        if child == 0:
            answer(main, program, call)
        answers.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        answers.flush()


def needed(main: Any, program: str) -> list[str]:
    """Modules that some calls import late: seen in children, so that the server itself never works on a repository."""
    names: dict[str, None] = {}
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["git", "init", "-q", folder], check=True)
        Path(folder, "f").write_text("f")
        Path(folder, "dvc.yaml").write_text("stages:\n  s: {cmd: cp f o, deps: [f], outs: [o], params: [a]}\n")
        Path(folder, "params.yaml").write_text("a: 1\n")
        for argv in (
            ["init"],
            ["repro"],
            ["status"],
            ["freeze", "s"],
            ["add", "f"],
            ["data", "status"],
            ["diff"],
            ["dag"],
            ["gc", "-w", "-f"],
        ):
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(reader)
                call = {"argv": argv, "cwd": folder, "env": {}, "streams": [os.devnull, os.devnull]}
                answer(main, program, call, os.fdopen(writer, "w"))
            os.close(writer)
            with os.fdopen(reader) as stream:
                names.update(dict.fromkeys(stream.read().split()))
            os.waitpid(child, 0)
    return [name for name in names if name not in sys.modules]


def answer(main: Any, program: str, call: Any, modules: Any = None) -> None:
    """In the child: be the program, and end."""
    code = 120
    try:
        os.setsid()  # a signal to the call's process group must not reach the server
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.alarm(call.get("seconds", 0))
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, path in enumerate(call["streams"], 1):
            os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        os.chdir(call["cwd"])
        os.environ.update(call["env"], PWD=call["cwd"])
        sys.argv = [program, *call["argv"]]
        try:
            code = main(call["argv"]) or 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        sys.stdout.flush()
        sys.stderr.flush()
        if modules is not None:
            modules.write("\n".join(sys.modules))
            modules.close()
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
