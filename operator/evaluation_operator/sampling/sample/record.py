"""What is kept of a prediction until its rows are in their table, and how it stands on the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import orjson

from evaluation_operator.domain.sampled_job import SampledJob
from evaluation_operator.domain.schedule.grid import latest_run_time
from evaluation_operator.sampling.records import Place
from evaluation_operator.sampling.sample.payloads import PayloadFile
from evaluation_operator.sampling.sample.sifting import Item, Texts
from evaluation_operator.sampling.sample.threshold import Threshold
from evaluation_operator.tables.schema import to_microseconds

OVERHEAD_BYTES = 1024
"""What the objects of one kept half take in memory beside its bytes, rounded up."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LENGTH_BYTES = 4


def interval_start(job: SampledJob, at: datetime) -> datetime:
    """Where the job's interval begins that holds `at`: a run time, or its creation."""
    return latest_run_time(job.created, job.interval_days, at) or job.created


@dataclass(slots=True, eq=False)
class Record:
    """One half of a prediction, or all of it, for one job: the items that may be in the sample.

    `p`, `fraction` and `cap` are what its rows say. `threshold` is that of the interval which
    holds `stamp`. `body` is the record on the disk; None where only `place` leads to it.
    """

    job: SampledJob
    key: str
    event_id: str
    stamp: datetime
    has_request: bool
    has_response: bool
    item_count: int
    items: tuple[Item, ...]
    p: float
    fraction: float
    cap: int
    threshold: Threshold
    body: bytes | None = None
    place: Place | None = None
    is_done: bool = False

    @property
    def is_whole(self) -> bool:
        return self.has_request and self.has_response

    @property
    def bytes_held(self) -> int:
        """In memory."""
        return OVERHEAD_BYTES + (len(self.body) if self.body is not None else 0)

    @property
    def bytes_written(self) -> int:
        """What its rows take when they are written, wherever the record lies now."""
        if self.body is not None:
            return OVERHEAD_BYTES + len(self.body)
        assert self.place is not None
        return OVERHEAD_BYTES + self.place.length


@dataclass(frozen=True, slots=True)
class Content:
    """The texts of the kept items, in their order; None for the half that is not there."""

    time: datetime
    data: list[str] | None
    predictions: list[str] | None
    payloads: list[PayloadFile]


class _JobFields(NamedTuple):
    """A job in a record; times in microseconds since 1970."""

    namespace: str
    name: str
    uid: str
    model: str
    version: str
    created: int
    interval_days: int
    table_uri: str
    payload_uri: str


class _Fields(NamedTuple):
    """What a record says, as JSON. The bytes of `data`, `predictions` and `payloads` follow it in
    that order, and here are their lengths."""

    job: Sequence[str | int] | orjson.Fragment
    key: str
    event_id: str
    stamp: int
    item_count: int
    items: Sequence[Sequence[float]]
    p: float
    fraction: float
    cap: int
    time: int
    data: list[int] | None
    predictions: list[int] | None
    payloads: Sequence[tuple[str, int]]


def encode_job(job: SampledJob) -> orjson.Fragment:
    """The job as every record carries it: a record can be read when nothing else is known."""
    fields = _JobFields(
        namespace=job.namespace,
        name=job.name,
        uid=job.uid,
        model=job.model,
        version=job.version,
        created=to_microseconds(job.created),
        interval_days=job.interval_days,
        table_uri=job.table_uri,
        payload_uri=job.payload_uri,
    )
    return orjson.Fragment(orjson.dumps(tuple(fields)))


def encode(kept: Record, job: orjson.Fragment, time: datetime, texts: Texts) -> bytes:
    """The record; `time` of the prediction."""
    fields = _Fields(
        job=job,
        key=kept.key,
        event_id=kept.event_id,
        stamp=to_microseconds(kept.stamp),
        item_count=kept.item_count,
        items=kept.items,
        p=kept.p,
        fraction=kept.fraction,
        cap=kept.cap,
        time=to_microseconds(time),
        data=texts.data,
        predictions=texts.predictions,
        payloads=texts.files,
    )
    try:
        head = orjson.dumps(tuple(fields))
    except TypeError as error:
        raise ValueError(f"a text is not valid Unicode ({error})") from None
    length = len(head).to_bytes(_LENGTH_BYTES, "little")
    return b"".join((length, head, texts.body))


def decode_content(body: bytes) -> Content:
    """The texts and files of a record."""
    fields, start = _fields(body)

    def take(size: int) -> bytes:
        nonlocal start
        start += size
        return body[start - size : start]

    return Content(
        time=_time(fields.time),
        data=None if fields.data is None else [take(size).decode() for size in fields.data],
        predictions=None
        if fields.predictions is None
        else [take(size).decode() for size in fields.predictions],
        payloads=[PayloadFile(name, take(size)) for name, size in fields.payloads],
    )


def decode(
    body: bytes, place: Place, threshold_of: Callable[[SampledJob, datetime], Threshold]
) -> Record:
    """What stood in memory before the process ended; `threshold_of` a job, which has the settings
    that were in force, and a time gives the one to share."""
    fields, _ = _fields(body)
    job = _job(fields)
    stamp = _time(fields.stamp)
    return Record(
        job=job,
        key=fields.key,
        event_id=fields.event_id,
        stamp=stamp,
        has_request=fields.data is not None,
        has_response=fields.predictions is not None,
        item_count=fields.item_count,
        items=tuple((int(index), priority) for index, priority in fields.items),
        p=fields.p,
        fraction=fields.fraction,
        cap=fields.cap,
        threshold=threshold_of(job, stamp),
        body=body,
        place=place,
    )


def _fields(body: bytes) -> tuple[_Fields, int]:
    end = _LENGTH_BYTES + int.from_bytes(body[:_LENGTH_BYTES], "little")
    return _Fields(*orjson.loads(memoryview(body)[_LENGTH_BYTES:end])), end


def _time(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def _job(fields: _Fields) -> SampledJob:
    """As far as rows need it."""
    assert not isinstance(fields.job, orjson.Fragment)
    job = _JobFields(*fields.job)  # our own bytes, under a checksum
    return SampledJob(
        namespace=job.namespace,
        name=job.name,
        uid=job.uid,
        model=job.model,
        version=job.version,
        selector={},
        fraction=fields.fraction,
        cap=fields.cap,
        created=_time(job.created),
        interval_days=job.interval_days,
        table_uri=job.table_uri,
        payload_uri=job.payload_uri,
        is_sampling=False,
    )
