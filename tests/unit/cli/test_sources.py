"""`rows import --from`: the files of other systems, imported and evaluated."""

from __future__ import annotations

import base64
import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evaluation_operator.cli.import_commands import RowSource
from evaluation_operator.tables.sources.registry import ROW_SOURCES
from tests.builders import make_evaluation_job, make_spec_set, merged
from tests.unit.cli.running import json_of, run_cli, write_manifests

Record = dict[str, Any]
TIME = "2026-03-01T10:00:00Z"


def make_files(folder: Path, *records: Record) -> str:
    path = folder / "records.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    return str(path)


def job_files(folder: Path) -> str:
    config = {"bigqueryImportKeys": {"label_json_key": "label", "label_score_json_key": "score"}}
    spec = {"modelVersion": "models/pets/versions/v1", "evaluationJobConfig": config}
    job = merged(make_evaluation_job(), {"spec": spec})
    return write_manifests(folder / "job.yaml", job, make_spec_set(labels=("cat", "dog")))


def imported(folder: Path, system: str, file: str, *options: str) -> Any:
    table = str(folder / "table")
    result = run_cli(
        *("rows", "import", file, "--from", system, "--table", table, "-f", job_files(folder)),
        *options,
        *("-o", "json"),
    )
    assert result.exit_code == 0, result.output
    return json_of(result)


def evaluated(folder: Path, **truths: str) -> tuple[int, float]:
    """How many items, and the accuracy, with labels by row id: each item's after a comma."""
    labels = folder / "labels.jsonl"
    documents = [
        {"id": row_id, "groundtruth": {"predictions": truth.split(",")}}
        for row_id, truth in truths.items()
    ]
    labels.write_text("\n".join(map(json.dumps, documents)))
    files, table = job_files(folder), str(folder / "table")
    taken = run_cli("labels", "import", str(labels), "--table", table, "-f", files, "-o", "json")
    assert json_of(taken)["matches"]["unmatched"] == 0
    spec = json_of(run_cli("evaluate", "-f", files, "--table", table, "-o", "json"))["spec"]
    return spec["evaluatedItemCount"], spec["accuracy"]


def refused(folder: Path, system: str, *records: Record) -> str:
    table = str(folder / "table")
    file = make_files(folder, *records)
    options = ("--from", system, "--table", table, "--model", "pets", "--version", "v1")
    result = run_cli("rows", "import", file, *options)
    assert result.exit_code == 1, result.output
    assert not (folder / "table").exists()
    return " ".join(result.output.split())


def test_the_command_line_knows_every_system() -> None:
    assert {it.value for it in RowSource} == ROW_SOURCES.keys()


# SageMaker


def captured(asked: str, said: str, *, encodings: tuple[str, str], **meta: str) -> Record:
    sides = zip(("endpointInput", "endpointOutput"), (asked, said), encodings, strict=True)
    return {
        "captureData": {name: {"data": data, "encoding": code} for name, data, code in sides},
        "eventMetadata": {"eventId": "e1", "inferenceTime": TIME} | meta,
        "eventVersion": "0",
    }


def test_74_rows_sagemaker(tmp_path: Path) -> None:
    record = captured("1,2", '{"predictions":["cat"]}', encodings=("CSV", "JSON"))
    assert imported(tmp_path, "sagemaker", make_files(tmp_path, record))["ids"] == ["e1"]
    assert evaluated(tmp_path, e1="cat") == (1, 1)


