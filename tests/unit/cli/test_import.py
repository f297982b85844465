"""`rows import` and `labels import`: files of people, into a table."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import RowQuery
from tests.builders import make_evaluation_job, make_spec_set
from tests.unit.cli.running import json_of, run_cli, write_manifests

MODEL = ("--model", "ripeness", "--version", "v1")
Row = dict[str, Any]


def make_row(place: int, truth: str | None = "ripe", **more: Any) -> Row:
    return {
        "time": f"2026-03-01T00:{place:02}:00Z",
        "raw_data": json.dumps({"instances": [{"image": f"{place}.png"}]}),
        "raw_prediction": json.dumps({"predictions": [{"labels": ["ripe"], "scores": [0.9]}]}),
        "groundtruth": truth and json.dumps({"predictions": [{"labels": [truth]}]}),
        **more,
    }


def write_jsonl(path: Path, *rows: Row) -> str:
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return str(path)


def write_csv(path: Path, *rows: Row) -> str:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def write_parquet(path: Path, *rows: Row) -> str:
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    return str(path)


WRITERS = {".jsonl": write_jsonl, ".csv": write_csv, ".parquet": write_parquet}


def imported(kind: str, file: str, table: Path, *options: str) -> Any:
    result = run_cli(kind, "import", file, "--table", str(table), *options, "-o", "json")
    assert result.exit_code == 0, result.output
    return json_of(result)


@pytest.mark.parametrize("ending", WRITERS)
def test_rows_of_every_form_are_imported_once(tmp_path: Path, ending: str) -> None:
    file = WRITERS[ending](tmp_path / f"rows{ending}", *(make_row(place) for place in range(4)))
    first = imported("rows", file, tmp_path / "table", *MODEL)
    again = imported("rows", file, tmp_path / "table", *MODEL)
    assert first["table"] == (tmp_path / "table").as_uri()
    assert (first["imported"], first["alreadyThere"], first["created"]) == (4, 0, True)
    assert (again["imported"], again["alreadyThere"], again["created"]) == (0, 4, False)
    assert len(first["ids"]) == 3
    assert first["ids"] == again["ids"]


def test_a_longer_file_adds_what_is_new(tmp_path: Path) -> None:
    table, rows = tmp_path / "table", [make_row(place) for place in range(5)]
    imported("rows", write_jsonl(tmp_path / "a.jsonl", *rows[:3]), table, *MODEL)
    longer = imported("rows", write_jsonl(tmp_path / "b.jsonl", *rows), table, *MODEL)
    assert (longer["imported"], longer["alreadyThere"]) == (2, 3)


def test_imported_rows_and_labels_are_evaluated(tmp_path: Path) -> None:
    table = tmp_path / "table"
    rows = [make_row(0, id="a"), make_row(1, truth=None, id="b")]
    imported("rows", write_jsonl(tmp_path / "rows.jsonl", *rows), table, *MODEL)
    truth = json.dumps({"predictions": [{"labels": ["unripe"]}]})
    labels = write_csv(tmp_path / "labels.csv", {"id": "b", "groundtruth": truth})
    assert imported("labels", labels, table)["imported"] == 1
    job = make_evaluation_job(spec={"evaluationJobConfig": {"exampleSamplePercentage": 1}})
    files = write_manifests(tmp_path / "job.yaml", job, make_spec_set())
    result = run_cli("evaluate", "-f", files, "--table", str(table), "-o", "json")
    spec = json_of(result)["spec"]
    assert (spec["evaluatedItemCount"], spec["accuracy"]) == (2, 0.5)


def test_rows_that_name_their_own_model_need_no_option(tmp_path: Path) -> None:
    row = make_row(0, model="other", model_version="v7")
    file = write_jsonl(tmp_path / "rows.jsonl", row)
    assert imported("rows", file, tmp_path / "table")["imported"] == 1


def test_people_read_how_many_there_were(tmp_path: Path) -> None:
    file = write_jsonl(tmp_path / "rows.jsonl", make_row(0, id="a"), make_row(1, id="b"))
    table = str(tmp_path / "table")
    command = ("rows", "import", file, "--table", table, *MODEL)
    assert run_cli(*command).stdout.splitlines() == [
        f"imported 2 rows into file://{table}",
        "row ids: a, b",
    ]
    assert "already there: 2 rows" in run_cli(*command).stdout


def test_a_file_with_bad_lines_is_refused_whole(tmp_path: Path) -> None:
    bad = [make_row(0), make_row(1, time="yesterday"), make_row(2, p=2)]
    file = write_jsonl(tmp_path / "rows.jsonl", *bad)
    result = run_cli("rows", "import", file, "--table", str(tmp_path / "table"), *MODEL)
    assert result.exit_code == 1
    assert f'{file}:2: column "time"' in result.stderr
    assert f'{file}:3: column "p"' in result.stderr
    assert not (tmp_path / "table").exists()


BAD_ROWS = {
    "no model at all": (make_row(1), (), 'column "model": no value'),
    "another content": (make_row(9, id="taken"), MODEL, "with other content"),
    "another truth": (make_row(0, "unripe", id="taken"), MODEL, "labels import"),
}


@pytest.mark.parametrize("case", BAD_ROWS)
def test_a_row_that_cannot_stand_beside_others_is_refused(tmp_path: Path, case: str) -> None:
    row, options, message = BAD_ROWS[case]
    table = tmp_path / "table"
    first = [make_row(0, id="taken"), make_row(10, id="late")]
    imported("rows", write_jsonl(tmp_path / "first.jsonl", *first), table, *MODEL)
    file = write_jsonl(tmp_path / "second.jsonl", row)
    result = run_cli("rows", "import", file, "--table", str(table), *options)
    assert result.exit_code == 1
    assert message in result.stderr


@pytest.mark.parametrize(
    ("table", "file", "message"),
    [
        ("ftp://x/y", "rows.jsonl", '"ftp" is unknown'),
        ("bq://p.d.t", "rows.jsonl", "no backend for bq://"),
        ("postgresql://u:secret@h/d/t", "rows.jsonl", "password"),
        ("{tmp_path}/table", "rows.xlsx", '".xlsx" is no known ending'),
        ("{tmp_path}/table", "absent.jsonl", "absent.jsonl"),
    ],
)
def test_a_place_that_cannot_be_is_named(
    tmp_path: Path, table: str, file: str, message: str
) -> None:
    write_jsonl(tmp_path / "rows.jsonl", make_row(0))
    where = table.format(tmp_path=tmp_path)
    result = run_cli("rows", "import", str(tmp_path / file), "--table", where, *MODEL)
    assert (result.exit_code, result.stdout) == (1, "")
    assert message in result.stderr
    assert "secret" not in result.stderr


def test_labels_need_the_table_that_has_the_rows(tmp_path: Path) -> None:
    labels = write_csv(tmp_path / "labels.csv", {"id": "b", "groundtruth": "{}"})
    result = run_cli("labels", "import", labels, "--table", str(tmp_path / "typo"))
    assert result.exit_code == 1
    assert "no such folder" in result.stderr
    assert not (tmp_path / "typo").exists()


def test_a_link_that_somebody_names_is_where_it_leads(tmp_path: Path) -> None:
    """Tables follow no link; who types one has chosen it. The file may be one just as well."""
    (tmp_path / "disk").mkdir()
    (tmp_path / "table").symlink_to(tmp_path / "disk")
    write_jsonl(tmp_path / "rows-2026.jsonl", make_row(0))
    (tmp_path / "rows.jsonl").symlink_to(tmp_path / "rows-2026.jsonl")
    told = imported("rows", str(tmp_path / "rows.jsonl"), tmp_path / "table", *MODEL)
    assert (told["imported"], told["table"]) == (1, (tmp_path / "disk").as_uri())


TRUTH = json.dumps({"predictions": [{"labels": ["unripe"]}]})


def test_labels_of_a_shared_table_are_of_the_job_that_they_are_given_for(tmp_path: Path) -> None:
    """Two jobs share a table and the ids of their rows. A label that was imported for one of them
    was the other's truth as well."""
    table = tmp_path / "table"
    for version in ("v1", "v2"):
        rows = write_jsonl(tmp_path / "rows.jsonl", make_row(0, truth=None, id="a"))
        imported("rows", rows, table, "--model", "ripeness", "--version", version)
    labels = write_csv(tmp_path / "labels.csv", {"id": "a", "groundtruth": TRUTH})
    command = ("labels", "import", labels, "--table", str(table))

    refused = run_cli(*command)
    assert refused.exit_code == 1
    assert "models/ripeness/versions/v1, models/ripeness/versions/v2" in refused.stderr
    assert "--model-version" in refused.stderr
    assert "--all-versions" in refused.stderr

    job = write_manifests(tmp_path / "job.yaml", make_evaluation_job(), make_spec_set())
    assert run_cli(*command, "-f", job).exit_code == 0
    assert truths_of(table) == {"v1": TRUTH, "v2": None}
    other = ("--model-version", "projects/shop/models/ripeness/versions/v2")
    assert run_cli(*command, *other).exit_code == 0
    assert truths_of(table) == {"v1": TRUTH, "v2": TRUTH}


