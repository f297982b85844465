"""Putting entries into their table, and finding out what is there already. All of it blocks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

from evaluation_operator.sampling.sample.payloads import PayloadFile
from evaluation_operator.sampling.sample.record import Content, Record, decode_content
from evaluation_operator.sampling.store.table_rows import Entry, to_batches
from evaluation_operator.storage.errors import TableInvalid
from evaluation_operator.storage.storage import Storage, storage_errors
from evaluation_operator.tables.protocol import RowQuery, Table, Window


@dataclass(frozen=True, slots=True)
class Writer:
    """`read` gives the record of what is kept. Its methods raise TableInvalid when the table will
    take nothing at all, AccessRefused and TableUnavailable when it may do so later."""

    open_table: Callable[[str], Table]
    open_storage: Callable[[str], Storage]
    read: Callable[[Record], bytes]

    def write(self, uri: str, entries: Sequence[Entry]) -> list[tuple[Entry, str]]:
        """Each entry is in the table after it, but for those that it will never take, with the
        reason: others do not suffer for them."""
        with closing(self.open_table(uri)) as table:
            try:
                self._append(table, entries)
            except TableInvalid as error:
                _probe(table)
                return self._append_apart(table, entries, str(error))
        return []

    def probe(self, uri: str) -> None:
        """Whether the table takes rows and half rows; makes it if it is missing."""
        with closing(self.open_table(uri)) as table:
            _probe(table)

    def found(self, uri: str, entries: Sequence[Entry]) -> set[tuple[str, str]]:
        """Job uid and row id of those rows that are in the table already, under whatever stamp.

        A table that cannot be read because of what it is holds none of ours.
        """
        wanted = {pair for entry in entries for pair in entry.ids()}
        window = Window(min(entry.stamp for entry in entries))
        models = {(entry.last.job.model, entry.last.job.version) for entry in entries}
        found: set[tuple[str, str]] = set()
        with suppress(TableInvalid), closing(self.open_table(uri)) as table:
            for model, version in models:
                for batch in table.read_rows(RowQuery(model, version, (window,))):
                    columns = (batch.column(name).to_pylist() for name in ("job_uid", "id"))
                    found.update(wanted.intersection(zip(*columns, strict=True)))
        return found

    def _append(self, table: Table, entries: Sequence[Entry]) -> None:
        rows: list[tuple[Entry, list[Content]]] = []
        halves: list[tuple[Entry, list[Content]]] = []
        for entry in entries:
            contents = [self._content(kept) for kept in entry.kept]
            (rows if entry.is_row else halves).append((entry, contents))
        if rows:
            table.append_rows(to_batches(rows, with_counts=False))
        if halves:
            table.append_halves(to_batches(halves, with_counts=True))

    def _append_apart(
        self, table: Table, entries: Sequence[Entry], problem: str
    ) -> list[tuple[Entry, str]]:
        """Halve what was refused until the entries are found that are to blame."""
        if len(entries) == 1:
            return [(entries[0], problem)]
        refused: list[tuple[Entry, str]] = []
        middle = len(entries) // 2
        for part in (entries[:middle], entries[middle:]):
            try:
                self._append(table, part)
            except TableInvalid as error:
                refused += self._append_apart(table, part, str(error))
        return refused

    def _content(self, kept: Record) -> Content:
        """The texts; the files they point at are there before them."""
        content = decode_content(self.read(kept))
        for file in content.payloads:
            write_payload(self.open_storage, kept.job.payload_uri, file)
        return content


def write_payload(
    open_storage: Callable[[str], Storage], folder_uri: str, file: PayloadFile
) -> None:
    """Put the file into the folder, whole, unless it is there. Raises TableInvalid and
    TableUnavailable, as tables do. Blocks."""
    with storage_errors(folder_uri):
        storage = open_storage(folder_uri)
        path = f"{storage.root}/{file.name}"
        if storage.filesystem.get_file_info(path).is_file:
            return
        draft = storage.draft()
        try:
            with draft.filesystem.open_output_stream(draft.path) as sink:
                sink.write(file.data)
            storage.publish(draft, path)
        finally:
            draft.discard()


def _probe(table: Table) -> None:
    table.ensure()
    table.append_rows(())
    table.append_halves(())
