"""Our hooks run by the real pre-commit framework, as .pre-commit-hooks.yaml describes them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support import Repo, new_repo

from gitstage.hooks import framework, installer, managers

MANIFEST = Path(__file__).resolve().parents[2] / ".pre-commit-hooks.yaml"
IDS = [line.split()[-1] for line in MANIFEST.read_text().splitlines() if line.startswith("- id:")]


@pytest.fixture
def place(ran: Repo, tmp_path: Path) -> Repo:
    """A project whose hooks are all run by the framework; the environment is the tests' own, not one that pip makes."""
    source = new_repo(tmp_path / "gitstage", ran.env)
    source.write({".pre-commit-hooks.yaml": MANIFEST.read_text()})
    rev = source.commit("hooks")
    hooks = "".join(f"  - id: {name}\n    language: system\n" for name in IDS)
    types = "pre-commit, pre-merge-commit, post-checkout, post-merge, post-commit, post-rewrite, pre-push"
    config = f"default_install_hook_types: [{types}]\nrepos:\n- repo: {source.path}\n  rev: {rev}\n  hooks:\n{hooks}"
    ran.env["PRE_COMMIT_HOME"] = str(tmp_path / "pre-commit")
    ran.write({".pre-commit-config.yaml": config})
    ran.commit("framework")
    ran.run("pre-commit", "install", "--install-hooks", check=True)
    return ran


def test_every_hook(place: Repo, tmp_path: Path) -> None:
    place.write({"src": "two\n"})
    place.git("add", "src")
    refused = place.run("git", "commit", "-qm", "stale")
    assert refused.returncode == 1 and "stage 's': dependency src changed" in refused.stdout + refused.stderr
    place.git("checkout", "-q", "-b", "two")
    place.stage("repro", check=True)
    place.git("add", "-A")
    place.git("commit", "-qm", "two")

    place.git("checkout", "-q", "main")  # post-checkout
    assert place.read("out") == "one\n"
    place.git("checkout", "-q", "-b", "other")
    place.git("checkout", "-q", "-b", "side", "main")
    place.write({"note": "n\n"})
    place.commit("aside")
    place.git("merge", "-q", "--ff-only", "main")
    place.git("merge", "-q", "--no-edit", "two")  # pre-merge-commit, post-merge
    assert place.read("out") == "two\n"
    place.git("checkout", "-q", "other")
    place.git("cherry-pick", "two")  # post-commit
    assert place.read("out") == "two\n"
    place.git("reset", "-q", "--hard", "main")  # nothing the framework knows of
    place.git("checkout", "-q", "-f", "other")
    place.write({"note": "other\n"})
    place.commit("mine")
    place.git("rebase", "-q", "two")  # post-rewrite, and post-checkout before
    assert place.read("out") == "two\n"

    place.git("init", "-q", "--bare", str(tmp_path / "bare.git"))
    place.git("remote", "add", "origin", str(tmp_path / "bare.git"))
    place.git("push", "-q", "origin", "main", "two")  # pre-push


def test_what_the_framework_tells() -> None:
    env = {"PRE_COMMIT": "1", "PRE_COMMIT_FROM_REF": "a", "PRE_COMMIT_TO_REF": "b", "PRE_COMMIT_CHECKOUT_TYPE": "0"}
    env |= {"PRE_COMMIT_IS_SQUASH_MERGE": "1", "PRE_COMMIT_REWRITE_COMMAND": "amend"}
    assert framework.arguments("post-checkout", env) == ["a", "b", "0"]
    assert framework.arguments("post-merge", env) == ["1"]
    assert framework.arguments("post-rewrite", env) == ["amend"]
    assert framework.arguments("pre-commit", env) == []
    assert framework.arguments("post-checkout", env | {"PRE_COMMIT": ""}) is None


def test_without_arguments(ran: Repo) -> None:
    """By hand, or by a manager that hands none on: all is brought in line."""
    ran.remove("out")
    got = ran.run("git-gitstage", "hook", "post-checkout")
    assert (got.returncode, got.stderr, ran.read("out")) == (0, "", "one\n")


def test_a_merge_that_is_stale_is_refused(place: Repo) -> None:
    place.git("checkout", "-q", "-b", "side")
    place.write({"src": "two\n"})
    place.git("add", "src")
    place.git("commit", "-qm", "stale", "--no-verify")
    place.git("checkout", "-q", "main")
    place.write({"note": "n\n"})
    place.commit("aside")
    merged = place.run("git", "merge", "--no-edit", "side")
    assert merged.returncode != 0 and "stage 's'" in merged.stdout + merged.stderr
    assert place.exists(".git/MERGE_HEAD")


