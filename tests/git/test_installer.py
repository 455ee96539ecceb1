"""Putting our hooks into a real repository beside whatever is there, and what the hook files do by themselves."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from support import SCRIPTS, Repo, picture

from gitstage.errors import GitstageError, SystemFailure
from gitstage.git import Repo as Opened
from gitstage.hooks import changes, husky, installer
from gitstage.hooks.installer import Result

NAMES = ["pre-commit", "post-checkout"]
EVERY_HOOK = installer.HOOKS
FOREIGN = '#!/bin/sh\necho foreign "$0" "$@" >>"$LOG"\nexit ${FOREIGN_STATUS-0}\n'
SHELLS = [name for name in ("dash", "bash", "busybox") if shutil.which(name)]


class Hooked:
    """A repository and an interpreter for its hooks: a stand-in that writes down how it was called."""

    def __init__(self, repo: Repo, root: Path) -> None:
        self.repo, self.root = repo, root
        self.log = root / "log"
        self.python = root / "it's/python"
        self.script(self.python, 'shift 2\necho ours "$@" >>"$LOG"\nexit ${OUR_STATUS-0}\n')
        repo.env["LOG"] = str(self.log)
        repo.write({"a": "a\n"})
        repo.commit("first")

    @staticmethod
    def script(path: Path, text: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if text.startswith("#!") else "#!/bin/sh\n" + text)
        path.chmod(0o755)
        return path

    @property
    def folder(self) -> Path:
        return self.repo.path / ".git/hooks"

    def open(self) -> Opened:
        opened = Opened.discover(str(self.repo.path))
        assert opened is not None
        return opened

    def install(self) -> list[Result]:
        return installer.install(self.open(), str(self.python))

    def uninstall(self) -> list[Result]:
        return installer.uninstall(self.open())

    def said(self) -> list[str]:
        """What was written down since the last call."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        self.log.unlink(missing_ok=True)
        return lines

    def try_commit(self, *args: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return self.repo.run("git", "commit", "-q", "--allow-empty", "-m", "x", *args, env=more)


@pytest.fixture(autouse=True)
def two_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """How hooks are installed is the same for all; two of them, one that refuses and one with a gate, show it."""
    monkeypatch.setattr(installer, "HOOKS", tuple(hook for hook in installer.HOOKS if hook.name in NAMES))


@pytest.fixture
def hooked(repo: Repo, tmp_path: Path) -> Hooked:
    return Hooked(repo, tmp_path)


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.lstat().st_mtime_ns for path in folder.iterdir()}


# installing


def test_install_again_upgrade_uninstall(hooked: Hooked) -> None:
    before = picture(hooked.repo.path)
    assert [(done.hook, done.action) for done in hooked.install()] == [(name, "installed") for name in NAMES]
    for name in NAMES:
        lines = (hooked.folder / name).read_text().splitlines()
        assert lines[1].startswith(f"# gitstage-hook 1 {name} ")
        assert os.stat(hooked.folder / name).st_mode & 0o777 == 0o755
    assert installer.installed(hooked.open()) == {name: str(hooked.folder / name) for name in NAMES}
    after = picture(hooked.repo.path)
    assert {done.action for done in hooked.install()} == {"unchanged"}
    assert picture(hooked.repo.path) == after

    (hooked.folder / "pre-commit").write_text("#!/bin/sh\n# gitstage-hook 0 pre-commit\nexit 1\n")
    (hooked.folder / "post-checkout").chmod(0o644)
    assert {done.action for done in hooked.install()} == {"updated"}
    assert picture(hooked.repo.path) == after

    assert [(done.hook, done.action) for done in hooked.uninstall()] == [(name, "removed") for name in NAMES]
    assert picture(hooked.repo.path) == before
    assert hooked.uninstall() == []
    assert installer.installed(hooked.open()) == {}


