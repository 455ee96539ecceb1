"""DVC's configuration: what is read, refused and written, as dvc 3.67.1 does it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gitstage import config
from gitstage.config import Config, as_stored, dump, parse, split_name, with_value, without_value
from gitstage.errors import ConfigError, SystemFailure

GOLDEN = Path(__file__).parent.parent / "golden"


class Files:
    """A project's `.dvc` and the folders of the other levels."""

    def __init__(self, top: Path) -> None:
        self.folders = {"system": top / "sys", "global": top / "glob", "repo": top / "p/.dvc", "local": top / "p/.dvc"}
        self.dvc_dir = str(self.folders["repo"])
        for folder in self.folders.values():
            folder.mkdir(parents=True, exist_ok=True)
        self.home = str(top / "home")
        self.env = {
            "HOME": self.home,
            "DVC_SYSTEM_CONFIG_DIR": str(self.folders["system"]),
            "DVC_GLOBAL_CONFIG_DIR": str(self.folders["global"]),
        }

    def path(self, level: str) -> Path:
        return self.folders[level] / ("config.local" if level == "local" else "config")

    def load(self, **texts: str) -> Config:
        for level, text in texts.items():
            self.path(level).write_bytes(text.encode())
        return Config.load(self.dvc_dir, self.env)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


# --- the merged configuration


def test_defaults(files: Files) -> None:
    made = files.load()
    assert made.cache_dir == files.dvc_dir + "/cache"
    assert made.cache_types == ("reflink", "copy")
    assert not (made.cache_shared or made.autostage or made.no_scm or made.hardlink_lock)
    assert (made.core_remote, made.checksum_jobs, made.site_cache_dir) == (None, None, None)
    assert (made.bool_style, made.list_style) == ("store_true", "nargs")
    assert (dict(made.remotes), list(made.items())) == ({}, [])


def test_values(files: Files) -> None:
    made = files.load(
        repo="[core]\nremote = Main\nautostage = TRUE\nno_scm = true\nhardlink_lock = True\nchecksum_jobs = 4\n"
        "site_cache_dir = ~/x\n[cache]\ntype = hardlink, symlink\nshared = GROUP\ndir = ../c\n"
        "[parsing]\nbool = boolean_optional\nlist = Append\n['remote \"Main\"']\nurl = ../r\njobs = 3\n"
    )
    assert (made.core_remote, made.checksum_jobs, made.site_cache_dir) == ("main", 4, "~/x")
    assert made.autostage and made.no_scm and made.hardlink_lock and made.cache_shared
    assert made.cache_types == ("hardlink", "symlink")
    assert made.cache_dir == str(Path(files.dvc_dir).parent / "c")
    assert (made.bool_style, made.list_style) == ("boolean_optional", "append")
    assert made.remotes == {"main": {"url": str(Path(files.dvc_dir).parent / "r"), "jobs": "3"}}
    assert made.get("core.remote") == "Main"
    assert made.get("CORE.autostage") == "TRUE"
    assert made.get("remote.main.jobs") == "3"
    assert made.get("cache.type") == ["hardlink", "symlink"]
    assert (made.get("core.analytics"), made.get("zzz.q"), made.get("remote.main")) == (None, None, None)
    assert list(made.items())[-1] == ("remote.main.jobs", "3")


def test_later_levels_win_key_by_key(files: Files) -> None:
    made = files.load(
        **{"system": "[core]\nremote = s\n[cache]\ntype = copy\n", "global": "[core]\nremote = g\nautostage = bad\n"},
        repo="[core]\nremote = r\nautostage = true\n['remote \"a\"']\nurl = s3://b/k\njobs = 2\n",
        local="[core]\nremote = l\n['remote \"a\"']\naccess_key_id = me\njobs = 3\n",
    )
    assert (made.core_remote, made.cache_types, made.autostage) == ("l", ("copy",), True)
    assert made.remotes == {"a": {"url": "s3://b/k", "jobs": "3", "access_key_id": "me"}}


