"""What becomes of labels that are to be imported: which rows they are of, and what they replace.

Held are a few numbers a label, and nothing of the table, whichever of the two is large.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from evaluation_operator.tables.schema import to_microseconds

SHOWN: Final = 3
_Numbers = npt.NDArray[np.int64]
_BEFORE_ALL: Final = np.iinfo(np.int64).min


@dataclass(frozen=True, slots=True)
class Matches:
    """Of the ids of the labels: `matched` are in the table, the others are not, or not yet.
    `replaced`: rows whose older ground truth they take the place of. `outdated`: rows with newer
    ground truth, which stays. `in_future`: labels that count only later. `of_items`: ids that are
    not in the table, but would be without the number of an item at their end."""

    ids: int
    matched: int
    unmatched_ids: tuple[str, ...]
    replaced: int
    outdated: int
    in_future: int
    of_items: int

    def to_dict(self) -> dict[str, object]:
        return {
            "ids": self.ids,
            "matched": self.matched,
            "unmatched": self.ids - self.matched,
            "unmatchedIds": list(self.unmatched_ids),
            "replaced": self.replaced,
            "outdated": self.outdated,
            "inFuture": self.in_future,
        }


class LabelMatcher:
    """`see` all labels, then `match` them with the rows."""

    def __init__(self, now: datetime) -> None:
        self._now = to_microseconds(now)
        self._keys: list[_Numbers] = []
        self._row_keys: list[_Numbers] = []
        self._times: list[_Numbers] = []

    def see(self, labels: pa.RecordBatch) -> None:
        ids = labels.column("id").to_pylist()
        self._keys.append(_keys(ids))
        self._row_keys.append(_keys([_row_of_item(text) for text in ids]))
        times = pc.cast(labels.column("labeled_at"), pa.int64())
        self._times.append(times.to_numpy(zero_copy_only=False))

    def match(self, truths: Iterable[pa.RecordBatch], labels: Iterable[pa.RecordBatch]) -> Matches:
        """`truths` as TRUTH_SCHEMA, of all rows that the labels may be of; `labels` once more, of
        which only so many are read as show which are of no row."""
        keys, row_keys, times = (_joined(it) for it in (self._keys, self._row_keys, self._times))
        order = np.lexsort((times, keys))
        # Of an id the newest label counts, which is its last in this order.
        last = np.append(keys[order][1:] != keys[order][:-1], True)[: len(keys)]
        known, newest = keys[order][last], times[order][last]
        found = np.zeros(len(known), dtype=bool)
        rows_of_items = np.unique(row_keys)
        are_rows = np.zeros(len(rows_of_items), dtype=bool)
        replaced = outdated = 0
        for batch in truths:
            here = _keys(batch.column("id").to_pylist())
            places, hit = _look_up(known, here)
            found[places[hit]] = True
            at = pc.cast(batch.column("labeled_at"), pa.int64()).fill_null(int(_BEFORE_ALL))
            is_older = at.to_numpy(zero_copy_only=False) < _at(newest, places)
            has_truth = batch.column("groundtruth").is_valid().to_numpy(zero_copy_only=False)
            replaced += int(np.count_nonzero(hit & has_truth & is_older))
            is_newer = at.to_numpy(zero_copy_only=False) > _at(newest, places)
            outdated += int(np.count_nonzero(hit & has_truth & is_newer))
            places, hit = _look_up(rows_of_items, here)
            are_rows[places[hit]] = True
        unmatched = known[~found]
        return Matches(
            ids=len(known),
            matched=int(np.count_nonzero(found)),
            unmatched_ids=tuple(_first_of(unmatched, labels)),
            replaced=replaced,
            outdated=outdated,
            in_future=int(np.count_nonzero(times > self._now)),
            of_items=int(
                np.count_nonzero(
                    np.isin(keys, unmatched) & np.isin(row_keys, rows_of_items[are_rows])
                )
            ),
        )


def _row_of_item(text: str) -> str:
    """The id of the row, if that of an item was meant; else the text itself."""
    row, slash, number = text.rpartition("/")
    return row if slash and number.isdecimal() else text


def _keys(ids: list[str]) -> _Numbers:
    return np.fromiter(map(hash, ids), np.int64, len(ids))


def _joined(parts: list[_Numbers]) -> _Numbers:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _look_up(known: _Numbers, keys: _Numbers) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.bool_]]:
    """Where each key stands among the known ones, which rise, and whether it does."""
    places = np.minimum(np.searchsorted(known, keys), max(len(known) - 1, 0))
    return places, _at(known, places) == keys if len(known) else np.zeros(len(keys), dtype=bool)


def _at(values: _Numbers, places: npt.NDArray[np.intp]) -> _Numbers:
    return values[places] if len(values) else np.zeros(len(places), np.int64)


def _first_of(unmatched: _Numbers, labels: Iterable[pa.RecordBatch]) -> Iterator[str]:
    shown: set[str] = set()
    if not len(unmatched):
        return
    for batch in labels:
        ids = batch.column("id").to_pylist()
        for text, is_absent in zip(ids, np.isin(_keys(ids), unmatched), strict=True):
            if is_absent and text not in shown:
                yield text
                shown.add(text)
                if len(shown) == SHOWN:
                    return
