"""Files that people bring."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluation_operator.storage.errors import ImportInvalid
from evaluation_operator.tables.importing import read_label_files, read_row_files
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.schema import LABEL_SCHEMA, ROW_SCHEMA, row_ids
from tests.unit.tables.making import (
    Row,
    at,
    foreign_table,
    make_foreign_row,
    make_row,
    read,
)

NOW = datetime(2026, 4, 1, tzinfo=UTC)


def write_jsonl(path: Path, *rows: Row) -> Path:
    path.write_text("".join(json.dumps(row, default=str) + "\n" for row in rows))
    return path


def write_csv(path: Path, *rows: Row) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_parquet(path: Path, *rows: Row) -> Path:
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return path


WRITERS = {".jsonl": write_jsonl, ".csv": write_csv, ".parquet": write_parquet}


def rows_of(path: Path) -> list[Row]:
    rows: list[Row] = pa.Table.from_batches(read_row_files([path]), ROW_SCHEMA).to_pylist()
    return rows


def labels_of(path: Path) -> list[Row]:
    batches = read_label_files([path], labeled_at=NOW)
    labels: list[Row] = pa.Table.from_batches(batches, LABEL_SCHEMA).to_pylist()
    return labels


@pytest.mark.parametrize("ending", WRITERS)
def test_rows_of_every_form_are_the_same_rows(tmp_path: Path, ending: str) -> None:
    strange = make_row(1, raw_data='"é \\"q\\", a,\\n b"', priority=0.1 + 0.2, groundtruth="{}")
    path = WRITERS[ending](tmp_path / f"rows{ending}", make_row(0), strange)
    assert rows_of(path) == [make_row(0), strange]


@pytest.mark.parametrize("ending", WRITERS)
def test_rows_without_ids_get_those_that_a_table_of_others_gives(
    tmp_path: Path, ending: str
) -> None:
    rows = [make_foreign_row(number) for number in (0, 1, 0, 2, 0, 1)]
    path = WRITERS[ending](tmp_path / f"rows{ending}", *rows)
    found = rows_of(path)
    assert [row["id"] for row in found] == row_ids(foreign_table(*rows))
    assert [row["sampled_at"] for row in found] == [None] * 6


def test_imported_rows_can_be_read_by_their_time(tmp_path: Path) -> None:
    rows = [make_foreign_row(number) for number in (0, 1, 1)]
    path = write_jsonl(tmp_path / "rows.jsonl", *rows)
    table = open_table((tmp_path / "table").as_uri())
    for _ in range(2):
        table.append_rows(read_row_files([path]))
    assert sorted(str(row["id"]) for row in read(table)) == sorted(row_ids(foreign_table(*rows)))
    table.close()


def test_documents_may_be_given_as_json(tmp_path: Path) -> None:
    """The same document is the same text and so the same id, whatever the order of its keys."""
    texts = [
        '{"model":"m","model_version":"v","time":"2026-03-01","raw_data":{"b":1,"a":["é",null]}}',
        '{"raw_data":{"a":["\\u00e9",null],"b":1},"model":"m","model_version":"v",'
        '"time":"2026-03-01T01:00:00+01:00"}',
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n\n".join(texts), encoding="utf-8-sig")
    first, second = rows_of(path)
    assert first["raw_data"] == second["raw_data"] == '{"a":["é",null],"b":1}'
    assert second["id"] == f"{first['id']}-1"


@pytest.mark.parametrize("ending", WRITERS)
def test_labels_without_a_time_get_the_one_of_the_import(tmp_path: Path, ending: str) -> None:
    rows: list[Row] = [{"id": "a", "groundtruth": '"x"'}, {"id": "b", "groundtruth": '"y"'}]
    path = WRITERS[ending](tmp_path / f"labels{ending}", *rows)
    nothing = {"labeler": None, "model": None, "model_version": None}
    assert labels_of(path) == [row | {"labeled_at": NOW} | nothing for row in rows]


def test_a_row_may_have_several_labels_of_several_times(tmp_path: Path) -> None:
    rows: list[Row] = [{"id": "a", "groundtruth": '"x"', "labeled_at": at(n)} for n in range(2)]
    assert len(labels_of(write_jsonl(tmp_path / "labels.jsonl", *rows))) == 2


def test_labels_are_of_the_model_version_that_they_or_the_import_name(tmp_path: Path) -> None:
    """One instant and one row, but of two model versions: two labels."""
    rows: list[Row] = [
        {"id": "a", "groundtruth": f'"{text}"', "model": "m", "model_version": text}
        for text in "vw"
    ]
    path = write_csv(tmp_path / "labels.csv", *rows)
    assert [row["model_version"] for row in labels_of(path)] == ["v", "w"]
    plain = write_jsonl(tmp_path / "plain.jsonl", {"id": "a", "groundtruth": '"x"'}, rows[0])
    with pytest.raises(ImportInvalid, match=r"jsonl:2: .*'m', 'v' is another model version than"):
        read_label_files([plain], labeled_at=NOW, model_version=("m", "w"))
    (batch,) = read_label_files([plain], labeled_at=NOW, model_version=None)
    assert batch["model"].to_pylist() == [None, "m"]
    alone = write_jsonl(tmp_path / "alone.jsonl", {"id": "a", "groundtruth": '"x"'})
    (batch,) = read_label_files([alone], labeled_at=NOW, model_version=("m", "v"))
    assert (batch["model"].to_pylist(), batch["model_version"].to_pylist()) == (["m"], ["v"])


def test_half_a_model_version_is_none(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "labels.jsonl", {"id": "a", "groundtruth": '"x"', "model": "m"})
    with pytest.raises(ImportInvalid, match='columns "model", "model_version": give both, or'):
        read_label_files([path], labeled_at=NOW)


BAD_ROWS: dict[str, tuple[Row, str]] = {
    "no model": ({"model": None}, 'column "model": no value; give one'),
    "empty version": ({"model_version": ""}, 'column "model_version": no value'),
    "number as text": ({"model": 3}, 'column "model": 3 is no text; quote it'),
    "no time": ({"time": "yesterday"}, 'column "time": "yesterday" is no time; give one such as'),
    "epoch": ({"time": 1772359200}, 'column "time": 1772359200 is no time'),
    "before all": (
        {"time": "0001-01-01T00:00:00+05:00"},
        'column "time": .* not between the years 1900 and 2200',
    ),
    "priority 1": ({"priority": 1}, 'column "priority": 1.0 must be at least 0 and below 1'),
    "p 0": ({"p": 0}, 'column "p": 0.0 must be above 0 and at most 1; correct it'),
    "p of text": ({"p": "half"}, 'column "p": "half" is no number; give one, such as 0.5'),
    "p true": ({"p": True}, 'column "p": true is no number'),
    "p not a number": ({"p": float("nan")}, 'column "p": nan must be'),
    "unknown": ({"label": "x"}, 'column "label" is unknown; remove it, or rename it to one of'),
    "half character": ({"raw_data": "\ud800"}, 'column "raw_data": half of a surrogate pair'),
}


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_line_is_named_and_nothing_is_given_out(tmp_path: Path, name: str) -> None:
    changed, message = BAD_ROWS[name]
    path = write_jsonl(tmp_path / "rows.jsonl", make_row(0), make_row(1, **changed))
    with pytest.raises(ImportInvalid, match=f"rows.jsonl:2: {message}"):
        read_row_files([path])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "a.jsonl",
            b'{"id": "a", "groundtruth": "b"}\n{"id"',
            r"a.jsonl:2: no JSON \(.*; give one",
        ),
        ("a.jsonl", b"[1]\n", "a.jsonl:1: no JSON object; give one a line"),
        ("a.jsonl", b"\xff\xfe", "a.jsonl: .* save it as UTF-8"),
        ("a.csv", b"id,groundtruth\na,b\na,b,c\n", "a.csv:3: 3 fields, but 2 columns; quote"),
        ("a.csv", b'id,groundtruth\na,"b\n', "a.csv:2: no CSV"),
        ("a.csv", b"id,truth\na,b\n", 'a.csv:2: column "truth" is unknown'),
        ("a.csv", b"id,groundtruth\na,\n", 'a.csv:2: column "groundtruth": no value'),
        ("a.parquet", b"PAR1", "a.parquet: .* give a whole, readable file"),
        ("a.xlsx", b"", '".xlsx" is no known ending; give one of .jsonl'),
    ],
)
def test_a_bad_file_is_refused_with_its_cure(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImportInvalid, match=message):
        read_label_files([tmp_path / name], labeled_at=NOW)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImportInvalid, match="No such file"):
        read_row_files([tmp_path / "rows.csv"])


def test_the_first_ten_faults_are_told(tmp_path: Path) -> None:
    bad = [make_row(number, p=2) for number in range(30)]
    with pytest.raises(ImportInvalid) as refused:
        read_row_files([write_jsonl(tmp_path / "rows.jsonl", *bad)])
    assert len(refused.value.faults) == 10


def test_an_id_given_twice_is_refused_with_both_places(tmp_path: Path) -> None:
    rows = [make_row(0), make_row(1), make_row(0)]
    with pytest.raises(ImportInvalid, match=r"rows.csv:4: .* stands at .*rows.csv:2 too; give it"):
        read_row_files([write_csv(tmp_path / "rows.csv", *rows)])


def test_two_labels_of_one_instant_are_refused(tmp_path: Path) -> None:
    labels: list[Row] = [{"id": "a", "groundtruth": f'"{text}"'} for text in "xy"]
    path = write_jsonl(tmp_path / "labels.jsonl", *labels)
    with pytest.raises(ImportInvalid, match=r"labels.jsonl:2: .* give each label its own"):
        read_label_files([path], labeled_at=NOW)


def test_an_empty_file_holds_no_rows(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text("")
    assert rows_of(tmp_path / "rows.jsonl") == []


def test_long_fields_and_nanoseconds_are_read(tmp_path: Path) -> None:
    big = make_foreign_row(0, raw_data='"' + "x" * 300_000 + '"')
    assert rows_of(write_csv(tmp_path / "rows.csv", big))[0]["raw_data"] == big["raw_data"]
    table = foreign_table(big)
    nanoseconds = table["time"].cast(pa.timestamp("ns", "Asia/Tokyo"))
    pq.write_table(table.set_column(2, "time", nanoseconds), tmp_path / "rows.parquet")
    assert rows_of(tmp_path / "rows.parquet")[0]["time"] == at(0)