@pytest.mark.parametrize("level", ["system", "global", "repo", "local"])
@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("x", "{here}/x"),
        ("./x//y/", "{here}/x/y"),
        ("../x/", "{above}/x"),
        ("~", "{home}"),
        ("~/x", "{home}/x"),
        ("~nobody-of-this-name/x", "{here}/~nobody-of-this-name/x"),
        ("$HOME/x", "{here}/$HOME/x"),
        ("/a/../b//", "/a/../b//"),
        ("s3://b/k", "s3://b/k"),
        ("s3:/b", "{here}/s3:/b"),
        ("", "{here}"),
    ],
)
def test_paths_are_relative_to_their_file(files: Files, level: str, written: str, expected: str) -> None:
    here = files.folders[level]
    expected = expected.format(here=here, above=here.parent, home=files.home)
    made = files.load(**{level: f"[cache]\ndir = {written}\n['remote \"a\"']\nurl = {written}\n"})
    assert made.cache_dir == expected
    assert made.remotes["a"]["url"] == expected


def test_which_keys_of_remotes_are_paths(files: Files) -> None:
    text = "['remote \"a\"']\nurl = ssh://h/p\nkeyfile = ~/k\nuser = ~/u\n['remote \"b\"']\nurl = s3://b\n"
    text += "configpath = c\ncredentialpath = /d\nprofile = p\n['remote \"g\"']\nurl = gdrive://r/p\n"
    text += "gdrive_user_credentials_file = u\ngdrive_service_account_json_file_path = j\n"
    made = files.load(repo=text + "['remote \"w\"']\nurl = webdavs://h\ncert_path = c\nkey_path = k\n").remotes
    assert made["a"] == {"url": "ssh://h/p", "keyfile": files.home + "/k", "user": "~/u"}
    assert made["b"]["configpath"] == files.dvc_dir + "/c"
    assert (made["b"]["credentialpath"], made["b"]["profile"]) == ("/d", "p")
    assert made["g"]["gdrive_user_credentials_file"] == files.dvc_dir + "/u"
    assert made["g"]["gdrive_service_account_json_file_path"] == files.dvc_dir + "/j"
    assert (made["w"]["cert_path"], made["w"]["key_path"]) == (files.dvc_dir + "/c", files.dvc_dir + "/k")


