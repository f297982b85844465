"""The jobs as the sampler samples for them: their settings, their intervals, and the bounds of
those."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

import orjson

from evaluation_operator.domain.sampled_job import SampledJob
from evaluation_operator.domain.schedule.grid import next_run_time
from evaluation_operator.results.errors import InvalidRun
from evaluation_operator.sampling.sample.options import SamplerOptions
from evaluation_operator.sampling.sample.record import encode_job, interval_start
from evaluation_operator.sampling.sample.sifting import Draw
from evaluation_operator.sampling.sample.threshold import Threshold
from evaluation_operator.tasks.items import RowReader
from evaluation_operator.tasks.registry import kind_of

ThresholdOf = Callable[[SampledJob, datetime], Threshold]
"""The one of a job (uid) and of the interval that begins then; new if there was none."""


class JobState:
    """What changes of a job from event to event."""

    def __init__(self, job: SampledJob, threshold_of: ThresholdOf, now: datetime) -> None:
        self._threshold_of = threshold_of
        self.update(job, now)

    def update(self, job: SampledJob, now: datetime) -> None:
        """New settings of the job: stricter ones hold at once, others from the next interval."""
        self.job = job
        self.encoded: orjson.Fragment = encode_job(job)
        self.reader = _reader_of(job)
        self._enter(now)

    def roll(self, now: datetime) -> bool:
        """Enter the interval that holds `now`; whether it is another one."""
        if now < self.interval_end:
            return False
        self._enter(now)
        return True

    def bound(self, now: datetime, near_border: timedelta, *, is_whole: bool) -> float:
        """Items below it may be in the sample. Until `near_border` of the interval's end, what
        this interval has seen says enough about a half: then its partner may fall into the next
        one, of which nothing is known but the fraction."""
        self.roll(now)
        if not is_whole and now >= self.interval_end - near_border:
            return self.threshold.fraction
        return self.threshold.bound

    def _enter(self, now: datetime) -> None:
        job = self.job
        self.interval_start = interval_start(job, now)
        self.interval_end = next_run_time(job.created, job.interval_days, now)
        self.threshold = self._threshold_of(job, self.interval_start)
        self.threshold.tighten(job.fraction, job.cap)


def _reader_of(job: SampledJob) -> RowReader | None:
    """None while the labels are not known, or not those that the job speaks of."""
    answers = job.answers
    if answers is None or not answers.labels:
        return None
    try:
        return kind_of(answers.config.annotation_type).reader(answers)
    except InvalidRun:
        return None


class JobStates:
    """All jobs that are sampled for. An interval has one threshold for as long as anything that
    is kept belongs to it."""

    def __init__(self, options: SamplerOptions) -> None:
        self._options = options
        self._states: dict[str, JobState] = {}
        self._thresholds: WeakValueDictionary[tuple[str, datetime], Threshold]
        self._thresholds = WeakValueDictionary()

    def __iter__(self) -> Iterator[JobState]:
        return iter(self._states.values())

    def set_jobs(self, jobs: Iterable[SampledJob], now: datetime) -> None:
        """These from now on, and no others."""
        states = {}
        for job in jobs:
            state = self._states.get(job.uid)
            if state is None:
                state = JobState(job, self._threshold_of, now)
            elif state.job != job:
                state.update(job, now)
            states[job.uid] = state
        self._states = states

    def sampling(self, job: SampledJob, now: datetime) -> JobState | None:
        """None: nothing is sampled for it now."""
        state = self._states.get(job.uid)
        # A clock that is behind would stamp what no run covers: those begin at the creation.
        if state is None or not state.job.is_sampling or now < state.job.created:
            return None
        return state

    def bound(self, state: JobState, now: datetime, *, is_whole: bool) -> float:
        return state.bound(now, self._options.near_border, is_whole=is_whole)

    def draws(self, jobs: Iterable[SampledJob], now: datetime, *, is_whole: bool) -> list[Draw]:
        """What those of the jobs that sample now ask of a half, or of a whole prediction."""
        return [
            Draw(
                job.uid,
                self.bound(state, now, is_whole=is_whole),
                state.job.payload_uri,
                self._options.payload_sizes,
                state.reader,
            )
            for job in jobs
            if (state := self.sampling(job, now)) is not None
        ]

    def threshold_at(self, job: SampledJob, at: datetime) -> Threshold:
        return self._threshold_of(job, interval_start(job, at))

    def _threshold_of(self, job: SampledJob, start: datetime) -> Threshold:
        threshold = self._thresholds.get((job.uid, start))
        if threshold is None:
            threshold = Threshold(job.fraction, job.cap)
            self._thresholds[job.uid, start] = threshold
        return threshold
