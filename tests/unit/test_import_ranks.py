"""Imports point one way: a room imports only rooms of a lower rank."""

import ast
from pathlib import Path

import gitstage

LAYERS = [
    {"static"},
    {"errors", "extras", "processes", "progress", "resources", "terminal"},
    {"forks", "workers", "digest", "formats", "fs", "ignore", "locks"},
    {"config", "memo", "template", "params"},
    {"tree", "cache", "parsed"},
    {"git", "journal", "pipeline", "remote"},
    {"recorded", "runcache", "status", "store", "trust"},
    {"events", "project", "targets"},
    {"checkout", "collect", "define", "difference", "external", "inspect", "migrate", "shell"}
    | {"datafile", "scheduling", "snapshot", "sources", "sync", "verdict"},
    {"contents", "dag", "plots", "run", "undo", "values", "why"},
    {"amend", "fsck", "track"},
    {"imports"},
    {"merge", "shim", "ui"},
    {"hooks"},
    {"doctor", "options", "overview"},
    {"group"},
    {"cli"},
    {"commands"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
PACKAGE = Path(gitstage.__file__).parent


def own_imports() -> list[tuple[str, str]]:
    """Pairs (importing room, imported room); a module of a package belongs to the package's room."""
    pairs = []
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if room.startswith("__"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}: relative import"
                names = (
                    [f"{node.module}.{alias.name}" for alias in node.names]
                    if node.module == "gitstage"
                    else [str(node.module)]
                )
            for name in names:
                parts = name.split(".")
                if parts[0] == "gitstage" and len(parts) > 1 and not parts[1].startswith("__"):
                    pairs.append((room, parts[1]))
    return pairs


def test_every_room_has_a_rank() -> None:
    rooms = {room for pair in own_imports() for room in pair}
    assert rooms and not rooms - RANK.keys()


def test_imports_point_down() -> None:
    assert not sorted({(a, b) for a, b in own_imports() if a != b and RANK[b] >= RANK[a]})
