"""Which items of a run's rows are in its sample.

Three passes, since what an interval may hold is known only once all of it has been seen: the
least cap and fraction that were in force, then the smallest priorities, then the draw. Rows
outside the run's windows, and those that earlier runs have taken, count in the first two.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeAlias

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.results.errors import TableInvalid
from evaluation_operator.tables.sample import BottomK

# A row by its columns; `items` is how many it holds, `interval` what stands for its interval.
RowDict: TypeAlias = dict[str, Any]


class Draw:
    """Draws items, not rows: a row of a table that others fill may hold several."""

    def __init__(self, dataset: Dataset) -> None:
        spec = dataset.spec
        self._bottom = BottomK(spec.example_count, spec.example_sample_percentage or 1.0)

    def limit(self, row: RowDict) -> None:
        """First pass. TableInvalid for settings that no job can have."""
        cap, fraction = row["example_count"], row["example_sample_percentage"]
        if cap is None and fraction is None:
            return
        if cap is not None and not 1 <= cap < math.inf:
            raise _invalid(row, "example_count", "a number of items from 1")
        if fraction is not None and not 0 < fraction <= 1:
            raise _invalid(row, "example_sample_percentage", "a fraction above 0 and at most 1")
        self._bottom.limit(row["interval"], None if cap is None else int(cap), fraction)

    def see(self, row: RowDict) -> None:
        """Second pass."""
        for unit in _units(row):
            self._bottom.see(unit, row["interval"], row["priority"])

    def draw(self, row: RowDict) -> tuple[list[int], float] | None:
        """Last pass: the places of the drawn items and their probability, or None."""
        interval, priority = row["interval"], row["priority"]
        drawn = [self._bottom.inclusion(unit, interval, priority) for unit in _units(row)]
        kept = [(place, p) for place, p in enumerate(drawn) if p is not None]
        if not kept:
            return None
        p = kept[0][1]
        if priority is not None and row["p"] is not None:
            # Whoever wrote the row may have drawn it by less, as a sender that samples does.
            p = min(row["p"], p)
        return [place for place, _ in kept], p


def _units(row: RowDict) -> Iterable[str]:
    return (f"{row['id']}/{place}" for place in range(row["items"]))


def _invalid(row: RowDict, column: str, want: str) -> TableInvalid:
    return TableInvalid(
        f'row {row["id"][:60]}: column "{column}": {row[column]} must be {want}; correct it'
    )