@pytest.mark.parametrize(
    "text",
    [
        "[core]\nmachine = x\ncheck_update = false\ninteractive = true\nexperiments = true\nanalytics = FALSE\n",
        "[cache]\nlocal = x\ns3 = x\ngs = x\nhdfs = x\nwebhdfs = x\nssh = x\nazure = x\nprotected = true\n"
        "slow_link_warning = false\nverify = true\n",
        "[cache]\ntype = ,\n[remote]\n[feature]\nanything = 1\n",
        "[state]\ndir = x\nrow_limit = 1\nrow_cleanup_quota = 100\n[index]\ndir = x\n",
        "[plots]\nhtml_template = x\nout_dir = y\nauto_open = true\n[exp]\nauto_push = true\ngit_remote = x\n",
        "[exp]\ncode = a\ndata = a\nmodels = a\nmetrics = a\nparams = a\nplots = a\nlive = a\n",
        "[hydra]\nenabled = true\nconfig_dir = x\nconfig_name = y\nplugins_path = z\n",
        '[studio]\ntoken = x\nurl = y\nrepo_url = z\noffline = true\n[db "x"]\nurl = a\nusername = b\npassword = c\n',
        '[machine "m"]\ncloud = aws\nregion = US-WEST\nspot = true\nspot_price = 0.5\ninstance_hdd_size = 10\n',
        '[remote "a"]\nurl = remote://b/p\nanything = 1\n',
        '[remote "a"]\nurl = S3://b\nregion = x\nssl_verify = /ca\nread_timeout = -1\nlistobjects = true\n',
        '[remote "a"]\nurl = s3:///b\ntype = copy\n',
        '[remote "a"]\nurl = http://b\nauth = BASIC\nconnect_timeout = 0.5\nssl_verify = False\n',
        '[remote "a"]\nurl = azure://b\nconnection_timeout = 1\nexclude_environment_credential = true\n',
        '[remote "a"]\nurl = oss://b\noss_key_id = 1\nverify = true\n',
        '[remote "b"]\nurl = webhdfs://h\nkerberos = true\nuse_https = false\ndata_proxy_target = x\n',
        '[remote "a"]\nurl = p\nno_traverse = true\nworktree = true\nversion_aware = true\nchecksum_jobs = 1_0\n',
        '[remote "a"]\nurl = gs://b\nprojectname = x\n[remote "h"]\nurl = hdfs://b\nkerb_ticket = x\n',
        '[remote "a"]\nurl = ssh://b\nport = 22\ngss_auth = true\nmax_sessions = 3\ntype = symlink\n',
    ],
)
def test_what_dvc_accepts(files: Files, text: str) -> None:
    assert len(list(files.load(repo=text).items())) == text.count(" = ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[foo]\n", "unknown section: foo"),
        ('[core "x"]\nremote = a\n', 'unknown section: core "x"'),
        ("[remote 'a']\nurl = x\n", "unknown section: remote 'a'"),
        ("dir = a\n", "dir is in no section"),
        ("[core]\nnope = 1\n", "unknown key: core.nope"),
        ("[cache]\n[[x]]\ndir = a\n", "unknown key: cache.x"),
        ("[index]\nfoo = x\n", "unknown key: index.foo"),
        ("[core]\nautostage = maybe\n", "core.autostage = maybe: expected true or false"),
        ("[core]\nautostage = yes\n", "core.autostage = yes: expected true or false"),
        ("[core]\nautostage = 1\n", "core.autostage = 1: expected true or false"),
        ("[core]\nautostage =\n", "core.autostage = : expected true or false"),
        ("[core]\nchecksum_jobs = 0\n", "core.checksum_jobs = 0: expected a number of at least 1"),
        ("[core]\nchecksum_jobs = 1.5\n", "core.checksum_jobs = 1.5: expected a whole number"),
        ("[core]\nsite_cache_dir = a,b\n", "core.site_cache_dir = a,b: expected one value, not a list"),
        ("[cache]\ndir = it's, x\n", "cache.dir = it's,x: expected one value, not a list"),
        (
            "[cache]\ntype = copy,bad\n",
            "cache.type = copy,bad: expected a list out of reflink, hardlink, symlink, copy",
        ),
        ("[cache]\ntype =\n", "cache.type = : expected a list"),
        ("[cache]\ntype = COPY\n", "cache.type = COPY: expected a list"),
        ("[cache]\nshared = all\n", "cache.shared = all: expected group"),
        ("[parsing]\nbool = x\n", "parsing.bool = x: expected store_true or boolean_optional"),
        ("[state]\nrow_cleanup_quota = 101\n", "expected a number from 0 to 100"),
        ("[feature]\nmachine = maybe\n", "feature.machine = maybe"),
        ("[hydra]\nconfig_dir = x\nconfig_module = y\n", "hydra.config_dir and hydra.config_module exclude each other"),
        ("[remote]\na = x\n", 'remote.a: expected a section [remote "a"]'),
        ("[db]\nx = 1\n", 'db.x: expected a section [db "x"]'),
        ('[db "x"]\nfoo = 1\n', "unknown key: db.x.foo"),
        ('[machine "x"]\nspot_price = x\n', "machine.x.spot_price = x: expected a number"),
        ('[remote "a"]\njobs = 1\n', "remote.a has no url"),
        ('[remote "a"]\nurl = zz://b/k\n', "remote.a.url: zz:// is not supported"),
        ('[remote "a"]\nurl = s3://b/k\nuser = x\n', "unknown key: remote.a.user"),
        ('[remote "a"]\nurl = rel\nregion = x\n', "unknown key: remote.a.region"),
        ('[remote "a"]\nurl = hdfs://b\nverify = true\n', "unknown key: remote.a.verify"),
        ('[remote "a"]\nurl = s3://b/p\njobs = x\n', "remote.a.jobs = x: expected a whole number"),
        ('[remote "a"]\nurl = s3://b/p\ncache_regions = true\n', "remote.a.cache_regions = true: DVC accepts no value"),
        ('[remote "a"]\nurl = http://b\nconnect_timeout = -1\n', "expected a number of at least 0"),
        ('[remote "a"]\nurl = http://b,c\n', "remote.a.url = http://b,c: expected one value, not a list"),
    ],
)
def test_what_dvc_refuses(files: Files, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        files.load(repo=text)
    assert message in str(caught.value)
    assert str(caught.value).startswith(str(files.path("repo")))


def test_errors_name_the_file_that_holds_the_value(files: Files) -> None:
    files.load(repo="[core]\nautostage = true\n")
    with pytest.raises(ConfigError) as caught:
        files.load(local="[core]\nno_scm = x\n")
    assert str(caught.value).startswith(f"{files.path('local')}: core.no_scm")


def test_files_that_cannot_be_read(files: Files) -> None:
    files.path("repo").write_bytes(b"[cache]\ndir=\xff\n")
    with pytest.raises(ConfigError, match="not UTF-8 at byte 12"):
        files.load()
    files.path("repo").unlink()
    files.path("local").mkdir()
    with pytest.raises(SystemFailure, match=r"config\.local: Is a directory"):
        files.load()


def test_a_change_can_be_checked_before_it_is_written(files: Files) -> None:
    files.load(repo="[core]\nremote = a\n")
    path = str(files.path("repo"))
    assert Config.load(files.dvc_dir, files.env, {path: "[core]\nremote = b\n"}).core_remote == "b"
    with pytest.raises(ConfigError):
        Config.load(files.dvc_dir, files.env, {path: "[foo]\n"})
    assert files.load().core_remote == "a"


def test_where_the_files_are(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert config.config_path("system", "/p/.dvc", {}) == "/etc/xdg/dvc/config"
    assert config.config_path("global", "/p/.dvc", {"HOME": "/h"}) == "/h/.config/dvc/config"
    env = {"HOME": "/h", "XDG_CONFIG_HOME": "/x", "XDG_CONFIG_DIRS": "/a:/b"}
    assert config.config_path("system", "/p/.dvc", env) == "/a/dvc/config"
    assert config.config_path("global", "/p/.dvc", env) == "/x/dvc/config"
    assert config.config_path("repo", "/p/.dvc", env) == "/p/.dvc/config"
    assert config.config_path("local", "/p/.dvc", env) == "/p/.dvc/config.local"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert config.config_path("global", "/p/.dvc", env) == "/h/Library/Application Support/dvc/config"


# --- reading


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        ("# only\n\n  # comments\n", {}),
        ("[Core]\nReMote = X\n", {"core": {"remote": "X"}}),
        ("\t[ core ] # c\n\tremote=X # why\n", {"core": {"remote": "X"}}),
        ("[\"core\"]\n'remote' = X\n", {"core": {"remote": "X"}}),
        ("[core]\r\nremote = X\r\n", {"core": {"remote": "X"}}),
        ("[core]\rremote = X\r", {"core": {"remote": "X"}}),
        ("['remote \"A b\"']\nurl = x\n", {"remote": {"a b": {"url": "x"}}}),
        ('[remote "A"]\nurl = x\n', {"remote": {"a": {"url": "x"}}}),
        ('[remote"a"]\n["db \'x\'"]\n', {"remote": {"a": {}}, "db 'x'": {}}),
        ('[remote "a]b#c"] # ]\nurl = x\n', {"remote": {"a]b#c": {"url": "x"}}}),
        ('[remote ""]\n[remote "a" "b"]\n', {"remote": {"": {}, 'a" "b': {}}}),
        ("[remote]\n[[A]]\nURL = x\n[[b]]\nurl = y\n", {"remote": {"a": {"url": "x"}, "b": {"url": "y"}}}),
        ("[cache]\ndir = a\nDIR = b\n", {"cache": {"dir": "b"}}),
        ("[cache]\ndir = a\n[CACHE]\ntype = copy\n", {"cache": {"type": "copy"}}),
        ('[a]b]\n[cache"]\n', {"a]b": {}, 'cache"': {}}),
        ('[c]\nd"ir" = a\n"d=ir" = b\nd ir = c\n', {"c": {'d"ir"': "a", "d=ir": "b", "d ir": "c"}}),
    ],
)
def test_parse(text: str, expected: dict[str, Any]) -> None:
    assert parse(text, "f") == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", ""),
        ("# c", ""),
        ('""', ""),
        ("a b ", "a b"),
        ("a#b", "a"),
        ("a ; c", "a ; c"),
        ("a=b", "a=b"),
        ('"a#b" # c', "a#b"),
        ("'a b' # \"c\"", "a b"),
        ("it's", "it's"),
        ('a"b"c', 'a"b"c'),
        ('a "b" # c', 'a "b"'),
        (r'"a\"b"', r"a\"b"),
        ("'a''b'", "a''b"),
        ("'a' 'b'", "a' 'b"),
        ('"a\'b"', "a'b"),
        (r"\a\n", r"\a\n"),
        ("a%20b%%c%(x)d%(x", "a%20b%%c%(x)d%(x"),
        ("hardlink, symlink", ["hardlink", "symlink"]),
        ("\"a\" , 'b,c' # d", ["a", "b,c"]),
        ("a,", ["a"]),
        ('"a",', ["a"]),
        (",", []),
        (", # c", []),
        ("it's, x", ["it's", "x"]),
        ('copy, ha"rd', ["copy", 'ha"rd']),
        ("'''a'b\"c'''", "a'b\"c"),
        ('"""a" ""b""" # c', 'a" ""b'),
        ("'''x'a','b''''", "x'a','b'"),
        ("'''a\n  # b\n\nc''' # d", "a\n  # b\n\nc"),
        ('"""a\nb"""', "a\nb"),
        ('x"""a"""', 'x"""a"""'),
    ],
)
def test_values_of_every_kind(written: str, expected: str | list[str]) -> None:
    assert parse(f"[plots]\nout_dir = {written}\nnext = 1\n", "f") == {"plots": {"out_dir": expected, "next": "1"}}


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[a]\ndir: a\n", 2, "neither a section nor key = value: dir: a"),
        ("[a]\ndir\n", 2, "neither a section"),
        ("; c\n", 1, "neither a section"),
        ("\ufeff[a]\n", 1, "neither a section"),
        ("[a\n", 1, "neither a section"),
        ("[]\n", 1, "neither a section"),
        ("[a] x\n", 1, "neither a section"),
        ("['a]\n", 1, "neither a section"),
        ('[a]\n\n"dir"x = a\n', 3, "neither a section"),
        ('[a]\n"dir = a\n', 2, "neither a section"),
        ("[a]\nx = '''a\nb''' # c\n\ny\n", 5, "neither a section"),
        ("[a]]\n", 1, "unequal numbers of brackets"),
        ("[[a]]\n", 1, "nested too deeply"),
        ("[a]\n[[[b]]]\n", 2, "nested too deeply"),
        ("[a]\n[b]\n[a]\n", 3, "duplicate section: a"),
        ('[remote "a"]\n[\'remote "a"\']\n', 2, 'duplicate section: remote "a"'),
        ("[a]\nx = 1\ny = 1\nx = 2\n", 4, "duplicate key: x"),
        ('[a]\nx = "a\n', 2, "quotes do not match in the value of x"),
        ('[a]\nx = "a" b\n', 2, "quotes do not match in the value of x"),
        ('[a]\nx = b, "a\n', 2, "quotes do not match in the value of x"),
        ("[a]\nx = a,,b\n", 2, "an empty item in the value of x"),
        ("[a]\nx = , a\n", 2, "an empty item in the value of x"),
        ('[a]\n\nx = """a\ny = 1\n', 3, 'no end of the value of x: """ is missing'),
        ('[a]\nx = """a""" b\n', 2, "text after the value of x: b"),
        ('[a]\nx = """a\nb""" c\n', 3, "text after the value of x: c"),
        ("[a]\nx = a\\\n  b\n", 3, "neither a section"),
        ("[a]\nx = '''a\n~\0/b'''\n", 3, "a NUL byte"),
    ],
)
def test_syntax_errors(text: str, line: int, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, ".dvc/config")
    assert str(caught.value).startswith(f".dvc/config:{line}: ")
    assert message in str(caught.value)


