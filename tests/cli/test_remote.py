"""`git stage remote`: what is more careful than DVC's, and what is said."""

from __future__ import annotations

from pathlib import Path

from support import Repo

from gitstage.errors import ConfigError, NoProject, UsageError

OWN = """\
# kept
[core]
  autostage = true  # why
[remote "a"]
\turl = s3://a  # here
"""


def test_what_nobody_touched_stays(project: Repo) -> None:
    project.write({".dvc/config": OWN})
    project.stage("remote", "add", "-d", "b", "s3://b", check=True)
    project.stage("remote", "modify", "a", "jobs", "2", check=True)
    assert project.read(".dvc/config") == OWN.replace("# why\n", "# why\n  remote = b\n") + (
        "\tjobs = 2\n['remote \"b\"']\n    url = s3://b\n"
    )
    project.stage("remote", "rename", "a", "C", check=True)
    assert project.read(".dvc/config").endswith("['remote \"c\"']\n\turl = s3://a  # here\n\tjobs = 2\n")
    assert "# kept" in project.read(".dvc/config")
    assert not project.exists(".dvc/config.local")


def test_a_rename_takes_the_settings_of_stronger_files_along(project: Repo) -> None:
    project.stage("remote", "add", "-d", "a", "s3://a", check=True)
    project.stage("remote", "modify", "--local", "a", "secret_access_key", "S", check=True)
    project.stage("remote", "default", "--local", "a", check=True)
    project.stage("remote", "rename", "a", "b", check=True)
    assert project.read(".dvc/config") == "[core]\n    remote = b\n['remote \"b\"']\n    url = s3://a\n"
    local = "[core]\n    remote = b\n['remote \"b\"']\n    secret_access_key = S\n"
    assert project.read(".dvc/config.local") == local


def test_what_would_break_the_configuration_changes_nothing(project: Repo) -> None:
    project.stage("remote", "add", "-d", "a", "s3://a", check=True)
    project.stage("remote", "modify", "--local", "a", "jobs", "2", check=True)
    before = project.state()
    for argv, code, said in [
        (["remove", "a"], ConfigError, "hint: git stage remote remove --local a"),
        (["modify", "a", "user", "x"], ConfigError, "unknown key: remote.a.user"),
        (["modify", "a", "jobs", "0"], ConfigError, "a number of at least 1"),
        (["modify", "a", "jobs"], UsageError, "hint: git stage remote modify -u a jobs removes it"),
        (["modify", "a"], UsageError, "hint: git stage remote modify --help"),
        (["add", 'x"y', "s3://x"], UsageError, "no quotes"),
        (["add", "x", "foo://x"], ConfigError, "foo:// is not supported"),
        (["nope"], UsageError, "hint: git stage help remote"),
    ]:
        got = project.stage("remote", *argv)
        assert (got.returncode, said in got.stderr) == (code.exit_code, True), (argv, got.stderr)
    assert project.state() == before
    project.stage("remote", "remove", "--local", "a", check=True)
    project.stage("remote", "remove", "a", check=True)
    assert project.stage("remote", "list", check=True).stdout == ""


def test_a_broken_configuration_can_be_repaired(project: Repo) -> None:
    project.write({".dvc/config": "['remote \"a\"']\n    url = s3://a\n    user = x\n    jobs = none\n"})
    assert project.stage("status").returncode == ConfigError.exit_code
    got = project.stage("remote", "modify", "a", "jobs", "1")
    assert (got.returncode, "remote.a.user" in got.stderr) == (ConfigError.exit_code, True)
    project.write({".dvc/config.local": "['remote \"b\"']\n    jobs = 1\n"})
    project.stage("remote", "add", "-f", "a", "s3://a", check=True)  # as far as its own file goes, it is right now
    project.stage("remote", "remove", "--local", "b", check=True)
    project.stage("status", check=True)


def test_outside_a_project_there_are_the_files_of_user_and_machine(repo: Repo, tmp_path: Path) -> None:
    for argv in (["add", "a", "s3://a"], ["add", "--local", "a", "s3://a"], ["list", "--project"]):
        got = repo.stage("remote", *argv)
        assert (got.returncode, "--global" in got.stderr) == (NoProject.exit_code, True)
    kept = tmp_path / "dotfiles"
    kept.write_text("")
    own = Path(repo.env["DVC_GLOBAL_CONFIG_DIR"]) / "config"
    own.unlink()
    own.symlink_to(kept)
    repo.stage("remote", "add", "--global", "-d", "a", "s3://a", check=True)
    assert own.is_symlink()
    assert kept.read_text() == "[core]\n    remote = a\n['remote \"a\"']\n    url = s3://a\n"
    assert repo.stage("remote", "list").stdout == "a       s3://a  (default)\n"
    assert repo.stage("remote", "default").stdout == "a\n"


def test_what_dvc_cannot_read_is_said(project: Repo) -> None:
    got = project.stage("remote", "add", "--local", "r", "rclone://drive:x", check=True)
    assert "dvc knows no rclone://" in got.stderr
    assert project.dvc("remote", "add", "q", "s3://q").returncode
    project.stage("status", check=True)
