"""What a transfer shows while it goes on."""

from __future__ import annotations

import io
import sys

import pytest

from gitstage.ui import Ui, transfers


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def transfer(ui: Ui) -> None:
    with transfers.Bar(ui, "Pushing") as bar:
        bar.expect(2, 3 << 20)
        bar.moved("a", 1 << 20)
        bar.done("a")
        bar.moved("b", 2 << 20)


def test_a_bar_on_a_terminal_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    for delay, shown in ((0.0, True), (60.0, False)):
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(transfers, "_DELAY", delay)
        transfer(Ui())
        assert ("Pushing 1/2" in terminal.getvalue() and "3.0 MiB" in terminal.getvalue()) == shown
        assert bool(terminal.getvalue()) == shown


@pytest.mark.parametrize("quiet", [True, False])
def test_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch, quiet: bool) -> None:
    stream = Terminal() if quiet else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(transfers, "_DELAY", 0)
    transfer(Ui(quiet=quiet))
    assert stream.getvalue() == ""
