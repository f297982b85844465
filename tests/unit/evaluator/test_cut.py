"""The rows that a run evaluates: the exact sample of each interval, whatever windows cut it."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.evaluator.cut import build_reader, cut_rows, read_cut, read_outcomes
from evaluation_operator.results.errors import TableInvalid
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import RowQuery, Table
from evaluation_operator.tables.sample import hashed_priority, item_priority
from evaluation_operator.tables.schema import HALF_SCHEMA, READ_SCHEMA, ROW_SCHEMA
from tests.builders import make_dataset
from tests.unit.tables.making import expected_rows

FIRST_RUN = datetime(2026, 3, 2, 10, tzinfo=UTC)  # two hours after the job's creation
NOW = FIRST_RUN + timedelta(days=30)

Span = tuple[float, float]


def at(hours: float) -> datetime:
    return FIRST_RUN + timedelta(hours=hours)


@dataclass(frozen=True)
class Sampled:
    """An item as the sampler saw it: `hour` counts from the job's first run time."""

    id: str
    hour: float
    priority: float
    cap: int = 1000
    fraction: float = 1.0
    source_fraction: float = 1.0

    @property
    def interval(self) -> int:
        return int(self.hour // 24)

    def row(self) -> dict[str, Any]:
        return {
            "model": "ripeness",
            "model_version": "v1",
            "time": at(self.hour) - timedelta(seconds=3),
            "raw_data": json.dumps({"instances": [self.id]}),
            "raw_prediction": '{"predictions": [{"labels": ["ripe"], "scores": [1]}]}',
            "id": self.id,
            "priority": self.priority,
            "p": min(self.source_fraction, self.fraction),
            "example_count": self.cap,
            "example_sample_percentage": self.fraction,
            "sampled_at": at(self.hour),
            "interval_start": at(24 * self.interval),
            "job_uid": "uid-1",
        }


def foreign_row(hour: float, row_id: str, instances: int = 1) -> dict[str, Any]:
    """A row that somebody else wrote, with an id."""
    prediction = {"labels": ["ripe"], "scores": [1]}
    return {
        "model": "ripeness",
        "model_version": "v1",
        "time": at(hour),
        "raw_data": json.dumps({"instances": [row_id] * instances}),
        "raw_prediction": json.dumps({"predictions": [prediction] * instances}),
        "id": row_id,
    }


def run_over(*windows: Span, cap: int | None = None, fraction: float | None = None) -> Dataset:
    spec: dict[str, Any] = {
        "windows": [
            {"startTime": at(start).isoformat(), "endTime": at(end).isoformat()}
            for start, end in windows
        ]
    }
    if cap is not None:
        spec["exampleCount"] = cap
    if fraction is not None:
        spec["exampleSamplePercentage"] = fraction
    return Dataset.from_dict(make_dataset(spec=spec))


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Table]:
    with closing(open_table((tmp_path / "table").as_uri())) as opened:
        yield opened


def fill(table: Table, *rows: Sampled | dict[str, Any]) -> None:
    plain = [row.row() if isinstance(row, Sampled) else row for row in rows]
    table.append_rows([pa.RecordBatch.from_pylist(plain, schema=ROW_SCHEMA)])


def drawn(
    table: Table, dataset: Dataset, taken: Sequence[str] = (), seen: list[str] | None = None
) -> dict[str, float]:
    """Each drawn item with its probability, under the id that results know it by."""
    with tempfile.TemporaryDirectory() as scratch:
        cut = cut_rows(dataset, table, Path(scratch), NOW, taken=lambda ids: set(ids) & set(taken))
        outcomes = list(read_outcomes(cut.path, build_reader(dataset)))
        assert cut.figures.row_count == pq.ParquetFile(cut.path).metadata.num_rows
        assert cut.figures.item_count == len(outcomes)
        if seen is not None and cut.seen is not None:
            seen += pq.read_table(cut.seen)["id"].to_pylist()
    return {str(outcome.item_id): getattr(outcome, "p", math.nan) for outcome in outcomes}


