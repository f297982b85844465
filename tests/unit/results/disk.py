"""A disk that loses what was not synced: what is left of a folder if the machine stops right now.

The real code writes real files. Beside them it is noted what has reached the disk for certain: of a
file its content at its last fsync, of a folder its names at its last fsync. Held descriptors keep
the number of a file that is gone from being given out again.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from evaluation_operator.storage import plain_files

Tree = dict[str, bytes]
"""Content by path below the folder."""


class Disk:
    """`images` are what is left after each change below `root`: of a process that is killed there,
    and of a machine that stops, whose disk may have the newest names, the oldest, or of the new
    ones the last alone."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images: list[tuple[str, Tree]] = []
        self._content: dict[int, bytes] = {}
        self._names: dict[int, dict[str, int]] = {}
        self._held: list[int] = []
        self._note_folder(os.open(root, os.O_RDONLY))

    @contextmanager
    def watched(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
        with monkeypatch.context() as patch:
            patch.setattr(plain_files, "os", _Watched(self))
            yield
        for handle in self._held:
            os.close(handle)

    def synced(self, handle: int) -> None:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            self._note_folder(os.open(f"/proc/self/fd/{handle}", os.O_RDONLY))
        else:
            self._held.append(os.dup(handle))
            self._content[status.st_ino] = Path(f"/proc/self/fd/{handle}").read_bytes()
        self.changed("fsync")

    def changed(self, what: str, path: Path | None = None) -> None:
        """`path`: what has a new name."""
        step = f"{len(self.images) // 4}: {what}"
        oldest = dict(self._oldest(self.root.stat().st_ino, ""))
        last = {} if path is None else {str(path.relative_to(self.root)): self._certain(path)}
        self.images += [
            (f"{step}, killed", self._now(self.root, lambda path: path.read_bytes())),
            (f"{step}, newest names", self._now(self.root, self._certain)),
            (f"{step}, oldest names", oldest),
            (f"{step}, last name", oldest | last),
        ]

    def _note_folder(self, handle: int) -> None:
        self._held.append(handle)
        found: dict[str, int] = {}
        for name in os.listdir(handle):
            status = os.stat(name, dir_fd=handle)
            if stat.S_ISDIR(status.st_mode):
                self._names.setdefault(status.st_ino, {})
            self._held.append(os.open(name, os.O_RDONLY, dir_fd=handle))
            found[name] = status.st_ino
        self._names[os.fstat(handle).st_ino] = found

    def _now(self, folder: Path, content: Callable[[Path], bytes]) -> Tree:
        files = (path for path in sorted(folder.rglob("*")) if path.is_file())
        return {str(path.relative_to(folder)): content(path) for path in files}

    def _certain(self, path: Path) -> bytes:
        return self._content.get(path.stat().st_ino, b"")

    def _oldest(self, number: int, path: str) -> Iterator[tuple[str, bytes]]:
        for name, inner in self._names.get(number, {}).items():
            if inner in self._names:
                yield from self._oldest(inner, f"{path}{name}/")
            else:
                yield f"{path}{name}", self._content.get(inner, b"")


class _Watched:
    """The module os, as plain_files sees it."""

    def __init__(self, disk: Disk) -> None:
        self._disk = disk

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def fsync(self, handle: int) -> None:
        self._disk.synced(handle)

    def open(self, path: str, flags: int, *more: Any, **named: Any) -> int:
        handle = os.open(path, flags, *more, **named)
        if flags & os.O_TRUNC:
            self._disk.changed(f"begin {path}", Path(f"/proc/self/fd/{handle}").readlink())
        return handle

    def replace(self, source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        os.replace(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        folder = Path(f"/proc/self/fd/{dst_dir_fd}").readlink()
        self._disk.changed(f"rename to {target}", folder / target)

    def unlink(self, *arguments: Any, **more: Any) -> None:
        os.unlink(*arguments, **more)
        self._disk.changed(f"remove {arguments[0]}")

    def mkdir(self, *arguments: Any, **more: Any) -> None:
        os.mkdir(*arguments, **more)
        self._disk.changed(f"make {arguments[0]}")


def write_tree(tree: Tree, folder: Path) -> None:
    for name, content in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
