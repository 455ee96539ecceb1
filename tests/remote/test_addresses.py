"""Addresses and settings: what becomes of them, what is refused and how, and the backends that need no server."""

from __future__ import annotations

import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from servers import RCLONE
from support import Repo
from test_backends import ignore, objects, some, stored

from gitstage.errors import ConfigError
from gitstage.remote.backend import RemoteError
from gitstage.remote.backends import open_backend
from gitstage.remote.backends.fsspec import FsspecBackend


def opened(url: str, **options: str) -> Any:
    return open_backend(url, options, "/")


# -- packages and programs that are not there --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "hidden", "extra"),
    [
        ("s3://b/p", "obstore", "s3"),
        ("gs://b/p", "obstore", "gs"),
        ("azure://c/p", "obstore", "azure"),
        ("https://h/p", "obstore", "http"),
        ("webdavs://h/p", "obstore", "webdav"),
        ("hdfs://h/p", "pyarrow", "hdfs"),
        ("oss://b/p", "ossfs", "oss"),
        ("gdrive://id/p", "pydrive2", "gdrive"),
    ],
)
def test_a_missing_extra_is_named(url: str, hidden: str, extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == hidden else find(name))
    with pytest.raises(ConfigError, match=f"needs the Python package {hidden}") as caught:
        opened(url)
    assert caught.value.hint == f"pip install 'gitstage[{extra}]'"


def test_missing_programs_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(ConfigError, match="needs the program rclone") as caught:
        opened("rclone://r:p")
    assert caught.value.hint == "pip install 'gitstage[rclone]'"
    with pytest.raises(ConfigError, match="needs the program ssh"):
        opened("ssh://h/p")


def test_only_what_is_used_is_imported(project: Repo, tmp_path: Path) -> None:
    project.stage("remote", "add", "-d", "r", str(tmp_path / "store"), check=True)
    project.write({"data": "d\n"})
    project.stage("add", "data", check=True)
    got = project.run(sys.executable, "-X", "importtime", "-m", "gitstage", "push")
    assert got.returncode == 0, got.stderr
    loaded = {line.rpartition("|")[2].strip() for line in got.stderr.splitlines()}
    assert "gitstage.remote.backends.local" in loaded
    others = ("addresses", "aws", "sftp", "object_store", "webdav", "rclone", "fsspec", "parallel")
    assert not loaded & {"obstore", "fsspec", "http.client", *(f"gitstage.remote.backends.{name}" for name in others)}


# -- what is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("s3://", {}, "names no bucket"),
        ("s3://b/p", {"acl": "private"}, "acl is not supported"),
        ("s3://b/p", {"grant_read": "x"}, "grant_read is not supported"),
        ("s3://b/p", {"profile": "nope"}, "AWS profile 'nope' is in none"),
        ("s3://b/p", {"version_aware": "true"}, "version_aware: remotes that keep versions"),
        ("s3://b/p", {"region": "x", "ssl_verify": "/none.pem"}, "ssl_verify: /none.pem: No such file"),
        ("gs://b/p", {"credentialpath": "/none.json"}, "gs://b/p: "),
        ("gs://b/p", {"credentialpath": "/dev/null"}, "gs://b/p: "),
        ("webdav://h:port/p", {}, "webdav://h:port/p: "),
        ("azure://c/p", {}, "which storage account"),
        ("http://u:secret@h/p", {"auth": "digest"}, "http://h/p: auth = digest is not supported"),
        ("webdav://u:secret@h/p", {"cert_path": "x"}, "http://h/p: client certificates"),
        ("webdav://h/p", {"bearer_token_command": "exit 3"}, "bearer_token_command failed with exit code 3"),
        ("ssh://-oProxyCommand=id/p", {}, "names no host"),
        ("ssh://h:port/p", {}, "ssh://h:port/p: "),
        ("rclone://:sftp,ssh=id:p", {}, "expected rclone://REMOTE:PATH"),
        ("rclone://noplace", {}, "expected rclone://REMOTE:PATH"),
        ("foo://x", {}, "no kind of remote"),
    ],
)
def test_what_cannot_be_used_is_said(
    url: str, options: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "AZURE_"))]:
        monkeypatch.delenv(name)
    with pytest.raises(ConfigError) as caught:
        opened(url, **options)
    assert message in str(caught.value)
    assert "secret" not in str(caught.value)


# -- what the settings become ------------------------------------------------------------------------------------------


