"""Where the files of a table lie: a folder of this machine, or a bucket. One way to both.

Files are only ever added, and appear whole: on a disk by one rename of a finished file, in a
bucket by one PUT. Nothing here changes or deletes a file that readers can see.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import pyarrow.fs as pafs
from fsspec.implementations.arrow import ArrowFSWrapper  # type: ignore[import-untyped]

from evaluation_operator.api.table_address import BUCKET, IP_LIKE_BUCKET, shown_address
from evaluation_operator.tables.errors import TableInvalid, TableUnavailable
from evaluation_operator.tables.protocol import TableOptions

_S3_CONNECT_SECONDS = 10
_S3_REQUEST_SECONDS = 60


class Storage(Protocol):
    """`root` and all paths are those of `filesystem`; DuckDB calls them by `address`."""

    filesystem: pafs.FileSystem
    root: str

    def address(self, path: str) -> str: ...

    def make(self) -> bool:
        """Make the root; whether it was missing."""

    def draft(self) -> Path:
        """A new file on this machine's disk, to be written and published."""

    def publish(self, draft: Path, path: str) -> None:
        """Let readers see the finished draft, whole, under this path; its folder may be new."""

    def engine_filesystem(self) -> ArrowFSWrapper | None:
        """What DuckDB needs to read the addresses; None for what it can read itself."""


class LocalStorage:
    """A folder of this machine, most often a mounted volume."""

    def __init__(self, root: str) -> None:
        self.filesystem = pafs.LocalFileSystem()
        self.root = root

    def address(self, path: str) -> str:
        return path

    def make(self) -> bool:
        is_missing = not Path(self.root).exists()
        Path(self.root).mkdir(parents=True, exist_ok=True)
        return is_missing

    def draft(self) -> Path:
        Path(self.root).mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".draft-", suffix=".tmp", dir=self.root)
        # Readers may be other users than the writer, who share the folder by its group.
        os.fchmod(handle, 0o664)
        os.close(handle)
        return Path(name)

    def publish(self, draft: Path, path: str) -> None:
        folder = Path(path).parent
        _make_shared(folder)
        _sync(draft)
        draft.replace(path)
        _sync(folder)

    def engine_filesystem(self) -> None:
        return None


class _S3ForDuckDB(ArrowFSWrapper):  # type: ignore[misc]
    """DuckDB's own S3 support is an extension that it would have to download, and asks for as soon
    as it hears `s3://`; so that it does not, buckets have another name there."""

    protocol = "bucket"

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.removeprefix(f"{cls.protocol}://")


class S3Storage:
    """A bucket, or what begins with a prefix in one, entered as its credentials say.

    The SDK looks for an identity by itself only where it is the pod's or the user's own.
    """

    def __init__(self, root: str, options: TableOptions) -> None:
        access = options.credentials.for_bucket(root.partition("/")[0])
        self.filesystem = pafs.S3FileSystem(
            access_key=access.access_key,
            secret_key=access.secret_key,
            session_token=access.session_token,
            anonymous=access.access_key is None and not access.is_ambient,
            region=access.region,
            endpoint_override=access.endpoint,
            tls_ca_file_path=None if access.ca_file is None else str(access.ca_file),
            connect_timeout=_S3_CONNECT_SECONDS,
            request_timeout=_S3_REQUEST_SECONDS,
        )
        self.root = root
        self._temp_directory = options.temp_directory

    def address(self, path: str) -> str:
        return f"{_S3ForDuckDB.protocol}://{path}"

    def make(self) -> bool:
        """A prefix needs no making, and a bucket is for its owner to make."""
        bucket = self.root.partition("/")[0]
        if self.filesystem.get_file_info(bucket).type is pafs.FileType.NotFound:
            raise TableInvalid(f'bucket "{bucket}" does not exist; create it, or correct the URI')
        return self.filesystem.get_file_info(self.root).type is pafs.FileType.NotFound

    def draft(self) -> Path:
        handle, name = tempfile.mkstemp(suffix=".tmp", dir=self._temp_directory)
        os.close(handle)
        return Path(name)

    def publish(self, draft: Path, path: str) -> None:
        with draft.open("rb") as source, self.filesystem.open_output_stream(path) as sink:
            shutil.copyfileobj(source, sink, 8 * 2**20)
        draft.unlink()

    def engine_filesystem(self) -> ArrowFSWrapper:
        return _S3ForDuckDB(self.filesystem)


def open_storage(uri: str, options: TableOptions) -> Storage:
    """The storage behind a `file://` or `s3://` URI; TableInvalid if it is not well formed, or
    if no credentials are for its bucket."""
    parts = urlsplit(uri)
    path = unquote(parts.path).rstrip("/")
    if "?" in uri or "#" in uri or "@" in uri:
        # Not shown: what stands before an @ may be a secret.
        raise TableInvalid(
            f"uri: a {parts.scheme}:// table has no user, password, query or fragment; give scheme "
            "and path alone (an @ in a folder's name as %40), and credentials in a Secret"
        )
    if ".." in path.split("/"):
        raise TableInvalid(f'uri: "{uri}" holds ".."; give the folder\'s own path')
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost") or not path.startswith("/"):
            raise TableInvalid("uri: it names no folder; write file:///path/of/the/table")
        return LocalStorage(path)
    bucket = parts.netloc
    if not re.fullmatch(BUCKET, bucket) or ".." in bucket or re.match(IP_LIKE_BUCKET, bucket):
        raise TableInvalid(
            "uri: it names no bucket, which has 3 to 63 small letters, digits, dots and hyphens "
            "and is no IP address; write s3://bucket/prefix"
        )
    try:
        return S3Storage(bucket + path, options)
    except OSError as error:
        raise TableUnavailable(f"{shown_address(uri)}: {error}") from error


def list_parquet(
    filesystem: pafs.FileSystem, folder: str, is_wanted: Callable[[str], bool] = lambda _: True
) -> Iterator[str]:
    """Every `*.parquet` below the folder, in order, but for what `_` or `.` begins: labels,
    results, drafts. A missing folder holds none. `is_wanted` judges the folders directly below
    by their names: what it does not want is not even listed."""
    selector = pafs.FileSelector(folder, allow_not_found=True)
    for info in sorted(filesystem.get_file_info(selector), key=lambda info: str(info.path)):
        if info.base_name.startswith(("_", ".")):
            continue
        if info.type is pafs.FileType.Directory:
            if is_wanted(info.base_name):
                yield from list_parquet(filesystem, info.path)
        elif info.base_name.endswith(".parquet"):
            yield info.path


@contextmanager
def storage_errors(uri: str) -> Iterator[None]:
    """What the file system refuses, as an error of the table that names it."""
    uri = shown_address(uri)
    try:
        yield
    except PermissionError as error:
        raise TableInvalid(f"{uri}: {error}; let this user read and write there") from error
    except (NotADirectoryError, FileExistsError) as error:
        raise TableInvalid(f"{uri}: {error}; give a folder") from error
    except OSError as error:
        raise TableUnavailable(f"{uri}: {error}; try again when it can be reached") from error


def _make_shared(folder: Path) -> None:
    """The folder, for the whole group of its parent: whoever writes next may be another user."""
    if folder.exists():
        return
    _make_shared(folder.parent)
    folder.mkdir(exist_ok=True)
    with suppress(PermissionError):  # another writer was first, and has done so
        folder.chmod(folder.stat().st_mode | stat.S_IWGRP)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
