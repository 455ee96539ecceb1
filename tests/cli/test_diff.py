"""`git stage diff`: where it is called, what it refuses. Beside DVC it is tested in tests/dvc."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support import Repo, new_repo


@pytest.fixture
def repo_without_commit(tmp_path: Path, environment: dict[str, str]) -> Repo:
    made = new_repo(tmp_path / "empty", environment)
    made.stage("init", "-q", "--no-hooks", check=True)
    return made


def test_from_a_subfolder_and_before_the_first_commit(ran: Repo, repo_without_commit: Repo) -> None:
    ran.write({"dir/a": "changed\n", "dir/sub/b": "b\n", "data": "other\n"})
    expected = {
        "added": [{"path": "dir/sub/b"}],
        "deleted": [],
        "modified": [{"path": "data"}, {"path": "dir/"}, {"path": "dir/a"}],
        "renamed": [],
        "not in cache": [],
    }
    for cwd in (".", "dir/sub"):
        assert json.loads(ran.stage("diff", "--json", cwd=cwd, check=True).stdout) == expected
    before = ran.state()
    part = ran.stage("diff", "--json", "--hide-missing", "--targets", "b", "../a", "-q", cwd="dir/sub", check=True)
    assert json.loads(part.stdout) == {
        "added": [{"path": "dir/sub/b"}], "deleted": [], "modified": [{"path": "dir/a"}], "renamed": [],
    }  # fmt: skip
    assert ran.state() == before
    assert repo_without_commit.stage("diff", "--json", check=True).stdout == "{}\n"
    assert repo_without_commit.stage("diff", check=True).stdout == ""


def test_what_it_refuses(ran: Repo) -> None:
    for args, code, said in (
        (("zzz",), 1, "zzz: is no commit here"),
        (("HEAD", "--", "-x"), 1, "-x: is no commit here"),
        (("--targets", "nope", "data"), 3, "'nope' is not an output or a stage"),
        (("HEAD", "HEAD", "HEAD"), 2, "unexpected extra argument"),
    ):
        got = ran.stage("diff", *args)
        assert got.returncode == code, args
        assert said in got.stderr.lower() or said in got.stderr
        assert "Traceback" not in got.stderr


def test_data_that_is_no_output_any_more_or_not_yet(ran: Repo) -> None:
    ran.git("rm", "-q", "--cached", "dvc.yaml")
    ran.remove("dvc.yaml", "dvc.lock")
    ran.write({"new": "n\n"})
    ran.stage("add", "-q", "new", check=True)
    found = json.loads(ran.stage("diff", "--json", check=True).stdout)
    assert (found["added"], found["deleted"]) == ([{"path": "new"}], [{"path": "out"}])
    first = ran.git("rev-list", "--max-parents=0", "HEAD").strip()
    since_empty = json.loads(ran.stage("diff", first, "HEAD", "--json", check=True).stdout)
    assert [one["path"] for one in since_empty["added"]] == ["data", "dir/", "dir/a", "out"]
