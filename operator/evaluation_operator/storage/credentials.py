"""Who may enter a store: each password or key together with the one place that it is for.

A Secret that is mounted as a folder, a file a key, is read into one frozen value. Its password
goes to the host and port that the same Secret names, its keys to the endpoint and buckets that it
names, and nowhere else, whatever address somebody wrote into a job.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, Protocol, TypeVar
from urllib.parse import urlsplit

from evaluation_operator.redaction import redact
from evaluation_operator.storage.errors import AccessRefused, TableInvalid
from evaluation_operator.storage.postgres_address import DEFAULT_PORT, PostgresAddress, parse_host

CA_FILE: Final = "ca.crt"
_SECRET_KEYS: Final = (
    "PGPASSWORD",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)
_POSTGRES_KEYS: Final = (
    "PGHOST",
    "PGPORT",
    "PGUSER",
    "PGPASSWORD",
    "PGDATABASE",
    "PGSSLMODE",
    "PGREQUIREAUTH",
)
_BUCKET_KEYS: Final = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ENDPOINT_URL",
    "AWS_ENDPOINT_URL_S3",
    "EVALUATION_BUCKETS",
)
_POSTGRES: Final = ("PG",)
_BUCKETS: Final = ("AWS_", "EVALUATION_")
_SSL_MODES: Final = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_REQUIRED_AUTH: Final = re.compile(r"!?[a-z0-9-]+(,!?[a-z0-9-]+)*")

T = TypeVar("T", "PostgresLogin", "BucketAccess")


@dataclass(frozen=True, slots=True)
class PostgresLogin:
    """One database server, and how it is entered. `source` is the Secret, for messages.

    `ca_file` None: the system's roots. `database` None: any. `is_ambient`: all that is None here
    is left to libpq's own variables and files, as psql does it.
    """

    source: str
    host: str | None = None
    port: int | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    database: str | None = None
    ssl_mode: str = "verify-full"
    require_auth: str = "scram-sha-256"
    ca_file: Path | None = None
    is_ambient: bool = False


@dataclass(frozen=True, slots=True)
class BucketAccess:
    """One S3 service, and how it is entered. `endpoint` None: Amazon's own.

    `buckets` are globs. Without a key it is entered as nobody, or, if `is_ambient`, as who the
    pod or the user of this machine is.
    """

    source: str
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    session_token: str | None = field(default=None, repr=False)
    region: str | None = None
    endpoint: str | None = None
    buckets: tuple[str, ...] = ("*",)
    ca_file: Path | None = None
    is_ambient: bool = False

    def covers(self, bucket: str) -> bool:
        return any(fnmatchcase(bucket, pattern) for pattern in self.buckets)


class Credentials(Protocol):
    """Who may enter what; else AccessRefused, with the cure, before anything is sent."""

    def for_database(self, address: PostgresAddress) -> PostgresLogin:
        """The login of the server that the address names."""

    def for_bucket(self, bucket: str) -> BucketAccess:
        """The access of the service that has the bucket."""


@dataclass(frozen=True, slots=True)
class SecretCredentials:
    """What the mounted Secrets say; the faults, what is wrong with those that cannot be used.

    Buckets are entered as the pod itself, which the administrator's cloud knows, where no Secret
    has anything for them: at Amazon's own endpoints only.
    """

    logins: tuple[PostgresLogin, ...] = ()
    accesses: tuple[BucketAccess, ...] = ()
    database_faults: tuple[str, ...] = ()
    bucket_faults: tuple[str, ...] = ()

    def for_database(self, address: PostgresAddress) -> PostgresLogin:
        login = self._login(address)
        if address.user is not None and login.user not in (None, address.user):
            raise AccessRefused(
                f"uri: its user is not PGUSER of {login.source}: leave the user out of the URI"
            )
        if login.user is None and address.user is None:
            raise AccessRefused(f"{login.source}: PGUSER: is not there: add the user's name")
        if login.database not in (None, address.database):
            raise AccessRefused(
                f"uri: its database is not PGDATABASE of {login.source}: name that one, or remove "
                "PGDATABASE from the Secret"
            )
        return replace(login, user=login.user or address.user)

    def _login(self, address: PostgresAddress) -> PostgresLogin:
        fitting = [
            login
            for login in self.logins
            if address.host in (None, login.host) and address.port in (None, login.port)
        ]
        port = "" if address.port is None else f":{address.port}"
        where = f"{address.host}{port}" if address.host else "a database whose URI has no host"
        login = _the_one(fitting, where, "a host and port in the URI")
        if login is None:
            _blame(self.database_faults)
            raise AccessRefused(
                f"uri: no Secret is for {where}, and nothing was sent: give a Secret of "
                "spec.runTemplate.envFrom (and evaluation-sampler-stores, where predictions are "
                "sampled) PGHOST of this very server, and PGPORT where that is not 5432, beside "
                "PGUSER and PGPASSWORD"
            )
        return login

    def for_bucket(self, bucket: str) -> BucketAccess:
        fitting = [access for access in self.accesses if access.covers(bucket)]
        access = _the_one(fitting, f"bucket {bucket!r}", "EVALUATION_BUCKETS")
        if access is not None:
            return access
        _blame(self.bucket_faults)
        if not self.accesses:
            return BucketAccess("the pod's own identity", is_ambient=True)
        known = " and ".join(it.source for it in self.accesses)
        raise AccessRefused(
            f"uri: bucket {bucket!r} is not among EVALUATION_BUCKETS of {known}: add it there, "
            "or name a bucket that is"
        )


NO_CREDENTIALS: Final = SecretCredentials()


class AmbientCredentials:
    """Those of the user of this machine, by the variables and files that libpq and the AWS SDKs
    know. Only the command line has them: in a pod they would go wherever a job says."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._endpoint = (
            environment.get("AWS_ENDPOINT_URL_S3") or environment.get("AWS_ENDPOINT_URL") or None
        )
        redact.learn(environment.get(key, "") for key in _SECRET_KEYS)

    def for_database(self, address: PostgresAddress) -> PostgresLogin:
        return PostgresLogin(
            "the environment", address.host, address.port, address.user, is_ambient=True
        )

    def for_bucket(self, bucket: str) -> BucketAccess:
        return BucketAccess("the environment", endpoint=self._endpoint, is_ambient=True)


