"""Where a run keeps what it cut and found: one folder a run, on files or on an object store.

A file appears whole or not at all: locally by a rename, on an object store because a PUT is
atomic. What is written last says that the rest is whole.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from evaluation_operator.api.table_address import shown_address
from evaluation_operator.api.table_schemes import RESULTS_OPENED
from evaluation_operator.results.ending import ending
from evaluation_operator.results.errors import InvalidRun, TableInvalid, Unavailable
from evaluation_operator.storage import errors as table_errors
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.storage.storage import open_storage

_CHUNK = 1 << 20


class Folder:
    """One folder; raises Unavailable, naming it, when the storage does not answer."""

    def __init__(self, filesystem: pafs.FileSystem, path: str, uri: str) -> None:
        self._filesystem = filesystem
        self._path = path.rstrip("/")
        self.uri = uri.rstrip("/")

    @classmethod
    def open(cls, uri: str, options: TableOptions) -> Folder:
        """A folder of `file://` or `s3://`; nothing is created before it is written to.

        Raises InvalidRun for another scheme, TableInvalid for an address that is not well formed
        or has no credentials, Unavailable where its host is not known now.
        """
        scheme = uri.partition("://")[0]
        if scheme not in RESULTS_OPENED:
            known = " or ".join(f"{it}://" for it in RESULTS_OPENED)
            raise InvalidRun(
                f"resultsUri: {shown_address(uri)}: results go to {known}; set spec.resultsUri to "
                "such an address"
            )
        try:
            storage = open_storage(uri, options)
        except (table_errors.TableInvalid, table_errors.AccessRefused) as error:
            raise TableInvalid(f"resultsUri: {error}") from error
        except (table_errors.TableError, OSError) as error:
            raise Unavailable(f"resultsUri: {error}") from error
        return cls(storage.filesystem, storage.root, uri)

    def child(self, *names: str) -> Folder:
        """A folder below this one."""
        return Folder(
            self._filesystem, "/".join((self._path, *names)), "/".join((self.uri, *names))
        )

    def children(self) -> list[str]:
        """Names of the folders directly below, sorted; none when this one does not exist."""
        selector = pafs.FileSelector(self._path, allow_not_found=True)
        try:
            found = self._filesystem.get_file_info(selector)
        except OSError as error:
            raise self._unavailable("list", error) from error
        return sorted(info.base_name for info in found if info.type == pafs.FileType.Directory)

    def sibling(self, name: str) -> Folder:
        """The folder of another run of the same job."""
        parent, uri = self._path.rpartition("/")[0], self.uri.rpartition("/")[0]
        return Folder(self._filesystem, f"{parent}/{name}", f"{uri}/{name}")

    def siblings(self) -> list[str]:
        """Names of all runs of the same job that have written something, this one included."""
        parent, uri = self._path.rpartition("/")[0], self.uri.rpartition("/")[0]
        return Folder(self._filesystem, parent, uri).children()

    @contextmanager
    def parquet(self, name: str) -> Iterator[pq.ParquetFile]:
        """A Parquet file of this folder, open to be read (results/parquet.py). What goes wrong with
        it within, as with the storage, is Unavailable."""
        try:
            with self._filesystem.open_input_file(self._at(name)) as source:
                yield pq.ParquetFile(source)
        except (OSError, pa.ArrowException) as error:
            raise self._unavailable(name, error) from error

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none. Raises Unavailable."""
        try:
            info = self._filesystem.get_file_info(self._at(name))
        except OSError as error:
            raise self._unavailable(name, error) from error
        return int(info.size) if info.type == pafs.FileType.File else None

    def remove(self, name: str) -> None:
        """A file that is there, for good before anything that is written after it."""
        try:
            if self.exists(name):
                with ending.waits():
                    self._filesystem.delete_file(self._at(name))
        except OSError as error:
            raise self._unavailable(name, error) from error

    def exists(self, name: str) -> bool:
        """Whether the file is there; a link is none, and writing puts the file in its place."""
        try:
            info = self._filesystem.get_file_info(self._at(name))
        except OSError as error:
            raise self._unavailable(name, error) from error
        return bool(info.type == pafs.FileType.File)

    def fetch(self, name: str, local: Path) -> None:
        """Copy a file of this folder to a local path."""
        try:
            with (
                self._filesystem.open_input_stream(self._at(name)) as source,
                local.open("wb") as target,
            ):
                while chunk := source.read(_CHUNK):
                    target.write(chunk)
        except OSError as error:
            raise self._unavailable(name, error) from error

    def store(self, local: Path, name: str) -> None:
        """Copy a local file into this folder, replacing one of that name as a whole."""

        def chunks() -> Iterator[bytes]:
            with local.open("rb") as source:
                while chunk := source.read(_CHUNK):
                    yield chunk

        self._write(name, chunks())

    def read_json(self, name: str, most_bytes: int | None = None) -> dict[str, Any]:
        """`most_bytes`: how much is read of a file that others write, before it is refused."""
        try:
            with self._filesystem.open_input_stream(self._at(name)) as source:
                content = source.read(None if most_bytes is None else most_bytes + 1)
            if most_bytes is not None and len(content) > most_bytes:
                raise OSError(f"it has more than {most_bytes} bytes, the most that are read")
            parsed = json.loads(content)
            if not isinstance(parsed, dict):
                raise ValueError("it is no JSON object")
        except (OSError, ValueError, RecursionError) as error:
            raise self._unavailable(name, error) from error
        return parsed

    def write_json(self, name: str, content: dict[str, Any]) -> None:
        text = json.dumps(content, indent=2, ensure_ascii=False, sort_keys=True)
        self._write(name, iter([text.encode() + b"\n"]))

    def delete(self) -> None:
        """The folder with all that is in it; nothing if it is gone."""
        try:
            if self._filesystem.get_file_info(self._path).type == pafs.FileType.Directory:
                self._filesystem.delete_dir(self._path)
        except OSError as error:
            raise self._unavailable("delete", error) from error

    def _write(self, name: str, chunks: Iterator[bytes]) -> None:
        is_local = not isinstance(self._filesystem, pafs.S3FileSystem)
        place = self._at(f".{name}.{uuid.uuid4().hex}" if is_local else name)

        def take_back() -> None:
            if is_local:  # What a bucket has not got whole, it does not show.
                self._filesystem.delete_file(place)

        try:
            with ending.waits(take_back):
                self._filesystem.create_dir(self._path, recursive=True)
                with self._filesystem.open_output_stream(place) as target:
                    for chunk in chunks:
                        target.write(chunk)
                if is_local:
                    self._filesystem.move(place, self._at(name))
        except OSError as error:
            raise self._unavailable(name, error) from error

    def _at(self, name: str) -> str:
        return f"{self._path}/{name}"

    def _unavailable(self, name: str, error: Exception) -> Unavailable:
        return Unavailable(
            f"resultsUri: {shown_address(self.uri)}/{name}: {error}; check that the storage is "
            "there and that the run may write to it"
        )


def run_folder(results_uri: str, job_uid: str, run: str, options: TableOptions) -> Folder:
    """The folder of one run: below its job's uid, so that a namesake never shares it."""
    return Folder.open(results_uri, options).child(job_uid, run)
