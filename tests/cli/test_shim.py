"""The `git` dispatcher and its shell functions: who gets which call. Git and git-gitstage are stand-ins that say so."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gitstage import cli, shim
from gitstage.errors import GitstageError, UsageError

VERBS = ("init", "run", "status", "add", "list")
STAND_IN = """#!/bin/sh
# a stand-in for {name}
printf '%s' {name}
for a; do printf ' [%s]' "$a"; done
echo
exit {code}
"""
SYSTEM = "/usr/local/bin:/usr/bin:/bin"
SHELLS = [name for name in ("dash", "bash", "busybox", "zsh") if shutil.which(name, path=SYSTEM)]


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


class Shimmed:
    """A folder with a real git, git-gitstage and the dispatcher between them; `run` returns what was called."""

    def __init__(self, root: Path, shell: str) -> None:
        self.root = root
        self.real = program(root / "real/git", _git_stand_in())
        self.ours = program(root / "prog/git-gitstage", STAND_IN.format(name="gitstage", code=0))
        text = shim.text(str(self.real), str(self.ours.parent), VERBS)
        command = {"busybox": "busybox sh", "zsh": "zsh --emulate sh"}.get(shell, shell)
        self.git = program(root / "bin/git", text.replace("#!/bin/sh", f"#!{_env()} -S {command}", 1))
        self.env = {"PATH": f"{root}/bin:{root}/real:{SYSTEM}"}
        self.cwd = root / "work"
        self.cwd.mkdir()

    def call(
        self, *args: str, env: dict[str, str] | None = None, git: str | None = None
    ) -> "subprocess.CompletedProcess[str]":
        command = [git or str(self.git), *args]
        return subprocess.run(
            command, cwd=self.cwd, env=self.env | (env or {}), text=True, capture_output=True, timeout=30
        )

    def run(self, *args: str, env: dict[str, str] | None = None, git: str | None = None) -> str:
        return self.call(*args, env=env, git=git).stdout.strip()


def _env() -> str:
    found = shutil.which("env")
    assert found
    return found


def _git_stand_in() -> str:
    """Shows its arguments; for the command `gitstage` starts git-gitstage from PATH, as Git does."""
    return """#!/bin/sh
# a stand-in for git
[ "$1" != --version ] || { echo git version 9.9; exit; }
shown=
for a; do shown="$shown [$a]"; done
n=0 value=
for a; do
  n=$((n + 1))
  if [ -n "$value" ]; then value=; continue; fi
  case $a in
  -C | -c | --git-dir | --work-tree | --namespace) value=1 ;;
  --config-env | --attr-source | --super-prefix | --shallow-file) value=1 ;;
  -*) ;;
  gitstage) shift $n; [ $n -eq 1 ] || printf '{%s} ' $((n - 1)); exec git-gitstage "$@" ;;
  *) break ;;
  esac
