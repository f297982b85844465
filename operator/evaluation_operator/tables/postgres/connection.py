"""A connection to a PostgreSQL server, as its credentials say, and its errors in our words.

libpq is told all that decides where a password goes and how; nothing of it comes from variables or
files of the process, but for a user's own on the command line.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import psycopg
from psycopg import errors as pg_errors
from psycopg.conninfo import make_conninfo

from evaluation_operator.storage.credentials import CA_FILE, PostgresLogin
from evaluation_operator.storage.errors import (
    AccessRefused,
    TableError,
    TableInvalid,
    TableUnavailable,
)
from evaluation_operator.storage.hosts import resolve
from evaluation_operator.storage.postgres_address import PostgresAddress
from evaluation_operator.tables.postgres.columns import Connection

_CONNECT_SECONDS: Final = 10
# A server that vanishes is noticed within a minute, also while nothing is sent.
_KEEPALIVE: Final = (
    "keepalives_idle=20 keepalives_interval=10 keepalives_count=3 tcp_user_timeout=60000"
)
# Labels are joined by hash: planners take the newest ones for few, and would loop over them.
_SESSION: Final = (
    "SET TimeZone = 'UTC'; SET standard_conforming_strings = on; SET enable_nestloop = off"
)
_VERIFYING: Final = ("verify-ca", "verify-full")
# What libpq says where it, not the server, refuses to go on, and what can be done about it.
_REFUSALS: Final = (
    (
        "does not support SSL",
        "turn TLS on at the server, or, if it may be spoken to in clear, add PGSSLMODE: disable "
        "to {source}",
    ),
    (
        "does not match host name",
        "let PGHOST of {source} be a name that is in the server's certificate, or add PGSSLMODE: "
        "verify-ca to it",
    ),
    (
        "certificate verify failed",
        "put the certificate of the server's authority into {source} as key " + CA_FILE + ", or "
        "add PGSSLMODE: require to it, which encrypts without knowing the server",
    ),
    (
        "authentication method requirement",
        "let the server ask for scram-sha-256, or name its method as PGREQUIREAUTH in {source}",
    ),
)


@contextmanager
def connect(address: PostgresAddress, login: PostgresLogin) -> Iterator[Connection]:
    """One session. Raises AccessRefused where the server is not as the login demands, TableInvalid
    where a person has to change the table, TableUnavailable where the same call may succeed later;
    the latter two also for what goes wrong in the body."""
    try:
        parameters = make_conninfo(_KEEPALIVE, **_parameters(address, login))
        with psycopg.connect(parameters, autocommit=True) as connection:
            connection.execute(_SESSION)
            yield connection
    except psycopg.Error as error:
        raise _told(error, address, login) from error


def _parameters(address: PostgresAddress, login: PostgresLogin) -> dict[str, str]:
    """As libpq names them; what is missing of an ambient login, libpq finds by itself."""
    common = {
        "dbname": address.database,
        "port": None if login.port is None else str(login.port),
        "user": login.user,
        "client_encoding": "utf8",
        "connect_timeout": str(_CONNECT_SECONDS),
    }
    chosen = {"host": login.host} if login.is_ambient else _bound(login)
    return {key: value for key, value in (common | chosen).items() if value is not None}


def _bound(login: PostgresLogin) -> dict[str, str | None]:
    """What decides to whom a password goes, and how."""
    assert login.host is not None, "a Secret without PGHOST makes no login"
    addresses = resolve(login.host, login.port)
    return {
        # The name stays, since the certificate has it; where it leads is settled and was checked.
        "host": ",".join([login.host] * len(addresses)),
        "hostaddr": ",".join(addresses),
        "password": login.password,
        "require_auth": login.require_auth if login.password else None,
        "sslmode": login.ssl_mode,
        "sslrootcert": _roots(login),
        "sslcertmode": "disable",
        "gssencmode": "disable",
    }


def _roots(login: PostgresLogin) -> str | None:
    """The authorities of the Secret, else of the system: libpq's own idea of where the latter
    are is that of the machine it was built on."""
    if login.ca_file is not None:
        return str(login.ca_file)
    if login.ssl_mode not in _VERIFYING:
        return None
    return ssl.get_default_verify_paths().cafile or "system"


def _told(error: psycopg.Error, address: PostgresAddress, login: PostgresLogin) -> TableError:
    host = f"[{login.host}]" if login.host and ":" in login.host else login.host
    port = "" if login.port is None else f":{login.port}"
    where = f'database "{address.database}" on {host or "the default host"}{port}'
    text = str(error).strip().partition("\n")[0]
    for sign, cure in _REFUSALS:
        if sign in str(error):
            return AccessRefused(f"{where}: {text}; {cure.format(source=login.source)}")
    if isinstance(
        error, (psycopg.OperationalError, psycopg.InterfaceError, pg_errors.InternalError_)
    ):
        return TableUnavailable(
            f"{where} does not answer ({text}); try again when it is up and lets this user in"
        )
    if isinstance(error, pg_errors.InsufficientPrivilege):
        cure = "GRANT this user the right"
    else:
        cure = "correct the table or what is written to it"
    return TableInvalid(f'table "{address.rows}" in {where}: {text}; {cure}')
