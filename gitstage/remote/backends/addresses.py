"""From a URL and DVC's settings to a store: s3, gs, azure, http(s), webdav(s). A module of its own for what needs obstore.

Names and meaning of the settings are those of DVC 3's remotes.
"""

from __future__ import annotations

import base64
import os
import subprocess
import urllib.parse
from collections.abc import Mapping
from datetime import timedelta

from gitstage.errors import ConfigError, GitstageError
from gitstage.remote.backends.object_store import JOBS, ObjectStoreBackend, short
from gitstage.static import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import ssl

Options = Mapping[str, str]

_RETRY: Any = {
    "max_retries": 2,
    "retry_timeout": timedelta(seconds=5),
    "backoff": {"init_backoff": timedelta(milliseconds=100), "max_backoff": timedelta(seconds=1), "base": 2},
}
"""For single requests; longer outages are the backend's business."""


def s3(url: str, options: Options) -> ObjectStoreBackend:
    """s3://BUCKET/PATH."""
    from obstore.store import S3Store

    bucket, prefix = _bucket(url)
    for key in ("acl", "grant_read", "grant_read_acp", "grant_write_acp", "grant_full_control"):
        if options.get(key):
            raise ConfigError(f"{url}: {key} is not supported here", "give rights by a policy of the bucket")
    endpoint = options.get("endpointurl") or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and "://" not in endpoint:
        endpoint = f"https://{endpoint}"
    if not is_on(options, "use_ssl", True):
        endpoint = (endpoint or "https://s3.amazonaws.com").replace("https://", "http://", 1)
    settings: dict[str, Any] = {}
    provider = None
    if is_on(options, "allow_anonymous_login"):
        settings["skip_signature"] = True
    elif options.get("access_key_id"):
        settings["access_key_id"] = options["access_key_id"]
        settings["secret_access_key"] = options.get("secret_access_key", "")
        if options.get("session_token"):
            settings["session_token"] = options["session_token"]
    else:
        from gitstage.remote.backends import aws

        found = aws.profile(options)
        if found is not None:
            settings.update(found.keys)
            provider = found.provider
            settings.setdefault("region", found.region)
            endpoint = endpoint or found.endpoint
    region = options.get("region") or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    region = region or settings.get("region")
    if not region and not endpoint:
        from gitstage.remote.backends import aws

        region = aws.region_of(bucket)
    settings["region"] = region or "us-east-1"
    if endpoint:
        settings["endpoint"] = endpoint.rstrip("/")
        settings["virtual_hosted_style_request"] = False
    else:
        settings["virtual_hosted_style_request"] = "." not in bucket
    if options.get("sse"):
        settings["server_side_encryption"] = options["sse"]
    if options.get("sse_kms_key_id"):
        settings["sse_kms_key_id"] = options["sse_kms_key_id"]
        settings.setdefault("server_side_encryption", "aws:kms")
    if options.get("sse_customer_key"):
        settings["sse_customer_key_base64"] = options["sse_customer_key"]
        settings["server_side_encryption"] = "sse-c"
    store = S3Store(
        bucket, prefix=prefix or None, credential_provider=provider, retry_config=_RETRY,
        client_options=client(options, endpoint), **{key: value for key, value in settings.items() if value is not None},
    )  # fmt: skip
    name = "access_key_id and secret_access_key, or profile"
    return ObjectStoreBackend(store, url, jobs=jobs(options), credentials=_set(name), md5=True, bulk=True)


def gs(url: str, options: Options) -> ObjectStoreBackend:
    """gs://BUCKET/PATH."""
    from obstore.store import GCSStore

    bucket, prefix = _bucket(url)
    settings: dict[str, Any] = {}
    if is_on(options, "allow_anonymous_login"):
        settings["skip_signature"] = True
    elif options.get("credentialpath"):
        settings["application_credentials"] = options["credentialpath"]
    endpoint = options.get("endpointurl")
    if endpoint:
        settings["base_url"] = endpoint.rstrip("/")
    store = GCSStore(
        bucket, prefix=prefix or None, retry_config=_RETRY, client_options=client(options, endpoint), **settings
    )
    return ObjectStoreBackend(store, url, jobs=jobs(options), credentials=_set("credentialpath"))


