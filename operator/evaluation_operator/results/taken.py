"""taken.parquet: which rows a job's runs have evaluated by now, many runs in one file.

A run adds its own rows and those of the files before it that are no larger, as a binary counter
carries: of n runs there are about log2 n files to look through, and a row is copied as often.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from evaluation_operator.results.folder import Folder
from evaluation_operator.results.layout import TAKEN
from evaluation_operator.results.parquet import column, not_as_written, read_batches

Hashes: TypeAlias = npt.NDArray[np.uint64]
"""Sorted, each once."""

TAKEN_SCHEMA: Final = pa.schema(
    [
        column(
            "id_hash",
            pa.uint64(),
            "The first 8 bytes of BLAKE2b-64 of a row's id, read as a big-endian number.",
            is_nullable=False,
        )
    ]
)


@dataclass(frozen=True, slots=True)
class Taken:
    """The rows of some runs. `runs` are their names, also of those that never got any: one that
    failed, and whose time another of them has evaluated."""

    runs: tuple[str, ...]
    hashes: Hashes

    def with_others(self, others: Iterable[Taken]) -> Taken:
        found = [self, *others]
        runs = dict.fromkeys(name for one in found for name in one.runs)
        return Taken(tuple(runs), np.unique(np.concatenate([one.hashes for one in found])))


def hashed(ids: Sequence[str]) -> npt.NDArray[np.uint64]:
    """A number an id, in their order. Two ids of a job share one by a chance of 1 in 10^6 where it
    has evaluated ten million rows; then the later of them is not drawn."""
    digests = b"".join(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for text in ids
    )
    return np.frombuffer(digests, dtype=">u8").astype(np.uint64)


def taken_of(runs: Sequence[str], batches: Iterable[pa.RecordBatch]) -> Taken:
    """Of batches whose first column is the rows' ids."""
    found = [hashed(batch.column(0).to_pylist()) for batch in batches]
    return Taken(tuple(runs), np.unique(np.concatenate([np.zeros(0, dtype=np.uint64), *found])))


def write_taken(taken: Taken, path: Path) -> None:
    """`path` is local."""
    pq.write_table(pa.table([pa.array(taken.hashes)], schema=TAKEN_SCHEMA), path)


def read_hashes(folder: Folder) -> Hashes:
    """Raises Unavailable, and InvalidRun for a file that no run writes: rows that it does not name
    would be evaluated twice."""
    batches = read_batches(folder, TAKEN, TAKEN_SCHEMA)
    found = [batch.column(0).to_numpy() for batch in batches]
    hashes = np.concatenate([np.zeros(0, dtype=np.uint64), *found])
    if np.any(hashes[:-1] >= hashes[1:]):
        raise not_as_written(folder, TAKEN, "column id_hash: its numbers do not rise")
    return hashes
