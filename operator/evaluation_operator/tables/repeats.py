"""The same row delivered twice is one row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc


def without_repeats(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Rows by rising id, without those that equal an earlier row of the same id in all columns.

    Rows that share an id and differ all stay. Only rows of one id are held at a time.
    """
    last_id: str | None = None
    same: list[dict[str, object]] = []  # rows of last_id so far
    for batch in batches:
        if not batch.num_rows:
            continue
        ids = batch.column("id")
        if ids[0].as_py() == last_id or _has_equal_neighbours(ids):
            keep = []
            for place, row_id in enumerate(ids.to_pylist()):
                if row_id != last_id:
                    last_id, same = row_id, []
                row = batch.slice(place, 1).to_pylist()[0]
                keep.append(row not in same)
                if keep[-1]:
                    same.append(row)
            batch = batch.filter(pa.array(keep))
        else:
            last_id = ids[-1].as_py()
            same = batch.slice(batch.num_rows - 1).to_pylist()
        if batch.num_rows:
            yield batch


def _has_equal_neighbours(ids: pa.Array) -> bool:
    return bool(pc.any(pc.equal(ids[1:], ids[:-1]), min_count=0).as_py())