def test_labels_may_be_meant_for_all_versions(tmp_path: Path) -> None:
    table = tmp_path / "table"
    for version in ("v1", "v2"):
        rows = write_jsonl(tmp_path / "rows.jsonl", make_row(0, truth=None, id="a"))
        imported("rows", rows, table, "--model", "ripeness", "--version", version)
    labels = write_csv(tmp_path / "labels.csv", {"id": "a", "groundtruth": TRUTH})
    assert imported("labels", labels, table, "--all-versions")["warnings"] == []
    assert truths_of(table) == {"v1": TRUTH, "v2": TRUTH}


def test_labels_of_a_table_of_one_version_are_of_that_one(tmp_path: Path) -> None:
    """So that they stay its own when another comes."""
    table = tmp_path / "table"
    row = make_row(0, truth=None, id="a")
    imported("rows", write_jsonl(tmp_path / "rows.jsonl", row), table, *MODEL)
    labels = write_csv(tmp_path / "labels.csv", {"id": "a", "groundtruth": TRUTH})
    assert imported("labels", labels, table)["warnings"] == []
    later = write_jsonl(tmp_path / "later.jsonl", row | {"model_version": "v2"})
    imported("rows", later, table, "--model", "ripeness")
    assert truths_of(table) == {"v1": TRUTH, "v2": None}