def test_interpolation() -> None:
    assert parse("[c]\na = 1\nb = x%(a)s/%(d)s\nd = '%(a)s!'\n", "f")["c"] == {"a": "1", "b": "x1/1!", "d": "1!"}
    assert parse("[c]\na = 1\nb = %(a)s, z\n", "f")["c"]["b"] == ["1", "z"]
    for text, problem in [
        ("[c]\na = %(b)s\n[d]\nb = 1\n", "not in its section"),
        ("[c]\na = %(B)s\nb = 1\n", "not in its section"),
        ("[c]\na = %(a)s\n", "refers to itself"),
        ("[c]\na = %(b)s\nb = %(a)s\n", "refers to itself"),
    ]:
        with pytest.raises(ConfigError, match=problem):
            parse(text, "f")


# --- writing


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("plain", "plain"),
        ("a b", "a b"),
        ("a,b", '"a,b"'),
        ("a # b", '"a # b"'),
        (" lead", '" lead"'),
        ("trail ", '"trail "'),
        ("\ta", '"\ta"'),
        ("it's", "it's"),
        ('/p"q', '/p"q'),
        ('say "x"', "'say \"x\"'"),
        ("'q'", "\"'q'\""),
        ('a"b,c', "'a\"b,c'"),
        ("a'b,c", '"a\'b,c"'),
        ("a'b\"c", "'''a'b\"c'''"),
        ("a'''b\"c", '"""a\'\'\'b"c"""'),
        ("a\nb", "'''a\nb'''"),
        ("", '""'),
        ("'''", "\"'''\""),
        ("[x]", "[x]"),
        ("a=b;%x%%\\", "a=b;%x%%\\"),
        (["copy"], "copy,"),
        (["copy", "a,b"], 'copy, "a,b"'),
        ([], ","),
    ],
)
def test_values_are_written_as_by_dvc(value: str | list[str], written: str) -> None:
    text = dump({"plots": {"out_dir": value}})
    assert text == f"[plots]\n    out_dir = {written}\n"
    assert parse(text, "f") == {"plots": {"out_dir": value}}


