"""DVC's configuration: `.dvc/config`, `.dvc/config.local` and the user's and the system's file.

The files are in the dialect of the ConfigObj library, which is read and written here without it: sections, possibly
quoted and nested once; `key = value` with `#` comments; values bare, in quotes, in three quotes over several lines, or
a comma-separated list; `%(key)s` stands for another value of the section. DVC refuses a project in which any file holds
a section or key that it does not know, so nothing of our own may be written there.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

from gitstage import fs
from gitstage.errors import ConfigError, NoProject, SystemFailure
from gitstage.static import Any, NamedTuple

USER_LEVELS = ("system", "global")
PROJECT_LEVELS = ("repo", "local")
LEVELS = USER_LEVELS + PROJECT_LEVELS
"""Weakest first: a later file's value for a key replaces an earlier one's."""

_OUTSIDE = "not inside a project: only the files of --global and --system can be used here"

LINK_TYPES = ("reflink", "hardlink", "symlink", "copy")

Value = str | list[str]
Sections = dict[str, dict[str, Any]]
"""Section to key to str or list of str; a named section, `remote "x"`, is section to name to key to value."""

_NAMED = ("remote", "machine", "db")  # named sections, in DVC's order
_QUOTES = ('"', "'")


# --- what DVC 3.67 accepts -------------------------------------------------------------------------------------------

Check = Callable[[Any], Any]
"""Turns a value as written (str or list of str) into what it means; ValueError says what was expected."""


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("expected one value, not a list; quote a value that has a comma")
    return value


def _lower(value: Any) -> str:
    return _text(value).lower()


def _bool(value: Any) -> bool:
    if _lower(value) not in ("true", "false"):
        raise ValueError("expected true or false")
    return bool(_lower(value) == "true")


def _bool_or_text(value: Any) -> bool | str:
    return _bool(value) if _lower(value) in ("true", "false") else _text(value)


def _integer(least: int | None = None, most: int | None = None) -> Check:
    def check(value: Any) -> int:
        try:
            number = int(_text(value))
        except ValueError:
            raise ValueError("expected a whole number") from None
        if (least is not None and number < least) or (most is not None and number > most):
            raise ValueError(f"expected a number {f'from {least} to {most}' if most else f'of at least {least}'}")
        return number

    return check


def _number(least: float | None = None) -> Check:
    def check(value: Any) -> float:
        try:
            number = float(_text(value))
        except ValueError:
            raise ValueError("expected a number") from None
        if least is not None and not number >= least:
            raise ValueError(f"expected a number of at least {least:g}")
        return number

    return check


def _choice(*choices: str) -> Check:
    def check(value: Any) -> str:
        if _lower(value) not in choices:
            raise ValueError("expected " + " or ".join(choices))
        return _lower(value)

    return check


def _link_types(value: Any) -> tuple[str, ...]:
    types = tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else tuple(value)
    if not set(types) <= set(LINK_TYPES):
        raise ValueError("expected a list out of " + ", ".join(LINK_TYPES))
    return types


def _never(value: Any) -> Any:
    raise ValueError("DVC accepts no value for this in a file")


def _keys(check: Check, names: str) -> dict[str, Check]:
    return dict.fromkeys(names.split(), check)


_AT_LEAST_1 = _integer(1)
_INT = _integer()
_LOCAL = {"type": _link_types, "shared": _choice("group"), **_keys(_bool, "protected slow_link_warning verify")}
_REMOTE = {
    "url": _text,
    **_keys(_AT_LEAST_1, "checksum_jobs jobs"),
    **_keys(_bool, "worktree no_traverse version_aware"),
}
_HTTP = {
    "auth": _choice("basic", "digest", "custom"),
    **_keys(_text, "custom_auth_header user password method"),
    **_keys(_bool, "ask_password verify"),
    "ssl_verify": _bool_or_text,
    **_keys(_number(0), "connect_timeout read_timeout"),
}
_WEBDAV = {
    **_keys(_text, "user password token bearer_token_command custom_auth_header cert_path key_path"),
    **_keys(_bool, "ask_password verify"),
    "timeout": _INT,
    "ssl_verify": _bool_or_text,
}
_REMOTES: dict[str, dict[str, Check]] = {
    "": _LOCAL,
    "s3": {
        **_keys(_text, "region profile credentialpath configpath endpointurl access_key_id secret_access_key"),
        **_keys(_text, "session_token sse sse_kms_key_id sse_customer_algorithm sse_customer_key"),
        **_keys(_text, "acl grant_read grant_read_acp grant_write_acp grant_full_control"),
        **_keys(_bool, "listobjects use_ssl allow_anonymous_login verify"),
        **_keys(_INT, "read_timeout connect_timeout"),
        "ssl_verify": _bool_or_text,
        "cache_regions": _never,
    },
    "gs": {**_keys(_text, "projectname credentialpath endpointurl"), **_keys(_bool, "verify allow_anonymous_login")},
    "ssh": {
        "type": _link_types,
        **_keys(_INT, "port timeout max_sessions"),
        **_keys(_text, "user password passphrase keyfile"),
        **_keys(_bool, "ask_password ask_passphrase gss_auth allow_agent verify"),
    },
    "hdfs": {**_keys(_text, "user kerb_ticket"), "replication": _never},
    "webhdfs": {
        **_keys(_bool, "kerberos use_https verify"),
        **_keys(_text, "kerberos_principal proxy_to token user password data_proxy_target"),
        "ssl_verify": _bool_or_text,
    },
    "azure": {
        **_keys(_text, "connection_string sas_token account_name account_key tenant_id client_id client_secret"),
        **_keys(_bool, "allow_anonymous_login exclude_environment_credential exclude_visual_studio_code_credential"),
        **_keys(_bool, "exclude_shared_token_cache_credential exclude_managed_identity_credential verify"),
        **_keys(_INT, "timeout read_timeout connection_timeout"),
    },
    "oss": {**_keys(_text, "oss_key_id oss_key_secret oss_endpoint"), "verify": _bool},
    "gdrive": {
        **_keys(_text, "profile gdrive_client_id gdrive_client_secret gdrive_user_credentials_file"),
        **_keys(_text, "gdrive_service_account_user_email gdrive_service_account_json_file_path"),
        **_keys(_bool, "gdrive_use_service_account gdrive_trash_only gdrive_acknowledge_abuse verify"),
    },
    "http": _HTTP,
    "https": _HTTP,
    "webdav": _WEBDAV,
    "webdavs": _WEBDAV,
    "rclone": {"verify": _bool},  # ours; DVC refuses a file that has it
}
_SECTIONS: dict[str, dict[str, Check]] = {
    "core": {
        **_keys(_lower, "remote machine"),
        **_keys(_bool, "interactive analytics hardlink_lock no_scm autostage experiments check_update"),
        "checksum_jobs": _AT_LEAST_1,
        "site_cache_dir": _text,
    },
    "cache": {**_keys(_text, "dir local s3 gs hdfs webhdfs ssh azure"), **_LOCAL},
    "state": {"dir": _text, "row_limit": _AT_LEAST_1, "row_cleanup_quota": _integer(0, 100)},
    "index": {"dir": _text},
    "feature": {"machine": _bool},  # DVC warns of other keys here, and goes on
    "plots": {**_keys(_text, "html_template out_dir"), "auto_open": _bool},
    "exp": {**_keys(_text, "code data models metrics params plots live git_remote"), "auto_push": _bool},
    "parsing": {"bool": _choice("store_true", "boolean_optional"), "list": _choice("nargs", "append")},
    "hydra": {"enabled": _bool, **_keys(_text, "config_dir config_module config_name plugins_path")},
    "studio": {**_keys(_text, "token url repo_url"), "offline": _bool},
}
_DB = _keys(_text, "url username password")
_MACHINE = {
    "cloud": _choice("aws", "azure"),
    "region": _choice("us-west", "us-east", "eu-west", "eu-north"),
    **_keys(_text, "image ssh_private startup_script setup_script"),
    **_keys(_lower, "instance_type instance_gpu"),
    "spot": _bool,
    "spot_price": _number(),
    "instance_hdd_size": _INT,
}

# Values that name a file: in the file they are relative to its folder.
_PATHS = {"cache": frozenset(("dir",))}
_REMOTE_PATHS = frozenset(
    (
        *("url", "credentialpath", "configpath", "keyfile", "cert_path", "key_path"),
        *("gdrive_user_credentials_file", "gdrive_service_account_json_file_path"),
    )
)


# --- the merged configuration ----------------------------------------------------------------------------------------


class Config(NamedTuple):
    """All levels merged, checked. `values` are as written in the files, except that paths are absolute; `meant`: what
    those that are checked mean."""

    dvc_dir: str
    values: Mapping[str, Mapping[str, Any]]
    meant: Mapping[str, Any]

    @classmethod
    def load(
        cls, dvc_dir: str, env: Mapping[str, str] | None = None, instead: Mapping[str, str] | None = None
    ) -> Config:
        """Read the files of every level; an absent one is empty. `dvc_dir` is the absolute path of a `.dvc`.

        `env` is used in place of the process's environment. `instead` maps a file's path to a text to be used in its
        place: to check a change before it is written. Raises ConfigError naming file and line or key, SystemFailure if
        a file cannot be read.
        """
        values, sources = _merged(LEVELS, dvc_dir, os.environ if env is None else env, instead or {})
        return cls(dvc_dir, values, _checked(values, sources))

    def get(self, name: str) -> Value | None:
        """The value of "section.key" or "remote.name.key" as written, paths made absolute; None if no file has it."""
        section, named, key = split_name(name)
        found = self.values.get(section, {})
        if named is not None:
            found = found.get(named, {})
        value = found.get(key)
        return None if isinstance(value, dict) else value

    def items(self) -> Iterator[tuple[str, Value]]:
        """Every ("section.key", value as written), in the order in which the files name them first."""
        return flatten(self.values)

    @property
    def cache_dir(self) -> str:
        """Absolute path of the cache. What has a scheme ("s3://") is kept as it is."""
        return str(self.meant.get("cache.dir") or os.path.join(self.dvc_dir, "cache"))

    @property
    def cache_types(self) -> tuple[str, ...]:
        """Kinds of links out of the cache, to be tried in this order."""
        return self.meant.get("cache.type") or ("reflink", "copy")

    @property
    def cache_shared(self) -> bool:
        """Is the cache to be writable by the group?"""
        return self.meant.get("cache.shared") == "group"

    @property
    def autostage(self) -> bool:
        return bool(self.meant.get("core.autostage"))

    @property
    def no_scm(self) -> bool:
        return bool(self.meant.get("core.no_scm"))

    @property
    def hardlink_lock(self) -> bool:
        return bool(self.meant.get("core.hardlink_lock"))

    @property
    def core_remote(self) -> str | None:
        """Name of the default remote, in lower case; there need not be a remote of this name."""
        return self.meant.get("core.remote") or None

    @property
    def checksum_jobs(self) -> int | None:
        return self.meant.get("core.checksum_jobs")

    @property
    def site_cache_dir(self) -> str | None:
        return self.meant.get("core.site_cache_dir")

    @property
    def bool_style(self) -> str:
        """How `${dict}` in a command writes a true value: "store_true" or "boolean_optional"."""
        return str(self.meant.get("parsing.bool", "store_true"))

    @property
    def list_style(self) -> str:
        """How `${dict}` in a command writes a list: "nargs" or "append"."""
        return str(self.meant.get("parsing.list", "nargs"))

    @property
    def remotes(self) -> Mapping[str, Mapping[str, str]]:
        """Name in lower case to settings as written; `url` and other paths are absolute or have a scheme.

        A list is joined by commas.
        """
        return {
            name: {key: value if isinstance(value, str) else ",".join(value) for key, value in settings.items()}
            for name, settings in self.values.get("remote", {}).items()
        }


def config_path(level: str, dvc_dir: str, env: Mapping[str, str] | None = None) -> str:
    """Where the file of a level ("system", "global", "repo", "local") is; it need not exist."""
    env = os.environ if env is None else env
    if level == "repo":
        return os.path.join(dvc_dir, "config")
    if level == "local":
        return os.path.join(dvc_dir, "config.local")
    folder = env.get(f"DVC_{level.upper()}_CONFIG_DIR")
    if not folder:
        home = env.get("HOME") or os.path.expanduser("~")
        if sys.platform == "win32":
            base = env.get("PROGRAMDATA" if level == "system" else "LOCALAPPDATA", "")
            folder = os.path.join(base, "iterative", "dvc")
        elif sys.platform == "darwin":
            folder = os.path.join("" if level == "system" else home, "Library", "Application Support", "dvc")
            folder = "/" + folder if level == "system" else folder
        elif level == "system":
            folder = os.path.join((env.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")[0], "dvc")
        else:
            folder = os.path.join(env.get("XDG_CONFIG_HOME") or os.path.join(home, ".config"), "dvc")
    return os.path.join(folder, "config")


def split_name(name: str) -> tuple[str, str | None, str]:
    """ "core.remote" is ("core", None, "remote"), "remote.x.url" is ("remote", "x", "url"), all in lower case.

    "remote.x" is ("remote", None, "x"). A name may hold dots. Raises ConfigError if there is no dot.
    """
    section, dot, rest = name.lower().partition(".")
    if not dot or not section or not rest:
        raise ConfigError(f"{name}: expected section.key, remote.name.key or db.name.key")
    if section in _NAMED and "." in rest:
        named, _, key = rest.rpartition(".")
        return section, named, key
    return section, None, rest


def as_stored(name: str, value: str, path: str, cwd: str) -> str:
    """What to write into the file `path` for `value` typed in folder `cwd`.

    Where the setting is a path, a relative one is made relative to the file's folder, as DVC does it; "~" and what has
    a scheme are kept.
    """
    section, named, key = split_name(name)
    is_path = key in _REMOTE_PATHS if section == "remote" and named is not None else key in _PATHS.get(section, ())
    if not is_path or _has_scheme(value) or os.path.isabs(value) or value.startswith("~"):
        return value
    return os.path.relpath(os.path.join(cwd, value), os.path.dirname(path)).replace(os.sep, "/")


def flatten(sections: Mapping[str, Mapping[str, Any]]) -> Iterator[tuple[str, Value]]:
    """("section.key", value) and ("remote.name.key", value) of every value."""
    for section, content in sections.items():
        for key, value in content.items():
            if isinstance(value, dict):
                for inner, inner_value in value.items():
                    yield f"{section}.{key}.{inner}", inner_value
            else:
                yield f"{section}.{key}", value


def read(dvc_dir: str | None, level: str | None = None, env: Mapping[str, str] | None = None) -> Sections:
    """The values of one level, or of all merged, paths made absolute; which keys there are is not checked.

    `dvc_dir` is None outside a project: "system" and "global" only. Raises ConfigError on bad syntax, NoProject.
    """
    if dvc_dir is None and level in PROJECT_LEVELS:
        raise NoProject(_OUTSIDE)
    levels = (level,) if level else LEVELS if dvc_dir is not None else USER_LEVELS
    return _merged(levels, dvc_dir or "", os.environ if env is None else env, {})[0]


def _merged(
    levels: Sequence[str], dvc_dir: str, env: Mapping[str, str], instead: Mapping[str, str]
) -> tuple[Sections, dict[str, str]]:
    """The values of some levels, and the file that each is from; see `Config.load`."""
    values: Sections = {}
    sources: dict[str, str] = {}
    for level in levels:
        path = config_path(level, dvc_dir, env)
        text = instead[path] if path in instead else _read(path)
        if text:
            _merge(values, sources, parse(text, path), path, env)
    return values, sources


def _read(path: str) -> str:
    try:
        with open(path, "rb") as stream:
            return stream.read().decode()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: not UTF-8 at byte {error.start}") from None
    except OSError as error:
        raise SystemFailure(f"{path}: {error.strerror}") from error


def _merge(into: Sections, sources: dict[str, str], sections: Sections, path: str, env: Mapping[str, str]) -> None:
    folder = os.path.dirname(path)
    for section, content in sections.items():
        sources[section] = path
        merged = into.setdefault(section, {})
        for key, value in content.items():
            sources[f"{section}.{key}"] = path
            if isinstance(value, dict):
                inner = merged.setdefault(key, {})
                if not isinstance(inner, dict):
                    inner = merged[key] = {}
                for name, inner_value in value.items():
                    sources[f"{section}.{key}.{name}"] = path
                    is_path = section == "remote" and name in _REMOTE_PATHS
                    inner[name] = _absolute(inner_value, folder, env) if is_path else inner_value
            else:
                merged[key] = _absolute(value, folder, env) if key in _PATHS.get(section, ()) else value


def _has_scheme(value: str) -> bool:
    scheme, found, _ = value.partition("://")
    return bool(found) and scheme.replace("_", "a").isalnum()


def _absolute(value: Value, folder: str, env: Mapping[str, str]) -> Value:
    """A path as it stands in a file of `folder`; a list is left to the check."""
    if not isinstance(value, str) or _has_scheme(value):
        return value
    if value == "~" or value.startswith(("~/", "~" + os.sep)):
        value = (env.get("HOME") or os.path.expanduser("~")) + value[1:]
    elif value.startswith("~"):
        value = os.path.expanduser(value)
    return value if os.path.isabs(value) else os.path.normpath(os.path.join(folder, value))


def _checked(values: Sections, sources: Mapping[str, str]) -> dict[str, Any]:
    """What every "section.key" means. Raises ConfigError on what DVC would refuse."""
    meant: dict[str, Any] = {}
    for section, content in values.items():
        if section in _NAMED:
            for name, settings in content.items():
                where = f"{section}.{name}"
                if not isinstance(settings, dict):
                    raise ConfigError(f'{sources[where]}: {where}: expected a section [{section} "{name}"]')
                _check_all(where, settings, _named_keys(section, where, settings, sources), sources, meant)
        elif section in _SECTIONS:
            known: Mapping[str, Check] | None = _SECTIONS[section]
            if section == "feature":
                content = {key: value for key, value in content.items() if key in _SECTIONS[section]}
            _check_all(section, content, known, sources, meant)
        else:
            what = "section" if not section or isinstance(content, dict) else "key"
            raise ConfigError(f"{sources[section]}: unknown {what}: {section}")
    if "hydra.config_dir" in meant and "hydra.config_module" in meant:
        raise ConfigError(
            f"{sources['hydra.config_module']}: hydra.config_dir and hydra.config_module exclude each other"
        )
    return meant


def _named_keys(
    section: str, where: str, settings: Mapping[str, Any], sources: Mapping[str, str]
) -> Mapping[str, Check] | None:
    """The keys that this named section may have; None: any."""
    if section != "remote":
        return _DB if section == "db" else _MACHINE
    url = settings.get("url")
    if url is None:
        raise ConfigError(f"{sources[where]}: {where} has no url")
    scheme = ""
    if isinstance(url, str) and _has_scheme(url):
        scheme, _, rest = url.partition("://")
        scheme = scheme.lower() if rest.partition("/")[0] else ""
    if scheme == "remote":  # a part of another remote: takes all that the other takes
        return None
    if scheme not in _REMOTES:
        raise ConfigError(f"{sources[where + '.url']}: {where}.url: {scheme}:// is not supported")
    return {**_REMOTE, **_REMOTES[scheme]}


def _check_all(
    where: str,
    content: Mapping[str, Any],
    known: Mapping[str, Check] | None,
    sources: Mapping[str, str],
    meant: dict[str, Any],
) -> None:
    for key, value in content.items():
        name = f"{where}.{key}"
        check = _text if known is None else known.get(key)
        if check is None or isinstance(value, dict):
            raise ConfigError(f"{sources[name]}: unknown key: {name}")
        try:
            meant[name] = check(value)
        except ValueError as error:
            shown = value if isinstance(value, str) else ",".join(value)
            raise ConfigError(f"{sources[name]}: {name} = {shown}: {error}") from None


# --- reading ---------------------------------------------------------------------------------------------------------


class _Line(NamedTuple):
    """One logical line: of `length` physical ones from `start` (counted from 0)."""

    start: int
    length: int
    section: tuple[str, ...]
    """The section that it opens or is in, as written: (), ("core",), ("remote", "x") if nested."""
    key: str | None = None
    value: Value = ""
    comment: str = ""
    """From "#" on."""
    opens: bool = False


def parse(text: str, path: str) -> Sections:
    """Sections and keys of a file's text, both in lower case; later sections of the same name replace earlier ones.

    `[remote "x"]` is `{"remote": {"x": {...}}}`. Raises ConfigError with `path` and line on what is not of the syntax
    and on duplicates. Which sections and keys there are is not checked. Source: the files that DVC reads and writes.
    """
    found: dict[tuple[str, ...], dict[str, Value]] = {}
    result: Sections = {}
    for line in _lines(text, path):
        if line.opens:
            if line.section in found:
                raise ConfigError(f"{path}:{line.start + 1}: duplicate section: {'.'.join(line.section)}")
            found[line.section] = {}
        elif line.key is not None:
            content = found.setdefault(line.section, {})
            if line.key in content:
                raise ConfigError(f"{path}:{line.start + 1}: duplicate key: {line.key}")
            content[line.key] = line.value
    for section, content in found.items():
        if not section:
            if content:
                raise ConfigError(f"{path}: {next(iter(content))} is in no section")
            continue
        values = {
            key.lower(): _interpolated(
                value, (key,), [content, *(found.get(section[:1], {}) for _ in section[1:])], path
            )
            for key, value in content.items()
        }
        outer, name = _names(section)
        if name is None:
            result[outer] = dict(values)
        else:
            result.setdefault(outer, {})[name] = values
    return result


def _names(section: tuple[str, ...]) -> tuple[str, str | None]:
    """Section and name, in lower case, of a section as written."""
    if len(section) > 1:
        return section[0].lower(), ".".join(section[1:]).lower()
    written = section[0].lower()
    kind, quote, rest = written.partition('"')
    if quote and rest.rstrip().endswith('"') and kind.strip() in _NAMED:
        return kind.strip(), rest.rstrip()[:-1]
    return written, None


def _lines(text: str, path: str) -> Iterator[_Line]:
    physical = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if "\0" in text:  # most settings are paths, addresses or passed on to programs
        at = next(at for at, line in enumerate(physical, 1) if "\0" in line)
        raise ConfigError(f"{path}:{at}: a NUL byte")
    section: tuple[str, ...] = ()
    number = 0
    while number < len(physical):
        start, line = number, physical[number].strip()
        number += 1
        if not line or line[0] == "#":
            continue
        where = f"{path}:{start + 1}"
        if line[0] == "[":
            header, depth, comment = _header(line, where)
            if depth > len(section) + 1:
                raise ConfigError(f"{where}: section nested too deeply: {line}")
            section = (*section[: depth - 1], header)
            yield _Line(start, 1, section, comment=comment, opens=True)
            continue
        key, rest = _key(line, where)
        quote = rest[:3]
        if quote in ('"""', "'''") and quote not in rest[3:]:
            parts = [rest[3:]]
            while number < len(physical) and quote not in physical[number]:
                parts.append(physical[number])
                number += 1
            if number == len(physical):
                raise ConfigError(f"{where}: no end of the value of {key}: {quote} is missing")
            last, comment = _closed(physical[number], quote, key, f"{path}:{number + 1}")
            number += 1
            value: Value = "\n".join((*parts, last))
        else:
            value, comment = _value(rest, key, where)
        yield _Line(start, number - start, section, key, value, comment)


