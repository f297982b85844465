"""URIs of tables: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

from contextlib import closing

import pytest

from evaluation_operator.tables.errors import BackendUnavailable, TableError, TableInvalid
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.postgres_address import TableName, parse_postgres_uri

BAD_URIS = {
    "": 'scheme "" is unknown; give one of file://, s3://, postgresql://',
    "/data/table": 'scheme "" is unknown',
    "http://h/t": 'scheme "http" is unknown',
    "FILE:///t": 'scheme "FILE" is unknown',
    "file://relative/path": "names no folder; write file:///path",
    "file:///": "names no folder",
    "file:///a/../b": r'holds "\.\."',
    "file:///a/%2e%2e/b": r'holds "\.\."',
    "file:///a?b=c": "no user, password, query or fragment",
    "s3:///prefix": "names no bucket; write s3://bucket/prefix",
    "s3://key:canary@bucket/p": "no user, password",
    "postgresql://h/db": "must name database and table",
    "postgresql://h/db/a/b": "must name database and table",
    "postgresql://h/db/t;drop": 'table "t;drop" must match',
    "postgresql://h/db/a b.t": 'schema "a b" must match',
    "postgresql://h/db/a.b.t": 'schema "a.b" must match',
    'postgresql://h/db/t"': "must match",
    "postgresql://h/db/.t": 'schema "" must match',
    f"postgresql://h/db/{'t' * 57}": "must match",
    "postgresql://h/d b/t": 'database "d b" must match',
    "postgresql://h/host=x/t": 'database "host=x" must match',
    "postgresql://u%20v@h/db/t": 'user "u v" must match',
    "postgresql://h:port/db/t": "uri: .*; write postgresql://",
    "postgresql://u:canary@h/db/t": "holds a password, .* remove it and give PGPASSWORD",
    "postgresql://u:@h/db/t": "holds a password",
    "postgresql://h/db/t?password=canary": "holds a query or fragment",
    "postgresql://h/db/t?sslmode=require": "give options as PGSSLMODE",
}


@pytest.mark.parametrize("uri", BAD_URIS)
def test_a_bad_uri_is_refused_without_telling_secrets(uri: str) -> None:
    with pytest.raises(TableInvalid, match=BAD_URIS[uri]) as refused:
        open_table(uri)
    assert "canary" not in str(refused.value)


@pytest.mark.parametrize(
    "uri", ["gs://bucket/t", "clickhouse://h/db/t", "bq://p/d/t", "bq://p.d.t"]
)
def test_a_table_without_a_backend_names_those_that_are_here(uri: str) -> None:
    with pytest.raises(BackendUnavailable, match="use one of file://, s3://, postgresql://"):
        open_table(uri)


def test_all_errors_are_errors_of_tables() -> None:
    with pytest.raises(TableError):
        open_table("gopher://")


@pytest.mark.parametrize(
    "uri", ["file:///data/t", "file://localhost/data/t/", "postgresql:///db/t"]
)
def test_opening_touches_nothing(uri: str) -> None:
    with closing(open_table(uri)):
        pass


def test_a_database_uri_says_where_and_who() -> None:
    address = parse_postgres_uri("postgresql://reader@db.example:5433/models/ml.Rows")
    assert (address.host, address.port, address.user) == ("db.example", 5433, "reader")
    assert address.rows == TableName("ml", "Rows")
    assert address.labels == TableName("ml", "Rows_labels")
    assert str(address) == 'database "models" on db.example:5433'


def test_what_a_database_uri_leaves_out_is_the_environment_s() -> None:
    address = parse_postgres_uri("postgresql:///models/rows")
    assert (address.host, address.port, address.user) == (None, None, None)
    assert parse_postgres_uri("postgresql://[::1]:5433/models/rows").host == "::1"
