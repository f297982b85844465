"""Files as people have them: imported and evaluated, or refused with what would cure it."""

from __future__ import annotations

import gzip
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.builders import Manifest, make_detection_job, make_evaluation_job, make_spec_set, merged
from tests.unit.cli.running import json_of, run_cli, write_manifests

FILES: Final[dict[str, str]] = yaml.safe_load(
    (Path(__file__).parents[2] / "cases" / "tables.yaml").read_text()
)
MODEL: Final = ("--model", "pets", "--version", "v1")
KEYS: Final = {"label_json_key": "labels", "label_score_json_key": "scores"}


def import_of(place: Path, name: str, text: str | None = None) -> tuple[int, str, str]:
    """Exit code, what was said, and the table."""
    path, table = place / name, str(place / "table")
    if not path.exists():
        path.write_text(FILES[name] if text is None else text)
    result = run_cli("rows", "import", str(path), "--table", table, *MODEL)
    return result.exit_code, result.output, table


def pets(make: Any = make_evaluation_job, **config: Any) -> Manifest:
    spec = {"modelVersion": "models/pets/versions/v1", "evaluationJobConfig": config}
    return merged(make(), {"spec": spec})


def evaluated(place: Path, table: str, job: Manifest, *labels: str) -> tuple[Any, str]:
    """The Evaluation's spec, or the error."""
    files = write_manifests(place / "job.yaml", job, make_spec_set(labels=labels))
    result = run_cli("evaluate", "-f", files, "--table", table, "-o", "json")
    found = json_of(result)
    return found.get("spec"), result.output


