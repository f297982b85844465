"""A run that people label, of rows in a folder: what the tests of its steps share."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.api.evaluation import EvaluationSpec
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.evaluator.run import CutResult, cut_dataset, evaluate_dataset
from evaluation_operator.evaluator.run_rows import RunOptions
from evaluation_operator.results import layout
from evaluation_operator.results.folder import Folder, run_folder
from evaluation_operator.results.labels import (
    FIRST,
    LATE,
    LabelLine,
    LabelSummary,
    write_labels,
)
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import RowQuery, Table
from evaluation_operator.tables.schema import LABEL_SCHEMA, ROW_SCHEMA
from tests.builders import make_dataset, merged

WINDOW_START = datetime(2026, 3, 2, 9, tzinfo=UTC)
CUT_TIME = datetime(2026, 3, 3, 10, tzinfo=UTC)
LABEL_TIME = CUT_TIME + timedelta(days=3)

LABELING = {
    "instruction": {"displayName": "How to tell", "dataType": "IMAGE"},
    "annotatedDatasetDisplayName": "Ripeness",
}


def row(name: str, truth: Any = None, **changed: Any) -> dict[str, Any]:
    """A row of the sampler: one item, said to be ripe with 0.9."""
    return {
        "model": "ripeness",
        "model_version": "v1",
        "time": WINDOW_START,
        "raw_data": json.dumps({"instances": [{"image": f"s3://fruit/{name}.png"}]}),
        "raw_prediction": prediction(("ripe", 0.9), ("unripe", 0.1)),
        "groundtruth": None if truth is None else truths(truth),
        "id": name,
        "priority": 0.5,
        "p": 1.0,
        "sampled_at": WINDOW_START,
        "interval_start": WINDOW_START,
        "job_uid": "uid-of-ripeness",
    } | changed


def prediction(*scored: tuple[str, float]) -> str:
    labels, scores = [name for name, _ in scored], [score for _, score in scored]
    return json.dumps({"predictions": [{"labels": labels, "scores": scores}]})


def truths(*labels: str | None) -> str:
    return json.dumps({"predictions": [entry(it) if it else None for it in labels]})


def entry(*labels: str) -> dict[str, Any]:
    return {"labels": list(labels)}


def answered(
    item: str, label: str | None, *, row_id: str | None = None, index: int = 0
) -> LabelLine:
    """Without a label the answers made none."""
    return label_line(item, row_id or item, index, None if label is None else entry(label))


def label_line(item: str, row_id: str, place: int, truth: Mapping[str, Any] | None) -> LabelLine:
    """What three people said of an item; None where they do not agree."""
    return LabelLine(
        item_id=item,
        row_id=row_id,
        place=place,
        is_resolved=truth is not None,
        groundtruth=None if truth is None else json.dumps(truth),
        score=None if truth is None else 1.0,
        total_votes=3,
        label_votes=3,
        comments=[],
        sentiment=None,
        answers="[]",
    )


class Site:
    """A table, the folder of one run, and the run's Dataset."""

    def __init__(self, place: Path, **spec: Any) -> None:
        self.place = place
        self.uri = (place / "table").as_uri()
        self.dataset = self.named("evj-ripeness-29541240", {"labeling": LABELING} | spec)
        self.folder = self.folder_of(self.dataset)

    def named(self, name: str, spec: Mapping[str, Any]) -> Dataset:
        source = {"inputConfigs": self._input(spec), "resultsUri": (self.place / "r").as_uri()}
        body = make_dataset(name, spec=source | {k: v for k, v in spec.items() if k[0] != "_"})
        return Dataset.from_dict(body)

    def _input(self, spec: Mapping[str, Any]) -> list[Any]:
        config = spec.get("_input") or make_dataset()["spec"]["inputConfigs"][0]
        return [merged(config, {"tableSource": {"inputUri": self.uri}})]

    def folder_of(self, dataset: Dataset) -> Folder:
        return run_folder(
            dataset.spec.results_uri,
            dataset.spec.evaluation_job.uid,
            dataset.metadata.name,
            TableOptions(),
        )

    def fill(self, *rows: Mapping[str, Any]) -> None:
        with closing(open_table(self.uri)) as table:
            table.append_rows([pa.RecordBatch.from_pylist(list(rows), schema=ROW_SCHEMA)])

    def options(self, now: datetime, *, keeps_labels: bool = True) -> RunOptions:
        scratch = self.place / f"scratch-{len(list(self.place.iterdir()))}"
        scratch.mkdir()
        return RunOptions(scratch, keeps_labels=keeps_labels, now=lambda: now)

    def cut(self) -> CutResult:
        with closing(open_table(self.uri)) as table:
            return cut_dataset(self.dataset, table, self.folder, self.options(CUT_TIME))

    def tasks(self) -> list[dict[str, Any]]:
        local = self.place / "tasks.parquet"
        self.folder.fetch(layout.TASKS, local)
        found: list[dict[str, Any]] = pq.read_table(local).to_pylist()
        return found

    def label(
        self,
        lines: Sequence[LabelLine],
        *,
        is_late: bool = False,
        asked: int | None = None,
        time: datetime = LABEL_TIME,
    ) -> None:
        """What the labeler writes."""
        unresolved = sum(not line.is_resolved for line in lines)
        summary = LabelSummary(
            time=time,
            asked=len(lines) if asked is None else asked,
            answered=len(lines),
            resolved=len(lines) - unresolved,
            unresolved=unresolved,
            annotators=3,
            agreement=-0.25,
            reason=Reason.ALL_LABELED,
        )
        write_labels(self.folder, LATE if is_late else FIRST, lines, summary)

    def own_label(self, row_id: str, text: str, time: datetime, version: str | None = None) -> None:
        """What a user imports into the table; without a version it counts for all."""
        line = {"id": row_id, "groundtruth": text, "labeled_at": time, "labeler": "user"}
        if version is not None:
            line |= {"model": "ripeness", "model_version": version}
        batch = pa.RecordBatch.from_pylist([line], schema=LABEL_SCHEMA)
        with closing(open_table(self.uri)) as table:
            table.append_labels([batch], for_all_versions=True)

    def evaluate(self, table: Table | None = None) -> EvaluationSpec:
        with closing(table or open_table(self.uri)) as opened:
            found = evaluate_dataset(
                self.dataset, opened, self.folder, self.options(LABEL_TIME + timedelta(hours=1))
            )
        assert found.evaluation is not None
        return found.evaluation.spec

    def evaluate_version(self, **spec: Any) -> EvaluationSpec:
        """What a version makes of it later: at once, with the labels that are there."""
        dataset = self.named("evjv-again", spec)
        options = self.options(LABEL_TIME + timedelta(days=1))
        with closing(open_table(self.uri)) as table:
            found = evaluate_dataset(dataset, table, self.folder_of(dataset), options)
        assert found.evaluation is not None
        return found.evaluation.spec

    def table_labels(self, version: str = "v1") -> dict[str, str | None]:
        query = RowQuery("ripeness", version)
        with closing(open_table(self.uri)) as table:
            lines = [line for batch in table.read_rows(query) for line in batch.to_pylist()]
        return {line["id"]: line["groundtruth"] for line in lines}