def test_a_foreign_hook_is_chained_and_comes_back_as_it_was(hooked: Hooked) -> None:
    foreign = hooked.script(hooked.folder / "pre-commit", FOREIGN)
    foreign.chmod(0o751)
    os.utime(foreign, ns=(10**18, 10**18 + 7))
    plain = hooked.folder / "post-checkout"
    plain.write_bytes(b"\xff no program \r\n")
    before, clock = picture(hooked.folder), times(hooked.folder)
    done = hooked.install()
    assert [one.action for one in done] == ["chained", "chained"]
    assert [one.previous for one in done] == [f"{hooked.folder}/{name}.gitstage-prev" for name in NAMES]
    assert [one.action for one in hooked.install()] == ["unchanged", "unchanged"]

    assert hooked.try_commit().returncode == 0
    assert hooked.said() == ["foreign .git/hooks/pre-commit.gitstage-prev", "ours pre-commit"]
    hooked.repo.git("checkout", "-q", "-b", "other")
    assert [line.split()[:2] for line in hooked.said()] == [["ours", "post-checkout"]]  # not executable: as in Git

    assert [one.action for one in hooked.uninstall()] == ["restored", "restored"]
    assert (picture(hooked.folder), times(hooked.folder)) == (before, clock)


def test_a_linked_hook_is_moved_not_written_through(hooked: Hooked) -> None:
    tool = hooked.script(hooked.root / "tool.sh", FOREIGN)
    text = tool.read_bytes()
    (hooked.folder / "pre-commit").symlink_to("../../../tool.sh")
    (hooked.folder / "post-checkout").symlink_to("nowhere")
    before = picture(hooked.folder)
    assert [one.action for one in hooked.install()] == ["chained", "chained"]
    assert tool.read_bytes() == text
    assert hooked.try_commit().returncode == 0
    assert len(hooked.said()) == 2
    hooked.uninstall()
    assert picture(hooked.folder) == before


def test_two_foreign_hooks_are_refused(hooked: Hooked) -> None:
    hooked.script(hooked.folder / "post-checkout", FOREIGN)
    hooked.script(hooked.folder / "post-checkout.gitstage-prev", "exit 0\n")
    before, clock = picture(hooked.folder), times(hooked.folder)
    with pytest.raises(GitstageError, match="two hooks"):
        hooked.install()
    assert (picture(hooked.folder), times(hooked.folder)) == (before, clock)  # pre-commit neither


def test_the_same_foreign_hook_twice(hooked: Hooked) -> None:
    for name in ("pre-commit", "pre-commit.gitstage-prev"):
        hooked.script(hooked.folder / name, FOREIGN)
    assert [one.action for one in hooked.install()] == ["chained", "installed"]
    assert [one.action for one in hooked.uninstall()] == ["restored", "removed"]
    assert (hooked.folder / "pre-commit").read_text() == FOREIGN


