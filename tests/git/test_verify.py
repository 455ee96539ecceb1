"""`git stage verify`, and that the commit check refuses what it must and nothing else, over generated histories."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from histories import World, first_world, put_commits, put_objects, worlds
from support import Repo, md5, new_repo, sealed_environment

from gitstage import cli
from gitstage.hooks.__main__ import run_hook

Files = dict[str, str]
COMMITS = 200


def with_text(path: str, old: str, new: str) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        assert old in files[path], (path, old)
        files[path] = files[path].replace(old, new, 1)

    return change


def with_file(path: str, text: str | None) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        if text is None:
            del files[path]
        else:
            files[path] = text

    return change


def both(one: Callable[[Files], None], other: Callable[[Files], None]) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        one(files)
        other(files)

    return change


def without_entry(name: str) -> Callable[[Files], None]:
    return lambda files: with_text("dvc.lock", first_world().lock_entry(name), "")(files)


def with_entry_of(name: str, **inputs: str) -> Callable[[Files], None]:
    """The record of a run on other inputs."""
    other = first_world()
    other.inputs |= inputs
    return lambda files: with_text("dvc.lock", first_world().lock_entry(name), other.lock_entry(name))(files)


def repro(stage: str) -> str:
    return f"git stage repro {stage} && git add dvc.lock"


TABLES = next(digest for digest in first_world().objects() if digest.endswith(".dir"))
MARKERS = "<<<<<<< ours\n=======\n>>>>>>> theirs\n"
EXTRA = "  more:\n    cmd: x\n    deps:\n    - in3\n    outs:\n    - extra\n"

INCONSISTENT: dict[str, tuple[Callable[[Files], None], tuple[str, ...]]] = {
    # a file that Git tracks
    **{
        f"input {path}": (with_file(path, "new\n"), (stage, path.partition("/")[0], repro(stage)))
        for path, stage in (("in0", "prepare"), ("in1", "train"), ("in2", "alone"), ("src/one", "prepare"))
    },
    "file added to a directory": (with_file("src/three", "3\n"), ("prepare", "src", repro("prepare"))),
    "file removed from a directory": (with_file("src/two", None), ("prepare", "src", repro("prepare"))),
    "directory removed": (
        both(with_file("src/one", None), with_file("src/two", None)),
        ("prepare", "dependency src is missing", repro("prepare")),
    ),
    **{
        f"input {path} removed": (with_file(path, None), (stage, f"{path} is missing", repro(stage)))
        for path, stage in (("in0", "prepare"), ("in1", "train"), ("in2", "alone"))
    },
    # parameters
    **{
        f"parameter {key}": (with_text("params.yaml", f"{key}: ", f"{key}: 5"), ("train", f"yaml: {key}", repro("train")))
        for key in ("alpha", "beta")
    },
    "parameter removed": (with_text("params.yaml", "alpha: 1\n", ""), ("train", "alpha is missing", repro("train"))),
    "parameters removed": (with_file("params.yaml", None), ("train", "params.yaml is missing", repro("train"))),
    "parameter of another type": (with_text("params.yaml", "beta: 2", "beta: '2'"), ("train", "beta", repro("train"))),
    # the description
    **{
        f"command of {name}": (with_text("dvc.yaml", f"join {name}", "other"), (name, "its command changed", repro(name)))
        for name in ("prepare", "train", "score", "alone")
    },
    "input described": (
        with_text("dvc.yaml", "    - in1\n", "    - in1\n    - in3\n"), ("train", "dependency in3", repro("train"))
    ),
    "output of a stage described as input": (
        with_text("dvc.yaml", "    - in2\n", "    - in2\n    - model\n"), ("alone", "dependency model", repro("alone"))
    ),
    "input no longer described": (
        with_text("dvc.yaml", "    - in1\n", ""), ("train", "in1 is no longer declared", repro("train"))
    ),
    "parameter described": (
        with_text("dvc.yaml", "    - beta\n", "    - beta\n    - gamma\n"), ("train", "gamma is new", repro("train"))
    ),
    "parameter no longer described": (
        with_text("dvc.yaml", "    - beta\n", ""), ("train", "beta is no longer declared", repro("train"))
    ),
    "output described": (
        with_text("dvc.yaml", "    - copy\n", "    - copy\n    - extra\n"), ("alone", "output extra", repro("alone"))
    ),
    "output renamed": (with_text("dvc.yaml", "    - model\n    ", "    - other\n    "), ("score", "model", repro("score"))),
    # never run
    **{f"no record of {name}": (without_entry(name), (name, "was never run", repro(name))) for name in first_world().stages},
    "stage described": (with_text("dvc.yaml", "stages:\n", f"stages:\n{EXTRA}"), ("more", "was never run", repro("more"))),
    "no lock": (with_file("dvc.lock", None), ("prepare", "was never run", repro("prepare"))),
    # what another stage wrote, or a .dvc file says
    "record of a producer": (with_entry_of("prepare", in0="new\n"), ("prepare", "train", "tables/x", repro("train"))),
    "producer run again": (
        both(with_entry_of("prepare", in0="new\n"), with_file("in0", "new\n")),
        ("train", "score", "tables/x", repro("score")),
    ),
    "record of train alone": (
        both(with_entry_of("train", in1="new\n"), with_file("in1", "new\n")),
        ("score", "model", repro("score")),
    ),
    "data changed": (with_text("raw.dvc", md5("raw\n"), md5("other\n")), ("prepare", "raw", repro("prepare"))),
    # the record itself
    **{
        f"recorded {path} edited": (with_text("dvc.lock", md5(text), md5("else")), (stage, path, repro(stage)))
        for path, text, stage in (("in1", "1\n", "train"), ("in2", "2\n", "alone"), ("in0", "0\n", "prepare"))
    },
    "recorded command edited": (with_text("dvc.lock", "join train", "other"), ("train", "its command", repro("train"))),
    "recorded parameter edited": (with_text("dvc.lock", "alpha: 1", "alpha: 7"), ("train", "alpha", repro("train"))),
    "recorded input dropped": (
        with_text("dvc.lock", "path: in2\n      hash: md5\n      md5: ", "path: in1\n      hash: md5\n      md5: "),
        ("alone", "in2", repro("alone")),
    ),
    "uncached output edited": (with_file("score.json", "{}\n"), ("score", "score.json", repro("score"))),
    "uncached output removed": (with_file("score.json", None), ("score", "score.json is missing", repro("score"))),
    # files that cannot be read
    **{
        f"markers in {path}": (lambda files, path=path: with_file(path, MARKERS + files[path])(files), (path, "merge conflict"))  # type: ignore[misc]
        for path in ("dvc.yaml", "dvc.lock", "raw.dvc")
    },
    "unknown key": (with_text("dvc.yaml", "    cmd:", "    what: 1\n    cmd:"), ("dvc.yaml", "what")),
    "not a digest": (with_text("dvc.lock", md5("1\n"), "nothing"), ("dvc.lock", "nothing")),
    "bad parameters": (with_file("params.yaml", "- 1\n"), ("params.yaml",)),
}  # fmt: skip


def others() -> list[World]:
    """The worlds that records of the inconsistent states were taken from."""
    found = [first_world() for _ in range(3)]
    found[0].inputs["in0"] = found[1].inputs["in1"] = "new\n"
    found[2].data["raw"] = "other\n"
    return found


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """One commit of the first world, outputs in the cache; every test leaves it as it was."""
    folder = tmp_path_factory.mktemp("base")
    made = new_repo(folder / "repo", sealed_environment(folder / "home"))
    put_commits(made, [first_world().files()])
    put_objects(made, [first_world(), *others()])
    made.git("reset", "-q", "--hard", "main")
    return made


@pytest.fixture
def here(base: Repo, monkeypatch: pytest.MonkeyPatch) -> Repo:
    base.git("reset", "-q", "--hard", "main")
    base.git("clean", "-fdq")
    monkeypatch.chdir(base.path)
    return base


def put_files(repo: Repo, files: Files) -> None:
    """Stage exactly `files`."""
    before = set(repo.git("ls-files", "-z").split("\0")) - {""}
    repo.write({path: text for path, text in files.items() if path not in before or repo.read(path) != text})
    if before - files.keys():
        repo.remove(*sorted(before - files.keys()))
    repo.git("add", "-A")


def verified(repo: Repo, *words: str, check: int | None = None) -> Any:
    got = repo.stage("verify", "--json", *words)
    assert check is None or got.returncode == check, got.stdout + got.stderr
    return json.loads(got.stdout)


def test_enough_causes() -> None:
    assert len(INCONSISTENT) >= 50


@pytest.mark.parametrize("cause", INCONSISTENT)
def test_inconsistent_commit_is_refused(here: Repo, cause: str, capfd: pytest.CaptureFixture[str]) -> None:
    """By stage, path and repair; and a commit that was made all the same is found by verify."""
    change, names = INCONSISTENT[cause]
    files = first_world().files()
    change(files)
    put_files(here, files)
    assert run_hook("pre-commit", []) == 1
    said = capfd.readouterr().err
    for name in names:
        assert name in said, said
    here.git("commit", "-qm", cause, "--no-verify")
    try:
        assert cli.main(["verify", "HEAD"]) == 1
        said = capfd.readouterr().out
        for name in names:
            assert name in said, said
    finally:
        here.git("reset", "-q", "--hard", "HEAD~1")


def test_what_is_not_in_the_cache_is_refused(here: Repo, capfd: pytest.CaptureFixture[str]) -> None:
    world = first_world()
    world.inputs |= {"in0": "new\n", "in1": "new\n", "in2": "new\n"}
    put_objects(here, [world])
    put_files(here, world.files())
    assert run_hook("pre-commit", []) == 0
    here.git("commit", "-qm", "new", "--no-verify")
    new = here.git("rev-parse", "HEAD").strip()
    contents = world.contents()
    lost = {"model": md5(contents["model"]), "copy": md5(contents["copy"]), "tables": md5(contents["tables/y"])}
    try:
        for path, digest in lost.items():
            here.git("reset", "-q", "--soft", "main~0" if here.git("rev-parse", "main").strip() != new else "HEAD~1")
            kept = here.object(digest).read_bytes()
            here.object(digest).unlink()
            assert run_hook("pre-commit", []) == 1
            assert f"output {path} is lost" in capfd.readouterr().err
            here.git("reset", "-q", "--soft", new)
            assert f"output {path} is lost" in json.dumps(verified(here, check=1))
            assert verified(here, "--no-data", check=0)["data"] == "not asked"
            here.object(digest).write_bytes(kept)
            here.object(digest).chmod(0o444)
        assert verified(here, check=0)["data"] == "cache"
    finally:
        here.git("reset", "-q", "--hard", "HEAD~1")


@pytest.fixture(scope="module")
def long_history(tmp_path_factory: pytest.TempPathFactory) -> Repo:
    """200 consistent commits of two projects, one at the top and one in a folder."""
    folder = tmp_path_factory.mktemp("history")
    made = new_repo(folder / "repo", sealed_environment(folder / "home"))
    tops, below = worlds(COMMITS, seed=1), worlds(COMMITS, seed=2, prefix="p/")
    # one of the two changes at a time
    states = [{**tops[(n + 1) // 2].files(), **below[n // 2].files()} for n in range(COMMITS)]
    put_commits(made, states)
    put_objects(made, [*tops, *below])
    made.git("reset", "-q", "--hard", "main")
    return made


def test_consistent_history_has_no_findings(long_history: Repo, tmp_path: Path) -> None:
    found = verified(long_history, "main", check=0)["commits"]
    assert [one["projects"] for one in found] == [2]
    found = verified(long_history, "main~199..main", check=0)["commits"]
    assert len(found) == COMMITS - 1
    assert not any(one["findings"] for one in found)
    assert max(one["stages"] for one in found) > 10
    bare = Repo(tmp_path / "bare", long_history.env)
    long_history.git("clone", "-q", "--bare", ".", str(bare.path))
    told = verified(bare, "main~199..main", check=0)
    assert told["data"] == "not asked"
    assert not [one for one in told["commits"] if not one["consistent"]]
    notes = {finding["message"] for one in told["commits"] for finding in one["findings"]}
    assert notes and all("the list of files of" in note for note in notes)  # tables/x, without the data


def test_replay_of_consistent_commits_through_the_hook(long_history: Repo, tmp_path: Path) -> None:
    shutil.copytree(long_history.path, tmp_path / "repo", symlinks=True)
    repo = Repo(tmp_path / "repo", long_history.env)
    repo.stage("install", check=True)
    commits = repo.git("rev-list", "--reverse", "main").split()
    repo.git("checkout", "-q", "-b", "replay", commits[0], env={"GITSTAGE_HOOKS": "0"})
    made = []
    for commit in commits[1::9]:
        repo.git("read-tree", commit)
        got = repo.run("git", "commit", "-q", "--allow-empty", "-m", commit)
        assert got.returncode == 0 and got.stderr == "", got.stderr
        made.append(commit)
    assert len(made) > 20
    assert repo.git("rev-parse", "HEAD^{tree}") == repo.git("rev-parse", f"{made[-1]}^{{tree}}")


def test_bare_clone_says_what_a_checkout_says(
    here: Repo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of commits without data, the same stages are stale as `status` finds after a checkout with it."""
    readable = [c for c in INCONSISTENT if not c.startswith(("markers", "unknown", "not a", "bad", "recorded input d"))]
    states = []
    for number, cause in enumerate(readable):
        states.append(first_world().files())
        if number % 4:
            INCONSISTENT[cause][0](states[-1])
    shutil.copytree(here.path, tmp_path / "repo", symlinks=True)
    repo = Repo(tmp_path / "repo", here.env)
    commits = put_commits(repo, states, "all")
    repo.git("clone", "-q", "--bare", ".", str(tmp_path / "bare"))
    told: dict[str, set[str]] = {}
    untold: dict[str, set[str]] = {}
    root = Repo(tmp_path / "bare", repo.env)
    first, rest = verified(root, commits[0]), verified(root, f"{commits[0]}..{commits[-1]}", check=1)
    for one in [*first["commits"], *rest["commits"]]:
        told[one["commit"]] = {f["stage"] for f in one["findings"] if f["level"] == "error"}
        untold[one["commit"]] = {f["stage"] for f in one["findings"] if f["level"] == "note"}
    assert told.keys() == set(commits)
    monkeypatch.chdir(repo.path)
    stale = 0
    for commit in commits:
        repo.git("clean", "-fdxq", "-e", ".dvc")
        repo.git("checkout", "-q", "-f", commit)
        cli.main(["checkout", "-f", "-q"])
        capfd.readouterr()
        assert cli.main(["status", "--json"]) == 0
        status = set(json.loads(capfd.readouterr().out))
        message = repo.git("log", "-1", "--format=%s")
        assert told[commit] <= status, (commit, message)
        assert status <= told[commit] | untold[commit], (commit, message)  # train reads a file inside a directory
        stale += bool(status)
    assert len(commits) > 40 and len(commits) * 0.6 < stale < len(commits)


