"""One project, opened once: its repository, configuration, trees, memo, cache and locks."""

from __future__ import annotations

import contextlib
import json
import os
import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from types import TracebackType

from gitstage import config, formats, fs, processes, trust
from gitstage.cache import Cache
from gitstage.config import Config, config_path
from gitstage.digest import Digest
from gitstage.errors import ConfigError, GitstageError, NoProject, PipelineError, SystemFailure
from gitstage.fs import Root, Scratch
from gitstage.git import Repo
from gitstage.locks import PathLocks, RepoLock
from gitstage.memo import Memo
from gitstage.parsed import Remembered
from gitstage.pipeline import Loader, Pipeline, is_outside, relative
from gitstage.runcache import RunCache
from gitstage.static import TYPE_CHECKING, Any, NoReturn
from gitstage.store import Store
from gitstage.tree import Measured, Tree, WorkTree

if TYPE_CHECKING:
    from gitstage.journal import Journal
    from gitstage.remote import Remote

_STATE = ("tmp", "cache")
STATE_FILE = "outputs.json"
"""In Git's folder of the work tree; see read_state."""


def _join(repo: Repo, root: str, name: str) -> str:
    """A file of the project at `root`, relative to the top of the Git work tree."""
    return os.path.relpath(os.path.join(root, name), os.path.realpath(repo.top or root)).replace(os.sep, "/")


def find_root(start: str) -> str | None:
    """The nearest folder at or above `start` that holds `.dvc/`; None if there is none."""
    folder = os.path.realpath(start)
    while True:
        if fs.is_dir(os.path.join(folder, ".dvc")):
            return folder
        parent = os.path.dirname(folder)
        if parent == folder:
            return None
        folder = parent


