"""URIs of tables: what they mean, and what is said of those that mean nothing."""

from __future__ import annotations

from contextlib import closing

import pytest

from evaluation_operator.api.table_address import shown_address
from evaluation_operator.storage.credentials import PostgresLogin, SecretCredentials
from evaluation_operator.storage.errors import BackendUnavailable, TableError, TableInvalid
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.storage.postgres_address import TableName, parse_postgres_uri
from evaluation_operator.tables.open import open_table

BAD_URIS = {
    "": 'scheme "" is unknown; give one of file://, s3://, postgresql://',
    "/data/table": 'scheme "" is unknown',
    "http://h/t": 'scheme "http" is unknown',
    "canary-81://h/t": 'scheme "" is unknown',
    "FILE:///t": 'scheme "FILE" is unknown',
    "file://relative/path": "names no folder; write file:///path",
    "file:///": "names no folder",
    "file:///a/../b": r'holds "\.\."',
    "file:///a/%2e%2e/b": r'holds "\.\."',
    "file:///a\0b": "control characters",
    "file:///a%00b": "control characters",
    "file:///a/.\n./b": "control characters",
    "s3://bucket/a%0ab": "control characters",
    "file:///a?b=c": "no user, password, query or fragment",
    "s3:///prefix": "names no bucket, .* write s3://bucket/prefix",
    "s3://key:canary@bucket/p": "no user, password",
    "s3://key:ca/nary@bucket/p": "no user, password",
    "s3://bucket/p?endpoint=http://169.254.169.254": "no user, password, query",
    "s3://169.254.169.254/latest": "is no IP address",
    "s3://169.254.169.254:80/p": "names no bucket",
    "s3://canary_bucket/p": "names no bucket",
    "postgresql://h/db": "must name database and table",
    "postgresql://h/db/a/b": "must name database and table",
    "postgresql://h/db/t;drop": "the table must match",
    'postgresql://db/x/public.t";DROP TABLE y;--': "the table must match",
    "postgresql://h/db/a b.t": "the schema must match",
    "postgresql://h/db/a.b.t": "the schema must match",
    'postgresql://h/db/t"': "the table must match",
    "postgresql://h/db/.t": "the schema must match",
    f"postgresql://h/db/{'t' * 57}": "the table must match",
    "postgresql://db/x/pg_catalog.pg_authid": "the schema is one of the database's own",
    "postgresql://db/x/PG_authid": "the table is one of the database's own",
    "postgresql://db/x/information_schema.tables": "the schema is one of the database's own",
    "postgresql://h/d b/t": "the database must match",
    "postgresql://h/host=x/t": "the database must match",
    "postgresql://db/host%3Devil%20dbname%3Dx/t": "the database must match",
    "postgresql://u%20v@h/db/t": "the user must match",
    "postgresql://u%3Acanary@h/db/t": "holds a password",
    "postgresql://h:port/db/t": "the port must match",
    "postgresql://h:/db/t": "the port must match",
    "postgresql://h:99999/db/t": "the port must be at most 65535",
    "postgresql://h:canary/db/t": "the port must match",
    "postgresql://u:canary@h/db/t": "holds a password, .* remove it and give PGPASSWORD",
    "postgresql://u:@h/db/t": "holds a password",
    "postgresql://u:ca/nary+pw==@db.example/x/public.t": "holds a password",
    "postgresql://u:canary#x@h/db/t": "holds a password",
    "postgresql://u:canary?x@h/db/t": "holds a password",
    "postgresql://canary:x@@h/db/t": "holds a password",
    "postgresql://canary@x@h/db/t": "an @ where none can be",
    "postgresql://canary/x@h/db/t": "an @ where none can be",
    "postgresql://[canary/db/t": "the host must be one DNS name or IP address",
    "postgresql://h/canary x/t": "the database must match",
    "postgresql://h/db/t?password=canary": "holds a query or fragment",
    "postgresql://h/db/t?sslmode=require": "give PGSSLMODE and the like in a Secret",
    "postgresql://db/x/public.t?hostaddr=10.0.0.1": "holds a query",
    "postgresql://%2Fvar%2Frun/x/t": "must be one DNS name or IP address",
    "postgresql://a,b/x/t": "must be one DNS name or IP address",
    "postgresql://db%20hostaddr%3D1.2.3.4/x/t": "must be one DNS name or IP address",
    "postgresql://2852039166/x/t": "must be one DNS name or IP address",
    "postgresql://0xa9fea9fe/x/t": "must be one DNS name or IP address",
    "postgresql://0251.0376.0251.0376/x/t": "must be one DNS name or IP address",
    "postgresql://127.1/x/t": "must be one DNS name or IP address",
    "postgresql://169.254.169.254:80/x/t": "link-local or metadata",
    "postgresql://[::ffff:169.254.169.254]/x/t": "link-local or metadata",
    "postgresql://[::a9fe:a9fe]/x/t": "link-local or metadata",
    "postgresql://[64:ff9b::a9fe:a9fe]/x/t": "link-local or metadata",
    "postgresql://[fe80::1]/x/t": "link-local or metadata",
    "postgresql://[fd00:ec2::254]/x/t": "link-local or metadata",
    "postgresql://0.0.0.0/x/t": "link-local or metadata",
    "postgresql://[::1%25eth0]/x/t": "must be one DNS name or IP address",
}


@pytest.mark.parametrize("uri", BAD_URIS)
def test_a_bad_uri_is_refused_without_telling_secrets(uri: str) -> None:
    """What was refused before was shown, and with it what stood after a password's `/`."""
    with pytest.raises(TableInvalid, match=BAD_URIS[uri]) as refused:
        open_table(uri)
    assert "canary" not in str(refused.value)
    assert "nary" not in str(refused.value)
    assert "nary" not in shown_address(uri)


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
    login = PostgresLogin("Secret 'evaluation-db'", "nowhere.invalid", 5432, "reader")
    options = TableOptions(credentials=SecretCredentials(logins=(login,)))
    with closing(open_table(uri, options=options)):
        pass


def test_a_database_uri_says_where_and_who() -> None:
    address = parse_postgres_uri("postgresql://reader@db.example:5433/models/ml.Rows")
    assert (address.host, address.port, address.user) == ("db.example", 5433, "reader")
    assert address.rows == TableName("ml", "Rows")
    assert address.labels == TableName("ml", "Rows_labels")


def test_what_a_database_uri_leaves_out_is_the_secret_s() -> None:
    address = parse_postgres_uri("postgresql:///models/rows")
    assert (address.host, address.port, address.user) == (None, None, None)
    assert parse_postgres_uri("postgresql://[::1]:5433/models/rows").host == "::1"
