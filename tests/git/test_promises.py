"""What went wrong in some simpler design has a test each, and that test exists."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
VERB = "git/test_every_verb.py::test_data_follows"
KIND = "git/test_layouts.py::test_data_follows_and_no_commit_lies"

PROMISES = {
    "commit -a": "git/test_hooks.py::test_commit_all",
    "commit path": "git/test_hooks.py::test_commit_of_paths_is_judged_by_those_paths",
    "commit -p, -i": "git/test_commits.py::test_parts_of_what_changed",
    "commit --amend": "git/test_hooks.py::test_amend",
    "commit from a subdirectory": "git/test_hooks.py::test_from_a_subdirectory",
    "commit in a linked worktree": "git/test_hooks.py::test_linked_worktree_is_judged_by_its_own_index",
    "commit in a submodule": "git/test_git_in_hooks.py::test_forms_of_commit[submodule]",
    "commit with a separate git dir": f"{KIND}[separate_git_dir]",
    "GIT_DIR and GIT_WORK_TREE": f"{KIND}[named_by_environment]",
    "core.worktree": f"{KIND}[core_worktree]",
    "bare with worktrees": f"{KIND}[worktree_of_bare]",
    "unborn HEAD": "git/test_hooks.py::test_first_commit",
    "the user's GIT_INDEX_FILE": "git/test_commits.py::test_an_index_of_the_users_own",
    "conflict in dvc.lock": "git/test_commits.py::test_a_conflict_in_the_lock",
    "add -N dvc.lock": "git/test_commits.py::test_only_an_intent_to_add",
    "split index": f"{KIND}[split_index]",
    "sparse checkout": f"{KIND}[sparse_checkout]",
    "sparse index": f"{KIND}[sparse_index]",
    "sha256": f"{KIND}[sha256]",
    "reftable": f"{KIND}[reftable]",
    "blobless clone with the network cut": f"{KIND}[blobless]",
    "repository of another owner": "git/test_commits.py::test_another_owner_whom_the_user_trusts",
    "autocrlf=true with LF file": "git/test_commits.py::test_line_ends_that_lie_otherwise_than_they_would_be_written",
    "filter like that of LFS": "git/test_commits.py::test_a_filter_like_that_of_large_files",
    "odd names": "git/test_commits.py::test_odd_names",
    "names with a line break": "git/test_relevance.py::test_shell_and_python_agree[a line break]",
    "names that are not UTF-8": "git/test_git_trees.py::test_names_that_are_not_utf8",
    "nested negated .gitignore": "git/test_git_repo.py::test_rules_from_anywhere",
    "tracked output": "git/test_relevance.py::test_shell_and_python_agree[an output that is tracked]",
    "rebase, ff": f"{VERB}[rebase, ff]",
    "rebase with conflict and abort": f"{VERB}[rebase, conflict, abort]",
    "rebase -x": f"{VERB}[rebase -i, exec]",
    "autostash": f"{VERB}[rebase, autostash]",
    "merge, ff": f"{VERB}[merge, ff only]",
    "merge, true": f"{VERB}[merge]",
    "merge, squash": f"{VERB}[merge --squash]",
    "merge, conflict": f"{VERB}[merge, conflict, theirs, commit]",
    "checkout -f of the same branch": f"{VERB}[checkout -f]",
    "checkout -- dvc.lock": f"{VERB}[checkout files]",
    "switch --orphan": f"{VERB}[switch, orphan]",
    "clone via template": f"{VERB}[clone from a template]",
    "worktree add from a subdirectory": "git/test_layouts.py::test_real_dvc_in_a_new_worktree_shares_the_cache",
    "Ctrl-C in a hook": "faults/test_interrupted_hook.py::test_ctrl_c",
    "Python vanished": "git/test_installer.py::test_python_is_gone",
    "relative core.hooksPath": "git/test_installer.py::test_hooks_path_of_the_repository",
    "husky": "git/test_beside.py::test_husky_keeps_ours_when_it_writes_its_files_again",
    "empty core.hooksPath": "git/test_installer.py::test_an_empty_hooks_path_is_refused",
    "chain with pre-push stdin": "git/test_installer.py::test_a_real_push_tells_both",
    "pre-commit framework with unstaged dvc.lock": "git/test_beside.py::test_pre_commit_hides_unstaged_changes_from_ours",
    "push of two refs, delete, tag, dry run, unknown remote oid": "git/test_pre_push.py::test_all_kinds_of_updates",
    "merges with the driver missing": "git/test_merge.py::test_without_the_driver_git_merges_by_lines",
    "global core.hooksPath": "git/test_installer.py::test_hooks_path_of_the_user_is_refused",
    "malicious output paths": "git/test_commits.py::test_outputs_of_a_strangers_branch",
    "malicious paths in a manifest": "cli/test_checkout.py::test_manifest_that_leaves_the_directory_is_refused",
    "dispatcher: what is ours": "cli/test_shim.py::test_ours",
    "dispatcher: what is Git's, and git stage -- run": "cli/test_shim.py::test_gits_own",
    "dispatcher: loops": "cli/test_shim.py::test_wrappers_that_call_git_again",
}


@cache
def functions_and_text(path: str) -> tuple[set[str], str]:
    text = (TESTS / path).read_text()
    return {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}, text


@pytest.mark.parametrize("promise", PROMISES)
def test_it_has_a_test(promise: str) -> None:
    path, _, test = PROMISES[promise].partition("::")
    name, _, case = test.rstrip("]").partition("[")
    functions, text = functions_and_text(path)
    assert name in functions
    assert not case or f'"{case}"' in text or f"{case}," in text or f"[{case}]" in text