REFUSED: Final = {
    "python_repr.csv": r"python_repr\.csv:2: column \"raw_\w+\": .* looks like str\(\) of Python's",
    "row_bad_then.jsonl": r"column \"raw_\w+\": .* is no JSON",
    "nan_truth.jsonl": r"column \"groundtruth\": NaN is no text; give null",
    "pandas_index.csv": r"the index that pandas writes: write it with index=False",
    "duplicate_header.csv": r"column \"\w+\" is given twice; give it once",
    "excel_semicolon.csv": r"the separator is ; and not a comma",
    "time_compact14z.jsonl": r"\"20260302101530Z\" is no time; give one such as 2026-03-01T10:0",
    "time_epoch_ms_looks_date.csv": r"\"1712010812345\" is no time; give one such as",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_meant_is_refused_with_its_cure(tmp_path: Path, name: str) -> None:
    code, said, table = import_of(tmp_path, name)
    assert code == 1
    assert re.search(REFUSED[name], said), said
    assert not list(Path(table).glob("**/*.parquet")), "nothing is imported"


@pytest.mark.parametrize(
    "name",
    ["bq_export.csv", "bq_export.jsonl", "bq_export-000000000000.json", "double_encoded.jsonl"],
)
def test_exports_of_others_are_imported_and_evaluated(tmp_path: Path, name: str) -> None:
    code, said, table = import_of(tmp_path, name)
    assert code == 0, said
    spec, error = evaluated(tmp_path, table, pets(), "cat", "dog")
    assert spec is not None, error
    assert spec["accuracy"] == 1
    assert "partialFailures" not in spec


@pytest.mark.parametrize("name", ["row_corrected.jsonl", "bq_export.csv"])
def test_a_packed_file_is_the_same_file(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.gz").write_bytes(gzip.compress(FILES[name].encode()))
    code, said, table = import_of(tmp_path, f"{name}.gz")
    assert code == 0, said
    assert evaluated(tmp_path, table, pets(), "cat", "dog")[0]["accuracy"] == 1


def test_a_packed_file_that_is_cut_off_is_told(tmp_path: Path) -> None:
    whole = gzip.compress(FILES["row_corrected.jsonl"].encode())
    for end in range(0, len(whole), 7):
        (tmp_path / "rows.jsonl.gz").write_bytes(whole[:end])
        code, said, _ = import_of(tmp_path, "rows.jsonl.gz")
        assert (code, "give a whole, readable file" in said) in ((1, True), (0, False)), said


def test_an_array_of_objects_is_read_like_lines(tmp_path: Path) -> None:
    lines = FILES["bq_export.jsonl"].strip().splitlines()
    code, said, table = import_of(tmp_path, "rows.json", f"[{','.join(lines)}]")
    assert code == 0, said
    assert evaluated(tmp_path, table, pets(), "cat", "dog")[0]["accuracy"] == 1


@pytest.mark.parametrize(
    ("name", "labels"),
    [("int_label.jsonl", ("1", "2")), ("bool_label.jsonl", ("true", "false"))],
)
def test_labels_that_are_no_texts_are_their_texts(
    tmp_path: Path, name: str, labels: tuple[str, ...]
) -> None:
    table = import_of(tmp_path, name)[2]
    assert evaluated(tmp_path, table, pets(), *labels)[0]["accuracy"] == 1


@pytest.mark.parametrize(
    ("name", "labels", "words"),
    [
        (
            "nfd_label.jsonl",
            ("M\u00fcll", "Papier"),
            "it has other code points (NFD); the set's is NFC",
        ),
        ("label_zwsp.jsonl", ("cat", "dog"), "holds the invisible character U+200B; remove it"),
        ("label_bom.jsonl", ("cat", "dog"), "holds the invisible character U+FEFF; remove it"),
    ],
)
def test_a_label_that_only_looks_like_one_of_the_set_is_told(
    tmp_path: Path, name: str, labels: tuple[str, ...], words: str
) -> None:
    table = import_of(tmp_path, name)[2]
    assert words in evaluated(tmp_path, table, pets(), *labels)[1]


def test_percentages_have_a_curve_over_their_own_range(tmp_path: Path) -> None:
    table = import_of(tmp_path, "percent_scores.jsonl")[2]
    spec, _ = evaluated(tmp_path, table, pets(), "cat", "dog", "bird")
    curve = spec["evaluationMetrics"]["classificationMetrics"]["prCurve"]
    thresholds = [it["confidenceThreshold"] for it in curve["confidenceMetricsEntries"]]
    assert thresholds == [2.5, 39.8, 60.2, 97.5]
    assert any("scores lie outside 0..1" in text for text in spec["warnings"])


def test_boxes_that_are_arrays_need_their_format(tmp_path: Path) -> None:
    table = import_of(tmp_path, "box_xywh_list.jsonl")[2]
    plain = pets(make_detection_job, bigqueryImportKeys=KEYS)
    assert "say in inputConfig.boxFormat" in evaluated(tmp_path, table, plain, "a")[1]
    told = pets(make_detection_job, bigqueryImportKeys=KEYS, inputConfig={"boxFormat": "XYWH"})
    spec, error = evaluated(tmp_path, table, told, "a")
    assert spec is not None, error
    assert spec["evaluatedItemCount"] == 1


def test_boxes_of_other_names_are_refused_with_those_names(tmp_path: Path) -> None:
    table = import_of(tmp_path, "box_xywh_dict.jsonl")[2]
    job = pets(make_detection_job, bigqueryImportKeys=KEYS)
    said = evaluated(tmp_path, table, job, "a")[1]
    for word in ("x", "y", "width", "height"):
        assert f'\\"{word}\\"' in said
    assert "inputConfig.boxFormat" in said


def row(**changed: object) -> dict[str, object]:
    return {
        "id": "a",
        "time": datetime(2026, 3, 2, 10, tzinfo=UTC),
        "raw_data": '{"instances": [1]}',
        "raw_prediction": '{"predictions": [{"labels": ["cat"], "scores": [0.9]}]}',
        "groundtruth": '{"predictions": [{"labels": ["cat"]}]}',
        **changed,
    }


@pytest.mark.parametrize(
    ("value", "words"),
    [(b"\xff", "a value of type bytes"), (datetime(2026, 3, 2), "a value of type datetime")],
)
def test_values_that_json_does_not_have_are_named(
    tmp_path: Path, value: object, words: str
) -> None:
    data = {"instances": [{"image": value}]}
    pq.write_table(
        pa.Table.from_pylist([row(), row(id="b", raw_data=data)][1:]), tmp_path / "x.parquet"
    )
    code, said, _ = import_of(tmp_path, "x.parquet")
    assert code == 1
    assert f'x.parquet:1: column "raw_data": it holds {words}' in said


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    table = pa.Table.from_pylist([row()])
    pq.write_table(table.append_column("id", pa.array(["b"])), tmp_path / "x.parquet")
    code, said, _ = import_of(tmp_path, "x.parquet")
    assert (code, 'column "id" is given twice; give it once' in said) == (1, True)


def test_an_empty_text_is_no_truth(tmp_path: Path) -> None:
    pq.write_table(
        pa.Table.from_pylist([row(), row(id="b", groundtruth="")]), tmp_path / "x.parquet"
    )
    table = import_of(tmp_path, "x.parquet")[2]
    counts = evaluated(tmp_path, table, pets(), "cat", "dog")[0]["itemCounts"]
    assert (counts["items"], counts["unlabeled"]) == (2, 1)


def manifests(place: Path, *labels: str) -> str:
    return write_manifests(place / "job.yaml", pets(), make_spec_set(labels=labels))


def test_rows_that_the_job_could_not_read_are_refused_all_together(tmp_path: Path) -> None:
    files = manifests(tmp_path, "cat", "dog")
    vector = row(id="v", raw_prediction='{"predictions": [[0.9, 0.1]]}')
    truth = row(id="t", groundtruth='{"predictions": ["cow"]}')
    pq.write_table(pa.Table.from_pylist([row(), vector, truth]), tmp_path / "x.parquet")
    table = str(tmp_path / "table")
    given = ("rows", "import", str(tmp_path / "x.parquet"), "--table", table, "-f", files)
    result = run_cli(*given)
    assert result.exit_code == 1
    assert "item v/0: raw_prediction: an array of 2 numbers looks like the scores" in result.output
    assert 'item t/0: groundtruth: label "cow" is not in the annotation spec set' in result.output
    assert not list(Path(table).glob("**/*.parquet"))


def test_rows_are_of_the_job_s_model_version(tmp_path: Path) -> None:
    files = manifests(tmp_path, "cat", "dog")
    pq.write_table(pa.Table.from_pylist([row()]), tmp_path / "x.parquet")
    table = str(tmp_path / "table")
    result = run_cli("rows", "import", str(tmp_path / "x.parquet"), "--table", table, "-f", files)
    assert result.exit_code == 0, result.output
    assert evaluated(tmp_path, table, pets(), "cat", "dog")[0]["accuracy"] == 1


def test_labels_that_the_job_could_not_read_are_refused(tmp_path: Path) -> None:
    files = manifests(tmp_path, "cat", "dog")
    pq.write_table(pa.Table.from_pylist([row()]), tmp_path / "x.parquet")
    table = import_of(tmp_path, "x.parquet")[2]
    labels = tmp_path / "labels.jsonl"
    labels.write_text('{"id": "a", "groundtruth": {"predictions": [{"labels": ["Cat"]}]}}')
    result = run_cli("labels", "import", str(labels), "--table", table, "-f", files)
    assert result.exit_code == 1
    assert 'row a: groundtruth: label "Cat" is not in' in result.output
    assert 'which has "cat"; write it so' in result.output
    labels.write_text('{"id": "a", "groundtruth": {"predictions": ["dog"]}}')
    taken = run_cli("labels", "import", str(labels), "--table", table, "-f", files)
    assert taken.exit_code == 0, taken.output
    assert evaluated(tmp_path, table, pets(), "cat", "dog")[0]["accuracy"] == 0


def table_of(place: Path, rows: list[dict[str, object]], **columns: pa.Array) -> str:
    """A folder that somebody has filled."""
    own = {"model": "pets", "model_version": "v1"}
    table = pa.Table.from_pylist([own | it for it in rows])
    for name, values in columns.items():
        if name in table.schema.names:
            table = table.drop_columns([name])
        table = table.append_column(name, values)
    folder = place / "theirs"
    folder.mkdir()
    pq.write_table(table, folder / "part-0.parquet")
    return str(folder)


@pytest.mark.parametrize("priorities", [[5.0, 1.0], [0.2, None]], ids=["number", "mixed"])
def test_a_priority_means_something_only_beside_a_time_of_sampling(
    tmp_path: Path, priorities: list[float | None]
) -> None:
    rows = [row(), row(id="b")]
    table = table_of(tmp_path, rows, priority=pa.array(priorities, pa.float64()))
    assert evaluated(tmp_path, table, pets(), "cat", "dog")[0]["itemCounts"]["items"] == 2


def test_json_as_duckdb_writes_it_is_read_as_table_and_as_import(tmp_path: Path) -> None:
    documents = {
        name: pa.array([str(row()[name])]).cast(pa.json_(pa.string()))
        for name in ("raw_data", "raw_prediction", "groundtruth")
    }
    table = table_of(tmp_path, [row()], **documents)
    assert evaluated(tmp_path, table, pets(), "cat", "dog")[0]["accuracy"] == 1
    pq.write_table(pq.read_table(f"{table}/part-0.parquet"), tmp_path / "x.parquet")
    again = import_of(tmp_path, "x.parquet")[2]
    assert evaluated(tmp_path, again, pets(), "cat", "dog")[0]["accuracy"] == 1


def test_a_table_of_other_versions_says_which_it_has(tmp_path: Path) -> None:
    table = import_of(tmp_path, "row_corrected.jsonl")[2]
    other = merged(pets(), {"spec": {"modelVersion": "models/pets/versions/v2"}})
    said = evaluated(tmp_path, table, other, "cat", "dog")[1]
    assert "has no rows of models/pets/versions/v2, only those of models/pets/versions/v1" in said


def test_rows_without_a_time_that_can_be_count_and_are_told(tmp_path: Path) -> None:
    """One of the year 49652 ended the whole run."""
    microseconds = pa.array([1_772_445_600_000_000, 1_504_700_000_000_000_000, None], pa.int64())
    times = microseconds.cast(pa.timestamp("us", "UTC"))
    table = table_of(tmp_path, [row(id=it) for it in "abc"], time=times)
    spec, error = evaluated(tmp_path, table, pets(), "cat", "dog")
    assert spec is not None, error
    assert (spec["evaluatedItemCount"], spec["accuracy"]) == (3, 1)
    assert any("2 of 3 rows have no time, or one that cannot be" in it for it in spec["warnings"])
    files = str(tmp_path / "job.yaml")
    window = ("--window", "2026-03-01/2026-04-01")
    result = run_cli("evaluate", "-f", files, "--table", table, *window, "-o", "json")
    assert json_of(result)["spec"]["evaluatedItemCount"] == 1