def azure(url: str, options: Options) -> ObjectStoreBackend:
    """azure://CONTAINER/PATH."""
    import shutil

    from obstore.store import AzureStore

    container, prefix = _bucket(url)
    text = options.get("connection_string") or os.environ.get("AZURE_STORAGE_CONNECTION_STRING") or ""
    parts = dict(part.split("=", 1) for part in text.split(";") if "=" in part)
    account = options.get("account_name") or parts.get("AccountName") or os.environ.get("AZURE_STORAGE_ACCOUNT")
    settings: dict[str, Any] = {"account_name": account}
    endpoint = parts.get("BlobEndpoint")
    if endpoint:
        settings["endpoint"] = endpoint.rstrip("/")
    key = options.get("account_key") or parts.get("AccountKey") or os.environ.get("AZURE_STORAGE_KEY")
    token = options.get("sas_token") or parts.get("SharedAccessSignature") or os.environ.get("AZURE_STORAGE_SAS_TOKEN")
    if is_on(options, "allow_anonymous_login"):
        settings["skip_signature"] = True
    elif key:
        settings["account_key"] = key
    elif token:
        settings["sas_key"] = token.removeprefix("?")
    elif options.get("client_secret"):
        settings.update({name: options.get(name) for name in ("client_id", "client_secret", "tenant_id")})
    elif "AZURE_CLIENT_ID" not in os.environ and shutil.which("az"):
        settings["use_azure_cli"] = True
    if not account and not endpoint:
        raise ConfigError(f"{url}: which storage account?", _set("account_name, or connection_string"))
    store = AzureStore(
        container, prefix=prefix or None, retry_config=_RETRY, client_options=client(options, endpoint),
        **{name: value for name, value in settings.items() if value is not None},
    )  # fmt: skip
    credentials = _set("connection_string, account_key, or sas_token")
    return ObjectStoreBackend(store, url, jobs=jobs(options), credentials=credentials)


def http(url: str, options: Options) -> ObjectStoreBackend:
    """http(s)://HOST/PATH: read only, unless `method` says how this server takes files."""
    method = (options.get("method") or "").upper()
    if options.get("auth") == "digest":
        raise ConfigError(f"{bare(url)}: auth = digest is not supported here", "auth = basic, or custom")
    return _web(url, options, is_dav=False, method=method)


def webdav(url: str, options: Options) -> ObjectStoreBackend:
    """webdav(s)://HOST/PATH."""
    return _web("http" + url.removeprefix("webdav"), options, is_dav=True, method="PUT")


def _web(url: str, options: Options, *, is_dav: bool, method: str) -> ObjectStoreBackend:
    from obstore.store import HTTPStore

    from gitstage.remote.backends.webdav import Stream

    if options.get("cert_path") or options.get("key_path"):
        raise ConfigError(f"{bare(url)}: client certificates (cert_path, key_path) are not supported here")
    headers = authorization(url, options)
    plain = bare(url)
    label = plain if not is_dav else "webdav" + plain.removeprefix("http")
    settings = client(options, plain)
    if headers:
        settings["default_headers"] = headers
    store = HTTPStore(plain.rstrip("/") + "/", client_options=settings, retry_config=_RETRY)
    stream = None
    if method:
        timeout = float(options.get("timeout") or options.get("read_timeout") or 120)
        stream = Stream(plain, headers, tls_context(options), timeout, method=method, moves=is_dav)
    return ObjectStoreBackend(
        store,
        label,
        jobs=jobs(options),
        can_list=is_dav,
        can_write=bool(method),
        read_only="git stage remote modify NAME method PUT, if this server takes files",
        credentials=_set("user and password"),
        stream=stream,
        only_stream=method not in ("", "PUT"),
        base=urllib.parse.unquote(urllib.parse.urlsplit(plain).path).strip("/") if is_dav else None,
    )