# what it is told, and what it says


@pytest.fixture
def work(here: Repo, tmp_path: Path) -> Repo:
    """A copy that a test may change; `origin` is where it came from."""
    shutil.copytree(here.path, tmp_path / "work", symlinks=True)
    made = Repo(tmp_path / "work", here.env)
    made.git("init", "-q", "--bare", "-b", "main", "../origin")
    made.git("remote", "add", "origin", "../origin")
    made.git("push", "-q", "origin", "main")
    return made


def test_ci_job_of_the_docs(work: Repo) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs/verify.md").read_text()
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    (job,) = yaml.safe_load(block)["jobs"].values()
    (command,) = [step["run"] for step in job["steps"] if "verify" in step.get("run", "")]
    work.git("checkout", "-q", "-b", "topic")
    shutil.rmtree(work.path / ".dvc/cache")
    got = work.run("sh", "-ec", command, env={"GITHUB_BASE_REF": "main"})
    assert (got.returncode, got.stdout) == (0, "")
    work.write({"in1": "stale\n"})
    work.git("commit", "-qam", "100%: stale")
    commit = work.git("rev-parse", "HEAD")[:10]
    got = work.run("sh", "-ec", command, env={"GITHUB_BASE_REF": "main"})
    assert got.returncode == 1
    line = 1 + work.read("dvc.yaml").splitlines().index("  train:")
    found = f"dependency in1 changed (recorded {md5('1' + chr(10))[:8]}, committed {md5('stale' + chr(10))[:8]})"
    assert got.stdout.splitlines() == [
        f"::notice file=dvc.yaml,line={line},title=gitstage verify::{commit}: stage 'train': dependency tables/x cannot be "
        f"checked: the list of files of tables ({TABLES[:8]}.dir) is not here",
        f"::error file=dvc.yaml,line={line},title=gitstage verify::{commit}: stage 'train': {found}; {repro('train')}",
    ]
    work.write({"dvc.yaml": "stages:\n  a: [\n"})
    work.git("commit", "-qam", "broken")
    got = work.run("sh", "-ec", command, env={"GITHUB_BASE_REF": "main"})
    assert got.returncode == 1 and "::error file=dvc.yaml,line=3,title=gitstage verify::" in got.stdout