def _header(line: str, where: str) -> tuple[str, int, str]:
    """Name, depth and comment of a section's line."""
    inner = line.lstrip("[ \t")
    depth = line[: len(line) - len(inner)].count("[")
    quote = inner[:1] if inner[:1] in ('"', "'") else ""
    end = inner.find(quote, 1) + 1 if quote else 1
    while end > 0 and end < len(inner):  # the first end after which only brackets and a comment follow
        closing = inner[end:].lstrip("] \t")
        brackets = inner[end : len(inner) - len(closing)]
        if "]" in brackets and (not closing or closing[0] == "#"):
            if brackets.count("]") != depth:
                raise ConfigError(f"{where}: unequal numbers of brackets: {line}")
            return inner[1 : end - 1] if quote else inner[:end].rstrip(), depth, closing
        end = inner.find(quote, end) + 1 if quote else end + 1
    raise ConfigError(f"{where}: neither a section nor key = value: {line}")


def _key(line: str, where: str) -> tuple[str, str]:
    """Key and what follows "="."""
    if line[0] in "\"'":
        end = line.find(line[0], 1)
        while end > 0:
            rest = line[end + 1 :].lstrip()
            if rest.startswith("="):
                return line[1:end], rest[1:].strip()
            end = line.find(line[0], end + 1)
    else:
        key, equals, rest = line.partition("=")
        if equals:
            return key.strip(), rest.strip()
    raise ConfigError(f"{where}: neither a section nor key = value: {line}")