def bottom_k(items: Sequence[Sampled], cap: int, fraction: float) -> dict[str, float]:
    """The definition, by sorting: of each interval, with the least cap and fraction in it."""
    found: dict[str, float] = {}
    for interval in {item.interval for item in items}:
        own = [item for item in items if item.interval == interval]
        first = {
            item.id: item for item in sorted(own, key=lambda item: item.hour, reverse=True)
        }.values()
        least_cap = min(cap, *(item.cap for item in first))
        threshold = min(fraction, *(item.fraction for item in first))
        priorities = sorted(item.priority for item in first)
        if len(priorities) > least_cap:
            threshold = min(threshold, priorities[least_cap])
        found |= {
            item.id: min(item.source_fraction, threshold)
            for item in first
            if item.priority < threshold
        }
    return found


@st.composite
def traffic(draw: st.DrawFn) -> list[Sampled]:
    """Two intervals; the cap and the fraction may change in the middle, items may be repeated."""
    before, after = (
        (draw(st.integers(2, 12)), draw(st.sampled_from([0.3, 0.8, 1.0]))) for _ in range(2)
    )
    change = draw(st.floats(0, 47))
    hours = draw(st.lists(st.floats(0, 47.99), min_size=1, max_size=30))
    items = []
    for number, hour in enumerate(hours):
        cap, fraction = before if hour < change else after
        source = draw(st.sampled_from([1.0, 0.25]))
        priority = source * item_priority("uid-1", f"event-{number}/0")
        items.append(Sampled(f"event-{number}/0", hour, priority, cap, fraction, source))
        if draw(st.booleans()):
            again = min(hour + draw(st.floats(0.1, 5)), 24 * items[-1].interval + 23.99)
            items.append(replace(items[-1], hour=again))
    return items


class PlainTable:
    """Rows read by the plain loops that every real table is judged by."""

    def __init__(self, items: Iterable[Sampled]) -> None:
        self._rows = [item.row() for item in items]

    def shares_labels(self) -> bool:
        return False

    def read_rows(self, query: RowQuery) -> Iterator[pa.RecordBatch]:
        rows = expected_rows(self._rows, [], query)
        for start in range(0, len(rows), 7):
            yield pa.RecordBatch.from_pylist(rows[start : start + 7], schema=READ_SCHEMA)


def assert_parts_are_the_whole(
    table: Table, items: list[Sampled], cuts: list[float], cap: int, fraction: float
) -> None:
    together: dict[str, float] = {}
    seen: list[str] = []
    for start, end in pairwise([0.0, *cuts, 48.0]):
        if start == end:
            continue
        dataset = run_over((start, end), cap=cap, fraction=fraction)
        found = drawn(table, dataset, taken=list(together), seen=seen)
        assert not found.keys() & together.keys()
        together |= found
    assert together == bottom_k(items, cap, fraction)
    assert sorted(seen) == sorted({item.id for item in items})


CUTS = st.lists(st.floats(0.5, 47.5), max_size=3).map(sorted)
CAPS = st.integers(2, 12)
FRACTIONS = st.sampled_from([0.5, 1.0])


@settings(max_examples=50, deadline=None)
@given(traffic(), CUTS, CAPS, FRACTIONS)
def test_runs_over_parts_of_an_interval_are_together_its_exact_sample(
    items: list[Sampled], cuts: list[float], cap: int, fraction: float
) -> None:
    """Whatever delay of labels moves the windows, and settings changed in the middle."""
    assert_parts_are_the_whole(cast(Table, PlainTable(items)), items, cuts, cap, fraction)


