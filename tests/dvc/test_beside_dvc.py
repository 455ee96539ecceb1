"""Both tools on one repository: what one wrote is clean for the other, and the same steps give the same bytes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support import Repo, differences, new_repo, picture, sealed_environment

CLEAN = "Data and pipelines are up to date.\n"
STAGES = [
    [
        *(
            "-n",
            "prepare",
            "-d",
            "tool.sh",
            "-d",
            "raw",
            "-p",
            "seed,split.ratio",
            "-o",
            "data/prepared",
            "-o",
            "made.sh",
        ),
        "mkdir -p data/prepared/s; cp raw data/prepared/train.tsv; cp raw data/prepared/s/test.tsv; cp tool.sh made.sh",
    ],
    [
        *("-n", "train", "-d", "data/prepared", "-p", "extra.json:k,a.b", "-o", "model", "-M", "metrics.json"),
        *("-m", "kept.json", "--plots", "plot.csv", "--plots-no-cache", "curve.csv", "-O", "notes.txt"),
        "cp data/prepared/train.tsv model; echo '{\"acc\": 0.5}' | tee metrics.json kept.json; "
        "printf 'a,b\\n1,2\\n' | tee plot.csv curve.csv; date -u -d @0 +%Y > notes.txt",
    ],
    [
        "-n",
        "report",
        "-w",
        "reports",
        "-d",
        "../model",
        "--desc",
        "last words",
        "-o",
        "out",
        "cp ../model out; : > empty",
    ],
]


def inputs(repo: Repo) -> None:
    repo.write({"tool.sh": "#!/bin/sh\n"}, mode=0o755)
    repo.write(
        {"raw": "raw data\n" * 100, "data/data.xml": "<x/>\n", "data/images/1.png": "1", "data/images/s/2.png": "2"}
    )
    repo.write({"params.yaml": "seed: 42\nsplit: {ratio: 1e-3}\n", "extra.json": '{"k": "v", "a": {"b": true}}\n'})
    repo.write({"reports/.keep": ""})


def build(repo: Repo, *, ours: bool) -> None:
    """The same project with either tool: data files, a folder, three stages, then a changed input."""

    def add(*paths: str) -> None:
        (repo.stage if ours else repo.dvc)("add", *paths, check=True)

    def repro() -> None:
        (repo.stage if ours else repo.dvc)("repro", check=True)

    inputs(repo)
    if ours:
        repo.stage("init", "--no-hooks", check=True)
    else:
        repo.dvc("init", "-q", check=True)
    add("data/data.xml", "data/images", "raw")
    for stage in STAGES:
        if ours:
            repo.stage("run", *stage, check=True)
        else:
            repo.dvc("stage", "add", "--run", *stage, check=True)
    repo.write({"params.yaml": "seed: 43\nsplit: {ratio: 1e-3}\n", "data/images/3.png": "3"})
    add("data/images")
    repro()
    repo.write({"tool.sh": "#!/bin/sh\ntrue\n"}, mode=0o755)
    repro()
    repo.commit("built")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Repo]:
    """Built by git-stage (True) and by dvc (False). The tests put back what they take away."""
    folder = tmp_path_factory.mktemp("beside")
    repos = {}
    for ours in (True, False):
        place = folder / ("ours" if ours else "theirs")
        repos[ours] = new_repo(place / "repo", sealed_environment(place / "home"))
        build(repos[ours], ours=ours)
    return repos


def outputs(repo: Repo) -> list[str]:
    """Everything that Git ignores, but for the projects' own folder: what dvc.lock and *.dvc describe."""
    text = repo.git("ls-files", "--others", "--ignored", "--exclude-standard", "--directory")
    return [path.rstrip("/") for path in text.splitlines() if not path.startswith(".dvc/")]


def test_same_steps_give_the_same_bytes(made: dict[bool, Repo]) -> None:
    ours, theirs = (made[tool].tree() for tool in (True, False))
    assert any(path.endswith(".dir") for path in ours)
    assert any(path.startswith(".dvc/cache/runs/") for path in ours)
    assert not differences(theirs, ours)
    assert made[True].git("ls-files", "-s") == made[False].git("ls-files", "-s")


def test_dvc_finds_nothing_to_do_in_what_we_made(made: dict[bool, Repo]) -> None:
    repo = made[True]
    assert repo.dvc("status", check=True).stdout == CLEAN
    before = repo.tree()
    got = repo.dvc("repro", check=True)
    assert "Running" not in got.stdout
    assert got.stdout.count("didn't change, skipping") == 4
    assert repo.tree() == before