def _value(text: str, key: str, where: str) -> tuple[Value, str]:
    """One value or a list, and the comment behind it."""
    quote = text[:3]
    if quote in ('"""', "'''"):
        return _closed(text[3:], quote, key, where)
    items: list[str] = []
    rest, listed = text, False
    if rest.startswith(",") and rest[1:].lstrip()[:1] in ("", "#"):
        return [], rest[1:].lstrip()
    while rest and rest[0] != "#":
        item, rest = _item(rest, key, where)
        items.append(item)
        if not rest.startswith(","):
            break
        rest, listed = rest[1:].lstrip(), True
    if listed:
        return items, rest
    return items[0] if items else "", rest


def _closed(text: str, quote: str, key: str, where: str) -> tuple[str, str]:
    """What lies before the first closing quotes that only a comment follows, and the comment."""
    end = text.find(quote)
    while end >= 0:
        comment = text[end + 3 :].strip()
        if not comment or comment[0] == "#":
            return text[:end], comment
        end = text.find(quote, end + 1)
    raise ConfigError(f"{where}: text after the value of {key}: {text.partition(quote)[2].strip()}")


def _item(text: str, key: str, where: str) -> tuple[str, str]:
    """The first item of a list, and the text from the comma or comment behind it on."""
    if text[0] in "\"'":
        end = text.find(text[0], 1)
        while end > 0:  # the first quote that an end of the item follows
            rest = text[end + 1 :].lstrip()
            if not rest or rest[0] in ",#":
                return text[1:end], rest
            end = text.find(text[0], end + 1)
        raise ConfigError(f"{where}: quotes do not match in the value of {key}: {text}")
    end = min((position for position in (text.find(","), text.find("#")) if position >= 0), default=len(text))
    if end == 0:
        raise ConfigError(f"{where}: an empty item in the value of {key}")
    return text[:end].rstrip(), text[end:]


