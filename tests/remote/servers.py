"""Real servers on this machine, started and stopped by tests: S3, SFTP, WebDAV and plain HTTP.

OpenSSH's sshd and nginx are used where they are installed (.ci/run installs them), else rclone serves the same. What a
server keeps is in plain files below `root`, to look at and to damage.
"""

from __future__ import annotations

import base64
import ctypes
import email.utils
import getpass
import hmac
import http.client
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from support import SCRIPTS, wait_until

RCLONE = os.path.join(SCRIPTS, "rclone")
SSHD = next((path for path in ("/usr/sbin/sshd", "/usr/local/sbin/sshd") if os.path.exists(path)), None)
AZURITE = shutil.which("azurite-blob")
NGINX = shutil.which("nginx") or ("/usr/sbin/nginx" if os.path.exists("/usr/sbin/nginx") else None)
DAV_MODULE = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so"
if not os.path.exists(DAV_MODULE):
    NGINX = None


def need_nginx(server: Server) -> None:
    """Fail, rather than skip, where a test of web servers needs more of one than rclone can do."""
    if server.kind in ("webdav", "http", "rclone-webdav"):
        assert NGINX, "needs nginx-light and libnginx-mod-http-dav-ext, which .ci/run installs"


def free_port() -> int:
    """A port that nobody listens at, outside the range from which the kernel gives ports to clients."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Server:
    """One server process at a port that it keeps when it is started again. `root`: what it serves."""

    kind = ""

    def __init__(self, folder: Path) -> None:
        self.folder, self.root, self.port = folder, folder / "root", free_port()
        self.root.mkdir(parents=True)
        self.process: subprocess.Popen[bytes] | None = None
        self.prepare()

    def prepare(self) -> None: ...

    def argv(self) -> list[str]:
        raise NotImplementedError

    def rclone(self, kind: str, *options: str, root: str = "") -> list[str]:
        argv = [RCLONE, "--config", "/dev/null", "serve", kind, "--dir-cache-time", "50ms", "--poll-interval", "0"]
        return [*argv, "--addr", f"127.0.0.1:{self.port}", *options, root or str(self.root)]

    @property
    def url(self) -> str:
        """The address of a remote on this server, which nobody else uses if `use` was called."""
        raise NotImplementedError

    @property
    def settings(self) -> Mapping[str, str]:
        """DVC's settings of that remote."""
        return {}

    @property
    def environment(self) -> Mapping[str, str]:
        """What a program that is to reach it needs beside the settings."""
        return {}

    def start(self) -> None:
        """Returns when connections are accepted."""
        assert self.process is None
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(
                self.argv(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                preexec_fn=die_with_parent, env={"PATH": os.environ["PATH"], "HOME": str(self.folder)},
            )  # fmt: skip
        wait_until(self.is_up, 60, f"{self.kind}: {(self.folder / 'log').read_text()}")

    def is_up(self) -> bool:
        assert self.process is not None and self.process.poll() is None, (self.folder / "log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End it and all it started."""
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)  # at once; finding its children takes a while
            for pid in (*descendants(self.process.pid), self.process.pid):
                try:
                    os.kill(pid, how)
                except ProcessLookupError:
                    pass
            self.process.wait(20)
            self.process = None

    def requests(self) -> list[str]:
        raise NotImplementedError

    def path(self, key: str) -> Path:
        """Where the file behind an object of the remote in use lies."""
        return self.root / self.place / key

    place = "remote"

    def use(self, place: str) -> None:
        """From now on, `url` is that of this folder."""
        self.place = place


class S3(Server):
    """rclone's S3: signatures are checked, objects are files."""

    kind = "s3"
    key, secret = "AKTEST", "SKTEST12"

    def prepare(self) -> None:
        (self.root / "bucket").mkdir()

    def argv(self) -> list[str]:
        return self.rclone("s3", "--auth-key", f"{self.key},{self.secret}")

    @property
    def url(self) -> str:
        return f"s3://bucket/{self.place}"

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def settings(self) -> Mapping[str, str]:
        return {"endpointurl": self.endpoint, "access_key_id": self.key, "secret_access_key": self.secret}

    def path(self, key: str) -> Path:
        return self.root / "bucket" / self.place / key


class Moto(S3):
    """An S3 in memory that writes down each request."""

    kind = "moto"

    def argv(self) -> list[str]:
        return [os.path.join(SCRIPTS, "moto_server"), "-H", "127.0.0.1", "-p", str(self.port)]

    def start(self) -> None:
        super().start()
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("PUT", "/bucket")
        connection.getresponse().read()
        connection.close()

    def requests(self) -> list[str]:
        """Methods of the requests that were answered until now."""
        return [
            line.partition('] "')[2].partition(" ")[0]
            for line in (self.folder / "log").read_text().splitlines()
            if '] "' in line
        ]


class Azure(Server):
    """Microsoft's own server for tests; what it keeps is in memory."""

    kind = "azure"
    account = "devstoreaccount1"
    key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="  # the same everywhere

    def argv(self) -> list[str]:
        assert AZURITE, "needs azurite, which .ci/run installs (npm install --global azurite)"
        options = ["--silent", "--skipApiVersionCheck", "--inMemoryPersistence", "--disableTelemetry"]
        return [AZURITE, "--blobHost", "127.0.0.1", "--blobPort", str(self.port), *options]

    def start(self) -> None:
        """With a container named bucket, which is made by a signed request."""
        super().start()
        date, version = email.utils.formatdate(usegmt=True), "2021-08-06"
        place = f"/{self.account}/{self.account}/bucket\nrestype:container"
        text = "PUT" + "\n" * 12 + f"x-ms-date:{date}\nx-ms-version:{version}\n{place}"
        digest = hmac.new(base64.b64decode(self.key), text.encode(), "sha256").digest()
        headers = {"x-ms-date": date, "x-ms-version": version, "Content-Length": "0"}
        headers["Authorization"] = f"SharedKey {self.account}:{base64.b64encode(digest).decode()}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        connection.request("PUT", f"/{self.account}/bucket?restype=container", headers=headers)
        answer = connection.getresponse()
        assert answer.status == 201, answer.read()
        connection.close()

    @property
    def url(self) -> str:
        return f"azure://bucket/{self.place}"

    @property
    def settings(self) -> Mapping[str, str]:
        endpoint = f"http://127.0.0.1:{self.port}/{self.account}"
        known = f"AccountName={self.account};AccountKey={self.key};BlobEndpoint={endpoint}"
        return {"connection_string": f"DefaultEndpointsProtocol=http;{known}"}


class Sftp(Server):
    """OpenSSH with keys that nobody else has; only its sftp subsystem is used."""

    kind = "sftp"

    def prepare(self) -> None:
        for name in ("host", "id"):
            argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(self.folder / name)]
            subprocess.run(argv, check=True)
        public = (self.folder / "host.pub").read_text()
        (self.folder / "known_hosts").write_text(f"[127.0.0.1]:{self.port} {public}")
        (self.folder / "authorized_keys").write_text((self.folder / "id.pub").read_text())
        (self.folder / "ssh_config").write_text(
            f"Host data.test\n    HostName 127.0.0.1\n    Port {self.port}\n    User {getpass.getuser()}\n"
            f"    IdentityFile {self.folder}/id\n    IdentitiesOnly yes\n"
            f"Host *\n    UserKnownHostsFile {self.folder}/known_hosts\n    StrictHostKeyChecking yes\n"
        )
        (self.folder / "sshd_config").write_text(
            f"ListenAddress 127.0.0.1\nPort {self.port}\nHostKey {self.folder}/host\n"
            f"AuthorizedKeysFile {self.folder}/authorized_keys\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nUsePAM no\nStrictModes no\nPermitRootLogin prohibit-password\n"
            f"MaxStartups 100\nMaxSessions 100\nPidFile {self.folder}/pid\nSubsystem sftp internal-sftp\n"
        )

    def argv(self) -> list[str]:
        if SSHD:
            if os.getuid() == 0:
                os.makedirs("/run/sshd", exist_ok=True)
            return [SSHD, "-D", "-e", "-f", str(self.folder / "sshd_config")]
        keys = ["--authorized-keys", str(self.folder / "authorized_keys"), "--key", str(self.folder / "host")]
        return self.rclone("sftp", *keys, root="/")

    @property
    def url(self) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{self.root / self.place}"

    @property
    def settings(self) -> Mapping[str, str]:
        return {"keyfile": str(self.folder / "id")}

    @property
    def environment(self) -> Mapping[str, str]:
        """An ssh that knows this server, also as data.test."""
        return {"GIT_SSH_COMMAND": f"ssh -F '{self.folder}/ssh_config'"}


