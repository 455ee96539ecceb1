"""Our hooks beside those of others, real ones where PyPI has them: installed, used and taken out again.

husky and git-lfs are here as the files that they write, word for word (husky 9.1.7, git-lfs 3.3).
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support import Repo, picture

TOP = Path(__file__).resolve().parents[2]

# what others write

HUSKY_HOOKS = (
    "pre-commit pre-merge-commit prepare-commit-msg commit-msg post-commit applypatch-msg pre-applypatch post-applypatch "
    "pre-rebase post-rewrite post-checkout post-merge pre-push pre-auto-gc"
).split()
HUSKY_H = """\
#!/usr/bin/env sh
[ "$HUSKY" = "2" ] && set -x
n=$(basename "$0")
s=$(dirname "$(dirname "$0")")/$n

[ ! -f "$s" ] && exit 0

if [ -f "$HOME/.huskyrc" ]; then
	echo "husky - '~/.huskyrc' is DEPRECATED, please move your code to ~/.config/husky/init.sh"
fi
i="${XDG_CONFIG_HOME:-$HOME/.config}/husky/init.sh"
[ -f "$i" ] && . "$i"

[ "${HUSKY-}" = "0" ] && exit 0

export PATH="node_modules/.bin:$PATH"
sh -e "$s" "$@"
c=$?

[ $c != 0 ] && echo "husky - $n script failed (code $c)"
[ $c = 127 ] && echo "husky - command not found in PATH=$PATH"
exit $c
"""
LFS_HOOK = """\
#!/bin/sh
command -v git-lfs >/dev/null 2>&1 || { echo >&2 "\\nThis repository is configured for Git LFS but 'git-lfs' was not found on your path. If you no longer wish to use Git LFS, remove this hook by deleting '.git/hooks/NAME'.\\n"; exit 2; }
git lfs NAME "$@"
"""  # noqa: E501
LEFTHOOK = """\
output: false
pre-commit:
  jobs:
    - run: echo lefthook pre-commit {0} >>"$LOG"
post-checkout:
  jobs:
    - run: echo lefthook post-checkout {0} >>"$LOG"
"""
PRE_COMMIT = """\
default_install_hook_types: [pre-commit, post-checkout]
repos:
- repo: local
  hooks:
  - id: theirs
    name: theirs
    language: system
    entry: sh -c 'echo framework "$1" >>"$LOG"' sh
    args: [STAGE]
    stages: [pre-commit]
    always_run: true
    pass_filenames: false
  - id: theirs-after
    name: theirs
    language: system
    entry: sh -c 'echo framework post-checkout "$PRE_COMMIT_CHECKOUT_TYPE" >>"$LOG"'
    stages: [post-checkout]
    always_run: true
    pass_filenames: false
