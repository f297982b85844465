"""Large values become files, and rows point at them."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from evaluation_operator.bodies.values import Json
from evaluation_operator.sampling.records import Reason
from evaluation_operator.sampling.sample.payloads import (
    PayloadFile,
    PayloadTooLarge,
    Sizes,
    sniff,
    take_payloads,
)
from evaluation_operator.sampling.store.writing import write_payload
from evaluation_operator.storage.options import TableOptions
from evaluation_operator.storage.storage import Storage, open_storage
from tests.unit.sampling.virtual import ids_of, make_job, rows_of, running, text_of, whole

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
SIZES = Sizes(least=50, most=1000)


def coded(data: bytes) -> Json:
    return {"b64": base64.b64encode(data).decode()}


def opened(uri: str) -> Storage:
    return open_storage(uri, TableOptions())


def test_a_large_value_anywhere_is_replaced_and_a_small_one_stays() -> None:
    small = coded(b"tiny")
    instance: Json = {"image": coded(PNG), "more": [small, {"deep": coded(PNG)}], "text": "b64"}
    found, files = take_payloads(instance, "s3://b/p/", SIZES)
    name = f"{hashlib.sha256(PNG).hexdigest()}.png"
    pointer = {"uri": f"s3://b/p/{name}", "mimeType": "image/png", "sizeBytes": len(PNG)}
    assert found == {"image": pointer, "more": [small, {"deep": pointer}], "text": "b64"}
    assert files == [PayloadFile(name, PNG)] * 2


@pytest.mark.parametrize(
    "value",
    [
        {"b64": "no base64! " * 20},
        {"b64": "A" * 101},
        {"b64": 7},
        {"b64": base64.b64encode(PNG).decode(), "more": 1},
        base64.b64encode(PNG).decode(),
    ],
)
def test_what_is_no_binary_value_stays_as_it_is(value: Json) -> None:
    assert take_payloads({"image": value}, "s3://b", SIZES) == ({"image": value}, [])


def test_a_value_beyond_the_bound_is_refused_by_its_size() -> None:
    with pytest.raises(PayloadTooLarge, match="at most 1000 bytes"):
        take_payloads(coded(bytes(1100)), "s3://b", SIZES)


def test_nesting_beyond_all_sense_does_no_harm() -> None:
    value = coded(PNG)
    for _ in range(900):
        value = [value]
    assert take_payloads(value, "s3://b", SIZES) == (value, [])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\xff\xd8\xff\xe0", ("image/jpeg", "jpeg")),
        (b"GIF89a", ("image/gif", "gif")),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", ("image/webp", "webp")),
        (b"RIFF\x00\x00\x00\x00WAVE", ("application/octet-stream", "bin")),
        (b"BM", ("image/bmp", "bmp")),
        (b"II*\x00", ("image/tiff", "tiff")),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", ("application/octet-stream", "bin")),
        (b"<html><script>", ("application/octet-stream", "bin")),
        (b"", ("application/octet-stream", "bin")),
    ],
)
def test_the_type_is_what_the_bytes_say_and_never_executable(
    data: bytes, expected: tuple[str, str]
) -> None:
    assert sniff(data) == expected


def test_writing_a_file_twice_leaves_the_first_alone(tmp_path: Path) -> None:
    uri = f"file://{tmp_path}/table/_payloads"
    write_payload(opened, uri, PayloadFile("a.png", PNG))
    written = (tmp_path / "table/_payloads/a.png").stat()
    write_payload(opened, uri, PayloadFile("a.png", PNG))
    (path,) = (tmp_path / "table/_payloads").iterdir()
    assert path.read_bytes() == PNG
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (written.st_ino, written.st_mtime_ns)


async def test_a_row_points_at_the_file_that_was_sent(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    half = whole("e", instances=({"image": coded(PNG)},))
    async with running(tmp_path / "wal", [job], payload_sizes=SIZES) as replica:
        await replica.give(half)
        assert await replica.sampler.drain()
    (row,) = rows_of(job)
    pointer = text_of(row, "raw_data")["instances"][0]["image"]  # type: ignore[call-overload,index]
    assert Path(pointer["uri"].removeprefix("file://")).read_bytes() == PNG  # type: ignore[call-overload,index,union-attr]


async def test_an_item_with_too_large_a_value_is_counted_and_gives_no_row(tmp_path: Path) -> None:
    job = make_job(tmp_path)
    half = whole("e", instances=({"image": coded(PNG)},))
    async with running(tmp_path / "wal", [job], payload_sizes=Sizes(50, 60)) as replica:
        await replica.give(half)
        assert await replica.sampler.drain()
        assert replica.sampler.counts.reasons[Reason.UNREADABLE] == 1
    assert ids_of(job) == []
