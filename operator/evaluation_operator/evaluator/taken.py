"""The rows that other scheduled runs of a job have: those are not drawn again.

A run that has not committed counts too, since it may still do so: an event that comes again while
it works must not be drawn by a later run. Only one that failed does not, and its rows were passed
on to a run over the same times.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from evaluation_operator.api.dataset import Dataset
from evaluation_operator.domain.naming import is_version_run
from evaluation_operator.results import layout
from evaluation_operator.results.folder import Folder
from evaluation_operator.results.parquet import read_batches
from evaluation_operator.results.rows import CUT_SCHEMA, read_record
from evaluation_operator.results.taken import (
    Taken,
    hashed,
    read_hashes,
    taken_of,
    write_taken,
)
from evaluation_operator.tables.protocol import Window

_IDS: Final = pa.schema([CUT_SCHEMA.field("id")])


class TakenRows:
    """What earlier runs have, read once. `groups` are of committed runs, the newest first, each of
    which speaks for several; `running` of runs that have not ended."""

    def __init__(self, folder: Folder, dataset: Dataset) -> None:
        self._name = dataset.metadata.name
        own = tuple(Window(span.start_time, span.end_time) for span in dataset.spec.windows)
        self._groups: list[Taken] = []
        self._running: list[Taken] = []
        self._given_up: list[str] = []
        covered: set[str] = set()
        for name in reversed(folder.siblings()):
            if name == self._name or name in covered or is_version_run(name):
                continue
            sibling = folder.sibling(name)
            if not sibling.exists(layout.CUT):
                continue
            cut = read_record(sibling)
            if sibling.exists(layout.COMMITTED):
                group = _group(sibling, name, tuple(cut.taken_runs or ()))
                covered.update(group.runs)
                self._groups.append(group)
            elif any(mine.overlaps(theirs) for mine in own for theirs in cut.asked()):
                self._given_up.append(name)
            else:
                self._running.append(_of_rows(sibling, name))

    def among(self, ids: Sequence[str]) -> set[str]:
        """Which of the ids have been taken."""
        wanted = hashed(ids)
        found = np.zeros(len(wanted), dtype=bool)
        for taken in (*self._groups, *self._running):
            found |= _are_in(wanted, taken)
        return {name for name, is_taken in zip(ids, found, strict=True) if is_taken}

    def store(self, rows: Path, folder: Folder, scratch: Path) -> tuple[str, ...]:
        """Write the file that speaks for this run, whose rows lie at `rows`, and for those before
        it that it carries; their names. It counts once the run has committed."""
        own = taken_of([self._name, *self._given_up], _ids_of(rows))
        carried: list[Taken] = []
        runs = 1
        for group in self._groups:
            if len(group.runs) > runs:
                break
            carried.append(group)
            runs += len(group.runs)
        whole = own.with_others(carried)
        local = scratch / layout.TAKEN
        write_taken(whole, local)
        folder.store(local, layout.TAKEN)
        local.unlink()
        return whole.runs


def _group(sibling: Folder, name: str, runs: tuple[str, ...]) -> Taken:
    """Of a run of an earlier version of this system, and of one that evaluates an earlier run
    again, its own rows alone."""
    return Taken(runs, read_hashes(sibling)) if runs else _of_rows(sibling, name)


def _of_rows(sibling: Folder, name: str) -> Taken:
    return taken_of([name], read_batches(sibling, layout.ROWS, _IDS))


def _ids_of(rows: Path) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(rows) as file:
        yield from file.iter_batches(columns=["id"])


def _are_in(wanted: npt.NDArray[np.uint64], taken: Taken) -> npt.NDArray[np.bool_]:
    if not len(taken.hashes):
        return np.zeros(len(wanted), dtype=bool)
    places = np.searchsorted(taken.hashes, wanted)
    places[places == len(taken.hashes)] = 0
    return np.equal(taken.hashes[places], wanted)
