"""The verbs that read: what they print for people, and what they refuse. Their JSON is compared with DVC's elsewhere."""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path

import pytest
from support import Repo, md5, sealed_environment

PIPELINE = """\
stages:
  fit:
    cmd: mkdir -p out && cp src out/a && cp src out/b && cp src p.csv && cp numbers m.json
    deps: [src]
    params: [lr]
    outs: [out]
    metrics: [m.json: {cache: false}]
    plots: [p.csv: {x: step, y: loss, title: "</script><b>T"}]
  next:
    cmd: cp out/a last
    deps: [out]
    outs: [last]
"""


@pytest.fixture(scope="module")
def read_template(project_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reading")
    shutil.copytree(project_template, folder / "repo", symlinks=True)
    repo = Repo(folder / "repo", sealed_environment(folder / "home"))
    repo.write({
        "dvc.yaml": PIPELINE, "src": "step,loss\n0,1\n1,0.5\n", "params.yaml": "lr: 0.1\n", "sub/x": "x\n",
        "numbers": '{"acc": 0.123456789, "n": {"a|b": "t"}}',
    })  # fmt: skip
    repo.stage("repro", "-q", check=True)
    repo.commit("one")
    repo.write({"m.json": '{"acc": 0.25, "new": 3}', "params.yaml": "lr: 0.2\n"})
    return repo.path


@pytest.fixture
def here(read_template: Path, tmp_path: Path, environment: dict[str, str]) -> Repo:
    shutil.copytree(read_template, tmp_path / "repo", symlinks=True)
    return Repo(tmp_path / "repo", environment)


def said(repo: Repo, *argv: str, cwd: str = ".") -> str:
    return repo.stage(*argv, cwd=cwd, check=True).stdout


def test_tables_of_metrics_and_parameters(here: Repo) -> None:
    assert said(here, "metrics", "show") == "Path    acc   new\nm.json  0.25  3\n"
    assert said(here, "metrics", "show", "-a", "--precision", "2") == (
        "Revision   Path    acc   n.a|b  new\nworkspace  m.json  0.25  -      3\nmain       m.json  0.12  t      -\n"
    )
    assert said(here, "metrics", "diff", cwd="sub") == (
        "Path       Metric  HEAD     workspace  Change\n"
        "../m.json  acc     0.12346  0.25       0.12654\n"
        "../m.json  n.a|b   t        -          -\n"
        "../m.json  new     -        3          -\n"
    )
    assert said(here, "metrics", "diff", "--md", "--no-path").split("\n")[:4] == [
        "| Metric   | HEAD    | workspace   | Change   |",
        "|----------|---------|-------------|----------|",
        "| acc      | 0.12346 | 0.25        | 0.12654  |",
        "| n.a\\|b   | t       | -           | -        |",
    ]
    assert said(here, "params", "diff") == "Path         Param  HEAD  workspace\nparams.yaml  lr     0.1   0.2\n"
    assert said(here, "params", "diff", "HEAD", "HEAD") == ""
    assert said(here, "metrics", "diff", "HEAD", "main", "--all", "--json").startswith(
        '{"m.json": {"acc": {"old": 0.12'
    )


def test_what_cannot_be_read_is_said(here: Repo) -> None:
    here.write({"m.json": "{"})
    got = here.stage("metrics", "diff", check=True)
    assert (
        got.stderr
        == "git-stage: m.json of workspace cannot be read: m.json:1: not JSON: " + got.stderr.partition("JSON: ")[2]
    )
    assert "acc     0.12346  -" in got.stdout
    assert (
        json.loads(said(here, "metrics", "show", "--json"))[""]["data"]["m.json"]["error"]["type"]
        == "JSONFileCorruptedError"
    )
    got = here.stage("metrics", "show", "nope", check=True)
    assert got.stderr == "git-stage: nope cannot be read: is neither there nor in the cache\n"
    for argv in (
        ["metrics", "diff", "nope"],
        ["params", "diff", "HEAD", "nope"],
        ["plots", "diff", "nope"],
        ["ls", ".", "--rev", "nope"],
    ):
        got = here.stage(*argv)
        assert (got.returncode, got.stdout) == (1, "")
        assert "git-stage: nope: is no commit here\n" in got.stderr
    here.write({"dvc.yaml": "stages: [\n"})
    got = here.stage("metrics", "show", check=True)
    assert got.stderr.startswith("git-stage: the pipeline cannot be read: dvc.yaml:")


def test_outputs_that_are_not_there_come_from_the_cache(here: Repo) -> None:
    here.write({"dvc.yaml": PIPELINE.replace("m.json: {cache: false}", "m.json"), "numbers": '{"v": 1}'})
    here.git("rm", "-q", "--cached", "-f", "m.json")
    here.stage("repro", "-q", check=True)
    here.commit("two")
    here.remove("m.json", "p.csv")
    assert said(here, "metrics", "show") == "Path    v\nm.json  1\n"
    assert "m.json" in said(here, "metrics", "diff", "HEAD~1", "HEAD")
    assert json.loads(said(here, "plots", "show", "--json", "p.csv"))["data"]["p.csv"][0]["revisions"] == ["workspace"]


def test_before_the_first_commit_and_without_git(repo: Repo) -> None:
    repo.stage("init", "--no-hooks", check=True)
    repo.write({"dvc.yaml": "metrics: [m.yaml]\n", "m.yaml": "a: 1\n"})
    assert said(repo, "metrics", "show", "--json") == '{"": {"data": {"m.yaml": {"data": {"a": 1}}}}}\n'
    assert said(repo, "metrics", "diff", "--json") == said(repo, "params", "diff", "--json") == "{}\n"
    assert said(repo, "plots", "diff", "--json") == "{}\n"
    assert said(repo, "data", "status") == "No changes.\n(there are changes that Git tracks: git status)\n"


def test_ls_and_du(here: Repo) -> None:
    here.remove("out", "last")
    size = len(here.read("src"))
    assert said(here, "ls", ".", "out") == "a\nb\n"
    assert said(here, "ls", ".", "out/a") == "a\n"
    assert said(here, "ls", "--dvc-only", "--size", "--show-hash") == (
        f"{size:>2}  {md5(here.read('src')):<36}  last\n"
        f"{2 * size}  {re.search('md5: (.*dir)', here.read('dvc.lock'))[1]}  out\n"  # type: ignore[index]
        f"{size:>2}  {md5(here.read('src')):<36}  p.csv\n"
    )
    assert said(here, "ls", ".", "-T", "--dvc-only") == ".\n├── last\n├── out\n│   ├── a\n│   └── b\n└── p.csv\n"
    assert said(here, "ls", "..", "x", cwd="sub") == "x\n"
    assert said(here, "ls", ".", "-R", "-L", "0") == ".\n"
    assert said(here, "du", ".", "out") == f"{size:>2}  out/a\n{size:>2}  out/b\n{2 * size}  out\n"
    assert said(here, "du", "-s", ".", "out").split() == [str(2 * size), "out"]
    for argv, message in (
        (["ls", ".", "nope"], "nope: does not exist"),
        (["ls", "nope"], "nope: is no folder"),
        (["ls", ".", "../.."], "../..: is not in the project"),
        (["ls", "-T", "--json"], "--tree and --json exclude each other"),
    ):
        got = here.stage(*argv)
        assert got.returncode and message in got.stderr, got.stderr
    shutil.rmtree(here.path / ".dvc/cache")
    assert said(here, "ls", "-R", "--dvc-only") == "last\nout\np.csv\n"  # the manifest is gone, too
    assert said(here, "du", "-s", ".", "out").split() == [str(2 * size), "out"]
    bare = here.path.parent / "plain"
    here.run("git", "init", "-q", str(bare), check=True)
    (bare / "file").write_text("f")
    assert json.loads(said(here, "ls", str(bare), "--json")) == [
        {"isout": False, "isdir": False, "isexec": False, "size": 1, "md5": None, "path": "file"}
    ]


def test_check_ignore(here: Repo) -> None:
    here.append(".dvcignore", "*.log\n!keep.log\n/dir/\n")
    assert said(here, "check-ignore", "-d", "a.log", "keep.log", "dir/x") == (
        ".dvcignore:4:*.log\ta.log\n.dvcignore:5:!keep.log\tkeep.log\n.dvcignore:6:/dir/\tdir/x\n"
    )
    assert said(here, "check-ignore", "a.log", "keep.log", "b") == "a.log\n"
    got = here.stage("check-ignore", "-d", "-n", "nope")
    assert (got.returncode, got.stdout) == (1, "::\tnope\n")
    got = here.stage("check-ignore", "--stdin", stdin="a.log\nb\n")
    assert (got.returncode, got.stdout) == (0, "a.log\n")
    assert here.stage("check-ignore", "keep.log").returncode == 1
    assert here.stage("check-ignore").returncode == 2


def test_dag(here: Repo) -> None:
    drawn = "  ┌─────┐\n  │ fit │\n  └──┬──┘\n     ▼\n ┌───────┐\n │ next  │\n └───────┘\n"
    assert re.sub(r"^ +", "", said(here, "dag"), flags=re.M) == re.sub(r"^ +", "", drawn, flags=re.M)
    plain = here.stage("dag", env={"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}, check=True).stdout
    assert "| fit |" in plain and plain.isascii()
    got = here.stage("dag", "-o", "--collapse-foreach-matrix")
    assert got.returncode == 2 and "exclude each other" in got.stderr
    assert here.stage("dag", "nope").returncode == 3


def test_data_status(here: Repo) -> None:
    here.write({"out/c": "new\n"})
    here.remove("last")
    assert said(here, "data", "status", "--granular", "--unchanged", cwd="sub") == (
        "Uncommitted changes:\n"
        "  (git stage commit TARGETS records them, git stage checkout TARGETS discards them)\n"
        "        added: out/c\n        deleted: last\n        modified: out/\n\n"
        "Unchanged:\n        out/a\n        out/b\n        p.csv\n\n"
        "(there are other changes that Git tracks: git status)\n"
    )
    assert json.loads(said(here, "data", "status", "--json", "../out", cwd="sub")) == {
        "uncommitted": {"modified": ["out/"]}
    }


def test_data_that_a_remote_lacks(here: Repo) -> None:
    assert here.stage("data", "status", "--not-in-remote").returncode == 6  # there is no remote
    here.stage("remote", "add", "-d", "near", str(here.path.parent / "near"), check=True)
    here.stage("push", "-q", "last", check=True)
    # `last` has the same bytes as the files in `out`
    assert json.loads(said(here, "data", "status", "--json", "--not-in-remote")) == {"not_in_remote": ["out/"]}
    (here.path.parent / "near" / "files/md5" / md5(here.read("src"))[:2] / md5(here.read("src"))[2:]).unlink()
    found = json.loads(said(here, "data", "status", "--json", "--granular", "--not-in-remote", "-r", "near"))
    assert found["not_in_remote"] == ["last", "out/", "out/a", "out/b", "p.csv"]
    text = said(here, "data", "status", "--not-in-remote", "last")
    assert text.startswith("Not in the remote:\n  (git stage push TARGETS sends them)\n        last\n")


def test_a_word_with_verbs_behind_it(here: Repo) -> None:
    got = here.stage("plots")
    assert (got.returncode, got.stderr) == (
        2, "git-stage: plots: say show or diff or modify or templates\n"
        "hint: git stage help plots; to stage a path of this name: git stage -- plots\n",
    )  # fmt: skip
    assert here.stage("metrics", "shw").stderr.startswith("git-stage: metrics: 'shw' is not show or diff\n")


def test_plots_without_the_packages_for_them(here: Repo) -> None:
    for missing in ("dvc_render", "vl_convert"):
        code = f"import sys; sys.modules['{missing}'] = None; from gitstage.cli import main; sys.exit(main())"
        got = here.run(sys.executable, "-c", code, "plots", "show")
        assert (got.returncode, got.stdout) == (1, "")
        assert got.stderr.endswith(
            "hint: pip install 'gitstage[plots]'" + (", or --json\n" if missing == "vl_convert" else "\n")
        )


def test_the_page_of_plots(here: Repo) -> None:
    here.write(
        {
            "i.svg": "<svg/>",
            "page.html": "<main>{plot_divs}</main>{scripts}",
            ".dvc/plots/own.json": '{"a": "<DVC_METRIC_DATA>"}',
        }
    )
    (address,) = said(here, "plots", "show", "i.svg", "p.csv", "-o", "pages").split()
    text = (here.path / "pages/index.html").read_text()
    assert address == (here.path / "pages/index.html").as_uri()
    assert "</script><b>T" not in text and "\\u003c/script>\\u003cb>T" in text
    assert 'src="data:image/svg+xml;base64,PHN2Zy8+"' in text
    assert text.count("vegaEmbed(target") == 1
    said(here, "plots", "show", "p.csv", "--html-template", "page.html")
    assert (here.path / "dvc_plots/index.html").read_text().startswith("<main><figure>")
    assert json.loads(said(here, "plots", "show", "--show-vega", "p.csv", "-t", "own"))["a"][0]["loss"] == "1"
    for argv, message in (
        (["-t", "nope", "p.csv"], "there is no plot template 'nope'"),
        (["--html-template", "src", "p.csv"], "the HTML template has no {plot_divs}"),
        (["--html-template", "nope", "p.csv"], "nope: No such file or directory"),
        (["--show-vega"], "--show-vega needs one target"),
    ):
        got = here.stage("plots", "show", *argv)
        assert got.returncode and message in got.stderr, got.stderr
    got = here.stage("plots", "show", "nope", "-o", "none", check=True)
    assert got.stderr == "git-stage: there is no plot nope\n" and not here.exists("none")
    here.write({"bad.csv": b"a\n\xff\n", "one.json": "5"})
    got = here.stage("plots", "show", "bad.csv", "one.json", check=True)
    assert "bad.csv:2: not UTF-8 text" in got.stderr and "one.json: holds a single value" in got.stderr


def test_help_of_two_words(here: Repo) -> None:
    for words in (["params", "diff"], ["remote", "modify"], ["run"], ["dag"]):
        asked = here.stage("help", *words, check=True).stdout
        assert asked == here.stage(*words, "--help", check=True).stdout and f"git stage {' '.join(words)} [OPT" in asked
    for words, said in (
        (["params", "nope"], "params: there is no 'nope' of it"),
        (["run", "x"], "run: there is no 'x' of it"),
    ):
        got = here.stage("help", *words)
        assert (got.returncode, said in got.stderr) == (2, True), got
    assert "git stage status" in here.stage("help", "statu").stderr
