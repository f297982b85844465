"""Files of this machine, reached through no link: what every table and result of a folder goes by.

Who may write to a volume may put a symbolic link there, or a FIFO that nobody ever writes to, and
may do so between a check and the opening. So nothing is checked and then opened by its path: each
folder of a path is opened from the one above it, the file from its folder, and no opening follows
a link or waits. What this does not see are hard links and mounts: making one takes rights over
what it leads to.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import BinaryIO, Final, NoReturn

import pyarrow as pa
import pyarrow.fs as pafs

# To open what is below, a folder need not be one that we may list.
_STEP: Final = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW
_LIST: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
# Opening a FIFO waits for its other end, and a terminal takes over the process, unless told not to.
_FILE: Final = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_KINDS: Final = {
    stat.S_IFLNK: "a symbolic link, and links are not followed",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


class NotPlainError(OSError):
    """What stands where a file or folder should is a link, or something special."""

    def __init__(self, path: str, mode: int) -> None:
        super().__init__(f'"{path}" is {_KINDS.get(stat.S_IFMT(mode), "no regular file")}')


class PlainFiles(pafs.FileSystemHandler):  # type: ignore[misc]
    """Regular files and real folders below `/`, for `pyarrow.fs.PyFileSystem`.

    Who lists a folder finds links and special files with the type `Unknown`; opening one, or going
    through it, raises NotPlainError.
    """

    def get_type_name(self) -> str:
        return "plain-files"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PlainFiles)

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(PlainFiles)

    def normalize_path(self, path: str) -> str:
        return path

    def get_file_info(self, paths: Sequence[str]) -> list[pafs.FileInfo]:
        return [_info_at(path) for path in paths]

    def get_file_info_selector(self, selector: pafs.FileSelector) -> list[pafs.FileInfo]:
        if selector.recursive:
            _not_needed()
        base = selector.base_dir.rstrip("/")
        try:
            with _opened(base, _LIST) as folder, os.scandir(folder) as entries:
                return [_info(f"{base}/{name}", status) for name, status in _statuses(entries)]
        except FileNotFoundError:
            if selector.allow_not_found:
                return []
            raise

    def create_dir(self, path: str, recursive: bool) -> None:
        """A new folder is for the whole group of its parent: whoever writes next may be another
        user."""
        names = _names(path)
        for count in range(1 if recursive else len(names), len(names) + 1):
            _make_folder("/" + "/".join(names[:count]))

    def delete_dir(self, path: str) -> None:
        with _parent(path) as (folder, name):
            shutil.rmtree(name, dir_fd=folder)

    def delete_file(self, path: str) -> None:
        """Its name is off the disk when this returns: what is written next may depend on that."""
        with _parent(path) as (folder, name):
            os.unlink(name, dir_fd=folder)
        _sync(path.rpartition("/")[0])

    def move(self, source: str, target: str) -> None:
        """Rename a file, over one that is there. Its content is on the disk before its name is."""
        with _opened(source, os.O_RDONLY | _FILE) as file:
            os.fsync(file)
        with _parent(source) as (old, draft), _parent(target) as (new, name):
            os.replace(draft, name, src_dir_fd=old, dst_dir_fd=new)
        _sync(target.rpartition("/")[0])

    def open_input_file(self, path: str) -> pa.PythonFile:
        return pa.PythonFile(open_plain(path), mode="r")

    def open_input_stream(self, path: str) -> pa.PythonFile:
        return self.open_input_file(path)

    def open_output_stream(self, path: str, metadata: object = None) -> pa.PythonFile:
        handle = _open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _FILE)
        return pa.PythonFile(os.fdopen(handle, "wb"), mode="w")

    def open_append_stream(self, path: str, metadata: object = None) -> NoReturn:
        _not_needed()

    def copy_file(self, source: str, target: str) -> NoReturn:
        _not_needed()

    def delete_dir_contents(self, path: str, missing_dir_ok: bool = False) -> NoReturn:
        _not_needed()

    def delete_root_dir_contents(self) -> NoReturn:
        _not_needed()


def open_plain(path: str) -> BinaryIO:
    """The regular file at an absolute path, to be read; NotPlainError for anything else."""
    return os.fdopen(_open(path, os.O_RDONLY | _FILE), "rb")


def create_plain(path: str, mode: int) -> None:
    """A new, empty file of just these permissions, whatever the umask."""
    with _opened(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FILE) as file:
        os.fchmod(file, mode)


def _open(path: str, flags: int) -> int:
    """The descriptor of a regular file, or of a folder where the flags ask for one."""
    with _parent(path) as (folder, name):
        return _open_below(folder, name, path, flags)


@contextmanager
def _opened(path: str, flags: int) -> Iterator[int]:
    handle = _open(path, flags)
    try:
        yield handle
    finally:
        os.close(handle)


@contextmanager
def _parent(path: str) -> Iterator[tuple[int, str]]:
    """The descriptor of the folder that the path lies in, and its name there."""
    *above, name = _names(path) or ["."]
    folder = os.open("/", _STEP)
    try:
        for count, each in enumerate(above, 1):
            below = _open_below(folder, each, "/" + "/".join(above[:count]), _STEP)
            os.close(folder)
            folder = below
        yield folder, name
    finally:
        os.close(folder)


def _open_below(folder: int, name: str, path: str, flags: int) -> int:
    """One step down; the path is for messages. New files get what the umask leaves."""
    _check_kind(folder, name, path, flags)
    try:
        handle = os.open(name, flags | os.O_CLOEXEC, 0o666, dir_fd=folder)
    except OSError as error:
        # It was something else a moment ago.
        _check_kind(folder, name, path, flags)
        raise type(error)(error.errno, error.strerror, path) from None
    if not flags & os.O_DIRECTORY and not stat.S_ISREG(mode := os.fstat(handle).st_mode):
        os.close(handle)
        raise NotPlainError(path, mode)
    return handle


def _check_kind(folder: int, name: str, path: str, flags: int) -> None:
    """Refuse by name what the opening would refuse by a number, and a device before it is asked.
    A file in place of a folder is left to the opening."""
    with suppress(FileNotFoundError):
        mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
        is_fit = stat.S_ISREG(mode) or (flags & os.O_DIRECTORY and stat.S_ISDIR(mode))
        if not is_fit:
            raise NotPlainError(path, mode)


def _make_folder(path: str) -> None:
    with _parent(path) as (folder, name):
        try:
            os.mkdir(name, dir_fd=folder)
        except FileExistsError:
            with _opened(path, _STEP):  # or it is no folder
                return
    with _opened(path, _LIST) as made:
        os.fchmod(made, os.fstat(made).st_mode | stat.S_IWGRP)
    _sync(path.rpartition("/")[0])


def _sync(path: str) -> None:
    """Of a folder: the names in it are on the disk."""
    with _opened(path or "/", _LIST) as folder:
        os.fsync(folder)


def _names(path: str) -> list[str]:
    names = [name for name in path.split("/") if name]
    if not path.startswith("/") or "." in names or ".." in names:
        raise ValueError(f'"{path}" must be absolute, without . and ..')
    return names


def _info_at(path: str) -> pafs.FileInfo:
    try:
        with _parent(path) as (folder, name):
            return _info(path, os.stat(name, dir_fd=folder, follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return pafs.FileInfo(path, pafs.FileType.NotFound)


def _statuses(entries: Iterator[os.DirEntry[str]]) -> Iterator[tuple[str, os.stat_result]]:
    """Of what is still there when it is asked for."""
    for entry in entries:
        with suppress(FileNotFoundError):
            yield entry.name, entry.stat(follow_symlinks=False)


def _info(path: str, status: os.stat_result) -> pafs.FileInfo:
    time = datetime.fromtimestamp(status.st_mtime, UTC)
    if stat.S_ISDIR(status.st_mode):
        return pafs.FileInfo(path, pafs.FileType.Directory, mtime=time)
    is_file = stat.S_ISREG(status.st_mode)
    kind = pafs.FileType.File if is_file else pafs.FileType.Unknown
    return pafs.FileInfo(path, kind, size=status.st_size, mtime=time)


def _not_needed() -> NoReturn:
    raise NotImplementedError("nothing here needs it")
