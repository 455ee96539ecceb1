"""Every Git command that moves the work tree moves the data with it, in every layout, and Git's exit code is what it is
without hooks. Content that is in no cache is never overwritten."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from support import Repo, sealed_environment

from git import layouts
from git.layouts import LAYOUTS, MINE, Place

Templates = Callable[[str, str, bool], Path]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Templates:
    """The folder of a layout with a branch checked out, with or without our hooks; each is made once."""
    made: dict[tuple[object, ...], Path] = {}

    def history(prefix: str) -> Repo:
        if (prefix,) not in made:
            made[prefix,] = layouts.make(tmp_path_factory.mktemp("made"), prefix).path
        return Repo(made[prefix,], sealed_environment(tmp_path_factory.mktemp("home")))

    def arranged(layout: str, start: str, hooks: bool) -> Path:
        key = (layout, start, hooks)
        if key in made:
            return made[key]
        folder = tmp_path_factory.mktemp(layout) / "top"
        env = sealed_environment(folder.parent / "home")
        if start != "main":
            there = layouts.copied(layout, arranged(layout, "main", hooks), folder, env)
            there.repo.git("checkout", "-q", start)
        else:
            layouts.arrange(layout, history("p/" if layout == "subdirectory" else ""), folder)
            there = layouts.place(layout, folder, env)
            if hooks:
                main = Repo(folder / "repo", env) if layout == "worktree" else there.repo
                main.stage("install", "-q", cwd=there.prefix or ".", check=True)
            if layout == "worktree":
                Repo(folder / "repo", env).git("worktree", "add", "-q", "../linked", "main")
        assert there.agrees() or not hooks
        there.repo.write({f"{there.prefix}kept": MINE})
        made[key] = folder
        return folder

    return arranged


@dataclass(frozen=True)
class Verb:
    """Commands as one would type them after `git` with branch `start` checked out; `beside`: where the data is to be
    looked at instead, relative to the top."""

    start: str
    commands: tuple[str, ...]
    beside: str = ""
    needs: str = ""


def on(start: str, *commands: str, beside: str = "") -> Verb:
    return Verb(start, commands, beside)


VERBS = {
    "am": on("main", "format-patch -q -1 --stdout conflict >../patch", "am -q <../patch"),
    "pull, merge": on("main", "pull -q --no-rebase --no-edit . two"),
    "pull, ff only": on("ff", "pull -q --ff-only . two"),
    "pull, rebase": on("ff", "pull -q --rebase . two"),
    "pull, rebase with local commits": on("main", "pull -q --rebase . two"),
    "rebase two onto main": on("two", "rebase -q main"),
    "rebase main onto two": on("main", "rebase -q two"),
    "rebase, conflict, abort": on("two", "rebase -q conflict", "rebase --abort"),
    "rebase -i, exec": on("more", "rebase -q -i -x 'cat {p}a.out >>../seen; true' main"),
    "rebase, autostash": on("two", "checkout -q conflict -- {p}a.in {p}dvc.lock; git status", "rebase -q --autostash main~0"),
    "reset --hard": on("main", "reset -q --hard two"),
    "reset --keep": on("main", "reset -q --keep two"),
    "merge": on("main", "merge -q --no-edit two"),
    "merge, ff only": on("ff", "merge -q --ff-only two"),
    "merge --squash": on("main", "merge -q --squash two"),
    "merge, conflict, abort": on("two", "merge -q conflict", "merge --abort"),
    "cherry-pick": on("main", "cherry-pick two"),
    "revert": on("two", "revert --no-edit HEAD"),
    "stash": on("main", "checkout -q two -- {p}a.in {p}dvc.lock", "stash -q"),
    "stash pop": on("main", "checkout -q two -- {p}a.in {p}dvc.lock", "stash -q", "stash pop -q"),
    "stash branch": on("main", "checkout -q two -- {p}a.in {p}dvc.lock", "stash -q", "stash branch other"),
    "checkout files": on("main", "checkout -q two -- {p}a.in {p}dvc.lock"),
    "restore": on("main", "restore -s two {p}a.in {p}dvc.lock"),
    "checkout": on("main", "checkout -q two"),
    "switch": on("main", "switch -q two"),
    "switch, detached": on("main", "switch -q --detach two"),
    "switch, orphan": on("main", "switch -q --orphan fresh"),
    "checkout -f": on("main", "checkout -q two -- {p}a.in {p}dvc.lock", "checkout -q -f"),
    "bisect run": on("main", "bisect start -q more ff", "bisect run test -e other", "bisect reset"),
    "commit --amend": on("two", "commit -q --amend -m amended"),
    "worktree add": on("main", "worktree add -q ../another two", beside="../another"),
    "clone from a template": on("main", "clone -q . ../clone", beside="../clone"),
    "submodule update": on("main", "init -q ../over", "-C ../over -c protocol.file.allow=always submodule -q add \"$PWD\" part",
                           "-C ../over commit -qm over", "-C ../over/part checkout -q --detach origin/two",
                           "-C ../over submodule -q update", beside="../over/part"),
}  # fmt: skip

MORE = {
    "am, two": on("ff", "format-patch -q --stdout two..more >../patch", "checkout -q two", "am -q <../patch"),
    "am, conflict, abort": on("two", "format-patch -q --stdout ff..conflict >../patch", "am -q -3 <../patch", "am --abort"),
    "am, stop, abort": on("ff", "format-patch -q --stdout ff..more >../patch; sed -i s/^+4/+5/ ../patch; "
                          "sed 's/^-2/-9/' ../patch >../bad", "am -q <../bad", "am --abort"),
    "rebase, several": on("more", "rebase -q main"),
    "rebase --apply": on("more", "rebase -q --apply main"),
    "rebase, later conflict, skip": on("more", "checkout -q -b mine ff", "cherry-pick two more~1 >../out", "rebase -q two~0",
                                       "rebase -q conflict", "rebase --skip", "rebase --skip"),
    "rebase --apply, conflict, abort": on("two", "rebase -q --apply conflict", "rebase --abort"),
    "rebase, exec fails, reset, continue": on("more", "rebase -q -x 'test ! -e ../stop' main; touch ../stop",
                                              "reset -q --hard ff; rebase --abort", "rebase -q -x 'test ! -e ../stop' main",
                                              "reset -q --hard ff", "rebase --abort"),
    "rebase -i, edit, continue": on("more", "-c sequence.editor='sed -i 1s/pick/edit/' rebase -q -i main",
                                    "rebase -q --continue"),
    "rebase, squash": on("more", "-c sequence.editor='sed -i 2s/pick/squash/' rebase -q -i main"),
    "rebase, ff": on("ff", "rebase -q two"),
    "rebase, autostash, ff": on("two", "checkout -q more~1 -- {p}a.in {p}dvc.lock", "rebase -q --autostash more~1"),
    "reset --merge": on("main", "reset -q --merge two"),
    "merge, conflict, theirs, commit": on("two", "merge -q conflict", "checkout -q conflict -- {p}a.in {p}dvc.lock",
                                          "commit -qam merged"),
    "merge, autostash": on("main", "checkout -q two -- {p}a.in {p}dvc.lock", "merge -q --autostash --no-edit start"),
    "cherry-pick -n": on("main", "cherry-pick -n two"),
    "cherry-pick, several": on("main", "cherry-pick ff..more"),
    "cherry-pick, several, empty": on("ff", "checkout -q conflict", "reset -q --hard ff", "cherry-pick two ff"),
    "cherry-pick, several, conflict, abort": on("main", "cherry-pick two conflict", "cherry-pick --abort"),
    "revert, several": on("more", "revert --no-edit ff..HEAD"),
    "checkout -p": on("main", "checkout -q -p two -- {p}dvc.lock </dev/null"),
    "restore, index too": on("main", "restore -s two -S -W {p}a.in {p}dvc.lock"),
    "checkout -m": on("main", "checkout -q -m two"),
    "read-tree": on("main", "read-tree -u -m two"),
}  # fmt: skip
"""In one layout only: what hooks meet there does not depend on where the work tree lies."""


@pytest.mark.parametrize(
    ("verb", "layout"),
    [*((verb, layout) for layout in LAYOUTS for verb in VERBS), *((verb, "ordinary") for verb in MORE)],
)
def test_data_follows(verb: str, layout: str, template: Templates, tmp_path: Path, environment: dict[str, str]) -> None:
    todo = (VERBS | MORE)[verb]
    codes = {}
    for hooks in (False, True):
        arranged = template(layout, todo.start, hooks)
        here = layouts.copied(layout, arranged, tmp_path / str(hooks), dict(environment))
        if todo.beside and "worktree" not in verb:
            share(here, tmp_path, environment, hooks)
        looked_at = replace(here, repo=Repo(here.repo.path / todo.beside, here.repo.env))
        codes[hooks] = []
        for command in todo.commands:
            codes[hooks].append(here.git(command))
            if hooks and looked_at.repo.path.exists() and not looked_at.is_unmerged():
                assert looked_at.agrees(), f"after {command}\n{looked_at.repo.git('status')}"
        assert here.read("kept") == MINE
    assert codes[True] == codes[False]
    if "exec" in verb and "seen" in "".join(todo.commands):
        assert (here.repo.path.parent / "seen").read_text() == "2\n4\n4\n"


def share(here: Place, tmp_path: Path, environment: dict[str, str], hooks: bool) -> None:
    """Clones find the cache (by the user's configuration), and our hooks (by Git's template)."""
    common = Path(here.repo.git("rev-parse", "--path-format=absolute", "--git-common-dir").strip())
    if hooks:
        shutil.copytree(common / "hooks", tmp_path / "template/hooks")
    here.repo.env["GIT_TEMPLATE_DIR"] = str(tmp_path / "template")
    top = common.parent if here.layout == "worktree" else here.repo.path
    config = Path(environment["DVC_GLOBAL_CONFIG_DIR"]) / "config"
    config.write_text(f"[cache]\n    dir = {top / here.prefix}/.dvc/cache\n")