def test_dump_orders_sections_as_dvc() -> None:
    sections: dict[str, dict[str, Any]] = {
        "db": {"x": {"url": "1"}},
        "remote": {"b": {"url": "2"}, "a": {"url": "3"}},
        "core": {},
        "cache": {"dir": "4"},
    }
    expected = "[cache]\n    dir = 4\n['remote \"b\"']\n    url = 2\n['remote \"a\"']\n    url = 3\n"
    expected += "['db \"x\"']\n    url = 1\n"
    assert dump(sections) == expected
    assert parse(expected, "f") == {name: content for name, content in sections.items() if content}


def test_the_golden_scenario() -> None:
    """The settings of the scenario, one by one, make the bytes that dvc wrote."""
    steps = json.loads((GOLDEN / "s39_config/scenario.json").read_text())["steps"]
    snapshots = [step["meta"] for step in steps if step["op"] == "snapshot"]
    done = 0
    text, local = snapshots[0][".dvc/config"], ""
    for step in steps:
        if step["op"] == "snapshot":
            assert text == step["meta"][".dvc/config"]
            assert local == step["meta"].get(".dvc/config.local", "")
            done += 1
        if step["op"] != "run" or step["exit"] or step["argv"][1] not in ("config", "cache", "remote"):
            continue
        words = step["argv"][1:]
        cwd = "/repo/" + step.get("cwd", "")
        if words[:2] == ["cache", "dir"] and len(words) == 3:
            text = with_value(text, "f", "cache.dir", as_stored("cache.dir", words[2], "/repo/.dvc/config", cwd))
        elif words[:2] == ["remote", "add"]:
            name = f"remote.{words[2]}.url"
            text = with_value(text, "f", name, as_stored(name, words[3], "/repo/.dvc/config", cwd))
        elif words[:2] == ["config", "--local"]:
            local = with_value(local, "f", words[2], words[3])
        elif words[:2] == ["config", "--unset"]:
            text = without_value(text, "f", words[2])
        elif words[0] == "config" and len(words) == 3:
            text = with_value(text, "f", words[1], words[2])
    assert done == len(snapshots) >= 4


