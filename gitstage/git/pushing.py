"""What a push makes public: the changes of pipeline files in commits that the other side does not have yet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gitstage.git.repo import Repo

_RECORDS = ("*.dvc", "*dvc.lock")


@dataclass(frozen=True, slots=True)
class Update:
    """A ref that a push moves, as Git tells the hook pre-push; ids of nothing are all zeros."""

    local_ref: str
    local_id: str
    remote_ref: str
    remote_id: str

    @property
    def deletes(self) -> bool:
        return not self.local_id.strip("0")


@dataclass(frozen=True, slots=True)
class Changed:
    """A `.dvc` or `dvc.lock` file (`path` from the top) that `commit` changed. `blob`: its id; `before`: the blobs that
    parents have there; `is_new`: no parent has this one."""

    commit: str
    path: str
    blob: str
    before: tuple[str, ...]
    is_new: bool


def parse_updates(data: bytes) -> list[Update]:
    """The lines that Git writes to the hook's stdin. A local ref may hold spaces (`HEAD@{1 day ago}`)."""
    found = []
    for line in os.fsdecode(data).splitlines():
        fields = line.rsplit(" ", 3)
        if len(fields) == 4:
            found.append(Update(*fields))
    return found


def changed(repo: Repo, updates: Iterable[Update], remote: str) -> list[Changed]:
    """What the commits change that `updates` take to Git's `remote` (a name or a URL), newest commits first."""
    updates = list(updates)
    tips = _commits(repo, [update.local_id for update in updates if not update.deletes])
    known = _commits(repo, [update.remote_id for update in updates if update.remote_id.strip("0")])
    if not tips:
        return []
    revs = "".join(f"{tip}\n" for tip in tips) + "".join(f"^{id_}\n" for id_ in known)
    listed = repo.git("rev-list", "--parents", "--stdin", "--not", f"--remotes={remote}", stdin=revs.encode())
    parents = {line.split(" ")[0]: line.count(" ") for line in listed.decode().splitlines()}
    if not parents:
        return []
    raw = repo.git(
        *("diff-tree", "--stdin", "-r", "-m", "--root", "--raw", "-z", "--no-abbrev", "--no-renames"),
        *("--diff-filter=d", "--", *_RECORDS), stdin="".join(f"{commit}\n" for commit in parents).encode(),
    )  # fmt: skip
    return _of_raw(raw, parents)


def _commits(repo: Repo, ids: Sequence[str]) -> list[str]:
    """The commits that `ids` are or, as tags, point to; what is no commit, or not here, is left out."""
    wanted = "".join(f"{id_}^{{commit}}\n" for id_ in dict.fromkeys(ids))
    if not wanted:
        return []
    lines = repo.git("cat-file", "--batch-check", stdin=wanted.encode(), offline=True).decode().splitlines()
    return [line.split(" ")[0] for line in lines if line.split(" ")[1:2] == ["commit"]]


def _of_raw(raw: bytes, parents: dict[str, int]) -> list[Changed]:
    """Source of the format: git-diff-tree(1), "raw output format", with -z and the ids of commits between."""
    before: dict[tuple[str, str, str], list[str]] = {}
    fields = iter(os.fsdecode(raw).split("\0"))
    commit = ""
    for field in fields:
        if not field.startswith(":"):
            commit = field or commit
            continue
        _, mode, old, new, _ = field.split(" ")
        path = next(fields)
        if mode.startswith("100"):
            before.setdefault((commit, path, new), []).append(old)
    return [
        Changed(commit, path, new, tuple(id_ for id_ in old if id_.strip("0")), len(old) >= parents.get(commit, 1))
        for (commit, path, new), old in before.items()
    ]