def test_labels_before_any_row_are_warned_of(tmp_path: Path) -> None:
    (tmp_path / "table").mkdir()
    labels = write_csv(tmp_path / "labels.csv", {"id": "a", "groundtruth": TRUTH})
    result = run_cli("labels", "import", labels, "--table", str(tmp_path / "table"))
    assert result.exit_code == 0
    assert "warning: the table has no rows yet" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--all-versions", "--model-version", "models/m/versions/v"], "leave one of them out"),
        (["--all-versions", "-f", "job.yaml"], "leave one of them out"),
        (["--model-version", "ripeness/v1"], "write models/M/versions/V"),
    ],
)
def test_whose_the_labels_are_is_said_once_and_clearly(
    tmp_path: Path, options: list[str], message: str
) -> None:
    labels = write_csv(tmp_path / "labels.csv", {"id": "a", "groundtruth": TRUTH})
    result = run_cli("labels", "import", labels, "--table", str(tmp_path), *options)
    assert result.exit_code == 1
    assert message in result.stderr


def truths_of(table: Path) -> dict[str, str | None]:
    """The ground truth of the one row of each version."""
    with closing(open_table(table.as_uri())) as opened:
        found = {
            version: opened.read_rows(RowQuery("ripeness", version)) for version in ("v1", "v2")
        }
        return {
            version: row["groundtruth"]
            for version, batches in found.items()
            for batch in batches
            for row in batch.to_pylist()
        }