def _interpolated(value: Value, seen: tuple[str, ...], scopes: list[dict[str, Value]], path: str) -> Value:
    """With `%(key)s` replaced by the section's value of that key."""
    if isinstance(value, list):
        return [str(_interpolated(item, seen, scopes, path)) for item in value]
    if "%(" not in value:
        return value
    import re

    def replacement(match: re.Match[str]) -> str:
        name = match[1]
        other = next((scope[name] for scope in scopes if name in scope), None)
        if not isinstance(other, str) or name in seen:
            problem = "refers to itself" if name in seen else "refers to a key that is not in its section"
            raise ConfigError(f"{path}: {seen[0]} = {value}: %({name})s {problem}")
        return str(_interpolated(other, (*seen, name), scopes, path))

    return re.sub(r"%\(([^)]*)\)s", replacement, value)


# --- writing ---------------------------------------------------------------------------------------------------------


def dump(sections: Mapping[str, Mapping[str, Any]]) -> str:
    """The text that DVC writes: plain sections, then named ones; without the empty ones; lists as lists."""
    blocks = [(section, content) for section, content in sections.items() if section not in _NAMED]
    for section in _NAMED:
        for name, inner in sections.get(section, {}).items():
            blocks.append((_quoted_name(section, name), inner))
    return "".join(
        f"[{header}]\n" + "".join(f"    {key} = {_written(value)}\n" for key, value in content.items())
        for header, content in blocks
        if content
    )


