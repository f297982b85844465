"""Where values, texts and bounds of a record begin and end, to the byte."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from evaluation_operator.bodies.limits import ASIDE, Bounds
from evaluation_operator.bodies.values import Json, TooMuch
from evaluation_operator.domain.sampled_job import SampledJob
from evaluation_operator.sampling.records import Half, Place, Reason, Refused
from evaluation_operator.sampling.sample.pairing import Met, Waiting
from evaluation_operator.sampling.sample.payloads import (
    PayloadTooLarge,
    Sizes,
    sniff,
    take_payloads,
)
from evaluation_operator.sampling.sample.record import (
    Record,
    decode,
    decode_content,
    encode,
    encode_job,
)
from evaluation_operator.sampling.sample.sifting import Draw, Drawn, Texts, sift
from evaluation_operator.sampling.sample.threshold import Threshold
from evaluation_operator.tables.sample import item_priority

SIZES = Sizes(least=50, most=1000)
TIME = datetime(2026, 3, 2, 9, 0, 0, 1, tzinfo=UTC)
JOB = SampledJob(
    namespace="fruit",
    name="ripeness",
    uid="uid",
    model="ripeness",
    version="v1",
    selector={},
    fraction=0.5,
    cap=7,
    created=TIME,
    interval_days=3,
    table_uri="file:///table",
    payload_uri="file:///table/_payloads",
    is_sampling=False,
)
WHOLE = Texts([3, 2], [1, 4], (("a.bin", 5),), b"abcdexyyyyfile!")
"""Two items: `abc` and `de`, predicted `x` and `yyyy`, and a file."""


def coded(size: int) -> Json:
    return {"b64": base64.b64encode(bytes(size)).decode()}


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"\xff\xd8\xff", "jpeg"),
        (b"GIF87a", "gif"),
        (b"GIF89a", "gif"),
        (b"BM", "bmp"),
        (b"II*\x00", "tiff"),
        (b"MM\x00*", "tiff"),
        (b"RIFF1234WEBP", "webp"),
    ],
)
def test_a_file_is_known_by_how_it_begins(start: bytes, kind: str) -> None:
    assert sniff(start + b"more") == (f"image/{kind}", kind)
    assert sniff(b" " + start) == ("application/octet-stream", "bin")


def test_a_value_becomes_a_file_from_its_least_size_on() -> None:
    for size, is_file in ((45, False), (51, True), (1000, True)):
        _, files = take_payloads(coded(size), "s3://b", SIZES)
        assert bool(files) == is_file, size
    with pytest.raises(PayloadTooLarge, match="a value of 1005 bytes in base64 is too large"):
        take_payloads(coded(1003), "s3://b", SIZES)


def test_values_are_looked_for_64_levels_deep() -> None:
    def nested(levels: int) -> Json:
        value: Json = coded(100)
        for _ in range(levels):
            value = [value]
        return value

    assert len(take_payloads(nested(64), "s3://b", SIZES)[1]) == 1
    assert take_payloads(nested(65), "s3://b", SIZES) == (nested(65), [])


def test_a_pointer_to_a_file_has_one_slash_whatever_the_folder_ends_with() -> None:
    for folder in ("s3://b/boXX", "s3://b/boXX/", "s3://b/boXX//"):
        found, [file] = take_payloads(coded(100), folder, SIZES)
        assert isinstance(found, dict)
        assert found["uri"] == f"s3://b/boXX/{file.name}"


def test_of_a_body_the_texts_of_some_items_are_picked_with_all_files() -> None:
    assert WHOLE.pick([1]) == Texts([2], [4], (("a.bin", 5),), b"deyyyyfile!")
    one_side = Texts(None, [1, 4], (), b"xyyyy")
    assert one_side.pick([1]) == Texts(None, [4], (), b"yyyy")


def test_a_refusal_stays_when_the_bound_is_tightened() -> None:
    refusal = Refused(Reason.UNREADABLE, "why")
    drawn = Drawn(0.5, ((0, 0.1), (1, 0.4)), WHOLE, refusal)
    assert drawn.tightened(0.4) == Drawn(0.4, ((0, 0.1),), WHOLE.pick([0]), refusal)


def draw(below: float, *, least: int = 10_000) -> Draw:
    return Draw("uid", below, "file:///payloads", Sizes(least, 100_000))


def test_an_item_at_the_bound_is_not_drawn() -> None:
    half = Half("key", "e", instances=(1,), predictions=(1,))
    priority = item_priority("uid", "e/0")
    assert sift(half, [draw(priority)], ASIDE).drawn["uid"].items == ()
    assert sift(half, [draw(priority * 1.0001)], ASIDE).drawn["uid"].items == ((0, priority),)
    threshold = Threshold(0.5, 3)
    assert (threshold.admits(0.5), threshold.admits(0.4999)) == (False, True)


def test_an_id_that_is_no_unicode_is_refused() -> None:
    half = Half("key", "e\ud800", instances=(1,), predictions=(1,))
    refused = sift(half, [draw(1.0)], ASIDE).drawn["uid"].refusal
    assert refused == Refused(Reason.ID_INVALID, "id: not valid Unicode")


def bounds(**changes: int) -> Bounds:
    return replace(ASIDE, **changes)


def test_the_texts_of_all_jobs_together_are_bounded() -> None:
    """What the first of them takes the second has not got."""
    half = Half("key", "e", instances=("x" * 100,), predictions=("y" * 100,))
    [one] = sift(half, [draw(1.0)], ASIDE).drawn.values()
    size = len(one.texts.body)
    both = [draw(1.0), draw(1.0)._replace(uid="other")]
    sift(half, both, bounds(text_bytes=2 * size))
    with pytest.raises(TooMuch, match=f"rows of more than {size - 1} bytes"):
        sift(half, both, bounds(text_bytes=2 * size - 1))


def test_files_count_as_texts_do() -> None:
    instances: tuple[Json, ...] = tuple({"image": coded(1000 + number)} for number in range(3))
    half = Half("key", "e", instances=instances, predictions=(1, 1, 1))
    [one] = sift(half, [draw(1.0, least=50)], ASIDE).drawn.values()
    assert [size for _, size in one.texts.files] == [1000, 1001, 1002]
    total = len(one.texts.body)
    sift(half, [draw(1.0, least=50)], bounds(text_bytes=total))
    with pytest.raises(TooMuch):
        sift(half, [draw(1.0, least=50)], bounds(text_bytes=total - 1))


def record(**changes: object) -> Record:
    made = Record(
        job=JOB,
        key="key",
        event_id="e",
        stamp=TIME + timedelta(seconds=1),
        has_request=True,
        has_response=True,
        item_count=3,
        items=((0, 0.25), (2, 0.125)),
        p=0.5,
        fraction=0.5,
        cap=7,
        threshold=Threshold(0.5, 7),
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    "texts",
    [WHOLE, Texts([3, 2], None, (), b"abcde"), Texts(None, [1, 4], (), b"xyyyy")],
    ids=["whole", "request", "response"],
)
def test_a_record_comes_back_from_the_disk_as_it_was(texts: Texts) -> None:
    sides = {"has_request": texts.data is not None, "has_response": texts.predictions is not None}
    kept = record(**sides)
    body = encode(kept, encode_job(JOB), TIME, texts)
    place, threshold = Place(1, 2, len(body)), Threshold(0.5, 7)

    found = decode(body, place, lambda job, time: threshold)
    assert found.is_whole == all(sides.values())
    for name in Record.__slots__:
        want = {"body": body, "place": place, "threshold": threshold}.get(name, getattr(kept, name))
        assert getattr(found, name) == want, name
    content = decode_content(body)
    assert content.time == TIME
    assert content.data == (["abc", "de"] if texts.data else None)
    assert content.predictions == (["x", "yyyy"] if texts.predictions else None)
    assert [(it.name, it.data) for it in content.payloads] == (
        [("a.bin", b"file!")] if texts.files else []
    )


def test_a_record_whose_texts_no_json_holds_says_so() -> None:
    with pytest.raises(ValueError, match=r"a text is not valid Unicode \(.*surrogates"):
        encode(record(event_id="\ud800"), orjson.Fragment(b"[]"), TIME, WHOLE)


def test_of_what_waits_the_size_is_that_of_what_still_waits() -> None:
    waiting = Waiting()
    request = record(has_response=False, body=b"x" * 100)
    other = record(has_response=False, key="other", body=b"x" * 10)
    for one in (request, other):
        assert waiting.meet(one).met is Met.NOBODY
    size = waiting.size
    waiting.shrink(request, 30)
    assert waiting.size == size - 30
    waiting.shrink(record(has_response=False, key="gone"), 30)
    assert waiting.size == size - 30, "it does not wait here"