@settings(max_examples=4, deadline=None)
@given(traffic(), CUTS, CAPS, FRACTIONS)
def test_they_are_in_a_table_of_files_too(
    items: list[Sampled], cuts: list[float], cap: int, fraction: float
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        table = open_table(Path(folder).as_uri())
        for part in (items[::2], items[1::2]):
            fill(table, *part)
        assert_parts_are_the_whole(table, items, cuts, cap, fraction)


def evenly(count: int, **changes: Any) -> list[Sampled]:
    """Items over one day, the n-th with the n-th smallest priority."""
    return [
        replace(Sampled(f"e{n:02}/0", 24 * n / count, n / count), **changes) for n in range(count)
    ]


def test_of_large_rows_few_are_held_at_a_time(table: Table, tmp_path: Path) -> None:
    """What a run holds of a cut is what was written at once, however many rows that could be."""
    pad = "x" * 1_000_000
    fill(table, *(each.row() | {"raw_data": f"{pad} {each.id}"} for each in evenly(50)))
    cut = cut_rows(run_over((0, 24)), table, tmp_path, NOW)
    with pq.ParquetFile(cut.path) as file:
        counts = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert sum(counts) == 50
    assert max(counts) < 12
    read = [row["raw_data"] for row in read_cut(cut.path)]
    assert read == [f"{pad} {each.id}" for each in evenly(50)]


def test_the_cap_is_exact_however_its_interval_is_cut(table: Table) -> None:
    fill(table, *evenly(40))
    parts = [drawn(table, run_over(span, cap=7)) for span in ((0, 3), (3, 5), (5, 24))]
    assert [len(part) for part in parts] == [5, 2, 0]
    assert {p for part in parts for p in part.values()} == {7 / 40}


def test_the_row_of_a_sampled_item_gives_the_item_its_id(table: Table) -> None:
    fill(table, Sampled("event/0", 1, 0.1), foreign_row(2, "theirs", instances=2))
    found = drawn(table, run_over((0, 24)))
    assert found == {"event/0": 1.0, "theirs/0": 1.0, "theirs/1": 1.0}


def test_what_an_earlier_run_has_taken_counts_and_is_not_drawn_again(table: Table) -> None:
    fill(table, *evenly(10))
    found = drawn(table, run_over((0, 24), cap=4), taken=["e00/0", "e01/0"])
    assert found == {"e02/0": 0.4, "e03/0": 0.4}


def test_rows_of_others_that_were_taken_count_too(table: Table) -> None:
    rows = [foreign_row(n, f"r{n}") for n in range(20)]
    fill(table, *rows)
    ordered = sorted(
        (f"r{n}" for n in range(20)), key=lambda row_id: hashed_priority(f"{row_id}/0")
    )
    found = drawn(table, run_over((0, 24), cap=5), taken=ordered[:2])
    assert found.keys() == {f"{row_id}/0" for row_id in ordered[2:5]}


def test_the_cap_holds_for_rows_of_others_over_a_whole_interval(table: Table) -> None:
    fill(table, *(foreign_row(n / 2, f"r{n}") for n in range(48)))
    whole = drawn(table, run_over((0, 24), cap=10))
    parts = [drawn(table, run_over(span, cap=10)) for span in ((0, 12), (12, 24))]
    assert len(whole) == 10
    assert parts[0] | parts[1] == whole


def test_lowering_acts_on_the_whole_interval_and_raising_from_the_next(table: Table) -> None:
    lowered = evenly(20, cap=8)[:10] + evenly(20, cap=3)[10:]
    raised = [
        replace(item, id=f"next-{item.id}", hour=item.hour + 24, cap=cap)
        for item, cap in zip(evenly(20), [3] * 10 + [8] * 10, strict=True)
    ]
    fill(table, *lowered, *raised)
    assert len(drawn(table, run_over((0, 24), cap=8))) == 3
    assert len(drawn(table, run_over((24, 48), cap=8))) == 3
    assert len(drawn(table, run_over((0, 48), cap=2))) == 4


def test_lowering_the_fraction_acts_on_the_whole_interval(table: Table) -> None:
    fill(table, *evenly(20, fraction=0.5)[:10], *evenly(20, fraction=0.2)[10:])
    assert drawn(table, run_over((0, 12), fraction=0.5)) == {f"e{n:02}/0": 0.2 for n in range(4)}


def test_the_first_interval_begins_at_the_jobs_creation(table: Table) -> None:
    """Rows of others from before it do not press upon the cap."""
    fill(table, *(foreign_row(-2 + n / 60 - 5 * (n % 2), f"r{n}") for n in range(40)))
    assert len(drawn(table, run_over((-2, 0), cap=20))) == 20


def test_an_event_delivered_again_is_one_item_where_it_was_first(table: Table) -> None:
    first = Sampled("event/0", 5, 0.1)
    again = replace(first, hour=9).row() | {"raw_prediction": '{"predictions": [null]}'}
    fill(table, first, again, Sampled("other/0", 6, 0.2), Sampled("third/0", 7, 0.3))
    assert drawn(table, run_over((0, 24), cap=2)) == {"event/0": 0.3, "other/0": 0.3}
    assert drawn(table, run_over((8, 24), cap=2)) == {}


def test_an_event_delivered_again_in_a_later_interval_is_not_evaluated_again(table: Table) -> None:
    first = Sampled("event/0", 5, 0.1)
    fill(table, first, replace(first, hour=30))
    assert drawn(table, run_over((24, 48)), taken=["event/0"]) == {}


def test_rows_of_others_that_share_an_id_are_still_a_fault(table: Table) -> None:
    fill(table, foreign_row(1, "same"), foreign_row(2, "same"), foreign_row(3, "own"))
    assert drawn(table, run_over((0, 24))).keys() == {"same/0", "None", "own/0"}
    assert drawn(table, run_over((0, 1.5))).keys() == {"same/0"}
    assert drawn(table, run_over((1.5, 24))).keys() == {"same/0", "own/0"}


def test_the_probability_is_the_senders_where_that_is_less(table: Table) -> None:
    fill(table, Sampled("a/0", 1, 0.01, source_fraction=0.1), Sampled("b/0", 1, 0.02))
    assert drawn(table, run_over((0, 24), fraction=0.5)) == {"a/0": 0.1, "b/0": 0.5}


def test_halves_are_drawn_with_the_rest_of_their_interval(table: Table) -> None:
    fill(table, *evenly(10))
    whole = Sampled("split/0", 20, 0.15).row()
    request = whole | {"raw_prediction": None, "sampled_at": at(2), "item_count": 1}
    response = whole | {"raw_data": None, "item_count": 1}
    halves = pa.RecordBatch.from_pylist([response, request], schema=HALF_SCHEMA)
    table.append_halves([halves])
    assert drawn(table, run_over((0, 24), cap=3)).keys() == {"e00/0", "e01/0", "split/0"}
    assert drawn(table, run_over((0, 19), cap=3)).keys() == {"e00/0", "e01/0"}


@pytest.mark.parametrize(
    ("column", "value", "want"),
    [
        ("example_count", 0.0, "a number of items from 1"),
        ("example_count", math.nan, "a number of items from 1"),
        ("example_sample_percentage", 1.5, "a fraction above 0 and at most 1"),
    ],
)
def test_settings_that_no_job_can_have_are_named(
    table: Table, column: str, value: float, want: str
) -> None:
    fill(table, Sampled("event/0", 1, 0.1).row() | {column: value})
    with pytest.raises(TableInvalid, match=f'row event/0: column "{column}": .* must be {want}'):
        drawn(table, run_over((0, 24)))


def test_a_cut_of_an_earlier_version_can_be_read(table: Table, tmp_path: Path) -> None:
    fill(table, Sampled("event/0", 1, 0.1))
    dataset = run_over((0, 24))
    cut = cut_rows(dataset, table, tmp_path, NOW)
    old = pq.read_table(cut.path).drop_columns(["is_item"])
    pq.write_table(old, cut.path)
    assert [outcome.item_id for outcome in read_outcomes(cut.path, build_reader(dataset))] == [
        "event/0/0"
    ]