def test_labels_are_imported_where_nothing_judges_manifests() -> None:
    """In the sampler's image, beside the table's claim, there is no CEL."""
    import_without("celpy")


def test_files_are_imported_without_the_cluster_s_client() -> None:
    """It takes half a second of CPU to import, and a file needs no cluster."""
    import_without("kubernetes")


def import_without(module: str) -> None:
    code = f"import sys; sys.modules['{module}'] = None; import evaluation_operator.cli.importing"

    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )

    assert ended.returncode == 0, ended.stderr


def label(row_id: str, truth: str = "unripe", **more: Any) -> Row:
    return {"id": row_id, "groundtruth": json.dumps({"predictions": [{"labels": [truth]}]}), **more}


def table_of_two(tmp_path: Path) -> Path:
    """Row c has ground truth, and row d has none."""
    rows = (make_row(0, id="c"), make_row(1, None, id="d"))
    imported("rows", write_jsonl(tmp_path / "rows.jsonl", *rows), tmp_path / "table", *MODEL)
    return tmp_path / "table"


def test_labels_unknown_id_are_told_and_wait_for_their_rows(tmp_path: Path) -> None:
    table = table_of_two(tmp_path)
    file = write_csv(tmp_path / "labels.csv", *map(label, ("C", " c", "nope")))
    result = run_cli("labels", "import", file, "--table", str(table))
    assert result.exit_code == 0, result.output
    assert "0 of 3 ids are in the table" in result.output
    assert "not (yet) in the table: 'C', ' c', 'nope'; rows that come later" in result.output
    late = write_jsonl(tmp_path / "late.jsonl", make_row(2, None, id="nope"))
    imported("rows", late, table, *MODEL)
    with closing(open_table(table.as_uri())) as opened:
        batches = opened.read_rows(RowQuery("ripeness", "v1"))
        newest = [row for batch in batches for row in batch.to_pylist()][-1]
    assert (newest["id"], newest["groundtruth"]) == ("nope", label("nope")["groundtruth"])


def test_labels_tell_which_rows_they_are_of_and_what_they_replace(tmp_path: Path) -> None:
    table = table_of_two(tmp_path)
    labels = [label(it) for it in ("c", "d", "e")]
    told = imported("labels", write_jsonl(tmp_path / "a.jsonl", *labels), table)
    assert told["matches"] == {
        "ids": 3,
        "matched": 2,
        "unmatched": 1,
        "unmatchedIds": ["e"],
        "replaced": 1,
        "outdated": 0,
        "inFuture": 0,
    }
    old = write_jsonl(tmp_path / "old.jsonl", label("c", labeled_at="2026-03-01T00:00:00Z"))
    again = imported("labels", old, table)
    assert (again["matches"]["replaced"], again["matches"]["outdated"]) == (0, 1)
    assert "1 row with ground truth of a later labeled_at" in again["warnings"][0]


def test_labels_item_id_are_told(tmp_path: Path) -> None:
    table = table_of_two(tmp_path)
    told = imported("labels", write_jsonl(tmp_path / "a.jsonl", label("c/0"), label("x/0")), table)
    assert told["matches"]["matched"] == 0
    assert [it for it in told["warnings"] if "1 id would be in the table without the number" in it]


def test_labels_future_naive_are_told_and_count_from_then_on(tmp_path: Path) -> None:
    table = table_of_two(tmp_path)
    labels = (label("c", labeled_at="2150-11-26 23:30:00"), label("d"))
    told = imported("labels", write_csv(tmp_path / "a.csv", *pad(*labels)), table)
    assert told["matches"]["inFuture"] == 1
    assert any("labeled_at that is still to come" in it for it in told["warnings"])


def pad(*rows: Row) -> list[Row]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name) for name in names} for row in rows]


def test_rows_of_the_future_are_told(tmp_path: Path) -> None:
    row = make_row(0) | {"time": "2150-01-01T00:00:00Z"}
    told = imported("rows", write_jsonl(tmp_path / "a.jsonl", row), tmp_path / "table", *MODEL)
    assert told["warnings"] == [
        "1 row with a time that is still to come: runs of now leave them out"
    ]