def read_secrets(folder: Path, names: Iterable[str] | None = None) -> SecretCredentials:
    """The Secrets mounted below the folder, each in a folder of its name, read anew.

    `names`: those that must be there, or AccessRefused is raised; None takes all that are, and
    none where there is no folder. What is wrong with one is told once it is wanted.
    """
    read = SecretCredentials()
    for name in dict.fromkeys(_mounted(folder) if names is None else names):
        source, files = f"Secret {name!r}", _files(folder / name)
        if not files and names is not None:
            raise AccessRefused(
                f"{source} of runTemplate.envFrom does not exist or is empty: apply it, or take it "
                "out of the list"
            )
        keys = _Keys(source, _texts(files), files.get(CA_FILE))
        redact.learn((keys.values.get(key, "") for key in _SECRET_KEYS), source)
        read = _with_bucket(_with_database(read, keys), keys)
    return read


def _mounted(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    return sorted(it.name for it in folder.iterdir() if it.is_dir() and it.name[0] != ".")


def _with_database(read: SecretCredentials, keys: _Keys) -> SecretCredentials:
    if not keys.has(_POSTGRES):
        return read
    try:
        return replace(read, logins=(*read.logins, _login(keys)))
    except _FaultySecret as error:
        return replace(read, database_faults=(*read.database_faults, str(error)))


def _with_bucket(read: SecretCredentials, keys: _Keys) -> SecretCredentials:
    if not keys.has(_BUCKETS):
        return read
    try:
        return replace(read, accesses=(*read.accesses, _access(keys)))
    except _FaultySecret as error:
        return replace(read, bucket_faults=(*read.bucket_faults, str(error)))


def _blame(faults: tuple[str, ...]) -> None:
    if faults:
        raise AccessRefused(faults[0])


def _files(folder: Path) -> dict[str, Path]:
    """By key; none of an optional Secret that does not exist, whose folder is empty."""
    if not folder.is_dir():
        return {}
    return {it.name: it for it in folder.iterdir() if it.name[:2] != ".." and it.is_file()}


def _texts(files: Mapping[str, Path]) -> dict[str, str]:
    """The values of our keys, which are text; others may be anything."""
    ours = {key: path for key, path in files.items() if key.startswith(_POSTGRES + _BUCKETS)}
    return {key: path.read_text("utf-8", "replace").strip() for key, path in ours.items()}


class _FaultySecret(AccessRefused):
    """A Secret that cannot be used as it is."""


@dataclass(frozen=True, slots=True)
class _Keys:
    source: str
    values: Mapping[str, str] = field(repr=False)
    ca_file: Path | None

    def get(self, key: str) -> str | None:
        return self.values.get(key) or None

    def wrong(self, key: str, cure: str) -> _FaultySecret:
        return _FaultySecret(f"{self.source}: {key}: {cure}")

    def has(self, prefixes: tuple[str, ...]) -> bool:
        return any(key.startswith(prefixes) for key in self.values)

    def refuse_others(self, prefixes: tuple[str, ...], known: tuple[str, ...]) -> None:
        """libpq and the SDKs would heed some: to pass one over in silence is no answer."""
        for key in sorted(self.values):
            if key.startswith(prefixes) and key not in known:
                shown = ", ".join((*known, CA_FILE))
                raise self.wrong(key, f"is not used here: remove it; known keys are {shown}")


def _login(keys: _Keys) -> PostgresLogin:
    keys.refuse_others(_POSTGRES, _POSTGRES_KEYS)
    host, port = keys.get("PGHOST"), keys.get("PGPORT") or str(DEFAULT_PORT)
    if host is None:
        raise keys.wrong(
            "PGHOST", "is not there, so that the password is for no server: add the server's name"
        )
    if not re.fullmatch("[1-9][0-9]{0,4}", port) or int(port) > 65535:
        raise keys.wrong("PGPORT", "write a number from 1 to 65535")
    ssl_mode = keys.get("PGSSLMODE") or "verify-full"
    if ssl_mode not in _SSL_MODES:
        raise keys.wrong("PGSSLMODE", f"write one of {', '.join(_SSL_MODES)}")
    require_auth = keys.get("PGREQUIREAUTH") or "scram-sha-256"
    if not _REQUIRED_AUTH.fullmatch(require_auth):
        raise keys.wrong("PGREQUIREAUTH", "write methods as libpq's require_auth takes them")
    return PostgresLogin(
        source=keys.source,
        host=_host(host, keys, "PGHOST"),
        port=int(port),
        user=keys.get("PGUSER"),
        password=keys.get("PGPASSWORD"),
        database=keys.get("PGDATABASE"),
        ssl_mode=ssl_mode,
        require_auth=require_auth,
        ca_file=keys.ca_file,
    )


def _access(keys: _Keys) -> BucketAccess:
    keys.refuse_others(_BUCKETS, _BUCKET_KEYS)
    if (keys.get("AWS_ACCESS_KEY_ID") is None) != (keys.get("AWS_SECRET_ACCESS_KEY") is None):
        raise keys.wrong("AWS_SECRET_ACCESS_KEY", "give it and AWS_ACCESS_KEY_ID, or neither")
    endpoint = keys.get("AWS_ENDPOINT_URL_S3") or keys.get("AWS_ENDPOINT_URL")
    buckets = (keys.get("EVALUATION_BUCKETS") or "*").split(",")
    return BucketAccess(
        source=keys.source,
        access_key=keys.get("AWS_ACCESS_KEY_ID"),
        secret_key=keys.get("AWS_SECRET_ACCESS_KEY"),
        session_token=keys.get("AWS_SESSION_TOKEN"),
        region=keys.get("AWS_REGION") or keys.get("AWS_DEFAULT_REGION"),
        endpoint=_endpoint(endpoint, keys) if endpoint else None,
        buckets=tuple(pattern.strip() for pattern in buckets),
        ca_file=keys.ca_file,
    )


def _endpoint(text: str, keys: _Keys) -> str:
    """`https://host[:port]`; plain HTTP only where the Secret says so in so many words."""
    url = text if "://" in text else f"https://{text}"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port = "", None
        parts = urlsplit("")
    rest = (parts.path.strip("/"), parts.query, parts.fragment, "@" if "@" in url else "")
    if parts.scheme not in ("http", "https") or not host or any(rest):
        raise keys.wrong("AWS_ENDPOINT_URL", "write https://HOST[:PORT] and nothing else")
    host = _host(host, keys, "AWS_ENDPOINT_URL")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" + ("" if port is None else f":{port}")


def _host(text: str, keys: _Keys, key: str) -> str:
    try:
        return parse_host(text, f"{keys.source}: {key}")
    except TableInvalid as error:
        raise _FaultySecret(str(error)) from None


def _the_one(fitting: list[T], what: str, keys: str) -> T | None:
    if len(fitting) > 1:
        several = " and ".join(it.source for it in fitting)
        raise AccessRefused(
            f"uri: {several} are both for {what}: leave one of them, or let {keys} tell them apart"
        )
    return fitting[0] if fitting else None
