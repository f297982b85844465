"""A run evaluated again: the same rows, with the ground truth that there is now.

What the user says wins over what people who label say, as in the run itself; and what these say now
wins over what they said first, which may have got into the table as ground truth of the row.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.evaluator.cut import RowsDigest, batched, read_cut, shares_labels
from evaluation_operator.evaluator.draw import RowDict
from evaluation_operator.evaluator.labels import (
    NO_LABELS,
    Labels,
    copy_newest_labels,
    filled_truth,
    parsed_entries,
    read_labels,
    read_newest_labels,
)
from evaluation_operator.results import layout
from evaluation_operator.results.errors import InvalidRun
from evaluation_operator.results.folder import Folder
from evaluation_operator.results.rows import CUT_SCHEMA, Cut, CutFigures, CutRecord, read_record
from evaluation_operator.tables.protocol import RowQuery, Table

_SOURCE_ROWS: Final = "source-rows.parquet"


@dataclass(frozen=True, slots=True)
class Truth:
    """Ground truth of a row; `labeled_at` is None where it is the row's own column."""

    groundtruth: str
    labeled_at: datetime | None


@dataclass(frozen=True, slots=True)
class Source:
    """What a run has left: `first` is what people had labelled when it was evaluated, `newest`
    what they have by now."""

    folder: Folder
    record: CutRecord
    first: Labels
    newest: Labels

    @classmethod
    def open(cls, folder: Folder, newest: Labels | None = None) -> Source:
        """Raises InvalidRun where no rows of a run lie, and Unavailable."""
        if not folder.exists(layout.CUT):
            raise InvalidRun(f"revision: {folder.uri} has no rows: its run has not cut any")
        return cls(
            folder,
            read_record(folder),
            read_labels(folder) or NO_LABELS,
            newest or read_newest_labels(folder) or NO_LABELS,
        )

    def rows(
        self, dataset: Dataset, table: Table, local: Path, now: datetime
    ) -> Iterator[tuple[RowDict, Truth | None]]:
        """Each row of the run as it was cut, and its ground truth now, before people's newest
        labels are filled in. `local` is where the rows are copied to."""
        self.folder.fetch(layout.ROWS, local)
        truths = _truths(table, self.query(dataset, now))
        for row, truth in _merged(read_cut(local), truths):
            yield row, self._without_first(row, truth)

    def query(self, dataset: Dataset, now: datetime) -> RowQuery:
        return RowQuery(
            model=dataset.spec.model_version.model,
            model_version=dataset.spec.model_version.version,
            windows=self.record.asked(),
            paused_spans=self.record.paused(),
            label_cutoff=now,
        )

    def _without_first(self, row: RowDict, truth: Truth | None) -> Truth | None:
        """Without the entries that people gave at first and give otherwise now."""
        first = self.first.of(row["id"])
        now = self.newest.of(row["id"])
        changed = {i: text for i, text in first.items() if now.get(i, text) != text}
        entries = parsed_entries(truth.groundtruth) if truth is not None else None
        if truth is None or entries is None or not changed:
            return truth
        left = [
            None if i in changed and json.loads(changed[i]) == entry else entry
            for i, entry in enumerate(entries)
        ]
        if left == entries:
            return truth
        return Truth(json.dumps({"predictions": left}, ensure_ascii=False), truth.labeled_at)


def cut_revision(
    dataset: Dataset, table: Table, folder: Folder | None, scratch: Path, now: datetime
) -> Cut:
    """The rows of the run with the ground truth of `now`, at `scratch`/rows.parquet. What people
    have labelled is put beside them in the folder: it may grow later. Raises RunError."""
    revision = dataset.spec.revision
    assert revision is not None, "the caller has looked"
    if folder is None:
        raise InvalidRun("revision: its rows lie where the run wrote them; give --results")
    run = folder.sibling(revision.run)
    copy_newest_labels(run, folder, scratch)
    source = Source.open(run, read_labels(folder))
    path, digest = scratch / layout.ROWS, RowsDigest()
    row_count = 0
    with pq.ParquetWriter(path, CUT_SCHEMA, compression="zstd") as writer:
        found = source.rows(dataset, table, scratch / _SOURCE_ROWS, now)
        for rows in batched(_renewed(found)):
            row_count += len(rows)
            for row in rows:
                digest.add(row)
            writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=CUT_SCHEMA))
    figures = CutFigures(
        row_count=row_count,
        item_count=source.record.item_count,
        digest=digest.hexdigest(),
        time=now,
        shares_labels=shares_labels(table, source.query(dataset, now)),
    )
    return Cut(path, figures)


def count_new_labels(
    dataset: Dataset, table: Table, source: Source, scratch: Path, now: datetime
) -> int:
    """Items of the run whose ground truth is new, or another, since it was evaluated."""
    return sum(
        _changed_items(row, truth, source)
        for row, truth in source.rows(dataset, table, scratch / _SOURCE_ROWS, now)
    )


def _changed_items(row: RowDict, truth: Truth | None, source: Source) -> int:
    if row["is_duplicate"]:
        return 0
    was = filled_truth(row, source.first.of(row["id"])) or row["groundtruth"]
    now = row | {"groundtruth": truth.groundtruth if truth else row["groundtruth"]}
    filled = filled_truth(now, source.newest.of(row["id"]))
    is_ = filled or now["groundtruth"]
    if is_ == was:
        return 0
    before, after = parsed_entries(was) or [], parsed_entries(is_) or []
    kept = row["kept"] if row["kept"] is not None else range(max(len(before), len(after)))
    return sum(_at(before, i) != _at(after, i) for i in kept)


def _at(entries: list[object], place: int) -> object:
    return entries[place] if place < len(entries) else None


def _renewed(found: Iterable[tuple[RowDict, Truth | None]]) -> Iterator[RowDict]:
    for row, truth in found:
        if truth is not None and not row["is_duplicate"]:
            row |= {"groundtruth": truth.groundtruth, "labeled_at": truth.labeled_at}
        yield row


def _truths(table: Table, query: RowQuery) -> Iterator[tuple[str, Truth | None]]:
    """By rising id; None where rows that share an id differ, and where there is none."""
    lines = (line for batch in table.read_truth(query) for line in batch.to_pylist())
    for row_id, same in groupby(lines, key=lambda line: line["id"]):
        said = {(it["groundtruth"], it["labeled_at"]) for it in same if it["groundtruth"]}
        yield row_id, Truth(*said.pop()) if len(said) == 1 else None


def _merged(
    rows: Iterable[RowDict], truths: Iterable[tuple[str, Truth | None]]
) -> Iterator[tuple[RowDict, Truth | None]]:
    """Each row with its truth. Both come by rising id, so that neither is held; text compares by
    code point, which is the order of its bytes in UTF-8."""
    rest = iter(truths)
    row_id, truth = next(rest, (None, None))
    for row in rows:
        while row_id is not None and row_id < row["id"]:
            row_id, truth = next(rest, (None, None))
        yield row, truth if row_id == row["id"] else None