"""


def script(path: Path, text: str, mode: int = 0o755) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def write_husky(repo: Repo) -> None:
    """What `husky` does at each `npm install`."""
    repo.git("config", "core.hooksPath", ".husky/_")
    folder = repo.path / ".husky/_"
    script(folder / ".gitignore", "*", 0o644)
    script(folder / "h", HUSKY_H, 0o644)
    for name in HUSKY_HOOKS:
        script(folder / name, '#!/usr/bin/env sh\n. "$(dirname "$0")/h"')


def none(repo: Repo) -> None:
    pass


def own(repo: Repo) -> None:
    hooks = repo.path / ".git/hooks"
    script(hooks / "pre-commit", '#!/bin/sh\nexec sh -c \'echo own "$@" >>"$LOG"\' sh pre-commit\n', 0o711)
    tool = "#!/usr/bin/env python3\nimport os, sys\nopen(os.environ['LOG'], 'a').write('own post-checkout\\n')\n"
    script(repo.path.parent / "tool.py", tool)
    (hooks / "post-checkout").symlink_to("../../../tool.py")
    script(hooks / "post-merge", "not run, as it has no x bit", 0o644)
    os.utime(hooks / "pre-commit", ns=(10**18, 10**18 + 7))


def husky(repo: Repo) -> None:
    script(repo.path / ".husky/pre-commit", 'echo husky pre-commit >>"$LOG"\nexec true\n', 0o644)
    script(repo.path / ".husky/post-checkout", '#!/usr/bin/env sh\necho husky post-checkout >>"$LOG"\n')
    write_husky(repo)


def pre_commit(repo: Repo) -> None:
    repo.write({".pre-commit-config.yaml": PRE_COMMIT.replace("STAGE", "pre-commit")})
    repo.run("pre-commit", "install", check=True)


def lefthook(repo: Repo) -> None:
    repo.write({"lefthook.yml": LEFTHOOK})
    repo.run("lefthook", "install", check=True)


def lfs(repo: Repo) -> None:
    for name in ("pre-push", "post-checkout", "post-commit", "post-merge"):
        script(repo.path / ".git/hooks" / name, LFS_HOOK.replace("NAME", name))
    script(
        repo.path.parent / "bin/git-lfs", '#!/bin/sh\necho lfs "$@" >>"$LOG"\n[ "$1" != pre-push ] || cat >>"$LOG"\n'
    )


OTHERS: Mapping[str, Callable[[Repo], None]] = {f.__name__: f for f in (none, own, husky, pre_commit, lefthook, lfs)}
EXPECTED = {
    "none": ([], []),
    "own": (["own pre-commit"], ["own post-checkout"]),
    "husky": ([], ["husky post-checkout"]),  # ours is at the top of the script, and its refusal ends it
    "pre_commit": (["framework pre-commit"], ["framework post-checkout 1"]),
    "lefthook": (["lefthook pre-commit"], ["lefthook post-checkout"]),
    "lfs": ([], ["lfs post-checkout"]),
}
"""What each writes down in a commit that ours refuses, and in a switch of branches."""


@pytest.fixture
def place(ran: Repo, tmp_path: Path) -> Repo:
    """A project with two commits whose outputs differ, and a file in which hooks note that they ran."""
    ran.env |= {
        "LOG": str(tmp_path / "log"),
        "PATH": f"{tmp_path}/bin:{ran.env['PATH']}",
        "PRE_COMMIT_HOME": str(tmp_path / "pre-commit"),
    }
    ran.git("checkout", "-q", "-b", "two")
    ran.write({"src": "two\n"})
    ran.stage("repro", check=True)
    ran.commit("two")
    return ran


def said(repo: Repo) -> list[str]:
    log = Path(repo.env["LOG"])
    lines = log.read_text().splitlines() if log.exists() else []
    log.unlink(missing_ok=True)
    return lines


def setting(repo: Repo) -> dict[str, object]:
    """All that an installation may touch, with modes and times."""
    hooks = repo.path / ".git/hooks"
    return {
        "hooks": picture(hooks),
        "times": {name: (hooks / name).lstat().st_mtime_ns for name in os.listdir(hooks)},
        "husky": picture(repo.path / ".husky"),
        "config": (repo.path / ".git/config").read_bytes(),
        "info": picture(repo.path / ".git/info"),
        "attributes": repo.exists(".gitattributes"),
        "user": Path(repo.env["GIT_CONFIG_GLOBAL"]).read_bytes(),
    }


def use(repo: Repo, name: str) -> None:
    """A stale commit is refused, a switch of branches brings the data, and the others' hooks run, too."""
    in_commit, in_checkout = EXPECTED[name]
    said(repo)
    repo.write({"src": "three\n"})
    repo.git("add", "src")
    refused = repo.run("git", "commit", "-qm", "stale")
    assert refused.returncode == 1
    assert refused.stderr.count("commit refused") == 1, refused.stderr
    assert [line.rstrip() for line in said(repo)] == in_commit
    repo.git("checkout", "-q", "two", "--", "src")
    assert repo.git("commit", "-q", "--allow-empty", "-m", "fine") == ""
    said(repo)
    switched = repo.run("git", "checkout", "-q", "main", check=True)
    assert repo.read("out") == "one\n", switched.stderr
    found = [
        " ".join(line.split()[: len(wanted.split())]) for line, wanted in zip(said(repo), in_checkout, strict=True)
    ]
    assert found == in_checkout
    repo.git("checkout", "-q", "two")
    repo.git("reset", "-q", "--hard", "main")  # seen by post-index-change alone
    assert repo.read("out") == "one\n"
    repo.git("reset", "-q", "--hard", "HEAD@{1}")
    assert repo.read("out") == "two\n"