@pytest.mark.parametrize(
    ("asked", "said", "encodings"),
    [
        ("1,2\n3,4\n", "cat\ndog\n", ("CSV", "CSV")),
        ("1,2\n3,4\n", "cat,dog", ("CSV", "CSV")),
        ("[[1,2],[3,4]]", '["cat","dog"]', ("JSON", "JSON")),
        (
            base64.b64encode(b'{"instances":[1,2]}').decode(),
            base64.b64encode(b'[{"label":"cat"},{"label":"dog"}]').decode(),
            ("BASE64", "BASE64"),
        ),
    ],
)
def test_bodies_of_sagemaker_have_an_item_a_line(
    tmp_path: Path, asked: str, said: str, encodings: tuple[str, str]
) -> None:
    record = captured(asked, said, encodings=encodings, inferenceId="mine")
    assert imported(tmp_path, "sagemaker", make_files(tmp_path, record))["ids"] == ["mine"]
    assert evaluated(tmp_path, mine="cat,cat") == (2, 0.5)


def test_an_image_of_sagemaker_is_the_data_of_its_item(tmp_path: Path) -> None:
    image = base64.b64encode(b"\x89PNG\r\n").decode()
    record = captured(image, '["cat"]', encodings=("BASE64", "JSON"))
    imported(tmp_path, "sagemaker", make_files(tmp_path, record))
    assert evaluated(tmp_path, e1="cat") == (1, 1)


def test_what_sagemaker_cannot_mean_is_refused(tmp_path: Path) -> None:
    odd = captured("1", "2", encodings=("XML", "JSON"))
    assert "endpointInput.encoding\": 'XML' is unknown" in refused(tmp_path, "sagemaker", odd)
    bad = captured("{", "2", encodings=("JSON", "JSON"))
    assert 'records.jsonl:1: column "captureData.endpointInput.data": no JSON' in refused(
        tmp_path, "sagemaker", bad
    )
    nothing: Record = {"captureData": {"endpointInput": {}}, "eventMetadata": {}}
    told = imported(tmp_path, "sagemaker", make_files(tmp_path, nothing))
    assert told["imported"] == 0
    assert told["warnings"] == [
        "1 of the records has not both endpointInput and endpointOutput: not imported"
    ]


# Azure ML


def collected(side: str, *data: Record, call: str = "c1") -> Record:
    return {
        "specversion": "1.0",
        "type": f"azureml.inference.{side}",
        "time": TIME,
        "data": list(data),
        "correlationid": call,
    }


def test_75_rows_azure(tmp_path: Path) -> None:
    records = (
        collected("inputs", {"x": 1}, {"x": 2}),
        collected("outputs", {"label": "dog"}, call="c2"),
        collected("model_outputs", {"label": "cat"}, {"label": "dog"}),
        collected("inputs", {"x": 1}, call="c3"),
    )
    told = imported(tmp_path, "azure-ml", make_files(tmp_path, *records))
    assert told["ids"] == ["c1", "c2"]
    assert sorted(told["warnings"]) == [
        "1 of the records is of inputs without outputs: not imported",
        "1 of the records is of outputs without inputs, imported with null instances",
    ]
    assert evaluated(tmp_path, c1="cat,cat", c2="dog") == (3, 2 / 3)


def test_a_half_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    half = collected("inputs", {"x": 1})
    assert '"c1" stands at' in refused(tmp_path, "azure-ml", half, half)
    assert "is neither inputs nor outputs" in refused(tmp_path, "azure-ml", collected("feedback"))


# Databricks


def logged(**changes: Any) -> Record:
    return {
        "databricks_request_id": "d1",
        "client_request_id": None,
        "timestamp_ms": 1772359200000,
        "status_code": 200,
        "request": '{"dataframe_split":{"columns":["a"],"data":[[1]]}}',
        "response": '{"predictions":["cat"]}',
        "request_metadata": {"model_name": "m", "model_version": "1"},
    } | changes


def test_76_rows_databricks(tmp_path: Path) -> None:
    failed = logged(databricks_request_id="d2", status_code=400, response="oh")
    mine = logged(databricks_request_id="d3", client_request_id="mine")
    told = imported(tmp_path, "databricks", make_files(tmp_path, logged(), failed, mine))
    assert told["ids"] == ["d1", "mine"]
    assert told["warnings"] == ["1 of the records has status_code 400, not 200: not imported"]
    assert evaluated(tmp_path, d1="cat", mine="dog") == (2, 0.5)