def test_install_for_the_framework(ran: Repo, tmp_path: Path) -> None:
    """DVC's option: the framework's configuration is written, or added to, and the framework runs ours."""
    ran.env["PRE_COMMIT_HOME"] = str(tmp_path / "pre-commit")
    config = ".pre-commit-config.yaml"
    done = ran.stage("install", "--use-pre-commit-tool", check=True).stdout.splitlines()
    assert done[0] == f"updated {config}"
    fresh = ran.read(config)
    theirs = (
        "# mine\nfail_fast: true\nrepos:   # all of them\n\n  # first\n  - repo: meta\n    hooks: [{id: identity}]\n"
    )
    ran.write({config: theirs})
    ran.stage("install", "--use-pre-commit-tool", check=True)
    text = ran.read(config)
    head, tail = theirs[: theirs.index("\n\n") + 1], theirs[theirs.index("\n\n") + 1 :]
    assert text.startswith(head) and text.endswith(tail)
    assert text[len(head) : -len(tail)].replace("\n  ", "\n").strip() == fresh.removeprefix("repos:\n").strip()
    again = ran.stage("install", "--use-pre-commit-tool", check=True).stdout.splitlines()
    assert again[0] == f"unchanged {config}"
    ran.run("pre-commit", "validate-config", check=True)
    ran.run("sh", "-c", again[-1], check=True)
    ran.write({"src": "two\n"})
    ran.git("add", "src")
    refused = ran.run("git", "commit", "-qm", "stale")
    assert refused.returncode == 1 and (refused.stdout + refused.stderr).count("commit refused") == 1
    assert ran.git("config", "merge.gitstage.driver")
    ran.write({config: "repos: []\n"})
    odd = ran.stage("install", "--use-pre-commit-tool")
    assert odd.returncode == 3 and "no list below `repos:`" in odd.stderr
    assert ran.read(config) == "repos: []\n"
    assert ran.stage("install", "--use-pre-commit-tool", "--global").returncode == 2


def test_install_leaves_to_the_framework_what_it_runs(place: Repo) -> None:
    """What no framework can run, post-index-change above all, is put beside it."""
    lines = place.stage("install", check=True).stdout.splitlines()
    left = [
        line.split(":")[0] for line in lines if ": left to pre-commit, which runs it by .pre-commit-config.yaml" in line
    ]
    assert left == installer.framework_types()
    beside = [hook.name for hook in installer.HOOKS if hook.name not in left]
    assert [line for line in lines if line.startswith("installed")] == [
        f"installed .git/hooks/{name}" for name in beside
    ]
    assert "post-index-change" in beside
    place.write({"src": "two\n"})
    place.git("add", "src")
    refused = place.run("git", "commit", "-qm", "stale")
    assert (refused.stdout + refused.stderr).count("commit refused") == 1
    # an entry that is no more: ours is put there
    place.write(
        {
            ".pre-commit-config.yaml": place.read(".pre-commit-config.yaml").replace(
                "- id: gitstage-post-merge", "# gone"
            )
        }
    )
    assert (
        "chained .git/hooks/post-merge: the hook of pre-commit runs first" in place.stage("install", check=True).stdout
    )


def test_the_configurations_in_the_documentation(tmp_path: Path) -> None:
    page = (MANIFEST.parent / "docs/hooks.md").read_text()
    names = ["pre-commit", "post-checkout", "post-merge", "post-commit", "post-rewrite"]
    for manager, file in ((managers.PRE_COMMIT, ".pre-commit-config.yaml"), (managers.LEFTHOOK, "lefthook.yml")):
        start = page.index(f"```yaml\n# {file}\n") + len("```yaml\n")
        (tmp_path / file).write_text(page[start : page.index("```", start)])
        for name in [*names, "pre-merge-commit"]:
            assert managers.configured(str(tmp_path), manager, name) == file
    subprocess.run(["pre-commit", "validate-config", str(tmp_path / ".pre-commit-config.yaml")], check=True)
    assert {f"gitstage-{name}" for name in names} < set(IDS)
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    subprocess.run(["lefthook", "validate"], cwd=tmp_path, check=True)


def test_the_manifest_is_what_the_framework_accepts() -> None:
    subprocess.run(["pre-commit", "validate-manifest", str(MANIFEST)], check=True)
