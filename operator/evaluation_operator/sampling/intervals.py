"""A job as the sampler samples for it: its settings, its interval, and what it keeps of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import orjson

from evaluation_operator.domain.schedule.grid import next_run_time
from evaluation_operator.sampling.kept import Item, encode_job, interval_start
from evaluation_operator.sampling.records import Half, SampledJob
from evaluation_operator.sampling.threshold import Threshold
from evaluation_operator.tables.sample import item_priority

ThresholdOf = Callable[[SampledJob, datetime], Threshold]
"""The one of a job (uid) and of the interval that begins then; new if there was none."""


class JobState:
    """What changes of a job from event to event."""

    def __init__(self, job: SampledJob, threshold_of: ThresholdOf, now: datetime) -> None:
        self._threshold_of = threshold_of
        self.job = job
        self.encoded: orjson.Fragment = encode_job(job)
        self._enter(now)

    def update(self, job: SampledJob, now: datetime) -> None:
        """New settings of the job: stricter ones hold at once, others from the next interval."""
        self.job = job
        self.encoded = encode_job(job)
        self._enter(now)

    def roll(self, now: datetime) -> bool:
        """Enter the interval that holds `now`; whether it is another one."""
        if now < self.interval_end:
            return False
        self._enter(now)
        return True

    def choose(self, half: Half, count: int, now: datetime, near_border: timedelta) -> list[Item]:
        """The items that may be in the sample. Until `near_border` of the interval's end, what
        this interval has seen says enough about a half: then its partner may fall into the next
        one, of which nothing is known but the fraction."""
        self.roll(now)
        threshold = self.threshold
        bound = threshold.bound
        is_half = half.instances is None or half.predictions is None
        if is_half and now >= self.interval_end - near_border:
            bound = threshold.fraction
        uid, fraction, event_id = self.job.uid, half.source_fraction, half.event_id
        return [
            (index, priority)
            for index in range(count)
            if (priority := item_priority(uid, f"{event_id}/{index}") * fraction) < bound
        ]

    def _enter(self, now: datetime) -> None:
        job = self.job
        self.interval_start = interval_start(job, now)
        self.interval_end = next_run_time(job.created, job.interval_days, now)
        self.threshold = self._threshold_of(job, self.interval_start)
        self.threshold.tighten(job.fraction, job.cap)
