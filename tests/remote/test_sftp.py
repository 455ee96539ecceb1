"""What only ssh remotes have: servers that are odd, full or not to be written to, in place of a whole ssh."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from servers import SSHD, Sftp
from support import Repo, small_disk
from test_backends import ignore, objects, some, stored

from gitstage.remote.backend import Hashed, RemoteError
from gitstage.remote.backends import open_backend, parallel, sftp

SERVER = next(
    (p for p in ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server", "/usr/libexec/sftp-server",
                 "/usr/lib/ssh/sftp-server") if os.path.exists(p)), "",
)  # fmt: skip


@pytest.fixture
def ssh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str], str]:
    """Makes a shell command the one that is run in place of ssh, and gives the URL of a remote."""
    assert SERVER, "needs openssh-server, which .ci/run installs"

    def use(command: str) -> str:
        script = tmp_path / "ssh"
        script.write_text(f"#!/bin/sh\n{command}\n")
        script.chmod(0o755)
        monkeypatch.setenv("GIT_SSH_COMMAND", shlex.quote(str(script)))
        return f"ssh://nowhere.test{tmp_path}/remote"

    return use


def files(folder: Path) -> dict[str, bytes]:
    """All files below a folder, temporary ones too."""
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_answers_in_any_order_and_in_small_pieces(ssh: Callable[[str], str], tmp_path: Path) -> None:
    url = ssh(f"exec {sys.executable} {Path(__file__).parent / 'odd_sftp.py'} {SERVER}")
    contents = objects()
    backend = open_backend(url, {}, str(tmp_path))
    assert all(error is None for _, error in backend.put(stored(tmp_path / "from", contents), ignore))
    assert files(tmp_path / "remote") == contents
    assert {each.key: each.size for each in backend.list("")} == {key: len(data) for key, data in contents.items()}
    hashed: Hashed = {}
    items = [(key, str(tmp_path / f"to{number}")) for number, key in enumerate(contents)]
    assert all(error is None for _, error in backend.get(items, ignore, hashed))
    backend.close()
    assert {key: Path(path).read_bytes() for key, path in items} == contents
    assert hashed.keys() == contents.keys()


def test_a_server_that_talks_first_is_quoted(ssh: Callable[[str], str], tmp_path: Path) -> None:
    backend = open_backend(ssh(f"echo 'Welcome to this host'; exec {SERVER}"), {}, str(tmp_path))
    with pytest.raises(RemoteError, match="what is not SFTP: 'Welcome to this host"):
        backend.head(["x"])


def test_a_server_that_only_reads(ssh: Callable[[str], str], tmp_path: Path) -> None:
    contents = some(3)
    items = stored(tmp_path / "from", contents)
    for is_there in (False, True):
        if is_there:
            (tmp_path / "remote/files/md5").mkdir(parents=True)
        backend = open_backend(ssh(f"exec {SERVER} -R"), {}, str(tmp_path))
        answers = dict(backend.put(items, ignore))
        backend.close()
        assert answers.keys() == contents.keys()
        for key, error in answers.items():
            assert error is not None and str(error).endswith(f"/remote: {key}: Permission denied")
    assert files(tmp_path / "remote") == {}


def test_a_file_that_the_server_cannot_take(ssh: Callable[[str], str], tmp_path: Path) -> None:
    contents = {**some(3), "files/md5/bb/1ebig": b"x" * (5 << 20)}
    items = stored(tmp_path / "from", contents)
    backend = open_backend(ssh(f"trap '' XFSZ; ulimit -f 4096; exec {SERVER}"), {}, str(tmp_path))
    answers = dict(backend.put(items, ignore))
    backend.close()
    error = answers.pop("files/md5/bb/1ebig")
    assert error is not None and "bb/1ebig: the server could not do it" in str(error) and "disk full" in str(error)
    assert set(answers.values()) == {None}
    assert files(tmp_path / "remote") == some(3)


@pytest.fixture
def talkative(tmp_path: Path) -> Iterator[Sftp]:
    """An sshd that writes down what is agreed on."""
    assert SSHD, "needs openssh-server, which .ci/run installs"
    server = Sftp(tmp_path / "server")
    with open(server.folder / "sshd_config", "a") as stream:
        stream.write("LogLevel DEBUG1\n")
    server.start()
    yield server
    server.stop()


def test_a_command_needs_one_session(talkative: Sftp, ran: Repo) -> None:
    ran.write({"set/one": "one\n", "set/two": "two\n"})
    ran.stage("add", "set", check=True)
    ran.stage("remote", "add", "-d", "r", talkative.url, check=True)
    ran.stage("remote", "modify", "r", "keyfile", talkative.settings["keyfile"], check=True)
    ran.env.update(talkative.environment)
    for verb in ("push", "pull"):
        before = len((talkative.folder / "log").read_text())
        ran.stage(verb, check=True)
        log = (talkative.folder / "log").read_text()[before:]
        assert log.count("Accepted publickey") == log.count("Starting session: subsystem") == 1
        subprocess.run(["rm", "-rf", ran.path / ".dvc/cache", ran.path / "set"], check=True)


def test_a_cipher_that_the_processor_knows(talkative: Sftp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless somebody chose another: in ssh's configuration, or on the command line that stands for it."""
    server = talkative
    usual, default = server.environment["GIT_SSH_COMMAND"], Path(server.folder / "ssh_config").read_text()
    names = r"client->server cipher: (\S+) "
    for aes, command, config, cipher in (
        (True, usual, "", "aes128-gcm@openssh.com"),
        (False, usual, "", "chacha20-poly1305@openssh.com"),
        (True, usual, "Ciphers aes256-ctr", "aes256-ctr"),
        (True, usual, "Host 127.0.0.1\nCiphers ^aes256-gcm@openssh.com", "aes256-gcm@openssh.com"),
        (True, f"{usual} -c aes192-ctr", "", "aes192-ctr"),
        (True, f"{usual} -o Ciphers=aes128-ctr", "", "aes128-ctr"),
        (True, f"{usual} -o Ciphers=^aes128-ctr", "Ciphers aes256-ctr", "aes128-ctr"),
    ):
        monkeypatch.setattr(sftp, "_has_aes", lambda aes=aes: aes)
        monkeypatch.setenv("GIT_SSH_COMMAND", command)
        (server.folder / "ssh_config").write_text(f"{default}{config}\n")
        before = len((server.folder / "log").read_text())
        backend = open_backend(server.url, server.settings, str(tmp_path))
        assert backend.head(["x"]) == {}
        backend.close()
        assert re.findall(names, (server.folder / "log").read_text()[before:]) == [cipher], (command, config)


