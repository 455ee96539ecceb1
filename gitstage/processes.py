"""Whether another process lives."""

from __future__ import annotations

import contextlib
import os
import re
import sys

if sys.platform == "win32":

    def is_running(pid: int) -> bool:
        """Does the process live?"""
        import ctypes

        # os.kill would end the process. 0x1000: PROCESS_QUERY_LIMITED_INFORMATION; 259: STILL_ACTIVE
        handle = ctypes.windll.kernel32.OpenProcess(0x1000, False, pid)
        if not handle:
            return False
        code = ctypes.c_ulong()
        ctypes.windll.kernel32.GetExitCodeProcess(handle, ctypes.byref(code))
        ctypes.windll.kernel32.CloseHandle(handle)
        return code.value == 259

else:

    def is_running(pid: int) -> bool:
        """Does the process live? One that has ended does not, even if nobody asks how it ended (a zombie; in a container
        it may stay so for ever)."""
        if pid <= 0:
            return False  # 0 and below would ask about process groups
        try:
            os.kill(pid, 0)
        except PermissionError:
            return True
        except (ProcessLookupError, OverflowError):
            return False
        try:
            with open(f"/proc/{pid}/stat", "rb") as stream:
                return stream.read().rpartition(b")")[2].split()[:1] not in ([b"Z"], [b"X"])
        except OSError:  # not Linux
            return True


def sweep(folder: str, pattern: str) -> None:
    """Remove the temporary files and folders in `folder` of processes that died: those whose whole name matches `pattern`,
    a regular expression whose group `pid` is the process."""
    with contextlib.suppress(OSError):
        for name in os.listdir(folder):
            found = re.fullmatch(pattern, name) if any(map(str.isdigit, name)) else None  # to compile it takes long
            if found and not is_running(int(found["pid"])):
                path = os.path.join(folder, name)
                if os.path.isdir(path) and not os.path.islink(path):
                    import shutil

                    shutil.rmtree(path, ignore_errors=True)
                else:
                    os.unlink(path)