class ConfigFile:
    """The file of one level, being edited: nothing is written before `save`.

    `dvc_dir` is None outside a project, where the levels "repo" and "local" raise NoProject. What nobody touches stays
    as it is, comments and layout included; else the bytes are those that DVC writes.
    """

    def __init__(self, level: str, dvc_dir: str | None, env: Mapping[str, str] | None = None) -> None:
        if dvc_dir is None and level in PROJECT_LEVELS:
            raise NoProject(_OUTSIDE)
        self.level, self.dvc_dir = level, dvc_dir
        self._env = os.environ if env is None else env
        self.path = config_path(level, dvc_dir or "", self._env)
        self.before = self.text = _read(self.path)

    @property
    def sections(self) -> Sections:
        """What the text says, as written. Raises ConfigError on bad syntax."""
        return parse(self.text, self.path) if self.text else {}

    def get(self, name: str) -> Value | None:
        """The value of "section.key" or "remote.name.key" as written in this file; None if it is not there."""
        section, named, key = split_name(name)
        found = self.sections.get(section, {})
        if named is not None:
            found = found.get(named, {})
        value = found.get(key)
        return None if isinstance(value, dict) else value

    def set(self, name: str, value: str, cwd: str) -> None:
        """Set "section.key" or "remote.name.key"; a path typed in folder `cwd` is stored as DVC stores it."""
        self.text = with_value(self.text, self.path, name, as_stored(name, value, self.path, cwd))

    def unset(self, name: str) -> None:
        """Remove a value or, for "remote.name", that section. Raises ConfigError if it is not there."""
        self.text = without_value(self.text, self.path, name)

    def rename(self, section: str, old: str, new: str) -> None:
        """Give the named section [section "old"] another name. Raises ConfigError if it is not there."""
        self.text = with_name(self.text, self.path, section, old, new)