OWN = """\
# top

[core] # c1
  # why
  remote = X # because
[Cache]
type = copy, hardlink
DIR = x

# about b
[remote "B"]
\turl = \"\"\"s3://
x\"\"\" # two lines
"""


@pytest.mark.parametrize(
    ("name", "value", "old", "new"),
    [
        ("core.remote", "y", "remote = X #", "remote = y #"),
        ("core.autostage", "true", "# because\n", "# because\n  autostage = true\n"),
        ("cache.dir", "a,b", "DIR = x", 'dir = "a,b"'),
        ("cache.type", "copy", "type = copy, hardlink", "type = copy"),
        ("plots.out_dir", "p", "# about b\n", "# about b\n[plots]\n    out_dir = p\n"),
        ("remote.b.url", "z", 'url = """s3://\nx""" #', "url = z #"),
        ("remote.b.jobs", "2", "# two lines\n", "# two lines\n\tjobs = 2\n"),
        ("remote.C.url", "z", "# two lines\n", "# two lines\n['remote \"c\"']\n    url = z\n"),
        ("db.x.url", "z", "# two lines\n", "# two lines\n['db \"x\"']\n    url = z\n"),
    ],
)
def test_setting_keeps_everything_else(name: str, value: str, old: str, new: str) -> None:
    assert OWN.count(old) == 1
    assert with_value(OWN, "f", name, value) == OWN.replace(old, new)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("cache.dir", "DIR = x\n", ""),
        ("core.remote", "[core] # c1\n  # why\n  remote = X # because\n", "  # why\n"),
        ("remote.b.url", '\turl = """s3://\nx""" # two lines\n', ""),
        ("remote.B", '[remote "B"]\n\turl = """s3://\nx""" # two lines\n', ""),
    ],
)
def test_unsetting_keeps_everything_else(name: str, old: str, new: str) -> None:
    assert OWN.count(old) == 1
    assert without_value(OWN, "f", name) == OWN.replace(old, new)


