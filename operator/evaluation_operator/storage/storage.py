"""Where the files of a table lie: a folder of this machine, or a bucket. One way to both.

Files are only ever added, and appear whole: on a disk by one rename of a finished file, in a
bucket by one PUT. Nothing here changes or deletes a file that readers can see.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote, urlsplit

import pyarrow.fs as pafs

from evaluation_operator.api.table_address import BUCKET, IP_LIKE_BUCKET, shown_address
from evaluation_operator.storage.errors import TableInvalid, TableUnavailable
from evaluation_operator.storage.hosts import resolve
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.storage.plain_files import NotPlainError, PlainFiles, create_plain

_S3_CONNECT_SECONDS = 10
_S3_REQUEST_SECONDS = 60
_DEEPEST = 32


@dataclass(frozen=True, slots=True)
class Draft:
    """A file that nobody sees yet: to be written, then published or discarded."""

    filesystem: pafs.FileSystem
    path: str

    def discard(self) -> None:
        """Nothing if it has been published, or discarded before."""
        with suppress(FileNotFoundError):
            self.filesystem.delete_file(self.path)


class Storage(Protocol):
    """`root` and all paths are those of `filesystem`."""

    filesystem: pafs.FileSystem
    root: str

    def make(self) -> bool:
        """Make the root; whether it was missing."""

    def draft(self) -> Draft:
        """A new, empty one; on this machine's disk."""

    def publish(self, draft: Draft, path: str) -> None:
        """Let readers see the finished draft, whole, under this path; its folder may be new."""


class LocalStorage:
    """A folder of this machine, most often a mounted volume. Links are followed neither on the
    way to it nor below it."""

    def __init__(self, root: str) -> None:
        self.filesystem = local_files()
        self.root = root

    def make(self) -> bool:
        is_missing = self.filesystem.get_file_info(self.root).type is pafs.FileType.NotFound
        self.filesystem.create_dir(self.root)
        return is_missing

    def draft(self) -> Draft:
        self.filesystem.create_dir(self.root)
        path = f"{self.root}/.draft-{secrets.token_hex(8)}.tmp"
        # Readers may be other users than the writer, who share the folder by its group.
        create_plain(path, 0o664)
        return Draft(self.filesystem, path)

    def publish(self, draft: Draft, path: str) -> None:
        self.filesystem.create_dir(path.rpartition("/")[0])
        self.filesystem.move(draft.path, path)


class S3Storage:
    """A bucket, or what begins with a prefix in one, entered as its credentials say.

    The SDK looks for an identity by itself only where it is the pod's or the user's own.
    """

    def __init__(self, root: str, options: TableOptions) -> None:
        access = options.credentials.for_bucket(root.partition("/")[0])
        if access.endpoint is not None and not access.is_ambient:
            place = urlsplit(access.endpoint)
            resolve(place.hostname or "", place.port)
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

    def make(self) -> bool:
        """A prefix needs no making, and a bucket is for its owner to make."""
        bucket = self.root.partition("/")[0]
        if self.filesystem.get_file_info(bucket).type is pafs.FileType.NotFound:
            raise TableInvalid(f'bucket "{bucket}" does not exist; create it, or correct the URI')
        return self.filesystem.get_file_info(self.root).type is pafs.FileType.NotFound

    def draft(self) -> Draft:
        handle, name = tempfile.mkstemp(suffix=".tmp", dir=self._temp_directory)
        os.close(handle)
        return Draft(pafs.LocalFileSystem(), name)

    def publish(self, draft: Draft, path: str) -> None:
        with (
            draft.filesystem.open_input_stream(draft.path) as source,
            self.filesystem.open_output_stream(path) as sink,
        ):
            shutil.copyfileobj(source, sink, 8 * 2**20)
        draft.discard()


def local_files() -> pafs.FileSystem:
    """This machine's files, through no link."""
    return pafs.PyFileSystem(PlainFiles())


def open_storage(uri: str, options: TableOptions) -> Storage:
    """The storage behind a `file://` or `s3://` URI; TableInvalid if it is not well formed,
    AccessRefused if no credentials are for its bucket."""
    parts = urlsplit(uri)
    path = unquote(parts.path).rstrip("/")
    if "?" in uri or "#" in uri or "@" in uri:
        # Not shown: what stands before an @ may be a secret.
        raise TableInvalid(
            f"uri: a {parts.scheme}:// table has no user, password, query or fragment; give scheme "
            "and path alone (an @ in a folder's name as %40), and credentials in a Secret"
        )
    if not unquote(uri).isprintable():
        raise TableInvalid(
            "uri: it has control characters or such as nobody sees; give the folder's own path"
        )
    if {".", ".."} & set(path.split("/")):
        raise TableInvalid(
            f'uri: {shown_address(uri)} holds ".." or "."; give the folder\'s own path'
        )
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
    by their names: what it does not want is not even listed.

    TableInvalid names what could hold rows but is neither file nor folder, such as a link, since
    rows are not skipped silently; and a folder that lies deeper than any table needs.
    """
    yield from _below(filesystem, folder, is_wanted, _DEEPEST)


def _below(
    filesystem: pafs.FileSystem, folder: str, is_wanted: Callable[[str], bool], depth: int
) -> Iterator[str]:
    if depth == 0:
        raise TableInvalid(
            f'folder "{folder}" lies deeper than {_DEEPEST} folders below the table; move it up, '
            "or begin its name with _"
        )
    selector = pafs.FileSelector(folder, allow_not_found=True)
    for info in sorted(filesystem.get_file_info(selector), key=lambda info: str(info.path)):
        if info.base_name.startswith(("_", ".")):
            continue
        if info.type is pafs.FileType.Directory:
            if is_wanted(info.base_name):
                yield from _below(filesystem, info.path, lambda _: True, depth - 1)
        elif info.type is pafs.FileType.Unknown:
            raise TableInvalid(
                f'"{info.path}" is a symbolic link or a special file, and no rows are read through '
                "one; put the file or folder itself there, or begin the name with _"
            )
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
    except NotPlainError as error:
        raise TableInvalid(f"{uri}: {error}; put the file or folder itself there") from error
    except (NotADirectoryError, FileExistsError) as error:
        raise TableInvalid(f"{uri}: {error}; give a folder") from error
    except OSError as error:
        raise TableUnavailable(f"{uri}: {error}; try again when it can be reached") from error
