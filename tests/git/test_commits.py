"""Forms of commit and kinds of content that a check of commits gets wrong unless it reads what Git is about to commit."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import ODD_NAMES, Repo, md5


@pytest.fixture
def hooked(ran: Repo) -> Repo:
    ran.stage("install", "-q", check=True)
    return ran


def commits(repo: Repo, *args: str, **more: object) -> bool:
    """Does `git commit` make a commit? If not, it was our hook that refused, with a repair."""
    before = repo.git("rev-parse", "HEAD")
    got = repo.run("git", "commit", "-m", "x", *args, **more)  # type: ignore[arg-type]
    made = repo.git("rev-parse", "HEAD") != before
    assert made == (got.returncode == 0)
    assert made or ("commit refused" in got.stderr and "git stage repro" in got.stderr), got.stderr
    return made


def test_parts_of_what_changed(hooked: Repo) -> None:
    """-p and -i hand over an index of their own; the other changes stay where they were."""
    hooked.write({"src": "two\n", "tracked/f": "g\n"})
    assert commits(hooked, "-p", stdin="n\ny\n")
    assert hooked.git("show", "--name-only", "--format=") == "tracked/f\n"
    assert not commits(hooked, "-p", stdin="y\n")
    hooked.stage("repro", "-q", check=True)
    hooked.git("add", "dvc.lock")
    assert commits(hooked, "-i", "src")
    hooked.write({"src": "three\n", "tracked/f": "h\n"})
    hooked.git("add", "tracked/f")
    assert not commits(hooked, "-i", "src")
    assert hooked.git("diff", "--cached", "--name-only") == "tracked/f\n"


def test_an_index_of_the_users_own(hooked: Repo, tmp_path: Path) -> None:
    own = {"GIT_INDEX_FILE": str(tmp_path / "own")}
    hooked.git("read-tree", "HEAD", env=own)
    hooked.write({"src": "two\n"})
    hooked.git("add", "src", env=own)
    assert not commits(hooked, env=own)
    hooked.stage("repro", "-q", check=True)
    hooked.git("add", "dvc.lock", env=own)
    assert commits(hooked, env=own)


def test_only_an_intent_to_add(hooked: Repo) -> None:
    hooked.git("rm", "-q", "--cached", "dvc.lock")
    hooked.git("commit", "-qm", "without", "--no-verify")
    hooked.git("add", "-N", "dvc.lock")
    hooked.write({"src": "one, too\n"})
    hooked.git("add", "src")
    assert not commits(hooked)
    hooked.write({"src": "one\n"})
    hooked.git("add", "dvc.lock", "src")
    assert commits(hooked)


def test_a_conflict_in_the_lock(hooked: Repo) -> None:
    hooked.git("checkout", "-q", "-b", "other")
    for branch, text in (("other", "two\n"), ("main", "three\n")):
        hooked.git("checkout", "-q", branch)
        hooked.write({"src": text})
        hooked.stage("repro", "-q", check=True)
        hooked.git("commit", "-qam", text)
    assert hooked.run("git", "merge", "-q", "other").returncode == 1
    assert hooked.run("git", "commit", "-qm", "x").returncode == 128, "Git's own refusal"
    hooked.write({"src": "two\n"})
    hooked.git("add", "src", "dvc.lock")
    got = hooked.run("git", "commit", "-qm", "with markers")
    assert got.returncode == 1 and "dvc.lock" in got.stderr
    hooked.git("checkout", "-q", "--theirs", "--", "dvc.lock", check=False)
    hooked.git("checkout", "-q", "other", "--", "dvc.lock")
    assert commits(hooked)
    assert hooked.read("out") == "two\n"


def test_another_owner_whom_the_user_trusts(hooked: Repo) -> None:
    foreign = {"GIT_TEST_ASSUME_DIFFERENT_OWNER": "1"}
    hooked.write({"src": "two\n"})
    assert hooked.run("git", "commit", "-am", "x", env=foreign).returncode == 128
    Path(hooked.env["GIT_CONFIG_GLOBAL"]).write_text("[safe]\n    directory = *\n")
    assert not commits(hooked, "-a", env=foreign)
    hooked.stage("repro", "-q", check=True, env=foreign)
    assert commits(hooked, "-a", env=foreign)


def test_line_ends_that_lie_otherwise_than_they_would_be_written(hooked: Repo) -> None:
    hooked.git("config", "core.autocrlf", "true")
    hooked.write({"lines": "a\nb\n", "dos": "a\r\nb\r\n"})
    hooked.stage("run", "-q", "-n", "t", "-d", "lines", "-d", "dos", "-o", "last", "cat lines dos > last", check=True)
    hooked.git("add", "-A")
    assert commits(hooked)
    hooked.write({"lines": "a\nc\n"})
    assert not commits(hooked, "-a")


def test_a_filter_like_that_of_large_files(hooked: Repo) -> None:
    hooked.git("config", "filter.upper.clean", "tr a-z A-Z")
    hooked.git("config", "filter.upper.smudge", "tr A-Z a-z")
    hooked.write({".gitattributes": "*.big filter=upper\n", "f.big": "large\n"})
    hooked.stage("run", "-q", "-n", "t", "-d", "f.big", "-o", "last", "cp f.big last", check=True)
    hooked.git("add", "-A")
    assert hooked.git("cat-file", "blob", ":f.big") == "LARGE\n"
    assert commits(hooked)
    hooked.write({"f.big": "larger\n"})
    assert not commits(hooked, "-a")


def test_odd_names(hooked: Repo) -> None:
    """As inputs and outputs they are judged, as data they are kept and brought back."""
    names = [f"odd/{name}" for name in ODD_NAMES if "\n" not in name]
    hooked.write(dict.fromkeys(names, "1\n"))
    hooked.stage("add", "-q", *names, check=True)
    hooked.git("add", "-A")
    assert commits(hooked)
    hooked.git("checkout", "-q", "-b", "two")
    hooked.write({name: f"{name}\n" for name in names})
    hooked.stage("add", "-q", *names, check=True)
    assert commits(hooked, "-a")
    hooked.git("checkout", "-q", "main")
    assert {hooked.read(name) for name in names} == {"1\n"}
    hooked.git("checkout", "-q", "two")
    assert all(hooked.read(name) == f"{name}\n" for name in names)


@pytest.mark.parametrize("path", [".git/hooks/pre-commit", "../outside", "{}/outside", ".dvc/config", "link/inside"])
def test_outputs_of_a_strangers_branch(hooked: Repo, tmp_path: Path, path: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    hooked.git("checkout", "-q", "-b", "strange")
    (hooked.path / "link").symlink_to(tmp_path / "elsewhere")
    hooked.write(
        {
            "strange.dvc": f"outs:\n- md5: {md5('d' + chr(10))}\n  size: 2\n  hash: md5\n  path: {path.format(tmp_path)}\n"
        }
    )
    hooked.git("add", "-A")
    hooked.git("commit", "-qm", "strange", "--no-verify")
    hooked.git("checkout", "-q", "main")
    before = hooked.state()
    outside = sorted(tmp_path.rglob("*outside*")) + sorted((tmp_path / "elsewhere").iterdir())
    got = hooked.run("git", "checkout", "-q", "strange")
    assert got.returncode == 0 and got.stderr.startswith("gitstage: ") and "Traceback" not in got.stderr
    assert hooked.state()["hooks"] == before["hooks"]
    assert hooked.state()["config"] == before["config"]
    assert sorted(tmp_path.rglob("*outside*")) + sorted((tmp_path / "elsewhere").iterdir()) == outside
    hooked.git("checkout", "-q", "main")
    assert hooked.state()["tree"] == before["tree"]
