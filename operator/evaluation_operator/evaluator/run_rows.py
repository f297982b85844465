"""The rows of a run: those that a run before this one has cut, else cut from the table now."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.evaluator.cut import cut_rows, row_query
from evaluation_operator.evaluator.labels import labeled_cut, read_labels
from evaluation_operator.evaluator.revision import cut_revision
from evaluation_operator.evaluator.taken import TakenRows
from evaluation_operator.results import layout
from evaluation_operator.results.errors import InvalidRun
from evaluation_operator.results.folder import Folder
from evaluation_operator.results.parquet import read_batches
from evaluation_operator.results.rows import Cut, read_record, write_record
from evaluation_operator.tables.protocol import RowQuery, Table
from evaluation_operator.tables.schema import ID_SCHEMA

LATE_RUNS = 30
"""How many earlier runs are searched for rows that came too late for them."""


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Where a run works and what it may use; `now` is injected so that tests can fix it.

    `keeps_labels`: what people labelled goes into the table too, for later versions; one who only
    computes a run again leaves the table alone.
    """

    scratch: Path
    memory_limit: str = "512MB"
    threads: int = 1
    keeps_labels: bool = False
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))


def obtain_cut(
    dataset: Dataset,
    table: Table,
    folder: Folder | None,
    options: RunOptions,
    *,
    kept_in: Folder | None = None,
) -> Cut:
    """The cut that is in the folder, else a new one, which is then kept there. Raises RunError.

    `kept_in`: where a revision that is computed again, without a folder, has its cut.
    """
    local = options.scratch / layout.ROWS
    kept = folder or (kept_in if dataset.spec.revision is not None else None)
    if kept is not None and kept.exists(layout.CUT):
        kept.fetch(layout.ROWS, local)
        return Cut(local, read_record(kept))
    taken: TakenRows | None = None
    if dataset.spec.revision is not None:
        cut = cut_revision(dataset, table, folder, options.scratch, options.now())
    elif dataset.spec.source_dataset is not None:
        cut = _cut_of_source(dataset, folder, local)
    else:
        if folder is not None and not dataset.spec.all_rows:
            taken = TakenRows(folder, dataset)
        among = taken.among if taken is not None else _none_taken
        cut = cut_rows(dataset, table, options.scratch, options.now(), taken=among)
    if folder is not None:
        folder.store(cut.path, layout.ROWS)
        if cut.seen is not None:
            folder.store(cut.seen, layout.SEEN)
        runs = taken.store(cut.path, folder, options.scratch) if taken is not None else None
        write_record(folder, cut.record(row_query(dataset, cut.figures.time), runs))
    return cut


def _none_taken(_: Sequence[str]) -> set[str]:
    return set()


def _cut_of_source(dataset: Dataset, folder: Folder | None, local: Path) -> Cut:
    """A version over an existing Dataset evaluates that Dataset's rows and labels again."""
    name = dataset.spec.source_dataset or ""
    if folder is None:
        raise InvalidRun("sourceDataset: its rows lie where its run wrote them; give --results")
    source = folder.sibling(name)
    if not source.exists(layout.CUT):
        raise InvalidRun(
            f"sourceDataset: {name!r} has no rows at {source.uri}; name a Dataset whose run ended"
        )
    source.fetch(layout.ROWS, local)
    cut = Cut(local, read_record(source))
    labels = read_labels(source)
    if labels is None:
        return cut
    return labeled_cut(cut, labels, local.parent)


def count_late(dataset: Dataset, table: Table, folder: Folder) -> int:
    """Rows of others that turned up in the windows of earlier runs after those had read them."""
    if not dataset.spec.windows:
        return 0
    earlier = [
        sibling
        for name in folder.siblings()[-LATE_RUNS:]
        if name != dataset.metadata.name
        and (sibling := folder.sibling(name)).exists(layout.COMMITTED)
        and sibling.exists(layout.SEEN)
    ]
    asked = [read_record(sibling) for sibling in earlier]
    windows = tuple(window for record in asked for window in record.asked())
    if not windows:
        return 0
    query = RowQuery(
        model=dataset.spec.model_version.model,
        model_version=dataset.spec.model_version.version,
        windows=windows,
        paused_spans=tuple(span for record in asked for span in record.paused()),
    )
    known = (
        batch for sibling in earlier for batch in read_batches(sibling, layout.SEEN, ID_SCHEMA)
    )
    return table.count_late(query, known)
