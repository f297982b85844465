"""Count a run's pairs in DuckDB, and stream the counts to the metrics.

The engine only groups, counts and orders; what it returns are whole numbers, so its number of
threads and the order of its rows change no figure. Memory is bounded by its own limit, beyond
which it spills to disk, and by one batch of the stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from evaluation_operator.metrics import (
    ClassificationResult,
    ConfusionCounts,
    ConfusionMatrix,
    CountBatch,
    Piece,
    Totals,
    classify,
    nearest_ranks,
    piece_weights,
    reported_thresholds,
    weightings,
)
from evaluation_operator.metrics.counts import Floats, Integers
from evaluation_operator.results.items import EVALUATED
from evaluation_operator.tasks.kind import Limits

_BATCH_ROWS: Final = 65_536
# One a sampling interval in what the sampler writes. More says that p is something else.
MAXIMUM_PIECES: Final = 1_000
_ALIKE: Final = 1.0


class CountedScores:
    """The counts of one run, from the two files that `write_outcomes` makes.

    `only_labels` leaves the pairs of all other labels out of the curves; the confusion matrix
    stays whole. `ignores_scores`: what counts of each item is its first label, or with
    `is_multi_label` all that are predicted, as if they had one score and the others none.

    Raises `ValueError` if the files hold more than MAXIMUM_PIECES inclusion probabilities.
    Close it, or use it in a `with`. Only one stream may be read at a time.
    """

    def __init__(
        self,
        scores: Path | Sequence[Path],
        items: Path | Sequence[Path],
        label_count: int,
        limits: Limits,
        only_labels: Sequence[int] = (),
        *,
        ignores_scores: bool = False,
        is_multi_label: bool = False,
    ) -> None:
        self._label_count = label_count
        self._engine = ibis.duckdb.connect(
            memory_limit=limits.memory_limit,
            temp_directory=str(limits.scratch),
            threads=limits.threads,
            preserve_insertion_order=False,
        )
        pairs = self._engine.read_parquet(scores)
        if only_labels:
            pairs = pairs.filter(pairs.label.isin(list(only_labels)))
        if ignores_scores:
            counts = pairs["rank"].notnull() if is_multi_label else pairs["rank"] == 1
            pairs = pairs.mutate(score=ibis.ifelse(counts, _ALIKE, ibis.null("float64")))
        self._pairs = pairs
        self._scored = pairs.filter(pairs.score.notnull())
        lines = self._engine.read_parquet(items)
        self._items = lines.filter(lines.state == EVALUATED)
        self.pieces: Final = self._read_pieces()
        self._ps = np.array([piece.p for piece in self.pieces], dtype=np.float64)

    def __enter__(self) -> CountedScores:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._engine.disconnect()

    def _read_pieces(self) -> tuple[Piece, ...]:
        """The evaluated items by inclusion probability, which rises."""
        by_p = self._items.group_by("p").agg(items=self._items.count()).order_by("p")
        found = self._engine.to_pyarrow(by_p.limit(MAXIMUM_PIECES + 1)).to_pylist()
        if len(found) > MAXIMUM_PIECES:
            raise ValueError(
                f"p: more than {MAXIMUM_PIECES} different inclusion probabilities; give the "
                "rows of one sampling interval the same p"
            )
        return tuple(Piece(p=line["p"], items=line["items"]) for line in found)

    def totals(self) -> Totals:
        pairs = self._pairs
        grouped = pairs.group_by("label", "p").agg(
            truths=pairs.count(where=pairs.is_truth),
            true=pairs.count(where=pairs.is_truth & pairs.score.notnull()),
            false=pairs.count(where=~pairs.is_truth & pairs.score.notnull()),
            lowest=pairs.score.min(),
            highest=pairs.score.max(),
        )
        shape = (self._label_count, len(self.pieces))
        truths, true, false = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        lowest, highest = np.inf, -np.inf
        for batch in self._stream(grouped):
            place = (_whole(batch, "label"), self._piece(batch))
            truths[place] = _whole(batch, "truths")
            true[place] = _whole(batch, "true")
            false[place] = _whole(batch, "false")
            lowest = np.fmin(lowest, np.fmin.reduce(_real(batch, "lowest")))
            highest = np.fmax(highest, np.fmax.reduce(_real(batch, "highest")))
        if lowest > highest:
            return Totals(truths, true, false, None, None)
        return Totals(truths, true, false, float(lowest), float(highest))

    def by_label(self) -> Iterator[CountBatch]:
        """The counts at each (label, score, piece), in that order."""
        scored = self._scored
        rank = scored["rank"]
        conditions = [
            condition
            for among in (rank >= 1, rank <= 5, rank == 1)
            for condition in (among & scored.is_truth, among & ~scored.is_truth)
        ]
        for batch in self._stream(self._count_at(["label", "score"], conditions)):
            yield self._counts(batch, _whole(batch, "label"), cuts=3)

    def over_all(self) -> Iterator[CountBatch]:
        """The counts at each (score, piece), in that order, labels taken together."""
        conditions = [self._scored.is_truth, ~self._scored.is_truth]
        for batch in self._stream(self._count_at(["score"], conditions)):
            yield self._counts(batch, np.zeros(batch.num_rows, dtype=np.int64), cuts=1)

    def quantiles(self, shares: Sequence[float]) -> list[float]:
        """The scores at these rising shares of all pairs that have one, by nearest rank."""
        grouped = self._scored.group_by("score").agg(n=self._scored.count()).order_by("score")
        count = sum(int(_whole(batch, "n").sum()) for batch in self._stream(grouped))
        places = nearest_ranks(shares, count)
        found: list[float] = []
        passed = 0
        for batch in self._stream(grouped):
            scores, ends = _real(batch, "score"), passed + np.cumsum(_whole(batch, "n"))
            passed = int(ends[-1]) if len(ends) else passed
            while len(found) < len(places) and places[len(found)] < passed:
                at = int(np.searchsorted(ends, places[len(found)], side="right"))
                found.append(float(scores[at]))
        return found

    def confusion(self) -> tuple[ConfusionMatrix, ...]:
        """The matrix, and the weighted one if there are several pieces. Single-label only."""
        keys = ["truth_index", "predicted_index", "p"]
        counted = self._items.group_by(keys).agg(items=self._items.count()).order_by(keys)
        matrices = ConfusionCounts(self._label_count, self._weightings())
        for batch in self._stream(counted.mutate(predicted=counted.predicted_index.fill_null(-1))):
            matrices.add(
                _whole(batch, "truth_index"),
                _whole(batch, "predicted"),
                self._piece(batch),
                _whole(batch, "items"),
            )
        return matrices.matrices()

    def _weightings(self) -> tuple[Floats, ...]:
        return weightings(len(self.pieces), piece_weights(self.pieces))

    def _count_at(self, keys: list[str], conditions: list[ir.BooleanValue]) -> ir.Table:
        """A column of counts a condition, at each value of the keys, in their order."""
        keys = keys if len(self.pieces) < 2 else [*keys, "p"]
        counts = {
            f"n{place}": self._scored.count(where=condition)
            for place, condition in enumerate(conditions)
        }
        return self._scored.group_by(keys).agg(**counts).order_by(keys)

    def _counts(self, batch: pa.RecordBatch, label: Integers, cuts: int) -> CountBatch:
        columns = [_whole(batch, f"n{place}") for place in range(2 * cuts)]
        return CountBatch(
            label=label,
            score=_real(batch, "score"),
            piece=self._piece(batch),
            counts=np.stack(columns, axis=1).reshape(batch.num_rows, cuts, 2),
        )

    def _piece(self, batch: pa.RecordBatch) -> Integers:
        if len(self.pieces) < 2:
            return np.zeros(batch.num_rows, dtype=np.int64)
        return np.searchsorted(self._ps, _real(batch, "p"))

    def _stream(self, table: ir.Table) -> Iterator[pa.RecordBatch]:
        # ibis 12.0.0's to_pyarrow_batches calls a method that DuckDB 2's connection lacks
        # (ibis pull request 12001), so its query is handed over here.
        relation = self._engine.con.sql(self._engine.compile(table))
        yield from relation.to_arrow_reader(_BATCH_ROWS)


def compute_figures(
    counted: CountedScores, *, is_multi_label: bool, thresholds: Sequence[float] | None = None
) -> ClassificationResult:
    """All figures of a run. Without `thresholds` the default grid, as far as it makes sense."""
    totals = counted.totals()
    return classify(
        totals,
        counted.by_label(),
        counted.over_all(),
        reported_thresholds(totals.lowest, totals.highest, thresholds, counted.quantiles),
        piece_weights(counted.pieces),
        None if is_multi_label else counted.confusion(),
    )


def _whole(batch: pa.RecordBatch, column: str) -> Integers:
    values: Integers = batch.column(column).to_numpy(zero_copy_only=False)
    return values.astype(np.int64, copy=False)


def _real(batch: pa.RecordBatch, column: str) -> Floats:
    """A column of float64; null is NaN."""
    values: Floats = batch.column(column).to_numpy(zero_copy_only=False)
    return values.astype(np.float64, copy=False)