class Project:
    """A project at `root` (absolute). `cwd`: where the user stands, relative to it ("" at the root)."""

    def __init__(self, root: str, cwd: str = "", repo: Repo | None = None, *, config: str | None = None) -> None:
        """`config`: the text to take for `.dvc/config`, whatever is on disk."""
        self.root, self.cwd = root, cwd
        self.dvc_dir = os.path.join(root, ".dvc")
        self.tmp_dir = os.path.join(self.dvc_dir, "tmp")
        instead = None if config is None else {config_path("repo", self.dvc_dir): config}
        self.config = Config.load(self.dvc_dir, instead=instead)
        self._repo = repo
        self.folder = Root(root)
        self.scratch = Scratch(os.path.join(self.tmp_dir, "gitstage"), self.folder)
        self.scratch.recorder = self._about_to_change
        fs.use_scratch(self.scratch)
        self.recovered: list[str] = []
        state = [*trust.links(self.dvc_dir, _STATE), *trust.links(self.tmp_dir), *trust.links(self.scratch.parent)]
        self._refuse_links(state)

    def _refuse_links(self, found: Sequence[str]) -> None:
        """Raise UnsafePath for a symlink that leads out of the repository, and came along with it."""
        if not found or self.repo is None or self.repo.top is None:
            return
        out = {os.path.relpath(path, self.root): path for path in trust.leading_out(found, self.repo.top)}
        for path in self.repo.tracked([self.in_repo(name.replace(os.sep, "/")) for name in out]) if out else ():
            shown = self.from_repo(path)
            raise fs.UnsafePath(
                f"{shown}: is a symlink out of the repository, and tracked by Git", f"git rm --cached {shown}"
            )

    @classmethod
    def open(cls, cwd: str | None = None) -> Project:
        """The project around `cwd` (default: the current folder). Raises NoProject if there is none."""
        here = os.path.realpath(cwd or os.getcwd())
        root = find_root(here)
        if root is None:
            refuse_no_project(here)
        below = os.path.relpath(here, root).replace(os.sep, "/")
        return cls(root, "" if below == "." else below)

    @classmethod
    def of_tree(cls, repo: Repo, prefix: str, config: bytes | None) -> Project:
        """The project that a commit or the index has in folder `prefix`, with its own `.dvc/config`.

        Nothing of it need be on disk, and in a bare repository nothing is. Raises ConfigError for a bad `config`.
        """
        try:
            text = None if config is None else config.decode()
        except UnicodeDecodeError as error:
            raise ConfigError(f"{posixpath.join(prefix, '.dvc/config')}: not UTF-8 at byte {error.start}") from None
        found = cls(os.path.normpath(os.path.join(repo.top or repo.git_dir, prefix)), "", repo, config=text)
        found.__dict__["prefix"] = prefix
        return found

    @classmethod
    def create(
        cls, directory: str, *, no_scm: bool = False, subdir: bool = False, force: bool = False, layout: int = 3
    ) -> Project:
        """Make a project in `directory`, as `dvc init` does, and stage its files.

        Raises NoProject outside Git (unless `no_scm`), GitstageError if there is a project already (unless `force`) or
        the folder is not the top of the repository (unless `subdir`).
        """
        root = os.path.realpath(directory)
        if not os.path.isdir(root):
            raise GitstageError(f"{directory}: is not a folder")
        repo = None if no_scm else Repo.discover(root)
        if repo is None and not no_scm:
            raise NoProject(f"{root}: is not inside a Git repository", "git init, or git stage init --no-scm")
        if repo is not None and repo.top is None:
            raise NoProject(f"{root}: the Git repository has no work tree")
        if repo is not None and os.path.realpath(repo.top or root) != root and not subdir:
            raise GitstageError(f"{root}: is not the top of the Git repository", "git stage init --subdir")
        dvc_dir = os.path.join(root, ".dvc")
        if fs.exists(dvc_dir):
            if not force and not _is_unfinished(repo, root):
                raise GitstageError(f"{dvc_dir}: exists already", "git stage init -f replaces it, with the cache in it")
            fs.remove_any(dvc_dir)
        if repo is not None and repo.ignored([_join(repo, root, ".dvc/config")]):
            raise GitstageError(f"{dvc_dir}: is ignored by Git", "git check-ignore -v .dvc/config")
        ignore = os.path.join(root, ".dvcignore")
        had_ignore = fs.exists(ignore)
        try:
            if repo is not None and layout == 2:
                repo.git("config", "gitstage.layout", "2", locks=True)
            files = _make_files(root, no_scm=no_scm)
            if repo is not None:
                repo.add([_join(repo, root, name) for name in files])
            with open(os.path.join(dvc_dir, *_FINISHED), "a"):
                pass
        except BaseException:
            fs.use_scratch(None)
            with contextlib.suppress(OSError):
                fs.remove_any(dvc_dir)
            with contextlib.suppress(OSError):
                if not had_ignore:
                    fs.remove_any(ignore)
            raise
        return cls(root, "", repo)

    def __enter__(self) -> Project:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Keep what was learnt and tidy up. What was moved aside and not settled returns."""
        try:
            if self.is_journalled:
                self.journal.finish()
        finally:
            if "memo" in self.__dict__:
                self.memo.close()
            fs.use_scratch(None)
            self.scratch.close()
            self.folder.close()

    @property
    def kept_dir(self) -> str:
        """Where bytes go that exist nowhere else and had to make room: what a failed command wrote where an earlier
        output returned, and earlier outputs that no cache has."""
        return os.path.join(self.scratch.parent, "kept")

    @property
    def _undo_dir(self) -> str:
        return os.path.join(self.scratch.parent, "undo")

    @cached_property
    def journal(self) -> Journal:
        """What the command at work replaces and removes is written down there, for undo."""
        from gitstage.journal import Journal

        return Journal(
            self._undo_dir, self.folder, self.scratch,
            lambda: self.repo.settings().get("undokeep") if self.repo is not None else None, self.restored,
        )  # fmt: skip

    @property
    def is_journalled(self) -> bool:
        """Has anything been asked of the journal yet?"""
        return "journal" in self.__dict__

    def _about_to_change(self, absolute: str) -> None:
        if absolute.startswith(self.root + os.sep) and not absolute.startswith(self.dvc_dir + os.sep):
            self.journal.text(absolute)

    def let_go(self, path: str, measured: Measured | None, *, kept: str | None = None) -> str | None:
        """What was moved aside from `path`, and held what was `measured`, has been replaced: undo may want it back.

        `kept`: it can be had from nowhere else, and goes to that folder of `kept_dir` for good; its place is returned.
        """
        if kept is not None:
            place = self.scratch.keep(path, os.path.join(self.kept_dir, kept))
            self.journal.was(path, {"place": os.path.relpath(place, self.kept_dir).replace(os.sep, "/")})
            self.journal.flush()
            return place
        location = self.scratch.aside(path)
        if location is None or not self.journal.is_on:
            return None
        if not os.path.lexists(location):
            self.journal.was(path, None)
        else:
            from gitstage.journal import describe

            state = describe(self.cache, location, measured)
            if state is None:
                self.journal.keep(path, location)
            else:
                self.journal.was(path, state)
        self.journal.flush()
        return None

    def whole(self) -> contextlib.AbstractContextManager[None]:
        """Around what is to be done wholly or not at all: see Scratch.whole."""
        return self.scratch.whole(self.kept_dir)

    def sweep(self) -> None:
        """Tidy up behind killed processes of ours."""
        processes.sweep(self.tmp_dir, r"(rwlock|config)\.(?P<pid>\d+)\.tmp")
        if self.repo is not None:
            processes.sweep(self.repo.worktree_state_dir, r".+\.(?P<pid>\d+)(\.tmp)?")
        self._look_after_boot()
        if fs.is_dir(self.scratch.parent):
            self.recovered = self.scratch.sweep(self.kept_dir)
            if self.scratch.dead:
                self.cache.sweep(self.scratch.dead)
            if any("-" not in name for name in fs.names(self._undo_dir)):
                from gitstage.journal import bury

                bury(self._undo_dir, self.scratch.parent)

    def _look_after_boot(self) -> None:
        """The first command after a start of the machine, which a power failure may have stopped."""
        booted = fs.booted_at()
        folder = self.repo.state_dir if self.repo else self.scratch.parent
        note = os.path.join(folder, "boot")
        with contextlib.suppress(OSError):
            found = fs.look(note)
            if booted is not None and (found is None or found.st_mtime_ns < booted):
                if found is not None:
                    self.cache.unprotect_last(booted, found.st_mtime_ns)
                os.makedirs(folder, mode=0o700, exist_ok=True)
                with open(note, "w"):
                    os.utime(note)

    @cached_property
    def repo(self) -> Repo | None:
        """The Git repository around the project; None with `core.no_scm`."""
        if self._repo is not None or self.config.no_scm:
            return self._repo
        return Repo.discover(self.root)

    @cached_property
    def prefix(self) -> str:
        """The root, relative to the top of the Git work tree ("" if they are the same)."""
        if self.repo is None or self.repo.top is None:
            return ""
        below = os.path.relpath(self.root, self.repo.top).replace(os.sep, "/")
        return "" if below == "." else below

    def relative(self, path: str) -> str:
        """A root-relative path as seen from where the user stands."""
        return relative(path, self.cwd)

    def inside(self, path: str | None) -> str:
        """A path as typed, root-relative ("" is the root, also for None). Raises GitstageError if it leads out."""
        found = "" if path is None else posixpath.normpath(posixpath.join(self.cwd, path))
        if is_outside(found):
            raise GitstageError(f"{path}: is not in the project {self.root}")
        return "" if found == "." else found

    def in_repo(self, path: str) -> str:
        """A root-relative path, relative to the top of the Git work tree."""
        return posixpath.normpath(posixpath.join(self.prefix, path)) if self.prefix else path

    def from_repo(self, path: str) -> str:
        """The reverse of `in_repo`."""
        return posixpath.relpath(path, self.prefix) if self.prefix else path

    @cached_property
    def memo(self) -> Memo:
        folder = self.repo.state_dir if self.repo else self.scratch.parent
        return Memo(os.path.join(folder, "memo.db"))

    @cached_property
    def worktree(self) -> WorkTree:
        return WorkTree(self.root, self.memo, self._find_pipeline_files if self.repo else None)

    def _find_pipeline_files(self) -> list[str]:
        assert self.repo is not None
        return [self.from_repo(path) for path in self.repo.pipeline_files(self.prefix)]

    @cached_property
    def cache_dir(self) -> str:
        """Where the cache is: as configured; by default `.dvc/cache`, in a linked worktree the main worktree's.

        Raises ConfigError, or UnsafePath, where a repository's own files may not decide that.
        """
        if self.config.get("cache.dir") is None and self.repo is not None and self.repo.git_dir != self.repo.common_dir:
            main = self.repo.main_worktree()
            shared = os.path.join(main, self.prefix, ".dvc") if main is not None else ""
            if os.path.isdir(shared):
                return Config.load(shared).cache_dir  # which its config.local may have elsewhere
        folder = self.config.cache_dir
        if self.config.get("cache.dir") is not None:
            self._refuse_folder(folder, "cache", None, "dir")
        if folder.startswith(self.root + os.sep):
            parts = (folder, f"{folder}/files", f"{folder}/files/md5", f"{folder}/runs")
            self._refuse_links([path for part in parts for path in trust.links(part)])
        return folder

    def _refuse_folder(self, path: str, section: str, name: str | None, key: str) -> None:
        """Raise ConfigError if only a stranger's `.dvc/config` has our files go to the folder `path`."""
        if not trust.is_brought(self.dvc_dir, section, name, key):
            return
        refusal = trust.refusal(path, ".".join(filter(None, (section, name, key))), self._top)
        if refusal is not None and (trust.is_gits(path, self._top) or self._came_along(section, name, key)):
            raise refusal

    def _came_along(self, section: str, name: str | None, key: str) -> bool:
        """Did this setting of `.dvc/config` come by a clone or fetch, as far as the branches of Git's remotes tell?"""
        if self.repo is None or not self.repo.git("for-each-ref", "--count=1", "refs/remotes"):
            return False
        found: Any = config.ConfigFile("repo", self.dvc_dir).sections.get(section, {})
        value = (found if name is None else found.get(name, {})).get(key)
        path = self.in_repo(".dvc/config")
        if not isinstance(value, str) or not value or "%(" in value:
            return bool(self.repo.git("rev-list", "-1", "--remotes", "--", f":(literal){path}"))
        changes = ["log", "-1", "-m", "--format=%H", "--remotes", f"-S{value}", "--", f":(literal){path}"]
        return bool(self.repo.git(*changes))

    @property
    def _top(self) -> str:
        return (self.repo.top if self.repo is not None else None) or self.root

    @cached_property
    def cache(self) -> Cache:
        return Cache(
            self.cache_dir, types=self.config.cache_types, shared=self.config.cache_shared,
            memo=self.memo, scratch=self.scratch, others_use=self.is_cache_outside,
        )  # fmt: skip

    @property
    def is_cache_outside(self) -> bool:
        """Is the cache configured to be outside the project, where others may use it?"""
        inside = os.path.realpath(self.root) + os.sep
        return self.config.get("cache.dir") is not None and not os.path.realpath(self.cache_dir).startswith(inside)

    @cached_property
    def runs(self) -> RunCache:
        return RunCache(os.path.join(self.cache_dir, "runs"), shared=self.config.cache_shared)

    def remote(self, name: str | None = None, *, jobs: int | None = None) -> Remote:
        """The remote called `name`, by default the one that `core.remote` names; nothing is connected to yet.

        `jobs`: transfers at once, instead of what is configured. Raises ConfigError if there is no such remote.
        """
        import hashlib

        from gitstage.remote import PushRecord, Remote, open_backend  # most commands stay here

        wanted = (name or self.config.core_remote or "").lower()
        if not wanted:
            raise ConfigError("no remote was named, and there is no default remote", "git stage remote add -d NAME URL")
        settings = dict(self._remote_settings(wanted))
        if jobs is not None:
            settings["jobs"] = str(jobs)
        url = settings["url"]
        if "://" not in url or url.startswith("local://"):
            self._refuse_folder(url.removeprefix("local://"), "remote", wanted, "url")
        state = self.repo.state_dir if self.repo else self.scratch.parent
        identity = "\n".join([url, settings.get("endpointurl", ""), settings.get("account_name", "")])
        record = PushRecord(os.path.join(state, "pushed.db"), hashlib.sha256(os.fsencode(identity)).hexdigest())
        is_near = "://" not in url  # a folder tells what it holds as fast as a record does
        return Remote(wanted, self.cache, lambda: open_backend(url, settings, self.root), record, trusts=not is_near)

    def _remote_settings(self, name: str, hops: int = 8) -> Mapping[str, str]:
        """A remote's section; of one whose URL is `remote://OTHER/path`, with OTHER's settings below its own."""
        settings = self.config.remotes.get(name)
        if settings is None or not settings.get("url"):
            known = ", ".join(self.config.remotes) or "none"
            raise ConfigError(f"there is no remote '{name}' (known: {known})", f"git stage remote add {name} URL")
        if "bearer_token_command" in config.read(self.dvc_dir, "repo").get("remote", {}).get(name, {}):
            raise ConfigError(
                f".dvc/config: remote '{name}': bearer_token_command would run a command that a repository brought along",
                f"look at it, then: git stage remote modify --local {name} bearer_token_command COMMAND, and unset it there",
            )
        if not settings["url"].startswith("remote://"):
            return settings
        other, _, path = settings["url"].removeprefix("remote://").partition("/")
        if hops == 0:
            raise ConfigError(f"remote '{name}': its URL leads in a circle")
        base = self._remote_settings(other.lower(), hops - 1)
        return {**base, **settings, "url": f"{base['url'].rstrip('/')}/{path}"}

    def address(self, url: str) -> tuple[str, Mapping[str, str]]:
        """Where a URL leads, which is another one for `remote://NAME/path`, and with which settings it is opened."""
        if not url.lower().startswith("remote://"):
            return url, {}
        name, _, path = url[len("remote://") :].partition("/")
        settings = self._remote_settings(name.lower())
        return f"{settings['url'].rstrip('/')}/{path}".rstrip("/"), settings

    @cached_property
    def store(self) -> Store:
        return Store(
            self.worktree,
            self.cache,
            self.folder,
            legacy=self.layout == 2,
            note_form=lambda path, found: self.journal.form(path, found),
        )

    @cached_property
    def reader(self) -> Remembered:
        """Reads pipeline files, without YAML those that it knows."""
        return Remembered(self.memo, self.root)

    def loader(self, reader: formats.Reader | None = None) -> Loader:
        """Reads pipelines of this project, of any state of its files. `reader`: for many of them."""
        config = self.config
        return Loader(
            self.root, bool_style=config.bool_style, list_style=config.list_style,
            reader=reader or self.reader, keep=reader is not None,
        )  # fmt: skip

    def load_pipeline(self) -> Pipeline:
        """The pipeline of the work tree, read anew."""
        pipeline = self.pipeline_of(self.worktree)
        self.__dict__["pipeline"] = pipeline
        for stage in pipeline.stages:
            for out in stage.outs:
                if not out.path.startswith(("../", "/")) and self.worktree.ignore.ignores(out.path, False):
                    raise PipelineError(f"{stage.file}: output '{out.path}' is ignored by .dvcignore")
        return pipeline

    def pipeline_of(self, tree: Tree) -> Pipeline:
        """The pipeline as `tree` has it, seen from where the user stands."""
        return self.loader().load(tree, self.cwd)

    @cached_property
    def pipeline(self) -> Pipeline:
        return self.load_pipeline()

    @cached_property
    def layout(self) -> int:
        """2 or 3: how new entries are written. A project whose entries are all of the old kind stays that way.

        `gitstage.layout` (2, 3 or auto) in the Git config decides for this clone.
        """
        asked = self.repo.settings().get("layout", "auto") if self.repo else "auto"
        if asked in ("2", "3"):
            return int(asked)
        if asked != "auto":
            raise ConfigError(
                f"gitstage.layout: '{asked}' is not one of auto, 2, 3", "git config --unset gitstage.layout"
            )
        kinds = {
            entry.digest.legacy
            for stage in self.pipeline.stages
            if stage.record is not None
            for entry in [*stage.record.deps.values(), *stage.record.outs.values()]
            if entry.digest is not None
        }
        return 2 if kinds == {True} else 3

    def setting_jobs(self) -> int:
        """How many stages may run at once, by `gitstage.jobs`. Raises ConfigError if that is no number from 1."""
        value = self.repo.settings().get("jobs", "1") if self.repo else "1"
        if not value.isascii() or not value.isdigit() or int(value) < 1:
            raise ConfigError(f"gitstage.jobs: {value!r} is not a number from 1", "git config --unset gitstage.jobs")
        return int(value)

    # -- locks ---------------------------------------------------------------------------------------------

    @cached_property
    def path_locks(self) -> PathLocks:
        return PathLocks(self.tmp_dir, self.root, hardlink_lock=self.config.hardlink_lock)

    # -- Git -----------------------------------------------------------------------------------------------

    def changed_files(self, paths: list[str]) -> None:
        """Stage files that a command wrote, if `core.autostage` asks for it. Paths are root-relative."""
        if paths and self.repo is not None and self.config.autostage:
            self.repo.add([self.in_repo(path) for path in dict.fromkeys(paths)])

    def ignore(self, outputs: list[str]) -> list[str]:
        """Keep outputs (root-relative) out of Git; returns the .gitignore files that changed, root-relative."""
        if self.repo is None:
            return []
        inside = [self.in_repo(path) for path in self._inside(outputs)]
        changed = self.repo.ignore_all(inside)
        if self.config.autostage:  # also those that an earlier command changed, if it died before it staged them
            files = dict.fromkeys(posixpath.join(posixpath.dirname(path), ".gitignore") for path in inside)
            changed += [
                file for file in files if file not in changed and fs.is_file(os.path.join(self.repo.top or "", file))
            ]
        return [self.from_repo(path) for path in changed]

    @staticmethod
    def _inside(outputs: Sequence[str]) -> list[str]:
        return [path for path in outputs if not path.startswith(("../", "/"))]

    def untracked(self) -> list[str]:
        """Files of the project (root-relative) that Git neither tracks nor ignores."""
        names = self.repo.untracked() if self.repo is not None else []
        return [path for name in names if not is_outside(path := self.from_repo(name))]

    def refuse_tracked(self, outputs: list[str]) -> None:
        """Raise GitstageError if Git tracks an output that is to be kept in the cache."""
        if self.repo is None or not outputs:
            return
        inside = {self.in_repo(path): path for path in self._inside(outputs)}
        for path in self.repo.tracked(list(inside)):
            raise GitstageError(f"output '{inside[path]}' is tracked by Git", f"git rm -r --cached -- '{inside[path]}'")

    def refuse_ignored(self, files: Sequence[str], outputs: Sequence[str] = ()) -> set[str]:
        """Raise GitstageError if Git ignores a metadata file (root-relative) that is to be written.

        Returns those of `outputs` (root-relative) that it ignores, as one question costs less than two.
        """
        if self.repo is None or not files:
            return set()
        found = self.repo.ignored([self.in_repo(path) for path in (*files, *self._inside(outputs))])
        for path in found & {self.in_repo(file) for file in files}:
            raise GitstageError(
                f"{self.from_repo(path)}: is ignored by Git, so nobody would get it", f"git check-ignore -v {path}"
            )
        return {self.from_repo(path) for path in found}

    def refuse_read_only(self, file: str) -> None:
        """Raise SystemFailure if metadata file `file` (root-relative) could not be written."""
        folder = os.path.dirname(self.folder.absolute(file))
        if os.path.isdir(folder) and not os.access(folder, os.W_OK | os.X_OK):
            raise SystemFailure(f"{file}: its folder is read-only", f"chmod u+w {os.path.dirname(file) or '.'}")

    # -- what was last restored ----------------------------------------------------------------------------

    @cached_property
    def _state_file(self) -> str:
        return os.path.join(self.repo.worktree_state_dir if self.repo else self.scratch.parent, STATE_FILE)

    def restored(self) -> dict[str, Digest]:
        """Outputs (root-relative) that were last in agreement with the lock, and with which content."""
        found = {}
        with contextlib.suppress(ValueError, AttributeError):
            for path, text in self._state().get(self.prefix, {}).items():
                found[path] = Digest.parse(text.removeprefix("legacy:"), legacy=text.startswith("legacy:"))
        return found

    def _state(self) -> dict[str, dict[str, str]]:
        return read_state(self._state_file)

    def remember_restored(self, outputs: Mapping[str, Digest]) -> None:
        """Replace what `restored` returns."""
        values = self._state()
        now = {path: ("legacy:" if digest.legacy else "") + str(digest) for path, digest in sorted(outputs.items())}
        if values.get(self.prefix) == now:
            return
        values[self.prefix] = now
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(self._state_file), mode=0o700, exist_ok=True)
            fs.atomic_write(self._state_file, json.dumps(values).encode("utf-8", "surrogateescape"))


