"""The verbs that change what is described, step by step beside real dvc: same exits, same files, same cache."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from support import Repo, compare_with_dvc, differences, new_repo, sealed_environment

PIPELINE = """\
vars:
- word: hello
stages:
  s:
    cmd: cp a o
    deps: [a]
    outs: [o]
  u:
    frozen: true
    cmd: cp a u
    deps: [a]
    outs: [u]
  t:
    cmd: echo ${word} > t
    outs: [t]
  g:
    foreach: [x, y]
    do:
      cmd: echo ${item} > g_${item}
      outs:
      - g_${item}
  p:
    cmd: echo p > p
    outs:
    - p:
        persist: true
        cache: false
"""
NEST = "stages:\n  n:\n    cmd: echo n > n\n    outs:\n    - n\n"
FILES = {
    "a": "1\n",
    "d/x": "x\n",
    "e": "e\n",
    "keep": "k\n",
    "u": "1\n",
    "sub/keep": "k\n",
    "../outside": "o\n",
    "dvc.yaml": PIPELINE,
    "nest/dvc.yaml": NEST,
}

STEPS = [
    ["freeze", "s", "nest/dvc.yaml:n"],
    ["unfreeze", "s", "nest/dvc.yaml:n"],
    ["freeze", "a.dvc"],
    ["unfreeze", "a.dvc"],
    *(["freeze", bad] for bad in ("o", "a", "g", "g@x", "t", "dvc.yaml", "nope", "nope.dvc")),
    ["freeze"],
    *(["remove", bad] for bad in ("a", "d/x", "g", "nope", "o", "dvc.yaml:nope")),
    ["remove", "u"],
    ["remove", "--outs", "p"],
    ["remove", "nest/dvc.yaml"],
    *(["move", *bad.split()] for bad in ("o oo", "d/x y", "nope x", "a ../x", "a nodir/x", "a .dvc/x", "d d/y", "a a")),
    ["move", "a", "sub"],
    ["move", "d", "dd"],
    ["move", "sub/a", "a"],
    ["move", "imported", "sub/other"],
    ["remove", "dd.dvc"],
    ["remove", "--outs", "e.dvc", "s"],
    ["unprotect", "a", "sub"],
    ["unprotect", "nope"],
]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Repo, Repo]:
    """Two equal projects, made by dvc: one for us, one for dvc."""
    folder = tmp_path_factory.mktemp("verbs")
    theirs = new_repo(folder / "theirs/repo", sealed_environment(folder / "home"))
    theirs.dvc("init", "-q", check=True)
    theirs.write(FILES)
    theirs.dvc("config", "cache.type", "hardlink", check=True)
    theirs.dvc("add", "-q", "a", "d", "e", check=True)
    theirs.dvc("import-url", "-q", "../outside", "imported", check=True)
    theirs.dvc("repro", "-q", "-P", check=True)
    theirs.commit("made")
    shutil.copytree(folder / "theirs", folder / "ours", symlinks=True)
    for name in ("a", "d/x", "e", "o", "u", "imported"):  # the copies are no links into the copied cache
        (folder / "ours/repo" / name).unlink()
    ours = Repo(folder / "ours/repo", theirs.env)
    ours.stage("checkout", "-f", check=True)
    return ours, theirs


def test_the_same_steps_have_the_same_effect(both: tuple[Repo, Repo]) -> None:
    ours, theirs = both
    assert not differences(theirs.tree(), ours.tree())
    wrong = compare_with_dvc(ours, theirs, STEPS)
    assert not wrong, "\n".join(wrong)
    assert theirs.dvc("status", check=True).stdout == ours.dvc("status", check=True).stdout


PLOTTED = (
    "stages:\n  s:\n    cmd: echo 1\n    outs:\n    - b.csv\n    - c.csv:\n        cache: false\n    metrics:\n    - m.json\n"
    "    plots:\n    - a.csv:\n        cache: false\n        x: e\n"
)
PLOTS = [
    ["plots", "modify", "b.csv", "-x", "q"],
    ["plots", "modify", "c.csv", "--x-label", "q"],
    ["plots", "modify", "a.csv", "-t", "linear", "--title", "T", "-y", "l", "--no-header"],
    ["plots", "modify", "a.csv", "--unset", "x", "title"],
    ["plots", "modify", "a.csv", "--unset", "nope"],
    ["plots", "modify", "a.csv", "-t", "nosuch"],
    ["plots", "modify", "nope", "-x", "q"],
]


def test_how_plots_look_is_changed_as_dvc_does(tmp_path: Path) -> None:
    repos = []
    for name in ("ours", "theirs"):
        repos.append(new_repo(tmp_path / name, sealed_environment(tmp_path / f"{name}-home")))
        repos[-1].stage("init", "--no-hooks", check=True)
        repos[-1].write({"dvc.yaml": PLOTTED})
    wrong = compare_with_dvc(*repos, PLOTS)
    assert not wrong, "\n".join(wrong)
