"""Runs many command lines of `dvc` or `git-stage` in one process, so that its start-up is paid once.

Arguments: the tool, and the file that the JSON list of {"code", "out", "err"} is written to. stdin: a JSON list of
{"cwd", "argv"}.
"""

import json
import os
import sys
import tempfile


def main() -> None:
    tool, target = sys.argv[1:]
    if tool == "dvc":
        from dvc.cli import main as run
    else:
        from gitstage.cli import main as run

    results = []
    real = [os.dup(1), os.dup(2)]
    for call in json.load(sys.stdin):
        os.chdir(call["cwd"])
        with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            os.dup2(out.fileno(), 1)
            os.dup2(err.fileno(), 2)
            try:
                code = run(call["argv"])
            except SystemExit as stop:
                code = stop.code
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            said = []
            for file, fd in ((out, 1), (err, 2)):
                os.dup2(real[fd - 1], fd)
                file.seek(0)
                said.append(file.read().decode())
        results.append({"code": code, "out": said[0], "err": said[1]})
    with open(target, "w", encoding="utf-8") as stream:
        json.dump(results, stream)


if __name__ == "__main__":
    main()
