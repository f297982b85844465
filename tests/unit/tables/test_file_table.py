"""Tables of Parquet files in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import Table
from tests.unit.tables.contract import Fill, TableContract
from tests.unit.tables.making import write_parquet


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "it's a [table]"


@pytest.fixture
def table(root: Path) -> Iterator[Table]:
    with closing(open_table(root.as_uri())) as opened:
        yield opened


class TestFileTable(TableContract):
    @pytest.fixture
    def fill(self, root: Path) -> Fill:
        def write(rows: pa.Table) -> None:
            write_parquet(root / "2026" / "rows.parquet", rows)

        return write
