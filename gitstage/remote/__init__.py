"""Remotes: where a project's objects are kept for others, and what moves between there and the cache.

`Remote` plans and checks; a backend (backend.py) only moves bytes. What is on the remote is as DVC lays it out, so that
both can share one.
"""

from __future__ import annotations

from gitstage.remote.backend import Listed, RemoteError
from gitstage.remote.backends import open_backend
from gitstage.remote.record import PushRecord
from gitstage.remote.transfer import Need, Outcome, Problem, Progress, Remote, Silent

__all__ = [
    "Listed", "Need", "Outcome", "Problem", "Progress", "PushRecord", "Remote", "RemoteError", "Silent", "open_backend",
]  # fmt: skip