def test_s3_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    made = opened("s3://b/a b/p/", endpointurl="http://h:1/", access_key_id="A", secret_access_key="S", jobs="3")
    config = made._store.config
    assert made._store.prefix == "a b/p" and made.jobs == 3 and made.label == "s3://b/a b/p/"
    assert (config["endpoint"], config["access_key_id"], config["region"]) == ("http://h:1", "A", "us-east-1")
    assert made._store.client_options["allow_http"]
    config = opened("s3://b", region="r", sse="AES256", allow_anonymous_login="true")._store.config
    assert (config["region"], config["skip_signature"], config["server_side_encryption"]) == ("r", "true", "AES256")
    assert "endpoint" not in config
    config = opened("s3://b", region="r", use_ssl="false", endpointurl="https://h")._store.config
    assert config["endpoint"] == "http://h"


def test_aws_profiles(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    home = Path(os.environ["HOME"]) / ".aws"
    home.mkdir()
    (home / "credentials").write_text(
        "[default]\naws_access_key_id = D\naws_secret_access_key = DS\n[p]\naws_access_key_id = P\n"
        "aws_secret_access_key = PS\naws_session_token = PT\n"
    )
    (home / "config").write_text(
        "[profile p]\nregion = pr\nendpoint_url = http://e\n[profile role]\nrole_arn = x\nsource_profile = p\n"
    )
    config = opened("s3://b", region="r")._store.config
    assert (config["access_key_id"], config["secret_access_key"], config["region"]) == ("D", "DS", "r")
    config = opened("s3://b", profile="p")._store.config
    assert (config["access_key_id"], config["session_token"], config["region"]) == ("P", "PT", "pr")
    assert config["endpoint"] == "http://e"
    monkeypatch.setenv("AWS_PROFILE", "p")
    assert opened("s3://b")._store.config["access_key_id"] == "P"
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(ConfigError, match="needs boto3") as caught:
        opened("s3://b", profile="role", region="r")
    assert caught.value.hint == "pip install 'gitstage[aws]'"
    monkeypatch.delitem(sys.modules, "boto3")
    assert opened("s3://b", profile="role", region="r")._store.credential_provider is not None
    other = home / "other"
    other.write_text("[q]\naws_access_key_id = Q\naws_secret_access_key = QS\n")
    config = opened("s3://b", profile="q", credentialpath=str(other), region="r")._store.config
    assert config["access_key_id"] == "Q"


def test_azure_and_google_settings() -> None:
    text = "DefaultEndpointsProtocol=http;AccountName=acc;AccountKey=a2V5PT0=;BlobEndpoint=http://127.0.0.1:1/acc;"
    store = opened("azure://c/p", connection_string=text)._store
    assert (store.prefix, store.config["account_name"], store.config["account_key"]) == ("p", "acc", "a2V5PT0=")
    assert store.config["endpoint"] == "http://127.0.0.1:1/acc" and store.client_options["allow_http"]
    store = opened("azure://c", account_name="acc", sas_token="?sv=1&sig=x")._store
    assert store.config["account_name"] == "acc" and "sv" in json.dumps(store.config)
    store = opened("gs://b/p", allow_anonymous_login="true", endpointurl="http://127.0.0.1:1")._store
    assert (store.prefix, store.config["skip_signature"]) == ("p", "true")


@pytest.mark.parametrize(
    ("url", "options", "expected"),
    [
        ("https://u%40x:p%20w@h/p", {}, {"Authorization": "Basic dUB4OnAgdw=="}),
        ("https://h/p", {"user": "u", "password": "p"}, {"Authorization": "Basic dTpw"}),
        ("webdavs://h/p", {"token": "T"}, {"Authorization": "Bearer T"}),
        ("webdavs://h/p", {"bearer_token_command": "echo T"}, {"Authorization": "Bearer T"}),
        ("https://h/p", {"custom_auth_header": "X-Key", "password": "p"}, {"X-Key": "p"}),
        ("https://h/p", {}, None),
    ],
)
def test_who_we_are_on_the_web(url: str, options: dict[str, str], expected: dict[str, str] | None) -> None:
    made = opened(url, **options)
    found = made._store.client_options.get("default_headers")
    assert {name.lower(): value.decode() for name, value in (found or {}).items()} == {
        name.lower(): value for name, value in (expected or {}).items()
    }
    assert made.label == url.replace("u%40x:p%20w@", "")


# -- rclone and fsspec -------------------------------------------------------------------------------------------------


def _exercise(backend: Any, tmp_path: Path, place: Path) -> None:
    contents = objects()
    assert backend.head(list(contents)) == {} and list(backend.list("files/md5/")) == []
    [(_, error)] = backend.get([("files/md5/00/absent", str(tmp_path / "x"))], ignore)
    assert error is not None and error.absent
    moved: dict[str, int] = {}
    answers = backend.put(
        stored(tmp_path / "from", contents), lambda key, size: moved.update({key: moved.get(key, 0) + size})
    )
    assert sorted(answers) == sorted((key, None) for key in contents)
    sizes = {key: len(data) for key, data in contents.items()}
    assert {key: size for key, size in moved.items() if size} == {k: s for k, s in sizes.items() if s}
    assert {key: (place / key).read_bytes() for key in contents} == contents
    assert backend.head([*contents, "files/md5/00/absent"]) == sizes
    assert {each.key: each.size for each in backend.list("")} == sizes
    assert {each.key for each in backend.list("files/md5/bb/")} == {k for k in sizes if k.startswith("files/md5/bb/")}
    (place / "files/md5/bb/1ebig").write_bytes(b"half")
    assert list(backend.put(stored(tmp_path / "again", {"files/md5/bb/1ebig": b"whole"}), ignore))[0][1] is None  # noqa: RUF015
    assert (place / "files/md5/bb/1ebig").read_bytes() == b"whole"
    targets = {key: tmp_path / f"to{number}" for number, key in enumerate(contents)}
    answers = backend.get([(key, str(target)) for key, target in targets.items()], ignore)
    assert {error for _, error in answers} == {None}
    assert all(targets[key].read_bytes() == data for key, data in contents.items() if "1ebig" not in key)
    assert {error for _, error in backend.delete([*contents, "files/md5/00/absent"])} == {None}
    assert list(backend.list("")) == []
    assert not [name for _, _, names in os.walk(place) for name in names]
    backend.close()


def test_rclone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{os.path.dirname(RCLONE)}:{os.environ['PATH']}")
    monkeypatch.setenv("RCLONE_CONFIG", "/dev/null")
    monkeypatch.setenv("RCLONE_CONFIG_DRIVE_TYPE", "alias")
    monkeypatch.setenv("RCLONE_CONFIG_DRIVE_REMOTE", str(tmp_path / "drive"))
    _exercise(opened("rclone://drive:a [b]"), tmp_path, tmp_path / "drive/a [b]")
    backend = opened("rclone://nothing:x")
    for use in (lambda: backend.head(["x"]), lambda: list(backend.put(stored(tmp_path / "f", some(1)), ignore))):
        with pytest.raises(RemoteError, match="didn't find section in config file"):
            use()


def test_fsspec(tmp_path: Path) -> None:
    import fsspec

    place = tmp_path / "place"
    _exercise(FsspecBackend("hdfs://h/p", {}, (fsspec.filesystem("file"), str(place))), tmp_path, place)


def test_a_failing_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fsspec

    from gitstage.remote.backends import parallel

    monkeypatch.setattr(parallel, "UNKNOWN", 0.2)
    fs = fsspec.filesystem("memory")

    def fail(*args: Any, **more: Any) -> None:
        raise RuntimeError("the library's own words")

    monkeypatch.setattr(type(fs), "info", fail)
    with pytest.raises(RemoteError, match="hdfs://h/p: cannot be used: RuntimeError: the library's own words"):
        FsspecBackend("hdfs://u:secret@h/p", {}, (fs, "/p")).head(["x"])


def test_a_command_that_the_repository_brought_along_is_not_run(project: Repo) -> None:
    project.write({"data": "1\n"})
    project.stage("add", "data", check=True)
    project.stage("remote", "add", "-d", "w", "webdav://127.0.0.1:1/x", check=True)
    project.stage("remote", "modify", "w", "bearer_token_command", "touch ran; echo t", check=True)
    got = project.stage("push")
    assert (got.returncode, project.exists("ran")) == (6, False)
    assert "bearer_token_command" in got.stderr and "--local w" in got.stderr
    project.stage("remote", "modify", "w", "--unset", "bearer_token_command", check=True)
    project.stage("remote", "modify", "--local", "w", "bearer_token_command", "touch ran; echo t", check=True)
    project.stage("push")
    assert project.exists("ran")
