"""import, import-url, update, get and get-url beside real dvc: same exits, same files, same cache."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from support import Repo, compare_with_dvc, dvc_steps, md5, new_repo, picture, sealed_environment

PIPELINE = "stages:\n  s:\n    cmd: cp f o; cp f m\n    deps: [f]\n    outs: [o]\n    metrics: [m: {cache: false}]\n"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """A repository with data of every kind: kept in the cache, committed, both in one folder; two commits, one tag."""
    folder = tmp_path_factory.mktemp("source")
    repo = new_repo(folder / "src", sealed_environment(folder / "home"))
    repo.stage("init", "--no-hooks", check=True)
    repo.write({"d/1": "1\n", "d/s/2": "2\n", "f": "f\n", "git.txt": "g\n", "code/c.py": "c\n", "code/s/d.py": "d\n"})
    repo.write({"mix/git": "gg\n", "mix/data": "mm\n", "dvc.yaml": PIPELINE})
    repo.stage("add", "d", "f", "mix/data", check=True)
    repo.stage("repro", check=True)
    repo.commit("one")
    repo.git("tag", "v1")
    repo.write({"d/3": "3\n", "code/c.py": "c2\n"})
    repo.stage("add", "d", check=True)
    repo.commit("two")
    repo.write({"../ext/f": "ext\n", "../ext/d/x": "x\n", "../ext/d/s/y": "y\n"})
    return repo


IMPORTS = [
    *(["import", "../src", path] for path in ("d", "git.txt", "code", "mix", "o", "m")),
    ["import", "../src", "f", "--rev", "v1", "-o", "sub/ff"],
    ["import", "../src", "d/s", "-o", "part"],
    ["import", "../src", "d/1", "-o", "sub"],
    ["import", "../src", "o", "--no-download", "-o", "later"],
    ["import", "../src", "o", "--no-exec", "-o", "never"],
    ["import", "../src", "d"],
    ["import", "../src", "nope"],
    ["import", "../src", "f", "--rev", "nope"],
    ["import", "../nosrc", "f"],
    ["import", "../src", "f", "-o", "occupied"],
    ["import", "../src", "f", "-o", "none/f"],
    ["import", "../src", "f", "-o", "x.dvc"],
    ["import", "../src", "f", "-o", "occupied", "-f"],
    ["import-url", "../ext/f"],
    ["import-url", "../ext/d", "ud"],
    ["import-url", "--no-download", "../ext/f", "ulater"],
    ["import-url", "--no-exec", "../ext/f", "unever"],
    ["import-url", "../ext/f"],
    ["import-url", "../ext/nope"],
    ["import-url", "git.txt", "inside"],
    ["update", "f.dvc", "d.dvc"],
    ["update", "nope.dvc"],
    ["update"],
]
UPDATES = [
    ["update", "d.dvc"],
    ["update", "git.txt.dvc"],
    ["update", "code.dvc"],
    ["update", "part.dvc"],
    ["update", "mix.dvc"],
    ["update", "sub/ff.dvc"],
    ["update", "--rev", "main", "sub/ff.dvc"],
    ["update", "--rev", "v1", "sub/ff.dvc"],
    ["update", "--rev", "nope", "sub/ff.dvc"],
    ["update", "f.dvc", "ud.dvc"],
    ["update", "ulater.dvc"],
    ["update", "later.dvc"],
    ["update", "o.dvc"],
]
GETS = [
    ["get", "../src", "d"],
    ["get", "../src", "d/s/2"],
    ["get", "../src", "f", "-o", "x/y"],
    ["get", "../src", "git.txt"],
    ["get", "../src", "git.txt"],
    ["get", "-f", "../src", "git.txt"],
    ["get", "../src", "d"],
    ["get", "../src", "mix"],
    ["get", "../src", "code", "--rev", "v1"],
    ["get", "../src", "m", "-o", "x"],
    ["get", "../src", "nope"],
    ["get", "../src", "s"],
    ["get", "../nosrc", "f"],
    ["get", "../src", "git.txt", "--show-url"],
    ["get-url", "../ext/f"],
    ["get-url", "../ext/f"],
    ["get-url", "../ext/d", "ud"],
    ["get-url", "../ext/f", "none/f"],
    ["get-url", "../ext/nope"],
    ["get-url", "../ext/f", "x"],
]


@pytest.fixture
def both(tmp_path: Path, source: Repo) -> tuple[Repo, Repo]:
    """Two projects, each with a copy of the source repository and of files outside beside it."""
    found = []
    for name in ("ours", "theirs"):
        place = tmp_path / name
        shutil.copytree(source.path.parent, place, symlinks=True)
        repo = new_repo(place / "repo", sealed_environment(place / "home"))
        repo.stage("init", "--no-hooks", check=True)
        repo.write({"occupied": "mine\n", "sub/keep": ""})
        repo.commit("init")
        repo.git("rm", "-q", "--cached", "occupied")
        repo.git("commit", "-q", "-m", "untracked")
        found.append(repo)
    return found[0], found[1]


def test_imports_and_updates_are_those_of_dvc(both: tuple[Repo, Repo]) -> None:
    ours, theirs = both
    wrong = compare_with_dvc(ours, theirs, IMPORTS)
    for repo in both:
        there = Repo(repo.path.parent / "src", repo.env)
        there.write({"d/4": "4\n", "code/c.py": "c3\n", "f": "f2\n", "README": "not asked for\n"})
        there.stage("add", "d", "f", check=True)
        there.stage("repro", check=True)
        there.commit("three")
        repo.write({"../ext/f": "ext 2\n", "../ext/d/z": "z\n"})
    wrong += compare_with_dvc(ours, theirs, UPDATES)
    assert not wrong, "\n".join(wrong)
    status = [repo.dvc("status", "--json", check=True).stdout for repo in both]
    assert status[0] == status[1]
    assert theirs.stage("status", "--json", check=True).stdout == ours.stage("status", "--json", check=True).stdout


def test_copies_are_those_of_dvc(both: tuple[Repo, Repo]) -> None:
    for repo in both:
        (repo.path.parent / "plain").mkdir()
    ours, theirs = (Repo(repo.path.parent / "plain", repo.env) for repo in both)
    wrong = compare_with_dvc(ours, theirs, GETS)
    assert not wrong, "\n".join(wrong)
    urls = [tool("get", "../src", "o", "--show-url", check=True).stdout for tool in (ours.stage, theirs.dvc)]
    assert urls[0] == urls[1].replace("/theirs/", "/ours/")
    assert picture(ours.path) == picture(theirs.path)


def test_what_a_failed_import_leaves(both: tuple[Repo, Repo]) -> None:
    ours, _ = both
    there = Repo(ours.path.parent / "src", ours.env)
    there.object(md5("f\n")).unlink()
    before = ours.state()
    got = ours.stage("import", "../src", "f")
    assert (got.returncode, got.stderr.splitlines()[0]) == (
        4,
        f"git-stage: {md5(chr(102) + chr(10))}: is in no cache and no remote of ../src",
    )
    assert ours.state() == before
    path = there.object(md5("1\n"))
    path.chmod(0o644)
    path.write_text("other\n")
    path.chmod(0o444)
    got = ours.stage("import", "../src", "d")
    assert got.returncode == 1 and "its content is not what its name says" in got.stderr
    assert not ours.exists("d") and not ours.exists("d.dvc")


def test_an_import_whose_source_is_gone_stays(both: tuple[Repo, Repo]) -> None:
    ours, _ = both
    ours.stage("import", "../src", "f", check=True)
    ours.stage("import-url", "../ext/f", "u", check=True)
    shutil.rmtree(ours.path.parent / "src")
    shutil.rmtree(ours.path.parent / "ext")
    before = ours.tree()
    for name in ("f.dvc", "u.dvc"):
        assert ours.stage("update", name).returncode == 1
    assert ours.tree() == before


def test_forced_imports_keep_what_was_there(both: tuple[Repo, Repo]) -> None:
    ours, _ = both
    ours.stage("import-url", "-f", "../ext/f", "occupied", check=True)
    assert ours.read("occupied") == "ext\n"
    assert ours.read(".dvc/tmp/gitstage/kept/import/occupied") == "mine\n"
    ours.write({"g": "mine too\n"})
    ours.stage("import", "-f", "../src", "d", "-o", "g", check=True)
    assert ours.read("g/1") == "1\n" and ours.read(".dvc/tmp/gitstage/kept/import/g") == "mine too\n"


@pytest.mark.parametrize("kind", ["hardlink", "symlink"])
def test_an_import_never_links_to_the_files_of_others(both: tuple[Repo, Repo], kind: str) -> None:
    ours, _ = both
    ours.write({".dvc/config": f"[cache]\n    type = {kind}\n"})
    before = picture(ours.path.parent / "ext"), picture(ours.path.parent / "src", skip=(".git", ".dvc/tmp"))
    ours.stage("import", "../src", "d", check=True)
    ours.stage("import-url", "../ext/d", "u", check=True)
    assert (picture(ours.path.parent / "ext"), picture(ours.path.parent / "src", skip=(".git", ".dvc/tmp"))) == before
    assert all((ours.path.parent / name).stat().st_nlink == 1 for name in ("ext/d/x", "src/.dvc/config"))
    assert (ours.path.parent / "src/d/1").stat().st_ino != (ours.path / "d/1").stat().st_ino


@pytest.mark.parametrize("tool", ["git-stage", "dvc"])
def test_objects_come_from_the_remote_of_the_repository(both: tuple[Repo, Repo], tmp_path: Path, tool: str) -> None:
    """Of a repository that is not a folder here, or whose cache lacks them."""
    ours, _ = both
    there = Repo(ours.path.parent / "src", ours.env)
    there.write({".dvc/config": f"[core]\n    remote = r\n['remote \"r\"']\n    url = {tmp_path}/store\n"})
    there.commit("remote")
    there.run(tool, "push", check=True)
    there.git("clone", "-q", "--bare", ".", "../bare.git")
    there.remove(".dvc/cache")
    for url in ("../src", "../bare.git", f"file://{ours.path.parent}/bare.git"):
        ours.stage("import", "-f", url, "d", check=True)
        assert ours.read("d/3") == "3\n" and ours.read("d/s/2") == "2\n"
        ours.stage("get", "-f", url, "d/1", "-o", "one", check=True)
        assert ours.read("one") == "1\n"
    shutil.rmtree(ours.path / ".dvc/cache")
    shutil.copytree(tmp_path / "store", tmp_path / "other")
    shutil.rmtree(tmp_path / "store")
    assert ours.stage("import", "-f", "../bare.git", "d").returncode == 4
    ours.stage("import", "-f", "../bare.git", "d", "--remote-config", f"url={tmp_path}/other", check=True)
    assert ours.read("d.dvc").count("other") == 1
    assert ours.stage("import", "-f", "../bare.git", "d", "--remote", "nope").returncode == 6


def test_repositories_are_listed_from_afar(both: tuple[Repo, Repo], tmp_path: Path) -> None:
    """As dvc does; the manifest of a directory comes from the remote. Updates of imports are told."""
    ours, theirs = both
    there = Repo(ours.path.parent / "src", ours.env)
    there.write({".dvc/config": f"[core]\n    remote = r\n['remote \"r\"']\n    url = {tmp_path}/store\n"})
    there.commit("remote")
    there.stage("push", check=True)
    there.git("clone", "-q", "--bare", ".", f"{tmp_path}/bare.git")
    url = f"file://{tmp_path}/bare.git"
    asked = [["--rev", "v1", url, "code"], [url, "d"], ["-R", "--show-hash", url, "mix"], ["--dvc-only", url]]
    found = dvc_steps(theirs, [["ls", "--json", *words] for words in asked], look=False)
    for words, (code, said, _) in zip(asked, found, strict=True):
        assert code == 0, (words, said)
        got = json.loads(ours.stage("ls", "--json", *words, check=True).stdout)
        known = [{**entry, "size": None} for entry in json.loads(said)]
        assert [{**entry, "size": None} for entry in got] == known, words
    assert ours.stage("du", url, "code", check=True).stdout == "3  code/c.py\n2  code/s\n5  code\n"
    assert ours.stage("ls", url, "nope").stderr == "git-stage: nope: does not exist\n"
    assert ours.stage("ls", f"{url}/nope").returncode == 1
    assert ours.stage("ls", url, "--remote", "nope", "d").returncode == 6
    shutil.move(tmp_path / "store", tmp_path / "moved")
    assert ours.stage("ls", url, "d", check=True).stdout == ""
    moved = ["--remote-config", f"url={tmp_path}/moved"]
    assert ours.stage("ls", url, "d", *moved, check=True).stdout == "1\n3\ns\n"

    for repo in both:
        repo.stage("import", "../src", "git.txt", check=True)
        repo.stage("unfreeze", "git.txt.dvc", check=True)
        other = Repo(repo.path.parent / "src", repo.env)
        other.write({"git.txt": "newer\n"})
        other.commit("newer")
    ((_, said, _),) = dvc_steps(theirs, [["status", "--json"]])
    assert json.loads(said) == {"git.txt.dvc": [{"changed deps": {"git.txt (../src)": "update available"}}]}
    assert json.loads(ours.stage("status", "--json", check=True).stdout) == json.loads(said)
    ours.stage("repro", "git.txt.dvc", check=True)
    assert ours.read("git.txt") == "newer\n"
