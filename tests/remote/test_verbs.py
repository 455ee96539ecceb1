"""push, pull and fetch as commands, with real servers, beside real dvc, and with all that can go wrong there."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from servers import Server, need_nginx, outage
from support import Repo, kill_group, picture, sealed_environment, wait_until

SERVED = ["s3", "sftp", "webdav"]
served = pytest.mark.parametrize("server", SERVED, indirect=True)


def connect(repo: Repo, server: Server, name: str = "r") -> None:
    """Make the server's folder the default remote; what is secret goes into config.local."""
    repo.env.update(server.environment)
    repo.stage("remote", "add", "-f", "-d", name, server.url, check=True)
    for key, value in server.settings.items():
        repo.stage("remote", "modify", "--local", name, key, value, check=True)


def clone(repo: Repo, path: Path, server: Server | None = None) -> Repo:
    """Another clone, with another user's settings and an empty cache."""
    repo.git("clone", "-q", str(repo.path), str(path))
    made = Repo(path, {**repo.env, **sealed_environment(path.parent / (path.name + "-home"))})
    made.env.update({key: value for key, value in repo.env.items() if key == "GIT_SSH_COMMAND"})
    local = repo.path / ".dvc/config.local"
    if local.exists():
        shutil.copy(local, path / ".dvc/config.local")
    return made


def wrong(repo: Repo) -> list[str]:
    """Objects of the cache that are not what their names say."""
    top = repo.path / ".dvc/cache/files/md5"
    found = [path for path in top.glob("*/*") if not path.name.startswith(".")]
    return [str(p) for p in found if hashlib.md5(p.read_bytes()).hexdigest() != p.parent.name + p.name.split(".")[0]]


def data(repo: Repo) -> dict[str, tuple[str, ...]]:
    return {name: entry for name, entry in repo.tree().items() if not name.startswith(".dvc/") and name != ".dvc/"}


