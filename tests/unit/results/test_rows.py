"""What is told of a cut beside it comes back as it was written, and as its readers spell it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluation_operator.results.errors import InvalidRun, Unavailable
from evaluation_operator.results.folder import Folder
from evaluation_operator.results.parquet import about, column, write_lines
from evaluation_operator.results.rows import Cut, CutFigures, read_record, write_record
from evaluation_operator.results.taken import (
    TAKEN_SCHEMA,
    Taken,
    hashed,
    read_hashes,
    taken_of,
    write_taken,
)
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.tables.protocol import RowQuery, Window

TIME = datetime(2026, 3, 2, 9, tzinfo=UTC)
LATER = datetime(2026, 3, 3, 9, tzinfo=UTC)


FIGURES = CutFigures(row_count=7, item_count=9, digest="abc", time=TIME)
CUT = {
    "rowCount": 7,
    "itemCount": 9,
    "digest": "abc",
    "time": "2026-03-02T09:00:00Z",
    "sharesLabels": False,
    "windows": [{"startTime": "2026-03-02T09:00:00Z"}],
    "pausedSpans": [{"startTime": "2026-03-02T09:00:00Z", "endTime": "2026-03-03T09:00:00Z"}],
    "takenRuns": ["b", "a"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder.open(tmp_path.as_uri(), TableOptions())


def test_what_is_told_of_a_cut_comes_back_as_it_was_written(folder: Folder) -> None:
    query = RowQuery("m", "v", (Window(TIME),), (Window(TIME, LATER),))
    write_record(folder, Cut(Path(), FIGURES).record(query, ("b", "a")))
    assert folder.read_json("cut.json") == CUT
    record = read_record(folder)
    assert (record.asked(), record.paused()) == (query.windows, query.paused_spans)
    assert record.taken_runs == ["b", "a"]
    assert record.to_json() == CUT
    shared = FIGURES.changed(shares_labels=True)
    assert shared.to_json()["sharesLabels"] is True


def test_a_cut_from_before_labels_were_shared_and_rows_taken(folder: Folder) -> None:
    newer = ("sharesLabels", "takenRuns")
    folder.write_json("cut.json", {name: it for name, it in CUT.items() if name not in newer})
    record = read_record(folder)
    assert (record.shares_labels, record.taken_runs) == (False, None)


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("windows", 5, "windows"),
        ("windows", [5], "windows.0"),
        ("windows", [{}], "windows.0.startTime"),
        ("windows", [{"startTime": "2026-03-02T09:00:00"}], "windows.0.startTime"),
        ("pausedSpans", [{"startTime": "soon"}], "pausedSpans.0.startTime"),
        ("takenRuns", 5, "takenRuns"),
        ("takenRuns", True, "takenRuns"),
        ("takenRuns", "abc", "takenRuns"),
        ("takenRuns", {}, "takenRuns"),
        ("takenRuns", [["a"]], "takenRuns.0"),
        ("rowCount", "7", "rowCount"),
        ("itemCount", -1, "itemCount"),
        ("time", None, "time"),
    ],
)
def test_a_cut_that_no_run_has_told_is_named(
    folder: Folder, field: str, value: object, place: str
) -> None:
    folder.write_json("cut.json", CUT | {field: value})
    with pytest.raises(InvalidRun, match=rf"cut\.json: {place}: .*; not as written: restore the"):
        read_record(folder)


@pytest.mark.parametrize("content", ["[]", "null", "5", "{"])
def test_a_file_that_is_no_object_is_named(tmp_path: Path, folder: Folder, content: str) -> None:
    (tmp_path / "cut.json").write_text(content)
    with pytest.raises(Unavailable, match=r"cut\.json: "):
        read_record(folder)


def test_a_column_says_what_it_means_and_whether_it_may_be_empty(tmp_path: Path) -> None:
    schema = pa.schema(
        [
            column("n", pa.int32(), "How many.", is_nullable=False),
            column("why", pa.string(), "Why, if it is known."),
        ]
    )
    write_lines(tmp_path / "x.parquet", schema, [(1, None), (2, "b")])
    stored = pq.read_schema(tmp_path / "x.parquet")
    assert [about(field) for field in stored] == ["How many.", "Why, if it is known."]
    assert [field.nullable for field in stored] == [False, True]
    assert [field.type for field in stored] == [pa.int32(), pa.string()]
    assert about(pa.field("x", pa.int32())) == ""
    assert pq.read_table(tmp_path / "x.parquet").to_pylist() == [
        {"n": 1, "why": None},
        {"n": 2, "why": "b"},
    ]


def test_of_no_rows_none_is_taken(tmp_path: Path) -> None:
    assert taken_of(["run-1"], []).hashes.tolist() == []


def test_taken_rows_are_read_as_they_were_written(tmp_path: Path) -> None:
    batch = pa.record_batch({"id": ["b", "a", "b"]})
    taken = taken_of(["run-1"], [batch, batch])
    assert taken.runs == ("run-1",)
    assert taken.hashes.tolist() == sorted(hashed(["a", "b"]).tolist())
    write_taken(taken.with_others([Taken(("run-0",), hashed(["c"]))]), tmp_path / "taken.parquet")
    found = read_hashes(Folder.open(tmp_path.as_uri(), TableOptions()))
    assert found.dtype == np.uint64
    assert found.tolist() == sorted(hashed(["a", "b", "c"]).tolist())
    assert pq.read_schema(tmp_path / "taken.parquet") == TAKEN_SCHEMA


@pytest.mark.parametrize(
    "column",
    [
        pa.array([3, 1, 2], pa.uint64()),
        pa.array([1, 1], pa.uint64()),
        pa.array([1, None], pa.uint64()),
        pa.array([-1, 2]),
        pa.array([1.5]),
        pa.array(["a"]),
    ],
    ids=["unsorted", "twice", "null", "signed", "broken", "text"],
)
def test_taken_rows_that_no_run_has_written_are_refused(tmp_path: Path, column: pa.Array) -> None:
    """Looked through as if they were sorted, they would name no row, and each would be evaluated
    again."""
    pq.write_table(pa.table({"id_hash": column}), tmp_path / "taken.parquet")
    with pytest.raises(
        InvalidRun, match=r"taken\.parquet: column id_hash.*; not as written: restore the file"
    ):
        read_hashes(Folder.open(tmp_path.as_uri(), TableOptions()))


def test_nor_is_a_file_without_them_read(tmp_path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), tmp_path / "taken.parquet")
    with pytest.raises(InvalidRun, match="not as written"):
        read_hashes(Folder.open(tmp_path.as_uri(), TableOptions()))