done
echo "git$shown"
"""


@pytest.fixture(params=SHELLS)
def shimmed(tmp_path: Path, request: pytest.FixtureRequest) -> Shimmed:
    return Shimmed(tmp_path, request.param)


@pytest.fixture
def one(tmp_path: Path) -> Shimmed:
    return Shimmed(tmp_path, "sh")


OURS = [
    (["stage", "run"], "gitstage [run]"),
    (["stage", "run", "-n", "a b", "--", "cmd", "*"], "gitstage [run] [-n] [a b] [--] [cmd] [*]"),
    (["stage", "run", "stage", "help", "", "x\ny"], "gitstage [run] [stage] [help] [] [x\ny]"),
    (["stage", "run", "--help"], "gitstage [run] [--help]"),
    (["stage"], "gitstage"),
    (["stage", "-h"], "gitstage [help]"),
    (["stage", "--help"], "gitstage [help]"),
    (["help", "stage"], "gitstage [help]"),
    (["stage", "--version"], "gitstage [version]"),
    (["-C", "sub dir", "stage", "status"], "{2} gitstage [status]"),
    (["-c", "a.b=stage run", "stage", "status"], "{2} gitstage [status]"),
    (["--git-dir", "stage", "stage", "status"], "{2} gitstage [status]"),
    (["--git-dir=x", "--work-tree", "y", "--namespace", "z", "stage", "list"], "{5} gitstage [list]"),
    (
        ["--config-env", "a.b=E", "--attr-source", "t", "--super-prefix", "p", "--shallow-file", "f", "stage", "list"],
        "{8} gitstage [list]",
    ),
    (
        ["-p", "-P", "--bare", "--literal-pathspecs", "--no-optional-locks", "--exec-path=x", "stage", "add", "f"],
        "{6} gitstage [add] [f]",
    ),
]
GITS: list[list[str]] = [
    ["stage", "file"],
    ["stage", "-A"],
    ["stage", "-u"],
    ["stage", "-p", "run"],
    ["stage", "-n", "."],
    ["stage", "--", "run"],
    ["stage", "./run"],
    ["stage", ""],
    ["stage", " "],
    ["stage", "run status"],
    ["stage", "*"],
    ["stage", "unknownword"],
    ["stage", "stage", "run"],
    ["stage", "-h", "more"],
    ["stage", "--version", "more"],
    ["help", "stage", "more"],
    ["help", "-a"],
    ["help"],
    ["commit", "-m", " stage run "],
    ["commit", "-m", "stage"],
    ["log", "--grep", "stage", "run"],
    ["add", "stage"],
    ["foo", "stage", "run"],
    ["--unknown", "stage-run", "stage"],
    ["-C"],
    ["-c", "stage", "run"],
    ["-C", "stage", "run"],
    ["--help", "stage"],
    ["-h", "stage", "run"],
    ["-v", "stage", "run"],
    ["", "stage", "run"],
    ["run"],
    [],
]


@pytest.mark.parametrize("shell", SHELLS)
def test_ours(tmp_path: Path, shell: str) -> None:
    shimmed = Shimmed(tmp_path, shell)
    assert [(args, shimmed.run(*args)) for args, _ in OURS] == OURS


@pytest.mark.parametrize("shell", SHELLS)
def test_gits_own(tmp_path: Path, shell: str) -> None:
    """Every argument arrives as it was typed."""
    shimmed = Shimmed(tmp_path, shell)
    wanted = [(args, " ".join(["git", *(f"[{arg}]" for arg in args)])) for args in GITS]
    assert [(args, shimmed.run(*args)) for args in GITS] == wanted


def test_an_unknown_global_option_is_left_to_git(one: Shimmed) -> None:
    """The stand-in takes it for a flag; real Git reports it."""
    one.real.write_text(STAND_IN.format(name="git", code=129))
    got = one.call("--no-such", "stage", "run")
    assert (got.returncode, got.stdout) == (129, "git [--no-such] [gitstage] [run]\n")


def test_switched_off(shimmed: Shimmed) -> None:
    assert shimmed.run("stage", "run", env={"GITSTAGE_SHIM": "0"}) == "git [stage] [run]"
    assert shimmed.run("stage", "run", env={"GITSTAGE_SHIM": "1"}) == "gitstage [run]"


def test_exit_status_is_passed_on(shimmed: Shimmed) -> None:
    program(shimmed.ours, STAND_IN.format(name="gitstage", code=7))
    assert shimmed.call("stage", "run").returncode == 7
    program(shimmed.real, STAND_IN.format(name="git", code=3))
    assert shimmed.call("commit").returncode == 3


def test_a_verb_that_is_also_a_path(shimmed: Shimmed) -> None:
    hint = "hint: `git stage -- run` stages the file run\n"
    assert shimmed.call("stage", "run").stderr == ""
    (shimmed.cwd / "run").touch()
    got = shimmed.call("stage", "run")
    assert (got.stdout, got.stderr) == ("gitstage [run]\n", hint)
    assert shimmed.call("stage", "run", "-n", "x").stderr == ""  # nobody adds a file like that
    assert shimmed.call("-C", "..", "-C", "", "stage", "run").stderr == ""
    assert shimmed.call("-C", "..", "-C", "work", "stage", "run").stderr == hint
    assert shimmed.call("-C", str(shimmed.cwd), "stage", "run").stderr == hint


def test_without_any_environment(shimmed: Shimmed) -> None:
    """`env -i`, called by its full path: finds Git and git-gitstage all the same."""
    got = subprocess.run(
        [_env(), "-i", *_interpreter(shimmed), str(shimmed.git), "stage", "run"], text=True, capture_output=True
    )
    assert got.stdout == "gitstage [run]\n"


def _interpreter(shimmed: Shimmed) -> list[str]:
    words = shimmed.git.read_text().splitlines()[0].split()[2:]
    found = shutil.which(words[0])
    assert found
    return [found, *words[1:]]


def test_git_gitstage_is_found_off_path(shimmed: Shimmed) -> None:
    assert not shutil.which("git-gitstage", path=shimmed.env["PATH"].split(":")[0])
    assert shimmed.run("stage", "run") == "gitstage [run]"


def test_another_git_may_be_named(shimmed: Shimmed) -> None:
    other = program(shimmed.root / "other dir/git", STAND_IN.format(name="other", code=0))
    assert shimmed.run("stage", "x", env={"GITSTAGE_REAL_GIT": str(other)}) == "other [stage] [x]"
    assert shimmed.run("log", env={"GITSTAGE_REAL_GIT": str(other)}) == "other [log]"
    assert shimmed.run("log", env={"GITSTAGE_REAL_GIT": "/no/such/git"}) == "git [log]"
    assert shimmed.run("log", env={"GITSTAGE_REAL_GIT": str(shimmed.git)}) == "git [log]"


def bake(shimmed: Shimmed, real: str) -> None:
    shimmed.git.write_text(shimmed.git.read_text().replace(f"real={shimmed.real}\n", f"real={shlex.quote(real)}\n"))


@pytest.mark.parametrize("real", ["", "/no/such/git", "{bin}/git", "{second}/git"])
def test_a_stale_or_wrong_real_git(shimmed: Shimmed, real: str) -> None:
    """Gone, this program itself, or another dispatcher: the first real one on PATH is taken."""
    second = shimmed.root / "second"
    second.mkdir()
    shutil.copy(shimmed.git, second / "git")
    bake(shimmed, real.format(bin=shimmed.root / "bin", second=second))
    env = {"PATH": f"{second}:{shimmed.env['PATH']}"}
    assert shimmed.run("log", env=env) == "git [log]"
    assert shimmed.run("stage", "run", env=env) == "gitstage [run]"


def test_no_git_anywhere(one: Shimmed) -> None:
    """Only possible to see where the usual folders have none, so they are taken out of the text."""
    bake(one, "/no/such/git")
    one.git.write_text(one.git.read_text().replace(" /usr/local/bin /usr/bin /bin;", ";"))
    sh = shutil.which("sh")
    got = subprocess.run(
        [str(sh), str(one.git), "log"], env={"PATH": f"{one.root}/bin"}, text=True, capture_output=True
    )
    assert (got.returncode, got.stdout) == (127, "")
    assert got.stderr == "git-stage: found no real git on PATH; set GITSTAGE_REAL_GIT to its path\n"


@pytest.mark.parametrize("how", ["exec", ""])
@pytest.mark.parametrize("baked", [True, False])
def test_wrappers_that_call_git_again(shimmed: Shimmed, how: str, baked: bool) -> None:
    """Two wrappers named git which run the first `git` on PATH, that is us: both are left out, no endless loop."""
    for name in ("wrap1", "wrap2"):
        program(shimmed.root / name / "git", f'#!/bin/sh\n# a wrapper\n{how} {shimmed.git} "$@"\n')
    bake(shimmed, str(shimmed.root / "wrap1/git") if baked else "/no/such/git")
    folders = [f"{shimmed.root}/{name}" for name in ("bin", "wrap1", "wrap2", "real")]
    env = {"PATH": ":".join([*folders, SYSTEM])}
    assert shimmed.run("log", env=env) == "git [log]"
    assert shimmed.run("stage", "run", env=env) == "gitstage [run]"


def test_called_from_inside_git(one: Shimmed) -> None:
    """An alias or a hook that calls the dispatcher by its path is no loop: Git's own folder is first on PATH."""
    program(one.root / "core/git", STAND_IN.format(name="core", code=0))
    program(one.real, f"#!/bin/sh\n# git runs an alias\nPATH={one.root}/core:$PATH {one.git} log\n")
    assert one.run("alias") == "core [log]"


