"""The write-ahead file of one replica: what was accepted and is not in its table yet.

Segments are files that are only appended to. A record is its length and the CRC-32 of its bytes,
then the bytes. A process that dies while it writes leaves a torn record at the end of a segment;
reading stops there, and every new process begins a new segment, so nothing good ever lies behind
something torn. A segment is deleted when everything in it is in its table.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from evaluation_operator.sampling.records import Place

_HEADER = struct.Struct("<II")
_SUFFIX = ".wal"
_SEED = 0x6576616C


def record_size(record: bytes) -> int:
    """Bytes that it takes in a segment."""
    return _HEADER.size + len(record)


class WriteAhead:
    """All of it blocks, and all but `read` and `size` belongs to one thread.

    Every method may raise OSError.
    """

    def __init__(self, folder: Path, *, segment_bytes: int) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._sizes: dict[int, int] = {}
        self._live: dict[int, int] = {}  # records that are not in their table yet
        self._active: int | None = None
        self._handle = -1
        self._next = 1

    @property
    def size(self) -> int:
        """Bytes on the disk."""
        return sum(list(self._sizes.values()))

    def replay(self) -> Iterator[tuple[Place, bytes]]:
        """Every whole record of earlier processes, in the order in which they were written."""
        self._folder.mkdir(parents=True, exist_ok=True)
        names = sorted(int(path.stem) for path in self._folder.glob(f"*{_SUFFIX}"))
        self._next = names[-1] + 1 if names else 1
        for segment in names:
            self._sizes[segment] = self._path(segment).stat().st_size
            self._live[segment] = 0
            yield from self._records(segment)
        self._collect(names)

    def write(self, records: Sequence[bytes], *, sync: bool) -> list[Place]:
        """Append all of them by one write, or none; with `sync` they are on the disk after it."""
        handle, segment, start = self._open()
        places, parts, offset = [], [], start
        for record in records:
            parts += [_HEADER.pack(len(record), _checksum(record)), record]
            places.append(Place(segment, offset + _HEADER.size, len(record)))
            offset += _HEADER.size + len(record)
        try:
            _write_all(handle, b"".join(parts))
            if sync:
                os.fdatasync(handle)
        except OSError:
            self._give_up(start)
            raise
        self._sizes[segment] = offset
        self._live[segment] += len(places)
        if offset >= self._segment_bytes:
            self._seal()
        return places

    def read(self, place: Place) -> bytes:
        """The bytes of a record, which must not have been released."""
        with self._path(place.segment).open("rb") as file:
            file.seek(place.offset)
            record = file.read(place.length)
        if len(record) < place.length:
            raise OSError(f"{self._path(place.segment)} ends within the record at {place.offset}")
        return record

    def release(self, places: Iterable[Place]) -> None:
        """These records are in their tables, or nobody wants them."""
        touched = set()
        for place in places:
            self._live[place.segment] -= 1
            touched.add(place.segment)
        self._collect(touched)

    def close(self) -> None:
        """Keeps every file that holds something."""
        self._seal()
        self._collect(list(self._live))

    def _records(self, segment: int) -> Iterator[tuple[Place, bytes]]:
        with self._path(segment).open("rb") as file:
            while len(header := file.read(_HEADER.size)) == _HEADER.size:
                length, checksum = _HEADER.unpack(header)
                place = Place(segment, file.tell(), length)
                if length > self._sizes[segment] - place.offset:
                    return
                record = file.read(length)
                if _checksum(record) != checksum:
                    return
                self._live[segment] += 1
                yield place, record

    def _open(self) -> tuple[int, int, int]:
        """The handle, number and size of the segment that takes the next records."""
        if self._active is None:
            segment = self._next
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND
            self._handle = os.open(self._path(segment), flags, 0o600)
            self._next += 1
            self._active = segment
            self._sizes[segment] = self._live[segment] = 0
            _sync_folder(self._folder)
        return self._handle, self._active, self._sizes[self._active]

    def _give_up(self, good: int) -> None:
        """After a failed write nobody knows what is on the disk behind `good`; a later sync may
        even say that all is well. So cut it off if possible, and never write behind it."""
        with suppress(OSError):
            os.ftruncate(self._handle, good)
        segment = self._active
        self._seal()
        if segment is not None:
            with suppress(OSError):
                self._collect([segment])

    def _seal(self) -> None:
        if self._active is not None:
            self._active = None
            os.close(self._handle)

    def _collect(self, segments: Iterable[int]) -> None:
        for segment in segments:
            if self._live.get(segment) == 0:
                if segment == self._active:
                    self._seal()
                self._path(segment).unlink(missing_ok=True)
                del self._live[segment], self._sizes[segment]

    def _path(self, segment: int) -> Path:
        return self._folder / f"{segment:012}{_SUFFIX}"


def _checksum(record: bytes) -> int:
    """Of a record and its length. Seeded, since the plain CRC of nothing is 0, and of four bytes
    of ones it is four bytes of ones: a torn file's filling must never pass for a record."""
    return zlib.crc32(record, _SEED ^ len(record))


def _write_all(handle: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