@pytest.mark.parametrize("name", OTHERS)
def test_install_use_uninstall(place: Repo, name: str) -> None:
    OTHERS[name](place)
    before = setting(place)
    place.stage("install", check=True)
    now = setting(place)
    assert now != before
    assert set(place.stage("install", check=True).stdout.split()[::2]) <= {"unchanged"}
    assert setting(place) == now
    use(place, name)
    place.stage("uninstall", check=True)
    assert setting(place) == before
    assert place.stage("uninstall", check=True).stdout == "No hooks of git-stage are installed here\n"


def test_pre_commit_comes_second(place: Repo) -> None:
    """The framework moves ours to .legacy and runs it first; ours goes from there, and the framework's stays."""
    none_at_all = picture(place.path / ".git/hooks")
    place.stage("install", check=True)
    ours = picture(place.path / ".git/hooks")
    pre_commit(place)
    with_both = picture(place.path / ".git/hooks")
    assert with_both["pre-commit.legacy"] == ours["pre-commit"]
    use(place, "pre_commit")
    assert "chained" not in place.stage("install", check=True).stdout
    place.run("pre-commit", "uninstall", check=True)
    assert picture(place.path / ".git/hooks") == ours
    pre_commit(place)
    place.stage("uninstall", check=True)
    assert sorted(set(picture(place.path / ".git/hooks")) - set(none_at_all)) == ["post-checkout", "pre-commit"]
    place.run("pre-commit", "uninstall", check=True)
    assert picture(place.path / ".git/hooks") == none_at_all


def test_pre_commit_is_installed_again_over_ours(place: Repo) -> None:
    """Framework, ours, framework: each runs once."""
    pre_commit(place)
    place.stage("install", check=True)
    place.run("pre-commit", "install", check=True)
    use(place, "pre_commit")


def test_pre_commit_hides_unstaged_changes_from_ours(place: Repo) -> None:
    """It takes them out of the work tree for the time of the commit, and that checkout of files restores nothing."""
    pre_commit(place)
    place.stage("install", check=True)
    place.write({"src": "three\n"})
    place.stage("repro", check=True)
    place.git("add", "src")
    lock = place.read("dvc.lock")
    refused = place.run("git", "commit", "-qm", "without the lock")
    assert refused.returncode == 1 and "stage 's'" in refused.stderr
    assert (place.read("dvc.lock"), place.read("out")) == (lock, "three\n")
    place.git("commit", "-qm", "with it", "dvc.lock", "src")
    assert (place.read("dvc.lock"), place.read("out")) == (lock, "three\n")


def test_lefthook_takes_over(place: Repo) -> None:
    """It moves ours to .old, where nobody runs it; said by the hook that is being replaced, mended by install."""
    place.stage("install", check=True)
    lefthook(place)
    assert place.exists(".git/hooks/pre-commit.old")
    done = place.stage("install", check=True).stdout
    assert "chained .git/hooks/pre-commit: the hook of lefthook runs first, as pre-commit.gitstage-prev" in done
    assert "git stage install" in done
    assert not place.exists(".git/hooks/pre-commit.old")
    use(place, "lefthook")
    place.write({"lefthook.yml": LEFTHOOK + "pre-push:\n  jobs:\n    - run: true\n"})
    taken = place.run("git", "checkout", "-q", "main", check=True)
    assert "another program took the place of the hook post-checkout just now" in taken.stderr
    assert place.read("out") == "one\n"  # for the last time
    place.stage("install", check=True)
    assert place.run("git", "checkout", "-q", "two", check=True).stderr == ""
    assert place.read("out") == "two\n"