def test_before_the_real_git(one: Shimmed, tmp_path: Path) -> None:
    """Git itself applies its options, then starts git-gitstage; `git stage PATH` is `git add PATH`."""
    git = shutil.which("git", path=SYSTEM)
    assert git
    bake(one, git)
    program(one.ours, '#!/bin/sh\necho "$(pwd) $(git config a.b) $*"\n')
    (one.cwd / "sub").mkdir()
    (one.cwd / "run").touch()
    assert one.call("init", "-q").returncode == 0
    assert one.run("-C", "sub", "-c", "a.b=c d", "stage", "run", "x") == f"{one.cwd}/sub c d run x"
    assert one.call("stage", "--", "run").returncode == 0
    assert one.run("ls-files") == "run"
    got = one.call("stage", "unknown")
    assert (got.returncode, got.stderr) == (128, "fatal: pathspec 'unknown' did not match any files\n")
    assert one.call("-c", "alias.s=stage run", "s").stdout == ""  # inside an alias it is Git's own `stage`
    on_path = {"PATH": f"{one.ours.parent}:{one.env['PATH']}"}
    assert one.run("-c", "alias.s=gitstage run", "s", env=on_path) == f"{one.cwd}  run"


# shell functions


@pytest.fixture
def in_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, list[str]], str]:
    real = program(tmp_path / "real/git", _git_stand_in())
    ours = program(tmp_path / "prog/git-gitstage", STAND_IN.format(name="gitstage", code=5))
    monkeypatch.setenv("PATH", f"{real.parent}:{SYSTEM}")
    monkeypatch.setenv("HOME", str(tmp_path))

    def call(shell: str, args: list[str]) -> str:
        function = tmp_path / f"init.{shell}"
        function.write_text(shim.shell_function(shell, str(ours.parent), VERBS))
        if shell == "fish":
            script = f"source {function}; git $argv; echo status $status"
            command = ["fish", "-c", script, *args]
        else:
            script = f'. {function}; git "$@"; echo status $?'
            command = [shell, *(["-f"] if shell == "zsh" else ["--norc"]), "-c", script, shell, *args]
        return subprocess.run(command, text=True, capture_output=True, timeout=30).stdout

    return call


