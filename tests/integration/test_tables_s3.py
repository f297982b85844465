"""Tables in a bucket, of a server that speaks S3."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

from evaluation_operator.storage.errors import TableInvalid, TableUnavailable
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import Table
from tests.cluster.host import free_ports
from tests.integration.s3 import BUCKET, bucket_options, own_filesystem, s3_server
from tests.unit.tables.contract import Fill, TableContract
from tests.unit.tables.making import (
    foreign_table,
    make_foreign_row,
    make_row,
    read,
    read_ids,
    row_batch,
)

pytestmark = pytest.mark.integration

_PREFIX_NUMBERS = count(1)


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with s3_server(tmp_path_factory.mktemp("s3")) as address:
        yield address


@pytest.fixture
def bucket(endpoint: str) -> pafs.FileSystem:
    return pafs.SubTreeFileSystem(BUCKET, own_filesystem(endpoint))


@pytest.fixture
def prefix(bucket: pafs.FileSystem) -> str:
    return f"team/table {next(_PREFIX_NUMBERS)}"


@pytest.fixture
def options(endpoint: str) -> TableOptions:
    return bucket_options(endpoint)


@pytest.fixture
def table(prefix: str, options: TableOptions) -> Iterator[Table]:
    with closing(open_table(f"s3://{BUCKET}/{prefix}", options=options)) as opened:
        yield opened


class TestTableInABucket(TableContract):
    @pytest.fixture
    def fill(self, bucket: pafs.FileSystem, prefix: str) -> Fill:
        def write(rows: pa.Table) -> None:
            pq.write_table(rows, f"{prefix}/2026/rows.parquet", filesystem=bucket)

        return write

    def test_a_missing_table_is_made_once(self, table: Table) -> None:
        """A bucket knows no empty folders: the table is there once it has rows."""
        assert table.ensure().is_created
        assert read(table) == []
        table.append_rows([row_batch(make_row(0))])
        assert not table.ensure().is_created


def test_a_file_that_cannot_be_read_is_named(
    table: Table, bucket: pafs.FileSystem, prefix: str
) -> None:
    with bucket.open_output_stream(f"{prefix}/half.parquet") as file:
        file.write(b"PAR1 and nothing more")
    with pytest.raises(TableUnavailable, match=r"half\.parquet.* half written"):
        table.ensure()


def test_results_and_names_with_wildcards(
    table: Table, bucket: pafs.FileSystem, prefix: str
) -> None:
    names = ("_results/rows.parquet", "a [1]*.parquet", "a 1.parquet")
    for number, name in enumerate(names):
        rows = foreign_table(make_foreign_row(number))
        pq.write_table(rows, f"{prefix}/{name}", filesystem=bucket)
    assert len(read(table)) == 2


@pytest.mark.usefixtures("bucket")
def test_a_missing_bucket_is_named(options: TableOptions) -> None:
    with pytest.raises(TableInvalid, match='bucket "nowhere" does not exist; create it'):
        open_table("s3://nowhere/table", options=options).ensure()


@pytest.mark.usefixtures("bucket")
def test_a_server_that_is_down_is_unavailable_and_no_secret_told() -> None:
    (port,) = free_ports(1)
    nobody = bucket_options(f"http://127.0.0.1:{port}")
    with pytest.raises(TableUnavailable, match="s3://tables/down") as refused:
        read(open_table("s3://tables/down", options=nobody))
    assert "canary-5512" not in str(refused.value)


def test_the_same_rows_are_the_same_in_a_folder(table: Table, tmp_path: Path) -> None:
    local = open_table(tmp_path.as_uri())
    for each in (local, table):
        each.append_rows([row_batch(*(make_row(number) for number in range(50)))])
    assert read(table) == read(local)
    assert read_ids(table)
    local.close()


def test_a_name_is_no_pattern(bucket: pafs.FileSystem, prefix: str, table: Table) -> None:
    """`[o]ther.parquet` was read as a pattern: the rows of `other.parquet` twice, its own never."""
    names = ["[o]ther", "other", "*", "?ther", "a%2fb"]
    for number, name in enumerate(names):
        rows = foreign_table(make_foreign_row(number, groundtruth=name))
        pq.write_table(rows, f"{prefix}/{name}.parquet", filesystem=bucket)
    assert sorted(str(row["groundtruth"]) for row in read(table)) == sorted(names)