def test_an_ssh_that_does_not_tell_its_settings(
    ssh: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is done without, and nothing stays behind."""
    monkeypatch.setattr(sftp, "_has_aes", lambda: True)
    monkeypatch.setattr(sftp, "_PATIENT", 0.2)
    seconds = 100000 + os.getpid()
    backend = open_backend(
        ssh(f'case " $* " in *" -G "*) sleep {seconds}; exit;; *Ciphers*) exit 1;; esac; exec {SERVER}'),
        {},
        str(tmp_path),
    )
    assert backend.head(["x"]) == {}
    backend.close()
    assert f"sleep {seconds}" not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True).stdout


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    with small_disk(folder, "3m") as done:
        if not done:
            pytest.skip("needs the right to mount a file system; run the tests as root")
        yield folder


def test_a_full_disk_of_the_server(ssh: Callable[[str], str], small: Path, tmp_path: Path) -> None:
    contents = {**some(20), "files/md5/bb/1ebig": os.urandom(5 << 20)}
    items = stored(tmp_path / "from", contents)
    (tmp_path / "remote").symlink_to(small)
    url = ssh(f"exec {SERVER}")
    backend = open_backend(url, {}, str(tmp_path))
    answers = dict(backend.put(items, ignore))
    error = answers.pop("files/md5/bb/1ebig")
    assert error is not None and str(error).endswith("/remote: files/md5/bb/1ebig: No space left on the server")
    assert set(answers.values()) == {None}
    assert files(small) == some(20)
    assert all(error is None for _, error in backend.put(items[:20], ignore))  # the session goes on
    backend.close()


def test_a_full_disk_here(ssh: Callable[[str], str], ran: Repo, small: Path, tmp_path: Path) -> None:
    """What fits arrives; when there is room again, the rest does."""
    ran.write({"big": os.urandom(5 << 20), "little": "little\n"})
    ran.stage("add", "big", "little", check=True)
    ran.stage("remote", "add", "-d", "r", ssh(f"exec {SERVER}"), check=True)
    ran.env["GIT_SSH_COMMAND"] = os.environ["GIT_SSH_COMMAND"]
    ran.stage("push", check=True)
    whole = {name: data for name, data in files(ran.path / ".dvc/cache").items() if not name.startswith("runs/")}
    subprocess.run(["rm", "-rf", ran.path / ".dvc/cache", ran.path / "big"], check=True)
    (ran.path / ".dvc/cache").symlink_to(small)
    got = ran.stage("pull", "-q")  # which is no reason to be silent about what failed
    assert got.returncode != 0 and "No space left on device" in got.stderr and "Traceback" not in got.stderr
    assert "big" in got.stderr
    found = files(small)
    assert found.keys() < whole.keys() and found.items() <= whole.items()
    assert not (ran.path / "big").exists()
    subprocess.run(["mount", "-o", "remount,size=30m", small], check=True)
    ran.stage("pull", check=True)
    assert (ran.path / "big").stat().st_size == 5 << 20
    assert files(small).keys() == whole.keys()


def test_a_transfer_that_breaks_off_is_tried_again(
    ssh: Callable[[str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that takes; what breaks off every time is named, and the rest arrives."""
    monkeypatch.setattr(parallel, "KNOWN", 0.0)
    contents = {**some(3), "files/md5/bb/1ebig": os.urandom(5 << 20)}
    items = stored(tmp_path / "from", contents)
    connections, some_bytes = tmp_path / "connections", tmp_path / "some_bytes.py"
    some_bytes.write_text(
        "import os\nleft = 3000000\nwhile left > 0 and (data := os.read(0, 65536)): left -= os.write(1, data)\n"
    )
    for breaks, most in ((4, 5), (100, 8)):
        url = ssh(
            f'case " $* " in *" -G "*) exit 1;; esac; echo >>{connections}\n'
            f"[ $(wc -l <{connections}) -gt {breaks} ] && exec {SERVER}\n{sys.executable} {some_bytes} | {SERVER}"
        )
        backend = open_backend(url, {}, str(tmp_path))
        answers = dict(backend.put(items, ignore))
        backend.close()
        assert connections.read_text() == most * "\n"
        error = answers.pop("files/md5/bb/1ebig")
        assert (error is None) == (breaks < most)
        assert error is None or str(error).endswith("1ebig: the connection was lost, again and again")
        assert set(answers.values()) == {None}
        there = {key: data for key, data in files(tmp_path / "remote").items() if not key.endswith(".tmp")}
        assert there == (contents if error is None else some(3))
        subprocess.run(["rm", "-rf", connections, tmp_path / "remote"], check=True)