def test_pushes(work: Repo) -> None:
    """New, changed, forced and deleted refs, tags, several at once; only what a push brings is looked at."""
    origin = Repo(work.path.parent / "origin", work.env)
    hook = "#!/bin/sh\nexec git gitstage verify --no-data --stdin\n"
    origin.write({"hooks/pre-receive": hook}, 0o755)
    good = work.git("rev-parse", "HEAD").strip()
    work.write({"in1": "stale\n"})
    work.git("commit", "-qam", "stale")
    stale = work.git("rev-parse", "HEAD").strip()

    def push(*words: str) -> tuple[int, str]:
        got = work.run("git", "push", "-q", "origin", *words)
        return got.returncode, got.stderr

    code, said = push("HEAD:new")
    assert code == 1 and "stage 'train': dependency in1 changed" in said and "1 commit checked, 1 inconsistent" in said
    assert push("HEAD:refs/tags/stale", f"{good}:refs/heads/fine")[0] == 1
    work.write({"in1": "1\n"})
    work.git("commit", "-qam", "mended")
    assert "2 commits checked, 1 inconsistent" in push("HEAD:new")[1]
    origin.remove("hooks/pre-receive")
    code, said = push("HEAD:new")
    assert code == 0, said
    origin.write({"hooks/pre-receive": hook}, 0o755)
    code, said = push(f"{good}:refs/heads/a", f"+{stale}:new", "HEAD:b")  # known already
    assert code == 0, said
    work.git("tag", "-a", "-m", "annotated", "v1", good)
    assert push("v1", ":a")[0] == 0
    blob = work.git("rev-parse", "HEAD:README").strip()
    assert push(f"{blob}:refs/tags/blob")[0] == 0
    assert push(":b", ":refs/tags/blob")[0] == 0
    got = origin.stage("verify", "--stdin", stdin="nonsense\n")
    assert got.returncode == 2 and "OLD NEW REF" in got.stderr
    assert origin.stage("verify", "--stdin", stdin="").returncode == 0


