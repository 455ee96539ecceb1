"""One Git repository: where its parts lie, its settings, what it tracks and ignores, and its index and commits."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

from gitstage import fs
from gitstage.errors import Busy, ConfigError, GitstageError, NoProject, SystemFailure
from gitstage.git.ignorefile import ignore_line, own_lines, with_lines, without_lines
from gitstage.git.program import (
    EMPTY_TREE,
    Blobs,
    Program,
    chunks,
    complaint,
    git_command,
    ignored,
    not_started,
    parents,
    refuse_blind,
    split_names,
)
from gitstage.memo import Memo
from gitstage.processes import run
from gitstage.static import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:  # the trees are imported when one is asked for: most commands look at the work tree only
    from gitstage.git.attributes import Attributes
    from gitstage.git.objects import Entry, Library, Objects
    from gitstage.git.trees import CommitTree, IndexTree

_CONFIG = r"^(gitstage\..*|core\.(autocrlf|eol|sparsecheckout)|filter\..*\.(smudge|process))$"
_HEX = frozenset("0123456789abcdef")
_MERGED = "GITHEAD_"
# the second is for versions of Git that do not know the first; LFS has its own
_OFFLINE = {"GIT_NO_LAZY_FETCH": "1", "GIT_ALLOW_PROTOCOL": "none", "GIT_LFS_SKIP_SMUDGE": "1"}
_LOCK_WAIT = 2.0  # seconds that another process may hold Git's index
_WORDS = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False, "": False}


class Commit(NamedTuple):
    """A commit: its full id, those of the parents that are known here, the first line of its message."""

    id: str
    parents: tuple[str, ...]
    subject: str


class Touch(NamedTuple):
    """The last commit that changed a path: full id, author, ISO 8601 date, subject; empty if none did. `edited`: the
    work tree's file differs from it, or is not in Git."""

    commit: str
    author: str
    date: str
    subject: str
    edited: bool


