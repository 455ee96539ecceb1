"""Servers that live as long as the tests of one process, each started when first asked for; see servers.py."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers import KINDS, Server

from gitstage.remote.backend import Backend
from gitstage.remote.backends import open_backend

_places = itertools.count()


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Server]]:
    """The server of a kind."""
    servers: dict[str, Server] = {}

    def start(kind: str) -> Server:
        if kind not in servers:
            servers[kind] = KINDS[kind](tmp_path_factory.mktemp(kind) / "server")
        if servers[kind].process is None:
            servers[kind].start()
        return servers[kind]

    yield start
    for server in servers.values():
        server.stop()


@pytest.fixture
def server(request: pytest.FixtureRequest, running: Callable[[str], Server], monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server of the kind that a test is parametrised with, and on it a folder of this test's own."""
    found = running(request.param)
    found.use(f"remote {next(_places)} [é]" if found.kind != "http" else f"remote{next(_places)}")
    for name, value in found.environment.items():
        monkeypatch.setenv(name, value)
    return found


@pytest.fixture
def backend(server: Server, tmp_path: Path) -> Iterator[Backend]:
    found = open_backend(server.url, server.settings, str(tmp_path))
    yield found
    found.close()
