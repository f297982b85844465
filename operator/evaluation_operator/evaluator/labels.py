"""The labels that people gave for a run, and how they become ground truth of its rows.

They fill what is missing and change nothing that is there: ground truth that the user gave wins.
What comes out is a cut like any other, as if the labels had been in the table from the start, so
that a later evaluation of the same rows with the labels in the table has the same digest.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.api.evaluation import LabelingSummary
from evaluation_operator.api.names import ModelVersion
from evaluation_operator.domain.conditions import clip
from evaluation_operator.domain.reasons import Reason
from evaluation_operator.evaluator.cut import RowsDigest, batched, read_cut
from evaluation_operator.evaluator.draw import RowDict
from evaluation_operator.evaluator.summary import Findings
from evaluation_operator.results.ending import ending
from evaluation_operator.results.errors import Unavailable
from evaluation_operator.results.folder import Folder
from evaluation_operator.results.labels import (
    FIRST,
    LATE,
    LabelFiles,
    LabelSummary,
    read_summary,
    read_truths,
    write_summary,
)
from evaluation_operator.results.rows import CUT_SCHEMA, Cut
from evaluation_operator.storage.errors import TableError
from evaluation_operator.tables.protocol import Table
from evaluation_operator.tables.schema import LABEL_SCHEMA
from evaluation_operator.tasks.row_json import UnreadableError, parsed

LABELER: Final = "evaluation-labeler"
WARNING_BYTES: Final = 512
_BATCH_ROWS: Final = 1024
_LABELED_ROWS: Final = "labeled-rows.parquet"
_COPIED: Final = "copied-labels.parquet"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Labels:
    """`entries`: JSON of one entry of the ground truth, by row and place in the row."""

    summary: LabelSummary
    entries: Mapping[str, Mapping[int, str]]

    def of(self, row_id: str) -> Mapping[int, str]:
        """By place in the row; empty where people have said nothing of it."""
        return self.entries.get(row_id, {})

    def __str__(self) -> str:
        it = self.summary
        return (
            f"people were asked about {it.asked} items, answered {it.answered}, and left "
            f"{it.unresolved} of these unresolved"
        )


NO_LABELS: Final = Labels(
    LabelSummary(
        time=datetime.min.replace(tzinfo=UTC),
        asked=0,
        answered=0,
        resolved=0,
        unresolved=0,
        annotators=0,
        reason=Reason.NOTHING_TO_LABEL,
    ),
    {},
)


def read_labels(folder: Folder) -> Labels | None:
    """The labels that a run was evaluated with; None while people have not done. Raises
    Unavailable."""
    return _read_files(folder, FIRST)


def read_newest_labels(folder: Folder) -> Labels | None:
    """The same with what came after the run's deadline. Raises Unavailable."""
    late = _read_files(folder, LATE)
    return late if late is not None else read_labels(folder)


def copy_newest_labels(source: Folder, target: Folder, scratch: Path) -> None:
    """Keep what people have labelled for a run by now, for one that evaluates it again: the run's
    own files may change later. Nothing if people were not asked."""
    files = LATE if source.exists(LATE.summary) else FIRST
    summary = read_summary(source, files)
    if summary is None:
        return
    if source.exists(files.lines):
        local = scratch / _COPIED
        source.fetch(files.lines, local)
        target.store(local, FIRST.lines)
        local.unlink()
    write_summary(target, FIRST, summary)


def _read_files(folder: Folder, files: LabelFiles) -> Labels | None:
    summary = read_summary(folder, files)
    if summary is None:
        return None
    entries: dict[str, dict[int, str]] = {}
    if summary.answered:
        for _, row_id, index, truth in read_truths(folder, files):
            entries.setdefault(row_id, {})[index] = truth
    return Labels(summary, entries)


def write_no_labels(folder: Folder, now: datetime) -> None:
    """What stands for labels where there is nothing to label, for whoever evaluates then."""
    write_summary(folder, FIRST, NO_LABELS.summary.changed(time=now))