def test_lefthook_runs_ours_itself(place: Repo) -> None:
    jobs = "    - run: git gitstage hook {} {{0}}\n"
    yml = LEFTHOOK
    for name in ("pre-commit", "post-checkout"):
        yml = yml.replace(f"{name}:\n  jobs:\n", f"{name}:\n  jobs:\n{jobs.format(name)}")
    place.write({"lefthook.yml": yml})
    place.run("lefthook", "install", check=True)
    done = place.stage("install", check=True).stdout.splitlines()
    assert done[0] == "pre-commit: left to lefthook, which runs it by lefthook.yml"
    use(place, "lefthook")


def test_husky_keeps_ours_when_it_writes_its_files_again(place: Repo) -> None:
    husky(place)
    done = place.stage("install", check=True).stdout
    assert "chained .husky/pre-commit: ours runs at the top of the script" in done
    assert "installed .husky/post-merge" in done
    write_husky(place)
    use(place, "husky")
    shutil.rmtree(place.path / ".git/gitstage")  # our state may go at any time
    use(place, "husky")
    assert str(place.path) not in (place.path / ".husky/pre-commit").read_text()
    # a colleague who has no gitstage is told, and can go on
    bare = ":".join(folder for folder in place.env["PATH"].split(":") if not os.path.exists(f"{folder}/git-gitstage"))
    place.remove(".git/gitstage")
    place.git("checkout", "-q", "main", env={"PATH": bare})
    got = place.run("git", "commit", "-q", "--allow-empty", "-m", "x", env={"PATH": bare}, check=True)
    assert got.stderr.splitlines()[0] == "gitstage is not installed here, so nothing was checked"


def test_what_git_writes_to_stdin_reaches_both_under_husky(place: Repo) -> None:
    husky(place)
    script(place.path / ".husky/post-rewrite", 'echo "husky $1 $(cat)" >>"$LOG"\nexec cat >>"$LOG"\n')
    place.stage("install", check=True)
    # a hook file that takes everything in
    script(
        place.path / ".git/gitstage/hooks/post-rewrite",
        '#!/bin/sh\n# gitstage-hook 1\necho "ours $1 $(cat)" >>"$LOG"\n',
    )
    old = place.git("rev-parse", "HEAD").strip()
    place.git("commit", "-q", "--amend", "-m", "amended")
    pair = f"{old} {place.git('rev-parse', 'HEAD').strip()}"
    assert [line for line in said(place) if "amend" in line] == [f"ours amend {pair}", f"husky amend {pair}"]


def test_lfs_gets_what_is_pushed(place: Repo, tmp_path: Path) -> None:
    lfs(place)
    place.stage("install", check=True)
    place.git("init", "-q", "--bare", str(tmp_path / "bare.git"))
    place.git("remote", "add", "origin", str(tmp_path / "bare.git"))
    said(place)
    place.git("push", "-q", "origin", "main", "two")
    lines = said(place)
    assert lines[0].startswith("lfs pre-push origin ")
    heads = {line.split()[0]: line.split()[1] for line in lines[1:]}
    assert heads == {f"refs/heads/{name}": place.git("rev-parse", name).strip() for name in ("main", "two")}


def test_hooks_of_dvc(place: Repo) -> None:
    place.dvc("install", check=True)
    before = setting(place)
    done = place.stage("install", check=True).stdout
    assert "chained .git/hooks/post-checkout: the hook of DVC runs first" in done
    place.git("checkout", "-q", "main")
    assert place.read("out") == "one\n"
    place.stage("uninstall", check=True)
    assert setting(place) == before