class Nginx(Server):
    """`private/` wants user u with password "p w", nobody gets into `closed/`."""

    locations = ""

    def prepare(self) -> None:
        for folder in (self.folder, self.root, self.folder / "tmp"):
            folder.mkdir(exist_ok=True)
            folder.chmod(0o777)
        (self.folder / "users").write_text("u:{PLAIN}p w\n")
        temp = "".join(
            f" {kind}_temp_path {self.folder}/tmp;" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (self.folder / "nginx.conf").write_text(
            f"load_module {DAV_MODULE};\nuser {getpass.getuser()};\ndaemon off;\npid {self.folder}/pid;\n"
            f"master_process off;\nerror_log {self.folder}/log;\nevents {{ worker_connections 512; }}\nhttp {{\n"
            f"  access_log {self.folder}/access; client_max_body_size 0; keepalive_requests 100000;{temp}\n"
            f"  dav_ext_lock_zone zone=z:1m;\n  server {{\n    listen 127.0.0.1:{self.port}; root {self.root};\n"
            f"    {self.locations}\n    location /closed/ {{ deny all; }}\n    location / {{ }}\n    location /private/ {{\n"
            f"      auth_basic x; auth_basic_user_file {self.folder}/users;\n    }}\n  }}\n}}\n"
        )

    def argv(self) -> list[str]:
        return [NGINX or "nginx", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")]

    def requests(self) -> list[str]:
        """Methods of the requests that were answered until now."""
        lines = (self.folder / "access").read_text().splitlines()
        return [line.partition('"')[2].partition(" ")[0] for line in lines]


class WebDav(Nginx):
    """Takes files, too."""

    kind = "webdav"
    locations = (
        "dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS LOCK UNLOCK; dav_ext_lock zone=z;"
        " create_full_put_path on; dav_access user:rw;"
    )

    @property
    def url(self) -> str:
        return f"webdav://127.0.0.1:{self.port}/{self.place}"


class Http(Nginx):
    """Only gives files."""

    kind = "http"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{self.place}"


class RcloneDav(Server):
    """Another WebDAV server, which every machine with Python can have."""

    kind = "rclone-webdav"

    def argv(self) -> list[str]:
        return self.rclone("webdav")

    @property
    def url(self) -> str:
        return f"webdav://127.0.0.1:{self.port}/{self.place}"


class RcloneSftp(Server):
    """Another sftp server, which takes a password and replaces nothing by renaming."""

    kind = "rclone-sftp"
    user, password = "u", "p w"

    def argv(self) -> list[str]:
        return self.rclone("sftp", "--user", self.user, "--pass", self.password)

    @property
    def url(self) -> str:
        return f"ssh://127.0.0.1:{self.port}/{self.place}"

    @property
    def settings(self) -> Mapping[str, str]:
        return {"user": self.user, "password": self.password}

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "GIT_SSH_COMMAND": f"ssh -F /dev/null -o UserKnownHostsFile='{self.folder}/known' -o StrictHostKeyChecking=no"
        }


class Folder(Server):
    """No server at all."""

    kind = "local"

    def start(self) -> None: ...
    def stop(self, how: signal.Signals = signal.SIGKILL) -> None: ...

    @property
    def url(self) -> str:
        return str(self.root / self.place)


class RcloneHttp(Server):
    """Only gives files."""

    kind = "http"

    def argv(self) -> list[str]:
        return self.rclone("http")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{self.place}"


KINDS: dict[str, type[Server]] = {
    each.kind: each for each in (Folder, S3, Moto, Azure, Sftp, WebDav, Http, RcloneDav, RcloneSftp)
}
if not NGINX:
    KINDS.update({"webdav": RcloneDav, "http": RcloneHttp})


def die_with_parent() -> None:
    """Let the kernel end a server whose tests were killed (Linux)."""
    try:
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    except (OSError, AttributeError):
        pass


def descendants(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-eo", "pid,ppid"], capture_output=True, text=True, check=True).stdout
    children: dict[int, list[int]] = {}
    for line in found.splitlines()[1:]:
        child, parent = map(int, line.split())
        children.setdefault(parent, []).append(child)
    result, left = [], [pid]
    while left:
        left_now, left = left, []
        for each in left_now:
            result += children.get(each, [])
            left += children.get(each, [])
    return result


def outage(server: Server, seconds: float) -> None:
    """The server is killed, and is back after a while."""
    server.stop()
    time.sleep(seconds)
    server.start()