def save(*files: ConfigFile) -> None:
    """Write what was changed in `files`, all of one project, once it is known that DVC will accept it.

    The levels up to that of each file must be valid, and so must all levels together, unless they were not before (so
    that a broken configuration can be repaired step by step). Raises ConfigError, and then nothing was written.
    """
    changed = {file.path: file.text for file in files if file.text != file.before}
    if not changed:
        return
    env, dvc_dir = files[0]._env, files[0].dvc_dir
    levels = LEVELS if dvc_dir is not None else USER_LEVELS
    strongest = max(levels.index(file.level) for file in files if file.path in changed)
    _checked(*_merged(levels[: strongest + 1], dvc_dir or "", env, changed))
    try:
        _checked(*_merged(levels, dvc_dir or "", env, {}))
    except ConfigError:
        pass
    else:
        _checked(*_merged(levels, dvc_dir or "", env, changed))
    for file in files:
        if file.path in changed:
            # the user's own file may be a link to where it is kept; one in the project may come from a stranger
            target = file.path if file.level in PROJECT_LEVELS else os.path.realpath(file.path)
            try:
                os.makedirs(os.path.dirname(target), exist_ok=True)
            except OSError as error:
                raise SystemFailure(f"{os.path.dirname(target)}: {error.strerror}") from error
            tmp = os.path.join(os.path.dirname(target), "tmp")
            is_swept = file.level in PROJECT_LEVELS and os.path.isdir(tmp) and not os.path.islink(tmp)
            temporary = os.path.join(tmp, f"config.{os.getpid()}.tmp") if is_swept else None
            fs.atomic_write(target, file.text.encode(), temporary=temporary)
            file.before = file.text


