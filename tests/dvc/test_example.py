"""The example project in demo/example, from raw posts to a judged model: numbers, differences and plots as real `dvc` has
them, and the page of plots in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from browser import rendered
from support import Repo

DEMO = Path(__file__).parents[2] / "demo"


@pytest.fixture(scope="module")
def example_template(project_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ran, committed, ran again with another parameter."""
    from support import sealed_environment

    folder = tmp_path_factory.mktemp("example")
    shutil.copytree(project_template, folder / "repo", symlinks=True)
    shutil.copytree(DEMO / "example", folder / "repo", dirs_exist_ok=True)
    repo = Repo(folder / "repo", sealed_environment(folder / "home"))
    posts = subprocess.run([sys.executable, DEMO / "make_data.py", "300"], capture_output=True, check=True).stdout
    repo.write({"data/data.xml": posts})
    repo.stage("add", "data/data.xml", check=True)
    said = repo.stage("repro", check=True).stdout
    assert re.findall("Running stage '(.*)'", said) == ["prepare", "featurize", "train", "evaluate"]
    repo.commit("first model")
    repo.write({"params.yaml": repo.read("params.yaml").replace("n_est: 2", "n_est: 9")})
    why = json.loads(repo.stage("why", "--json", "evaluate", check=True).stdout)
    assert [one["stage"] for one in why] == ["train", "evaluate"]
    assert why[0]["reasons"][0]["new"] == {"seed": 20170428, "n_est": 9, "min_split": 0.01}
    said = repo.stage("repro", check=True).stdout
    assert re.findall("Running stage '(.*)'", said) == ["train", "evaluate"]
    return repo.path


@pytest.fixture
def example(example_template: Path, tmp_path: Path, environment: dict[str, str]) -> Repo:
    shutil.copytree(example_template, tmp_path / "repo", symlinks=True)
    return Repo(tmp_path / "repo", environment)


def test_numbers_are_those_of_dvc(example: Repo) -> None:
    def both(*argv: str) -> Any:
        ours, theirs = (json.loads(run(*argv, "--json", check=True).stdout) for run in (example.stage, example.dvc))
        assert ours == theirs
        return ours

    assert both("status") == {}
    shown = both("metrics", "show")[""]["data"]["eval/metrics.json"]["data"]
    changed = both("metrics", "diff")["eval/metrics.json"]
    assert changed["roc_auc.test"]["new"] == shown["roc_auc"]["test"] != changed["roc_auc.test"]["old"]
    assert both("params", "diff") == {"params.yaml": {"train.n_est": {"old": 2, "new": 9, "diff": 7}}}
    plots = both("plots", "diff", "-o", "../plots")["data"]
    assert len(plots) == 5
    assert plots["ROC"][0]["revisions"] == ["workspace", "HEAD"]
    assert [one["revisions"] for one in plots["eval/plots/importance.svg"]] == [["workspace"], ["HEAD"]]


def test_plots_in_a_browser(example: Repo, tmp_path: Path) -> None:
    (address,) = example.stage("plots", "diff", "HEAD", "workspace", check=True).stdout.split()
    page = example.path / "dvc_plots" / "index.html"
    assert address == page.as_uri()
    assert [path.name for path in page.parent.iterdir()] == ["index.html"]
    text = page.read_text()
    assert not re.search(
        r"""(src|href)=["']?(https?:)?//""", re.sub(r"<script>.*?</script>", "", text, flags=re.DOTALL)
    )
    document = rendered(page, tmp_path / "profile")
    assert "failed" not in re.sub(r"<(script|style)\b.*?</\1>", "", document, flags=re.DOTALL)
    drawings = re.findall(r"<svg\b.*?</svg>", document, re.DOTALL)
    marks = [drawing for drawing in drawings if 'class="marks"' in drawing]
    assert len(marks) == 4
    titles = ("ROC", "Confusion matrix", "Precision and recall", "Words that decide")
    assert all(any(f">{title}</text>" in drawing for drawing in marks) for title in titles)
    curve = next(drawing for drawing in marks if ">ROC</text>" in drawing)
    assert all(f">{rev}</text>" in curve for rev in ("workspace", "HEAD"))
    assert len(re.findall(r'aria-roledescription="line mark"', curve)) == 4  # two revisions, training and test
    assert len(re.findall(r'<img alt="eval/plots/importance.svg" src="data:image/svg\+xml;base64,', document)) == 2