def test_what_is_in_no_commit_is_noted(work: Repo, tmp_path: Path) -> None:
    work.write(
        {"local": "l\n", "../outside": "o\n", "sub/secret": "s\n", ".gitignore": work.read(".gitignore") + "/local\n"}
    )
    work.write({"sub/.gitignore": "secret\n"})
    deps = ["-d", "local", "-d", "../outside", "-d", str(tmp_path / "outside"), "-d", "sub/secret", "-d", "in3"]
    work.stage("run", "-q", "-n", "loose", *deps, "-o", "made", "cp local made", check=True)
    work.git("add", "-A")
    work.git("commit", "-qm", "loose")
    (one,) = verified(work, check=0)["commits"]
    assert {(f["level"], f["path"].rpartition("/")[2]) for f in one["findings"]} == {
        ("note", "local"), ("note", "outside"), ("note", "secret")
    }  # fmt: skip
    assert len(one["findings"]) == 4
    assert work.stage("verify", "--strict").returncode == 1
    work.git("rm", "-q", "--cached", "in3")
    work.git("commit", "-qm", "forgotten")
    got = work.stage("verify")
    assert got.returncode == 1 and "stage 'loose': dependency in3 is missing" in got.stdout
    assert "note: stage 'loose': dependency local cannot be checked: Git ignores it" in got.stdout


