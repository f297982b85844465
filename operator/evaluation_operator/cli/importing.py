"""Importing a file into a table: what is new is added, what is there already is told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from evaluation_operator.api.codes import Code
from evaluation_operator.cli.errors import CliError
from evaluation_operator.cli.label_scope import Scope
from evaluation_operator.cli.output import plural
from evaluation_operator.cli.settings import table_options
from evaluation_operator.cli.tables import local_path
from evaluation_operator.storage.errors import ImportInvalid, TableError, TableUnavailable
from evaluation_operator.tables.importing import read_label_files, read_row_files
from evaluation_operator.tables.label_matches import LabelMatcher, Matches
from evaluation_operator.tables.label_scope import MOST_SHOWN
from evaluation_operator.tables.open import open_table
from evaluation_operator.tables.protocol import RowQuery, Table
from evaluation_operator.tables.schema import row_digest
from evaluation_operator.tables.sources.records import Source
from evaluation_operator.tasks.items import Row, RowReader
from evaluation_operator.tasks.row_json import UnreadableError

IDS_SHOWN = 3
_MOST_VERSIONS = 1_000
_MOST_FAULTS = 10
_CONTENT = ("model", "model_version", "time", "raw_data", "raw_prediction")


@dataclass(frozen=True, slots=True)
class Imported:
    """`ids` are the first few of the file; `warnings` say what may not be as it was meant;
    `matches`: of labels, which rows they are of."""

    table: str
    imported: int
    already_there: int
    ids: tuple[str, ...]
    created: bool
    warnings: tuple[str, ...] = ()
    matches: Matches | None = None

    def to_dict(self) -> dict[str, object]:
        told = {} if self.matches is None else {"matches": self.matches.to_dict()}
        return told | {
            "table": self.table,
            "imported": self.imported,
            "alreadyThere": self.already_there,
            "created": self.created,
            "ids": list(self.ids),
            "warnings": list(self.warnings),
        }


@dataclass(slots=True)
class _Given:
    """The rows of a file: digest and ground truth by id, and the model versions they are of."""

    content: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    model_versions: set[tuple[str, str]] = field(default_factory=set)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    in_future: int = 0

    def add(self, row: dict[str, Any]) -> None:
        self.content[row["id"]] = (_digest(row), row["groundtruth"])
        self.model_versions.add((row["model"], row["model_version"]))
        self.in_future += row["time"] is not None and row["time"] > self.now

    def warnings(self) -> tuple[str, ...]:
        if not self.in_future:
            return ()
        return (
            f"{plural(self.in_future, 'row')} with a time that is still to come: runs of now "
            "leave them out",
        )


@dataclass(slots=True)
class _Counted:
    """How many rows passed, and the first ids of them."""

    rows: int = 0
    ids: list[str] = field(default_factory=list)

    def through(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.rows += batch.num_rows
            self.ids += batch.column("id").slice(0, IDS_SHOWN - len(self.ids)).to_pylist()
            yield batch


class _Judged:
    """What a run would not be able to read, up to as many as anybody reads."""

    def __init__(self, reader: RowReader | None) -> None:
        self._reader = reader
        self._faults: list[str] = []

    def row(self, row: dict[str, Any]) -> None:
        if self._reader is not None:
            texts = (row[name] for name in ("raw_data", "raw_prediction", "groundtruth"))
            self._add(self._reader.faults_of(Row(row["id"], *texts)))

    def label(self, row_id: str, truth: str) -> None:
        try:
            if self._reader is not None:
                self._reader.check_truth(truth)
        except UnreadableError as error:
            self._add([f"row {row_id}: {error}"])

    def end(self) -> None:
        """Raises ImportInvalid."""
        if self._faults:
            raise ImportInvalid(self._faults)

    def _add(self, faults: list[str]) -> None:
        self._faults += faults[: _MOST_FAULTS - len(self._faults)]


def import_row_files(
    paths: Sequence[Path],
    uri: str,
    *,
    model: str | None,
    model_version: str | None,
    time: str | None = None,
    source: Source | None = None,
    reader: RowReader | None = None,
) -> Imported:
    """Adds the rows of files that the table does not have; all of them, or none. `reader`: that of
    the job, which has to be able to read every row.

    A row that the table has with other content under the same id is an error: readers would
    have to refuse both.
    """

    def batches() -> Iterator[pa.RecordBatch]:
        return read_row_files(
            paths, model=model, model_version=model_version, time=time, source=source
        )

    with _problems(paths), contextlib.closing(_open(uri)) as table:
        given, judged = _Given(), _Judged(reader)
        for batch in batches():
            for row in batch.to_pylist():
                given.add(row)
                judged.row(row)
        judged.end()
        created = table.ensure().is_created
        known = set() if created else _known(table, given)
        if len(known) < len(given.content):
            table.append_rows(_without(batches(), known))
    ids = tuple(list(given.content)[:IDS_SHOWN])
    imported = len(given.content) - len(known)
    warnings = (*given.warnings(), *_warnings_of_source(source))
    return Imported(uri, imported, len(known), ids, created, warnings)


def _warnings_of_source(source: Source | None) -> Iterator[str]:
    for why, count in source.told.items() if source is not None else ():
        outcome = "" if "imported" in why else ": not imported"
        yield f"{count} of the records {why}{outcome}"


def import_label_files(
    paths: Sequence[Path], uri: str, scope: Scope, reader: RowReader | None = None
) -> Imported:
    """Adds the labels of files; the table must be there. `reader`: that of the job, which has to
    be able to read every label."""
    folder = local_path(uri)
    if folder is not None and not folder.is_dir():
        message = f"--table: {uri}: no such folder; name the table that has the rows"
        raise CliError(message, code=Code.NOT_FOUND)
    counted, now = _Counted(), datetime.now(UTC)
    with _problems(paths), contextlib.closing(_open(uri)) as table:
        state = table.ensure()
        if not state.has_labels:
            raise CliError(f"--table: {uri}: takes no labels: others own it, and let us read only")
        found = table.model_versions(MOST_SHOWN + 1)

        def labels() -> Iterator[pa.RecordBatch]:
            return read_label_files(paths, labeled_at=now, model_version=scope.among(found))

        judged, matcher = _Judged(reader), LabelMatcher(now)
        for batch in labels():
            matcher.see(batch)
            if reader is not None:
                for label in batch.select(["id", "groundtruth"]).to_pylist():
                    judged.label(label["id"], label["groundtruth"])
        judged.end()
        matches = matcher.match(_truths(table, scope.among(found)), labels())
        batches = labels()
        table.append_labels(counted.through(batches), for_all_versions=scope.is_for_all)
    warnings = (
        *scope.warnings(found, keeps_versions=state.keeps_versions),
        *_warnings_of(matches),
    )
    return Imported(
        uri,
        counted.rows,
        0,
        tuple(counted.ids),
        created=False,
        warnings=warnings,
        matches=matches,
    )


def _truths(table: Table, model_version: tuple[str, str] | None) -> Iterator[pa.RecordBatch]:
    """Of the rows that labels may be of: those of one model version, or else of each."""
    versions = [model_version] if model_version else table.model_versions(_MOST_VERSIONS)
    for model, version in versions:
        yield from table.read_truth(RowQuery(model, version))


def _warnings_of(matches: Matches) -> Iterator[str]:
    if matches.of_items:
        yield (
            f"{plural(matches.of_items, 'id')} would be in the table without the number of an item "
            "at the end: a label is of a row, and has an answer for each of its items"
        )
    if matches.in_future:
        yield (
            f"{plural(matches.in_future, 'label')} with a labeled_at that is still to come: "
            "they count from then on"
        )
    if matches.outdated:
        yield (
            f"{plural(matches.outdated, 'row')} with ground truth of a later labeled_at, which "
            "goes on to count"
        )


def _open(uri: str) -> Table:
    return open_table(uri, options=table_options())


def _known(table: Table, given: _Given) -> set[str]:
    """The ids of rows that the table has just as they are given.

    Reads all rows of the model versions: two rows that share an id would spoil each other,
    whatever times they are of.
    """
    known: set[str] = set()
    for model, version in given.model_versions:
        for batch in table.read_rows(RowQuery(model, version)):
            for row in batch.to_pylist():
                if (content := given.content.get(row["id"])) is not None:
                    _check_same(row, content)
                    known.add(row["id"])
    return known


def _check_same(row: dict[str, Any], content: tuple[str, str | None]) -> None:
    digest, truth = content
    if digest != _digest(row):
        raise CliError(
            f"row {row['id']!r} is in the table with other content: give the new row another id",
            code=Code.ALREADY_EXISTS,
        )
    # A label that was imported has taken the place of the row's own ground truth.
    if row["labeled_at"] is None and truth is not None and truth != row["groundtruth"]:
        raise CliError(
            f"row {row['id']!r} is in the table with other ground truth: import the new one with "
            "`kubectl evaluations labels import`",
            code=Code.ALREADY_EXISTS,
        )


def _digest(row: dict[str, Any]) -> str:
    return row_digest(*(row[name] for name in _CONTENT))


def _without(batches: Iterable[pa.RecordBatch], known: set[str]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        fresh = [text not in known for text in batch.column("id").to_pylist()]
        if any(fresh):
            yield batch.filter(pa.array(fresh))


@contextlib.contextmanager
def _problems(paths: Sequence[Path]) -> Iterator[None]:
    """Errors of tables and files, as the command line speaks of them."""
    try:
        yield
    except ImportInvalid as error:
        where = paths[0] if len(paths) == 1 else f"{len(paths)} files"
        message = f"{where}: nothing is imported; correct what stands here"
        raise CliError(message, details=error.faults) from error
    except TableUnavailable as error:
        raise CliError(str(error), code=Code.UNAVAILABLE) from error
    except TableError as error:
        raise CliError(str(error), code=Code.FAILED_PRECONDITION) from error
