"""From what was drawn of a half to the record that is kept of it."""

from __future__ import annotations

from datetime import datetime

from evaluation_operator.sampling.sample.job_state import JobState
from evaluation_operator.sampling.sample.record import Record, encode
from evaluation_operator.sampling.sample.sifting import Drawn, Sifted


def build_record(sifted: Sifted, drawn: Drawn, state: JobState, stamp: datetime) -> Record:
    """The half as it is kept for one job, with the settings in force. Raises ValueError for a
    text that cannot be written."""
    threshold = state.threshold
    kept = Record(
        job=state.job,
        key=sifted.key,
        event_id=sifted.event_id,
        stamp=stamp,
        has_request=sifted.has_request,
        has_response=sifted.has_response,
        item_count=sifted.item_count,
        items=drawn.items,
        p=min(sifted.source_fraction, threshold.fraction),
        fraction=threshold.fraction,
        cap=threshold.cap,
        threshold=threshold,
    )
    kept.body = encode(kept, state.encoded, sifted.time or stamp, drawn.texts)
    return kept