def test_dvc_restores_what_we_kept(made: dict[bool, Repo]) -> None:
    repo = made[True]
    before = repo.tree()
    gone = outputs(repo)
    assert len(gone) == 9
    repo.remove(*gone)
    repo.dvc("checkout", check=True)
    assert not differences(before, repo.tree())


def test_we_find_nothing_to_do_in_what_dvc_made(made: dict[bool, Repo]) -> None:
    repo = made[False]
    assert repo.stage("status", check=True).stdout == CLEAN
    before = repo.tree()
    got = repo.stage("repro", check=True)
    assert "Running" not in got.stdout
    assert got.stdout.count("didn't change, skipping") == 4
    assert repo.tree() == before


def test_we_restore_what_dvc_kept(made: dict[bool, Repo]) -> None:
    repo = made[False]
    before = repo.tree()
    gone = outputs(repo)
    assert len(gone) == 9
    repo.remove(*gone)
    repo.stage("checkout", check=True)
    assert not differences(before, repo.tree())


def test_run_cache_of_dvc_is_used(made: dict[bool, Repo]) -> None:
    repo = made[False]
    before = repo.tree()
    repo.write({"tool.sh": "#!/bin/sh\n"}, mode=0o755)
    got = repo.stage("repro", check=True)
    assert "Stage 'prepare' is cached - skipping run, checking out outputs\n" in got.stdout
    assert "Running" not in got.stdout
    repo.write({"tool.sh": "#!/bin/sh\ntrue\n"}, mode=0o755)
    repo.stage("repro", check=True)
    assert not differences(before, repo.tree())


def test_run_cache_of_ours_is_used_by_dvc(made: dict[bool, Repo]) -> None:
    repo = made[True]
    before = repo.tree()
    repo.write({"tool.sh": "#!/bin/sh\n"}, mode=0o755)
    got = repo.dvc("repro", check=True)
    assert "Stage 'prepare' is cached - skipping run, checking out outputs\n" in got.stdout
    assert "Running" not in got.stdout
    repo.write({"tool.sh": "#!/bin/sh\ntrue\n"}, mode=0o755)
    repo.stage("repro", check=True)
    assert not differences(before, repo.tree())


def test_taking_turns_makes_no_difference(tmp_path: Path, environment: dict[str, str]) -> None:
    """dvc adds, we run, dvc reruns, we rerun: each step is clean for the other tool, and Git sees only what changed."""
    repo = new_repo(tmp_path / "repo", environment)
    repo.dvc("init", "-q", check=True)
    repo.write({"src": "1\n", "d/a": "a\n"})
    repo.dvc("add", "-q", "d", check=True)
    repo.stage("run", "-n", "one", "-d", "src", "-d", "d", "-o", "o1", "cat src d/* > o1", check=True)
    repo.dvc("stage", "add", "-q", "--run", "-n", "two", "-d", "o1", "-o", "o2", "cp o1 o2", check=True)
    assert repo.stage("status", check=True).stdout == CLEAN
    repo.commit("first")
    repo.write({"src": "2\n"})
    repo.stage("repro", "one", check=True)
    got = repo.dvc("repro", check=True)
    assert re.findall(r"Running stage '(\w+)'", got.stdout) == ["two"]
    repo.write({"d/b": "b\n"})
    repo.stage("repro", check=True)
    assert repo.dvc("status", check=True).stdout == CLEAN
    assert repo.git("status", "--porcelain").split() == ["M", "d.dvc", "M", "dvc.lock", "M", "src"]


def test_what_we_change_in_a_file_of_dvc_is_only_what_changed(made: dict[bool, Repo]) -> None:
    repo = made[False]
    before = picture(repo.path, skip=(".git", ".dvc"))
    repo.append("raw", "more\n")
    repo.stage("repro", check=True)
    changed = [line[3:] for line in repo.git("status", "--porcelain").splitlines()]
    assert changed == ["dvc.lock", "raw.dvc"]
    removed = [line for line in repo.git("diff").splitlines() if re.match(r"-(?!--)", line)]
    assert removed
    assert all(re.match(r"- +(md5|size): |-- md5: |-  size: ", line) for line in removed), removed
    repo.git("checkout", "-q", "--", ".")
    repo.stage("checkout", check=True)
    assert picture(repo.path, skip=(".git", ".dvc")) == before