def test_all_or_nothing(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    hooked.script(hooked.folder / "pre-commit", FOREIGN)
    before, clock = picture(hooked.repo.path), times(hooked.folder)
    write = changes.atomic_write

    def fail(path: str, data: bytes, mode: int) -> None:
        assert os.path.exists(path) == path.endswith("pre-commit"), "a kill here would leave no hook at all"
        if path.endswith("post-checkout"):
            raise OSError(28, "No space left on device", path)
        write(path, data, mode)

    monkeypatch.setattr(changes, "atomic_write", fail)
    with pytest.raises(SystemFailure, match="post-checkout: No space left"):
        hooked.install()
    assert (picture(hooked.repo.path), times(hooked.folder)) == (before, clock)


def test_uninstall_undoes_itself_too(hooked: Hooked, monkeypatch: pytest.MonkeyPatch) -> None:
    hooked.script(hooked.folder / "pre-commit", FOREIGN)
    hooked.install()
    before = picture(hooked.repo.path)
    unlink = os.unlink

    def fail(path: str) -> None:
        if str(path).endswith("post-checkout"):
            raise PermissionError(13, "Permission denied", path)
        unlink(path)

    monkeypatch.setattr(os, "unlink", fail)
    with pytest.raises(SystemFailure, match="post-checkout: Permission denied"):
        hooked.uninstall()
    assert picture(hooked.repo.path) == before


def test_a_folder_in_the_way(hooked: Hooked) -> None:
    (hooked.folder / "post-checkout").mkdir()
    before = picture(hooked.folder)
    with pytest.raises(GitstageError, match="is a folder"):
        hooked.install()
    assert picture(hooked.folder) == before


def test_without_a_hooks_folder(hooked: Hooked) -> None:
    shutil.rmtree(hooked.folder)
    before = picture(hooked.repo.path)
    hooked.install()
    assert hooked.try_commit().returncode == 0
    hooked.repo.git("update-ref", "-d", "refs/heads/nothing")
    hooked.uninstall()
    left = picture(hooked.repo.path)
    assert not hooked.folder.exists()
    assert set(left) - set(before) <= {
        path for path in left if path.startswith((".git/objects", ".git/COMMIT_EDITMSG"))
    }


def test_a_hooks_folder_that_is_used_stays(hooked: Hooked) -> None:
    shutil.rmtree(hooked.folder)
    hooked.install()
    hooked.script(hooked.folder / "pre-push", "exit 0\n")
    hooked.uninstall()
    assert sorted(os.listdir(hooked.folder)) == ["pre-push"]


def test_moved_by_the_pre_commit_framework(hooked: Hooked) -> None:
    """It renames what it finds to .legacy and runs that first: there ours is found, upgraded and removed."""
    hooked.install()
    (hooked.folder / "pre-commit").rename(hooked.folder / "pre-commit.legacy")
    hooked.script(hooked.folder / "pre-commit", '"${0%/*}/pre-commit.legacy" "$@"; echo framework >>"$LOG"\n')
    assert installer.installed(hooked.open())["pre-commit"] == f"{hooked.folder}/pre-commit.legacy"
    assert [one.action for one in hooked.install()] == ["unchanged", "unchanged"]
    assert hooked.try_commit().returncode == 0
    assert hooked.said() == ["ours pre-commit", "framework"]
    hooked.uninstall()
    assert sorted(path.name for path in hooked.folder.iterdir() if not path.name.endswith(".sample")) == ["pre-commit"]


def test_two_managers_that_call_each_other(hooked: Hooked) -> None:
    """The framework's hook runs ours as .legacy, ours runs the framework's as .gitstage-prev: once, not for ever."""
    hooked.install()
    shutil.copy(hooked.folder / "pre-commit", hooked.folder / "pre-commit.legacy")
    hooked.script(
        hooked.folder / "pre-commit.gitstage-prev", '"${0%/*}/pre-commit.legacy" "$@"; echo framework >>"$LOG"\n'
    )
    assert hooked.try_commit().returncode == 0
    assert hooked.said() == ["framework", "ours pre-commit"]


# whose folder it is


def test_hooks_path_of_the_repository(hooked: Hooked) -> None:
    hooked.repo.git("config", "core.hooksPath", "tools/hooks")
    done = hooked.install()
    assert done[0].path == str(hooked.repo.path / "tools/hooks/pre-commit")
    assert hooked.try_commit().returncode == 0
    assert hooked.said() == ["ours pre-commit"]
    hooked.uninstall()
    assert not (hooked.repo.path / "tools/hooks").exists()


@pytest.mark.parametrize("value", ["{root}/elsewhere/hooks", "~/my hooks"])
def test_an_absolute_hooks_path(hooked: Hooked, value: str) -> None:
    place = Path(value.format(root=hooked.root).replace("~", hooked.repo.env["HOME"]))
    place.mkdir(parents=True)
    hooked.script(place / "pre-commit", FOREIGN)
    before, clock, default = picture(place), times(place), picture(hooked.folder)
    hooked.repo.git("config", "core.hooksPath", value.format(root=hooked.root))
    assert [one.action for one in hooked.install()] == ["chained", "installed"]
    assert hooked.try_commit().returncode == 0
    assert [line.split()[0] for line in hooked.said()] == ["foreign", "ours"]
    hooked.uninstall()
    assert (picture(place), times(place), picture(hooked.folder)) == (before, clock, default)


def test_hooks_path_of_the_user_is_refused(hooked: Hooked, tmp_path: Path) -> None:
    subprocess.run(["git", "config", "--global", "core.hooksPath", str(tmp_path / "all")], check=True)
    with pytest.raises(GitstageError, match="every repository") as refusal:
        hooked.install()
    assert refusal.value.hint
    assert not (tmp_path / "all").exists()
    hooked.repo.git("config", "core.hooksPath", ".git/hooks")
    assert hooked.install()[0].path == str(hooked.folder / "pre-commit")


def test_an_empty_hooks_path_is_refused(hooked: Hooked) -> None:
    hooked.repo.git("config", "core.hooksPath", "")
    before = picture(hooked.repo.path)
    with pytest.raises(GitstageError, match="hooksPath is empty"):
        hooked.install()
    assert picture(hooked.repo.path) == before


def test_linked_worktree_and_subfolder(hooked: Hooked) -> None:
    hooked.repo.git("worktree", "add", "-q", "../linked")
    (hooked.root / "linked/sub").mkdir()
    opened = Opened.discover(str(hooked.root / "linked/sub"))
    assert opened is not None
    assert installer.install(opened, str(hooked.python))[0].path == str(hooked.folder / "pre-commit")
    hooked.repo.run("git", "commit", "-qm", "x", "--allow-empty", cwd="../linked/sub", check=True)
    assert hooked.said() == ["ours pre-commit"]


# what the files do


@pytest.fixture(params=SHELLS)
def shell(hooked: Hooked, request: pytest.FixtureRequest) -> Hooked:
    """The hooks as they are, run by one shell."""
    hooked.install()
    command = shutil.which(request.param)
    assert command
    start = f"#!{command} sh\n" if request.param == "busybox" else f"#!{command}\n"
    for name in NAMES:
        path = hooked.folder / name
        path.write_text(path.read_text().replace("#!/bin/sh\n", start, 1))
    return hooked


def test_exit_status(shell: Hooked) -> None:
    """Both run; the first failure of a hook that may refuse is Git's; one that may not refuse never fails."""
    foreign = shell.script(shell.folder / "pre-commit.gitstage-prev", FOREIGN)
    assert shell.try_commit(FOREIGN_STATUS="3").returncode == 1
    assert [line.split()[0] for line in shell.said()] == ["foreign", "ours"]
    assert shell.try_commit(OUR_STATUS="4").returncode == 1
    assert shell.try_commit().returncode == 0
    assert shell.try_commit("--no-verify", OUR_STATUS="4").returncode == 0
    foreign.rename(shell.folder / "post-checkout.gitstage-prev")
    shell.said()
    checkout = ["git", "checkout", "-q", "-b"]
    assert shell.repo.run(*checkout, "b1", env={"OUR_STATUS": "9"}).returncode == 0
    assert shell.repo.run(*checkout, "b2", env={"FOREIGN_STATUS": "9"}).returncode == 1  # as without us
    assert [line.split()[0] for line in shell.said()] == ["foreign", "ours"] * 2


def test_arguments_arrive(shell: Hooked) -> None:
    head = shell.repo.git("rev-parse", "HEAD").strip()
    shell.repo.git("checkout", "-q", "-b", "b")
    assert shell.said() == [f"ours post-checkout {head} {head} 1"]
    shell.script(shell.folder / "pre-commit.gitstage-prev", FOREIGN)
    shell.repo.run(str(shell.folder / "pre-commit"), "a b", "", "*")
    assert shell.said() == [f"foreign {shell.folder}/pre-commit.gitstage-prev a b  *", "ours pre-commit a b  *"]


def test_switched_off(shell: Hooked) -> None:
    shell.script(shell.folder / "pre-commit.gitstage-prev", FOREIGN)
    assert shell.try_commit(GITSTAGE_HOOKS="0", FOREIGN_STATUS="1").returncode == 1
    assert [line.split()[0] for line in shell.said()] == ["foreign"]
    for more in ({"GITSTAGE_HOOKS": "0"}, {"_PRE_COMMIT_SKIP_POST_CHECKOUT": "1"}, {"GIT_INDEX_FILE": ".git/index"}):
        shell.repo.git("checkout", "-q", "main", env=more)
        assert shell.said() == []


def test_python_is_gone(shell: Hooked, tmp_path: Path) -> None:
    shell.python.unlink()
    bare = ":".join(
        folder for folder in shell.repo.env["PATH"].split(":") if not os.path.exists(f"{folder}/git-gitstage")
    )
    got = shell.try_commit(PATH=bare)
    assert (got.returncode, got.stderr) == (
        1,
        "gitstage is gone, so nothing was checked; --no-verify or GITSTAGE_HOOKS=0 goes on without it\n",
    )
    got = shell.repo.run("git", "checkout", "-q", "-b", "b", env={"PATH": bare})
    assert (got.returncode, got.stderr) == (
        0,
        "gitstage is gone, so no output was brought in line; GITSTAGE_HOOKS=0 silences this\n",
    )
    shell.script(tmp_path / "bin/git-gitstage", 'echo command "$@" >>"$LOG"\nexit ${OUR_STATUS-0}\n')
    assert shell.try_commit(PATH=f"{tmp_path}/bin:{bare}", OUR_STATUS="1").returncode == 1
    assert shell.said() == ["command hook pre-commit"]


def test_gitstage_is_gone_from_python(shell: Hooked, tmp_path: Path) -> None:
    """The interpreter is there, the package is not: 127 from the launcher leads to git-gitstage on PATH."""
    shell.script(shell.python, "exit 127\n")
    shell.script(tmp_path / "bin/git-gitstage", 'echo command "$@" >>"$LOG"\n')
    assert shell.try_commit(PATH=f"{tmp_path}/bin:{shell.repo.env['PATH']}").returncode == 0
    assert shell.said() == ["command hook pre-commit"]


def test_modules_of_the_work_tree_are_not_imported(hooked: Hooked, tmp_path: Path) -> None:
    """A repository may hold a gitstage.py, runpy.py or yaml.py of its own; hooks must not run what others committed."""
    import sys

    installer.install(hooked.open(), sys.executable)
    names = ("gitstage", "runpy", "importlib", "yaml", "click", "json", "sitecustomize")
    hooked.repo.write({f"{name}.py": f"open({str(tmp_path / name)!r}, 'w')\n" for name in names})
    hooked.repo.git("add", "-A")
    hooked.try_commit()
    hooked.repo.git("checkout", "-q", "-b", "b")
    assert not [name for name in names if (tmp_path / name).exists()]


def stamp(hooked: Hooked, *files: str, age: int = 10) -> Path:
    path = hooked.repo.path / ".git/gitstage/stamp"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(f"{name}\n" for name in files))
    moment = path.stat().st_mtime_ns - age * 10**9
    os.utime(path, ns=(moment, moment))
    listing = hooked.repo.git("ls-files", "-s", "--", "*.dvc", "*dvc.lock", "*dvc.yaml")
    path.with_name("stamp.index").write_text(listing)
    return path