def labels_of_people(dataset: Dataset, folder: Folder | None) -> Labels | None:
    """None where people are not asked; Unavailable where they are and have not done. A run that is
    evaluated again has kept theirs, if there are any."""
    if dataset.spec.revision is not None:
        return read_labels(folder) if folder is not None else None
    if dataset.spec.labeling is None:
        return None
    labels = read_labels(folder) if folder is not None else None
    if labels is None:
        where = folder.uri if folder is not None else dataset.spec.results_uri
        raise Unavailable(
            f"{where}: no {FIRST.summary} of Dataset {dataset.metadata.name}: people have not "
            "labelled it yet, or its results lie elsewhere"
        )
    return labels


def told_of_people(findings: Findings, labels: Labels, notes: Sequence[str]) -> Findings:
    """The findings with what is to be said of those who labelled."""
    summary = labels.summary
    if summary.unresolved and findings.judged.counts.unlabeled:
        notes = [
            f"{summary.unresolved} of {summary.answered} items that people answered have no label "
            "that they agree on; leaving out those without other truth flatters the figures",
            *notes,
        ]
    told = LabelingSummary(
        asked_item_count=summary.asked,
        answered_item_count=summary.answered,
        unresolved_item_count=summary.unresolved,
        agreement=summary.agreement,
        annotator_count=summary.annotators,
    )
    return replace(findings, labeling=told, warnings=(*findings.warnings, *notes))


def labeled_cut(cut: Cut, labels: Labels, scratch: Path) -> Cut:
    """The cut with people's labels in it, as a new file in `scratch`; the given one stays."""
    path = scratch / _LABELED_ROWS
    digest = RowsDigest()
    with pq.ParquetWriter(path, CUT_SCHEMA, compression="zstd") as writer:
        for rows in batched(_filled(cut, labels)):
            for row in rows:
                digest.add(row)
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=CUT_SCHEMA))
    time = max(cut.figures.time, labels.summary.time)
    return replace(
        cut, path=path, figures=cut.figures.changed(digest=digest.hexdigest(), time=time)
    )


def keep_in_table(table: Table, cut: Cut, labels: Labels, model_version: ModelVersion) -> list[str]:
    """Add the labels to the table, so that later evaluations of these rows have them; what to
    warn of if that cannot be. Done again, it changes nothing: id and time are the same."""
    try:
        lines = _label_rows(cut, labels, model_version)
        with ending.waits():
            table.append_labels(
                pa.RecordBatch.from_pylist(some, schema=LABEL_SCHEMA)
                for some in iter(lambda: list(islice(lines, _BATCH_ROWS)), [])
            )
    except TableError as error:
        logger.warning("the table does not take people's labels: %s", error)
        text = f"people's labels are not in the table, only with this run's results: {error}"
        return [clip(text, WARNING_BYTES)]
    return []


def _filled(cut: Cut, labels: Labels) -> Iterator[RowDict]:
    for row in read_cut(cut.path):
        filled = filled_truth(row, labels.of(row["id"]))
        if filled is not None:
            row |= {"groundtruth": filled, "labeled_at": labels.summary.time}
        yield row


def _label_rows(cut: Cut, labels: Labels, model_version: ModelVersion) -> Iterator[dict[str, Any]]:
    """Ground truth by row, as tables keep it: with what the user gave for the row's other items.
    Of the model version alone: another job's rows may have the same ids."""
    for row in read_cut(cut.path):
        filled = filled_truth(row, labels.of(row["id"]))
        if filled is not None:
            yield {
                "id": row["id"],
                "groundtruth": filled,
                "labeled_at": labels.summary.time,
                "labeler": LABELER,
                "model": model_version.model,
                "model_version": model_version.version,
            }


def filled_truth(row: RowDict, entries: Mapping[int, str]) -> str | None:
    """The row's ground truth with the entries where it has none; None if that changes nothing."""
    if not entries or row["is_duplicate"]:
        return None
    predictions = parsed_entries(row["raw_prediction"])
    truths = parsed_entries(row["groundtruth"])
    found = list(truths or [None] * len(predictions or ()))
    missing = [i for i in entries if 0 <= i < len(found) and found[i] is None]
    if not missing:
        return None
    for index in missing:
        found[index] = json.loads(entries[index])
    return json.dumps({"predictions": found}, ensure_ascii=False)


def parsed_entries(text: str | None) -> list[Any] | None:
    """What a row says of each of its items; None where it says nothing that can be read."""
    try:
        document = parsed(text, "")
    except UnreadableError:
        return None
    entries = document.get("predictions") if isinstance(document, dict) else None
    return entries if isinstance(entries, list) else None
