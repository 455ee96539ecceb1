"""What takes more than files to try: trees that no honest Git writes, hooks, pages, other people's installers."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from cases import OBJECT, A, Link, data, stage
from conftest import Sandbox
from support import differences, picture
from test_hostile import Case, lay_out


def tree(folder: Path, *entries: tuple[str, str, str]) -> str:
    """Store a tree as it is given, whatever Git would say of its names: (mode, name, id of the object)."""
    text = b"".join(f"{mode} {name}".encode() + b"\0" + bytes.fromhex(id_) for mode, name, id_ in entries)
    argv = ["git", "hash-object", "-t", "tree", "-w", "--stdin", "--literally"]
    return subprocess.run(argv, cwd=folder, input=text, capture_output=True, check=True).stdout.decode().strip()


def blob(folder: Path, text: str) -> str:
    argv = ["git", "hash-object", "-w", "--stdin"]
    return (
        subprocess.run(argv, cwd=folder, input=text.encode(), capture_output=True, check=True).stdout.decode().strip()
    )


@pytest.mark.parametrize("names", [("d", ".."), ("d", ".git"), ("..", "d"), ("d", "a/../../x"), ("d", ".GIT")], ids=str)
def test_a_tree_that_leads_out(sandbox: Sandbox, names: tuple[str, str]) -> None:
    """`get` and `import` of a folder whose Git tree has names that no file may have."""
    there = sandbox.top / "theirs"
    subprocess.run(["git", "init", "-q", there], check=True)
    inner = tree(
        there, ("100644", "new", blob(there, "evil\n")), ("100755", "post-checkout", blob(there, "#!/bin/sh\n"))
    )
    outer, name = names
    top = tree(there, ("40000", outer, tree(there, ("40000", name, inner), ("100644", "ordinary", blob(there, "x\n")))))
    made = subprocess.run(
        ["git", "commit-tree", "-m", "x", top], cwd=there, capture_output=True, check=True, env=sandbox.repo.env
    )
    subprocess.run(["git", "update-ref", "HEAD", made.stdout.decode().strip()], cwd=there, check=True)
    before = sandbox.listing()
    for command in ("get", "import"):
        said = sandbox.stage(command, "../theirs", outer, "-o", "got")
        assert said.code > 0, said
        assert "Traceback" not in said.err
        assert len(said.err.splitlines()) <= 2, said
        assert not differences(before, sandbox.listing())
        assert not os.path.lexists(sandbox.repo.path / "new")


def test_hooks_run_no_command_of_the_repository(sandbox: Sandbox) -> None:
    repo = sandbox.repo
    files: dict[str, str | bytes | Link] = {
        "dvc.yaml": stage(outs=["o"], cmd="touch {top}/outside/ran"),
        "x.dvc": data("x"),
        "y.dvc": data("../outside/new"),
        **OBJECT,
    }
    repo.stage("install", check=True)
    lay_out_without_hooks = Case("hooks", files, ())
    os.rename(repo.path / ".git/hooks", repo.path / ".git/hooks.aside")
    lay_out(sandbox, lay_out_without_hooks)
    os.rename(repo.path / ".git/hooks.aside", repo.path / ".git/hooks")
    outside = picture(sandbox.top, skip=("repo", "tmp"))
    said = ""
    for argv in (
        ["checkout", "-q", "-b", "other"],
        ["commit", "-q", "--allow-empty", "-m", "x"],
        ["checkout", "-q", "main"],
        ["merge", "-q", "other"],
        ["rebase", "-q", "HEAD~1"],
        ["reset", "-q", "--hard"],
        ["stash", "-q"],
        ["push", "-q", "../nowhere", "main"],
    ):
        got = repo.run("git", *argv, env={"GIT_MERGE_AUTOEDIT": "no"})
        said += got.stdout + got.stderr
    assert "Traceback" not in said
    assert not differences(outside, picture(sandbox.top, skip=("repo", "tmp")))


def test_a_bare_repository_inside_runs_nothing(sandbox: Sandbox) -> None:
    """A folder of the work tree that looks like a bare repository, with a command in its configuration."""
    config = f"[core]\n\tbare = false\n\tworktree = .\n\tfsmonitor = touch {sandbox.top}/outside/ran\n"
    files: dict[str, str | bytes | Link] = {
        "sub/HEAD": "ref: refs/heads/main\n",
        "sub/config": config,
        "sub/objects/x": "",
        "sub/refs/x": "",
        "sub/dvc.yaml": stage(outs=["o"], cmd="touch o"),
    }
    lay_out(sandbox, Case("bare", files, ()))
    outside = picture(sandbox.top, skip=("repo", "tmp"))
    for verb in ("status", "list", "dag", "data status", "diff"):
        said = sandbox.stage(*verb.split())
        assert "Traceback" not in said.err, verb
    assert not differences(outside, picture(sandbox.top, skip=("repo", "tmp")))


def test_an_installer_follows_no_link_out(sandbox: Sandbox) -> None:
    """Folders of hook managers that are links out of the repository."""
    files: dict[str, str | bytes | Link] = {
        ".husky": Link("../outside/folder"),
        "lefthook.yml": Link("../outside/new"),
        ".pre-commit-config.yaml": Link("../outside/empty"),
        "package.json": '{"devDependencies": {"husky": "9"}}',
    }
    lay_out(sandbox, Case("installers", files, ()))
    outside = picture(sandbox.top, skip=("repo", "tmp"))
    for argv in (["install"], ["uninstall"], ["install", "-f"], ["uninstall"]):
        said = sandbox.stage(*argv)
        assert "Traceback" not in said.err, said
        assert not differences(outside, picture(sandbox.top, skip=("repo", "tmp"))), argv
    sandbox.repo.git("config", "core.hooksPath", ".husky/_")
    for argv in (["install"], ["uninstall"]):
        said = sandbox.stage(*argv)
        assert "Traceback" not in said.err, said
        assert not differences(outside, picture(sandbox.top, skip=("repo", "tmp"))), argv


def test_a_page_shows_names_and_data_as_text(sandbox: Sandbox) -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    files: dict[str, str | bytes | Link] = {
        "p.csv": f"a,b\n1,{evil}\n2,3\n",
        "i<b>.svg": "<svg onload='alert(1)'/>",
        "dvc.yaml": json.dumps({"plots": [{"p.csv": {"title": evil, "x": "a", "y": "b"}}, "i<b>.svg"]}),
    }
    lay_out(sandbox, Case("page", files, ()))
    got = sandbox.repo.stage("plots", "show")
    assert got.returncode == 0, got.stderr
    page = (sandbox.repo.path / "dvc_plots/index.html").read_text()
    assert "\\u003cscript>alert(1)" in page
    assert "<script>alert(1)" not in page
    assert "<b>" not in page
    assert "<svg onload" not in page  # a picture is one, and no part of the page


def test_merges_of_hostile_files(sandbox: Sandbox) -> None:
    """The merge driver, on what no merge can be made of, and on links."""
    repo = sandbox.repo
    repo.stage("install", check=True)
    bomb = "a: &a [x,x,x,x]\n" + "".join(f"k{n}: &k{n} [{'*a,' * 9}]\n" for n in range(5))
    for theirs in (
        bomb,
        "[" * 5000,
        "\x00",
        "stages: {s: {cmd: x, outs: [../outside/new]}}\n",
        data("../../outside/x"),
    ):
        repo.git("checkout", "-q", "-B", "work", "main")
        for branch, text in (("ours", "stages: {a: {cmd: y}}\n"), ("theirs", theirs)):
            repo.git("checkout", "-q", "-B", branch, "main")
            repo.write({"dvc.yaml": text, "dvc.lock": text, "x.dvc": text})
            repo.git("add", "-f", "dvc.yaml", "dvc.lock", "x.dvc")
            repo.git("-c", "core.hooksPath=/dev/null", "commit", "-qm", branch)
        repo.git("checkout", "-q", "ours")
        outside = picture(sandbox.top, skip=("repo", "tmp"))
        got = repo.run("git", "merge", "theirs")
        assert "Traceback" not in got.stderr + got.stdout
        got = repo.stage("resolve")
        assert "Traceback" not in got.stderr
        assert not differences(outside, picture(sandbox.top, skip=("repo", "tmp")))
        repo.run("git", "merge", "--abort")
        repo.git("reset", "-q", "--hard")


def test_secrets_are_not_shown(sandbox: Sandbox) -> None:
    repo = sandbox.repo
    secret = "hunter2"
    urls = {  # no port has that number, so nothing waits for an answer
        "h": f"https://user:{secret}@localhost:99999/x",
        "t": f"https://{secret}@localhost:99999/x",
        "q": f"https://localhost:99999/x?token={secret}&a=b",
        "d": f"webdavs://user:{secret}@localhost:99999/x",
        "s": f"ssh://user:{secret}@localhost:99999/x",
    }
    lines = "".join(f"['remote \"{name}\"']\n    url = {url}\n" for name, url in urls.items())
    repo.write({".dvc/config": lines, "x.dvc": data("x"), "y.dvc": data("y", "1" * 32), **OBJECT})  # type: ignore[dict-item]
    shown = ""
    for name in urls:
        for argv in (["push", "-r", name, "-v"], ["fetch", "-r", name, "-v"], ["status", "-c", "-r", name]):
            said = sandbox.stage(*argv, env={"GIT_SSH_COMMAND": "false"})
            shown += said.out + said.err
    for argv in (
        ["remote", "list"],
        ["import", urls["h"], "x", "-o", "z"],
        ["import-url", urls["h"] + "/f", "z"],
        ["get", urls["t"], "x"],
        ["get-url", urls["q"]],
        ["ls", urls["h"]],
        ["ls-url", urls["d"]],
        ["remote", "modify", "h", "nothing", "x"],
    ):
        said = sandbox.stage(*argv)
        shown += said.out + said.err
    assert "localhost" in shown
    assert secret not in shown, [line for line in shown.splitlines() if secret in line]
    assert sandbox.stage("config", "remote.h.url").out.strip() == urls["h"]


def test_the_object_that_is_asked_for_or_none(sandbox: Sandbox) -> None:
    """A remote that holds other content under the names."""
    store = sandbox.top / "store"
    place = store / "files/md5" / A[:2] / A[2:]
    place.parent.mkdir(parents=True)
    place.write_text("other")
    sandbox.repo.write(
        {".dvc/config.local": f"[core]\n    remote = r\n['remote \"r\"']\n    url = {store}\n", "x.dvc": data("x")}
    )
    said = sandbox.stage("pull")
    assert said.code > 0
    assert not os.path.lexists(sandbox.repo.path / "x")
    assert place.read_text() == "other"


@pytest.mark.parametrize("url", ["evil::x", "evil://x"])
def test_no_helper_of_git_runs_for_an_address_in_a_file(sandbox: Sandbox, url: str) -> None:
    """A program that Git would start for such an address, if a user had typed it."""
    helper = sandbox.top / "tmp/git-remote-evil"
    helper.write_text(f"#!/bin/sh\ntouch {sandbox.top}/outside/ran\n")
    helper.chmod(0o755)
    imported = {"deps": [{"path": "f", "repo": {"url": url}}], "outs": [{"path": "x"}]}
    lay_out(sandbox, Case("helper", {"x.dvc": json.dumps(imported)}, ()))
    before = sandbox.listing()
    said = sandbox.stage("update", "x.dvc", env={"PATH": f"{helper.parent}:{os.environ['PATH']}"})
    assert said.code > 0
    assert not differences(before, sandbox.listing()), said
