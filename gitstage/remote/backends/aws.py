"""What other AWS programs of this user know: profiles in ~/.aws, and in which region a bucket is."""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from dataclasses import dataclass

from gitstage import extras
from gitstage.errors import ConfigError
from gitstage.static import Any

_NEEDS_BOTO3 = ("sso_session", "sso_start_url", "role_arn", "credential_process")


@dataclass(frozen=True)
class Profile:
    """Settings of a profile: static `keys` by obstore's names, or a `provider` of ones that change."""

    keys: Mapping[str, str]
    provider: Any = None
    region: str | None = None
    endpoint: str | None = None


def profile(options: Mapping[str, str]) -> Profile | None:
    """The profile that `options` or AWS_PROFILE name, or the default one; None if there is nothing to know.

    Raises ConfigError for a profile that is not there, or needs a package that is not.
    """
    asked = options.get("profile") or os.environ.get("AWS_PROFILE")
    if not asked and os.environ.get("AWS_ACCESS_KEY_ID"):
        return None
    name = asked or "default"
    home = os.path.expanduser("~")
    config = options.get("configpath") or os.environ.get("AWS_CONFIG_FILE") or f"{home}/.aws/config"
    shared = options.get("credentialpath") or os.environ.get("AWS_SHARED_CREDENTIALS_FILE")
    found = _section(config, name if name == "default" else f"profile {name}")
    found.update(_section(shared or f"{home}/.aws/credentials", name))
    if not found:
        if asked:
            raise ConfigError(f"AWS profile '{asked}' is in none of the user's files", "aws configure list-profiles")
        return None
    region, endpoint = found.get("region"), found.get("endpoint_url")
    if found.get("aws_access_key_id"):
        names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
        keys = {name.removeprefix("aws_"): found[name] for name in names if name in found}
        return Profile(keys, None, region, endpoint)
    if any(key in found for key in _NEEDS_BOTO3):
        return Profile({}, _provider(asked), region, endpoint)
    return Profile({}, None, region, endpoint)


def _provider(name: str | None) -> Any:
    try:
        import boto3
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        raise ConfigError(
            f"AWS profile '{name or 'default'}' gets its keys by a role, SSO or a program, which needs boto3",
            extras.command("aws"),
        ) from None
    return Boto3CredentialProvider(boto3.Session(profile_name=name))


def _section(path: str, name: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        with open(os.path.expanduser(path), encoding="utf-8") as stream:
            parser.read_file(stream)
    except OSError:
        return {}
    except (configparser.Error, UnicodeDecodeError):
        raise ConfigError(f"{path}: cannot be read") from None
    return dict(parser.items(name)) if parser.has_section(name) else {}


def region_of(bucket: str) -> str | None:
    """The region of a bucket at AWS itself, which tells everybody; None if it does not answer."""
    import http.client

    connection = http.client.HTTPSConnection("s3.amazonaws.com", timeout=5)
    try:
        connection.request("HEAD", f"/{bucket}")
        return connection.getresponse().headers.get("x-amz-bucket-region")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