def with_value(text: str, path: str, name: str, value: str) -> str:
    """`text` with "section.key" or "remote.name.key" set to `value`; every other line, and comments, stay as they are.

    Where DVC would write a file without comments, the result is the same bytes. Nothing is checked but the syntax of
    `text`: see `Config.load(instead=...)`. `path` is for messages only.
    """
    section, named, key = split_name(name)
    lines = list(_lines(text, path))
    physical = _physical(text)
    headers = [line for line in lines if line.opens and _names(line.section) == (section, named)]
    written = f"{key} = {_written(value)}"
    if headers:
        own = [line for line in lines if line.key is not None and line.section == headers[-1].section]
        same = [line for line in own if line.key is not None and line.key.lower() == key]
        if same:
            old = same[-1]
            first = physical[old.start]
            indent = first[: len(first) - len(first.lstrip())]
            comment = f" {old.comment}" if old.comment else ""
            physical[old.start : old.start + old.length] = [f"{indent}{written}{comment}"]
        else:
            last = own[-1] if own else headers[-1]
            first = physical[last.start]
            indent = first[: len(first) - len(first.lstrip())] if own else "    "
            physical.insert(last.start + last.length, f"{indent}{written}")
    else:
        header = section if named is None else _quoted_name(section, named)
        at = _place(lines, section, named, len(physical))
        physical[at:at] = [f"[{header}]", f"    {written}"]
    return "\n".join(physical) + "\n"


