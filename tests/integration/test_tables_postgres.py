"""Tables in a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import count

import psycopg
import pyarrow as pa
import pytest
from psycopg import sql

from evaluation_operator.storage.errors import TableInvalid, TableUnavailable
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import Table
from tests.cluster.postgres import DATABASE, USER, PostgreSQL
from tests.stores import plain_options
from tests.unit.tables.contract import Fill, TableContract
from tests.unit.tables.making import (
    half_batch,
    label_batch,
    make_half,
    make_label,
    make_row,
    query,
    read,
    read_ids,
    row_batch,
)

pytestmark = pytest.mark.integration

_TABLE_NUMBERS = count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with PostgreSQL() as running:
        yield running


@pytest.fixture
def admin(server: PostgreSQL) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server.dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def name() -> str:
    return f"Rows_{next(_TABLE_NUMBERS)}"


@pytest.fixture
def uri(server: PostgreSQL, name: str) -> str:
    return f"postgresql://{USER}@{server.host}:{server.port}/{DATABASE}/public.{name}"


@pytest.fixture
def options(server: PostgreSQL) -> TableOptions:
    return plain_options(server, None)


@pytest.fixture
def table(uri: str, options: TableOptions) -> Iterator[Table]:
    with closing(open_table(uri, options=options)) as opened:
        yield opened


def _create(admin: psycopg.Connection, name: str, columns: str) -> None:
    admin.execute(
        sql.SQL("CREATE TABLE {} ({})").format(
            sql.Identifier(name),
            sql.SQL(columns),
        )
    )


SIX_COLUMNS = (
    "model text, model_version varchar(80), time timestamptz, raw_data text, "
    "raw_prediction text, groundtruth text"
)


class TestPostgresTable(TableContract):
    @pytest.fixture
    def fill(self, admin: psycopg.Connection, name: str) -> Fill:
        def insert(rows: pa.Table) -> None:
            _create(admin, name, SIX_COLUMNS)
            statement = sql.SQL("INSERT INTO {} VALUES (%s, %s, %s, %s, %s, %s)")
            with admin.cursor() as cursor:
                cursor.executemany(
                    statement.format(sql.Identifier(name)),
                    [tuple(row.values()) for row in rows.to_pylist()],
                )

        return insert


def test_the_order_is_that_of_bytes_whatever_the_locale(
    table: Table, admin: psycopg.Connection, name: str
) -> None:
    """ICU orders `a-b`, `a_b`, `ab`, `B` otherwise, and files know no locale."""
    _create(
        admin,
        name,
        f'{SIX_COLUMNS}, id text COLLATE "en-x-icu" PRIMARY KEY, priority double precision, '
        "p double precision, example_count double precision, "
        "example_sample_percentage double precision, "
        "sampled_at timestamptz, interval_start timestamptz, job_uid text",
    )
    ids = ["ab", "B", "a-b", "é", "a_b", "A"]
    table.append_rows([row_batch(*(make_row(0, id=row_id) for row_id in ids))])
    assert read_ids(table) == sorted(ids)


def test_times_without_zone_are_utc(table: Table, admin: psycopg.Connection, name: str) -> None:
    admin.execute("ALTER ROLE evaluation SET TimeZone = 'Asia/Tokyo'")
    try:
        _create(admin, name, SIX_COLUMNS.replace("timestamptz", "timestamp"))
        admin.execute(
            sql.SQL("INSERT INTO {} VALUES ('flowers', 'v1', '2026-03-01 10:00', '', '')").format(
                sql.Identifier(name)
            )
        )
        assert [row["time"] for row in read(table)] == [make_row(0)["time"]]
    finally:
        admin.execute("ALTER ROLE evaluation RESET TimeZone")


def test_a_table_of_other_columns_is_refused_field_by_field(
    table: Table, admin: psycopg.Connection, name: str
) -> None:
    _create(
        admin,
        name,
        "model text, model_version integer, time text, raw_data jsonb, id text, p real",
    )
    with pytest.raises(TableInvalid, match=name) as refused:
        table.ensure()
    assert {difference.column: difference.found for difference in refused.value.differences} == {
        "model_version": "type integer",
        "time": "type text",
        "raw_data": "type jsonb",
        "raw_prediction": "missing",
        "p": "type real",
    }
    assert 'column "time": type text, expected timestamp with time zone; convert it' in str(
        refused.value
    )
    with pytest.raises(TableInvalid):
        read(table)


def test_labels_of_other_columns_are_refused(
    table: Table, admin: psycopg.Connection, name: str
) -> None:
    _create(admin, name, SIX_COLUMNS)
    _create(admin, f"{name}_labels", "id text, groundtruth text")
    for use in (table.ensure, lambda: table.append_labels([]), lambda: read(table)):
        with pytest.raises(TableInvalid, match=r'_labels" .*column "labeled_at": missing'):
            use()


def test_halves_of_other_columns_are_refused(
    table: Table, admin: psycopg.Connection, name: str
) -> None:
    _create(admin, name, SIX_COLUMNS)
    _create(admin, f"{name}_halves", "id text, raw_data text")
    for use in (table.ensure, lambda: table.append_halves([]), lambda: read(table)):
        with pytest.raises(TableInvalid, match=r'_halves" .*column "job_uid": missing'):
            use()


def test_a_table_of_an_earlier_version_gets_the_columns_that_it_lacks(
    table: Table, admin: psycopg.Connection, name: str
) -> None:
    table.ensure()
    table.append_rows([row_batch(make_row(0))])
    dropped = "ALTER TABLE {} DROP COLUMN example_count, DROP COLUMN example_sample_percentage"
    admin.execute(sql.SQL(dropped).format(sql.Identifier(name)))
    admin.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(f"{name}_halves")))
    assert read(table)[0]["example_count"] is None
    assert not table.ensure().is_created
    table.append_rows([row_batch(make_row(1))])
    table.append_halves([half_batch(make_half("request", 2), make_half("response", 2))])
    assert [row["example_count"] for row in read(table)] == [None, 100.0, 100.0]


def _without_versions(admin: psycopg.Connection, name: str) -> None:
    """The table of labels as an earlier version of this system made it."""
    for statement in (
        "ALTER TABLE {} DROP COLUMN model, DROP COLUMN model_version",
        "CREATE UNIQUE INDEX ON {} "
        "(id, labeled_at, coalesce(labeler, ''), hashtextextended(groundtruth, 0))",
    ):
        admin.execute(sql.SQL(statement).format(sql.Identifier(f"{name}_labels")))


def test_our_labels_of_an_earlier_version_get_columns_for_model_versions(
    table: Table, admin: psycopg.Connection, name: str
) -> None:
    """And a key with them: the very same label of two model versions is two."""
    table.ensure()
    _without_versions(admin, name)
    table.append_rows([row_batch(make_row(0))])
    table.append_labels([label_batch(make_label("row-0000", "of any", 1))])
    assert table.shares_labels()
    for _ in range(2):
        assert table.ensure().keeps_versions
    for of in (("trees", "v1"), ("flowers", "v1")):
        for _ in range(2):
            table.append_labels([label_batch(make_label("row-0000", "own", 2, of=of))])
    labels = sql.Identifier(f"{name}_labels")
    assert admin.execute(sql.SQL("SELECT count(*) FROM {}").format(labels)).fetchone() == (3,)
    assert [row["groundtruth"] for row in read(table)] == ["own"]


def test_labels_of_others_stay_as_they_made_them(
    table: Table, admin: psycopg.Connection, name: str
) -> None:
    """Without columns for model versions they count for each, as they always did, and no column
    is added to what is not ours."""
    _create(admin, f"{name}_labels", "id text, groundtruth text, labeled_at timestamptz")
    assert not table.ensure().keeps_versions
    table.append_rows([row_batch(make_row(0), make_row(1, model="trees"))])
    table.append_labels([label_batch(make_label("row-0000", "a"))])
    table.append_labels([label_batch(make_label("row-0001", "b", of=None))])
    assert not table.ensure().keeps_versions
    assert [row["groundtruth"] for row in read(table)] == ["a"]
    assert [row["groundtruth"] for row in read(table, model="trees")] == ["b"]
    assert table.shares_labels()


def test_the_longest_name_of_a_table_has_room_for_what_lies_beside_it(
    uri: str, name: str, options: TableOptions
) -> None:
    longest = f"{name}_".ljust(56, "x")
    with closing(open_table(uri.replace(name, longest), options=options)) as table:
        table.ensure()
        table.append_halves([half_batch(make_half("request"), make_half("response"))])
        table.append_labels([label_batch(make_label("row-0000", "a"))])
        assert [row["groundtruth"] for row in read(table)] == ["a"]
    with pytest.raises(TableInvalid, match=r"table must match"):
        open_table(uri.replace(name, longest + "x"), options=options)


def test_rows_cannot_be_appended_to_a_table_that_others_fill(
    table: Table, admin: psycopg.Connection, name: str
) -> None:
    _create(admin, name, SIX_COLUMNS)
    with pytest.raises(TableInvalid, match='no column "id", so others fill it'):
        table.append_rows([row_batch(make_row(0))])


def test_a_table_that_nobody_made_is_missing(table: Table, name: str) -> None:
    for use in (
        lambda: read(table),
        lambda: table.append_rows([]),
        lambda: table.append_labels([label_batch(make_label("a", "b"))]),
    ):
        with pytest.raises(TableInvalid, match=f'"public.{name}(_labels)?" does not exist'):
            use()


def test_a_missing_schema_is_named(uri: str, options: TableOptions) -> None:
    table = open_table(uri.replace("/public.", "/elsewhere."), options=options)
    with pytest.raises(TableInvalid, match='schema "elsewhere" does not exist'):
        table.ensure()


def test_a_user_who_may_only_read_can_evaluate(
    uri: str, admin: psycopg.Connection, name: str, server: PostgreSQL, options: TableOptions
) -> None:
    """A database of others: their table serves, though no labels can be put beside it."""
    _create(admin, name, SIX_COLUMNS)
    secret = sql.Literal(server.password)
    admin.execute(sql.SQL("CREATE ROLE reader LOGIN PASSWORD {}").format(secret))
    table = open_table(uri.replace(f"//{USER}@", "//reader@"), options=options)
    with pytest.raises(TableInvalid, match=r"permission denied .* GRANT this user the right"):
        read(table)
    admin.execute(sql.SQL("GRANT SELECT ON {} TO reader").format(sql.Identifier(name)))
    assert not table.ensure().has_labels
    with pytest.raises(TableInvalid, match='_halves" does not exist'):
        table.append_halves([half_batch(make_half("request"))])
    assert read(table) == []
    assert table.count_late(query(), []) == 0


def test_two_checks_at_once_make_one_table(uri: str, options: TableOptions) -> None:
    states: list[bool] = []

    def check() -> None:
        states.append(open_table(uri, options=options).ensure().is_created)

    threads = [threading.Thread(target=check) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(states) == [False, False, False, True]


def test_what_is_written_while_rows_are_read_is_not_seen(uri: str, options: TableOptions) -> None:
    table = open_table(uri, options=replace(options, batch_rows=2))
    table.ensure()
    table.append_rows([row_batch(*(make_row(number) for number in range(6)))])
    batches = table.read_rows(query())
    first = next(batches)
    table.append_rows([row_batch(make_row(9))])
    table.append_labels([label_batch(make_label("row-0005", "late"))])
    rest = list(batches)
    assert sum(batch.num_rows for batch in (first, *rest)) == 6
    assert rest[-1].column("groundtruth")[-1].as_py() is None
    assert len(read(table)) == 7


def test_of_wide_rows_few_are_fetched_at_a_time(table: Table) -> None:
    table.ensure()
    wide = [make_row(number, raw_data=str(number) * 100_000) for number in range(500)]
    table.append_rows([row_batch(*wide[:250]), row_batch(*wide[250:])])
    batches = list(table.read_rows(query()))
    assert max(batch.nbytes for batch in batches) < 3 * 2**23
    rows = [row for batch in batches for row in batch.to_pylist()]
    assert [row["raw_data"] for row in rows] == [row["raw_data"] for row in wide]


def test_an_index_serves_the_windows_of_a_run(
    table: Table, admin: psycopg.Connection, name: str
) -> None:
    table.ensure()
    admin.execute("SET enable_seqscan = off")
    plan = admin.execute(
        sql.SQL(
            "EXPLAIN SELECT * FROM {} WHERE model = 'flowers' AND model_version = 'v1' "
            "AND coalesce(sampled_at, time) >= now() AND coalesce(sampled_at, time) < now()"
        ).format(sql.Identifier(name))
    ).fetchall()
    assert any("_coalesce_idx" in str(line) for line in plan)


def test_indexes_find_the_halves_of_a_day_and_a_half_by_its_key(
    table: Table, admin: psycopg.Connection, name: str
) -> None:
    table.ensure()
    admin.execute("SET enable_seqscan = off")
    for condition, index in (
        ("model = 'm' AND model_version = 'v1' AND sampled_at >= now()", "_model_version_"),
        ("job_uid = 'u' AND id = 'event/0' AND item_count = 1", "_job_uid_id_item_count_"),
    ):
        statement = f"EXPLAIN SELECT * FROM {{}} WHERE {condition}"
        plan = admin.execute(sql.SQL(statement).format(sql.Identifier(f"{name}_halves"))).fetchall()
        assert any(index in str(line) for line in plan)


def test_a_text_that_the_database_cannot_hold_is_named(table: Table) -> None:
    table.ensure()
    with pytest.raises(TableInvalid, match="0x00"):
        table.append_rows([row_batch(make_row(0, raw_data="a\0b"))])
    assert read(table) == []


def test_a_wrong_password_is_no_secret_told(uri: str, server: PostgreSQL) -> None:
    with pytest.raises(
        TableUnavailable, match=r'database "evaluation" on 127\.0\.0\.1:'
    ) as refused:
        open_table(uri, options=plain_options(server, None, "canary-7731")).ensure()
    assert "password authentication failed" in str(refused.value)
    assert "canary-7731" not in str(refused.value)


def test_a_missing_database_is_named(uri: str, options: TableOptions) -> None:
    with pytest.raises(TableUnavailable, match='database "nowhere" does not exist'):
        open_table(uri.replace(f"/{DATABASE}/", "/nowhere/"), options=options).ensure()


class TestADatabaseThatFails:
    @pytest.fixture
    def own_server(self) -> Iterator[PostgreSQL]:
        with PostgreSQL() as running:
            yield running

    def test_is_unavailable_until_it_is_back(self, own_server: PostgreSQL) -> None:
        """It refuses, works, vanishes in the middle of a read and of a write, and is back."""
        where = f"{own_server.host}:{own_server.port}"
        uri = f"postgresql://{USER}@{where}/{DATABASE}/rows"
        table = open_table(uri, options=replace(plain_options(own_server, None), batch_rows=10))
        table.ensure()
        # More than the sockets between the two can hold.
        big = [make_row(number, raw_data="x" * 100_000) for number in range(200)]
        table.append_rows([row_batch(*big)])

        batches = table.read_rows(query())
        next(batches)
        own_server.kill()
        with pytest.raises(TableUnavailable, match=where):
            list(batches)
        with pytest.raises(TableUnavailable, match=where):
            table.ensure()

        own_server.start()

        def vanishing() -> Iterator[pa.RecordBatch]:
            yield row_batch(make_row(1000))
            own_server.kill()
            yield row_batch(make_row(1001, raw_data="x" * 10_000_000))

        with pytest.raises(TableUnavailable, match=where):
            table.append_rows(vanishing())
        own_server.start()
        assert len(read(table)) == 200
