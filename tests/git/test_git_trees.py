"""IndexTree and CommitTree: every question, over both backends."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import support
from support import md5

from gitstage.digest import Digest, hash_bytes, manifest_digest
from gitstage.errors import GitstageError, PipelineError
from gitstage.git import CommitTree, IndexTree, Repo
from gitstage.git import objects as reading
from gitstage.memo import Memo

pytestmark = pytest.mark.filterwarnings("error")

Open = Callable[..., "IndexTree | CommitTree"]
ODD_NAMES = [*support.ODD_NAMES, "tab\t", "back\\s"]


def d(data: bytes | str) -> Digest:
    return Digest(md5(data))


def folder(**files: bytes | str) -> Digest:
    return manifest_digest({name: d(data) for name, data in files.items()})


def opened(repo: support.Repo, backend: str = "git", where: Path | None = None) -> Repo:
    found = Repo.discover(str(where or repo.path))
    assert found is not None
    found.backend = backend
    return found


@pytest.fixture(params=["git", "pygit2"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["index", "commit"])
def tree(request: pytest.FixtureRequest, repo: support.Repo, backend: str) -> Open:
    """Opens the index, or a commit of it, after everything was staged (unless staged=False)."""

    def make(prefix: str = "", *, stage: bool = True, memo: Memo | None = None) -> IndexTree | CommitTree:
        if stage:
            repo.git("add", "-A")
        git = opened(repo, backend)
        if request.param == "index":
            made: IndexTree | CommitTree = git.index(prefix, memo or Memo(None))
        else:
            repo.git("commit", "-q", "--allow-empty", "-m", "x")
            made = git.commit("HEAD", prefix, memo or Memo(None))
            repo.git("rm", "-rq", "--cached", "--ignore-unmatch", ".")  # the index must not matter
        uses = getattr(made._objects, "uses_library", False)
        assert uses == (backend == "pygit2")
        return made

    return make


# -- every tree ------------------------------------------------------------------------------------------------


class TestEveryTree:
    def test_files_and_folders(self, repo: support.Repo, tree: Open) -> None:
        repo.write({"a": "1\n", "d/x": "x\n", "d/e/y": "y\n", "d.z": "no\n", "d/empty": ""})
        made = tree()
        assert made.digests(
            ["a", "d", "d/e", "d/e/y", "none", "d/none", "a/none", "/etc/passwd", "../a", "d/../a"]
        ) == {
            "a": d("1\n"),
            "d": manifest_digest({"x": d("x\n"), "e/y": d("y\n"), "empty": d("")}),
            "d/e": folder(y="y\n"),
            "d/e/y": d("y\n"),
            "d/../a": d("1\n"),
        }
        assert made.listing("d") == {"x": d("x\n"), "e/y": d("y\n"), "empty": d("")}
        assert made.listing("a") is None
        assert made.listing("none") is None
        assert made.digests([]) == {}

    def test_read(self, repo: support.Repo, tree: Open) -> None:
        repo.write({"dvc.yaml": "one", "d/params.yaml": b"\0\xff", "empty": ""})
        made = tree()
        repo.write({"dvc.yaml": "two"})
        assert (made.read("dvc.yaml"), made.read("d/params.yaml"), made.read("empty")) == (b"one", b"\0\xff", b"")
        assert [
            made.read(path) for path in ("d", "none", "d/none", "none.dvc", "/etc/passwd", "..", "../dvc.yaml")
        ] == [None] * 7

    def test_same_as_dvc_says(self, repo: support.Repo, tree: Open) -> None:
        """A digest that real DVC computed for this content."""
        repo.write({"dir/a.txt": "foo\n" * 0 + "foo", "dir/sub/b.txt": "x"})
        expected = manifest_digest({"a.txt": d("foo"), "sub/b.txt": d("x")})
        assert tree().digests(["dir"]) == {"dir": expected}

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_odd_names(self, repo: support.Repo, tree: Open, name: str) -> None:
        repo.write({name: "1", f"{name}.d/{name}": "2", "aXb": "3", "x": "4", f"{name}.dvc": "5"})
        made = tree()
        assert made.digests([name, f"{name}.d", f"{name}.d/{name}"]) == {
            name: d("1"), f"{name}.d": manifest_digest({name: d("2")}), f"{name}.d/{name}": d("2"),
        }  # fmt: skip
        assert made.pipeline_files() == [f"{name}.dvc"]
        assert made.read(f"{name}.dvc") == b"5"

    def test_names_that_are_not_utf8(self, repo: support.Repo, tree: Open) -> None:
        name = os.fsdecode(b"caf\xe9")
        repo.write({name: "1", f"{name}.d/ok": "2", "d/ok": "3"})
        with open(os.path.join(repo.path, "d", name), "w") as stream:
            stream.write("4")
        made = tree()
        assert made.digests([name, f"{name}.d"]) == {name: d("1"), f"{name}.d": folder(ok="2")}
        with pytest.raises(PipelineError, match=r"d/caf\\xe9: the name is not UTF-8"):
            made.digests(["d"])

    def test_many_paths(self, repo: support.Repo, tree: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(reading, "_MANY", 20)
        files = {f"d{i % 7}/f{i}": str(i) for i in range(60)}
        repo.write(files)
        made = tree()
        below = manifest_digest({f"f{i}": d(str(i)) for i in range(0, 60, 7)})
        assert made.digests([*files, "d0"]) == {path: d(data) for path, data in files.items()} | {"d0": below}
        assert made.listing("d0") == {f"f{i}": d(str(i)) for i in range(0, 60, 7)}

    def test_long_command_lines_are_split(
        self, repo: support.Repo, tree: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gitstage.git.program._ARGUMENT_BYTES", 40)
        repo.write({f"some-file-{i}": str(i) for i in range(20)})
        assert tree().digests([f"some-file-{i}" for i in range(20)]) == {f"some-file-{i}": d(str(i)) for i in range(20)}

    def test_many_blobs(self, repo: support.Repo, tree: Open) -> None:
        repo.write({f"d/{i}": str(i) * 300 for i in range(450)})
        assert tree().digests(["d"]) == {"d": manifest_digest({str(i): d(str(i) * 300) for i in range(450)})}

    def test_prefix(self, repo: support.Repo, tree: Open) -> None:
        repo.write({
            "p/.dvc/config": "", "p/dvc.yaml": "p", "p/a.dvc": "a", "p/in": "1", "out": "2", "dvc.yaml": "top",
            "pp/dvc.yaml": "",
            "p/sub/.dvc/config": "", "p/sub/dvc.yaml": "", "p/sub/deep/x.dvc": "", "p/d/f": "3", "p/.dvc/tmp/z.dvc": "",
        })  # fmt: skip
        made = tree("p")
        assert made.pipeline_files() == ["a.dvc", "dvc.yaml"]
        assert made.read("dvc.yaml") == b"p"
        assert made.digests(["in", "../out", "../../out", "d", "../p/in"]) == {
            "in": d("1"), "../out": d("2"), "d": folder(f="3"), "../p/in": d("1"),
        }  # fmt: skip

    def test_the_whole_project(self, repo: support.Repo, tree: Open) -> None:
        repo.write({"a": "1", "sub/b": "2"})
        assert tree().digests(["sub/..", "."]) == {".": manifest_digest({"a": d("1"), "sub/b": d("2")})} | {
            "sub/..": manifest_digest({"a": d("1"), "sub/b": d("2")})
        }

    def test_pipeline_files(self, repo: support.Repo, tree: Open) -> None:
        repo.write({
            "dvc.yaml": "", "x.dvc": "", "s/dvc.yaml": "", "s/y.dvc": "", "xdvc.yaml": "", "dvc.lock": "", ".dvc/config": "",
            "z.dvc/file": "", "q/.dvc/config": "", "q/dvc.yaml": "", "skip/dvc.yaml": "", ".dvcignore": "# none\n/skip\n",
        })  # fmt: skip
        assert tree().pipeline_files() == ["dvc.yaml", "s/dvc.yaml", "s/y.dvc", "x.dvc"]

    def test_what_is_no_content(self, repo: support.Repo, tree: Open) -> None:
        repo.write({
            ".dvcignore": "*.log\n/d/cache/\n", "d/a": "1", "d/b.log": "2", "d/cache/c": "3", "d/p/.dvc/config": "",
            "d/p/x": "4", "d/.gitignore": "5", "d/s/.hg/x": "6", "d/s/t": "7",
        })  # fmt: skip
        made = tree()
        assert made.listing("d") == {"a": d("1"), ".gitignore": d("5"), "s/t": d("7")}
        assert made.digests(["d/b.log", "d/p"]) == {"d/b.log": d("2"), "d/p": manifest_digest({})}

    def test_what_is_no_content_without_rules(self, repo: support.Repo, tree: Open) -> None:
        repo.write({"d/.hg/x": "1", "d/s/.hg/y": "2", "d/s/z": "3", "d/.hgx": "4"})
        assert tree().listing("d") == {"s/z": d("3"), ".hgx": d("4")}

    def test_dvcignore_inside(self, repo: support.Repo, tree: Open) -> None:
        repo.write({"d/.dvcignore": "", "d/a": ""})
        with pytest.raises(PipelineError, match=r"d/\.dvcignore"):
            tree().digests(["d"])

    def test_symlinks(self, repo: support.Repo, tree: Open) -> None:
        repo.write({"a": "1", "d/x": "2", "e/y": "3"})
        links = {"d/file": "../a", "d/dir": "../e", "d/broken": "none", "d/out": "../../out", "d/abs": "/etc/passwd"}
        links |= {"d/chain": "file", "d/loop": "loop", "one": "d/chain", "d/up": ".."}
        for name, target in links.items():
            (repo.path / name).symlink_to(target)
        made = tree()
        assert made.listing("d") == {"x": d("2"), "file": d("1"), "chain": d("1")}
        assert made.digests(["one", "d/file", "d/broken", "d/loop", "d/abs", "d/dir"]) == {
            "one": d("1"),
            "d/file": d("1"),
        }
        assert (made.read("one"), made.read("d/dir"), made.read("d/broken")) == (b"1", None, None)

    def test_submodules_are_absent(self, repo: support.Repo, tree: Open, tmp_path: Path) -> None:
        other = support.new_repo(tmp_path / "other", repo.env)
        other.write({"f": "1"})
        other.commit()
        repo.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", "../other", "d/sub")
        repo.write({"d/x": "2"})
        made = tree()
        assert made.listing("d") == {"x": d("2")}
        assert made.digests(["d/sub", "d/sub/f"]) == {}
        assert made.read("d/sub") is None

    def test_legacy(self, repo: support.Repo, tree: Open) -> None:
        repo.write({"t": b"a\r\nb\r\n", "d/t": b"a\r\nb\r\n"})
        made = tree()
        old = Digest(md5(b"a\nb\n"), legacy=True)
        assert made.digests(["t", "d"], legacy=True) == {"t": old, "d": manifest_digest({"t": old}, legacy=True)}
        assert made.digests(["t"]) == {"t": d(b"a\r\nb\r\n")}
        assert made.accepts("t", old)
        assert not made.accepts("t", Digest(old.hex))

    def test_memo_is_asked_and_told(self, repo: support.Repo, tree: Open) -> None:
        memo = Memo(None)
        repo.write({"a": "1", "b": "2"})
        id_ = repo.git("hash-object", "a").strip()
        memo.remember_blobs([(id_, "0" * 32)])
        assert tree(memo=memo).digests(["a", "b"]) == {"a": Digest("0" * 32), "b": d("2")}
        other = repo.git("hash-object", "b").strip()
        assert memo.blobs([other]) == {other: md5("2")}


# -- conversions -----------------------------------------------------------------------------------------------


class TestConversions:
    """Digests are those of what a checkout writes."""

    def check(self, repo: support.Repo, tree: Open, names: list[str]) -> IndexTree | CommitTree:
        memo = Memo(None)
        made = tree(memo=memo)
        got = made.digests([*names])
        listed = repo.git("ls-tree", "-r", "--name-only", "HEAD") if isinstance(made, CommitTree) else "index"
        repo.remove(*names)
        if listed != "index":
            repo.git("read-tree", "HEAD")
        repo.git("checkout-index", "-af")
        assert got == {name: d((repo.path / name).read_bytes()) for name in names}
        assert {name: made.read(name) for name in names} == {name: (repo.path / name).read_bytes() for name in names}
        assert made.digests(names) == got
        return made

    def test_autocrlf(self, repo: support.Repo, tree: Open) -> None:
        repo.git("config", "core.autocrlf", "true")
        repo.write({"t": "a\nb\n", "bin": b"\0a\n", "d/t": "c\n"})
        made = self.check(repo, tree, ["t", "bin", "d/t"])
        assert (repo.path / "t").read_bytes() == b"a\r\nb\r\n"
        assert made.accepts("t", d("a\nb\n"))
        assert made.accepts("t", d("a\r\nb\r\n"))
        assert made.accepts("d", folder(t="c\n"))
        assert made.accepts("d", folder(t="c\r\n"))
        assert not made.accepts("t", d("a\n"))
        assert not made.accepts("none", d("a\n"))

    @pytest.mark.parametrize(
        ("rules", "config"),
        [
            ("*.t text eol=crlf\n", {}), ("*.t eol=crlf\n", {}), ("*.t text\n", {"core.eol": "crlf"}),
            ("*.t text eol=lf\n", {"core.autocrlf": "true"}), ("*.t -text\n", {"core.autocrlf": "true"}),
            ("*.t crlf\n", {"core.eol": "crlf"}), ("*.t -crlf\n", {"core.autocrlf": "true"}), ("*.t ident\n", {}),
            ("*.t working-tree-encoding=UTF-16LE-BOM text\n", {}), ("*.t text=auto\n", {"core.autocrlf": "input"}),
            ("*.t filter=up\n", {"filter.up.smudge": "tr a-z A-Z", "filter.up.clean": "tr A-Z a-z"}),
            ("*.t filter=none\n", {}), ("d/*.t filter=up ident eol=crlf\n", {"filter.up.smudge": "tr a-z A-Z"}),
            ("*.t filter=bad\n", {"filter.bad.smudge": "false"}), ("[attr]mine eol=crlf\n*.t mine\n", {}),
        ],
    )  # fmt: skip
    def test_attributes(self, repo: support.Repo, tree: Open, rules: str, config: dict[str, str]) -> None:
        for name, value in config.items():
            repo.git("config", name, value)
        repo.write({".gitattributes": rules})
        text = "one $Id$\ntwo\n"
        coded = text.encode("utf-16") if "UTF-16" in rules else text
        repo.write({"a.t": coded, "d/b.t": coded, "d/c d.t": coded, "line\nfeed.t": coded, "plain": text})
        self.check(repo, tree, ["a.t", "d/b.t", "d/c d.t", "line\nfeed.t", "plain"])

    def test_attributes_outside_a_sparse_checkout(self, repo: support.Repo, backend: str) -> None:
        repo.write({"in/a": "1\n", "out/.gitattributes": "* eol=crlf\n", "out/b": "1\n"})
        repo.commit()
        repo.git("sparse-checkout", "set", "in")
        assert opened(repo, backend).index("", Memo(None)).digests(["out/b", "in/a"]) == {
            "out/b": d("1\r\n"),
            "in/a": d("1\n"),
        }

    def test_two_conversions_of_one_blob_are_kept_apart(self, repo: support.Repo, tree: Open) -> None:
        repo.write({".gitattributes": "a eol=crlf\n", "a": "1\n", "b": "1\n"})
        memo = Memo(None)
        expected = {"a": d("1\r\n"), "b": d("1\n")}
        made = tree(memo=memo)
        assert made.digests(["a"]) == {"a": expected["a"]}
        assert made.digests(["b"]) == {"b": expected["b"]}
        assert made.digests(["a", "b"]) == expected

    def test_a_filter_that_fails_is_not_remembered(self, repo: support.Repo, tree: Open, tmp_path: Path) -> None:
        repo.write({".gitattributes": "*.big filter=fetch\n", "x.big": "pointer\n"})
        repo.git("add", "-A")
        repo.git("config", "filter.fetch.smudge", f"cat '{tmp_path}/content'")
        memo = Memo(None)
        made = tree(memo=memo, stage=False)
        assert made.digests(["x.big"]) == {"x.big": d("pointer\n")}
        (tmp_path / "content").write_text("big\n")
        assert made.digests(["x.big"]) == {"x.big": d("big\n")}
        (tmp_path / "content").unlink()
        assert made.digests(["x.big"]) == {"x.big": d("big\n")}  # control: a success is

    def test_a_required_filter_that_fails(self, repo: support.Repo, tree: Open) -> None:
        repo.write({".gitattributes": "*.big filter=bad\n", "x.big": "pointer\n", "y.big": "other\n"})
        repo.git("add", "-A")
        repo.git("config", "filter.bad.smudge", "grep other")
        repo.git("config", "filter.bad.clean", "cat")
        repo.git("config", "filter.bad.required", "true")
        got = tree(stage=False).digests(["x.big", "y.big"])
        assert got == {"x.big": d("pointer\n"), "y.big": d("other\n")}

    def test_a_filter_whose_output_has_no_newline_or_many(self, repo: support.Repo, tree: Open) -> None:
        repo.write({".gitattributes": "*.t filter=x\n", "a.t": "1", "b.t": "\n\n", "c.t": "", "d.t": "\n"})
        repo.git("add", "-A")
        repo.git("config", "filter.x.smudge", "sed -e s/1/2/")
        assert tree(stage=False).digests(["a.t", "b.t", "c.t", "d.t"]) == {
            "a.t": d("2"), "b.t": d("\n\n"), "c.t": d(""), "d.t": d("\n"),
        }  # fmt: skip


def test_a_commit_is_read_by_its_own_attributes(repo: support.Repo, backend: str, tmp_path: Path) -> None:
    repo.write({"t": "a\n"})
    first = repo.commit()
    repo.write({".gitattributes": "t eol=crlf\n"})
    second = repo.commit()
    repo.write({".gitattributes": "t -text\n"})
    repo.git("clone", "-q", "--bare", ".", "../bare.git")
    for git in (opened(repo, backend), opened(repo, backend, tmp_path / "bare.git")):
        memo = Memo(None)
        assert git.commit(first, "", memo).digests(["t"]) == {"t": d("a\n")}
        assert git.commit(second, "", memo).digests(["t"]) == {"t": d("a\r\n")}
        assert git.commit("main", "", memo).read("t") == b"a\r\n"


# -- the index -------------------------------------------------------------------------------------------------


class TestIndex:
    def test_staged_not_lying_around(self, repo: support.Repo, backend: str) -> None:
        repo.write({"a": "1", "dvc.yaml": "x"})
        repo.git("add", "a", "dvc.yaml")
        repo.write({"a": "2", "b": "3", "y.dvc": ""})
        repo.remove("dvc.yaml")
        made = opened(repo, backend).index("", Memo(None))
        assert made.digests(["a", "b"]) == {"a": d("1")}
        assert made.pipeline_files() == ["dvc.yaml"]
        assert made.label == "the index"

    def test_before_the_first_file(self, repo: support.Repo, backend: str) -> None:
        made = opened(repo, backend).index("", Memo(None))
        assert (made.digests(["a"]), made.pipeline_files(), made.conflicts(), made.read("dvc.yaml")) == (
            {},
            [],
            [],
            None,
        )

    @pytest.mark.parametrize("version", ["2", "3", "4"])
    @pytest.mark.parametrize("many", [1, 500])
    def test_intent_to_add_is_absent(
        self, repo: support.Repo, backend: str, version: str, many: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(reading, "_MANY", many)
        repo.git("config", "index.version", version)
        repo.write({"d/real": "", "d/new": "", "d/gone": "x", "dvc.yaml": "x", "y.dvc": "", ":x": ""})
        repo.git("add", "d/real", "y.dvc")
        repo.git("--literal-pathspecs", "add", "-N", "d/new", "d/gone", "dvc.yaml", ":x")
        repo.remove("d/gone")
        made = opened(repo, backend).index("", Memo(None))
        assert made.digests(["d", "d/new", "d/gone", "d/real", ":x"]) == {"d": folder(real=""), "d/real": d("")}
        assert made.pipeline_files() == ["y.dvc"]
        assert made.read("dvc.yaml") is None

    def test_conflicts(self, repo: support.Repo, backend: str) -> None:
        repo.write({"p/dvc.lock": "0\n", "p/ok": "ok", "f": "0\n", "p/d/x": "0\n", "p/d/y": "y"})
        repo.commit()
        repo.git("checkout", "-qb", "side")
        repo.write({"p/dvc.lock": "1\n", "f": "1\n", "p/d/x": "1\n"})
        repo.commit()
        repo.git("checkout", "-q", "main")
        repo.write({"p/dvc.lock": "2\n", "f": "2\n", "p/d/x": "2\n"})
        repo.commit()
        assert opened(repo, backend).index("p", Memo(None)).conflicts() == []
        assert repo.run("git", "merge", "side").returncode == 1
        made = opened(repo, backend).index("p", Memo(None))
        assert made.conflicts() == ["../f", "d/x", "dvc.lock"]
        assert made.read("dvc.lock") is None
        assert made.digests(["ok", "dvc.lock", "../f", "d"]) == {"ok": d("ok"), "d": folder(y="y")}

    def test_accepts_what_lies_in_the_work_tree_if_git_takes_it_for_the_same(
        self, repo: support.Repo, backend: str
    ) -> None:
        repo.git("config", "core.autocrlf", "true")
        repo.write({"t": b"a\r\nb\n", "u": b"u\n"})  # mixed line ends: neither the blob nor what a checkout writes
        repo.git("add", "t", "u")
        made = opened(repo, backend).index("", Memo(None))
        assert made.digests(["t"]) == {"t": d("a\r\nb\r\n")}
        assert made.accepts("t", d(b"a\r\nb\n"))
        repo.write({"t": b"a\r\nb\nc\n"})
        assert not made.accepts("t", d(b"a\r\nb\nc\n"))

    @pytest.mark.parametrize("name", ODD_NAMES)
    def test_accepts_by_any_name(self, repo: support.Repo, name: str) -> None:
        repo.git("config", "core.autocrlf", "true")
        repo.write({name: b"a\r\nb\n"})
        repo.git("add", "-A")
        made = opened(repo).index("", Memo(None))
        assert made.accepts(name, d(b"a\r\nb\n"))
        repo.write({name: b"a\r\nc\n"})
        assert not made.accepts(name, d(b"a\r\nc\n"))

    def test_accepts_folders_of_such_files(self, repo: support.Repo, backend: str) -> None:
        repo.git("config", "core.autocrlf", "true")
        repo.write({"d/t": b"a\r\nb\n", "d/u": b"u\n", "d/v": b"v\r\n"})
        repo.git("add", "d")
        made = opened(repo, backend).index("", Memo(None))
        assert made.accepts("d", folder(t=b"a\r\nb\n", u=b"u\n", v=b"v\r\n"))
        assert made.accepts("d", folder(t=b"a\nb\n", u=b"u\n", v=b"v\n"))
        assert not made.accepts("d", folder(t=b"a\n", u=b"u\n", v=b"v\n"))

    def test_accepts_a_file_behind_a_pointer(self, repo: support.Repo, backend: str) -> None:
        repo.git("config", "filter.lfs.clean", "printf pointer")
        repo.git("config", "filter.lfs.smudge", "cat")  # the content is not at hand
        repo.write({".gitattributes": "*.big filter=lfs\n", "x.big": "the content"})
        repo.git("add", "-A")
        made = opened(repo, backend).index("", Memo(None))
        assert made.digests(["x.big"]) == {"x.big": d("pointer")}
        assert made.accepts("x.big", d("the content"))
        assert not made.accepts("x.big", d("another"))

    def test_outside_a_sparse_checkout(self, repo: support.Repo, backend: str) -> None:
        repo.write({"in/a": "1", "out/b": "2"})
        repo.commit()
        repo.git("sparse-checkout", "set", "in")
        assert not repo.exists("out")
        made = opened(repo, backend).index("", Memo(None))
        assert made.digests(["out", "out/b"]) == {"out": folder(b="2"), "out/b": d("2")}
        assert not made.accepts("out/b", d("3"))


# -- commits ---------------------------------------------------------------------------------------------------


class TestCommit:
    def test_any_name(self, repo: support.Repo, backend: str) -> None:
        repo.write({"a": "1"})
        first = repo.commit()
        repo.git("tag", "-a", "v1", "-m", "one")
        repo.write({"a": "2"})
        repo.commit()
        git = opened(repo, backend)
        for name in (first, "v1", "HEAD~1", "main^", first[:8], repo.git("rev-parse", "v1").strip()):
            made = git.commit(name, "", Memo(None))
            assert made.digests(["a"]) == {"a": d("1")}
            assert made.label == name
        assert git.commit("main", "", Memo(None)).read("a") == b"2"

    @pytest.mark.parametrize("name", ["nope", "--all", "", "HEAD:a", "f" * 40, "HEAD~9"])
    def test_no_commit(self, repo: support.Repo, backend: str, name: str) -> None:
        repo.write({"a": "1"})
        repo.commit()
        with pytest.raises(GitstageError):
            opened(repo, backend).commit(name, "", Memo(None))

    def test_unborn(self, repo: support.Repo, backend: str) -> None:
        with pytest.raises(GitstageError, match="HEAD: is no commit here"):
            opened(repo, backend).commit("HEAD", "", Memo(None))

    def test_many_commits_share_what_is_equal(self, repo: support.Repo) -> None:
        repo.write({f"d{i}/f": str(i) for i in range(30)})
        repo.git("add", "-A")
        ids = []
        for i in range(5):
            repo.write({"dvc.yaml": str(i)})
            ids.append(repo.commit(str(i)))
        git, memo = opened(repo, "auto"), Memo(None)
        for i, id_ in enumerate(ids):
            made = git.commit(id_, "", memo, bulk=True)
            assert made._objects.uses_library  # type: ignore[attr-defined]
            assert made.read("dvc.yaml") == str(i).encode()
            assert made.digests(["d3", "dvc.yaml"]) == {"d3": folder(f="3"), "dvc.yaml": d(str(i))}


# -- what pygit2 cannot read -----------------------------------------------------------------------------------


def _new(path: Path, env: dict[str, str], *options: str) -> support.Repo:
    path.mkdir()
    made = support.Repo(path, env)
    made.git("init", "-q", "-b", "main", *options)
    return made


class TestSwitch:
    """pygit2 is asked for, fails, and nobody sees it."""

    def check(self, repo: support.Repo, *, index_fails: bool, commit_fails: bool, where: Path | None = None) -> None:
        git = opened(repo, "pygit2", where)
        index, commit = git.index("", Memo(None)), git.commit("HEAD", "", Memo(None))
        for made, fails in ((index, index_fails), (commit, commit_fails)):
            assert made.digests(["a", "d", "none"]) == {"a": d("1"), "d": folder(x="2", y="")}
            assert made.read("a") == b"1"
            assert made.pipeline_files() == ["dvc.yaml"]
            assert made._objects.uses_library == (not fails)  # type: ignore[attr-defined]
        assert index.conflicts() == []

    FILES = {"a": "1", "d/x": "2", "d/y": "", "dvc.yaml": ""}  # noqa: RUF012

    def test_control(self, repo: support.Repo) -> None:
        repo.write(self.FILES)
        repo.commit()
        self.check(repo, index_fails=False, commit_fails=False)

    def test_split_index(self, repo: support.Repo) -> None:
        repo.git("config", "core.splitIndex", "true")
        repo.write(self.FILES)
        repo.commit()
        repo.git("update-index", "--split-index")
        self.check(repo, index_fails=True, commit_fails=False)
        repo.write({"e": ""})
        repo.git("add", "-N", "e")
        assert opened(repo, "pygit2").index("", Memo(None)).digests(["e", "d/y"]) == {"d/y": d("")}
        repo.git("update-index", "--split-index")  # all entries move to the shared file
        assert (repo.path / ".git/index").read_bytes()[4:8] == b"\0\0\0\2"
        assert opened(repo, "pygit2").index("", Memo(None)).digests(["e", "d/y"]) == {"d/y": d("")}

    def test_sparse_index(self, repo: support.Repo) -> None:
        repo.write({**self.FILES, "in/z": ""})
        repo.commit()
        repo.git("sparse-checkout", "set", "--cone", "--sparse-index", "in")
        assert b"sdir" in (repo.path / ".git/index").read_bytes()
        self.check(repo, index_fails=True, commit_fails=False)

    def test_sha256(self, tmp_path: Path, environment: dict[str, str]) -> None:
        repo = _new(tmp_path / "long", environment, "--object-format=sha256")
        assert opened(repo).staged() == []
        repo.write(self.FILES)
        repo.git("add", "-A")
        assert opened(repo).staged() == sorted(self.FILES)
        repo.commit()
        self.check(repo, index_fails=True, commit_fails=True)
        repo.write({"e": "", "t": "1\n", ".gitattributes": "t eol=crlf\n"})
        repo.git("add", "-N", "e")
        repo.git("add", "t", ".gitattributes")
        assert opened(repo, "pygit2").index("", Memo(None)).digests(["e", "d/y", "t"]) == {
            "d/y": d(""),
            "t": d("1\r\n"),
        }

    def test_unknown_extension(self, repo: support.Repo) -> None:
        repo.write(self.FILES)
        repo.commit()
        repo.git("config", "core.repositoryFormatVersion", "1")
        repo.git("config", "extensions.partialClone", "origin")
        self.check(repo, index_fails=True, commit_fails=True)

    def test_replaced_objects(self, repo: support.Repo) -> None:
        repo.write({**self.FILES, "a": "wrong"})
        wrong = repo.commit()
        repo.write(self.FILES)
        right = repo.commit()
        repo.git("checkout", "-q", wrong)
        repo.git("replace", wrong, right)
        repo.git("read-tree", "HEAD")
        self.check(repo, index_fails=True, commit_fails=True)

    def test_partial_clone_offline(self, repo: support.Repo, tmp_path: Path) -> None:
        repo.write(self.FILES)
        repo.commit()
        repo.git("config", "uploadpack.allowFilter", "true")
        source = f"file://{repo.path}"
        repo.git("clone", "-q", "--no-checkout", "--filter=blob:none", source, "../part")
        there = support.Repo(tmp_path / "part", repo.env)
        there.git("read-tree", "HEAD")
        offline = opened(there, "pygit2")
        offline.offline = True
        with pytest.raises(GitstageError, match="is missing"):
            offline.index("", Memo(None)).digests(["a"])
        assert opened(there, "pygit2").index("", Memo(None)).digests(["a"]) == {"a": d("1")}

    def test_without_pygit2(self, repo: support.Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        repo.write(self.FILES)
        repo.commit()
        monkeypatch.setitem(sys.modules, "pygit2", None)
        git = opened(repo, "auto")
        made = git.index("", Memo(None), bulk=True)
        assert made.digests(["a"]) == {"a": d("1")}

    def test_index_elsewhere_that_is_missing(self, repo: support.Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        repo.write(self.FILES)
        repo.commit()
        monkeypatch.setenv("GIT_INDEX_FILE", str(repo.path / ".git/none"))
        made = opened(repo, "pygit2").index("", Memo(None))
        assert made.digests(["a"]) == {}
        assert not made._objects.uses_library  # type: ignore[attr-defined]

    def test_it_fails_in_the_middle(self, repo: support.Repo, monkeypatch: pytest.MonkeyPatch) -> None:
        repo.write(self.FILES)
        repo.commit()
        asked = []

        def blob(library: object, id_: str) -> bytes:
            asked.append(id_)
            if len(asked) == 2:
                raise KeyError(id_)
            return hash_and_read(repo, id_)

        monkeypatch.setattr(reading.Library, "blob", blob)
        made = opened(repo, "pygit2").commit("HEAD", "", Memo(None))
        ids = [repo.git("rev-parse", f"HEAD:{path}").strip() for path in ("a", "d/x", "d/y")]
        seen: list[tuple[str, bytes]] = []
        made._objects.each(ids, lambda id_, content: seen.append((id_, content)))
        assert seen == list(zip(ids, [b"1", b"2", b""], strict=True))
        assert made.digests(["a", "d"]) == {"a": d("1"), "d": folder(x="2", y="")}
        assert asked == ids[:2]


def hash_and_read(repo: support.Repo, id_: str) -> bytes:
    return subprocess.run(["git", "cat-file", "blob", id_], cwd=repo.path, capture_output=True, check=True).stdout


def test_a_missing_object_is_named(repo: support.Repo, backend: str) -> None:
    repo.write({"a": "1", "b": "2", "c": "3"})
    repo.commit()
    id_ = repo.git("rev-parse", "HEAD:a").strip()
    assert id_ < repo.git("rev-parse", "HEAD:b")  # so it is read first
    (repo.path / ".git/objects" / id_[:2] / id_[2:]).unlink()
    made = opened(repo, backend).commit("HEAD", "", Memo(None))
    with pytest.raises(GitstageError, match=f"Git object {id_} is missing"):
        made.digests(["a", "b"])
    assert made.digests(["c"]) == {"c": d("3")}  # the next question is answered again


def test_auto_takes_the_program_unless_much_is_asked(repo: support.Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    repo.write({"a": "1"})
    repo.commit()
    monkeypatch.delitem(sys.modules, "pygit2", raising=False)
    git = opened(repo, "auto")
    assert isinstance(git.index("", Memo(None))._objects, reading.ProgramIndex)
    assert "pygit2" not in sys.modules


def test_legacy_hash_is_the_common_one() -> None:
    assert hash_bytes(b"a\r\n", legacy=True) == md5(b"a\n")  # control for TestEveryTree.test_legacy
