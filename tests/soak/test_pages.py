"""Files of a table that somebody has damaged, byte by byte."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from evaluation_operator.storage.errors import TableError
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import Table
from tests.unit.tables.making import foreign_table, make_foreign_row, read, write_parquet
from tests.unit.tables.test_plain_files import LITTLE, NARROW, WIDE


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "table"
    folder.mkdir()
    return folder


@pytest.fixture
def table(root: Path) -> Iterator[Table]:
    with closing(open_table(root.as_uri(), options=LITTLE)) as opened:
        yield opened


@pytest.mark.parametrize("size", [NARROW, WIDE], ids=["narrow", "wide"])
def test_pages_that_are_no_pages_are_read_or_refused(root: Path, table: Table, size: int) -> None:
    """Sizes that lie, texts that are no UTF-8, values that are not there: all as the table's own
    errors, which say where."""
    dice = random.Random(5)
    rows = foreign_table(*(make_foreign_row(n, raw_data=f"{n}" * size) for n in range(40)))
    path = write_parquet(root / "x.parquet", rows)
    whole = path.read_bytes()
    end = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    refused = 0
    for _ in range(100):
        content = bytearray(whole)
        for _ in range(dice.choice([1, 2, 5])):
            content[dice.randrange(end)] = dice.choice([0, 0x7F, 0x80, 0xFF])
        path.write_bytes(content)
        try:
            read(table)
        except TableError as error:
            refused += str(root) in str(error)
    assert 10 < refused < 100