@pytest.mark.parametrize(
    "shell",
    [name for name in shim.SHELLS if shutil.which(name)],  # .ci/run sees to it that all of them are there
)
def test_shell_function(in_shell: Callable[[str, list[str]], str], shell: str) -> None:
    assert in_shell(shell, ["stage", "run", "a'b\\ c", ""]) == "gitstage [run] [a'b\\ c] []\nstatus 5\n"
    assert in_shell(shell, ["stage", "-A"]) == "git [stage] [-A]\nstatus 0\n"
    assert in_shell(shell, ["commit", "-m", "stage run", ""]) == "git [commit] [-m] [stage run] []\nstatus 0\n"
    assert in_shell(shell, ["add", "stage"]) == "git [add] [stage]\nstatus 0\n"
    assert in_shell(shell, []) == "git\nstatus 0\n"


def test_no_function_for_an_unknown_shell() -> None:
    with pytest.raises(UsageError):
        shim.shell_function("tcsh", "/x", VERBS)


# putting it in place and taking it away


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH of first/ (empty) and real/ (with git), and a home; no git elsewhere counts."""
    program(tmp_path / "real/git", _git_stand_in())
    (tmp_path / "first").mkdir()
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}/first:{tmp_path}/real")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.delenv("GIT_EXEC_PATH", raising=False)
    return tmp_path


def listing(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


def test_install_and_uninstall(machine: Path) -> None:
    before = listing(machine)
    first = str(machine / "first")
    done = shim.install(first, "/prog", VERBS)
    assert (done.path, done.real, done.action, done.first) == (f"{first}/git", f"{machine}/real/git", "installed", True)
    assert os.stat(done.path).st_mode & 0o777 == 0o755
    text = Path(done.path).read_text()
    assert text.splitlines()[1].startswith("# gitstage-shim 1 ")
    assert shim.install(first, "/prog", VERBS).action == "unchanged"
    assert shim.install(first, "/prog", (*VERBS, "new")).action == "updated"
    os.chmod(done.path, 0o644)
    assert shim.install(first, "/prog", VERBS).action == "updated"
    assert Path(done.path).read_text() == text
    assert shim.find() == done.path
    assert shim.uninstall(first) == done.path
    assert shim.uninstall(first) is None
    assert listing(machine) == before


def test_not_first_on_path(machine: Path) -> None:
    assert not shim.install(str(machine / "elsewhere"), "/prog", VERBS).first


def test_default_folder(machine: Path) -> None:
    assert shim.default_folder(str(machine / "first")) == str(machine / "first")
    own = str(machine / "home/.local/share/gitstage/shim")
    assert shim.default_folder(str(machine / "real")) == own
    before = listing(machine)
    shim.install(own, "/prog", VERBS)
    assert shim.find() == own + "/git"
    shim.uninstall(own)
    assert listing(machine / "home/.local/share") == []
    assert set(listing(machine)) - set(before) == {"home/.local", "home/.local/share"}


def test_a_real_git_is_never_touched(machine: Path) -> None:
    before = (machine / "real/git").read_bytes()
    for folder in (machine / "real", machine / "link"):
        if folder.name == "link":
            folder.symlink_to("real")
        with pytest.raises(GitstageError, match="not ours"):
            shim.install(str(folder), "/prog", VERBS)
        with pytest.raises(GitstageError, match="not ours"):
            shim.uninstall(str(folder))
    (machine / "first/git").symlink_to("/no/such/file")
    with pytest.raises(GitstageError, match="not ours"):
        shim.install(str(machine / "first"), "/prog", VERBS)
    assert (machine / "real/git").read_bytes() == before


def test_refused_without_a_real_git(machine: Path) -> None:
    shutil.rmtree(machine / "real")
    with pytest.raises(GitstageError, match="no real git"):
        shim.install(str(machine / "first"), "/prog", VERBS)
    assert listing(machine / "first") == []


def test_a_dispatcher_is_never_taken_for_the_real_git(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shim.install(str(machine / "first"), "/prog", VERBS)
    done = shim.install(str(machine / "second"), "/prog", VERBS)
    assert done.real == f"{machine}/real/git"
    monkeypatch.setenv("PATH", f"bin:{machine}/git-core:{machine}/real")
    program(machine / "git-core/git", _git_stand_in())
    assert shim.real_git() == f"{machine}/real/git"  # Git's own folder comes first only inside hooks and aliases


def test_one_that_does_not_work_is_taken_back(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shim, "text", lambda *_: "#!/bin/sh\n# gitstage-shim 1\nexit 3\n")
    with pytest.raises(GitstageError, match="does not lead to"):
        shim.install(str(machine / "first"), "/prog", VERBS)
    assert listing(machine / "first") == []


def test_odd_folder_names(machine: Path) -> None:
    odd = machine / 'it\'s $HOME `x` \\ "q"'
    shutil.copytree(machine / "real", odd / "real")
    os.environ["PATH"] = f"{odd}/real"
    done = shim.install(str(odd / "bin"), str(odd / "prog"), VERBS)
    program(odd / "prog/git-gitstage", STAND_IN.format(name="gitstage", code=0))
    got = subprocess.run([done.path, "stage", "run"], text=True, capture_output=True)
    assert got.stdout == "gitstage [run]\n"


def test_the_verbs_are_those_of_the_command_line() -> None:
    listed = next(line for line in shim.text("/git", "/bin", cli.DISPATCHED).splitlines() if line.startswith("verbs="))
    assert shlex.split(listed.removeprefix("verbs="))[0].split() == list(cli.DISPATCHED)
    assert {"init", "run", "repro", "status", "version", "help"} <= set(cli.DISPATCHED) <= {*cli.COMMANDS, *cli.ALIASES}
    assert not {"shim", "shell-init", "hook"} & set(cli.DISPATCHED)