def test_unsetting_what_is_not_set() -> None:
    for name, message in [
        ("core.autostage", "f: autostage is not set in core"),
        ("plots.out_dir", "f: out_dir is not set in plots"),
        ("remote.b.jobs", "f: jobs is not set in remote.b"),
        ("remote.c", "f: c is not set in remote"),
    ]:
        with pytest.raises(ConfigError) as caught:
            without_value(OWN, "f", name)
        assert str(caught.value) == message


def test_new_sections_are_where_dvc_puts_them() -> None:
    text = ""
    for name in ("remote.a.url", "db.x.url", "core.remote", "remote.b.url", "cache.dir", "machine.m.cloud"):
        text = with_value(text, "f", name, "v")
    headers = [line for line in text.splitlines() if line.startswith("[")]
    assert headers == [
        *("[core]", "[cache]", "['remote \"a\"']", "['remote \"b\"']", "['machine \"m\"']", "['db \"x\"']"),
    ]
    nested = "[remote]\n[[a]]\nurl = x\n"
    assert with_value(nested, "f", "core.remote", "a") == "[core]\n    remote = a\n" + nested
    assert parse(with_value(nested, "f", "remote.a.jobs", "2"), "f") == {"remote": {"a": {"url": "x", "jobs": "2"}}}


def test_the_last_value_leaves_one_line_end() -> None:
    assert without_value("[core]\n    remote = a\n", "f", "core.remote") == "\n"


def test_names() -> None:
    assert split_name("core.remote") == ("core", None, "remote")
    assert split_name("Remote.My.Own.URL") == ("remote", "my.own", "url")
    assert split_name("remote.x") == ("remote", None, "x")
    for name in ("core", "", ".x", "core."):
        with pytest.raises(ConfigError, match="expected section"):
            split_name(name)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("cache.dir", "c", "../sub/c"),
        ("cache.dir", "k/../j", "../sub/j"),
        ("cache.dir", "../../x", "../../x"),
        ("remote.a.url", "../b", "../b"),
        ("remote.a.keyfile", "k", "../sub/k"),
        ("remote.a.url", "/p/../b", "/p/../b"),
        ("remote.a.url", "s3://b", "s3://b"),
        ("remote.a.url", "~/b", "~/b"),
        ("remote.a.user", "u", "u"),
        ("core.site_cache_dir", "c", "c"),
        ("plots.out_dir", "c", "c"),
    ],
)
def test_paths_are_stored_relative_to_the_file(name: str, value: str, expected: str) -> None:
    assert as_stored(name, value, "/p/.dvc/config", "/p/sub") == expected


def test_nothing_heavy_is_imported() -> None:
    script = "import sys; import gitstage.config; print(*sys.modules)"
    root = str(Path(config.__file__).parent.parent)
    got = subprocess.run(
        [sys.executable, "-c", script], env={"PYTHONPATH": root}, stdout=subprocess.PIPE, text=True, check=True
    )
    assert not {"configparser", "configobj", "yaml", "pathlib", "click", "pygit2"} & set(got.stdout.split())