def test_the_gate(shell: Hooked) -> None:
    """post-checkout starts Python only where data may have changed since the stamp."""
    repo = shell.repo
    repo.write({"dvc.lock": "one\n", "d/x.dvc": "x\n", "code.py": "1\n", "odd name.dvc": "o\n"})
    repo.commit("data")
    repo.git("branch", "same")
    repo.git("checkout", "-q", "-b", "code")
    repo.write({"code.py": "2\n"})
    repo.commit("code")
    repo.git("checkout", "-q", "-b", "lock")
    repo.write({"dvc.lock": "two\n"})
    repo.commit("lock")
    repo.git("checkout", "-q", "-b", "deep", "code")
    repo.write({"d/x.dvc": "y\n"})
    repo.commit("deep")
    repo.git("checkout", "-q", "same")
    for path in ("dvc.lock", "d/x.dvc", "odd name.dvc"):
        os.utime(repo.path / path, (1500000000, 1500000000))
    listed = ("dvc.lock", "d/x.dvc", "odd name.dvc", "gone.dvc")
    stamp(shell, *listed)
    shell.said()

    def quiet(*args: str) -> bool:
        repo.git("checkout", "-q", *args)
        return not shell.said()

    assert quiet("same")
    assert quiet("code")
    assert quiet("-b", "new")
    assert quiet("--detach")
    assert quiet("same")
    assert not quiet("lock")  # another lock
    assert not quiet("same")
    assert not quiet("deep")
    assert not quiet("code")
    for path in listed[:3]:
        os.utime(repo.path / path, (1500000000, 1500000000))
    assert quiet("same")
    repo.append("odd name.dvc", "changed\n")
    assert not quiet("-f", "same")  # the same commit, but Git has written the file anew
    assert not quiet("-b", "later")  # and nobody has brought the outputs in line since
    stamp(shell, *listed).unlink()
    assert not quiet("code")  # nothing is known