def authorization(url: str, options: Options) -> dict[str, str]:
    """The headers that say who we are. Raises ConfigError for settings that cannot be used."""
    parts = urllib.parse.urlsplit(url)
    user = options.get("user") or (urllib.parse.unquote(parts.username) if parts.username else "")
    password = options.get("password") or (urllib.parse.unquote(parts.password) if parts.password else "")
    if is_on(options, "ask_password") and not password:
        raise ConfigError(
            f"{bare(url)}: ask_password: passwords are not asked for here",
            "git stage remote modify --local NAME password PASSWORD",
        )
    if options.get("custom_auth_header"):
        return {options["custom_auth_header"]: password}
    token = options.get("token")
    if options.get("bearer_token_command"):
        command = options["bearer_token_command"]
        asked = subprocess.run(command, shell=True, stdout=subprocess.PIPE, text=True, check=False)  # noqa: S602 - the user's
        if asked.returncode:
            raise ConfigError(f"{bare(url)}: bearer_token_command failed with exit code {asked.returncode}")
        token = asked.stdout.strip()
    if token:
        return {"Authorization": f"Bearer {token}"}
    if user:
        return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}
    return {}


def bare(url: str) -> str:
    """A URL without user and password."""
    parts = urllib.parse.urlsplit(url)
    return urllib.parse.urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))


def client(options: Options, endpoint: str | None) -> Any:
    """What obstore calls client_options."""
    settings: dict[str, Any] = {
        "connect_timeout": timedelta(seconds=float(options.get("connect_timeout") or 10)),
        "read_timeout": timedelta(seconds=float(options.get("read_timeout") or options.get("timeout") or 120)),
        "timeout": timedelta(days=1),  # of a whole request: big objects over slow lines take their time
        "user_agent": "gitstage",
    }
    if endpoint and endpoint.startswith("http://"):
        settings["allow_http"] = True
    verify = options.get("ssl_verify", "true")
    if verify.lower() == "false":
        settings["allow_invalid_certificates"] = True
    elif verify.lower() != "true":
        settings["root_certificate"] = _certificate(verify)
    return settings


def tls_context(options: Options) -> ssl.SSLContext:
    """Which certificates are believed, by `ssl_verify`. Raises ConfigError if a file cannot be read."""
    import ssl

    verify = options.get("ssl_verify", "true")
    if verify.lower() == "false":
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context
    if verify.lower() != "true":
        return ssl.create_default_context(cadata=_certificate(verify).decode())
    return ssl.create_default_context()


def _certificate(path: str) -> bytes:
    try:
        with open(os.path.expanduser(path), "rb") as stream:
            return stream.read()
    except OSError as error:
        raise ConfigError(f"ssl_verify: {path}: {error.strerror}") from None


def _bucket(url: str) -> tuple[str, str]:
    """Bucket and path of a URL, which is taken as it is written: nothing in it is decoded."""
    bucket, _, path = url.partition("://")[2].partition("/")
    if not bucket:
        raise ConfigError(f"{url}: names no bucket")
    return bucket, path.strip("/")


def jobs(options: Options, default: int = JOBS) -> int:
    return max(1, int(options.get("jobs") or default))


def is_on(options: Options, key: str, default: bool = False) -> bool:
    value = options.get(key)
    return default if value is None else value.lower() == "true"


def _set(names: str) -> str:
    return f"git stage remote modify --local NAME ... sets {names}"


_KINDS = {"s3": s3, "gs": gs, "azure": azure, "http": http, "webdav": webdav}


def opened(kind: str, url: str, options: Options) -> ObjectStoreBackend:
    """The backend for a URL of one of the kinds above. Raises ConfigError for settings that cannot be used."""
    try:
        return _KINDS[kind](url, options)
    except GitstageError:
        raise
    except Exception as error:  # obstore's own, on a key file that is none, an address that is none, ...
        raise ConfigError(f"{bare(url)}: {short(error)}", "git stage remote list") from None
