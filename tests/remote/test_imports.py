"""import-url, get-url, update and status of data on real servers, beside real dvc."""

from __future__ import annotations

import functools
import http.server
import json
import re
import shutil
import threading
from collections import Counter
from pathlib import Path
from typing import ClassVar

import pytest
from servers import Server, need_nginx
from support import Repo, compare_with_dvc, differences, dvc_steps, md5, new_repo, sealed_environment

FILES = {"f": "ext\n", "d/x": "x\n", "d/s/y": "yy\n", "sp ace": "s\n"}
LATER = {"f": "changed, and longer\n", "d/z": "z\n"}


def put(server: Server, files: dict[str, str]) -> None:
    """Put files on the server behind its back."""
    for name, text in files.items():
        path = server.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def project(place: Path, server: Server) -> Repo:
    """A project that knows the server as remote `srv`."""
    made = new_repo(place / "repo", {**sealed_environment(place / "home"), **server.environment})
    made.stage("init", "--no-hooks", check=True)
    made.stage("remote", "add", "srv", server.url, check=True)
    for key, value in server.settings.items():
        made.stage("remote", "modify", "srv", key, value, check=True)
    return made


@pytest.fixture
def both(server: Server, tmp_path: Path) -> tuple[Repo, Repo]:
    put(server, FILES)
    return project(tmp_path / "ours", server), project(tmp_path / "theirs", server)


IMPORTS = [
    ["import-url", "remote://srv/f"],
    ["import-url", "remote://srv/d", "dd"],
    ["import-url", "--no-download", "remote://srv/f", "later"],
    ["import-url", "remote://srv/nope"],
    ["import-url", "--no-exec", "remote://srv/f", "never"],
    ["get-url", "remote://srv/d", "gotten"],
]


def versions(repo: Repo) -> list[str]:
    """What dvc keeps in its cache of folders' versions, and nobody asks for; we do not."""
    top = repo.path / ".dvc/cache/files/md5"
    found = [path for path in top.glob("*/*.dir") if b'"etag"' in path.read_bytes()]
    return [f"{path.parent.name}/: missing" for path in found] + [f"{path.parent.name}/{path.name}" for path in found]


@pytest.mark.parametrize("server", ["s3", "http"], indirect=True)
def test_what_is_imported_from_a_server_is_what_dvc_imports(server: Server, both: tuple[Repo, Repo]) -> None:
    need_nginx(server)
    ours, theirs = both
    is_store = server.kind == "s3"
    wrong = compare_with_dvc(ours, theirs, IMPORTS if is_store else IMPORTS[:1])
    names = ["f.dvc", "dd.dvc"] if is_store else ["f.dvc"]
    for repo in both:
        repo.stage("unfreeze", *names, check=True)
    put(server, LATER)
    status = json.loads(ours.stage("status", "--json", check=True).stdout)
    assert status["f.dvc"] == [{"changed deps": {"remote://srv/f": "modified"}}]
    assert "f.dvc" not in json.loads(ours.stage("status", "--json", "--no-updates", check=True).stdout)
    steps = [["update", "f.dvc"], ["repro", *names], ["update", "-R", "."]]
    (_, said, _), *done = dvc_steps(theirs, [["status", "--json"], *steps])
    assert json.loads(said) == status
    for step, (code, _, tree) in zip(steps, done, strict=True):
        assert ours.stage(*step).returncode == code == 0
        wrong += differences(tree, ours.tree())
    wrong = [line for line in wrong if not any(place in line for place in versions(theirs))]
    assert not wrong, "\n".join(wrong)
    assert ours.read("f") == LATER["f"] and ours.exists("dd/z") == is_store
    server.path("f").unlink()
    got = ours.stage("status", "--json", check=True)
    assert json.loads(got.stdout)["f.dvc"] == [{"changed deps": {"remote://srv/f": "deleted"}}]
    before = ours.tree()
    got = ours.stage("update", "f.dvc")
    assert (got.returncode, got.stderr) == (1, "git-stage: remote://srv/f: does not exist\n")
    assert ours.tree() == before


