"""Credentials of stores: as Secrets that the kubelet mounts, and as programs read them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from evaluation_operator.storage.credentials import PostgresLogin, SecretCredentials
from evaluation_operator.storage.options import TableOptions
from tests.cluster.postgres import USER, PostgreSQL


def write_secret(folder: Path, name: str, values: Mapping[str, str]) -> Path:
    """Below the folder, a folder of the Secret's name: its keys lead through `..data` to a folder
    that is replaced as a whole when the Secret changes."""
    mounted = folder / name
    (mounted / "..2026").mkdir(parents=True, exist_ok=True)
    links = {"..data": "..2026"} | {key: f"..data/{key}" for key in values}
    for link, target in links.items():
        if not (mounted / link).is_symlink():
            (mounted / link).symlink_to(target)
    for key, value in values.items():
        (mounted / key).write_text(value)
    return mounted


def plain_secret(server: PostgreSQL) -> dict[str, str]:
    """The Secret of a server without TLS."""
    return {
        "PGHOST": server.host,
        "PGPORT": str(server.port),
        "PGUSER": USER,
        "PGPASSWORD": server.password,
        "PGSSLMODE": "disable",
    }


def plain_options(
    server: PostgreSQL, user: str | None = USER, password: str | None = None
) -> TableOptions:
    """As from a Secret of a server without TLS; without a user, that of the URI."""
    login = PostgresLogin(
        "Secret 'evaluation-postgres'",
        server.host,
        server.port,
        user=user,
        password=password or server.password,
        ssl_mode="disable",
    )
    return TableOptions(credentials=SecretCredentials(logins=(login,)))
