"""Which commits concern a stage: the hooks' shell part, which knows only a note, says what Python says."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import Repo, sealed_environment

from gitstage.git import Repo as Opened
from gitstage.hooks import relevance

PIPELINE = r"""
vars: [extra.yaml]
stages:
  a:
    cmd: make
    deps: [in/dir, "${name}", link, linked/file, sp ace, ü, 'a[b]*', "quo\"te", "line\nfeed", deep/er/file]
    params: [{p.yaml: [x]}]
    outs: [out]
"""
FILES = {
    "dvc.yaml": PIPELINE, "extra.yaml": "name: named\n", "p.yaml": "x: 1\n", "in/dir/sub/f": "f\n", "in/other": "1\n",
    "named": "n\n", "unnamed": "n\n", "real": "r\n", "real dir/file": "1\n", "real dir/more": "1\n", "sp ace": "s\n",
    "ü": "u\n", "ü2": "u\n", "a[b]*": "a\n", "abx": "x\n", 'quo"te': "q\n", "line\nfeed": "l\n", "deep/er/file": "1\n",
    "deep/er/other": "1\n", "code": "1\n", "q/dvc.yaml": "stages: {b: {cmd: make, deps: [b.in], outs: [b.out]}}\n",
    "q/b.in": "1\n", "q/code": "1\n", "r/.keep": "\n",
    "data.dvc": "outs:\n- md5: d41d8cd98f00b204e9800998ecf8427e\n  path: data\n",
}  # fmt: skip


def write(path: str, text: str = "changed\n") -> Callable[[Repo], None]:
    return lambda repo: repo.write({path: text})


def shell(command: str) -> Callable[[Repo], None]:
    return lambda repo: repo.run("sh", "-c", command, check=True) and None  # type: ignore[func-returns-value]


CHANGES = {
    "code": (write("code"), False),
    "beside a directory": (write("in/other"), False),
    "in a directory": (write("in/dir/sub/f"), True),
    "new in a directory": (write("in/dir/new"), True),
    "moved out of a directory": (shell("git mv in/dir/sub/f moved"), True),
    "moved into a directory": (shell("git mv code in/dir/code"), True),
    "deleted": (shell("git rm -q deep/er/file"), True),
    "beside a file": (write("deep/er/other"), False),
    "a file in place of a folder above": (shell("git rm -rq deep; echo x >deep; git add deep"), True),
    "named by a template": (write("named"), True),
    "not named by a template": (write("unnamed"), False),
    "what a template takes values from": (write("extra.yaml", "name: unnamed\n"), True),
    "parameters": (write("p.yaml", "x: 2\n"), True),
    "where a symlink leads": (write("real"), True),
    "a symlink": (shell("ln -sf code link"), True),
    "below where a symlink leads": (write("real dir/file"), True),
    "a blank": (write("sp ace"), True),
    "not ASCII": (write("ü"), True),
    "not ASCII, and nobody's": (write("ü2"), False),
    "not UTF-8, and nobody's": (shell("echo x >\"$(printf 'caf\\351')\""), False),
    "special to patterns": (write("a[b]*"), True),
    "matched by what is no pattern": (write("abx"), False),
    "a quote": (write('quo"te'), True),
    "a line break": (write("line\nfeed"), True),
    "an output that is tracked": (write("out"), True),
    "data that is tracked": (write("data"), True),
    "a lock": (write("dvc.lock", "schema: '2.0'\n"), True),
    "a new data file": (write("r/new.dvc", "outs: []\n"), True),
    "rules": (write(".dvcignore", "*.tmp\n"), True),
    "attributes": (write("in/.gitattributes", "* text\n"), True),
    "settings": (write(".dvc/config", "[core]\n    autostage = true\n"), True),
    "another project": (write("q/b.in"), True),
    "another project's code": (write("q/code"), False),
}


@pytest.fixture(scope="module")
def noted(project_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """Hooks that write down that they were asked, and a note about two projects."""
    folder = tmp_path_factory.mktemp("relevance")
    shutil.copytree(project_template, folder / "repo", symlinks=True)
    repo = Repo(folder / "repo", sealed_environment(folder / "home"))
    repo.write(FILES)
    (repo.path / "link").symlink_to("real")
    (repo.path / "linked").symlink_to("real dir")
    (repo.path / "q/.dvc").mkdir()
    repo.write({"q/.dvc/config": "", "r/.dvc/config": ""})
    repo.commit("files")
    repo.stage("install", "-q", check=True)
    repo.write({"code": "2\n"})
    repo.git("commit", "-qam", "code")
    shutil.copytree(repo.path / ".git/gitstage", folder / "note")
    assert (folder / "note/relevant.index").exists()
    stub = folder / "python"
    stub.write_text('#!/bin/sh\n[ "$3" != pre-commit ] || touch ../asked\n')
    stub.chmod(0o755)
    hook = repo.path / ".git/hooks/pre-commit"
    lines = [f"python='{stub}'" if line.startswith("python=") else line for line in hook.read_text().splitlines()]
    hook.write_text("\n".join(lines) + "\n")
    return repo


def was_asked(repo: Repo, *command: str, **env: str) -> bool:
    """Does a commit start Python?"""
    asked = repo.path.parent / "asked"
    asked.unlink(missing_ok=True)
    repo.run("git", *(command or ("commit", "-qm", "x")), check=True, env=env)
    return asked.exists()


@pytest.fixture
def fresh(noted: Repo) -> Iterator[Repo]:
    """The same commit and the same note for every test."""
    head = noted.git("rev-parse", "HEAD").strip()
    yield noted
    noted.git("-c", "core.hooksPath=/dev/null", "checkout", "-q", "-f", "-B", "main", head)
    noted.git("clean", "-qfd")
    shutil.copytree(noted.path.parent / "note", noted.path / ".git/gitstage", dirs_exist_ok=True)


@pytest.mark.parametrize("name", CHANGES)
def test_shell_and_python_agree(fresh: Repo, name: str) -> None:
    change, expected = CHANGES[name]
    change(fresh)
    fresh.git("add", "-A", "-f", ".")
    opened = Opened.discover(str(fresh.path))
    assert opened is not None
    staged = opened.staged()
    assert was_asked(fresh) == expected
    fresh.git("-c", "core.hooksPath=/dev/null", "reset", "-q", "--soft", "HEAD~1")
    assert relevance.concerns(opened, staged) == expected


def test_every_form_of_commit(fresh: Repo) -> None:
    fresh.write({"named": "changed\n", "code": "changed\n"})
    assert not was_asked(fresh, "commit", "-qm", "x", "code")
    assert was_asked(fresh, "commit", "-qm", "x", "named")
    fresh.write({"code": "again\n"})
    assert not was_asked(fresh, "--literal-pathspecs", "commit", "-qam", "x")
    assert not was_asked(fresh, "commit", "-q", "--amend", "-m", "amended")
    fresh.write({"named": "again\n"})
    assert was_asked(fresh, "--literal-pathspecs", "commit", "-qam", "x")
    fresh.write({"named": "own\n"})
    own = {"GIT_INDEX_FILE": str(fresh.path.parent / "own")}
    fresh.git("read-tree", "HEAD", env=own)
    assert not was_asked(fresh, "commit", "-q", "--allow-empty", "-m", "x", **own)
    fresh.git("add", "named", env=own)
    assert was_asked(fresh, "commit", "-qm", "x", **own)
    fresh.git("checkout", "-q", "--orphan", "unborn")
    assert was_asked(fresh)


def test_a_note_about_another_pipeline_is_none(fresh: Repo) -> None:
    fresh.write({"dvc.yaml": PIPELINE.replace("in/dir", "code")})
    assert was_asked(fresh, "commit", "-qam", "x")
    fresh.write({"in/dir/sub/f": "changed\n"})
    assert was_asked(fresh, "commit", "-qam", "not known to be nobody's")
    fresh.git("checkout", "-q", "HEAD~2", "--", "dvc.yaml")
    fresh.write({"extra.yaml": "name: unnamed\n"})
    fresh.git("commit", "-qam", "x")
    fresh.write({"unnamed": "changed\n"})
    assert was_asked(fresh, "commit", "-qam", "another file is named now")


def test_a_note_that_cannot_be_read_is_none(fresh: Repo) -> None:
    folder = fresh.path / ".git/gitstage"
    kept = {name: (folder / name).read_bytes() for name in ("relevant", "relevant.sources", "relevant.index")}
    for number, name in enumerate(kept):
        (folder / name).unlink()
        fresh.write({"code": f"{number}\n"})
        assert was_asked(fresh, "commit", "-qam", "x"), name
        (folder / name).write_bytes(kept[name])
    assert os.path.getsize(folder / "relevant") > 0
