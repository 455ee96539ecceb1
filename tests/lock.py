"""Write tests/requirements.lock: what the tests of this revision ran with, on the Python that runs this.

`.venv-test/bin/python tests/lock.py` after `./install.sh --test`. Lines of other Pythons stay.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path

LOCK = Path(__file__).with_name("requirements.lock")
NOT_OURS = {"gitstage", "pip", "setuptools", "wheel", "atheris"}
HEAD = """\
# The versions that the tests ran with, for each Python that they were last run on: `./install.sh --test` takes these.
# Written by tests/lock.py. On another Python the ranges of pyproject.toml alone decide.
"""


def main() -> None:
    version = ".".join(map(str, sys.version_info[:2]))
    marker = f'; python_version == "{version}"'
    earlier = LOCK.read_text().splitlines() if LOCK.exists() else []
    lines = [line for line in earlier if line and line[0] != "#" and not line.endswith(marker)]
    for found in importlib.metadata.distributions():
        name = re.sub(r"[-_.]+", "-", found.metadata["Name"]).lower()
        if name not in NOT_OURS:
            lines.append(f"{name}=={found.version} {marker}")
    LOCK.write_text(HEAD + "".join(f"{line}\n" for line in sorted(set(lines))))


if __name__ == "__main__":
    main()