def without_value(text: str, path: str, name: str) -> str:
    """`text` without "section.key" or "remote.name.key", or, for "remote.name", without that section.

    A plain section that has no key left goes too; a named one stays, as in DVC, and so do comments. Raises ConfigError
    naming `path` if there is no such value.
    """
    section, named, key = split_name(name)
    whole = section in _NAMED and named is None
    target = (section, key) if whole else (section, named)
    lines = list(_lines(text, path))
    physical = _physical(text)
    own = [line for line in lines if line.section and _names(line.section) == target]
    gone = own if whole else [line for line in own if line.key is not None and line.key.lower() == key]
    if not gone:
        where = section if named is None or whole else f"{section}.{named}"
        raise ConfigError(f"{path}: {key} is not set in {where}")
    if named is None and all(line.opens or line in gone for line in own):
        gone = own
    for line in reversed(gone):
        del physical[line.start : line.start + line.length]
    return "\n".join(physical) + "\n"


def with_name(text: str, path: str, section: str, old: str, new: str) -> str:
    """`text` with the section [section "old"] called "new", and where DVC has it then: behind those of its kind.

    Raises ConfigError naming `path` if there is no such section.
    """
    lines = list(_lines(text, path))
    physical = _physical(text)
    own = [line for line in lines if line.section and _names(line.section) == (section, old.lower())]
    if not own:
        raise ConfigError(f"{path}: {old} is not set in {section}")
    moved: list[str] = []
    for line in own:
        written = physical[line.start : line.start + line.length]
        if line.opens:
            comment = f" {line.comment}" if line.comment else ""
            written = [f"[{_quoted_name(section, new.lower())}]{comment}"]
        moved += written
    for line in reversed(own):
        del physical[line.start : line.start + line.length]
    at = _place(list(_lines("\n".join(physical), path)), section, new, len(physical))
    physical[at:at] = moved
    return "\n".join(physical) + "\n"


def _physical(text: str) -> list[str]:
    physical = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    while physical and not physical[-1].strip():
        physical.pop()
    return physical


def _place(lines: list[_Line], section: str, named: str | None, end: int) -> int:
    """The physical line before which DVC would have a new section: plain ones first, named ones by kind."""
    rank = -1 if named is None else _NAMED.index(section)
    for line in lines:
        if line.opens and len(line.section) == 1:
            kind = _names(line.section)[0]
            if kind in _NAMED and _NAMED.index(kind) > rank:
                return line.start
    return end


def _quoted_name(section: str, name: str) -> str:
    return f"'{section} \"{name}\"'"


def _written(value: Value) -> str:
    if isinstance(value, list):
        return ", ".join(map(_written, value)) + ("" if len(value) > 1 else ",")
    if "\n" in value or ('"' in value and "'" in value):
        quote = "'''" if "'''" not in value else '"""'
        if quote in value:
            raise ConfigError(f"a value with both kinds of three quotes cannot be written: {value}")
        return f"{quote}{value}{quote}"
    bare = value and value == value.strip() and value[0] not in _QUOTES and value[-1] not in _QUOTES
    if bare and "#" not in value and "," not in value:
        return value
    quote = "'" if '"' in value else '"'
    return f"{quote}{value}{quote}"