def test_databricks_tables_are_read_as_parquet_with_their_own_time(tmp_path: Path) -> None:
    record = logged(request_metadata=None, request_time="2026-03-01 10:00:00 UTC")
    pq.write_table(pa.Table.from_pylist([record]), tmp_path / "x.parquet")
    assert imported(tmp_path, "databricks", str(tmp_path / "x.parquet"))["ids"] == ["d1"]
    odd = logged(timestamp_ms="noon")
    assert "column \"timestamp_ms\": 'noon' is no number" in refused(
        tmp_path / "other", "databricks", odd
    )


@pytest.fixture(autouse=True)
def other(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()


# KServe's blob logger


def blob(side: str, body: str, event: str = "k1") -> Record:
    return {
        "url": "s3://b",
        "bytes": base64.b64encode(body.encode()).decode(),
        "contentType": "application/json",
        "reqType": f"org.kubeflow.serving.inference.{side}",
        "id": event,
        "inferenceService": "m",
    }


def test_77_rows_kserve_blob(tmp_path: Path) -> None:
    records = (
        blob("response", '{"predictions":["cat","dog"]}'),
        blob("request", '{"instances":[1]}', "k2"),
        blob("request", '{"instances":[1,2]}'),
    )
    with (tmp_path / "x.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(records[0]))
        writer.writeheader()
        writer.writerows(records)
    told = imported(tmp_path, "kserve-blob", str(tmp_path / "x.csv"), "--time", TIME)
    assert told["ids"] == ["k1"]
    assert told["warnings"] == [
        "1 of the records is of a request without a response, a failed prediction: not imported"
    ]
    assert evaluated(tmp_path, k1="cat,dog") == (2, 1)


def test_kserve_blob_needs_a_time_and_is_not_given_one(tmp_path: Path) -> None:
    records = (blob("request", '{"instances":[1]}'), blob("response", '{"predictions":["cat"]}'))
    assert 'column "time": no value; give one' in refused(tmp_path, "kserve-blob", *records)
    broken = records[0] | {"bytes": "%"}
    assert 'column "bytes": no base64' in refused(tmp_path, "kserve-blob", broken)


# Vertex AI


def test_vertex_logging(tmp_path: Path) -> None:
    record = {
        "endpoint": "123",
        "deployed_model_id": "456",
        "logging_time": TIME,
        "request_id": "9007199254740993",
        "request_payload": ['{"values":[1]}', '{"values":[2]}'],
        "response_payload": ['{"label":["cat","dog"],"score":[0.9,0.1]}', '{"label":"dog"}'],
    }
    unanswered = record | {"request_id": "8", "response_payload": []}
    told = imported(tmp_path, "vertex", make_files(tmp_path, record, unanswered))
    assert told["ids"] == ["9007199254740993"]
    assert told["warnings"] == ["1 of the records has no response_payload: not imported"]
    assert evaluated(tmp_path, **{"9007199254740993": "cat,cat"}) == (2, 0.5)
    odd = record | {"request_payload": "{}"}
    assert 'column "request_payload": no list of texts' in refused(
        tmp_path / "other", "vertex", odd
    )


@pytest.mark.parametrize("system", ROW_SOURCES)
@pytest.mark.parametrize(
    "record", [{}, {"id": 1, "type": [], "captureData": 7, "reqType": {}, "request_id": None}]
)
def test_records_of_another_system_are_never_a_traceback(
    tmp_path: Path, system: str, record: Record
) -> None:
    file = make_files(tmp_path, record)
    options = ("--table", str(tmp_path / "table"), "--model", "pets", "--version", "v1")
    result = run_cli("rows", "import", file, "--from", system, *options)
    assert "not imported" in result.output or "nothing is imported" in result.output