def test_remote_is_asked_instead_of_the_cache(work: Repo, tmp_path: Path) -> None:
    got = work.stage("verify", "--remote")
    assert got.returncode == 2 and "no default remote" in got.stderr
    work.stage("remote", "add", "-d", "store", str(tmp_path / "store"), check=True)
    work.git("commit", "-qam", "remote")
    code = work.stage("verify", "--remote")
    assert code.returncode == 1 and "is not on the remote store" in code.stdout
    work.stage("push", check=True)
    assert verified(work, "--remote=store", "HEAD~1..HEAD", check=0)["data"] == "remote"
    bare = Repo(tmp_path / "bare", work.env)
    work.git("clone", "-q", "--bare", ".", str(bare.path))
    got = bare.stage("verify", "--remote")
    assert got.returncode == 0 and "1 directory the remote was asked for the list of files only" in got.stderr
    model = md5(first_world().contents()["model"])
    (tmp_path / "store/files/md5" / model[:2] / model[2:]).unlink()
    got = bare.stage("verify", "--remote")
    assert got.returncode == 1 and f"output model is lost: {model[:8]} is not on the remote store" in got.stdout


def test_what_is_no_commit_is_refused(work: Repo, tmp_path: Path) -> None:
    for words in (["nosuch"], ["nosuch..HEAD"], ["HEAD:README"], ["--", "-n"]):
        got = work.stage("verify", *words)
        assert got.returncode == 1 and "is no commit here" in got.stderr, words
        assert "Traceback" not in got.stderr
    assert work.stage("verify", "--stdin", "HEAD").returncode == 2
    assert work.stage("verify", "--no-data", "--remote").returncode == 2
    work.git("commit", "-q", "--allow-empty", "-m", "second")
    work.git("clone", "-q", "--depth", "1", f"file://{work.path}", "../shallow")
    got = Repo(tmp_path / "shallow", work.env).stage("verify", "HEAD~1..HEAD")
    assert got.returncode == 1 and "git fetch --unshallow" in got.stderr
    assert work.stage("verify", "HEAD..HEAD").stdout == "No commits to check.\n"
    work.run("git", "init", "-q", "../empty", check=True)
    empty = Repo(tmp_path / "empty", work.env)
    assert "HEAD: is no commit here" in empty.stage("verify").stderr
    empty.git("commit", "-q", "--allow-empty", "-m", "nothing")
    assert empty.stage("verify").stdout == "1 commit checked, consistent.\n"


