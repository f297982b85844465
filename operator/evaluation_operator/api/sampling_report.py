"""What a replica of the sampler says of itself: JSON in an annotation of its Lease, for people."""

from __future__ import annotations

from pydantic import Field, ValidationError

from .base import Model, Timestamp


class JobReport(Model):
    """Of one job at one replica. `predictions` were seen: they are `offered` (some item may be in
    the sample, and both halves are there), `not_sampled`, `waiting` for their other half,
    `spilled` (their halves are written apart) or refused, see `job_reasons`. `sampled` are rows
    written: the sample is drawn from them. Of the newest responses `judged` were read, and
    `unreadable` of these no run will be able to read."""

    predictions: int = 0
    offered: int = 0
    not_sampled: int = 0
    waiting: int = 0
    spilled: int = 0
    items: int = 0
    sampled: int = 0
    judged: int = 0
    unreadable: int = 0


class ReasonReport(Model):
    """How often for one reason, and what was said the last time."""

    count: int = 0
    message: str = ""


class UnmatchedReport(Model):
    """Events that belong to no job, by what they say of their model."""

    model: str = ""
    version: str = ""
    reason: str = ""
    count: int = 0


class SamplingReport(Model):
    """Everything since the replica started. `refused`: requests that had no room; `pending`: halves
    that wait for their partner; `reasons`: what gave no row, of jobs and of none; `of_no_job`: what
    belongs to no job; `job_reasons`: predictions of a job that were refused; `job_unreadable`:
    items that were drawn and that a run will not be able to read; `omitted`: jobs that had no room
    here."""

    since: Timestamp | None = None
    refused: int = 0
    pending: int = 0
    unflushed_bytes: int = 0
    reasons: dict[str, int] = Field(default={})
    unmatched: list[UnmatchedReport] = Field(default=[])
    of_no_job: dict[str, ReasonReport] = Field(default={})
    jobs: dict[str, JobReport] = Field(default={})
    job_reasons: dict[str, dict[str, ReasonReport]] = Field(default={})
    job_unreadable: dict[str, dict[str, ReasonReport]] = Field(default={})
    table_errors: dict[str, str] = Field(default={})
    omitted: int = 0

    def to_text(self) -> str:
        return self.model_dump_json(by_alias=True, exclude_none=True, exclude_defaults=True)


def read_sampling_report(text: str) -> SamplingReport | None:
    """None for what no sampler has written."""
    try:
        return SamplingReport.model_validate_json(text)
    except ValidationError:
        return None
