"""Whatever was written whole is read again, and nothing else is."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation_operator.sampling.store.wal import WriteAhead

RECORDS = [b"one", b"", b"three" * 100]


def opened(folder: Path, segment_bytes: int = 2**20) -> WriteAhead:
    wal = WriteAhead(folder, segment_bytes=segment_bytes)
    assert list(wal.replay()) == []
    return wal


def found(folder: Path) -> list[bytes]:
    return [record for _, record in WriteAhead(folder, segment_bytes=2**20).replay()]


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.wal"))


def test_records_come_back_in_order_and_can_be_read_by_their_place(tmp_path: Path) -> None:
    wal = opened(tmp_path)
    places = wal.write(RECORDS[:2], sync=True) + wal.write(RECORDS[2:], sync=False)
    assert [wal.read(place) for place in places] == RECORDS
    assert found(tmp_path) == RECORDS


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(0, 60), filling=st.sampled_from([b"", b"\x00", b"\xff"]))
def test_a_torn_end_is_dropped_and_nothing_before_it(
    tmp_path_factory: pytest.TempPathFactory, cut: int, filling: bytes
) -> None:
    folder = tmp_path_factory.mktemp("wal")
    wal = opened(folder)
    records = [bytes([number]) * number for number in range(1, 6)]
    places = wal.write(records, sync=False)
    wal.close()
    (segment,) = segments(folder)
    whole = segment.read_bytes()
    end = max(len(whole) - cut, 0)
    segment.write_bytes(whole[:end] + filling * cut)
    good = [r for r, place in zip(records, places, strict=True) if place.offset + len(r) <= end]
    assert found(folder) == good


def test_a_new_process_never_writes_behind_a_torn_end(tmp_path: Path) -> None:
    wal = opened(tmp_path)
    wal.write(RECORDS, sync=False)
    wal.close()
    (segment,) = segments(tmp_path)
    segment.write_bytes(segment.read_bytes()[:-1])
    again = WriteAhead(tmp_path, segment_bytes=2**20)
    assert len(list(again.replay())) == 2
    again.write([b"new"], sync=False)
    assert found(tmp_path) == [b"one", b"", b"new"]


def test_a_segment_goes_when_everything_in_it_is_released(tmp_path: Path) -> None:
    wal = opened(tmp_path, segment_bytes=100)
    first = wal.write([b"a" * 60, b"b" * 60], sync=False)
    second = wal.write([b"c"], sync=False)
    assert len(segments(tmp_path)) == 2
    wal.release(first[:1])
    assert len(segments(tmp_path)) == 2
    wal.release(first[1:])
    assert found(tmp_path) == [b"c"]
    wal.release(second)
    assert segments(tmp_path) == []
    assert wal.size == 0
    wal.write([b"d"], sync=False)
    assert found(tmp_path) == [b"d"]


def test_files_of_earlier_processes_without_a_record_go_at_once(tmp_path: Path) -> None:
    (tmp_path / "000000000007.wal").write_bytes(b"torn")
    wal = opened(tmp_path)
    assert segments(tmp_path) == []
    assert wal.write([b"x"], sync=False)[0].segment == 8


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_after_a_failure_what_was_there_stays_and_what_failed_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    wal = opened(tmp_path)
    wal.write([b"before"], sync=True)
    write = os.write

    def full(handle: int, data: bytes = b"") -> int:
        if call == "write" and len(data) > 4:
            return write(handle, data[:4])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(OSError, match="No space"):
            wal.write([b"failed"], sync=True)
    wal.write([b"after"], sync=True)
    assert found(tmp_path) == [b"before", b"after"]