@pytest.mark.parametrize("server", ["sftp"], indirect=True)
def test_data_on_a_host_is_known_by_its_content(server: Server, tmp_path: Path) -> None:
    put(server, FILES)
    ours = project(tmp_path, server)
    for name in ("f", "d", "sp ace"):
        ours.stage("import-url", f"remote://srv/{name}", check=True)
    known = f"- md5: {md5(FILES['f'])}\n  size: 4\n  hash: md5\n  path: "
    assert f"deps:\n{known}remote://srv/f\nouts:\n{known}f\n" in ours.read("f.dvc")
    assert ours.read("sp ace") == "s\n" and len(set(re.findall(r"md5: (\w+).dir", ours.read("d.dvc")))) == 1
    assert ours.stage("list-url", "remote://srv", check=True).stdout == "d\nf\nsp ace\n"
    assert ours.stage("ls-url", "-R", "--size", "remote://srv", check=True).stdout.split("\n")[:2] == [
        "3  d/s/y",
        "2  d/x",
    ]
    assert ours.stage("ls-url", "remote://srv/f", check=True).stdout == "remote://srv/f\n"
    assert ours.stage("ls-url", "remote://srv/no").stderr == "git-stage: remote://srv/no: does not exist\n"
    tree = ours.stage("ls-url", "-T", "-L", "1", str(server.root / server.place), check=True).stdout
    assert tree.splitlines()[1:] == ["├── d", "├── f", "└── sp ace"]
    ours.stage("unfreeze", "f.dvc", "d.dvc", check=True)
    assert ours.stage("status", "--json", check=True).stdout == "{}\n"
    put(server, LATER)
    assert len(json.loads(ours.stage("status", "--json", check=True).stdout)) == 2
    ours.stage("update", "f.dvc", "d.dvc", check=True)
    assert ours.read("f") == LATER["f"] and ours.exists("d/z") and ours.exists("d/x")


@pytest.mark.parametrize("server", ["webdav"], indirect=True)
def test_a_webdav_server_that_tells_no_versions_is_read(server: Server, tmp_path: Path) -> None:
    """Which dvc cannot: what a folder holds is known by its content then."""
    need_nginx(server)
    put(server, FILES)
    ours = project(tmp_path, server)
    for name in ("f", "d"):
        ours.stage("import-url", f"remote://srv/{name}", check=True)
    assert ours.read("f") == "ext\n" and ours.read("d/s/y") == "yy\n"
    assert f"size: 4\n  hash: md5\n  path: remote://srv/f\nouts:\n- md5: {md5(FILES['f'])}" in ours.read("f.dvc")
    assert "etag: '\"" in ours.read("f.dvc") and ours.read("d.dvc").count(".dir") == 2
    assert "didn't change" in ours.stage("update", "d.dvc", check=True).stdout
    put(server, LATER)
    ours.stage("update", "d.dvc", "f.dvc", check=True)
    assert ours.read("d/z") == "z\n" and ours.read("f") == LATER["f"]
    assert server.url.startswith("webdav://")
    ours.stage("get-url", f"{server.url}/d/s/y", "y", check=True)
    assert ours.read("y") == "yy\n"


@pytest.mark.parametrize("server", ["http"], indirect=True)
def test_a_plain_address_needs_no_project(server: Server, tmp_path: Path) -> None:
    put(server, {**FILES, "ü (1)": "odd\n"})
    (tmp_path / "plain").mkdir()
    here = Repo(tmp_path / "plain", sealed_environment(tmp_path / "home"))
    here.stage("get-url", f"{server.url}/f", check=True)
    here.stage("get-url", f"{server.url}/%C3%BC%20%281%29", "odd", check=True)
    assert (here.read("f"), here.read("odd")) == ("ext\n", "odd\n")
    here.stage("get-url", f"{server.url}/f?x=1", "asked", check=True)
    assert here.read("asked") == "ext\n"
    before = here.tree()
    for url, code, said in (
        (f"{server.url}/f", 1, "exists already"),
        (f"{server.url}/nope", 1, "does not exist"),
        (server.url.replace("remote", "closed/remote"), 1, "status 403"),
        ("remote://srv/f", 7, "not inside a Git repository"),
        ("nosuch://x/y", 6, "no kind of remote"),
    ):
        got = here.stage("get-url", url)
        assert (got.returncode, said in got.stderr, "Traceback" in got.stderr) == (code, True, False), got
        assert len(got.stderr.splitlines()) <= 2 and here.tree() == before