class Repo:
    """The repository as the running Git sees it: in a shell, a hook, an alias, a linked work tree or a submodule.

    All paths that methods take and return are "/"-separated and count from the top of the work tree; names that are
    not UTF-8 hold surrogates, as `os.fsdecode` makes them. Every failure of Git is a GitstageError in Git's words.
    """

    backend: str = "auto"
    """"git" or "pygit2" to read trees with that one only; "auto" takes what starts sooner."""

    found_at: str | None = None
    """The commit that was checked out when the repository was discovered."""

    offline: bool = False
    """Let Git fetch nothing (a hook must not wait for a network): objects that a partial clone left out are missing."""

    def __init__(self, top: str | None, git_dir: str, common_dir: str, index_path: str, env: Mapping[str, str]) -> None:
        self.top, self.git_dir, self.common_dir, self.index_path = top, git_dir, common_dir, index_path
        here = {"GIT_DIR": git_dir}
        if top is None:
            here["GIT_IMPLICIT_WORK_TREE"] = "0"
        else:
            here["GIT_WORK_TREE"] = top
        if "GIT_INDEX_FILE" in env:
            here["GIT_INDEX_FILE"] = index_path
        if "GIT_COMMON_DIR" in env:
            here["GIT_COMMON_DIR"] = common_dir
        self._program = Program(top or git_dir, {**env, **here})
        self._config: dict[str, str] | None = None
        self._blobs: Blobs | None = None
        self._opened: Library | None = None
        self._shallow: frozenset[str] | None = None
        self._followed: set[str] = set()
        self._attributes: dict[tuple[tuple[str, str], ...], Attributes] = {}

    @classmethod
    def discover(cls, cwd: str | None = None) -> Repo | None:
        """The repository around `cwd`, or the one that GIT_DIR names; None if there is none.

        Raises NoProject if Git finds one but refuses it, because of its owner or because it is damaged.
        """
        env = dict(os.environ)
        if env.get("GIT_DIR"):
            cwd = None  # which is then all that says where the work tree is, in the hooks of a submodule for one
        elif env.get("GIT_WORK_TREE"):
            env["GIT_WORK_TREE"] = os.path.abspath(env["GIT_WORK_TREE"])
        asked = ["--git-dir", "--git-common-dir", "--git-path", "index", "--is-bare-repository", "--show-toplevel"]
        asked += ["--revs-only", "HEAD"]  # nothing before the first commit
        try:
            place = [] if cwd is None else ["-C", cwd]
            words = [git_command(), *place, "rev-parse", "--path-format=absolute", *asked]
            done = run(words, {**env, "LC_ALL": "C"})
        except OSError as error:
            raise not_started(error) from None
        lines = os.fsdecode(done.stdout).split("\n")[:-1]
        if lines and lines[0].startswith("--path-format"):
            raise GitstageError("git is too old", "install Git 2.31 or newer")
        has_top = done.returncode == 0
        head = lines.pop() if has_top and len(lines) == 6 else None
        if len(lines) != (5 if has_top else 4) or lines[3] not in ("true", "false"):
            if has_top or lines:
                raise NoProject("the path of the Git repository has a line break in it, or Git cannot name it")
            if b"(or any " in done.stderr and b"not a git repository" in done.stderr and not _has_repository(cwd):
                return None
            raise NoProject(complaint("rev-parse", done.stderr), _advice(done.stderr))
        top = os.path.realpath(lines[4]) if has_top else None
        found = cls(top, lines[0], lines[1], lines[2], env)
        found.found_at = head
        return found

    @property
    def state_dir(self) -> str:
        """Our state that all work trees of the repository share; it may not exist."""
        return os.path.join(self.common_dir, "gitstage")

    @property
    def worktree_state_dir(self) -> str:
        """Our state of this work tree; it may not exist."""
        return os.path.join(self.git_dir, "gitstage")

    # -- the program ---------------------------------------------------------------------------------------

    def git(
        self, *args: str, stdin: bytes | None = None, check: bool = True, locks: bool = False, offline: bool = False,
        none: bool = False,
    ) -> bytes:  # fmt: skip
        """What `git args` writes to stdout, run at the top of the work tree (of a bare repository: in its git dir).

        `check`: raise GitstageError with the first line of Git's complaint if it fails. `locks`: it may refresh
        the index on the way, as `git status` does. `offline`: it fetches nothing this time. `none`: exit code 1 says
        that there is nothing.
        """
        return self._running().run(
            *args, stdin=stdin, check=check, locks=locks, env=_OFFLINE if offline else None, none=none
        )  # fmt: skip

    def _running(self) -> Program:
        if self.offline and "GIT_NO_LAZY_FETCH" not in self._program.env:
            self._program.env.update(_OFFLINE)
        return self._program

    # -- settings ------------------------------------------------------------------------------------------

    def _configuration(self) -> dict[str, str]:
        if self._config is None:
            self._config = {}
            done = self._running().call("config", "-z", "--get-regexp", _CONFIG)
            if done.returncode not in (0, 1):
                raise ConfigError(complaint("config", done.stderr))
            for record in os.fsdecode(done.stdout).split("\0")[:-1]:
                key, has_value, value = record.partition("\n")
                self._config[key] = value if has_value else "true"
        return self._config

    def settings(self) -> Mapping[str, str]:
        """`gitstage.*` of the Git configuration, without that prefix, keys in lower case; the last value wins."""
        prefix = "gitstage."
        return {key[len(prefix) :]: value for key, value in self._configuration().items() if key.startswith(prefix)}

    def setting_bool(self, name: str, default: bool) -> bool:
        """A setting by Git's words for yes and no. Raises ConfigError on any other."""
        value = self.settings().get(name.lower())
        if value is None:
            return default
        number = value.lower()
        if number in _WORDS:
            return _WORDS[number]
        if number[-1:] in ("k", "m", "g"):
            number = number[:-1]
        try:
            return int(number, 10) != 0
        except ValueError:
            raise ConfigError(f"gitstage.{name}: {value!r} is neither true nor false") from None

    # -- files ---------------------------------------------------------------------------------------------

    def id(self, name: str) -> str | None:
        """The id of a commit by any name Git knows; None if there is none."""
        words = ("--verify", "-q", "--end-of-options", f"{name}^{{commit}}")
        return self.git("rev-parse", *words, check=False).decode().strip() or None

    def head(self) -> str | None:
        """The id of the commit that is checked out; None before the first commit."""
        return self.id("HEAD")

    def is_dirty(self) -> bool:
        """Does a tracked file differ from the last commit, staged or not?"""
        return bool(self.git("status", "--porcelain", "--untracked-files=no", locks=True))

    def last_touch(self, path: str) -> Touch | None:
        """Who last changed a file or folder (from the top); None if Git ignores it or has never seen it."""
        spec = f":(top,literal){path}"
        state = self.git("status", "--porcelain", "-z", "--untracked-files=all", "--", spec, locks=True, check=False)
        logged = self.git("log", "-1", "--format=%H%x00%an%x00%aI%x00%s", "--", spec, check=False)
        parts = os.fsdecode(logged).rstrip("\n").split("\0")
        if len(parts) == 4:
            return Touch(parts[0], parts[1], parts[2], parts[3], bool(state))
        return Touch("", "", "", "", True) if state else None

    def untracked(self) -> list[str]:
        """Every file that Git neither tracks nor ignores, from the top, sorted."""
        return sorted(split_names(self.git("ls-files", "-z", "--others", "--exclude-standard", "--", ":(top)")))

    def branch(self) -> str | None:
        """The short name of the branch that is checked out; None with a detached HEAD."""
        return os.fsdecode(self.git("symbolic-ref", "-q", "--short", "HEAD", check=False)).strip() or None

    def refs(self, under: str) -> dict[str, str]:
        """Names below `under`, such as "refs/tags/", that lead to commits -> the full id of the commit; sorted by name."""
        command = (
            "for-each-ref",
            "--format=%(refname)%00%(objecttype)%00%(objectname)%00%(*objecttype)%00%(*objectname)",
        )
        found = {}
        for line in os.fsdecode(self.git(*command, under)).splitlines():
            name, kind, id_, peeled_kind, peeled = line.split("\0")
            if "commit" in (kind, peeled_kind):
                found[name.removeprefix(under)] = id_ if kind == "commit" else peeled
        return found

    def commits(self) -> list[str]:
        """Full ids of every commit that a branch, a tag, a remote's branch or HEAD leads to, the newest first."""
        tips = ["HEAD"] if self.head() is not None else []
        return self.git("rev-list", "--branches", "--tags", "--remotes", *tips).decode().split()

    def holds(self, commit: str, folder: str) -> bool:
        """Has a commit (full id) this folder, relative to the top?"""
        return self._running().call("cat-file", "-e", f"{commit}:{folder}").returncode == 0

    def committed(self, rev: str, under: str) -> list[tuple[str, int, int | None]]:
        """(path, mode, size) of every file that commit `rev` has below folder `under` ("" = everywhere), relative to it.

        A submodule's size is None.
        """
        found = []
        for record in os.fsdecode(self.git("ls-tree", "-r", "-z", "-l", "--full-tree", f"{rev}:{under}")).split("\0")[
            :-1
        ]:
            about, _, path = record.partition("\t")
            mode, _, _, size = about.split()
            found.append((path, int(mode, 8), None if size == "-" else int(size)))
        return found

    def pipeline_files(self, under: str) -> list[str]:
        """`dvc.yaml`, `dvc.lock` and `*.dvc` files on disk below folder `under` ("" = everywhere) that Git does not ignore."""
        folder = "".join("\\" + c if c in "\\*?[" else c for c in under.strip("/"))
        folder = f":(top){folder}/" if folder else ":(top)"
        specs = [folder + spec for spec in ("*.dvc", "*dvc.yaml", "*dvc.lock")]
        listed = self.git("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *specs)
        found = []
        for path in sorted(set(split_names(listed))):
            *folders, name = path.split("/")
            is_one = name in ("dvc.yaml", "dvc.lock") or (name.endswith(".dvc") and name != ".dvc")
            if is_one and ".dvc" not in folders and fs.is_file(self._absolute(path)):
                found.append(path)
        return found

    def tracked(self, paths: Collection[str]) -> dict[str, str]:
        """Those of `paths` that are in the index, or have files below them there -> one such file."""
        wanted = set(paths)
        found: dict[str, str] = {}
        for part in chunks(sorted(path or "." for path in wanted)):
            for name in split_names(self.git("--literal-pathspecs", "ls-files", "-z", "--", *part)):
                for path in (*parents(name), ""):
                    if path in wanted:
                        found.setdefault(path, name)
        return found

    def ignored(self, paths: Collection[str]) -> set[str]:
        """Those of `paths` that some rule ignores, whether they are tracked or not."""
        if not paths:
            return set()
        return ignored(self._running(), paths)

    def ignore(self, path: str) -> str | None:
        """Make Git ignore `path`. Returns the .gitignore file that this changed, None if it was ignored already."""
        changed = self.ignore_all([path])
        return changed[0] if changed else None

    def ignore_all(self, paths: Collection[str]) -> list[str]:
        """Make Git ignore `paths`, each by a line in the .gitignore beside it unless a rule does already.

        Returns the .gitignore files that changed. Raises GitstageError, and changes nothing, if that cannot be done.
        """
        missing = self._not_ignored(paths)
        files: dict[str, list[bytes]] = {}
        for path in missing:
            fs.components(path)
            file, name = _beside(path)
            files.setdefault(file, []).append(name)
        before = {file: self._read(file) for file in files}
        if any(_has_lines(before[file] or b"", names) for file, names in files.items()):
            again = self._not_ignored(missing)  # for Git is silent about a .gitignore that it could not read
            if again != missing:
                return self.ignore_all(again)
        try:
            for file, names in files.items():
                target = self._absolute(file)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                fs.atomic_write(target, with_lines(before[file] or b"", [ignore_line(name) for name in names]))
            left = self._not_ignored([path for path in missing if not self._is_followed(path)])
            if left:
                raise GitstageError(f"{min(left)}: Git does not ignore it, whatever its .gitignore says")
        except BaseException:
            for file, data in before.items():
                self._write(file, data)
            raise
        self._followed.update(files)
        return list(files)

    def _is_followed(self, path: str) -> bool:
        """Was Git seen to follow the .gitignore beside `path`, which has an ordinary name? Its last line is then followed, too:
        no rule comes before it."""
        file, name = _beside(path)
        return file in self._followed and _ORDINARY.issuperset(name)

    def _not_ignored(self, paths: Collection[str]) -> list[str]:
        ignored = self.ignored(paths)
        return [path for path in dict.fromkeys(paths) if path not in ignored]

    def unignore(self, path: str) -> str | None:
        """Remove the line that `ignore` wrote for `path`. Returns the .gitignore file that this changed or deleted."""
        file, name = _beside(path)
        data = self._read(file)
        if data is None:
            return None
        left = without_lines(data, own_lines(name))
        if left == data:
            return None
        self._write(file, left or None)
        return file

    def _read(self, path: str) -> bytes | None:
        if os.path.islink(self._absolute(path)):
            raise GitstageError(f"{path}: is a symlink, which Git does not follow")
        try:
            with open(self._absolute(path), "rb") as stream:
                return stream.read()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _write(self, path: str, data: bytes | None) -> None:
        """Replace a file if its content is another; None deletes it."""
        if self._read(path) == data:
            return
        if data is None:
            fs.about_to_change(self._absolute(path), None)
            os.unlink(self._absolute(path))
        else:
            fs.atomic_write(self._absolute(path), data)

    def _absolute(self, path: str) -> str:
        return os.path.join(self._work_tree(), path)

    def _work_tree(self) -> str:
        if self.top is None:
            raise GitstageError(f"{self.git_dir}: has no work tree here")
        return self.top

    # -- the index -----------------------------------------------------------------------------------------

    def add(self, paths: Collection[str]) -> None:
        """Stage files, or that they are gone. Waits a little for another process; then raises Busy.

        In the hook of `git commit PATH`, where Git builds a second index, both are changed. Raises SystemFailure if Git
        passed over one of them.
        """
        gone = {path for path in paths if not fs.exists(self._absolute(path))}
        gone -= self.tracked(gone).keys() if gone else set()
        given = sorted(set(paths) - gone)
        if not given:
            return
        self._add(given, {})
        if os.path.basename(self.index_path).startswith("next-index-"):
            self._add(given, {"GIT_INDEX_FILE": os.path.join(self.git_dir, "index.lock")})
        for part in chunks(given):  # Git passes over what it cannot look at, and says that all is well
            left = split_names(self.git("--literal-pathspecs", "ls-files", "-z", "-o", "-m", "--", *part))
            for path in set(part).intersection(left):
                raise SystemFailure(f"git add: {path}: Git passed over it")

    def _add(self, paths: Sequence[str], env: Mapping[str, str]) -> None:
        command = ["--literal-pathspecs", "add", "--pathspec-from-file=-", "--pathspec-file-nul"]
        stdin = b"".join(os.fsencode(path) + b"\0" for path in paths)
        lock = os.fsencode(os.path.basename(env.get("GIT_INDEX_FILE", self.index_path))) + b".lock'"
        end, pause = time.monotonic() + _LOCK_WAIT, 0.01
        while True:
            done = self._running().call(*command, stdin=stdin, locks=True, env=env)
            if done.returncode == 0:
                refuse_blind("add", done.stderr)
                return
            if lock in done.stderr:
                if time.monotonic() >= end:
                    raise Busy(complaint("add", done.stderr), "end the other Git process, then repeat")
                time.sleep(pause)
                pause = min(pause * 2, 0.25)
            elif done.returncode == 1 and "--sparse" not in command and self._is_sparse():
                command.insert(2, "--sparse")
            else:
                raise GitstageError(complaint("add", done.stderr))

    def unstaged(self, paths: Sequence[str]) -> list[str]:
        """Files at or below `paths` that the work tree has otherwise than the index does."""
        found: set[str] = set()
        args = ["--literal-pathspecs", "diff", "--name-only", "-z", "--no-ext-diff", "--no-renames", "--"]
        for part in chunks(sorted(path or "." for path in paths)):
            found.update(split_names(self.git(*args, *part)))
        return sorted(found)

    def with_index(self, path: str) -> Repo:
        """The same repository with another index (absolute path of its file)."""
        made = Repo(self.top, self.git_dir, self.common_dir, path, {**self._program.env, "GIT_INDEX_FILE": path})
        made.offline = self.offline
        return made

    def _is_sparse(self) -> bool:
        return self._configuration().get("core.sparsecheckout", "").lower() in ("true", "yes", "on", "1")

    def staged(self) -> list[str]:
        """Paths at which the index that Git handed over differs from the last commit, sorted as Git does."""
        command = ("diff-index", "--cached", "--name-only", "-z", "--no-renames", "--ita-invisible-in-index")
        done = self._running().call(*command, "HEAD", "--")
        if done.returncode == 0:
            return split_names(done.stdout)
        if self.head() is not None:
            raise GitstageError(complaint("diff-index", done.stderr))
        size = 64 if self.git("rev-parse", "--show-object-format").strip() == b"sha256" else 40
        return split_names(self.git(*command, EMPTY_TREE[size], "--"))

    def index(self, prefix: str, memo: Memo, *, bulk: bool = False) -> IndexTree:
        """The index that Git handed over, seen from folder `prefix` ("" = the top).

        `bulk`: many questions will follow, so that loading pygit2 (about 0.1 s) pays.
        """
        from gitstage.git.attributes import Attributes
        from gitstage.git.objects import LibraryIndex, ProgramIndex, Switching
        from gitstage.git.trees import IndexTree

        top = self._work_tree()
        objects: Objects = ProgramIndex(self._running(), self._contents(), self.index_path)
        if self._takes_library(bulk):
            objects = Switching(lambda: LibraryIndex(self._library(), self._program, self.index_path), objects)

        def rules() -> list[Entry] | None:
            """None if all lie in the work tree, as they do outside a sparse checkout: then those count, as for Git."""
            found = _attribute_files(objects.special())
            return None if all(os.path.lexists(os.path.join(top, entry.path)) for entry in found) else found

        attributes = Attributes(self._program, self._configuration(), objects, rules)
        return IndexTree(objects, attributes, prefix, memo, "the index", self._program, top)

    def commit(self, rev: str, prefix: str, memo: Memo, *, bulk: bool = False) -> CommitTree:
        """The files of commit `rev` (any name Git knows), seen from folder `prefix`. `bulk`: see `index`.

        Raises GitstageError if there is no such commit.
        """
        from gitstage.git.attributes import Attributes
        from gitstage.git.objects import LibraryCommit, ProgramCommit, Switching
        from gitstage.git.trees import CommitTree

        with_library = self._takes_library(bulk)
        commit = rev
        if not with_library or len(rev) not in (40, 64) or not _HEX.issuperset(rev):
            commit = self.id(rev) or ""
        if not commit:
            raise GitstageError(f"{rev}: is no commit here")
        objects: Objects = ProgramCommit(self._running(), self._contents(), commit)
        if with_library:
            objects = Switching(lambda: LibraryCommit(self._library(), commit), objects)
        special = objects.special()
        rules = _attribute_files(special)
        key = tuple((entry.path, entry.id) for entry in rules)
        if key not in self._attributes:
            self._attributes[key] = Attributes(self._program, self._configuration(), objects, lambda: rules)
        return CommitTree(objects, self._attributes[key], prefix, memo, rev, special, self._running())

    def history(self, *revisions: str, walk: bool = True, stdin: Sequence[str] = ()) -> list[Commit]:
        """Commits, oldest first, by words that `git rev-list` understands; `stdin` holds more names, ahead of them.

        `walk`: also what they are based on. Raises GitstageError with Git's words if one is no commit.
        """
        words = ["--reverse", "--topo-order", "--format=%H%x00%P%x00%s", *([] if walk else ["--no-walk=unsorted"])]
        given = "".join(f"{word}\n" for word in stdin).encode()
        output = self.git("rev-list", *words, *(["--stdin"] if stdin else []), *revisions, "--", stdin=given)
        lines = output.decode("utf-8", "replace").split("\n")
        found = (line.split("\0", 2) for line in lines if "\0" in line)
        return [Commit(id_, tuple(parents.split()), subject) for id_, parents, subject in found]

    def tip(self) -> Commit | None:
        """The commit that is checked out; None before the first one."""
        try:
            found = self.history("HEAD", walk=False)
        except GitstageError:
            if self.head() is None:
                return None
            raise
        return found[0]

    def merged(self, commit: str) -> list[str]:
        """Paths at which a merge commit differs from every one of its parents."""
        return split_names(self.git("diff-tree", "-c", "-r", "-z", "--name-only", "--no-commit-id", commit, "--"))

    def changed(self, old: str, new: str) -> list[str]:
        """Paths at which two commits (full ids) differ."""
        if self._takes_library(False):
            from gitstage.git.objects import library_errors

            with contextlib.suppress(*library_errors()):
                return self._library().changed(old, new)
        return split_names(self.git("diff-tree", "-r", "-z", "--name-only", "--no-renames", old, new, "--"))

    @property
    def is_shallow(self) -> bool:
        """Does this clone know only a part of the history?"""
        return bool(self._ends())

    def _ends(self) -> frozenset[str]:
        if self._shallow is None:
            try:
                with open(os.path.join(self.common_dir, "shallow"), encoding="ascii") as stream:
                    self._shallow = frozenset(stream.read().split())
            except OSError:
                self._shallow = frozenset()
        return self._shallow

    def hidden_parents(self, commit: str) -> int:
        """How many parents `commit` (full id) has that this clone, a shallow one, does not know."""
        if commit not in self._ends():
            return 0
        head = self.git("cat-file", "commit", commit).partition(b"\n\n")[0]
        return sum(line.startswith(b"parent ") for line in head.split(b"\n"))

    def others(self) -> list[str]:
        """Ids of the commits that a merge or cherry-pick under way brings in.

        While pre-merge-commit runs, they are told by the environment only. Source: Git's builtin/merge.c.
        """
        found = [name[len(_MERGED) :] for name in self._program.env if name.startswith(_MERGED)]
        for name in ("MERGE_HEAD", "CHERRY_PICK_HEAD"):
            with contextlib.suppress(OSError), open(os.path.join(self.git_dir, name), encoding="ascii") as stream:
                found += stream.read().split()
        return list(dict.fromkeys(found))

    def _takes_library(self, bulk: bool) -> bool:
        return self.backend == "pygit2" or (self.backend == "auto" and (bulk or "pygit2" in sys.modules))

    def _library(self) -> Library:
        if self._opened is None:
            from gitstage.git.objects import Library

            self._opened = Library(self.git_dir, self.common_dir, self._program.env)
        return self._opened

    def _contents(self) -> Blobs:
        if self._blobs is None:
            self._blobs = Blobs(self._program)
        return self._blobs

    def contents(self, ids: Collection[str]) -> dict[str, bytes]:
        """Blob id -> content. Raises GitstageError if an object is missing."""
        found: dict[str, bytes] = {}
        self._running()
        self._contents().each(list(dict.fromkeys(ids)), found.__setitem__)
        return found

    # -- places --------------------------------------------------------------------------------------------

    def hooks_dir(self) -> str:
        """The folder that Git takes this work tree's hooks from (absolute; it may not exist)."""
        return os.fsdecode(self.git("rev-parse", "--path-format=absolute", "--git-path", "hooks")).removesuffix("\n")

    def worktrees(self) -> list[str]:
        """The absolute paths of the repository's work trees, the main one first; a bare repository has none itself."""
        return [place for place, is_bare in self._worktree_list() if not is_bare]

    def main_worktree(self) -> str | None:
        """The work tree that the repository was made with; None if it is bare.

        With --separate-git-dir Git itself does not know it, and names its own folder.
        """
        place, is_bare = self._worktree_list()[0]
        if is_bare:
            return None
        # of a submodule, Git's list names the git dir
        done = self._running().call("config", "core.worktree", env={"GIT_DIR": self.common_dir})
        named = os.fsdecode(done.stdout).removesuffix("\n")
        return os.path.normpath(os.path.join(self.common_dir, named)) if named else place

    def _worktree_list(self) -> list[tuple[str, bool]]:
        done = self._running().call("worktree", "list", "--porcelain", "-z")
        fields = os.fsdecode(done.stdout).split("\0")
        if done.returncode:  # before Git 2.36
            fields = os.fsdecode(self.git("worktree", "list", "--porcelain")).split("\n")
        return _worktrees(fields)


_ORDINARY = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")


def _beside(path: str) -> tuple[str, bytes]:
    """The .gitignore in the folder of `path`, and the name that `path` has there."""
    folder, _, name = path.rpartition("/")
    return f"{folder}/.gitignore" if folder else ".gitignore", os.fsencode(name)


def _has_lines(data: bytes, names: Iterable[bytes]) -> bool:
    """Does a .gitignore have a line for one of `names`, whatever comes after it?"""
    lines = {line.rstrip(b"\r") for line in data.split(b"\n")}
    return any(not lines.isdisjoint(own_lines(name)) for name in names)


def _attribute_files(entries: Iterable[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.path.rpartition("/")[2] == ".gitattributes"]


def _worktrees(fields: Iterable[str]) -> list[tuple[str, bool]]:
    found: list[tuple[str, bool]] = []
    for field in fields:
        if field.startswith("worktree "):
            found.append((field.removeprefix("worktree "), False))
        elif field == "bare":
            found[-1] = (found[-1][0], True)
    return found


def _has_repository(cwd: str | None) -> bool:
    """Is there what Git should have found? What cannot be read does not count as absent."""
    folder = os.path.realpath(cwd or os.getcwd())
    while True:
        place = os.path.join(folder, ".git")
        if fs.is_file(place) or fs.is_file(os.path.join(place, "HEAD")):
            return True
        parent = os.path.dirname(folder)
        if parent == folder:
            return False
        folder = parent


def _advice(stderr: bytes) -> str | None:
    """The command that Git itself advises, if any."""
    lines = os.fsdecode(stderr).splitlines()
    return next((line.strip() for line in lines if line.startswith("\tgit ")), None)
