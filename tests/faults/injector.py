"""Faults at chosen file-system calls of the installed program and of all that it starts; see shim.c."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

_SOURCE = Path(__file__).with_name("shim.c")
_OPEN, _READ, _LOOK, _CHANGE, _SPACE, _SYNC, _LOCK = (1 << number for number in range(7))  # as in shim.c


@dataclass(frozen=True)
class Fault:
    """What happens to the Nth call that it can strike. `error`: its errno, 0 for kill -9 of the whole process group;
    `lasting`: it happens to all later ones, too."""

    name: str
    strikes: int
    error: int
    lasting: bool = False


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("kill", _CHANGE, 0),
        Fault("ENOSPC", _SPACE, errno.ENOSPC, lasting=True),
        Fault("EIO", _OPEN | _READ | _LOOK | _CHANGE | _SYNC, errno.EIO),
        Fault("EACCES", _OPEN | _LOOK | _CHANGE, errno.EACCES),
        Fault("EMFILE", _OPEN, errno.EMFILE),
        Fault("EINTR", _OPEN | _READ | _CHANGE | _SYNC | _LOCK, errno.EINTR),
    )
}


class _Control(ctypes.Structure):
    _fields_ = [
        ("armed", ctypes.c_int),
        ("strikes", ctypes.c_int),
        ("error", ctypes.c_int),
        ("target", ctypes.c_int),
        ("lasting", ctypes.c_int),
        ("count", ctypes.c_int),
        ("hit", ctypes.c_int),
        ("call", ctypes.c_char * 24),
        ("program", ctypes.c_char * 24),
        ("path", ctypes.c_char * 1024),
        ("root", ctypes.c_char * 1024),
        ("spared", ctypes.c_char * 24),
    ]


class Injector:
    """Makes the shim; what runs with `env` beside its own environment can be struck below the folder `root`."""

    def __init__(self, root: Path) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="faults-")
        library = os.path.join(self._folder.name, "shim.so")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, _SOURCE, "-ldl"], check=True)
        file = os.path.join(self._folder.name, "control")
        with open(file, "w+b") as stream:
            stream.truncate(ctypes.sizeof(_Control))
            self._map = mmap.mmap(stream.fileno(), 0)
        self._control = _Control.from_buffer(self._map)
        self._control.root = os.fsencode(root)
        self.env = {"LD_PRELOAD": library, "FAULTS_CONTROL": file}

    def arm(self, fault: Fault, target: int = 0, spared: str = "") -> None:
        """From now on count calls but those of the program `spared`, and strike number `target` (0: none)."""
        control = self._control
        control.strikes, control.error, control.lasting = fault.strikes, fault.error, fault.lasting
        control.target, control.count, control.hit, control.spared = target, 0, 0, spared.encode()
        control.call = control.program = control.path = b""
        control.armed = 1

    def disarm(self) -> int:
        """Stop; returns how many calls were counted."""
        self._control.armed = 0
        return int(self._control.count)

    @property
    def struck(self) -> str | None:
        """The call that was struck: "rename of /path by git-stage"; None if none was."""
        control = self._control
        if not control.hit:
            return None
        return f"{control.call.decode()} of {os.fsdecode(control.path)} by {control.program.decode()}"

    def close(self) -> None:
        del self._control
        self._map.close()
        self._folder.cleanup()