@contextlib.contextmanager
def opened(
    *, write: bool = False, optional: bool = False, on_wait: Callable[[str], None] | None = None
) -> Iterator[tuple[Project, RepoLock]]:
    """The project around the current folder and its lock, which is taken with `write`.

    `optional`: go on without the lock where it cannot be written. `on_wait` is told who holds it.
    """
    with Project.open() as project:
        lock = RepoLock(project.tmp_dir, hardlink_lock=project.config.hardlink_lock, optional=optional, on_wait=on_wait)
        if not write:
            yield project, lock
            return
        with lock:
            project.sweep()
            yield project, lock


@contextlib.contextmanager
def opened_at(folder: str) -> Iterator[Project]:
    """The project around another folder, or, if there is none, the Git repository around it as one without data.

    Paths count from the current folder if that lies in the same project, else from the root. Raises NoProject if there
    is neither.
    """
    if not os.path.isdir(folder):
        raise NoProject(f"{folder}: is no folder")
    there, here = os.path.realpath(folder), os.path.realpath(os.getcwd())
    root = find_root(there)
    if root is None:
        repo = Repo.discover(there)
        if repo is None or repo.top is None:
            refuse_no_project(there)
        root = os.path.realpath(repo.top)
    below = os.path.relpath(here, root).replace(os.sep, "/")
    with Project(root, "" if below == "." or is_outside(below) else below) as project:
        yield project


