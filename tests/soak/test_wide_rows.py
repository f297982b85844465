"""Tables of files whose rows are wider than an engine can sort in memory."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from evaluation_operator.storage.options import TableOptions
from evaluation_operator.tables.files.wide import Part, open_spool, sliced
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import RowQuery, Table
from evaluation_operator.tables.schema import row_ids
from tests.unit.tables.contract import SIDES
from tests.unit.tables.making import (
    FLOWERS,
    TREES,
    Row,
    at,
    expected_rows,
    foreign_table,
    half_batch,
    label_batch,
    make_foreign_row,
    make_half,
    make_label,
    make_row,
    query,
    row_batch,
    window,
    write_parquet,
)

LITTLE = TableOptions(memory_limit_bytes=64 * 2**20)


def text(dice: random.Random, size: int) -> str:
    """Text that does not compress to much less."""
    return base64.b64encode(dice.randbytes(size * 3 // 4)).decode()


@pytest.fixture
def dice() -> random.Random:
    return random.Random(11)


def open_at(root: Path, options: TableOptions) -> Iterator[Table]:
    with closing(open_table(root.as_uri(), options=options)) as table:
        yield table


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    """One that is given little memory."""
    yield from open_at(tmp_path / "table", LITTLE)


def test_content_beyond_the_engines_memory_is_read_whole_and_in_order(
    table: Table, dice: random.Random
) -> None:
    numbers = dice.sample(range(10_000), 1200)
    texts = {number: text(dice, 100_000) for number in numbers}
    table.append_rows(
        row_batch(make_row(number, raw_data=content, time=at(0), sampled_at=at(0)))
        for number, content in texts.items()
    )
    found: list[str] = []
    for batch in table.read_rows(query()):
        assert batch.nbytes < 2**24
        for row in batch.select(["id", "raw_data"]).to_pylist():
            assert row["raw_data"] == texts[int(row["id"].removeprefix("row-"))]
            found.append(row["id"])
    assert found == [f"row-{number:04}" for number in sorted(numbers)]


def _rows(dice: random.Random) -> list[Row]:
    """Of the sampler, most delivered more than once, and of others, with ids that repeat."""
    sampled = [
        make_row(number, raw_data=text(dice, 30_000), sampled_at=at(number + again))
        for number in range(60)
        for again in range(dice.randrange(1, 4))
    ]
    own = [
        make_row(number, raw_data=text(dice, 20_000), sampled_at=None) for number in range(60, 80)
    ]
    return [*sampled, *own, *own[:9]]


def _halves(dice: random.Random) -> list[Row]:
    """Of some rows there is one alone, and some were delivered again."""
    once = [
        make_half(
            side,
            number,
            **{"raw_data" if side == "request" else "raw_prediction": text(dice, 50_000)},
        )
        for number in range(80, 120)
        for side in SIDES
        if dice.random() < 0.9
    ]
    return [*(half | {"sampled_at": at(200)} for half in once[::3]), *once]


def _rows_without_ids(dice: random.Random) -> list[Row]:
    """Some are equal but for the ground truth, which their numbers follow."""
    rows = [make_foreign_row(number, raw_data=text(dice, 30_000)) for number in range(60)]
    again = [row | {"groundtruth": f"truth {place}"} for row in rows[::4] for place in range(12)]
    return [*rows, *again, *rows[:5]]


@pytest.mark.parametrize("has_ids", [True, False])
def test_wide_rows_read_as_by_hand_with_little_memory_and_much(
    tmp_path: Path, table: Table, dice: random.Random, *, has_ids: bool
) -> None:
    rows, halves = _rows(dice), _halves(dice)
    dice.shuffle(rows)
    table.append_rows([row_batch(*rows[:50]), row_batch(*rows[50:])])
    table.append_halves([half_batch(*halves)])
    others = [] if has_ids else _rows_without_ids(dice)
    ids = row_ids(foreign_table(*others))
    if others:
        # Somebody may have copied an id that was computed, or lie between two of them.
        digest = next(each.removesuffix("-1") for each in ids if each.endswith("-1"))
        copies: list[Row] = [
            make_row(number, id=digest + end, raw_data=text(dice, 30_000), sampled_at=None)
            for number, end in enumerate(("+", "-1", "-1x", "-99", "."))
        ]
        table.append_rows([row_batch(*copies)])
        write_parquet(tmp_path / "table" / "others.parquet", foreign_table(*others))
        others += copies
    labels: list[Row] = [
        make_label(each, dice.choice("abc"), dice.randrange(3), of=dice.choice([FLOWERS, TREES]))
        for each in ["row-0003", "row-0070", "row-0090", *ids[::3]] * 2
    ]
    table.append_labels([label_batch(*labels)])
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.parquet")) > 2**20 * 5
    for asked in (
        query(),
        query(
            windows=(window(5, 30), window(65, 90)),
            context=(window(40, 50),),
            paused_spans=(window(10, 15), window(70, 75)),
            label_cutoff=at(1),
        ),
    ):
        expected = expected_rows([*rows, *others], labels, asked, halves)
        expected.sort(key=lambda row: (str(row["id"]).encode(), row["time"]))
        assert _read(table, asked) == expected
        for much in open_at(tmp_path / "table", TableOptions()):
            assert _read(much, asked) == expected


def _read(table: Table, asked: RowQuery) -> list[Row]:
    return [row for batch in table.read_rows(asked) for row in batch.to_pylist()]


def test_a_text_that_a_file_holds_once_is_wide_in_every_row(table: Table) -> None:
    content = "x" * 200_000
    rows = [make_row(number, raw_data=content, sampled_at=at(0)) for number in range(600)]
    table.append_rows([row_batch(*rows[:300]), row_batch(*rows[300:])])
    assert [row["raw_data"] for row in _read(table, query())] == [content] * 600


def test_a_query_that_finds_none_of_the_wide_rows_finds_nothing(
    table: Table, dice: random.Random
) -> None:
    table.append_rows([row_batch(*(make_row(n, raw_data=text(dice, 60_000)) for n in range(120)))])
    assert list(table.read_rows(query(model="trees"))) == []


def test_layouts_of_others_are_wide_too(tmp_path: Path, table: Table, dice: random.Random) -> None:
    rows = [make_foreign_row(number, raw_data=text(dice, 60_000)) for number in range(120)]
    habits = foreign_table(*rows).drop_columns(["groundtruth"])
    habits = (
        habits.set_column(0, "model", habits["model"].dictionary_encode())
        .set_column(2, "time", habits["time"].cast(pa.timestamp("ns")))
        .set_column(3, "raw_data", habits["raw_data"].cast(pa.large_string()))
        .append_column("groundtruth", pa.nulls(len(rows)))
    )
    write_parquet(tmp_path / "table" / "habits.parquet", habits)
    assert _read(table, query()) == expected_rows(rows, [], query())


def test_nothing_is_left_where_wide_rows_were_set_down(tmp_path: Path, dice: random.Random) -> None:
    spill = tmp_path / "spill"
    spill.mkdir()
    options = TableOptions(memory_limit_bytes=64 * 2**20, temp_directory=spill)
    for table in open_at(tmp_path / "table", options):
        rows = (make_row(n, raw_data=text(dice, 60_000)) for n in range(120))
        table.append_rows([row_batch(*rows)])
        assert len(_read(table, query())) == 120
        assert list(spill.iterdir()) == []


def _parts(most_bytes: int, *keys: str) -> list[list[str]]:
    """Which ids share a part."""
    rows = pa.Table.from_batches([row_batch(*(make_row(0, id=key) for key in keys))])
    with open_spool(None) as spool:
        spool.add(rows.append_column("key", rows["id"]), is_half=False)
        return [_ids(part) for part in spool.parts(most_bytes)]


def _ids(part: Part) -> list[str]:
    rows = dict(part.tables())["part_rows"]
    return [str(each) for each in rows["id"].to_pylist()]


def test_a_part_holds_all_rows_of_an_id_however_many() -> None:
    assert _parts(1, "b", "a", "b", "é", "c") == [["a"], ["b", "b"], ["c"], ["é"]]
    assert _parts(2**20, "b", "a", "b") == [["a", "b", "b"]]


def test_what_begins_with_a_digest_stays_with_it() -> None:
    one, other = "a" * 32, "b" * 32
    keys = (one, one + "+", one + "-1", other, other + "-2", "c")
    assert _parts(1, *keys) == [[one, one + "+", one + "-1"], [other, other + "-2"], ["c"]]


def test_large_batches_are_sliced_and_a_large_row_is_left_whole() -> None:
    wide = pa.RecordBatch.from_pydict({"id": ["a", "b", "c"], "x": ["x" * 2**23] * 3})
    assert [batch.num_rows for batch in sliced([wide, wide.slice(0, 0)])] == [1, 1, 1, 0]
