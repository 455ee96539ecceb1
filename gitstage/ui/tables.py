"""Tables: plain columns, or GitHub's Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from gitstage.ui import Ui


def table(ui: Ui, header: Sequence[str], rows: Sequence[Sequence[str]], *, markdown: bool = False) -> None:
    """Columns of text, each as wide as its widest cell; nothing if there is nothing below the header."""
    if not rows and not markdown:
        return
    lines = [[_in_one_line(cell, markdown) for cell in row] for row in (header, *rows)]
    spare = 2 if markdown else 0  # headers have it as DVC writes them
    widths = [max(len(header[at]) + spare, *(len(row[at]) for row in lines)) for at in range(len(header))]
    if not markdown:
        for row in lines:
            ui.say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    texts = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in lines
    ]
    texts.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    ui.say("\n".join(texts))


def _in_one_line(cell: str, markdown: bool) -> str:
    text = " ".join(cell.splitlines()) if "\n" in cell or "\r" in cell else cell
    return text.replace("|", "\\|") if markdown else text