def folder_of_four(tmp_path: Path) -> Path:
    """Files of every form, and what writers of tables leave beside them."""
    folder = tmp_path / "export"
    (folder / "dt=2026-03-01").mkdir(parents=True)
    write_jsonl(folder / "a.jsonl", make_row(0))
    write_csv(folder / "dt=2026-03-01" / "b.csv", make_row(1))
    write_parquet(folder / "c.parquet", make_row(2))
    (folder / "_SUCCESS.json").write_text("not rows")
    (folder / ".a.jsonl.crc").write_text("not rows")
    (folder / "readme.md").write_text("not rows")
    with gzip.open(folder / "d.json.gz", "wt") as file:
        json.dump([make_row(3)], file)
    return folder


def test_a_folder_that_is_given_to_rows_import_is_read(tmp_path: Path) -> None:
    told = imported("rows", str(folder_of_four(tmp_path)), tmp_path / "table", *MODEL)
    assert told["imported"] == 4


def test_several_files_and_patterns_are_one_import(tmp_path: Path) -> None:
    folder = folder_of_four(tmp_path)
    places = (str(folder / "a.jsonl"), str(folder / "*.parquet"), str(folder / "**" / "*.csv"))
    table = str(tmp_path / "table")
    result = run_cli("rows", "import", *places, places[0], "--table", table, *MODEL)
    assert "imported 3 rows" in result.output


def test_of_several_files_with_one_bad_line_nothing_is_imported(tmp_path: Path) -> None:
    good = write_jsonl(tmp_path / "good.jsonl", make_row(0, id="a"))
    twice = write_jsonl(tmp_path / "twice.jsonl", make_row(1, id="a"))
    table = tmp_path / "table"
    result = run_cli("rows", "import", good, twice, "--table", str(table), *MODEL)
    assert result.exit_code == 1
    assert "2 files: nothing is imported" in result.output
    assert f'twice.jsonl:1: column "id": "a" stands at {good}:1 too' in result.output
    assert not table.exists()


@pytest.mark.parametrize("is_packed", [False, True])
def test_standard_input_is_read(tmp_path: Path, is_packed: bool) -> None:
    said = "\n".join(json.dumps(make_row(place)) for place in range(3)).encode()
    program = [sys.executable, "-m", "evaluation_operator.cli.main"]
    ended = subprocess.run(
        [*program, "rows", "import", "-", "--table", str(tmp_path / "table"), *MODEL],
        input=gzip.compress(said) if is_packed else said,
        capture_output=True,
        check=False,
    )
    assert b"imported 3 rows" in ended.stdout, ended.stderr


def test_labels_are_imported_from_several_files(tmp_path: Path) -> None:
    table = table_of_two(tmp_path)
    one = write_jsonl(tmp_path / "one.jsonl", label("c"))
    two = write_csv(tmp_path / "two.csv", label("d"))
    result = run_cli("labels", "import", one, two, "--table", str(table))
    assert "2 of 2 ids are in the table" in result.output


def test_a_folder_without_files_or_with_columns_in_its_names_is_refused(tmp_path: Path) -> None:
    """DuckDB and Spark write a column that they partition by into the folders' names alone."""
    table = ("--table", str(tmp_path / "table"), *MODEL)
    result = run_cli("rows", "import", str(tmp_path), *table)
    assert (result.exit_code, "has no file that ends in .jsonl" in result.output) == (1, True)
    result = run_cli("rows", "import", str(tmp_path / "*.csv"), *table)
    assert "no file has such a name" in result.output
    (tmp_path / "hive" / "model_version=v1").mkdir(parents=True)
    write_parquet(tmp_path / "hive" / "model_version=v1" / "x.parquet", make_row(0))
    result = run_cli("rows", "import", str(tmp_path / "hive"), *table)
    assert 'column "model_version" stands in the name of the folder' in result.output
    assert result.exit_code == 1