@pytest.mark.parametrize("form", ["sha1", "sha256"])
def test_what_changes_without_its_path_changing(tmp_path: Path, environment: dict[str, str], form: str) -> None:
    """What a link leads to, and the line ends that an attribute asks for. sha256 is read without pygit2."""
    repo = Repo(tmp_path / "repo", environment)
    repo.path.mkdir()
    repo.git("init", "-q", "-b", "main", f"--object-format={form}")
    repo.stage("init", "-q", check=True)
    repo.write({"text": "a\r\n", ".gitattributes": "text text eol=crlf\n"})
    repo.stage("run", "-q", "-n", "t", "-d", "text", "-o", "tout", "cp text tout", check=True)
    first = repo.commit("first")
    repo.write({".gitattributes": "# nothing\n"})
    repo.git("commit", "-qm", "other line ends", ".gitattributes")  # `add -A` might store the file anew
    ends = repo.git("rev-parse", "HEAD").strip()
    repo.write({".gitattributes": "text text eol=crlf\n", ".dvc/config": "[core]\n    remote = x\n"})
    again = repo.commit("as before")
    repo.write({"real": "1\n"})
    (repo.path / "link").symlink_to("real")
    repo.stage("run", "-q", "-n", "l", "-d", "link", "-o", "lout", "cp link lout", check=True)
    linked = repo.commit("a link")
    repo.write({"real": "2\n"})
    changed = repo.commit("what it leads to")
    repo.write({"real": "1\n"})
    repo.git("mv", "real", "moved")
    renamed = repo.commit("renamed")
    repo.git("mv", "moved", "real")
    last = repo.commit("back")
    found = {
        one["commit"]: {finding["stage"] for finding in one["findings"]}
        for one in [*verified(repo, first, check=0)["commits"], *verified(repo, f"{first}..HEAD", check=1)["commits"]]
    }
    assert found == {
        first: set(), ends: {"t"}, again: set(), linked: set(), changed: {"l"}, renamed: {"l"}, last: set()
    }  # fmt: skip