def read_state(path: str) -> dict[str, dict[str, str]]:
    """What was last restored in each project of a work tree: its folder relative to the top -> output -> digest."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            found = json.load(stream)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def refuse_no_project(folder: str) -> NoReturn:
    """Raise the NoProject that says what is missing around `folder`: a Git repository, or a project in it."""
    if Repo.discover(folder) is None:
        raise NoProject(f"{folder}: is not inside a Git repository", "git init && git stage init")
    raise NoProject(f"{folder}: no project is initialised here")


def _is_unfinished(repo: Repo | None, root: str) -> bool:
    """Is `.dvc` what an `init` left that died? Then nothing is in it but what it wrote, and Git does not have it."""
    dvc_dir = os.path.join(root, ".dvc")
    if not fs.is_dir(dvc_dir) or fs.exists(os.path.join(dvc_dir, *_FINISHED)):
        return False
    written = {".gitignore": (_IGNORED,), "config": ("", _NO_SCM)}
    for name in os.listdir(dvc_dir):
        path = os.path.join(dvc_dir, name)
        if name == "tmp":
            if not fs.is_dir(path) or not set(os.listdir(path)) <= {"gitstage"}:
                return False
        elif name not in written or not fs.is_file(path):
            return False
        else:
            with open(path, encoding="utf-8", errors="replace") as stream:
                if stream.read(1000) not in written[name]:
                    return False
    return repo is None or not repo.tracked([_join(repo, root, ".dvc/config")])


_FINISHED = ("tmp", "btime")
"""The file below `.dvc` that `init` writes last."""
_NO_SCM = "[core]\n    no_scm = True\n"
_IGNORED = "/config.local\n/tmp\n/cache\n"
_DVCIGNORE = (
    "# Add patterns of files dvc should ignore, which could improve\n"
    "# the performance. Learn more at\n"
    "# https://dvc.org/doc/user-guide/dvcignore\n"
)


def _make_files(project_root: str, *, no_scm: bool) -> list[str]:
    """Write what `init` writes; returns the files (root-relative) that Git should have."""
    scratch = Scratch(os.path.join(project_root, ".dvc", "tmp", "gitstage"), Root(project_root))
    files = {".dvc/config": _NO_SCM if no_scm else ""}
    if not no_scm:
        files[".dvc/.gitignore"] = _IGNORED
    if not os.path.lexists(os.path.join(project_root, ".dvcignore")):
        files[".dvcignore"] = _DVCIGNORE
    os.makedirs(scratch.parent)
    fs.use_scratch(scratch)  # where the next command finds what is left if this one dies
    for name, text in files.items():
        fs.atomic_write(os.path.join(project_root, name), text.encode())
    fs.use_scratch(None)
    scratch.close()
    return [".dvc/.gitignore", ".dvc/config", ".dvcignore"]