def test_an_unborn_branch(shell: Hooked) -> None:
    shell.repo.write({"dvc.lock": "one\n"})
    shell.repo.commit("data")
    stamp(shell, "dvc.lock")
    shell.said()
    shell.repo.git("switch", "-q", "--orphan", "fresh")
    assert [line.split()[1] for line in shell.said()] == ["post-checkout"]


@pytest.mark.parametrize("status", ["0", "1"])
def test_a_real_push_tells_both(hooked: Hooked, monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    """The chained hook takes all of stdin and ends in `exec`; ours gets the same lines, and may refuse."""
    monkeypatch.setattr(installer, "HOOKS", (installer.Hook("pre-push", refuses=True, stdin=True),))
    hooked.script(hooked.folder / "pre-push", '#!/bin/sh\necho foreign "$@" >>"$LOG"\nexec cat >>"$LOG"\n')
    hooked.script(hooked.python, 'shift 2\necho ours "$@" >>"$LOG"\ncat >>"$LOG"\nexit $OUR_STATUS\n')
    assert [one.action for one in hooked.install()] == ["chained"]
    hooked.repo.git("init", "-q", "--bare", str(hooked.root / "bare.git"))
    hooked.repo.git("branch", "other")
    pushed = hooked.repo.run("git", "push", "-q", "../bare.git", "main", "other", env={"OUR_STATUS": status})
    assert pushed.returncode == int(status)
    head = hooked.repo.git("rev-parse", "HEAD").strip()
    refs = [f"refs/heads/{name} {head} refs/heads/{name} {'0' * 40}" for name in ("main", "other")]
    assert hooked.said() == ["foreign ../bare.git ../bare.git", *refs, "ours pre-push ../bare.git ../bare.git", *refs]


@pytest.mark.parametrize("sent", ["", "one\n", "one two\nthree  \\n %s\n"])
def test_what_git_says_on_stdin_reaches_both(hooked: Hooked, sent: str) -> None:
    """No hook of today reads it; the template is ready for those that do."""
    hook = installer.Hook("pre-push", refuses=True, stdin=True)
    file = hooked.script(hooked.folder / "pre-push", installer.hook_text(hook, str(hooked.python)))
    hooked.script(hooked.python, 'cat >"$LOG.ours"\nexit 3\n')
    hooked.script(hooked.folder / "pre-push.gitstage-prev", 'cat >"$LOG.prev"\nexit 2\n')
    assert hooked.repo.run(str(file), "name", "url", stdin=sent).returncode == 2
    assert [Path(f"{hooked.log}.{who}").read_text() for who in ("prev", "ours")] == [sent, sent]


def test_hook_files_are_clean(tmp_path: Path) -> None:
    """shellcheck reads what is written, not the templates; what those allow is allowed."""
    program = shutil.which("shellcheck", path=f"{SCRIPTS}:{os.environ['PATH']}")
    assert program
    files = []
    for hook in (*EVERY_HOOK, installer.Hook("pre-push", refuses=True, stdin=True)):
        for kind, text in (("file", installer.hook_text(hook, "/a b/python")), ("block", husky.block(hook).decode())):
            path = tmp_path / f"{kind}-{hook.name}"
            path.write_text(text)
            files.append(path.name)
    got = subprocess.run(
        [program, "-s", "sh", "-e", "SC2094,SC3013,SC2154", *files], cwd=tmp_path, text=True, capture_output=True
    )
    assert (got.stdout, got.returncode) == ("", 0)
