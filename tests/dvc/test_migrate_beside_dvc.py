"""A project of DVC 2 brought to DVC 3's layout: the same objects, entries and results as dvc's."""

from __future__ import annotations

import shutil

import pytest
from support import Repo, differences, md5, new_repo, sealed_environment

DATA, LF, FILE, OUT = b"a\r\nb\r\n", b"a\nb\n", b"x\ny\n", b"out\n"
MANIFEST = f'[{{"md5": "{md5(LF)}", "relpath": "c.txt"}}, {{"md5": "{md5(FILE)}", "relpath": "s/l.txt"}}]'.encode()
LOCK = f"""\
schema: '2.0'
stages:
  p:
    cmd: echo out > out
    deps:
    - path: data.txt
      md5: {md5(LF)}
      size: 6
    - path: dir
      md5: {md5(MANIFEST)}.dir
      size: 10
      nfiles: 2
    - path: src.py
      md5: {md5(b"print(1)" + bytes([10]))}
      size: 10
    outs:
    - path: out
      md5: {md5(OUT)}
      size: 4
"""
FILES = {
    "src.py": b"print(1)\r\n",
    "data.txt.dvc": f"outs:\n- md5: {md5(LF)}\n  size: 6\n  path: data.txt\n",
    "dir.dvc": f"outs:\n- md5: {md5(MANIFEST)}.dir\n  size: 10\n  nfiles: 2\n  path: dir\n",
    "dvc.yaml": "stages:\n  p:\n    cmd: echo out > out\n    deps: [src.py, data.txt, dir]\n    outs: [out]\n",
    "dvc.lock": LOCK,
    ".gitignore": "/data.txt\n/dir\n/out\n",
}
OBJECTS = {md5(LF): DATA, md5(FILE): FILE, md5(OUT): OUT, md5(MANIFEST) + ".dir": MANIFEST}


def make(repo: Repo) -> Repo:
    """What DVC 2 left: a file with CRLF line ends, whose old digest is that of the text with LF, and a directory."""
    repo.stage("init", "--no-hooks", check=True)
    repo.write(FILES)
    repo.write({f".dvc/cache/{name[:2]}/{name[2:]}": data for name, data in OBJECTS.items()}, mode=0o444)
    repo.stage("checkout", check=True)
    repo.commit("2.x")
    return repo


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    folder = tmp_path_factory.mktemp("old")
    return make(new_repo(folder / "repo", sealed_environment(folder / "home")))


@pytest.fixture
def old(template: Repo, tmp_path_factory: pytest.TempPathFactory) -> Repo:
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(template.path, folder / "repo", symlinks=True)
    return Repo(folder / "repo", template.env)


def test_objects_and_entries_are_those_of_dvc(
    old: Repo, template: Repo, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("theirs")
    shutil.copytree(template.path, folder / "repo", symlinks=True)
    theirs = Repo(folder / "repo", template.env)
    for argv in (["--dry"], [], ["--dvc-files", "--dry"], ["--dvc-files"], []):
        old.stage("cache", "migrate", *argv, check=True)
        theirs.dvc("cache", "migrate", *argv, check=True)
        assert not differences(theirs.tree(), old.tree()), argv
    assert "hash: md5" in old.read("dvc.lock") and "Data and pipelines are up to date.\n" in old.dvc("status").stdout
    assert old.stage("status", check=True).stdout == "Data and pipelines are up to date.\n"
    for one in old.cache():
        if not one.startswith(("files/", "runs/")):
            assert (old.path / ".dvc/cache" / one).stat().st_nlink == 2


def test_a_dry_run_counts_what_is_new(old: Repo) -> None:
    before = old.tree()
    text = "4 files will be re-hashed and migrated to the DVC 3.0 cache location.\n"
    assert old.stage("cache", "migrate", "--dry", check=True).stdout == text
    assert old.tree() == before
    old.stage("cache", "migrate", check=True)
    assert old.stage("cache", "migrate", check=True).stdout == "Migrated 0 files to DVC 3.0 cache location.\n"


def test_entries_come_from_the_cache_not_from_an_edited_work_tree(old: Repo) -> None:
    old.write({"data.txt": "edited\n", "src.py": "edited\n"})
    old.remove("dir")
    got = old.stage("cache", "migrate", "--dvc-files", check=True)
    assert got.stderr == (
        "git-stage: dvc.lock: the entry of src.py stays, as its content is neither in the cache nor here\n"
    )
    assert md5(DATA) in old.read("data.txt.dvc") and md5("edited\n") not in old.read("dvc.lock")
    old.stage("checkout", "-f", check=True)
    assert (old.path / "data.txt").read_bytes() == DATA and (old.path / "dir/c.txt").read_bytes() == DATA


def test_a_corrupt_object_stays_what_it_is(old: Repo) -> None:
    path = old.path / ".dvc/cache" / md5(FILE)[:2] / md5(FILE)[2:]
    path.chmod(0o644)
    path.write_bytes(b"other\n")
    path.chmod(0o444)
    old.remove("dir")
    got = old.stage("cache", "migrate", "--dvc-files", check=True)
    assert f"git-stage: {path}: is corrupt, and stays as it is\n" in got.stderr
    assert not old.object(md5("other\n")).exists()
    assert "hash: md5" not in old.read("dir.dvc") and "hash: md5" in old.read("data.txt.dvc")


def test_both_layouts_live_side_by_side(old: Repo) -> None:
    old.git("config", "gitstage.layout", "3")
    old.write({"data.txt": "new\n", "more": "more\n"})
    old.stage("add", "data.txt", "more", check=True)
    old.stage("repro", check=True)
    lock = old.read("dvc.lock")
    assert lock.count("hash: md5") == 1 and "Data and pipelines are up to date.\n" in old.dvc("status").stdout
    old.remove("data.txt", "dir", "out", "more")
    old.stage("checkout", check=True)
    assert old.stage("status", check=True).stdout == "Data and pipelines are up to date.\n"
    old.stage("gc", "-w", "-f", check=True)
    old.remove("data.txt", "dir", "out", "more")
    old.stage("checkout", check=True)