class Odd(http.server.BaseHTTPRequestHandler):
    """A server that leads elsewhere, takes no HEAD, and breaks off the first time."""

    asked: ClassVar[list[tuple[str, str, str | None]]] = []

    def do_HEAD(self) -> None:
        self._answer(405)

    def do_GET(self) -> None:
        tries = sum(one[:2] == ("GET", self.path) for one in self.asked)
        if self.path == "/go":
            self._answer(302, Location=f"http://localhost:{self.server.server_port}/there")  # type: ignore[attr-defined]
        else:
            self._answer(200, b"12" if tries == 1 else b"1234", ETag='"7"')

    def _answer(self, code: int, content: bytes = b"", **headers: str) -> None:
        self.asked.append((self.command, self.path, self.headers["Authorization"]))
        self.send_response(code)
        for name, value in {**headers, "Content-Length": "4" if content else "0"}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...


def test_an_address_that_leads_elsewhere_and_a_broken_transfer(tmp_path: Path) -> None:
    """The redirection is followed without telling the password."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        ours = new_repo(tmp_path / "repo", sealed_environment(tmp_path / "home"))
        ours.stage("init", "--no-hooks", check=True)
        ours.stage("remote", "add", "srv", f"http://u:pw@127.0.0.1:{server.server_port}", check=True)
        ours.stage("import-url", "remote://srv/go", check=True)
    finally:
        server.shutdown()
        server.server_close()
    assert ours.read("go") == "1234" and "checksum: '\"7\"'" in ours.read("go.dvc") and "pw" not in ours.read("go.dvc")
    told = {path: header for _, path, header in Odd.asked}
    assert told["/go"] is not None and told["/there"] is None


@pytest.mark.parametrize("server", ["moto"], indirect=True)
def test_an_update_of_what_did_not_change_asks_little(server: Server, tmp_path: Path) -> None:
    source = tmp_path / "files"
    source.mkdir()
    for number in range(30):
        (source / str(number)).write_text(f"{number}\n")
    ours = project(tmp_path, server)
    from gitstage.remote import open_backend

    backend = open_backend(server.url, server.settings, str(tmp_path))
    assert all(error is None for _, error in backend.put([(str(p), f"d/{p.name}") for p in source.iterdir()], _nobody))
    backend.close()

    def counted(*argv: str) -> Counter[str]:
        before = server.requests()
        ours.stage(*argv, check=True)
        return Counter(server.requests()[len(before) :])

    assert counted("import-url", "-j", "3", "remote://srv/d")["GET"] <= 34
    shutil.rmtree(ours.path / ".dvc/tmp", ignore_errors=True)
    assert sum(counted("update", "-j", "3", "d.dvc").values()) <= 2
    assert ours.read("d/29") == "29\n"


def _nobody(key: str, size: int) -> None: ...


class InPairs(http.server.SimpleHTTPRequestHandler):
    """Gives no object before a second one is asked for."""

    pair: ClassVar[threading.Barrier] = threading.Barrier(2)

    def do_GET(self) -> None:
        if re.search(r"/[0-9a-f]{30}$", self.path):
            try:
                self.pair.wait(timeout=20)
            except threading.BrokenBarrierError:
                return self.send_error(500)
        return super().do_GET()

    def log_message(self, *_: object) -> None: ...


def test_what_a_project_tracks_is_fetched_several_at_once(tmp_path: Path) -> None:
    there = new_repo(tmp_path / "there", sealed_environment(tmp_path / "home"))
    here = new_repo(tmp_path / "here", sealed_environment(tmp_path / "home"))
    store = functools.partial(InPairs, directory=str(tmp_path / "store"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), store)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        for repo in (there, here):
            repo.stage("init", "--no-hooks", check=True)
        there.write({f"d/{number}": f"{number}\n" for number in range(4)})
        there.stage("add", "d", check=True)
        there.stage("remote", "add", "-d", "store", str(tmp_path / "store"), check=True)
        there.stage("push", check=True)
        there.stage("remote", "modify", "store", "url", f"http://127.0.0.1:{server.server_port}", check=True)
        there.commit("data")
        there.remove(".dvc/cache")
        here.stage("get", "-j", "2", str(there.path), "d", "-o", "gotten", check=True)
        here.stage("import", "-j", "2", str(there.path), "d", check=True)
    finally:
        server.shutdown()
        server.server_close()
    assert here.read("gotten/3") == here.read("d/3") == "3\n"