@pytest.fixture(scope="session")
def many_template(project_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with 300 small files in `many`, and two big files; everything committed."""
    folder = tmp_path_factory.mktemp("many")
    shutil.copytree(project_template, folder / "repo", symlinks=True)
    made = Repo(folder / "repo", sealed_environment(folder / "home"))
    made.write({f"many/{number // 50}/{number}": f"content of {number}\n" for number in range(300)})
    made.stage("add", "many", check=True)
    made.commit("many")
    return made.path


@pytest.fixture
def many(many_template: Path, tmp_path: Path, environment: dict[str, str]) -> Repo:
    shutil.copytree(many_template, tmp_path / "repo", symlinks=True)
    return Repo(tmp_path / "repo", environment)


# -- the same remote for both tools ------------------------------------------------------------------------------------


@served
def test_dvc_pulls_what_we_pushed(ran: Repo, server: Server, tmp_path: Path) -> None:
    connect(ran, server)
    ran.commit("remote")
    before = data(ran)
    said = ran.stage("push", "--run-cache", check=True).stdout
    assert "pushed" in said
    other = clone(ran, tmp_path / "other")
    other.dvc("pull", "--run-cache", check=True, timeout=240)
    assert data(other) == before
    assert runs(other) == runs(ran) != {}
    assert other.dvc("status", "-c", check=True).stdout == "Cache and remote 'r' are in sync.\n"
    assert other.stage("status", "-c", check=True).stdout == "Cache and remote 'r' are in sync.\n"


@served
def test_we_pull_what_dvc_pushed(ran: Repo, server: Server, tmp_path: Path) -> None:
    need_nginx(server)
    connect(ran, server)
    ran.commit("remote")
    before = data(ran)
    if server.kind == "webdav":
        server.path("").mkdir()  # dvc does not make it
        server.path("").chmod(0o777)
    ran.dvc("push", "--run-cache", check=True, timeout=240)
    other = clone(ran, tmp_path / "other")
    other.stage("pull", "--run-cache", check=True)
    assert data(other) == before
    assert runs(other) == runs(ran) != {}
    assert other.stage("push", "--run-cache", check=True).stdout == "Everything is up to date.\n"


def runs(repo: Repo) -> dict[str, tuple[str, ...]]:
    return {name: entry[2:] for name, entry in picture(repo.path / ".dvc/cache/runs").items() if entry[0] == "file"}


@pytest.mark.parametrize("server", ["http"], indirect=True)
def test_a_plain_web_server_serves_a_pull(ran: Repo, server: Server, tmp_path: Path) -> None:
    ran.stage("remote", "add", "-d", "r", str(server.root / server.place), check=True)
    ran.stage("push", check=True)
    connect(ran, server)
    ran.commit("remote")
    other = clone(ran, tmp_path / "other")
    other.stage("pull", check=True)
    assert data(other) == data(ran)
    other.write({"data": "new\n"})
    other.stage("add", "data", check=True)
    got = other.stage("push")
    assert (got.returncode, "can only be read" in got.stderr, "hint: " in got.stderr) == (1, True, True)


# -- what can be wrong there -------------------------------------------------------------------------------------------


@served
def test_damaged_objects_are_named_and_repaired(many: Repo, server: Server, tmp_path: Path) -> None:
    connect(many, server)
    many.commit("remote")
    many.stage("push", check=True)
    keys = [f"{md5[:2]}/{md5[2:]}" for md5 in (digest_of(f"content of {number}\n") for number in range(3))]
    places = [server.path(f"files/md5/{key}") for key in keys]
    good = [place.read_bytes() for place in places]
    for place in places:
        place.chmod(0o644)
    places[0].write_bytes(good[0][:4])
    places[1].unlink()
    places[2].write_bytes(good[2].replace(b"content", b"CONTENT"))

    other = clone(many, tmp_path / "other")
    got = other.stage("pull")
    assert got.returncode != 0
    for number, key in enumerate(keys):
        assert f"many/0/{number}" in got.stderr and (key in got.stderr or number == 1), got.stderr
    assert wrong(other) == []
    assert len(other.cache()) == 298

    many.stage("push", "--check", check=True)
    assert [place.read_bytes() for place in places[:2]] == good[:2]
    assert places[2].read_bytes() != good[2]  # of the right size: only its content tells
    places[2].unlink()
    many.stage("push", "--check", check=True)
    other.stage("pull", check=True)
    assert data(other) == data(many)


def digest_of(text: str) -> str:
    return hashlib.md5(text.encode()).hexdigest()


@served
def test_an_outage_while_pushing_and_pulling(many: Repo, server: Server, tmp_path: Path) -> None:
    connect(many, server)
    many.commit("remote")
    many.write({f"more{number}": os.urandom(6 << 20) for number in range(6)})
    many.stage("add", *(f"more{number}" for number in range(6)), check=True)
    process = many.start("git-stage", "push")
    wait_until(lambda: any(server.path("").rglob("*/md5/*/*")), 20, "the first object")
    outage(server, 2)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, error
    assert "Traceback" not in error
    many.commit("more")
    other = clone(many, tmp_path / "other")
    process = other.start("git-stage", "pull")
    wait_until(lambda: any((other.path / ".dvc/cache/files").rglob("*/*")), 20, "the first object")
    outage(server, 2)
    out, error = process.communicate(timeout=60)
    assert process.returncode == 0, out + error
    assert data(other) == data(many)


@served
def test_killed_pulls_and_pushes_go_on(many: Repo, server: Server, tmp_path: Path) -> None:
    connect(many, server)
    many.write({f"more{number}": os.urandom(6 << 20) for number in range(6)})
    many.stage("add", *(f"more{number}" for number in range(6)), check=True)
    many.commit("more")
    process = many.start("git-stage", "push")
    wait_until(lambda: sum(1 for _ in server.path("").rglob("*/md5/*/*")) > 3, 20, "some objects")
    kill_group(process)
    process.communicate()
    many.stage("push", check=True)
    other = clone(many, tmp_path / "other")
    process = other.start("git-stage", "pull")
    wait_until(lambda: sum(1 for _ in (other.path / ".dvc/cache/files").rglob("*/*")) > 3, 20, "some objects")
    kill_group(process, signal.SIGKILL)
    process.communicate()
    assert wrong(other) == []
    other.stage("pull", check=True)
    assert data(other) == data(many)
    assert not [name for name in other.cache() if name.endswith(".tmp")]
    assert not list(Path(tempfile.gettempdir()).glob(f"gs-{process.pid}-*"))


# -- who may not -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("server", ["s3"], indirect=True)
def test_wrong_keys(ran: Repo, server: Server) -> None:
    connect(ran, server)
    ran.stage("remote", "modify", "--local", "r", "secret_access_key", "WRONGSECRET", check=True)
    for verb in ("push", "fetch"):
        ran.write({".dvc/cache/x": ""})
        if verb == "fetch":
            shutil.rmtree(ran.path / ".dvc/cache")
        got = ran.stage(verb)
        assert got.returncode == 1, got
        assert "SignatureDoesNotMatch" in got.stderr and "hint: git stage remote modify --local" in got.stderr
        assert "WRONGSECRET" not in got.stdout + got.stderr
        assert len(got.stderr.splitlines()) < 5


@pytest.mark.parametrize("server", ["s3"], indirect=True)
def test_a_bucket_that_is_not_there(ran: Repo, server: Server) -> None:
    connect(ran, server)
    ran.stage("remote", "modify", "r", "url", "s3://nobucket/x", check=True)
    got = ran.stage("push")
    assert (got.returncode, "NoSuchBucket" in got.stderr, len(got.stderr.splitlines()) < 5) == (1, True, True), got


@pytest.mark.parametrize("server", ["sftp"], indirect=True)
def test_ssh_that_does_not_let_us_in(ran: Repo, server: Server, tmp_path: Path) -> None:
    connect(ran, server)
    for key in ("keyfile", "user"):
        ran.stage("remote", "modify", "--local", "r", key, str(tmp_path / "nokey"), check=True)
        ssh = server.environment["GIT_SSH_COMMAND"] + " -o IdentitiesOnly=yes"
        got = ran.stage("push", env={"SSH_AUTH_SOCK": "", "GIT_SSH_COMMAND": ssh})
        assert got.returncode == 1
        assert "ermission denied" in got.stderr and "hint: ssh 127.0.0.1" in got.stderr, got.stderr
        assert "Traceback" not in got.stderr


@pytest.mark.parametrize("server", ["sftp"], indirect=True)
def test_ssh_uses_what_git_uses(ran: Repo, server: Server) -> None:
    """An alias of the user's ssh configuration, and neither user, port nor key in ours."""
    ran.env.update(server.environment)
    ran.stage("remote", "add", "-d", "r", f"ssh://data.test{server.root / server.place}", check=True)
    ran.stage("push", check=True)
    assert any(server.path("files/md5").glob("*/*"))
    for url in ("ssh://-oProxyCommand=x/y", "ssh:///x"):
        ran.stage("remote", "modify", "r", "url", url)
        got = ran.stage("push")
        assert got.returncode == 6 and ("names no host" in got.stderr or "not supported" in got.stderr), got.stderr


@pytest.mark.parametrize("server", ["webdav"], indirect=True)
def test_a_web_server_that_asks_who_we_are(ran: Repo, server: Server, tmp_path: Path) -> None:
    need_nginx(server)
    server.use(f"private/{server.place}")
    connect(ran, server)
    got = ran.stage("push")
    assert (got.returncode, "refused" in got.stderr, "user and password" in got.stderr) == (1, True, True), got.stderr
    ran.stage("remote", "modify", "r", "ask_password", "true", check=True)
    got = ran.stage("push")
    assert (got.returncode, "hint: git stage remote modify --local NAME password" in got.stderr) == (6, True)
    ran.stage("remote", "modify", "r", "user", "u", check=True)
    ran.stage("remote", "modify", "--local", "r", "password", "p w", check=True)
    ran.write({"data": os.urandom(5 << 20)})
    ran.stage("add", "data", check=True)
    ran.stage("push", check=True)
    ran.commit("remote")
    url = server.url.replace("://", "://u:p%20w@")
    ran.stage("remote", "add", "-f", "-d", "r", url, check=True)
    (ran.path / ".dvc/config.local").unlink()
    shutil.rmtree(ran.path / ".dvc/cache")
    ran.stage("fetch", check=True)
    assert wrong(ran) == []
    url = server.url.replace("://", "://u:secret@").replace("private", "closed")
    ran.stage("remote", "modify", "r", "url", url, check=True)
    got = ran.stage("push", "--check")
    assert got.returncode == 1 and "refused" in got.stderr and "secret" not in got.stdout + got.stderr


# -- how much is asked -------------------------------------------------------------------------------------------------


def counted(server: Server, repo: Repo, *argv: str) -> Counter[str]:
    before = server.requests()
    repo.stage(*argv, check=True)
    return Counter(server.requests()[len(before) :])


@pytest.mark.parametrize("server", ["moto", "webdav"], indirect=True)
def test_requests_at_the_server(many: Repo, server: Server, tmp_path: Path) -> None:
    need_nginx(server)
    connect(many, server)
    first = counted(server, many, "push")
    assert first["PUT"] == 301 and sum(first.values()) <= 310, first
    assert sum(counted(server, many, "push").values()) <= 2
    many.write({"many/0/7": "changed\n"})
    many.stage("add", "many", check=True)
    changed = counted(server, many, "push")
    assert changed["PUT"] == 2 and sum(changed.values()) <= 5, changed
    many.commit("changed")
    other = clone(many, tmp_path / "other")
    pulled = counted(server, other, "pull")
    assert pulled["GET"] >= 301 and sum(pulled.values()) <= 302, pulled
    assert data(other) == data(many)
