"""Reading what a run has left: one object a run, whatever wrote it and wherever it lies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import ValidationError

from evaluation_operator.api.base import Model
from evaluation_operator.api.evaluation import Evaluation
from evaluation_operator.api.faults import first_fault
from evaluation_operator.metrics.counts import Floats
from evaluation_operator.results import labels, layout
from evaluation_operator.results.boxes import BOXES_SCHEMA, BoxLine
from evaluation_operator.results.confusion import CONFUSION_SCHEMA, Cell
from evaluation_operator.results.curves import (
    CURVES_SCHEMA,
    OVERLAPS_SCHEMA,
    CurvePoint,
    OverlapPoint,
)
from evaluation_operator.results.errors import InvalidRun, NotWhole
from evaluation_operator.results.folder import Folder
from evaluation_operator.results.items import (
    ADDED_IN_2,
    ITEMS_SCHEMA,
    ItemFilter,
    ItemLine,
    item_line,
)
from evaluation_operator.results.labels import LabelLine, LabelSummary
from evaluation_operator.results.layout import Manifest
from evaluation_operator.results.parquet import lines_of, not_as_written, read_batches

_Line = TypeVar("_Line")
_Model = TypeVar("_Model", bound=Model)
_ALWAYS: Final = (layout.CURVES, layout.ITEMS, layout.EVALUATION)
"""What every run has; the manifest of version 1 lists no files."""
MOST_ITEMS: Final = 100_000
"""In one page."""


@dataclass(frozen=True, slots=True, eq=False)
class Confusion:
    """`cells[i, j]`: items of true label i whose best predicted one is j. The last column is for
    items of which nothing was predicted."""

    labels: tuple[str, ...]
    cells: Floats


@dataclass(frozen=True, slots=True)
class ItemPage:
    """`after`: what to ask the next page for; None where there is none."""

    lines: tuple[ItemLine, ...]
    after: int | None


class Run:
    """All of it is read when it is asked for. Everything raises Unavailable when the storage does
    not answer or holds something else, NotWhole before the run has written all, and InvalidRun for
    results that no run writes, or one of a later version than this one knows."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    @cached_property
    def manifest(self) -> Manifest:
        if not self._has_manifest():
            raise NotWhole(f"{self.folder.uri}: no {layout.MANIFEST}: the run has not written all")
        content = self.folder.read_json(layout.MANIFEST)
        version = content.get("version")
        if isinstance(version, int) and version > layout.VERSION:
            raise InvalidRun(
                f"{self.folder.uri}: results of version {version}, and this program reads up to "
                f"{layout.VERSION}: use one that is as new as the evaluator"
            )
        return self._read_as(Manifest, layout.MANIFEST, content)

    @property
    def is_whole(self) -> bool:
        """Whether the run has written everything, and everything is still there."""
        return self._has_manifest() and not self.missing()

    def missing(self) -> tuple[str, ...]:
        """Files that the run has written and that are gone, or have another size."""
        folder, files = self._of_whole(), self.manifest.files
        if files is None:
            return tuple(it for it in _ALWAYS if not folder.size(it))
        listed = dict.fromkeys(_ALWAYS) | files
        return tuple(
            sorted(it for it, size in listed.items() if folder.size(it) != size or not size)
        )

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The label set, in its order. Version 1 tells it by the confusion matrix alone: empty
        where there is none."""
        if self.manifest.version > 1:
            return tuple(self.manifest.annotation_specs)
        if not self._has(layout.CONFUSION):
            return ()
        cells = self._lines(layout.CONFUSION, CONFUSION_SCHEMA, Cell)
        return tuple(dict.fromkeys(cell.truth for cell in cells))

    def evaluation(self) -> Evaluation:
        content = self._of_whole().read_json(layout.EVALUATION)
        return self._read_as(Evaluation, layout.EVALUATION, content)

    def curve(
        self, label: str | None = None, *, cut: str = "every", weighted: bool = False
    ) -> tuple[CurvePoint, ...]:
        """By rising threshold; of all labels together without one. Empty for what there is not."""
        wanted = (weighted, label, cut)
        points = self._lines(layout.CURVES, CURVES_SCHEMA, CurvePoint)
        found = (point for point in points if (point.weighted, point.label, point.cut) == wanted)
        return tuple(sorted(found, key=lambda point: point.threshold))

    def confusion(self, *, weighted: bool = False) -> Confusion | None:
        """The whole matrix; None where the run has none."""
        if not self._has(layout.CONFUSION):
            return None
        rows = {label: place for place, label in enumerate(self.labels)}
        columns = rows | {None: len(rows)}
        cells = np.full((len(rows), len(columns)), np.nan)
        found = 0
        for cell in self._lines(layout.CONFUSION, CONFUSION_SCHEMA, Cell):
            if cell.truth not in rows or cell.predicted not in columns:
                cell_text = f"{cell.truth!r}, {cell.predicted!r}"
                raise self._odd_matrix(f"the cell {cell_text} has a label not in the label set")
            if cell.weighted == weighted:
                found += 1
                cells[rows[cell.truth], columns[cell.predicted]] = cell.items
        if not found and weighted:
            return None
        if found != cells.size or not np.isfinite(cells).all():
            raise self._odd_matrix(f"it has not one figure for each of its {cells.size} cells")
        return Confusion(self.labels, cells)

    def items(
        self, wanted: ItemFilter | None = None, *, after: int | None = None, limit: int = 100
    ) -> ItemPage:
        """A page of items in the file's order, of those after a number that an earlier page gave.
        ValueError for a label that is not in the label set, and for a page of no or of more than
        MOST_ITEMS items."""
        if not (isinstance(limit, int) and 1 <= limit <= MOST_ITEMS):
            raise ValueError(f"limit: {limit}; ask for at least one item, at most {MOST_ITEMS}")
        if after is not None and not (isinstance(after, int) and after >= 0):
            raise ValueError(f"after: {after}; give what an earlier page gave, or leave it out")
        lines: list[ItemLine] = []
        for batch in self._items_from(0 if after is None else after + 1):
            found = batch if wanted is None else wanted.among(batch, self.labels)
            more = found.slice(0, limit + 1 - len(lines))
            lines.extend(map(item_line, lines_of(self.folder, layout.ITEMS, more)))
            if len(lines) > limit:
                return ItemPage(tuple(lines[:limit]), lines[limit - 1].item)
        return ItemPage(tuple(lines), None)

    def boxes(self, items: Iterable[int]) -> tuple[BoxLine, ...]:
        """Of these items, by their numbers; the predicted ones first. Empty in classification.
        ValueError for what is no number of an item."""
        wanted = set(items)
        if odd := [it for it in wanted if not (isinstance(it, int) and 0 <= it < 2**63)]:
            raise ValueError(f"items: {odd[0]!r}; give numbers of items")
        if not self._has(layout.BOXES):
            return ()
        numbers = pa.array(sorted(wanted), pa.int64())
        found = (
            batch.filter(pc.is_in(batch["item"], value_set=numbers))
            for batch in self._batches(layout.BOXES, BOXES_SCHEMA)
        )
        lines = (it for batch in found for it in lines_of(self.folder, layout.BOXES, batch))
        return tuple(BoxLine(**values) for values in lines)

    def overlaps(self, *, weighted: bool = False) -> tuple[OverlapPoint, ...]:
        """The curve over the intersection over union. Empty in classification."""
        if not self._has(layout.OVERLAPS):
            return ()
        points = self._lines(layout.OVERLAPS, OVERLAPS_SCHEMA, OverlapPoint)
        return tuple(point for point in points if point.weighted == weighted)

    def label_summary(self) -> LabelSummary | None:
        """How people's labelling ended; None where they were not asked."""
        return labels.read_summary(self._of_whole())

    def label_lines(self) -> Iterator[LabelLine]:
        """What people said, an item a line; none where they were not asked."""
        summary = self.label_summary()
        if summary is None or not summary.answered:
            return iter(())
        if not self.folder.exists(layout.LABELS):
            raise NotWhole(f"{self.folder.uri}/{layout.LABELS} is gone: restore the file")
        return labels.read_label_lines(self.folder)

    def _has_manifest(self) -> bool:
        return self.folder.exists(layout.MANIFEST)

    def _has(self, name: str) -> bool:
        """Whether the run has written such a file: one that is gone since is none that it has not
        written, which version 1 cannot tell."""
        folder, files = self._of_whole(), self.manifest.files
        return folder.exists(name) if files is None else name in files

    def _items_from(self, first: int) -> Iterator[pa.RecordBatch]:
        """From this line on, whose number it is."""
        for batch in self._batches(layout.ITEMS, ITEMS_SCHEMA, from_line=first):
            numbers = batch["item"].to_numpy()
            if not np.array_equal(numbers, np.arange(first, first + len(numbers))):
                raise not_as_written(
                    self.folder, layout.ITEMS, "column item: does not count the lines from 0"
                )
            first += len(numbers)
            yield batch

    def _batches(
        self, name: str, schema: pa.Schema, *, from_line: int = 0
    ) -> Iterator[pa.RecordBatch]:
        may_lack = ADDED_IN_2 if self.manifest.version == 1 else frozenset[str]()
        return read_batches(self._of_whole(), name, schema, may_lack=may_lack, from_line=from_line)

    def _lines(self, name: str, schema: pa.Schema, line: type[_Line]) -> Iterator[_Line]:
        for batch in self._batches(name, schema):
            for values in lines_of(self.folder, name, batch):
                yield line(**values)

    def _read_as(self, kind: type[_Model], name: str, content: dict[str, Any]) -> _Model:
        try:
            return kind.from_dict(content)
        except ValidationError as error:
            raise not_as_written(self.folder, name, first_fault(error)) from error

    def _odd_matrix(self, why: str) -> InvalidRun:
        return not_as_written(self.folder, layout.CONFUSION, why)

    def _of_whole(self) -> Folder:
        """Of a run whose manifest is there, and of a version that is known."""
        assert self.manifest
        return self.folder


def write_run(
    folder: Folder,
    scratch: Path,
    names: Sequence[str],
    evaluation: Evaluation,
    manifest: Manifest,
) -> None:
    """Store files that lie in `scratch` under their own names, the Evaluation, and at last the
    manifest with all their sizes. What an earlier attempt has left is not whole from the first
    write on. Raises Unavailable."""
    folder.remove(layout.MANIFEST)
    for name in names:
        folder.store(scratch / name, name)
    folder.write_json(layout.EVALUATION, evaluation.to_dict())
    sizes = {name: _stored_size(folder, name) for name in (*names, layout.EVALUATION)}
    whole = manifest.changed(version=layout.VERSION, files=sizes)
    folder.write_json(layout.MANIFEST, whole.to_dict())


def _stored_size(folder: Folder, name: str) -> int:
    size = folder.size(name)
    if size is None:
        raise NotWhole(f"{folder.uri}/{name} went while it was written: another attempt may do")
    return size
